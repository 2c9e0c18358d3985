/* Training an ensemble: the same whatever the number of threads, finds the labelled trouble of a
 * real server, knows runs, holes and several entities, and says when there is too little. */
#include "support/ensemble.h"
#include "support/mem_faulty.h"

#include <stdatomic.h>

static struct lw_test_table train, test;

static struct lw_training_set set_of(const struct lw_training_entity *entities, size_t n)
{
    return (struct lw_training_set){.entities = entities,
                                    .n_entities = n,
                                    .n_columns = train.n_dims,
                                    .seed = 7,
                                    .n_threads = 2};
}

static struct lw_training_entity entity_of(const float *rows, size_t n_rows)
{
    return (struct lw_training_entity){.rows = rows, .n_rows = n_rows};
}

/* Everything that came of a training but for times. */
static void assert_same(const struct lw_training_result *a, const struct lw_training_result *b)
{
    struct lw_writer bytes[2];
    size_t n_members = a->ensemble->n_members;

    for (size_t i = 0; i < 2; i++) {
        lw_writer_init(&bytes[i]);
        lw_ensemble_save(i == 0 ? a->ensemble : b->ensemble, &bytes[i]);
    }
    assert_int_equal(bytes[0].n_bytes, bytes[1].n_bytes);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].n_bytes);
    assert_int_equal(a->n_kept, b->n_kept);
    assert_memory_equal(a->levels, b->levels, a->n_kept * sizeof(double));
    assert_memory_equal(a->distances, b->distances, a->n_kept * n_members * sizeof(float));
    assert_memory_equal(a->states, b->states, a->n_entities * a->n_state * sizeof(float));
    for (size_t e = 0; e < a->n_entities; e++) {
        assert_true(a->calibrators[e].smoothed == b->calibrators[e].smoothed);
        assert_memory_equal(a->calibrators[e].bins, b->calibrators[e].bins,
                            sizeof(a->calibrators[e].bins));
    }
    lw_writer_fini(&bytes[0]);
    lw_writer_fini(&bytes[1]);
}

struct told {
    atomic_size_t n_calls, n_last;
};

static void tell(void *context, size_t n_done, size_t n_all)
{
    struct told *told = context;

    assert_true(n_done >= 1 && n_done <= n_all);
    atomic_fetch_add(&told->n_calls, 1);
    if (n_done == n_all) {
        atomic_store(&told->n_last, n_all);
    }
}

static void test_fit__is_the_same_whatever_the_number_of_threads(void **state)
{
    struct lw_training_entity entity = entity_of(train.values, train.n_rows);
    struct lw_training_set set = set_of(&entity, 1);
    struct lw_training_result first;
    static const size_t n_threads[] = {5, 0};
    struct told told = {0};

    (void)state;
    set.n_threads = 1;
    first = lw_test_ensemble_fit("full", LW_TEST_QUICK, &set);
    for (size_t i = 0; i < 2; i++) {
        struct lw_training_result again;

        set.n_threads = n_threads[i];
        set.progress = tell;
        set.context = &told;
        again = lw_test_ensemble_fit("full", LW_TEST_QUICK, &set);
        assert_same(&first, &again);
        lw_training_result_fini(&again);
    }
    assert_int_equal(told.n_calls, 2 * told.n_last);
    set.seed++;
    {
        struct lw_training_result other = lw_test_ensemble_fit("full", LW_TEST_QUICK, &set);

        assert_memory_not_equal(first.levels, other.levels, first.n_kept * sizeof(double));
        lw_training_result_fini(&other);
    }
    lw_training_result_fini(&first);
}

static void test_fit__says_what_members_cost(void **state)
{
    struct lw_training_result result = lw_test_ensemble_of("linear, knn, iforest", LW_TEST_QUICK,
                                                           &train);

    (void)state;
    assert_true(result.members[0].bytes == 0 && result.members[0].nanoseconds_a_row == 0.0);
    for (size_t m = 1; m < 3; m++) {
        assert_true(result.members[m].bytes > 1000 && result.members[m].fit_seconds > 0.0);
        assert_true(result.members[m].nanoseconds_a_row > 10.0);
        assert_true(result.members[m].nanoseconds_a_row < 1e7);
    }
    lw_training_result_fini(&result);
}

