/*
 * Signed JSON to an address: docs/sinks/webhook.md.
 *
 * Signatures are those of Standard Webhooks (HMAC-SHA256 over id, time and body), GitHub's (over
 * the body alone), both, or none. The id is made of the anomaly's and what happened to it, so a
 * repeat carries the same one and a receiver can tell.
 */
#include "connect/sink_webhook.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "connect/first_line.h"
#include "connect/sink_common.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event is off the outbox as soon as it is taken: what a crash repeats is one at most. */
#define BATCH 1
#define ANSWER_MAX ((size_t)16 << 10)
#define SECOND_NS INT64_C(1000000000)
#define SECRET_MAX 256
#define PREFIX "whsec_"
#define KEY_MIN 24
#define KEY_MAX 64
#define MAC_BYTES 32
#define HOW_TO                                                                                     \
    "make one by: echo \"whsec_$(openssl rand -base64 32)\" > FILE, and name it as secret_file"

enum signature { SIGN_STANDARD, SIGN_GITHUB, SIGN_BOTH, SIGN_NONE };

static const char *const SIGNATURES[] = {"standard", "github", "both", "none", NULL};

struct options {
    char url[1024], secret_file[LW_HTTP_PATH_MAX], secret_env[128], external_url[1024];
    int signature; /* enum signature */
    struct lw_http_options http;
};

struct sink {
    struct options options;
    struct lw_http_client *client;
    char secret[SECRET_MAX]; /* As it was given: GitHub's key. */
    uint8_t key[KEY_MAX];    /* Standard Webhooks' key. */
    size_t key_bytes;
    struct lw_json json;
    struct lw_writer signed_text;
};

#define TEXT_OPTION(field, text)                                                                   \
    {                                                                                              \
        .name = #field, .type = LW_OPTION_TEXT, .offset = offsetof(struct options, field),         \
        .fallback = "", .capacity = sizeof(((struct options *)NULL)->field), .unit = "",           \
        .help = (text)                                                                             \
    }

static const struct lw_option OPTIONS[] = {
    TEXT_OPTION(url, "Address that is POSTed to."),
    {.name = "signature",
     .type = LW_OPTION_ENUM,
     .offset = offsetof(struct options, signature),
     .fallback = "standard",
     .choices = SIGNATURES,
     .unit = "",
     .help = "How requests are signed: as Standard Webhooks says, as GitHub does, both, or not."},
    TEXT_OPTION(secret_file, "File whose first line is the secret."),
    TEXT_OPTION(secret_env, "Environment variable that holds the secret, in place of a file."),
    TEXT_OPTION(external_url,
                "Address of Lapwing's page as others see it, for links; empty: no links."),
    LW_HTTP_OPTIONS(offsetof(struct options, http)),
};

/* ---- the secret ---- */

/* "whsec_" and base64 of 24 to 64 bytes. What is wrong with it is told without showing it. */
static enum lw_status key_take(struct sink *sink, struct lw_error *reterr)
{
    uint8_t decoded[SECRET_MAX];
    const char *text = sink->secret + strlen(PREFIX);
    size_t length = strlen(sink->secret);
    int n;

    if (strncmp(sink->secret, PREFIX, strlen(PREFIX)) != 0) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a secret for Standard Webhooks begins with " PREFIX ": " HOW_TO);
    }
    length -= strlen(PREFIX);
    n = length % 4 == 0 ? EVP_DecodeBlock(decoded, (const uint8_t *)text, (int)length) : -1;
    for (size_t i = length; n > 0 && i > 0 && i + 2 > length && text[i - 1] == '='; i--) {
        n--; /* OpenSSL counts the padding as bytes. */
    }
    if (n < KEY_MIN || n > KEY_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "after " PREFIX " a secret is base64 of %d to %d bytes: " HOW_TO,
                            KEY_MIN, KEY_MAX);
    }
    memcpy(sink->key, decoded, (size_t)n);
    sink->key_bytes = (size_t)n;
    return LW_OK;
}

static enum lw_status secret_take(struct sink *sink, struct lw_error *reterr)
{
    const struct options *options = &sink->options;
    bool has_file = options->secret_file[0] != '\0', has_variable = options->secret_env[0] != '\0';
    enum lw_status status = LW_OK;

