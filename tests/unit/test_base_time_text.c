/* base/time_text: what is read, what is refused, and that writing and reading agree with the C
 * library's calendar. */
#include "support/test.h"

#include "base/rng.h"
#include "base/time_text.h"

#include <string.h>
#include <time.h>

static int64_t iso(const char *text)
{
    int64_t ns = -1;

    if (!lw_time_parse_iso(text, strlen(text), &ns)) {
        fail_msg("not read: \"%s\"", text);
    }
    return ns;
}

static void test_time_text__reads_the_usual_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"2015-02-26 21:42:53", 1424986973000000000},
        {"2015-02-26T21:42:53Z", 1424986973000000000},
        {"2015-02-26t21:42:53z", 1424986973000000000},
        {"2015/02/26 21:42:53", 1424986973000000000},
        {"2015-02-26 21:42:53 UTC", 1424986973000000000},
        {"2015-02-26T21:42:53.25Z", 1424986973250000000},
        {"2015-02-26T21:42:53,000000001", 1424986973000000001},
        {"2015-02-26T21:42:53.1234567891Z", 1424986973123456789},
        {"2015-02-26T22:42:53+01:00", 1424986973000000000},
        {"2015-02-26T16:12:53-0530", 1424986973000000000},
        {"2015-02-26 23:42:53 +02", 1424986973000000000},
        {"2015-02-26 21:42", 1424986920000000000},
        {"2015-02-26", 1424908800000000000},
        {"2016-02-29 23:59:60", 1456790400000000000},
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59.999999999Z", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = iso(cases[i].text);

        if (ns != cases[i].ns) {
            fail_msg("\"%s\" gave %lld, not %lld", cases[i].text, (long long)ns,
                     (long long)cases[i].ns);
        }
    }
}

static void test_time_text__refuses_what_is_no_time(void **state)
{
    static const char *const bad[] = {"",
                                      "2015",
                                      "2015-02",
                                      "2015-02-2",
                                      "2015-02-30",
                                      "2015-13-01",
                                      "2015-00-10",
                                      "2015-02/26",
                                      "15-02-26",
                                      "2015-02-26T",
                                      "2015-02-26 24:00:00",
                                      "2015-02-26 21:60:00",
                                      "2015-02-26 21:42:61",
                                      "2015-02-26 21:42:53.",
                                      "2015-02-26 21:42:53 ",
                                      "2015-02-26 21:42:53x",
                                      "2015-02-26 21:42:53+1",
                                      "2015-02-26 21:42:53+24:00",
                                      "2015-02-26 21:42:53 UT",
                                      "2015-02-26 21:42:53Zjunk",
                                      "1677-01-01",
                                      "2262-12-01"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ns = 4711;

        if (lw_time_parse_iso(bad[i], strlen(bad[i]), &ns) || ns != 4711) {
            fail_msg("\"%s\" was read as %lld", bad[i], (long long)ns);
        }
    }
}

/* Every prefix of a good text lies in memory of its exact size: a sanitizer sees a read behind it.
 */
static void test_time_text__never_reads_past_the_length(void **state)
{
    static const char whole[] = "2015-02-26T21:42:53.25+01:00";

    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        char *exact = test_malloc(n + 1);
        int64_t ns;

        memcpy(exact, whole, n);
        (void)lw_time_parse_iso(exact + 0, n, &ns);
        exact[n] = '9';
        assert_int_equal(lw_time_parse_epoch(exact, n, LW_TIME_S, &ns), n > 0 && n < 5);
        test_free(exact);
    }
}

static void test_time_text__agrees_with_gmtime_and_reads_its_own_writing(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 42);
    for (int i = 0; i < 200000; i++) {
        static const int64_t grain[] = {1, 1000, 1000000, 1000000000};
        int64_t ns = (int64_t)lw_rng_next(&rng) / grain[i % 4] * grain[i % 4] / 1001 * 1000;
        time_t seconds = ns / 1000000000 - (ns % 1000000000 < 0 ? 1 : 0);
        char text[LW_TIME_TEXT_MAX], reference[64];
        struct tm broken;
        size_t length = lw_time_format(ns, text);

        assert_true(length == strlen(text) && length < LW_TIME_TEXT_MAX);
        assert_true(iso(text) == ns);
        assert_non_null(gmtime_r(&seconds, &broken));
        assert_int_equal(strftime(reference, sizeof(reference), "%Y-%m-%dT%H:%M:%S", &broken), 19);
        assert_memory_equal(text, reference, 19);
    }
}

