/* base/clock: right epoch, never back, and processor time that is spent only by working. */
#include "support/test.h"

#include "base/clock.h"

#include <time.h>

static void test_clock__real_agrees_with_the_c_library(void **state)
{
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t now = lw_clock_real_ns() / 1000000000;

    (void)state;
    assert_true(now >= before && now <= (int64_t)time(NULL) + 1);
}

static void test_clock__monotonic_and_cpu_never_go_back(void **state)
{
    int64_t monotonic = lw_clock_monotonic_ns();
    int64_t cpu = lw_clock_cpu_ns();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t next_monotonic = lw_clock_monotonic_ns();
        int64_t next_cpu = lw_clock_cpu_ns();

        assert_true(next_monotonic >= monotonic && next_cpu >= cpu);
        monotonic = next_monotonic;
        cpu = next_cpu;
    }
}

static void test_clock__sleeping_costs_no_processor_time(void **state)
{
    struct timespec pause = {0, 50000000};
    int64_t began = lw_clock_monotonic_ns();
    int64_t cpu_began = lw_clock_cpu_ns();

    (void)state;
    assert_int_equal(nanosleep(&pause, NULL), 0);
    assert_true(lw_clock_monotonic_ns() - began >= 50000000);
    assert_true(lw_clock_cpu_ns() - cpu_began < 40000000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__real_agrees_with_the_c_library),
        cmocka_unit_test(test_clock__monotonic_and_cpu_never_go_back),
        cmocka_unit_test(test_clock__sleeping_costs_no_processor_time),
    };
    return LW_TEST_RUN(tests);
}
