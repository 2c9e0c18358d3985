/* Remote write 1.0 and 2.0: messages made field by field, and what becomes of them. */
#include "connect/protobuf_write.h"
#include "connect/push.h"
#include "connect/remote_write/remote_write.h"

#include "support/feed_fake.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <math.h>

#define TIME_MS INT64_C(1700000000123)
#define VERSION_2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static struct fake_feed feed;
static struct lw_ingest *ingest;
static struct lw_ingest_request *request;
static struct lw_push_answer answer;
static struct lw_writer body;

static int64_t clock_now(void)
{
    return (TIME_MS + 5000) * 1000000;
}

static int setup(void **state)
{
    struct lw_feed made = fake_feed_make(&feed);
    const struct lw_ingest_config config = {
        .feed = &made, .source = "remote_write", .now_ns = clock_now};

    (void)state;
    fake_feed_init(&feed);
    lw_writer_init(&body);
    answer = (struct lw_push_answer){0};
    lw_writer_init(&answer.body);
    return lw_ingest_create(&config, &ingest, NULL) == LW_OK &&
                   lw_ingest_request_create(ingest, &request, NULL) == LW_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    lw_writer_fini(&body);
    lw_writer_fini(&answer.body);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
    return lw_test_mem_live() == 0 ? 0 : -1;
}

/* Gives the message to the class and empties it. */
static unsigned take(const char *content_type)
{
    const struct lw_push_input input = {.path = "/api/v1/write",
                                        .content_type = content_type,
                                        .body = body.data,
                                        .n_bytes = body.n_bytes};

    lw_writer_fini(&answer.body);
    answer = (struct lw_push_answer){0};
    lw_writer_init(&answer.body);
    lw_ingest_request_reset(request);
    lw_remote_write_class.take(&input, request, &answer);
    lw_write_u8(&answer.body, 0);
    lw_writer_reset(&body);
    return answer.code;
}

static const char *said(void)
{
    return (const char *)answer.body.data;
}

/* ---- writing messages ---- */

/* Ends a message: into another one as a field of that number. */
static void put(struct lw_writer *out, uint32_t number, struct lw_writer *message)
{
    lw_protobuf_write_bytes(out, number, message->data, message->n_bytes);
    lw_writer_fini(message);
}

static void put_text(struct lw_writer *out, uint32_t number, const char *text)
{
    lw_protobuf_write_bytes(out, number, text, strlen(text));
}

static void put_label(struct lw_writer *series, const char *name, const char *value)
{
    struct lw_writer label;

    lw_writer_init(&label);
    put_text(&label, 1, name);
    put_text(&label, 2, value);
    put(series, 1, &label);
}

static void put_sample(struct lw_writer *series, double value, int64_t time_ms)
{
    struct lw_writer sample;

    lw_writer_init(&sample);
    lw_protobuf_write_double(&sample, 1, value);
    lw_protobuf_write_int64(&sample, 2, time_ms);
    put(series, 2, &sample);
}

static void put_packed(struct lw_writer *out, uint32_t number, const uint64_t *values, size_t n)
{
    struct lw_writer packed;

    lw_writer_init(&packed);
    for (size_t i = 0; i < n; i++) {
        lw_protobuf_write_varint(&packed, values[i]);
    }
    put(out, number, &packed);
}

/* A histogram of `count` observations, 10 of which are in two positive buckets, 3 in the zero one.
 */
static void put_histogram(struct lw_writer *series, uint32_t number, uint64_t count)
{
    struct lw_writer histogram, span;

    lw_writer_init(&histogram);
    lw_writer_init(&span);
    lw_protobuf_write_int64(&histogram, 1, (int64_t)count);
    lw_protobuf_write_double(&histogram, 3, 18.5);
    lw_protobuf_write_int64(&histogram, 6, 3);
    lw_protobuf_write_int64(&span, 2, 2);
    put(&histogram, 11, &span);
    put_packed(&histogram, 12, (const uint64_t[]){8, 4}, 2); /* 4, then 4 + 2. */
    lw_protobuf_write_int64(&histogram, 15, TIME_MS);
    put(series, number, &histogram);
}

