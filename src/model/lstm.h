/* The class "lstm": a recurrent forecaster. See model/lstm.c and docs/models/lstm.md. */
#ifndef LW_MODEL_LSTM_H
#define LW_MODEL_LSTM_H

#include "model/model.h"

extern const struct lw_model_class lw_model_lstm;

#endif
