/* An autoencoder as an ONNX graph: what model/autoencoder.c computes, holes included. */
#include "model/autoencoder_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/onnx_export.h"
#include "model/onnx_graph.h"

static void graph_write(const struct lw_model *model, const float *weights,
                        const struct lw_onnx_form *form, struct lw_writer *writer)
{
    static const char *const names[] = {"x", "layer_0", "layer_1", "layer_2", "layer_3"};
    static const char *const bent[] = {NULL, "layer_0_bent", "layer_1_bent", "layer_2_bent"};
    struct lw_graph graph;

    lw_graph_begin(&graph, writer, "autoencoder");
    lw_graph_input(&graph, "rows", model->n_dims);
    lw_graph_holes(&graph);
    lw_graph_scalar(&graph, "centre", 0.0f);
    lw_graph_scalar(&graph, "least", -LW_NET_REACH);
    lw_graph_scalar(&graph, "most", LW_NET_REACH);
    lw_graph_op(&graph, "Where", "missing centre rows", "known");
    lw_graph_op(&graph, "Clip", "known least most", "x");
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        struct lw_graph_dense dense = {.layer = &model->layers[k],
                                       .weights = weights + (model->weights[k] - model->weights[0]),
                                       .in = k == 0 ? names[0] : bent[k],
                                       .out = names[k + 1]};

        lw_graph_dense(&graph, form, &dense);
        if (k + 1 < LW_AUTOENCODER_LAYERS) {
            lw_graph_op(&graph, "Tanh", names[k + 1], bent[k + 1]);
        }
    }
    lw_graph_floats(&graph, "gains", model->gains, model->n_dims);
    lw_graph_op(&graph, "Sub", "x layer_3", "rest");
    lw_graph_op(&graph, "Mul", "rest gains", "scaled");
    lw_graph_op(&graph, "Where", "missing centre scaled", "residuals");
    lw_graph_lengths(&graph, "residuals", "unknown");
    lw_graph_end(&graph);
}

enum lw_status lw_autoencoder_export_onnx(const struct lw_model *model,
                                          const struct lw_onnx_form *form, struct lw_writer *writer,
                                          struct lw_error *reterr)
{
    float *weights = lw_mem_alloc(model->n_weights * sizeof(*weights));
    enum lw_status st;

    if (weights == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "autoencoder: no memory for %zu weights",
                            model->n_weights);
    }
    memcpy(weights, model->weights[0], model->n_weights * sizeof(*weights));
    st = lw_graph_prune(model->layers, LW_AUTOENCODER_LAYERS, form->prune, weights, reterr);
    if (st == LW_OK) {
        graph_write(model, weights, form, writer);
        st = writer->status;
    }
    lw_mem_free(weights);
    return st;
}
