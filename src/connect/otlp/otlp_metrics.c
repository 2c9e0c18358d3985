/* Metrics out of protobuf: see otlp_metrics.h. */
#include "connect/otlp/otlp_metrics.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "connect/otlp/otlp_labels.h"
#include "connect/otlp/otlp_name.h"
#include "connect/protobuf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BYTES(number) LW_PROTOBUF_KEY(number, LW_PROTOBUF_BYTES)
#define FIXED64(number) LW_PROTOBUF_KEY(number, LW_PROTOBUF_FIXED64)
#define VARINT(number) LW_PROTOBUF_KEY(number, LW_PROTOBUF_VARINT)

#define DIGEST_BYTES 16
#define TEMPORALITY_CUMULATIVE 2
#define FLAG_NO_RECORDED_VALUE 1u
/* Look-ups under way: as many as memory answers at once. A power of two. */
#define PENDING_MAX 8

/* Which of a point's series. */
enum part { PART_VALUE, PART_COUNT, PART_SUM, PART_QUANTILE };

/* What the identity of a series is made of; the attributes follow. Without padding. */
struct identity {
    uint8_t metric[DIGEST_BYTES]; /* Of resource, scope and metric. */
    uint64_t part;
    double quantile;
    uint8_t attributes[LW_OTLP_ATTRIBUTES_MAX];
};

/* Where the four kinds of points differ; time 3, count 4 and sum 5 are the same. */
struct layout {
    uint32_t attributes, flags; /* Keys. */
};

struct point {
    const uint8_t *run; /* Attributes that stand together and are not copied yet. */
    size_t n_run, n_attributes;
    uint64_t time_ns;
    uint64_t flags;
    double value, count, sum; /* value: of a number. */
    bool has_value, has_sum;
    bool is_too_long; /* Its attributes do not fit. */
};

/* A number whose series is being looked up. */
struct pending {
    struct lw_ingest_sought sought;
    struct lw_protobuf_field field; /* The point's message. */
    double value;
    int64_t time_ns;
    size_t number; /* metrics.n_points at it. */
};

/* A request under way. */
struct metrics {
    struct lw_ingest_request *request;
    struct lw_otlp_counts counts;
    enum lw_status status; /* The first failure of the whole. */
    struct lw_error *reterr;
    bool has_scope;
    size_t n_resources, n_metrics, n_points; /* Of the request, the resource, the metric; so far. */

    const uint8_t *resource; /* The message. */
    size_t n_resource;
    uint8_t resource_digest[DIGEST_BYTES];
    bool has_labels; /* The resource's labels were made, or cannot be. */
    enum lw_status labels_status;
    struct lw_error labels_error;
    struct lw_otlp_labels labels;

    struct lw_otlp_text scope, name, unit;
    enum lw_otlp_kind kind;
    char metric[LW_OTLP_NAME_MAX + sizeof("_count")]; /* Made when first needed; "": not yet. */
    size_t n_metric;

    struct identity identity;
    struct pending pending[PENDING_MAX]; /* A ring, of one metric. */
    size_t n_sought, n_found;            /* Since the request began. */
};

/* ---- failures and rejections ---- */

static void metrics_fail(struct metrics *metrics, enum lw_status status, const char *what)
{
    if (metrics->status == LW_OK) {
        metrics->status = lw_error_set(
            metrics->reterr, status, "resource %zu, metric %zu, point %zu: %s",
            metrics->n_resources, metrics->n_metrics, metrics->n_points, what);
    }
}

static void metrics_damaged(struct metrics *metrics)
{
    metrics_fail(metrics, LW_EFORMAT, "not a protobuf message of OTLP metrics");
}

static void metric_name(struct metrics *metrics)
{
    if (metrics->n_metric == 0) {
        lw_otlp_metric_name(metrics->name, metrics->unit, metrics->kind, metrics->metric);
        metrics->n_metric = strlen(metrics->metric);
    }
    metrics->metric[metrics->n_metric] = '\0';
}

