/* Aggregates against their definitions, on a real series and on counters whose resets are known. */
#include "stream/aggregate.h"

#include "base/rng.h"
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define ROWS_MAX 5000

static double real_values[ROWS_MAX];
static size_t n_real;

/* The value column of a file of tests/data/series. */
static int real_load(void **state)
{
    FILE *file = fopen(LW_TEST_DATA "/series/nab_elb_request_count_8c0756.csv", "r");
    char line[256];

    (void)state;
    if (file == NULL) {
        return -1;
    }
    while (fgets(line, sizeof(line), file) != NULL && n_real < ROWS_MAX) {
        char *comma = strchr(line, ',');
        char *end;
        double value = comma == NULL ? 0.0 : strtod(comma + 1, &end);

        if (comma != NULL && end != comma + 1) {
            real_values[n_real++] = value;
        }
    }
    (void)fclose(file);
    return n_real > 4000 ? 0 : -1;
}

static double aggregate(enum lw_aggregate kind, const struct lw_window_range *range)
{
    static double scratch[ROWS_MAX];
    struct lw_aggregate_input input = {.kind = kind, .range = *range, .scratch = scratch};

    return lw_aggregate(&input, NULL);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The smallest value of which at least 95 % of the values are not larger: looked for from below. */
static double slow_p95(const double *values, size_t n)
{
    double sorted[ROWS_MAX];

    memcpy(sorted, values, n * sizeof(*values));
    qsort(sorted, n, sizeof(*sorted), compare);
    for (size_t i = 0; i < n; i++) {
        size_t not_larger = 0;

        for (size_t k = 0; k < n; k++) {
            not_larger += sorted[k] <= sorted[i];
        }
        if (100 * not_larger >= 95 * n) {
            return sorted[i];
        }
    }
    return NAN;
}

static void test_aggregate__follows_the_definitions_on_a_real_series(void **state)
{
    struct lw_window_sample memory[64];
    struct lw_window window;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    lw_window_init(&window, memory, 64);
    for (size_t i = 0; i < n_real; i++) {
        struct lw_window_range range;
        double sum = 0.0, least = INFINITY, greatest = -INFINITY, kept[64];
        size_t n = 1 + (size_t)lw_rng_below(&rng, 60);
        int64_t from = (int64_t)i + 1 - (int64_t)n;

        (void)lw_window_evict(&window, (int64_t)i - 61);
        assert_int_equal(lw_window_insert(&window, (int64_t)i, real_values[i]), LW_WINDOW_TAKEN);
        if (from < 0) {
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            double value = real_values[(size_t)from + k];

            kept[k] = value;
            sum += value;
            least = value < least ? value : least;
            greatest = value > greatest ? value : greatest;
        }
        lw_window_range(&window, from, (int64_t)i + 1, &range);
        assert_true(aggregate(LW_AGGREGATE_SUM, &range) == sum);
        assert_true(aggregate(LW_AGGREGATE_MEAN, &range) == sum / (double)n);
        assert_true(aggregate(LW_AGGREGATE_MIN, &range) == least);
        assert_true(aggregate(LW_AGGREGATE_MAX, &range) == greatest);
        assert_true(aggregate(LW_AGGREGATE_LAST, &range) == real_values[i]);
        assert_true(aggregate(LW_AGGREGATE_COUNT, &range) == (double)n);
        assert_true(aggregate(LW_AGGREGATE_P95, &range) == slow_p95(kept, n));
    }
}

static struct lw_window_range range_of(const struct lw_window_sample *samples, size_t n)
{
    struct lw_window_range range = {{samples, NULL}, {n, 0}};

    return range;
}

static void test_aggregate__leaves_nan_out(void **state)
{
    static const struct lw_window_sample samples[] = {{0, NAN}, {1, 4.0}, {2, 2.0}, {3, NAN}};
    struct lw_window_range range = range_of(samples, 4), empty = range_of(samples, 1),
                           none = range_of(samples, 0);

    (void)state;
    assert_true(aggregate(LW_AGGREGATE_MEAN, &range) == 3.0);
    assert_true(aggregate(LW_AGGREGATE_LAST, &range) == 2.0);
    assert_true(aggregate(LW_AGGREGATE_COUNT, &range) == 2.0);
    assert_true(aggregate(LW_AGGREGATE_P95, &range) == 4.0);
    for (int kind = LW_AGGREGATE_LAST; kind <= LW_AGGREGATE_P95; kind++) {
        double of_nan = aggregate((enum lw_aggregate)kind, &empty),
               of_none = aggregate((enum lw_aggregate)kind, &none);

        assert_true(kind == LW_AGGREGATE_COUNT ? of_nan == 0.0 : isnan(of_nan));
        assert_true(kind == LW_AGGREGATE_COUNT ? of_none == 0.0 : isnan(of_none));
    }
}

static void test_aggregate__is_never_infinite(void **state)
{
    static const struct lw_window_sample samples[] = {{0, 1e308}, {1, 1.5e308}};
    struct lw_window_range range = range_of(samples, 2);

    (void)state;
    assert_true(aggregate(LW_AGGREGATE_SUM, &range) == DBL_MAX);
    assert_true(isfinite(aggregate(LW_AGGREGATE_MEAN, &range)));
}

static void test_rate__bridges_resets(void **state)
{
    static const struct lw_window_sample samples[] = {
        {10 * SECOND, 110.0}, {20 * SECOND, 5.0}, {30 * SECOND, NAN}, {40 * SECOND, 25.0}};
    struct lw_counter counter = {100.0, 0, true};
    struct lw_aggregate_input input = {.kind = LW_AGGREGATE_RATE,
                                       .range = range_of(samples, 4),
                                       .counter = &counter,
                                       .fresh_ns = INT64_MIN};
    uint32_t n_resets = 99;

    (void)state;
    assert_true(fabs(lw_aggregate(&input, &n_resets) - (10.0 + 5.0 + 20.0) / 40.0) < 1e-12);
    assert_int_equal(n_resets, 1);
    input.fresh_ns = 30 * SECOND;
    (void)lw_aggregate(&input, &n_resets);
    assert_int_equal(n_resets, 0);
    input.counter = NULL;
    assert_true(fabs(lw_aggregate(&input, &n_resets) - (5.0 + 20.0) / 30.0) < 1e-12);
}

static void test_rate__needs_two_moments(void **state)
{
    static const struct lw_window_sample samples[] = {{10 * SECOND, 1.0}, {10 * SECOND, 2.0}};
    struct lw_counter none = {0.0, 0, false}, there = {0.5, 10 * SECOND - 500000000, true};
    struct lw_aggregate_input input = {
        .kind = LW_AGGREGATE_RATE, .range = range_of(samples, 2), .counter = &none};

    (void)state;
    assert_true(isnan(lw_aggregate(&input, NULL)));
    input.counter = &there;
    assert_true(fabs(lw_aggregate(&input, NULL) - 1.5 / 0.5) < 1e-12);
    input.range = range_of(samples, 0);
    assert_true(isnan(lw_aggregate(&input, NULL)));
}

/* Steps in turn with a passed counter give the same increase as one range over all of them. */
static void test_rate__of_steps_adds_up_to_the_rate_of_all(void **state)
{
    struct lw_window_sample samples[400];
    struct lw_counter counter = {0.0, 0, false};
    struct lw_rng rng;
    double value = 0.0, increase = 0.0;
    struct lw_aggregate_input all = {.kind = LW_AGGREGATE_RATE};
    uint32_t n_resets = 0, n_all = 0;

    (void)state;
    lw_rng_seed(&rng, 17);
    for (int i = 0; i < 400; i++) {
        value = lw_rng_below(&rng, 20) == 0 ? 0.0 : value + (double)lw_rng_below(&rng, 9);
        samples[i] = (struct lw_window_sample){i * SECOND, value};
    }
    for (size_t at = 0; at < 400; at += 8) {
        struct lw_aggregate_input input = {
            .kind = LW_AGGREGATE_RATE, .range = range_of(samples + at, 8), .counter = &counter};
        uint32_t n = 0;
        double rate = lw_aggregate(&input, &n);

        increase += rate * (at == 0 ? 7.0 : 8.0);
        n_resets += n;
        lw_counter_pass(&counter, &input.range);
    }
    all.range = range_of(samples, 400);
    assert_true(fabs(lw_aggregate(&all, &n_all) * 399.0 - increase) < 1e-9);
    assert_int_equal(n_resets, n_all);
    assert_true(n_all > 3);
}

static void test_counter__survives_bytes(void **state)
{
    struct lw_counter counter = {1.25, -77, true}, again;
    struct lw_writer writer;
    struct lw_reader reader;

    (void)state;
    lw_writer_init(&writer);
    lw_counter_save(&counter, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    lw_counter_load(&again, &reader);
    assert_int_equal(reader.status, LW_OK);
    assert_true(again.has && again.last_value == 1.25 && again.last_time_ns == -77);
    lw_writer_fini(&writer);
}

static void test_step_start__is_right_before_1970_too(void **state)
{
    (void)state;
    assert_int_equal(lw_step_start(0, 10), 0);
    assert_int_equal(lw_step_start(9, 10), 0);
    assert_int_equal(lw_step_start(10, 10), 10);
    assert_int_equal(lw_step_start(-1, 10), -10);
    assert_int_equal(lw_step_start(-10, 10), -10);
    assert_int_equal(lw_step_start(-11, 10), -20);
    assert_int_equal(lw_step_start(INT64_MAX, 10), INT64_MAX - 7);
    assert_true(lw_step_start(INT64_MIN, 10) == INT64_MIN);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_aggregate__follows_the_definitions_on_a_real_series, real_load),
        cmocka_unit_test(test_aggregate__leaves_nan_out),
        cmocka_unit_test(test_aggregate__is_never_infinite),
        cmocka_unit_test(test_rate__bridges_resets),
        cmocka_unit_test(test_rate__needs_two_moments),
        cmocka_unit_test(test_rate__of_steps_adds_up_to_the_rate_of_all),
        cmocka_unit_test(test_counter__survives_bytes),
        cmocka_unit_test(test_step_start__is_right_before_1970_too),
    };

    return LW_TEST_RUN(tests);
}
