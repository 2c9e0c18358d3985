/*
 * Snapshots: files of checksummed blocks, valid as a whole or not at all.
 *
 * A snapshot is named after the journal number it begins at. It is written under another name,
 * block by block, then closed by a trailer (number of blocks and bytes, hash), synced and renamed;
 * so what has the right name is whole unless the disk damaged it. The newest valid ones are kept.
 */
#ifndef LW_STORE_SNAPSHOT_H
#define LW_STORE_SNAPSHOT_H

#include "store/io.h"

#include <stdbool.h>

#define LW_SNAPSHOT_BLOCK_BYTES_MAX ((size_t)256 << 20)

struct lw_cipher;

struct lw_snapshot_config {
    const struct lw_io *io;
    const char *dir; /* Made when it is not there. */
    const struct lw_cipher *cipher;
};

struct lw_snapshot_writer;
struct lw_snapshot_reader;

/* LW_EIO, LW_ENOMEM, LW_EINVAL with a cipher. */
enum lw_status lw_snapshot_create(const struct lw_snapshot_config *config, uint64_t sequence,
                                  uint32_t version, struct lw_snapshot_writer **ret_writer,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Writes one block. The disk works on it from then on, and the call waits for the disk when that
 * falls 8 MiB behind, so that the sync at the end is short. LW_ELIMIT, LW_EIO: after that one the
 * snapshot can only be abandoned, and a commit fails. */
enum lw_status lw_snapshot_add(struct lw_snapshot_writer *writer, uint32_t type, const void *bytes,
                               size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* Trailer, sync, rename, sync of the folder. Frees the writer, also on failure (then the unfinished
 * file is removed as far as the disk allows; where only the folder could not be synced, the
 * snapshot is whole and may be there or not after a crash). One of the same number is replaced. */
enum lw_status lw_snapshot_commit(struct lw_snapshot_writer *writer,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_snapshot_abandon(struct lw_snapshot_writer *writer);

struct lw_snapshot_info {
    char name[64];
    uint64_t sequence;
    uint32_t version;
    int64_t n_bytes;
    bool damaged; /* `damage` says where and what. */
    char damage[192];
};
/* Newest first, at most capacity; *ret_n is how many there are. `verify`: every byte is read, else
 * head and trailer alone. Unfinished files are not listed. LW_EIO when the folder cannot be listed,
 * LW_ENOMEM; a file that cannot be read, or is of another version, is `damaged`. */
enum lw_status lw_snapshot_list(const struct lw_snapshot_config *config, bool verify,
                                struct lw_snapshot_info *ret_infos, size_t capacity, size_t *ret_n,
                                struct lw_error *reterr) LW_MUST_USE;
/* Opens one by its name. LW_ENOTFOUND, LW_EINVAL (no snapshot's name), LW_EIO, LW_EVERSION,
 * LW_ENOMEM; LW_EFORMAT when head or trailer is damaged. */
enum lw_status lw_snapshot_open(const struct lw_snapshot_config *config, const char *name,
                                struct lw_snapshot_reader **ret_reader,
                                struct lw_error *reterr) LW_MUST_USE;
struct lw_snapshot_block {
    uint32_t type;
    const uint8_t *bytes; /* Valid until the next call. */
    size_t n_bytes;
};
/* LW_OK with a block whose checksum holds; LW_ENOTFOUND behind the last, once the trailer agrees;
 * LW_EFORMAT with the file and the byte; LW_EIO; LW_ENOMEM. */
enum lw_status lw_snapshot_next(struct lw_snapshot_reader *reader,
                                struct lw_snapshot_block *ret_block,
                                struct lw_error *reterr) LW_MUST_USE;
void lw_snapshot_close(struct lw_snapshot_reader *reader);
/* Removes unfinished files, and all that are older than the `keep` newest whose head and trailer
 * hold. Not while a writer is open. LW_EIO, LW_ENOMEM. */
enum lw_status lw_snapshot_trim(const struct lw_snapshot_config *config, size_t keep,
                                struct lw_error *reterr) LW_MUST_USE;

#endif
