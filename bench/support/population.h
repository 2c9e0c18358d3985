/*
 * A population of series for the benches: the real series of tests/data/series, replicated over
 * names, each from a row of its own on, one sample a minute.
 */
#ifndef LW_BENCH_SUPPORT_POPULATION_H
#define LW_BENCH_SUPPORT_POPULATION_H

#include "../../tests/support/series.h"

#define LW_POPULATION_SOURCES 8u
#define LW_POPULATION_STEP_NS (60 * INT64_C(1000000000))
#define LW_POPULATION_START_NS (INT64_C(1767225600) * 1000000000) /* 2026-01-01 */

struct lw_population {
    struct lw_test_series *sources[LW_POPULATION_SOURCES];
};

static inline struct lw_population lw_population_read(void)
{
    static const char *const names[LW_POPULATION_SOURCES] = {
        "nab_ec2_cpu_c6585a_2000.csv", "nab_elb_request_count_8c0756.csv", "nab_iio_network_in.csv",
        "nab_nyc_taxi_2000.csv",       "mscloud_ingress_02_excerpt.csv",   "mscloud_app1_04.csv",
        "mscloud_purchase_02.csv",     "mscloud_outbound_23.csv"};
    struct lw_population population;

    for (size_t i = 0; i < LW_POPULATION_SOURCES; i++) {
        population.sources[i] = lw_test_series_read(names[i]);
    }
    return population;
}

static inline void lw_population_free(struct lw_population *population)
{
    for (size_t i = 0; i < LW_POPULATION_SOURCES; i++) {
        free(population->sources[i]);
    }
}

static inline int64_t lw_population_time(size_t row)
{
    return LW_POPULATION_START_NS + (int64_t)row * LW_POPULATION_STEP_NS;
}

/* Row `row` of series `number`. */
static inline double lw_population_value(const struct lw_population *population, size_t number,
                                         size_t row)
{
    const struct lw_test_series *source = population->sources[number % LW_POPULATION_SOURCES];

    return source->values[(number * 37 + row) % source->n];
}

#endif
