/* The class "linear": a linear forecaster of all columns from all columns. See model/linear.c and
 * docs/models/linear.md. */
#ifndef LW_MODEL_LINEAR_H
#define LW_MODEL_LINEAR_H

#include "model/model.h"

/* What the row that this state was given last left unexplained, in trained units: float[n_dims]; 0
 * where a value was missing. Borrowed from the state. */
const float *lw_linear_residual(const struct lw_model *model, const float *state);

extern const struct lw_model_class lw_model_linear;

#endif
