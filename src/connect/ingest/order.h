/*
 * Points of a request in the order of their times, for requests that hold many steps of one series:
 * a sender that catches up, a table uploaded in one piece.
 */
#ifndef LW_CONNECT_INGEST_ORDER_H
#define LW_CONNECT_INGEST_ORDER_H

#include "lapwing/plugin.h"

/* Event time of a slice, at most, and samples of a series in it, about: an open step holds
 * `max_samples` (64) of a series, and steps are closed between slices. */
#define LW_ORDER_SLICE_NS INT64_C(1000000000)
#define LW_ORDER_SLICE_STEPS 16

/* Sorts by time; points of one time keep their order. `spare` has room for n points. O(n log n),
 * O(n) for points in order. */
void lw_points_order(struct lw_point *points, size_t n, struct lw_point *spare);
/* How many points from the first on lie within slice_ns: at least 1. They are in order; n > 0. */
size_t lw_points_slice(const struct lw_point *points, size_t n, int64_t slice_ns);

#endif
