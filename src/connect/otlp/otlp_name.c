/* Metric and label names: see otlp_name.h. */
#include "connect/otlp/otlp_name.h"

#include <string.h>

/* A name under way: parts joined by "_". Room for the last terminator is always kept. */
struct name {
    char *text;
    size_t n_bytes;
};

struct unit {
    const char *otlp, *prometheus;
};

static const struct unit units[] = {
    {"d", "days"},
    {"h", "hours"},
    {"min", "minutes"},
    {"s", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"By", "bytes"},
    {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},
    {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},
    {"MBy", "megabytes"},
    {"GBy", "gigabytes"},
    {"TBy", "terabytes"},
    {"m", "meters"},
    {"V", "volts"},
    {"A", "amperes"},
    {"J", "joules"},
    {"W", "watts"},
    {"g", "grams"},
    {"Cel", "celsius"},
    {"Hz", "hertz"},
    {"1", ""},
    {"%", "percent"},
};
static const struct unit per_units[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"},
};

static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static bool is_name_byte(char byte)
{
    return is_letter_or_digit(byte) || byte == ':';
}

static struct lw_otlp_text text_of(const char *text)
{
    return (struct lw_otlp_text){text, strlen(text)};
}

static bool text_is(struct lw_otlp_text text, const char *other)
{
    return strlen(other) == text.n_bytes && memcmp(text.text, other, text.n_bytes) == 0;
}

static void name_add(struct name *name, struct lw_otlp_text part)
{
    size_t n_mark = name->n_bytes > 0 ? 1 : 0;

    if (part.n_bytes == 0 || name->n_bytes + n_mark + part.n_bytes >= LW_OTLP_NAME_MAX) {
        return;
    }
    if (n_mark > 0) {
        name->text[name->n_bytes++] = '_';
    }
    memcpy(name->text + name->n_bytes, part.text, part.n_bytes);
    name->n_bytes += part.n_bytes;
}

/* The next run of letters, digits and ":" from *at on; empty at the end. */
static struct lw_otlp_text next_part(struct lw_otlp_text text, size_t *at)
{
    size_t begin;

    while (*at < text.n_bytes && !is_name_byte(text.text[*at])) {
        (*at)++;
    }
    begin = *at;
    while (*at < text.n_bytes && is_name_byte(text.text[*at])) {
        (*at)++;
    }
    return (struct lw_otlp_text){text.text + begin, *at - begin};
}

/* All parts but those that say `but`. */
static void name_add_parts(struct name *name, struct lw_otlp_text text, const char *but)
{
    struct lw_otlp_text part;
    size_t at = 0;

    while ((part = next_part(text, &at)).n_bytes > 0) {
        if (!text_is(part, but)) {
            name_add(name, part);
        }
    }
}

static bool has_part(struct lw_otlp_text text, struct lw_otlp_text wanted)
{
    struct lw_otlp_text part;
    size_t at = 0;

    while ((part = next_part(text, &at)).n_bytes > 0) {
        if (part.n_bytes == wanted.n_bytes && memcmp(part.text, wanted.text, wanted.n_bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* One side of a unit in Prometheus' words; empty where it says nothing: none, or an annotation. */
static struct lw_otlp_text unit_word(struct lw_otlp_text unit, const struct unit *table, size_t n)
{
    while (unit.n_bytes > 0 && unit.text[0] == ' ') {
        unit = (struct lw_otlp_text){unit.text + 1, unit.n_bytes - 1};
    }
    while (unit.n_bytes > 0 && unit.text[unit.n_bytes - 1] == ' ') {
        unit.n_bytes--;
    }
    if (unit.n_bytes == 0 || memchr(unit.text, '{', unit.n_bytes) != NULL ||
        memchr(unit.text, '}', unit.n_bytes) != NULL) {
        return (struct lw_otlp_text){"", 0};
    }
    for (size_t i = 0; i < n; i++) {
        if (text_is(unit, table[i].otlp)) {
            return text_of(table[i].prometheus);
        }
    }
    return unit;
}

/* What the unit says and the metric's own name does not. */
static void name_add_unit(struct name *name, struct lw_otlp_text metric, struct lw_otlp_text unit,
                          const char *but)
{
    const char *slash = unit.n_bytes > 0 ? memchr(unit.text, '/', unit.n_bytes) : NULL;
    size_t n_main = slash != NULL ? (size_t)(slash - unit.text) : unit.n_bytes;
    struct lw_otlp_text word = unit_word((struct lw_otlp_text){unit.text, n_main}, units,
                                         sizeof(units) / sizeof(units[0]));

    if (!has_part(metric, word)) {
        name_add_parts(name, word, but);
    }
    if (slash != NULL) {
        word = unit_word((struct lw_otlp_text){slash + 1, unit.n_bytes - n_main - 1}, per_units,
                         sizeof(per_units) / sizeof(per_units[0]));
        if (word.n_bytes > 0) {
            name_add(name, text_of("per"));
            name_add_parts(name, word, "");
        }
    }
}

void lw_otlp_metric_name(struct lw_otlp_text name, struct lw_otlp_text unit, enum lw_otlp_kind kind,
                         char ret_name[LW_OTLP_NAME_MAX])
{
    struct name built = {.text = ret_name};
    bool is_ratio = kind == LW_OTLP_GAUGE && text_is(unit, "1");
    const char *last = kind == LW_OTLP_TOTAL ? "total" : is_ratio ? "ratio" : "";
    size_t at = 0;

    if (next_part(name, &at).n_bytes > 0) {
        name_add_parts(&built, name, last);
        name_add_unit(&built, name, unit, last);
        name_add(&built, text_of(last));
    }
    if (built.n_bytes > 0 && ret_name[0] >= '0' && ret_name[0] <= '9' &&
        built.n_bytes + 1 < LW_OTLP_NAME_MAX) {
        memmove(ret_name + 1, ret_name, built.n_bytes++);
        ret_name[0] = '_';
    }
    ret_name[built.n_bytes] = '\0';
}

static char label_byte(char byte)
{
    return is_letter_or_digit(byte) ? byte : '_';
}

size_t lw_otlp_label_name(struct lw_otlp_text name, char *ret_name, size_t capacity)
{
    const char *prefix = "";
    size_t n;

    if (name.n_bytes == 0 || name.n_bytes + sizeof("key_") > capacity) {
        return 0;
    }
    if (name.text[0] >= '0' && name.text[0] <= '9') {
        prefix = "key_";
    } else if (label_byte(name.text[0]) == '_' &&
               (name.n_bytes == 1 || label_byte(name.text[1]) != '_')) {
        prefix = "key";
    }
    n = strlen(prefix);
    memcpy(ret_name, prefix, n);
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (((unsigned char)name.text[i] & 0xC0) != 0x80) { /* Not within a character. */
            ret_name[n++] = label_byte(name.text[i]);
        }
    }
    ret_name[n] = '\0';
    return n;
}
