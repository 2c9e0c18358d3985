/* A CSV file with a header: see cli/eval_csv.h. */
#include "cli/eval_csv.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/csv/column_names.h"

#include <string.h>
#include <strings.h>

#define EXCERPT_BYTES 40

static const char *record_fault(enum lw_csv_record_state state)
{
    switch (state) {
    case LW_CSV_RECORD_COLUMNS:
        return "it has more than 4096 fields";
    case LW_CSV_RECORD_FIELD:
        return "a field is longer than 64 KiB, or its quote never closes";
    case LW_CSV_RECORD_TOO_LONG:
        return "it is longer than 1 MiB";
    case LW_CSV_RECORD_QUOTE:
    case LW_CSV_RECORD_PARTIAL:
    case LW_CSV_RECORD_OK:
        break;
    }
    return "text follows a closing quote";
}

/* The next record that is not empty. */
static enum lw_status record_next(struct lw_eval_csv *csv, struct lw_csv_record *record,
                                  bool *ret_has_row, struct lw_error *reterr)
{
    *ret_has_row = false;
    for (;;) {
        size_t n_bytes;
        const char *text = lw_csv_input_window(csv->input, &n_bytes);
        bool is_last = lw_csv_input_is_last(csv->input);
        enum lw_csv_record_state state;

        if (csv->at == n_bytes && is_last) {
            return LW_OK;
        }
        record->fields = csv->fields;
        state = csv->at == n_bytes ? LW_CSV_RECORD_PARTIAL
                                   : lw_csv_record_read(text + csv->at, n_bytes - csv->at, is_last,
                                                        csv->separator, record);
        if (state == LW_CSV_RECORD_PARTIAL) {
            struct lw_error error;
            enum lw_status status = lw_csv_input_slide(csv->input, csv->at, &error);

            csv->at = 0;
            if (status != LW_OK) {
                return lw_error_set(reterr, status, "%s: %s", csv->path, error.message);
            }
            continue;
        }
        csv->line = csv->next_line;
        csv->next_line += record->n_lines;
        csv->at += record->n_bytes;
        if (state != LW_CSV_RECORD_OK) {
            return lw_error_set(reterr, LW_EFORMAT, "%s:%llu: the line cannot be read: %s",
                                csv->path, (unsigned long long)csv->line, record_fault(state));
        }
        if (record->n_fields > 0) {
            *ret_has_row = true;
            return LW_OK;
        }
    }
}

/* The separator that the first line has most of. */
static char separator_find(const struct lw_csv_input *input)
{
    static const char choices[] = ",;\t|";
    size_t n_bytes, counts[sizeof(choices)] = {0};
    const char *text = lw_csv_input_window(input, &n_bytes);
    char best = ',';
    size_t n_best = 0;

    for (size_t i = 0; i < n_bytes && text[i] != '\n'; i++) {
        const char *choice = text[i] == '\0' ? NULL : strchr(choices, text[i]);

        if (choice != NULL && ++counts[choice - choices] > n_best) {
            n_best = counts[choice - choices];
            best = text[i];
        }
    }
    return best;
}

static void name_take(const struct lw_csv_field *field, bool is_first, char ret_name[LW_NAME_MAX])
{
    const char *text = field->text;
    size_t n = field->n_bytes;

    if (is_first && n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* Byte order mark. */
        text += 3;
        n -= 3;
    }
    lw_csv_name_clean(text, n, ret_name);
}

static enum lw_status header_read(struct lw_eval_csv *csv, struct lw_error *reterr)
{
    struct lw_csv_record record;
    bool has_row;
    enum lw_status status = record_next(csv, &record, &has_row, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (!has_row) {
        return lw_error_set(reterr, LW_EFORMAT, "%s: the file is empty: a header was expected",
                            csv->path);
    }
    csv->n_columns = record.n_fields;
    csv->names = lw_mem_calloc(csv->n_columns, sizeof(*csv->names));
    if (csv->names == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "%s: no memory for %u columns", csv->path,
                            csv->n_columns);
    }
    for (uint32_t i = 0; i < csv->n_columns; i++) {
        name_take(&csv->fields[i], i == 0, csv->names[i]);
    }
    return LW_OK;
}

