/* An engine's anomalies on their way to sinks, over restarts that know the detector and one that
 * does not. */
#define _GNU_SOURCE
#include "lapwing/state.h"
#include "support/engine.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SINK "pager"

static const char *const SILENT[] = {"step", "10s", "silent_after", "2m", NULL};

/* Which takes nothing of what the journal holds. */
static const char *const ELSEWHERE[] = {"step", "10s", "match", "disk_*", NULL};

static struct lw_test_engine *engine;
static char folder[64], keyed[80], state_dir[80];
static struct lw_outbox_event events[8];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int open_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/lapwing-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(keyed, sizeof(keyed), "%s/keyed", folder);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
    engine = calloc(1, sizeof(*engine));
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    free(engine);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_sink(int64_t resend_ns)
{
    const struct lw_outbox_options options = {.resend_ns = resend_ns};
    const char *const names[] = {SINK};

    assert_int_equal(lw_engine_open_sink(engine->engine, SINK, &options, NULL), LW_OK);
    assert_int_equal(lw_engine_keep_sinks(engine->engine, names, 1, NULL), LW_OK);
}

/* Takes one event and delivers it; 0 when none comes. */
static size_t tell_one(int64_t timeout_ns)
{
    const struct lw_outbox_request request = {
        .sink = SINK, .timeout_ns = timeout_ns, .capacity = 1};
    struct lw_outbox_result result = {.answer = LW_OUTBOX_DELIVERED};
    size_t n = 77;

    assert_int_equal(lw_engine_take_events(engine->engine, &request, events, &n, NULL), LW_OK);
    result.key = events[0].key;
    if (n == 1) {
        assert_int_equal(lw_engine_report_events(engine->engine, SINK, &result, 1, NULL), LW_OK);
    }
    return n;
}

/* Ten minutes of readings, then silence: an anomaly opens. */
static void fall_silent(void)
{
    uint32_t series = lw_test_feed_series(&engine->feed, "cpu", "a");

    for (int64_t t = 0; t < 600; t += 10) {
        lw_test_feed_push(&engine->feed, series, t, 1.0 + (double)(t % 30));
        lw_test_feed_watermark(&engine->feed, t);
    }
    lw_test_feed_watermark(&engine->feed, 2000);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_open, 1);
}

static void test_engine_outbox__tells_what_opens_and_what_ends_with_its_detector(void **state)
{
    uint64_t id;

    (void)state;
    lw_test_engine_open(engine, (struct lw_engine_config){.n_shards = 2});
    assert_int_equal(
        lw_engine_open_sink(engine->engine, SINK, &(struct lw_outbox_options){0}, NULL),
        LW_ENOTFOUND);
    assert_int_equal(lw_engine_sinks(engine->engine, NULL, 0), 0);
    assert_int_equal(lw_engine_open_outbox(engine->engine, NULL, NULL), LW_OK);
    assert_int_equal(lw_engine_open_outbox(engine->engine, NULL, NULL), LW_EEXIST);
    open_sink(0);
    lw_test_engine_detector(engine, "d", SILENT);
    fall_silent();
    assert_int_equal(tell_one(10 * LW_TEST_SECOND), 1);
    assert_int_equal(events[0].anomaly.anomaly.phase, LW_ANOMALY_OPENED);
    assert_string_equal(events[0].anomaly.detector, "d");
    assert_string_equal(events[0].anomaly.entity, "a");
    assert_int_equal(events[0].anomaly.entity_number, 0); /* To link to. */
    id = events[0].anomaly.anomaly.id;
    assert_int_equal(lw_engine_remove_detector(engine->engine, "d", NULL), LW_OK);
    assert_int_equal(tell_one(10 * LW_TEST_SECOND), 1);
    assert_int_equal(events[0].anomaly.anomaly.phase, LW_ANOMALY_CLOSED);
    assert_true(events[0].anomaly.anomaly.id == id);
    assert_int_equal(events[0].anomaly.entity_number, UINT32_MAX); /* It is gone. */
    assert_int_equal(tell_one(0), 0);
    lw_test_engine_close(engine);
}

