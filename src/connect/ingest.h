/*
 * What all push sources share: the way from a client's series and samples to a feed.
 *
 * One lw_ingest is one source ("remote_write"); many requests may be under way at once, each on a
 * thread of its own with an lw_ingest_request of its own, which is reused. A decoder asks for each
 * series by its identity, the raw bytes that name it in the request, which costs one look-up in a
 * table of keyed 128-bit hashes; only when it is unknown does the decoder spell out the labels.
 * Points gather in the request and go to the feed in one push.
 *
 * Event time of the source stays `delay_ns` behind the newest time it was given (times further than
 * `future_ns` ahead of the clock are refused), since several connections of one client overtake
 * each other; it is told to the feed with each request, not more often than every
 * LW_INGEST_TELL_NS. When no samples have come for LW_INGEST_IDLE_NS it goes on with the clock, so
 * far behind it, so that silence is noticed.
 *
 * A request in which a series has several samples (a sender that catches up, a table uploaded in
 * one piece) is put in order of time and handed over in slices of LW_ORDER_SLICE_NS
 * (connect/ingest/ order.h), event time being told between them: steps close as they would have,
 * had the samples come one by one. Should the host become read-only in the midst, the whole request
 * fails; what it took already is recognised, or late, when the client sends it again.
 *
 * Several connections of one sender that catches up (the shards of Prometheus' remote write) carry
 * different series of the same times, and are not in step. Such requests belong to lanes, by their
 * series (connect/ingest/lanes.h): event time does not pass the slowest lane that is active and
 * more than LW_INGEST_BEHIND_NS behind the clock. Lanes that did not show yet are waited for so:
 * while the newest sample is that far behind, event time stays behind it, but not more than
 * LW_INGEST_HOLD_STEPS times the time between samples of a series (open steps hold `max_samples`)
 * nor than LW_INGEST_HOLD_NS; samples closer than LW_INGEST_HOLD_PERIOD_NS are too many to be held
 * open. Once nothing has come for LW_INGEST_PAUSE_NS that ends. A lane that shows later than that,
 * or not for LW_LANES_ACTIVE_NS, loses samples as late; one that is further ahead of the slowest
 * than open steps have room for, as overflow.
 *
 * A request holds the source's series for reading from its first look-up to its commit or reset: a
 * thread has one request of a source under way at a time, and does not wait within.
 */
#ifndef LW_CONNECT_INGEST_H
#define LW_CONNECT_INGEST_H

#include "lapwing/plugin.h"

#include <stdbool.h>

#define LW_INGEST_UNKNOWN UINT32_MAX
/* Rejections of one request whose text is kept; more are counted. */
#define LW_INGEST_DETAILS 8
/* Reasons a request tells apart; more are counted as "other". */
#define LW_INGEST_REASONS 16
#define LW_INGEST_TELL_NS INT64_C(5000000)
#define LW_INGEST_IDLE_NS (INT64_C(900) * 1000000000)
#define LW_INGEST_BEHIND_NS (INT64_C(60) * 1000000000)
#define LW_INGEST_HOLD_NS (INT64_C(300) * 1000000000)
#define LW_INGEST_HOLD_STEPS 20
#define LW_INGEST_HOLD_PERIOD_NS (INT64_C(2) * 1000000000)
#define LW_INGEST_PAUSE_NS (INT64_C(2) * 1000000000)

struct lw_ingest;
struct lw_ingest_request;

/* Limits of a source; 0: the default named. */
struct lw_ingest_limits {
    uint64_t series;             /* Series of the source: 1,000,000. */
    const char *tenant_label;    /* Counts series by this label's value too; NULL: not. */
    uint64_t series_of_tenant;   /* 100,000. */
    uint64_t series_of_request;  /* Different series one request may hold: 200,000. */
    uint64_t samples_of_request; /* 1,000,000. */
    int64_t future_ns;           /* Times later than the clock by more are refused: 10 min. */
    int64_t past_ns;             /* Times older than this are refused: 0: no bound. */
    int64_t delay_ns;            /* Event time stays so far behind the newest sample: 0. */
};

struct lw_ingest_config {
    const struct lw_feed *feed; /* Copied; the ingest alone calls it. */
    const char *source;         /* In messages; outlives the ingest, as does the tenant label. */
    struct lw_ingest_limits limits;
    int64_t (*now_ns)(void); /* NULL: lw_clock_real_ns. */
};

enum lw_status lw_ingest_create(const struct lw_ingest_config *config,
                                struct lw_ingest **ret_ingest, struct lw_error *reterr) LW_MUST_USE;
