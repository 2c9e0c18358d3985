/*
 * The journal of an engine: what the router writes down, and the threads that sync it and call for
 * snapshots.
 *
 * Samples are scored at once; their source is told they are kept when the sync after them has
 * succeeded. When it fails, the records stay in memory and are tried again, while the router
 * refuses more: so what was scored is always what will be in the journal, and nothing is
 * acknowledged that is not.
 */
#define _GNU_SOURCE
#include "engine/state/durable.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/outbox/outbox.h"
#include "engine/state/archive.h"
#include "engine/state/checkpoint.h"
#include "lapwing/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SYNC_NS_DEFAULT INT64_C(20000000)
#define CHECKPOINT_NS_DEFAULT INT64_C(60000000000)
#define RESUME_NS_DEFAULT INT64_C(5000000000)
#define RETRY_NS INT64_C(500000000)
#define CLOCK_NS INT64_C(1000000000)
#define LOOK_NS INT64_C(100000000)
/* Points whose replay takes about 2 s on one shard: a snapshot is begun when the journal holds as
 * many since the last, so that with those that come while it is written a restart replays 3 s. */
#define REPLAY_POINTS 1500000u
#define PENDING_BYTES ((size_t)128 << 20)

/* ---- records, under engine->route ---- */

static enum lw_status append(struct lw_engine *engine, enum lw_record_type type)
{
    struct lw_durable *durable = engine->durable;
    struct lw_journal_piece piece = {durable->record.data, durable->record.n_bytes};
    uint64_t sequence = 0;
    enum lw_status status = durable->record.status;

    if (status == LW_OK) {
        status = lw_journal_append(durable->journal, type, &piece, 1, &sequence);
    }
    if (status == LW_OK) {
        engine->sequence = sequence;
        if (atomic_load_explicit(&durable->syncer_waits, memory_order_relaxed)) {
            (void)pthread_mutex_lock(&durable->lock);
            (void)pthread_cond_signal(&durable->wake_syncer);
            (void)pthread_mutex_unlock(&durable->lock);
        }
    }
    return status;
}

/* Is there a journal to write to? Then `record` is empty, and a moment is noted now and then. */
static bool begin(struct lw_engine *engine, enum lw_status *ret_status)
{
    struct lw_durable *durable = engine->durable;
    int64_t now_ns;

    *ret_status = LW_OK;
    if (durable == NULL || engine->replaying || durable->journal == NULL) {
        return false;
    }
    if (atomic_load_explicit(&durable->read_only, memory_order_relaxed)) {
        *ret_status = LW_EBUSY;
        return false;
    }
    now_ns = durable->real_ns(durable->real_context);
    if (now_ns - durable->clock_ns >= CLOCK_NS || now_ns < durable->clock_ns) {
        lw_writer_reset(&durable->record);
        lw_write_i64(&durable->record, now_ns);
        *ret_status = append(engine, LW_RECORD_CLOCK);
        durable->clock_ns = *ret_status == LW_OK ? now_ns : durable->clock_ns;
    }
    lw_writer_reset(&durable->record);
    return *ret_status == LW_OK;
}

enum lw_status lw_durable_feed(struct lw_engine *engine, const struct engine_feed *feed)
{
    enum lw_status status;

    if (begin(engine, &status)) {
        lw_write_u16(&engine->durable->record, (uint16_t)feed->number);
        lw_write_text(&engine->durable->record, feed->source);
        status = append(engine, LW_RECORD_FEED);
    }
    return status;
}

enum lw_status lw_durable_series(struct lw_engine *engine, uint32_t series, const char *text)
{
    enum lw_status status;

    if (begin(engine, &status)) {
        lw_write_u32(&engine->durable->record, series);
        lw_write_text(&engine->durable->record, text);
        status = append(engine, LW_RECORD_SERIES);
    }
    return status;
}

enum lw_status lw_durable_points(struct lw_engine *engine, struct engine_feed *feed,
                                 const struct lw_point *points, size_t n)
{
    enum lw_status status;

    if (n > 0 && begin(engine, &status)) {
        lw_points_write(&engine->durable->record, (uint16_t)feed->number, points, n);
        status = append(engine, LW_RECORD_POINTS);
        if (status == LW_OK) {
            atomic_store(&feed->position, engine->sequence);
            engine->durable->n_points += n;
            engine->durable->n_journaled += n;
        }
    } else if (n == 0) {
        status = LW_OK;
    }
    return status;
}

