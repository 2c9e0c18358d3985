/* Writing scores to a store: see connect/scores.h. */
#include "connect/scores.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "connect/scores_body.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_MS 1000000
#define SECOND_NS INT64_C(1000000000)
#define ANSWER_MAX ((size_t)16 << 10)
/* Waits after a failure: doubled each time. */
#define WAIT_FIRST_NS SECOND_NS
#define WAIT_LAST_NS (30 * SECOND_NS)
/* For what is left at the end. */
#define END_NS (2 * SECOND_NS)
/* Detectors a shard remembers the options of, by their hash. */
#define KNOWN 8

struct chunk {
    struct chunk *next;
    uint32_t n_rows;
    size_t n_bytes;
    uint8_t bytes[LW_SCORES_CHUNK_BYTES - 24];
};

/* What a verdict is judged by that belongs to its detector. */
struct known {
    uint64_t hash; /* Of its options. */
    bool is_known, is_chosen;
    char name[LW_SHORT_NAME_MAX];
    char key[LW_SCORES_TEXT_MAX];
};

/* A shard's. Chunks are free, being filled, waiting (oldest first), or with the writer. */
struct lane {
    pthread_mutex_t lock; /* Of the chunks and the counter. */
    struct chunk *memory; /* Owned: an array. NULL: no verdict yet. */
    struct chunk *free, *filling, *oldest, *newest;
    uint64_t n_dropped;
    struct known known[KNOWN]; /* The shard's alone. */
};

struct lw_scores {
    struct lw_scores_options options;
    struct lw_http_client *client;
    struct lw_scores_body body; /* The writer's alone, as are the client and the next. */
    int64_t end_ns;             /* Of the last attempts, monotonic; 0: it goes on. */
    pthread_t thread;
    bool has_thread;
    int wake, stop; /* Descriptors: a chunk is full; it is time to end. */
    pthread_mutex_t totals_lock;
    struct lw_scores_totals totals;
    struct lane lanes[LW_ENGINE_SHARDS_MAX];
};

#define TEXT_OPTION(field, given, text)                                                            \
    {                                                                                              \
        .name = #field, .type = LW_OPTION_TEXT,                                                    \
        .offset = offsetof(struct lw_scores_options, field), .fallback = (given),                  \
        .capacity = sizeof(((struct lw_scores_options *)NULL)->field), .unit = "", .help = (text)  \
    }

static const struct lw_option OPTIONS[] = {
    TEXT_OPTION(url, "",
                "Address that takes remote write, as http://prometheus:9090/api/v1/write; empty: "
                "nothing is written."),
    TEXT_OPTION(match, "*",
                "Metrics whose scores are written: patterns with * and ?, separated by commas."),
    TEXT_OPTION(detectors, "*", "Detectors whose scores are written, by the same patterns."),
    {.name = "every",
     .type = LW_OPTION_INT,
     .offset = offsetof(struct lw_scores_options, every),
     .fallback = "1",
     .min = 1,
     .max = 100000,
     .unit = "steps",
     .help = "One step of so many is written; detectors whose step is \"sample\" write all."},
    {.name = "interval",
     .type = LW_OPTION_DURATION,
     .offset = offsetof(struct lw_scores_options, interval_ns),
     .fallback = "5s",
     .min = 1e8,
     .max = 300e9,
     .unit = "duration",
     .help = "What is there is written this often."},
    {.name = "buffer",
     .type = LW_OPTION_SIZE,
     .offset = offsetof(struct lw_scores_options, buffer_bytes),
     .fallback = "4MiB",
     .min = 4 * (double)LW_SCORES_CHUNK_BYTES,
     .max = 1e10,
     .unit = "bytes",
     .help = "Memory of each shard for rows that wait; a row takes 100 to 200 bytes. Beyond it the "
             "oldest are dropped."},
    LW_HTTP_OPTIONS(offsetof(struct lw_scores_options, http)),
};

const struct lw_option *lw_scores_option_table(size_t *ret_n)
{
    *ret_n = sizeof(OPTIONS) / sizeof(OPTIONS[0]);
    return OPTIONS;
}

/* ---- chunks; callers hold the lane's lock ---- */

