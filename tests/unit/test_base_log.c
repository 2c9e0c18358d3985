/* base/log: exact lines, and that no input can forge one. */
#include "support/test.h"

#include "base/log.h"
#include "support/mem_faulty.h"

#include <math.h>
#include <string.h>

struct lines {
    char text[4096];
    size_t n_bytes;
};

static void lines_write(void *user, const char *line, size_t n_bytes)
{
    struct lines *lines = user;

    assert_true(lines->n_bytes + n_bytes < sizeof(lines->text));
    memcpy(lines->text + lines->n_bytes, line, n_bytes);
    lines->n_bytes += n_bytes;
    lines->text[lines->n_bytes] = '\0';
}

static int64_t fixed_now(void)
{
    return 1424986973250999999;
}

static struct lw_log log_to(struct lines *lines, enum lw_log_format format)
{
    return (struct lw_log){.level = LW_LOG_INFO,
                           .format = format,
                           .now_ns = fixed_now,
                           .write = lines_write,
                           .user = lines};
}

static void test_log__writes_json_lines(void **state)
{
    struct lines lines = {.n_bytes = 0};
    struct lw_log log = log_to(&lines, LW_LOG_AS_JSON);

    (void)state;
    lw_log(&log, LW_LOG_INFO, "file read", LW_LOG_TEXT("file", "a\n\"b"), LW_LOG_INT("rows", 12),
           LW_LOG_NUMBER("score", 0.5), LW_LOG_NUMBER("none", (double)NAN),
           LW_LOG_BOOL("done", true));
    lw_log(&log, LW_LOG_ERROR, "bare");
    assert_string_equal(
        lines.text,
        "{\"time\":\"2015-02-26T21:42:53.250Z\",\"level\":\"info\",\"message\":\"file read\","
        "\"file\":\"a\\n\\\"b\",\"rows\":12,\"score\":0.5,\"none\":null,\"done\":true}\n"
        "{\"time\":\"2015-02-26T21:42:53.250Z\",\"level\":\"error\",\"message\":\"bare\"}\n");
}

static void test_log__writes_text_for_people(void **state)
{
    struct lines lines = {.n_bytes = 0};
    struct lw_log log = log_to(&lines, LW_LOG_AS_TEXT);

    (void)state;
    lw_log(&log, LW_LOG_WARN, "file read", LW_LOG_TEXT("file", "a.csv"),
           LW_LOG_TEXT("why", "two words"), LW_LOG_TEXT("empty", ""), LW_LOG_TEXT("none", NULL),
           LW_LOG_INT("rows", -1), LW_LOG_BOOL("done", false));
    assert_string_equal(
        lines.text,
        "2015-02-26T21:42:53.250Z warn  file read file=a.csv why=\"two words\" empty=\"\" "
        "none=null rows=-1 done=false\n");
}

static void test_log__input_cannot_forge_a_line(void **state)
{
    static const char evil[] = "x\n2015-02-26T21:42:53.250Z error fake\x1B[31m level=error";

    (void)state;
    for (int format = LW_LOG_AS_JSON; format <= LW_LOG_AS_TEXT; format++) {
        struct lines lines = {.n_bytes = 0};
        struct lw_log log = log_to(&lines, (enum lw_log_format)format);

        lw_log(&log, LW_LOG_INFO, "seen", LW_LOG_TEXT("name", evil));
        assert_ptr_equal(strchr(lines.text, '\n'), lines.text + lines.n_bytes - 1);
        assert_null(strchr(lines.text, '\x1B'));
    }
}

static void test_log__drops_lines_below_its_level(void **state)
{
    struct lines lines = {.n_bytes = 0};
    struct lw_log log = log_to(&lines, LW_LOG_AS_TEXT);

    (void)state;
    lw_log(&log, LW_LOG_DEBUG, "quiet");
    assert_int_equal(lines.n_bytes, 0);
    lw_log(NULL, LW_LOG_ERROR, "nobody listens");
    log.level = LW_LOG_DEBUG;
    lw_log(&log, LW_LOG_DEBUG, "loud");
    assert_string_equal(lines.text, "2015-02-26T21:42:53.250Z debug loud\n");
}

static void test_log__speaks_even_without_memory(void **state)
{
    struct lines lines = {.n_bytes = 0};
    struct lw_log log = log_to(&lines, LW_LOG_AS_JSON);

    (void)state;
    lw_test_mem_fail_at(1);
    lw_log(&log, LW_LOG_INFO, "lost");
    lw_test_mem_fail_at(0);
    assert_string_equal(lines.text,
                        "{\"level\":\"error\",\"message\":\"no memory for a log line\"}\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__writes_json_lines),
        cmocka_unit_test(test_log__writes_text_for_people),
        cmocka_unit_test(test_log__input_cannot_forge_a_line),
        cmocka_unit_test(test_log__drops_lines_below_its_level),
        cmocka_unit_test(test_log__speaks_even_without_memory),
    };
    return LW_TEST_RUN(tests);
}
