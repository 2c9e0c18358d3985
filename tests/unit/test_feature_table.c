/*
 * Every feature against its formula, worked out slowly from the whole history with long doubles and
 * qsort, on real series with holes cut into one of them.
 */
#include "base/civil.h"
#include "feature/calendar.h"
#include "feature/feature.h"
#include "support/series.h"
#include "support/test.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS (INT64_C(300) * 1000000000)
#define STEP_S 300.0L
/* The second metric of the pair is observed from this step on. */
#define PAIR_STARTS 50
#define HOUR_NS (INT64_C(3600) * 1000000000)

/* ---- The slow reference: the whole history, filled by the stated rule ---- */

struct history {
    size_t n; /* Steps since the first observed value. */
    double x[LW_TEST_SERIES_MAX];
    bool is_missing[LW_TEST_SERIES_MAX];
    int64_t times_ns[LW_TEST_SERIES_MAX];
    size_t n_before; /* Steps before it, all missing. */
    size_t short_steps, long_steps, impute_steps;
    const struct lw_calendar *calendar;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double ref_quantile_of(const double *values, size_t n, double p)
{
    double *sorted = malloc(n * sizeof(double));
    long double place = (long double)p * (long double)(n - 1);
    size_t k = (size_t)place;
    long double result;

    memcpy(sorted, values, n * sizeof(double));
    qsort(sorted, n, sizeof(double), compare_doubles);
    result = sorted[k];
    if (k + 1 < n) {
        result += (place - (long double)k) * ((long double)sorted[k + 1] - (long double)sorted[k]);
    }
    free(sorted);
    return (double)result;
}

static size_t ref_length(const struct history *h, bool is_long)
{
    size_t length = is_long ? h->long_steps : h->short_steps;

    return h->n < length ? h->n : length;
}

static void history_add(struct history *h, int64_t time_ns, double value)
{
    bool is_missing = isnan(value);

    if (is_missing && h->n == 0) {
        h->n_before++;
        return;
    }
    if (is_missing) {
        size_t run = 1;

        while (h->is_missing[h->n - run]) {
            run++;
        }
        /* h->x[n - run] is the last observed value. */
        value = h->x[h->n - run];
        if (run > h->impute_steps) {
            size_t n = ref_length(h, true);

            value = ref_quantile_of(h->x + h->n - n, n, 0.5);
        }
    }
    h->x[h->n] = value;
    h->is_missing[h->n] = is_missing;
    h->times_ns[h->n++] = time_ns;
}

static long double ref_mean(const double *w, size_t n)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += w[i];
    }
    return sum / (long double)n;
}

/* Sum of (a - mean a)(b - mean b), the means those of na and nb values from ma and mb on. */
static long double ref_products(const double *a, long double mean_a, const double *b,
                                long double mean_b, size_t n)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (a[i] - mean_a) * (b[i] - mean_b);
    }
    return sum;
}

static long double ref_sd(const double *w, size_t n)
{
    long double mean = ref_mean(w, n);

    return sqrtl(ref_products(w, mean, w, mean, n) / (long double)n);
}

static long double ref_z(const double *w, size_t n)
{
    double median = ref_quantile_of(w, n, 0.5);
    double *far = malloc(n * sizeof(double));
    long double scale;

    for (size_t i = 0; i < n; i++) {
        far[i] = fabs(w[i] - median);
    }
    scale = fmaxl(1.482602218505602L * ref_quantile_of(far, n, 0.5), ref_sd(w, n) / 10);
    free(far);
    return scale > 0 ? (w[n - 1] - median) / scale : 0;
}

static long double ref_slope(const double *w, size_t n)
{
    long double middle = ((long double)n - 1) / 2, mean = ref_mean(w, n), above = 0, below = 0;

    for (size_t i = 0; i < n; i++) {
        above += ((long double)i - middle) * (w[i] - mean);
        below += ((long double)i - middle) * ((long double)i - middle);
    }
    return n < 2 ? NAN : above / below / STEP_S;
}

