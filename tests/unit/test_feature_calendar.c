/* Local time and holidays around the days on which clocks change. */
#include "support/test.h"

#include "feature/calendar.h"
#include "support/mem_faulty.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define DAY_NS (24 * HOUR_NS)
/* 2026-12-24 23:00 UTC: midnight before Christmas in Berlin. */
#define CHRISTMAS_BERLIN_NS (INT64_C(1798153200) * SECOND_NS)

static struct lw_calendar *create(const char *zone, const char *holidays)
{
    struct lw_calendar *calendar = NULL;
    struct lw_error err;

    if (lw_calendar_create(zone, holidays, &calendar, &err) != LW_OK) {
        fail_msg("%s", err.message);
    }
    return calendar;
}

static void test_calendar__null_is_utc_without_holidays(void **state)
{
    struct lw_calendar *empty = create(NULL, NULL);

    (void)state;
    assert_int_equal(lw_calendar_local_ns(NULL, 12345), 12345);
    assert_int_equal(lw_calendar_local_ns(empty, -12345), -12345);
    assert_false(lw_calendar_is_holiday(NULL, CHRISTMAS_BERLIN_NS));
    assert_false(lw_calendar_is_holiday(empty, CHRISTMAS_BERLIN_NS));
    lw_calendar_destroy(empty);
    lw_calendar_destroy(NULL);
}

static void test_calendar__nine_in_the_morning_stays_nine_over_the_clock_change(void **state)
{
    struct lw_calendar *calendar = create("Europe/Berlin", "");
    /* 2026-03-28 and -29, 09:00 in Berlin: 08:00 and 07:00 UTC. */
    int64_t before = INT64_C(1774684800) * SECOND_NS;
    int64_t after = before + 23 * HOUR_NS;

    (void)state;
    assert_int_equal(lw_calendar_local_ns(calendar, before) % DAY_NS / HOUR_NS, 9);
    assert_int_equal(lw_calendar_local_ns(calendar, after) % DAY_NS / HOUR_NS, 9);
    assert_int_equal(lw_calendar_local_ns(calendar, after) - lw_calendar_local_ns(calendar, before),
                     DAY_NS);
    /* The last nanosecond of winter is winter. */
    assert_int_equal(lw_calendar_local_ns(calendar, INT64_C(1774746000) * SECOND_NS - 1),
                     INT64_C(1774749600) * SECOND_NS - 1);
    lw_calendar_destroy(calendar);
}

static void test_calendar__holiday_is_the_local_day(void **state)
{
    struct lw_calendar *calendar = create("Europe/Berlin", "2026-12-25");

    (void)state;
    assert_false(lw_calendar_is_holiday(calendar, CHRISTMAS_BERLIN_NS - 1));
    assert_true(lw_calendar_is_holiday(calendar, CHRISTMAS_BERLIN_NS));
    assert_true(lw_calendar_is_holiday(calendar, CHRISTMAS_BERLIN_NS + DAY_NS - 1));
    assert_false(lw_calendar_is_holiday(calendar, CHRISTMAS_BERLIN_NS + DAY_NS));
    assert_false(lw_calendar_is_holiday(calendar, CHRISTMAS_BERLIN_NS + 365 * DAY_NS));
    assert_true(lw_calendar_is_holiday_local(calendar,
                                             lw_calendar_local_ns(calendar, CHRISTMAS_BERLIN_NS)));
    lw_calendar_destroy(calendar);
}

