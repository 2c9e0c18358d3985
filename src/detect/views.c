/* Views of an entity, step by step: see detect/views.h; how they are fitted: views_fit.c. */
#include "detect/views_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

#define SCALE_PARTS 4u
#define UNIT_SHARE 0.01   /* Of the natural unit and of |mean|: the least unit. */
#define RANGE_FACTOR 10.0 /* Trained range that makes a natural unit below 1. */
#define UNIT_LEAST 1e-37  /* So that one over it is a float. */
#define DRIFT_WEIGHT (2.0f / (LW_VIEWS_STEPS + 1))
#define Z_FURTHEST 300.0f     /* 3 asinh of the greatest float is 268. */
#define COUNT_WRAP 4194304.0f /* A multiple of LW_VIEWS_STEPS that a float counts to exactly. */

size_t lw_view_width(enum lw_view view, size_t n_columns)
{
    switch (view) {
    case LW_VIEW_VALUES:
    case LW_VIEW_RESIDUAL:
        return n_columns;
    case LW_VIEW_EMBEDDING:
        return LW_VIEWS_EMBEDDING;
    case LW_VIEW_PATCH:
        return LW_VIEWS_PATCH;
    default:
        return 0;
    }
}

size_t lw_view_rests(enum lw_view view)
{
    return view == LW_VIEW_EMBEDDING ? 1 : view == LW_VIEW_PATCH ? 2 : 0;
}

const float *lw_view_of(const struct lw_views_row *row, enum lw_view view)
{
    switch (view) {
    case LW_VIEW_VALUES:
        return row->values;
    case LW_VIEW_RESIDUAL:
        return row->residual;
    case LW_VIEW_EMBEDDING:
        return row->embedding;
    case LW_VIEW_PATCH:
        return row->patch;
    default:
        return NULL;
    }
}

size_t lw_views_n_scale(size_t n_columns)
{
    return SCALE_PARTS * n_columns;
}

struct lw_views_state lw_views_state_parts(size_t n_columns, float *state)
{
    struct lw_views_state parts = {.centre = state};

    parts.inverse = parts.centre + n_columns;
    parts.flag = parts.inverse + n_columns;
    parts.last = parts.flag + n_columns;
    parts.ring = parts.last + n_columns;
    parts.firsts = parts.ring + LW_VIEWS_STEPS * n_columns;
    parts.count = parts.firsts + LW_VIEWS_PATCH_INPUTS;
    parts.drift = parts.count + 1;
    parts.linear = parts.drift + 1;
    return parts;
}

static size_t n_state_before_linear(size_t n_columns)
{
    return (SCALE_PARTS + LW_VIEWS_STEPS) * n_columns + LW_VIEWS_PATCH_INPUTS + 2;
}

/* What a metric's values were in training. */
struct column_sums {
    double n, mean, squares, least, greatest;
    bool is_flag;
};

static struct column_sums column_learn(const float *rows, size_t n_rows, size_t stride)
{
    struct column_sums sums = {.least = INFINITY, .greatest = -INFINITY, .is_flag = true};

    for (size_t i = 0; i < n_rows; i++) {
        double x = (double)rows[i * stride];
        double away = x - sums.mean;

        if (!isfinite(x)) {
            continue;
        }
        sums.n += 1.0;
        sums.mean += away / sums.n;
        sums.squares += away * (x - sums.mean);
        sums.least = x < sums.least ? x : sums.least;
        sums.greatest = x > sums.greatest ? x : sums.greatest;
        sums.is_flag = sums.is_flag && (x == 0.0 || x == 1.0);
    }
    return sums;
}

static double column_unit(const struct column_sums *sums, double natural)
{
    double range = sums->n > 0.0 ? sums->greatest - sums->least : 0.0;
    double deviation = sums->n > 0.0 ? sqrt(sums->squares / sums->n) : 0.0;
    double least;

    if (!(natural > 0.0)) {
        natural = range > 0.0 && RANGE_FACTOR * range < 1.0 ? RANGE_FACTOR * range : 1.0;
    }
    least = UNIT_SHARE * (natural > fabs(sums->mean) ? natural : fabs(sums->mean));
    deviation = deviation > least ? deviation : least;
    return deviation > UNIT_LEAST ? deviation : UNIT_LEAST;
}

