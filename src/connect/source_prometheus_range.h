/*
 * A source of samples: the range API of Prometheus, and of what speaks like it.
 *
 * Values are asked for at whole multiples of a step, in pieces of time that keep within the
 * server's limit of points and within bounded memory, and delivered in time order over all series,
 * as if they came in live. docs/sources/prometheus-range.md says what the server does to them.
 *
 * Memory: at most 16 MiB of answers at a time, read into about nine times as much. One thread per
 * source.
 */
#ifndef LW_CONNECT_SOURCE_PROMETHEUS_RANGE_H
#define LW_CONNECT_SOURCE_PROMETHEUS_RANGE_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Queries whose series are read side by side. */
#define LW_PROMETHEUS_QUERIES_MAX 16
/* Points of a series that a server gives at once; more is refused by Prometheus. */
#define LW_PROMETHEUS_STEPS_MAX 11000
/* Steps of the whole range. */
#define LW_PROMETHEUS_RANGE_STEPS_MAX INT64_C(50000000)
/* Bytes of the answers to one piece of time. */
#define LW_PROMETHEUS_ANSWER_MAX ((size_t)16 << 20)

struct lw_source_prometheus_range;

/* How a range is read. Borrowed texts outlive the source. */
struct lw_prometheus_range_setup {
    const char *url; /* "http://host:9090", also with a path before /api. */
    const char *const *queries;
    size_t n_queries;
    int64_t from_ns, to_ns;            /* Both included. */
    int64_t step_ns;                   /* Whole milliseconds. */
    const char *header_file, *ca_file; /* As struct lw_http_setup; may be NULL. */
    int64_t timeout_ns;                /* Of one request; 0: two minutes. */
    const struct lw_feed *feed;
    /* Hears of what is worth knowing and no failure: a request tried again, say. May be NULL. */
    void (*tell)(void *context, const char *sentence);
    void *context;
};

/* What was read so far. */
struct lw_prometheus_range_totals {
    uint64_t points, requests, retries;
    int64_t first_ns, last_ns; /* Of points; first > last: there was none. */
    uint32_t n_series;         /* The most that one answer had. */
};

/*
 * A source; nothing is asked for yet.
 *
 * LW_OK; LW_EINVAL for an address, step or range that cannot be; LW_ENOTFOUND, LW_EIO, LW_EFORMAT
 * for the files; LW_ENOMEM.
 */
enum lw_status lw_source_prometheus_range_open(const struct lw_prometheus_range_setup *setup,
                                               struct lw_source_prometheus_range **ret_source,
                                               struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_source_prometheus_range_close(struct lw_source_prometheus_range *source);
/*
 * Asks for the next piece of time and delivers it; the watermark follows. A request that fails for
 * a reason that may pass is tried four times.
 *
 * ret_more  False when the range has been read.
 *
 * LW_OK; LW_EIO when the server cannot be reached or refuses; LW_EFORMAT for an answer that is
 * none; LW_ELIMIT when one step alone is too large; LW_ENOMEM; what the feed answered. Messages
 * begin with the address.
 */
enum lw_status lw_source_prometheus_range_next(struct lw_source_prometheus_range *source,
                                               bool *ret_more, struct lw_error *reterr) LW_MUST_USE;
/* The share of the range that was read, in [0, 1]. */
double lw_source_prometheus_range_share(const struct lw_source_prometheus_range *source);
struct lw_prometheus_range_totals lw_source_prometheus_range_totals(
    const struct lw_source_prometheus_range *source);

#endif
