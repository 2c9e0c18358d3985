/* Any bytes as a time-zone file: never a read outside, and offsets within what RFC 8536 allows. */
#include "base/zone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const int64_t times_s[] = {INT64_MIN,
                                      -1,
                                      0,
                                      1,
                                      INT64_C(1800000000),
                                      INT64_C(4294967295),
                                      INT64_C(4294967296),
                                      INT64_C(5700000000),
                                      INT64_C(1) << 54,
                                      INT64_MAX};
    struct lw_zone *zone = NULL;

    if (lw_zone_parse(data, n_bytes, &zone, NULL) != LW_OK) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(times_s) / sizeof(times_s[0]); i++) {
        int32_t offset_s = lw_zone_offset_s(zone, times_s[i]);

        if (offset_s < -99999 || offset_s > 99999) {
            abort();
        }
    }
    lw_zone_destroy(zone);
    return 0;
}
