/*
 * The seeded stream of random numbers: xoshiro256** of Blackman and Vigna ("Scrambled Linear
 * Pseudorandom Number Generators", ACM TOMS 2021), filled from the seed by SplitMix64 (Steele, Lea
 * and Flood, OOPSLA 2014). The same seed gives the same numbers on every machine.
 */
#ifndef LW_BASE_RNG_H
#define LW_BASE_RNG_H

#include <stdint.h>

struct lw_rng {
    uint64_t word[4];
};

void lw_rng_seed(struct lw_rng *rng, uint64_t seed);
uint64_t lw_rng_next(struct lw_rng *rng);
/* Uniform in [0, 1): 53 random bits. */
double lw_rng_double(struct lw_rng *rng);
/* Uniform in [0, n), n > 0, without bias. */
uint64_t lw_rng_below(struct lw_rng *rng, uint64_t n);
/* One step of SplitMix64 from x: a good hash of 64 bits to 64 bits. */
uint64_t lw_rng_mix(uint64_t x);

#endif