enum lw_status lw_durable_watermark(struct lw_engine *engine, struct engine_feed *feed,
                                    int64_t time_ns)
{
    enum lw_status status;

    if (begin(engine, &status)) {
        lw_write_u16(&engine->durable->record, (uint16_t)feed->number);
        lw_write_i64(&engine->durable->record, time_ns);
        status = append(engine, LW_RECORD_WATERMARK);
    }
    return status;
}

enum lw_status lw_durable_begin(struct lw_engine *engine, struct lw_writer **ret_record)
{
    enum lw_status status;

    *ret_record = begin(engine, &status) ? &engine->durable->record : NULL;
    return status;
}

enum lw_status lw_durable_append(struct lw_engine *engine, enum lw_record_type type)
{
    return append(engine, type);
}

enum lw_status lw_durable_mark(struct lw_engine *engine, enum lw_record_type type)
{
    enum lw_status status;

    if (begin(engine, &status)) {
        status = append(engine, type);
    }
    return status;
}

void lw_durable_tail(struct lw_engine *engine, uint32_t detector)
{
    const struct engine_detector *place = &engine->detectors[detector];
    struct lw_durable *durable = engine->durable;

    if (durable == NULL || engine->replaying || durable->journal == NULL) {
        return;
    }
    lw_writer_reset(&durable->record);
    lw_write_text(&durable->record, lw_detector_name(place->detector));
    lw_write_u64(&durable->record, lw_detector_hash(place->detector));
    lw_write_u64(&durable->record, place->n_points);
    lw_pooled_tail_save(place, &durable->record);
    /* Where it cannot be appended, a replay that comes to this place finds all entities standing at
     * it, and pools as was done here: nothing behind it is in a snapshot before it is in the
     * journal. */
    (void)!append(engine, LW_RECORD_TAIL);
}

bool lw_durable_tail_replay(struct lw_engine *engine, uint32_t detector)
{
    struct lw_durable *durable = engine->durable;
    struct engine_detector *place = &engine->detectors[detector];

    for (size_t i = 0; durable != NULL && i < durable->n_tails; i++) {
        const struct durable_tail *tail = &durable->tail_list[i];
        struct lw_reader reader;
        char name[LW_SHORT_NAME_MAX];
        uint64_t hash, n_points;

        lw_reader_init(&reader, durable->tails.data + tail->at, tail->n_bytes);
        lw_read_text(&reader, name, sizeof(name));
        hash = lw_read_u64(&reader);
        n_points = lw_read_u64(&reader);
        if (reader.status == LW_OK && n_points == place->n_points &&
            hash == lw_detector_hash(place->detector) &&
            strcmp(name, lw_detector_name(place->detector)) == 0) {
            return lw_pooled_tail_load(place, &reader, NULL) == LW_OK;
        }
    }
    return false;
}

/* ---- syncing ---- */

void lw_durable_outcome(struct lw_durable *durable, enum lw_status status,
                        const struct lw_error *error)
{
    (void)pthread_mutex_lock(&durable->lock);
    durable->totals.syncs++;
    durable->totals.sync_failures += status == LW_OK ? 0 : 1;
    if (status != LW_OK) {
        durable->failure = *error;
    }
    (void)pthread_mutex_unlock(&durable->lock);
    atomic_store(&durable->read_only, status != LW_OK);
}

/* What no kept snapshot needs and the history has goes. That it cannot is no trouble yet: it is
 * tried again. */
static void trim(struct lw_durable *durable)
{
    uint64_t before, covered = lw_archive_covered(durable->archive);

    (void)pthread_mutex_lock(&durable->lock);
    before = durable->trim_before;
    (void)pthread_mutex_unlock(&durable->lock);
    before = before > covered + 1 ? covered + 1 : before;
    if (before > durable->trimmed && lw_journal_trim(durable->journal, before, NULL) == LW_OK) {
        durable->trimmed = before;
    }
}

static enum lw_status sync_once(struct lw_durable *durable, struct lw_error *reterr)
{
    int64_t started_ns = lw_clock_monotonic_ns();
    struct lw_error error = {0};
    uint64_t reached = 0;
    enum lw_status status = lw_journal_sync(durable->journal, &reached, &error);
    double took_s;

