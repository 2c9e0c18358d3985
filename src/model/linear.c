/*
 * Linear forecaster: what a step's values owe to the steps before them, and what is left.
 *
 * Idea. Each column's next value is a weighted sum of all columns' last three values and of their
 * running means of two speeds, learnt by ridge regression:
 *
 *     p_t    = W [z_(t-1), z_(t-2), z_(t-3), s_(t-1)(0.1), s_(t-1)(0.02), 1]
 *     s_t(a) = s_(t-1)(a) + a (z_t - s_(t-1)(a))
 *     W      = argmin sum over rows of |z_t - p_t|^2, + ridge n |W|^2
 *     r_t    = (z_t - p_t) / max(rms of it in training, 0.1), by column
 *     D      = |r_t|
 *
 * A fault breaks the ties between metrics or jumps against the past, and stands out in r_t before
 * it does in z_t; r_t also says in which column.
 *
 * Source. Vector autoregression (Sims, Econometrica 1980) fitted by ridge regression (Hoerl and
 * Kennard, Technometrics 1970); as an anomaly detector beside deep ones: Sarfraz et al., "Position:
 * Quo Vadis, Unsupervised Time Series Anomaly Detection?", ICML 2024.
 *
 * Wide rows. Above `mixed` columns each column is forecast from its own past alone: the ties would
 * cost O(columns^2) a row.
 *
 * Missing values. A missing value is taken to be as forecast: it leaves no residual and the state
 * goes on with the forecast. (In training, where there is no forecast yet, as it was last.) A row
 * without any value changes nothing. Values and forecasts beyond +-1,000 units count as 1,000.
 *
 * State: z_(t-1), z_(t-2), z_(t-3), s(0.1), s(0.02), 1, each float[n_dims] but the last, laid out
 * as the product wants them; then the rows seen (up to 3) and the newest residual. Only finite
 * numbers.
 *
 * Cost. Fit O(rows used * (5 columns)^2 + (5 columns)^3), rows used at most 4e9 / (5 columns)^2;
 * score 5 columns^2 multiply-adds a row; memory 20 columns^2 bytes.
 */
#include "model/linear.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/kernels.h"
#include "math/linear_algebra.h"

#include <math.h>
#include <string.h>

#define LINEAR_VERSION 1u
#define LAGS 3u
#define PARTS 5u /* Blocks of columns among the inputs. */
#define FAST 0.1f
#define SLOW 0.02f
#define RMS_LEAST 0.1
#define FURTHEST 1e3f
#define RESIDUAL_FURTHEST 1e6f
/* Multiply-adds the normal equations may cost. */
#define FIT_WORK_MAX 4e9
#define MIXED_MAX 512

struct lw_linear_options {
    double ridge;
    int64_t mixed;
};

struct lw_model {
    uint32_t n_dims, n_out; /* n_out: n_dims rounded up to whole vectors. */
    uint32_t n_in;          /* PARTS n_dims + 1, or PARTS + 1 where each column is by itself. */
    bool is_mixed;
    float *weights; /* [n_in][n_out]: of an input for all columns, or of a column's own k-th input.
                     */
    float *inverse; /* [n_out] 1 / unit of each column's residual; 0 in the padding. */
};

static const struct lw_option linear_option_table[] = {
    {.name = "ridge",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_linear_options, ridge),
     .fallback = "0.01",
     .min = 1e-9,
     .max = 1e6,
     .unit = "",
     .help = "Weight of the penalty on large coefficients, times the number of rows."},
    {.name = "mixed",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_linear_options, mixed),
     .fallback = "160",
     .min = 1,
     .max = MIXED_MAX,
     .unit = "columns",
     .help = "Above so many columns each is forecast from its own past alone."},
};

static size_t padded(size_t n)
{
    return (n + LW_LANES - 1) / LW_LANES * LW_LANES;
}

static size_t linear_bytes(const struct lw_model *model)
{
    return sizeof(*model) + ((size_t)model->n_in + 1) * model->n_out * sizeof(float);
}

