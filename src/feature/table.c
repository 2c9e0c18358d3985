/*
 * The table of a metric's features, and how each is read from the state. docs/features.md is made
 * from it.
 *
 * Notation of the formulas: x_t is the newest value, t counts steps, s the step in seconds; W is
 * the window, its last n values (the newest included), q_p(W) its p-quantile with linear
 * interpolation.
 */
#include "feature/feature_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double *view_window(const struct lw_feature_view *view, enum lw_feature_window window,
                                 size_t *ret_n)
{
    *ret_n = feature_window_length(view->layout, view->state, window);
    return feature_values(view->state) + view->state->n_values - *ret_n;
}

static const struct lw_moments *view_moments(struct lw_feature_view *view,
                                             enum lw_feature_window window)
{
    if (!view->has_moments[window]) {
        size_t n;
        const double *x = view_window(view, window, &n);

        view->moments[window] = lw_moments_of(x, n);
        view->has_moments[window] = true;
    }
    return &view->moments[window];
}

/* x_(t-k); NaN before the first value. */
static double view_back(const struct lw_feature_view *view, size_t k)
{
    const struct lw_feature_state *state = view->state;

    return k < state->n_values ? feature_values(state)[state->n_values - 1 - k] : NAN;
}

static double view_quantile(const struct lw_feature_view *view, enum lw_feature_window window,
                            double p)
{
    struct feature_place place;
    struct lw_sorted sorted = lw_feature_sorted(view->layout, view->state, window, &place);

    return lw_quantile(&sorted, p);
}

static double view_sd(struct lw_feature_view *view, enum lw_feature_window window)
{
    size_t n = feature_window_length(view->layout, view->state, window);

    return sqrt(view_moments(view, window)->sum_squares / (double)n);
}

static double read_level(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view_back(view, 0);
}

static double read_delta(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view_back(view, 0) - view_back(view, 1);
}

static double read_rate(struct lw_feature_view *view, enum lw_feature_window window)
{
    return read_delta(view, window) / view->layout->step_s;
}

static double read_acceleration(struct lw_feature_view *view, enum lw_feature_window window)
{
    double s = view->layout->step_s;

    (void)window;
    return ((view_back(view, 0) - view_back(view, 1)) - (view_back(view, 1) - view_back(view, 2))) /
           (s * s);
}

static double read_mean(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_moments(view, window)->mean;
}

static double read_std(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_sd(view, window);
}

static double read_min(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_quantile(view, window, 0.0);
}

static double read_max(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_quantile(view, window, 1.0);
}

static double read_p5(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_quantile(view, window, 0.05);
}

static double read_p50(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_quantile(view, window, 0.5);
}

static double read_p95(struct lw_feature_view *view, enum lw_feature_window window)
{
    return view_quantile(view, window, 0.95);
}

/* A tenth of the standard deviation is the least scale: where more than half the values are equal
 * the deviation's median is 0. */
static double read_z(struct lw_feature_view *view, enum lw_feature_window window)
{
    struct feature_place place;
    struct lw_sorted sorted = lw_feature_sorted(view->layout, view->state, window, &place);
    double median = lw_quantile(&sorted, 0.5);
    double scale = fmax(LW_MAD_TO_SD * lw_median_deviation(&sorted, median),
                        0.1 * view_sd(view, window));

    return scale > 0.0 ? (view_back(view, 0) - median) / scale : 0.0;
}

static double read_ewma_fast(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view->state->fast_mean;
}

static double read_ewma_slow(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view->state->slow_mean;
}

static double read_ewma_gap(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view->state->fast_mean - view->state->slow_mean;
}

static double read_slope(struct lw_feature_view *view, enum lw_feature_window window)
{
    size_t n;
    const double *x = view_window(view, window, &n);

    return n >= 2 ? lw_slope(x, n) / view->layout->step_s : NAN;
}

static double read_hour_residual(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view->state->hour_residual;
}

static double read_day_residual(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return view->state->day_residual;
}

static double read_since_change(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return (double)view->state->since_change * view->layout->step_s;
}

static double read_position(struct lw_feature_view *view, enum lw_feature_window window)
{
    double least = view_quantile(view, window, 0.0);
    double range = view_quantile(view, window, 1.0) - least;

    return range > 0.0 ? (view_back(view, 0) - least) / range : 0.5;
}

