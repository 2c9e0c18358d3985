/*
 * CSV files as a source of samples: see source_csv.h.
 *
 * A row costs a split, a time, a number and a table look-up; names are resolved and series made
 * known when they are first seen. What cannot be taken is told, counted by reason, and left out;
 * the rest of the file goes on.
 */
#include "connect/source_csv.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/csv/column_names.h"
#include "connect/csv/decimal.h"
#include "connect/csv/input.h"
#include "connect/csv/keys.h"
#include "stream/series_name.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SERIES_REFUSED (UINT32_MAX - 1)
#define ENTITY_LABEL "instance"
#define EXCERPT_BYTES 40
#define SECOND_NS 1000000000

struct lw_csv_source {
    struct lw_csv_options options;
    struct lw_feed feed;
    struct lw_csv_listener listener;
    struct lw_csv_dialect dialect;
    struct lw_csv_input *input;
    struct lw_csv_moment moment;
    struct lw_csv_field *fields;
    char *path;
    char unit[LW_NAME_MAX];  /* Entity of rows that name none. */
    struct lw_csv_keys keys; /* Long: series by entity and name. Wide: entity's place in `series`.
                              */
    uint32_t *series;        /* Wide: numbers, dialect.n_values for each entity. */
    uint32_t n_entities, entities_capacity;
    uint32_t n_unit_series; /* Long: series that the file itself is the entity of. */
    uint32_t *value_columns;
    uint64_t line, next_line, n_rows, first_tag; /* n_rows: empty lines apart. */
    size_t at;                                   /* In the window. */
    enum lw_status status;                       /* LW_ENOMEM stops reading. */
    bool is_skipping;                            /* The rest of a line that was too long. */
    uint64_t faults[LW_CSV_FAULT_NEVER], faults_told[LW_CSV_FAULT_NEVER];
};

const char *lw_csv_fault_name(enum lw_csv_fault fault)
{
    static const char *const names[] = {
        "wrong_number_of_fields", "bad_time",         "bad_number",    "bad_name",      "bad_quote",
        "field_too_long",         "too_many_columns", "line_too_long", "series_refused"};

    return names[fault];
}

/* ---- batches ---- */

enum lw_status lw_csv_batch_init(struct lw_csv_batch *ret_batch, struct lw_error *reterr)
{
    ret_batch->n_points = 0;
    ret_batch->points = lw_mem_alloc(LW_CSV_BATCH_POINTS * sizeof(*ret_batch->points));
    return ret_batch->points != NULL
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory for %u points", LW_CSV_BATCH_POINTS);
}

void lw_csv_batch_fini(struct lw_csv_batch *batch)
{
    lw_mem_free(batch->points);
    batch->points = NULL;
}

/* The start of the step that holds a time. */
static int64_t step_start(int64_t time_ns, int64_t step_ns)
{
    int64_t rest = time_ns % step_ns;

    rest = rest < 0 ? rest + step_ns : rest;
    return time_ns < INT64_MIN + rest ? INT64_MIN : time_ns - rest;
}

enum lw_status lw_csv_batch_deliver(const struct lw_csv_batch *batch, const struct lw_feed *feed,
                                    int64_t step_ns, int64_t *watermark_ns)
{
    uint32_t first = 0;
    enum lw_status status = LW_OK;

    for (uint32_t i = 0; step_ns > 0 && i < batch->n_points; i++) {
        int64_t time_ns = batch->points[i].time_ns;

        if (*watermark_ns != INT64_MIN && time_ns >= *watermark_ns &&
            time_ns - *watermark_ns < step_ns) {
            continue;
        }
        status = i > first ? feed->push(feed->context, batch->points + first, i - first) : LW_OK;
        if (status != LW_OK) {
            return status;
        }
        first = i;
        *watermark_ns = step_start(time_ns, step_ns);
        status = feed->watermark(feed->context, *watermark_ns);
        if (status != LW_OK) {
            return status;
        }
    }
    return batch->n_points > first
               ? feed->push(feed->context, batch->points + first, batch->n_points - first)
               : LW_OK;
}

/* ---- faults ---- */

