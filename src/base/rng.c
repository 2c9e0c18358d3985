/* xoshiro256** seeded by SplitMix64: see base/rng.h. */
#include "base/rng.h"

uint64_t lw_rng_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void lw_rng_seed(struct lw_rng *rng, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        rng->word[i] = lw_rng_mix(seed + i * 0x9E3779B97F4A7C15u);
    }
}

static uint64_t rng_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t lw_rng_next(struct lw_rng *rng)
{
    uint64_t *w = rng->word;
    uint64_t result = rng_rotate(w[1] * 5, 7) * 9;
    uint64_t t = w[1] << 17;

    w[2] ^= w[0];
    w[3] ^= w[1];
    w[1] ^= w[2];
    w[0] ^= w[3];
    w[2] ^= t;
    w[3] = rng_rotate(w[3], 45);
    return result;
}

double lw_rng_double(struct lw_rng *rng)
{
    return (double)(lw_rng_next(rng) >> 11) * 0x1.0p-53;
}

uint64_t lw_rng_below(struct lw_rng *rng, uint64_t n)
{
    uint64_t reject_below = (0 - n) % n; /* 2^64 mod n: numbers below it would be drawn once too
                                            often. */
    uint64_t x = lw_rng_next(rng);

    while (x < reject_below) {
        x = lw_rng_next(rng);
    }
    return x % n;
}
