/*
 * Protocol buffers by hand: tags, lengths and values into a writer.
 *
 * A message's length stands before it, in seven-bit groups, but is known only behind it. So five
 * bytes are left for it and filled in at the end, the last groups empty where they are not needed:
 * every reader of the format takes that. Numbers of fields are those of onnx.proto.
 */
#include "model/onnx_graph.h"

#include "base/error.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_VARINT 0u
#define WIRE_BYTES 2u
#define WIRE_FIXED32 5u
#define LENGTH_BYTES 5u

#define IR_VERSION 8
#define OPSET 18
#define OPSET_ML 3

#define TENSOR_FLOAT 1
#define TENSOR_INT8 3
#define TENSOR_INT64 7
#define TENSOR_BOOL 9

#define ATTRIBUTE_INT 2
#define ATTRIBUTE_TEXT 3

/* Weights in int8 use 7 bits: a product with 8-bit activations is then added up in 16 bits without
 * being cut off by machines that do so, and every machine gives the same sum. */
#define INT8_MOST 64.0f

/* Of one name, or of all that a node reads. */
#define NAME_MAX_BYTES 96

static void write_varint(struct lw_writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        lw_write_u8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    lw_write_u8(writer, (uint8_t)value);
}

static void write_tag(struct lw_writer *writer, uint32_t field, uint32_t wire)
{
    write_varint(writer, field << 3 | wire);
}

static void write_int(struct lw_writer *writer, uint32_t field, int64_t value)
{
    write_tag(writer, field, WIRE_VARINT);
    write_varint(writer, (uint64_t)value);
}

static void write_bytes(struct lw_writer *writer, uint32_t field, const char *bytes, size_t n_bytes)
{
    write_tag(writer, field, WIRE_BYTES);
    write_varint(writer, n_bytes);
    lw_write_raw(writer, bytes, n_bytes);
}

static void write_text(struct lw_writer *writer, uint32_t field, const char *text)
{
    write_bytes(writer, field, text, strlen(text));
}

static size_t message_begin(struct lw_writer *writer, uint32_t field)
{
    write_tag(writer, field, WIRE_BYTES);
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        lw_write_u8(writer, 0);
    }
    return writer->n_bytes;
}

static void message_end(struct lw_writer *writer, size_t begin)
{
    size_t n_bytes = writer->n_bytes - begin;

    if (writer->status != LW_OK) {
        return;
    }
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        uint8_t more = i + 1 < LENGTH_BYTES ? 0x80 : 0;

        writer->data[begin - LENGTH_BYTES + i] = (uint8_t)((n_bytes >> (7 * i) & 0x7F) | more);
    }
}

static void write_opset(struct lw_writer *writer, const char *domain, int64_t version)
{
    size_t at = message_begin(writer, 8);

    write_text(writer, 1, domain);
    write_int(writer, 2, version);
    message_end(writer, at);
}

void lw_graph_begin(struct lw_graph *graph, struct lw_writer *writer, const char *name)
{
    *graph = (struct lw_graph){.writer = writer};
    write_int(writer, 1, IR_VERSION);
    write_text(writer, 2, "lapwing");
    write_opset(writer, "", OPSET);
    write_opset(writer, "ai.onnx.ml", OPSET_ML);
    graph->graph = message_begin(writer, 7);
    write_text(writer, 2, name);
}

void lw_graph_end(struct lw_graph *graph)
{
    message_end(graph->writer, graph->graph);
}

static void write_port(struct lw_graph *graph, uint32_t field, const char *name, size_t width)
{
    struct lw_writer *writer = graph->writer;
    size_t port = message_begin(writer, field), type, tensor, shape, dim;

    write_text(writer, 1, name);
    type = message_begin(writer, 2);
    tensor = message_begin(writer, 1);
    write_int(writer, 1, TENSOR_FLOAT);
    shape = message_begin(writer, 2);
    dim = message_begin(writer, 1);
    write_text(writer, 2, "n");
    message_end(writer, dim);
    if (width > 0) {
        dim = message_begin(writer, 1);
        write_int(writer, 1, (int64_t)width);
        message_end(writer, dim);
    }
    message_end(writer, shape);
    message_end(writer, tensor);
    message_end(writer, type);
    message_end(writer, port);
}

void lw_graph_input(struct lw_graph *graph, const char *name, size_t width)
{
    write_port(graph, 11, name, width);
}

