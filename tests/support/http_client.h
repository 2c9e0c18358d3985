/* The smallest HTTP client a test of the server needs: bytes out, everything that comes back in,
 * over loopback. */
#ifndef LW_TESTS_SUPPORT_HTTP_CLIENT_H
#define LW_TESTS_SUPPORT_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct client_answer {
    int code;
    size_t n;
    char text[1 << 20]; /* Status line, headers and body, terminated. */
};

/* A connected socket whose reads give up after 5 s; -1 when there is no server. */
static inline int client_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Reads until the text holds `until` (NULL: until the server ends the connection), and terminates
 * it. */
static inline void client_read(int fd, struct client_answer *ret_answer, const char *until)
{
    ret_answer->text[ret_answer->n] = '\0';
    while ((until == NULL || strstr(ret_answer->text, until) == NULL) &&
           ret_answer->n < sizeof(ret_answer->text) - 1) {
        ssize_t n = read(fd, ret_answer->text + ret_answer->n,
                         sizeof(ret_answer->text) - 1 - ret_answer->n);

        if (n <= 0) {
            break;
        }
        ret_answer->n += (size_t)n;
        ret_answer->text[ret_answer->n] = '\0';
    }
    ret_answer->code = 0;
    (void)sscanf(ret_answer->text, "HTTP/1.1 %d", &ret_answer->code);
}

/* One connection, one request given byte by byte, and its answer. */
static inline void client_send(uint16_t port, const char *request, size_t n_request,
                               struct client_answer *ret_answer)
{
    int fd = client_connect(port);

    ret_answer->n = 0;
    ret_answer->code = -1;
    if (fd < 0 || write(fd, request, n_request) != (ssize_t)n_request) {
        return;
    }
    client_read(fd, ret_answer, NULL);
    (void)close(fd);
}

/* A plain request; `fields` are further header lines, each ended by "\r\n". */
static inline void client_request(uint16_t port, const char *method, const char *path,
                                  const char *fields, struct client_answer *ret_answer)
{
    char request[8192];
    int n = snprintf(request, sizeof(request),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method,
                     path, fields);

    client_send(port, request, (size_t)n, ret_answer);
}

static inline const char *client_body(const struct client_answer *answer)
{
    const char *end = strstr(answer->text, "\r\n\r\n");

    return end == NULL ? "" : end + 4;
}

#endif
