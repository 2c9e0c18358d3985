/* Puts the server together: see serve/serve.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "serve/server_internal.h"

#include <unistd.h>

static void on_tick(void *context)
{
    lw_events_tick(((struct lw_server *)context)->events);
}

static enum lw_status server_open(struct lw_server *server, const struct lw_server_config *config,
                                  struct lw_error *reterr)
{
    struct lw_http_config http = {.context = server, .tick_ms = config->tick_ms, .tick = on_tick};
    enum lw_status st = lw_listen_open(config->listen, &server->listen, reterr);

    if (st != LW_OK) {
        return st;
    }
    http.listen_fd = server->listen.fd;
    http.host = server->listen.host;
    http.routes = lw_routes(&http.n_routes);
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
    server->started_ns = lw_clock_real_ns();
    st = lw_assets_create(&server->assets, reterr);
    if (st == LW_OK) {
        st = lw_events_create(config->engine, &server->events, reterr);
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
