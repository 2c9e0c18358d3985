/*
 * Judging combinations of members on folds: by a record made by hand, so that each figure can be
 * worked out, and by one of real rows.
 */
#include "support/ensemble.h"

#include "base/rng.h"
#include "train/budget.h"
#include "train/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

#define N_ENTITIES 2u
#define N_FOLDS 3u
#define N_MEMBERS 2u
#define STRETCH 400u
#define N_ROWS (N_ENTITIES * N_FOLDS * STRETCH)
#define FIRST 600u

/* Entities whose second member is worth something and whose first is noise. */
struct fixture {
    struct lw_validation_entity entities[N_ENTITIES];
    uint8_t labels[N_ENTITIES][FIRST + N_FOLDS * STRETCH];
    struct lw_held_stretch stretches[N_ENTITIES * N_FOLDS];
    float distances[N_ROWS * N_MEMBERS];
    struct lw_held_out held;
    struct lw_plan plan;
    struct lw_judge judge;
};

static struct fixture fixture;

static void judge_again(bool is_pooled)
{
    lw_judge_fini(&fixture.judge);
    assert_int_equal(lw_judge_init(&fixture.held, &fixture.plan, is_pooled, &fixture.judge, NULL),
                     LW_OK);
}

static int setup(void **state)
{
    struct lw_rng rng;

    (void)state;
    memset(&fixture, 0, sizeof(fixture));
    assert_int_equal(lw_plan_parse("lof, iforest", "", &fixture.plan, NULL), LW_OK);
    lw_rng_seed(&rng, 2);
    for (size_t e = 0; e < N_ENTITIES; e++) {
        fixture.entities[e].labels = fixture.labels[e];
        fixture.entities[e].rows.n_rows = FIRST + N_FOLDS * STRETCH;
        for (size_t k = 0; k < N_FOLDS; k++) {
            size_t at = (e * N_FOLDS + k) * STRETCH;

            fixture.stretches[e * N_FOLDS + k] = (struct lw_held_stretch){e, k, FIRST + k * STRETCH,
                                                                          at, STRETCH};
            for (size_t i = 0; i < STRETCH; i++) {
                bool labelled = i >= 200 && i < 380 && i / 10 % 3 == 0;
                float *row = fixture.distances + (at + i) * N_MEMBERS;

                fixture.labels[e][FIRST + k * STRETCH + i] = labelled;
                row[0] = (float)(4.0 * (double)(e + 1) * lw_rng_double(&rng));
                row[1] = (float)((double)(e + 1) * (lw_rng_double(&rng) + (labelled ? 0.6 : 0.0)));
            }
        }
    }
    fixture.held = (struct lw_held_out){.n_entities = N_ENTITIES,
                                        .n_folds = N_FOLDS,
                                        .n_members = N_MEMBERS,
                                        .n_rows = N_ROWS,
                                        .entities = fixture.entities,
                                        .stretches = fixture.stretches,
                                        .distances = fixture.distances};
    judge_again(false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lw_judge_fini(&fixture.judge);
    return 0;
}

static struct lw_judged applied(const double *weights)
{
    struct lw_judged judged;

    assert_int_equal(lw_judge_apply(&fixture.judge, weights, &judged, NULL), LW_OK);
    return judged;
}

static void test_judge__the_first_stretch_is_judged_by_nobody(void **state)
{
    static const double weights[] = {1.0, 1.0};
    struct lw_judged judged = applied(weights);

    (void)state;
    for (size_t s = 0; s < N_ENTITIES * N_FOLDS; s++) {
        const struct lw_held_stretch *stretch = &fixture.stretches[s];

        for (size_t i = 0; i < STRETCH; i++) {
            assert_int_equal(isnan(judged.levels[stretch->at + i]), stretch->fold == 0);
        }
    }
    lw_judged_fini(&judged);
}

/* Whatever happens later, what was said before it stays. */
static void test_judge__nothing_leaks_from_the_future(void **state)
{
    static const double weights[] = {1.0, 1.0};
    struct lw_judged before = applied(weights), after;
    double learned[N_MEMBERS], again[N_MEMBERS];
    size_t n_events;

    (void)state;
    assert_int_equal(lw_judge_learn_weights(&fixture.judge, weights, 2, learned, &n_events, NULL),
                     LW_OK);
    for (size_t e = 0; e < N_ENTITIES; e++) {
        size_t at = (e * N_FOLDS + 2) * STRETCH;

        for (size_t i = 0; i < STRETCH; i++) {
            fixture.distances[(at + i) * N_MEMBERS] = 1000.0f;
            fixture.labels[e][FIRST + 2 * STRETCH + i] = 1;
        }
    }
    judge_again(false);
    after = applied(weights);
    for (size_t e = 0; e < N_ENTITIES; e++) {
        size_t at = e * N_FOLDS * STRETCH;

        assert_memory_equal(before.levels + at, after.levels + at,
                            2 * STRETCH * sizeof(*before.levels));
    }
    assert_int_equal(lw_judge_learn_weights(&fixture.judge, weights, 2, again, &n_events, NULL),
                     LW_OK);
    assert_memory_equal(learned, again, sizeof(again));
    lw_judged_fini(&before);
    lw_judged_fini(&after);
}

/* Entity 1 is twice as loud as entity 0: with models of their own both are the same. */
static void test_judge__units_are_of_the_entity_or_of_all(void **state)
{
    static const double weights[] = {0.0, 1.0};
    double *own, *pooled;

    (void)state;
    own = fixture.judge.medians + N_FOLDS * N_ENTITIES * N_MEMBERS;
    assert_true(own[N_MEMBERS + 1] > 1.7 * own[1] && own[N_MEMBERS + 1] < 2.3 * own[1]);
    judge_again(true);
    pooled = fixture.judge.medians + N_FOLDS * N_MEMBERS;
    assert_int_equal(fixture.judge.n_units, 1);
    assert_true(pooled[1] > 0.5 && pooled[1] < 1.0);
    (void)weights;
}

static void test_judge__labels_raise_the_weight_of_who_sees_them(void **state)
{
    static const double recipe[] = {1.0, 1.0};
    double weights[N_MEMBERS];
    struct lw_judged plain = applied(recipe), learned;
    struct lw_judgement before, after;
    size_t n_events;

    (void)state;
    assert_int_equal(
        lw_judge_learn_weights(&fixture.judge, recipe, N_FOLDS, weights, &n_events, NULL), LW_OK);
    assert_int_equal(n_events, N_ENTITIES * N_FOLDS * 6);
    assert_true(weights[1] > 2.0 * weights[0]);
    assert_true(weights[1] <= 4.0 && weights[0] >= 0.25);
    learned = applied(weights);
    assert_int_equal(lw_judge_measure(&fixture.judge, &plain, 1, &before, NULL), LW_OK);
    assert_int_equal(lw_judge_measure(&fixture.judge, &learned, 1, &after, NULL), LW_OK);
    assert_true(after.auc_pr > before.auc_pr + 0.02);
    assert_true(before.auc_pr_low <= before.auc_pr && before.auc_pr <= before.auc_pr_high);
    assert_int_equal(before.n_events, N_ENTITIES * (N_FOLDS - 1) * 6);
    lw_judged_fini(&plain);
    lw_judged_fini(&learned);
}

static void test_judge__without_labels_weights_stay(void **state)
{
    static const double recipe[] = {1.0, 0.25};
    double weights[N_MEMBERS];
    struct lw_judged judged;
    struct lw_judgement judgement;
    size_t n_events;

    (void)state;
    memset(fixture.labels, 0, sizeof(fixture.labels));
    judge_again(false);
    assert_int_equal(
        lw_judge_learn_weights(&fixture.judge, recipe, N_FOLDS, weights, &n_events, NULL), LW_OK);
    assert_int_equal(n_events, 0);
    assert_memory_equal(weights, recipe, sizeof(recipe));
    judged = applied(recipe);
    assert_int_equal(lw_judge_measure(&fixture.judge, &judged, 1, &judgement, NULL), LW_OK);
    assert_true(isnan(judgement.auc_pr));
    assert_true(judgement.tail_error >= 0.0 && judgement.instability >= 0.0);
    assert_near(judgement.disagreement, judgement.tail_error + judgement.instability, 0.0);
    lw_judged_fini(&judged);
}

/* A score that grows between stretches is less stable. */
static void test_judge__the_criterion_sees_what_moves(void **state)
{
    static const double still[] = {0.0, 1.0};
    struct lw_judged judged;
    struct lw_judgement before, after;

    (void)state;
    memset(fixture.labels, 0, sizeof(fixture.labels));
    judge_again(false);
    judged = applied(still);
    assert_int_equal(lw_judge_measure(&fixture.judge, &judged, 1, &before, NULL), LW_OK);
    lw_judged_fini(&judged);
    for (size_t e = 0; e < N_ENTITIES; e++) {
        for (size_t i = 0; i < 2 * STRETCH * N_MEMBERS; i++) {
            fixture.distances[(e * N_FOLDS + 1) * STRETCH * N_MEMBERS + i] *= 3.0f;
        }
    }
    judge_again(false);
    judged = applied(still);
    assert_int_equal(lw_judge_measure(&fixture.judge, &judged, 1, &after, NULL), LW_OK);
    assert_true(after.instability > before.instability + 0.3);
    assert_true(after.disagreement > before.disagreement);
    lw_judged_fini(&judged);
}

static void test_judge__agreement_is_full_with_itself(void **state)
{
    static const double one[] = {1.0, 0.0}, both[] = {1.0, 1.0};
    struct lw_judged a = applied(one), b = applied(both);

    (void)state;
    assert_near(lw_judge_agreement(&fixture.held, a.levels, a.levels, SIZE_MAX), 1.0, 1e-12);
    assert_near(lw_judge_agreement(&fixture.held, a.levels, a.levels, 1), 1.0, 1e-12);
    assert_true(lw_judge_agreement(&fixture.held, a.levels, b.levels, SIZE_MAX) < 0.95);
    lw_judged_fini(&a);
    lw_judged_fini(&b);
}

/* ---- selection ---- */

static struct lw_selection *selected(const double *asked, const char *name, bool prunes,
                                     size_t n_threads)
{
    struct lw_selection *selection = calloc(1, sizeof(*selection));
    struct lw_select select = {.judge = &fixture.judge,
                               .asked = asked,
                               .asked_name = name,
                               .prunes = prunes,
                               .n_columns = 5,
                               .seed = 1,
                               .n_threads = n_threads};

    assert_int_equal(lw_select_weights(&select, selection, NULL), LW_OK);
    return selection;
}

static void test_select__candidates_are_what_was_asked_for_and_members(void **state)
{
    static const double asked[] = {1.0, 1.0};
    struct lw_selection *one = selected(asked, "lof, iforest", false, 1);
    struct lw_selection *two = selected(asked, "lof, iforest", false, 3);

    (void)state;
    assert_int_equal(one->n_candidates, 3); /* Presets have members that are not there. */
    assert_true(one->candidates[0].is_selected && !one->candidates[1].is_selected);
    assert_string_equal(one->candidates[1].name, "lof@embedding");
    assert_string_equal(one->candidates[2].name, "iforest@residual");
    assert_true(one->has_labels && one->weights_learned);
    assert_true(one->auc_pr_labels > one->auc_pr_recipe);
    assert_true(one->worth[1] > one->worth[0]);
    assert_memory_equal(one, two, sizeof(*one)); /* Whatever the number of threads. */
    free(one);
    free(two);
}

static void test_select__what_does_not_pay_goes_where_cpu_is_scarce(void **state)
{
    static const double asked[] = {1.0, 1.0};
    struct lw_selection *kept = selected(asked, "x", false, 1), *pruned;

    (void)state;
    assert_true(kept->weights[0] > 0.0 && kept->weights[1] > 0.0);
    pruned = selected(asked, "x", true, 1);
    assert_true(pruned->weights[0] == 0.0 && pruned->weights[1] > 0.0);
    free(kept);
    free(pruned);
}

/* ---- budgets ---- */

/* Bounds from tables of the Poisson distribution. */
static void test_budget__intervals_are_those_of_the_tables(void **state)
{
    static const struct {
        uint64_t n;
        double low, high;
    } known[] = {{0, 0.0, 3.6889},        {1, 0.0253, 5.5716},    {5, 1.6235, 11.6683},
                 {10, 4.7954, 18.3904},   {20, 12.2165, 30.8884}, {50, 37.1110, 65.9188},
                 {100, 81.3640, 121.6272}};
    double low, high, low_above, high_above;

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        lw_poisson_interval(known[i].n, &low, &high);
        assert_near(low, known[i].low, 1e-3);
        assert_near(high, known[i].high, 1e-3);
    }
    lw_poisson_interval(101, &low_above, &high_above); /* The approximation goes on from there. */
    assert_true(low_above > low && low_above < low + 1.1);
    assert_true(high_above > high && high_above < high + 1.1);
}

