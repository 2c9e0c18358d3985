/* JSON lines: what a line may say, what is told of lines that cannot be taken, and that skimming a
 * line never takes what reading it would not. */
#include "base/rng.h"
#include "connect/json_lines.h"
#include "connect/json_push.h"
#include "support/push_call.h"

#include <math.h>

#define LINES                                                                                      \
    ((struct push_call_input){.path = "/v1/samples", .content_type = "application/x-ndjson"})
#define DOCUMENT                                                                                   \
    ((struct push_call_input){.path = "/v1/samples",                                               \
                              .content_type = "application/json; charset=utf-8"})

static struct push_call call;

static int set_up(void **state)
{
    (void)state;
    push_call_init(&call, &lw_push_json, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    push_call_fini(&call);
    return 0;
}

static void test_json_lines__takes_samples(void **state)
{
    (void)state;
    assert_int_equal(
        push_call_take(
            &call, LINES,
            "{\"metric\":\"cpu\",\"labels\":{\"host\":\"a\"},\"time\":1600000000.5,\"value\":0.3}\n"
            "\n"
            "  {\"value\": -2e-3, \"labels\": {}, \"metric\": \"m\\u00e9m\"}\r\n"
            "{\"metric\":\"cpu\",\"value\":null,\"labels\":{\"host\":\"b}\\\"\",\"x\":\"\\n\"}}\n"
            "{\"time\":\"2020-09-13T12:26:41.25Z\",\"labels\":{\"host\":\"a\"},"
            "\"values\":{\"cpu\":0.75,\"load\":2}}"),
        200);
    assert_string_equal(call.body, "{\"taken\":5,\"rejected\":0,\"errors\":[]}");
    push_call_expect(&call, "cpu{host=\"a\"}", 2, 0.75);
    push_call_expect(&call, "load{host=\"a\"}", 1, 2.0);
    push_call_expect(&call, "m\xc3\xa9m", 1, -2e-3);
    assert_true(feed_kept_has(&call.kept, "cpu{host=\"b}\"\",x=\"\n\"}"));
    assert_int_equal(call.kept.n_series, 4);
    assert_non_null(strstr(call.kept.log, "point 0 1600000000500000000 "));
    assert_non_null(strstr(call.kept.log, "point 1 1700000000000000000 "));
    assert_non_null(strstr(call.kept.log, "point 0 1600000001250000000 "));
}

/* The same series in every spelling is one series. */
static void test_json_lines__spellings_are_one_series(void **state)
{
    static const char *const lines[] = {
        "{\"metric\":\"cpu\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"value\":1}",
        "{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"metric\":\"cpu\",\"value\":1}",
        "{\"metric\": \"cpu\", \"labels\": {\"a\": \"1\", \"b\": \"2\"}, \"value\": 1}",
        "{\"metric\":\"c\\u0070u\",\"value\":1,\"labels\":{\"a\":\"1\",\"\\u0062\":\"2\"}}",
        "{\"values\":{\"cpu\":1},\"labels\":{\"a\":\"1\",\"b\":\"2\"}}",
        "{\"m\\u0065tric\":\"cpu\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"value\":1}",
    };
    const size_t n = sizeof(lines) / sizeof(lines[0]);

    (void)state;
    for (size_t i = 0; i < 3 * n; i++) {
        assert_int_equal(push_call_take(&call, LINES, lines[i % n]), 200);
    }
    assert_int_equal(call.kept.n_series, 1);
    push_call_expect(&call, "cpu{a=\"1\",b=\"2\"}", (uint32_t)(3 * n), 1.0);
}

static const struct {
    const char *line, *wrong;
} bad_lines[] = {
    {"{\"metric\":\"a\",\"value\":1", "byte 24: expected \\\",\\\" or \\\"}\\\""},
    {"{\"metric\":\"a\",\"value\":1} x", "byte 26: expected nothing more"},
    {"[1]", "byte 1: expected an object"},
    {"{\"metric\":\"a\"}", "byte 15: value is missing"},
    {"{\"value\":1}", "byte 12: metric is missing"},
    {"{\"metric\":1,\"value\":1}", "byte 11: expected a text"},
    {"{\"metric\":\"a\",\"value\":\"1\"}", "byte 23: expected a number"},
    {"{\"metric\":\"a\",\"value\":NaN}", "byte 23: expected a number"},
    {"{\"metric\":\"a\",\"value\":1,\"value\":2}", "byte 33: value is there twice"},
    {"{\"metric\":\"a\",\"value\":1,\"lables\":{}}",
     "byte 34: a member is none of metric, labels, time, value and values"},
    {"{\"metric\":\"a\",\"value\":1,\"labels\":{\"x\":1}}", "byte 39: expected a text"},
    {"{\"metric\":\"a\",\"labels\":{\"x\":{\"y\":\"z\"}},\"value\":1}", "byte 29: expected a text"},
    {"{\"metric\":\"a\",\"labels\":[],\"value\":1}", "byte 24: expected an object of labels"},
    {"{\"metric\":\"a\",\"labels\":{\"x\":\"1\",\"x\":\"2\"},\"value\":1}",
     "a label is there twice"},
    {"{\"metric\":\"a\",\"labels\":{\"x\":\"\xff\"},\"value\":1}",
     "byte 30: expected text in UTF-8, control characters escaped"},
    {"{\"metric\":\"a\",\"labels\":{\"x\" \"y\"},\"value\":1}", "byte 29: expected \\\":\\\""},
    {"{\"metric\":\"a\",\"value\":1,\"time\":\"soon\"}",
     "byte 38: time is no moment: a number, or text as RFC 3339 has it"},
    {"{\"metric\":\"a\",\"value\":1,\"time\":1e300}",
     "byte 37: time is no moment: a number, or text as RFC 3339 has it"},
    {"{\"metric\":\"a\",\"values\":{\"b\":1}}", "byte 24: values stands beside metric or value"},
    {"{\"values\":{\"b\":1},\"value\":1}", "byte 29: values stands beside metric or value"},
    {"{\"values\":{}}", "byte 13: values is empty"},
    {"{\"values\":{\"b\":1,\"b\":2}}", "byte 22: a metric is there twice"},
    {"{\"metric\":\"a\",\"value\":1e999}", "byte 23: expected a number that a double can hold"},
};

static void test_json_lines__tells_line_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
        char body[512], expected[512];

        (void)snprintf(body, sizeof(body), "{\"metric\":\"good\",\"value\":%zu}\n%s\n", i,
                       bad_lines[i].line);
        (void)snprintf(expected, sizeof(expected),
                       "{\"taken\":1,\"rejected\":1,\"errors\":[{\"line\":2,\"reason\":\"%s\"}]}",
                       bad_lines[i].wrong);
        assert_int_equal(push_call_take(&call, LINES, body), 200);
        assert_string_equal(call.body, expected);
        push_call_expect(&call, "good", (uint32_t)i + 1, (double)i);
        assert_int_equal(push_call_take(&call, LINES, bad_lines[i].line), 400);
    }
    assert_int_equal(call.kept.n_series, 1);
}

