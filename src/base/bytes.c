/* Little-endian writer and bounds-checked reader: see base/bytes.h. */
#include "base/bytes.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

#define WRITER_FIRST_BYTES 256

void lw_writer_init(struct lw_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
}

void lw_writer_fini(struct lw_writer *writer)
{
    lw_mem_free(writer->data);
    memset(writer, 0, sizeof(*writer));
}

void lw_writer_reset(struct lw_writer *writer)
{
    writer->n_bytes = 0;
    writer->status = LW_OK;
}

static bool writer_widen(struct lw_writer *writer, size_t n_bytes)
{
    size_t wanted = writer->capacity_bytes == 0 ? WRITER_FIRST_BYTES : writer->capacity_bytes;
    uint8_t *data;

    while (wanted - writer->n_bytes < n_bytes) {
        wanted *= 2;
    }
    data = lw_mem_realloc(writer->data, wanted);
    if (data == NULL) {
        writer->status = LW_ENOMEM;
        return false;
    }
    writer->data = data;
    writer->capacity_bytes = wanted;
    return true;
}

/* Room for n_bytes more at the end, or NULL once the writer has failed. */
static inline uint8_t *writer_grow(struct lw_writer *writer, size_t n_bytes)
{
    uint8_t *at;

    if (writer->status != LW_OK ||
        (writer->capacity_bytes - writer->n_bytes < n_bytes && !writer_widen(writer, n_bytes))) {
        return NULL;
    }
    at = writer->data + writer->n_bytes;
    writer->n_bytes += n_bytes;
    return at;
}

/* Snapshots write and read some hundred numbers of each series: where the machine's order of bytes
 * is ours, they are copied. */
#define IS_LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

static inline void writer_put(struct lw_writer *writer, uint64_t value, size_t n_bytes)
{
    uint8_t *at = writer_grow(writer, n_bytes);

    if (IS_LITTLE && at != NULL) {
        memcpy(at, &value, n_bytes);
        return;
    }
    for (size_t i = 0; at != NULL && i < n_bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void lw_write_u8(struct lw_writer *writer, uint8_t value)
{
    writer_put(writer, value, 1);
}

void lw_write_u16(struct lw_writer *writer, uint16_t value)
{
    writer_put(writer, value, 2);
}

void lw_write_u32(struct lw_writer *writer, uint32_t value)
{
    writer_put(writer, value, 4);
}

void lw_write_u64(struct lw_writer *writer, uint64_t value)
{
    writer_put(writer, value, 8);
}

void lw_write_i64(struct lw_writer *writer, int64_t value)
{
    writer_put(writer, (uint64_t)value, 8);
}

void lw_write_f32(struct lw_writer *writer, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    writer_put(writer, bits, 4);
}

void lw_write_f64(struct lw_writer *writer, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    writer_put(writer, bits, 8);
}

void lw_write_f32s(struct lw_writer *writer, const float *values, size_t n)
{
    if (IS_LITTLE) {
        lw_write_raw(writer, values, n * sizeof(*values));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        lw_write_f32(writer, values[i]);
    }
}

void lw_write_f64s(struct lw_writer *writer, const double *values, size_t n)
{
    if (IS_LITTLE) {
        lw_write_raw(writer, values, n * sizeof(*values));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        lw_write_f64(writer, values[i]);
    }
}

void lw_write_raw(struct lw_writer *writer, const void *bytes, size_t n_bytes)
{
    uint8_t *at = writer_grow(writer, n_bytes);

    if (at != NULL && n_bytes > 0) {
        memcpy(at, bytes, n_bytes);
    }
}

void lw_write_text(struct lw_writer *writer, const char *text)
{
    size_t n_bytes = strlen(text);

    lw_write_u32(writer, (uint32_t)n_bytes);
    lw_write_raw(writer, text, n_bytes);
}

void lw_reader_init(struct lw_reader *reader, const void *data, size_t n_bytes)
{
    reader->data = data;
    reader->n_bytes = n_bytes;
    reader->at = 0;
    reader->status = LW_OK;
}

size_t lw_reader_left(const struct lw_reader *reader)
{
    return reader->n_bytes - reader->at;
}

const uint8_t *lw_read_view(struct lw_reader *reader, size_t n_bytes)
{
    const uint8_t *view;

    if (reader->status != LW_OK || lw_reader_left(reader) < n_bytes) {
        reader->status = LW_EFORMAT;
        return NULL;
    }
    view = reader->data + reader->at;
    reader->at += n_bytes;
    return view;
}

static inline uint64_t reader_get(struct lw_reader *reader, size_t n_bytes)
{
    const uint8_t *view = lw_read_view(reader, n_bytes);
    uint64_t value = 0;

    if (IS_LITTLE && view != NULL) {
        memcpy(&value, view, n_bytes);
        return value;
    }
    for (size_t i = 0; view != NULL && i < n_bytes; i++) {
        value |= (uint64_t)view[i] << (8 * i);
    }
    return value;
}

uint8_t lw_read_u8(struct lw_reader *reader)
{
    return (uint8_t)reader_get(reader, 1);
}

uint16_t lw_read_u16(struct lw_reader *reader)
{
    return (uint16_t)reader_get(reader, 2);
}

uint32_t lw_read_u32(struct lw_reader *reader)
{
    return (uint32_t)reader_get(reader, 4);
}

uint64_t lw_read_u64(struct lw_reader *reader)
{
    return reader_get(reader, 8);
}

int64_t lw_read_i64(struct lw_reader *reader)
{
    return (int64_t)reader_get(reader, 8);
}

float lw_read_f32(struct lw_reader *reader)
{
    uint32_t bits = lw_read_u32(reader);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

double lw_read_f64(struct lw_reader *reader)
{
    uint64_t bits = lw_read_u64(reader);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

void lw_read_f32s(struct lw_reader *reader, float *ret_values, size_t n)
{
    if (IS_LITTLE) {
        lw_read_raw(reader, ret_values, n * sizeof(*ret_values));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = lw_read_f32(reader);
    }
}

void lw_read_f64s(struct lw_reader *reader, double *ret_values, size_t n)
{
    if (IS_LITTLE) {
        lw_read_raw(reader, ret_values, n * sizeof(*ret_values));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = lw_read_f64(reader);
    }
}

void lw_read_raw(struct lw_reader *reader, void *ret_bytes, size_t n_bytes)
{
    const uint8_t *view = lw_read_view(reader, n_bytes);

    if (view != NULL && n_bytes > 0) {
        memcpy(ret_bytes, view, n_bytes);
    } else if (n_bytes > 0) {
        memset(ret_bytes, 0, n_bytes);
    }
}

void lw_read_text(struct lw_reader *reader, char *ret_text, size_t capacity)
{
    size_t n_bytes = lw_read_u32(reader);
    const uint8_t *view = n_bytes < capacity ? lw_read_view(reader, n_bytes) : NULL;

    if (view == NULL) {
        reader->status = LW_EFORMAT;
        ret_text[0] = '\0';
        return;
    }
    memcpy(ret_text, view, n_bytes);
    ret_text[n_bytes] = '\0';
}
