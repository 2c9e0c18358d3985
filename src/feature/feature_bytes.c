/*
 * A metric's feature state as bytes: version 1.
 *
 *     u16 version, u32 short_steps, u32 long_steps, u64 wanted features: the layout it belongs to
 *     u32 n_values, n_seen, missing_run, since_change; u16 period, search_lag, best_lag; u64
 * missing[2] f64 last_observed, fast_mean, slow_mean, hour_residual, day_residual,
 * best_correlation, least_correlation, correlations[2] f64 mean, count of 24 hours and 8 days f64
 * values[n_values], u16 place in the window of the long order[n_values], of the short order
 *
 * Where the window lies in memory and how far sequence numbers have run leaves no trace: equal
 * histories give equal bytes.
 */
#include "feature/feature_internal.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

#define FORMAT_VERSION 1

static size_t state_short_length(const struct lw_feature_layout *layout,
                                 const struct lw_feature_state *state)
{
    bool is_kept = (layout->needs & LW_FEATURE_NEEDS_SHORT_ORDER) != 0;

    return is_kept ? feature_window_length(layout, state, LW_FEATURE_SHORT) : 0;
}

static void order_save(const struct lw_feature_state *state, const uint16_t *order, size_t n,
                       struct lw_writer *writer)
{
    for (size_t i = 0; i < n; i++) {
        lw_write_u16(writer, (uint16_t)(order[i] - state->oldest));
    }
}

/* Accepts only the one order that the values allow: ascending, equal values oldest first, every
 * place of the window once. */
static bool order_load(struct lw_feature_state *state, uint16_t *order, size_t n,
                       struct lw_reader *reader)
{
    const double *x = feature_values(state);

    for (size_t i = 0; i < n; i++) {
        order[i] = lw_read_u16(reader);
        if (order[i] >= state->n_values || order[i] < state->n_values - n) {
            return false;
        }
        if (i > 0 && !(x[order[i - 1]] < x[order[i]] ||
                       (x[order[i - 1]] == x[order[i]] && order[i - 1] < order[i]))) {
            return false;
        }
    }
    return reader->status == LW_OK;
}

void lw_feature_save(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                     struct lw_writer *writer)
{
    lw_write_u16(writer, FORMAT_VERSION);
    lw_write_u32(writer, layout->config.short_steps);
    lw_write_u32(writer, layout->config.long_steps);
    lw_write_u64(writer, layout->config.wanted[LW_FEATURE_OF_METRIC]);
    lw_write_u32(writer, state->n_values);
    lw_write_u32(writer, state->n_seen);
    lw_write_u32(writer, state->missing_run);
    lw_write_u32(writer, state->since_change);
    lw_write_u16(writer, state->period);
    lw_write_u16(writer, state->search_lag);
    lw_write_u16(writer, state->best_lag);
    lw_write_u64(writer, state->missing[0]);
    lw_write_u64(writer, state->missing[1]);
    lw_write_f64(writer, state->last_observed);
    lw_write_f64(writer, state->fast_mean);
    lw_write_f64(writer, state->slow_mean);
    lw_write_f64(writer, state->hour_residual);
    lw_write_f64(writer, state->day_residual);
    lw_write_f64(writer, state->best_correlation);
    lw_write_f64(writer, state->least_correlation);
    lw_write_f64s(writer, state->correlations, 2);
    for (size_t i = 0; i < FEATURE_HOURS; i++) {
        lw_write_f64(writer, state->hours[i].mean);
        lw_write_f64(writer, state->hours[i].count);
    }
    for (size_t i = 0; i < FEATURE_DAYS; i++) {
        lw_write_f64(writer, state->days[i].mean);
        lw_write_f64(writer, state->days[i].count);
    }
    lw_write_f64s(writer, feature_values(state), state->n_values);
    order_save(state, feature_order(layout, state, LW_FEATURE_LONG), state->n_values, writer);
    order_save(state, feature_order(layout, state, LW_FEATURE_SHORT),
               state_short_length(layout, state), writer);
}

