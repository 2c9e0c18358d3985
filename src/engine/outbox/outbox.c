/* The outbox's life, its queue and the thread that empties it: see engine/outbox/outbox.h. */
#include "engine/outbox/outbox.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/anomaly_view.h"
#include "engine/outbox/outbox_internal.h"

#include <string.h>
#include <time.h>

/* After a burst the queue's memory is given back. */
#define QUEUE_KEPT_BYTES ((size_t)1 << 20)
/* How often the thread tries again what the disk refused. */
#define FAILING_NS INT64_C(100000000)
/* How often it looks after sinks that are gone and deliveries that the disk does not know. */
#define SWEEP_NS INT64_C(10000000000)
/* Marks forgotten in one write. */
#define TRIM_BATCH 4096
/* Anomalies that end in one go of lw_outbox_settle(). */
#define SETTLE_BATCH 256

/* ---- writing one event ---- */

/* LW_OK also when there is none: *ret_known says so. Caller holds lock. */
static enum lw_status key_look(struct lw_outbox *outbox, const struct outbox_key *key,
                               bool *ret_known, struct lw_error *reterr)
{
    enum lw_status status = lw_keyed_get(outbox->keyed, key->bytes, key->n, &outbox->found, reterr);

    *ret_known = status == LW_OK;
    return status == LW_ENOTFOUND ? LW_OK : status;
}

/* The number of the anomaly's first event, should it be open; 0: it is not. Caller holds lock. */
static enum lw_status open_look(struct lw_outbox *outbox, uint64_t id, uint64_t *ret_number,
                                struct lw_error *reterr)
{
    struct outbox_key key;
    struct outbox_head head;
    struct lw_reader reader;
    bool known = false;
    enum lw_status status;

    lw_outbox_key_open(&key, id);
    status = key_look(outbox, &key, &known, reterr);
    *ret_number = 0;
    if (status == LW_OK && known) {
        lw_reader_init(&reader, outbox->found.data, outbox->found.n_bytes);
        lw_outbox_head_read(&head, &reader);
        *ret_number = reader.status == LW_OK ? head.number : 0;
    }
    return status;
}

static bool is_there(const struct outbox_sink *sink)
{
    return sink->id != 0 && sink->gone_ns == 0;
}

/* An event on its way into the store. */
struct recording {
    struct outbox_head head;
    uint64_t sequence;
    const uint8_t *view;
    size_t n_view;
};

/* The batch that keeps an event. Caller holds lock. */
static enum lw_status event_batch(struct lw_outbox *outbox, const struct recording *event)
{
    const struct outbox_head *head = &event->head;
    struct outbox_key key;

    lw_keyed_batch_clear(outbox->batch);
    lw_outbox_put_meta(outbox, head->number + 1);
    lw_outbox_key_mark(&key, head->id, head->phase);
    lw_writer_reset(&outbox->value);
    lw_write_u64(&outbox->value, event->sequence);
    lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
    lw_writer_reset(&outbox->value);
    lw_outbox_head_write(&outbox->value, head);
    lw_write_raw(&outbox->value, event->view, event->n_view);
    if (outbox->value.status != LW_OK) {
        return outbox->value.status;
    }
    lw_outbox_key_open(&key, head->id);
    if (head->phase == LW_ANOMALY_OPENED) {
        lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
    } else {
        lw_keyed_remove(outbox->batch, key.bytes, key.n);
    }
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];

        if (!is_there(sink)) {
            continue;
        }
        if (lw_outbox_queue_reserve(&sink->waiting, 1) != LW_OK) {
            return LW_ENOMEM;
        }
        lw_outbox_key_event(&key, 'p', sink->id, head->number);
        lw_keyed_put(outbox->batch, key.bytes, key.n, outbox->value.data, outbox->value.n_bytes);
    }
    return LW_OK;
}

