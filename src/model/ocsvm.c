/*
 * One-Class SVM: how far a row lies from the bulk of those trained on, by a sum of Gaussian bells.
 *
 * Idea. A bell exp(-gamma |x - s|^2) sits on each of a few training rows s, the support vectors,
 * with coefficients a(s) such that the smallest region with kernel sum
 *
 *     K(x) = sum over s of a(s) exp(-gamma |x - s|^2) >= rho
 *
 * leaves out a share nu of the rows. rho - K(x) is the usual score, but K vanishes where a row is
 * far away: from there on all rows look alike. So the sum is turned back into a distance,
 *
 *     d(x) = sqrt(max(0, -v ln(K(x) / Kmax))), v = 1 / gamma, Kmax the largest K in training,
 *
 * which for one bell is |x - s|, and far away grows as the distance to the nearest support vectors.
 *
 * Source. Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a
 * High-Dimensional Distribution", Neural Computation 2001. We depart from it in the distance.
 * Training solves the dual by libsvm: see model/ocsvm_train.c.
 *
 * Numerics. The bell of the nearest support vector is factored out,
 *
 *     ln K = -m / v + ln sum a exp((m - |x - s|^2) / v), m the least |x - s|^2,
 *
 * so the sum holds the coefficient of the nearest vector at least, and nothing underflows however
 * far x lies. Squares and bells are floats, all in kernels of math/kernels.h with one order of
 * sums: a row scores the same bits alone, in a batch and on every machine.
 *
 * Missing values count as the mean of their column in training; values beyond +-1e15 as +-1e15, so
 * that squares of 4,096 differences still add up in a float.
 *
 * Cost. A row takes n_vectors (3 n_dims + 25) operations in lanes of 8. Memory 4 bytes times
 * support vectors times columns.
 */
#include "model/ocsvm.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "math/kernels.h"
#include "model/ocsvm_internal.h"

#include <math.h>
#include <string.h>

static const char *const ocsvm_widths[] = {"variance", "scale", NULL};

static const struct lw_option ocsvm_option_table[] = {
    {.name = "nu",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_ocsvm_options, nu),
     .fallback = "0.05",
     .min = 0.001,
     .max = 1,
     .unit = "",
     .help = "Share of the training rows that may lie outside, and the least share of them that "
             "become support vectors."},
    {.name = "rows",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_ocsvm_options, rows),
     .fallback = "1000",
     .min = 2,
     .max = LW_OCSVM_ROWS_MAX,
     .unit = "rows",
     .help = "Rows trained on, drawn without repeats; training takes 16 bytes times their square."},
    {.name = "gamma",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_ocsvm_options, gamma),
     .fallback = "0",
     .min = 0,
     .max = 1e12,
     .unit = "",
     .help = "How narrow the bells are, 1 / v; 0: by the data."},
    {.name = "width",
     .type = LW_OPTION_ENUM,
     .offset = offsetof(struct lw_ocsvm_options, width),
     .fallback = "variance",
     .choices = ocsvm_widths,
     .unit = "",
     .help = "What v is by the data: the columns' variances added up, or the number of columns "
             "times the variance of all values together."},
    {.name = "least",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_ocsvm_options, least),
     .fallback = "0.25",
     .min = 0,
     .max = 1e12,
     .unit = "",
     .help = "v by the data is at least this."},
};

static size_t ocsvm_bytes(const struct lw_model *model)
{
    size_t n_wide = model->n_wide, n_dims = model->n_dims;

    return sizeof(*model) + (n_dims + n_wide + n_dims * n_wide) * sizeof(float);
}

enum lw_status lw_ocsvm_create(const struct lw_model *shape, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    struct lw_model head = *shape, *model;

    head.n_wide = (head.n_vectors + LW_LANES - 1) / LW_LANES * LW_LANES;
    head.gamma = (float)(1.0 / head.width);
    model = lw_mem_calloc(1, ocsvm_bytes(&head));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "ocsvm: no memory for %zu bytes",
                            ocsvm_bytes(&head));
    }
    *model = head;
    model->fill = (float *)(model + 1);
    model->coefs = model->fill + head.n_dims;
    model->vectors = model->coefs + head.n_wide;
    *ret_model = model;
    return LW_OK;
}

void lw_ocsvm_pad(struct lw_model *model)
{
    for (size_t i = 0; i < model->n_dims; i++) {
        float *values = model->vectors + i * model->n_wide;

        for (size_t k = model->n_vectors; k < model->n_wide; k++) {
            values[k] = values[0];
        }
    }
}

void lw_ocsvm_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t ocsvm_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

