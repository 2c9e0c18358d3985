/* The class "ocsvm": One-Class SVM. See model/ocsvm.c and docs/models/ocsvm.md. */
#ifndef LW_MODEL_OCSVM_H
#define LW_MODEL_OCSVM_H

#include "model/model.h"

extern const struct lw_model_class lw_model_ocsvm;

#endif
