/*
 * How an autoencoder learns: Adam on mini-batches of 32 rows drawn without repeats, the gradient
 * clipped, for up to 40 passes.
 *
 * The newest 15 % of each run are held back. After each pass they are told without noise; training
 * ends after PATIENCE passes without a gain, and the weights of the best pass are kept. The factors
 * of the residuals then come from all rows.
 *
 * Work is bounded whatever the shape: all passes together make at most WORK_MAX multiply-adds, so a
 * pass over very many or very wide rows is one over fewer of them, others each time.
 */
#include "model/autoencoder_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/autoencoder.h"

#define BATCH_ROWS 32u
#define PATIENCE 5u
#define RATE 3e-3
#define UPDATE_RATE 1e-2f
#define GRADIENT_LONGEST 1.0f
#define WORK_MAX 10000000000u      /* Multiply-adds of all passes: a few seconds. */
#define WORK_JUDGE_MAX 1000000000u /* Of telling rows once. */

static size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum lw_status lw_autoencoder_pass_init(struct lw_autoencoder_pass *pass,
                                        const struct lw_model *model, size_t n_rows_max,
                                        struct lw_error *reterr)
{
    size_t widest = size_max(model->layers[0].n_wide,
                             size_max(model->layers[1].n_wide, model->layers[3].n_wide));
    size_t most_in = size_max(model->n_dims, size_max(model->n_hidden, model->n_code));
    size_t n_turned = 0, n_outputs = 0, n;
    float *at;

    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        const struct lw_layer *layer = &model->layers[k];

        n_turned = size_max(n_turned, layer->n_out * lw_net_wide(layer->n_in));
        n_outputs += layer->n_wide;
    }
    n = n_rows_max * (2 * model->n_dims + n_outputs + 2 * widest + most_in) + n_turned +
        model->n_weights;
    at = lw_mem_calloc(n, sizeof(*at));
    if (at == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "autoencoder: no memory for %zu numbers of training",
                            n);
    }
    pass->n_rows = n_rows_max;
    pass->targets = at;
    pass->inputs = pass->targets + n_rows_max * model->n_dims;
    at = pass->inputs + n_rows_max * model->n_dims;
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        pass->outputs[k] = at;
        at += n_rows_max * model->layers[k].n_wide;
    }
    pass->slopes[0] = at;
    pass->slopes[1] = pass->slopes[0] + n_rows_max * widest;
    pass->scratch = pass->slopes[1] + n_rows_max * widest;
    pass->turned = pass->scratch + n_rows_max * most_in;
    pass->gradient = pass->turned + n_turned;
    return LW_OK;
}

void lw_autoencoder_pass_fini(struct lw_autoencoder_pass *pass)
{
    lw_mem_free(pass->targets);
}

/* Copies a row into the pass as its row `at`, each value blotted out with the chance of noise. */
static void pass_take(struct lw_autoencoder_pass *pass, const struct lw_model *model, size_t at,
                      const float *row, double noise, struct lw_rng *rng)
{
    float *target = pass->targets + at * model->n_dims, *input = pass->inputs + at * model->n_dims;

    for (size_t i = 0; i < model->n_dims; i++) {
        target[i] = lw_net_clamp(row[i], LW_NET_REACH);
        input[i] = isnan(row[i]) ? 0.0f : target[i];
        if (noise > 0.0 && lw_rng_double(rng) < noise) {
            input[i] = 0.0f;
        }
    }
}

/* The loss of the outputs, and its slope at each of them. */
static double pass_judge(const struct lw_autoencoder_pass *pass, const struct lw_model *model,
                         float *ret_slopes)
{
    size_t wide = model->layers[LW_AUTOENCODER_LAYERS - 1].n_wide;
    float scale = 1.0f / (float)(pass->n_rows * model->n_dims);
    double loss = 0.0;

    memset(ret_slopes, 0, pass->n_rows * wide * sizeof(*ret_slopes));
    for (size_t row = 0; row < pass->n_rows; row++) {
        const float *y = pass->outputs[LW_AUTOENCODER_LAYERS - 1] + row * wide;
        const float *target = pass->targets + row * model->n_dims;

        for (size_t i = 0; i < model->n_dims; i++) {
            float e = y[i] - target[i];

            if (e == e) {
                ret_slopes[row * wide + i] = scale * lw_net_clamp(e, 1.0f);
                loss += lw_net_huber((double)e);
            }
        }
    }
    return loss / (double)(pass->n_rows * model->n_dims);
}

/* From the slopes behind layer k to those behind layer k - 1, whose outputs went through tanh. */
static void pass_back(const struct lw_kernels *kernels, const struct lw_model *model,
                      const struct lw_autoencoder_pass *pass, size_t k, const float *slopes,
                      float *ret_slopes)
{
    const struct lw_layer *layer = &model->layers[k];
    size_t wide = model->layers[k - 1].n_wide;

    lw_layer_turn(layer, model->weights[k], 0, layer->n_in, pass->turned);
    for (size_t row = 0; row < pass->n_rows; row++) {
        const float *y = pass->outputs[k - 1] + row * wide;
        float *slope = ret_slopes + row * wide;

        lw_layer_backward(kernels, layer, pass->turned, layer->n_in, slopes + row * layer->n_wide,
                          slope);
        for (size_t i = 0; i < wide; i++) {
            slope[i] *= 1.0f - y[i] * y[i];
        }
    }
}

