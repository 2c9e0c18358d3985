/* Whole files of bytes: replaced atomically and synced, read back with their checksum proved. */
#ifndef LW_STORE_FILE_H
#define LW_STORE_FILE_H

#include "store/io.h"

#include <stddef.h>
#include <stdint.h>

/* Files larger than this are refused. */
#define LW_FILE_BYTES_MAX ((size_t)16 << 30)

/*
 * Replace a file: a temporary one beside it (path + ".new") is written, synced and renamed over it,
 * then the folder is synced. A header (magic, format version, length, hash) goes in front. LW_EIO
 * with the system's reason: the old file then stays, but where only the folder could not be synced
 * it may be either. LW_EINVAL when the path is too long, LW_ELIMIT.
 */
enum lw_status lw_file_replace_with(const struct lw_io *io, const char *path, uint32_t version,
                                    const void *bytes, size_t n_bytes,
                                    struct lw_error *reterr) LW_MUST_USE;
/* On the system's disk. */
enum lw_status lw_file_replace(const char *path, uint32_t version, const void *bytes,
                               size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;

/* The format versions that a reader takes. */
struct lw_file_versions {
    uint32_t oldest, newest;
};

/*
 * Read a file of lw_file_replace(). The caller frees *ret_bytes with lw_mem_free(). LW_ENOTFOUND,
 * LW_EIO, LW_EFORMAT when it is torn or was changed, LW_EVERSION when its version is not in
 * [oldest, newest], LW_ENOMEM.
 */
enum lw_status lw_file_read_with(const struct lw_io *io, const char *path,
                                 const struct lw_file_versions *versions, void **ret_bytes,
                                 size_t *ret_n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* On the system's disk. */
enum lw_status lw_file_read(const char *path, uint32_t oldest, uint32_t newest, void **ret_bytes,
                            size_t *ret_n_bytes, struct lw_error *reterr) LW_MUST_USE;

#endif
