/*
 * Reading JSON: see connect/json_scan.h.
 *
 * Most bytes of metrics in JSON stand in texts. The end of one is looked for sixteen bytes at a
 * time (eight where there is no SSE2): a quote, a backslash, a control character and a byte of more
 * than ASCII all stop it, and as signed bytes the last two are one comparison.
 */
#include "connect/json_scan.h"

#include "base/text.h"
#include "connect/number.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static_assert(LW_JSON_SCAN_NUMBER_MAX == LW_NUMBER_BYTES_MAX, "one limit");

/* What a key or name is compared with when it is written with escapes. */
#define NAME_BYTES_MAX 256
#define SURROGATE_FIRST 0xD800u
#define SURROGATE_LOW 0xDC00u
#define SURROGATE_END 0xE000u

void lw_json_scan_init(struct lw_json_scan *scan, const char *text, size_t n_bytes)
{
    *scan = (struct lw_json_scan){.begin = text, .at = text, .end = text + n_bytes};
}

bool lw_json_scan_fail(struct lw_json_scan *scan, const char *expected)
{
    if (scan->expected == NULL) {
        scan->expected = expected;
    }
    return false;
}

static bool fail_at(struct lw_json_scan *scan, const char *at, const char *expected)
{
    if (scan->expected == NULL) {
        scan->at = at;
    }
    return lw_json_scan_fail(scan, expected);
}

size_t lw_json_scan_at(const struct lw_json_scan *scan)
{
    return (size_t)(scan->at - scan->begin);
}

void lw_json_scan_describe(const struct lw_json_scan *scan,
                           char ret_message[LW_JSON_SCAN_MESSAGE_MAX])
{
    (void)snprintf(ret_message, LW_JSON_SCAN_MESSAGE_MAX, "byte %zu: expected %s",
                   lw_json_scan_at(scan) + 1, scan->expected == NULL ? "" : scan->expected);
}

static void blanks_skip(struct lw_json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t')) {
        scan->at++;
    }
}

/* The next byte that is no blank, not taken; 0 at the end and after a failure (a byte 0 begins
 * nothing either). */
static inline char next_peek(struct lw_json_scan *scan)
{
    if (scan->expected != NULL) {
        return '\0';
    }
    if (scan->at < scan->end && *scan->at <= ' ') {
        blanks_skip(scan);
    }
    return scan->at < scan->end ? *scan->at : '\0';
}

static inline bool next_take(struct lw_json_scan *scan, char wanted, const char *expected)
{
    if (next_peek(scan) != wanted) {
        return lw_json_scan_fail(scan, expected);
    }
    scan->at++;
    return true;
}

enum lw_json_kind lw_json_scan_peek(struct lw_json_scan *scan)
{
    switch (next_peek(scan)) {
    case '{':
        return LW_JSON_OBJECT;
    case '[':
        return LW_JSON_ARRAY;
    case '"':
        return LW_JSON_TEXT;
    case 't':
    case 'f':
        return LW_JSON_BOOL;
    case 'n':
        return LW_JSON_NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return LW_JSON_NUMBER;
    default:
        return LW_JSON_NOTHING;
    }
}

/* ---- texts ---- */

