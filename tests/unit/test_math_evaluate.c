/*
 * Evaluation against definitions counted slowly, at its edges, and the bootstrap against series
 * that were really put together from what it drew. tests/e2e/test_eval.py holds all figures to a
 * reference on real series.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "lapwing/evaluate.h"
#include "math/evaluate/evaluate_internal.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N 600

/* A series of scores with ties, and of events at the places given. */
struct made {
    double scores[N];
    uint8_t labels[N], alarms[N];
    struct lw_eval_series series;
};

static void made_init(struct made *made, uint64_t seed)
{
    struct lw_rng rng;

    lw_rng_seed(&rng, seed);
    for (size_t i = 0; i < N; i++) {
        size_t place = i % 150;

        made->labels[i] = place >= 70 && place < 70 + 5 * (i / 150 + 1);
        made->scores[i] = (double)(lw_rng_below(&rng, 20) + (made->labels[i] != 0 ? 7 : 0)) / 10.0;
        made->alarms[i] = made->scores[i] > 1.8;
    }
    made->series = (struct lw_eval_series){.name = "made",
                                           .scores = made->scores,
                                           .labels = made->labels,
                                           .alarms = made->alarms,
                                           .n_rows = N,
                                           .step_s = 60.0};
}

static struct lw_eval_figure figure_read(const struct lw_evaluation *evaluation,
                                         enum lw_eval_section section, size_t place,
                                         const char *name)
{
    struct lw_eval_figure figures[LW_EVAL_FIGURES_MAX];
    size_t n = lw_evaluation_read(evaluation, section, place, figures, LW_EVAL_FIGURES_MAX);

    assert_true(n <= LW_EVAL_FIGURES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(figures[i].name, name) == 0) {
            return figures[i];
        }
    }
    fail_msg("section %d has no figure %s", (int)section, name);
    return figures[0];
}

static void assert_near(double got, double want, double within, const char *what)
{
    if (!(fabs(got - want) <= within)) {
        fail_msg("%s: %.17g, expected %.17g", what, got, want);
    }
}

static struct lw_evaluation *evaluated(const struct lw_eval_series *series, size_t n,
                                       const struct lw_eval_options *options)
{
    struct lw_evaluation *evaluation = NULL;
    struct lw_error error = {0};

    if (lw_evaluate(series, n, options, &evaluation, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return evaluation;
}

/* ---- the ranking ---- */

/* AUC-ROC by all pairs, each row as often as its weight. */
static double ref_auc_roc(const struct made *made, const uint32_t *weights)
{
    double won = 0.0, pairs = 0.0;

    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            if (made->labels[i] != 0 && made->labels[k] == 0) {
                double weight = (double)weights[i / 150] * (double)weights[k / 150];

                pairs += weight;
                won += made->scores[i] > made->scores[k]
                           ? weight
                           : (made->scores[i] == made->scores[k] ? weight / 2.0 : 0.0);
            }
        }
    }
    return won / pairs;
}

/* Average precision, recounted at every threshold. */
static double ref_auc_pr(const struct made *made, const uint32_t *weights)
{
    double area = 0.0, found_before = 0.0, all = 0.0;

    for (size_t i = 0; i < N; i++) {
        all += made->labels[i] != 0 ? weights[i / 150] : 0;
    }
    for (int threshold = 30; threshold >= 0; threshold--) {
        double found = 0.0, alarms = 0.0;

        for (size_t i = 0; i < N; i++) {
            if (made->scores[i] > (double)threshold / 10.0 - 0.05) {
                alarms += weights[i / 150];
                found += made->labels[i] != 0 ? weights[i / 150] : 0;
            }
        }
        area += alarms > 0.0 ? (found - found_before) / all * (found / alarms) : 0.0;
        found_before = found;
    }
    return area;
}

