/*
 * Any bytes as the body of a push class, for fuzzers: whatever they are, points are of series that
 * the feed gave, what is taken and rejected adds up, and the answer is one the protocol has.
 */
#ifndef LW_TESTS_SUPPORT_PUSH_ANY_H
#define LW_TESTS_SUPPORT_PUSH_ANY_H

#include "connect/json_scan.h"
#include "connect/push.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct push_any {
    uint32_t n_series;
    uint64_t n_points, n_dropped;
    const char *query; /* Answers every parameter asked for; NULL: none is given. */
    const char *query_name;
};

static inline void push_any_require(bool is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static inline enum lw_status push_any_series(void *context, const struct lw_series_key *key,
                                             uint32_t *ret_series, struct lw_error *reterr)
{
    struct push_any *any = context;

    push_any_require(key->n_labels <= LW_LABELS_MAX, "labels are within the limit");
    for (size_t i = 0; i < key->n_labels; i++) {
        for (size_t k = 0; k < i; k++) {
            push_any_require(strcmp(key->labels[i].name, key->labels[k].name) != 0,
                             "labels are there once");
        }
    }
    if (any->n_series == 50) {
        (void)snprintf(reterr->message, sizeof(reterr->message), "enough");
        return LW_ELIMIT;
    }
    *ret_series = any->n_series++;
    return LW_OK;
}

static inline enum lw_status push_any_push(void *context, const struct lw_point *points, size_t n)
{
    struct push_any *any = context;

    for (size_t i = 0; i < n; i++) {
        push_any_require(points[i].series < any->n_series, "points are of series that were given");
        push_any_require(!(points[i].value > 1.7976931348623157e308) &&
                             !(points[i].value < -1.7976931348623157e308),
                         "values are finite or missing");
    }
    any->n_points += n;
    return LW_OK;
}

static inline enum lw_status push_any_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static inline void push_any_dropped(void *context, const char *reason, uint64_t n)
{
    struct push_any *any = context;

    push_any_require(reason[0] != '\0' && n > 0, "drops have a reason and a number");
    any->n_dropped += n;
}

static inline uint64_t push_any_position(void *context)
{
    return ((struct push_any *)context)->n_points;
}

static inline int64_t push_any_now(void)
{
    return INT64_C(1700000000) * 1000000000;
}

static inline const char *push_any_query(const void *context, const char *name)
{
    const struct push_any *any = context;

    return any->query_name != NULL && strcmp(any->query_name, name) == 0 ? any->query : NULL;
}

static inline void push_any_answer(const struct lw_push_answer *answer)
{
    struct lw_json_scan scan;

    push_any_require(answer->code == 200 || answer->code == 204 || answer->code == 400,
                     "the answer is 200, 204 or 400");
    push_any_require((answer->code == 204) == (answer->body.n_bytes == 0), "204 has no body");
    if (answer->body.n_bytes > 0) {
        lw_json_scan_init(&scan, (const char *)answer->body.data, answer->body.n_bytes);
        push_any_require(lw_json_scan_skip(&scan) && lw_json_scan_end(&scan), "answers are JSON");
    }
}

/* Takes the body twice, so that known series are met too. */
static inline void push_any_take(const struct lw_push_class *class_, struct push_any *any,
                                 struct lw_push_input input)
{
    const struct lw_feed feed = {.series = push_any_series,
                                 .push = push_any_push,
                                 .watermark = push_any_watermark,
                                 .dropped = push_any_dropped,
                                 .position = push_any_position,
                                 .durable = push_any_position,
                                 .context = any};
    const struct lw_ingest_config config = {
        .feed = &feed, .source = class_->source, .now_ns = push_any_now};
    struct lw_ingest *ingest = NULL;
    struct lw_ingest_request *request = NULL;
    uint64_t n_points = 0;

    if (lw_ingest_create(&config, &ingest, NULL) != LW_OK ||
        lw_ingest_request_create(ingest, &request, NULL) != LW_OK) {
        abort();
    }
    input.query = push_any_query;
    input.context = any;
    for (int i = 0; i < 2; i++) {
        struct lw_push_answer answer = {0};
        uint64_t before = any->n_points;

        lw_ingest_request_reset(request);
        class_->take(&input, request, &answer);
        push_any_answer(&answer);
        push_any_require(i == 0 || any->n_points - before == n_points,
                         "the same body gives the same points");
        n_points = any->n_points - before;
        lw_writer_fini(&answer.body);
    }
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

#endif
