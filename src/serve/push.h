/*
 * Push sources behind HTTP: between a route's request and the protocol's class.
 *
 * A request goes: headers (the encoding is known, the source is ready: else 415, 429, 503), body,
 * unpacking, the class's take(), and the answer, which waits without a thread until the journal is
 * durable. A source's feed and series come into being with its first request.
 */
#ifndef LW_SERVE_PUSH_H
#define LW_SERVE_PUSH_H

#include "connect/push.h"
#include "lapwing/engine.h"
#include "serve/http.h"
#include "serve/serve.h"

#include <stdatomic.h>

/* An answer waits so long while the journal cannot be written, before it is 503. */
#define LW_PUSH_READ_ONLY_MS 2000
/* What senders are told to wait. */
#define LW_PUSH_RETRY_BUSY_S 1
#define LW_PUSH_RETRY_READ_ONLY_S 5

struct lw_push;

struct lw_push_config {
    struct lw_engine *engine;
    struct lw_push_options options;
    const atomic_bool *ready; /* Until it is true, pushes are answered with 503. */
};

/* LW_ENOMEM. */
enum lw_status lw_push_create(const struct lw_push_config *config, struct lw_push **ret_push,
                              struct lw_error *reterr) LW_MUST_USE;
/* Takes no push from now on, and returns when none is being taken: the feeds are not called any
 * more. */
void lw_push_end(struct lw_push *push);
/* No request may be under way. Takes NULL. */
void lw_push_destroy(struct lw_push *push);
/* About once a second. */
void lw_push_tick(struct lw_push *push);

/* Of a route whose tag is a lw_push_class: begin and refuse of its upload, and its answer. */
unsigned lw_push_begin(struct lw_push *push, struct lw_http_exchange *exchange,
                       char ret_detail[LW_HTTP_DETAIL_MAX]);
void lw_push_refuse(struct lw_push *push, struct lw_http_exchange *exchange, unsigned code,
                    const char *detail);
void lw_push_answer(struct lw_push *push, struct lw_http_exchange *exchange);

/* Series of the index-th class, and its name; NULL past the last, and UINT64_MAX for one that was
 * not used yet. */
const char *lw_push_source(struct lw_push *push, size_t index, uint64_t *ret_series);

#endif