static void test_ranking__counts_each_block_as_often_as_it_is_drawn(void **state)
{
    static const uint32_t draws[][4] = {{1, 1, 1, 1}, {2, 0, 1, 1}, {0, 4, 0, 0}, {1, 0, 0, 3}};
    uint32_t starts[] = {0, 150, 300, 450, N}, order[N], ranks[N];
    struct lw_error error;

    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct made made;
        struct lw_eval_work work = {.n = N, .n_blocks = 4, .block_starts = starts, .order = order};

        made_init(&made, seed);
        work.scores = made.scores;
        work.labels = made.labels;
        assert_int_equal(lw_eval_order(made.scores, N, order, &error), LW_OK);
        lw_eval_ranks(&work, ranks);
        for (size_t i = 0; i < sizeof(draws) / sizeof(draws[0]); i++) {
            double ranking[LW_EVAL_RANKING_N];
            uint32_t best;

            lw_eval_ranking_walk(ranks, N, draws[i], ranking, &best);
            assert_near(ranking[LW_EVAL_AUC_ROC], ref_auc_roc(&made, draws[i]), 1e-12, "AUC-ROC");
            assert_near(ranking[LW_EVAL_AUC_PR], ref_auc_pr(&made, draws[i]), 1e-12, "AUC-PR");
        }
    }
}

static void test_ranking__order_keeps_time_among_equal_scores(void **state)
{
    struct made made;
    uint32_t order[N];
    struct lw_error error;

    (void)state;
    made_init(&made, 3);
    assert_int_equal(lw_eval_order(made.scores, N, order, &error), LW_OK);
    for (size_t i = 1; i < N; i++) {
        assert_true(
            made.scores[order[i - 1]] > made.scores[order[i]] ||
            (made.scores[order[i - 1]] == made.scores[order[i]] && order[i - 1] < order[i]));
    }
}

static void test_evaluate__is_one_for_labels_as_scores_and_nothing_for_their_opposite(void **state)
{
    struct made made;
    struct lw_eval_options options;
    struct lw_evaluation *evaluation;

    (void)state;
    made_init(&made, 1);
    lw_eval_options_default(&options);
    options.n_resamples = 0;
    for (int is_opposite = 0; is_opposite < 2; is_opposite++) {
        for (size_t i = 0; i < N; i++) {
            made.scores[i] = is_opposite != 0 ? -(double)made.labels[i] : (double)made.labels[i];
        }
        evaluation = evaluated(&made.series, 1, &options);
        assert_near(figure_read(evaluation, LW_EVAL_RANKING, 0, "auc_roc").value,
                    is_opposite != 0 ? 0.0 : 1.0, 0.0, "AUC-ROC");
        assert_near(figure_read(evaluation, LW_EVAL_AT_BEST, 0, "event_f1").value,
                    is_opposite != 0 ? 0.0 : 1.0, 0.0, "event F1");
        lw_evaluation_destroy(evaluation);
    }
}

/* ---- volumes ---- */

