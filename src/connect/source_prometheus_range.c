/* The range API of Prometheus as a source: see connect/source_prometheus_range.h. */
#include "connect/source_prometheus_range.h"

#include "base/error.h"
#include "base/mem.h"
#include "connect/http_client.h"
#include "connect/prometheus/matrix.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATH "/api/v1/query_range"
#define URL_MAX 2048
#define NS_PER_MS INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define TIMEOUT_NS (120 * SECOND_NS)
#define TRIES 4
#define WAIT_FIRST_MS 500
/* Before it is known how many series there are. */
#define STEPS_FIRST 60
#define STEPS_GROWTH 8
/* Points of a piece of time, about: 4 MiB of text. */
#define POINTS_WANTED 150000
#define BATCH_POINTS 8192u
#define REASON_MAX 300
#define SENTENCE_MAX 1024

/* A series of the answers being delivered. */
struct track {
    struct lw_prometheus_matrix *matrix;
    size_t place;    /* In the matrix. */
    uint32_t number; /* Of the feed. */
};

struct lw_source_prometheus_range {
    struct lw_prometheus_range_setup setup;
    struct lw_feed feed;
    char url[URL_MAX];
    struct lw_http_client *client;
    char *queries[LW_PROMETHEUS_QUERIES_MAX]; /* As values of a form. */
    int64_t first_ns, last_ns, next_ns;       /* Multiples of the step. */
    int64_t n_steps;                          /* Of the next piece. */
    struct lw_prometheus_matrix *matrices[LW_PROMETHEUS_QUERIES_MAX];
    struct track *tracks;
    size_t n_tracks, tracks_capacity;
    struct lw_point *points;
    uint32_t n_points;
    bool has_told_labels, has_told_refused, has_told_histograms;
    struct lw_prometheus_range_totals totals;
};

LW_PRINTF(2, 3)
static void tell(const struct lw_source_prometheus_range *source, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;

    if (source->setup.tell == NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    source->setup.tell(source->setup.context, sentence);
}

/* ---- opening ---- */

static int64_t multiple_below(int64_t time_ns, int64_t step_ns)
{
    int64_t rest = time_ns % step_ns;

    return time_ns - (rest < 0 ? rest + step_ns : rest);
}

static enum lw_status range_take(struct lw_source_prometheus_range *source, struct lw_error *reterr)
{
    const struct lw_prometheus_range_setup *setup = &source->setup;
    int64_t step_ns = setup->step_ns;

    if (setup->n_queries == 0 || setup->n_queries > LW_PROMETHEUS_QUERIES_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "there may be 1 to %d queries, not %zu",
                            LW_PROMETHEUS_QUERIES_MAX, setup->n_queries);
    }
    if (step_ns < NS_PER_MS || step_ns % NS_PER_MS != 0) {
        return lw_error_set(reterr, LW_EINVAL, "an interval is whole milliseconds, at least one");
    }
    source->first_ns = multiple_below(setup->from_ns, step_ns);
    source->first_ns += source->first_ns < setup->from_ns ? step_ns : 0;
    source->last_ns = multiple_below(setup->to_ns, step_ns);
    if (source->first_ns > source->last_ns) {
        return lw_error_set(reterr, LW_EINVAL, "there is no whole interval between from and to");
    }
    if ((source->last_ns - source->first_ns) / step_ns >= LW_PROMETHEUS_RANGE_STEPS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "a range has at most %" PRId64 " intervals",
                            LW_PROMETHEUS_RANGE_STEPS_MAX);
    }
    source->next_ns = source->first_ns;
    source->n_steps = STEPS_FIRST;
    return LW_OK;
}

static enum lw_status url_make(struct lw_source_prometheus_range *source, struct lw_error *reterr)
{
    size_t length = strlen(source->setup.url);

    while (length > 0 && source->setup.url[length - 1] == '/') {
        length--;
    }
    if (length + sizeof(PATH) > URL_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "an address has at most %zu bytes",
                            URL_MAX - sizeof(PATH));
    }
    (void)snprintf(source->url, URL_MAX, "%.*s%s", (int)length, source->setup.url, PATH);
    return LW_OK;
}

