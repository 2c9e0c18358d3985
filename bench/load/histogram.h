/*
 * A histogram of times after Gil Tene's HdrHistogram: buckets of equal width within each power of
 * two, so that any value from 1 ns to hours keeps three digits.
 */
#ifndef LW_BENCH_LOAD_HISTOGRAM_H
#define LW_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 10u
#define HISTOGRAM_BUCKETS ((64u - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t n, sum_ns, max_ns;
    uint32_t counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned shift = 0;

    if (value >= (UINT64_C(1) << (HISTOGRAM_SUB_BITS + 1))) {
        shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    }
    return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

/* The largest value of a bucket. */
static inline uint64_t histogram_value(unsigned bucket)
{
    unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
    unsigned rest = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);

    if (shift == 0) {
        return bucket;
    }
    shift -= 1;
    return (((uint64_t)rest + (UINT64_C(1) << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *histogram, int64_t value_ns)
{
    uint64_t value = value_ns < 0 ? 0 : (uint64_t)value_ns;

    histogram->counts[histogram_bucket(value)]++;
    histogram->n++;
    histogram->sum_ns += value;
    histogram->max_ns = value > histogram->max_ns ? value : histogram->max_ns;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->n += from->n;
    into->sum_ns += from->sum_ns;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
}

/* The value that a share of all are at most. */
static inline double histogram_ms(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->n + 0.5), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0) {
            return (double)histogram_value(i) / 1e6;
        }
    }
    return 0.0;
}

#endif
