/*
 * The source "scrape": asks Prometheus and OpenMetrics targets for what they expose, each once an
 * interval.
 *
 * Targets are named in the configuration or by files in Prometheus' file_sd form (JSON or YAML:
 * [{"targets": ["host:port"], "labels": {...}}]), which are read again when they change. Each has
 * its own moment in the interval, by a hash of its labels, so that scrapes spread. All go through
 * one thread and libcurl's multi interface, over connections that are kept.
 *
 * Samples without a time get the moment the scrape began. Each target also gives up,
 * scrape_duration_seconds and scrape_samples_scraped, as with Prometheus; of one that cannot be
 * scraped there is up = 0 and nothing else. A series that a target stops exposing falls silent.
 *
 * Event time does not pass the beginning of a scrape that is under way, unless its target was down
 * the last time: so a slow answer is not late, and a dead target holds nobody up for longer than
 * one time-out. (Samples of a target that was down get the moment the scrape ended.)
 */
#ifndef LW_CONNECT_SOURCE_SCRAPE_H
#define LW_CONNECT_SOURCE_SCRAPE_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Targets of one source; further ones are left out, and told. */
#define LW_SCRAPE_TARGETS_MAX 10000
/* Redirects followed; from https to https only. */
#define LW_SCRAPE_REDIRECTS_MAX 3
/* Answers under way at a time; further scrapes wait, within their time-out. */
#define LW_SCRAPE_CONNECTIONS_MAX 256

struct lw_source_scrape;

/* What a source tells of itself, on its own thread. Borrowed for the call. */
struct lw_scrape_event {
    enum {
        LW_SCRAPE_UP,       /* A target answers, for the first time or again. */
        LW_SCRAPE_DOWN,     /* A target could not be scraped, for the first time or again. */
        LW_SCRAPE_REJECTED, /* Samples were left out, other than the last time. */
        LW_SCRAPE_GONE,     /* A target is named no more. */
        LW_SCRAPE_FILES     /* A file of targets cannot be read; those of it stay. */
    } kind;
    const char *target; /* URL; the file. */
    const char *detail; /* One sentence, or "". */
    uint64_t n;         /* UP: samples; REJECTED: how many. */
};

/* Borrowed until lw_source_scrape_create() has returned, but for the listener's context; texts may
 * be NULL or "": none. */
struct lw_source_scrape_config {
    const char *job;             /* Value of the label "job". */
    const char *targets;         /* "host:port", separated by commas. */
    const char *files;           /* Patterns of files of targets, separated by commas. */
    const char *scheme, *path;   /* "http", "/metrics". */
    const char *labels;          /* Further labels, "name=value", separated by commas. */
    const char *auth_file;       /* First line: a header, or one word, a bearer token. */
    const char *basic_auth_file; /* First line: user:password. */
    const char *ca_file;         /* PEM, in place of the system's certificates. */
    const char *cert_file, *key_file;
    bool skips_verify; /* Certificates of targets are not checked. */
    bool honor_labels; /* A target's own labels win over job, instance and the like; otherwise they
                          become exported_job and so on. */
    int64_t interval_ns, timeout_ns; /* 0: 15 s, and 10 s or the interval if that is shorter. */
    int64_t body_bytes_max;          /* Of one answer, unpacked; 0: 16 MiB. */
    int64_t samples_max;             /* Of one scrape; 0: 200,000. */
    int64_t series_max;              /* Of the source; 0: 1,000,000. */
    int64_t labels_max;              /* Of a series as exposed; 0: LW_LABELS_MAX. */
    int64_t label_bytes_max;         /* Of one label's value; 0: 1024. */
    void (*tell)(void *context, const struct lw_scrape_event *event); /* May be NULL. */
    void *context;
};

/*
 * A source with its targets read; nothing is asked yet. LW_EINVAL for options that cannot be,
 * LW_ENOTFOUND, LW_EIO, LW_EFORMAT for files, LW_ENOMEM. A pattern without files is no mistake.
 *
 * feed  Copied; its context outlives the source.
 */
enum lw_status lw_source_scrape_create(const struct lw_source_scrape_config *config,
                                       const struct lw_feed *feed,
                                       struct lw_source_scrape **ret_source,
                                       struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_source_scrape_destroy(struct lw_source_scrape *source);
/*
 * Scrapes until stop_fd becomes readable (or its other end is closed). Blocks: give it a thread.
 * LW_OK when stopped; LW_EIO when waiting fails, LW_ENOMEM.
 */
enum lw_status lw_source_scrape_run(struct lw_source_scrape *source, int stop_fd,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Targets it has now. Before and after run, or on its thread. */
size_t lw_source_scrape_n_targets(const struct lw_source_scrape *source);

#endif