static enum lw_status source_init(struct lw_source_prometheus_range *source,
                                  struct lw_error *reterr)
{
    const struct lw_http_setup http = {
        .header_file = source->setup.header_file,
        .ca_file = source->setup.ca_file,
        .timeout_ns = source->setup.timeout_ns > 0 ? source->setup.timeout_ns : TIMEOUT_NS,
        .uses_proxy = true};
    enum lw_status status = range_take(source, reterr);

    status = status == LW_OK ? url_make(source, reterr) : status;
    status = status == LW_OK ? lw_http_url_check(source->url, false, reterr) : status;
    status = status == LW_OK ? lw_http_client_create(&http, &source->client, reterr) : status;
    for (size_t i = 0; i < source->setup.n_queries && status == LW_OK; i++) {
        source->queries[i] = lw_http_escape(source->client, source->setup.queries[i]);
        if (source->queries[i] == NULL) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for a query");
        }
    }
    if (status == LW_OK) {
        source->points = lw_mem_alloc(BATCH_POINTS * sizeof(*source->points));
        if (source->points == NULL) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for a batch of points");
        }
    }
    return status;
}

enum lw_status lw_source_prometheus_range_open(const struct lw_prometheus_range_setup *setup,
                                               struct lw_source_prometheus_range **ret_source,
                                               struct lw_error *reterr)
{
    struct lw_source_prometheus_range *source = lw_mem_calloc(1, sizeof(*source));
    enum lw_status status;

    if (source == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a source");
    }
    source->setup = *setup;
    source->feed = *setup->feed;
    source->totals.first_ns = INT64_MAX;
    source->totals.last_ns = INT64_MIN;
    status = source_init(source, reterr);
    if (status != LW_OK) {
        lw_source_prometheus_range_close(source);
        return status;
    }
    *ret_source = source;
    return LW_OK;
}

static void matrices_free(struct lw_source_prometheus_range *source)
{
    for (size_t i = 0; i < LW_PROMETHEUS_QUERIES_MAX; i++) {
        lw_prometheus_matrix_free(source->matrices[i]);
        source->matrices[i] = NULL;
    }
    source->n_tracks = 0;
}

void lw_source_prometheus_range_close(struct lw_source_prometheus_range *source)
{
    if (source == NULL) {
        return;
    }
    matrices_free(source);
    for (size_t i = 0; i < LW_PROMETHEUS_QUERIES_MAX; i++) {
        lw_http_free(source->queries[i]);
    }
    lw_http_client_destroy(source->client);
    lw_mem_free(source->tracks);
    lw_mem_free(source->points);
    lw_mem_free(source);
}

/* ---- asking ---- */

static void pause_ms(int64_t ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};

    (void)nanosleep(&wait, NULL);
}

static size_t seconds_put(char *to, size_t capacity, int64_t ns)
{
    int n = snprintf(to, capacity, "%s%" PRId64 ".%03" PRId64, ns < 0 ? "-" : "",
                     (ns < 0 ? -ns : ns) / SECOND_NS, (ns < 0 ? -ns : ns) % SECOND_NS / NS_PER_MS);

    return n < 0 ? 0 : (size_t)n;
}

/* "query=...&start=...&end=...&step=..."; the caller owns it. */
static char *form_make(const struct lw_source_prometheus_range *source, size_t query,
                       int64_t end_ns)
{
    size_t capacity = strlen(source->queries[query]) + 160, n;
    char *form = lw_mem_alloc(capacity);

    if (form == NULL) {
        return NULL;
    }
    n = (size_t)snprintf(form, capacity, "query=%s&start=", source->queries[query]);
    n += seconds_put(form + n, capacity - n, source->next_ns);
    n += (size_t)snprintf(form + n, capacity - n, "&end=");
    n += seconds_put(form + n, capacity - n, end_ns);
    n += (size_t)snprintf(form + n, capacity - n, "&step=");
    (void)seconds_put(form + n, capacity - n, source->setup.step_ns);
    return form;
}

