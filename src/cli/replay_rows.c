/*
 * Verdicts as rows of a file: see cli/replay_rows.h.
 *
 * A row costs little beside its scores: names are escaped once a series, the time's text once a
 * moment, and numbers are written with the fewest digits that read back as the same float.
 */
#include "cli/replay_rows.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/time_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)1 << 18)
/* Room that any row without features fits in: two names, every byte escaped, and its numbers. */
#define ROW_BYTES_MAX ((size_t)16 << 10)
#define NUMBER_BYTES_MAX 24

/* Escaped "entity,series" of every series of an entity; place 0 is the entity as a whole. */
struct entity_names {
    char **names;
    uint32_t n;
};

struct lw_rows {
    struct lw_rows_setup setup;
    char *buffer;
    size_t length;
    bool is_failed;
    struct entity_names *entities;
    uint32_t n_entities;
    const struct lw_row **order;
    size_t order_capacity;
    int64_t time_ns; /* Of time_text. */
    char time_text[LW_TIME_TEXT_MAX];
    uint64_t n_written;
};

/* ---- gathering ---- */

void lw_rows_block_fini(struct lw_rows_block *block)
{
    lw_mem_free(block->rows);
    lw_mem_free(block->features);
}

/* Twice the room, for at least `wanted` items; false without memory. */
static bool room_make(void **items, size_t item_bytes, size_t *capacity, size_t wanted)
{
    size_t grown = *capacity == 0 ? 1024 : *capacity;
    void *bytes;

    if (wanted <= *capacity) {
        return true;
    }
    while (grown < wanted) {
        grown *= 2;
    }
    bytes = lw_mem_realloc(*items, grown * item_bytes);
    if (bytes == NULL) {
        return false;
    }
    *items = bytes;
    *capacity = grown;
    return true;
}

/* Of an entity the features of its pairs and what its models said, behind the columns of series,
 * which then are empty. */
static size_t entity_read(const struct lw_engine_verdict *verdict, size_t n_series,
                          float *ret_values)
{
    size_t n_each = lw_detector_features(verdict->detector, true, NULL, 0);
    size_t n = n_series;

    for (size_t i = 0; i < n_series; i++) {
        ret_values[i] = NAN;
    }
    for (uint32_t pair = 0; lw_detector_pair(verdict->detector, pair) != NULL; pair++) {
        if (lw_entity_pair_features(verdict->entity, pair, ret_values + n, n_each) != n_each) {
            for (size_t i = 0; i < n_each; i++) {
                ret_values[n + i] = NAN; /* The entity lacks one of the two. */
            }
        }
        n += n_each;
    }
    return n + lw_entity_models(verdict->entity, ret_values + n, SIZE_MAX);
}

static size_t pairs_room(const struct lw_detector *detector)
{
    uint32_t n = 0;

    while (lw_detector_pair(detector, n) != NULL) {
        n++;
    }
    return n * lw_detector_features(detector, true, NULL, 0);
}

static void features_add(struct lw_rows_block *block, struct lw_row *row,
                         const struct lw_engine_verdict *verdict)
{
    size_t n_series = lw_detector_features(verdict->detector, false, NULL, 0);
    size_t n_pairs = pairs_room(verdict->detector);
    size_t n_models = lw_detector_models(verdict->detector, NULL, 0);
    void *items = block->features;
    float *to;

    if (!room_make(&items, sizeof(*block->features), &block->features_capacity,
                   block->n_features + n_series + n_pairs + n_models)) {
        block->is_short = true;
        return;
    }
    block->features = items;
    to = block->features + block->n_features;
    row->n_features = (uint32_t)(verdict->verdict->series == LW_SERIES_NONE
                                     ? entity_read(verdict, n_series, to)
                                     : lw_entity_features(verdict->entity, verdict->verdict->series,
                                                          to, n_series));
    block->n_features += row->n_features;
}

void lw_rows_block_add(struct lw_rows_block *block, const struct lw_engine_verdict *verdict,
                       bool has_features)
{
    void *items = block->rows;
    struct lw_row *row;

    if (!room_make(&items, sizeof(*block->rows), &block->capacity, block->n_rows + 1)) {
        block->is_short = true;
        return;
    }
    block->rows = items;
    row = &block->rows[block->n_rows++];
    *row = (struct lw_row){.verdict = *verdict->verdict,
                           .entity = verdict->entity,
                           .detector = verdict->detector,
                           .entity_number = verdict->entity_number,
                           .features_at = block->n_features};
    if (has_features) {
        features_add(block, row, verdict);
    }
}

