/*
 * A small model file, and the rows it is trained on: one group, which serves any entity, and the
 * state of the entity whose rows they are.
 *
 * No cmocka here: fuzzers use it too.
 */
#ifndef LW_TESTS_SUPPORT_MODEL_FILE_H
#define LW_TESTS_SUPPORT_MODEL_FILE_H

#include "base/hash.h"
#include "engine/fleet/model_file.h"
#include "train/ensemble_fit.h"

#include <stdlib.h>

#define LW_TEST_MODEL_ROWS 160u

struct lw_test_model_file {
    const char *models, *tuning;
    char *entity;   /* Known to it. */
    char **columns; /* [n_columns] */
    uint32_t n_columns;
};

/* A metric's value at a step: a wave of its own and a little noise, the same in every run. */
static inline float lw_test_model_value(uint32_t column, uint64_t step)
{
    uint64_t mixed = lw_hash_bytes(&step, sizeof(step), column);

    return (float)((step + 3 * column) % (7 + column)) + (float)(mixed >> 44) * 0x1p-20f;
}

/* The bytes of the file; the writer is initialised here and the caller's on LW_OK. */
static inline enum lw_status lw_test_model_file_write(const struct lw_test_model_file *want,
                                                      struct lw_writer *ret_writer,
                                                      struct lw_error *reterr)
{
    size_t n = want->n_columns;
    float *rows = malloc(LW_TEST_MODEL_ROWS * n * sizeof(*rows));
    struct lw_plan *plan = malloc(sizeof(*plan));
    struct lw_training_entity trained = {.rows = rows, .n_rows = LW_TEST_MODEL_ROWS};
    struct lw_training_set set = {
        .entities = &trained, .n_entities = 1, .n_columns = n, .seed = 1, .n_threads = 1};
    struct lw_training_result result = {0};
    enum lw_status status = rows == NULL || plan == NULL ? LW_ENOMEM : LW_OK;

    for (size_t i = 0; status == LW_OK && i < LW_TEST_MODEL_ROWS * n; i++) {
        rows[i] = lw_test_model_value((uint32_t)(i % n), i / n);
    }
    if (status == LW_OK) {
        status = lw_plan_parse(want->models, want->tuning, plan, reterr);
    }
    if (status == LW_OK) {
        status = lw_ensemble_fit(plan, &set, &result, reterr);
    }
    if (status == LW_OK) {
        char report[] = "{}";
        struct lw_model_group group = {result.ensemble, want->n_columns, want->columns};
        struct lw_model_entity entity = {want->entity, 0, (uint32_t)result.n_state, result.states,
                                         result.calibrators[0]};
        struct lw_model_file file = {.n_groups = 1,
                                     .groups = &group,
                                     .n_entities = 1,
                                     .entities = &entity,
                                     .report = report};

        lw_writer_init(ret_writer);
        lw_model_file_save(&file, ret_writer);
        status = ret_writer->status;
        lw_training_result_fini(&result);
    }
    free(rows);
    free(plan);
    return status;
}

#endif
