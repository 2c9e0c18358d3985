/*
 * An isolation forest as bytes.
 *
 * u16 version, u32 values a row, u32 trees, u32 rows a tree; in version 2 u32 columns of a cut at
 * most, 2 or more; then each tree in preorder. A leaf is u16 SAVED_LEAF and u16 rows. A split of
 * version 1, a plain forest, is u16 column, with SAVED_SIGN where -x is compared, and f32
 * threshold. A split of version 2, an extended forest, is u16 columns, f64 threshold, and for each
 * column u16 column, f32 coefficient and f32 centre. All else follows from these.
 */
#include "model/iforest_internal.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>

#define VERSION_PLAIN 1u
#define VERSION_EXTENDED 2u
#define SAVED_LEAF 0xFFFFu
#define SAVED_SIGN 0x8000u
#define SAVED_LEAF_BYTES 4u
#define SAVED_TERM_BYTES 10u

static_assert(LW_MODEL_DIMS_MAX < SAVED_SIGN,
              "a column and its sign must fit into u16 beside the leaf's mark");

static void save_split(struct lw_writer *writer, struct lw_shapley_cut split)
{
    uint32_t sign = (split.column & LW_IFOREST_SIGN) != 0 ? SAVED_SIGN : 0;

    lw_write_u16(writer, (uint16_t)((split.column & ~LW_IFOREST_SIGN) | sign));
    lw_write_f32(writer, split.threshold);
}

static void save_plane(const struct lw_model *model, struct lw_writer *writer, uint32_t index)
{
    struct lw_iforest_plane plane = model->all_planes[index - 1];

    lw_write_u16(writer, (uint16_t)plane.n_terms);
    lw_write_f64(writer, plane.threshold);
    for (size_t i = 0; i < plane.n_terms; i++) {
        struct lw_iforest_term term = model->all_terms[plane.begin + i];

        lw_write_u16(writer, (uint16_t)term.column);
        lw_write_f32(writer, term.coefficient);
        lw_write_f32(writer, term.centre);
    }
}

void lw_iforest_save(const struct lw_model *model, struct lw_writer *writer)
{
    bool is_extended = iforest_is_extended(model), is_split;

    lw_write_u16(writer, is_extended ? VERSION_EXTENDED : VERSION_PLAIN);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_trees);
    lw_write_u32(writer, model->n_sample);
    if (is_extended) {
        lw_write_u32(writer, model->n_terms);
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        for (uint32_t i = 1; i != 0; i = heap_next(i, is_split)) {
            is_split = tree_is_split(model, tree, i);
            if (!is_split) {
                lw_write_u16(writer, SAVED_LEAF);
                lw_write_u16(writer, tree_counts(model, tree)[i]);
            } else if (is_extended) {
                save_plane(model, writer, tree_planes(model, tree)[i]);
            } else {
                save_split(writer, tree_splits(model, tree)[i]);
            }
        }
    }
}

/* What may be wrong with a tree. */
static enum lw_status tree_damaged(size_t tree, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT, "iforest: tree %zu is damaged", tree);
}

/* Reads one split into node i. */
static enum lw_status load_split(struct lw_reader *reader, struct lw_model *model, size_t tree,
                                 uint32_t i, struct lw_error *reterr)
{
    uint16_t saved = lw_read_u16(reader);
    uint32_t column = saved & (SAVED_SIGN - 1);
    float threshold = lw_read_f32(reader);

    if (i >= 1u << model->depth || column >= model->n_dims || !isfinite(threshold)) {
        return tree_damaged(tree, reterr);
    }
    tree_splits(model, tree)[i].threshold = threshold;
    tree_splits(model, tree)[i].column = column | ((saved & SAVED_SIGN) != 0 ? LW_IFOREST_SIGN : 0);
    return LW_OK;
}

/* The same of a plane. */
static enum lw_status load_plane(struct lw_reader *reader, struct lw_model *model, size_t tree,
                                 uint32_t i, struct lw_error *reterr)
{
    uint16_t n_terms = lw_read_u16(reader);
    double threshold = lw_read_f64(reader);
    struct lw_iforest_plane *plane = NULL;
    struct lw_iforest_term *terms = NULL;
    enum lw_status st;

    if (i >= 1u << model->depth || n_terms == 0 || n_terms > model->n_terms ||
        !isfinite(threshold) || lw_reader_left(reader) < n_terms * SAVED_TERM_BYTES) {
        return tree_damaged(tree, reterr);
    }
    st = lw_iforest_add_plane(model, n_terms, &plane, &terms, reterr);
    if (st != LW_OK) {
        return st;
    }
    plane->threshold = threshold;
    tree_planes(model, tree)[i] = (uint32_t)model->n_planes;
    for (size_t k = 0; k < n_terms; k++) {
        terms[k].column = lw_read_u16(reader);
        terms[k].coefficient = lw_read_f32(reader);
        terms[k].centre = lw_read_f32(reader);
        if (terms[k].column >= model->n_dims || !isfinite(terms[k].coefficient) ||
            !isfinite(terms[k].centre)) {
            return tree_damaged(tree, reterr);
        }
    }
    return LW_OK;
}

