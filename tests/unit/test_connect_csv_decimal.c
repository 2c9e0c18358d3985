/* Numbers of text files: the same bits as strtod gives, for real, random and awkward texts. */
#include "connect/csv/decimal.h"

#include "base/rng.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_TEXTS 300000

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void check_as_strtod(const char *text)
{
    double value = 0.0;
    double expected = strtod(text, NULL);

    if (!lw_csv_decimal_parse(text, strlen(text), '.', &value)) {
        fail_msg("\"%s\" was refused", text);
    }
    if (bits_of(value) != bits_of(expected)) {
        fail_msg("\"%s\" gives %a, strtod %a", text, value, expected);
    }
}

static void test_decimal__equals_strtod_on_awkward_texts(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "+0",
        "0.0",
        "1",
        "-1",
        "1.",
        ".5",
        "-.5e-3",
        "1e0",
        "1E5",
        "1e+5",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890",
        "0.1",
        "0.30000000000000004",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "1e-400",
        "1.7976931348623157e308",
        "1e309",
        "-1e309",
        "1e99999999999",
        "0e99999999999",
        "0.000000000000000000000000001",
        "1.00000000000000011102230246251565",
        "1.00000000000000011102230246251566",
        "9007199254740993.0",
        "9007199254740993.5",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "00000000000000000000001.5",
        "0.00000000000000000000000000000000000001",
        "18446744073709551615e-27",
        "1844674407370955161.5",
        "1000000000000000000e-27",
        "5e-27",
        "9223372036854775807.9223372036854775807",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_as_strtod(texts[i]);
    }
}

/* Digits with a point somewhere: the form that takes the division, with and without an exponent. */
static void text_make(struct lw_rng *rng, char *ret_text, size_t capacity)
{
    int n_digits = 1 + (int)(lw_rng_next(rng) % 22);
    int point = (int)(lw_rng_next(rng) % (uint64_t)(n_digits + 1));
    size_t length = 0;

    if (lw_rng_next(rng) % 2 == 0) {
        ret_text[length++] = '-';
    }
    for (int i = 0; i < n_digits; i++) {
        if (i == point) {
            ret_text[length++] = '.';
        }
        ret_text[length++] = (char)('0' + lw_rng_next(rng) % 10);
    }
    ret_text[length] = '\0';
    if (lw_rng_next(rng) % 3 == 0) {
        (void)snprintf(ret_text + length, capacity - length, "e%d",
                       (int)(lw_rng_next(rng) % 60) - 40);
    }
}

static void test_decimal__equals_strtod_on_random_texts(void **state)
{
    struct lw_rng rng;
    char text[64];

    (void)state;
    lw_rng_seed(&rng, 20261121);
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        text_make(&rng, text, sizeof(text));
        check_as_strtod(text);
    }
}

static void test_decimal__equals_strtod_on_doubles_written_in_full(void **state)
{
    struct lw_rng rng;
    char text[64];

    (void)state;
    lw_rng_seed(&rng, 7);
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        uint64_t bits = lw_rng_next(&rng);
        double value;

        /* Sizes of everyday, 1e-12 to 1e12, and every so often any bits at all. */
        if (i % 8 != 0) {
            bits = (bits & 0x800FFFFFFFFFFFFFu) | ((983 + bits % 80) << 52);
        }
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "%.17g", value);
        check_as_strtod(text);
        (void)snprintf(text, sizeof(text), "%.3f", fmod(value, 1e9));
        check_as_strtod(text);
    }
}

/* Halfway between two doubles, a hair below, a hair above: where one rounding too many shows. */
static void test_decimal__rounds_ties_to_even(void **state)
{
    char text[64];

    (void)state;
    for (uint64_t k = 0; k < 2000; k++) {
        uint64_t middle = ((uint64_t)1 << 54) + 4 * k + 2;

        for (int tail = -1; tail <= 1; tail++) {
            uint64_t digits = middle * 100 + (uint64_t)(int64_t)tail;

            (void)snprintf(text, sizeof(text), "%llu.%02llu", (unsigned long long)(digits / 100),
                           (unsigned long long)(digits % 100));
            check_as_strtod(text);
        }
    }
}

static void test_decimal__takes_a_comma_as_mark(void **state)
{
    double value;

    (void)state;
    assert_true(lw_csv_decimal_parse("-12,25", 6, ',', &value));
    assert_true(value == -12.25);
    assert_true(lw_csv_decimal_parse("0,12345678901234567890123", 25, ',', &value));
    assert_true(value == strtod("0.12345678901234567890123", NULL));
    assert_false(lw_csv_decimal_parse("12.25", 5, ',', &value));
    assert_false(lw_csv_decimal_parse("12,25", 5, '.', &value));
}

static void test_decimal__refuses_what_is_no_number(void **state)
{
    static const char *const texts[] = {
        "",     " ",     "-",   "+",     ".",  "e5",  "1e",        "1e+", "1.2.3",
        "0x10", "1 2",   "12a", "--1",   "1-", "nan", "null",      "i",   "infin",
        "1,5",  "1e5.0", "one", "1_000", "$5", "50%", "2015-02-26"};
    char text[LW_CSV_NUMBER_BYTES_MAX + 2];
    double value = 42.0;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (lw_csv_decimal_parse(texts[i], strlen(texts[i]), '.', &value)) {
            fail_msg("\"%s\" was taken as %g", texts[i], value);
        }
    }
    memset(text, '1', sizeof(text));
    assert_false(lw_csv_decimal_parse(text, LW_CSV_NUMBER_BYTES_MAX + 1, '.', &value));
    assert_true(lw_csv_decimal_parse(text, 300, '.', &value));
    assert_true(lw_csv_decimal_parse("-Inf", 4, '.', &value));
    assert_true(value == -INFINITY);
    assert_true(lw_csv_decimal_parse("infinity", 8, '.', &value));
    assert_true(value == INFINITY);
}

static void test_decimal__knows_the_ways_to_write_nothing(void **state)
{
    static const char *const nothing[] = {"",     "NaN", "nan", "NULL", "NA",  "n/a",
                                          "None", "-",   "?",   "#N/A", "<NA>"};

    (void)state;
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_true(lw_csv_is_missing(nothing[i], strlen(nothing[i])));
    }
    assert_false(lw_csv_is_missing("0", 1));
    assert_false(lw_csv_is_missing("nano", 4));
    assert_false(lw_csv_is_missing("--", 2));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal__equals_strtod_on_awkward_texts),
        cmocka_unit_test(test_decimal__equals_strtod_on_random_texts),
        cmocka_unit_test(test_decimal__equals_strtod_on_doubles_written_in_full),
        cmocka_unit_test(test_decimal__rounds_ties_to_even),
        cmocka_unit_test(test_decimal__takes_a_comma_as_mark),
        cmocka_unit_test(test_decimal__refuses_what_is_no_number),
        cmocka_unit_test(test_decimal__knows_the_ways_to_write_nothing),
    };
    return LW_TEST_RUN(tests);
}
