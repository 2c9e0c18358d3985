/* Opening and walking a file of the history: history_builder.c has the layout. Nothing in a file is
 * believed before its checksum and its bounds have been looked at. */
#include "store/history_file.h"
#include "store/history_format.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <zstd.h>

/* A block may exceed its usual length by one chunk, one name, or one series' list of chunks. */
#define BLOCK_BYTES_MAX ((size_t)64 << 20)
/* Blocks of times a cursor keeps that was not told to keep all. */
#define TIMES_KEPT 32

struct lw_history_block {
    uint64_t offset, head_hash, body_hash; /* A times block has but a body. */
    uint32_t head_bytes, head_raw_bytes, body_bytes;
    int64_t first_ns, last_ns;
    bool continues;
    const char *key; /* Not terminated. */
    uint32_t key_bytes;
};

static enum lw_status damaged(struct lw_error *reterr, const char *path, uint64_t at,
                              const char *what)
{
    return lw_error_set(reterr, LW_EFORMAT, "%s is damaged at byte %" PRIu64 ": %s", path, at,
                        what);
}

/* ---- opening ---- */

/* Opens, and gives the size. */
static enum lw_status disk_open(const struct lw_io *io, const char *path, int *ret_fd,
                                uint64_t *ret_n_bytes, struct lw_error *reterr)
{
    int fd = lw_io_open(io, path, O_RDONLY | O_CLOEXEC, 0);
    int64_t n_bytes;

    if (fd < 0) {
        return lw_io_fail(fd, "open", path, reterr);
    }
    do {
        n_bytes = io->size(io->context, fd);
    } while (n_bytes == -EINTR);
    if (n_bytes < 0) {
        (void)io->close(io->context, fd);
        return lw_io_fail(n_bytes, "look at", path, reterr);
    }
    *ret_fd = fd;
    *ret_n_bytes = (uint64_t)n_bytes;
    return LW_OK;
}

static enum lw_status head_parse(struct lw_history_file *file, const uint8_t *bytes,
                                 struct lw_error *reterr)
{
    struct lw_reader reader;
    uint32_t version;

    lw_reader_init(&reader, bytes, LW_HISTORY_HEAD_BYTES);
    (void)lw_read_view(&reader, 8);
    version = lw_read_u32(&reader);
    file->info.level = lw_read_u32(&reader);
    file->info.first = lw_read_u64(&reader);
    file->info.last = lw_read_u64(&reader);
    if (memcmp(bytes, LW_HISTORY_MAGIC, 8) != 0 ||
        lw_read_u64(&reader) != lw_hash_bytes(bytes, LW_HISTORY_HEAD_BYTES - 8, 0)) {
        return damaged(reterr, file->path, 0, "it does not begin as a history file does");
    }
    if (version != LW_HISTORY_VERSION) {
        return lw_error_set(reterr, LW_EVERSION, "%s has format version %u; this program reads %u",
                            file->path, version, LW_HISTORY_VERSION);
    }
    return LW_OK;
}

struct trailer {
    uint64_t offset, n_bytes, hash;
};

static enum lw_status trailer_parse(struct lw_history_file *file, const uint8_t *bytes,
                                    struct trailer *ret_trailer, struct lw_error *reterr)
{
    struct lw_reader reader;
    uint64_t end = file->info.n_bytes - LW_HISTORY_TRAILER_BYTES;

    lw_reader_init(&reader, bytes, LW_HISTORY_TRAILER_BYTES);
    ret_trailer->offset = lw_read_u64(&reader);
    ret_trailer->n_bytes = lw_read_u64(&reader);
    ret_trailer->hash = lw_read_u64(&reader);
    file->info.n_series = lw_read_u64(&reader);
    file->info.n_samples = lw_read_u64(&reader);
    file->info.first_ns = lw_read_i64(&reader);
    file->info.last_ns = lw_read_i64(&reader);
    if (lw_read_u64(&reader) != lw_hash_bytes(bytes, LW_HISTORY_TRAILER_BYTES - 8, 0)) {
        return damaged(reterr, file->path, end, "the checksum of its end does not match");
    }
    if (ret_trailer->offset < LW_HISTORY_HEAD_BYTES || ret_trailer->offset > end ||
        ret_trailer->n_bytes != end - ret_trailer->offset) {
        return damaged(reterr, file->path, end, "its directory is not where its end says");
    }
    return LW_OK;
}