/* Tells one fault of the present row; format takes the detail. */
LW_PRINTF(4, 5)
static void complain(struct lw_csv_source *source, enum lw_csv_fault fault, int column,
                     const char *format, ...)
{
    char detail[256];
    struct lw_csv_complaint complaint = {
        .path = source->path, .line = source->line, .fault = fault, .detail = detail};
    va_list args;

    source->faults[fault]++;
    if (source->listener.complain == NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    complaint.column = column < 0 ? NULL : source->dialect.columns[column].name;
    source->listener.complain(source->listener.context, &complaint);
}

/* The beginning of a field, fit to be printed. */
static const char *excerpt(const struct lw_csv_field *field, char ret_text[LW_NAME_MAX])
{
    size_t n = field->n_bytes < EXCERPT_BYTES ? field->n_bytes : EXCERPT_BYTES;

    while (n > 0 && n < field->n_bytes && ((unsigned char)field->text[n] & 0xC0) == 0x80) {
        n--; /* Do not cut a character. */
    }
    lw_csv_name_clean(field->text, n, ret_text);
    return ret_text;
}

static void complain_of_record(struct lw_csv_source *source, enum lw_csv_record_state state)
{
    switch (state) {
    case LW_CSV_RECORD_COLUMNS:
        complain(source, LW_CSV_FAULT_COLUMNS, -1, "more than %d fields", LW_CSV_COLUMNS_MAX);
        break;
    case LW_CSV_RECORD_FIELD:
        complain(source, LW_CSV_FAULT_FIELD, -1,
                 "a field is longer than %d bytes, or its quote never closes",
                 LW_CSV_FIELD_BYTES_MAX);
        break;
    case LW_CSV_RECORD_TOO_LONG:
        complain(source, LW_CSV_FAULT_LINE, -1, "the line is longer than %d bytes",
                 LW_CSV_RECORD_BYTES_MAX);
        break;
    case LW_CSV_RECORD_QUOTE:
    case LW_CSV_RECORD_PARTIAL:
    case LW_CSV_RECORD_OK:
        complain(source, LW_CSV_FAULT_QUOTE, -1, "text follows a closing quote");
        break;
    }
}

/* ---- series ---- */

/* Makes a series known; SERIES_REFUSED (told) when the host does not take it. */
static uint32_t series_ask(struct lw_csv_source *source, const struct lw_series_key *key)
{
    uint32_t number = SERIES_REFUSED;
    struct lw_error error;

    if (source->feed.series(source->feed.context, key, &number, &error) != LW_OK) {
        complain(source, LW_CSV_FAULT_REFUSED, -1, "series \"%.100s\" was refused: %.120s",
                 key->metric, error.message);
        return SERIES_REFUSED;
    }
    return number;
}

/* The entity of a series of a file that names none: the file, in parts of LW_CSV_UNIT_SERIES
 * series. */
static const char *unit_part(struct lw_csv_source *source, char ret_name[LW_NAME_MAX])
{
    uint32_t part = source->n_unit_series++ / LW_CSV_UNIT_SERIES;

    if (part == 0) {
        return source->unit;
    }
    (void)snprintf(ret_name, LW_NAME_MAX, "%.*s#%u", LW_NAME_MAX - 16, source->unit, part + 1);
    return ret_name;
}

/* A series of the long layout: its name may hold labels; the entity, where the row names one, goes
 * before them. */
static uint32_t series_long(struct lw_csv_source *source, const char *entity, const char *name)
{
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_name parts;
    struct lw_series_key key = {.metric = name, .labels = labels};
    char unit[LW_NAME_MAX];
    const char *label_entity = NULL;

    if (strchr(name, '{') != NULL &&
        lw_series_name_parse(name, strlen(name), &parts, NULL) == LW_OK) {
        key.metric = lw_series_name_metric(&parts);
        for (uint32_t i = 0; i < parts.n_labels && key.n_labels < LW_LABELS_MAX - 1; i++) {
            const char *label = parts.bytes + parts.label_at[i];

            if (strcmp(label, ENTITY_LABEL) == 0) {
                label_entity = label + strlen(label) + 1;
            } else {
                labels[key.n_labels++] = (struct lw_label){.name = label,
                                                           .value = label + strlen(label) + 1};
            }
        }
    }
    if (entity == NULL) {
        entity = label_entity != NULL ? label_entity : unit_part(source, unit);
    }
    labels[key.n_labels++] = (struct lw_label){.name = ENTITY_LABEL, .value = entity};
    return series_ask(source, &key);
}

/* A name out of a field, cleaned. False, told, when it is empty or too long. */
static bool name_take(struct lw_csv_source *source, const struct lw_csv_field *field, int column,
                      char ret_name[LW_NAME_MAX])
{
    char raw[LW_NAME_MAX];
    size_t length = lw_csv_field_copy(field, raw, sizeof(raw));

    if (length == 0) {
        complain(source, LW_CSV_FAULT_NAME, column, "the name is empty");
        return false;
    }
    if (length == SIZE_MAX) {
        complain(source, LW_CSV_FAULT_NAME, column, "the name has %u bytes; at most %d are allowed",
                 field->n_bytes, LW_NAME_MAX - 1);
        return false;
    }
    lw_csv_name_clean(raw, length, ret_name);
    return true;
}

/* Adds the series of a row of the long layout that was not met before. False when the row cannot be
 * taken. */
static bool long_add(struct lw_csv_source *source, const char *key, size_t n_bytes,
                     uint32_t *ret_series)
{
    const struct lw_csv_dialect *dialect = &source->dialect;
    char entity[LW_NAME_MAX], name[LW_NAME_MAX];

    if (!name_take(source, &source->fields[dialect->series_column], dialect->series_column, name)) {
        return false;
    }
    if (dialect->entity_column >= 0 && !name_take(source, &source->fields[dialect->entity_column],
                                                  dialect->entity_column, entity)) {
        return false;
    }
    *ret_series = series_long(source, dialect->entity_column >= 0 ? entity : NULL, name);
    if (*ret_series == SERIES_REFUSED) {
        return false; /* Not remembered: each of its rows is asked for, told and counted, and the
                         table stays bounded. */
    }
    source->status = lw_csv_keys_add(&source->keys, key, n_bytes, *ret_series);
    return source->status == LW_OK;
}

/* The series of a row of the long layout. */
static bool long_find(struct lw_csv_source *source, uint32_t *ret_series)
{
    const struct lw_csv_field *name = &source->fields[source->dialect.series_column];
    char both[sizeof(uint32_t) + 2 * LW_NAME_MAX];
    const char *key = name->text;
    size_t n_bytes = name->n_bytes;

    if (source->dialect.entity_column >= 0) {
        const struct lw_csv_field *entity = &source->fields[source->dialect.entity_column];

        if (name->n_bytes >= LW_NAME_MAX || entity->n_bytes >= LW_NAME_MAX) {
            complain(source, LW_CSV_FAULT_NAME, -1,
                     "entity and series have %u and %u bytes; at most %d each are allowed",
                     entity->n_bytes, name->n_bytes, LW_NAME_MAX - 1);
            return false;
        }
        memcpy(both, &entity->n_bytes, sizeof(entity->n_bytes)); /* Tells "a" and "bc" from "ab" and
                                                                    "c". */
        memcpy(both + sizeof(entity->n_bytes), entity->text, entity->n_bytes);
        memcpy(both + sizeof(entity->n_bytes) + entity->n_bytes, name->text, name->n_bytes);
        key = both;
        n_bytes = sizeof(entity->n_bytes) + entity->n_bytes + name->n_bytes;
    }
    *ret_series = lw_csv_keys_find(&source->keys, key, n_bytes);
    return *ret_series != LW_CSV_KEY_NONE || long_add(source, key, n_bytes, ret_series);
}

/* The place in source->series of the entity of a row of the wide layout; makes its series known
 * when it is new. */
static bool wide_add(struct lw_csv_source *source, const char *entity, uint32_t *ret_place)
{
    const struct lw_csv_dialect *dialect = &source->dialect;
    struct lw_label label = {.name = ENTITY_LABEL, .value = entity};

    if (source->n_entities == source->entities_capacity) {
        uint32_t capacity = source->entities_capacity == 0 ? 1 : source->entities_capacity * 2;
        uint32_t *series = lw_mem_realloc(source->series,
                                          (size_t)capacity * dialect->n_values * sizeof(*series));

        if (series == NULL) {
            source->status = LW_ENOMEM;
            return false;
        }
        source->series = series;
        source->entities_capacity = capacity;
    }
    *ret_place = source->n_entities++ * dialect->n_values;
    for (uint32_t i = 0; i < dialect->n_values; i++) {
        struct lw_series_key key = {.metric = dialect->columns[source->value_columns[i]].name,
                                    .labels = &label,
                                    .n_labels = 1};

        source->series[*ret_place + i] = series_ask(source, &key);
    }
    return true;
}

static bool wide_find(struct lw_csv_source *source, uint32_t *ret_place)
{
    const struct lw_csv_field *field;
    char entity[LW_NAME_MAX];

    if (source->dialect.entity_column < 0) {
        *ret_place = 0;
        return source->n_entities > 0 || wide_add(source, source->unit, ret_place);
    }
    field = &source->fields[source->dialect.entity_column];
    *ret_place = lw_csv_keys_find(&source->keys, field->text, field->n_bytes);
    if (*ret_place != LW_CSV_KEY_NONE) {
        return true;
    }
    if (!name_take(source, field, source->dialect.entity_column, entity) ||
        !wide_add(source, entity, ret_place)) {
        return false;
    }
    source->status = lw_csv_keys_add(&source->keys, field->text, field->n_bytes, *ret_place);
    return source->status == LW_OK;
}

/* ---- rows ---- */

static bool time_take(struct lw_csv_source *source, int64_t *ret_ns)
{
    int column = source->dialect.time_column;
    const struct lw_csv_field *field;
    char text[LW_NAME_MAX];

    if (column < 0) {
        *ret_ns = (int64_t)(source->n_rows - 1) *
                  (source->options.interval_ns > 0 ? source->options.interval_ns : SECOND_NS);
        return true;
    }
    field = &source->fields[column];
    if (lw_csv_moment_parse(&source->moment, field->text, field->n_bytes, ret_ns)) {
        return true;
    }
    if (field->n_bytes == 0) {
        complain(source, LW_CSV_FAULT_TIME, column, "there is no time");
    } else {
        complain(source, LW_CSV_FAULT_TIME, column,
                 "\"%s\" is no time of the form found in this file", excerpt(field, text));
    }
    return false;
}

/* A value, NaN when it is missing. False, told, when it is no number. */
static bool value_take(struct lw_csv_source *source, uint32_t column, double *ret_value)
{
    const struct lw_csv_field *field = &source->fields[column];
    char text[LW_NAME_MAX];

    if (lw_csv_decimal_parse(field->text, field->n_bytes, source->dialect.decimal_mark,
                             ret_value)) {
        return true;
    }
    *ret_value = NAN;
    if (lw_csv_is_missing(field->text, field->n_bytes)) {
        return true;
    }
    complain(source, LW_CSV_FAULT_VALUE, (int)column, "\"%s\" is no number", excerpt(field, text));
    return false;
}

static bool width_check(struct lw_csv_source *source, uint32_t n_fields)
{
    uint32_t expected = source->dialect.n_columns;
    bool is_good = n_fields >= expected;

    for (uint32_t i = expected; is_good && i < n_fields; i++) {
        is_good = source->fields[i].n_bytes == 0; /* Separators at a line's end. */
    }
    if (!is_good) {
        complain(source, LW_CSV_FAULT_FIELDS, -1, "%u field%s, %u expected", n_fields,
                 n_fields == 1 ? "" : "s", expected);
    }
    return is_good;
}

static void wide_take(struct lw_csv_source *source, int64_t time_ns, struct lw_csv_batch *batch)
{
    uint64_t tag = source->first_tag + source->n_rows - 1;
    uint32_t place, first = batch->n_points;

    if (!wide_find(source, &place)) {
        return;
    }
    for (uint32_t i = 0; i < source->dialect.n_values; i++) {
        uint32_t series = source->series[place + i];
        double value;

        (void)value_take(source, source->value_columns[i], &value); /* A bad one is told, and
                                                                       missing. */
        if (series == SERIES_REFUSED) {
            source->faults[LW_CSV_FAULT_REFUSED]++;
        } else {
            batch->points[batch->n_points++] = (struct lw_point){.series = series,
                                                                 .flags = LW_POINT_MORE,
                                                                 .time_ns = time_ns,
                                                                 .value = value,
                                                                 .tag = tag};
        }
    }
    if (batch->n_points > first) {
        batch->points[batch->n_points - 1].flags = 0;
    }
}

static void row_take(struct lw_csv_source *source, uint32_t n_fields, struct lw_csv_batch *batch)
{
    int64_t time_ns;
    uint32_t series;
    double value;

    source->n_rows++;
    if (!width_check(source, n_fields) || !time_take(source, &time_ns)) {
        return;
    }
    if (source->dialect.layout == LW_CSV_WIDE) {
        wide_take(source, time_ns, batch);
        return;
    }
    if (value_take(source, (uint32_t)source->dialect.value_column, &value) &&
        long_find(source, &series)) {
        batch->points[batch->n_points++] = (struct lw_point){.series = series,
                                                             .time_ns = time_ns,
                                                             .value = value,
                                                             .tag = source->first_tag +
                                                                    source->n_rows - 1};
    }
}

/* Tells the host how many rows and values were lost since the last time. */
static void faults_report(struct lw_csv_source *source)
{
    for (int i = 0; i < LW_CSV_FAULT_NEVER; i++) {
        uint64_t n = source->faults[i] - source->faults_told[i];

        if (n > 0 && source->feed.dropped != NULL) {
            source->feed.dropped(source->feed.context, lw_csv_fault_name((enum lw_csv_fault)i), n);
        }
        source->faults_told[i] = source->faults[i];
    }
}

/* Takes one record out of the window. PARTIAL: it needs more bytes, or there are none. */
static enum lw_csv_record_state record_take(struct lw_csv_source *source,
                                            struct lw_csv_record *ret_record)
{
    size_t n_bytes;
    const char *window = lw_csv_input_window(source->input, &n_bytes);
    const char *text = window + source->at;
    enum lw_csv_record_state state;

    n_bytes -= source->at;
    if (source->is_skipping) {
        const char *line_end = n_bytes == 0 ? NULL : memchr(text, '\n', n_bytes);

        source->is_skipping = line_end == NULL;
        source->at += line_end == NULL ? n_bytes : (size_t)(line_end - text) + 1;
        ret_record->n_fields = 0;
        return line_end == NULL ? LW_CSV_RECORD_PARTIAL : LW_CSV_RECORD_OK;
    }
    if (n_bytes == 0) {
        return LW_CSV_RECORD_PARTIAL;
    }
    state = lw_csv_record_read(text, n_bytes, lw_csv_input_is_last(source->input),
                               source->dialect.separator, ret_record);
    if (state != LW_CSV_RECORD_PARTIAL) {
        source->line = source->next_line;
        source->next_line += ret_record->n_lines;
        source->at += ret_record->n_bytes;
        source->is_skipping = state == LW_CSV_RECORD_TOO_LONG &&
                              text[ret_record->n_bytes - 1] != '\n';
    }
    return state;
}

enum lw_status lw_csv_source_read(struct lw_csv_source *source, struct lw_csv_batch *batch,
                                  bool *ret_is_over, struct lw_error *reterr)
{
    uint32_t room = source->dialect.layout == LW_CSV_LONG ? 1 : source->dialect.n_values;
    struct lw_csv_record record = {.fields = source->fields};
    enum lw_status status = LW_OK;

    batch->n_points = 0;
    *ret_is_over = false;
    while (LW_CSV_BATCH_POINTS - batch->n_points >= room) {
        enum lw_csv_record_state state = record_take(source, &record);

        if (state == LW_CSV_RECORD_PARTIAL) {
            *ret_is_over = lw_csv_input_is_last(source->input);
            if (*ret_is_over) {
                break;
            }
            status = lw_csv_input_slide(source->input, source->at, reterr);
            source->at = 0;
            if (status != LW_OK) {
                break;
            }
        } else if (state != LW_CSV_RECORD_OK) {
            source->n_rows++;
            complain_of_record(source, state);
        } else if (record.n_fields > 0) {
            row_take(source, record.n_fields, batch);
            if (source->status != LW_OK) {
                status = lw_error_set(reterr, source->status,
                                      "no memory for the names of another series");
                break;
            }
        }
    }
    faults_report(source);
    return status;
}

/* ---- opening ---- */

void lw_csv_unit_name(const char *path, char ret_name[LW_NAME_MAX])
{
    static const char *const endings[] = {".gz", ".csv", ".tsv", ".txt", ".tab", ".psv"};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name);

    if (strcmp(path, "-") == 0) {
        name = "stdin";
        length = 5;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t n = strlen(endings[i]);

        if (length > n && strncasecmp(name + length - n, endings[i], n) == 0) {
            length -= n;
            if (i > 0) {
                break;
            }
        }
    }
    length = length > LW_NAME_MAX - 16 ? LW_NAME_MAX - 16 : length;
    while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80) {
        length--; /* Do not cut a character. */
    }
    lw_csv_name_clean(name, length, ret_name);
}

