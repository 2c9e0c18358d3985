/*
 * Building a file of the history, block by block.
 *
 * Layout, all numbers little-endian:
 *
 *     head       "lwhist\r\n", version u32, level u32, first u64, last u64, hash u64 of these
 *     blocks     of times and of series, as they fill
 *     directory  times blocks: n u32, each offset u64, bytes u32, hash u64;
 *                series blocks: n u32, each offset u64, head bytes u32, raw head bytes u32, body
 *                bytes u32, hash of the head u64, of the body u64, first time i64, last time i64,
 *                continues u8, key (u32 length, bytes)
 *     trailer    directory's offset u64, bytes u64, hash u64; series u64, samples u64, first time
 *                i64, last time i64, hash u64 of these
 *
 * A times block is a row of columns of times, each with its length (varint) before it. A column is
 * there once, however many chunks have it: series that are sampled together share their times.
 * Sharing goes by a 128-bit hash of the times (XXH3), within COLUMNS_MAX different columns; then it
 * begins anew, which bounds the memory.
 *
 * A series block has a head, compressed by zstd where that makes it shorter, and a body of values,
 * which arithmetic coding has left nothing to compress in. The head has for each series how many
 * bytes of its name are those of the name before (varint), the rest of it (varint length, bytes),
 * the number of chunks (varint), and for each chunk its times (block and offset, varints) and the
 * length of its values (varint). A block's key is the shortest beginning of its first name that
 * lies above all names before; where a series did not fit in the last block, the next "continues"
 * it and its key is the whole name.
 */
#include "store/history_file.h"
#include "store/history_format.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

/* Bytes that are held back for one write. */
#define OUT_BYTES ((size_t)256 << 10)
#define COLUMNS_MAX ((size_t)1 << 16)

/* Where a column of times lies. */
struct column {
    XXH128_hash_t hash;
    uint32_t block, offset;
    bool used;
};

struct name {
    size_t n_bytes;
    char text[LW_HISTORY_NAME_MAX];
};

struct lw_history_builder {
    struct lw_chunk_coder *coder;
    struct lw_history_sink sink;
    uint64_t n_written;   /* By the sink. */
    struct lw_writer out; /* What it has not got yet. */
    enum lw_status sink_status;
    struct lw_error sink_error;
    struct lw_writer times_dir, series_dir; /* Entries of the directory. */
    struct lw_writer times;                 /* The times block that fills. */
    struct lw_writer head, body, chunks;    /* The series block; chunks of the series. */
    struct lw_writer column, packed;        /* Scratch. */
    struct column *columns;                 /* Open addressing; a power of two. */
    size_t n_columns, columns_capacity;
    uint32_t n_times_blocks, n_series_blocks;
    uint32_t n_chunks; /* Of the series, in this block. */
    bool has_name, series_begun, continues;
    int64_t block_first_ns, block_last_ns;
    uint64_t n_samples, n_series;
    int64_t first_ns, last_ns;
    struct name name;    /* The series. */
    struct name written; /* The last one in this block's head. */
    struct name before;  /* The last one of the block before. */
    struct name key;
};

static void block_begin(struct lw_history_builder *builder)
{
    lw_writer_reset(&builder->head);
    lw_writer_reset(&builder->body);
    builder->written.n_bytes = 0;
    builder->key.n_bytes = 0;
    builder->continues = false;
    builder->block_first_ns = INT64_MAX;
    builder->block_last_ns = INT64_MIN;
}

