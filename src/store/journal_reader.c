/* Reads a journal's records in order over its segments, and says what each segment holds. */
#include "store/journal.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/fixed.h"
#include "store/journal_segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct lw_journal_reader {
    const struct lw_io *io;
    char *dir; /* Owned. */
    struct lw_segment_list list;
    size_t i; /* The segment that walk is in. */
    bool walking;
    struct lw_segment_walk walk;
    uint64_t from, next; /* Records before `from` are passed over; next is what comes in a group. */
    const uint8_t *records; /* What is left of the group; borrowed from the walk. */
    uint32_t n_records;
};

enum lw_status lw_journal_reader_open(const struct lw_journal_config *config, uint64_t from,
                                      struct lw_journal_reader **ret_reader,
                                      struct lw_error *reterr)
{
    size_t dir_bytes = strlen(config->dir) + 1;
    struct lw_journal_reader *reader = lw_mem_calloc(1, sizeof(*reader));
    enum lw_status status = LW_OK;

    if (reader != NULL) {
        reader->dir = lw_mem_alloc(dir_bytes);
    }
    if (reader == NULL || reader->dir == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a reader of the journal");
        goto done;
    }
    memcpy(reader->dir, config->dir, dir_bytes);
    reader->io = config->io;
    reader->from = from;
    status = lw_segment_list_read(config->io, config->dir, false, &reader->list, reterr);
    if (status != LW_OK) {
        goto done;
    }
    if (from > 0 && reader->list.n > 0 && reader->list.ids[0].first > from) {
        status = lw_error_set(reterr, LW_ENOTFOUND,
                              "the journal in %s begins at record %" PRIu64
                              ", behind record %" PRIu64,
                              config->dir, reader->list.ids[0].first, from);
        goto done;
    }
    while (reader->i + 1 < reader->list.n &&
           lw_segment_list_end(&reader->list, reader->i) <= from) {
        reader->i++;
    }
    *ret_reader = reader;
    reader = NULL;
done:
    lw_journal_reader_close(reader);
    return status;
}

void lw_journal_reader_close(struct lw_journal_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    lw_segment_walk_close(&reader->walk);
    lw_segment_list_fini(&reader->list);
    lw_mem_free(reader->dir);
    lw_mem_free(reader);
}

/* The next group that holds something from `from` on; what lies before is hopped over by its heads.
 */
static enum lw_status reader_group(struct lw_journal_reader *reader, struct lw_error *reterr)
{
    struct lw_segment_walk *walk = &reader->walk;
    struct lw_group group;
    enum lw_status status = LW_OK;

    while (walk->next < reader->from && status == LW_OK) {
        status = lw_segment_walk_next(walk, &group, NULL, reterr);
        if (status == LW_OK && walk->next > reader->from) {
            walk->at = group.at;
            walk->next = group.first;
            break;
        }
    }
    if (status == LW_OK) {
        status = lw_segment_walk_next(walk, &group, &reader->records, reterr);
    }
    if (status == LW_OK) {
        reader->next = group.first;
        reader->n_records = group.n_records;
    }
    return status;
}

