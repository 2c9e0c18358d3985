/* The JSON scanner: beside jansson on texts that probe each rule, its limits, its messages, and
 * reading what one expects. */
#include "base/rng.h"
#include "connect/json_scan.h"
#include "support/json_oracle.h"
#include "support/test.h"

#include <stdlib.h>

#define RANDOM_TEXTS 200000

static void check_agrees(const char *text, size_t n_bytes)
{
    if (!json_oracle_agrees(text, n_bytes)) {
        fail_msg("the scanner and jansson differ on %.*s", (int)n_bytes, text);
    }
}

static const char *const texts[] = {
    "{}",
    "[]",
    " [ ] ",
    "null",
    "true",
    "false",
    "nul",
    "truex",
    "tru",
    "fals",
    "",
    " ",
    "[1,2]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1",
    "[",
    "]",
    "[1}",
    "{\"a\":1]",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" : [ {\"b\":null} , true ] }",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "1 2",
    "[]]",
    "0",
    "-0",
    "-0.0",
    "00",
    "01",
    "-01",
    "-",
    "+1",
    ".5",
    "5.",
    "1e",
    "1e+",
    "1e5",
    "1E-5",
    "1e400",
    "-1e400",
    "1e-400",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "5e-324",
    "0.1",
    "0.30000000000000004",
    "9007199254740993",
    "18446744073709551616",
    "123456789012345678901234567890.5e-10",
    "12345678",
    "123456789",
    "1234567:",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "1_000",
    "\"\"",
    "\"plain\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"a\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800\\udbff\"",
    "\"\\udbff\\udfff\"",
    "\"\\ud800x\"",
    "\"\\uFFFF\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\uABCD\\uabcd\"",
    "\"\\x41\"",
    "\"\\a\"",
    "\"\\'\"",
    "\"\\",
    "\"\\\"",
    "\"\\u",
    "\"abc",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"a\x7f\"",
    "\"a\x1f\"",
    "\"\xc3\xa9\"",
    "\"\xe2\x82\xac\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\xc0\x80\"",
    "\"\xe0\x80\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xff\"",
    "\"\x80\"",
    "\"\xc3",
    "\"\xc3\"",
    "\"sixteen bytes or more, and then \\u00e9 and a \xc3\xa9, and more of plain text at the end\"",
    "\"sixteen bytes or more, and then a \x01\"",
    "{\"a\":1,\"a\":2}",
    "{\"\":0}",
    "{\"\\u0061\":1,\"b\":2}",
    "\xef\xbb\xbf{}",
    "[1,2,3]\x0c",
    "\t\r\n [1]\t\r\n ",
    "[[[[[[[[[[1]]]]]]]]]]",
    "{\"a\":{\"b\":{\"c\":[{}]}}}",
    "// comment\n1",
};

static void test_scan__agrees_with_jansson(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_agrees(texts[i], strlen(texts[i]));
    }
    check_agrees("[1,\0]", 5);
    check_agrees("\"a\0b\"", 5);
    check_agrees("\0", 1);
    check_agrees("1\0", 2);
}

/* Every text with a byte changed, left out or doubled. */
static void test_scan__agrees_with_jansson_on_damaged_texts(void **state)
{
    static const char bytes[] = "\"\\{}[]:,0189.eE+-tfnu \n\x01\x80\xc3\xed\xf0\xff/";
    struct lw_rng rng;
    size_t n_taken = 0;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        const char *text = texts[lw_rng_below(&rng, sizeof(texts) / sizeof(texts[0]))];
        char damaged[256];
        size_t n = strlen(text);

        memcpy(damaged, text, n);
        for (uint64_t k = lw_rng_below(&rng, 3); n > 0 && k < 3; k++) {
            size_t at = lw_rng_below(&rng, n);

            damaged[at] = bytes[lw_rng_below(&rng, sizeof(bytes) - 1)];
        }
        check_agrees(damaged, n);
        n_taken += n > 2 && damaged[0] == '[';
    }
    assert_true(n_taken > 100);
}

static bool is_taken(const char *text, size_t n_bytes, char *ret_message)
{
    struct lw_json_scan scan;

    lw_json_scan_init(&scan, text, n_bytes);
    if (lw_json_scan_skip(&scan) && lw_json_scan_end(&scan)) {
        return true;
    }
    lw_json_scan_describe(&scan, ret_message);
    return false;
}

static void test_scan__has_limits_of_depth_text_and_number(void **state)
{
    static char text[LW_JSON_SCAN_TEXT_MAX + 8];
    char message[LW_JSON_SCAN_MESSAGE_MAX];

    (void)state;
    memset(text, '[', LW_JSON_SCAN_DEPTH_MAX);
    memset(text + LW_JSON_SCAN_DEPTH_MAX, ']', LW_JSON_SCAN_DEPTH_MAX);
    assert_true(is_taken(text, (size_t)2 * LW_JSON_SCAN_DEPTH_MAX, message));
    memset(text, '[', LW_JSON_SCAN_DEPTH_MAX + 1);
    assert_false(is_taken(text, (size_t)2 * LW_JSON_SCAN_DEPTH_MAX, message));
    assert_string_equal(message,
                        "byte 65: expected at most 64 objects and arrays within each other");

    memset(text, 'a', sizeof(text));
    text[0] = text[LW_JSON_SCAN_TEXT_MAX + 1] = '"';
    assert_true(is_taken(text, LW_JSON_SCAN_TEXT_MAX + 2, message));
    text[LW_JSON_SCAN_TEXT_MAX + 1] = 'a';
    text[LW_JSON_SCAN_TEXT_MAX + 2] = '"';
    assert_false(is_taken(text, LW_JSON_SCAN_TEXT_MAX + 3, message));
    assert_string_equal(message, "byte 2: expected a text of at most 65536 bytes");

    memset(text, '1', sizeof(text));
    text[1] = '.';
    assert_true(is_taken(text, LW_JSON_SCAN_NUMBER_MAX, message));
    assert_false(is_taken(text, LW_JSON_SCAN_NUMBER_MAX + 1, message));
    assert_string_equal(message, "byte 1: expected a number of at most 400 bytes");
    assert_false(is_taken(text, 5000, message));
    memset(text, '1', 5000);
    assert_false(is_taken(text, 5000, message));
}