static void test_budget__a_larger_one_has_fewer_incidents(void **state)
{
    static const double weights[] = {0.0, 1.0};
    struct lw_judged judged = applied(weights);
    struct lw_budget_row small = {.budget_rows = 100.0}, large = {.budget_rows = 1e6};
    size_t n_labelled = N_ENTITIES * (N_FOLDS - 1) * 60;

    (void)state;
    lw_budget_try(&fixture.judge, &judged, &small);
    lw_budget_try(&fixture.judge, &judged, &large);
    assert_int_equal(small.n_rows + small.n_excluded, N_ENTITIES * (N_FOLDS - 1) * STRETCH);
    assert_int_equal(small.n_excluded, N_ENTITIES * (N_FOLDS - 1) * LW_VALIDATION_GAP + n_labelled);
    assert_near(small.promised, (double)small.n_rows / 100.0, 1e-12);
    assert_true(large.cut > small.cut && large.achieved <= small.achieved);
    assert_true(small.alarm_share >= large.alarm_share);
    lw_judged_fini(&judged);
}

/* ---- folds ---- */

static void test_validate__folds_grow_and_labels_are_not_learnt(void **state)
{
    struct lw_test_table table = lw_test_server("train");
    uint8_t *labels = calloc(table.n_rows, 1);
    struct lw_validation_entity entity = {.rows = {.rows = table.values, .n_rows = table.n_rows},
                                          .labels = labels};
    struct lw_validation validation = {.entities = &entity,
                                       .n_entities = 1,
                                       .n_columns = table.n_dims,
                                       .n_folds = 2,
                                       .seed = 3,
                                       .n_threads = 1};
    struct lw_held_out plain, again, without;
    struct lw_plan plan;

    (void)state;
    assert_int_equal(lw_plan_parse("linear, knn", "", &plan, NULL), LW_OK);
    validation.plan = &plan;
    assert_int_equal(lw_validate(&validation, &plain, NULL), LW_OK);
    validation.n_threads = 3;
    assert_int_equal(lw_validate(&validation, &again, NULL), LW_OK);
    assert_int_equal(plain.n_rows, table.n_rows - (size_t)(0.4 * (double)table.n_rows));
    assert_int_equal(plain.stretches[1].first_row,
                     plain.stretches[0].first_row + plain.stretches[0].n_rows);
    assert_memory_equal(plain.distances, again.distances,
                        plain.n_rows * plain.n_members * sizeof(float));
    memset(labels + 100, 1, 50); /* Before the first fold: both are fitted without. */
    assert_int_equal(lw_validate(&validation, &without, NULL), LW_OK);
    assert_memory_not_equal(plain.distances, without.distances,
                            plain.n_rows * plain.n_members * sizeof(float));
    lw_held_out_fini(&plain);
    lw_held_out_fini(&again);
    lw_held_out_fini(&without);
    lw_test_table_free(&table);
    free(labels);
}