static void point_reject(struct metrics *metrics, const char *reason, const char *why)
{
    char where[LW_OTLP_NAME_MAX + 64];

    metric_name(metrics);
    (void)snprintf(where, sizeof(where), "resource %zu, metric %zu (%.80s), point %zu",
                   metrics->n_resources, metrics->n_metrics, metrics->metric, metrics->n_points);
    lw_ingest_reject(metrics->request, reason, 1, where, "%s", why);
}

/* ---- series ---- */

static enum lw_status series_labels(struct metrics *metrics, size_t n_attributes,
                                    struct lw_error *error)
{
    enum lw_status status;

    if (!metrics->has_labels) {
        metrics->has_labels = true;
        metrics->labels_status = lw_otlp_labels_resource(
            &metrics->labels, metrics->resource, metrics->n_resource, &metrics->labels_error);
    }
    if (metrics->labels_status != LW_OK) {
        *error = metrics->labels_error;
        return metrics->labels_status;
    }
    lw_otlp_labels_reset(&metrics->labels);
    status = lw_otlp_labels_attributes(&metrics->labels, metrics->identity.attributes, n_attributes,
                                       error);
    if (status == LW_OK && metrics->has_scope) {
        status = lw_otlp_labels_add(&metrics->labels, "otel_scope_name", metrics->scope, error);
    }
    if (status == LW_OK && metrics->identity.part == PART_QUANTILE) {
        char number[LW_DOUBLE_TEXT_MAX];
        size_t n = lw_double_format(metrics->identity.quantile, number);

        status = lw_otlp_labels_add(&metrics->labels, "quantile", (struct lw_otlp_text){number, n},
                                    error);
    }
    return status;
}

/* A series met for the first time; LW_INGEST_UNKNOWN when it was rejected, or the request failed.
 */
static uint32_t series_define(struct metrics *metrics, size_t n_attributes)
{
    static const char *const suffixes[] = {
        [PART_VALUE] = "", [PART_COUNT] = "_count", [PART_SUM] = "_sum", [PART_QUANTILE] = ""};
    const char *suffix = suffixes[metrics->identity.part];
    struct lw_error error = {0};
    uint32_t series = LW_INGEST_UNKNOWN;
    enum lw_status status = series_labels(metrics, n_attributes, &error);

    metric_name(metrics);
    if (status == LW_OK && metrics->n_metric == 0) {
        status = lw_error_set(&error, LW_EINVAL, "the metric's name has no letter and no digit");
    }
    if (status == LW_OK) {
        struct lw_series_key key = {.metric = metrics->metric,
                                    .labels = metrics->labels.labels,
                                    .n_labels = metrics->labels.n};

        memcpy(metrics->metric + metrics->n_metric, suffix, strlen(suffix) + 1);
        status = lw_ingest_define(metrics->request, &metrics->identity,
                                  offsetof(struct identity, attributes) + n_attributes, &key,
                                  &series, &error);
    }
    switch (status) {
    case LW_OK:
        return series;
    case LW_EFORMAT:
    case LW_ENOMEM:
        metrics_fail(metrics, status, error.message);
        break;
    default:
        point_reject(metrics, lw_ingest_reason(status, "bad_series"), error.message);
        break;
    }
    return LW_INGEST_UNKNOWN;
}

/* One sample of the point; false: rejected. */
static bool sample_add(struct metrics *metrics, const struct point *point, enum part part,
                       double value)
{
    bool is_missing = (point->flags & FLAG_NO_RECORDED_VALUE) != 0;
    uint32_t series;

    metrics->identity.part = part;
    series = lw_ingest_find(metrics->request, &metrics->identity,
                            offsetof(struct identity, attributes) + point->n_attributes);
    if (series == LW_INGEST_UNKNOWN) {
        series = series_define(metrics, point->n_attributes);
    }
    return series != LW_INGEST_UNKNOWN &&
           lw_ingest_sample(metrics->request, series, (int64_t)point->time_ns,
                            is_missing ? (double)NAN : value);
}

/* ---- points ---- */

