/*
 * Robust scaling learnt in training: values of any unit become comparable numbers around 0.
 *
 *     z = (x - centre) / max(scale, floor),  compressed 3 asinh(z / 3)
 *
 * Up to about 3 scales z stays nearly as it is, beyond it grows as a logarithm: order is kept, and
 * a metric that moved by 300 scales does not hide the others. The floor keeps a metric that hardly
 * moved in training from drowning the rest.
 */
#ifndef LW_FEATURE_SCALE_H
#define LW_FEATURE_SCALE_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stddef.h>

#define LW_SCALE_COLUMNS_MAX 65536

enum lw_scale_method {
    LW_SCALE_ROBUST, /* centre the median, scale max(1.4826 median |x - centre|, (q_0.95 - q_0.05)
                        / 3.29) */
    LW_SCALE_MOMENTS /* centre the mean, scale the standard deviation: for models that live off rare
                        large values */
};

struct lw_scale_options {
    enum lw_scale_method method;
    double floor_absolute; /* In the column's unit; >= 0. */
    double floor_centre;   /* As a share of |centre|; >= 0. */
    double floor_range;    /* As a share of the trained range, largest less smallest; >= 0. */
};

/* One column, ready for use. A column that was never observed or never moved has scale 1. */
struct lw_scale {
    double centre;
    double scale; /* > 0, the floor already in it. */
};

/* Robust, floors 0, 0.01 and 0.01. */
void lw_scale_options_default(struct lw_scale_options *ret_options);
/*
 * Learns struct lw_scale[n_columns] from float rows[n_rows][n_columns]; NaN and infinite entries
 * are left out. LW_EINVAL when a floor is below 0 or not finite or n_columns is 0, LW_ELIMIT above
 * LW_SCALE_COLUMNS_MAX, LW_ENOMEM.
 */
enum lw_status lw_scale_fit(const struct lw_scale_options *options, const float *rows,
                            size_t n_rows, size_t n_columns, struct lw_scale *ret_scales,
                            struct lw_error *reterr) LW_MUST_USE;
/* One row, scaled and compressed; NaN stays NaN. In place is fine. */
void lw_scale_apply(const struct lw_scale *scales, size_t n_columns, const float *row,
                    float *ret_row);
/* 3 asinh(z / 3) and its inverse. */
double lw_scale_compress(double z);
double lw_scale_expand(double compressed);
/* A compressed value back in the column's unit. */
double lw_scale_invert(const struct lw_scale *scale, double compressed);

void lw_scale_save(const struct lw_scale *scales, size_t n_columns, struct lw_writer *writer);
/* LW_EFORMAT for damaged bytes, LW_EVERSION for a newer version's, LW_EINVAL when they hold another
 * number of columns. ret_scales is written only on LW_OK. */
enum lw_status lw_scale_load(struct lw_reader *reader, size_t n_columns,
                             struct lw_scale *ret_scales, struct lw_error *reterr) LW_MUST_USE;

#endif
