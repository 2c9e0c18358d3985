/*
 * The server: threads, connections with deadlines, routing, answers.
 *
 * The library's own time-out is about inactivity, so one byte now and then would hold a connection
 * for ever. Each connection therefore has a deadline of ours: LW_HTTP_IDLE_S to say what it wants,
 * LW_HTTP_ANSWER_S to take the answer; see lw_http_ticker().
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "serve/http_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static const unsigned short codes[LW_HTTP_CODES] = {
    200, 204, 304, 400, 401, 403, 404, 405, 413, 414, 415, 421, 422, 429, 431, 500, 501, 503, 505};

static const struct {
    const char *name, *value;
} every_answer[] = {
    {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
                                "'self' data:; font-src 'self'; connect-src 'self'; "
                                "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

/* ---- connections ---- */

static int64_t idle_ns(const struct lw_http *http)
{
    return http->config.idle_ms * INT64_C(1000000);
}

static void connection_set_deadline(struct lw_http *http, struct http_connection *entry,
                                    int64_t after_ns)
{
    if (entry == NULL) {
        return;
    }
    pthread_mutex_lock(&http->lock);
    entry->deadline_ns = lw_clock_monotonic_ns() + after_ns;
    pthread_mutex_unlock(&http->lock);
}

void lw_http_set_deadline(struct lw_http_exchange *exchange, int64_t after_ns)
{
    connection_set_deadline(exchange->http, exchange->entry, after_ns);
}

static struct http_connection *connection_open(struct lw_http *http,
                                               struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *entry = info == NULL ? NULL : lw_mem_calloc(1, sizeof(*entry));

    if (entry == NULL) {
        return NULL;
    }
    entry->fd = info->connect_fd;
    entry->deadline_ns = lw_clock_monotonic_ns() + idle_ns(http);
    pthread_mutex_lock(&http->lock);
    entry->next = http->connections;
    if (entry->next != NULL) {
        entry->next->previous = entry;
    }
    http->connections = entry;
    pthread_mutex_unlock(&http->lock);
    return entry;
}

static void connection_close(struct lw_http *http, struct http_connection *entry)
{
    if (entry == NULL) {
        return;
    }
    pthread_mutex_lock(&http->lock);
    if (entry->previous != NULL) {
        entry->previous->next = entry->next;
    } else {
        http->connections = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    }
    pthread_mutex_unlock(&http->lock);
    lw_mem_free(entry);
}

/* The library calls this before it closes the socket, so an entry's descriptor is never another
 * connection's. */
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct lw_http *http = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = connection_open(http, connection);
    } else {
        connection_close(http, *socket_context);
        *socket_context = NULL;
    }
}

static struct http_connection *connection_entry(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info == NULL ? NULL : info->socket_context;
}

/* ---- answers ---- */

static void answer_count(struct lw_http_exchange *exchange, unsigned code)
{
    struct lw_http *http = exchange->http;
    size_t row = exchange->route == NULL ? http->config.n_routes
                                         : (size_t)(exchange->route - http->config.routes);

    for (size_t i = 0; i < LW_HTTP_CODES; i++) {
        if (codes[i] == code) {
            atomic_fetch_add_explicit(&http->answers[row * LW_HTTP_CODES + i], 1,
                                      memory_order_relaxed);
        }
    }
}

void lw_http_queue(struct lw_http_exchange *exchange, unsigned code, const char *type,
                   struct MHD_Response *response)
{
    bool caches = false;

    exchange->answered = true;
    if (response == NULL) {
        exchange->result = MHD_NO; /* Out of memory: the connection ends. */
        return;
    }
    for (size_t i = 0; i < sizeof(every_answer) / sizeof(every_answer[0]); i++) {
        (void)MHD_add_response_header(response, every_answer[i].name, every_answer[i].value);
    }
    for (size_t i = 0; i < exchange->n_added; i++) {
        (void)MHD_add_response_header(response, exchange->added[i][0], exchange->added[i][1]);
        caches = caches || strcmp(exchange->added[i][0], "Cache-Control") == 0;
    }
    if (!caches) {
        (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    }
    if (type != NULL) {
        (void)MHD_add_response_header(response, "Content-Type", type);
    }
    if (exchange->close) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
    answer_count(exchange, code);
    exchange->result = MHD_queue_response(exchange->connection, code, response);
    MHD_destroy_response(response);
}

struct lw_json *lw_http_json(struct lw_http_exchange *exchange)
{
    return &exchange->json;
}

void lw_http_add_field(struct lw_http_exchange *exchange, const char *name, const char *value)
{
    if (exchange->n_added < HTTP_ADDED_MAX) {
        exchange->added[exchange->n_added][0] = name;
        exchange->added[exchange->n_added][1] = value;
        exchange->n_added++;
    }
}

void lw_http_send_text(struct lw_http_exchange *exchange, unsigned code, const char *type,
                       struct lw_writer *text)
{
    struct MHD_Response *response;