static struct chunk *oldest_take(struct lane *lane)
{
    struct chunk *chunk = lane->oldest;

    if (chunk != NULL) {
        lane->oldest = chunk->next;
        lane->newest = lane->oldest == NULL ? NULL : lane->newest;
    }
    return chunk;
}

/* What was being filled waits from now on. */
static void filling_queue(struct lane *lane)
{
    struct chunk *chunk = lane->filling;

    lane->filling = NULL;
    chunk->next = NULL;
    if (lane->newest == NULL) {
        lane->oldest = chunk;
    } else {
        lane->newest->next = chunk;
    }
    lane->newest = chunk;
}

/* A chunk to fill, of the oldest rows if need be; NULL while the writer has the only one. */
static struct chunk *chunk_begin(struct lane *lane)
{
    struct chunk *chunk = lane->free;

    if (chunk != NULL) {
        lane->free = chunk->next;
    } else {
        chunk = oldest_take(lane);
        if (chunk == NULL) {
            return NULL;
        }
        lane->n_dropped += chunk->n_rows;
    }
    chunk->n_rows = 0;
    chunk->n_bytes = 0;
    return chunk;
}

static bool memory_make(struct lane *lane, int64_t buffer_bytes)
{
    size_t n = (size_t)buffer_bytes / sizeof(struct chunk);

    lane->memory = lw_mem_alloc(n * sizeof(struct chunk));
    if (lane->memory == NULL) {
        return false;
    }
    for (size_t i = n; i-- > 0;) {
        lane->memory[i].next = lane->free;
        lane->free = &lane->memory[i];
    }
    return true;
}

/* True when a chunk became full. */
static bool row_put(struct lane *lane, const struct lw_scores_row *row, int64_t buffer_bytes)
{
    bool is_full = false;

    if (lane->memory == NULL && !memory_make(lane, buffer_bytes)) {
        lane->n_dropped++;
        return false;
    }
    for (int i = 0; i < 2; i++) {
        struct chunk *chunk = lane->filling == NULL ? chunk_begin(lane) : lane->filling;
        size_t n_bytes;

        lane->filling = chunk;
        if (chunk == NULL) {
            break;
        }
        n_bytes = lw_scores_row_pack(row, chunk->bytes + chunk->n_bytes,
                                     sizeof(chunk->bytes) - chunk->n_bytes);
        chunk->n_bytes += n_bytes;
        chunk->n_rows += n_bytes > 0;
        if (n_bytes > 0) {
            return is_full;
        }
        if (chunk->n_rows == 0) {
            break; /* A text too long. */
        }
        filling_queue(lane);
        is_full = true;
    }
    lane->n_dropped++;
    return is_full;
}

/* ---- the shard's side ---- */

/* The detector's line in the shard's small table, filled when another one is there. */
static const struct known *known_find(const struct lw_scores *scores, struct lane *lane,
                                      const struct lw_detector *detector)
{
    uint64_t hash = lw_detector_hash(detector);
    const char *name = lw_detector_name(detector);
    struct known *known = &lane->known[hash % KNOWN];

    if (known->is_known && known->hash == hash && strcmp(known->name, name) == 0) {
        return known;
    }
    known->is_known = true;
    known->hash = hash;
    (void)snprintf(known->name, sizeof(known->name), "%s", name);
    known->is_chosen = lw_glob_match_any(scores->options.detectors, name);
    if (lw_detector_get(detector, "entity", known->key, sizeof(known->key)) != LW_OK) {
        known->key[0] = '\0';
    }
    return known;
}

static bool is_chosen(const struct lw_scores *scores, const struct lw_engine_verdict *told)
{
    int64_t step_ns = lw_detector_step_ns(told->detector), every = scores->options.every;
    const char *match = scores->options.match;

    if (every > 1 && step_ns > 0 && told->verdict->time_ns / step_ns % every != 0) {
        return false;
    }
    return told->verdict->series == LW_SERIES_NONE || strcmp(match, "*") == 0 ||
           lw_glob_match_any(match, lw_entity_series_metric(told->entity, told->verdict->series));
}

