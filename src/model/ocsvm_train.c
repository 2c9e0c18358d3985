/*
 * Trains a One-Class SVM: draws the rows, decides how wide the bells are, lets libsvm solve
 *
 *     least 1/2 a' Q a, Q the bells of each row at each other, 0 <= a <= 1, sum of a = nu rows
 *
 * and keeps the rows with a > 0. See model/ocsvm.c.
 *
 * libsvm gets Q ready-made, by the kernels that score. Its own Gaussian kernel calls libm's exp,
 * whose last bits differ from machine to machine; what is left to it adds, multiplies and compares.
 * So the same rows, options and seed give the same machine. Q takes 16 bytes times the square of
 * the rows: 16 MB for 1,000.
 *
 * Time. rows^2 bells, and as many steps of sequential minimal optimisation as the data needs, each
 * in proportion to the rows: 5 ms for 1,000 rows of a server, below 25 ms for every nu and gamma
 * tried. libsvm gives up after ten million steps; what it has by then is a valid machine, only not
 * the best, and is kept.
 *
 * libsvm allocates by itself and does not look whether it got memory. We ask for as much just
 * before, so that a lack of it is an error here rather than a crash there.
 */
#include "model/ocsvm_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/ocsvm.h"

#include <libsvm/svm.h>
#include <math.h>
#include <string.h>

#define STOP 1e-5 /* Least violation of the optimum that is worked on: K is off by less. */
#define SVM_ROW_BYTES 512.0 /* More than libsvm allocates a row, beside its cache. */
#define MIB 1048576.0

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
    struct svm_node *nodes; /* [n][n + 2]: libsvm's form of Q. */
    struct svm_node **node_rows;
    double *targets; /* [n]: unused by the method, read by libsvm. */
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

/* Q as libsvm wants it: node 0 has the row's number from 1, nodes 1 to n the kernel. A row's
 * nearest is itself, so its bells are the kernel as it is. */
static void training_fill(struct training *training)
{
    LW_UNINITIALIZED float bells[LW_OCSVM_ROWS_MAX];
    size_t n = training->n;

    for (size_t i = 0; i < n; i++) {
        struct svm_node *nodes = training->nodes + i * (n + 2);

        (void)lw_ocsvm_bells(training->drawn, training->points + i * training->drawn->n_dims,
                             bells);
        training->node_rows[i] = nodes;
        nodes[0] = (struct svm_node){.index = 0, .value = (double)(i + 1)};
        for (size_t k = 0; k < n; k++) {
            nodes[k + 1] = (struct svm_node){.index = (int)k + 1, .value = (double)bells[k]};
        }
        nodes[n + 1].index = -1;
    }
}

/* In huge pages: there are up to a quarter of a gigabyte, and each is written once. */
static size_t training_nodes_bytes(const struct training *training)
{
    return training->n * (training->n + 2) * sizeof(*training->nodes);
}

static void training_fini(struct training *training)
{
    lw_mem_free(training->targets);
    lw_mem_free(training->node_rows);
    lw_mem_free_pages(training->nodes, training_nodes_bytes(training));
    lw_mem_free(training->points);
    lw_ocsvm_destroy(training->drawn);
    lw_mem_free(training->fill);
    lw_mem_free(training->sums);
}

static double training_cache_mib(const struct training *training)
{
    return 4.0 * (double)training->n * (double)training->n / MIB + 1.0;
}

/* Room for what follows from the shape; on failure training_fini frees what there is. */
static enum lw_status training_alloc(struct training *training, struct lw_error *reterr)
{
    const struct lw_model shape = {.n_dims = (uint32_t)training->rows->n_dims,
                                   .n_vectors = (uint32_t)training->n,
                                   .width = training->width};
    size_t n = training->n;
    void *probe;
    enum lw_status st = lw_ocsvm_create(&shape, &training->drawn, reterr);

    if (st != LW_OK) {
        return st;
    }
    memcpy(training->drawn->fill, training->fill, shape.n_dims * sizeof(float));
    training->points = lw_mem_calloc(n * shape.n_dims, sizeof(*training->points));
    training->nodes = lw_mem_alloc_pages(training_nodes_bytes(training));
    training->node_rows = lw_mem_calloc(n, sizeof(*training->node_rows));
    training->targets = lw_mem_calloc(n, sizeof(*training->targets));
    probe = lw_mem_alloc((size_t)(training_cache_mib(training) * MIB + SVM_ROW_BYTES * (double)n));
    lw_mem_free(probe); /* libsvm's share. */
    if (probe == NULL || training->points == NULL || training->nodes == NULL ||
        training->node_rows == NULL || training->targets == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "ocsvm: no memory to learn from %zu rows", n);
    }
    return LW_OK;
}

static void svm_is_quiet(const char *text)
{
    (void)text;
}

static struct svm_model *training_solve(struct training *training)
{
    const struct svm_problem problem = {
        .l = (int)training->n, .y = training->targets, .x = training->node_rows};
    const struct svm_parameter parameter = {.svm_type = ONE_CLASS,
                                            .kernel_type = PRECOMPUTED,
                                            .cache_size = training_cache_mib(training),
                                            .eps = STOP,
                                            .nu = training->options->nu,
                                            .shrinking = 1};

    svm_set_print_string_function(svm_is_quiet);
    return svm_train(&problem, &parameter);
}

static bool coef_counts(const struct svm_model *solved, int i)
{
    return (float)solved->sv_coef[0][i] >= LW_OCSVM_COEF_MIN;
}

/* Of what was solved, the support vectors that count. */
static enum lw_status training_keep(const struct training *training, const struct svm_model *solved,
                                    struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model shape = {.n_dims = (uint32_t)training->rows->n_dims, .width = training->width};
    struct lw_model *model;
    enum lw_status st;
    size_t at = 0;

    for (int i = 0; i < solved->l; i++) {
        shape.n_vectors += coef_counts(solved, i);
    }
    /* Where every row is at its bound, as with nu = 1, libsvm knows no rho; scores need none. */
    shape.rho = solved->rho[0] > 0.0 && isfinite(solved->rho[0]) ? solved->rho[0] : 0.0;
    st = lw_ocsvm_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    memcpy(model->fill, training->fill, shape.n_dims * sizeof(float));
    for (int i = 0; i < solved->l; i++) {
        const float *point = training->points + (size_t)(solved->sv_indices[i] - 1) * shape.n_dims;

        if (coef_counts(solved, i)) {
            model->coefs[at] = (float)solved->sv_coef[0][i];
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
    struct svm_model *solved;
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
    training_fill(training);
    solved = training_solve(training);
    st = training_keep(training, solved, ret_model, reterr);
    svm_free_and_destroy_model(&solved);
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
