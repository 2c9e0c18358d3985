/* Decisions over entities (expiring, steps of tier 1, inheriting) over kills, and their rules. */
#define _XOPEN_SOURCE 700
#include "support/engine.h"

#include "base/rng.h"
#include "engine/advance.h"
#include "engine/expire.h"
#include "engine/ladder.h"
#include "lapwing/state.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const PODS[] = {
    "entity",      "pod", "step",  "10s",        "operating_point", "benchmark", "models", "linear",
    "train_after", "64",  "match", "cpu,memory", "lateness",        "20s",       NULL};
static const char *const SHARED[] = {"entity", "pod",    "step", "10s", "alarm_budget",
                                     "1h",     "models", "none", NULL};
static const char *const BRIEF[] = {"entity", "pod",          "step", "10s", "models",
                                    "none",   "expire_after", "1h",   NULL};

#define N_PODS 12u

static char folder[64], dir[96];
static int64_t now_ns;

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(dir, sizeof(dir), "%s/state", folder);
    now_ns = INT64_C(1700000000000000000);
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

static int64_t real_ns(void *context)
{
    (void)context;
    return now_ns;
}

static struct lw_test_engine *engine_new(uint32_t n_shards, const char *state_dir)
{
    const struct lw_state_config config = {.dir = state_dir, .manual = true, .real_ns = real_ns};
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    const struct lw_listener listener = {
        .verdict = lw_test_engine_verdict, .anomaly = lw_test_engine_anomaly, .context = self};
    const struct lw_engine_config engine = {.n_shards = n_shards, .listener = &listener};
    struct lw_error error = {0};

    (void)pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(lw_engine_create(&engine, &self->engine, &error), LW_OK);
    lw_test_engine_detector(self, "pods", PODS);
    lw_test_engine_detector(self, "shared", SHARED);
    if (state_dir != NULL && lw_engine_open_state(self->engine, &config, NULL, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, &error), LW_OK);
    return self;
}

static void engine_kill(struct lw_test_engine *self)
{
    lw_test_engine_close(self);
    free(self);
}

static uint32_t series_of(struct lw_test_engine *self, const char *metric, const char *pod)
{
    const struct lw_label label = {"pod", pod};
    const struct lw_series_key key = {metric, &label, 1};
    uint32_t series = 0;

    assert_int_equal(self->feed.series(self->feed.context, &key, &series, NULL), LW_OK);
    return series;
}

/* Three workloads; each pod lives a while and is replaced by another of its family. */
static void pod_name(uint32_t pod, char ret_name[64])
{
    static const char MADE[] = "bcdfghjklmnpqrstvwxz2456789";

    (void)snprintf(ret_name, 64, "work%u-7d9f8b6c5-%cx2%c%c", pod % 3, MADE[pod % 27],
                   MADE[pod * 5 % 27], MADE[pod * 11 % 27]);
}

static void push_step(struct lw_test_engine *self, int64_t step)
{
    static const char *const METRICS[] = {"cpu", "memory", "disk"};

    for (uint32_t pod = 0; pod < N_PODS; pod++) {
        char name[64];

        pod_name(pod, name);
        if (step / 40 % 4 != pod % 4 && step / 90 % 3 != pod % 3) {
            continue; /* Not its time. */
        }
        for (uint32_t m = 0; m < 3; m++) {
            lw_test_feed_push(&self->feed, series_of(self, METRICS[m], name),
                              step * 10 - (step % 3) * 10, lw_test_value(pod * 3 + m, step));
        }
    }
    lw_test_feed_watermark(&self->feed, step * 10);
}

/* Every entity of one has the same bytes in the other, and there are as many. */
static void check_equal(struct lw_test_engine *one, struct lw_test_engine *other)
{
    struct lw_engine_totals a = lw_test_engine_totals(one), b = lw_test_engine_totals(other);

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
        lw_shard_catch_up(left);
        lw_shard_catch_up(right);
        assert_int_equal(lw_entity_save(left->entity, &left_bytes, &n_left, NULL), LW_OK);
        assert_int_equal(lw_entity_save(right->entity, &right_bytes, &n_right, NULL), LW_OK);
        assert_int_equal(n_left, n_right);
        assert_memory_equal(left_bytes, right_bytes, n_left);
        lw_bytes_free(left_bytes);
        lw_bytes_free(right_bytes);
    }
    assert_int_equal(a.n_entities, b.n_entities);
    assert_int_equal(a.samples, b.samples);
    assert_int_equal(a.verdicts, b.verdicts);
    assert_int_equal(a.late, b.late);
    assert_int_equal(a.anomalies_open, b.anomalies_open);
    assert_int_equal(a.n_stepped_down, b.n_stepped_down);
    assert_int_equal(a.n_gone, b.n_gone);
    assert_memory_equal(a.anomalies_by_type, b.anomalies_by_type, sizeof(a.anomalies_by_type));
    for (unsigned d = 0; d < 2; d++) {
        assert_int_equal(one->engine->detectors[d].n_series, other->engine->detectors[d].n_series);
    }
}