/* ---- 1.0 ---- */

static void begin_series(struct lw_writer *series, const char *metric)
{
    lw_writer_init(series);
    put_label(series, "__name__", metric);
    put_label(series, "job", "node");
}

static void test_write_1__takes_samples(void **state)
{
    struct lw_writer series;

    (void)state;
    begin_series(&series, "up");
    put_sample(&series, 1.5, TIME_MS);
    put_sample(&series, 2.5, TIME_MS + 1000);
    put(&body, 1, &series);
    begin_series(&series, "other.metric with spaces");
    put_sample(&series, NAN, -1);
    put(&body, 1, &series);
    assert_int_equal(take("application/x-protobuf"), 204);
    assert_int_equal(answer.body.n_bytes, 1);
    assert_int_equal(answer.n_fields, 0);
    assert_int_equal(answer.position, 3);
    assert_int_equal(feed.n_points, 3);
    assert_string_equal(feed.names[feed.points[1].series], "up{job=\"node\"}");
    assert_string_equal(feed.names[feed.points[0].series], /* In order of time. */
                        "other.metric with spaces{job=\"node\"}");
    assert_true(feed.points[1].value == 1.5 && feed.points[2].value == 2.5);
    assert_true(feed.points[1].time_ns == TIME_MS * 1000000);
    assert_true(isnan(feed.points[0].value) && feed.points[0].time_ns == -1000000);
    assert_int_equal(feed.n_dropped, 0);
}

static void test_write_1__takes_labels_wherever_they_stand(void **state)
{
    struct lw_writer series;

    (void)state;
    for (int round = 0; round < 2; round++) {
        lw_writer_init(&series);
        put_label(&series, "zone", "b");
        put_sample(&series, 1, TIME_MS);
        put_label(&series, "__name__", "up");
        put_label(&series, "job", "node");
        put(&body, 1, &series);
    }
    lw_writer_init(&series);
    put_label(&series, "job", "node");
    put_label(&series, "__name__", "up");
    put_label(&series, "zone", "b");
    put_sample(&series, 1, TIME_MS);
    put(&body, 1, &series);
    assert_int_equal(take(NULL), 204);
    assert_int_equal(feed.n_points, 3);
    assert_int_equal(feed.n_series, 1);
    assert_int_equal(feed.n_asked, 1);
}

static void test_write_1__passes_over_what_is_no_sample(void **state)
{
    const uint64_t stale_bits = UINT64_C(0x7ff0000000000002);
    struct lw_writer series, other;
    double stale;

    (void)state;
    memcpy(&stale, &stale_bits, sizeof(stale));
    begin_series(&series, "up");
    put_sample(&series, stale, TIME_MS);
    put_sample(&series, INFINITY, TIME_MS);
    put_sample(&series, -INFINITY, TIME_MS);
    lw_writer_init(&other);
    lw_protobuf_write_double(&other, 2, 0.5);
    put(&series, 3, &other);
    put(&body, 1, &series);
    lw_writer_init(&other);
    put_text(&other, 2, "up");
    put(&body, 3, &other);
    assert_int_equal(take("application/x-protobuf"), 204);
    assert_int_equal(feed.n_points, 0);
    assert_int_equal(fake_feed_n_dropped(&feed, "stale"), 1);
    assert_int_equal(fake_feed_n_dropped(&feed, "not_finite"), 2);
    assert_int_equal(fake_feed_n_dropped(&feed, "exemplar"), 1);
    assert_int_equal(fake_feed_n_dropped(&feed, "metadata"), 1);
}

static void test_write_1__makes_two_series_of_a_histogram(void **state)
{
    struct lw_writer series;

    (void)state;
    begin_series(&series, "latency");
    put_histogram(&series, 4, 13);
    put(&body, 1, &series);
    assert_int_equal(take("application/x-protobuf"), 204);
    assert_int_equal(feed.n_points, 2);
    assert_string_equal(feed.names[feed.points[0].series], "latency_count{job=\"node\"}");
    assert_string_equal(feed.names[feed.points[1].series], "latency_sum{job=\"node\"}");
    assert_true(feed.points[0].value == 13 && feed.points[1].value == 18.5);
}

