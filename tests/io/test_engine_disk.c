/*
 * A fault at every call that an engine makes to the disk: journal, snapshots, history, recovery.
 *
 * A driver pushes steps, syncs, makes snapshots and history, closes and opens again, on a simulated
 * disk that fails at the n-th call; n goes from the first call to the last, for every kind of
 * fault. The driver does what a client does: it tries again what was refused, and goes on behind
 * what a recovered engine says it has. In the end, and after one more power cut, every entity must
 * stand where it stands in an engine without a disk, and every sample must be in the history once.
 */
#include "support/engine.h"
#include "support/mem_faulty.h"

#include "engine/advance.h"
#include "engine/state/archive.h"
#include "lapwing/state.h"
#include "store/simulated_disk.h"

#include <stdlib.h>

#define STEPS 44
#define ENTITIES 3
#define TRIES 6

static const char *const OPTIONS[] = {"step", "10s", "models", "none", "alarm_budget", "1h", NULL};
static const char *const KINDS[] = {"EIO", "ENOSPC", "EINTR", "short", "torn", "power cut"};

struct driver {
    struct lw_simulated_disk *disk;
    struct lw_test_engine *self; /* NULL while there is none. */
    int64_t next;                /* Step to be pushed. */
    int64_t acknowledged;        /* Steps before this one are. */
    uint64_t positions[STEPS];
    bool tell; /* Where the last step is yet to be told. */
    bool power_gone;
    bool cuts; /* The fault is a power cut. */
    const char *what;
    uint64_t at;
};

static int64_t real_ns(void *context)
{
    (void)context;
    return 1000 * LW_TEST_SECOND; /* The samples are not too old for the history. */
}

static void fail_at(const struct driver *driver, const char *what, const char *why)
{
    fail_msg("%s at call %llu: %s: %s", driver->what, (unsigned long long)driver->at, what, why);
}

static struct lw_test_engine *engine_new(void)
{
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    const struct lw_engine_config engine = {.n_shards = 2};

    (void)pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(lw_engine_create(&engine, &self->engine, NULL), LW_OK);
    lw_test_engine_detector(self, "one", OPTIONS);
    return self;
}

static void engine_drop(struct lw_test_engine *self)
{
    if (self != NULL) {
        lw_test_engine_close(self);
        free(self);
    }
}

/* All of a step is one push, so one record: it is there or not. */
static enum lw_status push_step(struct lw_test_engine *self, int64_t step)
{
    struct lw_point points[ENTITIES];
    enum lw_status status = LW_OK;

    for (uint32_t e = 0; status == LW_OK && e < ENTITIES; e++) {
        char name[16];
        const struct lw_label label = {"instance", name};
        const struct lw_series_key key = {"load", &label, 1};

        (void)snprintf(name, sizeof(name), "e%u", e);
        points[e] = (struct lw_point){.time_ns = step * 10 * LW_TEST_SECOND,
                                      .value = lw_test_value(e, step)};
        status = self->feed.series(self->feed.context, &key, &points[e].series, NULL);
    }
    return status == LW_OK ? self->feed.push(self->feed.context, points, ENTITIES) : status;
}

static enum lw_status tell_step(struct lw_test_engine *self, int64_t step)
{
    return self->feed.watermark(self->feed.context, step * 10 * LW_TEST_SECOND);
}

/* ---- the driver ---- */

static void power_back(struct driver *driver)
{
    engine_drop(driver->self);
    driver->self = NULL;
    assert_int_equal(lw_simulated_disk_crash(driver->disk, LW_DISK_CRASH_ANY), LW_OK);
    driver->power_gone = false;
}

/* An engine on what the disk holds, behind which the driver goes on. */
static void life_begin(struct driver *driver)
{
    const struct lw_state_config config = {.dir = "/state",
                                           .io = lw_simulated_disk_io(driver->disk),
                                           .manual = true,
                                           .real_ns = real_ns};
    struct lw_error error = {0};
    enum lw_status status = LW_EIO;
    int64_t held;

    for (int i = 0; status != LW_OK && i < TRIES; i++) {
        engine_drop(driver->self);
        driver->self = engine_new();
        status = lw_engine_open_state(driver->self->engine, &config, NULL, &error);
        if (status == LW_OK) {
            status = lw_engine_feed(driver->self->engine, "test", &driver->self->feed, &error);
        }
        if (status != LW_OK && status != LW_EIO) {
            fail_at(driver, "it is refused", error.message);
        }
        if (status != LW_OK && driver->power_gone) {
            power_back(driver);
        }
    }
    if (status != LW_OK) {
        fail_at(driver, "it does not open", error.message);
    }
    held = (int64_t)lw_test_engine_totals(driver->self).samples / ENTITIES;
    if (held < driver->acknowledged) {
        fail_at(driver, "acknowledged steps are gone", "");
    }
    driver->next = held;
    driver->tell = true; /* The record of its watermark may be missing. */
}

