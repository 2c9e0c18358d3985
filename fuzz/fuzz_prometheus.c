/*
 * Any bytes as an answer of Prometheus' range API: read, or refused with a reason.
 *
 * What is checked beside memory: times of a series only grow, every value can be taken once, and no
 * key has more labels than there is room for.
 */
#include "connect/prometheus/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static void series_check(struct lw_prometheus_matrix *matrix, size_t series)
{
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_key key;
    int64_t time_ns, before_ns = INT64_MIN;
    double value;

    if (lw_prometheus_key(matrix, series, "query_1", labels, &key)) {
        require(key.metric != NULL && key.n_labels <= LW_LABELS_MAX, "a key has a metric");
        for (size_t i = 0; i < key.n_labels; i++) {
            require(labels[i].name != NULL && labels[i].value != NULL, "labels are text");
        }
    }
    while (lw_prometheus_peek(matrix, series, &time_ns, &value)) {
        require(time_ns > before_ns, "times grow");
        before_ns = time_ns;
        lw_prometheus_take(matrix, series);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_prometheus_matrix *matrix = NULL;
    struct lw_error error = {0};
    char told[200];
    enum lw_status status = lw_prometheus_matrix_read((const char *)data, n_bytes, &matrix, &error);

    (void)lw_prometheus_error((const char *)data, n_bytes, told, sizeof(told));
    if (status != LW_OK) {
        require(matrix == NULL && error.message[0] != '\0', "a refusal has a reason");
        return 0;
    }
    for (size_t i = 0; i < lw_prometheus_n_series(matrix); i++) {
        series_check(matrix, i);
    }
    lw_prometheus_matrix_free(matrix);
    return 0;
}
