/* Pushes through the server: bodies, encodings, limits, and answers that wait for the journal. */
#include "connect/protobuf_write.h"
#include "serve/serve.h"
#include "serve/unpack.h"

#include "support/engine_fake.h"
#include "support/http_client.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

static struct client_answer answer;
static struct lw_server *server;
static uint16_t port;
static char request[1 << 16];

static int setup(void **state)
{
    struct lw_error error = {0};

    (void)state;
    fake_reset();
    fake_feed_init(&fake_feed);
    if (lw_server_create(&(struct lw_server_config){.listen = "127.0.0.1:0",
                                                    .engine = (struct lw_engine *)&fake,
                                                    .version = "1",
                                                    .push = {.enabled = true}},
                         &server, &error) != LW_OK) {
        print_error("%s\n", error.message);
        return -1;
    }
    port = lw_server_port(server);
    lw_server_set_ready(server, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lw_server_destroy(server);
    return lw_test_mem_live() == 0 ? 0 : -1;
}

/* A message of remote write 1.0: one sample of the series `name`. */
static size_t message_make(const char *name, char *ret_bytes)
{
    struct lw_writer message, series, part;
    size_t n_bytes;

    lw_writer_init(&message);
    lw_writer_init(&series);
    lw_writer_init(&part);
    lw_protobuf_write_bytes(&part, 1, "__name__", 8);
    lw_protobuf_write_bytes(&part, 2, name, strlen(name));
    lw_protobuf_write_bytes(&series, 1, part.data, part.n_bytes);
    lw_writer_reset(&part);
    lw_protobuf_write_double(&part, 1, 42);
    lw_protobuf_write_int64(&part, 2, (int64_t)time(NULL) * 1000);
    lw_protobuf_write_bytes(&series, 2, part.data, part.n_bytes);
    lw_protobuf_write_bytes(&message, 1, series.data, series.n_bytes);
    n_bytes = message.n_bytes;
    memcpy(ret_bytes, message.data, n_bytes);
    lw_writer_fini(&part);
    lw_writer_fini(&series);
    lw_writer_fini(&message);
    return n_bytes;
}

static size_t head_make(const char *fields, size_t n_body)
{
    return (size_t)snprintf(
        request, sizeof(request),
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Length: %zu\r\n%s\r\n",
        n_body, fields);
}

/* Sends a body as it is; the answer is in `answer`. */
static void post(const char *fields, const char *body, size_t n_body)
{
    size_t n = head_make(fields, n_body);

    memcpy(request + n, body, n_body);
    memset(&answer, 0, sizeof(answer.code) + sizeof(answer.n));
    client_send(port, request, n + n_body, &answer);
}

/* Sends the series as snappy, as Prometheus does. */
static void post_series(const char *name)
{
    char message[1024], packed[2048];
    size_t n = message_make(name, message), n_packed = sizeof(packed);

    assert_int_equal(snappy_compress(message, n, packed, &n_packed), SNAPPY_OK);
    post("Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n", packed, n_packed);
}

static size_t n_points(void)
{
    size_t n;

    (void)pthread_mutex_lock(&fake_feed.lock);
    n = fake_feed.n_points;
    (void)pthread_mutex_unlock(&fake_feed.lock);
    return n;
}

static void test_push__takes_a_packed_body(void **state)
{
    (void)state;
    post_series("up");
    assert_int_equal(answer.code, 204);
    assert_int_equal(n_points(), 1);
    assert_string_equal(fake_feed.names[0], "up{}");
    assert_true(fake_feed.points[0].value == 42);
}

static void test_push__takes_chunks_and_an_expectation(void **state)
{
    char message[1024];
    size_t n = message_make("chunked", message);
    size_t used = (size_t)snprintf(request, sizeof(request),
                                   "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\n"
                                   "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");

    (void)state;
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(request + used, sizeof(request) - used, "1\r\n");
        request[used++] = message[i];
        used += (size_t)snprintf(request + used, sizeof(request) - used, "\r\n");
    }
    used += (size_t)snprintf(request + used, sizeof(request) - used, "0\r\n\r\n");
    client_send(port, request, used, &answer);
    assert_int_equal(answer.code, 204);
    assert_int_equal(n_points(), 1);
    post("Expect: 100-continue\r\n", message, n);
    assert_non_null(strstr(answer.text, "HTTP/1.1 204"));
    assert_int_equal(n_points(), 2);
}

