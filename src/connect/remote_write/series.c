/* Series, samples and their names in remote write: see series.h. */
#include "connect/remote_write/series.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The NaN by which Prometheus says that a series ended here. */
#define STALE_BITS UINT64_C(0x7ff0000000000002)
#define MILLISECOND_NS 1000000

void lw_rw_reject(const struct lw_rw_series *series, uint64_t n, const char *reason,
                  const char *what)
{
    char where[48];

    (void)snprintf(where, sizeof(where), "timeseries %zu", series->index);
    lw_ingest_reject(series->message->request, reason, n, where, "%s", what);
}

/* ---- names ---- */

static const char *text_keep(struct lw_rw_name *name, struct lw_rw_text text)
{
    char *kept = name->text + name->used;

    if (text.n_bytes >= sizeof(name->text) - name->used ||
        (text.n_bytes > 0 && memchr(text.bytes, '\0', text.n_bytes) != NULL)) {
        return NULL;
    }
    if (text.n_bytes > 0) {
        memcpy(kept, text.bytes, text.n_bytes);
    }
    kept[text.n_bytes] = '\0';
    name->used += text.n_bytes + 1;
    return kept;
}

bool lw_rw_name_add(struct lw_rw_name *name, struct lw_rw_text label, struct lw_rw_text value,
                    struct lw_error *reterr)
{
    const char *label_text = text_keep(name, label);
    const char *value_text = label_text == NULL ? NULL : text_keep(name, value);

    if (value_text == NULL) {
        (void)lw_error_set(reterr, LW_EINVAL,
                           "a label holds a NUL, or names and values more than %d bytes together",
                           LW_RW_TEXT_BYTES_MAX - 1);
        return false;
    }
    if (label_text[0] == '\0') {
        (void)lw_error_set(reterr, LW_EINVAL, "a label without a name");
        return false;
    }
    if (strcmp(label_text, LW_RW_METRIC_LABEL) == 0) {
        if (name->key.metric != NULL) {
            (void)lw_error_set(reterr, LW_EINVAL, "the label " LW_RW_METRIC_LABEL " comes twice");
            return false;
        }
        name->key.metric = value_text;
        return true;
    }
    if (name->key.n_labels == LW_LABELS_MAX) {
        (void)lw_error_set(reterr, LW_ETOOLONG, "more than %d labels", LW_LABELS_MAX);
        return false;
    }
    name->labels[name->key.n_labels++] = (struct lw_label){.name = label_text, .value = value_text};
    return true;
}

/* The metric's name with a suffix. */
static bool name_end(struct lw_rw_name *name, const char *suffix, struct lw_error *reterr)
{
    const char *metric = name->key.metric;
    size_t n_metric, n_suffix = strlen(suffix);

    if (metric == NULL || metric[0] == '\0') {
        (void)lw_error_set(reterr, LW_EINVAL, "no label " LW_RW_METRIC_LABEL);
        return false;
    }
    if (n_suffix == 0) {
        return true;
    }
    n_metric = strlen(metric);
    if (n_metric + n_suffix >= sizeof(name->text) - name->used) {
        (void)lw_error_set(reterr, LW_ETOOLONG, "names and values of more than %d bytes",
                           LW_RW_TEXT_BYTES_MAX - 1);
        return false;
    }
    memcpy(name->text + name->used, metric, n_metric);
    memcpy(name->text + name->used + n_metric, suffix, n_suffix + 1);
    name->key.metric = name->text + name->used;
    return true;
}

/* The number of a series that is unknown so far; false, and its n elements are rejected, when it
 * cannot be. */
static bool series_define(const struct lw_rw_series *series, const char *suffix,
                          struct lw_rw_text identity, uint64_t n, uint32_t *ret_number)
{
    struct lw_rw_name name LW_UNINITIALIZED;
    struct lw_error error = {0};
    enum lw_status status;
    char text[256];

    name.key = (struct lw_series_key){.labels = name.labels};
    name.used = 0;
    if (!series->message->version->spell(series, &name, &error) ||
        !name_end(&name, suffix, &error)) {
        lw_rw_reject(series, n, lw_ingest_reason(error.status, "bad_series"), error.message);
        return false;
    }
    status = lw_ingest_define(series->message->request, identity.bytes, identity.n_bytes, &name.key,
                              ret_number, &error);
    if (status != LW_OK) {
        (void)snprintf(text, sizeof(text), "%.80s: %.160s", name.key.metric, error.message);
        lw_rw_reject(series, n, lw_ingest_reason(status, "bad_series"), text);
    }
    return status == LW_OK;
}

/* The series itself. */
static bool series_find(const struct lw_rw_series *series, uint32_t *ret_number)
{
    uint8_t scratch[LW_RW_IDENTITY_BYTES_MAX] LW_UNINITIALIZED;

    *ret_number = lw_ingest_found(series->message->request, series->name);
    return *ret_number != LW_INGEST_UNKNOWN ||
           series_define(series, "", series->message->version->identify(series, scratch),
                         series->n_samples, ret_number);
}

