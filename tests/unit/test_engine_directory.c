/* Searching, sorting and paging of entities and series, and totals of a moment ago, on an engine
 * that is fed meanwhile. */
#include "support/engine.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { N = 1200 };

static struct lw_test_engine *engine;

/* N entities "Node-1" to "Node-1200", of which every hundredth falls silent, in two detectors. */
static int setup(void **state)
{
    static const char *const OPTIONS[] = {"step", "10s",    "silent_after", "60s", "quiet_steps",
                                          "1",    "models", "none",         NULL};

    (void)state;
    engine = calloc(1, sizeof(*engine));
    lw_test_engine_open(engine, (struct lw_engine_config){.n_shards = 3});
    lw_test_engine_detector(engine, "d", OPTIONS);
    for (unsigned i = 1; i <= N; i++) {
        char name[16];
        uint32_t series;

        (void)snprintf(name, sizeof(name), "Node-%u", i);
        series = lw_test_feed_series(&engine->feed, "m", name);
        lw_test_feed_push(&engine->feed, series, 1, 1.0);
        if (i % 100 != 0) {
            lw_test_feed_push(&engine->feed, series, 45, 1.0);
            lw_test_feed_push(&engine->feed, series, 50 + i % 9 * 10, 2.0);
        }
    }
    lw_test_feed_watermark(&engine->feed, 95);
    lw_engine_flush(engine->engine);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lw_test_engine_close(engine);
    free(engine);
    return 0;
}

static struct lw_entity_found find(struct lw_entity_query query, struct lw_entity_view *views,
                                   size_t capacity)
{
    struct lw_entity_found found = {0};
    struct lw_error error = {0};

    if (lw_engine_find_entities(engine->engine, &query, views, capacity, &found, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return found;
}

static void test_directory__pages_hold_each_entity_once(void **state)
{
    static const enum lw_entity_order ORDERS[] = {LW_BY_NUMBER, LW_BY_NAME, LW_BY_SCORE, LW_BY_LAST,
                                                  LW_BY_ANOMALIES};

    (void)state;
    for (size_t o = 0; o < 10; o++) {
        struct lw_entity_query query = {
            .order = ORDERS[o / 2], .reverse = o % 2 != 0, .fresh = true};
        unsigned seen[N] = {0};
        struct lw_entity_view views[70];
        struct lw_entity_found found;
        size_t n = 0;

        do {
            found = find(query, views, 70);
            assert_int_equal(found.n_matches, N);
            for (size_t i = 0; i < found.n; i++) {
                assert_true(views[i].number < N);
                seen[views[i].number]++;
            }
            n += found.n;
            query.is_next = true;
            query.key = found.key;
            query.number = found.number;
            query.fresh = false;
        } while (found.has_more);
        assert_int_equal(n, N);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

static void test_directory__names_come_as_people_count(void **state)
{
    struct lw_entity_view views[4];
    struct lw_entity_found found;

    (void)state;
    find((struct lw_entity_query){.order = LW_BY_NAME, .fresh = true}, views, 4);
    assert_string_equal(views[0].name, "Node-1");
    assert_string_equal(views[1].name, "Node-2");
    lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "m", "node-1a"), 90, 1.0);
    lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "m", "another"), 90, 1.0);
    found = find((struct lw_entity_query){.order = LW_BY_NAME, .fresh = true}, views, 4);
    assert_int_equal(found.n_matches, N + 2);
    assert_string_equal(views[0].name, "another"); /* New ones find their place. */
    assert_string_equal(views[1].name, "Node-1");
    assert_string_equal(views[2].name, "node-1a");
    assert_string_equal(views[3].name, "Node-2");
    find((struct lw_entity_query){.order = LW_BY_NAME, .reverse = true}, views, 1);
    assert_string_equal(views[0].name, "Node-1200");
}

/* The names before the page grow while it is read: nobody is skipped. */
static void test_directory__pages_hold_their_place_when_entities_come(void **state)
{
    struct lw_entity_query query = {.order = LW_BY_NAME, .fresh = true};
    struct lw_entity_view views[10];
    struct lw_entity_found found = find(query, views, 10);

    (void)state;
    assert_string_equal(views[9].name, "Node-10");
    for (unsigned i = 0; i < 25; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "early-%u", i);
        lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "m", name), 90, 1.0);
    }
    query.is_next = true;
    query.key = found.key;
    query.number = found.number;
    find(query, views, 10);
    assert_string_equal(views[0].name, "Node-11");
    assert_string_equal(views[9].name, "Node-20");
}

