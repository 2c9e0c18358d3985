/*
 * Writing protobuf messages, field by field, to a growing buffer.
 *
 * A message inside another is written to a buffer of its own first: its length comes before it.
 */
#ifndef LW_CONNECT_PROTOBUF_WRITE_H
#define LW_CONNECT_PROTOBUF_WRITE_H

#include "base/bytes.h"
#include "connect/protobuf.h"

static inline void lw_protobuf_write_varint(struct lw_writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        lw_write_u8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    lw_write_u8(writer, (uint8_t)value);
}

/* A text, bytes, or a message that was written elsewhere. */
static inline void lw_protobuf_write_bytes(struct lw_writer *writer, uint32_t number,
                                           const void *bytes, size_t n_bytes)
{
    lw_protobuf_write_varint(writer, LW_PROTOBUF_KEY(number, LW_PROTOBUF_BYTES));
    lw_protobuf_write_varint(writer, n_bytes);
    lw_write_raw(writer, bytes, n_bytes);
}

static inline void lw_protobuf_write_double(struct lw_writer *writer, uint32_t number, double value)
{
    lw_protobuf_write_varint(writer, LW_PROTOBUF_KEY(number, LW_PROTOBUF_FIXED64));
    lw_write_f64(writer, value);
}

/* int64: as protobuf has it, a negative number takes ten bytes. */
static inline void lw_protobuf_write_int64(struct lw_writer *writer, uint32_t number, int64_t value)
{
    lw_protobuf_write_varint(writer, LW_PROTOBUF_KEY(number, LW_PROTOBUF_VARINT));
    lw_protobuf_write_varint(writer, (uint64_t)value);
}

#endif
