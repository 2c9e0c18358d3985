/* States of features: saved anywhere they go on with the same bits; odd input gives stated output;
 * nothing drifts. */
#include "base/rng.h"
#include "feature/feature.h"
#include "math/quantile.h"
#include "support/mem_faulty.h"
#include "support/series.h"
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS (INT64_C(300) * 1000000000)

static struct lw_feature_layout layout_make(uint32_t short_steps, uint32_t long_steps)
{
    struct lw_feature_config config;
    struct lw_feature_layout layout;

    lw_feature_config_default(&config);
    config.short_steps = short_steps;
    config.long_steps = long_steps;
    config.step_ns = STEP_NS;
    assert_int_equal(lw_feature_layout_init(&layout, &config, NULL), LW_OK);
    return layout;
}

static struct lw_feature_state *state_create(const struct lw_feature_layout *layout)
{
    struct lw_feature_state *state = malloc(layout->state_bytes);

    assert_non_null(state);
    memset(state, 0xA5, layout->state_bytes);
    lw_feature_init(layout, state);
    return state;
}

static float column(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                    const char *name)
{
    float features[64];

    lw_feature_read(layout, state, features);
    for (size_t i = 0; i < layout->n_columns[LW_FEATURE_OF_METRIC]; i++) {
        if (strcmp(lw_feature_column(layout, LW_FEATURE_OF_METRIC, i)->name, name) == 0) {
            return features[i];
        }
    }
    fail_msg("no feature \"%s\"", name);
    return NAN;
}

static void expect_same_bits(const struct lw_feature_layout *layout,
                             const struct lw_feature_state *a, const struct lw_feature_state *b,
                             size_t step)
{
    float of_a[64], of_b[64];

    lw_feature_read(layout, a, of_a);
    lw_feature_read(layout, b, of_b);
    for (size_t i = 0; i < layout->n_columns[LW_FEATURE_OF_METRIC]; i++) {
        if (memcmp(&of_a[i], &of_b[i], sizeof(float)) != 0) {
            fail_msg("step %zu, %s: %.9g and %.9g", step,
                     lw_feature_column(layout, LW_FEATURE_OF_METRIC, i)->name, (double)of_a[i],
                     (double)of_b[i]);
        }
    }
}

static double with_holes(const struct lw_test_series *series, size_t i)
{
    return i % 61 < i / 61 % 12 ? NAN : series->values[i];
}

static void save(const struct lw_feature_layout *layout, const struct lw_feature_state *state,
                 struct lw_writer *writer)
{
    lw_writer_reset(writer);
    lw_feature_save(layout, state, writer);
    assert_int_equal(writer->status, LW_OK);
}

static enum lw_status load(const struct lw_feature_layout *layout, struct lw_feature_state *state,
                           const uint8_t *bytes, size_t n_bytes)
{
    struct lw_reader reader;

    lw_reader_init(&reader, bytes, n_bytes);
    return lw_feature_load(layout, state, &reader, NULL);
}

static void test_feature__goes_on_with_the_same_bits_after_every_save_and_load(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_feature_layout layout = layout_make(10, 50);
    struct lw_feature_state *whole = state_create(&layout);
    struct lw_feature_state *split = state_create(&layout);
    struct lw_writer of_whole, of_split;

    (void)state;
    lw_writer_init(&of_whole);
    lw_writer_init(&of_split);
    for (size_t i = 0; i < series->n; i++) {
        lw_feature_observe(&layout, whole, series->times_ns[i], with_holes(series, i));
        lw_feature_observe(&layout, split, series->times_ns[i], with_holes(series, i));
        if (i % 3 == 0 || i % 7 == 0) {
            save(&layout, split, &of_split);
            memset(split, 0x5A, layout.state_bytes);
            assert_int_equal(load(&layout, split, of_split.data, of_split.n_bytes), LW_OK);
        }
        expect_same_bits(&layout, whole, split, i);
        save(&layout, whole, &of_whole);
        save(&layout, split, &of_split);
        assert_int_equal(of_whole.n_bytes, of_split.n_bytes);
        assert_memory_equal(of_whole.data, of_split.data, of_whole.n_bytes);
    }
    lw_writer_fini(&of_whole);
    lw_writer_fini(&of_split);
    free(whole);
    free(split);
    free(series);
}