static void test_push__refuses_by_headers_alone(void **state)
{
    static const struct {
        const char *fields;
        int code;
    } cases[] = {
        {"Expect: 100-continue\r\nContent-Encoding: gzip\r\n", 415},
        {"Expect: 100-continue\r\nContent-Encoding: zstd\r\n", 415},
        {"Origin: http://example.net\r\n", 403},
        {"Origin: null\r\n", 403},
    };
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = head_make(cases[i].fields, 1000); /* The body never comes. */
        client_send(port, request, n, &answer);
        assert_int_equal(answer.code, cases[i].code);
    }
    n = head_make("", ((size_t)32 << 20) + 1);
    client_send(port, request, n, &answer);
    assert_int_equal(answer.code, 413);
    n = (size_t)snprintf(request, sizeof(request),
                         "POST /api/v1/write HTTP/1.1\r\nHost: example.net\r\nContent-Length: "
                         "9\r\n\r\n");
    client_send(port, request, n, &answer);
    assert_int_equal(answer.code, 421);
    n = (size_t)snprintf(
        request, sizeof(request),
        "GET /api/v1/write HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    client_send(port, request, n, &answer);
    assert_int_equal(answer.code, 405);
    assert_non_null(strstr(answer.text, "\r\nAllow: POST\r\n"));
    assert_int_equal(n_points(), 0);
}

static void test_push__refuses_bodies_that_are_not_what_they_say(void **state)
{
    static const char bomb[] = "\xff\xff\xff\xff\x0f\x00"; /* 4 GiB, it says. */

    (void)state;
    post("Content-Encoding: snappy\r\n", "not snappy at all", 17);
    assert_int_equal(answer.code, 400);
    post("Content-Encoding: snappy\r\n", "", 0);
    assert_int_equal(answer.code, 400);
    post("Content-Encoding: snappy\r\n", bomb, sizeof(bomb) - 1);
    assert_int_equal(answer.code, 413);
    post("Content-Type: text/plain\r\n", "x", 1);
    assert_int_equal(answer.code, 415);
}

static void set_ready(enum lw_status status)
{
    (void)pthread_mutex_lock(&fake_feed.lock);
    fake_feed.on_ready = status;
    (void)pthread_mutex_unlock(&fake_feed.lock);
}

static void test_push__is_told_to_come_again(void **state)
{
    (void)state;
    set_ready(LW_EBUSY);
    post_series("up");
    assert_int_equal(answer.code, 429);
    assert_non_null(strstr(answer.text, "\r\nRetry-After: 1\r\n"));
    set_ready(LW_EIO);
    post_series("up");
    assert_int_equal(answer.code, 503);
    assert_non_null(strstr(answer.text, "\r\nRetry-After: 5\r\n"));
    set_ready(LW_OK);
    lw_server_set_ready(server, false);
    post_series("up");
    assert_int_equal(answer.code, 503);
    lw_server_set_ready(server, true);
    lw_server_end_push(server);
    post_series("up");
    assert_int_equal(answer.code, 503);
    assert_int_equal(n_points(), 0);
}

/* What is refused while its body is on the way is read to its end: the client gets the answer, and
 * the connection stays. */
static void test_push__refused_with_its_body_is_answered(void **state)
{
    static char large[1 << 20];
    int fd = client_connect(port);

    (void)state;
    for (int round = 0; round < 2; round++) {
        size_t n = (size_t)snprintf(request, sizeof(request),
                                    "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\n"
                                    "Content-Length: %zu\r\n\r\n",
                                    sizeof(large));

        set_ready(LW_EBUSY);
        assert_int_equal(write(fd, request, n), n);
        for (size_t sent = 0; sent < sizeof(large);) {
            ssize_t n_sent = write(fd, large + sent, sizeof(large) - sent);

            assert_true(n_sent > 0);
            sent += (size_t)n_sent;
        }
        answer.n = 0;
        client_read(fd, &answer, "the fake feed is not ready");
        assert_int_equal(answer.code, 429);
        assert_null(strstr(answer.text, "Connection: close"));
    }
    (void)close(fd);
}

/* ---- waiting ---- */

static void set_durable(uint64_t durable)
{
    (void)pthread_mutex_lock(&fake_feed.lock);
    fake_feed.durable = durable;
    (void)pthread_mutex_unlock(&fake_feed.lock);
}

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *sync_later(void *context)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    set_durable(100);
    if (context != NULL) {
        lw_server_durable(context);
    }
    return NULL;
}

static void test_answer__waits_for_the_journal(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { /* Woken, and found by looking. */
        double begin = now_s(), waited;
        pthread_t thread;

        set_durable(0);
        assert_int_equal(pthread_create(&thread, NULL, sync_later, round == 0 ? server : NULL), 0);
        post_series("up");
        waited = now_s() - begin;
        (void)pthread_join(thread, NULL);
        assert_int_equal(answer.code, 204);
        assert_true(waited >= 0.3 && waited < 2.0);
    }
}

