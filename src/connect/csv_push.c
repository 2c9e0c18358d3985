/*
 * Taking CSV tables: see connect/csv_push.h.
 *
 * The reader is that of files. Its feed is here: it looks series up in the request and gathers
 * faults for the answer.
 */
#include "connect/csv_push.h"

#include "connect/line_places.h"
#include "connect/source_csv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define IDENTITY_BYTES 4096
#define MESSAGE_BYTES 512

/* A request under way. */
struct taking {
    const struct lw_push_input *input;
    struct lw_ingest_request *request;
    struct lw_line_places places;
    uint64_t told[LW_CSV_FAULT_NEVER]; /* Faults that were told one by one, not counted yet. */
    uint64_t last_line;                /* Of the last of them. */
};

/* ---- the reader's feed ---- */

static bool identity_add(char *identity, size_t *n_bytes, const char *text)
{
    size_t n = strlen(text) + 1;

    if (n > IDENTITY_BYTES - *n_bytes) {
        return false;
    }
    memcpy(identity + *n_bytes, text, n);
    *n_bytes += n;
    return true;
}

static enum lw_status taking_series(void *context, const struct lw_series_key *key,
                                    uint32_t *ret_series, struct lw_error *reterr)
{
    struct taking *taking = context;
    char identity[IDENTITY_BYTES];
    size_t n_bytes = 0;
    bool fits = identity_add(identity, &n_bytes, key->metric);

    for (size_t i = 0; fits && i < key->n_labels; i++) {
        fits = identity_add(identity, &n_bytes, key->labels[i].name) &&
               identity_add(identity, &n_bytes, key->labels[i].value);
    }
    if (!fits) {
        (void)snprintf(reterr->message, sizeof(reterr->message),
                       "metric and labels of more than %d bytes", IDENTITY_BYTES);
        return LW_ETOOLONG;
    }
    *ret_series = lw_ingest_find(taking->request, identity, n_bytes);
    return *ret_series != LW_INGEST_UNKNOWN
               ? LW_OK
               : lw_ingest_define(taking->request, identity, n_bytes, key, ret_series, reterr);
}

/* Faults come one by one, then their number: what refused series lost is in that alone. */
static void taking_dropped(void *context, const char *reason, uint64_t n)
{
    struct taking *taking = context;
    uint64_t n_told = 0;

    for (int i = 0; i < LW_CSV_FAULT_NEVER; i++) {
        if (strcmp(lw_csv_fault_name((enum lw_csv_fault)i), reason) == 0) {
            n_told = taking->told[i];
            taking->told[i] = 0;
        }
    }
    if (n > n_told) {
        lw_line_places_add(&taking->places, taking->last_line);
        lw_ingest_reject(taking->request, reason, n - n_told, NULL,
                         "%llu more values, in other lines too, are of refused series",
                         (unsigned long long)(n - n_told));
    }
}

static void taking_complain(void *context, const struct lw_csv_complaint *complaint)
{
    struct taking *taking = context;

    taking->told[complaint->fault]++;
    taking->last_line = complaint->line;
    lw_line_places_add(&taking->places, complaint->line);
    if (complaint->column == NULL) {
        lw_ingest_reject(taking->request, lw_csv_fault_name(complaint->fault), 1, NULL, "%s",
                         complaint->detail);
    } else {
        lw_ingest_reject(taking->request, lw_csv_fault_name(complaint->fault), 1, NULL,
                         "column \"%.60s\": %s", complaint->column, complaint->detail);
    }
}

/* ---- rows ---- */

/* The line where a row begins, by reading the table again: rows are told by number only when their
 * samples are refused, and then of a few. */
