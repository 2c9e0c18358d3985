/* The state of a metric's features and the view through which the table reads it. */
#ifndef LW_FEATURE_FEATURE_INTERNAL_H
#define LW_FEATURE_FEATURE_INTERNAL_H

#include "feature/feature.h"
#include "math/quantile.h"
#include "math/statistics.h"

#include <stdbool.h>

#define FEATURE_HOURS 24
#define FEATURE_DAYS 8 /* Sunday to Saturday, and holidays as an eighth day. */
#define FEATURE_HOLIDAY 7
/* Spare places behind the window, so that it moves to the front only every so many steps. */
#define FEATURE_SLACK 32

/* A running mean of what was seen in one bin of a season. */
struct feature_bin {
    double mean;
    double count; /* Up to the memory. */
};

/*
 * Behind this struct lie values[long_steps + FEATURE_SLACK], then the long and the short window's
 * order: 16-bit sequence numbers, ascending by value, equal values oldest first. Sequence numbers
 * count values and wrap round; less `oldest` they are places in the window, so that nothing needs
 * renumbering when the window moves. Among equal values the leaving one is always the first and the
 * entering one always the last, so that values alone find both.
 */
struct lw_feature_state {
    uint32_t start;        /* The window is values[start .. start + n_values). */
    uint32_t n_values;     /* <= long_steps */
    uint32_t n_seen;       /* Steps given, missing ones too; stops at short_steps. */
    uint32_t missing_run;  /* Missing steps up to now, without a gap; stops at UINT32_MAX. */
    uint32_t since_change; /* Steps since the observed value differed from the one before; stops at
                              UINT32_MAX. */
    uint16_t oldest;       /* Sequence number of values[start]. */
    uint16_t period;       /* Learnt, in steps; 0: none. */
    uint16_t search_lag;   /* The lag looked at next; 0: the search has not begun. */
    uint16_t best_lag;     /* Of this search; 0: none yet. */
    uint32_t unused;       /* Always 0; keeps the doubles aligned. */
    uint64_t missing[2];   /* Bit k % 64 of word k / 64: the step k steps ago was missing. */
    double last_observed;
    double fast_mean, slow_mean;
    double hour_residual, day_residual; /* Of the last step; NaN: no profile yet. */
    double best_correlation;            /* Of this search. */
    double least_correlation;           /* Of this search, up to the lag before search_lag. */
    double correlations[2];             /* Of the two lags before search_lag, the older first. */
    struct feature_bin hours[FEATURE_HOURS];
    struct feature_bin days[FEATURE_DAYS];
    double values[];
};

/* What a read works on; moments are worked out once, when first asked for. */
struct lw_feature_view {
    const struct lw_feature_layout *layout;
    const struct lw_feature_state *state;
    const struct lw_feature_state *other; /* The pair's second metric; NULL when there is none. */
    bool has_moments[LW_FEATURE_LONG + 1];
    struct lw_moments moments[LW_FEATURE_LONG + 1];
    bool has_lag;
    int lag; /* Of the pair: where the cross-correlation is largest. */
    double lag_correlation;
};

/* Values of the window in time order, newest last. */
static inline const double *feature_values(const struct lw_feature_state *state)
{
    return state->values + state->start;
}

static inline const uint16_t *feature_order(const struct lw_feature_layout *layout,
                                            const struct lw_feature_state *state,
                                            enum lw_feature_window window)
{
    size_t at = window == LW_FEATURE_SHORT ? layout->short_order_at : layout->long_order_at;

    return (const uint16_t *)(const void *)((const unsigned char *)state + at);
}

static inline size_t feature_window_length(const struct lw_feature_layout *layout,
                                           const struct lw_feature_state *state,
                                           enum lw_feature_window window)
{
    size_t n = state->n_values;

    return window == LW_FEATURE_SHORT && n > layout->config.short_steps ? layout->config.short_steps
                                                                        : n;
}

/* A window in order of size. *ret_place is the memory behind the answer. */
struct feature_place {
    const double *values;
    const uint16_t *order;
    uint16_t oldest;
};
struct lw_sorted lw_feature_sorted(const struct lw_feature_layout *layout,
                                   const struct lw_feature_state *state,
                                   enum lw_feature_window window, struct feature_place *ret_place);

extern const struct lw_feature lw_feature_pair_table[];
extern const size_t lw_feature_pair_table_length;

#endif
