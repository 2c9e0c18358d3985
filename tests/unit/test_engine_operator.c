/* What becomes of samples: steps, aggregates, look-backs, late and repeated ones, gaps, counters,
 * faults. */
#include "support/operator.h"
#include "support/series.h"

#include <math.h>
#include <stdlib.h>

#define S INT64_C(1000000000)

static struct lw_test_operator *op;

static int open_nothing(void **state)
{
    (void)state;
    op = calloc(1, sizeof(*op));
    return op == NULL;
}

static int close_all(void **state)
{
    (void)state;
    lw_test_operator_close(op);
    free(op);
    return 0;
}

static void test_operator__makes_one_value_of_a_step(void **state)
{
    static const struct {
        const char *aggregate;
        double expected;
    } cases[] = {{"last", 2}, {"mean", 5},  {"sum", 15}, {"min", 2},
                 {"max", 9},  {"count", 3}, {"p95", 9}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *options[] = {"step", "10s", "metric * aggregate", cases[i].aggregate, NULL};

        lw_test_operator_open(op, options, 1);
        lw_test_observe(op, 0, 101, 4);
        lw_test_observe(op, 0, 102, 9);
        lw_test_observe(op, 0, 109, 2);
        lw_test_advance(op, 109);
        assert_int_equal(op->n_verdicts, 0); /* The step is not over. */
        lw_test_advance(op, 110);
        assert_int_equal(op->n_verdicts, 1);
        assert_int_equal(op->verdicts[0].time_ns, 100 * S);
        assert_float_equal(op->verdicts[0].value, cases[i].expected, 1e-6);
        if (i + 1 < sizeof(cases) / sizeof(cases[0])) {
            lw_test_operator_close(op);
        }
    }
}

static void test_operator__averages_over_five_minutes_with_two_lines(void **state)
{
    const char *options[] = {
        "step", "10s", "max_samples", "512", "metric a aggregate", "mean", "metric a window",
        "5m",   NULL};
    struct lw_test_series *series = lw_test_series_read("nab_ec2_cpu_c6585a_2000.csv");

    (void)state;
    lw_test_operator_open(op, options, 1);
    for (int64_t i = 0; i < 900; i++) {
        lw_test_observe(op, 0, i, series->values[i]); /* Once a second. */
        lw_test_advance(op, i);
    }
    lw_test_advance(op, 900);
    assert_int_equal(op->n_verdicts, 90);
    for (int64_t step = 0; step < 90; step++) {
        int64_t end = (step + 1) * 10, from = end > 300 ? end - 300 : 0;
        double sum = 0;

        for (int64_t i = from; i < end; i++) {
            sum += series->values[i];
        }
        assert_int_equal(op->verdicts[step].time_ns, step * 10 * S);
        assert_float_equal(op->verdicts[step].value, (float)(sum / (double)(end - from)), 1e-4f);
    }
    free(series);
}

static void test_operator__counts_the_increase_of_a_counter_through_its_reset(void **state)
{
    const char *options[] = {"step", "10s", "metric a aggregate", "rate", NULL};
    struct lw_entity_counts counts;

    (void)state;
    lw_test_operator_open(op, options, 1);
    lw_test_observe(op, 0, 0, 1000);
    lw_test_observe(op, 0, 5, 1050);
    lw_test_observe(op, 0, 15, 1150);
    lw_test_observe(op, 0, 25, 30); /* Began again at 0. */
    lw_test_observe(op, 0, 35, 80);
    lw_test_advance(op, 40);
    assert_int_equal(op->n_verdicts, 4);
    assert_float_equal(op->verdicts[0].value, 10, 1e-5);
    assert_float_equal(op->verdicts[1].value, 10, 1e-5);
    assert_float_equal(op->verdicts[2].value, 3, 1e-5);
    assert_float_equal(op->verdicts[3].value, 5, 1e-5);
    lw_entity_counts(op->entity, &counts);
    assert_int_equal(counts.resets, 1);
}

static void test_operator__drops_and_counts_what_comes_too_late(void **state)
{
    const char *options[] = {"step", "10s", "lateness", "20s", NULL};
    struct lw_entity_counts counts;

    (void)state;
    lw_test_operator_open(op, options, 1);
    lw_test_observe(op, 0, 105, 1);
    lw_test_advance(op, 129);
    assert_int_equal(op->n_verdicts, 0);
    lw_test_observe(op, 0, 101, 3); /* Behind the watermark, within the lateness. */
    lw_test_advance(op, 130);
    assert_int_equal(op->n_verdicts, 1);
    assert_float_equal(op->verdicts[0].value, 2, 1e-6);
    lw_test_observe(op, 0, 109, 7);
    lw_entity_counts(op->entity, &counts);
    assert_int_equal(counts.late, 1);
    assert_int_equal(counts.samples, 2);
}

