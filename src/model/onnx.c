/*
 * ONNX: a model that was trained elsewhere, run by ONNX Runtime.
 *
 * Idea. Whatever library made a model, most can write it as an ONNX graph. The class reads one from
 * a file, checks what goes in and comes out, and takes its output for a distance:
 *
 *     one number a row, s:            distance = max(0, s + shift), or max(0, shift - s) where less
 *                                     is stranger; shift lifts the least of training to 0, if it is
 *                                     below 0
 *     a row as wide as its input, y:  distance = length of (x_j - y_j) / max(rms in training, 0.1),
 *                                     x and y no further than 1,000 from 0: as our autoencoder's
 *
 * Source. "Open Neural Network Exchange", onnx.ai; the library is fetched at run time, and without
 * it no such model can be fitted or loaded: model/onnx_runtime.c.
 *
 * Sequences. A graph with a second input, "state" [n, s], and an output "next_state" of that shape
 * goes from row to row, starting from zeros; ours of class lstm is one.
 *
 * Missing values. A hole becomes 0, the view's centre, or stays NaN for graphs that know holes, as
 * ours do; of a reconstruction it adds nothing to the distance. A row of holes only scores NaN.
 * Infinities count as the greatest float. What the graph gives that is no number, and a run that
 * fails, is NaN too: it cannot be told.
 *
 * Same bits. One row a run unless option batch says more: many graphs add up in another order, or
 * quantise over all rows at hand, when rows come together.
 *
 * What is different. The library allocates memory on every run; the class itself does not. A model
 * file holds the graph's bytes, but not where the library is: a data file must not name code.
 *
 * Cost. That of the graph, and about 4 us a run; shares of a distance take a run a column.
 */
#include "model/onnx.h"

#include "base/mem.h"
#include "math/kernels.h"
#include "model/net.h"
#include "model/onnx_internal.h"

#include <assert.h>
#include <float.h>

#define BLOCK_MAX 16384u /* Floats that go into a run. */

static_assert(LW_MODEL_DIMS_MAX <= BLOCK_MAX, "a row must fit");
static_assert(LW_ONNX_OUTPUT_MAX == LW_ONNX_NAME_MAX, "an option must hold any output's name");

static const char *const onnx_readings[] = {"shape", "distance", "reconstruction", NULL};
static const char *const onnx_holes[] = {"centre", "keep", NULL};

static const struct lw_option onnx_option_table[] = {
    {.name = "path",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct lw_onnx_options, path),
     .fallback = "",
     .capacity = LW_ONNX_PATH_MAX,
     .unit = "",
     .help = "The ONNX file, of at most 64 MiB; it must be given."},
    {.name = "library",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct lw_onnx_options, library),
     .fallback = "",
     .capacity = LW_ONNX_PATH_MAX,
     .unit = "",
     .help = "Path of ONNX Runtime's library; else LAPWING_ONNXRUNTIME names it, or it is "
             "libonnxruntime.so.1."},
    {.name = "output",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct lw_onnx_options, output),
     .fallback = "",
     .capacity = LW_ONNX_OUTPUT_MAX,
     .unit = "",
     .help = "Name of the output to read; may be left out where there is one only, or one is "
             "\"distances\"."},
    {.name = "reading",
     .type = LW_OPTION_ENUM,
     .offset = offsetof(struct lw_onnx_options, reading),
     .fallback = "shape",
     .choices = onnx_readings,
     .unit = "",
     .help = "What the output is: a distance a row, a reconstruction of the row, or what its shape "
             "says."},
    {.name = "holes",
     .type = LW_OPTION_ENUM,
     .offset = offsetof(struct lw_onnx_options, holes),
     .fallback = "centre",
     .choices = onnx_holes,
     .unit = "",
     .help = "What a missing value becomes: 0, the centre, or NaN for graphs that know holes."},
    {.name = "reverse",
     .type = LW_OPTION_BOOL,
     .offset = offsetof(struct lw_onnx_options, reverse),
     .fallback = "false",
     .unit = "",
     .help = "Whether less of the output is stranger, as in scikit-learn."},
    {.name = "batch",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_onnx_options, batch),
     .fallback = "1",
     .min = 1,
     .max = LW_ONNX_BATCH_MAX,
     .unit = "rows",
     .help = "Rows a run at most: more are faster, but may give other bits than single ones."},
};

