/*
 * Recovery: the newest snapshot, then the journal from its number on, through the same calls that
 * feeds make.
 *
 * Entities of a snapshot stand at later places than its number; until the replay has come to theirs
 * they pass over what they hold already (engine_entity.stands_at). Pooled tails are read from the
 * journal, since entities beyond the place of pooling would spoil them. Damage is never guessed
 * around: the message names the file, and an older snapshot that is whole.
 */
#include "engine/state/durable.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/expire.h"
#include "engine/identity.h"
#include "engine/ladder.h"
#include "engine/state/checkpoint.h"
#include "engine/target.h"
#include "lapwing/state.h"
#include "stream/series_name.h"

#include <stdio.h>
#include <string.h>

#define PIECE 512u
#define SNAPSHOTS_LOOKED_AT 16u
#define FOREIGN UINT32_MAX

/* What the head of a snapshot says. */
struct head {
    uint64_t sequence, n_series, n_names;
    uint32_t places[LW_ENGINE_DETECTORS_MAX]; /* Place now by place then; FOREIGN: gone, or of other
                                                 options. */
    uint64_t n_sharing[LW_ENGINE_DETECTORS_MAX];
    struct lw_tally tally;
};

struct recovery {
    struct lw_durable *durable;
    struct lw_engine *engine;
    struct head head;
    uint32_t *numbers; /* Number now by number then, of entities; FOREIGN. */
    struct lw_state_report report;
};

/* Checksums held, so it was written so: by another program, or with a mistake of ours. */
static enum lw_status damaged(struct lw_error *reterr, const char *what)
{
    return lw_error_set(reterr, LW_EFORMAT, "the snapshot's %s cannot be", what);
}

/* ---- the head ---- */

static void read_feed(struct lw_engine *engine, struct lw_reader *reader)
{
    char source[LW_SHORT_NAME_MAX];
    struct engine_feed *feed;

    lw_read_text(reader, source, sizeof(source));
    feed = reader->status == LW_OK ? lw_engine_add_feed(engine, source) : NULL;
    if (feed == NULL) {
        reader->status = LW_EFORMAT;
        return;
    }
    feed->samples = lw_read_u64(reader);
    feed->watermark_ns = lw_read_i64(reader);
    feed->told_ns = lw_read_i64(reader);
    feed->n_reasons = lw_read_u32(reader);
    if (feed->n_reasons > REASONS_MAX) {
        reader->status = LW_EFORMAT;
        feed->n_reasons = 0;
    }
    for (uint32_t i = 0; i < feed->n_reasons; i++) {
        lw_read_text(reader, feed->dropped[i].reason, sizeof(feed->dropped[i].reason));
        feed->dropped[i].n = lw_read_u64(reader);
    }
}

static enum lw_status read_detector(struct recovery *recovery, uint32_t place,
                                    struct lw_reader *reader, struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    struct engine_detector gone;
    char name[LW_SHORT_NAME_MAX];
    uint32_t now = FOREIGN;
    uint64_t hash;

    lw_read_text(reader, name, sizeof(name));
    hash = lw_read_u64(reader);
    recovery->head.n_sharing[place] = lw_read_u64(reader);
    now = lw_engine_find_detector(engine, name);
    if (now != UINT32_MAX && lw_detector_hash(engine->detectors[now].detector) != hash) {
        now = FOREIGN;
    }
    recovery->head.places[place] = now;
    return lw_pooled_tail_load(now == FOREIGN ? &gone : &engine->detectors[now], reader, reterr);
}

