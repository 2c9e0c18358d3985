/*
 * Tier 1 of an entity: values of all its series as one vector a step, scored by an ensemble, and
 * learnt from while nothing is wrong.
 *
 * Without a model file it trains by itself. A training begins with the rows kept when train_after
 * rows in which something is known have been seen, and again each time their number has doubled;
 * its result comes into service an eighth more rows later. Both moments are places in the input,
 * and the rows are copied, so every host serves the same model from the same step on, however long
 * the training took in the background.
 */
#include "engine/operator/entity.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* One false incident in so many rows at the operating point of the published tables. */
#define BENCHMARK_ROWS 1260.0
/* A floor of the metric's options is three units of z. */
#define FLOOR_UNITS 3.0
#define NATURAL_UNITS                                                                              \
    100.0 /* The least unit is a hundredth of the natural one: detect/views.h.                     \
           */

uint32_t lw_training_capacity(const struct lw_detector *detector)
{
    return lw_training_rows_capacity((uint64_t)detector->spec->detector.train_rows);
}

static size_t rows_bytes(const struct lw_entity *entity, uint32_t width)
{
    return (size_t)lw_training_capacity(entity->detector) * width * sizeof(float);
}

/* Of a store that is to be trained from, the time of every row lies behind its blocks' starts. */
static size_t starts_bytes(const struct lw_entity *entity)
{
    size_t capacity = lw_training_capacity(entity->detector);
    size_t n_bytes = capacity / LW_TRAINING_BLOCK * sizeof(uint64_t);

    return entity->detector->spec->detector.collect ? n_bytes + capacity * sizeof(int64_t)
                                                    : n_bytes;
}

static size_t vectors_bytes(uint32_t width)
{
    return (size_t)(LW_TIER1_RECENT + 2) * width * sizeof(float);
}

void lw_entity_own_model(struct lw_entity *entity, struct lw_ensemble *own)
{
    struct lw_tier1_state *state = entity->tier1;

    lw_pool_count(entity->pool, -(ptrdiff_t)state->own_bytes);
    lw_ensemble_destroy(state->own);
    state->own = own;
    state->own_bytes = own == NULL ? 0 : lw_ensemble_bytes(own);
    lw_pool_count(entity->pool, (ptrdiff_t)state->own_bytes);
}

size_t lw_entity_tier1_bytes(const struct lw_entity *entity)
{
    const struct lw_tier1_state *state = entity->tier1;

    return state == NULL ? 0
                         : sizeof(*state) + state->n_state * sizeof(float) +
                               rows_bytes(entity, state->width) + starts_bytes(entity) +
                               vectors_bytes(state->width) + state->n_map * sizeof(*state->map) +
                               state->own_bytes;
}

enum lw_status lw_entity_step_down(struct lw_entity *entity, bool down, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (down && entity->tier1 != NULL) {
        lw_entity_tier1_destroy(entity);
        entity->stepped_down = true;
    } else if (!down && entity->stepped_down) {
        entity->stepped_down = false;
        status = lw_entity_tier1_widen(entity, reterr);
        entity->stepped_down = status != LW_OK;
    }
    return status;
}

void lw_entity_tier1_destroy(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;

    if (state == NULL) {
        return;
    }
    lw_training_job_destroy(state->job);
    lw_entity_own_model(entity, NULL);
    lw_pool_give(entity->pool, state->state, state->n_state * sizeof(float));
    lw_pool_give(entity->pool, state->map, state->n_map * sizeof(*state->map));
    lw_pool_give(entity->pool, state->rows.rows, rows_bytes(entity, state->width));
    lw_pool_give(entity->pool, state->rows.starts, starts_bytes(entity));
    lw_pool_give(entity->pool, state->recent, vectors_bytes(state->width));
    lw_pool_give(entity->pool, state, sizeof(*state));
    entity->tier1 = NULL;
}

/* ---- a model of the detector's file ---- */

static const struct lw_model_group *group_of(const struct lw_entity *entity)
{
    uint32_t group = entity->tier1->group;

    return group == LW_MODEL_GROUP_NONE ? NULL : &entity->detector->models->groups[group];
}

/* Which series is each column of the group. */
static void map_columns(struct lw_entity *entity)
{
    const struct lw_model_group *group = group_of(entity);

    for (uint32_t column = 0; group != NULL && column < group->n_columns; column++) {
        entity->tier1->map[column] = LW_SERIES_NONE;
        for (uint32_t i = 0; i < entity->n_series; i++) {
            if (strcmp(entity->series[i]->name, group->columns[column]) == 0) {
                entity->tier1->map[column] = i;
            }
        }
    }
}

