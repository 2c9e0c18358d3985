/*
 * Makes a damaged folder of state one that opens.
 *
 * Numbers are never given twice: entities and history know records by them. So a journal that is
 * written anew keeps every number up to the last one known, with a mark in place of each record
 * that is lost.
 */
#include "base/error.h"
#include "base/mem.h"
#include "engine/state/durable.h"
#include "engine/state/inspect.h"
#include "lapwing/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ASIDE_MAX 1000
#define SYNC_BYTES ((size_t)32 << 20)

struct repair {
    struct lw_inspection *inspection;
    const struct lw_io *io;
    char fresh_dir[LW_IO_PATH_MAX]; /* Where the journal is written anew. */
};

/* ---- names ---- */

static void nothing_visit(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static bool folder_exists(const struct lw_io *io, const char *path)
{
    int answer;

    do {
        answer = io->list(io->context, path, nothing_visit, NULL);
    } while (answer == -EINTR);
    return answer >= 0;
}

static bool file_exists(const struct lw_io *io, const char *path)
{
    int fd = lw_io_open(io, path, O_RDONLY, 0);

    if (fd >= 0) {
        (void)io->close(io->context, fd);
    }
    return fd >= 0 || folder_exists(io, path);
}

static enum lw_status rename_synced(const struct lw_io *io, const char *from, const char *to,
                                    struct lw_error *reterr)
{
    int answer;

    do {
        answer = io->rename(io->context, from, to);
    } while (answer == -EINTR);
    if (answer >= 0) {
        answer = lw_io_sync_parent(io, to);
    }
    return answer < 0 ? lw_io_fail(answer, "rename", from, reterr) : LW_OK;
}

/* Under a name that is not taken. */
static enum lw_status set_aside(const struct repair *repair, const char *path,
                                struct lw_error *reterr)
{
    char aside[LW_IO_PATH_MAX + 32];
    enum lw_status status;

    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    for (int i = 2; file_exists(repair->io, aside) && i < ASIDE_MAX; i++) {
        (void)snprintf(aside, sizeof(aside), "%s.damaged-%d", path, i);
    }
    status = rename_synced(repair->io, path, aside, reterr);
    if (status == LW_OK) {
        lw_inspection_tell(repair->inspection, "set aside: %s", aside);
    }
    return status;
}

/* ---- the journal anew ---- */

struct emptying {
    const struct repair *repair;
    int answer;
};

static void file_remove(void *context, const char *name)
{
    struct emptying *emptying = context;
    const struct lw_io *io = emptying->repair->io;
    char path[LW_IO_PATH_MAX];

    if (emptying->answer >= 0 &&
        lw_io_join(emptying->repair->fresh_dir, name, path, NULL) == LW_OK) {
        emptying->answer = io->unlink(io->context, path);
    }
}

/* What an earlier repair that was cut short has begun is no one's. A disk may not be asked while it
 * lists, so one name is removed at a time. */
struct first_name {
    char name[LW_IO_PATH_MAX];
};

static void first_visit(void *context, const char *name)
{
    struct first_name *first = context;

    if (first->name[0] == '\0') {
        (void)snprintf(first->name, sizeof(first->name), "%s", name);
    }
}

static enum lw_status fresh_empty(const struct repair *repair, struct lw_error *reterr)
{
    struct emptying emptying = {.repair = repair};
    struct first_name first;

    do {
        first.name[0] = '\0';
        (void)repair->io->list(repair->io->context, repair->fresh_dir, first_visit, &first);
        if (first.name[0] != '\0') {
            file_remove(&emptying, first.name);
        }
    } while (first.name[0] != '\0' && emptying.answer >= 0);
    return emptying.answer < 0 ? lw_io_fail(emptying.answer, "empty", repair->fresh_dir, reterr)
                               : LW_OK;
}

static enum lw_status append_one(struct lw_journal *journal, uint32_t type, const void *bytes,
                                 size_t n_bytes, struct lw_error *reterr)
{
    const struct lw_journal_piece piece = {bytes, n_bytes};
    uint64_t sequence, durable;
    enum lw_status status = lw_journal_append(journal, type, &piece, 1, &sequence);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "the new journal takes no record");
    }
    return lw_journal_pending(journal) < SYNC_BYTES ? LW_OK
                                                    : lw_journal_sync(journal, &durable, reterr);
}

