/* m of n against a count over the last n steps. */
#include "detect/hysteresis.h"

#include "base/rng.h"
#include "support/test.h"

static void test_hysteresis__counts_the_last_n_steps(void **state)
{
    static const struct lw_hysteresis rules[] = {{1, 1},   {2, 3},   {5, 5},  {3, 20},
                                                 {64, 64}, {40, 64}, {31, 63}};
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 2);
    for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
        bool held[2000];
        uint64_t history = 0, often = 3 + (uint64_t)r;
        int n_true = 0;

        for (int i = 0; i < 2000; i++) {
            int count = 0;
            bool agreed;

            held[i] = rules[r].m == 64 ? i % 300 > 200 : lw_rng_below(&rng, often) < often / 2;
            for (int k = i; k >= 0 && k > i - rules[r].n; k--) {
                count += held[k];
            }
            agreed = lw_hysteresis_step(&rules[r], &history, held[i]);
            assert_int_equal(agreed, count >= rules[r].m);
            n_true += agreed;
        }
        assert_true(n_true > 0 && n_true < 2000);
    }
}

static void test_hysteresis__reads_m_of_n(void **state)
{
    static const char *const wrong[] = {"",        "2",       "of 3",    "2 of", "3 of 2", "0 of 2",
                                        "2 of 65", "2 of 3x", "-1 of 3", "2of",  "2/3"};
    struct lw_hysteresis rule = {0, 0};
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_hysteresis_parse("2 of 3", &rule, NULL), LW_OK);
    assert_true(rule.m == 2 && rule.n == 3);
    assert_int_equal(lw_hysteresis_parse(" 64of64 ", &rule, NULL), LW_OK);
    assert_true(rule.m == 64 && rule.n == 64);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (lw_hysteresis_parse(wrong[i], &rule, &error) != LW_EINVAL) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
    }
    assert_string_equal(error.message, "\"2/3\" is not \"m of n\" with 1 <= m <= n <= 64");
    assert_true(rule.m == 64 && rule.n == 64); /* Untouched. */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hysteresis__counts_the_last_n_steps),
        cmocka_unit_test(test_hysteresis__reads_m_of_n),
    };

    return LW_TEST_RUN(tests);
}
