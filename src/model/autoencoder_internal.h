/* The shape of an autoencoder, shared by the files that score and train it: see
 * model/autoencoder.c. */
#ifndef LW_MODEL_AUTOENCODER_INTERNAL_H
#define LW_MODEL_AUTOENCODER_INTERNAL_H

#include "model/model.h"
#include "model/net.h"

#include <stdint.h>

#define LW_AUTOENCODER_LAYERS 4
#define LW_AUTOENCODER_HIDDEN_MAX 128

struct lw_autoencoder_options {
    int64_t hidden;
    int64_t code; /* 0: 8, or a third of the columns where that is less. */
    int64_t epochs;
    double noise;
};

/*
 * A network d-hidden-code-hidden-d in one block of memory: tanh behind every layer but the last,
 * which is linear. weights[k] is layer k as model/net.h lays it out; the four lie behind one
 * another from weights[0] on, n_weights floats in all. Every weight is within LW_NET_WEIGHT_MAX.
 *
 *     x_j = value within LW_NET_REACH, 0 where it is missing
 *     y = layer 3(tanh layer 2(tanh layer 1(tanh layer 0(x))))
 *     distance = length of gains_j (x_j - y_j) over the columns that are not missing
 */
struct lw_model {
    size_t n_dims;
    size_t n_hidden;
    size_t n_code;
    struct lw_layer layers[LW_AUTOENCODER_LAYERS];
    float *weights[LW_AUTOENCODER_LAYERS];
    size_t n_weights;
    float *gains; /* [n_dims], in (0, 1 / LW_NET_RESIDUAL_LEAST]. */
};

/* What one batch needs on its way forward and back; one block of memory. */
struct lw_autoencoder_pass {
    size_t n_rows;
    float *targets; /* [n_rows][n_dims], within the reach; NaN where missing. */
    float *inputs;  /* [n_rows][n_dims]: the targets, 0 where missing or blotted out. */
    float *outputs[LW_AUTOENCODER_LAYERS]; /* [n_rows][n_wide of the layer] */
    float *slopes[2];                      /* [n_rows][widest layer] */
    float *turned;                         /* The largest layer's weights. */
    float *scratch;                        /* [most inputs of a layer][n_rows] */
    float *gradient;                       /* [n_weights] */
};

/* A network of zeros; the sizes are within their limits. */
enum lw_status lw_autoencoder_create(size_t n_dims, size_t n_hidden, size_t n_code,
                                     struct lw_model **ret_model, struct lw_error *reterr);
void lw_autoencoder_destroy(struct lw_model *model);
/* One row through the network: x[n_dims] without NaN; each layer's output into ret_outputs. */
void lw_autoencoder_forward(const struct lw_kernels *kernels, const struct lw_model *model,
                            const float *x, float *const *ret_outputs);

/* model/autoencoder_train.c */
enum lw_status lw_autoencoder_pass_init(struct lw_autoencoder_pass *pass,
                                        const struct lw_model *model, size_t n_rows_max,
                                        struct lw_error *reterr);
void lw_autoencoder_pass_fini(struct lw_autoencoder_pass *pass);
/* Mean over the pass's rows and the columns of Huber's loss; its derivative by every weight goes
 * into pass->gradient. */
double lw_autoencoder_learn(const struct lw_model *model, struct lw_autoencoder_pass *pass);
enum lw_status lw_autoencoder_fit(const void *options, const struct lw_model_rows *rows,
                                  struct lw_rng *rng, struct lw_model **ret_model,
                                  struct lw_error *reterr);
enum lw_status lw_autoencoder_update(struct lw_model *model, const float *row, struct lw_rng *rng,
                                     struct lw_error *reterr);

#endif