static uint64_t row_line(const struct taking *taking, const struct lw_csv_dialect *dialect,
                         uint64_t row)
{
    struct lw_csv_field fields[LW_CSV_COLUMNS_MAX];
    struct lw_csv_record record = {.fields = fields};
    const char *at = (const char *)taking->input->body + dialect->n_skip_bytes;
    const char *end = (const char *)taking->input->body + taking->input->n_bytes;
    uint64_t line = 1 + (uint64_t)dialect->n_skip_lines;
    uint64_t n_rows = 0;

    while (at < end) {
        enum lw_csv_record_state state = lw_csv_record_read(at, (size_t)(end - at), true,
                                                            dialect->separator, &record);

        if (state != LW_CSV_RECORD_OK || record.n_fields > 0) {
            if (n_rows++ == row + dialect->has_header) {
                break;
            }
        }
        line += record.n_lines;
        at += record.n_bytes;
    }
    return line;
}

/* Hands a batch to the request. */
static void batch_take(struct taking *taking, const struct lw_csv_source *source,
                       const struct lw_csv_batch *batch)
{
    const struct lw_csv_dialect *dialect = lw_csv_source_dialect(source);
    int64_t now_ns = lw_ingest_request_now_ns(taking->request);

    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct lw_point *point = &batch->points[i];
        int64_t time_ns = dialect->time_column < 0 ? now_ns : point->time_ns;

        if (!lw_ingest_sample(taking->request, point->series, time_ns, point->value) &&
            taking->places.n < LW_INGEST_DETAILS) {
            lw_line_places_add(&taking->places, row_line(taking, dialect, point->tag));
        }
    }
}

static enum lw_status source_take(struct taking *taking, struct lw_csv_source *source,
                                  struct lw_error *reterr)
{
    struct lw_csv_batch batch;
    bool is_over = false;
    enum lw_status status = lw_csv_batch_init(&batch, reterr);

    while (status == LW_OK && !is_over) {
        status = lw_csv_source_read(source, &batch, &is_over, reterr);
        batch_take(taking, source, &batch);
    }
    lw_csv_batch_fini(&batch);
    return status;
}

/* ---- requests ---- */

/* The query as options of the reader; a sentence when it cannot be. */
static const char *options_read(const struct lw_push_input *input, struct lw_csv_options *options)
{
    const char *separator = input->query(input->context, "separator");
    const char *decimal = input->query(input->context, "decimal");
    const char *layout = input->query(input->context, "layout");

    *options = (struct lw_csv_options){.separator = ',', .decimal_mark = '.', .header = LW_CSV_YES};
    options->time = input->query(input->context, "time");
    options->time_format = input->query(input->context, "time_format");
    options->series = input->query(input->context, "series");
    options->value = input->query(input->context, "value");
    options->entity = input->query(input->context, "entity");
    options->unit_name = input->query(input->context, "instance");
    if (options->unit_name == NULL || options->unit_name[0] == '\0') {
        options->unit_name = LW_CSV_PUSH_INSTANCE;
    }
    if (separator != NULL && strcmp(separator, "tab") != 0 && strlen(separator) != 1) {
        return "separator must be one character, or tab";
    }
    if (separator != NULL) {
        options->separator = strcmp(separator, "tab") == 0 ? '\t' : separator[0];
    }
    if (decimal != NULL && strcmp(decimal, ".") != 0 && strcmp(decimal, ",") != 0) {
        return "decimal must be . or ,";
    }
    options->decimal_mark = decimal == NULL ? '.' : decimal[0];
    if (options->separator == options->decimal_mark || options->separator == '"' ||
        options->separator == '\n' || options->separator == '\r') {
        return "separator and decimal must differ, and the separator be no quote or line end";
    }
    if (layout != NULL && strcmp(layout, "long") != 0 && strcmp(layout, "wide") != 0) {
        return "layout must be long or wide";
    }
    options->layout = layout == NULL                ? LW_CSV_LAYOUT_AUTO
                      : strcmp(layout, "long") == 0 ? LW_CSV_LONG
                                                    : LW_CSV_WIDE;
    return NULL;
}

