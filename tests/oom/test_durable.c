/*
 * Journal, snapshots, history, recovery, verifying and repairing, with each allocation failing in
 * turn: the call says so, nothing is leaked, the same call works afterwards, and in the end all
 * stands where it stands undisturbed.
 */
#define _XOPEN_SOURCE 700
#include "support/engine.h"
#include "support/oom.h"

#include "engine/advance.h"
#include "engine/state/archive.h"
#include "lapwing/state.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS 40
#define ENTITIES 3

static const char *const OPTIONS[] = {"step", "10s", "models", "none", "alarm_budget", "1h", NULL};

static char folder[64], dir[96], savepoint[96];
static struct lw_test_engine *self; /* The one under test; NULL: none. */
static int64_t n_steps;             /* That were pushed to it. */

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)flag;
    (void)place;
    return remove(path);
}

static void folder_make(void)
{
    /* Hundreds of lives sync to it: in memory where that can be. */
    (void)snprintf(folder, sizeof(folder), "%s/lapwing-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(dir, sizeof(dir), "%s/state", folder);
    (void)snprintf(savepoint, sizeof(savepoint), "%s/savepoint", folder);
}

static void folder_drop(void)
{
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- engines ---- */

static int64_t real_ns(void *context)
{
    (void)context;
    return 1000 * LW_TEST_SECOND;
}

static struct lw_test_engine *engine_new(void)
{
    struct lw_test_engine *made = calloc(1, sizeof(*made));
    const struct lw_engine_config engine = {.n_shards = 2};

    (void)pthread_mutex_init(&made->lock, NULL);
    assert_int_equal(lw_engine_create(&engine, &made->engine, NULL), LW_OK);
    lw_test_engine_detector(made, "one", OPTIONS);
    return made;
}

static void engine_drop(struct lw_test_engine **engine)
{
    if (*engine != NULL) {
        lw_test_engine_close(*engine);
        free(*engine);
    }
    *engine = NULL;
}

static enum lw_status state_open(void)
{
    const struct lw_state_config config = {.dir = dir, .manual = true, .real_ns = real_ns};

    return lw_engine_open_state(self->engine, &config, NULL, NULL);
}

static enum lw_status push_step(struct lw_test_engine *engine, int64_t step)
{
    struct lw_point points[ENTITIES];
    enum lw_status status = LW_OK;

    for (uint32_t e = 0; status == LW_OK && e < ENTITIES; e++) {
        char name[24];
        const struct lw_label label = {"instance", name};
        const struct lw_series_key key = {"load", &label, 1};

        (void)snprintf(name, sizeof(name), "e%u", e);
        points[e] = (struct lw_point){.time_ns = step * 10 * LW_TEST_SECOND,
                                      .value = lw_test_value(e, step)};
        status = engine->feed.series(engine->feed.context, &key, &points[e].series, NULL);
    }
    if (status == LW_OK) {
        status = engine->feed.push(engine->feed.context, points, ENTITIES);
    }
    return status == LW_OK
               ? engine->feed.watermark(engine->feed.context, step * 10 * LW_TEST_SECOND)
               : status;
}

static void push_steps(int64_t until)
{
    for (; n_steps < until; n_steps++) {
        assert_int_equal(push_step(self, n_steps), LW_OK);
    }
    lw_engine_flush(self->engine);
}

static void sync_good(void)
{
    assert_int_equal(lw_engine_sync(self->engine, NULL), LW_OK);
}

/* An engine in the midst of its work: a snapshot, history, and a journal behind them. */
static void life_begin(void)
{
    folder_make();
    self = engine_new();
    n_steps = 0;
    assert_int_equal(state_open(), LW_OK);
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, NULL), LW_OK);
    push_steps(STEPS / 2);
    sync_good();
    assert_int_equal(lw_engine_checkpoint(self->engine, NULL), LW_OK);
    assert_int_equal(lw_archive_turn(self->engine->durable->archive, true, NULL), LW_OK);
    push_steps(STEPS);
}

