/* Log lines: see base/log.h. */
#include "base/log.h"

#include "base/json.h"
#include "base/text.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

const char *lw_log_level_name(enum lw_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

static void field_to_json(struct lw_json *json, const struct lw_log_field *field)
{
    lw_json_key(json, field->key);
    switch (field->type) {
    case LW_LOG_IS_TEXT:
        lw_json_text(json, field->value.text);
        break;
    case LW_LOG_IS_INT:
        lw_json_int(json, field->value.integer);
        break;
    case LW_LOG_IS_NUMBER:
        lw_json_number(json, field->value.number);
        break;
    case LW_LOG_IS_BOOL:
        lw_json_bool(json, field->value.truth);
        break;
    }
}

static void line_as_json(struct lw_json *line, const char *time, const char *level,
                         const char *message, const struct lw_log_field *fields)
{
    lw_json_begin_object(line);
    lw_json_key(line, "time");
    lw_json_text(line, time);
    lw_json_key(line, "level");
    lw_json_text(line, level);
    lw_json_key(line, "message");
    lw_json_text(line, message);
    for (; fields->key != NULL; fields++) {
        field_to_json(line, fields);
    }
    lw_json_end(line);
}

/* True when a person and a script can tell where the value ends without quotes. */
static bool text_is_bare(const char *text)
{
    if (text == NULL || *text == '\0') {
        return text == NULL;
    }
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text == '"' || *text == '\\' || *text == '=' || *text > '~') {
            return false;
        }
    }
    return true;
}

static void field_to_text(struct lw_writer *out, const struct lw_log_field *field)
{
    struct lw_json value;
    const char *bare = field->type == LW_LOG_IS_TEXT && text_is_bare(field->value.text)
                           ? field->value.text
                           : NULL;

    lw_write_u8(out, ' ');
    lw_write_raw(out, field->key, strlen(field->key));
    lw_write_u8(out, '=');
    if (bare != NULL) {
        lw_write_raw(out, bare, strlen(bare));
        return;
    }
    lw_json_init(&value);
    lw_json_begin_object(&value);
    field_to_json(&value, field);
    if (value.out.status == LW_OK) {
        size_t prefix = strlen(field->key) + 4; /* {"key": */

        lw_write_raw(out, value.out.data + prefix, value.out.n_bytes - prefix);
    } else {
        out->status = value.out.status;
    }
    lw_json_fini(&value);
}

static void line_as_text(struct lw_writer *out, const char *time, const char *level,
                         const char *message, const struct lw_log_field *fields)
{
    char head[LW_TIME_TEXT_MAX + 8];
    int length = snprintf(head, sizeof(head), "%s %-5s ", time, level);

    lw_write_raw(out, head, (size_t)length);
    lw_write_raw(out, message, strlen(message));
    for (; fields->key != NULL; fields++) {
        field_to_text(out, fields);
    }
}

void lw_log_write(const struct lw_log *log, enum lw_log_level level, const char *message,
                  const struct lw_log_field *fields)
{
    static const char no_memory[] =
        "{\"level\":\"error\",\"message\":\"no memory for a log line\"}\n";
    char time[LW_TIME_TEXT_MAX];
    struct lw_json line;

    if (log == NULL || level < log->level) {
        return;
    }
    /* Whole milliseconds: more digits only widen the line. */
    (void)lw_time_format(log->now_ns() / 1000000 * 1000000, time);
    lw_json_init(&line);
    if (log->format == LW_LOG_AS_JSON) {
        line_as_json(&line, time, lw_log_level_name(level), message, fields);
    } else {
        line_as_text(&line.out, time, lw_log_level_name(level), message, fields);
    }
    lw_write_u8(&line.out, '\n');
    if (line.out.status == LW_OK) {
        log->write(log->user, (const char *)line.out.data, line.out.n_bytes);
    } else {
        log->write(log->user, no_memory, sizeof(no_memory) - 1);
    }
    lw_json_fini(&line);
}
