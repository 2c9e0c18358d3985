/* Points in order of time: see connect/ingest/order.h. A merge sort from below, stable. */
#include "connect/ingest/order.h"

#include <string.h>

/* Merges points[0, n_first) and points[n_first, n), each in order. */
static void points_merge(struct lw_point *points, size_t n_first, size_t n, struct lw_point *spare)
{
    size_t at = 0, second = n_first;

    if (points[n_first - 1].time_ns <= points[n_first].time_ns) {
        return;
    }
    memcpy(spare, points, n_first * sizeof(*points));
    for (size_t first = 0; first < n_first;) {
        if (second < n && points[second].time_ns < spare[first].time_ns) {
            points[at++] = points[second++];
        } else {
            points[at++] = spare[first++];
        }
    }
}

void lw_points_order(struct lw_point *points, size_t n, struct lw_point *spare)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from + width < n; from += 2 * width) {
            size_t both = n - from < 2 * width ? n - from : 2 * width;

            points_merge(points + from, width, both, spare);
        }
    }
}

size_t lw_points_slice(const struct lw_point *points, size_t n, int64_t slice_ns)
{
    size_t at = 1;

    /* Times may lie up to the ends of what 64 bits hold: the difference is taken unsigned. */
    while (at < n &&
           (uint64_t)points[at].time_ns - (uint64_t)points[0].time_ns < (uint64_t)slice_ns) {
        at++;
    }
    return at;
}
