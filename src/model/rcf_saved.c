/*
 * A random cut forest as bytes.
 *
 * u16 version, u32 values a row, u32 trees, u32 rows a tree, f64 decay, u64 rows seen, the centre
 * as f32 a column; then each tree: its nodes in preorder, a cut as u16 column and f32 place, a leaf
 * as u16 SAVED_LEAF and its row; then its sample, in the order of the heap, as f64 key and u16
 * leaf, leaves numbered in preorder. Boxes and masses follow from these.
 */
#include "model/rcf_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define RCF_VERSION 1u
#define SAVED_LEAF 0xFFFFu

static void save_tree(const struct lw_model *model, const struct lw_rcf_tree *tree,
                      struct lw_writer *writer)
{
    LW_UNINITIALIZED uint16_t numbers[LW_RCF_SAMPLE_MAX];
    uint16_t n_leaves = 0;
    uint32_t id = tree->root;

    while (id != LW_RCF_NONE) {
        uint32_t from;

        if ((id & LW_RCF_LEAF) == 0) {
            lw_write_u16(writer, tree->cuts[id].column);
            lw_write_f32(writer, tree->cuts[id].at);
            id = tree->cuts[id].kids[0];
            continue;
        }
        numbers[id & ~LW_RCF_LEAF] = n_leaves++;
        lw_write_u16(writer, SAVED_LEAF);
        lw_write_f32s(writer, rcf_least(model, tree, id), model->n_dims);
        do { /* Up to where this is the first side, and over to the second. */
            from = id;
            id = *rcf_parent(tree, id);
        } while (id != LW_RCF_NONE && tree->cuts[id].kids[1] == from);
        id = id == LW_RCF_NONE ? id : tree->cuts[id].kids[1];
    }
    for (size_t i = 0; i < model->n_sample; i++) {
        lw_write_f64(writer, tree->sample[i].key);
        lw_write_u16(writer, numbers[tree->sample[i].leaf]);
    }
}

void lw_rcf_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, RCF_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_trees);
    lw_write_u32(writer, model->n_sample);
    lw_write_f64(writer, model->decay);
    lw_write_u64(writer, model->n_seen);
    lw_write_f32s(writer, model->centre, model->n_dims);
    for (size_t i = 0; i < model->n_trees; i++) {
        save_tree(model, model->trees + i, writer);
    }
}

static bool load_values(struct lw_reader *reader, float *ret_values, size_t n)
{
    lw_read_f32s(reader, ret_values, n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(ret_values[i]) <= LW_RCF_VALUE_MAX)) {
            return false;
        }
    }
    return reader->status == LW_OK;
}

/* Reads one node as the next of its kind; its id, or NONE when it is damaged. */
static uint32_t load_node(struct lw_reader *reader, const struct lw_model *model,
                          struct lw_rcf_tree *tree)
{
    uint16_t column = lw_read_u16(reader);

    if (reader->status != LW_OK || tree->n_free_leaves == 0) {
        return LW_RCF_NONE;
    }
    if (column == SAVED_LEAF) {
        uint32_t id = tree->free_leaves[--tree->n_free_leaves] | LW_RCF_LEAF;

        return load_values(reader, rcf_least(model, tree, id), model->n_dims) ? id : LW_RCF_NONE;
    }
    if (column >= model->n_dims || tree->n_free_cuts <= 1) {
        return LW_RCF_NONE;
    }
    tree->cuts[tree->free_cuts[tree->n_free_cuts - 1]] = (struct lw_rcf_cut){
        .column = column, .at = lw_read_f32(reader), .kids = {LW_RCF_NONE, LW_RCF_NONE}};
    return tree->free_cuts[--tree->n_free_cuts];
}

/* Reads the nodes, linked; false when they are damaged. */
static bool load_nodes(struct lw_reader *reader, const struct lw_model *model,
                       struct lw_rcf_tree *tree)
{
    uint32_t parent = LW_RCF_NONE;

    do {
        uint32_t id = load_node(reader, model, tree);

        if (id == LW_RCF_NONE) {
            return false;
        }
        *rcf_parent(tree, id) = (uint16_t)parent;
        if (parent == LW_RCF_NONE) {
            tree->root = (uint16_t)id;
        } else {
            tree->cuts[parent].kids[tree->cuts[parent].kids[0] != LW_RCF_NONE] = (uint16_t)id;
        }
        parent = (id & LW_RCF_LEAF) != 0 ? parent : id;
        while (parent != LW_RCF_NONE && tree->cuts[parent].kids[1] != LW_RCF_NONE) {
            parent = tree->cuts[parent].parent;
        }
    } while (parent != LW_RCF_NONE);
    return true;
}

