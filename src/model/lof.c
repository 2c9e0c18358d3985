/*
 * Local Outlier Factor of new rows: how much thinner a row lies than its neighbours do.
 *
 * A core set of training rows is fitted once; new rows are judged against it and change nothing.
 * With the k nearest points o of x, d the Euclidean distance, and k-distance(o) the distance of o
 * to the k-th nearest other point of the core set, but at least `least`:
 *
 *     reach(x, o) = max(k-distance(o), d(x, o))
 *     density(x)  = 1 / (mean over o of reach(x, o) + 1e-10)
 *     LOF(x)      = mean over o of density(o) / density(x)
 *
 * It is about 1 where x lies as densely as its neighbours, and larger the more alone it is.
 *
 * Source. Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD
 * 2000. We depart from it: neighbours are exactly k, where the paper takes all that are as far as
 * the k-th; densities have a tiny addend so that copies of one row are not infinitely dense (both
 * as scikit-learn has it); and k-distances have a floor. Without the floor the ratio says most
 * about training data that hardly move: a step of a millionth beside rows that are all alike is a
 * giant outlier. The floor says what distance means nothing.
 *
 * Rests are left out. LOF compares how densely rows lie in the space of the ordinary columns; what
 * a projection left over is a length without a direction, no coordinate of that space, and whoever
 * reads this view for it (knn) adds it to a distance.
 *
 * Missing values. One counts as the core set's mean of its column. Values count as at most 1e17 far
 * from 0, so every LOF is finite.
 *
 * Update. The core set stays a uniform sample of all rows ever seen (Vitter, "Random Sampling with
 * a Reservoir", ACM TOMS 1985, algorithm R). A row that enters may change any density, so all are
 * computed again: 0.3 ms for 500 points of 16 columns. That costs little in the long run, for
 * the n-th row enters with probability points / n only.
 *
 * Cost. Fit: O(points^2 columns), and 8 bytes a neighbour of each point meanwhile; score: O(points
 * columns) a row, see math/neighbours.h; memory: 4 bytes a value of the core set, and 8 a point.
 */
#include "model/lof.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/neighbours.h"

#include <assert.h>
#include <math.h>

#define LOF_VERSION 1u
#define LOF_TINY 1e-10
#define LOF_LEAST_MAX 1e6

static_assert(LW_MODEL_DIMS_MAX <= LW_NEIGHBOURS_DIMS_MAX, "a row must fit into a search");

struct lof_options {
    int64_t neighbours;
    int64_t core;
    double least;
};

/* Memory of the core set, distances and densities lies behind it. */
struct lw_model {
    uint32_t n_dims; /* Of a row; its last n_rests are rests. */
    uint32_t n_rests;
    uint32_t k;
    float least;
    uint64_t n_seen;           /* Rows the core set is a sample of. */
    struct lw_neighbours core; /* In the ordinary columns: at least 2 points, more than k. */
    float *k_distances;        /* [n_points] >= 0 */
    float *densities;          /* [n_points] > 0 */
};

static const struct lw_option lof_option_table[] = {
    {.name = "neighbours",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lof_options, neighbours),
     .fallback = "20",
     .min = 1,
     .max = LW_NEIGHBOURS_MAX - 1,
     .unit = "",
     .help = "Neighbours a row is compared with: the size of the smallest cluster that is normal."},
    {.name = "core",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lof_options, core),
     .fallback = "500",
     .min = 2,
     .max = LW_NEIGHBOURS_POINTS_MAX,
     .unit = "rows",
     .help = "Training rows that are kept, drawn at random; all where fewer are there."},
    {.name = "least",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct lof_options, least),
     .fallback = "0.25",
     .min = 0,
     .max = LOF_LEAST_MAX,
     .unit = "",
     .help = "Distance, in the view's units, below which all is equally near; 0 for raw tables."},
};

static size_t model_floats(size_t n_points, size_t n_columns)
{
    return lw_neighbours_floats(n_points, n_columns) + 2 * n_points;
}

/* A model of that shape (its n_dims, n_rests, k, least and n_seen), yet to be filled. */
static enum lw_status lof_create(const struct lw_model *shape, size_t n_points,
                                 struct lw_model **ret_model, struct lw_error *reterr)
{
    size_t n_columns = shape->n_dims - shape->n_rests;
    size_t n_bytes = sizeof(*shape) + model_floats(n_points, n_columns) * sizeof(float);
    struct lw_model *model = lw_mem_alloc(n_bytes);

    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lof: no memory for %zu bytes", n_bytes);
    }
    *model = *shape;
    model->k_distances = (float *)(model + 1);
    model->densities = model->k_distances + n_points;
    lw_neighbours_init(&model->core, model->densities + n_points, n_points, n_columns);
    *ret_model = model;
    return LW_OK;
}