static enum lw_status read_head(struct recovery *recovery, const struct lw_snapshot_block *block,
                                struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    struct head *head = &recovery->head;
    struct lw_reader reader;
    enum lw_status status = LW_OK;
    uint32_t n_feeds;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    head->sequence = lw_read_u64(&reader);
    recovery->durable->clock_ns = lw_read_i64(&reader);
    head->n_series = lw_read_u64(&reader);
    head->n_names = lw_read_u64(&reader);
    n_feeds = lw_read_u32(&reader);
    for (uint32_t i = 0; i < n_feeds && reader.status == LW_OK; i++) {
        read_feed(engine, &reader);
    }
    for (uint32_t i = 0; status == LW_OK && i < LW_ENGINE_DETECTORS_MAX; i++) {
        head->places[i] = FOREIGN;
        if (lw_read_u8(&reader) != 0) {
            status = read_detector(recovery, i, &reader, reterr);
        }
    }
    lw_tally_load(&head->tally, &reader);
    if (status == LW_OK && (reader.status != LW_OK || head->n_names > LW_ENGINE_SERIES_MAX ||
                            head->n_series > LW_ENGINE_SERIES_MAX)) {
        return damaged(reterr, "head");
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        for (uint32_t f = 0; f < engine->n_feeds; f++) {
            engine->shards[i].feed_ns[f] = engine->feeds[f].told_ns;
        }
    }
    recovery->numbers = lw_mem_calloc(head->n_names + 1, sizeof(*recovery->numbers));
    return recovery->numbers == NULL
               ? lw_error_set(reterr, LW_ENOMEM, "no memory for %llu entities",
                              (unsigned long long)head->n_names)
               : status;
}

/* ---- names ---- */

/* "place/name", as the registry keeps it: the number goes to the same name of now. */
static enum lw_status take_name(struct recovery *recovery, uint32_t number, const char *text,
                                struct lw_error *reterr)
{
    unsigned place = 0;
    const char *slash = strchr(text, '/');

    recovery->numbers[number] = FOREIGN;
    if (slash == NULL || sscanf(text, "%u", &place) != 1 || place >= LW_ENGINE_DETECTORS_MAX) {
        return damaged(reterr, "list of names");
    }
    if (recovery->head.places[place] == FOREIGN) {
        return LW_OK;
    }
    return lw_registry_number(recovery->engine, recovery->head.places[place], slash + 1,
                              &recovery->numbers[number], reterr);
}

