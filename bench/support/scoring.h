/* Scoring by one fitted model, in batches of 1,024 and one row at a time. */
#ifndef LW_BENCH_SUPPORT_SCORING_H
#define LW_BENCH_SUPPORT_SCORING_H

#include "bench.h"

#include "base/option.h"
#include "model/model.h"

#include <math.h>

#define LW_SCORING_ROWS 1024

struct lw_scoring {
    const struct lw_model_class *model_class;
    const char *const *options; /* Name, value, ... NULL. */
    struct lw_model_rows train;
    const float *rows; /* [LW_SCORING_ROWS][n_dims] */
    struct lw_model *model;
    float by_batch[LW_SCORING_ROWS];
    float by_row[LW_SCORING_ROWS];
    float shares[LW_MODEL_DIMS_MAX];
    double row_us, batch_us, fit_ms, attribute_us; /* What was measured. */
};

static inline void lw_scoring_fit(void *context)
{
    struct lw_scoring *scoring = context;
    const struct lw_model_class *model_class = scoring->model_class;
    void *options = calloc(1, model_class->options_bytes + 1);
    struct lw_error error = {0};
    struct lw_rng rng;
    enum lw_status status = LW_OK;

    model_class->destroy(scoring->model);
    scoring->model = NULL;
    lw_options_default(model_class->options, model_class->n_options, options);
    for (const char *const *option = scoring->options; *option != NULL && status == LW_OK;
         option += 2) {
        status = lw_options_set(model_class->options, model_class->n_options, options, option[0],
                                option[1], &error);
    }
    lw_rng_seed(&rng, 1);
    if (status != LW_OK ||
        model_class->fit(options, &scoring->train, &rng, &scoring->model, &error) != LW_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    free(options);
}

static inline void lw_scoring_batch(void *context)
{
    struct lw_scoring *scoring = context;

    scoring->model_class->score(scoring->model, NULL, scoring->rows, LW_SCORING_ROWS,
                                scoring->by_batch);
}

static inline void lw_scoring_rows(void *context)
{
    struct lw_scoring *scoring = context;

    for (size_t i = 0; i < LW_SCORING_ROWS; i++) {
        scoring->model_class->score(scoring->model, NULL, scoring->rows + i * scoring->train.n_dims,
                                    1, scoring->by_row + i);
    }
}

static inline void lw_scoring_attribute(void *context)
{
    struct lw_scoring *scoring = context;

    for (size_t i = 0; i < LW_SCORING_ROWS; i++) {
        scoring->model_class->attribute(scoring->model, NULL,
                                        scoring->rows + i * scoring->train.n_dims, scoring->shares);
    }
}

/* Measures all; ends the process when single rows give other bits than batches. */
static inline void lw_scoring_measure(struct lw_scoring *scoring)
{
    scoring->fit_ms = lw_bench_median_s(lw_scoring_fit, scoring) * 1e3;
    scoring->batch_us = lw_bench_median_s(lw_scoring_batch, scoring) / LW_SCORING_ROWS * 1e6;
    scoring->row_us = lw_bench_median_s(lw_scoring_rows, scoring) / LW_SCORING_ROWS * 1e6;
    scoring->attribute_us = lw_bench_median_s(lw_scoring_attribute, scoring) / LW_SCORING_ROWS *
                            1e6;
    if (memcmp(scoring->by_batch, scoring->by_row, sizeof(scoring->by_row)) != 0) {
        (void)fprintf(stderr, "batch and single rows give different bits\n");
        exit(1);
    }
}

/* NAME_vectors_per_s_core, NAME_row, NAME_attribute, NAME_fit. */
static inline void lw_scoring_print(const struct lw_scoring *scoring, const char *name)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s_vectors_per_s_core", name);
    lw_bench_print(text, 1e6 / scoring->batch_us, "1/s");
    (void)snprintf(text, sizeof(text), "%s_row", name);
    lw_bench_print(text, scoring->row_us, "us");
    (void)snprintf(text, sizeof(text), "%s_attribute", name);
    lw_bench_print(text, scoring->attribute_us, "us");
    (void)snprintf(text, sizeof(text), "%s_fit", name);
    lw_bench_print(text, scoring->fit_ms, "ms");
}

#endif