/* Levels as in service, over the rows of a table. */
static double *levels_over(struct lw_training_result *result, const float *rows, size_t n_rows)
{
    double *levels = calloc(n_rows, sizeof(double));

    for (size_t i = 0; i < n_rows; i++) {
        const float *row = rows + i * train.n_dims;
        struct lw_calibrate_result found;
        double energy;

        lw_ensemble_step(result->ensemble, &result->states, &row, 1, &energy, NULL);
        lw_calibrator_step(&result->ensemble->calibration, 1.9, &result->calibrators[0], energy,
                           &found);
        levels[i] = found.level;
    }
    return levels;
}

/* Share of pairs of a row in trouble and a normal one in which the former has the higher level. */
static double auc(const double *levels)
{
    double won = 0.0, n = 0.0;

    for (size_t i = 0; i < test.n_rows; i++) {
        for (size_t j = 0; test.labels[i] != 0 && j < test.n_rows; j++) {
            if (test.labels[j] == 0) {
                won += levels[i] > levels[j] ? 1.0 : levels[i] == levels[j] ? 0.5 : 0.0;
                n += 1.0;
            }
        }
    }
    return won / n;
}

static void test_fit__finds_the_labelled_trouble_of_a_server(void **state)
{
    static const char *const plans[] = {"full", "lean"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct lw_training_result result = lw_test_ensemble_of(plans[i], "", &train);
        double *levels = levels_over(&result, test.values, test.n_rows), found;

        found = auc(levels);
        print_message("%s: area under the ROC curve %.3f\n", plans[i], found);
        assert_true(found > 0.9);
        free(levels);
        lw_training_result_fini(&result);
    }
}

/* On rows kept back half of the levels are below that of an even chance, and most are small. */
static void test_fit__is_calibrated_on_what_it_kept_back(void **state)
{
    struct lw_training_result result = lw_test_ensemble_of("lean", "", &train);
    size_t n_half = 0, n_tenth = 0;

    (void)state;
    assert_int_equal(result.n_kept, (size_t)(0.3 * (double)train.n_rows));
    assert_int_equal(result.kept[0], result.n_kept);
    for (size_t i = 0; i < result.n_kept; i++) {
        n_half += result.levels[i] > 0.30103;
        n_tenth += result.levels[i] > 1.0;
    }
    print_message("of %zu rows %zu are above 1/2, %zu above 1/10\n", result.n_kept, n_half,
                  n_tenth);
    assert_in_range(n_half, result.n_kept * 45 / 100, result.n_kept * 55 / 100);
    assert_in_range(n_tenth, result.n_kept * 5 / 100, result.n_kept * 15 / 100);
    for (size_t m = 0; m < result.ensemble->n_members; m++) {
        size_t n_below = 0;

        for (size_t i = 0; i < result.n_kept; i++) {
            n_below += (double)result.distances[i * result.ensemble->n_members + m] <
                       result.ensemble->members[m].median;
        }
        assert_in_range(n_below, result.n_kept * 48 / 100, result.n_kept * 52 / 100);
    }
    lw_training_result_fini(&result);
}

/* The state in service is that of an entity that has just seen its last rows. */
static void test_fit__leaves_states_that_go_on(void **state)
{
    struct lw_training_result result = lw_test_ensemble_of("lean", "", &train);
    double *first = levels_over(&result, train.values + (train.n_rows - 1) * train.n_dims, 1);
    double *again;

    (void)state;
    assert_true(isfinite(first[0]));
    assert_true(result.calibrators[0].smoothed > 0.0);
    lw_training_result_fini(&result);
    result = lw_test_ensemble_of("lean", "", &train);
    again = levels_over(&result, train.values + (train.n_rows - 1) * train.n_dims, 1);
    assert_true(first[0] == again[0]);
    free(first);
    free(again);
    lw_training_result_fini(&result);
}

/* A break is one: rows before it make no difference to what is seen behind it. */
static void test_fit__looks_back_within_a_run_only(void **state)
{
    size_t runs[] = {300, 1, 400, 286};
    struct lw_training_entity entity = entity_of(train.values, 987), whole = entity;
    struct lw_training_set set = set_of(&entity, 1), unbroken = set_of(&whole, 1);
    struct lw_training_result broken, one;

    (void)state;
    assert_int_equal(train.n_rows, 987);
    entity.runs = runs;
    entity.n_runs = 4;
    broken = lw_test_ensemble_fit("linear, knn", "", &set);
    one = lw_test_ensemble_fit("linear, knn", "", &unbroken);
    /* Row 701 is the first of the last run, and kept back: the forecaster cannot tell of it. */
    assert_int_equal(broken.n_kept, 296);
    for (size_t i = 0; i < 296; i++) {
        bool starts = i + 691 >= 701 && i + 691 < 704;

        assert_int_equal(isnan(broken.distances[i * 2]) != 0, starts);
        assert_true(isfinite(one.distances[i * 2]));
    }
    lw_training_result_fini(&one);
    lw_training_result_fini(&broken);
}