static struct engine_entity *owner_at(struct lw_test_engine *self, const char *detector,
                                      uint32_t pod)
{
    char name[64];

    pod_name(pod, name);
    return lw_registry_find(self->engine, detector, name);
}

/* The same decision in both: some pods of a detector expire, or step. */
static void decide(struct lw_test_engine *self, uint64_t chance)
{
    const char *detector = chance % 2 == 0 ? "pods" : "shared";
    struct engine_entity *owners[N_PODS];
    size_t n = 0;

    for (uint32_t pod = 0; pod < N_PODS; pod++) {
        struct engine_entity *owner = owner_at(self, detector, pod);

        if (owner != NULL && (chance >> (8 + pod) & 1) != 0) {
            owners[n++] = owner;
        }
    }
    (void)pthread_mutex_lock(&self->engine->route);
    if (chance / 2 % 3 == 0) {
        assert_int_equal(lw_expire_entities(self->engine, owners, n), LW_OK);
    } else {
        assert_int_equal(lw_ladder_step(self->engine, owners, n, chance / 2 % 3 == 1), LW_OK);
    }
    (void)pthread_mutex_unlock(&self->engine->route);
}

/* Lives of random length, with a snapshot somewhere or not, and other numbers of shards. */
static void decisions_survive(uint64_t seed)
{
    struct lw_test_engine *whole = engine_new(2, NULL);
    struct lw_rng rng;
    int64_t step = 0;

    lw_rng_seed(&rng, seed);
    for (unsigned life = 0; life < 8; life++) {
        struct lw_test_engine *self = engine_new(1 + (uint32_t)lw_rng_below(&rng, 4), dir);
        int64_t until = step + 20 + (int64_t)lw_rng_below(&rng, 120);

        check_equal(whole, self);
        for (; step < until; step++) {
            now_ns += 1000000000;
            push_step(whole, step);
            push_step(self, step);
            if (lw_rng_below(&rng, 12) == 0) {
                uint64_t chance = lw_rng_next(&rng);

                decide(whole, chance);
                decide(self, chance);
            }
            if (lw_rng_below(&rng, 60) == 0) {
                assert_int_equal(lw_engine_checkpoint(self->engine, NULL), LW_OK);
            }
        }
        assert_int_equal(lw_engine_sync(self->engine, NULL), LW_OK);
        check_equal(whole, self);
        engine_kill(self);
    }
    assert_true(lw_test_engine_totals(whole).entities_expired > 10);
    assert_true(lw_test_engine_totals(whole).entities_inherited > 10);
    engine_kill(whole);
}

static void test_decisions__survive_kills(void **state)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        decisions_survive(seed);
        assert_int_equal(drop_folder(state), 0);
        assert_int_equal(make_folder(state), 0);
    }
}

/* Decided while a snapshot is under way, an entity could be in no piece of it. */
static void test_decisions__wait_for_a_snapshot(void **state)
{
    struct lw_test_engine *self = engine_new(1, dir);
    struct engine_entity *owner;

    (void)state;
    push_step(self, 0);
    owner = owner_at(self, "pods", 0);
    assert_non_null(owner);
    self->engine->snapshotting = true;
    assert_int_equal(lw_expire_entities(self->engine, &owner, 1), LW_EBUSY);
    assert_int_equal(lw_ladder_step(self->engine, &owner, 1, 0), LW_EBUSY);
    self->engine->snapshotting = false;
    assert_int_equal(lw_expire_entities(self->engine, &owner, 1), LW_OK);
    engine_kill(self);
}

/* ---- idle entities ---- */

