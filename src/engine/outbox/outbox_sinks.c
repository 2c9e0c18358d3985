/* Sinks of the outbox: who they are, what is due, what came of it. See engine/outbox/outbox.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/anomaly_view.h"
#include "engine/outbox/outbox_internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_AGE_DEFAULT_NS (INT64_C(86400) * 1000000000)
#define RATE_DEFAULT 10.0
#define BURST_DEFAULT 100.0
#define DEAD_LETTERS_DEFAULT 10000
/* Nothing in sight: a wait ends by what comes. */
#define FAR_NS (INT64_C(3600) * 1000000000)

int64_t lw_outbox_backoff(struct lw_rng *rng, uint32_t n_failed)
{
    int64_t bound = LW_OUTBOX_BACKOFF_FIRST_NS;

    for (uint32_t i = 1; i < n_failed && bound < LW_OUTBOX_BACKOFF_LAST_NS; i++) {
        bound *= 2;
    }
    bound = bound < LW_OUTBOX_BACKOFF_LAST_NS ? bound : LW_OUTBOX_BACKOFF_LAST_NS;
    return (int64_t)lw_rng_below(rng, (uint64_t)bound + 1);
}

struct outbox_sink *lw_outbox_find(struct lw_outbox *outbox, const char *name)
{
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        if (outbox->sinks[i].id != 0 && strcmp(outbox->sinks[i].name, name) == 0) {
            return &outbox->sinks[i];
        }
    }
    return NULL;
}

enum lw_status lw_outbox_unknown(const char *name, struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_ENOTFOUND, "there is no sink \"%.200s\"", name);
}

struct outbox_entry lw_outbox_entry(const struct lw_outbox *outbox, const struct outbox_head *head)
{
    int64_t now_ns = outbox->monotonic_ns();
    int64_t age_ns = outbox->real_ns() - head->real_ns;

    return (struct outbox_entry){.number = head->number,
                                 .id = head->id,
                                 .after = head->after,
                                 .due_ns = now_ns,
                                 .born_ns = now_ns - (age_ns > 0 ? age_ns : 0),
                                 .phase = head->phase};
}

/* ---- who is there ---- */

/* Open anomalies that a sink is to be told of when it comes (back). */
struct catching_up {
    struct lw_outbox *outbox;
    struct outbox_sink *sink;
    uint64_t since; /* Number from which on they are news to it. */
    enum lw_status status;
};

/* One that is open: news, or told before and to be told again. */
static bool catch_up(void *context, const struct lw_keyed_pair *pair)
{
    struct catching_up *self = context;
    struct outbox_sink *sink = self->sink;
    struct outbox_key key;
    struct outbox_head head;
    struct outbox_entry entry;
    struct lw_reader reader;

    lw_reader_init(&reader, pair->value, pair->n_value);
    lw_outbox_head_read(&head, &reader);
    if (reader.status != LW_OK || lw_outbox_queue_find(&sink->waiting, head.number) != NULL) {
        self->status = reader.status;
        return reader.status == LW_OK;
    }
    self->status = lw_outbox_queue_reserve(&sink->waiting, 1);
    if (self->status == LW_OK) {
        self->status = lw_outbox_queue_reserve(&sink->open, 1);
    }
    if (self->status != LW_OK) {
        return false;
    }
    entry = lw_outbox_entry(self->outbox, &head);
    if (head.number >= self->since) {
        lw_outbox_key_event(&key, 'p', sink->id, head.number);
        lw_keyed_put(self->outbox->batch, key.bytes, key.n, pair->value, pair->n_value);
        lw_outbox_queue_insert(&sink->waiting, &entry);
    } else if (sink->options.resend_ns > 0) {
        lw_outbox_queue_insert(&sink->open, &entry);
    }
    return true;
}

/* What was refused is not told again. */
static void refused_leave(struct lw_outbox *outbox, struct outbox_sink *sink)
{
    struct outbox_key key;

    for (size_t i = sink->open.first; sink->view.dead_kept > 0 && i < sink->open.n; i++) {
        lw_outbox_key_event(&key, 'd', sink->id, sink->open.entries[i].number);
        if (lw_keyed_get(outbox->keyed, key.bytes, key.n, &outbox->found, NULL) == LW_OK) {
            lw_outbox_queue_mark(&sink->open, &sink->open.entries[i]);
        }
    }
    lw_outbox_queue_tidy(&sink->open);
}

