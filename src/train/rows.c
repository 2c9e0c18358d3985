/* The evenly thinned store of training rows: see train/rows.h. */
#include "train/rows.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* More no store has come to in its life, and it can still be doubled. */
#define EVERY_MAX (1u << 30)

uint32_t lw_training_rows_capacity(uint64_t wanted)
{
    uint64_t blocks = (wanted + LW_TRAINING_BLOCK - 1) / LW_TRAINING_BLOCK;

    blocks += blocks % 2; /* Halves are whole. */
    blocks = blocks < 2 ? 2 : blocks > LW_TRAINING_BLOCKS_MAX ? LW_TRAINING_BLOCKS_MAX : blocks;
    return (uint32_t)((blocks + 1) * LW_TRAINING_BLOCK);
}

void lw_training_rows_init(struct lw_training_rows *rows, float *memory, uint64_t *starts,
                           uint32_t capacity, uint32_t stride)
{
    assert(capacity >= 3 * LW_TRAINING_BLOCK && capacity % LW_TRAINING_BLOCK == 0 && stride > 0);
    *rows = (struct lw_training_rows){
        .rows = memory, .starts = starts, .capacity = capacity, .stride = stride, .every = 1};
}

static float *block_at(const struct lw_training_rows *rows, size_t block)
{
    return rows->rows + block * LW_TRAINING_BLOCK * rows->stride;
}

/* A block takes the place of another. */
static void block_move(const struct lw_training_rows *rows, size_t to, size_t from)
{
    memmove(block_at(rows, to), block_at(rows, from),
            (size_t)LW_TRAINING_BLOCK * rows->stride * sizeof(*rows->rows));
    if (rows->times_ns != NULL) {
        memmove(rows->times_ns + to * LW_TRAINING_BLOCK, rows->times_ns + from * LW_TRAINING_BLOCK,
                LW_TRAINING_BLOCK * sizeof(*rows->times_ns));
    }
    rows->starts[to] = rows->starts[from];
}

/* Every other block goes. */
static void thin(struct lw_training_rows *rows)
{
    uint32_t n_blocks = rows->n_rows / LW_TRAINING_BLOCK / 2;

    for (uint32_t i = 1; i < n_blocks; i++) {
        block_move(rows, i, (size_t)2 * i);
    }
    rows->n_rows = n_blocks * LW_TRAINING_BLOCK;
    rows->every *= 2;
}

/* The block that was filled counts or not, and is kept or not. */
static void block_end(struct lw_training_rows *rows)
{
    bool counts = !rows->is_tainted || rows->n_tainted++ % LW_TRAINING_TAINTED_KEPT == 0;

    rows->is_tainted = false;
    if (!counts || rows->n_counted % rows->every != 0) {
        rows->n_rows -= LW_TRAINING_BLOCK;
    }
    rows->n_counted += counts ? 1 : 0;
    /* A block is always free for the one to come. Kept are the multiples of `every`: after thinning
     * those of twice as much, the newest of which may be among them or not. */
    if (rows->n_rows == rows->capacity) {
        uint64_t newest = rows->n_counted - 1;
        uint32_t n_before = rows->n_rows / LW_TRAINING_BLOCK - 1;

        rows->n_rows = n_before * LW_TRAINING_BLOCK;
        thin(rows);
        if (newest % rows->every == 0) {
            block_move(rows, rows->n_rows / LW_TRAINING_BLOCK, n_before);
            rows->n_rows += LW_TRAINING_BLOCK;
        }
    }
}

void lw_training_rows_offer(struct lw_training_rows *rows, const float *row, bool trouble)
{
    if (rows->n_rows % LW_TRAINING_BLOCK == 0) {
        rows->starts[rows->n_rows / LW_TRAINING_BLOCK] = rows->n_seen;
    }
    memcpy(rows->rows + (size_t)rows->n_rows * rows->stride, row, rows->stride * sizeof(*row));
    if (rows->times_ns != NULL) {
        rows->times_ns[rows->n_rows] = rows->now_ns;
    }
    rows->n_rows++;
    rows->n_seen++;
    rows->is_tainted = rows->is_tainted || trouble;
    if (rows->n_rows % LW_TRAINING_BLOCK == 0) {
        block_end(rows);
    }
}

