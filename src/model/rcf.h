/* The class "rcf": Random Cut Forest. See model/rcf.c and docs/models/rcf.md. */
#ifndef LW_MODEL_RCF_H
#define LW_MODEL_RCF_H

#include "model/model.h"

extern const struct lw_model_class lw_model_rcf;

#endif
