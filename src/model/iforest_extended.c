/*
 * Isolation forests whose cuts are planes across several columns.
 *
 * Idea. Cuts of one column at a time make the regions of ordinary rows look like crosses along the
 * axes: rows beside them, but in line with one, are taken for ordinary. A plane has any direction.
 * A cut takes extend + 1 columns in which the rows at hand differ (all, when these are fewer), a
 * coefficient for each, drawn normally and divided by the column's width among these rows, and
 * parts the rows by
 *
 *     t(x) = sum over the columns of coefficient (x - centre)
 *
 * at a place drawn uniformly between their least and greatest t; what is below it is the first
 * side. All else is as in model/iforest.c.
 *
 * Source. Hariri, Carrasco Kind and Brunner, "Extended Isolation Forest", IEEE TKDE 33, 2021. We
 * depart from it: coefficients are in units of the columns' widths, so that, as in a plain forest,
 * scales do not matter; and the place is drawn between the rows' own t, not by a point of their
 * box, so that both sides always have rows.
 *
 * Missing values. A missing value is taken as the mean of the column among the rows that were cut,
 * in training as in scoring: its term is 0, and the other columns decide. When no column of a cut
 * is known, t is 0.
 *
 * Attribution. Cuts of several columns are no game of columns told or not that could be solved
 * exactly. Instead, each cut on the row's way changes the path that the tree expects, from that of
 * the rows at the cut to that of the rows on the side which the row takes; the changes add up to
 * how far the row's path is from the expected one. A change is shared by the columns that brought
 * the row to its side: in proportion to their terms of that sign, the terms of the other sign get
 * nothing; when there are none of that sign, by all in proportion to their size.
 *
 * Cost. O(trees log(sample) (extend + 1)) a row; 12 bytes a column of a cut.
 */
#include "model/iforest_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <float.h>
#include <math.h>

#define NODES_MAX (2u * LW_IFOREST_SAMPLE_MAX)

/* Makes room for an item more in an array of n items, whose bytes double when they are full. */
static bool array_reserve(void **array, size_t *n_bytes, size_t n_bytes_needed)
{
    size_t n_bytes_new = *n_bytes;
    void *grown;

    if (n_bytes_needed <= *n_bytes) {
        return true;
    }
    n_bytes_new += n_bytes_new / 2;
    n_bytes_new = n_bytes_new < n_bytes_needed ? n_bytes_needed : n_bytes_new;
    grown = lw_mem_realloc(*array, n_bytes_new);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *n_bytes = n_bytes_new;
    return true;
}

enum lw_status lw_iforest_add_plane(struct lw_model *model, size_t n_terms,
                                    struct lw_iforest_plane **ret_plane,
                                    struct lw_iforest_term **ret_terms, struct lw_error *reterr)
{
    size_t planes_bytes = (model->n_planes + 1) * sizeof(struct lw_iforest_plane);
    size_t terms_bytes = (model->n_all_terms + n_terms) * sizeof(struct lw_iforest_term);
    void *planes = model->all_planes, *terms = model->all_terms;
    bool has_room;

    if (planes_bytes + terms_bytes > LW_IFOREST_PLANES_BYTES_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "iforest: cuts across %u columns take more than %zu bytes",
                            (unsigned)model->n_terms, LW_IFOREST_PLANES_BYTES_MAX);
    }
    has_room = array_reserve(&planes, &model->planes_bytes, planes_bytes) &&
               array_reserve(&terms, &model->terms_bytes, terms_bytes);
    model->all_planes = planes;
    model->all_terms = terms;
    if (!has_room) {
        return lw_error_set(reterr, LW_ENOMEM, "iforest: no memory for %zu bytes",
                            planes_bytes + terms_bytes);
    }
    *ret_plane = model->all_planes + model->n_planes++;
    *ret_terms = model->all_terms + model->n_all_terms;
    (*ret_plane)->begin = (uint32_t)model->n_all_terms;
    (*ret_plane)->n_terms = (uint32_t)n_terms;
    model->n_all_terms += n_terms;
    return LW_OK;
}

void lw_iforest_drop_plane(struct lw_model *model)
{
    model->n_all_terms = model->all_planes[--model->n_planes].begin;
}

/* Gives back what an array has too much; where that fails it stays as it is. */
static void array_trim(void **array, size_t *n_bytes, size_t n_bytes_used)
{
    void *trimmed;

    if (n_bytes_used > 0 && n_bytes_used < *n_bytes) {
        trimmed = lw_mem_realloc(*array, n_bytes_used);
        if (trimmed != NULL) {
            *array = trimmed;
            *n_bytes = n_bytes_used;
        }
    }
}