    if (options->signature == SIGN_NONE) {
        return LW_OK;
    }
    if (has_file == has_variable) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a secret comes from secret_file or secret_env, one of them: " HOW_TO
                            ", or set signature: none");
    }
    if (has_file) {
        status = lw_first_line_read(options->secret_file, "a secret", sink->secret, SECRET_MAX,
                                    reterr);
    } else {
        const char *value = getenv(options->secret_env);

        if (value == NULL || strlen(value) >= sizeof(sink->secret)) {
            return lw_error_set(reterr, LW_ENOTFOUND, "environment variable %s: %s",
                                options->secret_env,
                                value == NULL ? "it is not set" : "a secret has at most 255 bytes");
        }
        (void)snprintf(sink->secret, sizeof(sink->secret), "%s", value);
    }
    if (status == LW_OK && sink->secret[0] == '\0') {
        status = lw_error_set(reterr, LW_EINVAL, "the secret is empty: " HOW_TO);
    }
    return status == LW_OK && options->signature != SIGN_GITHUB ? key_take(sink, reterr) : status;
}

/* ---- making ---- */

static void sink_destroy(void *context)
{
    struct sink *sink = context;

    if (sink == NULL) {
        return;
    }
    lw_http_client_destroy(sink->client);
    lw_json_fini(&sink->json);
    lw_writer_fini(&sink->signed_text);
    explicit_bzero(sink, sizeof(*sink));
    lw_mem_free(sink);
}

static enum lw_status sink_create(const char *name, const void *options, void **ret_sink,
                                  struct lw_error *reterr)
{
    struct sink *sink = lw_mem_calloc(1, sizeof(*sink));
    struct lw_http_setup http;
    struct lw_error error;
    enum lw_status status;

    if (sink == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for sink \"%s\"", name);
    }
    memcpy(&sink->options, options, sizeof(sink->options));
    lw_json_init(&sink->json);
    lw_writer_init(&sink->signed_text);
    http = lw_http_setup_of(&sink->options.http);
    status = lw_http_url_check(sink->options.url, true, &error);
    if (status == LW_OK && sink->options.external_url[0] != '\0') {
        status = lw_http_url_check(sink->options.external_url, false, &error);
    }
    status = status == LW_OK ? secret_take(sink, &error) : status;
    status = status == LW_OK ? lw_http_client_create(&http, &sink->client, &error) : status;
    if (status != LW_OK) {
        sink_destroy(sink);
        return lw_error_set(reterr, status, "sink \"%s\": %s", name, error.message);
    }
    *ret_sink = sink;
    return LW_OK;
}

/* ---- signing ---- */

bool lw_webhook_sign(const void *key, size_t key_bytes, const struct lw_webhook_message *message,
                     struct lw_writer *scratch, char ret_signature[LW_WEBHOOK_SIGNATURE_MAX])
{
    char head[LW_WEBHOOK_ID_MAX + 32];
    uint8_t mac[MAC_BYTES];

    lw_writer_reset(scratch);
    (void)snprintf(head, sizeof(head), "%s.%" PRId64 ".", message->id, message->time_s);
    lw_write_raw(scratch, head, strlen(head));
    lw_write_raw(scratch, message->body, message->n_bytes);
    if (scratch->status != LW_OK || HMAC(EVP_sha256(), key, (int)key_bytes, scratch->data,
                                         scratch->n_bytes, mac, NULL) == NULL) {
        return false;
    }
    memcpy(ret_signature, "v1,", 3);
    (void)EVP_EncodeBlock((uint8_t *)ret_signature + 3, mac, MAC_BYTES);
    return true;
}

bool lw_webhook_sign_github(const char *secret, const void *body, size_t n_bytes,
                            char ret_signature[LW_WEBHOOK_SIGNATURE_MAX])
{
    uint8_t mac[MAC_BYTES];

    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), body, n_bytes, mac, NULL) == NULL) {
        return false;
    }
    memcpy(ret_signature, "sha256=", 8);
    for (size_t i = 0; i < MAC_BYTES; i++) {
        (void)snprintf(ret_signature + 7 + 2 * i, 3, "%02x", mac[i]);
    }
    return true;
}

/* The headers of one attempt. */
struct headers {
    char id[32 + LW_WEBHOOK_ID_MAX], time[64];
    char standard[32 + LW_WEBHOOK_SIGNATURE_MAX], github[32 + LW_WEBHOOK_SIGNATURE_MAX];
    const char *lines[5]; /* Ends with NULL. */
};

