/* Any bytes as JSON lines, or as one JSON document, by the first byte. */
#include "../tests/support/push_any.h"

#include "connect/json_lines.h"
#include "connect/json_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* What both skimming and reading take is the same. */
static void line_check(const char *text, size_t n_bytes)
{
    static struct lw_json_line read, skimmed;
    char wrong[LW_JSON_LINES_WRONG_MAX];

    if (!lw_json_line_read(text, n_bytes, LW_TIME_S, &read, wrong)) {
        push_any_require(wrong[0] != '\0', "failures have a message");
        return;
    }
    push_any_require(!lw_json_line_skim(text, n_bytes, LW_TIME_S, &skimmed) ||
                         (skimmed.n_readings == read.n_readings && skimmed.labels == read.labels &&
                          skimmed.n_labels == read.n_labels && skimmed.is_plain == read.is_plain &&
                          skimmed.has_time == read.has_time &&
                          (!read.has_time || skimmed.time_ns == read.time_ns)),
                     "skimming is reading");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char *const units[] = {"s", "ms", "us", "ns"};
    struct push_any any = {.query_name = "precision"};
    struct lw_push_input input = {.path = "/v1/samples"};

    if (n_bytes == 0) {
        return 0;
    }
    any.query = units[data[0] & 3];
    input.content_type = (data[0] & 4) != 0 ? "application/json" : "application/x-ndjson";
    input.body = data + 1;
    input.n_bytes = n_bytes - 1;
    line_check((const char *)data + 1, n_bytes - 1);
    push_any_take(&lw_push_json, &any, input);
    return 0;
}