static void test_expire__an_entity_nobody_feeds_is_forgotten_and_begins_anew(void **state)
{
    struct lw_test_engine self;
    struct lw_engine_totals totals;
    uint32_t kept, idle, other;
    uint64_t samples;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(&self, "brief", BRIEF);
    lw_test_engine_detector(&self, "shared", SHARED); /* Forgets nobody so soon. */
    kept = series_of(&self, "cpu", "kept");
    idle = series_of(&self, "cpu", "idle");
    other = series_of(&self, "memory", "idle");
    for (int64_t step = 0; step < 400; step++) {
        lw_test_feed_push(&self.feed, kept, step * 10, lw_test_value(1, step));
        if (step <= 30) {
            lw_test_feed_push(&self.feed, idle, step * 10, lw_test_value(2, step));
            lw_test_feed_push(&self.feed, other, step * 10, lw_test_value(3, step));
        }
        lw_test_feed_watermark(&self.feed, step * 10);
        lw_engine_flush(self.engine);
        if (step == 380) { /* 300 s + 1 h is step 390. */
            assert_int_equal(lw_test_engine_totals(&self).n_entities, 4);
        }
    }
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_entities, 3);
    assert_int_equal(totals.n_gone, 1);
    assert_int_equal(totals.entities_expired, 1);
    assert_int_equal(self.engine->detectors[0].n_series, 1);
    samples = totals.samples;
    assert_int_equal(samples, 2 * (400 + 2 * 31));   /* None is gone from the totals. */
    lw_test_feed_push(&self.feed, other, 4000, 1.0); /* The number of the series is still good. */
    lw_test_feed_watermark(&self.feed, 4010);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_entities, 4);
    assert_int_equal(totals.n_gone, 0);
    assert_int_equal(totals.samples, samples + 2);
    assert_int_equal(self.engine->detectors[0].n_series, 3);
    assert_int_equal(lw_registry_find(self.engine, "brief", "idle")->entity->counts.samples, 1);
    lw_test_engine_close(&self);
}

static void test_expire__an_open_anomaly_ends_and_is_told(void **state)
{
    struct lw_test_engine self;
    uint32_t kept, idle;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 1});
    lw_test_engine_detector(&self, "shared", SHARED);
    kept = series_of(&self, "cpu", "kept");
    idle = series_of(&self, "cpu", "idle");
    for (int64_t step = 0; step < 646; step++) {
        lw_test_feed_push(&self.feed, kept, step * 10, lw_test_value(1, step));
        lw_test_feed_push(&self.feed, idle, step * 10, step < 640 ? lw_test_value(2, step) : 9e3);
        lw_test_feed_watermark(&self.feed, step * 10);
    }
    assert_int_equal(lw_test_engine_totals(&self).anomalies_open, 1);
    (void)pthread_mutex_lock(&self.engine->route);
    {
        struct engine_entity *owner = lw_registry_find(self.engine, "shared", "idle");

        assert_int_equal(lw_expire_entities(self.engine, &owner, 1), LW_OK);
    }
    (void)pthread_mutex_unlock(&self.engine->route);
    assert_int_equal(lw_test_engine_totals(&self).anomalies_open, 0);
    assert_int_equal(lw_test_heard(&self, "shared", "idle")->n_closed,
                     lw_test_heard(&self, "shared", "idle")->n_opened);
    lw_test_engine_close(&self);
}

/* A source that is far behind another says nothing about the entities of that one. */
static void test_expire__goes_by_the_feeds_of_the_entity(void **state)
{
    struct lw_test_engine self;
    struct lw_feed ahead;
    uint32_t slow, fast;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 1});
    lw_test_engine_detector(&self, "brief", BRIEF);
    assert_int_equal(lw_engine_feed(self.engine, "ahead", &ahead, NULL), LW_OK);
    slow = series_of(&self, "cpu", "slow");
    fast = series_of(&self, "cpu", "fast");
    lw_test_feed_push(&self.feed, slow, 0, 1.0);
    lw_test_feed_watermark(&self.feed, 10);
    for (int64_t step = 0; step < 1000; step++) {
        lw_test_feed_push(&ahead, fast, step * 10, 1.0);
        lw_test_feed_watermark(&ahead, step * 10);
        lw_engine_flush(self.engine);
    }
    assert_int_equal(lw_test_engine_totals(&self).n_entities, 2);
    lw_test_engine_close(&self);
}

/* ---- the ladder ---- */