/* Room for n entries that take entry_bytes at least; NULL also where they cannot be there. */
static struct lw_history_block *blocks_alloc(const struct lw_reader *reader, uint32_t n,
                                             size_t entry_bytes, enum lw_status *ret_status)
{
    struct lw_history_block *blocks = NULL;

    *ret_status = LW_EFORMAT;
    if (reader->status == LW_OK && n <= lw_reader_left(reader) / entry_bytes) {
        blocks = lw_mem_calloc((size_t)n + 1, sizeof(*blocks));
        *ret_status = blocks != NULL ? LW_OK : LW_ENOMEM;
    }
    return blocks;
}

/* Whether a block lies between the head and the directory, and is not too long. */
static bool block_sound(const struct lw_history_block *block, uint64_t directory)
{
    uint64_t n_bytes = (uint64_t)block->head_bytes + block->body_bytes;

    return block->offset >= LW_HISTORY_HEAD_BYTES && block->offset <= directory &&
           n_bytes <= directory - block->offset && n_bytes <= BLOCK_BYTES_MAX &&
           block->head_raw_bytes <= BLOCK_BYTES_MAX && block->head_raw_bytes >= block->head_bytes;
}

static enum lw_status times_blocks_parse(struct lw_history_file *file, struct lw_reader *reader,
                                         uint64_t directory)
{
    uint32_t n = lw_read_u32(reader);
    enum lw_status status;

    file->times_blocks = blocks_alloc(reader, n, 20, &status);
    for (uint32_t i = 0; i < n && status == LW_OK; i++) {
        struct lw_history_block *block = &file->times_blocks[i];

        block->offset = lw_read_u64(reader);
        block->body_bytes = lw_read_u32(reader);
        block->body_hash = lw_read_u64(reader);
        status = block_sound(block, directory) ? reader->status : LW_EFORMAT;
    }
    file->n_times_blocks = n;
    return status;
}

static enum lw_status series_blocks_parse(struct lw_history_file *file, struct lw_reader *reader,
                                          uint64_t directory)
{
    uint32_t n = lw_read_u32(reader);
    enum lw_status status;

    file->series_blocks = blocks_alloc(reader, n, 57, &status);
    for (uint32_t i = 0; i < n && status == LW_OK; i++) {
        struct lw_history_block *block = &file->series_blocks[i];

        block->offset = lw_read_u64(reader);
        block->head_bytes = lw_read_u32(reader);
        block->head_raw_bytes = lw_read_u32(reader);
        block->body_bytes = lw_read_u32(reader);
        block->head_hash = lw_read_u64(reader);
        block->body_hash = lw_read_u64(reader);
        block->first_ns = lw_read_i64(reader);
        block->last_ns = lw_read_i64(reader);
        block->continues = lw_read_u8(reader) != 0;
        block->key_bytes = lw_read_u32(reader);
        block->key = block->key_bytes < LW_HISTORY_NAME_MAX
                         ? (const char *)lw_read_view(reader, block->key_bytes)
                         : NULL;
        status = block->key != NULL && block_sound(block, directory) ? reader->status : LW_EFORMAT;
    }
    file->n_series_blocks = n;
    return status;
}

static enum lw_status directory_read(const struct lw_io *io, int fd, struct lw_history_file *file,
                                     const struct trailer *trailer, struct lw_error *reterr)
{
    struct lw_reader reader;
    enum lw_status status;

    file->directory = lw_mem_alloc((size_t)trailer->n_bytes + 1);
    if (file->directory == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the directory of %s", file->path);
    }
    status = lw_io_read_all(io, fd, file->path, file->directory, (size_t)trailer->n_bytes,
                            (int64_t)trailer->offset, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (lw_hash_bytes(file->directory, (size_t)trailer->n_bytes, 0) != trailer->hash) {
        return damaged(reterr, file->path, trailer->offset,
                       "the checksum of its directory does not match");
    }
    lw_reader_init(&reader, file->directory, (size_t)trailer->n_bytes);
    status = times_blocks_parse(file, &reader, trailer->offset);
    if (status == LW_OK) {
        status = series_blocks_parse(file, &reader, trailer->offset);
    }
    if (status == LW_OK && lw_reader_left(&reader) != 0) {
        status = LW_EFORMAT;
    }
    if (status == LW_EFORMAT) {
        return damaged(reterr, file->path, trailer->offset + reader.at, "its directory is not one");
    }
    return status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, status, "no memory for the blocks of %s", file->path);
}

