/*
 * Isolation Forest: rows that few random cuts set apart from the rest are strange.
 *
 * Idea. A tree is grown on a small sample of rows: choose a column in which the rows at hand differ, cut at a place drawn
 * uniformly between their least and greatest value, go on in both parts until a row is alone or ceil(log2(sample)) cuts
 * have been made. h(x), the number of cuts on x's way down plus c(m) where m > 1 rows were left together, is short for
 * outliers. With c(n) = 2 H(n-1) - 2 (n-1) / n, the mean way in a tree of n random keys, and H the harmonic number:
 *
 *     score(x) = 2^(-mean over trees of h(x) / c(sample)), in (0, 1): ordinary rows lie near or below 0.5.
 *
 * Source. Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, and "Isolation-Based Anomaly Detection", ACM TKDD 2012.
 * We depart from it: H is summed, not ln(i) + 0.577; columns in which the rows at hand are all alike are not drawn;
 * infinities count as the greatest float; and rows may have holes, which the paper does not know.
 *
 * Missing values. Each cut has a second side, the one to which more of the rows with a known value fell. NaN goes there,
 * in training as in scoring, so a hole neither isolates a row nor hides what its other values say. One comparison does
 * it: a cut compares x, or -x where the greater values are the fewer, with its threshold; "not less" is the second side,
 * and NaN is never less.
 *
 * Layout. All trees have the same depth and are stored as heaps: the children of node i are 2i and 2i + 1, the root is 1.
 * Below a leaf that comes early the heap is filled up: whatever the cuts there say, every node holds that leaf's value.
 * So a descent is `depth` equal steps without a branch that depends on data. Eight descents are walked side by side,
 * eight rows of one tree in a batch, eight trees of one row else, which hides the latency of the loads; the sums run
 * over the trees in their order either way, so both give the same bits, and no step rounds, so every machine does too.
 * A block of rows goes through one tree after another: tree (4 KiB at a sample of 256) and rows stay in the first cache.
 * Gathers of AVX-512 were measured and are not faster: see docs/models/iforest.md.
 *
 * Cost. Fit O(trees sample log(sample)) and 4 bytes a row of scratch; score O(trees log(sample)) a row; memory 20 bytes
 * times trees times sample rounded up to a power of two: 512 KB for 100 trees of 256.
 */
#include "model/iforest.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define IFOREST_VERSION 1u
#define IFOREST_TREES_MAX 1000u
#define IFOREST_SAMPLE_MAX 4096u

#define LANES 8u         /* Descents walked side by side. */
#define BLOCK_ROWS 128u  /* Rows that go through one tree together. */
#define SIGN_BIT 0x80000000u
#define COLUMN_MASK 0x7FFFFFFFu

/* In saved bytes: a leaf's mark, and the bit that says that -x is compared. */
#define SAVED_LEAF 0xFFFFu
#define SAVED_SIGN 0x8000u
#define SAVED_LEAF_BYTES 4u

static_assert(LW_MODEL_DIMS_MAX < SAVED_SIGN, "a column and its sign must fit into u16 beside the leaf's mark");

struct iforest_options {
    int64_t trees;
    int64_t sample;
};

static const struct lw_option iforest_option_table[] = {
    {.name = "trees",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct iforest_options, trees),
     .fallback = "100",
     .min = 1,
     .max = IFOREST_TREES_MAX,
     .unit = "",
     .help = "Trees in the forest: more give steadier scores, at a cost in proportion."},
    {.name = "sample",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct iforest_options, sample),
     .fallback = "256",
     .min = 2,
     .max = IFOREST_SAMPLE_MAX,
     .unit = "rows",
     .help = "Rows drawn for each tree, without repeats; fewer where fewer are there."},
};

/* One cut. x, its sign turned where SIGN_BIT says so, goes to the first side below the threshold, else to the second. */
struct split {
    float threshold;
    uint32_t column; /* With SIGN_BIT. */
};