bool lw_entity_tier1_room(struct lw_entity *entity, const struct lw_ensemble *ensemble)
{
    struct lw_tier1_state *state = entity->tier1;
    size_t n = lw_ensemble_n_state(ensemble);
    float *room = lw_pool_take(entity->pool, n * sizeof(*room));

    if (room == NULL) {
        return false;
    }
    lw_pool_give(entity->pool, state->state, state->n_state * sizeof(float));
    state->state = room;
    state->n_state = n;
    return true;
}

/* The group that serves this entity, and, where it was trained on, the state it had then. */
static bool take_up_file(struct lw_entity *entity)
{
    const struct lw_model_file *file = entity->detector->models;
    struct lw_tier1_state *state = entity->tier1;
    const struct lw_model_entity *known;
    const struct lw_model_group *group;

    state->group = file == NULL ? LW_MODEL_GROUP_NONE : lw_model_file_group(file, entity->name);
    group = group_of(entity);
    if (group == NULL) {
        return true;
    }
    state->map = lw_pool_take(entity->pool, group->n_columns * sizeof(*state->map));
    if (state->map == NULL) {
        return false;
    }
    state->n_map = group->n_columns;
    known = lw_model_file_entity(file, entity->name);
    if (known == NULL) {
        return true;
    }
    if (!lw_entity_tier1_room(entity, group->ensemble)) {
        return false;
    }
    memcpy(state->state, known->state, known->n_state * sizeof(float));
    state->calibrator = known->calibrator;
    state->ensemble = group->ensemble;
    return true;
}

/* ---- room ---- */

static struct lw_tier1_state *state_create(struct lw_entity *entity)
{
    struct lw_tier1_state *state = lw_pool_take(entity->pool, sizeof(*state));

    if (state == NULL) {
        return NULL;
    }
    lw_calibrator_init(&state->calibrator);
    state->next_train = (uint64_t)entity->detector->spec->detector.train_after;
    state->first_ns = INT64_MIN;
    for (size_t i = 0; i < LW_MODEL_COLUMNS_MAX; i++) {
        state->figures[i] = NAN;
    }
    lw_verdict_none(&state->newest, LW_SERIES_NONE);
    entity->tier1 = state;
    if (!take_up_file(entity)) {
        lw_entity_tier1_destroy(entity);
        return NULL;
    }
    return state;
}

/* Larger vectors in place of the old ones. */
static bool widen(struct lw_entity *entity, struct lw_tier1_state *state, uint32_t width)
{
    uint32_t capacity = lw_training_capacity(entity->detector), old_width = state->width;
    float *rows = lw_pool_take(entity->pool, rows_bytes(entity, width));
    float *vectors = lw_pool_take(entity->pool, vectors_bytes(width));
    uint64_t *starts = state->rows.starts != NULL
                           ? state->rows.starts
                           : lw_pool_take(entity->pool, starts_bytes(entity));

    if (rows == NULL || vectors == NULL || starts == NULL) {
        lw_pool_give(entity->pool, rows, rows_bytes(entity, width));
        lw_pool_give(entity->pool, vectors, vectors_bytes(width));
        if (starts != state->rows.starts) {
            lw_pool_give(entity->pool, starts, starts_bytes(entity));
        }
        return false;
    }
    for (size_t i = 0; i < (size_t)(LW_TIER1_RECENT + 1) * width; i++) {
        size_t line = i / width, column = i % width;

        vectors[i] = column < old_width ? state->recent[line * old_width + column] : NAN;
    }
    if (old_width == 0) {
        lw_training_rows_init(&state->rows, rows, starts, capacity, width);
        if (entity->detector->spec->detector.collect) {
            state->rows.times_ns = (int64_t *)(starts + capacity / LW_TRAINING_BLOCK);
        }
    } else {
        float *old = state->rows.rows;

        lw_training_rows_widen(&state->rows, rows, width);
        lw_pool_give(entity->pool, old, rows_bytes(entity, old_width));
        lw_pool_give(entity->pool, state->recent, vectors_bytes(old_width));
    }
    state->recent = vectors;
    state->row = vectors + (size_t)LW_TIER1_RECENT * width;
    state->shares = state->row + width;
    state->width = width;
    return true;
}

enum lw_status lw_entity_tier1_widen(struct lw_entity *entity, struct lw_error *reterr)
{
    const struct lw_detector *detector = entity->detector;
    uint32_t width = (entity->n_series + 3) / 4 * 4;

