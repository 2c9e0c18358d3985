/*
 * Random Cut Forest: rows that a random cut would part from the rest soon are strange, judged by
 * trees that learn and forget as rows stream in.
 *
 * Idea. A random cut tree cuts the box around its rows at a column drawn in proportion to the box's
 * widths and a place drawn uniformly, until every row is alone. Wide columns are cut more often
 * than narrow ones: unlike in an isolation forest, scales matter. Such a tree can take a row in,
 * and give one back, and is then distributed as if grown anew (model/rcf_tree.c). Each tree keeps a
 * sample of its own, drawn so that a row's chance fades by e^(-decay) with every later row.
 *
 * Score. Were x put into a tree, it would be parted from the box of a node at depth d with chance
 * p = reach / (reach + range), reach being how far x is outside the box and range the sum of the
 * box's widths, each added over the columns. So where x would come to lie is known without drawing
 * anything, and the score is the mean over that and over all trees of
 *
 *     log2(sample + 1) / (d + 1)                                  x parted at depth d
 *     log2(sample + 1) (1 - m / 2 sample) / (d + log2(m + 1))     x is among m rows at depth d
 *
 * about 1 or below for ordinary rows, log2(sample + 1) for one beyond all others. Every column gets
 * of each parting its part of the reach: these are the shares.
 *
 * Source. Guha, Mishra, Roy and Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on
 * Streams", ICML 2016: trees, insertion, deletion. Efraimidis and Spirakis, "Weighted random
 * sampling with a reservoir", 2006: the sample that fades. The score by expected depth is that of
 * the random cut forest library of Amazon, not the paper's displacement. We depart from both:
 * missing values have a rule.
 *
 * Missing values. In a row to score a missing value is inside every box, so it never parts, and at
 * a cut of its column the row goes to the heavier side. In a row to learn it is replaced by the
 * mean that the column had in the fit; a row of which nothing is known is not learnt from.
 *
 * Cost. A box that holds the row lies within no box that does not, so only the lowest few boxes of
 * its way, about 1.5 log2(sample) long, are compared with it, each O(columns); to learn, the same
 * in those trees whose sample takes it. Memory: 12 bytes times columns, rounded up to a multiple of
 * 8, times trees times sample: 6 MB for 50 trees of 256 on 38 columns.
 */
#include "model/rcf.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "model/rcf_internal.h"

#include <math.h>
#include <string.h>

static const struct lw_option rcf_option_table[] = {
    {.name = "trees",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_rcf_options, trees),
     .fallback = "50",
     .min = 1,
     .max = LW_RCF_TREES_MAX,
     .unit = "",
     .help = "Trees in the forest: more give steadier scores, at a cost in proportion."},
    {.name = "sample",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_rcf_options, sample),
     .fallback = "256",
     .min = 2,
     .max = LW_RCF_SAMPLE_MAX,
     .unit = "rows",
     .help = "Rows that each tree holds; fewer where the fit has fewer."},
    {.name = "decay",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lw_rcf_options, decay),
     .fallback = "0.0004",
     .min = 0,
     .max = 1,
     .unit = "1/row",
     .help =
         "How fast rows are forgotten: with each later row a row's chance to be in a tree falls "
         "by this share; 0: never."},
};

/* Rows older than this many times 1 / decay have no chance worth drawing: e^-40. */
#define RCF_AGES 40.0
#define RCF_BOUND_ROWS 256u /* How long a bound of sample_refuses stays. */

static size_t rcf_forest_bytes(const struct lw_model *shape, size_t *ret_tree_bytes)
{
    size_t n = shape->n_sample;

    *ret_tree_bytes = n * (sizeof(struct lw_rcf_entry) + sizeof(struct lw_rcf_cut) +
                           sizeof(struct lw_rcf_leaf) + 2 * sizeof(uint16_t) +
                           3 * sizeof(float) * shape->n_padded);
    *ret_tree_bytes = (*ret_tree_bytes + 7) / 8 * 8;
    return sizeof(*shape) + (n + 1) * sizeof(double) + shape->n_padded * sizeof(float) +
           shape->n_trees * (sizeof(struct lw_rcf_tree) + *ret_tree_bytes);
}

