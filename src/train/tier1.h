/*
 * A fitted tier 1: the model of an entity's vectors, its unit, and the calibration of what it says.
 * Immutable once fitted.
 */
#ifndef LW_TRAIN_TIER1_H
#define LW_TRAIN_TIER1_H

#include "detect/calibrate.h"
#include "model/model.h"
#include "train/rows.h"

/* Fewest rows worth fitting. */
#define LW_TIER1_ROWS_MIN 64
/* Share of the rows, the newest, that are kept back to calibrate on; at least
 * LW_CALIBRATION_ROWS_MIN. */
#define LW_TIER1_KEPT_BACK 0.3

struct lw_tier1; /* Owned by one entity; read by its thread. */

/*
 * Fit twice, as the recipe has it: on the older 70 % of the rows to score the newer 30 %, which the
 * calibration and the unit come from; then on all rows for service. Rows are compressed residuals,
 * NaN where missing; rows kept back of which nothing is known are passed over. calibrator (may be
 * NULL) is primed with the levels of the rows kept back. LW_EINVAL below LW_TIER1_ROWS_MIN rows, or
 * when fewer than LW_CALIBRATION_ROWS_MIN of those kept back are known; LW_ENOMEM. Deterministic
 * from the seed. Cost: two fits and n_rows / 3 scores.
 */
enum lw_status lw_tier1_fit(const struct lw_model_class *class, const struct lw_training_rows *rows,
                            uint64_t seed, struct lw_calibrator *calibrator,
                            struct lw_tier1 **ret_tier1, struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_tier1_destroy(struct lw_tier1 *tier1);
/* Columns it was fitted on: a row to score must have at least so many. */
size_t lw_tier1_n_columns(const struct lw_tier1 *tier1);
/* Energy of one row, (distance / unit)^2; NaN when every column is missing. Allocates nothing. */
double lw_tier1_energy(const struct lw_tier1 *tier1, const float *row);
/* How much each column adds: float[n_columns], >= 0. */
void lw_tier1_attribute(const struct lw_tier1 *tier1, const float *row, float *ret_shares);
/* The calibration for lw_calibrator_step; valid as long as tier1. */
const struct lw_calibration *lw_tier1_calibration(const struct lw_tier1 *tier1);
size_t lw_tier1_bytes(const struct lw_tier1 *tier1);
void lw_tier1_save(const struct lw_tier1 *tier1, struct lw_writer *writer);
/* LW_EFORMAT for damaged bytes, LW_ENOTFOUND for an unknown model, LW_EVERSION, LW_ENOMEM. */
enum lw_status lw_tier1_load(struct lw_reader *reader, struct lw_tier1 **ret_tier1,
                             struct lw_error *reterr) LW_MUST_USE;

#endif