static void test_time_text__writes_only_the_digits_that_are_needed(void **state)
{
    char text[LW_TIME_TEXT_MAX];

    (void)state;
    (void)lw_time_format(1424986973000000000, text);
    assert_string_equal(text, "2015-02-26T21:42:53Z");
    (void)lw_time_format(1424986973250000000, text);
    assert_string_equal(text, "2015-02-26T21:42:53.250Z");
    (void)lw_time_format(1424986973000001000, text);
    assert_string_equal(text, "2015-02-26T21:42:53.000001Z");
    (void)lw_time_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999999Z");
    (void)lw_time_format(INT64_MAX, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
    (void)lw_time_format(INT64_MIN, text);
    assert_string_equal(text, "1677-09-21T00:12:43.145224192Z");
}

static void test_epoch__is_exact_in_every_unit(void **state)
{
    static const struct {
        const char *text;
        enum lw_time_unit unit;
        int64_t ns;
    } cases[] = {
        {"1424986973", LW_TIME_S, 1424986973000000000},
        {"1424986973.25", LW_TIME_S, 1424986973250000000},
        {"1424986973.", LW_TIME_S, INT64_MIN},
        {"1424986973250", LW_TIME_MS, 1424986973250000000},
        {"1424986973250.5", LW_TIME_MS, 1424986973250500000},
        {"1424986973250123", LW_TIME_US, 1424986973250123000},
        {"1424986973250123456", LW_TIME_NS, 1424986973250123456},
        {"1424986973250123456.9", LW_TIME_NS, 1424986973250123456},
        {"-1.5", LW_TIME_S, -1500000000},
        {"+1", LW_TIME_S, 1000000000},
        {"0", LW_TIME_S, 0},
        {"9223372036", LW_TIME_S, INT64_MIN},
        {"99999999999999999999", LW_TIME_NS, INT64_MIN},
        {"1e9", LW_TIME_S, INT64_MIN},
        {"", LW_TIME_S, INT64_MIN},
        {"-", LW_TIME_S, INT64_MIN},
        {".5", LW_TIME_S, INT64_MIN},
        {" 1", LW_TIME_S, INT64_MIN},
        {"nan", LW_TIME_S, INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = INT64_MIN;
        bool is_read = lw_time_parse_epoch(cases[i].text, strlen(cases[i].text), cases[i].unit,
                                           &ns);

        if (ns != cases[i].ns || is_read != (ns != INT64_MIN)) {
            fail_msg("\"%s\" gave %lld, not %lld", cases[i].text, (long long)ns,
                     (long long)cases[i].ns);
        }
    }
}

static void test_epoch__guesses_the_unit_by_size(void **state)
{
    static const struct {
        const char *text;
        enum lw_time_unit unit;
    } cases[] = {{"0", LW_TIME_S},
                 {"1424986973.5", LW_TIME_S},
                 {"99999999999", LW_TIME_S},
                 {"100000000000", LW_TIME_MS},
                 {"1424986973250", LW_TIME_MS},
                 {"1424986973250123", LW_TIME_US},
                 {"1424986973250123456", LW_TIME_NS}};
    enum lw_time_unit unit;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(lw_time_guess_unit(cases[i].text, strlen(cases[i].text), &unit));
        assert_int_equal(unit, cases[i].unit);
    }
    assert_false(lw_time_guess_unit("2015-02-26", 10, &unit));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_text__reads_the_usual_forms),
        cmocka_unit_test(test_time_text__refuses_what_is_no_time),
        cmocka_unit_test(test_time_text__never_reads_past_the_length),
        cmocka_unit_test(test_time_text__agrees_with_gmtime_and_reads_its_own_writing),
        cmocka_unit_test(test_time_text__writes_only_the_digits_that_are_needed),
        cmocka_unit_test(test_epoch__is_exact_in_every_unit),
        cmocka_unit_test(test_epoch__guesses_the_unit_by_size),
    };
    return LW_TEST_RUN(tests);
}
