/* base/rng: published reference values, and uniformity where the code is ours. */
#include "support/test.h"

#include "base/rng.h"

#include <math.h>

/* SplitMix64's published first outputs for seed 1234567. */
static void test_rng__mix_is_splitmix64(void **state)
{
    static const uint64_t published[] = {6457827717110365317u, 3203168211198807973u,
                                         9817491932198370423u, 4593380528125082431u,
                                         16408922859458223821u};
    uint64_t x = 1234567;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(lw_rng_mix(x) == published[i]);
        x += 0x9E3779B97F4A7C15u;
    }
}

/* xoshiro256** as its authors' own implementation gives it from the state 1, 2, 3, 4. */
static void test_rng__next_is_xoshiro256_starstar(void **state)
{
    static const uint64_t published[] = {11520u,
                                         0u,
                                         1509978240u,
                                         1215971899390074240u,
                                         1216172134540287360u,
                                         607988272756665600u,
                                         16172922978634559625u,
                                         8476171486693032832u,
                                         10595114339597558777u,
                                         2904607092377533576u};
    struct lw_rng rng = {{1, 2, 3, 4}};

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(lw_rng_next(&rng) == published[i]);
    }
}

static void test_rng__equal_seeds_give_equal_streams(void **state)
{
    struct lw_rng a, b, c;

    (void)state;
    lw_rng_seed(&a, 7);
    lw_rng_seed(&b, 7);
    lw_rng_seed(&c, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t x = lw_rng_next(&a);

        assert_true(x == lw_rng_next(&b));
        assert_true(x != lw_rng_next(&c));
    }
}

/* Of n in 6 classes, each holds n / 6 within 5 standard deviations. */
static void test_rng__below_is_uniform(void **state)
{
    enum { N = 600000 };
    int counts[6] = {0};
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (int i = 0; i < N; i++) {
        uint64_t x = lw_rng_below(&rng, 6);

        assert_true(x < 6);
        counts[x]++;
    }
    for (int i = 0; i < 6; i++) {
        assert_in_range(counts[i], N / 6 - 1450, N / 6 + 1450);
    }
    assert_int_equal(lw_rng_below(&rng, 1), 0);
}

/* With n = 3 * 2^62, taking the remainder alone would give the lower third half of all draws. */
static void test_rng__below_has_no_bias_for_large_n(void **state)
{
    uint64_t n = (uint64_t)3 << 62;
    int lower = 0;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 4);
    for (int i = 0; i < 30000; i++) {
        uint64_t x = lw_rng_below(&rng, n);

        assert_true(x < n);
        lower += x < n / 3 ? 1 : 0;
    }
    assert_in_range(lower, 10000 - 410, 10000 + 410);
}

static void test_rng__double_fills_the_unit_interval(void **state)
{
    enum { N = 100000 };
    double sum = 0, squares = 0;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < N; i++) {
        double x = lw_rng_double(&rng);

        assert_true(x >= 0.0 && x < 1.0);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * 0.2887 / sqrt(N));
    assert_true(fabs(squares / N - 1.0 / 3) < 5 * 0.2981 / sqrt(N));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng__mix_is_splitmix64),
        cmocka_unit_test(test_rng__next_is_xoshiro256_starstar),
        cmocka_unit_test(test_rng__equal_seeds_give_equal_streams),
        cmocka_unit_test(test_rng__below_is_uniform),
        cmocka_unit_test(test_rng__below_has_no_bias_for_large_n),
        cmocka_unit_test(test_rng__double_fills_the_unit_interval),
    };
    return LW_TEST_RUN(tests);
}
