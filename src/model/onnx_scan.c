/*
 * A walk through the messages of an ONNX file, as far as they may hold a tensor.
 *
 * A file may say that a tensor's data lies in another file. We embed models in our own files and
 * take them over the network, so one that does is refused, wherever in it the tensor is. The table
 * says which field of which message holds which message; all others are passed over.
 */
#include "model/onnx_scan.h"

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DEPTH_MAX 32
#define TENSOR_EXTERNAL_DATA 13u
#define TENSOR_DATA_LOCATION 14u
#define MODEL_GRAPH 7u

enum message { MODEL, TRAINING, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, FUNCTION };

static const struct {
    enum message in;
    uint32_t field;
    enum message holds;
} children[] = {
    {MODEL, MODEL_GRAPH, GRAPH}, {MODEL, 20, TRAINING},   {MODEL, 25, FUNCTION},
    {TRAINING, 1, GRAPH},        {TRAINING, 2, GRAPH},    {GRAPH, 1, NODE},
    {GRAPH, 5, TENSOR},          {GRAPH, 15, SPARSE},     {NODE, 5, ATTRIBUTE},
    {ATTRIBUTE, 5, TENSOR},      {ATTRIBUTE, 6, GRAPH},   {ATTRIBUTE, 10, TENSOR},
    {ATTRIBUTE, 11, GRAPH},      {ATTRIBUTE, 22, SPARSE}, {ATTRIBUTE, 23, SPARSE},
    {SPARSE, 1, TENSOR},         {SPARSE, 2, TENSOR},     {FUNCTION, 7, NODE},
    {FUNCTION, 11, ATTRIBUTE},
};

struct walk {
    const uint8_t *at, *end;
};

static bool walk_varint(struct walk *walk, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70 && walk->at < walk->end; shift += 7) {
        uint8_t byte = *walk->at++;

        value |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* One field: its number, and its value or its bytes. */
struct field {
    uint32_t number;
    uint64_t value;    /* Of a number. */
    struct walk bytes; /* Of a message or a text; else empty. */
    bool is_bytes;
};

static bool walk_skip(struct walk *walk, uint64_t n_bytes, struct walk *ret_bytes)
{
    if (n_bytes > (uint64_t)(walk->end - walk->at)) {
        return false;
    }
    *ret_bytes = (struct walk){walk->at, walk->at + n_bytes};
    walk->at += n_bytes;
    return true;
}

static bool walk_field(struct walk *walk, struct field *ret_field)
{
    uint64_t tag, n_bytes;

    *ret_field = (struct field){0};
    if (!walk_varint(walk, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3) {
        return false;
    }
    ret_field->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return walk_varint(walk, &ret_field->value);
    case 1:
        return walk_skip(walk, 8, &ret_field->bytes);
    case 2:
        ret_field->is_bytes = true;
        return walk_varint(walk, &n_bytes) && walk_skip(walk, n_bytes, &ret_field->bytes);
    case 5:
        return walk_skip(walk, 4, &ret_field->bytes);
    default:
        return false; /* Groups are of another age. */
    }
}

static enum lw_status walk_message(struct walk walk, enum message message, int depth,
                                   struct lw_error *reterr)
{
    enum lw_status st = LW_OK;
    struct field field;

    if (depth > DEPTH_MAX) {
        return lw_error_set(reterr, LW_EFORMAT, "onnx: graphs in graphs, more than %d levels deep",
                            DEPTH_MAX);
    }
    while (st == LW_OK && walk.at < walk.end) {
        if (!walk_field(&walk, &field)) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "onnx: this is no ONNX file, or a damaged one: a field is cut off");
        }
        if (message == TENSOR && (field.number == TENSOR_EXTERNAL_DATA ||
                                  (field.number == TENSOR_DATA_LOCATION && field.value != 0))) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "onnx: a tensor's data lies in another file, which is not "
                                "followed: save the model with its data inside");
        }
        for (size_t i = 0; st == LW_OK && i < sizeof(children) / sizeof(children[0]); i++) {
            if (field.is_bytes && children[i].in == message && children[i].field == field.number) {
                st = walk_message(field.bytes, children[i].holds, depth + 1, reterr);
            }
        }
    }
    return st;
}

enum lw_status lw_onnx_scan(const void *bytes, size_t n_bytes, struct lw_error *reterr)
{
    struct walk walk = {bytes, (const uint8_t *)bytes + n_bytes}, look = walk;
    enum lw_status st;
    struct field field;

    if (n_bytes > LW_ONNX_BYTES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "onnx: a file of %zu bytes, but %u are allowed",
                            n_bytes, LW_ONNX_BYTES_MAX);
    }
    st = walk_message(walk, MODEL, 0, reterr);
    while (st == LW_OK && look.at < look.end && walk_field(&look, &field)) {
        if (field.number == MODEL_GRAPH && field.is_bytes) {
            return LW_OK;
        }
    }
    return st != LW_OK ? st : lw_error_set(reterr, LW_EFORMAT, "onnx: there is no graph in it");
}
