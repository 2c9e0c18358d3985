/* The engine as its hosts see it: what it computes depends on the order of calls to its feeds, and
 * on nothing else. */
#include "support/engine.h"
#include "support/mem_faulty.h"

#include <math.h>
#include <stdlib.h>

#define N_ENTITIES 7u
#define N_METRICS 3u
#define N_STEPS 900
#define STEP_S 10

static struct lw_test_engine *engine;

static int open_one(void **state)
{
    (void)state;
    engine = calloc(1, sizeof(*engine));
    lw_test_engine_open(engine, (struct lw_engine_config){.n_shards = 1});
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    lw_test_engine_close(engine);
    free(engine);
    return 0;
}

static const char *const TIMED[] = {
    "step", "10s",    "operating_point",      "benchmark",  "train_after",
    "200",  "models", "linear, knn, iforest", "train_rows", "256",
    NULL};

/* ---- shards ---- */

static void entity_name(uint32_t i, char ret_name[16])
{
    (void)snprintf(ret_name, 16, "host-%u", i);
}

/* A stream of several entities whose series appear one after the other. */
static void run_stream(struct lw_test_engine *self)
{
    uint32_t series[N_ENTITIES][N_METRICS];
    static const char *const METRICS[N_METRICS] = {"cpu", "memory", "load"};

    for (int64_t step = 0; step < N_STEPS; step++) {
        struct lw_point points[N_ENTITIES * N_METRICS];
        size_t n = 0;

        for (uint32_t e = 0; e < N_ENTITIES; e++) {
            for (uint32_t m = 0; m < N_METRICS; m++) {
                int64_t since = (int64_t)(e * 11 + m * 23);
                char name[16];

                if (step < since) {
                    continue; /* Not there yet. */
                }
                entity_name(e, name);
                if (step == since) {
                    series[e][m] = lw_test_feed_series(&self->feed, METRICS[m], name);
                }
                points[n++] = (struct lw_point){.series = series[e][m],
                                                .time_ns = step * STEP_S * LW_TEST_SECOND,
                                                .value = lw_test_value(e * 10 + m, step),
                                                .tag = (uint64_t)step};
            }
        }
        assert_int_equal(self->feed.push(self->feed.context, points, n), LW_OK);
        lw_test_feed_watermark(&self->feed, step * STEP_S);
    }
    lw_engine_finish(self->engine);
}

static void assert_same(struct lw_test_engine *a, struct lw_test_engine *b)
{
    assert_int_equal(a->n_heard, b->n_heard);
    for (size_t i = 0; i < a->n_heard; i++) {
        const struct lw_test_heard *x = &a->heard[i];
        const struct lw_test_heard *y = lw_test_heard(b, x->detector, x->entity);

        assert_true(x->n_verdicts > 0);
        assert_int_equal(x->n_verdicts, y->n_verdicts);
        assert_int_equal(x->n_notices, y->n_notices);
        assert_int_equal(x->hash, y->hash);
    }
}

static void test_engine__gives_the_same_verdicts_whatever_the_number_of_shards(void **state)
{
    static const uint32_t SHARDS[] = {2, 5};
    struct lw_engine_totals totals;

    (void)state;
    lw_test_engine_detector(engine, "timed", TIMED);
    run_stream(engine);
    totals = lw_test_engine_totals(engine);
    assert_int_equal(totals.n_entities, N_ENTITIES);
    assert_int_equal(totals.n_series, N_ENTITIES * N_METRICS);
    assert_int_equal(totals.n_models, N_ENTITIES);
    assert_true(totals.anomalies_opened > 0);
    assert_int_equal(totals.anomalies_open, 0); /* lw_engine_finish() closed them. */
    for (size_t i = 0; i < 2; i++) {
        struct lw_test_engine *other = calloc(1, sizeof(*other));

        lw_test_engine_open(other, (struct lw_engine_config){.n_shards = SHARDS[i]});
        lw_test_engine_detector(other, "timed", TIMED);
        run_stream(other);
        assert_same(engine, other);
        lw_test_engine_close(other);
        free(other);
    }
}