/* Reads what is open for a sink; writes the sink when something changed. */
static enum lw_status sink_bring_up(struct lw_outbox *outbox, struct outbox_sink *sink,
                                    uint64_t since, bool changed, struct lw_error *reterr)
{
    const struct lw_keyed_range range = {.prefix = "o", .n_prefix = 1};
    struct catching_up self = {.outbox = outbox, .sink = sink, .since = since, .status = LW_OK};
    enum lw_status status;

    lw_keyed_batch_clear(outbox->batch);
    lw_outbox_queue_fini(&sink->open);
    status = lw_keyed_scan(outbox->keyed, &range, catch_up, &self, reterr);
    if (status == LW_OK && self.status != LW_OK) {
        status = lw_error_set(reterr, self.status, "cannot read the open anomalies for sink \"%s\"",
                              sink->name);
    }
    if (status == LW_OK) {
        refused_leave(outbox, sink);
    }
    if (status == LW_OK && (changed || lw_keyed_batch_count(outbox->batch) > 0)) {
        lw_outbox_put_sink(outbox, sink);
        lw_outbox_put_meta(outbox, outbox->next_number);
        status = lw_keyed_write(outbox->keyed, outbox->batch, reterr);
    }
    return status;
}

static enum lw_status options_check(const char *name, const struct lw_outbox_options *options,
                                    struct lw_error *reterr)
{
    if (name[0] == '\0' || strlen(name) >= LW_SHORT_NAME_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "a sink's name has 1 to %d bytes, got %zu",
                            LW_SHORT_NAME_MAX - 1, strlen(name));
    }
    if (options->resend_ns < 0 || options->max_age_ns < 0 || !(options->rate >= 0) ||
        !(options->burst >= 0) || (options->burst > 0 && options->burst < 1)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "sink \"%s\": resend, max_age and rate must be at least 0, burst at "
                            "least 1",
                            name);
    }
    return LW_OK;
}

static struct lw_outbox_options options_fill(const struct lw_outbox_options *options)
{
    struct lw_outbox_options filled = *options;

    filled.max_age_ns = filled.max_age_ns == 0 ? MAX_AGE_DEFAULT_NS : filled.max_age_ns;
    filled.rate = filled.rate > 0 ? filled.rate : RATE_DEFAULT;
    filled.burst = filled.burst > 0 ? filled.burst : BURST_DEFAULT;
    filled.dead_letters_max = filled.dead_letters_max == 0 ? DEAD_LETTERS_DEFAULT
                                                           : filled.dead_letters_max;
    return filled;
}

/* A place for a new sink; NULL: all are taken. */
static struct outbox_sink *sink_add(struct lw_outbox *outbox, const char *name)
{
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];

        if (sink->id == 0) {
            (void)snprintf(sink->name, sizeof(sink->name), "%s", name);
            sink->id = outbox->next_sink++;
            sink->view.up = true;
            sink->view.last_success_ns = INT64_MIN;
            return sink;
        }
    }
    return NULL;
}

/* Frees the place of a sink. */
static void sink_forget(struct outbox_sink *sink)
{
    lw_outbox_queue_fini(&sink->waiting);
    lw_outbox_queue_fini(&sink->open);
    memset(sink, 0, sizeof(*sink));
}

/* What was on its way when the sink was opened before is told again. */
static void flights_end(struct outbox_queue *queue)
{
    for (size_t i = queue->first; i < queue->n; i++) {
        queue->entries[i].flags &= (uint8_t)~ENTRY_IN_FLIGHT;
    }
}

static enum lw_status sink_open(struct lw_outbox *outbox, const char *name,
                                const struct lw_outbox_options *options, struct lw_error *reterr)
{
    struct outbox_sink *sink = lw_outbox_find(outbox, name);
    bool is_new = sink == NULL;
    bool changed;
    uint64_t since;
    int64_t gone_ns;
    enum lw_status status;

    sink = is_new ? sink_add(outbox, name) : sink;
    if (sink == NULL) {
        return lw_error_set(reterr, LW_ELIMIT,
                            "sink \"%s\" is one too many: with those that are gone and have "
                            "something left there may be %d",
                            name, LW_SINKS_MAX);
    }
    since = is_new ? 0 : sink->gone_ns != 0 ? sink->gone_number : UINT64_MAX;
    gone_ns = sink->gone_ns;
    sink->options = options_fill(options);
    changed = is_new || gone_ns != 0 || sink->max_age_ns != sink->options.max_age_ns;
    sink->max_age_ns = sink->options.max_age_ns;
    sink->gone_ns = 0;
    flights_end(&sink->waiting);
    status = sink_bring_up(outbox, sink, since, changed, reterr);
    if (status != LW_OK) {
        sink->gone_ns = gone_ns;
        if (is_new) {
            sink_forget(sink);
        }
        return status;
    }
    sink->opened = true;
    sink->tokens = sink->options.burst;
    sink->tokens_ns = outbox->monotonic_ns();
    sink->rest_ns = INT64_MIN;
    sink->n_failed = 0;
    (void)pthread_cond_broadcast(&outbox->due);
    return LW_OK;
}