/* Rows of which nothing is known are as if they were not there; single holes are filled. */
static void test_fit__takes_holes(void **state)
{
    size_t n = train.n_dims, n_rows = train.n_rows;
    float *without = calloc(n_rows * n, sizeof(float)),
          *with = calloc(2 * n_rows * n, sizeof(float));
    struct lw_training_entity entities[2];
    struct lw_training_result results[2];

    (void)state;
    memcpy(without, train.values, n_rows * n * sizeof(float));
    for (size_t i = 5; i < n_rows * n; i += 11) {
        without[i] = NAN;
    }
    /* A row of nothing behind every other: 30 % of these are 30 % of those. */
    for (size_t i = 0; i < 2 * n_rows * n; i++) {
        with[i] = i / n % 2 == 0 ? without[i / n / 2 * n + i % n] : NAN;
    }
    entities[0] = entity_of(without, 980);
    entities[1] = entity_of(with, 1960);
    for (size_t i = 0; i < 2; i++) {
        struct lw_training_set set = set_of(&entities[i], 1);

        results[i] = lw_test_ensemble_fit("lean, lstm, iforest, lof", LW_TEST_QUICK, &set);
        for (size_t m = 0; m < results[i].ensemble->n_members; m++) {
            assert_true(isfinite(results[i].ensemble->members[m].median));
        }
    }
    assert_int_equal(results[1].n_kept, 2 * results[0].n_kept);
    for (size_t i = 0; i < results[0].n_kept; i++) {
        assert_true(isnan(results[1].levels[2 * i + 1]));
        assert_true(isfinite(results[0].levels[i]));
    }
    for (size_t m = 0; m < results[0].ensemble->n_members; m++) {
        double a = results[0].ensemble->members[m].median,
               b = results[1].ensemble->members[m].median;

        /* States are warmed by as many rows, of which half are nothing: not to the last bit. */
        assert_true(fabs(a - b) < 1e-3 * a);
    }
    lw_training_result_fini(&results[0]);
    lw_training_result_fini(&results[1]);
    free(with);
    free(without);
}

/* Two alike entities in units of their own share one model; each has its state and scale. */
static void test_fit__entities_share(void **state)
{
    size_t n = train.n_dims, n_rows = 400;
    float *other = calloc(n_rows * n, sizeof(float));
    struct lw_training_entity entities[2];
    struct lw_training_set set = set_of(entities, 2);
    struct lw_training_result result;

    (void)state;
    for (size_t i = 0; i < n_rows * n; i++) {
        other[i] = train.values[500 * n + i] * (i % n == 0 ? 4.0f : 1.0f);
    }
    entities[0] = entity_of(train.values, 500);
    entities[1] = entity_of(other, n_rows);
    result = lw_test_ensemble_fit("lean", "", &set);
    assert_int_equal(result.n_entities, 2);
    assert_int_equal(result.kept[0], 150);
    assert_int_equal(result.kept[1], 120);
    assert_int_equal(result.n_kept, 270);
    assert_true(lw_views_unit(result.ensemble->views, result.states + result.n_state, 0) >
                2.0f * lw_views_unit(result.ensemble->views, result.states, 0));
    for (size_t e = 0; e < 2; e++) {
        float *state_of = result.states + e * result.n_state;
        const float *row = entities[e].rows + (entities[e].n_rows - 1) * n;
        double energy;

        lw_ensemble_step(result.ensemble, &state_of, &row, 1, &energy, NULL);
        assert_true(isfinite(energy) && energy < 50.0);
    }
    free(other);
    lw_training_result_fini(&result);
}

static enum lw_status fit_status(const struct lw_training_set *set, const char *said)
{
    struct lw_training_result result;
    struct lw_error error = {0};
    struct lw_plan plan;
    int64_t live = lw_test_mem_live();
    enum lw_status status;

    assert_int_equal(lw_plan_parse("lean", "", &plan, &error), LW_OK);
    status = lw_ensemble_fit(&plan, set, &result, &error);
    if (status == LW_OK) {
        lw_training_result_fini(&result);
    } else {
        assert_null(result.ensemble);
        assert_null(result.states);
        if (strstr(error.message, said) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", error.message, said);
        }
    }
    assert_int_equal(lw_test_mem_live(), live);
    return status;
}

