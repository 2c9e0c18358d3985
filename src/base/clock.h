/*
 * The only door to the clocks. Hosts read them here and pass the time on; operator code never does.
 */
#ifndef LW_BASE_CLOCK_H
#define LW_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since 1970-01-01 UTC; may jump. */
int64_t lw_clock_real_ns(void);
/* Nanoseconds since some moment; never goes back. For durations and time-outs. */
int64_t lw_clock_monotonic_ns(void);
/* Processor time of this process, all its threads together. */
int64_t lw_clock_cpu_ns(void);
/* Processor time of the calling thread. */
int64_t lw_clock_thread_ns(void);

#endif
