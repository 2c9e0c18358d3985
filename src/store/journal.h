/*
 * The journal: numbered records, appended in memory, written and synced in groups, read back after
 * a crash.
 *
 * A record has a sequence number (1, 2, 3 ...), a type and bytes; what they mean is the caller's.
 * Records lie in segment files named after the first number in them. Appending copies into a
 * pending buffer and never touches the disk; lw_journal_sync() writes and syncs what is pending.
 * The bytes stay in memory until a sync has succeeded: after a failed write or sync a new segment
 * is begun which holds them all once more, so a disk that lied about a failed sync loses nothing,
 * and a reader prefers the younger segment where two hold the same number. What may be torn is the
 * end of the newest segment; damage anywhere before is an error that names segment and byte. A
 * fault in the very last group of records cannot be told from a torn one, and ends the journal
 * there.
 */
#ifndef LW_STORE_JOURNAL_H
#define LW_STORE_JOURNAL_H

#include "store/io.h"

#include <stdbool.h>

/* Bytes of one record. */
#define LW_JOURNAL_RECORD_BYTES_MAX ((size_t)64 << 20)

struct lw_journal;
struct lw_cipher; /* Seam for encryption at rest: not there yet, always NULL. */

struct lw_journal_config {
    const struct lw_io *io; /* Outlives the journal. */
    const char *dir;        /* Made when it is not there. */
    size_t segment_bytes;   /* A segment this long is closed; 0: 64 MiB. */
    size_t pending_bytes;   /* Appending beyond this much unsynced is refused; 0: 256 MiB. */
    uint64_t first;         /* Number of the first record where the folder is empty; 0: 1. */
    const struct lw_cipher *cipher;
};

/* A record as it is read; the bytes are valid until the next call for the reader. */
struct lw_journal_record {
    uint64_t sequence;
    uint32_t type;
    const uint8_t *bytes;
    size_t n_bytes;
};

/* What lies on the disk: for verifying, and for what becomes of closed segments. */
struct lw_journal_segment {
    char name[64];  /* Within the folder. */
    uint64_t first; /* Sequence of its first record. */
    uint64_t last;  /* Of its last whole one; first - 1 when it has none. */
    int64_t n_bytes;
    bool closed;  /* No more is appended to it. */
    bool damaged; /* `damage` says where and what. A torn tail of the newest is no damage. */
    char damage[192];
};

/*
 * Open for appending, behind the last whole record that can be read. The last group of records that
 * was written may not be on the disk yet, though it can be read: it is pending again, and the next
 * sync writes it once more. LW_EIO; LW_EFORMAT when a segment is damaged before its tail, or one is
 * missing (of older segments only the heads are looked at: reading tells all); LW_EVERSION;
 * LW_ENOMEM; LW_EINVAL with a cipher. One journal at a time in a folder: the caller sees to it.
 */
enum lw_status lw_journal_open(const struct lw_journal_config *config,
                               struct lw_journal **ret_journal,
                               struct lw_error *reterr) LW_MUST_USE;
/* Frees all; what was not synced is lost. Takes NULL. */
void lw_journal_close(struct lw_journal *journal);

/*
 * Append a record made of n_pieces pieces. No disk. One thread at a time, while any may sync.
 * LW_EBUSY when the pending bytes are at their bound (the disk does not keep up, or fails);
 * LW_ELIMIT; LW_ENOMEM. Nothing is appended then.
 */
struct lw_journal_piece {
    const void *bytes;
    size_t n_bytes;
};
enum lw_status lw_journal_append(struct lw_journal *journal, uint32_t type,
                                 const struct lw_journal_piece *pieces, size_t n_pieces,
                                 uint64_t *ret_sequence) LW_MUST_USE;
/* The number the next record will have. Any thread. */
uint64_t lw_journal_next(const struct lw_journal *journal);
/* Every record up to this number is on the disk. Any thread. */
uint64_t lw_journal_durable(const struct lw_journal *journal);
/* Bytes appended and not yet synced. Any thread. */
size_t lw_journal_pending(const struct lw_journal *journal);

/*
 * Write and sync all that was appended before the call. One thread at a time; others may append
 * meanwhile. LW_EIO with the system's reason: what is pending stays so, and the next call tries
 * again. *ret_durable (also on failure): every record up to this number is on the disk.
 */
enum lw_status lw_journal_sync(struct lw_journal *journal, uint64_t *ret_durable,
                               struct lw_error *reterr) LW_MUST_USE;

/* Remove closed segments whose last record is before `before`. Thread of lw_journal_sync(). */
enum lw_status lw_journal_trim(struct lw_journal *journal, uint64_t before,
                               struct lw_error *reterr) LW_MUST_USE;

/* ---- reading: needs no open journal, only a folder ---- */

struct lw_journal_reader;

/* From the first record with a number >= from (0: the oldest there is). LW_ENOTFOUND when there is
 * no segment that could hold it though later ones are there; LW_EIO; LW_EFORMAT; LW_ENOMEM. An
 * empty or missing folder is an empty journal. Segments that are begun later are not seen. */
enum lw_status lw_journal_reader_open(const struct lw_journal_config *config, uint64_t from,
                                      struct lw_journal_reader **ret_reader,
                                      struct lw_error *reterr) LW_MUST_USE;
/* LW_OK; LW_ENOTFOUND at the end (a torn tail is an end); LW_EFORMAT with segment and byte;
 * LW_EVERSION; LW_EIO; LW_ENOMEM. */
enum lw_status lw_journal_reader_next(struct lw_journal_reader *reader,
                                      struct lw_journal_record *ret_record,
                                      struct lw_error *reterr) LW_MUST_USE;
/* After LW_EFORMAT, for repairing: goes behind the damage, to where records can be read again;
 * their numbers tell what is missing. LW_ENOTFOUND when nothing follows; LW_EIO; LW_ENOMEM. */
enum lw_status lw_journal_reader_skip(struct lw_journal_reader *reader,
                                      struct lw_error *reterr) LW_MUST_USE;
void lw_journal_reader_close(struct lw_journal_reader *reader);

/* Segments from the oldest to the newest, at most capacity; *ret_n is how many there are. `verify`:
 * every byte is read, else names, sizes and heads alone. A segment whose records were all written
 * once more into a younger one has last = first - 1. LW_EIO when the folder cannot be listed;
 * LW_EFORMAT when the segments' names do not follow one another; LW_ENOMEM. */
enum lw_status lw_journal_segments(const struct lw_journal_config *config, bool verify,
                                   struct lw_journal_segment *ret_segments, size_t capacity,
                                   size_t *ret_n, struct lw_error *reterr) LW_MUST_USE;

#endif
