/* Scores by remote write: what is in a request, and what becomes of rows when the store is down. */
#include "support/test.h"

#include "base/clock.h"
#include "connect/protobuf.h"
#include "connect/scores.h"
#include "connect/scores_body.h"
#include "support/http_stub.h"

#include <math.h>
#include <snappy-c.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
#define REFUSAL "HTTP/1.1 400 Bad\r\nContent-Length: 12\r\n\r\nout of order"
#define SAMPLES_MAX 4096

/* ---- reading a request ---- */

struct sample {
    char labels[1024]; /* name="value",... in the order they came in */
    double value;
    int64_t time_ms;
};

static struct sample SAMPLES[SAMPLES_MAX];

static void labels_append(struct sample *sample, const struct lw_protobuf_field *field)
{
    size_t at = strlen(sample->labels);
    struct lw_protobuf label;
    struct lw_protobuf_field part;

    lw_protobuf_init(&label, field->bytes, field->n_bytes);
    while (lw_protobuf_next(&label, &part)) {
        at += (size_t)snprintf(sample->labels + at, sizeof(sample->labels) - at,
                               part.number == 1 ? "%.*s=" : "%.*s,", (int)part.n_bytes,
                               (const char *)part.bytes);
    }
    assert_false(label.bad);
}

static void series_read(struct sample *sample, const struct lw_protobuf_field *field)
{
    struct lw_protobuf series, point;
    struct lw_protobuf_field part;
    size_t n_points = 0;

    memset(sample, 0, sizeof(*sample));
    lw_protobuf_init(&series, field->bytes, field->n_bytes);
    while (lw_protobuf_next(&series, &part)) {
        if (part.number == 1) {
            labels_append(sample, &part);
            continue;
        }
        assert_int_equal(part.number, 2);
        n_points++;
        lw_protobuf_init(&point, part.bytes, part.n_bytes);
        while (lw_protobuf_next(&point, &part)) {
            if (part.number == 1) {
                sample->value = lw_protobuf_double(&part);
            } else {
                sample->time_ms = (int64_t)part.value;
            }
        }
        assert_false(point.bad);
    }
    assert_false(series.bad);
    assert_int_equal(n_points, 1);
}

/* The samples of a packed request, into SAMPLES. */
static size_t request_read(const void *packed, size_t n_packed)
{
    static char plain[1 << 20];
    size_t n_bytes = sizeof(plain), n = 0;
    struct lw_protobuf message;
    struct lw_protobuf_field field;

    assert_int_equal(snappy_uncompress(packed, n_packed, plain, &n_bytes), SNAPPY_OK);
    lw_protobuf_init(&message, plain, n_bytes);
    while (lw_protobuf_next(&message, &field)) {
        assert_int_equal(field.number, 1);
        assert_true(n < SAMPLES_MAX);
        series_read(&SAMPLES[n++], &field);
    }
    assert_false(message.bad);
    return n;
}

/* The samples of one row. */
static size_t row_read(const struct lw_scores_row *row)
{
    struct lw_scores_body body = {0};
    uint8_t packed[LW_SCORES_ROW_MAX];
    const uint8_t *at = packed;
    size_t n_bytes = lw_scores_row_pack(row, packed, sizeof(packed)), n;
    struct lw_scores_row back;

    assert_true(n_bytes > 0);
    assert_true(lw_scores_row_next(&at, packed + n_bytes, &back));
    assert_false(lw_scores_row_next(&at, packed + n_bytes, &back));
    lw_scores_body_add(&body, &back);
    assert_int_equal(lw_scores_body_pack(&body, NULL), LW_OK);
    n = request_read(body.packed.data, body.packed.n_bytes);
    lw_scores_body_fini(&body);
    return n;
}

