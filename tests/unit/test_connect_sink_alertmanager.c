/* Alerts: one label set from open to resolved, ends that do not come early, every instance told. */
#include "support/test.h"

#include "base/clock.h"
#include "base/time_text.h"
#include "connect/sink_alertmanager.h"
#include "support/http_stub.h"
#include "support/sink.h"

#include <jansson.h>

#define SECOND INT64_C(1000000000)
#define REFUSAL "HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n\"a label\""
#define BUSY "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"

static void *sink_at(const char *url)
{
    const char *const options[] = {"url",
                                   url,
                                   "resend",
                                   "30s",
                                   "labels",
                                   "team=ops, region=a=b",
                                   "external_url",
                                   "https://lapwing.example",
                                   "timeout",
                                   "2s",
                                   NULL};
    void *sink = NULL;
    struct lw_error error;

    assert_int_equal(sink_make(&lw_sink_alertmanager, options, &sink, &error), LW_OK);
    return sink;
}

static void *sink_of(const struct http_stub *stub)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/am/", stub->port);
    return sink_at(url);
}

static int64_t time_of(json_t *alert, const char *key)
{
    const char *text = json_string_value(json_object_get(alert, key));
    int64_t time_ns = 0;

    assert_non_null(text);
    assert_true(lw_time_parse_iso(text, strlen(text), &time_ns));
    return time_ns;
}

static void test_alertmanager__labels_are_the_same_from_open_to_end(void **state)
{
    struct http_stub stub = {0};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event events[2] = {sink_event(&view, LW_ANOMALY_OPENED),
                                      sink_event(&view, LW_ANOMALY_CLOSED)};
    struct lw_sink_result result;
    json_t *opened, *closed, *wanted;
    int64_t now_ns;
    void *sink;

    (void)state;
    assert_true(stub_start(&stub, 0));
    sink = sink_of(&stub);
    assert_int_equal(lw_sink_alertmanager.resend_ns(sink), 30 * SECOND);
    lw_sink_alertmanager.deliver(sink, &events[0], 1, -1, &result);
    assert_int_equal(result.answer, LW_SINK_DELIVERED);
    now_ns = lw_clock_real_ns();
    view.anomaly.type = LW_TYPE_LEVEL; /* What is known of it has changed. */
    (void)snprintf(view.series[0], sizeof(view.series[0]), "node_disk_io");
    view.anomaly.return_rows = 1e6f;
    lw_sink_alertmanager.deliver(sink, &events[1], 1, -1, &result);
    assert_int_equal(result.answer, LW_SINK_DELIVERED);
    assert_memory_equal(stub.requests[0].head, "POST /am/api/v2/alerts HTTP/1.1", 31);
    opened = json_loads(stub.requests[0].body, JSON_REJECT_DUPLICATES, NULL);
    closed = json_loads(stub.requests[1].body, JSON_REJECT_DUPLICATES, NULL);
    wanted = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "alertname", "LapwingAnomaly", "severity",
                       "ticket", "detector", "hosts", "entity", "web-1", "team", "ops", "region",
                       "a=b");
    assert_int_equal(json_array_size(opened), 1);
    assert_true(json_equal(json_object_get(json_array_get(opened, 0), "labels"), wanted));
    assert_true(json_equal(json_object_get(json_array_get(closed, 0), "labels"), wanted));
    assert_int_equal(time_of(json_array_get(opened, 0), "startsAt"), view.anomaly.start_ns);
    assert_int_equal(time_of(json_array_get(closed, 0), "endsAt"), view.anomaly.last_ns);
    assert_in_range(time_of(json_array_get(opened, 0), "endsAt") - now_ns, 55 * SECOND,
                    60 * SECOND);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(opened, 0), "generatorURL")),
        "https://lapwing.example/#/entity?detector=hosts&entity=web-1");
    json_decref(opened);
    json_decref(closed);
    json_decref(wanted);
    lw_sink_alertmanager.destroy(sink);
    stub_stop(&stub);
}

