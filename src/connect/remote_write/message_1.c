/*
 * The message of remote write 1.0: each series spells its labels out.
 *
 * The identity of a series is the bytes of its labels as they came, without a look inside: that is
 * what makes a known series cheap.
 */
#include "connect/remote_write/series.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

static bool add_label(const struct lw_protobuf_field *field, struct lw_rw_name *name,
                      struct lw_error *reterr)
{
    struct lw_protobuf message;
    struct lw_protobuf_field part;
    struct lw_rw_text label = {0}, value = {0};

    lw_protobuf_enter(field, &message);
    while (lw_protobuf_next(&message, &part)) {
        if (part.wire == LW_PROTOBUF_BYTES && part.number == 1) {
            label = (struct lw_rw_text){part.bytes, part.n_bytes};
        } else if (part.wire == LW_PROTOBUF_BYTES && part.number == 2) {
            value = (struct lw_rw_text){part.bytes, part.n_bytes};
        }
    }
    if (message.bad) {
        (void)lw_error_set(reterr, LW_EFORMAT, "a label that is no message");
        return false;
    }
    return lw_rw_name_add(name, label, value, reterr);
}

/* Labels that do not stand together, one behind the other; without bytes when they do not fit. */
static struct lw_rw_text labels_gather(struct lw_protobuf fields, uint8_t *scratch)
{
    struct lw_protobuf_field field;
    size_t used = 0;

    for (const uint8_t *start = fields.at; lw_protobuf_next(&fields, &field); start = fields.at) {
        size_t n_bytes = (size_t)(fields.at - start);

        if (field.number != 1 || field.wire != LW_PROTOBUF_BYTES) {
            continue;
        }
        if (n_bytes > LW_RW_IDENTITY_BYTES_MAX - used) {
            return (struct lw_rw_text){0};
        }
        memcpy(scratch + used, start, n_bytes);
        used += n_bytes;
    }
    return (struct lw_rw_text){scratch, used};
}

static struct lw_rw_text identify(const struct lw_rw_series *series, uint8_t *scratch)
{
    return series->labels.n_bytes > 0 ? series->labels : labels_gather(series->fields, scratch);
}

static bool spell(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr)
{
    struct lw_protobuf fields = series->fields;
    struct lw_protobuf_field field;

    while (lw_protobuf_next(&fields, &field)) {
        if (field.number == 1 && field.wire == LW_PROTOBUF_BYTES &&
            !add_label(&field, name, reterr)) {
            return false;
        }
    }
    return true;
}

static const struct lw_rw_version VERSION = {
    .samples = 2, .histograms = 4, .exemplars = 3, .identify = identify, .spell = spell};

/* Finds the labels and counts what else there is; false when the message is damaged. */
static bool series_scan(struct lw_rw_series *series)
{
    struct lw_protobuf fields = series->fields;
    struct lw_protobuf_field field;
    const uint8_t *begin = fields.at, *end = fields.at;
    bool together = true;

    for (const uint8_t *start = fields.at; lw_protobuf_next(&fields, &field); start = fields.at) {
        switch (LW_PROTOBUF_KEY(field.number, field.wire)) {
        case LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES):
            together = together && start == end;
            end = fields.at;
            break;
        case LW_PROTOBUF_KEY(2, LW_PROTOBUF_BYTES):
            series->n_samples++;
            break;
        case LW_PROTOBUF_KEY(3, LW_PROTOBUF_BYTES):
            series->n_exemplars++;
            break;
        case LW_PROTOBUF_KEY(4, LW_PROTOBUF_BYTES):
            series->n_histograms++;
            break;
        default:
            break;
        }
    }
    if (together) {
        series->labels = (struct lw_rw_text){begin, (size_t)(end - begin)};
    }
    return !fields.bad;
}

static enum lw_status read_series(struct lw_rw_series *series,
                                  const struct lw_protobuf_field *field, struct lw_rw_batch *batch)
{
    uint8_t scratch[LW_RW_IDENTITY_BYTES_MAX] LW_UNINITIALIZED;
    struct lw_rw_text identity;

    lw_protobuf_enter(field, &series->fields);
    series->n_samples = series->n_histograms = series->n_exemplars = 0;
    series->labels = (struct lw_rw_text){0};
    if (!series_scan(series)) {
        return LW_EFORMAT;
    }
    identity = identify(series, scratch);
    if (identity.bytes == NULL || identity.n_bytes > LW_RW_IDENTITY_BYTES_MAX) {
        lw_rw_reject(series, series->n_samples + series->n_histograms, "bad_series",
                     "labels of more than 16384 bytes");
        return LW_OK;
    }
    series->name = lw_ingest_seek(series->message->request, identity.bytes, identity.n_bytes);
    return lw_rw_batch_add(batch, series);
}

enum lw_status lw_remote_write_decode_1(const uint8_t *bytes, size_t n_bytes,
                                        struct lw_ingest_request *request,
                                        struct lw_remote_write_counts *ret_counts,
                                        struct lw_error *reterr)
{
    const struct lw_rw_message whole = {
        .version = &VERSION, .request = request, .counts = ret_counts};
    struct lw_rw_series series = {.message = &whole};
    struct lw_rw_batch batch LW_UNINITIALIZED;
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    uint64_t n_metadata = 0;
    enum lw_status status = LW_OK;

    *ret_counts = (struct lw_remote_write_counts){0};
    batch.n = 0;
    lw_protobuf_init(&message, bytes, n_bytes);
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (field.wire == LW_PROTOBUF_BYTES && field.number == 1) {
            status = read_series(&series, &field, &batch);
            series.index++;
        } else if (field.wire == LW_PROTOBUF_BYTES && field.number == 3) {
            n_metadata++;
        }
    }
    if (status == LW_OK) {
        status = lw_rw_batch_end(&batch);
    }
    if (status != LW_OK || message.bad) {
        return lw_error_set(reterr, LW_EFORMAT, "the body is no prometheus.WriteRequest");
    }
    if (n_metadata > 0) {
        lw_ingest_pass_over(request, "metadata", n_metadata);
    }
    return LW_OK;
}
