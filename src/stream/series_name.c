/* Metric names, labels, entity keys and patterns: see stream/series_name.h. */
#include "stream/series_name.h"

#include "base/error.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

/* ---- parts of a name ---- */

/* Why a text cannot be a metric, label name or value; NULL when it can. Control characters are for
 * values only. */
static const char *text_fault(const char *text, size_t n_bytes, bool is_value,
                              const char *forbidden)
{
    for (size_t at = 0, length; at < n_bytes; at += length) {
        length = lw_utf8_length(text + at, n_bytes - at);
        if (length == 0) {
            return "is not UTF-8";
        }
        if (text[at] == '\0' ||
            (!is_value && ((unsigned char)text[at] < ' ' || text[at] == 0x7F))) {
            return "has a control character";
        }
        if (strchr(forbidden, text[at]) != NULL) {
            return "has one of {}\"=,\\ or a space";
        }
    }
    return NULL;
}

/* Bytes as they are said in messages: at most 40 of them. */
static int shown(size_t n_bytes)
{
    return n_bytes < 40 ? (int)n_bytes : 40;
}

static enum lw_status name_set_metric(struct lw_series_name *name, const char *metric,
                                      size_t n_bytes, struct lw_error *reterr)
{
    const char *fault = text_fault(metric, n_bytes, false, "");

    if (n_bytes == 0) {
        return lw_error_set(reterr, LW_EINVAL, "a metric name is empty");
    }
    if (n_bytes >= LW_NAME_MAX) {
        return lw_error_set(reterr, LW_ETOOLONG,
                            "a metric name has %zu bytes; at most %d are allowed", n_bytes,
                            LW_NAME_MAX - 1);
    }
    if (fault != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the metric name \"%.*s\" %s", shown(n_bytes),
                            metric, fault);
    }
    memcpy(name->bytes, metric, n_bytes);
    name->bytes[n_bytes] = '\0';
    name->n_bytes = (uint16_t)(n_bytes + 1);
    name->n_labels = 0;
    return LW_OK;
}

static const char *label_name(const struct lw_series_name *name, size_t i)
{
    return name->bytes + name->label_at[i];
}

static const char *label_value(const struct lw_series_name *name, size_t i)
{
    const char *label = label_name(name, i);

    return label + strlen(label) + 1;
}

/* Texts are compared as bytes; label and value need no terminator. */
struct label_text {
    const char *label, *value;
    size_t n_label, n_value;
};

static enum lw_status label_check(const struct lw_series_name *name, const struct label_text *text,
                                  struct lw_error *reterr)
{
    const char *fault = text_fault(text->label, text->n_label, false, "{}\"=,\\ ");

    if (text->n_label == 0) {
        return lw_error_set(reterr, LW_EINVAL, "a label name of \"%.40s\" is empty", name->bytes);
    }
    if (fault != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the label name \"%.*s\" %s", shown(text->n_label),
                            text->label, fault);
    }
    fault = text_fault(text->value, text->n_value, true, "");
    if (fault != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the value of label \"%.*s\" %s",
                            shown(text->n_label), text->label, fault);
    }
    if (text->n_label >= LW_SHORT_NAME_MAX || text->n_value >= LW_NAME_MAX) {
        return lw_error_set(
            reterr, LW_ETOOLONG,
            "label \"%.*s\" has a name of %zu bytes and a value of %zu; at most %d and %d",
            shown(text->n_label), text->label, text->n_label, text->n_value, LW_SHORT_NAME_MAX - 1,
            LW_NAME_MAX - 1);
    }
    return LW_OK;
}

static enum lw_status name_add(struct lw_series_name *name, const struct label_text *text,
                               struct lw_error *reterr)
{
    size_t place = 0, n_more = text->n_label + text->n_value + 2;
    enum lw_status status = label_check(name, text, reterr);
    char *to;

