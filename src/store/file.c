/* Atomic replacement by temporary file, sync and rename: see store/file.h. */
#include "store/file.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/fixed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define HEADER_BYTES 32u

static const uint8_t MAGIC[8] = {'l', 'a', 'p', 'w', 'i', 'n', 'g', '\n'};

/* What stands in front of the bytes. */
struct file_head {
    uint32_t version;
    uint64_t n_bytes, hash;
};

/* ---- writing ---- */

/* Head and bytes into a new file, synced. */
static enum lw_status file_create(const struct lw_io *io, const char *path,
                                  const struct file_head *head, const void *bytes,
                                  struct lw_error *reterr)
{
    uint8_t head_bytes[HEADER_BYTES];
    enum lw_status status;
    int answer, fd = lw_io_open(io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0) {
        return lw_io_fail(fd, "create", path, reterr);
    }
    memcpy(head_bytes, MAGIC, sizeof(MAGIC));
    lw_put_u32(head_bytes + 8, head->version);
    lw_put_u32(head_bytes + 12, 0);
    lw_put_u64(head_bytes + 16, head->n_bytes);
    lw_put_u64(head_bytes + 24, head->hash);
    status = lw_io_write_all(io, fd, path, head_bytes, sizeof(head_bytes), 0, reterr);
    if (status == LW_OK) {
        status = lw_io_write_all(io, fd, path, bytes, (size_t)head->n_bytes, HEADER_BYTES, reterr);
    }
    if (status == LW_OK) {
        answer = lw_io_sync(io, fd);
        status = answer < 0 ? lw_io_fail(answer, "write", path, reterr) : LW_OK;
    }
    answer = io->close(io->context, fd);
    return status == LW_OK && answer < 0 ? lw_io_fail(answer, "close", path, reterr) : status;
}

enum lw_status lw_file_replace_with(const struct lw_io *io, const char *path, uint32_t version,
                                    const void *bytes, size_t n_bytes, struct lw_error *reterr)
{
    const struct file_head head = {version, n_bytes, lw_hash_bytes(bytes, n_bytes, version)};
    char temporary[LW_IO_PATH_MAX];
    enum lw_status status;
    int answer;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        return lw_error_set(reterr, LW_EINVAL, "path of %zu bytes is too long", strlen(path));
    }
    if (n_bytes > LW_FILE_BYTES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "%zu bytes for %s; the limit is %zu", n_bytes, path,
                            LW_FILE_BYTES_MAX);
    }
    status = file_create(io, temporary, &head, bytes, reterr);
    if (status == LW_OK) {
        answer = io->rename(io->context, temporary, path);
        status = answer < 0 ? lw_io_fail(answer, "replace", path, reterr) : LW_OK;
    }
    if (status != LW_OK) {
        (void)io->unlink(io->context, temporary);
        return status;
    }
    answer = lw_io_sync_parent(io, path);
    return answer < 0 ? lw_io_fail(answer, "sync the folder of", path, reterr) : LW_OK;
}

enum lw_status lw_file_replace(const char *path, uint32_t version, const void *bytes,
                               size_t n_bytes, struct lw_error *reterr)
{
    return lw_file_replace_with(lw_io_system(), path, version, bytes, n_bytes, reterr);
}

/* ---- reading ---- */

static enum lw_status read_head(const struct lw_io *io, int fd, const char *path,
                                struct file_head *ret_head, struct lw_error *reterr)
{
    uint8_t bytes[HEADER_BYTES];
    enum lw_status status = lw_io_read_all(io, fd, path, bytes, sizeof(bytes), 0, reterr);

    if (status == LW_EIO) {
        return status;
    }
    if (status != LW_OK || memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0 ||
        lw_get_u32(bytes + 12) != 0) {
        return lw_error_set(reterr, LW_EFORMAT, "%s is not a state file of lapwing", path);
    }
    *ret_head = (struct file_head){lw_get_u32(bytes + 8), lw_get_u64(bytes + 16),
                                   lw_get_u64(bytes + 24)};
    return LW_OK;
}

static enum lw_status read_body(const struct lw_io *io, int fd, const char *path,
                                const struct file_head *head, void **ret_bytes,
                                struct lw_error *reterr)
{
    int64_t size = io->size(io->context, fd);
    uint8_t *bytes;
    enum lw_status status;

    if (size < 0) {
        return lw_io_fail(size, "look at", path, reterr);
    }
    if (head->n_bytes > LW_FILE_BYTES_MAX || (uint64_t)size != head->n_bytes + HEADER_BYTES) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%s is torn: it should hold %llu bytes and has %lld", path,
                            (unsigned long long)head->n_bytes + HEADER_BYTES, (long long)size);
    }
    bytes = lw_mem_alloc((size_t)head->n_bytes + 1);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to read %llu bytes of %s",
                            (unsigned long long)head->n_bytes, path);
    }
    status = lw_io_read_all(io, fd, path, bytes, (size_t)head->n_bytes, HEADER_BYTES, reterr);
    if (status == LW_OK &&
        lw_hash_bytes(bytes, (size_t)head->n_bytes, head->version) != head->hash) {
        status = lw_error_set(reterr, LW_EFORMAT, "%s is damaged: its checksum does not match",
                              path);
    }
    if (status != LW_OK) {
        lw_mem_free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    return LW_OK;
}

enum lw_status lw_file_read_with(const struct lw_io *io, const char *path,
                                 const struct lw_file_versions *versions, void **ret_bytes,
                                 size_t *ret_n_bytes, struct lw_error *reterr)
{
    int fd = lw_io_open(io, path, O_RDONLY, 0);
    struct file_head head = {0};
    enum lw_status status;

    if (fd == -ENOENT) {
        return lw_error_set(reterr, LW_ENOTFOUND, "there is no file %s", path);
    }
    if (fd < 0) {
        return lw_io_fail(fd, "open", path, reterr);
    }
    status = read_head(io, fd, path, &head, reterr);
    if (status == LW_OK && (head.version < versions->oldest || head.version > versions->newest)) {
        status = lw_error_set(reterr, LW_EVERSION,
                              "%s has format version %u; this program reads %u to %u", path,
                              head.version, versions->oldest, versions->newest);
    }
    if (status == LW_OK) {
        status = read_body(io, fd, path, &head, ret_bytes, reterr);
    }
    if (status == LW_OK) {
        *ret_n_bytes = (size_t)head.n_bytes;
    }
    (void)io->close(io->context, fd);
    return status;
}

enum lw_status lw_file_read(const char *path, uint32_t oldest, uint32_t newest, void **ret_bytes,
                            size_t *ret_n_bytes, struct lw_error *reterr)
{
    const struct lw_file_versions versions = {oldest, newest};

    return lw_file_read_with(lw_io_system(), path, &versions, ret_bytes, ret_n_bytes, reterr);
}
