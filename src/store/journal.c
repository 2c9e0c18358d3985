/*
 * The journal's writer.
 *
 * Appending fills blocks: a block is a group as it will lie in a segment, its head left open until
 * it is written, because place and segment are known only then. The syncing thread takes all blocks
 * under the lock, which it never holds over a disk call, and writes them behind one another; one
 * fdatasync ends a group. Blocks are freed when they are known to be on the disk, and not before:
 * after a failure the segment is abandoned (cut back to what is known to be on the disk, as far as
 * the disk allows) and the next sync begins a new segment with the same blocks.
 *
 * A new segment is written under another name. Only when its first blocks are synced it gets its
 * own, and the folder is synced: so a segment that is there holds what it was begun with, and may
 * take the place of what older ones hold from its first record on. Within a segment the head of a
 * group says how far it was on the disk. What nothing vouches for at open, the last blocks, may be
 * in the page cache only, and there even after a sync that failed: they are taken up into memory
 * and begin a new segment, all of them at once, and nothing new is ever put behind them where they
 * are.
 */
#include "store/journal.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/fixed.h"
#include "store/journal_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#define SEGMENT_BYTES ((size_t)64 << 20)
#define PENDING_BYTES ((size_t)256 << 20)
#define BLOCK_BYTES ((size_t)256 << 10) /* A quarter of a segment, if that is less. */
#define POOL_BLOCKS 64                  /* Kept for use again: 16 MiB. */

struct block {
    struct block *next;
    uint64_t first;
    uint32_t n_records;
    size_t n_bytes; /* With the head. */
    size_t capacity;
    uint8_t bytes[];
};

struct blocks {
    struct block *first, *last;
};

struct lw_journal {
    const struct lw_io *io;
    char *dir; /* Owned. */
    size_t segment_bytes, pending_bytes;
    size_t block_bytes; /* Of a block, if no record asks for more. */

    pthread_mutex_t lock; /* Guards what follows, up to the syncing thread's own. */
    struct blocks appended, pool;
    size_t n_pool;
    uint64_t next, durable;
    size_t pending; /* Bytes in appended and unsynced. */

    /* The syncing thread's. */
    struct blocks unsynced; /* Taken, and not known to be on the disk. */
    uint64_t generation;    /* Of the youngest segment there is, or was tried. */
    int fd;                 /* Of the segment that is written; -1 between two. */
    uint64_t seed;          /* Of its groups. */
    int64_t at, durable_at; /* Its end, and how far it is known to be on the disk. */
    uint64_t tail;          /* The last record that was taken up at open, until it is synced. */
    bool dir_dirty;         /* The folder is to be synced before more is removed from it. */
    char path[LW_IO_PATH_MAX], unfinished[LW_IO_PATH_MAX];
};

/* ---- blocks ---- */

static struct block *block_create(size_t capacity)
{
    struct block *block = lw_mem_alloc(sizeof(*block) + capacity);

    if (block != NULL) {
        block->capacity = capacity;
    }
    return block;
}

static void block_reset(struct block *block, uint64_t first)
{
    block->next = NULL;
    block->first = first;
    block->n_records = 0;
    block->n_bytes = LW_GROUP_HEAD_BYTES;
}

static void blocks_push(struct blocks *blocks, struct block *block)
{
    block->next = NULL;
    if (blocks->last == NULL) {
        blocks->first = block;
    } else {
        blocks->last->next = block;
    }
    blocks->last = block;
}

static struct block *blocks_take(struct blocks *blocks)
{
    struct block *block = blocks->first;

    if (block != NULL) {
        blocks->first = block->next;
        blocks->last = blocks->first == NULL ? NULL : blocks->last;
    }
    return block;
}

static void blocks_free(struct blocks *blocks)
{
    for (struct block *block = blocks_take(blocks); block != NULL; block = blocks_take(blocks)) {
        lw_mem_free(block);
    }
}

/* A block that has room for a record of so many bytes, at the end of what is appended. NULL when
 * there is no memory. The lock is held. */
static struct block *journal_room(struct lw_journal *journal, size_t n_bytes)
{
    struct block *block = journal->appended.last;
    size_t capacity = LW_GROUP_HEAD_BYTES + n_bytes;

