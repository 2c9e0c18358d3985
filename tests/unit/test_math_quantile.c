/* Order statistics against sorting by the C library, over lengths and ties. */
#include "base/rng.h"
#include "math/quantile.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_MAX 70

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Values with many ties when `kinds` is small. */
static void values_draw(struct lw_rng *rng, uint64_t kinds, size_t n, double *ret_values)
{
    for (size_t i = 0; i < n; i++) {
        ret_values[i] = (double)lw_rng_below(rng, kinds) * 0.37 - 5.0;
    }
}

static double ref_median(const double *values, size_t n)
{
    double copy[N_MAX];

    memcpy(copy, values, n * sizeof(double));
    qsort(copy, n, sizeof(double), compare_doubles);
    return n % 2 == 1 ? copy[n / 2] : copy[n / 2 - 1] + 0.5 * (copy[n / 2] - copy[n / 2 - 1]);
}

static void test_quantile__sort_equals_qsort(void **state)
{
    double got[N_MAX], want[N_MAX];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (size_t n = 0; n < N_MAX; n++) {
        for (uint64_t kinds = 1; kinds < 2000; kinds *= 3) {
            values_draw(&rng, kinds, n, got);
            memcpy(want, got, n * sizeof(double));
            qsort(want, n, sizeof(double), compare_doubles);
            lw_sort(got, n);
            assert_memory_equal(got, want, n * sizeof(double));
        }
    }
}

static void test_quantile__median_deviation_equals_its_definition(void **state)
{
    double values[N_MAX], far[N_MAX];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 2);
    for (size_t n = 1; n < N_MAX; n++) {
        for (uint64_t kinds = 1; kinds < 2000; kinds *= 3) {
            struct lw_sorted sorted = lw_sorted_array(values, n);
            /* Also centres outside of all values. */
            double centre = (double)lw_rng_below(&rng, 40) - 20.0;

            values_draw(&rng, kinds, n, values);
            centre = n % 3 == 0 ? centre : ref_median(values, n);
            for (size_t i = 0; i < n; i++) {
                far[i] = fabs(values[i] - centre);
            }
            lw_sort(values, n);
            if (lw_median_deviation(&sorted, centre) != ref_median(far, n)) {
                fail_msg("n %zu, %llu kinds, centre %g: %.17g, expected %.17g", n,
                         (unsigned long long)kinds, centre, lw_median_deviation(&sorted, centre),
                         ref_median(far, n));
            }
        }
    }
}

static void test_quantile__interpolates_as_type_7(void **state)
{
    const double values[] = {1, 2, 4, 8, 16};
    struct lw_sorted sorted = lw_sorted_array(values, 5);
    struct lw_sorted one = lw_sorted_array(values, 1);

    (void)state;
    assert_true(lw_quantile(&sorted, 0.0) == 1.0);
    assert_true(lw_quantile(&sorted, 0.25) == 2.0);
    assert_true(lw_quantile(&sorted, 0.5) == 4.0);
    /* numpy.quantile([1, 2, 4, 8, 16], [0.05, 0.9]) is 1.2 and 12.8. */
    assert_true(fabs(lw_quantile(&sorted, 0.05) - 1.2) < 1e-15);
    assert_true(fabs(lw_quantile(&sorted, 0.9) - 12.8) < 1e-14);
    assert_true(lw_quantile(&sorted, 1.0) == 16.0);
    assert_true(lw_quantile(&one, 0.3) == 1.0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantile__sort_equals_qsort),
        cmocka_unit_test(test_quantile__median_deviation_equals_its_definition),
        cmocka_unit_test(test_quantile__interpolates_as_type_7),
    };

    return LW_TEST_RUN(tests);
}
