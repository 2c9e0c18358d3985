/*
 * Distance to the k-th nearest neighbour, among training rows or among those of lately: a row is
 * strange where neither resembles it.
 *
 *     D(x) = min(K(x), d_k(x))
 *
 * K is the distance that the class knn gives, fitted in the same way; d_k the Euclidean distance to
 * the k-th nearest of the last `kept` rows of the entity that were remembered, one in `every`. An
 * entity that has changed its ways is strange until k remembered rows tell of the new ones, after k
 * times `every` rows at most; a short anomaly is never known, because fewer than k rows of it are
 * remembered. The model itself stays as it was fitted, so entities may share it.
 *
 * Rests. Among rows of lately a rest is a coordinate like any: what a projection leaves of a new
 * regime has the same length again and again, and counting it from 0 would keep the regime strange
 * for ever.
 *
 * Source. Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data
 * Sets", SIGMOD 2000, for the distance; Angiulli and Fassetti, "Detecting Distance-Based Outliers
 * in Streams of Data", CIKM 2007, for neighbours among the rows of a window. We depart from both:
 * two sets of rows, of which the nearer counts, and a thinned window.
 *
 * Missing values. For K as in knn; among rows of lately a missing value counts as 0, the centre of
 * the views, in the row told and in those remembered. A row of which nothing is known is passed
 * over.
 *
 * State. How many rows were seen, then the ring of remembered rows. The newest row is remembered
 * after it was told.
 *
 * Cost. Fit and K: as knn; d_k: O(kept columns) a row. 4 kept columns bytes an entity.
 */
#include "model/recent.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/kernels.h"
#include "math/neighbours.h"
#include "model/knn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define RECENT_VERSION 1u
#define KEPT_MAX 1024
#define EVERY_MAX 4096 /* Twice KEPT_MAX EVERY_MAX rows are still counted exactly in a float. */

struct recent_options {
    int64_t neighbours;
    int64_t core;
    int64_t kept;
    int64_t every;
};

struct lw_model {
    uint32_t n_dims;
    uint32_t k;
    uint32_t n_kept;
    uint32_t every;
    struct lw_model *core; /* Of the class knn. */
};

static const struct lw_option recent_option_table[] = {
    {.name = "neighbours",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct recent_options, neighbours),
     .fallback = "3",
     .min = 1,
     .max = LW_NEIGHBOURS_MAX,
     .unit = "",
     .help = "Which of the nearest rows gives the distance: more take longer to accept a change."},
    {.name = "core",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct recent_options, core),
     .fallback = "500",
     .min = 2,
     .max = LW_NEIGHBOURS_POINTS_MAX,
     .unit = "rows",
     .help = "Training rows that are kept, drawn at random; all where fewer are there."},
    {.name = "kept",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct recent_options, kept),
     .fallback = "64",
     .min = 1,
     .max = KEPT_MAX,
     .unit = "rows",
     .help = "Rows of lately that are remembered for each entity."},
    {.name = "every",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct recent_options, every),
     .fallback = "50",
     .min = 1,
     .max = EVERY_MAX,
     .unit = "rows",
     .help = "One row in so many is remembered: more take longer to accept a change."},
};

static void recent_destroy(struct lw_model *model)
{
    if (model != NULL) {
        lw_model_knn.destroy(model->core);
        lw_mem_free(model);
    }
}

static enum lw_status core_option(void *options, const char *name, int64_t value,
                                  struct lw_error *reterr)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return lw_options_set(lw_model_knn.options, lw_model_knn.n_options, options, name, text,
                          reterr);
}

static enum lw_status core_fit(const struct recent_options *chosen,
                               const struct lw_model_rows *rows, struct lw_rng *rng,
                               struct lw_model **ret_core, struct lw_error *reterr)
{
    void *options = lw_mem_calloc(1, lw_model_knn.options_bytes);
    enum lw_status status;

    if (options == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "recent: no memory for options");
    }
    lw_options_default(lw_model_knn.options, lw_model_knn.n_options, options);
    status = core_option(options, "neighbours", chosen->neighbours, reterr);
    if (status == LW_OK) {
        status = core_option(options, "core", chosen->core, reterr);
    }
    if (status == LW_OK) {
        status = lw_model_knn.fit(options, rows, rng, ret_core, reterr);
    }
    lw_mem_free(options);
    return status;
}

static enum lw_status recent_fit(const void *options, const struct lw_model_rows *rows,
                                 struct lw_rng *rng, struct lw_model **ret_model,
                                 struct lw_error *reterr)
{
    const struct recent_options *chosen = options;
    struct lw_model *model = NULL;
    enum lw_status status = lw_model_check_fit(&lw_model_recent, options, rows, reterr);

