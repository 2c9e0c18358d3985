/*
 * What a step makes of its samples: one number of a range of a window, summed in time order so that
 * the bits are always the same.
 *
 * NaN samples count as not there. Of no samples the count is 0 and everything else NaN. A sum too
 * large for a double is the largest double: an aggregate is never infinite.
 */
#ifndef LW_STREAM_AGGREGATE_H
#define LW_STREAM_AGGREGATE_H

#include "base/bytes.h"
#include "stream/window.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order of the option "aggregate". */
enum lw_aggregate {
    LW_AGGREGATE_LAST,
    LW_AGGREGATE_MEAN,
    LW_AGGREGATE_SUM,
    LW_AGGREGATE_MIN,
    LW_AGGREGATE_MAX,
    LW_AGGREGATE_COUNT,
    LW_AGGREGATE_RATE, /* Increase of a counter a second. */
    LW_AGGREGATE_P95 /* By nearest rank: the smallest value that at least 95 % of the values do not
                        exceed. */
};

/* The last sample of a counter before a range: what its first increase is counted from. All zero:
 * none. Plain data. */
struct lw_counter {
    double last_value;
    int64_t last_time_ns;
    bool has;
};

struct lw_aggregate_input {
    enum lw_aggregate kind;
    struct lw_window_range range;
    const struct lw_counter *counter; /* Of LW_AGGREGATE_RATE: the sample before the range; NULL:
                                         none known. */
    int64_t fresh_ns; /* Resets are reported of samples from here on only: a sliding range holds old
                         ones too. */
    double *scratch;  /* Of LW_AGGREGATE_P95: double[length of the range]. */
};

/*
 * The aggregate of a range. *ret_n_resets (may be NULL) is how many counter resets were bridged at
 * samples from fresh_ns on; 0 for other kinds.
 *
 * The rate is the sum of the increases from the counter's sample (or the range's first) to the
 * range's last, over the seconds between them; a decrease means that the counter began again at 0,
 * so the new value is the increase. With less than two samples in all, or no time between them, it
 * is NaN.
 */
double lw_aggregate(const struct lw_aggregate_input *input, uint32_t *ret_n_resets);
/* The range is over: its last sample becomes the counter's. For a sliding window, pass what is
 * about to be evicted. */
void lw_counter_pass(struct lw_counter *counter, const struct lw_window_range *range);
void lw_counter_save(const struct lw_counter *counter, struct lw_writer *writer);
void lw_counter_load(struct lw_counter *ret_counter, struct lw_reader *reader);
/* Start of the step that holds a moment: steps of step_ns (> 0) are aligned to 1970-01-01 UTC; also
 * right before 1970. */
int64_t lw_step_start(int64_t time_ns, int64_t step_ns);

#endif