/* The store has it: so do the sinks. Caller holds lock. */
static void event_spread(struct lw_outbox *outbox, const struct outbox_head *head)
{
    const struct outbox_entry entry = lw_outbox_entry(outbox, head);

    outbox->next_number = head->number + 1;
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];
        struct outbox_entry *told = head->after == 0
                                        ? NULL
                                        : lw_outbox_queue_find(&sink->open, head->after);

        if (told != NULL) { /* Over: not told again. */
            lw_outbox_queue_remove(&sink->open, told);
        }
        if (is_there(sink)) {
            lw_outbox_queue_insert(&sink->waiting, &entry);
        }
    }
    (void)pthread_cond_broadcast(&outbox->due);
}

static enum lw_status event_keep(struct lw_outbox *outbox, struct recording *event,
                                 struct lw_error *reterr)
{
    struct outbox_key mark;
    bool known = false;
    enum lw_status status;

    (void)pthread_mutex_lock(&outbox->lock);
    lw_outbox_key_mark(&mark, event->head.id, event->head.phase);
    status = key_look(outbox, &mark, &known, reterr);
    if (status != LW_OK || known) {
        goto done;
    }
    if (event->head.phase == LW_ANOMALY_CLOSED) {
        status = open_look(outbox, event->head.id, &event->head.after, reterr);
    }
    if (status == LW_OK) {
        event->head.number = outbox->next_number;
        event->head.real_ns = outbox->real_ns();
        status = event_batch(outbox, event);
        if (status != LW_OK) {
            (void)lw_error_set(reterr, status, "no memory to keep an event for the sinks");
        }
    }
    if (status == LW_OK) {
        status = lw_keyed_write(outbox->keyed, outbox->batch, reterr);
    }
    if (status == LW_OK) {
        event_spread(outbox, &event->head);
    }
done:
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

/* ---- the thread ---- */

/* Waits on `filled` for so long at most. Caller holds queue_lock. */
static void queue_wait(struct lw_outbox *outbox, int64_t ns)
{
    int64_t until_ns = lw_clock_monotonic_ns() + ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};

    (void)pthread_cond_timedwait(&outbox->filled, &outbox->queue_lock, &until);
}

/* Caller holds queue_lock. False: told to stop while the disk fails. */
static bool written_tell(struct lw_outbox *outbox, enum lw_status status,
                         const struct lw_error *error)
{
    bool goes_on = true;

    outbox->failing = status != LW_OK;
    if (status == LW_OK) {
        outbox->n_written++;
    } else {
        outbox->failure = *error;
        goes_on = !outbox->stop;
    }
    (void)pthread_cond_broadcast(&outbox->drained);
    if (status != LW_OK && goes_on) {
        queue_wait(outbox, FAILING_NS);
    }
    return goes_on;
}

/* Writes what the thread took over; false: told to stop while the disk fails. */
static bool queue_drain(struct lw_outbox *outbox)
{
    struct lw_reader reader;
    bool goes_on = true;

    lw_reader_init(&reader, outbox->draining.data, outbox->draining.n_bytes);
    while (goes_on && lw_reader_left(&reader) > 0) {
        struct lw_anomaly_view view;
        struct recording event = {.sequence = lw_read_u64(&reader)};
        struct lw_error error = {0};
        enum lw_status status;
        size_t at = reader.at;

        lw_anomaly_view_read(&view, &reader);
        event.view = outbox->draining.data + at;
        event.n_view = reader.at - at;
        event.head.id = view.anomaly.id;
        event.head.phase = view.anomaly.phase;
        do {
            status = event_keep(outbox, &event, &error);
            (void)pthread_mutex_lock(&outbox->queue_lock);
            goes_on = written_tell(outbox, status, &error);
            (void)pthread_mutex_unlock(&outbox->queue_lock);
        } while (goes_on && status != LW_OK);
    }
    if (outbox->draining.capacity_bytes > QUEUE_KEPT_BYTES) {
        lw_writer_fini(&outbox->draining);
        lw_writer_init(&outbox->draining);
    }
    lw_writer_reset(&outbox->draining);
    return goes_on;
}

