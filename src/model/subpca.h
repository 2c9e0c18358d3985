/* The class "subpca": principal components of sub-sequences, or of any view's rows. See
 * model/subpca.c and docs/models/subpca.md. */
#ifndef LW_MODEL_SUBPCA_H
#define LW_MODEL_SUBPCA_H

#include "model/model.h"

extern const struct lw_model_class lw_model_subpca;

#endif
