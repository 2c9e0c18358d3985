/* Fields and figures of a report: see cli/train_fields.h. */
#include "cli/train_fields.h"

#include "base/option.h"
#include "cli/progress.h"
#include "cli/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KEY_MAX 64
/* Earlier than this no metrics were kept: rows without times are counted from 1970 on. */
#define TIMES_FROM_S (365.25 * 86400.0)

const json_t *lw_field(const json_t *from, const char *path)
{
    while (from != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        char key[KEY_MAX];

        if (length >= sizeof(key)) {
            return NULL;
        }
        memcpy(key, path, length);
        key[length] = '\0';
        from = json_object_get(from, key);
        path += length + (path[length] == '.' ? 1 : 0);
    }
    return json_is_null(from) ? NULL : from;
}

double lw_field_number(const json_t *from, const char *path)
{
    const json_t *field = lw_field(from, path);

    return json_is_number(field) ? json_number_value(field) : (double)NAN;
}

const char *lw_field_text(const json_t *from, const char *path)
{
    const char *text = json_string_value(lw_field(from, path));

    return text == NULL ? "" : text;
}

bool lw_field_is(const json_t *from, const char *path)
{
    return json_is_true(lw_field(from, path));
}

const json_t *lw_field_item(const json_t *from, const char *path, size_t i)
{
    return json_array_get(lw_field(from, path), i);
}

size_t lw_field_count(const json_t *from, const char *path)
{
    return json_array_size(lw_field(from, path));
}

double lw_report_member_ns(const json_t *report, const char *name)
{
    for (size_t i = 0; i < lw_field_count(report, "timing.members"); i++) {
        const json_t *member = lw_field_item(report, "timing.members", i);

        if (strcmp(lw_field_text(member, "name"), name) == 0) {
            return lw_field_number(member, "ns_per_vector");
        }
    }
    return (double)NAN;
}

/* Three significant digits, without an exponent where a person would write none. */
static void digits_put(double value, char *ret_text, size_t capacity)
{
    double size = fabs(value);
    int decimals = size >= 99.95 || size == floor(size) ? 0
                   : size >= 9.995                      ? 1
                   : size >= 0.0995                     ? 2
                   : size >= 0.00995                    ? 3
                                                        : 4;

    (void)snprintf(ret_text, capacity, "%.*f", decimals, value);
    if (size > 0.0 && size < 5e-5) {
        (void)snprintf(ret_text, capacity, "%.1e", value);
    }
}

const char *lw_figure(double value, char ret_text[LW_FIGURE_MAX])
{
    if (isnan(value)) {
        (void)snprintf(ret_text, LW_FIGURE_MAX, "-");
    } else if (fabs(value) >= 999.5) {
        char count[32];

        lw_count_format(fabs(value), count, sizeof(count));
        (void)snprintf(ret_text, LW_FIGURE_MAX, "%s%s", value < 0.0 ? "-" : "", count);
    } else {
        digits_put(value, ret_text, LW_FIGURE_MAX);
    }
    return ret_text;
}

/* A figure with a unit behind it. */
static const char *scaled(double value, const char *unit, char ret_text[LW_FIGURE_MAX])
{
    char digits[24];

    digits_put(value, digits, sizeof(digits));
    (void)snprintf(ret_text, LW_FIGURE_MAX, "%s %s", digits, unit);
    return ret_text;
}

const char *lw_figure_share(double share, char ret_text[LW_FIGURE_MAX])
{
    return isnan(share) ? lw_figure(share, ret_text) : scaled(share * 100.0, "%", ret_text);
}

const char *lw_figure_bytes(double bytes, char ret_text[LW_FIGURE_MAX])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;

    if (isnan(bytes)) {
        return lw_figure(bytes, ret_text);
    }
    while (bytes >= 999.5 && unit < 4) {
        bytes /= 1000.0;
        unit++;
    }
    return scaled(bytes, units[unit], ret_text);
}

const char *lw_figure_ns(double ns, char ret_text[LW_FIGURE_MAX])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t unit = 0;

    if (isnan(ns)) {
        return lw_figure(ns, ret_text);
    }
    while (ns >= 999.5 && unit < 3) {
        ns /= 1000.0;
        unit++;
    }
    return scaled(ns, units[unit], ret_text);
}

const char *lw_figure_seconds(double seconds, char ret_text[LW_FIGURE_MAX])
{
    if (isnan(seconds) || fabs(seconds) > 9e9) {
        return lw_figure((double)NAN, ret_text);
    }
    if (fabs(seconds) >= 60.0) {
        seconds = round(seconds);
    }
    (void)lw_duration_format((int64_t)llround(seconds * 1e3) * 1000000, ret_text, LW_FIGURE_MAX);
    return ret_text;
}

const char *lw_figure_moment(double seconds, char ret_text[LW_FIGURE_MAX])
{
    if (isnan(seconds) || fabs(seconds) > 9e9) {
        return lw_figure((double)NAN, ret_text);
    }
    lw_moment_format((int64_t)llround(seconds) * INT64_C(1000000000), ret_text, LW_FIGURE_MAX);
    return ret_text;
}

const char *lw_figure_count(double count, const char *what, char ret_text[LW_FIGURE_MAX])
{
    char digits[32], *to = ret_text;
    int n;

    if (isnan(count)) {
        (void)snprintf(ret_text, LW_FIGURE_MAX, "- %.30s", what);
        return ret_text;
    }
    n = snprintf(digits, sizeof(digits), "%.0f", fmin(fmax(count, 0.0), 1e15));
    for (int i = 0; i < n; i++) {
        *to++ = digits[i];
        if ((n - i - 1) % 3 == 0 && i + 1 < n) {
            *to++ = ',';
        }
    }
    (void)snprintf(to, (size_t)(ret_text + LW_FIGURE_MAX - to), "%s%.20s%s",
                   what[0] == '\0' ? "" : " ", what, what[0] == '\0' || count == 1.0 ? "" : "s");
    return ret_text;
}

bool lw_report_has_times(const json_t *report)
{
    return lw_field_number(report, "data.end") > TIMES_FROM_S;
}