    atomic_store(&durable->durable, reached);
    lw_durable_outcome(durable, status, &error);
    took_s = (double)(lw_clock_monotonic_ns() - started_ns) / 1e9;
    (void)pthread_mutex_lock(&durable->lock);
    durable->totals.sync_s_max = took_s > durable->totals.sync_s_max ? took_s
                                                                     : durable->totals.sync_s_max;
    (void)pthread_mutex_unlock(&durable->lock);
    if (status == LW_OK) {
        trim(durable);
    } else if (reterr != NULL) {
        *reterr = error;
    }
    if (durable->config.synced != NULL) {
        durable->config.synced(durable->config.context);
    }
    return status;
}

enum lw_status lw_engine_sync(struct lw_engine *engine, struct lw_error *reterr)
{
    if (engine->durable == NULL || engine->durable->has_syncer) {
        return lw_error_set(reterr, LW_EINVAL, "%s",
                            engine->durable == NULL ? "the engine keeps no state"
                                                    : "the engine syncs by itself");
    }
    return sync_once(engine->durable, reterr);
}

/* Waits on a condition until a monotonic moment; durable->lock is held. */
static void wait_until(struct lw_durable *durable, pthread_cond_t *condition, int64_t until_ns)
{
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

    (void)pthread_cond_timedwait(condition, &durable->lock, &until);
}

/* Waits for something to sync, then until the group before it is old enough. False: to stop. */
static bool wait_for_records(struct lw_durable *durable, int64_t not_before_ns)
{
    bool stop;

    (void)pthread_mutex_lock(&durable->lock);
    while (!durable->stop && lw_clock_monotonic_ns() < not_before_ns) {
        wait_until(durable, &durable->wake_checkpointer, not_before_ns);
    }
    while (!durable->stop && lw_journal_pending(durable->journal) == 0) {
        atomic_store(&durable->syncer_waits, true);
        if (lw_journal_pending(durable->journal) == 0) {
            wait_until(durable, &durable->wake_syncer, lw_clock_monotonic_ns() + CLOCK_NS);
        }
        atomic_store(&durable->syncer_waits, false);
    }
    stop = durable->stop;
    (void)pthread_mutex_unlock(&durable->lock);
    return !stop;
}

static void *syncer_main(void *argument)
{
    struct lw_durable *durable = argument;
    int64_t not_before_ns = 0;

    while (wait_for_records(durable, not_before_ns)) {
        int64_t started_ns = lw_clock_monotonic_ns();
        enum lw_status status = sync_once(durable, NULL);

        not_before_ns = started_ns + (status == LW_OK ? durable->config.sync_ns : RETRY_NS);
    }
    return NULL;
}

/* ---- calling for snapshots ---- */

static bool checkpoint_is_due(struct lw_durable *durable, int64_t last_ns)
{
    struct lw_engine *engine = durable->engine;
    uint64_t n_points;

    (void)pthread_mutex_lock(&engine->route);
    n_points = durable->n_points;
    (void)pthread_mutex_unlock(&engine->route);
    return n_points >= (uint64_t)REPLAY_POINTS * engine->n_shards ||
           (lw_clock_monotonic_ns() - last_ns >= durable->config.checkpoint_ns && n_points > 0);
}

static void *checkpointer_main(void *argument)
{
    struct lw_durable *durable = argument;
    int64_t last_ns = lw_clock_monotonic_ns();
    bool stop = false;

    while (!stop) {
        bool wanted;

        (void)pthread_mutex_lock(&durable->lock);
        if (!durable->stop) {
            wait_until(durable, &durable->wake_checkpointer, lw_clock_monotonic_ns() + LOOK_NS);
        }
        stop = durable->stop;
        wanted = durable->wanted;
        durable->wanted = false;
        (void)pthread_mutex_unlock(&durable->lock);
        if (!stop && (wanted || checkpoint_is_due(durable, last_ns))) {
            enum lw_status status = lw_engine_checkpoint(durable->engine, NULL);

            last_ns = lw_clock_monotonic_ns();
            if (status != LW_OK) { /* Not at once again: the disk may be full. */
                last_ns += 10 * RETRY_NS - durable->config.checkpoint_ns;
            }
        }
    }
    return NULL;
}

