/* Option tables: see base/option.h. */
#include "base/option.h"

#include "base/error.h"
#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHRASE_MAX 256 /* Bytes of "a duration from 1ms to 7d" or of an enum's choices. */

struct unit {
    const char *name;
    int64_t size;
};

/* Longest first, as lw_duration_format and exact_format walk them. */
static const struct unit duration_units[] = {
    {"w", 604800000000000}, {"d", 86400000000000}, {"h", 3600000000000}, {"m", 60000000000},
    {"s", 1000000000},      {"ms", 1000000},       {"us", 1000},         {"ns", 1}};
static const struct unit size_units[] = {{"TiB", (int64_t)1 << 40},
                                         {"GiB", (int64_t)1 << 30},
                                         {"MiB", (int64_t)1 << 20},
                                         {"KiB", (int64_t)1 << 10},
                                         {"B", 1}};

#define N_DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))
#define N_SIZE_UNITS (sizeof(size_units) / sizeof(size_units[0]))

static const struct unit *unit_find(const struct unit *units, size_t n_units, const char *name,
                                    size_t length)
{
    for (size_t i = 0; i < n_units; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

/* The value of ".25"; 0 where text begins with no such thing. Moves past it. */
static double fraction_read(const char **text)
{
    double fraction = 0.0, scale = 1.0;
    const char *at = *text;

    if (at[0] != '.' || !isdigit((unsigned char)at[1])) {
        return 0.0;
    }
    for (at++; isdigit((unsigned char)*at); at++) {
        fraction = fraction * 10.0 + (*at - '0');
        scale *= 10.0;
    }
    *text = at;
    return fraction / scale;
}

/*
 * One or more of digits[.digits]unit, with spaces between, added up; false when the text is not
 * that or does not fit. Whole parts are exact; of a fraction what lies below one is dropped.
 */
static bool quantity_parse(const char *text, const struct unit *units, size_t n_units,
                           int64_t *ret_sum)
{
    int64_t sum = 0;

    do {
        char *end;
        const struct unit *unit;
        double fraction;
        int64_t whole;
        size_t length;

        text += strspn(text, " ");
        if (!isdigit((unsigned char)*text)) {
            return false;
        }
        errno = 0;
        whole = strtoll(text, &end, 10);
        text = end;
        fraction = fraction_read(&text);
        text += strspn(text, " ");
        length = strcspn(text, " 0123456789.");
        unit = unit_find(units, n_units, text, length);
        if (errno != 0 || unit == NULL || __builtin_mul_overflow(whole, unit->size, &whole) ||
            __builtin_add_overflow(whole, (int64_t)floor(fraction * (double)unit->size), &whole) ||
            __builtin_add_overflow(sum, whole, &sum)) {
            return false;
        }
        text += length;
    } while (*text != '\0');
    *ret_sum = sum;
    return true;
}

static bool duration_parse(const char *text, int64_t *ret_ns)
{
    if (strcmp(text, "0") == 0 || strcmp(text, "off") == 0) {
        *ret_ns = 0;
        return true;
    }
    return quantity_parse(text, duration_units, N_DURATION_UNITS, ret_ns);
}

enum lw_status lw_duration_parse(const char *text, int64_t *ret_ns, struct lw_error *reterr)
{
    int64_t ns;

    if (!duration_parse(text, &ns)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "expected a duration such as \"250ms\", \"10s\" or \"7d\", got \"%s\"",
                            text);
    }
    *ret_ns = ns;
    return LW_OK;
}

int lw_duration_format(int64_t ns, char *ret_text, size_t capacity)
{
    const char *sign = ns < 0 ? "-" : "";
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    uint64_t first, second;
    size_t i = 1; /* Weeks are for input: people count days. */

    while (i + 1 < N_DURATION_UNITS && left < (uint64_t)duration_units[i].size) {
        i++;
    }
    first = left / (uint64_t)duration_units[i].size;
    if (i + 1 == N_DURATION_UNITS) {
        return snprintf(ret_text, capacity, "%s%llu%s", sign, (unsigned long long)first,
                        left == 0 ? "s" : "ns");
    }
    second = left % (uint64_t)duration_units[i].size / (uint64_t)duration_units[i + 1].size;
    if (second == 0) {
        return snprintf(ret_text, capacity, "%s%llu%s", sign, (unsigned long long)first,
                        duration_units[i].name);
    }
    return snprintf(ret_text, capacity, "%s%llu%s %llu%s", sign, (unsigned long long)first,
                    duration_units[i].name, (unsigned long long)second, duration_units[i + 1].name);
}

/* The one unit that gives a whole number, so that it reads back as the same value. */
static int exact_format(int64_t value, const struct unit *units, size_t n_units, char *ret_text,
                        size_t capacity)
{
    for (size_t i = 0; i < n_units; i++) {
        if (value != 0 && value % units[i].size == 0) {
            return snprintf(ret_text, capacity, "%lld%s", (long long)(value / units[i].size),
                            units[i].name);
        }
    }
    return snprintf(ret_text, capacity, "%lld", (long long)value);
}

/* A bound or value in the option's held unit, as a user would write it. */
static int number_format(const struct lw_option *option, double value, char *ret_text,
                         size_t capacity)
{
    char text[LW_DOUBLE_TEXT_MAX];
    int64_t whole;

    if (option->type == LW_OPTION_DOUBLE || fabs(value) >= 0x1p+63) {
        (void)lw_double_format(value, text);
        return snprintf(ret_text, capacity, "%s", text);
    }
    whole = (int64_t)value;
    if (option->type == LW_OPTION_DURATION) {
        return exact_format(whole, duration_units + 1, N_DURATION_UNITS - 1, ret_text, capacity);
    }
    if (option->type == LW_OPTION_SIZE) {
        return exact_format(whole, size_units, N_SIZE_UNITS, ret_text, capacity);
    }
    return snprintf(ret_text, capacity, "%lld", (long long)whole);
}

/* What the option accepts, in words. */
static void expected_format(const struct lw_option *option, char ret_phrase[PHRASE_MAX])
{
    static const char *const nouns[] = {[LW_OPTION_INT] = "a whole number",
                                        [LW_OPTION_DOUBLE] = "a number",
                                        [LW_OPTION_DURATION] = "a duration",
                                        [LW_OPTION_SIZE] = "a size"};
    char least[LW_DOUBLE_TEXT_MAX], greatest[LW_DOUBLE_TEXT_MAX];
    size_t length = 0;

    switch (option->type) {
    case LW_OPTION_BOOL:
        (void)snprintf(ret_phrase, PHRASE_MAX, "true or false");
        return;
    case LW_OPTION_TEXT:
        (void)snprintf(ret_phrase, PHRASE_MAX, "a text of at most %zu bytes", option->capacity - 1);
        return;
    case LW_OPTION_ENUM:
        for (size_t i = 0; option->choices[i] != NULL && length < PHRASE_MAX; i++) {
            const char *join = i == 0 ? "" : (option->choices[i + 1] == NULL ? " or " : ", ");

            length += (size_t)snprintf(ret_phrase + length, PHRASE_MAX - length, "%s%s", join,
                                       option->choices[i]);
        }
        return;
    case LW_OPTION_INT:
    case LW_OPTION_DOUBLE:
    case LW_OPTION_DURATION:
    case LW_OPTION_SIZE:
        break;
    }
    (void)number_format(option, option->min, least, sizeof(least));
    (void)number_format(option, option->max, greatest, sizeof(greatest));
    (void)snprintf(ret_phrase, PHRASE_MAX, "%s from %s to %s", nouns[option->type], least,
                   greatest);
}

static bool bool_parse(const char *text, bool *ret_value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool int_parse(const char *text, int64_t *ret_value)
{
    char *end;

    errno = 0;
    *ret_value = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && !isspace((unsigned char)*text);
}

/* "inf" is a number where the option's bounds let it pass. */
static bool double_parse(const char *text, double *ret_value)
{
    char *end;

    *ret_value = strtod(text, &end);
    return end != text && *end == '\0' && !isspace((unsigned char)*text) && !isnan(*ret_value);
}

static bool size_parse(const char *text, int64_t *ret_bytes)
{
    return int_parse(text, ret_bytes) || quantity_parse(text, size_units, N_SIZE_UNITS, ret_bytes);
}

static bool is_within(const struct lw_option *option, double value)
{
    return value >= option->min && value <= option->max;
}

/* Parses, checks and stores; false leaves the field alone. */
static bool option_store(const struct lw_option *option, void *ret_struct, const char *text)
{
    unsigned char *field = (unsigned char *)ret_struct + option->offset;
    int64_t whole = 0;
    double number = 0.0;
    bool truth = false;
    bool is_good = false;

    switch (option->type) {
    case LW_OPTION_BOOL:
        is_good = bool_parse(text, &truth);
        if (is_good) {
            memcpy(field, &truth, sizeof(truth));
        }
        return is_good;
    case LW_OPTION_DOUBLE:
        is_good = double_parse(text, &number) && is_within(option, number);
        if (is_good) {
            memcpy(field, &number, sizeof(number));
        }
        return is_good;
    case LW_OPTION_ENUM:
        for (int i = 0; option->choices[i] != NULL; i++) {
            if (strcmp(option->choices[i], text) == 0) {
                memcpy(field, &i, sizeof(i));
                return true;
            }
        }
        return false;
    case LW_OPTION_TEXT:
        is_good = strlen(text) < option->capacity;
        if (is_good) {
            memcpy(field, text, strlen(text) + 1);
        }
        return is_good;
    case LW_OPTION_INT:
        is_good = int_parse(text, &whole);
        break;
    case LW_OPTION_DURATION:
        is_good = duration_parse(text, &whole);
        break;
    case LW_OPTION_SIZE:
        is_good = size_parse(text, &whole);
        break;
    }
    is_good = is_good && is_within(option, (double)whole);
    if (is_good) {
        memcpy(field, &whole, sizeof(whole));
    }
    return is_good;
}

void lw_options_default(const struct lw_option *table, size_t n, void *ret_struct)
{
    for (size_t i = 0; i < n; i++) {
        bool is_stored = option_store(&table[i], ret_struct, table[i].fallback);

        assert(is_stored);
        (void)is_stored;
    }
}

const struct lw_option *lw_options_find(const struct lw_option *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static const char *nearest_name(const struct lw_option *table, size_t n, const char *name)
{
    size_t least = SIZE_MAX;
    const char *nearest = "";

    for (size_t i = 0; i < n; i++) {
        size_t distance = lw_text_distance(name, table[i].name);

        if (distance < least) {
            least = distance;
            nearest = table[i].name;
        }
    }
    return nearest;
}

enum lw_status lw_options_set(const struct lw_option *table, size_t n, void *ret_struct,
                              const char *name, const char *text, struct lw_error *reterr)
{
    const struct lw_option *option = lw_options_find(table, n, name);
    char phrase[PHRASE_MAX];

    if (option == NULL && n == 0) {
        return lw_error_set(reterr, LW_ENOTFOUND, "no option \"%s\"; there are none here", name);
    }
    if (option == NULL) {
        return lw_error_set(reterr, LW_ENOTFOUND, "no option \"%s\"; the nearest is \"%s\"", name,
                            nearest_name(table, n, name));
    }
    if (!option_store(option, ret_struct, text)) {
        expected_format(option, phrase);
        return lw_error_set(reterr, LW_EINVAL, "%s: expected %s, got \"%s\"", name, phrase, text);
    }
    return LW_OK;
}

int lw_option_format(const struct lw_option *option, const void *from_struct, char *ret_text,
                     size_t capacity)
{
    const unsigned char *field = (const unsigned char *)from_struct + option->offset;
    char number_text[LW_DOUBLE_TEXT_MAX];
    int64_t whole;
    double number;
    bool truth;
    int choice;

    switch (option->type) {
    case LW_OPTION_BOOL:
        memcpy(&truth, field, sizeof(truth));
        return snprintf(ret_text, capacity, "%s", truth ? "true" : "false");
    case LW_OPTION_DOUBLE:
        memcpy(&number, field, sizeof(number));
        (void)lw_double_format(number, number_text);
        return snprintf(ret_text, capacity, "%s", number_text);
    case LW_OPTION_ENUM:
        memcpy(&choice, field, sizeof(choice));
        return snprintf(ret_text, capacity, "%s", option->choices[choice]);
    case LW_OPTION_TEXT:
        return snprintf(ret_text, capacity, "%s", (const char *)field);
    case LW_OPTION_INT:
    case LW_OPTION_DURATION:
    case LW_OPTION_SIZE:
        break;
    }
    memcpy(&whole, field, sizeof(whole));
    if (option->type == LW_OPTION_DURATION) {
        return exact_format(whole, duration_units + 1, N_DURATION_UNITS - 1, ret_text, capacity);
    }
    if (option->type == LW_OPTION_SIZE) {
        return exact_format(whole, size_units, N_SIZE_UNITS, ret_text, capacity);
    }
    return snprintf(ret_text, capacity, "%lld", (long long)whole);
}

/* ---- for reference pages ---- */

const char *lw_option_type_name(enum lw_option_type type)
{
    static const char *const NAMES[] = {"yes or no", "integer", "number", "duration",
                                        "size",      "one of",  "text"};

    return NAMES[type];
}

/* One end of the bounds as a user would write it. */
static void bound_write(const struct lw_option *option, double bound, char *ret_text,
                        size_t capacity)
{
    if (option->type == LW_OPTION_DURATION) {
        (void)lw_duration_format((int64_t)bound, ret_text, capacity);
    } else {
        (void)snprintf(ret_text, capacity, "%.6g", bound);
    }
}

void lw_option_bounds(const struct lw_option *option, char *ret_text, size_t capacity)
{
    char least[32], most[32];
    size_t at = 0;

    ret_text[0] = '\0';
    switch (option->type) {
    case LW_OPTION_ENUM:
        for (size_t i = 0; option->choices[i] != NULL && at < capacity; i++) {
            at += (size_t)snprintf(ret_text + at, capacity - at, "%s%s", i == 0 ? "" : ", ",
                                   option->choices[i]);
        }
        break;
    case LW_OPTION_INT:
    case LW_OPTION_DOUBLE:
    case LW_OPTION_DURATION:
    case LW_OPTION_SIZE:
        if (isinf(option->min) && isinf(option->max)) {
            break;
        }
        bound_write(option, option->min, least, sizeof(least));
        bound_write(option, option->max, most, sizeof(most));
        (void)snprintf(ret_text, capacity, "%s%s%s%s", isinf(option->max) ? "at least " : "", least,
                       isinf(option->max) ? "" : " to ", isinf(option->max) ? "" : most);
        break;
    case LW_OPTION_BOOL:
    case LW_OPTION_TEXT:
        break;
    }
}
