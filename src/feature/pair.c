/*
 * Features between two metrics of an entity. Both have been given the same steps, so their windows
 * end together and need no state of their own. A pair is over the steps that both windows cover.
 */
#include "feature/feature_internal.h"

#include <math.h>

/* The last n values of both metrics, n of the shorter window. */
struct pair_window {
    const double *a, *b;
    size_t n;
    struct lw_moments a_moments, b_moments;
    double norm; /* Root of the product of both sums of squares; 0 when one is constant. */
};

static void pair_window_take(const struct lw_feature_view *view, enum lw_feature_window window,
                             struct pair_window *ret)
{
    size_t n_a = feature_window_length(view->layout, view->state, window);
    size_t n_b = feature_window_length(view->layout, view->other, window);

    ret->n = n_a < n_b ? n_a : n_b;
    ret->a = feature_values(view->state) + view->state->n_values - ret->n;
    ret->b = feature_values(view->other) + view->other->n_values - ret->n;
    ret->a_moments = lw_moments_of(ret->a, ret->n);
    ret->b_moments = lw_moments_of(ret->b, ret->n);
    ret->norm = sqrt(ret->a_moments.sum_squares) * sqrt(ret->b_moments.sum_squares);
}

/* Correlation of a_(t-lag) with b_t. */
static double pair_correlation(const struct pair_window *pair, int lag)
{
    size_t shift = (size_t)(lag < 0 ? -lag : lag);
    const double *a = pair->a + (lag < 0 ? shift : 0);
    const double *b = pair->b + (lag > 0 ? shift : 0);
    double sum;

    if (shift >= pair->n) {
        return 0.0;
    }
    sum = lw_sum_products(a, pair->a_moments.mean, b, pair->b_moments.mean, pair->n - shift);
    return fmax(-1.0, fmin(1.0, sum / pair->norm));
}

static double read_correlation(struct lw_feature_view *view, enum lw_feature_window window)
{
    struct pair_window pair;

    pair_window_take(view, window, &pair);
    return pair.norm > 0.0 ? pair_correlation(&pair, 0) : NAN;
}

static double read_ratio(struct lw_feature_view *view, enum lw_feature_window window)
{
    double a = feature_values(view->state)[view->state->n_values - 1];
    double b = feature_values(view->other)[view->other->n_values - 1];

    (void)window;
    return b != 0.0 ? a / b : NAN;
}

/* From lag 0 outwards, so that of equal correlations the nearest wins. */
static void view_find_lag(struct lw_feature_view *view, enum lw_feature_window window)
{
    struct pair_window pair;

    if (view->has_lag) {
        return;
    }
    view->has_lag = true;
    view->lag = 0;
    view->lag_correlation = NAN;
    pair_window_take(view, window, &pair);
    if (!(pair.norm > 0.0)) {
        return;
    }
    view->lag_correlation = pair_correlation(&pair, 0);
    for (int size = 1; size <= LW_FEATURE_LAG_MAX; size++) {
        for (int sign = 1; sign >= -1; sign -= 2) {
            double correlation = pair_correlation(&pair, sign * size);

            if (fabs(correlation) > fabs(view->lag_correlation)) {
                view->lag = sign * size;
                view->lag_correlation = correlation;
            }
        }
    }
}

static double read_lead(struct lw_feature_view *view, enum lw_feature_window window)
{
    view_find_lag(view, window);
    return isnan(view->lag_correlation) ? NAN : (double)view->lag * view->layout->step_s;
}

static double read_lead_correlation(struct lw_feature_view *view, enum lw_feature_window window)
{
    view_find_lag(view, window);
    return view->lag_correlation;
}

const struct lw_feature lw_feature_pair_table[] = {
    {"short_correlation", "1",
     "sum of (a - m(A)) (b - m(B)) / sqrt(sum of (a - m(A))^2 sum of (b - m(B))^2); NaN when one "
     "is constant",
     0, LW_FEATURE_SHORT, read_correlation},
    {"long_correlation", "1",
     "sum of (a - m(A)) (b - m(B)) / sqrt(sum of (a - m(A))^2 sum of (b - m(B))^2); NaN when one "
     "is constant",
     0, LW_FEATURE_LONG, read_correlation},
    {"ratio", "first/second", "a_t / b_t; NaN when b_t is 0", 0, LW_FEATURE_NO_WINDOW, read_ratio},
    {"lead", "s",
     "s L, L the lag in -6..6 at which |c_L| is largest; above 0 the first metric moves first", 0,
     LW_FEATURE_LONG, read_lead},
    {"lead_correlation", "1",
     "c_L, c_k = sum of (a_(i-k) - m(A)) (b_i - m(B)) / sqrt(sum of (a - m(A))^2 sum of (b - "
     "m(B))^2); NaN when one is constant",
     0, LW_FEATURE_LONG, read_lead_correlation},
};

const size_t lw_feature_pair_table_length = sizeof(lw_feature_pair_table) /
                                            sizeof(lw_feature_pair_table[0]);
