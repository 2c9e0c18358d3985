/* What is said of rows before they are learnt from: one fault planted, and only that one found. */
#include "support/test.h"

#include "base/rng.h"
#include "train/quality.h"

#include <math.h>
#include <string.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

#define N_ROWS 1200u
#define N_SERIES 8u
#define STEP_S 10

enum { CLEAN, MISSING, CONSTANT, FLAG, STUCK, EXTREME, COUNTER, DRIFT };

static float rows[N_ROWS][N_SERIES];
static int64_t times[N_ROWS];
static const char *const names[N_SERIES] = {"clean", "missing", "constant", "flag",
                                            "stuck", "extreme", "counter",  "drift"};

static struct lw_training_source source(void)
{
    static const size_t runs[] = {N_ROWS};
    struct lw_rng rng;

    lw_rng_seed(&rng, 11);
    for (size_t i = 0; i < N_ROWS; i++) {
        double noise = lw_rng_double(&rng), wave = sin((double)i / 20.0);

        rows[i][CLEAN] = (float)(wave + noise);
        rows[i][MISSING] = i % 100 == 0 ? 1.0f + (float)noise : NAN;
        rows[i][CONSTANT] = 4.0f;
        rows[i][FLAG] = i % 3 == 0 ? 1.0f : 0.0f;
        rows[i][STUCK] = i >= 700 && i < 800 ? 0.5f : (float)noise;
        rows[i][EXTREME] = i == 600 ? 1e6f : (float)noise;
        rows[i][COUNTER] = i == 0 ? 0.0f : rows[i - 1][COUNTER] + (float)noise + 0.01f;
        rows[i][DRIFT] = (float)(noise + (i > 600 ? 5.0 : 0.0));
        times[i] = (int64_t)(i + (i > 300 ? 90 : 0)) * STEP_S * 1000000000;
    }
    return (struct lw_training_source){.name = "web-1",
                                       .rows = &rows[0][0],
                                       .n_rows = N_ROWS,
                                       .stride = N_SERIES,
                                       .n_series = N_SERIES,
                                       .series = names,
                                       .times_ns = times,
                                       .runs = runs,
                                       .n_runs = 1,
                                       .n_seen = N_ROWS};
}

static struct lw_quality_entity judged(const struct lw_training_source *of, double step_s)
{
    struct lw_quality_entity quality;

    assert_int_equal(lw_quality_judge(of, step_s, &quality, NULL), LW_OK);
    return quality;
}

static void test_quality__finds_what_was_planted(void **state)
{
    static const unsigned expected[N_SERIES] = {0,
                                                LW_FINDING_MISSING,
                                                LW_FINDING_CONSTANT,
                                                LW_FINDING_FLAG,
                                                LW_FINDING_STUCK,
                                                LW_FINDING_EXTREME,
                                                LW_FINDING_COUNTER | LW_FINDING_DRIFT,
                                                LW_FINDING_DRIFT};
    struct lw_training_source of = source();
    struct lw_quality_entity quality = judged(&of, 0.0);

    (void)state;
    for (size_t i = 0; i < N_SERIES; i++) {
        if (quality.metrics[i].findings != expected[i]) {
            fail_msg("%s: findings %x, expected %x", names[i], quality.metrics[i].findings,
                     expected[i]);
        }
    }
    assert_int_equal(quality.n_findings, 6); /* A flag is no trouble. */
    assert_int_equal(quality.metrics[STUCK].longest_still, 100);
    assert_int_equal(quality.metrics[EXTREME].n_extreme, 1);
    assert_int_equal(quality.metrics[MISSING].n_known, N_ROWS / 100);
    assert_true(quality.metrics[CLEAN].shift < 0.5 && quality.metrics[DRIFT].shift > 5.0);
    assert_near(quality.metrics[CONSTANT].median, 4.0, 0.0);
    lw_quality_fini(&quality);
}

