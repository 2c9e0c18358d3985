/* The client that all senders share, against a server that does what it must not. */
#include "support/test.h"

#include "base/clock.h"
#include "connect/http_client.h"
#include "support/http_stub.h"

#include <time.h>

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static struct lw_http_client *client_make(const struct lw_http_setup *setup)
{
    struct lw_http_client *client = NULL;
    struct lw_error error;

    assert_int_equal(lw_http_client_create(setup, &client, &error), LW_OK);
    return client;
}

static enum lw_status post(struct lw_http_client *client, uint16_t port,
                           struct lw_http_request request, struct lw_http_answer *ret_answer,
                           struct lw_error *reterr)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/path", port);
    request.url = url;
    request.content_type = "text/plain";
    request.body = "body";
    request.n_bytes = 4;
    request.stop = request.stop == 0 ? -1 : request.stop;
    request.answer_bytes_max = request.answer_bytes_max == 0 ? 1000 : request.answer_bytes_max;
    memset(reterr, 0, sizeof(*reterr));
    return lw_http_post(client, &request, ret_answer, reterr);
}

static void test_http__refuses_addresses_that_cannot_be(void **state)
{
    static const char *const bad[] = {"ftp://host",
                                      "host:9090",
                                      "http://",
                                      "http:///path",
                                      "http://user:word@host/",
                                      "http://host/a b",
                                      "http://host/#a",
                                      "http://host/\n",
                                      "",
                                      "file:///etc/passwd"};
    struct lw_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(lw_http_url_check(bad[i], true, &error), LW_EINVAL);
        assert_null(strstr(error.message, "word@"));
    }
    assert_int_equal(lw_http_url_check("http://host/?a=b", false, &error), LW_EINVAL);
    assert_int_equal(lw_http_url_check("http://host/?a=b", true, &error), LW_OK);
    assert_int_equal(lw_http_url_check("HTTPS://[::1]:9090/a/b@c", false, &error), LW_OK);
}

static void test_http__sends_all_of_it_and_keeps_the_connection(void **state)
{
    static const char *const headers[] = {"X-One: 1", "X-Two: 2", NULL};
    struct http_stub stub = {.answers = {"HTTP/1.1 201 Made\r\nContent-Length: 5\r\n\r\nhello"},
                             .n_answers = 1};
    struct lw_http_client *client = client_make(&(struct lw_http_setup){.timeout_ns = 5 * SECOND});
    struct lw_http_answer answer;
    struct lw_error error;
    char value[512];

    (void)state;
    assert_true(stub_start(&stub, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            post(client, stub.port, (struct lw_http_request){.headers = headers}, &answer, &error),
            LW_OK);
        assert_int_equal(answer.code, 201);
        assert_string_equal(answer.body, "hello");
        assert_int_equal(answer.n_bytes, 5);
    }
    assert_int_equal(stub.n_connections, 1);
    assert_memory_equal(stub.requests[2].head, "POST /path HTTP/1.1\r\n", 21);
    assert_string_equal(stub.requests[2].body, "body");
    assert_string_equal(stub_header(&stub.requests[2], "X-Two", value), "2");
    assert_string_equal(stub_header(&stub.requests[2], "Content-Type", value), "text/plain");
    assert_string_equal(stub_header(&stub.requests[2], "Expect", value), "");
    assert_memory_equal(stub_header(&stub.requests[2], "User-Agent", value), "lapwing/", 8);
    lw_http_client_destroy(client);
    stub_stop(&stub);
}

