/*
 * A recurrent forecaster as an ONNX graph: one step of n entities side by side, what
 * model/lstm.c computes, holes included.
 *
 * Inputs "rows" [n, columns] and "state" [n, 2 cells + columns + 1], zeros at first; outputs
 * "distances" [n] and "next_state". A state is h, c, the prediction of the next row, and 1 once a
 * row was seen. The gates are one product, as in ours, not the operator LSTM: that knows neither
 * int8 nor a residual.
 */
#include "model/lstm_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/onnx_export.h"
#include "model/onnx_graph.h"

static void graph_split(struct lw_graph *graph, const char *inputs, const char *outputs)
{
    lw_graph_node_begin(graph, "", "Split", inputs, outputs);
    lw_graph_int(graph, "axis", 1);
    lw_graph_node_end(graph);
}

static void graph_join(struct lw_graph *graph, const char *inputs, const char *output)
{
    lw_graph_node_begin(graph, "", "Concat", inputs, output);
    lw_graph_int(graph, "axis", 1);
    lw_graph_node_end(graph);
}

/* The state in its parts, who has seen nothing, and whose step is none: a row of holes before
 * anything was seen. */
static void graph_state(struct lw_graph *graph, const struct lw_model *model)
{
    const int64_t parts[] = {(int64_t)model->n_cells, (int64_t)model->n_cells,
                             (int64_t)model->n_dims, 1};

    lw_graph_sizes(graph, "parts", parts, 4);
    graph_split(graph, "state parts", "h c guess seen");
    lw_graph_to_bool(graph, "seen", "is_seen");
    lw_graph_op(graph, "Not", "is_seen", "is_fresh");
    lw_graph_op(graph, "And", "is_fresh unknown", "is_idle");
    lw_graph_op(graph, "Or", "is_fresh unknown", "nothing");
}

/* What the prediction missed, and what the network goes on from. */
static void graph_residuals(struct lw_graph *graph, const struct lw_model *model)
{
    lw_graph_scalar(graph, "zero", 0.0f);
    lw_graph_scalar(graph, "least", -LW_NET_REACH);
    lw_graph_scalar(graph, "most", LW_NET_REACH);
    lw_graph_scalar(graph, "clip_least", -LW_LSTM_CLIP);
    lw_graph_scalar(graph, "clip_most", LW_LSTM_CLIP);
    lw_graph_floats(graph, "gains", model->gains, model->n_dims);
    lw_graph_op(graph, "Where", "missing guess rows", "values");
    lw_graph_op(graph, "Clip", "values least most", "judged");
    lw_graph_op(graph, "Sub", "judged guess", "rest");
    lw_graph_op(graph, "Mul", "rest gains", "scaled");
    lw_graph_op(graph, "Where", "missing zero scaled", "residuals");
    lw_graph_op(graph, "Clip", "values clip_least clip_most", "x");
}

static void graph_step(struct lw_graph *graph, const struct lw_model *model, const float *weights,
                       const struct lw_onnx_form *form)
{
    const int64_t n = (int64_t)model->n_cells, curves[] = {3 * n, n}, thirds[] = {n, n, n};
    struct lw_graph_dense gates = {
        .layer = &model->layers[0], .weights = weights, .in = "xh", .out = "gates"};
    struct lw_graph_dense step = {.layer = &model->layers[1],
                                  .weights = weights + (model->weights[1] - model->weights[0]),
                                  .in = "next_h",
                                  .out = "step"};

    lw_graph_sizes(graph, "curves", curves, 2);
    lw_graph_sizes(graph, "thirds", thirds, 3);
    graph_join(graph, "x h", "xh");
    lw_graph_dense(graph, form, &gates);
    graph_split(graph, "gates curves", "open candidate");
    lw_graph_op(graph, "Sigmoid", "open", "opened");
    graph_split(graph, "opened thirds", "input output forget");
    lw_graph_op(graph, "Tanh", "candidate", "bent");
    lw_graph_op(graph, "Mul", "forget c", "kept");
    lw_graph_op(graph, "Mul", "input bent", "taken");
    lw_graph_op(graph, "Add", "kept taken", "next_c");
    lw_graph_op(graph, "Tanh", "next_c", "curve");
    lw_graph_op(graph, "Mul", "output curve", "next_h");
    lw_graph_dense(graph, form, &step);
    lw_graph_op(graph, "Add", "x step", "next_guess");
    lw_graph_op(graph, "Not", "is_idle", "is_next_seen");
    lw_graph_to_float(graph, "is_next_seen", "next_seen");
    graph_join(graph, "next_h next_c next_guess next_seen", "stepped");
    lw_graph_op(graph, "Where", "is_idle state stepped", "next_state");
}

enum lw_status lw_lstm_export_onnx(const struct lw_model *model, const struct lw_onnx_form *form,
                                   struct lw_writer *writer, struct lw_error *reterr)
{
    float *weights = lw_mem_alloc(model->n_weights * sizeof(*weights));
    size_t n_state = 2 * model->n_cells + model->n_dims + 1;
    struct lw_graph graph;
    enum lw_status st;

    if (weights == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "lstm: no memory for %zu weights", model->n_weights);
    }
    memcpy(weights, model->weights[0], model->n_weights * sizeof(*weights));
    st = lw_graph_prune(model->layers, 2, form->prune, weights, reterr);
    if (st == LW_OK) {
        lw_graph_begin(&graph, writer, "lstm");
        lw_graph_input(&graph, "rows", model->n_dims);
        lw_graph_input(&graph, "state", n_state);
        lw_graph_holes(&graph);
        graph_state(&graph, model);
        graph_residuals(&graph, model);
        graph_step(&graph, model, weights, form);
        lw_graph_lengths(&graph, "residuals", "nothing");
        lw_graph_output(&graph, "next_state", n_state);
        lw_graph_end(&graph);
        st = writer->status;
    }
    lw_mem_free(weights);
    return st;
}
