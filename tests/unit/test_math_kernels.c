/* math/kernels: each table this CPU runs, against plain double loops written from the definitions.
 */
#include "support/test.h"

#include "base/rng.h"
#include "math/kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_MAX 67

struct arrays {
    float a[N_MAX];
    float b[N_MAX];
};

static struct arrays arrays_random(struct lw_rng *rng)
{
    struct arrays arrays;

    for (size_t i = 0; i < N_MAX; i++) {
        arrays.a[i] = (float)(lw_rng_double(rng) * 20.0 - 10.0);
        arrays.b[i] = (float)(lw_rng_double(rng) * 20.0 - 10.0);
    }
    return arrays;
}

/* Rounding of a float sum of n terms: n half-units of the sum of their sizes is a safe bound. */
static void assert_sum(float got, double truth, double sizes, size_t n)
{
    double bound = (double)(n + 2) * (double)FLT_EPSILON * sizes / 2.0;

    if (fabs((double)got - truth) > bound) {
        fail_msg("%g is off %g by more than %g", (double)got, truth, bound);
    }
}

static void test_kernels__sums_agree_with_double_loops(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t n = 0; n <= N_MAX; n++) {
            struct arrays x = arrays_random(&rng);
            double dot = 0, dot_sizes = 0, distance = 0;

            for (size_t i = 0; i < n; i++) {
                dot += (double)x.a[i] * (double)x.b[i];
                dot_sizes += fabs((double)x.a[i] * (double)x.b[i]);
                distance += ((double)x.a[i] - (double)x.b[i]) * ((double)x.a[i] - (double)x.b[i]);
            }
            assert_sum(tables[t]->dot(x.a, x.b, n), dot, dot_sizes, n);
            assert_sum(tables[t]->distance_squared(x.a, x.b, n), distance, distance, n + 2);
        }
    }
}

static void test_kernels__add_scaled_touches_n_floats_and_no_more(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 2);
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t n = 0; n <= N_MAX; n++) {
            struct arrays x = arrays_random(&rng);
            float before[N_MAX];

            memcpy(before, x.a, sizeof(before));
            tables[t]->add_scaled(x.a, x.b, 0.37f, n);
            for (size_t i = 0; i < N_MAX; i++) {
                float product = x.b[i] * 0.37f; /* Rounded before it is added: no fused
                                                   multiply-add. */

                assert_true(x.a[i] == (i < n ? before[i] + product : before[i]));
            }
        }
    }
}

/* Few different values, so that ties come up: the first of them must win. */
static void test_kernels__nearest_finds_the_first_of_the_closest(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (size_t t = 0; t < n_tables; t++) {
        for (int trial = 0; trial < 3000; trial++) {
            size_t n = LW_LANES * (1 + lw_rng_below(&rng, 8));
            size_t known = 1 + lw_rng_below(&rng, n);
            float values[64], point = (float)lw_rng_below(&rng, 12), distance;
            size_t index = SIZE_MAX, expected = 0;

            for (size_t i = 0; i < n; i++) {
                values[i] = i < known ? (float)lw_rng_below(&rng, 12) : INFINITY;
                if (fabsf(values[i] - point) < fabsf(values[expected] - point)) {
                    expected = i;
                }
            }
            distance = tables[t]->nearest(values, n, point, &index);
            assert_int_equal(index, expected);
            assert_true(distance == fabsf(values[expected] - point));
        }
    }
}

static void test_kernels__extremes_are_those_of_the_array(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 4);
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t n = LW_LANES; n <= 64; n += LW_LANES) {
            struct arrays x = arrays_random(&rng);
            float least, greatest, expected_least = x.a[0], expected_greatest = x.a[0];

            x.a[lw_rng_below(&rng, n)] = INFINITY;
            for (size_t i = 0; i < n; i++) {
                expected_least = fminf(expected_least, x.a[i]);
                expected_greatest = fmaxf(expected_greatest, x.a[i]);
            }
            tables[t]->extremes(x.a, n, &least, &greatest);
            assert_true(least == expected_least && greatest == expected_greatest);
        }
    }
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void test_kernels__minima_are_those_of_the_groups_and_bound_the_kth(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    float values[5 * LW_GROUPS], minima[LW_GROUPS], sorted[LW_GROUPS];
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 6);
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t n = LW_GROUPS; n <= 5 * LW_GROUPS; n += LW_GROUPS) {
            for (size_t i = 0; i < n; i++) {
                values[i] = (float)lw_rng_below(&rng, 90); /* Many are alike. */
            }
            values[lw_rng_below(&rng, n)] = INFINITY;
            for (size_t k = 0; k <= LW_GROUPS; k++) {
                float bound = tables[t]->minima(values, n, k, minima);

                for (size_t group = 0; group < LW_GROUPS; group++) {
                    sorted[group] = INFINITY;
                    for (size_t i = group; i < n; i += LW_GROUPS) {
                        sorted[group] = fminf(sorted[group], values[i]);
                    }
                }
                assert_memory_equal(minima, sorted, sizeof(sorted));
                qsort(sorted, LW_GROUPS, sizeof(sorted[0]), compare_floats);
                assert_true(bound == (k == 0 ? INFINITY : sorted[k - 1]));
            }
        }
    }
}