    if (status != LW_OK || text->n_value == 0) {
        return status;
    }
    for (; place < name->n_labels; place++) {
        const char *there = label_name(name, place);
        size_t n_there = strlen(there);
        int order = memcmp(there, text->label, n_there < text->n_label ? n_there : text->n_label);

        if (order == 0 && n_there == text->n_label) {
            return lw_error_set(reterr, LW_EEXIST, "the label \"%s\" comes twice", there);
        }
        if (order > 0 || (order == 0 && n_there > text->n_label)) {
            break;
        }
    }
    if (name->n_labels == LW_LABELS_MAX || n_more > LW_SERIES_BYTES_MAX - (size_t)name->n_bytes) {
        return lw_error_set(reterr, LW_ETOOLONG, "\"%.40s\" has more than %d labels or %d bytes",
                            name->bytes, LW_LABELS_MAX, LW_SERIES_BYTES_MAX);
    }
    memmove(name->label_at + place + 1, name->label_at + place,
            (name->n_labels - place) * sizeof(name->label_at[0]));
    name->label_at[place] = name->n_bytes;
    name->n_labels++;
    to = name->bytes + name->n_bytes;
    memcpy(to, text->label, text->n_label);
    to[text->n_label] = '\0';
    memcpy(to + text->n_label + 1, text->value, text->n_value);
    to[text->n_label + 1 + text->n_value] = '\0';
    name->n_bytes = (uint16_t)(name->n_bytes + n_more);
    return LW_OK;
}

enum lw_status lw_series_name_init(struct lw_series_name *ret_name, const char *metric,
                                   struct lw_error *reterr)
{
    return name_set_metric(ret_name, metric, strlen(metric), reterr);
}

enum lw_status lw_series_name_add(struct lw_series_name *name, const char *label, const char *value,
                                  struct lw_error *reterr)
{
    struct label_text text = {label, value, strlen(label), strlen(value)};

    return name_add(name, &text, reterr);
}

const char *lw_series_name_metric(const struct lw_series_name *name)
{
    return name->bytes;
}

const char *lw_series_name_value(const struct lw_series_name *name, const char *label)
{
    for (size_t i = 0; i < name->n_labels; i++) {
        if (strcmp(label_name(name, i), label) == 0) {
            return label_value(name, i);
        }
    }
    return NULL;
}

/* ---- reading ---- */

struct cursor {
    const char *text;
    size_t n_bytes, at;
};

static bool cursor_is(const struct cursor *cursor, char c)
{
    return cursor->at < cursor->n_bytes && cursor->text[cursor->at] == c;
}

static void cursor_skip_spaces(struct cursor *cursor)
{
    while (cursor_is(cursor, ' ')) {
        cursor->at++;
    }
}

static enum lw_status cursor_fail(const struct cursor *cursor, const char *expected,
                                  struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT,
                        "a series name is wrong at byte %zu: expected %s in \"%.*s\"",
                        cursor->at + 1, expected, shown(cursor->n_bytes), cursor->text);
}

/* Takes text up to an unescaped stop (or the end), undoing \\, \n and \stop, into LW_NAME_MAX
 * bytes. */
static enum lw_status cursor_unescape(struct cursor *cursor, char stop, char *ret_text,
                                      size_t *ret_n, struct lw_error *reterr)
{
    size_t n = 0;

    for (; cursor->at < cursor->n_bytes && cursor->text[cursor->at] != stop; cursor->at++) {
        char c = cursor->text[cursor->at];

        if (c == '\\') {
            cursor->at++;
            if (!cursor_is(cursor, '\\') && !cursor_is(cursor, 'n') && !cursor_is(cursor, stop)) {
                return cursor_fail(
                    cursor, stop == '"' ? "one of \\ \" n after \\" : "one of \\ { n after \\",
                    reterr);
            }
            c = cursor_is(cursor, 'n') ? '\n' : cursor->text[cursor->at];
        }
        if (n == LW_NAME_MAX - 1) {
            return lw_error_set(reterr, LW_ETOOLONG,
                                "a metric name or label value has more than %d bytes",
                                LW_NAME_MAX - 1);
        }
        ret_text[n++] = c;
    }
    *ret_n = n;
    return LW_OK;
}

/* One label="value". */
static enum lw_status cursor_label(struct cursor *cursor, struct lw_series_name *name,
                                   struct lw_error *reterr)
{
    struct label_text text = {cursor->text + cursor->at, NULL, 0, 0};
    char value[LW_NAME_MAX];
    enum lw_status status;

