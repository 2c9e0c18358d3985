/* Grows an isolation forest: draws the rows of each tree and cuts them until they are alone. See
 * model/iforest.c and model/iforest_extended.c. */
#include "model/iforest_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "model/iforest.h"

#include <float.h>
#include <math.h>

/* A column of a cut across several, and its least and greatest value. */
struct growth_column {
    size_t column;
    float range[2];
};

/* Scratch of a fit. By heap index: where a node's rows begin in `order`, and how many columns may
 * still differ there. */
struct growth {
    const float *rows;
    size_t n_rows;
    size_t n_dims;
    struct lw_rng *rng;
    uint32_t *order;    /* [n_rows]: a permutation; its first n_sample are the tree's. */
    uint16_t *columns;  /* [n_dims]: a permutation; a node's first n_active are worth drawing. */
    uint16_t *begin;    /* [2 << depth] */
    uint16_t *n_active; /* [2 << depth] */
    /* Of an extended forest. */
    struct growth_column *chosen; /* [n_terms] */
    double *sums;                 /* [n_sample]: by place in a node's order, what a row's terms sum
                                     up to. */
};

/* Least and greatest value of a column over some rows, infinities clamped; least > greatest when
 * all are missing. */
static void growth_range(const struct growth *growth, const uint32_t *order, size_t n,
                         size_t column, float *ret_range)
{
    ret_range[0] = FLT_MAX;
    ret_range[1] = -FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        float x = growth->rows[order[i] * growth->n_dims + column];

        ret_range[0] = x < ret_range[0] ? x : ret_range[0];
        ret_range[1] = x > ret_range[1] ? x : ret_range[1];
    }
    ret_range[0] = ret_range[0] < -FLT_MAX ? -FLT_MAX : ret_range[0];
    ret_range[1] = ret_range[1] > FLT_MAX ? FLT_MAX : ret_range[1];
}

/* A cut of the column within the range, its second side the one to which more rows with a known
 * value fall. */
static struct lw_shapley_cut growth_cut(struct growth *growth, const uint32_t *order, size_t n,
                                        size_t column, const float *range)
{
    double width = (double)range[1] - (double)range[0];
    float at = (float)((double)range[0] + lw_rng_double(growth->rng) * width);
    size_t n_below = 0, n_above = 0;
    struct lw_shapley_cut split;

    at = at > range[0] ? at : range[1]; /* Both sides get a row: least < at <= greatest. */
    for (size_t i = 0; i < n; i++) {
        float x = growth->rows[order[i] * growth->n_dims + column];

        n_below += x < at;
        n_above += x >= at;
    }
    split.column = (uint32_t)column;
    split.threshold = at;
    if (n_below > n_above) {
        /* x >= at is x > the float before at is -x < minus that float. */
        split.column |= LW_IFOREST_SIGN;
        split.threshold = -nextafterf(at, -INFINITY);
    }
    return split;
}

/* Moves the rows of the first side to the front; returns how many they are. */
static size_t growth_part(const struct growth *growth, uint32_t *order, size_t n,
                          struct lw_shapley_cut split)
{
    size_t n_first = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t row = order[i];

        if (split_second(split, growth->rows + row * growth->n_dims) == 0) {
            order[i] = order[n_first];
            order[n_first++] = row;
        }
    }
    return n_first;
}

/* Gives the two sides of node i their rows. */
static void growth_descend(struct growth *growth, uint16_t *counts, uint32_t i, size_t n_first,
                           size_t n_active)
{
    counts[2 * i] = (uint16_t)n_first;
    counts[2 * i + 1] = (uint16_t)(counts[i] - n_first);
    growth->begin[2 * i] = growth->begin[i];
    growth->begin[2 * i + 1] = (uint16_t)(growth->begin[i] + n_first);
    growth->n_active[2 * i] = (uint16_t)n_active;
    growth->n_active[2 * i + 1] = (uint16_t)n_active;
}

/* Splits node i in two unless its rows are alike; true when it did. */
static bool growth_split(struct growth *growth, struct lw_shapley_cut *splits, uint16_t *counts,
                         uint32_t i)
{
    uint32_t *order = growth->order + growth->begin[i];
    size_t n = counts[i], n_active = growth->n_active[i], n_first, column = 0;
    float range[2] = {0.0f, 0.0f};

    while (n > 1 && n_active > 0) {
        size_t draw = (size_t)lw_rng_below(growth->rng, n_active);

        column = growth->columns[draw];
        growth_range(growth, order, n, column, range);
        if (range[0] < range[1]) {
            break;
        }
        n_active--; /* Alike here, and so in all below. */
        growth->columns[draw] = growth->columns[n_active];
        growth->columns[n_active] = (uint16_t)column;
    }
    if (!(range[0] < range[1])) {
        return false;
    }
    splits[i] = growth_cut(growth, order, n, column, range);
    n_first = growth_part(growth, order, n, splits[i]);
    growth_descend(growth, counts, i, n_first, n_active);
    return true;
}

