/* Requests of scrapes by libcurl: see scrape/transfer.h. */
#include "connect/scrape/transfer.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/first_line.h"
#include "lapwing/lapwing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BODY_FIRST ((size_t)64 << 10)
#define LINE_MAX_BYTES 4096
#define NS_PER_MS 1000000
#define NS_PER_S 1e9
#define OK 200
#define ACCEPT                                                                                     \
    "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"               \
    "application/openmetrics-text;version=1.0.0;q=0.5,"                                            \
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"

/* libcurl hands over what came in; fewer bytes taken than given ends the transfer. */
static size_t body_take(char *bytes, size_t size, size_t n, void *context)
{
    struct lw_scrape_target *target = context;
    size_t n_new = size * n; /* size is 1, says libcurl's manual. */

    if (n_new > target->bytes_max - target->n_bytes) {
        target->is_too_long = true;
        return 0;
    }
    if (target->n_bytes + n_new > target->capacity) {
        size_t capacity = target->capacity == 0 ? BODY_FIRST : target->capacity;
        char *body;

        while (capacity < target->n_bytes + n_new) {
            capacity *= 2;
        }
        body = lw_mem_realloc(target->body, capacity);
        if (body == NULL) {
            target->is_short = true;
            return 0;
        }
        target->body = body;
        target->capacity = capacity;
    }
    memcpy(target->body + target->n_bytes, bytes, n_new);
    target->n_bytes += n_new;
    return n_new;
}

/* ---- credentials ---- */

static enum lw_status line_read(const char *path, char ret_line[LINE_MAX_BYTES],
                                struct lw_error *reterr)
{
    enum lw_status status = lw_first_line_read(path, "its first line", ret_line, LINE_MAX_BYTES,
                                               reterr);

    if (status == LW_OK) {
        status = lw_first_line_check(path, ret_line, reterr);
    }
    if (status == LW_OK && ret_line[0] == '\0') {
        return lw_error_set(reterr, LW_EFORMAT, "%.200s: its first line must have 1 to %d bytes",
                            path, LINE_MAX_BYTES - 2);
    }
    return status;
}

static bool header_add(struct lw_scrape_target *target, const char *text)
{
    struct curl_slist *headers = curl_slist_append(target->headers, text);

    target->headers = headers == NULL ? target->headers : headers;
    return headers != NULL;
}

/* A whole header, or a bare token, which becomes one. */
static enum lw_status auth_set(struct lw_scrape_target *target, const char *path,
                               struct lw_error *reterr)
{
    char line[LINE_MAX_BYTES], header[LINE_MAX_BYTES + 32];
    enum lw_status status = line_read(path, line, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (strchr(line, ' ') == NULL) {
        (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", line);
    } else if (strchr(line, ':') == NULL || strcspn(line, " ") < strcspn(line, ":")) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%.200s:1: expected \"Name: value\" or one word, a token", path);
    } else {
        (void)snprintf(header, sizeof(header), "%s", line);
    }
    return header_add(target, header) ? LW_OK
                                      : lw_error_set(reterr, LW_ENOMEM, "no memory for a header");
}

static enum lw_status basic_auth_set(CURL *curl, const char *path, struct lw_error *reterr)
{
    char line[LINE_MAX_BYTES];
    enum lw_status status = line_read(path, line, reterr);

    if (status == LW_OK && strchr(line, ':') == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "%.200s:1: expected user:password", path);
    }
    if (status == LW_OK && (curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) != CURLE_OK ||
                            curl_easy_setopt(curl, CURLOPT_USERPWD, line) != CURLE_OK)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a user's name");
    }
    return status;
}

/* ---- one scrape ---- */