static void test_feature__damaged_bytes_are_refused_or_harmless(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_elb_request_count_8c0756.csv");
    struct lw_feature_layout layout = layout_make(5, 12);
    struct lw_feature_state *feature = state_create(&layout);
    struct lw_writer writer;
    size_t n_refused = 0;

    (void)state;
    lw_writer_init(&writer);
    for (size_t i = 0; i < 40; i++) {
        lw_feature_observe(&layout, feature, series->times_ns[i], series->values[i]);
    }
    save(&layout, feature, &writer);
    for (size_t n = 0; n < writer.n_bytes; n++) {
        uint8_t *cut = malloc(n + 1);

        memcpy(cut, writer.data, n);
        assert_int_equal(load(&layout, feature, cut, n), LW_EFORMAT);
        free(cut);
    }
    for (size_t bit = 0; bit < writer.n_bytes * 8; bit++) {
        float features[64];

        writer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        n_refused += load(&layout, feature, writer.data, writer.n_bytes) != LW_OK ? 1 : 0;
        writer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        for (size_t i = 0; i < 20; i++) {
            lw_feature_observe(&layout, feature, series->times_ns[i],
                               i % 4 == 0 ? NAN : series->values[i]);
            lw_feature_read(&layout, feature, features);
        }
        for (size_t i = 0; i < layout.n_columns[LW_FEATURE_OF_METRIC]; i++) {
            assert_true(isnan(features[i]) || isfinite(features[i]));
        }
    }
    /* The header and the orders leave no bit free. */
    assert_in_range(n_refused, 8 * (2 + 4 + 4 + 8 + 2 * 17), writer.n_bytes * 8);
    lw_writer_fini(&writer);
    free(feature);
    free(series);
}

static void test_feature__other_layouts_and_newer_versions_are_refused(void **state)
{
    struct lw_feature_layout layout = layout_make(5, 12), longer = layout_make(5, 13),
                             shorter = layout_make(4, 12), fewer;
    struct lw_feature_config config = layout.config;
    struct lw_feature_state *feature = state_create(&longer);
    struct lw_writer writer;

    (void)state;
    config.wanted[LW_FEATURE_OF_METRIC] = 1;
    assert_int_equal(lw_feature_layout_init(&fewer, &config, NULL), LW_OK);
    lw_writer_init(&writer);
    lw_feature_init(&layout, feature);
    save(&layout, feature, &writer);
    assert_int_equal(load(&longer, feature, writer.data, writer.n_bytes), LW_EINVAL);
    assert_int_equal(load(&shorter, feature, writer.data, writer.n_bytes), LW_EINVAL);
    assert_int_equal(load(&fewer, feature, writer.data, writer.n_bytes), LW_EINVAL);
    assert_int_equal(load(&layout, feature, writer.data, writer.n_bytes), LW_OK);
    writer.data[0]++;
    assert_int_equal(load(&layout, feature, writer.data, writer.n_bytes), LW_EVERSION);
    lw_writer_fini(&writer);
    free(feature);
}

/* A value of 10^25 went by: were sums carried on, its rounding errors would stay behind. */
static void test_feature__forgets_a_huge_value_to_the_last_bit(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_elb_request_count_8c0756.csv");
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *with = state_create(&layout), *without = state_create(&layout);
    size_t n_compared = 0;
    float a[64], b[64];

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        lw_feature_observe(&layout, with, series->times_ns[i], i == 400 ? 1e25 : series->values[i]);
        lw_feature_observe(&layout, without, series->times_ns[i], series->values[i]);
    }
    lw_feature_read(&layout, with, a);
    lw_feature_read(&layout, without, b);
    for (size_t i = 0; i < layout.n_columns[LW_FEATURE_OF_METRIC]; i++) {
        if (lw_feature_column(&layout, LW_FEATURE_OF_METRIC, i)->window != LW_FEATURE_NO_WINDOW) {
            assert_memory_equal(&a[i], &b[i], sizeof(float));
            n_compared++;
        }
    }
    assert_in_range(n_compared, 20, 64);
    free(with);
    free(without);
    free(series);
}

static void test_feature__nothing_observed_yet_is_nan_but_for_missing(void **state)
{
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *feature = state_create(&layout);
    float got[64], pair[8];

    (void)state;
    for (int step = 0; step < 3; step++) {
        lw_feature_read(&layout, feature, got);
        for (size_t i = 0; i < layout.n_columns[LW_FEATURE_OF_METRIC]; i++) {
            const char *name = lw_feature_column(&layout, LW_FEATURE_OF_METRIC, i)->name;
            bool is_missing = strcmp(name, "missing") == 0;
            bool is_share = strcmp(name, "missing_share") == 0;

            if (is_missing || (is_share && step > 0)) {
                assert_true(got[i] == (step > 0 ? 1.0f : 0.0f));
            } else {
                assert_true(isnan(got[i]));
            }
        }
        lw_feature_pair_read(&layout, feature, feature, pair);
        assert_true(isnan(pair[0]) && isnan(pair[2]) && isnan(pair[3]));
        lw_feature_observe(&layout, feature, step * STEP_NS, step == 1 ? INFINITY : NAN);
    }
    free(feature);
}

