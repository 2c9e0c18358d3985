/*
 * What every cmocka test includes first: cmocka with its headers, and a runner that ends with `N
 * passed, N failed`.
 *
 *     static void test_window__drops_points_behind_the_watermark(void **state) { ... }
 *
 *     int main(void)
 *     {
 *         static const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(test_window__drops_points_behind_the_watermark),
 *         };
 *         return LW_TEST_RUN(tests);
 *     }
 *
 * LW_TEST_DATA is the path of tests/data. cmocka has no skip here: a test that cannot run must
 * fail.
 */
#ifndef LW_TESTS_SUPPORT_TEST_H
#define LW_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Runs an array of struct CMUnitTest; the value is main's exit code. */
#define LW_TEST_RUN(tests) lw_test_run(#tests, tests, sizeof(tests) / sizeof((tests)[0]))

static inline int lw_test_run(const char *name, const struct CMUnitTest *tests, size_t n_tests)
{
    int failed = _cmocka_run_group_tests(name, tests, n_tests, NULL, NULL);
    size_t n_failed = failed < 0 ? n_tests : (size_t)failed;

    printf("%zu passed, %zu failed\n", n_tests - n_failed, n_failed);
    return n_failed == 0 ? 0 : 1;
}

#endif
