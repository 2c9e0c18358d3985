/* Lines of expositions: see exposition/line.h. */
#include "connect/exposition/line.h"

#include "base/time_text.h"
#include "connect/number.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S 1e9
#define EXACT_DIGITS 15 /* Integers of so many digits are doubles. */
#define LINE_TOO_LONG "a line has at most 4 GiB"

/* What a byte may be. */
enum { FIRST = 1, FIRST_OF_METRIC = 2, LATER = 4, LATER_OF_METRIC = 8 };

#define LETTER (FIRST | FIRST_OF_METRIC | LATER | LATER_OF_METRIC)

static const uint8_t KINDS[256] = {
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,
    [':'] = FIRST_OF_METRIC | LATER_OF_METRIC,
    ['0' ... '9'] = LATER | LATER_OF_METRIC,
};

static bool is_kind(char c, unsigned kind)
{
    return (KINDS[(unsigned char)c] & kind) != 0;
}

static const char *blanks_skip(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

/* Blanks that the text format allows between tokens. */
static const char *gap_skip(const char *at, const char *end, bool strict)
{
    return strict ? at : blanks_skip(at, end);
}

/* A quoted text that begins at its quote; NULL when it does not end. */
static const char *quoted_read(const char *at, const char *end, struct lw_exposition_text *ret_text)
{
    bool has_escapes = false;
    const char *first = ++at;

    while (at < end && *at != '"') {
        if (*at == '\\') {
            has_escapes = true;
            at++;
            if (at == end) {
                return NULL;
            }
        }
        at++;
    }
    if (at >= end) {
        return NULL;
    }
    *ret_text = (struct lw_exposition_text){first, (uint32_t)(at - first), has_escapes};
    return at + 1;
}

static const char *plain_read(const char *at, const char *end, bool of_metric,
                              struct lw_exposition_text *ret_text)
{
    const char *first = at;

    if (at < end && is_kind(*at, of_metric ? FIRST_OF_METRIC : FIRST)) {
        do {
            at++;
        } while (at < end && is_kind(*at, of_metric ? LATER_OF_METRIC : LATER));
    }
    *ret_text = (struct lw_exposition_text){first, (uint32_t)(at - first), false};
    return at;
}

const char *lw_exposition_name_read(const char *text, const char *end,
                                    struct lw_exposition_text *ret_name)
{
    const char *at;

    if (text == end || *text != '"') {
        return plain_read(text, end, true, ret_name);
    }
    at = quoted_read(text, end, ret_name);
    return at == NULL || ret_name->n_bytes == 0 ? text : at;
}

/* ---- labels ---- */

static bool is_same(const struct lw_exposition_text *a, const struct lw_exposition_text *b)
{
    return a->n_bytes == b->n_bytes && memcmp(a->text, b->text, a->n_bytes) == 0;
}

static const char *label_keep(struct lw_exposition_line *line,
                              const struct lw_exposition_pair *pair)
{
    for (uint32_t i = 0; i < line->n_labels && i < LW_EXPOSITION_LINE_LABELS; i++) {
        if (is_same(&line->labels[i].name, &pair->name)) {
            return "a label name is given twice";
        }
    }
    if (line->n_labels < LW_EXPOSITION_LINE_LABELS) {
        line->labels[line->n_labels] = *pair;
    }
    line->n_labels++;
    return NULL;
}

/* name="value", or, as the metric's name, "name" alone. */
static const char *item_read(const char **at, const char *end, bool strict,
                             struct lw_exposition_line *line)
{
    struct lw_exposition_pair pair;
    bool is_quoted = *at < end && **at == '"';
    const char *next = is_quoted ? quoted_read(*at, end, &pair.name)
                                 : plain_read(*at, end, false, &pair.name);

    if (next == NULL || pair.name.n_bytes == 0) {
        return "expected a label's name";
    }
    next = gap_skip(next, end, strict);
    if (is_quoted && next < end && *next != '=') {
        if (line->name.n_bytes > 0 || line->n_labels > 0) {
            return "the metric's name stands once, before the labels";
        }
        line->name = pair.name;
        *at = next;
        return NULL;
    }
    if (next == end || *next != '=') {
        return "expected \"=\" behind a label's name";
    }
    next = gap_skip(next + 1, end, strict);
    if (next == end || *next != '"') {
        return "expected a quoted value behind \"=\"";
    }
    next = quoted_read(next, end, &pair.value);
    if (next == NULL) {
        return "a quoted text does not end";
    }
    *at = gap_skip(next, end, strict);
    return label_keep(line, &pair);
}

/* Behind "{", to behind "}". */
static const char *labels_read(const char **at, const char *end, bool strict,
                               struct lw_exposition_line *line)
{
    *at = gap_skip(*at, end, strict);
    if (*at < end && **at == '}') {
        ++*at;
        return NULL;
    }
    for (;;) {
        const char *why = item_read(at, end, strict, line);

        if (why != NULL) {
            return why;
        }
        if (*at == end || (**at != ',' && **at != '}')) {
            return "expected \",\" or \"}\" behind a label";
        }
        if (*(*at)++ == '}') {
            return NULL;
        }
        *at = gap_skip(*at, end, strict);
        if (!strict && *at < end && **at == '}') {
            ++*at;
            return NULL;
        }
    }
}

const char *lw_exposition_series_read(const char *text, const char *end, bool strict,
                                      struct lw_exposition_line *ret_line, const char **ret_end)
{
    const char *at = plain_read(text, end, true, &ret_line->name);
    const char *why = NULL, *brace;

    ret_line->series = text;
    ret_line->n_labels = 0;
    brace = gap_skip(at, end, strict);
    if (brace < end && *brace == '{') {
        at = brace + 1;
        why = labels_read(&at, end, strict, ret_line);
    }
    ret_line->series_end = *ret_end = at;
    return why == NULL && ret_line->name.n_bytes == 0 ? "expected a metric's name" : why;
}

/* ---- numbers ---- */

static bool special_number(const char *text, size_t n_bytes, double *ret_value)
{
    size_t sign = n_bytes > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    const char *word = text + sign;
    size_t n = n_bytes - sign;

    if ((n == 3 && strncasecmp(word, "inf", 3) == 0) ||
        (n == 8 && strncasecmp(word, "infinity", 8) == 0)) {
        *ret_value = sign == 1 && text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (n_bytes == 3 && strncasecmp(text, "nan", 3) == 0) {
        *ret_value = (double)NAN;
        return true;
    }
    return false;
}

bool lw_exposition_number(const char *text, size_t n_bytes, double *ret_value)
{
    struct lw_number number;

    if (n_bytes > 0 && n_bytes <= EXACT_DIGITS) { /* The commonest by far: a short integer. */
        int64_t whole = 0;
        size_t i = 0;

        while (i < n_bytes && (unsigned)(text[i] - '0') < 10) {
            whole = whole * 10 + (text[i++] - '0');
        }
        if (i == n_bytes) {
            *ret_value = (double)whole;
            return true;
        }
    }
    lw_number_read(text, text + n_bytes, &number);
    if (number.n_bytes == 0 || number.n_bytes != n_bytes ||
        (number.has_exponent && number.n_exponent == 0)) {
        return special_number(text, n_bytes, ret_value);
    }
    return lw_number_value(&number, ret_value);
}

/* Milliseconds, a whole number. */
static const char *milliseconds_read(const char *text, size_t n_bytes, int64_t *ret_ns)
{
    struct lw_number number;
    int64_t ms;

    lw_number_read(text, text + n_bytes, &number);
    if (number.n_bytes != n_bytes || number.n_whole == 0 || number.has_mark ||
        number.has_exponent) {
        return "the time is no whole number of milliseconds";
    }
    if (number.is_cut || number.digits > (uint64_t)(INT64_MAX / NS_PER_MS)) {
        return "the time is out of range";
    }
    ms = number.is_negative ? -(int64_t)number.digits : (int64_t)number.digits;
    *ret_ns = ms * NS_PER_MS;
    return NULL;
}

/* Seconds, any decimal; exact to the nanosecond unless it has an exponent. */
static const char *seconds_read(const char *text, size_t n_bytes, int64_t *ret_ns)
{
    double s;

    if (lw_time_parse_epoch(text, n_bytes, LW_TIME_S, ret_ns)) {
        return NULL;
    }
    if (!lw_exposition_number(text, n_bytes, &s) || !isfinite(s)) {
        return "the time is no number of seconds";
    }
    if (fabs(s) > (double)(INT64_MAX / 2) / NS_PER_S) {
        return "the time is out of range";
    }
    *ret_ns = (int64_t)llround(s * NS_PER_S);
    return NULL;
}

/* ---- exemplars ---- */

static uint32_t characters(const struct lw_exposition_text *text)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < text->n_bytes; i++) {
        bool escapes = text->text[i] == '\\' && i + 1 < text->n_bytes &&
                       strchr("\\\"n", text->text[i + 1]) != NULL;

        n += ((unsigned char)text->text[i] & 0xC0) != 0x80; /* Not inside a character. */
        i += escapes ? 1 : 0;
    }
    return n;
}

