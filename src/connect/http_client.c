/* Requests by libcurl: see connect/http_client.h. */
#include "connect/http_client.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/first_line.h"
#include "lapwing/lapwing.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BODY_FIRST ((size_t)64 << 10)
#define CONNECT_TIMEOUT_NS INT64_C(10000000000)
#define NS_PER_MS 1000000
#define SECOND_NS INT64_C(1000000000)
/* Descriptors wake the wait; this bounds it all the same. */
#define POLL_MS 1000

struct lw_http_client {
    CURLM *multi; /* Keeps the connections. */
    CURL *curl;
    char header_file[LW_HTTP_PATH_MAX];
    int64_t timeout_ns;
    char reason[CURL_ERROR_SIZE];
    char *body;
    size_t n_bytes, capacity, bytes_max;
    bool is_too_long, is_short;
};

/* libcurl hands over what came in; fewer bytes taken than given ends the request. */
static size_t body_take(char *bytes, size_t size, size_t n, void *context)
{
    struct lw_http_client *client = context;
    size_t n_new = size * n; /* size is 1, says libcurl's manual. */

    if (n_new > client->bytes_max - client->n_bytes) {
        client->is_too_long = true;
        n = client->bytes_max - client->n_bytes;
    } else {
        n = n_new;
    }
    if (client->n_bytes + n >= client->capacity) {
        size_t capacity = client->capacity == 0 ? BODY_FIRST : client->capacity;
        char *body;

        while (capacity <= client->n_bytes + n) {
            capacity *= 2;
        }
        body = lw_mem_realloc(client->body, capacity);
        if (body == NULL) {
            client->is_short = true;
            return 0;
        }
        client->body = body;
        client->capacity = capacity;
    }
    memcpy(client->body + client->n_bytes, bytes, n);
    client->n_bytes += n;
    return client->is_too_long ? 0 : n_new;
}

/* ---- the header's file ---- */

/* Reads the first line; what may not stand in a header is refused. */
static enum lw_status line_read(const char *path, char ret_line[LW_HTTP_HEADER_MAX],
                                struct lw_error *reterr)
{
    enum lw_status status = lw_first_line_read(path, "a header", ret_line, LW_HTTP_HEADER_MAX,
                                               reterr);

    if (status == LW_OK) {
        status = lw_first_line_check(path, ret_line, reterr);
    }
    if (status == LW_OK && ret_line[0] == '\0') {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%.200s: expected a header, as \"Authorization: Bearer ...\", or a "
                            "token in the first line",
                            path);
    }
    return status;
}

static enum lw_status header_add(struct curl_slist **headers, const char *text,
                                 struct lw_error *reterr)
{
    struct curl_slist *longer = curl_slist_append(*headers, text);

    if (longer == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a header");
    }
    *headers = longer;
    return LW_OK;
}

/* A whole header, or a bare token, which becomes one. */
static enum lw_status header_read(const char *path, struct curl_slist **headers,
                                  struct lw_error *reterr)
{
    char line[LW_HTTP_HEADER_MAX];
    char header[LW_HTTP_HEADER_MAX + 32];
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
    return header_add(headers, header, reterr);
}

/* All headers of a request that libcurl does not make by itself. */
static enum lw_status headers_make(const struct lw_http_client *client,
                                   const struct lw_http_request *request,
                                   struct curl_slist **headers, struct lw_error *reterr)
{
    char type[128];
    /* An empty "Expect:" keeps libcurl from waiting a second before it sends a long body. */
    enum lw_status status = header_add(headers, "Expect:", reterr);

    (void)snprintf(type, sizeof(type), "Content-Type: %s", request->content_type);
    status = status == LW_OK ? header_add(headers, type, reterr) : status;
    if (status == LW_OK && client->header_file[0] != '\0') {
        status = header_read(client->header_file, headers, reterr);
    }
    for (size_t i = 0; status == LW_OK && request->headers != NULL && request->headers[i] != NULL;
         i++) {
        status = header_add(headers, request->headers[i], reterr);
    }
    return status;
}

/* ---- making ---- */

