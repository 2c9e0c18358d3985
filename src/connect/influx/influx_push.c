/*
 * Taking line protocol: see connect/influx/influx_push.h.
 *
 * A series is known by the bytes of measurement, tags and field key as they are written, with one
 * blank between: for the first field of a line they lie in the body just so, which makes the
 * look-up of a line with one field a hash of bytes in place.
 */
#include "connect/influx/influx_push.h"

#include "base/mem.h"
#include "connect/influx/influx_line.h"
#include "connect/line_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LABEL_BYTES_MAX 256
#define LINE_SHOWN 80
/* Look-ups under way at a time. */
#define PENDING_MAX 16
#define SECOND_NS INT64_C(1000000000)

/* A sample whose series is being looked up. */
struct pending {
    struct lw_ingest_sought sought;
    int64_t time_ns;
    double value;
    const char *line; /* Where its line begins, to be read again should the series be new. */
    uint64_t line_number;
    uint32_t field;
};

/* A request under way. */
struct taking {
    struct lw_ingest_request *request;
    int64_t unit_ns, now_ns;
    const char *label, *label_value; /* The database as a label; NULL: not asked for. */
    uint64_t line_number;
    struct lw_line_places places;
    size_t n_prefix; /* Of the identity: the database, where it is a label. */
    char identity[2 * LABEL_BYTES_MAX + LW_INFLUX_NAME_MAX];
    const char *end; /* Of the body. */
    uint32_t n_pending;
    struct pending pending[PENDING_MAX];
    struct lw_influx_line line;  /* The one being read. */
    struct lw_influx_line again; /* One with a new series. */
    struct lw_influx_name name;
};

static bool is_version_2(const struct lw_push_input *input)
{
    return strncmp(input->path, "/api/", 5) == 0;
}

/* ---- answers ---- */

static const char *code_name(unsigned code)
{
    switch (code) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 413:
        return "request too large";
    case 415:
        return "unsupported media type";
    case 429:
        return "too many requests";
    case 503:
        return "unavailable";
    default:
        return code < 500 ? "invalid" : "internal error";
    }
}

/* An error in the version's form; line 0: of no line. */
static void error_answer(bool is_v2, unsigned code, const char *message, uint64_t line,
                         struct lw_push_answer *answer)
{
    struct lw_json json;

    lw_json_init(&json);
    lw_json_begin_object(&json);
    if (is_v2) {
        lw_json_key(&json, "code");
        lw_json_text(&json, code_name(code));
    }
    lw_json_key(&json, is_v2 ? "message" : "error");
    lw_json_text(&json, message);
    if (is_v2 && line > 0) {
        lw_json_key(&json, "line");
        lw_json_int(&json, (int64_t)line);
    }
    lw_json_end(&json);
    lw_line_places_send(&json, code, answer);
}

static void version_tell(struct lw_push_answer *answer)
{
    answer->fields[answer->n_fields].name = "X-Influxdb-Version";
    memcpy(answer->fields[answer->n_fields].value, LW_INFLUX_VERSION, sizeof(LW_INFLUX_VERSION));
    answer->n_fields++;
}

static void influx_refuse(const struct lw_push_input *input, unsigned code, const char *detail,
                          struct lw_push_answer *answer)
{
    version_tell(answer);
    error_answer(is_version_2(input), code, detail, 0, answer);
}

/* What was refused, a line of text each, between the words that clients look for. */
static void rejections_answer(const struct lw_push_input *input, const struct taking *taking,
                              const struct lw_ingest_outcome *outcome,
                              struct lw_push_answer *answer)
{
    char message[LW_INGEST_DETAILS * (sizeof(outcome->details[0]) + 32) + 128];
    size_t n = (size_t)snprintf(message, sizeof(message), "%s",
                                outcome->n_taken > 0 ? "partial write: " : "");