double lw_autoencoder_learn(const struct lw_model *model, struct lw_autoencoder_pass *pass)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    float *slopes = pass->slopes[0], *next = pass->slopes[1], *swap;
    double loss;

    for (size_t row = 0; row < pass->n_rows; row++) {
        float *outputs[LW_AUTOENCODER_LAYERS];

        for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
            outputs[k] = pass->outputs[k] + row * model->layers[k].n_wide;
        }
        lw_autoencoder_forward(kernels, model, pass->inputs + row * model->n_dims, outputs);
    }
    memset(pass->gradient, 0, model->n_weights * sizeof(*pass->gradient));
    loss = pass_judge(pass, model, slopes);
    for (size_t k = LW_AUTOENCODER_LAYERS; k-- > 0;) {
        struct lw_layer_batch batch = {
            .x = k == 0 ? pass->inputs : pass->outputs[k - 1],
            .x_stride = k == 0 ? model->n_dims : model->layers[k - 1].n_wide,
            .dy = slopes,
            .n_rows = pass->n_rows,
            .scratch = pass->scratch,
        };

        lw_layer_learn(kernels, &model->layers[k], &batch,
                       pass->gradient + (model->weights[k] - model->weights[0]));
        if (k > 0) {
            pass_back(kernels, model, pass, k, slopes, next);
            swap = slopes;
            slopes = next;
            next = swap;
        }
    }
    return loss;
}

/* A training under way. */
struct training {
    struct lw_model *model;
    const struct lw_autoencoder_options *options;
    const struct lw_model_rows *rows;
    struct lw_rng *rng;
    uint32_t *order;   /* Row numbers: those that are learnt from, then those held back. */
    size_t n_learnt;   /* How many are learnt from. */
    size_t n_pass;     /* How many of them a pass takes. */
    float *numbers;    /* What adam and best point to. */
    double *residuals; /* [2][n_dims]: sums of squares, and how many. */
    struct lw_autoencoder_pass pass;
    struct lw_adam adam;
    struct lw_best best;
};

static void training_fini(struct training *training)
{
    lw_autoencoder_pass_fini(&training->pass);
    lw_mem_free(training->residuals);
    lw_mem_free(training->numbers);
    lw_mem_free(training->order);
}

/* The numbers of the rows to learn from, then those of the newest of each run. */
static void training_part(struct training *training)
{
    size_t n_runs = lw_model_n_runs(training->rows), n = 0;

    for (int is_held = 0; is_held < 2; is_held++) {
        for (size_t run = 0, begin = 0; run < n_runs; run++) {
            size_t n_run = lw_model_run(training->rows, run);
            size_t n_learnt = n_run - lw_net_held(n_run);

            for (size_t i = is_held ? n_learnt : 0; i < (is_held ? n_run : n_learnt); i++) {
                training->order[n++] = (uint32_t)(begin + i);
            }
            begin += n_run;
        }
        training->n_learnt = is_held ? training->n_learnt : n;
    }
}

/* All memory of a training; on failure training_fini frees what there is. */
static enum lw_status training_init(struct training *training, struct lw_error *reterr)
{
    const struct lw_model *model = training->model;
    size_t n_rows = training->rows->n_rows, n = model->n_weights, most;

    training->order = lw_mem_calloc(n_rows, sizeof(*training->order));
    training->numbers = lw_mem_calloc(3 * n, sizeof(*training->numbers));
    training->residuals = lw_mem_calloc(2 * model->n_dims, sizeof(*training->residuals));
    if (training->order == NULL || training->numbers == NULL || training->residuals == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "autoencoder: no memory to learn from %zu rows",
                            n_rows);
    }
    training->adam = (struct lw_adam){.means = training->numbers,
                                      .squares = training->numbers + n,
                                      .n = n,
                                      .mean_power = 1.0,
                                      .square_power = 1.0};
    training->best = (struct lw_best){
        .weights = training->numbers + 2 * n, .n = n, .loss = INFINITY};
    training_part(training);
    most = WORK_MAX / (3 * n * (size_t)training->options->epochs);
    training->n_pass = size_min(training->n_learnt, size_max(most, BATCH_ROWS));
    return lw_autoencoder_pass_init(&training->pass, model, BATCH_ROWS, reterr);
}