static void test_alertmanager__annotations_tell_what_may_change(void **state)
{
    struct http_stub stub = {0};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_OPENED);
    struct lw_sink_result result;
    json_t *root, *told;
    void *sink;

    (void)state;
    assert_true(stub_start(&stub, 0));
    sink = sink_of(&stub);
    lw_sink_alertmanager.deliver(sink, &event, 1, -1, &result);
    root = json_loads(stub.requests[0].body, JSON_REJECT_DUPLICATES, NULL);
    told = json_object_get(json_array_get(root, 0), "annotations");
    assert_string_equal(json_string_value(json_object_get(told, "summary")), view.sentence);
    assert_string_equal(json_string_value(json_object_get(told, "type")), "spike");
    assert_string_equal(json_string_value(json_object_get(told, "series")), "node_load1");
    assert_string_equal(json_string_value(json_object_get(told, "return_period")),
                        "once in 6.1e+04 steps");
    assert_string_equal(json_string_value(json_object_get(told, "contributions")),
                        "node_load1 70 % (4.2, expected 0.3); node_procs_running{mode=\"x\"} 20 % "
                        "(12)");
    assert_string_equal(json_string_value(json_object_get(told, "anomaly_id")), "1234567890abcdef");
    json_decref(root);
    lw_sink_alertmanager.destroy(sink);
    stub_stop(&stub);
}

/* Alertmanager would not show an alert that has yet to begin, nor end one that ends later. */
static void test_alertmanager__a_clock_ahead_of_ours_is_held_back(void **state)
{
    struct http_stub stub = {0};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_CLOSED);
    struct lw_sink_result result;
    json_t *root;
    int64_t now_ns = lw_clock_real_ns();
    void *sink;

    (void)state;
    view.anomaly.start_ns = now_ns + 3600 * SECOND;
    view.anomaly.last_ns = now_ns + 7200 * SECOND;
    assert_true(stub_start(&stub, 0));
    sink = sink_of(&stub);
    lw_sink_alertmanager.deliver(sink, &event, 1, -1, &result);
    root = json_loads(stub.requests[0].body, JSON_REJECT_DUPLICATES, NULL);
    assert_in_range(time_of(json_array_get(root, 0), "startsAt") - now_ns, 0, 10 * SECOND);
    assert_in_range(time_of(json_array_get(root, 0), "endsAt") - now_ns, 0, 10 * SECOND);
    json_decref(root);
    lw_sink_alertmanager.destroy(sink);
    stub_stop(&stub);
}

static void test_alertmanager__one_bad_alert_costs_no_other(void **state)
{
    struct http_stub stub = {.answers = {REFUSAL, STUB_OK, REFUSAL, STUB_OK}, .n_answers = 4};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event events[3];
    struct lw_sink_result results[3];
    void *sink;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        events[i] = sink_event(&view, LW_ANOMALY_OPENED);
    }
    assert_true(stub_start(&stub, 0));
    sink = sink_of(&stub);
    lw_sink_alertmanager.deliver(sink, events, 3, -1, results);
    assert_int_equal(stub_requests(&stub), 4);
    assert_int_equal(results[0].answer, LW_SINK_DELIVERED);
    assert_int_equal(results[1].answer, LW_SINK_REFUSED);
    assert_string_equal(results[1].reason, "HTTP status 400: \"a label\"");
    assert_int_equal(results[2].answer, LW_SINK_DELIVERED);
    lw_sink_alertmanager.destroy(sink);
    stub_stop(&stub);
}

