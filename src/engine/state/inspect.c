/* Looks at a folder of state: every byte of snapshots, journal, history and keyed store. */
#include "engine/state/inspect.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/state/checkpoint.h"
#include "engine/state/durable.h"
#include "lapwing/state.h"
#include "store/keyed.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lw_inspection_tell(const struct lw_inspection *inspection, const char *format, ...)
{
    char text[LW_ERROR_MESSAGE_MAX + 64];
    va_list list;

    if (inspection->folder->notice == NULL) {
        return;
    }
    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    inspection->folder->notice(inspection->folder->context, text);
}

static void damage_tell(struct lw_inspection *inspection, const char *message)
{
    inspection->check.damaged++;
    lw_inspection_tell(inspection, "damaged: %s", message);
}

/* ---- snapshots ---- */

/* Up to which record the entities of a block know. */
static uint64_t block_reach(const struct lw_snapshot_block *block)
{
    struct lw_reader reader;
    uint64_t stands_at;

    lw_reader_init(&reader, block->bytes, block->n_bytes);
    stands_at = lw_read_u64(&reader);
    return reader.status == LW_OK && stands_at > 0 ? stands_at - 1 : 0;
}

static enum lw_status snapshot_read(struct lw_inspection *inspection,
                                    struct lw_inspected_snapshot *snapshot, struct lw_error *reterr)
{
    struct lw_snapshot_reader *reader = NULL;
    struct lw_snapshot_block block;
    enum lw_status status = lw_snapshot_open(&inspection->snapshot_config, snapshot->name, &reader,
                                             reterr);

    while (status == LW_OK) {
        status = lw_snapshot_next(reader, &block, reterr);
        if (status == LW_OK && block.type == LW_BLOCK_ENTITIES &&
            block_reach(&block) > snapshot->reach) {
            snapshot->reach = block_reach(&block);
        }
    }
    lw_snapshot_close(reader);
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static enum lw_status look_at_snapshots(struct lw_inspection *inspection, struct lw_error *reterr)
{
    struct lw_snapshot_info infos[LW_INSPECTION_SNAPSHOTS];
    size_t n = 0;
    enum lw_status status = lw_snapshot_list(&inspection->snapshot_config, false, infos,
                                             LW_INSPECTION_SNAPSHOTS, &n, reterr);

    for (size_t i = 0; status == LW_OK && i < n && i < LW_INSPECTION_SNAPSHOTS; i++) {
        struct lw_inspected_snapshot *snapshot = &inspection->snapshots[i];
        struct lw_error error = {0};

        memcpy(snapshot->name, infos[i].name, sizeof(snapshot->name));
        snapshot->sequence = infos[i].sequence;
        status = snapshot_read(inspection, snapshot, &error);
        snapshot->whole = status == LW_OK;
        if (status == LW_EFORMAT) {
            damage_tell(inspection, error.message);
            status = LW_OK;
        } else if (status != LW_OK) {
            status = lw_error_set(reterr, status, "%s", error.message);
        }
        inspection->check.files++;
        inspection->check.bytes += infos[i].n_bytes > 0 ? (uint64_t)infos[i].n_bytes : 0;
        inspection->check.snapshots++;
        inspection->check.snapshots_whole += snapshot->whole ? 1 : 0;
        if (snapshot->whole && inspection->newest == NULL) {
            inspection->newest = snapshot;
        }
        inspection->n_snapshots = i + 1;
    }
    return status;
}

/* ---- the journal ---- */

static enum lw_status lost_add(struct lw_inspection *inspection, uint64_t first, uint64_t last,
                               struct lw_error *reterr)
{
    struct lw_lost *grown;

    if (inspection->n_lost > 0 && inspection->lost[inspection->n_lost - 1].last + 1 == first) {
        inspection->lost[inspection->n_lost - 1].last = last;
        return LW_OK;
    }
    grown = lw_mem_realloc(inspection->lost, (inspection->n_lost + 1) * sizeof(*grown));
    if (grown == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the list of lost records");
    }
    inspection->lost = grown;
    grown[inspection->n_lost++] = (struct lw_lost){first, last};
    return LW_OK;
}

/* Which snapshots can do without a record that was marked as lost. */
static uint64_t marked_for(const struct lw_journal_record *record)
{
    struct lw_reader reader;

    lw_reader_init(&reader, record->bytes, record->n_bytes);
    return lw_read_u64(&reader);
}

static enum lw_status take_record(struct lw_inspection *inspection,
                                  const struct lw_journal_record *record, struct lw_error *reterr)
{
    struct lw_state_check *check = &inspection->check;
    enum lw_status status = LW_OK;

    if (check->first == 0) {
        check->first = record->sequence;
    } else if (record->sequence > check->last + 1) {
        status = lost_add(inspection, check->last + 1, record->sequence - 1, reterr);
    }
    check->last = record->sequence;
    if (status == LW_OK && record->type == LW_RECORD_LOST &&
        marked_for(record) > (inspection->newest == NULL ? 0 : inspection->newest->sequence)) {
        status = lost_add(inspection, record->sequence, record->sequence, reterr);
    }
    return status;
}

static enum lw_status read_journal(struct lw_inspection *inspection,
                                   struct lw_journal_reader *reader, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK) {
        struct lw_journal_record record;
        struct lw_error error = {0};