/*
 * A fitted forest, immutable, in one block of memory. For each tree, by heap index with index 0 unused: a node has rows
 * (counts > 0) or lies below a leaf; a node with rows is a split exactly when its children have rows; counts of children
 * add up to their parent's, and the second child's is never the smaller.
 */
struct lw_model {
    uint32_t n_dims;
    uint32_t n_trees;
    uint32_t n_sample; /* Rows a tree was grown on: at least 2. */
    uint32_t depth;
    double unit;          /* n_trees c(n_sample). */
    struct split *splits; /* [n_trees][1 << depth] */
    float *expected;      /* [n_trees][2 << depth]: mean h of the training rows that reach the node. */
    uint16_t *counts;     /* [n_trees][2 << depth]: training rows that reach the node. */
};

/* c(n): the mean number of cuts that set one of n rows apart; 0 for one row. */
static double path_mean(uint32_t n)
{
    double harmonic = 0.0;

    for (uint32_t i = 1; i < n; i++) {
        harmonic += 1.0 / i;
    }
    return n < 2 ? 0.0 : 2.0 * harmonic - 2.0 * (n - 1) / n;
}

/* The node after i in preorder, 0 after the last: down to the first child of a split, else to the next open sibling. */
static uint32_t heap_next(uint32_t i, bool is_split)
{
    if (is_split) {
        return 2 * i;
    }
    while ((i & 1) != 0) {
        i >>= 1;
    }
    return i == 0 ? 0 : i + 1;
}

static uint32_t heap_depth(uint32_t i)
{
    return 31u - (uint32_t)__builtin_clz(i);
}

/* 1 when the row goes to the second side. */
static inline __attribute__((always_inline)) uint32_t split_second(struct split split, const float *row)
{
    uint32_t bits;
    float x;

    memcpy(&bits, row + (split.column & COLUMN_MASK), sizeof(bits));
    bits ^= split.column & SIGN_BIT;
    memcpy(&x, &bits, sizeof(x));
    return !(x < split.threshold);
}

static struct split *tree_splits(const struct lw_model *model, size_t tree)
{
    return model->splits + (tree << model->depth);
}

static float *tree_expected(const struct lw_model *model, size_t tree)
{
    return model->expected + (tree << (model->depth + 1));
}

static uint16_t *tree_counts(const struct lw_model *model, size_t tree)
{
    return model->counts + (tree << (model->depth + 1));
}

static bool tree_is_split(const struct lw_model *model, size_t tree, uint32_t i)
{
    return i < 1u << model->depth && tree_counts(model, tree)[2 * i] > 0;
}

/* Computes the expected ways from splits and counts, and fills what lies below early leaves with the leaf's. */
static void tree_finish(struct lw_model *model, size_t tree)
{
    const uint16_t *counts = tree_counts(model, tree);
    float *expected = tree_expected(model, tree);
    uint32_t n_nodes = 2u << model->depth;

    for (uint32_t i = n_nodes - 1; i > 0; i--) {
        if (tree_is_split(model, tree, i)) {
            expected[i] = (float)((counts[2 * i] * (double)expected[2 * i] +
                                   counts[2 * i + 1] * (double)expected[2 * i + 1]) /
                                  counts[i]);
        } else if (counts[i] > 0) {
            expected[i] = (float)(heap_depth(i) + path_mean(counts[i]));
        }
    }
    for (uint32_t i = 2; i < n_nodes; i++) {
        if (counts[i] == 0) {
            expected[i] = expected[i / 2];
        }
    }
}

static size_t iforest_bytes(const struct lw_model *model)
{
    size_t n_nodes = (size_t)model->n_trees << model->depth;

    return sizeof(*model) + n_nodes * (sizeof(struct split) + 2 * sizeof(float) + 2 * sizeof(uint16_t));
}