static void test_feature__one_value(void **state)
{
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *feature = state_create(&layout);

    (void)state;
    lw_feature_observe(&layout, feature, 0, 7.5);
    assert_true(column(&layout, feature, "level") == 7.5f);
    assert_true(column(&layout, feature, "long_p95") == 7.5f);
    assert_true(column(&layout, feature, "short_std") == 0.0f);
    assert_true(column(&layout, feature, "long_z") == 0.0f);
    assert_true(column(&layout, feature, "position") == 0.5f);
    assert_true(column(&layout, feature, "since_change") == 0.0f);
    assert_true(isnan(column(&layout, feature, "delta")));
    assert_true(isnan(column(&layout, feature, "short_slope")));
    assert_true(isnan(column(&layout, feature, "roughness")));
    assert_true(isnan(column(&layout, feature, "hour_residual")));
    assert_true(isnan(column(&layout, feature, "autocorrelation")));
    free(feature);
}

static void test_feature__constant_has_no_spread_and_a_growing_time_since_change(void **state)
{
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *feature = state_create(&layout), *other = state_create(&layout);
    float pair[8];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        lw_feature_observe(&layout, feature, i * STEP_NS, 0.1);
        lw_feature_observe(&layout, other, i * STEP_NS, 0.3 * (i % 7));
    }
    assert_true(column(&layout, feature, "long_p50") == 0.1f);
    assert_true(column(&layout, feature, "long_std") == 0.0f);
    assert_true(column(&layout, feature, "roughness") == 0.0f);
    assert_true(column(&layout, feature, "position") == 0.5f);
    assert_true(column(&layout, feature, "long_z") == 0.0f);
    assert_true(column(&layout, feature, "short_slope") == 0.0f);
    assert_true(column(&layout, feature, "hour_residual") == 0.0f);
    assert_true(column(&layout, feature, "since_change") == 999.0f * 300.0f);
    assert_int_equal(lw_feature_period_steps(feature), 0);
    /* 0.1 is no binary fraction: a mean with a rounding error would correlate with anything. */
    lw_feature_pair_read(&layout, feature, other, pair);
    assert_true(isnan(pair[0]) && isnan(pair[1]) && isnan(pair[3]) && isnan(pair[4]));
    free(other);
    free(feature);
}

static void test_feature__huge_values_stay_finite(void **state)
{
    static const double huge[] = {1e308, -1e308, DBL_MAX, -DBL_MAX, 5e-324,
                                  0.0,   -0.0,   1e29,    -1e300,   1.0};
    struct lw_feature_layout layout = layout_make(4, 8);
    struct lw_feature_state *feature = state_create(&layout);
    struct lw_feature_state *other = state_create(&layout);
    float got[64];

    (void)state;
    for (int i = 0; i < 2500; i++) {
        lw_feature_observe(&layout, feature, i * STEP_NS, huge[i * 7 % 10]);
        lw_feature_observe(&layout, other, i * STEP_NS, huge[i * 3 % 10]);
        lw_feature_read(&layout, feature, got);
        for (size_t k = 0; i > 2200 && k < layout.n_columns[LW_FEATURE_OF_METRIC]; k++) {
            const char *name = lw_feature_column(&layout, LW_FEATURE_OF_METRIC, k)->name;

            if (!isfinite(got[k]) && strcmp(name, "autocorrelation") != 0) {
                fail_msg("%s is %g", name, (double)got[k]);
            }
        }
        lw_feature_pair_read(&layout, feature, other, got);
        for (size_t k = 0; k < layout.n_columns[LW_FEATURE_OF_PAIR]; k++) {
            assert_true(isnan(got[k]) || isfinite(got[k]));
        }
    }
    assert_true(column(&layout, feature, "long_max") == 1e30f);
    free(feature);
    free(other);
}

