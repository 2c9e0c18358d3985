/* base/hash: fixed values, and that each bit of input reaches every bit of output. */
#include "support/test.h"

#include "base/hash.h"
#include "base/rng.h"

#include <string.h>

/* Formats and routes rest on these: they may never change. */
static void test_hash__gives_the_same_numbers_for_ever(void **state)
{
    static const char text[] = "the lapwing sees the fox first and wakes the whole marsh";

    (void)state;
    assert_true(lw_hash_bytes(NULL, 0, 0) == 0xA087E2742167A1B3u);
    assert_true(lw_hash_bytes("a", 1, 0) == 0x8FEFF2F0B0D3B9CCu);
    assert_true(lw_hash_bytes(text, sizeof(text) - 1, 7) == 0x94A0848C7F922940u);
}

static void test_hash__tells_padding_from_zeros(void **state)
{
    static const char zeros[64] = {0};

    (void)state;
    for (size_t a = 0; a <= sizeof(zeros); a++) {
        for (size_t b = 0; b < a; b++) {
            assert_true(lw_hash_bytes(zeros, a, 0) != lw_hash_bytes(zeros, b, 0));
        }
    }
}

/* Flips each input bit of random keys; each output bit must flip in about half the trials (5 sigma:
 * 0.5 +- 0.04). */
static void test_hash__avalanches(void **state)
{
    enum { KEYS = 4000, KEY_BYTES = 23 };
    static int flips[KEY_BYTES * 8][64];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (int k = 0; k < KEYS; k++) {
        uint8_t key[KEY_BYTES];
        uint64_t hash;

        for (size_t i = 0; i < KEY_BYTES; i++) {
            key[i] = (uint8_t)lw_rng_next(&rng);
        }
        hash = lw_hash_bytes(key, KEY_BYTES, 0);
        for (size_t bit = 0; bit < sizeof(key) * 8; bit++) {
            uint64_t changed;

            key[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            changed = hash ^ lw_hash_bytes(key, KEY_BYTES, 0);
            key[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            for (int out = 0; out < 64; out++) {
                flips[bit][out] += (int)(changed >> out & 1);
            }
        }
    }
    for (size_t bit = 0; bit < (size_t)KEY_BYTES * 8; bit++) {
        for (int out = 0; out < 64; out++) {
            assert_in_range(flips[bit][out], KEYS * 46 / 100, KEYS * 54 / 100);
        }
    }
}

/* 100,000 names like real series: no two share 64 bits, and the upper 32 share about n^2 / 2^33
 * = 1.2 pairs. */
static void test_hash__spreads_series_names(void **state)
{
    enum { N = 100000, BUCKETS = 1024 };
    static int buckets[BUCKETS];

    (void)state;
    for (int i = 0; i < N; i++) {
        char name[64];
        int length = snprintf(name, sizeof(name),
                              "node_cpu_seconds_total{cpu=\"%d\",instance=\"10.0.%d.%d\"}", i % 16,
                              i / 4096, i / 16 % 256);

        buckets[lw_hash_bytes(name, (size_t)length, 0) >> 54]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
        assert_in_range(buckets[i], 97 - 60, 97 + 60);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash__gives_the_same_numbers_for_ever),
        cmocka_unit_test(test_hash__tells_padding_from_zeros),
        cmocka_unit_test(test_hash__avalanches),
        cmocka_unit_test(test_hash__spreads_series_names),
    };
    return LW_TEST_RUN(tests);
}