/* One made of its histograms: "_count" or "_sum". */
static bool series_find_part(const struct lw_rw_series *series, const char *suffix,
                             uint32_t *ret_number)
{
    uint8_t scratch[LW_RW_IDENTITY_BYTES_MAX] LW_UNINITIALIZED;
    uint8_t longer[LW_RW_IDENTITY_BYTES_MAX + 8] LW_UNINITIALIZED;
    struct lw_rw_text identity = series->message->version->identify(series, scratch);
    size_t n_suffix = strlen(suffix);

    if (identity.n_bytes > 0) {
        memcpy(longer, identity.bytes, identity.n_bytes);
    }
    memcpy(longer + identity.n_bytes, suffix, n_suffix);
    identity.bytes = longer;
    identity.n_bytes += n_suffix;
    *ret_number = lw_ingest_find(series->message->request, identity.bytes, identity.n_bytes);
    return *ret_number != LW_INGEST_UNKNOWN ||
           series_define(series, suffix, identity, series->n_histograms, ret_number);
}

/* ---- samples ---- */

bool lw_rw_is_stale(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits == STALE_BITS;
}

bool lw_rw_sample(const struct lw_rw_series *series, uint32_t number, int64_t time_ms, double value)
{
    if (time_ms > INT64_MAX / MILLISECOND_NS || time_ms < INT64_MIN / MILLISECOND_NS + 1) {
        lw_rw_reject(series, 1, "bad_time", "a time beyond the years 1677 to 2262");
        return false;
    }
    if (isinf(value)) {
        lw_ingest_pass_over(series->message->request, "not_finite", 1);
        return true;
    }
    if (isnan(value) && lw_rw_is_stale(value)) {
        lw_ingest_pass_over(series->message->request, "stale", 1);
        return true;
    }
    return lw_ingest_sample(series->message->request, number, time_ms * MILLISECOND_NS, value);
}

static enum lw_status read_sample(const struct lw_rw_series *series,
                                  const struct lw_protobuf_field *field, uint32_t number)
{
    struct lw_protobuf message;
    struct lw_protobuf_field part;
    double value = 0;
    int64_t time_ms = 0;

    lw_protobuf_enter(field, &message);
    while (lw_protobuf_next(&message, &part)) {
        switch (LW_PROTOBUF_KEY(part.number, part.wire)) {
        case LW_PROTOBUF_KEY(1, LW_PROTOBUF_FIXED64):
            value = lw_protobuf_double(&part);
            break;
        case LW_PROTOBUF_KEY(2, LW_PROTOBUF_VARINT):
            time_ms = lw_protobuf_int(&part);
            break;
        default: /* The start of a counter's time, and what is yet unknown. */
            break;
        }
    }
    if (message.bad) {
        return LW_EFORMAT;
    }
    series->message->counts->samples += lw_rw_sample(series, number, time_ms, value) ? 1 : 0;
    return LW_OK;
}

static enum lw_status series_deliver(const struct lw_rw_series *series)
{
    const struct lw_rw_version *version = series->message->version;
    struct lw_protobuf fields = series->fields;
    uint32_t number = 0, count_number = 0, sum_number = 0;
    struct lw_protobuf_field field;
    bool has_samples = series->n_samples > 0 && series_find(series, &number);
    bool has_histograms = series->n_histograms > 0 &&
                          series_find_part(series, "_count", &count_number) &&
                          series_find_part(series, "_sum", &sum_number);
    enum lw_status status = LW_OK;

    if (series->n_exemplars > 0) {
        lw_ingest_pass_over(series->message->request, "exemplar", series->n_exemplars);
        series->message->counts->exemplars += series->n_exemplars;
    }
    fields.at += series->labels.n_bytes;
    while (status == LW_OK && lw_protobuf_next(&fields, &field)) {
        if (field.wire != LW_PROTOBUF_BYTES) {
            continue;
        }
        if (field.number == version->samples && has_samples) {
            status = read_sample(series, &field, number);
        } else if (field.number == version->histograms && has_histograms) {
            status = lw_rw_read_histogram(series, &field, count_number, sum_number);
        }
    }
    return status == LW_OK && fields.bad ? LW_EFORMAT : status;
}

enum lw_status lw_rw_batch_end(struct lw_rw_batch *batch)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < batch->n; i++) {
        status = series_deliver(&batch->series[i]);
    }
    batch->n = 0;
    return status;
}

enum lw_status lw_rw_batch_add(struct lw_rw_batch *batch, const struct lw_rw_series *series)
{
    batch->series[batch->n++] = *series;
    return batch->n < LW_RW_BATCH ? LW_OK : lw_rw_batch_end(batch);
}
