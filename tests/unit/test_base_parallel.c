/* Each job is done once, whatever the number of threads. */
#include "base/parallel.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define N_JOBS 1000u

struct tally {
    atomic_uint done[N_JOBS];
    atomic_uint n_others; /* Jobs done by another thread than the caller. */
    pthread_t caller;
};

static void count(void *context, size_t i)
{
    struct tally *tally = context;

    atomic_fetch_add(&tally->done[i], 1);
    if (!pthread_equal(pthread_self(), tally->caller)) {
        atomic_fetch_add(&tally->n_others, 1);
    }
}

static void test_parallel__does_each_job_once(void **state)
{
    static const size_t jobs[] = {0, 1, 2, 7, N_JOBS}, threads[] = {0, 1, 2, 5, 64, 1000};
    static struct tally tally;

    (void)state;
    for (size_t j = 0; j < sizeof(jobs) / sizeof(jobs[0]); j++) {
        for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
            memset(&tally, 0, sizeof(tally));
            tally.caller = pthread_self();
            lw_parallel(jobs[j], threads[t], count, &tally);
            for (size_t i = 0; i < N_JOBS; i++) {
                assert_int_equal(tally.done[i], i < jobs[j]);
            }
            assert_true(threads[t] > 1 || tally.n_others == 0);
        }
    }
}

struct meeting {
    pthread_barrier_t barrier;
};

static void meet(void *context, size_t i)
{
    struct meeting *meeting = context;

    (void)i;
    (void)pthread_barrier_wait(&meeting->barrier);
}

/* Jobs that wait for each other end only where they run at the same time. */
static void test_parallel__runs_as_many_at_once_as_there_are_threads(void **state)
{
    struct meeting meeting;

    (void)state;
    assert_int_equal(pthread_barrier_init(&meeting.barrier, NULL, 4), 0);
    lw_parallel(4, 4, meet, &meeting);
    lw_parallel(8, 4, meet, &meeting);
    (void)pthread_barrier_destroy(&meeting.barrier);
}

static void test_parallel__knows_a_processor(void **state)
{
    (void)state;
    assert_true(lw_parallel_processors() >= 1 && lw_parallel_processors() < 100000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel__does_each_job_once),
        cmocka_unit_test(test_parallel__runs_as_many_at_once_as_there_are_threads),
        cmocka_unit_test(test_parallel__knows_a_processor),
    };
    return LW_TEST_RUN(tests);
}
