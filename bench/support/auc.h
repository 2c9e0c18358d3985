/*
 * What a model is worth on labelled tables: the area under the ROC curve, fitted and scored on the
 * whole table, mean and standard deviation over seeds. One JSON object a table.
 *
 *     bench_<model>_auc [TABLE.csv ...]     a column "label" marks the outliers; default: two
 * tables of tests/data
 */
#ifndef LW_BENCH_SUPPORT_AUC_H
#define LW_BENCH_SUPPORT_AUC_H

#include "../../tests/support/table.h"

#include "base/option.h"
#include "model/model.h"

struct lw_bench_auc {
    const char *model;
    const char *const *options; /* Name, value, ... NULL. */
    bool is_standardised;       /* Columns to mean 0 and standard deviation 1 first. */
    uint64_t n_seeds;
};

/* Columns without spread become 0. */
static inline void lw_bench_auc_standardise(struct lw_test_table *table)
{
    for (size_t column = 0; column < table->n_dims; column++) {
        double mean = 0.0, square = 0.0, n = (double)table->n_rows;
        float *values = table->values + column;

        for (size_t i = 0; i < table->n_rows; i++) {
            mean += (double)values[i * table->n_dims] / n;
        }
        for (size_t i = 0; i < table->n_rows; i++) {
            double apart = (double)values[i * table->n_dims] - mean;

            square += apart * apart / n;
        }
        for (size_t i = 0; i < table->n_rows; i++) {
            double apart = (double)values[i * table->n_dims] - mean;

            values[i * table->n_dims] = square > 1e-20 ? (float)(apart / sqrt(square)) : 0.0f;
        }
    }
}

/* In percent. */
static inline double lw_bench_auc_area(const struct lw_bench_auc *bench,
                                       const struct lw_test_table *table, uint64_t seed)
{
    const struct lw_model_class *model_class = lw_model_class_find(bench->model);
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = calloc(1, model_class->options_bytes + 1);
    float *scores = calloc(table->n_rows, sizeof(float));
    struct lw_model *model = NULL;
    enum lw_status status = LW_OK;
    struct lw_error error = {0};
    struct lw_rng rng;
    double area;

    lw_options_default(model_class->options, model_class->n_options, options);
    for (const char *const *option = bench->options; *option != NULL && status == LW_OK;
         option += 2) {
        status = lw_options_set(model_class->options, model_class->n_options, options, option[0],
                                option[1], &error);
    }
    lw_rng_seed(&rng, seed);
    if (status != LW_OK || model_class->fit(options, &rows, &rng, &model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    model_class->score(model, NULL, table->values, table->n_rows, scores);
    area = 100.0 * lw_test_table_auc(table, scores);
    model_class->destroy(model);
    free(scores);
    free(options);
    return area;
}

static inline void lw_bench_auc_table(const struct lw_bench_auc *bench, const char *path)
{
    struct lw_test_table table = lw_test_table_read(path);
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    double mean = 0.0, square = 0.0, n = (double)bench->n_seeds;

    if (bench->is_standardised) {
        lw_bench_auc_standardise(&table);
    }
    for (uint64_t seed = 0; seed < bench->n_seeds; seed++) {
        double area = lw_bench_auc_area(bench, &table, seed);

        mean += area / n;
        square += area * area / n;
    }
    printf("{\"bench\": \"%s_auc_%.*s\", \"value\": %.2f, \"unit\": \"%%\", \"deviation\": "
           "%.2f, \"seeds\": %d}\n",
           bench->model, (int)strcspn(name, "."), name, mean, sqrt(fmax(square - mean * mean, 0.0)),
           (int)bench->n_seeds);
    (void)fflush(stdout);
    lw_test_table_free(&table);
}

static inline int lw_bench_auc_run(const struct lw_bench_auc *bench, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        lw_bench_auc_table(bench, argv[i]);
    }
    if (argc < 2) {
        lw_bench_auc_table(bench, LW_TEST_DATA "/adbench/breastw.csv");
        lw_bench_auc_table(bench, LW_TEST_DATA "/adbench/glass.csv");
    }
    return 0;
}

#endif