static void test_write_1__keeps_the_good_of_a_bad_request(void **state)
{
    static const char *const bad[][2] = {
        {"job", "node"}, {"__name__", ""}, {"__name__", "up"}, {"", "x"}};
    struct lw_writer series;

    (void)state;
    begin_series(&series, "up");
    put_sample(&series, 1, TIME_MS);
    put(&body, 1, &series);
    for (size_t i = 0; i < 4; i++) { /* No name, an empty one, two, a label without one. */
        lw_writer_init(&series);
        put_label(&series, bad[i][0], bad[i][1]);
        put_label(&series, i == 2 ? "__name__" : "a", "b");
        put_sample(&series, 1, TIME_MS);
        put_sample(&series, 2, TIME_MS);
        put(&body, 1, &series);
    }
    begin_series(&series, "tomorrow");
    put_sample(&series, 1, TIME_MS + 86400000);
    put_sample(&series, 1, INT64_MAX);
    put_sample(&series, 1, INT64_MIN);
    put(&body, 1, &series);
    assert_int_equal(take("application/x-protobuf"), 400);
    assert_int_equal(feed.n_points, 1);
    assert_int_equal(answer.position, 1);
    assert_non_null(strstr(said(), "11 rejected, 1 taken: timeseries 1: no label __name__\n"));
    assert_non_null(strstr(said(), "\ntimeseries 4: a label without a name\n"));
    assert_non_null(strstr(said(), "ahead of the clock"));
    assert_int_equal(fake_feed_n_dropped(&feed, "bad_series"), 8);
    assert_int_equal(fake_feed_n_dropped(&feed, "future"), 1);
    assert_int_equal(fake_feed_n_dropped(&feed, "bad_time"), 2);
}

static void test_write_1__refuses_damage_as_a_whole(void **state)
{
    struct lw_writer series;

    (void)state;
    begin_series(&series, "up");
    put_sample(&series, 1, TIME_MS);
    put(&body, 1, &series);
    lw_write_raw(&body, "\x0a\x7f", 2);
    assert_int_equal(take("application/x-protobuf"), 400);
    assert_int_equal(feed.n_points, 0);
    assert_int_equal(fake_feed_n_dropped(&feed, "malformed"), 1);
    begin_series(&series, "up");
    lw_write_raw(&series, "\x12\x02\x09\x00", 4); /* A value of one byte. */
    put(&body, 1, &series);
    assert_int_equal(take("application/x-protobuf"), 400);
    assert_int_equal(fake_feed_n_dropped(&feed, "malformed"), 2);
}