static void attributes_flush(struct identity *identity, struct point *point)
{
    if (point->n_run > LW_OTLP_ATTRIBUTES_MAX - point->n_attributes) {
        point->is_too_long = true;
    } else if (point->n_run > 0) {
        memcpy(identity->attributes + point->n_attributes, point->run, point->n_run);
        point->n_attributes += point->n_run;
    }
    point->n_run = 0;
}

/* An attribute [begin, end), its key included; mostly they stand one behind the other. */
static void attribute_add(struct identity *identity, struct point *point, const uint8_t *begin,
                          const uint8_t *end)
{
    if (point->n_run == 0 || point->run + point->n_run != begin) {
        attributes_flush(identity, point);
        point->run = begin;
    }
    point->n_run += (size_t)(end - begin);
}

/* Reads what all kinds of points have, and the attributes into the identity. False: damaged. */
static bool point_read(struct identity *identity, struct lw_protobuf message,
                       const struct layout *layout, struct point *ret_point)
{
    const uint8_t *begin = message.at;
    struct lw_protobuf_field field;

    *ret_point = (struct point){.time_ns = 0};
    for (; lw_protobuf_next(&message, &field); begin = message.at) {
        uint32_t key = LW_PROTOBUF_KEY(field.number, field.wire);

        if (key == layout->attributes) {
            attribute_add(identity, ret_point, begin, message.at);
        } else if (key == FIXED64(3)) {
            ret_point->time_ns = field.value;
        } else if (key == FIXED64(4)) { /* A number's as_double, else the count. */
            ret_point->value = lw_protobuf_double(&field);
            ret_point->count = (double)field.value;
            ret_point->has_value = true;
        } else if (key == FIXED64(5)) {
            ret_point->sum = lw_protobuf_double(&field);
            ret_point->has_sum = true;
        } else if (key == FIXED64(6)) { /* A number's as_int. */
            ret_point->value = (double)lw_protobuf_int(&field);
            ret_point->has_value = true;
        } else if (key == layout->flags) {
            ret_point->flags = field.value;
        }
    }
    attributes_flush(identity, ret_point);
    return !message.bad;
}

/* Whether the point can be at all. */
static bool point_check(struct metrics *metrics, const struct point *point)
{
    if (point->is_too_long) {
        point_reject(metrics, "label_limit", "its attributes have more than 4096 bytes");
        return false;
    }
    if (metrics->name.n_bytes == 0 || metrics->name.n_bytes >= LW_OTLP_NAME_MAX ||
        metrics->unit.n_bytes >= LW_OTLP_NAME_MAX || metrics->scope.n_bytes >= LW_OTLP_NAME_MAX) {
        point_reject(metrics, "bad_series",
                     "the name of the metric is empty, or it, the unit or the scope has more than "
                     "511 bytes");
        return false;
    }
    if (point->time_ns == 0 || point->time_ns > INT64_MAX) {
        point_reject(metrics, "bad_time", "timeUnixNano is 0 or beyond the year 2262");
        return false;
    }
    return true;
}

/* A number of a series that is not known: its attributes are read once more. False: rejected. */
static bool pending_define(struct metrics *metrics, const struct pending *pending,
                           const struct layout *layout)
{
    size_t n_points = metrics->n_points;
    struct lw_protobuf message;
    struct point point;
    uint32_t series;

    metrics->n_points = pending->number;
    lw_protobuf_enter(&pending->field, &message);
    (void)point_read(&metrics->identity, message, layout, &point);
    series = series_define(metrics, point.n_attributes);
    metrics->n_points = n_points;
    return series != LW_INGEST_UNKNOWN &&
           lw_ingest_sample(metrics->request, series, pending->time_ns, pending->value);
}

