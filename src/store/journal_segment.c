/* Names, heads and groups of segment files: see store/journal_segment.h. */
#define _GNU_SOURCE
#include "store/journal_segment.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/fixed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_MAGIC 0x2E707267u /* "grp." */
#define CHECKED_SEGMENT_BYTES 40u
#define CHECKED_GROUP_BYTES 40u
#define DIGITS 20
#define SUFFIX ".journal"
#define UNFINISHED ".new"
#define WINDOW_BYTES ((size_t)1 << 20)

static const uint8_t MAGIC[8] = {'l', 'a', 'p', 'w', 'i', 'n', 'g', 'j'};

/* ---- names ---- */

void lw_segment_name(const struct lw_segment_id *id, bool unfinished,
                     char ret_name[LW_SEGMENT_NAME_BYTES])
{
    (void)snprintf(ret_name, LW_SEGMENT_NAME_BYTES, "%020" PRIu64 "-%020" PRIu64 SUFFIX "%s",
                   id->first, id->generation, unfinished ? UNFINISHED : "");
}

static bool digits_parse(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

bool lw_segment_parse(const char *name, bool unfinished, struct lw_segment_id *ret_id)
{
    return strlen(name) > 2 * DIGITS && name[DIGITS] == '-' &&
           strcmp(name + 2 * DIGITS + 1, unfinished ? SUFFIX UNFINISHED : SUFFIX) == 0 &&
           digits_parse(name, &ret_id->first) &&
           digits_parse(name + DIGITS + 1, &ret_id->generation) && ret_id->first > 0;
}

static void list_visit(void *visitor, const char *name)
{
    struct lw_segment_list *list = visitor;
    struct lw_segment_id id;

    if (!lw_segment_parse(name, list->unfinished, &id) || list->status != LW_OK) {
        return;
    }
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct lw_segment_id *ids = lw_mem_realloc(list->ids, capacity * sizeof(*ids));

        if (ids == NULL) {
            list->status = LW_ENOMEM;
            return;
        }
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
}

static int id_order(const void *a, const void *b)
{
    const struct lw_segment_id *left = a, *right = b;

    return (left->generation > right->generation) - (left->generation < right->generation);
}

enum lw_status lw_segment_list_read(const struct lw_io *io, const char *dir, bool unfinished,
                                    struct lw_segment_list *ret_list, struct lw_error *reterr)
{
    struct lw_segment_list list = {.unfinished = unfinished};
    int answer = io->list(io->context, dir, list_visit, &list);
    enum lw_status status = list.status;

    if (answer < 0 && answer != -ENOENT) {
        status = lw_io_fail(answer, "list", dir, reterr);
    } else if (status != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for the names in %s", dir);
    }
    if (status == LW_OK && list.n > 1) {
        qsort(list.ids, list.n, sizeof(*list.ids), id_order);
    }
    for (size_t i = 1; status == LW_OK && !unfinished && i < list.n; i++) {
        if (list.ids[i].first < list.ids[i - 1].first ||
            list.ids[i].generation == list.ids[i - 1].generation) {
            status = lw_error_set(reterr, LW_EFORMAT,
                                  "%s: the journal's segments do not follow one another: "
                                  "%" PRIu64 "-%" PRIu64 " behind %" PRIu64 "-%" PRIu64,
                                  dir, list.ids[i].first, list.ids[i].generation,
                                  list.ids[i - 1].first, list.ids[i - 1].generation);
        }
    }
    if (status != LW_OK) {
        lw_segment_list_fini(&list);
        return status;
    }
    *ret_list = list;
    return LW_OK;
}

void lw_segment_list_fini(struct lw_segment_list *list)
{
    lw_mem_free(list->ids);
    *list = (struct lw_segment_list){0};
}

uint64_t lw_segment_list_end(const struct lw_segment_list *list, size_t i)
{
    return i + 1 < list->n ? list->ids[i + 1].first : UINT64_MAX;
}

/* ---- heads ---- */

uint64_t lw_segment_head(const struct lw_segment_id *id, uint64_t whole,
                         uint8_t ret_head[LW_SEGMENT_HEAD_BYTES])
{
    uint64_t checksum;

    memcpy(ret_head, MAGIC, sizeof(MAGIC));
    lw_put_u32(ret_head + 8, LW_SEGMENT_VERSION);
    lw_put_u32(ret_head + 12, 0);
    lw_put_u64(ret_head + 16, id->first);
    lw_put_u64(ret_head + 24, id->generation);
    lw_put_u64(ret_head + 32, whole);
    checksum = lw_checksum(ret_head, CHECKED_SEGMENT_BYTES, 0);
    lw_put_u64(ret_head + 40, checksum);
    return checksum;
}

void lw_group_head(const struct lw_group *group, uint64_t seed,
                   uint8_t ret_head[LW_GROUP_HEAD_BYTES])
{
    lw_put_u32(ret_head, GROUP_MAGIC);
    lw_put_u32(ret_head + 4, group->n_bytes);
    lw_put_u32(ret_head + 8, group->n_records);
    lw_put_u32(ret_head + 12, 0);
    lw_put_u64(ret_head + 16, group->first);
    lw_put_u64(ret_head + 24, group->durable);
    lw_put_u64(ret_head + 32, group->checksum);
    lw_put_u64(ret_head + 40,
               lw_checksum(ret_head, CHECKED_GROUP_BYTES, seed + (uint64_t)group->at));
}

/* False when these bytes are no group head of this segment and place. */
static bool group_head_parse(const uint8_t *head, uint64_t seed, int64_t at,
                             struct lw_group *ret_group)
{
    *ret_group = (struct lw_group){
        .first = lw_get_u64(head + 16),
        .durable = lw_get_u64(head + 24),
        .at = at,
        .n_records = lw_get_u32(head + 8),
        .n_bytes = lw_get_u32(head + 4),
        .checksum = lw_get_u64(head + 32),
    };
    return lw_get_u32(head) == GROUP_MAGIC && lw_get_u32(head + 12) == 0 &&
           lw_checksum(head, CHECKED_GROUP_BYTES, seed + (uint64_t)at) == lw_get_u64(head + 40) &&
           ret_group->durable <= (uint64_t)at;
}

/* ---- the walk ---- */

/*
 * n_bytes of the file from `at` on, in the window; LW_ENOTFOUND when the file ends before. `ahead`:
 * more is read than asked.
 */
static enum lw_status walk_window(struct lw_segment_walk *walk, int64_t at, size_t n_bytes,
                                  bool ahead, const uint8_t **ret_bytes, struct lw_error *reterr)
{
    size_t wanted = ahead && n_bytes < WINDOW_BYTES ? WINDOW_BYTES : n_bytes;
    int64_t left = walk->n_bytes - at;
    enum lw_status status;

    if (left < 0 || (uint64_t)left < n_bytes) {
        return LW_ENOTFOUND;
    }
    if (at >= walk->window_at &&
        at + (int64_t)n_bytes <= walk->window_at + (int64_t)walk->window_bytes) {
        *ret_bytes = walk->window + (at - walk->window_at);
        return LW_OK;
    }
    wanted = (uint64_t)left < wanted ? (size_t)left : wanted;
    if (wanted > walk->window_capacity) {
        uint8_t *window = lw_mem_realloc(walk->window, wanted);

        if (window == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to read %zu bytes of %s", wanted,
                                walk->path);
        }
        walk->window = window;
        walk->window_capacity = wanted;
    }
    walk->window_bytes = 0;
    status = lw_io_read_all(walk->io, walk->fd, walk->path, walk->window, wanted, at, reterr);
    if (status != LW_OK) {
        return status == LW_EFORMAT ? LW_ENOTFOUND : status; /* It became shorter. */
    }
    walk->window_at = at;
    walk->window_bytes = wanted;
    *ret_bytes = walk->window;
    return LW_OK;
}

