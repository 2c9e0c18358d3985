/* Sums over windows: see math/statistics.h. */
#include "math/statistics.h"

#define LANES 8

/* The lanes' fixed order: halves onto halves. */
static double lanes_add(const double *lane)
{
    double four[4] = {lane[0] + lane[4], lane[1] + lane[5], lane[2] + lane[6], lane[3] + lane[7]};

    return (four[0] + four[2]) + (four[1] + four[3]);
}

double lw_sum(const double *values, size_t n)
{
    double lane[LANES] = {0.0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            lane[k] += values[i + k];
        }
    }
    for (size_t k = 0; i < n; i++, k++) {
        lane[k] += values[i];
    }
    return lanes_add(lane);
}

double lw_sum_products(const double *a, double a_centre, const double *b, double b_centre, size_t n)
{
    double lane[LANES] = {0.0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            lane[k] += (a[i + k] - a_centre) * (b[i + k] - b_centre);
        }
    }
    for (size_t k = 0; i < n; i++, k++) {
        lane[k] += (a[i] - a_centre) * (b[i] - b_centre);
    }
    return lanes_add(lane);
}

struct lw_moments lw_moments_of(const double *values, size_t n)
{
    struct lw_moments moments;

    moments.mean = lw_sum(values, n) / (double)n;
    moments.sum_squares = lw_sum_products(values, moments.mean, values, moments.mean, n);
    return moments;
}

double lw_sum_squared_steps(const double *values, size_t n)
{
    double lane[LANES] = {0.0};
    size_t n_steps = n > 0 ? n - 1 : 0;
    size_t i = 0;

    for (; i + LANES <= n_steps; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            double step = values[i + k + 1] - values[i + k];

            lane[k] += step * step;
        }
    }
    for (size_t k = 0; i < n_steps; i++, k++) {
        double step = values[i + 1] - values[i];

        lane[k] += step * step;
    }
    return lanes_add(lane);
}

/* Indices are paired from both ends, so that the values' level cancels before it is multiplied: a large one costs no digits. */
double lw_slope(const double *values, size_t n)
{
    double lane[LANES] = {0.0};
    double middle = (double)(n - 1) / 2.0;
    size_t n_pairs = n / 2;
    size_t i = 0;

    for (; i + LANES <= n_pairs; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            lane[k] += (middle - (double)(i + k)) * (values[n - 1 - i - k] - values[i + k]);
        }
    }
    for (size_t k = 0; i < n_pairs; i++, k++) {
        lane[k] += (middle - (double)i) * (values[n - 1 - i] - values[i]);
    }
    /* The squared distances of the indices 0..n-1 from their middle sum to n (n^2 - 1) / 12. */
    return lanes_add(lane) * 12.0 / ((double)n * ((double)n * (double)n - 1.0));
}
