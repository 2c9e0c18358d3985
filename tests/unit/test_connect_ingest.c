/* The series of push sources, their limits, event time, and what goes to the feed. */
#include "connect/ingest.h"

#include "connect/ingest/names.h"
#include "support/feed_fake.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)
#define START_NS (INT64_C(1700000000) * SECOND_NS)

static struct fake_feed feed;
static int64_t now_ns;

static int64_t clock_now(void)
{
    return now_ns;
}

static struct lw_ingest *ingest_make(struct lw_ingest_limits limits)
{
    struct lw_feed made = fake_feed_make(&feed);
    struct lw_ingest_config config = {
        .feed = &made, .source = "test", .limits = limits, .now_ns = clock_now};
    struct lw_ingest *ingest = NULL;
    struct lw_error error = {0};

    if (lw_ingest_create(&config, &ingest, &error) != LW_OK) {
        print_error("%s\n", error.message);
    }
    return ingest;
}

static struct lw_ingest_request *request_make(struct lw_ingest *ingest)
{
    struct lw_ingest_request *request = NULL;

    assert_int_equal(lw_ingest_request_create(ingest, &request, NULL), LW_OK);
    return request;
}

static int setup(void **state)
{
    (void)state;
    fake_feed_init(&feed);
    now_ns = START_NS;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return lw_test_mem_live() == 0 ? 0 : -1;
}

/* The series name{label="value"}, by its name as identity; the status of its definition. */
static enum lw_status ask(struct lw_ingest_request *request, const char *name, const char *value,
                          uint32_t *ret_series)
{
    const struct lw_label label = {"team", value};
    const struct lw_series_key key = {.metric = name, .labels = &label, .n_labels = 1};
    char identity[128];
    size_t n = (size_t)snprintf(identity, sizeof(identity), "%s/%s", name, value);
    struct lw_error error = {0};

    *ret_series = lw_ingest_find(request, identity, n);
    return *ret_series != LW_INGEST_UNKNOWN
               ? LW_OK
               : lw_ingest_define(request, identity, n, &key, ret_series, &error);
}

static struct lw_ingest_outcome commit(struct lw_ingest_request *request)
{
    struct lw_ingest_outcome outcome;

    assert_int_equal(lw_ingest_commit(request, &outcome), LW_OK);
    lw_ingest_request_reset(request);
    return outcome;
}

static void test_ingest__asks_the_feed_once_for_each_series(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            char name[16];

            (void)snprintf(name, sizeof(name), "m%u", i);
            assert_int_equal(ask(request, name, "x", &series), LW_OK);
            assert_int_equal(series, i);
            assert_true(lw_ingest_sample(request, series, START_NS, i));
        }
        assert_int_equal(commit(request).n_taken, 2000);
    }
    assert_int_equal(feed.n_asked, 2000);
    assert_int_equal(feed.n_points, 6000);
    assert_int_equal(lw_ingest_n_series(ingest), 2000);
    assert_int_equal(feed.points[1999].series, 1999);
    assert_true(feed.points[1999].value == 1999);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_ingest__knows_a_series_by_all_its_spellings(void **state)
{
    static const struct lw_label one[] = {{"a", "1"}, {"b", "2"}, {"none", ""}};
    static const struct lw_label other[] = {{"b", "2"}, {"a", "1"}};
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){.series = 1});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t first = 7, second = 8;

    (void)state;
    assert_int_equal(
        lw_ingest_define(request, "ab", 2, &(struct lw_series_key){"m", one, 3}, &first, NULL),
        LW_OK);
    assert_int_equal(
        lw_ingest_define(request, "ba", 2, &(struct lw_series_key){"m", other, 2}, &second, NULL),
        LW_OK);
    assert_int_equal(first, second);
    assert_int_equal(feed.n_asked, 1);
    assert_int_equal(lw_ingest_n_series(ingest), 1);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_ingest__bounds_spellings(void **state)
{
    static const struct lw_label label = {"a", "1"};
    const struct lw_ingest_limits limits = {.series = 1, .series_of_tenant = 1};
    const struct lw_series_key key = {"m", &label, 1};
    struct lw_feed made = fake_feed_make(&feed);
    struct lw_names names;
    uint32_t series;
    size_t most = 0;

    (void)state;
    assert_int_equal(lw_names_init(&names, "test", &limits, NULL), LW_OK);
    for (uint32_t i = 0; i < 400000; i++) {
        const struct lw_names_asked asked = {.spelling = lw_names_hash(&names, &i, sizeof(i)),
                                             .key = &key,
                                             .feed = &made,
                                             .now_min = 1};

        assert_int_equal(lw_names_define(&names, &asked, &series, NULL), LW_OK);
        assert_int_equal(series, 0);
        most = names.spellings.n > most ? names.spellings.n : most;
    }
    assert_true(most < 70000);
    assert_int_equal(names.known.n, 1);
    assert_int_equal(feed.n_asked, 1);
    lw_names_fini(&names);
}

