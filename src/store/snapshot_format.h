/*
 * The layout of snapshot files, for the writer, the reader and their tests.
 *
 *     head     magic "lapwings", format u32, version u32 (the caller's), sequence u64, checksum u64
 *     block    magic u32, type u32, n_bytes u32, 0 u32, checksum of the bytes u64,
 *              checksum of this head u64; then the bytes
 *     trailer  magic u32, 0 u32, n_blocks u64, bytes before the trailer u64, chain u64,
 *              checksum of the trailer u64
 *
 * All numbers are little-endian. The head's checksum seeds those of the block heads and of the
 * trailer, with their place added, so that what belongs to another file or place does not pass
 * here. The chain is the checksum of all block heads' checksums, each seeded with the one before.
 */
#ifndef LW_STORE_SNAPSHOT_FORMAT_H
#define LW_STORE_SNAPSHOT_FORMAT_H

#include "store/snapshot.h"

#define LW_SNAPSHOT_FORMAT 1u
#define LW_SNAPSHOT_HEAD_BYTES 32u
#define LW_SNAPSHOT_BLOCK_HEAD_BYTES 32u
#define LW_SNAPSHOT_TRAILER_BYTES 40u
#define LW_SNAPSHOT_NAME_BYTES 64u

struct lw_snapshot_head {
    uint32_t version;
    uint64_t sequence;
    uint64_t seed; /* The head's checksum. */
};

struct lw_snapshot_block_head {
    uint32_t type, n_bytes;
    uint64_t checksum; /* Of the bytes. */
    int64_t at;        /* Of the head, in the file. */
};

struct lw_snapshot_trailer {
    uint64_t n_blocks, n_bytes, chain;
};

void lw_snapshot_name(uint64_t sequence, char ret_name[LW_SNAPSHOT_NAME_BYTES]);
/* False when it is no snapshot's name; *ret_unfinished when it is the name of one being written. */
bool lw_snapshot_parse(const char *name, uint64_t *ret_sequence, bool *ret_unfinished);

/* Fills the head, and its seed. */
void lw_snapshot_put_head(struct lw_snapshot_head *head, uint8_t *ret_bytes);
/* LW_EFORMAT; LW_EVERSION when the format is one this program cannot read. */
enum lw_status lw_snapshot_get_head(const uint8_t *bytes,
                                    struct lw_snapshot_head *ret_head) LW_MUST_USE;
/* The value is the head's checksum. */
uint64_t lw_snapshot_put_block_head(const struct lw_snapshot_block_head *head, uint64_t seed,
                                    uint8_t *ret_bytes);
bool lw_snapshot_get_block_head(const uint8_t *bytes, uint64_t seed, int64_t at,
                                struct lw_snapshot_block_head *ret_head, uint64_t *ret_checksum);
uint64_t lw_snapshot_chain(uint64_t chain, uint64_t head_checksum);
void lw_snapshot_put_trailer(const struct lw_snapshot_trailer *trailer, uint64_t seed,
                             uint8_t *ret_bytes);
bool lw_snapshot_get_trailer(const uint8_t *bytes, uint64_t seed, int64_t at,
                             struct lw_snapshot_trailer *ret_trailer);

#endif
