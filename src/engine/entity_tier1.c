/*
 * Tier 1 of an entity: residuals of all its series as one vector, scored, and learnt from while
 * nothing is wrong.
 *
 * It is trained inside the step at which train_after rows in which something is known have been
 * seen, and again each time their number has doubled: the moment is a place in the input, so every
 * host trains at the same step on the same rows.
 */
#include "engine/entity.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* One false incident in so many rows at the operating point of the published tables. */
#define BENCHMARK_ROWS 1260.0
/* One in so many rows of an anomaly is learnt from. */
#define ANOMALOUS_KEPT 8

static size_t rows_bytes(const struct lw_entity *entity, uint32_t width)
{
    return lw_training_capacity(entity->detector) * width * sizeof(float);
}

size_t lw_training_capacity(const struct lw_detector *detector)
{
    return ((size_t)detector->spec->detector.train_rows + 1) / 2 * 2; /* The store wants an even
                                                                         number. */
}

void lw_entity_tier1_destroy(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;

    if (state == NULL) {
        return;
    }
    lw_tier1_destroy(state->fitted);
    lw_pool_give(entity->pool, state->rows.rows, rows_bytes(entity, state->width));
    lw_pool_give(entity->pool, state->row, state->width * sizeof(float));
    lw_pool_give(entity->pool, state->shares, state->width * sizeof(float));
    lw_pool_give(entity->pool, state, sizeof(*state));
    entity->tier1 = NULL;
}

static struct lw_tier1_state *state_create(struct lw_entity *entity)
{
    struct lw_tier1_state *state = lw_pool_take(entity->pool, sizeof(*state));

    if (state != NULL) {
        lw_calibrator_init(&state->calibrator);
        state->next_train = (uint64_t)entity->detector->spec->detector.train_after;
        state->first_ns = INT64_MIN;
        lw_verdict_none(&state->newest, LW_SERIES_NONE);
    }
    return state;
}

/* Larger vectors in place of the old ones. */
static bool widen(struct lw_entity *entity, struct lw_tier1_state *state, uint32_t width)
{
    float *rows = lw_pool_take(entity->pool, rows_bytes(entity, width));
    float *row = lw_pool_take(entity->pool, width * sizeof(float));
    float *shares = lw_pool_take(entity->pool, width * sizeof(float));
    uint32_t capacity = (uint32_t)lw_training_capacity(entity->detector);

    if (rows == NULL || row == NULL || shares == NULL) {
        lw_pool_give(entity->pool, rows, rows_bytes(entity, width));
        lw_pool_give(entity->pool, row, width * sizeof(float));
        lw_pool_give(entity->pool, shares, width * sizeof(float));
        return false;
    }
    for (uint32_t i = 0; i < width; i++) {
        row[i] = i < state->width ? state->row[i] : NAN;
    }
    if (state->width == 0) {
        lw_training_rows_init(&state->rows, rows, capacity, width);
    } else {
        float *old = state->rows.rows;

        lw_training_rows_widen(&state->rows, rows, width);
        lw_pool_give(entity->pool, old, rows_bytes(entity, state->width));
        lw_pool_give(entity->pool, state->row, state->width * sizeof(float));
        lw_pool_give(entity->pool, state->shares, state->width * sizeof(float));
    }
    state->row = row;
    state->shares = shares;
    state->width = width;
    return true;
}

enum lw_status lw_entity_tier1_widen(struct lw_entity *entity, struct lw_error *reterr)
{
    const struct lw_detector *detector = entity->detector;
    uint32_t width = entity->tier1 == NULL ? 4 : entity->tier1->width;

