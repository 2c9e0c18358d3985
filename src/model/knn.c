/*
 * Distance to the k-th nearest neighbour: a row with few training rows near it is strange.
 *
 *     D(x) = sqrt(d_k(x)^2 + sum over rests of r^2)
 *
 * d_k is the Euclidean distance, over the ordinary columns, to the k-th nearest point of a core set
 * of rows drawn at random from training. A rest is the length of what a projection left of the row:
 * at right angles to the projection, and 0 in the ideal, so it adds to the distance as Pythagoras
 * has it.
 *
 * Source. Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data
 * Sets", SIGMOD 2000. We depart from it: neighbours are sought among a core set, not all rows
 * (Sugiyama and Borgwardt, "Rapid Distance-Based Outlier Detection via Sampling", NIPS 2013, show
 * that a sample does as well); and rests.
 *
 * Missing values. One of an ordinary column counts as the core set's mean of that column; a missing
 * rest as 0. Values count as at most 1e17 far from 0, so every distance is finite.
 *
 * Update. The core set stays a uniform sample of all rows ever seen: the n-th row takes a random
 * place in it with probability points / n (Vitter, "Random Sampling with a Reservoir", ACM TOMS
 * 1985, algorithm R). So learning slows down as a model grows old. The size of the core set and its
 * means stay as they were fitted.
 *
 * Cost. Fit: a pass over the rows; score: O(points columns) a row, see math/neighbours.h; memory:
 * 4 bytes a value of the core set.
 */
#include "model/knn.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/neighbours.h"

#include <assert.h>
#include <math.h>

#define KNN_VERSION 1u

static_assert(LW_MODEL_DIMS_MAX <= LW_NEIGHBOURS_DIMS_MAX, "a row must fit into a search");

struct knn_options {
    int64_t neighbours;
    int64_t core;
};

/* Memory of the core set lies behind it. */
struct lw_model {
    uint32_t n_dims; /* Of a row; its last n_rests are rests. */
    uint32_t n_rests;
    uint32_t k;
    uint64_t n_seen;           /* Rows the core set is a sample of. */
    struct lw_neighbours core; /* In the ordinary columns. */
};

static const struct lw_option knn_option_table[] = {
    {.name = "neighbours",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct knn_options, neighbours),
     .fallback = "3",
     .min = 1,
     .max = LW_NEIGHBOURS_MAX,
     .unit = "",
     .help = "Which of the nearest rows gives the distance: more forgive more strays in training."},
    {.name = "core",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct knn_options, core),
     .fallback = "500",
     .min = 2,
     .max = LW_NEIGHBOURS_POINTS_MAX,
     .unit = "rows",
     .help = "Training rows that are kept, drawn at random; all where fewer are there."},
};

static size_t model_bytes(size_t n_points, size_t n_columns)
{
    return sizeof(struct lw_model) + lw_neighbours_floats(n_points, n_columns) * sizeof(float);
}

/* A model of that shape (its n_dims, n_rests, k and n_seen), its core set not yet filled. */
static enum lw_status knn_create(const struct lw_model *shape, size_t n_points,
                                 struct lw_model **ret_model, struct lw_error *reterr)
{
    size_t n_columns = shape->n_dims - shape->n_rests, n_bytes = model_bytes(n_points, n_columns);
    struct lw_model *model = lw_mem_alloc(n_bytes);

    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "knn: no memory for %zu bytes", n_bytes);
    }
    *model = *shape;
    lw_neighbours_init(&model->core, (float *)(model + 1), n_points, n_columns);
    *ret_model = model;
    return LW_OK;
}

static void knn_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static enum lw_status knn_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    const struct knn_options *chosen = options;
    const struct lw_neighbours_rows source = {rows->values, rows->n_rows, rows->n_dims};
    struct lw_model shape = {0}, *model = NULL;
    size_t n_points;
    enum lw_status st = lw_model_check_fit(&lw_model_knn, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    shape.n_dims = (uint32_t)rows->n_dims;
    shape.n_rests = (uint32_t)rows->n_rests;
    shape.n_seen = lw_neighbours_known(&source, rows->n_dims - rows->n_rests);
    n_points = shape.n_seen < (uint64_t)chosen->core ? (size_t)shape.n_seen : (size_t)chosen->core;
    n_points = n_points > 0 ? n_points : 1;
    shape.k = (uint32_t)((size_t)chosen->neighbours < n_points ? (size_t)chosen->neighbours
                                                               : n_points);
    st = knn_create(&shape, n_points, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    lw_neighbours_draw(&model->core, &source, (size_t)shape.n_seen, rng);
    *ret_model = model;
    return LW_OK;
}

/* A rest within the limits of values; 0 where it is missing. */
static float rest_within(float rest)
{
    rest = fabsf(rest);
    rest = rest > LW_NEIGHBOURS_LIMIT ? LW_NEIGHBOURS_LIMIT : rest;
    return isnan(rest) ? 0.0f : rest;
}

/* Of a row whose neighbours are found. */
static float knn_distance(const struct lw_model *model, const float *row, const uint64_t *keys)
{
    float squared = lw_neighbour_squared(keys[model->k - 1]);

    for (size_t i = model->n_dims - model->n_rests; i < model->n_dims; i++) {
        squared += rest_within(row[i]) * rest_within(row[i]);
    }
    return sqrtf(squared);
}

static void knn_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
                      float *ret_distances)
{
    struct lw_neighbours_found found LW_UNINITIALIZED;
    struct lw_neighbours_rows left = {rows, n_rows, model->n_dims};
    size_t n;

    (void)state;
    for (; left.n_rows > 0; left.n_rows -= n, left.values += n * left.stride) {
        n = lw_neighbours_find(&model->core, &left, model->k, &found);
        for (size_t i = 0; i < n; i++) {
            const float *row = left.values + i * left.stride;

            *ret_distances++ = lw_model_row_is_missing(row, model->n_dims)
                                   ? NAN
                                   : knn_distance(model, row, found.keys[i]);
        }
    }
}

