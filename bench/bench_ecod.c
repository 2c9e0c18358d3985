/* Scoring by ECOD: 38 metrics of a real server, on one core. Prints the cost of a fit, a vector
 * alone and in batches of 1,024, and shares. */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define BATCH_ROWS 1024

struct bench {
    const struct lw_model_class *ecod;
    char options[256];
    struct lw_test_table train;
    struct lw_test_table test;
    struct lw_model *model;
    float *scores; /* [BATCH_ROWS] */
    float *shares; /* [n_dims] */
};

static void bench_fit(void *context)
{
    struct bench *bench = context;
    struct lw_model_rows rows = {.values = bench->train.values,
                                 .n_rows = bench->train.n_rows,
                                 .n_dims = bench->train.n_dims};
    struct lw_error error = {0};
    struct lw_rng rng;

    bench->ecod->destroy(bench->model);
    bench->model = NULL;
    lw_rng_seed(&rng, 1);
    if (bench->ecod->fit(bench->options, &rows, &rng, &bench->model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void bench_batch(void *context)
{
    struct bench *bench = context;

    bench->ecod->score(bench->model, NULL, bench->test.values, BATCH_ROWS, bench->scores);
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->ecod->score(bench->model, NULL, bench->test.values + i * bench->test.n_dims, 1,
                           bench->scores + i);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->ecod->attribute(bench->model, NULL, bench->test.values + i * bench->test.n_dims,
                               bench->shares);
    }
}

int main(void)
{
    struct bench bench = {.ecod = lw_model_class_find("ecod"),
                          .train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv"),
                          .test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv")};
    double batch_s;

    if (bench.test.n_rows < BATCH_ROWS || bench.ecod->options_bytes > sizeof(bench.options)) {
        (void)fprintf(stderr,
                      "bench_ecod: the data or the options are not what it was written for\n");
        return 1;
    }
    lw_options_default(bench.ecod->options, bench.ecod->n_options, bench.options);
    bench.scores = calloc(BATCH_ROWS, sizeof(float));
    bench.shares = calloc(bench.test.n_dims, sizeof(float));
    lw_bench_print("ecod_fit", lw_bench_median_s(bench_fit, &bench) * 1e3, "ms");
    batch_s = lw_bench_median_s(bench_batch, &bench) / BATCH_ROWS;
    lw_bench_print("ecod_vectors_per_s_core", 1.0 / batch_s, "1/s");
    lw_bench_print("ecod_row", lw_bench_median_s(bench_rows, &bench) / BATCH_ROWS * 1e6, "us");
    lw_bench_print("ecod_attribute", lw_bench_median_s(bench_attribute, &bench) / BATCH_ROWS * 1e6,
                   "us");
    bench.ecod->destroy(bench.model);
    free(bench.shares);
    free(bench.scores);
    lw_test_table_free(&bench.test);
    lw_test_table_free(&bench.train);
    return 0;
}
