/*
 * One call of a push class, as the server would make it: a query string, a content type and a body
 * in, the answer and what the feed was given out.
 *
 * The clock of the ingest stands still at PUSH_CALL_NOW.
 */
#ifndef LW_TESTS_SUPPORT_PUSH_CALL_H
#define LW_TESTS_SUPPORT_PUSH_CALL_H

#include "connect/push.h"
#include "support/feed_kept.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define PUSH_CALL_NOW (INT64_C(1700000000) * 1000000000)

struct push_call {
    struct feed_kept kept;
    struct lw_ingest *ingest;
    struct lw_ingest_request *request;
    const struct lw_push_class *class_;
    char query[512]; /* "db=a&precision=s", not encoded, each part ended. */
    size_t n_values;
    struct lw_push_answer answer;
    char body[8192]; /* Of the answer, terminated. */
};

static inline int64_t push_call_now(void)
{
    return PUSH_CALL_NOW;
}

/* Values are cut out of the query when it is set, so that each is a text of its own. */
static inline const char *push_call_query(const void *context, const char *name)
{
    const struct push_call *call = context;
    const char *at = call->query;

    for (size_t i = 0; i < call->n_values; i++) {
        const char *value = at + strlen(at) + 1;

        if (strcmp(at, name) == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static inline void push_call_query_set(struct push_call *call, const char *query)
{
    (void)snprintf(call->query, sizeof(call->query), "%s", query);
    call->n_values = query[0] != '\0';
    for (char *at = call->query; *at != '\0'; at++) {
        call->n_values += *at == '&';
        *at = *at == '&' || *at == '=' ? '\0' : *at;
    }
}

static inline void push_call_init(struct push_call *call, const struct lw_push_class *class_,
                                  const struct lw_ingest_limits *limits)
{
    struct lw_feed feed = feed_kept_start(&call->kept);
    struct lw_ingest_config config = {
        .feed = &feed, .source = class_->source, .now_ns = push_call_now};

    if (limits != NULL) {
        config.limits = *limits;
    }
    call->class_ = class_;
    memset(&call->answer, 0, sizeof(call->answer));
    assert_int_equal(lw_ingest_create(&config, &call->ingest, NULL), LW_OK);
    assert_int_equal(lw_ingest_request_create(call->ingest, &call->request, NULL), LW_OK);
}

static inline void push_call_fini(struct push_call *call)
{
    lw_writer_fini(&call->answer.body);
    lw_ingest_request_destroy(call->request);
    lw_ingest_destroy(call->ingest);
}

struct push_call_input {
    const char *path, *query, *content_type;
};

/* Takes a body; the answer's status. The feed's log begins anew. */
static inline unsigned push_call_take_n(struct push_call *call, struct push_call_input input,
                                        const char *body, size_t n_bytes)
{
    /* Of its exact size, so that a sanitizer sees any read behind its end. */
    uint8_t *copy = malloc(n_bytes > 0 ? n_bytes : 1);
    const struct lw_push_input push = {.path = input.path,
                                       .content_type = input.content_type,
                                       .query = push_call_query,
                                       .context = call,
                                       .body = copy,
                                       .n_bytes = n_bytes};

    assert_non_null(copy);
    memcpy(copy, body, n_bytes);
    push_call_query_set(call, input.query == NULL ? "" : input.query);
    lw_writer_fini(&call->answer.body);
    memset(&call->answer, 0, sizeof(call->answer));
    lw_ingest_request_reset(call->request);
    call->kept.n_log = 0;
    call->kept.log[0] = '\0';
    call->class_->take(&push, call->request, &call->answer);
    (void)snprintf(call->body, sizeof(call->body), "%.*s", (int)call->answer.body.n_bytes,
                   call->answer.body.data == NULL ? "" : (const char *)call->answer.body.data);
    free(copy);
    return call->answer.code;
}

static inline unsigned push_call_take(struct push_call *call, struct push_call_input input,
                                      const char *body)
{
    return push_call_take_n(call, input, body, strlen(body));
}

/* The last value of a series and the number of its points. */
static inline void push_call_expect(const struct push_call *call, const char *key, uint32_t n,
                                    double value)
{
    for (uint32_t i = 0; i < call->kept.n_series; i++) {
        if (strcmp(call->kept.keys[i], key) == 0) {
            if (call->kept.n_points[i] != n || memcmp(&call->kept.values[i], &value, 8) != 0) {
                fail_msg("%s has %u points, the last %a; expected %u and %a", key,
                         call->kept.n_points[i], call->kept.values[i], n, value);
            }
            return;
        }
    }
    fail_msg("there is no series %s", key);
}

#endif