void lw_views_learn_scale(const float *rows, size_t n_rows, size_t n_columns, const float *natural,
                          float *state)
{
    struct lw_views_state parts = lw_views_state_parts(n_columns, state);

    for (size_t i = 0; i < n_columns; i++) {
        struct column_sums sums = column_learn(rows + i, n_rows, n_columns);
        double unit = column_unit(&sums, natural == NULL ? 0.0 : (double)natural[i]);

        parts.centre[i] = (float)sums.mean;
        parts.inverse[i] = sums.n > 0.0 ? (float)(1.0 / unit) : 0.0f;
        parts.flag[i] = sums.is_flag ? 1.0f : 0.0f;
        parts.last[i] = 0.0f;
    }
}

/* z of one value before compression; 0 of a flag, and where nothing is known of the metric. */
static float scale_value(const struct lw_views_state *parts, size_t column, float x)
{
    if (parts->flag[column] != 0.0f || parts->inverse[column] == 0.0f) {
        return 0.0f;
    }
    /* Halved, so that the difference of any two numbers is one. */
    return (0.5f * x - 0.5f * parts->centre[column]) * parts->inverse[column] * 2.0f;
}

static float within(float x, float most)
{
    return x > most ? most : x < -most ? -most : x;
}

void lw_views_scale_row(size_t n_columns, float *state, const float *row, float *ret_values)
{
    struct lw_views_state parts = lw_views_state_parts(n_columns, state);

    for (size_t i = 0; i < n_columns; i++) {
        if (row[i] != 0.0f && row[i] != 1.0f && !isnan(row[i])) {
            parts.flag[i] = 0.0f; /* A gauge from now on. */
        }
        ret_values[i] = scale_value(&parts, i, row[i]);
    }
    lw_kernels_best()->compress(ret_values, n_columns);
    for (size_t i = 0; i < n_columns; i++) {
        parts.last[i] = isnan(row[i]) ? parts.last[i] : within(ret_values[i], Z_FURTHEST);
        ret_values[i] = parts.last[i];
    }
}

float lw_projection_apply(const struct lw_projection *projection, const float *x,
                          float *ret_coordinates)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    float whole = kernels->distance_squared(x, projection->mean, projection->n_in), rest;

    for (size_t i = 0; i < projection->n_out; i++) {
        ret_coordinates[i] = -projection->offset[i];
    }
    kernels->product(projection->components, x, projection->n_in, projection->n_out,
                     ret_coordinates);
    rest = whole - kernels->dot(ret_coordinates, ret_coordinates, projection->n_out);
    return rest > 0.0f ? sqrtf(rest) : 0.0f;
}

/* Where nothing came before, everything was as it is now. */
static void rings_fill(size_t n_columns, struct lw_views_state *parts, const float *z)
{
    for (size_t i = 0; i < LW_VIEWS_STEPS; i++) {
        memcpy(parts->ring + i * n_columns, z, n_columns * sizeof(float));
    }
}

/* Steps seen, whatever bytes a state was loaded from. */
static size_t steps_seen(const struct lw_views_state *parts)
{
    return *parts->count >= 0.0f && *parts->count <= COUNT_WRAP ? (size_t)*parts->count : 0;
}

size_t lw_views_push(const struct lw_views *views, struct lw_views_state *parts, const float *z)
{
    size_t slot = steps_seen(parts) % LW_VIEWS_STEPS;
    float rest;

    if (*parts->count == 0.0f) {
        rings_fill(views->n_columns, parts, z);
    }
    memcpy(parts->ring + slot * views->n_columns, z, views->n_columns * sizeof(float));
    rest = lw_projection_apply(&views->first, z, parts->firsts + slot * LW_VIEWS_FIRST);
    if (*parts->count == 0.0f) {
        for (size_t i = 1; i < LW_VIEWS_STEPS; i++) {
            memcpy(parts->firsts + i * LW_VIEWS_FIRST, parts->firsts,
                   LW_VIEWS_FIRST * sizeof(float));
        }
        *parts->drift = rest * rest;
    }
    *parts->drift += DRIFT_WEIGHT * (rest * rest - *parts->drift);
    *parts->count = (float)(steps_seen(parts) + 1);
    *parts->count -= *parts->count > COUNT_WRAP - 1.0f ? COUNT_WRAP / 2.0f : 0.0f;
    return slot;
}