enum lw_status lw_outbox_open_sink(struct lw_outbox *outbox, const char *name,
                                   const struct lw_outbox_options *options, struct lw_error *reterr)
{
    enum lw_status status = options_check(name, options, reterr);

    if (status != LW_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&outbox->lock);
    status = sink_open(outbox, name, options, reterr);
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

enum lw_status lw_outbox_keep_sinks(struct lw_outbox *outbox, const char *const *names, size_t n,
                                    struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    (void)pthread_mutex_lock(&outbox->lock);
    for (size_t i = 0; status == LW_OK && i < LW_SINKS_MAX; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];

        if (sink->id == 0 || sink->gone_ns != 0 || has_name(names, n, sink->name)) {
            continue;
        }
        sink->gone_ns = outbox->real_ns();
        sink->gone_number = outbox->next_number;
        lw_keyed_batch_clear(outbox->batch);
        lw_outbox_put_sink(outbox, sink);
        status = lw_keyed_write(outbox->keyed, outbox->batch, reterr);
        if (status != LW_OK) {
            sink->gone_ns = 0;
        }
    }
    lw_outbox_sweep(outbox);
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

void lw_outbox_sweep(struct lw_outbox *outbox)
{
    int64_t now_ns = outbox->real_ns();

    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];
        struct outbox_key key;

        if (sink->id != 0 && sink->n_settled > 0) {
            lw_outbox_settle_delivered(outbox, sink);
        }
        if (sink->id == 0 || sink->gone_ns == 0 || now_ns - sink->gone_ns < sink->max_age_ns) {
            continue;
        }
        lw_keyed_batch_clear(outbox->batch);
        for (size_t at = sink->waiting.first; at < sink->waiting.n; at++) {
            lw_outbox_key_event(&key, 'p', sink->id, sink->waiting.entries[at].number);
            lw_keyed_remove(outbox->batch, key.bytes, key.n);
        }
        lw_outbox_remove_dead(outbox, sink);
        lw_outbox_key_sink(&key, sink->name);
        lw_keyed_remove(outbox->batch, key.bytes, key.n);
        if (lw_keyed_write(outbox->keyed, outbox->batch, NULL) == LW_OK) {
            sink_forget(sink);
        }
    }
}

/* ---- what is due ---- */

static void tokens_count(struct outbox_sink *sink, int64_t now_ns)
{
    double earned = (double)(now_ns - sink->tokens_ns) / 1e9 * sink->options.rate;

    sink->tokens = fmin(sink->options.burst, sink->tokens + fmax(0, earned));
    sink->tokens_ns = now_ns;
}

/* What a look for due events works with. */
struct looking {
    struct lw_outbox *outbox;
    struct outbox_sink *sink;
    int64_t now_ns;
    int64_t next_ns; /* When something may be due at the earliest. */
    struct lw_outbox_event *events;
    size_t n, capacity;
};

/* Reads the anomaly of an entry into the next place. */
static enum lw_status event_read(struct looking *looking, const struct outbox_entry *entry,
                                 bool resend, struct lw_error *reterr)
{
    struct lw_outbox *outbox = looking->outbox;
    struct lw_outbox_event *event = &looking->events[looking->n];
    struct outbox_key key;
    struct outbox_head head;
    struct lw_reader reader;
    enum lw_status status;

    if (resend) {
        lw_outbox_key_open(&key, entry->id);
    } else {
        lw_outbox_key_event(&key, 'p', looking->sink->id, entry->number);
    }
    status = lw_keyed_get(outbox->keyed, key.bytes, key.n, &outbox->found, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&reader, outbox->found.data, outbox->found.n_bytes);
    lw_outbox_head_read(&head, &reader);
    lw_anomaly_view_read(&event->anomaly, &reader);
    if (reader.status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "an event in the outbox is damaged");
    }
    event->key = entry->number;
    event->attempt = entry->attempts + 1;
    event->resend = resend;
    return LW_OK;
}

