/* The class of OTLP/HTTP: see push_otlp.h. */
#include "connect/otlp/push_otlp.h"

#include "base/json.h"
#include "base/text.h"
#include "connect/otlp/otlp_json.h"
#include "connect/otlp/otlp_metrics.h"
#include "connect/protobuf_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BODY_BYTES_MAX ((size_t)64 << 20)
/* google.rpc.Code */
#define RPC_INVALID_ARGUMENT 3
#define RPC_RESOURCE_EXHAUSTED 8
#define RPC_UNAVAILABLE 14

enum encoding { OTHER, PROTOBUF, JSON };

/* The media type, whatever its parameters are. */
static enum encoding encoding_of(const char *content_type)
{
    size_t n = content_type == NULL ? 0 : strcspn(content_type, "; \t");

    if (n == strlen("application/x-protobuf") &&
        strncasecmp(content_type, "application/x-protobuf", n) == 0) {
        return PROTOBUF;
    }
    if (n == strlen("application/json") && strncasecmp(content_type, "application/json", n) == 0) {
        return JSON;
    }
    return OTHER;
}

/* ---- answers ---- */

static void text_write(struct lw_writer *out, uint32_t number, const char *text)
{
    lw_protobuf_write_bytes(out, number, text, strlen(text));
}

/* A text of protobuf must be UTF-8, and a client's words may be in the message. */
static void utf8_mend(char *text)
{
    size_t n_bytes = strlen(text);

    for (size_t at = 0; at < n_bytes;) {
        size_t n = lw_utf8_length(text + at, n_bytes - at);

        if (n == 0) {
            text[at] = '?';
            n = 1;
        }
        at += n;
    }
}

static void answer_begin(struct lw_push_answer *answer, enum encoding encoding, unsigned code)
{
    answer->code = code;
    answer->content_type = encoding == PROTOBUF ? "application/x-protobuf" : "application/json";
    lw_writer_reset(&answer->body);
}

/* Puts a finished text of JSON into the answer. */
static void answer_json(struct lw_push_answer *answer, struct lw_json *json)
{
    if (json->out.status == LW_OK) {
        lw_write_raw(&answer->body, json->out.data, json->out.n_bytes);
    } else {
        answer->body.status = LW_ENOMEM;
    }
    lw_json_fini(json);
}

/* A google.rpc.Status. */
static void answer_failure(struct lw_push_answer *answer, enum encoding encoding, unsigned code,
                           const char *detail)
{
    int64_t rpc = code == 429   ? RPC_RESOURCE_EXHAUSTED
                  : code == 503 ? RPC_UNAVAILABLE
                                : RPC_INVALID_ARGUMENT;
    char message[LW_ERROR_MESSAGE_MAX];
    struct lw_json json;

    answer_begin(answer, encoding, code);
    (void)snprintf(message, sizeof(message), "%s", detail);
    utf8_mend(message);
    if (encoding == PROTOBUF) {
        lw_protobuf_write_int64(&answer->body, 1, rpc);
        text_write(&answer->body, 2, message);
        return;
    }
    lw_json_init(&json);
    lw_json_begin_object(&json);
    lw_json_key(&json, "code");
    lw_json_int(&json, rpc);
    lw_json_key(&json, "message");
    lw_json_text(&json, message);
    lw_json_end(&json);
    answer_json(answer, &json);
}

/* Why points were rejected: the details, and how many more there are. */
static void details_join(const struct lw_ingest_outcome *outcome, char *ret_text, size_t capacity)
{
    size_t n = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < outcome->n_details; i++) {
        n += (size_t)snprintf(ret_text + n, capacity - n, "%s%s", i == 0 ? "" : "; ",
                              outcome->details[i]);
    }
    if (outcome->n_rejected > outcome->n_details) {
        (void)snprintf(ret_text + n, capacity - n, "; and %" PRIu64 " more",
                       outcome->n_rejected - outcome->n_details);
    }
    utf8_mend(ret_text);
}

static void partial_write(struct lw_writer *out, uint64_t n_rejected, const char *message)
{
    struct lw_writer partial;

    lw_writer_init(&partial);
    lw_protobuf_write_int64(&partial, 1, (int64_t)n_rejected);
    text_write(&partial, 2, message);
    lw_protobuf_write_bytes(out, 1, partial.data, partial.n_bytes);
    if (partial.status != LW_OK) {
        out->status = LW_ENOMEM;
    }
    lw_writer_fini(&partial);
}