void lw_ocsvm_clean(const struct lw_model *model, const float *row, float *ret_point)
{
    for (size_t i = 0; i < model->n_dims; i++) {
        float x = row[i];

        x = isnan(x) ? model->fill[i] : x;
        x = x < LW_OCSVM_VALUE_MAX ? x : LW_OCSVM_VALUE_MAX;
        ret_point[i] = x > -LW_OCSVM_VALUE_MAX ? x : -LW_OCSVM_VALUE_MAX;
    }
}

float lw_ocsvm_bells(const struct lw_model *model, const float *point, float *ret_bells)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    float least, greatest;

    kernels->distances(model->vectors, point, model->n_dims, model->n_wide, ret_bells);
    kernels->extremes(ret_bells, model->n_wide, &least, &greatest);
    for (size_t i = 0; i < model->n_wide; i++) {
        ret_bells[i] = (least - ret_bells[i]) * model->gamma;
    }
    kernels->exp(ret_bells, model->n_wide);
    return least;
}

double lw_ocsvm_log_kernel(const struct lw_model *model, const float *point, float *ret_bells)
{
    float least = lw_ocsvm_bells(model, point, ret_bells);

    return lw_log((double)lw_kernels_best()->dot(model->coefs, ret_bells, model->n_wide)) -
           (double)least / model->width;
}

/* d(x) of the docs, from ln K(x). */
static double ocsvm_distance(const struct lw_model *model, double log_kernel)
{
    double square = model->width * (model->log_peak - log_kernel);

    return square > 0.0 ? sqrt(square) : 0.0;
}

static void ocsvm_score(const struct lw_model *model, float *state, const float *rows,
                        size_t n_rows, float *ret_distances)
{
    LW_UNINITIALIZED float point[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED float bells[LW_OCSVM_ROWS_MAX];

    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        const float *row = rows + i * model->n_dims;

        if (lw_model_row_is_missing(row, model->n_dims)) {
            ret_distances[i] = NAN;
        } else {
            lw_ocsvm_clean(model, row, point);
            ret_distances[i] = (float)ocsvm_distance(model,
                                                     lw_ocsvm_log_kernel(model, point, bells));
        }
    }
}

/*
 * Where the distance comes from: its square grows along x - mean(x), mean(x) the mean of the
 * support vectors weighted by their bells at x. Each column gets the distance in proportion to the
 * square of its part of that slope, so the shares add up to the distance; a missing value has none.
 */
static void ocsvm_attribute(const struct lw_model *model, const float *state, const float *row,
                            float *ret_shares)
{
    LW_UNINITIALIZED float point[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED float bells[LW_OCSVM_ROWS_MAX];
    const struct lw_kernels *kernels = lw_kernels_best();
    double distance, sum = 0.0, scale;
    float weight;

    (void)state;
    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    lw_ocsvm_clean(model, row, point);
    distance = ocsvm_distance(model, lw_ocsvm_log_kernel(model, point, bells));
    weight = kernels->dot(model->coefs, bells, model->n_wide);
    for (size_t i = 0; i < model->n_wide; i++) {
        bells[i] *= model->coefs[i] / weight;
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        float mean = kernels->dot(model->vectors + i * model->n_wide, bells, model->n_wide);

        ret_shares[i] = isnan(row[i]) ? 0.0f : (point[i] - mean) * (point[i] - mean);
        sum += (double)ret_shares[i];
    }
    scale = sum > 0.0 ? distance / sum : 0.0;
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = (float)((double)ret_shares[i] * scale);
    }
}

const struct lw_model_class lw_model_ocsvm = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "ocsvm",
    .title = "One-Class SVM",
    .formula = "sqrt(-v ln(K(x) / Kmax)), K(x) = sum over support vectors of a exp(-|x - s|^2 / v)",
    .source = "Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, \"Estimating the Support of a "
              "High-Dimensional Distribution\", Neural Computation 2001",
    .view = LW_VIEW_EMBEDDING,
    .unit = 0.25,
    .options = ocsvm_option_table,
    .n_options = sizeof(ocsvm_option_table) / sizeof(ocsvm_option_table[0]),
    .options_bytes = sizeof(struct lw_ocsvm_options),
    .fit = lw_ocsvm_fit,
    .n_state = NULL,
    .score = ocsvm_score,
    .attribute = ocsvm_attribute,
    .update = NULL,
    .save = lw_ocsvm_save,
    .load = lw_ocsvm_load,
    .export_onnx = NULL,
    .n_dims = ocsvm_n_dims,
    .bytes = ocsvm_bytes,
    .destroy = lw_ocsvm_destroy,
};
