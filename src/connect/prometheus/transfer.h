/*
 * One HTTP connection for requests one after another: POST of a form, an answer of bounded size.
 *
 * Certificates are checked, redirects are not followed (they would carry the header to a host
 * nobody named), and only http and https are spoken. One thread per transfer.
 */
#ifndef LW_CONNECT_PROMETHEUS_TRANSFER_H
#define LW_CONNECT_PROMETHEUS_TRANSFER_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a file that holds a header. */
#define LW_TRANSFER_HEADER_MAX 8192

struct lw_transfer;

/* Borrowed. */
struct lw_transfer_setup {
    const char *url;         /* Of all requests; may not hold a user or a password. */
    const char *header_file; /* Its first line is a header, "Authorization: ...", or, when it is one
                                word, a bearer token. NULL: none. */
    const char *ca_file;     /* PEM, in place of the system's certificates. NULL: the system's. */
    int64_t timeout_ns;      /* Of one request. */
};

/* What a request came to. */
struct lw_transfer_answer {
    long code;        /* HTTP status; 0: there was no answer. */
    const char *body; /* Terminated; valid until the next request. */
    size_t n_bytes;
    bool is_too_long; /* The body had more bytes than were allowed, and is cut. */
    bool is_late;     /* The time was over. */
};

/* LW_EINVAL for an address that cannot be; LW_ENOTFOUND, LW_EIO, LW_EFORMAT for the files;
 * LW_ENOMEM.
 */
enum lw_status lw_transfer_create(const struct lw_transfer_setup *setup,
                                  struct lw_transfer **ret_transfer,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_transfer_destroy(struct lw_transfer *transfer);
/*
 * One request. `form` is sent as application/x-www-form-urlencoded. LW_OK whatever the answer's
 * status, also with is_too_long; LW_EIO with the reason where there was none; LW_ENOMEM.
 */
enum lw_status lw_transfer_post(struct lw_transfer *transfer, const char *form, size_t bytes_max,
                                struct lw_transfer_answer *ret_answer,
                                struct lw_error *reterr) LW_MUST_USE;
/* A text as a value of a form; the caller owns it: lw_transfer_free(). NULL without memory. */
char *lw_transfer_escape(struct lw_transfer *transfer, const char *text);
void lw_transfer_free(char *text);

#endif
