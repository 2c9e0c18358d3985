/* Expositions of Prometheus targets: what is read, what is refused, and with which words. */
#include "support/test.h"

#include "connect/exposition/exposition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX 64
#define END "# EOF\n"

struct read_all {
    struct lw_exposition_sample samples[SAMPLES_MAX];
    size_t n_samples, n_bad;
    uint64_t line; /* Of the last bad one. */
    const char *message;
};

static struct lw_exposition *EXPOSITION;

static struct read_all read_text(enum lw_exposition_format format, const char *text, size_t n_bytes)
{
    struct read_all all = {.message = ""};
    struct lw_exposition_sample sample;
    enum lw_exposition_outcome outcome;

    lw_exposition_begin(EXPOSITION, format, text, n_bytes);
    while ((outcome = lw_exposition_next(EXPOSITION, &sample)) != LW_EXPOSITION_END) {
        if (outcome == LW_EXPOSITION_BAD) {
            all.n_bad++;
            all.line = lw_exposition_line(EXPOSITION);
            all.message = lw_exposition_message(EXPOSITION);
        } else {
            assert_true(all.n_samples < SAMPLES_MAX);
            all.samples[all.n_samples++] = sample;
        }
    }
    return all;
}

static struct read_all read_plain(const char *text)
{
    return read_text(LW_EXPOSITION_TEXT, text, strlen(text));
}

static struct read_all read_open(const char *text)
{
    return read_text(LW_EXPOSITION_OPENMETRICS, text, strlen(text));
}

static int setup(void **state)
{
    struct lw_error error;

    (void)state;
    return lw_exposition_create(&EXPOSITION, &error) == LW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lw_exposition_destroy(EXPOSITION);
    return 0;
}

/* ---- the text format ---- */

static void test_text__gives_names_labels_values_and_times(void **state)
{
    struct read_all all = read_plain(
        "# HELP a what \\\\ it is\n# TYPE a counter\n\n"
        "a 1\n"
        "\ta:b { x = \"1\" , y=\"\\\"q\\\\\\n\" , }\t-2.5e3  \t-1500 \n"
        "# anything else\n"
        "c{} +Inf 1767225600250\nd NaN\ne -inf");
    static struct lw_exposition_key key;
    struct lw_error error;

    (void)state;
    assert_int_equal(all.n_bad, 0);
    assert_int_equal(all.n_samples, 5);
    assert_true(all.samples[0].value == 1.0 && !all.samples[0].has_time);
    assert_int_equal(all.samples[0].line, 4);
    assert_true(all.samples[1].value == -2500.0 && all.samples[1].has_time);
    assert_int_equal(all.samples[1].time_ns, -1500000000);
    assert_true(isinf(all.samples[2].value) && all.samples[2].value > 0.0);
    assert_int_equal(all.samples[2].time_ns, INT64_C(1767225600250000000));
    assert_true(isnan(all.samples[3].value));
    assert_true(isinf(all.samples[4].value) && all.samples[4].value < 0.0);
    assert_int_equal(
        lw_exposition_spell(all.samples[1].series, all.samples[1].n_bytes, &key, &error), LW_OK);
    assert_string_equal(key.key.metric, "a:b");
    assert_int_equal(key.key.n_labels, 2);
    assert_string_equal(key.key.labels[0].name, "x");
    assert_string_equal(key.key.labels[0].value, "1");
    assert_string_equal(key.key.labels[1].name, "y");
    assert_string_equal(key.key.labels[1].value, "\"q\\\n");
    assert_int_equal(
        lw_exposition_spell(all.samples[2].series, all.samples[2].n_bytes, &key, &error), LW_OK);
    assert_int_equal(key.key.n_labels, 0);
}