/* Behind " # ": {labels} value [seconds], up to the end. */
static const char *exemplar_read(const char *at, const char *end)
{
    struct lw_exposition_line exemplar = {.n_labels = 0};
    const char *why, *value;
    uint32_t n = 0;
    int64_t time_ns;
    double number;

    if (at == end || *at != '{') {
        return "expected \"{\" of an exemplar";
    }
    at++;
    why = labels_read(&at, end, true, &exemplar);
    if (why != NULL) {
        return why;
    }
    for (uint32_t i = 0; i < exemplar.n_labels && i < LW_EXPOSITION_LINE_LABELS; i++) {
        n += characters(&exemplar.labels[i].name) + characters(&exemplar.labels[i].value);
    }
    if (n > LW_EXPOSITION_EXEMPLAR_MAX || exemplar.n_labels > LW_EXPOSITION_LINE_LABELS ||
        exemplar.name.n_bytes > 0) {
        return "the labels of an exemplar have at most 128 characters";
    }
    if (at == end || *at++ != ' ') {
        return "expected a space behind the labels of an exemplar";
    }
    value = at;
    while (at < end && *at != ' ') {
        at++;
    }
    if (!lw_exposition_number(value, (size_t)(at - value), &number)) {
        return "the value of an exemplar is no number";
    }
    return at == end ? NULL : seconds_read(at + 1, (size_t)(end - at - 1), &time_ns);
}