/* What is on the disk stands where an engine stands that nobody disturbed. */
static void check_stands(void)
{
    struct lw_test_engine *whole = engine_new();

    engine_drop(&self);
    self = engine_new();
    assert_int_equal(state_open(), LW_OK);
    assert_int_equal(lw_engine_feed(whole->engine, "test", &whole->feed, NULL), LW_OK);
    for (int64_t step = 0; step < n_steps; step++) {
        assert_int_equal(push_step(whole, step), LW_OK);
    }
    lw_engine_flush(whole->engine);
    assert_int_equal(whole->engine->n_entities, ENTITIES);
    for (size_t i = 0; i < ENTITIES; i++) {
        struct engine_entity *left = whole->engine->entities[i], *right;
        void *bytes[2] = {NULL, NULL};
        size_t n[2];

        right = lw_registry_find(self->engine, "one", lw_entity_name(left->entity));
        assert_non_null(right);
        lw_shard_catch_up(left);
        lw_shard_catch_up(right);
        assert_int_equal(lw_entity_save(left->entity, &bytes[0], &n[0], NULL), LW_OK);
        assert_int_equal(lw_entity_save(right->entity, &bytes[1], &n[1], NULL), LW_OK);
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(bytes[0], bytes[1], n[0]);
        lw_bytes_free(bytes[0]);
        lw_bytes_free(bytes[1]);
    }
    engine_drop(&whole);
}

static void life_end(void)
{
    engine_drop(&self);
    folder_drop();
}

/* ---- the sweep ---- */

struct operation {
    const char *name;
    void (*prepare)(void); /* NULL: nothing. */
    enum lw_status (*run)(void);
    bool tidies; /* Its last part is tidying, which may fail unsaid. */
};

static void sweep(const struct operation *operation)
{
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        int64_t live = lw_test_mem_live();
        enum lw_status status;

        life_begin();
        if (operation->prepare != NULL) {
            operation->prepare();
        }
        lw_test_mem_fail_at(n);
        status = operation->run();
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        if (failed && status != LW_ENOMEM && !(operation->tidies && status == LW_OK)) {
            fail_msg("%s answers %d when allocation %llu fails", operation->name, (int)status,
                     (unsigned long long)n);
        }
        if (operation->run() != LW_OK) {
            fail_msg("%s does not work after allocation %llu failed", operation->name,
                     (unsigned long long)n);
        }
        if (self != NULL && self->engine->durable != NULL &&
            self->engine->durable->journal != NULL) {
            sync_good();
        }
        check_stands();
        life_end();
        if (lw_test_mem_live() != live) {
            fail_msg("%s leaves %lld blocks when allocation %llu fails", operation->name,
                     (long long)(lw_test_mem_live() - live), (unsigned long long)n);
        }
        if (!failed) {
            printf("%s: %llu points\n", operation->name, (unsigned long long)(n - 1));
            assert_true(n > 1);
        }
    }
}

/* ---- what is swept ---- */

static void close_engine(void)
{
    sync_good();
    engine_drop(&self);
}

static enum lw_status open_again(void)
{
    engine_drop(&self);
    self = NULL;
    lw_test_mem_fail_at(0); /* Making an engine is swept elsewhere. */
    self = engine_new();
    return state_open();
}

static void test_durable__recovery(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        int64_t live = lw_test_mem_live();
        enum lw_status status;

        life_begin();
        close_engine();
        self = engine_new();
        lw_test_mem_fail_at(n);
        status = state_open();
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        if (failed ? status != LW_ENOMEM : status != LW_OK) {
            fail_msg("recovery answers %d when allocation %llu fails", (int)status,
                     (unsigned long long)n);
        }
        assert_int_equal(open_again(), LW_OK);
        check_stands();
        life_end();
        assert_int_equal(lw_test_mem_live(), live);
        if (!failed) {
            printf("recovery: %llu points\n", (unsigned long long)(n - 1));
            assert_true(n > 20);
        }
    }
}