static enum lw_status file_read(const struct lw_io *io, int fd, struct lw_history_file *file,
                                struct lw_error *reterr)
{
    uint8_t bytes[LW_HISTORY_TRAILER_BYTES];
    struct trailer trailer = {0};
    enum lw_status status;

    if (file->info.n_bytes < LW_HISTORY_HEAD_BYTES + LW_HISTORY_TRAILER_BYTES) {
        return damaged(reterr, file->path, file->info.n_bytes, "it ends there");
    }
    status = lw_io_read_all(io, fd, file->path, bytes, LW_HISTORY_HEAD_BYTES, 0, reterr);
    if (status == LW_OK) {
        status = head_parse(file, bytes, reterr);
    }
    if (status == LW_OK) {
        status = lw_io_read_all(io, fd, file->path, bytes, sizeof(bytes),
                                (int64_t)(file->info.n_bytes - sizeof(bytes)), reterr);
    }
    if (status == LW_OK) {
        status = trailer_parse(file, bytes, &trailer, reterr);
    }
    return status == LW_OK ? directory_read(io, fd, file, &trailer, reterr) : status;
}

enum lw_status lw_history_file_open(const struct lw_io *io, const char *path,
                                    struct lw_history_file **ret_file, struct lw_error *reterr)
{
    struct lw_history_file *file = lw_mem_calloc(1, sizeof(*file));
    enum lw_status status;
    int fd = -1;

