/* Atomic replacement by temporary file, fsync and rename: see store/file.h. */
#define _GNU_SOURCE
#include "store/file.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 32u

static const char MAGIC[8] = {'l', 'a', 'p', 'w', 'i', 'n', 'g', '\n'};

static enum lw_status fail(struct lw_error *reterr, const char *verb, const char *path)
{
    return lw_error_set(reterr, LW_EIO, "cannot %s %s: %s", verb, path, strerrordesc_np(errno));
}

static bool write_all(int fd, const void *bytes, size_t n_bytes)
{
    const char *at = bytes;

    while (n_bytes > 0) {
        ssize_t n = write(fd, at, n_bytes);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        at += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

/* False with errno 0 where the file ends early. */
static bool read_all(int fd, void *bytes, size_t n_bytes)
{
    char *at = bytes;

    while (n_bytes > 0) {
        ssize_t n = read(fd, at, n_bytes);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return false;
        }
        at += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;
    bool good;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
                   slash == NULL ? "." : path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    good = fsync(fd) == 0;
    (void)close(fd);
    return good;
}

static bool write_synced(int fd, const struct lw_writer *header, const void *bytes, size_t n_bytes)
{
    return write_all(fd, header->data, header->n_bytes) && write_all(fd, bytes, n_bytes) &&
           fsync(fd) == 0;
}

enum lw_status lw_file_replace(const char *path, uint32_t version, const void *bytes,
                               size_t n_bytes, struct lw_error *reterr)
{
    char temporary[PATH_MAX];
    struct lw_writer header;
    enum lw_status status = LW_OK;
    bool written;
    int fd = -1;

    lw_writer_init(&header);
    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        return lw_error_set(reterr, LW_EINVAL, "path of %zu bytes is too long", strlen(path));
    }
    lw_write_raw(&header, MAGIC, sizeof(MAGIC));
    lw_write_u32(&header, version);
    lw_write_u32(&header, 0);
    lw_write_u64(&header, n_bytes);
    lw_write_u64(&header, lw_hash_bytes(bytes, n_bytes, version));
    if (header.status != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a file header");
        goto done;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        status = fail(reterr, "create", temporary);
        goto done;
    }
    written = write_synced(fd, &header, bytes, n_bytes);
    if (!written) {
        status = fail(reterr, "write", temporary);
    }
    if (close(fd) != 0 && status == LW_OK) {
        status = fail(reterr, "close", temporary);
    }
    if (status == LW_OK && rename(temporary, path) != 0) {
        status = fail(reterr, "replace", path);
    }
    if (status == LW_OK && !sync_folder(path)) {
        status = fail(reterr, "sync the folder of", path);
    }
    if (status != LW_OK) {
        (void)unlink(temporary);
    }
done:
    lw_writer_fini(&header);
    return status;
}

/* What stands in front of the bytes. */
struct file_head {
    uint32_t version;
    uint64_t n_bytes, hash;
};

static enum lw_status read_head(int fd, const char *path, struct file_head *ret_head,
                                struct lw_error *reterr)
{
    uint8_t bytes[HEADER_BYTES];
    struct lw_reader reader;
    uint32_t reserved;

    if (!read_all(fd, bytes, sizeof(bytes))) {
        return errno != 0
                   ? fail(reterr, "read", path)
                   : lw_error_set(reterr, LW_EFORMAT, "%s is not a state file of lapwing", path);
    }
    lw_reader_init(&reader, bytes + sizeof(MAGIC), sizeof(bytes) - sizeof(MAGIC));
    ret_head->version = lw_read_u32(&reader);
    reserved = lw_read_u32(&reader);
    ret_head->n_bytes = lw_read_u64(&reader);
    ret_head->hash = lw_read_u64(&reader);
    if (memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0 || reserved != 0) {
        return lw_error_set(reterr, LW_EFORMAT, "%s is not a state file of lapwing", path);
    }
    return LW_OK;
}

static enum lw_status read_body(int fd, const char *path, const struct file_head *head,
                                void **ret_bytes, struct lw_error *reterr)
{
    struct stat info;
    uint8_t *bytes;
    enum lw_status status = LW_OK;

    if (fstat(fd, &info) != 0) {
        return fail(reterr, "look at", path);
    }
    if (head->n_bytes > LW_FILE_BYTES_MAX ||
        (uint64_t)info.st_size != head->n_bytes + HEADER_BYTES) {
        return lw_error_set(
            reterr, LW_EFORMAT, "%s is torn: it should hold %llu bytes and has %lld", path,
            (unsigned long long)head->n_bytes + HEADER_BYTES, (long long)info.st_size);
    }
    bytes = lw_mem_alloc((size_t)head->n_bytes + 1);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to read %llu bytes of %s",
                            (unsigned long long)head->n_bytes, path);
    }
    if (!read_all(fd, bytes, (size_t)head->n_bytes)) {
        status = errno != 0
                     ? fail(reterr, "read", path)
                     : lw_error_set(reterr, LW_EFORMAT, "%s became shorter while read", path);
    } else if (lw_hash_bytes(bytes, (size_t)head->n_bytes, head->version) != head->hash) {
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

enum lw_status lw_file_read(const char *path, uint32_t oldest, uint32_t newest, void **ret_bytes,
                            size_t *ret_n_bytes, struct lw_error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file_head head = {0};
    enum lw_status status;

    if (fd < 0 && errno == ENOENT) {
        return lw_error_set(reterr, LW_ENOTFOUND, "there is no file %s", path);
    }
    if (fd < 0) {
        return fail(reterr, "open", path);
    }
    status = read_head(fd, path, &head, reterr);
    if (status == LW_OK && (head.version < oldest || head.version > newest)) {
        status = lw_error_set(reterr, LW_EVERSION,
                              "%s has format version %u; this program reads %u to %u", path,
                              head.version, oldest, newest);
    }
    if (status == LW_OK) {
        status = read_body(fd, path, &head, ret_bytes, reterr);
    }
    if (status == LW_OK) {
        *ret_n_bytes = (size_t)head.n_bytes;
    }
    (void)close(fd);
    return status;
}
