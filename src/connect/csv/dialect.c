/*
 * Finding the dialect of a CSV file: see csv/dialect.h.
 *
 * The separator is the one that cuts the first lines into the same number of fields, most of which
 * are numbers, times or nothing. The first line is a header when it says neither number nor time
 * above a column that does. Then layout.c gives the roles.
 */
#include "connect/csv/dialect.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/csv/column_names.h"
#include "connect/csv/layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SEPARATORS ",;\t|"
#define TRIAL_ROWS 64
#define TRIAL_BYTES ((size_t)64 << 10)
#define NAMES_SHOWN 6

/* Working memory: too large for a stack. */
struct finder {
    struct lw_csv_field fields[LW_CSV_COLUMNS_MAX];
    struct lw_csv_field header[LW_CSV_COLUMNS_MAX];
    uint32_t n_header;
    struct lw_csv_profile profiles[LW_CSV_COLUMNS_MAX];
    uint32_t widths[LW_CSV_COLUMNS_MAX + 1]; /* How often a number of fields was met. */
};

/* The text that detection works on. */
struct beginning {
    const char *text;
    size_t n_bytes;
    bool is_last;
};

/* Reads the next record that is neither empty nor broken. */
static bool record_next(struct beginning *rest, char separator, struct lw_csv_record *ret_record)
{
    while (rest->n_bytes > 0) {
        enum lw_csv_record_state state = lw_csv_record_read(rest->text, rest->n_bytes,
                                                            rest->is_last, separator, ret_record);

        if (state == LW_CSV_RECORD_PARTIAL) {
            return false;
        }
        rest->text += ret_record->n_bytes;
        rest->n_bytes -= ret_record->n_bytes;
        if (state == LW_CSV_RECORD_OK && ret_record->n_fields > 0) {
            return true;
        }
    }
    return false;
}

/* ---- separator and decimal mark ---- */

/* What a separator makes of the first rows. */
struct trial {
    uint32_t n_fields; /* Of most rows. */
    double score;      /* Larger is better; 0: does not separate. */
    char decimal_mark;
};

static double trial_score(struct finder *finder, struct beginning rest, char separator, char mark,
                          uint32_t *ret_n_fields)
{
    struct lw_csv_record record = {.fields = finder->fields};
    uint32_t n_rows = 0, n_good = 0, n_all = 0, width = 0;
    const char *first = rest.text;

    memset(finder->widths, 0, sizeof(finder->widths));
    while (n_rows < TRIAL_ROWS && (size_t)(rest.text - first) < TRIAL_BYTES &&
           record_next(&rest, separator, &record)) {
        n_rows++;
        finder->widths[record.n_fields]++;
        if (finder->widths[record.n_fields] >= finder->widths[width]) {
            width = record.n_fields;
        }
        for (uint32_t i = 0; i < record.n_fields; i++) {
            struct lw_csv_look look = lw_csv_look_at(&record.fields[i], mark);

            n_all++;
            n_good += look.is_missing || look.is_number || look.is_time;
        }
    }
    *ret_n_fields = width;
    if (n_rows == 0 || width < 2) {
        return 0.0;
    }
    return (double)finder->widths[width] / n_rows * (0.2 + (double)n_good / n_all);
}

static struct trial trial_run(struct finder *finder, const struct lw_csv_options *options,
                              const struct beginning *rest, char separator)
{
    struct trial trial = {.decimal_mark = options->decimal_mark != '\0' ? options->decimal_mark
                                                                        : '.'};
    double score;
    uint32_t n_fields;

    trial.score = trial_score(finder, *rest, separator, trial.decimal_mark, &trial.n_fields);
    if (options->decimal_mark == '\0' && separator != ',') {
        score = trial_score(finder, *rest, separator, ',', &n_fields);
        if (score > trial.score) {
            trial.score = score;
            trial.decimal_mark = ',';
        }
    }
    return trial;
}

