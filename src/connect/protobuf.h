/*
 * Reading protobuf messages, field by field, from memory.
 *
 *     lw_protobuf_init(&message, bytes, n_bytes);
 *     while (lw_protobuf_next(&message, &field)) {
 *         switch (LW_PROTOBUF_KEY(field.number, field.wire)) {
 *         case LW_PROTOBUF_KEY(1, LW_PROTOBUF_BYTES): ... field.bytes, field.n_bytes ...
 *         case LW_PROTOBUF_KEY(2, LW_PROTOBUF_FIXED64): ... lw_protobuf_double(&field) ...
 *         }
 *     }
 *     if (message.bad) ... the message is damaged ...
 *
 * A field that the switch does not name, unknown or of another wire type than its schema says, is
 * passed over, as protobuf demands. Fields come in any order and may come again: of a scalar the
 * last counts. Nothing is read past the end, nothing is allocated, and what is found is borrowed
 * from the bytes. Groups, which no schema of ours has, are passed over up to
 * LW_PROTOBUF_GROUPS_MAX deep. How deep messages nest is the caller's schema's business.
 */
#ifndef LW_CONNECT_PROTOBUF_H
#define LW_CONNECT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LW_PROTOBUF_GROUPS_MAX 32

enum lw_protobuf_wire {
    LW_PROTOBUF_VARINT = 0,
    LW_PROTOBUF_FIXED64 = 1,
    LW_PROTOBUF_BYTES = 2, /* Texts, bytes, messages, packed numbers. */
    LW_PROTOBUF_GROUP = 3, /* Not handed out, nor is its end. */
    LW_PROTOBUF_GROUP_END = 4,
    LW_PROTOBUF_FIXED32 = 5
};

/* For a switch over fields: what the encoder writes before them. */
#define LW_PROTOBUF_KEY(number, wire) ((uint32_t)(number) << 3 | (uint32_t)(wire))

struct lw_protobuf {
    const uint8_t *at, *end;
    bool bad; /* Cut off, a number of more than 10 bytes, a field 0, an unknown wire type. */
};

struct lw_protobuf_field {
    uint32_t number; /* 1 to 2^29 - 1 */
    uint32_t wire;   /* enum lw_protobuf_wire */
    union {
        uint64_t value; /* VARINT, FIXED64, FIXED32: the bits, see the functions below. */
        size_t n_bytes; /* BYTES */
    };
    const uint8_t *bytes; /* BYTES: never NULL. */
};

static inline void lw_protobuf_init(struct lw_protobuf *message, const void *bytes, size_t n_bytes)
{
    static const uint8_t none[1] = {0};

    message->at = n_bytes == 0 ? none : bytes;
    message->end = message->at + n_bytes;
    message->bad = false;
}

static inline bool lw_protobuf_fail(struct lw_protobuf *message)
{
    message->bad = true;
    message->at = message->end;
    return false;
}

/* A varint of at most 10 bytes; bits past the 64th are dropped, as other readers do. */
static inline bool lw_protobuf_varint(struct lw_protobuf *message, uint64_t *ret_value)
{
    const uint8_t *at = message->at;
    uint64_t value = 0;

    if (at < message->end && *at < 0x80) {
        *ret_value = *at;
        message->at = at + 1;
        return true;
    }
    for (unsigned shift = 0; shift < 70 && at < message->end; shift += 7) {
        uint8_t byte = *at++;

        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            message->at = at;
            *ret_value = value;
            return true;
        }
    }
    return lw_protobuf_fail(message);
}

/* n bytes, little endian; n is 4 or 8. */
static inline bool lw_protobuf_fixed(struct lw_protobuf *message, size_t n, uint64_t *ret_value)
{
    uint64_t value = 0;

    if ((size_t)(message->end - message->at) < n) {
        return lw_protobuf_fail(message);
    }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, message->at, n);
#else
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)message->at[i] << (8 * i);
    }
#endif
    message->at += n;
    *ret_value = value;
    return true;
}

