/*
 * Alerts for Prometheus' Alertmanager, API v2: docs/sinks/alertmanager.md.
 *
 * To Alertmanager an alert is its set of labels, so labels hold only what never changes from an
 * anomaly's opening to its end; its type and the series that stands out most may change meanwhile
 * and are annotations. An open alert carries an end that lies two re-sends ahead: it is told again
 * before that, and should nobody tell it any more it ends by itself.
 *
 * Instances of a cluster do not hand alerts on to each other: each gets every event. An event is
 * delivered when one of them has taken it; the others get it with the next re-send.
 */
#include "connect/sink_alertmanager.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "connect/sink_common.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BATCH 64
#define URLS_MAX 8
#define LABELS_MAX 16
#define PATH "/api/v2/alerts"
#define ANSWER_MAX ((size_t)16 << 10)
#define TEXT_MAX 2048

struct options {
    char url[1024], labels[1024], external_url[1024];
    char alertname[128], severity[64];
    int64_t resend_ns;
    struct lw_http_options http;
};

struct sink {
    struct options options;
    struct lw_http_client *client;
    size_t n_urls;
    char urls[URLS_MAX][sizeof(((struct options *)NULL)->url) + sizeof(PATH)];
    size_t n_labels;
    const char *names[LABELS_MAX], *values[LABELS_MAX]; /* Of static labels, in options.labels. */
    struct lw_json json;
};

#define TEXT_OPTION(field, given, text)                                                            \
    {                                                                                              \
        .name = #field, .type = LW_OPTION_TEXT, .offset = offsetof(struct options, field),         \
        .fallback = (given), .capacity = sizeof(((struct options *)NULL)->field), .unit = "",      \
        .help = (text)                                                                             \
    }

static const struct lw_option OPTIONS[] = {
    TEXT_OPTION(url, "",
                "Address as http://alertmanager:9093, or a list of them: all of a cluster, at most "
                "8."),
    TEXT_OPTION(alertname, "LapwingAnomaly", "Value of the label alertname."),
    TEXT_OPTION(severity, "ticket", "Value of the label severity; empty: no such label."),
    TEXT_OPTION(labels, "", "Further labels of all alerts, as a list of name=value; at most 16."),
    TEXT_OPTION(external_url, "",
                "Address of Lapwing's page as others see it, for links; empty: no links."),
    {.name = "resend",
     .type = LW_OPTION_DURATION,
     .offset = offsetof(struct options, resend_ns),
     .fallback = "1m",
     .min = 1e9,
     .max = 3600e9,
     .unit = "duration",
     .help = "An open anomaly is told again this often; its alert ends after twice that."},
    LW_HTTP_OPTIONS(offsetof(struct options, http)),
};

/* ---- making ---- */

/* [a-zA-Z_][a-zA-Z0-9_]*, and none that we set. */
static bool is_label_name(const char *name)
{
    static const char *const OURS[] = {"alertname", "detector", "entity", "severity"};

    for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
        if (strcmp(name, OURS[i]) == 0) {
            return false;
        }
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (*at != '_' && !isalpha((unsigned char)*at) &&
            !(at > name && isdigit((unsigned char)*at))) {
            return false;
        }
    }
    return name[0] != '\0';
}

/* Cuts options.labels into names and values. */
static enum lw_status labels_take(struct sink *sink, struct lw_error *reterr)
{
    char *at = sink->options.labels, *word;

    while ((word = strsep(&at, ",")) != NULL) {
        char *value;

        word += strspn(word, " ");
        if (word[0] == '\0') {
            continue;
        }
        value = strchr(word, '=');
        if (sink->n_labels == LABELS_MAX) {
            return lw_error_set(reterr, LW_EINVAL, "labels: at most %d", LABELS_MAX);
        }
        if (value != NULL) {
            *value++ = '\0';
        }
        if (value == NULL || !is_label_name(word)) {
            return lw_error_set(reterr, LW_EINVAL,
                                "labels: expected name=value with a name of letters, digits and "
                                "\"_\" that is not alertname, detector, entity or severity, got "
                                "\"%.100s\"",
                                word);
        }
        for (size_t i = 0; i < sink->n_labels; i++) {
            if (strcmp(sink->names[i], word) == 0) {
                return lw_error_set(reterr, LW_EINVAL, "labels: \"%.100s\" twice", word);
            }
        }
        sink->names[sink->n_labels] = word;
        sink->values[sink->n_labels++] = value;
    }
    return LW_OK;
}

static enum lw_status urls_take(struct sink *sink, struct lw_error *reterr)
{
    char copy[sizeof(sink->options.url)];
    char *at = copy, *word;