static enum lw_status linear_create(size_t n_dims, bool is_mixed, struct lw_model **ret_model,
                                    struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = (uint32_t)n_dims,
                            .n_out = (uint32_t)padded(n_dims),
                            .n_in = (uint32_t)(is_mixed ? PARTS * n_dims + 1 : PARTS + 1),
                            .is_mixed = is_mixed};
    struct lw_model *model = lw_mem_calloc(1, linear_bytes(&head));

    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "linear: no memory for %zu bytes",
                            linear_bytes(&head));
    }
    *model = head;
    model->weights = (float *)(model + 1);
    model->inverse = model->weights + (size_t)model->n_in * model->n_out;
    *ret_model = model;
    return LW_OK;
}

static void linear_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t linear_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

/* Where a state's parts are. */
struct linear_state {
    float *past; /* [LAGS][n_dims] */
    float *fast, *slow;
    float *one;
    float *seen;
    float *residual; /* [n_out] */
};

static struct linear_state state_parts(const struct lw_model *model, float *state)
{
    struct linear_state parts = {.past = state};

    parts.fast = state + (size_t)LAGS * model->n_dims;
    parts.slow = parts.fast + model->n_dims;
    parts.one = parts.slow + model->n_dims;
    parts.seen = parts.one + 1;
    parts.residual = parts.seen + 1;
    return parts;
}

static size_t linear_n_state(const struct lw_model *model)
{
    return (size_t)PARTS * model->n_dims + 2 + model->n_out;
}

const float *lw_linear_residual(const struct lw_model *model, const float *state)
{
    return state + (size_t)PARTS * model->n_dims + 2;
}

static float within(float x, float most)
{
    return x > most ? most : x < -most ? -most : x;
}

/* Each column from its own past. */
static void forecast_alone(const struct lw_model *model, const float *state, float *forecast)
{
    for (size_t part = 0; part <= PARTS; part++) {
        const float *weights = model->weights + part * model->n_out;
        const float *inputs = state + part * model->n_dims;

        for (size_t i = 0; i < model->n_dims; i++) {
            forecast[i] += weights[i] * (part < PARTS ? inputs[i] : 1.0f);
        }
    }
}

/* The forecast, into float[n_out]. */
static void linear_forecast(const struct lw_model *model, const float *state, float *ret_forecast)
{
    memset(ret_forecast, 0, model->n_out * sizeof(*ret_forecast));
    if (model->is_mixed) {
        lw_kernels_best()->product(model->weights, state, model->n_in, model->n_out, ret_forecast);
    } else {
        forecast_alone(model, state, ret_forecast);
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_forecast[i] = within(ret_forecast[i], FURTHEST);
    }
}

/* The state after a row without holes. */
static void state_push(const struct lw_model *model, struct linear_state *parts, const float *row)
{
    size_t n = model->n_dims;

    memmove(parts->past + n, parts->past, (LAGS - 1) * n * sizeof(float));
    memcpy(parts->past, row, n * sizeof(float));
    if (*parts->seen == 0.0f) {
        memcpy(parts->fast, row, n * sizeof(float));
        memcpy(parts->slow, row, n * sizeof(float));
        *parts->one = 1.0f;
    }
    for (size_t i = 0; i < n; i++) {
        parts->fast[i] += FAST * (row[i] - parts->fast[i]);
        parts->slow[i] += SLOW * (row[i] - parts->slow[i]);
    }
    *parts->seen = *parts->seen < (float)LAGS ? *parts->seen + 1.0f : *parts->seen;
}

/* One row: its residual and the state after it. Returns the distance, NaN before LAGS rows. */
static float linear_step(const struct lw_model *model, float *state, const float *row)
{
    struct linear_state parts = state_parts(model, state);
    bool can_tell = *parts.seen >= (float)LAGS;
    LW_UNINITIALIZED float forecast[LW_MODEL_DIMS_MAX];
    float distance;

    if (lw_model_row_is_missing(row, model->n_dims)) {
        memset(parts.residual, 0, model->n_out * sizeof(float));
        return NAN;
    }
    linear_forecast(model, state, forecast);
    for (size_t i = 0; i < model->n_dims; i++) {
        float guess = can_tell ? forecast[i] : parts.past[i];
        float value = within(isnan(row[i]) ? guess : row[i], FURTHEST);

        parts.residual[i] = can_tell ? within((value - forecast[i]) * model->inverse[i],
                                              RESIDUAL_FURTHEST)
                                     : 0.0f;
        forecast[i] = value;
    }
    state_push(model, &parts, forecast);
    distance = sqrtf(lw_kernels_best()->dot(parts.residual, parts.residual, model->n_out));
    return can_tell ? distance : NAN;
}