static enum lw_status checkpoint_run(void)
{
    return lw_engine_checkpoint(self->engine, NULL);
}

static void test_durable__snapshots(void **state)
{
    (void)state;
    sweep(&(struct operation){"snapshot", sync_good, checkpoint_run, true});
}

static enum lw_status archive_run(void)
{
    return lw_archive_turn(self->engine->durable->archive, true, NULL);
}

static void test_durable__history(void **state)
{
    (void)state;
    sweep(&(struct operation){"history", sync_good, archive_run, false});
}

static enum lw_status verify_run(void)
{
    const struct lw_state_folder state = {.dir = dir};
    struct lw_state_check check;
    enum lw_status status = lw_state_verify(&state, &check, NULL);

    if (status == LW_OK) {
        assert_int_equal(check.damaged, 0);
        assert_true(check.opens);
    }
    return status;
}

static void test_durable__verifying(void **state)
{
    (void)state;
    sweep(&(struct operation){"verify", close_engine, verify_run, false});
}

static char first_segment[PATH_MAX];

static int find_segment(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)place;
    if (flag == FTW_F && strstr(path, "/journal/") != NULL && first_segment[0] == '\0') {
        (void)snprintf(first_segment, sizeof(first_segment), "%s", path);
    }
    return 0;
}

/* A byte before the snapshot is damaged: nothing is lost by it, and the journal is written anew. */
static void damage_journal(void)
{
    char byte;
    int fd;

    close_engine();
    first_segment[0] = '\0';
    assert_int_equal(nftw(dir, find_segment, 16, FTW_PHYS), 0);
    fd = open(first_segment, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 60), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 60), 1);
    (void)close(fd);
}

static enum lw_status repair_run(void)
{
    const struct lw_state_folder state = {.dir = dir};
    struct lw_state_check check;
    enum lw_status status = lw_state_repair(&state, &check, NULL);

    if (status == LW_OK) {
        assert_int_equal(check.lost_first, 0);
        assert_true(check.opens);
    }
    return status;
}

static void test_durable__repairing(void **state)
{
    (void)state;
    sweep(&(struct operation){"repair", damage_journal, repair_run, false});
}

static enum lw_status savepoint_run(void)
{
    struct lw_savepoint_info info;
    enum lw_status status = lw_engine_save(self->engine, savepoint, NULL);

    status = status == LW_OK ? lw_savepoint_check(savepoint, &info, NULL) : status;
    if (status == LW_OK) {
        assert_int_equal(info.entities, ENTITIES);
    }
    return status;
}

static void test_durable__savepoints(void **state)
{
    (void)state;
    sweep(&(struct operation){"savepoint", NULL, savepoint_run, false});
}

static enum lw_status step_run(void)
{
    enum lw_status status = push_step(self, n_steps);

    n_steps += status == LW_OK ? 1 : 0;
    lw_engine_flush(self->engine);
    return status;
}

/* The first step of an engine: names of feed and series are journaled with it. */
static void begin_anew(void)
{
    engine_drop(&self);
    folder_drop();
    folder_make();
    self = engine_new();
    n_steps = 0;
    assert_int_equal(state_open(), LW_OK);
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, NULL), LW_OK);
}

static void test_durable__first_steps(void **state)
{
    (void)state;
    sweep(&(struct operation){"first step", begin_anew, step_run, false});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durable__recovery),    cmocka_unit_test(test_durable__snapshots),
        cmocka_unit_test(test_durable__history),     cmocka_unit_test(test_durable__verifying),
        cmocka_unit_test(test_durable__repairing),   cmocka_unit_test(test_durable__savepoints),
        cmocka_unit_test(test_durable__first_steps),
    };

    return LW_TEST_RUN(tests);
}