/* The window features that both windows have. */
static bool ref_window(const struct history *h, const char *name, bool is_long, long double *ret)
{
    size_t n = ref_length(h, is_long);
    const double *w = h->x + h->n - n;

    if (strcmp(name, "mean") == 0) {
        *ret = ref_mean(w, n);
    } else if (strcmp(name, "std") == 0) {
        *ret = ref_sd(w, n);
    } else if (strcmp(name, "min") == 0) {
        *ret = ref_quantile_of(w, n, 0);
    } else if (strcmp(name, "max") == 0) {
        *ret = ref_quantile_of(w, n, 1);
    } else if (strcmp(name, "p5") == 0) {
        *ret = ref_quantile_of(w, n, 0.05);
    } else if (strcmp(name, "p50") == 0) {
        *ret = ref_quantile_of(w, n, 0.5);
    } else if (strcmp(name, "p95") == 0) {
        *ret = ref_quantile_of(w, n, 0.95);
    } else if (strcmp(name, "z") == 0) {
        *ret = ref_z(w, n);
    } else if (strcmp(name, "slope") == 0) {
        *ret = ref_slope(w, n);
    } else {
        return false;
    }
    return true;
}

/* The mean as a weighted sum over the whole history: w (1-w)^k for the value k steps ago, the rest
 * for the first. */
static long double ref_ewma(const struct history *h, size_t steps)
{
    long double weight = 2.0L / ((long double)steps + 1), left = 1, sum = 0;

    for (size_t k = 0; k + 1 < h->n; k++) {
        sum += left * weight * h->x[h->n - 1 - k];
        left *= 1 - weight;
    }
    return sum + left * h->x[0];
}

/* What was above the mean of the earlier observed items of the same bin: items[i] in bin bins[i];
 * the memory is never reached. */
static long double ref_above(const long double *items, const int *bins, const bool *is_missing,
                             size_t i)
{
    long double sum = 0;
    size_t n = 0;

    for (size_t k = 0; k < i; k++) {
        if (bins[k] == bins[i] && !is_missing[k] && !isnan(items[k])) {
            sum += items[k];
            n++;
        }
    }
    return n > 0 ? items[i] - sum / (long double)n : NAN;
}

static long double ref_season(const struct history *h, bool is_day)
{
    static long double x[LW_TEST_SERIES_MAX], above[LW_TEST_SERIES_MAX];
    static int hours[LW_TEST_SERIES_MAX], days[LW_TEST_SERIES_MAX];
    static size_t n_done;
    static const struct history *done_for;

    n_done = done_for == h && n_done <= h->n ? n_done : 0;
    done_for = h;
    for (; n_done < h->n; n_done++) {
        int64_t local_ns = lw_calendar_local_ns(h->calendar, h->times_ns[n_done]);

        x[n_done] = h->x[n_done];
        hours[n_done] = (int)(local_ns / HOUR_NS % 24);
        days[n_done] = lw_calendar_is_holiday(h->calendar, h->times_ns[n_done])
                           ? 7
                           : (int)((local_ns / HOUR_NS / 24 + 4) % 7);
        above[n_done] = ref_above(x, hours, h->is_missing, n_done);
    }
    return is_day ? ref_above(above, days, h->is_missing, h->n - 1) : above[h->n - 1];
}

static long double ref_since_change(const struct history *h)
{
    size_t last = h->n - 1; /* The observed value looked at; is it another than the observed one
                               before? */

    for (;;) {
        size_t before;

        while (last > 0 && h->is_missing[last]) {
            last--;
        }
        before = last;
        do {
            if (before == 0) {
                return (long double)(h->n - 1 - last) * STEP_S;
            }
            before--;
        } while (h->is_missing[before]);
        if (h->x[before] != h->x[last]) {
            return (long double)(h->n - 1 - last) * STEP_S;
        }
        last = before;
    }
}

static long double ref_missing_share(const struct history *h)
{
    size_t all = h->n_before + h->n;
    size_t n = all < h->short_steps ? all : h->short_steps;
    size_t n_missing = 0;

    for (size_t k = 0; k < n; k++) {
        n_missing += k >= h->n || h->is_missing[h->n - 1 - k] ? 1 : 0;
    }
    return (long double)n_missing / (long double)n;
}

static long double ref_roughness(const struct history *h)
{
    size_t n = ref_length(h, false);
    const double *w = h->x + h->n - n;
    long double sd = ref_sd(w, n), sum = 0;

    for (size_t i = 1; i < n; i++) {
        sum += ((long double)w[i] - w[i - 1]) * ((long double)w[i] - w[i - 1]);
    }
    return n < 3 ? NAN : sd > 0 ? sum / (long double)(n - 1) / (sd * sd) : 0;
}

