/* Journal and snapshots of an engine: after a kill it goes on as if nothing had happened. */
#define _XOPEN_SOURCE 700
#include "support/engine.h"
#include "support/mem_faulty.h"

#include "engine/advance.h"
#include "lapwing/state.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const TIMED[] = {"step",        "10s", "operating_point", "benchmark",
                                    "train_after", "200", "models",          "linear, knn, iforest",
                                    "lateness",    "20s", "silent_after",    "2m",
                                    NULL};
static const char *const SHARED[] = {
    "step", "10s", "alarm_budget", "1h", "models", "none", "metric load watch", "no", NULL};

static const char *const DIRECT[] = {"step", "sample", "models", "none", "match", "x, y", NULL};

static char folder[64], dir[96];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(dir, sizeof(dir), "%s/state", folder);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)flag;
    (void)place;
    return remove(path);
}

static int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t now_ns; /* Of the engines here. */

static int64_t real_ns(void *context)
{
    (void)context;
    return now_ns;
}

/* With state in `dir`, unless it is NULL. */
static struct lw_test_engine *engine_new(uint32_t n_shards, const char *state_dir,
                                         struct lw_state_report *ret_report)
{
    const struct lw_state_config config = {.dir = state_dir, .manual = true, .real_ns = real_ns};
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    const struct lw_listener listener = {
        .verdict = lw_test_engine_verdict, .anomaly = lw_test_engine_anomaly, .context = self};
    const struct lw_engine_config engine = {.n_shards = n_shards, .listener = &listener};
    struct lw_error error = {0};

    (void)pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(lw_engine_create(&engine, &self->engine, &error), LW_OK);
    lw_test_engine_detector(self, "timed", TIMED);
    lw_test_engine_detector(self, "shared", SHARED);
    lw_test_engine_detector(self, "direct", DIRECT);
    if (state_dir != NULL &&
        lw_engine_open_state(self->engine, &config, ret_report, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, &error), LW_OK);
    return self;
}

/* As a kill does: what was not synced is gone. */
static void engine_kill(struct lw_test_engine *self)
{
    lw_test_engine_close(self);
    free(self);
}

static void push_step(struct lw_test_engine *self, uint32_t n_entities, int64_t step)
{
    for (uint32_t e = 0; e < n_entities; e++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "e%u", e);
        for (uint32_t m = 0; m < 2; m++) {
            uint32_t series = lw_test_feed_series(&self->feed, m == 0 ? "cpu" : "load", name);
            int64_t late = (step * 7 + e) % 41 == 0 ? 100 : (step % 3) * 10;

            if (e % 5 == 4 && step % 50 != 0) {
                continue; /* One speaks seldom: most watermarks pass it over. */
            }
            if (e % 5 == 3 && step < 700) {
                continue; /* One comes later. */
            }
            lw_test_feed_push(&self->feed, series, step * 10 - late,
                              lw_test_value(e * 2 + m, step));
        }
    }
    lw_test_feed_watermark(&self->feed, step * 10);
}