/* A forest of cleared trees; its shape is within the limits. */
static enum lw_status iforest_create(const struct lw_model *shape, struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model head = *shape, *model;
    size_t n_nodes;

    head.depth = 32u - (uint32_t)__builtin_clz(head.n_sample - 1); /* ceil(log2(n_sample)) */
    head.unit = head.n_trees * path_mean(head.n_sample);
    model = lw_mem_calloc(1, iforest_bytes(&head));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "iforest: no memory for %zu bytes", iforest_bytes(&head));
    }
    n_nodes = (size_t)head.n_trees << head.depth;
    *model = head;
    model->splits = (struct split *)(model + 1);
    model->expected = (float *)(model->splits + n_nodes);
    model->counts = (uint16_t *)(model->expected + 2 * n_nodes);
    *ret_model = model;
    return LW_OK;
}

static void iforest_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t iforest_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

/* Scratch of a fit. By heap index: where a node's rows begin in `order`, and how many columns may still differ there. */
struct growth {
    const float *rows;
    size_t n_rows;
    size_t n_dims;
    struct lw_rng *rng;
    uint32_t *order;    /* [n_rows]: a permutation; its first n_sample are the tree's. */
    uint16_t *columns;  /* [n_dims]: a permutation; a node's first n_active are worth drawing. */
    uint16_t *begin;    /* [2 << depth] */
    uint16_t *n_active; /* [2 << depth] */
};

/* Least and greatest value of a column over some rows, infinities clamped; least > greatest when all are missing. */
static void growth_range(const struct growth *growth, const uint32_t *order, size_t n, size_t column, float *ret_range)
{
    ret_range[0] = FLT_MAX;
    ret_range[1] = -FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        float x = growth->rows[order[i] * growth->n_dims + column];

        ret_range[0] = x < ret_range[0] ? x : ret_range[0];
        ret_range[1] = x > ret_range[1] ? x : ret_range[1];
    }
    ret_range[0] = ret_range[0] < -FLT_MAX ? -FLT_MAX : ret_range[0];
    ret_range[1] = ret_range[1] > FLT_MAX ? FLT_MAX : ret_range[1];
}

/* A cut of the column within the range, its second side the one to which more rows with a known value fall. */
static struct split growth_cut(struct growth *growth, const uint32_t *order, size_t n, size_t column, const float *range)
{
    double width = (double)range[1] - (double)range[0];
    float at = (float)((double)range[0] + lw_rng_double(growth->rng) * width);
    size_t n_below = 0, n_above = 0;
    struct split split;

    at = at > range[0] ? at : range[1]; /* Both sides get a row: least < at <= greatest. */
    for (size_t i = 0; i < n; i++) {
        float x = growth->rows[order[i] * growth->n_dims + column];

        n_below += x < at;
        n_above += x >= at;
    }
    split.column = (uint32_t)column;
    split.threshold = at;
    if (n_below > n_above) {
        /* x >= at is x > the float before at is -x < minus that float. */
        split.column |= SIGN_BIT;
        split.threshold = -nextafterf(at, -INFINITY);
    }
    return split;
}

/* Moves the rows of the first side to the front; returns how many they are. */
static size_t growth_part(const struct growth *growth, uint32_t *order, size_t n, struct split split)
{
    size_t n_first = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t row = order[i];

        if (split_second(split, growth->rows + row * growth->n_dims) == 0) {
            order[i] = order[n_first];
            order[n_first++] = row;
        }
    }
    return n_first;
}

/* Splits node i in two unless its rows are alike; true when it did. */
static bool growth_split(struct growth *growth, struct split *splits, uint16_t *counts, uint32_t i)
{
    uint32_t *order = growth->order + growth->begin[i];
    size_t n = counts[i], n_active = growth->n_active[i], n_first, column = 0;
    float range[2] = {0.0f, 0.0f};

    while (n > 1 && n_active > 0) {
        size_t draw = (size_t)lw_rng_below(growth->rng, n_active);

        column = growth->columns[draw];
        growth_range(growth, order, n, column, range);
        if (range[0] < range[1]) {
            break;
        }
        n_active--; /* Alike here, and so in all below. */
        growth->columns[draw] = growth->columns[n_active];
        growth->columns[n_active] = (uint16_t)column;
    }
    if (!(range[0] < range[1])) {
        return false;
    }
    splits[i] = growth_cut(growth, order, n, column, range);
    n_first = growth_part(growth, order, n, splits[i]);
    counts[2 * i] = (uint16_t)n_first;
    counts[2 * i + 1] = (uint16_t)(n - n_first);
    growth->begin[2 * i] = growth->begin[i];
    growth->begin[2 * i + 1] = (uint16_t)(growth->begin[i] + n_first);
    growth->n_active[2 * i] = (uint16_t)n_active;
    growth->n_active[2 * i + 1] = (uint16_t)n_active;
    return true;
}