/* A message of the reader names options of the program, "--time": here they are parameters. */
static void message_fit(const char *message, char ret_message[MESSAGE_BYTES])
{
    size_t n = 0;

    while (*message != '\0' && n < MESSAGE_BYTES - 1) {
        message += strncmp(message, "--", 2) == 0 ? 2 : 0;
        ret_message[n++] = *message == '\0' ? ' ' : *message++;
    }
    ret_message[n] = '\0';
}

static void refuse(const struct lw_error *error, enum lw_status status,
                   struct lw_push_answer *answer)
{
    char message[MESSAGE_BYTES];

    message_fit(error->message, message);
    lw_line_places_refuse(status == LW_ENOMEM ? 503 : 400, message, answer);
}

static bool time_is_said(const struct lw_csv_options *options, const struct lw_csv_source *source)
{
    return lw_csv_source_dialect(source)->time_column >= 0 ||
           (options->time != NULL && strcasecmp(options->time, "none") == 0);
}

static void csv_take(const struct lw_push_input *input, struct lw_ingest_request *request,
                     struct lw_push_answer *answer)
{
    struct taking taking = {.input = input, .request = request};
    const struct lw_feed feed = {
        .series = taking_series, .dropped = taking_dropped, .context = &taking};
    const struct lw_csv_listener listener = {.complain = taking_complain, .context = &taking};
    struct lw_csv_options options;
    const struct lw_csv_setup setup = {.options = &options, .feed = &feed, .listener = &listener};
    struct lw_csv_source *source = NULL;
    struct lw_error error = {0};
    const char *wrong = options_read(input, &options);
    enum lw_status status;

    if (input->content_type != NULL && strncasecmp(input->content_type, "text/csv", 8) != 0) {
        lw_line_places_refuse(415, "the content type must be text/csv", answer);
        return;
    }
    /* The reader would unpack it without a bound. */
    if (input->n_bytes >= 2 && input->body[0] == 0x1f && input->body[1] == 0x8b) {
        wrong = "the table is compressed: say so by Content-Encoding: gzip";
    }
    if (wrong != NULL) {
        lw_line_places_refuse(400, wrong, answer);
        return;
    }
    status = lw_csv_source_open_bytes(&setup, "", input->body, input->n_bytes, &source, &error);
    if (status == LW_OK && !time_is_said(&options, source)) {
        (void)snprintf(error.message, sizeof(error.message),
                       "no column of times was found: name it with time, or time=none for the "
                       "time of arrival");
        status = LW_EFORMAT;
    }
    status = status == LW_OK ? source_take(&taking, source, &error) : status;
    lw_csv_source_close(source);
    if (status != LW_OK) {
        refuse(&error, status, answer);
        return;
    }
    lw_line_places_answer(&taking.places, "line", request, answer);
}

static void csv_refuse(const struct lw_push_input *input, unsigned code, const char *detail,
                       struct lw_push_answer *answer)
{
    (void)input;
    lw_line_places_refuse(code, detail, answer);
}

static const char *const paths[] = {"/v1/samples/csv", NULL};
static const char *const encodings[] = {"gzip", NULL};
static const char *const parameters[] = {
    "time",
    "Column of times, by name or number from 1; none: the time of arrival.",
    "time_format",
    "s, ms, us, ns, iso, or a pattern such as %d.%m.%Y %H:%M; default: found.",
    "entity",
    "Column that becomes the label instance; default: one named host, instance and the like.",
    "instance",
    "The label instance where no column is; default: csv.",
    "layout",
    "long (a column of names and one of values) or wide (a column each); default: found.",
    "series",
    "Long layout: column of names.",
    "value",
    "Long layout: column of values.",
    "separator",
    "One character, or tab; default: a comma.",
    "decimal",
    ". (default) or ,",
    NULL,
};

const struct lw_push_class lw_push_csv = {
    .source = "csv_push",
    .paths = paths,
    .summary = "Samples as CSV with a header.",
    .parameters = parameters,
    .encodings = encodings,
    .body_bytes_max = (size_t)32 << 20,
    .decoded_bytes_max = (size_t)64 << 20,
    .take = csv_take,
    .refuse = csv_refuse,
};
