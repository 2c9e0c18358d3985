/*
 * From the journal to the history: see engine/state/archive.h.
 *
 * Points are taken from the journal's files, not from the stream, so archiving can lag behind, fail
 * and be tried again without a sample being lost or told twice; the journal is trimmed only behind
 * it. They are decoded several times, once for each stretch of names that has room in memory: that
 * costs less than what a series costs, its name and its chunk, in files with few samples of each.
 */
#include "engine/state/archive.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "lapwing/state.h"

#include <stdio.h>

/* A file is made when there are so many points of each series, within bounds; or once a minute. */
#define PIECE_A_SERIES 64u
#define PIECE_MIN ((uint64_t)1 << 20)
#define PIECE_MAX ((uint64_t)LW_HISTORY_POINTS_MAX / 2)
#define TURN_NS INT64_C(60000000000)
#define AT_ONCE 512u
/* Merges of one turn. */
#define MERGES_MAX 4

struct lw_archive {
    struct lw_durable *durable;
    struct lw_history *history;
    int64_t turned_ns; /* When all was archived last. */
    uint64_t n_done;   /* Of lw_durable.n_journaled. */
    bool caught_up;    /* What an earlier process left is archived. */
    char dir[PATH_MAX];
};

static void names_of(void *context, const uint32_t *series, size_t n,
                     struct lw_history_name *ret_names)
{
    struct lw_engine *engine = ((struct lw_archive *)context)->durable->engine;

    (void)pthread_mutex_lock(&engine->route);
    for (size_t i = 0; i < n; i++) {
        ret_names[i] = (struct lw_history_name){NULL, 0};
        if (series[i] < engine->n_series) {
            ret_names[i].text = lw_intern_peek(engine->series_names, series[i],
                                               &ret_names[i].n_bytes);
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
}

enum lw_status lw_archive_create(struct lw_durable *durable, struct lw_archive **ret_archive,
                                 struct lw_error *reterr)
{
    struct lw_archive *archive = lw_mem_calloc(1, sizeof(*archive));
    struct lw_history_config config = {.io = durable->io,
                                       .names = names_of,
                                       .retention_ns = durable->config.history_ns,
                                       .disk_bytes = durable->config.history_bytes};
    enum lw_status status;

    if (archive == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the history");
    }
    archive->durable = durable;
    archive->turned_ns = lw_clock_monotonic_ns();
    (void)snprintf(archive->dir, sizeof(archive->dir), "%.*s/history", PATH_MAX - 16, durable->dir);
    config.dir = archive->dir;
    config.context = archive;
    status = lw_history_open(&config, &archive->history, reterr);
    if (status != LW_OK) {
        lw_mem_free(archive);
        return status;
    }
    *ret_archive = archive;
    return LW_OK;
}

void lw_archive_destroy(struct lw_archive *archive)
{
    if (archive != NULL) {
        lw_history_close(archive->history);
        lw_mem_free(archive);
    }
}

uint64_t lw_archive_covered(const struct lw_archive *archive)
{
    return lw_history_covered(archive->history);
}

struct lw_history *lw_archive_history(struct lw_archive *archive)
{
    return archive->history;
}

/* ---- one file ---- */

/* The records a file is made of. */
struct piece {
    const struct lw_archive *archive;
    uint64_t first, last, n_points;
};

static enum lw_status take_points(const struct lw_history_taker *taker,
                                  const struct lw_journal_record *record, struct lw_error *reterr)
{
    struct lw_points_reader reader;
    LW_UNINITIALIZED struct lw_history_input points[AT_ONCE];
    enum lw_status status = lw_points_open(&reader, record->bytes, record->n_bytes, reterr);
    size_t n = status == LW_OK ? 1 : 0;

    while (status == LW_OK && n > 0) {
        n = lw_points_take(&reader, points, AT_ONCE);
        status = n > 0 ? taker->take(taker->context, points, n, reterr) : LW_OK;
    }
    if (status == LW_OK && reader.n_left > 0) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "record %llu of the journal holds fewer points than it says",
                              (unsigned long long)record->sequence);
    }
    return status;
}

static enum lw_status piece_read(void *context, const struct lw_history_taker *taker,
                                 struct lw_error *reterr)
{
    const struct piece *piece = context;
    struct lw_journal_reader *reader = NULL;
    uint64_t at = 0;
    enum lw_status status = lw_journal_reader_open(&piece->archive->durable->journal_config,
                                                   piece->first, &reader, reterr);

    while (status == LW_OK && at < piece->last) {
        struct lw_journal_record record;

        status = lw_journal_reader_next(reader, &record, reterr);
        at = status == LW_OK ? record.sequence : at;
        if (status == LW_OK && at <= piece->last && record.type == LW_RECORD_POINTS) {
            status = take_points(taker, &record, reterr);
        }
    }
    lw_journal_reader_close(reader);
    return status;
}

/* How far a piece goes: the records until it has its points, or the journal on the disk ends. */
static enum lw_status piece_measure(struct piece *piece, uint64_t n_wanted, struct lw_error *reterr)
{
    struct lw_durable *durable = piece->archive->durable;
    uint64_t end = atomic_load(&durable->durable);
    struct lw_journal_reader *reader = NULL;
    struct lw_journal_record record;
    enum lw_status status = LW_OK;

