/* The engine's state in a file: it goes on as if nothing had happened, or says what is wrong and is
 * as it was. */
#include "support/engine.h"
#include "support/mem_faulty.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "detect/tail.h"
#include "store/file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_ENTITIES 5u
/* The pooled tail is made whenever the points are a power of two, from 2,048 on: before and after
 * the break. */
#define N_STEPS 2000
#define BREAK_AT 1200

static const char *const OPTIONS[] = {
    "step",        "10s", "operating_point", "benchmark",
    "train_after", "200", "models",          "linear, knn, iforest",
    "lateness",    "20s", "silent_after",    "2m",
    NULL};
static const char *const SHARED[] = {
    "step", "10s", "alarm_budget", "1h", "models", "none", "metric load watch", "no", NULL};

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct lw_test_engine *engine_new(uint32_t n_shards)
{
    struct lw_test_engine *self = calloc(1, sizeof(*self));

    lw_test_engine_open(self, (struct lw_engine_config){.n_shards = n_shards});
    lw_test_engine_detector(self, "timed", OPTIONS);
    lw_test_engine_detector(self, "shared", SHARED);
    return self;
}

static void engine_free(struct lw_test_engine *self)
{
    lw_test_engine_close(self);
    free(self);
}

/* Samples come up to two steps late, some of them after the watermark has passed over them. */
static void push_steps(struct lw_test_engine *self, int64_t from, int64_t to)
{
    for (int64_t step = from; step < to; step++) {
        for (uint32_t e = 0; e < N_ENTITIES; e++) {
            char name[16];

            (void)snprintf(name, sizeof(name), "e%u", e);
            for (uint32_t m = 0; m < 2; m++) {
                uint32_t series = lw_test_feed_series(&self->feed, m == 0 ? "cpu" : "load", name);
                int64_t late = (step * 7 + e) % 41 == 0 ? 100 : (step % 3) * 10;

                if (e == 4 && step % 50 != 0) {
                    continue; /* One speaks seldom: most watermarks pass it over. */
                }
                lw_test_feed_push(&self->feed, series, step * 10 - late,
                                  lw_test_value(e * 2 + m, step));
            }
        }
        lw_test_feed_watermark(&self->feed, step * 10);
    }
    lw_engine_flush(self->engine);
}