/* ---- the history ---- */

static void *archivist_main(void *argument)
{
    struct lw_durable *durable = argument;
    bool stop = false;

    while (!stop) {
        bool all;

        (void)pthread_mutex_lock(&durable->lock);
        if (!durable->stop) {
            wait_until(durable, &durable->wake_checkpointer, lw_clock_monotonic_ns() + LOOK_NS);
        }
        stop = durable->stop;
        (void)pthread_mutex_unlock(&durable->lock);
        if (!stop && lw_archive_due(durable->archive, &all) &&
            lw_archive_turn(durable->archive, all, NULL) != LW_OK) {
            (void)pthread_mutex_lock(&durable->lock);
            durable->archive_failures++;
            (void)pthread_mutex_unlock(&durable->lock);
        }
    }
    return NULL;
}

enum lw_status lw_engine_archive(struct lw_engine *engine, struct lw_archive_totals *ret_totals)
{
    struct lw_durable *durable = engine->durable;
    struct lw_history_stats stats;

    if (durable == NULL || durable->archive == NULL) {
        return LW_EINVAL;
    }
    lw_history_stats(lw_archive_history(durable->archive), &stats);
    *ret_totals = (struct lw_archive_totals){.files = stats.n_files,
                                             .bytes = stats.n_bytes,
                                             .samples = stats.n_samples,
                                             .first_ns = stats.first_ns,
                                             .last_ns = stats.last_ns,
                                             .samples_dropped = stats.samples_dropped,
                                             .files_damaged = stats.files_damaged};
    (void)pthread_mutex_lock(&durable->lock);
    ret_totals->failures = durable->archive_failures;
    (void)pthread_mutex_unlock(&durable->lock);
    return LW_OK;
}

/* ---- life ---- */

static int64_t system_real_ns(void *context)
{
    (void)context;
    return lw_clock_real_ns();
}

static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static enum lw_status durable_create(struct lw_engine *engine, const struct lw_state_config *config,
                                     struct lw_durable **ret_durable, struct lw_error *reterr)
{
    struct lw_durable *durable = lw_mem_calloc(1, sizeof(*durable));
    struct lw_state_config *own;

    if (durable == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the engine's state");
    }
    own = &durable->config;
    *own = *config;
    own->dir = durable->dir;
    own->sync_ns = own->sync_ns == 0 ? SYNC_NS_DEFAULT : own->sync_ns;
    own->checkpoint_ns = own->checkpoint_ns == 0 ? CHECKPOINT_NS_DEFAULT : own->checkpoint_ns;
    own->resume_after_ns = own->resume_after_ns == 0 ? RESUME_NS_DEFAULT : own->resume_after_ns;
    durable->engine = engine;
    durable->io = config->io == NULL ? lw_io_system() : config->io;
    durable->real_ns = config->real_ns == NULL ? system_real_ns : config->real_ns;
    durable->real_context = config->context;
    durable->totals.checkpoint_ns = INT64_MIN;
    (void)pthread_mutex_init(&durable->lock, NULL);
    (void)pthread_mutex_init(&durable->checkpoint_lock, NULL);
    condition_init(&durable->wake_syncer);
    condition_init(&durable->wake_checkpointer);
    *ret_durable = durable;
    return LW_OK;
}

static void pass_over(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
}

/* Who only reads makes nothing. */
static enum lw_status find_folders(const struct lw_durable *durable, struct lw_error *reterr)
{
    const struct lw_io *io = durable->io;
    int answer = io->list(io->context, durable->journal_dir, pass_over, NULL);

    if (answer == -ENOENT || answer == -ENOTDIR) {
        return lw_error_set(reterr, LW_ENOTFOUND, "there is no state in %s", durable->dir);
    }
    return answer < 0 ? lw_io_fail(answer, "read folder", durable->journal_dir, reterr) : LW_OK;
}

/* The folders, made when they are not there. */
static enum lw_status durable_folders(struct lw_durable *durable, const char *dir,
                                      struct lw_error *reterr)
{
    int n = snprintf(durable->dir, sizeof(durable->dir), "%s", dir);
    enum lw_status status;