void lw_onnx_destroy(struct lw_model *model)
{
    if (model != NULL) {
        lw_onnx_session_destroy(model->session);
        lw_mem_free(model);
    }
}

static size_t onnx_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t onnx_n_state(const struct lw_model *model)
{
    return 2 * model->n_state; /* As it is, and as it was before the last row. */
}

/* The library's part is not known: a graph takes about as much again as its file, and more. */
static size_t onnx_bytes(const struct lw_model *model)
{
    return sizeof(*model) + model->n_dims * sizeof(float) + 2 * model->n_bytes;
}

enum lw_status lw_onnx_run(const struct lw_model *model, size_t n, const struct lw_onnx_io *io,
                           struct lw_error *reterr)
{
    int64_t n_rows = (int64_t)n, n_state = (int64_t)model->n_state;
    int64_t width = model->reading == LW_ONNX_RECONSTRUCTION ? (int64_t)model->n_dims : 1;
    const struct lw_onnx_tensor inputs[] = {
        {model->input, io->rows, 2, {n_rows, (int64_t)model->n_dims}},
        {"state", io->state, 2, {n_rows, n_state}},
    };
    const struct lw_onnx_tensor outputs[] = {
        {model->output, io->out, model->rank, {n_rows, width}},
        {"next_state", io->next, 2, {n_rows, n_state}},
    };
    size_t n_tensors = model->n_state > 0 ? 2 : 1;

    return lw_onnx_session_run(model->session, inputs, n_tensors, outputs, n_tensors, reterr);
}

void lw_onnx_row_clean(const struct lw_model *model, const float *row, float *ret_row)
{
    for (size_t i = 0; i < model->n_dims; i++) {
        bool is_hole = isnan(row[i]);

        ret_row[i] = is_hole ? (model->keeps_holes ? row[i] : 0.0f) : lw_net_clamp(row[i], FLT_MAX);
    }
}

void lw_onnx_row_residuals(const struct lw_model *model, const float *row, float *values)
{
    for (size_t i = 0; i < model->n_dims; i++) {
        float residual = (lw_net_clamp(row[i], LW_NET_REACH) -
                          lw_net_clamp(values[i], LW_NET_REACH)) *
                         model->gains[i];

        values[i] = isnan(row[i]) ? 0.0f : residual;
    }
}

/* What came out for one row as a distance; `out` is overwritten. */
static float row_distance(const struct lw_model *model, const float *row, float *out)
{
    float distance;

    if (lw_model_row_is_missing(row, model->n_dims)) {
        return NAN;
    }
    if (model->reading == LW_ONNX_RECONSTRUCTION) {
        lw_onnx_row_residuals(model, row, out);
        distance = sqrtf(lw_kernels_best()->dot(out, out, model->n_dims));
    } else {
        distance = (model->is_reverse ? -out[0] : out[0]) + model->shift;
        distance = distance < 0.0f ? 0.0f : distance;
    }
    return isfinite(distance) ? distance : NAN;
}

static size_t model_width(const struct lw_model *model)
{
    return model->reading == LW_ONNX_RECONSTRUCTION ? model->n_dims : 1;
}