static void test_scan__says_where_and_what_was_expected(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "byte 1: expected a value"},
        {"[1 2]", "byte 4: expected \",\" or \"]\""},
        {"{\"a\":1 2}", "byte 8: expected \",\" or \"}\""},
        {"{\"a\" 1}", "byte 6: expected \":\""},
        {"{a:1}", "byte 2: expected a key in quotes"},
        {"[01]", "byte 2: expected a number as JSON writes it"},
        {"[1e999]", "byte 2: expected a number that a double can hold"},
        {"[\"ab\\x\"]", "byte 5: expected an escape of JSON, no lone surrogate and no \\u0000"},
        {"[\"ab\xff\"]", "byte 5: expected text in UTF-8, control characters escaped"},
        {"[\"ab", "byte 5: expected the text's closing quote"},
        {"[nil]", "byte 2: expected null"},
        {"[] []", "byte 4: expected nothing more"},
    };
    char message[LW_JSON_SCAN_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(is_taken(cases[i].text, strlen(cases[i].text), message));
        assert_string_equal(message, cases[i].message);
    }
}

static void test_scan__reads_what_is_asked_for(void **state)
{
    static const char text[] =
        "{\"na\\u006de\": \"a\\n\\u00e9\", \"n\": [1700000000.123456789, -2],"
        " \"on\": true, \"rest\": {\"x\": [null]}, \"none\": null}";
    struct lw_json_scan scan;
    struct lw_json_text key, value = {0};
    double number = 0.0;
    bool is_on = false;
    char copy[8];

    (void)state;
    lw_json_scan_init(&scan, text, sizeof(text) - 1);
    assert_true(lw_json_scan_object(&scan));
    assert_true(lw_json_scan_key(&scan, &key) && lw_json_text_is(&key, "name"));
    assert_false(lw_json_text_is(&key, "names") || lw_json_text_is(&key, "nam"));
    assert_true(lw_json_scan_text(&scan, &value));
    assert_int_equal(lw_json_text_copy(&value, copy, 5), 4);
    assert_string_equal(copy, "a\n\xc3\xa9");
    assert_true(lw_json_text_copy(&value, copy, 4) == SIZE_MAX);
    assert_true(lw_json_scan_key(&scan, &key) && lw_json_scan_array(&scan));
    assert_true(lw_json_scan_item(&scan) && lw_json_scan_number_text(&scan, &value));
    assert_memory_equal(value.text, "1700000000.123456789", value.n_bytes);
    assert_true(lw_json_scan_item(&scan) && lw_json_scan_number(&scan, &number));
    assert_true(number == -2.0);
    assert_false(lw_json_scan_item(&scan));
    assert_true(lw_json_scan_key(&scan, &key) && lw_json_scan_bool(&scan, &is_on) && is_on);
    assert_true(lw_json_scan_key(&scan, &key) && lw_json_scan_skip(&scan));
    assert_true(lw_json_scan_key(&scan, &key) && lw_json_text_is(&key, "none"));
    assert_true(lw_json_scan_null(&scan));
    assert_false(lw_json_scan_key(&scan, &key));
    assert_true(lw_json_scan_end(&scan));
}

static void test_scan__stays_failed(void **state)
{
    struct lw_json_scan scan;
    struct lw_json_text text;
    char message[LW_JSON_SCAN_MESSAGE_MAX];
    double number;

    (void)state;
    lw_json_scan_init(&scan, "[1, 2]", 6);
    assert_true(lw_json_scan_array(&scan) && lw_json_scan_item(&scan));
    assert_false(lw_json_scan_text(&scan, &text));
    assert_false(lw_json_scan_number(&scan, &number) || lw_json_scan_skip(&scan) ||
                 lw_json_scan_item(&scan) || lw_json_scan_key(&scan, &text) ||
                 lw_json_scan_null(&scan) || lw_json_scan_end(&scan));
    assert_int_equal(lw_json_scan_peek(&scan), LW_JSON_NOTHING);
    assert_false(lw_json_scan_fail(&scan, "something else"));
    lw_json_scan_describe(&scan, message);
    assert_string_equal(message, "byte 2: expected a text");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan__agrees_with_jansson),
        cmocka_unit_test(test_scan__agrees_with_jansson_on_damaged_texts),
        cmocka_unit_test(test_scan__has_limits_of_depth_text_and_number),
        cmocka_unit_test(test_scan__says_where_and_what_was_expected),
        cmocka_unit_test(test_scan__reads_what_is_asked_for),
        cmocka_unit_test(test_scan__stays_failed),
    };

    return LW_TEST_RUN(tests);
}