struct lw_history_builder *lw_history_builder_create(uint64_t first, uint64_t last, uint32_t level,
                                                     const struct lw_history_sink *sink)
{
    struct lw_history_builder *builder = lw_mem_calloc(1, sizeof(*builder));

    if (builder == NULL) {
        return NULL;
    }
    builder->sink = *sink;
    builder->coder = lw_chunk_coder_create();
    builder->columns_capacity = 1024;
    builder->columns = lw_mem_calloc(builder->columns_capacity, sizeof(struct column));
    if (builder->coder == NULL || builder->columns == NULL) {
        lw_history_builder_destroy(builder);
        return NULL;
    }
    builder->first_ns = INT64_MAX;
    builder->last_ns = INT64_MIN;
    block_begin(builder);
    lw_write_raw(&builder->out, LW_HISTORY_MAGIC, 8);
    lw_write_u32(&builder->out, LW_HISTORY_VERSION);
    lw_write_u32(&builder->out, level);
    lw_write_u64(&builder->out, first);
    lw_write_u64(&builder->out, last);
    if (builder->out.status == LW_OK) {
        lw_write_u64(&builder->out, lw_hash_bytes(builder->out.data, builder->out.n_bytes, 0));
    }
    return builder;
}

void lw_history_builder_destroy(struct lw_history_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    lw_chunk_coder_destroy(builder->coder);
    lw_writer_fini(&builder->out);
    lw_writer_fini(&builder->times_dir);
    lw_writer_fini(&builder->series_dir);
    lw_writer_fini(&builder->times);
    lw_writer_fini(&builder->head);
    lw_writer_fini(&builder->body);
    lw_writer_fini(&builder->chunks);
    lw_writer_fini(&builder->column);
    lw_writer_fini(&builder->packed);
    lw_mem_free(builder->columns);
    lw_mem_free(builder);
}

static bool builder_failed(const struct lw_history_builder *builder)
{
    return builder->sink_status != LW_OK || builder->out.status != LW_OK ||
           builder->times_dir.status != LW_OK || builder->series_dir.status != LW_OK ||
           builder->times.status != LW_OK || builder->head.status != LW_OK ||
           builder->body.status != LW_OK || builder->chunks.status != LW_OK ||
           builder->column.status != LW_OK || builder->packed.status != LW_OK;
}

/* What went wrong, if anything did. */
static enum lw_status builder_status(const struct lw_history_builder *builder,
                                     struct lw_error *reterr)
{
    if (builder->sink_status != LW_OK) {
        return lw_error_set(reterr, builder->sink_status, "%s", builder->sink_error.message);
    }
    return builder_failed(builder) ? lw_error_set(reterr, LW_ENOMEM, "no memory for a history file")
                                   : LW_OK;
}

/* Where the next byte of the file goes. */
static uint64_t builder_at(const struct lw_history_builder *builder)
{
    return builder->n_written + builder->out.n_bytes;
}

/* Gives the sink what there is, once it is as much as that. */
static void out_flush(struct lw_history_builder *builder, size_t n_bytes)
{
    if (builder->out.n_bytes < n_bytes || builder_failed(builder)) {
        return;
    }
    builder->sink_status = builder->sink.write(builder->sink.context, builder->out.data,
                                               builder->out.n_bytes, &builder->sink_error);
    builder->n_written += builder->out.n_bytes;
    lw_writer_reset(&builder->out);
}

/* ---- times ---- */

static void times_flush(struct lw_history_builder *builder)
{
    if (builder->times.n_bytes == 0 || builder_failed(builder)) {
        return;
    }
    lw_write_u64(&builder->times_dir, builder_at(builder));
    lw_write_u32(&builder->times_dir, (uint32_t)builder->times.n_bytes);
    lw_write_u64(&builder->times_dir,
                 lw_hash_bytes(builder->times.data, builder->times.n_bytes, 0));
    lw_write_raw(&builder->out, builder->times.data, builder->times.n_bytes);
    lw_writer_reset(&builder->times);
    builder->n_times_blocks++;
    out_flush(builder, OUT_BYTES);
}

static struct column *columns_slot(struct column *columns, size_t capacity, XXH128_hash_t hash)
{
    size_t slot = (size_t)hash.low64 & (capacity - 1);

    while (columns[slot].used && !XXH128_isEqual(columns[slot].hash, hash)) {
        slot = (slot + 1) & (capacity - 1);
    }
    return &columns[slot];
}

