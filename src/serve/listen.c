/* The listening socket: made here rather than by the HTTP library, so that a taken port is told as
 * such. */
#include "serve/listen.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Splits at the last colon; brackets around an IPv6 host are taken off. */
static enum lw_status listen_split(const char *text, struct lw_listen *at, struct lw_error *reterr)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t n_host = colon == NULL ? 0 : (size_t)(colon - text);
    size_t n_port = colon == NULL ? 0 : strlen(colon + 1);
    unsigned long port;

    if (n_host >= 2 && host[0] == '[' && host[n_host - 1] == ']') {
        host++;
        n_host -= 2;
    } else if (memchr(host, ':', n_host) != NULL) {
        n_host = 0; /* An IPv6 address without brackets has no clear end. */
    }
    if (n_host == 0 || n_port == 0 || n_port > 5 || strspn(colon + 1, "0123456789") != n_port) {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"%s\" is no address to listen on: expected HOST:PORT, such as "
                            "127.0.0.1:8080 or [::1]:8080",
                            text);
    }
    port = strtoul(colon + 1, NULL, 10);
    if (n_host >= sizeof(at->host) || port > 65535) {
        return lw_error_set(reterr, LW_EINVAL, "\"%s\" is no address to listen on: the %s", text,
                            port > 65535 ? "port is beyond 65535" : "host is too long");
    }
    memcpy(at->host, host, n_host);
    at->host[n_host] = '\0';
    at->port = (uint16_t)port;
    return LW_OK;
}

/* The loopback address that the host names; no name but localhost is looked up. */
static enum lw_status listen_address(const struct lw_listen *at, union address *address,
                                     socklen_t *ret_length, struct lw_error *reterr)
{
    const char *host = strcmp(at->host, "localhost") == 0 ? "127.0.0.1" : at->host;
    bool is_loopback;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(at->port);
        *ret_length = sizeof(address->v4);
        is_loopback = ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    } else if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(at->port);
        *ret_length = sizeof(address->v6);
        is_loopback = IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    } else {
        return lw_error_set(reterr, LW_EINVAL,
                            "\"%s\" is no IP address and not localhost: it cannot be listened on",
                            at->host);
    }
    if (!is_loopback) {
        return lw_error_set(
            reterr, LW_EINVAL,
            "refusing to listen on %s: there is no login yet, so the page stays on this machine; "
            "listen on 127.0.0.1 or "
            "[::1], and reach it from elsewhere through a tunnel or a proxy that asks who is there",
            at->host);
    }
    return LW_OK;
}

static enum lw_status listen_bind(struct lw_listen *at, union address *address, socklen_t length,
                                  struct lw_error *reterr)
{
    int on = 1;
    const char *step = "open a socket for";

    at->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (at->fd >= 0) {
        step = "listen on";
        (void)setsockopt(at->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(at->fd, &address->any, length) == 0 && listen(at->fd, BACKLOG) == 0 &&
            getsockname(at->fd, &address->any, &length) == 0) {
            at->port = ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port
                                                               : address->v6.sin6_port);
            return LW_OK;
        }
    }
    (void)lw_error_set(reterr, LW_EIO, "cannot %s %s port %u: %s", step, at->host, at->port,
                       strerror(errno));
    if (at->fd >= 0) {
        (void)close(at->fd);
    }
    return LW_EIO;
}

enum lw_status lw_listen_open(const char *text, struct lw_listen *ret_listen,
                              struct lw_error *reterr)
{
    struct lw_listen made = {.fd = -1};
    union address address;
    socklen_t length = 0;
    enum lw_status st = listen_split(text, &made, reterr);

    if (st == LW_OK) {
        st = listen_address(&made, &address, &length, reterr);
    }
    if (st == LW_OK) {
        st = listen_bind(&made, &address, length, reterr);
    }
    if (st == LW_OK) {
        *ret_listen = made;
    }
    return st;
}
