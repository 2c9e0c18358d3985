/* From "HOST:PORT" to a listening socket. */
#ifndef LW_SERVE_LISTEN_H
#define LW_SERVE_LISTEN_H

#include "lapwing/status.h"

#include <stdint.h>

#define LW_LISTEN_HOST_MAX 64

struct lw_listen {
    int fd;
    uint16_t port;                 /* The real one, also when 0 was asked for. */
    char host[LW_LISTEN_HOST_MAX]; /* As given, without brackets. */
};

/*
 * LW_OK, and the caller closes ret_listen->fd; LW_EINVAL for a text that is no HOST:PORT or a host
 * that is no loopback address; LW_EIO with the system's reason.
 */
enum lw_status lw_listen_open(const char *text, struct lw_listen *ret_listen,
                              struct lw_error *reterr) LW_MUST_USE;

#endif
