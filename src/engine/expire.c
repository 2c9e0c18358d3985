/* Entities that nobody feeds any more: see engine/expire.h. */
#include "engine/expire.h"

#include "base/error.h"
#include "engine/advance.h"
#include "engine/state/durable.h"
#include "engine/target.h"

#include <string.h>

/* Rounds in the shortest "expire_after", and entities looked at for one watermark. */
#define ROUNDS 64
#define LOOKS 64u

/* ---- who is idle ---- */

int64_t lw_entity_fed_ns(const struct lw_entity *entity)
{
    int64_t newest = entity->pending_ns == INT64_MAX ? INT64_MIN : entity->pending_ns;

    for (uint32_t i = 0; i < entity->n_series; i++) {
        const struct lw_fault *fault = &entity->series[i]->fault;

        if (fault->n_samples > 0 && fault->last_time_ns > newest) {
            newest = fault->last_time_ns;
        }
    }
    return newest;
}

/* Event time by which an entity is idle; INT64_MIN: cannot tell. */
static int64_t clock_of(const struct engine_entity *owner)
{
    int64_t time_ns = INT64_MAX;

    if (owner->told_by != owner->fed_by) {
        return INT64_MIN;
    }
    for (unsigned feed = 0; feed < FEEDS_MAX; feed++) {
        int64_t feed_ns = owner->shard->feed_ns[feed];

        if (owner->fed_by == 0 ? feed_ns != INT64_MIN : (owner->fed_by >> feed & 1) != 0) {
            time_ns = feed_ns < time_ns ? feed_ns : time_ns;
        }
    }
    return time_ns == INT64_MAX ? INT64_MIN : time_ns;
}

static bool passed(int64_t from_ns, int64_t to_ns, int64_t length_ns)
{
    return to_ns > from_ns && (uint64_t)to_ns - (uint64_t)from_ns >= (uint64_t)length_ns;
}

/* Shard's lock held. */
static bool is_idle(struct engine_entity *owner)
{
    const struct lw_entity *entity = owner->entity;
    int64_t after_ns = entity->detector->spec->detector.expire_after_ns;
    int64_t now_ns = clock_of(owner), fed_ns;

    if (after_ns == 0 || now_ns == INT64_MIN || owner->n_row > 0) {
        return false;
    }
    fed_ns = lw_entity_fed_ns(entity);
    if (fed_ns == INT64_MIN) { /* Named, and never fed: it has until as long from now. */
        owner->unfed_ns = owner->unfed_ns == INT64_MIN ? now_ns : owner->unfed_ns;
        fed_ns = owner->unfed_ns;
    }
    return passed(fed_ns, now_ns, after_ns);
}

void lw_expire_look(struct shard *shard, int64_t watermark_ns)
{
    int64_t least_ns = shard->engine->expire_least_ns;
    unsigned n_found = atomic_load_explicit(&shard->n_idle, memory_order_relaxed);

    if (least_ns == 0 || shard->replaying || n_found > 0) {
        return;
    }
    if (shard->look_next >= shard->n_entities) { /* A round is over: is it time for the next? */
        shard->look_ns = watermark_ns < shard->look_ns ? watermark_ns : shard->look_ns;
        if (!passed(shard->look_ns, watermark_ns, least_ns / ROUNDS)) {
            return;
        }
        shard->look_ns = watermark_ns;
        shard->look_next = 0;
    }
    for (unsigned i = 0; i < LOOKS && shard->look_next < shard->n_entities; i++) {
        struct engine_entity *owner = shard->entities[shard->look_next++];

        if (is_idle(owner)) {
            shard->idle[n_found++] = owner->number;
        }
    }
    atomic_store_explicit(&shard->n_idle, n_found, memory_order_release);
}

/* ---- expiring ---- */

static enum lw_status record_write(struct lw_engine *engine, struct engine_entity *const *owners,
                                   size_t n)
{
    struct lw_writer *record = NULL;
    enum lw_status status = lw_durable_begin(engine, &record);

    if (status != LW_OK || record == NULL) {
        return status;
    }
    lw_write_u32(record, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        lw_write_text(record, lw_detector_name(lw_entity_detector(owners[i]->entity)));
        lw_write_text(record, lw_entity_name(owners[i]->entity));
    }
    return lw_durable_append(engine, LW_RECORD_EXPIRE);
}

/* Its targets lead nowhere, and its series share the budget no more. */
static void targets_lead_nowhere(struct lw_engine *engine, const struct engine_entity *owner)
{
    struct engine_detector *place = &engine->detectors[owner->detector];
    uint64_t n_before = place->n_series;
    uint32_t at = owner->number < engine->n_own_targets ? engine->own_targets[owner->number]
                                                        : UINT32_MAX;

    for (uint32_t i = 0; i < owner->n_counted; i++) {
        place->n_series -= lw_entity_watches(owner->entity, i) ? 1 : 0;
    }
    for (; at != UINT32_MAX; at = engine->target_owners[at].next) {
        struct target *target = &engine->targets[at];

        if (target->entity != NULL && target->series >= owner->n_counted &&
            lw_entity_watches(owner->entity, target->series)) {
            place->n_series--;
        }
        target->entity = NULL;
    }
    lw_registry_tell_sharing(engine, owner->detector, n_before);
    lw_gone_set(engine, owner->number, true);
}