enum lw_status lw_eval_csv_open(const char *path, const void *bytes, size_t n_bytes, char separator,
                                struct lw_eval_csv *ret_csv, struct lw_error *reterr)
{
    struct lw_eval_csv csv = {.path = path, .next_line = 1};
    struct lw_error error;
    enum lw_status status = bytes == NULL
                                ? lw_csv_input_open(path, &csv.input, &error)
                                : lw_csv_input_open_bytes(bytes, n_bytes, &csv.input, &error);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "%s: %s", path, error.message);
    }
    csv.separator = separator != 0 ? separator : separator_find(csv.input);
    csv.fields = lw_mem_calloc(LW_CSV_COLUMNS_MAX, sizeof(*csv.fields));
    status = csv.fields == NULL ? lw_error_set(reterr, LW_ENOMEM, "%s: no memory to read it", path)
                                : header_read(&csv, reterr);
    if (status != LW_OK) {
        lw_eval_csv_close(&csv);
        return status;
    }
    *ret_csv = csv;
    return LW_OK;
}

void lw_eval_csv_close(struct lw_eval_csv *csv)
{
    lw_csv_input_close(csv->input);
    lw_mem_free(csv->fields);
    lw_mem_free(csv->names);
    memset(csv, 0, sizeof(*csv));
}

enum lw_status lw_eval_csv_next(struct lw_eval_csv *csv, bool *ret_has_row, struct lw_error *reterr)
{
    struct lw_csv_record record;
    enum lw_status status = record_next(csv, &record, ret_has_row, reterr);

    if (status == LW_OK && *ret_has_row && record.n_fields != csv->n_columns) {
        return lw_error_set(reterr, LW_EFORMAT, "%s:%llu: %u fields; the header has %u", csv->path,
                            (unsigned long long)csv->line, record.n_fields, csv->n_columns);
    }
    return status;
}

int lw_eval_csv_column(const struct lw_eval_csv *csv, const char *name)
{
    for (uint32_t i = 0; i < csv->n_columns; i++) {
        if (strcasecmp(csv->names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

enum lw_status lw_eval_csv_refuse(const struct lw_eval_csv *csv, int column, const char *what,
                                  struct lw_error *reterr)
{
    const struct lw_csv_field *field = &csv->fields[column];
    char text[LW_NAME_MAX];

    lw_csv_name_clean(field->text, field->n_bytes < EXCERPT_BYTES ? field->n_bytes : EXCERPT_BYTES,
                      text);
    return lw_error_set(reterr, LW_EFORMAT, "%s:%llu: column \"%.100s\": \"%s\" %s", csv->path,
                        (unsigned long long)csv->line, csv->names[column], text, what);
}

/* The form that a time is written in. */
static bool moment_find(const char *text, size_t n_bytes, struct lw_csv_moment_format *ret_format)
{
    int64_t ns;

    *ret_format = (struct lw_csv_moment_format){.kind = LW_CSV_MOMENT_ISO};
    if (lw_time_parse_iso(text, n_bytes, &ns)) {
        return true;
    }
    if (lw_time_guess_unit(text, n_bytes, &ret_format->unit)) {
        ret_format->kind = LW_CSV_MOMENT_EPOCH;
        return true;
    }
    for (int i = 0; i < LW_CSV_PATTERNS; i++) {
        if (lw_csv_pattern_parse(LW_CSV_PATTERN_NAMES[i], text, n_bytes, &ns)) {
            return lw_csv_moment_format_read(LW_CSV_PATTERN_NAMES[i], ret_format, NULL) == LW_OK;
        }
    }
    return false;
}

enum lw_status lw_eval_csv_time(struct lw_eval_csv *csv, int column, int64_t *ret_ns,
                                struct lw_error *reterr)
{
    const struct lw_csv_field *field = &csv->fields[column];

    if (!csv->has_moment) {
        csv->has_moment = moment_find(field->text, field->n_bytes, &csv->moment.format);
    }
    if (!csv->has_moment ||
        !lw_csv_moment_parse(&csv->moment, field->text, field->n_bytes, ret_ns)) {
        return lw_eval_csv_refuse(csv, column, "is no time of the form found in this file", reterr);
    }
    return LW_OK;
}