    piece->first = lw_history_covered(piece->archive->history) + 1;
    piece->last = piece->first - 1;
    if (piece->first > end) {
        return LW_OK;
    }
    status = lw_journal_reader_open(&durable->journal_config, piece->first, &reader, reterr);
    while (status == LW_OK && piece->n_points < n_wanted && piece->last < end) {
        status = lw_journal_reader_next(reader, &record, reterr);
        if (status == LW_OK && record.sequence <= end) {
            struct lw_points_reader points;

            piece->last = record.sequence;
            if (record.type == LW_RECORD_POINTS &&
                lw_points_open(&points, record.bytes, record.n_bytes, NULL) == LW_OK) {
                piece->n_points += points.n_left;
            }
        }
    }
    lw_journal_reader_close(reader);
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static uint64_t piece_points(const struct lw_archive *archive)
{
    struct lw_engine *engine = archive->durable->engine;
    uint64_t n_points;

    (void)pthread_mutex_lock(&engine->route);
    n_points = PIECE_A_SERIES * (uint64_t)engine->n_series;
    (void)pthread_mutex_unlock(&engine->route);
    n_points = n_points > PIECE_MIN ? n_points : PIECE_MIN;
    return n_points < PIECE_MAX ? n_points : PIECE_MAX;
}

/* The next file, if there is anything for it on the disk. */
static enum lw_status archive_piece(struct lw_archive *archive, bool *ret_more,
                                    struct lw_error *reterr)
{
    struct piece piece = {.archive = archive};
    const struct lw_history_source source = {piece_read, &piece};
    enum lw_status status = piece_measure(&piece, piece_points(archive), reterr);

    *ret_more = false;
    if (status == LW_OK && piece.last >= piece.first) {
        status = lw_history_write(archive->history, piece.first, piece.last, &source, reterr);
        *ret_more = status == LW_OK;
        archive->n_done += status == LW_OK ? piece.n_points : 0;
    }
    return status;
}

/* ---- turns ---- */

static uint64_t points_journaled(const struct lw_archive *archive)
{
    struct lw_engine *engine = archive->durable->engine;
    uint64_t n_journaled;

    (void)pthread_mutex_lock(&engine->route);
    n_journaled = archive->durable->n_journaled;
    (void)pthread_mutex_unlock(&engine->route);
    return n_journaled;
}

bool lw_archive_due(const struct lw_archive *archive, bool *ret_all)
{
    uint64_t n_journaled = points_journaled(archive);

    *ret_all = lw_clock_monotonic_ns() - archive->turned_ns >= TURN_NS;
    return *ret_all ? n_journaled > archive->n_done || !archive->caught_up
                    : n_journaled >= archive->n_done + piece_points(archive);
}

static enum lw_status maintain(struct lw_archive *archive, struct lw_error *reterr)
{
    struct lw_durable *durable = archive->durable;
    enum lw_status status = LW_OK;
    size_t n = 1;

    for (int i = 0; status == LW_OK && n > 0 && i < MERGES_MAX; i++) {
        status = lw_history_compact(archive->history, &n, reterr);
    }
    return status == LW_OK ? lw_history_retain(archive->history,
                                               durable->real_ns(durable->real_context), &n, reterr)
                           : status;
}

enum lw_status lw_archive_turn(struct lw_archive *archive, bool all, struct lw_error *reterr)
{
    uint64_t n_journaled = points_journaled(archive);
    enum lw_status status = LW_OK;
    bool more = true;

    if (all) { /* Also where it fails: it is tried again in a minute. */
        archive->turned_ns = lw_clock_monotonic_ns();
    }
    do {
        status = archive_piece(archive, &more, reterr);
    } while (status == LW_OK && more && all);
    if (status == LW_OK && all) {
        archive->n_done = n_journaled;
        archive->caught_up = true;
    }
    return status == LW_OK ? maintain(archive, reterr) : status;
}

/* ---- reading ---- */

void lw_samples_fini(struct lw_samples *samples)
{
    lw_mem_free(samples->times_ns);
    lw_mem_free(samples->values);
    *samples = (struct lw_samples){0};
}

enum lw_status lw_engine_samples(struct lw_engine *engine, const char *series, int64_t from_ns,
                                 int64_t to_ns, struct lw_samples *ret_samples,
                                 struct lw_error *reterr)
{
    struct lw_history_samples samples;
    struct lw_history_view *view = NULL;
    enum lw_status status;

    if (engine->durable == NULL || engine->durable->archive == NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the engine keeps no history");
    }
    status = lw_history_view_open(engine->durable->archive->history, &view, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_history_samples_init(&samples);
    status = lw_history_read(view, series, from_ns, to_ns, &samples, reterr);
    lw_history_view_close(view);
    if (status != LW_OK) {
        lw_history_samples_fini(&samples);
        return status;
    }
    *ret_samples = (struct lw_samples){.n = samples.n,
                                       .times_ns = samples.times_ns,
                                       .values = samples.values,
                                       .n_damaged = samples.n_damaged};
    return LW_OK;
}
