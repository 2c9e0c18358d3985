/*
 * Structured log lines for the hosts: serve and cli. The library below them never logs, it returns
 * errors.
 *
 *     lw_log(log, LW_LOG_INFO, "file read", LW_LOG_TEXT("file", path), LW_LOG_INT("rows", n_rows));
 *
 * gives, as JSON lines or as text,
 *
 *     {"time":"2026-11-21T15:42:10.123Z","level":"info","message":"file
 * read","file":"a.csv","rows":12} 2026-11-21T15:42:10.123Z info  file read file=a.csv rows=12
 *
 * Messages are constant; what varies is a field. Control characters are escaped, so that input
 * cannot forge a line.
 */
#ifndef LW_BASE_LOG_H
#define LW_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lw_log_level { LW_LOG_DEBUG, LW_LOG_INFO, LW_LOG_WARN, LW_LOG_ERROR };
enum lw_log_format { LW_LOG_AS_JSON, LW_LOG_AS_TEXT };

/* Filled by its owner before the first line, constant from then on. */
struct lw_log {
    enum lw_log_level level; /* Lines below it are dropped. */
    enum lw_log_format format;
    int64_t (*now_ns)(void); /* lw_clock_real_ns; a test gives its own. */
    /* One whole line with its line feed; called from any thread that logs. */
    void (*write)(void *user, const char *line, size_t n_bytes);
    void *user;
};

enum lw_log_type { LW_LOG_IS_TEXT, LW_LOG_IS_INT, LW_LOG_IS_NUMBER, LW_LOG_IS_BOOL };

struct lw_log_field {
    const char *key; /* Of letters, digits and "_". */
    enum lw_log_type type;
    union {
        const char *text;
        int64_t integer;
        double number;
        bool truth;
    } value;
};

#define LW_LOG_TEXT(name, v)                                                                       \
    ((struct lw_log_field){.key = (name), .type = LW_LOG_IS_TEXT, .value.text = (v)})
#define LW_LOG_INT(name, v)                                                                        \
    ((struct lw_log_field){.key = (name), .type = LW_LOG_IS_INT, .value.integer = (int64_t)(v)})
#define LW_LOG_NUMBER(name, v)                                                                     \
    ((struct lw_log_field){.key = (name), .type = LW_LOG_IS_NUMBER, .value.number = (v)})
#define LW_LOG_BOOL(name, v)                                                                       \
    ((struct lw_log_field){.key = (name), .type = LW_LOG_IS_BOOL, .value.truth = (v)})

/* Any number of fields, also none. */
#define lw_log(log, level, ...) LW_LOG_CALL(log, level, __VA_ARGS__, LW_LOG_END)
#define LW_LOG_CALL(log, level, message, ...)                                                      \
    lw_log_write(log, level, message, (const struct lw_log_field[]){__VA_ARGS__})
#define LW_LOG_END ((struct lw_log_field){.key = NULL})

/* Formats and writes one line; fields end with one whose key is NULL. Any thread; log may be NULL:
 * then nothing happens. */
void lw_log_write(const struct lw_log *log, enum lw_log_level level, const char *message,
                  const struct lw_log_field *fields);
/* "debug", "info", "warn", "error". */
const char *lw_log_level_name(enum lw_log_level level);

#endif
