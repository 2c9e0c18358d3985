/* The system's disk behind store/io.h, and what every user of it needs around the bare calls. */
#define _GNU_SOURCE
#include "store/io.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- the system ---- */

static int system_open(void *context, const char *path, int flags, mode_t mode)
{
    int fd = open(path, flags | O_CLOEXEC, mode);

    (void)context;
    return fd < 0 ? -errno : fd;
}

static int system_close(void *context, int fd)
{
    (void)context;
    return close(fd) == 0 ? 0 : -errno;
}

static ssize_t system_read_at(void *context, int fd, void *bytes, size_t n_bytes, int64_t at)
{
    ssize_t n = pread(fd, bytes, n_bytes, (off_t)at);

    (void)context;
    return n < 0 ? -errno : n;
}

static ssize_t system_write_at(void *context, int fd, const void *bytes, size_t n_bytes, int64_t at)
{
    ssize_t n = pwrite(fd, bytes, n_bytes, (off_t)at);

    (void)context;
    return n < 0 ? -errno : n;
}

static int system_sync(void *context, int fd)
{
    (void)context;
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int system_flush(void *context, int fd, int64_t at, int64_t n_bytes, bool evict)
{
    unsigned flags = SYNC_FILE_RANGE_WRITE;

    (void)context;
    if (evict) {
        flags |= SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
    }
    if (sync_file_range(fd, at, n_bytes, flags) != 0) {
        return -errno;
    }
    return evict ? -posix_fadvise(fd, at, n_bytes, POSIX_FADV_DONTNEED) : 0;
}

static int system_truncate(void *context, int fd, int64_t n_bytes)
{
    (void)context;
    return ftruncate(fd, (off_t)n_bytes) == 0 ? 0 : -errno;
}

static int64_t system_size(void *context, int fd)
{
    struct stat info;

    (void)context;
    return fstat(fd, &info) == 0 ? (int64_t)info.st_size : -errno;
}

static int system_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int system_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path) == 0 ? 0 : -errno;
}

static int system_make_dir(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0700) == 0 ? 0 : -errno;
}

static int system_sync_dir(void *context, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int answer;

    (void)context;
    if (fd < 0) {
        return -errno;
    }
    answer = fsync(fd) == 0 ? 0 : -errno;
    (void)close(fd);
    return answer;
}

static int system_list(void *context, const char *path,
                       void (*visit)(void *visitor, const char *name), void *visitor)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int answer;

    (void)context;
    if (folder == NULL) {
        return -errno;
    }
    errno = 0;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(visitor, entry->d_name);
        }
        errno = 0;
    }
    answer = -errno;
    (void)closedir(folder);
    return answer;
}

static int64_t system_space(void *context, const char *path)
{
    struct statvfs info;

    (void)context;
    if (statvfs(path, &info) != 0) {
        return -errno;
    }
    return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
}

const struct lw_io *lw_io_system(void)
{
    static const struct lw_io io = {
        .open = system_open,
        .close = system_close,
        .read_at = system_read_at,
        .write_at = system_write_at,
        .sync = system_sync,
        .flush = system_flush,
        .truncate = system_truncate,
        .size = system_size,
        .rename = system_rename,
        .unlink = system_unlink,
        .make_dir = system_make_dir,
        .sync_dir = system_sync_dir,
        .list = system_list,
        .space = system_space,
    };

    return &io;
}

/* ---- over any table ---- */

enum lw_status lw_io_fail(int64_t answer, const char *verb, const char *path,
                          struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EIO, "cannot %s %s: %s", verb, path,
                        strerrordesc_np((int)-answer));
}

enum lw_status lw_io_read_all(const struct lw_io *io, int fd, const char *path, void *bytes,
                              size_t n_bytes, int64_t at, struct lw_error *reterr)
{
    size_t n_read = 0;

    while (n_read < n_bytes) {
        ssize_t n = io->read_at(io->context, fd, (char *)bytes + n_read, n_bytes - n_read,
                                at + (int64_t)n_read);

        if (n == 0) {
            return lw_error_set(reterr, LW_EFORMAT, "%s ends at byte %lld", path,
                                (long long)(at + (int64_t)n_read));
        }
        if (n < 0 && n != -EINTR) {
            return lw_io_fail(n, "read", path, reterr);
        }
        n_read += n > 0 ? (size_t)n : 0;
    }
    return LW_OK;
}

enum lw_status lw_io_write_all(const struct lw_io *io, int fd, const char *path, const void *bytes,
                               size_t n_bytes, int64_t at, struct lw_error *reterr)
{
    size_t n_written = 0;

    while (n_written < n_bytes) {
        ssize_t n = io->write_at(io->context, fd, (const char *)bytes + n_written,
                                 n_bytes - n_written, at + (int64_t)n_written);

        if (n == 0 || (n < 0 && n != -EINTR)) {
            return lw_io_fail(n == 0 ? -ENOSPC : n, "write", path, reterr);
        }
        n_written += n > 0 ? (size_t)n : 0;
    }
    return LW_OK;
}

int lw_io_open(const struct lw_io *io, const char *path, int flags, mode_t mode)
{
    int fd;

    do {
        fd = io->open(io->context, path, flags, mode);
    } while (fd == -EINTR);
    return fd;
}

int lw_io_sync(const struct lw_io *io, int fd)
{
    int answer;

    do {
        answer = io->sync(io->context, fd);
    } while (answer == -EINTR);
    return answer;
}

int lw_io_sync_dir(const struct lw_io *io, const char *path)
{
    int answer;

    do {
        answer = io->sync_dir(io->context, path);
    } while (answer == -EINTR);
    return answer;
}

int lw_io_sync_parent(const struct lw_io *io, const char *path)
{
    char folder[LW_IO_PATH_MAX];
    size_t n_bytes = strlen(path);
    const char *slash;

    while (n_bytes > 1 && path[n_bytes - 1] == '/') {
        n_bytes--;
    }
    slash = memrchr(path, '/', n_bytes);
    n_bytes = slash == NULL ? 1 : (size_t)(slash - path) + (slash == path ? 1 : 0);
    if (n_bytes >= sizeof(folder)) {
        return -ENAMETOOLONG;
    }
    memcpy(folder, slash == NULL ? "." : path, n_bytes);
    folder[n_bytes] = '\0';
    return lw_io_sync_dir(io, folder);
}

enum lw_status lw_io_make_dir(const struct lw_io *io, const char *path, struct lw_error *reterr)
{
    int made, synced;

    do {
        made = io->make_dir(io->context, path);
    } while (made == -EINTR);
    if (made < 0 && made != -EEXIST) {
        return lw_io_fail(made, "make the folder", path, reterr);
    }
    synced = lw_io_sync_parent(io, path); /* Who made it may have been killed before this. */
    if (synced == -EACCES && made == -EEXIST) {
        return LW_OK; /* Made by somebody for us, in a folder that we may not read. */
    }
    return synced < 0 ? lw_io_fail(synced, "sync the folder of", path, reterr) : LW_OK;
}

enum lw_status lw_io_join(const char *dir, const char *name, char ret_path[LW_IO_PATH_MAX],
                          struct lw_error *reterr)
{
    if (snprintf(ret_path, LW_IO_PATH_MAX, "%s/%s", dir, name) >= LW_IO_PATH_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "path of %zu bytes is too long",
                            strlen(dir) + strlen(name) + 1);
    }
    return LW_OK;
}
