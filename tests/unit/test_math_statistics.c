/* Window sums against long doubles, at every length around the lanes, and with a level that would
 * eat a naive sum's digits. */
#include "base/rng.h"
#include "math/statistics.h"
#include "support/test.h"

#include <math.h>

#define N_MAX 53

static void draw(struct lw_rng *rng, double level, double *ret_values)
{
    for (size_t i = 0; i < N_MAX; i++) {
        ret_values[i] = level + lw_rng_double(rng) * 2.0 - 1.0;
    }
}

static void expect_near(const char *what, size_t n, double got, long double want, long double size)
{
    if (!(fabsl(got - want) <= 1e-14L * size)) {
        fail_msg("%s of %zu: %.17g, expected %.17Lg", what, n, got, want);
    }
}

static void compare(const double *a, const double *b, size_t n, double level)
{
    long double sum = 0, products = 0, steps = 0, squares = 0, mean, above = 0, below = 0;
    struct lw_moments moments;

    for (size_t i = 0; i < n; i++) {
        sum += a[i];
        products += ((long double)a[i] - level) * ((long double)b[i] - level - 1);
        steps += i > 0 ? ((long double)a[i] - a[i - 1]) * ((long double)a[i] - a[i - 1]) : 0;
    }
    mean = n > 0 ? sum / (long double)n : 0;
    for (size_t i = 0; i < n; i++) {
        squares += (a[i] - mean) * (a[i] - mean);
        above += ((long double)i - (long double)(n - 1) / 2) * (a[i] - mean);
        below += ((long double)i - (long double)(n - 1) / 2) *
                 ((long double)i - (long double)(n - 1) / 2);
    }
    expect_near("sum", n, lw_sum_deviations(a, level, n), sum - level * (long double)n, 100);
    expect_near("products", n, lw_sum_products(a, level, b, level + 1, n), products, 100);
    expect_near("steps", n, lw_sum_squared_steps(a, n), steps, 300);
    if (n > 0) {
        moments = lw_moments_of(a, n);
        expect_near("mean", n, moments.mean, mean, fabsl(level) + 1);
        /* The mean's own rounding enters squared. */
        expect_near("squares", n, moments.sum_squares, squares, 100 + 1e-16L * level * level);
    }
    if (n >= 2) {
        expect_near("slope", n, lw_slope(a, n), above / below, 100);
    }
}

static void test_statistics__equal_long_doubles_at_every_length(void **state)
{
    double a[N_MAX], b[N_MAX];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (double level = 0; level <= 1e8; level = level * 1000 + 1) {
        for (size_t n = 0; n <= N_MAX; n++) {
            draw(&rng, level, a);
            draw(&rng, level, b);
            compare(a, b, n, level);
        }
    }
}

static void test_statistics__constant_and_ramp(void **state)
{
    double ramp[N_MAX], constant[N_MAX];

    (void)state;
    for (size_t i = 0; i < N_MAX; i++) {
        ramp[i] = 3.0 * (double)i - 7.0;
        constant[i] = 0.1; /* Not a sum of few powers of two. */
    }
    for (size_t n = 2; n <= N_MAX; n++) {
        assert_true(fabs(lw_slope(ramp, n) - 3.0) < 1e-14);
        assert_true(lw_slope(constant, n) == 0.0);
        assert_true(lw_moments_of(constant, n).mean == 0.1);
        assert_true(lw_moments_of(constant, n).sum_squares == 0.0);
        assert_true(lw_sum_squared_steps(ramp, n) == 9.0 * (double)(n - 1));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics__equal_long_doubles_at_every_length),
        cmocka_unit_test(test_statistics__constant_and_ramp),
    };

    return LW_TEST_RUN(tests);
}