static void driver_sync(struct driver *driver)
{
    struct lw_feed *feed = &driver->self->feed;
    uint64_t durable;

    lw_engine_flush(driver->self->engine);
    (void)!lw_engine_sync(driver->self->engine, NULL);
    durable = feed->durable(feed->context);
    while (driver->acknowledged < driver->next &&
           driver->positions[driver->acknowledged] <= durable) {
        driver->acknowledged++;
    }
}

static void driver_checkpoint(struct driver *driver)
{
    lw_engine_flush(driver->self->engine);
    (void)!lw_engine_checkpoint(driver->self->engine, NULL);
    (void)!lw_archive_turn(driver->self->engine->durable->archive, true, NULL);
}

/* Does every call to the disk fail now? Then the power is gone, and comes back. */
static bool driver_look(struct driver *driver)
{
    const struct lw_io *io = lw_simulated_disk_io(driver->disk);

    if (!driver->cuts || io->space(io->context, "/") >= 0) {
        return false;
    }
    driver->power_gone = true;
    power_back(driver);
    life_begin(driver);
    return true;
}

/* Tells the step before the next one, then pushes the next, over refusals; after a power cut the
 * engine may stand elsewhere, and it is for the caller to come again. */
static void driver_step(struct driver *driver)
{
    enum lw_status status = LW_EIO;
    int64_t step = driver->next;

    for (int i = 0; status != LW_OK && i < TRIES; i++) {
        status = driver->tell && step > 0 ? tell_step(driver->self, step - 1) : LW_OK;
        driver->tell = status != LW_OK;
        if (status == LW_OK && step < STEPS) {
            status = push_step(driver->self, step);
        }
        if (status != LW_OK) {
            driver_sync(driver); /* Which is what makes it well again. */
            if (driver_look(driver)) {
                return;
            }
        }
    }
    if (status != LW_OK) {
        fail_at(driver, "a step is refused for good", "");
    }
    driver->tell = true;
    if (step < STEPS) {
        driver->positions[step] = driver->self->feed.position(driver->self->feed.context);
        driver->next = step + 1;
    }
}

static void drive(struct driver *driver)
{
    bool reopened = false;

    driver->power_gone = driver->cuts; /* Whatever fails while it opens. */
    life_begin(driver);
    while (driver->next < STEPS) {
        driver_step(driver);
        if (driver->next % 4 == 0) {
            driver_sync(driver);
        }
        if (driver->next % 12 == 0) {
            driver_checkpoint(driver);
        }
        (void)driver_look(driver);
        if (driver->next >= 30 && !reopened) {
            reopened = true;
            driver->power_gone = driver->cuts;
            life_begin(driver);
        }
    }
}

/* All is pushed, told and acknowledged. */
static void settle(struct driver *driver)
{
    for (int i = 0; i < TRIES; i++) {
        do {
            driver_step(driver);
        } while (driver->next < STEPS);
        driver_sync(driver);
        (void)driver_look(driver);
    }
    if (driver->next < STEPS || driver->acknowledged < STEPS) {
        fail_at(driver, "it does not come to an end", "");
    }
}

/* ---- the oracle ---- */

static struct lw_test_engine *undisturbed(void)
{
    struct lw_test_engine *self = engine_new();

    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, NULL), LW_OK);
    for (int64_t step = 0; step < STEPS; step++) {
        assert_int_equal(push_step(self, step), LW_OK);
        assert_int_equal(tell_step(self, step), LW_OK);
    }
    lw_engine_flush(self->engine);
    return self;
}

static bool entity_equal(struct engine_entity *left, struct engine_entity *right)
{
    void *bytes[2] = {NULL, NULL};
    size_t n[2];
    bool equal;

    lw_shard_catch_up(left);
    lw_shard_catch_up(right);
    assert_int_equal(lw_entity_save(left->entity, &bytes[0], &n[0], NULL), LW_OK);
    assert_int_equal(lw_entity_save(right->entity, &bytes[1], &n[1], NULL), LW_OK);
    equal = n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0;
    lw_bytes_free(bytes[0]);
    lw_bytes_free(bytes[1]);
    return equal;
}

static void check_equal(const struct driver *driver, struct lw_test_engine *whole)
{
    struct lw_engine *engine = driver->self->engine;

    lw_engine_flush(engine);
    for (size_t i = 0; i < whole->engine->n_entities; i++) {
        struct engine_entity *left = whole->engine->entities[i];
        struct engine_entity *right = lw_registry_find(engine, "one", lw_entity_name(left->entity));

        if (right == NULL || !entity_equal(left, right)) {
            fail_at(driver, "an entity does not stand where it should",
                    lw_entity_name(left->entity));
        }
    }
    if (lw_test_engine_totals(driver->self).samples != (uint64_t)STEPS * ENTITIES) {
        fail_at(driver, "samples are missing, or there twice", "");
    }
}

