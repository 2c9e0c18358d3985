/*
 * Sub-sequence PCA: how far a row is from the usual one, along the directions in which rows usually
 * differ and across them.
 *
 *     c_i = p_i (x - mean)                         coordinates on the leading components
 *     T^2 = sum over i of c_i^2 / max(lambda_i, least^2)
 *     Q   = |x - mean|^2 - sum over i of c_i^2 + sum over rests of r^2
 *     D   = sqrt(T^2 + Q / max(mean of Q in training, least^2))
 *
 * Rows of the view "patch" are sub-sequences: 32 steps on principal components; but rows of any
 * view will do. The components are as many as it takes to explain a share of the variance. T^2 is
 * Hotelling's and finds what goes too far in usual directions, Q what goes where nothing goes.
 *
 * Source. Jackson and Mudholkar, "Control Procedures for Residuals Associated With Principal
 * Component Analysis", Technometrics 1979; over sub-sequences: Liu and Paparrizos, "The Elephant in
 * the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024 (Sub-PCA). We
 * depart from both: one distance out of two, Q in units of its mean rather than against a limit;
 * floors below which no direction's deviation falls; and rests, which are across all components.
 *
 * Missing values. One counts as the mean of its column, a missing rest as 0. Rows of which nothing
 * is known are not learnt from. Values count as at most 1e15 from 0, so that all stays finite.
 *
 * Wide rows. Above WIDE columns no covariance is made: components are those of the products of at
 * most as many rows with each other, evenly spread; the two have the same eigenvalues (singular
 * value decomposition).
 *
 * Shares. v = sum of p_i c_i / sqrt(lambda_i) has the length T, and what the components leave of x
 * has the length sqrt(Q), both by column: shares are their squares over D and add up to D. (Alcala
 * and Qin, "Reconstruction-based contribution for process monitoring", Automatica 2009: complete
 * decomposition.)
 *
 * Cost. Fit: rows columns^2 / 2 multiply-adds for the covariance, rows evenly spread such that they
 * stay below 1e9, and the components (math/linear_algebra.h); score: columns (components + 1)
 * multiply-adds a row; memory: 4 bytes columns (components + 1).
 */
#include "model/subpca.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/kernels.h"
#include "math/linear_algebra.h"

#include <math.h>
#include <string.h>

#define SUBPCA_VERSION 1u
#define COMPONENTS_MAX 64
#define WIDE 256u
#define FURTHEST 1e15f
#define DISTANCE_MAX 1e30
#define FIT_WORK_MAX 1e9

struct subpca_options {
    double variance, least;
    int64_t components;
};

struct lw_model {
    uint32_t n_dims, n_rests; /* Of a row; the last n_rests are rests. */
    uint32_t n_out;           /* Components, rounded up to whole vectors; the padding is 0. */
    float *mean;              /* [n_dims - n_rests] */
    float *components;        /* [n_dims - n_rests][n_out], as the product wants them. */
    double *precision; /* [n_out] 1 / variance of each coordinate; 0 in the padding. And of Q. */
};

static const struct lw_option subpca_option_table[] = {
    {.name = "variance",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct subpca_options, variance),
     .fallback = "0.9",
     .min = 0.01,
     .max = 1,
     .unit = "",
     .help = "Share of the variance that the components explain."},
    {.name = "components",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct subpca_options, components),
     .fallback = "32",
     .min = 1,
     .max = COMPONENTS_MAX,
     .unit = "",
     .help = "Components at most."},
    {.name = "least",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct subpca_options, least),
     .fallback = "0.1",
     .min = 1e-6,
     .max = 1e6,
     .unit = "",
     .help = "Least deviation of a component, and of what all of them leave."},
};

static size_t n_columns_of(const struct lw_model *model)
{
    return model->n_dims - model->n_rests;
}

static size_t subpca_bytes(const struct lw_model *model)
{
    return sizeof(*model) + ((size_t)model->n_out + 1) * sizeof(double) +
           n_columns_of(model) * ((size_t)model->n_out + 1) * sizeof(float);
}

