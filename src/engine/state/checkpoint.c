/*
 * Rolling snapshots.
 *
 * A snapshot begins at a number of the journal: everything before it is in the snapshot. The
 * router's own tables are written as of that number. Entities follow some at a time, by items in
 * the shards' queues, so each piece stands at an exact, later place of the input; a replay that
 * begins at the snapshot's number passes over what an entity holds already. A shard is stopped for
 * one piece, about a quarter of a
 * megabyte, at a time. The snapshot becomes valid only when the journal is on
 * the disk up to the place of its last piece.
 */
#include "engine/state/checkpoint.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/outbox/outbox.h"
#include "engine/state/durable.h"
#include "lapwing/state.h"

#include <string.h>
#include <time.h>

/* Of one shard, at a time. */
#define PIECE_BYTES ((size_t)1 << 18)
#define NAMES_AT_ONCE 2048u
#define KEPT 2u
/* Flags of an entity's record: what follows. */
#define RECORD_OPENED 1u
#define RECORD_COUNTED 2u
#define DURABLE_WAIT_NS INT64_C(30000000000)

/* A snapshot on its way. */
struct checkpoint {
    struct lw_engine *engine;
    struct lw_durable *durable;
    struct lw_snapshot_writer *writer;
    struct lw_writer block; /* The one being made. */
    struct lw_writer gone;  /* LW_BLOCK_GONE, as of its beginning; empty: none. */
    uint64_t sequence;      /* It begins at. */
    uint64_t last;          /* The newest place of a piece. */
    uint64_t n_bytes;
    size_t n_series, n_names; /* As of its beginning. */
    int64_t longest_ns;
};

/* ---- pieces, on the shards' threads ---- */

static void record_write(const struct engine_entity *owner, struct lw_writer *writer)
{
    size_t at, n_bytes;

    lw_write_u8(writer, 1);
    lw_write_u32(writer, owner->number);
    lw_write_u8(writer, (uint8_t)owner->detector);
    lw_write_i64(writer, owner->passed_ns);
    lw_write_u64(writer, owner->fed_by);
    lw_write_u64(writer, owner->told_by);
    lw_write_u8(writer, (uint8_t)((owner->opened != NULL ? RECORD_OPENED : 0) |
                                  (owner->n_counted > 0 ? RECORD_COUNTED : 0)));
    if (owner->n_counted > 0) {
        lw_write_u32(writer, owner->n_counted);
    }
    for (unsigned i = 0; owner->opened != NULL && i < LW_ENGINE_TYPES; i++) {
        lw_write_u32(writer, owner->opened[i]);
    }
    at = writer->n_bytes;
    lw_write_u64(writer, 0);
    lw_entity_write(owner->entity, writer);
    n_bytes = writer->n_bytes - at - sizeof(uint64_t);
    for (unsigned i = 0; writer->status == LW_OK && i < sizeof(uint64_t); i++) {
        writer->data[at + i] = (uint8_t)(n_bytes >> (8 * i));
    }
}

bool lw_entity_record_read(struct lw_reader *reader, struct lw_entity_record *ret_record)
{
    struct lw_entity_record record = {0};
    uint8_t flags;

    if (lw_read_u8(reader) != 1) {
        return false;
    }
    record.number = lw_read_u32(reader);
    record.detector = lw_read_u8(reader);
    record.passed_ns = lw_read_i64(reader);
    record.fed_by = lw_read_u64(reader);
    record.told_by = lw_read_u64(reader);
    flags = lw_read_u8(reader);
    record.has_opened = (flags & RECORD_OPENED) != 0;
    record.n_counted = (flags & RECORD_COUNTED) != 0 ? lw_read_u32(reader) : 0;
    for (unsigned i = 0; record.has_opened && i < LW_ENGINE_TYPES; i++) {
        record.opened[i] = lw_read_u32(reader);
    }
    record.n_bytes = lw_read_u64(reader);
    record.bytes = lw_read_view(reader, (size_t)record.n_bytes);
    *ret_record = record;
    return record.bytes != NULL;
}

void lw_checkpoint_shard(struct shard *shard, uint64_t sequence)
{
    int64_t started_ns = lw_clock_monotonic_ns();
    struct lw_writer *writer = &shard->snapshot;

    lw_writer_reset(writer);
    lw_write_u64(writer, sequence);
    while (shard->snapshot_next < shard->n_entities && writer->n_bytes < PIECE_BYTES) {
        struct engine_entity *owner = shard->entities[shard->snapshot_next++];

        if (owner->number < shard->snapshot_limit) { /* Younger ones come out of the journal. */
            lw_shard_catch_up(owner);
            record_write(owner, writer);
        }
    }
    lw_write_u8(writer, 0);
    shard->longest_snapshot_ns = lw_clock_monotonic_ns() - started_ns > shard->longest_snapshot_ns
                                     ? lw_clock_monotonic_ns() - started_ns
                                     : shard->longest_snapshot_ns;
    (void)pthread_mutex_lock(&shard->queue_lock);
    shard->n_snapshots++;
    (void)pthread_cond_broadcast(&shard->drained);
    (void)pthread_mutex_unlock(&shard->queue_lock);
}

