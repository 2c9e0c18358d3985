/*
 * Push sources: requests, their points, event time. The names are in connect/ingest/names.c.
 *
 * Locks: `names_lock` guards the names, for reading during a request's look-ups; `feed_lock` makes
 * the calls to the feed one at a time and guards event time. They are taken in that order.
 */
#include "connect/ingest.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "connect/ingest/lanes.h"
#include "connect/ingest/names.h"
#include "connect/ingest/order.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define POINTS_FIRST 1024
/* Points whose memory a request keeps for the next one. */
#define POINTS_KEPT 65536

struct lw_ingest {
    struct lw_feed feed;
    struct lw_ingest_limits limits;
    int64_t (*now_ns)(void);
    pthread_rwlock_t names_lock;
    struct lw_names names;
    pthread_mutex_t feed_lock;
    int64_t newest_ns;  /* Event time of the newest sample; INT64_MIN before the first. */
    int64_t period_ns;  /* Between samples of a series, by the last request with several; or 0. */
    int64_t arrived_ns; /* By the clock: when samples last came. */
    struct lw_lanes lanes; /* Of long requests. */
    int64_t told_ns;       /* The watermark told last. */
    int64_t told_at_ns;    /* By the clock. */
};

struct dropped {
    const char *reason;
    uint64_t n;
};

struct lw_ingest_request {
    struct lw_ingest *ingest;
    bool reads; /* Holds names_lock for reading. */
    bool busy;  /* The host became read-only, or had no memory: `failure` says. */
    enum lw_status failure;
    int64_t now_ns; /* When the request began; 0: not yet. */
    uint32_t now_min;
    struct lw_point *points;
    size_t n_points, capacity;
    int64_t oldest_ns, newest_ns;
    bool has_lane; /* It is long, or far behind the clock. */
    uint32_t lane;
    int64_t slice_ns;  /* Its points go in slices of so much event time; 0: all at once. */
    int64_t period_ns; /* Between samples of a series, about; 0: no series has several. */
    uint64_t *touched; /* A bit for each series number: whether the request has it. */
    size_t n_words;
    uint64_t n_touched;
    uint32_t last_series;
    struct dropped dropped[LW_INGEST_REASONS];
    size_t n_dropped;
    struct lw_ingest_outcome outcome;
};

/* ---- life ---- */

static void limits_default(struct lw_ingest_limits *limits)
{
    limits->series = limits->series == 0 ? 1000000 : limits->series;
    limits->series_of_tenant = limits->series_of_tenant == 0 ? 100000 : limits->series_of_tenant;
    limits->series_of_request = limits->series_of_request == 0 ? 200000 : limits->series_of_request;
    limits->samples_of_request = limits->samples_of_request == 0 ? 1000000
                                                                 : limits->samples_of_request;
    limits->future_ns = limits->future_ns == 0 ? 10 * MINUTE_NS : limits->future_ns;
}

enum lw_status lw_ingest_create(const struct lw_ingest_config *config,
                                struct lw_ingest **ret_ingest, struct lw_error *reterr)
{
    struct lw_ingest *ingest = lw_mem_calloc(1, sizeof(*ingest));
    pthread_rwlockattr_t fair;
    enum lw_status status;

    if (ingest == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for source %s", config->source);
    }
    ingest->feed = *config->feed;
    ingest->limits = config->limits;
    limits_default(&ingest->limits);
    ingest->now_ns = config->now_ns == NULL ? lw_clock_real_ns : config->now_ns;
    ingest->newest_ns = INT64_MIN;
    ingest->told_ns = INT64_MIN;
    /* Requests under way would keep definitions out for ever otherwise. */
    (void)pthread_rwlockattr_init(&fair);
    (void)pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&ingest->names_lock, &fair);
    (void)pthread_rwlockattr_destroy(&fair);
    (void)pthread_mutex_init(&ingest->feed_lock, NULL);
    status = lw_names_init(&ingest->names, config->source, &ingest->limits, reterr);
    if (status != LW_OK) {
        lw_ingest_destroy(ingest);
        return status;
    }
    *ret_ingest = ingest;
    return LW_OK;
}

