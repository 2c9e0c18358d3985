/*
 * What Isolation Forest is worth: the area under the ROC curve on labelled tables, 100 trees of
 * 256, fitted and scored on the whole raw table, mean and standard deviation over ten seeds.
 *
 *     bench_iforest_auc [--extend N] [TABLE.csv ...]
 *
 * A column "label" marks the outliers; default: two tables of tests/data. Cuts lie across N further
 * columns, 0 where nothing is said.
 *
 * bench/quality_adbench runs it over all tables of adbench and sets the reference beside them.
 */
#include "../tests/support/table.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"

#define N_SEEDS 10

/* Areas in percent, one a seed. */
static void forest_areas(const struct lw_test_table *table, const char *extend, double *ret_areas)
{
    const struct lw_model_class *forest = lw_model_class_find("iforest");
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = calloc(1, forest->options_bytes);
    float *scores = calloc(table->n_rows, sizeof(float));
    struct lw_error error = {0};

    lw_options_default(forest->options, forest->n_options, options);
    if (lw_options_set(forest->options, forest->n_options, options, "extend", extend, &error) !=
        LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct lw_model *model = NULL;
        struct lw_rng rng;

        lw_rng_seed(&rng, seed);
        if (forest->fit(options, &rows, &rng, &model, &error) != LW_OK) {
            (void)fprintf(stderr, "%s\n", error.message);
            exit(1);
        }
        forest->score(model, NULL, table->values, table->n_rows, scores);
        ret_areas[seed] = 100.0 * lw_test_table_auc(table, scores);
        forest->destroy(model);
    }
    free(scores);
    free(options);
}

static void table_measure(const char *path, const char *extend)
{
    struct lw_test_table table = lw_test_table_read(path);
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    double areas[N_SEEDS], mean = 0.0, square = 0.0;

    forest_areas(&table, extend, areas);
    for (size_t i = 0; i < N_SEEDS; i++) {
        mean += areas[i] / N_SEEDS;
    }
    for (size_t i = 0; i < N_SEEDS; i++) {
        square += (areas[i] - mean) * (areas[i] - mean) / N_SEEDS;
    }
    printf("{\"bench\": \"iforest_auc_%.*s\", \"value\": %.2f, \"unit\": \"%%\", \"deviation\": "
           "%.2f, \"seeds\": %d, \"extend\": %s}\n",
           (int)strcspn(name, "."), name, mean, sqrt(square), N_SEEDS, extend);
    (void)fflush(stdout);
    lw_test_table_free(&table);
}

int main(int argc, char **argv)
{
    bool is_extended = argc > 2 && strcmp(argv[1], "--extend") == 0;
    const char *extend = is_extended ? argv[2] : "0";
    int first = is_extended ? 3 : 1;

    for (int i = first; i < argc; i++) {
        table_measure(argv[i], extend);
    }
    if (argc <= first) {
        table_measure(LW_TEST_DATA "/adbench/breastw.csv", extend);
        table_measure(LW_TEST_DATA "/adbench/glass.csv", extend);
    }
    return 0;
}