static void test_json_lines__reads_times_in_every_precision(void **state)
{
    static const struct {
        const char *query, *time, *expected;
    } cases[] = {
        {"", "1", "point 0 1000000000 "},
        {"precision=s", "-1.5", "point 0 -1500000000 "},
        {"precision=s", "1600000000.123456789", "point 0 1600000000123456789 "},
        {"precision=s", "1600000000.1234567891", "point 0 1600000000123456789 "},
        {"precision=ms", "1600000000123", "point 0 1600000000123000000 "},
        {"precision=ms", "1600000000123.5", "point 0 1600000000123500000 "},
        {"precision=us", "1600000000123456", "point 0 1600000000123456000 "},
        {"precision=ns", "1600000000123456789", "point 0 1600000000123456789 "},
        {"precision=ns", "1.6e18", "point 0 1600000000000000000 "},
        {"precision=s", "1.6E9", "point 0 1600000000000000000 "},
        {"precision=ms", "\"1970-01-01T00:00:01Z\"", "point 0 1000000000 "},
        {"precision=ms", "\"1970-01-01T01:00:01+01:00\"", "point 0 1000000000 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];
        struct push_call_input input = LINES;

        input.query = cases[i].query;
        (void)snprintf(line, sizeof(line), "{\"metric\":\"a\",\"value\":1,\"time\":%s}",
                       cases[i].time);
        assert_int_equal(push_call_take(&call, input, line), 200);
        if (strstr(call.kept.log, cases[i].expected) == NULL) {
            fail_msg("%s with %s gives %s", line, cases[i].query, call.kept.log);
        }
    }
    assert_int_equal(
        push_call_take(&call,
                       (struct push_call_input){.path = "/v1/samples", .query = "precision=h"}, ""),
        400);
    assert_string_equal(call.body,
                        "{\"taken\":0,\"error\":\"precision must be one of s, ms, us, ns\"}");
}

static void test_json_lines__takes_an_array_or_one_object(void **state)
{
    (void)state;
    assert_int_equal(push_call_take(&call, DOCUMENT,
                                    "[ {\"metric\":\"a\",\"value\":1},\n {\"metric\":\"a\"},\n"
                                    " 5, {\n\"values\":{\"b\":2}} ]\n"),
                     200);
    assert_string_equal(call.body,
                        "{\"taken\":2,\"rejected\":2,\"errors\":[{\"item\":2,\"reason\":"
                        "\"byte 15: value is missing\"},{\"item\":3,\"reason\":\"byte 1: "
                        "expected an object\"}]}");
    assert_int_equal(push_call_take(&call, DOCUMENT, "{\n \"metric\": \"c\",\n \"value\": 3\n}\n"),
                     200);
    push_call_expect(&call, "a", 1, 1.0);
    push_call_expect(&call, "b", 1, 2.0);
    push_call_expect(&call, "c", 1, 3.0);
    assert_int_equal(push_call_take(&call, DOCUMENT, "[]"), 200);
    /* No JSON: nothing is taken. */
    assert_int_equal(push_call_take(&call, DOCUMENT, "[{\"metric\":\"a\",\"value\":1},]"), 400);
    assert_string_equal(call.body, "{\"taken\":0,\"error\":\"byte 27: expected a value\"}");
    push_call_expect(&call, "a", 1, 1.0);
    assert_int_equal(push_call_take(&call, DOCUMENT, ""), 400);
}

static void test_json_lines__wants_a_content_type_it_knows(void **state)
{
    struct push_call_input input = {.path = "/v1/samples"};
    static const char line[] = "{\"metric\":\"a\",\"value\":1}";

    (void)state;
    assert_int_equal(push_call_take(&call, input, line), 200);
    input.content_type = "Application/JSONL;charset=utf-8";
    assert_int_equal(push_call_take(&call, input, line), 200);
    input.content_type = "text/csv";
    assert_int_equal(push_call_take(&call, input, line), 415);
    assert_non_null(strstr(call.body, "/v1/samples/csv"));
}

static void test_json_lines__has_limits(void **state)
{
    static char line[LW_JSON_LINES_BYTES_MAX + 200];
    size_t n;

    (void)state;
    n = (size_t)snprintf(line, sizeof(line), "{\"values\":{\"m0\":1");
    for (int i = 1; i < LW_JSON_LINES_VALUES_MAX; i++) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, ",\"m%d\":1", i);
    }
    (void)snprintf(line + n, sizeof(line) - n, "}}");
    assert_int_equal(push_call_take(&call, LINES, line), 200);
    assert_string_equal(call.body, "{\"taken\":256,\"rejected\":0,\"errors\":[]}");
    (void)snprintf(line + n, sizeof(line) - n, ",\"more\":1}}");
    assert_int_equal(push_call_take(&call, LINES, line), 400);
    assert_non_null(strstr(call.body, "more than 256 values"));

    n = (size_t)snprintf(line, sizeof(line),
                         "{\"metric\":\"l\",\"value\":1,\"labels\":{\"l0\":\"\"");
    for (int i = 1; i < LW_LABELS_MAX; i++) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, ",\"l%d\":\"x\"", i);
    }
    (void)snprintf(line + n, sizeof(line) - n, "}}");
    assert_int_equal(push_call_take(&call, LINES, line), 200);
    (void)snprintf(line + n, sizeof(line) - n, ",\"more\":\"x\"}}");
    assert_int_equal(push_call_take(&call, LINES, line), 400);
    assert_non_null(strstr(call.body, "more than 48 labels"));

    (void)snprintf(line, sizeof(line),
                   "{\"metric\":\"%02000d\",\"value\":1,\"labels\":{\"x\":\"%0100d\"}}", 0, 0);
    assert_int_equal(push_call_take(&call, LINES, line), 400);
    assert_non_null(strstr(call.body, "metric and labels of more than 2048 bytes"));
    (void)snprintf(line, sizeof(line), "{\"metric\":\"%09000d\",\"value\":1}", 0);
    assert_int_equal(push_call_take(&call, LINES, line), 400);
    assert_non_null(strstr(call.body, "metric and labels of more than 8192 bytes"));

    n = (size_t)snprintf(line, sizeof(line), "{\"metric\":\"a\",\"value\":1");
    memset(line + n, ' ', LW_JSON_LINES_BYTES_MAX - n);
    line[LW_JSON_LINES_BYTES_MAX - 1] = '}';
    line[LW_JSON_LINES_BYTES_MAX] = '\0';
    assert_int_equal(push_call_take(&call, LINES, line), 200);
    line[LW_JSON_LINES_BYTES_MAX - 1] = ' ';
    line[LW_JSON_LINES_BYTES_MAX] = '}';
    line[LW_JSON_LINES_BYTES_MAX + 1] = '\0';
    assert_int_equal(push_call_take(&call, LINES, line), 400);
    assert_non_null(strstr(call.body, "more than 1048576 bytes"));
}

