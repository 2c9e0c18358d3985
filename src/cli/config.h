/*
 * The configuration file: YAML, checked against the option tables, every message with file, line
 * and column.
 *
 *     listen: 127.0.0.1:8080
 *     data_dir: /var/lib/lapwing
 *     sources:
 *       plant: {type: csv, path: /data/plant.csv}
 *     detectors:
 *       sensors:
 *         match: "sensor_*"
 *         step: 10s
 *         metrics:
 *           "sensor_*":
 *             aggregate: mean
 *             window: 5m
 *
 * The dialect is what the tables need: mappings, lists of scalars (joined by commas) and scalars.
 * Aliases are refused, and so is a second document. A file of comments alone sets nothing.
 */
#ifndef LW_CLI_CONFIG_H
#define LW_CLI_CONFIG_H

#include "base/option.h"
#include "cli/config_sinks.h"
#include "connect/scores.h"
#include "lapwing/engine.h"

#include <stdbool.h>

#define LW_CONFIG_BYTES_MAX ((size_t)1 << 20)
#define LW_CONFIG_SOURCES_MAX 32
#define LW_CONFIG_PATH_MAX 1024

/* Options at the top of the file; flags of `lapwing run` override them. */
struct lw_config_options {
    char listen[128];
    char data_dir[LW_CONFIG_PATH_MAX];
    int64_t threads;
    int64_t history_steps;
    int64_t history_bytes;
    int64_t memory_bytes; /* 0: four fifths of what the process may have. */
    int64_t history_retention_ns, history_disk_bytes;
    int64_t save_every_ns, sync_every_ns;
    int durability; /* 0: synced, 1: relaxed. */
};

/* Options of what clients push over HTTP, below "push". */
struct lw_push_config_options {
    bool enabled;
    int64_t threads;
    int64_t max_series;
    char tenant_label[LW_SHORT_NAME_MAX];
    int64_t max_series_per_tenant;
    int64_t max_series_per_request, max_samples_per_request;
    int64_t max_future_ns, max_past_ns, delay_ns;
};

enum lw_source_type { LW_SOURCE_HOST, LW_SOURCE_CSV, LW_SOURCE_SCRAPE, LW_SOURCE_FOLLOW };

/* Options of one source: those of its type are used. */
struct lw_source_options {
    int type; /* enum lw_source_type */
    char path[LW_CONFIG_PATH_MAX];
    char instance[LW_NAME_MAX];
    int64_t interval_ns; /* 0 until settled: by type. */
    char time[LW_NAME_MAX], series[LW_NAME_MAX], value[LW_NAME_MAX], entity[LW_NAME_MAX];
    char targets[LW_CONFIG_PATH_MAX], files[LW_CONFIG_PATH_MAX], labels[LW_CONFIG_PATH_MAX];
    int scheme; /* Index into http, https. */
    int64_t timeout_ns;
    char auth_file[LW_CONFIG_PATH_MAX], basic_auth_file[LW_CONFIG_PATH_MAX];
    char ca_file[LW_CONFIG_PATH_MAX], cert_file[LW_CONFIG_PATH_MAX], key_file[LW_CONFIG_PATH_MAX];
    bool verify, honor_labels;
    int64_t body_limit, sample_limit, series_limit, label_limit, label_value_limit;
    int format; /* Index into auto, csv, json, influx. */
    int from;   /* Index into start, end. */
};

/* A key of a detector that the engine does not know: it reads no files. */
#define LW_CONFIG_MODEL_FILE "model_file"
#define LW_CONFIG_MODEL_FILE_HELP                                                                  \
    "Model file that `lapwing train` made, to serve in place of training; read again on SIGHUP."

struct lw_config_source {
    char name[LW_SHORT_NAME_MAX];
    struct lw_source_options options;
};

struct lw_config_detector {
    char name[LW_SHORT_NAME_MAX];
    struct lw_spec *spec; /* Owned. */
};

struct lw_config {
    bool skips_models; /* model_file is not read: training may be about to make it. */
    struct lw_config_options options;
    struct lw_push_config_options push;
    struct lw_scores_options scores;
    struct lw_config_source sources[LW_CONFIG_SOURCES_MAX];
    size_t n_sources;
    struct lw_config_sink sinks[LW_CONFIG_SINKS_MAX];
    size_t n_sinks;
    struct lw_config_detector detectors[LW_ENGINE_DETECTORS_MAX];
    size_t n_detectors;
};

const struct lw_option *lw_config_option_table(size_t *ret_n);
const struct lw_option *lw_push_option_table(size_t *ret_n);
const struct lw_option *lw_source_option_table(size_t *ret_n);
/* Fills in what depends on the type, once all is set. LW_EINVAL for what its type lacks or cannot
 * have. */
enum lw_status lw_source_options_settle(struct lw_source_options *options,
                                        struct lw_error *reterr) LW_MUST_USE;
/* Defaults: no source, no detector. */
void lw_config_init(struct lw_config *config);
void lw_config_fini(struct lw_config *config);
/*
 * Read a file into an initialised configuration. LW_ENOTFOUND, LW_EIO, LW_ELIMIT beyond
 * LW_CONFIG_BYTES_MAX, LW_EFORMAT for what is no YAML, LW_EINVAL for what the tables do not know;
 * the message begins with "file:line:column: ". On failure the configuration can only be finished.
 */
enum lw_status lw_config_read(struct lw_config *config, const char *path,
                              struct lw_error *reterr) LW_MUST_USE;
/* The same from text in memory; `name` stands for the file in messages. */
enum lw_status lw_config_parse(struct lw_config *config, const char *name, const char *text,
                               size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* What is not configured: this host is watched, by the detector built in for hosts; other sources
 * by one called "default". LW_ENOMEM. */
enum lw_status lw_config_fill(struct lw_config *config, struct lw_error *reterr) LW_MUST_USE;
/* A new detector of that name with default options ("host": those built in for hosts), or the one
 * there; NULL when there is no room or memory. */
struct lw_config_detector *lw_config_detector(struct lw_config *config, const char *name);

#endif
