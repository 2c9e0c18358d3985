/* base/json: exact texts. */
#include "support/test.h"

#include "base/json.h"
#include "support/mem_faulty.h"

#include <math.h>
#include <string.h>

static void test_json__writes_commas_colons_and_nesting(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "name");
    lw_json_text(&json, "cpu");
    lw_json_key(&json, "rows");
    lw_json_begin_array(&json);
    lw_json_int(&json, INT64_MIN);
    lw_json_number(&json, 0.1);
    lw_json_begin_object(&json);
    lw_json_end(&json);
    lw_json_begin_array(&json);
    lw_json_end(&json);
    lw_json_bool(&json, true);
    lw_json_bool(&json, false);
    lw_json_null(&json);
    lw_json_end(&json);
    lw_json_key(&json, "raw");
    lw_json_raw(&json, "{\"a\":1}", 7);
    lw_json_end(&json);
    assert_string_equal(
        lw_json_peek(&json),
        "{\"name\":\"cpu\",\"rows\":[-9223372036854775808,0.1,{},[],true,false,null],"
        "\"raw\":{\"a\":1}}");
    lw_json_fini(&json);
}

static void test_json__has_null_for_what_json_has_not(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_json_begin_array(&json);
    lw_json_number(&json, (double)NAN);
    lw_json_number(&json, (double)INFINITY);
    lw_json_number(&json, -(double)INFINITY);
    lw_json_text(&json, NULL);
    lw_json_end(&json);
    assert_string_equal(lw_json_peek(&json), "[null,null,null,null]");
    lw_json_fini(&json);
}

static void test_json__writes_floats_as_short_as_they_read_back(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_json_begin_array(&json);
    lw_json_float(&json, 0.1f);
    lw_json_float(&json, 16777216.0f);
    lw_json_float(&json, 1.17549435e-38f);
    lw_json_float(&json, NAN);
    lw_json_float(&json, -INFINITY);
    lw_json_end(&json);
    assert_string_equal(lw_json_peek(&json), "[0.1,16777216,1.1754944e-38,null,null]");
    lw_json_fini(&json);
}

static void test_json__escapes_and_mends_text(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_json_text_n(&json, "a\"\\/\b\f\n\r\t\x01\x1F\x7F\0z", 14);
    assert_string_equal(lw_json_peek(&json),
                        "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000z\"");
    lw_json_reset(&json);
    lw_json_text(&json, "\xC3\xA9\xF0\x9F\xA6\x86");
    assert_string_equal(lw_json_peek(&json), "\"\xC3\xA9\xF0\x9F\xA6\x86\"");
    lw_json_reset(&json);
    lw_json_text(&json, "a\xFFz\xC3");
    assert_string_equal(lw_json_peek(&json), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
    lw_json_fini(&json);
}

static void test_json__keys_are_escaped_too(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "a\"b");
    lw_json_int(&json, 1);
    lw_json_end(&json);
    assert_string_equal(lw_json_peek(&json), "{\"a\\\"b\":1}");
    lw_json_fini(&json);
}

static void test_json__nests_to_its_limit(void **state)
{
    struct lw_json json;
    const char *text;

    (void)state;
    lw_json_init(&json);
    for (int i = 0; i < LW_JSON_DEPTH_MAX; i++) {
        lw_json_begin_array(&json);
    }
    lw_json_int(&json, 1);
    lw_json_int(&json, 2);
    for (int i = 0; i < LW_JSON_DEPTH_MAX; i++) {
        lw_json_end(&json);
    }
    text = lw_json_peek(&json);
    assert_non_null(text);
    assert_int_equal(strlen(text), 2 * LW_JSON_DEPTH_MAX + 3);
    assert_int_equal(strspn(text, "["), LW_JSON_DEPTH_MAX);
    lw_json_fini(&json);
}

static void test_json__says_when_memory_ended(void **state)
{
    struct lw_json json;

    (void)state;
    lw_json_init(&json);
    lw_test_mem_fail_at(1);
    lw_json_begin_array(&json);
    lw_json_end(&json);
    lw_test_mem_fail_at(0);
    assert_null(lw_json_peek(&json));
    assert_int_equal(json.out.status, LW_ENOMEM);
    lw_json_fini(&json);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__writes_commas_colons_and_nesting),
        cmocka_unit_test(test_json__has_null_for_what_json_has_not),
        cmocka_unit_test(test_json__writes_floats_as_short_as_they_read_back),
        cmocka_unit_test(test_json__escapes_and_mends_text),
        cmocka_unit_test(test_json__keys_are_escaped_too),
        cmocka_unit_test(test_json__nests_to_its_limit),
        cmocka_unit_test(test_json__says_when_memory_ended),
    };
    return LW_TEST_RUN(tests);
}
