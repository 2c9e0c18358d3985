/* What http.c, http_body.c, http_guard.c and http_stream.c share: the only files that know the HTTP
 * library. */
#ifndef LW_SERVE_HTTP_INTERNAL_H
#define LW_SERVE_HTTP_INTERNAL_H

#include "serve/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define HTTP_ADDED_MAX 6
#define LW_HTTP_LENGTH_UNKNOWN UINT64_MAX

/* A connection as our own deadlines see it. In the list of its server; guarded by the server's
 * lock. */
struct http_connection {
    struct http_connection *previous, *next;
    int fd;
    int64_t deadline_ns; /* Monotonic; INT64_MAX while a stream is sent. */
};

struct http_live; /* An open stream: http_stream.c. */

#define HTTP_BUFFERS_KEPT 8

/* Memory of a body. */
struct http_buffer {
    uint8_t *bytes;
    size_t capacity;
};

/* The bodies of a server: http_body.c. All guarded by `lock`, which is taken last. */
struct http_bodies {
    pthread_mutex_t lock;
    size_t n_bodies, bytes_held;
    uint64_t bodies, body_bytes;
    struct http_buffer kept[HTTP_BUFFERS_KEPT]; /* For the next bodies; not counted as held. */
    size_t n_kept;
};

/* Answers put off: http_body.c. */
struct http_waiting {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* Guards what follows and exchanges' links. Taken before the library's.
                           */
    pthread_cond_t wake;
    bool stopping, woken;
    struct lw_http_exchange *first;
    _Atomic uint32_t n;
};

struct lw_http {
    struct MHD_Daemon *daemon;
    struct lw_http_config config;
    char host[256];            /* Copy of config.host, what config.host points at from then on. */
    _Atomic uint64_t *answers; /* [n_routes + 1][LW_HTTP_CODES] */
    struct http_bodies bodies;
    struct http_waiting waiting;
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
    bool has_body;        /* The request announces one. */
    bool is_foreign;      /* Its Origin is another site. */
    uint64_t body_length; /* As announced, or LW_HTTP_LENGTH_UNKNOWN. */
    bool takes_body;      /* It is being read. */
    unsigned refusal;     /* The code to answer with once the body is past; 0: none. */
    char refusal_detail[LW_HTTP_DETAIL_MAX];
    struct http_buffer body;
    size_t n_body;
    const struct lw_http_postponed *postponed; /* NULL: the answer is not put off. */
    void *postponed_state;
    int64_t postponed_ns; /* Monotonic: since when. */
    struct lw_http_exchange *previous_waiting, *next_waiting;
    bool is_waiting; /* In the list of those; guarded by its lock. */
    bool close;      /* End the connection with this answer. */
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

/* http.c: the connection's time to the next step. */
void lw_http_set_deadline(struct lw_http_exchange *exchange, int64_t after_ns);

/* http_body.c */
void lw_http_bodies_init(struct http_bodies *bodies);
void lw_http_bodies_fini(struct http_bodies *bodies);
/* A body is to come: makes room for it, or refuses it, now or when it is past. */
void lw_http_body_begin(struct lw_http_exchange *exchange);
/* Takes a piece of it. */
void lw_http_body_add(struct lw_http_exchange *exchange, const char *bytes, size_t n_bytes);
/* All of it is there: answers and returns false when it cannot be handed on. */
bool lw_http_body_end(struct lw_http_exchange *exchange);
/* Gives its memory back. */
void lw_http_body_release(struct lw_http_exchange *exchange);
enum lw_status lw_http_waiting_start(struct lw_http *http, struct lw_error *reterr) LW_MUST_USE;
/* Resumes all that wait; from then on nothing is put off. */
void lw_http_waiting_stop(struct lw_http *http);
/* The answer was put off and is due now, or the exchange ends. */
void lw_http_postponed_answer(struct lw_http_exchange *exchange);
void lw_http_postponed_release(struct lw_http_exchange *exchange);

/* http_stream.c */
void *lw_http_ticker(void *http);
void lw_http_end_streams(struct lw_http *http);

#endif