    memcpy(copy, sink->options.url, sizeof(copy));
    while ((word = strsep(&at, ",")) != NULL) {
        size_t length;

        word += strspn(word, " ");
        length = strcspn(word, " ");
        while (length > 0 && word[length - 1] == '/') {
            length--;
        }
        if (length == 0) {
            continue;
        }
        if (sink->n_urls == URLS_MAX) {
            return lw_error_set(reterr, LW_EINVAL, "url: at most %d addresses", URLS_MAX);
        }
        word[length] = '\0';
        if (lw_http_url_check(word, false, reterr) != LW_OK) {
            return LW_EINVAL;
        }
        (void)snprintf(sink->urls[sink->n_urls++], sizeof(sink->urls[0]), "%s%s", word, PATH);
    }
    return sink->n_urls > 0
               ? LW_OK
               : lw_error_set(reterr, LW_EINVAL, "url is missing, as http://alertmanager:9093");
}

static enum lw_status options_take(struct sink *sink, struct lw_error *reterr)
{
    const struct options *options = &sink->options;
    enum lw_status status = urls_take(sink, reterr);

    status = status == LW_OK ? labels_take(sink, reterr) : status;
    if (status == LW_OK && options->alertname[0] == '\0') {
        status = lw_error_set(reterr, LW_EINVAL, "alertname is empty");
    }
    if (status == LW_OK && options->external_url[0] != '\0') {
        status = lw_http_url_check(options->external_url, false, reterr);
    }
    return status;
}

static void sink_destroy(void *context)
{
    struct sink *sink = context;

    if (sink == NULL) {
        return;
    }
    lw_http_client_destroy(sink->client);
    lw_json_fini(&sink->json);
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
    http = lw_http_setup_of(&sink->options.http);
    status = options_take(sink, &error);
    status = status == LW_OK ? lw_http_client_create(&http, &sink->client, &error) : status;
    if (status != LW_OK) {
        sink_destroy(sink);
        return lw_error_set(reterr, status, "sink \"%s\": %s", name, error.message);
    }
    *ret_sink = sink;
    return LW_OK;
}

/* ---- an event as an alert ---- */

static void member(struct lw_json *json, const char *key, const char *text)
{
    if (text[0] != '\0') {
        lw_json_key(json, key);
        lw_json_text(json, text);
    }
}

static void time_member(struct lw_json *json, const char *key, int64_t time_ns)
{
    char text[LW_TIME_TEXT_MAX];

    (void)lw_time_format(time_ns, text);
    member(json, key, text);
}

/* "node_load1 62 % (4.2, expected 0.3); ..." */
static void contributions_make(const struct lw_anomaly_view *view, char ret_text[TEXT_MAX])
{
    size_t at = 0;

    ret_text[0] = '\0';
    for (uint32_t i = 0; i < view->anomaly.n_contributions && at < TEXT_MAX; i++) {
        const struct lw_contribution *part = &view->anomaly.contributions[i];
        char expected[40] = "";

        if (!isnan(part->expected)) {
            (void)snprintf(expected, sizeof(expected), ", expected %.4g", (double)part->expected);
        }
        at += (size_t)snprintf(ret_text + at, TEXT_MAX - at, "%s%.255s %.0f %% (%.4g%s)",
                               i == 0 ? "" : "; ",
                               view->series[i][0] == '\0' ? "all together" : view->series[i],
                               100.0 * (double)part->share, (double)part->value, expected);
    }
}

static void annotations_write(struct lw_json *json, const struct lw_sink_event *event)
{
    const struct lw_anomaly_view *view = event->anomaly;
    const struct lw_anomaly *anomaly = &view->anomaly;
    const char *type = lw_anomaly_type_name((enum lw_anomaly_type)anomaly->type);
    char text[TEXT_MAX], period[64];

    (void)snprintf(period, sizeof(period), "once in %.3g steps", (double)anomaly->return_rows);
    lw_json_key(json, "annotations");
    lw_json_begin_object(json);
    member(json, "summary", view->sentence);
    (void)snprintf(text, sizeof(text),
                   "%s of %.1023s seen by %.255s: %u anomalous steps, peak score %.3g; something "
                   "this bad comes %s by estimate.",
                   type, view->entity[0] == '\0' ? "the whole" : view->entity, view->detector,
                   anomaly->n_steps, (double)anomaly->peak_score, period);
    member(json, "description", text);
    member(json, "type", type);
    member(json, "series", view->series[0]);
    member(json, "return_period", period);
    contributions_make(view, text);
    member(json, "contributions", text);
    member(json, "anomaly_id", event->id);
    lw_json_end(json);
}

static void labels_write(struct lw_json *json, const struct sink *sink,
                         const struct lw_anomaly_view *view)
{
    lw_json_key(json, "labels");
    lw_json_begin_object(json);
    member(json, "alertname", sink->options.alertname);
    member(json, "severity", sink->options.severity);
    member(json, "detector", view->detector);
    member(json, "entity", view->entity);
    for (size_t i = 0; i < sink->n_labels; i++) {
        member(json, sink->names[i], sink->values[i]);
    }
    lw_json_end(json);
}

