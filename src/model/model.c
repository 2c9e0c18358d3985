/*
 * What all classes share: the checks before a fit, and the envelope around a class's bytes.
 *
 * The envelope: u32 magic "LWMD", u16 version, text name of the class, u64 length, that many bytes
 * of the class's own, u64 hash of everything before it, which finds what a disk or a copy damaged.
 */
#include "model/model.h"
#include "base/error.h"
#include "base/hash.h"

#include <math.h>
#include <string.h>

#define ENVELOPE_MAGIC 0x444D574Cu /* "LWMD" */
#define ENVELOPE_VERSION 1u
#define ENVELOPE_LENGTH_BYTES 8u

/* The value of a numeric option; false for a type without bounds. */
static bool option_number(const struct lw_option *option, const void *options, double *ret_value)
{
    const char *at = (const char *)options + option->offset;
    int64_t whole;

    switch (option->type) {
    case LW_OPTION_INT:
    case LW_OPTION_DURATION:
    case LW_OPTION_SIZE:
        memcpy(&whole, at, sizeof(whole));
        *ret_value = (double)whole;
        return true;
    case LW_OPTION_DOUBLE:
        memcpy(ret_value, at, sizeof(*ret_value));
        return true;
    default:
        return false;
    }
}

enum lw_status lw_model_check_fit(const struct lw_model_class *model_class, const void *options,
                                  const struct lw_model_rows *rows, struct lw_error *reterr)
{
    double value;

    if (rows->n_rows < 2 || rows->n_rows > LW_MODEL_ROWS_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "%s: %zu rows to learn from, but 2 to %d are allowed",
                            model_class->name, rows->n_rows, LW_MODEL_ROWS_MAX);
    }
    if (rows->n_dims < 1 || rows->n_dims > LW_MODEL_DIMS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "%s: rows of %zu values, but 1 to %d are allowed",
                            model_class->name, rows->n_dims, LW_MODEL_DIMS_MAX);
    }
    if (rows->n_rests >= rows->n_dims) {
        return lw_error_set(reterr, LW_EINVAL, "%s: %zu of %zu columns are rests; one less at most",
                            model_class->name, rows->n_rests, rows->n_dims);
    }
    for (size_t i = 0; i < model_class->n_options; i++) {
        const struct lw_option *option = &model_class->options[i];

        if (option_number(option, options, &value) &&
            !(value >= option->min && value <= option->max)) {
            return lw_error_set(reterr, LW_EINVAL,
                                "%s: option %s is %.17g, but %.17g to %.17g are allowed",
                                model_class->name, option->name, value, option->min, option->max);
        }
    }
    return LW_OK;
}

size_t lw_model_n_runs(const struct lw_model_rows *rows)
{
    return rows->runs == NULL ? 1 : rows->n_runs;
}

size_t lw_model_run(const struct lw_model_rows *rows, size_t i)
{
    return rows->runs == NULL ? rows->n_rows : rows->runs[i];
}

bool lw_model_row_is_missing(const float *row, size_t n_dims)
{
    for (size_t i = 0; i < n_dims; i++) {
        if (!isnan(row[i])) {
            return false;
        }
    }
    return true;
}

void lw_model_save(const struct lw_model_class *model_class, const struct lw_model *model,
                   struct lw_writer *writer)
{
    size_t start = writer->n_bytes, payload, n_bytes;

    lw_write_u32(writer, ENVELOPE_MAGIC);
    lw_write_u16(writer, ENVELOPE_VERSION);
    lw_write_text(writer, model_class->name);
    lw_write_u64(writer, 0); /* The length, known once the class has written. */
    payload = writer->n_bytes;
    model_class->save(model, writer);
    if (writer->status != LW_OK) {
        return;
    }
    n_bytes = writer->n_bytes - payload;
    for (size_t i = 0; i < ENVELOPE_LENGTH_BYTES; i++) {
        writer->data[payload - ENVELOPE_LENGTH_BYTES + i] = (uint8_t)((uint64_t)n_bytes >> (8 * i));
    }
    lw_write_u64(writer, lw_hash_bytes(writer->data + start, writer->n_bytes - start, 0));
}

/* Reads the head and the hash, leaves the reader behind the envelope and gives a reader of the
 * class's own bytes. */
static enum lw_status envelope_open(struct lw_reader *reader, char *ret_name,
                                    struct lw_reader *ret_payload, struct lw_error *reterr)
{
    size_t start = reader->at;
    uint32_t magic = lw_read_u32(reader);
    uint16_t version = lw_read_u16(reader);
    const uint8_t *payload;
    uint64_t n_bytes, hash;

    if (reader->status != LW_OK || magic != ENVELOPE_MAGIC) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "these bytes are no model: they do not start with LWMD");
    }
    if (version != ENVELOPE_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the model is of format %u, but this version reads %u",
                            (unsigned)version, ENVELOPE_VERSION);
    }
    lw_read_text(reader, ret_name, LW_MODEL_NAME_MAX);
    n_bytes = lw_read_u64(reader);
    if (n_bytes > lw_reader_left(reader)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the model is cut short: %zu bytes are left of %llu",
                            lw_reader_left(reader), (unsigned long long)n_bytes);
    }
    payload = lw_read_view(reader, (size_t)n_bytes);
    hash = payload != NULL ? lw_hash_bytes(reader->data + start, reader->at - start, 0) : 0;
    if (lw_read_u64(reader) != hash || reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "the model is damaged: its checksum does not fit");
    }
    lw_reader_init(ret_payload, payload, (size_t)n_bytes);
    return LW_OK;
}

enum lw_status lw_model_load(struct lw_reader *reader, const struct lw_model_class **ret_class,
                             struct lw_model **ret_model, struct lw_error *reterr)
{
    const struct lw_model_class *model_class;
    struct lw_model *model = NULL;
    struct lw_reader payload;
    char name[LW_MODEL_NAME_MAX];
    enum lw_status st = envelope_open(reader, name, &payload, reterr);

    if (st != LW_OK) {
        return st;
    }
    model_class = lw_model_class_find(name);
    if (model_class == NULL) {
        return lw_error_set(reterr, LW_ENOTFOUND, "there is no model class named \"%s\"", name);
    }
    st = model_class->load(&payload, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (lw_reader_left(&payload) > 0) {
        st = lw_error_set(reterr, LW_EFORMAT, "%s: %zu bytes are left behind the model", name,
                          lw_reader_left(&payload));
        model_class->destroy(model);
        return st;
    }
    *ret_class = model_class;
    *ret_model = model;
    return LW_OK;
}