static void sync_good(struct lw_test_engine *self)
{
    struct lw_error error = {0};

    if (lw_engine_sync(self->engine, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

static void checkpoint_good(struct lw_test_engine *self)
{
    struct lw_error error = {0};

    if (lw_engine_checkpoint(self->engine, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

/* Every entity of one has the same bytes in the other. */
static void check_equal(struct lw_test_engine *one, struct lw_test_engine *other)
{
    struct lw_engine_totals a, b;

    lw_engine_flush(one->engine);
    lw_engine_flush(other->engine);
    for (size_t i = 0; i < one->engine->n_entities; i++) {
        struct engine_entity *left = one->engine->entities[i], *right;
        void *left_bytes = NULL, *right_bytes = NULL;
        size_t n_left = 0, n_right = 0;

        if (left == NULL) {
            continue;
        }
        right = lw_registry_find(other->engine, lw_detector_name(lw_entity_detector(left->entity)),
                                 lw_entity_name(left->entity));
        assert_non_null(right);
        assert_int_equal(left->number, right->number);
        lw_shard_catch_up(left); /* Told, or spared so far: the same. */
        lw_shard_catch_up(right);
        assert_int_equal(lw_entity_save(left->entity, &left_bytes, &n_left, NULL), LW_OK);
        assert_int_equal(lw_entity_save(right->entity, &right_bytes, &n_right, NULL), LW_OK);
        assert_int_equal(n_left, n_right);
        assert_memory_equal(left_bytes, right_bytes, n_left);
        lw_bytes_free(left_bytes);
        lw_bytes_free(right_bytes);
    }
    lw_engine_totals(one->engine, &a);
    lw_engine_totals(other->engine, &b);
    assert_int_equal(a.n_entities, b.n_entities);
    assert_int_equal(a.samples, b.samples);
    assert_int_equal(a.verdicts, b.verdicts);
    assert_int_equal(a.late, b.late);
    assert_int_equal(a.anomalies_open, b.anomalies_open);
    assert_memory_equal(a.anomalies_by_type, b.anomalies_by_type, sizeof(a.anomalies_by_type));
    assert_true(a.alarms_promised_per_week == b.alarms_promised_per_week);
}

/* Kills and restarts, now and then behind a snapshot, with other numbers of shards. */
static void test_durable__goes_on_after_kills_as_if_undisturbed(void **state)
{
    static const struct {
        int64_t until;
        uint32_t n_shards;
        int64_t snapshot_at; /* A step; -1: none. */
    } LIVES[] = {{150, 2, -1}, {400, 2, 300}, {700, 1, -1}, {1203, 5, 1202}, {2000, 2, 1500}};
    struct lw_test_engine *whole = engine_new(2, NULL, NULL);
    int64_t step = 0;

    (void)state;
    now_ns = INT64_C(1700000000000000000);
    for (size_t life = 0; life < sizeof(LIVES) / sizeof(LIVES[0]); life++) {
        struct lw_state_report report;
        struct lw_test_engine *self = engine_new(LIVES[life].n_shards, dir, &report);

        assert_int_equal(report.fresh, life == 0);
        assert_int_equal(report.skipped, 0);
        check_equal(whole, self);
        for (size_t i = 0; i < LW_TEST_HEARD_MAX; i++) {
            whole->heard[i].hash = self->heard[i].hash = 0; /* From here on. */
        }
        for (; step < LIVES[life].until; step++) {
            now_ns += 1000000000;
            push_step(whole, 6, step);
            push_step(self, 6, step);
            if (step == LIVES[life].snapshot_at) {
                checkpoint_good(self);
            }
        }
        lw_engine_flush(whole->engine);
        lw_engine_flush(self->engine);
        for (size_t i = 0; i < self->n_heard; i++) {
            const struct lw_test_heard *heard = &self->heard[i];

            assert_int_equal(lw_test_heard(whole, heard->detector, heard->entity)->hash,
                             heard->hash);
        }
        sync_good(self);
        check_equal(whole, self);
        engine_kill(self);
    }
    assert_true(lw_test_engine_totals(whole).anomalies_opened > 0);
    assert_true(lw_test_engine_totals(whole).n_models > 0);
    engine_kill(whole);
}

/* What was not synced is gone as if it had never been, and may be delivered again. */
static void test_durable__what_was_not_synced_is_delivered_again(void **state)
{
    struct lw_test_engine *whole = engine_new(2, NULL, NULL), *self = engine_new(2, dir, NULL);
    struct lw_state_report report;

    (void)state;
    now_ns = INT64_C(1700000000000000000);
    for (int64_t step = 0; step < 100; step++) {
        push_step(whole, 3, step);
        push_step(self, 3, step);
    }
    sync_good(self);
    assert_true(self->feed.durable(self->feed.context) >= self->feed.position(self->feed.context));
    push_step(self, 3, 100);
    assert_true(self->feed.durable(self->feed.context) < self->feed.position(self->feed.context));
    engine_kill(self);
    self = engine_new(2, dir, &report);
    check_equal(whole, self);
    push_step(whole, 3, 100);
    push_step(self, 3, 100);
    check_equal(whole, self);
    engine_kill(self);
    engine_kill(whole);
}

/* ---- a snapshot in the midst of work ---- */

static void *checkpoint_main(void *argument)
{
    struct lw_test_engine *self = argument;

    for (int i = 0; i < 3; i++) {
        checkpoint_good(self);
    }
    return NULL;
}

static void test_durable__snapshots_roll_while_samples_flow(void **state)
{
    struct lw_test_engine *whole = engine_new(2, NULL, NULL), *self = engine_new(2, dir, NULL);
    struct lw_state_totals totals;
    struct lw_state_report report;
    pthread_t thread;
    int64_t step = 0;

    (void)state;
    now_ns = INT64_C(1700000000000000000);
    for (; step < 20; step++) {
        push_step(whole, 900, step);
        push_step(self, 900, step);
    }
    assert_int_equal(pthread_create(&thread, NULL, checkpoint_main, self), 0);
    for (; step < 45; step++) {
        push_step(whole, 900, step);
        push_step(self, 900, step);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    sync_good(self);
    assert_int_equal(lw_engine_state(self->engine, &totals), LW_OK);
    assert_int_equal(totals.checkpoints, 3);
    assert_true(totals.checkpoint_bytes > 4000000);
    engine_kill(self);
    self = engine_new(1, dir, &report);
    assert_true(report.snapshot > 1);
    check_equal(whole, self);
    for (; step < 50; step++) {
        push_step(whole, 900, step);
        push_step(self, 900, step);
    }
    check_equal(whole, self);
    engine_kill(self);
    engine_kill(whole);
}

/* ---- time ---- */

static void test_durable__a_long_pause_is_no_silence(void **state)
{
    struct lw_test_engine *self = engine_new(2, dir, NULL);
    struct lw_engine_totals totals;

    (void)state;
    now_ns = INT64_C(1700000000000000000);
    for (int64_t step = 0; step < 300; step++) {
        now_ns += INT64_C(10000000000);
        push_step(self, 3, step);
    }
    sync_good(self);
    totals = lw_test_engine_totals(self);
    engine_kill(self);
    now_ns += INT64_C(3600000000000);
    self = engine_new(2, dir, NULL);
    for (int64_t step = 660; step < 670; step++) {
        now_ns += INT64_C(10000000000);
        push_step(self, 3, step);
    }
    assert_int_equal(lw_test_engine_totals(self).anomalies_by_type[LW_TYPE_SILENT],
                     totals.anomalies_by_type[LW_TYPE_SILENT]);
    engine_kill(self);
}

/* After a pause the series of one entity come back one after the other, and not in order of time.
 */
static void test_durable__no_series_is_late_because_another_came_back_first(void **state)
{
    struct lw_test_engine *self = NULL;
    int64_t start_s = 1000;

    (void)state;
    now_ns = INT64_C(1700000000000000000);
    for (int life = 0; life < 3; life++) {
        uint32_t x, y;

        self = engine_new(2, dir, NULL);
        x = lw_test_feed_series(&self->feed, "x", "host");
        y = lw_test_feed_series(&self->feed, "y", "host");
        for (int64_t i = 0; i < 40; i++) {
            lw_test_feed_push(&self->feed, x, start_s + 10 + i * 10, (double)(i % 7));
            lw_test_feed_push(&self->feed, y, start_s + 5 + i * 10, (double)(i % 5));
        }
        sync_good(self);
        assert_int_equal(lw_test_engine_totals(self).late, 0);
        start_s += 4000;
        now_ns += INT64_C(3600000000000);
        engine_kill(self);
    }
}

static void test_durable__an_engine_in_use_opens_no_state(void **state)
{
    struct lw_test_engine *self = engine_new(2, NULL, NULL);
    const struct lw_state_config config = {.dir = dir, .manual = true};

    (void)state;
    assert_int_equal(lw_engine_open_state(self->engine, &config, NULL, NULL), LW_EINVAL);
    assert_int_equal(lw_engine_sync(self->engine, NULL), LW_EINVAL);
    assert_int_equal(lw_engine_checkpoint(self->engine, NULL), LW_EINVAL);
    engine_kill(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_durable__goes_on_after_kills_as_if_undisturbed,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_durable__what_was_not_synced_is_delivered_again,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_durable__snapshots_roll_while_samples_flow,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_durable__a_long_pause_is_no_silence, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(
            test_durable__no_series_is_late_because_another_came_back_first, make_folder,
            drop_folder),
        cmocka_unit_test_setup_teardown(test_durable__an_engine_in_use_opens_no_state, make_folder,
                                        drop_folder),
    };

    return LW_TEST_RUN(tests);
}