/* ---- blocks, on the thread that makes the snapshot ---- */

static enum lw_status block_add(struct checkpoint *snapshot, enum lw_block_type type,
                                struct lw_error *reterr)
{
    if (snapshot->block.status != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a block of the snapshot");
    }
    snapshot->n_bytes += snapshot->block.n_bytes;
    return lw_snapshot_add(snapshot->writer, type, snapshot->block.data, snapshot->block.n_bytes,
                           reterr);
}

static void write_feed(struct lw_writer *writer, const struct engine_feed *feed)
{
    lw_write_text(writer, feed->source);
    lw_write_u64(writer, feed->samples);
    lw_write_i64(writer, feed->watermark_ns);
    lw_write_i64(writer, feed->told_ns);
    lw_write_u32(writer, feed->n_reasons);
    for (uint32_t i = 0; i < feed->n_reasons; i++) {
        lw_write_text(writer, feed->dropped[i].reason);
        lw_write_u64(writer, feed->dropped[i].n);
    }
}

/* The router's tables. Caller holds engine->route. */
static void write_head(struct checkpoint *snapshot)
{
    struct lw_engine *engine = snapshot->engine;
    struct lw_writer *writer = &snapshot->block;
    struct lw_tally tally;

    lw_writer_reset(writer);
    lw_write_u64(writer, snapshot->sequence);
    lw_write_i64(writer, snapshot->durable->clock_ns);
    lw_write_u64(writer, snapshot->n_series);
    lw_write_u64(writer, snapshot->n_names);
    lw_write_u32(writer, engine->n_feeds);
    for (uint32_t i = 0; i < engine->n_feeds; i++) {
        write_feed(writer, &engine->feeds[i]);
    }
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        const struct engine_detector *place = &engine->detectors[i];

        lw_write_u8(writer, place->detector != NULL);
        if (place->detector != NULL) {
            lw_write_text(writer, lw_detector_name(place->detector));
            lw_write_u64(writer, lw_detector_hash(place->detector));
            lw_write_u64(writer, place->n_series);
            lw_pooled_tail_save(place, writer);
        }
    }
    lw_tally_take(engine, &tally);
    lw_tally_save(&tally, writer);
}

/* Names by number, some at a time: the router waits for no more than that. */
static enum lw_status write_names(struct checkpoint *snapshot, enum lw_block_type type,
                                  struct lw_error *reterr)
{
    struct lw_engine *engine = snapshot->engine;
    bool series = type == LW_BLOCK_SERIES;
    const struct lw_intern *names = series ? engine->series_names : engine->entity_names;
    size_t n = series ? snapshot->n_series : snapshot->n_names;
    enum lw_status status = LW_OK;

    for (size_t from = 0; status == LW_OK && from < n; from += NAMES_AT_ONCE) {
        size_t to = n - from < NAMES_AT_ONCE ? n : from + NAMES_AT_ONCE;

        lw_writer_reset(&snapshot->block);
        lw_write_u32(&snapshot->block, (uint32_t)from);
        lw_write_u32(&snapshot->block, (uint32_t)(to - from));
        (void)pthread_mutex_lock(&engine->route);
        for (size_t i = from; i < to; i++) {
            lw_write_text(&snapshot->block, lw_intern_peek(names, (uint32_t)i, NULL));
        }
        (void)pthread_mutex_unlock(&engine->route);
        status = block_add(snapshot, type, reterr);
    }
    return status;
}

/* One more piece of each shard, all at one place of the input. *ret_more: some are not through. */
static enum lw_status write_pieces(struct checkpoint *snapshot, bool *ret_more,
                                   struct lw_error *reterr)
{
    struct lw_engine *engine = snapshot->engine;
    enum lw_status status = LW_OK;
    uint64_t wanted[LW_ENGINE_SHARDS_MAX] = {0};
    struct item item = {.kind = ITEM_SNAPSHOT};