static void test_scores__keep_the_original_labels_beside_ours(void **state)
{
    const struct lw_scores_row row = {.time_ns = INT64_C(1767225660123456789),
                                      .score = 0.25f,
                                      .expected = 3.5f,
                                      .lower = -1.0f,
                                      .upper = 8.0f,
                                      .alarm = true,
                                      .detector = "hosts",
                                      .entity = "web-1",
                                      .key = "instance",
                                      .series = "node_cpu{cpu=\"0\",mode=\"user\"}"};
    static const char *const names[] = {"lapwing_score", "lapwing_expected", "lapwing_lower",
                                        "lapwing_upper", "lapwing_alarm"};
    static const double values[] = {0.25, 3.5, -1.0, 8.0, 1.0};

    (void)state;
    assert_int_equal(row_read(&row), 5);
    for (size_t i = 0; i < 5; i++) {
        char labels[1024];

        (void)snprintf(labels, sizeof(labels),
                       "__name__=%s,cpu=0,detector=hosts,entity=web-1,instance=web-1,metric=node_"
                       "cpu,mode=user,",
                       names[i]);
        assert_string_equal(SAMPLES[i].labels, labels);
        assert_true(SAMPLES[i].value == values[i]);
        assert_int_equal(SAMPLES[i].time_ms, INT64_C(1767225660123));
    }
}

