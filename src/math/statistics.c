/*
 * Sums over windows: see math/statistics.h.
 *
 * Eight lanes are four vectors of two doubles, which every 64-bit CPU that we build for has (SSE2,
 * NEON): one path and so one result, without a choice at run time. Lane k sums the values k, k + 8,
 * k + 16 ...; what is left at the end goes to the first lanes, and the lanes are added halves onto
 * halves.
 */
#include "math/statistics.h"

#define LANES 8

typedef double two __attribute__((vector_size(16)));
/* As it lies in an array: aligned to one double only. */
typedef double two_in_array __attribute__((vector_size(16), aligned(8), may_alias));

struct lanes {
    two a, b, c, d;
};

static inline struct lanes lanes_load(const double *at)
{
    const two_in_array *from = (const two_in_array *)at;
    struct lanes lanes = {from[0], from[1], from[2], from[3]};

    return lanes;
}

/* The eight values up to and with *last, backwards. */
static inline struct lanes lanes_load_backwards(const double *last)
{
    struct lanes up = lanes_load(last - (LANES - 1));
    struct lanes down = {
        {up.d[1], up.d[0]}, {up.c[1], up.c[0]}, {up.b[1], up.b[0]}, {up.a[1], up.a[0]}};

    return down;
}

static inline struct lanes lanes_of(double value)
{
    two both = {value, value};
    struct lanes lanes = {both, both, both, both};

    return lanes;
}

static inline struct lanes lanes_add(struct lanes x, struct lanes y)
{
    struct lanes sum = {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};

    return sum;
}

static inline struct lanes lanes_subtract(struct lanes x, struct lanes y)
{
    struct lanes difference = {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d};

    return difference;
}

static inline struct lanes lanes_multiply(struct lanes x, struct lanes y)
{
    struct lanes product = {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d};

    return product;
}

/* All lanes' sum, the n_rest < LANES products left over added to the first lanes before. */
static double lanes_sum(struct lanes lanes, const double *rest, size_t n_rest)
{
    double more[LANES] = {0.0};
    two half_a, half_b;

    for (size_t k = 0; k < n_rest; k++) {
        more[k] = rest[k];
    }
    lanes = lanes_add(lanes, lanes_load(more));
    half_a = lanes.a + lanes.c;
    half_b = lanes.b + lanes.d;
    half_a += half_b;
    return half_a[0] + half_a[1];
}

double lw_sum_deviations(const double *values, double centre, size_t n)
{
    struct lanes sum = lanes_of(0.0);
    struct lanes middle = lanes_of(centre);
    double rest[LANES];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        sum = lanes_add(sum, lanes_subtract(lanes_load(values + i), middle));
    }
    for (size_t k = 0; i + k < n; k++) {
        rest[k] = values[i + k] - centre;
    }
    return lanes_sum(sum, rest, n - i);
}

double lw_sum_products(const double *a, double a_centre, const double *b, double b_centre, size_t n)
{
    struct lanes sum = lanes_of(0.0);
    struct lanes a_middle = lanes_of(a_centre), b_middle = lanes_of(b_centre);
    double rest[LANES];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        sum = lanes_add(sum, lanes_multiply(lanes_subtract(lanes_load(a + i), a_middle),
                                            lanes_subtract(lanes_load(b + i), b_middle)));
    }
    for (size_t k = 0; i + k < n; k++) {
        rest[k] = (a[i + k] - a_centre) * (b[i + k] - b_centre);
    }
    return lanes_sum(sum, rest, n - i);
}

/* Counted from the first value, so that the mean of equal values carries no rounding. */
struct lw_moments lw_moments_of(const double *values, size_t n)
{
    struct lw_moments moments;

    moments.mean = values[0] + lw_sum_deviations(values, values[0], n) / (double)n;
    moments.sum_squares = lw_sum_products(values, moments.mean, values, moments.mean, n);
    return moments;
}

double lw_sum_squared_steps(const double *values, size_t n)
{
    struct lanes sum = lanes_of(0.0);
    double rest[LANES];
    size_t n_steps = n > 0 ? n - 1 : 0;
    size_t i = 0;

    for (; i + LANES <= n_steps; i += LANES) {
        struct lanes step = lanes_subtract(lanes_load(values + i + 1), lanes_load(values + i));

        sum = lanes_add(sum, lanes_multiply(step, step));
    }
    for (size_t k = 0; i + k < n_steps; k++) {
        double step = values[i + k + 1] - values[i + k];

        rest[k] = step * step;
    }
    return lanes_sum(sum, rest, n_steps - i);
}

/* Values are paired from both ends, so that their level cancels before it is multiplied: a large
 * one costs no digits. */
double lw_slope(const double *values, size_t n)
{
    double middle = (double)(n - 1) / 2.0;
    struct lanes sum = lanes_of(0.0);
    struct lanes weights = {{middle, middle - 1.0},
                            {middle - 2.0, middle - 3.0},
                            {middle - 4.0, middle - 5.0},
                            {middle - 6.0, middle - 7.0}};
    struct lanes eight = lanes_of((double)LANES);
    double rest[LANES];
    size_t n_pairs = n / 2;
    size_t i = 0;

    for (; i + LANES <= n_pairs; i += LANES) {
        struct lanes rise = lanes_subtract(lanes_load_backwards(values + n - 1 - i),
                                           lanes_load(values + i));

        sum = lanes_add(sum, lanes_multiply(weights, rise));
        weights = lanes_subtract(weights, eight);
    }
    for (size_t k = 0; i + k < n_pairs; k++) {
        rest[k] = (middle - (double)(i + k)) * (values[n - 1 - i - k] - values[i + k]);
    }
    /* The squared distances of the indices 0..n-1 from their middle sum to n (n^2 - 1) / 12. */
    return lanes_sum(sum, rest, n_pairs - i) * 12.0 / ((double)n * ((double)n * (double)n - 1.0));
}
