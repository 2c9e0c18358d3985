/* The evenly thinned store of training rows: see train/rows.h. */
#include "train/rows.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void lw_training_rows_init(struct lw_training_rows *rows, float *memory, uint32_t capacity,
                           uint32_t stride)
{
    assert(capacity > 0 && capacity % 2 == 0 && stride > 0);
    *rows = (struct lw_training_rows){
        .rows = memory, .capacity = capacity, .stride = stride, .every = 1};
}

static void thin(struct lw_training_rows *rows)
{
    for (uint32_t i = 1; i < rows->n_rows / 2; i++) {
        memcpy(rows->rows + (size_t)i * rows->stride, rows->rows + (size_t)2 * i * rows->stride,
               rows->stride * sizeof(*rows->rows));
    }
    rows->n_rows /= 2;
    rows->every *= 2;
}

void lw_training_rows_offer(struct lw_training_rows *rows, const float *row)
{
    if (rows->n_seen % rows->every == 0) {
        if (rows->n_rows == rows->capacity) {
            thin(rows);
        }
        /* After thinning, n_seen = capacity * old every is a multiple of the new one, so this row
         * belongs. */
        memcpy(rows->rows + (size_t)rows->n_rows * rows->stride, row, rows->stride * sizeof(*row));
        rows->n_rows++;
    }
    rows->n_seen++;
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
    lw_write_u64(writer, rows->n_seen);
    lw_write_f32s(writer, rows->rows, (size_t)rows->n_rows * rows->stride);
}

enum lw_status lw_training_rows_load(struct lw_training_rows *rows, struct lw_reader *reader,
                                     struct lw_error *reterr)
{
    uint32_t capacity = lw_read_u32(reader), stride = lw_read_u32(reader);
    uint32_t n_rows = lw_read_u32(reader), every = lw_read_u32(reader);
    uint64_t n_seen = lw_read_u64(reader);

    if (reader->status != LW_OK || capacity != rows->capacity || stride != rows->stride ||
        n_rows > capacity || every == 0 || (every & (every - 1)) != 0 ||
        n_rows != n_seen / every + (n_seen % every != 0 ? 1 : 0) ||
        lw_reader_left(reader) / sizeof(float) < (size_t)n_rows * stride) {
        return lw_error_set(reterr, LW_EFORMAT, "training rows in the state are damaged");
    }
    rows->n_rows = n_rows;
    rows->every = every;
    rows->n_seen = n_seen;
    lw_read_f32s(reader, rows->rows, (size_t)n_rows * stride);
    return LW_OK;
}