static void growth_tree(struct growth *growth, struct lw_model *model, size_t tree)
{
    uint16_t *counts = tree_counts(model, tree);
    bool is_split;

    for (size_t i = 0; i < model->n_sample; i++) {
        size_t draw = i + (size_t)lw_rng_below(growth->rng, growth->n_rows - i);
        uint32_t row = growth->order[draw];

        growth->order[draw] = growth->order[i];
        growth->order[i] = row;
    }
    counts[1] = (uint16_t)model->n_sample;
    growth->begin[1] = 0;
    growth->n_active[1] = (uint16_t)growth->n_dims;
    for (uint32_t i = 1; i != 0; i = heap_next(i, is_split)) {
        is_split = i < 1u << model->depth && growth_split(growth, tree_splits(model, tree), counts, i);
    }
    tree_finish(model, tree);
}

static enum lw_status iforest_fit(const void *options, const float *rows, size_t n_rows, size_t n_dims,
                                  struct lw_rng *rng, struct lw_model **ret_model, struct lw_error *reterr)
{
    const struct iforest_options *chosen = options;
    struct growth growth = {.rows = rows, .n_rows = n_rows, .n_dims = n_dims, .rng = rng};
    struct lw_model shape = {0}, *model = NULL;
    size_t n_nodes;
    enum lw_status st = lw_model_check_fit(&lw_model_iforest, options, n_rows, n_dims, reterr);