/* Chooses up to n_terms columns in which the rows of node i differ, at random; returns how many. */
static size_t growth_choose(struct growth *growth, const uint16_t *counts, uint32_t i,
                            size_t n_terms, size_t *ret_n_active)
{
    const uint32_t *order = growth->order + growth->begin[i];
    size_t n_active = growth->n_active[i], n_chosen = 0;

    while (counts[i] > 1 && n_chosen < n_terms && n_chosen < n_active) {
        size_t draw = n_chosen + (size_t)lw_rng_below(growth->rng, n_active - n_chosen), place;
        uint16_t column = growth->columns[draw];
        struct growth_column *chosen = growth->chosen + n_chosen;

        chosen->column = column;
        growth_range(growth, order, counts[i], column, chosen->range);
        place = chosen->range[0] < chosen->range[1] ? n_chosen++ : --n_active;
        growth->columns[draw] = growth->columns[place];
        growth->columns[place] = column;
    }
    *ret_n_active = n_active;
    return n_chosen;
}

/* From the normal distribution: Marsaglia's polar method. */
static double draw_normal(struct lw_rng *rng)
{
    double x, y, square;

    do {
        x = 2.0 * lw_rng_double(rng) - 1.0;
        y = 2.0 * lw_rng_double(rng) - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square <= 0.0);
    return x * sqrt(-2.0 * lw_log(square) / square);
}

static float float_clamp(double x)
{
    return x > (double)FLT_MAX ? FLT_MAX : x < -(double)FLT_MAX ? -FLT_MAX : (float)x;
}

/* The term of a column: centred at the mean of the rows' known values, in units of their width. */
static struct lw_iforest_term growth_term(struct growth *growth, const uint32_t *order, size_t n,
                                          const struct growth_column *chosen)
{
    double width = (double)chosen->range[1] - (double)chosen->range[0], sum = 0.0;
    size_t n_known = 0;

    for (size_t k = 0; k < n; k++) {
        float x = growth->rows[order[k] * growth->n_dims + chosen->column];

        if (!isnan(x)) {
            sum += (double)float_clamp((double)x);
            n_known++;
        }
    }
    return (struct lw_iforest_term){.column = (uint32_t)chosen->column,
                                    .coefficient = float_clamp(draw_normal(growth->rng) / width),
                                    .centre = (float)(sum / (double)n_known)};
}

/* A place between the least and the greatest of n sums, drawn uniformly; false when these are the
 * same. */
static bool growth_place(struct growth *growth, size_t n, double *ret_threshold)
{
    double least = growth->sums[0], greatest = growth->sums[0], at;

    for (size_t k = 1; k < n; k++) {
        least = growth->sums[k] < least ? growth->sums[k] : least;
        greatest = growth->sums[k] > greatest ? growth->sums[k] : greatest;
    }
    at = least + lw_rng_double(growth->rng) * (greatest - least);
    *ret_threshold = at > least && at <= greatest ? at : greatest;
    return least < greatest;
}

/* Moves the rows whose sums are below the threshold to the front; returns how many they are. */
static size_t growth_part_sums(const struct growth *growth, uint32_t *order, size_t n,
                               double threshold)
{
    size_t n_first = 0;

    for (size_t k = 0; k < n; k++) {
        uint32_t row = order[k];

        if (growth->sums[k] < threshold) {
            order[k] = order[n_first];
            growth->sums[k] = growth->sums[n_first];
            order[n_first++] = row;
        }
    }
    return n_first;
}

/* The same by a plane across several columns. */
static enum lw_status growth_split_extended(struct growth *growth, struct lw_model *model,
                                            size_t tree, uint32_t i, struct lw_error *reterr)
{
    uint16_t *counts = tree_counts(model, tree);
    uint32_t *order = growth->order + growth->begin[i];
    size_t n_active, n = counts[i];
    size_t n_terms = growth_choose(growth, counts, i, model->n_terms, &n_active);
    struct lw_iforest_plane *plane;
    struct lw_iforest_term *terms;
    enum lw_status st;

    if (n_terms == 0) {
        return LW_OK;
    }
    st = lw_iforest_add_plane(model, n_terms, &plane, &terms, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t k = 0; k < n_terms; k++) {
        terms[k] = growth_term(growth, order, n, growth->chosen + k);
    }
    for (size_t k = 0; k < n; k++) {
        growth->sums[k] = lw_iforest_plane_sum(terms, n_terms,
                                               growth->rows + order[k] * growth->n_dims);
    }
    if (growth_place(growth, n, &plane->threshold)) {
        tree_planes(model, tree)[i] = (uint32_t)model->n_planes;
        growth_descend(growth, counts, i, growth_part_sums(growth, order, n, plane->threshold),
                       n_active);
    } else {
        lw_iforest_drop_plane(model);
    }
    return LW_OK;
}

