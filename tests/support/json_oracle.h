/*
 * The JSON scanner beside jansson: both take a text or both refuse it, and what they read is equal
 * to the last bit.
 *
 * Deliberate differences, which are left out: the scanner's limits of depth, text and number; equal
 * keys, which jansson is told to refuse here and the scanner leaves to its caller; a zero byte,
 * which jansson takes for the end and the scanner refuses anywhere.
 */
#ifndef LW_TESTS_SUPPORT_JSON_ORACLE_H
#define LW_TESTS_SUPPORT_JSON_ORACLE_H

#include "connect/json_scan.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A text too long for this is compared by its length alone. */
#define JSON_ORACLE_TEXT (LW_JSON_SCAN_TEXT_MAX + 1)

static inline bool json_oracle_value(struct lw_json_scan *scan, const json_t *tree);

static inline bool json_oracle_text(const struct lw_json_text *text, const json_t *tree)
{
    static char copy[JSON_ORACLE_TEXT];
    size_t n = lw_json_text_copy(text, copy, sizeof(copy));

    return json_is_string(tree) && n == json_string_length(tree) &&
           memcmp(copy, json_string_value(tree), n) == 0 &&
           lw_json_text_is(text, json_string_value(tree)) ==
               (!text->has_escapes || n < 256); /* The limit of comparing what has escapes. */
}

static inline bool json_oracle_object(struct lw_json_scan *scan, const json_t *tree)
{
    char name[JSON_ORACLE_TEXT];
    struct lw_json_text key;
    size_t n = 0;

    if (!lw_json_scan_object(scan)) {
        return false;
    }
    while (lw_json_scan_key(scan, &key)) {
        n++;
        if (lw_json_text_copy(&key, name, sizeof(name)) == SIZE_MAX ||
            json_object_get(tree, name) == NULL ||
            !json_oracle_value(scan, json_object_get(tree, name))) {
            return false;
        }
    }
    return n == json_object_size(tree);
}

static inline bool json_oracle_array(struct lw_json_scan *scan, const json_t *tree)
{
    size_t n = 0;

    if (!lw_json_scan_array(scan)) {
        return false;
    }
    while (lw_json_scan_item(scan)) {
        if (!json_oracle_value(scan, json_array_get(tree, n++))) {
            return false;
        }
    }
    return n == json_array_size(tree);
}

static inline bool json_oracle_value(struct lw_json_scan *scan, const json_t *tree)
{
    struct lw_json_text text;
    double number, expected;
    bool truth;

    switch (lw_json_scan_peek(scan)) {
    case LW_JSON_OBJECT:
        return json_is_object(tree) && json_oracle_object(scan, tree);
    case LW_JSON_ARRAY:
        return json_is_array(tree) && json_oracle_array(scan, tree);
    case LW_JSON_TEXT:
        return lw_json_scan_text(scan, &text) && json_oracle_text(&text, tree);
    case LW_JSON_NUMBER:
        expected = json_number_value(tree);
        return json_is_number(tree) && lw_json_scan_number(scan, &number) &&
               memcmp(&number, &expected, sizeof(number)) == 0;
    case LW_JSON_BOOL:
        return lw_json_scan_bool(scan, &truth) && json_is_boolean(tree) &&
               truth == json_is_true(tree);
    case LW_JSON_NULL:
        return lw_json_scan_null(scan) && json_is_null(tree);
    default:
        return false;
    }
}

/* Scanner and jansson agree about these bytes; false: they do not, and it is told on stderr. */
static inline bool json_oracle_agrees(const char *text, size_t n_bytes)
{
    char message[LW_JSON_SCAN_MESSAGE_MAX] = "";
    struct lw_json_scan scan;
    json_error_t error;
    json_t *tree = json_loadb(
        text, n_bytes, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &error);
    bool is_taken, is_equal = true;

    lw_json_scan_init(&scan, text, n_bytes);
    is_taken = lw_json_scan_skip(&scan) && lw_json_scan_end(&scan);
    if (!is_taken) {
        lw_json_scan_describe(&scan, message);
    }
    if (memchr(text, '\0', n_bytes) != NULL) {
        json_decref(tree);
        return !is_taken;
    }
    if (tree == NULL && json_error_code(&error) == json_error_duplicate_key) {
        return true;
    }
    if (is_taken && tree != NULL) {
        lw_json_scan_init(&scan, text, n_bytes);
        is_equal = json_oracle_value(&scan, tree) && lw_json_scan_end(&scan);
    }
    if (is_taken != (tree != NULL) && strstr(message, "at most") == NULL) {
        is_equal = false;
    }
    if (!is_equal) {
        (void)fprintf(stderr, "scanner: %s; jansson: %s at %d\n", is_taken ? "taken" : message,
                      tree != NULL ? "taken" : error.text, error.position);
    }
    json_decref(tree);
    return is_equal;
}

#endif