static enum lw_status walk_break(struct lw_segment_walk *walk, const char *why)
{
    walk->broken = why;
    return LW_ENOTFOUND;
}

/* The head must be what the name says; another version is told from rubbish. */
static enum lw_status walk_head(struct lw_segment_walk *walk, struct lw_error *reterr)
{
    const uint8_t *head = NULL;
    enum lw_status status = walk_window(walk, 0, LW_SEGMENT_HEAD_BYTES, false, &head, reterr);

    if (status == LW_ENOTFOUND) {
        (void)walk_break(walk, "the file has no whole head");
        return LW_OK;
    }
    if (status != LW_OK) {
        return status;
    }
    walk->seed = lw_get_u64(head + 40);
    if (memcmp(head, MAGIC, sizeof(MAGIC)) != 0 ||
        lw_checksum(head, CHECKED_SEGMENT_BYTES, 0) != walk->seed) {
        (void)walk_break(walk, "no head of a segment, or its checksum does not match");
        return LW_OK;
    }
    if (lw_get_u32(head + 8) != LW_SEGMENT_VERSION || lw_get_u32(head + 12) != 0) {
        return lw_error_set(reterr, LW_EVERSION, "%s has format version %u; this program reads %u",
                            walk->path, lw_get_u32(head + 8), LW_SEGMENT_VERSION);
    }
    if (lw_get_u64(head + 16) != walk->id.first || lw_get_u64(head + 24) != walk->id.generation ||
        lw_get_u64(head + 32) > INT64_MAX) {
        (void)walk_break(walk, "the head is that of another segment");
        return LW_OK;
    }
    walk->whole = (int64_t)lw_get_u64(head + 32);
    walk->at = LW_SEGMENT_HEAD_BYTES;
    return LW_OK;
}