void lw_ingest_destroy(struct lw_ingest *ingest)
{
    if (ingest == NULL) {
        return;
    }
    lw_names_fini(&ingest->names);
    lw_lanes_fini(&ingest->lanes);
    (void)pthread_mutex_destroy(&ingest->feed_lock);
    (void)pthread_rwlock_destroy(&ingest->names_lock);
    lw_mem_free(ingest);
}

enum lw_status lw_ingest_ready(struct lw_ingest *ingest, struct lw_error *reterr)
{
    return ingest->feed.ready(ingest->feed.context, reterr);
}

uint64_t lw_ingest_n_series(struct lw_ingest *ingest)
{
    uint64_t n;

    (void)pthread_rwlock_rdlock(&ingest->names_lock);
    n = ingest->names.known.n;
    (void)pthread_rwlock_unlock(&ingest->names_lock);
    return n;
}

enum lw_status lw_ingest_request_create(struct lw_ingest *ingest,
                                        struct lw_ingest_request **ret_request,
                                        struct lw_error *reterr)
{
    struct lw_ingest_request *request = lw_mem_calloc(1, sizeof(*request));

    if (request == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a request");
    }
    request->ingest = ingest;
    request->last_series = LW_INGEST_UNKNOWN;
    request->oldest_ns = INT64_MAX;
    request->newest_ns = INT64_MIN;
    *ret_request = request;
    return LW_OK;
}

static void request_end_reading(struct lw_ingest_request *request)
{
    if (request->reads) {
        request->reads = false;
        (void)pthread_rwlock_unlock(&request->ingest->names_lock);
    }
}

void lw_ingest_request_reset(struct lw_ingest_request *request)
{
    struct lw_ingest_request fresh = {.ingest = request->ingest,
                                      .points = request->points,
                                      .capacity = request->capacity,
                                      .oldest_ns = INT64_MAX,
                                      .newest_ns = INT64_MIN,
                                      .touched = request->touched,
                                      .n_words = request->n_words,
                                      .last_series = LW_INGEST_UNKNOWN};

    request_end_reading(request);
    if (fresh.n_words > 0) {
        memset(fresh.touched, 0, fresh.n_words * sizeof(*fresh.touched));
    }
    if (fresh.capacity > POINTS_KEPT) {
        lw_mem_free(fresh.points);
        fresh.points = NULL;
        fresh.capacity = 0;
    }
    *request = fresh;
}

void lw_ingest_request_destroy(struct lw_ingest_request *request)
{
    if (request == NULL) {
        return;
    }
    request_end_reading(request);
    lw_mem_free(request->points);
    lw_mem_free(request->touched);
    lw_mem_free(request);
}

static void request_begin(struct lw_ingest_request *request)
{
    request->now_ns = request->ingest->now_ns();
    request->now_min = (uint32_t)(request->now_ns / MINUTE_NS);
}

int64_t lw_ingest_request_now_ns(struct lw_ingest_request *request)
{
    if (request->now_ns == 0) {
        request_begin(request);
    }
    return request->now_ns;
}

/* ---- series ---- */

uint64_t lw_ingest_text_hash(const struct lw_ingest_request *request, const void *bytes,
                             size_t n_bytes)
{
    return lw_names_text_hash(&request->ingest->names, bytes, n_bytes);
}

static void request_begin_reading(struct lw_ingest_request *request)
{
    if (!request->reads) {
        (void)pthread_rwlock_rdlock(&request->ingest->names_lock);
        request->reads = true;
    }
    if (request->now_ns == 0) {
        request_begin(request);
    }
}

struct lw_ingest_sought lw_ingest_seek(struct lw_ingest_request *request, const void *identity,
                                       size_t n_bytes)
{
    const struct lw_names *names = &request->ingest->names;
    struct lw_ingest_hash hash = lw_names_hash(names, identity, n_bytes);

    request_begin_reading(request);
    lw_ingest_table_prefetch(&names->spellings, hash);
    return (struct lw_ingest_sought){.low = hash.low, .high = hash.high};
}

