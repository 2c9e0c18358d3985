/* The first line of a small file. */
#include "support/test.h"

#include "connect/first_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum lw_status read_of(const char *content, char ret_line[8], struct lw_error *reterr)
{
    char path[] = "/tmp/lapwing-test-XXXXXX";
    int fd = mkstemp(path);
    enum lw_status status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    (void)close(fd);
    status = lw_first_line_read(path, "a secret", ret_line, 8, reterr);
    (void)unlink(path);
    return status;
}

static void test_first_line__ends_where_the_line_does(void **state)
{
    char line[8];

    (void)state;
    assert_int_equal(read_of("abc\r\nmore", line, NULL), LW_OK);
    assert_string_equal(line, "abc");
    assert_int_equal(read_of("abcdef", line, NULL), LW_OK);
    assert_string_equal(line, "abcdef");
    assert_int_equal(read_of("", line, NULL), LW_OK);
    assert_string_equal(line, "");
}

static void test_first_line__says_its_limit(void **state)
{
    struct lw_error error = {0};
    char line[8];

    (void)state;
    assert_int_equal(read_of("abcdefg", line, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, "a secret has at most 6 bytes"));
    assert_int_equal(lw_first_line_read("/none/such", "x", line, 8, &error), LW_ENOTFOUND);
}

static void test_first_line__refuses_what_no_header_may_hold(void **state)
{
    struct lw_error error = {0};

    (void)state;
    assert_int_equal(lw_first_line_check("f", "Bearer abc", NULL), LW_OK);
    assert_int_equal(lw_first_line_check("f", "ab\x01", &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, "byte 3"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_line__ends_where_the_line_does),
        cmocka_unit_test(test_first_line__says_its_limit),
        cmocka_unit_test(test_first_line__refuses_what_no_header_may_hold),
    };

    return LW_TEST_RUN(tests);
}