static void test_scores__labels_are_sorted_unique_and_legal(void **state)
{
    static const struct {
        const char *entity, *key, *series, *labels;
    } cases[] = {
        /* Capital letters sort before "_"; ours are renamed as in a scrape. */
        {"a", "", "m{Zone=\"z\",detector=\"x\",metric=\"y\"}",
         "Zone=z,__name__=lapwing_score,detector=d,entity=a,exported_detector=x,exported_metric=y,"
         "metric=m,"},
        /* A key called entity says what ours says. */
        {"e1", "entity", "m", "__name__=lapwing_score,detector=d,entity=e1,metric=m,"},
        /* Several key labels, with what is escaped in their values. */
        {"host=a\\,b,disk=c\\\\d", "host,disk", "m",
         "__name__=lapwing_score,detector=d,disk=c\\d,entity=host=a\\,b,disk=c\\\\d,host=a,b,"
         "metric=m,"},
        {"host=,disk=x", "host, disk", "m",
         "__name__=lapwing_score,detector=d,disk=x,entity=host=,disk=x,metric=m,"},
        /* Names that Prometheus does not take, two of which come to the same. */
        {"a", "", "cpu time{9a=\"3\",service.name=\"1\",service_name=\"2\"}",
         "__name__=lapwing_score,_a=3,detector=d,entity=a,metric=cpu time,service_name=1,"},
        /* No labels, no entity, the whole entity. */
        {"", "instance", "m", "__name__=lapwing_score,detector=d,metric=m,"},
        {"a", "instance", "", "__name__=lapwing_score,detector=d,entity=a,instance=a,"},
        /* A name that is none. */
        {"a", "", "m{x=", "__name__=lapwing_score,detector=d,entity=a,metric=m{x=,"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lw_scores_row row = {.score = 0.5f,
                                          .expected = NAN,
                                          .lower = NAN,
                                          .upper = NAN,
                                          .detector = "d",
                                          .entity = cases[i].entity,
                                          .key = cases[i].key,
                                          .series = cases[i].series};

        assert_int_equal(row_read(&row), 2); /* Score and alarm: NaN is not written. */
        assert_string_equal(SAMPLES[0].labels, cases[i].labels);
        assert_true(SAMPLES[1].value == 0.0);
    }
}

static void test_scores__times_before_1970_are_rounded_down(void **state)
{
    struct lw_scores_row row = {.time_ns = -1,
                                .score = 1.0f,
                                .expected = NAN,
                                .lower = NAN,
                                .upper = NAN,
                                .detector = "d",
                                .entity = "e",
                                .key = "",
                                .series = "m"};

    (void)state;
    assert_int_equal(row_read(&row), 2);
    assert_int_equal(SAMPLES[0].time_ms, -1);
    row.time_ns = -2000000;
    assert_int_equal(row_read(&row), 2);
    assert_int_equal(SAMPLES[0].time_ms, -2);
}

static void test_scores__a_row_that_does_not_fit_is_not_packed(void **state)
{
    static char longest[LW_SCORES_TEXT_MAX + 1];
    uint8_t bytes[LW_SCORES_ROW_MAX];
    struct lw_scores_row row = {.detector = "d", .entity = "e", .key = "", .series = longest};
    size_t n_bytes;

    (void)state;
    memset(longest, 'a', LW_SCORES_TEXT_MAX);
    assert_int_equal(lw_scores_row_pack(&row, bytes, sizeof(bytes)), 0);
    longest[LW_SCORES_TEXT_MAX - 1] = '\0';
    n_bytes = lw_scores_row_pack(&row, bytes, sizeof(bytes));
    assert_true(n_bytes > LW_SCORES_TEXT_MAX);
    assert_int_equal(lw_scores_row_pack(&row, bytes, n_bytes - 1), 0);
    assert_int_equal(lw_scores_row_pack(&row, bytes, n_bytes), n_bytes);
}

/* ---- the writer ---- */

struct world {
    struct lw_detector *detector;
    struct lw_pool *pool;
    struct lw_entity *entity;
    uint32_t load, disk; /* Series. */
};

static struct world world_make(void)
{
    struct world world = {0};
    struct lw_spec *spec = NULL;

    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    assert_int_equal(lw_spec_set(spec, "step", "10s", NULL), LW_OK);
    assert_int_equal(lw_detector_create(spec, "hosts", &world.detector, NULL), LW_OK);
    lw_spec_destroy(spec);
    assert_int_equal(lw_pool_create(&world.pool, NULL), LW_OK);
    assert_int_equal(lw_entity_create(world.pool, world.detector, "web-1", &world.entity, NULL),
                     LW_OK);
    assert_int_equal(lw_entity_series(world.entity, "load", "load", &world.load, NULL), LW_OK);
    assert_int_equal(lw_entity_series(world.entity, "disk", "disk", &world.disk, NULL), LW_OK);
    return world;
}

static void world_end(struct world *world)
{
    lw_pool_destroy(world->pool);
    lw_detector_release(world->detector);
}

static void tell(struct lw_scores *scores, const struct world *world, uint32_t series, int64_t step)
{
    const struct lw_verdict verdict = {.time_ns = step * 10 * SECOND,
                                       .series = series,
                                       .score = 0.5f,
                                       .expected = (float)step,
                                       .lower = NAN,
                                       .upper = NAN};
    const struct lw_engine_verdict told = {
        .detector = world->detector, .entity = world->entity, .verdict = &verdict};

    lw_scores_verdict(scores, 1, &told);
}

static struct lw_scores *scores_make(uint16_t port, const char *const *options)
{
    struct lw_scores_options wanted;
    struct lw_scores *scores = NULL;
    char url[64];
    size_t n;
    const struct lw_option *table = lw_scores_option_table(&n);

    lw_options_default(table, n, &wanted);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/write", port);
    assert_int_equal(lw_options_set(table, n, &wanted, "url", url, NULL), LW_OK);
    for (size_t i = 0; options[i] != NULL; i += 2) {
        assert_int_equal(lw_options_set(table, n, &wanted, options[i], options[i + 1], NULL),
                         LW_OK);
    }
    assert_int_equal(lw_scores_create(&wanted, &scores, NULL), LW_OK);
    return scores;
}

/* Waits until so many rows were written, dropped and refused together. */
static struct lw_scores_totals settle(struct lw_scores *scores, uint64_t n_rows)
{
    struct lw_scores_totals totals;
    int64_t until_ns = lw_clock_monotonic_ns() + 10 * SECOND;

    do {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        lw_scores_totals(scores, &totals);
    } while (totals.rows_written + totals.rows_dropped + totals.rows_refused < n_rows &&
             lw_clock_monotonic_ns() < until_ns);
    return totals;
}

static size_t samples_received(const struct http_stub *stub)
{
    size_t n = 0;

    for (size_t i = 0; i < stub->n_requests && i < STUB_KEPT; i++) {
        n += request_read(stub->requests[i].body, stub->requests[i].n_bytes);
    }
    return n;
}

static void test_scores__chosen_ones_arrive_in_order(void **state)
{
    static const char *const options[] = {"match", "lo*", "every", "2", "interval", "100ms", NULL};
    struct http_stub stub = {0};
    struct world world = world_make();
    struct lw_scores *scores;
    struct lw_scores_totals totals;
    char value[512];
    size_t n;

    (void)state;
    assert_true(stub_start(&stub, 0));
    scores = scores_make(stub.port, options);
    for (int64_t step = 0; step < 10; step++) {
        tell(scores, &world, world.load, step);
        tell(scores, &world, world.disk, step);
        tell(scores, &world, LW_SERIES_NONE, step);
    }
    totals = settle(scores, 10);
    assert_int_equal(totals.rows_written, 10); /* Of every other step, load and the entity. */
    assert_string_equal(totals.reason, "");
    lw_scores_destroy(scores);
    assert_string_equal(stub_header(&stub.requests[0], "Content-Encoding", value), "snappy");
    assert_string_equal(stub_header(&stub.requests[0], "Content-Type", value),
                        "application/x-protobuf");
    assert_string_equal(stub_header(&stub.requests[0], "X-Prometheus-Remote-Write-Version", value),
                        "0.1.0");
    n = request_read(stub.requests[0].body, stub.requests[0].n_bytes);
    for (size_t i = 1; i < n; i++) {
        assert_true(SAMPLES[i].time_ms >= SAMPLES[i - 1].time_ms);
    }
    assert_int_equal(samples_received(&stub), 30); /* Score, expected, alarm. */
    stub_stop(&stub);
    world_end(&world);
}

static void test_scores__detectors_that_are_not_chosen_are_left_out(void **state)
{
    static const char *const options[] = {"detectors", "web*,db", NULL};
    struct http_stub stub = {0};
    struct world world = world_make();
    struct lw_scores *scores;

    (void)state;
    assert_true(stub_start(&stub, 0));
    scores = scores_make(stub.port, options);
    tell(scores, &world, world.load, 1);
    lw_scores_destroy(scores);
    assert_int_equal(stub_requests(&stub), 0);
    stub_stop(&stub);
    world_end(&world);
}

/* While the store is down the oldest rows go, counted; when it is back, what waited is written. */
static void test_scores__the_oldest_go_when_the_store_is_down_for_long(void **state)
{
    static const char *const options[] = {"buffer", "256KiB", "interval", "100ms", NULL};
    enum { ROWS = 10000 };
    struct http_stub stub = {.answers = {BUSY, STUB_OK}, .n_answers = 2};
    struct world world = world_make();
    struct lw_scores *scores;
    struct lw_scores_totals totals;
    int64_t began_ns;

    (void)state;
    assert_true(stub_start(&stub, 0));
    scores = scores_make(stub.port, options);
    tell(scores, &world, world.load, 0);
    while (stub_requests(&stub) == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    began_ns = lw_clock_monotonic_ns();
    for (int64_t step = 1; step < ROWS; step++) { /* All within the second that it waits. */
        tell(scores, &world, world.load, step);
    }
    assert_true(lw_clock_monotonic_ns() - began_ns < SECOND / 2); /* It waited for nobody. */
    totals = settle(scores, ROWS);
    assert_true(totals.rows_dropped > 1000 && totals.rows_written > 1000);
    assert_int_equal(totals.rows_written + totals.rows_dropped, ROWS);
    assert_int_equal(totals.requests_failed, 1);
    lw_scores_destroy(scores);
    (void)request_read(stub.requests[stub.n_requests - 1].body,
                       stub.requests[stub.n_requests - 1].n_bytes);
    assert_int_equal(samples_received(&stub), 3 * (1 + totals.rows_written)); /* One came twice. */
    stub_stop(&stub);
    world_end(&world);
}

static void test_scores__what_is_refused_is_counted_and_not_sent_again(void **state)
{
    static const char *const options[] = {"interval", "100ms", NULL};
    struct http_stub stub = {.answers = {REFUSAL, STUB_OK}, .n_answers = 2};
    struct world world = world_make();
    struct lw_scores *scores;
    struct lw_scores_totals totals;

    (void)state;
    assert_true(stub_start(&stub, 0));
    scores = scores_make(stub.port, options);
    tell(scores, &world, world.load, 1);
    tell(scores, &world, world.load, 2);
    totals = settle(scores, 2);
    assert_int_equal(totals.rows_refused, 2);
    assert_string_equal(totals.reason, "HTTP status 400: out of order");
    tell(scores, &world, world.load, 3);
    totals = settle(scores, 3);
    assert_int_equal(totals.rows_written, 1);
    assert_int_equal(totals.requests, 2);
    assert_string_equal(totals.reason, "");
    lw_scores_destroy(scores);
    stub_stop(&stub);
    world_end(&world);
}

static void test_scores__the_end_writes_what_is_left_and_waits_for_no_store(void **state)
{
    static const char *const options[] = {"interval", "300s", NULL};
    struct http_stub good = {0}, deaf = {.answers = {NULL}, .n_answers = 1};
    struct world world = world_make();
    struct lw_scores *scores;
    int64_t began_ns;

    (void)state;
    assert_true(stub_start(&good, 0) && stub_start(&deaf, 0));
    scores = scores_make(good.port, options);
    tell(scores, &world, world.load, 1);
    lw_scores_destroy(scores);
    assert_int_equal(samples_received(&good), 3);
    scores = scores_make(deaf.port, options);
    tell(scores, &world, world.load, 1);
    began_ns = lw_clock_monotonic_ns();
    lw_scores_destroy(scores);
    assert_in_range(lw_clock_monotonic_ns() - began_ns, SECOND, 4 * SECOND);
    stub_stop(&good);
    stub_stop(&deaf);
    world_end(&world);
}

static void test_scores__refuses_options_that_cannot_be(void **state)
{
    struct lw_scores_options wanted;
    struct lw_scores *scores = NULL;
    struct lw_error error;
    size_t n;
    const struct lw_option *table = lw_scores_option_table(&n);

    (void)state;
    lw_options_default(table, n, &wanted);
    assert_int_equal(lw_scores_create(&wanted, &scores, &error), LW_EINVAL);
    assert_int_equal(lw_options_set(table, n, &wanted, "url", "http://h/", NULL), LW_OK);
    assert_int_equal(lw_options_set(table, n, &wanted, "auth_file", "/no/such", NULL), LW_OK);
    assert_int_equal(lw_scores_create(&wanted, &scores, &error), LW_ENOTFOUND);
    assert_memory_equal(error.message, "scores: /no/such", 16);
    assert_int_equal(lw_options_set(table, n, &wanted, "buffer", "1KiB", &error), LW_EINVAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores__keep_the_original_labels_beside_ours),
        cmocka_unit_test(test_scores__labels_are_sorted_unique_and_legal),
        cmocka_unit_test(test_scores__times_before_1970_are_rounded_down),
        cmocka_unit_test(test_scores__a_row_that_does_not_fit_is_not_packed),
        cmocka_unit_test(test_scores__chosen_ones_arrive_in_order),
        cmocka_unit_test(test_scores__detectors_that_are_not_chosen_are_left_out),
        cmocka_unit_test(test_scores__the_oldest_go_when_the_store_is_down_for_long),
        cmocka_unit_test(test_scores__what_is_refused_is_counted_and_not_sent_again),
        cmocka_unit_test(test_scores__the_end_writes_what_is_left_and_waits_for_no_store),
        cmocka_unit_test(test_scores__refuses_options_that_cannot_be),
    };

    return LW_TEST_RUN(tests);
}
