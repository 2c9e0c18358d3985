/* Answers of Prometheus' range API: what is taken, and what is refused with which words. */
#include "support/test.h"

#include "connect/prometheus/matrix.h"
#include "connect/source_prometheus_range.h"
#include "support/feed_kept.h"

#include <math.h>
#include <string.h>

#define HEAD "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
#define TAIL "]}}"
#define SECOND INT64_C(1000000000)

static struct feed_kept FEED;

static enum lw_status read_text(const char *text, struct lw_prometheus_matrix **ret_matrix,
                                struct lw_error *reterr)
{
    memset(reterr, 0, sizeof(*reterr));
    return lw_prometheus_matrix_read(text, strlen(text), ret_matrix, reterr);
}

static void test_matrix__gives_names_labels_times_and_values(void **state)
{
    static const char text[] = HEAD
        "{\"metric\":{\"__name__\":\"up\",\"job\":\"node\",\"instance\":\"a\"},"
        "\"values\":[[-1.5,\"1\"],[1767225600.25,\"NaN\"],[1767225601,\"-Inf\"]]},"
        "{\"metric\":{},\"values\":[[1,\"2.5e-3\"]]}" TAIL;
    static const int64_t times[] = {-1500000000, INT64_C(1767225600250000000),
                                    INT64_C(1767225601000000000)};
    struct lw_prometheus_matrix *matrix = NULL;
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_key key;
    struct lw_error error;
    int64_t time_ns = 0;
    double values[3], value = 0.0;

    (void)state;
    assert_int_equal(read_text(text, &matrix, &error), LW_OK);
    assert_int_equal(lw_prometheus_n_series(matrix), 2);
    assert_true(lw_prometheus_key(matrix, 0, "query_1", labels, &key));
    assert_string_equal(key.metric, "up");
    assert_int_equal(key.n_labels, 2);
    assert_string_equal(key.labels[0].name, "job");
    assert_string_equal(key.labels[1].value, "a");
    for (int i = 0; i < 3; i++) {
        assert_true(lw_prometheus_peek(matrix, 0, &time_ns, &values[i]));
        assert_int_equal(time_ns, times[i]);
        lw_prometheus_take(matrix, 0);
    }
    assert_true(values[0] == 1.0 && isnan(values[1]) && isinf(values[2]) && values[2] < 0.0);
    assert_false(lw_prometheus_peek(matrix, 0, &time_ns, &value));
    assert_true(lw_prometheus_key(matrix, 1, "query_1", labels, &key));
    assert_string_equal(key.metric, "query_1");
    assert_true(lw_prometheus_peek(matrix, 1, &time_ns, &value));
    assert_true(value == 2.5e-3);
    lw_prometheus_matrix_free(matrix);
}

static void test_matrix__refuses_what_is_no_answer(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "no JSON"},
        {"<html>", "no JSON"},
        {"{}", "none of Prometheus"},
        {"[]", "none of Prometheus"},
        {"{\"status\":\"error\",\"error\":\"parse error at char 5\"}", "parse error at char 5"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
         "\"vector\""},
        {"{\"status\":\"success\",\"status\":\"success\"}", "no JSON"},
        {HEAD "7" TAIL, "series 1"},
        {HEAD "{\"metric\":{},\"values\":[]},{\"values\":[]}" TAIL, "series 2"},
        {HEAD "{\"metric\":{\"a\":1},\"values\":[]}" TAIL, "label \"a\""},
        {HEAD "{\"metric\":{},\"values\":[[1,\"1\"],[1,\"1\"]]}" TAIL, "value 2"},
        {HEAD "{\"metric\":{},\"values\":[[1,\"1x\"]]}" TAIL, "value 1"},
        {HEAD "{\"metric\":{},\"values\":[[1,2]]}" TAIL, "value 1"},
        {HEAD "{\"metric\":{},\"values\":[[1e300,\"2\"]]}" TAIL, "value 1"},
        {HEAD "{\"metric\":{},\"values\":[[1,\"\"]]}" TAIL, "value 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_prometheus_matrix *matrix = NULL;
        struct lw_error error;

        assert_int_equal(read_text(cases[i].text, &matrix, &error), LW_EFORMAT);
        if (strstr(error.message, cases[i].words) == NULL) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, error.message, cases[i].words);
        }
        assert_null(matrix);
    }
}