static bool is_free(const struct outbox_entry *entry)
{
    return (entry->flags & (ENTRY_IN_FLIGHT | ENTRY_SETTLED | ENTRY_GONE)) == 0;
}

/* Takes what is due of one list. */
static enum lw_status queue_look(struct looking *looking, struct outbox_queue *queue, bool resend,
                                 struct lw_error *reterr)
{
    for (size_t i = queue->first; i < queue->n && looking->n < looking->capacity; i++) {
        struct outbox_entry *entry = &queue->entries[i];
        enum lw_status status;

        if (!is_free(entry)) {
            continue;
        }
        if (entry->due_ns > looking->now_ns) {
            looking->next_ns = entry->due_ns < looking->next_ns ? entry->due_ns : looking->next_ns;
            continue;
        }
        if (entry->after != 0 && lw_outbox_queue_find(queue, entry->after) != NULL) {
            continue; /* The beginning first. */
        }
        status = event_read(looking, entry, resend, reterr);
        if (status == LW_OK) {
            entry->flags |= ENTRY_IN_FLIGHT;
            looking->n++;
        } else if (status == LW_ENOTFOUND || status == LW_EFORMAT) { /* Nobody can be told it. */
            lw_outbox_queue_mark(queue, entry);
            looking->sink->view.dead_dropped++;
        } else {
            return status;
        }
    }
    lw_outbox_queue_tidy(queue);
    return LW_OK;
}

/* Takes what is due now. */
static enum lw_status look(struct looking *looking, size_t capacity, struct lw_error *reterr)
{
    struct outbox_sink *sink = looking->sink;
    enum lw_status status;

    looking->now_ns = looking->outbox->monotonic_ns();
    looking->next_ns = looking->now_ns + FAR_NS;
    tokens_count(sink, looking->now_ns);
    if (sink->rest_ns > looking->now_ns) {
        looking->next_ns = sink->rest_ns;
        return LW_OK;
    }
    if (sink->tokens < 1) {
        looking->next_ns = looking->now_ns +
                           (int64_t)((1 - sink->tokens) / sink->options.rate * 1e9) + 1;
        return LW_OK;
    }
    looking->capacity = (double)capacity < sink->tokens ? capacity : (size_t)sink->tokens;
    status = queue_look(looking, &sink->waiting, false, reterr);
    if (status == LW_OK) {
        status = queue_look(looking, &sink->open, true, reterr);
    }
    sink->tokens -= (double)looking->n;
    return looking->n > 0 ? LW_OK : status; /* What was taken goes first. */
}

/* Waits for `due`, or until both the time-out and the next event lie in the past. */
static void due_wait(struct lw_outbox *outbox, int64_t ns)
{
    int64_t until_ns = lw_clock_monotonic_ns() + ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};

    (void)pthread_cond_timedwait(&outbox->due, &outbox->lock, &until);
}

enum lw_status lw_outbox_take(struct lw_outbox *outbox, const struct lw_outbox_request *request,
                              struct lw_outbox_event *ret_events, size_t *ret_n,
                              struct lw_error *reterr)
{
    struct looking looking = {.outbox = outbox, .events = ret_events};
    enum lw_status status = LW_OK;
    int64_t end_ns;