    if (block != NULL && block->capacity - block->n_bytes >= n_bytes) {
        return block;
    }
    if (capacity > journal->block_bytes) {
        block = block_create(capacity);
    } else {
        block = blocks_take(&journal->pool);
        if (block != NULL) {
            journal->n_pool--;
        } else {
            block = block_create(journal->block_bytes);
        }
    }
    if (block != NULL) {
        block_reset(block, journal->next);
        blocks_push(&journal->appended, block);
        journal->pending += LW_GROUP_HEAD_BYTES;
    }
    return block;
}

/* ---- appending ---- */

enum lw_status lw_journal_append(struct lw_journal *journal, uint32_t type,
                                 const struct lw_journal_piece *pieces, size_t n_pieces,
                                 uint64_t *ret_sequence)
{
    enum lw_status status = LW_OK;
    struct block *block = NULL;
    size_t n_bytes = 0;

    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].n_bytes > LW_JOURNAL_RECORD_BYTES_MAX - n_bytes) {
            return LW_ELIMIT;
        }
        n_bytes += pieces[i].n_bytes;
    }
    (void)pthread_mutex_lock(&journal->lock);
    if (journal->pending > 0 &&
        journal->pending + LW_GROUP_RECORD_BYTES + n_bytes > journal->pending_bytes) {
        status = LW_EBUSY;
    } else {
        block = journal_room(journal, LW_GROUP_RECORD_BYTES + n_bytes);
        status = block == NULL ? LW_ENOMEM : LW_OK;
    }
    if (block != NULL) {
        uint8_t *at = block->bytes + block->n_bytes;

        lw_put_u32(at, (uint32_t)n_bytes);
        lw_put_u32(at + 4, type);
        at += LW_GROUP_RECORD_BYTES;
        for (size_t i = 0; i < n_pieces; i++) {
            if (pieces[i].n_bytes > 0) {
                memcpy(at, pieces[i].bytes, pieces[i].n_bytes);
                at += pieces[i].n_bytes;
            }
        }
        block->n_bytes += LW_GROUP_RECORD_BYTES + n_bytes;
        block->n_records++;
        journal->pending += LW_GROUP_RECORD_BYTES + n_bytes;
        *ret_sequence = journal->next++;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

/* A member that the lock guards. */
static uint64_t journal_read(const struct lw_journal *journal, const uint64_t *member)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&journal->lock;
    uint64_t value;

    (void)pthread_mutex_lock(lock);
    value = *member;
    (void)pthread_mutex_unlock(lock);
    return value;
}

uint64_t lw_journal_next(const struct lw_journal *journal)
{
    return journal_read(journal, &journal->next);
}

uint64_t lw_journal_durable(const struct lw_journal *journal)
{
    return journal_read(journal, &journal->durable);
}

size_t lw_journal_pending(const struct lw_journal *journal)
{
    return journal_read(journal, &journal->pending);
}

/* ---- syncing ---- */

static enum lw_status dir_sync(struct lw_journal *journal, struct lw_error *reterr)
{
    int answer = lw_io_sync_dir(journal->io, journal->dir);

    if (answer < 0) {
        return lw_io_fail(answer, "sync", journal->dir, reterr);
    }
    journal->dir_dirty = false;
    return LW_OK;
}

/* Begins a segment with the first unsynced record; `whole` bytes it will have when it gets its
 * name. */
static enum lw_status segment_begin(struct lw_journal *journal, int64_t whole,
                                    struct lw_error *reterr)
{
    struct lw_segment_id id = {.first = journal->unsynced.first->first,
                               .generation = ++journal->generation};
    char name[LW_SEGMENT_NAME_BYTES], unfinished[LW_SEGMENT_NAME_BYTES];
    uint8_t head[LW_SEGMENT_HEAD_BYTES];
    enum lw_status status;