/* Fills what follows from the dialect. */
static enum lw_status source_prepare(struct lw_csv_source *source, struct lw_error *reterr)
{
    const struct lw_csv_dialect *dialect = &source->dialect;
    struct lw_csv_record record;
    uint32_t n = 0;

    source->fields = lw_mem_calloc(LW_CSV_COLUMNS_MAX, sizeof(*source->fields));
    source->value_columns = lw_mem_calloc(dialect->n_values, sizeof(*source->value_columns));
    if (source->fields == NULL || source->value_columns == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u columns", dialect->n_columns);
    }
    for (uint32_t i = 0; i < dialect->n_columns; i++) {
        if (dialect->columns[i].role == LW_CSV_ROLE_VALUE) {
            source->value_columns[n++] = i;
        }
    }
    source->moment.format = dialect->time;
    source->at = dialect->n_skip_bytes;
    source->next_line = 1 + (uint64_t)dialect->n_skip_lines;
    record.fields = source->fields;
    record.n_fields = 0;
    while (dialect->has_header && record.n_fields == 0) {
        if (record_take(source, &record) == LW_CSV_RECORD_PARTIAL) {
            break;
        }
    }
    return LW_OK;
}

/* Takes over the input. */
static enum lw_status source_create(const struct lw_csv_setup *setup, const char *path,
                                    struct lw_csv_input *input, struct lw_csv_source **ret_source,
                                    struct lw_error *reterr)
{
    struct lw_csv_source *source = lw_mem_calloc(1, sizeof(*source));
    size_t n_bytes, path_bytes = strlen(path) + 1;
    const char *text = lw_csv_input_window(input, &n_bytes);
    enum lw_status status;

