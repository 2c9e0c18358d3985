/*
 * Autoencoder: rows that a narrow network cannot repeat are strange.
 *
 * Idea. A network is trained to give back its input through a few numbers, the code, so it learns
 * how the columns hang together; what it cannot rebuild does not fit together as it used to.
 *
 *     y = W4 tanh(W3 tanh(W2 tanh(W1 x + b1) + b2) + b3) + b4,    d-24-8-24-d
 *     r_j = (x_j - y_j) / max(rms of it in training, 0.1)
 *     distance = length of r
 *
 * Source. Sakurada and Yairi, "Anomaly detection using autoencoders with nonlinear dimensionality
 * reduction", MLSDA 2014; the noise after Vincent, Larochelle, Bengio and Manzagol, "Extracting and
 * composing robust features with denoising autoencoders", ICML 2008: one value in ten is blotted
 * out before the network sees the row, and it must rebuild it from the others. We depart from them:
 * Huber's loss, so that anomalies among the training rows pull no harder than others; residuals
 * scaled column by column, so that a column that is hard to tell does not drown one that was always
 * right.
 *
 * Missing values. A hole is what the noise makes: the input is 0, the view's centre, and the column
 * adds nothing to the distance.
 *
 * Numbers. Values count as no further than 1,000 from 0 and weights stay within a million, trained
 * or loaded, so every distance is finite. Every output is summed in the order of the inputs, in a
 * lane of its own: batch and row, and all instruction sets, give the same bits.
 *
 * Cost. Score 2 (24 d + 192) multiply-adds a row, 2,200 at d = 38; memory 4 bytes a weight: 10 KB.
 * Training is in model/autoencoder_train.c.
 */
#include "model/autoencoder.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/autoencoder_internal.h"
#include "model/onnx_export.h"

#define AUTOENCODER_VERSION 1u

static const struct lw_option autoencoder_option_table[] = {
    {.name = "hidden",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_autoencoder_options, hidden),
     .fallback = "24",
     .min = 1,
     .max = LW_AUTOENCODER_HIDDEN_MAX,
     .unit = "",
     .help = "Units of the first and third hidden layer."},
    {.name = "code",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_autoencoder_options, code),
     .fallback = "0",
     .min = 0,
     .max = LW_AUTOENCODER_HIDDEN_MAX,
     .unit = "",
     .help = "Units of the narrow layer; 0 for 8, or a third of the columns where that is less."},
    {.name = "epochs",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_autoencoder_options, epochs),
     .fallback = "40",
     .min = 1,
     .max = 1000,
     .unit = "",
     .help = "Passes over the rows at most; training ends sooner when newer rows stop gaining."},
    {.name = "noise",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_autoencoder_options, noise),
     .fallback = "0.1",
     .min = 0,
     .max = 0.9,
     .unit = "",
     .help = "Share of the values that are blotted out in training, to be told from the others."},
};

enum lw_status lw_autoencoder_create(size_t n_dims, size_t n_hidden, size_t n_code,
                                     struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = n_dims, .n_hidden = n_hidden, .n_code = n_code}, *model;
    float *at;

    head.layers[0] = lw_layer_of(n_dims, n_hidden);
    head.layers[1] = lw_layer_of(n_hidden, n_code);
    head.layers[2] = lw_layer_of(n_code, n_hidden);
    head.layers[3] = lw_layer_of(n_hidden, n_dims);
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        head.n_weights += lw_layer_floats(&head.layers[k]);
    }
    model = lw_mem_calloc(1, sizeof(*model) + (head.n_weights + n_dims) * sizeof(float));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "autoencoder: no memory for %zu weights",
                            head.n_weights);
    }
    *model = head;
    at = (float *)(model + 1);
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        model->weights[k] = at;
        at += lw_layer_floats(&model->layers[k]);
    }
    model->gains = at;
    *ret_model = model;
    return LW_OK;
}

void lw_autoencoder_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t autoencoder_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t autoencoder_bytes(const struct lw_model *model)
{
    return sizeof(*model) + (model->n_weights + model->n_dims) * sizeof(float);
}

void lw_autoencoder_forward(const struct lw_kernels *kernels, const struct lw_model *model,
                            const float *x, float *const *ret_outputs)
{
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        lw_layer_forward(kernels, &model->layers[k], model->weights[k], x, ret_outputs[k]);
        if (k + 1 < LW_AUTOENCODER_LAYERS) {
            kernels->tanh(ret_outputs[k], model->layers[k].n_wide);
        }
        x = ret_outputs[k];
    }
}

/* Scaled residuals of one row into ret_residuals[LW_MODEL_DIMS_MAX], 0 where the row has a hole;
 * false when it has nothing else. */