static inline bool lw_protobuf_payload(struct lw_protobuf *message, struct lw_protobuf_field *field)
{
    uint64_t n_bytes;

    switch (field->wire) {
    case LW_PROTOBUF_VARINT:
        return lw_protobuf_varint(message, &field->value);
    case LW_PROTOBUF_FIXED64:
        return lw_protobuf_fixed(message, 8, &field->value);
    case LW_PROTOBUF_FIXED32:
        return lw_protobuf_fixed(message, 4, &field->value);
    case LW_PROTOBUF_BYTES:
        if (!lw_protobuf_varint(message, &n_bytes)) {
            return false;
        }
        if (n_bytes > (size_t)(message->end - message->at)) {
            return lw_protobuf_fail(message);
        }
        field->bytes = message->at;
        field->n_bytes = (size_t)n_bytes;
        message->at += n_bytes;
        return true;
    default:
        return true; /* Of a group's beginning and end there is no more. */
    }
}

/* One field of whatever kind, groups' beginnings and ends among them; false at the end. */
static inline bool lw_protobuf_any(struct lw_protobuf *message, struct lw_protobuf_field *ret_field)
{
    uint64_t key;

    if (message->at >= message->end || !lw_protobuf_varint(message, &key)) {
        return false;
    }
    ret_field->number = (uint32_t)(key >> 3);
    ret_field->wire = (uint32_t)(key & 7);
    if (key > UINT32_MAX || ret_field->number == 0 || ret_field->wire > LW_PROTOBUF_FIXED32) {
        return lw_protobuf_fail(message);
    }
    return lw_protobuf_payload(message, ret_field);
}

/* Passes over a group whose beginning was read. */
static inline bool lw_protobuf_skip_group(struct lw_protobuf *message, uint32_t number)
{
    uint32_t open[LW_PROTOBUF_GROUPS_MAX];
    struct lw_protobuf_field field;
    size_t depth = 1;

    open[0] = number;
    while (depth > 0) {
        if (!lw_protobuf_any(message, &field)) {
            return lw_protobuf_fail(message);
        }
        if (field.wire == LW_PROTOBUF_GROUP_END) {
            if (field.number != open[--depth]) {
                return lw_protobuf_fail(message);
            }
        } else if (field.wire == LW_PROTOBUF_GROUP) {
            if (depth == LW_PROTOBUF_GROUPS_MAX) {
                return lw_protobuf_fail(message);
            }
            open[depth++] = field.number;
        }
    }
    return true;
}

/* The next field; false at the end of the message, and where it is damaged: then `bad` is set. */
static inline bool lw_protobuf_next(struct lw_protobuf *message,
                                    struct lw_protobuf_field *ret_field)
{
    while (lw_protobuf_any(message, ret_field)) {
        if (ret_field->wire == LW_PROTOBUF_GROUP_END) {
            return lw_protobuf_fail(message);
        }
        if (ret_field->wire != LW_PROTOBUF_GROUP) {
            return true;
        }
        if (!lw_protobuf_skip_group(message, ret_field->number)) {
            return false;
        }
    }
    return false;
}

/* ---- what a field's bits mean ---- */

/* double; of a FIXED64. */
static inline double lw_protobuf_double(const struct lw_protobuf_field *field)
{
    double value;

    memcpy(&value, &field->value, sizeof(value));
    return value;
}

/* int32, int64 of a VARINT, sfixed64 of a FIXED64. */
static inline int64_t lw_protobuf_int(const struct lw_protobuf_field *field)
{
    return (int64_t)field->value;
}

/* sint32, sint64: zigzag. */
static inline int64_t lw_protobuf_sint(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (~(value & 1) + 1));
}

/* The message, or the packed numbers, that a BYTES field holds: read these with lw_protobuf_varint
 * or lw_protobuf_fixed while at < end. */
static inline void lw_protobuf_enter(const struct lw_protobuf_field *field,
                                     struct lw_protobuf *ret_message)
{
    lw_protobuf_init(ret_message, field->bytes, field->n_bytes);
}

#endif