static void test_http__follows_no_redirect(void **state)
{
    struct http_stub elsewhere = {0}, stub = {.n_answers = 1};
    struct lw_http_client *client = client_make(&(struct lw_http_setup){.timeout_ns = 5 * SECOND});
    struct lw_http_answer answer;
    struct lw_error error;
    char redirect[256];

    (void)state;
    assert_true(stub_start(&elsewhere, 0));
    (void)snprintf(redirect, sizeof(redirect),
                   "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: "
                   "0\r\n\r\n",
                   elsewhere.port);
    stub.answers[0] = redirect;
    assert_true(stub_start(&stub, 0));
    assert_int_equal(post(client, stub.port, (struct lw_http_request){0}, &answer, &error), LW_OK);
    assert_int_equal(answer.code, 307);
    assert_int_equal(stub_requests(&elsewhere), 0);
    lw_http_client_destroy(client);
    stub_stop(&stub);
    stub_stop(&elsewhere);
}

static void test_http__ends_when_the_time_is_over_or_it_is_told_to(void **state)
{
    struct http_stub stub = {.answers = {NULL}, .n_answers = 1};
    struct lw_http_client *client = client_make(
        &(struct lw_http_setup){.timeout_ns = 300 * MS, .connect_timeout_ns = SECOND});
    struct lw_http_answer answer;
    struct lw_error error;
    int64_t began_ns;
    int told[2];

    (void)state;
    assert_true(stub_start(&stub, 0));
    began_ns = lw_clock_monotonic_ns();
    assert_int_equal(post(client, stub.port, (struct lw_http_request){0}, &answer, &error), LW_EIO);
    assert_true(answer.is_late && !answer.is_stopped && answer.code == 0);
    assert_in_range(lw_clock_monotonic_ns() - began_ns, 290 * MS, 3 * SECOND);
    assert_int_equal(pipe(told), 0);
    assert_int_equal(write(told[1], "", 1), 1);
    began_ns = lw_clock_monotonic_ns();
    assert_int_equal(post(client, stub.port,
                          (struct lw_http_request){.stop = told[0], .timeout_ns = 60 * SECOND},
                          &answer, &error),
                     LW_EIO);
    assert_true(answer.is_stopped && !answer.is_late);
    assert_true(lw_clock_monotonic_ns() - began_ns < 2 * SECOND);
    (void)close(told[0]);
    (void)close(told[1]);
    lw_http_client_destroy(client);
    stub_stop(&stub);
}