/* The same stream, undisturbed and with a restart in the middle: what is heard after it. */
static void check_restart(uint32_t n_shards_before, uint32_t n_shards_after)
{
    struct lw_test_engine *whole = engine_new(2), *first = engine_new(n_shards_before);
    struct lw_test_engine *second = engine_new(n_shards_after);
    struct lw_engine_totals a, b;
    struct lw_error error = {0};
    uint32_t n_skipped = 77;

    push_steps(whole, 0, BREAK_AT);
    for (size_t i = 0; i < whole->n_heard; i++) {
        whole->heard[i].hash = 0; /* From here on. */
    }
    push_steps(whole, BREAK_AT, N_STEPS);
    push_steps(first, 0, BREAK_AT);
    if (lw_engine_save(first->engine, path, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    engine_free(first);
    if (lw_engine_load(second->engine, path, &n_skipped, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(n_skipped, 0);
    push_steps(second, BREAK_AT, N_STEPS);
    for (size_t i = 0; i < whole->n_heard; i++) {
        const struct lw_test_heard *heard = &whole->heard[i];

        assert_int_equal(lw_test_heard(second, heard->detector, heard->entity)->hash, heard->hash);
    }
    lw_engine_finish(whole->engine);
    lw_engine_finish(second->engine);
    lw_engine_totals(whole->engine, &a);
    lw_engine_totals(second->engine, &b);
    assert_true(a.anomalies_opened > 0 && a.late > 0 && a.n_models > 0);
    assert_int_equal(a.samples, b.samples);
    assert_int_equal(a.verdicts, b.verdicts);
    assert_int_equal(a.late, b.late);
    assert_int_equal(a.anomalies_opened, b.anomalies_opened);
    assert_int_equal(a.anomalies_open, 0);
    assert_int_equal(b.anomalies_open, 0);
    assert_memory_equal(a.anomalies_by_type, b.anomalies_by_type, sizeof(a.anomalies_by_type));
    assert_true(a.alarms_per_week == b.alarms_per_week);
    assert_true(a.alarms_promised_per_week == b.alarms_promised_per_week);
    engine_free(whole);
    engine_free(second);
}

static void test_state__goes_on_as_if_undisturbed(void **state)
{
    (void)state;
    check_restart(2, 2);
}

static void test_state__goes_on_with_another_number_of_shards(void **state)
{
    (void)state;
    check_restart(5, 1);
}

static void test_state__leaves_out_entities_of_other_options(void **state)
{
    static const char *const OTHER[] = {"step", "30s", NULL};
    struct lw_test_engine *first = engine_new(2), *second = calloc(1, sizeof(*second));
    struct lw_anomaly_view views[64];
    size_t n_views;
    uint32_t n_skipped = 0;

    (void)state;
    push_steps(first, 0, 131);
    assert_true(lw_engine_anomalies(first->engine, 0, views, 64) > 0);
    assert_int_equal(lw_engine_save(first->engine, path, NULL), LW_OK);
    engine_free(first);
    lw_test_engine_open(second, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(second, "timed", OTHER);
    lw_test_engine_detector(second, "shared", SHARED);
    assert_int_equal(lw_engine_load(second->engine, path, &n_skipped, NULL), LW_OK);
    assert_int_equal(n_skipped, N_ENTITIES);
    assert_int_equal(lw_test_engine_totals(second).n_entities, N_ENTITIES);
    n_views = lw_engine_anomalies(second->engine, 0, views, 64);
    assert_true(n_views > 0);
    for (size_t i = 0; i < n_views; i++) {
        bool timed = strcmp(views[i].detector, "timed") == 0;

        assert_int_equal(views[i].entity_number == UINT32_MAX, timed);
        assert_true(!timed || views[i].anomaly.phase == LW_ANOMALY_CLOSED);
        assert_true(views[i].sentence[0] != '\0');
    }
    engine_free(second);
}

/* ---- damage ---- */

static void rewrite(uint32_t version, const uint8_t *bytes, size_t n_bytes)
{
    assert_int_equal(lw_file_replace(path, version, bytes, n_bytes, NULL), LW_OK);
}

static void check_refused(struct lw_test_engine *self, enum lw_status expected, const char *word)
{
    struct lw_error error = {0};
    struct lw_engine_totals totals;
    struct lw_anomaly_view view;
    uint32_t n_skipped = 77;
    enum lw_status status = lw_engine_load(self->engine, path, &n_skipped, &error);

    if (status != expected || strstr(error.message, word) == NULL) {
        fail_msg("%d (%s), not %d with \"%s\"", status, error.message, expected, word);
    }
    totals = lw_test_engine_totals(self);
    assert_int_equal(totals.n_entities, 0);
    assert_int_equal(totals.n_series, 0);
    assert_int_equal(totals.samples, 0);
    assert_int_equal(totals.anomalies_open, 0);
    assert_int_equal(totals.anomalies_opened, 0);
    assert_int_equal(lw_engine_anomalies(self->engine, 0, &view, 1), 0);
    assert_int_equal(n_skipped, 77);
}

static void test_state__refuses_damage_and_is_as_it_was(void **state)
{
    struct lw_test_engine *first = engine_new(2), *second = engine_new(2);
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    void *read = NULL;

    (void)state;
    push_steps(first, 0, 300);
    assert_int_equal(lw_engine_save(first->engine, path, NULL), LW_OK);
    engine_free(first);
    assert_int_equal(lw_file_read(path, 2, 2, &read, &n_bytes, NULL), LW_OK);
    bytes = read;
    assert_int_equal(truncate(path, (off_t)n_bytes), 0);
    check_refused(second, LW_EFORMAT, "torn");
    rewrite(3, bytes, n_bytes);
    check_refused(second, LW_EVERSION, "version 3");
    for (size_t cut = 0; cut < n_bytes; cut += n_bytes / 40 + 1) { /* Whole to the checksum. */
        rewrite(2, bytes, cut);
        check_refused(second, LW_EFORMAT, "");
    }
    for (size_t at = n_bytes / 3; at < n_bytes / 2; at += n_bytes / 40 + 1) {
        bytes[at] ^= 4;
        rewrite(2, bytes, n_bytes); /* Within an entity, whose own checksum tells. */
        check_refused(second, LW_EFORMAT, "");
        bytes[at] ^= 4;
    }
    (void)unlink(path);
    check_refused(second, LW_ENOTFOUND, path);
    rewrite(2, bytes, n_bytes);
    assert_int_equal(lw_engine_load(second->engine, path, NULL, NULL), LW_OK); /* After all that. */
    assert_int_equal(lw_test_engine_totals(second).n_entities, 2 * N_ENTITIES);
    assert_int_equal(lw_engine_load(second->engine, path, NULL, NULL), LW_EINVAL);
    assert_int_equal(lw_test_engine_totals(second).n_entities, 2 * N_ENTITIES);
    engine_free(second);
    lw_mem_free(bytes);
}

static void test_state__refuses_an_entity_twice(void **state)
{
    struct lw_test_engine *first = engine_new(1), *second = engine_new(1);
    void *read = NULL;
    uint8_t *twice;
    size_t n_bytes = 0, head, body;
    struct lw_writer tail;

    lw_writer_init(&tail);
    lw_tail_save(&(struct lw_tail){0}, &tail);
    head = 8 * (2 + 16 + 2 + 8) + 1 + 4 + strlen("timed") + 8 + 8 + tail.n_bytes + 1;
    lw_writer_fini(&tail);
    (void)state;
    lw_test_feed_push(&first->feed, lw_test_feed_series(&first->feed, "cpu", "a"), 5, 1);
    assert_int_equal(lw_engine_remove_detector(first->engine, "shared", NULL), LW_OK);
    assert_int_equal(lw_engine_save(first->engine, path, NULL), LW_OK);
    assert_int_equal(lw_file_read(path, 2, 2, &read, &n_bytes, NULL), LW_OK);
    body = n_bytes - head - 1 - 4 - 8 - 4; /* The one entity; no anomaly follows it. */
    twice = calloc(1, n_bytes + body);
    memcpy(twice, read, head + body);
    memcpy(twice + head + body, (uint8_t *)read + head, n_bytes - head);
    rewrite(2, twice, n_bytes + body);
    check_refused(second, LW_EFORMAT, "twice");
    rewrite(2, read, n_bytes);
    assert_int_equal(lw_engine_load(second->engine, path, NULL, NULL), LW_OK);
    free(twice);
    lw_mem_free(read);
    engine_free(first);
    engine_free(second);
}

static void test_state__keeps_the_file_before_when_it_cannot_write(void **state)
{
    struct lw_test_engine *self = engine_new(1);
    struct lw_error error = {0};
    struct stat before, after;
    char elsewhere[128];

    (void)state;
    push_steps(self, 0, 20);
    assert_int_equal(lw_engine_save(self->engine, path, NULL), LW_OK);
    assert_false(lw_test_engine_totals(self).state_degraded);
    assert_true(lw_test_engine_totals(self).saved_ns > 0);
    assert_int_equal(stat(path, &before), 0);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/none/state", folder);
    assert_int_equal(lw_engine_save(self->engine, elsewhere, &error), LW_EIO);
    assert_non_null(strstr(error.message, "No such file"));
    assert_true(lw_test_engine_totals(self).state_degraded);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(lw_engine_save(self->engine, path, NULL), LW_OK);
    assert_false(lw_test_engine_totals(self).state_degraded);
    engine_free(self);
}

struct pusher {
    struct lw_test_engine *engine;
    int64_t n_steps;
};

static void *push_on(void *argument)
{
    const struct pusher *pusher = argument;

    push_steps(pusher->engine, 0, pusher->n_steps);
    return NULL;
}

static void test_state__is_saved_while_samples_flow(void **state)
{
    struct lw_test_engine *self = engine_new(3), *second = engine_new(2);
    struct pusher pusher = {self, 300};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, push_on, &pusher), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(lw_engine_save(self->engine, path, NULL), LW_OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(lw_engine_load(second->engine, path, NULL, NULL), LW_OK);
    engine_free(self);
    engine_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_state__goes_on_as_if_undisturbed),
        TEST(test_state__goes_on_with_another_number_of_shards),
        TEST(test_state__leaves_out_entities_of_other_options),
        TEST(test_state__refuses_damage_and_is_as_it_was),
        TEST(test_state__refuses_an_entity_twice),
        TEST(test_state__keeps_the_file_before_when_it_cannot_write),
        TEST(test_state__is_saved_while_samples_flow),
    };

    return LW_TEST_RUN(tests);
}