/* Hands the tree its part of the block. */
static void tree_init(const struct lw_model *model, struct lw_rcf_tree *tree, char *bytes)
{
    uint16_t n = (uint16_t)model->n_sample;

    tree->sample = (struct lw_rcf_entry *)bytes;
    tree->boxes = (float *)(tree->sample + n);
    tree->rows = tree->boxes + 2 * (size_t)n * model->n_padded;
    tree->cuts = (struct lw_rcf_cut *)(tree->rows + (size_t)n * model->n_padded);
    tree->leaves = (struct lw_rcf_leaf *)(tree->cuts + n);
    tree->free_cuts = (uint16_t *)(tree->leaves + n);
    tree->free_leaves = tree->free_cuts + n;
    tree->n_free_cuts = n;
    tree->n_free_leaves = n;
    tree->root = LW_RCF_NONE;
    for (uint16_t i = 0; i < n; i++) {
        tree->free_cuts[i] = (uint16_t)(n - 1 - i);
        tree->free_leaves[i] = (uint16_t)(n - 1 - i);
    }
}

enum lw_status lw_rcf_create(const struct lw_model *shape, struct lw_model **ret_model,
                             struct lw_error *reterr)
{
    struct lw_model head = {.n_dims = shape->n_dims,
                            .n_padded = (shape->n_dims + 7) / 8 * 8,
                            .n_trees = shape->n_trees,
                            .n_sample = shape->n_sample,
                            .decay = shape->decay};
    struct lw_model *model;
    size_t tree_bytes;
    char *bytes;

    head.n_bytes = rcf_forest_bytes(&head, &tree_bytes);
    if (head.n_bytes > LW_RCF_BYTES_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "rcf: %u trees of %u rows of %u values take %zu bytes, more than %zu",
                            (unsigned)head.n_trees, (unsigned)head.n_sample, (unsigned)head.n_dims,
                            head.n_bytes, LW_RCF_BYTES_MAX);
    }
    model = lw_mem_calloc(1, head.n_bytes);
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "rcf: no memory for %zu bytes", head.n_bytes);
    }
    *model = head;
    model->log2 = (double *)(model + 1);
    model->trees = (struct lw_rcf_tree *)(model->log2 + model->n_sample + 1);
    model->centre = (float *)(model->trees + model->n_trees);
    bytes = (char *)(model->centre + model->n_padded);
    for (size_t i = 0; i <= model->n_sample; i++) {
        model->log2[i] = lw_log(1.0 + (double)i) / lw_log(2.0);
    }
    for (size_t i = 0; i < model->n_trees; i++) {
        tree_init(model, model->trees + i, bytes + i * tree_bytes);
    }
    *ret_model = model;
    return LW_OK;
}

void lw_rcf_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static size_t rcf_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t rcf_bytes(const struct lw_model *model)
{
    return model->n_bytes;
}

static float value_clamp(float x)
{
    return x > LW_RCF_VALUE_MAX ? LW_RCF_VALUE_MAX : x < -LW_RCF_VALUE_MAX ? -LW_RCF_VALUE_MAX : x;
}

/* The row as the boxes have it: within bounds and padded. */
static void row_pad(const struct lw_model *model, const float *row, float *ret_row)
{
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_row[i] = value_clamp(row[i]);
    }
    for (size_t i = model->n_dims; i < model->n_padded; i++) {
        ret_row[i] = 0.0f;
    }
}

/* The same, its holes filled. */
static void row_fill(const struct lw_model *model, const float *row, float *ret_row)
{
    row_pad(model, row, ret_row);
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_row[i] = isnan(ret_row[i]) ? model->centre[i] : ret_row[i];
    }
}

static void rcf_centre(struct lw_model *model, const struct lw_model_rows *rows)
{
    for (size_t column = 0; column < rows->n_dims; column++) {
        double sum = 0.0;
        size_t n = 0;

        for (size_t i = 0; i < rows->n_rows; i++) {
            float x = value_clamp(rows->values[i * rows->n_dims + column]);

            if (!isnan(x)) {
                sum += (double)x;
                n++;
            }
        }
        model->centre[column] = n > 0 ? (float)(sum / (double)n) : 0.0f;
    }
}

/* A uniform number inside (0, 1). */
static double sample_draw(struct lw_rng *rng)
{
    return lw_rng_double(rng) + 0x1p-54;
}

/* The key of a row to a sample: log(-log(u)) of a uniform u, less by decay for each row before it.
 * The smallest keys are as a draw without repeats by weights e^(decay age). */
