/* Layers backward, their bytes, and the steps of training. */
#include "model/net.h"

void lw_layer_init(const struct lw_layer *layer, float *weights, struct lw_rng *rng)
{
    double bound = sqrt(6.0 / (double)(layer->n_in + layer->n_out));

    memset(weights, 0, lw_layer_floats(layer) * sizeof(*weights));
    for (size_t i = 1; i <= layer->n_in; i++) {
        for (size_t o = 0; o < layer->n_out; o++) {
            weights[i * layer->n_wide + o] = (float)((2.0 * lw_rng_double(rng) - 1.0) * bound);
        }
    }
}

void lw_layer_turn(const struct lw_layer *layer, const float *weights, size_t from, size_t n,
                   float *ret_turned)
{
    const float *rows = weights + (1 + from) * layer->n_wide;
    size_t wide = lw_net_wide(n);

    memset(ret_turned, 0, layer->n_out * wide * sizeof(*ret_turned));
    for (size_t i = 0; i < n; i++) {
        for (size_t o = 0; o < layer->n_out; o++) {
            ret_turned[o * wide + i] = rows[i * layer->n_wide + o];
        }
    }
}

void lw_layer_learn(const struct lw_kernels *kernels, const struct lw_layer *layer,
                    const struct lw_layer_batch *batch, float *gradient)
{
    for (size_t row = 0; row < batch->n_rows; row++) {
        const float *x = batch->x + row * batch->x_stride;

        kernels->add_scaled(gradient, batch->dy + row * layer->n_wide, 1.0f, layer->n_wide);
        for (size_t i = 0; i < layer->n_in; i++) {
            batch->scratch[i * batch->n_rows + row] = x[i];
        }
    }
    for (size_t i = 0; i < layer->n_in; i++) {
        kernels->product(batch->dy, batch->scratch + i * batch->n_rows, batch->n_rows,
                         layer->n_wide, gradient + (1 + i) * layer->n_wide);
    }
}

void lw_layer_save(const struct lw_layer *layer, const float *weights, struct lw_writer *writer)
{
    for (size_t i = 0; i <= layer->n_in; i++) {
        lw_write_f32s(writer, weights + i * layer->n_wide, layer->n_out);
    }
}

bool lw_layer_load(const struct lw_layer *layer, float *weights, struct lw_reader *reader)
{
    for (size_t i = 0; i <= layer->n_in; i++) {
        float *row = weights + i * layer->n_wide;

        lw_read_f32s(reader, row, layer->n_out);
        for (size_t o = 0; o < layer->n_out; o++) {
            if (!(fabsf(row[o]) <= LW_NET_WEIGHT_MAX)) {
                return false;
            }
        }
    }
    return reader->status == LW_OK;
}

void lw_net_gains(const double *squares, const double *counts, size_t n, float *ret_gains)
{
    for (size_t i = 0; i < n; i++) {
        double rms = counts[i] > 0.0 ? sqrt(squares[i] / counts[i]) : 0.0;

        ret_gains[i] = (float)(1.0 / (rms > LW_NET_RESIDUAL_LEAST ? rms : LW_NET_RESIDUAL_LEAST));
    }
}

bool lw_net_gains_load(size_t n, float *ret_gains, struct lw_reader *reader)
{
    lw_read_f32s(reader, ret_gains, n);
    for (size_t i = 0; i < n; i++) {
        if (!(ret_gains[i] > 0.0f && ret_gains[i] <= (float)(1.0 / LW_NET_RESIDUAL_LEAST))) {
            return false;
        }
    }
    return reader->status == LW_OK;
}

bool lw_net_clip(const struct lw_kernels *kernels, float *gradient, size_t n, float longest)
{
    float length = sqrtf(kernels->dot(gradient, gradient, n));

    if (!isfinite(length)) {
        return false;
    }
    if (length > longest) {
        float factor = longest / length;

        for (size_t i = 0; i < n; i++) {
            gradient[i] *= factor;
        }
    }
    return true;
}

void lw_adam_step(struct lw_adam *adam, double rate, const float *gradient, float *weights)
{
    float step;

    adam->mean_power *= 0.9;
    adam->square_power *= 0.999;
    step = (float)(rate * sqrt(1.0 - adam->square_power) / (1.0 - adam->mean_power));
    for (size_t i = 0; i < adam->n; i++) {
        float g = gradient[i];

        adam->means[i] += 0.1f * (g - adam->means[i]);
        adam->squares[i] += 0.001f * (g * g - adam->squares[i]);
        weights[i] = lw_net_clamp(weights[i] -
                                      step * adam->means[i] / (sqrtf(adam->squares[i]) + 1e-8f),
                                  LW_NET_WEIGHT_MAX);
    }
}

void lw_best_offer(struct lw_best *best, double loss, const float *weights)
{
    best->n_without++;
    if (loss < best->loss) {
        memcpy(best->weights, weights, best->n * sizeof(*weights));
        best->loss = loss;
        best->n_without = 0;
    }
}
