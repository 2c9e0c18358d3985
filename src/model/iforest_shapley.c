/*
 * An isolation forest explained: its trees laid out for exact Shapley values, see math/shapley.h,
 * and the values themselves.
 *
 * Cost. A few operations a cut; 40 bytes a cut and 32 a leaf beside the forest.
 */
#include "model/iforest_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/kernels.h"
#include "math/shapley.h"
#include "model/iforest.h"

#include <assert.h>

#define DEPTH_USUAL 8u /* Of a tree of 256 rows. */
#define DEPTH_MAX 12u
#define NODES_MAX (2u << DEPTH_MAX)

static_assert(LW_IFOREST_SAMPLE_MAX <= 1u << DEPTH_MAX, "every tree must be shallow enough");
static_assert(DEPTH_MAX <= LW_SHAPLEY_DEPTH_MAX && LW_IFOREST_SIGN == LW_SHAPLEY_SIGN,
              "trees are laid out as math/shapley.h wants them");

static size_t laid_out_bytes(const struct lw_model *model, size_t n_cuts)
{
    return n_cuts * sizeof(*model->cuts) +
           lw_shapley_n_passes(model->depth) * (n_cuts + model->n_trees) * sizeof(*model->leaves);
}

static size_t tree_n_cuts(const struct lw_model *model, size_t tree)
{
    size_t n = 0;

    for (uint32_t i = 1; i < 1u << model->depth; i++) {
        n += tree_is_split(model, tree, i);
    }
    return n;
}

/* The cut of split i, all nodes down to it having their slots. */
static struct lw_shapley_cut cut_make(const struct lw_model *model, size_t tree, uint32_t i,
                                      const uint16_t *slots)
{
    const struct lw_iforest_split *splits = tree_splits(model, tree);
    const uint16_t *counts = tree_counts(model, tree);
    struct lw_shapley_cut cut = {.threshold = splits[i].threshold, .column = splits[i].column};

    cut.slot = slots[i];
    cut.r[0] = (double)counts[i] / counts[2 * i];
    cut.r[1] = (double)counts[i] / counts[2 * i + 1];
    for (uint32_t j = i; j > 1; j /= 2) {
        if (((splits[i].column ^ splits[j / 2].column) & ~LW_IFOREST_SIGN) == 0) {
            double r = (double)counts[j / 2] / counts[j];

            cut.above = cut.above == 0 ? slots[j] : cut.above;
            cut.r[0] *= r;
            cut.r[1] *= r;
        }
    }
    return cut;
}

/* What leaf i adds to the path expected of a tree. */
static double leaf_weight(const struct lw_model *model, size_t tree, uint32_t i)
{
    return (double)tree_expected(model, tree)[i] * tree_counts(model, tree)[i] / model->n_sample;
}

static double path_expected(const struct lw_model *model)
{
    double sum = 0.0;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        for (uint32_t i = 1; i < 2u << model->depth; i++) {
            if (tree_counts(model, tree)[i] > 0 && !tree_is_split(model, tree, i)) {
                sum += leaf_weight(model, tree, i);
            }
        }
    }
    return sum / model->n_trees;
}

/* One pass's leaves, in the order of the heap. */
static void leaves_lay_out(const struct lw_model *model, size_t tree, size_t pass,
                           const uint8_t *n_columns, struct lw_shapley_lanes *leaves)
{
    size_t n_leaves = 0;

    for (uint32_t i = 1; i < 2u << model->depth; i++) {
        if (tree_counts(model, tree)[i] > 0 && !tree_is_split(model, tree, i)) {
            leaves[n_leaves++] = lw_shapley_leaf(lw_shapley_n_passes(model->depth), pass,
                                                 leaf_weight(model, tree, i), n_columns[i]);
        }
    }
}

/* Cuts in the order of the heap; by node, the distinct columns above it. */
static void cuts_lay_out(const struct lw_model *model, size_t tree, struct lw_shapley_cut *cuts,
                         uint8_t *ret_n_columns)
{
    LW_UNINITIALIZED uint16_t slots[NODES_MAX];
    uint32_t n_cuts = 0, n_leaves = 0;

    slots[1] = 1;
    ret_n_columns[1] = 0;
    for (uint32_t i = 1; i < 2u << model->depth; i++) {
        uint32_t kid;

        if (tree_is_split(model, tree, i)) {
            cuts[n_cuts] = cut_make(model, tree, i, slots);
            ret_n_columns[2 * i] = (uint8_t)(ret_n_columns[i] + (cuts[n_cuts].above == 0));
            ret_n_columns[2 * i + 1] = ret_n_columns[2 * i];
            slots[2 * i] = (uint16_t)(2 * n_cuts + 2);
            slots[2 * i + 1] = (uint16_t)(2 * n_cuts + 3);
            kid = model->n_cuts[tree] + 1u + n_cuts++;
        } else if (tree_counts(model, tree)[i] > 0) {
            kid = n_leaves++;
        } else {
            continue;
        }
        if (i > 1) {
            cuts[slots[i] / 2 - 1].kids[slots[i] % 2] = kid;
        }
    }
}