static void linear_score(const struct lw_model *model, float *state, const float *rows,
                         size_t n_rows, float *ret_distances)
{
    for (size_t i = 0; i < n_rows; i++) {
        ret_distances[i] = linear_step(model, state, rows + i * model->n_dims);
    }
}

static void linear_attribute(const struct lw_model *model, const float *state, const float *row,
                             float *ret_shares)
{
    const float *residual = lw_linear_residual(model, state);

    (void)row;
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = residual[i] * residual[i];
    }
}

/* The normal equations while they are filled. */
struct normal {
    size_t n_in, n_right;
    double *gram;   /* [n_in][n_in], lower triangle */
    double *target; /* [n_in][n_right] */
    double *inputs; /* [n_in] */
    double n_rows;
};

static void normal_add(struct normal *normal, const float *values, size_t n_right)
{
    lw_gram_add(normal->gram, normal->inputs, normal->n_in);
    for (size_t i = 0; i < normal->n_in; i++) {
        double *line = normal->target + i * n_right, x = normal->inputs[i];

        for (size_t j = 0; j < n_right; j++) {
            line[j] += x * (double)values[j];
        }
    }
    normal->n_rows += 1.0;
}

static bool normal_solve(struct normal *normal, double ridge)
{
    for (size_t i = 0; i < normal->n_in; i++) {
        normal->gram[i * normal->n_in + i] += ridge * (normal->n_rows > 1.0 ? normal->n_rows : 1.0);
    }
    if (!lw_cholesky_factor(normal->gram, normal->n_in)) {
        return false;
    }
    lw_cholesky_solve(normal->gram, normal->n_in, normal->target, normal->n_right);
    return true;
}

/* A walk over the training rows that shows each row with the state before it. */
struct walk {
    struct lw_model *model;
    const struct lw_model_rows *rows;
    float *state;
    size_t every; /* One in so many rows is shown. */
    void (*show)(struct walk *walk, const float *row);
    struct normal *normal;
    double *squares; /* [n_dims] */
    double n_shown;
};

static void walk_rows(struct walk *walk)
{
    const struct lw_model *model = walk->model;
    const float *row = walk->rows->values;
    size_t number = 0;

    for (size_t run = 0; run < lw_model_n_runs(walk->rows); run++) {
        struct linear_state parts = state_parts(model, walk->state);

        memset(walk->state, 0, linear_n_state(model) * sizeof(float));
        for (size_t i = 0; i < lw_model_run(walk->rows, run); i++, row += model->n_dims) {
            bool shown = *parts.seen >= (float)LAGS && number++ % walk->every == 0 &&
                         !lw_model_row_is_missing(row, model->n_dims);
            float filled[LW_MODEL_DIMS_MAX];

            for (size_t k = 0; k < model->n_dims; k++) {
                filled[k] = within(isnan(row[k]) ? parts.past[k] : row[k], FURTHEST);
            }
            if (shown) {
                walk->show(walk, filled);
            }
            if (!lw_model_row_is_missing(row, model->n_dims)) {
                state_push(model, &parts, filled);
            }
        }
    }
}

static void show_mixed(struct walk *walk, const float *row)
{
    for (size_t i = 0; i < walk->normal->n_in; i++) {
        walk->normal->inputs[i] = (double)walk->state[i];
    }
    normal_add(walk->normal, row, walk->model->n_dims);
}

