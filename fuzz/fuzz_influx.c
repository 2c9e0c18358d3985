/* Any bytes as line protocol. The first byte chooses version and precision. Lines end where they
 * should, and together they are the body. */
#include "../tests/support/push_any.h"

#include "connect/influx/influx_line.h"
#include "connect/influx/influx_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void lines_check(const char *at, const char *end)
{
    static struct lw_influx_line line;
    uint64_t n_ends = 0, expected = 0;

    for (const char *byte = at; byte < end; byte++) {
        expected += *byte == '\n';
    }
    while (at < end) {
        const char *behind = lw_influx_line_read(at, end, &line);

        push_any_require(behind > at && behind <= end, "lines go on");
        push_any_require(line.begin >= at && line.begin + line.n_bytes <= behind,
                         "a line lies within its bytes");
        push_any_require(line.wrong != NULL || line.series == NULL || line.n_fields > 0,
                         "good lines have fields");
        n_ends += line.n_ends;
        at = behind;
    }
    push_any_require(n_ends == expected, "every line end is counted once");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char *const units[] = {"ns", "s", "h", "ms"};
    struct push_any any = {.query_name = "precision"};
    struct lw_push_input input = {.path = "/write"};

    if (n_bytes == 0) {
        return 0;
    }
    any.query = units[data[0] & 3];
    input.path = (data[0] & 4) != 0 ? "/api/v2/write" : "/write";
    input.body = data + 1;
    input.n_bytes = n_bytes - 1;
    lines_check((const char *)data + 1, (const char *)data + n_bytes);
    push_any_take(&lw_push_influx, &any, input);
    return 0;
}
