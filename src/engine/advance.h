/* Event time on a shard: which entity is told which watermark. Callers are the shard's thread, or
 * hold shard->lock. */
#ifndef LW_ENGINE_ADVANCE_H
#define LW_ENGINE_ADVANCE_H

#include "engine/core.h"

/* The entity got a sample of that feed. */
void lw_shard_fed(struct engine_entity *owner, uint16_t feed);
/* Tell an entity the event time it was spared, before a sample or before it is written down. */
void lw_shard_catch_up(struct engine_entity *owner);
/* The entity is to be asked what is due at the next watermark. */
void lw_shard_touch(struct engine_entity *owner);
/* A feed's watermark; INT64_MIN: all it delivered is complete. */
void lw_shard_advance(struct shard *shard, uint16_t feed, int64_t watermark_ns);
/* The input has ended. */
void lw_shard_finish_all(struct shard *shard);
/* Nobody listened for a while: what comes next is a beginning. */
void lw_shard_resume_all(struct shard *shard);
/* Entities that are `leaving` go: nothing waits for them any more. */
void lw_shard_forget(struct shard *shard);

#endif