    (void)pthread_mutex_lock(&engine->route);
    snapshot->last = engine->sequence;
    item.tag = engine->sequence + 1;
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        (void)pthread_mutex_lock(&engine->shards[i].queue_lock);
        wanted[i] = engine->shards[i].n_snapshots + 1; /* Only this thread asks for pieces. */
        (void)pthread_mutex_unlock(&engine->shards[i].queue_lock);
        lw_shard_append(&engine->shards[i], &item);
        lw_shard_submit(&engine->shards[i]);
    }
    (void)pthread_mutex_unlock(&engine->route);
    *ret_more = false;
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];
        struct lw_writer piece;

        (void)pthread_mutex_lock(&shard->queue_lock);
        while (shard->n_snapshots < wanted[i]) {
            (void)pthread_cond_wait(&shard->drained, &shard->queue_lock);
        }
        (void)pthread_mutex_unlock(&shard->queue_lock);
        (void)pthread_mutex_lock(&shard->lock);
        piece = shard->snapshot; /* Exchanged, so that the shard need not wait for the disk. */
        shard->snapshot = snapshot->block;
        snapshot->block = piece;
        *ret_more = *ret_more || shard->snapshot_next < shard->n_entities;
        snapshot->longest_ns = shard->longest_snapshot_ns > snapshot->longest_ns
                                   ? shard->longest_snapshot_ns
                                   : snapshot->longest_ns;
        (void)pthread_mutex_unlock(&shard->lock);
        status = status == LW_OK ? block_add(snapshot, LW_BLOCK_ENTITIES, reterr) : status;
    }
    return status;
}

static enum lw_status write_end(struct checkpoint *snapshot, struct lw_error *reterr)
{
    lw_writer_reset(&snapshot->block);
    if (lw_anomalies_save(snapshot->engine, &snapshot->block) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the anomalies of the snapshot");
    }
    return block_add(snapshot, LW_BLOCK_END, reterr);
}

static enum lw_status write_blocks(struct checkpoint *snapshot, struct lw_error *reterr)
{
    enum lw_status status = block_add(snapshot, LW_BLOCK_HEAD, reterr);
    bool more = true;

    if (status == LW_OK) {
        status = write_names(snapshot, LW_BLOCK_SERIES, reterr);
    }
    if (status == LW_OK) {
        status = write_names(snapshot, LW_BLOCK_NAMES, reterr);
    }
    if (status == LW_OK && snapshot->gone.status != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a block of the snapshot");
    } else if (status == LW_OK && snapshot->gone.n_bytes > 0) {
        status = lw_snapshot_add(snapshot->writer, LW_BLOCK_GONE, snapshot->gone.data,
                                 snapshot->gone.n_bytes, reterr);
    }
    while (status == LW_OK && more) {
        status = write_pieces(snapshot, &more, reterr);
    }
    return status == LW_OK ? write_end(snapshot, reterr) : status;
}

/* ---- the whole ---- */

/* Which entities have expired. Caller holds engine->route. */
static void write_gone(struct checkpoint *snapshot)
{
    const struct lw_engine *engine = snapshot->engine;

    if (engine->n_gone > 0) {
        lw_write_u32(&snapshot->gone, (uint32_t)engine->gone_capacity);
        lw_write_raw(&snapshot->gone, engine->gone, engine->gone_capacity * sizeof(*engine->gone));
    }
}

/* All its pieces are there, or it has failed: decisions over entities may be taken again. Were one
 * taken between two pieces, an entity might be in none, or in a piece with and in the router's
 * tables without it. */
static void checkpoint_end(struct checkpoint *snapshot)
{
    (void)pthread_mutex_lock(&snapshot->engine->route);
    snapshot->engine->snapshotting = false;
    (void)pthread_mutex_unlock(&snapshot->engine->route);
}

/* The place of the snapshot, and the shards made ready. */
static void checkpoint_begin(struct checkpoint *snapshot)
{
    struct lw_engine *engine = snapshot->engine;

    (void)pthread_mutex_lock(&engine->route);
    snapshot->sequence = engine->sequence + 1;
    snapshot->n_series = engine->n_series;
    snapshot->n_names = lw_intern_count(engine->entity_names);
    write_head(snapshot);
    write_gone(snapshot);
    engine->snapshotting = true;
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        shard->snapshot_next = 0;
        shard->snapshot_limit = snapshot->n_names;
        shard->longest_snapshot_ns = 0;
        (void)pthread_mutex_unlock(&shard->lock);
    }
    snapshot->durable->n_points = 0;
    (void)pthread_mutex_unlock(&engine->route);
}

/* What the pieces hold must be in the journal first: else a kill would leave entities ahead of it.
 */