static enum lw_status take_series(struct recovery *recovery, uint32_t number, const char *text,
                                  struct lw_error *reterr)
{
    struct lw_series_name name;
    uint32_t series = 0;
    struct lw_error why = {0};
    enum lw_status status = lw_series_name_parse(text, strlen(text), &name, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = lw_registry_name(recovery->engine, &name, text, &series, &why);
    if (status == LW_ENOMEM) {
        return lw_error_set(reterr, status, "%s", why.message);
    }
    /* That a detector refuses it, as it may have done then, is no damage. */
    return series == number ? LW_OK : damaged(reterr, "list of series");
}

static enum lw_status read_names(struct recovery *recovery, const struct lw_snapshot_block *block,
                                 struct lw_error *reterr)
{
    bool series = block->type == LW_BLOCK_SERIES;
    struct lw_reader reader;
    uint32_t from, n;
    enum lw_status status = LW_OK;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    from = lw_read_u32(&reader);
    n = lw_read_u32(&reader);
    if ((uint64_t)from + n > (series ? recovery->head.n_series : recovery->head.n_names)) {
        return damaged(reterr, "list of names");
    }
    for (uint32_t i = 0; status == LW_OK && i < n; i++) {
        char text[LW_NAME_MAX + 16];

        lw_read_text(&reader, text, sizeof(text));
        if (reader.status != LW_OK) {
            return damaged(reterr, "list of names");
        }
        status = series ? take_series(recovery, from + i, text, reterr)
                        : take_name(recovery, from + i, text, reterr);
    }
    return status;
}

/* ---- entities ---- */

/* The registry has it: what the engine knows of it beside its own bytes. */
static enum lw_status owner_fill(struct engine_entity *owner, const struct lw_entity_record *record,
                                 uint64_t stands_at, struct lw_error *reterr)
{
    struct shard *shard = owner->shard;

    if (record->has_opened) {
        owner->opened = lw_mem_alloc(sizeof(record->opened));
        if (owner->opened == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for an entity's counters");
        }
        memcpy(owner->opened, record->opened, sizeof(record->opened));
    }
    owner->n_counted = record->n_counted;
    owner->passed_ns = record->passed_ns;
    owner->fed_by = record->fed_by;
    owner->told_by = record->told_by;
    owner->stands_at = stands_at;
    owner->untold = owner->told_by != owner->fed_by;
    if (owner->untold) {
        shard->untold[shard->n_untold++] = owner;
    }
    return LW_OK;
}

static enum lw_status take_entity(struct recovery *recovery, const struct lw_entity_record *record,
                                  uint64_t stands_at, struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    uint32_t place = record->detector < LW_ENGINE_DETECTORS_MAX
                         ? recovery->head.places[record->detector]
                         : FOREIGN;
    uint32_t number = record->number < recovery->head.n_names ? recovery->numbers[record->number]
                                                              : FOREIGN;
    struct engine_entity *owner = NULL;
    struct lw_entity *entity = NULL;
    struct shard *shard;
    enum lw_status status;
    const char *name;

    if (place == FOREIGN || number == FOREIGN) {
        recovery->report.skipped++;
        return LW_OK;
    }
    name = strchr(lw_intern_peek(engine->entity_names, number, NULL), '/') + 1;
    shard = &engine->shards[lw_registry_shard(engine, place, name)];
    (void)pthread_mutex_lock(&shard->lock);
    status = lw_entity_read(shard->pool, engine->detectors[place].detector, record->bytes,
                            (size_t)record->n_bytes, &entity, reterr);
    (void)pthread_mutex_unlock(&shard->lock);
    if (status == LW_OK && strcmp(lw_entity_name(entity), name) != 0) {
        status = damaged(reterr, "list of entities");
    }
    if (status == LW_OK) {
        status = lw_registry_restore(engine, place, entity, &owner, reterr);
    }
    if (status != LW_OK && owner == NULL) {
        (void)pthread_mutex_lock(&shard->lock);
        lw_entity_destroy(entity);
        (void)pthread_mutex_unlock(&shard->lock);
        return status;
    }
    recovery->report.entities++;
    return owner_fill(owner, record, stands_at, reterr);
}

static enum lw_status read_entities(struct recovery *recovery,
                                    const struct lw_snapshot_block *block, struct lw_error *reterr)
{
    struct lw_entity_record record;
    struct lw_reader reader;
    enum lw_status status = LW_OK;
    uint64_t stands_at;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    stands_at = lw_read_u64(&reader);
    if (stands_at > recovery->durable->stands_at) {
        recovery->durable->stands_at = stands_at;
    }
    while (status == LW_OK && lw_entity_record_read(&reader, &record)) {
        status = take_entity(recovery, &record, stands_at, reterr);
    }
    return status == LW_OK && (reader.status != LW_OK || lw_reader_left(&reader) != 0)
               ? damaged(reterr, "list of entities")
               : status;
}

/* Which of the names had expired: their series lead nowhere yet. */
static enum lw_status read_gone(struct recovery *recovery, const struct lw_snapshot_block *block,
                                struct lw_error *reterr)
{
    struct lw_reader reader;
    uint32_t n_words;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    n_words = lw_read_u32(&reader);
    for (uint32_t i = 0; i < n_words && reader.status == LW_OK; i++) {
        for (uint64_t word = lw_read_u64(&reader); word != 0; word &= word - 1) {
            uint64_t then = (uint64_t)i * 64 + (unsigned)__builtin_ctzll(word);
            uint32_t now = then < recovery->head.n_names ? recovery->numbers[then] : FOREIGN;

            if (now != FOREIGN && !lw_gone_room(recovery->engine, now)) {
                return lw_error_set(reterr, LW_ENOMEM, "no memory for entities that expired");
            }
            if (now != FOREIGN) {
                lw_gone_set(recovery->engine, now, true);
            }
        }
    }
    return reader.status == LW_OK && lw_reader_left(&reader) == 0
               ? LW_OK
               : damaged(reterr, "list of entities that expired");
}

/* ---- the snapshot ---- */

static enum lw_status read_end(struct recovery *recovery, const struct lw_snapshot_block *block,
                               struct lw_error *reterr)
{
    struct lw_reader reader;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    return lw_anomalies_load(recovery->engine, &reader, reterr);
}

static enum lw_status read_block(struct recovery *recovery, const struct lw_snapshot_block *block,
                                 struct lw_error *reterr)
{
    if (recovery->numbers == NULL && block->type != LW_BLOCK_HEAD) {
        return damaged(reterr, "order of blocks");
    }
    switch ((enum lw_block_type)block->type) {
    case LW_BLOCK_HEAD:
        return recovery->numbers == NULL ? read_head(recovery, block, reterr)
                                         : damaged(reterr, "order of blocks");
    case LW_BLOCK_SERIES:
    case LW_BLOCK_NAMES:
        return read_names(recovery, block, reterr);
    case LW_BLOCK_GONE:
        return read_gone(recovery, block, reterr);
    case LW_BLOCK_ENTITIES:
        return read_entities(recovery, block, reterr);
    case LW_BLOCK_END:
        return read_end(recovery, block, reterr);
    }
    return damaged(reterr, "order of blocks");
}

static enum lw_status read_blocks(struct recovery *recovery, struct lw_snapshot_reader *reader,
                                  bool series, struct lw_error *reterr)
{
    struct lw_snapshot_block block;
    enum lw_status status = lw_snapshot_next(reader, &block, reterr);

    /* Series come last: they are to find their entities as the snapshot holds them. */
    while (status == LW_OK) {
        if ((block.type == LW_BLOCK_SERIES) == series) {
            status = read_block(recovery, &block, reterr);
        }
        if (status == LW_OK) {
            status = lw_snapshot_next(reader, &block, reterr);
        }
    }
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static enum lw_status load_snapshot(struct recovery *recovery, const char *name,
                                    struct lw_error *reterr)
{
    const struct lw_snapshot_config *config = &recovery->durable->snapshot_config;
    struct lw_engine *engine = recovery->engine;
    enum lw_status status = LW_OK;

    for (int pass = 0; status == LW_OK && pass < 2; pass++) {
        struct lw_snapshot_reader *reader = NULL;

        engine->restoring = pass == 1;
        status = lw_snapshot_open(config, name, &reader, reterr);
        if (status == LW_OK) {
            status = read_blocks(recovery, reader, pass == 1, reterr);
        }
        lw_snapshot_close(reader);
    }
    engine->restoring = false;
    if (status == LW_OK && recovery->numbers == NULL) {
        status = damaged(reterr, "head");
    }
    if (status != LW_OK) {
        return status;
    }
    lw_tally_give(engine, &recovery->head.tally);
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (recovery->head.places[i] != FOREIGN) {
            engine->detectors[recovery->head.places[i]].n_series = recovery->head.n_sharing[i];
        }
    }
    return LW_OK;
}

/* Which older snapshot would do, for the message. */
static void name_good_one(const struct lw_snapshot_config *config, const char *damaged_name,
                          struct lw_error *reterr)
{
    struct lw_snapshot_info infos[SNAPSHOTS_LOOKED_AT];
    char message[LW_ERROR_MESSAGE_MAX];
    size_t n = 0;
    const char *good = NULL;

