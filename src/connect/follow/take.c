/* Whole lines of a followed file to samples: see follow/follow.h. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/mem.h"
#include "connect/follow/follow.h"
#include "connect/influx/influx_push.h"
#include "connect/json_push.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIALECT_BYTES ((size_t)64 << 10)
#define BAD_REQUEST 400
#define UNAVAILABLE 503
#define REASON "\"reason\""

static void detail_set(struct lw_follow_taker *taker, const char *text, size_t n_bytes)
{
    if (taker->detail[0] == '\0') {
        (void)snprintf(taker->detail, sizeof(taker->detail), "%.*s",
                       (int)(n_bytes < sizeof(taker->detail) ? n_bytes : sizeof(taker->detail)),
                       text);
    }
}

/* ---- lines that a push protocol takes too ---- */

static const char *no_query(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

static enum lw_status pushed_take(struct lw_follow_taker *taker, bool is_json, const char *lines,
                                  size_t n_bytes, struct lw_error *reterr)
{
    const struct lw_push_class *class = is_json ? &lw_push_json : &lw_push_influx;
    const struct lw_push_input input = {.path = is_json ? "/v1/samples" : "/api/v2/write",
                                        .content_type = is_json ? "application/x-ndjson" : NULL,
                                        .query = no_query,
                                        .body = (const uint8_t *)lines,
                                        .n_bytes = n_bytes};
    struct lw_push_answer answer = {0};
    enum lw_status status = LW_OK;

    lw_ingest_request_reset(taker->request);
    class->take(&input, taker->request, &answer);
    if (answer.code == UNAVAILABLE) {
        status = lw_error_set(reterr, LW_EBUSY, "nothing can be kept at the moment");
    } else if (answer.body.n_bytes > 0 &&
               (answer.code >= BAD_REQUEST ||
                memmem(answer.body.data, answer.body.n_bytes, REASON, sizeof(REASON) - 1) !=
                    NULL)) { /* JSON lines of which some are good are answered with 200. */
        detail_set(taker, (const char *)answer.body.data, answer.body.n_bytes);
    }
    lw_writer_fini(&answer.body);
    return status;
}

/* ---- CSV ---- */

static void csv_complain(void *context, const struct lw_csv_complaint *complaint)
{
    struct lw_follow_taker *taker = context;
    char text[sizeof(taker->detail)];

    (void)snprintf(text, sizeof(text), "%s%.100s%s%.200s",
                   complaint->column == NULL ? "" : "column ",
                   complaint->column == NULL ? "" : complaint->column,
                   complaint->column == NULL ? "" : ": ", complaint->detail);
    detail_set(taker, text, strlen(text));
}

static enum lw_status csv_open(struct lw_follow_taker *taker, struct lw_follow_file *file,
                               const char *lines, size_t n_bytes, struct lw_error *reterr)
{
    char stem[LW_FOLLOW_PATH_MAX], unit[LW_NAME_MAX];
    const struct lw_csv_listener listener = {.complain = csv_complain, .context = taker};
    struct lw_csv_options options = taker->csv;
    const struct lw_csv_setup setup = {
        .options = &options, .feed = &taker->feed, .listener = &listener};
    enum lw_status status;

    lw_follow_stem_path(file->at.path, stem);
    lw_csv_unit_name(stem, unit);
    options.unit_name = unit; /* Rotation does not change the entity. */
    status = lw_csv_source_open_bytes(&setup, file->at.path, lines, n_bytes, &file->csv, reterr);
    return status == LW_ENOTFOUND ? LW_EFORMAT : status;
}

/* The dialect of a file that is read on: from its beginning. */
static enum lw_status csv_learn(struct lw_follow_taker *taker, struct lw_follow_file *file,
                                struct lw_error *reterr)
{
    size_t wanted = file->at.offset < DIALECT_BYTES ? (size_t)file->at.offset : DIALECT_BYTES;
    char *head = lw_mem_alloc(wanted);
    ssize_t n = head == NULL ? -1 : pread(file->fd, head, wanted, 0);
    const char *end = n <= 0 ? NULL : memrchr(head, '\n', (size_t)n);
    enum lw_status status;

    if (head == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu bytes", wanted);
    }
    status = end == NULL ? lw_error_set(reterr, LW_EFORMAT, "its beginning has no whole line")
                         : csv_open(taker, file, head, (size_t)(end - head) + 1, reterr);
    lw_mem_free(head);
    return status;
}

static enum lw_status csv_deliver(struct lw_follow_taker *taker, struct lw_follow_file *file,
                                  struct lw_error *reterr)
{
    bool is_over = false;
    enum lw_status status = LW_OK;

    while (status == LW_OK && !is_over) {
        status = lw_csv_source_read(file->csv, &taker->batch, &is_over, reterr);
        if (status == LW_OK && taker->batch.n_points > 0) {
            status = taker->feed.push(taker->feed.context, taker->batch.points,
                                      taker->batch.n_points);
            if (status != LW_OK) {
                (void)lw_error_set(reterr, status, "the feed took no points");
            }
        }
    }
    return status;
}

static enum lw_status csv_take(struct lw_follow_taker *taker, struct lw_follow_file *file,
                               const char *lines, size_t n_bytes, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    bool is_new = file->csv == NULL && file->at.offset == 0;

    if (is_new) {
        status = csv_open(taker, file, lines, n_bytes, reterr);
    } else if (file->csv == NULL) {
        status = csv_learn(taker, file, reterr);
    }
    if (status == LW_OK && !is_new) {
        status = lw_csv_source_continue(file->csv, lines, n_bytes, reterr);
    }
    if (status == LW_OK) {
        status = csv_deliver(taker, file, reterr);
    }
    if (status != LW_OK) { /* The lines come again; if they are the first ones, with the header. */
        lw_csv_source_close(file->csv);
        file->csv = NULL;
    }
    return status;
}

enum lw_status lw_follow_take(struct lw_follow_taker *taker, struct lw_follow_file *file,
                              const char *lines, size_t n_bytes, struct lw_error *reterr)
{
    uint64_t n_dropped = taker->held.n_dropped;
    enum lw_status status = taker->feed.ready(taker->feed.context, reterr);

    if (status == LW_EIO) { /* Read-only. Where queues are full, push waits for them. */
        return LW_EBUSY;
    }
    taker->detail[0] = '\0';
    taker->held.newest_ns = INT64_MIN;
    status = file->format == LW_FOLLOW_CSV
                 ? csv_take(taker, file, lines, n_bytes, reterr)
                 : pushed_take(taker, file->format == LW_FOLLOW_JSON, lines, n_bytes, reterr);
    taker->n_rejected = taker->held.n_dropped - n_dropped;
    return status;
}