static void test_directory__finds_words_in_any_case(void **state)
{
    struct lw_entity_view views[N];
    struct lw_entity_found found;
    char too_long[300];

    (void)state;
    found = find((struct lw_entity_query){.search = "77 nOdE", .fresh = true}, views, N);
    assert_int_equal(found.n_matches, 21); /* 77, 177 ... 1177 and 770 ... 779 less 777. */
    assert_int_equal(found.n, 21);
    for (size_t i = 0; i < found.n; i++) {
        assert_non_null(strstr(views[i].name, "77"));
    }
    assert_int_equal(find((struct lw_entity_query){.search = "  "}, views, 5).n_matches, N);
    assert_int_equal(find((struct lw_entity_query){.search = "nodes"}, views, 5).n_matches, 0);
    assert_int_equal(find((struct lw_entity_query){.detector = "d"}, views, 5).n_matches, N);
    assert_int_equal(find((struct lw_entity_query){.detector = "e"}, views, 5).n_matches, 0);
    memset(too_long, 'a', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    assert_int_equal(lw_engine_find_entities(engine->engine,
                                             &(struct lw_entity_query){.search = too_long}, views,
                                             5, &found, NULL),
                     LW_EINVAL);
}

static void test_directory__tells_those_in_alarm_first(void **state)
{
    struct lw_entity_view views[N];
    struct lw_entity_found found;

    (void)state;
    found = find((struct lw_entity_query){.alarm = LW_ALARM_YES, .fresh = true}, views, N);
    assert_int_equal(found.n_matches, N / 100);
    for (size_t i = 0; i < found.n; i++) {
        assert_true(views[i].open_anomaly != 0);
        assert_int_equal(views[i].number % 100, 99);
    }
    assert_int_equal(find((struct lw_entity_query){.alarm = LW_ALARM_NO}, views, 1).n_matches,
                     N - N / 100);
    find((struct lw_entity_query){.order = LW_BY_SCORE}, views, 13);
    assert_true(views[11].open_anomaly != 0);
    assert_true(views[12].open_anomaly == 0);
    find((struct lw_entity_query){.order = LW_BY_ANOMALIES}, views, 13);
    assert_true(views[11].open_anomaly != 0);
    assert_true(views[12].open_anomaly == 0);
    find((struct lw_entity_query){.order = LW_BY_LAST}, views, N);
    for (size_t i = 1; i < N; i++) {
        assert_true(views[i - 1].last_ns >= views[i].last_ns);
    }
}

static void test_directory__forgets_what_is_gone_and_finds_by_name(void **state)
{
    static const char *const OPTIONS[] = {"step", "20s", "models", "none", NULL};
    const uint32_t numbers[] = {3, 5000, 0};
    struct lw_entity_view views[3];
    uint32_t number = 0;

    (void)state;
    assert_int_equal(lw_engine_find_entity(engine->engine, "d", "Node-7", &number), LW_OK);
    assert_int_equal(number, 6);
    assert_int_equal(lw_engine_find_entity(engine->engine, "d", "node-7", &number), LW_ENOTFOUND);
    assert_int_equal(lw_engine_find_entity(engine->engine, "e", "Node-7", &number), LW_ENOTFOUND);
    assert_int_equal(lw_engine_pick_entities(engine->engine, numbers, 3, views), 2);
    assert_int_equal(views[0].number, 3);
    assert_int_equal(views[1].number, 0);
    assert_int_equal(find((struct lw_entity_query){.fresh = true}, views, 1).n_matches, N);
    assert_int_equal(lw_engine_remove_detector(engine->engine, "d", NULL), LW_OK);
    assert_int_equal(lw_engine_pick_entities(engine->engine, numbers, 3, views), 0);
    assert_int_equal(find((struct lw_entity_query){.fresh = true}, views, 1).n_matches, 0);
    lw_test_engine_detector(engine, "again", OPTIONS);
    assert_int_equal(
        find((struct lw_entity_query){.search = "node-1200", .fresh = true}, views, 1).n_matches,
        1);
    assert_string_equal(views[0].detector, "again");
}

static void test_series__of_an_entity_are_searched(void **state)
{
    struct lw_series_query query = {.search = "LOAD 1"};
    struct lw_series_view views[1000];
    struct lw_series_found found;
    uint32_t number = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        char metric[16];

        (void)snprintf(metric, sizeof(metric), "%s_%u", i % 2 == 0 ? "load" : "disk", i);
        (void)lw_test_feed_series(&engine->feed, metric, "wide");
    }
    assert_int_equal(lw_engine_find_entity(engine->engine, "d", "wide", &query.entity), LW_OK);
    assert_int_equal(lw_engine_find_series(engine->engine, &query, views, 100, &found), LW_OK);
    assert_int_equal(found.n_series, 3000);
    assert_int_equal(found.n, 100);
    assert_true(found.has_more);
    assert_string_equal(views[0].name, "load_10");
    number = found.n_matches;
    query.from = views[99].series + 1;
    assert_int_equal(lw_engine_find_series(engine->engine, &query, views, 1000, &found), LW_OK);
    assert_int_equal(found.n_matches, number - 100);
    assert_int_equal(found.n, found.n_matches);
    query.alarm = LW_ALARM_YES;
    assert_int_equal(lw_engine_find_series(engine->engine, &query, views, 10, &found), LW_OK);
    assert_int_equal(found.n, 0);
    query.entity = 77777;
    assert_int_equal(lw_engine_find_series(engine->engine, &query, views, 10, &found),
                     LW_ENOTFOUND);
}

