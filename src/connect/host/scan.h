/*
 * Walking over the text of a file under /proc: lines, words and numbers, bounded by a length, no
 * terminator needed.
 *
 * Every function leaves the scan behind what it took; what is not there or does not parse is false.
 */
#ifndef LW_CONNECT_HOST_SCAN_H
#define LW_CONNECT_HOST_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_scan {
    const char *at; /* Borrowed. */
    const char *end;
};

/* Borrowed text with its length. */
struct lw_word {
    const char *text;
    size_t n_bytes;
};

struct lw_scan lw_scan_text(const char *text, size_t n_bytes);
/* The next line, without its end. */
bool lw_scan_line(struct lw_scan *scan, struct lw_scan *ret_line);
/* The next run of bytes other than space and tab. */
bool lw_scan_word(struct lw_scan *line, struct lw_word *ret_word);
/* The next word, if it is a decimal number below 2^64. */
bool lw_scan_u64(struct lw_scan *line, uint64_t *ret_value);
/* So many numbers in a row, as doubles: exact below 2^53. */
bool lw_scan_numbers(struct lw_scan *line, double *ret_values, size_t n);
/* The next word, if it is an unsigned decimal number such as "0.41". */
bool lw_scan_decimal(struct lw_scan *line, double *ret_value);
bool lw_word_is(struct lw_word word, const char *text);
bool lw_word_begins(struct lw_word word, const char *text);
bool lw_word_u64(struct lw_word word, uint64_t *ret_value);

#endif
