/*
 * A shard: the thread that owns a share of the entities, and the bounded queue that feeds it.
 *
 * The router fills a batch and hands it over; when 64 wait, it waits too, and with it the source.
 * Batches come back to be filled again, so that nothing is allocated while samples flow.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/state/checkpoint.h"

#include <stdio.h>
#include <string.h>

/* How far ahead the states of series are fetched, and what leads to them. */
#define PREFETCH_AHEAD 2
#define PREFETCH_OWNER_AHEAD 6

/* ---- results of the operator, on the shard's thread with shard->lock held ---- */

static void on_verdict(void *context, const struct lw_entity *entity,
                       const struct lw_verdict *verdict)
{
    struct shard *shard = context;
    struct engine_entity *owner = lw_entity_context(entity);
    const struct lw_listener *listener = &shard->engine->listener;

    shard->verdicts++;
    if (verdict->time_ns > shard->last_ns) {
        shard->last_ns = verdict->time_ns;
    }
    if (verdict->time_ns < shard->first_ns) {
        shard->first_ns = verdict->time_ns;
    }
    if (shard->engine->history_steps > 0) {
        lw_history_append(owner, verdict);
    }
    if (listener->verdict != NULL && !shard->replaying) {
        struct lw_engine_verdict named = {.detector = lw_entity_detector(entity),
                                          .entity = entity,
                                          .entity_number = owner->number,
                                          .verdict = verdict};

        listener->verdict(listener->context, shard->number, &named);
    }
}

/* Counted with the entity, so that a snapshot of it and the journal after that give the same
 * number.
 */
static void count_opened(struct engine_entity *owner, uint8_t type)
{
    if (owner->opened == NULL) {
        owner->opened = lw_mem_calloc(LW_ENGINE_TYPES, sizeof(*owner->opened));
    }
    if (owner->opened != NULL) {
        owner->opened[type < LW_ENGINE_TYPES ? type : 0]++;
    } else {
        owner->shard->gone_by_type[type < LW_ENGINE_TYPES ? type : 0]++;
    }
}

static void on_anomaly(void *context, const struct lw_entity *entity,
                       const struct lw_anomaly *anomaly)
{
    struct shard *shard = context;
    struct engine_entity *owner = lw_entity_context(entity);

    if (anomaly->phase == LW_ANOMALY_OPENED) {
        shard->anomalies_open++;
        owner->alarmed_ns = anomaly->start_ns;
        count_opened(owner, anomaly->type);
    } else if (anomaly->phase == LW_ANOMALY_CLOSED) {
        shard->anomalies_open--;
    }
    owner->open_anomaly = anomaly->phase == LW_ANOMALY_CLOSED ? 0 : anomaly->id;
    lw_anomalies_record(owner, anomaly);
}

/* ---- whose turn it is ---- */

void lw_shard_enter(struct shard *shard)
{
    (void)pthread_mutex_lock(&shard->turn);
    (void)pthread_mutex_lock(&shard->lock);
    (void)pthread_mutex_unlock(&shard->turn);
}