        status = lw_journal_reader_next(reader, &record, &error);
        if (status == LW_OK) {
            status = take_record(inspection, &record, reterr);
        } else if (status == LW_EFORMAT) {
            damage_tell(inspection, error.message);
            status = lw_journal_reader_skip(reader, reterr);
            if (status == LW_ENOTFOUND) { /* It ends there: one is missing at least. */
                uint64_t next = inspection->check.last + 1;

                status = lost_add(inspection, next, next, reterr);
                status = status == LW_OK ? LW_ENOTFOUND : status;
            }
        } else if (status != LW_ENOTFOUND) {
            status = lw_error_set(reterr, status, "%s", error.message);
        }
    }
    return status == LW_ENOTFOUND ? LW_OK : status;
}

static enum lw_status count_segments(struct lw_inspection *inspection, uint64_t *ret_first,
                                     struct lw_error *reterr)
{
    struct lw_journal_segment *segments = NULL;
    size_t n = 0;
    enum lw_status status = lw_journal_segments(&inspection->journal_config, false, NULL, 0, &n,
                                                reterr);

    if (status == LW_OK && n > 0) {
        segments = lw_mem_calloc(n, sizeof(*segments));
        status = segments == NULL ? lw_error_set(reterr, LW_ENOMEM, "no memory for %zu segments", n)
                                  : lw_journal_segments(&inspection->journal_config, false,
                                                        segments, n, &n, reterr);
    }
    for (size_t i = 0; status == LW_OK && i < n; i++) {
        inspection->check.files++;
        inspection->check.bytes += segments[i].n_bytes > 0 ? (uint64_t)segments[i].n_bytes : 0;
    }
    *ret_first = status == LW_OK && n > 0 ? segments[0].first : 0;
    lw_mem_free(segments);
    return status;
}

static enum lw_status look_at_journal(struct lw_inspection *inspection, struct lw_error *reterr)
{
    struct lw_journal_reader *reader = NULL;
    uint64_t first = 0;
    enum lw_status status = count_segments(inspection, &first, reterr);

    if (status == LW_OK) {
        status = lw_journal_reader_open(&inspection->journal_config, 0, &reader, reterr);
    }
    if (status == LW_OK) {
        inspection->check.last = first > 0 ? first - 1 : 0;
        inspection->check.first = first; /* A segment without records, too, holds a place. */
        status = read_journal(inspection, reader, reterr);
    }
    lw_journal_reader_close(reader);
    return status;
}

/* ---- history and keyed store ---- */

static void history_damaged(void *context, const char *file, const char *damage)
{
    struct lw_inspection *inspection = context;

    damage_tell(inspection, damage);
    if (inspection->n_damaged_history < LW_INSPECTION_DAMAGED) {
        (void)snprintf(inspection->damaged_history[inspection->n_damaged_history++], LW_IO_PATH_MAX,
                       "%s", file);
    }
}

static enum lw_status look_at_history(struct lw_inspection *inspection, struct lw_error *reterr)
{
    const struct lw_history_config config = {.io = inspection->io, .dir = inspection->history_dir};
    enum lw_status status;

    inspection->damaged_history = lw_mem_calloc(LW_INSPECTION_DAMAGED, LW_IO_PATH_MAX);
    if (inspection->damaged_history == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to verify the history");
    }
    status = lw_history_check(&config, history_damaged, inspection, &inspection->history, reterr);
    if (status == LW_OK) {
        inspection->check.files += inspection->history.n_files;
        inspection->check.bytes += inspection->history.n_bytes;
    }
    return status;
}

static bool pair_count(void *context, const struct lw_keyed_pair *pair)
{
    struct lw_inspection *inspection = context;

    inspection->check.bytes += pair->n_key + pair->n_value;
    return true;
}

/* The keyed store is on the system's disk alone. Opening it replays its own log. */
static enum lw_status look_at_keyed(struct lw_inspection *inspection, struct lw_error *reterr)
{
    const struct lw_keyed_config config = {.dir = inspection->keyed_dir};
    const struct lw_keyed_range all = {.prefix = "", .n_prefix = 0};
    struct lw_keyed *keyed = NULL;
    struct lw_error error = {0};
    enum lw_status status;

    if (inspection->io != lw_io_system() ||
        inspection->io->space(inspection->io->context, inspection->keyed_dir) < 0) {
        return LW_OK;
    }
    status = lw_keyed_open(&config, &keyed, &error);
    if (status == LW_OK) {
        inspection->check.files++;
        status = lw_keyed_scan(keyed, &all, pair_count, inspection, &error);
    }
    lw_keyed_close(keyed);
    inspection->keyed_damaged = status == LW_EIO || status == LW_EFORMAT;
    if (inspection->keyed_damaged) {
        damage_tell(inspection, error.message);
        return LW_OK;
    }
    return status == LW_OK ? LW_OK : lw_error_set(reterr, status, "%s", error.message);
}