static void test_operator__takes_a_repeated_sample_once(void **state)
{
    const char *options[] = {"step", "10s", "metric a aggregate", "sum", NULL};
    struct lw_entity_counts counts;

    (void)state;
    lw_test_operator_open(op, options, 1);
    lw_test_observe(op, 0, 101, 4);
    lw_test_observe(op, 0, 101, 4);
    lw_test_observe(op, 0, 101, 5); /* The same moment, another value: both stand. */
    lw_test_advance(op, 110);
    assert_float_equal(op->verdicts[0].value, 9, 1e-6);
    lw_entity_counts(op->entity, &counts);
    assert_int_equal(counts.duplicates, 1);
}

static void test_operator__refuses_infinity_and_keeps_nan_as_missing(void **state)
{
    const char *options[] = {"step", "10s", NULL};
    struct lw_entity_counts counts;

    (void)state;
    lw_test_operator_open(op, options, 1);
    lw_test_observe(op, 0, 101, INFINITY);
    lw_test_observe(op, 0, 102, -INFINITY);
    lw_test_observe(op, 0, 103, NAN);
    lw_test_advance(op, 110);
    assert_int_equal(op->n_verdicts, 1);
    assert_true(isnan(op->verdicts[0].value));
    lw_entity_counts(op->entity, &counts);
    assert_int_equal(counts.not_finite, 2);
    assert_int_equal(counts.samples, 1);
}

static void test_operator__bounds_the_samples_of_open_steps(void **state)
{
    const char *options[] = {"step", "10s", "max_samples", "4", NULL};
    struct lw_entity_counts counts;

    (void)state;
    lw_test_operator_open(op, options, 1);
    for (int64_t i = 0; i < 6; i++) {
        lw_test_observe(op, 0, 100 + i, (double)i);
    }
    lw_test_advance(op, 110);
    lw_entity_counts(op->entity, &counts);
    assert_int_equal(counts.overflow, 2);
    assert_float_equal(op->verdicts[0].value, 1.5, 1e-6);
}

static void test_operator__passes_over_a_gap_at_once(void **state)
{
    const char *options[] = {"step", "10s", "metric * faults", "no", NULL};

    (void)state;
    lw_test_operator_open(op, options, 2);
    lw_test_observe(op, 0, 5, 1);
    lw_test_observe(op, 1, 5, 1);
    lw_test_observe(op, 0, INT64_C(1000000005), 2); /* Thirty years on. */
    lw_test_advance(op, INT64_C(1000000010));
    assert_int_equal(op->n_verdicts, 3); /* The second series had nothing to say there. */
    assert_int_equal(op->verdicts[2].time_ns, INT64_C(1000000000) * S);
}

static void test_operator__scores_metrics_of_different_rates_in_their_own_steps(void **state)
{
    const char *options[] = {"step", "10s", "metric b aggregate", "last", NULL};
    size_t n[2] = {0, 0};

    (void)state;
    lw_test_operator_open(op, options, 2);
    for (int64_t i = 0; i < 600; i++) {
        lw_test_observe(op, 0, i, (double)(i % 7));
        if (i % 60 == 0) {
            lw_test_observe(op, 1, i, (double)i);
        }
        lw_test_advance(op, i);
    }
    lw_test_advance(op, 600);
    for (size_t i = 0; i < op->n_verdicts; i++) {
        if (op->verdicts[i].series != LW_SERIES_NONE) {
            n[op->verdicts[i].series]++;
        }
    }
    assert_int_equal(n[0], 60);
    assert_int_equal(n[1], 10);
}

static void test_operator__tells_a_silent_series_at_the_moment_it_should_have_spoken(void **state)
{
    const char *options[] = {"step", "10s", "silent_after", "2m", NULL};
    const struct lw_verdict *silent = NULL;

    (void)state;
    lw_test_operator_open(op, options, 1);
    for (int64_t i = 0; i < 3600; i += 10) {
        lw_test_observe(op, 0, i, (double)(i % 70));
        lw_test_advance(op, i);
    }
    lw_test_advance(op, 100000);
    for (size_t i = 0; i < op->n_verdicts; i++) {
        if (op->verdicts[i].type == LW_TYPE_SILENT) {
            assert_null(silent); /* Told once. */
            silent = &op->verdicts[i];
        }
    }
    assert_non_null(silent);
    assert_int_equal(silent->time_ns, (3590 + 120) * S);
    assert_true(silent->alarm && silent->onset);
    assert_int_equal(op->anomalies[0].type, LW_TYPE_SILENT);
    assert_int_equal(op->anomalies[0].phase, LW_ANOMALY_OPENED);
}