    (void)pthread_mutex_lock(&outbox->lock);
    end_ns = outbox->monotonic_ns() + request->timeout_ns;
    for (;;) {
        int64_t wait_ns;

        looking.sink = lw_outbox_find(outbox, request->sink); /* Its place may have been freed. */
        if (looking.sink == NULL || !looking.sink->opened) {
            status = lw_outbox_unknown(request->sink, reterr);
            break;
        }
        status = looking.sink->woken ? LW_OK : look(&looking, request->capacity, reterr);
        if (status != LW_OK || looking.n > 0 || looking.sink->woken || looking.now_ns >= end_ns) {
            looking.sink->woken = false;
            break;
        }
        wait_ns = (looking.next_ns < end_ns ? looking.next_ns : end_ns) - looking.now_ns;
        due_wait(outbox, wait_ns);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    if (status == LW_OK) {
        *ret_n = looking.n;
    }
    return status;
}

void lw_outbox_wake(struct lw_outbox *outbox, const char *name)
{
    struct outbox_sink *sink;

    (void)pthread_mutex_lock(&outbox->lock);
    sink = lw_outbox_find(outbox, name);
    if (sink != NULL) {
        sink->woken = true;
        (void)pthread_cond_broadcast(&outbox->due);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* ---- what came of it ---- */

/* Is the anomaly of this first event open still? */
static bool is_open(struct lw_outbox *outbox, const struct outbox_entry *entry)
{
    struct outbox_key key;

    lw_outbox_key_open(&key, entry->id);
    return entry->phase == LW_ANOMALY_OPENED &&
           lw_keyed_get(outbox->keyed, key.bytes, key.n, &outbox->found, NULL) == LW_OK;
}

void lw_outbox_settle_delivered(struct lw_outbox *outbox, struct outbox_sink *sink)
{
    struct outbox_queue *waiting = &sink->waiting;
    struct outbox_key key;

    size_t n_left = sink->n_settled;

    lw_keyed_batch_clear(outbox->batch);
    for (size_t i = waiting->first; n_left > 0; i++) {
        if ((waiting->entries[i].flags & ENTRY_SETTLED) != 0) {
            lw_outbox_key_event(&key, 'p', sink->id, waiting->entries[i].number);
            lw_keyed_remove(outbox->batch, key.bytes, key.n);
            n_left--;
        }
    }
    if (lw_outbox_queue_reserve(&sink->open, sink->n_settled) != LW_OK ||
        lw_keyed_write(outbox->keyed, outbox->batch, NULL) != LW_OK) {
        return; /* The outbox's thread comes back to it. */
    }
    for (size_t i = waiting->first; sink->n_settled > 0; i++) {
        struct outbox_entry entry = waiting->entries[i];

        if ((entry.flags & ENTRY_SETTLED) == 0) {
            continue;
        }
        if (sink->options.resend_ns > 0 && is_open(outbox, &entry)) {
            entry.flags = 0;
            entry.attempts = 0;
            lw_outbox_queue_insert(&sink->open, &entry);
        }
        sink->n_settled--;
        lw_outbox_queue_mark(waiting, &waiting->entries[i]);
    }
    lw_outbox_queue_tidy(waiting);
}

static void settle(struct lw_outbox *outbox, struct outbox_sink *sink, struct outbox_entry *entry)
{
    entry->due_ns = outbox->monotonic_ns() + sink->options.resend_ns; /* Should it be open. */
    entry->flags = ENTRY_SETTLED;
    sink->n_settled++;
    sink->view.delivered++;
}

/* An attempt failed: again later, or never. */
static void result_bad(struct lw_outbox *outbox, struct outbox_sink *sink,
                       struct outbox_entry *entry, const struct lw_outbox_result *result)
{
    int64_t now_ns = outbox->monotonic_ns();
    bool old = now_ns - entry->born_ns > sink->options.max_age_ns;
    char reason[LW_REASON_MAX];

    entry->flags = 0;
    entry->attempts++;
    entry->due_ns = now_ns + lw_outbox_backoff(&outbox->rng, entry->attempts);
    (void)snprintf(reason, sizeof(reason), "%s%s", old ? "too old: " : "", result->reason);
    if ((result->answer == LW_OUTBOX_REFUSED || old) &&
        lw_outbox_bury(outbox, sink, entry, reason) == LW_OK) {
        return;
    }
    sink->view.retried++;
}

/* A repeat was told: again when its time has come, or sooner when it failed. */
static void result_repeat(struct lw_outbox *outbox, struct outbox_sink *sink,
                          struct outbox_entry *entry, const struct lw_outbox_result *result)
{
    int64_t now_ns = outbox->monotonic_ns();

    entry->flags = 0;
    if (result->answer == LW_OUTBOX_REFUSED) {
        lw_outbox_queue_remove(&sink->open, entry);
        return;
    }
    if (result->answer == LW_OUTBOX_DELIVERED) {
        entry->attempts = 0;
        entry->due_ns = now_ns + sink->options.resend_ns;
        sink->view.delivered++;
        return;
    }
    entry->attempts++;
    entry->due_ns = now_ns + lw_outbox_backoff(&outbox->rng, entry->attempts);
    sink->view.retried++;
}

static void result_take(struct lw_outbox *outbox, struct outbox_sink *sink,
                        const struct lw_outbox_result *result)
{
    struct outbox_entry *entry = lw_outbox_queue_find(&sink->waiting, result->key);
    bool repeat = entry == NULL;

    entry = repeat ? lw_outbox_queue_find(&sink->open, result->key) : entry;
    if (entry == NULL || (entry->flags & ENTRY_IN_FLIGHT) == 0) {
        return;
    }
    if (repeat) {
        result_repeat(outbox, sink, entry, result);
    } else if (result->answer == LW_OUTBOX_DELIVERED) {
        settle(outbox, sink, entry);
    } else {
        result_bad(outbox, sink, entry, result);
    }
}

/* What a report says of the sink as a whole. */
static void sink_judge(struct lw_outbox *outbox, struct outbox_sink *sink,
                       const struct lw_outbox_result *results, size_t n)
{
    int64_t now_ns = outbox->monotonic_ns(), rest_ns = 0;
    size_t n_delivered = 0, n_retry = 0;

    for (size_t i = 0; i < n; i++) {
        n_delivered += results[i].answer == LW_OUTBOX_DELIVERED ? 1 : 0;
        n_retry += results[i].answer == LW_OUTBOX_RETRY ? 1 : 0;
        rest_ns = results[i].retry_after_ns > rest_ns ? results[i].retry_after_ns : rest_ns;
        if (results[i].answer != LW_OUTBOX_DELIVERED) {
            (void)snprintf(sink->view.last_error, sizeof(sink->view.last_error), "%s",
                           results[i].reason);
        }
    }
    if (n_delivered > 0) {
        sink->view.last_success_ns = outbox->real_ns();
    }
    sink->view.up = n_retry < n || n == 0;
    sink->n_failed = sink->view.up ? 0 : sink->n_failed + 1;
    rest_ns = rest_ns < LW_OUTBOX_RETRY_AFTER_MAX_NS ? rest_ns : LW_OUTBOX_RETRY_AFTER_MAX_NS;
    if (sink->n_failed > 0) {
        int64_t back_ns = lw_outbox_backoff(&outbox->rng, sink->n_failed);

        rest_ns = back_ns > rest_ns ? back_ns : rest_ns;
    }
    sink->rest_ns = now_ns + rest_ns;
}

enum lw_status lw_outbox_report(struct lw_outbox *outbox, const char *name,
                                const struct lw_outbox_result *results, size_t n,
                                struct lw_error *reterr)
{
    struct outbox_sink *sink;
    enum lw_status status = LW_OK;

    (void)pthread_mutex_lock(&outbox->lock);
    sink = lw_outbox_find(outbox, name);
    if (sink == NULL || !sink->opened) {
        status = lw_outbox_unknown(name, reterr);
    } else {
        for (size_t i = 0; i < n; i++) {
            result_take(outbox, sink, &results[i]);
        }
        sink_judge(outbox, sink, results, n);
        if (sink->n_settled > 0) {
            lw_outbox_settle_delivered(outbox, sink);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

/* ---- how they do ---- */

static void view_fill(const struct lw_outbox *outbox, const struct outbox_sink *sink,
                      struct lw_sink_view *ret_view)
{
    *ret_view = sink->view;
    (void)snprintf(ret_view->name, sizeof(ret_view->name), "%s", sink->name);
    ret_view->gone = sink->gone_ns != 0;
    ret_view->pending = lw_outbox_queue_count(&sink->waiting) - sink->n_settled;
    ret_view->open = lw_outbox_queue_count(&sink->open);
    ret_view->oldest_ns = 0;
    for (size_t i = sink->waiting.first; i < sink->waiting.n; i++) {
        const struct outbox_entry *entry = &sink->waiting.entries[i];

        if ((entry->flags & (ENTRY_GONE | ENTRY_SETTLED)) == 0) {
            ret_view->oldest_ns = outbox->monotonic_ns() - entry->born_ns;
            return;
        }
    }
}

size_t lw_outbox_sinks(struct lw_outbox *outbox, struct lw_sink_view *ret_sinks, size_t capacity)
{
    size_t n = 0;
    uint32_t before = 0;

    (void)pthread_mutex_lock(&outbox->lock);
    for (;;) { /* The next by id, which is the order in which they came. */
        const struct outbox_sink *next = NULL;

        for (size_t i = 0; i < LW_SINKS_MAX; i++) {
            const struct outbox_sink *sink = &outbox->sinks[i];

            if (sink->id > before && (next == NULL || sink->id < next->id)) {
                next = sink;
            }
        }
        if (next == NULL) {
            break;
        }
        if (n < capacity) {
            view_fill(outbox, next, &ret_sinks[n]);
        }
        n++;
        before = next->id;
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return n;
}