static void separator_find(struct finder *finder, const struct lw_csv_options *options,
                           const struct beginning *rest, struct lw_csv_dialect *dialect)
{
    struct trial best = {0};

    dialect->separator = options->separator != '\0' ? options->separator : ',';
    if (options->separator != '\0') {
        best = trial_run(finder, options, rest, options->separator);
    }
    for (const char *at = SEPARATORS; options->separator == '\0' && *at != '\0'; at++) {
        struct trial trial = trial_run(finder, options, rest, *at);

        if (trial.score > best.score ||
            (trial.score == best.score && trial.n_fields > best.n_fields)) {
            best = trial;
            dialect->separator = *at;
        }
    }
    dialect->decimal_mark = best.score > 0.0
                                ? best.decimal_mark
                                : (options->decimal_mark != '\0' ? options->decimal_mark : '.');
}

/* ---- columns ---- */

static bool says_something(const struct lw_csv_field *field, char mark)
{
    struct lw_csv_look look = lw_csv_look_at(field, mark);

    return look.is_number || look.is_time;
}

/* Names, not readings: over a column of numbers or times stands a word; or, with nothing below, all
 * are words. */
static bool header_find(const struct finder *finder, const struct lw_csv_dialect *dialect)
{
    bool has_numbers = false;

    for (uint32_t i = 0; i < finder->n_header; i++) {
        const struct lw_csv_profile *profile = &finder->profiles[i];
        struct lw_csv_look look = lw_csv_look_at(&finder->header[i], dialect->decimal_mark);
        bool is_typed = profile->n_present > 0 &&
                        (profile->n_numbers + profile->n_times) * 5 >= profile->n_present * 4;

        if (is_typed && !look.is_missing && !look.is_number && !look.is_time) {
            return true;
        }
        has_numbers = has_numbers || is_typed ||
                      says_something(&finder->header[i], dialect->decimal_mark);
    }
    return !has_numbers;
}

static void rows_profile(struct finder *finder, const struct lw_csv_dialect *dialect,
                         struct beginning rest)
{
    struct lw_csv_record record = {.fields = finder->fields};
    uint32_t n_rows = 0;
    const char *first = rest.text;

    memset(finder->profiles, 0, dialect->n_columns * sizeof(finder->profiles[0]));
    while (n_rows < LW_CSV_PROFILE_ROWS && (size_t)(rest.text - first) < LW_CSV_PROFILE_BYTES &&
           record_next(&rest, dialect->separator, &record)) {
        n_rows++;
        for (uint32_t i = 0; i < record.n_fields && i < dialect->n_columns; i++) {
            lw_csv_profile_add(&finder->profiles[i], &record.fields[i], dialect->decimal_mark);
        }
    }
}