static void test_quality__knows_step_and_gaps(void **state)
{
    struct lw_training_source of = source();
    struct lw_quality_entity quality = judged(&of, 0.0);

    (void)state;
    assert_near(quality.step_s, 10.0, 1e-9);
    assert_int_equal(quality.n_gaps, 1);
    assert_near(quality.longest_gap_s, 910.0, 1e-6);
    assert_true(fabs(quality.missing_share -
                     (double)(N_ROWS - N_ROWS / 100) / (double)(N_ROWS * N_SERIES)) < 1e-12);
    lw_quality_fini(&quality);
    quality = judged(&of, 1000.0); /* A step that hides the gap. */
    assert_int_equal(quality.n_gaps, 0);
    assert_near(quality.step_s, 1000.0, 0.0);
    lw_quality_fini(&quality);
}

static void test_quality__a_break_between_runs_is_no_gap(void **state)
{
    static const size_t runs[] = {301, N_ROWS - 301};
    struct lw_training_source of = source();
    struct lw_quality_entity quality;

    (void)state;
    of.runs = runs;
    of.n_runs = 2;
    quality = judged(&of, 10.0);
    assert_int_equal(quality.n_gaps, 0);
    lw_quality_fini(&quality);
}

static void test_quality__without_times_only_a_given_step_is_known(void **state)
{
    struct lw_training_source of = source();
    struct lw_quality_entity quality, timed = judged(&of, 0.0);

    (void)state;
    of.times_ns = NULL;
    quality = judged(&of, 0.0);
    assert_true(quality.step_s == 0.0);
    assert_int_equal(quality.n_gaps, 0);
    assert_int_equal(quality.n_findings, timed.n_findings);
    lw_quality_fini(&quality);
    quality = judged(&of, 10.0);
    assert_true(quality.step_s == 10.0);
    assert_int_equal(quality.n_gaps, 0);
    lw_quality_fini(&quality);
    lw_quality_fini(&timed);
}

static void test_quality__seconds_have_nine_digits(void **state)
{
    (void)state;
    assert_true(15e9 * 1e-9 != 15.0); /* What it is for. */
    assert_true(lw_quality_seconds(15e9 * 1e-9) == 15.0);
    assert_true(lw_quality_seconds(0.1 + 0.2) == 0.3);
    assert_true(lw_quality_seconds(59.98765432149) == 59.9876543);
    assert_true(lw_quality_seconds(1e-9) == 1e-9);
    assert_true(lw_quality_seconds(0.0) == 0.0);
}

static void test_quality__nothing_and_one_row_can_be_judged(void **state)
{
    struct lw_training_source of = source();
    struct lw_quality_entity quality;

    (void)state;
    of.n_rows = 0;
    of.n_runs = 0;
    quality = judged(&of, 0.0);
    assert_int_equal(quality.metrics[CLEAN].findings, LW_FINDING_MISSING);
    assert_true(isnan(quality.metrics[CLEAN].median));
    assert_near(quality.step_s, 0.0, 0.0);
    lw_quality_fini(&quality);
    of.n_rows = 1;
    of.n_runs = 1;
    of.runs = (const size_t[]){1};
    quality = judged(&of, 0.0);
    assert_int_equal(quality.metrics[CLEAN].findings, LW_FINDING_CONSTANT);
    lw_quality_fini(&quality);
}

static void test_quality__findings_have_names(void **state)
{
    (void)state;
    assert_string_equal(lw_finding_name(0), "missing");
    assert_string_equal(lw_finding_name(6), "drift");
    assert_false(lw_quality_is_told(LW_FINDING_FLAG));
    assert_true(lw_quality_is_told(LW_FINDING_FLAG | LW_FINDING_DRIFT));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quality__finds_what_was_planted),
        cmocka_unit_test(test_quality__knows_step_and_gaps),
        cmocka_unit_test(test_quality__a_break_between_runs_is_no_gap),
        cmocka_unit_test(test_quality__without_times_only_a_given_step_is_known),
        cmocka_unit_test(test_quality__seconds_have_nine_digits),
        cmocka_unit_test(test_quality__nothing_and_one_row_can_be_judged),
        cmocka_unit_test(test_quality__findings_have_names),
    };

    return LW_TEST_RUN(tests);
}
