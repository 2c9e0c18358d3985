/* Lines of the line protocol: see connect/influx/influx_line.h. */
#include "connect/influx/influx_line.h"

#include "connect/number.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- finding ---- */

/* The first byte of [at, end) that is one of three, or end. */
static const char *any_find(const char *at, const char *end, const char stops[3])
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(stops[0])),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8(stops[1]))),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8(stops[2])));
        int mask = _mm_movemask_epi8(found);

        if (mask != 0) {
            return at + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2]) {
        at++;
    }
    return at;
}

static bool is_line_end(const char *at, const char *end)
{
    return at == end || *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] == '\n'));
}

/* Behind a backslash: what it escapes, but for another backslash, which may escape something
 * itself, and a line end. */
static const char *escape_skip(const char *at, const char *end)
{
    at++;
    return at < end && *at != '\\' && *at != '\n' ? at + 1 : at;
}

static const char *blanks_skip(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

/* The end of a quoted text that begins at `at`, behind its closing quote; NULL without one. */
static const char *quoted_end(const char *at, const char *end, uint32_t *n_ends)
{
    for (at++;; at++) {
        at = any_find(at, end, "\"\\\n");
        if (at == end) {
            return NULL;
        }
        if (*at == '"') {
            return at + 1;
        }
        *n_ends += *at == '\n';
        if (*at == '\\' && end - at > 1 && (at[1] == '"' || at[1] == '\\')) {
            at++;
        }
    }
}

/* The end of a line that is not understood: quotes behind an "=" of the fields are heeded, so that
 * a text of many lines is not taken for lines. */
static const char *broken_end(const char *at, const char *end, uint32_t *n_ends)
{
    bool has_fields = false;
    const char *behind;

    for (; at < end && *at != '\n'; at++) {
        if (*at == '\\' && end - at > 1 && at[1] != '\n') {
            at++;
        } else if (*at == ' ') {
            has_fields = true;
        } else if (has_fields && *at == '"' && at[-1] == '=') {
            behind = quoted_end(at, end, n_ends);
            if (behind == NULL) {
                return end;
            }
            at = behind - 1;
        }
    }
    return at;
}

/* ---- values ---- */

/* A value that was read ends here. */
static bool is_value_end(const char *at, const char *end)
{
    return at == end || *at == ',' || *at == ' ' || is_line_end(at, end);
}

/* Whole digits as a number; false where 64 bits do not hold it. */
static bool digits_value(const struct lw_number *number, uint64_t *ret_value)
{
    const char *at = number->text + number->has_sign;
    uint64_t value = 0;

    for (uint32_t i = 0; i < number->n_whole; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(at[i] - '0'), &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

static const char *integer_read(const struct lw_number *number, char suffix, double *ret_value)
{
    uint64_t digits = 0;
    uint64_t limit = suffix == 'u' ? UINT64_MAX : (uint64_t)INT64_MAX + number->is_negative;

    if (number->has_mark || number->has_exponent || (suffix == 'u' && number->is_negative)) {
        return "invalid number";
    }
    if (!digits_value(number, &digits) || digits > limit) {
        return "unable to parse integer: value out of range";
    }
    *ret_value = number->is_negative ? -(double)digits : (double)digits;
    return NULL;
}

static const char *number_read(const char *at, const char *end, struct lw_influx_field *field,
                               const char **ret_wrong)
{
    struct lw_number number;

    lw_number_read(at, end, &number);
    if (number.n_bytes == 0) {
        *ret_wrong = "invalid number";
        return at;
    }
    at += number.n_bytes;
    if (at < end && (*at == 'i' || *at == 'u')) {
        *ret_wrong = integer_read(&number, *at, &field->value);
        at++;
    } else if (!lw_number_value(&number, &field->value)) {
        *ret_wrong = "invalid float";
    }
    if (*ret_wrong == NULL && !is_value_end(at, end)) {
        *ret_wrong = "invalid number";
    }
    return at;
}

static const char *boolean_read(const char *at, const char *end, struct lw_influx_field *field,
                                const char **ret_wrong)
{
    static const char *const words[] = {"f", "F", "false", "False", "FALSE",
                                        "t", "T", "true",  "True",  "TRUE"};
    const size_t n_words = sizeof(words) / sizeof(words[0]);
    const char *behind = at;

    while (!is_value_end(behind, end)) {
        behind++;
    }
    for (size_t i = 0; i < n_words; i++) {
        size_t n_bytes = strlen(words[i]);

        if ((size_t)(behind - at) == n_bytes && memcmp(at, words[i], n_bytes) == 0) {
            field->value = i >= n_words / 2 ? 1.0 : 0.0;
            return behind;
        }
    }
    *ret_wrong = "invalid boolean";
    return at;
}

static const char *value_read(const char *at, const char *end, struct lw_influx_line *line,
                              struct lw_influx_field *field)
{
    const char *behind;

    field->is_text = false;
    if (is_value_end(at, end)) {
        line->wrong = "missing field value";
        return at;
    }
    if ((unsigned)(*at - '0') < 10 || *at == '-' || *at == '.') {
        return number_read(at, end, field, &line->wrong);
    }
    if (*at == 'N' || *at == 'n') {
        line->wrong = "invalid number";
        return at;
    }
    if (*at != '"') {
        return boolean_read(at, end, field, &line->wrong);
    }
    field->is_text = true;
    field->value = 0.0;
    behind = quoted_end(at, end, &line->n_ends);
    if (behind == NULL) {
        line->wrong = "unbalanced quotes";
        return at;
    }
    if (!is_value_end(behind, end)) {
        line->wrong = "invalid field format";
    }
    return behind;
}

/* ---- the parts of a line ---- */

/* The "=" behind a field's key. */
static const char *key_end(const char *at, const char *end)
{
    while (at < end && *at != '=' && *at != ',' && *at != ' ' && *at != '\n') {
        at = *at == '\\' ? escape_skip(at, end) : at + 1;
    }
    return at;
}

static const char *fields_read(const char *at, const char *end, struct lw_influx_line *line)
{
    struct lw_influx_field *field;
    const char *behind;

    if (is_line_end(at, end)) {
        line->wrong = "missing fields";
        return at;
    }
    for (;; at++) {
        if (line->n_fields == LW_INFLUX_FIELDS_MAX) {
            line->wrong = "more than 1024 fields";
            return at;
        }
        behind = key_end(at, end);
        if (behind == at && behind < end && *behind == '=') {
            line->wrong = "missing field key";
            return at;
        }
        if (behind == end || *behind != '=') {
            line->wrong = "invalid field format";
            return at;
        }
        field = &line->fields[line->n_fields++];
        field->key = at;
        field->n_key = (uint32_t)(behind - at);
        line->n_key_max = field->n_key > line->n_key_max ? field->n_key : line->n_key_max;
        at = value_read(behind + 1, end, line, field);
        line->n_numbers += !field->is_text;
        if (line->wrong != NULL || at == end || *at != ',') {
            return at;
        }
    }
}

static const char *time_read(const char *at, const char *end, struct lw_influx_line *line)
{
    struct lw_number number;
    uint64_t digits = 0;

    at = blanks_skip(at, end);
    if (is_line_end(at, end)) {
        return at;
    }
    lw_number_read(at, end, &number);
    if (number.n_whole == 0 || number.n_bytes != number.n_whole + number.is_negative) {
        line->wrong = "bad timestamp";
        return at;
    }
    at += number.n_bytes;
    if (!is_line_end(at, end) && *at != ' ' && *at != '\t') {
        line->wrong = "bad timestamp";
        return at;
    }
    digits = number.digits;
    if ((number.is_cut && !digits_value(&number, &digits)) || digits > INT64_MAX) {
        line->wrong = "time outside range";
        return at;
    }
    line->has_time = true;
    line->time = number.is_negative ? -(int64_t)digits : (int64_t)digits;
    at = blanks_skip(at, end);
    if (!is_line_end(at, end)) {
        line->wrong = "point is invalid";
    }
    return at;
}

/* Where measurement and tags end: at a blank that no backslash stands before. */
static const char *series_end(const char *at, const char *end)
{
    at = any_find(at, end, " \n\\");
    while (at < end && *at == '\\') {
        at = any_find(escape_skip(at, end), end, " \n\\");
    }
    return at;
}

static const char *parts_read(const char *at, const char *end, struct lw_influx_line *line)
{
    const char *behind = series_end(at, end);

    if (behind > at && behind < end && *behind == '\n' && behind[-1] == '\r') {
        behind--;
    }
    line->series = at;
    line->n_series = (size_t)(behind - at);
    if (*at == ',') {
        line->wrong = "missing measurement";
        return at;
    }
    at = fields_read(blanks_skip(behind, end), end, line);
    return line->wrong == NULL ? time_read(at, end, line) : at;
}

const char *lw_influx_line_read(const char *at, const char *end, struct lw_influx_line *ret_line)
{
    ret_line->wrong = NULL;
    ret_line->series = NULL;
    ret_line->n_ends = 0;
    ret_line->n_fields = 0;
    ret_line->n_numbers = 0;
    ret_line->n_key_max = 0;
    ret_line->has_time = false;
    at = blanks_skip(at, end);
    ret_line->begin = at;
    if (at < end && *at == '#') {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? end : at;
    } else if (!is_line_end(at, end)) {
        at = parts_read(at, end, ret_line);
        if (ret_line->wrong != NULL) {
            ret_line->n_ends = 0;
            at = broken_end(ret_line->begin, end, &ret_line->n_ends);
        }
    }
    ret_line->n_bytes = (size_t)(at - ret_line->begin);
    at += at < end && *at == '\r';
    if (at < end) {
        ret_line->n_ends++;
        at++;
    }
    return at;
}

/* ---- names ---- */

/* What a backslash escapes; before other letters it stands for itself. */
static bool is_escaped(char letter, bool is_measurement)
{
    return letter == ',' || letter == ' ' || (letter == '=' && !is_measurement);
}

/* Adds [at, end) with escapes undone; the caller ends the text. */
static void name_add(struct lw_influx_name *name, const char *at, const char *end,
                     bool is_measurement)
{
    while (at < end) {
        at += *at == '\\' && end - at > 1 && is_escaped(at[1], is_measurement);
        name->bytes[name->n_bytes++] = *at++;
    }
}

/* The first letter of [at, end) of two that no backslash stands before, or end. */
static const char *unescaped_find(const char *at, const char *end, const char letters[2])
{
    while (at < end && *at != letters[0] && *at != letters[1]) {
        at = *at == '\\' ? escape_skip(at, end) : at + 1;
    }
    return at < end ? at : end;
}

static void name_end(struct lw_influx_name *name)
{
    name->bytes[name->n_bytes++] = '\0';
}

static const char *tag_add(struct lw_influx_name *name, const char *at, const char *end)
{
    const char *equals = unescaped_find(at, end, "=,");
    struct lw_label *label;

    if (equals == at) {
        return "missing tag key";
    }
    if (equals == end || equals + 1 == end) {
        return "missing tag value";
    }
    if (unescaped_find(equals + 1, end, "==") != end) {
        return "invalid tag format";
    }
    if (name->key.n_labels == LW_LABELS_MAX) {
        return "more than 48 tags";
    }
    label = &name->labels[name->key.n_labels];
    label->name = name->bytes + name->n_bytes;
    name_add(name, at, equals, false);
    name_end(name);
    for (size_t i = 0; i < name->key.n_labels; i++) {
        if (strcmp(name->labels[i].name, label->name) == 0) {
            return "duplicate tags";
        }
    }
    label->value = name->bytes + name->n_bytes;
    name_add(name, equals + 1, end, false);
    name_end(name);
    name->key.n_labels++;
    return NULL;
}

const char *lw_influx_name_spell(const char *series, size_t n_series,
                                 const struct lw_influx_field *field,
                                 struct lw_influx_name *ret_name)
{
    const char *end = series + n_series;
    const char *at = unescaped_find(series, end, ",,");
    const char *wrong = NULL;
    bool is_value = field != NULL && field->n_key == 5 && memcmp(field->key, "value", 5) == 0;

    if (n_series + (field == NULL ? 0 : field->n_key) + 1 > LW_INFLUX_NAME_MAX) {
        return "measurement, tags and field key of more than 4096 bytes";
    }
    if (memchr(series, '\0', n_series) != NULL ||
        (field != NULL && memchr(field->key, '\0', field->n_key) != NULL)) {
        return "a zero byte in a name";
    }
    ret_name->n_bytes = 0;
    ret_name->key = (struct lw_series_key){.metric = ret_name->bytes, .labels = ret_name->labels};
    name_add(ret_name, series, at, true);
    if (field != NULL && !is_value) {
        ret_name->bytes[ret_name->n_bytes++] = '_';
        name_add(ret_name, field->key, field->key + field->n_key, false);
    }
    name_end(ret_name);
    while (at < end && wrong == NULL) {
        const char *behind = unescaped_find(at + 1, end, ",,");

        wrong = tag_add(ret_name, at + 1, behind);
        at = behind;
    }
    return wrong;
}