uint32_t lw_ingest_found(struct lw_ingest_request *request, struct lw_ingest_sought sought)
{
    request_begin_reading(request); /* A definition in between ended it. */
    return lw_names_find(&request->ingest->names, (struct lw_ingest_hash){sought.low, sought.high},
                         request->now_min);
}

uint32_t lw_ingest_find(struct lw_ingest_request *request, const void *identity, size_t n_bytes)
{
    const struct lw_names *names = &request->ingest->names;

    request_begin_reading(request);
    return lw_names_find(names, lw_names_hash(names, identity, n_bytes), request->now_min);
}

void lw_ingest_digest(const struct lw_ingest_request *request, const void *bytes, size_t n_bytes,
                      uint8_t ret_digest[16])
{
    struct lw_ingest_hash hash = lw_names_hash(&request->ingest->names, bytes, n_bytes);

    memcpy(ret_digest, &hash.low, sizeof(hash.low));
    memcpy(ret_digest + sizeof(hash.low), &hash.high, sizeof(hash.high));
}

enum lw_status lw_ingest_define(struct lw_ingest_request *request, const void *identity,
                                size_t n_bytes, const struct lw_series_key *key,
                                uint32_t *ret_series, struct lw_error *reterr)
{
    struct lw_ingest *ingest = request->ingest;
    struct lw_names_asked asked = {.key = key, .feed = &ingest->feed};
    uint32_t series = lw_ingest_find(request, identity, n_bytes); /* Perhaps another request's. */
    enum lw_status status;

    if (series != LW_INGEST_UNKNOWN) {
        *ret_series = series;
        return LW_OK;
    }
    asked.spelling = lw_names_hash(&ingest->names, identity, n_bytes);
    asked.now_min = request->now_min;
    status = lw_names_refusal(&ingest->names, asked.spelling, asked.now_min, reterr);
    if (status != LW_OK) {
        return status;
    }
    request_end_reading(request);
    (void)pthread_rwlock_wrlock(&ingest->names_lock);
    (void)pthread_mutex_lock(&ingest->feed_lock);
    status = lw_names_define(&ingest->names, &asked, ret_series, reterr);
    (void)pthread_mutex_unlock(&ingest->feed_lock);
    (void)pthread_rwlock_unlock(&ingest->names_lock);
    if (status != LW_OK && status != LW_ELIMIT && status != LW_ETOOLONG && status != LW_EINVAL) {
        request->busy = true;
        request->failure = status;
    }
    return status;
}

/* ---- what is dropped ---- */

const char *lw_ingest_reason(enum lw_status status, const char *otherwise)
{
    switch (status) {
    case LW_ELIMIT:
        return "series_limit";
    case LW_ETOOLONG:
        return "name_too_long";
    default:
        return otherwise;
    }
}

static void request_count(struct lw_ingest_request *request, const char *reason, uint64_t n)
{
    size_t at = 0;

    if (n == 0) { /* A series that cannot be and has no samples. */
        return;
    }
    while (at < request->n_dropped && strcmp(request->dropped[at].reason, reason) != 0) {
        at++;
    }
    if (at == LW_INGEST_REASONS) {
        at--;
        request->dropped[at].reason = "other";
    } else if (at == request->n_dropped) {
        request->dropped[request->n_dropped++] = (struct dropped){.reason = reason};
    }
    request->dropped[at].n += n;
}

void lw_ingest_pass_over(struct lw_ingest_request *request, const char *reason, uint64_t n)
{
    request_count(request, reason, n);
}

/* Cuts a text that was cut by bytes back to whole UTF-8 characters. */
static void text_end_whole(char *text)
{
    size_t n = strlen(text);
    size_t tail = 0;

    while (tail < 3 && tail < n && ((unsigned char)text[n - 1 - tail] & 0xC0) == 0x80) {
        tail++;
    }
    if (tail < n) {
        unsigned char lead = (unsigned char)text[n - 1 - tail];
        size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

        if (lead >= 0xC0 && tail < wanted) {
            text[n - 1 - tail] = '\0';
        }
    }
}

