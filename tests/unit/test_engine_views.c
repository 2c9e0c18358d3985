/* What pages ask of an engine: history within its bound, the newest anomalies, entities and series,
 * options as documented. */
#include "support/engine.h"

#include <math.h>
#include <stdlib.h>

#define STEP_S 10

static struct lw_test_engine *engine;

static void open_with(struct lw_engine_config config)
{
    static const char *const OPTIONS[] = {"step", "10s",    "silent_after", "60s", "quiet_steps",
                                          "1",    "models", "none",         NULL};

    engine = calloc(1, sizeof(*engine));
    lw_test_engine_open(engine, config);
    lw_test_engine_detector(engine, "d", OPTIONS);
}

static int close_engine(void **state)
{
    (void)state;
    lw_test_engine_close(engine);
    free(engine);
    return 0;
}

static void push(uint32_t series, int64_t step)
{
    lw_test_feed_push(&engine->feed, series, step * STEP_S, (double)step);
    lw_test_feed_watermark(&engine->feed, step * STEP_S);
}

/* ---- history ---- */

static void test_history__keeps_the_newest_steps(void **state)
{
    struct lw_history_point points[64];
    size_t n = 77;
    uint32_t series;

    (void)state;
    open_with((struct lw_engine_config){.n_shards = 1, .history_steps = 16});
    series = lw_test_feed_series(&engine->feed, "m", "a");
    for (int64_t step = 0; step <= 100; step++) {
        push(series, step);
    }
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_engine_history(engine->engine, 0, 0, INT64_MIN, points, 64, &n), LW_OK);
    assert_int_equal(n, 16);
    for (size_t i = 0; i < n; i++) { /* Step 100 is open still. */
        assert_int_equal(points[i].time_ns, (int64_t)(84 + i) * STEP_S * LW_TEST_SECOND);
        assert_true(points[i].value == (float)(84 + i));
    }
    assert_int_equal(lw_engine_history(engine->engine, 0, 0, 970 * LW_TEST_SECOND, points, 64, &n),
                     LW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(lw_engine_history(engine->engine, 0, 0, INT64_MIN, points, 3, &n), LW_OK);
    assert_int_equal(n, 3);
    assert_int_equal(points[0].time_ns, 840 * LW_TEST_SECOND); /* From the oldest on. */
    assert_int_equal(lw_engine_history(engine->engine, 0, 1, 0, points, 64, &n), LW_ENOTFOUND);
    assert_int_equal(lw_engine_history(engine->engine, 7, 0, 0, points, 64, &n), LW_ENOTFOUND);
}

static void test_history__stays_within_its_bytes(void **state)
{
    const size_t ring_bytes = 8 + 100 * sizeof(struct lw_history_point);
    struct lw_history_point point;
    unsigned n_with = 0;

    (void)state;
    open_with((struct lw_engine_config){
        .n_shards = 4, .history_steps = 100, .history_bytes = 5 * ring_bytes + ring_bytes / 2});
    for (unsigned i = 0; i < 40; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "%u", i);
        lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "m", name), 1, 1.0);
    }
    lw_test_feed_watermark(&engine->feed, 10);
    assert_int_equal(lw_test_engine_totals(engine).history_bytes, 5 * ring_bytes);
    for (uint32_t i = 0; i < 40; i++) {
        size_t n = 0;

        assert_int_equal(lw_engine_history(engine->engine, i, 0, INT64_MIN, &point, 1, &n), LW_OK);
        n_with += n > 0 ? 1 : 0;
    }
    assert_int_equal(n_with, 5);
    assert_int_equal(lw_engine_remove_detector(engine->engine, "d", NULL), LW_OK);
    assert_int_equal(lw_test_engine_totals(engine).history_bytes, 0);
}

/* ---- anomalies ---- */

/* Each series falls silent once: as many anomalies as there are entities. */
static void test_anomalies__keep_the_newest_thousand(void **state)
{
    enum { N = 1100, LOOK = 1200 };
    struct lw_anomaly_view *views = calloc(LOOK, sizeof(*views));
    uint64_t change = 0, newest = 0;
    size_t n;

    (void)state;
    open_with((struct lw_engine_config){.n_shards = 2});
    for (unsigned i = 0; i < N; i++) {
        char name[8];
        uint32_t series;

        (void)snprintf(name, sizeof(name), "%u", i);
        series = lw_test_feed_series(&engine->feed, "m", name);
        lw_test_feed_push(&engine->feed, series, 1, 1.0);
    }
    lw_test_feed_watermark(&engine->feed, 1000);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_opened, N);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_by_type[LW_TYPE_SILENT], N);
    n = lw_engine_anomalies(engine->engine, 0, views, LOOK);
    assert_int_equal(n, LW_ENGINE_ANOMALIES_KEPT);
    for (size_t i = 0; i < n; i++) { /* Newest first. */
        assert_true(i == 0 || views[i].change < change);
        change = views[i].change;
        assert_string_equal(views[i].series[0], "m");
        assert_int_equal(views[i].anomaly.type, LW_TYPE_SILENT);
        assert_true(strlen(views[i].sentence) > 10);
    }
    newest = views[0].change;
    assert_int_equal(newest, N);
    assert_int_equal(lw_engine_anomalies(engine->engine, newest, views, LOOK), 0);
    assert_int_equal(lw_engine_anomalies(engine->engine, newest - 3, views, LOOK), 3);
    assert_int_equal(lw_engine_anomalies(engine->engine, 0, views, 7), 7);
    assert_int_equal(views[0].change, newest);
    lw_test_feed_complete(&engine->feed); /* All close, also those the ring has forgotten. */
    assert_int_equal(lw_test_engine_totals(engine).anomalies_open, 0);
    n = lw_engine_anomalies(engine->engine, newest, views, LOOK);
    assert_int_equal(n, LW_ENGINE_ANOMALIES_KEPT);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(views[i].anomaly.phase, LW_ANOMALY_CLOSED);
    }
    free(views);
}

