/*
 * Sums over windows of doubles, in eight partial sums of fixed order: the same bits on every
 * machine, and no sum is carried on from window to window, so nothing drifts.
 */
#ifndef LW_MATH_STATISTICS_H
#define LW_MATH_STATISTICS_H

#include <stddef.h>

struct lw_moments {
    double mean;
    double sum_squares; /* Of deviations from the mean; >= 0. */
};

/* Sum of values[i] - centre over n values; 0 for none. */
double lw_sum_deviations(const double *values, double centre, size_t n);
/* Mean and squared deviations of n > 0 values, in two passes. Equal values have exactly their value
 * as mean, and no deviation at all. */
struct lw_moments lw_moments_of(const double *values, size_t n);
/* Sum of (a[i] - a_centre) (b[i] - b_centre) over n values. */
double lw_sum_products(const double *a, double a_centre, const double *b, double b_centre,
                       size_t n);
/* Sum of (values[i + 1] - values[i])^2 over n values; 0 for fewer than two. */
double lw_sum_squared_steps(const double *values, size_t n);
/* Least-squares slope of n >= 2 values against their index, per index. */
double lw_slope(const double *values, size_t n);

#endif