static bool name_is_taken(const struct lw_csv_dialect *dialect, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(dialect->columns[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void column_name(const struct finder *finder, struct lw_csv_dialect *dialect, uint32_t i)
{
    char raw[LW_NAME_MAX], clean[LW_NAME_MAX];
    char *name = dialect->columns[i].name;
    size_t n_bytes = 0;

    if (dialect->has_header && i < finder->n_header) {
        struct lw_csv_field field = finder->header[i];

        field.n_bytes = field.n_bytes < LW_NAME_MAX - 1 ? field.n_bytes : LW_NAME_MAX - 1;
        n_bytes = lw_csv_field_copy(&field, raw, sizeof(raw));
    }
    lw_csv_name_clean(raw, n_bytes, clean);
    if (clean[0] == '\0') {
        (void)snprintf(clean, sizeof(clean), "column_%u", i + 1);
    }
    memcpy(name, clean, sizeof(clean));
    for (uint32_t copy = 2; name_is_taken(dialect, i, name) && copy <= LW_CSV_COLUMNS_MAX; copy++) {
        (void)snprintf(name, LW_NAME_MAX, "%.*s_%u", LW_NAME_MAX - 16, clean, copy);
    }
}

static size_t letters_count(const char *text, const char *end, char letter)
{
    size_t n = 0;

    for (; text < end; text++) {
        n += *text == letter;
    }
    return n;
}

/* "#time,value" above a row of numbers with as many separators: a header after all. */
static bool comment_is_header(const char *line, const char *line_end, const char *text_end)
{
    const char *next = line_end + 1;
    const char *next_end = memchr(next, '\n', (size_t)(text_end - next));

    if (next == text_end || (*next != '"' && *next != '-' && (unsigned)(*next - '0') >= 10)) {
        return false;
    }
    next_end = next_end == NULL ? text_end : next_end;
    for (const char *at = SEPARATORS; *at != '\0'; at++) {
        size_t n = letters_count(line, line_end, *at);

        if (n > 0 && n == letters_count(next, next_end, *at)) {
            return true;
        }
    }
    return false;
}

/* Skips the byte order mark and lines that begin with "#" before the first row. */
static void preamble_skip(struct beginning *rest, struct lw_csv_dialect *dialect)
{
    const char *end = rest->text + rest->n_bytes;
    const char *line = rest->text;
    const char *line_end;

    if (rest->n_bytes >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
    }
    while (line < end && *line == '#' &&
           (line_end = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (comment_is_header(line, line_end, end)) {
            line++;
            break;
        }
        line = line_end + 1;
        dialect->n_skip_lines++;
    }
    dialect->n_skip_bytes = (size_t)(line - rest->text);
    rest->text = line;
    rest->n_bytes = (size_t)(end - line);
}

/* Not text that this reader knows. */
static enum lw_status encoding_check(const struct beginning *rest, struct lw_error *reterr)
{
    if (rest->n_bytes >= 2 &&
        (memcmp(rest->text, "\xFF\xFE", 2) == 0 || memcmp(rest->text, "\xFE\xFF", 2) == 0)) {
        return lw_error_set(reterr, LW_EFORMAT, "it is UTF-16; save it as UTF-8");
    }
    if (memchr(rest->text, '\0', rest->n_bytes < 4096 ? rest->n_bytes : 4096) != NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "it is no text: there are zero bytes in it");
    }
    return LW_OK;
}

/* Nothing separates: because no separator is there, or because one is there too often. */
static enum lw_status columns_check(struct finder *finder, const struct beginning *rest,
                                    struct lw_error *reterr)
{
    struct lw_csv_record record = {.fields = finder->fields};

    for (const char *at = SEPARATORS; *at != '\0'; at++) {
        if (lw_csv_record_read(rest->text, rest->n_bytes, rest->is_last, *at, &record) ==
            LW_CSV_RECORD_COLUMNS) {
            return lw_error_set(reterr, LW_EFORMAT, "the first line has more than %d fields",
                                LW_CSV_COLUMNS_MAX);
        }
    }
    return LW_OK;
}

/* Reads the first record and types the columns below it. */
static enum lw_status columns_find(struct finder *finder, const struct lw_csv_options *options,
                                   struct beginning rest, struct lw_csv_dialect *dialect,
                                   struct lw_error *reterr)
{
    struct lw_csv_record record = {.fields = finder->header};
    struct beginning below = rest;

    if (!record_next(&below, dialect->separator, &record)) {
        return lw_error_set(reterr, LW_EFORMAT, "there is no row in it");
    }
    finder->n_header = record.n_fields;
    dialect->n_columns = record.n_fields;
    rows_profile(finder, dialect, below);
    dialect->has_header = options->header == LW_CSV_AUTO ? header_find(finder, dialect)
                                                         : options->header == LW_CSV_YES;
    if (!dialect->has_header) {
        rows_profile(finder, dialect, rest);
    }
    dialect->columns = lw_mem_calloc(dialect->n_columns, sizeof(*dialect->columns));
    if (dialect->columns == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u columns", dialect->n_columns);
    }
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        column_name(finder, dialect, i);
    }
    return LW_OK;
}

enum lw_status lw_csv_dialect_find(const struct lw_csv_options *options, const char *text,
                                   size_t n_bytes, bool is_last, struct lw_csv_dialect *ret_dialect,
                                   struct lw_error *reterr)
{
    struct lw_csv_dialect dialect = {
        .time_column = -1, .series_column = -1, .entity_column = -1, .value_column = -1};
    struct beginning rest = {.text = text, .n_bytes = n_bytes, .is_last = is_last};
    struct finder *finder;
    enum lw_status status = encoding_check(&rest, reterr);

    if (status != LW_OK) {
        return status;
    }
    finder = lw_mem_alloc(sizeof(*finder)); /* Each part is cleared where it is used, as far as it
                                               is. */
    if (finder == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to look at a file");
    }
    preamble_skip(&rest, &dialect);
    separator_find(finder, options, &rest, &dialect);
    status = columns_check(finder, &rest, reterr);
    if (status == LW_OK) {
        status = columns_find(finder, options, rest, &dialect, reterr);
    }
    if (status == LW_OK) {
        status = lw_csv_layout_find(options, finder->profiles, &dialect, reterr);
    }
    lw_mem_free(finder);
    if (status != LW_OK) {
        lw_csv_dialect_fini(&dialect);
        return status;
    }
    *ret_dialect = dialect;
    return LW_OK;
}

void lw_csv_dialect_fini(struct lw_csv_dialect *dialect)
{
    lw_mem_free(dialect->columns);
    dialect->columns = NULL;
}

/* ---- the line for people ---- */

/* A text that is added to; what does not fit is left out. */
struct line {
    char *text;
    size_t capacity, length;
};

LW_PRINTF(2, 3) static void line_add(struct line *line, const char *format, ...)
{
    va_list args;
    int n;

    if (line->length + 1 >= line->capacity) {
        return;
    }
    va_start(args, format);
    n = vsnprintf(line->text + line->length, line->capacity - line->length, format, args);
    va_end(args);
    if (n > 0) {
        line->length += (size_t)n;
        line->length = line->length < line->capacity ? line->length : line->capacity - 1;
    }
}

static void columns_describe(struct line *line, const struct lw_csv_dialect *dialect,
                             enum lw_csv_role role, const char *before, const char *after)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (dialect->columns[i].role != role) {
            continue;
        }
        if (n < NAMES_SHOWN) {
            line_add(line, "%s\"%.60s\"", n == 0 ? before : ", ", dialect->columns[i].name);
        }
        n++;
    }
    if (n > NAMES_SHOWN) {
        line_add(line, " and %u more", n - NAMES_SHOWN);
    }
    if (n > 0) {
        line_add(line, "%s", after);
    }
}

