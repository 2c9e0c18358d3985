/*
 * OTLP/HTTP as a client sees it: what is taken, what is rejected alone, what is refused, and how
 * the answer says so. Bodies are JSON for legibility; tests/unit/test_connect_otlp_requests.c shows
 * that protobuf means the same.
 */
#include "support/mem_faulty.h"
#include "support/otlp.h"

#include "connect/otlp/otlp_json.h"
#include "connect/otlp/otlp_labels.h"
#include "connect/otlp/otlp_metrics.h"
#include "connect/protobuf_write.h"

#define TIME "\"timeUnixNano\":\"1700000000000000000\""

/* A request of one metric; valid until the next. */
static const char *metric_body(const char *resource, const char *metric)
{
    static char body[1 << 20];

    (void)snprintf(body, sizeof(body),
                   "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[%s]},\"scopeMetrics\":[{"
                   "\"scope\":{\"name\":\"library\"},\"metrics\":[%s]}]}]}",
                   resource, metric);
    return body;
}

/* One point of a gauge called g. */
static const char *point_body(const char *members)
{
    static char metric[1 << 19];

    (void)snprintf(metric, sizeof(metric), "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{%s}]}}",
                   members);
    return metric_body("", metric);
}

static void lines_check(struct otlp_kept *kept, const char *body, const char *expected)
{
    assert_int_equal(otlp_take_json(kept, body), 200);
    assert_string_equal(otlp_body(kept), "{}");
    assert_string_equal(otlp_lines(kept), expected);
}

static void rejected_check(struct otlp_kept *kept, const char *body, const char *expected)
{
    assert_int_equal(otlp_take_json(kept, body), 200);
    assert_string_equal(otlp_body(kept), expected);
}

static void refused_check(struct otlp_kept *kept, const char *body, const char *why)
{
    assert_int_equal(otlp_take_json(kept, body), 400);
    assert_string_equal(kept->answer.content_type, "application/json");
    if (strstr(otlp_body(kept), why) == NULL) {
        fail_msg("%s does not say %s", otlp_body(kept), why);
    }
    assert_string_equal(otlp_lines(kept), "");
}

/* ---- what is taken ---- */