    if (detector->plan == NULL || detector->step_kind == LW_STEP_SAMPLE || entity->n_series < 2 ||
        entity->stepped_down) {
        return LW_OK; /* Of one series tier 0 knows all; series that step by themselves make no
                         vector. */
    }
    if ((entity->tier1 == NULL && state_create(entity) == NULL) ||
        (width > entity->tier1->width && !widen(entity, entity->tier1, width))) {
        if (entity->tier1 != NULL && entity->tier1->width == 0) {
            lw_entity_tier1_destroy(entity);
        }
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the vectors of entity \"%s\"",
                            entity->name);
    }
    map_columns(entity);
    return LW_OK;
}

bool lw_entity_has_model(const struct lw_entity *entity)
{
    return entity->tier1 != NULL && entity->tier1->ensemble != NULL;
}

uint64_t lw_entity_trainings_failed(const struct lw_entity *entity)
{
    return entity->tier1 == NULL ? 0 : entity->tier1->n_failed;
}

uint32_t lw_entity_n_unread(const struct lw_entity *entity)
{
    const struct lw_tier1_state *state = entity->tier1;
    uint32_t n_columns, n_read = 0;

    if (!lw_entity_has_model(entity)) {
        return 0;
    }
    n_columns = (uint32_t)lw_ensemble_n_columns(state->ensemble);
    for (uint32_t i = 0; i < n_columns; i++) {
        uint32_t series = state->n_map > 0 ? state->map[i] : i;

        n_read += series < entity->n_series ? 1 : 0;
    }
    return entity->n_series - n_read;
}

/* ---- training ---- */

/* The alarm budget in rows of this entity, by the step it has or has shown. */
static double budget_rows(const struct lw_entity *entity, int64_t time_ns)
{
    const struct lw_detector *detector = entity->detector;
    const struct lw_tier1_state *state = entity->tier1;
    double step_ns = (double)detector->step_ns;
    double rows;

    if (detector->spec->detector.operating_point == LW_POINT_BENCHMARK) {
        return BENCHMARK_ROWS;
    }
    if (step_ns == 0.0 && state->rows.n_seen > 0) {
        step_ns = ((double)time_ns - (double)state->first_ns) / (double)state->rows.n_seen;
    }
    rows = step_ns > 0.0 ? (double)detector->spec->detector.alarm_budget_ns / step_ns
                         : BENCHMARK_ROWS;
    if (entity->sharing > entity->n_series &&
        detector->spec->detector.budget_scope == LW_SCOPE_DETECTOR) {
        rows *= (double)entity->sharing / (double)entity->n_series; /* As many entities of this size
                                                                       share it. */
    }
    return rows;
}

/* A row by series as the columns of the model in service. */
static void row_of_model(const struct lw_tier1_state *state, const float *row, size_t n_columns,
                         float *ret_row)
{
    for (size_t i = 0; i < n_columns; i++) {
        uint32_t series = state->n_map > 0 ? state->map[i] : (uint32_t)i;

        ret_row[i] = series < state->width ? row[series] : NAN;
    }
}

/* The entity's state under a model that comes into service: its scale is in it; the newest steps
 * are led through it. */
static void warm(struct lw_tier1_state *state)
{
    size_t n = state->n_recent < LW_TIER1_RECENT ? (size_t)state->n_recent : LW_TIER1_RECENT;
    size_t n_columns = lw_ensemble_n_columns(state->ensemble);
    size_t n_scale = lw_views_n_scale(n_columns);

    memset(state->state + n_scale, 0, (state->n_state - n_scale) * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        size_t slot = (size_t)(state->n_recent - n + i) % LW_TIER1_RECENT;
        float row[LW_VIEWS_COLUMNS_MAX];
        const float *const rows[] = {row};
        double energy;

        row_of_model(state, state->recent + slot * state->width, n_columns, row);
        lw_ensemble_step(state->ensemble, &state->state, rows, 1, &energy, NULL);
        if (!isnan(energy) && i >= n / 2) {
            state->calibrator.smoothed = lw_energy_smooth(state->calibrator.smoothed, energy);
        }
    }
}

void lw_entity_natural_units(const struct lw_entity *entity, uint32_t n_columns, float *ret_natural)
{
    for (uint32_t i = 0; i < n_columns; i++) {
        double floor_absolute = entity->series[i]->metric->options.floor_absolute;

        ret_natural[i] = (float)(floor_absolute * NATURAL_UNITS / FLOOR_UNITS);
    }
}