void lw_iforest_trim_planes(struct lw_model *model)
{
    void *planes = model->all_planes, *terms = model->all_terms;

    array_trim(&planes, &model->planes_bytes, model->n_planes * sizeof(*model->all_planes));
    array_trim(&terms, &model->terms_bytes, model->n_all_terms * sizeof(*model->all_terms));
    model->all_planes = planes;
    model->all_terms = terms;
}

/* What a column adds. The product of two floats is exact in a double, so every machine has it. */
static inline double term_value(struct lw_iforest_term term, const float *row)
{
    float x = row[term.column];

    x = isnan(x) ? term.centre : x < -FLT_MAX ? -FLT_MAX : x > FLT_MAX ? FLT_MAX : x;
    return (double)term.coefficient * ((double)x - (double)term.centre);
}

double lw_iforest_plane_sum(const struct lw_iforest_term *terms, size_t n_terms, const float *row)
{
    double sum = 0.0;

    for (size_t i = 0; i < n_terms; i++) {
        sum += term_value(terms[i], row);
    }
    return sum;
}

/* The node that follows split i on the row's way. */
static inline uint32_t split_next(const struct lw_model *model, size_t tree, uint32_t i,
                                  const float *row)
{
    struct lw_iforest_plane plane = model->all_planes[tree_planes(model, tree)[i] - 1];

    return 2 * i + !(lw_iforest_plane_sum(model->all_terms + plane.begin, plane.n_terms, row) <
                     plane.threshold);
}

static float tree_walk(const struct lw_model *model, size_t tree, const float *row)
{
    uint32_t i = 1;

    while (i < 1u << model->depth && tree_planes(model, tree)[i] != 0) {
        i = split_next(model, tree, i, row);
    }
    return tree_path(model, tree, i);
}

void lw_iforest_extended_add(const struct lw_model *model, const float *rows, size_t n_rows,
                             float *sums)
{
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        for (size_t i = 0; i < n_rows; i++) {
            sums[i] += tree_walk(model, tree, rows + i * model->n_dims);
        }
    }
}

double lw_iforest_extended_path(const struct lw_model *model, const float *row)
{
    double sum = 0.0;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        sum += (double)tree_walk(model, tree, row);
    }
    return sum / model->n_trees;
}

/* The path that each node's rows expect. */
static void tree_expect(const struct lw_model *model, size_t tree, double *ret_expected)
{
    const uint16_t *counts = tree_counts(model, tree);

    memset(ret_expected, 0, ((size_t)2 << model->depth) * sizeof(*ret_expected));
    for (uint32_t i = (2u << model->depth) - 1; i > 0; i--) {
        if (tree_is_split(model, tree, i)) {
            ret_expected[i] = (counts[2 * i] * ret_expected[2 * i] +
                               counts[2 * i + 1] * ret_expected[2 * i + 1]) /
                              counts[i];
        } else if (counts[i] > 0) {
            ret_expected[i] = (double)tree_path(model, tree, i);
        }
    }
}

/* Shares a change of the expected path by the columns of a plane; sign: 1 when a greater t leads to
 * where the row goes, else -1. */
static void plane_share(const struct lw_iforest_term *terms, size_t n_terms, const float *row,
                        double sign, double change, double *values)
{
    double toward = 0.0, away = 0.0;

    for (size_t i = 0; i < n_terms; i++) {
        double value = sign * term_value(terms[i], row);

        toward += value > 0.0 ? value : 0.0;
        away -= value < 0.0 ? value : 0.0;
    }
    for (size_t i = 0; i < n_terms; i++) {
        double value = sign * term_value(terms[i], row), share = 1.0 / (double)n_terms;

        if (toward > 0.0) {
            share = value > 0.0 ? value / toward : 0.0;
        } else if (away > 0.0) {
            share = -value / away;
        }
        values[terms[i].column] += share * change;
    }
}

void lw_iforest_extended_attribute(const struct lw_model *model, const float *row,
                                   double *ret_values)
{
    LW_UNINITIALIZED double expected[NODES_MAX];

    memset(ret_values, 0, model->n_dims * sizeof(*ret_values));
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        uint32_t i = 1;

        tree_expect(model, tree, expected);
        while (i < 1u << model->depth && tree_planes(model, tree)[i] != 0) {
            struct lw_iforest_plane plane = model->all_planes[tree_planes(model, tree)[i] - 1];
            uint32_t next = split_next(model, tree, i, row);
            double change = (expected[next] - expected[i]) / model->n_trees;

            plane_share(model->all_terms + plane.begin, plane.n_terms, row,
                        (next & 1u) != 0 ? 1.0 : -1.0, change, ret_values);
            i = next;
        }
    }
}
