/* What the files that fit ensembles share: one fit, its jobs, and the scoring of rows with what
 * came of it. */
#ifndef LW_TRAIN_ENSEMBLE_FIT_INTERNAL_H
#define LW_TRAIN_ENSEMBLE_FIT_INTERNAL_H

#include "train/ensemble_fit.h"

#include <stdatomic.h>

/* Rows before the ones of interest that a fresh state is led through: many times the look-back. */
#define LW_FIT_WARM_ROWS 512u

/* One of the two fits: on a share of each entity's rows. */
struct lw_fit_half {
    const struct lw_plan *plan;
    const struct lw_training_set *set;
    uint64_t seed;
    size_t *used;  /* [n_entities] rows used of each entity */
    size_t n_rows; /* Those of them, in all, of which anything is known. */
    size_t *runs;  /* [n_runs] Stretches without a break, of all entities. */
    size_t n_runs;
    float *scales;                    /* [n_entities][n_scale] */
    float *matrix[LW_VIEW_PATCH + 1]; /* By view: [n_rows][width]; values first of all. */
    struct lw_views *views;
    struct lw_model *models[LW_ENSEMBLE_MEMBERS_MAX];
    double fit_seconds[LW_ENSEMBLE_MEMBERS_MAX];
    enum lw_status status; /* Of making the views. */
    struct lw_error error;
};

/* Both fits, and the jobs on the way. */
struct lw_fit {
    struct lw_fit_half halves[2]; /* The one that keeps rows back, and the whole. */
    atomic_size_t n_done;
    size_t n_all;
    enum lw_status statuses[2 * LW_ENSEMBLE_MEMBERS_MAX];
    struct lw_error errors[2 * LW_ENSEMBLE_MEMBERS_MAX];
};

/* Where rows are scored one after the other. */
struct lw_fit_scoring {
    const struct lw_ensemble *ensemble;
    const struct lw_fit_half *half;            /* Whose scales count. */
    const struct lw_training_entity *entities; /* Whose rows are scored. */
    float *state;
    size_t n_state;
};

size_t lw_fit_n_kept_back(size_t n_rows);
void lw_fit_half_fini(struct lw_fit_half *half);
enum lw_status lw_fit_half_init(struct lw_fit_half *half, const struct lw_plan *plan,
                                const struct lw_training_set *set, bool keeps_back,
                                struct lw_error *reterr) LW_MUST_USE;
struct lw_model_rows lw_fit_half_rows(const struct lw_fit_half *half, enum lw_view view);
void lw_fit_job_views(void *context, size_t i);
/* One member of one half; the members of the whole, which have more rows, come first. */
void lw_fit_job_member(void *context, size_t i);
/* An ensemble that takes views and models over from a half. */
struct lw_ensemble *lw_fit_half_take(struct lw_fit_half *half);
/* Rows [from, to) of an entity, after LW_FIT_WARM_ROWS before them from a fresh state. ret_energies
 * and ret_distances (either may be NULL) are of rows [from, to). */
void lw_fit_score_rows(const struct lw_fit_scoring *scoring, size_t entity, size_t from, size_t to,
                       double *ret_energies, float *ret_distances);
/* Runs must add up to the rows, none of them empty: models walk along them. */
bool lw_fit_runs_add_up(const struct lw_training_entity *entity);
enum lw_status lw_fit_check_set(const struct lw_training_set *set,
                                struct lw_error *reterr) LW_MUST_USE;

#endif
