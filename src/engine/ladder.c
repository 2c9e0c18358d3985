/* What entities do without when memory runs short: see engine/ladder.h. */
#include "engine/ladder.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/state/durable.h"

#include <stdlib.h>
#include <string.h>

/* Hundredths of the limit. */
#define DOWN_FROM 90
#define DOWN_TO 85
#define REFUSE_FROM 98
#define UP_BELOW 75
#define UP_TO 80
/* Entities at a time: the shards wait meanwhile. */
#define STEPS_MAX 1024u
#define HISTORY_LEAST ((size_t)1 << 20)

static size_t share_of(const struct lw_engine *engine, unsigned hundredths)
{
    return engine->memory_limit / 100 * hundredths;
}

/* ---- how much there is ---- */

static size_t shard_bytes(const struct shard *shard)
{
    return lw_pool_used(shard->pool) +
           (shard->entities_capacity + shard->gathering_capacity + shard->touched_capacity +
            shard->untold_capacity) *
               sizeof(struct engine_entity *) +
           shard->due_capacity * sizeof(*shard->due) + (QUEUE_BATCHES + 2) * sizeof(struct batch);
}

size_t lw_ladder_bytes(const struct lw_engine *engine)
{
    size_t n_bytes = atomic_load(&engine->history_used) + lw_intern_bytes(engine->series_names) +
                     lw_intern_bytes(engine->entity_names) +
                     engine->series_capacity * sizeof(*engine->first_target) +
                     engine->targets_capacity * sizeof(*engine->targets) +
                     engine->target_owners_capacity * sizeof(*engine->target_owners) +
                     engine->own_targets_capacity * sizeof(*engine->own_targets) +
                     engine->gone_capacity * sizeof(*engine->gone) +
                     engine->entities_capacity * sizeof(struct engine_entity *) +
                     engine->handed_capacity * sizeof(*engine->handed) +
                     engine->n_kin_buckets * sizeof(struct engine_entity *) +
                     LW_ENGINE_ANOMALIES_KEPT * sizeof(*engine->ring);

    for (uint32_t i = 0; i < engine->n_shards; i++) {
        n_bytes += shard_bytes(&engine->shards[i]);
    }
    return n_bytes + atomic_load(&engine->owner_bytes);
}

bool lw_ladder_admits(struct lw_engine *engine)
{
    return !engine->refuses && lw_ladder_bytes(engine) < share_of(engine, REFUSE_FROM);
}

/* ---- steps ---- */

static enum lw_status record_write(struct lw_engine *engine, struct engine_entity *const *owners,
                                   size_t n, uint8_t tier)
{
    struct lw_writer *record = NULL;
    enum lw_status status = lw_durable_begin(engine, &record);

    if (status != LW_OK || record == NULL) {
        return status;
    }
    lw_write_u8(record, tier);
    lw_write_u32(record, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        lw_write_text(record, lw_detector_name(lw_entity_detector(owners[i]->entity)));
        lw_write_text(record, lw_entity_name(owners[i]->entity));
    }
    return lw_durable_append(engine, LW_RECORD_TIER);
}

/* The shards are drained. An entity for which there is no memory after all stays down. */
static void step(struct engine_entity *owner, uint8_t tier)
{
    (void)pthread_mutex_lock(&owner->shard->lock);
    lw_shard_catch_up(owner);
    (void)!lw_entity_step_down(owner->entity, tier == 0, NULL);
    (void)pthread_mutex_unlock(&owner->shard->lock);
}

enum lw_status lw_ladder_step(struct lw_engine *engine, struct engine_entity *const *owners,
                              size_t n, uint8_t tier)
{
    enum lw_status status;

    if (engine->snapshotting) {
        return LW_EBUSY;
    }
    lw_engine_drain(engine);
    status = n == 0 ? LW_OK : record_write(engine, owners, n, tier);
    for (size_t i = 0; status == LW_OK && i < n; i++) {
        step(owners[i], tier);
    }
    return status;
}

enum lw_status lw_ladder_replay(struct lw_engine *engine, struct lw_reader *reader)
{
    uint8_t tier = lw_read_u8(reader);
    uint32_t n = lw_read_u32(reader);

    lw_engine_drain(engine);
    for (uint32_t i = 0; i < n && reader->status == LW_OK; i++) {
        char detector[LW_NAME_MAX], name[LW_NAME_MAX];
        struct engine_entity *owner;

        lw_read_text(reader, detector, sizeof(detector));
        lw_read_text(reader, name, sizeof(name));
        owner = lw_registry_find(engine, detector, name);
        if (reader->status == LW_OK && owner != NULL) { /* NULL: its detector is gone. */
            step(owner, tier);
        }
    }
    return reader->status == LW_OK && lw_reader_left(reader) == 0 && tier <= 1 ? LW_OK : LW_EFORMAT;
}

/* ---- who ---- */

struct candidate {
    struct engine_entity *owner;
    int64_t alarmed_ns;
    size_t n_bytes;
};

struct candidates {
    struct candidate *list;
    size_t n;
};

static int compare_alarmed(const struct candidate *one, const struct candidate *other)
{
    return one->alarmed_ns != other->alarmed_ns ? (one->alarmed_ns < other->alarmed_ns ? -1 : 1)
                                                : 0;
}

/* Who loses least first; the number settles the rest. */
static int compare_down(const void *left, const void *right)
{
    const struct candidate *one = left, *other = right;
    int order = compare_alarmed(one, other);

    if (order == 0 && one->n_bytes != other->n_bytes) {
        order = one->n_bytes > other->n_bytes ? -1 : 1;
    }
    return order != 0 ? order : (one->owner->number > other->owner->number ? -1 : 1);
}