void lw_ingest_reject(struct lw_ingest_request *request, const char *reason, uint64_t n,
                      const char *where, const char *format, ...)
{
    struct lw_ingest_outcome *outcome = &request->outcome;
    va_list arguments;

    request_count(request, reason, n);
    outcome->n_rejected += n;
    if (outcome->n_details < LW_INGEST_DETAILS) {
        char *text = outcome->details[outcome->n_details++];
        size_t capacity = sizeof(outcome->details[0]);
        size_t used = where == NULL || where[0] == '\0'
                          ? 0
                          : (size_t)snprintf(text, capacity, "%.100s: ", where);

        va_start(arguments, format);
        (void)vsnprintf(text + used, capacity - used, format, arguments);
        va_end(arguments);
        text_end_whole(text);
    }
}

/* ---- samples ---- */

/* Room for one point more; false without memory, and then the whole request fails. */
static bool points_grow(struct lw_ingest_request *request)
{
    size_t wanted = request->capacity == 0 ? POINTS_FIRST : request->capacity * 2;
    struct lw_point *grown = lw_mem_realloc(request->points, wanted * sizeof(*grown));

    if (grown == NULL) {
        request->busy = true;
        request->failure = LW_ENOMEM;
        return false;
    }
    request->points = grown;
    request->capacity = wanted;
    return true;
}

/* Counts the series among those of the request; false beyond its limit. */
static bool series_touch(struct lw_ingest_request *request, uint32_t series)
{
    uint64_t bit = UINT64_C(1) << (series & 63);
    size_t word = series / 64;

    if (word >= request->n_words) {
        size_t wanted = word + word / 2 + 64;
        uint64_t *grown = lw_mem_realloc(request->touched, wanted * sizeof(*grown));

        if (grown == NULL) {
            request->busy = true;
            request->failure = LW_ENOMEM;
            return false;
        }
        memset(grown + request->n_words, 0, (wanted - request->n_words) * sizeof(*grown));
        request->touched = grown;
        request->n_words = wanted;
    }
    if ((request->touched[word] & bit) == 0) {
        if (request->n_touched == request->ingest->limits.series_of_request) {
            lw_ingest_reject(request, "request_series", 1, NULL,
                             "one request may hold %llu different series",
                             (unsigned long long)request->n_touched);
            return false;
        }
        request->touched[word] |= bit;
        request->n_touched++;
    }
    request->last_series = series;
    return true;
}

/* Why a time cannot be; false when it can. */
static bool time_is_refused(struct lw_ingest_request *request, int64_t time_ns)
{
    const struct lw_ingest_limits *limits = &request->ingest->limits;

    if (time_ns > request->now_ns && time_ns - request->now_ns > limits->future_ns) {
        lw_ingest_reject(request, "future", 1, NULL,
                         "a sample's time is %.3f s ahead of the clock; %.3f s are taken",
                         (double)(time_ns - request->now_ns) / 1e9,
                         (double)limits->future_ns / 1e9);
        return true;
    }
    if (limits->past_ns > 0 && time_ns < request->now_ns - limits->past_ns) {
        lw_ingest_reject(
            request, "old", 1, NULL, "a sample's time is %.3f s behind the clock; %.3f s are taken",
            ((double)request->now_ns - (double)time_ns) / 1e9, (double)limits->past_ns / 1e9);
        return true;
    }
    return false;
}

bool lw_ingest_sample(struct lw_ingest_request *request, uint32_t series, int64_t time_ns,
                      double value)
{
    if (request->now_ns == 0) {
        request_begin(request);
    }
    if (time_is_refused(request, time_ns)) {
        return false;
    }
    if (isinf(value)) {
        lw_ingest_reject(request, "not_finite", 1, NULL, "a sample's value is infinite");
        return false;
    }
    if (series != request->last_series && !series_touch(request, series)) {
        return false;
    }
    if (request->n_points == request->ingest->limits.samples_of_request) {
        lw_ingest_reject(request, "request_samples", 1, NULL, "one request may hold %llu samples",
                         (unsigned long long)request->n_points);
        return false;
    }
    if (request->n_points == request->capacity && !points_grow(request)) {
        return false;
    }
    request->points[request->n_points++] = (struct lw_point){
        .series = series, .time_ns = time_ns, .value = value};
    request->oldest_ns = time_ns < request->oldest_ns ? time_ns : request->oldest_ns;
    request->newest_ns = time_ns > request->newest_ns ? time_ns : request->newest_ns;
    return true;
}

