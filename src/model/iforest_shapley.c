/*
 * A plain isolation forest explained: exact Shapley values, see math/shapley.h.
 *
 * Cost. A few operations a cut. Of what they need beside the trees only that is kept which takes
 * long to find: which nodes are cuts and leaves, and where a column is cut again; 1.5 bytes a node.
 */
#include "model/iforest_internal.h"

#include "base/mem.h"
#include "math/kernels.h"
#include "math/shapley.h"
#include "model/iforest.h"

#include <assert.h>

#define DEPTH_USUAL 8u /* Of a tree of 256 rows. */
#define DEPTH_MAX 12u

static_assert(LW_IFOREST_SAMPLE_MAX <= 1u << DEPTH_MAX, "every tree must be shallow enough");
static_assert(DEPTH_MAX <= LW_SHAPLEY_DEPTH_MAX, "every path must be short enough");

void lw_iforest_lay_out(struct lw_model *model, size_t tree)
{
    const struct lw_shapley_cut *splits = tree_splits(model, tree);
    size_t n_words = lw_shapley_n_words(model->depth);
    uint8_t *again = model->again + (tree << model->depth);

    for (uint32_t i = 1; i < 2u << model->depth; i++) {
        bool is_split = tree_is_split(model, tree, i);
        uint64_t *words = (is_split ? model->is_cut : model->is_leaf) + tree * n_words;

        if (tree_counts(model, tree)[i] > 0) {
            words[i / 64] |= (uint64_t)1 << (i % 64);
        }
        for (uint8_t up = 1; is_split && i >> up > 0 && again[i] == 0; up++) {
            again[i] = ((splits[i].column ^ splits[i >> up].column) & ~LW_IFOREST_SIGN) == 0 ? up
                                                                                             : 0;
        }
    }
}

static inline struct lw_shapley_tree tree_view(const struct lw_model *model, size_t tree)
{
    size_t n_words = lw_shapley_n_words(model->depth);

    return (struct lw_shapley_tree){.cuts = tree_splits(model, tree),
                                    .again = model->again + (tree << model->depth),
                                    .is_cut = model->is_cut + tree * n_words,
                                    .is_leaf = model->is_leaf + tree * n_words,
                                    .counts = tree_counts(model, tree),
                                    .values = tree_paths(model, tree),
                                    .inverses = model->inverses,
                                    .depth = model->depth};
}

static inline __attribute__((always_inline)) void trees_explain(const struct lw_model *model,
                                                                const float *row, void *scratch,
                                                                struct lw_shapley_lanes *values)
{
    LW_UNINITIALIZED struct lw_shapley_lanes passes[2][LW_SHAPLEY_PASS_LANES];
    size_t n_passes = lw_shapley_n_passes(model->depth);
    const struct lw_kernels *kernels = lw_kernels_best();

    for (size_t pass = 0; pass < n_passes; pass++) {
        lw_shapley_pass(n_passes, pass, 1.0 / model->n_sample, passes[pass]);
    }
    for (size_t i = 0; i < model->n_trees; i++) {
        struct lw_shapley_tree tree = tree_view(model, i);

        for (size_t pass = 0; pass < n_passes; pass++) {
            kernels->shapley(&tree, passes[pass], row, scratch, values);
        }
    }
}

static void trees_explain_usual(const struct lw_model *model, const float *row,
                                struct lw_shapley_lanes *values)
{
    LW_UNINITIALIZED _Alignas(32) char scratch[LW_SHAPLEY_SCRATCH_BYTES(DEPTH_USUAL)];

    trees_explain(model, row, scratch, values);
}

/* Takes 700 KB of stack, which trees of more than 256 rows may need. */
static __attribute__((noinline)) void trees_explain_deep(const struct lw_model *model,
                                                         const float *row,
                                                         struct lw_shapley_lanes *values)
{
    LW_UNINITIALIZED _Alignas(32) char scratch[LW_SHAPLEY_SCRATCH_BYTES(DEPTH_MAX)];

    trees_explain(model, row, scratch, values);
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