/* A model of that shape (its n_dims and n_rests) and room for so many components, all 0. */
static enum lw_status subpca_create(const struct lw_model *shape, size_t n_components,
                                    struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model head = *shape, *model;

    head.n_out = (uint32_t)((n_components + LW_LANES - 1) / LW_LANES * LW_LANES);
    model = lw_mem_calloc(1, subpca_bytes(&head));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "subpca: no memory for %zu bytes",
                            subpca_bytes(&head));
    }
    *model = head;
    model->precision = (double *)(model + 1);
    model->mean = (void *)(model->precision + model->n_out + 1);
    model->components = model->mean + n_columns_of(model);
    *ret_model = model;
    return LW_OK;
}

static void subpca_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t subpca_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static float within(float x)
{
    return x > FURTHEST ? FURTHEST : x < -FURTHEST ? -FURTHEST : x;
}

/* A row less the mean; 0 where it is missing. */
static void centre_row(const float *row, const float *mean, size_t n, float *ret_centred)
{
    for (size_t i = 0; i < n; i++) {
        ret_centred[i] = isnan(row[i]) ? 0.0f : within(row[i]) - mean[i];
    }
}

static double rests_squared(const struct lw_model *model, const float *row)
{
    double sum = 0.0;

    for (size_t i = n_columns_of(model); i < model->n_dims; i++) {
        double rest = isnan(row[i]) ? 0.0 : (double)within(row[i]);

        sum += rest * rest;
    }
    return sum;
}

/* Q of a row that is centred; its coordinates into float[n_out]. */
static double row_left(const struct lw_model *model, const float *row, const float *centred,
                       float *ret_coordinates)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    double left;

    memset(ret_coordinates, 0, model->n_out * sizeof(*ret_coordinates));
    kernels->product(model->components, centred, n_columns_of(model), model->n_out,
                     ret_coordinates);
    left = (double)kernels->dot(centred, centred, n_columns_of(model)) -
           (double)kernels->dot(ret_coordinates, ret_coordinates, model->n_out);
    return (left > 0.0 ? left : 0.0) + rests_squared(model, row);
}

static double row_distance(const struct lw_model *model, const float *coordinates, double left)
{
    double sum = left * model->precision[model->n_out], distance;

    for (size_t i = 0; i < model->n_out; i++) {
        sum += (double)coordinates[i] * (double)coordinates[i] * model->precision[i];
    }
    distance = sqrt(sum);
    return distance < DISTANCE_MAX ? distance : DISTANCE_MAX;
}

static void subpca_score(const struct lw_model *model, float *state, const float *rows,
                         size_t n_rows, float *ret_distances)
{
    LW_UNINITIALIZED float centred[LW_MODEL_DIMS_MAX], coordinates[COMPONENTS_MAX];

    (void)state;
    for (size_t i = 0; i < n_rows; i++, rows += model->n_dims) {
        if (lw_model_row_is_missing(rows, model->n_dims)) {
            ret_distances[i] = NAN;
        } else {
            double left;

            centre_row(rows, model->mean, n_columns_of(model), centred);
            left = row_left(model, rows, centred, coordinates);
            ret_distances[i] = (float)row_distance(model, coordinates, left);
        }
    }
}

static void subpca_attribute(const struct lw_model *model, const float *state, const float *row,
                             float *ret_shares)
{
    LW_UNINITIALIZED float centred[LW_MODEL_DIMS_MAX], coordinates[COMPONENTS_MAX];
    size_t n = n_columns_of(model);
    double precision = model->precision[model->n_out], all_left, distance;

    (void)state;
    centre_row(row, model->mean, n, centred);
    all_left = row_left(model, row, centred, coordinates);
    distance = row_distance(model, coordinates, all_left);
    for (size_t i = 0; i < model->n_dims; i++) {
        double along = 0.0, left = i < n           ? (double)centred[i]
                                   : isnan(row[i]) ? 0.0
                                                   : (double)within(row[i]);

        for (size_t k = 0; i < n && k < model->n_out; k++) {
            double part = (double)model->components[i * model->n_out + k] * (double)coordinates[k];

            along += part * sqrt(model->precision[k]);
            left -= part;
        }
        left = (along * along + left * left * precision) / distance;
        ret_shares[i] = distance > 0.0 ? (float)(left < DISTANCE_MAX ? left : DISTANCE_MAX) : 0.0f;
    }
}

/* ---- fit ---- */

/* The rows that are learnt from: of those known, one in `every`. */
struct sample {
    const struct lw_model_rows *rows;
    size_t n_columns, every, n;
};