void lw_graph_output(struct lw_graph *graph, const char *name, size_t width)
{
    write_port(graph, 12, name, width);
}

/* A constant up to its values, which the caller writes between this and tensor_end. */
struct tensor {
    size_t begin, values;
};

static struct tensor tensor_begin(struct lw_graph *graph, const char *name, int type, size_t rank,
                                  const size_t *dims)
{
    struct lw_writer *writer = graph->writer;
    struct tensor tensor = {.begin = message_begin(writer, 5)};

    for (size_t i = 0; i < rank; i++) {
        write_int(writer, 1, (int64_t)dims[i]);
    }
    write_int(writer, 2, type);
    write_text(writer, 8, name);
    tensor.values = message_begin(writer, 9);
    return tensor;
}

static void tensor_end(struct lw_graph *graph, struct tensor tensor)
{
    message_end(graph->writer, tensor.values);
    message_end(graph->writer, tensor.begin);
}

void lw_graph_scalar(struct lw_graph *graph, const char *name, float value)
{
    struct tensor tensor = tensor_begin(graph, name, TENSOR_FLOAT, 0, NULL);

    lw_write_f32(graph->writer, value);
    tensor_end(graph, tensor);
}

void lw_graph_floats(struct lw_graph *graph, const char *name, const float *values, size_t n)
{
    struct tensor tensor = tensor_begin(graph, name, TENSOR_FLOAT, 1, &n);

    lw_write_f32s(graph->writer, values, n);
    tensor_end(graph, tensor);
}

void lw_graph_sizes(struct lw_graph *graph, const char *name, const int64_t *values, size_t n)
{
    struct tensor tensor = tensor_begin(graph, name, TENSOR_INT64, 1, &n);

    for (size_t i = 0; i < n; i++) {
        lw_write_i64(graph->writer, values[i]);
    }
    tensor_end(graph, tensor);
}

/* Each word of a text as a field of its own. */
static void write_words(struct lw_writer *writer, uint32_t field, const char *words)
{
    for (size_t n; *words != '\0'; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        write_bytes(writer, field, words, n);
    }
}

void lw_graph_node_begin(struct lw_graph *graph, const char *domain, const char *op,
                         const char *inputs, const char *outputs)
{
    graph->node = message_begin(graph->writer, 1);
    write_words(graph->writer, 1, inputs);
    write_words(graph->writer, 2, outputs);
    write_text(graph->writer, 4, op);
    write_text(graph->writer, 7, domain);
}

void lw_graph_node_end(struct lw_graph *graph)
{
    message_end(graph->writer, graph->node);
}

void lw_graph_op(struct lw_graph *graph, const char *op, const char *inputs, const char *outputs)
{
    lw_graph_node_begin(graph, "", op, inputs, outputs);
    lw_graph_node_end(graph);
}

static size_t attribute_begin(struct lw_graph *graph, const char *name, int type)
{
    size_t at = message_begin(graph->writer, 5);

    write_text(graph->writer, 1, name);
    write_int(graph->writer, 20, type);
    return at;
}

void lw_graph_int(struct lw_graph *graph, const char *name, int64_t value)
{
    size_t at = attribute_begin(graph, name, ATTRIBUTE_INT);

    write_int(graph->writer, 3, value);
    message_end(graph->writer, at);
}

void lw_graph_text(struct lw_graph *graph, const char *name, const char *value)
{
    size_t at = attribute_begin(graph, name, ATTRIBUTE_TEXT);

    write_text(graph->writer, 4, value);
    message_end(graph->writer, at);
}

size_t lw_graph_list_begin(struct lw_graph *graph, const char *name, enum lw_graph_list kind)
{
    return attribute_begin(graph, name, (int)kind);
}

void lw_graph_list_float(struct lw_graph *graph, float value)
{
    write_tag(graph->writer, 7, WIRE_FIXED32);
    lw_write_f32(graph->writer, value);
}

void lw_graph_list_int(struct lw_graph *graph, int64_t value)
{
    write_int(graph->writer, 8, value);
}

void lw_graph_list_text(struct lw_graph *graph, const char *value)
{
    write_text(graph->writer, 9, value);
}

void lw_graph_list_end(struct lw_graph *graph, size_t list)
{
    message_end(graph->writer, list);
}