/* ---- event time and the end of a request ---- */

/* How far event time stays behind the newest sample: `delay`, or while the source catches up more,
 * as long as its connections may overtake each other (see the head of ingest.h). */
static int64_t hold_ns(const struct lw_ingest *ingest, int64_t now_ns)
{
    int64_t period_ns = ingest->period_ns < LW_INGEST_HOLD_NS ? ingest->period_ns
                                                              : LW_INGEST_HOLD_NS;
    int64_t most_ns = LW_INGEST_HOLD_STEPS * period_ns;
    int64_t lag_ns = now_ns - ingest->newest_ns - LW_INGEST_BEHIND_NS;

    if (ingest->period_ns < LW_INGEST_HOLD_PERIOD_NS) {
        return ingest->limits.delay_ns;
    }
    most_ns = most_ns < LW_INGEST_HOLD_NS ? most_ns : LW_INGEST_HOLD_NS;
    most_ns = lag_ns < most_ns ? lag_ns : most_ns;
    return now_ns - ingest->arrived_ns < LW_INGEST_PAUSE_NS && most_ns > ingest->limits.delay_ns
               ? most_ns
               : ingest->limits.delay_ns;
}

/* Tells the feed how far event time is, if it went on. */
static void watermark_tell(struct lw_ingest *ingest, int64_t event_ns, int64_t now_ns)
{
    int64_t behind_ns = hold_ns(ingest, now_ns);
    int64_t delayed_ns = event_ns < INT64_MIN + 1 + behind_ns ? INT64_MIN + 1
                                                              : event_ns - behind_ns;
    int64_t slowest_ns = lw_lanes_slowest(&ingest->lanes, now_ns - LW_INGEST_BEHIND_NS, now_ns);

    delayed_ns = slowest_ns < delayed_ns ? slowest_ns : delayed_ns;
    if (delayed_ns > ingest->told_ns) {
        ingest->told_ns = delayed_ns;
        ingest->told_at_ns = now_ns;
        (void)!ingest->feed.watermark(ingest->feed.context, delayed_ns);
    }
}

/* A request in which some series has several samples, further apart than a slice, is put in order
 * of time, to go in slices; of others slice_ns stays 0. */
static enum lw_status request_order(struct lw_ingest_request *request)
{
    uint64_t each = request->n_touched == 0
                        ? 0
                        : (request->n_points + request->n_touched - 1) / request->n_touched;
    uint64_t span_ns = (uint64_t)request->newest_ns - (uint64_t)request->oldest_ns;
    struct lw_point *spare;

    if (request->n_points <= request->n_touched || span_ns < (uint64_t)LW_ORDER_SLICE_NS) {
        return LW_OK;
    }
    spare = lw_mem_alloc(request->n_points * sizeof(*spare));
    if (spare == NULL) {
        return LW_ENOMEM;
    }
    lw_points_order(request->points, request->n_points, spare);
    lw_mem_free(spare);
    request->slice_ns = LW_ORDER_SLICE_NS;
    if (each > 1) {
        uint64_t period_ns = span_ns / (each - 1);

        request->period_ns = period_ns < (uint64_t)LW_INGEST_HOLD_NS ? (int64_t)period_ns
                                                                     : LW_INGEST_HOLD_NS;
        if (request->period_ns < LW_ORDER_SLICE_NS / LW_ORDER_SLICE_STEPS) {
            request->slice_ns = LW_ORDER_SLICE_STEPS * request->period_ns;
        }
    }
    return LW_OK;
}

/* Samples came, the newest of that time. */
static void event_time_reach(const struct lw_ingest_request *request, int64_t newest_ns,
                             int64_t now_ns)
{
    struct lw_ingest *ingest = request->ingest;

    if (request->has_lane) {
        lw_lanes_reach(&ingest->lanes, request->lane, newest_ns, now_ns);
    }
    ingest->arrived_ns = now_ns;
    ingest->newest_ns = newest_ns > ingest->newest_ns ? newest_ns : ingest->newest_ns;
}

