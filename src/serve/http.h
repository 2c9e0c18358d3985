/*
 * HTTP/1.1 as the rest of this layer sees it: a table of routes, an exchange to answer, streams of
 * events.
 *
 * The library beneath is known to http.c, http_body.c, http_guard.c and http_stream.c alone. What
 * is refused here never reaches a handler: a foreign Host, a request that could be read in two
 * ways, a body where none is taken or one too large, an unknown parameter, anything beyond a limit
 * below.
 */
#ifndef LW_SERVE_HTTP_H
#define LW_SERVE_HTTP_H

#include "base/json.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits; each refusal has its own status code and is counted in lapwing_http_requests_total. */
/* By default half as many as there are processors, and at least so many. */
#define LW_HTTP_THREADS 2
#define LW_HTTP_THREADS_MAX 64
#define LW_HTTP_CONNECTIONS_MAX 256
#define LW_HTTP_STREAMS_MAX 32
/* Of a connection, for request line, headers and the piece of a body that is read at once. */
#define LW_HTTP_MEMORY_BYTES (256 * 1024)
/* Bodies under way at once, and bytes of them together; 503 beyond. */
#define LW_HTTP_BODIES_MAX 128
#define LW_HTTP_BODIES_BYTES_MAX ((size_t)256 << 20)
/* From the headers to the body's last byte. */
#define LW_HTTP_BODY_S 30
/* An answer that is put off is asked for again so often at least, and given up after so long. */
#define LW_HTTP_POSTPONED_MS 20
#define LW_HTTP_POSTPONED_S 30
/* 414 beyond. */
#define LW_HTTP_PATH_BYTES_MAX 1024
/* Headers of a request, and all of them together; 431 beyond. */
#define LW_HTTP_FIELDS_MAX 64
#define LW_HTTP_FIELDS_BYTES_MAX (16 * 1024)
/* From connecting or the answer before to the end of the next headers. */
#define LW_HTTP_IDLE_S 30
/* From the headers to the answer's last byte; streams are exempt. */
#define LW_HTTP_ANSWER_S 60
/* Parts in braces of a route's path. */
#define LW_HTTP_PARTS_MAX 4
/* Bytes of the sentence in an error. */
#define LW_HTTP_DETAIL_MAX 512
/* Room for the status codes that the counters tell apart. */
#define LW_HTTP_CODES 24

struct lw_http;          /* A listening server and its threads. */
struct lw_http_exchange; /* One request and its answer; valid during the handler's call. */

/* A query parameter that a route knows; any other is refused with 400. */
struct lw_http_parameter {
    const char *name;
    const char *help;
};

/*
 * What a route takes as body: it is POSTed to, and has neither GET nor HEAD.
 *
 * Who is refused while its body is on the way would find the connection reset before it could read
 * why. So a body that is within its bound is read and thrown away first, unless the client asked
 * beforehand (Expect: 100-continue).
 */
struct lw_http_upload {
    size_t bytes_max; /* 413 beyond: at once when Content-Length says so. */
    /* Called when the headers are there: 0, or the code to refuse with and why. May be NULL. */
    unsigned (*begin)(void *context, struct lw_http_exchange *exchange,
                      char ret_detail[LW_HTTP_DETAIL_MAX]);
    /* Answers with a refusal, of begin's or the server's own: 413, 503. NULL: problem details. */
    void (*refuse)(void *context, struct lw_http_exchange *exchange, unsigned code,
                   const char *detail);
};

/* One line of the route table: routing, 405 with Allow, the counters' labels and the reference page
 * come from it. */
struct lw_http_route {
    const char *path; /* "/v1/entities/{entity}/series": a part in braces takes one segment. GET and
                         HEAD. */
    void (*answer)(void *context, struct lw_http_exchange *exchange); /* On a thread of the server:
                                                                         many at once. */
    const char *summary;
    const struct lw_http_parameter *parameters; /* Ends with a NULL name; may be NULL. */
    bool any_parameters;                        /* Unknown parameters are let through. */
    const struct lw_http_upload *upload; /* NULL: GET and HEAD. Else POST, and `answer` is called
                                            once the body is there. */
    const void *tag;                     /* For `answer`: lw_http_tag(). */
};

/* A stream of server-sent events. Calls for one stream never overlap; they come on the server's
 * threads. */
struct lw_http_stream {
    /* Appends what there is to send now; nothing is fine: keeping the connection alive is not its
     * business. False ends it. */
    bool (*more)(void *stream, struct lw_writer *out);
    /* The client is gone, or the server ends; frees the stream. */
    void (*close)(void *stream);
};

/* An answer that is put off until something has happened. */
struct lw_http_postponed {
    /* Whether to answer now; asked about every LW_HTTP_POSTPONED_MS and on lw_http_wake(), for all
     * in turn on one thread: it does not wait. */
    bool (*is_due)(void *state, int64_t waited_ns);
    /* Answers, on a thread of the server. */
    void (*answer)(void *state, struct lw_http_exchange *exchange);
    /* Called in the end, answered or not. */
    void (*destroy)(void *state);
};