static void test_alertmanager__every_instance_is_told_and_one_suffices(void **state)
{
    static const struct {
        const char *first, *second; /* "": down. */
        enum lw_sink_answer answer;
    } cases[] = {
        {STUB_OK, STUB_OK, LW_SINK_DELIVERED},
        {"", STUB_OK, LW_SINK_DELIVERED},
        {STUB_OK, "", LW_SINK_DELIVERED},
        {REFUSAL, STUB_OK, LW_SINK_DELIVERED},
        {REFUSAL, "", LW_SINK_RETRY},
        {"", REFUSAL, LW_SINK_RETRY},
        {REFUSAL, REFUSAL, LW_SINK_REFUSED},
        {"", "", LW_SINK_RETRY},
        {BUSY, "", LW_SINK_RETRY},
        {NULL, STUB_OK, LW_SINK_DELIVERED},
    };
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_OPENED);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const answers[2] = {cases[i].first, cases[i].second};
        struct http_stub stubs[2] = {{.n_answers = 1}, {.n_answers = 1}};
        struct lw_sink_result result;
        uint16_t ports[2];
        char urls[128];
        void *sink;

        for (size_t k = 0; k < 2; k++) {
            bool is_down = answers[k] != NULL && answers[k][0] == '\0';

            stubs[k].answers[0] = answers[k];
            assert_true(stub_start(&stubs[k], 0));
            ports[k] = is_down ? 1 : stubs[k].port;
        }
        (void)snprintf(urls, sizeof(urls), "http://127.0.0.1:%u,http://127.0.0.1:%u", ports[0],
                       ports[1]);
        sink = sink_at(urls);
        lw_sink_alertmanager.deliver(sink, &event, 1, -1, &result);
        assert_int_equal(result.answer, cases[i].answer);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(stub_requests(&stubs[k]), ports[k] == 1 ? 0 : 1);
            stub_stop(&stubs[k]);
        }
        assert_int_equal(result.retry_after_ns,
                         strcmp(answers[0] == NULL ? "" : answers[0], BUSY) == 0 ? 3 * SECOND : 0);
        lw_sink_alertmanager.destroy(sink);
    }
}

static void test_alertmanager__refuses_options_that_cannot_be(void **state)
{
    static const struct {
        const char *options[6];
        const char *says;
    } cases[] = {
        {{NULL}, "url is missing"},
        {{"url", " , "}, "url is missing"},
        {{"url", "alertmanager:9093"}, "no address"},
        {{"url",
          "http://a,http://b,http://c,http://d,http://e,http://f,http://g,http://h,http://i"},
         "at most 8"},
        {{"url", "http://a", "labels", "team"}, "name=value"},
        {{"url", "http://a", "labels", "te-am=x"}, "name=value"},
        {{"url", "http://a", "labels", "1a=x"}, "name=value"},
        {{"url", "http://a", "labels", "entity=x"}, "name=value"},
        {{"url", "http://a", "labels", "a=x,b=y,a=z"}, "twice"},
        {{"url", "http://a", "alertname", ""}, "alertname is empty"},
        {{"url", "http://a", "resend", "0"}, "resend"},
        {{"url", "http://a", "external_url", "here"}, "no address"},
        {{"url", "http://a", "ca_file", "/no/such.pem"}, "/no/such.pem"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *sink = NULL;
        struct lw_error error;
        enum lw_status status = sink_make(&lw_sink_alertmanager, cases[i].options, &sink, &error);

        assert_int_equal(status,
                         strcmp(cases[i].says, "/no/such.pem") == 0 ? LW_ENOTFOUND : LW_EINVAL);
        assert_non_null(strstr(error.message, cases[i].says));
    }
}

static void test_sinks__tables_hold_what_the_contract_asks(void **state)
{
    size_t n = 0;

    (void)state;
    for (const struct lw_sink_class *const *class = lw_sink_classes(); *class != NULL; class ++) {
        _Alignas(16) char options[SINK_OPTIONS_BYTES];

        assert_true((*class)->n_options <= 24 && (*class)->options_bytes <= sizeof(options));
        lw_options_default((*class)->options, (*class)->n_options, options);
        for (size_t i = 0; i < (*class)->n_options; i++) {
            assert_true(strlen((*class)->options[i].help) > 0);
            assert_non_null((*class)->options[i].unit);
        }
        n++;
    }
    assert_int_equal(n, 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alertmanager__labels_are_the_same_from_open_to_end),
        cmocka_unit_test(test_alertmanager__annotations_tell_what_may_change),
        cmocka_unit_test(test_alertmanager__a_clock_ahead_of_ours_is_held_back),
        cmocka_unit_test(test_alertmanager__one_bad_alert_costs_no_other),
        cmocka_unit_test(test_alertmanager__every_instance_is_told_and_one_suffices),
        cmocka_unit_test(test_alertmanager__refuses_options_that_cannot_be),
        cmocka_unit_test(test_sinks__tables_hold_what_the_contract_asks),
    };

    return LW_TEST_RUN(tests);
}
