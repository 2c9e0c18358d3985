/* Local time and holidays: see feature/calendar.h. Every holiday of 136 years is one bit of 6 KB.
 */
#include "feature/calendar.h"

#include "base/civil.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/zone.h"

#include <stddef.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS (86400 * SECOND_NS)
#define FIRST_YEAR 1970
#define LAST_YEAR 2105
#define DAYS 49673 /* From 1970-01-01 up to and without 2106-01-01. */

struct lw_calendar {
    struct lw_zone *zone; /* NULL: UTC. */
    bool has_holidays;
    uint64_t holidays[(DAYS + 63) / 64]; /* Bit d % 64 of word d / 64 is day d since 1970-01-01. */
};

static void calendar_mark(struct lw_calendar *calendar, int64_t year, int month, int day)
{
    int64_t days = lw_civil_to_days(year, month, day);

    calendar->holidays[days / 64] |= UINT64_C(1) << (days % 64);
    calendar->has_holidays = true;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Exactly n_digits digits, or -1. */
static int digits_read(const char *text, size_t n_digits)
{
    int number = 0;

    for (size_t i = 0; i < n_digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

/* YYYY-MM-DD or MM-DD, of n_bytes. */
static bool calendar_add(struct lw_calendar *calendar, const char *text, size_t n_bytes)
{
    bool every_year = n_bytes == 5;
    const char *month_at = every_year ? text : text + 5;
    int year, month, day;

    if (!every_year && (n_bytes != 10 || text[4] != '-')) {
        return false;
    }
    year = every_year ? FIRST_YEAR : digits_read(text, 4);
    month = digits_read(month_at, 2);
    day = digits_read(month_at + 3, 2);
    if (month_at[2] != '-' || year < FIRST_YEAR || year > LAST_YEAR || month < 1 || month > 12 ||
        day < 1) {
        return false;
    }
    /* In a list for every year the 29th of February is a date: 2000 had one. */
    if (day > lw_civil_month_days(every_year ? 2000 : year, month)) {
        return false;
    }
    if (!every_year) {
        calendar_mark(calendar, year, month, day);
    }
    for (int64_t y = FIRST_YEAR; every_year && y <= LAST_YEAR; y++) {
        if (day <= lw_civil_month_days(y, month)) {
            calendar_mark(calendar, y, month, day);
        }
    }
    return true;
}

static enum lw_status calendar_add_all(struct lw_calendar *calendar, const char *text,
                                       struct lw_error *reterr)
{
    size_t n_entries = 0;

    while (*text != '\0') {
        size_t n_bytes = 0;

        while (text[n_bytes] != '\0' && !is_separator(text[n_bytes])) {
            n_bytes++;
        }
        if (n_bytes > 0) {
            if (++n_entries > LW_CALENDAR_HOLIDAYS_MAX) {
                return lw_error_set(reterr, LW_ELIMIT, "more than %d holidays",
                                    LW_CALENDAR_HOLIDAYS_MAX);
            }
            if (!calendar_add(calendar, text, n_bytes)) {
                return lw_error_set(reterr, LW_EINVAL,
                                    "holiday \"%.*s\": expected a date from %d to %d as "
                                    "2026-12-25, or 12-25 for every year",
                                    n_bytes > 40 ? 40 : (int)n_bytes, text, FIRST_YEAR, LAST_YEAR);
            }
        }
        text += n_bytes + (text[n_bytes] != '\0' ? 1 : 0);
    }
    return LW_OK;
}

enum lw_status lw_calendar_create(const char *zone_name, const char *holidays,
                                  struct lw_calendar **ret_calendar, struct lw_error *reterr)
{
    enum lw_status st = LW_OK;
    struct lw_calendar *calendar = lw_mem_calloc(1, sizeof(*calendar));

    if (calendar == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a calendar of %zu bytes",
                            sizeof(*calendar));
    }
    if (zone_name != NULL && zone_name[0] != '\0') {
        st = lw_zone_load(zone_name, &calendar->zone, reterr);
    }
    if (st == LW_OK && holidays != NULL) {
        st = calendar_add_all(calendar, holidays, reterr);
    }
    if (st == LW_OK) {
        *ret_calendar = calendar;
        calendar = NULL;
    }
    lw_calendar_destroy(calendar);
    return st;
}

void lw_calendar_destroy(struct lw_calendar *calendar)
{
    if (calendar != NULL) {
        lw_zone_destroy(calendar->zone);
        lw_mem_free(calendar);
    }
}

int64_t lw_calendar_local_ns(const struct lw_calendar *calendar, int64_t utc_ns)
{
    if (calendar == NULL || calendar->zone == NULL) {
        return utc_ns;
    }
    return utc_ns +
           lw_zone_offset_s(calendar->zone, lw_floor_divide(utc_ns, SECOND_NS)) * SECOND_NS;
}

bool lw_calendar_is_holiday_local(const struct lw_calendar *calendar, int64_t local_ns)
{
    int64_t day;

    if (calendar == NULL || !calendar->has_holidays) {
        return false;
    }
    day = lw_floor_divide(local_ns, DAY_NS);
    return day >= 0 && day < DAYS && (calendar->holidays[day / 64] >> (day % 64) & 1) != 0;
}

bool lw_calendar_is_holiday(const struct lw_calendar *calendar, int64_t utc_ns)
{
    if (calendar == NULL || !calendar->has_holidays) {
        return false;
    }
    return lw_calendar_is_holiday_local(calendar, lw_calendar_local_ns(calendar, utc_ns));
}
