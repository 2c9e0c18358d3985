/* Puts the server together: see serve/serve.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "serve/server_internal.h"

#include <unistd.h>

static void on_tick(void *context, uint32_t n_streams)
{
    struct lw_server *server = context;

    (void)n_streams;
    if (server->push != NULL) {
        lw_push_tick(server->push);
    }
}

static enum lw_status server_open(struct lw_server *server, const struct lw_server_config *config,
                                  struct lw_error *reterr)
{
    struct lw_http_config http = {.context = server,
                                  .tick_ms = config->tick_ms,
                                  .n_threads = config->n_threads,
                                  .tick = on_tick};
    enum lw_status st = lw_routes_create(config->push.enabled, &server->routes, reterr);

    if (st == LW_OK) {
        st = lw_listen_open(config->listen, &server->listen, reterr);
    }
    if (st != LW_OK) {
        return st;
    }
    http.listen_fd = server->listen.fd;
    http.host = server->listen.host;
    http.routes = lw_routes(server->routes, &http.n_routes);
    st = lw_http_create(&http, &server->http, reterr);
    if (st != LW_OK) {
        (void)close(server->listen.fd);
    }
    return st;
}

enum lw_status lw_server_create(const struct lw_server_config *config,
                                struct lw_server **ret_server, struct lw_error *reterr)
{
    struct lw_server *server = lw_mem_calloc(1, sizeof(*server));
    enum lw_status st;

    if (server == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the server");
    }
    server->engine = config->engine;
    server->version = config->version;
    server->scores = config->scores;
    server->started_ns = lw_clock_real_ns();
    st = lw_assets_create(&server->assets, reterr);
    if (st == LW_OK) {
        st = lw_events_create(config->engine, &server->events, reterr);
    }
    if (st == LW_OK && config->push.enabled) {
        st = lw_push_create(&(struct lw_push_config){.engine = config->engine,
                                                     .options = config->push,
                                                     .ready = &server->ready},
                            &server->push, reterr);
    }
    if (st == LW_OK) {
        st = server_open(server, config, reterr);
    }
    if (st != LW_OK) {
        lw_server_destroy(server);
        return st;
    }
    *ret_server = server;
    return LW_OK;
}

void lw_server_destroy(struct lw_server *server)
{
    if (server == NULL) {
        return;
    }
    lw_http_destroy(server->http);
    lw_push_destroy(server->push);
    lw_routes_destroy(server->routes);
    lw_events_destroy(server->events);
    lw_assets_destroy(server->assets);
    lw_mem_free(server);
}

uint16_t lw_server_port(const struct lw_server *server)
{
    return server->listen.port;
}

void lw_server_set_ready(struct lw_server *server, bool ready)
{
    atomic_store(&server->ready, ready);
}

void lw_server_end_push(struct lw_server *server)
{
    if (server->push != NULL) {
        lw_push_end(server->push);
    }
}

void lw_server_durable(struct lw_server *server)
{
    lw_http_wake(server->http);
}