static bool headers_make(struct sink *sink, const struct lw_sink_event *event,
                         struct headers *ret_headers)
{
    int signature = sink->options.signature;
    char id[LW_WEBHOOK_ID_MAX], standard[LW_WEBHOOK_SIGNATURE_MAX];
    char github[LW_WEBHOOK_SIGNATURE_MAX];
    struct lw_webhook_message message = {.id = id,
                                         .time_s = lw_clock_real_ns() / SECOND_NS,
                                         .body = sink->json.out.data,
                                         .n_bytes = sink->json.out.n_bytes};
    size_t n = 2;

    (void)snprintf(id, sizeof(id), "%s-%s", event->id,
                   lw_sink_is_closed(event) ? "closed" : "opened");
    (void)snprintf(ret_headers->id, sizeof(ret_headers->id), "webhook-id: %s", id);
    (void)snprintf(ret_headers->time, sizeof(ret_headers->time), "webhook-timestamp: %" PRId64,
                   message.time_s);
    ret_headers->lines[0] = ret_headers->id;
    ret_headers->lines[1] = ret_headers->time;
    if (signature == SIGN_STANDARD || signature == SIGN_BOTH) {
        if (!lw_webhook_sign(sink->key, sink->key_bytes, &message, &sink->signed_text, standard)) {
            return false;
        }
        (void)snprintf(ret_headers->standard, sizeof(ret_headers->standard),
                       "webhook-signature: %s", standard);
        ret_headers->lines[n++] = ret_headers->standard;
    }
    if (signature == SIGN_GITHUB || signature == SIGN_BOTH) {
        if (!lw_webhook_sign_github(sink->secret, message.body, message.n_bytes, github)) {
            return false;
        }
        (void)snprintf(ret_headers->github, sizeof(ret_headers->github), "X-Hub-Signature-256: %s",
                       github);
        ret_headers->lines[n++] = ret_headers->github;
    }
    ret_headers->lines[n] = NULL;
    return true;
}

/* ---- delivering ---- */

static void event_post(struct sink *sink, const struct lw_sink_event *event, int64_t timeout_ns,
                       int stop, struct lw_sink_result *ret_result)
{
    struct lw_http_request request = {.url = sink->options.url,
                                      .content_type = "application/json",
                                      .answer_bytes_max = ANSWER_MAX,
                                      .timeout_ns = timeout_ns,
                                      .stop = stop};
    struct headers headers;
    struct lw_http_answer answer;
    struct lw_error error;
    enum lw_status status;

    lw_json_reset(&sink->json);
    lw_sink_event_write(&sink->json, event, sink->options.external_url);
    if (sink->json.out.status != LW_OK || !headers_make(sink, event, &headers)) {
        *ret_result = (struct lw_sink_result){.answer = LW_SINK_RETRY,
                                              .reason = "no memory for a request"};
        return;
    }
    request.body = sink->json.out.data;
    request.n_bytes = sink->json.out.n_bytes;
    request.headers = headers.lines;
    status = lw_http_post(sink->client, &request, &answer, &error);
    lw_sink_judge(status, &error, &answer, ret_result);
}

/* One request an event. After one that was not answered the rest waits: it would fare no better. */
static void sink_deliver(void *context, const struct lw_sink_event *events, size_t n, int stop,
                         struct lw_sink_result *ret_results)
{
    struct sink *sink = context;
    int64_t deadline_ns = lw_clock_monotonic_ns() + sink->options.http.timeout_ns;
    bool goes_on = true;

    for (size_t i = 0; i < n; i++) {
        int64_t left_ns = deadline_ns - lw_clock_monotonic_ns();

        if (!goes_on || (i > 0 && left_ns <= 0)) {
            ret_results[i] = ret_results[i - 1];
            ret_results[i].answer = LW_SINK_RETRY;
            continue;
        }
        event_post(sink, &events[i], left_ns > 0 ? left_ns : 1, stop, &ret_results[i]);
        goes_on = ret_results[i].answer != LW_SINK_RETRY;
    }
}

static size_t sink_batch(const void *context)
{
    (void)context;
    return BATCH;
}

static int64_t sink_resend_ns(const void *context)
{
    (void)context;
    return 0;
}

const struct lw_sink_class lw_sink_webhook = {
    .type = "webhook",
    .help = "Signed JSON to an address, as Standard Webhooks says or as GitHub does.",
    .options = OPTIONS,
    .n_options = sizeof(OPTIONS) / sizeof(OPTIONS[0]),
    .options_bytes = sizeof(struct options),
    .create = sink_create,
    .batch = sink_batch,
    .resend_ns = sink_resend_ns,
    .deliver = sink_deliver,
    .destroy = sink_destroy,
};
