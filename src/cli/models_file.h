/* Model files on disk: read whole, handed to the engine, written whole. */
#ifndef LW_CLI_MODELS_FILE_H
#define LW_CLI_MODELS_FILE_H

#include "lapwing/lapwing.h"

/* A larger file is refused. */
#define LW_MODELS_FILE_BYTES_MAX ((size_t)4 << 30)

/*
 * The bytes of a file; the caller owns them: lw_mem_free(). LW_ENOTFOUND, LW_EIO, LW_ELIMIT,
 * LW_ENOMEM; LW_EINVAL for what is no regular file. The message begins with the path.
 */
enum lw_status lw_models_read(const char *path, void **ret_bytes, size_t *ret_n_bytes,
                              struct lw_error *reterr) LW_MUST_USE;
/* Reads a file and gives it to a spec: lw_spec_set_models(). The message begins with the path. */
enum lw_status lw_models_serve(struct lw_spec *spec, const char *path,
                               struct lw_error *reterr) LW_MUST_USE;
/* Writes a file anew: under another name beside it, synced, then renamed, so that who reads it sees
 * the old bytes or the new ones. LW_EIO. */
enum lw_status lw_models_write(const char *path, const void *bytes, size_t n_bytes,
                               struct lw_error *reterr) LW_MUST_USE;

#endif