static void test_engine__shares_the_budget_the_same_in_every_run(void **state)
{
    static const char *const SHARED[] = {"step", "10s", "alarm_budget", "1h", "models",
                                         "none", NULL};
    struct lw_test_engine *other = calloc(1, sizeof(*other));

    (void)state;
    lw_test_engine_detector(engine, "shared", SHARED);
    run_stream(engine);
    lw_test_engine_open(other, (struct lw_engine_config){.n_shards = 3});
    lw_test_engine_detector(other, "shared", SHARED);
    run_stream(other);
    assert_same(engine, other);
    lw_test_engine_close(other);
    free(other);
}

/* ---- feeds ---- */

struct feeder {
    struct lw_test_engine *engine;
    uint32_t number;
};

static void *feed_alone(void *argument)
{
    const struct feeder *feeder = argument;
    struct lw_feed feed;
    char name[16];
    uint32_t series;

    entity_name(feeder->number, name);
    assert_int_equal(lw_engine_feed(feeder->engine->engine, name, &feed, NULL), LW_OK);
    series = lw_test_feed_series(&feed, "cpu", name);
    for (int64_t step = 0; step < N_STEPS; step++) {
        lw_test_feed_push(&feed, series, step * STEP_S, lw_test_value(feeder->number, step));
        lw_test_feed_watermark(&feed, step * STEP_S);
    }
    lw_test_feed_complete(&feed);
    return NULL;
}

static void test_engine__takes_feeds_from_several_threads(void **state)
{
    static const char *const SERIES_SCOPE[] = {"step", "10s", "budget_scope", "series", NULL};
    struct feeder feeders[4];
    pthread_t threads[4];
    struct lw_test_engine *alone = calloc(1, sizeof(*alone));

    (void)state;
    lw_test_engine_detector(engine, "d", SERIES_SCOPE);
    for (uint32_t i = 0; i < 4; i++) {
        feeders[i] = (struct feeder){engine, i};
        assert_int_equal(pthread_create(&threads[i], NULL, feed_alone, &feeders[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    lw_engine_flush(engine->engine);
    lw_test_engine_open(alone, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(alone, "d", SERIES_SCOPE);
    for (uint32_t i = 0; i < 4; i++) {
        feeders[i].engine = alone;
        (void)feed_alone(&feeders[i]);
    }
    lw_engine_flush(alone->engine);
    assert_same(alone, engine);
    lw_test_engine_close(alone);
    free(alone);
}

static void test_engine__follows_the_slower_of_two_feeds(void **state)
{
    static const char *const ONE[] = {"step", "10s", "entity", "", NULL};
    struct lw_feed fast, slow;
    uint32_t a, b;

    (void)state;
    lw_test_engine_detector(engine, "d", ONE);
    assert_int_equal(lw_engine_feed(engine->engine, "fast", &fast, NULL), LW_OK);
    assert_int_equal(lw_engine_feed(engine->engine, "slow", &slow, NULL), LW_OK);
    a = lw_test_feed_series(&fast, "a", NULL);
    b = lw_test_feed_series(&slow, "b", NULL);
    lw_test_feed_push(&fast, a, 5, 1);
    lw_test_feed_push(&slow, b, 6, 1);
    lw_test_feed_watermark(&fast, 100);
    lw_engine_flush(engine->engine);
    assert_int_equal(engine->n_heard, 0); /* The slow one may still have samples of this step. */
    lw_test_feed_watermark(&slow, 9);
    lw_engine_flush(engine->engine);
    assert_int_equal(engine->n_heard, 0);
    lw_test_feed_push(&slow, b, 9, 1);
    lw_test_feed_watermark(&slow, 10);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "")->n_verdicts, 2);
    lw_test_feed_push(&slow, b, 15, 1);
    lw_test_feed_complete(&fast); /* It has nothing more: the slow one alone decides. */
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "")->n_verdicts, 2);
    lw_test_feed_watermark(&slow, 20);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "")->n_verdicts, 3);
    assert_int_equal(lw_test_engine_totals(engine).late, 0);
}

