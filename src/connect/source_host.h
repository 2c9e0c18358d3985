/*
 * The source "host": the machine it runs on, once a second, under node_exporter's metric names and
 * labels.
 *
 * It keeps a descriptor on each file under /proc that it reads, asks mounted filesystems for their
 * size, and pushes one point a series and round, all with one time, then the watermark: the round's
 * step is complete, because the next round lies in the next step. docs/sources/host.md lists the
 * metrics. What a kernel does not have is absent without harm.
 */
#ifndef LW_CONNECT_SOURCE_HOST_H
#define LW_CONNECT_SOURCE_HOST_H

#include "lapwing/plugin.h"

#include <stddef.h>
#include <stdint.h>

struct lw_source_host;

struct lw_source_host_config {
    const char *proc_root; /* NULL: "/proc". */
    const char *instance;  /* Value of the label "instance"; NULL: the host's name. */
    int64_t interval_ns;   /* Between rounds; 0: one second. At least 100 ms. */
};

/* One built-in option for the detector that watches a host. */
struct lw_source_host_option {
    const char *pattern; /* Metric pattern for lw_spec_set_metric(); NULL: an option of the
                            detector, for lw_spec_set(). */
    const char *option, *value;
    const char *why; /* For the reference page; NULL where the options above already say. */
};

/*
 * A source with its files open.
 *
 * config      Borrowed; NULL: all defaults.
 * feed        Copied; its context outlives the source.
 * ret_source  The caller owns it: lw_source_host_destroy().
 *
 * LW_OK; LW_EINVAL for an interval below 100 ms or an instance too long; LW_EIO when there is no
 * /proc at all; LW_ENOMEM.
 */
enum lw_status lw_source_host_create(const struct lw_source_host_config *config,
                                     const struct lw_feed *feed, struct lw_source_host **ret_source,
                                     struct lw_error *reterr) LW_MUST_USE;

/* Closes the files; takes NULL. */
void lw_source_host_destroy(struct lw_source_host *source);

/*
 * One round: read everything, push it with time_ns, and move the watermark to the end of the
 * interval that time_ns lies in. What cannot be read is counted through the feed; only the feed's
 * own failure fails the round, with its status.
 */
enum lw_status lw_source_host_collect(struct lw_source_host *source, int64_t time_ns,
                                      struct lw_error *reterr) LW_MUST_USE;

/*
 * A round at each whole interval of the real clock, until stop_fd becomes readable (or its other
 * end is closed). Blocks: give it a thread. LW_OK when stopped; otherwise the feed's failure, or
 * LW_EIO when waiting fails.
 */
enum lw_status lw_source_host_run(struct lw_source_host *source, int stop_fd,
                                  struct lw_error *reterr) LW_MUST_USE;

/* Value of the label "instance"; valid as long as the source. */
const char *lw_source_host_instance(const struct lw_source_host *source);

/* The built-in options of a detector that watches hosts, in the order they must be set. Static. */
const struct lw_source_host_option *lw_source_host_options(size_t *ret_n);

#endif
