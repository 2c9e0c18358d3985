/*
 * An ECOD model as bytes.
 *
 * u16 version, u32 values a row, u32 knots of all columns; then of each column u32 its knots, and
 * of each of these f32 value, u32 training values below, u32 training values not above.
 */
#include "model/ecod_internal.h"

#include "base/error.h"

#include <math.h>

#define ECOD_VERSION 1u
#define SAVED_KNOT_BYTES 12u
#define SAVED_COLUMN_BYTES 4u

void lw_ecod_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, ECOD_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_knots);
    for (size_t i = 0; i < model->n_dims; i++) {
        const struct lw_ecod_column *column = &model->columns[i];

        lw_write_u32(writer, column->n_knots);
        for (size_t k = column->begin; k < column->begin + column->n_knots; k++) {
            lw_write_f32(writer, model->values[k]);
            lw_write_u32(writer, model->counts[k].below);
            lw_write_u32(writer, model->counts[k].upto);
        }
    }
}

/* Reads a column's knots from `begin` on; false when they are damaged. */
static bool load_column(struct lw_reader *reader, struct lw_model *model, size_t i, uint32_t begin)
{
    struct lw_ecod_column *column = &model->columns[i];
    uint32_t upto = 0;

    column->begin = begin;
    column->n_knots = lw_read_u32(reader);
    if (column->n_knots > LW_ECOD_KNOTS_MAX || column->n_knots > model->n_knots - begin) {
        return false;
    }
    for (uint32_t k = begin; k < begin + column->n_knots; k++) {
        struct lw_ecod_counts *counts = &model->counts[k];

        model->values[k] = lw_read_f32(reader);
        counts->below = lw_read_u32(reader);
        counts->upto = lw_read_u32(reader);
        if (!isfinite(model->values[k]) ||
            (k > begin && model->values[k] <= model->values[k - 1]) ||
            (k == begin ? counts->below != 0 : counts->below < upto) ||
            counts->upto <= counts->below || counts->upto > LW_MODEL_ROWS_MAX) {
            return false;
        }
        upto = counts->upto;
    }
    column->n_rows = upto;
    return reader->status == LW_OK;
}

/* Allocates no more than the bytes that are left can fill: 50 MB at most. */
enum lw_status lw_ecod_load(struct lw_reader *reader, struct lw_model **ret_model,
                            struct lw_error *reterr)
{
    struct lw_model *model = NULL;
    uint16_t version = lw_read_u16(reader);
    uint32_t n_dims, n_knots, at = 0;
    enum lw_status st;

    if (reader->status == LW_OK && version != ECOD_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "ecod: the model is of version %u, but this one reads %u",
                            (unsigned)version, ECOD_VERSION);
    }
    n_dims = lw_read_u32(reader);
    n_knots = lw_read_u32(reader);
    if (reader->status != LW_OK || n_dims < 1 || n_dims > LW_MODEL_DIMS_MAX ||
        n_knots > n_dims * LW_ECOD_KNOTS_MAX ||
        lw_reader_left(reader) <
            (size_t)n_dims * SAVED_COLUMN_BYTES + (size_t)n_knots * SAVED_KNOT_BYTES) {
        return lw_error_set(reterr, LW_EFORMAT, "ecod: damaged: %u knots of %u values",
                            (unsigned)n_knots, (unsigned)n_dims);
    }
    st = lw_ecod_create(n_dims, n_knots, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t i = 0; i < n_dims; i++) {
        if (!load_column(reader, model, i, at)) {
            lw_ecod_destroy(model);
            return lw_error_set(reterr, LW_EFORMAT, "ecod: column %zu of %u is damaged", i,
                                (unsigned)n_dims);
        }
        at += model->columns[i].n_knots;
    }
    if (at != n_knots) {
        lw_ecod_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "ecod: %u knots, but %u are said to be there",
                            (unsigned)at, (unsigned)n_knots);
    }
    *ret_model = model;
    return LW_OK;
}
