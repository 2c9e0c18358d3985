/*
 * LSTM: rows that a recurrent network did not see coming are strange.
 *
 * Idea. A layer of cells with long short-term memory reads one row after another and says how the
 * next one will differ from the last; what comes otherwise is the residual.
 *
 *     i, o, f = sigmoid(W x_t + U h_(t-1) + b),  g = tanh(W x_t + U h_(t-1) + b)   (each its own)
 *     c_t = f c_(t-1) + i g,  h_t = o tanh(c_t)
 *     y_(t+1) = x_t + V h_t + v,  x_t = z_t clipped at 8
 *     r_j = (z_j - y_j) / max(rms of it in training, 0.1),  distance = length of r
 *
 * Source. Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997, with the
 * forget gate of Gers, Schmidhuber and Cummins, 2000; as a detector Malhotra, Vig, Shroff and
 * Agarwal, "Long short term memory networks for anomaly detection in time series", ESANN 2015. We
 * depart from it: the network tells the change, so that "as before" is what it says untrained; one
 * step ahead; Huber's loss; residuals scaled by column instead of whitened. What is beyond the clip
 * is not taken up into the forecast, so a column that stays out there stays strange; with the
 * unclipped value in its place a long fault of that kind is one strange row only, which on real
 * servers costs a quarter of the area under the precision-recall curve.
 *
 * State. An entity keeps whether it has seen a row, h and c, the prediction of the next row and the
 * last residuals, which attribute squares. The first row has no prediction: NaN.
 *
 * Missing values. The prediction, clipped at 8, stands in for a hole, which adds nothing to the
 * distance. A row of holes only is passed over before anything was seen, and else goes by the
 * prediction: its distance is NaN and the network goes on.
 *
 * Numbers. Values count as no further than 1,000 from 0 and weights stay within a million, trained
 * or loaded, so every distance is finite. All gates are one product, every output summed in the
 * order of the inputs in a lane of its own: all instruction sets give the same bits.
 *
 * Cost. A step makes 4 n (d + n) + n d multiply-adds, 4,100 at d = 38 and 16 cells; memory 4 bytes
 * a weight: 17 KB; state 4 (1 + 2 n + 2 d) bytes. Training is in model/lstm_train.c.
 */
#include "model/lstm.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/lstm_internal.h"
#include "model/onnx_export.h"

#define LSTM_VERSION 1u

static const struct lw_option lstm_option_table[] = {
    {.name = "cells",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_lstm_options, cells),
     .fallback = "16",
     .min = 1,
     .max = LW_LSTM_CELLS_MAX,
     .unit = "",
     .help = "Cells of the recurrent layer, rounded up to a multiple of 8."},
    {.name = "steps",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_lstm_options, steps),
     .fallback = "600",
     .min = 1,
     .max = 100000,
     .unit = "",
     .help = "Steps of training at most; fewer where rows are few, and when newer rows stop "
             "gaining."},
    {.name = "windows",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_lstm_options, windows),
     .fallback = "32",
     .min = 1,
     .max = LW_LSTM_LANES_MAX,
     .unit = "",
     .help = "Windows of rows that a step of training learns from, at most."},
    {.name = "window",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_lstm_options, window),
     .fallback = "24",
     .min = 1,
     .max = LW_LSTM_WINDOW_MAX,
     .unit = "rows",
     .help = "Rows of a window: how far back training looks for causes."},
};

enum lw_status lw_lstm_create(size_t n_dims, size_t n_cells, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = n_dims, .n_cells = n_cells}, *model;

    head.layers[0] = lw_layer_of(n_dims + n_cells, 4 * n_cells);
    head.layers[1] = lw_layer_of(n_cells, n_dims);
    head.n_weights = lw_layer_floats(&head.layers[0]) + lw_layer_floats(&head.layers[1]);
    model = lw_mem_calloc(1, sizeof(*model) + (head.n_weights + n_dims) * sizeof(float));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lstm: no memory for %zu weights", head.n_weights);
    }
    *model = head;
    model->weights[0] = (float *)(model + 1);
    model->weights[1] = model->weights[0] + lw_layer_floats(&model->layers[0]);
    model->gains = model->weights[0] + model->n_weights;
    for (size_t i = 0; i < n_dims; i++) {
        model->gains[i] = 1.0f;
    }
    *ret_model = model;
    return LW_OK;
}

void lw_lstm_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t lstm_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t lstm_bytes(const struct lw_model *model)
{
    return sizeof(*model) + (model->n_weights + model->n_dims) * sizeof(float);
}

size_t lw_lstm_n_state(const struct lw_model *model)
{
    return 1 + 2 * model->n_cells + model->layers[1].n_wide + model->n_dims;
}

struct lw_lstm_state lw_lstm_state_of(const struct lw_model *model, float *floats)
{
    struct lw_lstm_state state = {.h = floats, .c = floats + model->n_cells};

    state.prediction = state.c + model->n_cells;
    state.residuals = state.prediction + model->layers[1].n_wide;
    state.seen = state.residuals + model->n_dims;
    return state;
}

void lw_lstm_cells(const struct lw_kernels *kernels, size_t n_cells, float *gates, float *c,
                   float *ret_curve, float *ret_h)
{
    const float *input = gates, *output = input + n_cells, *forget = output + n_cells;
    const float *candidate = forget + n_cells;

    kernels->sigmoid(gates, 3 * n_cells);
    kernels->tanh(gates + 3 * n_cells, n_cells);
    for (size_t i = 0; i < n_cells; i++) {
        c[i] = forget[i] * c[i] + input[i] * candidate[i];
        ret_curve[i] = c[i];
    }
    kernels->tanh(ret_curve, n_cells);
    for (size_t i = 0; i < n_cells; i++) {
        ret_h[i] = output[i] * ret_curve[i];
    }
}