static void test_feature__missing_steps_are_filled_by_the_stated_rule(void **state)
{
    struct lw_feature_layout layout = layout_make(4, 20);
    struct lw_feature_state *feature = state_create(&layout);

    (void)state;
    for (int i = 0; i < 11; i++) {
        lw_feature_observe(&layout, feature, i * STEP_NS, i == 10 ? 100.0 : 7.0);
    }
    for (int run = 1; run <= 8; run++) {
        lw_feature_observe(&layout, feature, (10 + run) * STEP_NS, NAN);
        /* Up to five times the last value, then the median. */
        assert_true(column(&layout, feature, "level") == (run <= 5 ? 100.0f : 7.0f));
        assert_true(column(&layout, feature, "missing") == 1.0f);
        assert_true(column(&layout, feature, "missing_share") ==
                    (run < 4 ? (float)run / 4.0f : 1.0f));
        assert_true(column(&layout, feature, "since_change") == (float)run * 300.0f);
    }
    lw_feature_observe(&layout, feature, 19 * STEP_NS, 100.0);
    assert_true(column(&layout, feature, "missing") == 0.0f);
    /* The same observed value as before the hole is no change. */
    assert_true(column(&layout, feature, "since_change") == 9.0f * 300.0f);
    free(feature);
}

static void expect_period(const char *file, uint32_t long_steps, uint32_t period,
                          uint32_t or_period)
{
    struct lw_test_series *series = lw_test_series_read(file);
    struct lw_feature_layout layout = layout_make(30, long_steps);
    struct lw_feature_state *feature = state_create(&layout);
    size_t n_right = 0, n_asked = 0;

    for (size_t i = 0; i < series->n; i++) {
        lw_feature_observe(&layout, feature, series->times_ns[i], series->values[i]);
        if (i > long_steps + long_steps / 2) {
            uint32_t got = lw_feature_period_steps(feature);

            n_right += got == period || got == or_period ? 1 : 0;
            n_asked++;
        }
    }
    print_message("%s: the period in %zu of %zu steps\n", file, n_right, n_asked);
    assert_true(n_asked > 100 && n_right * 10 >= n_asked * 9);
    free(feature);
    free(series);
}

static void test_feature__learns_the_periods_of_taxi_rides(void **state)
{
    (void)state;
    /* A day has 48 half hours, a week 336; half a window of 1,000 holds both. */
    expect_period("nab_nyc_taxi_2000.csv", 360, 48, 48);
    expect_period("nab_nyc_taxi_2000.csv", 1000, 48, 336);
    /* Requests to this load balancer are too noisy for any. */
    expect_period("nab_elb_request_count_8c0756.csv", 1000, 0, 0);
}

static void test_feature__finds_a_short_period_and_none_in_a_ramp(void **state)
{
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *wave = state_create(&layout), *ramp = state_create(&layout);

    (void)state;
    for (int i = 0; i < 1200; i++) {
        lw_feature_observe(&layout, wave, i * STEP_NS,
                           i % 24 < 9 ? 5.0 : 1.0 + 0.01 * (i * 37 % 11));
        lw_feature_observe(&layout, ramp, i * STEP_NS, 0.25 * i);
    }
    assert_int_equal(lw_feature_period_steps(wave), 24);
    assert_true(column(&layout, wave, "autocorrelation") > 0.9f);
    assert_int_equal(lw_feature_period_steps(ramp), 0);
    assert_true(fabsf(column(&layout, ramp, "long_slope") - 0.25f / 300.0f) < 1e-9f);
    free(wave);
    free(ramp);
}

/* Slow noise on a rising line: its autocorrelation falls in ripples, and none of them is a period.
 */
static void test_feature__takes_no_ripple_for_a_period(void **state)
{
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *feature = state_create(&layout);
    struct lw_rng rng;
    double noise = 0.0;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        noise += lw_rng_double(&rng) - 0.5 - 0.1 * noise;
        lw_feature_observe(&layout, feature, i * STEP_NS, 0.02 * i + noise);
        assert_int_equal(lw_feature_period_steps(feature), 0);
    }
    free(feature);
}

/* With a step of one day the hour of day remembers 28 values, and each day of week 8. */
static void test_feature__seasons_forget_in_the_stated_time(void **state)
{
    const int64_t day_ns = INT64_C(86400) * 1000000000;
    struct lw_feature_config config;
    struct lw_feature_layout layout;
    struct lw_feature_state *feature;
    double hour_left = 1.0;

    (void)state;
    lw_feature_config_default(&config);
    config.step_ns = day_ns;
    assert_int_equal(lw_feature_layout_init(&layout, &config, NULL), LW_OK);
    feature = state_create(&layout);
    for (int i = 0; i < 200; i++) {
        lw_feature_observe(&layout, feature, i * day_ns, 0.0);
    }
    /* After a step from 0 to 1 the mean lacks (1 - 1/28)^k. */
    for (int k = 0; k < 100; k++) {
        lw_feature_observe(&layout, feature, (200 + k) * day_ns, 1.0);
        assert_true(fabs((double)column(&layout, feature, "hour_residual") - hour_left) < 1e-6);
        if (k == 7) {
            /* The same day of week a week ago saw the whole 1 and learnt an eighth of it. */
            assert_true(fabs((double)column(&layout, feature, "day_residual") -
                             (hour_left - 1.0 / 8)) < 1e-6);
        }
        hour_left *= 1.0 - 1.0 / 28;
    }
    free(feature);
}