size_t lw_training_rows_runs(const struct lw_training_rows *rows, size_t *ret_runs)
{
    size_t n_runs = 0;

    for (uint32_t at = 0; at < rows->n_rows; at += LW_TRAINING_BLOCK) {
        uint32_t block = at / LW_TRAINING_BLOCK, left = rows->n_rows - at;

        if (block == 0 || rows->starts[block] != rows->starts[block - 1] + LW_TRAINING_BLOCK) {
            ret_runs[n_runs++] = 0;
        }
        ret_runs[n_runs - 1] += left < LW_TRAINING_BLOCK ? left : LW_TRAINING_BLOCK;
    }
    return n_runs;
}

void lw_training_rows_widen(struct lw_training_rows *rows, float *memory, uint32_t stride)
{
    assert(stride >= rows->stride);
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        float *to = memory + (size_t)i * stride;

        memcpy(to, rows->rows + (size_t)i * rows->stride, rows->stride * sizeof(*to));
        for (uint32_t column = rows->stride; column < stride; column++) {
            to[column] = NAN;
        }
    }
    rows->rows = memory;
    rows->stride = stride;
}

void lw_training_rows_save(const struct lw_training_rows *rows, struct lw_writer *writer)
{
    lw_write_u32(writer, rows->capacity);
    lw_write_u32(writer, rows->stride);
    lw_write_u32(writer, rows->n_rows);
    lw_write_u32(writer, rows->every);
    lw_write_u8(writer, rows->is_tainted);
    lw_write_u64(writer, rows->n_seen);
    lw_write_u64(writer, rows->n_counted);
    lw_write_u64(writer, rows->n_tainted);
    for (uint32_t at = 0; at < rows->n_rows; at += LW_TRAINING_BLOCK) {
        lw_write_u64(writer, rows->starts[at / LW_TRAINING_BLOCK]);
    }
    for (uint32_t i = 0; rows->times_ns != NULL && i < rows->n_rows; i++) {
        lw_write_i64(writer, rows->times_ns[i]);
    }
    lw_write_f32s(writer, rows->rows, (size_t)rows->n_rows * rows->stride);
}

/* Do the blocks lie one after the other, all before what was seen? */
static bool starts_are_good(const struct lw_training_rows *rows)
{
    uint64_t before = 0;

    for (uint32_t at = 0; at < rows->n_rows; at += LW_TRAINING_BLOCK) {
        uint64_t start = rows->starts[at / LW_TRAINING_BLOCK];

        if (start < before || start > rows->n_seen || rows->n_seen - start < rows->n_rows - at) {
            return false;
        }
        before = start + LW_TRAINING_BLOCK;
    }
    return true;
}

enum lw_status lw_training_rows_load(struct lw_training_rows *rows, struct lw_reader *reader,
                                     struct lw_error *reterr)
{
    struct lw_training_rows saved = *rows;
    uint8_t is_tainted;

    saved.capacity = lw_read_u32(reader);
    saved.stride = lw_read_u32(reader);
    saved.n_rows = lw_read_u32(reader);
    saved.every = lw_read_u32(reader);
    is_tainted = lw_read_u8(reader);
    saved.is_tainted = is_tainted != 0;
    saved.n_seen = lw_read_u64(reader);
    saved.n_counted = lw_read_u64(reader);
    saved.n_tainted = lw_read_u64(reader);
    if (reader->status == LW_OK && saved.capacity == rows->capacity &&
        saved.stride == rows->stride && saved.n_rows < saved.capacity && is_tainted <= 1 &&
        saved.every > 0 && saved.every <= EVERY_MAX && (saved.every & (saved.every - 1)) == 0 &&
        lw_reader_left(reader) / sizeof(float) >= (size_t)saved.n_rows * saved.stride) {
        for (uint32_t at = 0; at < saved.n_rows; at += LW_TRAINING_BLOCK) {
            saved.starts[at / LW_TRAINING_BLOCK] = lw_read_u64(reader);
        }
        for (uint32_t i = 0; saved.times_ns != NULL && i < saved.n_rows; i++) {
            saved.times_ns[i] = lw_read_i64(reader);
        }
        lw_read_f32s(reader, saved.rows, (size_t)saved.n_rows * saved.stride);
        if (reader->status == LW_OK && starts_are_good(&saved)) {
            *rows = saved;
            return LW_OK;
        }
    }
    return lw_error_set(reterr, LW_EFORMAT, "training rows in the state are damaged");
}