static long double ref_autocorrelation(const struct history *h, size_t period)
{
    size_t n = ref_length(h, true);
    const double *w = h->x + h->n - n;
    long double mean = ref_mean(w, n);

    if (period == 0 || period >= n) {
        return NAN;
    }
    return ref_products(w + period, mean, w, mean, n - period) / ref_products(w, mean, w, mean, n);
}

static long double ref_back(const struct history *h, size_t k)
{
    return k < h->n ? h->x[h->n - 1 - k] : NAN;
}

static long double ref_position(const struct history *h)
{
    long double least, most;

    (void)ref_window(h, "min", true, &least);
    (void)ref_window(h, "max", true, &most);
    return most > least ? (ref_back(h, 0) - least) / (most - least) : 0.5L;
}

/* Some features need more than a line; these do not. */
static bool ref_simple(const struct history *h, const char *name, long double *ret)
{
    if (strcmp(name, "level") == 0) {
        *ret = ref_back(h, 0);
    } else if (strcmp(name, "delta") == 0) {
        *ret = ref_back(h, 0) - ref_back(h, 1);
    } else if (strcmp(name, "rate") == 0) {
        *ret = (ref_back(h, 0) - ref_back(h, 1)) / STEP_S;
    } else if (strcmp(name, "acceleration") == 0) {
        *ret = (ref_back(h, 0) - 2 * ref_back(h, 1) + ref_back(h, 2)) / STEP_S / STEP_S;
    } else if (strcmp(name, "ewma_fast") == 0) {
        *ret = ref_ewma(h, h->short_steps);
    } else if (strcmp(name, "ewma_slow") == 0) {
        *ret = ref_ewma(h, h->long_steps);
    } else if (strcmp(name, "ewma_gap") == 0) {
        *ret = ref_ewma(h, h->short_steps) - ref_ewma(h, h->long_steps);
    } else if (strcmp(name, "missing") == 0) {
        *ret = h->is_missing[h->n - 1] ? 1 : 0;
    } else {
        return false;
    }
    return true;
}

static long double ref_feature(const struct history *h, const char *name, size_t period)
{
    long double result = 0;

    if (ref_simple(h, name, &result)) {
        return result;
    }
    if ((strncmp(name, "short_", 6) == 0 && ref_window(h, name + 6, false, &result)) ||
        (strncmp(name, "long_", 5) == 0 && ref_window(h, name + 5, true, &result))) {
        return result;
    }
    if (strcmp(name, "hour_residual") == 0 || strcmp(name, "day_residual") == 0) {
        return ref_season(h, name[0] == 'd');
    }
    if (strcmp(name, "since_change") == 0) {
        return ref_since_change(h);
    }
    if (strcmp(name, "position") == 0) {
        return ref_position(h);
    }
    if (strcmp(name, "roughness") == 0) {
        return ref_roughness(h);
    }
    if (strcmp(name, "autocorrelation") == 0) {
        return ref_autocorrelation(h, period);
    }
    if (strcmp(name, "missing_share") == 0) {
        return ref_missing_share(h);
    }
    fail_msg("the feature \"%s\" has no reference here", name);
    return 0;
}

/* ---- Comparison ---- */

/* A float's own rounding, and what doubles lose where large values cancel. */
static void expect_close(const char *name, size_t step, float got, long double want,
                         long double size)
{
    long double allowed = 2e-7L * fabsl(want) + 1e-12L * size;

    if (isnan(got) != (isnan(want) != 0) ||
        (!isnan(want) && fabsl((long double)got - want) > allowed)) {
        fail_msg("%s at step %zu: %.9g, expected %.9Lg", name, step, (double)got, want);
    }
}

static struct lw_feature_state *state_create(const struct lw_feature_layout *layout)
{
    struct lw_feature_state *state = malloc(layout->state_bytes);

    assert_non_null(state);
    lw_feature_init(layout, state);
    return state;
}

/* Holes of 1, 2, ... 17 steps, one every 61 steps, and one at the very start. */
static double with_holes(const struct lw_test_series *series, size_t i)
{
    size_t hole = i / 61;

    return i < 3 || i % 61 < hole % 18 ? NAN : series->values[i];
}