static void lof_destroy(struct lw_model *model)
{
    lw_mem_free(model);
}

static float reach(const struct lw_model *model, uint64_t key)
{
    float distance = sqrtf(lw_neighbour_squared(key));
    float k_distance = model->k_distances[lw_neighbour_point(key)];

    return distance > k_distance ? distance : k_distance;
}

/* Takes the point itself from its k + 1 nearest, or the farthest where it is not among them, for
 * copies of it may be. */
static void keys_drop(uint64_t *keys, size_t k, size_t self)
{
    size_t at = 0;

    while (at < k && lw_neighbour_point(keys[at]) != self) {
        at++;
    }
    memmove(keys + at, keys + at + 1, (k - at) * sizeof(*keys));
}

/* The k nearest others of each point of the core set, and its k-distance. */
static void points_search(struct lw_model *model, uint64_t *ret_keys)
{
    struct lw_neighbours_found found LW_UNINITIALIZED;
    float rows[LW_NEIGHBOURS_DIMS_MAX] LW_UNINITIALIZED;
    struct lw_neighbours_rows tile = {rows, 0, model->core.n_dims};
    size_t n_tile = LW_NEIGHBOURS_DIMS_MAX / tile.stride, n;

    for (size_t begin = 0; begin < model->core.n_points; begin += n) {
        tile.n_rows = model->core.n_points - begin < n_tile ? model->core.n_points - begin : n_tile;
        tile.n_rows = tile.n_rows < LW_NEIGHBOURS_TILE ? tile.n_rows : LW_NEIGHBOURS_TILE;
        for (size_t i = 0; i < tile.n_rows; i++) {
            lw_neighbours_get(&model->core, begin + i, rows + i * tile.stride);
        }
        n = lw_neighbours_find(&model->core, &tile, model->k + 1, &found);
        for (size_t i = 0; i < n; i++) {
            uint64_t *keys = found.keys[i];
            float last;

            keys_drop(keys, model->k, begin + i);
            last = sqrtf(lw_neighbour_squared(keys[model->k - 1]));
            model->k_distances[begin + i] = last > model->least ? last : model->least;
            memcpy(ret_keys + (begin + i) * model->k, keys, model->k * sizeof(*keys));
        }
    }
}

/* Each point's k-distance, then its density, which needs all k-distances. */
static void points_measure(struct lw_model *model, uint64_t *scratch)
{
    points_search(model, scratch);
    for (size_t point = 0; point < model->core.n_points; point++) {
        double sum = 0.0;

        for (size_t o = 0; o < model->k; o++) {
            sum += (double)reach(model, scratch[point * model->k + o]);
        }
        model->densities[point] = (float)(1.0 / (sum / model->k + LOF_TINY));
    }
}

/* Room for the neighbours of all points, while they are measured. */
static enum lw_status scratch_alloc(const struct lw_model *model, uint64_t **ret_scratch,
                                    struct lw_error *reterr)
{
    size_t n_bytes = (size_t)model->core.n_points * model->k * sizeof(**ret_scratch);

    *ret_scratch = lw_mem_alloc(n_bytes);
    if (*ret_scratch == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lof: no memory for %zu bytes", n_bytes);
    }
    return LW_OK;
}

static enum lw_status lof_fit(const void *options, const struct lw_model_rows *rows,
                              struct lw_rng *rng, struct lw_model **ret_model,
                              struct lw_error *reterr)
{
    const struct lof_options *chosen = options;
    const struct lw_neighbours_rows source = {rows->values, rows->n_rows, rows->n_dims};
    struct lw_model shape = {0}, *model = NULL;
    uint64_t *scratch;
    size_t n_points;
    enum lw_status st = lw_model_check_fit(&lw_model_lof, options, rows, reterr);

