/*
 * Targets: where points of a series go, kept for as long as the series is known.
 *
 * A target outlives its entity: when that expires, the target leads nowhere (entity NULL) until a
 * sample or a new series brings the entity back. So numbers of series that sources hold stay good,
 * and coming back is a consequence of the order of calls alone. All under engine->route.
 */
#ifndef LW_ENGINE_TARGET_H
#define LW_ENGINE_TARGET_H

#include "engine/core.h"

/* Appends a target to a series' chain; `row` and `next` are filled here. LW_ENOMEM. */
enum lw_status lw_target_add(struct lw_engine *engine, uint32_t series, const struct target *target,
                             struct lw_error *reterr) LW_MUST_USE;
/* Unlinks the targets of a detector from every chain; their places are free again, and none of its
 * entities counts as expired any more. */
void lw_target_unlink(struct lw_engine *engine, uint32_t detector);
/* The targets of an entity, by number, in the other order. */
void lw_target_reverse(struct lw_engine *engine, uint32_t number);

/* Has the entity of that number expired? */
bool lw_gone_get(const struct lw_engine *engine, uint32_t number);
/* `gone` needs room made by lw_gone_room(); false when there is no memory. */
void lw_gone_set(struct lw_engine *engine, uint32_t number, bool gone);
bool lw_gone_room(struct lw_engine *engine, uint32_t number);

#endif