/* Two copies of a series are two equal blocks: drawing either twice is drawing both. */
static void test_vus__blocks_add_up(void **state)
{
    static const uint32_t draws[][2] = {{1, 1}, {2, 0}, {0, 2}};
    double *scores = lw_mem_alloc(2 * N * sizeof(*scores));
    uint8_t *labels = lw_mem_alloc(2 * N);
    struct lw_eval_options options;
    struct lw_eval_series series = {.name = "twice", .n_rows = 2 * N};
    struct lw_evaluation *evaluation;
    struct made made;
    uint32_t starts[] = {0, N, 2 * N}, order[2 * N];
    struct lw_eval_span events[8];
    struct lw_eval_work work = {
        .n = 2 * N, .n_blocks = 2, .block_starts = starts, .order = order, .events = events};
    struct lw_eval_vus *vus;
    struct lw_error error;

    (void)state;
    made_init(&made, 7);
    for (size_t i = 0; i < 2 * N; i++) {
        scores[i] = made.scores[i % N];
        labels[i] = made.labels[i % N];
        if (labels[i] != 0 && labels[i - 1] == 0) {
            events[work.n_events++].first = (uint32_t)i;
        }
        if (labels[i] != 0) {
            events[work.n_events - 1].last = (uint32_t)i;
        }
    }
    assert_int_equal(work.n_events, 8);
    work.scores = series.scores = scores;
    work.labels = series.labels = labels;
    assert_int_equal(lw_eval_order(scores, 2 * N, order, &error), LW_OK);
    assert_int_equal(lw_eval_vus_create(&work, 30, &vus, &error), LW_OK);
    lw_eval_options_default(&options);
    options.vus_window = 30;
    options.n_resamples = 0;
    evaluation = evaluated(&series, 1, &options);
    for (size_t i = 0; i < 3; i++) {
        double pr, roc;

        lw_eval_vus_read(vus, draws[i], &pr, &roc);
        assert_near(pr, figure_read(evaluation, LW_EVAL_RANKING, 0, "vus_pr").value, 1e-12, "PR");
        assert_near(roc, figure_read(evaluation, LW_EVAL_RANKING, 0, "vus_roc").value, 1e-12,
                    "ROC");
    }
    lw_evaluation_destroy(evaluation);
    lw_eval_vus_destroy(vus);
    lw_mem_free(scores);
    lw_mem_free(labels);
}

/* ---- NAB ---- */

static void test_nab__is_0_without_alarms_and_100_for_the_perfect_detector(void **state)
{
    const struct lw_eval_window windows[] = {{200, 240}, {400, 430}};
    struct lw_eval_options options;
    struct made made;

    (void)state;
    made_init(&made, 1);
    made.series.windows = windows;
    made.series.n_windows = 2;
    made.series.has_windows = true;
    made.series.n_warmup = 90;
    lw_eval_options_default(&options);
    options.n_resamples = 0;
    for (int is_perfect = 0; is_perfect < 2; is_perfect++) {
        struct lw_evaluation *evaluation;

        for (size_t i = 0; i < N; i++) {
            made.alarms[i] = is_perfect != 0 && (i == 200 || i == 400);
        }
        evaluation = evaluated(&made.series, 1, &options);
        for (size_t profile = 0; profile < LW_EVAL_PROFILES; profile++) {
            assert_near(figure_read(evaluation, LW_EVAL_NAB_OPERATED, profile, "score").value,
                        is_perfect != 0 ? 100.0 : 0.0, 1e-12, lw_eval_profile_name(profile));
        }
        lw_evaluation_destroy(evaluation);
    }
}

static void test_nab__values_an_alarm_by_its_place(void **state)
{
    static const struct lw_eval_window window = {200, 240}; /* 41 rows. */
    static const struct {
        size_t row;
        double place;
        bool is_inside;
    } cases[] = {{150, 9.0, false},        {200, -1.0, true},         {220, -21.0 / 41.0, true},
                 {240, -1.0 / 41.0, true}, {241, 1.0 / 40.0, false},  {340, 2.5, false},
                 {360, 3.0, false},        {361, 121.0 / 40.0, false}};
    struct lw_eval_options options;
    struct made made;

    (void)state;
    made_init(&made, 1);
    made.series.windows = &window;
    made.series.n_windows = 1;
    made.series.has_windows = true;
    lw_eval_options_default(&options);
    options.n_resamples = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double y = cases[i].place;
        double value = y > 3.0 ? -1.0 : 2.0 / (1.0 + exp(5.0 * y)) - 1.0;
        double first = 2.0 / (1.0 + exp(-5.0)) - 1.0;
        struct lw_evaluation *evaluation;

        memset(made.alarms, 0, sizeof(made.alarms));
        made.alarms[cases[i].row] = 1;
        evaluation = evaluated(&made.series, 1, &options);
        assert_near(figure_read(evaluation, LW_EVAL_NAB_OPERATED, 0, "raw").value,
                    cases[i].is_inside ? value / first : -1.0 + 0.11 * value, 1e-12, "standard");
        assert_near(figure_read(evaluation, LW_EVAL_NAB_OPERATED, 2, "raw").value,
                    cases[i].is_inside ? value / first : -2.0 + 0.11 * value, 1e-12, "low FN");
        lw_evaluation_destroy(evaluation);
    }
}