enum lw_status lw_http_url_check(const char *url, bool may_have_query, struct lw_error *reterr)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0    ? 7
                    : strncasecmp(url, "https://", 8) == 0 ? 8
                                                           : 0;
    size_t host = scheme == 0 ? 0 : strcspn(url + scheme, "/?#");

    if (host == 0) {
        return lw_error_set(reterr, LW_EINVAL, "\"%.200s\" is no address as http://prometheus:9090",
                            url);
    }
    if (strlen(url) >= LW_HTTP_URL_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "an address has at most %d bytes",
                            LW_HTTP_URL_MAX - 1);
    }
    if (memchr(url + scheme, '@', host) != NULL) {
        return lw_error_set(reterr, LW_EINVAL,
                            "an address with a password would be seen by others: put the header "
                            "into a file");
    }
    for (const char *at = url; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            return lw_error_set(reterr, LW_EINVAL,
                                "an address may not have spaces or control characters");
        }
    }
    return strpbrk(url + scheme + host, may_have_query ? "#" : "?#") == NULL
               ? LW_OK
               : lw_error_set(reterr, LW_EINVAL, "the address \"%.200s\" may not have a %s", url,
                              may_have_query ? "fragment" : "query");
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* libcurl would say so only when it connects. */
static enum lw_status file_check(const char *path, struct lw_error *reterr)
{
    if (!has_text(path) || access(path, R_OK) == 0) {
        return LW_OK;
    }
    return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.200s: %s", path,
                        strerror(errno));
}

static bool files_set(CURL *curl, const struct lw_http_setup *setup)
{
    return (!has_text(setup->ca_file) ||
            curl_easy_setopt(curl, CURLOPT_CAINFO, setup->ca_file) == CURLE_OK) &&
           (!has_text(setup->cert_file) ||
            curl_easy_setopt(curl, CURLOPT_SSLCERT, setup->cert_file) == CURLE_OK) &&
           (!has_text(setup->key_file) ||
            curl_easy_setopt(curl, CURLOPT_SSLKEY, setup->key_file) == CURLE_OK);
}

static bool options_set(struct lw_http_client *client, const struct lw_http_setup *setup)
{
    CURL *curl = client->curl;
    int64_t connect_ns = setup->connect_timeout_ns > 0 ? setup->connect_timeout_ns
                                                       : CONNECT_TIMEOUT_NS;
    char agent[64];
    bool is_set;

    (void)snprintf(agent, sizeof(agent), "lapwing/%s", lw_version());
    is_set = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK &&
             /* An empty proxy is none, whatever the environment says. */
             (setup->uses_proxy || curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK);
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ns / NS_PER_MS));
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    return is_set && files_set(curl, setup);
}

/* The header's file is read once to say at once what is wrong with it. */
static enum lw_status header_file_take(struct lw_http_client *client, const char *path,
                                       struct lw_error *reterr)
{
    struct curl_slist *headers = NULL;
    enum lw_status status;

    if (!has_text(path)) {
        return LW_OK;
    }
    if (strlen(path) >= sizeof(client->header_file)) {
        return lw_error_set(reterr, LW_EINVAL, "the path of a header's file has at most %d bytes",
                            LW_HTTP_PATH_MAX - 1);
    }
    (void)snprintf(client->header_file, sizeof(client->header_file), "%s", path);
    status = header_read(path, &headers, reterr);
    curl_slist_free_all(headers);
    return status;
}

enum lw_status lw_http_client_create(const struct lw_http_setup *setup,
                                     struct lw_http_client **ret_client, struct lw_error *reterr)
{
    struct lw_http_client *client;
    enum lw_status status = file_check(setup->ca_file, reterr);

    status = status == LW_OK ? file_check(setup->cert_file, reterr) : status;
    status = status == LW_OK ? file_check(setup->key_file, reterr) : status;
    if (status != LW_OK) {
        return status;
    }
    client = lw_mem_calloc(1, sizeof(*client));
    if (client == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
    }
    client->timeout_ns = setup->timeout_ns;
    client->curl = curl_easy_init();
    client->multi = curl_multi_init();
    if (client->curl == NULL || client->multi == NULL || !options_set(client, setup)) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for a connection");
    }
    if (status == LW_OK) {
        status = header_file_take(client, setup->header_file, reterr);
    }
    if (status != LW_OK) {
        lw_http_client_destroy(client);
        return status;
    }
    *ret_client = client;
    return LW_OK;
}

void lw_http_client_destroy(struct lw_http_client *client)
{
    if (client == NULL) {
        return;
    }
    curl_easy_cleanup(client->curl);
    (void)curl_multi_cleanup(client->multi);
    lw_mem_free(client->body);
    lw_mem_free(client);
}

