/* Reading and writing model files: see cli/models_file.h. */
#define _GNU_SOURCE
#include "cli/models_file.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum lw_status refuse(const char *path, struct lw_error *reterr)
{
    return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.300s: %s", path,
                        strerror(errno));
}

/* Reads n bytes, or as many as there are. False on failure. */
static bool bytes_read(int fd, uint8_t *bytes, size_t n, size_t *ret_n)
{
    size_t at = 0;

    while (at < n) {
        ssize_t got = read(fd, bytes + at, n - at);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        if (got == 0) {
            break;
        }
        at += (size_t)got;
    }
    *ret_n = at;
    return true;
}

enum lw_status lw_models_read(const char *path, void **ret_bytes, size_t *ret_n_bytes,
                              struct lw_error *reterr)
{
    /* Not blocking: opening a pipe would wait for somebody to write. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    void *bytes = NULL;
    enum lw_status status = LW_OK;

    if (fd < 0) {
        return refuse(path, reterr);
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = lw_error_set(reterr, LW_EINVAL, "%.300s: it is no file", path);
    } else if ((uint64_t)about.st_size > LW_MODELS_FILE_BYTES_MAX) {
        status = lw_error_set(reterr, LW_ELIMIT, "%.300s: a model file has at most %zu bytes", path,
                              LW_MODELS_FILE_BYTES_MAX);
    } else {
        bytes = lw_mem_alloc((size_t)about.st_size + 1);
        if (bytes == NULL) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory to read %.300s", path);
        } else if (!bytes_read(fd, bytes, (size_t)about.st_size, ret_n_bytes)) {
            status = refuse(path, reterr);
        }
    }
    (void)close(fd);
    if (status != LW_OK) {
        lw_mem_free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    return LW_OK;
}

enum lw_status lw_models_serve(struct lw_spec *spec, const char *path, struct lw_error *reterr)
{
    struct lw_error error;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_models_read(path, &bytes, &n_bytes, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = lw_spec_set_models(spec, bytes, n_bytes, &error);
    lw_mem_free(bytes);
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "%.200s: %s", path, error.message);
}

static bool bytes_write(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return false;
        }
        bytes += put;
        n -= (size_t)put;
    }
    return fsync(fd) == 0;
}

enum lw_status lw_models_write(const char *path, const void *bytes, size_t n_bytes,
                               struct lw_error *reterr)
{
    char beside[PATH_MAX];
    enum lw_status status = LW_OK;
    int fd;

    if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside)) {
        return lw_error_set(reterr, LW_EIO, "%.300s: the name is too long", path);
    }
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        return lw_error_set(reterr, LW_EIO, "%.300s: %s", path, strerror(errno));
    }
    if (!bytes_write(fd, bytes, n_bytes) || fchmod(fd, 0644) != 0) {
        status = lw_error_set(reterr, LW_EIO, "%.300s: %s", path, strerror(errno));
    }
    (void)close(fd);
    if (status == LW_OK && rename(beside, path) != 0) {
        status = lw_error_set(reterr, LW_EIO, "%.300s: %s", path, strerror(errno));
    }
    if (status != LW_OK) {
        (void)unlink(beside);
    }
    return status;
}
