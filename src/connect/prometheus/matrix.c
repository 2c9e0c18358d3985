/* Reading a matrix with jansson: see connect/prometheus/matrix.h. */
#include "connect/prometheus/matrix.h"

#include "base/error.h"
#include "base/mem.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define TIME_MAX_S 9.0e9 /* The year 2255: nanoseconds of it still fit. */

struct matrix_series {
    const json_t *labels, *values; /* Parts of the tree. */
    size_t at;
};

struct lw_prometheus_matrix {
    json_t *tree;
    struct matrix_series *series;
    size_t n_series;
    uint64_t n_histograms;
};

static json_t *tree_of(const char *bytes, size_t n_bytes, struct lw_error *reterr)
{
    json_error_t error;
    json_t *tree = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &error);

    if (tree == NULL) {
        (void)lw_error_set(reterr, LW_EFORMAT, "the answer is no JSON: line %d: %.200s", error.line,
                           error.text);
    }
    return tree;
}

bool lw_prometheus_error(const char *bytes, size_t n_bytes, char *ret_text, size_t capacity)
{
    json_t *tree = tree_of(bytes, n_bytes, NULL);
    const char *text = json_string_value(json_object_get(tree, "error"));
    const char *type = json_string_value(json_object_get(tree, "errorType"));

    if (text != NULL) {
        (void)snprintf(ret_text, capacity, "%s%s%s", type == NULL ? "" : type,
                       type == NULL ? "" : ": ", text);
    }
    json_decref(tree);
    return text != NULL;
}

/* A pair [seconds, "value"]. */
static bool pair_read(const json_t *pair, int64_t *ret_time_ns, double *ret_value)
{
    const json_t *time = json_array_get(pair, 0);
    const char *text = json_string_value(json_array_get(pair, 1));
    double time_s;
    char *end;

    if (json_array_size(pair) != 2 || !json_is_number(time) || text == NULL || text[0] == '\0') {
        return false;
    }
    time_s = json_number_value(time);
    *ret_value = strtod(text, &end);
    if (*end != '\0' || !(fabs(time_s) < TIME_MAX_S)) {
        return false;
    }
    *ret_time_ns = llround(time_s * 1e3) * NS_PER_MS;
    return true;
}

static enum lw_status values_check(const json_t *values, size_t series, struct lw_error *reterr)
{
    int64_t before_ns = INT64_MIN;

    for (size_t i = 0; i < json_array_size(values); i++) {
        int64_t time_ns;
        double value;

        if (!pair_read(json_array_get(values, i), &time_ns, &value)) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "series %zu of the answer: value %zu is not [seconds, \"number\"]",
                                series + 1, i + 1);
        }
        if (time_ns <= before_ns) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "series %zu of the answer: the time of value %zu is not behind the "
                                "one before",
                                series + 1, i + 1);
        }
        before_ns = time_ns;
    }
    return LW_OK;
}

static enum lw_status series_read(const json_t *item, size_t number, struct matrix_series *series,
                                  struct lw_error *reterr)
{
    const json_t *labels = json_object_get(item, "metric");
    const json_t *values = json_object_get(item, "values");
    const char *name;
    json_t *value;

    if (!json_is_object(labels) || (values != NULL && !json_is_array(values))) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "series %zu of the answer has no \"metric\" or no list of \"values\"",
                            number + 1);
    }
    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (!json_is_string(value)) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "series %zu of the answer: label \"%.100s\" is no text", number + 1,
                                name);
        }
    }
    series->labels = labels;
    series->values = values;
    return values_check(values, number, reterr);
}

static enum lw_status matrix_fill(struct lw_prometheus_matrix *matrix, struct lw_error *reterr)
{
    const json_t *data = json_object_get(matrix->tree, "data");
    const json_t *result = json_object_get(data, "result");
    const char *answer = json_string_value(json_object_get(matrix->tree, "status"));
    const char *type = json_string_value(json_object_get(data, "resultType"));
    enum lw_status status = LW_OK;

    if (answer == NULL || strcmp(answer, "success") != 0) {
        const char *text = json_string_value(json_object_get(matrix->tree, "error"));

        return lw_error_set(
            reterr, LW_EFORMAT, "%.300s",
            text == NULL || text[0] == '\0' ? "the answer is none of Prometheus' query API" : text);
    }
    if (type == NULL || strcmp(type, "matrix") != 0 || !json_is_array(result)) {
        return lw_error_set(reterr, LW_EFORMAT, "expected a matrix, got \"%.50s\"",
                            type == NULL ? "" : type);
    }
    matrix->n_series = json_array_size(result);
    matrix->series = lw_mem_calloc(matrix->n_series + 1, sizeof(*matrix->series));
    if (matrix->series == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series", matrix->n_series);
    }
    for (size_t i = 0; i < matrix->n_series && status == LW_OK; i++) {
        const json_t *item = json_array_get(result, i);

        matrix->n_histograms += json_array_size(json_object_get(item, "histograms"));
        status = series_read(item, i, &matrix->series[i], reterr);
    }
    return status;
}

enum lw_status lw_prometheus_matrix_read(const char *bytes, size_t n_bytes,
                                         struct lw_prometheus_matrix **ret_matrix,
                                         struct lw_error *reterr)
{
    struct lw_prometheus_matrix *matrix = lw_mem_calloc(1, sizeof(*matrix));
    enum lw_status status;

    if (matrix == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for an answer");
    }
    matrix->tree = tree_of(bytes, n_bytes, reterr);
    status = matrix->tree == NULL ? LW_EFORMAT : matrix_fill(matrix, reterr);
    if (status != LW_OK) {
        lw_prometheus_matrix_free(matrix);
        return status;
    }
    *ret_matrix = matrix;
    return LW_OK;
}

void lw_prometheus_matrix_free(struct lw_prometheus_matrix *matrix)
{
    if (matrix == NULL) {
        return;
    }
    json_decref(matrix->tree);
    lw_mem_free(matrix->series);
    lw_mem_free(matrix);
}

size_t lw_prometheus_n_series(const struct lw_prometheus_matrix *matrix)
{
    return matrix->n_series;
}

uint64_t lw_prometheus_n_histograms(const struct lw_prometheus_matrix *matrix)
{
    return matrix->n_histograms;
}

bool lw_prometheus_key(const struct lw_prometheus_matrix *matrix, size_t series,
                       const char *fallback, struct lw_label *ret_labels,
                       struct lw_series_key *ret_key)
{
    const json_t *labels = matrix->series[series].labels;
    struct lw_series_key key = {.metric = fallback, .labels = ret_labels};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (strcmp(name, "__name__") == 0) {
            key.metric = json_string_value(value);
            continue;
        }
        if (key.n_labels == LW_LABELS_MAX) {
            return false;
        }
        ret_labels[key.n_labels++] = (struct lw_label){name, json_string_value(value)};
    }
    *ret_key = key;
    return true;
}

bool lw_prometheus_peek(const struct lw_prometheus_matrix *matrix, size_t series,
                        int64_t *ret_time_ns, double *ret_value)
{
    const struct matrix_series *from = &matrix->series[series];

    return from->at < json_array_size(from->values) &&
           pair_read(json_array_get(from->values, from->at), ret_time_ns, ret_value);
}

void lw_prometheus_take(struct lw_prometheus_matrix *matrix, size_t series)
{
    matrix->series[series].at++;
}