static void test_engine__does_not_count_a_watermark_from_before_a_feed_met_the_entity(void **state)
{
    static const char *const TEN[] = {"step", "10s", NULL};
    uint32_t a, b;

    (void)state;
    lw_test_engine_detector(engine, "d", TEN);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    b = lw_test_feed_series(&engine->feed, "cpu", "b");
    lw_test_feed_push(&engine->feed, a, 1000, 1);
    lw_test_feed_watermark(&engine->feed, 2000);
    lw_test_feed_push(&engine->feed, b, 5, 1); /* The rows of the second entity begin. */
    lw_test_feed_watermark(&engine->feed, 5);
    lw_test_feed_push(&engine->feed, b, 6, 1);
    lw_test_feed_push(&engine->feed, a, 1500, 1); /* Behind its own watermark. */
    lw_test_feed_watermark(&engine->feed, 10);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "a")->n_verdicts, 1);
    assert_int_equal(lw_test_heard(engine, "d", "b")->n_verdicts, 1);
    assert_int_equal(lw_test_engine_totals(engine).late, 1);
    assert_int_equal(lw_test_engine_totals(engine).samples, 3);
}

static void test_engine__refuses_a_late_sample_also_when_nothing_was_due(void **state)
{
    static const char *const TEN[] = {"step", "10s", NULL};
    uint32_t a;

    (void)state;
    lw_test_engine_detector(engine, "d", TEN);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    lw_test_feed_push(&engine->feed, a, 5, 1);
    for (int64_t s = 10; s < 500; s++) {
        lw_test_feed_watermark(&engine->feed, s); /* Nothing of the entity is open. */
    }
    lw_test_feed_push(&engine->feed, a, 300, 1);
    assert_int_equal(lw_test_engine_totals(engine).late, 1);
}

static void test_engine__completes_what_was_delivered(void **state)
{
    static const char *const TEN[] = {"step", "10s", NULL};
    uint32_t a, b;

    (void)state;
    lw_test_engine_detector(engine, "d", TEN);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    b = lw_test_feed_series(&engine->feed, "cpu", "b");
    lw_test_feed_push(&engine->feed, a, 5, 1);
    lw_test_feed_complete(&engine->feed);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "a")->n_verdicts, 1);
    lw_test_feed_push(&engine->feed, b, 7, 1); /* Another file of the same source. */
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "b")->n_verdicts, 0);
    lw_test_feed_complete(&engine->feed);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "b")->n_verdicts, 1);
}

static void test_engine__gives_the_feed_of_a_name_once(void **state)
{
    struct lw_feed again;
    struct lw_feed_totals feeds[4];
    char name[LW_SHORT_NAME_MAX + 1];
    struct lw_error error = {0};

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(lw_engine_feed(engine->engine, "test", &again, NULL), LW_OK);
    }
    engine->feed.dropped(engine->feed.context, "bad_time", 2);
    again.dropped(again.context, "bad_time", 3);
    assert_int_equal(lw_engine_feeds(engine->engine, feeds, 4), 1);
    assert_string_equal(feeds[0].dropped[0].reason, "bad_time");
    assert_int_equal(feeds[0].dropped[0].n, 5);
    for (unsigned i = 0; i < 40; i++) { /* More reasons than are kept: the last counts for the rest.
                                         */
        (void)snprintf(name, sizeof(name), "reason_%u", i);
        again.dropped(again.context, name, 1);
    }
    (void)lw_engine_feeds(engine->engine, feeds, 4);
    assert_int_equal(feeds[0].n_reasons, 16);
    assert_int_equal(feeds[0].dropped[15].n, 40 - 14);
    for (unsigned i = 1; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "feed_%u", i);
        assert_int_equal(lw_engine_feed(engine->engine, name, &again, NULL), LW_OK);
    }
    assert_int_equal(lw_engine_feed(engine->engine, "more", &again, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "\"more\""));
    memset(name, 'x', LW_SHORT_NAME_MAX);
    name[LW_SHORT_NAME_MAX] = '\0';
    assert_int_equal(lw_engine_feed(engine->engine, name, &again, &error), LW_EINVAL);
}

