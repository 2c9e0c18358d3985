/*
 * Any bytes as a snapshot, on a disk in memory: read to its end or refused, and the list says the
 * same.
 *
 * Checksums keep most changes out, so the first byte says what is mended before: bit 0 the head,
 * bit 1 the blocks, bit 2 the trailer.
 */
#include "store/fixed.h"
#include "store/simulated_disk.h"
#include "store/snapshot.h"
#include "store/snapshot_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void must(int is_true)
{
    if (!is_true) {
        abort();
    }
}

static void mend(uint8_t *bytes, size_t n_bytes, uint8_t what)
{
    struct lw_snapshot_head head = {.version = lw_get_u32(bytes + 12), .sequence = 77};
    struct lw_snapshot_trailer trailer = {0};
    size_t at = LW_SNAPSHOT_HEAD_BYTES, end = n_bytes - LW_SNAPSHOT_TRAILER_BYTES;

    if ((what & 1) != 0) {
        lw_snapshot_put_head(&head, bytes);
    }
    head.seed = lw_get_u64(bytes + 24);
    while (at < end && end - at >= LW_SNAPSHOT_BLOCK_HEAD_BYTES && (what & 2) != 0) {
        struct lw_snapshot_block_head block = {.type = lw_get_u32(bytes + at + 4),
                                               .n_bytes = lw_get_u32(bytes + at + 8),
                                               .at = (int64_t)at};

        if (block.n_bytes > end - at - LW_SNAPSHOT_BLOCK_HEAD_BYTES) {
            break;
        }
        block.checksum = lw_checksum(bytes + at + LW_SNAPSHOT_BLOCK_HEAD_BYTES, block.n_bytes, 0);
        trailer.chain = lw_snapshot_chain(
            trailer.chain, lw_snapshot_put_block_head(&block, head.seed, bytes + at));
        trailer.n_blocks++;
        at += LW_SNAPSHOT_BLOCK_HEAD_BYTES + block.n_bytes;
    }
    trailer.n_bytes = end;
    if ((what & 4) != 0) {
        lw_snapshot_put_trailer(&trailer, head.seed, bytes + end);
    }
}

static void snapshot_write(const struct lw_io *io, const char *path, const uint8_t *data,
                           size_t n_bytes)
{
    uint8_t bytes[FILE_BYTES_MAX];
    uint8_t what = n_bytes > 0 ? data[0] : 0;
    int fd;

    n_bytes = n_bytes > 0 ? n_bytes - 1 : 0;
    n_bytes = n_bytes < sizeof(bytes) ? n_bytes : sizeof(bytes);
    if (n_bytes > 0) {
        memcpy(bytes, data + 1, n_bytes);
    }
    if (n_bytes >= LW_SNAPSHOT_HEAD_BYTES + LW_SNAPSHOT_TRAILER_BYTES) {
        mend(bytes, n_bytes, what);
    }
    fd = io->open(io->context, path, O_RDWR | O_CREAT, 0600);
    must(fd >= 0 && io->write_at(io->context, fd, bytes, n_bytes, 0) == (ssize_t)n_bytes);
    must(io->close(io->context, fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_simulated_disk *disk = NULL;
    struct lw_snapshot_config config = {.dir = "."};
    struct lw_snapshot_reader *reader = NULL;
    struct lw_snapshot_info info = {0};
    struct lw_snapshot_block block;
    struct lw_error error = {0};
    char name[LW_SNAPSHOT_NAME_BYTES];
    uint64_t sum = 0;
    size_t n = 0;
    enum lw_status status;

    must(lw_simulated_disk_create(1, &disk) == LW_OK);
    config.io = lw_simulated_disk_io(disk);
    lw_snapshot_name(77, name);
    snapshot_write(config.io, name, data, n_bytes);
    status = lw_snapshot_open(&config, name, &reader, &error);
    while (status == LW_OK) {
        status = lw_snapshot_next(reader, &block, &error);
        for (size_t i = 0; status == LW_OK && i < block.n_bytes; i++) {
            sum += block.bytes[i];
        }
    }
    lw_snapshot_close(reader);
    must(status == LW_ENOTFOUND || status == LW_EFORMAT || status == LW_EVERSION);
    must((status == LW_ENOTFOUND) == (error.message[0] == '\0') || sum == 1);
    must(lw_snapshot_list(&config, true, &info, 1, &n, NULL) == LW_OK && n == 1);
    must(info.damaged == (status != LW_ENOTFOUND));
    lw_simulated_disk_destroy(disk);
    return 0;
}
