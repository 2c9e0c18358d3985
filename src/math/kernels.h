/*
 * The one home of SIMD: a table of function pointers, one table for each instruction set, picked
 * once at start.
 *
 * Every kernel is written once, in math/kernels_body.h, on vectors of 8 virtual lanes (GCC vector
 * extensions), and that file is compiled once for each instruction set. Lanes are summed in one
 * fixed order, so all tables give the same bits; tests/property/test_kernels_equal.c holds them
 * together. To add a kernel: a member here, its body there, a line in that test.
 */
#ifndef LW_MATH_KERNELS_H
#define LW_MATH_KERNELS_H

#include <stddef.h>

/* Arrays that kernels read are padded to whole vectors of this many floats. */
#define LW_LANES 8

struct lw_kernels {
    const char *name; /* "plain", "avx2", "avx512", "neon" */
    /* Sum of a[i] b[i] over n floats, in LW_LANES partial sums. Any n, any alignment. */
    float (*dot)(const float *a, const float *b, size_t n);
    /* Sum of (a[i] - b[i])^2. */
    float (*distance_squared)(const float *a, const float *b, size_t n);
    /* y[i] += scale x[i]. */
    void (*add_scaled)(float *y, const float *x, float scale, size_t n);
    /* Smallest |point - values[i]| over n > 0 floats; *ret_index is the first i that has it. n a
     * multiple of LW_LANES: pad with +inf. */
    float (*nearest)(const float *values, size_t n, float point, size_t *ret_index);
    /* Smallest and largest of n floats, n a multiple of LW_LANES and > 0, none NaN. */
    void (*extremes)(const float *values, size_t n, float *ret_least, float *ret_greatest);
};

/* The fastest table this CPU can run; the same pointer at every call. Never NULL. Any thread. */
const struct lw_kernels *lw_kernels_best(void);
/* Every table this CPU can run, plain first; *ret_n is how many. For tests and benches. */
const struct lw_kernels *const *lw_kernels_all(size_t *ret_n);

#endif
