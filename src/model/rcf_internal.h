/* The shape of a random cut forest, shared by the files that learn, score and store it: see
 * model/rcf.c. */
#ifndef LW_MODEL_RCF_INTERNAL_H
#define LW_MODEL_RCF_INTERNAL_H

#include "model/model.h"

#include <stdint.h>

#define LW_RCF_TREES_MAX 1000u
#define LW_RCF_SAMPLE_MAX 4096u
#define LW_RCF_BYTES_MAX ((size_t)1 << 30) /* Memory a forest may take. */
#define LW_RCF_VALUE_MAX                                                                           \
    1e30f                   /* What is beyond counts as this, so that sums of widths stay          \
                               finite. */
#define LW_RCF_LEAF 0x8000u /* In an id: a leaf, else a cut. */
#define LW_RCF_NONE 0xFFFFu

struct lw_rcf_options {
    int64_t trees;
    int64_t sample;
    double decay;
};

/* A cut. The box of all rows below it is stored beside, in boxes. */
struct lw_rcf_cut {
    float range; /* Sum of the box's widths. */
    float at;    /* x <= at goes to the first side. */
    uint16_t column;
    uint16_t parent;
    uint16_t kids[2];
    uint16_t mass; /* Rows below, repeats counted. */
};

struct lw_rcf_leaf {
    uint16_t parent;
    uint16_t mass;
};

/* A row in the sample of a tree: the n_sample of smallest key stay. */
struct lw_rcf_entry {
    double key;
    uint32_t leaf; /* While fitting, first the row. */
};

struct lw_rcf_tree {
    struct lw_rcf_cut *cuts;     /* [n_sample] */
    struct lw_rcf_leaf *leaves;  /* [n_sample] */
    struct lw_rcf_entry *sample; /* [n_sample], a heap with the greatest key first. */
    float *boxes;                /* [n_sample][2][n_padded]: least and greatest values of a cut. */
    float *rows;                 /* [n_sample][n_padded]: of a leaf. */
    uint16_t *free_cuts;         /* [n_sample], a stack. */
    uint16_t *free_leaves;
    uint16_t n_free_cuts;
    uint16_t n_free_leaves;
    uint16_t root;
    double refuses; /* See sample_refuses in model/rcf.c; not saved. */
    uint64_t refuses_until;
};

/* In one block of memory. Rows and boxes are padded with zeros to n_padded, a multiple of 8. */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_padded;
    uint32_t n_trees;
    uint32_t n_sample; /* At least 2; every tree holds that many rows. */
    double decay;
    uint64_t n_seen; /* Rows learnt from, in the sample or not. */
    size_t n_bytes;
    double *log2;  /* [n_sample + 1]: log2(1 + i). */
    float *centre; /* [n_padded]: stands for a missing value in a row to learn. */
    struct lw_rcf_tree *trees;
};

/* The nodes on a row's way whose boxes do not hold it, from the leaf up: boxes above hold it too.
 */
struct lw_rcf_way {
    uint32_t leaf;  /* An id. */
    uint32_t depth; /* Of the leaf; node k's is less by k. */
    uint32_t n;
    uint16_t ids[LW_RCF_SAMPLE_MAX];
    float reaches[LW_RCF_SAMPLE_MAX]; /* > 0 */
};

/* The leaf a row comes to, which is fetched ahead; a missing value goes to the heavier side. */
uint32_t lw_rcf_descend(const struct lw_model *model, const struct lw_rcf_tree *tree,
                        const float *row, uint32_t *ret_depth);
/* The same of all trees, side by side. */
void lw_rcf_descend_all(const struct lw_model *model, const float *row, uint32_t *ret_leaves,
                        uint32_t *ret_depths);
/* The rest of the way, once its leaf and depth are set; a missing value is inside every box. */
void lw_rcf_climb(const struct lw_model *model, const struct lw_rcf_tree *tree, const float *row,
                  struct lw_rcf_way *way);

static inline float *rcf_least(const struct lw_model *model, const struct lw_rcf_tree *tree,
                               uint32_t id)
{
    return (id & LW_RCF_LEAF) != 0 ? tree->rows + (id & ~LW_RCF_LEAF) * (size_t)model->n_padded
                                   : tree->boxes + 2 * id * (size_t)model->n_padded;
}

static inline float *rcf_greatest(const struct lw_model *model, const struct lw_rcf_tree *tree,
                                  uint32_t id)
{
    return rcf_least(model, tree, id) + ((id & LW_RCF_LEAF) != 0 ? 0 : model->n_padded);
}

static inline uint16_t *rcf_parent(const struct lw_rcf_tree *tree, uint32_t id)
{
    return (id & LW_RCF_LEAF) != 0 ? &tree->leaves[id & ~LW_RCF_LEAF].parent
                                   : &tree->cuts[id].parent;
}

/* Sum of the widths of a node's box. */
static inline double rcf_range(const struct lw_rcf_tree *tree, uint32_t id)
{
    return (id & LW_RCF_LEAF) != 0 ? 0.0 : (double)tree->cuts[id].range;
}

static inline uint16_t rcf_mass(const struct lw_rcf_tree *tree, uint32_t id)
{
    return (id & LW_RCF_LEAF) != 0 ? tree->leaves[id & ~LW_RCF_LEAF].mass : tree->cuts[id].mass;
}

/* An empty forest; of the shape, n_dims, n_trees, n_sample and decay are read. LW_EINVAL when it
 * would take more than LW_RCF_BYTES_MAX. */
enum lw_status lw_rcf_create(const struct lw_model *shape, struct lw_model **ret_model,
                             struct lw_error *reterr);
void lw_rcf_destroy(struct lw_model *model);

/* Trees: model/rcf_tree.c. */

/* Takes a padded row without holes into the tree; returns its leaf. There must be room. */
uint32_t lw_rcf_insert(const struct lw_model *model, struct lw_rcf_tree *tree, const float *row,
                       struct lw_rng *rng);
/* Takes one row of a leaf out of a tree of more than one row. */
void lw_rcf_forget(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t leaf);
/* Sets the box and the range of a cut from its two sides; false when they were so before. */
bool lw_rcf_rebox(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t cut);
/* Puts an entry in the place of the heap's first. */
void lw_rcf_sample_replace(struct lw_rcf_entry *sample, size_t n, struct lw_rcf_entry entry);
/* Appends an entry to a heap of n. */
void lw_rcf_sample_push(struct lw_rcf_entry *sample, size_t n, struct lw_rcf_entry entry);

/* Bytes: model/rcf_saved.c. */
void lw_rcf_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_rcf_load(struct lw_reader *reader, struct lw_model **ret_model,
                           struct lw_error *reterr);

#endif