    if (source == NULL) {
        lw_csv_input_close(input);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a source");
    }
    source->input = input;
    source->options = *setup->options;
    source->feed = *setup->feed;
    source->first_tag = setup->first_tag;
    if (setup->listener != NULL) {
        source->listener = *setup->listener;
    }
    lw_csv_keys_init(&source->keys);
    source->path = lw_mem_alloc(path_bytes);
    if (source->path == NULL) {
        lw_csv_source_close(source);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a source");
    }
    memcpy(source->path, path, path_bytes);
    if (setup->options->unit_name != NULL) {
        lw_csv_name_clean(setup->options->unit_name, strlen(setup->options->unit_name),
                          source->unit);
    } else {
        lw_csv_unit_name(path, source->unit);
    }
    status = lw_csv_dialect_find(setup->options, text, n_bytes, lw_csv_input_is_last(input),
                                 &source->dialect, reterr);
    if (status == LW_OK) {
        status = source_prepare(source, reterr);
    }
    if (status != LW_OK) {
        lw_csv_source_close(source);
        return status;
    }
    *ret_source = source;
    return LW_OK;
}

enum lw_status lw_csv_source_open(const struct lw_csv_setup *setup, const char *path,
                                  struct lw_csv_source **ret_source, struct lw_error *reterr)
{
    struct lw_csv_input *input;
    enum lw_status status = lw_csv_input_open(path, &input, reterr);

