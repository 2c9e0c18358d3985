/* Any bytes as JSON: the scanner and jansson agree on what is taken and on every value, and numbers
 * as text are the numbers that were read. */
#include "../tests/support/json_oracle.h"

#include "connect/json_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_json_scan scan;
    struct lw_json_text text;
    double value;

    if (!json_oracle_agrees((const char *)data, n_bytes)) {
        abort();
    }
    lw_json_scan_init(&scan, (const char *)data, n_bytes);
    if (lw_json_scan_number_text(&scan, &text)) {
        size_t at = lw_json_scan_at(&scan);

        lw_json_scan_init(&scan, (const char *)data, n_bytes);
        if (lw_json_scan_number(&scan, &value) && lw_json_scan_at(&scan) != at) {
            abort();
        }
    }
    return 0;
}