/* Reads the sample, and with it the masses of leaves; false when it is damaged. */
static bool load_sample(struct lw_reader *reader, const struct lw_model *model,
                        struct lw_rcf_tree *tree)
{
    size_t n_leaves = model->n_sample - tree->n_free_leaves;

    for (size_t i = 0; i < model->n_sample; i++) {
        struct lw_rcf_entry entry = {.key = lw_read_f64(reader), .leaf = lw_read_u16(reader)};

        if (!isfinite(entry.key) || entry.leaf >= n_leaves ||
            (i > 0 && tree->sample[(i - 1) / 2].key < entry.key)) {
            return false;
        }
        tree->leaves[entry.leaf].mass++;
        tree->sample[i] = entry;
    }
    for (size_t i = 0; i < n_leaves; i++) {
        if (tree->leaves[i].mass == 0) {
            return false;
        }
    }
    return reader->status == LW_OK;
}

/* Boxes and masses from the leaves up; false when a cut does not part its sides. In preorder, a
 * cut's number is below those of all cuts under it. */
static bool load_boxes(const struct lw_model *model, struct lw_rcf_tree *tree)
{
    for (uint32_t id = model->n_sample - tree->n_free_cuts; id-- > 0;) {
        struct lw_rcf_cut *cut = tree->cuts + id;

        if (!(rcf_greatest(model, tree, cut->kids[0])[cut->column] <= cut->at &&
              cut->at < rcf_least(model, tree, cut->kids[1])[cut->column])) {
            return false;
        }
        cut->mass = (uint16_t)(rcf_mass(tree, cut->kids[0]) + rcf_mass(tree, cut->kids[1]));
        (void)lw_rcf_rebox(model, tree, id);
    }
    return true;
}

static bool load_shape(struct lw_reader *reader, struct lw_model *ret_shape)
{
    ret_shape->n_dims = lw_read_u32(reader);
    ret_shape->n_trees = lw_read_u32(reader);
    ret_shape->n_sample = lw_read_u32(reader);
    ret_shape->decay = lw_read_f64(reader);
    ret_shape->n_seen = lw_read_u64(reader);
    return reader->status == LW_OK && ret_shape->n_dims >= 1 &&
           ret_shape->n_dims <= LW_MODEL_DIMS_MAX && ret_shape->n_trees >= 1 &&
           ret_shape->n_trees <= LW_RCF_TREES_MAX && ret_shape->n_sample >= 2 &&
           ret_shape->n_sample <= LW_RCF_SAMPLE_MAX && ret_shape->decay >= 0.0 &&
           ret_shape->decay <= 1.0 &&
           lw_reader_left(reader) >=
               (size_t)ret_shape->n_trees * ret_shape->n_sample * (sizeof(double) + 2);
}

/* Allocates at most LW_RCF_BYTES_MAX, once the shape is within the limits of the option table and
 * the bytes can hold the samples. */
enum lw_status lw_rcf_load(struct lw_reader *reader, struct lw_model **ret_model,
                           struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    bool is_good;

    if (reader->status == LW_OK && version != RCF_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "rcf: the model is of version %u, but this one reads %u",
                            (unsigned)version, RCF_VERSION);
    }
    if (!load_shape(reader, &shape)) {
        return lw_error_set(reterr, LW_EFORMAT, "rcf: damaged: %u trees of %u rows of %u values",
                            (unsigned)shape.n_trees, (unsigned)shape.n_sample,
                            (unsigned)shape.n_dims);
    }
    switch (lw_rcf_create(&shape, &model, reterr)) {
    case LW_OK:
        break;
    case LW_ENOMEM:
        return LW_ENOMEM;
    default:
        return lw_error_set(reterr, LW_EFORMAT, "rcf: damaged: too large a forest");
    }
    model->n_seen = shape.n_seen;
    is_good = load_values(reader, model->centre, model->n_dims);
    for (size_t i = 0; is_good && i < model->n_trees; i++) {
        struct lw_rcf_tree *tree = model->trees + i;

        is_good = load_nodes(reader, model, tree) && load_sample(reader, model, tree) &&
                  load_boxes(model, tree);
    }
    if (!is_good) {
        lw_rcf_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "rcf: a damaged tree");
    }
    *ret_model = model;
    return LW_OK;
}
