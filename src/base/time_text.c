/* Times as text: see base/time_text.h. Hand-written because strptime knows no fraction and reads
 * the locale. */
#include "base/time_text.h"

#include "base/civil.h"

#define NS_PER_S 1000000000
#define SECONDS_PER_DAY 86400
/* Whole seconds whose every nanosecond fits in int64_t. */
#define SECONDS_MIN (INT64_MIN / NS_PER_S + 1)
#define SECONDS_MAX (INT64_MAX / NS_PER_S - 1)

/* What is left of the text to read. */
struct cursor {
    const char *at;
    const char *end;
};

static bool cursor_at(const struct cursor *cursor, char wanted)
{
    return cursor->at < cursor->end && *cursor->at == wanted;
}

static bool cursor_skip(struct cursor *cursor, char wanted)
{
    if (!cursor_at(cursor, wanted)) {
        return false;
    }
    cursor->at++;
    return true;
}

static bool cursor_at_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* Exactly n digits. */
static bool cursor_number(struct cursor *cursor, int n, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < n; i++) {
        if (!cursor_at_digit(cursor)) {
            return false;
        }
        number = number * 10 + (*cursor->at - '0');
        cursor->at++;
    }
    *ret_number = number;
    return true;
}

/* Digits of a fraction of `unit_ns`, in nanoseconds; those below one nanosecond are dropped. At
 * least one. */
static bool cursor_fraction(struct cursor *cursor, int64_t unit_ns, int64_t *ret_ns)
{
    int64_t ns = 0;
    int64_t digit_ns = unit_ns / 10;

    if (!cursor_at_digit(cursor)) {
        return false;
    }
    for (; cursor_at_digit(cursor); cursor->at++, digit_ns /= 10) {
        ns += (*cursor->at - '0') * digit_ns;
    }
    *ret_ns = ns;
    return true;
}