/* The models that a training made come into service. */
static void adopt(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;
    struct lw_training_job *job = state->job;
    struct lw_training_result result;

    state->job = NULL;
    if (lw_training_job_finish(job, &result, NULL) != LW_OK) {
        state->n_failed++; /* Want of memory, or of rows in which something is known: the older
                              model serves on, and the next doubling tries again. */
        return;
    }
    if (lw_entity_tier1_room(entity, result.ensemble)) {
        bool alarm = state->calibrator.alarm, alarmed = state->calibrator.alarmed;

        lw_entity_own_model(entity, result.ensemble);
        state->ensemble = result.ensemble;
        result.ensemble = NULL;
        memcpy(state->state, result.states, result.n_state * sizeof(float));
        state->calibrator = result.calibrators[0];
        state->calibrator.alarm = alarm;
        state->calibrator.alarmed = alarmed;
        state->calibrator.smoothed = -1.0;
        warm(state);
        state->cut = 0.0;
    } else {
        state->n_failed++;
    }
    lw_training_result_fini(&result);
}

/* The shared model of a file serves an entity it does not know, whose scale was learnt from the
 * rows kept. */
static void adopt_shared(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;
    const struct lw_model_group *group = group_of(entity);
    const struct lw_training_rows *rows = &state->rows;
    size_t n = group->n_columns;
    float *mapped = rows->n_rows == 0
                        ? NULL
                        : lw_pool_take(entity->pool, rows->n_rows * n * sizeof(*mapped));

    if (mapped == NULL || !lw_entity_tier1_room(entity, group->ensemble)) {
        state->n_failed++;
    } else {
        for (uint32_t i = 0; i < rows->n_rows; i++) {
            row_of_model(state, rows->rows + (size_t)i * rows->stride, n, mapped + i * n);
        }
        lw_views_learn_scale(mapped, rows->n_rows, n, NULL, state->state);
        state->ensemble = group->ensemble;
        warm(state);
        state->cut = 0.0;
    }
    lw_pool_give(entity->pool, mapped, rows->n_rows * n * sizeof(*mapped));
}

static void plan_training(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;
    uint32_t n_columns = entity->n_series < LW_VIEWS_COLUMNS_MAX ? entity->n_series
                                                                 : LW_VIEWS_COLUMNS_MAX;
    float natural[LW_VIEWS_COLUMNS_MAX];

    lw_entity_natural_units(entity, n_columns, natural);
    state->job = lw_training_job_create(
        &(struct lw_training_need){entity->detector, &state->rows, n_columns, natural},
        lw_pool_trainer(entity->pool));
    state->n_failed += state->job == NULL ? 1 : 0;
    state->adopt_at = state->rows.n_seen + state->rows.n_seen / 8;
}

/* What is due at this number of rows. */
static void train(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;

    if (state->job != NULL && state->rows.n_seen >= state->adopt_at) {
        adopt(entity);
    }
    if (state->rows.n_seen < state->next_train || state->job != NULL) {
        return;
    }
    if (state->group == LW_MODEL_GROUP_NONE) {
        plan_training(entity);
    } else if (state->ensemble == NULL) {
        adopt_shared(entity);
    }
    while (state->next_train <= state->rows.n_seen) {
        state->next_train *= 2;
    }
}

/* ---- scoring ---- */

/* Series of a column of the model in service. */
static uint32_t series_of(const struct lw_tier1_state *state, uint32_t column)
{
    return state->n_map > 0 ? state->map[column] : column;
}

/* Shares the alarm of this step out among the series. */
static void blame(struct lw_entity *entity, const float *shares)
{
    const struct lw_tier1_state *state = entity->tier1;
    uint32_t n = (uint32_t)lw_ensemble_n_columns(state->ensemble);
    float sum = 0.0f;

    for (uint32_t i = 0; i < n; i++) {
        sum += shares[i];
    }
    for (uint32_t i = 0; i < n && sum > 0.0f; i++) {
        uint32_t series = series_of(state, i);

        if (series < entity->n_series) {
            const struct lw_verdict *newest = &entity->series[series]->newest;

            lw_life_contribute(entity->life, series, shares[i] / sum, newest->value,
                               newest->expected);
        }
    }
}

/* The series with the largest shares, the larger first; NaN where no other has any. */
static void find_blamed(const struct lw_tier1_state *state, const float *shares, float *ret_series)
{
    float best[LW_MODEL_BLAMED] = {0};

    for (size_t k = 0; k < LW_MODEL_BLAMED; k++) {
        ret_series[k] = NAN;
    }
    for (uint32_t i = 0; i < lw_ensemble_n_columns(state->ensemble); i++) {
        size_t k = LW_MODEL_BLAMED;

        for (; k > 0 && shares[i] > best[k - 1]; k--) {
            if (k < LW_MODEL_BLAMED) {
                best[k] = best[k - 1];
                ret_series[k] = ret_series[k - 1];
            }
        }
        if (k < LW_MODEL_BLAMED) {
            best[k] = shares[i];
            ret_series[k] = (float)series_of(state, i);
        }
    }
}

