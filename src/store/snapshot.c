/*
 * The snapshot's writer, and which snapshots are kept.
 *
 * Blocks go through a buffer of 1 MiB, large ones past it. Behind every 8 MiB the disk is asked to
 * begin writing them, and the 8 MiB before are waited for and leave the page cache: the sync at the
 * end finds little left to do, and what is hot stays cached.
 */
#include "store/snapshot.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/fixed.h"
#include "store/snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define DIRECT_BYTES ((size_t)128 << 10) /* Blocks from here on are not copied. */
#define FLUSH_BYTES ((int64_t)8 << 20)

struct lw_snapshot_writer {
    const struct lw_io *io;
    int fd;
    bool failed;
    struct lw_snapshot_head head;
    struct lw_snapshot_trailer trailer;
    int64_t written; /* Bytes given to the disk; the buffer's come behind them. */
    int64_t flushed; /* Of them, those it was told to write out. */
    uint8_t *buffer; /* Owned. */
    size_t n_buffered;
    char path[LW_IO_PATH_MAX], unfinished[LW_IO_PATH_MAX];
};

/* Removes what is there of an unfinished file, and frees the writer. */
void lw_snapshot_abandon(struct lw_snapshot_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->fd >= 0) {
        (void)writer->io->close(writer->io->context, writer->fd);
        (void)writer->io->unlink(writer->io->context, writer->unfinished);
    }
    lw_mem_free(writer->buffer);
    lw_mem_free(writer);
}

/* ---- writing ---- */

static enum lw_status writer_write(struct lw_snapshot_writer *writer, const void *bytes,
                                   size_t n_bytes, struct lw_error *reterr)
{
    const struct lw_io *io = writer->io;
    enum lw_status status = lw_io_write_all(io, writer->fd, writer->unfinished, bytes, n_bytes,
                                            writer->written, reterr);

    if (status != LW_OK) {
        writer->failed = true;
        return status;
    }
    writer->written += (int64_t)n_bytes;
    while (io->flush != NULL && writer->written - writer->flushed >= FLUSH_BYTES) {
        (void)io->flush(io->context, writer->fd, writer->flushed, FLUSH_BYTES, false);
        if (writer->flushed >= FLUSH_BYTES) {
            (void)io->flush(io->context, writer->fd, writer->flushed - FLUSH_BYTES, FLUSH_BYTES,
                            true);
        }
        writer->flushed += FLUSH_BYTES;
    }
    return LW_OK;
}

static enum lw_status writer_empty(struct lw_snapshot_writer *writer, struct lw_error *reterr)
{
    size_t n_bytes = writer->n_buffered;

    writer->n_buffered = 0;
    return n_bytes == 0 ? LW_OK : writer_write(writer, writer->buffer, n_bytes, reterr);
}

static enum lw_status writer_put(struct lw_snapshot_writer *writer, const void *bytes,
                                 size_t n_bytes, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (n_bytes >= DIRECT_BYTES || BUFFER_BYTES - writer->n_buffered < n_bytes) {
        status = writer_empty(writer, reterr);
    }
    if (status != LW_OK || n_bytes == 0) {
        return status;
    }
    if (n_bytes >= DIRECT_BYTES) {
        return writer_write(writer, bytes, n_bytes, reterr);
    }
    memcpy(writer->buffer + writer->n_buffered, bytes, n_bytes);
    writer->n_buffered += n_bytes;
    return LW_OK;
}

/* The names of the file, and the file with its head. */
static enum lw_status writer_begin(struct lw_snapshot_writer *writer, const char *dir,
                                   struct lw_error *reterr)
{
    char name[LW_SNAPSHOT_NAME_BYTES], unfinished[LW_SNAPSHOT_NAME_BYTES + 4];
    uint8_t head[LW_SNAPSHOT_HEAD_BYTES];
    enum lw_status status;

