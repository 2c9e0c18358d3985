/*
 * From the body of a scrape to samples: see scrape/scrape.h.
 *
 * The whole body is read before the first sample is taken, so that an exposition that is refused
 * leaves nothing behind. A series that is known costs one look-up by its text as it was exposed;
 * only a new one is spelt out and gets its target's labels.
 */
#include "base/error.h"
#include "base/mem.h"
#include "connect/scrape/scrape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES_FIRST 4096
#define EXPORTED "exported_"
#define WHERE_MAX 32

LW_PRINTF(2, 3)
static void fail(struct lw_scrape_result *result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(result->reason, sizeof(result->reason), format, arguments);
    va_end(arguments);
    result->is_up = false;
}

/* ---- the body ---- */

static bool samples_grow(struct lw_scrape_taker *taker)
{
    size_t capacity = taker->capacity == 0 ? SAMPLES_FIRST : taker->capacity * 2;
    struct lw_exposition_sample *samples = lw_mem_realloc(taker->samples,
                                                          capacity * sizeof(*samples));

    if (samples == NULL) {
        return false;
    }
    taker->samples = samples;
    taker->capacity = capacity;
    return true;
}

static void bad_line(struct lw_scrape_taker *taker)
{
    char where[WHERE_MAX];

    (void)snprintf(where, sizeof(where), "line %llu",
                   (unsigned long long)lw_exposition_line(taker->exposition));
    lw_ingest_reject(taker->request, "bad_line", 1, where, "%s",
                     lw_exposition_message(taker->exposition));
}

/* Reads all samples of the body, or says in the result why it is refused. */
static void body_read(struct lw_scrape_taker *taker, const struct lw_scrape_target *target,
                      struct lw_scrape_result *result)
{
    enum lw_exposition_format format;
    enum lw_exposition_outcome outcome;
    struct lw_exposition_sample sample;
    struct lw_error error;

    if (lw_exposition_format_of(result->content_type, &format, &error) != LW_OK) {
        fail(result, "%s", error.message);
        return;
    }
    lw_exposition_begin(taker->exposition, format, target->body == NULL ? "" : target->body,
                        target->n_bytes);
    while (result->is_up &&
           (outcome = lw_exposition_next(taker->exposition, &sample)) != LW_EXPOSITION_END) {
        if (outcome == LW_EXPOSITION_BAD && format == LW_EXPOSITION_OPENMETRICS) {
            fail(result, "line %llu is no OpenMetrics: %s",
                 (unsigned long long)lw_exposition_line(taker->exposition),
                 lw_exposition_message(taker->exposition));
        } else if (outcome == LW_EXPOSITION_BAD) {
            bad_line(taker);
        } else if (taker->n_samples == taker->samples_max) {
            fail(result, "it exposes more than %zu samples", taker->samples_max);
        } else if (taker->n_samples == taker->capacity && !samples_grow(taker)) {
            fail(result, "no memory for %zu samples", taker->n_samples);
        } else {
            taker->samples[taker->n_samples++] = sample;
        }
    }
}

/* ---- series ---- */

static const struct lw_label *label_find(const struct lw_label *labels, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(labels[i].name, name) == 0) {
            return &labels[i];
        }
    }
    return NULL;
}

/* "exported_" before a name, as often as it takes to be no other label's. */
static const char *rename_label(struct lw_scrape_taker *taker, size_t *used, const char *name)
{
    const struct lw_target *target = &taker->target->target;
    const struct lw_series_key *key = &taker->key.key;

    for (;;) {
        char *place = taker->renamed + *used;
        size_t room = sizeof(taker->renamed) - *used;
        int n = snprintf(place, room, EXPORTED "%s", name);

        if (n < 0 || (size_t)n >= room) {
            return NULL;
        }
        *used += (size_t)n + 1;
        if (label_find(target->labels, target->n_labels, place) == NULL &&
            label_find(key->labels, key->n_labels, place) == NULL) {
            return place;
        }
        name = place;
    }
}

/* The series' labels and the target's, as honor_labels says. False when they are too many. */
static bool labels_join(struct lw_scrape_taker *taker, size_t *ret_n)
{
    const struct lw_target *target = &taker->target->target;
    const struct lw_series_key *key = &taker->key.key;
    size_t n = 0, used = 0;

    for (size_t i = 0; i < key->n_labels; i++) {
        struct lw_label label = key->labels[i];
        bool clashes = label_find(target->labels, target->n_labels, label.name) != NULL;

        if (label.value[0] == '\0') { /* As good as none. */
            continue;
        }
        label.name = clashes && !taker->honor_labels ? rename_label(taker, &used, label.name)
                                                     : label.name;
        if (label.name == NULL || n == LW_LABELS_MAX) {
            return false;
        }
        taker->labels[n++] = label;
    }
    for (size_t i = 0; i < target->n_labels; i++) {
        const struct lw_label *label = &target->labels[i];

        if (label_find(taker->labels, n, label->name) != NULL) {
            continue; /* Honoured. */
        }
        if (n == LW_LABELS_MAX) {
            return false;
        }
        taker->labels[n++] = *label;
    }
    *ret_n = n;
    return true;
}

static enum lw_status limits_check(const struct lw_scrape_taker *taker, struct lw_error *reterr)
{
    const struct lw_series_key *key = &taker->key.key;