/* Borrowed; the routes and their context outlive the server. */
struct lw_http_config {
    int listen_fd;    /* Bound and listening; the server owns it from a good lw_http_create() on. */
    const char *host; /* As listened on: with the loopback names, the only Host a request may name.
                       */
    const struct lw_http_route *routes;
    size_t n_routes;
    void *context;    /* Handed to the routes. */
    uint32_t tick_ms; /* How often streams are asked for more and deadlines are looked at; 0: 1000.
                       */
    uint32_t idle_ms; /* In place of LW_HTTP_IDLE_S; 0: that. */
    uint32_t body_ms; /* In place of LW_HTTP_BODY_S; 0: that. */
    uint32_t n_threads; /* 0: the default. At most LW_HTTP_THREADS_MAX. */
    /* Called before each asking, with the streams open, on a thread of the server's own; may be
     * NULL. */
    void (*tick)(void *context, uint32_t n_streams);
};

/* LW_OK; LW_ENOMEM; LW_EIO when the library or a thread does not start. */
enum lw_status lw_http_create(const struct lw_http_config *config, struct lw_http **ret_http,
                              struct lw_error *reterr) LW_MUST_USE;
/* Ends streams and connections and joins the threads; takes NULL. */
void lw_http_destroy(struct lw_http *http);

/* ---- the request ---- */

/* A query parameter's value, decoded; NULL when it is not given. */
const char *lw_http_query(const struct lw_http_exchange *exchange, const char *name);
/* A header's value; NULL when it is not given. */
const char *lw_http_field(const struct lw_http_exchange *exchange, const char *name);
/*
 * A whole number given as query parameter, or fallback. Outside [min, max] or no number: the
 * exchange is answered with 400 and the call returns false.
 */
bool lw_http_query_number(struct lw_http_exchange *exchange, const char *name, uint64_t min,
                          uint64_t max, uint64_t fallback, uint64_t *ret_number);
/* The segment that took the index-th braces, as a number up to max; otherwise answered with 404 and
 * false. */
bool lw_http_part_number(struct lw_http_exchange *exchange, size_t index, uint64_t max,
                         uint64_t *ret_number);

/* The tag of the exchange's route. */
const void *lw_http_tag(const struct lw_http_exchange *exchange);
/* The path, and the body of a route with `upload`; borrowed for the call. */
const char *lw_http_path(const struct lw_http_exchange *exchange);
const uint8_t *lw_http_body(const struct lw_http_exchange *exchange, size_t *ret_n_bytes);

/* ---- the answer: exactly one of the sends ---- */

/* The JSON document to fill before lw_http_send_json(). */
struct lw_json *lw_http_json(struct lw_http_exchange *exchange);
/* Adds a header to the answer; at most 6; borrowed text that lives until the send. */
void lw_http_add_field(struct lw_http_exchange *exchange, const char *name, const char *value);
void lw_http_send_json(struct lw_http_exchange *exchange, unsigned code);
/* Takes the writer's bytes and leaves it empty. */
void lw_http_send_text(struct lw_http_exchange *exchange, unsigned code, const char *type,
                       struct lw_writer *text);
/* Bytes that outlive the server; not copied. */
void lw_http_send_static(struct lw_http_exchange *exchange, unsigned code, const char *type,
                         const void *bytes, size_t n_bytes);
/* An error as application/problem+json (RFC 9457); the detail is a sentence for people. */
void lw_http_send_problem(struct lw_http_exchange *exchange, unsigned code, const char *detail, ...)
    LW_PRINTF(3, 4);
/* Takes the stream, also when too many are open already (then it is closed and the answer is 503).
 */
void lw_http_send_stream(struct lw_http_exchange *exchange, const struct lw_http_stream *class,
                         void *stream);

/* Puts the answer off; takes the state. For routes with `upload`. */
void lw_http_postpone(struct lw_http_exchange *exchange, const struct lw_http_postponed *class,
                      void *state);
/* Something happened for which answers may wait. Any thread; costs next to nothing when none does.
 */
void lw_http_wake(struct lw_http *http);

/* ---- counters ---- */

/* The server that the exchange came to. */
struct lw_http *lw_http_server(const struct lw_http_exchange *exchange);

/* Answers given by the route (n_routes: by none) with the index-th status code; *ret_code gets the
 * code, 0 past the last. */
uint64_t lw_http_answers(const struct lw_http *http, size_t route, size_t index,
                         unsigned *ret_code);
struct lw_http_totals {
    uint64_t bodies, body_bytes;   /* Read to the end. */
    uint64_t n_bodies, bytes_held; /* Under way now, and the memory they hold. */
    uint64_t n_postponed;          /* Answers put off now. */
};
void lw_http_count(struct lw_http *http, struct lw_http_totals *ret_totals);
/* Streams open now. */
uint32_t lw_http_n_streams(struct lw_http *http);

#endif