/* ---- lines ---- */

static const char *token_end(const char *at, const char *end)
{
    while (at < end && *at != ' ' && *at != '\t') {
        at++;
    }
    return at;
}

/* Behind the value, in the text format. */
static const char *rest_read(const char *at, const char *end, struct lw_exposition_line *line)
{
    const char *time;

    at = blanks_skip(at, end);
    if (at == end) {
        return NULL;
    }
    time = at;
    at = token_end(at, end);
    line->has_time = true;
    if (blanks_skip(at, end) != end) {
        return "nothing may follow the time";
    }
    return milliseconds_read(time, (size_t)(at - time), &line->time_ns);
}

/* The same in OpenMetrics. */
static const char *rest_read_strictly(const char *at, const char *end,
                                      struct lw_exposition_line *line)
{
    const char *time;

    if (at == end) {
        return NULL;
    }
    at++; /* It is a blank; whether it is a space, the next token tells. */
    if (at[-1] != ' ' || at == end) {
        return "expected a time or an exemplar behind the value and one space";
    }
    if (*at != '#') {
        const char *why;

        time = at;
        at = token_end(at, end);
        line->has_time = true;
        why = seconds_read(time, (size_t)(at - time), &line->time_ns);
        if (why != NULL || at == end) {
            return why;
        }
        at++;
        if (at[-1] != ' ') {
            return "one space stands between tokens";
        }
    }
    if (end - at < 2 || at[0] != '#' || at[1] != ' ') {
        return "expected \"# \" and an exemplar";
    }
    line->has_exemplar = true;
    return exemplar_read(at + 2, end);
}

const char *lw_exposition_line_read(const char *text, const char *end, bool strict,
                                    struct lw_exposition_line *ret_line)
{
    const char *at, *value, *why;

    if ((uint64_t)(end - text) > UINT32_MAX) {
        return LINE_TOO_LONG;
    }
    why = lw_exposition_series_read(text, end, strict, ret_line, &at);
    if (why != NULL) {
        return why;
    }
    if (strict ? at == end || *at != ' ' : at == end) {
        return strict ? "expected one space and a value" : "expected a value";
    }
    value = strict ? at + 1 : blanks_skip(at, end);
    if (!strict && value == at && at[-1] != '}') {
        return "expected a blank behind the metric's name";
    }
    at = token_end(value, end);
    if (!lw_exposition_number(value, (size_t)(at - value), &ret_line->value)) {
        return "the value is no number";
    }
    ret_line->has_time = ret_line->has_exemplar = false;
    ret_line->time_ns = 0;
    return strict ? rest_read_strictly(at, end, ret_line) : rest_read(at, end, ret_line);
}