static void *outbox_main(void *argument)
{
    struct lw_outbox *outbox = argument;
    bool goes_on = true;

    (void)pthread_mutex_lock(&outbox->queue_lock);
    while (goes_on && (!outbox->stop || outbox->filling.n_bytes > 0)) {
        struct lw_writer swapped;

        if (outbox->filling.n_bytes == 0) {
            queue_wait(outbox, lw_keyed_degraded(outbox->keyed) ? FAILING_NS : SWEEP_NS);
        }
        swapped = outbox->filling;
        outbox->filling = outbox->draining;
        outbox->draining = swapped;
        (void)pthread_cond_broadcast(&outbox->drained); /* There is room. */
        (void)pthread_mutex_unlock(&outbox->queue_lock);
        goes_on = queue_drain(outbox);
        if (lw_keyed_degraded(outbox->keyed)) { /* Feeds are refused meanwhile: nobody else tries.
                                                 */
            (void)!lw_keyed_sync(outbox->keyed, NULL);
        }
        (void)pthread_mutex_lock(&outbox->lock);
        lw_outbox_sweep(outbox);
        (void)pthread_mutex_unlock(&outbox->lock);
        (void)pthread_mutex_lock(&outbox->queue_lock);
    }
    (void)pthread_mutex_unlock(&outbox->queue_lock);
    return NULL;
}

/* ---- life ---- */

static void locks_init(struct lw_outbox *outbox)
{
    pthread_condattr_t monotonic;

    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&outbox->queue_lock, NULL);
    (void)pthread_mutex_init(&outbox->lock, NULL);
    (void)pthread_cond_init(&outbox->filled, &monotonic);
    (void)pthread_cond_init(&outbox->drained, &monotonic);
    (void)pthread_cond_init(&outbox->due, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static enum lw_status outbox_start(struct lw_outbox *outbox, const struct lw_outbox_config *config,
                                   struct lw_error *reterr)
{
    const struct lw_keyed_config keyed = {.dir = config->folder};
    enum lw_status status;

    outbox->batch = lw_keyed_batch_create();
    if (outbox->batch == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the outbox");
    }
    status = lw_keyed_open(&keyed, &outbox->keyed, reterr);
    if (status == LW_OK) {
        status = lw_outbox_load(outbox, reterr);
    }
    if (status == LW_OK) {
        outbox->started = pthread_create(&outbox->thread, NULL, outbox_main, outbox) == 0;
        if (!outbox->started) {
            status = lw_error_set(reterr, LW_EIO, "cannot start the thread of the outbox");
        }
    }
    return status;
}

enum lw_status lw_outbox_create(const struct lw_outbox_config *config,
                                struct lw_outbox **ret_outbox, struct lw_error *reterr)
{
    struct lw_outbox *outbox = lw_mem_calloc(1, sizeof(*outbox));
    enum lw_status status;

    if (outbox == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the outbox");
    }
    outbox->real_ns = config->real_ns == NULL ? lw_clock_real_ns : config->real_ns;
    outbox->monotonic_ns = config->monotonic_ns == NULL ? lw_clock_monotonic_ns
                                                        : config->monotonic_ns;
    outbox->queue_bytes = config->queue_bytes == 0 ? LW_OUTBOX_QUEUE_BYTES : config->queue_bytes;
    lw_rng_seed(&outbox->rng,
                config->seed != 0 ? config->seed : lw_rng_mix((uint64_t)lw_clock_real_ns()));
    locks_init(outbox);
    lw_writer_init(&outbox->filling);
    lw_writer_init(&outbox->draining);
    lw_writer_init(&outbox->value);
    lw_writer_init(&outbox->found);
    status = outbox_start(outbox, config, reterr);
    if (status != LW_OK) {
        lw_outbox_destroy(outbox);
        return status;
    }
    *ret_outbox = outbox;
    return LW_OK;
}

void lw_outbox_destroy(struct lw_outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    if (outbox->started) {
        (void)pthread_mutex_lock(&outbox->queue_lock);
        outbox->stop = true;
        (void)pthread_cond_broadcast(&outbox->filled);
        (void)pthread_mutex_unlock(&outbox->queue_lock);
        (void)pthread_join(outbox->thread, NULL);
        (void)!lw_keyed_sync(outbox->keyed, NULL); /* What was lost is told again. */
    }
    lw_keyed_close(outbox->keyed);
    for (size_t i = 0; i < LW_SINKS_MAX; i++) {
        lw_outbox_queue_fini(&outbox->sinks[i].waiting);
        lw_outbox_queue_fini(&outbox->sinks[i].open);
    }
    lw_keyed_batch_destroy(outbox->batch);
    lw_writer_fini(&outbox->filling);
    lw_writer_fini(&outbox->draining);
    lw_writer_fini(&outbox->value);
    lw_writer_fini(&outbox->found);
    (void)pthread_cond_destroy(&outbox->filled);
    (void)pthread_cond_destroy(&outbox->drained);
    (void)pthread_cond_destroy(&outbox->due);
    (void)pthread_mutex_destroy(&outbox->queue_lock);
    (void)pthread_mutex_destroy(&outbox->lock);
    lw_mem_free(outbox);
}

/* ---- the engine's side ---- */

/* Appends to the queue, or nothing. Caller holds queue_lock. */
static bool queue_append(struct lw_outbox *outbox, const struct lw_anomaly_view *view,
                         uint64_t sequence)
{
    size_t n_bytes = outbox->filling.n_bytes;

    if (n_bytes >= outbox->queue_bytes) {
        return false;
    }
    lw_write_u64(&outbox->filling, sequence);
    lw_anomaly_view_write(view, &outbox->filling);
    if (outbox->filling.status != LW_OK) {
        outbox->filling.status = LW_OK;
        outbox->filling.n_bytes = n_bytes;
        return false;
    }
    return true;
}

void lw_outbox_record(struct lw_outbox *outbox, const struct lw_anomaly_view *view,
                      uint64_t sequence)
{
    if (outbox == NULL || view->anomaly.phase == LW_ANOMALY_UPDATED) {
        return;
    }
    (void)pthread_mutex_lock(&outbox->queue_lock);
    while (!queue_append(outbox, view, sequence)) { /* Never dropped: the shard waits. */
        int64_t until_ns = lw_clock_monotonic_ns() + FAILING_NS;
        const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                       .tv_nsec = until_ns % 1000000000};

        (void)pthread_cond_timedwait(&outbox->drained, &outbox->queue_lock, &until);
    }
    outbox->n_recorded++;
    (void)pthread_cond_signal(&outbox->filled);
    (void)pthread_mutex_unlock(&outbox->queue_lock);
}