/* An ExportMetricsServiceResponse: empty where all was taken. */
static void answer_success(struct lw_push_answer *answer, enum encoding encoding,
                           uint64_t n_rejected, const struct lw_ingest_outcome *outcome)
{
    char message[LW_INGEST_DETAILS * (sizeof(outcome->details[0]) + 2) + 64], number[24];
    struct lw_json json;

    answer_begin(answer, encoding, 200);
    answer->position = outcome->position;
    details_join(outcome, message, sizeof(message));
    if (encoding == PROTOBUF) {
        if (n_rejected > 0) {
            partial_write(&answer->body, n_rejected, message);
        }
        return;
    }
    lw_json_init(&json);
    lw_json_begin_object(&json);
    if (n_rejected > 0) {
        lw_json_key(&json, "partialSuccess");
        lw_json_begin_object(&json);
        lw_json_key(&json, "rejectedDataPoints");
        (void)snprintf(number, sizeof(number), "%" PRIu64, n_rejected);
        lw_json_text(&json, number);
        lw_json_key(&json, "errorMessage");
        lw_json_text(&json, message);
        lw_json_end(&json);
    }
    lw_json_end(&json);
    answer_json(answer, &json);
}

/* ---- the class ---- */

/* Points of the body into the request, whatever the encoding. */
static enum lw_status body_read(const struct lw_push_input *input, enum encoding encoding,
                                struct lw_ingest_request *request,
                                struct lw_otlp_counts *ret_counts, struct lw_error *reterr)
{
    const char *scope = input->query(input->context, "scope");
    bool has_scope = scope != NULL && strcmp(scope, "yes") == 0;
    struct lw_writer message;
    enum lw_status status;

    if (encoding == PROTOBUF) {
        return lw_otlp_metrics_read(input->body, input->n_bytes, has_scope, request, ret_counts,
                                    reterr);
    }
    lw_writer_init(&message);
    status = lw_otlp_json_read((const char *)input->body, input->n_bytes, &message, reterr);
    if (status == LW_OK) {
        status = lw_otlp_metrics_read(message.data, message.n_bytes, has_scope, request, ret_counts,
                                      reterr);
    }
    lw_writer_fini(&message);
    return status;
}

static void otlp_take(const struct lw_push_input *input, struct lw_ingest_request *request,
                      struct lw_push_answer *answer)
{
    enum encoding encoding = encoding_of(input->content_type);
    struct lw_ingest_outcome outcome;
    struct lw_otlp_counts counts;
    struct lw_error error = {0};
    enum lw_status status;

    if (encoding == OTHER) {
        answer_failure(answer, JSON, 415,
                       "the Content-Type must be application/x-protobuf or application/json");
        return;
    }
    status = body_read(input, encoding, request, &counts, &error);
    if (status == LW_EFORMAT) {
        lw_ingest_request_reset(request);
        answer_failure(answer, encoding, 400, error.message);
        return;
    }
    if (status == LW_OK) {
        status = lw_ingest_commit(request, &outcome);
    }
    if (status != LW_OK) {
        lw_ingest_request_reset(request);
        answer_failure(answer, encoding, 503, "the samples cannot be kept at the moment");
        return;
    }
    answer_success(answer, encoding, counts.n_rejected, &outcome);
}

static void otlp_refuse(const struct lw_push_input *input, unsigned code, const char *detail,
                        struct lw_push_answer *answer)
{
    answer_failure(answer, encoding_of(input->content_type), code, detail);
}

const struct lw_push_class lw_push_otlp = {
    .source = "otlp",
    .paths = (const char *const[]){"/v1/metrics", NULL},
    .summary = "Metrics by OTLP/HTTP, in protobuf or JSON.",
    .parameters =
        (const char *const[]){"scope",
                              "yes: the name of the instrumentation scope becomes the label "
                              "otel_scope_name.",
                              NULL},
    .encodings = (const char *const[]){"gzip", NULL},
    .any_parameters = false,
    .body_bytes_max = BODY_BYTES_MAX,
    .decoded_bytes_max = BODY_BYTES_MAX,
    .take = otlp_take,
    .refuse = otlp_refuse,
};