    while (cursor->at < cursor->n_bytes && strchr("=\" ,{}", cursor->text[cursor->at]) == NULL) {
        cursor->at++;
        text.n_label++;
    }
    cursor_skip_spaces(cursor);
    if (text.n_label == 0 || !cursor_is(cursor, '=')) {
        return cursor_fail(cursor, text.n_label == 0 ? "a label name" : "=", reterr);
    }
    cursor->at++;
    cursor_skip_spaces(cursor);
    if (!cursor_is(cursor, '"')) {
        return cursor_fail(cursor, "\"", reterr);
    }
    cursor->at++;
    status = cursor_unescape(cursor, '"', value, &text.n_value, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (!cursor_is(cursor, '"')) {
        return cursor_fail(cursor, "\" at the end of a value", reterr);
    }
    cursor->at++;
    text.value = value;
    return name_add(name, &text, reterr);
}

static enum lw_status cursor_labels(struct cursor *cursor, struct lw_series_name *name,
                                    struct lw_error *reterr)
{
    enum lw_status status;

    cursor->at++; /* The opening brace. */
    cursor_skip_spaces(cursor);
    while (!cursor_is(cursor, '}')) {
        status = cursor_label(cursor, name, reterr);
        if (status != LW_OK) {
            return status;
        }
        cursor_skip_spaces(cursor);
        if (!cursor_is(cursor, ',') && !cursor_is(cursor, '}')) {
            return cursor_fail(cursor, ", or }", reterr);
        }
        cursor->at += cursor_is(cursor, ',');
        cursor_skip_spaces(cursor);
    }
    cursor->at++;
    return cursor->at == cursor->n_bytes ? LW_OK : cursor_fail(cursor, "the end after }", reterr);
}

enum lw_status lw_series_name_parse(const char *text, size_t n_bytes,
                                    struct lw_series_name *ret_name, struct lw_error *reterr)
{
    struct cursor cursor = {text, n_bytes, 0};
    char metric[LW_NAME_MAX];
    size_t n_metric;
    enum lw_status status = cursor_unescape(&cursor, '{', metric, &n_metric, reterr);

    if (status == LW_OK) {
        status = name_set_metric(ret_name, metric, n_metric, reterr);
    }
    if (status == LW_OK && cursor_is(&cursor, '{')) {
        status = cursor_labels(&cursor, ret_name, reterr);
    }
    return status;
}

/* ---- writing ---- */

/* A text of LW_NAME_MAX bytes being filled; overflow is remembered. */
struct writer {
    char *text;
    size_t n;
    bool overflow;
};

static void put(struct writer *writer, char c)
{
    if (writer->n == LW_NAME_MAX - 1) {
        writer->overflow = true;
    } else {
        writer->text[writer->n++] = c;
    }
}

/* Writes text with a backslash before itself and before the special character; a line feed as \n
 * when asked. */
static void put_escaped(struct writer *writer, const char *text, char special, bool line_feeds)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == special || (*text == '\n' && line_feeds)) {
            put(writer, '\\');
        }
        put(writer, *text == '\n' && line_feeds ? 'n' : *text);
    }
}

static enum lw_status writer_end(struct writer *writer, const struct lw_series_name *name,
                                 struct lw_error *reterr)
{
    writer->text[writer->n] = '\0';
    if (writer->overflow) {
        return lw_error_set(reterr, LW_ETOOLONG,
                            "the name of a series of metric \"%.80s\" has more than %d bytes",
                            name->bytes, LW_NAME_MAX - 1);
    }
    return LW_OK;
}

static bool key_has(const struct lw_entity_key *key, const char *label)
{
    for (uint32_t i = 0; key != NULL && i < key->n_labels; i++) {
        if (strcmp(key->labels[i], label) == 0) {
            return true;
        }
    }
    return false;
}

enum lw_status lw_entity_key_rest(const struct lw_entity_key *key,
                                  const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                  struct lw_error *reterr)
{
    struct writer writer = {ret_text, 0, false};
    char before = '{';

    put_escaped(&writer, name->bytes, '{', true);
    for (size_t i = 0; i < name->n_labels; i++) {
        if (!key_has(key, label_name(name, i))) {
            put(&writer, before);
            put_escaped(&writer, label_name(name, i), '\\', false);
            put(&writer, '=');
            put(&writer, '"');
            put_escaped(&writer, label_value(name, i), '"', true);
            put(&writer, '"');
            before = ',';
        }
    }
    if (before == ',') {
        put(&writer, '}');
    }
    return writer_end(&writer, name, reterr);
}

enum lw_status lw_series_name_format(const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                     struct lw_error *reterr)
{
    return lw_entity_key_rest(NULL, name, ret_text, reterr);
}

/* ---- entity keys ---- */

