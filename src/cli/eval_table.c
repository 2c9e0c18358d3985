/* Scores, alarms, labels and times of a CSV file: see cli/eval_table.h. */
#include "cli/eval_table.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/eval_csv.h"
#include "connect/csv/column_names.h"
#include "connect/csv/decimal.h"
#include "connect/csv/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PLACE_WHOLE UINT32_MAX /* Of the entity's own line: behind all series. */
#define ROWS_FIRST 1024

/* A file while it is read. */
struct reading {
    const struct lw_eval_columns *columns;
    struct lw_eval_table *table;
    struct lw_eval_csv csv;
    int score, alarm, label, time, entity, series; /* Columns; -1: none. */
    struct lw_csv_keys groups, places;
};

/* What one line tells. */
struct line {
    double score;
    uint8_t alarm, label;
    int64_t time_ns;
};

/* ---- columns ---- */

static int label_column(const struct lw_eval_csv *csv)
{
    int column = lw_eval_csv_column(csv, "label");

    for (uint32_t i = 0; column < 0 && i < csv->n_columns; i++) {
        if (lw_csv_name_is(csv->names[i], LW_CSV_NAMES_LABEL)) {
            column = (int)i;
        }
    }
    return column;
}

static int time_column(const struct lw_eval_csv *csv)
{
    for (uint32_t i = 0; i < csv->n_columns; i++) {
        if (lw_csv_name_is(csv->names[i], LW_CSV_NAMES_TIME)) {
            return (int)i;
        }
    }
    return -1;
}

/* A column by the name the user gave. */
static enum lw_status column_named(const struct reading *reading, const char *name,
                                   const char *option, int *ret_column, struct lw_error *reterr)
{
    *ret_column = lw_eval_csv_column(&reading->csv, name);
    return *ret_column >= 0
               ? LW_OK
               : lw_error_set(reterr, LW_EFORMAT, "%s: there is no column \"%.100s\" (%s)",
                              reading->csv.path, name, option);
}

/* "time, value, is_anomaly" */
static void columns_list(const struct lw_eval_csv *csv, char *ret_text, size_t capacity)
{
    size_t length = 0;

    ret_text[0] = '\0';
    for (uint32_t i = 0; i < csv->n_columns && length + 1 < capacity; i++) {
        int n = snprintf(ret_text + length, capacity - length, "%s%.40s", i == 0 ? "" : ", ",
                         csv->names[i]);

        length += n > 0 ? (size_t)n : 0;
    }
}

static enum lw_status columns_require(const struct reading *reading, struct lw_error *reterr)
{
    const struct lw_eval_columns *columns = reading->columns;
    const char *what = columns->wants_scores && reading->score < 0 ? "score (--score-column)"
                                                                   : NULL;
    char list[200];

    if (columns->wants_labels && reading->label < 0) {
        what = "label (--label-column)";
    } else if (columns->wants_times && reading->time < 0) {
        what = "time";
    }
    if (what == NULL) {
        return LW_OK;
    }
    columns_list(&reading->csv, list, sizeof(list));
    return lw_error_set(reterr, LW_EFORMAT, "%s: there is no column %s; its columns: %s",
                        reading->csv.path, what, list);
}

static enum lw_status columns_find(struct reading *reading, struct lw_error *reterr)
{
    const struct lw_eval_columns *columns = reading->columns;
    const struct lw_eval_csv *csv = &reading->csv;
    enum lw_status status = LW_OK;

    reading->score = lw_eval_csv_column(csv, "score");
    if (reading->score < 0) {
        reading->score = lw_eval_csv_column(csv, "anomaly_score");
    }
    reading->alarm = lw_eval_csv_column(csv, "alarm");
    reading->label = label_column(csv);
    reading->time = columns->ignores_times ? -1 : time_column(csv);
    reading->entity = lw_eval_csv_column(csv, "entity");
    reading->series = reading->entity < 0 ? -1 : lw_eval_csv_column(csv, "series");
    if (columns->score != NULL && columns->wants_scores) {
        status = column_named(reading, columns->score, "--score-column", &reading->score, reterr);
    }
    if (status == LW_OK && columns->alarm != NULL && columns->wants_scores) {
        status = column_named(reading, columns->alarm, "--alarm-column", &reading->alarm, reterr);
    }
    if (status == LW_OK && columns->label != NULL && columns->wants_labels) {
        status = column_named(reading, columns->label, "--label-column", &reading->label, reterr);
    }
    if (!columns->wants_scores) {
        reading->score = reading->alarm = -1;
    }
    if (!columns->wants_labels) {
        reading->label = -1;
    }
    return status == LW_OK ? columns_require(reading, reterr) : status;
}

