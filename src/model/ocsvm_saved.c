/*
 * A One-Class SVM as bytes.
 *
 * u16 version, u32 values a row, u32 support vectors, f64 v, f64 rho, f64 ln Kmax; f32 of each
 * column's fill; f32 of each support vector's coefficient; then column by column f32 of each
 * support vector's value.
 */
#include "model/ocsvm_internal.h"

#include "base/error.h"

#include <math.h>

#define OCSVM_VERSION 1u

void lw_ocsvm_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, OCSVM_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_vectors);
    lw_write_f64(writer, model->width);
    lw_write_f64(writer, model->rho);
    lw_write_f64(writer, model->log_peak);
    lw_write_f32s(writer, model->fill, model->n_dims);
    lw_write_f32s(writer, model->coefs, model->n_vectors);
    for (size_t i = 0; i < model->n_dims; i++) {
        lw_write_f32s(writer, model->vectors + i * model->n_wide, model->n_vectors);
    }
}

static bool load_shape(struct lw_reader *reader, struct lw_model *ret_shape)
{
    uint64_t n_floats;

    ret_shape->n_dims = lw_read_u32(reader);
    ret_shape->n_vectors = lw_read_u32(reader);
    ret_shape->width = lw_read_f64(reader);
    ret_shape->rho = lw_read_f64(reader);
    ret_shape->log_peak = lw_read_f64(reader);
    if (reader->status != LW_OK || ret_shape->n_dims < 1 || ret_shape->n_dims > LW_MODEL_DIMS_MAX ||
        ret_shape->n_vectors < 1 || ret_shape->n_vectors > LW_OCSVM_ROWS_MAX) {
        return false;
    }
    n_floats = ret_shape->n_dims + ret_shape->n_vectors +
               (uint64_t)ret_shape->n_dims * ret_shape->n_vectors;
    return ret_shape->width >= LW_OCSVM_WIDTH_MIN && ret_shape->width <= LW_OCSVM_WIDTH_MAX &&
           ret_shape->rho >= 0.0 && isfinite(ret_shape->rho) &&
           fabs(ret_shape->log_peak) <= LW_OCSVM_LOG_PEAK_MAX &&
           lw_reader_left(reader) >= n_floats * sizeof(float);
}

/* Whether n values are within -limit to limit; NaN is not. */
static bool values_are_within(const float *values, size_t n, float limit)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(values[i]) <= limit)) {
            return false;
        }
    }
    return true;
}

static bool load_vectors(struct lw_reader *reader, struct lw_model *model)
{
    lw_read_f32s(reader, model->fill, model->n_dims);
    lw_read_f32s(reader, model->coefs, model->n_vectors);
    for (size_t i = 0; i < model->n_dims; i++) {
        float *values = model->vectors + i * model->n_wide;

        lw_read_f32s(reader, values, model->n_vectors);
        if (!values_are_within(values, model->n_vectors, LW_OCSVM_VALUE_MAX)) {
            return false;
        }
    }
    for (size_t i = 0; i < model->n_vectors; i++) {
        if (!(model->coefs[i] >= LW_OCSVM_COEF_MIN && model->coefs[i] <= 1.0f)) {
            return false;
        }
    }
    return reader->status == LW_OK &&
           values_are_within(model->fill, model->n_dims, LW_OCSVM_VALUE_MAX);
}

/* Allocates no more than the bytes that are left can fill, and the padding: 67 MB at most. */
enum lw_status lw_ocsvm_load(struct lw_reader *reader, struct lw_model **ret_model,
                             struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    enum lw_status st;

    if (reader->status == LW_OK && version != OCSVM_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "ocsvm: the model is of version %u, but this one reads %u",
                            (unsigned)version, OCSVM_VERSION);
    }
    if (!load_shape(reader, &shape)) {
        return lw_error_set(reterr, LW_EFORMAT, "ocsvm: damaged: %u support vectors of %u values",
                            (unsigned)shape.n_vectors, (unsigned)shape.n_dims);
    }
    st = lw_ocsvm_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (!load_vectors(reader, model)) {
        lw_ocsvm_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "ocsvm: a number is beyond its bounds");
    }
    lw_ocsvm_pad(model);
    *ret_model = model;
    return LW_OK;
}