/* All columns at once, each with a small system of its own, one after the other in memory. */
static void show_alone(struct walk *walk, const float *row)
{
    size_t n = PARTS + 1, n_dims = walk->model->n_dims;

    for (size_t column = 0; column < n_dims; column++) {
        struct normal one = {.n_in = n,
                             .gram = walk->normal->gram + column * n * n,
                             .target = walk->normal->target + column * n,
                             .inputs = walk->normal->inputs};

        for (size_t part = 0; part < PARTS; part++) {
            one.inputs[part] = (double)walk->state[part * n_dims + column];
        }
        one.inputs[PARTS] = 1.0;
        normal_add(&one, row + column, 1);
    }
    walk->normal->n_rows += 1.0;
}

static void show_residual(struct walk *walk, const float *row)
{
    LW_UNINITIALIZED float forecast[LW_MODEL_DIMS_MAX];

    linear_forecast(walk->model, walk->state, forecast);
    for (size_t i = 0; i < walk->model->n_dims; i++) {
        double left = (double)row[i] - (double)forecast[i];

        walk->squares[i] += left * left;
    }
    walk->n_shown += 1.0;
}

static bool solve_mixed(struct walk *walk, double ridge)
{
    struct lw_model *model = walk->model;

    if (!normal_solve(walk->normal, ridge)) {
        return false;
    }
    for (size_t i = 0; i < model->n_in; i++) {
        for (size_t j = 0; j < model->n_dims; j++) {
            model->weights[i * model->n_out + j] = within(
                (float)walk->normal->target[i * model->n_dims + j], RESIDUAL_FURTHEST);
        }
    }
    return true;
}

static bool solve_alone(struct walk *walk, double ridge)
{
    struct lw_model *model = walk->model;
    size_t n = PARTS + 1;

    for (size_t column = 0; column < model->n_dims; column++) {
        struct normal one = {.n_in = n,
                             .n_right = 1,
                             .gram = walk->normal->gram + column * n * n,
                             .target = walk->normal->target + column * n,
                             .n_rows = walk->normal->n_rows};

        if (!normal_solve(&one, ridge)) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            model->weights[i * model->n_out + column] = within((float)one.target[i],
                                                               RESIDUAL_FURTHEST);
        }
    }
    return true;
}

/* The unit of each column's residual, from the rows themselves. */
static void learn_units(struct walk *walk)
{
    struct lw_model *model = walk->model;

    walk->show = show_residual;
    walk_rows(walk);
    for (size_t i = 0; i < model->n_dims; i++) {
        double mean = walk->n_shown > 0.0 ? walk->squares[i] / walk->n_shown : 1.0;
        double rms = sqrt(mean);

        model->inverse[i] = (float)(1.0 / (rms > RMS_LEAST ? rms : RMS_LEAST));
    }
}

static enum lw_status linear_learn(struct lw_model *model, const struct lw_model_rows *rows,
                                   double ridge, struct lw_error *reterr)
{
    size_t n_dims = model->n_dims, systems = model->is_mixed ? 1 : n_dims;
    size_t n_right = model->is_mixed ? n_dims : 1, n_in = model->n_in;
    double work = (double)rows->n_rows * (double)n_in * (double)n_in / 2.0 * (double)systems;
    struct normal normal = {.n_in = n_in, .n_right = n_right};
    struct walk walk = {.model = model, .rows = rows, .every = 1, .normal = &normal};
    enum lw_status status = LW_OK;

    normal.gram = lw_mem_calloc(systems * n_in * n_in, sizeof(double));
    normal.target = lw_mem_calloc(systems * n_in * n_right, sizeof(double));
    normal.inputs = lw_mem_calloc(n_in + n_dims, sizeof(double));
    walk.state = lw_mem_calloc(linear_n_state(model), sizeof(float));
    if (normal.gram == NULL || normal.target == NULL || normal.inputs == NULL ||
        walk.state == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "linear: no memory to fit %zu columns", n_dims);
        goto done;
    }
    walk.squares = normal.inputs + n_in;
    while (work > FIT_WORK_MAX * (double)walk.every) {
        walk.every++;
    }
    walk.show = model->is_mixed ? show_mixed : show_alone;
    walk_rows(&walk);
    if (!(model->is_mixed ? solve_mixed(&walk, ridge) : solve_alone(&walk, ridge))) {
        status = lw_error_set(reterr, LW_EINVAL,
                              "linear: the rows admit no forecast: their products are not finite");
        goto done;
    }
    learn_units(&walk);