/* ---- edges ---- */

static void test_evaluate__tells_nothing_that_it_cannot_know(void **state)
{
    struct made made;
    struct lw_eval_options options;
    struct lw_evaluation *evaluation;
    struct lw_eval_figure figures[LW_EVAL_FIGURES_MAX];

    (void)state;
    made_init(&made, 1);
    lw_eval_options_default(&options);
    made.series.alarms = NULL;
    made.series.step_s = 0.0;
    memset(made.labels, 0, sizeof(made.labels));
    evaluation = evaluated(&made.series, 1, &options);
    assert_true(isnan(figure_read(evaluation, LW_EVAL_RANKING, 0, "auc_pr").value));
    assert_int_equal(lw_evaluation_read(evaluation, LW_EVAL_AS_OPERATED, 0, figures, 1), 0);
    assert_int_equal(lw_evaluation_read(evaluation, LW_EVAL_AT_BEST, 0, figures, 1), 0);
    assert_int_equal(lw_evaluation_read(evaluation, LW_EVAL_NAB, 0, figures, 1), 0);
    assert_int_equal(lw_evaluation_read(evaluation, LW_EVAL_RANKING_SERIES, 1, figures, 1), 0);
    lw_evaluation_destroy(evaluation);
    memset(made.labels, 1, sizeof(made.labels));
    evaluation = evaluated(&made.series, 1, &options);
    assert_true(isnan(figure_read(evaluation, LW_EVAL_RANKING, 0, "vus_pr").value));
    assert_near(figure_read(evaluation, LW_EVAL_ABOUT, 0, "events").value, 1.0, 0.0, "events");
    assert_true(isnan(figure_read(evaluation, LW_EVAL_AT_BEST, 0, "false_alarms_per_day").value));
    assert_true(isnan(figure_read(evaluation, LW_EVAL_AT_BEST, 0, "event_recall").low));
    lw_evaluation_destroy(evaluation);
}

static void test_evaluate__refuses_what_it_cannot_take(void **state)
{
    const struct lw_eval_window crossed[] = {{10, 20}, {20, 30}}, outside[] = {{10, N}};
    struct made made;
    struct lw_eval_options options, odd;
    struct lw_evaluation *evaluation = NULL;
    struct lw_error error;

    (void)state;
    made_init(&made, 1);
    lw_eval_options_default(&options);
    made.series.has_windows = true;
    made.series.windows = crossed;
    made.series.n_windows = 2;
    assert_int_equal(lw_evaluate(&made.series, 1, &options, &evaluation, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "made: window 2, rows 20 to 30 of 600"));
    made.series.windows = outside;
    made.series.n_windows = 1;
    assert_int_equal(lw_evaluate(&made.series, 1, &options, &evaluation, &error), LW_EINVAL);
    made.series.n_windows = 0;
    odd = options;
    odd.confidence = 1.0;
    assert_int_equal(lw_evaluate(&made.series, 1, &odd, &evaluation, &error), LW_EINVAL);
    odd = options;
    odd.vus_window = LW_EVAL_VUS_WINDOW_MAX + 1;
    assert_int_equal(lw_evaluate(&made.series, 1, &odd, &evaluation, &error), LW_EINVAL);
    made.series.n_warmup = N;
    assert_int_equal(lw_evaluate(&made.series, 1, &options, &evaluation, &error), LW_EINVAL);
    made.series.n_warmup = 0;
    made.scores[17] = NAN;
    assert_int_equal(lw_evaluate(&made.series, 1, &options, &evaluation, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "row 18"));
    assert_null(evaluation);
}

/* ---- the bootstrap ---- */