static void graph_cast(struct lw_graph *graph, const char *in, const char *out, int64_t type)
{
    lw_graph_node_begin(graph, "", "Cast", in, out);
    lw_graph_int(graph, "to", type);
    lw_graph_node_end(graph);
}

void lw_graph_to_float(struct lw_graph *graph, const char *in, const char *out)
{
    graph_cast(graph, in, out, TENSOR_FLOAT);
}

void lw_graph_to_bool(struct lw_graph *graph, const char *in, const char *out)
{
    graph_cast(graph, in, out, TENSOR_BOOL);
}

void lw_graph_holes(struct lw_graph *graph)
{
    static const int64_t columns = 1;

    lw_graph_sizes(graph, "columns", &columns, 1);
    lw_graph_op(graph, "IsNaN", "rows", "missing");
    lw_graph_to_float(graph, "missing", "missing_share");
    lw_graph_op(graph, "ReduceMin", "missing_share columns", "unknown_share");
    lw_graph_to_bool(graph, "unknown_share", "unknown");
}

/* A name, or the names that a node reads, of at most three parts; each part is a name of ours or
 * what follows one. */
struct name {
    char text[NAME_MAX_BYTES];
};

static struct name name_of(const char *a, const char *b, const char *c)
{
    const char *const parts[] = {a, b, c};
    struct name name;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t n_part = strlen(parts[i]);

        assert(n + n_part < sizeof(name.text));
        memcpy(name.text + n, parts[i], n_part);
        n += n_part;
    }
    name.text[n] = '\0';
    return name;
}

/* The layer's weights without what is beyond n_out, [n_in][n_out]. */
static void dense_floats(struct lw_graph *graph, const struct lw_graph_dense *dense,
                         const char *name)
{
    const struct lw_layer *layer = dense->layer;
    const size_t dims[] = {layer->n_in, layer->n_out};
    struct tensor tensor = tensor_begin(graph, name, TENSOR_FLOAT, 2, dims);

    for (size_t i = 1; i <= layer->n_in; i++) {
        lw_write_f32s(graph->writer, dense->weights + i * layer->n_wide, layer->n_out);
    }
    tensor_end(graph, tensor);
}

/* What one step of an output's weights in int8 is worth. */
static float dense_scale(const struct lw_graph_dense *dense, size_t output)
{
    const struct lw_layer *layer = dense->layer;
    float most = 0.0f;

    for (size_t i = 1; i <= layer->n_in; i++) {
        float size = fabsf(dense->weights[i * layer->n_wide + output]);

        most = size > most ? size : most;
    }
    return most > 0.0f ? most / INT8_MOST : 1.0f;
}

static void dense_int8s(struct lw_graph *graph, const struct lw_graph_dense *dense,
                        const char *weights_name, const char *scales_name)
{
    const struct lw_layer *layer = dense->layer;
    const size_t dims[] = {layer->n_in, layer->n_out};
    struct tensor tensor = tensor_begin(graph, scales_name, TENSOR_FLOAT, 1, &layer->n_out);

    for (size_t o = 0; o < layer->n_out; o++) {
        lw_write_f32(graph->writer, dense_scale(dense, o));
    }
    tensor_end(graph, tensor);
    tensor = tensor_begin(graph, weights_name, TENSOR_INT8, 2, dims);
    for (size_t i = 1; i <= layer->n_in; i++) {
        for (size_t o = 0; o < layer->n_out; o++) {
            float steps = dense->weights[i * layer->n_wide + o] / dense_scale(dense, o);

            lw_write_u8(graph->writer, (uint8_t)(int8_t)floorf(steps + 0.5f));
        }
    }
    tensor_end(graph, tensor);
}

/* Activations become 8 bits by the range they have, the product is one of whole numbers, and its
 * worth comes back by the scales of both. */
