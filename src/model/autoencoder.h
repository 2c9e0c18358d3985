/* The class "autoencoder": a dense autoencoder. See model/autoencoder.c and
 * docs/models/autoencoder.md. */
#ifndef LW_MODEL_AUTOENCODER_H
#define LW_MODEL_AUTOENCODER_H

#include "model/model.h"

extern const struct lw_model_class lw_model_autoencoder;

#endif
