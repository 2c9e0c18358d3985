/* asinh and sinh against the C library's long doubles. */
#include "math/hyperbolic.h"
#include "support/test.h"

#include <float.h>
#include <math.h>

#define ULPS_MAX 8.0L

static long double ulps(double got, long double want)
{
    return fabsl(got - want) / (fabsl(want) * (long double)DBL_EPSILON);
}

static void test_hyperbolic__stays_within_eight_units_in_the_last_place(void **state)
{
    long double worst_asinh = 0, worst_sinh = 0;

    (void)state;
    for (double x = 1e-300; x < 1e300; x *= 1.0173) {
        worst_asinh = fmaxl(worst_asinh, ulps(lw_asinh(x), asinhl(x)));
        assert_true(lw_asinh(-x) == -lw_asinh(x));
        if (x < 700) {
            worst_sinh = fmaxl(worst_sinh, ulps(lw_sinh(x), sinhl(x)));
            assert_true(lw_sinh(-x) == -lw_sinh(x));
        }
    }
    for (double x = 0.2; x < 0.3; x += 1e-5) {
        worst_asinh = fmaxl(worst_asinh, ulps(lw_asinh(x), asinhl(x)));
        worst_sinh = fmaxl(worst_sinh, ulps(lw_sinh(x), sinhl(x)));
    }
    print_message("worst: asinh %.2Lf, sinh %.2Lf units\n", worst_asinh, worst_sinh);
    assert_true(worst_asinh <= ULPS_MAX);
    assert_true(worst_sinh <= ULPS_MAX);
}

static void test_hyperbolic__odd_values(void **state)
{
    (void)state;
    assert_true(lw_asinh(0.0) == 0.0 && lw_sinh(0.0) == 0.0);
    assert_true(isinf(lw_asinh(INFINITY)) && isinf(lw_asinh(-INFINITY)) && lw_asinh(-INFINITY) < 0);
    assert_true(isinf(lw_sinh(1e4)) && lw_sinh(-1e4) < 0);
    assert_true(isnan(lw_asinh(NAN)) && isnan(lw_sinh(NAN)));
    assert_true(isfinite(lw_asinh(DBL_MAX)) && isfinite(lw_sinh(710.0)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hyperbolic__stays_within_eight_units_in_the_last_place),
        cmocka_unit_test(test_hyperbolic__odd_values),
    };

    return LW_TEST_RUN(tests);
}