/* One pass: rows drawn without repeats, a step of Adam for each batch. */
static void training_pass(struct training *training)
{
    struct lw_autoencoder_pass *pass = &training->pass;
    struct lw_model *model = training->model;

    for (size_t begin = 0; begin < training->n_pass; begin += pass->n_rows) {
        pass->n_rows = size_min(BATCH_ROWS, training->n_pass - begin);
        for (size_t i = 0; i < pass->n_rows; i++) {
            size_t at = begin + i;
            size_t draw = at + (size_t)lw_rng_below(training->rng, training->n_learnt - at);
            uint32_t row = training->order[draw];

            training->order[draw] = training->order[at];
            training->order[at] = row;
            pass_take(pass, model, i, training->rows->values + row * model->n_dims,
                      training->options->noise, training->rng);
        }
        (void)lw_autoencoder_learn(model, pass);
        if (lw_net_clip(lw_kernels_best(), pass->gradient, model->n_weights, GRADIENT_LONGEST)) {
            lw_adam_step(&training->adam, RATE, pass->gradient, model->weights[0]);
        }
    }
}

/* Tells rows order[begin] to order[end - 1], or evenly some of them where they are many, without
 * noise: sums of squared residuals by column, and the mean loss; infinite when nothing is known. */
static double training_judge(struct training *training, size_t begin, size_t end)
{
    struct lw_model *model = training->model;
    struct lw_autoencoder_pass *pass = &training->pass;
    size_t most = size_max(WORK_JUDGE_MAX / model->n_weights, BATCH_ROWS);
    size_t stride = (end - begin) / most + 1, n_known = 0;
    const struct lw_kernels *kernels = lw_kernels_best();
    double *squares = training->residuals, *counts = squares + model->n_dims, loss = 0.0;

    memset(squares, 0, 2 * model->n_dims * sizeof(*squares));
    for (size_t at = begin; at < end; at += stride) {
        const float *row = training->rows->values + training->order[at] * model->n_dims;

        pass_take(pass, model, 0, row, 0.0, training->rng);
        lw_autoencoder_forward(kernels, model, pass->inputs, pass->outputs);
        for (size_t i = 0; i < model->n_dims; i++) {
            double e = (double)pass->targets[i] -
                       (double)pass->outputs[LW_AUTOENCODER_LAYERS - 1][i];

            if (e == e) {
                squares[i] += e * e;
                counts[i] += 1.0;
                loss += lw_net_huber(e);
                n_known++;
            }
        }
    }
    return n_known > 0 ? loss / (double)n_known : (double)INFINITY;
}

static void training_run(struct training *training)
{
    struct lw_model *model = training->model;
    size_t n_rows = training->rows->n_rows;

    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        lw_layer_init(&model->layers[k], model->weights[k], training->rng);
    }
    for (int64_t epoch = 0; epoch < training->options->epochs; epoch++) {
        training_pass(training);
        lw_best_offer(&training->best, training_judge(training, training->n_learnt, n_rows),
                      model->weights[0]);
        if (isfinite(training->best.loss) && training->best.n_without >= PATIENCE) {
            break;
        }
    }
    if (isfinite(training->best.loss)) {
        memcpy(model->weights[0], training->best.weights, model->n_weights * sizeof(float));
    }
    (void)training_judge(training, 0, n_rows);
    lw_net_gains(training->residuals, training->residuals + model->n_dims, model->n_dims,
                 model->gains);
}

static size_t options_code(const struct lw_autoencoder_options *options, size_t n_dims)
{
    return options->code > 0 ? (size_t)options->code : size_max(1, size_min(8, n_dims / 3));
}

enum lw_status lw_autoencoder_fit(const void *options, const struct lw_model_rows *rows,
                                  struct lw_rng *rng, struct lw_model **ret_model,
                                  struct lw_error *reterr)
{
    struct training training = {.options = options, .rows = rows, .rng = rng};
    enum lw_status st = lw_model_check_fit(&lw_model_autoencoder, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    st = lw_autoencoder_create(rows->n_dims, (size_t)training.options->hidden,
                               options_code(training.options, rows->n_dims), &training.model,
                               reterr);
    if (st != LW_OK) {
        return st;
    }
    st = training_init(&training, reterr);
    if (st == LW_OK) {
        training_run(&training);
        *ret_model = training.model;
    } else {
        lw_autoencoder_destroy(training.model);
    }
    training_fini(&training);
    return st;
}

/* One step down the row's gradient, without noise, clipped as in training; the residuals' factors
 * stay. */
enum lw_status lw_autoencoder_update(struct lw_model *model, const float *row, struct lw_rng *rng,
                                     struct lw_error *reterr)
{
    struct lw_autoencoder_pass pass;
    enum lw_status st;

    st = lw_autoencoder_pass_init(&pass, model, 1, reterr);
    if (st != LW_OK) {
        return st;
    }
    pass_take(&pass, model, 0, row, 0.0, rng);
    (void)lw_autoencoder_learn(model, &pass);
    if (lw_net_clip(lw_kernels_best(), pass.gradient, model->n_weights, GRADIENT_LONGEST)) {
        for (size_t i = 0; i < model->n_weights; i++) {
            model->weights[0][i] = lw_net_clamp(
                model->weights[0][i] - UPDATE_RATE * pass.gradient[i], LW_NET_WEIGHT_MAX);
        }
    }
    lw_autoencoder_pass_fini(&pass);
    return LW_OK;
}
