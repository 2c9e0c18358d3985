/*
 * Random cut trees: rows in, rows out, the boxes kept.
 *
 * A row goes in as if the whole tree had been grown anew with it (Guha et al. 2016, theorem 3): at
 * every cut on the way a random cut of the box that the row has stretched is drawn, its column in
 * proportion to the widths; when it parts the row from the box it becomes a cut above this one,
 * else the cut that is there holds for the stretched box as well and the way goes on below it. A
 * row goes out by handing its cut's place to the other side (theorem 4).
 */
#include "model/rcf_internal.h"

#include "base/mem.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

typedef float f32x8 __attribute__((vector_size(32)));

/* Each lane adds every eighth column; lanes are added in a fixed order. */
static inline float lanes_sum(const f32x8 *v)
{
    const f32x8 x = *v;

    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* The sum of a box's widths. */
static float box_range(const float *least, const float *greatest, size_t n_padded)
{
    f32x8 sum = {0}, a, b;

    for (size_t i = 0; i < n_padded; i += 8) {
        memcpy(&a, least + i, sizeof(a));
        memcpy(&b, greatest + i, sizeof(b));
        sum += b - a;
    }
    return lanes_sum(&sum);
}

/* Stretches a box by another. */
static void box_stretch(float *least, float *greatest, const float *other_least,
                        const float *other_greatest, size_t n_padded)
{
    for (size_t i = 0; i < n_padded; i += 8) {
        for (size_t k = i; k < i + 8; k++) {
            least[k] = other_least[k] < least[k] ? other_least[k] : least[k];
        }
        for (size_t k = i; k < i + 8; k++) {
            greatest[k] = other_greatest[k] > greatest[k] ? other_greatest[k] : greatest[k];
        }
    }
}

bool lw_rcf_rebox(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t cut)
{
    const uint16_t *kids = tree->cuts[cut].kids;
    size_t n = model->n_padded, n_bytes = n * sizeof(float);
    float *least = rcf_least(model, tree, cut), *greatest = least + n;
    LW_UNINITIALIZED float old_least[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED float old_greatest[LW_MODEL_DIMS_MAX];

    memcpy(old_least, least, n_bytes);
    memcpy(old_greatest, greatest, n_bytes);
    memcpy(least, rcf_least(model, tree, kids[0]), n_bytes);
    memcpy(greatest, rcf_greatest(model, tree, kids[0]), n_bytes);
    box_stretch(least, greatest, rcf_least(model, tree, kids[1]),
                rcf_greatest(model, tree, kids[1]), n);
    tree->cuts[cut].range = box_range(least, greatest, n);
    return memcmp(old_least, least, n_bytes) != 0 || memcmp(old_greatest, greatest, n_bytes) != 0;
}

/* A cut between a box and a row outside it: the column in proportion to how far the row is outside,
 * `at` of reach from the first; the place uniform in between. */
static void cut_draw(const float *least, const float *greatest, const float *row, size_t n_dims,
                     double at, double place, struct lw_rcf_cut *ret_cut, bool *ret_row_is_first)
{
    for (size_t i = 0; i < n_dims; i++) {
        double below = (double)least[i] - (double)row[i];
        double above = (double)row[i] - (double)greatest[i];
        double reach = below > above ? below : above;

        if (reach <= 0.0) {
            continue;
        }
        *ret_row_is_first = below > 0.0;
        ret_cut->column = (uint16_t)i;
        if (below > 0.0) {
            ret_cut->at = (float)((double)row[i] + place * reach);
            ret_cut->at = ret_cut->at < least[i] ? ret_cut->at : row[i];
        } else {
            ret_cut->at = (float)((double)greatest[i] + place * reach);
            ret_cut->at = ret_cut->at < row[i] ? ret_cut->at : greatest[i];
        }
        at -= reach;
        if (at < 0.0) {
            return;
        }
    }
}

/* A new leaf of the row beside what has stood at id until now, both below a new cut. */
static uint32_t tree_part(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t id,
                          const float *row, double at, double place)
{
    uint16_t cut = tree->free_cuts[--tree->n_free_cuts];
    uint16_t leaf = tree->free_leaves[--tree->n_free_leaves];
    uint16_t parent = *rcf_parent(tree, id), new_id = (uint16_t)(leaf | LW_RCF_LEAF);
    struct lw_rcf_cut *made = tree->cuts + cut;
    bool row_is_first = false;

    memcpy(tree->rows + leaf * (size_t)model->n_padded, row, model->n_padded * sizeof(*row));
    tree->leaves[leaf] = (struct lw_rcf_leaf){.parent = cut, .mass = 1};
    cut_draw(rcf_least(model, tree, id), rcf_greatest(model, tree, id), row, model->n_dims, at,
             place, made, &row_is_first);
    made->parent = parent;
    made->kids[!row_is_first] = new_id;
    made->kids[row_is_first] = (uint16_t)id;
    made->mass = (uint16_t)(rcf_mass(tree, id) + 1);
    *rcf_parent(tree, id) = cut;
    if (parent == LW_RCF_NONE) {
        tree->root = cut;
    } else {
        tree->cuts[parent].kids[tree->cuts[parent].kids[1] == id] = cut;
    }
    (void)lw_rcf_rebox(model, tree, cut);
    return leaf;
}

/* The side of a cut on which the way of a row goes on. */
static uint32_t cut_next(const struct lw_rcf_tree *tree, const struct lw_rcf_cut *cut,
                         const float *row)
{
    float x = row[cut->column];

    if (isnan(x)) {
        return cut->kids[rcf_mass(tree, cut->kids[1]) > rcf_mass(tree, cut->kids[0])];
    }
    return cut->kids[x > cut->at];
}

uint32_t lw_rcf_descend(const struct lw_model *model, const struct lw_rcf_tree *tree,
                        const float *row, uint32_t *ret_depth)
{
    uint32_t id = tree->root, depth = 0;

    for (; (id & LW_RCF_LEAF) == 0; depth++) {
        id = cut_next(tree, tree->cuts + id, row);
    }
    for (uint32_t near = id, k = 0; k < 3 && near != LW_RCF_NONE; k++) {
        for (const float *at = rcf_least(model, tree, near),
                         *end = rcf_greatest(model, tree, near) + model->n_padded;
             at < end; at += 16) {
            __builtin_prefetch(at);
        }
        near = *rcf_parent(tree, near);
    }
    *ret_depth = depth;
    return id;
}

void lw_rcf_climb(const struct lw_model *model, const struct lw_rcf_tree *tree, const float *row,
                  struct lw_rcf_way *way)
{
    float (*reach_of)(const float *, const float *, const float *,
                      size_t) = lw_kernels_best()->reach;
    uint32_t n = 0;

    for (uint32_t id = way->leaf; id != LW_RCF_NONE; id = *rcf_parent(tree, id)) {
        float reach = reach_of(rcf_least(model, tree, id), rcf_greatest(model, tree, id), row,
                               model->n_padded);

        if (reach <= 0.0f) {
            break;
        }
        way->ids[n] = (uint16_t)id;
        way->reaches[n++] = reach;
    }
    way->n = n;
}

/* The first row of a tree. */
static uint32_t tree_start(const struct lw_model *model, struct lw_rcf_tree *tree, const float *row)
{
    uint16_t leaf = tree->free_leaves[--tree->n_free_leaves];

    memcpy(tree->rows + leaf * (size_t)model->n_padded, row, model->n_padded * sizeof(*row));
    tree->leaves[leaf] = (struct lw_rcf_leaf){.parent = LW_RCF_NONE, .mass = 1};
    tree->root = (uint16_t)(leaf | LW_RCF_LEAF);
    return leaf;
}

/* Boxes that hold the row cannot be parted from it: only the others draw. */
uint32_t lw_rcf_insert(const struct lw_model *model, struct lw_rcf_tree *tree, const float *row,
                       struct lw_rng *rng)
{
    LW_UNINITIALIZED struct lw_rcf_way way;
    uint32_t leaf, id = LW_RCF_NONE;

    if (tree->root == LW_RCF_NONE) {
        return tree_start(model, tree, row);
    }
    way.leaf = lw_rcf_descend(model, tree, row, &way.depth);
    lw_rcf_climb(model, tree, row, &way);
    leaf = way.leaf & ~LW_RCF_LEAF;
    if (way.n == 0) {
        tree->leaves[leaf].mass++;
        id = tree->leaves[leaf].parent;
    }
    while (way.n-- > 0) {
        double reach = (double)way.reaches[way.n], range, at;

        id = way.ids[way.n];
        range = rcf_range(tree, id);
        at = lw_rng_double(rng) * (range + reach);
        if (at < reach || range <= 0.0) {
            leaf = tree_part(model, tree, id, row, at, lw_rng_double(rng));
            id = tree->cuts[tree->leaves[leaf].parent].parent;
            break;
        }
        box_stretch(rcf_least(model, tree, id), rcf_greatest(model, tree, id), row, row,
                    model->n_padded);
        tree->cuts[id].range = box_range(rcf_least(model, tree, id), rcf_greatest(model, tree, id),
                                         model->n_padded);
    }
    for (; id != LW_RCF_NONE; id = tree->cuts[id].parent) {
        tree->cuts[id].mass++;
    }
    return leaf;
}

/* One row fewer in a cut and all above it; where its leaf is gone, the boxes as far as they
 * shrink. */
static void tree_lighten(const struct lw_model *model, struct lw_rcf_tree *tree, uint16_t cut,
                         bool may_shrink)
{
    while (cut != LW_RCF_NONE) {
        tree->cuts[cut].mass--;
        may_shrink = may_shrink && lw_rcf_rebox(model, tree, cut);
        cut = tree->cuts[cut].parent;
    }
}

void lw_rcf_forget(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t leaf)
{
    uint16_t id = (uint16_t)(leaf | LW_RCF_LEAF), parent = tree->leaves[leaf].parent, other, above;

    if (--tree->leaves[leaf].mass > 0) {
        tree_lighten(model, tree, parent, false);
        return;
    }
    other = tree->cuts[parent].kids[tree->cuts[parent].kids[0] == id];
    above = tree->cuts[parent].parent;
    *rcf_parent(tree, other) = above;
    if (above == LW_RCF_NONE) {
        tree->root = other;
    } else {
        tree->cuts[above].kids[tree->cuts[above].kids[1] == parent] = other;
    }
    tree->free_cuts[tree->n_free_cuts++] = parent;
    tree->free_leaves[tree->n_free_leaves++] = (uint16_t)leaf;
    tree_lighten(model, tree, above, true);
}

void lw_rcf_sample_replace(struct lw_rcf_entry *sample, size_t n, struct lw_rcf_entry entry)
{
    size_t at = 0;

    for (size_t kid; (kid = 2 * at + 1) < n; at = kid) {
        kid += kid + 1 < n && sample[kid + 1].key > sample[kid].key;
        if (sample[kid].key <= entry.key) {
            break;
        }
        sample[at] = sample[kid];
    }
    sample[at] = entry;
}

void lw_rcf_sample_push(struct lw_rcf_entry *sample, size_t n, struct lw_rcf_entry entry)
{
    size_t at = n;

    for (; at > 0 && sample[(at - 1) / 2].key < entry.key; at = (at - 1) / 2) {
        sample[at] = sample[(at - 1) / 2];
    }
    sample[at] = entry;
}
