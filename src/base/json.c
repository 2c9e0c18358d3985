/* JSON out: see base/json.h. */
#include "base/json.h"

#include "base/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lw_json_init(struct lw_json *json)
{
    memset(json, 0, sizeof(*json));
    lw_writer_init(&json->out);
}

void lw_json_fini(struct lw_json *json)
{
    lw_writer_fini(&json->out);
}

void lw_json_reset(struct lw_json *json)
{
    lw_writer_reset(&json->out);
    json->depth = 0;
    json->has_key = false;
}

static uint32_t json_bit(const struct lw_json *json)
{
    return (uint32_t)1 << (json->depth - 1);
}

/* Writes the comma that goes before a member or key, where one is needed. */
static void json_separate(struct lw_json *json)
{
    if (json->depth == 0) {
        return;
    }
    if ((json->has_members & json_bit(json)) != 0) {
        lw_write_u8(&json->out, ',');
    }
    json->has_members |= json_bit(json);
}

static void json_before_value(struct lw_json *json)
{
    if (json->has_key) {
        json->has_key = false;
        return;
    }
    assert(json->depth == 0 || (json->is_object & json_bit(json)) == 0);
    json_separate(json);
}

static void json_begin(struct lw_json *json, bool is_object)
{
    json_before_value(json);
    assert(json->depth < LW_JSON_DEPTH_MAX);
    json->depth++;
    json->has_members &= ~json_bit(json);
    json->is_object = is_object ? json->is_object | json_bit(json)
                                : json->is_object & ~json_bit(json);
    lw_write_u8(&json->out, is_object ? '{' : '[');
}

void lw_json_begin_object(struct lw_json *json)
{
    json_begin(json, true);
}

void lw_json_begin_array(struct lw_json *json)
{
    json_begin(json, false);
}

void lw_json_end(struct lw_json *json)
{
    assert(json->depth > 0 && !json->has_key);
    lw_write_u8(&json->out, (json->is_object & json_bit(json)) != 0 ? '}' : ']');
    json->depth--;
}

/* One character that cannot stand for itself. */
static void json_escape(struct lw_json *json, unsigned char byte)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char code[8];

    for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
        if ((unsigned char)letters[i] == byte) {
            lw_write_u8(&json->out, '\\');
            lw_write_u8(&json->out, (uint8_t)letters[i + 1]);
            return;
        }
    }
    (void)snprintf(code, sizeof(code), "\\u%04x", byte);
    lw_write_raw(&json->out, code, 6);
}

static bool json_is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

static void json_quote(struct lw_json *json, const char *text, size_t n_bytes)
{
    size_t i = 0;

    lw_write_u8(&json->out, '"');
    while (i < n_bytes) {
        size_t plain = i;
        size_t length;

        while (plain < n_bytes && json_is_plain((unsigned char)text[plain])) {
            plain++;
        }
        lw_write_raw(&json->out, text + i, plain - i);
        i = plain;
        if (i == n_bytes) {
            break;
        }
        length = lw_utf8_length(text + i, n_bytes - i);
        if (length > 1) {
            lw_write_raw(&json->out, text + i, length);
        } else if (length == 1) {
            json_escape(json, (unsigned char)text[i]);
        } else {
            lw_write_raw(&json->out, "\xEF\xBF\xBD", 3);
            length = 1;
        }
        i += length;
    }
    lw_write_u8(&json->out, '"');
}

void lw_json_key(struct lw_json *json, const char *key)
{
    assert(json->depth > 0 && (json->is_object & json_bit(json)) != 0 && !json->has_key);
    json_separate(json);
    json_quote(json, key, strlen(key));
    lw_write_u8(&json->out, ':');
    json->has_key = true;
}

void lw_json_text_n(struct lw_json *json, const char *text, size_t n_bytes)
{
    json_before_value(json);
    json_quote(json, text, n_bytes);
}

void lw_json_text(struct lw_json *json, const char *text)
{
    if (text == NULL) {
        lw_json_null(json);
        return;
    }
    lw_json_text_n(json, text, strlen(text));
}

void lw_json_raw(struct lw_json *json, const char *text, size_t n_bytes)
{
    json_before_value(json);
    lw_write_raw(&json->out, text, n_bytes);
}

void lw_json_number(struct lw_json *json, double value)
{
    char text[LW_DOUBLE_TEXT_MAX];

    if (!isfinite(value)) {
        lw_json_null(json);
        return;
    }
    lw_json_raw(json, text, lw_double_format(value, text));
}

void lw_json_float(struct lw_json *json, float value)
{
    char text[LW_DOUBLE_TEXT_MAX];
    int n = 0;

    if (!isfinite(value)) {
        lw_json_null(json);
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        n = snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    lw_json_raw(json, text, (size_t)n);
}

void lw_json_int(struct lw_json *json, int64_t value)
{
    char text[24];

    lw_json_raw(json, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value));
}

void lw_json_bool(struct lw_json *json, bool value)
{
    if (value) {
        lw_json_raw(json, "true", 4);
    } else {
        lw_json_raw(json, "false", 5);
    }
}

void lw_json_null(struct lw_json *json)
{
    lw_json_raw(json, "null", 4);
}

const char *lw_json_peek(struct lw_json *json)
{
    lw_write_u8(&json->out, '\0');
    if (json->out.status != LW_OK) {
        return NULL;
    }
    json->out.n_bytes--; /* The terminator lies behind the text, not in it. */
    return (const char *)json->out.data;
}
