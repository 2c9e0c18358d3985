/* Aggregates of a range of samples: see stream/aggregate.h. */
#include "stream/aggregate.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define P95_NUMERATOR 19 /* .95 = 19 / 20, kept whole so that the rank is exact. */
#define P95_DENOMINATOR 20

/* What every kind but rate and p95 needs, in one pass. */
struct summary {
    size_t n;
    double sum, least, greatest, last;
};

static void range_summarise(const struct lw_window_range *range, struct summary *ret_summary)
{
    struct summary s = {0, 0.0, NAN, NAN, NAN};

    for (size_t piece = 0; piece < 2; piece++) {
        for (size_t i = 0; i < range->n_pieces[piece]; i++) {
            double value = range->pieces[piece][i].value;

            if (isnan(value)) {
                continue;
            }
            s.least = s.n == 0 || value < s.least ? value : s.least;
            s.greatest = s.n == 0 || value > s.greatest ? value : s.greatest;
            s.sum += value;
            s.last = value;
            s.n++;
        }
    }
    *ret_summary = s;
}

static double range_rate(const struct lw_aggregate_input *input, uint32_t *ret_n_resets)
{
    struct lw_counter at = {0.0, 0, false};
    int64_t start_ns;
    double increase = 0.0;
    bool moved = false;

    if (input->counter != NULL) {
        at = *input->counter;
    }
    start_ns = at.last_time_ns;
    for (size_t piece = 0; piece < 2; piece++) {
        for (size_t i = 0; i < input->range.n_pieces[piece]; i++) {
            const struct lw_window_sample *sample = &input->range.pieces[piece][i];

            if (isnan(sample->value)) {
                continue;
            }
            if (at.has && sample->value < at.last_value) {
                increase += sample->value;
                *ret_n_resets += sample->time_ns >= input->fresh_ns;
            } else if (at.has) {
                increase += sample->value - at.last_value;
            } else {
                start_ns = sample->time_ns;
            }
            at.has = true;
            at.last_value = sample->value;
            at.last_time_ns = sample->time_ns;
            moved = true;
        }
    }
    if (!moved || at.last_time_ns <= start_ns) {
        return NAN;
    }
    return increase / ((double)((uint64_t)at.last_time_ns - (uint64_t)start_ns) * 1e-9);
}

/* Sifts values[root] down in a heap of n with the greatest on top. */
static void heap_sift(double *values, size_t root, size_t n)
{
    double value = values[root];

    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        child += child + 1 < n && values[child + 1] > values[child];
        if (!(values[child] > value)) {
            break;
        }
        values[root] = values[child];
        root = child;
    }
    values[root] = value;
}

/* A heap gives up its greatest until the rank is on top: a twentieth of the values at most. */
static double range_p95(const struct lw_window_range *range, double *scratch)
{
    size_t n = 0, rank;

    for (size_t piece = 0; piece < 2; piece++) {
        for (size_t i = 0; i < range->n_pieces[piece]; i++) {
            if (!isnan(range->pieces[piece][i].value)) {
                scratch[n++] = range->pieces[piece][i].value;
            }
        }
    }
    if (n == 0) {
        return NAN;
    }
    rank = (n * P95_NUMERATOR + P95_DENOMINATOR - 1) / P95_DENOMINATOR;
    for (size_t root = n / 2; root-- > 0;) {
        heap_sift(scratch, root, n);
    }
    for (; n > rank; n--) {
        scratch[0] = scratch[n - 1];
        heap_sift(scratch, 0, n - 1);
    }
    return scratch[0];
}

/* The kinds that a summary answers; of no samples only the count is a number. */
static double summary_value(const struct summary *summary, enum lw_aggregate kind)
{
    if (kind == LW_AGGREGATE_COUNT) {
        return (double)summary->n;
    }
    if (summary->n == 0) {
        return NAN;
    }
    switch (kind) {
    case LW_AGGREGATE_MEAN:
        return summary->sum / (double)summary->n;
    case LW_AGGREGATE_SUM:
        return summary->sum;
    case LW_AGGREGATE_MIN:
        return summary->least;
    case LW_AGGREGATE_MAX:
        return summary->greatest;
    default:
        return summary->last;
    }
}

double lw_aggregate(const struct lw_aggregate_input *input, uint32_t *ret_n_resets)
{
    struct summary summary;
    uint32_t n_resets = 0;
    double value;

    if (input->kind == LW_AGGREGATE_RATE) {
        value = range_rate(input, &n_resets);
    } else if (input->kind == LW_AGGREGATE_P95) {
        value = range_p95(&input->range, input->scratch);
    } else {
        range_summarise(&input->range, &summary);
        value = summary_value(&summary, input->kind);
    }
    if (ret_n_resets != NULL) {
        *ret_n_resets = n_resets;
    }
    return isinf(value) ? copysign(DBL_MAX, value) : value;
}

void lw_counter_pass(struct lw_counter *counter, const struct lw_window_range *range)
{
    for (size_t i = lw_window_range_length(range); i-- > 0;) {
        const struct lw_window_sample *sample = lw_window_range_at(range, i);

        if (!isnan(sample->value)) {
            counter->last_value = sample->value;
            counter->last_time_ns = sample->time_ns;
            counter->has = true;
            return;
        }
    }
}

void lw_counter_save(const struct lw_counter *counter, struct lw_writer *writer)
{
    lw_write_u8(writer, counter->has);
    lw_write_f64(writer, counter->last_value);
    lw_write_i64(writer, counter->last_time_ns);
}

void lw_counter_load(struct lw_counter *ret_counter, struct lw_reader *reader)
{
    memset(ret_counter, 0, sizeof(*ret_counter));
    ret_counter->has = lw_read_u8(reader) != 0;
    ret_counter->last_value = lw_read_f64(reader);
    ret_counter->last_time_ns = lw_read_i64(reader);
}

int64_t lw_step_start(int64_t time_ns, int64_t step_ns)
{
    int64_t into;

    assert(step_ns > 0);
    into = time_ns % step_ns;
    into += into < 0 ? step_ns : 0;
    return time_ns < INT64_MIN + into ? INT64_MIN : time_ns - into;
}
