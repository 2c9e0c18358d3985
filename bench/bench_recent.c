/*
 * The nearer of the 3rd nearest of 500 training rows and of 64 remembered ones, on 16 directions,
 * on one core and with all 64 remembered: recent_vectors_per_s_core (runs of 1,024), a row on its
 * own, shares.
 */
#include "support/bench.h"
#include "support/directions.h"

#include "base/option.h"
#include "model/recent.h"

#define N_DIMS 16
#define N_ROWS 1024

struct bench {
    struct lw_model *model;
    float *rows, *state;
    float distances[N_ROWS], shares[N_DIMS];
};

static struct lw_model *bench_fit(const float *values, size_t n_rows)
{
    struct lw_model_rows rows = {.values = values, .n_rows = n_rows, .n_dims = N_DIMS};
    void *options = malloc(lw_model_recent.options_bytes);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_options_default(lw_model_recent.options, lw_model_recent.n_options, options);
    lw_rng_seed(&rng, 1);
    if (lw_model_recent.fit(options, &rows, &rng, &model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    free(options);
    return model;
}

static void bench_batch(void *context)
{
    struct bench *bench = context;

    lw_model_recent.score(bench->model, bench->state, bench->rows, N_ROWS, bench->distances);
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < N_ROWS; i++) {
        lw_model_recent.score(bench->model, bench->state, bench->rows + i * N_DIMS, 1,
                              bench->distances + i);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < N_ROWS; i++) {
        lw_model_recent.attribute(bench->model, bench->state, bench->rows + i * N_DIMS,
                                  bench->shares);
    }
}

int main(void)
{
    static struct bench bench;
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    float *train_rows = lw_directions(&train, N_DIMS);

    bench.rows = lw_directions(&test, N_DIMS);
    if (test.n_rows < N_ROWS) {
        (void)fprintf(stderr, "bench_recent: the data are not what it was written for\n");
        return 1;
    }
    bench.model = bench_fit(train_rows, train.n_rows);
    bench.state = calloc(lw_model_recent.n_state(bench.model), sizeof(float));
    for (int i = 0; i < 4; i++) {
        bench_batch(&bench); /* 64 times 50 rows, and more. */
    }
    lw_bench_print("recent_vectors_per_s_core", N_ROWS / lw_bench_median_s(bench_batch, &bench),
                   "1/s");
    lw_bench_print("recent_row", lw_bench_median_s(bench_rows, &bench) / N_ROWS * 1e6, "us");
    lw_bench_print("recent_attribute", lw_bench_median_s(bench_attribute, &bench) / N_ROWS * 1e6,
                   "us");
    lw_model_recent.destroy(bench.model);
    free(bench.state);
    free(bench.rows);
    free(train_rows);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    return 0;
}
