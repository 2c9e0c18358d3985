/* The shape of a recurrent forecaster, shared by the files that score and train it: see
 * model/lstm.c. */
#ifndef LW_MODEL_LSTM_INTERNAL_H
#define LW_MODEL_LSTM_INTERNAL_H

#include "model/model.h"
#include "model/net.h"

#include <stdint.h>

#define LW_LSTM_CELLS_MAX 64
#define LW_LSTM_WINDOW_MAX 256
#define LW_LSTM_LANES_MAX 256
/* What the network starts from is no further from 0. */
#define LW_LSTM_CLIP 8.0f

struct lw_lstm_options {
    int64_t cells;
    int64_t steps;
    int64_t windows;
    int64_t window;
};

/*
 * Two layers in one block of memory, laid out as in model/net.h, the second behind the first;
 * n_weights floats in all. Every weight is within LW_NET_WEIGHT_MAX.
 *
 *     layers[0], "gates": inputs x[n_dims] and h[n_cells] of the row before; outputs input gate,
 *         output gate, forget gate, candidate, n_cells each (the order of ONNX: i, o, f, c)
 *     layers[1], "step": inputs h[n_cells], outputs n_dims
 *
 *     x_j = value within LW_LSTM_CLIP
 *     i, o, f = sigmoid, g = tanh of the gates;  c = f c + i g;  h = o tanh(c)
 *     next row's prediction = x + step(h), judged by its value within LW_NET_REACH
 */
struct lw_model {
    size_t n_dims;
    size_t n_cells; /* A multiple of LW_LANES. */
    struct lw_layer layers[2];
    float *weights[2];
    size_t n_weights;
    float *gains; /* [n_dims], in (0, 1 / LW_NET_RESIDUAL_LEAST]. */
};

/* An entity's state, all zero at first: a view of its floats. */
struct lw_lstm_state {
    float *seen;       /* [1]: 1 after the first row with a value. */
    float *h;          /* [n_cells] */
    float *c;          /* [n_cells] */
    float *prediction; /* [n_wide of the step]: of the next row. */
    float *residuals;  /* [n_dims]: of the last row, scaled; 0 where it was missing. */
};

/* Windows of rows side by side, on their way forward and back; one block of memory. */
struct lw_lstm_pass {
    size_t n_lanes;     /* Windows. */
    size_t n_steps;     /* Steps of the longest. */
    const float **rows; /* [n_lanes]: steps + 1 rows each, borrowed. */
    size_t *lengths;    /* [n_lanes]: steps of each. */
    /* What each window starts from, and after a pass has ended with. */
    float *h;           /* [n_lanes][n_cells] */
    float *c;           /* [n_lanes][n_cells] */
    float *predictions; /* [n_lanes][n_wide of the step] */
    /* Of every step, kept for the way back. */
    float *inputs; /* [n_steps][n_lanes][n_dims + n_cells] */
    float *gates;  /* [n_steps][n_lanes][4 n_cells] */
    float *cells;  /* [1 + n_steps][n_lanes][n_cells]: c, from before the first step on. */
    float *curves; /* [n_steps][n_lanes][n_cells]: tanh(c) */
    float *hidden; /* [n_steps][n_lanes][n_cells]: h */
    float *slopes; /* [n_steps][n_lanes][n_wide of the step] */
    /* Of the step at hand. */
    float *gate_slopes;   /* [n_lanes][4 n_cells] */
    float *hidden_slopes; /* [n_lanes][n_cells] */
    float *cell_slopes;   /* [n_lanes][n_cells] */
    float *turned_gates;  /* [4 n_cells][n_cells] */
    float *turned_step;   /* [n_dims][n_cells] */
    float *scratch;       /* [n_dims + n_cells][n_lanes] */
    float *gradient;      /* [n_weights] */
};

/* A network of zeros with gains of 1; the sizes are within their limits. */
enum lw_status lw_lstm_create(size_t n_dims, size_t n_cells, struct lw_model **ret_model,
                              struct lw_error *reterr);
void lw_lstm_destroy(struct lw_model *model);
size_t lw_lstm_n_state(const struct lw_model *model);
struct lw_lstm_state lw_lstm_state_of(const struct lw_model *model, float *floats);
/* Judges a row by the prediction and goes on with it: true when there is something to judge. */
bool lw_lstm_step(const struct lw_kernels *kernels, const struct lw_model *model,
                  const struct lw_lstm_state *state, const float *row);
/* The gates' products become gates; c and h go on. ret_curve: tanh(c). */
void lw_lstm_cells(const struct lw_kernels *kernels, size_t n_cells, float *gates, float *c,
                   float *ret_curve, float *ret_h);

/* model/lstm_train.c */
enum lw_status lw_lstm_pass_init(struct lw_lstm_pass *pass, const struct lw_model *model,
                                 size_t n_lanes, size_t n_steps, struct lw_error *reterr);
void lw_lstm_pass_fini(struct lw_lstm_pass *pass);
/* Mean over the windows' steps and the columns of Huber's loss; its derivative by every weight goes
 * into pass->gradient. What a window starts from is taken as given. */
double lw_lstm_learn(const struct lw_model *model, struct lw_lstm_pass *pass);
enum lw_status lw_lstm_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model,
                           struct lw_error *reterr);

#endif
