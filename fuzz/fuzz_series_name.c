/* Any bytes as the name of a series: what is read is written in one canonical way, which reads back
 * the same. */
#include "stream/series_name.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void check_key(const char *labels, const struct lw_series_name *name)
{
    struct lw_entity_key key;
    char text[LW_NAME_MAX];

    if (lw_entity_key_parse(labels, &key, NULL) == LW_OK) {
        if (lw_entity_key_name(&key, name, text, NULL) == LW_OK) {
            assert(strlen(text) < LW_NAME_MAX);
        }
        if (lw_entity_key_rest(&key, name, text, NULL) == LW_OK) {
            assert(strlen(text) < LW_NAME_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_series_name name, again;
    char text[LW_NAME_MAX], second[LW_NAME_MAX];

    if (lw_series_name_parse((const char *)data, n_bytes, &name, NULL) != LW_OK) {
        return 0;
    }
    check_key("a,instance", &name);
    check_key(lw_series_name_metric(&name), &name);
    (void)lw_glob_match_any(lw_series_name_metric(&name), lw_series_name_metric(&name));
    if (lw_series_name_format(&name, text, NULL) != LW_OK) {
        return 0;
    }
    if (lw_series_name_parse(text, strlen(text), &again, NULL) != LW_OK ||
        lw_series_name_format(&again, second, NULL) != LW_OK || strcmp(text, second) != 0 ||
        again.n_labels != name.n_labels) {
        abort();
    }
    return 0;
}
