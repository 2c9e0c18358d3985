/*
 * A whole training and a model file, with allocations failing in turn: an error or, where only a
 * figure of the report was lost, success; and nothing leaked.
 */
#include "support/mem_faulty.h"
#include "support/model_file.h"
#include "support/oom.h"

#include "train/training.h"

#include <math.h>

#define N_ENTITIES 3u
#define N_COLUMNS 3u
#define N_ROWS 560u
#define QUICK                                                                                      \
    "lstm.steps=1, lstm.cells=2, lstm.windows=2, autoencoder.epochs=1, autoencoder.hidden=2, "     \
    "iforest.trees=1, iforest.sample=8, ocsvm.rows=30, knn.core=20, lof.core=20, "                 \
    "lof.neighbours=5"

static float rows[N_ENTITIES][N_ROWS][N_COLUMNS];
static int64_t times[N_ROWS];

struct scenario {
    struct lw_training_request request;
    struct lw_train_options options;
    struct lw_training_source sources[N_ENTITIES];
    size_t runs[1];
};

static struct scenario scenario_of(size_t n_rows, enum lw_sharing sharing)
{
    static const char *const names[N_ENTITIES] = {"a", "b", "c"};
    static const char *const series[N_COLUMNS] = {"x", "y", "z"};
    struct scenario scenario = {.options = {.models = "linear, knn",
                                            .tuning = QUICK,
                                            .sharing = sharing,
                                            .n_folds = 2,
                                            .n_threads = 1,
                                            .seed = 1}};

    for (size_t e = 0; e < N_ENTITIES; e++) {
        for (size_t i = 0; i < N_ROWS * N_COLUMNS; i++) {
            rows[e][i / N_COLUMNS][i % N_COLUMNS] = lw_test_model_value((uint32_t)(i % N_COLUMNS),
                                                                        i / N_COLUMNS + 7 * e);
        }
        scenario.sources[e] = (struct lw_training_source){.name = names[e],
                                                          .rows = &rows[e][0][0],
                                                          .n_rows = n_rows,
                                                          .stride = N_COLUMNS,
                                                          .n_series = N_COLUMNS,
                                                          .series = series,
                                                          .times_ns = times,
                                                          .n_runs = 1,
                                                          .n_seen = n_rows};
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        times[i] = (int64_t)i * 60000000000;
    }
    scenario.runs[0] = n_rows;
    return scenario;
}

/* Every allocation of the first ones, then ever fewer: a training asks for thousands. */
static void sweep(struct scenario *scenario)
{
    uint64_t n_points = 0;

    scenario->request = (struct lw_training_request){.detector = "d",
                                                     .options = &scenario->options,
                                                     .sources = scenario->sources,
                                                     .n_sources = N_ENTITIES,
                                                     .step_s = 60.0};
    for (size_t e = 0; e < N_ENTITIES; e++) {
        scenario->sources[e].runs = scenario->runs;
    }
    for (uint64_t n = 1;; n += 1 + n / 16) {
        int64_t live = lw_test_mem_live();
        struct lw_training_outcome outcome;
        struct lw_error error = {0};
        enum lw_status status;
        int has_failed;

        lw_test_mem_fail_at(n);
        status = lw_training_run(&scenario->request, &outcome, &error);
        has_failed = lw_test_mem_has_failed();
        lw_test_mem_fail_at(0);
        if (!has_failed) {
            assert_int_equal(status, LW_OK);
        } else if (status != LW_OK) {
            assert_int_equal(status, LW_ENOMEM);
            assert_true(error.message[0] != '\0');
            assert_null(outcome.groups);
        }
        lw_training_outcome_fini(&outcome);
        assert_int_equal(lw_test_mem_live(), live);
        n_points++;
        if (!has_failed) {
            break;
        }
    }
    printf("%llu points\n", (unsigned long long)n_points);
    assert_true(n_points > 40);
}

static void test_training__survives_failing_allocations(void **state)
{
    struct scenario scenario = scenario_of(N_ROWS, LW_SHARING_AUTO);

    (void)state;
    sweep(&scenario);
}

static void test_training__of_clusters_survives_failing_allocations(void **state)
{
    struct scenario scenario = scenario_of(130, LW_SHARING_CLUSTERS);

    (void)state;
    sweep(&scenario);
}

static enum lw_status load_file(void *user)
{
    const struct lw_writer *writer = user;
    struct lw_model_file *file = NULL;
    enum lw_status status = lw_model_file_load(writer->data, writer->n_bytes, &file, NULL);

    lw_model_file_release(file);
    return status;
}

static void test_model_file__loads_or_says_there_is_no_memory(void **state)
{
    char *columns[] = {"x", "y"}, name[] = "a";
    struct lw_test_model_file want = {"linear, knn, lof, iforest", QUICK, name, columns, 2};
    struct lw_writer writer;

    (void)state;
    assert_int_equal(lw_test_model_file_write(&want, &writer, NULL), LW_OK);
    lw_oom_sweep("model file", load_file, &writer);
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training__survives_failing_allocations),
        cmocka_unit_test(test_training__of_clusters_survives_failing_allocations),
        cmocka_unit_test(test_model_file__loads_or_says_there_is_no_memory),
    };

    return LW_TEST_RUN(tests);
}