static void test_anomalies__are_searched(void **state)
{
    struct lw_anomaly_query query = {
        .entity = LW_ENTITY_ANY, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .open_only = true};
    struct lw_anomaly_view *views = calloc(64, sizeof(*views));

    (void)state;
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), N / 100);
    query.types = 1u << LW_TYPE_SPIKE;
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), 0);
    query.types |= 1u << LW_TYPE_SILENT;
    query.entity = 199;
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), 1);
    assert_string_equal(views[0].entity, "Node-200");
    query.entity = LW_ENTITY_ANY;
    query.name = "Node-300";
    query.detector = "d";
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), 1);
    query.to_ns = views[0].anomaly.start_ns;
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), 0);
    query.to_ns = INT64_MAX;
    query.from_ns = views[0].anomaly.last_ns + 1;
    assert_int_equal(lw_engine_find_anomalies(engine->engine, &query, views, 64), 0);
    assert_true(lw_engine_change(engine->engine) >= N / 100);
    free(views);
}

/* Looks of all kinds while entities come, are fed and go. */
static atomic_bool is_over;

static void *look_around(void *context)
{
    unsigned *n_looks = context;

    while (!atomic_load(&is_over)) {
        struct lw_entity_view views[50];
        struct lw_engine_totals totals;
        struct lw_entity_found found = find(
            (struct lw_entity_query){.order = LW_BY_SCORE, .search = "1"}, views, 50);

        assert_true(found.n <= 50 && found.n_matches <= 2 * N);
        lw_engine_recent_totals(engine->engine, &totals);
        lw_engine_totals(engine->engine, &totals);
        assert_true(totals.n_entities <= 2 * N);
        (*n_looks)++;
    }
    return NULL;
}

static void test_directory__stays_whole_while_entities_come_and_go(void **state)
{
    static const char *const OPTIONS[] = {"step", "10s", "models", "none", NULL};
    struct lw_engine_totals recent, now;
    unsigned n_looks = 0;
    pthread_t thread;

    (void)state;
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, look_around, &n_looks), 0);
    for (unsigned round = 0; round < 6; round++) {
        lw_test_engine_detector(engine, "other", OPTIONS); /* Takes every series once more. */
        for (unsigned i = 1; i <= N; i += 3) {
            char name[16];

            (void)snprintf(name, sizeof(name), "Node-%u", i);
            lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "m", name),
                              200 + 20 * round, 1.0);
        }
        assert_int_equal(lw_engine_remove_detector(engine->engine, "other", NULL), LW_OK);
    }
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(n_looks > 0);
    lw_engine_flush(engine->engine);
    (void)find((struct lw_entity_query){.fresh = true}, &(struct lw_entity_view){0}, 1);
    lw_engine_recent_totals(engine->engine, &recent);
    lw_engine_totals(engine->engine, &now);
    assert_int_equal(recent.n_entities, N);
    assert_int_equal(now.n_entities, N);
    assert_int_equal(recent.samples, now.samples);
    assert_int_equal(recent.verdicts, now.verdicts);
    assert_true(now.counted_ns >= recent.counted_ns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_directory__pages_hold_each_entity_once),
        TEST(test_directory__names_come_as_people_count),
        TEST(test_directory__pages_hold_their_place_when_entities_come),
        TEST(test_directory__finds_words_in_any_case),
        TEST(test_directory__tells_those_in_alarm_first),
        TEST(test_directory__forgets_what_is_gone_and_finds_by_name),
        TEST(test_series__of_an_entity_are_searched),
        TEST(test_anomalies__are_searched),
        TEST(test_directory__stays_whole_while_entities_come_and_go),
    };

    return LW_TEST_RUN(tests);
}
