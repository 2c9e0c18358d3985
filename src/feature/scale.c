/* Robust scaling: see feature/scale.h. */
#include "feature/scale.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/hyperbolic.h"
#include "math/quantile.h"
#include "math/statistics.h"

#include <math.h>
#include <stdbool.h>

#define FORMAT_VERSION 1
/* Where compression takes over from the straight line. */
#define KNEE 3.0
/* q_0.95 - q_0.05 of normal data, in standard deviations. */
#define CENTRAL_RANGE_TO_SD 3.289707253902944

void lw_scale_options_default(struct lw_scale_options *ret_options)
{
    ret_options->method = LW_SCALE_ROBUST;
    ret_options->floor_absolute = 0.0;
    ret_options->floor_centre = 0.01;
    ret_options->floor_range = 0.01;
}

/* n > 0 values in ascending order. */
static struct lw_scale scale_of_sorted(const struct lw_scale_options *options, const double *values,
                                       size_t n)
{
    struct lw_sorted sorted = lw_sorted_array(values, n);
    struct lw_scale scale;
    double floor;

    if (options->method == LW_SCALE_ROBUST) {
        scale.centre = lw_quantile(&sorted, 0.5);
        scale.scale = fmax(LW_MAD_TO_SD * lw_median_deviation(&sorted, scale.centre),
                           (lw_quantile(&sorted, 0.95) - lw_quantile(&sorted, 0.05)) /
                               CENTRAL_RANGE_TO_SD);
    } else {
        struct lw_moments moments = lw_moments_of(values, n);

        scale.centre = moments.mean;
        scale.scale = sqrt(moments.sum_squares / (double)n);
    }
    floor = fmax(options->floor_absolute, options->floor_centre * fabs(scale.centre));
    floor = fmax(floor, options->floor_range * (values[n - 1] - values[0]));
    scale.scale = fmax(scale.scale, floor);
    if (!(scale.scale > 0.0)) {
        scale.scale = 1.0;
    }
    return scale;
}

enum lw_status lw_scale_fit(const struct lw_scale_options *options, const float *rows,
                            size_t n_rows, size_t n_columns, struct lw_scale *ret_scales,
                            struct lw_error *reterr)
{
    const double floors[] = {options->floor_absolute, options->floor_centre, options->floor_range};
    double *values;

    for (size_t i = 0; i < 3; i++) {
        if (!(floors[i] >= 0.0 && isfinite(floors[i]))) {
            return lw_error_set(reterr, LW_EINVAL,
                                "a floor of %g for the scale; it must be 0 or more", floors[i]);
        }
    }
    if (n_columns == 0) {
        return lw_error_set(reterr, LW_EINVAL, "no column to scale");
    }
    if (n_columns > LW_SCALE_COLUMNS_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "%zu columns to scale; at most %d are possible",
                            n_columns, LW_SCALE_COLUMNS_MAX);
    }
    values = lw_mem_calloc(n_rows + 1, sizeof(*values));
    if (values == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to order a column of %zu values", n_rows);
    }
    for (size_t column = 0; column < n_columns; column++) {
        const struct lw_scale unknown = {0.0, 1.0};
        size_t n = 0;

        for (size_t row = 0; row < n_rows; row++) {
            float value = rows[row * n_columns + column];

            if (isfinite(value)) {
                values[n++] = (double)value;
            }
        }
        lw_sort(values, n);
        ret_scales[column] = n > 0 ? scale_of_sorted(options, values, n) : unknown;
    }
    lw_mem_free(values);
    return LW_OK;
}

double lw_scale_compress(double z)
{
    return KNEE * lw_asinh(z / KNEE);
}

double lw_scale_expand(double compressed)
{
    return KNEE * lw_sinh(compressed / KNEE);
}

double lw_scale_invert(const struct lw_scale *scale, double compressed)
{
    return scale->centre + scale->scale * lw_scale_expand(compressed);
}

void lw_scale_apply(const struct lw_scale *scales, size_t n_columns, const float *row,
                    float *ret_row)
{
    for (size_t i = 0; i < n_columns; i++) {
        ret_row[i] = (float)lw_scale_compress(((double)row[i] - scales[i].centre) /
                                              scales[i].scale);
    }
}

void lw_scale_save(const struct lw_scale *scales, size_t n_columns, struct lw_writer *writer)
{
    lw_write_u16(writer, FORMAT_VERSION);
    lw_write_u32(writer, (uint32_t)n_columns);
    for (size_t i = 0; i < n_columns; i++) {
        lw_write_f64(writer, scales[i].centre);
        lw_write_f64(writer, scales[i].scale);
    }
}

/* Looks through the columns without taking them, and leaves the reader behind them. */
static bool columns_are_good(struct lw_reader *reader, size_t n_columns)
{
    bool good = true;

    for (size_t i = 0; i < n_columns; i++) {
        double centre = lw_read_f64(reader);
        double scale = lw_read_f64(reader);

        good = good && isfinite(centre) && isfinite(scale) && scale > 0.0;
    }
    return good && reader->status == LW_OK;
}

enum lw_status lw_scale_load(struct lw_reader *reader, size_t n_columns,
                             struct lw_scale *ret_scales, struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    uint32_t n_saved = lw_read_u32(reader);
    struct lw_reader ahead;

    if (reader->status != LW_OK || version == 0) {
        return lw_error_set(reterr, LW_EFORMAT, "scales without their header");
    }
    if (version > FORMAT_VERSION) {
        return lw_error_set(reterr, LW_EVERSION, "scales of version %u; up to %d can be read",
                            version, FORMAT_VERSION);
    }
    if (n_saved != n_columns) {
        return lw_error_set(reterr, LW_EINVAL, "scales of %u columns; expected %zu", n_saved,
                            n_columns);
    }
    ahead = *reader;
    if (!columns_are_good(&ahead, n_columns)) {
        return lw_error_set(reterr, LW_EFORMAT, "scales that are damaged");
    }
    for (size_t i = 0; i < n_columns; i++) {
        ret_scales[i].centre = lw_read_f64(reader);
        ret_scales[i].scale = lw_read_f64(reader);
    }
    return LW_OK;
}
