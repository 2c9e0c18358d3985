/* What http.c, http_guard.c and http_stream.c share: the only files that know the HTTP library. */
#ifndef LW_SERVE_HTTP_INTERNAL_H
#define LW_SERVE_HTTP_INTERNAL_H

#include "serve/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define HTTP_ADDED_MAX 4

/* A connection as our own deadlines see it. In the list of its server; guarded by the server's
 * lock. */
struct http_connection {
    struct http_connection *previous, *next;
    int fd;
    int64_t deadline_ns; /* Monotonic; INT64_MAX while a stream is sent. */
};

struct http_live; /* An open stream: http_stream.c. */

struct lw_http {
    struct MHD_Daemon *daemon;
    struct lw_http_config config;
    char host[256];            /* Copy of config.host, what config.host points at from then on. */
    _Atomic uint64_t *answers; /* [n_routes + 1][LW_HTTP_CODES] */
    pthread_t ticker;
    bool has_ticker;
    pthread_mutex_t lock; /* Guards what follows. Taken before the library's own locks, never within
                             them. */
    pthread_cond_t wake;
    bool stopping;
    struct http_connection *connections;
    struct http_live *lives;
    uint32_t n_lives;
};

struct lw_http_exchange {
    struct lw_http *http;
    struct MHD_Connection *connection;
    struct http_connection *entry;
    const struct lw_http_route *route;     /* NULL: none. */
    const char *parts[LW_HTTP_PARTS_MAX];  /* Into path. */
    char path[LW_HTTP_PATH_BYTES_MAX + 1]; /* Segments ended by '\0' where a route took them as a
                                              part. */
    struct lw_json json;
    const char *added[HTTP_ADDED_MAX][2];
    size_t n_added;
    bool has_body; /* The request announces one. */
    bool close;    /* End the connection with this answer. */
    bool answered;
    enum MHD_Result result;
};

/* http_guard.c: answers and returns false when the request must not reach a handler. */
bool lw_http_guard_request(struct lw_http_exchange *exchange, const char *version);
bool lw_http_guard_query(struct lw_http_exchange *exchange);

/* http.c: queues the response, with the headers every answer has, and gives up our reference to it.
 */
void lw_http_queue(struct lw_http_exchange *exchange, unsigned code, const char *type,
                   struct MHD_Response *response);

/* http_stream.c */
void *lw_http_ticker(void *http);
void lw_http_end_streams(struct lw_http *http);

#endif