static enum lw_status columns_grow(struct lw_history_builder *builder)
{
    size_t capacity = builder->columns_capacity * 2;
    struct column *columns;

    if (2 * builder->n_columns < builder->columns_capacity) {
        return LW_OK;
    }
    if (builder->n_columns >= COLUMNS_MAX) {
        memset(builder->columns, 0, builder->columns_capacity * sizeof(struct column));
        builder->n_columns = 0;
        return LW_OK;
    }
    columns = lw_mem_calloc(capacity, sizeof(struct column));
    if (columns == NULL) {
        return LW_ENOMEM;
    }
    for (size_t i = 0; i < builder->columns_capacity; i++) {
        if (builder->columns[i].used) {
            *columns_slot(columns, capacity, builder->columns[i].hash) = builder->columns[i];
        }
    }
    lw_mem_free(builder->columns);
    builder->columns = columns;
    builder->columns_capacity = capacity;
    return LW_OK;
}

/* The column of these times: one that is there, or what builder->column holds. Where it is new and
 * times are given, they are encoded; else `bytes` are it. */
static enum lw_status column_find(struct lw_history_builder *builder, const int64_t *times_ns,
                                  const struct lw_history_chunk *chunk, size_t n,
                                  const struct column **ret_column)
{
    struct column *column;
    XXH128_hash_t hash = times_ns != NULL ? XXH3_128bits(times_ns, n * sizeof(times_ns[0]))
                                          : XXH3_128bits_withSeed(chunk->times, chunk->n_times, 1);

    if (columns_grow(builder) != LW_OK) {
        return LW_ENOMEM;
    }
    column = columns_slot(builder->columns, builder->columns_capacity, hash);
    if (!column->used) {
        const uint8_t *bytes = chunk != NULL ? chunk->times : NULL;
        size_t n_bytes = chunk != NULL ? chunk->n_times : 0;

        if (times_ns != NULL) {
            lw_writer_reset(&builder->column);
            lw_chunk_times_write(builder->coder, times_ns, n, &builder->column);
            bytes = builder->column.data;
            n_bytes = builder->column.n_bytes;
        }
        if (builder->times.n_bytes >= LW_HISTORY_BLOCK_BYTES) {
            times_flush(builder);
        }
        *column = (struct column){.hash = hash,
                                  .block = builder->n_times_blocks,
                                  .offset = (uint32_t)builder->times.n_bytes,
                                  .used = true};
        builder->n_columns++;
        lw_write_varint(&builder->times, n_bytes);
        lw_write_raw(&builder->times, bytes, n_bytes);
    }
    *ret_column = column;
    return LW_OK;
}

/* ---- series ---- */

static size_t shared_length(const struct name *a, const struct name *b)
{
    size_t n_bytes = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes, n = 0;

    while (n < n_bytes && a->text[n] == b->text[n]) {
        n++;
    }
    return n;
}

static void name_set(struct name *name, const char *text, size_t n_bytes)
{
    memcpy(name->text, text, n_bytes);
    name->n_bytes = n_bytes;
}

/* The series' entry goes to the head, once its chunks in this block are known. */
static void series_flush(struct lw_history_builder *builder)
{
    const struct name *name = &builder->name;
    size_t shared;

    if (builder->n_chunks == 0) {
        return;
    }
    if (builder->written.n_bytes == 0) { /* The first of its block. */
        builder->continues = builder->series_begun;
        name_set(&builder->key, name->text,
                 builder->continues ? name->n_bytes : shared_length(name, &builder->before) + 1);
    }
    shared = shared_length(name, &builder->written);
    lw_write_varint(&builder->head, shared);
    lw_write_varint(&builder->head, name->n_bytes - shared);
    lw_write_raw(&builder->head, name->text + shared, name->n_bytes - shared);
    lw_write_varint(&builder->head, builder->n_chunks);
    lw_write_raw(&builder->head, builder->chunks.data, builder->chunks.n_bytes);
    name_set(&builder->written, name->text, name->n_bytes);
    lw_writer_reset(&builder->chunks);
    builder->n_chunks = 0;
    builder->series_begun = true;
}

