/*
 * Order statistics: see math/quantile.h.
 *
 * The k values nearest to a centre stand together in sorted order. Of the runs of k neighbours, the
 * one whose farther end is nearest to the centre gives the k-th smallest distance. Going up, the
 * lower end comes nearer and the upper end goes away, so that run lies where the two distances
 * cross, which bisection finds.
 */
#include "math/quantile.h"

#include <math.h>

static double array_value(const void *of, size_t k)
{
    return ((const double *)of)[k];
}

struct lw_sorted lw_sorted_array(const double *values, size_t n)
{
    struct lw_sorted sorted = {array_value, values, n};

    return sorted;
}

double lw_quantile(const struct lw_sorted *sorted, double p)
{
    double place = p * (double)(sorted->n - 1);
    double below = floor(place);
    size_t k = (size_t)below;
    double value = sorted->value(sorted->of, k);

    if (place > below) {
        value += (place - below) * (sorted->value(sorted->of, k + 1) - value);
    }
    return value;
}

/* The k-th smallest distance from the centre, k >= 1. */
static double nearest_distance(const struct lw_sorted *sorted, double centre, size_t k)
{
    size_t low = 0, high = sorted->n - k;
    double distance;

    /* The first run whose upper end is at least as far away as its lower end, or the last run. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted->value(sorted->of, middle + k - 1) - centre >=
            centre - sorted->value(sorted->of, middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    distance = fmax(sorted->value(sorted->of, low + k - 1) - centre,
                    centre - sorted->value(sorted->of, low));
    if (low > 0) {
        distance = fmin(distance, centre - sorted->value(sorted->of, low - 1));
    }
    return distance;
}

double lw_median_deviation(const struct lw_sorted *sorted, double centre)
{
    size_t half = (sorted->n + 1) / 2;
    double distance = nearest_distance(sorted, centre, half);

    if (sorted->n % 2 == 0) {
        distance += 0.5 * (nearest_distance(sorted, centre, half + 1) - distance);
    }
    return distance;
}

/* Lets the value at `root` sink in the heap of n values whose largest is on top. */
static void heap_sink(double *values, size_t root, size_t n)
{
    double sinking = values[root];
    size_t child;

    while ((child = 2 * root + 1) < n) {
        if (child + 1 < n && values[child + 1] > values[child]) {
            child++;
        }
        if (values[child] <= sinking) {
            break;
        }
        values[root] = values[child];
        root = child;
    }
    values[root] = sinking;
}

void lw_sort(double *values, size_t n)
{
    for (size_t root = n / 2; root > 0; root--) {
        heap_sink(values, root - 1, n);
    }
    for (size_t last = n; last > 1; last--) {
        double largest = values[0];

        values[0] = values[last - 1];
        values[last - 1] = largest;
        heap_sink(values, 0, last - 1);
    }
}
