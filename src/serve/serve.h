/*
 * The server's face to the program: the page, the API, health and metrics of one engine, on one
 * loopback port.
 *
 *     server = lw_server_create(...);    the port is open: /live answers 200, /ready 503
 *     lw_server_set_ready(server, true); once the state is loaded and the sources run
 *     lw_server_destroy(server);         before the engine
 *
 * Its threads inherit the signal mask of the caller of lw_server_create(): block what another
 * thread is to handle.
 */
#ifndef LW_SERVE_SERVE_H
#define LW_SERVE_SERVE_H

#include "base/bytes.h"
#include "connect/ingest.h"
#include "lapwing/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct lw_scores;
struct lw_server;

/* How samples may be pushed: see connect/push.h for the protocols. */
struct lw_push_options {
    bool enabled;
    struct lw_ingest_limits limits; /* Of each source; the tenant label outlives the server. */
    /* Put between each source's feed and the source, to record what comes in; may be NULL. Called
     * on a thread of the server. */
    enum lw_status (*wrap)(void *context, const char *source, const struct lw_feed *feed,
                           struct lw_feed *ret_feed, struct lw_error *reterr);
    void *context;
};

/* Zero-initialise and set what matters. Borrowed during the call, but for the engine, which
 * outlives the server. */
struct lw_server_config {
    const char *listen; /* "HOST:PORT", "[::1]:PORT"; HOST is a loopback address or "localhost";
                           port 0: any free one. */
    struct lw_engine *engine;
    const char *version; /* As `lapwing version` says it; static text. */
    uint32_t tick_ms;    /* How often events go out; 0: 1000. */
    uint32_t n_threads;  /* That answer requests, at most 64; 0: half the processors, at least 2. */
    struct lw_push_options push;
    struct lw_scores *scores; /* Its counters are among the metrics; outlives the server; NULL: none
                                 are written. */
};

/*
 * LW_OK; LW_EINVAL when `listen` is no such text or no loopback address (there is no login yet, so
 * the page is not shown to a network); LW_EIO when the port is taken or a thread does not start;
 * LW_ENOMEM.
 */
enum lw_status lw_server_create(const struct lw_server_config *config,
                                struct lw_server **ret_server, struct lw_error *reterr) LW_MUST_USE;
/* Takes no pushed samples from now on; when it returns, feeds of pushes are called no more. Answers
 * may still wait for the journal. */
void lw_server_end_push(struct lw_server *server);
/* The journal was synced: answers may wait for it. Any thread; returns at once. */
void lw_server_durable(struct lw_server *server);
/* Ends all connections and joins the threads; takes NULL. */
void lw_server_destroy(struct lw_server *server);
/* The port listened on. */
uint16_t lw_server_port(const struct lw_server *server);
/* What /ready and /health say from now on. Any thread. */
void lw_server_set_ready(struct lw_server *server, bool ready);

/* The routes' reference as Markdown: the generated half of docs/api.md. */
void lw_server_document(struct lw_writer *out);

#endif