/* ---- what it means ---- */

uint64_t lw_inspection_from(const struct lw_inspection *inspection)
{
    return inspection->newest == NULL ? 1 : inspection->newest->sequence;
}

uint64_t lw_inspection_last(const struct lw_inspection *inspection)
{
    uint64_t last = inspection->check.last;

    if (inspection->n_lost > 0 && inspection->lost[inspection->n_lost - 1].last > last) {
        last = inspection->lost[inspection->n_lost - 1].last;
    }
    if (inspection->newest != NULL && inspection->newest->reach > last) {
        last = inspection->newest->reach;
    }
    last = inspection->history.covered > last ? inspection->history.covered : last;
    return inspection->check.lost_first > last ? inspection->check.lost_first : last;
}

/* The first number at or behind `from` that cannot be had; 0: none. */
static uint64_t first_lost(const struct lw_inspection *inspection, uint64_t from)
{
    const struct lw_state_check *check = &inspection->check;

    if (check->first > from || (check->first == 0 && lw_inspection_last(inspection) > 0)) {
        return from; /* A journal that is gone held something. */
    }
    for (size_t i = 0; i < inspection->n_lost; i++) {
        if (inspection->lost[i].last >= from) {
            return inspection->lost[i].first > from ? inspection->lost[i].first : from;
        }
    }
    if (lw_inspection_last(inspection) <= check->last) {
        return 0;
    }
    return check->last + 1 > from ? check->last + 1 : from;
}

static void conclude(struct lw_inspection *inspection)
{
    struct lw_state_check *check = &inspection->check;
    uint64_t from = lw_inspection_from(inspection);

    check->lost_first = first_lost(inspection, from);
    check->lost_last = check->lost_first == 0 ? 0 : lw_inspection_last(inspection);
    check->hopeless = inspection->newest == NULL &&
                      (check->snapshots > 0 || check->first > 1 ||
                       inspection->history.covered > 0) &&
                      check->first != 1;
    if (inspection->newest != NULL) {
        (void)snprintf(check->snapshot, sizeof(check->snapshot), "%s", inspection->newest->name);
        check->snapshot_number = inspection->newest->sequence;
    }
    check->opens = check->lost_first == 0 && !check->hopeless &&
                   (check->snapshots == 0 || inspection->newest == &inspection->snapshots[0]);
}

static enum lw_status folders(struct lw_inspection *inspection, struct lw_error *reterr)
{
    const char *dir = inspection->folder->dir;
    enum lw_status status = lw_io_join(dir, "journal", inspection->journal_dir, reterr);

    if (status == LW_OK) {
        status = lw_io_join(dir, "snapshots", inspection->snapshot_dir, reterr);
    }
    if (status == LW_OK) {
        status = lw_io_join(dir, "history", inspection->history_dir, reterr);
    }
    if (status == LW_OK) {
        status = lw_io_join(dir, "keyed", inspection->keyed_dir, reterr);
    }
    return status == LW_OK && inspection->io->space(inspection->io->context, dir) < 0
               ? lw_error_set(reterr, LW_ENOTFOUND, "there is no folder %s", dir)
               : status;
}

enum lw_status lw_inspection_make(struct lw_inspection *inspection,
                                  const struct lw_state_folder *folder, struct lw_error *reterr)
{
    enum lw_status status;

    *inspection = (struct lw_inspection){.folder = folder};
    inspection->io = folder->io == NULL ? lw_io_system() : folder->io;
    status = folders(inspection, reterr);
    inspection->journal_config = (struct lw_journal_config){.io = inspection->io,
                                                            .dir = inspection->journal_dir};
    inspection->snapshot_config = (struct lw_snapshot_config){.io = inspection->io,
                                                              .dir = inspection->snapshot_dir};
    if (status == LW_OK) {
        status = look_at_snapshots(inspection, reterr);
    }
    if (status == LW_OK) {
        status = look_at_journal(inspection, reterr);
    }
    if (status == LW_OK) {
        status = look_at_history(inspection, reterr);
    }
    if (status == LW_OK) {
        status = look_at_keyed(inspection, reterr);
    }
    if (status == LW_OK) {
        conclude(inspection);
    }
    return status;
}

void lw_inspection_fini(struct lw_inspection *inspection)
{
    lw_mem_free(inspection->lost);
    lw_mem_free(inspection->damaged_history);
    inspection->lost = NULL;
    inspection->damaged_history = NULL;
}

enum lw_status lw_state_verify(const struct lw_state_folder *folder,
                               struct lw_state_check *ret_check, struct lw_error *reterr)
{
    struct lw_inspection *inspection = lw_mem_calloc(1, sizeof(*inspection));
    enum lw_status status;

    if (inspection == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to verify the state");
    }
    status = lw_inspection_make(inspection, folder, reterr);
    if (status == LW_OK) {
        *ret_check = inspection->check;
    }
    lw_inspection_fini(inspection);
    lw_mem_free(inspection);
    return status;
}
