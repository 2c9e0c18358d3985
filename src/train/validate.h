/*
 * Time-ordered cross-validation: each member is fitted to the rows up to a moment and judged on
 * those after it, in windows that grow.
 *
 * The rows of an entity from LW_VALIDATION_FIRST of them on are cut into as many stretches as there
 * are folds; fold k fits to all rows before stretch k. Between what is fitted and what is judged
 * LW_VALIDATION_GAP rows are left out: no model looks back further, so no row judged shares a
 * window with a row fitted. What comes of it is the distance of every member in every row judged:
 * from that any combination of members can be judged without another fit.
 */
#ifndef LW_TRAIN_VALIDATE_H
#define LW_TRAIN_VALIDATE_H

#include "train/ensemble_fit.h"

#define LW_VALIDATION_FIRST 0.4
#define LW_VALIDATION_GAP 64u
#define LW_VALIDATION_FOLDS_MAX 10u
/* Fewest rows of an entity that can be cut so. */
#define LW_VALIDATION_ROWS_MIN 512u

/* One entity's rows, all of them, in the columns of the set. Borrowed. */
struct lw_validation_entity {
    struct lw_training_entity rows;
    const uint8_t *labels;   /* [n_rows] Not 0: called anomalous by a person; NULL: none is. */
    const int64_t *times_ns; /* [n_rows] */
};

/* A stretch of an entity in the record. */
struct lw_held_stretch {
    size_t entity, fold;
    size_t first_row; /* Of the entity. */
    size_t at;        /* Of the record. */
    size_t n_rows;    /* The first LW_VALIDATION_GAP only lead up to it. */
};

/* Distances in rows that the models had not seen. Owned by the caller: lw_held_out_fini(). */
struct lw_held_out {
    size_t n_entities, n_folds, n_members, n_rows;
    const struct lw_validation_entity *entities; /* Borrowed. */
    struct lw_held_stretch *stretches;           /* [n_entities][n_folds] */
    float *distances;                            /* [n_rows][n_members] NaN: cannot tell. */
};

/* What is validated. */
struct lw_validation {
    const struct lw_plan *plan;
    const struct lw_validation_entity *entities; /* Each of LW_VALIDATION_ROWS_MIN rows at least. */
    size_t n_entities, n_columns;
    const float *natural; /* [n_columns] or NULL. */
    size_t n_folds;       /* 2 to LW_VALIDATION_FOLDS_MAX. */
    bool is_shared;       /* One model for all entities, not one each. */
    uint64_t seed;
    size_t n_threads;
    /* May be NULL: n_done of n_all fits are done; from any of the threads. */
    void (*progress)(void *context, size_t n_done, size_t n_all);
    void *context;
};

/* Labelled rows are judged but never fitted to. LW_ENOMEM; else as lw_ensemble_fit(). The same bits
 * whatever the number of threads. */
enum lw_status lw_validate(const struct lw_validation *validation, struct lw_held_out *ret_held,
                           struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared one. */
void lw_held_out_fini(struct lw_held_out *held);

/* Copies rows without those that are labelled; runs end where rows are left out. ret_runs has room
 * for entity->rows.n_rows lengths. Returns how many rows remain. */
size_t lw_rows_without_labelled(const struct lw_validation_entity *entity, size_t n_rows,
                                size_t n_columns, float *ret_rows, size_t *ret_runs,
                                size_t *ret_n_runs);

#endif
