/*
 * Isolation Forest: rows that few random cuts set apart from the rest are strange.
 *
 * Idea. A tree is grown on a small sample of rows: choose a column in which the rows at hand
 * differ, cut at a place drawn uniformly between their least and greatest value, go on in both
 * parts until a row is alone or ceil(log2(sample)) cuts have been made. h(x), the number of cuts on
 * x's way down plus c(m) where m > 1 rows were left together, is short for outliers:
 *
 *     c(n) = 2 H(n-1) - 2 (n-1) / n, the mean way in a tree of n random keys; H harmonic numbers
 *     score(x) = 2^(-mean over trees of h(x) / c(sample)), in (0, 1)
 *
 * Ordinary rows score near or below 0.5.
 *
 * Source. Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, and "Isolation-Based Anomaly
 * Detection", ACM TKDD 2012. We depart from it: H is summed, not ln(i) + 0.577; columns in which
 * the rows at hand are all alike are not drawn; infinities count as the greatest float; and rows
 * may have holes, which the paper does not know.
 *
 * Missing values. Each cut has a second side, the one to which more of the rows with a known value
 * fell. NaN goes there, in training as in scoring, so a hole neither isolates a row nor hides what
 * its other values say. One comparison does it: a cut compares x, or -x where the greater values
 * are the fewer, with its threshold; "not less" is the second side, and NaN is never less.
 *
 * Layout. All trees have the same depth and are stored as heaps: the children of node i are 2i and
 * 2i + 1, the root is 1. Below a leaf that comes early the heap is filled up: whatever the cuts
 * there say, every node holds that leaf's value. So a descent is `depth` equal steps without a
 * branch that depends on data. Sixteen descents are walked side by side, sixteen rows of one tree
 * in a batch, sixteen trees of one row else, which hides the latency of the loads. The sums run
 * over the trees in their order either way, so both give the same bits, and no step rounds, so
 * every machine does too. A block of rows goes through one tree after another: tree (4 KiB at a
 * sample of 256) and rows stay in the first cache. Gathers of AVX-512 were measured and are not
 * faster: see docs/models/iforest.md.
 *
 * Extended. With `extend` above 0 a cut is a plane across extend + 1 columns: see
 * model/iforest_extended.c.
 *
 * Cost. Fit O(trees sample log(sample)) and 4 bytes a row of scratch; score O(trees log(sample)) a
 * row; memory 17.5 bytes times trees times sample rounded up to a power of two, 450 KB for 100
 * trees of 256: of them 1.5 for explaining (model/iforest_shapley.c).
 */
#include "model/iforest.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "model/iforest_internal.h"
#include "model/onnx_export.h"

#include <math.h>

#define LANES 16u       /* Descents walked side by side. */
#define BLOCK_ROWS 128u /* Rows that go through one tree together. */

static const struct lw_option iforest_option_table[] = {
    {.name = "trees",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_iforest_options, trees),
     .fallback = "100",
     .min = 1,
     .max = LW_IFOREST_TREES_MAX,
     .unit = "",
     .help = "Trees in the forest: more give steadier scores, at a cost in proportion."},
    {.name = "sample",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_iforest_options, sample),
     .fallback = "256",
     .min = 2,
     .max = LW_IFOREST_SAMPLE_MAX,
     .unit = "rows",
     .help = "Rows drawn for each tree, without repeats; fewer where fewer are there."},
    {.name = "extend",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_iforest_options, extend),
     .fallback = "0",
     .min = 0,
     .max = LW_MODEL_DIMS_MAX - 1,
     .unit = "columns",
     .help = "Further columns that each cut lies across, as far as there are so many: 0 cuts one "
             "column at a time, as the first paper has it."},
};

/* c(n): the mean number of cuts that set one of n rows apart; 0 for one row. */
static double path_mean(uint32_t n)
{
    double harmonic = 0.0;

    for (uint32_t i = 1; i < n; i++) {
        harmonic += 1.0 / i;
    }
    return n < 2 ? 0.0 : 2.0 * harmonic - 2.0 * (n - 1) / n;
}

/* The way to each leaf, which all places below it at the bottom of the heap hold. */
void lw_iforest_finish_tree(struct lw_model *model, size_t tree)
{
    const uint16_t *counts = tree_counts(model, tree);
    float *paths = tree_paths(model, tree);

    for (uint32_t i = 1; i < 2u << model->depth; i++) {
        if (counts[i] > 0 && !tree_is_split(model, tree, i)) {
            float path = (float)(heap_depth(i) + path_mean(counts[i]));
            uint32_t up = model->depth - heap_depth(i);

            for (uint32_t k = 0; k < 1u << up; k++) {
                paths[(i << up) - (1u << model->depth) + k] = path;
            }
        }
    }
    if (!iforest_is_extended(model)) {
        lw_iforest_lay_out(model, tree);
    }
}