static bool autoencoder_residuals(const struct lw_kernels *kernels, const struct lw_model *model,
                                  const float *row, float *ret_residuals)
{
    LW_UNINITIALIZED float x[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED float hidden[3][LW_AUTOENCODER_HIDDEN_MAX];
    float *const outputs[] = {hidden[0], hidden[1], hidden[2], ret_residuals};
    size_t n_known = 0;

    for (size_t i = 0; i < model->n_dims; i++) {
        bool is_known = row[i] == row[i];

        n_known += is_known;
        x[i] = is_known ? lw_net_clamp(row[i], LW_NET_REACH) : 0.0f;
    }
    lw_autoencoder_forward(kernels, model, x, outputs);
    for (size_t i = 0; i < model->n_dims; i++) {
        float residual = (x[i] - ret_residuals[i]) * model->gains[i];

        ret_residuals[i] = row[i] == row[i] ? residual : 0.0f;
    }
    return n_known > 0;
}

static void autoencoder_score(const struct lw_model *model, float *state, const float *rows,
                              size_t n_rows, float *ret_distances)
{
    LW_UNINITIALIZED float residuals[LW_MODEL_DIMS_MAX];
    const struct lw_kernels *kernels = lw_kernels_best();

    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        bool is_known = autoencoder_residuals(kernels, model, rows + i * model->n_dims, residuals);

        ret_distances[i] = is_known ? sqrtf(kernels->dot(residuals, residuals, model->n_dims))
                                    : NAN;
    }
}

static void autoencoder_attribute(const struct lw_model *model, const float *state,
                                  const float *row, float *ret_shares)
{
    LW_UNINITIALIZED float residuals[LW_MODEL_DIMS_MAX];

    (void)state;
    (void)autoencoder_residuals(lw_kernels_best(), model, row, residuals);
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = residuals[i] * residuals[i];
    }
}

/* u16 version, u32 columns, u32 hidden units, u32 units of the code; the four layers' biases and
 * weights; f32 factor of each column. */
static void autoencoder_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, AUTOENCODER_VERSION);
    lw_write_u32(writer, (uint32_t)model->n_dims);
    lw_write_u32(writer, (uint32_t)model->n_hidden);
    lw_write_u32(writer, (uint32_t)model->n_code);
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        lw_layer_save(&model->layers[k], model->weights[k], writer);
    }
    lw_write_f32s(writer, model->gains, model->n_dims);
}

static bool load_is_within(size_t n, size_t most)
{
    return n >= 1 && n <= most;
}

/* Allocates at most 5 MB, and no more than 8 times the bytes that are there. */
static enum lw_status autoencoder_load(struct lw_reader *reader, struct lw_model **ret_model,
                                       struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    size_t n_dims = lw_read_u32(reader), n_hidden = lw_read_u32(reader);
    size_t n_code = lw_read_u32(reader);
    struct lw_model *model = NULL;
    enum lw_status st;
    bool is_sound = true;

    if (reader->status == LW_OK && version != AUTOENCODER_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "autoencoder: the model is of version %u, but this one reads %u",
                            (unsigned)version, AUTOENCODER_VERSION);
    }
    if (reader->status != LW_OK || !load_is_within(n_dims, LW_MODEL_DIMS_MAX) ||
        !load_is_within(n_hidden, LW_AUTOENCODER_HIDDEN_MAX) ||
        !load_is_within(n_code, LW_AUTOENCODER_HIDDEN_MAX) ||
        lw_reader_left(reader) / sizeof(float) < 2 * n_hidden * (n_dims + n_code)) {
        return lw_error_set(reterr, LW_EFORMAT, "autoencoder: damaged: %zu-%zu-%zu in %zu bytes",
                            n_dims, n_hidden, n_code, lw_reader_left(reader));
    }
    st = lw_autoencoder_create(n_dims, n_hidden, n_code, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        is_sound = is_sound && lw_layer_load(&model->layers[k], model->weights[k], reader);
    }
    if (!is_sound || !lw_net_gains_load(n_dims, model->gains, reader)) {
        lw_autoencoder_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT,
                            "autoencoder: damaged: a weight or a factor is missing or no number "
                            "that training gives");
    }
    *ret_model = model;
    return LW_OK;
}

const struct lw_model_class lw_model_autoencoder = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "autoencoder",
    .title = "Autoencoder",
    .formula = "distance = | (x - network(x)) / max(rms in training, 0.1) |, d-24-8-24-d, tanh",
    .source = "Sakurada and Yairi, \"Anomaly detection using autoencoders with nonlinear "
              "dimensionality reduction\", MLSDA 2014",
    .view = LW_VIEW_VALUES,
    .unit = 1.0,
    .options = autoencoder_option_table,
    .n_options = sizeof(autoencoder_option_table) / sizeof(autoencoder_option_table[0]),
    .options_bytes = sizeof(struct lw_autoencoder_options),
    .fit = lw_autoencoder_fit,
    .score = autoencoder_score,
    .attribute = autoencoder_attribute,
    .update = lw_autoencoder_update,
    .save = autoencoder_save,
    .load = autoencoder_load,
    .export_onnx = lw_autoencoder_export_onnx,
    .n_dims = autoencoder_n_dims,
    .bytes = autoencoder_bytes,
    .destroy = lw_autoencoder_destroy,
};