static void time_describe(struct line *line, const struct lw_csv_dialect *dialect)
{
    static const char *const units[] = {"seconds", "milliseconds", "microseconds", "nanoseconds"};

    if (dialect->time_column < 0) {
        line_add(line, ", no time column: rows are numbered");
        return;
    }
    line_add(line, ", time in \"%.60s\" (", dialect->columns[dialect->time_column].name);
    if (dialect->time.kind == LW_CSV_MOMENT_EPOCH) {
        line_add(line, "%s since 1970)", units[dialect->time.unit]);
    } else {
        line_add(line, "%s)",
                 dialect->time.kind == LW_CSV_MOMENT_ISO ? "ISO 8601" : dialect->time.pattern);
    }
}

size_t lw_csv_dialect_describe(const struct lw_csv_dialect *dialect, char *ret_text,
                               size_t capacity)
{
    struct line line = {.text = ret_text, .capacity = capacity};

    ret_text[0] = '\0';
    if (dialect->separator == '\t') {
        line_add(&line, "tab separated");
    } else {
        line_add(&line, "separator %c", dialect->separator);
    }
    if (dialect->decimal_mark != '.') {
        line_add(&line, ", decimal %c", dialect->decimal_mark);
    }
    line_add(&line, "%s", dialect->has_header ? "" : ", no header");
    time_describe(&line, dialect);
    if (dialect->layout == LW_CSV_LONG) {
        line_add(&line, ", long: series in \"%.60s\", value in \"%.60s\"",
                 dialect->columns[dialect->series_column].name,
                 dialect->columns[dialect->value_column].name);
    } else {
        line_add(&line, dialect->n_values == 0 ? ", wide" : ", wide: ");
        columns_describe(&line, dialect, LW_CSV_ROLE_VALUE,
                         dialect->n_values == 1 ? "value in " : "values in ", "");
    }
    if (dialect->entity_column >= 0) {
        line_add(&line, ", entity in \"%.60s\"", dialect->columns[dialect->entity_column].name);
    }
    columns_describe(&line, dialect, LW_CSV_ROLE_LABEL, "; left out ",
                     " (like labels; --use takes them)");
    columns_describe(&line, dialect, LW_CSV_ROLE_ID, "; left out ", " (row numbers)");
    columns_describe(&line, dialect, LW_CSV_ROLE_TEXT, "; left out ", " (no numbers)");
    columns_describe(&line, dialect, LW_CSV_ROLE_SPARE, "; left out ", " (not asked for)");
    columns_describe(&line, dialect, LW_CSV_ROLE_IGNORED, "; ignored ", "");
    return line.length;
}
