/*
 * Any bytes as a request of OTLP metrics in protobuf, read twice: by a source that knows nothing,
 * then by the same with every series known.
 *
 * What is checked beside memory: both readings give the same samples and refuse alike, every
 * series has a name and labels that can be, and every point is either taken or rejected.
 */
#include "otlp.h"

#include "connect/otlp/push_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    otlp_fuzz("application/x-protobuf", data, n_bytes);
    return 0;
}
