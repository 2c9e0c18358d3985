/*
 * The life of an entity's anomalies, kept only while there is one to keep.
 *
 * Most steps of most entities are quiet: they touch no more than two words of the entity. The first
 * alarm or onset takes a block of the pool for struct lw_life; when the life has nothing open or
 * pending any more the block goes back.
 */
#include "engine/operator/entity.h"

#include "base/hash.h"

#include <string.h>

static void life_rule(const struct lw_entity *entity, struct lw_life_rule *ret_rule)
{
    const struct lw_detector *detector = entity->detector;
    uint64_t quiet = (uint64_t)detector->spec->detector.quiet_steps;

    if (detector->step_kind == LW_STEP_SAMPLE) {
        quiet *= entity->n_series; /* There each sample of each series is a step. */
    }
    *ret_rule = (struct lw_life_rule){
        .seed = lw_hash_bytes(entity->name, strlen(entity->name),
                              lw_hash_bytes(detector->name, strlen(detector->name), 0)),
        .quiet_steps = quiet > UINT32_MAX ? UINT32_MAX : (uint32_t)quiet,
        .hysteresis = detector->hysteresis};
}

bool lw_entity_life_ensure(struct lw_entity *entity)
{
    if (entity->life == NULL) {
        entity->life = lw_pool_take(entity->pool, sizeof(*entity->life));
        if (entity->life != NULL) {
            lw_life_init(entity->life);
        }
    }
    return entity->life != NULL;
}

void lw_entity_life_drop(struct lw_entity *entity)
{
    lw_pool_give(entity->pool, entity->life, sizeof(*entity->life));
    entity->life = NULL;
}

void lw_entity_step_begin(struct lw_entity *entity, int64_t time_ns)
{
    entity->step_time_ns = time_ns;
    entity->step_told = entity->life != NULL;
    if (entity->step_told) {
        lw_life_begin(entity->life, time_ns);
    }
}

void lw_entity_step_tell(struct lw_entity *entity, const struct lw_verdict *verdict)
{
    struct lw_verdict heard;

    if (!verdict->alarm && !verdict->onset) {
        return;
    }
    if (!entity->step_told) {
        if (!lw_entity_life_ensure(entity)) {
            entity->counts.untold++;
            return;
        }
        lw_life_begin(entity->life, entity->step_time_ns);
        entity->step_told = true;
    }
    heard = *verdict;
    heard.onset = verdict->onset && verdict->confidence == LW_FULL; /* Low: marked, not notified. */
    lw_life_take(entity->life, &heard);
}

void lw_entity_step_end(struct lw_entity *entity, const struct lw_sink *sink)
{
    struct lw_life_rule rule;
    struct lw_anomaly anomaly;

    if (!entity->step_told) {
        return;
    }
    life_rule(entity, &rule);
    if (lw_life_end(&rule, entity->life, &anomaly) && sink != NULL && sink->anomaly != NULL) {
        sink->anomaly(sink->context, entity, &anomaly);
    }
    if (lw_life_idle(entity->life)) {
        lw_entity_life_drop(entity);
    }
}

bool lw_entity_life_open(const struct lw_entity *entity)
{
    return entity->life != NULL && lw_life_open(entity->life);
}

void lw_entity_life_finish(struct lw_entity *entity, const struct lw_sink *sink)
{
    while (lw_entity_life_open(entity)) {
        lw_entity_step_begin(entity, entity->life->time_ns);
        lw_entity_step_end(entity, sink);
    }
}