void lw_iforest_finish(struct lw_model *model)
{
    double sum = 0.0;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        for (uint32_t i = 1; i < 2u << model->depth; i++) {
            if (tree_counts(model, tree)[i] > 0 && !tree_is_split(model, tree, i)) {
                sum += (double)tree_path(model, tree, i) * tree_counts(model, tree)[i] /
                       model->n_sample;
            }
        }
    }
    model->path_expected = sum / model->n_trees;
    lw_iforest_trim_planes(model);
}

/* Of the block that lw_iforest_create allocates; depth is set. */
static size_t iforest_block_bytes(const struct lw_model *model)
{
    size_t n_nodes = (size_t)model->n_trees << model->depth, n_bytes = sizeof(*model);

    if (iforest_is_extended(model)) {
        n_bytes += n_nodes * sizeof(*model->planes);
    } else {
        n_bytes += n_nodes * (sizeof(*model->splits) + sizeof(*model->again)) +
                   (model->n_sample + 1) * sizeof(*model->inverses) +
                   2 * model->n_trees * lw_shapley_n_words(model->depth) * sizeof(*model->is_cut);
    }
    return n_bytes + n_nodes * (sizeof(*model->paths) + 2 * sizeof(*model->counts));
}

size_t lw_iforest_bytes(const struct lw_model *model)
{
    return iforest_block_bytes(model) + model->planes_bytes + model->terms_bytes;
}

/* Parts the block, those of the widest items first. */
static void iforest_part(struct lw_model *model)
{
    size_t n_nodes = (size_t)model->n_trees << model->depth;
    size_t n_words = model->n_trees * lw_shapley_n_words(model->depth);
    void *rest = model + 1;

    if (iforest_is_extended(model)) {
        model->planes = rest;
        rest = model->planes + n_nodes;
    } else {
        model->inverses = rest;
        model->is_cut = (void *)(model->inverses + model->n_sample + 1);
        model->is_leaf = model->is_cut + n_words;
        model->splits = (struct lw_shapley_cut *)(model->is_leaf + n_words);
        rest = model->splits + n_nodes;
        for (size_t i = 1; i <= model->n_sample; i++) {
            model->inverses[i] = 1.0 / (double)i;
        }
    }
    model->paths = rest;
    model->counts = (void *)(model->paths + n_nodes);
    if (!iforest_is_extended(model)) {
        model->again = (uint8_t *)(model->counts + 2 * n_nodes);
    }
}

enum lw_status lw_iforest_create(const struct lw_model *shape, struct lw_model **ret_model,
                                 struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = shape->n_dims,
                            .n_trees = shape->n_trees,
                            .n_sample = shape->n_sample,
                            .n_terms = shape->n_terms};
    struct lw_model *model;

    head.depth = 32u - (uint32_t)__builtin_clz(head.n_sample - 1); /* ceil(log2(n_sample)) */
    head.unit = head.n_trees * path_mean(head.n_sample);
    model = lw_mem_calloc(1, iforest_block_bytes(&head));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "iforest: no memory for %zu bytes",
                            iforest_block_bytes(&head));
    }
    *model = head;
    iforest_part(model);
    *ret_model = model;
    return LW_OK;
}

void lw_iforest_destroy(struct lw_model *model)
{
    if (model != NULL) {
        lw_mem_free(model->all_planes);
        lw_mem_free(model->all_terms);
        lw_mem_free(model);
    }
}

static size_t iforest_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

/* Walks LANES descents: lane k takes the tree at k tree_stride and the row at k row_stride; either
 * stride is 0. */
static inline __attribute__((always_inline)) void lanes_walk(const struct lw_shapley_cut *splits,
                                                             size_t tree_stride, const float *rows,
                                                             size_t row_stride, uint32_t depth,
                                                             uint32_t *ret_at)
{
    uint32_t at[LANES];

#pragma GCC unroll 16
    for (size_t lane = 0; lane < LANES; lane++) {
        at[lane] = 1;
    }
    for (uint32_t step = 0; step < depth; step++) {
#pragma GCC unroll 16
        for (size_t lane = 0; lane < LANES; lane++) {
            at[lane] = 2 * at[lane] + split_second(splits[lane * tree_stride + at[lane]],
                                                   rows + lane * row_stride);
        }
    }
#pragma GCC unroll 16
    for (size_t lane = 0; lane < LANES; lane++) {
        ret_at[lane] = at[lane];
    }
}