    return status == LW_OK ? source_create(setup, path, input, ret_source, reterr) : status;
}

enum lw_status lw_csv_source_open_bytes(const struct lw_csv_setup *setup, const char *path,
                                        const void *bytes, size_t n_bytes,
                                        struct lw_csv_source **ret_source, struct lw_error *reterr)
{
    struct lw_csv_input *input;
    enum lw_status status = lw_csv_input_open_bytes(bytes, n_bytes, &input, reterr);

    return status == LW_OK ? source_create(setup, path, input, ret_source, reterr) : status;
}

enum lw_status lw_csv_source_continue(struct lw_csv_source *source, const void *bytes,
                                      size_t n_bytes, struct lw_error *reterr)
{
    source->at = 0;
    source->is_skipping = false;
    return lw_csv_input_continue(source->input, bytes, n_bytes, reterr);
}

void lw_csv_source_close(struct lw_csv_source *source)
{
    if (source == NULL) {
        return;
    }
    lw_csv_input_close(source->input);
    lw_csv_dialect_fini(&source->dialect);
    lw_csv_keys_fini(&source->keys);
    lw_mem_free(source->fields);
    lw_mem_free(source->value_columns);
    lw_mem_free(source->series);
    lw_mem_free(source->path);
    lw_mem_free(source);
}

const struct lw_csv_dialect *lw_csv_source_dialect(const struct lw_csv_source *source)
{
    return &source->dialect;
}

uint64_t lw_csv_source_position(const struct lw_csv_source *source, uint64_t *ret_size)
{
    return lw_csv_input_position(source->input, ret_size);
}

bool lw_csv_source_is_gzip(const struct lw_csv_source *source)
{
    return lw_csv_input_is_gzip(source->input);
}

uint64_t lw_csv_source_rows(const struct lw_csv_source *source)
{
    return source->n_rows;
}

uint64_t lw_csv_source_faults(const struct lw_csv_source *source, enum lw_csv_fault fault)
{
    return source->faults[fault];
}
