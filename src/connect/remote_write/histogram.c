/*
 * Native histograms: checked, and turned into two readings, how many observations there were and
 * their sum, under the names name_count and name_sum. The buckets are not watched: their bounds
 * differ from series to series and from sample to sample.
 */
#include "connect/remote_write/series.h"

#include <math.h>

struct histogram {
    bool is_float;
    uint64_t count_int, zero_int;
    double count, zero, sum;
    int64_t time_ms;
    uint64_t n_spanned, n_buckets; /* As the spans say, as there are. */
    int64_t bucket[2];             /* Of negative and positive deltas: the count so far. */
    uint64_t total_int;            /* Of all buckets. */
    bool is_bad;                   /* A bucket below 0, or sums that overflow. */
};

static void bucket_take(struct histogram *histogram, size_t side, int64_t delta)
{
    int64_t *bucket = &histogram->bucket[side];

    histogram->n_buckets++;
    if (__builtin_add_overflow(*bucket, delta, bucket) || *bucket < 0 ||
        __builtin_add_overflow(histogram->total_int, (uint64_t)*bucket, &histogram->total_int)) {
        histogram->is_bad = true;
        *bucket = 0;
    }
}

static void bucket_take_float(struct histogram *histogram, uint64_t bits)
{
    struct lw_protobuf_field field = {.value = bits};
    double count = lw_protobuf_double(&field);

    histogram->n_buckets++;
    histogram->is_bad = histogram->is_bad || !(count >= 0);
}

/* Deltas, packed or one alone. */
static void read_deltas(struct histogram *histogram, const struct lw_protobuf_field *field,
                        size_t side, struct lw_protobuf *message)
{
    struct lw_protobuf packed;
    uint64_t value;

    if (field->wire == LW_PROTOBUF_VARINT) {
        bucket_take(histogram, side, lw_protobuf_sint(field->value));
    } else if (field->wire == LW_PROTOBUF_BYTES) {
        lw_protobuf_enter(field, &packed);
        while (packed.at < packed.end && lw_protobuf_varint(&packed, &value)) {
            bucket_take(histogram, side, lw_protobuf_sint(value));
        }
        message->bad = message->bad || packed.bad;
    }
}

static void read_counts(struct histogram *histogram, const struct lw_protobuf_field *field,
                        struct lw_protobuf *message)
{
    struct lw_protobuf packed;
    uint64_t bits;

    if (field->wire == LW_PROTOBUF_FIXED64) {
        bucket_take_float(histogram, field->value);
    } else if (field->wire == LW_PROTOBUF_BYTES) {
        lw_protobuf_enter(field, &packed);
        while (packed.at < packed.end && lw_protobuf_fixed(&packed, 8, &bits)) {
            bucket_take_float(histogram, bits);
        }
        message->bad = message->bad || packed.bad;
    }
}

static void read_span(struct histogram *histogram, const struct lw_protobuf_field *field,
                      struct lw_protobuf *message)
{
    struct lw_protobuf span;
    struct lw_protobuf_field part;
    uint32_t length = 0;

    if (field->wire != LW_PROTOBUF_BYTES) {
        return;
    }
    lw_protobuf_enter(field, &span);
    while (lw_protobuf_next(&span, &part)) {
        if (LW_PROTOBUF_KEY(part.number, part.wire) == LW_PROTOBUF_KEY(2, LW_PROTOBUF_VARINT)) {
            length = (uint32_t)part.value;
        }
    }
    message->bad = message->bad || span.bad;
    histogram->n_spanned += length;
}

static void read_field(struct histogram *histogram, const struct lw_protobuf_field *field,
                       struct lw_protobuf *message)
{
    switch (LW_PROTOBUF_KEY(field->number, field->wire)) {
    case LW_PROTOBUF_KEY(1, LW_PROTOBUF_VARINT):
        histogram->count_int = field->value;
        histogram->is_float = false;
        break;
    case LW_PROTOBUF_KEY(2, LW_PROTOBUF_FIXED64):
        histogram->count = lw_protobuf_double(field);
        histogram->is_float = true;
        break;
    case LW_PROTOBUF_KEY(3, LW_PROTOBUF_FIXED64):
        histogram->sum = lw_protobuf_double(field);
        break;
    case LW_PROTOBUF_KEY(6, LW_PROTOBUF_VARINT):
        histogram->zero_int = field->value;
        break;
    case LW_PROTOBUF_KEY(7, LW_PROTOBUF_FIXED64):
        histogram->zero = lw_protobuf_double(field);
        break;
    case LW_PROTOBUF_KEY(15, LW_PROTOBUF_VARINT):
        histogram->time_ms = lw_protobuf_int(field);
        break;
    default:
        if (field->number == 8 || field->number == 11) {
            read_span(histogram, field, message);
        } else if (field->number == 9 || field->number == 12) {
            read_deltas(histogram, field, field->number == 12, message);
        } else if (field->number == 10 || field->number == 13) {
            read_counts(histogram, field, message);
        }
        break;
    }
}

/* Why a histogram contradicts itself; NULL when it does not. As Prometheus: observations that are
 * NaN are in the count and in no bucket. */
static const char *histogram_fault(const struct histogram *histogram)
{
    bool has_nan = isnan(histogram->sum);

    if (histogram->n_spanned != histogram->n_buckets) {
        return "a histogram whose spans and buckets do not agree";
    }
    if (histogram->is_bad) {
        return "a histogram with a bucket below 0 or too large";
    }
    if (histogram->is_float) {
        return histogram->count >= 0 && histogram->zero >= 0 ? NULL
                                                             : "a histogram with a count below 0";
    }
    if (histogram->total_int > UINT64_MAX - histogram->zero_int ||
        histogram->total_int + histogram->zero_int > histogram->count_int ||
        (!has_nan && histogram->total_int + histogram->zero_int != histogram->count_int)) {
        return "a histogram whose count is not the sum of its buckets";
    }
    return NULL;
}

enum lw_status lw_rw_read_histogram(const struct lw_rw_series *series,
                                    const struct lw_protobuf_field *field, uint32_t count_number,
                                    uint32_t sum_number)
{
    struct histogram histogram = {0};
    struct lw_protobuf message;
    struct lw_protobuf_field part;
    const char *fault;
    double count;

    lw_protobuf_enter(field, &message);
    while (lw_protobuf_next(&message, &part)) {
        read_field(&histogram, &part, &message);
    }
    if (message.bad) {
        return LW_EFORMAT;
    }
    if (lw_rw_is_stale(histogram.sum)) {
        lw_ingest_pass_over(series->message->request, "stale", 1);
        series->message->counts->histograms++;
        return LW_OK;
    }
    fault = histogram_fault(&histogram);
    if (fault != NULL) {
        lw_rw_reject(series, 1, "bad_histogram", fault);
        return LW_OK;
    }
    count = histogram.is_float ? histogram.count : (double)histogram.count_int;
    if (lw_rw_sample(series, count_number, histogram.time_ms, count) &&
        lw_rw_sample(series, sum_number, histogram.time_ms, histogram.sum)) {
        series->message->counts->histograms++;
    }
    return LW_OK;
}