static double read_roughness(struct lw_feature_view *view, enum lw_feature_window window)
{
    size_t n;
    const double *x = view_window(view, window, &n);
    double sum_squares = view_moments(view, window)->sum_squares;

    if (n < 3) {
        return NAN;
    }
    return sum_squares > 0.0
               ? lw_sum_squared_steps(x, n) / (double)(n - 1) / (sum_squares / (double)n)
               : 0.0;
}

static double read_autocorrelation(struct lw_feature_view *view, enum lw_feature_window window)
{
    size_t n;
    size_t lag = view->state->period;
    const double *x = view_window(view, window, &n);
    const struct lw_moments *moments = view_moments(view, window);

    if (lag == 0 || lag >= n) {
        return NAN;
    }
    if (!(moments->sum_squares > 0.0)) {
        return 0.0;
    }
    return lw_sum_products(x + lag, moments->mean, x, moments->mean, n - lag) /
           moments->sum_squares;
}

static double read_missing(struct lw_feature_view *view, enum lw_feature_window window)
{
    (void)window;
    return (double)(view->state->missing[0] & 1);
}

static double read_missing_share(struct lw_feature_view *view, enum lw_feature_window window)
{
    uint32_t n = view->state->n_seen;
    uint64_t low = n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
    uint64_t high = n >= 128 ? UINT64_MAX : n > 64 ? (UINT64_C(1) << (n - 64)) - 1 : 0;
    int n_missing = __builtin_popcountll(view->state->missing[0] & low) +
                    __builtin_popcountll(view->state->missing[1] & high);

    (void)window;
    return n > 0 ? (double)n_missing / (double)n : NAN;
}

/* Rows of both windows: their name, unit and formula are the same but for the window. */
#define OVER_WINDOW(prefix, window, order)                                                         \
    {prefix "_mean", "metric", "m(W) = sum of W / n", 0, window, read_mean},                       \
        {prefix "_std", "metric", "sd(W) = sqrt(sum of (x - m(W))^2 / n)", 0, window, read_std},   \
        {prefix "_min", "metric", "smallest of W", order, window, read_min},                       \
        {prefix "_max", "metric", "largest of W", order, window, read_max},                        \
        {prefix "_p5", "metric", "q_0.05(W)", order, window, read_p5},                             \
        {prefix "_p50", "metric", "q_0.5(W), the median", order, window, read_p50},                \
        {prefix "_p95", "metric", "q_0.95(W)", order, window, read_p95},                           \
        {prefix "_z",                                                                              \
         "1",                                                                                      \
         "(x_t - q_0.5(W)) / max(1.4826 median |x - q_0.5(W)|, sd(W) / 10); 0 when W is constant", \
         order,                                                                                    \
         window,                                                                                   \
         read_z},                                                                                  \
    {                                                                                              \
        prefix "_slope", "metric/s", "least-squares slope of W against time; from 2 values on", 0, \
            window, read_slope                                                                     \
    }

