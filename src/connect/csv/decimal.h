/* Decimal numbers of text files as doubles, correctly rounded: the same bits as strtod gives. */
#ifndef LW_CONNECT_CSV_DECIMAL_H
#define LW_CONNECT_CSV_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer texts are no numbers. */
#define LW_CSV_NUMBER_BYTES_MAX 400

/*
 * Reads the whole text, without blanks around it, as [+-]digits[mark digits][e[+-]digits], "inf" or
 * "infinity"; `mark` is the decimal mark. False when it is anything else; hexadecimal and "nan" are
 * anything else.
 */
bool lw_csv_decimal_parse(const char *text, size_t n_bytes, char mark, double *ret_value);
/* digits 10^exponent, correctly rounded, where that takes no more than 128 bits; false where it
 * does: lw_csv_decimal_parse then reads the text. */
bool lw_csv_decimal_scale(uint64_t digits, int exponent, double *ret_value);
/* True for the ways people write "no value": nothing at all, nan, null, na, n/a, #n/a, none, nil,
 * "-", "?", in either case. */
bool lw_csv_is_missing(const char *text, size_t n_bytes);

#endif