enum lw_status lw_segment_walk_open(struct lw_segment_walk *walk, const struct lw_io *io,
                                    const char *dir, const struct lw_segment_id *id,
                                    struct lw_error *reterr)
{
    char name[LW_SEGMENT_NAME_BYTES];
    enum lw_status status;

    *walk = (struct lw_segment_walk){.io = io, .id = *id, .fd = -1, .next = id->first};
    lw_segment_name(id, false, name);
    status = lw_io_join(dir, name, walk->path, reterr);
    if (status != LW_OK) {
        return status;
    }
    walk->fd = lw_io_open(io, walk->path, O_RDONLY, 0);
    if (walk->fd < 0) {
        return lw_io_fail(walk->fd, "open", walk->path, reterr);
    }
    walk->n_bytes = io->size(io->context, walk->fd);
    if (walk->n_bytes < 0) {
        return lw_io_fail(walk->n_bytes, "look at", walk->path, reterr);
    }
    return walk_head(walk, reterr);
}

void lw_segment_walk_close(struct lw_segment_walk *walk)
{
    if (walk->io != NULL && walk->fd >= 0) {
        (void)walk->io->close(walk->io->context, walk->fd);
    }
    lw_mem_free(walk->window);
    *walk = (struct lw_segment_walk){.fd = -1};
}

/* The records of a group lie end to end and fill it. */
static bool records_fit(const struct lw_group *group, const uint8_t *records)
{
    size_t at = 0;

    for (uint32_t i = 0; i < group->n_records; i++) {
        size_t left = group->n_bytes - at;

        if (left < LW_GROUP_RECORD_BYTES ||
            left - LW_GROUP_RECORD_BYTES < lw_get_u32(records + at)) {
            return false;
        }
        at += LW_GROUP_RECORD_BYTES + lw_get_u32(records + at);
    }
    return at == group->n_bytes;
}

enum lw_status lw_segment_walk_next(struct lw_segment_walk *walk, struct lw_group *ret_group,
                                    const uint8_t **ret_records, struct lw_error *reterr)
{
    bool reads = ret_records != NULL;
    const uint8_t *bytes = NULL;
    struct lw_group group;
    enum lw_status status;

    if (walk->broken != NULL || walk->at == walk->n_bytes) {
        return LW_ENOTFOUND;
    }
    status = walk_window(walk, walk->at, LW_GROUP_HEAD_BYTES, reads, &bytes, reterr);
    if (status != LW_OK) {
        return status == LW_ENOTFOUND ? walk_break(walk, "the head of a group is cut") : status;
    }
    if (!group_head_parse(bytes, walk->seed, walk->at, &group)) {
        return walk_break(walk, "no head of a group, or its checksum does not match");
    }
    if (group.first != walk->next || group.n_records == 0 || group.n_bytes > LW_GROUP_BYTES_MAX ||
        group.n_records > UINT64_MAX - 1 - group.first) {
        return walk_break(walk, "a group that does not follow the one before");
    }
    if (walk->n_bytes - walk->at < (int64_t)(LW_GROUP_HEAD_BYTES + group.n_bytes)) {
        return walk_break(walk, "the records of a group are cut");
    }
    if (reads) {
        status = walk_window(walk, walk->at + LW_GROUP_HEAD_BYTES, group.n_bytes, true, &bytes,
                             reterr);
        if (status != LW_OK) {
            return status == LW_ENOTFOUND ? walk_break(walk, "the records of a group are cut")
                                          : status;
        }
        if (lw_checksum(bytes, group.n_bytes, 0) != group.checksum || !records_fit(&group, bytes)) {
            return walk_break(walk, "the checksum of a group's records does not match");
        }
        *ret_records = bytes;
    }
    walk->at += LW_GROUP_HEAD_BYTES + group.n_bytes;
    walk->next += group.n_records;
    *ret_group = group;
    return LW_OK;
}