/* Until all recorded before is written, or writing fails. */
static enum lw_status queue_empty(struct lw_outbox *outbox, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    uint64_t target;

    (void)pthread_mutex_lock(&outbox->queue_lock);
    target = outbox->n_recorded;
    while (outbox->n_written < target && !outbox->failing) {
        (void)pthread_cond_wait(&outbox->drained, &outbox->queue_lock);
    }
    if (outbox->n_written < target) {
        status = lw_error_set(reterr, LW_EIO, "%s", outbox->failure.message);
    }
    (void)pthread_mutex_unlock(&outbox->queue_lock);
    return status;
}

enum lw_status lw_outbox_sync(struct lw_outbox *outbox, struct lw_error *reterr)
{
    enum lw_status status;

    if (outbox == NULL) {
        return LW_OK;
    }
    status = queue_empty(outbox, reterr);
    return status == LW_OK ? lw_keyed_sync(outbox->keyed, reterr) : status;
}

struct trimming {
    struct lw_keyed_batch *batch;
    uint64_t sequence;
    struct outbox_key next; /* Where to go on. */
};

static bool trim_mark(void *context, const struct lw_keyed_pair *pair)
{
    struct trimming *trimming = context;
    struct lw_reader reader;

    if (lw_keyed_batch_count(trimming->batch) == TRIM_BATCH) {
        trimming->next.n = pair->n_key;
        memcpy(trimming->next.bytes, pair->key, pair->n_key);
        return false;
    }
    lw_reader_init(&reader, pair->value, pair->n_value);
    if (lw_read_u64(&reader) < trimming->sequence) {
        lw_keyed_remove(trimming->batch, pair->key, pair->n_key);
    }
    return true;
}