    if (file == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    memcpy(file->path, path, strlen(path) + 1);
    status = disk_open(io, path, &fd, &file->info.n_bytes, reterr);
    if (status == LW_OK) {
        status = file_read(io, fd, file, reterr);
        (void)io->close(io->context, fd);
    }
    if (status != LW_OK) {
        lw_history_file_close(file);
        return status;
    }
    *ret_file = file;
    return LW_OK;
}

void lw_history_file_close(struct lw_history_file *file)
{
    if (file != NULL) {
        lw_mem_free(file->series_blocks);
        lw_mem_free(file->times_blocks);
        lw_mem_free(file->directory);
        lw_mem_free(file);
    }
}

/* ---- walking ---- */

struct lw_history_cursor {
    const struct lw_io *io;
    const struct lw_history_file *file;
    int fd; /* -1: not open yet. */
    bool keep_times, values;
    size_t next_block; /* The block whose turn is next. */
    size_t at_block;   /* The one in head and body; SIZE_MAX: none. */
    bool has_body;
    struct lw_writer packed, head, body; /* Used as buffers. */
    struct lw_reader reader;             /* In the head. */
    uint64_t chunks_left;
    uint64_t body_at; /* Where in the body the next chunk's values begin. */
    bool in_block;
    uint8_t **times; /* [n_times_blocks]: read ones. */
    size_t n_times;
    const char *target; /* What to seek. */
    char name[LW_HISTORY_NAME_MAX];
    size_t name_bytes;
};

struct lw_history_cursor *lw_history_cursor_create(const struct lw_io *io,
                                                   const struct lw_history_file *file,
                                                   bool keep_times)
{
    struct lw_history_cursor *cursor = lw_mem_calloc(1, sizeof(*cursor));

    if (cursor == NULL) {
        return NULL;
    }
    cursor->io = io;
    cursor->file = file;
    cursor->fd = -1;
    cursor->keep_times = keep_times;
    cursor->at_block = SIZE_MAX;
    cursor->values = true;
    cursor->times = lw_mem_calloc(file->n_times_blocks + 1, sizeof(cursor->times[0]));
    if (cursor->times == NULL) {
        lw_mem_free(cursor);
        return NULL;
    }
    return cursor;
}

static void times_drop(struct lw_history_cursor *cursor)
{
    for (size_t i = 0; i < cursor->file->n_times_blocks; i++) {
        lw_mem_free(cursor->times[i]);
        cursor->times[i] = NULL;
    }
    cursor->n_times = 0;
}

void lw_history_cursor_destroy(struct lw_history_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    if (cursor->fd >= 0) {
        (void)cursor->io->close(cursor->io->context, cursor->fd);
    }
    times_drop(cursor);
    lw_writer_fini(&cursor->packed);
    lw_writer_fini(&cursor->head);
    lw_writer_fini(&cursor->body);
    lw_mem_free(cursor->times);
    lw_mem_free(cursor);
}

/* A buffer of exactly n_bytes. */
static enum lw_status buffer_size(struct lw_writer *buffer, size_t n_bytes, struct lw_error *reterr)
{
    if (buffer->capacity_bytes < n_bytes + 1) {
        uint8_t *data = lw_mem_realloc(buffer->data, n_bytes + 1);

        if (data == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for a block of %zu bytes", n_bytes);
        }
        buffer->data = data;
        buffer->capacity_bytes = n_bytes + 1;
    }
    buffer->n_bytes = n_bytes;
    return LW_OK;
}

static enum lw_status cursor_read(struct lw_history_cursor *cursor, void *bytes, size_t n_bytes,
                                  uint64_t at, struct lw_error *reterr)
{
    uint64_t size;

    if (cursor->fd < 0) {
        enum lw_status status = disk_open(cursor->io, cursor->file->path, &cursor->fd, &size,
                                          reterr);

        if (status != LW_OK) {
            return status;
        }
    }
    return lw_io_read_all(cursor->io, cursor->fd, cursor->file->path, bytes, n_bytes, (int64_t)at,
                          reterr);
}

static enum lw_status head_load(struct lw_history_cursor *cursor,
                                const struct lw_history_block *block, struct lw_error *reterr)
{
    bool is_packed = block->head_bytes != block->head_raw_bytes;
    struct lw_writer *stored = is_packed ? &cursor->packed : &cursor->head;
    enum lw_status status = buffer_size(stored, block->head_bytes, reterr);

    if (status == LW_OK) {
        status = cursor_read(cursor, stored->data, block->head_bytes, block->offset, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    if (lw_hash_bytes(stored->data, block->head_bytes, 0) != block->head_hash) {
        return damaged(reterr, cursor->file->path, block->offset,
                       "the checksum of a block's names does not match");
    }
    if (is_packed) {
        status = buffer_size(&cursor->head, block->head_raw_bytes, reterr);
        if (status == LW_OK &&
            ZSTD_decompress(cursor->head.data, block->head_raw_bytes, stored->data,
                            block->head_bytes) != block->head_raw_bytes) {
            status = damaged(reterr, cursor->file->path, block->offset,
                             "a block's names cannot be decompressed");
        }
    }
    return status;
}

static enum lw_status body_load(struct lw_history_cursor *cursor,
                                const struct lw_history_block *block, struct lw_error *reterr)
{
    uint64_t at = block->offset + block->head_bytes;
    enum lw_status status = buffer_size(&cursor->body, block->body_bytes, reterr);

    if (status == LW_OK) {
        status = cursor_read(cursor, cursor->body.data, block->body_bytes, at, reterr);
    }
    if (status == LW_OK &&
        lw_hash_bytes(cursor->body.data, block->body_bytes, 0) != block->body_hash) {
        status = damaged(reterr, cursor->file->path, at,
                         "the checksum of a block's values does not match");
    }
    return status;
}

/* The block, in memory; its series begin. */
static enum lw_status block_load(struct lw_history_cursor *cursor, size_t i,
                                 struct lw_error *reterr)
{
    const struct lw_history_block *block = &cursor->file->series_blocks[i];
    enum lw_status status = LW_OK;

    if (cursor->at_block != i) {
        cursor->at_block = SIZE_MAX;
        cursor->has_body = false;
        status = head_load(cursor, block, reterr);
    }
    if (status == LW_OK && cursor->values && !cursor->has_body) {
        status = body_load(cursor, block, reterr);
        cursor->has_body = status == LW_OK;
    }
    if (status != LW_OK) {
        return status;
    }
    cursor->at_block = i;
    lw_reader_init(&cursor->reader, cursor->head.data, block->head_raw_bytes);
    cursor->chunks_left = 0;
    cursor->body_at = 0;
    cursor->name_bytes = 0;
    cursor->in_block = true;
    return LW_OK;
}

/* Times block i, proved. */
static enum lw_status times_load(struct lw_history_cursor *cursor, size_t i,
                                 struct lw_error *reterr)
{
    const struct lw_history_block *block = &cursor->file->times_blocks[i];
    enum lw_status status;
    uint8_t *bytes;

    if (cursor->times[i] != NULL) {
        return LW_OK;
    }
    if (!cursor->keep_times && cursor->n_times >= TIMES_KEPT) {
        times_drop(cursor);
    }
    bytes = lw_mem_alloc((size_t)block->body_bytes + 1);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a block of %u bytes",
                            block->body_bytes);
    }
    status = cursor_read(cursor, bytes, block->body_bytes, block->offset, reterr);
    if (status == LW_OK && lw_hash_bytes(bytes, block->body_bytes, 0) != block->body_hash) {
        status = damaged(reterr, cursor->file->path, block->offset,
                         "the checksum of a block of times does not match");
    }
    if (status != LW_OK) {
        lw_mem_free(bytes);
        return status;
    }
    cursor->times[i] = bytes;
    cursor->n_times++;
    return LW_OK;
}

void lw_history_cursor_rewind(struct lw_history_cursor *cursor, bool values)
{
    cursor->values = values;
    cursor->next_block = 0;
    cursor->in_block = false;
    cursor->target = NULL;
}

/* Of a block's key and a name, as bytes. */
static int compare_key(const struct lw_history_block *block, const char *name)
{
    size_t n_bytes = strlen(name);
    int order = memcmp(block->key, name, block->key_bytes < n_bytes ? block->key_bytes : n_bytes);

    return order != 0 ? order : (block->key_bytes > n_bytes) - (block->key_bytes < n_bytes);
}

void lw_history_cursor_seek(struct lw_history_cursor *cursor, const char *name)
{
    const struct lw_history_block *blocks = cursor->file->series_blocks;
    size_t low = 0, high = cursor->file->n_series_blocks; /* Keys below low are <= name. */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_key(&blocks[middle], name) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low -= low > 0;
    while (low > 0 && blocks[low].continues && compare_key(&blocks[low], name) == 0) {
        low--;
    }
    cursor->values = true;
    cursor->next_block = low;
    cursor->in_block = false;
    cursor->target = name;
}

static enum lw_status head_damaged(struct lw_history_cursor *cursor, struct lw_error *reterr)
{
    cursor->in_block = false;
    cursor->chunks_left = 0;
    return damaged(reterr, cursor->file->path, cursor->file->series_blocks[cursor->at_block].offset,
                   "a block's names are not what they should be");
}

/* The next series' name of the block into cursor->name. */
static enum lw_status name_read(struct lw_history_cursor *cursor, struct lw_error *reterr)
{
    uint64_t shared = lw_read_varint(&cursor->reader), rest = lw_read_varint(&cursor->reader);
    const uint8_t *bytes;