static void test_calendar__list_takes_days_of_every_year(void **state)
{
    struct lw_calendar *calendar = create(NULL, " 2026-01-01, 12-25\n02-29,, 2105-12-31 ");
    int64_t leap_day = INT64_C(1709164800) * SECOND_NS; /* 2024-02-29 */

    (void)state;
    assert_true(lw_calendar_is_holiday(calendar, INT64_C(1767225600) * SECOND_NS));
    assert_false(lw_calendar_is_holiday(calendar, (INT64_C(1767225600) + 365 * 86400) * SECOND_NS));
    assert_true(lw_calendar_is_holiday(calendar, INT64_C(1798156800) * SECOND_NS));
    assert_true(lw_calendar_is_holiday(calendar, (INT64_C(1798156800) + 365 * 86400) * SECOND_NS));
    assert_true(lw_calendar_is_holiday(calendar, leap_day));
    /* 2025 has none: neither 28 February nor 1 March stands in. */
    assert_false(lw_calendar_is_holiday(calendar, leap_day + 365 * DAY_NS));
    assert_false(lw_calendar_is_holiday(calendar, leap_day + 366 * DAY_NS));
    assert_true(lw_calendar_is_holiday(calendar, (INT64_C(49672) * 86400) * SECOND_NS));
    assert_false(lw_calendar_is_holiday(calendar, (INT64_C(49673) * 86400) * SECOND_NS));
    assert_false(lw_calendar_is_holiday(calendar, -DAY_NS));
    assert_false(lw_calendar_is_holiday(calendar, INT64_MIN));
    lw_calendar_destroy(calendar);
}

static void test_calendar__says_which_entry_is_no_date(void **state)
{
    static const char *const bad[] = {"2026-13-01", "2026-02-29", "02-30",    "1969-12-31",
                                      "2106-01-01", "2026/01/01", "26-01-01", "2026-01-1x",
                                      "00-10",      "2026-01-00"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lw_calendar *calendar = NULL;
        struct lw_error err;
        char text[64];

        (void)snprintf(text, sizeof(text), "01-01,%s,05-01", bad[i]);
        assert_int_equal(lw_calendar_create(NULL, text, &calendar, &err), LW_EINVAL);
        assert_non_null(strstr(err.message, bad[i]));
        assert_null(calendar);
    }
}

static void test_calendar__unknown_zone_is_refused(void **state)
{
    struct lw_calendar *calendar = NULL;

    (void)state;
    assert_int_equal(lw_calendar_create("Mars/Olympus", NULL, &calendar, NULL), LW_ENOTFOUND);
    assert_null(calendar);
}

static void test_calendar__every_failed_allocation_is_said_and_leaks_nothing(void **state)
{
    int64_t live = lw_test_mem_live();
    uint64_t n_failed = 0;

    (void)state;
    for (;;) {
        struct lw_calendar *calendar = NULL;
        enum lw_status st;

        lw_test_mem_fail_at(n_failed + 1);
        st = lw_calendar_create("Europe/Berlin", "12-25", &calendar, NULL);
        if (!lw_test_mem_has_failed()) {
            assert_int_equal(st, LW_OK);
            lw_calendar_destroy(calendar);
            break;
        }
        assert_int_equal(st, LW_ENOMEM);
        assert_null(calendar);
        assert_int_equal(lw_test_mem_live(), live);
        n_failed++;
    }
    lw_test_mem_fail_at(0);
    /* The calendar, the file, the zone and its changes. */
    assert_int_equal(n_failed, 4);
    assert_int_equal(lw_test_mem_live(), live);
}

static void test_calendar__bounds_the_list(void **state)
{
    static char text[6 * (LW_CALENDAR_HOLIDAYS_MAX + 1) + 1];
    struct lw_calendar *calendar = NULL;

    (void)state;
    for (size_t i = 0; i <= LW_CALENDAR_HOLIDAYS_MAX; i++) {
        memcpy(text + 6 * i, "01-01,", 6);
    }
    assert_int_equal(lw_calendar_create(NULL, text, &calendar, NULL), LW_ELIMIT);
    text[6 * (size_t)LW_CALENDAR_HOLIDAYS_MAX] = '\0';
    assert_int_equal(lw_calendar_create(NULL, text, &calendar, NULL), LW_OK);
    lw_calendar_destroy(calendar);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar__null_is_utc_without_holidays),
        cmocka_unit_test(test_calendar__nine_in_the_morning_stays_nine_over_the_clock_change),
        cmocka_unit_test(test_calendar__holiday_is_the_local_day),
        cmocka_unit_test(test_calendar__list_takes_days_of_every_year),
        cmocka_unit_test(test_calendar__says_which_entry_is_no_date),
        cmocka_unit_test(test_calendar__unknown_zone_is_refused),
        cmocka_unit_test(test_calendar__every_failed_allocation_is_said_and_leaks_nothing),
        cmocka_unit_test(test_calendar__bounds_the_list),
    };

    return LW_TEST_RUN(tests);
}
