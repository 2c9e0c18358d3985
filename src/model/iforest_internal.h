/* The shape of an isolation forest, shared by the files that grow, walk and store it: see
 * model/iforest.c. */
#ifndef LW_MODEL_IFOREST_INTERNAL_H
#define LW_MODEL_IFOREST_INTERNAL_H

#include "model/model.h"

#include <stdint.h>
#include <string.h>

#define LW_IFOREST_TREES_MAX 1000u
#define LW_IFOREST_SAMPLE_MAX 4096u

/* In split.column: the sign of x is turned before the comparison. */
#define LW_IFOREST_SIGN 0x80000000u

struct lw_iforest_options {
    int64_t trees;
    int64_t sample;
};

/* One cut. x, with its sign turned where the column says so, goes to the first side when below the
 * threshold. */
struct lw_iforest_split {
    float threshold;
    uint32_t column; /* With LW_IFOREST_SIGN. */
};

/*
 * A fitted forest, immutable, in one block of memory. For each tree, by heap index with index 0
 * unused: a node has rows (counts > 0) or lies below a leaf; a node with rows is a split exactly
 * when its children have rows; counts of children add up to their parent's, and the second child's
 * is never the smaller.
 */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_trees;
    uint32_t n_sample; /* Rows a tree was grown on: at least 2. */
    uint32_t depth;
    double unit;                     /* n_trees c(n_sample). */
    struct lw_iforest_split *splits; /* [n_trees][1 << depth] */
    float *expected;  /* [n_trees][2 << depth]: mean h of the training rows that reach the node. */
    uint16_t *counts; /* [n_trees][2 << depth]: training rows that reach the node. */
    /* The same trees once more, as explaining walks them: see math/shapley.h. */
    uint16_t *n_cuts;                /* [n_trees] */
    struct lw_shapley_cut *cuts;     /* Of all trees in their order. */
    struct lw_shapley_lanes *leaves; /* By tree and pass. Owned; the cuts are in the same block. */
    double path_expected;            /* Mean h of the training rows over all trees. */
    size_t laid_out_bytes;           /* Of that block. */
};

/* The node after i in preorder, 0 after the last: down to the first child of a split, else to the
 * next open sibling. */
static inline uint32_t heap_next(uint32_t i, bool is_split)
{
    if (is_split) {
        return 2 * i;
    }
    while ((i & 1) != 0) {
        i >>= 1;
    }
    return i == 0 ? 0 : i + 1;
}

/* 1 when the row goes to the second side. */
static inline __attribute__((always_inline)) uint32_t split_second(struct lw_iforest_split split,
                                                                   const float *row)
{
    uint32_t bits;
    float x;

    memcpy(&bits, row + (split.column & ~LW_IFOREST_SIGN), sizeof(bits));
    bits ^= split.column & LW_IFOREST_SIGN;
    memcpy(&x, &bits, sizeof(x));
    return !(x < split.threshold);
}

static inline struct lw_iforest_split *tree_splits(const struct lw_model *model, size_t tree)
{
    return model->splits + (tree << model->depth);
}

static inline float *tree_expected(const struct lw_model *model, size_t tree)
{
    return model->expected + (tree << (model->depth + 1));
}

static inline uint16_t *tree_counts(const struct lw_model *model, size_t tree)
{
    return model->counts + (tree << (model->depth + 1));
}

static inline bool tree_is_split(const struct lw_model *model, size_t tree, uint32_t i)
{
    return i < 1u << model->depth && tree_counts(model, tree)[2 * i] > 0;
}

/* A forest of cleared trees; of the shape, n_dims, n_trees and n_sample are read and must be within
 * the limits. */
enum lw_status lw_iforest_create(const struct lw_model *shape, struct lw_model **ret_model,
                                 struct lw_error *reterr);
void lw_iforest_destroy(struct lw_model *model);
size_t lw_iforest_bytes(const struct lw_model *model);
/* Computes what follows from a tree's splits and counts; called once, after they are complete. */
void lw_iforest_finish_tree(struct lw_model *model, size_t tree);

/* Lays the finished trees out for explaining; called once. On failure the model is as before. */
enum lw_status lw_iforest_lay_out(struct lw_model *model, struct lw_error *reterr);

/* The class's functions that have a file of their own: model/iforest_grow.c and
 * model/iforest_saved.c. */
enum lw_status lw_iforest_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr);
void lw_iforest_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_iforest_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr);

#endif
