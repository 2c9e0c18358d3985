/* base/text: edit distance against its textbook definition, doubles that read back, UTF-8 against
 * RFC 3629's table. */
#include "support/test.h"

#include "base/rng.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The definition, by plain recursion over prefixes. */
static size_t distance_slow(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t least, other;

    if (n_a == 0 || n_b == 0) {
        return n_a + n_b;
    }
    least = distance_slow(a, n_a - 1, b, n_b) + 1;
    other = distance_slow(a, n_a, b, n_b - 1) + 1;
    least = other < least ? other : least;
    other = distance_slow(a, n_a - 1, b, n_b - 1) + (a[n_a - 1] == b[n_b - 1] ? 0 : 1);
    least = other < least ? other : least;
    if (n_a > 1 && n_b > 1 && a[n_a - 1] == b[n_b - 2] && a[n_a - 2] == b[n_b - 1]) {
        other = distance_slow(a, n_a - 2, b, n_b - 2) + 1;
        least = other < least ? other : least;
    }
    return least;
}

static void test_distance__equals_its_definition(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 5);
    for (int i = 0; i < 2000; i++) {
        char text[2][8] = {{0}};

        for (int t = 0; t < 2; t++) {
            size_t n = lw_rng_below(&rng, 7);

            for (size_t j = 0; j < n; j++) {
                text[t][j] = (char)('a' + lw_rng_below(&rng, 3));
            }
        }
        assert_int_equal(lw_text_distance(text[0], text[1]),
                         distance_slow(text[0], strlen(text[0]), text[1], strlen(text[1])));
    }
}

static void test_distance__bears_long_texts(void **state)
{
    char a[300], b[300];

    (void)state;
    memset(a, 'a', sizeof(a) - 1);
    memset(b, 'b', sizeof(b) - 1);
    a[299] = b[299] = '\0';
    assert_int_equal(lw_text_distance(a, b), 63);
    assert_int_equal(lw_text_distance(a, ""), 63);
    assert_int_equal(lw_text_distance(a, a), 0);
}

static void test_double__is_written_as_a_person_would(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.0, "0"},
                 {-0.0, "-0"},
                 {1.0, "1"},
                 {-1.0, "-1"},
                 {0.1, "0.1"},
                 {-0.05, "-0.05"},
                 {0.3, "0.3"},
                 {123456.789, "123456.789"},
                 {1e14, "100000000000000"},
                 {1e15, "1e+15"},
                 {1e-5, "0.00001"},
                 {1e-7, "1e-07"},
                 {1.0 / 3.0, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e300, "1e+300"},
                 {5e-324, "4.94065645841247e-324"},
                 {(double)NAN, "nan"},
                 {(double)INFINITY, "inf"},
                 {-(double)INFINITY, "-inf"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[LW_DOUBLE_TEXT_MAX];
        size_t length = lw_double_format(cases[i].value, text);

        assert_string_equal(text, cases[i].text);
        assert_int_equal(length, strlen(text));
    }
}

static void test_double__reads_back_as_the_same_bits(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 9);
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = lw_rng_next(&rng);
        double value, back;
        char text[LW_DOUBLE_TEXT_MAX];

        memcpy(&value, &bits, sizeof(value));
        if (i % 3 == 1) {
            value = (double)(int64_t)(bits >> (bits % 60)) / 1000.0; /* Decimals, as data has them.
                                                                      */
        } else if (i % 3 == 2) {
            value = lw_rng_double(&rng);
        }
        if (isnan(value)) {
            continue;
        }
        assert_true(lw_double_format(value, text) < LW_DOUBLE_TEXT_MAX);
        back = strtod(text, NULL);
        if (memcmp(&value, &back, sizeof(value)) != 0) {
            fail_msg("%a was written as %s", value, text);
        }
    }
}

/* No decimal of fewer digits may read back as the value: the shortest %.{n}e that does has as many
 * digits. */
static void test_double__uses_the_fewest_digits(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        double value = (double)lw_rng_below(&rng, 100000000) / pow(10.0, (double)(i % 9)) + 0.5;
        char text[LW_DOUBLE_TEXT_MAX], reference[64];
        int digits = 0, reference_digits = 0;

        (void)lw_double_format(value, text);
        for (const char *at = text; *at != '\0'; at++) {
            digits += *at >= '0' && *at <= '9' ? 1 : 0;
        }
        digits -= value < 1.0 ? 1 : 0; /* The zero before the point. */
        do {
            (void)snprintf(reference, sizeof(reference), "%.*e", reference_digits++, value);
        } while (strtod(reference, NULL) != value);
        if (floor(value) != value && digits > reference_digits) {
            fail_msg("%s has more digits than %s", text, reference);
        }
    }
}

static size_t utf8(const char *text)
{
    return lw_utf8_length(text, strlen(text));
}

static void test_utf8__takes_and_refuses_as_rfc_3629(void **state)
{
    (void)state;
    assert_int_equal(utf8("a"), 1);
    assert_int_equal(utf8("\xC3\xA9"), 2);
    assert_int_equal(utf8("\xE2\x82\xAC"), 3);
    assert_int_equal(utf8("\xF0\x9F\xA6\x86"), 4);
    assert_int_equal(utf8("\xF4\x8F\xBF\xBF"), 4);
    assert_int_equal(utf8("\xC0\xAF"), 0);         /* overlong */
    assert_int_equal(utf8("\xE0\x80\xAF"), 0);     /* overlong */
    assert_int_equal(utf8("\xF0\x80\x80\xAF"), 0); /* overlong */
    assert_int_equal(utf8("\xED\xA0\x80"), 0);     /* a surrogate */
    assert_int_equal(utf8("\xF4\x90\x80\x80"), 0); /* past U+10FFFF */
    assert_int_equal(utf8("\xF5\x80\x80\x80"), 0);
    assert_int_equal(utf8("\x80"), 0);
    assert_int_equal(utf8("\xC3"), 0);
    assert_int_equal(utf8("\xE2\x82"), 0);
    assert_int_equal(utf8("\xC3z"), 0);
    assert_int_equal(utf8("\xE2\x82z"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance__equals_its_definition),
        cmocka_unit_test(test_distance__bears_long_texts),
        cmocka_unit_test(test_double__is_written_as_a_person_would),
        cmocka_unit_test(test_double__reads_back_as_the_same_bits),
        cmocka_unit_test(test_double__uses_the_fewest_digits),
        cmocka_unit_test(test_utf8__takes_and_refuses_as_rfc_3629),
    };
    return LW_TEST_RUN(tests);
}
