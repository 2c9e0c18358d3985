/* Grows an isolation forest: draws the rows of each tree and cuts them until they are alone. See
 * model/iforest.c. */
#include "model/iforest_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/iforest.h"

#include <float.h>
#include <math.h>

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
static struct lw_iforest_split growth_cut(struct growth *growth, const uint32_t *order, size_t n,
                                          size_t column, const float *range)
{
    double width = (double)range[1] - (double)range[0];
    float at = (float)((double)range[0] + lw_rng_double(growth->rng) * width);
    size_t n_below = 0, n_above = 0;
    struct lw_iforest_split split;

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
                          struct lw_iforest_split split)
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

/* Splits node i in two unless its rows are alike; true when it did. */
static bool growth_split(struct growth *growth, struct lw_iforest_split *splits, uint16_t *counts,
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
    counts[2 * i] = (uint16_t)n_first;
    counts[2 * i + 1] = (uint16_t)(n - n_first);
    growth->begin[2 * i] = growth->begin[i];
    growth->begin[2 * i + 1] = (uint16_t)(growth->begin[i] + n_first);
    growth->n_active[2 * i] = (uint16_t)n_active;
    growth->n_active[2 * i + 1] = (uint16_t)n_active;
    return true;
}

static void growth_tree(struct growth *growth, struct lw_model *model, size_t tree)
{
    uint16_t *counts = tree_counts(model, tree);
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
        is_split = i < 1u << model->depth &&
                   growth_split(growth, tree_splits(model, tree), counts, i);
    }
    lw_iforest_finish_tree(model, tree);
}

/* Room for the scratch; on failure nothing is kept. */
static enum lw_status growth_init(struct growth *growth, uint32_t depth, struct lw_error *reterr)
{
    size_t n_nodes = (size_t)2 << depth;

    growth->order = lw_mem_calloc(growth->n_rows, sizeof(*growth->order));
    growth->columns = lw_mem_calloc(growth->n_dims + 2 * n_nodes, sizeof(*growth->columns));
    if (growth->order == NULL || growth->columns == NULL) {
        lw_mem_free(growth->columns);
        lw_mem_free(growth->order);
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

static void growth_fini(struct growth *growth)
{
    lw_mem_free(growth->columns);
    lw_mem_free(growth->order);
}

enum lw_status lw_iforest_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    const struct lw_iforest_options *chosen = options;
    struct growth growth = {
        .rows = rows->values, .n_rows = rows->n_rows, .n_dims = rows->n_dims, .rng = rng};
    struct lw_model shape = {0}, *model;
    enum lw_status st = lw_model_check_fit(&lw_model_iforest, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    shape.n_dims = (uint32_t)rows->n_dims;
    shape.n_trees = (uint32_t)chosen->trees;
    shape.n_sample = (uint32_t)chosen->sample;
    if (rows->n_rows < shape.n_sample) {
        shape.n_sample = (uint32_t)rows->n_rows;
    }
    st = lw_iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    st = growth_init(&growth, model->depth, reterr);
    if (st != LW_OK) {
        lw_iforest_destroy(model);
        return st;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        growth_tree(&growth, model, tree);
    }
    growth_fini(&growth);
    st = lw_iforest_lay_out(model, reterr);
    if (st != LW_OK) {
        lw_iforest_destroy(model);
        return st;
    }
    *ret_model = model;
    return LW_OK;
}
