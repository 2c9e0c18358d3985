/* Ranks: see train/rank.h. */
#include "train/rank.h"

#include "math/quantile.h"

#include <math.h>
#include <string.h>

/* How many of n sorted values are below x, or not above it. */
static size_t count_below(const double *sorted, size_t n, double x, int or_equal)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted[middle] < x || (or_equal && sorted[middle] == x)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Mid-ranks, less their mean. */
static void ranks_of(const double *values, size_t n, double *sorted, double *ret_ranks)
{
    memcpy(sorted, values, n * sizeof(*sorted));
    lw_sort(sorted, n);
    for (size_t i = 0; i < n; i++) {
        ret_ranks[i] = 0.5 * ((double)count_below(sorted, n, values[i], 0) +
                              (double)count_below(sorted, n, values[i], 1) - (double)n);
    }
}

double lw_rank_correlation(const double *a, const double *b, size_t n, double *scratch)
{
    double *ranks_a = scratch, *ranks_b = scratch + n;
    double products = 0.0, squares_a = 0.0, squares_b = 0.0;

    if (n < 3) {
        return NAN;
    }
    ranks_of(a, n, scratch + 2 * n, ranks_a);
    ranks_of(b, n, scratch + 2 * n, ranks_b);
    for (size_t i = 0; i < n; i++) {
        products += ranks_a[i] * ranks_b[i];
        squares_a += ranks_a[i] * ranks_a[i];
        squares_b += ranks_b[i] * ranks_b[i];
    }
    return squares_a > 0.0 && squares_b > 0.0 ? products / sqrt(squares_a * squares_b)
                                              : (double)NAN;
}

double lw_precision_average(const struct lw_precision *precision)
{
    double found = 0.0, rows = 0.0, sum = 0.0;

    for (size_t i = LW_PRECISION_BINS; i-- > 0;) {
        found += (double)precision->with[i];
        rows += (double)precision->with[i] + (double)precision->without[i];
        if (precision->with[i] > 0) {
            sum += (double)precision->with[i] * found / rows;
        }
    }
    return found > 0.0 ? sum / found : (double)NAN;
}