    lw_snapshot_name(writer->head.sequence, name);
    (void)snprintf(unfinished, sizeof(unfinished), "%s.new", name);
    status = lw_io_join(dir, name, writer->path, reterr);
    if (status == LW_OK) {
        status = lw_io_join(dir, unfinished, writer->unfinished, reterr);
    }
    if (status == LW_OK) {
        status = lw_io_make_dir(writer->io, dir, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    writer->fd = lw_io_open(writer->io, writer->unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (writer->fd < 0) {
        return lw_io_fail(writer->fd, "create", writer->unfinished, reterr);
    }
    lw_snapshot_put_head(&writer->head, head);
    return writer_put(writer, head, sizeof(head), reterr);
}

enum lw_status lw_snapshot_create(const struct lw_snapshot_config *config, uint64_t sequence,
                                  uint32_t version, struct lw_snapshot_writer **ret_writer,
                                  struct lw_error *reterr)
{
    struct lw_snapshot_writer *writer;
    enum lw_status status;

    if (config->cipher != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "a snapshot cannot be encrypted");
    }
    writer = lw_mem_calloc(1, sizeof(*writer));
    if (writer != NULL) {
        writer->fd = -1;
        writer->buffer = lw_mem_alloc(BUFFER_BYTES);
    }
    if (writer == NULL || writer->buffer == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a snapshot's writer");
    } else {
        writer->io = config->io;
        writer->head = (struct lw_snapshot_head){.version = version, .sequence = sequence};
        status = writer_begin(writer, config->dir, reterr);
    }
    if (status != LW_OK) {
        lw_snapshot_abandon(writer);
        return status;
    }
    *ret_writer = writer;
    return LW_OK;
}

enum lw_status lw_snapshot_add(struct lw_snapshot_writer *writer, uint32_t type, const void *bytes,
                               size_t n_bytes, struct lw_error *reterr)
{
    struct lw_snapshot_block_head head = {.type = type,
                                          .at = writer->written + (int64_t)writer->n_buffered};
    uint8_t head_bytes[LW_SNAPSHOT_BLOCK_HEAD_BYTES];
    enum lw_status status;
    uint64_t checksum;

    if (n_bytes > LW_SNAPSHOT_BLOCK_BYTES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "a snapshot's block of %zu bytes; the limit is %zu",
                            n_bytes, LW_SNAPSHOT_BLOCK_BYTES_MAX);
    }
    if (writer->failed) {
        return lw_error_set(reterr, LW_EIO, "%s could not be written before", writer->unfinished);
    }
    head.n_bytes = (uint32_t)n_bytes;
    head.checksum = lw_checksum(bytes, n_bytes, 0);
    checksum = lw_snapshot_put_block_head(&head, writer->head.seed, head_bytes);
    status = writer_put(writer, head_bytes, sizeof(head_bytes), reterr);
    if (status == LW_OK) {
        status = writer_put(writer, bytes, n_bytes, reterr);
    }
    if (status == LW_OK) {
        writer->trailer.n_blocks++;
        writer->trailer.chain = lw_snapshot_chain(writer->trailer.chain, checksum);
    }
    return status;
}

/* All that is left to write, and the sync. */
static enum lw_status writer_end(struct lw_snapshot_writer *writer, struct lw_error *reterr)
{
    uint8_t trailer[LW_SNAPSHOT_TRAILER_BYTES];
    enum lw_status status;
    int answer;

    if (writer->failed) {
        return lw_error_set(reterr, LW_EIO, "%s could not be written before", writer->unfinished);
    }
    writer->trailer.n_bytes = (uint64_t)writer->written + writer->n_buffered;
    lw_snapshot_put_trailer(&writer->trailer, writer->head.seed, trailer);
    status = writer_put(writer, trailer, sizeof(trailer), reterr);
    if (status == LW_OK) {
        status = writer_empty(writer, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    answer = lw_io_sync(writer->io, writer->fd);
    return answer < 0 ? lw_io_fail(answer, "sync", writer->unfinished, reterr) : LW_OK;
}

enum lw_status lw_snapshot_commit(struct lw_snapshot_writer *writer, struct lw_error *reterr)
{
    const struct lw_io *io = writer->io;
    enum lw_status status = writer_end(writer, reterr);
    int answer;

    if (status == LW_OK) {
        answer = io->rename(io->context, writer->unfinished, writer->path);
        status = answer < 0 ? lw_io_fail(answer, "finish", writer->path, reterr) : LW_OK;
    }
    if (status != LW_OK) {
        lw_snapshot_abandon(writer);
        return status;
    }
    (void)io->close(io->context, writer->fd);
    writer->fd = -1;
    answer = lw_io_sync_parent(io, writer->path);
    if (answer < 0) { /* It is whole, only its name may be lost. */
        status = lw_io_fail(answer, "sync the folder of", writer->path, reterr);
    }
    lw_snapshot_abandon(writer);
    return status;
}