static void feed_many(struct lw_test_engine *self, uint32_t n_entities, int64_t from, int64_t to)
{
    static const char *const METRICS[] = {"cpu", "memory", "disk", "net"};

    for (int64_t step = from; step < to; step++) {
        for (uint32_t e = 0; e < n_entities; e++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "host-%u", e);
            for (uint32_t m = 0; m < 4; m++) {
                double value = lw_test_value(1000 * (e + 1) + m, step % 600);

                lw_test_feed_push(&self->feed, series_of(self, METRICS[m], name), step * 10,
                                  e == 3 && m == 0 && step > 300 && step < 304 ? 500.0 : value);
            }
        }
        lw_test_feed_watermark(&self->feed, step * 10);
    }
    lw_engine_flush(self->engine);
}

static struct lw_memory_change fit(struct lw_test_engine *self)
{
    struct lw_memory_change change;

    assert_int_equal(lw_engine_fit_memory(self->engine, &change), LW_OK);
    return change;
}

static void test_ladder__steps_down_and_up_again(void **state)
{
    static const char *const TIMED[] = {"entity", "pod",         "step", "10s", "models",
                                        "linear", "train_after", "64",   NULL};
    const struct lw_series_key late = {"late", NULL, 0};
    struct lw_test_engine self;
    struct lw_engine_totals totals;
    struct lw_memory_change change;
    uint32_t series;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 2,
                                                         .history_steps = 50,
                                                         .memory_bytes = (size_t)1 << 40});
    lw_test_engine_detector(&self, "timed", TIMED);
    feed_many(&self, 40, 0, 320);
    totals = lw_test_engine_totals(&self);
    assert_true(totals.history_bytes > 100000);
    change = fit(&self); /* There is room. */
    assert_int_equal(change.n_stepped_down + change.n_stepped_up, 0);

    /* At the top: some go, the one that had an anomaly is none of them. */
    self.engine->memory_limit = totals.memory_bytes / 92 * 100;
    change = fit(&self);
    assert_in_range(change.n_stepped_down, 1, 38);
    assert_false(lw_registry_find(self.engine, "timed", "host-3")->entity->stepped_down);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_stepped_down, change.n_stepped_down);
    assert_true(totals.memory_bytes < totals.memory_limit / 100 * 90);
    assert_int_equal(fit(&self).n_stepped_down, 0); /* Between the marks nothing moves. */

    /* Far above: all of them, then the history, then new series. */
    self.engine->memory_limit = totals.memory_bytes / 4;
    change = fit(&self);
    assert_int_equal(change.n_stepped_down + totals.n_stepped_down, 40);
    for (unsigned i = 0; i < 12 && !change.refused_after; i++) {
        change = fit(&self);
    }
    assert_true(change.refused_after);
    assert_int_equal(lw_test_engine_totals(&self).history_bytes, 0);
    assert_int_equal(self.feed.series(self.feed.context, &late, &series, NULL), LW_ELIMIT);
    assert_int_equal(lw_test_engine_totals(&self).series_refused_memory, 1);
    feed_many(&self, 40, 320, 330); /* All that is known is judged on. */
    assert_int_equal(lw_test_engine_totals(&self).n_entities, 40);

    /* And back. */
    self.engine->memory_limit = (size_t)1 << 40;
    for (unsigned i = 0; i < 12; i++) {
        change = fit(&self);
    }
    assert_false(change.refused_after);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_stepped_down, 0);
    assert_int_equal(self.engine->history_bytes, self.engine->history_limit);
    assert_int_equal(self.feed.series(self.feed.context, &late, &series, NULL), LW_OK);
    feed_many(&self, 40, 330, 430);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_models, 40); /* Learnt anew. */
    assert_true(totals.history_bytes > 100000);
    lw_test_engine_close(&self);
}

static void test_ladder__without_a_limit_nothing_steps(void **state)
{
    struct lw_test_engine self;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 1});
    lw_test_engine_detector(&self, "pods", PODS);
    feed_many(&self, 2, 0, 10);
    assert_int_equal(fit(&self).n_stepped_down, 0);
    assert_true(lw_test_engine_totals(&self).memory_bytes > 0);
    lw_test_engine_close(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decisions__survive_kills, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_decisions__wait_for_a_snapshot, make_folder,
                                        drop_folder),
        cmocka_unit_test(test_expire__an_entity_nobody_feeds_is_forgotten_and_begins_anew),
        cmocka_unit_test(test_expire__an_open_anomaly_ends_and_is_told),
        cmocka_unit_test(test_expire__goes_by_the_feeds_of_the_entity),
        cmocka_unit_test(test_ladder__steps_down_and_up_again),
        cmocka_unit_test(test_ladder__without_a_limit_nothing_steps),
    };

    return LW_TEST_RUN(tests);
}