static enum lw_status growth_tree(struct growth *growth, struct lw_model *model, size_t tree,
                                  struct lw_error *reterr)
{
    uint16_t *counts = tree_counts(model, tree);
    enum lw_status st = LW_OK;
    bool is_split;

    for (size_t i = 0; i < model->n_sample; i++) {
        size_t draw = i + (size_t)lw_rng_below(growth->rng, growth->n_rows - i);
        uint32_t row = growth->order[draw];

        growth->order[draw] = growth->order[i];
        growth->order[i] = row;
    }
    counts[1] = (uint16_t)model->n_sample;
    growth->begin[1] = 0;
    growth->n_active[1] = (uint16_t)growth->n_dims;
    for (uint32_t i = 1; i != 0; i = heap_next(i, is_split)) {
        bool may_split = i < 1u << model->depth;

        if (!iforest_is_extended(model)) {
            is_split = may_split && growth_split(growth, tree_splits(model, tree), counts, i);
            continue;
        }
        st = may_split ? growth_split_extended(growth, model, tree, i, reterr) : LW_OK;
        if (st != LW_OK) {
            return st;
        }
        is_split = tree_is_split(model, tree, i);
    }
    lw_iforest_finish_tree(model, tree);
    return LW_OK;
}

static void growth_fini(struct growth *growth)
{
    lw_mem_free(growth->sums);
    lw_mem_free(growth->chosen);
    lw_mem_free(growth->columns);
    lw_mem_free(growth->order);
}

/* Room for the scratch; growth_fini frees it also on failure. */
static enum lw_status growth_init(struct growth *growth, const struct lw_model *model,
                                  struct lw_error *reterr)
{
    size_t n_nodes = (size_t)2 << model->depth;

    growth->order = lw_mem_calloc(growth->n_rows, sizeof(*growth->order));
    growth->columns = lw_mem_calloc(growth->n_dims + 2 * n_nodes, sizeof(*growth->columns));
    growth->chosen = lw_mem_calloc(model->n_terms, sizeof(*growth->chosen));
    growth->sums = lw_mem_calloc(model->n_sample, sizeof(*growth->sums));
    if (growth->order == NULL || growth->columns == NULL || growth->chosen == NULL ||
        growth->sums == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "iforest: no memory to learn from %zu rows",
                            growth->n_rows);
    }
    growth->begin = growth->columns + growth->n_dims;
    growth->n_active = growth->begin + n_nodes;
    for (size_t i = 0; i < growth->n_rows; i++) {
        growth->order[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < growth->n_dims; i++) {
        growth->columns[i] = (uint16_t)i;
    }
    return LW_OK;
}

/* Memory that the cuts of a forest of that shape take at most. */
static size_t planes_bytes_max(const struct lw_model *shape)
{
    size_t tree_bytes = (shape->n_sample - 1) * (sizeof(struct lw_iforest_plane) +
                                                 shape->n_terms * sizeof(struct lw_iforest_term));

    return shape->n_terms > 1 ? shape->n_trees * tree_bytes : 0;
}

/* What the options ask for, as far as the rows have it. */
static struct lw_model fit_shape(const struct lw_iforest_options *options,
                                 const struct lw_model_rows *rows)
{
    size_t n_terms = (size_t)options->extend + 1, n_sample = (size_t)options->sample;

    n_terms = n_terms < rows->n_dims ? n_terms : rows->n_dims;
    n_sample = n_sample < rows->n_rows ? n_sample : rows->n_rows;
    return (struct lw_model){.n_dims = (uint32_t)rows->n_dims,
                             .n_trees = (uint32_t)options->trees,
                             .n_sample = (uint32_t)n_sample,
                             .n_terms = (uint32_t)n_terms};
}

enum lw_status lw_iforest_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    struct growth growth = {
        .rows = rows->values, .n_rows = rows->n_rows, .n_dims = rows->n_dims, .rng = rng};
    struct lw_model shape, *model = NULL;
    enum lw_status st = lw_model_check_fit(&lw_model_iforest, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    shape = fit_shape(options, rows);
    if (planes_bytes_max(&shape) > LW_IFOREST_PLANES_BYTES_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "iforest: %u trees of %u rows, cut across %u columns, may take %zu "
                            "bytes, more than %zu",
                            (unsigned)shape.n_trees, (unsigned)shape.n_sample,
                            (unsigned)shape.n_terms, planes_bytes_max(&shape),
                            LW_IFOREST_PLANES_BYTES_MAX);
    }
    st = lw_iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    st = growth_init(&growth, model, reterr);
    for (size_t tree = 0; st == LW_OK && tree < model->n_trees; tree++) {
        st = growth_tree(&growth, model, tree, reterr);
    }
    growth_fini(&growth);
    if (st != LW_OK) {
        lw_iforest_destroy(model);
        return st;
    }
    lw_iforest_finish(model);
    *ret_model = model;
    return LW_OK;
}
