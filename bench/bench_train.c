/*
 * Fitting Isolation Forest (100 trees of 256), Local Outlier Factor (20 neighbours) and One-Class
 * SVM (nu .05) to the same 2,000 rows of one real server, over two threads, beside scikit-learn
 * (train_vs_sklearn). Wall time, the best of seven on either side; both learn
 * from every row.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "base/parallel.h"
#include "model/model.h"

#include <math.h>

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEERS LW_TEST_DATA "/../../bench/peers"
#define N_ROWS 2000u
#define N_MODELS 3u
#define N_THREADS 2u

static char gamma_text[32];

static const struct {
    const char *class;
    const char *const options[7]; /* Name, value, ... NULL. */
} wanted[N_MODELS] = {
    {"ocsvm", {"nu", "0.05", "rows", "2000", "gamma", gamma_text, NULL}},
    {"iforest", {"trees", "100", "sample", "256", NULL}},
    {"lof", {"neighbours", "20", "core", "2000", "least", "0", NULL}},
};

struct bench {
    struct lw_model_rows rows;
    struct lw_model *models[N_MODELS];
};

static void job_fit(void *context, size_t i)
{
    struct bench *bench = context;
    const struct lw_model_class *model_class = lw_model_class_find(wanted[i].class);
    void *options = calloc(1, model_class->options_bytes + 1);
    struct lw_error error = {0};
    enum lw_status status = LW_OK;
    struct lw_rng rng;

    model_class->destroy(bench->models[i]);
    bench->models[i] = NULL;
    lw_options_default(model_class->options, model_class->n_options, options);
    for (const char *const *option = wanted[i].options; *option != NULL && status == LW_OK;
         option += 2) {
        status = lw_options_set(model_class->options, model_class->n_options, options, option[0],
                                option[1], &error);
    }
    lw_rng_seed(&rng, 1);
    if (status != LW_OK ||
        model_class->fit(options, &bench->rows, &rng, &bench->models[i], &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    free(options);
}

static double wall_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double fit_ms(struct bench *bench)
{
    double best = INFINITY;

    lw_parallel(N_MODELS, N_THREADS, job_fit, bench); /* Warms the caches. */
    for (size_t repeat = 0; repeat < LW_BENCH_REPEATS; repeat++) {
        double begin = wall_s();

        lw_parallel(N_MODELS, N_THREADS, job_fit, bench);
        best = fmin(best, wall_s() - begin);
    }
    return best * 1e3;
}

/* scikit-learn's gamma="scale". */
static void gamma_set(const float *values, size_t n, size_t n_dims)
{
    double mean = 0.0, square = 0.0;

    for (size_t i = 0; i < n; i++) {
        mean += (double)values[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        square += ((double)values[i] - mean) * ((double)values[i] - mean) / (double)n;
    }
    (void)snprintf(gamma_text, sizeof(gamma_text), "%.9g", 1.0 / ((double)n_dims * square));
}

int main(void)
{
    struct lw_test_table train = lw_test_table_read(TRAIN), test = lw_test_table_read(TEST);
    size_t n_train = train.n_rows * train.n_dims, n_test = test.n_rows * test.n_dims;
    float *values = calloc(n_train + n_test, sizeof(float));
    struct bench bench = {.rows = {.values = values, .n_rows = N_ROWS, .n_dims = train.n_dims}};
    char version[64], arguments[2048];
    double ms, peer_ms;
    FILE *pipe;

    if (train.n_rows + test.n_rows < N_ROWS) {
        (void)fprintf(stderr, "bench_train: the data are not what it was written for\n");
        return 1;
    }
    memcpy(values, train.values, n_train * sizeof(float));
    memcpy(values + n_train, test.values, n_test * sizeof(float));
    gamma_set(values, N_ROWS * train.n_dims, train.n_dims);
    ms = fit_ms(&bench);
    (void)snprintf(arguments, sizeof(arguments), "%u %s '" TRAIN "' '" TEST "'", N_ROWS,
                   gamma_text);
    pipe = lw_bench_peer_open(PEERS, "train.py", "scikit-learn", arguments);
    if (pipe == NULL || fscanf(pipe, "%63s %lf", version, &peer_ms) != 2) {
        (void)fprintf(stderr, "bench_train: no result of scikit-learn, so there is no ratio\n");
        lw_bench_print("train_vs_sklearn", ms, "ms");
    } else {
        lw_bench_print_peer("train_vs_sklearn", ms, "ms", "scikit-learn", version, peer_ms);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    for (size_t i = 0; i < N_MODELS; i++) {
        lw_model_class_find(wanted[i].class)->destroy(bench.models[i]);
    }
    free(values);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return 0;
}
