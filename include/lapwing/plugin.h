/*
 * Contracts for what is plugged into an engine: sources today; sinks and models as they come.
 */
#ifndef LAPWING_PLUGIN_H
#define LAPWING_PLUGIN_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Labels a series may have. */
#define LW_LABELS_MAX 48

/** One label of a series. Borrowed text, UTF-8, terminated. */
struct lw_label {
    const char *name;
    const char *value;
};

/** A series as sources name it: Prometheus' data model. Borrowed. */
struct lw_series_key {
    const char *metric;
    const struct lw_label *labels; /**< In any order; names unique. */
    size_t n_labels;               /**< At most LW_LABELS_MAX. */
};

/** One reading of a series known to the feed by number. */
struct lw_point {
    uint32_t series; /**< From lw_feed.series. */
    uint32_t flags;  /**< LW_POINT_MORE or 0. */
    int64_t time_ns; /**< Nanoseconds since 1970-01-01 UTC. */
    double value;    /**< NaN: known to be missing. */
    uint64_t tag;    /**< Handed back with the verdicts it closes: a row number, say. */
};

/** The next point belongs to the same row (detectors with step "row"). */
#define LW_POINT_MORE 1u

/** Where a source delivers. All functions are given by the host; a source calls them from its own
 * thread only. */
struct lw_feed {
    /** The number of a series; adds it when new. LW_ELIMIT when the host takes no more series. */
    enum lw_status (*series)(void *context, const struct lw_series_key *key, uint32_t *ret_series,
                             struct lw_error *reterr);
    /** Takes all n points, waiting until there is room; or none, with LW_EBUSY, while the host is
     * read-only since its journal cannot be written: the source tries again later, or refuses its
     * client. Points of one series come in the source's order. */
    enum lw_status (*push)(void *context, const struct lw_point *points, size_t n);
    /**
     * Event time up to which the source is complete, for the entities it has delivered to so far.
     * It may go back where the rows of another entity begin: an entity ignores a watermark behind
     * its own. An entity that several feeds deliver to follows the slowest of them. INT64_MIN: all
     * that was delivered so far is complete (as at the end of a file); open steps and anomalies of
     * entities that no other feed delivers to are closed, and the time until the next sample counts
     * as nobody's silence.
     */
    enum lw_status (*watermark)(void *context, int64_t time_ns);
    /** Counts samples this source had to drop, by reason: a short name such as "bad_time". */
    void (*dropped)(void *context, const char *reason, uint64_t n);
    /** Place in the host's journal behind all that this feed has delivered so far: a source may
     * tell its client that the samples are kept once lw_feed.durable has reached it. 0 where no
     * journal is kept, or where acknowledging at once is what durability was set to. Any thread. */
    uint64_t (*position)(void *context);
    /** Place up to which the journal is on the disk. Any thread. */
    uint64_t (*durable)(void *context);
    /** Would push take points without waiting long? LW_OK; LW_EBUSY: queues are full, come again in
     * a moment (HTTP 429); LW_EIO: read-only until the disk is well again (HTTP 503), with the
     * reason in reterr. Any thread. */
    enum lw_status (*ready)(void *context, struct lw_error *reterr);
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
