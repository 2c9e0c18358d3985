/*
 * What a detector would take: lw_engine_plan_memory().
 *
 * States are not reckoned but made: two entities of the spec in a pool of their own, the second of
 * which is then trained. What the engine keeps beside them (tables, names, owners) is reckoned from
 * the same structs and the same rule of growth as ladder.c counts.
 */
#include "base/error.h"
#include "engine/core.h"

#include <stdio.h>
#include <string.h>

#define ENTITY_NAME_BYTES 24u
#define SERIES_NAME_BYTES 72u
#define ROWS_MAX 4096
#define START_NS INT64_C(1700000000000000000)
#define SECOND_NS INT64_C(1000000000)
/* Up to which share of a limit nothing steps down, in hundredths. */
#define HELD 90

/* What lw_array_room() and the tables of names come to for n items. */
static size_t doubled(size_t first, size_t n)
{
    while (first < n) {
        first *= 2;
    }
    return first;
}

static size_t names_bytes(size_t n, size_t name_bytes)
{
    return doubled(64, n + n / 3) * 8 + doubled(48, n) * 16 + n * (name_bytes + 1);
}

/* ---- the states ---- */

struct trial {
    struct lw_pool *pool;
    struct lw_detector *detector;
    struct lw_entity *entity;
};

/* One more entity with its series, at tier 0. */
static enum lw_status trial_entity(struct trial *trial, const char *name, uint32_t n_series,
                                   struct lw_error *reterr)
{
    enum lw_status status = lw_entity_create(trial->pool, trial->detector, name, &trial->entity,
                                             reterr);

    for (uint32_t i = 0; status == LW_OK && i < n_series; i++) {
        char metric[32];
        uint32_t number = 0;

        (void)snprintf(metric, sizeof(metric), "metric_%u", i);
        status = lw_entity_series(trial->entity, metric, metric, &number, reterr);
    }
    return status == LW_OK ? lw_entity_step_down(trial->entity, true, reterr) : status;
}

/* A little noise, the same in every run. */
static double noise(uint32_t series, int64_t step)
{
    uint64_t mixed = (uint64_t)step * UINT64_C(0x9E3779B97F4A7C15) +
                     series * UINT64_C(0xBF58476D1CE4E5B9);

    mixed = (mixed ^ mixed >> 29) * UINT64_C(0x94D049BB133111EB);
    return 10.0 + (double)(mixed >> 40) / (double)(1 << 24);
}

/* Steps until a training's result is in service. */
static enum lw_status trial_train(struct trial *trial, int64_t n_steps, struct lw_error *reterr)
{
    struct lw_entity *entity = trial->entity;
    int64_t step_ns = trial->detector->step_ns == 0 ? SECOND_NS : trial->detector->step_ns;
    uint32_t n_series = lw_entity_n_series(entity);
    struct lw_sample *row = lw_pool_take(trial->pool, n_series * sizeof(*row));

    if (row == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a row of %u series", n_series);
    }
    for (int64_t step = 0; step < n_steps && !lw_entity_has_model(entity); step++) {
        for (uint32_t i = 0; i < n_series; i++) {
            row[i] = (struct lw_sample){i, START_NS + step * step_ns, noise(i, step)};
        }
        lw_observe(entity, row, n_series, 0, NULL);
        lw_advance(entity, START_NS + step * step_ns, NULL);
    }
    lw_pool_give(trial->pool, row, n_series * sizeof(*row));
    return LW_OK;
}

/* What tier 1 of the entity takes, once it has learnt. */
static enum lw_status trial_tier1(struct trial *trial, struct lw_memory_plan *plan,
                                  struct lw_error *reterr)
{
    int64_t rows = trial->detector->spec->detector.train_after;
    enum lw_status status = lw_entity_step_down(trial->entity, false, reterr);
    size_t used;

    if (status == LW_OK) {
        status = trial_train(trial, rows + rows / 8 + 16, reterr);
    }
    if (status == LW_OK) {
        used = lw_pool_used(trial->pool);
        plan->shares_model = lw_entity_has_model(trial->entity) &&
                             trial->entity->tier1->own == NULL;
        status = lw_entity_step_down(trial->entity, true, reterr);
        plan->entity_tier1 = used - lw_pool_used(trial->pool);
    }
    return status;
}

static enum lw_status trial_run(struct trial *trial, uint32_t n_series, struct lw_memory_plan *plan,
                                size_t *ret_entity, struct lw_error *reterr)
{
    enum lw_status status = trial_entity(trial, "first", n_series, reterr);
    size_t used = lw_pool_used(trial->pool);

    if (status == LW_OK) { /* The first brings the texts that all share. */
        status = trial_entity(trial, "second", n_series, reterr);
        *ret_entity = lw_pool_used(trial->pool) - used;
    }
    if (status == LW_OK && trial->entity->stepped_down) {
        status = trial_tier1(trial, plan, reterr);
    }
    return status;
}

/* ---- the rest ---- */

