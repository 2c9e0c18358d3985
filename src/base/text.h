/* Small things about text that several parsers and writers share. */
#ifndef LW_BASE_TEXT_H
#define LW_BASE_TEXT_H

#include <stddef.h>

#define LW_DOUBLE_TEXT_MAX 32 /* Bytes that lw_double_format may need, terminator included. */

/*
 * How many letters must be put in, left out, changed, or swapped with their neighbour to make b of
 * a (optimal string alignment); of each text the first 63 bytes count. For "did you mean".
 */
size_t lw_text_distance(const char *a, const char *b);
/*
 * The fewest digits that read back as the same double (below 1e-307 a few more): "0.1", "1e+300",
 * "nan", "inf", "-inf",
 * "-0". Returns the length.
 */
size_t lw_double_format(double value, char ret_text[LW_DOUBLE_TEXT_MAX]);
/*
 * The length of the UTF-8 character that text begins with, of n_bytes > 0; 0 where it begins with
 * none (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF, nothing cut off).
 */
size_t lw_utf8_length(const char *text, size_t n_bytes);

#endif
