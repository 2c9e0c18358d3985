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

static const struct lw_rw_layout LAYOUT = {.samples = 2, .histograms = 4, .exemplars = 3};

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

static bool spell(const struct lw_rw_series *series, struct lw_rw_name *name,
                  struct lw_error *reterr)
{
    struct lw_protobuf labels;
    struct lw_protobuf_field field;

    lw_protobuf_init(&labels, series->labels.bytes, series->labels.n_bytes);
    while (lw_protobuf_next(&labels, &field)) {
        if (!add_label(&field, name, reterr)) {
            return false;
        }
    }
    return true;
}

/* Labels that do not stand together, one behind the other; false when they do not fit. */
static bool labels_gather(const struct lw_protobuf *fields, uint8_t *scratch,
                          struct lw_rw_text *ret_labels)
{
    struct lw_protobuf message = *fields;
    struct lw_protobuf_field field;
    size_t used = 0;

    for (const uint8_t *start = message.at; lw_protobuf_next(&message, &field);
         start = message.at) {
        size_t n_bytes = (size_t)(message.at - start);

        if (field.number != 1 || field.wire != LW_PROTOBUF_BYTES) {
            continue;
        }
        if (n_bytes > LW_RW_IDENTITY_BYTES_MAX - used) {
            return false;
        }
        memcpy(scratch + used, start, n_bytes);
        used += n_bytes;
    }
    *ret_labels = (struct lw_rw_text){scratch, used};
    return true;
}

/* Finds the labels and counts what else there is; false when they do not stand together. */
static bool series_scan(struct lw_rw_series *series, struct lw_protobuf *fields)
{
    struct lw_protobuf_field field;
    const uint8_t *begin = fields->at, *end = fields->at;
    bool together = true;

    for (const uint8_t *start = fields->at; lw_protobuf_next(fields, &field); start = fields->at) {
        switch (LW_PROTOBUF_KEY(field.number, field.wire)) {
        case LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES):
            together = together && start == end;
            end = fields->at;
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
    series->labels = (struct lw_rw_text){begin, (size_t)(end - begin)};
    return together;
}

static enum lw_status read_series(struct lw_rw_series *series,
                                  const struct lw_protobuf_field *field)
{
    uint8_t scratch[LW_RW_IDENTITY_BYTES_MAX] LW_UNINITIALIZED;
    struct lw_protobuf fields, rest;

    lw_protobuf_enter(field, &fields);
    rest = fields;
    series->n_samples = series->n_histograms = series->n_exemplars = 0;
    if (series_scan(series, &fields)) {
        rest.at += series->labels.n_bytes;
    } else if (!labels_gather(&rest, scratch, &series->labels)) {
        lw_rw_reject(series, series->n_samples + series->n_histograms, "bad_series",
                     "labels of more than 16384 bytes");
        return fields.bad ? LW_EFORMAT : LW_OK;
    }
    if (fields.bad) {
        return LW_EFORMAT;
    }
    series->identity = series->labels;
    return lw_rw_deliver(series, rest);
}

enum lw_status lw_remote_write_decode_1(const uint8_t *bytes, size_t n_bytes,
                                        struct lw_ingest_request *request,
                                        struct lw_remote_write_counts *ret_counts,
                                        struct lw_error *reterr)
{
    struct lw_rw_series series = {
        .request = request, .counts = ret_counts, .layout = &LAYOUT, .spell = spell};
    struct lw_protobuf message;
    struct lw_protobuf_field field;
    uint64_t n_metadata = 0;
    enum lw_status status = LW_OK;

    *ret_counts = (struct lw_remote_write_counts){0};
    lw_protobuf_init(&message, bytes, n_bytes);
    while (status == LW_OK && lw_protobuf_next(&message, &field)) {
        if (field.wire == LW_PROTOBUF_BYTES && field.number == 1) {
            status = read_series(&series, &field);
            series.index++;
        } else if (field.wire == LW_PROTOBUF_BYTES && field.number == 3) {
            n_metadata++;
        }
    }
    if (status != LW_OK || message.bad) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the body is no prometheus.WriteRequest: damaged in or behind "
                            "timeseries %zu",
                            series.index == 0 ? 0 : series.index - 1);
    }
    if (n_metadata > 0) {
        lw_ingest_pass_over(request, "metadata", n_metadata);
    }
    return LW_OK;
}
