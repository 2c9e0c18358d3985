/*
 * Layouts and the stream side of the features: what happens at every step. The reading side is
 * feature/table.c.
 *
 * The period is learnt by looking at one lag a step: the autocorrelation of the long window at lags
 * 2, 3, ... up to half of it, one after the other, over and over. A peak counts when it is at least
 * LW_FEATURE_PERIOD_LEAST high and rises PEAK_RISE above the lowest point before it: a trend falls
 * without rising again, and noise makes ripples only. The highest is the period; a later one
 * replaces an earlier one only when it is higher by PEAK_MARGIN, because every multiple of a period
 * peaks as well. Seasons longer than half the long window are what the profiles of hour and day are
 * for.
 */
#include "feature/feature_internal.h"

#include "base/civil.h"
#include "base/error.h"
#include "feature/calendar.h"

#include <math.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define DAY_NS (24 * HOUR_NS)
/* The hour profile remembers four weeks, the day profile eight. */
#define HOUR_MEMORY_DAYS 28
#define DAY_MEMORY_WEEKS 8
#define PEAK_MARGIN 0.05
#define PEAK_RISE 0.2
#define FIRST_LAG 2

/* ---- Layout ---- */

void lw_feature_config_default(struct lw_feature_config *ret_config)
{
    memset(ret_config, 0, sizeof(*ret_config));
    ret_config->short_steps = 30;
    ret_config->long_steps = 360;
    ret_config->impute_steps = 5;
    ret_config->step_ns = 10 * SECOND_NS;
    for (int group = 0; group < LW_FEATURE_GROUPS; group++) {
        ret_config->wanted[group] = lw_feature_all((enum lw_feature_group)group);
    }
}

static enum lw_status config_check(const struct lw_feature_config *config, struct lw_error *reterr)
{
    if (config->short_steps < LW_FEATURE_SHORT_MIN || config->short_steps > LW_FEATURE_SHORT_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the short window has %u steps; %d to %d are possible",
                            config->short_steps, LW_FEATURE_SHORT_MIN, LW_FEATURE_SHORT_MAX);
    }
    if (config->long_steps <= config->short_steps || config->long_steps > LW_FEATURE_LONG_MAX) {
        return lw_error_set(
            reterr, LW_EINVAL,
            "the long window has %u steps; %u (the short window and one) to %d are possible",
            config->long_steps, config->short_steps + 1, LW_FEATURE_LONG_MAX);
    }
    if (config->impute_steps > LW_FEATURE_IMPUTE_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the last value is to stand in for %u steps; at most %d are possible",
                            config->impute_steps, LW_FEATURE_IMPUTE_MAX);
    }
    if (config->step_ns < 1 || config->step_ns > LW_FEATURE_STEP_MAX_NS) {
        return lw_error_set(reterr, LW_EINVAL, "a step of %lld ns; 1 ns to one day are possible",
                            (long long)config->step_ns);
    }
    for (int group = 0; group < LW_FEATURE_GROUPS; group++) {
        if ((config->wanted[group] & ~lw_feature_all((enum lw_feature_group)group)) != 0) {
            return lw_error_set(reterr, LW_EINVAL,
                                "the wanted features 0x%llx name one that is not in the table",
                                (unsigned long long)config->wanted[group]);
        }
    }
    return LW_OK;
}

static void layout_sum_wanted(struct lw_feature_layout *layout)
{
    for (int group = 0; group < LW_FEATURE_GROUPS; group++) {
        size_t n;
        const struct lw_feature *table = lw_feature_table((enum lw_feature_group)group, &n);

        for (size_t i = 0; i < n; i++) {
            if ((layout->config.wanted[group] >> i & 1) != 0) {
                layout->n_columns[group]++;
                layout->needs |= table[i].needs;
            }
        }
    }
}

enum lw_status lw_feature_layout_init(struct lw_feature_layout *ret_layout,
                                      const struct lw_feature_config *config,
                                      struct lw_error *reterr)
{
    enum lw_status st = config_check(config, reterr);
    double steps_a_day;
    size_t values_bytes;

    if (st != LW_OK) {
        return st;
    }
    memset(ret_layout, 0, sizeof(*ret_layout));
    ret_layout->config = *config;
    layout_sum_wanted(ret_layout);
    ret_layout->step_s = (double)config->step_ns / (double)SECOND_NS;
    ret_layout->fast_weight = 2.0 / ((double)config->short_steps + 1.0);
    ret_layout->slow_weight = 2.0 / ((double)config->long_steps + 1.0);
    steps_a_day = (double)DAY_NS / (double)config->step_ns;
    ret_layout->hour_memory = fmax(1.0, steps_a_day / FEATURE_HOURS) * HOUR_MEMORY_DAYS;
    ret_layout->day_memory = steps_a_day * DAY_MEMORY_WEEKS;
    values_bytes = (config->long_steps + FEATURE_SLACK) * sizeof(double);
    ret_layout->long_order_at = sizeof(struct lw_feature_state) + values_bytes;
    ret_layout->short_order_at = ret_layout->long_order_at + config->long_steps * sizeof(uint16_t);
    ret_layout->state_bytes = ret_layout->short_order_at + config->short_steps * sizeof(uint16_t);
    ret_layout->state_bytes = (ret_layout->state_bytes + 7) / 8 * 8;
    return LW_OK;
}

