/* Rolling snapshots: some entities at a time, each stamped with the journal's number it stands at.
 */
#ifndef LW_ENGINE_STATE_CHECKPOINT_H
#define LW_ENGINE_STATE_CHECKPOINT_H

#include "engine/core.h"

#define LW_CHECKPOINT_VERSION 1u

/* Types of a snapshot's blocks. Their numbers are part of the format. */
enum lw_block_type {
    LW_BLOCK_HEAD = 1,     /* Feeds, detectors, totals, as of the snapshot's number. */
    LW_BLOCK_SERIES = 2,   /* Names of series, by number. */
    LW_BLOCK_NAMES = 3,    /* Names of entities, by number. */
    LW_BLOCK_ENTITIES = 4, /* Some entities, at one place of the journal. */
    LW_BLOCK_END = 5,      /* Anomalies kept. */
    LW_BLOCK_GONE = 6      /* Bits of the names that had expired; behind them, and only if any. */
};

/* What is in front of an entity's own bytes. */
struct lw_entity_record {
    uint32_t number;
    uint8_t detector; /* Place in the head's list. */
    int64_t passed_ns;
    uint64_t fed_by, told_by;
    bool has_opened;
    uint32_t n_counted; /* Of struct engine_entity. */
    uint32_t opened[LW_ENGINE_TYPES];
    const uint8_t *bytes;
    uint64_t n_bytes;
};

/* Reads one; false at the end of the block, or when it is damaged (reader->status). */
bool lw_entity_record_read(struct lw_reader *reader, struct lw_entity_record *ret_record);

/* ITEM_SNAPSHOT, on the shard's thread: some entities go into shard->snapshot. */
void lw_checkpoint_shard(struct shard *shard, uint64_t sequence);

/* Format of a savepoint. The two versions before the newest stay readable; version 1 was never
 * released. */
#define LW_STATE_VERSION 2u
#define LW_STATE_OLDEST 2u

/* state.c, shared with lw_engine_save(): what all shards counted for entities that are gone. */
struct lw_tally {
    uint64_t cells_refused, trainings_failed;
    uint64_t by_type[LW_ENGINE_TYPES];
    int64_t first_ns, last_ns;
    struct lw_entity_counts gone;
};
void lw_tally_take(struct lw_engine *engine, struct lw_tally *ret_tally);
void lw_tally_give(struct lw_engine *engine, const struct lw_tally *tally);
void lw_tally_save(const struct lw_tally *tally, struct lw_writer *writer);
void lw_tally_load(struct lw_tally *ret_tally, struct lw_reader *reader);

#endif
