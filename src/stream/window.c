/* A sorted ring of samples: see stream/window.h. */
#include "stream/window.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void lw_window_init(struct lw_window *window, struct lw_window_sample *samples, uint32_t capacity)
{
    assert(samples != NULL && capacity > 0);
    window->samples = samples;
    window->capacity = capacity;
    window->first = 0;
    window->n = 0;
}

/* The i-th sample in order, i < n; or the free place behind the last, i == n. */
static struct lw_window_sample *window_at(const struct lw_window *window, uint32_t i)
{
    uint64_t place = (uint64_t)window->first + i;

    return &window->samples[place < window->capacity ? place : place - window->capacity];
}

/* An integer that orders doubles by value and tells them apart by their bits; the canonical NaN
 * comes last. */
static int64_t value_rank(double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits >= 0 ? bits : INT64_MIN - bits - 1;
}

/* Below 0, 0 or above 0 as a comes before b, is b, or comes after it. */
static int sample_compare(const struct lw_window_sample *a, const struct lw_window_sample *b)
{
    int64_t a_rank = value_rank(a->value), b_rank = value_rank(b->value);

    if (a->time_ns != b->time_ns) {
        return a->time_ns < b->time_ns ? -1 : 1;
    }
    return (a_rank > b_rank) - (a_rank < b_rank);
}

enum lw_window_outcome lw_window_insert(struct lw_window *window, int64_t time_ns, double value)
{
    struct lw_window_sample sample = {time_ns, isnan(value) ? (double)NAN : value};
    uint32_t place = window->n;
    int order = 1;

    while (place > 0 && (order = sample_compare(&sample, window_at(window, place - 1))) < 0) {
        place--;
    }
    if (place > 0 && order == 0) {
        return LW_WINDOW_DUPLICATE;
    }
    if (window->n == window->capacity) {
        return LW_WINDOW_FULL;
    }
    for (uint32_t i = window->n; i > place; i--) {
        *window_at(window, i) = *window_at(window, i - 1);
    }
    *window_at(window, place) = sample;
    window->n++;
    return LW_WINDOW_TAKEN;
}

/* How many samples come before a moment. */
static uint32_t window_count_before(const struct lw_window *window, int64_t time_ns)
{
    uint32_t low = 0, high = window->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (window_at(window, middle)->time_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t lw_window_evict(struct lw_window *window, int64_t before_ns)
{
    uint32_t n = window_count_before(window, before_ns);
    uint64_t first = (uint64_t)window->first + n;

    window->n -= n;
    window->first = window->n == 0 ? 0 : (uint32_t)(first % window->capacity);
    return n;
}

void lw_window_range(const struct lw_window *window, int64_t from_ns, int64_t to_ns,
                     struct lw_window_range *ret_range)
{
    uint32_t from = window_count_before(window, from_ns);
    uint32_t to = window_count_before(window, to_ns);
    uint32_t n = to > from ? to - from : 0;
    const struct lw_window_sample *start = n > 0 ? window_at(window, from) : window->samples;
    uint32_t until_wrap = window->capacity - (uint32_t)(start - window->samples);

    ret_range->pieces[0] = start;
    ret_range->n_pieces[0] = n < until_wrap ? n : until_wrap;
    ret_range->pieces[1] = window->samples;
    ret_range->n_pieces[1] = n - ret_range->n_pieces[0];
}

size_t lw_window_range_length(const struct lw_window_range *range)
{
    return range->n_pieces[0] + range->n_pieces[1];
}

const struct lw_window_sample *lw_window_range_at(const struct lw_window_range *range, size_t i)
{
    assert(i < lw_window_range_length(range));
    return i < range->n_pieces[0] ? &range->pieces[0][i]
                                  : &range->pieces[1][i - range->n_pieces[0]];
}

void lw_window_save(const struct lw_window *window, struct lw_writer *writer)
{
    lw_write_u32(writer, window->n);
    for (uint32_t i = 0; i < window->n; i++) {
        lw_write_i64(writer, window_at(window, i)->time_ns);
        lw_write_f64(writer, window_at(window, i)->value);
    }
}

enum lw_status lw_window_load(struct lw_window *window, struct lw_reader *reader,
                              struct lw_error *reterr)
{
    uint32_t n = lw_read_u32(reader);

    window->first = 0;
    window->n = 0;
    if (n > window->capacity) {
        return lw_error_set(reterr, LW_EFORMAT, "a saved window has %u samples; this one holds %u",
                            n, window->capacity);
    }
    for (uint32_t i = 0; i < n; i++) {
        int64_t time_ns = lw_read_i64(reader);
        double value = lw_read_f64(reader);

        if (reader->status != LW_OK) {
            break;
        }
        if (lw_window_insert(window, time_ns, value) != LW_WINDOW_TAKEN ||
            window_at(window, i)->time_ns != time_ns ||
            value_rank(window_at(window, i)->value) !=
                value_rank(isnan(value) ? (double)NAN : value)) {
            window->n = 0;
            return lw_error_set(reterr, LW_EFORMAT, "sample %u of a saved window is out of order",
                                i);
        }
    }
    if (reader->status != LW_OK) {
        window->n = 0;
        return lw_error_set(reterr, LW_EFORMAT, "a saved window of %u samples ends early", n);
    }
    return LW_OK;
}