    if (status != LW_OK) {
        return status;
    }
    model = lw_mem_calloc(1, sizeof(*model));
    if (model == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "recent: no memory for a model");
    }
    model->n_dims = (uint32_t)rows->n_dims;
    model->k = (uint32_t)chosen->neighbours;
    model->n_kept = (uint32_t)chosen->kept;
    model->every = (uint32_t)chosen->every;
    status = core_fit(chosen, rows, rng, &model->core, reterr);
    if (status != LW_OK) {
        recent_destroy(model);
        return status;
    }
    *ret_model = model;
    return LW_OK;
}

static size_t recent_n_state(const struct lw_model *model)
{
    return (size_t)model->n_kept * model->n_dims + 1;
}

/* How many rows the state has seen; 0 where it says what no state can. */
static size_t rows_seen(const struct lw_model *model, const float *state)
{
    size_t round = (size_t)model->n_kept * model->every;

    return state[0] >= 0.0f && state[0] < (float)(2 * round) ? (size_t)state[0] : 0;
}

/* Rows in the ring when so many were seen. */
static size_t n_remembered(const struct lw_model *model, size_t n_seen)
{
    return n_seen / model->every < model->n_kept ? n_seen / model->every : model->n_kept;
}

static void row_clean(const float *row, size_t n, float *ret_clean)
{
    for (size_t i = 0; i < n; i++) {
        float x = row[i] > LW_NEIGHBOURS_LIMIT    ? LW_NEIGHBOURS_LIMIT
                  : row[i] < -LW_NEIGHBOURS_LIMIT ? -LW_NEIGHBOURS_LIMIT
                                                  : row[i];

        ret_clean[i] = isnan(x) ? 0.0f : x;
    }
}

/* Squared distance to the k-th nearest of the first n rows of the ring; INFINITY where there are
 * fewer. skip is a place that does not count. ret_place: where the k-th nearest is. */
static float ring_find(const struct lw_model *model, const float *ring, size_t n, size_t skip,
                       const float *clean, size_t *ret_place)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    float best[LW_NEIGHBOURS_MAX] = {INFINITY};
    size_t places[LW_NEIGHBOURS_MAX] = {0}, n_best = 0;

    for (size_t i = 0; i < n; i++) {
        float squared = kernels->distance_squared(ring + i * model->n_dims, clean, model->n_dims);
        size_t at;

        if (i == skip || (n_best > 0 && n_best == model->k && !(squared < best[n_best - 1]))) {
            continue;
        }
        n_best += n_best < model->k ? 1 : 0;
        for (at = n_best - 1; at > 0 && squared < best[at - 1]; at--) {
            best[at] = best[at - 1];
            places[at] = places[at - 1];
        }
        best[at] = squared;
        places[at] = i;
    }
    if (n_best == 0 || n_best < model->k) {
        *ret_place = 0;
        return INFINITY;
    }
    *ret_place = places[n_best - 1];
    return best[n_best - 1];
}

/* Takes the row in, if it is the turn. Rows seen stay a number that a float counts exactly, and the
 * places in the ring go on. */
static void ring_push(const struct lw_model *model, float *state, const float *clean)
{
    size_t n_seen = rows_seen(model, state) + 1, round = (size_t)model->n_kept * model->every;

    if (n_seen % model->every == 0) {
        size_t place = (n_seen / model->every - 1) % model->n_kept;

        memcpy(state + 1 + place * model->n_dims, clean, model->n_dims * sizeof(*clean));
    }
    state[0] = (float)(n_seen < 2 * round ? n_seen : n_seen - round);
}

static void recent_score(const struct lw_model *model, float *state, const float *rows,
                         size_t n_rows, float *ret_distances)
{
    LW_UNINITIALIZED float clean[LW_MODEL_DIMS_MAX];

    lw_model_knn.score(model->core, NULL, rows, n_rows, ret_distances);
    for (size_t i = 0; i < n_rows; i++, rows += model->n_dims) {
        size_t n = n_remembered(model, rows_seen(model, state)), place;
        float lately;

        if (isnan(ret_distances[i])) {
            continue;
        }
        row_clean(rows, model->n_dims, clean);
        lately = sqrtf(ring_find(model, state + 1, n, SIZE_MAX, clean, &place));
        ret_distances[i] = lately < ret_distances[i] ? lately : ret_distances[i];
        ring_push(model, state, clean);
    }
}