    if (reterr == NULL ||
        lw_snapshot_list(config, true, infos, SNAPSHOTS_LOOKED_AT, &n, NULL) != LW_OK) {
        return;
    }
    for (size_t i = 0; i < n && i < SNAPSHOTS_LOOKED_AT && good == NULL; i++) {
        if (!infos[i].damaged && strcmp(infos[i].name, damaged_name) != 0) {
            good = infos[i].name;
        }
    }
    memcpy(message, reterr->message, sizeof(message));
    (void)lw_error_set(reterr, reterr->status, "%.400s; %s%s", message,
                       good == NULL ? "no other snapshot is good" : "good is ",
                       good == NULL ? "" : good);
}

static enum lw_status load_newest(struct recovery *recovery, struct lw_error *reterr)
{
    const struct lw_snapshot_config *config = &recovery->durable->snapshot_config;
    struct lw_snapshot_info newest;
    size_t n = 0;
    enum lw_status status = lw_snapshot_list(config, false, &newest, 1, &n, reterr);

    recovery->report.fresh = n == 0;
    if (status != LW_OK || n == 0) {
        return status;
    }
    status = load_snapshot(recovery, newest.name, reterr); /* It tells damage from a failing disk.
                                                            */
    if (status == LW_EFORMAT) {
        name_good_one(config, newest.name, reterr);
    }
    recovery->report.snapshot = recovery->head.sequence;
    return status;
}

/* ---- the journal ---- */

static enum lw_status bad_record(const struct lw_journal_record *record, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT, "record %llu of the journal cannot be (type %u)",
                        (unsigned long long)record->sequence, record->type);
}

