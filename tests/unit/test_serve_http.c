/* The server beneath the routes: routing, refusals, answers, streams, with routes of the test's
 * own. */
#include "serve/http.h"

#include "serve/listen.h"
#include "support/http_client.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static struct client_answer answer;

/* ---- routes of the test ---- */

struct context {
    atomic_int n_ticks, n_closed, n_open;
};

struct counting_stream {
    struct context *context;
    int n;
};

static bool counting_more(void *context, struct lw_writer *out)
{
    struct counting_stream *stream = context;
    char text[64];
    int n = snprintf(text, sizeof(text), "data: %d\n\n", ++stream->n);

    lw_write_raw(out, text, (size_t)n);
    return stream->n < 4;
}

static void counting_close(void *context)
{
    struct counting_stream *stream = context;

    atomic_fetch_add(&stream->context->n_closed, 1);
    free(stream);
}

static bool silent_more(void *context, struct lw_writer *out)
{
    (void)context;
    (void)out;
    return true;
}

static void send_stream(void *context, struct lw_http_exchange *exchange,
                        bool (*more)(void *, struct lw_writer *))
{
    static struct lw_http_stream classes[2] = {{counting_more, counting_close},
                                               {silent_more, counting_close}};
    struct counting_stream *stream = calloc(1, sizeof(*stream));

    stream->context = context;
    lw_http_send_stream(exchange, &classes[more == silent_more], stream);
}

static void route_count(void *context, struct lw_http_exchange *exchange)
{
    send_stream(context, exchange, counting_more);
}

static void route_silent(void *context, struct lw_http_exchange *exchange)
{
    send_stream(context, exchange, silent_more);
}

static void route_hello(void *context, struct lw_http_exchange *exchange)
{
    struct lw_json *json = lw_http_json(exchange);

    (void)context;
    lw_json_text(json, "hello");
    lw_http_send_json(exchange, 200);
}

static void route_pair(void *context, struct lw_http_exchange *exchange)
{
    struct lw_json *json = lw_http_json(exchange);
    uint64_t a, b, size;

    (void)context;
    if (!lw_http_part_number(exchange, 0, 100, &a) || !lw_http_part_number(exchange, 1, 100, &b) ||
        !lw_http_query_number(exchange, "size", 1, 9, 5, &size)) {
        return;
    }
    lw_json_int(json, (int64_t)(a * 10000 + b * 10 + size));
    lw_http_send_json(exchange, 200);
}

/* Says how many bytes came, and their sum. */
static void route_upload(void *context, struct lw_http_exchange *exchange)
{
    struct lw_json *json = lw_http_json(exchange);
    size_t n_bytes;
    const uint8_t *body = lw_http_body(exchange, &n_bytes);
    int64_t sum = 0;

    (void)context;
    for (size_t i = 0; i < n_bytes; i++) {
        sum += body[i];
    }
    lw_json_int(json, (int64_t)n_bytes * 1000000 + sum);
    lw_http_send_json(exchange, 200);
}

static void route_forgets(void *context, struct lw_http_exchange *exchange)
{
    (void)context;
    (void)exchange;
}

static void on_tick(void *context, uint32_t n_streams)
{
    (void)n_streams;
    atomic_fetch_add(&((struct context *)context)->n_ticks, 1);
}

static const struct lw_http_parameter pair_parameters[] = {{"size", "One to nine."}, {NULL, NULL}};

static const struct lw_http_upload upload = {.bytes_max = 1000};