    if (st != LW_OK) {
        return st;
    }
    shape.n_dims = (uint32_t)rows->n_dims;
    shape.n_rests = (uint32_t)rows->n_rests;
    shape.least = (float)chosen->least;
    shape.n_seen = lw_neighbours_known(&source, rows->n_dims - rows->n_rests);
    n_points = shape.n_seen < (uint64_t)chosen->core ? (size_t)shape.n_seen : (size_t)chosen->core;
    n_points = n_points > 2 ? n_points : 2;
    shape.k = (uint32_t)((size_t)chosen->neighbours < n_points ? (size_t)chosen->neighbours
                                                               : n_points - 1);
    st = lof_create(&shape, n_points, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    st = scratch_alloc(model, &scratch, reterr);
    if (st != LW_OK) {
        lof_destroy(model);
        return st;
    }
    lw_neighbours_draw(&model->core, &source, (size_t)shape.n_seen, rng);
    points_measure(model, scratch);
    lw_mem_free(scratch);
    *ret_model = model;
    return LW_OK;
}

/* The mean density of a row's neighbours. */
static double density_around(const struct lw_model *model, const uint64_t *keys)
{
    double sum = 0.0;

    for (size_t o = 0; o < model->k; o++) {
        sum += (double)model->densities[lw_neighbour_point(keys[o])];
    }
    return sum / model->k;
}

/* Of a row whose neighbours are found. */
static float lof_of(const struct lw_model *model, const uint64_t *keys)
{
    double sum = 0.0;

    for (size_t o = 0; o < model->k; o++) {
        sum += (double)reach(model, keys[o]);
    }
    return (float)((sum / model->k + LOF_TINY) * density_around(model, keys));
}

static void lof_score(const struct lw_model *model, float *state, const float *rows, size_t n_rows,
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
                                   : lof_of(model, found.keys[i]);
        }
    }
}

/*
 * LOF is the mean reach times the density around. What a neighbour o adds by being further from x
 * than its own k-distance, (d(x, o) - k-distance(o)) / k, is told by column in proportion to the
 * squared differences, and multiplied with the density around. Without holes the shares add up to
 * LOF(x) less what LOF would be if x lay within the k-distances of all its neighbours; they are all
 * 0 when it does.
 */
static void lof_attribute(const struct lw_model *model, const float *state, const float *row,
                          float *ret_shares)
{
    const struct lw_neighbours *core = &model->core;
    const struct lw_neighbours_rows rows = {row, 1, model->n_dims};
    struct lw_neighbours_found found LW_UNINITIALIZED;
    double scale;

    (void)state;
    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    if (lw_model_row_is_missing(row, model->n_dims)) {
        return;
    }
    (void)lw_neighbours_find(core, &rows, model->k, &found);
    scale = density_around(model, found.keys[0]) / model->k;
    for (size_t o = 0; o < model->k; o++) {
        uint64_t key = found.keys[0][o];
        size_t point = lw_neighbour_point(key);
        double excess = (double)reach(model, key) - (double)model->k_distances[point];

        for (size_t i = 0; i < core->n_dims && excess > 0.0; i++) {
            double away = (double)found.queries[i] - (double)lw_neighbours_value(core, point, i);
            double share = scale * excess * away * away / (double)lw_neighbour_squared(key);

            ret_shares[i] += isnan(row[i]) ? 0.0f : (float)share;
        }
    }
}

static enum lw_status lof_update(struct lw_model *model, const float *row, struct lw_rng *rng,
                                 struct lw_error *reterr)
{
    const struct lw_neighbours_rows rows = {row, 1, model->n_dims};
    uint64_t place, *scratch;
    enum lw_status st;

    if (lw_neighbours_known(&rows, model->core.n_dims) > 0) {
        model->n_seen++;
        place = lw_rng_below(rng, model->n_seen);
        if (place < model->core.n_points) {
            st = scratch_alloc(model, &scratch, reterr);
            if (st != LW_OK) {
                return st;
            }
            lw_neighbours_put(&model->core, (size_t)place, row);
            points_measure(model, scratch);
            lw_mem_free(scratch);
        }
    }
    return LW_OK;
}

/* u16 version, u32 values a row, u32 rests among them, u32 points, u32 k, f32 least k-distance, u64
 * rows seen, the core set, f32[points] k-distances, f32[points] densities. */
static void lof_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, LOF_VERSION);
    lw_write_u32(writer, model->n_dims);
    lw_write_u32(writer, model->n_rests);
    lw_write_u32(writer, model->core.n_points);
    lw_write_u32(writer, model->k);
    lw_write_f32(writer, model->least);
    lw_write_u64(writer, model->n_seen);
    lw_neighbours_save(&model->core, writer);
    lw_write_f32s(writer, model->k_distances, model->core.n_points);
    lw_write_f32s(writer, model->densities, model->core.n_points);
}

