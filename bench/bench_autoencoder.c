/*
 * Scoring by an autoencoder, 38-24-8-24-38, on 38 metrics of a real server, on one core.
 *
 * Prints autoencoder_vectors_per_s_core (batches of 1,024), the microseconds of a row on its own,
 * and the cost of a fit and of shares. Scores of the two ways must be equal, bit for bit.
 */
#include "../tests/support/scaled.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define N_DIMS 38
#define BATCH_ROWS 1024

struct bench {
    const struct lw_model_class *model_class;
    char options[256];
    struct lw_test_table train;
    struct lw_test_table test;
    struct lw_model *model;
    float *by_batch; /* [BATCH_ROWS] */
    float *by_row;   /* [BATCH_ROWS] */
    float shares[N_DIMS];
};

static void bench_fit(void *context)
{
    struct bench *bench = context;
    struct lw_model_rows rows = {.values = bench->train.values,
                                 .n_rows = bench->train.n_rows,
                                 .n_dims = bench->train.n_dims};
    struct lw_error error = {0};
    struct lw_rng rng;

    bench->model_class->destroy(bench->model);
    bench->model = NULL;
    lw_rng_seed(&rng, 1);
    if (bench->model_class->fit(bench->options, &rows, &rng, &bench->model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void bench_batch(void *context)
{
    struct bench *bench = context;

    bench->model_class->score(bench->model, NULL, bench->test.values, BATCH_ROWS, bench->by_batch);
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->model_class->score(bench->model, NULL, bench->test.values + i * N_DIMS, 1,
                                  bench->by_row + i);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->model_class->attribute(bench->model, NULL, bench->test.values + i * N_DIMS,
                                      bench->shares);
    }
}

int main(void)
{
    struct bench bench = {.model_class = lw_model_class_find("autoencoder"),
                          .train = lw_test_table_read(TRAIN),
                          .test = lw_test_table_read(TEST)};
    double row_us, batch_us;

    if (bench.test.n_rows < BATCH_ROWS ||
        bench.model_class->options_bytes > sizeof(bench.options)) {
        (void)fprintf(
            stderr, "bench_autoencoder: the data or the options are not what it was written for\n");
        return 1;
    }
    lw_test_table_scale(&bench.train, N_DIMS, bench.train.n_rows);
    lw_test_table_scale(&bench.test, N_DIMS, bench.test.n_rows);
    lw_options_default(bench.model_class->options, bench.model_class->n_options, bench.options);
    bench.by_batch = calloc(BATCH_ROWS, sizeof(float));
    bench.by_row = calloc(BATCH_ROWS, sizeof(float));
    lw_bench_print("autoencoder_fit", lw_bench_median_s(bench_fit, &bench) * 1e3, "ms");
    batch_us = lw_bench_median_s(bench_batch, &bench) / BATCH_ROWS * 1e6;
    row_us = lw_bench_median_s(bench_rows, &bench) / BATCH_ROWS * 1e6;
    if (memcmp(bench.by_batch, bench.by_row, BATCH_ROWS * sizeof(float)) != 0) {
        (void)fprintf(stderr, "bench_autoencoder: batch and single rows give different bits\n");
        return 1;
    }
    lw_bench_print("autoencoder_vectors_per_s_core", 1e6 / batch_us, "1/s");
    lw_bench_print("autoencoder_row", row_us, "us");
    lw_bench_print("autoencoder_attribute",
                   lw_bench_median_s(bench_attribute, &bench) / BATCH_ROWS * 1e6, "us");
    bench.model_class->destroy(bench.model);
    free(bench.by_row);
    free(bench.by_batch);
    lw_test_table_free(&bench.test);
    lw_test_table_free(&bench.train);
    return 0;
}