/* ---- entities and series ---- */

static void test_views__tell_entities_and_series_a_page_at_a_time(void **state)
{
    struct lw_entity_view entities[8];
    struct lw_series_view series[8];
    size_t n = 0;

    (void)state;
    open_with((struct lw_engine_config){.n_shards = 3});
    for (unsigned i = 0; i < 5; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "e%u", i);
        for (unsigned m = 0; m < 3; m++) {
            char metric[8];

            (void)snprintf(metric, sizeof(metric), "m%u", m);
            lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, metric, name), 1,
                              (double)m);
        }
    }
    assert_int_equal(lw_engine_entities(engine->engine, 0, entities, 8), 5);
    assert_int_equal(entities[0].last_ns, INT64_MIN);
    assert_true(isnan(entities[0].score));
    lw_test_feed_watermark(&engine->feed, 10);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_engine_entities(engine->engine, 3, entities, 8), 2);
    assert_int_equal(entities[0].number, 3);
    assert_string_equal(entities[0].name, "e3");
    assert_string_equal(entities[0].detector, "d");
    assert_int_equal(entities[0].n_series, 3);
    assert_int_equal(entities[0].last_ns, 0);
    assert_int_equal(entities[0].confidence, LW_CANNOT_TELL);
    assert_false(entities[0].has_model);
    assert_int_equal(lw_engine_series(engine->engine, 3, 1, series, 8, &n), LW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(series[0].series, 1);
    assert_string_equal(series[0].name, "m1");
    assert_true(series[0].value == 1.0f);
    assert_int_equal(lw_engine_series(engine->engine, 5, 0, series, 8, &n), LW_ENOTFOUND);
}

/* ---- options ---- */

static void test_spec__names_the_nearest_option_and_says_what_it_wants(void **state)
{
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};
    char text[64];

    (void)state;
    open_with((struct lw_engine_config){.n_shards = 1});
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    assert_int_equal(lw_spec_set(spec, "latenes", "1s", &error), LW_ENOTFOUND);
    assert_non_null(strstr(error.message, "\"lateness\""));
    assert_int_equal(lw_spec_set(spec, "quiet_steps", "0", &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "from 1 to 10000"));
    assert_int_equal(lw_spec_get(spec, "quiet_steps", text, sizeof(text)), LW_OK);
    assert_string_equal(text, "30"); /* As it was. */
    assert_int_equal(lw_spec_get(spec, "nothing", text, sizeof(text)), LW_ENOTFOUND);
    assert_int_equal(lw_spec_set_metric(spec, "", "floor", "1", &error), LW_EINVAL);
    assert_int_equal(lw_spec_set_metric(spec, "m", "flor", "1", &error), LW_ENOTFOUND);
    for (unsigned i = 0; i < 4096; i++) {
        assert_int_equal(lw_spec_set_metric(spec, "m", "floor", "1", &error), LW_OK);
    }
    assert_int_equal(lw_spec_set_metric(spec, "m", "floor", "1", &error), LW_ELIMIT);
    lw_spec_destroy(spec);
}

static uint64_t hash_of(const char *const *options)
{
    struct lw_spec *spec = NULL;
    struct lw_detector *detector = NULL;
    uint64_t hash;

    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    lw_test_spec_fill(spec, options);
    assert_int_equal(lw_detector_create(spec, "d", &detector, NULL), LW_OK);
    hash = lw_detector_hash(detector);
    lw_detector_release(detector);
    lw_spec_destroy(spec);
    return hash;
}

static void test_detector__hash_tells_what_options_mean_not_how_they_are_written(void **state)
{
    static const char *const A[] = {"lateness", "60s", "metric m window", "5m", "metric m floor",
                                    "0.50",     NULL};
    static const char *const B[] = {"lateness", "1m", "metric m window", "300s", "metric m floor",
                                    "5e-1",     NULL};
    static const char *const C[] = {"lateness", "1m", "metric m window", "301s", "metric m floor",
                                    "5e-1",     NULL};

    (void)state;
    open_with((struct lw_engine_config){.n_shards = 1});
    assert_true(hash_of(A) == hash_of(B));
    assert_true(hash_of(A) != hash_of(C));
    assert_true(hash_of(NULL) != hash_of(C));
}

#define TEST(name) cmocka_unit_test_teardown(name, close_engine)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_history__keeps_the_newest_steps),
        TEST(test_history__stays_within_its_bytes),
        TEST(test_anomalies__keep_the_newest_thousand),
        TEST(test_views__tell_entities_and_series_a_page_at_a_time),
        TEST(test_spec__names_the_nearest_option_and_says_what_it_wants),
        TEST(test_detector__hash_tells_what_options_mean_not_how_they_are_written),
    };

    return LW_TEST_RUN(tests);
}