/* Times of a source whose clock is ahead are held back to now: Alertmanager would wait for them. */
static void alert_write(struct lw_json *json, const struct sink *sink,
                        const struct lw_sink_event *event, int64_t now_ns)
{
    const struct lw_anomaly *anomaly = &event->anomaly->anomaly;
    int64_t start_ns = anomaly->start_ns < now_ns ? anomaly->start_ns : now_ns;
    int64_t end_ns = anomaly->last_ns < now_ns ? anomaly->last_ns : now_ns;
    char link[LW_SINK_LINK_BYTES];

    lw_json_begin_object(json);
    labels_write(json, sink, event->anomaly);
    annotations_write(json, event);
    time_member(json, "startsAt", start_ns);
    time_member(json, "endsAt",
                lw_sink_is_closed(event) ? end_ns : now_ns + 2 * sink->options.resend_ns);
    lw_sink_link(event->anomaly, sink->options.external_url, link);
    member(json, "generatorURL", link);
    lw_json_end(json);
}

/* ---- delivering ---- */

/* The better of two answers: delivered, then try again, then refused. */
static void result_better(struct lw_sink_result *best, const struct lw_sink_result *other)
{
    if (other->answer < best->answer) {
        *best = *other;
    } else if (other->answer == best->answer && other->retry_after_ns > best->retry_after_ns) {
        best->retry_after_ns = other->retry_after_ns;
    }
}

/* Posts what is in sink->json to all instances, each within its share of the time left. */
static void post_all(struct sink *sink, int64_t deadline_ns, int stop,
                     struct lw_sink_result *ret_result)
{
    *ret_result = (struct lw_sink_result){.answer = LW_SINK_REFUSED};
    for (size_t i = 0; i < sink->n_urls; i++) {
        int64_t left_ns = (deadline_ns - lw_clock_monotonic_ns()) / (int64_t)(sink->n_urls - i);
        const struct lw_http_request request = {.url = sink->urls[i],
                                                .content_type = "application/json",
                                                .body = sink->json.out.data,
                                                .n_bytes = sink->json.out.n_bytes,
                                                .answer_bytes_max = ANSWER_MAX,
                                                .timeout_ns = left_ns > 0 ? left_ns : 1,
                                                .stop = stop};
        struct lw_http_answer answer;
        struct lw_sink_result result;
        struct lw_error error;
        enum lw_status status = lw_http_post(sink->client, &request, &answer, &error);

        lw_sink_judge(status, &error, &answer, &result);
        if (i == 0) {
            *ret_result = result;
        } else {
            result_better(ret_result, &result);
        }
    }
}

static void post_events(struct sink *sink, const struct lw_sink_event *events, size_t n,
                        int64_t deadline_ns, int stop, struct lw_sink_result *ret_result)
{
    int64_t now_ns = lw_clock_real_ns();

    lw_json_reset(&sink->json);
    lw_json_begin_array(&sink->json);
    for (size_t i = 0; i < n; i++) {
        alert_write(&sink->json, sink, &events[i], now_ns);
    }
    lw_json_end(&sink->json);
    if (sink->json.out.status != LW_OK) {
        *ret_result = (struct lw_sink_result){.answer = LW_SINK_RETRY,
                                              .reason = "no memory for a request"};
        return;
    }
    post_all(sink, deadline_ns, stop, ret_result);
}

/* One request for all; where it is refused, one for each, so that one bad alert costs no other. */
static void sink_deliver(void *context, const struct lw_sink_event *events, size_t n, int stop,
                         struct lw_sink_result *ret_results)
{
    struct sink *sink = context;
    int64_t deadline_ns = lw_clock_monotonic_ns() + sink->options.http.timeout_ns;
    struct lw_sink_result result;

    post_events(sink, events, n, deadline_ns, stop, &result);
    for (size_t i = 0; i < n; i++) {
        ret_results[i] = result;
        if (n > 1 && result.answer == LW_SINK_REFUSED) {
            post_events(sink, &events[i], 1, deadline_ns, stop, &ret_results[i]);
        }
    }
}

static size_t sink_batch(const void *context)
{
    (void)context;
    return BATCH;
}

static int64_t sink_resend_ns(const void *context)
{
    return ((const struct sink *)context)->options.resend_ns;
}

const struct lw_sink_class lw_sink_alertmanager = {
    .type = "alertmanager",
    .help = "Alerts for Prometheus' Alertmanager, API v2.",
    .options = OPTIONS,
    .n_options = sizeof(OPTIONS) / sizeof(OPTIONS[0]),
    .options_bytes = sizeof(struct options),
    .create = sink_create,
    .batch = sink_batch,
    .resend_ns = sink_resend_ns,
    .deliver = sink_deliver,
    .destroy = sink_destroy,
};
