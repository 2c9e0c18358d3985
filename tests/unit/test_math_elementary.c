/*
 * math/elementary against libm's long double functions, whose 64-bit mantissa makes them good to
 * about 1/2000 of a double's unit in the last place.
 */
#include "support/test.h"

#include "base/rng.h"
#include "math/elementary.h"

#include <math.h>
#include <string.h>

#define N_RANDOM 300000

/* Distance of got from the true value, in units in the last place of the true value. */
static double ulps_off(double got, long double truth)
{
    double nearest = (double)truth;
    double unit = nextafter(fabs(nearest), (double)INFINITY) - fabs(nearest);

    if (got == nearest) {
        return 0.0;
    }
    return (double)fabsl(((long double)got - truth) / (long double)unit);
}

static double uniform(struct lw_rng *rng, double least, double greatest)
{
    return least + (greatest - least) * lw_rng_double(rng);
}

/* A positive double with random bits: every exponent is as likely. */
static double any_positive(struct lw_rng *rng)
{
    double x = 0.0;

    do {
        uint64_t bits = lw_rng_next(rng) >> 1;

        memcpy(&x, &bits, sizeof(x));
    } while (!(x > 0.0 && x < (double)INFINITY));
    return x;
}

static void test_log__is_within_2_ulp_everywhere(void **state)
{
    struct lw_rng rng;
    double worst = 0.0, worst_at = 0.0;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (int i = 0; i < N_RANDOM; i++) {
        double x = i % 3 == 0
                       ? any_positive(&rng)
                       : (i % 3 == 1 ? uniform(&rng, 0.5, 2.0) : 1.0 + uniform(&rng, -1e-6, 1e-6));
        double off = ulps_off(lw_log(x), logl((long double)x));

        if (off > worst) {
            worst = off;
            worst_at = x;
        }
    }
    printf("log: at most %.3f ulp off, at %a\n", worst, worst_at);
    assert_true(worst < 2.0);
}

static void test_exp__is_within_2_ulp_everywhere(void **state)
{
    struct lw_rng rng;
    double worst = 0.0, worst_at = 0.0;

    (void)state;
    lw_rng_seed(&rng, 2);
    for (int i = 0; i < N_RANDOM; i++) {
        double x = i % 3 == 0
                       ? uniform(&rng, -745.0, 709.7)
                       : (i % 3 == 1 ? uniform(&rng, -1.0, 1.0) : uniform(&rng, -40.0, 40.0));
        double off = ulps_off(lw_exp(x), expl((long double)x));

        if (off > worst) {
            worst = off;
            worst_at = x;
        }
    }
    printf("exp: at most %.3f ulp off, at %a\n", worst, worst_at);
    assert_true(worst < 2.0);
}

static void test_exp2_and_log10__are_close_over_the_range_in_use(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (int i = 0; i < N_RANDOM; i++) {
        double x = uniform(&rng, -64.0, 64.0);
        double y = any_positive(&rng);
        double exp2_error = fabs(lw_exp2(x) / (double)exp2l((long double)x) - 1.0);
        double log10_error = fabs(lw_log10(y) - (double)log10l((long double)y));

        assert_true(exp2_error < 1e-14);
        assert_true(log10_error <= 4e-16 * fmax(1.0, fabs(lw_log10(y))));
    }
}

static void test_elementary__special_values_are_as_stated(void **state)
{
    (void)state;
    assert_true(lw_exp(0.0) == 1.0);
    assert_true(lw_exp(-0.0) == 1.0);
    assert_true(lw_exp(710.0) == (double)INFINITY);
    assert_true(lw_exp((double)INFINITY) == (double)INFINITY);
    assert_true(lw_exp(-746.0) == 0.0);
    assert_true(lw_exp(-(double)INFINITY) == 0.0);
    assert_true(isnan(lw_exp((double)NAN)));
    assert_true(lw_log(1.0) == 0.0);
    assert_true(lw_log(0.0) == -(double)INFINITY);
    assert_true(lw_log(-0.0) == -(double)INFINITY);
    assert_true(lw_log((double)INFINITY) == (double)INFINITY);
    assert_true(isnan(lw_log(-1.0)));
    assert_true(isnan(lw_log((double)NAN)));
    assert_true(fabs(lw_log(5e-324) + 744.4400719213812) < 1e-12);
    assert_true(fabs(lw_log(1.7976931348623157e308) - 709.782712893384) < 1e-12);
    assert_true(lw_exp(-745.0) > 0.0);
    assert_true(lw_exp(709.78) < (double)INFINITY);
}

/* Scores are ranked: a greater argument may never give a smaller value. */
static void test_elementary__neighbours_keep_their_order(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 4);
    for (int i = 0; i < 3000; i++) {
        double x = uniform(&rng, -30.0, 30.0);
        double y = any_positive(&rng);

        for (int j = 0; j < 20; j++) {
            double next_x = nextafter(x, (double)INFINITY);
            double next_y = nextafter(y, (double)INFINITY);

            /* One unit of wobble is allowed: the functions are within 2 ulp, not correctly rounded.
             */
            assert_true(lw_exp(next_x) >= nextafter(nextafter(lw_exp(x), 0.0), 0.0));
            assert_true(lw_log(next_y) >= lw_log(y) - 2e-16 * fmax(1.0, fabs(lw_log(y))));
            x = next_x;
            y = next_y;
        }
    }
}

/* The very bits: another compiler or machine must give these too. */
static void test_elementary__bits_are_pinned(void **state)
{
    struct lw_rng rng;
    uint64_t sum = 0;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < 100000; i++) {
        double values[2] = {lw_exp(uniform(&rng, -745.0, 709.0)), lw_log(any_positive(&rng))};

        for (int j = 0; j < 2; j++) {
            uint64_t bits;

            memcpy(&bits, &values[j], sizeof(bits));
            sum = lw_rng_mix(sum ^ bits);
        }
    }
    if (sum != 0xA14DBDCBD1EF94F0u) {
        fail_msg("the bits sum to 0x%016llX", (unsigned long long)sum);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__is_within_2_ulp_everywhere),
        cmocka_unit_test(test_exp__is_within_2_ulp_everywhere),
        cmocka_unit_test(test_exp2_and_log10__are_close_over_the_range_in_use),
        cmocka_unit_test(test_elementary__special_values_are_as_stated),
        cmocka_unit_test(test_elementary__neighbours_keep_their_order),
        cmocka_unit_test(test_elementary__bits_are_pinned),
    };
    return LW_TEST_RUN(tests);
}