/* Many more answers wait than there are threads, and the server answers others meanwhile. */
static void test_answer__waits_without_a_thread(void **state)
{
    enum { N = 20 };
    char message[1024];
    size_t n_body = message_make("up", message);
    int fds[N];

    (void)state;
    set_durable(0);
    for (int i = 0; i < N; i++) {
        size_t n = head_make("", n_body);

        memcpy(request + n, message, n_body);
        fds[i] = client_connect(port);
        assert_true(fds[i] >= 0);
        assert_int_equal(write(fds[i], request, n + n_body), n + n_body);
    }
    for (int i = 0; i < 200 && n_points() < N; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    assert_int_equal(n_points(), N);
    client_request(port, "GET", "/metrics", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\nlapwing_http_answers_waiting 20\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_http_bodies_open 0\n"));
    set_durable(N / 2);
    lw_server_durable(server);
    set_durable(N);
    lw_server_durable(server);
    for (int i = 0; i < N; i++) {
        answer.n = 0;
        client_read(fds[i], &answer, NULL);
        assert_int_equal(answer.code, 204);
        (void)close(fds[i]);
    }
}

static void test_answer__gives_up_on_a_disk_that_cannot_be_written(void **state)
{
    struct timespec pause = {.tv_nsec = 100000000};
    char message[1024];
    size_t n_body = message_make("up", message), n = head_make("", n_body);
    int fd = client_connect(port);

    (void)state;
    set_durable(0);
    memcpy(request + n, message, n_body);
    assert_int_equal(write(fd, request, n + n_body), n + n_body);
    while (n_points() == 0) {
        (void)nanosleep(&pause, NULL);
    }
    set_ready(LW_EIO);
    answer.n = 0;
    client_read(fd, &answer, NULL);
    (void)close(fd);
    assert_int_equal(answer.code, 503);
    assert_non_null(strstr(answer.text, "\r\nRetry-After: 5\r\n"));
}

static void test_answer__that_waits_ends_with_the_server(void **state)
{
    char message[1024];
    size_t n_body = message_make("up", message), n = head_make("", n_body);
    int fd = client_connect(port);

    (void)state;
    set_durable(0);
    memcpy(request + n, message, n_body);
    assert_int_equal(write(fd, request, n + n_body), n + n_body);
    while (n_points() == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    lw_server_end_push(server); /* And teardown destroys it. */
    (void)close(fd);
}

/* ---- unpacking ---- */

static void test_unpack__undoes_what_zlib_does(void **state)
{
    static const int windows[] = {15, 15 + 16, -15};
    static const char *const encodings[] = {"deflate", "GZIP", "deflate"};
    static uint8_t text[300000], packed[400000];
    struct lw_unpacked unpacked = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i * i >> 7);
    }
    for (size_t i = 0; i < 3; i++) {
        z_stream stream = {.next_in = text,
                           .avail_in = sizeof(text),
                           .next_out = packed,
                           .avail_out = sizeof(packed)};
        size_t n_packed;

        assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, windows[i], 8, Z_DEFAULT_STRATEGY),
                         Z_OK);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        n_packed = sizeof(packed) - stream.avail_out;
        (void)deflateEnd(&stream);
        assert_int_equal(lw_unpack(encodings[i], packed, n_packed, sizeof(text), &unpacked, NULL),
                         LW_OK);
        assert_int_equal(unpacked.n_bytes, sizeof(text));
        assert_memory_equal(unpacked.bytes, text, sizeof(text));
        lw_unpacked_fini(&unpacked);
        assert_int_equal(
            lw_unpack(encodings[i], packed, n_packed, sizeof(text) - 1, &unpacked, NULL),
            LW_ELIMIT);
        assert_int_equal(
            lw_unpack(encodings[i], packed, n_packed - 9, sizeof(text), &unpacked, NULL),
            LW_EFORMAT);
        assert_true(unpacked.capacity <= sizeof(text) + 1);
        lw_unpacked_fini(&unpacked);
    }
    assert_int_equal(lw_unpack("gzip", packed, 0, 100, &unpacked, NULL), LW_OK);
    assert_int_equal(unpacked.n_bytes, 0);
    assert_int_equal(lw_unpack("br", packed, 1, 100, &unpacked, NULL), LW_EINVAL);
    lw_unpacked_fini(&unpacked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_push__takes_a_packed_body),
        TEST(test_push__takes_chunks_and_an_expectation),
        TEST(test_push__refuses_by_headers_alone),
        TEST(test_push__refuses_bodies_that_are_not_what_they_say),
        TEST(test_push__is_told_to_come_again),
        TEST(test_push__refused_with_its_body_is_answered),
        TEST(test_answer__waits_for_the_journal),
        TEST(test_answer__waits_without_a_thread),
        TEST(test_answer__gives_up_on_a_disk_that_cannot_be_written),
        TEST(test_answer__that_waits_ends_with_the_server),
        cmocka_unit_test(test_unpack__undoes_what_zlib_does),
    };

    return LW_TEST_RUN(tests);
}
