/*
 * Local Outlier Factor, 20 neighbours, on one core: lof_* as the ensemble has it, 500 rows on 16
 * directions; lof_2000_* at reference size, 2,000 rows of 38 metrics of a real server, beside
 * scikit-learn, which has to find the same factors (lof_row_vs_sklearn, lof_batch_vs_sklearn,
 * lof_fit_vs_sklearn).
 */
#include "support/directions.h"
#include "support/scoring.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define PEERS LW_TEST_DATA "/../../bench/peers"
#define N_DIMS 16
#define N_CORE 2000
#define MEAN_ALLOWED                                                                               \
    1e-3 /* Copies of rows leave a choice among neighbours that are equally far.                   \
          */

static struct lw_scoring scoring;

/* As the ensemble has it. */
static void measure_small(const struct lw_test_table *train, const struct lw_test_table *test)
{
    static const char *const options[] = {NULL};
    float *train_rows = lw_directions(train, N_DIMS), *rows = lw_directions(test, N_DIMS);

    scoring = (struct lw_scoring){
        .model_class = lw_model_class_find("lof"),
        .options = options,
        .train = {.values = train_rows, .n_rows = train->n_rows, .n_dims = N_DIMS},
        .rows = rows};
    lw_scoring_measure(&scoring);
    lw_scoring_print(&scoring, "lof");
    scoring.model_class->destroy(scoring.model);
    free(rows);
    free(train_rows);
}

/* Without a peer the figures stand alone; with other factors than the peer's there are none. */
static void print_peer(void)
{
    char version[64];
    double row_us, batch_us, fit_ms, peer_mean, mean = 0.0;
    FILE *pipe = lw_bench_peer_open(PEERS, "lof.py", "scikit-learn", "'" TRAIN "' '" TEST "'");

    for (size_t i = 0; i < LW_SCORING_ROWS; i++) {
        mean += (double)scoring.by_batch[i] / LW_SCORING_ROWS;
    }
    if (pipe == NULL || fscanf(pipe, "%63s %lf %lf %lf %lf", version, &row_us, &batch_us, &fit_ms,
                               &peer_mean) != 5) {
        (void)fprintf(stderr, "bench_lof: no result of scikit-learn, so there is no ratio\n");
        lw_bench_print("lof_row_vs_sklearn", scoring.row_us, "us");
        lw_bench_print("lof_batch_vs_sklearn", scoring.batch_us, "us");
        lw_bench_print("lof_fit_vs_sklearn", scoring.fit_ms, "ms");
    } else if (!(fabs(mean - peer_mean) <= MEAN_ALLOWED * peer_mean)) {
        (void)fprintf(stderr, "bench_lof: a mean of %.6g, but scikit-learn finds %.6g\n", mean,
                      peer_mean);
        exit(1);
    } else {
        lw_bench_print_peer("lof_row_vs_sklearn", scoring.row_us, "us", "scikit-learn", version,
                            row_us);
        lw_bench_print_peer("lof_batch_vs_sklearn", scoring.batch_us, "us", "scikit-learn", version,
                            batch_us);
        lw_bench_print_peer("lof_fit_vs_sklearn", scoring.fit_ms, "ms", "scikit-learn", version,
                            fit_ms);
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

/* The first rows of both tables; scored are vectors halfway between rows of the second. */
static void measure_large(const struct lw_test_table *train, const struct lw_test_table *test)
{
    static const char *const options[] = {"core", "2000", "least", "0", NULL};
    size_t n_dims = train->n_dims, n_train = train->n_rows * n_dims, n_test = test->n_rows * n_dims;
    float *core = calloc(n_train + n_test, sizeof(float)), *rows = calloc(n_test, sizeof(float));

    memcpy(core, train->values, n_train * sizeof(float));
    memcpy(core + n_train, test->values, n_test * sizeof(float));
    for (size_t i = 0; i < n_test; i++) {
        rows[i] = (test->values[i] + test->values[(i + n_dims) % n_test]) / 2.0f;
    }
    scoring = (struct lw_scoring){.model_class = lw_model_class_find("lof"),
                                  .options = options,
                                  .train = {.values = core, .n_rows = N_CORE, .n_dims = n_dims},
                                  .rows = rows};
    lw_scoring_measure(&scoring);
    lw_scoring_print(&scoring, "lof_2000");
    print_peer();
    scoring.model_class->destroy(scoring.model);
    free(rows);
    free(core);
}

int main(void)
{
    struct lw_test_table train = lw_test_table_read(TRAIN), test = lw_test_table_read(TEST);

    if (test.n_rows < LW_SCORING_ROWS || train.n_rows + test.n_rows < N_CORE) {
        (void)fprintf(stderr, "bench_lof: the data are not what it was written for\n");
        return 1;
    }
    measure_small(&train, &test);
    measure_large(&train, &test);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    return 0;
}