static const struct lw_http_route routes[] = {
    {.path = "/hello", .answer = route_hello, .summary = "Says hello."},
    {.path = "/pair/{a}/to/{b}",
     .answer = route_pair,
     .summary = "Two numbers.",
     .parameters = pair_parameters},
    {.path = "/forgets", .answer = route_forgets, .summary = "Never answers."},
    {.path = "/count", .answer = route_count, .summary = "Counts to four."},
    {.path = "/silent", .answer = route_silent, .summary = "Says nothing."},
    {.path = "/upload", .answer = route_upload, .summary = "Counts bytes.", .upload = &upload},
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

struct fixture {
    struct lw_http *http;
    struct context context;
    uint16_t port;
};

static int setup(void **state)
{
    static struct fixture fixture;
    struct lw_listen at;
    struct lw_error error = {0};

    memset(&fixture, 0, sizeof(fixture));
    if (lw_listen_open("127.0.0.1:0", &at, &error) != LW_OK) {
        print_error("%s\n", error.message);
        return -1;
    }
    fixture.port = at.port;
    *state = &fixture;
    return lw_http_create(&(struct lw_http_config){.listen_fd = at.fd,
                                                   .host = at.host,
                                                   .routes = routes,
                                                   .n_routes = N_ROUTES,
                                                   .context = &fixture.context,
                                                   .tick_ms = 20,
                                                   .idle_ms = 400,
                                                   .body_ms = 600,
                                                   .tick = on_tick},
                          &fixture.http, &error) == LW_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    lw_http_destroy(fixture->http);
    return lw_test_mem_live() == 0 ? 0 : -1;
}

static uint16_t port_of(void **state)
{
    return ((struct fixture *)*state)->port;
}

/* ---- bodies ---- */

static char upload_text[1 << 16];

/* A POST of n bytes 'a' to /upload, as it is on the wire; its length. */
static size_t upload_make(size_t n_announced, size_t n_bytes, const char *fields)
{
    size_t used = (size_t)snprintf(upload_text, sizeof(upload_text),
                                   "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
                                   "Content-Length: %zu\r\n%s\r\n",
                                   n_announced, fields);

    memset(upload_text + used, 'a', n_bytes);
    return used + n_bytes;
}

static void test_body__is_read_up_to_its_bound(void **state)
{
    static const size_t sizes[] = {0, 1, 999, 1000};
    size_t n;

    for (size_t i = 0; i < 4; i++) {
        char expected[32];

        n = upload_make(sizes[i], sizes[i], "Connection: close\r\n");
        client_send(port_of(state), upload_text, n, &answer);
        assert_int_equal(answer.code, 200);
        (void)snprintf(expected, sizeof(expected), "%zu", sizes[i] * 1000000 + sizes[i] * 'a');
        assert_string_equal(client_body(&answer), expected);
    }
    n = upload_make(1001, 0, ""); /* Refused before the body comes, and the connection ends. */
    client_send(port_of(state), upload_text, n, &answer);
    assert_int_equal(answer.code, 413);
    assert_non_null(strstr(answer.text, "1000 bytes"));
}

static void test_body__in_chunks_is_read_up_to_its_bound(void **state)
{
    for (int n_chunks = 10; n_chunks <= 11; n_chunks++) {
        size_t used = (size_t)snprintf(upload_text, sizeof(upload_text),
                                       "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: "
                                       "close\r\nTransfer-Encoding: chunked\r\n\r\n");

        for (int i = 0; i < n_chunks; i++) {
            used += (size_t)snprintf(upload_text + used, sizeof(upload_text) - used, "64\r\n");
            memset(upload_text + used, 'a', 100);
            used += 100;
            used += (size_t)snprintf(upload_text + used, sizeof(upload_text) - used, "\r\n");
        }
        used += (size_t)snprintf(upload_text + used, sizeof(upload_text) - used, "0\r\n\r\n");
        client_send(port_of(state), upload_text, used, &answer);
        assert_int_equal(answer.code, n_chunks == 10 ? 200 : 413);
    }
}

static void test_body__leaves_the_connection_for_the_next(void **state)
{
    int fd = client_connect(port_of(state));

    for (int i = 0; i < 3; i++) {
        size_t n = upload_make(500, 500, "");

        assert_int_equal(write(fd, upload_text, n), n);
        answer.n = 0;
        client_read(fd, &answer, "500048500");
        assert_int_equal(answer.code, 200);
    }
    (void)close(fd);
}

static void test_body__that_does_not_come_ends_the_connection(void **state)
{
    int fd = client_connect(port_of(state));
    size_t n = upload_make(500, 100, "");

    assert_int_equal(write(fd, upload_text, n), n);
    answer.n = 0;
    client_read(fd, &answer, NULL); /* Gives up after 5 s. */
    assert_int_equal(answer.n, 0);
    assert_int_equal(read(fd, upload_text, 1), 0);
    (void)close(fd);
}

static void test_bodies__are_bounded_in_number(void **state)
{
    struct fixture *fixture = *state;
    struct lw_http_totals totals = {0};
    int fds[LW_HTTP_BODIES_MAX];
    size_t n = upload_make(500, 100, "");

    for (size_t i = 0; i < LW_HTTP_BODIES_MAX; i++) {
        fds[i] = client_connect(fixture->port);
        assert_true(fds[i] >= 0);
        assert_int_equal(write(fds[i], upload_text, n), n);
    }
    for (int i = 0; i < 100 && totals.n_bodies < LW_HTTP_BODIES_MAX; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        lw_http_count(fixture->http, &totals);
    }
    assert_int_equal(totals.n_bodies, LW_HTTP_BODIES_MAX);
    n = upload_make(500, 500, "Connection: close\r\n");
    client_send(fixture->port, upload_text, n, &answer);
    assert_int_equal(answer.code, 503);
    assert_non_null(strstr(answer.text, "\r\nRetry-After: 1\r\n"));
    for (size_t i = 0; i < LW_HTTP_BODIES_MAX; i++) {
        (void)close(fds[i]);
    }
    for (int i = 0; i < 500 && totals.n_bodies > 0; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        lw_http_count(fixture->http, &totals);
    }
    assert_int_equal(totals.n_bodies, 0);
    assert_int_equal(totals.bytes_held, 0);
}

/* ---- routing ---- */

static void test_http__answers_a_route(void **state)
{
    client_request(port_of(state), "GET", "/hello", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_string_equal(client_body(&answer), "\"hello\"");
    assert_non_null(strstr(answer.text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(answer.text, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answer.text, "\r\nContent-Security-Policy: default-src 'none';"));
    assert_non_null(strstr(answer.text, "\r\nX-Content-Type-Options: nosniff\r\n"));
}

static void test_http__takes_parts_and_parameters(void **state)
{
    client_request(port_of(state), "GET", "/pair/12/to/7?size=3", "", &answer);
    assert_string_equal(client_body(&answer), "120073");
    client_request(port_of(state), "GET", "/pair/12/to/7", "", &answer);
    assert_string_equal(client_body(&answer), "120075");
    client_request(port_of(state), "GET", "/pair/%31/to/%32?size=%33", "", &answer);
    assert_string_equal(client_body(&answer), "10023");
}

static void test_http__refuses_what_no_route_takes(void **state)
{
    static const struct {
        const char *method, *path;
        int code;
    } cases[] = {
        {"GET", "/nothing", 404},
        {"GET", "/hello/", 404},
        {"GET", "/hello%00x", 404},
        {"GET", "/pair/1/to", 404},
        {"GET", "/pair/x/to/1", 404},
        {"GET", "/pair/101/to/1", 404},
        {"GET", "/pair//to/1", 404},
        {"GET", "/pair/1/to/1/2", 404},
        {"GET", "/pair/1/to/-1", 404},
        {"GET", "/pair/1/to/2?size=0", 400},
        {"GET", "/pair/1/to/2?size=", 400},
        {"GET", "/pair/1/to/2?size=10", 400},
        {"GET", "/pair/1/to/2?size", 400},
        {"GET", "/pair/1/to/2?sizes=1", 400},
        {"GET", "/hello?size=1", 400},
        {"GET", "/pair/1/to/2?size=1%00", 400},
        {"POST", "/hello", 405},
        {"TRACE", "/hello", 405},
        {"DELETE", "/pair/1/to/2", 405},
        {"POST", "/nothing", 404},
        {"GET", "/forgets", 500},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_request(port_of(state), cases[i].method, cases[i].path, "", &answer);
        if (answer.code != cases[i].code) {
            print_error("%s %s gave %d, not %d\n", cases[i].method, cases[i].path, answer.code,
                        cases[i].code);
        }
        assert_int_equal(answer.code, cases[i].code);
        assert_non_null(strstr(answer.text, "\r\nContent-Type: application/problem+json\r\n"));
        assert_non_null(strstr(client_body(&answer), "\"type\":\"about:blank\""));
    }
}

static void test_http__says_which_methods_are_allowed(void **state)
{
    client_request(port_of(state), "PUT", "/hello", "", &answer);
    assert_int_equal(answer.code, 405);
    assert_non_null(strstr(answer.text, "\r\nAllow: GET, HEAD\r\n"));
}

static void test_http__head_has_the_headers_and_no_body(void **state)
{
    client_request(port_of(state), "HEAD", "/hello", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Length: 7\r\n"));
    assert_string_equal(client_body(&answer), "");
}

static void test_http__keeps_the_connection_for_the_next_request(void **state)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /pair/1/to/1 "
                                  "HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = client_connect(port_of(state));

    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    answer.n = 0;
    client_read(fd, &answer, "10015");
    assert_non_null(strstr(answer.text, "\"hello\""));
    assert_non_null(strstr(answer.text, "10015"));
    (void)close(fd);
}

/* ---- refusals ---- */

static void test_http__refuses_ambiguous_requests_and_hangs_up(void **state)
{
    static const struct {
        const char *fields;
        int code;
        int code_too; /* Of the library, where a newer one refuses this before it asks us. */
    } cases[] = {
        {"Content-Length: 0\r\nContent-Length: 3\r\n", 400, 400},
        {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, 400},
        {"Transfer-Encoding: gzip\r\n", 501, 400},
        {"Transfer-Encoding: chunked\r\n", 413, 413},
        {"Content-Length: 64\r\n", 413, 413},
        {"Content-Length: -1\r\n", 400, 400},
        {"Host: localhost\r\n", 400, 400},
        {"Bad name: x\r\n", 400, 400},
        {"X: a\rb\r\n", 400, 400},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[512];
        int n = snprintf(request, sizeof(request),
                         "GET /hello HTTP/1.1\r\nHost: localhost\r\n%s\r\nGET /pair/1/to/1 "
                         "HTTP/1.1\r\nHost: localhost\r\n\r\n",
                         cases[i].fields);

        client_send(port_of(state), request, (size_t)n, &answer);
        if (answer.code != cases[i].code && answer.code != cases[i].code_too) {
            fail_msg("%s gave %d, not %d", cases[i].fields, answer.code, cases[i].code);
        }
        assert_null(strstr(answer.text, "10015")); /* What followed was not read as a request. */
    }
}

static void test_http__answers_to_loopback_names_only(void **state)
{
    static const struct {
        const char *host;
        int code;
    } cases[] = {
        {"localhost", 200},
        {"localhost:1", 200},
        {"LOCALHOST:80", 200},
        {"127.0.0.1:8080", 200},
        {"127.8.9.1", 200},
        {"[::1]", 200},
        {"[::1]:9000", 200},
        {"evil.example", 421},
        {"evil.example:80", 421},
        {"localhost.evil.example", 421},
        {"10.0.0.1", 421},
        {"128.0.0.1", 421},
        {"[::2]", 421},
        {"[::1", 421},
        {"[::1]x", 421},
        {"127.0.0.1:8x", 421},
        {"", 421},
        {":80", 421},
        {"localhost:", 200},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[256];
        int n = snprintf(request, sizeof(request),
                         "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                         cases[i].host);

        client_send(port_of(state), request, (size_t)n, &answer);
        if (answer.code != cases[i].code) {
            print_error("Host \"%s\" gave %d, not %d\n", cases[i].host, answer.code, cases[i].code);
        }
        assert_int_equal(answer.code, cases[i].code);
    }
}

static void test_http__wants_a_host_of_new_clients_only(void **state)
{
    static const char old[] = "GET /hello HTTP/1.0\r\n\r\n";
    static const char new[] = "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n";

    client_send(port_of(state), old, sizeof(old) - 1, &answer);
    assert_int_equal(answer.code, 200);
    client_send(port_of(state), new, sizeof(new) - 1, &answer);
    assert_int_equal(answer.code, 400);
}

static void test_http__limits_path_and_headers(void **state)
{
    static char request[1 << 16];
    size_t n = (size_t)snprintf(request, sizeof(request),
                                "GET /%01100d HTTP/1.1\r\nHost: localhost\r\n\r\n", 0);

    client_send(port_of(state), request, n, &answer);
    assert_int_equal(answer.code, 414);
    n = (size_t)snprintf(request, sizeof(request),
                         "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: %017000d\r\n\r\n", 0);
    client_send(port_of(state), request, n, &answer);
    assert_int_equal(answer.code, 431);
    n = (size_t)snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < LW_HTTP_FIELDS_MAX; i++) {
        n += (size_t)snprintf(request + n, sizeof(request) - n, "X-%d: 1\r\n", i);
    }
    n += (size_t)snprintf(request + n, sizeof(request) - n, "\r\n");
    client_send(port_of(state), request, n, &answer);
    assert_int_equal(answer.code, 431);
}

static void test_http__ends_a_connection_that_dribbles(void **state)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: ";
    int fd = client_connect(port_of(state));
    int n_sent = 0;

    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    while (n_sent < 200 && send(fd, "a", 1, MSG_NOSIGNAL) == 1) {
        (void)usleep(20000);
        n_sent++;
    }
    assert_in_range(n_sent, 10, 100); /* Due after 400 ms, which is 20 bytes. */
    (void)close(fd);
}

static void test_http__counts_answers_by_route_and_code(void **state)
{
    struct fixture *fixture = *state;
    uint64_t hello_200 = 0, hello_405 = 0, none_404 = 0;

    client_request(fixture->port, "GET", "/hello", "", &answer);
    client_request(fixture->port, "HEAD", "/hello", "", &answer);
    client_request(fixture->port, "PUT", "/hello", "", &answer);
    client_request(fixture->port, "GET", "/nothing", "", &answer);
    for (size_t i = 0; i < LW_HTTP_CODES; i++) {
        unsigned code;
        uint64_t n = lw_http_answers(fixture->http, 0, i, &code);

        hello_200 += code == 200 ? n : 0;
        hello_405 += code == 405 ? n : 0;
        n = lw_http_answers(fixture->http, N_ROUTES, i, &code);
        none_404 += code == 404 ? n : 0;
    }
    assert_int_equal(hello_200, 2);
    assert_int_equal(hello_405, 1);
    assert_int_equal(none_404, 1);
}

/* ---- streams ---- */

static void test_stream__sends_what_it_has_each_tick_until_it_ends(void **state)
{
    struct fixture *fixture = *state;

    client_request(fixture->port, "GET", "/count", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Type: text/event-stream\r\n"));
    assert_non_null(strstr(answer.text, "data: 1\n\n"));
    assert_non_null(strstr(answer.text, "data: 3\n\n"));
    assert_true(atomic_load(&fixture->context.n_ticks) >= 2);
    for (int i = 0; i < 100 && atomic_load(&fixture->context.n_closed) == 0; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(atomic_load(&fixture->context.n_closed), 1);
    assert_int_equal(lw_http_n_streams(fixture->http), 0);
}

static void test_stream__refuses_more_than_the_limit(void **state)
{
    static const char request[] = "GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct fixture *fixture = *state;
    int fds[LW_HTTP_STREAMS_MAX];

    for (int i = 0; i < LW_HTTP_STREAMS_MAX; i++) {
        fds[i] = client_connect(fixture->port);
        assert_int_equal(write(fds[i], request, sizeof(request) - 1), sizeof(request) - 1);
        answer.n = 0;
        client_read(fds[i], &answer, "\r\n\r\n");
        assert_int_equal(answer.code, 200);
    }
    assert_int_equal(lw_http_n_streams(fixture->http), LW_HTTP_STREAMS_MAX);
    client_request(fixture->port, "GET", "/silent", "", &answer);
    assert_int_equal(answer.code, 503);
    assert_non_null(strstr(answer.text, "\r\nRetry-After: 30\r\n"));
    assert_int_equal(atomic_load(&fixture->context.n_closed), 1);
    for (int i = 0; i < LW_HTTP_STREAMS_MAX; i++) {
        (void)close(fds[i]);
    }
}

static void test_stream__ends_with_the_server(void **state)
{
    static const char request[] = "GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct fixture *fixture = *state;
    int fd = client_connect(fixture->port);

    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    answer.n = 0;
    client_read(fd, &answer, "\r\n\r\n");
    assert_int_equal(answer.code, 200);
    lw_http_destroy(fixture->http);
    fixture->http = NULL;
    assert_int_equal(atomic_load(&fixture->context.n_closed), 1);
    (void)close(fd);
}

/* ---- listening ---- */

static void test_listen__takes_loopback_addresses_only(void **state)
{
    static const struct {
        const char *text;
        enum lw_status st;
    } cases[] = {
        {"127.0.0.1:0", LW_OK},      {"localhost:0", LW_OK},        {"127.0.0.2:0", LW_OK},
        {"0.0.0.0:0", LW_EINVAL},    {"10.1.2.3:80", LW_EINVAL},    {"[::]:0", LW_EINVAL},
        {"::1:80", LW_EINVAL},       {"example.org:80", LW_EINVAL}, {"8080", LW_EINVAL},
        {":8080", LW_EINVAL},        {"127.0.0.1:", LW_EINVAL},     {"127.0.0.1:65536", LW_EINVAL},
        {"127.0.0.1:8o", LW_EINVAL}, {"127.0.0.1:-1", LW_EINVAL},   {"", LW_EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_error error = {0};
        struct lw_listen at;
        enum lw_status st = lw_listen_open(cases[i].text, &at, &error);

        if (st != cases[i].st) {
            print_error("\"%s\" gave %d: %s\n", cases[i].text, st, error.message);
        }
        assert_int_equal(st, cases[i].st);
        if (st == LW_OK) {
            assert_true(at.port > 0);
            (void)close(at.fd);
        } else {
            assert_true(strlen(error.message) > 20);
        }
    }
}

static void test_listen__says_that_a_port_is_taken(void **state)
{
    struct lw_error error = {0};
    struct lw_listen first, second;
    char text[64];

    (void)state;
    assert_int_equal(lw_listen_open("127.0.0.1:0", &first, &error), LW_OK);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", first.port);
    assert_int_equal(lw_listen_open(text, &second, &error), LW_EIO);
    assert_non_null(strstr(error.message, "in use"));
    (void)close(first.fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http__answers_a_route, setup, teardown),
        cmocka_unit_test_setup_teardown(test_body__is_read_up_to_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_body__in_chunks_is_read_up_to_its_bound, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_body__leaves_the_connection_for_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_body__that_does_not_come_ends_the_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bodies__are_bounded_in_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__takes_parts_and_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__refuses_what_no_route_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__says_which_methods_are_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__head_has_the_headers_and_no_body, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http__keeps_the_connection_for_the_next_request, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http__refuses_ambiguous_requests_and_hangs_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http__answers_to_loopback_names_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__wants_a_host_of_new_clients_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http__limits_path_and_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__ends_a_connection_that_dribbles, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http__counts_answers_by_route_and_code, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_stream__sends_what_it_has_each_tick_until_it_ends,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream__refuses_more_than_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream__ends_with_the_server, setup, teardown),
        cmocka_unit_test(test_listen__takes_loopback_addresses_only),
        cmocka_unit_test(test_listen__says_that_a_port_is_taken),
    };

    return LW_TEST_RUN(tests);
}
