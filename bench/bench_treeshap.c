/*
 * Exact Shapley values of one row by an Isolation Forest of 100 trees of 256 on 38 metrics of a
 * real server, on one core, beside the shap package on the very same forest.
 *
 * Prints treeshap_row_vs_shap (microseconds a row), and fails when a value is not the peer's within
 * 1e-6, or when a row's values do not add up to its path within 1e-9.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "explain/treeshap.h"

#include <unistd.h>

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEERS LW_TEST_DATA "/../../bench/peers"

struct bench {
    const struct lw_model_class *forest;
    struct lw_model *model;
    struct lw_test_table train, test;
    double *values; /* [n_dims] */
};

static struct lw_treeshap bench_explain(struct bench *bench, size_t row)
{
    struct lw_treeshap sums;
    struct lw_error error;

    if (lw_treeshap_explain(bench->forest, bench->model,
                            bench->test.values + row * bench->test.n_dims, bench->values, &sums,
                            &error) != LW_OK) {
        (void)fprintf(stderr, "bench_treeshap: %s\n", error.message);
        exit(1);
    }
    return sums;
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        (void)bench_explain(bench, i);
    }
}

static void bench_fit(struct bench *bench)
{
    struct lw_model_rows rows = {.values = bench->train.values,
                                 .n_rows = bench->train.n_rows,
                                 .n_dims = bench->train.n_dims};
    _Alignas(16) char options[256];
    struct lw_error error;
    struct lw_rng rng;

    if (bench->forest->options_bytes > sizeof(options)) {
        (void)fprintf(stderr, "bench_treeshap: the options are not what it was written for\n");
        exit(1);
    }
    lw_options_default(bench->forest->options, bench->forest->n_options, options);
    lw_rng_seed(&rng, 1);
    if (bench->forest->fit(options, &rows, &rng, &bench->model, &error) != LW_OK) {
        (void)fprintf(stderr, "bench_treeshap: %s\n", error.message);
        exit(1);
    }
}

static void bench_save(const struct bench *bench, const char *path)
{
    struct lw_writer writer;
    FILE *file = fopen(path, "wb");

    lw_writer_init(&writer);
    bench->forest->save(bench->model, &writer);
    if (file == NULL || writer.status != LW_OK ||
        fwrite(writer.data, 1, writer.n_bytes, file) != writer.n_bytes || fclose(file) != 0) {
        (void)fprintf(stderr, "bench_treeshap: %s cannot be written\n", path);
        exit(1);
    }
    lw_writer_fini(&writer);
}

/* How far our values are from the peer's at most, and from adding up. */
static void bench_compare(struct bench *bench, const char *path)
{
    struct lw_test_table peer = lw_test_table_read(path);
    double apart = 0.0, rest = 0.0;

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        struct lw_treeshap sums = bench_explain(bench, i);
        const float *theirs = peer.values + i * peer.n_dims;
        double sum = sums.expected;

        apart = fmax(apart, fabs((double)theirs[0] - sums.expected));
        for (size_t k = 0; k < bench->test.n_dims; k++) {
            apart = fmax(apart, fabs((double)theirs[k + 1] - bench->values[k]));
            sum += bench->values[k];
        }
        rest = fmax(rest, fabs(sum - sums.explained));
    }
    lw_test_table_free(&peer);
    lw_bench_print("treeshap_apart_from_shap", apart, "cuts");
    lw_bench_print("treeshap_rest", rest, "cuts");
    if (!(apart <= 1e-6 && rest <= 1e-9)) {
        (void)fprintf(stderr, "bench_treeshap: the values are not the peer's, or do not add up\n");
        exit(1);
    }
}

int main(void)
{
    struct bench bench = {.forest = lw_model_class_find("iforest"),
                          .train = lw_test_table_read(TRAIN),
                          .test = lw_test_table_read(TEST)};
    char folder[] = "/tmp/lapwing-bench-XXXXXX", model[64], values[64], arguments[512];
    char version[64];
    double row_us, peer_us;
    FILE *pipe;

    bench.values = calloc(bench.test.n_dims, sizeof(double));
    if (mkdtemp(folder) == NULL) {
        (void)fprintf(stderr, "bench_treeshap: no folder for the forest\n");
        return 1;
    }
    (void)snprintf(model, sizeof(model), "%s/model", folder);
    (void)snprintf(values, sizeof(values), "%s/values.csv", folder);
    (void)snprintf(arguments, sizeof(arguments), "'%s' '" TEST "' '%s'", model, values);
    bench_fit(&bench);
    bench_save(&bench, model);
    row_us = lw_bench_median_s(bench_rows, &bench) / (double)bench.test.n_rows * 1e6;
    pipe = lw_bench_peer_open(PEERS, "treeshap.py", "shap", arguments);
    if (pipe == NULL || fscanf(pipe, "%63s %lf", version, &peer_us) != 2) {
        (void)fprintf(stderr, "bench_treeshap: no result of shap, so there is no ratio\n");
        lw_bench_print("treeshap_row_vs_shap", row_us, "us");
    } else {
        lw_bench_print_peer("treeshap_row_vs_shap", row_us, "us", "shap", version, peer_us);
        bench_compare(&bench, values);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    (void)remove(values);
    (void)remove(model);
    (void)rmdir(folder);
    bench.forest->destroy(bench.model);
    free(bench.values);
    lw_test_table_free(&bench.test);
    lw_test_table_free(&bench.train);
    return 0;
}