static void test_text__quoted_names_are_names(void **state)
{
    struct read_all all = read_plain("{\"my.metric\",\"label.name\"=\"v\",plain=\"w\"} 1\n"
                                     "{\"alone\"} 2\nm{\"a b\"=\"c\"} 3\n{\"r\xc3\xa9\"} 4\n");
    static struct lw_exposition_key key;
    struct lw_error error;

    (void)state;
    assert_int_equal(all.n_samples, 4);
    assert_int_equal(
        lw_exposition_spell(all.samples[0].series, all.samples[0].n_bytes, &key, &error), LW_OK);
    assert_string_equal(key.key.metric, "my.metric");
    assert_int_equal(key.key.n_labels, 2);
    assert_string_equal(key.key.labels[0].name, "label.name");
    assert_int_equal(
        lw_exposition_spell(all.samples[1].series, all.samples[1].n_bytes, &key, &error), LW_OK);
    assert_string_equal(key.key.metric, "alone");
    assert_int_equal(
        lw_exposition_spell(all.samples[3].series, all.samples[3].n_bytes, &key, &error), LW_OK);
    assert_string_equal(key.key.metric, "r\xc3\xa9");
}

static void test_text__a_bad_line_is_told_and_the_rest_is_kept(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"1a 2", "name"},
        {"a", "expected a value"},
        {"a ", "no number"},
        {"a{b=\"c\"", "expected"},
        {"a{b=\"c} 1", "does not end"},
        {"a{b=c} 1", "quoted value"},
        {"a{b} 1", "\"=\""},
        {"a{b=\"1\",b=\"2\"} 1", "twice"},
        {"a{,} 1", "label's name"},
        {"a{b=\"1\",,} 1", "label's name"},
        {"a{b=\"1\" c=\"2\"} 1", "\",\" or \"}\""},
        {"a{b:c=\"1\"} 1", "\"=\""},
        {"{b=\"1\"} 1", "metric's name"},
        {"a{\"b\"} 1", "once"},
        {"{b=\"1\",\"a\"} 1", "once"},
        {"{\"\"} 1", "label's name"},
        {"a 1x", "no number"},
        {"a 0x1p4", "no number"},
        {"a 1_000", "no number"},
        {"a 1e", "no number"},
        {"a --1", "no number"},
        {"a 1e999", "no number"},
        {"a 1 1.5", "milliseconds"},
        {"a 1 x", "milliseconds"},
        {"a 1 9223372036854775807", "out of range"},
        {"a 1 2 3", "follow the time"},
        {"a 1 # {b=\"c\"} 1", "follow the time"},
        {"a\"b\" 1", "blank"},
        {"a 1\r", "no number"},
        {"a{b=\"\xff\"} 1", "UTF-8"},
        {"a{b=\"\xc0\x80\"} 1", "UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        struct read_all all;

        (void)snprintf(text, sizeof(text), "first 1\n%s\nlast{a=\"b\"} 2 3\n", cases[i].line);
        all = read_plain(text);
        if (all.n_samples != 2 || all.n_bad != 1 || all.line != 2 ||
            strstr(all.message, cases[i].words) == NULL) {
            fail_msg("\"%s\": %zu samples, %zu bad, line %llu, \"%s\"", cases[i].line,
                     all.n_samples, all.n_bad, (unsigned long long)all.line, all.message);
        }
    }
}

static void test_text__numbers_are_those_of_strtod(void **state)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "007",
                                          "123456789012345",
                                          "1234567890123456",
                                          "1.",
                                          ".5",
                                          "+3.25",
                                          "1e22",
                                          "1e23",
                                          "9007199254740993",
                                          "5e-324",
                                          "2.2250738585072014e-308",
                                          "0.1",
                                          "17976931348623157e292"};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[64];
        double expected = strtod(numbers[i], NULL);
        struct read_all all;

        (void)snprintf(text, sizeof(text), "a %s", numbers[i]);
        all = read_plain(text);
        assert_int_equal(all.n_samples, 1);
        if (memcmp(&all.samples[0].value, &expected, sizeof(expected)) != 0) {
            fail_msg("%s became %.17g", numbers[i], all.samples[0].value);
        }
    }
}

/* ---- OpenMetrics ---- */

