/*
 * Scoring by One-Class SVM on metrics of a real server, on one core, beside scikit-learn on the
 * same rows.
 *
 * Two machines of about 100 support vectors: all 38 metrics, as it is usually run (ocsvm_*), and 17
 * of them, as many columns as the embedding of an entity has (ocsvm_17_*, without a peer). Prints
 * vectors a second in batches of 1,024, microseconds a vector alone and in batches beside the
 * peer's (the ratio is how many of our vectors fit into one of the peer's), and the cost of a fit
 * and of shares.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEERS LW_TEST_DATA "/../../bench/peers"
#define BATCH_ROWS 1024
#define NU "0.1" /* Of 987 rows: the 100 support vectors that 2,000 rows have at 0.05. */
#define EMBEDDING_DIMS 17

struct bench {
    const struct lw_model_class *svm;
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

    bench->svm->destroy(bench->model);
    bench->model = NULL;
    lw_rng_seed(&rng, 1);
    if (bench->svm->fit(bench->options, &rows, &rng, &bench->model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void bench_batch(void *context)
{
    struct bench *bench = context;

    bench->svm->score(bench->model, NULL, bench->test.values, BATCH_ROWS, bench->by_batch);
}

static void bench_rows(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->svm->score(bench->model, NULL, bench->test.values + i * bench->test.n_dims, 1,
                          bench->by_row + i);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bench->svm->attribute(bench->model, NULL, bench->test.values + i * bench->test.n_dims,
                              bench->shares);
    }
}

/* Leaves the first n_dims columns. */
static void table_narrow(struct lw_test_table *table, size_t n_dims)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        memmove(table->values + i * n_dims, table->values + i * table->n_dims,
                n_dims * sizeof(float));
    }
    table->n_dims = n_dims;
}

static void options_set(struct bench *bench, const char *name, const char *value)
{
    struct lw_error error = {0};

    if (lw_options_set(bench->svm->options, bench->svm->n_options, bench->options, name, value,
                       &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void bench_init(struct bench *bench, size_t n_dims)
{
    memset(bench, 0, sizeof(*bench));
    bench->svm = lw_model_class_find("ocsvm");
    bench->train = lw_test_table_read(TRAIN);
    bench->test = lw_test_table_read(TEST);
    if (bench->test.n_rows < BATCH_ROWS || bench->svm->options_bytes > sizeof(bench->options)) {
        (void)fprintf(stderr,
                      "bench_ocsvm: the data or the options are not what it was written for\n");
        exit(1);
    }
    table_narrow(&bench->train, n_dims);
    table_narrow(&bench->test, n_dims);
    lw_options_default(bench->svm->options, bench->svm->n_options, bench->options);
    options_set(bench, "nu", NU);
    options_set(bench, "width", "scale");
    options_set(bench, "least", "0");
    bench->by_batch = calloc(BATCH_ROWS, sizeof(float));
    bench->by_row = calloc(BATCH_ROWS, sizeof(float));
    bench->shares = calloc(bench->test.n_dims, sizeof(float));
}

static void bench_fini(struct bench *bench)
{
    bench->svm->destroy(bench->model);
    free(bench->shares);
    free(bench->by_row);
    free(bench->by_batch);
    lw_test_table_free(&bench->test);
    lw_test_table_free(&bench->train);
}

/* Without a peer the figures stand alone. */
static void bench_peer(double fit_ms, double row_us, double batch_us)
{
    char version[64];
    double peer_fit_ms, peer_row_us, peer_batch_us;
    size_t n_vectors;
    FILE *pipe = lw_bench_peer_open(PEERS, "ocsvm.py", "scikit-learn",
                                    "'" TRAIN "' '" TEST "' " NU " 38");

    if (pipe == NULL || fscanf(pipe, "%63s %zu %lf %lf %lf", version, &n_vectors, &peer_fit_ms,
                               &peer_row_us, &peer_batch_us) != 5) {
        (void)fprintf(stderr, "bench_ocsvm: no result of scikit-learn, so there is no ratio\n");
        lw_bench_print("ocsvm_fit_vs_sklearn", fit_ms, "ms");
        lw_bench_print("ocsvm_row_vs_sklearn", row_us, "us");
        lw_bench_print("ocsvm_batch_vs_sklearn", batch_us, "us");
    } else {
        lw_bench_print("ocsvm_peer_support_vectors", (double)n_vectors, "");
        lw_bench_print_peer("ocsvm_fit_vs_sklearn", fit_ms, "ms", "scikit-learn", version,
                            peer_fit_ms);
        lw_bench_print_peer("ocsvm_row_vs_sklearn", row_us, "us", "scikit-learn", version,
                            peer_row_us);
        lw_bench_print_peer("ocsvm_batch_vs_sklearn", batch_us, "us", "scikit-learn", version,
                            peer_batch_us);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

/* Support vectors by the saved bytes: version, values a row, support vectors. */
static double model_n_vectors(const struct bench *bench)
{
    struct lw_writer writer;
    double n = 0.0;

    lw_writer_init(&writer);
    bench->svm->save(bench->model, &writer);
    if (writer.status == LW_OK) {
        n = writer.data[6] + 256.0 * writer.data[7];
    }
    lw_writer_fini(&writer);
    return n;
}

static void bench_run(const char *prefix, size_t n_dims, bool has_peer)
{
    struct bench bench;
    char name[64];
    double fit_ms, row_us, batch_us;

    bench_init(&bench, n_dims);
    fit_ms = lw_bench_median_s(bench_fit, &bench) * 1e3;
    batch_us = lw_bench_median_s(bench_batch, &bench) / BATCH_ROWS * 1e6;
    row_us = lw_bench_median_s(bench_rows, &bench) / BATCH_ROWS * 1e6;
    if (memcmp(bench.by_batch, bench.by_row, BATCH_ROWS * sizeof(float)) != 0) {
        (void)fprintf(stderr, "bench_ocsvm: batch and single rows give different bits\n");
        exit(1);
    }
    (void)snprintf(name, sizeof(name), "%s_support_vectors", prefix);
    lw_bench_print(name, model_n_vectors(&bench), "");
    (void)snprintf(name, sizeof(name), "%s_vectors_per_s_core", prefix);
    lw_bench_print(name, 1e6 / batch_us, "1/s");
    (void)snprintf(name, sizeof(name), "%s_row", prefix);
    lw_bench_print(name, row_us, "us");
    (void)snprintf(name, sizeof(name), "%s_attribute", prefix);
    lw_bench_print(name, lw_bench_median_s(bench_attribute, &bench) / BATCH_ROWS * 1e6, "us");
    if (has_peer) {
        bench_peer(fit_ms, row_us, batch_us);
    }
    bench_fini(&bench);
}

int main(void)
{
    bench_run("ocsvm", 38, true);
    bench_run("ocsvm_17", EMBEDDING_DIMS, false);
    return 0;
}
