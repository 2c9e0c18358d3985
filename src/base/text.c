/*
 * Text helpers: see base/text.h.
 *
 * lw_double_format: a double that a person wrote has few decimals. If x 10^k is next to a whole
 * number r below 2^53, and r / 10^k gives x again (both exact, so the quotient is rounded once, as
 * a reader of the decimals rounds it), r with k decimals is the answer; the smallest such k gives
 * the fewest digits. The rest tries 15, 16 and 17 digits, and 17 always do.
 */
#include "base/text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64
#define DECIMALS_MAX 15
#define DIGITS_MAX 17 /* That tell any two doubles apart. */

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t lw_text_distance(const char *a, const char *b)
{
    size_t rows[3][TEXT_MAX];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t n_a = strnlen(a, TEXT_MAX - 1);
    size_t n_b = strnlen(b, TEXT_MAX - 1);

    for (size_t j = 0; j <= n_b; j++) {
        last[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            row[j] = least_of(least_of(last[j], row[j - 1]) + 1,
                              last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least_of(row[j], before[j - 2] + 1);
            }
        }
        before = last;
        last = row;
        row = oldest;
    }
    return last[n_b];
}

/* Writes whole / 10^decimals without trailing work: the caller knows that no shorter form exists.
 */
static size_t decimals_put(int64_t whole, int decimals, char *ret_text)
{
    char digits[LW_DOUBLE_TEXT_MAX];
    uint64_t rest = whole < 0 ? (uint64_t)-whole : (uint64_t)whole;
    size_t n = 0, length = 0;

    while (rest > 0 || n <= (size_t)decimals) {
        if (n == (size_t)decimals && decimals > 0) {
            digits[length++] = '.';
        }
        digits[length++] = (char)('0' + rest % 10);
        rest /= 10;
        n++;
    }
    if (whole < 0) {
        digits[length++] = '-';
    }
    for (size_t i = 0; i < length; i++) {
        ret_text[i] = digits[length - 1 - i];
    }
    ret_text[length] = '\0';
    return length;
}

size_t lw_double_format(double value, char ret_text[LW_DOUBLE_TEXT_MAX])
{
    double power = 1.0;
    double size = fabs(value);
    int length = 0;

    if (size >= 1e-5 && size < 1e15) {
        for (int decimals = 0; decimals <= DECIMALS_MAX && size * power < 0x1p+53;
             decimals++, power *= 10.0) {
            double whole = floor(value * power + 0.5);

            if (whole / power == value && fabs(whole) < 0x1p+53) {
                return decimals_put((int64_t)whole, decimals, ret_text);
            }
        }
    }
    for (int digits = DIGITS_MAX - 2; digits <= DIGITS_MAX; digits++) {
        length = snprintf(ret_text, LW_DOUBLE_TEXT_MAX, "%.*g", digits, value);
        if (isnan(value)) {
            memcpy(ret_text, "nan", sizeof("nan")); /* Its sign and payload mean nothing. */
            return 3;
        }
        if (strtod(ret_text, NULL) == value) {
            break;
        }
    }
    return (size_t)length;
}

size_t lw_utf8_length(const char *text, size_t n_bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char second_min = 0x80, second_max = 0xBF;
    size_t length;

    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] < 0xC2 || at[0] > 0xF4) {
        return 0;
    }
    length = at[0] < 0xE0 ? 2 : (at[0] < 0xF0 ? 3 : 4);
    if (at[0] == 0xE0) {
        second_min = 0xA0;
    } else if (at[0] == 0xED) {
        second_max = 0x9F;
    } else if (at[0] == 0xF0) {
        second_min = 0x90;
    } else if (at[0] == 0xF4) {
        second_max = 0x8F;
    }
    if (n_bytes < length || at[1] < second_min || at[1] > second_max) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (at[i] < 0x80 || at[i] > 0xBF) {
            return 0;
        }
    }
    return length;
}