const struct lw_feature *lw_feature_column(const struct lw_feature_layout *layout,
                                           enum lw_feature_group group, size_t column)
{
    size_t n;
    const struct lw_feature *table = lw_feature_table(group, &n);

    for (size_t i = 0; i < n; i++) {
        if ((layout->config.wanted[group] >> i & 1) != 0 && column-- == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* ---- The ordered windows ---- */

static double place_value(const void *of, size_t k)
{
    const struct feature_place *place = of;

    return place->values[(uint16_t)(place->order[k] - place->oldest)];
}

struct lw_sorted lw_feature_sorted(const struct lw_feature_layout *layout,
                                   const struct lw_feature_state *state,
                                   enum lw_feature_window window, struct feature_place *ret_place)
{
    struct lw_sorted sorted = {place_value, ret_place,
                               feature_window_length(layout, state, window)};

    ret_place->values = feature_values(state);
    ret_place->order = feature_order(layout, state, window);
    ret_place->oldest = state->oldest;
    return sorted;
}

/* How many of the n ordered values are smaller than `value`; with `or_equal`, also those that are
 * equal. */
static size_t order_rank(const struct feature_place *place, size_t n, double value, bool or_equal)
{
    size_t low = 0;

    /* Halving without a branch on the values, which no predictor could guess. */
    while (n > 0) {
        size_t half = n / 2;
        double there = place_value(place, low + half);
        bool below = or_equal ? there <= value : there < value;

        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* The value of sequence number `sequence` enters; when `leaving` is given, that value (the window's
 * oldest) leaves. */
static void order_turn(uint16_t *order, const struct feature_place *place, size_t n,
                       const double *leaving, double entering, uint16_t sequence)
{
    size_t in = order_rank(place, n, entering, true);
    size_t out;

    if (leaving == NULL) {
        memmove(order + in + 1, order + in, (n - in) * sizeof(*order));
        order[in] = sequence;
        return;
    }
    out = order_rank(place, n, *leaving, false);
    if (in > out) {
        memmove(order + out, order + out + 1, (in - 1 - out) * sizeof(*order));
        order[in - 1] = sequence;
    } else {
        memmove(order + in + 1, order + in, (out - in) * sizeof(*order));
        order[in] = sequence;
    }
}

static void state_turn_order(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                             enum lw_feature_window window, double entering)
{
    size_t length = window == LW_FEATURE_SHORT ? layout->config.short_steps
                                               : layout->config.long_steps;
    uint16_t *order = (uint16_t *)(uintptr_t)feature_order(layout, state, window);
    size_t n = feature_window_length(layout, state, window);
    struct feature_place place = {feature_values(state), order, state->oldest};
    const double *leaving = n == length ? feature_values(state) + state->n_values - length : NULL;

    order_turn(order, &place, n, leaving, entering, (uint16_t)(state->oldest + state->n_values));
}

static void state_append(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                         double value)
{
    state_turn_order(layout, state, LW_FEATURE_LONG, value);
    if ((layout->needs & LW_FEATURE_NEEDS_SHORT_ORDER) != 0) {
        state_turn_order(layout, state, LW_FEATURE_SHORT, value);
    }
    if (state->n_values == layout->config.long_steps) {
        state->start++;
        state->oldest++;
        state->n_values--;
    }
    if (state->start + state->n_values == layout->config.long_steps + FEATURE_SLACK) {
        memmove(state->values, feature_values(state), state->n_values * sizeof(double));
        state->start = 0;
    }
    state->values[state->start + state->n_values] = value;
    state->n_values++;
}

/* ---- What is learnt ---- */

/* What x is above the bin's mean, and then the bin learns it. NaN while the bin is empty. */
static double bin_residual(struct feature_bin *bin, double x, double memory)
{
    double residual = bin->count > 0.0 ? x - bin->mean : NAN;

    bin->count = fmin(bin->count + 1.0, memory);
    bin->mean += (x - bin->mean) / bin->count;
    return residual;
}

static void state_season(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                         int64_t time_ns, double value, bool is_observed)
{
    int64_t local_ns = lw_calendar_local_ns(layout->config.calendar, time_ns);
    int64_t day = lw_floor_divide(local_ns, DAY_NS);
    struct feature_bin *hour = &state->hours[(local_ns - day * DAY_NS) / HOUR_NS];
    bool is_holiday = lw_calendar_is_holiday_local(layout->config.calendar, local_ns);
    struct feature_bin *weekday =
        &state->days[is_holiday ? FEATURE_HOLIDAY : lw_civil_weekday(day)];

    if (!is_observed) {
        state->hour_residual = hour->count > 0.0 ? value - hour->mean : NAN;
        state->day_residual = weekday->count > 0.0 ? state->hour_residual - weekday->mean : NAN;
        return;
    }
    state->hour_residual = bin_residual(hour, value, layout->hour_memory);
    state->day_residual = NAN;
    if (!isnan(state->hour_residual)) {
        state->day_residual = bin_residual(weekday, state->hour_residual, layout->day_memory);
    }
}

/* Was that lag, whose correlation is correlations[1], a peak that counts? `after` is the
 * correlation behind it. */
static void state_judge_peak(struct lw_feature_state *state, size_t lag, double after)
{
    double peak = state->correlations[1];
    double wanted = state->best_lag > 0 ? state->best_correlation + PEAK_MARGIN
                                        : LW_FEATURE_PERIOD_LEAST;

    wanted = fmax(wanted, state->least_correlation + PEAK_RISE);
    if (peak > state->correlations[0] && peak >= after && peak >= wanted) {
        state->best_lag = (uint16_t)lag;
        state->best_correlation = peak;
    }
}

/* Looks at one lag more. Correlations of long lags rest on fewer products and are raised in
 * proportion. */
static void state_search_period(const struct lw_feature_layout *layout,
                                struct lw_feature_state *state)
{
    const double *x = feature_values(state);
    size_t n = state->n_values;
    size_t lag = state->search_lag;
    struct lw_moments moments;
    double correlation = 0.0;

    if (n < layout->config.long_steps) {
        return;
    }
    if (lag < FIRST_LAG || lag > n / 2) {
        state->period = lag < FIRST_LAG ? state->period : state->best_lag;
        state->best_lag = 0;
        state->best_correlation = 0.0;
        state->least_correlation = 1.0;
        state->correlations[0] = 1.0;
        state->correlations[1] = 1.0;
        lag = FIRST_LAG;
    }
    moments = lw_moments_of(x, n);
    if (moments.sum_squares > 0.0) {
        correlation = lw_sum_products(x + lag, moments.mean, x, moments.mean, n - lag) /
                      moments.sum_squares;
        correlation *= (double)n / (double)(n - lag);
    }
    state_judge_peak(state, lag - 1, correlation);
    state->least_correlation = fmin(state->least_correlation, correlation);
    state->correlations[0] = state->correlations[1];
    state->correlations[1] = correlation;
    state->search_lag = (uint16_t)(lag + 1);
}

/* ---- Exported ---- */

void lw_feature_init(const struct lw_feature_layout *layout, struct lw_feature_state *state)
{
    memset(state, 0, layout->state_bytes);
    state->hour_residual = NAN;
    state->day_residual = NAN;
}

static uint32_t count_up(uint32_t count)
{
    return count < UINT32_MAX ? count + 1 : count;
}

static double state_impute(const struct lw_feature_layout *layout,
                           const struct lw_feature_state *state)
{
    struct feature_place place;
    struct lw_sorted sorted;

    if (state->missing_run <= layout->config.impute_steps) {
        return state->last_observed;
    }
    sorted = lw_feature_sorted(layout, state, LW_FEATURE_LONG, &place);
    return lw_quantile(&sorted, 0.5);
}

void lw_feature_observe(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                        int64_t time_ns, double value)
{
    bool is_observed = isfinite(value);
    bool is_first = state->n_values == 0;

    state->missing[1] = state->missing[1] << 1 | state->missing[0] >> 63;
    state->missing[0] = state->missing[0] << 1 | (is_observed ? 0 : 1);
    state->n_seen += state->n_seen < layout->config.short_steps ? 1 : 0;
    state->missing_run = is_observed ? 0 : count_up(state->missing_run);
    if (!is_observed && is_first) {
        return;
    }
    if (is_observed) {
        value = fmax(-LW_FEATURE_VALUE_MAX, fmin(LW_FEATURE_VALUE_MAX, value));
    } else {
        value = state_impute(layout, state);
    }
    state->since_change = count_up(state->since_change);
    if (is_first || (is_observed && value != state->last_observed)) {
        state->since_change = 0;
    }
    if (is_observed) {
        state->last_observed = value;
    }
    state->fast_mean = is_first
                           ? value
                           : state->fast_mean + layout->fast_weight * (value - state->fast_mean);
    state->slow_mean = is_first
                           ? value
                           : state->slow_mean + layout->slow_weight * (value - state->slow_mean);
    state_append(layout, state, value);
    if ((layout->needs & LW_FEATURE_NEEDS_SEASON) != 0) {
        state_season(layout, state, time_ns, value, is_observed);
    }
    if ((layout->needs & LW_FEATURE_NEEDS_PERIOD) != 0) {
        state_search_period(layout, state);
    }
}

uint32_t lw_feature_period_steps(const struct lw_feature_state *state)
{
    return state->period;
}