/* The first byte of [at, end) that is not plain ASCII within a text, or end. */
static const char *plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i stops = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                                     _mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')));
        int mask = _mm_movemask_epi8(stops);

        if (mask != 0) {
            return at + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    for (; end - at >= 8; at += 8) {
        uint64_t word, quotes, escapes;

        memcpy(&word, at, sizeof(word));
        quotes = word ^ 0x2222222222222222u;
        escapes = word ^ 0x5c5c5c5c5c5c5c5cu;
        if (((word | (word - 0x2020202020202020u) | (quotes - 0x0101010101010101u) |
              (escapes - 0x0101010101010101u)) &
             0x8080808080808080u) != 0) {
            break;
        }
    }
    while (at < end && (signed char)*at >= ' ' && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int hex_read(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        unsigned digit = (unsigned)(at[i] - '0');
        unsigned letter = (unsigned)((at[i] | 0x20) - 'a');

        if (digit >= 10 && letter >= 6) {
            return -1;
        }
        value = value * 16 + (int)(digit < 10 ? digit : letter + 10);
    }
    return value;
}

/* The character of a \u escape whose digits begin at `at`, and how many bytes stand behind the
 * "\u"; 0 for U+0000, lone surrogates, and what is no escape. */
static uint32_t unicode_read(const char *at, const char *end, size_t *ret_n_bytes)
{
    int high = hex_read(at, end), low;

    *ret_n_bytes = 4;
    if (high <= 0 || (uint32_t)high < SURROGATE_FIRST || (uint32_t)high >= SURROGATE_END) {
        return high <= 0 ? 0 : (uint32_t)high;
    }
    if ((uint32_t)high >= SURROGATE_LOW || end - at < 10 || at[4] != '\\' || at[5] != 'u') {
        return 0;
    }
    low = hex_read(at + 6, end);
    if (low < (int)SURROGATE_LOW || low >= (int)SURROGATE_END) {
        return 0;
    }
    *ret_n_bytes = 10;
    return 0x10000 + (((uint32_t)high - SURROGATE_FIRST) << 10) + ((uint32_t)low - SURROGATE_LOW);
}

/* Bytes of the escape at the backslash `at`; 0 when it is none. */
static size_t escape_bytes(const char *at, const char *end)
{
    size_t n_bytes;

    if (end - at < 2) {
        return 0;
    }
    if (at[1] == 'u') {
        return unicode_read(at + 2, end, &n_bytes) == 0 ? 0 : n_bytes + 2;
    }
    return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
}

/* Takes what stands behind an opening quote, and the closing one. */
static bool text_rest(struct lw_json_scan *scan, struct lw_json_text *ret_text)
{
    const char *first = scan->at;
    const char *at = plain_end(first, scan->end);
    bool has_escapes = false;
    size_t n_bytes;

    while (at < scan->end && *at != '"') {
        if (*at == '\\') {
            has_escapes = true;
            n_bytes = escape_bytes(at, scan->end);
            if (n_bytes == 0) {
                return fail_at(scan, at, "an escape of JSON, no lone surrogate and no \\u0000");
            }
        } else {
            n_bytes = (unsigned char)*at < ' ' ? 0 : lw_utf8_length(at, (size_t)(scan->end - at));
            if (n_bytes == 0) {
                return fail_at(scan, at, "text in UTF-8, control characters escaped");
            }
        }
        at = plain_end(at + n_bytes, scan->end);
    }
    if (at == scan->end) {
        return fail_at(scan, at, "the text's closing quote");
    }
    if (at - first > LW_JSON_SCAN_TEXT_MAX) {
        return fail_at(scan, first, "a text of at most 65536 bytes");
    }
    ret_text->text = first;
    ret_text->n_bytes = (uint32_t)(at - first);
    ret_text->has_escapes = has_escapes;
    scan->at = at + 1;
    return true;
}

bool lw_json_scan_text(struct lw_json_scan *scan, struct lw_json_text *ret_text)
{
    return next_take(scan, '"', "a text") && text_rest(scan, ret_text);
}

/* Writes a character as UTF-8; returns its bytes. */
static size_t utf8_write(uint32_t character, char ret_bytes[4])
{
    if (character < 0x80) {
        ret_bytes[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        ret_bytes[0] = (char)(0xC0 | character >> 6);
        ret_bytes[1] = (char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        ret_bytes[0] = (char)(0xE0 | character >> 12);
        ret_bytes[1] = (char)(0x80 | (character >> 6 & 0x3F));
        ret_bytes[2] = (char)(0x80 | (character & 0x3F));
        return 3;
    }
    ret_bytes[0] = (char)(0xF0 | character >> 18);
    ret_bytes[1] = (char)(0x80 | (character >> 12 & 0x3F));
    ret_bytes[2] = (char)(0x80 | (character >> 6 & 0x3F));
    ret_bytes[3] = (char)(0x80 | (character & 0x3F));
    return 4;
}

/* What the escape at the backslash `at` says; returns the bytes it takes. The scanner has checked
 * it. */
static size_t escape_read(const char *at, const char *end, char ret_bytes[4], size_t *ret_n)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *letter;
    size_t n_bytes;

    if (at[1] == 'u') {
        *ret_n = utf8_write(unicode_read(at + 2, end, &n_bytes), ret_bytes);
        return n_bytes + 2;
    }
    letter = strchr(letters, at[1]);
    ret_bytes[0] = letter == NULL ? at[1] : meanings[letter - letters];
    *ret_n = 1;
    return 2;
}

size_t lw_json_text_copy(const struct lw_json_text *text, char *ret_text, size_t capacity)
{
    const char *at = text->text, *end = at + text->n_bytes;
    size_t n = 0;

    if (!text->has_escapes) {
        if (text->n_bytes >= capacity) {
            return SIZE_MAX;
        }
        memcpy(ret_text, at, text->n_bytes);
        ret_text[text->n_bytes] = '\0';
        return text->n_bytes;
    }
    while (at < end) {
        char bytes[4] = {*at};
        size_t n_bytes = 1;

        at += *at == '\\' ? escape_read(at, end, bytes, &n_bytes) : 1;
        if (capacity - n <= n_bytes) {
            return SIZE_MAX;
        }
        memcpy(ret_text + n, bytes, n_bytes);
        n += n_bytes;
    }
    if (n >= capacity) {
        return SIZE_MAX;
    }
    ret_text[n] = '\0';
    return n;
}

bool lw_json_text_is(const struct lw_json_text *text, const char *other)
{
    char copy[NAME_BYTES_MAX];

    if (!text->has_escapes) {
        return strlen(other) == text->n_bytes && memcmp(text->text, other, text->n_bytes) == 0;
    }
    return lw_json_text_copy(text, copy, sizeof(copy)) != SIZE_MAX && strcmp(copy, other) == 0;
}

/* ---- numbers and words ---- */

static bool number_read(struct lw_json_scan *scan, struct lw_number *ret_number)
{
    const char *first;
    char next = next_peek(scan);

    if (next != '-' && (unsigned)(next - '0') >= 10) {
        return lw_json_scan_fail(scan, "a number");
    }
    lw_number_read(scan->at, scan->end, ret_number);
    first = scan->at + (next == '-');
    if (ret_number->n_bytes > LW_JSON_SCAN_NUMBER_MAX) {
        return lw_json_scan_fail(scan, "a number of at most 400 bytes");
    }
    if (ret_number->n_whole == 0 || (ret_number->n_whole > 1 && *first == '0') ||
        (ret_number->has_mark && ret_number->n_fraction == 0) ||
        (ret_number->has_exponent && ret_number->n_exponent == 0)) {
        return lw_json_scan_fail(scan, "a number as JSON writes it");
    }
    return true;
}

bool lw_json_scan_number(struct lw_json_scan *scan, double *ret_value)
{
    struct lw_number number;

    if (!number_read(scan, &number)) {
        return false;
    }
    if (!lw_number_value(&number, ret_value)) {
        return lw_json_scan_fail(scan, "a number that a double can hold");
    }
    scan->at += number.n_bytes;
    return true;
}

bool lw_json_scan_number_parts(struct lw_json_scan *scan, struct lw_number *ret_number)
{
    if (!number_read(scan, ret_number)) {
        return false;
    }
    scan->at += ret_number->n_bytes;
    return true;
}

bool lw_json_scan_number_text(struct lw_json_scan *scan, struct lw_json_text *ret_text)
{
    struct lw_number number;

    if (!number_read(scan, &number)) {
        return false;
    }
    *ret_text = (struct lw_json_text){.text = scan->at, .n_bytes = number.n_bytes};
    scan->at += number.n_bytes;
    return true;
}

static bool word_take(struct lw_json_scan *scan, const char *word, const char *expected)
{
    size_t n_bytes = strlen(word);

    (void)next_peek(scan);
    if (scan->expected != NULL || (size_t)(scan->end - scan->at) < n_bytes ||
        memcmp(scan->at, word, n_bytes) != 0) {
        return lw_json_scan_fail(scan, expected);
    }
    scan->at += n_bytes;
    return true;
}

bool lw_json_scan_bool(struct lw_json_scan *scan, bool *ret_value)
{
    bool is_true = next_peek(scan) == 't';

    if (!word_take(scan, is_true ? "true" : "false", "true or false")) {
        return false;
    }
    *ret_value = is_true;
    return true;
}

bool lw_json_scan_null(struct lw_json_scan *scan)
{
    return word_take(scan, "null", "null");
}

/* ---- objects and arrays ---- */

static bool container_take(struct lw_json_scan *scan, char opening, const char *expected)
{
    if (next_peek(scan) != opening) {
        return lw_json_scan_fail(scan, expected);
    }
    if (scan->depth == LW_JSON_SCAN_DEPTH_MAX) {
        return lw_json_scan_fail(scan, "at most 64 objects and arrays within each other");
    }
    scan->at++;
    scan->depth++;
    scan->is_first = true;
    return true;
}

bool lw_json_scan_object(struct lw_json_scan *scan)
{
    return container_take(scan, '{', "an object");
}

bool lw_json_scan_array(struct lw_json_scan *scan)
{
    return container_take(scan, '[', "an array");
}

/* Takes the closing bracket, or the comma that must stand before all members but the first; true
 * when a member comes. */
static bool member_take(struct lw_json_scan *scan, char closing, const char *expected)
{
    char next = next_peek(scan);
    bool is_first = scan->is_first;

    if (next == closing && scan->expected == NULL) {
        scan->at++;
        scan->depth--;
        scan->is_first = false;
        return false;
    }
    scan->is_first = false;
    return is_first ? scan->expected == NULL : next_take(scan, ',', expected);
}

bool lw_json_scan_key(struct lw_json_scan *scan, struct lw_json_text *ret_key)
{
    return member_take(scan, '}', "\",\" or \"}\"") && next_take(scan, '"', "a key in quotes") &&
           text_rest(scan, ret_key) && next_take(scan, ':', "\":\"");
}

bool lw_json_scan_item(struct lw_json_scan *scan)
{
    return member_take(scan, ']', "\",\" or \"]\"");
}

static bool scalar_skip(struct lw_json_scan *scan, enum lw_json_kind kind)
{
    struct lw_json_text text;
    double number;
    bool truth;

    switch (kind) {
    case LW_JSON_TEXT:
        return lw_json_scan_text(scan, &text);
    case LW_JSON_NUMBER:
        return lw_json_scan_number(scan, &number);
    case LW_JSON_BOOL:
        return lw_json_scan_bool(scan, &truth);
    case LW_JSON_NULL:
        return lw_json_scan_null(scan);
    default:
        return lw_json_scan_fail(scan, "a value");
    }
}

/* Goes down and up in one loop; bit d of is_object tells what the container at depth d is. */
bool lw_json_scan_skip(struct lw_json_scan *scan)
{
    const int depth = scan->depth;
    uint64_t is_object = 0;
    struct lw_json_text key;
    enum lw_json_kind kind;
    bool has_value = true;

    do {
        if (has_value) {
            kind = lw_json_scan_peek(scan);
            if (kind == LW_JSON_OBJECT && lw_json_scan_object(scan)) {
                is_object |= (uint64_t)1 << (scan->depth - 1);
            } else if (kind == LW_JSON_ARRAY && lw_json_scan_array(scan)) {
                is_object &= ~((uint64_t)1 << (scan->depth - 1));
            } else if (!scalar_skip(scan, kind)) {
                return false;
            }
        }
        if (scan->depth > depth) {
            has_value = (is_object >> (scan->depth - 1) & 1) != 0 ? lw_json_scan_key(scan, &key)
                                                                  : lw_json_scan_item(scan);
        }
    } while (scan->depth > depth && scan->expected == NULL);
    return scan->expected == NULL;
}

bool lw_json_scan_end(struct lw_json_scan *scan)
{
    (void)next_peek(scan);
    if (scan->expected == NULL && scan->at < scan->end) {
        return lw_json_scan_fail(scan, "nothing more");
    }
    return scan->expected == NULL;
}
