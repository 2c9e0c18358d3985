/* Civil dates, day by day against a calendar counted by hand. */
#include "support/test.h"

#include "base/civil.h"

/* Months as the almanac has them, and nothing else: 800 years counted on from 1600-01-01, a
 * Saturday. */
static void test_civil__equals_counting_every_day(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = -135140;
    int weekday = 6;

    (void)state;
    for (int64_t year = 1600; year < 2400; year++) {
        bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        assert_int_equal(lw_civil_is_leap(year), is_leap);
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && is_leap ? 1 : 0);

            assert_int_equal(lw_civil_month_days(year, month), length);
            for (int day = 1; day <= length; day++, days++, weekday = (weekday + 1) % 7) {
                struct lw_civil civil = lw_civil_from_days(days);

                assert_int_equal(lw_civil_to_days(year, month, day), days);
                assert_int_equal(lw_civil_weekday(days), weekday);
                assert_int_equal(civil.year, year);
                assert_int_equal(civil.month, month);
                assert_int_equal(civil.day, day);
            }
        }
    }
}

static void test_civil__knows_1970_and_far_years(void **state)
{
    (void)state;
    assert_int_equal(lw_civil_to_days(1970, 1, 1), 0);
    assert_int_equal(lw_civil_to_days(2000, 3, 1), 11017);
    assert_int_equal(lw_civil_to_days(-1, 12, 31), lw_civil_to_days(0, 1, 1) - 1);
    assert_int_equal(lw_civil_from_days(lw_civil_to_days(-123456, 2, 29)).month, 2);
    assert_int_equal(lw_floor_divide(-1, 7), -1);
    assert_int_equal(lw_floor_divide(-7, 7), -1);
    assert_int_equal(lw_floor_divide(13, 7), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_civil__equals_counting_every_day),
        cmocka_unit_test(test_civil__knows_1970_and_far_years),
    };

    return LW_TEST_RUN(tests);
}
