/* Training an ensemble, loading one, and loading its views, with each allocation failing in turn:
 * an error, nothing leaked, and no result. */
#include "support/ensemble.h"
#include "support/mem_faulty.h"

#define CALLS_MAX 5000 /* More than any of these asks for. */
#define N_ROWS 120u
#define N_COLUMNS 4u

static float values[N_ROWS * N_COLUMNS];

static struct lw_training_set set_of(const struct lw_training_entity *entity)
{
    return (struct lw_training_set){
        .entities = entity, .n_entities = 1, .n_columns = N_COLUMNS, .seed = 7, .n_threads = 1};
}

static void values_read(void)
{
    struct lw_test_table train = lw_test_server("train");

    for (size_t i = 0; i < N_ROWS * N_COLUMNS; i++) {
        values[i] = train.values[i / N_COLUMNS * train.n_dims + i % N_COLUMNS];
    }
    lw_test_table_free(&train);
}

static void test_train__survives_each_failing_allocation(void **state)
{
    struct lw_training_entity entity = {.rows = values, .n_rows = N_ROWS};
    struct lw_training_set set = set_of(&entity);
    struct lw_training_result result = {0};
    struct lw_error error = {0};
    struct lw_plan plan;
    enum lw_status status = LW_ENOMEM;
    uint64_t n = 1;

    (void)state;
    assert_int_equal(lw_plan_parse("linear, linear@patch, knn*0.5, lof, iforest",
                                   "iforest.trees=3, knn.core=20", &plan, &error),
                     LW_OK);
    for (; n < CALLS_MAX && status != LW_OK; n++) {
        int64_t live = lw_test_mem_live();

        lw_test_mem_fail_at(n);
        status = lw_ensemble_fit(&plan, &set, &result, &error);
        assert_int_equal(status == LW_OK, !lw_test_mem_has_failed());
        lw_test_mem_fail_at(0);
        if (status != LW_OK) {
            assert_int_equal(status, LW_ENOMEM);
            assert_null(result.ensemble);
            assert_int_equal(lw_test_mem_live(), live);
        }
    }
    assert_int_equal(status, LW_OK);
    assert_true(n > 40);
    lw_training_result_fini(&result);
}

static void test_fold__survives_each_failing_allocation(void **state)
{
    struct lw_training_entity entity = {.rows = values, .n_rows = 80}, judged = entity;
    struct lw_training_set set = set_of(&entity);
    size_t from = 90;
    struct lw_fold fold = {.judged = &judged, .from = &from};
    struct lw_error error = {0};
    struct lw_plan plan;
    enum lw_status status = LW_ENOMEM;
    float distances[2 * 30];

    (void)state;
    judged.n_rows = N_ROWS;
    assert_int_equal(lw_plan_parse("linear, knn", "", &plan, &error), LW_OK);
    for (uint64_t n = 1; n < CALLS_MAX && status != LW_OK; n++) {
        int64_t live = lw_test_mem_live();

        lw_test_mem_fail_at(n);
        status = lw_ensemble_fit_fold(&plan, &set, &fold, distances, &error);
        assert_int_equal(status == LW_OK, !lw_test_mem_has_failed());
        lw_test_mem_fail_at(0);
        assert_true(status == LW_OK || status == LW_ENOMEM);
        assert_int_equal(lw_test_mem_live(), live);
    }
    assert_int_equal(status, LW_OK);
}

static void test_load__survives_each_failing_allocation(void **state)
{
    struct lw_training_entity entity = {.rows = values, .n_rows = N_ROWS};
    struct lw_training_set set = set_of(&entity);
    struct lw_training_result result = lw_test_ensemble_fit("lean, iforest", "", &set);
    struct lw_ensemble *loaded = NULL;
    struct lw_writer writer;
    struct lw_error error = {0};
    enum lw_status status = LW_ENOMEM;
    uint64_t n = 1;

    (void)state;
    lw_writer_init(&writer);
    lw_ensemble_save(result.ensemble, &writer);
    for (; n < CALLS_MAX && status != LW_OK; n++) {
        int64_t live = lw_test_mem_live();
        struct lw_reader reader;

        lw_reader_init(&reader, writer.data, writer.n_bytes);
        lw_test_mem_fail_at(n);
        status = lw_ensemble_load(&reader, &loaded, &error);
        assert_int_equal(status == LW_OK, !lw_test_mem_has_failed());
        lw_test_mem_fail_at(0);
        if (status != LW_OK) {
            assert_int_equal(status, LW_ENOMEM);
            assert_null(loaded);
            assert_int_equal(lw_test_mem_live(), live);
        }
    }
    assert_int_equal(status, LW_OK);
    assert_true(n > 8);
    lw_ensemble_destroy(loaded);
    lw_writer_fini(&writer);
    lw_training_result_fini(&result);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train__survives_each_failing_allocation),
        cmocka_unit_test(test_fold__survives_each_failing_allocation),
        cmocka_unit_test(test_load__survives_each_failing_allocation),
    };

    values_read();
    return LW_TEST_RUN(tests);
}