static void test_http__cuts_an_answer_that_is_too_long(void **state)
{
    struct http_stub stub = {
        .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n123456789012"}, .n_answers = 1};
    struct lw_http_client *client = client_make(&(struct lw_http_setup){.timeout_ns = 5 * SECOND});
    struct lw_http_answer answer;
    struct lw_error error;

    (void)state;
    assert_true(stub_start(&stub, 0));
    assert_int_equal(
        post(client, stub.port, (struct lw_http_request){.answer_bytes_max = 11}, &answer, &error),
        LW_OK);
    assert_true(answer.is_too_long && answer.code == 200);
    assert_string_equal(answer.body, "12345678901");
    assert_int_equal(
        post(client, stub.port, (struct lw_http_request){.answer_bytes_max = 12}, &answer, &error),
        LW_OK);
    assert_false(answer.is_too_long);
    assert_string_equal(answer.body, "123456789012");
    lw_http_client_destroy(client);
    stub_stop(&stub);
}

static void test_http__reads_retry_after_as_seconds_and_as_a_date(void **state)
{
    char dated[256], date[64];
    time_t later = time(NULL) + 100;
    struct tm parts;
    struct http_stub stub = {
        .answers = {"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", dated,
                    "HTTP/1.1 503 No\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n",
                    "HTTP/1.1 503 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"},
        .n_answers = 4};
    struct lw_http_client *client = client_make(&(struct lw_http_setup){.timeout_ns = 5 * SECOND});
    struct lw_http_answer answer;
    struct lw_error error;
    struct lw_http_request request = {0};

    (void)state;
    (void)gmtime_r(&later, &parts);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    (void)snprintf(dated, sizeof(dated),
                   "HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date);
    assert_true(stub_start(&stub, 0));
    assert_int_equal(post(client, stub.port, request, &answer, &error), LW_OK);
    assert_int_equal(answer.retry_after_ns, 7 * SECOND);
    assert_int_equal(post(client, stub.port, request, &answer, &error), LW_OK);
    assert_in_range(answer.retry_after_ns, 80 * SECOND, 100 * SECOND);
    assert_int_equal(post(client, stub.port, request, &answer, &error), LW_OK);
    assert_in_range(answer.retry_after_ns, 6 * 3600 * SECOND, LW_HTTP_RETRY_AFTER_MAX_NS);
    assert_int_equal(post(client, stub.port, request, &answer, &error), LW_OK);
    assert_int_equal(answer.retry_after_ns, 0);
    lw_http_client_destroy(client);
    stub_stop(&stub);
}

static void header_put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_http__takes_up_a_new_token(void **state)
{
    char path[] = "/tmp/lapwing-test-XXXXXX", value[512];
    struct lw_http_setup setup = {.header_file = path, .timeout_ns = 5 * SECOND};
    struct http_stub stub = {0};
    struct lw_http_client *client;
    struct lw_http_answer answer;
    struct lw_error error;
    int descriptor = mkstemp(path);

    (void)state;
    assert_true(descriptor >= 0 && stub_start(&stub, 0));
    (void)close(descriptor);
    header_put(path, "bad header\n");
    assert_int_equal(lw_http_client_create(&setup, &client, &error), LW_EFORMAT);
    header_put(path, "first-token\n");
    client = client_make(&setup);
    assert_int_equal(post(client, stub.port, (struct lw_http_request){0}, &answer, &error), LW_OK);
    header_put(path, "X-Scope: two words\nrest\n");
    assert_int_equal(post(client, stub.port, (struct lw_http_request){0}, &answer, &error), LW_OK);
    assert_string_equal(stub_header(&stub.requests[0], "Authorization", value),
                        "Bearer first-token");
    assert_string_equal(stub_header(&stub.requests[1], "X-Scope", value), "two words");
    assert_string_equal(stub_header(&stub.requests[1], "Authorization", value), "");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(post(client, stub.port, (struct lw_http_request){0}, &answer, &error),
                     LW_ENOTFOUND);
    assert_int_equal(stub_requests(&stub), 2);
    lw_http_client_destroy(client);
    assert_int_equal(lw_http_client_create(&setup, &client, &error), LW_ENOTFOUND);
    stub_stop(&stub);
}

static void test_http__leaves_the_environments_proxy_alone_unless_asked(void **state)
{
    struct lw_http_setup setup = {.timeout_ns = 2 * SECOND};
    struct http_stub stub = {0};
    struct lw_http_client *direct, *through;
    struct lw_http_answer answer;
    struct lw_error error;

    (void)state;
    assert_true(stub_start(&stub, 0));
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("no_proxy", "", 1), 0);
    direct = client_make(&setup);
    setup.uses_proxy = true;
    through = client_make(&setup);
    assert_int_equal(post(direct, stub.port, (struct lw_http_request){0}, &answer, &error), LW_OK);
    assert_int_equal(answer.code, 200);
    assert_int_equal(post(through, stub.port, (struct lw_http_request){0}, &answer, &error),
                     LW_EIO);
    assert_non_null(strstr(error.message, "onnect"));
    assert_int_equal(unsetenv("http_proxy"), 0);
    lw_http_client_destroy(direct);
    lw_http_client_destroy(through);
    stub_stop(&stub);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http__refuses_addresses_that_cannot_be),
        cmocka_unit_test(test_http__sends_all_of_it_and_keeps_the_connection),
        cmocka_unit_test(test_http__follows_no_redirect),
        cmocka_unit_test(test_http__ends_when_the_time_is_over_or_it_is_told_to),
        cmocka_unit_test(test_http__cuts_an_answer_that_is_too_long),
        cmocka_unit_test(test_http__reads_retry_after_as_seconds_and_as_a_date),
        cmocka_unit_test(test_http__takes_up_a_new_token),
        cmocka_unit_test(test_http__leaves_the_environments_proxy_alone_unless_asked),
    };

    return LW_TEST_RUN(tests);
}
