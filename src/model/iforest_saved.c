/*
 * An isolation forest as bytes.
 *
 * u16 version, u32 values a row, u32 trees, u32 rows a tree; then each tree in preorder: a split is
 * u16 column, with SAVED_SIGN where -x is compared, and f32 threshold; a leaf is u16 SAVED_LEAF and
 * u16 rows. All else follows from these.
 */
#include "model/iforest_internal.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>

#define IFOREST_VERSION 1u
#define SAVED_LEAF 0xFFFFu
#define SAVED_SIGN 0x8000u
#define SAVED_LEAF_BYTES 4u

static_assert(LW_MODEL_DIMS_MAX < SAVED_SIGN,
              "a column and its sign must fit into u16 beside the leaf's mark");

void lw_iforest_save(const struct lw_model *model, struct lw_writer *writer)
{
    bool is_split;

    lw_write_u16(writer, IFOREST_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_trees);
    lw_write_u32(writer, model->n_sample);
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        for (uint32_t i = 1; i != 0; i = heap_next(i, is_split)) {
            is_split = tree_is_split(model, tree, i);
            if (is_split) {
                struct lw_iforest_split split = tree_splits(model, tree)[i];
                uint32_t sign = (split.column & LW_IFOREST_SIGN) != 0 ? SAVED_SIGN : 0;

                lw_write_u16(writer, (uint16_t)((split.column & ~LW_IFOREST_SIGN) | sign));
                lw_write_f32(writer, split.threshold);
            } else {
                lw_write_u16(writer, SAVED_LEAF);
                lw_write_u16(writer, tree_counts(model, tree)[i]);
            }
        }
    }
}

/* Reads one split into node i; false when it is damaged. */
static bool load_split(struct lw_reader *reader, struct lw_model *model, size_t tree, uint32_t i,
                       uint16_t saved)
{
    uint32_t column = saved & (SAVED_SIGN - 1);
    float threshold = lw_read_f32(reader);

    if (i >= 1u << model->depth || column >= model->n_dims || !isfinite(threshold)) {
        return false;
    }
    tree_splits(model, tree)[i].threshold = threshold;
    tree_splits(model, tree)[i].column = column | ((saved & SAVED_SIGN) != 0 ? LW_IFOREST_SIGN : 0);
    return true;
}

/* Adds the leaves' counts up to the root; false when they break what struct lw_model promises. */
static bool load_counts(const struct lw_model *model, size_t tree)
{
    uint16_t *counts = tree_counts(model, tree);

    for (uint32_t i = (1u << model->depth) - 1; i > 0; i--) {
        if (counts[2 * i] > counts[2 * i + 1]) {
            return false;
        }
        counts[i] = (uint16_t)(counts[i] + counts[2 * i] + counts[2 * i + 1]);
    }
    return counts[1] == model->n_sample;
}

/* Reads one tree; false when it is damaged. Every turn reads a node that the heap has room for, so
 * it ends. */
static bool load_tree(struct lw_reader *reader, struct lw_model *model, size_t tree)
{
    uint32_t left = model->n_sample; /* Rows that leaves may still have: keeps the sums of counts
                                        within u16. */
    bool is_split;

    for (uint32_t i = 1; i != 0; i = heap_next(i, is_split)) {
        uint16_t saved = lw_read_u16(reader);

        is_split = saved != SAVED_LEAF;
        if (is_split) {
            if (!load_split(reader, model, tree, i, saved)) {
                return false;
            }
        } else {
            uint16_t count = lw_read_u16(reader);

            if (count == 0 || count > left) {
                return false;
            }
            tree_counts(model, tree)[i] = count;
            left -= count;
        }
    }
    return reader->status == LW_OK && load_counts(model, tree);
}

static bool load_shape(struct lw_reader *reader, struct lw_model *ret_shape)
{
    ret_shape->n_dims = lw_read_u32(reader);
    ret_shape->n_trees = lw_read_u32(reader);
    ret_shape->n_sample = lw_read_u32(reader);
    return reader->status == LW_OK && ret_shape->n_dims >= 1 &&
           ret_shape->n_dims <= LW_MODEL_DIMS_MAX && ret_shape->n_trees >= 1 &&
           ret_shape->n_trees <= LW_IFOREST_TREES_MAX && ret_shape->n_sample >= 2 &&
           ret_shape->n_sample <= LW_IFOREST_SAMPLE_MAX &&
           lw_reader_left(reader) >= (size_t)ret_shape->n_trees * SAVED_LEAF_BYTES;
}

/* Allocates at most 82 MB, once the shape is within the limits of the option table and each tree
 * can have a node, and at most 104 bytes for each split that was read. */
enum lw_status lw_iforest_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    enum lw_status st;

    if (reader->status == LW_OK && version != IFOREST_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "iforest: the model is of version %u, but this one reads %u",
                            (unsigned)version, IFOREST_VERSION);
    }
    if (!load_shape(reader, &shape)) {
        return lw_error_set(
            reterr, LW_EFORMAT, "iforest: damaged: %u trees of %u rows of %u values",
            (unsigned)shape.n_trees, (unsigned)shape.n_sample, (unsigned)shape.n_dims);
    }
    st = lw_iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        if (!load_tree(reader, model, tree)) {
            st = lw_error_set(reterr, LW_EFORMAT, "iforest: tree %zu of %u is damaged", tree,
                              (unsigned)model->n_trees);
            lw_iforest_destroy(model);
            return st;
        }
        lw_iforest_finish_tree(model, tree);
    }
    st = lw_iforest_lay_out(model, reterr);
    if (st != LW_OK) {
        lw_iforest_destroy(model);
        return st;
    }
    *ret_model = model;
    return LW_OK;
}