static const struct lw_feature METRIC_TABLE[] = {
    {"level", "metric", "x_t", 0, LW_FEATURE_NO_WINDOW, read_level},
    {"delta", "metric", "x_t - x_(t-1)", 0, LW_FEATURE_NO_WINDOW, read_delta},
    {"rate", "metric/s", "(x_t - x_(t-1)) / s", 0, LW_FEATURE_NO_WINDOW, read_rate},
    {"acceleration", "metric/s^2", "(x_t - 2 x_(t-1) + x_(t-2)) / s^2", 0, LW_FEATURE_NO_WINDOW,
     read_acceleration},
    OVER_WINDOW("short", LW_FEATURE_SHORT, LW_FEATURE_NEEDS_SHORT_ORDER),
    OVER_WINDOW("long", LW_FEATURE_LONG, 0),
    {"ewma_fast", "metric", "f_t = f_(t-1) + a (x_t - f_(t-1)), a = 2 / (short + 1), f_0 = x_0", 0,
     LW_FEATURE_NO_WINDOW, read_ewma_fast},
    {"ewma_slow", "metric", "g_t = g_(t-1) + b (x_t - g_(t-1)), b = 2 / (long + 1), g_0 = x_0", 0,
     LW_FEATURE_NO_WINDOW, read_ewma_slow},
    {"ewma_gap", "metric", "f_t - g_t, the moving-average trend", 0, LW_FEATURE_NO_WINDOW,
     read_ewma_gap},
    {"hour_residual", "metric",
     "h_t = x_t - mean of what was observed before in this local hour of day (memory 28 days)",
     LW_FEATURE_NEEDS_SEASON, LW_FEATURE_NO_WINDOW, read_hour_residual},
    {"day_residual", "metric",
     "h_t - mean of what h was before on this local day of week, holidays being an eighth (memory "
     "8 weeks)",
     LW_FEATURE_NEEDS_SEASON, LW_FEATURE_NO_WINDOW, read_day_residual},
    {"since_change", "s", "time since an observed value differed from the observed one before", 0,
     LW_FEATURE_NO_WINDOW, read_since_change},
    {"position", "1", "(x_t - smallest of W) / (largest - smallest of W); 0.5 when W is constant",
     0, LW_FEATURE_LONG, read_position},
    {"roughness", "1",
     "(sum of (x_i - x_(i-1))^2 / (n - 1)) / sd(W)^2, von Neumann's ratio: 2 for noise, near 0 "
     "when smooth; from 3 values on; 0 when "
     "W is constant",
     0, LW_FEATURE_SHORT, read_roughness},
    {"autocorrelation", "1",
     "sum of (x_i - m(W)) (x_(i-p) - m(W)) / sum of (x_i - m(W))^2, p the learnt period; NaN while "
     "none is known; 0 when W is constant",
     LW_FEATURE_NEEDS_PERIOD, LW_FEATURE_LONG, read_autocorrelation},
    {"missing", "1", "1 when this step's value was missing, else 0", 0, LW_FEATURE_NO_WINDOW,
     read_missing},
    {"missing_share", "1", "missing steps among the last `short`, as a share", 0,
     LW_FEATURE_NO_WINDOW, read_missing_share},
};

_Static_assert(sizeof(METRIC_TABLE) / sizeof(METRIC_TABLE[0]) <= 64, "a mask has 64 bits");

/* ---- Exported ---- */

const struct lw_feature *lw_feature_table(enum lw_feature_group group, size_t *ret_n)
{
    if (group == LW_FEATURE_OF_PAIR) {
        *ret_n = lw_feature_pair_table_length;
        return lw_feature_pair_table;
    }
    *ret_n = sizeof(METRIC_TABLE) / sizeof(METRIC_TABLE[0]);
    return METRIC_TABLE;
}

uint64_t lw_feature_find(enum lw_feature_group group, const char *name)
{
    size_t n;
    const struct lw_feature *table = lw_feature_table(group, &n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return UINT64_C(1) << i;
        }
    }
    return 0;
}

uint64_t lw_feature_all(enum lw_feature_group group)
{
    size_t n;

    (void)lw_feature_table(group, &n);
    return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* Everything but NaN fits a finite float. */
static float to_float(double value)
{
    if (isnan(value)) {
        return NAN; /* One NaN, whatever sign the CPU's arithmetic gave it. */
    }
    if (value > (double)FLT_MAX) {
        return FLT_MAX;
    }
    if (value < -(double)FLT_MAX) {
        return -FLT_MAX;
    }
    return (float)value;
}

static void view_read(struct lw_feature_view *view, enum lw_feature_group group, bool has_window,
                      float *ret_features)
{
    size_t n;
    const struct lw_feature *table = lw_feature_table(group, &n);

    for (uint64_t left = view->layout->config.wanted[group]; left != 0; left &= left - 1) {
        const struct lw_feature *feature = &table[__builtin_ctzll(left)];
        bool can_tell = has_window || feature->read == read_missing ||
                        feature->read == read_missing_share;

        *ret_features++ = can_tell ? to_float(feature->read(view, feature->window)) : NAN;
    }
}

void lw_feature_read(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                     float *ret_features)
{
    struct lw_feature_view view = {.layout = layout, .state = state};

    view_read(&view, LW_FEATURE_OF_METRIC, state->n_values > 0, ret_features);
}

void lw_feature_pair_read(const struct lw_feature_layout *layout,
                          const struct lw_feature_state *first,
                          const struct lw_feature_state *second, float *ret_features)
{
    struct lw_feature_view view = {.layout = layout, .state = first, .other = second};

    view_read(&view, LW_FEATURE_OF_PAIR, first->n_values > 0 && second->n_values > 0, ret_features);
}
