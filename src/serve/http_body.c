/*
 * Bodies and the answers that wait.
 *
 * A body is gathered in memory that is kept for the next one: what it may hold is bounded by the
 * route, how many there may be at once and what they hold together by the server. What is refused
 * is read to its end and thrown away, since a client that still writes would see a reset connection
 * in place of the answer; one that announces too much is not read.
 *
 * An answer that is put off costs no thread: its connection is suspended, and one thread of the
 * server asks every LW_HTTP_POSTPONED_MS, or when it is woken, which of them are due.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "serve/http_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_BYTES ((size_t)64 << 10)
/* As much is made room for at once on the word of Content-Length. */
#define TRUSTED_BYTES ((size_t)1 << 20)
/* Larger memory is not kept. */
#define KEPT_BYTES_MAX ((size_t)4 << 20)
#define MILLISECOND_NS INT64_C(1000000)

/* ---- memory ---- */

void lw_http_bodies_init(struct http_bodies *bodies)
{
    (void)pthread_mutex_init(&bodies->lock, NULL);
}

void lw_http_bodies_fini(struct http_bodies *bodies)
{
    while (bodies->n_kept > 0) {
        lw_mem_free(bodies->kept[--bodies->n_kept].bytes);
    }
    (void)pthread_mutex_destroy(&bodies->lock);
}

/* Counts one body more, with memory kept from an earlier one if there is some; false: too many. */
static bool bodies_enter(struct http_bodies *bodies, struct http_buffer *ret_buffer)
{
    bool enters;

    (void)pthread_mutex_lock(&bodies->lock);
    enters = bodies->n_bodies < LW_HTTP_BODIES_MAX;
    if (enters) {
        bodies->n_bodies++;
        if (bodies->n_kept > 0) {
            *ret_buffer = bodies->kept[--bodies->n_kept];
            bodies->bytes_held += ret_buffer->capacity;
        }
    }
    (void)pthread_mutex_unlock(&bodies->lock);
    return enters;
}

static bool bodies_reserve(struct http_bodies *bodies, size_t n_bytes)
{
    bool fits;

    (void)pthread_mutex_lock(&bodies->lock);
    fits = bodies->bytes_held + n_bytes <= LW_HTTP_BODIES_BYTES_MAX;
    bodies->bytes_held += fits ? n_bytes : 0;
    (void)pthread_mutex_unlock(&bodies->lock);
    return fits;
}

static void bodies_leave(struct http_bodies *bodies, struct http_buffer *buffer)
{
    (void)pthread_mutex_lock(&bodies->lock);
    bodies->n_bodies--;
    bodies->bytes_held -= buffer->capacity;
    if (buffer->bytes != NULL && buffer->capacity <= KEPT_BYTES_MAX &&
        bodies->n_kept < HTTP_BUFFERS_KEPT) {
        bodies->kept[bodies->n_kept++] = *buffer;
        buffer->bytes = NULL;
    }
    (void)pthread_mutex_unlock(&bodies->lock);
    lw_mem_free(buffer->bytes);
    *buffer = (struct http_buffer){0};
}

/* Makes the buffer hold `wanted` bytes; false when that is not to be had. */
static bool body_reach(struct lw_http_exchange *exchange, size_t wanted)
{
    struct http_bodies *bodies = &exchange->http->bodies;
    struct http_buffer *buffer = &exchange->body;
    size_t capacity = buffer->capacity == 0 ? FIRST_BYTES : buffer->capacity;
    size_t more;
    uint8_t *grown;

    if (wanted <= buffer->capacity) {
        return true;
    }
    while (capacity < wanted) {
        capacity *= 2;
    }
    more = capacity - buffer->capacity;
    if (!bodies_reserve(bodies, more)) {
        return false;
    }
    grown = lw_mem_realloc(buffer->bytes, capacity);
    if (grown == NULL) {
        (void)pthread_mutex_lock(&bodies->lock);
        bodies->bytes_held -= more;
        (void)pthread_mutex_unlock(&bodies->lock);
        return false;
    }
    *buffer = (struct http_buffer){.bytes = grown, .capacity = capacity};
    return true;
}

/* ---- bodies ---- */

/* Remembers why the body is refused; the first reason stands. */
static void body_refuse(struct lw_http_exchange *exchange, unsigned code)
{
    if (exchange->refusal != 0) {
        return;
    }
    exchange->refusal = code;
    if (code == 413) {
        (void)snprintf(exchange->refusal_detail, sizeof(exchange->refusal_detail),
                       "A body here has at most %zu bytes.", exchange->route->upload->bytes_max);
    } else {
        (void)snprintf(exchange->refusal_detail, sizeof(exchange->refusal_detail),
                       "Too many bodies are being read: at most %d, %zu bytes together.",
                       LW_HTTP_BODIES_MAX, LW_HTTP_BODIES_BYTES_MAX);
    }
}