    if (st != LW_OK) {
        return st;
    }
    shape.n_dims = (uint32_t)n_dims;
    shape.n_trees = (uint32_t)chosen->trees;
    shape.n_sample = n_rows < (size_t)chosen->sample ? (uint32_t)n_rows : (uint32_t)chosen->sample;
    st = iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    n_nodes = (size_t)2 << model->depth;
    growth.order = lw_mem_calloc(n_rows, sizeof(*growth.order));
    growth.columns = lw_mem_calloc(n_dims + 2 * n_nodes, sizeof(*growth.columns));
    if (growth.order == NULL || growth.columns == NULL) {
        st = lw_error_set(reterr, LW_ENOMEM, "iforest: no memory to learn from %zu rows", n_rows);
        goto done;
    }
    growth.begin = growth.columns + n_dims;
    growth.n_active = growth.begin + n_nodes;
    for (size_t i = 0; i < n_rows; i++) {
        growth.order[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < n_dims; i++) {
        growth.columns[i] = (uint16_t)i;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        growth_tree(&growth, model, tree);
    }
    *ret_model = model;
    model = NULL;
done:
    lw_mem_free(growth.columns);
    lw_mem_free(growth.order);
    iforest_destroy(model);
    return st;
}

/* Walks LANES descents: lane k takes the tree at k tree_stride and the row at k row_stride; either stride is 0. */
static inline __attribute__((always_inline)) void lanes_walk(const struct split *splits, size_t tree_stride,
                                                             const float *rows, size_t row_stride, uint32_t depth,
                                                             uint32_t *ret_at)
{
    uint32_t at[LANES];

#pragma GCC unroll 8
    for (size_t lane = 0; lane < LANES; lane++) {
        at[lane] = 1;
    }
    for (uint32_t step = 0; step < depth; step++) {
#pragma GCC unroll 8
        for (size_t lane = 0; lane < LANES; lane++) {
            at[lane] = 2 * at[lane] +
                       split_second(splits[lane * tree_stride + at[lane]], rows + lane * row_stride);
        }
    }
#pragma GCC unroll 8
    for (size_t lane = 0; lane < LANES; lane++) {
        ret_at[lane] = at[lane];
    }
}

/* Adds every tree's h to the sums of n_rows rows, a multiple of LANES. */
static void iforest_add_rows(const struct lw_model *model, const float *rows, size_t n_rows, float *sums)
{
    uint32_t at[LANES];

    for (size_t tree = 0; tree < model->n_trees; tree++) {
        const struct split *splits = tree_splits(model, tree);
        const float *expected = tree_expected(model, tree);

        for (size_t i = 0; i < n_rows; i += LANES) {
            lanes_walk(splits, 0, rows + i * model->n_dims, model->n_dims, model->depth, at);
            for (size_t lane = 0; lane < LANES; lane++) {
                sums[i + lane] += expected[at[lane]];
            }
        }
    }
}

/* The same for one row: eight trees at a time, added in the trees' order. */
static float iforest_sum_row(const struct lw_model *model, const float *row)
{
    uint32_t at[LANES];
    float sum = 0.0f;
    size_t tree = 0;

    for (; tree + LANES <= model->n_trees; tree += LANES) {
        lanes_walk(tree_splits(model, tree), (size_t)1 << model->depth, row, 0, model->depth, at);
        for (size_t lane = 0; lane < LANES; lane++) {
            sum += tree_expected(model, tree + lane)[at[lane]];
        }
    }
    for (; tree < model->n_trees; tree++) {
        uint32_t i = 1;

        while (i < 1u << model->depth) {
            i = 2 * i + split_second(tree_splits(model, tree)[i], row);
        }
        sum += tree_expected(model, tree)[i];
    }
    return sum;
}

static void iforest_score(const struct lw_model *model, const float *rows, size_t n_rows, float *ret_distances)
{
    size_t n, n_wide;

    for (size_t begin = 0; begin < n_rows; begin += n) {
        const float *block = rows + begin * model->n_dims;
        float *sums = ret_distances + begin;

        n = n_rows - begin < BLOCK_ROWS ? n_rows - begin : BLOCK_ROWS;
        n_wide = n - n % LANES;
        memset(sums, 0, n_wide * sizeof(*sums));
        iforest_add_rows(model, block, n_wide, sums);
        for (size_t i = n_wide; i < n; i++) {
            sums[i] = iforest_sum_row(model, block + i * model->n_dims);
        }
        for (size_t i = 0; i < n; i++) {
            bool is_missing = lw_model_row_is_missing(block + i * model->n_dims, model->n_dims);

            sums[i] = is_missing ? NAN : (float)lw_exp2(-(double)sums[i] / model->unit);
        }
    }
}

/*
 * The row's way down each tree, told by column: a cut that leads to a part where rows are, in the mean, isolated sooner
 * than in the whole adds the difference to its column. Before clipping, the shares of a row add up to what the forest
 * expects of any row, less what it finds: (mean h at the roots - mean h of the row) / c(sample). What is negative, columns
 * that speak for the row, becomes 0. After Saabas, "Interpreting random forests", 2014, there for predictions.
 */
static void iforest_attribute(const struct lw_model *model, const float *row, float *ret_shares)
{
    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        const struct split *splits = tree_splits(model, tree);
        const float *expected = tree_expected(model, tree);

        for (uint32_t i = 1, next; i < 1u << model->depth; i = next) {
            next = 2 * i + split_second(splits[i], row);
            ret_shares[splits[i].column & COLUMN_MASK] += expected[i] - expected[next];
        }
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = ret_shares[i] > 0.0f ? (float)(ret_shares[i] / model->unit) : 0.0f;
    }
}

/* u16 version, u32 values a row, u32 trees, u32 rows a tree; then each tree in preorder: a split is u16 column (SAVED_SIGN
 * where -x is compared) and f32 threshold, a leaf u16 SAVED_LEAF and u16 rows. All else follows from these. */
