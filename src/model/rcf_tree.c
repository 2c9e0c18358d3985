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

#define LANES 10u /* Descents walked side by side, each in a tree of its own. */

bool lw_rcf_rebox(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t cut)
{
    const uint16_t *kids = tree->cuts[cut].kids;
    const float *sides[4] = {rcf_least(model, tree, kids[0]), rcf_greatest(model, tree, kids[0]),
                             rcf_least(model, tree, kids[1]), rcf_greatest(model, tree, kids[1])};
    bool changes;

    tree->cuts[cut].range = lw_kernels_best()->join(rcf_least(model, tree, cut), sides,
                                                    model->n_padded, &changes);
    return changes;
}

/* Stretches the box of a cut to hold a row. */
static void box_stretch(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t cut,
                        const float *row)
{
    float *least = rcf_least(model, tree, cut);
    const float *sides[4] = {least, least + model->n_padded, row, row};
    bool changes;

    tree->cuts[cut].range = lw_kernels_best()->join(least, sides, model->n_padded, &changes);
}

/* The place of a cut in a column in which the row is outside the box by `reach`, below or above. */
static float cut_place(float least, float greatest, float x, double reach, double place)
{
    float at;

    if (x < least) {
        at = (float)((double)x + place * reach);
        return at < least ? at : x;
    }
    at = (float)((double)greatest + place * reach);
    return at < x ? at : greatest;
}

/* A cut between a box, its least and greatest values, and a row outside it: the column in
 * proportion to how far the row is outside, `at` of reach from the first; the place uniform in
 * between. Returns whether the row is on the first side. */
static bool cut_draw(const struct lw_model *model, const float *const box[2], const float *row,
                     double at, double place, struct lw_rcf_cut *ret_cut)
{
    const float *least = box[0], *greatest = box[1];
    bool row_is_first = false;

    for (size_t i = 0; i < model->n_dims && at >= 0.0; i++) {
        double below = (double)least[i] - (double)row[i];
        double above = (double)row[i] - (double)greatest[i];
        double reach = below > above ? below : above;

        if (reach > 0.0) {
            row_is_first = below > 0.0;
            ret_cut->column = (uint16_t)i;
            ret_cut->at = cut_place(least[i], greatest[i], row[i], reach, place);
            at -= reach;
        }
    }
    return row_is_first;
}

/* A new leaf of the row beside what has stood at id until now, both below a new cut. */
static uint32_t tree_part(const struct lw_model *model, struct lw_rcf_tree *tree, uint32_t id,
                          const float *row, double at, double place)
{
    uint16_t cut = tree->free_cuts[--tree->n_free_cuts];
    uint16_t leaf = tree->free_leaves[--tree->n_free_leaves];
    uint16_t parent = *rcf_parent(tree, id), new_id = (uint16_t)(leaf | LW_RCF_LEAF);
    struct lw_rcf_cut *made = tree->cuts + cut;
    const float *const box[2] = {rcf_least(model, tree, id), rcf_greatest(model, tree, id)};
    bool row_is_first;

    memcpy(tree->rows + leaf * (size_t)model->n_padded, row, model->n_padded * sizeof(*row));
    tree->leaves[leaf] = (struct lw_rcf_leaf){.parent = cut, .mass = 1};
    row_is_first = cut_draw(model, box, row, at, place, made);
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

/* Has the boxes of a node and of the next two above it fetched. */
static void node_fetch(const struct lw_model *model, const struct lw_rcf_tree *tree, uint32_t id)
{
    for (uint32_t k = 0; k < 3 && id != LW_RCF_NONE; k++) {
        const char *at = (const char *)rcf_least(model, tree, id),
                   *end = (const char *)(rcf_greatest(model, tree, id) + model->n_padded);

        for (; at < end; at += 64) {
            __builtin_prefetch(at);
        }
        __builtin_prefetch(end - 1);
        id = *rcf_parent(tree, id);
    }
}

uint32_t lw_rcf_descend(const struct lw_model *model, const struct lw_rcf_tree *tree,
                        const float *row, uint32_t *ret_depth)
{
    uint32_t id = tree->root, depth = 0;

    for (; (id & LW_RCF_LEAF) == 0; depth++) {
        id = cut_next(tree, tree->cuts + id, row);
    }
    node_fetch(model, tree, id);
    *ret_depth = depth;
    return id;
}

/* One step down of every tree that is not at its leaf yet; false when all are. */
static bool lanes_descend(const struct lw_rcf_tree *trees, size_t n, const float *row,
                          uint32_t *leaves, uint32_t *depths)
{
    bool is_on_way = false;

    for (size_t lane = 0; lane < n; lane++) {
        if ((leaves[lane] & LW_RCF_LEAF) == 0) {
            leaves[lane] = cut_next(trees + lane, trees[lane].cuts + leaves[lane], row);
            depths[lane]++;
            is_on_way = true;
        }
    }
    return is_on_way;
}

void lw_rcf_descend_all(const struct lw_model *model, const float *row, uint32_t *ret_leaves,
                        uint32_t *ret_depths)
{
    size_t n;

    for (size_t begin = 0; begin < model->n_trees; begin += n) {
        const struct lw_rcf_tree *trees = model->trees + begin;
        uint32_t *leaves = ret_leaves + begin, *depths = ret_depths + begin;

        n = model->n_trees - begin < LANES ? model->n_trees - begin : LANES;
        for (size_t lane = 0; lane < n; lane++) {
            leaves[lane] = trees[lane].root;
            depths[lane] = 0;
        }
        while (lanes_descend(trees, n, row, leaves, depths)) {
        }
        for (size_t lane = 0; lane < n; lane++) {
            node_fetch(model, trees + lane, leaves[lane]);
        }
    }
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
        box_stretch(model, tree, id, row);
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