static void test_openmetrics__takes_all_types_and_times_in_seconds(void **state)
{
    struct read_all all = read_open(
        "# HELP a what\n# TYPE a counter\n# UNIT a \n"
        "a_total{x=\"1\"} 17 1520879607.789 # {id=\"a\"} 0.5 1.25\na_created{x=\"1\"} 15 "
        "1520879607.789\n"
        "# TYPE h_s histogram\n# UNIT h_s s\n"
        "h_s_bucket{le=\"0.5\"} 1 # {} 0.1\nh_s_bucket{le=\"+Inf\"} 3\nh_s_count 3\nh_s_sum 2.5\n"
        "h_s_bucket{g=\"1\",le=\"+Inf\"} 0\n"
        "# TYPE gh gaugehistogram\ngh_bucket{le=\"-1\"} 1\ngh_bucket{le=\"+Inf\"} 3\ngh_gcount "
        "3\ngh_gsum -2\n"
        "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_count 4\ns_sum 1e3\n"
        "# TYPE i info\ni_info{v=\"1\"} 1\n"
        "# TYPE ss stateset\nss{ss=\"x\"} 0\nss{ss=\"y\"} 1\n"
        "# TYPE g gauge\ng -1 1.5e9\n# TYPE u unknown\nu 1\nplain 5 1\nplain 6 2\n# EOF");

    (void)state;
    if (all.n_bad != 0) {
        fail_msg("line %llu: %s", (unsigned long long)all.line, all.message);
    }
    assert_int_equal(all.n_samples, 21);
    assert_int_equal(all.samples[0].time_ns, INT64_C(1520879607789000000));
    assert_int_equal(all.samples[0].line, 4);
    assert_true(all.samples[0].value == 17.0);
    assert_int_equal(all.samples[17].time_ns, INT64_C(1500000000000000000));
    assert_int_equal(read_open("# EOF").n_bad + read_open("# EOF\n").n_bad, 0);
}

struct refusal {
    const char *text, *words;
};

static void refusals_check(const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct read_all all = read_open(cases[i].text);

        if (all.n_bad != 1 || strstr(all.message, cases[i].words) == NULL) {
            fail_msg("\"%s\": %zu bad, \"%s\" lacks \"%s\"", cases[i].text, all.n_bad, all.message,
                     cases[i].words);
        }
    }
}