/* Marks up to, not including, a number. */
static enum lw_status append_marks(const struct lw_inspection *inspection,
                                   struct lw_journal *journal, uint64_t until,
                                   struct lw_error *reterr)
{
    uint64_t number = inspection->newest == NULL ? 0 : inspection->newest->sequence;
    enum lw_status status = LW_OK;
    struct lw_writer writer;

    lw_writer_init(&writer);
    lw_write_u64(&writer, number);
    status = writer.status;
    while (status == LW_OK && lw_journal_next(journal) < until) {
        status = append_one(journal, LW_RECORD_LOST, writer.data, writer.n_bytes, reterr);
    }
    lw_writer_fini(&writer);
    return status;
}

static bool is_marked_anew(const struct lw_inspection *inspection, uint64_t sequence)
{
    if (inspection->check.lost_first != 0 && sequence >= inspection->check.lost_first) {
        return true;
    }
    for (size_t i = 0; i < inspection->n_lost; i++) {
        if (sequence >= inspection->lost[i].first && sequence <= inspection->lost[i].last) {
            return true;
        }
    }
    return false;
}

static enum lw_status copy_records(const struct lw_inspection *inspection,
                                   struct lw_journal_reader *reader, struct lw_journal *journal,
                                   struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK) {
        struct lw_journal_record record;
        struct lw_error error = {0};

        status = lw_journal_reader_next(reader, &record, &error);
        if (status == LW_EFORMAT) {
            status = lw_journal_reader_skip(reader, reterr);
        } else if (status == LW_OK && !is_marked_anew(inspection, record.sequence)) {
            status = append_marks(inspection, journal, record.sequence, reterr);
            if (status == LW_OK) {
                status = append_one(journal, record.type, record.bytes, record.n_bytes, reterr);
            }
        } else if (status != LW_OK && status != LW_ENOTFOUND) {
            status = lw_error_set(reterr, status, "%s", error.message);
        }
    }
    return status == LW_ENOTFOUND
               ? append_marks(inspection, journal, lw_inspection_last(inspection) + 1, reterr)
               : status;
}

/* Where the new journal begins: nobody may miss a number. */
static uint64_t first_number(const struct lw_inspection *inspection)
{
    uint64_t first = lw_inspection_from(inspection);

    if (inspection->check.first != 0 && inspection->check.first < first) {
        first = inspection->check.first;
    }
    return inspection->history.covered + 1 < first ? inspection->history.covered + 1 : first;
}

static enum lw_status write_anew(const struct repair *repair, struct lw_error *reterr)
{
    const struct lw_inspection *inspection = repair->inspection;
    const struct lw_journal_config config = {
        .io = repair->io, .dir = repair->fresh_dir, .first = first_number(inspection)};
    struct lw_journal_reader *reader = NULL;
    struct lw_journal *journal = NULL;
    uint64_t durable;
    enum lw_status status = fresh_empty(repair, reterr);

    if (status == LW_OK) {
        status = lw_journal_open(&config, &journal, reterr);
    }
    if (status == LW_OK) {
        status = lw_journal_reader_open(&inspection->journal_config, 0, &reader, reterr);
    }
    if (status == LW_OK) {
        status = copy_records(inspection, reader, journal, reterr);
    }
    if (status == LW_OK) {
        status = lw_journal_sync(journal, &durable, reterr);
    }
    lw_journal_reader_close(reader);
    lw_journal_close(journal);
    return status;
}

static enum lw_status repair_journal(const struct repair *repair, struct lw_error *reterr)
{
    const struct lw_inspection *inspection = repair->inspection;
    const struct lw_state_check *check = &inspection->check;
    enum lw_status status = LW_OK;