/* What came of one request, for who decides what to do next. */
enum outcome {
    OUTCOME_GOOD,
    OUTCOME_SMALLER, /* It was too much at once. */
    OUTCOME_AGAIN,   /* It may pass. */
    OUTCOME_BAD
};

static bool says_too_much(const char *text)
{
    return strstr(text, "too many") != NULL || strstr(text, "exceed") != NULL ||
           strstr(text, "limit") != NULL || strstr(text, "timed out") != NULL;
}

/* Judges an answer; *ret_reason says what is wrong with it. */
static enum outcome answer_judge(const struct lw_http_answer *answer, char ret_reason[REASON_MAX])
{
    char told[REASON_MAX - 40] = "";
    bool has_error;

    if (answer->is_too_long) {
        (void)snprintf(ret_reason, REASON_MAX, "the answer is longer than %zu MiB",
                       LW_PROMETHEUS_ANSWER_MAX >> 20);
        return OUTCOME_SMALLER;
    }
    if (answer->code == 200) {
        return OUTCOME_GOOD;
    }
    has_error = lw_prometheus_error(answer->body, answer->n_bytes, told, sizeof(told));
    (void)snprintf(ret_reason, REASON_MAX, "HTTP status %ld%s%s", answer->code,
                   has_error ? ", " : "", told);
    if (has_error && says_too_much(told)) {
        return OUTCOME_SMALLER;
    }
    return answer->code == 429 || answer->code >= 500 ? OUTCOME_AGAIN : OUTCOME_BAD;
}

/* One request, tried again while its failure may pass. */
static enum lw_status request(struct lw_source_prometheus_range *source, const char *form,
                              size_t bytes_max, struct lw_http_answer *ret_answer,
                              enum outcome *ret_outcome, struct lw_error *reterr)
{
    char reason[REASON_MAX] = "";
    int64_t wait_ms = WAIT_FIRST_MS;
    const struct lw_http_request post = {.url = source->url,
                                         .content_type = "application/x-www-form-urlencoded",
                                         .body = form,
                                         .n_bytes = strlen(form),
                                         .answer_bytes_max = bytes_max,
                                         .stop = -1};

    for (int i = 1;; i++) {
        struct lw_error error;
        enum lw_status status = lw_http_post(source->client, &post, ret_answer, &error);

        source->totals.requests++;
        if (status == LW_ENOMEM) {
            return lw_error_set(reterr, status, "%s: %s", source->url, error.message);
        }
        if (status == LW_OK) {
            *ret_outcome = answer_judge(ret_answer, reason);
        } else {
            *ret_outcome = ret_answer->is_late ? OUTCOME_SMALLER : OUTCOME_AGAIN;
            (void)snprintf(reason, sizeof(reason), "%.*s", REASON_MAX - 1, error.message);
        }
        if (*ret_outcome != OUTCOME_AGAIN || i == TRIES) {
            break;
        }
        tell(source, "%s: %s; trying again in %.1f s", source->url, reason, (double)wait_ms / 1e3);
        source->totals.retries++;
        pause_ms(wait_ms);
        wait_ms *= 2;
    }
    return *ret_outcome == OUTCOME_GOOD
               ? LW_OK
               : lw_error_set(reterr, *ret_outcome == OUTCOME_SMALLER ? LW_ELIMIT : LW_EIO,
                              "%s: %s", source->url, reason);
}

/* Asks one query for the piece up to end_ns. */
static enum lw_status query_ask(struct lw_source_prometheus_range *source, size_t query,
                                int64_t end_ns, size_t *bytes_left, enum outcome *ret_outcome,
                                struct lw_error *reterr)
{
    char *form = form_make(source, query, end_ns);
    struct lw_http_answer answer = {0};
    struct lw_error error;
    enum lw_status status;

    if (form == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a query");
    }
    status = request(source, form, *bytes_left, &answer, ret_outcome, reterr);
    lw_mem_free(form);
    if (status != LW_OK) {
        return status;
    }
    *bytes_left -= answer.n_bytes;
    status = lw_prometheus_matrix_read(answer.body, answer.n_bytes, &source->matrices[query],
                                       &error);
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "%s: %s", source->url, error.message);
}

