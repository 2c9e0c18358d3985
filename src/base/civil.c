/*
 * Civil dates by counting years from 1 March.
 *
 * When the year starts in March, the leap day is its last day and the lengths 31 30 31 30 31 repeat
 * every five months, so that month m (March is 0) starts at day (153 m + 2) / 5. 400 years have
 * 146,097 days, and the first of March of year 0 lies 719,468 days before 1970-01-01.
 */
#include "base/civil.h"

#define DAYS_OF_400_YEARS 146097
#define DAYS_BEFORE_1970 719468

int64_t lw_floor_divide(int64_t dividend, int64_t divisor)
{
    int64_t quotient = dividend / divisor;

    return quotient - (dividend % divisor < 0 ? 1 : 0);
}

int64_t lw_civil_to_days(int64_t year, int month, int day)
{
    int64_t from_march = (month + 9) % 12;
    int64_t march_year = month <= 2 ? year - 1 : year;
    int64_t era = lw_floor_divide(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;

    return era * DAYS_OF_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - DAYS_BEFORE_1970;
}

struct lw_civil lw_civil_from_days(int64_t days)
{
    int64_t from_march_0 = days + DAYS_BEFORE_1970;
    int64_t era = lw_floor_divide(from_march_0, DAYS_OF_400_YEARS);
    int64_t day_of_era = from_march_0 - era * DAYS_OF_400_YEARS;
    /* Taking the leap days passed so far away leaves years of 365 days. */
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    struct lw_civil civil;

    civil.day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    civil.month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    civil.year = era * 400 + year_of_era + (civil.month <= 2 ? 1 : 0);
    return civil;
}

bool lw_civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int lw_civil_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && lw_civil_is_leap(year) ? 29 : days[month - 1];
}

int lw_civil_weekday(int64_t days)
{
    /* 1970-01-01 was a Thursday. */
    int64_t from_sunday = days + 4;

    return (int)(from_sunday - lw_floor_divide(from_sunday, 7) * 7);
}