static void test_kernels__best_is_the_last_of_all(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);

    (void)state;
    assert_true(n_tables >= 1);
    assert_string_equal(tables[0]->name, "plain");
    assert_ptr_equal(lw_kernels_best(), tables[n_tables - 1]);
}

/* m is 8 inputs by 8 outputs, x the first 8 of b. */
static void test_kernels__products_agree_with_double_loops(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 4);
    for (size_t t = 0; t < n_tables; t++) {
        struct arrays x = arrays_random(&rng);
        float y[2][8] = {{1.0f, 2.0f}, {0}};

        tables[t]->product(x.a, x.b, 8, 8, y[0]);
        tables[t]->distances(x.a, x.b, 8, 8, y[1]);
        for (size_t o = 0; o < 8; o++) {
            double sum = o < 2 ? (double)o + 1.0 : 0.0, sizes = sum, distance = 0.0;

            for (size_t i = 0; i < 8; i++) {
                double away = (double)x.a[i * 8 + o] - (double)x.b[i];

                sum += (double)x.a[i * 8 + o] * (double)x.b[i];
                sizes += fabs((double)x.a[i * 8 + o] * (double)x.b[i]);
                distance += away * away;
            }
            assert_sum(y[0][o], sum, sizes, 9);
            assert_sum(y[1][o], distance, distance, 11);
        }
    }
}

static void assert_near(float got, double truth, double bound)
{
    if (!(fabs((double)got - truth) <= bound)) {
        fail_msg("%.9g, but %.9g is right", (double)got, truth);
    }
}

/* Numbers of all sizes and both signs, and any number of them at once. */
static void test_kernels__compress_agrees_with_libm(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);
    float odd[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f}, values[23];
    double worst = 0.0;
    size_t n = 0;

    (void)state;
    for (size_t t = 0; t < n_tables; t++) {
        for (double at = 1e-37; at < 3.4e38; at *= 1.0003) {
            n = n % 23 + 1;
            values[n - 1] = (float)at;
            values[0] = n > 1 ? -(float)at : (float)at;
            tables[t]->compress(values, n);
            worst = fmax(
                worst, fabs((double)values[n - 1] / (3.0 * asinh((double)(float)at / 3.0)) - 1.0));
            assert_true(n == 1 || values[0] == -values[n - 1]);
        }
        tables[t]->compress(odd, 5);
        assert_true(odd[0] == INFINITY && odd[1] == -INFINITY && isnan(odd[2]));
        assert_true(odd[3] == 0.0f && !signbit(odd[3]) && odd[4] == 0.0f && signbit(odd[4]));
    }
    print_message("worst: %.3g of the value\n", worst);
    assert_true(worst < 4e-7);
}

static void test_kernels__curves_agree_with_libm(void **state)
{
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);

    (void)state;
    for (size_t t = 0; t < n_tables; t++) {
        for (double x = -100.0; x < 100.0; x += 0.01) {
            float e[8] = {(float)x, -INFINITY, INFINITY, NAN}, s[8], h[8];
            double given = (double)(float)x;

            memcpy(s, e, sizeof(e));
            memcpy(h, e, sizeof(e));
            tables[t]->exp(e, 8);
            tables[t]->sigmoid(s, 8);
            tables[t]->tanh(h, 8);
            if (given >= -87.0 && given <= 88.0) {
                assert_near(e[0], exp(given), 2.5e-7 * exp(given));
            }
            assert_near(s[0], 1.0 / (1.0 + exp(-given)), 1e-6);
            assert_near(h[0], tanh(given), 1e-6);
            assert_true(e[1] == 0.0f && s[1] <= 1e-37f && h[1] == -1.0f);
            assert_true(isfinite(e[2]) && s[2] == 1.0f && h[2] == 1.0f);
            assert_true(isnan(e[3]) && isnan(s[3]) && isnan(h[3]));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__sums_agree_with_double_loops),
        cmocka_unit_test(test_kernels__add_scaled_touches_n_floats_and_no_more),
        cmocka_unit_test(test_kernels__nearest_finds_the_first_of_the_closest),
        cmocka_unit_test(test_kernels__extremes_are_those_of_the_array),
        cmocka_unit_test(test_kernels__minima_are_those_of_the_groups_and_bound_the_kth),
        cmocka_unit_test(test_kernels__products_agree_with_double_loops),
        cmocka_unit_test(test_kernels__compress_agrees_with_libm),
        cmocka_unit_test(test_kernels__curves_agree_with_libm),
        cmocka_unit_test(test_kernels__best_is_the_last_of_all),
    };
    return LW_TEST_RUN(tests);
}
