/*
 * An HTTP server for tests of clients: keeps what it is sent and answers as it was told to.
 *
 * One connection at a time. It is told before it starts, and looked into by its functions.
 */
#ifndef LW_TESTS_SUPPORT_HTTP_STUB_H
#define LW_TESTS_SUPPORT_HTTP_STUB_H

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUB_KEPT 64
#define STUB_HEAD_MAX 8192
#define STUB_BODY_MAX ((size_t)512 << 10)

struct stub_request {
    char head[STUB_HEAD_MAX]; /* With its last empty line. */
    char *body;               /* Terminated. */
    size_t n_bytes;
};

struct http_stub {
    /* Whole answers, one a request, the last again and again; NULL at a place: never answers. */
    const char *answers[8];
    size_t n_answers;
    int listener, stop[2];
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    size_t n_connections, n_requests;
    struct stub_request requests[STUB_KEPT];
};

#define STUB_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* A header's value of a request that was kept, into ret_value; "" when it has none. */
static inline const char *stub_header(const struct stub_request *request, const char *name,
                                      char ret_value[512])
{
    const char *at = request->head;
    size_t length = strlen(name);

    ret_value[0] = '\0';
    while ((at = strstr(at, "\r\n")) != NULL) {
        at += 2;
        if (strncasecmp(at, name, length) == 0 && at[length] == ':') {
            at += length + 1;
            at += strspn(at, " ");
            (void)snprintf(ret_value, 512, "%.*s", (int)strcspn(at, "\r"), at);
            break;
        }
    }
    return ret_value;
}

static inline bool stub_wait(const struct http_stub *stub, int fd)
{
    struct pollfd asked[2] = {{.fd = fd, .events = POLLIN},
                              {.fd = stub->stop[0], .events = POLLIN}};

    return poll(asked, 2, 20000) > 0 && asked[1].revents == 0;
}

/* Reads one request; false at the end of the connection. */
static inline bool stub_read(const struct http_stub *stub, int fd, struct stub_request *ret_request)
{
    size_t n = 0, n_head = 0, n_body = 0;
    char *text = malloc(STUB_HEAD_MAX + STUB_BODY_MAX + 1);

    ret_request->body = NULL;
    while (text != NULL) {
        char length[512];
        const char *end;
        ssize_t got = stub_wait(stub, fd) ? recv(fd, text + n, STUB_HEAD_MAX + STUB_BODY_MAX - n, 0)
                                          : 0;

        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        text[n] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (end == NULL) {
            continue;
        }
        n_head = (size_t)(end - text) + 4;
        (void)snprintf(ret_request->head, STUB_HEAD_MAX, "%.*s", (int)n_head, text);
        n_body = strtoul(stub_header(ret_request, "Content-Length", length), NULL, 10);
        if (n < n_head + n_body) {
            continue;
        }
        memmove(text, text + n_head, n_body);
        text[n_body] = '\0';
        ret_request->body = text;
        ret_request->n_bytes = n_body;
        return true;
    }
    free(text);
    return false;
}

static inline void stub_serve(struct http_stub *stub, int fd)
{
    struct stub_request request;

    while (stub_read(stub, fd, &request)) {
        const char *answer;

        (void)pthread_mutex_lock(&stub->lock);
        answer = stub->answers[stub->n_requests < stub->n_answers ? stub->n_requests
                                                                  : stub->n_answers - 1];
        if (stub->n_requests < STUB_KEPT) {
            stub->requests[stub->n_requests] = request;
        } else {
            free(request.body);
        }
        stub->n_requests++;
        (void)pthread_mutex_unlock(&stub->lock);
        if (answer == NULL) {
            (void)stub_wait(stub, fd); /* Until the client goes away. */
            return;
        }
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) {
            return;
        }
    }
}

static inline void *stub_run(void *context)
{
    struct http_stub *stub = context;

    while (stub_wait(stub, stub->listener)) {
        int fd = accept(stub->listener, NULL, NULL);

        if (fd < 0) {
            break;
        }
        (void)pthread_mutex_lock(&stub->lock);
        stub->n_connections++;
        (void)pthread_mutex_unlock(&stub->lock);
        stub_serve(stub, fd);
        (void)close(fd);
    }
    return NULL;
}

/* On a free port of loopback, or on `port` when it is not 0. */
static inline bool stub_start(struct http_stub *stub, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof(address);
    int yes = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(stub->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    (void)pthread_mutex_init(&stub->lock, NULL);
    if (stub->n_answers == 0) {
        stub->answers[0] = STUB_OK;
        stub->n_answers = 1;
    }
    if (pipe(stub->stop) != 0 ||
        bind(stub->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(stub->listener, 8) != 0 ||
        getsockname(stub->listener, (struct sockaddr *)&address, &length) != 0) {
        return false;
    }
    stub->port = ntohs(address.sin_port);
    return pthread_create(&stub->thread, NULL, stub_run, stub) == 0;
}

static inline void stub_stop(struct http_stub *stub)
{
    (void)!write(stub->stop[1], "", 1);
    (void)pthread_join(stub->thread, NULL);
    (void)close(stub->listener);
    (void)close(stub->stop[0]);
    (void)close(stub->stop[1]);
    for (size_t i = 0; i < STUB_KEPT; i++) {
        free(stub->requests[i].body);
    }
    (void)pthread_mutex_destroy(&stub->lock);
}

static inline size_t stub_requests(struct http_stub *stub)
{
    size_t n;

    (void)pthread_mutex_lock(&stub->lock);
    n = stub->n_requests;
    (void)pthread_mutex_unlock(&stub->lock);
    return n;
}

#endif
