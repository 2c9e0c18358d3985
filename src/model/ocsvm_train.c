/*
 * Trains a One-Class SVM: draws the rows, decides how wide the bells are, has the quadratic program
 * solved (model/ocsvm_solve.c), and keeps the rows of weight. See model/ocsvm.c.
 *
 * The same rows, options and seed give the same machine.
 */
#include "model/ocsvm_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/ocsvm.h"

#include <math.h>
#include <string.h>

/* Scratch of a training. */
struct training {
    const struct lw_ocsvm_options *options;
    const struct lw_model_rows *rows;
    size_t n_known;         /* Rows of which something is known. */
    double *sums;           /* [n_dims][3]: known values, their sum, and squared deviations. */
    float *fill;            /* [n_dims]: the columns' means. */
    double width;           /* v */
    size_t n;               /* Rows trained on. */
    struct lw_model *drawn; /* These rows as if all were support vectors; without coefficients. */
    float *points;          /* [n][n_dims]: they, row by row. */
    double *alphas;         /* [n]: their weights. */
    double rho;
};

/* Whether a row may be trained on: where nothing is known of any row, all may. */
static bool training_takes(const struct training *training, size_t i)
{
    const struct lw_model_rows *rows = training->rows;

    return training->n_known == 0 ||
           !lw_model_row_is_missing(rows->values + i * rows->n_dims, rows->n_dims);
}

static double value_clamp(float x)
{
    x = x < LW_OCSVM_VALUE_MAX ? x : LW_OCSVM_VALUE_MAX;
    return (double)(x > -LW_OCSVM_VALUE_MAX ? x : -LW_OCSVM_VALUE_MAX);
}

/* The columns' means, and the sums of their squared deviations. */
static void training_measure(struct training *training)
{
    const struct lw_model_rows *rows = training->rows;
    size_t n_dims = rows->n_dims;

    for (size_t i = 0; i < rows->n_rows; i++) {
        const float *row = rows->values + i * n_dims;

        training->n_known += !lw_model_row_is_missing(row, n_dims);
        for (size_t k = 0; k < n_dims; k++) {
            training->sums[3 * k] += isnan(row[k]) ? 0.0 : 1.0;
            training->sums[3 * k + 1] += isnan(row[k]) ? 0.0 : value_clamp(row[k]);
        }
    }
    for (size_t k = 0; k < n_dims; k++) {
        double *sum = training->sums + 3 * k;

        training->fill[k] = sum[0] > 0.0 ? (float)(sum[1] / sum[0]) : 0.0f;
    }
    for (size_t i = 0; i < rows->n_rows; i++) {
        const float *row = rows->values + i * n_dims;

        for (size_t k = 0; k < n_dims; k++) {
            double apart = isnan(row[k]) ? 0.0 : value_clamp(row[k]) - (double)training->fill[k];

            training->sums[3 * k + 2] += apart * apart;
        }
    }
}

/* v: see enum lw_ocsvm_width. A missing value counts as its column's mean. */
static double training_width(const struct training *training)
{
    const struct lw_ocsvm_options *options = training->options;
    size_t n_dims = training->rows->n_dims, n_rows = training->n_known;
    double width = 0.0, mean = 0.0;

    if (options->gamma > 0.0) {
        width = 1.0 / options->gamma;
    } else {
        for (size_t k = 0; k < n_dims; k++) {
            mean += (double)training->fill[k] / (double)n_dims;
        }
        for (size_t k = 0; k < n_dims; k++) {
            double apart = (double)training->fill[k] - mean;

            width += n_rows > 0 ? training->sums[3 * k + 2] / (double)n_rows : 0.0;
            width += options->width == LW_OCSVM_SCALE ? apart * apart : 0.0;
        }
        width = width > options->least ? width : options->least;
        width = width > 0.0 ? width : 1.0;
    }
    width = width > LW_OCSVM_WIDTH_MIN ? width : LW_OCSVM_WIDTH_MIN;
    return width < LW_OCSVM_WIDTH_MAX ? width : LW_OCSVM_WIDTH_MAX;
}

/* Draws the rows, in their order: each is taken with the odds of those still wanted among those
 * still to come (Knuth, "The Art of Computer Programming", volume 2, algorithm S). */
static void training_draw(struct training *training, struct lw_rng *rng)
{
    const struct lw_model_rows *rows = training->rows;
    struct lw_model *drawn = training->drawn;
    size_t n_left = training->n_known == 0 ? rows->n_rows : training->n_known, n_taken = 0;

    for (size_t i = 0; n_taken < training->n; i++) {
        if (!training_takes(training, i)) {
            continue;
        }
        if (lw_rng_below(rng, n_left) < training->n - n_taken) {
            float *point = training->points + n_taken * rows->n_dims;

            lw_ocsvm_clean(drawn, rows->values + i * rows->n_dims, point);
            for (size_t k = 0; k < rows->n_dims; k++) {
                drawn->vectors[k * drawn->n_wide + n_taken] = point[k];
            }
            n_taken++;
        }
        n_left--;
    }
    lw_ocsvm_pad(drawn);
}

