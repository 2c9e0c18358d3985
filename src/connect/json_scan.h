/*
 * A strict reader of JSON (RFC 8259) for data from outside: one pass over a range of bytes, nothing
 * allocated, nothing copied. The caller asks for what it expects:
 *
 *     lw_json_scan_init(&scan, text, n_bytes);
 *     lw_json_scan_object(&scan);
 *     while (lw_json_scan_key(&scan, &key)) {
 *         if (lw_json_text_is(&key, "value")) {
 *             lw_json_scan_number(&scan, &value);
 *         } else {
 *             lw_json_scan_skip(&scan);
 *         }
 *     }
 *     if (!lw_json_scan_end(&scan)) { ... lw_json_scan_describe(&scan, message); }
 *
 * The first failure is remembered with its place; every later call then answers false, so loops end
 * and one check at the end is enough. Every function checks all that it passes over: what is
 * skipped is as valid as what is read. Texts are valid UTF-8 without U+0000, escapes are complete,
 * surrogates come in pairs. Equal keys of an object are the caller's to refuse: it alone knows
 * which ones matter.
 *
 * A scanner belongs to one thread; the range of bytes must stay while texts of it are in use.
 */
#ifndef LW_CONNECT_JSON_SCAN_H
#define LW_CONNECT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Objects and arrays within each other. */
#define LW_JSON_SCAN_DEPTH_MAX 64
/* Bytes of one text as written, between its quotes. */
#define LW_JSON_SCAN_TEXT_MAX 65536
/* Bytes of one number. */
#define LW_JSON_SCAN_NUMBER_MAX 400
/* Bytes that lw_json_scan_describe may need, terminator included. */
#define LW_JSON_SCAN_MESSAGE_MAX 96

enum lw_json_kind {
    LW_JSON_NOTHING, /* No value begins here. */
    LW_JSON_OBJECT,
    LW_JSON_ARRAY,
    LW_JSON_TEXT,
    LW_JSON_NUMBER,
    LW_JSON_BOOL,
    LW_JSON_NULL
};

/* A view into the range: a text without its quotes, or a number. */
struct lw_json_text {
    const char *text;
    uint32_t n_bytes;
    bool has_escapes; /* See lw_json_text_copy. */
};

/* Only lw_json_scan_at and `expected` are for callers. */
struct lw_json_scan {
    const char *begin, *at, *end;
    const char *expected; /* NULL: all is well; else what was expected at `at`. Static. */
    int depth;
    bool is_first; /* The container was just begun. */
};

void lw_json_scan_init(struct lw_json_scan *scan, const char *text, size_t n_bytes);
/* What begins at the next byte that is no blank; takes the blanks alone. After a failure NOTHING.
 */
enum lw_json_kind lw_json_scan_peek(struct lw_json_scan *scan);

/* Takes "{". */
bool lw_json_scan_object(struct lw_json_scan *scan);
/* Takes the next key of the object begun last, with its colon: the value must be taken before the
 * next call. False: the object's "}" was taken, or a failure. */
bool lw_json_scan_key(struct lw_json_scan *scan, struct lw_json_text *ret_key);
/* Takes "[". */
bool lw_json_scan_array(struct lw_json_scan *scan);
/* An item of the array begun last comes next and must be taken before the next call. False: the
 * array's "]" was taken, or a failure. */
bool lw_json_scan_item(struct lw_json_scan *scan);

bool lw_json_scan_text(struct lw_json_scan *scan, struct lw_json_text *ret_text);
/* The same bits as strtod gives. A number too large for a double is a failure. */
bool lw_json_scan_number(struct lw_json_scan *scan, double *ret_value);
/* A number as it is written: for integers of 64 bits, and times. */
bool lw_json_scan_number_text(struct lw_json_scan *scan, struct lw_json_text *ret_text);
/* The same, in its parts. */
struct lw_number;
bool lw_json_scan_number_parts(struct lw_json_scan *scan, struct lw_number *ret_number);
bool lw_json_scan_bool(struct lw_json_scan *scan, bool *ret_value);
bool lw_json_scan_null(struct lw_json_scan *scan);
/* Takes any value. */
bool lw_json_scan_skip(struct lw_json_scan *scan);

/* All went well, and nothing but blanks follows. */
bool lw_json_scan_end(struct lw_json_scan *scan);
/* Remembers a failure of the caller's at the present place, unless there is one already: `expected`
 * is static and completes "expected ...". Returns false. */
bool lw_json_scan_fail(struct lw_json_scan *scan, const char *expected);
/* Where the scanner is; after a failure where it happened. From 0. */
size_t lw_json_scan_at(const struct lw_json_scan *scan);
/* "byte 18: expected a value"; bytes count from 1. Only after a failure. */
void lw_json_scan_describe(const struct lw_json_scan *scan,
                           char ret_message[LW_JSON_SCAN_MESSAGE_MAX]);

/* A text of the scanner says this, escapes resolved. */
bool lw_json_text_is(const struct lw_json_text *text, const char *other);
/* Copies it, escapes resolved, terminated; returns its length, or SIZE_MAX when it does not fit
 * into capacity. */
size_t lw_json_text_copy(const struct lw_json_text *text, char *ret_text, size_t capacity);

#endif