static void test_openmetrics__refuses_what_is_written_wrongly(void **state)
{
    static const struct refusal cases[] = {
        {"", "# EOF"},
        {"a 1\n", "# EOF"},
        {"a 1\n# EOF\n\n", "follow"},
        {"a 1\n# EOF\na 1\n", "follow"},
        {"\n# EOF\n", "empty"},
        {"# EOF \n", "expected # HELP"},
        {"# comment\n# EOF\n", "expected # HELP"},
        {"# HELP a\n# EOF\n", "one space"},
        {"# TYPE  a gauge\n# EOF\n", "metric's name"},
        {"# TYPE a  gauge\n# EOF\n", "no such TYPE"},
        {"# TYPE a untyped\n# EOF\n", "no such TYPE"},
        {"a  1\n# EOF\n", "no number"},
        {"a\t1\n# EOF\n", "one space"},
        {" a 1\n# EOF\n", "metric's name"},
        {"a 1 \n# EOF\n", "expected a time"},
        {"a 1  2\n# EOF\n", "no number of seconds"},
        {"a 1\r\n# EOF\n", "carriage"},
        {"a{b=\"1\",} 1\n# EOF\n", "label's name"},
        {"a{ b=\"1\"} 1\n# EOF\n", "label's name"},
        {"a{b=\"1\", c=\"2\"} 1\n# EOF\n", "label's name"},
        {"a{b=\"1\"}1\n# EOF\n", "one space"},
        {"a{b=\"1\",b=\"1\"} 1\n# EOF\n", "twice"},
        {"a{b=\"\xff\"} 1\n# EOF\n", "UTF-8"},
        {"\xef\xbb\xbf"
         "a 1\n# EOF\n",
         "metric's name"},
        {"a 1 NaN\n# EOF\n", "no number of seconds"},
        {"a 1 1x\n# EOF\n", "no number of seconds"},
        {"a 1 1e30\n# EOF\n", "out of range"},
        {"a 1_0\n# EOF\n", "no number"},
    };

    (void)state;
    refusals_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_openmetrics__refuses_what_no_family_may_be(void **state)
{
    static const struct refusal cases[] = {
        {"# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "one TYPE"},
        {"# HELP a x\n# HELP a x\n# EOF\n", "one HELP"},
        {"# UNIT a \n# UNIT a \n# EOF\n", "one HELP and one UNIT"},
        {"a 1\n# TYPE a gauge\n# EOF\n", "before a family's samples"},
        {"# UNIT a seconds\na 1\n# EOF\n", "end with its unit"},
        {"# UNIT seconds seconds\n# EOF\n", "end with its unit"},
        {"# TYPE a_x info\n# UNIT a_x x\n# EOF\n", "has no unit"},
        {"# TYPE a counter\na 1\n# EOF\n", "taken"},
        {"# TYPE a counter\na_total 1\n# TYPE a_total gauge\n# EOF\n", "taken"},
        {"a 1\nb 1\na 2\n# EOF\n", "taken"},
        {"a{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"1\"} 1\n# EOF\n", "together"},
        {"a{x=\"1\",y=\"2\"} 1\na{x=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n# EOF\n", "together"},
        {"a 1\na 1 1\n# EOF\n", "have a time"},
        {"a 1 2\na 1 1\n# EOF\n", "go back"},
        {"# TYPE a counter\na_total NaN\n# EOF\n", "not NaN"},
        {"# TYPE a counter\na_total -1\n# EOF\n", "not negative"},
        {"# TYPE a info\na_info 2\n# EOF\n", "is 1"},
        {"# TYPE a stateset\na 1\n# EOF\n", "family's name"},
        {"# TYPE a stateset\na{a=\"x\"} 2\n# EOF\n", "0 and 1"},
        {"# TYPE a summary\na{quantile=\"1.5\"} 1\n# EOF\n", "0 to 1"},
        {"# TYPE a summary\na 1\n# EOF\n", "quantile"},
        {"# TYPE a summary\na{quantile=\"0.5\"} -1\n# EOF\n", "not negative"},
        {"# TYPE a summary\na_count 1.5\n# EOF\n", "whole number"},
        {"# TYPE a gauge\na 1 # {b=\"c\"} 1\n# EOF\n", "exemplars"},
    };

    (void)state;
    refusals_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_openmetrics__refuses_what_no_histogram_may_be(void **state)
{
#define HEAD "# TYPE a histogram\n"
#define GAUGE "# TYPE a gaugehistogram\n"
#define INF "a_bucket{le=\"+Inf\"} 3\n"
    static const struct refusal cases[] = {
        {HEAD "a_bucket{le=\"1\"} 1\n" END, "+Inf"},
        {HEAD "a_count 1\na_sum 1\n" END, "+Inf"},
        {HEAD "a_bucket 1\n" END, "label le"},
        {HEAD "a_bucket{le=\"NaN\"} 1\n" END, "label le"},
        {HEAD "a_bucket{le=\"inf\"} 1\n" END, "label le"},
        {HEAD "a_bucket{le=\"1\"} 1.5\n" INF END, "whole number"},
        {HEAD "a_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\n" INF END, "ascend"},
        {HEAD "a_bucket{le=\"1\"} 4\n" INF END, "fall"},
        {HEAD INF "a_count 4\na_sum 1\n" END, "differs"},
        {HEAD INF "a_sum 1\n" END, "without a count"},
        {HEAD INF "a_count 3\n" END, "without a sum"},
        {HEAD "a_bucket{le=\"-1\"} 1\n" INF "a_count 3\na_sum 1\n" END, "negative bounds"},
        {GAUGE INF "a_gcount 3\na_gsum -1\n" END, "negative sum"},
        {HEAD "a_bucket{le=\"1\"} 1\na_bucket{g=\"1\",le=\"+Inf\"} 1\n" END, "+Inf"},
        {HEAD "a_bucket{le=\"+Inf\"} 3 # {b=\"c\"} x\n" END, "no number"},
        {HEAD "a_bucket{le=\"+Inf\"} 3 # b\n" END, "\"{\""},
        {HEAD "a_bucket{le=\"+Inf\"} 3 #{b=\"c\"} 1\n" END, "\"# \""},
        {HEAD "a_bucket{le=\"+Inf\"} 3 # {b=\"c\"}1\n" END, "space behind"},
        {HEAD "a_bucket{le=\"+Inf\"} 3 # {b=\"c\"} 1 \n" END, "seconds"},
        {HEAD "a_sum 1 # {b=\"c\"} 1\n" END, "exemplars"},
    };

    (void)state;
    refusals_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_openmetrics__exemplars_have_at_most_128_characters(void **state)
{
    char text[400];
    char value[200];

    (void)state;
    for (int n = 127; n <= 128; n++) { /* One more for the name. */
        size_t used = 0;

        for (int i = 0; i < n; i++) { /* Two bytes a character. */
            memcpy(value + used, i % 2 == 0 ? "\xc3\xa9" : "x", i % 2 == 0 ? 2 : 1);
            used += i % 2 == 0 ? 2 : 1;
        }
        value[used] = '\0';
        (void)snprintf(text, sizeof(text), "# TYPE a counter\na_total 1 # {b=\"%s\"} 1\n" END,
                       value);
        assert_int_equal(read_open(text).n_bad, n == 127 ? 0 : 1);
    }
}

static void test_openmetrics__ends_at_the_first_breach(void **state)
{
    struct read_all all = read_open("a 1\nb{ 1\nc 1\n" END);

    (void)state;
    assert_int_equal(all.n_samples, 1);
    assert_int_equal(all.n_bad, 1);
    assert_int_equal(all.line, 2);
}

/* ---- what both have ---- */

static void test_spell__keeps_to_its_limits(void **state)
{
    static char text[3 * LW_EXPOSITION_KEY_BYTES];
    static struct lw_exposition_key key;
    struct lw_error error;

    (void)state;
    for (int n = LW_LABELS_MAX; n <= LW_LABELS_MAX + 1; n++) {
        size_t at = (size_t)snprintf(text, sizeof(text), "a{");

        for (int i = 0; i < n; i++) {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "l%d=\"v\",", i);
        }
        (void)snprintf(text + at, sizeof(text) - at, "}");
        assert_int_equal(lw_exposition_spell(text, strlen(text), &key, &error),
                         n == LW_LABELS_MAX ? LW_OK : LW_ETOOLONG);
    }
    for (int more = 0; more <= 1; more++) { /* "a", "b" and the value, a terminator each. */
        int length = LW_EXPOSITION_KEY_BYTES - 5 + more;

        (void)snprintf(text, sizeof(text), "a{b=\"%0*d\"}", length, 0);
        assert_int_equal(lw_exposition_spell(text, strlen(text), &key, &error),
                         more == 0 ? LW_OK : LW_ETOOLONG);
    }
    assert_int_equal(lw_exposition_spell("a{b=\"c\0d\"}", 10, &key, &error), LW_EINVAL);
    assert_int_equal(lw_exposition_spell("a 1", 3, &key, &error), LW_EINVAL);
}

static void test_format_of__knows_the_types_of_both(void **state)
{
    static const struct {
        const char *type;
        int format; /* -1: refused. */
    } cases[] = {
        {NULL, LW_EXPOSITION_TEXT},
        {"text/plain", LW_EXPOSITION_TEXT},
        {"text/plain; version=0.0.4; charset=utf-8", LW_EXPOSITION_TEXT},
        {"TEXT/PLAIN;version=1.0.0;escaping=allow-utf-8", LW_EXPOSITION_TEXT},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", LW_EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=\"0.0.1\"", LW_EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text; version=2.0.0", -1},
        {"text/plain; version=0.0.44", -1},
        {"text/html", -1},
        {"application/json", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum lw_exposition_format format = LW_EXPOSITION_TEXT;
        struct lw_error error;
        enum lw_status status = lw_exposition_format_of(cases[i].type, &format, &error);

        assert_int_equal(status == LW_OK ? (int)format : -1, cases[i].format);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        WITH(test_text__gives_names_labels_values_and_times),
        WITH(test_text__quoted_names_are_names),
        WITH(test_text__a_bad_line_is_told_and_the_rest_is_kept),
        WITH(test_text__numbers_are_those_of_strtod),
        WITH(test_openmetrics__takes_all_types_and_times_in_seconds),
        WITH(test_openmetrics__refuses_what_is_written_wrongly),
        WITH(test_openmetrics__refuses_what_no_family_may_be),
        WITH(test_openmetrics__refuses_what_no_histogram_may_be),
        WITH(test_openmetrics__exemplars_have_at_most_128_characters),
        WITH(test_openmetrics__ends_at_the_first_breach),
        WITH(test_spell__keeps_to_its_limits),
        WITH(test_format_of__knows_the_types_of_both),
    };

    return LW_TEST_RUN(tests);
}
