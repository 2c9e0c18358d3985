/*
 * Tier 1: an ensemble of models over the views of an entity, and what it says of a step.
 *
 * Each member gives a distance D in its own unit; energies u = 200 ln(1 + (D / max(median, unit))^2
 * / 200) of all members are averaged by weight (detect/calibrate.h takes it from there). struct
 * lw_ensemble is immutable once fitted and may be shared by threads and entities; an entity's own
 * state is an array of floats: the views', then that of each sequence member.
 */
#ifndef LW_DETECT_ENSEMBLE_H
#define LW_DETECT_ENSEMBLE_H

#include "detect/calibrate.h"
#include "detect/views.h"
#include "model/model.h"

#define LW_ENSEMBLE_MEMBERS_MAX 32

/* One model of an ensemble. */
struct lw_member {
    const struct lw_model_class *class;
    struct lw_model *model; /* NULL: the views' own linear forecaster. */
    enum lw_view view;
    double weight; /* >= 0, as a share of the sum of weights. */
    double unit;   /* > 0: least unit of its distance. */
    double median; /* Of its distances on rows that were kept back. */
};

struct lw_ensemble {
    struct lw_views *views;
    uint32_t n_members;
    struct lw_member members[LW_ENSEMBLE_MEMBERS_MAX];
    struct lw_calibration calibration;
};

/* Takes NULL. */
void lw_ensemble_destroy(struct lw_ensemble *ensemble);
size_t lw_ensemble_n_columns(const struct lw_ensemble *ensemble);
/* Floats of an entity's state; 4 columns of it at the front are its scale (detect/views.h). */
size_t lw_ensemble_n_state(const struct lw_ensemble *ensemble);
/* Memory held by the models and views. */
size_t lw_ensemble_bytes(const struct lw_ensemble *ensemble);

/*
 * The next step of n entities: states[i] takes rows[i], float[n_columns] of raw values, NaN where
 * missing. ret_energies[n]: NaN for a row of which nothing is known, which changes no state.
 * ret_distances: float[n][n_members], or NULL.
 *
 * Batches of any size give the same bits. Allocates nothing; 150 KB of stack. Any thread.
 */
void lw_ensemble_step(const struct lw_ensemble *ensemble, float *const *states,
                      const float *const *rows, size_t n, double *ret_energies,
                      float *ret_distances);
/* How much each metric had to do with the step that this state took last: squared forecast
 * residuals, float[n_columns], >= 0. */
void lw_ensemble_attribute(const struct lw_ensemble *ensemble, const float *state,
                           float *ret_shares);

/* Versioned bytes; a loaded ensemble gives the same bits. */
void lw_ensemble_save(const struct lw_ensemble *ensemble, struct lw_writer *writer);
/* LW_EFORMAT for damaged bytes, LW_EVERSION, LW_ENOTFOUND for an unknown class, LW_ENOMEM. */
enum lw_status lw_ensemble_load(struct lw_reader *reader, struct lw_ensemble **ret_ensemble,
                                struct lw_error *reterr) LW_MUST_USE;

#endif
