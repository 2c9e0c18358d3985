/*
 * Streams of server-sent events, and the one thread that keeps time: it wakes the streams and ends
 * connections past their deadline.
 *
 * A stream with nothing to send is suspended, so it costs no thread; each tick resumes it and asks
 * it for more. What a slow client has not taken yet keeps the stream from being asked again, so a
 * client never holds more than one answer of `more`.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "serve/http_internal.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BLOCK_BYTES 16384
#define KEEP_ALIVE_NS (INT64_C(15) * 1000000000)

/* In the list of its server; `suspended` and the links are guarded by the server's lock, the rest
 * is its connection's thread's. */
struct http_live {
    struct http_live *previous, *next;
    struct lw_http *http;
    struct MHD_Connection *connection;
    const struct lw_http_stream *class;
    void *stream;
    struct lw_writer out;
    size_t taken; /* Bytes of out that the library has taken. */
    int64_t wrote_ns;
    uint64_t seen_tick;
    uint64_t tick; /* Guarded by the lock: ticks since the stream began. */
    bool suspended;
};

/* Fills live->out when a tick has passed; false ends the stream. */
static bool live_fill(struct http_live *live, uint64_t tick)
{
    lw_writer_reset(&live->out);
    live->taken = 0;
    if (live->seen_tick == tick) {
        return true;
    }
    live->seen_tick = tick;
    if (!live->class->more(live->stream, &live->out) || live->out.status != LW_OK) {
        return false;
    }
    if (live->out.n_bytes > 0) {
        live->wrote_ns = lw_clock_monotonic_ns();
    } else if (lw_clock_monotonic_ns() - live->wrote_ns >= KEEP_ALIVE_NS) {
        static const char comment[] = ": still here\n\n";

        lw_write_raw(&live->out, comment, sizeof(comment) - 1);
        live->wrote_ns = lw_clock_monotonic_ns();
    }
    return live->out.status == LW_OK;
}

/* Nothing to send: sleep until the next tick, unless it came meanwhile. False: the server ends. */
static bool live_suspend(struct http_live *live)
{
    struct lw_http *http = live->http;
    bool goes_on;

    pthread_mutex_lock(&http->lock);
    goes_on = !http->stopping;
    if (goes_on && live->tick == live->seen_tick) {
        live->suspended = true;
        MHD_suspend_connection(live->connection);
    }
    pthread_mutex_unlock(&http->lock);
    return goes_on;
}

static ssize_t live_read(void *context, uint64_t position, char *ret_bytes, size_t capacity)
{
    struct http_live *live = context;
    size_t n;

    (void)position;
    if (live->taken == live->out.n_bytes) {
        uint64_t tick;
        bool stopping;

        pthread_mutex_lock(&live->http->lock);
        tick = live->tick;
        stopping = live->http->stopping;
        pthread_mutex_unlock(&live->http->lock);
        if (stopping || !live_fill(live, tick)) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
    }
    n = live->out.n_bytes - live->taken;
    if (n == 0) {
        return live_suspend(live) ? 0 : MHD_CONTENT_READER_END_OF_STREAM;
    }
    n = n < capacity ? n : capacity;
    memcpy(ret_bytes, live->out.data + live->taken, n);
    live->taken += n;
    return (ssize_t)n;
}

static void live_free(void *context)
{
    struct http_live *live = context;
    struct lw_http *http = live->http;

    pthread_mutex_lock(&http->lock);
    if (live->previous != NULL) {
        live->previous->next = live->next;
    } else {
        http->lives = live->next;
    }
    if (live->next != NULL) {
        live->next->previous = live->previous;
    }
    http->n_lives--;
    pthread_mutex_unlock(&http->lock);
    live->class->close(live->stream);
    lw_writer_fini(&live->out);
    lw_mem_free(live);
}

/* Takes the stream into the server's list; false when there are too many or the server ends. */
static bool live_enter(struct http_live *live, struct http_connection *entry)
{
    struct lw_http *http = live->http;
    bool enters;

    pthread_mutex_lock(&http->lock);
    enters = !http->stopping && http->n_lives < LW_HTTP_STREAMS_MAX;
    if (enters) {
        live->next = http->lives;
        if (live->next != NULL) {
            live->next->previous = live;
        }
        http->lives = live;
        http->n_lives++;
        if (entry != NULL) {
            entry->deadline_ns = INT64_MAX;
        }
    }
    pthread_mutex_unlock(&http->lock);
    return enters;
}

void lw_http_send_stream(struct lw_http_exchange *exchange, const struct lw_http_stream *class,
                         void *stream)
{
    struct http_live *live = lw_mem_calloc(1, sizeof(*live));
    struct MHD_Response *response = NULL;

    if (live != NULL) {
        live->http = exchange->http;
        live->connection = exchange->connection;
        live->class = class;
        live->stream = stream;
        live->tick = 1; /* So that a stream is asked at once. */
        lw_writer_init(&live->out);
    }
    if (live == NULL || !live_enter(live, exchange->entry)) {
        lw_mem_free(live);
        class->close(stream);
        lw_http_add_field(exchange, "Retry-After", "30");
        lw_http_send_problem(exchange, 503, "At most %d event streams can be open at once.",
                             LW_HTTP_STREAMS_MAX);
        return;
    }
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, live_read, live,
                                                 live_free);
    if (response == NULL) {
        live_free(live);
        lw_http_send_problem(exchange, 503, "Out of memory.");
        return;
    }
    lw_http_add_field(exchange, "X-Accel-Buffering", "no");
    lw_http_queue(exchange, 200, "text/event-stream", response);
}

static void streams_wake(struct lw_http *http)
{
    for (struct http_live *live = http->lives; live != NULL; live = live->next) {
        live->tick++;
        if (live->suspended) {
            live->suspended = false;
            MHD_resume_connection(live->connection);
        }
    }
}

/* Shutting the socket down is enough: the library then sees its end and frees the connection, on
 * its own thread. */
static void connections_expire(struct lw_http *http, int64_t now_ns)
{
    for (struct http_connection *entry = http->connections; entry != NULL; entry = entry->next) {
        if (now_ns >= entry->deadline_ns) {
            (void)shutdown(entry->fd, SHUT_RDWR);
            entry->deadline_ns = INT64_MAX;
        }
    }
}

static struct timespec next_tick(uint32_t tick_ms)
{
    int64_t at_ns = lw_clock_monotonic_ns() + (int64_t)tick_ms * 1000000;

    return (struct timespec){.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
}

void *lw_http_ticker(void *context)
{
    struct lw_http *http = context;

    pthread_mutex_lock(&http->lock);
    while (!http->stopping) {
        struct timespec until = next_tick(http->config.tick_ms);

        while (!http->stopping && pthread_cond_timedwait(&http->wake, &http->lock, &until) == 0) {
        }
        if (http->stopping) {
            break;
        }
        if (http->config.tick != NULL) {
            uint32_t n_lives = http->n_lives;

            pthread_mutex_unlock(&http->lock);
            http->config.tick(http->config.context, n_lives);
            pthread_mutex_lock(&http->lock);
        }
        streams_wake(http);
        connections_expire(http, lw_clock_monotonic_ns());
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

void lw_http_end_streams(struct lw_http *http)
{
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_cond_broadcast(&http->wake);
    streams_wake(http);
    pthread_mutex_unlock(&http->lock);
}

uint32_t lw_http_n_streams(struct lw_http *http)
{
    uint32_t n;

    pthread_mutex_lock(&http->lock);
    n = http->n_lives;
    pthread_mutex_unlock(&http->lock);
    return n;
}