/*
 * The distance told by column: in proportion to the squared difference to the k nearest, in the
 * mean over them, and of a rest to its square. Shares add up to the distance; a missing value has
 * none.
 */
static void knn_attribute(const struct lw_model *model, const float *state, const float *row,
                          float *ret_shares)
{
    const struct lw_neighbours *core = &model->core;
    const struct lw_neighbours_rows rows = {row, 1, model->n_dims};
    struct lw_neighbours_found found LW_UNINITIALIZED;
    double sum = 0.0, scale;

    (void)state;
    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    (void)lw_neighbours_find(core, &rows, model->k, &found);
    for (size_t i = 0; i < model->n_dims; i++) {
        if (i >= core->n_dims) {
            ret_shares[i] = rest_within(row[i]) * rest_within(row[i]);
        }
        for (size_t n = 0; n < model->k && i < core->n_dims && !isnan(row[i]); n++) {
            float away = found.queries[i] -
                         lw_neighbours_value(core, lw_neighbour_point(found.keys[0][n]), i);

            ret_shares[i] += away * away / (float)model->k;
        }
        sum += (double)ret_shares[i];
    }
    scale = sum > 0.0 ? (double)knn_distance(model, row, found.keys[0]) / sum : 0.0;
    for (size_t i = 0; i < model->n_dims; i++) {
        ret_shares[i] = (float)(ret_shares[i] * scale);
    }
}

static enum lw_status knn_update(struct lw_model *model, const float *row, struct lw_rng *rng,
                                 struct lw_error *reterr)
{
    const struct lw_neighbours_rows rows = {row, 1, model->n_dims};
    uint64_t place;

    (void)reterr;
    if (lw_neighbours_known(&rows, model->core.n_dims) > 0) {
        model->n_seen++;
        place = lw_rng_below(rng, model->n_seen);
        if (place < model->core.n_points) {
            lw_neighbours_put(&model->core, (size_t)place, row);
        }
    }
    return LW_OK;
}

/* u16 version, u32 values a row, u32 rests among them, u32 points, u32 k, u64 rows seen, then the
 * core set. */
static void knn_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, KNN_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_rests);
    lw_write_u32(writer, model->core.n_points);
    lw_write_u32(writer, model->k);
    lw_write_u64(writer, model->n_seen);
    lw_neighbours_save(&model->core, writer);
}

/* Whether the numbers fit each other and the bytes that are left. */
static bool shape_is_good(const struct lw_model *shape, uint32_t n_points,
                          const struct lw_reader *reader)
{
    return reader->status == LW_OK && shape->n_dims >= 1 && shape->n_dims <= LW_MODEL_DIMS_MAX &&
           shape->n_rests < shape->n_dims && n_points >= 1 &&
           n_points <= LW_NEIGHBOURS_POINTS_MAX && shape->k >= 1 && shape->k <= n_points &&
           shape->k <= LW_NEIGHBOURS_MAX && shape->n_seen < UINT64_MAX &&
           lw_reader_left(reader) / sizeof(float) >=
               ((size_t)n_points + 1) * (shape->n_dims - shape->n_rests);
}

/* Allocates at most 64 times the bytes of the core set, which are there, and never more than 0.3
 * GB. */
static enum lw_status knn_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    uint32_t n_points;
    enum lw_status st;

    if (reader->status == LW_OK && version != KNN_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "knn: the model is of version %u, but this one reads %u",
                            (unsigned)version, KNN_VERSION);
    }
    shape.n_dims = lw_read_u32(reader);
    shape.n_rests = lw_read_u32(reader);
    n_points = lw_read_u32(reader);
    shape.k = lw_read_u32(reader);
    shape.n_seen = lw_read_u64(reader);
    if (!shape_is_good(&shape, n_points, reader)) {
        return lw_error_set(
            reterr, LW_EFORMAT, "knn: damaged: %u points of %u values, %u of them rests, k %u",
            (unsigned)n_points, (unsigned)shape.n_dims, (unsigned)shape.n_rests, (unsigned)shape.k);
    }
    st = knn_create(&shape, n_points, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (!lw_neighbours_load(&model->core, reader)) {
        knn_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "knn: the core set is damaged");
    }
    *ret_model = model;
    return LW_OK;
}

static size_t knn_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t knn_bytes(const struct lw_model *model)
{
    return model_bytes(model->core.n_points, model->core.n_dims);
}

const struct lw_model_class lw_model_knn = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "knn",
    .title = "k-nearest neighbours",
    .formula = "D(x) = sqrt(d_k(x)^2 + sum of rests^2), d_k the distance to the k-th nearest of a "
               "core set",
    .source = "Ramaswamy, Rastogi and Shim, \"Efficient Algorithms for Mining Outliers from Large "
              "Data Sets\", SIGMOD 2000",
    .view = LW_VIEW_EMBEDDING,
    .unit = 0.25,
    .options = knn_option_table,
    .n_options = sizeof(knn_option_table) / sizeof(knn_option_table[0]),
    .options_bytes = sizeof(struct knn_options),
    .fit = knn_fit,
    .score = knn_score,
    .attribute = knn_attribute,
    .update = knn_update,
    .save = knn_save,
    .load = knn_load,
    .n_dims = knn_n_dims,
    .bytes = knn_bytes,
    .destroy = knn_destroy,
};