/* ---- groups ---- */

static enum lw_status group_add(struct reading *reading, const char *name, uint32_t *ret_group,
                                struct lw_error *reterr)
{
    struct lw_eval_table *table = reading->table;

    if (table->n_groups == LW_EVAL_GROUPS_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "%s:%llu: more than %d entities", reading->csv.path,
                            (unsigned long long)reading->csv.line, LW_EVAL_GROUPS_MAX);
    }
    if (table->n_groups == table->capacity) {
        size_t capacity = table->capacity == 0 ? 1 : 2 * table->capacity;
        struct lw_eval_rows *groups = lw_mem_realloc(table->groups, capacity * sizeof(*groups));

        if (groups == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "%s: no memory for its entities",
                                reading->csv.path);
        }
        table->groups = groups;
        table->capacity = capacity;
    }
    memset(&table->groups[table->n_groups], 0, sizeof(table->groups[0]));
    (void)snprintf(table->groups[table->n_groups].name, sizeof(table->groups[0].name), "%s", name);
    *ret_group = (uint32_t)table->n_groups++;
    return LW_OK;
}

/* The group of the present line, and, where lines of series make a row, the series' place in it. */
static enum lw_status group_find(struct reading *reading, uint32_t *ret_group, uint32_t *ret_place,
                                 struct lw_error *reterr)
{
    char both[2 * LW_NAME_MAX] = "", entity[LW_NAME_MAX] = "", series[LW_NAME_MAX] = "";
    const struct lw_csv_field *fields = reading->csv.fields;
    struct lw_eval_rows *rows;
    int length;

    if ((reading->entity >= 0 &&
         lw_csv_field_copy(&fields[reading->entity], entity, sizeof(entity)) == SIZE_MAX) ||
        (reading->series >= 0 &&
         lw_csv_field_copy(&fields[reading->series], series, sizeof(series)) == SIZE_MAX)) {
        return lw_eval_csv_refuse(&reading->csv, reading->entity,
                                  "or its series has a name of over 1023 bytes", reterr);
    }
    length = snprintf(both, sizeof(both), "%s%s%s", entity, reading->series >= 0 ? "/" : "",
                      series);
    *ret_place = PLACE_WHOLE;
    if (reading->columns->by_series || reading->series < 0) {
        *ret_group = lw_csv_keys_find(&reading->groups, both, (size_t)length);
    } else {
        *ret_group = lw_csv_keys_find(&reading->groups, entity, strlen(entity));
    }
    if (*ret_group == LW_CSV_KEY_NONE) {
        const char *name = reading->columns->by_series || reading->series < 0 ? both : entity;
        enum lw_status status = group_add(reading, name, ret_group, reterr);

        if (status == LW_OK) {
            status = lw_csv_keys_add(&reading->groups, name, strlen(name), *ret_group);
        }
        if (status != LW_OK) {
            return status == LW_ENOMEM ? lw_error_set(reterr, LW_ENOMEM, "no memory for entities")
                                       : status;
        }
    }
    if (reading->columns->by_series || series[0] == '\0') {
        return LW_OK;
    }
    rows = &reading->table->groups[*ret_group];
    *ret_place = lw_csv_keys_find(&reading->places, both, (size_t)length);
    if (*ret_place == LW_CSV_KEY_NONE) {
        *ret_place = rows->n_places++;
        return lw_csv_keys_add(&reading->places, both, (size_t)length, *ret_place) == LW_OK
                   ? LW_OK
                   : lw_error_set(reterr, LW_ENOMEM, "no memory for series");
    }
    return LW_OK;
}

