/* The clocks: see base/clock.h. */
#include "base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t clock)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(clock, &now); /* Cannot fail for the clocks named below. */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t lw_clock_real_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t lw_clock_monotonic_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t lw_clock_cpu_ns(void)
{
    return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t lw_clock_thread_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}
