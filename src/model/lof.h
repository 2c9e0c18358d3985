/* The class "lof": Local Outlier Factor of new rows. See model/lof.c and docs/models/lof.md. */
#ifndef LW_MODEL_LOF_H
#define LW_MODEL_LOF_H

#include "model/model.h"

extern const struct lw_model_class lw_model_lof;

#endif