static void iforest_save(const struct lw_model *model, struct lw_writer *writer)
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
                struct split split = tree_splits(model, tree)[i];
                uint32_t sign = (split.column & SIGN_BIT) != 0 ? SAVED_SIGN : 0;

                lw_write_u16(writer, (uint16_t)((split.column & COLUMN_MASK) | sign));
                lw_write_f32(writer, split.threshold);
            } else {
                lw_write_u16(writer, SAVED_LEAF);
                lw_write_u16(writer, tree_counts(model, tree)[i]);
            }
        }
    }
}

/* Reads one split into node i; false when it is damaged. */
static bool load_split(struct lw_reader *reader, struct lw_model *model, size_t tree, uint32_t i, uint16_t saved)
{
    uint32_t column = saved & (SAVED_SIGN - 1);
    float threshold = lw_read_f32(reader);

    if (i >= 1u << model->depth || column >= model->n_dims || !isfinite(threshold)) {
        return false;
    }
    tree_splits(model, tree)[i].threshold = threshold;
    tree_splits(model, tree)[i].column = column | ((saved & SAVED_SIGN) != 0 ? SIGN_BIT : 0);
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

/* Reads one tree; false when it is damaged. Every turn reads a node that the heap has room for, so it ends. */
static bool load_tree(struct lw_reader *reader, struct lw_model *model, size_t tree)
{
    uint32_t left = model->n_sample; /* Rows that leaves may still have: keeps the sums of counts within u16. */
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
    return reader->status == LW_OK && ret_shape->n_dims >= 1 && ret_shape->n_dims <= LW_MODEL_DIMS_MAX &&
           ret_shape->n_trees >= 1 && ret_shape->n_trees <= IFOREST_TREES_MAX && ret_shape->n_sample >= 2 &&
           ret_shape->n_sample <= IFOREST_SAMPLE_MAX &&
           lw_reader_left(reader) >= (size_t)ret_shape->n_trees * SAVED_LEAF_BYTES;
}

/* Allocates at most 82 MB, once the shape is within the limits of the option table and each tree can have a node. */
static enum lw_status iforest_load(struct lw_reader *reader, struct lw_model **ret_model, struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    enum lw_status st;

    if (reader->status == LW_OK && version != IFOREST_VERSION) {
        return lw_error_set(reterr, LW_EVERSION, "iforest: the model is of version %u, but this one reads %u",
                            (unsigned)version, IFOREST_VERSION);
    }
    if (!load_shape(reader, &shape)) {
        return lw_error_set(reterr, LW_EFORMAT, "iforest: damaged: %u trees of %u rows of %u values",
                            (unsigned)shape.n_trees, (unsigned)shape.n_sample, (unsigned)shape.n_dims);
    }
    st = iforest_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        if (!load_tree(reader, model, tree)) {
            st = lw_error_set(reterr, LW_EFORMAT, "iforest: tree %zu of %u is damaged", tree,
                              (unsigned)model->n_trees);
            iforest_destroy(model);
            return st;
        }
        tree_finish(model, tree);
    }
    *ret_model = model;
    return LW_OK;
}

const struct lw_model_class lw_model_iforest = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "iforest",
    .title = "Isolation Forest",
    .formula = "2^(-mean over trees of h(x) / c(sample)), h(x) the cuts that isolate x in a tree",
    .source = "Liu, Ting and Zhou, \"Isolation Forest\", ICDM 2008",
    .view = LW_VIEW_VALUES,
    .options = iforest_option_table,
    .n_options = sizeof(iforest_option_table) / sizeof(iforest_option_table[0]),
    .options_bytes = sizeof(struct iforest_options),
    .fit = iforest_fit,
    .score = iforest_score,
    .attribute = iforest_attribute,
    .update = NULL,
    .save = iforest_save,
    .load = iforest_load,
    .n_dims = iforest_n_dims,
    .bytes = iforest_bytes,
    .destroy = iforest_destroy,
};
