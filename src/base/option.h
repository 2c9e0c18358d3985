/*
 * Option tables: each option is named once, with type, offset, default, bounds, unit and help; the
 * parser, the messages, --help and the reference page all come from the table.
 *
 * Durations are written "250ms", "10s", "5m", "1h", "7d", "2w" and held as int64_t nanoseconds;
 * sizes "64KiB", "1MiB" or plain bytes, held as int64_t; an enum is held as int, the index of its
 * choice; text is held in a char array inside the struct.
 */
#ifndef LW_BASE_OPTION_H
#define LW_BASE_OPTION_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

enum lw_option_type {
    LW_OPTION_BOOL,     /* bool: true/false, yes/no, on/off */
    LW_OPTION_INT,      /* int64_t */
    LW_OPTION_DOUBLE,   /* double */
    LW_OPTION_DURATION, /* int64_t, nanoseconds */
    LW_OPTION_SIZE,     /* int64_t, bytes */
    LW_OPTION_ENUM,     /* int, index into choices */
    LW_OPTION_TEXT      /* char[capacity] */
};

struct lw_option {
    const char *name;
    enum lw_option_type type;
    size_t offset;        /* Of the field in the options struct. */
    const char *fallback; /* The default, written as a user would. */
    double min, max; /* Inclusive, in the held unit (nanoseconds for durations); ignored for bool,
                        enum, text. */
    const char *const *choices; /* LW_OPTION_ENUM only: NULL-terminated names. */
    size_t capacity;            /* LW_OPTION_TEXT only: bytes of the array, terminator included. */
    const char *unit;           /* "" where there is none. */
    const char *help;           /* One sentence. */
};

/* Fills every field of the struct from the table's defaults. The defaults must parse: a test checks
 * every table. */
void lw_options_default(const struct lw_option *table, size_t n, void *ret_struct);
/* Sets one option by name from its text. LW_ENOTFOUND names the nearest option, LW_EINVAL says what
 * was expected and got. */
enum lw_status lw_options_set(const struct lw_option *table, size_t n, void *ret_struct,
                              const char *name, const char *text,
                              struct lw_error *reterr) LW_MUST_USE;
/* Writes the option's present value as a user would write it. Returns the length, as snprintf does.
 */
int lw_option_format(const struct lw_option *option, const void *from_struct, char *ret_text,
                     size_t capacity);
/* What a reference page says of its type: "duration", "one of" and so on. */
const char *lw_option_type_name(enum lw_option_type type);
/* Its bounds as a user would write them: "1s to 1d", "at least 0", the choices; "" where any value
 * may be. */
void lw_option_bounds(const struct lw_option *option, char *ret_text, size_t capacity);
/* The option of that name, or NULL. */
const struct lw_option *lw_options_find(const struct lw_option *table, size_t n, const char *name);
/* Parses "10s", "5m" and the like to nanoseconds, also 0 and "off" (0). */
enum lw_status lw_duration_parse(const char *text, int64_t *ret_ns,
                                 struct lw_error *reterr) LW_MUST_USE;
/* "1h 20m", "250ms": the two largest units. Returns the length, as snprintf does. */
int lw_duration_format(int64_t ns, char *ret_text, size_t capacity);

#endif