static void check_history(const struct driver *driver)
{
    struct lw_archive *archive = driver->self->engine->durable->archive;
    struct lw_history_stats stats;
    struct lw_error error = {0};
    size_t n_damaged = 0;

    if (lw_archive_turn(archive, true, &error) != LW_OK ||
        lw_history_verify(lw_archive_history(archive), NULL, NULL, &n_damaged, &error) != LW_OK) {
        fail_at(driver, "the history", error.message);
    }
    lw_history_stats(lw_archive_history(archive), &stats);
    if (n_damaged > 0 || stats.files_damaged > 0 || stats.n_samples != (uint64_t)STEPS * ENTITIES) {
        fail_at(driver, "samples are not in the history once", stats.damage);
    }
}

/* One run with a fault at a call; false when there were not so many calls. */
static bool run_one(struct lw_test_engine *whole, enum lw_disk_fault_kind kind, uint64_t at,
                    uint64_t n_calls[LW_DISK_N_CALLS])
{
    struct driver driver = {.what = KINDS[kind], .at = at, .cuts = kind == LW_DISK_POWER};
    const struct lw_disk_fault fault = {.call = LW_DISK_ANY, .kind = kind, .at = at};
    bool reached;

    assert_int_equal(lw_simulated_disk_create(at, &driver.disk), LW_OK);
    assert_int_equal(lw_simulated_disk_fault(driver.disk, &fault), LW_OK);
    drive(&driver);
    settle(&driver);
    reached = lw_simulated_disk_calls(driver.disk, LW_DISK_ANY) >= at;
    check_equal(&driver, whole);
    lw_simulated_disk_mend(driver.disk);
    power_back(&driver);
    life_begin(&driver);
    settle(&driver);
    check_equal(&driver, whole);
    check_history(&driver);
    for (int i = 0; n_calls != NULL && i < LW_DISK_N_CALLS; i++) {
        n_calls[i] = lw_simulated_disk_calls(driver.disk, (enum lw_disk_call)i);
    }
    engine_drop(driver.self);
    lw_simulated_disk_destroy(driver.disk);
    return reached;
}

/* ---- tests ---- */

static void sweep(enum lw_disk_fault_kind kind)
{
    struct lw_test_engine *whole = undisturbed();
    uint64_t at = 0;

    while (run_one(whole, kind, at + 1, NULL)) {
        at++;
    }
    print_message("%s: %llu points, at each call from the first to the last\n", KINDS[kind],
                  (unsigned long long)at);
    assert_true(at > 100);
    engine_drop(whole);
}

static void test_disk__calls_of_every_kind_are_made(void **state)
{
    static const char *const NAMES[] = {"all",    "open",     "close",    "read", "write",
                                        "sync",   "flush",    "truncate", "size", "rename",
                                        "unlink", "make_dir", "sync_dir", "list", "space"};
    struct lw_test_engine *whole = undisturbed();
    uint64_t n_calls[LW_DISK_N_CALLS];

    (void)state;
    assert_false(run_one(whole, LW_DISK_EIO, 1000000, n_calls));
    for (int i = 0; i < LW_DISK_N_CALLS; i++) {
        print_message("%s %llu%s", NAMES[i], (unsigned long long)n_calls[i],
                      i + 1 < LW_DISK_N_CALLS ? ", " : "\n");
    }
    assert_true(n_calls[LW_DISK_READ] > 0 && n_calls[LW_DISK_WRITE] > 0);
    assert_true(n_calls[LW_DISK_SYNC] > 0 && n_calls[LW_DISK_RENAME] > 0);
    assert_true(n_calls[LW_DISK_UNLINK] > 0 && n_calls[LW_DISK_SYNC_DIR] > 0);
    engine_drop(whole);
}

static void test_disk__eio_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_EIO);
}

static void test_disk__enospc_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_ENOSPC);
}

static void test_disk__eintr_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_EINTR);
}

static void test_disk__short_reads_and_writes_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_SHORT);
}

static void test_disk__torn_writes_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_TORN);
}

static void test_disk__power_cuts_anywhere(void **state)
{
    (void)state;
    sweep(LW_DISK_POWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk__calls_of_every_kind_are_made),
        cmocka_unit_test(test_disk__eio_anywhere),
        cmocka_unit_test(test_disk__enospc_anywhere),
        cmocka_unit_test(test_disk__eintr_anywhere),
        cmocka_unit_test(test_disk__short_reads_and_writes_anywhere),
        cmocka_unit_test(test_disk__torn_writes_anywhere),
        cmocka_unit_test(test_disk__power_cuts_anywhere),
    };

    return LW_TEST_RUN(tests);
}
