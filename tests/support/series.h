/* A real series of tests/data/series, "timestamp,value" with a header, for tests and benches. A
 * file that cannot be read ends the process. */
#ifndef LW_TESTS_SUPPORT_SERIES_H
#define LW_TESTS_SUPPORT_SERIES_H

#include "base/time_text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LW_TEST_SERIES_MAX 8192

struct lw_test_series {
    size_t n;
    int64_t times_ns[LW_TEST_SERIES_MAX];
    double values[LW_TEST_SERIES_MAX];
};

/* name: a file below LW_TEST_DATA "/series/". The series is the caller's to free(). */
static inline struct lw_test_series *lw_test_series_read(const char *name)
{
    struct lw_test_series *series = calloc(1, sizeof(*series));
    char line[256];
    FILE *file;

    (void)snprintf(line, sizeof(line), "%s/series/%s", LW_TEST_DATA, name);
    file = fopen(line, "r");
    if (series == NULL || file == NULL || fgets(line, sizeof(line), file) == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", line);
        exit(1);
    }
    while (series->n < LW_TEST_SERIES_MAX && fgets(line, sizeof(line), file) != NULL) {
        const char *comma = strchr(line, ',');

        if (comma == NULL ||
            !lw_time_parse_iso(line, (size_t)(comma - line), &series->times_ns[series->n])) {
            (void)fprintf(stderr, "%s: no row of time and value: %s\n", name, line);
            exit(1);
        }
        series->values[series->n++] = strtod(comma + 1, NULL);
    }
    (void)fclose(file);
    return series;
}

#endif