    if (cursor->reader.status != LW_OK || shared > cursor->name_bytes || rest == 0 ||
        rest >= LW_HISTORY_NAME_MAX - shared) {
        return head_damaged(cursor, reterr);
    }
    bytes = lw_read_view(&cursor->reader, (size_t)rest);
    if (bytes == NULL || memchr(bytes, '\0', (size_t)rest) != NULL) {
        return head_damaged(cursor, reterr);
    }
    memcpy(cursor->name + shared, bytes, (size_t)rest);
    cursor->name_bytes = (size_t)(shared + rest);
    cursor->name[cursor->name_bytes] = '\0';
    cursor->chunks_left = lw_read_varint(&cursor->reader);
    if (cursor->reader.status != LW_OK ||
        cursor->chunks_left > lw_reader_left(&cursor->reader) / 3) {
        return head_damaged(cursor, reterr);
    }
    return LW_OK;
}

/* Where a chunk lies. */
struct place {
    uint64_t block, offset, n_values;
};

static enum lw_status place_read(struct lw_history_cursor *cursor, struct place *ret_place,
                                 struct lw_error *reterr)
{
    const struct lw_history_file *file = cursor->file;

    ret_place->block = lw_read_varint(&cursor->reader);
    ret_place->offset = lw_read_varint(&cursor->reader);
    ret_place->n_values = lw_read_varint(&cursor->reader);
    if (cursor->reader.status != LW_OK || ret_place->block >= file->n_times_blocks ||
        ret_place->offset >= file->times_blocks[ret_place->block].body_bytes ||
        ret_place->n_values > file->series_blocks[cursor->at_block].body_bytes - cursor->body_at) {
        return head_damaged(cursor, reterr);
    }
    cursor->chunks_left--;
    cursor->body_at += ret_place->n_values;
    return LW_OK;
}

enum lw_status lw_history_cursor_series(struct lw_history_cursor *cursor, const char **ret_name,
                                        struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (;;) {
        while (cursor->in_block && cursor->chunks_left > 0) {
            struct place place;

            status = place_read(cursor, &place, reterr);
            if (status != LW_OK) {
                return status;
            }
        }
        if (cursor->in_block && lw_reader_left(&cursor->reader) == 0) {
            cursor->in_block = false;
        }
        if (!cursor->in_block) {
            if (cursor->next_block == cursor->file->n_series_blocks) {
                return LW_ENOTFOUND;
            }
            status = block_load(cursor, cursor->next_block++, reterr);
        }
        if (status == LW_OK) {
            status = name_read(cursor, reterr);
        }
        if (status != LW_OK) {
            return status;
        }
        if (cursor->target == NULL || strcmp(cursor->name, cursor->target) >= 0) {
            *ret_name = cursor->name;
            return LW_OK;
        }
    }
}

enum lw_status lw_history_cursor_chunk(struct lw_history_cursor *cursor,
                                       struct lw_history_chunk *ret_chunk, struct lw_error *reterr)
{
    const struct lw_history_block *times;
    struct lw_history_chunk chunk;
    struct lw_reader reader;
    struct place place;
    enum lw_status status;
    uint64_t n_times;

