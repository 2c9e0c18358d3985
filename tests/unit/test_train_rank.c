/* Ranks, against definitions written out. */
#include "support/test.h"

#include "base/rng.h"
#include "train/rank.h"

#include <math.h>
#include <string.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static void test_rank__correlation_is_that_of_the_definition(void **state)
{
    /* Mid-ranks by counting and Pearson's formula, computed apart; ties among the values. */
    static const double a[] = {1, 2, 2, 4, 5, 7, 7, 9, 3}, b[] = {2, 1, 4, 3, 5, 5, 9, 6, 8};
    double scratch[27], order[9], negated[9];

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        order[i] = exp(a[i]);
        negated[i] = -a[i];
    }
    assert_near(lw_rank_correlation(a, order, 9, scratch), 1.0, 1e-12);
    assert_near(lw_rank_correlation(a, negated, 9, scratch), -1.0, 1e-12);
    assert_near(lw_rank_correlation(a, b, 9, scratch), 0.6962087291195133, 1e-12);
}

static void test_rank__correlation_is_unknown_where_nothing_varies(void **state)
{
    static const double a[] = {1, 2, 3, 4}, b[] = {5, 5, 5, 5};
    double scratch[12];

    (void)state;
    assert_true(isnan(lw_rank_correlation(a, b, 4, scratch)));
    assert_true(isnan(lw_rank_correlation(a, a, 2, scratch)));
}

/* The sum over distinct scores of precision times recall added. */
static double slow_average(const struct lw_precision *precision)
{
    double sum = 0.0, all = 0.0;

    for (size_t i = 0; i < LW_PRECISION_BINS; i++) {
        all += precision->with[i];
    }
    for (size_t i = 0; i < LW_PRECISION_BINS; i++) {
        double with = 0.0, rows = 0.0;

        for (size_t j = i; j < LW_PRECISION_BINS && precision->with[i] > 0; j++) {
            with += precision->with[j];
            rows += precision->with[j] + precision->without[j];
        }
        sum += rows > 0.0 ? precision->with[i] / all * with / rows : 0.0;
    }
    return sum;
}

static void test_rank__average_precision_is_that_of_the_definition(void **state)
{
    static struct lw_precision precision;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < 500; i++) {
        size_t bin = lw_rng_below(&rng, LW_PRECISION_BINS);

        if (i % 9 == 0) {
            precision.with[bin / 2 + LW_PRECISION_BINS / 2]++;
        } else {
            precision.without[bin]++;
        }
    }
    assert_near(lw_precision_average(&precision), slow_average(&precision), 1e-12);
    memset(&precision, 0, sizeof(precision));
    precision.without[3] = 7;
    assert_true(isnan(lw_precision_average(&precision)));
    precision.with[2] = 1; /* Below all others: one in eight. */
    assert_near(lw_precision_average(&precision), 0.125, 1e-15);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank__correlation_is_that_of_the_definition),
        cmocka_unit_test(test_rank__correlation_is_unknown_where_nothing_varies),
        cmocka_unit_test(test_rank__average_precision_is_that_of_the_definition),
    };

    return LW_TEST_RUN(tests);
}