/* As a daemon begins: outbox, detectors, state, sinks. */
static void start(const char *detector, const char *const *options)
{
    const struct lw_state_config config = {.dir = state_dir, .manual = true};
    const struct lw_engine_config layout = {.n_shards = 1};
    struct lw_error error = {0};

    memset(engine, 0, sizeof(*engine));
    (void)pthread_mutex_init(&engine->lock, NULL);
    assert_int_equal(lw_engine_create(&layout, &engine->engine, NULL), LW_OK);
    assert_int_equal(lw_engine_open_outbox(engine->engine, keyed, NULL), LW_OK);
    lw_test_engine_detector(engine, detector, options);
    if (lw_engine_open_state(engine->engine, &config, NULL, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    open_sink(3600 * LW_TEST_SECOND);
    assert_int_equal(lw_engine_feed(engine->engine, "test", &engine->feed, NULL), LW_OK);
}

static void test_engine_outbox__tells_none_twice_after_a_restart(void **state)
{
    uint64_t id;

    (void)state;
    start("d", SILENT);
    fall_silent();
    assert_int_equal(tell_one(10 * LW_TEST_SECOND), 1);
    id = events[0].anomaly.anomaly.id;
    assert_int_equal(lw_engine_sync(engine->engine, NULL), LW_OK);
    lw_test_engine_close(engine); /* No snapshot: all comes again from the journal. */
    start("d", SILENT);
    assert_int_equal(lw_test_engine_totals(engine).anomalies_open, 1);
    assert_int_equal(tell_one(LW_TEST_SECOND / 5), 1);
    assert_true(events[0].resend); /* It is open; nothing else is told. */
    assert_true(events[0].anomaly.anomaly.id == id);
    assert_int_equal(tell_one(LW_TEST_SECOND / 5), 0);
    lw_test_engine_close(engine);
    start("other", ELSEWHERE); /* The detector is gone, and with it what was open. */
    assert_int_equal(tell_one(10 * LW_TEST_SECOND), 1);
    assert_int_equal(events[0].anomaly.anomaly.phase, LW_ANOMALY_CLOSED);
    assert_true(events[0].anomaly.anomaly.id == id);
    assert_int_equal(tell_one(LW_TEST_SECOND / 5), 0);
    lw_test_engine_close(engine);
}

static enum lw_status ready_wait(enum lw_status wanted)
{
    enum lw_status status = LW_OK;

    for (unsigned i = 0; i < 1500; i++) {
        status = engine->feed.ready(engine->feed.context, NULL);
        if (status == wanted) {
            break;
        }
        (void)usleep(20000);
    }
    return status;
}

/* Samples are refused while anomalies could not be kept, and taken again by itself. */
static void test_engine_outbox__refuses_samples_while_its_disk_is_full(void **state)
{
    struct rlimit before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    lw_test_engine_open(engine, (struct lw_engine_config){.n_shards = 1});
    assert_int_equal(lw_engine_open_outbox(engine->engine, keyed, NULL), LW_OK);
    open_sink(0);
    lw_test_engine_detector(engine, "d", SILENT);
    assert_int_equal(engine->feed.ready(engine->feed.context, NULL), LW_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1, before.rlim_max}), 0);
    fall_silent();
    assert_int_equal(ready_wait(LW_EIO), LW_EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(ready_wait(LW_OK), LW_OK);
    assert_int_equal(tell_one(10 * LW_TEST_SECOND), 1);
    assert_string_equal(events[0].anomaly.entity, "a");
    lw_test_engine_close(engine);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_engine_outbox__tells_what_opens_and_what_ends_with_its_detector, open_folder,
            drop_folder),
        cmocka_unit_test_setup_teardown(test_engine_outbox__tells_none_twice_after_a_restart,
                                        open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_engine_outbox__refuses_samples_while_its_disk_is_full,
                                        open_folder, drop_folder),
    };

    (void)signal(SIGXFSZ, SIG_IGN);
    return LW_TEST_RUN(tests);
}