    for (size_t i = 0; i < outcome->n_details && i < taking->places.n; i++) {
        n += (size_t)snprintf(message + n, sizeof(message) - n, "%sline %" PRIu64 ": %s",
                              i > 0 ? "\n" : "", taking->places.at[i], outcome->details[i]);
    }
    (void)snprintf(message + n, sizeof(message) - n, " dropped=%" PRIu64, outcome->n_rejected);
    error_answer(is_version_2(input), 400, message, taking->places.n > 0 ? taking->places.at[0] : 0,
                 answer);
}

static void commit_answer(const struct lw_push_input *input, const struct taking *taking,
                          struct lw_push_answer *answer)
{
    struct lw_ingest_outcome outcome;

    if (lw_ingest_commit(taking->request, &outcome) != LW_OK) {
        error_answer(is_version_2(input), 503, "nothing can be kept at the moment: try again later",
                     0, answer);
        return;
    }
    answer->position = outcome.position;
    if (outcome.n_rejected > 0) {
        rejections_answer(input, taking, &outcome, answer);
        return;
    }
    answer->code = 204;
}

/* ---- series ---- */

/* Rejects n samples of a line, which is quoted. */
static void line_reject(struct taking *taking, const struct lw_influx_line *line,
                        uint64_t line_number, uint64_t n, const char *wrong)
{
    bool is_long = line->n_bytes > LINE_SHOWN;

    lw_line_places_add(&taking->places, line_number);
    lw_ingest_reject(taking->request, "bad_line", n, NULL, "unable to parse '%.*s%s': %s",
                     is_long ? LINE_SHOWN : (int)line->n_bytes, line->begin, is_long ? "..." : "",
                     wrong);
}

/* The bytes a field's series is known by. The line's names are within the limit. */
static const char *identity_find(struct taking *taking, const struct lw_influx_line *line,
                                 const struct lw_influx_field *field, size_t *ret_n_bytes)
{
    char *at = taking->identity + taking->n_prefix;

    if (taking->n_prefix == 0 && field->key == line->series + line->n_series + 1) {
        *ret_n_bytes = line->n_series + field->n_key + 1;
        return line->series;
    }
    memcpy(at, line->series, line->n_series);
    at[line->n_series] = ' ';
    memcpy(at + line->n_series + 1, field->key, field->n_key);
    *ret_n_bytes = taking->n_prefix + line->n_series + field->n_key + 1;
    return taking->identity;
}

/* Spells a series out, with the database's label; what is wrong, or NULL. */
static const char *name_spell(struct taking *taking, const struct lw_influx_line *line,
                              const struct lw_influx_field *field)
{
    struct lw_influx_name *name = &taking->name;
    const char *wrong = lw_influx_name_spell(line->series, line->n_series, field, name);

    if (wrong != NULL || taking->label == NULL) {
        return wrong;
    }
    if (name->key.n_labels == LW_LABELS_MAX) {
        return "more than 47 tags beside the database";
    }
    for (size_t i = 0; i < name->key.n_labels; i++) {
        if (strcmp(name->labels[i].name, taking->label) == 0) {
            return "a tag has the name of the database's label";
        }
    }
    name->labels[name->key.n_labels++] = (struct lw_label){taking->label, taking->label_value};
    return NULL;
}

/* A series seen for the first time, or again after a refusal; LW_INGEST_UNKNOWN when it cannot be
 * taken, which was said. */
static uint32_t series_define(struct taking *taking, const struct pending *pending)
{
    struct lw_influx_line *line = &taking->again;
    const struct lw_influx_field *field = &line->fields[pending->field];
    struct lw_error error = {0};
    const char *wrong, *identity;
    size_t n_bytes = 0;
    uint32_t series = LW_INGEST_UNKNOWN;
    enum lw_status status;

    (void)lw_influx_line_read(pending->line, taking->end, line);
    wrong = name_spell(taking, line, field);
    if (wrong != NULL) {
        line_reject(taking, line, pending->line_number, 1, wrong);
        return LW_INGEST_UNKNOWN;
    }
    identity = identity_find(taking, line, field, &n_bytes);
    status = lw_ingest_define(taking->request, identity, n_bytes, &taking->name.key, &series,
                              &error);
    if (status != LW_OK) {
        lw_line_places_add(&taking->places, pending->line_number);
        lw_ingest_reject(taking->request, lw_ingest_reason(status, "series"), 1, NULL, "%s",
                         error.message);
        return LW_INGEST_UNKNOWN;
    }
    return series;
}