static void compare_series(const char *file, bool has_holes)
{
    struct lw_test_series *series = lw_test_series_read(file);
    struct history *h = calloc(1, sizeof(*h));
    struct lw_feature_config config;
    struct lw_feature_layout layout;
    struct lw_feature_state *state;
    struct lw_calendar *calendar = NULL;
    float features[64];
    size_t n_read = 0;

    assert_int_equal(lw_calendar_create("Europe/Berlin", "2014-04-21,2013-10-10", &calendar, NULL),
                     LW_OK);
    lw_feature_config_default(&config);
    config.step_ns = STEP_NS;
    config.calendar = calendar;
    assert_int_equal(lw_feature_layout_init(&layout, &config, NULL), LW_OK);
    state = state_create(&layout);
    h->short_steps = 30;
    h->long_steps = 360;
    h->impute_steps = 5;
    h->calendar = calendar;
    for (size_t i = 0; i < series->n; i++) {
        double value = has_holes ? with_holes(series, i) : series->values[i];

        history_add(h, series->times_ns[i], value);
        lw_feature_observe(&layout, state, series->times_ns[i], value);
        if (h->n == 0 || (i > 400 && i % 11 != 0)) {
            continue;
        }
        lw_feature_read(&layout, state, features);
        for (size_t column = 0; column < layout.n_columns[LW_FEATURE_OF_METRIC]; column++) {
            const char *name = lw_feature_column(&layout, LW_FEATURE_OF_METRIC, column)->name;

            expect_close(name, i, features[column],
                         ref_feature(h, name, lw_feature_period_steps(state)),
                         fabsl(ref_back(h, 0)) + ref_mean(h->x, h->n));
        }
        n_read++;
    }
    assert_in_range(n_read, 400, series->n);
    lw_calendar_destroy(calendar);
    free(state);
    free(h);
    free(series);
}

static void test_feature_table__equals_the_formulas_on_requests(void **state)
{
    (void)state;
    compare_series("nab_elb_request_count_8c0756.csv", false);
}

static void test_feature_table__equals_the_formulas_on_bursts_with_holes(void **state)
{
    (void)state;
    compare_series("nab_iio_network_in.csv", true);
}

static void test_feature_table__equals_the_formulas_on_taxi_rides(void **state)
{
    /* These have a period, so that the autocorrelation is put to the test. */
    (void)state;
    compare_series("nab_nyc_taxi_2000.csv", false);
}

/* ---- Pairs ---- */

static long double ref_lagged(const double *a, const double *b, size_t n, int lag)
{
    long double mean_a = ref_mean(a, n), mean_b = ref_mean(b, n), sum = 0;
    long double norm = sqrtl(ref_products(a, mean_a, a, mean_a, n) *
                             ref_products(b, mean_b, b, mean_b, n));

    for (int i = 0; i < (int)n; i++) {
        if (i - lag >= 0 && i - lag < (int)n) {
            sum += (a[i - lag] - mean_a) * (b[i] - mean_b);
        }
    }
    return norm > 0 ? sum / norm : NAN;
}

/* The first metric is the series, the second the same four steps later with another series mixed
 * in. */