/* ---- text ---- */

static void buffer_flush(struct lw_rows *rows)
{
    if (rows->length > 0 &&
        fwrite(rows->buffer, 1, rows->length, rows->setup.stream) != rows->length) {
        rows->is_failed = true;
    }
    rows->length = 0;
}

static void bytes_put(struct lw_rows *rows, const char *text, size_t n)
{
    memcpy(rows->buffer + rows->length, text, n);
    rows->length += n;
}

static void text_put(struct lw_rows *rows, const char *text)
{
    bytes_put(rows, text, strlen(text));
}

static void integer_put(struct lw_rows *rows, uint64_t number)
{
    char digits[NUMBER_BYTES_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    bytes_put(rows, digits + at, sizeof(digits) - at);
}

/* whole / 10^decimals, zeros at the end left out. */
static void decimal_put(struct lw_rows *rows, uint64_t whole, int decimals)
{
    uint64_t power = 1;
    uint64_t rest;

    for (int i = 0; i < decimals; i++) {
        power *= 10;
    }
    integer_put(rows, whole / power);
    rest = whole % power;
    if (rest == 0) {
        return;
    }
    rows->buffer[rows->length++] = '.';
    for (; rest != 0; rest = rest * 10 % power) { /* At most 10^12 times ten: no overflow. */
        rows->buffer[rows->length++] = (char)('0' + rest * 10 / power);
    }
}

/* The fewest decimals with which a float reads back as the same, and the number without its point;
 * -1: twelve do not do. A float below 1 is nearest to a number of six or more. */
static int decimals_of(double size, double *ret_whole)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                    1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

    for (int decimals = size < 1.0 ? 6 : 0; decimals <= 12; decimals++) {
        *ret_whole = floor(size * powers[decimals] + 0.5);
        if ((float)(*ret_whole / powers[decimals]) == (float)size) {
            return decimals;
        }
    }
    return -1;
}

static void float_put(struct lw_rows *rows, float value)
{
    double size = fabs((double)value);
    double whole = 0.0;
    int decimals = size >= 1e-4 && size < 1e7 ? decimals_of(size, &whole) : -1;

    if (value == 0.0f) {
        rows->buffer[rows->length++] = '0';
        return;
    }
    if (decimals >= 0) {
        if (value < 0.0f) {
            rows->buffer[rows->length++] = '-';
        }
        decimal_put(rows, (uint64_t)whole, decimals);
        return;
    }
    rows->length += (size_t)snprintf(rows->buffer + rows->length, NUMBER_BYTES_MAX, "%.9g",
                                     (double)value);
}

static bool needs_quotes(const char *text)
{
    size_t length = strlen(text);

    return strpbrk(text, ",\"\r\n") != NULL ||
           (length > 0 && (text[0] == ' ' || text[length - 1] == ' '));
}

static char *put(char *to, const char *text)
{
    size_t n = strlen(text);

    memcpy(to, text, n);
    return to + n;
}

static char *csv_escape(char *to, const char *text)
{
    if (!needs_quotes(text)) {
        return put(to, text);
    }
    *to++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            *to++ = '"';
        }
        *to++ = *text;
    }
    *to++ = '"';
    return to;
}

static char *json_escape(char *to, const char *text)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '"';
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\') {
            *to++ = '\\';
            *to++ = *text;
        } else if (byte < ' ') {
            memcpy(to, "\\u00", 4);
            to[4] = digits[byte >> 4];
            to[5] = digits[byte & 15];
            to += 6;
        } else {
            *to++ = *text;
        }
    }
    *to++ = '"';
    return to;
}

/* "entity,series" as the format wants it; the caller owns it. */
static char *names_make(enum lw_rows_format format, const char *entity, const char *series)
{
    char text[2 * 6 * LW_NAME_MAX + 64];
    char *to = text;
    char *kept;

    if (format == LW_ROWS_JSON) {
        to = put(to, ",\"entity\":");
        to = json_escape(to, entity);
        to = put(to, ",\"series\":");
        to = json_escape(to, series);
    } else {
        to = csv_escape(to, entity);
        *to++ = ',';
        to = csv_escape(to, series);
    }
    *to++ = '\0';
    kept = lw_mem_alloc((size_t)(to - text));
    if (kept != NULL) {
        memcpy(kept, text, (size_t)(to - text));
    }
    return kept;
}