static bool tls_set(const struct lw_scrape_transfers *transfers, CURL *curl)
{
    bool is_set = true;

    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, transfers->skips_verify ? 0L : 1L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, transfers->skips_verify ? 0L : 2L);
    if (transfers->ca_file != NULL) {
        is_set = curl_easy_setopt(curl, CURLOPT_CAINFO, transfers->ca_file) == CURLE_OK;
    }
    if (transfers->cert_file != NULL) {
        is_set = is_set &&
                 curl_easy_setopt(curl, CURLOPT_SSLCERT, transfers->cert_file) == CURLE_OK;
    }
    if (transfers->key_file != NULL) {
        is_set = is_set && curl_easy_setopt(curl, CURLOPT_SSLKEY, transfers->key_file) == CURLE_OK;
    }
    return is_set;
}

static bool options_set(const struct lw_scrape_transfers *transfers,
                        struct lw_scrape_target *target)
{
    CURL *curl = target->curl;
    const char *url = target->target.url;
    char agent[64];

    (void)snprintf(agent, sizeof(agent), "lapwing/%s", lw_version());
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)LW_SCRAPE_REDIRECTS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(transfers->timeout_ns / NS_PER_MS));
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, target->reason);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, target);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, target);
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
                            strncmp(url, "https:", 6) == 0 ? "https" : "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, target->headers) == CURLE_OK &&
           tls_set(transfers, curl);
}

enum lw_status lw_scrape_transfer_begin(const struct lw_scrape_transfers *transfers,
                                        struct lw_scrape_target *target, struct lw_error *reterr)
{
    char patience[64];
    enum lw_status status = LW_OK;

    target->curl = target->curl == NULL ? curl_easy_init() : target->curl;
    if (target->curl == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
    }
    curl_easy_reset(target->curl); /* Keeps the connection. */
    curl_slist_free_all(target->headers);
    target->headers = NULL;
    target->bytes_max = transfers->body_bytes_max;
    target->is_too_long = target->is_short = false;
    target->reason[0] = '\0';
    (void)snprintf(patience, sizeof(patience), "X-Prometheus-Scrape-Timeout-Seconds: %.3f",
                   (double)transfers->timeout_ns / NS_PER_S);
    if (!header_add(target, ACCEPT) || !header_add(target, patience)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a header");
    }
    if (transfers->auth_file != NULL) {
        status = auth_set(target, transfers->auth_file, reterr);
    }
    if (status == LW_OK && transfers->basic_auth_file != NULL) {
        status = basic_auth_set(target->curl, transfers->basic_auth_file, reterr);
    }
    if (status == LW_OK && !options_set(transfers, target)) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a connection, or no such libcurl");
    }
    return status;
}

void lw_scrape_transfer_end(struct lw_scrape_target *target, CURLcode code,
                            struct lw_scrape_result *ret_result)
{
    char *reason = ret_result->reason;
    size_t capacity = sizeof(ret_result->reason);
    char *content_type = NULL;
    long answer = 0;

    (void)curl_easy_getinfo(target->curl, CURLINFO_RESPONSE_CODE, &answer);
    (void)curl_easy_getinfo(target->curl, CURLINFO_CONTENT_TYPE, &content_type);
    ret_result->is_up = false;
    ret_result->content_type = content_type;
    if (target->is_too_long) {
        (void)snprintf(reason, capacity, "the answer has more than %zu bytes", target->bytes_max);
    } else if (target->is_short) {
        (void)snprintf(reason, capacity, "no memory for an answer of more than %zu bytes",
                       target->n_bytes);
    } else if (code != CURLE_OK) {
        (void)snprintf(reason, capacity, "%s",
                       target->reason[0] != '\0' ? target->reason : curl_easy_strerror(code));
    } else if (answer != OK) {
        (void)snprintf(reason, capacity, "the answer is HTTP status %ld", answer);
    } else {
        ret_result->is_up = true;
    }
}

void lw_scrape_transfer_forget(struct lw_scrape_target *target)
{
    lw_mem_free(target->body);
    target->body = NULL;
    target->n_bytes = target->capacity = 0;
}

void lw_scrape_transfer_fini(struct lw_scrape_target *target)
{
    curl_easy_cleanup(target->curl);
    curl_slist_free_all(target->headers);
    lw_scrape_transfer_forget(target);
}
