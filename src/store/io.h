/*
 * The only door to the disk for what must survive: journal, snapshots, history, whole files.
 *
 * A table of functions, so that tests and simulations can put a faulty disk behind it. Every
 * function answers what the system would: >= 0 is good, a negative number is -errno. Paths are
 * plain; descriptors are the table's own. All functions may be called from any thread; one
 * descriptor belongs to one thread at a time.
 */
#ifndef LW_STORE_IO_H
#define LW_STORE_IO_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Longest path, with its end. */
#define LW_IO_PATH_MAX 4096

struct lw_io {
    int (*open)(void *context, const char *path, int flags, mode_t mode); /* A descriptor. */
    int (*close)(void *context, int fd);
    /* May read or write less than asked, as the system may; -EINTR too. */
    ssize_t (*read_at)(void *context, int fd, void *bytes, size_t n_bytes, int64_t at);
    ssize_t (*write_at)(void *context, int fd, const void *bytes, size_t n_bytes, int64_t at);
    int (*sync)(void *context, int fd); /* Contents and length are on the disk (fdatasync). */
    /* A hint, and no promise; may be NULL. Begins to write the bytes out; with `evict` waits until
     * they are written and gives up their pages. */
    int (*flush)(void *context, int fd, int64_t at, int64_t n_bytes, bool evict);
    int (*truncate)(void *context, int fd, int64_t n_bytes);
    int64_t (*size)(void *context, int fd);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_dir)(void *context, const char *path); /* -EEXIST is the caller's to forgive. */
    int (*sync_dir)(void *context, const char *path);
    /* Calls visit for each name in a folder, in any order, but for . and .. */
    int (*list)(void *context, const char *path, void (*visit)(void *visitor, const char *name),
                void *visitor);
    /* Bytes that may still be written there. */
    int64_t (*space)(void *context, const char *path);
    void *context;
};

/* The system's disk. Static. */
const struct lw_io *lw_io_system(void);

/* All n_bytes, over short reads or writes and EINTR. LW_EIO with verb, path and the system's reason
 * (LW_EFORMAT where a file ends before n_bytes were read). */
enum lw_status lw_io_read_all(const struct lw_io *io, int fd, const char *path, void *bytes,
                              size_t n_bytes, int64_t at, struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_io_write_all(const struct lw_io *io, int fd, const char *path, const void *bytes,
                               size_t n_bytes, int64_t at, struct lw_error *reterr) LW_MUST_USE;
/* LW_EIO: "cannot VERB PATH: REASON" of a negative answer. */
enum lw_status lw_io_fail(int64_t answer, const char *verb, const char *path,
                          struct lw_error *reterr);

/* As open, over EINTR: a descriptor, or -errno. */
int lw_io_open(const struct lw_io *io, const char *path, int flags, mode_t mode);
/* Over EINTR; 0 or -errno. */
int lw_io_sync(const struct lw_io *io, int fd);
int lw_io_sync_dir(const struct lw_io *io, const char *path);
/* The folder that holds path is synced, so that a name made, changed or removed there stays so. */
int lw_io_sync_parent(const struct lw_io *io, const char *path);
/* Makes a folder, one level deep, where there is none, and syncs the folder above it; over EINTR.
 * LW_EIO. */
enum lw_status lw_io_make_dir(const struct lw_io *io, const char *path,
                              struct lw_error *reterr) LW_MUST_USE;
/* "dir/name" into ret_path; LW_EINVAL when it does not fit into PATH_MAX. */
enum lw_status lw_io_join(const char *dir, const char *name, char ret_path[LW_IO_PATH_MAX],
                          struct lw_error *reterr) LW_MUST_USE;

#endif