/* The names of a row; made when they are first asked for. NULL without memory. */
static const char *names_of(struct lw_rows *rows, const struct lw_row *row)
{
    uint32_t place = row->verdict.series == LW_SERIES_NONE ? 0 : row->verdict.series + 1;
    size_t capacity = rows->n_entities;
    struct entity_names *entity;
    void *items = rows->entities;

    if (!room_make(&items, sizeof(*rows->entities), &capacity, (size_t)row->entity_number + 1)) {
        return NULL;
    }
    rows->entities = items;
    memset(rows->entities + rows->n_entities, 0,
           (capacity - rows->n_entities) * sizeof(*rows->entities));
    rows->n_entities = (uint32_t)capacity;
    entity = &rows->entities[row->entity_number];
    if (place >= entity->n) {
        uint32_t n = place + 1 > entity->n * 2 ? place + 1 : entity->n * 2;
        char **names = lw_mem_realloc(entity->names, n * sizeof(char *));

        if (names == NULL) {
            return NULL;
        }
        memset(names + entity->n, 0, (n - entity->n) * sizeof(char *));
        entity->names = names;
        entity->n = n;
    }
    if (entity->names[place] == NULL) {
        const char *series = place == 0 ? "" : lw_entity_series_name(row->entity, place - 1);

        entity->names[place] = names_make(rows->setup.format, lw_entity_name(row->entity), series);
    }
    return entity->names[place];
}

/* ---- rows ---- */

static void time_put(struct lw_rows *rows, int64_t time_ns)
{
    if (!rows->setup.has_times) {
        integer_put(rows, (uint64_t)(time_ns / rows->setup.row_ns));
        return;
    }
    if (time_ns != rows->time_ns || rows->time_text[0] == '\0') {
        (void)lw_time_format(time_ns, rows->time_text);
        rows->time_ns = time_ns;
    }
    text_put(rows, rows->time_text);
}

static const char *confidence_name(uint8_t confidence)
{
    return confidence == LW_FULL ? "full" : (confidence == LW_LOW ? "low" : "none");
}

static void csv_float(struct lw_rows *rows, float value)
{
    rows->buffer[rows->length++] = ',';
    if (!isnan(value)) {
        float_put(rows, value);
    }
}

static void csv_row(struct lw_rows *rows, const struct lw_row *row, const char *names)
{
    const struct lw_verdict *verdict = &row->verdict;

    time_put(rows, verdict->time_ns);
    rows->buffer[rows->length++] = ',';
    text_put(rows, names);
    csv_float(rows, verdict->score);
    csv_float(rows, verdict->event);
    text_put(rows, verdict->alarm ? ",1," : ",0,");
    text_put(rows, lw_anomaly_type_name((enum lw_anomaly_type)verdict->type));
    csv_float(rows, verdict->expected);
    csv_float(rows, verdict->lower);
    csv_float(rows, verdict->upper);
    csv_float(rows, verdict->value);
    text_put(rows, verdict->onset ? ",1," : ",0,");
    text_put(rows, confidence_name(verdict->confidence));
    csv_float(rows, verdict->return_rows);
    if (rows->setup.has_detector) {
        rows->buffer[rows->length++] = ',';
        rows->length = (size_t)(csv_escape(rows->buffer + rows->length,
                                           lw_detector_name(row->detector)) -
                                rows->buffer);
    }
}

static void json_float(struct lw_rows *rows, const char *name, float value)
{
    text_put(rows, ",\"");
    text_put(rows, name);
    text_put(rows, "\":");
    if (isfinite(value)) {
        float_put(rows, value);
    } else {
        text_put(rows, "null");
    }
}

