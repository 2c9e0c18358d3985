/*
 * Any bytes as a request of OTLP metrics in JSON; checked as fuzz_otlp_protobuf.c has it. What is
 * taken must be JSON to jansson too.
 */
#include "otlp.h"

#include "connect/otlp/push_otlp.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (otlp_fuzz("application/json", data, n_bytes) == 200) {
        json_error_t error;
        json_t *root = json_loadb((const char *)data, n_bytes, JSON_ALLOW_NUL, &error);

        /* jansson alone keeps numbers in 64 bits and doubles, and goes 2048 deep. */
        otlp_require(root != NULL || strstr(error.text, "too big") != NULL ||
                         strstr(error.text, "overflow") != NULL,
                     "what is taken is JSON");
        json_decref(root);
    }
    return 0;
}