enum lw_status lw_outbox_trim(struct lw_outbox *outbox, uint64_t sequence, struct lw_error *reterr)
{
    struct trimming trimming = {.sequence = sequence, .next = {.bytes = {'m'}, .n = 1}};
    enum lw_status status = LW_OK;

    if (outbox == NULL) {
        return LW_OK;
    }
    trimming.batch = lw_keyed_batch_create();
    if (trimming.batch == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to trim the outbox");
    }
    while (status == LW_OK && trimming.next.n > 0) {
        const struct outbox_key from = trimming.next;
        const struct lw_keyed_range range = {
            .prefix = "m", .n_prefix = 1, .from = from.bytes, .n_from = from.n};

        trimming.next.n = 0;
        lw_keyed_batch_clear(trimming.batch);
        status = lw_keyed_scan(outbox->keyed, &range, trim_mark, &trimming, reterr);
        if (status == LW_OK) {
            status = lw_keyed_write(outbox->keyed, trimming.batch, reterr);
        }
    }
    lw_keyed_batch_destroy(trimming.batch);
    return status;
}

struct settling {
    bool (*is_open)(void *context, uint64_t id);
    void *context;
    struct lw_anomaly_view views[SETTLE_BATCH];
    size_t n;
    bool damaged;
    struct outbox_key next;
};

static bool settle_one(void *context, const struct lw_keyed_pair *pair)
{
    struct settling *settling = context;
    struct outbox_head head;
    struct lw_reader reader;

    if (settling->n == SETTLE_BATCH) {
        settling->next.n = pair->n_key;
        memcpy(settling->next.bytes, pair->key, pair->n_key);
        return false;
    }
    lw_reader_init(&reader, pair->value, pair->n_value);
    lw_outbox_head_read(&head, &reader);
    lw_anomaly_view_read(&settling->views[settling->n], &reader);
    settling->damaged = settling->damaged || reader.status != LW_OK;
    if (reader.status == LW_OK && !settling->is_open(settling->context, head.id)) {
        settling->views[settling->n++].anomaly.phase = LW_ANOMALY_CLOSED;
    }
    return true;
}

enum lw_status lw_outbox_settle(struct lw_outbox *outbox,
                                bool (*is_open)(void *context, uint64_t id), void *context,
                                uint64_t sequence, struct lw_error *reterr)
{
    struct settling *settling;
    enum lw_status status;

    if (outbox == NULL) {
        return LW_OK;
    }
    settling = lw_mem_calloc(1, sizeof(*settling));
    if (settling == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to settle the outbox");
    }
    settling->is_open = is_open;
    settling->context = context;
    settling->next = (struct outbox_key){.bytes = {'o'}, .n = 1};
    status = queue_empty(outbox, reterr);
    while (status == LW_OK && settling->next.n > 0) {
        const struct outbox_key from = settling->next;
        const struct lw_keyed_range range = {
            .prefix = "o", .n_prefix = 1, .from = from.bytes, .n_from = from.n};

        settling->next.n = 0;
        settling->n = 0;
        status = lw_keyed_scan(outbox->keyed, &range, settle_one, settling, reterr);
        for (size_t i = 0; status == LW_OK && i < settling->n; i++) {
            lw_outbox_record(outbox, &settling->views[i], sequence);
        }
    }
    if (status == LW_OK) {
        status = queue_empty(outbox, reterr); /* Sinks that open now do not repeat what ended. */
    }
    if (status == LW_OK && settling->damaged) {
        status = lw_error_set(reterr, LW_EFORMAT, "an open anomaly in the outbox is damaged");
    }
    lw_mem_free(settling);
    return status;
}

bool lw_outbox_degraded(struct lw_outbox *outbox)
{
    bool failing;

    if (outbox == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&outbox->queue_lock);
    failing = outbox->failing;
    (void)pthread_mutex_unlock(&outbox->queue_lock);
    return failing || lw_keyed_degraded(outbox->keyed);
}