/* ---- lines ---- */

static enum lw_status number_take(const struct reading *reading, int column, double *ret_value,
                                  struct lw_error *reterr)
{
    const struct lw_csv_field *field = &reading->csv.fields[column];

    *ret_value = NAN;
    if (lw_csv_decimal_parse(field->text, field->n_bytes, '.', ret_value)) {
        return isfinite(*ret_value)
                   ? LW_OK
                   : lw_eval_csv_refuse(&reading->csv, column, "is not finite", reterr);
    }
    return lw_csv_is_missing(field->text, field->n_bytes)
               ? LW_OK
               : lw_eval_csv_refuse(&reading->csv, column, "is no number", reterr);
}

/* 1 for numbers above 0 and "true", 0 for others and "false"; nothing is an error for a label. */
static enum lw_status flag_take(const struct reading *reading, int column, bool may_be_missing,
                                uint8_t *ret_flag, struct lw_error *reterr)
{
    const struct lw_csv_field *field = &reading->csv.fields[column];
    double value;
    enum lw_status status;

    *ret_flag = field->n_bytes == 4 && strncasecmp(field->text, "true", 4) == 0;
    if (*ret_flag != 0 || (field->n_bytes == 5 && strncasecmp(field->text, "false", 5) == 0)) {
        return LW_OK;
    }
    status = number_take(reading, column, &value, reterr);
    if (status == LW_OK && isnan(value) && !may_be_missing) {
        return lw_eval_csv_refuse(&reading->csv, column, "is no label: 0 or 1 was expected",
                                  reterr);
    }
    *ret_flag = value > 0.0;
    return status;
}

static enum lw_status line_take(struct reading *reading, struct line *ret_line,
                                struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    *ret_line = (struct line){.score = NAN};
    if (reading->score >= 0) {
        status = number_take(reading, reading->score, &ret_line->score, reterr);
    }
    if (status == LW_OK && reading->alarm >= 0) {
        status = flag_take(reading, reading->alarm, true, &ret_line->alarm, reterr);
    }
    if (status == LW_OK && reading->label >= 0) {
        status = flag_take(reading, reading->label, false, &ret_line->label, reterr);
    }
    if (status == LW_OK && reading->time >= 0) {
        status = lw_eval_csv_time(&reading->csv, reading->time, &ret_line->time_ns, reterr);
    }
    return status;
}

/* ---- rows ---- */

/* An array of the group made larger, where it is kept at all; the old one when there is no memory.
 */
static void *array_grow(void *array, bool is_kept, size_t n_bytes, bool *is_good)
{
    void *grown = is_kept ? lw_mem_realloc(array, n_bytes) : NULL;

    *is_good = *is_good && (!is_kept || grown != NULL);
    return grown != NULL ? grown : array;
}

static enum lw_status rows_grow(const struct reading *reading, struct lw_eval_rows *rows,
                                struct lw_error *reterr)
{
    size_t n = rows->capacity == 0 ? ROWS_FIRST : 2 * rows->capacity;
    bool is_good = true;

    if (rows->n < rows->capacity) {
        return LW_OK;
    }
    rows->scores = array_grow(rows->scores, reading->score >= 0, n * sizeof(double), &is_good);
    rows->alarms = array_grow(rows->alarms, reading->alarm >= 0, n, &is_good);
    rows->labels = array_grow(rows->labels, reading->label >= 0, n, &is_good);
    rows->times = array_grow(rows->times, reading->time >= 0, n * sizeof(int64_t), &is_good);
    if (!is_good) {
        return lw_error_set(reterr, LW_ENOMEM, "%s: no memory for %zu rows", reading->csv.path, n);
    }
    rows->capacity = n;
    return LW_OK;
}

static void row_set(struct lw_eval_rows *rows, size_t at, const struct line *line)
{
    if (rows->scores != NULL) {
        rows->scores[at] = line->score;
    }
    if (rows->alarms != NULL) {
        rows->alarms[at] = line->alarm;
    }
    if (rows->labels != NULL) {
        rows->labels[at] = line->label;
    }
    if (rows->times != NULL) {
        rows->times[at] = line->time_ns;
    }
}

