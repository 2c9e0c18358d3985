/* The shape of a model in an ONNX file, shared by the files that fit, run and store it: see
 * model/onnx.c. */
#ifndef LW_MODEL_ONNX_INTERNAL_H
#define LW_MODEL_ONNX_INTERNAL_H

#include "model/model.h"
#include "model/onnx.h"
#include "model/onnx_runtime.h"
#include "model/onnx_scan.h"

#define LW_ONNX_BATCH_MAX 1024
#define LW_ONNX_STATE_MAX 8192u /* Floats of a graph's state. */
#define LW_ONNX_STATE "state"
#define LW_ONNX_NEXT_STATE "next_state"

/* Immutable. In one block of memory, the session apart. */
struct lw_model {
    size_t n_dims;
    size_t n_state;               /* Floats of the graph's state; 0 for a graph without. */
    enum lw_onnx_reading reading; /* Not LW_ONNX_BY_SHAPE. */
    size_t rank;                  /* Of the output: 1 or 2. */
    bool keeps_holes;
    bool is_reverse;
    uint32_t batch; /* 1 to LW_ONNX_BATCH_MAX. */
    float shift;    /* Finite, >= 0. */
    char input[LW_ONNX_NAME_MAX];
    char output[LW_ONNX_NAME_MAX];
    struct lw_onnx_session *session; /* Owned. */
    float *gains;                    /* [n_dims]; all 1 but for a reconstruction. */
    uint8_t *bytes;                  /* The file. */
    size_t n_bytes;
};

/* What goes into a run of n rows and comes out of it. */
struct lw_onnx_io {
    float *rows;  /* [n][n_dims], clean. */
    float *state; /* [n][n_state]; both NULL-able when n_state is 0. */
    float *next;  /* [n][n_state] */
    float *out;   /* [n], or [n][n_dims] of a reconstruction. */
};

enum lw_status lw_onnx_run(const struct lw_model *model, size_t n, const struct lw_onnx_io *io,
                           struct lw_error *reterr) LW_MUST_USE;
/* A row as the graph takes it. */
void lw_onnx_row_clean(const struct lw_model *model, const float *row, float *ret_row);
/* In place: a reconstruction of the row becomes the scaled residuals, 0 where the row has a hole.
 */
void lw_onnx_row_residuals(const struct lw_model *model, const float *row, float *values);
void lw_onnx_destroy(struct lw_model *model);

/* model/onnx_fit.c */
enum lw_status lw_onnx_fit(const void *options, const struct lw_model_rows *rows,
                           struct lw_rng *rng, struct lw_model **ret_model,
                           struct lw_error *reterr);

/* Of a head: n_dims, reading, keeps_holes, is_reverse, batch, shift and output are read, an output
 * of "" is chosen, and so is a reading of LW_ONNX_BY_SHAPE. The bytes are copied. */
enum lw_status lw_onnx_create(const struct lw_model *head, const char *library,
                              const uint8_t *bytes, struct lw_model **ret_model,
                              struct lw_error *reterr);

/* model/onnx_saved.c */
void lw_onnx_save(const struct lw_model *model, struct lw_writer *writer);
enum lw_status lw_onnx_load(struct lw_reader *reader, struct lw_model **ret_model,
                            struct lw_error *reterr);

#endif
