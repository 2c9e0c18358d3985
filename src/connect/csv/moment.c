/* Times of a CSV column: see csv/moment.h. */
#include "connect/csv/moment.h"

#include "base/civil.h"
#include "base/error.h"
#include "connect/csv/decimal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define NS_PER_S 1000000000
#define NS_PER_S_DOUBLE 1e9
/* Seconds of the years 1678 to 2261, whose nanoseconds fit in 64 bits. */
#define SECONDS_LIMIT 9223372000.0

const char *const LW_CSV_PATTERN_NAMES[LW_CSV_PATTERNS] = {
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",       "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",    "%d.%m.%Y %H:%M:%S",    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",          "%d/%m/%Y %H:%M:%S",    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",          "%m/%d/%Y %H:%M:%S",    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",          "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p",
    "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M:%S",    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S",      "%Y%m%dT%H%M%SZ",
};

/* Parts of a moment, as a pattern names them. */
struct parts {
    int year, month, day, hour, minute, second;
    int64_t fraction_ns, offset_s;
    int afternoon; /* -1: not said. */
};

/* One or up to max_digits digits. */
static bool digits_take(const char **at, const char *end, int min_digits, int max_digits,
                        int *ret_number)
{
    int n = 0, number = 0;

    while (n < max_digits && *at < end && (unsigned)(**at - '0') < 10) {
        number = number * 10 + (**at - '0');
        (*at)++;
        n++;
    }
    *ret_number = number;
    return n >= min_digits;
}

static bool fraction_take(const char **at, const char *end, int64_t *ret_ns)
{
    int64_t digit_ns = NS_PER_S / 10;
    const char *first = *at;

    *ret_ns = 0;
    for (; *at < end && (unsigned)(**at - '0') < 10; (*at)++, digit_ns /= 10) {
        *ret_ns += (**at - '0') * digit_ns;
    }
    return *at > first;
}

static bool zone_take(const char **at, const char *end, int64_t *ret_offset_s)
{
    int hours, minutes, sign;

    if (*at < end && (**at == 'Z' || **at == 'z')) {
        (*at)++;
        return true;
    }
    if (*at == end || (**at != '+' && **at != '-')) {
        return false;
    }
    sign = **at == '-' ? -1 : 1;
    (*at)++;
    if (!digits_take(at, end, 2, 2, &hours)) {
        return false;
    }
    if (*at < end && **at == ':') {
        (*at)++;
    }
    if (!digits_take(at, end, 2, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *ret_offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool month_name_take(const char **at, const char *end, int *ret_month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int month = 0; month < 12 && end - *at >= 3; month++) {
        if (strncasecmp(*at, names + (size_t)month * 3, 3) == 0) {
            *at += 3;
            *ret_month = month + 1;
            return true;
        }
    }
    return false;
}

static bool half_take(const char **at, const char *end, int *ret_afternoon)
{
    if (end - *at < 2 || ((*at)[1] != 'm' && (*at)[1] != 'M')) {
        return false;
    }
    *ret_afternoon = **at == 'p' || **at == 'P' ? 1 : 0;
    *at += 2;
    return true;
}

static bool part_take(char letter, const char **at, const char *end, struct parts *parts)
{
    switch (letter) {
    case 'Y':
        return digits_take(at, end, 4, 4, &parts->year);
    case 'y':
        if (!digits_take(at, end, 2, 2, &parts->year)) {
            return false;
        }
        parts->year += parts->year < 69 ? 2000 : 1900;
        return true;
    case 'm':
        return digits_take(at, end, 1, 2, &parts->month);
    case 'b':
        return month_name_take(at, end, &parts->month);
    case 'd':
        return digits_take(at, end, 1, 2, &parts->day);
    case 'H':
    case 'I':
        return digits_take(at, end, 1, 2, &parts->hour);
    case 'M':
        return digits_take(at, end, 2, 2, &parts->minute);
    case 'S':
        return digits_take(at, end, 2, 2, &parts->second);
    case 'f':
        return fraction_take(at, end, &parts->fraction_ns);
    case 'p':
        return half_take(at, end, &parts->afternoon);
    case 'z':
        return zone_take(at, end, &parts->offset_s);
    default:
        return *at < end && *(*at)++ == letter;
    }
}

/* A letter of the pattern that stands for itself. */
static bool letter_take(char letter, const char **at, const char *end)
{
    if (letter != ' ') {
        return *at < end && *(*at)++ == letter;
    }
    if (*at == end || **at != ' ') {
        return false;
    }
    while (*at < end && **at == ' ') {
        (*at)++;
    }
    return true;
}

static bool parts_join(const struct parts *parts, int64_t *ret_ns)
{
    int hour = parts->hour;
    int64_t seconds;

    if (parts->afternoon >= 0) {
        if (hour < 1 || hour > 12) {
            return false;
        }
        hour = hour % 12 + 12 * parts->afternoon;
    }
    if (parts->month < 1 || parts->month > 12 || parts->day < 1 || parts->year < 1678 ||
        parts->year > 2261 || parts->day > lw_civil_month_days(parts->year, parts->month) ||
        hour > 23 || parts->minute > 59 || parts->second > 60) {
        return false;
    }
    seconds = lw_civil_to_days(parts->year, parts->month, parts->day) * 86400 + hour * 3600 +
              parts->minute * 60 + parts->second - parts->offset_s;
    *ret_ns = seconds * NS_PER_S + parts->fraction_ns;
    return true;
}

bool lw_csv_pattern_parse(const char *pattern, const char *text, size_t n_bytes, int64_t *ret_ns)
{
    struct parts parts = {.month = 1, .day = 1, .afternoon = -1};
    const char *at = text;
    const char *end = text + n_bytes;

    for (; *pattern != '\0'; pattern++) {
        bool fits;

        if (*pattern == '%' && pattern[1] != '\0') {
            pattern++;
            fits = part_take(*pattern, &at, end, &parts);
        } else {
            fits = letter_take(*pattern, &at, end);
        }
        if (!fits) {
            return false;
        }
    }
    return at == end && parts_join(&parts, ret_ns);
}

enum lw_status lw_csv_moment_format_read(const char *text, struct lw_csv_moment_format *ret_format,
                                         struct lw_error *reterr)
{
    static const char *const units[] = {"s", "ms", "us", "ns"};
    struct lw_csv_moment_format format = {.kind = LW_CSV_MOMENT_PATTERN};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i]) == 0) {
            *ret_format = (struct lw_csv_moment_format){.kind = LW_CSV_MOMENT_EPOCH,
                                                        .unit = (enum lw_time_unit)i};
            return LW_OK;
        }
    }
    if (strcasecmp(text, "iso") == 0) {
        *ret_format = (struct lw_csv_moment_format){.kind = LW_CSV_MOMENT_ISO};
        return LW_OK;
    }
    if (strchr(text, '%') == NULL || strlen(text) >= sizeof(format.pattern)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "time format \"%.100s\" is not s, ms, us, ns, iso or a pattern such as "
                            "\"%%d.%%m.%%Y %%H:%%M\" "
                            "shorter than %d letters",
                            text, LW_CSV_PATTERN_MAX);
    }
    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] == '\0' || strchr("YymbdHIMSfpz%", at[1]) == NULL) {
            return lw_error_set(
                reterr, LW_EINVAL,
                "time format \"%s\": %%%c is not one of %%Y %%y %%m %%b %%d %%H %%I %%M %%S "
                "%%f %%p %%z",
                text, at[1] == '\0' ? ' ' : at[1]);
        }
    }
    memcpy(format.pattern, text, strlen(text) + 1);
    *ret_format = format;
    return LW_OK;
}

