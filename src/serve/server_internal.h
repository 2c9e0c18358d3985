/* What the files behind serve.h share. */
#ifndef LW_SERVE_SERVER_INTERNAL_H
#define LW_SERVE_SERVER_INTERNAL_H

#include "serve/assets.h"
#include "serve/events.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/push.h"
#include "serve/serve.h"

#include <stdatomic.h>

#define LW_SERVER_FEEDS_MAX 64 /* As many as an engine takes. */

/* The context of every route. Constant once created, but for `ready`. */
struct lw_server {
    struct lw_engine *engine;
    const char *version;
    struct lw_http *http;
    struct lw_assets *assets;
    struct lw_events *events;
    struct lw_listen listen;
    struct lw_push *push;     /* NULL: pushes are not enabled. */
    struct lw_scores *scores; /* NULL: none are written. */
    struct lw_routes *routes;
    int64_t started_ns; /* Wall clock. */
    atomic_bool ready;
};

/* routes.c: every route there is, and what makes docs/api.md. */
struct lw_routes;
/* With those of the push classes or without. LW_ENOMEM. */
enum lw_status lw_routes_create(bool pushes, struct lw_routes **ret_routes,
                                struct lw_error *reterr) LW_MUST_USE;
void lw_routes_destroy(struct lw_routes *routes);
const struct lw_http_route *lw_routes(const struct lw_routes *routes, size_t *ret_n);

/* api.c */
void lw_api_health(void *server, struct lw_http_exchange *exchange);
void lw_api_ready(void *server, struct lw_http_exchange *exchange);
void lw_api_live(void *server, struct lw_http_exchange *exchange);
void lw_api_status(void *server, struct lw_http_exchange *exchange);

/* api_lists.c */
void lw_api_entities(void *server, struct lw_http_exchange *exchange);
void lw_api_entity_series(void *server, struct lw_http_exchange *exchange);
void lw_api_series(void *server, struct lw_http_exchange *exchange);
void lw_api_anomalies(void *server, struct lw_http_exchange *exchange);

/* api_samples.c */
void lw_api_samples(void *server, struct lw_http_exchange *exchange);

/* api_sinks.c */
void lw_api_sinks(void *server, struct lw_http_exchange *exchange);
void lw_api_dead_letters(void *server, struct lw_http_exchange *exchange);
void lw_api_replay_dead_letters(void *server, struct lw_http_exchange *exchange);
void lw_api_drop_dead_letters(void *server, struct lw_http_exchange *exchange);

/* exposition.c: /metrics. */
void lw_exposition_answer(void *server, struct lw_http_exchange *exchange);

#endif
