/*
 * An HTTP client for requests one after another: POST, an answer of bounded size, connections kept.
 *
 * Whatever this program sends to an address that somebody configured goes through here; what it
 * fetches from targets goes through connect/scrape/transfer. Only http and https (TLS 1.2 and
 * later) are spoken, certificates are checked, redirects are not followed (they would carry headers
 * and body to a host nobody named), and proxies of the environment are used only where the setup
 * says so. One thread per client.
 */
#ifndef LW_CONNECT_HTTP_CLIENT_H
#define LW_CONNECT_HTTP_CLIENT_H

#include "base/option.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a file that holds a header. */
#define LW_HTTP_HEADER_MAX 8192
#define LW_HTTP_URL_MAX 2048
#define LW_HTTP_PATH_MAX 512
/* Longest wait that an answer's Retry-After is believed. */
#define LW_HTTP_RETRY_AFTER_MAX_NS (INT64_C(86400) * 1000000000)

struct lw_http_client;

/* Borrowed until lw_http_client_create() has returned; texts may be NULL or "": none. */
struct lw_http_setup {
    const char *header_file; /* Its first line is a header, "Authorization: ...", or, when it is one
                                word, a bearer token. Read again for each request, so that a new
                                token is taken up. */
    const char *ca_file;     /* PEM, in place of the system's certificates. */
    const char *cert_file, *key_file; /* PEM: a certificate of our own for the server. */
    int64_t timeout_ns;               /* Of one request. */
    int64_t connect_timeout_ns;       /* Of its beginning; 0: 10 s. */
    bool uses_proxy;                  /* As http_proxy, https_proxy and no_proxy say. */
};

/* Borrowed for the call. */
struct lw_http_request {
    const char *url;          /* lw_http_url_check() found it good. */
    const char *content_type; /* Of the body. */
    const void *body;         /* NULL: a GET in place of a POST. */
    size_t n_bytes;
    const char *const *headers; /* Further ones, "Name: value"; ends with NULL; may be NULL. */
    size_t answer_bytes_max;
    int64_t timeout_ns; /* 0: the setup's. */
    int stop;           /* A descriptor: once it is readable the request ends early. -1: none. */
};

/* What a request came to. */
struct lw_http_answer {
    long code;        /* HTTP status; 0: there was no answer. */
    const char *body; /* Terminated; valid until the next request. */
    size_t n_bytes;
    int64_t retry_after_ns; /* Of the header, as seconds or a date; 0: none. */
    bool is_too_long;       /* The body had more bytes than were allowed, and is cut. */
    bool is_late;           /* The time was over. */
    bool is_stopped;
};

/* LW_EINVAL for what is no http or https address, one with a user or password in it, one longer
 * than LW_HTTP_URL_MAX - 1, or, unless has_query may be, one with a query; any with a fragment. */
enum lw_status lw_http_url_check(const char *url, bool may_have_query,
                                 struct lw_error *reterr) LW_MUST_USE;
/* LW_ENOTFOUND, LW_EIO, LW_EFORMAT for the files; LW_ENOMEM. Opens no connection. */
enum lw_status lw_http_client_create(const struct lw_http_setup *setup,
                                     struct lw_http_client **ret_client,
                                     struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_http_client_destroy(struct lw_http_client *client);
/*
 * One POST, or GET. LW_OK whatever the answer's status, also with is_too_long; LW_EIO with the
 * reason where there was none, or it was stopped (is_stopped); LW_ENOMEM. ret_answer is filled in
 * any case.
 */
enum lw_status lw_http_post(struct lw_http_client *client, const struct lw_http_request *request,
                            struct lw_http_answer *ret_answer, struct lw_error *reterr) LW_MUST_USE;
/* A text as a value of a form; the caller owns it: lw_http_free(). NULL without memory. */
char *lw_http_escape(struct lw_http_client *client, const char *text);
void lw_http_free(char *text);

/* ---- options that all of our senders over HTTP have ---- */

struct lw_http_options {
    char auth_file[LW_HTTP_PATH_MAX], ca_file[LW_HTTP_PATH_MAX];
    char cert_file[LW_HTTP_PATH_MAX], key_file[LW_HTTP_PATH_MAX];
    int64_t timeout_ns;
    bool proxy;
};

/* Lines of an option table of a struct with a member struct lw_http_options; `at` is that member's
 * offset. */
#define LW_HTTP_OPTIONS(at)                                                                        \
    LW_HTTP_OPTION_FILE(at, auth_file,                                                             \
                        "File whose first line is a header, \"Authorization: ...\", or one word, " \
                        "a bearer token; read for each request."),                                 \
        LW_HTTP_OPTION_FILE(at, ca_file, "Certificates (PEM) to trust in place of the system's."), \
        LW_HTTP_OPTION_FILE(at, cert_file, "Certificate (PEM) to show to the server."),            \
        LW_HTTP_OPTION_FILE(at, key_file, "Key (PEM) of cert_file."),                              \
        {.name = "timeout",                                                                        \
         .type = LW_OPTION_DURATION,                                                               \
         .offset = (at) + offsetof(struct lw_http_options, timeout_ns),                            \
         .fallback = "10s",                                                                        \
         .min = 1e8,                                                                               \
         .max = 120e9,                                                                             \
         .unit = "duration",                                                                       \
         .help = "Of one attempt."},                                                               \
    {                                                                                              \
        .name = "proxy", .type = LW_OPTION_BOOL,                                                   \
        .offset = (at) + offsetof(struct lw_http_options, proxy), .fallback = "false", .unit = "", \
        .help = "Go through the proxy that https_proxy and http_proxy of the environment name."    \
    }
#define LW_HTTP_OPTION_FILE(at, field, text)                                                       \
    {                                                                                              \
        .name = #field, .type = LW_OPTION_TEXT,                                                    \
        .offset = (at) + offsetof(struct lw_http_options, field), .fallback = "",                  \
        .capacity = LW_HTTP_PATH_MAX, .unit = "", .help = (text)                                   \
    }

/* The setup that these options ask for; borrows them. */
struct lw_http_setup lw_http_setup_of(const struct lw_http_options *options);

#endif