/* Epoch numbers, also those that a spreadsheet wrote as 1.424986973e9. */
static bool epoch_parse(enum lw_time_unit unit, const char *text, size_t n_bytes, int64_t *ret_ns)
{
    static const double units_per_s[] = {1.0, 1e3, 1e6, 1e9};
    double value, seconds, whole;

    if (lw_time_parse_epoch(text, n_bytes, unit, ret_ns)) {
        return true;
    }
    if (!lw_csv_decimal_parse(text, n_bytes, '.', &value) || isinf(value)) {
        return false;
    }
    seconds = value / units_per_s[unit];
    if (fabs(seconds) >= SECONDS_LIMIT) {
        return false;
    }
    whole = floor(seconds);
    *ret_ns = (int64_t)whole * NS_PER_S + (int64_t)floor((seconds - whole) * NS_PER_S_DOUBLE + 0.5);
    return true;
}

static bool moment_parse_anew(const struct lw_csv_moment_format *format, const char *text,
                              size_t n_bytes, int64_t *ret_ns)
{
    switch (format->kind) {
    case LW_CSV_MOMENT_EPOCH:
        return epoch_parse(format->unit, text, n_bytes, ret_ns);
    case LW_CSV_MOMENT_ISO:
        return lw_time_parse_iso(text, n_bytes, ret_ns);
    case LW_CSV_MOMENT_PATTERN:
        return lw_csv_pattern_parse(format->pattern, text, n_bytes, ret_ns);
    case LW_CSV_MOMENT_ROW:
        break;
    }
    return false;
}

bool lw_csv_moment_parse(struct lw_csv_moment *moment, const char *text, size_t n_bytes,
                         int64_t *ret_ns)
{
    if (n_bytes > 0 && n_bytes == moment->n_cached && memcmp(moment->cached, text, n_bytes) == 0) {
        *ret_ns = moment->cached_ns;
        return true;
    }
    if (!moment_parse_anew(&moment->format, text, n_bytes, ret_ns)) {
        return false;
    }
    if (n_bytes <= sizeof(moment->cached)) {
        memcpy(moment->cached, text, n_bytes);
        moment->n_cached = n_bytes;
        moment->cached_ns = *ret_ns;
    }
    return true;
}