/* The next row of a sample after row *at, which it moves on; NULL behind the last. */
static const float *sample_next(const struct sample *sample, size_t *at, size_t *n_known)
{
    const struct lw_model_rows *rows = sample->rows;

    while (*at < rows->n_rows) {
        const float *row = rows->values + (*at)++ * rows->n_dims;

        if (!lw_model_row_is_missing(row, rows->n_dims) && (*n_known)++ % sample->every == 0) {
            return row;
        }
    }
    return NULL;
}

static void learn_mean(const struct sample *sample, struct lw_model *model, double *sums)
{
    size_t n = sample->n_columns, at = 0, n_known = 0;
    double *counts = sums + n;
    const float *row;

    memset(sums, 0, 2 * n * sizeof(*sums));
    while ((row = sample_next(sample, &at, &n_known)) != NULL) {
        for (size_t i = 0; i < n; i++) {
            sums[i] += isnan(row[i]) ? 0.0 : (double)within(row[i]);
            counts[i] += isnan(row[i]) ? 0.0 : 1.0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        model->mean[i] = counts[i] > 0.0 ? (float)(sums[i] / counts[i]) : 0.0f;
    }
}

/* Where the components come from: the covariance, or the products of rows with each other. */
struct spectrum {
    size_t n, k;
    double *matrix;  /* [n][n] */
    float *centred;  /* [sample.n][n_columns], of wide rows alone; else of one row. */
    double *scratch; /* Also values[k] and vectors[k][n] behind it. */
    double *values, *vectors;
    double trace;
};

static void spectrum_mirror(struct spectrum *spectrum, double share)
{
    for (size_t i = 0; i < spectrum->n; i++) {
        for (size_t j = 0; j <= i; j++) {
            spectrum->matrix[i * spectrum->n + j] *= share;
            spectrum->matrix[j * spectrum->n + i] = spectrum->matrix[i * spectrum->n + j];
        }
        spectrum->trace += spectrum->matrix[i * spectrum->n + i];
    }
}

static void spectrum_of_columns(const struct sample *sample, const struct lw_model *model,
                                struct spectrum *spectrum)
{
    size_t at = 0, n_known = 0, n = sample->n_columns;
    const float *row;

    while ((row = sample_next(sample, &at, &n_known)) != NULL) {
        centre_row(row, model->mean, n, spectrum->centred);
        for (size_t i = 0; i < n; i++) {
            spectrum->scratch[i] = (double)spectrum->centred[i];
        }
        lw_gram_add(spectrum->matrix, spectrum->scratch, n);
    }
    spectrum_mirror(spectrum, 1.0 / (double)sample->n);
}

static void spectrum_of_rows(const struct sample *sample, const struct lw_model *model,
                             struct spectrum *spectrum)
{
    size_t at = 0, n_known = 0, n = sample->n_columns;
    const float *row;

    for (size_t i = 0; (row = sample_next(sample, &at, &n_known)) != NULL; i++) {
        centre_row(row, model->mean, n, spectrum->centred + i * n);
        for (size_t j = 0; j <= i; j++) {
            double sum = 0.0;

            for (size_t c = 0; c < n; c++) {
                sum += (double)spectrum->centred[i * n + c] * (double)spectrum->centred[j * n + c];
            }
            spectrum->matrix[i * spectrum->n + j] = sum;
        }
    }
    spectrum_mirror(spectrum, 1.0 / (double)sample->n);
}

/* Component k by column: an eigenvector of the covariance, or a sum of rows by one of theirs. */
static void spectrum_component(const struct spectrum *spectrum, const struct sample *sample,
                               size_t k, struct lw_model *model)
{
    const double *vector = spectrum->vectors + k * spectrum->n;
    size_t n = sample->n_columns;
    double length = sqrt(spectrum->values[k] * (double)sample->n);

    for (size_t i = 0; i < n; i++) {
        double x = n <= WIDE ? vector[i] : 0.0;

        for (size_t row = 0; n > WIDE && row < spectrum->n; row++) {
            x += vector[row] * (double)spectrum->centred[row * n + i] / length;
        }
        model->components[i * model->n_out + k] = (float)x;
    }
}

/* As many components as explain the share of variance that was asked for. */
static void learn_components(const struct spectrum *spectrum, const struct sample *sample,
                             const struct subpca_options *set, struct lw_model *model)
{
    double explained = 0.0, floor = set->least * set->least;

    for (size_t k = 0; k < spectrum->k; k++) {
        double variance = spectrum->values[k];

        if (explained >= set->variance * spectrum->trace ||
            !(variance > 1e-9 * spectrum->values[0])) {
            break;
        }
        explained += variance;
        spectrum_component(spectrum, sample, k, model);
        model->precision[k] = 1.0 / (variance > floor ? variance : floor);
    }
}

/* The mean of Q, from the rows themselves: the rests and the float arithmetic count as they are. */
static void learn_left(const struct sample *sample, double least, struct lw_model *model)
{
    LW_UNINITIALIZED float centred[LW_MODEL_DIMS_MAX], coordinates[COMPONENTS_MAX];
    size_t at = 0, n_known = 0;
    double sum = 0.0;
    const float *row;

    while ((row = sample_next(sample, &at, &n_known)) != NULL) {
        centre_row(row, model->mean, sample->n_columns, centred);
        sum += row_left(model, row, centred, coordinates);
    }
    sum = sample->n > 0 ? sum / (double)sample->n : 0.0;
    model->precision[model->n_out] = 1.0 / (sum > least * least ? sum : least * least);
}

/* Which rows are used: all, or such that the work stays within bounds. */
static struct sample sample_of(const struct lw_model_rows *rows)
{
    struct sample sample = {
        .rows = rows, .n_columns = rows->n_dims - rows->n_rests, .every = 1, .n = 0};
    double most = FIT_WORK_MAX * 2.0 / ((double)sample.n_columns * (double)sample.n_columns);
    size_t n_known = 0;

    most = sample.n_columns > WIDE ? (double)WIDE : most;
    for (size_t i = 0; i < rows->n_rows; i++) {
        n_known += lw_model_row_is_missing(rows->values + i * rows->n_dims, rows->n_dims) ? 0 : 1;
    }
    most = most < (double)rows->n_rows ? most : (double)rows->n_rows;
    sample.every = n_known > (size_t)most ? (n_known - 1) / (size_t)most + 1 : 1;
    sample.n = (n_known + sample.every - 1) / sample.every;
    return sample;
}

static enum lw_status subpca_learn(const struct sample *sample, const struct subpca_options *set,
                                   struct lw_rng *rng, struct lw_model *model,
                                   struct lw_error *reterr)
{
    size_t n_columns = sample->n_columns, n = n_columns > WIDE ? sample->n : n_columns;
    size_t k = (size_t)set->components < n ? (size_t)set->components : n;
    size_t n_scratch = LW_PRINCIPAL_SCRATCH(n, k) + 2 * n_columns;
    struct spectrum spectrum = {.n = n, .k = k};
    enum lw_status status = LW_OK;

    spectrum.matrix = lw_mem_calloc(n * n + 1, sizeof(double));
    spectrum.centred = lw_mem_calloc((n_columns > WIDE ? sample->n : 1) * n_columns + 1,
                                     sizeof(float));
    spectrum.scratch = lw_mem_calloc(n_scratch + k * (n + 1), sizeof(double));
    if (spectrum.matrix == NULL || spectrum.centred == NULL || spectrum.scratch == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "subpca: no memory for components of %zu columns",
                              n_columns);
        goto done;
    }
    spectrum.values = spectrum.scratch + n_scratch;
    spectrum.vectors = spectrum.values + k;
    learn_mean(sample, model, spectrum.scratch);
    if (sample->n > 0) {
        (n_columns > WIDE ? spectrum_of_rows : spectrum_of_columns)(sample, model, &spectrum);
        lw_principal(spectrum.matrix, n, k, rng, spectrum.scratch, spectrum.values,
                     spectrum.vectors);
        learn_components(&spectrum, sample, set, model);
    }
    learn_left(sample, set->least, model);
done:
    lw_mem_free(spectrum.scratch);
    lw_mem_free(spectrum.centred);
    lw_mem_free(spectrum.matrix);
    return status;
}