static enum lw_status replay_points(struct recovery *recovery,
                                    const struct lw_journal_record *record, struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    struct lw_point points[PIECE];
    struct lw_points_reader reader;
    enum lw_status status = lw_points_open(&reader, record->bytes, record->n_bytes, reterr);
    size_t n = 1;

    if (status != LW_OK || reader.feed >= engine->n_feeds) {
        return bad_record(record, reterr);
    }
    while (n > 0) {
        n = lw_points_read(&reader, points, PIECE);
        for (size_t i = 0; i < n; i++) {
            if (points[i].series >= engine->n_series) {
                return bad_record(record, reterr);
            }
        }
        lw_engine_route(engine, &engine->feeds[reader.feed], points, n);
        recovery->report.points += n;
    }
    atomic_store(&engine->feeds[reader.feed].position, record->sequence);
    return reader.n_left == 0 && lw_reader_left(&reader.reader) == 0 ? LW_OK
                                                                     : bad_record(record, reterr);
}

static enum lw_status replay_series(struct recovery *recovery,
                                    const struct lw_journal_record *record,
                                    struct lw_reader *reader, struct lw_error *reterr)
{
    struct lw_series_name name;
    char text[LW_NAME_MAX];
    uint32_t series = 0, number = lw_read_u32(reader);
    enum lw_status status;

    lw_read_text(reader, text, sizeof(text));
    if (reader->status != LW_OK ||
        lw_series_name_parse(text, strlen(text), &name, reterr) != LW_OK) {
        return bad_record(record, reterr);
    }
    status = lw_registry_name(recovery->engine, &name, text, &series, reterr);
    if (status == LW_ENOMEM) {
        return status;
    }
    return series == number ? LW_OK : bad_record(record, reterr);
}

static enum lw_status replay_watermark(struct recovery *recovery,
                                       const struct lw_journal_record *record,
                                       struct lw_reader *reader, struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    uint16_t feed = lw_read_u16(reader);
    int64_t time_ns = lw_read_i64(reader);

    if (reader->status != LW_OK || feed >= engine->n_feeds) {
        return bad_record(record, reterr);
    }
    lw_engine_tell(engine, &engine->feeds[feed], time_ns);
    return LW_OK;
}

static enum lw_status replay_feed(struct recovery *recovery, const struct lw_journal_record *record,
                                  struct lw_reader *reader, struct lw_error *reterr)
{
    char source[LW_SHORT_NAME_MAX];
    uint16_t number = lw_read_u16(reader);
    const struct engine_feed *feed;

    lw_read_text(reader, source, sizeof(source));
    feed = reader->status == LW_OK ? lw_engine_add_feed(recovery->engine, source) : NULL;
    return feed != NULL && feed->number == number ? LW_OK : bad_record(record, reterr);
}

/* What was decided over several entities, or by what is outside. */
static enum lw_status replay_decision(const struct lw_journal_record *record, enum lw_status status,
                                      struct lw_error *reterr)
{
    return status == LW_OK       ? LW_OK
           : status == LW_ENOMEM ? lw_error_set(reterr, status, "no memory for record %llu",
                                                (unsigned long long)record->sequence)
                                 : bad_record(record, reterr);
}

/* What was lost stays lost where the snapshot holds it, or where nothing does. */
static enum lw_status replay_lost(const struct recovery *recovery,
                                  const struct lw_journal_record *record, struct lw_reader *reader,
                                  struct lw_error *reterr)
{
    uint64_t from = lw_read_u64(reader);

    return reader->status == LW_OK && recovery->report.snapshot >= from
               ? LW_OK
               : lw_error_set(reterr, LW_EFORMAT,
                              "record %llu of the journal was lost: only snapshots from record "
                              "%llu on can do without it",
                              (unsigned long long)record->sequence, (unsigned long long)from);
}