    if (detector->model == NULL || detector->step_kind == LW_STEP_SAMPLE || entity->n_series < 2) {
        return LW_OK; /* Of one series tier 0 knows all; series that step by themselves make no
                         vector. */
    }
    if (entity->tier1 == NULL) {
        entity->tier1 = state_create(entity);
    } else if (entity->n_series <= entity->tier1->width) {
        return LW_OK;
    }
    while (width < entity->n_series) {
        width *= 2;
    }
    if (entity->tier1 == NULL || !widen(entity, entity->tier1, width)) {
        if (entity->tier1 != NULL && entity->tier1->width == 0) {
            lw_entity_tier1_destroy(entity);
        }
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the vectors of entity \"%s\"",
                            entity->name);
    }
    return LW_OK;
}

bool lw_entity_has_model(const struct lw_entity *entity)
{
    return entity->tier1 != NULL && entity->tier1->fitted != NULL;
}

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
    if (step_ns == 0.0) {
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

static void train(struct lw_entity *entity, int64_t time_ns)
{
    struct lw_tier1_state *state = entity->tier1;
    struct lw_tier1 *fitted = NULL;
    struct lw_calibrator calibrator;
    uint64_t seed = (uint64_t)entity->detector->spec->detector.seed;

    lw_calibrator_init(&calibrator);
    if (lw_tier1_fit(entity->detector->model, &state->rows, seed, &calibrator, &fitted, NULL) ==
        LW_OK) {
        lw_tier1_destroy(state->fitted);
        state->fitted = fitted;
        state->calibrator = calibrator;
        state->cut = lw_calibrate_cut(budget_rows(entity, time_ns));
    } else {
        state->n_failed++; /* Want of memory, or of rows in which something is known: the older
                              model serves on, and the next doubling tries again. */
    }
    while (state->next_train <= state->rows.n_seen) {
        state->next_train *= 2;
    }
}

/* Shares the alarm of this step out among the series. */
static void blame(struct lw_entity *entity)
{
    struct lw_tier1_state *state = entity->tier1;
    uint32_t n = entity->n_series;
    float sum = 0.0f;

    if (lw_tier1_n_columns(state->fitted) < n) {
        n = (uint32_t)lw_tier1_n_columns(state->fitted);
    }
    memset(state->shares, 0, state->width * sizeof(float));
    lw_tier1_attribute(state->fitted, state->row, state->shares);
    for (uint32_t i = 0; i < n; i++) {
        sum += state->shares[i];
    }
    for (uint32_t i = 0; i < n && sum > 0.0f; i++) {
        const struct lw_verdict *newest = &entity->series[i]->newest;

        lw_life_contribute(entity->life, i, state->shares[i] / sum, newest->value,
                           newest->expected);
    }
}

static void score(struct lw_entity *entity, int64_t time_ns, uint64_t tag,
                  const struct lw_sink *sink)
{
    struct lw_tier1_state *state = entity->tier1;
    struct lw_calibrate_result result;
    struct lw_verdict *verdict = &state->newest;

    lw_calibrator_step(lw_tier1_calibration(state->fitted), state->cut, &state->calibrator,
                       lw_tier1_energy(state->fitted, state->row), &result);
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
        blame(entity);
    }
}

void lw_entity_tier1_step(struct lw_entity *entity, int64_t time_ns, uint64_t tag, bool anomalous,
                          const struct lw_sink *sink)
{
    struct lw_tier1_state *state = entity->tier1;

    if (state->fitted != NULL) {
        score(entity, time_ns, tag, sink);
        anomalous = anomalous || state->calibrator.alarm;
    }
    if (lw_model_row_is_missing(state->row, state->width)) {
        return; /* While the series are new to tier 0 there is nothing to learn from. */
    }
    state->first_ns = state->first_ns == INT64_MIN ? time_ns : state->first_ns;
    /* Trouble should not come to look normal: of its rows only a few are learnt from, so a new
     * regime is learnt late but is. */
    if (!anomalous || state->n_anomalous++ % ANOMALOUS_KEPT == 0) {
        lw_training_rows_offer(&state->rows, state->row);
    }
    if (state->rows.n_seen >= state->next_train && state->rows.n_rows >= LW_TIER1_ROWS_MIN) {
        train(entity, time_ns);
    }
}