static void test_fit__says_when_there_is_too_little(void **state)
{
    float *nothing = calloc(100 * train.n_dims, sizeof(float));
    size_t short_runs[] = {50, 40}, long_runs[] = {50, 60}, empty_run[] = {50, 0, 50};
    struct lw_training_entity entity = entity_of(train.values, 63);
    struct lw_training_set set = set_of(&entity, 1);

    (void)state;
    assert_int_equal(fit_status(&set, "63 rows to train on; at least 64"), LW_EINVAL);
    entity.n_rows = 64;
    assert_int_equal(fit_status(&set, ""), LW_OK);
    set.n_columns = 0;
    assert_int_equal(fit_status(&set, "0 metrics"), LW_EINVAL);
    set.n_columns = LW_VIEWS_COLUMNS_MAX + 1;
    assert_int_equal(fit_status(&set, "513 metrics"), LW_EINVAL);
    set.n_columns = train.n_dims;
    set.n_entities = 0;
    assert_int_equal(fit_status(&set, "0 entities"), LW_EINVAL);
    set.n_entities = 1;
    for (size_t i = 0; i < 100 * train.n_dims; i++) {
        nothing[i] = NAN;
    }
    entity = entity_of(nothing, 100);
    assert_int_equal(fit_status(&set, "rows"), LW_EINVAL);
    memcpy(nothing, train.values, 75 * train.n_dims * sizeof(float));
    assert_int_equal(fit_status(&set, "got 5"), LW_EINVAL);
    entity = entity_of(train.values, 100);
    entity.n_runs = 2;
    entity.runs = short_runs;
    assert_int_equal(fit_status(&set, "do not add up to its 100 rows"), LW_EINVAL);
    entity.runs = long_runs;
    assert_int_equal(fit_status(&set, "do not add up"), LW_EINVAL);
    entity.n_runs = 3;
    entity.runs = empty_run;
    assert_int_equal(fit_status(&set, "do not add up"), LW_EINVAL);
    free(nothing);
}

/* Rows judged by a fold are scored by models that do not know them: as by an ensemble that was
 * trained on the rows before, in its own words. */
static void test_fold__judges_the_rows_behind(void **state)
{
    struct lw_training_entity entity = entity_of(train.values, 600), judged = entity;
    struct lw_training_set set = set_of(&entity, 1);
    size_t from = 700;
    struct lw_fold fold = {.judged = &judged, .from = &from};
    struct lw_error error = {0};
    struct lw_plan plan;
    float *distances[2];

    (void)state;
    judged.n_rows = 900;
    assert_int_equal(lw_plan_parse("lean, iforest", LW_TEST_QUICK, &plan, &error), LW_OK);
    for (size_t i = 0; i < 2; i++) {
        distances[i] = calloc(200 * plan.n_members, sizeof(float));
        set.n_threads = i + 1;
        assert_int_equal(lw_ensemble_fit_fold(&plan, &set, &fold, distances[i], &error), LW_OK);
    }
    assert_memory_equal(distances[0], distances[1], 200 * plan.n_members * sizeof(float));
    for (size_t i = 0; i < 200 * plan.n_members; i++) {
        assert_true(isfinite(distances[0][i]) && distances[0][i] > 0.0f);
    }
    from = 901;
    assert_int_equal(lw_ensemble_fit_fold(&plan, &set, &fold, distances[0], &error), LW_EINVAL);
    free(distances[0]);
    free(distances[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit__is_the_same_whatever_the_number_of_threads),
        cmocka_unit_test(test_fit__says_what_members_cost),
        cmocka_unit_test(test_fit__finds_the_labelled_trouble_of_a_server),
        cmocka_unit_test(test_fit__is_calibrated_on_what_it_kept_back),
        cmocka_unit_test(test_fit__leaves_states_that_go_on),
        cmocka_unit_test(test_fit__looks_back_within_a_run_only),
        cmocka_unit_test(test_fit__takes_holes),
        cmocka_unit_test(test_fit__entities_share),
        cmocka_unit_test(test_fit__says_when_there_is_too_little),
        cmocka_unit_test(test_fold__judges_the_rows_behind),
    };
    int failed;

    train = lw_test_server("train");
    test = lw_test_server("test");
    failed = LW_TEST_RUN(tests);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return failed;
}