static void json_row(struct lw_rows *rows, const struct lw_row *row, const char *names)
{
    const struct lw_verdict *verdict = &row->verdict;

    text_put(rows, rows->setup.has_times ? "{\"time\":\"" : "{\"time\":");
    time_put(rows, verdict->time_ns);
    text_put(rows, rows->setup.has_times ? "\"" : "");
    text_put(rows, names);
    json_float(rows, "score", verdict->score);
    json_float(rows, "event", verdict->event);
    text_put(rows, verdict->alarm ? ",\"alarm\":1,\"type\":\"" : ",\"alarm\":0,\"type\":\"");
    text_put(rows, lw_anomaly_type_name((enum lw_anomaly_type)verdict->type));
    text_put(rows, "\"");
    json_float(rows, "expected", verdict->expected);
    json_float(rows, "lower", verdict->lower);
    json_float(rows, "upper", verdict->upper);
    json_float(rows, "value", verdict->value);
    text_put(rows,
             verdict->onset ? ",\"onset\":1,\"confidence\":\"" : ",\"onset\":0,\"confidence\":\"");
    text_put(rows, confidence_name(verdict->confidence));
    text_put(rows, "\"");
    json_float(rows, "return_rows", verdict->return_rows);
    if (rows->setup.has_detector) {
        text_put(rows, ",\"detector\":");
        rows->length = (size_t)(json_escape(rows->buffer + rows->length,
                                            lw_detector_name(row->detector)) -
                                rows->buffer);
    }
}

static void features_put(struct lw_rows *rows, const struct lw_row *row, const float *features)
{
    for (size_t i = 0; i < rows->setup.n_features; i++) {
        float value = i < row->n_features ? features[row->features_at + i] : NAN;

        if (rows->length > BUFFER_BYTES - ROW_BYTES_MAX) {
            buffer_flush(rows);
        }
        if (rows->setup.format == LW_ROWS_JSON) {
            json_float(rows, rows->setup.features[i].name, value);
        } else {
            csv_float(rows, value);
        }
    }
}

static void row_put(struct lw_rows *rows, const struct lw_row *row, const float *features)
{
    const char *names = names_of(rows, row);

    if (names == NULL) {
        rows->is_failed = true;
        return;
    }
    if (rows->length > BUFFER_BYTES - ROW_BYTES_MAX) {
        buffer_flush(rows);
    }
    if (rows->setup.format == LW_ROWS_JSON) {
        json_row(rows, row, names);
    } else {
        csv_row(rows, row, names);
    }
    features_put(rows, row, features);
    text_put(rows, rows->setup.format == LW_ROWS_JSON ? "}\n" : "\n");
    rows->n_written++;
}

/* ---- order ---- */

static bool block_is_ordered(const struct lw_rows_block *block)
{
    for (size_t i = 1; i < block->n_rows; i++) {
        if (block->rows[i].verdict.tag < block->rows[i - 1].verdict.tag) {
            return false;
        }
    }
    return true;
}

/* Blocks in ascending order of row numbers, merged; rows of equal number stay as they came, lower
 * entities first. */
static void rows_merge(struct lw_rows *rows, const struct lw_rows_block *blocks, uint32_t n_blocks)
{
    size_t at[LW_ENGINE_SHARDS_MAX] = {0};

    for (;;) {
        uint32_t best = n_blocks;
        const struct lw_row *first = NULL;

        for (uint32_t i = 0; i < n_blocks; i++) {
            const struct lw_row *row = at[i] < blocks[i].n_rows ? &blocks[i].rows[at[i]] : NULL;

            if (row != NULL && (first == NULL || row->verdict.tag < first->verdict.tag ||
                                (row->verdict.tag == first->verdict.tag &&
                                 row->entity_number < first->entity_number))) {
                first = row;
                best = i;
            }
        }
        if (best == n_blocks) {
            return;
        }
        at[best]++;
        row_put(rows, first, blocks[best].features);
    }
}

static int rows_compare(const struct lw_row *a, const struct lw_row *b, bool is_by_time)
{
    if (is_by_time && a->verdict.time_ns != b->verdict.time_ns) {
        return a->verdict.time_ns < b->verdict.time_ns ? -1 : 1;
    }
    if (!is_by_time && a->verdict.tag != b->verdict.tag) {
        return a->verdict.tag < b->verdict.tag ? -1 : 1;
    }
    if (a->entity_number != b->entity_number) {
        return a->entity_number < b->entity_number ? -1 : 1;
    }
    if (a->verdict.series != b->verdict.series) {
        return a->verdict.series < b->verdict.series ? -1 : 1; /* The entity as a whole comes last.
                                                                */
    }
    return a < b ? -1 : 1; /* Of one series, so of one block: as they came. */
}

