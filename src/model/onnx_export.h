/* Models of ours as ONNX graphs, and what such a form of a model loses. */
#ifndef LW_MODEL_ONNX_EXPORT_H
#define LW_MODEL_ONNX_EXPORT_H

#include "model/model.h"

/* The classes' own, by struct lw_model_class. */
enum lw_status lw_autoencoder_export_onnx(const struct lw_model *model,
                                          const struct lw_onnx_form *form, struct lw_writer *writer,
                                          struct lw_error *reterr);
enum lw_status lw_iforest_export_onnx(const struct lw_model *model, const struct lw_onnx_form *form,
                                      struct lw_writer *writer, struct lw_error *reterr);
enum lw_status lw_lstm_export_onnx(const struct lw_model *model, const struct lw_onnx_form *form,
                                   struct lw_writer *writer, struct lw_error *reterr);

/* Writes any model as an ONNX graph. LW_EINVAL when the class has no such graph, or not in that
 * form, or for a share outside [0, 1); LW_ENOMEM. */
enum lw_status lw_onnx_export(const struct lw_model_class *model_class,
                              const struct lw_model *model, const struct lw_onnx_form *form,
                              struct lw_writer *writer, struct lw_error *reterr) LW_MUST_USE;

/* What an exported model's scores are beside the model's own. */
struct lw_onnx_loss {
    size_t n_rows;           /* Rows that both could judge. */
    double max_error;        /* Of a score, relative to the model's own, but to no less than a */
    double mean_error;       /* hundredth of its mean. */
    double rank_correlation; /* Spearman's, in [-1, 1]; NaN when either gives one score only. */
    size_t n_bytes;          /* Of the graph. */
    size_t n_float_bytes;    /* Of the graph that has lost nothing. */
};

/*
 * Exports a model, runs the graph in ONNX Runtime and compares its scores with the model's own.
 *
 * rows: the next ones of one entity, of the model's columns; runs begin with a fresh state. At most
 * LW_MODEL_ROWS_MAX. Fails as lw_onnx_export does, and as
 * loading a model of class onnx does; LW_EINVAL for rows of another width.
 */
enum lw_status lw_onnx_compare(const struct lw_model_class *model_class,
                               const struct lw_model *model, const struct lw_onnx_form *form,
                               const struct lw_model_rows *rows, struct lw_onnx_loss *ret_loss,
                               struct lw_error *reterr) LW_MUST_USE;

#endif