    if (!cursor->in_block || cursor->chunks_left == 0) {
        return LW_ENOTFOUND;
    }
    status = place_read(cursor, &place, reterr);
    if (status == LW_OK) {
        status = times_load(cursor, (size_t)place.block, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    times = &cursor->file->times_blocks[place.block];
    lw_reader_init(&reader, cursor->times[place.block] + place.offset,
                   times->body_bytes - (size_t)place.offset);
    n_times = lw_read_varint(&reader);
    if (reader.status != LW_OK || n_times > lw_reader_left(&reader)) {
        return damaged(reterr, cursor->file->path, times->offset + place.offset,
                       "these are no times");
    }
    chunk.n_times = (size_t)n_times;
    chunk.times = lw_read_view(&reader, chunk.n_times);
    chunk.n_values = (size_t)place.n_values;
    chunk.values = cursor->has_body ? cursor->body.data + cursor->body_at - place.n_values : NULL;
    lw_reader_init(&reader, chunk.times, chunk.n_times);
    if (lw_chunk_span_read(&reader, &chunk.span) != LW_OK) {
        return damaged(reterr, cursor->file->path, times->offset + place.offset,
                       "these are no times");
    }
    *ret_chunk = chunk;
    return LW_OK;
}

/* All chunks of the series the cursor is at; adds to *n_samples. */
static enum lw_status series_verify(struct lw_history_cursor *cursor,
                                    struct lw_history_samples *samples,
                                    struct lw_chunk_coder *coder, uint64_t *n_samples,
                                    struct lw_error *reterr)
{
    struct lw_history_chunk chunk;
    enum lw_status status;

    while ((status = lw_history_cursor_chunk(cursor, &chunk, reterr)) == LW_OK) {
        samples->n = 0;
        status = lw_history_samples_decode(samples, coder, &chunk);
        if (status == LW_EFORMAT) {
            return damaged(reterr, cursor->file->path,
                           cursor->file->series_blocks[cursor->at_block].offset,
                           "a chunk cannot be decoded");
        }
        if (status != LW_OK) {
            return lw_error_set(reterr, status, "no memory to verify");
        }
        *n_samples += chunk.span.n;
    }
    return status == LW_ENOTFOUND ? LW_OK : status;
}

enum lw_status lw_history_cursor_verify(struct lw_history_cursor *cursor, struct lw_error *reterr)
{
    struct lw_history_samples samples;
    struct lw_chunk_coder *coder = lw_chunk_coder_create();
    enum lw_status status = LW_OK;
    uint64_t n_samples = 0;
    const char *name;

    if (coder == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to verify");
    }
    lw_history_samples_init(&samples);
    lw_history_cursor_rewind(cursor, true);
    while (status == LW_OK) {
        status = lw_history_cursor_series(cursor, &name, reterr);
        if (status == LW_OK) {
            status = series_verify(cursor, &samples, coder, &n_samples, reterr);
        }
    }
    lw_history_samples_fini(&samples);
    lw_chunk_coder_destroy(coder);
    if (status != LW_ENOTFOUND) {
        return status;
    }
    return n_samples == cursor->file->info.n_samples
               ? LW_OK
               : damaged(reterr, cursor->file->path, cursor->file->info.n_bytes,
                         "it does not hold as many samples as it says");
}