static void test_feature_table__pairs_equal_the_formulas(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_elb_request_count_8c0756.csv");
    struct lw_test_series *noise = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_feature_config config;
    struct lw_feature_layout layout;
    struct lw_feature_state *first, *second;
    static double a[LW_TEST_SERIES_MAX], b[LW_TEST_SERIES_MAX];
    float got[8], swapped[8];

    (void)state;
    lw_feature_config_default(&config);
    config.step_ns = STEP_NS;
    assert_int_equal(lw_feature_layout_init(&layout, &config, NULL), LW_OK);
    assert_int_equal(layout.n_columns[LW_FEATURE_OF_PAIR], 5);
    first = state_create(&layout);
    second = state_create(&layout);
    for (size_t i = 0; i < 1200; i++) {
        size_t n = i < PAIR_STARTS ? 0 : i + 1 - PAIR_STARTS;
        size_t n_short = n < 30 ? n : 30, n_long = n < 360 ? n : 360;
        long double best, c;
        int lead = 0;

        a[i] = series->values[i];
        b[i] = (i >= 4 ? series->values[i - 4] : 0) + 1e-7 * noise->values[i];
        lw_feature_observe(&layout, first, series->times_ns[i], a[i]);
        lw_feature_observe(&layout, second, series->times_ns[i], n > 0 ? b[i] : NAN);
        lw_feature_pair_read(&layout, first, second, got);
        lw_feature_pair_read(&layout, second, first, swapped);
        if (n == 0) {
            assert_true(isnan(got[0]) && isnan(got[1]) && isnan(got[2]) && isnan(got[4]));
            continue;
        }
        expect_close("short_correlation", i, got[0],
                     ref_lagged(a + i + 1 - n_short, b + i + 1 - n_short, n_short, 0), 1);
        best = ref_lagged(a + i + 1 - n_long, b + i + 1 - n_long, n_long, 0);
        expect_close("long_correlation", i, got[1], best, 1);
        expect_close("ratio", i, got[2], b[i] != 0 ? (long double)a[i] / b[i] : NAN, 0);
        for (int lag = -6; lag <= 6; lag++) {
            c = ref_lagged(a + i + 1 - n_long, b + i + 1 - n_long, n_long, lag);
            if (fabsl(c) > fabsl(best) + 1e-12L) {
                best = c;
                lead = lag;
            }
        }
        expect_close("lead", i, got[3], isnan(best) ? NAN : lead * STEP_S, 0);
        expect_close("lead_correlation", i, got[4], best, 1);
        /* Correlation knows no order, and who leads one way lags the other. */
        expect_close("long_correlation, swapped", i, swapped[1], got[1], 1);
        expect_close("lead, swapped", i, swapped[3], -(long double)got[3], 0);
    }
    /* The first moves four steps ahead of the second. */
    assert_true(got[3] == 1200.0f);
    free(first);
    free(second);
    free(noise);
    free(series);
}

/* ---- The table itself ---- */

static void test_feature_table__names_25_and_more_once_each(void **state)
{
    size_t n;
    const struct lw_feature *table = lw_feature_table(LW_FEATURE_OF_METRIC, &n);

    (void)state;
    assert_in_range(n, 25, 64);
    for (int group = 0; group < LW_FEATURE_GROUPS; group++) {
        table = lw_feature_table((enum lw_feature_group)group, &n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(lw_feature_find((enum lw_feature_group)group, table[i].name),
                             UINT64_C(1) << i);
            assert_true(strlen(table[i].unit) > 0 && strlen(table[i].formula) > 0);
        }
    }
    assert_int_equal(lw_feature_find(LW_FEATURE_OF_METRIC, "no_such"), 0);
    assert_int_equal(lw_feature_find(LW_FEATURE_OF_PAIR, "level"), 0);
}

static void test_feature_table__one_wanted_feature_is_the_same_as_among_all(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_feature_config config;
    struct lw_feature_layout all, one;
    struct lw_feature_state *state_all;
    float of_all[64];
    size_t n;
    const struct lw_feature *table = lw_feature_table(LW_FEATURE_OF_METRIC, &n);

    (void)state;
    lw_feature_config_default(&config);
    assert_int_equal(lw_feature_layout_init(&all, &config, NULL), LW_OK);
    state_all = state_create(&all);
    for (size_t i = 0; i < 900; i++) {
        lw_feature_observe(&all, state_all, series->times_ns[i], with_holes(series, i));
    }
    lw_feature_read(&all, state_all, of_all);
    for (size_t feature = 0; feature < n; feature++) {
        struct lw_feature_state *state_one;
        float got[2] = {0, 42};

        config.wanted[LW_FEATURE_OF_METRIC] = UINT64_C(1) << feature;
        assert_int_equal(lw_feature_layout_init(&one, &config, NULL), LW_OK);
        assert_int_equal(one.n_columns[LW_FEATURE_OF_METRIC], 1);
        assert_ptr_equal(lw_feature_column(&one, LW_FEATURE_OF_METRIC, 0), &table[feature]);
        state_one = state_create(&one);
        for (size_t i = 0; i < 900; i++) {
            lw_feature_observe(&one, state_one, series->times_ns[i], with_holes(series, i));
        }
        lw_feature_read(&one, state_one, got);
        if (memcmp(&got[0], &of_all[feature], sizeof(float)) != 0) {
            fail_msg("%s alone: %.9g, among all: %.9g", table[feature].name, (double)got[0],
                     (double)of_all[feature]);
        }
        assert_true(got[1] == 42);
        free(state_one);
    }
    free(state_all);
    free(series);
}