/* No request may be under way. Takes NULL. */
void lw_ingest_destroy(struct lw_ingest *ingest);
/* Called about once a second by the host, on any thread: event time of an idle source goes on. */
void lw_ingest_tick(struct lw_ingest *ingest);
/* As lw_feed.ready: LW_OK, LW_EBUSY (429), LW_EIO (503). Asked before a body is decoded. */
enum lw_status lw_ingest_ready(struct lw_ingest *ingest, struct lw_error *reterr);

/* ---- one request: one thread ---- */

enum lw_status lw_ingest_request_create(struct lw_ingest *ingest,
                                        struct lw_ingest_request **ret_request,
                                        struct lw_error *reterr) LW_MUST_USE;
void lw_ingest_request_destroy(struct lw_ingest_request *request);
/* Forget what was gathered and counted. */
void lw_ingest_request_reset(struct lw_ingest_request *request);

/* The number of the series that these bytes name, or LW_INGEST_UNKNOWN. Equal bytes are one series;
 * several spellings of one series may each have an entry. */
uint32_t lw_ingest_find(struct lw_ingest_request *request, const void *identity, size_t n_bytes);
/*
 * The same in two parts, so that memory answers while the decoder reads on: with many series the
 * table is far larger than the caches, and a decoder that waits for it does little else. A few
 * look-ups may be under way: seek now, found some series later.
 */
struct lw_ingest_sought {
    uint64_t low, high;
};
struct lw_ingest_sought lw_ingest_seek(struct lw_ingest_request *request, const void *identity,
                                       size_t n_bytes);
uint32_t lw_ingest_found(struct lw_ingest_request *request, struct lw_ingest_sought sought);
/* A hash of 16 bytes, keyed by the source's secret: what many series have in common (a resource, a
 * metric) may stand for itself in their identities so. */
void lw_ingest_digest(const struct lw_ingest_request *request, const void *bytes, size_t n_bytes,
                      uint8_t ret_digest[16]);
/* A hash of bytes, keyed by a secret of the process: for identities made of many texts that come
 * again and again. Two texts share one with a chance of 2^-64. */
uint64_t lw_ingest_text_hash(const struct lw_ingest_request *request, const void *bytes,
                             size_t n_bytes);
/*
 * The same, when it was unknown: spelt out. Takes a stale or refused series' place in the counters.
 * LW_ELIMIT beyond a limit, LW_ETOOLONG for too long a name, LW_EINVAL for one that cannot be: the
 * decoder rejects the samples with the message and lw_ingest_reason(). A refusal is remembered for
 * a while, so that it is cheap.
 */
enum lw_status lw_ingest_define(struct lw_ingest_request *request, const void *identity,
                                size_t n_bytes, const struct lw_series_key *key,
                                uint32_t *ret_series, struct lw_error *reterr);
/* What samples are counted under whose series was refused so: "series_limit", "name_too_long", or
 * the name given, a static text. */
const char *lw_ingest_reason(enum lw_status status, const char *otherwise);
/* One sample. False, and the sample is counted as rejected, when its time cannot be or the
 * request's limit is reached. NaN: known to be missing. Infinite values are rejected as
 * "not_finite". */
bool lw_ingest_sample(struct lw_ingest_request *request, uint32_t series, int64_t time_ns,
                      double value);
/* When the request began, by the source's clock: the time of samples that come without one. */
int64_t lw_ingest_request_now_ns(struct lw_ingest_request *request);
/* Samples that were dropped: `reason` is a short name for counters ("bad_value"); `where` says
 * where in the request ("line 7", "timeseries 3"), the rest is the sentence for people. */
void lw_ingest_reject(struct lw_ingest_request *request, const char *reason, uint64_t n,
                      const char *where, const char *format, ...) LW_PRINTF(5, 6);

/* Samples that are in order and yet nothing to score (a marker that a series ended, an exemplar):
 * counted by reason, and the client is told nothing. */
void lw_ingest_pass_over(struct lw_ingest_request *request, const char *reason, uint64_t n);

struct lw_ingest_outcome {
    uint64_t n_taken, n_rejected;
    size_t n_details;                     /* At most LW_INGEST_DETAILS. */
    char details[LW_INGEST_DETAILS][256]; /* "line 7: value \"x\" is no number" */
    uint64_t position; /* The answer may be given once the feed is durable up to here. */
};
/* Hands what was gathered to the feed, in the order it was added, with its event time. LW_EBUSY
 * when the host became read-only, or LW_ENOMEM: the client is to send all of it again, and the
 * outcome is empty. */
enum lw_status lw_ingest_commit(struct lw_ingest_request *request,
                                struct lw_ingest_outcome *ret_outcome);

/* Series the source has now. Any thread. */
uint64_t lw_ingest_n_series(struct lw_ingest *ingest);

#endif
