/* Requests by libcurl: see connect/prometheus/transfer.h. */
#include "connect/prometheus/transfer.h"

#include "base/error.h"
#include "base/mem.h"
#include "lapwing/lapwing.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BODY_FIRST ((size_t)64 << 10)
#define CONNECT_TIMEOUT_MS 10000L
#define NS_PER_MS 1000000

struct lw_transfer {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    char reason[CURL_ERROR_SIZE];
    char *body;
    size_t n_bytes, capacity, bytes_max;
    bool is_too_long, is_short;
};

/* libcurl hands over what came in; fewer bytes taken than given ends the request. */
static size_t body_take(char *bytes, size_t size, size_t n, void *context)
{
    struct lw_transfer *transfer = context;
    size_t n_new = size * n; /* size is 1, says libcurl's manual. */

    if (n_new > transfer->bytes_max - transfer->n_bytes) {
        transfer->is_too_long = true;
        return 0;
    }
    if (transfer->n_bytes + n_new >= transfer->capacity) {
        size_t capacity = transfer->capacity == 0 ? BODY_FIRST : transfer->capacity;
        char *body;

        while (capacity <= transfer->n_bytes + n_new) {
            capacity *= 2;
        }
        body = lw_mem_realloc(transfer->body, capacity);
        if (body == NULL) {
            transfer->is_short = true;
            return 0;
        }
        transfer->body = body;
        transfer->capacity = capacity;
    }
    memcpy(transfer->body + transfer->n_bytes, bytes, n_new);
    transfer->n_bytes += n_new;
    return n_new;
}

/* ---- the header's file ---- */

/* Reads the first line; what may not stand in a header is refused. */
static enum lw_status line_read(const char *path, char ret_line[LW_TRANSFER_HEADER_MAX],
                                struct lw_error *reterr)
{
    FILE *file = fopen(path, "re");
    size_t n;
    bool is_read;

    if (file == NULL) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.200s: %s", path,
                            strerror(errno));
    }
    n = fread(ret_line, 1, LW_TRANSFER_HEADER_MAX - 1, file);
    is_read = ferror(file) == 0;
    (void)fclose(file);
    if (!is_read) {
        return lw_error_set(reterr, LW_EIO, "%.200s: it cannot be read", path);
    }
    ret_line[n] = '\0';
    n = strcspn(ret_line, "\r\n");
    if (n == LW_TRANSFER_HEADER_MAX - 1) {
        return lw_error_set(reterr, LW_EFORMAT, "%.200s: a header has at most %d bytes", path,
                            LW_TRANSFER_HEADER_MAX - 2);
    }
    ret_line[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)ret_line[i] < ' ' || ret_line[i] == 0x7f) {
            return lw_error_set(reterr, LW_EFORMAT, "%.200s: byte %zu may not stand in a header",
                                path, i + 1);
        }
    }
    return n > 0 ? LW_OK
                 : lw_error_set(reterr, LW_EFORMAT,
                                "%.200s: expected a header, as \"Authorization: Bearer ...\", or a "
                                "token in the first line",
                                path);
}

static enum lw_status header_add(struct lw_transfer *transfer, const char *text,
                                 struct lw_error *reterr)
{
    struct curl_slist *headers = curl_slist_append(transfer->headers, text);

    if (headers == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a header");
    }
    transfer->headers = headers;
    return LW_OK;
}

/* A whole header, or a bare token, which becomes one. */
static enum lw_status header_read(struct lw_transfer *transfer, const char *path,
                                  struct lw_error *reterr)
{
    char line[LW_TRANSFER_HEADER_MAX];
    char header[LW_TRANSFER_HEADER_MAX + 32];
    enum lw_status status = line_read(path, line, reterr);
    const char *colon;

    if (status != LW_OK) {
        return status;
    }
    colon = strchr(line, ':');
    if (strchr(line, ' ') == NULL && (colon == NULL || colon[1] != ' ')) {
        (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", line);
    } else if (colon == NULL || colon == line || strcspn(line, " \t") < (size_t)(colon - line)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%.200s:1: expected \"Name: value\" or one word, a token", path);
    } else {
        (void)snprintf(header, sizeof(header), "%s", line);
    }
    return header_add(transfer, header, reterr);
}

/* ---- making ---- */