void lw_scores_verdict(void *context, uint32_t shard, const struct lw_engine_verdict *told)
{
    struct lw_scores *scores = context;
    struct lane *lane = &scores->lanes[shard];
    const struct lw_verdict *verdict = told->verdict;
    const struct known *known;
    struct lw_scores_row row;
    bool is_full;

    if (!is_chosen(scores, told)) {
        return;
    }
    known = known_find(scores, lane, told->detector);
    if (!known->is_chosen) {
        return;
    }
    row = (struct lw_scores_row){.time_ns = verdict->time_ns,
                                 .score = verdict->score,
                                 .expected = verdict->expected,
                                 .lower = verdict->lower,
                                 .upper = verdict->upper,
                                 .alarm = verdict->alarm,
                                 .detector = known->name,
                                 .entity = lw_entity_name(told->entity),
                                 .key = known->key,
                                 .series = ""};
    if (verdict->series != LW_SERIES_NONE) {
        row.series = lw_entity_series_name(told->entity, verdict->series);
    }
    (void)pthread_mutex_lock(&lane->lock);
    is_full = row_put(lane, &row, scores->options.buffer_bytes);
    (void)pthread_mutex_unlock(&lane->lock);
    if (is_full) {
        (void)!write(scores->wake, &(uint64_t){1}, sizeof(uint64_t));
    }
}

/* ---- the writer's side ---- */

/* The oldest chunk that waits; with *all also, and once, the one that is being filled. */
static struct chunk *chunk_take(struct lane *lane, bool *all)
{
    struct chunk *chunk;

    (void)pthread_mutex_lock(&lane->lock);
    if (lane->oldest == NULL && *all && lane->filling != NULL && lane->filling->n_rows > 0) {
        filling_queue(lane);
        *all = false;
    }
    chunk = oldest_take(lane);
    (void)pthread_mutex_unlock(&lane->lock);
    return chunk;
}

static void chunk_give(struct lane *lane, struct chunk *chunk, bool is_dropped)
{
    (void)pthread_mutex_lock(&lane->lock);
    lane->n_dropped += is_dropped ? chunk->n_rows : 0;
    chunk->next = lane->free;
    lane->free = chunk;
    (void)pthread_mutex_unlock(&lane->lock);
}

enum outcome { OUTCOME_TAKEN, OUTCOME_REFUSED, OUTCOME_AGAIN };

/* What came of a request, into the totals. */
static void outcome_count(struct lw_scores *scores, enum outcome outcome, uint32_t n_rows,
                          const char *reason)
{
    struct lw_scores_totals *totals = &scores->totals;

    (void)pthread_mutex_lock(&scores->totals_lock);
    totals->requests++;
    totals->requests_failed += outcome != OUTCOME_TAKEN;
    totals->rows_written += outcome == OUTCOME_TAKEN ? n_rows : 0;
    totals->rows_refused += outcome == OUTCOME_REFUSED ? n_rows : 0;
    (void)snprintf(totals->reason, sizeof(totals->reason), "%.*s", (int)sizeof(totals->reason) - 1,
                   reason);
    (void)pthread_mutex_unlock(&scores->totals_lock);
}

