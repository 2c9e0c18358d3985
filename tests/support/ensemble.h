/*
 * An ensemble fitted to rows of a real server (tests/data/smd), for tests that need one.
 *
 * Every call that fails ends the test.
 */
#ifndef LW_TESTS_SUPPORT_ENSEMBLE_H
#define LW_TESTS_SUPPORT_ENSEMBLE_H

#include "support/table.h"
#include "support/test.h"

#include "train/ensemble_fit.h"

/* Options that make training quick; what is learnt is the poorer for it. */
#define LW_TEST_QUICK "lstm.steps=20, autoencoder.epochs=2, iforest.trees=20, ocsvm.rows=200"

static inline struct lw_test_table lw_test_server(const char *part)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/smd/machine-1-6-%s.csv", LW_TEST_DATA, part);
    return lw_test_table_read(path);
}

static inline struct lw_training_result lw_test_ensemble_fit(const char *models,
                                                             const char *options,
                                                             const struct lw_training_set *set)
{
    struct lw_training_result result = {0};
    struct lw_error error = {0};
    struct lw_plan plan;

    if (lw_plan_parse(models, options, &plan, &error) != LW_OK ||
        lw_ensemble_fit(&plan, set, &result, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return result;
}

/* One entity, all rows of the table. */
static inline struct lw_training_result lw_test_ensemble_of(const char *models, const char *options,
                                                            const struct lw_test_table *table)
{
    struct lw_training_entity entity = {.rows = table->values, .n_rows = table->n_rows};
    struct lw_training_set set = {.entities = &entity,
                                  .n_entities = 1,
                                  .n_columns = table->n_dims,
                                  .seed = 7,
                                  .n_threads = 2};

    return lw_test_ensemble_fit(models, options, &set);
}

#endif