static void test_limit__of_series_refuses_new_ones_and_remembers(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){.series = 2});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    assert_int_equal(ask(request, "b", "x", &series), LW_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(request, "c", "x", &series), LW_ELIMIT);
    }
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    assert_int_equal(feed.n_asked, 2);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

/* Neither counts as the other, nor when it is asked about again within the minute. */
static void test_refusal__tells_a_long_name_from_a_limit(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    feed.on_series = LW_ETOOLONG;
    assert_int_equal(ask(request, "a", "x", &series), LW_ETOOLONG);
    assert_int_equal(ask(request, "a", "x", &series), LW_ETOOLONG);
    assert_int_equal(feed.n_asked, 1);
    feed.on_series = LW_ELIMIT;
    assert_int_equal(ask(request, "b", "x", &series), LW_ELIMIT);
    assert_int_equal(ask(request, "b", "x", &series), LW_ELIMIT);
    assert_string_equal(lw_ingest_reason(LW_ETOOLONG, "bad"), "name_too_long");
    assert_string_equal(lw_ingest_reason(LW_ELIMIT, "bad"), "series_limit");
    assert_string_equal(lw_ingest_reason(LW_EINVAL, "bad"), "bad");
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_limit__of_series_is_made_room_for_by_stale_ones(void **state)
{
    struct lw_ingest *ingest = ingest_make(
        (struct lw_ingest_limits){.series = 2, .tenant_label = "team"});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    assert_int_equal(ask(request, "b", "x", &series), LW_OK);
    (void)commit(request);
    now_ns += 45 * 60 * SECOND_NS;
    assert_int_equal(ask(request, "b", "x", &series), LW_OK);
    (void)commit(request);
    now_ns += 20 * 60 * SECOND_NS; /* "a" is 65 minutes old, "b" 20. */
    assert_int_equal(ask(request, "c", "x", &series), LW_OK);
    assert_int_equal(ask(request, "d", "x", &series), LW_ELIMIT);
    assert_int_equal(ask(request, "b", "x", &series), LW_OK);
    assert_int_equal(ask(request, "a", "x", &series), LW_ELIMIT);
    assert_int_equal(lw_ingest_n_series(ingest), 2);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_limit__of_a_tenant_leaves_others_alone(void **state)
{
    struct lw_ingest *ingest = ingest_make(
        (struct lw_ingest_limits){.tenant_label = "team", .series_of_tenant = 2});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    assert_int_equal(ask(request, "b", "x", &series), LW_OK);
    assert_int_equal(ask(request, "c", "x", &series), LW_ELIMIT);
    assert_int_equal(ask(request, "c", "y", &series), LW_OK);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_refusal__is_forgotten_after_a_while(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    uint32_t series;

    (void)state;
    feed.on_series = LW_EINVAL;
    assert_int_equal(ask(request, "a", "x", &series), LW_EINVAL);
    feed.on_series = LW_OK;
    assert_int_equal(ask(request, "a", "x", &series), LW_EINVAL);
    assert_int_equal(feed.n_asked, 1);
    (void)commit(request);
    now_ns += 61 * SECOND_NS;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_samples__are_refused_by_time_value_and_number(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){
        .series_of_request = 2, .samples_of_request = 4, .past_ns = 3600 * SECOND_NS});
    struct lw_ingest_request *request = request_make(ingest);
    struct lw_ingest_outcome outcome;
    uint32_t a, b, c;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &a), LW_OK);
    assert_int_equal(ask(request, "b", "x", &b), LW_OK);
    assert_int_equal(ask(request, "c", "x", &c), LW_OK);
    assert_true(lw_ingest_sample(request, a, now_ns + 600 * SECOND_NS, 1));
    assert_false(lw_ingest_sample(request, a, now_ns + 600 * SECOND_NS + 1, 1));
    assert_true(lw_ingest_sample(request, a, now_ns - 3600 * SECOND_NS, NAN));
    assert_false(lw_ingest_sample(request, a, now_ns - 3600 * SECOND_NS - 1, 1));
    assert_false(lw_ingest_sample(request, a, INT64_MIN, 1));
    assert_false(lw_ingest_sample(request, a, INT64_MAX, 1));
    assert_false(lw_ingest_sample(request, a, now_ns, INFINITY));
    assert_true(lw_ingest_sample(request, b, now_ns, 1));
    assert_false(lw_ingest_sample(request, c, now_ns, 1));
    assert_true(lw_ingest_sample(request, a, now_ns, 1));
    assert_false(lw_ingest_sample(request, a, now_ns, 1));
    outcome = commit(request);
    assert_int_equal(outcome.n_taken, 4);
    assert_int_equal(outcome.n_rejected, 7);
    assert_int_equal(outcome.n_details, 7);
    assert_int_equal(feed.n_points, 4);
    assert_int_equal(fake_feed_n_dropped(&feed, "future"), 2);
    assert_int_equal(fake_feed_n_dropped(&feed, "old"), 2);
    assert_int_equal(fake_feed_n_dropped(&feed, "not_finite"), 1);
    assert_int_equal(fake_feed_n_dropped(&feed, "request_series"), 1);
    assert_int_equal(fake_feed_n_dropped(&feed, "request_samples"), 1);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_reject__keeps_the_first_texts_whole(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    struct lw_ingest_outcome outcome;
    char text[400];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xc3\xa9", 3);
    }
    lw_ingest_reject(request, "bad_value", 3, "line 7", "value \"%s\"", text);
    lw_ingest_reject(request, "bad_value", 1, "", "value \"%s\"", text);
    for (int i = 0; i < 20; i++) {
        lw_ingest_reject(request, "bad_value", 2, "line 8", "no");
    }
    outcome = commit(request);
    assert_int_equal(outcome.n_rejected, 44);
    assert_int_equal(outcome.n_details, LW_INGEST_DETAILS);
    assert_memory_equal(outcome.details[0], "line 7: value \"\xc3\xa9", 17);
    for (size_t i = 0; i < 2; i++) { /* Cut, but not within a character. */
        size_t n = strlen(outcome.details[i]);

        assert_true(n >= 250 && n < 256);
        assert_int_equal((unsigned char)outcome.details[i][n - 2], 0xc3);
        assert_int_equal((unsigned char)outcome.details[i][n - 1], 0xa9);
    }
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_event_time__follows_the_newest_sample_then_the_clock(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){.delay_ns = 5 * SECOND_NS});
    struct lw_ingest_request *request = request_make(ingest);
    int64_t newest_ns = START_NS - 30 * SECOND_NS;
    uint32_t series;

    (void)state;
    lw_ingest_tick(ingest);
    assert_int_equal(feed.n_watermarks, 0); /* Nothing came yet. */
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    (void)lw_ingest_sample(request, series, newest_ns, 1);
    (void)lw_ingest_sample(request, series, newest_ns - SECOND_NS, 1);
    (void)commit(request);
    assert_true(feed.watermark_ns == newest_ns - 5 * SECOND_NS);
    now_ns += LW_INGEST_TELL_NS - 1; /* Too soon to be told again ... */
    (void)lw_ingest_sample(request, series, newest_ns + SECOND_NS, 1);
    (void)commit(request);
    assert_int_equal(feed.n_watermarks, 2);
    lw_ingest_tick(ingest); /* ... but a tick tells it. */
    assert_true(feed.watermark_ns == newest_ns - 4 * SECOND_NS);
    now_ns += LW_INGEST_IDLE_NS;
    lw_ingest_tick(ingest);
    assert_int_equal(feed.n_watermarks, 3); /* Idle, but not for long enough. */
    now_ns += 10 * SECOND_NS;
    lw_ingest_tick(ingest);
    assert_true(feed.watermark_ns == newest_ns + 6 * SECOND_NS);
    (void)lw_ingest_sample(request, series, newest_ns + 2 * SECOND_NS, 1);
    (void)commit(request);
    assert_int_equal(feed.n_watermarks, 4); /* Event time does not go back. */
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

