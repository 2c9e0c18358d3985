/*
 * Fits an ensemble to the rows of one entity, or of several that will share it.
 *
 * Everything is fitted twice: on the older 70 % of each entity's rows, to see what the newer 30 %
 * look like to models that do not know them, which units and calibration come from; then on all
 * rows, for service. Labels play no part.
 */
#ifndef LW_TRAIN_ENSEMBLE_FIT_H
#define LW_TRAIN_ENSEMBLE_FIT_H

#include "detect/ensemble.h"
#include "train/plan.h"

/* Fewest rows of an entity worth fitting. */
#define LW_TRAIN_ROWS_MIN 64
/* Share of the rows, the newest, that are kept back; at least LW_CALIBRATION_ROWS_MIN. */
#define LW_TRAIN_KEPT_BACK 0.3

/* Rows of one entity: raw values, NaN where missing, in time order. */
struct lw_training_entity {
    const float *rows; /* [n_rows][n_columns] of the set; borrowed. */
    size_t n_rows;
    const size_t *runs; /* [n_runs] lengths, none 0, of stretches without a break, adding up to
                           n_rows; NULL: all rows are one. Models look back within a run only. */
    size_t n_runs;
};

struct lw_training_set {
    const struct lw_training_entity *entities;
    size_t n_entities;
    size_t n_columns;
    const float *natural; /* [n_columns] natural units (detect/views.h); NULL: none are known. */
    uint64_t seed;
    size_t n_threads;
    /* May be NULL: n_done of n_all jobs are done; called from any of the threads. */
    void (*progress)(void *context, size_t n_done, size_t n_all);
    void *context;
};

/* What training found out about a member. */
struct lw_member_report {
    double fit_seconds;       /* Of the fit on all rows. */
    double nanoseconds_a_row; /* Of scoring, row by row, as measured on the newest rows. */
    size_t bytes;             /* Both are 0 of the views' own forecaster. */
};

/* What comes of a training. The caller owns all of it: lw_training_result_fini(). */
struct lw_training_result {
    struct lw_ensemble *ensemble;
    size_t n_entities, n_state;
    float *states;                     /* [n_entities][n_state], as after each entity's last row. */
    struct lw_calibrator *calibrators; /* [n_entities], the same. */
    size_t n_kept;                     /* Rows kept back, of all entities. */
    double *levels;                    /* [n_kept] Their levels, entity by entity; NaN: missing. */
    size_t *kept;                      /* [n_entities] How many are whose. */
    float *distances;                  /* [n_kept][n_members] */
    struct lw_member_report members[LW_ENSEMBLE_MEMBERS_MAX];
};

/*
 * LW_EINVAL below LW_TRAIN_ROWS_MIN rows in an entity, for columns out of bounds, for runs that do
 * not add up, or when fewer than LW_CALIBRATION_ROWS_MIN rows kept back are known; LW_ENOMEM. Rows
 * of which nothing is known are as if they were not there. The same bits whatever the number of
 * threads. Memory beside the result: about 8 n_columns + 300 bytes for every row, twice,
 * and what the members need.
 */
enum lw_status lw_ensemble_fit(const struct lw_plan *plan, const struct lw_training_set *set,
                               struct lw_training_result *ret_result,
                               struct lw_error *reterr) LW_MUST_USE;

/* What a fold of a cross-validation judges: rows that its fit must not see. */
struct lw_fold {
    const struct lw_training_entity *judged; /* [n_entities] The entities of the set, in its order,
                                                with rows past those it holds. */
    const size_t *from; /* [n_entities] The first row judged; those before it only warm states. */
};

/*
 * Fits each member once, to all rows of the set, and gives the distances of rows [from, n_rows) of
 * each entity judged, entity by entity: float[sum of n_rows - from][n_members]. Errors as
 * lw_ensemble_fit(). The same bits whatever the number of threads.
 */
enum lw_status lw_ensemble_fit_fold(const struct lw_plan *plan, const struct lw_training_set *set,
                                    const struct lw_fold *fold, float *ret_distances,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared result. */
void lw_training_result_fini(struct lw_training_result *result);

#endif
