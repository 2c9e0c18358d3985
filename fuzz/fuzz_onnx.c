/* Looks through any bytes as an ONNX file: what is refused says why, and twice the same is said. */
#include "model/onnx_scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_error first = {0}, second = {0};
    enum lw_status status = lw_onnx_scan(data, n_bytes, &first);

    if (status != lw_onnx_scan(data, n_bytes, &second) ||
        strcmp(first.message, second.message) != 0 ||
        (status == LW_OK) == (first.message[0] != 0)) {
        abort();
    }
    return 0;
}