/* Finishes the oldest look-ups until at most n are under way. */
static void pending_finish(struct metrics *metrics, const struct layout *layout, size_t n)
{
    while (metrics->n_sought - metrics->n_found > n) {
        const struct pending *pending = &metrics->pending[metrics->n_found++ % PENDING_MAX];
        uint32_t series = lw_ingest_found(metrics->request, pending->sought);
        bool is_taken = series == LW_INGEST_UNKNOWN
                            ? pending_define(metrics, pending, layout)
                            : lw_ingest_sample(metrics->request, series, pending->time_ns,
                                               pending->value);

        metrics->counts.n_rejected += is_taken ? 0 : 1;
    }
}

/* Begins to look up a number's series, whose point was just read. False: rejected. */
static bool number_add(struct metrics *metrics, const struct lw_protobuf_field *field,
                       const struct layout *layout, const struct point *point)
{
    bool is_missing = (point->flags & FLAG_NO_RECORDED_VALUE) != 0;
    struct lw_ingest_sought sought;
    struct pending *pending;

    if (!point->has_value && !is_missing) {
        point_reject(metrics, "bad_value", "neither asDouble nor asInt is there");
        return false;
    }
    metrics->identity.part = PART_VALUE;
    sought = lw_ingest_seek(metrics->request, &metrics->identity,
                            offsetof(struct identity, attributes) + point->n_attributes);
    pending_finish(metrics, layout, PENDING_MAX - 1);
    pending = &metrics->pending[metrics->n_sought++ % PENDING_MAX];
    pending->sought = sought;
    pending->field = *field;
    pending->value = is_missing ? (double)NAN : point->value;
    pending->time_ns = (int64_t)point->time_ns;
    pending->number = metrics->n_points;
    return true;
}

/* Histograms and summaries. A histogram may have no sum; where a summary has none, it is 0. */
static bool count_add(struct metrics *metrics, const struct point *point, bool is_summary)
{
    bool has_sum = point->has_sum || is_summary || (point->flags & FLAG_NO_RECORDED_VALUE) != 0;
    bool is_taken = sample_add(metrics, point, PART_COUNT, point->count);

    return (!has_sum || sample_add(metrics, point, PART_SUM, point->sum)) && is_taken;
}

/* The quantiles of a summary's point. */
static bool quantiles_add(struct metrics *metrics, const struct point *point,
                          struct lw_protobuf message)
{
    struct lw_protobuf_field field, number;
    struct lw_protobuf quantile;
    bool is_taken = true;

    while (lw_protobuf_next(&message, &field)) {
        double value = 0.0;

        if (LW_PROTOBUF_KEY(field.number, field.wire) != BYTES(6)) {
            continue;
        }
        metrics->identity.quantile = 0.0;
        lw_protobuf_enter(&field, &quantile);
        while (lw_protobuf_next(&quantile, &number)) {
            if (LW_PROTOBUF_KEY(number.number, number.wire) == FIXED64(1)) {
                metrics->identity.quantile = lw_protobuf_double(&number);
            } else if (LW_PROTOBUF_KEY(number.number, number.wire) == FIXED64(2)) {
                value = lw_protobuf_double(&number);
            }
        }
        if (quantile.bad) {
            metrics_damaged(metrics);
        }
        is_taken = sample_add(metrics, point, PART_QUANTILE, value) && is_taken;
    }
    metrics->identity.quantile = 0.0;
    return is_taken;
}

/* Fields of Metric that hold points. */
enum { DATA_GAUGE = 5, DATA_SUM = 7, DATA_HISTOGRAM = 9, DATA_EXPONENTIAL = 10, DATA_SUMMARY = 11 };

static void point_add(struct metrics *metrics, uint32_t data, const struct layout *layout,
                      const struct lw_protobuf_field *field)
{
    struct point point LW_UNINITIALIZED;
    struct lw_protobuf message;
    bool is_taken;

    lw_protobuf_enter(field, &message);
    if (!point_read(&metrics->identity, message, layout, &point)) {
        metrics_damaged(metrics);
        return;
    }
    is_taken = point_check(metrics, &point);
    if (is_taken && (data == DATA_GAUGE || data == DATA_SUM)) {
        is_taken = number_add(metrics, field, layout, &point);
    } else if (is_taken) {
        is_taken = count_add(metrics, &point, data == DATA_SUMMARY);
        if (data == DATA_SUMMARY) {
            is_taken = quantiles_add(metrics, &point, message) && is_taken;
        }
    }
    metrics->counts.n_rejected += is_taken ? 0 : 1;
}