/* The head, compressed where that makes it shorter. */
static const struct lw_writer *head_pack(struct lw_history_builder *builder)
{
    size_t bound = ZSTD_compressBound(builder->head.n_bytes), n_packed;

    if (builder->packed.capacity_bytes < bound) {
        uint8_t *data = lw_mem_realloc(builder->packed.data, bound);

        if (data == NULL) {
            builder->packed.status = LW_ENOMEM;
            return &builder->head;
        }
        builder->packed.data = data;
        builder->packed.capacity_bytes = bound;
    }
    n_packed = ZSTD_compress(builder->packed.data, bound, builder->head.data, builder->head.n_bytes,
                             LW_HISTORY_ZSTD_LEVEL);
    if (ZSTD_isError(n_packed) || n_packed >= builder->head.n_bytes) {
        return &builder->head;
    }
    builder->packed.n_bytes = n_packed;
    return &builder->packed;
}

static void block_flush(struct lw_history_builder *builder)
{
    struct lw_writer *dir = &builder->series_dir;
    const struct lw_writer *head;

    series_flush(builder);
    if (builder->head.n_bytes == 0 || builder_failed(builder)) {
        return;
    }
    head = head_pack(builder);
    if (builder_failed(builder)) {
        return;
    }
    lw_write_u64(dir, builder_at(builder));
    lw_write_u32(dir, (uint32_t)head->n_bytes);
    lw_write_u32(dir, (uint32_t)builder->head.n_bytes);
    lw_write_u32(dir, (uint32_t)builder->body.n_bytes);
    lw_write_u64(dir, lw_hash_bytes(head->data, head->n_bytes, 0));
    lw_write_u64(dir, lw_hash_bytes(builder->body.data, builder->body.n_bytes, 0));
    lw_write_i64(dir, builder->block_first_ns);
    lw_write_i64(dir, builder->block_last_ns);
    lw_write_u8(dir, builder->continues);
    lw_write_u32(dir, (uint32_t)builder->key.n_bytes);
    lw_write_raw(dir, builder->key.text, builder->key.n_bytes);
    lw_write_raw(&builder->out, head->data, head->n_bytes);
    lw_write_raw(&builder->out, builder->body.data, builder->body.n_bytes);
    builder->n_series_blocks++;
    name_set(&builder->before, builder->written.text, builder->written.n_bytes);
    block_begin(builder);
    out_flush(builder, OUT_BYTES);
}

/* Whether a name comes behind the last one. */
static bool name_ascends(const struct lw_history_builder *builder, const char *text, size_t n_bytes)
{
    const struct name *last = &builder->name;
    int order = memcmp(text, last->text, n_bytes < last->n_bytes ? n_bytes : last->n_bytes);

    return order > 0 || (order == 0 && n_bytes > last->n_bytes);
}

enum lw_status lw_history_builder_series(struct lw_history_builder *builder, const char *name,
                                         size_t n_bytes, struct lw_error *reterr)
{
    if (n_bytes == 0 || n_bytes >= LW_HISTORY_NAME_MAX) {
        return lw_error_set(reterr, n_bytes == 0 ? LW_EINVAL : LW_ELIMIT,
                            "a series' name has %zu bytes; 1 to %d can be kept", n_bytes,
                            LW_HISTORY_NAME_MAX - 1);
    }
    if (builder->has_name && !name_ascends(builder, name, n_bytes)) {
        return lw_error_set(reterr, LW_EINVAL, "two series have the name %.200s", name);
    }
    series_flush(builder);
    if (builder->head.n_bytes >= LW_HISTORY_BLOCK_BYTES) {
        block_flush(builder);
    }
    name_set(&builder->name, name, n_bytes);
    builder->has_name = true;
    builder->series_begun = false;
    builder->n_series++;
    return builder_status(builder, reterr);
}