/* What the feed was called with: points by their series and second, watermarks by their second. */
static char heard[4096];

static enum lw_status heard_push(void *context, const struct lw_point *points, size_t n)
{
    struct fake_feed *fake = context;

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%u@%d ",
                       points[i].series, (int)((points[i].time_ns - START_NS) / SECOND_NS));
    }
    return fake->on_push;
}

static enum lw_status heard_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "[%d] ",
                   (int)((time_ns - START_NS) / SECOND_NS));
    return LW_OK;
}

static struct lw_ingest *ingest_heard(struct lw_ingest_limits limits)
{
    struct lw_feed made = fake_feed_make(&feed);
    const struct lw_ingest_config config = {
        .feed = &made, .source = "test", .limits = limits, .now_ns = clock_now};
    struct lw_ingest *ingest = NULL;

    made.push = heard_push;
    made.watermark = heard_watermark;
    heard[0] = '\0';
    assert_int_equal(lw_ingest_create(&config, &ingest, NULL), LW_OK);
    return ingest;
}

/* A request of some series, each with samples from a second to another. */
static void send_steps(struct lw_ingest_request *request, const char *series, int from, int to,
                       int every)
{
    uint32_t number;

    for (; *series != '\0'; series++) {
        const char name[2] = {*series, '\0'};

        assert_int_equal(ask(request, name, "x", &number), LW_OK);
        for (int at = from; at <= to; at += every) {
            assert_true(lw_ingest_sample(request, number, START_NS + at * SECOND_NS, 1));
        }
    }
    (void)commit(request);
}