/* What the engine keeps of n entities beside their states. */
static size_t tables_bytes(const struct lw_memory_need *need)
{
    size_t n = need->n_entities, n_series = n * need->n_series;
    size_t a_shard = doubled(64, n / need->n_shards + 1) *
                     (4 * sizeof(struct engine_entity *) + sizeof(struct due_entry));
    size_t entities = doubled(64, n), series = doubled(64, n_series);
    size_t owner = sizeof(struct engine_entity) +
                   doubled(4, need->n_series) *
                       (sizeof(struct history *) + sizeof(struct lw_sample));

    return names_bytes(n, need->entity_name_bytes + 2) +
           names_bytes(n_series, need->series_name_bytes) +
           entities * (sizeof(struct engine_entity *) + sizeof(uint64_t) + sizeof(uint32_t)) +
           series * (sizeof(uint32_t) + sizeof(struct target) + sizeof(struct target_owner)) +
           need->n_shards * a_shard + n * owner;
}

static size_t fixed_bytes(const struct lw_memory_need *need)
{
    return LW_ENGINE_ANOMALIES_KEPT * sizeof(struct anomaly_slot) +
           need->n_shards * (QUEUE_BATCHES + 2) * sizeof(struct batch);
}

static void plan_fill(struct lw_memory_plan *plan, size_t entity_bytes,
                      const struct lw_memory_need *need)
{
    size_t n = need->n_entities, n_series = n * need->n_series;
    size_t all = n * entity_bytes + tables_bytes(need);

    plan->fixed = fixed_bytes(need);
    plan->series_tier0 = all / n_series;
    plan->total_tier0 = plan->fixed + all;
    plan->total_tier1 = plan->total_tier0 + n * plan->entity_tier1;
    plan->series_history = need->history_steps == 0
                               ? 0
                               : sizeof(struct history) +
                                     need->history_steps * sizeof(struct lw_history_point);
    plan->total_history = n_series * plan->series_history < need->history_bytes
                              ? n_series * plan->series_history
                              : need->history_bytes;
}

/* The spec, trained once, on as many rows as it keeps. */
static enum lw_status trial_spec(const struct lw_spec *spec, struct lw_spec **ret_spec,
                                 struct lw_error *reterr)
{
    int64_t rows = spec->detector.train_rows < ROWS_MAX ? spec->detector.train_rows : ROWS_MAX;
    enum lw_status status = lw_spec_copy(spec, ret_spec, reterr);

    if (status == LW_OK) {
        (*ret_spec)->detector.train_after = rows;
    }
    return status;
}

static enum lw_status need_settle(struct lw_memory_need *need, struct lw_error *reterr)
{
    if (need->n_entities == 0 || need->n_entities > LW_ENGINE_SERIES_MAX || need->n_series == 0 ||
        need->n_series > LW_ENTITY_SERIES_MAX || need->n_shards > LW_ENGINE_SHARDS_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a plan of %u entities with %u series each on %u shards; at most %u, "
                            "%d and %d are possible",
                            need->n_entities, need->n_series, need->n_shards, LW_ENGINE_SERIES_MAX,
                            LW_ENTITY_SERIES_MAX, LW_ENGINE_SHARDS_MAX);
    }
    need->n_shards = need->n_shards == 0 ? lw_engine_processors() : need->n_shards;
    need->entity_name_bytes = need->entity_name_bytes == 0 ? ENTITY_NAME_BYTES
                                                           : need->entity_name_bytes;
    need->series_name_bytes = need->series_name_bytes == 0 ? SERIES_NAME_BYTES
                                                           : need->series_name_bytes;
    return LW_OK;
}

enum lw_status lw_engine_plan_memory(const struct lw_spec *spec, const struct lw_memory_need *need,
                                     struct lw_memory_plan *ret_plan, struct lw_error *reterr)
{
    struct lw_memory_need settled = *need;
    struct lw_memory_plan plan = {0};
    struct trial trial = {0};
    struct lw_spec *copy = NULL;
    size_t entity_bytes = 0;
    enum lw_status status = need_settle(&settled, reterr);

    if (status == LW_OK) {
        status = trial_spec(spec, &copy, reterr);
    }
    if (status == LW_OK) {
        status = lw_detector_create(copy, "plan", &trial.detector, reterr);
    }
    if (status == LW_OK) {
        status = lw_pool_create(&trial.pool, reterr);
    }
    if (status == LW_OK) {
        status = trial_run(&trial, settled.n_series, &plan, &entity_bytes, reterr);
    }
    if (status == LW_OK) {
        plan_fill(&plan, entity_bytes, &settled);
        *ret_plan = plan;
    }
    lw_pool_destroy(trial.pool);
    lw_detector_release(trial.detector);
    lw_spec_destroy(copy);
    return status;
}

uint32_t lw_memory_plan_entities(const struct lw_memory_plan *plan,
                                 const struct lw_memory_need *need, size_t limit, int tier)
{
    size_t each = plan->series_tier0 * need->n_series + (tier > 0 ? plan->entity_tier1 : 0);
    size_t held = limit / 100 * HELD;
    size_t n = held <= plan->fixed || each == 0 ? 0 : (held - plan->fixed) / each;

    return n > LW_ENGINE_SERIES_MAX ? LW_ENGINE_SERIES_MAX : (uint32_t)n;
}