/* Sends what scores->body holds. */
static enum outcome body_post(struct lw_scores *scores, int64_t *ret_retry_after_ns,
                              char ret_reason[LW_ERROR_MESSAGE_MAX])
{
    int64_t left_ns = scores->end_ns == 0 ? 0 : scores->end_ns - lw_clock_monotonic_ns();
    static const char *const HEADERS[] = {"Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};
    const struct lw_http_request request = {.url = scores->options.url,
                                            .content_type = "application/x-protobuf",
                                            .body = scores->body.packed.data,
                                            .n_bytes = scores->body.packed.n_bytes,
                                            .headers = HEADERS,
                                            .answer_bytes_max = ANSWER_MAX,
                                            .timeout_ns = left_ns < 0 ? 1 : left_ns,
                                            .stop = scores->end_ns == 0 ? scores->stop : -1};
    struct lw_http_answer answer;
    struct lw_error error;
    enum lw_status status = lw_http_post(scores->client, &request, &answer, &error);

    *ret_retry_after_ns = answer.retry_after_ns;
    ret_reason[0] = '\0';
    if (status != LW_OK) {
        (void)snprintf(ret_reason, LW_ERROR_MESSAGE_MAX, "%s", error.message);
        return OUTCOME_AGAIN;
    }
    if (answer.code >= 200 && answer.code < 300) {
        return OUTCOME_TAKEN;
    }
    (void)snprintf(ret_reason, LW_ERROR_MESSAGE_MAX, "HTTP status %ld: %.*s", answer.code,
                   (int)strcspn(answer.body, "\r\n"), answer.body);
    return answer.code >= 400 && answer.code < 500 && answer.code != 408 && answer.code != 425 &&
                   answer.code != 429
               ? OUTCOME_REFUSED
               : OUTCOME_AGAIN;
}

/* One attempt for the rows of a chunk. */
static enum outcome chunk_send(struct lw_scores *scores, const struct chunk *chunk,
                               int64_t *ret_retry_after_ns)
{
    const uint8_t *at = chunk->bytes;
    char reason[LW_ERROR_MESSAGE_MAX];
    struct lw_scores_row row;
    struct lw_error error;
    enum outcome outcome;

    lw_scores_body_reset(&scores->body);
    while (lw_scores_row_next(&at, chunk->bytes + chunk->n_bytes, &row)) {
        lw_scores_body_add(&scores->body, &row);
    }
    *ret_retry_after_ns = 0;
    if (lw_scores_body_pack(&scores->body, &error) != LW_OK) {
        outcome_count(scores, OUTCOME_AGAIN, chunk->n_rows, error.message);
        return OUTCOME_AGAIN;
    }
    outcome = body_post(scores, ret_retry_after_ns, reason);
    outcome_count(scores, outcome, chunk->n_rows, reason);
    return outcome;
}

/* Waits for a full chunk or the end of the time; true when it is time to end. */
static bool wait_for(const struct lw_scores *scores, bool for_chunks, int64_t until_ns)
{
    struct pollfd asked[2] = {{.fd = scores->stop, .events = POLLIN},
                              {.fd = for_chunks ? scores->wake : -1, .events = POLLIN}};
    int64_t left_ns = until_ns - lw_clock_monotonic_ns();
    uint64_t count;

    (void)poll(asked, 2, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0);
    if (asked[1].revents != 0) {
        (void)!read(scores->wake, &count, sizeof(count));
    }
    return asked[0].revents != 0;
}

/* Tries until the store takes or refuses it; false when it is time to end before that. */
static bool chunk_write(struct lw_scores *scores, const struct chunk *chunk)
{
    int64_t wait_ns = WAIT_FIRST_NS, retry_after_ns;

    while (chunk_send(scores, chunk, &retry_after_ns) == OUTCOME_AGAIN) {
        int64_t longer_ns = retry_after_ns > wait_ns ? retry_after_ns : wait_ns;

        if (wait_for(scores, false, lw_clock_monotonic_ns() + longer_ns)) {
            return false;
        }
        wait_ns = wait_ns < WAIT_LAST_NS / 2 ? 2 * wait_ns : WAIT_LAST_NS;
    }
    return true;
}

/* What is left when it is time to end: one attempt for each chunk until one fails or the time is
 * over. What stays is counted as dropped. */
static void rest_write(struct lw_scores *scores, struct lane *left_lane, struct chunk *left)
{
    int64_t ignored;
    bool goes_on = true;

    scores->end_ns = lw_clock_monotonic_ns() + END_NS;
    for (size_t i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        struct lane *lane = &scores->lanes[i];
        bool all = true;
        struct chunk *chunk = left != NULL && lane == left_lane ? left : chunk_take(lane, &all);

        while (chunk != NULL) {
            goes_on = goes_on && lw_clock_monotonic_ns() < scores->end_ns &&
                      chunk_send(scores, chunk, &ignored) != OUTCOME_AGAIN;
            chunk_give(lane, chunk, !goes_on);
            chunk = chunk_take(lane, &all);
        }
    }
}

/* Writes what waits in a lane. NULL, or the chunk that was under way when it was time to end. */
static struct chunk *lane_write(struct lw_scores *scores, struct lane *lane, bool all)
{
    struct chunk *chunk;

    while ((chunk = chunk_take(lane, &all)) != NULL) {
        if (!chunk_write(scores, chunk)) {
            return chunk;
        }
        chunk_give(lane, chunk, false);
    }
    return NULL;
}

static void *write_on(void *context)
{
    struct lw_scores *scores = context;
    int64_t next_ns = lw_clock_monotonic_ns() + scores->options.interval_ns;
    struct lane *lane = NULL;
    struct chunk *left = NULL;

    while (left == NULL && !wait_for(scores, true, next_ns)) {
        bool all = lw_clock_monotonic_ns() >= next_ns;

        for (size_t i = 0; i < LW_ENGINE_SHARDS_MAX && left == NULL; i++) {
            lane = &scores->lanes[i];
            left = lane_write(scores, lane, all);
        }
        if (all) {
            next_ns = lw_clock_monotonic_ns() + scores->options.interval_ns;
        }
    }
    rest_write(scores, lane, left);
    return NULL;
}

/* ---- making ---- */

static enum lw_status scores_start(struct lw_scores *scores, struct lw_error *reterr)
{
    const struct lw_http_setup http = lw_http_setup_of(&scores->options.http);
    enum lw_status status = lw_http_url_check(scores->options.url, true, reterr);

    status = status == LW_OK ? lw_http_client_create(&http, &scores->client, reterr) : status;
    if (status != LW_OK) {
        return status;
    }
    scores->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    scores->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (scores->wake < 0 || scores->stop < 0) {
        return lw_error_set(reterr, LW_EIO, "no descriptor for the writer of scores: %s",
                            strerror(errno));
    }
    if (pthread_create(&scores->thread, NULL, write_on, scores) != 0) {
        return lw_error_set(reterr, LW_EIO, "no thread for the writer of scores");
    }
    scores->has_thread = true;
    return LW_OK;
}

enum lw_status lw_scores_create(const struct lw_scores_options *options,
                                struct lw_scores **ret_scores, struct lw_error *reterr)
{
    struct lw_scores *scores = lw_mem_calloc(1, sizeof(*scores));
    struct lw_error error;
    enum lw_status status;

    if (scores == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the writer of scores");
    }
    scores->options = *options;
    scores->wake = scores->stop = -1;
    (void)pthread_mutex_init(&scores->totals_lock, NULL);
    for (size_t i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        (void)pthread_mutex_init(&scores->lanes[i].lock, NULL);
    }
    status = scores_start(scores, &error);
    if (status != LW_OK) {
        lw_scores_destroy(scores);
        return lw_error_set(reterr, status, "scores: %s", error.message);
    }
    *ret_scores = scores;
    return LW_OK;
}

void lw_scores_destroy(struct lw_scores *scores)
{
    if (scores == NULL) {
        return;
    }
    if (scores->has_thread) {
        (void)!write(scores->stop, &(uint64_t){1}, sizeof(uint64_t));
        (void)pthread_join(scores->thread, NULL);
    }
    if (scores->wake >= 0) {
        (void)close(scores->wake);
    }
    if (scores->stop >= 0) {
        (void)close(scores->stop);
    }
    for (size_t i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        lw_mem_free(scores->lanes[i].memory);
        (void)pthread_mutex_destroy(&scores->lanes[i].lock);
    }
    (void)pthread_mutex_destroy(&scores->totals_lock);
    lw_scores_body_fini(&scores->body);
    lw_http_client_destroy(scores->client);
    lw_mem_free(scores);
}

void lw_scores_totals(struct lw_scores *scores, struct lw_scores_totals *ret_totals)
{
    (void)pthread_mutex_lock(&scores->totals_lock);
    *ret_totals = scores->totals;
    (void)pthread_mutex_unlock(&scores->totals_lock);
    for (size_t i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        struct lane *lane = &scores->lanes[i];

        (void)pthread_mutex_lock(&lane->lock);
        ret_totals->rows_dropped += lane->n_dropped;
        (void)pthread_mutex_unlock(&lane->lock);
    }
}