static void test_json_lines__tells_when_nothing_can_be_kept(void **state)
{
    (void)state;
    call.kept.push_answer = LW_EBUSY;
    assert_int_equal(push_call_take(&call, LINES, "{\"metric\":\"a\",\"value\":1}"), 503);
    assert_non_null(strstr(call.body, "{\"taken\":0,\"error\":\"nothing can be kept"));
}

static void test_json_lines__refused_series_are_told_with_their_lines(void **state)
{
    char body[4000];
    size_t n = 0;

    (void)state;
    call.kept.series_limit = 2;
    for (int i = 0; i < 12; i++) {
        n += (size_t)snprintf(body + n, sizeof(body) - n, "{\"metric\":\"m%d\",\"value\":1}\n", i);
    }
    (void)snprintf(body + n, sizeof(body) - n, "{\"metric\":}\n{\"metric\":\"m0\",\"value\":2}");
    assert_int_equal(push_call_take(&call, LINES, body), 200);
    assert_non_null(strstr(call.body, "{\"taken\":3,\"rejected\":11,\"errors\":[{\"line\":3,"));
    assert_non_null(strstr(call.body, "{\"line\":10,"));
    push_call_expect(&call, "m0", 2, 2.0);
}

static const char *const usual_lines[] = {
    "{\"metric\":\"node_cpu\",\"labels\":{\"host\":\"web-1.example.net\",\"mode\":\"user\"},"
    "\"time\":1600000000.5,\"value\":-0.25}",
    "{\"metric\": \"node_cpu\", \"labels\": {\"host\": \"web-1.example.net\", \"x\": \"}\"}, "
    "\"time\": 1600000000, \"value\": 1e-3}",
    "{\"metric\":\"a\",\"labels\":{\"host\":\"at the end of the line, 1\"},\"value\":17}\r",
};

