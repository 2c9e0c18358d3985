/* A source for the fuzzers of OTLP, with a feed that checks what it is given. */
#ifndef LW_FUZZ_OTLP_H
#define LW_FUZZ_OTLP_H

#include "connect/ingest.h"
#include "connect/otlp/push_otlp.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct otlp_feed {
    uint32_t n_series;
    uint64_t n_points;
    uint64_t checksum; /* Of all points, in order. */
};

static inline void otlp_require(bool is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static inline enum lw_status otlp_feed_series(void *context, const struct lw_series_key *key,
                                              uint32_t *ret_series, struct lw_error *reterr)
{
    struct otlp_feed *feed = context;

    (void)reterr;
    otlp_require(key->metric != NULL && key->metric[0] != '\0', "a series has a name");
    otlp_require(key->n_labels <= LW_LABELS_MAX, "labels are within their limit");
    for (size_t i = 0; i < key->n_labels; i++) {
        const char *name = key->labels[i].name;

        otlp_require(name[0] != '\0' && key->labels[i].value[0] != '\0', "labels are not empty");
        for (size_t j = 0; j < i; j++) {
            otlp_require(strcmp(name, key->labels[j].name) != 0, "labels are unique");
        }
        for (; *name != '\0'; name++) {
            otlp_require(*name == '_' || (*name >= '0' && *name <= '9') ||
                             (*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z'),
                         "labels are named as Prometheus names them");
        }
    }
    *ret_series = feed->n_series++;
    return LW_OK;
}

static inline enum lw_status otlp_feed_push(void *context, const struct lw_point *points, size_t n)
{
    struct otlp_feed *feed = context;

    for (size_t i = 0; i < n; i++) {
        uint64_t bits;

        otlp_require(points[i].series < feed->n_series, "points are of series that were named");
        otlp_require(!isinf(points[i].value), "values are finite or missing");
        otlp_require(points[i].time_ns > 0, "times are after 1970");
        memcpy(&bits, &points[i].value, sizeof(bits));
        feed->checksum = (feed->checksum ^ bits ^ (uint64_t)points[i].time_ns) * 0x100000001b3u +
                         points[i].series;
    }
    feed->n_points += n;
    return LW_OK;
}

static inline enum lw_status otlp_feed_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static inline void otlp_feed_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    otlp_require(reason[0] != '\0' && n > 0, "what is dropped has a reason");
}

static inline uint64_t otlp_feed_position(void *context)
{
    (void)context;
    return 1;
}

static inline int64_t otlp_fuzz_now(void)
{
    return INT64_C(1700003600) * 1000000000;
}

static inline const char *otlp_fuzz_query(const void *context, const char *name)
{
    (void)name;
    return context;
}

/* The code of the answer. */
static inline unsigned otlp_fuzz_take(struct lw_ingest_request *request,
                                      const struct lw_push_input *input)
{
    struct lw_push_answer answer = {.code = 0};
    unsigned code;

    lw_ingest_request_reset(request);
    lw_push_otlp.take(input, request, &answer);
    code = answer.code;
    otlp_require(code == 200 || code == 400, "a request is taken or refused");
    otlp_require(code == 200 || answer.body.n_bytes > 0, "a refusal has a reason");
    lw_writer_fini(&answer.body);
    return code;
}

/* Reads a body twice and compares; the code of the answer. */
static inline unsigned otlp_fuzz(const char *content_type, const uint8_t *data, size_t n_bytes)
{
    struct otlp_feed kept = {0}, first;
    const struct lw_feed feed = {.series = otlp_feed_series,
                                 .push = otlp_feed_push,
                                 .watermark = otlp_feed_watermark,
                                 .dropped = otlp_feed_dropped,
                                 .position = otlp_feed_position,
                                 .durable = otlp_feed_position,
                                 .context = &kept};
    const struct lw_ingest_config config = {
        .feed = &feed, .source = "otlp", .now_ns = otlp_fuzz_now};
    /* Half of the inputs ask for the scope's label. */
    const struct lw_push_input input = {.content_type = content_type,
                                        .query = otlp_fuzz_query,
                                        .context = n_bytes % 2 == 0 ? "yes" : NULL,
                                        .body = data,
                                        .n_bytes = n_bytes};
    struct lw_ingest_request *request = NULL;
    struct lw_ingest *ingest = NULL;
    unsigned code;

    otlp_require(lw_ingest_create(&config, &ingest, NULL) == LW_OK &&
                     lw_ingest_request_create(ingest, &request, NULL) == LW_OK,
                 "memory");
    code = otlp_fuzz_take(request, &input);
    otlp_require(code == 200 || kept.n_points == 0, "what is refused is not taken in part");
    first = kept;
    kept.n_points = 0;
    kept.checksum = 0;
    otlp_require(otlp_fuzz_take(request, &input) == code, "the second time is as the first");
    otlp_require(kept.n_points == first.n_points && kept.checksum == first.checksum,
                 "known series get what new ones got");
    otlp_require(kept.n_series == first.n_series || code != 200, "no series is named twice");
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
    return code;
}

#endif
