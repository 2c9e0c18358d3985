/*
 * Moments as text and back, in int64_t nanoseconds since 1970-01-01 UTC: years 1678 to 2261.
 *
 * Parsers take text with its length, need no terminator, use the whole of it, and answer false
 * without a message: they run once a row, and only the caller knows file and line.
 */
#ifndef LW_BASE_TIME_TEXT_H
#define LW_BASE_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_TIME_TEXT_MAX 32 /* Bytes that lw_time_format may need, terminator included. */

enum lw_time_unit { LW_TIME_S, LW_TIME_MS, LW_TIME_US, LW_TIME_NS };

/*
 * "2015-02-26", "2015-02-26 21:42", "2015-02-26T21:42:53.25+01:00": date with "-" or "/", then
 * after " ", "T" or "t" the time, then a fraction after "." or ",", then "Z", "z", " UTC",
 * "+hh:mm", "+hhmm" or "+hh". Without a zone it is UTC. Digits past the ninth of a fraction are
 * dropped; second 60 counts as the next minute's 0.
 */
bool lw_time_parse_iso(const char *text, size_t n_bytes, int64_t *ret_ns);
/* A decimal number of units since 1970-01-01 UTC, such as "1424986973", "1424986973.25" or "-1":
 * exact, no exponent. */
bool lw_time_parse_epoch(const char *text, size_t n_bytes, enum lw_time_unit unit, int64_t *ret_ns);
/*
 * The unit of a column of epoch numbers by the size of one of them: below 10^11 seconds, 10^14
 * milliseconds, 10^17 microseconds, else nanoseconds (right for 1973-03-03 to 5138 in seconds and
 * their like). False if it is no number.
 */
bool lw_time_guess_unit(const char *text, size_t n_bytes, enum lw_time_unit *ret_unit);
/* RFC 3339 in UTC with 0, 3, 6 or 9 digits of fraction, as many as are needed:
 * "2015-02-26T21:42:53.250Z". Returns the length. */
size_t lw_time_format(int64_t ns, char ret_text[LW_TIME_TEXT_MAX]);

#endif
