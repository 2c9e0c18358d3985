/*
 * Random Cut Forest: 50 trees of 256 on 38 metrics of a real server, on one core, beside the Java
 * library of Amazon with the same trees, samples, columns and rows.
 *
 * Prints rcf_update_vs_java (microseconds to learn one row, the oldest forgotten), rcf_row_vs_java
 * (to score it), rcf_step_vs_java (both in turn), and the cost of a fit and of shares.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEER LW_TEST_DATA "/../../bench/peers/rcf"

struct bench {
    const struct lw_model_class *forest;
    _Alignas(16) char options[256];
    struct lw_test_table train, test;
    struct lw_model *model;
    struct lw_rng rng;
    float *shares; /* [n_dims] */
};

static void bench_check(enum lw_status st, const struct lw_error *error)
{
    if (st != LW_OK) {
        (void)fprintf(stderr, "bench_rcf: %s\n", error->message);
        exit(1);
    }
}

static void bench_fit(void *context)
{
    struct bench *bench = context;
    struct lw_model_rows rows = {.values = bench->train.values,
                                 .n_rows = bench->train.n_rows,
                                 .n_dims = bench->train.n_dims};
    struct lw_error error = {0};

    bench->forest->destroy(bench->model);
    bench->model = NULL;
    lw_rng_seed(&bench->rng, 1);
    bench_check(bench->forest->fit(bench->options, &rows, &bench->rng, &bench->model, &error),
                &error);
}

static void bench_scores(void *context)
{
    struct bench *bench = context;
    float distance;

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        bench->forest->score(bench->model, NULL, bench->test.values + i * bench->test.n_dims, 1,
                             &distance);
    }
}

static void bench_updates(void *context)
{
    struct bench *bench = context;
    struct lw_error error = {0};

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        const float *row = bench->test.values + i * bench->test.n_dims;

        bench_check(bench->forest->update(bench->model, row, &bench->rng, &error), &error);
    }
}

static void bench_steps(void *context)
{
    struct bench *bench = context;
    struct lw_error error = {0};
    float distance;

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        const float *row = bench->test.values + i * bench->test.n_dims;

        bench->forest->score(bench->model, NULL, row, 1, &distance);
        bench_check(bench->forest->update(bench->model, row, &bench->rng, &error), &error);
    }
}

static void bench_attribute(void *context)
{
    struct bench *bench = context;

    for (size_t i = 0; i < bench->test.n_rows; i++) {
        bench->forest->attribute(bench->model, NULL, bench->test.values + i * bench->test.n_dims,
                                 bench->shares);
    }
}

int main(void)
{
    struct bench bench = {.forest = lw_model_class_find("rcf"),
                          .train = lw_test_table_read(TRAIN),
                          .test = lw_test_table_read(TEST)};
    static const char *const names[] = {"rcf_step_vs_java", "rcf_update_vs_java",
                                        "rcf_row_vs_java"};
    static void (*const works[])(void *) = {bench_steps, bench_updates, bench_scores};
    double n = (double)bench.test.n_rows, us[3], peer_us[3];
    char version[64];
    bool has_peer;
    FILE *pipe;

    if (bench.forest == NULL || bench.forest->options_bytes > sizeof(bench.options)) {
        (void)fprintf(stderr, "bench_rcf: the options are not what it was written for\n");
        return 1;
    }
    lw_options_default(bench.forest->options, bench.forest->n_options, bench.options);
    bench.shares = calloc(bench.test.n_dims, sizeof(float));
    lw_bench_print("rcf_fit", lw_bench_median_s(bench_fit, &bench) * 1e3, "ms");
    for (size_t i = 0; i < 3; i++) {
        us[i] = lw_bench_median_s(works[i], &bench) / n * 1e6;
    }
    lw_bench_print("rcf_attribute", lw_bench_median_s(bench_attribute, &bench) / n * 1e6, "us");
    pipe = popen("'" PEER "' '" TRAIN "' '" TEST "' 50 256", "r");
    has_peer = pipe != NULL && fscanf(pipe, "%63s %lf %lf %lf", version, &peer_us[0], &peer_us[1],
                                      &peer_us[2]) == 4;
    if (!has_peer) {
        (void)fprintf(stderr, "bench_rcf: no result of the Java library, so there is no ratio\n");
    }
    for (size_t i = 0; i < 3; i++) {
        if (has_peer) {
            lw_bench_print_peer(names[i], us[i], "us", "randomcutforest-core", version, peer_us[i]);
        } else {
            lw_bench_print(names[i], us[i], "us");
        }
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    bench.forest->destroy(bench.model);
    free(bench.shares);
    lw_test_table_free(&bench.test);
    lw_test_table_free(&bench.train);
    return 0;
}
