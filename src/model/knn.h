/* The class "knn": distance to the k-th nearest of a core set. See model/knn.c and
 * docs/models/knn.md. */
#ifndef LW_MODEL_KNN_H
#define LW_MODEL_KNN_H

#include "model/model.h"

extern const struct lw_model_class lw_model_knn;

#endif
