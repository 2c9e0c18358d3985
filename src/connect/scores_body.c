/* Rows, and requests of remote write: see connect/scores_body.h. */
#include "connect/scores_body.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/protobuf_write.h"

#include <math.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_TEXTS 4
#define NS_PER_MS 1000000
/* A series' own, those of the entity's name, and ours. */
#define LABELS_MAX (LW_LABELS_MAX + LW_KEY_LABELS_MAX + 4)
#define NAME_BYTES_MAX (LW_SHORT_NAME_MAX + 16)

/* ---- rows ---- */

struct row_head {
    int64_t time_ns;
    float score, expected, lower, upper;
    uint16_t lengths[N_TEXTS]; /* Terminators not counted. */
    bool alarm;
};

size_t lw_scores_row_pack(const struct lw_scores_row *row, uint8_t *ret_bytes, size_t capacity)
{
    const char *const texts[N_TEXTS] = {row->detector, row->entity, row->key, row->series};
    struct row_head head = {.time_ns = row->time_ns,
                            .score = row->score,
                            .expected = row->expected,
                            .lower = row->lower,
                            .upper = row->upper,
                            .alarm = row->alarm};
    size_t n_bytes = sizeof(head);

    for (size_t i = 0; i < N_TEXTS; i++) {
        size_t length = strlen(texts[i]);

        if (length >= LW_SCORES_TEXT_MAX) {
            return 0;
        }
        head.lengths[i] = (uint16_t)length;
        n_bytes += length + 1;
    }
    if (n_bytes > capacity) {
        return 0;
    }
    memcpy(ret_bytes, &head, sizeof(head));
    n_bytes = sizeof(head);
    for (size_t i = 0; i < N_TEXTS; i++) {
        memcpy(ret_bytes + n_bytes, texts[i], head.lengths[i] + 1u);
        n_bytes += head.lengths[i] + 1u;
    }
    return n_bytes;
}

bool lw_scores_row_next(const uint8_t **at, const uint8_t *end, struct lw_scores_row *ret_row)
{
    struct row_head head;
    const char *texts[N_TEXTS];

    if (*at == end) {
        return false;
    }
    memcpy(&head, *at, sizeof(head));
    *at += sizeof(head);
    for (size_t i = 0; i < N_TEXTS; i++) {
        texts[i] = (const char *)*at;
        *at += head.lengths[i] + 1u;
    }
    *ret_row = (struct lw_scores_row){.time_ns = head.time_ns,
                                      .score = head.score,
                                      .expected = head.expected,
                                      .lower = head.lower,
                                      .upper = head.upper,
                                      .alarm = head.alarm,
                                      .detector = texts[0],
                                      .entity = texts[1],
                                      .key = texts[2],
                                      .series = texts[3]};
    return true;
}

/* ---- labels ---- */

struct label {
    char name[NAME_BYTES_MAX];
    const char *value;
    uint32_t order; /* Of adding: the first of a name counts. */
};

struct labels {
    uint32_t n;
    struct label all[LABELS_MAX];
    char values[LW_KEY_LABELS_MAX][LW_NAME_MAX]; /* Taken out of the entity's name. */
};

/* A name as Prometheus allows it. */
static void name_mend(const char *name, const char *prefix, char ret_name[NAME_BYTES_MAX])
{
    (void)snprintf(ret_name, NAME_BYTES_MAX, "%s%s", prefix, name);
    for (char *at = ret_name; *at != '\0'; at++) {
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        bool is_digit = *at >= '0' && *at <= '9';

        if (!is_letter && (!is_digit || at == ret_name)) {
            *at = '_';
        }
    }
}

static void labels_add(struct labels *labels, const char *name, const char *prefix,
                       const char *value)
{
    struct label *label = &labels->all[labels->n];

    if (labels->n == LABELS_MAX || value[0] == '\0') {
        return;
    }
    name_mend(name, prefix, label->name);
    label->value = value;
    label->order = labels->n++;
}

/* A label of the original series. One of ours that says the same is there already. */
static void labels_add_original(struct labels *labels, const char *name, const char *value)
{
    static const char *const OURS[] = {"__name__", "detector", "entity", "metric"};

    for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
        if (strcmp(name, OURS[i]) != 0) {
            continue;
        }
        for (uint32_t k = 0; k < labels->n; k++) {
            if (strcmp(labels->all[k].name, name) == 0 &&
                strcmp(labels->all[k].value, value) == 0) {
                return;
            }
        }
        labels_add(labels, name, "exported_", value);
        return;
    }
    labels_add(labels, name, "", value);
}

/* The value behind "name=" in a name of several labels, up to a comma; commas and backslashes in it
 * are escaped. */
static const char *value_take(const char *at, char ret_value[LW_NAME_MAX])
{
    size_t n = 0;

    while (*at != '\0' && *at != ',') {
        at += at[0] == '\\' && at[1] != '\0';
        if (n + 1 < LW_NAME_MAX) {
            ret_value[n++] = *at;
        }
        at++;
    }
    ret_value[n] = '\0';
    return *at == ',' ? at + 1 : at;
}