static enum lw_status subpca_fit(const void *options, const struct lw_model_rows *rows,
                                 struct lw_rng *rng, struct lw_model **ret_model,
                                 struct lw_error *reterr)
{
    const struct subpca_options *set = options;
    struct lw_model shape = {0}, *model = NULL;
    struct sample sample;
    enum lw_status status = lw_model_check_fit(&lw_model_subpca, options, rows, reterr);

    if (status != LW_OK) {
        return status;
    }
    sample = sample_of(rows);
    shape.n_dims = (uint32_t)rows->n_dims;
    shape.n_rests = (uint32_t)rows->n_rests;
    status = subpca_create(&shape,
                           (size_t)set->components < sample.n_columns ? (size_t)set->components
                                                                      : sample.n_columns,
                           &model, reterr);
    if (status == LW_OK) {
        status = subpca_learn(&sample, set, rng, model, reterr);
    }
    if (status != LW_OK) {
        subpca_destroy(model);
        return status;
    }
    *ret_model = model;
    return LW_OK;
}

/* u16 version, u32 columns, u32 rests, u32 components with their padding, then means, components,
 * and f64 precisions. */
static void subpca_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, SUBPCA_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_rests);
    lw_write_u32(writer, model->n_out);
    lw_write_f32s(writer, model->mean, n_columns_of(model) * ((size_t)model->n_out + 1));
    lw_write_f64s(writer, model->precision, (size_t)model->n_out + 1);
}

