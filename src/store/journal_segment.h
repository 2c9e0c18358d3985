/*
 * One segment file of a journal: its name, its layout, and the walk over its groups. For the
 * journal's own files, its fuzzer and tests; others use store/journal.h.
 *
 * A segment begins with a head, then groups follow one another. A group is what one write put
 * there: a head and records, each with length and type in front; a record is never cut in two. All
 * numbers are little-endian.
 *
 *     segment head  magic "lapwingj", version u32, 0 u32, first u64, generation u64, whole u64,
 *                   checksum u64
 *     group head    magic u32, n_bytes u32, n_records u32, 0 u32, first u64, durable u64,
 *                   checksum of the records u64, checksum of this head u64
 *     record        n_bytes u32, type u32, bytes
 *
 * A segment is written under another name (".new" behind it) and gets its own once its first
 * `whole` bytes are on the disk: what has the name of a segment holds them, unless it is damaged.
 * A group head's checksum is seeded with the segment's and with the group's place, so a group of
 * another file or place does not pass here. `durable` is how many bytes of this segment were known
 * to be on the disk when the group was written: where a group can be read, a fault before its
 * `durable` is damage and no torn tail.
 */
#ifndef LW_STORE_JOURNAL_SEGMENT_H
#define LW_STORE_JOURNAL_SEGMENT_H

#include "store/io.h"

#include <stdbool.h>

#define LW_SEGMENT_VERSION 1u
#define LW_SEGMENT_HEAD_BYTES 48u
#define LW_SEGMENT_NAME_BYTES 64u
#define LW_SEGMENT_DAMAGE_BYTES 192u
#define LW_GROUP_HEAD_BYTES 48u
#define LW_GROUP_RECORD_BYTES 8u /* In front of each record. */
/* Of the records in a group: one of the largest, or many small ones. */
#define LW_GROUP_BYTES_MAX (((size_t)64 << 20) + LW_GROUP_RECORD_BYTES)

/* A segment's name: the number of its first record, and how many segments were begun up to it. */
struct lw_segment_id {
    uint64_t first, generation;
};

/* `unfinished`: the name that it has while it is begun. */
void lw_segment_name(const struct lw_segment_id *id, bool unfinished,
                     char ret_name[LW_SEGMENT_NAME_BYTES]);
/* False when it is no segment's name. */
bool lw_segment_parse(const char *name, bool unfinished, struct lw_segment_id *ret_id);

/* The segments in a folder, oldest generation first. */
struct lw_segment_list {
    struct lw_segment_id *ids; /* Owned. */
    size_t n, capacity;
    bool unfinished;       /* Those that were only begun. */
    enum lw_status status; /* LW_ENOMEM while it was filled. */
};

/* A missing folder has none. LW_EIO, LW_ENOMEM; LW_EFORMAT when a younger one begins before an
 * older. `unfinished`: those that were only begun. */
enum lw_status lw_segment_list_read(const struct lw_io *io, const char *dir, bool unfinished,
                                    struct lw_segment_list *ret_list,
                                    struct lw_error *reterr) LW_MUST_USE;
void lw_segment_list_fini(struct lw_segment_list *list);
/* The number behind the last record that segment i answers for: the next one's first;
 * UINT64_MAX for the newest. */
uint64_t lw_segment_list_end(const struct lw_segment_list *list, size_t i);

struct lw_group {
    uint64_t first; /* Number of its first record. */
    uint64_t durable;
    int64_t at; /* Of its head, in the segment. */
    uint32_t n_records, n_bytes;
    uint64_t checksum; /* Of the records. */
};

/* Fill a segment's head; the value is the seed of its groups. */
uint64_t lw_segment_head(const struct lw_segment_id *id, uint64_t whole,
                         uint8_t ret_head[LW_SEGMENT_HEAD_BYTES]);
void lw_group_head(const struct lw_group *group, uint64_t seed,
                   uint8_t ret_head[LW_GROUP_HEAD_BYTES]);

/* A walk over the groups of one segment, for one thread. */
struct lw_segment_walk {
    const struct lw_io *io;
    struct lw_segment_id id;
    char path[LW_IO_PATH_MAX];
    int fd;
    int64_t n_bytes; /* Of the file when it was opened. */
    int64_t whole;   /* So many bytes were on the disk when it got its name. */
    int64_t at;      /* Where the next group should be; 0 when the head is broken. */
    uint64_t next;   /* Its first record. */
    uint64_t seed;   /* Of this segment's groups. */
    uint8_t *window; /* Owned: bytes of the file from window_at on. */
    size_t window_capacity, window_bytes;
    int64_t window_at;
    const char *broken; /* Why the walk ended before the file's end; NULL where it did not. */
};

/* LW_EIO, LW_ENOMEM, LW_EVERSION. Where the head is damaged there are no groups; `broken` says so.
 */
enum lw_status lw_segment_walk_open(struct lw_segment_walk *walk, const struct lw_io *io,
                                    const char *dir, const struct lw_segment_id *id,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Takes a walk of zeros, or one that failed to open. */
void lw_segment_walk_close(struct lw_segment_walk *walk);
/*
 * The next group. With ret_records its records are read and their checksum is proved; they are
 * valid until the next call. LW_ENOTFOUND at the end and wherever what follows is no group that can
 * be there (`broken` says why, at says where); LW_EIO, LW_ENOMEM.
 */
enum lw_status lw_segment_walk_next(struct lw_segment_walk *walk, struct lw_group *ret_group,
                                    const uint8_t **ret_records,
                                    struct lw_error *reterr) LW_MUST_USE;
/* A walk that broke goes on at the next group whose head can be read, its records unproved;
 * LW_ENOTFOUND when there is none, or the segment's own head is damaged. LW_EIO, LW_ENOMEM. */
enum lw_status lw_segment_walk_resume(struct lw_segment_walk *walk,
                                      struct lw_error *reterr) LW_MUST_USE;
/* Up to where the segment is known to have been on the disk, by its head and by the group heads
 * that can be read behind `at`. LW_EIO, LW_ENOMEM. */
enum lw_status lw_segment_walk_proved(struct lw_segment_walk *walk, int64_t *ret_durable,
                                      struct lw_error *reterr) LW_MUST_USE;
/*
 * What a walk that has ended means for a segment that answers for the records before `end`.
 * ret_damage is empty when nothing is wrong: all its records were there, or it is the newest (end
 * is UINT64_MAX) and has a torn tail at most. LW_EIO, LW_ENOMEM.
 */
enum lw_status lw_segment_walk_judge(struct lw_segment_walk *walk, uint64_t end,
                                     char ret_damage[LW_SEGMENT_DAMAGE_BYTES],
                                     struct lw_error *reterr) LW_MUST_USE;

#endif