/* Asks all queries for the next piece, in smaller pieces where it is too much at once. */
static enum lw_status piece_ask(struct lw_source_prometheus_range *source, int64_t *ret_end_ns,
                                struct lw_error *reterr)
{
    for (;;) {
        int64_t left = (source->last_ns - source->next_ns) / source->setup.step_ns + 1;
        int64_t n = source->n_steps < left ? source->n_steps : left;
        size_t bytes_left = LW_PROMETHEUS_ANSWER_MAX;
        enum outcome outcome = OUTCOME_GOOD;
        enum lw_status status = LW_OK;

        *ret_end_ns = source->next_ns + (n - 1) * source->setup.step_ns;
        for (size_t i = 0; i < source->setup.n_queries && status == LW_OK; i++) {
            status = query_ask(source, i, *ret_end_ns, &bytes_left, &outcome, reterr);
        }
        if (status == LW_OK || outcome != OUTCOME_SMALLER || n == 1) {
            return status;
        }
        matrices_free(source);
        source->n_steps = n / 2;
        tell(source, "asking for %" PRId64 " intervals at once instead of %" PRId64,
             source->n_steps, n);
    }
}

/* ---- delivering ---- */

static enum lw_status push_all(struct lw_source_prometheus_range *source)
{
    enum lw_status status = source->n_points == 0
                                ? LW_OK
                                : source->feed.push(source->feed.context, source->points,
                                                    source->n_points);

    source->totals.points += source->n_points;
    source->n_points = 0;
    return status;
}

/* Counts a series that cannot be taken, once with a sentence. */
static void series_drop(struct lw_source_prometheus_range *source, const char *reason,
                        bool *has_told, const char *sentence)
{
    source->feed.dropped(source->feed.context, reason, 1);
    if (!*has_told) {
        tell(source, "%s", sentence);
        *has_told = true;
    }
}

static bool tracks_room(struct lw_source_prometheus_range *source, size_t n_more)
{
    size_t n = source->n_tracks + n_more;
    struct track *tracks;

    if (n <= source->tracks_capacity) {
        return true;
    }
    tracks = lw_mem_realloc(source->tracks, n * sizeof(*tracks));
    if (tracks == NULL) {
        return false;
    }
    source->tracks = tracks;
    source->tracks_capacity = n;
    return true;
}

/* Makes the series of one answer known to the feed. */
static enum lw_status tracks_add(struct lw_source_prometheus_range *source, size_t query,
                                 struct lw_error *reterr)
{
    struct lw_prometheus_matrix *matrix = source->matrices[query];
    size_t n = lw_prometheus_n_series(matrix);
    struct lw_label labels[LW_LABELS_MAX];
    struct lw_series_key key;
    char fallback[32];

    if (!tracks_room(source, n)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series", n);
    }
    (void)snprintf(fallback, sizeof(fallback), "query_%zu", query + 1);
    for (size_t i = 0; i < n; i++) {
        struct track track = {.matrix = matrix, .place = i};
        struct lw_error error;
        enum lw_status status;

        if (!lw_prometheus_key(matrix, i, fallback, labels, &key)) {
            series_drop(source, "too_many_labels", &source->has_told_labels,
                        "a series with more than 48 labels is left out; others are counted only");
            continue;
        }
        status = source->feed.series(source->feed.context, &key, &track.number, &error);
        if (status == LW_ENOMEM) {
            return lw_error_set(reterr, status, "%s", error.message);
        }
        if (status != LW_OK) {
            series_drop(source, "series_refused", &source->has_told_refused, error.message);
            continue;
        }
        source->tracks[source->n_tracks++] = track;
    }
    if (lw_prometheus_n_histograms(matrix) > 0) {
        source->feed.dropped(source->feed.context, "histogram", lw_prometheus_n_histograms(matrix));
        if (!source->has_told_histograms) {
            tell(source, "native histograms are left out: ask for a quantile or a rate of them");
            source->has_told_histograms = true;
        }
    }
    return LW_OK;
}