    if (n < 0 || n + 16 >= PATH_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "path of %d bytes is too long", n);
    }
    (void)snprintf(durable->journal_dir, sizeof(durable->journal_dir), "%.*s/journal", n,
                   durable->dir);
    (void)snprintf(durable->snapshot_dir, sizeof(durable->snapshot_dir), "%.*s/snapshots", n,
                   durable->dir);
    durable->journal_config = (struct lw_journal_config){
        .io = durable->io, .dir = durable->journal_dir, .pending_bytes = PENDING_BYTES};
    durable->snapshot_config = (struct lw_snapshot_config){.io = durable->io,
                                                           .dir = durable->snapshot_dir};
    if (durable->config.read_only) {
        return find_folders(durable, reterr);
    }
    status = lw_io_make_dir(durable->io, durable->dir, reterr);
    if (status == LW_OK) {
        status = lw_io_make_dir(durable->io, durable->journal_dir, reterr);
    }
    return status == LW_OK ? lw_io_make_dir(durable->io, durable->snapshot_dir, reterr) : status;
}

static enum lw_status threads_start(struct lw_durable *durable, struct lw_error *reterr)
{
    if (durable->config.manual) {
        return LW_OK;
    }
    durable->has_syncer = pthread_create(&durable->syncer, NULL, syncer_main, durable) == 0;
    durable->has_checkpointer = durable->has_syncer &&
                                pthread_create(&durable->checkpointer, NULL, checkpointer_main,
                                               durable) == 0;
    durable->has_archivist = durable->has_checkpointer &&
                             pthread_create(&durable->archivist, NULL, archivist_main, durable) ==
                                 0;
    if (durable->has_archivist) { /* Seen in top and in profiles. */
        (void)pthread_setname_np(durable->syncer, "journal");
        (void)pthread_setname_np(durable->checkpointer, "snapshot");
        (void)pthread_setname_np(durable->archivist, "history");
    }
    return durable->has_archivist
               ? LW_OK
               : lw_error_set(reterr, LW_EIO, "the threads of the journal cannot be started");
}

/* Behind what was replayed. */
static enum lw_status journal_open(struct lw_durable *durable, struct lw_error *reterr)
{
    enum lw_status status = lw_archive_create(durable, &durable->archive, reterr);

    if (status == LW_OK) {
        status = lw_journal_open(&durable->journal_config, &durable->journal, reterr);
    }
    if (status == LW_OK) {
        durable->engine->sequence = lw_journal_next(durable->journal) - 1;
        if (durable->engine->sequence + 1 < durable->stands_at) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s ends at record %llu; the snapshot holds entities that stand at "
                                "%llu: a part of the journal is missing",
                                durable->journal_dir, (unsigned long long)durable->engine->sequence,
                                (unsigned long long)durable->stands_at);
        }
        if (lw_archive_covered(durable->archive) > durable->engine->sequence) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s ends at record %llu; the history holds them up to %llu",
                                durable->journal_dir, (unsigned long long)durable->engine->sequence,
                                (unsigned long long)lw_archive_covered(durable->archive));
        }
        /* What was only in the system's memory when the last process died is made sure of. */
        (void)!sync_once(durable, NULL);
    }
    return status;
}

/* Nobody listened since the journal's newest moment: if that is long ago, sources begin anew. */
static enum lw_status resume(struct lw_durable *durable, bool *ret_resumed, struct lw_error *reterr)
{
    struct lw_engine *engine = durable->engine;
    int64_t now_ns = durable->real_ns(durable->real_context);
    enum lw_status status = LW_OK;

    if (durable->clock_ns != 0 && now_ns - durable->clock_ns > durable->config.resume_after_ns) {
        status = lw_durable_mark(engine, LW_RECORD_RESUME);
        if (status != LW_OK) {
            return lw_error_set(reterr, status, "the journal takes no record");
        }
        lw_engine_resume(engine);
        *ret_resumed = true;
    }
    return status;
}

/* Behind what was taken up, from here on. */
static enum lw_status go_on(struct lw_durable *durable, struct lw_state_report *report,
                            struct lw_error *reterr)
{
    enum lw_status status = lw_outbox_settle_engine(durable->engine, reterr);

    if (status == LW_OK) {
        status = journal_open(durable, reterr);
        report->last = durable->engine->sequence;
    }
    return status == LW_OK ? resume(durable, &report->resumed, reterr) : status;
}

