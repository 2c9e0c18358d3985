/* Taking samples as JSON: see connect/json_push.h. */
#include "connect/json_push.h"

#include "base/mem.h"
#include "connect/json_lines.h"
#include "connect/line_places.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Look-ups under way at a time. */
#define PENDING_MAX 16

/* A sample whose series is being looked up. */
struct pending {
    struct lw_ingest_sought sought;
    int64_t time_ns;
    double value;
    const char *text; /* Its object, to be read again should the series be new. */
    size_t n_bytes;
    uint64_t place;
    uint32_t reading;
};

/* A request under way. */
struct taking {
    struct lw_ingest_request *request;
    enum lw_time_unit unit;
    int64_t now_ns;
    struct lw_line_places places;
    uint32_t n_pending;
    struct pending pending[PENDING_MAX];
    struct lw_json_line line;  /* The one being read. */
    struct lw_json_line again; /* One with a new series. */
    struct lw_json_name name;
    char identity[LW_JSON_LINES_NAME_MAX];
    char wrong[LW_JSON_LINES_WRONG_MAX];
};

/* ---- samples ---- */

static void reject(struct taking *taking, uint64_t place, const char *reason, uint64_t n,
                   const char *wrong)
{
    lw_line_places_add(&taking->places, place);
    lw_ingest_reject(taking->request, reason, n, NULL, "%s", wrong);
}

/* A series seen for the first time, or again after a refusal; LW_INGEST_UNKNOWN when it cannot be
 * taken, which was said. */
static uint32_t series_define(struct taking *taking, const struct pending *pending)
{
    struct lw_json_line *line = &taking->again;
    const struct lw_json_reading *reading = &line->readings[pending->reading];
    struct lw_error error = {0};
    const char *wrong, *identity;
    size_t n_bytes = 0;
    uint32_t series;
    enum lw_status status;

    /* The line was but skimmed: only now its labels are read, and they may be wrong. */
    wrong = lw_json_line_read(pending->text, pending->n_bytes, taking->unit, line, taking->wrong)
                ? NULL
                : taking->wrong;
    if (wrong != NULL && pending->reading > 0) {
        return LW_INGEST_UNKNOWN; /* Said for its first value. */
    }
    wrong = wrong == NULL ? lw_json_line_spell(line, reading, &taking->name) : wrong;
    if (wrong != NULL) {
        reject(taking, pending->place, "bad_line", 1, wrong);
        return LW_INGEST_UNKNOWN;
    }
    identity = lw_json_line_identity(line, reading, taking->identity, &n_bytes);
    status = lw_ingest_define(taking->request, identity, n_bytes, &taking->name.key, &series,
                              &error);
    if (status != LW_OK) {
        reject(taking, pending->place, lw_ingest_reason(status, "series"), 1, error.message);
        return LW_INGEST_UNKNOWN;
    }
    return series;
}

/* Ends all look-ups. */
static void pending_take(struct taking *taking)
{
    for (uint32_t i = 0; i < taking->n_pending; i++) {
        const struct pending *pending = &taking->pending[i];
        uint32_t series = lw_ingest_found(taking->request, pending->sought);

        if (series == LW_INGEST_UNKNOWN) {
            series = series_define(taking, pending);
        }
        if (series != LW_INGEST_UNKNOWN &&
            !lw_ingest_sample(taking->request, series, pending->time_ns, pending->value)) {
            lw_line_places_add(&taking->places, pending->place);
        }
    }
    taking->n_pending = 0;
}

/* Takes one object; `place` is its line or item. */
static void object_take(struct taking *taking, const char *text, size_t n_bytes, uint64_t place)
{
    const struct lw_json_line *line = &taking->line;

    if (n_bytes > LW_JSON_LINES_BYTES_MAX) {
        pending_take(taking); /* So that lines are told of in their order. */
        reject(taking, place, "bad_line", 1, "more than 1048576 bytes");
        return;
    }
    if (!lw_json_line_skim(text, n_bytes, taking->unit, &taking->line)) {
        pending_take(taking);
        if (!lw_json_line_read(text, n_bytes, taking->unit, &taking->line, taking->wrong)) {
            reject(taking, place, "bad_line", 1, taking->wrong);
            return;
        }
    }
    for (uint32_t i = 0; i < line->n_readings; i++) {
        const char *identity;
        size_t n_identity = 0;

        if (taking->n_pending == PENDING_MAX) {
            pending_take(taking);
        }
        identity = lw_json_line_identity(line, &line->readings[i], taking->identity, &n_identity);
        if (identity == NULL) {
            pending_take(taking);
            reject(taking, place, "bad_line", 1, "metric and labels of more than 8192 bytes");
            continue;
        }
        taking->pending[taking->n_pending++] = (struct pending){
            .sought = lw_ingest_seek(taking->request, identity, n_identity),
            .time_ns = line->has_time ? line->time_ns : taking->now_ns,
            .value = line->readings[i].value,
            .text = text,
            .n_bytes = n_bytes,
            .place = place,
            .reading = i};
    }
}