static void refusal_send(struct lw_http_exchange *exchange)
{
    const struct lw_http_upload *upload = exchange->route->upload;

    if (upload->refuse != NULL) {
        upload->refuse(exchange->http->config.context, exchange, exchange->refusal,
                       exchange->refusal_detail);
        return;
    }
    if (exchange->refusal == 503) {
        lw_http_add_field(exchange, "Retry-After", "1");
    }
    lw_http_send_problem(exchange, exchange->refusal, "%s", exchange->refusal_detail);
}

/* Counts the body in and makes room for as much of it as is believed beforehand. */
static void body_enter(struct lw_http_exchange *exchange)
{
    uint64_t length = exchange->body_length;
    size_t trusted = length == LW_HTTP_LENGTH_UNKNOWN ? FIRST_BYTES
                     : length < TRUSTED_BYTES         ? (size_t)length
                                                      : TRUSTED_BYTES;

    exchange->takes_body = bodies_enter(&exchange->http->bodies, &exchange->body);
    if (!exchange->takes_body || !body_reach(exchange, trusted)) {
        lw_http_body_release(exchange);
        body_refuse(exchange, 503);
    }
}

void lw_http_body_begin(struct lw_http_exchange *exchange)
{
    const struct lw_http_upload *upload = exchange->route->upload;
    bool too_large = exchange->body_length != LW_HTTP_LENGTH_UNKNOWN &&
                     exchange->body_length > upload->bytes_max;

    if (exchange->is_foreign) {
        lw_http_send_problem(exchange, 403, "Pages of other sites may not write here.");
        return;
    }
    if (too_large) {
        body_refuse(exchange, 413);
    } else if (upload->begin != NULL) {
        exchange->refusal = upload->begin(exchange->http->config.context, exchange,
                                          exchange->refusal_detail);
    }
    if (exchange->refusal == 0) {
        body_enter(exchange);
    }
    if (exchange->refusal != 0 && (too_large || lw_http_field(exchange, "Expect") != NULL)) {
        refusal_send(exchange);
    }
}

void lw_http_body_add(struct lw_http_exchange *exchange, const char *bytes, size_t n_bytes)
{
    if (exchange->refusal != 0) {
        return;
    }
    if (n_bytes > exchange->route->upload->bytes_max - exchange->n_body) {
        body_refuse(exchange, 413);
        return;
    }
    if (!body_reach(exchange, exchange->n_body + n_bytes)) {
        body_refuse(exchange, 503);
        return;
    }
    memcpy(exchange->body.bytes + exchange->n_body, bytes, n_bytes);
    exchange->n_body += n_bytes;
}

bool lw_http_body_end(struct lw_http_exchange *exchange)
{
    struct http_bodies *bodies = &exchange->http->bodies;

    if (exchange->refusal != 0) {
        refusal_send(exchange);
        return false;
    }
    (void)pthread_mutex_lock(&bodies->lock);
    bodies->bodies++;
    bodies->body_bytes += exchange->n_body;
    (void)pthread_mutex_unlock(&bodies->lock);
    return true;
}

void lw_http_body_release(struct lw_http_exchange *exchange)
{
    if (exchange->takes_body) {
        exchange->takes_body = false;
        exchange->n_body = 0;
        bodies_leave(&exchange->http->bodies, &exchange->body);
    }
}

const uint8_t *lw_http_body(const struct lw_http_exchange *exchange, size_t *ret_n_bytes)
{
    *ret_n_bytes = exchange->n_body;
    return exchange->body.bytes;
}

/* ---- answers put off ---- */

static void waiting_remove(struct http_waiting *waiting, struct lw_http_exchange *exchange)
{
    if (exchange->previous_waiting != NULL) {
        exchange->previous_waiting->next_waiting = exchange->next_waiting;
    } else {
        waiting->first = exchange->next_waiting;
    }
    if (exchange->next_waiting != NULL) {
        exchange->next_waiting->previous_waiting = exchange->previous_waiting;
    }
    exchange->previous_waiting = exchange->next_waiting = NULL;
    exchange->is_waiting = false;
    atomic_fetch_sub(&waiting->n, 1);
}

/* Lets those go on that are due, or all. The lock is held. */
static void waiting_resume(struct http_waiting *waiting, bool all)
{
    int64_t now_ns = lw_clock_monotonic_ns();
    struct lw_http_exchange *next;

    for (struct lw_http_exchange *at = waiting->first; at != NULL; at = next) {
        next = at->next_waiting;
        if (all || now_ns - at->postponed_ns >= LW_HTTP_POSTPONED_S * 1000 * MILLISECOND_NS ||
            at->postponed->is_due(at->postponed_state, now_ns - at->postponed_ns)) {
            waiting_remove(waiting, at);
            MHD_resume_connection(at->connection);
        }
    }
}

