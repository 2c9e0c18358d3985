/* The shape of an isolation forest, shared by the files that grow, walk and store it: see
 * model/iforest.c. */
#ifndef LW_MODEL_IFOREST_INTERNAL_H
#define LW_MODEL_IFOREST_INTERNAL_H

#include "math/shapley.h"
#include "model/model.h"

#include <stdint.h>
#include <string.h>

#define LW_IFOREST_TREES_MAX 1000u
#define LW_IFOREST_SAMPLE_MAX 4096u

#define LW_IFOREST_PLANES_BYTES_MAX                                                                \
    ((size_t)1 << 30)                   /* Memory that cuts across columns may take. */
#define LW_IFOREST_SIGN LW_SHAPLEY_SIGN /* In split.column. */

struct lw_iforest_options {
    int64_t trees;
    int64_t sample;
    int64_t extend;
};

/* One column of a cut across several: adds coefficient (x - centre). */
struct lw_iforest_term {
    uint32_t column;
    float coefficient;
    float centre; /* Finite: the mean of the rows that were cut. A missing x is taken as this. */
};

/* A cut across several columns: to the first side goes what its terms sum up to when that is below
 * the threshold. */
struct lw_iforest_plane {
    double threshold;
    uint32_t begin; /* Of its terms. */
    uint32_t n_terms;
};

/*
 * A fitted forest, immutable. For each tree, by heap index with index 0 unused: a node has rows
 * (counts > 0) or lies below a leaf; a node with rows is a split exactly when its children have
 * rows; counts of children add up to their parent's, and in a plain forest the second child's is
 * never the smaller.
 * A plain forest has splits, again, is_cut, is_leaf and inverses, an extended one the rest; what is
 * of one kind is NULL in the other.
 */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_trees;
    uint32_t n_sample; /* Rows a tree was grown on: at least 2. */
    uint32_t n_terms;  /* Columns of a cut, at most: 1 in a plain forest. */
    uint32_t depth;
    double unit;          /* n_trees c(n_sample). */
    double path_expected; /* Mean h of the training rows over all trees. */
    /* One block of memory, behind this struct. */
    struct lw_shapley_cut *splits; /* [n_trees][1 << depth] */
    uint32_t *planes; /* [n_trees][1 << depth]: 1 + where a split's plane is, 0 in other nodes. */
    double *inverses; /* [n_sample + 1]: 1 / k. */
    uint64_t *is_cut; /* [n_trees][lw_shapley_n_words(depth)] */
    uint64_t *is_leaf;
    float *paths;     /* [n_trees][1 << depth]: h at the nodes of the greatest depth; below an early
                         leaf the leaf's. */
    uint16_t *counts; /* [n_trees][2 << depth]: training rows that reach the node. */
    uint8_t *again;   /* [n_trees][1 << depth]: see math/shapley.h. */
    /* Owned. */
    struct lw_iforest_plane *all_planes;
    struct lw_iforest_term *all_terms;
    size_t n_planes, planes_bytes; /* In use; allocated. */
    size_t n_all_terms, terms_bytes;
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
static inline __attribute__((always_inline)) uint32_t split_second(struct lw_shapley_cut split,
                                                                   const float *row)
{
    uint32_t bits;
    float x;

    memcpy(&bits, row + (split.column & ~LW_IFOREST_SIGN), sizeof(bits));
    bits ^= split.column & LW_IFOREST_SIGN;
    memcpy(&x, &bits, sizeof(x));
    return !(x < split.threshold);
}

static inline bool iforest_is_extended(const struct lw_model *model)
{
    return model->n_terms > 1;
}

static inline struct lw_shapley_cut *tree_splits(const struct lw_model *model, size_t tree)
{
    return model->splits + (tree << model->depth);
}

static inline uint32_t *tree_planes(const struct lw_model *model, size_t tree)
{
    return model->planes + (tree << model->depth);
}

static inline float *tree_paths(const struct lw_model *model, size_t tree)
{
    return model->paths + (tree << model->depth);
}

static inline uint16_t *tree_counts(const struct lw_model *model, size_t tree)
{
    return model->counts + (tree << (model->depth + 1));
}

static inline bool tree_is_split(const struct lw_model *model, size_t tree, uint32_t i)
{
    return i < 1u << model->depth && tree_counts(model, tree)[2 * i] > 0;
}

static inline uint32_t heap_depth(uint32_t i)
{
    return 31u - (uint32_t)__builtin_clz(i);
}

/* h of the rows that end at leaf i. */
static inline float tree_path(const struct lw_model *model, size_t tree, uint32_t i)
{
    return tree_paths(model, tree)[(i << (model->depth - heap_depth(i))) - (1u << model->depth)];
}

/* A forest of cleared trees; of the shape, n_dims, n_trees, n_sample and n_terms are read and must
 * be within the limits. */
enum lw_status lw_iforest_create(const struct lw_model *shape, struct lw_model **ret_model,
                                 struct lw_error *reterr);
void lw_iforest_destroy(struct lw_model *model);
size_t lw_iforest_bytes(const struct lw_model *model);
/* Computes what follows from a tree's splits and counts; called once, after they are complete. */
void lw_iforest_finish_tree(struct lw_model *model, size_t tree);
/* The same of the forest, after all trees. */
void lw_iforest_finish(struct lw_model *model);

/* Plain forests: model/iforest_shapley.c. What explaining needs beside a finished tree. */
void lw_iforest_lay_out(struct lw_model *model, size_t tree);

/* Extended forests: model/iforest_extended.c. */

/* Appends a plane of n_terms terms to the forest's, its terms to be filled in: *ret_terms holds
 * until the next call. */
enum lw_status lw_iforest_add_plane(struct lw_model *model, size_t n_terms,
                                    struct lw_iforest_plane **ret_plane,
                                    struct lw_iforest_term **ret_terms, struct lw_error *reterr);
/* Takes the plane that was added last back. */
void lw_iforest_drop_plane(struct lw_model *model);
/* Gives back the memory that planes still to come would have had. */
void lw_iforest_trim_planes(struct lw_model *model);
/* What the terms of a plane sum up to. */
double lw_iforest_plane_sum(const struct lw_iforest_term *terms, size_t n_terms, const float *row);
/* Mean over the trees of h. */
double lw_iforest_extended_path(const struct lw_model *model, const float *row);
/* Adds every tree's h to the sums of n_rows rows. */
void lw_iforest_extended_add(const struct lw_model *model, const float *rows, size_t n_rows,
                             float *sums);
/* By column, what it adds to the mean path length of the row: double[n_dims]. */
void lw_iforest_extended_attribute(const struct lw_model *model, const float *row,
                                   double *ret_values);

/* The class's functions that have a file of their own: model/iforest_grow.c and
 * model/iforest_saved.c. */
enum lw_status lw_iforest_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr);
void lw_iforest_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_iforest_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr);

#endif
