/*
 * The largest and smallest value seen, both slowly drawn to their middle so that one freak does not
 * blind a series for ever.
 */
#ifndef LW_DETECT_BASELINE_RANGE_H
#define LW_DETECT_BASELINE_RANGE_H

/* All zero is a fresh one that has seen 0. Doubles: at one row a second the pull is below a float's
 * last place. */
struct lw_range {
    double high, low;
};

static inline double lw_range_width(const struct lw_range *range)
{
    return range->high - range->low;
}

/* pull: the share of the way to the middle, a row. */
static inline void lw_range_add(struct lw_range *range, double pull, double value)
{
    double drawn = 0.5 * pull * (range->high - range->low);

    range->high -= drawn;
    range->low += drawn;
    range->high = value > range->high ? value : range->high;
    range->low = value < range->low ? value : range->low;
}

#endif