static void test_class__goes_by_the_content_type(void **state)
{
    static const struct {
        const char *type;
        unsigned code;
        size_t n_fields;
    } cases[] = {
        {NULL, 204, 0},
        {"application/x-protobuf", 204, 0},
        {"Application/X-Protobuf ; proto=prometheus.WriteRequest", 204, 0},
        {"application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"", 204, 3},
        {VERSION_2, 204, 3},
        {VERSION_2 "; charset=utf-8", 204, 3},
        {"application/x-protobuf;proto=other", 415, 0},
        {"application/x-protobuf;proto=\"io", 415, 0},
        {"application/x-protobuf;proto", 415, 0},
        {"application/x-protobufs", 415, 0},
        {"application/json", 415, 0},
        {"image/png", 415, 0},
        {"", 415, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(take(cases[i].type), cases[i].code);
        assert_int_equal(answer.n_fields, cases[i].n_fields);
    }
}

static void test_class__asks_to_come_again_when_read_only(void **state)
{
    struct lw_writer series;

    (void)state;
    begin_series(&series, "up");
    put_sample(&series, 1, TIME_MS);
    put(&body, 1, &series);
    feed.on_push = LW_EBUSY;
    assert_int_equal(take("application/x-protobuf"), 503);
    assert_int_equal(answer.position, 0);
}

/* ---- 2.0 ---- */

static const char *const SYMBOLS[] = {"", "__name__", "up", "job", "node", "bad", "line\nbreak"};

static void put_symbols(void)
{
    for (size_t i = 0; i < sizeof(SYMBOLS) / sizeof(SYMBOLS[0]); i++) {
        put_text(&body, 4, SYMBOLS[i]);
    }
}

static void put_series_2(const uint64_t *refs, size_t n_refs, bool packed, double value)
{
    struct lw_writer series;

    lw_writer_init(&series);
    if (packed) {
        put_packed(&series, 1, refs, n_refs);
    } else {
        for (size_t i = 0; i < n_refs; i++) {
            lw_protobuf_write_int64(&series, 1, (int64_t)refs[i]);
        }
    }
    put_sample(&series, value, TIME_MS);
    lw_protobuf_write_int64(&series, 6, TIME_MS); /* What older senders have. */
    put(&body, 5, &series);
}

static void assert_written(const char *samples, const char *histograms, const char *exemplars)
{
    assert_int_equal(answer.n_fields, 3);
    assert_string_equal(answer.fields[0].name, "X-Prometheus-Remote-Write-Samples-Written");
    assert_string_equal(answer.fields[0].value, samples);
    assert_string_equal(answer.fields[1].name, "X-Prometheus-Remote-Write-Histograms-Written");
    assert_string_equal(answer.fields[1].value, histograms);
    assert_string_equal(answer.fields[2].name, "X-Prometheus-Remote-Write-Exemplars-Written");
    assert_string_equal(answer.fields[2].value, exemplars);
}

static void test_write_2__counts_what_it_wrote(void **state)
{
    static const uint64_t up[] = {1, 2, 3, 4}, other[] = {3, 6, 1, 2};
    const uint64_t stale_bits = UINT64_C(0x7ff0000000000002);
    struct lw_writer series, exemplar;
    double stale;

    (void)state;
    memcpy(&stale, &stale_bits, sizeof(stale));
    put_series_2(up, 4, true, 1); /* Before its symbols. */
    put_symbols();
    put_series_2(up, 4, false, INFINITY);
    put_series_2(up, 4, true, stale);
    put_series_2(other, 4, true, NAN);
    lw_writer_init(&series);
    put_packed(&series, 1, up, 4);
    put_histogram(&series, 3, 13);
    lw_writer_init(&exemplar);
    lw_protobuf_write_double(&exemplar, 2, NAN);
    put(&series, 4, &exemplar);
    put(&body, 5, &series);
    assert_int_equal(take(VERSION_2), 204);
    assert_int_equal(answer.body.n_bytes, 1);
    assert_written("4", "1", "1");
    assert_int_equal(feed.n_points, 4);
    assert_string_equal(feed.names[feed.points[0].series], "up{job=\"node\"}");
    assert_string_equal(feed.names[feed.points[1].series], "up{job=\"line\nbreak\"}");
    assert_string_equal(feed.names[feed.points[2].series], "up_count{job=\"node\"}");
    assert_int_equal(feed.n_asked, 4);
}

static void test_write_2__knows_series_across_tables(void **state)
{
    static const uint64_t here[] = {1, 2, 3, 4}, there[] = {2, 1, 4, 3};

    (void)state;
    put_symbols();
    put_series_2(here, 4, true, 1);
    assert_int_equal(take(VERSION_2), 204);
    put_text(&body, 4, "");
    put_text(&body, 4, "up");
    put_text(&body, 4, "__name__");
    put_text(&body, 4, "node");
    put_text(&body, 4, "job");
    put_series_2(there, 4, true, 2);
    assert_int_equal(take(VERSION_2), 204);
    assert_int_equal(feed.n_points, 2);
    assert_int_equal(feed.n_asked, 1);
    /* The same references into another table are another series. */
    put_text(&body, 4, "");
    put_text(&body, 4, "__name__");
    put_text(&body, 4, "down");
    put_text(&body, 4, "job");
    put_text(&body, 4, "node");
    put_series_2(here, 4, true, 3);
    assert_int_equal(take(VERSION_2), 204);
    assert_string_equal(feed.names[feed.points[2].series], "down{job=\"node\"}");
}

static void test_write_2__keeps_the_good_of_a_bad_request(void **state)
{
    static const uint64_t up[] = {1, 2, 3, 4}, odd[] = {1, 2, 3}, outside[] = {1, 7},
                          huge[] = {1, UINT64_MAX}, nameless[] = {3, 4};
    struct lw_writer series;

    (void)state;
    put_symbols();
    put_series_2(up, 4, true, 1);
    put_series_2(odd, 3, true, 1);
    put_series_2(outside, 2, true, 1);
    put_series_2(huge, 2, true, 1);
    put_series_2(nameless, 2, true, 1);
    put_series_2(NULL, 0, false, 1);
    lw_writer_init(&series);
    put_packed(&series, 1, up, 4);
    put_sample(&series, 1, TIME_MS);
    put_histogram(&series, 3, 13);
    put(&body, 5, &series);
    lw_writer_init(&series);
    put_packed(&series, 1, up, 4);
    put_histogram(&series, 3, 99);
    put_histogram(&series, 3, 13);
    put(&body, 5, &series);
    assert_int_equal(take(VERSION_2), 400);
    assert_written("1", "1", "0");
    assert_int_equal(feed.n_points, 3);
    assert_non_null(strstr(said(), "8 rejected, 3 taken: "));
    assert_non_null(strstr(said(), "timeseries 1: an odd number of label references\n"));
    assert_non_null(strstr(said(), "timeseries 2: a reference outside of the symbols\n"));
    assert_non_null(strstr(said(), "timeseries 3: a reference outside of the symbols\n"));
    assert_non_null(strstr(said(), "timeseries 6: samples and histograms in one series\n"));
    assert_non_null(strstr(said(), "timeseries 7: a histogram whose count is not the sum"));
}

static void test_write_2__takes_series_without_samples(void **state)
{
    static const uint64_t up[] = {1, 2};
    struct lw_writer series, exemplar;

    (void)state;
    put_symbols();
    lw_writer_init(&series);
    put_packed(&series, 1, up, 2);
    lw_writer_init(&exemplar);
    lw_protobuf_write_double(&exemplar, 2, 1);
    put(&series, 4, &exemplar);
    put(&body, 5, &series);
    assert_int_equal(take(VERSION_2), 204);
    assert_written("0", "0", "1");
    assert_int_equal(feed.n_asked, 0);
}

static void test_write_2__refuses_damage_as_a_whole(void **state)
{
    (void)state;
    put_symbols();
    lw_write_raw(&body, "\x2a\x05\x0a\x7f", 4);
    assert_int_equal(take(VERSION_2), 400);
    assert_written("0", "0", "0");
    put_text(&body, 4, "not empty");
    assert_int_equal(take(VERSION_2), 400);
    assert_non_null(strstr(said(), "the first symbol is not the empty text"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_write_1__takes_samples),
        TEST(test_write_1__takes_labels_wherever_they_stand),
        TEST(test_write_1__passes_over_what_is_no_sample),
        TEST(test_write_1__makes_two_series_of_a_histogram),
        TEST(test_write_1__keeps_the_good_of_a_bad_request),
        TEST(test_write_1__refuses_damage_as_a_whole),
        TEST(test_class__goes_by_the_content_type),
        TEST(test_class__asks_to_come_again_when_read_only),
        TEST(test_write_2__counts_what_it_wrote),
        TEST(test_write_2__knows_series_across_tables),
        TEST(test_write_2__keeps_the_good_of_a_bad_request),
        TEST(test_write_2__takes_series_without_samples),
        TEST(test_write_2__refuses_damage_as_a_whole),
    };

    return LW_TEST_RUN(tests);
}
