/*
 * Decimal numbers: see csv/decimal.h.
 *
 * A decimal is m 10^e with an integer m. Three ways, from the commonest to the rarest, all
 * correctly rounded:
 *
 *   m <= 2^53, |e| <= 22    m and 10^|e| are doubles, so one division or product rounds once
 * (Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990). m < 2^64, -27 <= e < 0
 * Both m and 5^-e fit in 64 bits. Shifted to their full width, one 128 by 64 bit division gives 63
 * or 64 bits of the quotient and the remainder: all that rounding to nearest, ties to even, needs.
 * This is the form in which most programs write a double in full (17 digits). the rest strtod, on a
 * terminated copy. The process never leaves the C locale.
 */
#include "connect/csv/decimal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXACT_POWERS 23
#define DIVISION_POWERS 27
#define EXPONENT_MAX 99999

/* What a text said, before it is made a double. */
struct decimal {
    uint64_t digits;
    int exponent;
    bool is_negative;
    bool is_cut; /* More digits than fit in 64 bits. */
};

static const char *digits_read(const char *at, const char *end, struct decimal *decimal, int *ret_n)
{
    const char *first = at;

    while (at < end && (unsigned)(*at - '0') < 10) {
        if (decimal->digits > (UINT64_MAX - 9) / 10) {
            decimal->is_cut = true;
        } else {
            decimal->digits = decimal->digits * 10 + (uint64_t)(*at - '0');
        }
        at++;
    }
    *ret_n = (int)(at - first);
    return at;
}

static bool exponent_read(const char *at, const char *end, struct decimal *decimal)
{
    int sign = 1, exponent = 0;

    if (at < end && (*at == '-' || *at == '+')) {
        sign = *at == '-' ? -1 : 1;
        at++;
    }
    if (at == end) {
        return false;
    }
    for (; at < end && (unsigned)(*at - '0') < 10; at++) {
        exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (*at - '0');
    }
    decimal->exponent += sign * exponent;
    return at == end;
}

static bool decimal_read(const char *text, size_t n_bytes, char mark, struct decimal *ret_decimal)
{
    const char *at = text;
    const char *end = text + n_bytes;
    int n_whole, n_fraction = 0;

    if (at < end && (*at == '-' || *at == '+')) {
        ret_decimal->is_negative = *at == '-';
        at++;
    }
    at = digits_read(at, end, ret_decimal, &n_whole);
    if (at < end && *at == mark) {
        at = digits_read(at + 1, end, ret_decimal, &n_fraction);
    }
    ret_decimal->exponent = -n_fraction;
    if (n_whole + n_fraction == 0) {
        return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        return exponent_read(at + 1, end, ret_decimal);
    }
    return at == end;
}

/* digits / 10^power, rounded once; digits > 0 and power in 1..DIVISION_POWERS. */
static double decimal_divide(uint64_t digits, int power)
{
    uint64_t divisor = 1;
    int digits_shift = __builtin_clzll(digits);
    int divisor_shift, excess;
    unsigned __int128 dividend;
    uint64_t quotient, kept, dropped, half;

    for (int i = 0; i < power; i++) {
        divisor *= 5;
    }
    divisor_shift = __builtin_clzll(divisor);
    divisor <<= divisor_shift;
    dividend = (unsigned __int128)(digits << digits_shift) << 63;
    quotient = (uint64_t)(dividend / divisor); /* At least 2^62, below 2^64. */
    excess = 11 - __builtin_clzll(quotient);
    kept = quotient >> excess;
    dropped = quotient & (((uint64_t)1 << excess) - 1);
    half = (uint64_t)1 << (excess - 1);
    if (dropped > half || (dropped == half && (dividend % divisor != 0 || (kept & 1) != 0))) {
        kept++;
    }
    return ldexp((double)kept, excess - 63 - digits_shift + divisor_shift - power);
}

static bool decimal_slow(const char *text, size_t n_bytes, char mark, double *ret_value)
{
    char copy[LW_CSV_NUMBER_BYTES_MAX + 1];
    char *at;

    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    at = mark == '.' ? NULL : memchr(copy, mark, n_bytes);
    if (at != NULL) {
        *at = '.';
    }
    *ret_value = strtod(copy, NULL);
    return true;
}

static bool infinity_parse(const char *text, size_t n_bytes, double *ret_value)
{
    double value = INFINITY;

    if (n_bytes > 0 && (text[0] == '-' || text[0] == '+')) {
        value = text[0] == '-' ? -INFINITY : INFINITY;
        text++;
        n_bytes--;
    }
    if ((n_bytes == 3 && strncasecmp(text, "inf", 3) == 0) ||
        (n_bytes == 8 && strncasecmp(text, "infinity", 8) == 0)) {
        *ret_value = value;
        return true;
    }
    return false;
}

bool lw_csv_decimal_scale(uint64_t digits, int exponent, double *ret_value)
{
    static const double powers[EXACT_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (digits <= (uint64_t)1 << 53 && exponent > -EXACT_POWERS && exponent < EXACT_POWERS) {
        *ret_value = exponent < 0 ? (double)digits / powers[-exponent]
                                  : (double)digits * powers[exponent];
        return true;
    }
    if (digits > 0 && exponent < 0 && exponent >= -DIVISION_POWERS) {
        *ret_value = decimal_divide(digits, -exponent);
        return true;
    }
    return false;
}

bool lw_csv_decimal_parse(const char *text, size_t n_bytes, char mark, double *ret_value)
{
    struct decimal decimal = {0};
    double value;

    if (n_bytes == 0 || n_bytes > LW_CSV_NUMBER_BYTES_MAX) {
        return false;
    }
    if (!decimal_read(text, n_bytes, mark, &decimal)) {
        return infinity_parse(text, n_bytes, ret_value);
    }
    if (decimal.is_cut || !lw_csv_decimal_scale(decimal.digits, decimal.exponent, &value)) {
        return decimal_slow(text, n_bytes, mark, ret_value);
    }
    *ret_value = decimal.is_negative ? -value : value;
    return true;
}

bool lw_csv_is_missing(const char *text, size_t n_bytes)
{
    static const char *const words[] = {"nan", "null", "na", "n/a",  "#n/a", "none",
                                        "nil", "-",    "?",  "<na>", "-nan"};

    if (n_bytes == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == n_bytes && strncasecmp(text, words[i], n_bytes) == 0) {
            return true;
        }
    }
    return false;
}
