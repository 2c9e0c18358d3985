/*
 * Entities that nobody feeds any more expire: option "expire_after" of their detector.
 *
 * Which entity is idle depends on what several feeds have told and on how far its shard has come,
 * so it is a decision, and the decision is a record of the journal (LW_RECORD_EXPIRE). The clock is
 * event time: of the feeds that deliver to the entity, the slowest; of an entity that nobody has
 * fed since a start or a long pause, the slowest of all feeds that have told one. Shards look
 * through their entities some at a time, a round each sixty-fourth of the shortest "expire_after";
 * the router takes what they found.
 *
 * What expires is gone with its open anomaly, which ends; what it counted stays in the totals. Its
 * targets stay (target.h): the next sample, or a new series of it, begins it anew. A series that
 * ends while others of its entity go on is kept: places of series within an entity are numbers that
 * models use.
 */
#ifndef LW_ENGINE_EXPIRE_H
#define LW_ENGINE_EXPIRE_H

#include "engine/core.h"

/* On the shard's thread, with shard->lock held, at a watermark: looks at some entities. */
void lw_expire_look(struct shard *shard, int64_t watermark_ns);
/* Event time of the newest sample an entity had; INT64_MIN: none. Shard's lock held. */
int64_t lw_entity_fed_ns(const struct lw_entity *entity);

/* All below: caller holds engine->route. */

/* Lets what the shards found idle expire, unless a snapshot is under way or the state read-only. */
void lw_expire_idle(struct lw_engine *engine);
/* Lets entities expire, whatever they are fed. LW_EBUSY while a snapshot is under way or the state
 * is read-only; LW_ENOMEM: nothing happened. */
enum lw_status lw_expire_entities(struct lw_engine *engine, struct engine_entity *const *owners,
                                  size_t n) LW_MUST_USE;
/* A sample comes to a target that leads nowhere. False, and the series is counted as refused, when
 * its entity cannot come back. */
bool lw_expire_undo(struct lw_engine *engine, uint32_t at);
/* The set of detectors has changed. */
void lw_expire_settle(struct lw_engine *engine);
/* While replaying: LW_RECORD_EXPIRE. LW_EFORMAT; LW_ENOMEM. */
enum lw_status lw_expire_replay(struct lw_engine *engine, struct lw_reader *reader) LW_MUST_USE;

#endif