/*
 * Of the nearer set of rows: as knn has it, or the squared differences to the k-th nearest row of
 * lately over the distance; they add up to it. The row itself may just have been remembered, in
 * place of one that was there when it was told.
 */
static void recent_attribute(const struct lw_model *model, const float *state, const float *row,
                             float *ret_shares)
{
    LW_UNINITIALIZED float clean[LW_MODEL_DIMS_MAX];
    size_t n_seen = rows_seen(model, state), n = n_remembered(model, n_seen), place,
           skip = SIZE_MAX;
    float distance, lately;

    memset(ret_shares, 0, model->n_dims * sizeof(*ret_shares));
    lw_model_knn.score(model->core, NULL, row, 1, &distance);
    if (isnan(distance)) {
        return;
    }
    if (n_seen > 0 && n_seen % model->every == 0) {
        skip = (n_seen / model->every - 1) % model->n_kept;
    }
    row_clean(row, model->n_dims, clean);
    lately = sqrtf(ring_find(model, state + 1, n, skip, clean, &place));
    if (!(lately < distance)) {
        lw_model_knn.attribute(model->core, NULL, row, ret_shares);
        return;
    }
    for (size_t i = 0; i < model->n_dims && lately > 0.0f; i++) {
        float away = clean[i] - state[1 + place * model->n_dims + i];

        ret_shares[i] = isnan(row[i]) ? 0.0f : away * (away / lately);
    }
}

/* u16 version, u32 k, u32 kept, u32 every, then the bytes of the class knn. */
static void recent_save(const struct lw_model *model, struct lw_writer *writer)
{
    lw_write_u16(writer, RECENT_VERSION);
    lw_write_u32(writer, model->k);
    lw_write_u32(writer, model->n_kept);
    lw_write_u32(writer, model->every);
    lw_model_knn.save(model->core, writer);
}

/* Allocates what the class knn does, and a few bytes. */
static enum lw_status recent_load(struct lw_reader *reader, struct lw_model **ret_model,
                                  struct lw_error *reterr)
{
    struct lw_model shape = {0}, *model;
    uint16_t version = lw_read_u16(reader);
    enum lw_status status;

    if (reader->status == LW_OK && version != RECENT_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "recent: the model is of version %u, but this one reads %u",
                            (unsigned)version, RECENT_VERSION);
    }
    shape.k = lw_read_u32(reader);
    shape.n_kept = lw_read_u32(reader);
    shape.every = lw_read_u32(reader);
    if (reader->status != LW_OK || shape.k < 1 || shape.k > LW_NEIGHBOURS_MAX || shape.n_kept < 1 ||
        shape.n_kept > KEPT_MAX || shape.every < 1 || shape.every > EVERY_MAX) {
        return lw_error_set(reterr, LW_EFORMAT, "recent: damaged: k %u, %u rows kept of %u",
                            (unsigned)shape.k, (unsigned)shape.n_kept, (unsigned)shape.every);
    }
    status = lw_model_knn.load(reader, &shape.core, reterr);
    if (status != LW_OK) {
        return status;
    }
    shape.n_dims = (uint32_t)lw_model_knn.n_dims(shape.core);
    model = lw_mem_alloc(sizeof(*model));
    if (model == NULL) {
        lw_model_knn.destroy(shape.core);
        return lw_error_set(reterr, LW_ENOMEM, "recent: no memory for a model");
    }
    *model = shape;
    *ret_model = model;
    return LW_OK;
}

static size_t recent_n_dims(const struct lw_model *model)
{
    return model->n_dims;
}

static size_t recent_bytes(const struct lw_model *model)
{
    return sizeof(*model) + lw_model_knn.bytes(model->core);
}

const struct lw_model_class lw_model_recent = {
    .version = LW_MODEL_CONTRACT_VERSION,
    .name = "recent",
    .title = "Nearest neighbours, of training or of lately",
    .formula = "D(x) = min(K(x), d_k(x)), K of the class knn, d_k the distance to the k-th nearest "
               "remembered row",
    .source = "Angiulli and Fassetti, \"Detecting Distance-Based Outliers in Streams of Data\", "
              "CIKM 2007",
    .view = LW_VIEW_EMBEDDING,
    .unit = 0.25,
    .options = recent_option_table,
    .n_options = sizeof(recent_option_table) / sizeof(recent_option_table[0]),
    .options_bytes = sizeof(struct recent_options),
    .fit = recent_fit,
    .n_state = recent_n_state,
    .score = recent_score,
    .attribute = recent_attribute,
    .update = NULL,
    .save = recent_save,
    .load = recent_load,
    .n_dims = recent_n_dims,
    .bytes = recent_bytes,
    .destroy = recent_destroy,
};
