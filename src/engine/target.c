/* Targets of series and of entities, and which entities have expired: see engine/target.h. */
#include "engine/target.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* Into the chain of its entity, the largest series first: most often it is the newest. */
static void own_add(struct lw_engine *engine, uint32_t number, uint32_t place, uint32_t series)
{
    uint32_t *link = &engine->own_targets[number];

    while (*link != UINT32_MAX && engine->target_owners[*link].series > series) {
        link = &engine->target_owners[*link].next;
    }
    engine->target_owners[place] = (struct target_owner){series, *link};
    *link = place;
}

/* Room for a target more at `place` and for the chain of an entity. */
static bool own_room(struct lw_engine *engine, uint32_t number, uint32_t place)
{
    if (!lw_array_room((void **)&engine->target_owners, &engine->target_owners_capacity, place,
                       sizeof(*engine->target_owners)) ||
        !lw_array_room((void **)&engine->own_targets, &engine->own_targets_capacity, number,
                       sizeof(*engine->own_targets))) {
        return false;
    }
    while (engine->n_own_targets <= number) {
        engine->own_targets[engine->n_own_targets++] = UINT32_MAX;
    }
    return true;
}

enum lw_status lw_target_add(struct lw_engine *engine, uint32_t series, const struct target *target,
                             struct lw_error *reterr)
{
    uint32_t *link = &engine->first_target[series];
    uint32_t place = engine->free_target;
    uint32_t after = place == UINT32_MAX ? UINT32_MAX : engine->targets[place].next;

    if (place == UINT32_MAX) {
        place = (uint32_t)engine->n_targets;
    }
    if (!lw_array_room((void **)&engine->targets, &engine->targets_capacity, place,
                       sizeof(*engine->targets)) ||
        !own_room(engine, target->number, place)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for where a series goes");
    }
    engine->free_target = after;
    engine->n_targets += place == engine->n_targets ? 1 : 0;
    while (*link != UINT32_MAX) {
        link = &engine->targets[*link].next;
    }
    *link = place;
    engine->targets[place] = *target;
    engine->targets[place].next = UINT32_MAX;
    engine->targets[place].row = engine->detectors[target->detector].detector->step_kind ==
                                 LW_STEP_ROW;
    own_add(engine, target->number, place, series);
    return LW_OK;
}

static void target_free(struct lw_engine *engine, uint32_t at)
{
    struct target *target = &engine->targets[at];

    lw_gone_set(engine, target->number, false);
    engine->own_targets[target->number] = UINT32_MAX; /* All of the entity's go. */
    target->next = engine->free_target;
    engine->free_target = at;
}

void lw_target_unlink(struct lw_engine *engine, uint32_t detector)
{
    for (size_t i = 0; i < engine->n_series; i++) {
        uint32_t *link = &engine->first_target[i];

        while (*link != UINT32_MAX) {
            uint32_t at = *link;

            if (engine->targets[at].detector == detector) {
                *link = engine->targets[at].next;
                target_free(engine, at);
            } else {
                link = &engine->targets[at].next;
            }
        }
    }
}

void lw_target_reverse(struct lw_engine *engine, uint32_t number)
{
    uint32_t at = engine->own_targets[number], reversed = UINT32_MAX;

    while (at != UINT32_MAX) {
        uint32_t next = engine->target_owners[at].next;

        engine->target_owners[at].next = reversed;
        reversed = at;
        at = next;
    }
    engine->own_targets[number] = reversed;
}

bool lw_gone_get(const struct lw_engine *engine, uint32_t number)
{
    return number / 64 < engine->gone_capacity &&
           (engine->gone[number / 64] >> (number % 64) & 1) != 0;
}

void lw_gone_set(struct lw_engine *engine, uint32_t number, bool gone)
{
    if (lw_gone_get(engine, number) == gone) {
        return;
    }
    engine->gone[number / 64] ^= UINT64_C(1) << (number % 64);
    engine->n_gone += gone ? 1 : (uint64_t)-1;
}

bool lw_gone_room(struct lw_engine *engine, uint32_t number)
{
    size_t before = engine->gone_capacity;

    if (!lw_array_room((void **)&engine->gone, &engine->gone_capacity, number / 64,
                       sizeof(*engine->gone))) {
        return false;
    }
    memset(engine->gone + before, 0, (engine->gone_capacity - before) * sizeof(*engine->gone));
    return true;
}