/* ---- metrics, scopes, resources ---- */

/* What is hashed once a metric: all that names it but for the point's attributes. */
static void metric_digest(struct metrics *metrics)
{
    uint8_t bytes[DIGEST_BYTES + 8 + 3 * LW_OTLP_NAME_MAX];
    const struct lw_otlp_text texts[] = {metrics->scope, metrics->unit, metrics->name};
    size_t n = DIGEST_BYTES;

    memcpy(bytes, metrics->resource_digest, DIGEST_BYTES);
    bytes[n++] = (uint8_t)metrics->kind;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint16_t n_text = (uint16_t)(texts[i].n_bytes < LW_OTLP_NAME_MAX ? texts[i].n_bytes : 0);

        memcpy(bytes + n, &n_text, sizeof(n_text));
        memcpy(bytes + n + sizeof(n_text), texts[i].text, n_text);
        n += sizeof(n_text) + n_text;
    }
    lw_ingest_digest(metrics->request, bytes, n, metrics->identity.metric);
}

static enum lw_otlp_kind data_kind(const struct lw_protobuf_field *data)
{
    uint64_t temporality = 0, is_monotonic = 0;
    struct lw_protobuf message;
    struct lw_protobuf_field field = {.number = 0};

    if (data->number != DATA_SUM) {
        return data->number == DATA_GAUGE ? LW_OTLP_GAUGE : LW_OTLP_OTHER;
    }
    lw_protobuf_enter(data, &message);
    while (lw_protobuf_next(&message, &field)) {
        if (LW_PROTOBUF_KEY(field.number, field.wire) == VARINT(2)) {
            temporality = field.value;
        } else if (LW_PROTOBUF_KEY(field.number, field.wire) == VARINT(3)) {
            is_monotonic = field.value;
        }
    }
    return temporality == TEMPORALITY_CUMULATIVE && is_monotonic != 0 ? LW_OTLP_TOTAL
                                                                      : LW_OTLP_OTHER;
}

static const struct layout *data_layout(uint32_t data)
{
    static const struct layout number = {BYTES(7), VARINT(8)}, histogram = {BYTES(9), VARINT(10)},
                               exponential = {BYTES(1), VARINT(10)};

    return data == DATA_HISTOGRAM ? &histogram : data == DATA_EXPONENTIAL ? &exponential : &number;
}

/* Gauge, Sum, Histogram, ExponentialHistogram, Summary: the points are field 1 of each. */
static void data_read(struct metrics *metrics, const struct lw_protobuf_field *data)
{
    const struct layout *layout = data_layout(data->number);
    struct lw_protobuf message;
    struct lw_protobuf_field field = {.number = 0};

    metrics->kind = data_kind(data);
    metrics->n_metric = 0;
    metric_digest(metrics);
    lw_protobuf_enter(data, &message);
    while (metrics->status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (LW_PROTOBUF_KEY(field.number, field.wire) == BYTES(1)) {
            metrics->n_points++;
            metrics->counts.n_points++;
            point_add(metrics, data->number, layout, &field);
        }
    }
    pending_finish(metrics, layout, 0);
    if (message.bad) {
        metrics_damaged(metrics);
    }
}

static struct lw_otlp_text field_text(const struct lw_protobuf_field *field)
{
    return (struct lw_otlp_text){(const char *)field->bytes, field->n_bytes};
}