static enum lw_status header_load(const struct lw_feature_layout *layout, struct lw_reader *reader,
                                  struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    uint32_t short_steps = lw_read_u32(reader);
    uint32_t long_steps = lw_read_u32(reader);
    uint64_t wanted = lw_read_u64(reader);

    if (reader->status != LW_OK || version == 0) {
        return lw_error_set(reterr, LW_EFORMAT, "a feature state without its header");
    }
    if (version > FORMAT_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "a feature state of version %u; up to %d can be read", version,
                            FORMAT_VERSION);
    }
    if (short_steps != layout->config.short_steps || long_steps != layout->config.long_steps ||
        wanted != layout->config.wanted[LW_FEATURE_OF_METRIC]) {
        return lw_error_set(
            reterr, LW_EINVAL,
            "a feature state of windows %u and %u, features 0x%llx; expected %u, %u, 0x%llx",
            short_steps, long_steps, (unsigned long long)wanted, layout->config.short_steps,
            layout->config.long_steps,
            (unsigned long long)layout->config.wanted[LW_FEATURE_OF_METRIC]);
    }
    return LW_OK;
}

static bool is_value(double x)
{
    return fabs(x) <= LW_FEATURE_VALUE_MAX;
}

static void bins_load(struct feature_bin *bins, size_t n, struct lw_reader *reader)
{
    for (size_t i = 0; i < n; i++) {
        bins[i].mean = lw_read_f64(reader);
        bins[i].count = lw_read_f64(reader);
    }
}

/* A residual is a difference of two values, its residual one of four. */
static bool bins_are_good(const struct feature_bin *bins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(bins[i].mean) <= 2.0 * LW_FEATURE_VALUE_MAX && bins[i].count >= 0.0 &&
              bins[i].count < 1e18)) {
            return false;
        }
    }
    return true;
}

static bool fields_load(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                        struct lw_reader *reader)
{
    bool good;

    state->n_values = lw_read_u32(reader);
    state->n_seen = lw_read_u32(reader);
    state->missing_run = lw_read_u32(reader);
    state->since_change = lw_read_u32(reader);
    state->period = lw_read_u16(reader);
    state->search_lag = lw_read_u16(reader);
    state->best_lag = lw_read_u16(reader);
    state->missing[0] = lw_read_u64(reader);
    state->missing[1] = lw_read_u64(reader);
    state->last_observed = lw_read_f64(reader);
    state->fast_mean = lw_read_f64(reader);
    state->slow_mean = lw_read_f64(reader);
    state->hour_residual = lw_read_f64(reader);
    state->day_residual = lw_read_f64(reader);
    state->best_correlation = lw_read_f64(reader);
    state->least_correlation = lw_read_f64(reader);
    lw_read_f64s(reader, state->correlations, 2);
    bins_load(state->hours, FEATURE_HOURS, reader);
    bins_load(state->days, FEATURE_DAYS, reader);
    good = reader->status == LW_OK && state->n_values <= layout->config.long_steps &&
           state->n_seen <= layout->config.short_steps &&
           state->period <= layout->config.long_steps / 2 &&
           state->best_lag <= layout->config.long_steps / 2 &&
           state->search_lag <= layout->config.long_steps / 2 + 1;
    good = good && is_value(state->last_observed) && is_value(state->fast_mean) &&
           is_value(state->slow_mean) && !isinf(state->hour_residual) &&
           !isinf(state->day_residual) && isfinite(state->best_correlation) &&
           isfinite(state->least_correlation) && isfinite(state->correlations[0]) &&
           isfinite(state->correlations[1]);
    return good && bins_are_good(state->hours, FEATURE_HOURS) &&
           bins_are_good(state->days, FEATURE_DAYS);
}

static bool windows_load(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                         struct lw_reader *reader)
{
    uint16_t *long_order = (uint16_t *)(uintptr_t)feature_order(layout, state, LW_FEATURE_LONG);
    uint16_t *short_order = (uint16_t *)(uintptr_t)feature_order(layout, state, LW_FEATURE_SHORT);

    lw_read_f64s(reader, state->values, state->n_values);
    for (size_t i = 0; i < state->n_values; i++) {
        if (!is_value(state->values[i])) {
            return false;
        }
    }
    return order_load(state, long_order, state->n_values, reader) &&
           order_load(state, short_order, state_short_length(layout, state), reader);
}

enum lw_status lw_feature_load(const struct lw_feature_layout *layout,
                               struct lw_feature_state *state, struct lw_reader *reader,
                               struct lw_error *reterr)
{
    enum lw_status st;

    lw_feature_init(layout, state);
    st = header_load(layout, reader, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (!fields_load(layout, state, reader) || !windows_load(layout, state, reader)) {
        lw_feature_init(layout, state);
        return lw_error_set(reterr, LW_EFORMAT,
                            "a feature state whose fields or windows are damaged");
    }
    return LW_OK;
}