/* A walk has ended: goes on to the next segment. LW_ENOTFOUND when it was the last. */
static enum lw_status reader_advance(struct lw_journal_reader *reader, struct lw_error *reterr)
{
    char damage[LW_SEGMENT_DAMAGE_BYTES];
    uint64_t end = lw_segment_list_end(&reader->list, reader->i);
    enum lw_status status = lw_segment_walk_judge(&reader->walk, end, damage, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (damage[0] != '\0') {
        return lw_error_set(reterr, LW_EFORMAT, "%s is damaged: %s", reader->walk.path, damage);
    }
    if (end == UINT64_MAX) {
        return LW_ENOTFOUND;
    }
    lw_segment_walk_close(&reader->walk);
    reader->walking = false;
    reader->i++;
    return LW_OK;
}

/* Takes the next record out of the group. */
static void reader_take(struct lw_journal_reader *reader, struct lw_journal_record *ret_record)
{
    ret_record->sequence = reader->next;
    ret_record->n_bytes = lw_get_u32(reader->records);
    ret_record->type = lw_get_u32(reader->records + 4);
    ret_record->bytes = reader->records + LW_GROUP_RECORD_BYTES;
    reader->records += LW_GROUP_RECORD_BYTES + ret_record->n_bytes;
    reader->n_records--;
    reader->next++;
}

enum lw_status lw_journal_reader_next(struct lw_journal_reader *reader,
                                      struct lw_journal_record *ret_record, struct lw_error *reterr)
{
    while (reader->i < reader->list.n) {
        uint64_t end = lw_segment_list_end(&reader->list, reader->i);
        enum lw_status status = LW_OK;

        if (reader->list.ids[reader->i].first == end) {
            reader->i++; /* All that it may hold was written again. */
        } else if (!reader->walking) {
            reader->n_records = 0;
            status = lw_segment_walk_open(&reader->walk, reader->io, reader->dir,
                                          &reader->list.ids[reader->i], reterr);
            reader->walking = status == LW_OK;
        } else if (reader->n_records > 0 && reader->next < end) {
            struct lw_journal_record record;

            reader_take(reader, &record);
            if (record.sequence >= reader->from) {
                *ret_record = record;
                return LW_OK;
            }
        } else {
            reader->n_records = 0;
            status = reader->walk.next < end ? reader_group(reader, reterr) : LW_ENOTFOUND;
            status = status == LW_ENOTFOUND ? reader_advance(reader, reterr) : status;
        }
        if (status != LW_OK) {
            if (!reader->walking) {
                lw_segment_walk_close(&reader->walk);
            }
            return status;
        }
    }
    return LW_ENOTFOUND;
}

enum lw_status lw_journal_reader_skip(struct lw_journal_reader *reader, struct lw_error *reterr)
{
    enum lw_status status = reader->walking ? lw_segment_walk_resume(&reader->walk, reterr)
                                            : LW_ENOTFOUND;

    reader->n_records = 0;
    if (status == LW_OK && reader->walk.next < lw_segment_list_end(&reader->list, reader->i)) {
        return LW_OK;
    }
    if (status != LW_OK && status != LW_ENOTFOUND) {
        return status;
    }
    lw_segment_walk_close(&reader->walk);
    reader->walking = false;
    reader->i++;
    return reader->i < reader->list.n ? LW_OK : LW_ENOTFOUND;
}

/* ---- what lies on the disk ---- */

/* Fills what a walk through the segment tells. */
static enum lw_status segment_look(struct lw_segment_walk *walk, bool verify, uint64_t end,
                                   struct lw_journal_segment *segment, struct lw_error *reterr)
{
    struct lw_group group;
    const uint8_t *records;
    enum lw_status status = LW_OK;

    segment->n_bytes = walk->n_bytes;
    while (walk->next < end && status == LW_OK) {
        status = lw_segment_walk_next(walk, &group, verify ? &records : NULL, reterr);
    }
    segment->last = (walk->next < end ? walk->next : end) - 1;
    if (status == LW_OK || status == LW_ENOTFOUND) {
        status = lw_segment_walk_judge(walk, end, segment->damage, reterr);
    }
    segment->damaged = segment->damage[0] != '\0';
    return status;
}

enum lw_status lw_journal_segments(const struct lw_journal_config *config, bool verify,
                                   struct lw_journal_segment *ret_segments, size_t capacity,
                                   size_t *ret_n, struct lw_error *reterr)
{
    struct lw_segment_list list;
    struct lw_segment_walk walk = {0};
    enum lw_status status = lw_segment_list_read(config->io, config->dir, false, &list, reterr);

    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; i < list.n && i < capacity && status == LW_OK; i++) {
        struct lw_journal_segment *segment = &ret_segments[i];
        uint64_t end = lw_segment_list_end(&list, i);
        struct lw_error error = {0};

        *segment = (struct lw_journal_segment){
            .first = list.ids[i].first, .last = list.ids[i].first - 1, .closed = i + 1 < list.n};
        lw_segment_name(&list.ids[i], false, segment->name);
        status = lw_segment_walk_open(&walk, config->io, config->dir, &list.ids[i], &error);
        if (status == LW_OK) {
            status = segment_look(&walk, verify, end, segment, &error);
        }
        if (status == LW_EIO || status == LW_EVERSION) { /* The others can be looked at still. */
            (void)snprintf(segment->damage, sizeof(segment->damage), "%.*s",
                           (int)sizeof(segment->damage) - 1, error.message);
            segment->damaged = true;
            status = LW_OK;
        }
        if (status != LW_OK && reterr != NULL) {
            *reterr = error;
        }
        lw_segment_walk_close(&walk);
    }
    if (status == LW_OK) {
        *ret_n = list.n;
    }
    lw_segment_list_fini(&list);
    return status;
}
