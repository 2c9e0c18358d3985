/*
 * Another library's code, fetched at run time: ONNX Runtime's C interface, as far as models need
 * it. See model/onnx_runtime.c.
 */
#ifndef LW_MODEL_ONNX_RUNTIME_H
#define LW_MODEL_ONNX_RUNTIME_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_ONNX_PORTS_MAX 16 /* Inputs, and outputs, of a graph. */
#define LW_ONNX_RANK_MAX 4
#define LW_ONNX_NAME_MAX 128 /* Bytes of an input's or output's name, terminator included. */

/* What a graph says of an input or output. */
struct lw_onnx_port {
    char name[LW_ONNX_NAME_MAX];
    bool is_float;                  /* A tensor of 32-bit floats. */
    size_t rank;                    /* LW_ONNX_RANK_MAX + 1 when it is higher than that. */
    int64_t dims[LW_ONNX_RANK_MAX]; /* -1 where the size is left open. */
};

/* Floats that go in or come out; the caller's memory. */
struct lw_onnx_tensor {
    const char *name;
    float *values;
    size_t rank; /* 1 or 2. */
    int64_t dims[2];
};

struct lw_onnx_session;

/* Loads the library, where that has not happened yet, and a graph from its bytes, which are
 * borrowed for the call. library: a path, or "" for what LAPWING_ONNXRUNTIME names, or else
 * libonnxruntime.so.1. LW_ENOTFOUND without the library, LW_EVERSION when it is too old, LW_EFORMAT
 * for bytes that it refuses, LW_ELIMIT for more inputs, outputs or longer names than fit. */
enum lw_status lw_onnx_session_create(const char *library, const void *bytes, size_t n_bytes,
                                      struct lw_onnx_session **ret_session,
                                      struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_onnx_session_destroy(struct lw_onnx_session *session);
size_t lw_onnx_session_n_inputs(const struct lw_onnx_session *session);
size_t lw_onnx_session_n_outputs(const struct lw_onnx_session *session);
const struct lw_onnx_port *lw_onnx_session_input(const struct lw_onnx_session *session, size_t i);
const struct lw_onnx_port *lw_onnx_session_output(const struct lw_onnx_session *session, size_t i);

/* At most 2 inputs and 2 outputs. Outputs must come in the very shapes that are given. LW_EINVAL
 * says why a run failed. Many threads may run one session at once, each in its own caller; the
 * library allocates memory of its own on every run. */
enum lw_status lw_onnx_session_run(const struct lw_onnx_session *session,
                                   const struct lw_onnx_tensor *inputs, size_t n_inputs,
                                   const struct lw_onnx_tensor *outputs, size_t n_outputs,
                                   struct lw_error *reterr) LW_MUST_USE;

#endif
