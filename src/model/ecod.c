/*
 * ECOD: a row is strange by as much as its values lie in the tails of their columns.
 *
 * Idea. With F(x) the share of a column's training values that are <= x, and G(x) the share of
 * those >= x, the smaller of both says how far out in a tail x lies; columns are taken as
 * independent, so the logarithms add up:
 *
 *     score(x) = sum over columns j of -ln min(F_j(x_j), G_j(x_j))
 *
 * Source. Li, Zhao, Hu, Botta, Ionescu and Chen, "ECOD: Unsupervised Outlier Detection Using
 * Empirical Cumulative Distribution Functions", IEEE TKDE 2023, in the form of its authors'
 * implementation (PyOD), which takes the larger tail column by column; the paper takes the largest
 * of three sums: left tails, right tails, and in each column the tail of its skewness, which the
 * larger of both contains. We depart from both where no training value went: outside the range of
 * training, half a row counts as there, since none would be an infinite score; and from PyOD, which
 * sees the rows that it scores as training rows, by scoring with what was learned alone.
 *
 * Knots. A column keeps the value and the two counts of at most `knots` of its training values. Up
 * to that many different ones, F and G are exact. Beyond, the knots' ranks from either end grow by
 * a constant factor, so that tails keep their detail, and between two knots F and G grow linearly
 * with x: their error is then below that factor, about 1.01 for 10,000 rows and 1.03 for 10^8 at
 * 1,024 knots, and a column's term is off by its logarithm at most.
 *
 * Missing values add nothing, infinities count as the greatest floats.
 *
 * Cost. A row takes log2(knots) steps a column, and one logarithm for every 16 columns: shares are
 * multiplied first. Memory 12 bytes a knot: at most 12 KB a column.
 */
#include "model/ecod.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "model/ecod_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define OUTSIDE_ROWS 0.5 /* Counts as beyond the range of training. */

/* Shares multiplied before a logarithm is taken; each is at least 0.5 / LW_MODEL_ROWS_MAX, so the
 * product stays above 1e-133. */
#define GROUP_COLUMNS 16u

static const struct lw_option ecod_option_table[] = {
    {.name = "knots",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_ecod_options, knots),
     .fallback = "1024",
     .min = LW_ECOD_KNOTS_MIN,
     .max = LW_ECOD_KNOTS_MAX,
     .unit = "",
     .help = "Values kept of each column's distribution: with as many different ones or fewer it "
             "is exact."},
};

static size_t ecod_bytes(const struct lw_model *model)
{
    return sizeof(*model) + model->n_dims * sizeof(*model->columns) +
           model->n_knots * (sizeof(*model->counts) + sizeof(*model->values));
}

enum lw_status lw_ecod_create(uint32_t n_dims, uint32_t n_knots, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = n_dims, .n_knots = n_knots}, *model;

    model = lw_mem_calloc(1, ecod_bytes(&head));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "ecod: no memory for %zu bytes", ecod_bytes(&head));
    }
    *model = head;
    model->columns = (struct lw_ecod_column *)(model + 1);
    model->counts = (struct lw_ecod_counts *)(model->columns + n_dims);
    model->values = (float *)(model->counts + n_knots);
    *ret_model = model;
    return LW_OK;
}

void lw_ecod_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t ecod_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

/* How many of n > 0 ascending values are <= x: as many steps for every x, none of them a branch. */
static size_t values_upto(const float *values, size_t n, float x)
{
    const float *base = values;

    while (n > 1) {
        size_t half = n / 2;

        base += base[half - 1] <= x ? half : 0;
        n -= half;
    }
    return (size_t)(base - values) + (*base <= x);
}

/* min(F(x), G(x)), in (0, 1]; 1 where x or the column is unknown. */
static double column_tail(const struct lw_model *model, size_t i, float x)
{
    const struct lw_ecod_column *column = &model->columns[i];
    const float *values = model->values + column->begin;
    const struct lw_ecod_counts *counts = model->counts + column->begin;
    double left, right, n_rows = column->n_rows;
    size_t at;

    if (isnan(x) || column->n_knots == 0) {
        return 1.0;
    }
    x = x < FLT_MAX ? x : FLT_MAX;
    x = x > -FLT_MAX ? x : -FLT_MAX;
    at = values_upto(values, column->n_knots, x);
    if (at > 0 && values[at - 1] == x) {
        left = counts[at - 1].upto;
        right = n_rows - counts[at - 1].below;
    } else if (at == 0 || at == column->n_knots) {
        return OUTSIDE_ROWS / n_rows;
    } else {
        double way = ((double)x - (double)values[at - 1]) /
                     ((double)values[at] - (double)values[at - 1]);

        left = counts[at - 1].upto + way * (double)(counts[at].below - counts[at - 1].upto);
        right = n_rows - left;
    }
    return (left < right ? left : right) / n_rows;
}

static float ecod_score_row(const struct lw_model *model, const float *row)
{
    double sum = 0.0;

    for (size_t begin = 0; begin < model->n_dims; begin += GROUP_COLUMNS) {
        size_t end = begin + GROUP_COLUMNS;
        double product = 1.0;

        for (size_t i = begin; i < end && i < model->n_dims; i++) {
            product *= column_tail(model, i, row[i]);
        }
        sum -= lw_log(product);
    }
    return (float)sum;
}

static void ecod_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                       float *ret_distances)
{
    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        const float *row = rows + i * model->n_dims;

        ret_distances[i] = lw_model_row_is_missing(row, model->n_dims) ? NAN
                                                                       : ecod_score_row(model, row);
    }
}

/* The columns' terms: they add up to the score. */
static void ecod_attribute(const struct lw_model *model, const float *state, const float *row,
                           float *ret_shares)
{
    (void)state;
    for (size_t i = 0; i < model->n_dims; i++) {
        double tail = column_tail(model, i, row[i]);

        ret_shares[i] = tail < 1.0 ? (float)-lw_log(tail) : 0.0f;
    }
}

const struct lw_model_class lw_model_ecod = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "ecod",
    .title = "ECOD: tails of the empirical distributions",
    .formula = "sum over columns of -ln min(share of training values <= x, share of those >= x)",
    .source = "Li, Zhao, Hu, Botta, Ionescu and Chen, \"ECOD: Unsupervised Outlier Detection Using "
              "Empirical Cumulative Distribution Functions\", IEEE TKDE 2023",
    .view = LW_VIEW_VALUES,
    .unit = 1.0,
    .options = ecod_option_table,
    .n_options = sizeof(ecod_option_table) / sizeof(ecod_option_table[0]),
    .options_bytes = sizeof(struct lw_ecod_options),
    .fit = lw_ecod_fit,
    .n_state = NULL,
    .score = ecod_score,
    .attribute = ecod_attribute,
    .update = NULL,
    .save = lw_ecod_save,
    .load = lw_ecod_load,
    .export_onnx = NULL,
    .n_dims = ecod_n_dims,
    .bytes = ecod_bytes,
    .destroy = lw_ecod_destroy,
};
