/* The class "onnx": any model in an ONNX file. See model/onnx.c and docs/models/onnx.md. */
#ifndef LW_MODEL_ONNX_H
#define LW_MODEL_ONNX_H

#include "model/model.h"

#include <stdint.h>

#define LW_ONNX_PATH_MAX 1024
#define LW_ONNX_OUTPUT_MAX 128 /* As LW_ONNX_NAME_MAX. */

/* What an output is taken for. */
enum lw_onnx_reading {
    LW_ONNX_BY_SHAPE, /* Of the rows' shape: a reconstruction; one number a row: a distance. */
    LW_ONNX_DISTANCE,
    LW_ONNX_RECONSTRUCTION
};

/* What a hole becomes. */
enum lw_onnx_holes {
    LW_ONNX_HOLES_CENTRE, /* 0, the view's centre. */
    LW_ONNX_HOLES_KEEP    /* NaN, for graphs that know what to do with it, as ours do. */
};

struct lw_onnx_options {
    char path[LW_ONNX_PATH_MAX];
    char library[LW_ONNX_PATH_MAX];
    char output[LW_ONNX_OUTPUT_MAX];
    int reading; /* enum lw_onnx_reading */
    int holes;   /* enum lw_onnx_holes */
    bool reverse;
    int64_t batch;
};

extern const struct lw_model_class lw_model_onnx;

/* The same fit from a file's bytes, which are copied; options->path is not read. */
enum lw_status lw_onnx_fit_bytes(const struct lw_onnx_options *options, const void *bytes,
                                 size_t n_bytes, const struct lw_model_rows *rows,
                                 struct lw_model **ret_model, struct lw_error *reterr) LW_MUST_USE;

#endif