/* ---- docs/features.md ---- */

static void docs_table(FILE *file, enum lw_feature_group group)
{
    static const char *const windows[] = {"", "short", "long"};
    size_t n;
    const struct lw_feature *table = lw_feature_table(group, &n);

    (void)fprintf(file, "| feature | unit | window | formula |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(file, "| `%s` | %s | %s | ", table[i].name, table[i].unit,
                      windows[table[i].window]);
        for (const char *c = table[i].formula; *c != '\0'; c++) {
            (void)fprintf(file, *c == '|' || *c == '*' ? "\\%c" : "%c", *c);
        }
        (void)fprintf(file, " |\n");
    }
}

static void docs_write(FILE *file)
{
    struct lw_feature_config config;

    lw_feature_config_default(&config);
    (void)fprintf(
        file,
        "# Features\n\n"
        "<!-- Made from the table in src/feature/table.c by tests/unit/test_feature_table.c; "
        "change it there and run\n"
        "     that test with LW_REGENERATE=1. -->\n\n"
        "A feature is a named number made of one metric's (or two metrics') last values, once a "
        "step. Only what a model, rule or\n"
        "export reads is worked out.\n\n"
        "`x_t` is the newest value, `t` counts steps, `s` is the step in seconds. `W` is the row's "
        "window, its last `n` values, the\n"
        "newest included: `short` is %u steps unless configured, `long` %u. `q_p(W)` is the "
        "p-quantile, interpolated between\n"
        "neighbours. A feature is NaN (\"cannot tell yet\") until the values its formula needs are "
        "there.\n\n"
        "**Missing values.** NaN and infinite values are missing. A missing step is filled with "
        "the last observed value for up to\n"
        "%u steps in a row, then with the median of the long window. Filled values enter windows "
        "and running means, never the\n"
        "learnt seasons; `missing` and `missing_share` tell. Values beyond 1e30 are cut to it.\n\n"
        "**Learnt period.** Every step one lag of the long window's autocorrelation is looked at, "
        "from 2 steps to half the window. A peak\n"
        "of at least %.1f that rises 0.2 above the lowest point before it counts, and the highest "
        "is the period. Longer seasons are\n"
        "what hour of day and day of week are for.\n\n"
        "## Of one metric\n\n",
        config.short_steps, config.long_steps, config.impute_steps, LW_FEATURE_PERIOD_LEAST);
    docs_table(file, LW_FEATURE_OF_METRIC);
    (void)fprintf(file, "\n## Between two metrics\n\n"
                        "Pairs are named by configuration, such as CPU against memory. `a` is the "
                        "first metric, `b` the second, over the steps\n"
                        "that both windows `A` and `B` cover.\n\n");
    docs_table(file, LW_FEATURE_OF_PAIR);
}

static void test_feature_table__docs_are_made_from_it(void **state)
{
    static const char path[] = LW_TEST_DATA "/../../docs/features.md";
    char *want = NULL, *got = NULL;
    size_t want_bytes = 0, got_bytes;
    FILE *memory = open_memstream(&want, &want_bytes);
    FILE *file;

    (void)state;
    docs_write(memory);
    (void)fclose(memory);
    if (getenv("LW_REGENERATE") != NULL) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(want, 1, want_bytes, file), want_bytes);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    got = calloc(1, want_bytes + 2);
    got_bytes = fread(got, 1, want_bytes + 1, file);
    (void)fclose(file);
    if (got_bytes != want_bytes || memcmp(got, want, want_bytes) != 0) {
        fail_msg("docs/features.md differs from the table: run this test with LW_REGENERATE=1");
    }
    free(got);
    free(want);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feature_table__equals_the_formulas_on_requests),
        cmocka_unit_test(test_feature_table__equals_the_formulas_on_bursts_with_holes),
        cmocka_unit_test(test_feature_table__equals_the_formulas_on_taxi_rides),
        cmocka_unit_test(test_feature_table__pairs_equal_the_formulas),
        cmocka_unit_test(test_feature_table__names_25_and_more_once_each),
        cmocka_unit_test(test_feature_table__one_wanted_feature_is_the_same_as_among_all),
        cmocka_unit_test(test_feature_table__docs_are_made_from_it),
    };

    return LW_TEST_RUN(tests);
}
