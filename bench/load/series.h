/*
 * The series of the benches' load: those of support/population.h as scraped metrics.
 *
 * Series i is metric i % 10 of host i / 10. Its samples lie a step apart, each at a moment of its
 * own within the step, so that a round, one sample of every series, is in time order over all of
 * them. bench/load/rig.py says the same in Python, for `lapwing replay`.
 */
#ifndef LW_BENCH_LOAD_SERIES_H
#define LW_BENCH_LOAD_SERIES_H

#include "../support/population.h"

#include <stdint.h>
#include <stdio.h>

#define SERIES_METRICS 10u /* Of a host. */

struct series_names {
    char metric[32], device[16], instance[32];
};

static inline void series_name_of(uint32_t series, struct series_names *ret_names)
{
    (void)snprintf(ret_names->metric, sizeof(ret_names->metric), "node_metric_%u",
                   series % SERIES_METRICS);
    (void)snprintf(ret_names->device, sizeof(ret_names->device), "device-%u", series % 7);
    (void)snprintf(ret_names->instance, sizeof(ret_names->instance), "host-%05u:9100",
                   series / SERIES_METRICS);
}

/* When a round has its sample of a series, steps being step_ms long. */
static inline int64_t series_time_ms(uint32_t series, uint32_t n_series, int64_t round,
                                     int64_t step_ms)
{
    return LW_POPULATION_START_NS / 1000000 + round * step_ms +
           (int64_t)((uint64_t)series * (uint64_t)step_ms / n_series);
}

/* Highest less lowest value of a series. */
static inline double series_range(const struct lw_population *population, uint32_t series)
{
    const struct lw_test_series *source = population->sources[series % LW_POPULATION_SOURCES];
    double low = source->values[0], high = low;

    for (size_t i = 1; i < source->n; i++) {
        low = source->values[i] < low ? source->values[i] : low;
        high = source->values[i] > high ? source->values[i] : high;
    }
    return high - low;
}

#endif