done:
    lw_mem_free(walk.state);
    lw_mem_free(normal.inputs);
    lw_mem_free(normal.target);
    lw_mem_free(normal.gram);
    return status;
}

static enum lw_status linear_fit(const void *options, const struct lw_model_rows *rows,
                                 struct lw_rng *rng, struct lw_model **ret_model,
                                 struct lw_error *reterr)
{
    const struct lw_linear_options *set = options;
    struct lw_model *model = NULL;
    enum lw_status status = lw_model_check_fit(&lw_model_linear, options, rows, reterr);

    (void)rng; /* Nothing is drawn. */
    if (status == LW_OK) {
        status = linear_create(rows->n_dims, rows->n_dims <= (size_t)set->mixed, &model, reterr);
    }
    if (status == LW_OK) {
        status = linear_learn(model, rows, set->ridge, reterr);
    }
    if (status != LW_OK) {
        linear_destroy(model);
        return status;
    }
    *ret_model = model;
    return LW_OK;
}

/* u16 version, u32 columns, u8 mixed, then the weights of each input and the inverse units. */
static void linear_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, LINEAR_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u8(writer, model->is_mixed);
    for (size_t i = 0; i <= model->n_in; i++) {
        lw_write_f32s(writer, model->weights + i * model->n_out, model->n_dims);
    }
}

/* Allocates at most 21 MB, and no more than ten times the bytes there are. */
static enum lw_status linear_load(struct lw_reader *reader, struct lw_model **ret_model,
                                  struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    uint32_t n_dims = lw_read_u32(reader);
    uint8_t is_mixed = lw_read_u8(reader);
    struct lw_model *model = NULL;
    uint64_t n_values;
    enum lw_status status;

    if (reader->status == LW_OK && version != LINEAR_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "linear: the model is of version %u, but this one reads %u",
                            (unsigned)version, LINEAR_VERSION);
    }
    n_values = (uint64_t)n_dims * (is_mixed ? (uint64_t)PARTS * n_dims + 2 : PARTS + 2);
    if (reader->status != LW_OK || n_dims < 1 || n_dims > LW_MODEL_DIMS_MAX || is_mixed > 1 ||
        (is_mixed && n_dims > MIXED_MAX) || n_values * sizeof(float) > lw_reader_left(reader)) {
        return lw_error_set(reterr, LW_EFORMAT, "linear: damaged: %u columns", (unsigned)n_dims);
    }
    status = linear_create(n_dims, is_mixed != 0, &model, reterr);
    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i <= model->n_in; i++) {
        float *line = model->weights + i * model->n_out;

        lw_read_f32s(reader, line, n_dims);
        for (size_t k = 0; k < n_dims; k++) {
            if (!isfinite(line[k]) || fabsf(line[k]) > RESIDUAL_FURTHEST) {
                status = lw_error_set(reterr, LW_EFORMAT, "linear: damaged: a weight of %g",
                                      (double)line[k]);
                linear_destroy(model);
                return status;
            }
        }
    }
    *ret_model = model;
    return LW_OK;
}

const struct lw_model_class lw_model_linear = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "linear",
    .title = "Linear forecaster",
    .formula = "|r|, r_j = (z_j - p_j) / max(rms_j, 0.1), p = W [3 past rows, 2 running means, 1]",
    .source =
        "Sims, \"Macroeconomics and Reality\", Econometrica 1980; ridge by Hoerl and Kennard, "
        "Technometrics 1970",
    .view = LW_VIEW_VALUES,
    .unit = 1.0,
    .options = linear_option_table,
    .n_options = sizeof(linear_option_table) / sizeof(linear_option_table[0]),
    .options_bytes = sizeof(struct lw_linear_options),
    .fit = linear_fit,
    .n_state = linear_n_state,
    .score = linear_score,
    .attribute = linear_attribute,
    .update = NULL,
    .save = linear_save,
    .load = linear_load,
    .export_onnx = NULL,
    .n_dims = linear_n_dims,
    .bytes = linear_bytes,
    .destroy = linear_destroy,
};