static double sample_key(double u, double decay, uint64_t n_before)
{
    return lw_log(-lw_log(u)) - decay * (double)n_before;
}

/*
 * Whether the key of u is surely not below the greatest of a full sample, found without a logarithm
 * for most: as -log(u) >= 1 - u, the key is at least log(1 - u) - decay n. Up to the row
 * refuses_until the bound for 1 - u stays, a bit too great; what it lets pass is looked at exactly.
 */
static bool sample_refuses(const struct lw_model *model, struct lw_rcf_tree *tree, double u)
{
    if (model->n_seen >= tree->refuses_until) {
        double top = tree->sample[0].key, rounding = 1e-9 + 1e-12 * fabs(top);

        tree->refuses_until = model->n_seen + RCF_BOUND_ROWS;
        tree->refuses = lw_exp(top + model->decay * (double)tree->refuses_until + rounding);
    }
    return 1.0 - u >= tree->refuses;
}

/* Draws a tree's sample from the rows and grows the tree of it. */
static void tree_fit(struct lw_model *model, struct lw_rcf_tree *tree,
                     const struct lw_model_rows *rows, size_t begin, struct lw_rng *rng)
{
    LW_UNINITIALIZED float row[LW_MODEL_DIMS_MAX];
    size_t n = 0;

    for (size_t i = begin; i < rows->n_rows; i++) {
        struct lw_rcf_entry entry = {sample_key(sample_draw(rng), model->decay, i), (uint32_t)i};

        if (n < model->n_sample) {
            lw_rcf_sample_push(tree->sample, n++, entry);
        } else if (entry.key < tree->sample[0].key) {
            lw_rcf_sample_replace(tree->sample, n, entry);
        }
    }
    for (size_t i = 0; i < n; i++) {
        row_fill(model, rows->values + tree->sample[i].leaf * rows->n_dims, row);
        tree->sample[i].leaf = lw_rcf_insert(model, tree, row, rng);
    }
}

static enum lw_status rcf_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    const struct lw_rcf_options *chosen = options;
    enum lw_status st = lw_model_check_fit(&lw_model_rcf, options, rows, reterr);
    struct lw_model shape = {0}, *model;
    size_t begin = 0;

    if (st != LW_OK) {
        return st;
    }
    shape.n_dims = (uint32_t)rows->n_dims;
    shape.n_trees = (uint32_t)chosen->trees;
    shape.n_sample = (uint32_t)chosen->sample;
    shape.decay = chosen->decay;
    if (rows->n_rows < shape.n_sample) {
        shape.n_sample = (uint32_t)rows->n_rows;
    }
    st = lw_rcf_create(&shape, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (shape.decay * (double)rows->n_rows > RCF_AGES + shape.decay * shape.n_sample) {
        begin = rows->n_rows - shape.n_sample - (size_t)(RCF_AGES / shape.decay);
    }
    rcf_centre(model, rows);
    for (size_t i = 0; i < model->n_trees; i++) {
        tree_fit(model, model->trees + i, rows, begin, rng);
    }
    model->n_seen = rows->n_rows;
    *ret_model = model;
    return LW_OK;
}

static enum lw_status rcf_update(struct lw_model *model, const float *row, struct lw_rng *rng,
                                 struct lw_error *reterr)
{
    LW_UNINITIALIZED float filled[LW_MODEL_DIMS_MAX];

    (void)reterr;
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return LW_OK;
    }
    row_fill(model, row, filled);
    for (size_t i = 0; i < model->n_trees; i++) {
        struct lw_rcf_tree *tree = model->trees + i;
        struct lw_rcf_entry entry = {0};
        double u = sample_draw(rng);

        if (sample_refuses(model, tree, u)) {
            continue;
        }
        entry.key = sample_key(u, model->decay, model->n_seen);
        if (entry.key < tree->sample[0].key) {
            tree->refuses_until = 0;
            lw_rcf_forget(model, tree, tree->sample[0].leaf);
            entry.leaf = lw_rcf_insert(model, tree, filled, rng);
            lw_rcf_sample_replace(tree->sample, model->n_sample, entry);
        }
    }
    model->n_seen++;
    return LW_OK;
}

