/* Sentences and numbers for people. */
#include "explain/sentence.h"

#include "base/text.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

static const char *const NAMES[] = {
    "node_load1", "node_procs_running", "node_memory_free", "b", "c", ""};

static const char *name_of(const void *context, uint32_t series)
{
    (void)context;
    return series < sizeof(NAMES) / sizeof(NAMES[0]) ? NAMES[series] : NULL;
}

static struct lw_anomaly anomaly_of(enum lw_anomaly_type type, enum lw_anomaly_phase phase,
                                    int64_t lasts_ns)
{
    struct lw_anomaly anomaly = {.phase = (uint8_t)phase,
                                 .type = (uint8_t)type,
                                 .start_ns = 1000 * SECOND,
                                 .last_ns = 1000 * SECOND + lasts_ns,
                                 .n_contributions = 1,
                                 .contributions = {{0, 0.7f, 4.2f, 0.7f}}};

    return anomaly;
}

static const char *sentence_of(const struct lw_anomaly *anomaly, float lower, float upper)
{
    static char text[LW_SENTENCE_MAX];
    struct lw_sentence_input input = {.anomaly = anomaly,
                                      .series_name = name_of,
                                      .lower = lower,
                                      .upper = upper,
                                      .step_ns = 10 * SECOND};
    size_t n = lw_sentence_write(&input, text, sizeof(text));

    assert_int_equal(n, strlen(text));
    return text;
}

static void test_sentence__says_what_by_how_much_how_long_and_who_else(void **state)
{
    struct lw_anomaly a = anomaly_of(LW_TYPE_SPIKE, LW_ANOMALY_CLOSED, 120 * SECOND);

    (void)state;
    a.n_contributions = 2;
    a.contributions[1] = (struct lw_contribution){1, 0.2f, 7.0f, 1.0f};
    assert_string_equal(
        sentence_of(&a, 0.3f, 1.1f),
        "node_load1 rose to 4.2, expected 0.3 to 1.1, for 2m 10s; with it: node_procs_running.");
    a.phase = LW_ANOMALY_UPDATED;
    assert_string_equal(sentence_of(&a, NAN, NAN),
                        "node_load1 rose to 4.2, expected about 0.7, for 2m 10s so far; with it: "
                        "node_procs_running.");
    a.contributions[1].share = 0.01f;
    assert_string_equal(sentence_of(&a, 1.0f, 1.0f),
                        "node_load1 rose to 4.2, expected 1, for 2m 10s so far.");
}

static void test_sentence__has_words_for_every_type(void **state)
{
    (void)state;
    for (int type = LW_TYPE_SPIKE; type <= LW_TYPE_RANGE; type++) {
        static char texts[LW_TYPE_RANGE + 1][LW_SENTENCE_MAX];
        struct lw_anomaly a = anomaly_of((enum lw_anomaly_type)type, LW_ANOMALY_CLOSED, 0);

        if (type == LW_TYPE_DROP) {
            a.contributions[0].value = 0.1f;
        }
        (void)snprintf(texts[type], LW_SENTENCE_MAX, "%s", sentence_of(&a, 0.3f, 1.1f));
        assert_non_null(strstr(texts[type], "node_load1"));
        assert_int_equal(texts[type][strlen(texts[type]) - 1], '.');
        for (int before = LW_TYPE_SPIKE; before < type; before++) {
            assert_string_not_equal(texts[type], texts[before]);
        }
    }
}

static void test_sentence__knows_up_from_down(void **state)
{
    struct lw_anomaly a = anomaly_of(LW_TYPE_LEVEL, LW_ANOMALY_UPDATED, 3600 * SECOND);

    (void)state;
    assert_string_equal(
        sentence_of(&a, 0.3f, 1.1f),
        "node_load1 moved up to a new level of 4.2, expected 0.3 to 1.1, for 1h so far.");
    a.contributions[0].value = -1.0f;
    assert_string_equal(
        sentence_of(&a, 0.3f, 1.1f),
        "node_load1 moved down to a new level of -1, expected 0.3 to 1.1, for 1h so far.");
    a.type = LW_TYPE_TREND;
    assert_string_equal(
        sentence_of(&a, 0.3f, 1.1f),
        "node_load1 keeps falling and reached -1, expected 0.3 to 1.1, for 1h so far.");
}

