/*
 * What the small neural networks share: a dense layer forward and backward, Adam, the clip of a
 * gradient, and the weights kept from the best moment of a training.
 *
 * A layer is float[1 + n_in][n_wide]: row 0 the biases, row 1 + i what input i adds to each output.
 * n_wide is n_out rounded up to whole vectors; what lies beyond n_out is 0 and stays 0. All layers
 * of a network lie behind one another in one block, so that training sees one long vector.
 *
 * Everything runs through the kernels, whose tables give the same bits, so a training does too.
 */
#ifndef LW_MODEL_NET_H
#define LW_MODEL_NET_H

#include "base/bytes.h"
#include "base/rng.h"
#include "math/kernels.h"
#include "model/model.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Values count as no further than this from 0: far outside what a view gives, near enough that no
 * sum overflows. */
#define LW_NET_REACH 1000.0f
/* No weight is larger, trained or loaded. */
#define LW_NET_WEIGHT_MAX 1e6f
/* Residuals are divided by their rms in training, but by no less than this. */
#define LW_NET_RESIDUAL_LEAST 0.1
/* Percent of each run's rows, the newest, that training is judged by and does not learn from. */
#define LW_NET_HELD_PERCENT 15

struct lw_layer {
    size_t n_in;
    size_t n_out;
    size_t n_wide; /* n_out rounded up to a multiple of LW_LANES. */
};

static inline size_t lw_net_wide(size_t n)
{
    return (n + LW_LANES - 1) / LW_LANES * LW_LANES;
}

static inline struct lw_layer lw_layer_of(size_t n_in, size_t n_out)
{
    return (struct lw_layer){n_in, n_out, lw_net_wide(n_out)};
}

static inline size_t lw_layer_floats(const struct lw_layer *layer)
{
    return (1 + layer->n_in) * layer->n_wide;
}

/* y[n_wide] = bias + weights x. */
static inline void lw_layer_forward(const struct lw_kernels *kernels, const struct lw_layer *layer,
                                    const float *weights, const float *x, float *ret_y)
{
    memcpy(ret_y, weights, layer->n_wide * sizeof(*ret_y));
    kernels->product(weights + layer->n_wide, x, layer->n_in, layer->n_wide, ret_y);
}

/* Within the reach; NaN stays NaN. */
static inline float lw_net_clamp(float x, float reach)
{
    x = x > reach ? reach : x;
    return x < -reach ? -reach : x;
}

/* Huber's loss with its bend at 1: e^2 / 2 near 0, |e| - 1/2 beyond. Its derivative is e clamped to
 * 1. */
static inline double lw_net_huber(double e)
{
    double size = fabs(e);

    return size <= 1.0 ? 0.5 * e * e : size - 0.5;
}

/* Biases 0, weights uniform within sqrt(6 / (n_in + n_out)): Glorot and Bengio, "Understanding the
 * difficulty of training deep feedforward neural networks", AISTATS 2010. */
void lw_layer_init(const struct lw_layer *layer, float *weights, struct lw_rng *rng);
/* The weights of n inputs from `from` on, turned: float[n_out][lw_net_wide(n)], for
 * lw_layer_backward. */
void lw_layer_turn(const struct lw_layer *layer, const float *weights, size_t from, size_t n,
                   float *ret_turned);
/* dx[lw_net_wide(n)] = what the loss changes by with each of the n inputs that were turned. */
static inline void lw_layer_backward(const struct lw_kernels *kernels, const struct lw_layer *layer,
                                     const float *turned, size_t n, const float *dy, float *ret_dx)
{
    memset(ret_dx, 0, lw_net_wide(n) * sizeof(*ret_dx));
    kernels->product(turned, dy, layer->n_out, lw_net_wide(n), ret_dx);
}
/* Adds to the gradient what n_rows rows say: inputs x[n_rows] that lie x_stride apart, and
 * dy[n_rows][n_wide], 0 beyond n_out. scratch: float[n_in][n_rows]. */
struct lw_layer_batch {
    const float *x;
    size_t x_stride;
    const float *dy;
    size_t n_rows;
    float *scratch;
};
void lw_layer_learn(const struct lw_kernels *kernels, const struct lw_layer *layer,
                    const struct lw_layer_batch *batch, float *gradient);

/* The n_out biases, then the weights of each input: f32s without what is beyond n_out. */
void lw_layer_save(const struct lw_layer *layer, const float *weights, struct lw_writer *writer);
/* Into cleared weights; false when the bytes end early or a weight is out of bounds. */
bool lw_layer_load(const struct lw_layer *layer, float *weights, struct lw_reader *reader);
/* One factor for each column: 1 / max(rms, LW_NET_RESIDUAL_LEAST) of the residuals whose squares
 * and numbers were summed. */
void lw_net_gains(const double *squares, const double *counts, size_t n, float *ret_gains);
/* False when the bytes end early or a factor is none that lw_net_gains gives. */
bool lw_net_gains_load(size_t n, float *ret_gains, struct lw_reader *reader);

/* Shortens the gradient to this length where it is longer; false when it is not finite. */
bool lw_net_clip(const struct lw_kernels *kernels, float *gradient, size_t n, float longest);

/* Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, with their constants. */
struct lw_adam {
    float *means;   /* [n], 0 at first. */
    float *squares; /* [n], 0 at first. */
    size_t n;
    double mean_power;   /* 0.9^steps: 1 at first. */
    double square_power; /* 0.999^steps: 1 at first. */
};
void lw_adam_step(struct lw_adam *adam, double rate, const float *gradient, float *weights);

/* The weights of the least loss so far. */
struct lw_best {
    float *weights; /* [n] */
    size_t n;
    double loss;      /* INFINITY at first. */
    size_t n_without; /* Offers since the last that was better. */
};
void lw_best_offer(struct lw_best *best, double loss, const float *weights);

/* How many of a run's rows are held back; 0 where the run is too short. */
static inline size_t lw_net_held(size_t n_rows)
{
    return n_rows / 100 * LW_NET_HELD_PERCENT + n_rows % 100 * LW_NET_HELD_PERCENT / 100;
}

#endif