static void training_fini(struct training *training)
{
    lw_mem_free(training->alphas);
    lw_mem_free(training->points);
    lw_ocsvm_destroy(training->drawn);
    lw_mem_free(training->fill);
    lw_mem_free(training->sums);
}

/* Room for what follows from the shape; on failure training_fini frees what there is. */
static enum lw_status training_alloc(struct training *training, struct lw_error *reterr)
{
    const struct lw_model shape = {.n_dims = (uint32_t)training->rows->n_dims,
                                   .n_vectors = (uint32_t)training->n,
                                   .width = training->width};
    size_t n = training->n;
    enum lw_status st = lw_ocsvm_create(&shape, &training->drawn, reterr);

    if (st != LW_OK) {
        return st;
    }
    memcpy(training->drawn->fill, training->fill, shape.n_dims * sizeof(float));
    training->points = lw_mem_calloc(n * shape.n_dims, sizeof(*training->points));
    training->alphas = lw_mem_calloc(n, sizeof(*training->alphas));
    if (training->points == NULL || training->alphas == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "ocsvm: no memory to learn from %zu rows", n);
    }
    return LW_OK;
}

static bool alpha_counts(double alpha)
{
    return (float)alpha >= LW_OCSVM_COEF_MIN;
}

/* Of what was solved, the support vectors that count. */
static enum lw_status training_keep(const struct training *training, struct lw_model **ret_model,
                                    struct lw_error *reterr)
{
    struct lw_model shape = {
        .n_dims = (uint32_t)training->rows->n_dims, .width = training->width, .rho = training->rho};
    struct lw_model *model;
    enum lw_status st;
    size_t at = 0;

    for (size_t i = 0; i < training->n; i++) {
        shape.n_vectors += alpha_counts(training->alphas[i]);
    }
    st = lw_ocsvm_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    memcpy(model->fill, training->fill, shape.n_dims * sizeof(float));
    for (size_t i = 0; i < training->n; i++) {
        const float *point = training->points + i * shape.n_dims;

        if (alpha_counts(training->alphas[i])) {
            model->coefs[at] = (float)training->alphas[i];
            for (size_t k = 0; k < shape.n_dims; k++) {
                model->vectors[k * model->n_wide + at] = point[k];
            }
            at++;
        }
    }
    lw_ocsvm_pad(model);
    *ret_model = model;
    return LW_OK;
}

/* Kmax, over the rows trained on. */
static void training_peak(const struct training *training, struct lw_model *model)
{
    LW_UNINITIALIZED float bells[LW_OCSVM_ROWS_MAX];

    model->log_peak = -LW_OCSVM_LOG_PEAK_MAX;
    for (size_t i = 0; i < training->n; i++) {
        double log_kernel = lw_ocsvm_log_kernel(model, training->points + i * model->n_dims, bells);

        model->log_peak = log_kernel > model->log_peak ? log_kernel : model->log_peak;
    }
}

static enum lw_status training_run(struct training *training, struct lw_rng *rng,
                                   struct lw_model **ret_model, struct lw_error *reterr)
{
    enum lw_status st;
    size_t n;

    training_measure(training);
    training->width = training_width(training);
    n = training->n_known == 0 ? training->rows->n_rows : training->n_known;
    training->n = n < (size_t)training->options->rows ? n : (size_t)training->options->rows;
    st = training_alloc(training, reterr);
    if (st != LW_OK) {
        return st;
    }
    training_draw(training, rng);
    st = lw_ocsvm_solve(training->drawn, training->points, training->options->nu, training->alphas,
                        &training->rho, reterr);
    if (st == LW_OK) {
        st = training_keep(training, ret_model, reterr);
    }
    if (st == LW_OK) {
        training_peak(training, *ret_model);
    }
    return st;
}

enum lw_status lw_ocsvm_fit(const void *options, const struct lw_model_rows *rows,
                            struct lw_rng *rng, struct lw_model **ret_model,
                            struct lw_error *reterr)
{
    struct training training = {.options = options, .rows = rows};
    enum lw_status st = lw_model_check_fit(&lw_model_ocsvm, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    training.fill = lw_mem_calloc(rows->n_dims, sizeof(float));
    training.sums = lw_mem_calloc(rows->n_dims, 3 * sizeof(double));
    if (training.fill == NULL || training.sums == NULL) {
        st = lw_error_set(reterr, LW_ENOMEM, "ocsvm: no memory to learn from rows of %zu values",
                          rows->n_dims);
    } else {
        st = training_run(&training, rng, ret_model, reterr);
    }
    training_fini(&training);
    return st;
}