static enum lw_status url_check(const char *url, struct lw_error *reterr)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0    ? 7
                    : strncasecmp(url, "https://", 8) == 0 ? 8
                                                           : 0;
    size_t host = scheme == 0 ? 0 : strcspn(url + scheme, "/?#");

    if (host == 0) {
        return lw_error_set(reterr, LW_EINVAL, "\"%.200s\" is no address as http://prometheus:9090",
                            url);
    }
    if (memchr(url + scheme, '@', host) != NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "an address with a password would be seen by others: put the header "
                            "into a file");
    }
    return strpbrk(url + scheme + host, "?#") == NULL
               ? LW_OK
               : lw_error_set(reterr, LW_EINVAL, "the address \"%.200s\" may not have a query",
                              url);
}

static bool options_set(struct lw_transfer *transfer, const struct lw_transfer_setup *setup)
{
    CURL *curl = transfer->curl;
    char agent[64];
    bool is_set;

    (void)snprintf(agent, sizeof(agent), "lapwing/%s", lw_version());
    is_set = curl_easy_setopt(curl, CURLOPT_URL, transfer->url) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK;
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(setup->timeout_ns / NS_PER_MS));
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    if (setup->ca_file != NULL) {
        is_set = is_set && curl_easy_setopt(curl, CURLOPT_CAINFO, setup->ca_file) == CURLE_OK;
    }
    return is_set && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

enum lw_status lw_transfer_create(const struct lw_transfer_setup *setup,
                                  struct lw_transfer **ret_transfer, struct lw_error *reterr)
{
    struct lw_transfer *transfer = NULL;
    enum lw_status status = url_check(setup->url, reterr);

    if (status != LW_OK) {
        return status;
    }
    transfer = lw_mem_calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
    }
    transfer->curl = curl_easy_init();
    transfer->url = lw_mem_alloc(strlen(setup->url) + 1);
    if (transfer->curl == NULL || transfer->url == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
        goto done;
    }
    memcpy(transfer->url, setup->url, strlen(setup->url) + 1);
    /* An empty "Expect:" keeps libcurl from waiting a second before it sends a long form. */
    status = header_add(transfer, "Expect:", reterr);
    if (status == LW_OK && setup->header_file != NULL) {
        status = header_read(transfer, setup->header_file, reterr);
    }
    if (status == LW_OK && !options_set(transfer, setup)) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
    }
done:
    if (status != LW_OK) {
        lw_transfer_destroy(transfer);
        return status;
    }
    *ret_transfer = transfer;
    return LW_OK;
}

void lw_transfer_destroy(struct lw_transfer *transfer)
{
    if (transfer == NULL) {
        return;
    }
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->headers);
    lw_mem_free(transfer->body);
    lw_mem_free(transfer->url);
    lw_mem_free(transfer);
}

/* ---- requests ---- */

enum lw_status lw_transfer_post(struct lw_transfer *transfer, const char *form, size_t bytes_max,
                                struct lw_transfer_answer *ret_answer, struct lw_error *reterr)
{
    struct lw_transfer_answer answer = {0};
    CURLcode code;

    transfer->n_bytes = 0;
    transfer->bytes_max = bytes_max;
    transfer->is_too_long = transfer->is_short = false;
    transfer->reason[0] = '\0';
    (void)curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDS, form);
    code = curl_easy_perform(transfer->curl);
    if (transfer->is_short) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for an answer of more than %zu bytes",
                            transfer->n_bytes);
    }
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer.code);
    answer.is_too_long = transfer->is_too_long;
    answer.is_late = code == CURLE_OPERATION_TIMEDOUT;
    answer.n_bytes = transfer->n_bytes;
    if (transfer->body != NULL) {
        transfer->body[transfer->n_bytes] = '\0';
    }
    answer.body = transfer->body == NULL ? "" : transfer->body;
    *ret_answer = answer;
    if (code != CURLE_OK && !transfer->is_too_long) {
        return lw_error_set(reterr, LW_EIO, "%s",
                            transfer->reason[0] != '\0' ? transfer->reason
                                                        : curl_easy_strerror(code));
    }
    return LW_OK;
}

char *lw_transfer_escape(struct lw_transfer *transfer, const char *text)
{
    return curl_easy_escape(transfer->curl, text, 0);
}

void lw_transfer_free(char *text)
{
    curl_free(text);
}
