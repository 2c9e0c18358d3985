/*
 * One file of the history: how it is built, opened and walked. Only the history's own files include
 * it.
 *
 * A file holds series in ascending order of their names (as bytes), each with chunks of at most
 * LW_CHUNK_SAMPLES_MAX samples that ascend in time within a chunk, in the order of the journal.
 */
#ifndef LW_STORE_HISTORY_FILE_H
#define LW_STORE_HISTORY_FILE_H

#include "store/chunk.h"
#include "store/history.h"

#define LW_HISTORY_SUFFIX ".history"
#define LW_HISTORY_FILE_NAME_MAX 80

/* What is known of a file without reading its samples. */
struct lw_history_info {
    uint64_t first, last; /* Journal numbers. */
    uint32_t level;       /* How often its samples were merged. */
    uint64_t n_samples, n_series;
    int64_t first_ns, last_ns; /* Of its samples; of an empty file first > last. */
    uint64_t n_bytes;
};

/* ---- building ---- */

/* Where the bytes of a file go, from its beginning to its end. */
struct lw_history_sink {
    enum lw_status (*write)(void *context, const uint8_t *bytes, size_t n_bytes,
                            struct lw_error *reterr);
    void *context;
};

/* Holds what is not yet a block, a directory of the blocks that are, and some hundred KiB of
 * output: no more, however long the file. */
struct lw_history_builder;

/* NULL when there is no memory. Failures of the sink come with the next call. */
struct lw_history_builder *lw_history_builder_create(uint64_t first, uint64_t last, uint32_t level,
                                                     const struct lw_history_sink *sink);
/* Takes NULL. */
void lw_history_builder_destroy(struct lw_history_builder *builder);
/* The next series; LW_EINVAL where its name does not come behind the last one's, LW_ELIMIT where it
 * is too long. LW_ENOMEM, and what the sink answers. */
enum lw_status lw_history_builder_series(struct lw_history_builder *builder, const char *name,
                                         size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* Any number of samples of it, ascending in time; made chunks of about equal length. */
enum lw_status lw_history_builder_samples(struct lw_history_builder *builder,
                                          const int64_t *times_ns, const double *values, size_t n,
                                          struct lw_error *reterr) LW_MUST_USE;

/* A chunk as it lies in a file. */
struct lw_history_chunk {
    const uint8_t *times, *values;
    size_t n_times, n_values; /* Bytes. */
    struct lw_chunk_span span;
};
/* A chunk of it as it is, from another file. */
enum lw_status lw_history_builder_chunk(struct lw_history_builder *builder,
                                        const struct lw_history_chunk *chunk,
                                        struct lw_error *reterr) LW_MUST_USE;
/* Ends the file. */
enum lw_status lw_history_builder_finish(struct lw_history_builder *builder,
                                         struct lw_error *reterr) LW_MUST_USE;

/* ---- reading ---- */

struct lw_history_block; /* In history_file.c. */

/* An open file's table of contents. Immutable but for the two last, which the history's lock
 * guards. */
struct lw_history_file {
    char path[LW_IO_PATH_MAX];
    struct lw_history_info info;
    struct lw_history_block *series_blocks, *times_blocks;
    size_t n_series_blocks, n_times_blocks;
    uint8_t *directory; /* The blocks' keys point into it. */
    unsigned n_views;
    bool damaged; /* A block was found damaged: it is not merged. */
};

/* Reads head, trailer and directory. LW_EFORMAT with file, byte and what; LW_EVERSION; LW_EIO;
 * LW_ENOMEM. */
enum lw_status lw_history_file_open(const struct lw_io *io, const char *path,
                                    struct lw_history_file **ret_file,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_history_file_close(struct lw_history_file *file);

/* Walks the chunks of a file; one thread's. */
struct lw_history_cursor;

/* `keep_times`: all blocks of times read stay in memory, else a few. Opens the file at the first
 * read. NULL when there is no memory. */
struct lw_history_cursor *lw_history_cursor_create(const struct lw_io *io,
                                                   const struct lw_history_file *file,
                                                   bool keep_times);
/* Takes NULL. */
void lw_history_cursor_destroy(struct lw_history_cursor *cursor);
/* To before the first series; then to before the first that is not below name. `values`: whether
 * values are wanted. */
void lw_history_cursor_rewind(struct lw_history_cursor *cursor, bool values);
void lw_history_cursor_seek(struct lw_history_cursor *cursor, const char *name);
/*
 * The next series or, where a series fills more than a block, its next part. LW_ENOTFOUND behind
 * the last; LW_EFORMAT with file and byte for a damaged block, which the next call goes behind;
 * LW_EIO; LW_ENOMEM. *ret_name is valid until the next call.
 */
enum lw_status lw_history_cursor_series(struct lw_history_cursor *cursor, const char **ret_name,
                                        struct lw_error *reterr) LW_MUST_USE;
/* The next chunk of the series; LW_ENOTFOUND behind its last; others as above. Its bytes are valid
 * until the next call for the cursor. */
enum lw_status lw_history_cursor_chunk(struct lw_history_cursor *cursor,
                                       struct lw_history_chunk *ret_chunk,
                                       struct lw_error *reterr) LW_MUST_USE;
/* Reads and proves all blocks. LW_EFORMAT with the first damage. */
enum lw_status lw_history_cursor_verify(struct lw_history_cursor *cursor,
                                        struct lw_error *reterr) LW_MUST_USE;

/* Samples behind those that are there; sorted by lw_history_samples_sort(). */
enum lw_status lw_history_samples_reserve(struct lw_history_samples *samples, size_t n) LW_MUST_USE;
/* Decodes a chunk to the end of samples. LW_EFORMAT, LW_ENOMEM. */
enum lw_status lw_history_samples_decode(struct lw_history_samples *samples,
                                         struct lw_chunk_coder *coder,
                                         const struct lw_history_chunk *chunk) LW_MUST_USE;
/* Ascending in time; equal times stay in order. LW_ENOMEM. */
enum lw_status lw_history_samples_sort(struct lw_history_samples *samples) LW_MUST_USE;

#endif
