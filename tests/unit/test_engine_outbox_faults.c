/* The outbox between threads, on a disk that refuses for a while, and without memory. */
#define _GNU_SOURCE
#include "support/mem_faulty.h"
#include "support/outbox.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static void *wait_for_event(void *argument)
{
    const struct lw_outbox_request request = {
        .sink = "a", .timeout_ns = 20 * SECOND, .capacity = 1};
    static struct lw_outbox_event event;
    size_t n = 77;

    if (lw_outbox_take(argument, &request, &event, &n, NULL) != LW_OK) {
        n = 99;
    }
    return (void *)(uintptr_t)n;
}

/* The outbox on the system's clocks. */
static struct lw_outbox *open_ticking(size_t queue_bytes)
{
    const struct lw_outbox_config config = {.folder = folder, .queue_bytes = queue_bytes};
    struct lw_outbox *outbox = NULL;

    assert_int_equal(lw_outbox_create(&config, &outbox, NULL), LW_OK);
    return outbox;
}

static void test_outbox__a_wait_ends_by_an_event_or_a_call(void **state)
{
    struct lw_outbox *outbox = open_ticking(0);
    pthread_t thread;
    void *n;
    int64_t start_ns = lw_clock_monotonic_ns();

    (void)state;
    open_sink(outbox, "a");
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, outbox), 0);
    (void)usleep(20000);
    opened(outbox, 1);
    (void)pthread_join(thread, &n);
    assert_int_equal((uintptr_t)n, 1);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, outbox), 0);
    lw_outbox_wake(outbox, "a");
    (void)pthread_join(thread, &n);
    assert_int_equal((uintptr_t)n, 0);
    assert_true(lw_clock_monotonic_ns() - start_ns < 15 * SECOND);
    lw_outbox_destroy(outbox);
}

#define PER_THREAD 500
struct recorder {
    struct lw_outbox *outbox;
    uint64_t first;
};

static void *record_many(void *argument)
{
    const struct recorder *recorder = argument;

    for (uint64_t i = 0; i < PER_THREAD; i++) {
        opened(recorder->outbox, recorder->first + i);
        closed(recorder->outbox, recorder->first + i);
    }
    return NULL;
}

static void test_outbox__a_full_queue_makes_shards_wait_and_loses_nothing(void **state)
{
    struct lw_outbox *outbox = open_ticking(1000); /* Three events or so. */
    struct recorder recorders[4];
    pthread_t threads[4];
    unsigned seen[4 * PER_THREAD][2] = {{0}};
    size_t n = 0;

    (void)state;
    open_sink(outbox, "a");
    for (size_t i = 0; i < 4; i++) {
        recorders[i] = (struct recorder){.outbox = outbox, .first = i * PER_THREAD};
        assert_int_equal(pthread_create(&threads[i], NULL, record_many, &recorders[i]), 0);
    }
    while (n < (size_t)8 * PER_THREAD) {
        const struct lw_outbox_request request = {
            .sink = "a", .timeout_ns = 20 * SECOND, .capacity = 64};

        assert_int_equal(lw_outbox_take(outbox, &request, taken, &n_taken, NULL), LW_OK);
        assert_true(n_taken > 0);
        for (size_t i = 0; i < n_taken; i++) {
            const struct lw_anomaly *anomaly = &taken[i].anomaly.anomaly;
            bool end = anomaly->phase == LW_ANOMALY_CLOSED;

            assert_true(!end || seen[anomaly->id][0] == 1);
            seen[anomaly->id][end]++;
        }
        n += n_taken;
        report(outbox, "a", LW_OUTBOX_DELIVERED);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (size_t id = 0; id < (size_t)4 * PER_THREAD; id++) {
        assert_int_equal(seen[id][0], 1);
        assert_int_equal(seen[id][1], 1);
    }
    assert_int_equal(sink_view(outbox, "a").pending, 0);
    lw_outbox_destroy(outbox);
}

/* ---- a disk that refuses ---- */

static void check_degrades_and_recovers(struct lw_outbox *outbox, uint64_t first, uint64_t last)
{
    struct lw_error error = {0};
    int64_t until_ns;

    assert_true(lw_outbox_degraded(outbox));
    assert_int_equal(lw_outbox_sync(outbox, &error), LW_EIO);
    assert_int_not_equal(strlen(error.message), 0);
    until_ns = lw_clock_monotonic_ns() + 30 * SECOND;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);
    while (lw_outbox_sync(outbox, NULL) != LW_OK && lw_clock_monotonic_ns() < until_ns) {
        (void)usleep(20000);
    }
    assert_false(lw_outbox_degraded(outbox));
    for (uint64_t id = first; id <= last; id++) { /* All are there, in order, each once. */
        assert_int_equal(lw_outbox_take(outbox,
                                        &(struct lw_outbox_request){.sink = "a", .capacity = 1},
                                        taken, &n_taken, NULL),
                         LW_OK);
        assert_int_equal(n_taken, 1);
        assert_int_equal(taken[0].anomaly.anomaly.id, id);
        report(outbox, "a", LW_OUTBOX_DELIVERED);
    }
    assert_int_equal(sink_view(outbox, "a").pending, 0);
}