static int compare_by_time(const void *a, const void *b)
{
    return rows_compare(*(const struct lw_row *const *)a, *(const struct lw_row *const *)b, true);
}

static int compare_by_tag(const void *a, const void *b)
{
    return rows_compare(*(const struct lw_row *const *)a, *(const struct lw_row *const *)b, false);
}

static const float *features_of(const struct lw_rows_block *blocks, uint32_t n_blocks,
                                const struct lw_row *row)
{
    for (uint32_t i = 0; i < n_blocks; i++) {
        if (row >= blocks[i].rows && row < blocks[i].rows + blocks[i].n_rows) {
            return blocks[i].features;
        }
    }
    return NULL;
}

static bool rows_sort(struct lw_rows *rows, const struct lw_rows_block *blocks, uint32_t n_blocks)
{
    void *items = rows->order;
    size_t n = 0;

    for (uint32_t i = 0; i < n_blocks; i++) {
        n += blocks[i].n_rows;
    }
    if (!room_make(&items, sizeof(*rows->order), &rows->order_capacity, n)) {
        return false;
    }
    rows->order = items;
    n = 0;
    for (uint32_t i = 0; i < n_blocks; i++) {
        for (size_t k = 0; k < blocks[i].n_rows; k++) {
            rows->order[n++] = &blocks[i].rows[k];
        }
    }
    if (n == 0) {
        return true;
    }
    qsort(rows->order, n, sizeof(*rows->order),
          rows->setup.is_by_time ? compare_by_time : compare_by_tag);
    for (size_t i = 0; i < n; i++) {
        row_put(rows, rows->order[i], features_of(blocks, n_blocks, rows->order[i]));
    }
    return true;
}

bool lw_rows_write(struct lw_rows *rows, struct lw_rows_block *blocks, uint32_t n_blocks)
{
    bool is_ordered = !rows->setup.is_by_time;
    bool is_short = false;

    for (uint32_t i = 0; i < n_blocks; i++) {
        is_ordered = is_ordered && block_is_ordered(&blocks[i]);
        is_short = is_short || blocks[i].is_short;
    }
    if (is_ordered) {
        rows_merge(rows, blocks, n_blocks);
    } else if (!rows_sort(rows, blocks, n_blocks)) {
        is_short = true;
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        blocks[i].n_rows = 0;
        blocks[i].n_features = 0;
    }
    buffer_flush(rows);
    rows->is_failed = rows->is_failed || is_short || ferror(rows->setup.stream) != 0;
    return !rows->is_failed;
}

/* ---- making ---- */

static void header_put(struct lw_rows *rows)
{
    text_put(rows, "time,entity,series,score,event,alarm,type,expected,lower,upper,value,onset,"
                   "confidence,return_rows");
    text_put(rows, rows->setup.has_detector ? ",detector" : "");
    for (size_t i = 0; i < rows->setup.n_features; i++) {
        rows->buffer[rows->length++] = ',';
        text_put(rows, rows->setup.features[i].name);
    }
    text_put(rows, "\n");
}

struct lw_rows *lw_rows_create(const struct lw_rows_setup *setup)
{
    struct lw_rows *rows = lw_mem_calloc(1, sizeof(*rows));

    if (rows == NULL) {
        return NULL;
    }
    rows->setup = *setup;
    rows->buffer = lw_mem_alloc(BUFFER_BYTES);
    if (rows->buffer == NULL) {
        lw_rows_destroy(rows);
        return NULL;
    }
    if (setup->format == LW_ROWS_CSV) {
        header_put(rows);
    }
    return rows;
}

void lw_rows_destroy(struct lw_rows *rows)
{
    if (rows == NULL) {
        return;
    }
    for (uint32_t e = 0; e < rows->n_entities; e++) {
        for (uint32_t i = 0; i < rows->entities[e].n; i++) {
            lw_mem_free(rows->entities[e].names[i]);
        }
        lw_mem_free(rows->entities[e].names);
    }
    lw_mem_free(rows->entities);
    lw_mem_free(rows->order);
    lw_mem_free(rows->buffer);
    lw_mem_free(rows);
}

uint64_t lw_rows_written(const struct lw_rows *rows)
{
    return rows->n_written;
}