/* Which lane of a source that catches up it belongs to, and how far apart samples are there. */
static enum lw_status lane_enter(struct lw_ingest_request *request)
{
    struct lw_ingest *ingest = request->ingest;
    int64_t now_ns = ingest->now_ns(), period_ns = request->period_ns;
    enum lw_status status;

    request->has_lane = request->n_points > 0 &&
                        (request->slice_ns > 0 ||
                         request->newest_ns < now_ns - LW_INGEST_BEHIND_NS);
    if (!request->has_lane) {
        return LW_OK;
    }
    status = lw_lanes_enter(&ingest->lanes, request->points, request->n_points, now_ns,
                            &request->lane);
    if (status != LW_OK) {
        return status;
    }
    if (period_ns == 0 && ingest->lanes.lanes[request->lane].arrived_ns != 0) {
        period_ns = request->newest_ns - ingest->lanes.lanes[request->lane].newest_ns;
    }
    ingest->period_ns = period_ns > 0 ? period_ns : ingest->period_ns;
    return LW_OK;
}

/* Hands the points over: at once, or in slices with event time told between them. */
static enum lw_status request_push(struct lw_ingest_request *request)
{
    struct lw_ingest *ingest = request->ingest;
    bool is_long = request->slice_ns > 0;
    enum lw_status status = lane_enter(request);
    size_t n;

    for (size_t at = 0; status == LW_OK && at < request->n_points; at += n) {
        n = is_long
                ? lw_points_slice(request->points + at, request->n_points - at, request->slice_ns)
                : request->n_points;
        status = ingest->feed.push(ingest->feed.context, request->points + at, n);
        if (status == LW_OK && is_long && at + n < request->n_points) {
            int64_t now_ns = ingest->now_ns();
            int64_t newest_ns = request->points[at + n - 1].time_ns;

            event_time_reach(request, newest_ns, now_ns);
            watermark_tell(ingest, newest_ns, now_ns); /* Not past what is yet to come. */
        }
    }
    return status;
}

static enum lw_status request_deliver(struct lw_ingest_request *request)
{
    struct lw_ingest *ingest = request->ingest;
    enum lw_status status = request_push(request);

    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < request->n_dropped; i++) {
        ingest->feed.dropped(ingest->feed.context, request->dropped[i].reason,
                             request->dropped[i].n);
    }
    if (request->n_points > 0) {
        int64_t now_ns = ingest->now_ns();

        event_time_reach(request, request->newest_ns, now_ns);
        if (now_ns - ingest->told_at_ns >= LW_INGEST_TELL_NS || now_ns < ingest->told_at_ns ||
            request->slice_ns > 0) {
            watermark_tell(ingest, ingest->newest_ns, now_ns);
        }
    }
    request->outcome.position = ingest->feed.position(ingest->feed.context);
    return LW_OK;
}

enum lw_status lw_ingest_commit(struct lw_ingest_request *request,
                                struct lw_ingest_outcome *ret_outcome)
{
    enum lw_status status = request->failure;

    request_end_reading(request);
    if (!request->busy) {
        status = request_order(request);
    }
    if (!request->busy && status == LW_OK) {
        (void)pthread_mutex_lock(&request->ingest->feed_lock);
        status = request_deliver(request);
        (void)pthread_mutex_unlock(&request->ingest->feed_lock);
    }
    if (status != LW_OK) {
        *ret_outcome = (struct lw_ingest_outcome){0};
        return status;
    }
    request->outcome.n_taken = request->n_points;
    *ret_outcome = request->outcome;
    return LW_OK;
}

void lw_ingest_tick(struct lw_ingest *ingest)
{
    int64_t now_ns = ingest->now_ns();

    (void)pthread_mutex_lock(&ingest->feed_lock);
    if (ingest->newest_ns != INT64_MIN) {
        int64_t silent_ns = now_ns - ingest->arrived_ns - LW_INGEST_IDLE_NS;

        watermark_tell(ingest, ingest->newest_ns + (silent_ns > 0 ? silent_ns : 0), now_ns);
    }
    (void)pthread_mutex_unlock(&ingest->feed_lock);
}