/* ---- lines ---- */

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
            lw_line_places_add(&taking->places, pending->line_number);
        }
    }
    taking->n_pending = 0;
}

/* Begins the look-up of each field that is a number. */
static void fields_seek(struct taking *taking, int64_t time_ns)
{
    const struct lw_influx_line *line = &taking->line;

    for (uint32_t i = 0; i < line->n_fields; i++) {
        const struct lw_influx_field *field = &line->fields[i];
        const char *identity;
        size_t n_bytes = 0;

        if (field->is_text) {
            continue;
        }
        if (taking->n_pending == PENDING_MAX) {
            pending_take(taking);
        }
        identity = identity_find(taking, line, field, &n_bytes);
        taking->pending[taking->n_pending++] = (struct pending){
            .sought = lw_ingest_seek(taking->request, identity, n_bytes),
            .time_ns = time_ns,
            .value = field->value,
            .line = line->begin,
            .line_number = taking->line_number,
            .field = i};
    }
}

/* What is wrong with a line's names before its series are looked up. */
static const char *names_check(struct taking *taking)
{
    const struct lw_influx_line *line = &taking->line;

    return line->n_series + line->n_key_max + 1 > LW_INFLUX_NAME_MAX
               ? "measurement, tags and field key of more than 4096 bytes"
               : (line->n_numbers == 0 ? name_spell(taking, line, NULL) : NULL);
}

static void line_take(struct taking *taking)
{
    const struct lw_influx_line *line = &taking->line;
    int64_t time_ns = taking->now_ns;
    const char *wrong = line->wrong;
    uint64_t n_lost = 1;

    if (wrong == NULL && line->series == NULL) {
        return;
    }
    if (wrong == NULL && line->has_time &&
        __builtin_mul_overflow(line->time, taking->unit_ns, &time_ns)) {
        wrong = "time outside range";
    }
    if (wrong == NULL) {
        wrong = names_check(taking);
        n_lost = line->n_numbers > 0 ? line->n_numbers : 1;
    }
    if (wrong != NULL) {
        pending_take(taking); /* So that lines are told of in their order. */
        line_reject(taking, line, taking->line_number, n_lost, wrong);
        return;
    }
    if (line->n_numbers < line->n_fields) {
        lw_ingest_pass_over(taking->request, "text_field", line->n_fields - line->n_numbers);
    }
    fields_seek(taking, time_ns);
}

static void body_take(struct taking *taking, const uint8_t *body, size_t n_bytes)
{
    const char *at = (const char *)body;

    taking->end = at + n_bytes;
    taking->line_number = 1;
    while (at < taking->end) {
        at = lw_influx_line_read(at, taking->end, &taking->line);
        line_take(taking);
        taking->line_number += taking->line.n_ends;
    }
    pending_take(taking);
}

/* ---- requests ---- */

/* Nanoseconds of a unit; 0 when there is none of that name. */
static int64_t precision_ns(const char *name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"n", 1},
                 {"ns", 1},
                 {"u", 1000},
                 {"us", 1000},
                 {"\xc2\xb5", 1000},
                 {"ms", 1000000},
                 {"s", SECOND_NS},
                 {"m", 60 * SECOND_NS},
                 {"h", 3600 * SECOND_NS}};

    for (size_t i = 0; name != NULL && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].name, name) == 0) {
            return units[i].ns;
        }
    }
    return name == NULL || name[0] == '\0' ? 1 : 0;
}