/* The labels that were taken off the series to name its entity: see lw_entity_key_name(). */
static void labels_add_key(struct labels *labels, const struct lw_scores_row *row)
{
    struct lw_entity_key key;
    const char *at = row->entity;

    if (lw_entity_key_parse(row->key, &key, NULL) != LW_OK) {
        return;
    }
    if (key.n_labels == 1) {
        labels_add_original(labels, key.labels[0], row->entity);
        return;
    }
    for (uint32_t i = 0; i < key.n_labels; i++) {
        const char *equals = strchr(at, '=');

        if (equals == NULL) {
            return;
        }
        at = value_take(equals + 1, labels->values[i]);
        labels_add_original(labels, key.labels[i], labels->values[i]);
    }
}

static int label_order(const void *a, const void *b)
{
    const struct label *first = a, *second = b;
    int order = strcmp(first->name, second->name);

    return order != 0 ? order : (first->order > second->order) - (first->order < second->order);
}

/* Sorted by name, each name once. */
static void labels_settle(struct labels *labels)
{
    uint32_t n = 0;

    qsort(labels->all, labels->n, sizeof(labels->all[0]), label_order);
    for (uint32_t i = 0; i < labels->n; i++) {
        if (n == 0 || strcmp(labels->all[n - 1].name, labels->all[i].name) != 0) {
            labels->all[n++] = labels->all[i];
        }
    }
    labels->n = n;
}

static void labels_make(struct labels *labels, const struct lw_scores_row *row,
                        const struct lw_series_name *name)
{
    labels->n = 0;
    labels_add(labels, "__name__", "", "?"); /* Its place; each sample has its own. */
    labels_add(labels, "detector", "", row->detector);
    labels_add(labels, "entity", "", row->entity);
    if (name == NULL) {
        labels_add(labels, "metric", "", row->series);
    } else {
        labels_add(labels, "metric", "", lw_series_name_metric(name));
    }
    labels_add_key(labels, row);
    for (uint16_t i = 0; name != NULL && i < name->n_labels; i++) {
        const char *label = name->bytes + name->label_at[i];

        labels_add_original(labels, label, label + strlen(label) + 1);
    }
    labels_settle(labels);
}

/* ---- the request ---- */

void lw_scores_body_fini(struct lw_scores_body *body)
{
    lw_writer_fini(&body->message);
    lw_writer_fini(&body->series);
    lw_writer_fini(&body->label);
    lw_writer_fini(&body->packed);
}

void lw_scores_body_reset(struct lw_scores_body *body)
{
    lw_writer_reset(&body->message);
}

static void label_write(struct lw_scores_body *body, const char *name, const char *value)
{
    lw_writer_reset(&body->label);
    lw_protobuf_write_bytes(&body->label, 1, name, strlen(name));
    lw_protobuf_write_bytes(&body->label, 2, value, strlen(value));
    lw_protobuf_write_bytes(&body->series, 1, body->label.data, body->label.n_bytes);
}

/* One TimeSeries of one sample. */
static void sample_write(struct lw_scores_body *body, const struct labels *labels,
                         const char *metric, const struct lw_scores_row *row, double value)
{
    int64_t time_ms = row->time_ns / NS_PER_MS - (row->time_ns % NS_PER_MS < 0);

    if (isnan(value)) {
        return;
    }
    lw_writer_reset(&body->series);
    for (uint32_t i = 0; i < labels->n; i++) {
        const struct label *label = &labels->all[i];

        label_write(body, label->name,
                    strcmp(label->name, "__name__") == 0 ? metric : label->value);
    }
    lw_writer_reset(&body->label);
    lw_protobuf_write_double(&body->label, 1, value);
    lw_protobuf_write_int64(&body->label, 2, time_ms);
    lw_protobuf_write_bytes(&body->series, 2, body->label.data, body->label.n_bytes);
    lw_protobuf_write_bytes(&body->message, 1, body->series.data, body->series.n_bytes);
    if (body->series.status != LW_OK || body->label.status != LW_OK) {
        body->message.status = LW_ENOMEM;
    }
}

void lw_scores_body_add(struct lw_scores_body *body, const struct lw_scores_row *row)
{
    LW_UNINITIALIZED struct lw_series_name name;
    LW_UNINITIALIZED struct labels labels;
    bool is_read = row->series[0] != '\0' &&
                   lw_series_name_parse(row->series, strlen(row->series), &name, NULL) == LW_OK;

    labels_make(&labels, row, is_read ? &name : NULL);
    sample_write(body, &labels, "lapwing_score", row, (double)row->score);
    sample_write(body, &labels, "lapwing_expected", row, (double)row->expected);
    sample_write(body, &labels, "lapwing_lower", row, (double)row->lower);
    sample_write(body, &labels, "lapwing_upper", row, (double)row->upper);
    sample_write(body, &labels, "lapwing_alarm", row, row->alarm ? 1.0 : 0.0);
}

enum lw_status lw_scores_body_pack(struct lw_scores_body *body, struct lw_error *reterr)
{
    size_t n_bytes = snappy_max_compressed_length(body->message.n_bytes);

    if (body->message.status == LW_OK && body->packed.capacity_bytes < n_bytes) {
        uint8_t *larger = lw_mem_realloc(body->packed.data, n_bytes);

        if (larger == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for a request of %zu bytes", n_bytes);
        }
        body->packed.data = larger;
        body->packed.capacity_bytes = n_bytes;
    }
    if (body->message.status != LW_OK ||
        snappy_compress((const char *)body->message.data, body->message.n_bytes,
                        (char *)body->packed.data, &n_bytes) != SNAPPY_OK) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a request");
    }
    body->packed.n_bytes = n_bytes;
    return LW_OK;
}
