/*
 * Writes ONNX graphs: opset 18, ai.onnx.ml 3, IR version 8, which every ONNX Runtime since 1.17
 * reads. See model/onnx_graph.c.
 *
 *     lw_graph_begin(&graph, writer, "autoencoder");
 *     lw_graph_input(&graph, "rows", 38);
 *     lw_graph_floats(&graph, "gains", gains, 38);
 *     lw_graph_op(&graph, "Mul", "rows gains", "scaled");
 *     lw_graph_output(&graph, "scaled", 38);
 *     lw_graph_end(&graph);
 *
 * Names are of our own making and hold no blank. Failures stay in the writer's status.
 */
#ifndef LW_MODEL_ONNX_GRAPH_H
#define LW_MODEL_ONNX_GRAPH_H

#include "base/bytes.h"
#include "model/model.h"
#include "model/net.h"

#include <stddef.h>
#include <stdint.h>

struct lw_graph {
    struct lw_writer *writer;
    size_t graph; /* Where the graph begins. */
    size_t node;  /* Where the node that is open begins. */
};

void lw_graph_begin(struct lw_graph *graph, struct lw_writer *writer, const char *name);
void lw_graph_end(struct lw_graph *graph);
/* A float input or output: [n] where width is 0, else [n, width]; n is left open. */
void lw_graph_input(struct lw_graph *graph, const char *name, size_t width);
void lw_graph_output(struct lw_graph *graph, const char *name, size_t width);
/* Constants. A scalar is one of no dimension. */
void lw_graph_scalar(struct lw_graph *graph, const char *name, float value);
void lw_graph_floats(struct lw_graph *graph, const char *name, const float *values, size_t n);
void lw_graph_sizes(struct lw_graph *graph, const char *name, const int64_t *values, size_t n);
/* An operator without attributes: names of its inputs and outputs, blanks between them. */
void lw_graph_op(struct lw_graph *graph, const char *op, const char *inputs, const char *outputs);
/* One with attributes, which are written between these two; domain "" is ONNX's own. */
void lw_graph_node_begin(struct lw_graph *graph, const char *domain, const char *op,
                         const char *inputs, const char *outputs);
void lw_graph_node_end(struct lw_graph *graph);
void lw_graph_int(struct lw_graph *graph, const char *name, int64_t value);
void lw_graph_text(struct lw_graph *graph, const char *name, const char *value);
/* A list is written item by item between begin and end; items of one kind only. */
enum lw_graph_list { LW_GRAPH_FLOATS = 6, LW_GRAPH_INTS = 7, LW_GRAPH_TEXTS = 8 };
size_t lw_graph_list_begin(struct lw_graph *graph, const char *name, enum lw_graph_list kind);
void lw_graph_list_float(struct lw_graph *graph, float value);
void lw_graph_list_int(struct lw_graph *graph, int64_t value);
void lw_graph_list_text(struct lw_graph *graph, const char *value);
void lw_graph_list_end(struct lw_graph *graph, size_t list);

/* What all exports share, from the input "rows": "missing", where it has holes, and "unknown", bool
 * [n, 1]: rows that have nothing else. */
void lw_graph_holes(struct lw_graph *graph);
/* out = in * weights + bias; in int8 where the form says so. */
struct lw_graph_dense {
    const struct lw_layer *layer;
    const float *weights; /* As model/net.h lays them out. */
    const char *in, *out;
};
void lw_graph_dense(struct lw_graph *graph, const struct lw_onnx_form *form,
                    const struct lw_graph_dense *dense);
void lw_graph_to_float(struct lw_graph *graph, const char *in, const char *out);
void lw_graph_to_bool(struct lw_graph *graph, const char *in, const char *out);
/* The output "distances", [n], from a float [n, 1]; NaN where `nothing`, bool [n, 1], says so. */
void lw_graph_distances(struct lw_graph *graph, const char *column, const char *nothing);
/* The same of the lengths of `residuals`, [n, width]. */
void lw_graph_lengths(struct lw_graph *graph, const char *residuals, const char *nothing);

/* Sets the share of each layer's weights that is smallest to 0, biases apart. The layers' weights
 * lie behind one another; 0 <= share < 1. LW_ENOMEM. Layers differ in the size of their weights, so
 * a share of all of them together would empty some. */
enum lw_status lw_graph_prune(const struct lw_layer *layers, size_t n_layers, double share,
                              float *weights, struct lw_error *reterr) LW_MUST_USE;

#endif
