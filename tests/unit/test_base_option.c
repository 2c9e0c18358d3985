/* base/option: parsing, bounds, exact messages, and writing back what was read. */
#include "support/test.h"

#include "base/option.h"

#include <stdbool.h>
#include <string.h>

struct sample {
    bool is_on;
    int64_t count;
    double share;
    int64_t step_ns;
    int64_t buffer_bytes;
    int mode;
    char name[8];
};

static const char *const modes[] = {"last", "mean", "sum", NULL};

static const struct lw_option table[] = {
    {.name = "is_on",
     .type = LW_OPTION_BOOL,
     .offset = offsetof(struct sample, is_on),
     .fallback = "yes"},
    {.name = "count",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct sample, count),
     .fallback = "10",
     .min = -5,
     .max = 100},
    {.name = "share",
     .type = LW_OPTION_DOUBLE,
     .offset = offsetof(struct sample, share),
     .fallback = "0.25",
     .min = 0,
     .max = 1},
    {.name = "step",
     .type = LW_OPTION_DURATION,
     .offset = offsetof(struct sample, step_ns),
     .fallback = "10s",
     .min = 1e6,
     .max = 604800e9},
    {.name = "buffer",
     .type = LW_OPTION_SIZE,
     .offset = offsetof(struct sample, buffer_bytes),
     .fallback = "64KiB",
     .min = 1,
     .max = 1048576},
    {.name = "mode",
     .type = LW_OPTION_ENUM,
     .offset = offsetof(struct sample, mode),
     .fallback = "mean",
     .choices = modes},
    {.name = "name",
     .type = LW_OPTION_TEXT,
     .offset = offsetof(struct sample, name),
     .fallback = "cpu",
     .capacity = sizeof(((struct sample *)NULL)->name)},
};

#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

static enum lw_status set(struct sample *sample, const char *name, const char *text,
                          struct lw_error *reterr)
{
    return lw_options_set(table, N_OPTIONS, sample, name, text, reterr);
}

static void test_option__defaults_fill_every_field(void **state)
{
    struct sample sample;

    (void)state;
    memset(&sample, 0xAA, sizeof(sample));
    lw_options_default(table, N_OPTIONS, &sample);
    assert_true(sample.is_on);
    assert_int_equal(sample.count, 10);
    assert_true(sample.share == 0.25);
    assert_true(sample.step_ns == 10000000000);
    assert_int_equal(sample.buffer_bytes, 65536);
    assert_int_equal(sample.mode, 1);
    assert_string_equal(sample.name, "cpu");
}

static void test_option__says_what_it_expected_and_got(void **state)
{
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        {"is_on", "maybe", "is_on: expected true or false, got \"maybe\""},
        {"count", "101", "count: expected a whole number from -5 to 100, got \"101\""},
        {"count", "7.5", "count: expected a whole number from -5 to 100, got \"7.5\""},
        {"count", "", "count: expected a whole number from -5 to 100, got \"\""},
        {"count", " 7", "count: expected a whole number from -5 to 100, got \" 7\""},
        {"count", "99999999999999999999",
         "count: expected a whole number from -5 to 100, got \"99999999999999999999\""},
        {"share", "1.5", "share: expected a number from 0 to 1, got \"1.5\""},
        {"share", "nan", "share: expected a number from 0 to 1, got \"nan\""},
        {"share", "0.5x", "share: expected a number from 0 to 1, got \"0.5x\""},
        {"step", "10", "step: expected a duration from 1ms to 7d, got \"10\""},
        {"step", "2w", "step: expected a duration from 1ms to 7d, got \"2w\""},
        {"step", "off", "step: expected a duration from 1ms to 7d, got \"off\""},
        {"buffer", "2MiB", "buffer: expected a size from 1B to 1MiB, got \"2MiB\""},
        {"buffer", "1KB", "buffer: expected a size from 1B to 1MiB, got \"1KB\""},
        {"mode", "median", "mode: expected last, mean or sum, got \"median\""},
        {"name", "12345678", "name: expected a text of at most 7 bytes, got \"12345678\""},
        {"setp", "10s", "no option \"setp\"; the nearest is \"step\""},
        {"bufer", "1", "no option \"bufer\"; the nearest is \"buffer\""},
    };
    struct sample sample, before;

    (void)state;
    memset(&sample, 0, sizeof(sample));
    lw_options_default(table, N_OPTIONS, &sample);
    before = sample;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_error error = {.status = LW_OK};
        enum lw_status status = set(&sample, cases[i].name, cases[i].text, &error);

        assert_int_equal(status,
                         strncmp(cases[i].message, "no option", 9) == 0 ? LW_ENOTFOUND : LW_EINVAL);
        assert_int_equal(error.status, status);
        assert_string_equal(error.message, cases[i].message);
        assert_memory_equal(&sample, &before, sizeof(sample));
    }
    assert_int_equal(lw_options_set(NULL, 0, &sample, "x", "1", NULL), LW_ENOTFOUND);
}