static void test_outbox__loses_nothing_when_the_disk_is_full_for_a_while(void **state)
{
    struct lw_outbox *outbox = open_ticking(0);
    uint64_t id = 1;
    int64_t until_ns = lw_clock_monotonic_ns() + 30 * SECOND;

    (void)state;
    open_sink(outbox, "a");
    opened(outbox, id++);
    sync_outbox(outbox);
    assert_int_equal(lw_outbox_take(outbox, &(struct lw_outbox_request){.sink = "a", .capacity = 1},
                                    taken, &n_taken, NULL),
                     LW_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){65536, RLIM_INFINITY}), 0);
    while (!lw_outbox_degraded(outbox) && lw_clock_monotonic_ns() < until_ns) {
        opened(outbox, id++);
        (void)usleep(100);
    }
    for (int i = 0; i < 100; i++) { /* Shards go on meanwhile. */
        opened(outbox, id++);
    }
    report(outbox, "a", LW_OUTBOX_DELIVERED); /* Delivered, though it cannot be written down. */
    assert_int_equal(sink_view(outbox, "a").delivered, 1);
    check_degrades_and_recovers(outbox, 2, id - 1);
    lw_outbox_destroy(outbox);
    outbox = open_ticking(0);
    open_sink(outbox, "a");
    assert_int_equal(sink_view(outbox, "a").pending, 0); /* The late write was made up for. */
    lw_outbox_destroy(outbox);
}

static void test_outbox__answers_when_there_is_no_memory(void **state)
{
    int64_t live = lw_test_mem_live();
    bool failed = true;

    (void)state;
    for (uint64_t i = 1; failed; i++) {
        const struct lw_outbox_config config = {
            .real_ns = test_now_ns, .monotonic_ns = test_now_ns, .seed = 7};
        struct lw_outbox_options options = {0};
        struct lw_outbox *outbox = NULL;
        enum lw_status status;

        lw_test_mem_fail_at(i);
        status = lw_outbox_create(&config, &outbox, NULL);
        if (status == LW_OK) {
            status = lw_outbox_open_sink(outbox, "a", &options, NULL);
        }
        if (status == LW_OK) {
            opened(outbox, 1);
            while (lw_outbox_sync(outbox, NULL) != LW_OK) {
            }
            status = lw_outbox_take(outbox, &(struct lw_outbox_request){.sink = "a", .capacity = 1},
                                    taken, &n_taken, NULL);
        }
        if (status == LW_OK) {
            assert_int_equal(n_taken, 1);
            report(outbox, "a", LW_OUTBOX_REFUSED);
        } else {
            assert_int_equal(status, LW_ENOMEM);
        }
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        lw_outbox_destroy(outbox);
        assert_int_equal(lw_test_mem_live(), live);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outbox__a_wait_ends_by_an_event_or_a_call, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(
            test_outbox__a_full_queue_makes_shards_wait_and_loses_nothing, make_folder,
            drop_folder),
        cmocka_unit_test_setup_teardown(
            test_outbox__loses_nothing_when_the_disk_is_full_for_a_while, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__answers_when_there_is_no_memory, make_folder,
                                        drop_folder),
    };

    (void)signal(SIGXFSZ, SIG_IGN);
    return LW_TEST_RUN(tests);
}