/* The earliest time that any series has left; false: there is none. */
static bool time_next(const struct lw_source_prometheus_range *source, int64_t *ret_time_ns)
{
    bool has_any = false;

    for (size_t i = 0; i < source->n_tracks; i++) {
        int64_t time_ns;
        double value;

        if (lw_prometheus_peek(source->tracks[i].matrix, source->tracks[i].place, &time_ns,
                               &value) &&
            (!has_any || time_ns < *ret_time_ns)) {
            *ret_time_ns = time_ns;
            has_any = true;
        }
    }
    return has_any;
}

/* Delivers the values of one moment, and says that it is complete. */
static enum lw_status moment_deliver(struct lw_source_prometheus_range *source, int64_t time_ns)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < source->n_tracks && status == LW_OK; i++) {
        struct track *track = &source->tracks[i];
        int64_t here_ns;
        double value;

        if (!lw_prometheus_peek(track->matrix, track->place, &here_ns, &value) ||
            here_ns != time_ns) {
            continue;
        }
        lw_prometheus_take(track->matrix, track->place);
        source->points[source->n_points++] = (struct lw_point){
            .series = track->number, .time_ns = time_ns, .value = value};
        status = source->n_points == BATCH_POINTS ? push_all(source) : LW_OK;
    }
    status = status == LW_OK ? push_all(source) : status;
    source->totals.first_ns = time_ns < source->totals.first_ns ? time_ns : source->totals.first_ns;
    source->totals.last_ns = time_ns;
    return status == LW_OK
               ? source->feed.watermark(source->feed.context, time_ns + source->setup.step_ns)
               : status;
}

static enum lw_status piece_deliver(struct lw_source_prometheus_range *source, int64_t end_ns,
                                    struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    int64_t time_ns = 0;

    for (size_t i = 0; i < source->setup.n_queries && status == LW_OK; i++) {
        status = tracks_add(source, i, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    while (status == LW_OK && time_next(source, &time_ns)) {
        if (time_ns < source->next_ns || time_ns > end_ns) {
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s: the answer has times that were not asked for", source->url);
        }
        status = moment_deliver(source, time_ns);
    }
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "the engine takes no more: %s",
                                          lw_status_name(status));
}

/* As many steps as are good for the number of series that there were. */
static void steps_adapt(struct lw_source_prometheus_range *source)
{
    size_t n = 0;
    int64_t wanted;

    for (size_t i = 0; i < source->setup.n_queries; i++) {
        n += lw_prometheus_n_series(source->matrices[i]);
    }
    source->totals.n_series = n > source->totals.n_series ? (uint32_t)n : source->totals.n_series;
    wanted = n == 0 ? LW_PROMETHEUS_STEPS_MAX : POINTS_WANTED / (int64_t)n;
    if (wanted > source->n_steps * STEPS_GROWTH) {
        wanted = source->n_steps * STEPS_GROWTH;
    }
    source->n_steps = wanted < 1                         ? 1
                      : wanted > LW_PROMETHEUS_STEPS_MAX ? LW_PROMETHEUS_STEPS_MAX
                                                         : wanted;
}

enum lw_status lw_source_prometheus_range_next(struct lw_source_prometheus_range *source,
                                               bool *ret_more, struct lw_error *reterr)
{
    int64_t end_ns = 0;
    enum lw_status status = LW_OK;

    if (source->next_ns <= source->last_ns) {
        status = piece_ask(source, &end_ns, reterr);
        status = status == LW_OK ? piece_deliver(source, end_ns, reterr) : status;
        if (status == LW_OK) {
            steps_adapt(source);
            source->next_ns = end_ns + source->setup.step_ns;
        }
        matrices_free(source);
    }
    if (status == LW_OK) {
        *ret_more = source->next_ns <= source->last_ns;
    }
    return status;
}

double lw_source_prometheus_range_share(const struct lw_source_prometheus_range *source)
{
    double all = (double)(source->last_ns - source->first_ns) + (double)source->setup.step_ns;

    return (double)(source->next_ns - source->first_ns) / all;
}

struct lw_prometheus_range_totals lw_source_prometheus_range_totals(
    const struct lw_source_prometheus_range *source)
{
    return source->totals;
}