bool lw_lstm_step(const struct lw_kernels *kernels, const struct lw_model *model,
                  const struct lw_lstm_state *state, const float *row)
{
    LW_UNINITIALIZED float x[LW_MODEL_DIMS_MAX + LW_LSTM_CELLS_MAX];
    LW_UNINITIALIZED float gates[4 * LW_LSTM_CELLS_MAX];
    LW_UNINITIALIZED float curve[LW_LSTM_CELLS_MAX];
    float is_seen = *state->seen;
    size_t n_known = 0;

    for (size_t i = 0; i < model->n_dims; i++) {
        bool is_known = row[i] == row[i];
        float guess = state->prediction[i], value = is_known ? row[i] : guess;
        float residual = (lw_net_clamp(value, LW_NET_REACH) - guess) * model->gains[i];

        n_known += is_known;
        x[i] = lw_net_clamp(value, LW_LSTM_CLIP);
        state->residuals[i] = is_known ? is_seen * residual : 0.0f;
    }
    if (n_known == 0 && is_seen == 0.0f) {
        return false;
    }
    memcpy(x + model->n_dims, state->h, model->n_cells * sizeof(*x));
    lw_layer_forward(kernels, &model->layers[0], model->weights[0], x, gates);
    lw_lstm_cells(kernels, model->n_cells, gates, state->c, curve, state->h);
    lw_layer_forward(kernels, &model->layers[1], model->weights[1], state->h, state->prediction);
    for (size_t i = 0; i < model->n_dims; i++) {
        state->prediction[i] += x[i];
    }
    *state->seen = 1.0f;
    return n_known > 0 && is_seen != 0.0f;
}

static void lstm_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                       float *ret_distances)
{
    struct lw_lstm_state view = lw_lstm_state_of(model, state);
    const struct lw_kernels *kernels = lw_kernels_best();

    for (size_t i = 0; i < n_rows; i++) {
        bool is_judged = lw_lstm_step(kernels, model, &view, rows + i * model->n_dims);

        ret_distances[i] = is_judged
                               ? sqrtf(kernels->dot(view.residuals, view.residuals, model->n_dims))
                               : NAN;
    }
}

static void lstm_attribute(const struct lw_model *model, const float *state, const float *row,
                           float *ret_shares)
{
    /* The view's other members would be written through; this one is only read. */
    const float *residuals = state + 2 * model->n_cells + model->layers[1].n_wide;

    (void)row;
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = residuals[i] * residuals[i];
    }
}

/* u16 version, u32 columns, u32 cells; biases and weights of the gates and of the step; f32 factor
 * of each column. */
static void lstm_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, LSTM_VERSION);
    lw_write_u32(writer, (uint32_t)model->n_dims);
    lw_write_u32(writer, (uint32_t)model->n_cells);
    lw_layer_save(&model->layers[0], model->weights[0], writer);
    lw_layer_save(&model->layers[1], model->weights[1], writer);
    lw_write_f32s(writer, model->gains, model->n_dims);
}

/* Allocates at most 6 MB, and little more than the bytes that are there. */
static enum lw_status lstm_load(struct lw_reader *reader, struct lw_model **ret_model,
                                struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    size_t n_dims = lw_read_u32(reader), n_cells = lw_read_u32(reader);
    struct lw_model *model = NULL;
    enum lw_status st;

    if (reader->status == LW_OK && version != LSTM_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "lstm: the model is of version %u, but this one reads %u",
                            (unsigned)version, LSTM_VERSION);
    }
    if (reader->status != LW_OK || n_dims < 1 || n_dims > LW_MODEL_DIMS_MAX || n_cells < 1 ||
        n_cells > LW_LSTM_CELLS_MAX || n_cells % LW_LANES != 0 ||
        lw_reader_left(reader) / sizeof(float) < 4 * n_cells * (n_dims + n_cells)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "lstm: damaged: %zu cells of %zu values in %zu "
                            "bytes",
                            n_cells, n_dims, lw_reader_left(reader));
    }
    st = lw_lstm_create(n_dims, n_cells, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (!lw_layer_load(&model->layers[0], model->weights[0], reader) ||
        !lw_layer_load(&model->layers[1], model->weights[1], reader) ||
        !lw_net_gains_load(n_dims, model->gains, reader)) {
        lw_lstm_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT,
                            "lstm: damaged: a weight or a factor is missing or no number that "
                            "training gives");
    }
    *ret_model = model;
    return LW_OK;
}

const struct lw_model_class lw_model_lstm = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "lstm",
    .title = "LSTM forecaster",
    .formula = "distance = | (z - y) / max(rms in training, 0.1) |, y_(t+1) = x_t + V h_t + v",
    .source = "Malhotra, Vig, Shroff and Agarwal, \"Long short term memory networks for anomaly "
              "detection in time series\", ESANN 2015",
    .view = LW_VIEW_VALUES,
    .unit = 1.0,
    .options = lstm_option_table,
    .n_options = sizeof(lstm_option_table) / sizeof(lstm_option_table[0]),
    .options_bytes = sizeof(struct lw_lstm_options),
    .fit = lw_lstm_fit,
    .n_state = lw_lstm_n_state,
    .score = lstm_score,
    .attribute = lstm_attribute,
    .save = lstm_save,
    .load = lstm_load,
    .export_onnx = lw_lstm_export_onnx,
    .n_dims = lstm_n_dims,
    .bytes = lstm_bytes,
    .destroy = lw_lstm_destroy,
};