static void *waiting_run(void *context)
{
    struct http_waiting *waiting = context;

    (void)pthread_mutex_lock(&waiting->lock);
    while (!waiting->stopping) {
        int64_t at_ns = lw_clock_monotonic_ns() + LW_HTTP_POSTPONED_MS * MILLISECOND_NS;
        struct timespec until = {.tv_sec = at_ns / (1000 * MILLISECOND_NS),
                                 .tv_nsec = at_ns % (1000 * MILLISECOND_NS)};

        if (waiting->first == NULL) {
            (void)pthread_cond_wait(&waiting->wake, &waiting->lock);
        } else if (!waiting->woken) {
            (void)pthread_cond_timedwait(&waiting->wake, &waiting->lock, &until);
        }
        waiting->woken = false;
        waiting_resume(waiting, false);
    }
    waiting_resume(waiting, true);
    (void)pthread_mutex_unlock(&waiting->lock);
    return NULL;
}

enum lw_status lw_http_waiting_start(struct lw_http *http, struct lw_error *reterr)
{
    struct http_waiting *waiting = &http->waiting;

    if (pthread_create(&waiting->thread, NULL, waiting_run, waiting) != 0) {
        return lw_error_set(reterr, LW_EIO, "no thread for the HTTP server's answers");
    }
    waiting->has_thread = true;
    return LW_OK;
}

void lw_http_waiting_stop(struct lw_http *http)
{
    struct http_waiting *waiting = &http->waiting;

    (void)pthread_mutex_lock(&waiting->lock);
    waiting->stopping = true;
    (void)pthread_cond_signal(&waiting->wake);
    (void)pthread_mutex_unlock(&waiting->lock);
    if (waiting->has_thread) {
        (void)pthread_join(waiting->thread, NULL);
        waiting->has_thread = false;
    }
}

void lw_http_wake(struct lw_http *http)
{
    struct http_waiting *waiting = &http->waiting;

    if (atomic_load(&waiting->n) == 0) {
        return;
    }
    (void)pthread_mutex_lock(&waiting->lock);
    waiting->woken = true;
    (void)pthread_cond_signal(&waiting->wake);
    (void)pthread_mutex_unlock(&waiting->lock);
}

void lw_http_postpone(struct lw_http_exchange *exchange, const struct lw_http_postponed *class,
                      void *state)
{
    struct http_waiting *waiting = &exchange->http->waiting;
    bool waits;

    exchange->postponed = class;
    exchange->postponed_state = state;
    exchange->postponed_ns = lw_clock_monotonic_ns();
    (void)pthread_mutex_lock(&waiting->lock);
    /* It may have come true meanwhile, and then nobody would wake us. */
    waits = !waiting->stopping && !class->is_due(state, 0);
    if (waits) {
        exchange->next_waiting = waiting->first;
        if (waiting->first != NULL) {
            waiting->first->previous_waiting = exchange;
        }
        waiting->first = exchange;
        exchange->is_waiting = true;
        MHD_suspend_connection(exchange->connection);
        if (atomic_fetch_add(&waiting->n, 1) == 0) {
            (void)pthread_cond_signal(&waiting->wake);
        }
    }
    (void)pthread_mutex_unlock(&waiting->lock);
    if (!waits) {
        lw_http_postponed_answer(exchange);
    }
}

void lw_http_postponed_answer(struct lw_http_exchange *exchange)
{
    exchange->postponed->answer(exchange->postponed_state, exchange);
    lw_http_postponed_release(exchange);
}

void lw_http_postponed_release(struct lw_http_exchange *exchange)
{
    struct http_waiting *waiting = &exchange->http->waiting;

    if (exchange->postponed == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&waiting->lock);
    if (exchange->is_waiting) {
        waiting_remove(waiting, exchange);
    }
    (void)pthread_mutex_unlock(&waiting->lock);
    exchange->postponed->destroy(exchange->postponed_state);
    exchange->postponed = NULL;
    exchange->postponed_state = NULL;
}

void lw_http_count(struct lw_http *http, struct lw_http_totals *ret_totals)
{
    struct http_bodies *bodies = &http->bodies;

    (void)pthread_mutex_lock(&bodies->lock);
    *ret_totals = (struct lw_http_totals){.bodies = bodies->bodies,
                                          .body_bytes = bodies->body_bytes,
                                          .n_bodies = bodies->n_bodies,
                                          .bytes_held = bodies->bytes_held};
    (void)pthread_mutex_unlock(&bodies->lock);
    ret_totals->n_postponed = atomic_load(&http->waiting.n);
}