static enum lw_status replay_record(struct recovery *recovery,
                                    const struct lw_journal_record *record, struct lw_error *reterr)
{
    struct lw_engine *engine = recovery->engine;
    struct lw_reader reader;

    lw_reader_init(&reader, record->bytes, record->n_bytes);
    engine->sequence = record->sequence;
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_append(&engine->shards[i],
                        &(struct item){.kind = ITEM_SEQUENCE, .tag = record->sequence});
    }
    switch ((enum lw_record_type)record->type) {
    case LW_RECORD_FEED:
        return replay_feed(recovery, record, &reader, reterr);
    case LW_RECORD_SERIES:
        return replay_series(recovery, record, &reader, reterr);
    case LW_RECORD_POINTS:
        return replay_points(recovery, record, reterr);
    case LW_RECORD_WATERMARK:
        return replay_watermark(recovery, record, &reader, reterr);
    case LW_RECORD_CLOCK:
        recovery->durable->clock_ns = lw_read_i64(&reader);
        return LW_OK;
    case LW_RECORD_RESUME:
        lw_engine_resume(engine);
        return LW_OK;
    case LW_RECORD_FINISH:
        lw_engine_end(engine);
        return LW_OK;
    case LW_RECORD_LOST:
        return replay_lost(recovery, record, &reader, reterr);
    case LW_RECORD_TAIL:
        return LW_OK; /* Taken where it was made. */
    case LW_RECORD_EXPIRE:
        return replay_decision(record, lw_expire_replay(engine, &reader), reterr);
    case LW_RECORD_INHERIT:
        return replay_decision(record, lw_identity_replay(engine, &reader), reterr);
    case LW_RECORD_TIER:
        return replay_decision(record, lw_ladder_replay(engine, &reader), reterr);
    }
    return bad_record(record, reterr);
}

/* A pooled tail is in the journal behind the points it was made in the midst of: all of them are
 * gathered first. */
static enum lw_status keep_tail(struct lw_durable *durable, const struct lw_journal_record *record,
                                struct lw_error *reterr)
{
    struct durable_tail *grown = lw_mem_realloc(durable->tail_list,
                                                (durable->n_tails + 1) * sizeof(*grown));

    if (grown == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the journal's pooled tails");
    }
    durable->tail_list = grown;
    grown[durable->n_tails++] = (struct durable_tail){
        .sequence = record->sequence, .at = durable->tails.n_bytes, .n_bytes = record->n_bytes};
    lw_write_raw(&durable->tails, record->bytes, record->n_bytes);
    return durable->tails.status;
}

static enum lw_status read_journal(struct recovery *recovery, bool tails_only,
                                   struct lw_error *reterr)
{
    struct lw_durable *durable = recovery->durable;
    uint64_t from = recovery->report.snapshot == 0 ? 1 : recovery->report.snapshot;
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record;
    enum lw_status status = lw_journal_reader_open(&durable->journal_config, from, &reader, reterr);

    if (status == LW_ENOTFOUND) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%s: the segment with record %llu is missing, where the %s",
                            durable->journal_dir, (unsigned long long)from,
                            recovery->report.snapshot == 0 ? "journal begins" : "snapshot ends");
    }
    while (status == LW_OK) {
        status = lw_journal_reader_next(reader, &record, reterr);
        if (status == LW_OK && tails_only && record.type == LW_RECORD_TAIL) {
            status = keep_tail(durable, &record, reterr);
        } else if (status == LW_OK && !tails_only) {
            status = replay_record(recovery, &record, reterr);
            recovery->report.records++;
        }
    }
    lw_journal_reader_close(reader);
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static void set_replaying(struct lw_engine *engine, bool replaying)
{
    lw_engine_drain(engine);
    engine->replaying = replaying;
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        (void)pthread_mutex_lock(&engine->shards[i].lock);
        engine->shards[i].replaying = replaying;
        (void)pthread_mutex_unlock(&engine->shards[i].lock);
    }
}

enum lw_status lw_durable_recover(struct lw_durable *durable, struct lw_state_report *ret_report,
                                  struct lw_error *reterr)
{
    struct recovery recovery = {.durable = durable, .engine = durable->engine};
    int64_t started_ns = lw_clock_monotonic_ns(), loaded_ns;
    enum lw_status status = load_newest(&recovery, reterr);

    loaded_ns = lw_clock_monotonic_ns();
    if (status == LW_OK) {
        status = read_journal(&recovery, true, reterr);
    }
    if (status == LW_OK) {
        set_replaying(durable->engine, true);
        status = read_journal(&recovery, false, reterr);
        set_replaying(durable->engine, false);
    }
    durable->n_points = recovery.report.points;
    durable->n_tails = 0;
    lw_writer_fini(&durable->tails);
    lw_mem_free(recovery.numbers);
    recovery.report.fresh = recovery.report.fresh && recovery.report.records == 0;
    recovery.report.load_s = (double)(loaded_ns - started_ns) / 1e9;
    recovery.report.replay_s = (double)(lw_clock_monotonic_ns() - loaded_ns) / 1e9;
    *ret_report = recovery.report;
    return status;
}