/* What lw_entity_models() will tell of this step. */
static void keep_figures(struct lw_tier1_state *state, double energy,
                         const struct lw_calibrate_result *result, const float *distances,
                         const float *shares)
{
    state->figures[0] = (float)energy;
    state->figures[1] = (float)result->level;
    state->figures[2] = (float)result->adjusted;
    find_blamed(state, shares, state->figures + LW_MODEL_FIGURES - LW_MODEL_BLAMED);
    memcpy(state->figures + LW_MODEL_FIGURES, distances,
           state->ensemble->n_members * sizeof(*distances));
}

size_t lw_entity_models(const struct lw_entity *entity, float *ret_values, size_t capacity)
{
    size_t n = entity->detector->n_model_columns < capacity ? entity->detector->n_model_columns
                                                            : capacity;
    bool can_tell = lw_entity_has_model(entity);

    for (size_t i = 0; i < n; i++) {
        ret_values[i] = can_tell ? entity->tier1->figures[i] : NAN;
    }
    return n;
}

/* The cut of the budget. Until a block of rows was seen it is not kept: how long a step is and how
 * many share the budget shows only then, and a model file serves from the first row on. */
static double cut_now(struct lw_entity *entity, int64_t time_ns)
{
    struct lw_tier1_state *state = entity->tier1;
    double cut = state->cut;

    if (cut == 0.0) {
        cut = lw_calibrate_cut(budget_rows(entity, time_ns));
        state->cut = state->rows.n_seen < LW_TRAINING_BLOCK ? 0.0 : cut;
    }
    return cut;
}

static void score(struct lw_entity *entity, int64_t time_ns, uint64_t tag,
                  const struct lw_sink *sink)
{
    struct lw_tier1_state *state = entity->tier1;
    struct lw_calibrate_result result;
    struct lw_verdict *verdict = &state->newest;
    float row[LW_VIEWS_COLUMNS_MAX], shares[LW_VIEWS_COLUMNS_MAX];
    float distances[LW_ENSEMBLE_MEMBERS_MAX];
    const float *const rows[] = {row};
    double energy;

    row_of_model(state, state->row, lw_ensemble_n_columns(state->ensemble), row);
    lw_ensemble_step(state->ensemble, &state->state, rows, 1, &energy, distances);
    lw_calibrator_step(&state->ensemble->calibration, cut_now(entity, time_ns), &state->calibrator,
                       energy, &result);
    lw_ensemble_attribute(state->ensemble, state->state, shares);
    keep_figures(state, energy, &result, distances, shares);
    lw_verdict_none(verdict, LW_SERIES_NONE);
    verdict->time_ns = time_ns;
    verdict->tag = tag;
    verdict->confidence = LW_FULL;
    verdict->alarm = result.alarm;
    verdict->onset = result.onset;
    verdict->type = (uint8_t)(result.alarm ? LW_TYPE_PATTERN : LW_TYPE_NONE);
    verdict->score = result.score;
    verdict->event = result.event;
    verdict->return_rows = (float)result.return_rows;
    entity->counts.verdicts++;
    if (sink != NULL && sink->verdict != NULL) {
        sink->verdict(sink->context, entity, verdict);
    }
    if (!result.alarm) {
        return;
    }
    lw_entity_step_tell(entity, verdict);
    if (entity->life != NULL) {
        blame(entity, shares);
    }
}

void lw_entity_tier1_step(struct lw_entity *entity, int64_t time_ns, uint64_t tag, bool anomalous,
                          const struct lw_sink *sink)
{
    struct lw_tier1_state *state = entity->tier1;
    bool collects = entity->detector->spec->detector.collect;

    if (state->ensemble != NULL && !collects) {
        score(entity, time_ns, tag, sink);
        anomalous = anomalous || state->calibrator.alarm;
    }
    if (lw_model_row_is_missing(state->row, state->width)) {
        return; /* There is nothing to learn from. */
    }
    state->first_ns = state->first_ns == INT64_MIN ? time_ns : state->first_ns;
    memcpy(state->recent + state->n_recent++ % LW_TIER1_RECENT * state->width, state->row,
           state->width * sizeof(float));
    state->rows.now_ns = time_ns;
    lw_training_rows_offer(&state->rows, state->row, anomalous && !collects);
    if (!collects) {
        train(entity);
    }
}
