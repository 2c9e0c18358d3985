/* Files of lines "word number". */
#include "connect/host/fields.h"

#include <assert.h>

void lw_host_fields_init(struct lw_host_fields *fields)
{
    for (size_t i = 0; i < LW_HOST_FIELDS_MAX; i++) {
        fields->series[i] = LW_HOST_SERIES_NEW;
    }
}

void lw_host_fields_take(struct lw_host_fields *fields, struct lw_scan scan,
                         const struct lw_host_field *table, size_t n, struct lw_host_batch *batch)
{
    struct lw_scan line;
    struct lw_word word;
    uint64_t value;

    assert(n <= LW_HOST_FIELDS_MAX);
    while (lw_scan_line(&scan, &line)) {
        size_t i = 0;

        if (!lw_scan_word(&line, &word)) {
            continue;
        }
        while (i < n && !lw_word_is(word, table[i].word)) {
            i++;
        }
        if (i < n && lw_scan_u64(&line, &value)) {
            const struct lw_series_key key = {.metric = table[i].metric};

            lw_host_batch_add(batch, &fields->series[i], &key, (double)value * table[i].unit);
        } else if (i < n) {
            lw_host_batch_drop(batch, "bad_line");
        }
    }
}