static void test_engine__counts_what_no_detector_takes(void **state)
{
    static const char *const CPU[] = {"match", "cpu*", NULL};
    uint32_t a, b;

    (void)state;
    lw_test_engine_detector(engine, "d", CPU);
    a = lw_test_feed_series(&engine->feed, "cpu_user", "a");
    b = lw_test_feed_series(&engine->feed, "disk", "a");
    lw_test_feed_push(&engine->feed, a, 1, 1);
    lw_test_feed_push(&engine->feed, b, 1, 1);
    lw_test_feed_push(&engine->feed, b, 2, 1);
    assert_int_equal(lw_test_engine_totals(engine).unmatched, 2);
    assert_int_equal(lw_test_engine_totals(engine).samples, 1);
    assert_int_equal(lw_test_engine_totals(engine).n_series, 1);
}

/* ---- rows ---- */

/* Rows over `n_entities` entities, two metrics each; the last cell is of a series nobody takes. */
static void run_rows(struct lw_test_engine *self, uint32_t n_entities)
{
    uint32_t series[8][2], label = lw_test_feed_series(&self->feed, "label", "none");

    for (uint32_t e = 0; e < n_entities; e++) {
        char name[16];

        entity_name(e, name);
        series[e][0] = lw_test_feed_series(&self->feed, "a", name);
        series[e][1] = lw_test_feed_series(&self->feed, "b", name);
    }
    for (int64_t row = 0; row < 400; row++) {
        struct lw_point points[17];
        size_t n = 0;

        for (uint32_t e = 0; e < n_entities; e++) {
            for (uint32_t m = 0; m < 2; m++) {
                points[n++] = (struct lw_point){.series = series[e][m],
                                                .flags = LW_POINT_MORE,
                                                .time_ns = row / 2, /* Times repeat. */
                                                .value = lw_test_value(e * 2 + m, row),
                                                .tag = (uint64_t)row};
            }
        }
        points[n++] = (struct lw_point){
            .series = label, .time_ns = row / 2, .value = 0, .tag = (uint64_t)row};
        /* A row may come in pieces. */
        assert_int_equal(self->feed.push(self->feed.context, points, n / 2), LW_OK);
        assert_int_equal(self->feed.push(self->feed.context, points + n / 2, n - n / 2), LW_OK);
    }
    lw_test_feed_complete(&self->feed);
    lw_engine_flush(self->engine);
}

static void test_engine__takes_rows_of_several_entities_and_detectors_at_once(void **state)
{
    static const char *const ROW_AB[] = {
        "match",     "a,b",         "step", "row",    "operating_point",
        "benchmark", "train_after", "100",  "models", "linear, knn, iforest",
        NULL};
    static const char *const ROW_A[] = {"match", "a", "step", "row", NULL};
    struct lw_test_engine *other = calloc(1, sizeof(*other));

    (void)state;
    lw_test_engine_detector(engine, "ab", ROW_AB);
    lw_test_engine_detector(engine, "a", ROW_A);
    run_rows(engine, 5);
    assert_int_equal(engine->n_heard, 10);
    for (size_t i = 0; i < engine->n_heard; i++) {
        const struct lw_test_heard *heard = &engine->heard[i];
        bool both = strcmp(heard->detector, "ab") == 0;

        assert_int_equal(heard->n_verdicts - heard->n_entity_verdicts, both ? 800 : 400);
        assert_true(!both || heard->n_entity_verdicts > 100);
        assert_int_equal(heard->newest.tag, 399);
    }
    lw_test_engine_open(other, (struct lw_engine_config){.n_shards = 5});
    lw_test_engine_detector(other, "ab", ROW_AB);
    lw_test_engine_detector(other, "a", ROW_A);
    run_rows(other, 5);
    assert_same(engine, other);
    assert_int_equal(lw_test_engine_totals(other).unmatched, 400);
    lw_test_engine_close(other);
    free(other);
}