/* ---- bodies ---- */

static bool is_blank(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

static void lines_take(struct taking *taking, const char *at, size_t n_bytes)
{
    const char *end = at + n_bytes;

    for (uint64_t number = 1; at < end; number++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        line_end = line_end == NULL ? end : line_end;
        if (*at == '{' || !is_blank(at, (size_t)(line_end - at))) {
            object_take(taking, at, (size_t)(line_end - at), number);
        }
        at = line_end + 1;
    }
    pending_take(taking);
}

/* One value, all of which was found to be JSON: an array of objects, or an object. */
static void value_take(struct taking *taking, struct lw_json_scan *scan)
{
    bool is_array = lw_json_scan_peek(scan) == LW_JSON_ARRAY;
    uint64_t number = 0;

    if (is_array) {
        (void)lw_json_scan_array(scan);
    }
    while (!is_array || lw_json_scan_item(scan)) {
        const char *begin;

        (void)lw_json_scan_peek(scan);
        begin = scan->at;
        (void)lw_json_scan_skip(scan);
        object_take(taking, begin, (size_t)(scan->at - begin), ++number);
        if (!is_array) {
            break;
        }
    }
    pending_take(taking);
}

/* ---- requests ---- */

/* The content type without its parameters is this. */
static bool type_is(const char *content_type, const char *name)
{
    size_t n_bytes = strcspn(content_type, "; \t");

    return strlen(name) == n_bytes && strncasecmp(content_type, name, n_bytes) == 0;
}

static bool type_is_lines(const char *content_type)
{
    return content_type == NULL || type_is(content_type, "application/x-ndjson") ||
           type_is(content_type, "application/ndjson") ||
           type_is(content_type, "application/jsonl") ||
           type_is(content_type, "application/x-jsonlines");
}

static bool unit_read(const char *name, enum lw_time_unit *ret_unit)
{
    static const char *const names[] = {"s", "ms", "us", "ns"};

    *ret_unit = LW_TIME_S;
    for (int i = 0; name != NULL && i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_unit = (enum lw_time_unit)i;
            return true;
        }
    }
    return name == NULL;
}

/* A body of one value; false when it is no JSON, which was answered. */
static bool document_take(struct taking *taking, const struct lw_push_input *input,
                          struct lw_push_answer *answer)
{
    char said[LW_JSON_SCAN_MESSAGE_MAX];
    struct lw_json_scan scan;

    lw_json_scan_init(&scan, (const char *)input->body, input->n_bytes);
    if (!lw_json_scan_skip(&scan) || !lw_json_scan_end(&scan)) {
        lw_json_scan_describe(&scan, said);
        lw_line_places_refuse(400, said, answer);
        return false;
    }
    lw_json_scan_init(&scan, (const char *)input->body, input->n_bytes);
    value_take(taking, &scan);
    return true;
}

static void json_take(const struct lw_push_input *input, struct lw_ingest_request *request,
                      struct lw_push_answer *answer)
{
    LW_UNINITIALIZED struct taking taking;
    bool is_document = input->content_type != NULL &&
                       type_is(input->content_type, "application/json");

    if (!is_document && !type_is_lines(input->content_type)) {
        lw_line_places_refuse(415,
                              "the content type must be application/x-ndjson, application/jsonl or "
                              "application/json (CSV: /v1/samples/csv)",
                              answer);
        return;
    }
    taking.request = request;
    taking.now_ns = lw_ingest_request_now_ns(request);
    taking.places.n = 0;
    taking.n_pending = 0;
    if (!unit_read(input->query(input->context, "precision"), &taking.unit)) {
        lw_line_places_refuse(400, "precision must be one of s, ms, us, ns", answer);
        return;
    }
    if (!is_document) {
        lines_take(&taking, (const char *)input->body, input->n_bytes);
    } else if (!document_take(&taking, input, answer)) {
        return;
    }
    lw_line_places_answer(&taking.places, is_document ? "item" : "line", request, answer);
}

static void json_refuse(const struct lw_push_input *input, unsigned code, const char *detail,
                        struct lw_push_answer *answer)
{
    (void)input;
    lw_line_places_refuse(code, detail, answer);
}

static const char *const paths[] = {"/v1/samples", NULL};
static const char *const encodings[] = {"gzip", NULL};
static const char *const parameters[] = {
    "precision", "Unit of times that are numbers: s (default), ms, us, ns.", NULL};

const struct lw_push_class lw_push_json = {
    .source = "json",
    .paths = paths,
    .summary = "Samples as JSON lines, or as an array of JSON objects.",
    .parameters = parameters,
    .encodings = encodings,
    .body_bytes_max = (size_t)32 << 20,
    .decoded_bytes_max = (size_t)64 << 20,
    .take = json_take,
    .refuse = json_refuse,
};