static void test_option__writes_what_it_reads(void **state)
{
    static const struct {
        const char *name, *text, *written;
    } cases[] = {
        {"is_on", "off", "false"},
        {"is_on", "true", "true"},
        {"count", "-5", "-5"},
        {"share", "0.1", "0.1"},
        {"share", "1", "1"},
        {"step", "90s", "90s"},
        {"step", "1h30m", "90m"},
        {"step", "1.5s", "1500ms"},
        {"step", "1h 30m", "90m"},
        {"step", "1w", "7d"},
        {"step", "0.25 h", "15m"},
        {"buffer", "1000", "1000B"},
        {"buffer", "1.5KiB", "1536B"},
        {"buffer", "1MiB", "1MiB"},
        {"mode", "sum", "sum"},
        {"name", "", ""},
        {"name", "1234567", "1234567"},
        {"step", "1500us", "1500us"},
    };
    struct sample sample;

    (void)state;
    lw_options_default(table, N_OPTIONS, &sample);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lw_option *option = lw_options_find(table, N_OPTIONS, cases[i].name);
        char text[64];

        assert_int_equal(set(&sample, cases[i].name, cases[i].text, NULL), LW_OK);
        assert_int_equal(lw_option_format(option, &sample, text, sizeof(text)),
                         strlen(cases[i].written));
        assert_string_equal(text, cases[i].written);
        assert_int_equal(set(&sample, cases[i].name, text, NULL), LW_OK);
    }
    assert_null(lw_options_find(table, N_OPTIONS, "nothing"));
}

static void test_duration__reads_units_and_sums(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"0", 0},
                 {"off", 0},
                 {"1ns", 1},
                 {"250ms", 250000000},
                 {"1h 20m", 4800000000000},
                 {"2w", 1209600000000000},
                 {"0.5us", 500},
                 {"9223372036854775807ns", INT64_MAX},
                 {"9223372036854775808ns", -1},
                 {"20000w", -1},
                 {"1.5e3s", -1},
                 {"1.s", -1},
                 {"1s2", -1},
                 {"-1s", -1},
                 {"s", -1},
                 {"10 sec", -1},
                 {"10s ", -1},
                 {"", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_error error;
        int64_t ns = -1;
        enum lw_status status = lw_duration_parse(cases[i].text, &ns, &error);

        assert_int_equal(status, cases[i].ns == -1 ? LW_EINVAL : LW_OK);
        if (ns != cases[i].ns) {
            fail_msg("\"%s\" gave %lld", cases[i].text, (long long)ns);
        }
    }
}

static void test_duration__message_names_the_text(void **state)
{
    struct lw_error error;
    int64_t ns;

    (void)state;
    assert_int_equal(lw_duration_parse("ten", &ns, &error), LW_EINVAL);
    assert_string_equal(error.message,
                        "expected a duration such as \"250ms\", \"10s\" or \"7d\", got \"ten\"");
}

static void test_duration__writes_the_two_largest_units(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0s"},
                 {1, "1ns"},
                 {1500, "1us 500ns"},
                 {250000000, "250ms"},
                 {10000000000, "10s"},
                 {90000000000, "1m 30s"},
                 {4800000000000, "1h 20m"},
                 {4800000000001, "1h 20m"},
                 {3600000000001, "1h"},
                 {1209600000000000, "14d"},
                 {-90000000000, "-1m 30s"},
                 {INT64_MIN, "-106751d 23h"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];

        assert_int_equal(lw_duration_format(cases[i].ns, text, sizeof(text)),
                         strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option__defaults_fill_every_field),
        cmocka_unit_test(test_option__says_what_it_expected_and_got),
        cmocka_unit_test(test_option__writes_what_it_reads),
        cmocka_unit_test(test_duration__reads_units_and_sums),
        cmocka_unit_test(test_duration__message_names_the_text),
        cmocka_unit_test(test_duration__writes_the_two_largest_units),
    };
    return LW_TEST_RUN(tests);
}
