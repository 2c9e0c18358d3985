/*
 * Any bytes as a message of remote write: the first says which version, the rest is the message.
 *
 * What is checked beside memory: a message taken gives as many points as its counts say, one
 * refused gives none and a reason, and the same message a second time, when its series are known,
 * comes to the same.
 */
#include "connect/remote_write/remote_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_NS (INT64_C(1700000000) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

struct taken {
    uint32_t n_series;
    size_t n_points;
};

static enum lw_status on_series(void *context, const struct lw_series_key *key,
                                uint32_t *ret_series, struct lw_error *reterr)
{
    struct taken *taken = context;

    (void)reterr;
    require(key->metric != NULL && key->metric[0] != '\0', "a series has a metric");
    require(key->n_labels <= LW_LABELS_MAX, "labels are bounded");
    for (size_t i = 0; i < key->n_labels; i++) {
        require(key->labels[i].name[0] != '\0' && key->labels[i].value != NULL, "labels are text");
    }
    *ret_series = taken->n_series++;
    return LW_OK;
}

static enum lw_status on_push(void *context, const struct lw_point *points, size_t n)
{
    struct taken *taken = context;

    for (size_t i = 0; i < n; i++) {
        require(points[i].series < taken->n_series, "points are of known series");
    }
    taken->n_points += n;
    return LW_OK;
}

static enum lw_status on_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static void on_dropped(void *context, const char *reason, uint64_t n)
{
    (void)context;
    require(reason[0] != '\0' && n > 0, "what is dropped has a reason and a number");
}

static uint64_t on_position(void *context)
{
    (void)context;
    return 0;
}

static int64_t clock_now(void)
{
    return TIME_NS;
}

struct outcome {
    enum lw_status status;
    struct lw_remote_write_counts counts;
    struct lw_ingest_outcome ingest;
};

static void message_take(struct lw_ingest_request *request, const uint8_t *data, size_t n_bytes,
                         struct outcome *ret_outcome)
{
    struct lw_error error = {0};

    lw_ingest_request_reset(request);
    ret_outcome->status = data[0] % 2 == 0
                              ? lw_remote_write_decode_1(data + 1, n_bytes - 1, request,
                                                         &ret_outcome->counts, &error)
                              : lw_remote_write_decode_2(data + 1, n_bytes - 1, request,
                                                         &ret_outcome->counts, &error);
    if (ret_outcome->status != LW_OK) {
        require(ret_outcome->status == LW_EFORMAT && error.message[0] != '\0',
                "a refusal has a reason");
        lw_ingest_request_reset(request);
    }
    require(lw_ingest_commit(request, &ret_outcome->ingest) == LW_OK, "a good host takes all");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct taken taken = {0};
    const struct lw_feed feed = {.series = on_series,
                                 .push = on_push,
                                 .watermark = on_watermark,
                                 .dropped = on_dropped,
                                 .position = on_position,
                                 .durable = on_position,
                                 .context = &taken};
    const struct lw_ingest_config config = {
        .feed = &feed, .source = "fuzz", .now_ns = clock_now, .limits = {.series = 1000}};
    struct lw_ingest *ingest = NULL;
    struct lw_ingest_request *request = NULL;
    struct outcome first = {0}, second = {0};

    if (n_bytes == 0) {
        return 0;
    }
    require(lw_ingest_create(&config, &ingest, NULL) == LW_OK &&
                lw_ingest_request_create(ingest, &request, NULL) == LW_OK,
            "there is memory");
    message_take(request, data, n_bytes, &first);
    require(taken.n_points == first.ingest.n_taken, "what is taken is delivered");
    message_take(request, data, n_bytes, &second);
    require(first.status == second.status && first.ingest.n_taken == second.ingest.n_taken &&
                first.ingest.n_rejected == second.ingest.n_rejected &&
                memcmp(&first.counts, &second.counts, sizeof(first.counts)) == 0,
            "known series are taken as new ones were");
    require(first.ingest.n_taken <=
                first.counts.samples + 2 * first.counts.histograms + first.ingest.n_rejected,
            "points come from samples and histograms");
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
    return 0;
}
