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

#include <stdbool.h>
#include <stddef.h>

/* Arrays that kernels read are padded to whole vectors of this many floats. */
#define LW_LANES 8
/* The groups that the kernel minima looks at. */
#define LW_GROUPS 64

struct lw_shapley_lanes;
struct lw_shapley_tree;

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
    /* y[o] += sum over i of x[i] m[i][o], in the order of i: a product of a matrix stored by
     * columns, float[n][n_out], n_out a multiple of LW_LANES; y does not overlap. Every output has
     * a lane of its own. */
    void (*product)(const float *m, const float *x, size_t n, size_t n_out, float *y);
    /* d[p] = sum over i of (points[i][p] - x[i])^2, in the order of i, of points stored dimension
     * by dimension: float[n][n_points], n_points a multiple of LW_LANES. */
    void (*distances)(const float *points, const float *x, size_t n, size_t n_points, float *d);
    /* Each of n floats to e^x, n a multiple of LW_LANES. Within 2 units in the last place; 0 below
     * -87, the greatest finite power above 88, NaN for NaN. */
    void (*exp)(float *values, size_t n);
    /* To 1 / (1 + e^-x), and to tanh x, both within 1e-6 of the largest value; NaN for NaN. */
    void (*sigmoid)(float *values, size_t n);
    void (*tanh)(float *values, size_t n);
    /* To 3 asinh(x / 3), the compression of the views: x near 0, a logarithm far away. Any n.
     * Within 4e-7 of its size (of what is no subnormal number); odd, NaN for NaN, infinite for
     * infinite. */
    void (*compress)(float *values, size_t n);
    /* Smallest and largest of n floats, n a multiple of LW_LANES and > 0, none NaN. */
    void (*extremes)(const float *values, size_t n, float *ret_least, float *ret_greatest);
    /* The least value of each of LW_GROUPS groups, values[i] being in group i mod LW_GROUPS. n a
     * multiple of LW_GROUPS and > 0, none NaN. Returns the k-th least of them, which at least k of
     * the values do not exceed; k <= LW_GROUPS, and with k 0 the time for that is saved: +inf. */
    float (*minima)(const float *values, size_t n, size_t k, float *ret_minima);
    /* How far a row is outside a box: the sum over i of least[i] - row[i] or row[i] - greatest[i],
     * whichever is above 0; NaN is inside. n a multiple of LW_LANES. */
    float (*reach)(const float *least, const float *greatest, const float *row, size_t n);
    /* Sets a box, least[n] and then greatest[n], to the one around two others, sides[0..1] and
     * [2..3] their least and greatest; the box may be one of them. Without NaN. Returns the sum of
     * its widths, in LW_LANES partial sums; *ret_changes: a bit of it is another than before. n a
     * multiple of LW_LANES. */
    float (*join)(float *box, const float *const *sides, size_t n, bool *ret_changes);
    /* Adds to values, by column and point, what one pass over one tree makes of the row: the sums
     * over points and passes are the exact Shapley values. values and scratch are aligned to 32
     * bytes. See math/shapley.h. */
    void (*shapley)(const struct lw_shapley_tree *tree, const struct lw_shapley_lanes *points,
                    const float *row, void *scratch, struct lw_shapley_lanes *values);
};

/* The fastest table this CPU can run; the same pointer at every call. Never NULL. Any thread. */
const struct lw_kernels *lw_kernels_best(void);
/* Every table this CPU can run, plain first; *ret_n is how many. For tests and benches. */
const struct lw_kernels *const *lw_kernels_all(size_t *ret_n);

#endif