static void test_matrix__leaves_out_more_labels_than_fit_and_counts_histograms(void **state)
{
    char text[4096] = HEAD "{\"metric\":{";
    struct lw_prometheus_matrix *matrix = NULL;
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_key key;
    struct lw_error error;
    size_t n = strlen(text);

    (void)state;
    for (int i = 0; i <= LW_LABELS_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"l%d\":\"v\"", i == 0 ? "" : ",", i);
    }
    (void)snprintf(text + n, sizeof(text) - n,
                   "},\"values\":[]},{\"metric\":{},\"histograms\":[[1,{}],[2,{}]]}" TAIL);
    assert_int_equal(read_text(text, &matrix, &error), LW_OK);
    assert_false(lw_prometheus_key(matrix, 0, "q", labels, &key));
    assert_true(lw_prometheus_key(matrix, 1, "q", labels, &key));
    assert_int_equal(lw_prometheus_n_histograms(matrix), 2);
    lw_prometheus_matrix_free(matrix);
}

static enum lw_status open_range(const char *url, int64_t from_ns, int64_t to_ns, int64_t step_ns,
                                 struct lw_error *reterr)
{
    static const char *const queries[] = {"up"};
    const struct lw_feed feed = feed_kept_start(&FEED);
    const struct lw_prometheus_range_setup setup = {.url = url,
                                                    .queries = queries,
                                                    .n_queries = 1,
                                                    .from_ns = from_ns,
                                                    .to_ns = to_ns,
                                                    .step_ns = step_ns,
                                                    .feed = &feed};
    struct lw_source_prometheus_range *source = NULL;
    enum lw_status status = lw_source_prometheus_range_open(&setup, &source, reterr);

    lw_source_prometheus_range_close(source);
    return status;
}

static void test_range__is_refused_before_anything_is_asked(void **state)
{
    static const char url[] = "http://127.0.0.1:9";
    struct lw_error error;

    (void)state;
    assert_int_equal(open_range(url, 0, 100 * SECOND, 15 * SECOND, &error), LW_OK);
    assert_int_equal(open_range("https://h:1/prometheus/", 0, SECOND, SECOND, &error), LW_OK);
    assert_int_equal(open_range(url, 0, SECOND, 0, &error), LW_EINVAL);
    assert_int_equal(open_range(url, 0, SECOND, 1500000, &error), LW_EINVAL);
    assert_int_equal(open_range(url, 2 * SECOND, SECOND, SECOND, &error), LW_EINVAL);
    /* No multiple of the step lies between. */
    assert_int_equal(open_range(url, SECOND, 2 * SECOND, 15 * SECOND, &error), LW_EINVAL);
    assert_int_equal(open_range(url, 0, 50000001 * SECOND, SECOND, &error), LW_EINVAL);
    assert_int_equal(open_range("file:///etc/passwd", 0, SECOND, SECOND, &error), LW_EINVAL);
    assert_int_equal(open_range("http://", 0, SECOND, SECOND, &error), LW_EINVAL);
    assert_int_equal(open_range("http://me:secret@h/", 0, SECOND, SECOND, &error), LW_EINVAL);
    assert_null(strstr(error.message, "secret"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix__gives_names_labels_times_and_values),
        cmocka_unit_test(test_matrix__refuses_what_is_no_answer),
        cmocka_unit_test(test_matrix__leaves_out_more_labels_than_fit_and_counts_histograms),
        cmocka_unit_test(test_range__is_refused_before_anything_is_asked),
    };

    return LW_TEST_RUN(tests);
}