static void test_engine__keeps_the_rows_of_two_feeds_apart(void **state)
{
    static const char *const ROW[] = {"step", "row", "entity", "", NULL};
    struct lw_feed second;
    uint32_t a, b;
    struct lw_point cell = {.flags = LW_POINT_MORE, .time_ns = 1, .value = 1, .tag = 7};

    (void)state;
    lw_test_engine_detector(engine, "d", ROW);
    assert_int_equal(lw_engine_feed(engine->engine, "second", &second, NULL), LW_OK);
    a = lw_test_feed_series(&engine->feed, "a", NULL);
    b = lw_test_feed_series(&engine->feed, "b", NULL);
    cell.series = a;
    assert_int_equal(engine->feed.push(engine->feed.context, &cell, 1), LW_OK);
    lw_test_feed_push(&second, b, 2, 5); /* A whole row between two cells of the first feed's. */
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "")->n_verdicts, 2);
    cell.flags = 0;
    assert_int_equal(engine->feed.push(engine->feed.context, &cell, 1), LW_OK);
    lw_engine_flush(engine->engine);
    assert_int_equal(lw_test_heard(engine, "d", "")->n_verdicts, 3);
    assert_int_equal(lw_test_heard(engine, "d", "")->newest.tag, 7);
}

static void test_engine__counts_cells_a_row_has_no_room_for(void **state)
{
    static const char *const ROW[] = {"step", "row", NULL};
    struct lw_point points[9];

    (void)state;
    lw_test_engine_detector(engine, "d", ROW);
    for (uint32_t i = 0; i < 9; i++) { /* One series, nine times in a row. */
        points[i] = (struct lw_point){.series = lw_test_feed_series(&engine->feed, "a", "x"),
                                      .flags = i < 8 ? LW_POINT_MORE : 0,
                                      .value = 1};
    }
    assert_int_equal(engine->feed.push(engine->feed.context, points, 9), LW_OK);
    assert_int_equal(lw_test_engine_totals(engine).overflow, 5);
    assert_int_equal(lw_test_engine_totals(engine).samples, 4);
}

/* ---- detectors ---- */

static void push_hours(struct lw_test_engine *self, uint32_t series, int64_t from, int64_t to)
{
    for (int64_t step = from; step < to; step++) {
        lw_test_feed_push(&self->feed, series, step * STEP_S, lw_test_value(series, step));
        lw_test_feed_watermark(&self->feed, step * STEP_S);
    }
    lw_engine_flush(self->engine);
}

static void test_engine__keeps_entities_of_a_detector_that_did_not_change(void **state)
{
    static const char *const MINUTES[] = {"step", "60s", "metric cpu window", "5m", NULL};
    static const char *const SAME[] = {"step", "60s", "metric cpu window", "300s", NULL};
    static const char *const OTHER[] = {"step", "10s", NULL};
    struct lw_entity_view view;
    uint32_t a;

    (void)state;
    lw_test_engine_detector(engine, "d", MINUTES);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    push_hours(engine, a, 0, 360);
    lw_test_engine_detector(engine, "d", SAME); /* In other words. */
    assert_int_equal(lw_engine_entities(engine->engine, 0, &view, 1), 1);
    assert_int_equal(view.last_ns, 58 * 60 * LW_TEST_SECOND);
    lw_test_engine_detector(engine, "d", OTHER);
    assert_int_equal(lw_engine_entities(engine->engine, 0, &view, 1), 1);
    assert_int_equal(view.last_ns, INT64_MIN);                    /* Anew. */
    assert_int_equal(view.n_series, 1);                           /* The series is known still. */
    assert_int_equal(lw_test_engine_totals(engine).samples, 360); /* Counted once and for all. */
    push_hours(engine, a, 360, 372);
    assert_int_equal(lw_test_engine_totals(engine).samples, 372);
}

