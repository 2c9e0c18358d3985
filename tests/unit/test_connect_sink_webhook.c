/* Signed JSON to an address: signatures, secrets, and what an answer means. */
#include "support/test.h"

#include "connect/sink_webhook.h"
#include "support/http_stub.h"
#include "support/sink.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* The vector of the Standard Webhooks libraries. */
static void test_webhook__signs_as_standard_webhooks_say(void **state)
{
    const char *body = "{\"test\": 2432232314}";
    const struct lw_webhook_message message = {.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                               .time_s = 1614265330,
                                               .body = body,
                                               .n_bytes = strlen(body)};
    char signature[LW_WEBHOOK_SIGNATURE_MAX];
    uint8_t key[64];
    struct lw_writer scratch;
    int n = EVP_DecodeBlock(key, (const uint8_t *)SECRET + 6, (int)strlen(SECRET) - 6);

    (void)state;
    assert_int_equal(n, 24);
    lw_writer_init(&scratch);
    assert_true(lw_webhook_sign(key, 24, &message, &scratch, signature));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    lw_writer_fini(&scratch);
}

/* The vector of GitHub's documentation. */
static void test_webhook__signs_as_github_does(void **state)
{
    char signature[LW_WEBHOOK_SIGNATURE_MAX];

    (void)state;
    assert_true(
        lw_webhook_sign_github("It's a Secret to Everybody", "Hello, World!", 13, signature));
    assert_string_equal(signature,
                        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

static void test_webhook__wants_a_secret_from_a_file_or_the_environment(void **state)
{
    static const struct {
        const char *options[10];
        enum lw_status status;
        const char *says;
    } cases[] = {
        {{"url", "http://h/"}, LW_EINVAL, "openssl rand -base64 32"},
        {{"url", "http://h/", "secret", SECRET}, LW_ENOTFOUND, "secret_env"},
        {{"url", "http://h/", "secret_env", "LW_NO_SUCH"}, LW_ENOTFOUND, "not set"},
        {{"url", "http://h/", "secret_file", "/no/such"}, LW_ENOTFOUND, "/no/such"},
        {{"url", "http://h/", "secret_env", "LW_A", "secret_file", "/b"}, LW_EINVAL, "one of them"},
        {{"url", "http://h/", "secret_env", "LW_PLAIN"}, LW_EINVAL, "begins with whsec_"},
        {{"url", "http://h/", "secret_env", "LW_SHORT"}, LW_EINVAL, "24 to 64 bytes"},
        {{"url", "http://h/", "secret_env", "LW_LONG"}, LW_EINVAL, "24 to 64 bytes"},
        {{"url", "http://h/", "secret_env", "LW_WRONG"}, LW_EINVAL, "base64"},
        {{"url", "http://h/", "secret_env", "LW_EMPTY"}, LW_EINVAL, "empty"},
        {{"url", "h", "signature", "none"}, LW_EINVAL, "no address"},
        {{"signature", "none"}, LW_EINVAL, "no address"},
        {{"url", "http://u:p@h/", "signature", "none"}, LW_EINVAL, "password"},
        {{"url", "http://h/", "signature", "none", "external_url", "x"}, LW_EINVAL, "no address"},
        {{"url", "http://h/?a=b", "signature", "none"}, LW_OK, ""},
        {{"url", "http://h/", "signature", "github", "secret_env", "LW_PLAIN"}, LW_OK, ""},
        {{"url", "http://h/", "secret_env", "LW_GOOD"}, LW_OK, ""},
        {{"url", "http://h/", "secret_env", "LW_64"}, LW_OK, ""},
    };

    (void)state;
    (void)setenv("LW_GOOD", SECRET, 1);
    (void)setenv("LW_PLAIN", "a plain secret", 1);
    (void)setenv("LW_SHORT", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1);
    (void)setenv("LW_WRONG", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAA*AA", 1);
    (void)setenv("LW_EMPTY", "", 1);
    (void)setenv("LW_64",
                 "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                 "AAAAAAAAAAA==",
                 1);
    (void)setenv("LW_LONG",
                 "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                 "AAAAAAAAAAAA=",
                 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *sink = NULL;
        struct lw_error error;

        assert_int_equal(sink_make(&lw_sink_webhook, cases[i].options, &sink, &error),
                         cases[i].status);
        assert_non_null(strstr(error.message, cases[i].says));
        assert_null(strstr(error.message, "AAAA"));
        lw_sink_webhook.destroy(sink);
    }
}

static void *sink_at(const struct http_stub *stub, const char *signature, const char *timeout)
{
    char url[64];
    const char *const options[] = {
        "url",     url,       "signature", signature,      "secret_env",
        "LW_GOOD", "timeout", timeout,     "external_url", "https://lapwing.example/x/",
        NULL};
    void *sink = NULL;
    struct lw_error error;

    (void)setenv("LW_GOOD", SECRET, 1);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook?team=a", stub->port);
    assert_int_equal(sink_make(&lw_sink_webhook, options, &sink, &error), LW_OK);
    return sink;
}

/* Signs what came in once more, with the headers it came with. */
static void signature_check(const struct stub_request *request)
{
    char id[512], time[512], given[512], signature[LW_WEBHOOK_SIGNATURE_MAX];
    uint8_t key[64];
    struct lw_writer scratch;
    struct lw_webhook_message message = {.id = stub_header(request, "webhook-id", id),
                                         .body = request->body,
                                         .n_bytes = request->n_bytes};

    message.time_s = strtoll(stub_header(request, "webhook-timestamp", time), NULL, 10);
    (void)EVP_DecodeBlock(key, (const uint8_t *)SECRET + 6, (int)strlen(SECRET) - 6);
    lw_writer_init(&scratch);
    assert_true(lw_webhook_sign(key, 24, &message, &scratch, signature));
    assert_string_equal(stub_header(request, "webhook-signature", given), signature);
    lw_writer_fini(&scratch);
    assert_true(lw_webhook_sign_github(SECRET, request->body, request->n_bytes, signature));
    assert_string_equal(stub_header(request, "X-Hub-Signature-256", given), signature);
}

static void body_check(const char *body)
{
    json_t *root = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    const char *type, *at, *id, *end, *url, *series;
    double score, expected;
    json_t *missing;

    assert_non_null(root);
    assert_int_equal(json_unpack(root, "{s:s, s:s, s:{s:s, s:s, s:s, s:F, s:[{s:s, s:F}, {s:o}!]}}",
                                 "type", &type, "timestamp", &at, "data", "id", &id, "end", &end,
                                 "url", &url, "score", &score, "contributions", "series", &series,
                                 "expected", &expected, "expected", &missing),
                     0);
    assert_string_equal(type, "anomaly.closed");
    assert_string_equal(at, "2026-01-01T00:02:30Z");
    assert_string_equal(id, "1234567890abcdef");
    assert_string_equal(end, "2026-01-01T00:02:30Z");
    assert_string_equal(url, "https://lapwing.example/x/#/entity?detector=hosts&entity=web-1");
    assert_string_equal(series, "node_load1");
    assert_true(score == 0.97 && expected == 0.3);
    json_decref(root);
}

static void test_webhook__repeats_are_the_same_but_for_the_time(void **state)
{
    struct http_stub stub = {.answers = {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", STUB_OK},
                             .n_answers = 2};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_CLOSED);
    struct lw_sink_result result;
    char first[512], second[512];
    void *sink;

    (void)state;
    assert_true(stub_start(&stub, 0));
    sink = sink_at(&stub, "both", "5s");
    lw_sink_webhook.deliver(sink, &event, 1, -1, &result);
    assert_int_equal(result.answer, LW_SINK_RETRY);
    event.attempt = 2;
    lw_sink_webhook.deliver(sink, &event, 1, -1, &result);
    assert_int_equal(result.answer, LW_SINK_DELIVERED);
    assert_int_equal(stub_requests(&stub), 2);
    assert_memory_equal(stub.requests[0].head, "POST /hook?team=a HTTP/1.1\r\n", 27);
    assert_string_equal(stub_header(&stub.requests[0], "webhook-id", first),
                        "1234567890abcdef-closed");
    assert_string_equal(stub_header(&stub.requests[1], "webhook-id", second), first);
    assert_string_equal(stub.requests[0].body, stub.requests[1].body);
    signature_check(&stub.requests[0]);
    signature_check(&stub.requests[1]);
    body_check(stub.requests[0].body);
    lw_sink_webhook.destroy(sink);
    stub_stop(&stub);
}

static void test_webhook__answers_decide(void **state)
{
    static const struct {
        const char *status;
        enum lw_sink_answer answer;
        int64_t retry_after_s;
    } cases[] = {
        {"200 OK", LW_SINK_DELIVERED, 0},
        {"204 None", LW_SINK_DELIVERED, 0},
        {"301 There\r\nLocation: http://127.0.0.1:1/", LW_SINK_RETRY, 0},
        {"400 Bad", LW_SINK_REFUSED, 0},
        {"401 Who", LW_SINK_REFUSED, 0},
        {"404 Not", LW_SINK_REFUSED, 0},
        {"408 Late", LW_SINK_RETRY, 0},
        {"410 Gone", LW_SINK_REFUSED, 0},
        {"425 Early", LW_SINK_RETRY, 0},
        {"429 Slow\r\nRetry-After: 7", LW_SINK_RETRY, 7},
        {"500 Oops", LW_SINK_RETRY, 0},
        {"503 Busy\r\nRetry-After: 120", LW_SINK_RETRY, 120},
    };
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_OPENED);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[256];
        struct http_stub stub = {.answers = {answer}, .n_answers = 1};
        struct lw_sink_result result;
        void *sink;

        (void)snprintf(answer, sizeof(answer),
                       "HTTP/1.1 %s\r\nContent-Length: 8\r\n\r\nno\x01way\nx", cases[i].status);
        if (strncmp(cases[i].status, "204", 3) == 0) {
            (void)snprintf(answer, sizeof(answer), "HTTP/1.1 204 None\r\n\r\n");
        }
        assert_true(stub_start(&stub, 0));
        sink = sink_at(&stub, "standard", "5s");
        lw_sink_webhook.deliver(sink, &event, 1, -1, &result);
        print_message("%s: %s\n", cases[i].status, result.reason);
        assert_int_equal(result.answer, cases[i].answer);
        assert_int_equal(result.retry_after_ns, cases[i].retry_after_s * SECOND);
        assert_int_equal(result.reason[0] == '\0', result.answer == LW_SINK_DELIVERED);
        if (result.answer == LW_SINK_REFUSED) {
            assert_non_null(strstr(result.reason, ": no?way"));
        }
        lw_sink_webhook.destroy(sink);
        stub_stop(&stub);
    }
}

static void test_webhook__one_refusal_costs_no_other_event(void **state)
{
    struct http_stub stub = {
        .answers = {STUB_OK, "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", STUB_OK, NULL},
        .n_answers = 4};
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event events[5];
    struct lw_sink_result results[5];
    void *sink;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        events[i] = sink_event(&view, LW_ANOMALY_OPENED);
    }
    assert_true(stub_start(&stub, 0));
    sink = sink_at(&stub, "none", "1s");
    lw_sink_webhook.deliver(sink, events, 5, -1, results);
    assert_int_equal(results[0].answer, LW_SINK_DELIVERED);
    assert_int_equal(results[1].answer, LW_SINK_REFUSED);
    assert_int_equal(results[2].answer, LW_SINK_DELIVERED);
    assert_int_equal(results[3].answer, LW_SINK_RETRY); /* It hung. */
    assert_int_equal(results[4].answer, LW_SINK_RETRY); /* Not tried. */
    assert_int_equal(stub_requests(&stub), 4);
    lw_sink_webhook.destroy(sink);
    stub_stop(&stub);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhook__signs_as_standard_webhooks_say),
        cmocka_unit_test(test_webhook__signs_as_github_does),
        cmocka_unit_test(test_webhook__wants_a_secret_from_a_file_or_the_environment),
        cmocka_unit_test(test_webhook__repeats_are_the_same_but_for_the_time),
        cmocka_unit_test(test_webhook__answers_decide),
        cmocka_unit_test(test_webhook__one_refusal_costs_no_other_event),
    };

    return LW_TEST_RUN(tests);
}
