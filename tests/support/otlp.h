/*
 * For tests of OTLP: a source with a feed that keeps what it is given, one line a sample, and calls
 * of the class with a body.
 *
 * A line is the series, a tab, the time in nanoseconds, a tab, and the value; labels in the order
 * in which they were spelt.
 */
#ifndef LW_TESTS_SUPPORT_OTLP_H
#define LW_TESTS_SUPPORT_OTLP_H

#include "connect/otlp/push_otlp.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define OTLP_SERIES_MAX 1024
/* The clock of these tests: 2023-11-14T22:13:20Z and an hour. */
#define OTLP_NOW_NS (INT64_C(1700003600) * 1000000000)

struct otlp_kept {
    char *keys[OTLP_SERIES_MAX];
    uint32_t n_series, series_limit;
    char *lines;
    size_t n_bytes;
    FILE *out;
    enum lw_status push_answer;
    uint64_t n_dropped;
    struct lw_ingest *ingest;
    struct lw_ingest_request *request;
    struct lw_push_answer answer;
    const char *scope; /* The query parameter. */
};

static inline int64_t otlp_now(void)
{
    return OTLP_NOW_NS;
}

static inline void otlp_text_print(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' || *text == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text == '\n' ? 'n' : *text, out);
    }
}

static inline enum lw_status otlp_series(void *context, const struct lw_series_key *key,
                                         uint32_t *ret_series, struct lw_error *reterr)
{
    struct otlp_kept *kept = context;
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *out = open_memstream(&text, &n_bytes);

    (void)fputs(key->metric, out);
    for (size_t i = 0; i < key->n_labels; i++) {
        (void)fprintf(out, "%c%s=\"", i == 0 ? '{' : ',', key->labels[i].name);
        otlp_text_print(out, key->labels[i].value);
        (void)fputc('"', out);
    }
    (void)fputs(key->n_labels > 0 ? "}" : "", out);
    (void)fclose(out);
    for (uint32_t i = 0; i < kept->n_series; i++) {
        if (strcmp(kept->keys[i], text) == 0) {
            free(text);
            *ret_series = i;
            return LW_OK;
        }
    }
    if (kept->n_series == kept->series_limit) {
        free(text);
        (void)snprintf(reterr->message, sizeof(reterr->message), "no more series");
        return LW_ELIMIT;
    }
    kept->keys[kept->n_series] = text;
    *ret_series = kept->n_series++;
    return LW_OK;
}

static inline enum lw_status otlp_push(void *context, const struct lw_point *points, size_t n)
{
    struct otlp_kept *kept = context;

    for (size_t i = 0; i < n && kept->push_answer == LW_OK; i++) {
        (void)fprintf(kept->out, "%s\t%lld\t%.17g\n", kept->keys[points[i].series],
                      (long long)points[i].time_ns, points[i].value);
    }
    return kept->push_answer;
}

static inline enum lw_status otlp_watermark(void *context, int64_t time_ns)
{
    (void)context;
    (void)time_ns;
    return LW_OK;
}

static inline void otlp_dropped(void *context, const char *reason, uint64_t n)
{
    (void)reason;
    ((struct otlp_kept *)context)->n_dropped += n;
}

static inline uint64_t otlp_position(void *context)
{
    (void)context;
    return 42;
}

static inline enum lw_status otlp_ready(void *context, struct lw_error *reterr)
{
    (void)context;
    (void)reterr;
    return LW_OK;
}

static inline struct otlp_kept *otlp_start(void)
{
    struct otlp_kept *kept = calloc(1, sizeof(*kept));
    const struct lw_feed feed = {.series = otlp_series,
                                 .push = otlp_push,
                                 .watermark = otlp_watermark,
                                 .dropped = otlp_dropped,
                                 .position = otlp_position,
                                 .durable = otlp_position,
                                 .ready = otlp_ready,
                                 .context = kept};
    const struct lw_ingest_config config = {.feed = &feed, .source = "otlp", .now_ns = otlp_now};

    assert_non_null(kept);
    kept->series_limit = OTLP_SERIES_MAX;
    kept->out = open_memstream(&kept->lines, &kept->n_bytes);
    assert_int_equal(lw_ingest_create(&config, &kept->ingest, NULL), LW_OK);
    assert_int_equal(lw_ingest_request_create(kept->ingest, &kept->request, NULL), LW_OK);
    return kept;
}

static inline void otlp_end(struct otlp_kept *kept)
{
    lw_ingest_request_destroy(kept->request);
    lw_ingest_destroy(kept->ingest);
    lw_writer_fini(&kept->answer.body);
    (void)fclose(kept->out);
    free(kept->lines);
    for (uint32_t i = 0; i < kept->n_series; i++) {
        free(kept->keys[i]);
    }
    free(kept);
}

static inline const char *otlp_query(const void *context, const char *name)
{
    return strcmp(name, "scope") == 0 ? ((const struct otlp_kept *)context)->scope : NULL;
}

/* Calls the class with a body; the code of its answer. */
static inline unsigned otlp_take(struct otlp_kept *kept, const char *content_type, const void *body,
                                 size_t n_bytes)
{
    const struct lw_push_input input = {.path = "/v1/metrics",
                                        .content_type = content_type,
                                        .query = otlp_query,
                                        .context = kept,
                                        .body = body,
                                        .n_bytes = n_bytes};

    lw_writer_fini(&kept->answer.body);
    kept->answer = (struct lw_push_answer){.code = 0};
    lw_ingest_request_reset(kept->request);
    lw_push_otlp.take(&input, kept->request, &kept->answer);
    assert_int_equal(kept->answer.body.status, LW_OK);
    return kept->answer.code;
}

static inline unsigned otlp_take_json(struct otlp_kept *kept, const char *body)
{
    return otlp_take(kept, "application/json", body, strlen(body));
}

/* All samples since the last call, as lines; valid until the next. */
static inline const char *otlp_lines(struct otlp_kept *kept)
{
    (void)fputc('\0', kept->out);
    (void)fflush(kept->out);
    rewind(kept->out);
    return kept->lines;
}

/* The answer's body as text; valid until the next. */
static inline const char *otlp_body(struct otlp_kept *kept)
{
    lw_write_u8(&kept->answer.body, 0);
    kept->answer.body.n_bytes--;
    return (const char *)kept->answer.body.data;
}

#endif