/* What the query says; a sentence when it cannot be. */
static const char *query_read(const struct lw_push_input *input, struct taking *taking)
{
    const char *database = input->query(input->context, is_version_2(input) ? "bucket" : "db");
    const char *label = input->query(input->context, "db_label");
    int n;

    taking->unit_ns = precision_ns(input->query(input->context, "precision"));
    if (taking->unit_ns == 0) {
        return "precision must be one of ns, us, ms, s (or n, u, m, h)";
    }
    taking->label = NULL;
    taking->n_prefix = 0;
    if (label == NULL || label[0] == '\0' || database == NULL || database[0] == '\0') {
        return NULL;
    }
    if (strlen(label) >= LABEL_BYTES_MAX || strlen(database) >= LABEL_BYTES_MAX) {
        return "db_label and the database's name must be shorter than 256 bytes";
    }
    n = snprintf(taking->identity, sizeof(taking->identity), "%s\n%s\n", label, database);
    taking->label = label;
    taking->label_value = database;
    taking->n_prefix = (size_t)n;
    return NULL;
}

/* "q=CREATE DATABASE ..." as a query or a form. */
static void query_answer(const struct lw_push_input *input, struct lw_push_answer *answer)
{
    static const char good[] = "{\"results\":[{\"statement_id\":0}]}";
    const char *asked = input->query(input->context, "q");
    const char *begin = asked;
    size_t n_bytes = asked == NULL ? 0 : strlen(asked);

    if (asked == NULL && input->n_bytes > 2 && memcmp(input->body, "q=", 2) == 0) {
        begin = (const char *)input->body + 2;
        n_bytes = input->n_bytes - 2;
    }
    if (n_bytes < 7 || strncasecmp(begin, "CREATE", 6) != 0 ||
        (begin[6] != ' ' && begin[6] != '+' && begin[6] != '%')) {
        error_answer(false, 400,
                     "only CREATE statements are answered, so that clients go on: nothing can be "
                     "queried here",
                     0, answer);
        return;
    }
    lw_writer_init(&answer->body);
    lw_write_raw(&answer->body, good, sizeof(good) - 1);
    answer->code = answer->body.status == LW_OK ? 200 : 503;
    answer->content_type = "application/json";
}

static void influx_take(const struct lw_push_input *input, struct lw_ingest_request *request,
                        struct lw_push_answer *answer)
{
    LW_UNINITIALIZED struct taking taking;
    const char *wrong;

    version_tell(answer);
    if (strcmp(input->path, "/query") == 0) {
        query_answer(input, answer);
        return;
    }
    taking.request = request;
    taking.now_ns = lw_ingest_request_now_ns(request);
    taking.places.n = 0;
    taking.n_pending = 0;
    wrong = query_read(input, &taking);
    if (wrong != NULL) {
        error_answer(is_version_2(input), 400, wrong, 0, answer);
        return;
    }
    body_take(&taking, input->body, input->n_bytes);
    commit_answer(input, &taking, answer);
}

static const char *const paths[] = {"/write", "/api/v2/write", "/query", NULL};
static const char *const encodings[] = {"gzip", NULL};
static const char *const parameters[] = {
    "precision", "Unit of the times: ns (default), us, ms, s; n, u, m and h as in version 1.",
    "db",        "Version 1: the database; not used but for db_label.",
    "bucket",    "Version 2: the bucket; not used but for db_label.",
    "db_label",  "Name of a label that gets the database's or bucket's name; default: none.",
    "q",         "/query: a CREATE statement, which is answered and does nothing.",
    NULL,
};

const struct lw_push_class lw_push_influx = {
    .source = "influx",
    .paths = paths,
    .summary = "InfluxDB line protocol, version 1 and 2.",
    .parameters = parameters,
    .encodings = encodings,
    .any_parameters = true,
    .body_bytes_max = (size_t)32 << 20,
    .decoded_bytes_max = (size_t)64 << 20,
    .take = influx_take,
    .refuse = influx_refuse,
};