static void test_evaluate__draws_the_same_from_the_same_seed(void **state)
{
    struct made made;
    struct lw_eval_options options;
    struct lw_eval_figure figures[3];

    (void)state;
    made_init(&made, 5);
    lw_eval_options_default(&options);
    for (int run = 0; run < 3; run++) {
        struct lw_evaluation *evaluation;

        options.seed = run < 2 ? 11 : 12;
        evaluation = evaluated(&made.series, 1, &options);
        assert_int_equal(lw_evaluation_unit(evaluation), LW_EVAL_UNIT_EVENTS);
        assert_near(figure_read(evaluation, LW_EVAL_ABOUT, 0, "units").value, 4.0, 0.0, "blocks");
        figures[run] = figure_read(evaluation, LW_EVAL_RANKING, 0, "vus_pr");
        lw_evaluation_destroy(evaluation);
        assert_true(figures[run].low < figures[run].value &&
                    figures[run].value < figures[run].high);
    }
    assert_memory_equal(&figures[0].low, &figures[1].low, sizeof(double));
    assert_true(figures[2].low != figures[0].low || figures[2].high != figures[0].high);
}

/* Events closer than one is long in the mean stay together, and no block is without one. */
static void test_units__cut_between_events_that_lie_apart(void **state)
{
    static const struct lw_eval_span spans[] = {{10, 12}, {16, 25}, {200, 210}, {312, 313}};
    struct lw_eval_span events[4];
    struct lw_eval_work work = {.n = N, .n_events = 4, .n_positive = 26, .events = events};
    struct lw_eval_options options;
    struct lw_eval_units units;
    struct lw_error error;

    (void)state;
    memcpy(events, spans, sizeof(spans));
    lw_eval_options_default(&options);
    assert_int_equal(lw_eval_units_init(&work, 1, LW_EVAL_UNIT_EVENTS, &options, &units, &error),
                     LW_OK);
    assert_int_equal(units.n_units, 3);
    assert_int_equal(work.block_starts[1], 113); /* Midway from 25 to 200. */
    assert_int_equal(work.block_starts[2], 261);
    assert_int_equal(work.block_starts[3], N);
    lw_eval_units_fini(&units);
    lw_mem_free(work.block_starts);
}

static void test_draw__takes_as_many_units_as_there_are(void **state)
{
    uint32_t starts[] = {0, 7}, weights[7];
    struct lw_eval_units units = {.n_units = 7, .n_strata = 1, .stratum_starts = starts, .seed = 3};
    double mean[7] = {0};

    (void)state;
    for (uint32_t resample = 0; resample < 7000; resample++) {
        uint32_t sum = 0;

        lw_eval_draw_all(&units, resample, weights);
        for (size_t i = 0; i < 7; i++) {
            sum += weights[i];
            mean[i] += (double)weights[i] / 7000.0;
        }
        assert_int_equal(sum, 7);
    }
    for (size_t i = 0; i < 7; i++) {
        assert_near(mean[i], 1.0, 0.05, "mean weight"); /* Its standard error is 0.011. */
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranking__counts_each_block_as_often_as_it_is_drawn),
        cmocka_unit_test(test_ranking__order_keeps_time_among_equal_scores),
        cmocka_unit_test(test_evaluate__is_one_for_labels_as_scores_and_nothing_for_their_opposite),
        cmocka_unit_test(test_vus__blocks_add_up),
        cmocka_unit_test(test_nab__is_0_without_alarms_and_100_for_the_perfect_detector),
        cmocka_unit_test(test_nab__values_an_alarm_by_its_place),
        cmocka_unit_test(test_evaluate__tells_nothing_that_it_cannot_know),
        cmocka_unit_test(test_evaluate__refuses_what_it_cannot_take),
        cmocka_unit_test(test_evaluate__draws_the_same_from_the_same_seed),
        cmocka_unit_test(test_units__cut_between_events_that_lie_apart),
        cmocka_unit_test(test_draw__takes_as_many_units_as_there_are),
    };

    return LW_TEST_RUN(tests);
}