/* What a tree says of a padded row, before it is scaled. */
static double tree_score(const struct lw_model *model, const struct lw_rcf_tree *tree,
                         const struct lw_rcf_way *way)
{
    double mass = (double)rcf_mass(tree, way->leaf), score;

    score = (1.0 - mass / (2.0 * model->n_sample)) /
            (way->depth + model->log2[rcf_mass(tree, way->leaf)]);
    for (uint32_t k = 0; k < way->n; k++) {
        double reach = (double)way->reaches[k];
        double chance = reach / (reach + rcf_range(tree, way->ids[k]));

        score += chance * (1.0 / (way->depth - k + 1.0) - score);
    }
    return score;
}

/* Adds to each column its part of the score: of each parting, that of the reach. */
static void tree_share(const struct lw_model *model, const struct lw_rcf_tree *tree,
                       const struct lw_rcf_way *way, const float *row, double *shares)
{
    double left = 1.0; /* The chance that x was not parted further up. */

    for (uint32_t k = way->n; k-- > 0;) {
        const float *least = rcf_least(model, tree, way->ids[k]);
        const float *greatest = rcf_greatest(model, tree, way->ids[k]);
        double reach = (double)way->reaches[k];
        double gain = left / (reach + rcf_range(tree, way->ids[k])) / (way->depth - k + 1.0);

        left *= 1.0 - reach / (reach + rcf_range(tree, way->ids[k]));
        for (size_t i = 0; i < model->n_dims; i++) {
            float below = least[i] - row[i], above = row[i] - greatest[i];

            shares[i] += below > 0.0f ? gain * (double)below : 0.0;
            shares[i] += above > 0.0f ? gain * (double)above : 0.0;
        }
    }
}

static void rcf_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                      float *ret_distances)
{
    LW_UNINITIALIZED float padded[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED struct lw_rcf_way way;
    LW_UNINITIALIZED uint32_t leaves[LW_RCF_TREES_MAX], depths[LW_RCF_TREES_MAX];

    (void)state;
    for (size_t i = 0; i < n_rows; i++) {
        const float *row = rows + i * model->n_dims;
        double sum = 0.0;

        row_pad(model, row, padded);
        lw_rcf_descend_all(model, padded, leaves, depths);
        for (size_t tree = 0; tree < model->n_trees; tree++) {
            way.leaf = leaves[tree];
            way.depth = depths[tree];
            lw_rcf_climb(model, model->trees + tree, padded, &way);
            sum += tree_score(model, model->trees + tree, &way);
        }
        ret_distances[i] = lw_model_row_is_missing(row, model->n_dims)
                               ? NAN
                               : (float)(sum * model->log2[model->n_sample] / model->n_trees);
    }
}

static void rcf_attribute(const struct lw_model *model, const float *state, const float *row,
                          float *ret_shares)
{
    LW_UNINITIALIZED float padded[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED double shares[LW_MODEL_DIMS_MAX];
    LW_UNINITIALIZED struct lw_rcf_way way;

    (void)state;
    row_pad(model, row, padded);
    memset(shares, 0, model->n_dims * sizeof(*shares));
    for (size_t tree = 0; tree < model->n_trees; tree++) {
        way.leaf = lw_rcf_descend(model, model->trees + tree, padded, &way.depth);
        lw_rcf_climb(model, model->trees + tree, padded, &way);
        tree_share(model, model->trees + tree, &way, padded, shares);
    }
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = (float)(shares[i] * model->log2[model->n_sample] / model->n_trees);
    }
}

const struct lw_model_class lw_model_rcf = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "rcf",
    .title = "Random Cut Forest",
    .formula =
        "log2(sample + 1) times the mean over trees of E[1 / (d + 1)], d the depth at which a "
        "random cut parts x from the rest",
    .source =
        "Guha, Mishra, Roy and Schrijvers, \"Robust Random Cut Forest Based Anomaly Detection "
        "on Streams\", ICML 2016",
    .view = LW_VIEW_RESIDUAL,
    .unit = 0.6,
    .options = rcf_option_table,
    .n_options = sizeof(rcf_option_table) / sizeof(rcf_option_table[0]),
    .options_bytes = sizeof(struct lw_rcf_options),
    .fit = rcf_fit,
    .n_state = NULL,
    .score = rcf_score,
    .attribute = rcf_attribute,
    .update = rcf_update,
    .save = lw_rcf_save,
    .load = lw_rcf_load,
    .export_onnx = NULL,
    .n_dims = rcf_n_dims,
    .bytes = rcf_bytes,
    .destroy = lw_rcf_destroy,
};