static int compare_up(const void *left, const void *right)
{
    return -compare_down(left, right);
}

static void candidate_add(struct candidates *candidates, struct engine_entity *owner, bool down)
{
    const struct lw_entity *entity = owner->entity;

    if (down ? entity->tier1 != NULL && owner->open_anomaly == 0 : entity->stepped_down) {
        candidates->list[candidates->n++] = (struct candidate){
            owner, owner->alarmed_ns, down ? lw_entity_tier1_bytes(entity) : 0};
    }
}

/* All entities that could step; the caller frees the list. */
static enum lw_status candidates_find(struct lw_engine *engine, bool down,
                                      struct candidates *ret_candidates)
{
    size_t n_most = 0;

    for (uint32_t i = 0; i < engine->n_shards; i++) {
        n_most += engine->shards[i].n_entities; /* Changes under engine->route alone. */
    }
    *ret_candidates = (struct candidates){
        .list = lw_mem_alloc((n_most + 1) * sizeof(*ret_candidates->list))};
    if (ret_candidates->list == NULL) {
        return LW_ENOMEM;
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; e < shard->n_entities; e++) {
            candidate_add(ret_candidates, shard->entities[e], down);
        }
        (void)pthread_mutex_unlock(&shard->lock);
    }
    qsort(ret_candidates->list, ret_candidates->n, sizeof(*ret_candidates->list),
          down ? compare_down : compare_up);
    return LW_OK;
}

static enum lw_status step_down(struct lw_engine *engine, size_t used, uint32_t *ret_n)
{
    struct engine_entity *owners[STEPS_MAX];
    struct candidates candidates;
    size_t n = 0, freed = 0, wanted = used - share_of(engine, DOWN_TO);
    enum lw_status status;

    lw_engine_drain(engine);
    status = candidates_find(engine, true, &candidates);
    if (status != LW_OK) {
        return status;
    }
    for (; n < candidates.n && n < STEPS_MAX && freed < wanted; n++) {
        owners[n] = candidates.list[n].owner;
        freed += candidates.list[n].n_bytes;
    }
    lw_mem_free(candidates.list);
    status = lw_ladder_step(engine, owners, n, 0);
    *ret_n = status == LW_OK ? (uint32_t)n : 0;
    return status;
}

/* One after another, for what one takes shows when it is there. What it will have learnt is not:
 * hence the distance between UP_TO and DOWN_FROM. */
static enum lw_status step_up(struct lw_engine *engine, uint32_t *ret_n)
{
    struct candidates candidates;
    enum lw_status status;

    lw_engine_drain(engine);
    status = candidates_find(engine, false, &candidates);
    for (size_t i = 0; status == LW_OK && i < candidates.n && i < STEPS_MAX &&
                       lw_ladder_bytes(engine) < share_of(engine, UP_TO);
         i++) {
        status = lw_ladder_step(engine, &candidates.list[i].owner, 1, 1);
        *ret_n += status == LW_OK ? 1 : 0;
    }
    lw_mem_free(candidates.list);
    return status;
}

/* ---- the history ---- */

/* Another bound; what lies beyond it goes. */
static void history_bound(struct lw_engine *engine, size_t n_bytes)
{
    lw_engine_drain(engine); /* Shards read it. */
    engine->history_bytes = n_bytes;
    for (size_t i = engine->n_entities; i > 0 && atomic_load(&engine->history_used) > n_bytes;
         i--) {
        struct engine_entity *owner = engine->entities[i - 1];

        if (owner != NULL) {
            (void)pthread_mutex_lock(&owner->shard->lock);
            lw_history_forget(owner);
            (void)pthread_mutex_unlock(&owner->shard->lock);
        }
    }
}

/* ---- the rule ---- */

static enum lw_status fit(struct lw_engine *engine, struct lw_memory_change *change)
{
    size_t used = lw_ladder_bytes(engine);
    enum lw_status status = LW_OK;

    if (used >= share_of(engine, DOWN_FROM)) {
        status = step_down(engine, used, &change->n_stepped_down);
        if (status == LW_OK && change->n_stepped_down == 0 && engine->history_bytes > 0) {
            history_bound(engine,
                          engine->history_bytes > HISTORY_LEAST ? engine->history_bytes / 2 : 0);
        } else if (status == LW_OK && change->n_stepped_down == 0) {
            engine->refuses = true;
        }
    } else {
        engine->refuses = false;
    }
    if (used < share_of(engine, UP_BELOW) && engine->history_bytes < engine->history_limit) {
        size_t wider = engine->history_bytes == 0 ? HISTORY_LEAST : 2 * engine->history_bytes;

        history_bound(engine, wider < engine->history_limit ? wider : engine->history_limit);
    } else if (used < share_of(engine, UP_BELOW)) {
        status = step_up(engine, &change->n_stepped_up);
    }
    return status;
}

enum lw_status lw_engine_fit_memory(struct lw_engine *engine, struct lw_memory_change *ret_change)
{
    struct lw_memory_change change = {0};
    enum lw_status status = LW_OK;

    (void)pthread_mutex_lock(&engine->route);
    if (engine->memory_limit > 0) {
        change.history_before = engine->history_bytes;
        change.refused_before = engine->refuses;
        status = engine->snapshotting ? LW_EBUSY : fit(engine, &change);
        change.history_after = engine->history_bytes;
        change.refused_after = engine->refuses;
    }
    (void)pthread_mutex_unlock(&engine->route);
    if (ret_change != NULL) {
        *ret_change = change;
    }
    return status;
}