static void test_engine__ends_the_anomalies_of_a_detector_that_goes(void **state)
{
    static const char *const SILENT[] = {"step", "10s", "silent_after", "2m", NULL};
    struct lw_anomaly_view view;
    uint32_t a;

    (void)state;
    lw_test_engine_detector(engine, "d", SILENT);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    push_hours(engine, a, 0, 60);
    lw_test_feed_watermark(&engine->feed, 2000);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_open, 1);
    assert_int_equal(lw_engine_anomalies(engine->engine, 0, &view, 1), 1);
    assert_int_equal(view.anomaly.phase, LW_ANOMALY_OPENED);
    assert_int_equal(lw_engine_remove_detector(engine->engine, "d", NULL), LW_OK);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_open, 0);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_opened, 1);
    assert_int_equal(lw_test_heard(engine, "d", "a")->n_closed, 1);
    assert_int_equal(lw_engine_anomalies(engine->engine, view.change, &view, 1), 1);
    assert_int_equal(view.anomaly.phase, LW_ANOMALY_CLOSED);
    assert_int_equal(lw_engine_remove_detector(engine->engine, "d", NULL), LW_ENOTFOUND);
}

static void test_engine__lets_a_new_detector_find_the_series_there_are(void **state)
{
    static const char *const ALL[] = {"step", "10s", NULL};
    uint32_t a;

    (void)state;
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    lw_test_feed_push(&engine->feed, a, 1, 1);
    assert_int_equal(lw_test_engine_totals(engine).unmatched, 1);
    lw_test_engine_detector(engine, "one", ALL);
    lw_test_engine_detector(engine, "two", ALL);
    push_hours(engine, a, 1, 3);
    assert_int_equal(lw_test_heard(engine, "one", "a")->n_verdicts, 1);
    assert_int_equal(lw_test_heard(engine, "two", "a")->n_verdicts, 1);
    assert_int_equal(lw_test_engine_totals(engine).unmatched, 1);
    assert_int_equal(lw_engine_remove_detector(engine->engine, "one", NULL), LW_OK);
    push_hours(engine, a, 3, 5);
    assert_int_equal(lw_test_heard(engine, "one", "a")->n_verdicts, 1);
    assert_int_equal(lw_test_heard(engine, "two", "a")->n_verdicts, 3);
}

static void test_engine__bounds_detectors_and_shards(void **state)
{
    struct lw_engine *none = NULL;
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};
    char name[16];

    (void)state;
    assert_int_equal(lw_engine_create(&(struct lw_engine_config){.n_shards = 65}, &none, &error),
                     LW_EINVAL);
    assert_int_equal(
        lw_engine_create(&(struct lw_engine_config){.history_steps = 1000001}, &none, &error),
        LW_EINVAL);
    assert_null(none);
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    for (unsigned i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "d%u", i);
        assert_int_equal(lw_engine_set_detector(engine->engine, name, spec, NULL), LW_OK);
    }
    assert_int_equal(lw_engine_set_detector(engine->engine, "more", spec, &error), LW_ELIMIT);
    assert_non_null(strstr(error.message, "\"more\""));
    assert_int_equal(lw_engine_set_detector(engine->engine, "d5", spec, &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "models", "nothing", NULL), LW_OK);
    assert_int_equal(lw_engine_set_detector(engine->engine, "d5", spec, &error), LW_ENOTFOUND);
    assert_int_equal(lw_test_engine_totals(engine).n_detectors, LW_ENGINE_DETECTORS_MAX);
    lw_spec_destroy(spec);
}

/* ---- totals and memory ---- */