static enum lw_status key_add(struct lw_entity_key *key, const char *label, size_t n_bytes,
                              struct lw_error *reterr)
{
    const char *fault = text_fault(label, n_bytes, false, "{}\"=,\\ ");
    char *to;

    if (n_bytes == 0 || fault != NULL) {
        return lw_error_set(reterr, LW_EINVAL, "the entity label \"%.*s\" %s", shown(n_bytes),
                            label, fault == NULL ? "is empty" : fault);
    }
    if (key->n_labels == LW_KEY_LABELS_MAX || n_bytes >= LW_SHORT_NAME_MAX) {
        return lw_error_set(reterr, LW_ELIMIT,
                            "an entity has more than %d labels or one of more than %d bytes",
                            LW_KEY_LABELS_MAX, LW_SHORT_NAME_MAX - 1);
    }
    to = key->labels[key->n_labels];
    memcpy(to, label, n_bytes);
    to[n_bytes] = '\0';
    if (key_has(key, to)) {
        return lw_error_set(reterr, LW_EEXIST, "the entity label \"%s\" comes twice", to);
    }
    key->n_labels++;
    return LW_OK;
}

enum lw_status lw_entity_key_parse(const char *text, struct lw_entity_key *ret_key,
                                   struct lw_error *reterr)
{
    memset(ret_key, 0, sizeof(*ret_key));
    text += strspn(text, " ");
    while (*text != '\0') {
        size_t n_bytes = strcspn(text, ",");
        size_t n_label = n_bytes;
        bool more = text[n_bytes] == ',';
        enum lw_status status;

        while (n_label > 0 && text[n_label - 1] == ' ') {
            n_label--;
        }
        status = key_add(ret_key, text, n_label, reterr);
        if (status != LW_OK) {
            return status;
        }
        text += n_bytes + more;
        text += strspn(text, " ");
        if (more && *text == '\0') {
            return key_add(ret_key, "", 0, reterr);
        }
    }
    return LW_OK;
}

enum lw_status lw_entity_key_name(const struct lw_entity_key *key,
                                  const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                  struct lw_error *reterr)
{
    struct writer writer = {ret_text, 0, false};

    for (uint32_t i = 0; i < key->n_labels; i++) {
        const char *value = lw_series_name_value(name, key->labels[i]);

        value = value == NULL ? "" : value;
        if (key->n_labels == 1) {
            for (; *value != '\0'; value++) {
                put(&writer, *value);
            }
            break;
        }
        if (i > 0) {
            put(&writer, ',');
        }
        put_escaped(&writer, key->labels[i], '\\', false);
        put(&writer, '=');
        put_escaped(&writer, value, ',', false);
    }
    return writer_end(&writer, name, reterr);
}

/* ---- patterns ---- */

/* Bytes of the character that text begins with; 1 where it is not UTF-8. */
static size_t character_length(const char *text, size_t n_bytes)
{
    size_t length = lw_utf8_length(text, n_bytes);

    return length == 0 ? 1 : length;
}

/* On a mismatch the last * takes one character more: no earlier one ever needs to. */
static bool glob_match(const char *pattern, size_t n_pattern, const char *text)
{
    size_t n_text = strlen(text), p = 0, t = 0, star = SIZE_MAX, taken = 0;

    while (t < n_text) {
        if (p < n_pattern && pattern[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < n_pattern && pattern[p] == '?') {
            p++;
            t += character_length(text + t, n_text - t);
        } else if (p < n_pattern && pattern[p] == text[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            taken += character_length(text + taken, n_text - taken);
            t = taken;
        } else {
            return false;
        }
    }
    while (p < n_pattern && pattern[p] == '*') {
        p++;
    }
    return p == n_pattern;
}

bool lw_glob_match(const char *pattern, const char *text)
{
    return glob_match(pattern, strlen(pattern), text);
}

bool lw_glob_match_any(const char *patterns, const char *text)
{
    for (;;) {
        size_t n_bytes, n_pattern;

        patterns += strspn(patterns, " ");
        n_bytes = n_pattern = strcspn(patterns, ",");
        while (n_pattern > 0 && patterns[n_pattern - 1] == ' ') {
            n_pattern--;
        }
        if (n_pattern > 0 && glob_match(patterns, n_pattern, text)) {
            return true;
        }
        if (patterns[n_bytes] == '\0') {
            return false;
        }
        patterns += n_bytes + 1;
    }
}
