/*
 * A protocol by which clients push samples over HTTP: what the server must know of it.
 *
 * The server reads the body (at most body_bytes_max as sent, decoded_bytes_max unpacked), undoes a
 * Content-Encoding that the class names, asks lw_ingest_ready(), then calls take() on one of its
 * threads. The answer is sent once the journal is durable up to answer->position; should the state
 * have become read-only by then, 503 with Retry-After is sent in its place.
 */
#ifndef LW_CONNECT_PUSH_H
#define LW_CONNECT_PUSH_H

#include "base/bytes.h"
#include "connect/ingest.h"

#define LW_PUSH_FIELDS_MAX 4

/* Borrowed for the call. */
struct lw_push_input {
    const char *path;
    const char *content_type;     /* NULL: none given. */
    const char *content_encoding; /* As sent; the body is unpacked already, but for "raw_encodings".
                                   */
    /* A query parameter's value, or NULL. */
    const char *(*query)(const void *context, const char *name);
    const void *context;
    const uint8_t *body;
    size_t n_bytes;
};

/* Zeroed by the caller, who frees `body` with lw_writer_fini. */
struct lw_push_answer {
    unsigned code;
    const char *content_type; /* Static; NULL where there is no body. */
    struct lw_writer body;
    size_t n_fields;
    struct {
        const char *name; /* Static. */
        char value[64];
    } fields[LW_PUSH_FIELDS_MAX];
    uint64_t position; /* 0: at once. */
};

struct lw_push_class {
    const char *source;            /* Of the feed and in counters: "remote_write". */
    const char *const *paths;      /* POSTed to; ends with NULL. */
    const char *summary;           /* For the reference page. */
    const char *const *parameters; /* Query parameters it knows, name and help in turn; ends with
                                      NULL. */
    const char *const *encodings;  /* Content-Encodings it takes: "snappy", "gzip", "deflate"; ends
                                      with NULL. */
    bool any_parameters;           /* Unknown query parameters are let through. */
    size_t body_bytes_max, decoded_bytes_max;
    /* Decodes, commits, and fills the answer. Any thread; the request is this thread's. */
    void (*take)(const struct lw_push_input *input, struct lw_ingest_request *request,
                 struct lw_push_answer *answer);
    /* An error of the server's own (400, 413, 415, 429, 503) in the protocol's form; NULL: problem
     * details of RFC 9457. */
    void (*refuse)(const struct lw_push_input *input, unsigned code, const char *detail,
                   struct lw_push_answer *answer);
};

/* Static; ends with NULL. */
const struct lw_push_class *const *lw_push_classes(void);

#endif
