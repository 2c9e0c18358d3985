/* Heads, blocks and trailers of snapshot files in bytes: see store/snapshot_format.h. */
#include "store/snapshot_format.h"

#include "store/fixed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MAGIC 0x6B636C62u   /* "blck" */
#define TRAILER_MAGIC 0x6C696174u /* "tail" */
#define DIGITS 20
#define SUFFIX ".snapshot"
#define UNFINISHED ".new"

static const uint8_t MAGIC[8] = {'l', 'a', 'p', 'w', 'i', 'n', 'g', 's'};

void lw_snapshot_name(uint64_t sequence, char ret_name[LW_SNAPSHOT_NAME_BYTES])
{
    (void)snprintf(ret_name, LW_SNAPSHOT_NAME_BYTES, "%020" PRIu64 SUFFIX, sequence);
}

bool lw_snapshot_parse(const char *name, uint64_t *ret_sequence, bool *ret_unfinished)
{
    uint64_t sequence = 0;

    for (size_t i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(sequence, 10u, &sequence) ||
            __builtin_add_overflow(sequence, (uint64_t)(name[i] - '0'), &sequence)) {
            return false;
        }
    }
    *ret_sequence = sequence;
    *ret_unfinished = strcmp(name + DIGITS, SUFFIX UNFINISHED) == 0;
    return *ret_unfinished || strcmp(name + DIGITS, SUFFIX) == 0;
}

void lw_snapshot_put_head(struct lw_snapshot_head *head, uint8_t *ret_bytes)
{
    memcpy(ret_bytes, MAGIC, sizeof(MAGIC));
    lw_put_u32(ret_bytes + 8, LW_SNAPSHOT_FORMAT);
    lw_put_u32(ret_bytes + 12, head->version);
    lw_put_u64(ret_bytes + 16, head->sequence);
    head->seed = lw_checksum(ret_bytes, LW_SNAPSHOT_HEAD_BYTES - 8, 0);
    lw_put_u64(ret_bytes + 24, head->seed);
}

enum lw_status lw_snapshot_get_head(const uint8_t *bytes, struct lw_snapshot_head *ret_head)
{
    if (memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0 ||
        lw_checksum(bytes, LW_SNAPSHOT_HEAD_BYTES - 8, 0) != lw_get_u64(bytes + 24)) {
        return LW_EFORMAT;
    }
    *ret_head = (struct lw_snapshot_head){.version = lw_get_u32(bytes + 12),
                                          .sequence = lw_get_u64(bytes + 16),
                                          .seed = lw_get_u64(bytes + 24)};
    return lw_get_u32(bytes + 8) == LW_SNAPSHOT_FORMAT ? LW_OK : LW_EVERSION;
}

uint64_t lw_snapshot_put_block_head(const struct lw_snapshot_block_head *head, uint64_t seed,
                                    uint8_t *ret_bytes)
{
    uint64_t checksum;

    lw_put_u32(ret_bytes, BLOCK_MAGIC);
    lw_put_u32(ret_bytes + 4, head->type);
    lw_put_u32(ret_bytes + 8, head->n_bytes);
    lw_put_u32(ret_bytes + 12, 0);
    lw_put_u64(ret_bytes + 16, head->checksum);
    checksum = lw_checksum(ret_bytes, LW_SNAPSHOT_BLOCK_HEAD_BYTES - 8, seed + (uint64_t)head->at);
    lw_put_u64(ret_bytes + 24, checksum);
    return checksum;
}

bool lw_snapshot_get_block_head(const uint8_t *bytes, uint64_t seed, int64_t at,
                                struct lw_snapshot_block_head *ret_head, uint64_t *ret_checksum)
{
    *ret_head = (struct lw_snapshot_block_head){.type = lw_get_u32(bytes + 4),
                                                .n_bytes = lw_get_u32(bytes + 8),
                                                .checksum = lw_get_u64(bytes + 16),
                                                .at = at};
    *ret_checksum = lw_get_u64(bytes + 24);
    return lw_get_u32(bytes) == BLOCK_MAGIC && lw_get_u32(bytes + 12) == 0 &&
           ret_head->n_bytes <= LW_SNAPSHOT_BLOCK_BYTES_MAX &&
           lw_checksum(bytes, LW_SNAPSHOT_BLOCK_HEAD_BYTES - 8, seed + (uint64_t)at) ==
               *ret_checksum;
}

uint64_t lw_snapshot_chain(uint64_t chain, uint64_t head_checksum)
{
    uint8_t bytes[8];

    lw_put_u64(bytes, head_checksum);
    return lw_checksum(bytes, sizeof(bytes), chain);
}

void lw_snapshot_put_trailer(const struct lw_snapshot_trailer *trailer, uint64_t seed,
                             uint8_t *ret_bytes)
{
    lw_put_u32(ret_bytes, TRAILER_MAGIC);
    lw_put_u32(ret_bytes + 4, 0);
    lw_put_u64(ret_bytes + 8, trailer->n_blocks);
    lw_put_u64(ret_bytes + 16, trailer->n_bytes);
    lw_put_u64(ret_bytes + 24, trailer->chain);
    lw_put_u64(ret_bytes + 32,
               lw_checksum(ret_bytes, LW_SNAPSHOT_TRAILER_BYTES - 8, seed + trailer->n_bytes));
}

bool lw_snapshot_get_trailer(const uint8_t *bytes, uint64_t seed, int64_t at,
                             struct lw_snapshot_trailer *ret_trailer)
{
    *ret_trailer = (struct lw_snapshot_trailer){.n_blocks = lw_get_u64(bytes + 8),
                                                .n_bytes = lw_get_u64(bytes + 16),
                                                .chain = lw_get_u64(bytes + 24)};
    return lw_get_u32(bytes) == TRAILER_MAGIC && lw_get_u32(bytes + 4) == 0 &&
           ret_trailer->n_bytes == (uint64_t)at &&
           lw_checksum(bytes, LW_SNAPSHOT_TRAILER_BYTES - 8, seed + (uint64_t)at) ==
               lw_get_u64(bytes + 32);
}