/* Whether the numbers fit each other and the bytes that are left. */
static bool shape_is_good(const struct lw_model *shape, uint32_t n_points,
                          const struct lw_reader *reader)
{
    return reader->status == LW_OK && shape->n_dims >= 1 && shape->n_dims <= LW_MODEL_DIMS_MAX &&
           shape->n_rests < shape->n_dims && n_points >= 2 &&
           n_points <= LW_NEIGHBOURS_POINTS_MAX && shape->k >= 1 && shape->k < n_points &&
           shape->k < LW_NEIGHBOURS_MAX && shape->least >= 0.0f &&
           shape->least <= (float)LOF_LEAST_MAX && shape->n_seen < UINT64_MAX &&
           lw_reader_left(reader) / sizeof(float) >=
               ((size_t)n_points + 1) * (shape->n_dims - shape->n_rests) + 2 * (size_t)n_points;
}

/* Core set, k-distances and densities; false where a value is none that a fit gives. */
static bool lof_load_points(struct lw_model *model, struct lw_reader *reader)
{
    size_t n = model->core.n_points;
    bool is_good = lw_neighbours_load(&model->core, reader);

    lw_read_f32s(reader, model->k_distances, n);
    lw_read_f32s(reader, model->densities, n);
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = model->k_distances[i] >= 0.0f &&
                  model->k_distances[i] <= LW_NEIGHBOURS_LIMIT * 200.0f &&
                  model->densities[i] > 0.0f && model->densities[i] <= (float)(1.0 / LOF_TINY);
    }
    return is_good && reader->status == LW_OK;
}

/* Allocates at most 64 times the bytes of the core set, which are there, and never more than 0.3
 * GB. */
static enum lw_status lof_load(struct lw_reader *reader, struct lw_model **ret_model,
                               struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model = NULL;
    uint16_t version = lw_read_u16(reader);
    uint32_t n_points;
    enum lw_status st;

    if (reader->status == LW_OK && version != LOF_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "lof: the model is of version %u, but this one reads %u",
                            (unsigned)version, LOF_VERSION);
    }
    shape.n_dims = lw_read_u32(reader);
    shape.n_rests = lw_read_u32(reader);
    n_points = lw_read_u32(reader);
    shape.k = lw_read_u32(reader);
    shape.least = lw_read_f32(reader);
    shape.n_seen = lw_read_u64(reader);
    if (!shape_is_good(&shape, n_points, reader)) {
        return lw_error_set(
            reterr, LW_EFORMAT, "lof: damaged: %u points of %u values, %u of them rests, k %u",
            (unsigned)n_points, (unsigned)shape.n_dims, (unsigned)shape.n_rests, (unsigned)shape.k);
    }
    st = lof_create(&shape, n_points, &model, reterr);
    if (st != LW_OK) {
        return st;
    }
    if (!lof_load_points(model, reader)) {
        lof_destroy(model);
        return lw_error_set(reterr, LW_EFORMAT, "lof: the core set is damaged");
    }
    *ret_model = model;
    return LW_OK;
}

static size_t lof_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t lof_bytes(const struct lw_model *model)
{
    return sizeof(*model) + model_floats(model->core.n_points, model->core.n_dims) * sizeof(float);
}

const struct lw_model_class lw_model_lof = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "lof",
    .title = "Local Outlier Factor",
    .formula = "LOF(x) = mean over the k nearest o of density(o) / density(x), density(x) = 1 / "
               "mean of max(k-distance(o), d(x, o))",
    .source = "Breunig, Kriegel, Ng and Sander, \"LOF: Identifying Density-Based Local Outliers\", "
              "SIGMOD 2000",
    .view = LW_VIEW_EMBEDDING,
    .unit = 1.0,
    .options = lof_option_table,
    .n_options = sizeof(lof_option_table) / sizeof(lof_option_table[0]),
    .options_bytes = sizeof(struct lof_options),
    .fit = lof_fit,
    .score = lof_score,
    .attribute = lof_attribute,
    .update = lof_update,
    .save = lof_save,
    .load = lof_load,
    .n_dims = lof_n_dims,
    .bytes = lof_bytes,
    .destroy = lof_destroy,
};
