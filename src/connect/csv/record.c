/* Records of separated text: see csv/record.h. */
#include "connect/csv/record.h"

#include <string.h>

/* Where reading stands. */
struct scan {
    const char *at;
    const char *end;
    bool is_last;
    char separator;
    uint32_t n_lines;
};

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t';
}

/* Without blanks at either end, and without the CR of a CRLF. */
static void field_trim(struct lw_csv_field *field, const char *first, const char *last)
{
    while (last > first && (is_blank(last[-1]) || last[-1] == '\r')) {
        last--;
    }
    while (first < last && is_blank(*first)) {
        first++;
    }
    field->text = first;
    field->n_bytes = (uint32_t)(last - first);
    field->has_escapes = false;
}

/* A field without quotes: up to the separator, the line's end, or the text's. */
static enum lw_csv_record_state field_plain(struct scan *scan, const char *first,
                                            struct lw_csv_field *ret_field)
{
    const char *at = scan->at;
    const char *end = scan->end;
    char separator = scan->separator;

    while (at < end && *at != separator && *at != '\n') {
        at++;
    }
    scan->at = at;
    if (at - first > LW_CSV_FIELD_BYTES_MAX) {
        return LW_CSV_RECORD_FIELD;
    }
    field_trim(ret_field, first, at);
    return at == end && !scan->is_last ? LW_CSV_RECORD_PARTIAL : LW_CSV_RECORD_OK;
}

/* Blanks, then a separator or the line's end; `at` is behind the closing quote. */
static enum lw_csv_record_state quoted_end(struct scan *scan, const char *at)
{
    while (at < scan->end && *at != scan->separator && (is_blank(*at) || *at == '\r')) {
        at++;
    }
    scan->at = at;
    if (at == scan->end) {
        return scan->is_last ? LW_CSV_RECORD_OK : LW_CSV_RECORD_PARTIAL;
    }
    return *at == scan->separator || *at == '\n' ? LW_CSV_RECORD_OK : LW_CSV_RECORD_QUOTE;
}

/* A field in quotes; scan->at is behind the opening one. */
static enum lw_csv_record_state field_quoted(struct scan *scan, struct lw_csv_field *ret_field)
{
    const char *first = scan->at;
    const char *at = first;
    bool has_escapes = false;

    for (;;) {
        if (at - first > LW_CSV_FIELD_BYTES_MAX) {
            return LW_CSV_RECORD_FIELD;
        }
        if (at == scan->end) {
            return scan->is_last ? LW_CSV_RECORD_FIELD : LW_CSV_RECORD_PARTIAL;
        }
        if (*at == '"') {
            if (at + 1 == scan->end && !scan->is_last) {
                return LW_CSV_RECORD_PARTIAL;
            }
            if (at + 1 == scan->end || at[1] != '"') {
                break;
            }
            has_escapes = true;
            at++;
        } else if (*at == '\n') {
            scan->n_lines++;
        }
        at++;
    }
    field_trim(ret_field, first, at);
    ret_field->has_escapes = has_escapes;
    return quoted_end(scan, at + 1);
}

static enum lw_csv_record_state field_read(struct scan *scan, struct lw_csv_field *ret_field)
{
    const char *first = scan->at;

    while (scan->at < scan->end && is_blank(*scan->at) && *scan->at != scan->separator) {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == '"') {
        scan->at++;
        return field_quoted(scan, ret_field);
    }
    return field_plain(scan, first, ret_field);
}

/* Fields up to the line's end. */
static enum lw_csv_record_state fields_read(struct scan *scan, struct lw_csv_record *record)
{
    for (;;) {
        enum lw_csv_record_state state;

        if (record->n_fields == LW_CSV_COLUMNS_MAX) {
            return LW_CSV_RECORD_COLUMNS;
        }
        state = field_read(scan, &record->fields[record->n_fields]);
        if (state != LW_CSV_RECORD_OK) {
            return state;
        }
        record->n_fields++;
        if (scan->at == scan->end) {
            return LW_CSV_RECORD_OK;
        }
        if (*scan->at++ == '\n') {
            scan->n_lines++;
            return LW_CSV_RECORD_OK;
        }
    }
}

/* Leaves the record at the end of its first line; PARTIAL when that is not in sight. */
static enum lw_csv_record_state record_give_up(const char *text, size_t n_bytes, bool is_last,
                                               enum lw_csv_record_state state,
                                               struct lw_csv_record *record)
{
    const char *line_end = memchr(text, '\n', n_bytes);

    record->n_fields = 0;
    record->n_lines = 1;
    record->n_bytes = line_end == NULL ? n_bytes : (size_t)(line_end - text) + 1;
    if (line_end == NULL && !is_last && n_bytes < LW_CSV_RECORD_BYTES_MAX) {
        return LW_CSV_RECORD_PARTIAL;
    }
    return line_end == NULL && n_bytes >= LW_CSV_RECORD_BYTES_MAX ? LW_CSV_RECORD_TOO_LONG : state;
}

enum lw_csv_record_state lw_csv_record_read(const char *text, size_t n_bytes, bool is_last,
                                            char separator, struct lw_csv_record *ret_record)
{
    struct scan scan = {
        .at = text, .end = text + n_bytes, .is_last = is_last, .separator = separator};
    enum lw_csv_record_state state;

    ret_record->n_fields = 0;
    state = fields_read(&scan, ret_record);
    if (state == LW_CSV_RECORD_PARTIAL && n_bytes < LW_CSV_RECORD_BYTES_MAX) {
        return LW_CSV_RECORD_PARTIAL;
    }
    if (state != LW_CSV_RECORD_OK) {
        return record_give_up(text, n_bytes, is_last,
                              state == LW_CSV_RECORD_PARTIAL ? LW_CSV_RECORD_TOO_LONG : state,
                              ret_record);
    }
    ret_record->n_lines = scan.n_lines;
    ret_record->n_bytes = (size_t)(scan.at - text);
    if (ret_record->n_fields == 1 && ret_record->fields[0].n_bytes == 0) {
        ret_record->n_fields = 0;
    }
    return LW_CSV_RECORD_OK;
}

size_t lw_csv_field_copy(const struct lw_csv_field *field, char *ret_text, size_t capacity)
{
    size_t length = 0;

    for (uint32_t i = 0; i < field->n_bytes; i++) {
        if (length + 1 >= capacity) {
            return SIZE_MAX;
        }
        ret_text[length++] = field->text[i];
        if (field->has_escapes && field->text[i] == '"') {
            i++; /* The second quote of the pair. */
        }
    }
    ret_text[length] = '\0';
    return length;
}
