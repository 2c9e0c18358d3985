/* The class "iforest": Isolation Forest. See model/iforest.c and docs/models/iforest.md. */
#ifndef LW_MODEL_IFOREST_H
#define LW_MODEL_IFOREST_H

#include "model/model.h"

extern const struct lw_model_class lw_model_iforest;

/* Mean path length of a row, and what the forest expects of any row: the mean over its training
 * rows. */
double lw_iforest_path(const struct lw_model *model, const float *row);
double lw_iforest_path_expected(const struct lw_model *model);
/* Whether cuts lie across several columns: then there are no exact Shapley values. */
bool lw_iforest_is_extended(const struct lw_model *model);
/* Of a plain forest: exact Shapley values of a row's mean path length, double[n_dims]: with the
 * expected path they add up to it. Negative where a column makes the row strange; 0 for a column
 * that is in no cut. Allocates nothing. See math/shapley.h. */
void lw_iforest_shapley(const struct lw_model *model, const float *row, double *ret_values);

#endif