struct lw_http_setup lw_http_setup_of(const struct lw_http_options *options)
{
    return (struct lw_http_setup){.header_file = options->auth_file,
                                  .ca_file = options->ca_file,
                                  .cert_file = options->cert_file,
                                  .key_file = options->key_file,
                                  .timeout_ns = options->timeout_ns,
                                  .connect_timeout_ns = options->timeout_ns,
                                  .uses_proxy = options->proxy};
}

/* ---- requests ---- */

static bool is_readable(int descriptor)
{
    struct pollfd asked = {.fd = descriptor, .events = POLLIN};

    return descriptor >= 0 && poll(&asked, 1, 0) > 0;
}

/* Runs the request until it is over or stopped. */
static CURLcode perform(struct lw_http_client *client, int stop, bool *ret_stopped)
{
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    CURLMcode multi = curl_multi_add_handle(client->multi, client->curl);
    int n_running = 1, n_left;
    CURLMsg *message;

    *ret_stopped = is_readable(stop);
    while (multi == CURLM_OK && !*ret_stopped) {
        struct curl_waitfd extra = {.fd = stop, .events = CURL_WAIT_POLLIN};

        multi = curl_multi_perform(client->multi, &n_running);
        if (multi != CURLM_OK || n_running == 0) {
            break;
        }
        multi = curl_multi_poll(client->multi, &extra, stop >= 0 ? 1 : 0, POLL_MS, NULL);
        *ret_stopped = is_readable(stop);
    }
    message = curl_multi_info_read(client->multi, &n_left);
    if (message != NULL && message->msg == CURLMSG_DONE) {
        code = message->data.result;
    }
    (void)curl_multi_remove_handle(client->multi, client->curl);
    return multi == CURLM_OK ? code : CURLE_OUT_OF_MEMORY;
}

static void answer_read(struct lw_http_client *client, CURLcode code,
                        struct lw_http_answer *ret_answer)
{
    curl_off_t seconds = 0;

    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &ret_answer->code);
    (void)curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0) {
        ret_answer->retry_after_ns = seconds >= LW_HTTP_RETRY_AFTER_MAX_NS / SECOND_NS
                                         ? LW_HTTP_RETRY_AFTER_MAX_NS
                                         : seconds * SECOND_NS;
    }
    ret_answer->is_too_long = client->is_too_long;
    ret_answer->is_late = code == CURLE_OPERATION_TIMEDOUT;
    ret_answer->n_bytes = client->n_bytes;
    if (client->body != NULL) {
        client->body[client->n_bytes] = '\0';
        ret_answer->body = client->body;
    }
}

enum lw_status lw_http_post(struct lw_http_client *client, const struct lw_http_request *request,
                            struct lw_http_answer *ret_answer, struct lw_error *reterr)
{
    int64_t timeout_ns = request->timeout_ns > 0 ? request->timeout_ns : client->timeout_ns;
    long timeout_ms = timeout_ns <= NS_PER_MS ? 1 : (long)(timeout_ns / NS_PER_MS);
    struct curl_slist *headers = NULL;
    enum lw_status status = headers_make(client, request, &headers, reterr);
    CURLcode code = CURLE_OK;

    *ret_answer = (struct lw_http_answer){.body = ""};
    client->n_bytes = 0;
    client->bytes_max = request->answer_bytes_max;
    client->is_too_long = client->is_short = false;
    client->reason[0] = '\0';
    if (status != LW_OK) {
        goto done;
    }
    (void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, request->body);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->n_bytes);
    if (request->body == NULL) {
        (void)curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    }
    code = curl_easy_setopt(client->curl, CURLOPT_URL, request->url);
    code = code == CURLE_OK ? perform(client, request->stop, &ret_answer->is_stopped) : code;
    answer_read(client, code, ret_answer);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, NULL);
    if (client->is_short || code == CURLE_OUT_OF_MEMORY) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for an answer of more than %zu bytes",
                              client->n_bytes);
    } else if (ret_answer->is_stopped) {
        status = lw_error_set(reterr, LW_EIO, "the request was stopped");
    } else if (code != CURLE_OK && !client->is_too_long) {
        status = lw_error_set(reterr, LW_EIO, "%s",
                              client->reason[0] != '\0' ? client->reason
                                                        : curl_easy_strerror(code));
    }
done:
    curl_slist_free_all(headers);
    return status;
}

char *lw_http_escape(struct lw_http_client *client, const char *text)
{
    return curl_easy_escape(client->curl, text, 0);
}

void lw_http_free(char *text)
{
    curl_free(text);
}
