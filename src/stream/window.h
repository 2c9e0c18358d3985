/*
 * The samples of one series that are still needed: those of open steps, and of the look-back of a
 * sliding aggregate.
 *
 * A ring in memory of the caller, always in order of (time, value), so that any order of arrival
 * leaves the same content and every sum over it the same bits. Arrival in time order costs O(1); a
 * sample that belongs k places before the newest costs O(k). One thread.
 */
#ifndef LW_STREAM_WINDOW_H
#define LW_STREAM_WINDOW_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

struct lw_window_sample {
    int64_t time_ns;
    double value; /* NaN: known to be missing. */
};

/* Invariant: samples[(first + i) % capacity], i < n, ascend in (time_ns, value), and no two are
 * equal in both. */
struct lw_window {
    struct lw_window_sample *samples; /* The caller's; as long as the window lives. */
    uint32_t capacity;
    uint32_t first;
    uint32_t n;
};

enum lw_window_outcome {
    LW_WINDOW_TAKEN,
    LW_WINDOW_DUPLICATE, /* A sample of the same time and value is there: nothing changed. */
    LW_WINDOW_FULL       /* capacity samples are there: nothing changed. */
};

/* Consecutive samples: a ring may wrap, so they lie in up to two pieces. Valid until the window
 * changes. */
struct lw_window_range {
    const struct lw_window_sample *pieces[2];
    size_t n_pieces[2]; /* Samples in each. */
};

/* An empty window over lw_window_sample[capacity], capacity > 0. */
void lw_window_init(struct lw_window *window, struct lw_window_sample *samples, uint32_t capacity);
/*
 * Put a sample in its place. Values are told apart by their bits (so -0 and 0 are two), but every
 * NaN is the same NaN, and sorts after all numbers. Infinities are the caller's to refuse.
 */
enum lw_window_outcome lw_window_insert(struct lw_window *window, int64_t time_ns, double value);
/* Forget all samples before a moment; returns how many there were. */
uint32_t lw_window_evict(struct lw_window *window, int64_t before_ns);
/* The samples of from_ns <= time < to_ns; O(log n). */
void lw_window_range(const struct lw_window *window, int64_t from_ns, int64_t to_ns,
                     struct lw_window_range *ret_range);
/* How many samples a range has, and its i-th one, i below that. */
size_t lw_window_range_length(const struct lw_window_range *range);
const struct lw_window_sample *lw_window_range_at(const struct lw_window_range *range, size_t i);
void lw_window_save(const struct lw_window *window, struct lw_writer *writer);
/* Into an initialised window. LW_EFORMAT when the bytes end early, are out of order or hold more
 * than its capacity. */
enum lw_status lw_window_load(struct lw_window *window, struct lw_reader *reader,
                              struct lw_error *reterr) LW_MUST_USE;

#endif
