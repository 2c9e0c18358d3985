/*
 * From the journal to the history: see engine/archive.h.
 *
 * Points are taken from the journal's files, not from the stream, so archiving can lag behind, fail
 * and be tried again without a sample being lost or told twice; the journal is trimmed only behind
 * it.
 */
#include "engine/archive.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>

/* Points of one file, which bounds the memory of making it. */
#define PIECE_POINTS ((uint64_t)1 << 20)
#define AT_ONCE 512u
/* Merges of one turn. */
#define MERGES_MAX 4

struct lw_archive {
    struct lw_durable *durable;
    struct lw_history *history;
    char dir[PATH_MAX];
};

static const char *name_of(void *context, uint32_t series)
{
    struct lw_engine *engine = ((struct lw_archive *)context)->durable->engine;
    const char *name = NULL;

    (void)pthread_mutex_lock(&engine->route);
    if (series < engine->n_series) {
        name = lw_intern_peek(engine->series_names, series, NULL);
    }
    (void)pthread_mutex_unlock(&engine->route);
    return name;
}

enum lw_status lw_archive_create(struct lw_durable *durable, struct lw_archive **ret_archive,
                                 struct lw_error *reterr)
{
    struct lw_archive *archive = lw_mem_calloc(1, sizeof(*archive));
    struct lw_history_config config = {.io = durable->io,
                                       .name = name_of,
                                       .retention_ns = durable->config.history_ns,
                                       .disk_bytes = durable->config.history_bytes};
    enum lw_status status;

    if (archive == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the history");
    }
    archive->durable = durable;
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

/* ---- one piece ---- */

static enum lw_status add_points(struct lw_history_writer *writer,
                                 const struct lw_journal_record *record, uint64_t *n_points,
                                 struct lw_error *reterr)
{
    struct lw_points_reader reader;
    struct lw_point points[AT_ONCE];
    enum lw_status status = lw_points_open(&reader, record->bytes, record->n_bytes, reterr);
    size_t n = status == LW_OK ? 1 : 0;

    while (status == LW_OK && n > 0) {
        struct lw_history_input kept[AT_ONCE];

        n = lw_points_read(&reader, points, AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            kept[i] = (struct lw_history_input){points[i].series, points[i].time_ns,
                                                points[i].value};
        }
        status = lw_history_add(writer, kept, n, reterr);
        *n_points += n;
    }
    return status;
}

/* How far a piece goes: the records until it has its points, or the journal on the disk ends. */
struct piece {
    uint64_t first, last, n_points;
};

static enum lw_status piece_measure(struct lw_journal_reader *reader, uint64_t durable,
                                    struct piece *piece, struct lw_error *reterr)
{
    struct lw_journal_record record;
    enum lw_status status = LW_OK;

    while (status == LW_OK && piece->n_points < PIECE_POINTS && piece->last < durable) {
        status = lw_journal_reader_next(reader, &record, reterr);
        if (status == LW_OK && record.sequence <= durable) {
            struct lw_points_reader points;

            piece->last = record.sequence;
            if (record.type == LW_RECORD_POINTS &&
                lw_points_open(&points, record.bytes, record.n_bytes, NULL) == LW_OK) {
                piece->n_points += points.n_left;
            }
        }
    }
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static enum lw_status piece_fill(struct lw_journal_reader *reader, const struct piece *piece,
                                 struct lw_history_writer *writer, struct lw_error *reterr)
{
    uint64_t at = 0, n_points = 0;
    enum lw_status status = LW_OK;

    while (status == LW_OK && at < piece->last) {
        struct lw_journal_record record;

        status = lw_journal_reader_next(reader, &record, reterr);
        at = status == LW_OK ? record.sequence : at;
        if (status == LW_OK && at <= piece->last && record.type == LW_RECORD_POINTS) {
            status = add_points(writer, &record, &n_points, reterr);
        }
    }
    return status;
}

static enum lw_status piece_write(struct lw_archive *archive, const struct piece *piece,
                                  struct lw_error *reterr)
{
    struct lw_journal_reader *reader = NULL;
    struct lw_history_writer *writer = NULL;
    enum lw_status status = lw_journal_reader_open(&archive->durable->journal_config, piece->first,
                                                   &reader, reterr);

    if (status == LW_OK) {
        status = lw_history_begin(archive->history, piece->first, piece->last, &writer, reterr);
    }
    if (status == LW_OK) {
        status = piece_fill(reader, piece, writer, reterr);
        if (status == LW_OK) {
            status = lw_history_commit(writer, reterr);
        } else {
            lw_history_abandon(writer);
        }
    }
    lw_journal_reader_close(reader);
    return status;
}

/* The next piece, if there is one on the disk. */
static enum lw_status archive_piece(struct lw_archive *archive, bool *ret_more,
                                    struct lw_error *reterr)
{
    uint64_t durable = atomic_load(&archive->durable->durable);
    struct piece piece = {.first = lw_history_covered(archive->history) + 1};
    struct lw_journal_reader *reader = NULL;
    enum lw_status status;

    *ret_more = false;
    piece.last = piece.first - 1;
    if (piece.first > durable) {
        return LW_OK;
    }
    status = lw_journal_reader_open(&archive->durable->journal_config, piece.first, &reader,
                                    reterr);
    if (status == LW_OK) {
        status = piece_measure(reader, durable, &piece, reterr);
    }
    lw_journal_reader_close(reader);
    if (status == LW_OK && piece.last >= piece.first) {
        status = piece_write(archive, &piece, reterr);
        *ret_more = status == LW_OK;
    }
    return status;
}

enum lw_status lw_archive_turn(struct lw_archive *archive, struct lw_error *reterr)
{
    struct lw_durable *durable = archive->durable;
    enum lw_status status = LW_OK;
    size_t n = 1;
    bool more = true;

    while (status == LW_OK && more) {
        status = archive_piece(archive, &more, reterr);
    }
    for (int i = 0; status == LW_OK && n > 0 && i < MERGES_MAX; i++) {
        status = lw_history_compact(archive->history, &n, reterr);
    }
    if (status == LW_OK) {
        status = lw_history_retain(archive->history, durable->real_ns(durable->real_context), &n,
                                   reterr);
    }
    return status;
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