    if (text->status != LW_OK) {
        lw_http_queue(exchange, code, type, NULL);
        return;
    }
    response = MHD_create_response_from_buffer_with_free_callback(text->n_bytes, text->data,
                                                                  lw_mem_free);
    if (response != NULL) {
        lw_writer_init(text);
    }
    lw_http_queue(exchange, code, type, response);
}

void lw_http_send_json(struct lw_http_exchange *exchange, unsigned code)
{
    lw_http_send_text(exchange, code, "application/json", &exchange->json.out);
}

void lw_http_send_static(struct lw_http_exchange *exchange, unsigned code, const char *type,
                         const void *bytes, size_t n_bytes)
{
    /* The library only reads from a persistent buffer, whatever its prototype says. */
    union {
        const void *from;
        void *to;
    } buffer = {.from = bytes};

    lw_http_queue(exchange, code, type,
                  MHD_create_response_from_buffer(n_bytes, buffer.to, MHD_RESPMEM_PERSISTENT));
}

static const char *code_title(unsigned code)
{
    switch (code) {
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 421:
        return "Misdirected Request";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

void lw_http_send_problem(struct lw_http_exchange *exchange, unsigned code, const char *detail, ...)
{
    struct lw_json *json = &exchange->json;
    char text[512];
    va_list arguments;

    va_start(arguments, detail);
    (void)vsnprintf(text, sizeof(text), detail, arguments);
    va_end(arguments);
    lw_json_reset(json);
    lw_json_begin_object(json);
    lw_json_key(json, "type");
    lw_json_text(json, "about:blank");
    lw_json_key(json, "title");
    lw_json_text(json, code_title(code));
    lw_json_key(json, "status");
    lw_json_int(json, (int64_t)code);
    lw_json_key(json, "detail");
    lw_json_text(json, text);
    lw_json_end(json);
    lw_http_send_text(exchange, code, "application/problem+json", &json->out);
}

/* ---- the request ---- */

const char *lw_http_query(const struct lw_http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *lw_http_field(const struct lw_http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

const void *lw_http_tag(const struct lw_http_exchange *exchange)
{
    return exchange->route->tag;
}

const char *lw_http_path(const struct lw_http_exchange *exchange)
{
    return exchange->path;
}

static bool number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text[0] == '\0') {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');

        if (*c < '0' || *c > '9' || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    return number <= max;
}

bool lw_http_query_number(struct lw_http_exchange *exchange, const char *name, uint64_t min,
                          uint64_t max, uint64_t fallback, uint64_t *ret_number)
{
    const char *text = lw_http_query(exchange, name);
    uint64_t number = fallback;

    if (text != NULL && (!number_parse(text, max, &number) || number < min)) {
        lw_http_send_problem(exchange, 400,
                             "The parameter \"%s\" must be a whole number from %llu to %llu.", name,
                             (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret_number = number;
    return true;
}

bool lw_http_part_number(struct lw_http_exchange *exchange, size_t index, uint64_t max,
                         uint64_t *ret_number)
{
    if (exchange->parts[index] == NULL || !number_parse(exchange->parts[index], max, ret_number)) {
        lw_http_send_problem(exchange, 404, "This path needs a number where it has none.");
        return false;
    }
    return true;
}

/* ---- routing ---- */

/* Whether the path is of the pattern; cuts the parts that braces take out of it when it is. */
static bool path_matches(struct lw_http_exchange *exchange, const char *pattern)
{
    size_t starts[LW_HTTP_PARTS_MAX], ends[LW_HTTP_PARTS_MAX];
    size_t n_parts = 0;
    const char *at = exchange->path;

    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *at++) {
                return false;
            }
            continue;
        }
        starts[n_parts] = (size_t)(at - exchange->path);
        at += strcspn(at, "/");
        ends[n_parts++] = (size_t)(at - exchange->path);
        pattern += strcspn(pattern, "}") + 1;
    }
    if (*at != '\0') {
        return false;
    }
    for (size_t i = 0; i < n_parts; i++) {
        exchange->parts[i] = exchange->path + starts[i];
        exchange->path[ends[i]] = '\0';
    }
    return true;
}

/* A path may be read by one route and written by another. */
static const struct lw_http_route *route_find(struct lw_http_exchange *exchange, bool posts)
{
    const struct lw_http_config *config = &exchange->http->config;
    const struct lw_http_route *other = NULL;

    for (size_t i = 0; i < config->n_routes; i++) {
        if (path_matches(exchange, config->routes[i].path)) {
            if ((config->routes[i].upload != NULL) == posts) {
                return &config->routes[i];
            }
            other = &config->routes[i];
        }
    }
    return other;
}

/* Finds the route of a request; answers and returns false where there is none for it. */
static bool exchange_route(struct lw_http_exchange *exchange, const char *url, const char *method)
{
    size_t n_url = strlen(url);
    bool takes_post;

    if (n_url > LW_HTTP_PATH_BYTES_MAX) {
        lw_http_send_problem(exchange, 414, "Paths of at most %d bytes are taken.",
                             LW_HTTP_PATH_BYTES_MAX);
        return false;
    }
    memcpy(exchange->path, url, n_url + 1);
    exchange->route = route_find(exchange, strcmp(method, "POST") == 0);
    if (exchange->route == NULL) {
        lw_http_send_problem(exchange, 404,
                             "There is nothing at this path; /v1/status is a good place to start.");
        return false;
    }
    takes_post = exchange->route->upload != NULL;
    if (takes_post ? strcmp(method, "POST") != 0
                   : strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        lw_http_add_field(exchange, "Allow", takes_post ? "POST" : "GET, HEAD");
        lw_http_send_problem(exchange, 405, "This path takes %s.",
                             takes_post ? "POST" : "GET and HEAD");
        return false;
    }
    if (exchange->has_body && !takes_post) {
        lw_http_send_problem(exchange, 413, "This path takes no body.");
        return false;
    }
    return lw_http_guard_query(exchange);
}

/* Whatever is answered here ends the connection: the library reads no further then. */
static void exchange_begin(struct lw_http_exchange *exchange, const char *url, const char *method,
                           const char *version)
{
    lw_http_set_deadline(exchange, LW_HTTP_ANSWER_S * SECOND_NS);
    if (!lw_http_guard_request(exchange, version)) {
        return;
    }
    if (!exchange->has_body && strcmp(method, "POST") != 0) {
        return; /* Answered when the library says that the request is complete. */
    }
    exchange->close = true;
    if (exchange_route(exchange, url, method)) {
        lw_http_body_begin(exchange);
    }
    if (!exchange->answered) {
        lw_http_set_deadline(exchange, exchange->http->config.body_ms * INT64_C(1000000));
    }
    exchange->close = exchange->answered;
}

static void exchange_answer(struct lw_http_exchange *exchange, const char *url, const char *method)
{
    if (exchange->postponed != NULL) {
        lw_http_postponed_answer(exchange);
    } else if (exchange->takes_body || exchange->refusal != 0) {
        lw_http_set_deadline(exchange, LW_HTTP_ANSWER_S * SECOND_NS);
        if (lw_http_body_end(exchange)) {
            exchange->route->answer(exchange->http->config.context, exchange);
        }
        lw_http_body_release(exchange);
    } else if (exchange_route(exchange, url, method)) {
        exchange->route->answer(exchange->http->config.context, exchange);
    }
    if (!exchange->answered && exchange->postponed == NULL) {
        lw_http_send_problem(exchange, 500, "The request was left without an answer.");
    }
}

static struct lw_http_exchange *exchange_create(struct lw_http *http,
                                                struct MHD_Connection *connection)
{
    struct lw_http_exchange *exchange = lw_mem_calloc(1, sizeof(*exchange));

    if (exchange != NULL) {
        exchange->http = http;
        exchange->connection = connection;
        exchange->entry = connection_entry(connection);
        exchange->result = MHD_YES;
        lw_json_init(&exchange->json);
    }
    return exchange;
}

static void exchange_destroy(struct lw_http_exchange *exchange)
{
    if (exchange != NULL) {
        lw_http_postponed_release(exchange);
        lw_http_body_release(exchange);
        lw_json_fini(&exchange->json);
        lw_mem_free(exchange);
    }
}

/*
 * The library calls when the headers are there, for each piece of a body, when the request is
 * complete, and once more when a suspended connection goes on.
 */
/* NOLINTNEXTLINE(readability-function-size): the HTTP library's signature. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **request)
{
    struct lw_http_exchange *exchange = *request;

    if (exchange == NULL) {
        exchange = exchange_create(context, connection);
        *request = exchange;
        if (exchange == NULL) {
            return MHD_NO;
        }
        exchange_begin(exchange, url, method, version);
    } else if (*upload_bytes > 0) {
        lw_http_body_add(exchange, upload, *upload_bytes);
        *upload_bytes = 0;
    } else if (!exchange->answered) {
        exchange_answer(exchange, url, method);
    }
    return exchange->result;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %xx in place. "%00" becomes a control character rather than an end: no path has one, and
 * no value may. */
static size_t on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    char *to = text;

    (void)context;
    (void)connection;
    for (const char *from = text; *from != '\0'; from++) {
        int high = *from == '%' ? hex_digit(from[1]) : -1;
        int low = high >= 0 ? hex_digit(from[2]) : -1;

        if (low < 0) {
            *to++ = *from;
            continue;
        }
        *to++ = high + low == 0 ? '\1' : (char)(unsigned char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return (size_t)(to - text);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    exchange_destroy(*request);
    *request = NULL;
    connection_set_deadline(context, connection_entry(connection), idle_ns(context));
}

/* ---- life ---- */

static enum lw_status http_start(struct lw_http *http, struct lw_error *reterr)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, http},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)on_unescape, NULL},
        {MHD_OPTION_LISTEN_SOCKET, http->config.listen_fd, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)http->config.n_threads, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, LW_HTTP_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, LW_HTTP_MEMORY_BYTES, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, LW_HTTP_IDLE_S, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_ARRAY,
                                    options, MHD_OPTION_END);
    if (http->daemon == NULL) {
        return lw_error_set(reterr, LW_EIO, "the HTTP server does not start");
    }
    if (lw_http_waiting_start(http, reterr) != LW_OK) {
        return LW_EIO;
    }
    if (pthread_create(&http->ticker, NULL, lw_http_ticker, http) != 0) {
        return lw_error_set(reterr, LW_EIO, "no thread for the HTTP server's clock");
    }
    http->has_ticker = true;
    return LW_OK;
}

static uint32_t threads_default(void)
{
    long half = sysconf(_SC_NPROCESSORS_ONLN) / 2;

    half = half < LW_HTTP_THREADS ? LW_HTTP_THREADS : half;
    return half > LW_HTTP_THREADS_MAX ? LW_HTTP_THREADS_MAX : (uint32_t)half;
}

static void http_init_locks(struct lw_http *http)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&http->wake, &monotonic);
    pthread_mutex_init(&http->waiting.lock, NULL);
    pthread_cond_init(&http->waiting.wake, &monotonic);
    lw_http_bodies_init(&http->bodies);
    pthread_condattr_destroy(&monotonic);
}

