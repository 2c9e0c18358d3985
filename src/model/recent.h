/* The class "recent": nearest neighbours that remember what was lately. See model/recent.c and
 * docs/models/recent.md. */
#ifndef LW_MODEL_RECENT_H
#define LW_MODEL_RECENT_H

#include "model/model.h"

extern const struct lw_model_class lw_model_recent;

#endif
