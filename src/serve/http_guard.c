/*
 * What a request must be before any handler sees it.
 *
 * The library takes requests that two readers could understand differently: two lengths, a length
 * beside a transfer coding, names that are no tokens. We refuse all of these, and a body where the
 * route takes none; the connection ends with the refusal, so that what follows is never read as
 * another request. (A folded header and a bare line feed it takes as well, and does not tell: as
 * the lengths it goes by are the ones checked here, neither shifts where the next request begins.)
 * The Host header is checked against DNS rebinding: a page of another site whose name was made to
 * point at this machine still says its own name there. For the same reason nothing is POSTed here
 * by a page of another site: its Origin says so.
 */
#include "serve/http_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct field_check {
    size_t n, n_bytes;
    unsigned n_host, n_length, n_coding;
    const char *host;
    const char *origin;
    const char *length;
    const char *coding;
    const char *wrong; /* First thing wrong with a name or value; NULL: nothing. */
};

static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return n > 0;
}

static bool is_value(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < ' ' && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static enum MHD_Result field_look(void *context, enum MHD_ValueKind kind, const char *name,
                                  size_t n_name, const char *value, size_t n_value)
{
    struct field_check *check = context;

    (void)kind;
    check->n++;
    check->n_bytes += n_name + n_value;
    if (!is_token(name, n_name)) {
        check->wrong = "a header's name is no token";
        return MHD_NO;
    }
    if (value == NULL || !is_value(value, n_value)) {
        check->wrong = "a header's value holds a control character";
        return MHD_NO;
    }
    if (strcasecmp(name, "host") == 0) {
        check->n_host++;
        check->host = value;
    } else if (strcasecmp(name, "origin") == 0) {
        check->origin = value;
    } else if (strcasecmp(name, "content-length") == 0) {
        check->n_length++;
        check->length = value;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        check->n_coding++;
        check->coding = value;
    }
    return MHD_YES;
}

/* The name in a Host header without its port and brackets; false when it is not of that form. */
static bool host_name(const char *value, char *ret_name, size_t capacity)
{
    size_t n = strlen(value);
    size_t end = n;
    const char *colon = strrchr(value, ':');

    if (n > 0 && value[0] == '[') {
        const char *bracket = strchr(value, ']');

        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':')) {
            return false;
        }
        value++;
        end = (size_t)(bracket - value);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL) {
        end = (size_t)(colon - value);
    }
    if (colon != NULL && strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        return false;
    }
    if (end == 0 || end >= capacity) {
        return false;
    }
    memcpy(ret_name, value, end);
    ret_name[end] = '\0';
    return true;
}

/* A loopback name or the name listened on, with any port: a forwarded one differs from ours. */
static bool host_is_ours(const char *value, const char *listened)
{
    char name[256];
    struct in_addr v4;
    struct in6_addr v6;

    if (!host_name(value, name, sizeof(name))) {
        return false;
    }
    if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, listened) == 0) {
        return true;
    }
    if (inet_pton(AF_INET, name, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "http://localhost:8080" and the like; pages of other sites say their own. */
static bool origin_is_ours(const char *value, const char *listened)
{
    const char *host = strstr(value, "://");

    return host != NULL && host_is_ours(host + 3, listened);
}

static bool guard_framing(struct lw_http_exchange *exchange, const struct field_check *check)
{
    if (check->n_length > 1 || check->n_coding > 1 ||
        (check->n_length > 0 && check->n_coding > 0)) {
        lw_http_send_problem(exchange, 400, "The request says in two ways how long it is.");
        return false;
    }
    if (check->coding != NULL && strcasecmp(check->coding, "chunked") != 0) {
        lw_http_send_problem(exchange, 501, "The only transfer coding known here is chunked.");
        return false;
    }
    if (check->length != NULL && (check->length[0] == '\0' ||
                                  strspn(check->length, "0123456789") != strlen(check->length))) {
        lw_http_send_problem(exchange, 400, "Content-Length is no number.");
        return false;
    }
    exchange->has_body = check->coding != NULL ||
                         (check->length != NULL &&
                          strspn(check->length, "0") != strlen(check->length));
    exchange->body_length = check->length == NULL ? 0 : strtoull(check->length, NULL, 10);
    if (check->coding != NULL) {
        exchange->body_length = LW_HTTP_LENGTH_UNKNOWN;
    } else if (exchange->body_length == LW_HTTP_LENGTH_UNKNOWN) {
        exchange->body_length--; /* What is that long is too large, and known to be. */
    }
    return true;
}

bool lw_http_guard_request(struct lw_http_exchange *exchange, const char *version)
{
    struct field_check check = {0};

    (void)MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, field_look, &check);
    exchange->close = true; /* Whatever is refused from here on ends the connection. */
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        lw_http_send_problem(exchange, 505, "This is an HTTP/1.1 server.");
        return false;
    }
    if (check.wrong != NULL) {
        lw_http_send_problem(exchange, 400, "The request is malformed: %s.", check.wrong);
        return false;
    }
    if (check.n > LW_HTTP_FIELDS_MAX || check.n_bytes > LW_HTTP_FIELDS_BYTES_MAX) {
        lw_http_send_problem(exchange, 431, "At most %d headers of %d bytes together are taken.",
                             LW_HTTP_FIELDS_MAX, LW_HTTP_FIELDS_BYTES_MAX);
        return false;
    }
    if (check.n_host > 1 || (check.n_host == 0 && strcmp(version, "HTTP/1.1") == 0)) {
        lw_http_send_problem(exchange, 400, "An HTTP/1.1 request has exactly one Host header.");
        return false;
    }
    if (check.host != NULL && !host_is_ours(check.host, exchange->http->config.host)) {
        lw_http_send_problem(exchange, 421,
                             "This server answers to localhost and to the address it listens on, "
                             "not to other names.");
        return false;
    }
    exchange->is_foreign = check.origin != NULL &&
                           !origin_is_ours(check.origin, exchange->http->config.host);
    if (!guard_framing(exchange, &check)) {
        return false;
    }
    exchange->close = exchange->has_body;
    return true;
}

struct query_check {
    const struct lw_http_route *route;
    char name[64];
    const char *wrong;
};

static bool query_is_known(const struct lw_http_route *route, const char *name)
{
    for (const struct lw_http_parameter *p = route->parameters; p != NULL && p->name != NULL; p++) {
        if (strcmp(p->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result query_look(void *context, enum MHD_ValueKind kind, const char *name,
                                  size_t n_name, const char *value, size_t n_value)
{
    struct query_check *check = context;

    (void)kind;
    if (strlen(name) != n_name ||
        (!check->route->any_parameters && !query_is_known(check->route, name))) {
        check->wrong = "is not known here";
    } else if (value == NULL || strlen(value) != n_value || !is_value(value, n_value)) {
        check->wrong = "has no proper value";
    }
    if (check->wrong != NULL) {
        (void)snprintf(check->name, sizeof(check->name), "%s", name);
        return MHD_NO;
    }
    return MHD_YES;
}

bool lw_http_guard_query(struct lw_http_exchange *exchange)
{
    struct query_check check = {.route = exchange->route};

    (void)MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, query_look,
                                      &check);
    if (check.wrong != NULL) {
        lw_http_send_problem(exchange, 400, "The parameter \"%s\" %s.", check.name, check.wrong);
        return false;
    }
    return true;
}