    lw_segment_name(&id, false, name);
    lw_segment_name(&id, true, unfinished);
    status = lw_io_join(journal->dir, name, journal->path, reterr);
    if (status == LW_OK) {
        status = lw_io_join(journal->dir, unfinished, journal->unfinished, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    journal->fd = lw_io_open(journal->io, journal->unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (journal->fd < 0) {
        status = lw_io_fail(journal->fd, "create", journal->unfinished, reterr);
        journal->fd = -1;
        return status;
    }
    journal->durable_at = 0;
    journal->at = LW_SEGMENT_HEAD_BYTES;
    journal->seed = lw_segment_head(&id, (uint64_t)whole, head);
    return lw_io_write_all(journal->io, journal->fd, journal->unfinished, head, sizeof(head), 0,
                           reterr);
}

/* The first blocks of a segment are synced: it gets its name. */
static enum lw_status segment_finish(struct lw_journal *journal, struct lw_error *reterr)
{
    const struct lw_io *io = journal->io;
    int answer = io->rename(io->context, journal->unfinished, journal->path);

    journal->dir_dirty = true;
    return answer < 0 ? lw_io_fail(answer, "finish", journal->path, reterr)
                      : dir_sync(journal, reterr);
}

/* After a failure nothing is put behind what the segment holds. */
static void segment_abandon(struct lw_journal *journal)
{
    const struct lw_io *io = journal->io;

    if (journal->fd < 0) {
        return;
    }
    /* Only to give space back: what stays there does no harm. */
    if (journal->durable_at > 0) {
        (void)io->truncate(io->context, journal->fd, journal->durable_at);
    }
    (void)io->close(io->context, journal->fd);
    if (journal->durable_at == 0 && io->unlink(io->context, journal->unfinished) == -ENOENT) {
        (void)io->unlink(io->context, journal->path);
    }
    journal->fd = -1;
}

static enum lw_status block_write(struct lw_journal *journal, struct block *block,
                                  struct lw_error *reterr)
{
    struct lw_group group = {
        .first = block->first,
        .durable = (uint64_t)journal->durable_at,
        .at = journal->at,
        .n_records = block->n_records,
        .n_bytes = (uint32_t)(block->n_bytes - LW_GROUP_HEAD_BYTES),
    };
    enum lw_status status;

    group.checksum = lw_checksum(block->bytes + LW_GROUP_HEAD_BYTES, group.n_bytes, 0);
    lw_group_head(&group, journal->seed, block->bytes);
    status = lw_io_write_all(journal->io, journal->fd, journal->path, block->bytes, block->n_bytes,
                             journal->at, reterr);
    journal->at += status == LW_OK ? (int64_t)block->n_bytes : 0;
    return status;
}

/* The blocks up to `last` are on the disk. */
static void blocks_release(struct lw_journal *journal, const struct block *last)
{
    uint64_t durable = last->first + last->n_records - 1;
    const struct block *released = NULL;

    (void)pthread_mutex_lock(&journal->lock);
    journal->durable = durable;
    while (released != last) {
        struct block *block = blocks_take(&journal->unsynced);

        released = block;
        journal->pending -= block->n_bytes;
        if (block->capacity == journal->block_bytes && journal->n_pool < POOL_BLOCKS) {
            blocks_push(&journal->pool, block);
            journal->n_pool++;
        } else {
            lw_mem_free(block);
        }
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

/* The last of the unsynced blocks that are to be written now: as many as go into a segment which is
 * `at` bytes long. What was taken up at open begins a segment together. */
static struct block *group_last(const struct lw_journal *journal, int64_t at, int64_t *ret_end)
{
    struct block *last = journal->unsynced.first;

    *ret_end = at + (int64_t)last->n_bytes;
    while (last->next != NULL &&
           (*ret_end < (int64_t)journal->segment_bytes || last->next->first <= journal->tail)) {
        last = last->next;
        *ret_end += (int64_t)last->n_bytes;
    }
    return last;
}

/* Writes and syncs as many unsynced blocks as go into one segment. */
static enum lw_status journal_group(struct lw_journal *journal, struct lw_error *reterr)
{
    bool begins = journal->fd < 0;
    int64_t end = 0;
    const struct block *last = group_last(journal, begins ? LW_SEGMENT_HEAD_BYTES : journal->at,
                                          &end);
    struct block *block = journal->unsynced.first;
    enum lw_status status = begins ? segment_begin(journal, end, reterr) : LW_OK;
    int answer;

    while (status == LW_OK && journal->at < end) {
        status = block_write(journal, block, reterr);
        block = block->next;
    }
    if (status != LW_OK) {
        return status;
    }
    answer = lw_io_sync(journal->io, journal->fd);
    status = answer < 0 ? lw_io_fail(answer, "sync", journal->path, reterr)
             : begins   ? segment_finish(journal, reterr)
                        : LW_OK;
    if (status != LW_OK) {
        return status;
    }
    journal->durable_at = journal->at;
    journal->tail = 0;
    blocks_release(journal, last);
    if (journal->at >= (int64_t)journal->segment_bytes) {
        (void)journal->io->close(journal->io->context, journal->fd);
        journal->fd = -1;
    }
    return LW_OK;
}

enum lw_status lw_journal_sync(struct lw_journal *journal, uint64_t *ret_durable,
                               struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    (void)pthread_mutex_lock(&journal->lock);
    if (journal->appended.first != NULL) {
        if (journal->unsynced.last == NULL) {
            journal->unsynced.first = journal->appended.first;
        } else {
            journal->unsynced.last->next = journal->appended.first;
        }
        journal->unsynced.last = journal->appended.last;
        journal->appended = (struct blocks){0};
    }
    (void)pthread_mutex_unlock(&journal->lock);
    while (journal->unsynced.first != NULL && status == LW_OK) {
        status = journal_group(journal, reterr);
    }
    if (status != LW_OK) {
        segment_abandon(journal);
    }
    *ret_durable = lw_journal_durable(journal);
    return status;
}

/* ---- removing ---- */

enum lw_status lw_journal_trim(struct lw_journal *journal, uint64_t before, struct lw_error *reterr)
{
    const struct lw_io *io = journal->io;
    struct lw_segment_list list;
    enum lw_status status = lw_segment_list_read(io, journal->dir, false, &list, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (journal->dir_dirty) {
        status = dir_sync(journal, reterr);
    }
    /* One after the other, oldest first, each for good: a crash must not leave a hole. */
    for (size_t i = 0; status == LW_OK && i + 1 < list.n && lw_segment_list_end(&list, i) <= before;
         i++) {
        char name[LW_SEGMENT_NAME_BYTES], path[LW_IO_PATH_MAX];
        int answer;

        lw_segment_name(&list.ids[i], false, name);
        status = lw_io_join(journal->dir, name, path, reterr);
        if (status == LW_OK) {
            answer = io->unlink(io->context, path);
            journal->dir_dirty = true;
            status = answer < 0 && answer != -ENOENT ? lw_io_fail(answer, "remove", path, reterr)
                                                     : dir_sync(journal, reterr);
        }
    }
    lw_segment_list_fini(&list);
    return status;
}

/* ---- opening ---- */

/* Groups up to byte `durable` of their segment are on the disk: their copies are not needed. */
static void tail_prove(struct lw_journal *journal, int64_t durable, int64_t *base)
{
    while (journal->unsynced.first != NULL &&
           *base + (int64_t)journal->unsynced.first->n_bytes <= durable) {
        struct block *block = blocks_take(&journal->unsynced);

        *base += (int64_t)block->n_bytes;
        journal->durable = block->first + block->n_records - 1;
        journal->pending -= block->n_bytes;
        lw_mem_free(block);
    }
}

/* Walks the newest segment: what it proves to be on the disk is durable, what lies behind that is
 * taken up as unsynced. */
static enum lw_status journal_take_up(struct lw_journal *journal, struct lw_segment_walk *walk,
                                      struct lw_error *reterr)
{
    int64_t base = LW_SEGMENT_HEAD_BYTES; /* Where the first unsynced block lies. */
    const uint8_t *records = NULL;
    struct lw_group group;
    enum lw_status status = lw_segment_walk_next(walk, &group, &records, reterr);

    journal->durable = walk->id.first - 1;
    while (status == LW_OK) {
        int64_t proved = walk->whole > (int64_t)group.durable ? walk->whole
                                                              : (int64_t)group.durable;
        struct block *block = block_create(LW_GROUP_HEAD_BYTES + group.n_bytes);

        if (block == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for %u bytes of the journal",
                                group.n_bytes);
        }
        block_reset(block, group.first);
        block->n_records = group.n_records;
        block->n_bytes = LW_GROUP_HEAD_BYTES + group.n_bytes;
        memcpy(block->bytes + LW_GROUP_HEAD_BYTES, records, group.n_bytes);
        blocks_push(&journal->unsynced, block);
        journal->pending += block->n_bytes;
        tail_prove(journal, proved, &base);
        status = lw_segment_walk_next(walk, &group, &records, reterr);
    }
    journal->next = walk->next;
    journal->tail = walk->next - 1;
    return status == LW_ENOTFOUND ? LW_OK : status;
}

/* One segment at open: by its heads that nothing is missing; of the newest, all. */
static enum lw_status journal_check(struct lw_journal *journal, const struct lw_segment_list *list,
                                    size_t i, struct lw_error *reterr)
{
    uint64_t end = lw_segment_list_end(list, i);
    char damage[LW_SEGMENT_DAMAGE_BYTES];
    struct lw_segment_walk walk = {0};
    struct lw_group group;
    enum lw_status status;

    if (list->ids[i].first == end) {
        return LW_OK; /* All that it may hold was written again. */
    }
    status = lw_segment_walk_open(&walk, journal->io, journal->dir, &list->ids[i], reterr);
    if (status == LW_OK && end == UINT64_MAX) {
        status = journal_take_up(journal, &walk, reterr);
    } else {
        while (status == LW_OK && walk.next < end) {
            status = lw_segment_walk_next(&walk, &group, NULL, reterr);
        }
    }
    if (status == LW_OK || status == LW_ENOTFOUND) {
        status = lw_segment_walk_judge(&walk, end, damage, reterr);
        if (status == LW_OK && damage[0] != '\0') {
            status = lw_error_set(reterr, LW_EFORMAT, "%s is damaged: %s", walk.path, damage);
        }
    }
    lw_segment_walk_close(&walk);
    return status;
}

/* What was begun and got no name is of no use. What stays there does no harm. */
static void unfinished_remove(const struct lw_journal *journal)
{
    const struct lw_io *io = journal->io;
    struct lw_segment_list list;

    if (lw_segment_list_read(io, journal->dir, true, &list, NULL) != LW_OK) {
        return;
    }
    for (size_t i = 0; i < list.n; i++) {
        char name[LW_SEGMENT_NAME_BYTES], path[LW_IO_PATH_MAX];

        lw_segment_name(&list.ids[i], true, name);
        if (lw_io_join(journal->dir, name, path, NULL) == LW_OK) {
            (void)io->unlink(io->context, path);
        }
    }
    lw_segment_list_fini(&list);
}

static enum lw_status journal_recover(struct lw_journal *journal, struct lw_error *reterr)
{
    struct lw_segment_list list;
    enum lw_status status = lw_io_make_dir(journal->io, journal->dir, reterr);

    if (status == LW_OK) {
        status = lw_segment_list_read(journal->io, journal->dir, false, &list, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    for (size_t i = 0; status == LW_OK && i < list.n; i++) {
        status = journal_check(journal, &list, i, reterr);
        journal->generation = list.ids[i].generation;
    }
    lw_segment_list_fini(&list);
    if (status == LW_OK) {
        unfinished_remove(journal);
    }
    return status;
}

enum lw_status lw_journal_open(const struct lw_journal_config *config,
                               struct lw_journal **ret_journal, struct lw_error *reterr)
{
    size_t dir_bytes = strlen(config->dir) + 1;
    struct lw_journal *journal;
    enum lw_status status;

    if (config->cipher != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "a journal cannot be encrypted");
    }
    journal = lw_mem_calloc(1, sizeof(*journal));
    if (journal == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a journal");
    }
    (void)pthread_mutex_init(&journal->lock, NULL);
    journal->io = config->io;
    journal->segment_bytes = config->segment_bytes == 0 ? SEGMENT_BYTES : config->segment_bytes;
    journal->pending_bytes = config->pending_bytes == 0 ? PENDING_BYTES : config->pending_bytes;
    journal->block_bytes = journal->segment_bytes / 4 < BLOCK_BYTES ? journal->segment_bytes / 4
                                                                    : BLOCK_BYTES;
    journal->next = config->first == 0 ? 1 : config->first;
    journal->durable = journal->next - 1;
    journal->fd = -1;
    journal->dir_dirty = true;
    journal->dir = lw_mem_alloc(dir_bytes);
    if (journal->dir == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a journal");
    } else {
        memcpy(journal->dir, config->dir, dir_bytes);
        status = journal_recover(journal, reterr);
    }
    if (status != LW_OK) {
        lw_journal_close(journal);
        return status;
    }
    *ret_journal = journal;
    return LW_OK;
}

void lw_journal_close(struct lw_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    if (journal->fd >= 0) {
        (void)journal->io->close(journal->io->context, journal->fd);
    }
    blocks_free(&journal->appended);
    blocks_free(&journal->unsynced);
    blocks_free(&journal->pool);
    (void)pthread_mutex_destroy(&journal->lock);
    lw_mem_free(journal->dir);
    lw_mem_free(journal);
}
