/* Any bytes as a CSV table over HTTP; the first byte chooses a query parameter. */
#include "../tests/support/push_any.h"

#include "connect/csv_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char *const queries[][2] = {
        {"time", "time"},   {"time", "1"},      {"time", "none"},     {"layout", "long"},
        {"layout", "wide"}, {"separator", ";"}, {"separator", "tab"}, {"entity", "2"}};
    struct lw_push_input input = {.path = "/v1/samples/csv", .content_type = "text/csv"};
    struct push_any any = {0};

    if (n_bytes == 0) {
        return 0;
    }
    any.query_name = queries[data[0] & 7][0];
    any.query = queries[data[0] & 7][1];
    input.body = data + 1;
    input.n_bytes = n_bytes - 1;
    push_any_take(&lw_push_csv, &any, input);
    return 0;
}