static bool cursor_date(struct cursor *cursor, int64_t *ret_days)
{
    int year, month, day;
    char separator;

    if (!cursor_number(cursor, 4, &year) || cursor->at == cursor->end) {
        return false;
    }
    separator = *cursor->at;
    if ((separator != '-' && separator != '/') || !cursor_skip(cursor, separator) ||
        !cursor_number(cursor, 2, &month) || !cursor_skip(cursor, separator) ||
        !cursor_number(cursor, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > lw_civil_month_days(year, month)) {
        return false;
    }
    *ret_days = lw_civil_to_days(year, month, day);
    return true;
}

/* hh:mm[:ss[.fraction]] */
static bool cursor_time(struct cursor *cursor, int64_t *ret_s, int64_t *ret_ns)
{
    int hour, minute, second = 0;

    *ret_ns = 0;
    if (!cursor_number(cursor, 2, &hour) || !cursor_skip(cursor, ':') ||
        !cursor_number(cursor, 2, &minute)) {
        return false;
    }
    if (cursor_skip(cursor, ':')) {
        if (!cursor_number(cursor, 2, &second)) {
            return false;
        }
        if ((cursor_skip(cursor, '.') || cursor_skip(cursor, ',')) &&
            !cursor_fraction(cursor, NS_PER_S, ret_ns)) {
            return false;
        }
    }
    *ret_s = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

/* Seconds to take away for the zone at the end of the text: nothing, Z, UTC or an offset. */
static bool cursor_zone(struct cursor *cursor, int64_t *ret_offset_s)
{
    int hours, minutes = 0;
    int sign;

    *ret_offset_s = 0;
    if (cursor->at == cursor->end || cursor_skip(cursor, 'Z') || cursor_skip(cursor, 'z')) {
        return true;
    }
    (void)cursor_skip(cursor, ' ');
    if (cursor_skip(cursor, 'U')) {
        return cursor_skip(cursor, 'T') && cursor_skip(cursor, 'C');
    }
    sign = cursor_at(cursor, '-') ? -1 : 1;
    if ((!cursor_skip(cursor, '-') && !cursor_skip(cursor, '+')) ||
        !cursor_number(cursor, 2, &hours)) {
        return false;
    }
    if ((cursor_skip(cursor, ':') || cursor_at_digit(cursor)) &&
        !cursor_number(cursor, 2, &minutes)) {
        return false;
    }
    *ret_offset_s = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static bool time_join(int64_t seconds, int64_t fraction_ns, int64_t *ret_ns)
{
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
        return false;
    }
    *ret_ns = seconds * NS_PER_S + fraction_ns;
    return true;
}

bool lw_time_parse_iso(const char *text, size_t n_bytes, int64_t *ret_ns)
{
    struct cursor cursor = {text, text + n_bytes};
    int64_t days, offset_s = 0, second_of_day = 0, fraction_ns = 0;

    if (!cursor_date(&cursor, &days)) {
        return false;
    }
    if (cursor.at < cursor.end) {
        if (!cursor_skip(&cursor, ' ') && !cursor_skip(&cursor, 'T') &&
            !cursor_skip(&cursor, 't')) {
            return false;
        }
        if (!cursor_time(&cursor, &second_of_day, &fraction_ns) ||
            !cursor_zone(&cursor, &offset_s)) {
            return false;
        }
    }
    return cursor.at == cursor.end &&
           time_join(days * SECONDS_PER_DAY + second_of_day - offset_s, fraction_ns, ret_ns);
}

/* Reads [-+]digits[.digits]; the whole part, and the fraction in nanoseconds of a unit of unit_ns.
 */
static bool epoch_read(struct cursor *cursor, int64_t unit_ns, int64_t *ret_whole,
                       int64_t *ret_fraction_ns)
{
    int64_t whole = 0;
    const char *first;

    first = cursor->at;
    *ret_fraction_ns = 0;
    for (; cursor_at_digit(cursor); cursor->at++) {
        if (whole > INT64_MAX / 10 - 1) {
            return false;
        }
        whole = whole * 10 + (*cursor->at - '0');
    }
    *ret_whole = whole;
    if (cursor->at == first) {
        return false;
    }
    if (cursor_skip(cursor, '.') && !cursor_fraction(cursor, unit_ns, ret_fraction_ns)) {
        return false;
    }
    return cursor->at == cursor->end;
}

bool lw_time_parse_epoch(const char *text, size_t n_bytes, enum lw_time_unit unit, int64_t *ret_ns)
{
    static const int64_t unit_ns[] = {1000000000, 1000000, 1000, 1};
    struct cursor cursor = {text, text + n_bytes};
    bool is_negative = cursor_at(&cursor, '-');
    int64_t whole, fraction_ns;

    if (!cursor_skip(&cursor, '-')) {
        (void)cursor_skip(&cursor, '+');
    }
    if (!epoch_read(&cursor, unit_ns[unit], &whole, &fraction_ns) ||
        whole > INT64_MAX / unit_ns[unit] - 1) {
        return false;
    }
    whole = whole * unit_ns[unit] + fraction_ns;
    *ret_ns = is_negative ? -whole : whole;
    return true;
}

bool lw_time_guess_unit(const char *text, size_t n_bytes, enum lw_time_unit *ret_unit)
{
    struct cursor cursor = {text, text + n_bytes};
    int64_t whole, fraction_ns;

    if (!cursor_skip(&cursor, '-')) {
        (void)cursor_skip(&cursor, '+');
    }
    if (!epoch_read(&cursor, NS_PER_S, &whole, &fraction_ns)) {
        return false;
    }
    if (whole < 100000000000) {
        *ret_unit = LW_TIME_S;
    } else if (whole < 100000000000000) {
        *ret_unit = LW_TIME_MS;
    } else {
        *ret_unit = whole < 100000000000000000 ? LW_TIME_US : LW_TIME_NS;
    }
    return true;
}

/* n digits of number at `at`, leading zeros kept; returns the place behind them. */
static char *digits_put(char *at, int64_t number, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return at + n;
}

size_t lw_time_format(int64_t ns, char ret_text[LW_TIME_TEXT_MAX])
{
    int64_t seconds = lw_floor_divide(ns, NS_PER_S);
    int64_t fraction = ns % NS_PER_S + (ns % NS_PER_S < 0 ? NS_PER_S : 0);
    int64_t days = lw_floor_divide(seconds, SECONDS_PER_DAY);
    int64_t second = seconds - days * SECONDS_PER_DAY;
    struct lw_civil date = lw_civil_from_days(days);
    char *at = digits_put(ret_text, date.year, 4);

    *at++ = '-';
    at = digits_put(at, date.month, 2);
    *at++ = '-';
    at = digits_put(at, date.day, 2);
    *at++ = 'T';
    at = digits_put(at, second / 3600, 2);
    *at++ = ':';
    at = digits_put(at, second / 60 % 60, 2);
    *at++ = ':';
    at = digits_put(at, second % 60, 2);
    if (fraction != 0) {
        int n_digits = fraction % 1000000 == 0 ? 3 : (fraction % 1000 == 0 ? 6 : 9);

        *at++ = '.';
        at = digits_put(
            at, n_digits == 3 ? fraction / 1000000 : (n_digits == 6 ? fraction / 1000 : fraction),
            n_digits);
    }
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - ret_text);
}