/* The distances of at most BLOCK_MAX floats of rows, or of one; NaN when the run fails. */
static void block_score(const struct lw_model *model, float *state, const float *rows, size_t n,
                        float *ret_distances)
{
    LW_UNINITIALIZED float clean[BLOCK_MAX], out[BLOCK_MAX], next[LW_ONNX_STATE_MAX];
    size_t width = model_width(model);
    enum lw_status st;

    for (size_t i = 0; i < n; i++) {
        lw_onnx_row_clean(model, rows + i * model->n_dims, clean + i * model->n_dims);
    }
    st = lw_onnx_run(model, n, &(struct lw_onnx_io){clean, state, next, out}, NULL);
    for (size_t i = 0; i < n; i++) {
        ret_distances[i] = st == LW_OK
                               ? row_distance(model, rows + i * model->n_dims, out + i * width)
                               : NAN;
    }
    if (model->n_state > 0 && st == LW_OK) {
        memcpy(state + model->n_state, state, model->n_state * sizeof(*state));
        memcpy(state, next, model->n_state * sizeof(*state));
    }
}

static void onnx_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                       float *ret_distances)
{
    size_t most = BLOCK_MAX / model->n_dims, n;

    most = most < model->batch ? most : model->batch;
    most = most < 1 || model->n_state > 0 ? 1 : most;
    for (size_t begin = 0; begin < n_rows; begin += n) {
        n = n_rows - begin < most ? n_rows - begin : most;
        block_score(model, state, rows + begin * model->n_dims, n, ret_distances + begin);
    }
}

/* The distance of a row that has been made clean, from the state before it, NULL where the graph
 * keeps none; 0 when there is none to tell. */
static float clean_distance(const struct lw_model *model, const float *before, const float *row,
                            float *clean, float *out)
{
    LW_UNINITIALIZED float next[LW_ONNX_STATE_MAX], from[LW_ONNX_STATE_MAX];
    struct lw_onnx_io io = {.rows = clean, .out = out};
    float distance;

    if (before != NULL) {
        memcpy(from, before, model->n_state * sizeof(*from));
        io.state = from;
        io.next = next;
    }
    if (lw_onnx_run(model, 1, &io, NULL) != LW_OK) {
        return 0.0f;
    }
    distance = row_distance(model, row, out);
    return isfinite(distance) ? distance : 0.0f;
}

/* Of a reconstruction the squares of the residuals; else what the distance loses when the column is
 * at the centre, or missing where the graph knows that. */
static void onnx_attribute(const struct lw_model *model, const float *state, const float *row,
                           float *ret_shares)
{
    LW_UNINITIALIZED float clean[LW_MODEL_DIMS_MAX], out[LW_MODEL_DIMS_MAX];
    const float *before = model->n_state > 0 ? state + model->n_state : NULL;
    float distance;

    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    lw_onnx_row_clean(model, row, clean);
    distance = clean_distance(model, before, row, clean, out);
    for (size_t i = 0; distance > 0.0f && i < model->n_dims; i++) {
        float value = clean[i], less;

        if (model->reading == LW_ONNX_RECONSTRUCTION) {
            ret_shares[i] = out[i] * out[i];
        } else if (!isnan(row[i])) {
            clean[i] = model->keeps_holes ? NAN : 0.0f;
            less = clean_distance(model, before, row, clean, out);
            clean[i] = value;
            ret_shares[i] = distance > less ? distance - less : 0.0f;
        }
    }
}

const struct lw_model_class lw_model_onnx = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "onnx",
    .title = "ONNX model",
    .formula = "distance = max(0, s + shift), or | (x - y) / max(rms in training, 0.1) |",
    .source = "ONNX, \"Open Neural Network Exchange\", run by ONNX Runtime",
    .view = LW_VIEW_VALUES,
    .unit = 1.0,
    .options = onnx_option_table,
    .n_options = sizeof(onnx_option_table) / sizeof(onnx_option_table[0]),
    .options_bytes = sizeof(struct lw_onnx_options),
    .fit = lw_onnx_fit,
    .n_state = onnx_n_state,
    .score = onnx_score,
    .attribute = onnx_attribute,
    .save = lw_onnx_save,
    .load = lw_onnx_load,
    .n_dims = onnx_n_dims,
    .bytes = onnx_bytes,
    .destroy = lw_onnx_destroy,
    .is_foreign = true,
};