enum lw_status lw_http_create(const struct lw_http_config *config, struct lw_http **ret_http,
                              struct lw_error *reterr)
{
    struct lw_http *http = lw_mem_calloc(1, sizeof(*http));
    int listen_fd;
    enum lw_status st;

    if (http == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the HTTP server");
    }
    http->config = *config;
    (void)snprintf(http->host, sizeof(http->host), "%s", config->host);
    http->config.host = http->host;
    http->config.tick_ms = config->tick_ms == 0 ? 1000 : config->tick_ms;
    http->config.idle_ms = config->idle_ms == 0 ? LW_HTTP_IDLE_S * 1000 : config->idle_ms;
    http->config.body_ms = config->body_ms == 0 ? LW_HTTP_BODY_S * 1000 : config->body_ms;
    http->config.n_threads = config->n_threads == 0 ? threads_default() : config->n_threads;
    http_init_locks(http);
    /* On failure the socket stays the caller's, while the library closes what it was given: so it
     * gets a copy. */
    listen_fd = dup(config->listen_fd);
    http->config.listen_fd = listen_fd;
    http->answers = lw_mem_calloc((config->n_routes + 1) * LW_HTTP_CODES, sizeof(http->answers[0]));
    if (http->answers == NULL) {
        st = lw_error_set(reterr, LW_ENOMEM, "no memory for the HTTP server's counters");
    } else if (listen_fd < 0) {
        st = lw_error_set(reterr, LW_EIO, "the listening socket cannot be copied");
    } else {
        st = http_start(http, reterr);
    }
    if (st != LW_OK) {
        if (http->daemon == NULL && listen_fd >= 0) {
            (void)close(listen_fd);
        }
        lw_http_destroy(http);
        return st;
    }
    (void)close(config->listen_fd);
    *ret_http = http;
    return LW_OK;
}

void lw_http_destroy(struct lw_http *http)
{
    if (http == NULL) {
        return;
    }
    lw_http_end_streams(http);
    lw_http_waiting_stop(http);
    if (http->has_ticker) {
        (void)pthread_join(http->ticker, NULL);
    }
    if (http->daemon != NULL) {
        MHD_stop_daemon(http->daemon);
    }
    lw_http_bodies_fini(&http->bodies);
    pthread_cond_destroy(&http->waiting.wake);
    pthread_mutex_destroy(&http->waiting.lock);
    pthread_cond_destroy(&http->wake);
    pthread_mutex_destroy(&http->lock);
    lw_mem_free(http->answers);
    lw_mem_free(http);
}

struct lw_http *lw_http_server(const struct lw_http_exchange *exchange)
{
    return exchange->http;
}

uint64_t lw_http_answers(const struct lw_http *http, size_t route, size_t index, unsigned *ret_code)
{
    *ret_code = index < LW_HTTP_CODES ? codes[index] : 0;
    if (*ret_code == 0) {
        return 0;
    }
    return atomic_load_explicit(&http->answers[route * LW_HTTP_CODES + index],
                                memory_order_relaxed);
}
