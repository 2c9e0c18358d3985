/*
 * The ladder: what entities do without when memory runs short, and get back when there is some.
 *
 * How much memory there is depends on the machine and on how far shards have come, so a step is a
 * decision: a record of the journal names the entities (LW_RECORD_TIER). A series that is refused
 * leaves no record at all, since it is refused before it has a name. Histories are for pages; no
 * verdict depends on them. The rule is at lw_engine_fit_memory().
 */
#ifndef LW_ENGINE_LADDER_H
#define LW_ENGINE_LADDER_H

#include "engine/core.h"

/* All: caller holds engine->route. */

/* Memory that counts against the limit; cheap. */
size_t lw_ladder_bytes(const struct lw_engine *engine);
/* May a new series come? */
bool lw_ladder_admits(struct lw_engine *engine);
/* Tier 1 of entities goes, or comes back (tier 1). LW_EBUSY while a snapshot is under way or the
 * state is read-only; LW_ENOMEM: nothing happened. */
enum lw_status lw_ladder_step(struct lw_engine *engine, struct engine_entity *const *owners,
                              size_t n, uint8_t tier) LW_MUST_USE;
/* While replaying: LW_RECORD_TIER. LW_EFORMAT. */
enum lw_status lw_ladder_replay(struct lw_engine *engine, struct lw_reader *reader) LW_MUST_USE;

#endif
