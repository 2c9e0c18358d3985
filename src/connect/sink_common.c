/* What several sinks share: see connect/sink_common.h. */
#include "connect/sink_common.h"

#include "base/text.h"
#include "base/time_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Bytes of an answer's text that go into a reason. */
#define TOLD_MAX 120

static void time_write(struct lw_json *json, const char *key, int64_t time_ns)
{
    char text[LW_TIME_TEXT_MAX];

    lw_json_key(json, key);
    (void)lw_time_format(time_ns, text);
    lw_json_text(json, text);
}

static void text_write(struct lw_json *json, const char *key, const char *text)
{
    lw_json_key(json, key);
    lw_json_text(json, text);
}

static void float_write(struct lw_json *json, const char *key, float value)
{
    lw_json_key(json, key);
    lw_json_float(json, value);
}

/* Appends text as a part of a query: all but unreserved characters as %XX. */
static size_t escape(char *ret_text, size_t n, size_t capacity, const char *text)
{
    for (; *text != '\0' && n + 4 < capacity; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL) {
            ret_text[n++] = *text;
        } else {
            n += (size_t)snprintf(ret_text + n, capacity - n, "%%%02X", (unsigned char)*text);
        }
    }
    ret_text[n] = '\0';
    return n;
}

void lw_sink_link(const struct lw_anomaly_view *anomaly, const char *external_url,
                  char ret_link[LW_SINK_LINK_BYTES])
{
    size_t length = strlen(external_url), n;

    while (length > 0 && external_url[length - 1] == '/') {
        length--;
    }
    ret_link[0] = '\0';
    if (length == 0 || length > LW_HTTP_URL_MAX) {
        return;
    }
    n = (size_t)snprintf(ret_link, LW_SINK_LINK_BYTES, "%.*s/#/entity?detector=", (int)length,
                         external_url);
    n = escape(ret_link, n, LW_SINK_LINK_BYTES, anomaly->detector);
    n += (size_t)snprintf(ret_link + n, LW_SINK_LINK_BYTES - n, "&entity=");
    (void)escape(ret_link, n, LW_SINK_LINK_BYTES, anomaly->entity);
}

bool lw_sink_is_closed(const struct lw_sink_event *event)
{
    return event->phase == LW_ANOMALY_CLOSED;
}

static void contributions_write(struct lw_json *json, const struct lw_anomaly_view *view)
{
    lw_json_key(json, "contributions");
    lw_json_begin_array(json);
    for (uint32_t i = 0; i < view->anomaly.n_contributions; i++) {
        const struct lw_contribution *part = &view->anomaly.contributions[i];

        lw_json_begin_object(json);
        text_write(json, "series", view->series[i][0] == '\0' ? NULL : view->series[i]);
        float_write(json, "share", part->share);
        float_write(json, "value", part->value);
        float_write(json, "expected", part->expected);
        lw_json_end(json);
    }
    lw_json_end(json);
}

void lw_sink_event_write(struct lw_json *json, const struct lw_sink_event *event,
                         const char *external_url)
{
    const struct lw_anomaly_view *view = event->anomaly;
    const struct lw_anomaly *anomaly = &view->anomaly;
    bool is_closed = lw_sink_is_closed(event);
    char link[LW_SINK_LINK_BYTES];

    lw_sink_link(view, external_url, link);
    lw_json_begin_object(json);
    text_write(json, "type", is_closed ? "anomaly.closed" : "anomaly.opened");
    time_write(json, "timestamp", is_closed ? anomaly->last_ns : anomaly->start_ns);
    lw_json_key(json, "data");
    lw_json_begin_object(json);
    text_write(json, "id", event->id);
    text_write(json, "detector", view->detector);
    text_write(json, "entity", view->entity);
    text_write(json, "type", lw_anomaly_type_name((enum lw_anomaly_type)anomaly->type));
    text_write(json, "summary", view->sentence);
    time_write(json, "start", anomaly->start_ns);
    if (is_closed) {
        time_write(json, "end", anomaly->last_ns);
    } else {
        text_write(json, "end", NULL);
    }
    time_write(json, "peak", anomaly->peak_ns);
    float_write(json, "score", anomaly->peak_score);
    float_write(json, "return_period_steps", anomaly->return_rows);
    lw_json_key(json, "anomalous_steps");
    lw_json_int(json, anomaly->n_steps);
    text_write(json, "url", link[0] == '\0' ? NULL : link);
    contributions_write(json, view);
    lw_json_end(json);
    lw_json_end(json);
}

/* ---- answers ---- */

/* The beginning of the answer's first line; what a terminal or a log might choke on becomes "?". */
static void told_make(const struct lw_http_answer *answer, char ret_told[TOLD_MAX + 1])
{
    size_t n = strcspn(answer->body, "\r\n"), at = 0;

    n = n > TOLD_MAX ? TOLD_MAX : n;
    while (at < n) {
        size_t length = lw_utf8_length(answer->body + at, n - at);

        if (length > 1 ||
            (length == 1 && (unsigned char)answer->body[at] >= ' ' && answer->body[at] != 0x7f)) {
            memcpy(ret_told + at, answer->body + at, length);
            at += length;
        } else {
            ret_told[at++] = '?';
        }
    }
    ret_told[at] = '\0';
}

void lw_sink_judge(enum lw_status status, const struct lw_error *error,
                   const struct lw_http_answer *answer, struct lw_sink_result *ret_result)
{
    char told[TOLD_MAX + 1];
    bool may_pass;

    memset(ret_result, 0, sizeof(*ret_result));
    ret_result->answer = LW_SINK_RETRY;
    if (status != LW_OK) {
        (void)snprintf(ret_result->reason, sizeof(ret_result->reason), "%.*s",
                       (int)sizeof(ret_result->reason) - 1, error->message);
        return;
    }
    if (answer->code >= 200 && answer->code < 300) {
        ret_result->answer = LW_SINK_DELIVERED;
        return;
    }
    may_pass = answer->code == 408 || answer->code == 425 || answer->code == 429;
    if (answer->code >= 400 && answer->code < 500 && !may_pass) {
        ret_result->answer = LW_SINK_REFUSED;
    }
    ret_result->retry_after_ns = answer->retry_after_ns;
    if (answer->code >= 300 && answer->code < 400) {
        (void)snprintf(ret_result->reason, sizeof(ret_result->reason),
                       "HTTP status %ld: redirects are not followed", answer->code);
        return;
    }
    told_make(answer, told);
    (void)snprintf(ret_result->reason, sizeof(ret_result->reason), "HTTP status %ld%s%s",
                   answer->code, told[0] == '\0' ? "" : ": ", told);
}