static enum lw_status wait_for_journal(struct checkpoint *snapshot, struct lw_error *reterr)
{
    struct lw_durable *durable = snapshot->durable;
    int64_t until_ns = lw_clock_monotonic_ns() + DURABLE_WAIT_NS;
    enum lw_status status = LW_OK;

    if (!durable->has_syncer) {
        return lw_engine_sync(snapshot->engine, reterr);
    }
    while (status == LW_OK && atomic_load(&durable->durable) < snapshot->last) {
        struct timespec nap = {.tv_nsec = 2000000};

        if (lw_clock_monotonic_ns() > until_ns || atomic_load(&durable->read_only)) {
            (void)pthread_mutex_lock(&durable->lock);
            status = lw_error_set(reterr, LW_EIO, "no snapshot without the journal: %s",
                                  durable->failure.message);
            (void)pthread_mutex_unlock(&durable->lock);
        }
        (void)nanosleep(&nap, NULL);
    }
    return status;
}

static enum lw_status checkpoint_commit(struct checkpoint *snapshot, struct lw_error *reterr)
{
    enum lw_status status = wait_for_journal(snapshot, reterr);

    if (status == LW_OK) {
        status = lw_outbox_sync(snapshot->engine->outbox, reterr);
    }
    if (status != LW_OK) {
        lw_snapshot_abandon(snapshot->writer);
        return status;
    }
    return lw_snapshot_commit(snapshot->writer, reterr);
}

/* Older snapshots, and the journal that only they needed. */
static void drop_older(struct checkpoint *snapshot)
{
    struct lw_durable *durable = snapshot->durable;
    struct lw_snapshot_info kept[KEPT];
    size_t n = 0;

    if (lw_snapshot_trim(&durable->snapshot_config, KEPT, NULL) != LW_OK ||
        lw_snapshot_list(&durable->snapshot_config, false, kept, KEPT, &n, NULL) != LW_OK ||
        n < KEPT) {
        return;
    }
    (void)!lw_outbox_trim(snapshot->engine->outbox, kept[KEPT - 1].sequence, NULL);
    (void)pthread_mutex_lock(&durable->lock);
    durable->trim_before = kept[KEPT - 1].sequence;
    (void)pthread_cond_signal(&durable->wake_syncer);
    (void)pthread_mutex_unlock(&durable->lock);
}

static void tell_outcome(struct checkpoint *snapshot, enum lw_status status,
                         const struct lw_error *error, int64_t started_ns)
{
    struct lw_durable *durable = snapshot->durable;

    (void)pthread_mutex_lock(&durable->lock);
    durable->checkpoint_failed = status != LW_OK;
    if (status == LW_OK) {
        durable->totals.checkpoints++;
        durable->totals.checkpoint_bytes = snapshot->n_bytes;
        durable->totals.checkpoint_ns = durable->real_ns(durable->real_context);
        durable->totals.checkpoint_s = (double)(lw_clock_monotonic_ns() - started_ns) / 1e9;
        durable->totals.checkpoint_stall_s = (double)snapshot->longest_ns / 1e9;
    } else {
        durable->totals.checkpoint_failures++;
        durable->failure = *error;
    }
    (void)pthread_mutex_unlock(&durable->lock);
}

enum lw_status lw_engine_checkpoint(struct lw_engine *engine, struct lw_error *reterr)
{
    struct checkpoint snapshot = {.engine = engine, .durable = engine->durable};
    int64_t started_ns = lw_clock_monotonic_ns();
    struct lw_error error = {0};
    enum lw_status status;

    if (engine->durable == NULL || engine->durable->journal == NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the engine keeps no state");
    }
    (void)pthread_mutex_lock(&engine->durable->checkpoint_lock);
    lw_writer_init(&snapshot.block);
    lw_writer_init(&snapshot.gone);
    checkpoint_begin(&snapshot);
    status = lw_snapshot_create(&engine->durable->snapshot_config, snapshot.sequence,
                                LW_CHECKPOINT_VERSION, &snapshot.writer, &error);
    if (status == LW_OK) {
        status = write_blocks(&snapshot, &error);
        checkpoint_end(&snapshot);
        if (status == LW_OK) {
            status = checkpoint_commit(&snapshot, &error);
        } else {
            lw_snapshot_abandon(snapshot.writer);
        }
    } else {
        checkpoint_end(&snapshot);
    }
    tell_outcome(&snapshot, status, &error, started_ns);
    if (status == LW_OK) {
        drop_older(&snapshot);
    } else if (reterr != NULL) {
        *reterr = error;
    }
    lw_writer_fini(&snapshot.block);
    lw_writer_fini(&snapshot.gone);
    (void)pthread_mutex_unlock(&engine->durable->checkpoint_lock);
    return status;
}
