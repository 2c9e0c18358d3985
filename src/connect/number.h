/*
 * The number that a text begins with, for formats in which a number ends where something else
 * begins: one pass gives its shape, the shape gives the double.
 */
#ifndef LW_CONNECT_NUMBER_H
#define LW_CONNECT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer numbers are refused. */
#define LW_NUMBER_BYTES_MAX 400

/* [+-]whole[.fraction][e[+-]exponent], each part as long as it is; which parts must be there is the
 * format's business. */
struct lw_number {
    const char *text;
    uint32_t n_bytes;                         /* 0: no digit. */
    uint32_t n_whole, n_fraction, n_exponent; /* Digits. */
    bool is_negative, has_sign, has_mark, has_exponent;
    bool is_cut;     /* More digits than 64 bits hold. */
    uint64_t digits; /* Of whole and fraction. */
    int exponent;    /* Of digits. */
};

/* Reads the longest such text at the beginning of [text, end). */
void lw_number_read(const char *text, const char *end, struct lw_number *ret_number);
/* The same bits as strtod gives; false when it is too long, or too large for a double. */
bool lw_number_value(const struct lw_number *number, double *ret_value);

#endif