/* Numbers such that no distance is infinite or missing. */
static bool numbers_are_good(const struct lw_model *model)
{
    size_t n = n_columns_of(model);

    for (size_t i = 0; i < n * ((size_t)model->n_out + 1); i++) {
        if (!(fabsf(model->mean[i]) <= (i < n ? FURTHEST : 2.0f))) {
            return false;
        }
    }
    for (size_t i = 0; i <= model->n_out; i++) {
        if (!(model->precision[i] >= 0.0 && model->precision[i] <= 1.1e12)) {
            return false;
        }
    }
    return true;
}

/* Allocates no more than there are bytes, and 100. */
static enum lw_status subpca_load(struct lw_reader *reader, struct lw_model **ret_model,
                                  struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);
    struct lw_model shape = {.n_dims = lw_read_u32(reader)}, *model = NULL;
    uint32_t n_out;
    enum lw_status status;

    shape.n_rests = lw_read_u32(reader);
    n_out = lw_read_u32(reader);
    if (reader->status == LW_OK && version != SUBPCA_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "subpca: the model is of version %u, but this one reads %u",
                            (unsigned)version, SUBPCA_VERSION);
    }
    if (reader->status != LW_OK || shape.n_dims < 1 || shape.n_dims > LW_MODEL_DIMS_MAX ||
        shape.n_rests >= shape.n_dims || n_out < 1 || n_out > COMPONENTS_MAX ||
        n_out % LW_LANES != 0 ||
        n_columns_of(&shape) * ((size_t)n_out + 1) * sizeof(float) > lw_reader_left(reader)) {
        return lw_error_set(reterr, LW_EFORMAT, "subpca: damaged: %u components of %u columns",
                            (unsigned)n_out, (unsigned)shape.n_dims);
    }
    status = subpca_create(&shape, n_out, &model, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_read_f32s(reader, model->mean, n_columns_of(model) * ((size_t)n_out + 1));
    lw_read_f64s(reader, model->precision, (size_t)n_out + 1);
    if (reader->status != LW_OK || !numbers_are_good(model)) {
        subpca_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "subpca: damaged: its numbers are out of bounds");
    }
    *ret_model = model;
    return LW_OK;
}

const struct lw_model_class lw_model_subpca = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "subpca",
    .title = "Sub-sequence PCA",
    .formula = "sqrt(sum of c_i^2 / lambda_i over components of 90 % of variance + Q / mean Q)",
    .source = "Jackson and Mudholkar, \"Control Procedures for Residuals Associated With Principal "
              "Component Analysis\", Technometrics 1979",
    .view = LW_VIEW_PATCH,
    .unit = 1.0,
    .options = subpca_option_table,
    .n_options = sizeof(subpca_option_table) / sizeof(subpca_option_table[0]),
    .options_bytes = sizeof(struct subpca_options),
    .fit = subpca_fit,
    .n_state = NULL,
    .score = subpca_score,
    .attribute = subpca_attribute,
    .update = NULL,
    .save = subpca_save,
    .load = subpca_load,
    .export_onnx = NULL,
    .n_dims = subpca_n_dims,
    .bytes = subpca_bytes,
    .destroy = subpca_destroy,
};