/* The slot of the newest step. */
static size_t newest_slot(const struct lw_views_state *parts)
{
    return (steps_seen(parts) + LW_VIEWS_STEPS - 1) % LW_VIEWS_STEPS;
}

void lw_views_spans(size_t n_columns, const struct lw_views_state *parts, float *ret_spans)
{
    const struct lw_kernels *kernels = lw_kernels_best();
    size_t at = newest_slot(parts), length = 1;

    for (size_t span = 0; span < LW_VIEWS_SPANS; span++) {
        float *mean = ret_spans + span * n_columns;

        memset(mean, 0, n_columns * sizeof(*mean));
        for (size_t i = 0; i < length; i++) {
            kernels->add_scaled(mean, parts->ring + at * n_columns, 1.0f / (float)length,
                                n_columns);
            at = (at + LW_VIEWS_STEPS - 1) % LW_VIEWS_STEPS;
        }
        length *= span > 0 ? 2 : 1;
    }
}

void lw_views_shape(const struct lw_views_state *parts, float *ret_shape)
{
    size_t oldest = (newest_slot(parts) + 1) % LW_VIEWS_STEPS;
    size_t n_first = (LW_VIEWS_STEPS - oldest) * LW_VIEWS_FIRST;
    float mean[LW_VIEWS_FIRST] = {0};

    memcpy(ret_shape, parts->firsts + oldest * LW_VIEWS_FIRST, n_first * sizeof(float));
    memcpy(ret_shape + n_first, parts->firsts, oldest * LW_VIEWS_FIRST * sizeof(float));
    for (size_t i = 0; i < LW_VIEWS_PATCH_INPUTS; i++) {
        mean[i % LW_VIEWS_FIRST] += ret_shape[i] * (1.0f / LW_VIEWS_STEPS);
    }
    for (size_t i = 0; i < LW_VIEWS_PATCH_INPUTS; i++) {
        ret_shape[i] -= mean[i % LW_VIEWS_FIRST];
    }
}

void lw_views_step(const struct lw_views *views, float *state, const float *row,
                   struct lw_views_row *ret_row)
{
    size_t n = views->n_columns;
    struct lw_views_state parts = lw_views_state_parts(n, state);
    LW_UNINITIALIZED float inputs[LW_VIEWS_SPANS * LW_VIEWS_COLUMNS_MAX];
    const float *residual;

    lw_views_scale_row(n, state, row, ret_row->values);
    lw_model_linear.score(views->linear, parts.linear, ret_row->values, 1, &ret_row->surprise);
    residual = lw_linear_residual(views->linear, parts.linear);
    memcpy(ret_row->residual, residual, n * sizeof(*residual));
    lw_kernels_best()->compress(ret_row->residual, n);
    lw_views_push(views, &parts, ret_row->values);
    lw_views_spans(n, &parts, inputs);
    ret_row->embedding[LW_VIEWS_COMPONENTS] = lw_projection_apply(&views->embedding, inputs,
                                                                  ret_row->embedding);
    lw_views_shape(&parts, inputs);
    ret_row->patch[LW_VIEWS_COMPONENTS] = lw_projection_apply(&views->patch, inputs,
                                                              ret_row->patch);
    ret_row->patch[LW_VIEWS_COMPONENTS + 1] = sqrtf((float)LW_VIEWS_STEPS * *parts.drift);
}

const float *lw_views_residual(const struct lw_views *views, const float *state)
{
    return lw_linear_residual(views->linear, state + n_state_before_linear(views->n_columns));
}

float lw_views_centre(const struct lw_views *views, const float *state, size_t column)
{
    (void)views;
    return state[column];
}

float lw_views_unit(const struct lw_views *views, const float *state, size_t column)
{
    return 1.0f / state[views->n_columns + column];
}

size_t lw_views_n_columns(const struct lw_views *views)
{
    return views->n_columns;
}

size_t lw_views_n_state(const struct lw_views *views)
{
    return n_state_before_linear(views->n_columns) + lw_model_linear.n_state(views->linear);
}

static size_t projection_floats(const struct lw_projection *projection)
{
    return (size_t)projection->n_in * (projection->n_out + 1) + projection->n_out;
}

size_t lw_views_bytes(const struct lw_views *views)
{
    return sizeof(*views) + lw_model_linear.bytes(views->linear) +
           (projection_floats(&views->embedding) + projection_floats(&views->first) +
            projection_floats(&views->patch)) *
               sizeof(float);
}