static void test_engine__tells_promised_and_met_alarms(void **state)
{
    static const char *const WEEK[] = {"step", "10s", "silent_after", "2m", NULL};
    static const char *const EACH[] = {"step", "10s", "budget_scope", "series", "alarm_budget",
                                       "2w",   NULL};
    struct lw_engine_totals totals;
    uint32_t a;

    (void)state;
    lw_test_engine_detector(engine, "week", WEEK);
    lw_test_engine_detector(engine, "each", EACH);
    a = lw_test_feed_series(&engine->feed, "cpu", "a");
    (void)lw_test_feed_series(&engine->feed, "cpu", "b");
    (void)lw_test_feed_series(&engine->feed, "load", "b");
    totals = lw_test_engine_totals(engine);
    assert_true(fabs(totals.alarms_promised_per_week - (1.0 + 3 * 0.5)) < 1e-9);
    assert_true(isnan(totals.alarms_per_week));
    push_hours(engine, a, 0, 900); /* Two hours and a half. */
    lw_test_feed_push(&engine->feed, a, 10000, 11);
    lw_test_feed_watermark(&engine->feed, 10020);
    totals = lw_test_engine_totals(engine);
    assert_true(totals.anomalies_opened >= 1);
    assert_true(
        fabs(totals.alarms_per_week - (double)totals.anomalies_opened * 604800.0 / 10000.0) < 1e-6);
    assert_int_equal(totals.anomalies_by_type[LW_TYPE_SILENT], 2); /* By each detector. */
}

static void test_engine__gives_all_memory_back(void **state)
{
    static const char *const ALL[] = {"step",
                                      "10s",
                                      "features",
                                      "all",
                                      "train_after",
                                      "200",
                                      "models",
                                      "linear, knn, iforest",
                                      "metric load aggregate",
                                      "p95",
                                      NULL};
    int64_t live = lw_test_mem_live();
    struct lw_test_engine *other = calloc(1, sizeof(*other));

    (void)state;
    lw_test_engine_open(other, (struct lw_engine_config){.n_shards = 2, .history_steps = 100});
    lw_test_engine_detector(other, "d", ALL);
    run_stream(other);
    assert_true(lw_test_engine_totals(other).n_models > 0);
    lw_test_engine_close(other);
    assert_int_equal(lw_test_mem_live(), live);
    free(other);
}

static void test_engine__needs_no_more_memory_for_the_same_detector_again(void **state)
{
    static const char *const OPTIONS[2][3] = {{"step", "10s", NULL}, {"step", "20s", NULL}};
    size_t bytes = 0;
    int64_t live = 0;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        lw_test_engine_detector(engine, "d", OPTIONS[i % 2]);
        for (uint32_t s = 0; s < 200; s++) {
            char name[16];

            (void)snprintf(name, sizeof(name), "%u", s);
            lw_test_feed_push(&engine->feed, lw_test_feed_series(&engine->feed, "cpu", name), i, 1);
        }
        lw_engine_flush(engine->engine);
        if (i == 3) {
            bytes = lw_test_engine_totals(engine).state_bytes;
            live = lw_test_mem_live();
        }
    }
    assert_int_equal(lw_test_engine_totals(engine).state_bytes, bytes);
    assert_int_equal(lw_test_mem_live(), live);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_engine__gives_the_same_verdicts_whatever_the_number_of_shards),
        TEST(test_engine__shares_the_budget_the_same_in_every_run),
        TEST(test_engine__takes_feeds_from_several_threads),
        TEST(test_engine__follows_the_slower_of_two_feeds),
        TEST(test_engine__does_not_count_a_watermark_from_before_a_feed_met_the_entity),
        TEST(test_engine__refuses_a_late_sample_also_when_nothing_was_due),
        TEST(test_engine__completes_what_was_delivered),
        TEST(test_engine__gives_the_feed_of_a_name_once),
        TEST(test_engine__counts_what_no_detector_takes),
        TEST(test_engine__takes_rows_of_several_entities_and_detectors_at_once),
        TEST(test_engine__keeps_the_rows_of_two_feeds_apart),
        TEST(test_engine__counts_cells_a_row_has_no_room_for),
        TEST(test_engine__keeps_entities_of_a_detector_that_did_not_change),
        TEST(test_engine__ends_the_anomalies_of_a_detector_that_goes),
        TEST(test_engine__lets_a_new_detector_find_the_series_there_are),
        TEST(test_engine__bounds_detectors_and_shards),
        TEST(test_engine__tells_promised_and_met_alarms),
        TEST(test_engine__gives_all_memory_back),
        TEST(test_engine__needs_no_more_memory_for_the_same_detector_again),
    };

    return LW_TEST_RUN(tests);
}