static void test_feature__missing_share_counts_up_to_the_longest_short_window(void **state)
{
    struct lw_feature_layout layout = layout_make(LW_FEATURE_SHORT_MAX, 360);
    struct lw_feature_state *feature = state_create(&layout);

    (void)state;
    lw_feature_observe(&layout, feature, 0, NAN);
    lw_feature_observe(&layout, feature, STEP_NS, 1.0);
    for (int n = 3; n <= 300; n++) {
        /* The one observed step leaves the window as the 130th comes. */
        float all = n < LW_FEATURE_SHORT_MAX ? (float)n : LW_FEATURE_SHORT_MAX;
        float want = n <= LW_FEATURE_SHORT_MAX + 1 ? (all - 1.0f) / all : 1.0f;

        lw_feature_observe(&layout, feature, n * STEP_NS, NAN);
        assert_true(column(&layout, feature, "missing_share") == want);
    }
    free(feature);
}

static void test_feature__allocates_nothing_a_step_and_fits_its_budget(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_feature_layout layout = layout_make(30, 360);
    struct lw_feature_state *feature = state_create(&layout);
    uint64_t calls = lw_test_mem_calls();
    float got[64];

    (void)state;
    for (size_t i = 0; i < series->n; i++) {
        lw_feature_observe(&layout, feature, series->times_ns[i], series->values[i]);
        lw_feature_read(&layout, feature, got);
        lw_feature_pair_read(&layout, feature, feature, got);
    }
    assert_int_equal(lw_test_mem_calls(), calls);
    assert_in_range(layout.state_bytes, 1, 5 * 1024);
    print_message("a metric's state at the defaults: %zu bytes\n", layout.state_bytes);
    free(feature);
    free(series);
}

static void expect_refused(const struct lw_feature_config *config)
{
    struct lw_feature_layout layout;
    struct lw_error err = {0};

    assert_int_equal(lw_feature_layout_init(&layout, config, &err), LW_EINVAL);
    assert_true(strlen(err.message) > 10);
}

static void test_feature__layouts_out_of_bounds_are_refused(void **state)
{
    struct lw_feature_config good, config;

    (void)state;
    lw_feature_config_default(&good);
    config = good;
    config.short_steps = 3;
    expect_refused(&config);
    config.short_steps = 129;
    expect_refused(&config);
    config = good;
    config.long_steps = 30;
    expect_refused(&config);
    config.long_steps = 1025;
    expect_refused(&config);
    config = good;
    config.step_ns = 0;
    expect_refused(&config);
    config.step_ns = LW_FEATURE_STEP_MAX_NS + 1;
    expect_refused(&config);
    config = good;
    config.impute_steps = LW_FEATURE_IMPUTE_MAX + 1;
    expect_refused(&config);
    config = good;
    config.wanted[LW_FEATURE_OF_PAIR] = UINT64_C(1) << 63;
    expect_refused(&config);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feature__goes_on_with_the_same_bits_after_every_save_and_load),
        cmocka_unit_test(test_feature__damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(test_feature__other_layouts_and_newer_versions_are_refused),
        cmocka_unit_test(test_feature__forgets_a_huge_value_to_the_last_bit),
        cmocka_unit_test(test_feature__nothing_observed_yet_is_nan_but_for_missing),
        cmocka_unit_test(test_feature__one_value),
        cmocka_unit_test(test_feature__constant_has_no_spread_and_a_growing_time_since_change),
        cmocka_unit_test(test_feature__huge_values_stay_finite),
        cmocka_unit_test(test_feature__missing_steps_are_filled_by_the_stated_rule),
        cmocka_unit_test(test_feature__learns_the_periods_of_taxi_rides),
        cmocka_unit_test(test_feature__finds_a_short_period_and_none_in_a_ramp),
        cmocka_unit_test(test_feature__takes_no_ripple_for_a_period),
        cmocka_unit_test(test_feature__seasons_forget_in_the_stated_time),
        cmocka_unit_test(test_feature__missing_share_counts_up_to_the_longest_short_window),
        cmocka_unit_test(test_feature__allocates_nothing_a_step_and_fits_its_budget),
        cmocka_unit_test(test_feature__layouts_out_of_bounds_are_refused),
    };

    return LW_TEST_RUN(tests);
}