static void test_sentence__names_three_others_and_counts_the_rest(void **state)
{
    struct lw_anomaly a = anomaly_of(LW_TYPE_PATTERN, LW_ANOMALY_CLOSED, 0);

    (void)state;
    for (uint32_t i = 1; i < 6; i++) {
        a.contributions[i] = (struct lw_contribution){i, 0.05f, 1.0f, 1.0f};
    }
    a.n_contributions = 4;
    assert_string_equal(sentence_of(&a, NAN, NAN),
                        "node_load1 behaves in a new way, at 4.2, expected about 0.7, for 10s; "
                        "with it: node_procs_running, node_memory_free and b.");
    a.n_contributions = 6;
    assert_string_equal(sentence_of(&a, NAN, NAN),
                        "node_load1 behaves in a new way, at 4.2, expected about 0.7, for 10s; "
                        "with it: node_procs_running, node_memory_free, b and 2 more.");
}

static void test_sentence__does_without_what_is_not_known(void **state)
{
    struct lw_anomaly a = anomaly_of(LW_TYPE_SILENT, LW_ANOMALY_OPENED, 0);
    struct lw_sentence_input input = {.anomaly = &a, .lower = NAN, .upper = NAN};
    char text[LW_SENTENCE_MAX];

    (void)state;
    (void)lw_sentence_write(&input, text, sizeof(text));
    assert_string_equal(text, "a series sends no samples any more.");
    a.contributions[0].series = 99;
    assert_string_equal(sentence_of(&a, NAN, NAN),
                        "a series sends no samples any more, for 10s so far.");
    a.type = LW_TYPE_SPIKE;
    a.contributions[0].value = NAN;
    (void)lw_sentence_write(&input, text, sizeof(text));
    assert_string_equal(text, "a series is missing where a value was expected.");
    a.n_contributions = 0;
    (void)lw_sentence_write(&input, text, sizeof(text));
    assert_string_equal(text, "the metrics together behave in a new way.");
}

static const char *name_of_umlauts(const void *context, uint32_t series)
{
    (void)context;
    (void)series;
    return "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA6\xC3\xA4"; /* 2, 3, 4 and 2 bytes. */
}

static void test_sentence__is_cut_between_characters(void **state)
{
    struct lw_anomaly a = anomaly_of(LW_TYPE_SPIKE, LW_ANOMALY_CLOSED, 0);
    struct lw_sentence_input input = {
        .anomaly = &a, .series_name = name_of_umlauts, .lower = NAN, .upper = NAN};
    char whole[LW_SENTENCE_MAX], text[LW_SENTENCE_MAX];
    size_t n_whole = lw_sentence_write(&input, whole, sizeof(whole));

    (void)state;
    for (size_t capacity = 1; capacity <= n_whole + 1; capacity++) {
        size_t n = lw_sentence_write(&input, text, capacity);

        assert_true(n < capacity && n + 4 >= capacity);
        assert_int_equal(text[n], '\0');
        assert_memory_equal(text, whole, n);
        for (size_t at = 0, length; at < n; at += length) {
            length = lw_utf8_length(text + at, n - at);
            assert_true(length > 0);
        }
    }
    assert_string_equal(text, whole);
}

static void test_number__has_three_digits_for_people(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "0"},
        {4.2, "4.2"},
        {(double)4.2f, "4.2"},
        {42.0, "42"},
        {100.0, "100"},
        {999.4, "999"},
        {999.6, "1,000"},
        {1234.0, "1,230"},
        {1234567.0, "1,230,000"},
        {0.5, "0.5"},
        {0.31234, "0.312"},
        {0.0123456, "0.0123"},
        {0.000123456, "0.000123"},
        {0.0000123, "1.23e-05"},
        {-3.14159, "-3.14"},
        {-1e6, "-1,000,000"},
        {9.999e11, "1e+12"},
        {1.5e12, "1.5e+12"},
        {9.994, "9.99"},
        {9.996, "10"},
        {0.09996, "0.1"},
        {NAN, "no value"},
        {INFINITY, "infinity"},
        {-INFINITY, "-infinity"},
        {1.7e308, "1.7e+308"},
        {5e-324, "4.94e-324"},
    };
    char text[48];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(lw_number_write(cases[i].value, text, sizeof(text)),
                         strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    assert_int_equal(lw_number_write(1234567.0, text, 4), 3);
    assert_string_equal(text, "1,2");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence__says_what_by_how_much_how_long_and_who_else),
        cmocka_unit_test(test_sentence__has_words_for_every_type),
        cmocka_unit_test(test_sentence__knows_up_from_down),
        cmocka_unit_test(test_sentence__names_three_others_and_counts_the_rest),
        cmocka_unit_test(test_sentence__does_without_what_is_not_known),
        cmocka_unit_test(test_sentence__is_cut_between_characters),
        cmocka_unit_test(test_number__has_three_digits_for_people),
    };

    return LW_TEST_RUN(tests);
}