/* Adds every tree's h to the sums of n_rows rows, a multiple of LANES. */
static void iforest_add_rows(const struct lw_model *model, const float *rows, size_t n_rows,
                             float *sums)
{
    uint32_t at[LANES], n_bottom = 1u << model->depth;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        const struct lw_shapley_cut *splits = tree_splits(model, tree);
        const float *paths = tree_paths(model, tree);

        for (size_t i = 0; i < n_rows; i += LANES) {
            lanes_walk(splits, 0, rows + i * model->n_dims, model->n_dims, model->depth, at);
            for (size_t lane = 0; lane < LANES; lane++) {
                sums[i + lane] += paths[at[lane] - n_bottom];
            }
        }
    }
}

/* h of a row in one tree. */
static float tree_walk(const struct lw_model *model, size_t tree, const float *row)
{
    uint32_t i = 1, n_bottom = 1u << model->depth;

    while (i < n_bottom) {
        i = 2 * i + split_second(tree_splits(model, tree)[i], row);
    }
    return tree_paths(model, tree)[i - n_bottom];
}

/* The same for one row: LANES trees at a time, added in the trees' order. */
static float iforest_sum_row(const struct lw_model *model, const float *row)
{
    uint32_t at[LANES], n_bottom = 1u << model->depth;
    float sum = 0.0f;
    size_t tree = 0;

    for (; tree + LANES <= model->n_trees; tree += LANES) {
        lanes_walk(tree_splits(model, tree), (size_t)1 << model->depth, row, 0, model->depth, at);
        for (size_t lane = 0; lane < LANES; lane++) {
            sum += tree_paths(model, tree + lane)[at[lane] - n_bottom];
        }
    }
    for (; tree < model->n_trees; tree++) {
        sum += tree_walk(model, tree, row);
    }
    return sum;
}

static void iforest_score(const struct lw_model *model, float *state, const float *rows,
                          size_t n_rows, float *ret_distances)
{
    size_t n, n_wide;

    (void)state;
    for (size_t begin = 0; begin < n_rows; begin += n) {
        const float *block = rows + begin * model->n_dims;
        float *sums = ret_distances + begin;

        n = n_rows - begin < BLOCK_ROWS ? n_rows - begin : BLOCK_ROWS;
        n_wide = n - n % LANES;
        memset(sums, 0, n * sizeof(*sums));
        if (iforest_is_extended(model)) {
            lw_iforest_extended_add(model, block, n, sums);
        } else {
            iforest_add_rows(model, block, n_wide, sums);
            for (size_t i = n_wide; i < n; i++) {
                sums[i] = iforest_sum_row(model, block + i * model->n_dims);
            }
        }
        for (size_t i = 0; i < n; i++) {
            bool is_missing = lw_model_row_is_missing(block + i * model->n_dims, model->n_dims);

            sums[i] = is_missing ? NAN : (float)lw_exp2(-(double)sums[i] / model->unit);
        }
    }
}

double lw_iforest_path(const struct lw_model *model, const float *row)
{
    double sum = 0.0;

    if (iforest_is_extended(model)) {
        return lw_iforest_extended_path(model, row);
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        sum += (double)tree_walk(model, tree, row);
    }
    return sum / model->n_trees;
}

double lw_iforest_path_expected(const struct lw_model *model)
{
    return model->path_expected;
}

bool lw_iforest_is_extended(const struct lw_model *model)
{
    return iforest_is_extended(model);
}

/* What is less than the expected path, by column: the negative part of the exact Shapley values, of
 * an extended forest of what its cuts say, in units of c(sample). */
static void iforest_attribute(const struct lw_model *model, const float *state, const float *row,
                              float *ret_shares)
{
    LW_UNINITIALIZED double values[LW_MODEL_DIMS_MAX];

    (void)state;
    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    if (iforest_is_extended(model)) {
        lw_iforest_extended_attribute(model, row, values);
    } else {
        lw_iforest_shapley(model, row, values);
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        double share = -values[i] * model->n_trees / model->unit;

        ret_shares[i] = share > 0.0 ? (float)share : 0.0f;
    }
}

const struct lw_model_class lw_model_iforest = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "iforest",
    .title = "Isolation Forest",
    .formula = "2^(-mean over trees of h(x) / c(sample)), h(x) the cuts that isolate x in a tree",
    .source = "Liu, Ting and Zhou, \"Isolation Forest\", ICDM 2008",
    .view = LW_VIEW_RESIDUAL,
    .unit = 0.3,
    .options = iforest_option_table,
    .n_options = sizeof(iforest_option_table) / sizeof(iforest_option_table[0]),
    .options_bytes = sizeof(struct lw_iforest_options),
    .fit = lw_iforest_fit,
    .n_state = NULL,
    .score = iforest_score,
    .attribute = iforest_attribute,
    .update = NULL,
    .save = lw_iforest_save,
    .load = lw_iforest_load,
    .export_onnx = lw_iforest_export_onnx,
    .n_dims = iforest_n_dims,
    .bytes = lw_iforest_bytes,
    .destroy = lw_iforest_destroy,
};