static void test_long_request__goes_in_slices_of_event_time(void **state)
{
    struct lw_ingest *ingest = ingest_heard((struct lw_ingest_limits){.delay_ns = SECOND_NS});
    struct lw_ingest_request *request = request_make(ingest);

    (void)state;
    send_steps(request, "ab", -40, -10, 15); /* By series; not far behind the clock. */
    assert_string_equal(heard, "0@-40 1@-40 [-41] 0@-25 1@-25 [-26] 0@-10 1@-10 [-11] ");
    heard[0] = '\0';
    now_ns += SECOND_NS;
    send_steps(request, "ab", -5, -5, 15); /* One step: as it comes. */
    assert_string_equal(heard, "0@-5 1@-5 [-6] ");
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

static void test_long_request__keeps_a_series_in_order_and_slices_dense_ones_finer(void **state)
{
    struct lw_ingest *ingest = ingest_heard((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    unsigned n = 0, most = 0;
    uint32_t series;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    for (int i = 0; i < 400; i++) { /* 100 a second, a pair for each time. */
        assert_true(lw_ingest_sample(request, series,
                                     START_NS - 5 * SECOND_NS + i / 2 * SECOND_NS / 50, i));
    }
    (void)commit(request);
    for (const char *at = heard; *at != '\0'; at++) {
        n = *at == '[' ? 0 : n + (*at == '@');
        most = n > most ? n : most;
    }
    assert_in_range(most, 1, 32);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

/* The shards of a sender that catches up carry different series of the same times, in parallel. */
static void test_catching_up__waits_for_connections_that_are_behind(void **state)
{
    struct lw_ingest *ingest = ingest_heard((struct lw_ingest_limits){0});
    struct lw_ingest_request *first = request_make(ingest), *second = request_make(ingest);

    (void)state;
    now_ns += 1000 * SECOND_NS;
    send_steps(first, "a", 0, 285, 15);
    assert_null(strstr(heard, "[0]")); /* Event time stays behind the first: 20 steps. */
    now_ns += SECOND_NS;
    send_steps(second, "b", 0, 285, 15);
    send_steps(first, "a", 300, 585, 15);
    assert_non_null(strstr(heard, "[285]"));
    assert_null(strstr(heard, "[300]"));
    now_ns += SECOND_NS;
    lw_ingest_tick(ingest);
    assert_null(strstr(heard, "[585]"));
    now_ns += 10 * SECOND_NS;
    lw_ingest_tick(ingest); /* Nothing more comes. */
    assert_non_null(strstr(heard, "[585]"));
    send_steps(first, "a", 600, 990, 15); /* At the clock there is nothing to wait for. */
    heard[0] = '\0';
    now_ns += SECOND_NS;
    send_steps(first, "a", 1000, 1000, 15);
    assert_string_equal(heard, "0@1000 [1000] ");
    lw_ingest_request_destroy(first);
    lw_ingest_request_destroy(second);
    lw_ingest_destroy(ingest);
}

static void test_commit__takes_nothing_of_a_read_only_host(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    struct lw_ingest_request *request = request_make(ingest);
    struct lw_ingest_outcome outcome;
    uint32_t series;

    (void)state;
    assert_int_equal(ask(request, "a", "x", &series), LW_OK);
    (void)lw_ingest_sample(request, series, now_ns, 1);
    lw_ingest_reject(request, "bad_value", 1, "", "no");
    feed.on_push = LW_EBUSY;
    assert_int_equal(lw_ingest_commit(request, &outcome), LW_EBUSY);
    assert_int_equal(outcome.n_taken + outcome.n_rejected + outcome.position, 0);
    assert_int_equal(feed.n_dropped, 0); /* They come again. */
    lw_ingest_request_reset(request);
    feed.on_push = LW_OK;
    feed.on_series = LW_EBUSY;
    assert_int_equal(ask(request, "b", "x", &series), LW_EBUSY);
    assert_int_equal(lw_ingest_commit(request, &outcome), LW_EBUSY);
    lw_ingest_request_reset(request);
    feed.on_series = LW_OK;
    assert_int_equal(ask(request, "b", "x", &series), LW_OK); /* And is not remembered as refused.
                                                               */
    (void)lw_ingest_sample(request, series, now_ns, 1);
    assert_int_equal(commit(request).position, 1);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
}

/* ---- many requests at once ---- */

static void *run_requests(void *context)
{
    struct lw_ingest *ingest = context;
    struct lw_ingest_request *request = request_make(ingest);

    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 300; i++) {
            char name[16];
            uint32_t series;

            (void)snprintf(name, sizeof(name), "m%u", (i * 7 + round * 31) % 1500);
            if (ask(request, name, "x", &series) != LW_OK ||
                !lw_ingest_sample(request, series, START_NS + round, i)) {
                abort();
            }
        }
        (void)commit(request);
    }
    lw_ingest_request_destroy(request);
    return NULL;
}

static void test_ingest__takes_many_requests_at_once(void **state)
{
    struct lw_ingest *ingest = ingest_make((struct lw_ingest_limits){0});
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_requests, ingest), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(feed.n_asked, 1500);
    assert_int_equal(feed.n_points, 4 * 50 * 300);
    lw_ingest_destroy(ingest);
}

static void test_ingest__survives_each_failed_allocation(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        struct lw_feed made = fake_feed_make(&feed);
        struct lw_ingest_config config = {.feed = &made, .source = "test"};
        struct lw_ingest *ingest = NULL;
        struct lw_ingest_request *request = NULL;
        struct lw_ingest_outcome outcome;
        uint32_t series;

        fake_feed_init(&feed);
        lw_test_mem_fail_at(n);
        if (lw_ingest_create(&config, &ingest, NULL) == LW_OK &&
            lw_ingest_request_create(ingest, &request, NULL) == LW_OK) {
            bool all = true;

            for (unsigned i = 0; i < 200; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "m%u", i);
                all = all && ask(request, name, "x", &series) == LW_OK &&
                      lw_ingest_sample(request, series, START_NS, 1);
            }
            all = lw_ingest_commit(request, &outcome) == LW_OK && all;
            assert_int_equal(all, lw_test_mem_has_failed() == 0);
        }
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        lw_ingest_request_destroy(request);
        lw_ingest_destroy(ingest);
        assert_int_equal(lw_test_mem_live(), 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_ingest__asks_the_feed_once_for_each_series),
        TEST(test_ingest__knows_a_series_by_all_its_spellings),
        TEST(test_ingest__bounds_spellings),
        TEST(test_limit__of_series_refuses_new_ones_and_remembers),
        TEST(test_refusal__tells_a_long_name_from_a_limit),
        TEST(test_limit__of_series_is_made_room_for_by_stale_ones),
        TEST(test_limit__of_a_tenant_leaves_others_alone),
        TEST(test_refusal__is_forgotten_after_a_while),
        TEST(test_samples__are_refused_by_time_value_and_number),
        TEST(test_reject__keeps_the_first_texts_whole),
        TEST(test_event_time__follows_the_newest_sample_then_the_clock),
        TEST(test_long_request__goes_in_slices_of_event_time),
        TEST(test_long_request__keeps_a_series_in_order_and_slices_dense_ones_finer),
        TEST(test_catching_up__waits_for_connections_that_are_behind),
        TEST(test_commit__takes_nothing_of_a_read_only_host),
        TEST(test_ingest__takes_many_requests_at_once),
        TEST(test_ingest__survives_each_failed_allocation),
    };

    return LW_TEST_RUN(tests);
}