/* The first group head of this segment at or behind a place; LW_ENOTFOUND where there is none. */
static enum lw_status walk_find(struct lw_segment_walk *walk, int64_t at,
                                struct lw_group *ret_group, struct lw_error *reterr)
{
    uint8_t magic[4];

    lw_put_u32(magic, GROUP_MAGIC);
    while (walk->n_bytes - at >= (int64_t)LW_GROUP_HEAD_BYTES) {
        const uint8_t *bytes = NULL, *found, *end;
        enum lw_status status = walk_window(walk, at, LW_GROUP_HEAD_BYTES, true, &bytes, reterr);

        if (status != LW_OK) {
            return status; /* LW_ENOTFOUND: it became shorter. */
        }
        end = walk->window + walk->window_bytes;
        found = memmem(bytes, (size_t)(end - bytes), magic, sizeof(magic));
        if (found == NULL) {
            at += end - bytes - (int64_t)(sizeof(magic) - 1);
        } else if (end - found < (ptrdiff_t)LW_GROUP_HEAD_BYTES) {
            at = walk->window_at + (found - walk->window);
        } else {
            at = walk->window_at + (found - walk->window);
            if (group_head_parse(found, walk->seed, at, ret_group)) {
                return LW_OK;
            }
            at++;
        }
    }
    return LW_ENOTFOUND;
}

enum lw_status lw_segment_walk_proved(struct lw_segment_walk *walk, int64_t *ret_durable,
                                      struct lw_error *reterr)
{
    uint64_t durable = (uint64_t)walk->whole;
    struct lw_group group = {.at = walk->at - 1};
    enum lw_status status;

    do {
        status = walk_find(walk, group.at + 1, &group, reterr);
        durable = status == LW_OK && group.durable > durable ? group.durable : durable;
    } while (status == LW_OK);
    if (status != LW_ENOTFOUND) {
        return status;
    }
    *ret_durable = (int64_t)durable;
    return LW_OK;
}

enum lw_status lw_segment_walk_resume(struct lw_segment_walk *walk, struct lw_error *reterr)
{
    struct lw_group group = {.at = walk->at};
    enum lw_status status = walk->at == 0 ? LW_ENOTFOUND : LW_OK; /* Without the head no seed. */

    while (status == LW_OK) {
        status = walk_find(walk, group.at + 1, &group, reterr);
        if (status == LW_OK && group.first >= walk->next) {
            walk->at = group.at;
            walk->next = group.first;
            walk->broken = NULL;
            break;
        }
    }
    return status;
}

enum lw_status lw_segment_walk_judge(struct lw_segment_walk *walk, uint64_t end,
                                     char ret_damage[LW_SEGMENT_DAMAGE_BYTES],
                                     struct lw_error *reterr)
{
    const char *why = walk->broken != NULL ? walk->broken : "the file ends";
    int64_t durable = 0;
    enum lw_status status;

    ret_damage[0] = '\0';
    if (end != UINT64_MAX) {
        if (walk->next < end) {
            (void)snprintf(ret_damage, LW_SEGMENT_DAMAGE_BYTES,
                           "byte %" PRId64 ": %s; records %" PRIu64 " to %" PRIu64 " are missing",
                           walk->at, why, walk->next, end - 1);
        }
        return LW_OK;
    }
    if (walk->at == 0) {
        (void)snprintf(ret_damage, LW_SEGMENT_DAMAGE_BYTES,
                       "byte 0: %s; records from %" PRIu64 " on are missing", why, walk->next);
        return LW_OK;
    }
    status = walk->broken == NULL ? LW_OK : lw_segment_walk_proved(walk, &durable, reterr);
    durable = walk->broken == NULL ? walk->whole : durable;
    if (status == LW_OK && durable > walk->at) {
        (void)snprintf(ret_damage, LW_SEGMENT_DAMAGE_BYTES,
                       "byte %" PRId64 ": %s, though all before byte %" PRId64
                       " was on the disk; records from %" PRIu64 " on are missing",
                       walk->at, why, durable, walk->next);
    }
    return status;
}