void lw_shard_leave(struct shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

/* ---- work ---- */

static void observe_gathered(struct shard *shard, struct engine_entity *owner)
{
    lw_observe(owner->entity, owner->row, owner->n_row, owner->row_tag, &shard->sink);
    owner->n_row = 0;
}

static void gather_cell(struct shard *shard, const struct item *item)
{
    struct engine_entity *owner = item->entity;

    if (owner->n_row > 0 && owner->row_feed != item->feed) {
        observe_gathered(shard, owner); /* Rows of two sources are two rows. */
    }
    if (owner->n_row == 0) {
        owner->row_tag = item->tag;
        owner->row_feed = item->feed;
        owner->fed_by |= UINT64_C(1) << item->feed;
        if (!owner->gathering) {
            owner->gathering = true;
            shard->gathering[shard->n_gathering++] = owner; /* The registry made room. */
        }
    }
    if (owner->n_row == owner->row_capacity) { /* There is room for each series once. */
        shard->cells_refused++;
        return;
    }
    owner->row[owner->n_row++] = (struct lw_sample){item->series, item->time_ns, item->value};
}

/* A row of one feed ends, in all entities that have cells of it. */
static void end_row(struct shard *shard, uint16_t feed)
{
    size_t n_left = 0;

    for (size_t i = 0; i < shard->n_gathering; i++) {
        struct engine_entity *owner = shard->gathering[i];

        if (owner->row_feed != feed) {
            shard->gathering[n_left++] = owner;
            continue;
        }
        owner->gathering = false;
        observe_gathered(shard, owner);
    }
    shard->n_gathering = n_left;
}

/* Records that an entity's state holds already, while the journal is replayed. */
static bool skipped(const struct shard *shard, const struct engine_entity *owner)
{
    return shard->replaying && owner->stands_at > shard->sequence;
}

static void observe_point(struct shard *shard, const struct item *item)
{
    struct lw_sample sample = {item->series, item->time_ns, item->value};

    if (skipped(shard, item->entity)) {
        return;
    }
    if (item->entity->fed_by == 0) { /* The first since a start, or since the feed began anew. */
        lw_entity_resume(item->entity->entity, item->time_ns - 1);
    }
    lw_shard_catch_up(item->entity); /* Whether the sample is late depends on it. */
    lw_observe(item->entity->entity, &sample, 1, item->tag, &shard->sink);
    lw_shard_fed(item->entity, item->feed);
}

static void finish_all(struct shard *shard)
{
    while (shard->n_gathering > 0) {
        end_row(shard, shard->gathering[0]->row_feed);
    }
    lw_shard_finish_all(shard);
}

static void share_all(struct shard *shard, uint32_t detector, uint64_t n_series)
{
    for (size_t i = 0; i < shard->n_entities; i++) {
        if (shard->entities[i]->detector == detector && !skipped(shard, shard->entities[i])) {
            lw_entity_share_budget(shard->entities[i]->entity, n_series);
        }
    }
}

static void work_item(struct shard *shard, const struct item *item)
{
    switch ((enum item_kind)item->kind) {
    case ITEM_POINT:
        observe_point(shard, item);
        break;
    case ITEM_ROW_POINT:
        gather_cell(shard, item);
        break;
    case ITEM_ROW_END:
        end_row(shard, item->feed);
        break;
    case ITEM_WATERMARK:
        if (item->time_ns == INT64_MIN) {
            end_row(shard, item->feed);
        }
        lw_shard_advance(shard, item->feed, item->time_ns);
        break;
    case ITEM_SHARING:
        share_all(shard, item->series, item->tag);
        break;
    case ITEM_FINISH:
        finish_all(shard);
        break;
    case ITEM_RESUME:
        lw_shard_resume_all(shard);
        break;
    case ITEM_SEQUENCE:
        shard->sequence = item->tag;
        break;
    case ITEM_SNAPSHOT:
        lw_checkpoint_shard(shard, item->tag);
        break;
    }
}

const double *lw_engine_delay_bounds(void)
{
    static const double BOUNDS[LW_ENGINE_DELAYS - 1] = {1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3,
                                                        1e-2, 3e-2, 1e-1, 3e-1, 1.0,  3.0};

    return BOUNDS;
}

/* All verdicts of a batch count with the time from its push to its end: the longest any of them
 * waited. */
static void count_delays(struct shard *shard, int64_t pushed_ns, uint64_t n_verdicts)
{
    double delay_s = (double)(lw_clock_monotonic_ns() - pushed_ns) / 1e9;
    const double *bounds = lw_engine_delay_bounds();
    unsigned bucket = 0;

    while (bucket < LW_ENGINE_DELAYS - 1 && delay_s > bounds[bucket]) {
        bucket++;
    }
    shard->delays[bucket] += n_verdicts;
    shard->delay_sum_s += delay_s * (double)n_verdicts;
}

/* What the items after this one will touch, one pointer at a time. */
static inline void fetch_ahead(const struct batch *batch, size_t i)
{
    if (i + PREFETCH_OWNER_AHEAD < batch->n_items) {
        __builtin_prefetch(batch->items[i + PREFETCH_OWNER_AHEAD].entity);
    }
    if (i + PREFETCH_AHEAD < batch->n_items) {
        const struct item *soon = &batch->items[i + PREFETCH_AHEAD];

        if (soon->entity != NULL) {
            lw_prefetch(soon->entity->entity, soon->series, soon->time_ns);
        }
    }
}

static void work_batch(struct shard *shard, const struct batch *batch)
{
    uint64_t n_before;

    lw_shard_enter(shard);
    n_before = shard->verdicts;
    shard->sequence = shard->replaying ? shard->sequence : batch->sequence;
    for (size_t i = 0; i < batch->n_items; i++) {
        fetch_ahead(batch, i);
        work_item(shard, &batch->items[i]);
    }
    count_delays(shard, batch->pushed_ns, shard->verdicts - n_before);
    lw_shard_leave(shard);
}

static void *shard_main(void *argument)
{
    struct shard *shard = argument;

    (void)pthread_mutex_lock(&shard->queue_lock);
    for (;;) {
        struct batch *batch;

        while (shard->n_queued == 0 && !shard->stop) {
            (void)pthread_cond_wait(&shard->filled, &shard->queue_lock);
        }
        if (shard->n_queued == 0) {
            break;
        }
        batch = shard->queue[shard->head];
        shard->head = (shard->head + 1) % QUEUE_BATCHES;
        shard->n_queued--;
        atomic_store_explicit(&shard->n_waiting, (unsigned)shard->n_queued, memory_order_relaxed);
        shard->busy = true;
        (void)pthread_mutex_unlock(&shard->queue_lock);
        work_batch(shard, batch);
        (void)pthread_mutex_lock(&shard->queue_lock);
        shard->spare[shard->n_spare++] = batch;
        shard->busy = false;
        (void)atomic_fetch_add(&shard->n_done, 1);
        (void)pthread_cond_broadcast(&shard->drained);
    }
    (void)pthread_mutex_unlock(&shard->queue_lock);
    return NULL;
}

/* ---- the router's side ---- */

void lw_shard_submit(struct shard *shard)
{
    if (shard->building->n_items == 0) {
        return;
    }
    (void)pthread_mutex_lock(&shard->queue_lock);
    while (shard->n_queued == QUEUE_BATCHES || shard->n_spare == 0) {
        (void)pthread_cond_wait(&shard->drained, &shard->queue_lock);
    }
    shard->building->pushed_ns = lw_clock_monotonic_ns();
    shard->building->sequence = shard->engine->sequence;
    shard->n_handed++;
    shard->queue[(shard->head + shard->n_queued) % QUEUE_BATCHES] = shard->building;
    shard->n_queued++;
    atomic_store_explicit(&shard->n_waiting, (unsigned)shard->n_queued, memory_order_relaxed);
    shard->building = shard->spare[--shard->n_spare];
    shard->building->n_items = 0;
    (void)pthread_cond_signal(&shard->filled);
    (void)pthread_mutex_unlock(&shard->queue_lock);
}

void lw_shard_append(struct shard *shard, const struct item *item)
{
    struct batch *batch = shard->building;

    if (item->entity == NULL) { /* It may be about any entity. */
        shard->told_in = shard->n_handed + 1;
    }
    batch->items[batch->n_items++] = *item;
    if (batch->n_items == BATCH_ITEMS) {
        lw_shard_submit(shard);
    }
}

void lw_shard_drain(struct shard *shard)
{
    lw_shard_submit(shard);
    (void)pthread_mutex_lock(&shard->queue_lock);
    while (shard->n_queued > 0 || shard->busy) {
        (void)pthread_cond_wait(&shard->drained, &shard->queue_lock);
    }
    (void)pthread_mutex_unlock(&shard->queue_lock);
}

void lw_shard_drain_entity(const struct engine_entity *owner)
{
    const struct shard *shard = owner->shard;
    uint64_t handed = shard->engine->handed[owner->number];

    handed = handed > shard->told_in ? handed : shard->told_in;
    if (handed > atomic_load(&shard->n_done)) {
        lw_shard_drain(owner->shard);
    }
}

static bool batches_create(struct shard *shard)
{
    shard->building = lw_mem_calloc(1, sizeof(*shard->building));
    if (shard->building == NULL) {
        return false;
    }
    while (shard->n_spare < QUEUE_BATCHES + 1) {
        struct batch *batch = lw_mem_alloc(sizeof(*batch)); /* Left untouched: its pages cost
                                                               nothing until they are used. */

        if (batch == NULL) {
            return false;
        }
        shard->spare[shard->n_spare++] = batch;
    }
    return true;
}

enum lw_status lw_shard_start(struct shard *shard, struct lw_engine *engine, uint32_t number,
                              struct lw_error *reterr)
{
    enum lw_status status;
    char name[16];

    shard->engine = engine;
    shard->number = number;
    shard->first_ns = INT64_MAX;
    shard->last_ns = INT64_MIN;
    for (unsigned i = 0; i < FEEDS_MAX; i++) {
        shard->feed_ns[i] = INT64_MIN;
    }
    shard->sink = (struct lw_sink){.verdict = on_verdict, .anomaly = on_anomaly, .context = shard};
    (void)pthread_mutex_init(&shard->turn, NULL);
    (void)pthread_mutex_init(&shard->lock, NULL);
    (void)pthread_mutex_init(&shard->queue_lock, NULL);
    (void)pthread_cond_init(&shard->filled, NULL);
    (void)pthread_cond_init(&shard->drained, NULL);
    status = lw_pool_create(&shard->pool, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_pool_set_trainer(shard->pool, engine->trainer);
    if (!batches_create(shard)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the queue of shard %u", number);
    }
    if (pthread_create(&shard->thread, NULL, shard_main, shard) != 0) {
        return lw_error_set(reterr, LW_EIO, "the thread of shard %u cannot be started", number);
    }
    shard->started = true;
    (void)snprintf(name, sizeof(name), "shard-%u", number); /* Seen in top and in profiles. */
    (void)pthread_setname_np(shard->thread, name);
    return LW_OK;
}

void lw_shard_stop(struct shard *shard)
{
    if (shard->engine == NULL) {
        return; /* Never came to its start. */
    }
    if (shard->started) {
        (void)pthread_mutex_lock(&shard->queue_lock);
        shard->stop = true;
        (void)pthread_cond_signal(&shard->filled);
        (void)pthread_mutex_unlock(&shard->queue_lock);
        (void)pthread_join(shard->thread, NULL);
    }
    lw_pool_destroy(shard->pool);
    while (shard->n_spare > 0) {
        lw_mem_free(shard->spare[--shard->n_spare]);
    }
    lw_mem_free(shard->building);
    lw_mem_free(shard->entities);
    lw_mem_free(shard->gathering);
    lw_mem_free(shard->touched);
    lw_mem_free(shard->untold);
    lw_mem_free(shard->due);
    lw_writer_fini(&shard->snapshot);
    (void)pthread_mutex_destroy(&shard->turn);
    (void)pthread_mutex_destroy(&shard->lock);
    (void)pthread_mutex_destroy(&shard->queue_lock);
    (void)pthread_cond_destroy(&shard->filled);
    (void)pthread_cond_destroy(&shard->drained);
}