static void metric_read(struct metrics *metrics, const struct lw_protobuf_field *metric)
{
    struct lw_protobuf_field field = {.number = 0}, data = {.number = 0};
    struct lw_protobuf message;

    metrics->n_metrics++;
    metrics->n_points = 0;
    metrics->name = metrics->unit = (struct lw_otlp_text){"", 0};
    lw_protobuf_enter(metric, &message);
    while (lw_protobuf_next(&message, &field)) {
        switch (LW_PROTOBUF_KEY(field.number, field.wire)) {
        case BYTES(1):
            metrics->name = field_text(&field);
            break;
        case BYTES(3):
            metrics->unit = field_text(&field);
            break;
        case BYTES(DATA_GAUGE):
        case BYTES(DATA_SUM):
        case BYTES(DATA_HISTOGRAM):
        case BYTES(DATA_EXPONENTIAL):
        case BYTES(DATA_SUMMARY):
            data = field; /* One of them: the last counts. */
            break;
        default:
            break;
        }
    }
    if (message.bad) {
        metrics_damaged(metrics);
    } else if (data.number != 0) {
        data_read(metrics, &data);
    }
}

/* The first field 1 of a message that has this wire type; false: none. */
static bool first_field(const struct lw_protobuf_field *within, struct lw_protobuf_field *ret_field)
{
    struct lw_protobuf message;

    lw_protobuf_enter(within, &message);
    while (lw_protobuf_next(&message, ret_field)) {
        if (LW_PROTOBUF_KEY(ret_field->number, ret_field->wire) == BYTES(1)) {
            return true;
        }
    }
    return false;
}

static void scope_read(struct metrics *metrics, const struct lw_protobuf_field *scope)
{
    struct lw_protobuf message;
    struct lw_protobuf_field field = {.number = 0}, name = {.number = 0};

    metrics->scope = (struct lw_otlp_text){"", 0};
    if (metrics->has_scope && first_field(scope, &field) && first_field(&field, &name)) {
        metrics->scope = field_text(&name);
    }
    lw_protobuf_enter(scope, &message);
    while (metrics->status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (LW_PROTOBUF_KEY(field.number, field.wire) == BYTES(2)) {
            metric_read(metrics, &field);
        }
    }
    if (message.bad) {
        metrics_damaged(metrics);
    }
}

static void resource_read(struct metrics *metrics, const struct lw_protobuf_field *resource)
{
    struct lw_protobuf message;
    struct lw_protobuf_field field = {.number = 0};

    metrics->n_resources++;
    metrics->n_metrics = metrics->n_points = 0;
    metrics->resource = (const uint8_t *)"";
    metrics->n_resource = 0;
    metrics->has_labels = false;
    if (first_field(resource, &field)) {
        metrics->resource = field.bytes;
        metrics->n_resource = field.n_bytes;
    }
    lw_ingest_digest(metrics->request, metrics->resource, metrics->n_resource,
                     metrics->resource_digest);
    lw_protobuf_enter(resource, &message);
    while (metrics->status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (LW_PROTOBUF_KEY(field.number, field.wire) == BYTES(2)) {
            scope_read(metrics, &field);
        }
    }
    if (message.bad) {
        metrics_damaged(metrics);
    }
}

enum lw_status lw_otlp_metrics_read(const void *bytes, size_t n_bytes, bool has_scope,
                                    struct lw_ingest_request *request,
                                    struct lw_otlp_counts *ret_counts, struct lw_error *reterr)
{
    struct metrics metrics LW_UNINITIALIZED;
    struct lw_protobuf message;
    struct lw_protobuf_field field = {.number = 0};

    metrics.request = request;
    metrics.counts = (struct lw_otlp_counts){0};
    metrics.status = LW_OK;
    metrics.reterr = reterr;
    metrics.has_scope = has_scope;
    metrics.n_resources = metrics.n_metrics = metrics.n_points = 0;
    metrics.identity.quantile = 0.0;
    metrics.n_sought = metrics.n_found = 0;
    lw_protobuf_init(&message, bytes, n_bytes);
    while (metrics.status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (LW_PROTOBUF_KEY(field.number, field.wire) == BYTES(1)) {
            resource_read(&metrics, &field);
        }
    }
    if (message.bad) {
        metrics_damaged(&metrics);
    }
    if (metrics.status == LW_OK) {
        *ret_counts = metrics.counts;
    }
    return metrics.status;
}