    if (key->n_labels > taker->labels_max) {
        return lw_error_set(reterr, LW_ETOOLONG, "the series has %zu labels; label_limit is %zu",
                            key->n_labels, taker->labels_max);
    }
    for (size_t i = 0; i < key->n_labels; i++) {
        size_t n = strlen(key->labels[i].value);

        if (n > taker->label_bytes_max) {
            return lw_error_set(reterr, LW_ETOOLONG,
                                "the value of label %.60s has %zu bytes; label_value_limit is %zu",
                                key->labels[i].name, n, taker->label_bytes_max);
        }
    }
    return LW_OK;
}

static enum lw_status define(struct lw_scrape_taker *taker, size_t n_identity, uint32_t *ret_series,
                             struct lw_error *reterr)
{
    struct lw_series_key joined = {.metric = taker->key.key.metric, .labels = taker->labels};

    if (!labels_join(taker, &joined.n_labels)) {
        return lw_error_set(reterr, LW_ETOOLONG,
                            "with its target's labels the series has more than %d", LW_LABELS_MAX);
    }
    return lw_ingest_define(taker->request, taker->identity, n_identity, &joined, ret_series,
                            reterr);
}

static void refuse(struct lw_scrape_taker *taker, const struct lw_exposition_sample *sample,
                   enum lw_status status, const char *message)
{
    char where[WHERE_MAX];

    (void)snprintf(where, sizeof(where), "line %llu", (unsigned long long)sample->line);
    lw_ingest_reject(taker->request, lw_ingest_reason(status, "bad_name"), 1, where, "%s", message);
}

static void sample_take(struct lw_scrape_taker *taker, const struct lw_exposition_sample *sample,
                        int64_t time_ns)
{
    size_t n_identity = LW_SCRAPE_IDENTITY_BYTES + sample->n_bytes;
    struct lw_error error = {0};
    uint32_t series;

    if (sample->n_bytes > LW_EXPOSITION_KEY_BYTES) {
        refuse(taker, sample, LW_ETOOLONG, "the series' text has more than 4096 bytes");
        return;
    }
    memcpy(taker->identity + LW_SCRAPE_IDENTITY_BYTES, sample->series, sample->n_bytes);
    series = lw_ingest_find(taker->request, taker->identity, n_identity);
    if (series == LW_INGEST_UNKNOWN) {
        enum lw_status status = lw_exposition_spell(sample->series, sample->n_bytes, &taker->key,
                                                    &error);

        status = status == LW_OK ? limits_check(taker, &error) : status;
        status = status == LW_OK ? define(taker, n_identity, &series, &error) : status;
        if (status != LW_OK) {
            refuse(taker, sample, status, error.message);
            return;
        }
    }
    (void)lw_ingest_sample(taker->request, series, sample->has_time ? sample->time_ns : time_ns,
                           sample->value);
}

/* A series of the target itself: "up" and the like. */
static void own_take(struct lw_scrape_taker *taker, const char *metric, int64_t time_ns,
                     double value)
{
    int n = snprintf((char *)taker->identity + LW_SCRAPE_IDENTITY_BYTES, LW_EXPOSITION_KEY_BYTES,
                     "\n%s", metric); /* No exposed series begins with a line feed. */
    size_t n_identity = LW_SCRAPE_IDENTITY_BYTES + (size_t)n;
    struct lw_error error = {0};
    uint32_t series = lw_ingest_find(taker->request, taker->identity, n_identity);

    if (series == LW_INGEST_UNKNOWN) {
        enum lw_status status;

        taker->key.key = (struct lw_series_key){.metric = metric};
        status = define(taker, n_identity, &series, &error);
        if (status != LW_OK) {
            lw_ingest_reject(taker->request, lw_ingest_reason(status, "bad_name"), 1, metric, "%s",
                             error.message);
            return;
        }
    }
    (void)lw_ingest_sample(taker->request, series, time_ns, value);
}

enum lw_status lw_scrape_take(struct lw_scrape_taker *taker, const struct lw_scrape_target *target,
                              struct lw_scrape_result *result)
{
    struct lw_ingest_outcome outcome;
    enum lw_status status;

    lw_ingest_request_reset(taker->request);
    taker->n_samples = 0;
    taker->target = target;
    memcpy(taker->identity, target->identity, sizeof(target->identity));
    if (result->is_up) {
        body_read(taker, target, result);
    }
    if (!result->is_up) {
        lw_ingest_request_reset(taker->request); /* Lines that were told before the failure. */
        taker->n_samples = 0;
    }
    for (size_t i = 0; i < taker->n_samples; i++) {
        sample_take(taker, &taker->samples[i], result->time_ns);
    }
    own_take(taker, "up", result->time_ns, result->is_up ? 1.0 : 0.0);
    own_take(taker, "scrape_duration_seconds", result->time_ns, result->duration_s);
    own_take(taker, "scrape_samples_scraped", result->time_ns, (double)taker->n_samples);
    status = lw_ingest_commit(taker->request, &outcome);
    result->n_samples = taker->n_samples;
    result->n_rejected = outcome.n_rejected;
    if (result->is_up && outcome.n_details > 0) {
        (void)snprintf(result->reason, sizeof(result->reason), "%s", outcome.details[0]);
    }
    return status;
}
