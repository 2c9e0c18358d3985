/* The class "ecod": tails of the empirical distributions. See model/ecod.c and docs/models/ecod.md.
 */
#ifndef LW_MODEL_ECOD_H
#define LW_MODEL_ECOD_H

#include "model/model.h"

extern const struct lw_model_class lw_model_ecod;

#endif