    if (inspection->n_lost == 0 && check->lost_first == 0) {
        return LW_OK;
    }
    status = write_anew(repair, reterr);
    if (status == LW_OK && folder_exists(repair->io, inspection->journal_dir)) {
        status = set_aside(repair, inspection->journal_dir, reterr);
    }
    if (status == LW_OK) {
        status = rename_synced(repair->io, repair->fresh_dir, inspection->journal_dir, reterr);
    }
    if (status == LW_OK && check->lost_first == 0) {
        lw_inspection_tell(inspection, "journal written anew: nothing is lost to the engine, for "
                                       "the snapshot holds what the damaged records did");
    } else if (status == LW_OK) {
        lw_inspection_tell(inspection,
                           "journal written anew: records %" PRIu64 " to %" PRIu64 " are lost",
                           check->lost_first, check->lost_last);
    }
    return status;
}

/* ---- the whole ---- */

static enum lw_status repair_files(const struct repair *repair, struct lw_error *reterr)
{
    const struct lw_inspection *inspection = repair->inspection;
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < inspection->n_snapshots; i++) {
        char path[LW_IO_PATH_MAX];

        if (!inspection->snapshots[i].whole) {
            status = lw_io_join(inspection->snapshot_dir, inspection->snapshots[i].name, path,
                                reterr);
            status = status == LW_OK ? set_aside(repair, path, reterr) : status;
        }
    }
    for (size_t i = 0; status == LW_OK && i < inspection->n_damaged_history; i++) {
        status = set_aside(repair, inspection->damaged_history[i], reterr);
    }
    if (status == LW_OK && inspection->keyed_damaged) {
        status = set_aside(repair, inspection->keyed_dir, reterr);
        if (status == LW_OK) {
            lw_inspection_tell(inspection, "the keyed store begins anew: what sinks had yet to be "
                                           "told is lost, open anomalies are told again");
        }
    }
    return status;
}

/* A repair was cut short between its two renames: the new journal is whole, or it would not have
 * come to them. */
static enum lw_status finish_earlier(const struct repair *repair, struct lw_error *reterr)
{
    char journal_dir[LW_IO_PATH_MAX];
    enum lw_status status = lw_io_join(repair->inspection->folder->dir, "journal", journal_dir,
                                       reterr);

    if (status == LW_OK && !folder_exists(repair->io, journal_dir) &&
        folder_exists(repair->io, repair->fresh_dir)) {
        status = rename_synced(repair->io, repair->fresh_dir, journal_dir, reterr);
    }
    return status;
}

static enum lw_status repair_inspected(const struct repair *repair, struct lw_error *reterr)
{
    const struct lw_inspection *inspection = repair->inspection;
    enum lw_status status;

    if (inspection->check.hopeless) {
        return lw_error_set(reterr, LW_ENOTFOUND,
                            "%s: no snapshot is whole, and the journal does not begin at record 1: "
                            "there is nothing to go on from",
                            inspection->folder->dir);
    }
    status = repair_journal(repair, reterr);
    return status == LW_OK ? repair_files(repair, reterr) : status;
}

enum lw_status lw_state_repair(const struct lw_state_folder *folder,
                               struct lw_state_check *ret_check, struct lw_error *reterr)
{
    struct lw_inspection *inspection = lw_mem_calloc(1, sizeof(*inspection));
    struct repair repair = {.inspection = inspection,
                            .io = folder->io == NULL ? lw_io_system() : folder->io};
    struct lw_state_folder quiet = *folder;
    struct lw_state_check after;
    enum lw_status status;

    if (inspection == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to repair the state");
    }
    inspection->folder = folder;
    status = lw_io_join(folder->dir, "journal.new", repair.fresh_dir, reterr);
    if (status == LW_OK) {
        status = finish_earlier(&repair, reterr);
    }
    if (status == LW_OK) {
        status = lw_inspection_make(inspection, folder, reterr);
        status = status == LW_OK ? repair_inspected(&repair, reterr) : status;
    }
    quiet.notice = NULL;
    if (status == LW_OK) {
        status = lw_state_verify(&quiet, &after, reterr);
    }
    if (status == LW_OK) {
        after.lost_first = inspection->check.lost_first;
        after.lost_last = inspection->check.lost_last;
        *ret_check = after;
    }
    lw_inspection_fini(inspection);
    lw_mem_free(inspection);
    return status;
}