static void test_validate__leaves_labelled_rows_out_and_breaks_runs_there(void **state)
{
    static const float rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const uint8_t labels[] = {0, 0, 1, 1, 0, 0, 0, 0, 1, 0};
    static const size_t runs[] = {6, 4}, expected[] = {2, 2, 2, 1};
    static const float kept[] = {0, 1, 4, 5, 6, 7, 9};
    struct lw_validation_entity entity = {.rows = {rows, 10, runs, 2}, .labels = labels};
    float copy[10];
    size_t ret_runs[10], n_runs;

    (void)state;
    assert_int_equal(lw_rows_without_labelled(&entity, 10, 1, copy, ret_runs, &n_runs), 7);
    assert_int_equal(n_runs, 4);
    assert_memory_equal(ret_runs, expected, sizeof(expected));
    assert_memory_equal(copy, kept, sizeof(kept));
    assert_int_equal(lw_rows_without_labelled(&entity, 5, 1, copy, ret_runs, &n_runs), 3);
    assert_int_equal(n_runs, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_judge__the_first_stretch_is_judged_by_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_judge__nothing_leaks_from_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(test_judge__units_are_of_the_entity_or_of_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_judge__labels_raise_the_weight_of_who_sees_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_judge__without_labels_weights_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_judge__the_criterion_sees_what_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_judge__agreement_is_full_with_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_select__candidates_are_what_was_asked_for_and_members,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_select__what_does_not_pay_goes_where_cpu_is_scarce,
                                        setup, teardown),
        cmocka_unit_test(test_budget__intervals_are_those_of_the_tables),
        cmocka_unit_test_setup_teardown(test_budget__a_larger_one_has_fewer_incidents, setup,
                                        teardown),
        cmocka_unit_test(test_validate__folds_grow_and_labels_are_not_learnt),
        cmocka_unit_test(test_validate__leaves_labelled_rows_out_and_breaks_runs_there),
    };

    return LW_TEST_RUN(tests);
}
