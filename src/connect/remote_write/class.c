/* Remote write as a push class: which message it is, and how it is answered. */
#include "connect/remote_write/remote_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_1 "prometheus.WriteRequest"
#define MESSAGE_2 "io.prometheus.write.v2.Request"

enum message { MESSAGE_UNKNOWN, MESSAGE_WRITE_1, MESSAGE_WRITE_2 };

/* ---- the content type ---- */

static const char *blank_skip(const char *text)
{
    return text + strspn(text, " \t");
}

/* One parameter, "; name=value" or with the value in quotes; NULL where there is none of that form.
 */
static const char *parameter_read(const char *text, char *ret_name, char *ret_value,
                                  size_t capacity)
{
    size_t n;

    text = blank_skip(blank_skip(text) + 1);
    n = strcspn(text, "= \t;");
    if (n == 0 || n >= capacity || text[n] != '=') {
        return NULL;
    }
    (void)snprintf(ret_name, capacity, "%.*s", (int)n, text);
    text += n + 1;
    if (*text == '"') {
        n = strcspn(++text, "\"");
        if (text[n] == '\0' || n >= capacity) {
            return NULL;
        }
        (void)snprintf(ret_value, capacity, "%.*s", (int)n, text);
        return text + n + 1;
    }
    n = strcspn(text, " \t;");
    if (n >= capacity) {
        return NULL;
    }
    (void)snprintf(ret_value, capacity, "%.*s", (int)n, text);
    return text + n;
}

static enum message message_of(const char *content_type)
{
    static const char media[] = "application/x-protobuf";
    enum message message = MESSAGE_WRITE_1;
    const char *at;

    if (content_type == NULL) {
        return MESSAGE_WRITE_1;
    }
    at = blank_skip(content_type);
    if (strncasecmp(at, media, sizeof(media) - 1) != 0) {
        return MESSAGE_UNKNOWN;
    }
    at = blank_skip(at + sizeof(media) - 1);
    while (*at == ';') {
        char name[64], value[64];

        at = parameter_read(at, name, value, sizeof(name));
        if (at == NULL) {
            return MESSAGE_UNKNOWN;
        }
        if (strcasecmp(name, "proto") == 0) {
            message = strcmp(value, MESSAGE_1) == 0   ? MESSAGE_WRITE_1
                      : strcmp(value, MESSAGE_2) == 0 ? MESSAGE_WRITE_2
                                                      : MESSAGE_UNKNOWN;
        }
        at = blank_skip(at);
    }
    return *at == '\0' ? message : MESSAGE_UNKNOWN;
}

/* ---- answers ---- */

static void line(struct lw_push_answer *answer, const char *text)
{
    answer->content_type = "text/plain; charset=utf-8";
    lw_write_raw(&answer->body, text, strlen(text));
    lw_write_u8(&answer->body, '\n');
}

static void add_count(struct lw_push_answer *answer, const char *name, uint64_t n)
{
    answer->fields[answer->n_fields].name = name;
    (void)snprintf(answer->fields[answer->n_fields].value, sizeof(answer->fields[0].value),
                   "%" PRIu64, n);
    answer->n_fields++;
}

/* Senders of 2.0 are told what was written, whatever the code. */
static void add_written(struct lw_push_answer *answer, const struct lw_remote_write_counts *counts)
{
    add_count(answer, "X-Prometheus-Remote-Write-Samples-Written", counts->samples);
    add_count(answer, "X-Prometheus-Remote-Write-Histograms-Written", counts->histograms);
    add_count(answer, "X-Prometheus-Remote-Write-Exemplars-Written", counts->exemplars);
}

static void refuse(const struct lw_push_input *input, unsigned code, const char *detail,
                   struct lw_push_answer *answer)
{
    const struct lw_remote_write_counts none = {0};

    answer->code = code;
    line(answer, detail);
    if (message_of(input->content_type) == MESSAGE_WRITE_2) {
        add_written(answer, &none);
    }
}

/* What went wrong, a line each, the first with the totals: senders log the first. */
static void tell_rejected(const struct lw_ingest_outcome *outcome, struct lw_push_answer *answer)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "%" PRIu64 " rejected, %" PRIu64 " taken: %s",
                   outcome->n_rejected, outcome->n_taken,
                   outcome->n_details > 0 ? outcome->details[0] : "");
    answer->code = 400;
    line(answer, text);
    for (size_t i = 1; i < outcome->n_details; i++) {
        line(answer, outcome->details[i]);
    }
}

static void take(const struct lw_push_input *input, struct lw_ingest_request *request,
                 struct lw_push_answer *answer)
{
    enum message message = message_of(input->content_type);
    struct lw_remote_write_counts counts = {0};
    struct lw_ingest_outcome outcome;
    struct lw_error error = {0};
    enum lw_status status;

    if (message == MESSAGE_UNKNOWN) {
        refuse(input, 415,
               "Content-Type must be application/x-protobuf, with proto=" MESSAGE_1
               " or proto=" MESSAGE_2,
               answer);
        return;
    }
    status = message == MESSAGE_WRITE_1
                 ? lw_remote_write_decode_1(input->body, input->n_bytes, request, &counts, &error)
                 : lw_remote_write_decode_2(input->body, input->n_bytes, request, &counts, &error);
    if (status == LW_EFORMAT) {
        lw_ingest_request_reset(request);
        lw_ingest_reject(request, "malformed", 1, NULL, "%s", error.message);
        (void)!lw_ingest_commit(request, &outcome);
        refuse(input, 400, error.message, answer);
        return;
    }
    if (status == LW_OK) {
        status = lw_ingest_commit(request, &outcome);
    }
    if (status != LW_OK) {
        refuse(input, 503, "Nothing was taken: no samples can be kept at the moment.", answer);
        return;
    }
    answer->position = outcome.position;
    answer->code = 204;
    if (outcome.n_rejected > 0 || outcome.n_details > 0) {
        tell_rejected(&outcome, answer);
    }
    if (message == MESSAGE_WRITE_2) {
        add_written(answer, &counts);
    }
}

static const char *const PATHS[] = {"/api/v1/write", NULL};
static const char *const PARAMETERS[] = {NULL};
static const char *const ENCODINGS[] = {"snappy", NULL};

const struct lw_push_class lw_remote_write_class = {
    .source = "remote_write",
    .paths = PATHS,
    .summary = "Prometheus remote write, 1.0 and 2.0.",
    .parameters = PARAMETERS,
    .encodings = ENCODINGS,
    .any_parameters = true,
    .body_bytes_max = (size_t)32 << 20,
    .decoded_bytes_max = (size_t)128 << 20,
    .take = take,
    .refuse = refuse,
};