/* It is told what it was spared, and its open anomaly ends. */
static void say_goodbye(struct engine_entity *owner)
{
    struct shard *shard = owner->shard;

    (void)pthread_mutex_lock(&shard->lock);
    shard->sequence = shard->engine->sequence; /* What is told now belongs to this record. */
    lw_shard_catch_up(owner);
    lw_entity_life_finish(owner->entity, &shard->sink);
    owner->leaving = true;
    (void)pthread_mutex_unlock(&shard->lock);
}

/* The record is written, and every shard drained. The entities are freed. */
static void drop(struct lw_engine *engine, struct engine_entity *const *owners, size_t n)
{
    uint64_t shards = 0;

    for (size_t i = 0; i < n; i++) {
        targets_lead_nowhere(engine, owners[i]);
        say_goodbye(owners[i]);
        shards |= UINT64_C(1) << owners[i]->shard->number;
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        if ((shards >> i & 1) != 0) {
            (void)pthread_mutex_lock(&engine->shards[i].lock);
            lw_registry_drop_leaving(&engine->shards[i], true);
            (void)pthread_mutex_unlock(&engine->shards[i].lock);
        }
    }
}

enum lw_status lw_expire_entities(struct lw_engine *engine, struct engine_entity *const *owners,
                                  size_t n)
{
    enum lw_status status = LW_OK;

    if (engine->snapshotting) {
        return LW_EBUSY;
    }
    lw_engine_drain(engine);
    for (size_t i = 0; status == LW_OK && i < n; i++) {
        status = lw_gone_room(engine, owners[i]->number) ? LW_OK : LW_ENOMEM;
    }
    if (status == LW_OK && n > 0) {
        status = record_write(engine, owners, n);
    }
    if (status == LW_OK) {
        drop(engine, owners, n);
        engine->n_expired += n;
    }
    return status;
}

void lw_expire_idle(struct lw_engine *engine)
{
    struct engine_entity *owners[LW_IDLE_MAX];

    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];
        unsigned n_found = atomic_load_explicit(&shard->n_idle, memory_order_acquire);
        size_t n = 0;

        if (n_found == 0 || engine->snapshotting) {
            continue;
        }
        lw_shard_drain(shard);
        (void)pthread_mutex_lock(&shard->lock);
        for (unsigned e = 0; e < n_found; e++) { /* A sample may have come meanwhile. */
            struct engine_entity *owner = engine->entities[shard->idle[e]];

            if (owner != NULL && owner->shard == shard && is_idle(owner)) {
                owners[n++] = owner;
            }
        }
        atomic_store(&shard->n_idle, 0);
        (void)pthread_mutex_unlock(&shard->lock);
        (void)!lw_expire_entities(engine, owners, n); /* Else the next round finds them again. */
    }
}

bool lw_expire_undo(struct lw_engine *engine, uint32_t at)
{
    if (lw_registry_revive(engine, engine->targets[at].number, NULL) != LW_OK) {
        engine->series_refused++;
    }
    return engine->targets[at].entity != NULL;
}

void lw_expire_settle(struct lw_engine *engine)
{
    engine->expire_least_ns = 0;
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        const struct lw_detector *detector = engine->detectors[i].detector;
        int64_t after_ns = detector == NULL ? 0 : detector->spec->detector.expire_after_ns;

        if (after_ns > 0 && (engine->expire_least_ns == 0 || after_ns < engine->expire_least_ns)) {
            engine->expire_least_ns = after_ns;
        }
    }
}

/* ---- replaying ---- */

/* The next of a record's entities, NULL where its detector is gone or has other options. */
static enum lw_status read_owner(struct lw_engine *engine, struct lw_reader *reader,
                                 struct engine_entity **ret_owner)
{
    char detector[LW_NAME_MAX], name[LW_NAME_MAX];

    lw_read_text(reader, detector, sizeof(detector));
    lw_read_text(reader, name, sizeof(name));
    if (reader->status != LW_OK) {
        return LW_EFORMAT;
    }
    *ret_owner = lw_registry_find(engine, detector, name);
    return *ret_owner == NULL || lw_gone_room(engine, (*ret_owner)->number) ? LW_OK : LW_ENOMEM;
}

enum lw_status lw_expire_replay(struct lw_engine *engine, struct lw_reader *reader)
{
    uint32_t n_left = lw_read_u32(reader);
    enum lw_status status = LW_OK;

    lw_engine_drain(engine);
    while (n_left > 0 && status == LW_OK) {
        struct engine_entity *owners[LW_IDLE_MAX];
        size_t n = 0;

        for (; n_left > 0 && n < LW_IDLE_MAX && status == LW_OK; n_left--) {
            owners[n] = NULL;
            status = read_owner(engine, reader, &owners[n]);
            n += owners[n] != NULL ? 1 : 0;
        }
        if (status == LW_OK) {
            drop(engine, owners, n);
        }
    }
    return status == LW_OK && (reader->status != LW_OK || lw_reader_left(reader) != 0) ? LW_EFORMAT
                                                                                       : status;
}