static void test_operator__takes_a_row_as_one_step_and_repeated_times_too(void **state)
{
    const char *options[] = {"step", "row", NULL};
    const struct lw_sample rows[2][2] = {{{0, 5 * S, 1}, {1, 5 * S, 2}},
                                         {{0, 5 * S, 3}, {1, 5 * S, NAN}}};

    (void)state;
    lw_test_operator_open(op, options, 2);
    lw_observe(op->entity, rows[0], 2, 70, &op->sink);
    lw_observe(op->entity, rows[1], 2, 71, &op->sink);
    assert_int_equal(op->n_verdicts, 4);
    assert_int_equal(op->verdicts[1].tag, 70);
    assert_int_equal(op->verdicts[2].tag, 71);
    assert_float_equal(op->verdicts[2].value, 3, 0);
    assert_true(isnan(op->verdicts[3].value)); /* A missing cell has its verdict too. */
}

static void test_operator__waits_for_the_lateness_also_with_each_sample_its_own_step(void **state)
{
    const char *options[] = {"step", "sample", "lateness", "30s", NULL};

    (void)state;
    lw_test_operator_open(op, options, 1);
    lw_test_observe(op, 0, 100, 1);
    lw_test_observe(op, 0, 90, 2);
    lw_test_advance(op, 119);
    assert_int_equal(op->n_verdicts, 0);
    lw_test_advance(op, 131);
    assert_int_equal(op->n_verdicts, 2);
    assert_int_equal(op->verdicts[0].time_ns, 90 * S); /* In time order. */
    assert_int_equal(op->verdicts[1].time_ns, 100 * S);
}

static void test_operator__says_cannot_tell_before_it_knows(void **state)
{
    const char *options[] = {"step", "sample", NULL};
    struct lw_test_series *series = lw_test_series_read("nab_elb_request_count_8c0756.csv");
    uint8_t best = LW_CANNOT_TELL;

    (void)state;
    lw_test_operator_open(op, options, 1);
    for (size_t i = 0; i < series->n; i++) {
        struct lw_sample sample = {0, series->times_ns[i], series->values[i]};

        lw_observe(op->entity, &sample, 1, i, &op->sink);
        assert_true(op->verdicts[i].confidence >= best); /* It never knows less than before. */
        best = op->verdicts[i].confidence;
        assert_int_equal(isnan(op->verdicts[i].score), best == LW_CANNOT_TELL);
    }
    assert_int_equal(op->verdicts[0].confidence, LW_CANNOT_TELL);
    assert_int_equal(best, LW_FULL);
    free(series);
}

static void test_operator__refuses_options_that_contradict_each_other(void **state)
{
    struct lw_spec *spec = NULL;
    struct lw_detector *detector = NULL;
    struct lw_error error = {0};

    (void)state;
    lw_test_operator_open(op, NULL, 1);
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    assert_int_equal(lw_spec_set(spec, "step", "row", &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "lateness", "5s", &error), LW_OK);
    assert_int_equal(lw_detector_create(spec, "x", &detector, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "lateness"));
    assert_int_equal(lw_spec_set(spec, "lateness", "0s", &error), LW_OK);
    assert_int_equal(lw_spec_set_metric(spec, "*", "window", "5m", &error), LW_OK);
    assert_int_equal(lw_detector_create(spec, "x", &detector, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "window"));
    assert_int_equal(lw_spec_set(spec, "stap", "10s", &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "\"step\""));
    assert_int_equal(lw_spec_set(spec, "models", "iforrest", &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "step", "1m", &error), LW_OK);
    assert_int_equal(lw_detector_create(spec, "x", &detector, &error), LW_ENOTFOUND);
    assert_null(detector);
    lw_spec_destroy(spec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_nothing, close_all)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_operator__makes_one_value_of_a_step),
        TEST(test_operator__averages_over_five_minutes_with_two_lines),
        TEST(test_operator__counts_the_increase_of_a_counter_through_its_reset),
        TEST(test_operator__drops_and_counts_what_comes_too_late),
        TEST(test_operator__takes_a_repeated_sample_once),
        TEST(test_operator__refuses_infinity_and_keeps_nan_as_missing),
        TEST(test_operator__bounds_the_samples_of_open_steps),
        TEST(test_operator__passes_over_a_gap_at_once),
        TEST(test_operator__scores_metrics_of_different_rates_in_their_own_steps),
        TEST(test_operator__tells_a_silent_series_at_the_moment_it_should_have_spoken),
        TEST(test_operator__takes_a_row_as_one_step_and_repeated_times_too),
        TEST(test_operator__waits_for_the_lateness_also_with_each_sample_its_own_step),
        TEST(test_operator__says_cannot_tell_before_it_knows),
        TEST(test_operator__refuses_options_that_contradict_each_other),
    };

    return LW_TEST_RUN(tests);
}