/* Joins a further line to the newest row. */
static void row_join(struct lw_eval_rows *rows, const struct line *line, bool is_whole)
{
    size_t at = rows->n - 1;
    struct line joined = *line;

    if (rows->labels != NULL) {
        joined.label = (uint8_t)(line->label | rows->labels[at]);
    }
    if (!is_whole || isnan(line->score)) {
        if (rows->scores != NULL) {
            joined.score = fmax(line->score, rows->scores[at]);
        }
        if (rows->alarms != NULL) {
            joined.alarm = (uint8_t)(line->alarm | rows->alarms[at]);
        }
    }
    row_set(rows, at, &joined);
}

static enum lw_status row_take(struct reading *reading, struct lw_error *reterr)
{
    struct line line;
    struct lw_eval_rows *rows;
    uint32_t group = 0, place = PLACE_WHOLE;
    enum lw_status status;

    if (reading->columns->by_series && reading->series >= 0 &&
        reading->csv.fields[reading->series].n_bytes == 0) {
        return LW_OK; /* The entity as a whole. */
    }
    status = group_find(reading, &group, &place, reterr);
    if (status == LW_OK) {
        status = line_take(reading, &line, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    rows = &reading->table->groups[group];
    if (rows->n > 0 && rows->n_places > 0 && place > rows->last_place) {
        row_join(rows, &line, place == PLACE_WHOLE);
    } else {
        status = rows_grow(reading, rows, reterr);
        if (status != LW_OK) {
            return status;
        }
        row_set(rows, rows->n++, &line);
    }
    rows->last_place = place;
    return LW_OK;
}

static enum lw_status rows_read(struct reading *reading, struct lw_error *reterr)
{
    enum lw_status status = columns_find(reading, reterr);
    bool has_row = true;

    while (status == LW_OK && has_row) {
        status = lw_eval_csv_next(&reading->csv, &has_row, reterr);
        if (status == LW_OK && has_row) {
            status = row_take(reading, reterr);
        }
    }
    if (status == LW_OK && reading->table->n_groups == 0) {
        status = lw_error_set(reterr, LW_EFORMAT, "%s: no row follows the header",
                              reading->csv.path);
    }
    return status;
}

enum lw_status lw_eval_table_read_bytes(const char *path, const void *bytes, size_t n_bytes,
                                        const struct lw_eval_columns *columns,
                                        struct lw_eval_table *ret_table, struct lw_error *reterr)
{
    struct lw_eval_table table = {0};
    struct reading reading = {.columns = columns, .table = &table};
    enum lw_status status = lw_eval_csv_open(path, bytes, n_bytes, columns->separator, &reading.csv,
                                             reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_csv_keys_init(&reading.groups);
    lw_csv_keys_init(&reading.places);
    status = rows_read(&reading, reterr);
    table.has_scores = reading.score >= 0;
    table.has_alarms = reading.alarm >= 0;
    table.has_labels = reading.label >= 0;
    table.has_times = reading.time >= 0;
    lw_csv_keys_fini(&reading.groups);
    lw_csv_keys_fini(&reading.places);
    lw_eval_csv_close(&reading.csv);
    if (status != LW_OK) {
        lw_eval_table_fini(&table);
        return status;
    }
    *ret_table = table;
    return LW_OK;
}

enum lw_status lw_eval_table_read(const char *path, const struct lw_eval_columns *columns,
                                  struct lw_eval_table *ret_table, struct lw_error *reterr)
{
    return lw_eval_table_read_bytes(path, NULL, 0, columns, ret_table, reterr);
}

void lw_eval_table_fini(struct lw_eval_table *table)
{
    for (size_t i = 0; i < table->n_groups; i++) {
        lw_mem_free(table->groups[i].scores);
        lw_mem_free(table->groups[i].alarms);
        lw_mem_free(table->groups[i].labels);
        lw_mem_free(table->groups[i].times);
    }
    lw_mem_free(table->groups);
    memset(table, 0, sizeof(*table));
}