static void test_otlp__takes_the_example_of_the_protocol(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(
        kept,
        metric_body(
            "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"my.service\"}}",
            "{\"name\":\"my.counter\",\"unit\":\"1\",\"description\":\"I am a Counter\",\"sum\":{"
            "\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[{\"asDouble\":5,"
            "\"startTimeUnixNano\":\"1544712660300000000\",\"timeUnixNano\":"
            "\"1544712660300000000\",\"attributes\":[{\"key\":\"my.counter.attr\",\"value\":{"
            "\"stringValue\":\"some value\"}}]}]}},"
            "{\"name\":\"my.gauge\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":[{\"asDouble\":10,"
            "\"timeUnixNano\":\"1544712660300000000\"}]}},"
            "{\"name\":\"my.histogram\",\"unit\":\"1\",\"histogram\":{\"aggregationTemporality\":1,"
            "\"dataPoints\":[{\"startTimeUnixNano\":\"1544712660300000000\",\"timeUnixNano\":"
            "\"1544712660300000000\",\"count\":2,\"sum\":2,\"bucketCounts\":[1,1],"
            "\"explicitBounds\":[1],\"min\":0,\"max\":2}]}}"),
        "my_counter_total{job=\"my.service\",my_counter_attr=\"some value\"}\t1544712660300000000\t"
        "5\n"
        "my_gauge_ratio{job=\"my.service\"}\t1544712660300000000\t10\n"
        "my_histogram_count{job=\"my.service\"}\t1544712660300000000\t2\n"
        "my_histogram_sum{job=\"my.service\"}\t1544712660300000000\t2\n");
    assert_int_equal(kept->answer.position, 42);
    otlp_end(kept);
}

static void test_otlp__takes_keys_in_any_order_and_passes_over_unknown_ones(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(kept,
                "{\"more\":[{\"a\":null}],\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{"
                "\"sum\":{\"dataPoints\":[{\"asInt\":\"-3\"," TIME
                ",\"attributes\":[{\"value\":{\"intValue\":\"7\"},\"key\":\"a\"}]}],"
                "\"isMonotonic\":false,\"aggregationTemporality\":2},\"unit\":\"By\",\"name\":"
                "\"s\"}]}],\"resource\":{\"attributes\":[{\"key\":\"host.name\",\"value\":{"
                "\"stringValue\":\"h\"}}]}}]}",
                "s_bytes{instance=\"h\",host_name=\"h\",a=\"7\"}\t1700000000000000000\t-3\n");
    lines_check(kept, "{}", "");
    lines_check(kept, " {\"resourceMetrics\" : null} ", "");
    otlp_end(kept);
}

static void test_otlp__takes_numbers_as_proto3_writes_them(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(kept, point_body("\"asInt\":9007199254740992,\"timeUnixNano\":1700000000000000001"),
                "g\t1700000000000000001\t9007199254740992\n");
    lines_check(kept, point_body("\"asInt\":\"-9223372036854775808\"," TIME),
                "g\t1700000000000000000\t-9.2233720368547758e+18\n");
    lines_check(kept, point_body("\"asDouble\":\"1.5e1\"," TIME), "g\t1700000000000000000\t15\n");
    lines_check(kept, point_body("\"asDouble\":\"NaN\"," TIME), "g\t1700000000000000000\tnan\n");
    lines_check(kept, point_body("\"asDouble\":1,\"asInt\":null," TIME),
                "g\t1700000000000000000\t1\n");
    otlp_end(kept);
}

static void test_otlp__keeps_a_point_without_a_recorded_value_as_missing(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(kept, point_body("\"flags\":1," TIME), "g\t1700000000000000000\tnan\n");
    lines_check(kept, point_body("\"flags\":2,\"asInt\":4," TIME), "g\t1700000000000000000\t4\n");
    lines_check(
        kept,
        metric_body("", "{\"name\":\"h\",\"histogram\":{\"dataPoints\":[{\"flags\":1," TIME "}]}}"),
        "h_count\t1700000000000000000\tnan\nh_sum\t1700000000000000000\tnan\n");
    otlp_end(kept);
}

static void test_otlp__labels_with_the_scope_when_asked(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(kept, point_body("\"asInt\":1," TIME), "g\t1700000000000000000\t1\n");
    kept->scope = "yes";
    lines_check(kept, point_body("\"asInt\":2," TIME),
                "g{otel_scope_name=\"library\"}\t1700000000000000000\t2\n");
    kept->scope = "no";
    lines_check(kept, point_body("\"asInt\":3," TIME), "g\t1700000000000000000\t3\n");
    otlp_end(kept);
}

static void test_otlp__writes_lists_as_json_and_bytes_as_base64(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(
        kept,
        point_body(
            "\"asInt\":1," TIME ",\"attributes\":["
            "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"x\"},"
            "{\"boolValue\":true},{},{\"intValue\":\"1\"},{\"doubleValue\":0.5}]}}},"
            "{\"key\":\"b\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":"
            "{\"bytesValue\":\"-_8=\"}}]}}},"
            "{\"key\":\"c\",\"value\":{\"bytesValue\":\"+/8=\"}},"
            "{\"key\":\"d\",\"value\":{\"stringValue\":\"\"}},"
            "{\"key\":\"e\",\"value\":{\"stringValue\":\"\\u00fc\\n\"}},{\"key\":\"f\"}]"),
        "g{a=\"[\"x\",true,null,1,0.5]\",b=\"{\"k\":\"+/8=\"}\",c=\"+/8=\",e=\"ü\\n\"}\t"
        "1700000000000000000\t1\n");
    otlp_end(kept);
}

static void test_otlp__names_the_resource_as_prometheus_does(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    lines_check(
        kept,
        metric_body("{\"key\":\"service.namespace\",\"value\":{\"stringValue\":\"shop\"}},"
                    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"cart\"}},"
                    "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"i-1\"}},"
                    "{\"key\":\"k8s.pod.name\",\"value\":{\"stringValue\":\"cart-0\"}},"
                    "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"12\"}}",
                    "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"asInt\":1," TIME
                    ",\"attributes\":[{\"key\":\"instance\",\"value\":{\"stringValue\":\"mine\"}}]}"
                    "]}}"),
        "g{job=\"shop/cart\",instance=\"i-1\",k8s_pod_name=\"cart-0\"}\t1700000000000000000\t1\n");
    otlp_end(kept);
}

/* ---- what is rejected, and the rest kept ---- */

static void test_otlp__says_which_points_were_rejected_and_keeps_the_others(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    rejected_check(
        kept,
        metric_body("",
                    "{\"name\":\"g\",\"unit\":\"s\",\"gauge\":{\"dataPoints\":[{\"asInt\":1," TIME
                    "},{" TIME "},{\"asInt\":1},{\"asDouble\":\"-Infinity\"," TIME
                    "},{\"asInt\":1,\"timeUnixNano\":\"1800000000000000000\"},{\"asInt\":5,"
                    "\"timeUnixNano\":1700000000000000001}]}}"),
        "{\"partialSuccess\":{\"rejectedDataPoints\":\"4\",\"errorMessage\":\"resource 1, metric 1 "
        "(g_seconds), point 2: neither asDouble nor asInt is there; resource 1, metric 1 "
        "(g_seconds), point 3: timeUnixNano is 0 or beyond the year 2262; a sample's value is "
        "infinite; a sample's time is 99996400.000 s ahead of the clock; 600.000 s are taken\"}}");
    assert_string_equal(otlp_lines(kept),
                        "g_seconds\t1700000000000000000\t1\ng_seconds\t1700000000000000001\t5\n");
    assert_int_equal(kept->n_dropped, 4);
    otlp_end(kept);
}

static void test_otlp__answers_partial_success_in_protobuf(void **state)
{
    static const char expected[] = "resource 1, metric 1 (g), point 1: timeUnixNano is 0 or beyond "
                                   "the year 2262";
    struct otlp_kept *kept = otlp_start();
    struct lw_protobuf_field field;
    struct lw_protobuf message;
    struct lw_writer body;

    (void)state;
    lw_writer_init(&body);
    assert_int_equal(lw_otlp_json_read(point_body("\"asInt\":1"), strlen(point_body("\"asInt\":1")),
                                       &body, NULL),
                     LW_OK);
    assert_int_equal(otlp_take(kept, "Application/X-Protobuf", body.data, body.n_bytes), 200);
    assert_string_equal(kept->answer.content_type, "application/x-protobuf");
    lw_protobuf_init(&message, kept->answer.body.data, kept->answer.body.n_bytes);
    assert_true(lw_protobuf_next(&message, &field));
    assert_int_equal(field.number, 1);
    lw_protobuf_enter(&field, &message);
    assert_true(lw_protobuf_next(&message, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 1);
    assert_true(lw_protobuf_next(&message, &field));
    assert_int_equal(field.number, 2);
    assert_int_equal(field.n_bytes, strlen(expected));
    assert_memory_equal(field.bytes, expected, strlen(expected));
    lw_writer_fini(&body);
    otlp_end(kept);
}

static void test_otlp__rejects_names_and_attributes_beyond_the_limits(void **state)
{
    struct otlp_kept *kept = otlp_start();
    static char members[1 << 18];
    size_t n;

    (void)state;
    rejected_check(kept, metric_body("", "{\"gauge\":{\"dataPoints\":[{\"asInt\":1," TIME "}]}}"),
                   "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"resource "
                   "1, metric 1 (), point 1: the name of the metric is empty, or it, the unit or "
                   "the scope has more than 511 bytes\"}}");
    rejected_check(
        kept,
        metric_body("", "{\"name\":\"=\",\"gauge\":{\"dataPoints\":[{\"asInt\":1," TIME "}]}}"),
        "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"resource "
        "1, metric 1 (), point 1: the metric's name has no letter and no digit\"}}");
    rejected_check(
        kept,
        point_body("\"asInt\":1," TIME
                   ",\"attributes\":[{\"key\":\"\",\"value\":{\"intValue\":1}}]"),
        "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"resource 1, metric 1 "
        "(g), point 1: an attribute has no name\"}}");
    n = (size_t)snprintf(members, sizeof(members), "\"asInt\":1," TIME ",\"attributes\":[");
    for (int i = 0; i < LW_LABELS_MAX + 1; i++) {
        n += (size_t)snprintf(members + n, sizeof(members) - n,
                              "%s{\"key\":\"a%d\",\"value\":{\"intValue\":1}}", i > 0 ? "," : "",
                              i);
    }
    (void)snprintf(members + n, sizeof(members) - n, "]");
    rejected_check(kept, point_body(members),
                   "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"resource "
                   "1, metric 1 (g), point 1: more than 48 labels\"}}");
    n = (size_t)snprintf(members, sizeof(members),
                         "\"asInt\":1," TIME ",\"attributes\":[{\"key\":\"a\",\"value\":{"
                         "\"stringValue\":\"%0*d\"}}]",
                         LW_OTLP_ATTRIBUTES_MAX, 1);
    assert_true(n < sizeof(members));
    rejected_check(kept, point_body(members),
                   "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"resource "
                   "1, metric 1 (g), point 1: its attributes have more than 4096 bytes\"}}");
    otlp_end(kept);
}

static void test_otlp__bounds_how_deep_a_value_nests(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    for (int depth = LW_OTLP_VALUE_DEPTH_MAX; depth <= LW_OTLP_VALUE_DEPTH_MAX + 1; depth++) {
        char members[4096];
        size_t n = (size_t)snprintf(members, sizeof(members),
                                    "\"asInt\":1," TIME ",\"attributes\":[{\"key\":\"a\","
                                    "\"value\":");

        for (int i = 0; i < depth; i++) {
            n += (size_t)snprintf(members + n, sizeof(members) - n,
                                  "{\"arrayValue\":{\"values\":[");
        }
        for (int i = 0; i < depth; i++) {
            n += (size_t)snprintf(members + n, sizeof(members) - n, "]}}");
        }
        (void)snprintf(members + n, sizeof(members) - n, "}]");
        rejected_check(kept, point_body(members),
                       depth == LW_OTLP_VALUE_DEPTH_MAX
                           ? "{}"
                           : "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":"
                             "\"resource 1, metric 1 (g), point 1: an attribute nests deeper than "
                             "16\"}}");
    }
    otlp_end(kept);
}

static void test_otlp__rejects_series_beyond_the_limit_and_keeps_known_ones(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    kept->series_limit = 1;
    lines_check(kept, point_body("\"asInt\":1," TIME), "g\t1700000000000000000\t1\n");
    assert_int_equal(
        otlp_take_json(kept, metric_body("", "{\"name\":\"f\",\"gauge\":{\"dataPoints\":[{"
                                             "\"asInt\":1," TIME
                                             "}]}},{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{"
                                             "\"asInt\":2," TIME "}]}}")),
        200);
    assert_non_null(strstr(otlp_body(kept), "\"rejectedDataPoints\":\"1\""));
    assert_non_null(strstr(otlp_body(kept), "no more series"));
    assert_string_equal(otlp_lines(kept), "g\t1700000000000000000\t2\n");
    otlp_end(kept);
}

/* ---- what is refused as a whole ---- */

static void test_otlp__refuses_what_is_not_its_json(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    refused_check(kept, "", "byte 1: expected an object");
    refused_check(kept, "[]", "byte 1: expected an object");
    refused_check(kept, "{} x", "nothing more");
    refused_check(kept, "{\"resourceMetrics\":{}}", "expected an array");
    refused_check(kept, point_body("\"asInt\":1.5," TIME), "a whole number");
    refused_check(kept, point_body("\"asInt\":\"9223372036854775808\"," TIME), "a whole number");
    refused_check(kept, point_body("\"asInt\":\"\"," TIME), "a whole number");
    refused_check(kept, point_body("\"asInt\":1,\"timeUnixNano\":-1"), "a positive whole number");
    refused_check(kept, point_body("\"asInt\":1,\"timeUnixNano\":\"18446744073709551616\""),
                  "a positive whole number");
    refused_check(kept, point_body("\"asDouble\":\"1x\"," TIME), "a number");
    refused_check(kept, point_body("\"asDouble\":true," TIME), "a number");
    refused_check(kept,
                  point_body("\"attributes\":[{\"key\":\"a\",\"value\":{\"bytesValue\":\"a\"}}]"),
                  "base64");
    refused_check(kept,
                  point_body("\"attributes\":[{\"key\":\"a\",\"value\":{\"bytesValue\":\"a!\"}}]"),
                  "base64");
    refused_check(kept, metric_body("", "{\"sum\":{\"aggregationTemporality\":\"CUMULATIVE\"}}"),
                  "a positive whole number");
    otlp_end(kept);
}

static void test_otlp__takes_the_largest_time_there_is_as_a_number(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    assert_int_equal(
        otlp_take_json(kept, point_body("\"asInt\":1,\"timeUnixNano\":\"18446744073709551615\"")),
        200);
    assert_non_null(strstr(otlp_body(kept), "beyond the year 2262"));
    otlp_end(kept);
}

static void test_otlp__refuses_damage_within_an_attribute(void **state)
{
    /* gauge "g", its point with a value, a time and an attribute whose length runs over. */
    static const uint8_t body[] = "\x0a\x25\x12\x23\x12\x21\x0a\x01g\x2a\x1c\x0a\x1a"
                                  "\x19\x00\x00\x20\x3d\x6c\xe0\x97\x17"
                                  "\x31\x01\x00\x00\x00\x00\x00\x00\x00"
                                  "\x3a\x06\x0a\x01"
                                  "a\x12\x09z";
    struct otlp_kept *kept = otlp_start();

    (void)state;
    assert_int_equal(otlp_take(kept, "application/x-protobuf", body, sizeof(body) - 1), 400);
    assert_memory_equal(kept->answer.body.data, "\x08\x03\x12", 3);
    assert_non_null(strstr(otlp_body(kept), "resource 1, metric 1, point 1: an attribute is "
                                            "damaged"));
    assert_string_equal(otlp_lines(kept), "");
    otlp_end(kept);
}

static void test_otlp__refuses_other_content_types(void **state)
{
    static const char *const types[] = {NULL,
                                        "",
                                        "text/plain",
                                        "application/jsonx",
                                        "application/x-protobufs",
                                        "application/octet-stream"};
    struct otlp_kept *kept = otlp_start();

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(otlp_take(kept, types[i], "{}", 2), 415);
        assert_non_null(strstr(otlp_body(kept), "{\"code\":3,\"message\":\"the Content-Type"));
    }
    otlp_end(kept);
}

static void test_otlp__answers_503_while_nothing_can_be_kept(void **state)
{
    struct otlp_kept *kept = otlp_start();

    (void)state;
    kept->push_answer = LW_EBUSY;
    assert_int_equal(otlp_take_json(kept, point_body("\"asInt\":1," TIME)), 503);
    assert_string_equal(otlp_body(kept),
                        "{\"code\":14,\"message\":\"the samples cannot be kept at the moment\"}");
    kept->push_answer = LW_OK;
    lines_check(kept, point_body("\"asInt\":1," TIME), "g\t1700000000000000000\t1\n");
    otlp_end(kept);
}

static void test_otlp__refusals_of_the_server_are_in_the_encoding_of_the_request(void **state)
{
    struct lw_push_input input = {.content_type = "application/x-protobuf"};
    struct lw_push_answer answer = {.code = 0};

    (void)state;
    lw_push_otlp.refuse(&input, 429, "too \xff much", &answer);
    assert_int_equal(answer.code, 429);
    assert_string_equal(answer.content_type, "application/x-protobuf");
    assert_int_equal(answer.body.n_bytes, 14);
    assert_memory_equal(answer.body.data, "\x08\x08\x12\x0atoo ? much", 14);
    input.content_type = "application/json";
    lw_push_otlp.refuse(&input, 413, "too long", &answer);
    assert_int_equal(answer.code, 413);
    lw_write_u8(&answer.body, 0);
    assert_string_equal((const char *)answer.body.data, "{\"code\":3,\"message\":\"too long\"}");
    lw_writer_fini(&answer.body);
}

/* ---- memory ---- */

static void test_otlp__answers_503_when_memory_runs_out(void **state)
{
    uint64_t n = 1;

    (void)state;
    for (bool has_failed = true; has_failed; n++) {
        struct otlp_kept *kept = otlp_start();
        const char *body = point_body("\"asInt\":1," TIME
                                      ",\"attributes\":[{\"key\":\"a\",\"value\":{\"arrayValue\":{"
                                      "\"values\":[{\"bytesValue\":\"aaaa\"}]}}}]");
        const struct lw_push_input input = {.content_type = "application/json",
                                            .query = otlp_query,
                                            .context = kept,
                                            .body = (const uint8_t *)body,
                                            .n_bytes = strlen(body)};

        lw_test_mem_fail_at(n);
        lw_push_otlp.take(&input, kept->request, &kept->answer);
        has_failed = lw_test_mem_has_failed();
        lw_test_mem_fail_at(0);
        if (has_failed && kept->answer.code != 503 && kept->answer.body.status != LW_ENOMEM) {
            fail_msg("answers %u when allocation %llu fails", kept->answer.code,
                     (unsigned long long)n);
        }
        if (!has_failed) {
            assert_int_equal(kept->answer.code, 200);
        }
        otlp_end(kept);
    }
    assert_true(n > 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_otlp__takes_the_example_of_the_protocol),
        cmocka_unit_test(test_otlp__takes_keys_in_any_order_and_passes_over_unknown_ones),
        cmocka_unit_test(test_otlp__takes_numbers_as_proto3_writes_them),
        cmocka_unit_test(test_otlp__keeps_a_point_without_a_recorded_value_as_missing),
        cmocka_unit_test(test_otlp__labels_with_the_scope_when_asked),
        cmocka_unit_test(test_otlp__writes_lists_as_json_and_bytes_as_base64),
        cmocka_unit_test(test_otlp__names_the_resource_as_prometheus_does),
        cmocka_unit_test(test_otlp__says_which_points_were_rejected_and_keeps_the_others),
        cmocka_unit_test(test_otlp__answers_partial_success_in_protobuf),
        cmocka_unit_test(test_otlp__rejects_names_and_attributes_beyond_the_limits),
        cmocka_unit_test(test_otlp__bounds_how_deep_a_value_nests),
        cmocka_unit_test(test_otlp__rejects_series_beyond_the_limit_and_keeps_known_ones),
        cmocka_unit_test(test_otlp__refuses_what_is_not_its_json),
        cmocka_unit_test(test_otlp__takes_the_largest_time_there_is_as_a_number),
        cmocka_unit_test(test_otlp__refuses_damage_within_an_attribute),
        cmocka_unit_test(test_otlp__refuses_other_content_types),
        cmocka_unit_test(test_otlp__answers_503_while_nothing_can_be_kept),
        cmocka_unit_test(test_otlp__refusals_of_the_server_are_in_the_encoding_of_the_request),
        cmocka_unit_test(test_otlp__answers_503_when_memory_runs_out),
    };

    return LW_TEST_RUN(tests);
}