static void dense_quantised(struct lw_graph *graph, const struct lw_graph_dense *dense,
                            const char *weights, const char *product)
{
    struct name in = name_of(dense->out, "_in", ""), in_scale = name_of(in.text, "_scale", "");
    struct name in_zero = name_of(in.text, "_zero", ""), sum = name_of(dense->out, "_sum", "");
    struct name scales = name_of(dense->out, "_scales", ""),
                worth = name_of(sum.text, "_worth", "");
    struct name sum_float = name_of(sum.text, "_float", ""), names;

    dense_int8s(graph, dense, weights, scales.text);
    names = name_of(in.text, " ", in_scale.text);
    names = name_of(names.text, " ", in_zero.text);
    lw_graph_op(graph, "DynamicQuantizeLinear", dense->in, names.text);
    names = name_of(in.text, " ", weights);
    names = name_of(names.text, " ", in_zero.text);
    lw_graph_op(graph, "MatMulInteger", names.text, sum.text);
    names = name_of(in_scale.text, " ", scales.text);
    lw_graph_op(graph, "Mul", names.text, worth.text);
    lw_graph_to_float(graph, sum.text, sum_float.text);
    names = name_of(sum_float.text, " ", worth.text);
    lw_graph_op(graph, "Mul", names.text, product);
}

void lw_graph_dense(struct lw_graph *graph, const struct lw_onnx_form *form,
                    const struct lw_graph_dense *dense)
{
    struct name product = name_of(dense->out, "_product", "");
    struct name bias = name_of(dense->out, "_bias", "");
    struct name weights = name_of(dense->out, "_weights", ""), names;

    lw_graph_floats(graph, bias.text, dense->weights, dense->layer->n_out);
    if (form->int8) {
        dense_quantised(graph, dense, weights.text, product.text);
    } else {
        dense_floats(graph, dense, weights.text);
        names = name_of(dense->in, " ", weights.text);
        lw_graph_op(graph, "MatMul", names.text, product.text);
    }
    names = name_of(product.text, " ", bias.text);
    lw_graph_op(graph, "Add", names.text, dense->out);
}

void lw_graph_distances(struct lw_graph *graph, const char *column, const char *nothing)
{
    struct name names = name_of(nothing, " nan ", column);

    lw_graph_scalar(graph, "nan", NAN);
    lw_graph_op(graph, "Where", names.text, "distance_column");
    lw_graph_op(graph, "Squeeze", "distance_column columns", "distances");
    lw_graph_output(graph, "distances", 0);
}

void lw_graph_lengths(struct lw_graph *graph, const char *residuals, const char *nothing)
{
    struct name names = name_of(residuals, " ", residuals);

    lw_graph_op(graph, "Mul", names.text, "squares");
    lw_graph_op(graph, "ReduceSum", "squares columns", "square");
    lw_graph_op(graph, "Sqrt", "square", "length");
    lw_graph_distances(graph, "length", nothing);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* Clears what is smaller than the bound, and the first n_equal of those that are as large. */
static void prune_below(const struct lw_layer *layer, float bound, size_t n_equal, float *weights)
{
    for (size_t i = 1; i <= layer->n_in; i++) {
        for (size_t o = 0; o < layer->n_out; o++) {
            float *weight = &weights[i * layer->n_wide + o];
            bool is_equal = fabsf(*weight) == bound && n_equal > 0;

            n_equal -= is_equal;
            if (is_equal || fabsf(*weight) < bound) {
                *weight = 0.0f;
            }
        }
    }
}

/* sizes: room for all of the layer's weights. */
static void prune_layer(const struct lw_layer *layer, double share, float *sizes, float *weights)
{
    size_t n = layer->n_in * layer->n_out, n_pruned = (size_t)(share * (double)n), n_equal = 0;

    if (n_pruned == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sizes[i] = fabsf(weights[(1 + i / layer->n_out) * layer->n_wide + i % layer->n_out]);
    }
    qsort(sizes, n, sizeof(*sizes), compare_floats);
    for (size_t i = n_pruned; i-- > 0 && sizes[i] == sizes[n_pruned - 1];) {
        n_equal++;
    }
    prune_below(layer, sizes[n_pruned - 1], n_equal, weights);
}

enum lw_status lw_graph_prune(const struct lw_layer *layers, size_t n_layers, double share,
                              float *weights, struct lw_error *reterr)
{
    size_t n = 0;
    float *sizes;

    if (!(share > 0.0)) {
        return LW_OK;
    }
    for (size_t k = 0; k < n_layers; k++) {
        n += lw_layer_floats(&layers[k]); /* More than the largest has. */
    }
    sizes = lw_mem_alloc(n * sizeof(*sizes));
    if (sizes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to rank %zu weights", n);
    }
    for (size_t k = 0; k < n_layers; k++) {
        prune_layer(&layers[k], share, sizes, weights);
        weights += lw_layer_floats(&layers[k]);
    }
    lw_mem_free(sizes);
    return LW_OK;
}
