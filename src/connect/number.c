/*
 * Numbers within text: see connect/number.h.
 *
 * Digits are read eight at a time: a word of eight ASCII digits, each in a byte of its own, becomes
 * a number by three multiplications that add neighbours (Lemire, "Number Parsing at a Gigabyte per
 * Second", 2021, section 7).
 */
#include "connect/number.h"

#include "connect/csv/decimal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define EXPONENT_MAX 99999
#define DIGITS_SAFE 19 /* So many digits fit in 64 bits, whatever they are. */

static_assert(LW_NUMBER_BYTES_MAX <= LW_CSV_NUMBER_BYTES_MAX, "the slow way takes them all");

static bool eight_digits(const char *at, uint32_t *ret_value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    if ((((word + 0x4646464646464646u) | (word - 0x3030303030303030u)) & 0x8080808080808080u) !=
        0) {
        return false;
    }
    word -= 0x3030303030303030u;
    word = word * 10 + (word >> 8);
    word = ((word & 0x000000ff000000ffu) * 0x000f424000000064u +
            ((word >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
           32;
    *ret_value = (uint32_t)word;
    return true;
#else
    (void)at;
    (void)ret_value;
    return false;
#endif
}

/* Adds the digits at `at`; returns where they end. What is past the 19th counts in n alone. */
static const char *digits_read(const char *at, const char *end, uint64_t *digits)
{
    uint32_t eight;

    while (end - at >= 8 && eight_digits(at, &eight)) {
        *digits = *digits * 100000000 + eight;
        at += 8;
    }
    while (at < end && (unsigned)(*at - '0') < 10) {
        *digits = *digits * 10 + (uint64_t)(*at - '0');
        at++;
    }
    return at;
}

static const char *exponent_read(const char *at, const char *end, struct lw_number *number)
{
    bool is_negative = false;
    const char *first;
    int exponent = 0;

    number->has_exponent = true;
    if (at < end && (*at == '-' || *at == '+')) {
        is_negative = *at == '-';
        at++;
    }
    first = at;
    for (; at < end && (unsigned)(*at - '0') < 10; at++) {
        exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (*at - '0');
    }
    number->n_exponent = (uint32_t)(at - first);
    number->exponent += is_negative ? -exponent : exponent;
    return at;
}

void lw_number_read(const char *text, const char *end, struct lw_number *ret_number)
{
    const char *at = text, *first;

    *ret_number = (struct lw_number){.text = text};
    /* No number is longer, and what is counted below must fit. */
    end = end - at > LW_NUMBER_BYTES_MAX + 1 ? at + LW_NUMBER_BYTES_MAX + 1 : end;
    if (at < end && (*at == '-' || *at == '+')) {
        ret_number->is_negative = *at == '-';
        ret_number->has_sign = true;
        at++;
    }
    first = at;
    at = digits_read(at, end, &ret_number->digits);
    ret_number->n_whole = (uint32_t)(at - first);
    if (at < end && *at == '.') {
        ret_number->has_mark = true;
        first = ++at;
        at = digits_read(at, end, &ret_number->digits);
        ret_number->n_fraction = (uint32_t)(at - first);
        ret_number->exponent = -(int)ret_number->n_fraction;
    }
    if (ret_number->n_whole + ret_number->n_fraction == 0) {
        return;
    }
    ret_number->is_cut = ret_number->n_whole + ret_number->n_fraction > DIGITS_SAFE;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = exponent_read(at + 1, end, ret_number);
    }
    ret_number->n_bytes = (uint32_t)(at - text);
}

bool lw_number_value(const struct lw_number *number, double *ret_value)
{
    double value;

    if (number->n_bytes == 0 || number->n_bytes > LW_NUMBER_BYTES_MAX ||
        (number->has_exponent && number->n_exponent == 0)) {
        return false;
    }
    if (!number->is_cut && lw_csv_decimal_scale(number->digits, number->exponent, &value)) {
        *ret_value = number->is_negative ? -value : value;
        return true;
    }
    if (!lw_csv_decimal_parse(number->text, number->n_bytes, '.', &value) || isinf(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}