/* Whatever is changed in a line: what skimming and reading both take is the same, and what skimming
 * alone takes has names that reading never had. */
static void test_json_lines__skimming_is_reading_where_names_are_known(void **state)
{
    static const char bytes[] = "\"\\{}[]:,0189.eE+-tfnu \n\x01\x80";
    static struct lw_json_line skimmed, read;
    static char scratch_a[LW_JSON_LINES_NAME_MAX], scratch_b[LW_JSON_LINES_NAME_MAX];
    char changed[256], wrong[LW_JSON_LINES_WRONG_MAX];
    struct lw_rng rng;
    size_t n_both = 0, n_alone = 0;

    (void)state;
    lw_rng_seed(&rng, 7);
    for (int i = 0; i < 300000; i++) {
        const char *line = usual_lines[i % 3], *a, *b;
        size_t n = strlen(line), n_a = 0, n_b = 0;

        memcpy(changed, line, n);
        for (uint64_t k = lw_rng_below(&rng, 3); k < 2; k++) {
            changed[lw_rng_below(&rng, n)] = bytes[lw_rng_below(&rng, sizeof(bytes) - 1)];
        }
        if (!lw_json_line_skim(changed, n, LW_TIME_S, &skimmed)) {
            continue;
        }
        a = lw_json_line_identity(&skimmed, &skimmed.readings[0], scratch_a, &n_a);
        if (lw_json_line_read(changed, n, LW_TIME_S, &read, wrong)) {
            n_both++;
            b = lw_json_line_identity(&read, &read.readings[0], scratch_b, &n_b);
            assert_int_equal(n_a, n_b);
            assert_memory_equal(a, b, n_a);
            assert_true(skimmed.has_time == read.has_time &&
                        (!read.has_time || skimmed.time_ns == read.time_ns));
            assert_memory_equal(&skimmed.readings[0].value, &read.readings[0].value, 8);
        } else {
            n_alone++;
            assert_true(lw_json_line_read(line, n, LW_TIME_S, &read, wrong));
            b = lw_json_line_identity(&read, &read.readings[0], scratch_b, &n_b);
            assert_true(n_a != n_b || memcmp(a, b, n_a) != 0);
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_true(lw_json_line_skim(usual_lines[i], strlen(usual_lines[i]), LW_TIME_S, &skimmed));
    }
    assert_true(n_both > 1000 && n_alone > 1000);
}

/* Names that are wrong are told also where the line was skimmed, and every time. */
static void test_json_lines__wrong_names_of_skimmed_lines_are_told(void **state)
{
    static const char body[] =
        "{\"metric\":\"a\",\"labels\":{\"host\" \"x\"},\"time\":1,\"value\":1}\n"
        "{\"metric\":\"a\",\"labels\":{\"host\":\"x\"},\"time\":1,\"value\":1}\n"
        "{\"metric\":\"\xff\",\"labels\":{\"host\":\"x\"},\"time\":1,\"value\":1}\n"
        "{\"metric\":\"a\",\"labels\":{\"host\":{}},\"time\":1,\"value\":1}\n";

    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(push_call_take(&call, LINES, body), 200);
        assert_string_equal(call.body,
                            "{\"taken\":1,\"rejected\":3,\"errors\":["
                            "{\"line\":1,\"reason\":\"byte 32: expected \\\":\\\"\"},"
                            "{\"line\":3,\"reason\":\"byte 12: expected text in UTF-8, control "
                            "characters escaped\"},"
                            "{\"line\":4,\"reason\":\"byte 32: expected a text\"}]}");
        push_call_expect(&call, "a{host=\"x\"}", i, 1.0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json_lines__takes_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__spellings_are_one_series, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__tells_line_and_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__reads_times_in_every_precision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__takes_an_array_or_one_object, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__wants_a_content_type_it_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__has_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__tells_when_nothing_can_be_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_json_lines__refused_series_are_told_with_their_lines,
                                        set_up, tear_down),
        cmocka_unit_test(test_json_lines__skimming_is_reading_where_names_are_known),
        cmocka_unit_test_setup_teardown(test_json_lines__wrong_names_of_skimmed_lines_are_told,
                                        set_up, tear_down),
    };

    return LW_TEST_RUN(tests);
}
