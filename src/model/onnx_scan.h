/* Looks through an ONNX file before another library does. See model/onnx_scan.c. */
#ifndef LW_MODEL_ONNX_SCAN_H
#define LW_MODEL_ONNX_SCAN_H

#include "lapwing/status.h"

#include <stddef.h>

#define LW_ONNX_BYTES_MAX 67108864u /* 64 MiB: of a file. */

/* LW_EFORMAT unless the bytes are messages all through, with a graph in them, no deeper than 32
 * levels, and no tensor's data lies in another file; LW_ELIMIT for more than LW_ONNX_BYTES_MAX.
 * Allocates nothing, reads each byte at most once a level. */
enum lw_status lw_onnx_scan(const void *bytes, size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;

#endif
