/* base/error: names of all statuses, and sentences that are cut rather than overrun. */
#include "support/test.h"

#include "base/error.h"

#include <string.h>

static void test_status__every_code_has_its_own_name(void **state)
{
    static const struct {
        enum lw_status status;
        const char *name;
    } cases[] = {
        {LW_OK, "LW_OK"},         {LW_EINVAL, "LW_EINVAL"},       {LW_ENOMEM, "LW_ENOMEM"},
        {LW_EIO, "LW_EIO"},       {LW_EFORMAT, "LW_EFORMAT"},     {LW_EVERSION, "LW_EVERSION"},
        {LW_ELIMIT, "LW_ELIMIT"}, {LW_ENOTFOUND, "LW_ENOTFOUND"}, {LW_EBUSY, "LW_EBUSY"},
        {LW_EEXIST, "LW_EEXIST"}, {LW_ETOOLONG, "LW_ETOOLONG"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal((int)cases[i].status, -(int)i); /* Numbers never change. */
        assert_string_equal(lw_status_name(cases[i].status), cases[i].name);
    }
    assert_string_equal(lw_status_name((enum lw_status) - 11), "LW_UNKNOWN");
    assert_string_equal(lw_status_name((enum lw_status)1), "LW_UNKNOWN");
}

static void test_error__holds_the_sentence_and_returns_the_status(void **state)
{
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_error_set(&error, LW_ELIMIT, "%d rows are above %s", 5, "four"), LW_ELIMIT);
    assert_int_equal(error.status, LW_ELIMIT);
    assert_string_equal(error.message, "5 rows are above four");
    assert_int_equal(lw_error_set(NULL, LW_EIO, "nobody reads this"), LW_EIO);
}

static void test_error__cuts_a_long_sentence(void **state)
{
    char text[2 * LW_ERROR_MESSAGE_MAX];
    struct lw_error error;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(lw_error_set(&error, LW_EINVAL, "%s", text), LW_EINVAL);
    assert_int_equal(strlen(error.message), LW_ERROR_MESSAGE_MAX - 1);
    assert_memory_equal(error.message, text, LW_ERROR_MESSAGE_MAX - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status__every_code_has_its_own_name),
        cmocka_unit_test(test_error__holds_the_sentence_and_returns_the_status),
        cmocka_unit_test(test_error__cuts_a_long_sentence),
    };
    return LW_TEST_RUN(tests);
}