enum lw_status lw_iforest_lay_out(struct lw_model *model, struct lw_error *reterr)
{
    LW_UNINITIALIZED uint8_t n_columns[NODES_MAX];
    size_t n_passes = lw_shapley_n_passes(model->depth), n_cuts = 0, n_bytes;
    struct lw_shapley_lanes *leaves;
    struct lw_shapley_cut *cuts;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        model->n_cuts[tree] = (uint16_t)tree_n_cuts(model, tree);
        n_cuts += model->n_cuts[tree];
    }
    n_bytes = laid_out_bytes(model, n_cuts);
    leaves = lw_mem_alloc(n_bytes);
    if (leaves == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "iforest: no memory for %zu bytes", n_bytes);
    }
    model->leaves = leaves;
    model->laid_out_bytes = n_bytes;
    model->path_expected = path_expected(model);
    model->cuts = cuts = (struct lw_shapley_cut *)(leaves + n_passes * (n_cuts + model->n_trees));
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        cuts_lay_out(model, tree, cuts, n_columns);
        cuts += model->n_cuts[tree];
        for (size_t pass = 0; pass < n_passes; pass++) {
            leaves_lay_out(model, tree, pass, n_columns, leaves);
            leaves += model->n_cuts[tree] + 1;
        }
    }
    return LW_OK;
}

static inline __attribute__((always_inline)) void trees_explain(const struct lw_model *model,
                                                                const float *row, void *scratch,
                                                                struct lw_shapley_lanes *values)
{
    size_t n_passes = lw_shapley_n_passes(model->depth);
    struct lw_shapley_tree tree = {.cuts = model->cuts, .leaves = model->leaves};
    struct lw_shapley_lanes points[2] = {lw_shapley_points(n_passes, 0),
                                         lw_shapley_points(n_passes, n_passes - 1)};
    const struct lw_kernels *kernels = lw_kernels_best();

    for (size_t i = 0; i < model->n_trees; i++) {
        tree.n_cuts = model->n_cuts[i];
        for (size_t pass = 0; pass < n_passes; pass++) {
            kernels->shapley(&tree, points + pass, row, scratch, values);
            tree.leaves += tree.n_cuts + 1;
        }
        tree.cuts += tree.n_cuts;
    }
}

static void trees_explain_usual(const struct lw_model *model, const float *row,
                                struct lw_shapley_lanes *values)
{
    LW_UNINITIALIZED _Alignas(32) char scratch[LW_SHAPLEY_SCRATCH_BYTES(1u << DEPTH_USUAL)];

    trees_explain(model, row, scratch, values);
}

/* Takes 700 KB of stack, which trees of more than 256 rows may need. */
static __attribute__((noinline)) void trees_explain_deep(const struct lw_model *model,
                                                         const float *row,
                                                         struct lw_shapley_lanes *values)
{
    LW_UNINITIALIZED _Alignas(32) char scratch[LW_SHAPLEY_SCRATCH_BYTES(1u << DEPTH_MAX)];

    trees_explain(model, row, scratch, values);
}

double lw_iforest_path(const struct lw_model *model, const float *row)
{
    double sum = 0.0;

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        uint32_t i = 1;

        while (i < 1u << model->depth) {
            i = 2 * i + split_second(tree_splits(model, tree)[i], row);
        }
        sum += (double)tree_expected(model, tree)[i];
    }
    return sum / model->n_trees;
}

double lw_iforest_path_expected(const struct lw_model *model)
{
    return model->path_expected;
}

void lw_iforest_shapley(const struct lw_model *model, const float *row, double *ret_values)
{
    LW_UNINITIALIZED _Alignas(32) struct lw_shapley_lanes values[LW_MODEL_DIMS_MAX];

    memset(values, 0, model->n_dims * sizeof(*values));
    if (model->depth <= DEPTH_USUAL) {
        trees_explain_usual(model, row, values);
    } else {
        trees_explain_deep(model, row, values);
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        const double *lane = values[i].lane;

        ret_values[i] = ((lane[0] + lane[2]) + (lane[1] + lane[3])) / model->n_trees;
    }
}
