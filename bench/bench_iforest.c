/*
 * Scoring by Isolation Forest: 100 trees of 256 on 38 metrics of a real server, on one core, beside
 * scikit-learn.
 *
 * Prints iforest_vectors_per_s_core (batches of 1,024), iforest_row_vs_sklearn,
 * iforest_batch_vs_sklearn, iforest_batch_vs_isotree and iforest_batch_vs_onnxruntime (microseconds
 * a vector; the ratio is how many of our vectors fit into one of the peer's), and the cost of a fit
 * and of shares. onnxruntime runs scikit-learn's forest as skl2onnx exports it.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEERS LW_TEST_DATA "/../../bench/peers"
#define BATCH_ROWS 1024

struct bench {
    const struct lw_model_class *forest;
    char options[256];
    struct lw_test_table train;
    struct lw_test_table test;
    struct lw_model *model;
    float *by_batch; /* [BATCH_ROWS] */
    float *by_row;   /* [BATCH_ROWS] */
    float *shares;   /* [n_dims] */
};

static void bench_fit(void *context)
{
    struct bench *bench = context;
    struct lw_model_rows rows = {.values = bench->train.values,
                                 .n_rows = bench->train.n_rows,
                                 .n_dims = bench->train.n_dims};
    struct lw_error error = {0};
    struct lw_rng rng;

    bench->forest->destroy(bench->model);
    bench->model = NULL;
    lw_rng_seed(&rng, 1);
    if (bench->forest->fit(bench->options, &rows, &rng, &bench->model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void bench_batch(void *context)
{
    struct bench *bench = context;

    bench->forest->score(bench->model, NULL, bench->test.values, BATCH_ROWS, bench->by_batch);
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->forest->score(bench->model, NULL, bench->test.values + i * bench->test.n_dims, 1,
                             bench->by_row + i);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->forest->attribute(bench->model, NULL, bench->test.values + i * bench->test.n_dims,
                                 bench->shares);
    }
}

/* Without a peer the figures stand alone. */
static void bench_peer(double row_us, double batch_us)
{
    char version[64];
    double peer_row_us, peer_batch_us;
    FILE *pipe = lw_bench_peer_open(PEERS, "iforest.py", "scikit-learn", "'" TRAIN "' '" TEST "'");

    if (pipe == NULL || fscanf(pipe, "%63s %lf %lf", version, &peer_row_us, &peer_batch_us) != 3) {
        (void)fprintf(stderr, "bench_iforest: no result of scikit-learn, so there is no ratio\n");
        lw_bench_print("iforest_row_vs_sklearn", row_us, "us");
        lw_bench_print("iforest_batch_vs_sklearn", batch_us, "us");
    } else {
        lw_bench_print_peer("iforest_row_vs_sklearn", row_us, "us", "scikit-learn", version,
                            peer_row_us);
        lw_bench_print_peer("iforest_batch_vs_sklearn", batch_us, "us", "scikit-learn", version,
                            peer_batch_us);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

static void bench_peer_batch(const char *figure, const char *peer, const char *packages,
                             double batch_us)
{
    char version[64], arguments[1024];
    double peer_us;
    FILE *pipe;

    (void)snprintf(arguments, sizeof(arguments), "%s '" TRAIN "' '" TEST "'", peer);
    pipe = lw_bench_peer_open(PEERS, "iforest_batch.py", packages, arguments);
    if (pipe == NULL || fscanf(pipe, "%63s %lf", version, &peer_us) != 2) {
        (void)fprintf(stderr, "bench_iforest: no result of %s, so there is no ratio\n", peer);
        lw_bench_print(figure, batch_us, "us");
    } else {
        lw_bench_print_peer(figure, batch_us, "us", peer, version, peer_us);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

int main(void)
{
    struct bench bench = {.forest = lw_model_class_find("iforest"),
                          .train = lw_test_table_read(TRAIN),
                          .test = lw_test_table_read(TEST)};
    double row_us, batch_us;

    if (bench.test.n_rows < BATCH_ROWS || bench.forest->options_bytes > sizeof(bench.options)) {
        (void)fprintf(stderr,
                      "bench_iforest: the data or the options are not what it was written for\n");
        return 1;
    }
    lw_options_default(bench.forest->options, bench.forest->n_options, bench.options);
    bench.by_batch = calloc(BATCH_ROWS, sizeof(float));
    bench.by_row = calloc(BATCH_ROWS, sizeof(float));
    bench.shares = calloc(bench.test.n_dims, sizeof(float));
    lw_bench_print("iforest_fit", lw_bench_median_s(bench_fit, &bench) * 1e3, "ms");
    batch_us = lw_bench_median_s(bench_batch, &bench) / BATCH_ROWS * 1e6;
    row_us = lw_bench_median_s(bench_rows, &bench) / BATCH_ROWS * 1e6;
    if (memcmp(bench.by_batch, bench.by_row, BATCH_ROWS * sizeof(float)) != 0) {
        (void)fprintf(stderr, "bench_iforest: batch and single rows give different bits\n");
        return 1;
    }
    lw_bench_print("iforest_vectors_per_s_core", 1e6 / batch_us, "1/s");
    lw_bench_print("iforest_attribute",
                   lw_bench_median_s(bench_attribute, &bench) / BATCH_ROWS * 1e6, "us");
    bench_peer(row_us, batch_us);
    bench_peer_batch("iforest_batch_vs_isotree", "isotree", "isotree", batch_us);
    bench_peer_batch("iforest_batch_vs_onnxruntime", "onnxruntime",
                     "scikit-learn skl2onnx 'onnxruntime<1.29'", batch_us);
    bench.forest->destroy(bench.model);
    free(bench.shares);
    free(bench.by_row);
    free(bench.by_batch);
    lw_test_table_free(&bench.test);
    lw_test_table_free(&bench.train);
    return 0;
}