/* What was taken up was all that was wanted. */
static enum lw_status let_go(struct lw_durable *durable, struct lw_state_report *report,
                             struct lw_error *reterr)
{
    uint64_t replayed = durable->engine->sequence;

    enum lw_status status = report->fresh ? lw_error_set(reterr, LW_ENOTFOUND,
                                                         "there is no state in %s", durable->dir)
                                          : LW_OK;

    report->last = report->records > 0 ? replayed : report->snapshot - (report->snapshot > 0);
    durable->engine->durable = NULL;
    lw_durable_destroy(durable);
    return status;
}

enum lw_status lw_engine_open_state(struct lw_engine *engine, const struct lw_state_config *config,
                                    struct lw_state_report *ret_report, struct lw_error *reterr)
{
    struct lw_state_report report = {0};
    struct lw_durable *durable = NULL;
    enum lw_status status;

    (void)pthread_mutex_lock(&engine->route);
    status = engine->durable != NULL || engine->n_series > 0 || engine->n_feeds > 0
                 ? lw_error_set(reterr, LW_EINVAL,
                                "the engine is in use: state is opened before the first feed")
                 : durable_create(engine, config, &durable, reterr);
    if (status == LW_OK) {
        engine->durable = durable;
        status = durable_folders(durable, config->dir, reterr);
    }
    if (status == LW_OK) {
        status = lw_durable_recover(durable, &report, reterr);
    }
    if (status == LW_OK && !config->read_only) {
        status = go_on(durable, &report, reterr);
    } else if (status == LW_OK) {
        status = let_go(durable, &report, reterr);
    }
    (void)pthread_mutex_unlock(&engine->route);
    if (status == LW_OK && !config->read_only) {
        status = threads_start(durable, reterr);
    }
    if (status == LW_OK && ret_report != NULL) {
        *ret_report = report;
    }
    return status;
}

enum lw_status lw_engine_state(struct lw_engine *engine, struct lw_state_totals *ret_totals)
{
    struct lw_durable *durable = engine->durable;
    struct lw_state_totals totals;

    if (durable == NULL || durable->journal == NULL) {
        return LW_EINVAL;
    }
    (void)pthread_mutex_lock(&durable->lock);
    totals = durable->totals;
    totals.read_only = atomic_load(&durable->read_only);
    totals.checkpoint_failed = durable->checkpoint_failed;
    (void)snprintf(totals.reason, sizeof(totals.reason), "%.*s", (int)sizeof(totals.reason) - 1,
                   totals.read_only || totals.checkpoint_failed ? durable->failure.message : "");
    (void)pthread_mutex_unlock(&durable->lock);
    totals.records = lw_journal_next(durable->journal) - 1;
    totals.pending_bytes = lw_journal_pending(durable->journal);
    (void)pthread_mutex_lock(&engine->route);
    totals.unsnapshot_points = durable->n_points;
    (void)pthread_mutex_unlock(&engine->route);
    *ret_totals = totals;
    return LW_OK;
}

static void threads_stop(struct lw_durable *durable)
{
    (void)pthread_mutex_lock(&durable->lock);
    durable->stop = true;
    (void)pthread_cond_broadcast(&durable->wake_syncer);
    (void)pthread_cond_broadcast(&durable->wake_checkpointer);
    (void)pthread_mutex_unlock(&durable->lock);
    if (durable->has_archivist) {
        (void)pthread_join(durable->archivist, NULL);
    }
    if (durable->has_checkpointer) {
        (void)pthread_join(durable->checkpointer, NULL);
    }
    if (durable->has_syncer) {
        (void)pthread_join(durable->syncer, NULL);
        (void)!sync_once(durable, NULL); /* What came since; unacknowledged where it fails. */
    }
}

void lw_durable_destroy(struct lw_durable *durable)
{
    if (durable == NULL) {
        return;
    }
    threads_stop(durable);
    lw_journal_close(durable->journal);
    lw_archive_destroy(durable->archive);
    lw_writer_fini(&durable->record);
    lw_writer_fini(&durable->tails);
    lw_mem_free(durable->tail_list);
    (void)pthread_mutex_destroy(&durable->lock);
    (void)pthread_mutex_destroy(&durable->checkpoint_lock);
    (void)pthread_cond_destroy(&durable->wake_syncer);
    (void)pthread_cond_destroy(&durable->wake_checkpointer);
    lw_mem_free(durable);
}