/* The values lie in builder->body behind `before` already. */
static void chunk_enter(struct lw_history_builder *builder, const struct column *column,
                        const struct lw_chunk_span *span, size_t before)
{
    lw_write_varint(&builder->chunks, column->block);
    lw_write_varint(&builder->chunks, column->offset);
    lw_write_varint(&builder->chunks, builder->body.n_bytes - before);
    builder->n_chunks++;
    builder->n_samples += span->n;
    if (span->first_ns < builder->block_first_ns) {
        builder->block_first_ns = span->first_ns;
    }
    if (span->last_ns > builder->block_last_ns) {
        builder->block_last_ns = span->last_ns;
    }
    if (span->first_ns < builder->first_ns) {
        builder->first_ns = span->first_ns;
    }
    if (span->last_ns > builder->last_ns) {
        builder->last_ns = span->last_ns;
    }
    if (builder->body.n_bytes >= LW_HISTORY_BLOCK_BYTES) {
        block_flush(builder);
    }
}

enum lw_status lw_history_builder_samples(struct lw_history_builder *builder,
                                          const int64_t *times_ns, const double *values, size_t n,
                                          struct lw_error *reterr)
{
    size_t n_parts = (n + LW_CHUNK_SAMPLES_MAX - 1) / LW_CHUNK_SAMPLES_MAX;

    assert(builder->has_name);
    for (size_t part = 0; part < n_parts; part++) {
        size_t at = n * part / n_parts, n_part = n * (part + 1) / n_parts - at;
        size_t before = builder->body.n_bytes;
        struct lw_chunk_span span = {n_part, times_ns[at], times_ns[at + n_part - 1]};
        const struct column *column;

        if (column_find(builder, times_ns + at, NULL, n_part, &column) != LW_OK) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
        }
        lw_chunk_values_write(builder->coder, values + at, n_part, &builder->body);
        chunk_enter(builder, column, &span, before);
    }
    return builder_status(builder, reterr);
}

enum lw_status lw_history_builder_chunk(struct lw_history_builder *builder,
                                        const struct lw_history_chunk *chunk,
                                        struct lw_error *reterr)
{
    size_t before = builder->body.n_bytes;
    const struct column *column;

    assert(builder->has_name);
    if (column_find(builder, NULL, chunk, 0, &column) != LW_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a history file");
    }
    lw_write_raw(&builder->body, chunk->values, chunk->n_values);
    chunk_enter(builder, column, &chunk->span, before);
    return builder_status(builder, reterr);
}

/* The directory lies in `out` alone: what was before is written. */
enum lw_status lw_history_builder_finish(struct lw_history_builder *builder,
                                         struct lw_error *reterr)
{
    struct lw_writer *out = &builder->out;
    uint64_t directory;
    size_t n_bytes;

    block_flush(builder);
    times_flush(builder);
    out_flush(builder, 0);
    directory = builder_at(builder);
    lw_write_u32(out, builder->n_times_blocks);
    lw_write_raw(out, builder->times_dir.data, builder->times_dir.n_bytes);
    lw_write_u32(out, builder->n_series_blocks);
    lw_write_raw(out, builder->series_dir.data, builder->series_dir.n_bytes);
    if (builder_failed(builder)) {
        return builder_status(builder, reterr);
    }
    n_bytes = out->n_bytes;
    lw_write_u64(out, directory);
    lw_write_u64(out, n_bytes);
    lw_write_u64(out, lw_hash_bytes(out->data, n_bytes, 0));
    lw_write_u64(out, builder->n_series);
    lw_write_u64(out, builder->n_samples);
    lw_write_i64(out, builder->first_ns);
    lw_write_i64(out, builder->last_ns);
    if (out->status == LW_OK) {
        lw_write_u64(out, lw_hash_bytes(out->data + n_bytes, out->n_bytes - n_bytes, 0));
    }
    out_flush(builder, 0);
    return builder_status(builder, reterr);
}