/* Adds the leaves' counts up to the root; false when they break what struct lw_model promises. */
static bool load_counts(const struct lw_model *model, size_t tree)
{
    uint16_t *counts = tree_counts(model, tree);

    for (uint32_t i = (1u << model->depth) - 1; i > 0; i--) {
        if (!iforest_is_extended(model) && counts[2 * i] > counts[2 * i + 1]) {
            return false;
        }
        counts[i] = (uint16_t)(counts[i] + counts[2 * i] + counts[2 * i + 1]);
    }
    return counts[1] == model->n_sample;
}

/* Reads one tree. Every turn reads a node that the heap has room for, so it ends. */
static enum lw_status load_tree(struct lw_reader *reader, struct lw_model *model, size_t tree,
                                struct lw_error *reterr)
{
    uint32_t left = model->n_sample; /* Rows that leaves may still have: keeps the sums of counts
                                        within u16. */
    enum lw_status st = LW_OK;
    bool is_split;

    for (uint32_t i = 1; st == LW_OK && i != 0; i = heap_next(i, is_split)) {
        struct lw_reader ahead = *reader;

        is_split = lw_read_u16(&ahead) != SAVED_LEAF;
        if (is_split) {
            st = iforest_is_extended(model) ? load_plane(reader, model, tree, i, reterr)
                                            : load_split(reader, model, tree, i, reterr);
        } else {
            uint16_t count = lw_read_u16(&ahead);

            *reader = ahead;
            if (count == 0 || count > left) {
                return tree_damaged(tree, reterr);
            }
            tree_counts(model, tree)[i] = count;
            left -= count;
        }
    }
    if (st == LW_OK && (reader->status != LW_OK || !load_counts(model, tree))) {
        return tree_damaged(tree, reterr);
    }
    return st;
}

static bool load_shape(struct lw_reader *reader, bool is_extended, struct lw_model *ret_shape)
{
    ret_shape->n_dims = lw_read_u32(reader);
    ret_shape->n_trees = lw_read_u32(reader);
    ret_shape->n_sample = lw_read_u32(reader);
    ret_shape->n_terms = is_extended ? lw_read_u32(reader) : 1;
    return reader->status == LW_OK && ret_shape->n_dims >= 1 &&
           ret_shape->n_terms <= ret_shape->n_dims && (!is_extended || ret_shape->n_terms > 1) &&
           ret_shape->n_dims <= LW_MODEL_DIMS_MAX && ret_shape->n_trees >= 1 &&
           ret_shape->n_trees <= LW_IFOREST_TREES_MAX && ret_shape->n_sample >= 2 &&
           ret_shape->n_sample <= LW_IFOREST_SAMPLE_MAX &&
           lw_reader_left(reader) >= (size_t)ret_shape->n_trees * SAVED_LEAF_BYTES;
}

/* Allocates at most 73 MB, once the shape is within the limits of the option table and each tree
 * can have a node, and for each plane that was read twice its size at most. */
enum lw_status lw_iforest_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    enum lw_status st;

    if (reader->status == LW_OK && version != VERSION_PLAIN && version != VERSION_EXTENDED) {
        return lw_error_set(reterr, LW_EVERSION,
                            "iforest: the model is of version %u, but this one reads %u and %u",
                            (unsigned)version, VERSION_PLAIN, VERSION_EXTENDED);
    }
    if (!load_shape(reader, version == VERSION_EXTENDED, &shape)) {
        return lw_error_set(
            reterr, LW_EFORMAT, "iforest: damaged: %u trees of %u rows of %u values",
            (unsigned)shape.n_trees, (unsigned)shape.n_sample, (unsigned)shape.n_dims);
    }
    st = lw_iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        st = load_tree(reader, model, tree, reterr);
        if (st != LW_OK) {
            lw_iforest_destroy(model);
            return st;
        }
        lw_iforest_finish_tree(model, tree);
    }
    lw_iforest_finish(model);
    *ret_model = model;
    return LW_OK;
}
