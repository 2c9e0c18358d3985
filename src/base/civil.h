/* Days and civil dates of the proleptic Gregorian calendar: whole-number arithmetic, no zone, no
 * clock. */
#ifndef LW_BASE_CIVIL_H
#define LW_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

struct lw_civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/* Quotient rounded towards minus infinity; divisor > 0. */
int64_t lw_floor_divide(int64_t dividend, int64_t divisor);
/* Days since 1970-01-01 of a date. month 1 to 12; a day past the month's end counts on into the
 * next. */
int64_t lw_civil_to_days(int64_t year, int month, int day);
/* The date that lies that many days after 1970-01-01. */
struct lw_civil lw_civil_from_days(int64_t days);
/* 28 to 31; month 1 to 12. */
int lw_civil_month_days(int64_t year, int month);
bool lw_civil_is_leap(int64_t year);
/* 0 is Sunday, as in POSIX. */
int lw_civil_weekday(int64_t days);

#endif
