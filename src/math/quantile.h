/*
 * Order statistics of sorted values, through a function that gives the k-th: the values may lie
 * anywhere.
 *
 * Quantiles interpolate between neighbours (type 7 of Hyndman and Fan, "Sample Quantiles in
 * Statistical Packages", The American Statistician 1996, which is numpy's and R's default). None of
 * the values may be NaN.
 */
#ifndef LW_MATH_QUANTILE_H
#define LW_MATH_QUANTILE_H

#include <stddef.h>

/* MAD times this estimates the standard deviation of normal data. */
#define LW_MAD_TO_SD 1.482602218505602

/* n sorted values; value(of, k) is the k-th smallest, 0 <= k < n. */
struct lw_sorted {
    double (*value)(const void *of, size_t k);
    const void *of;
    size_t n;
};

/* An ascending array as sorted values. */
struct lw_sorted lw_sorted_array(const double *values, size_t n);
/* The p-quantile, p in [0, 1]; n > 0. */
double lw_quantile(const struct lw_sorted *sorted, double p);
/* Median absolute deviation from the centre, exact, O(log n); n > 0. */
double lw_median_deviation(const struct lw_sorted *sorted, double centre);
/* Sorts ascending in place, O(n log n) at worst, without memory (heap sort). No NaN. */
void lw_sort(double *values, size_t n);

#endif
