/* The class "iforest": Isolation Forest. See model/iforest.c and docs/models/iforest.md. */
#ifndef LW_MODEL_IFOREST_H
#define LW_MODEL_IFOREST_H

#include "model/model.h"

extern const struct lw_model_class lw_model_iforest;

#endif
