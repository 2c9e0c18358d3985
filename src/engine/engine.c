/* An engine: its making, its detectors and its feeds. */
#include "base/error.h"
#include "base/mem.h"
#include "engine/directory.h"
#include "engine/expire.h"
#include "engine/outbox/outbox.h"
#include "engine/state/durable.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_BYTES_DEFAULT ((size_t)64 << 20)
#define HISTORY_STEPS_MAX 1000000u
#define SERIES_TEXT_BYTES_MAX ((size_t)1 << 31)

static enum lw_status config_check(const struct lw_engine_config *config, struct lw_error *reterr)
{
    if (config->n_shards > LW_ENGINE_SHARDS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "%u shards asked for; at most %d are allowed",
                            config->n_shards, LW_ENGINE_SHARDS_MAX);
    }
    if (config->history_steps > HISTORY_STEPS_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a history of %u steps asked for; at most %u are allowed",
                            config->history_steps, HISTORY_STEPS_MAX);
    }
    return LW_OK;
}

uint32_t lw_engine_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < 1) {
        return 1;
    }
    return n > LW_ENGINE_SHARDS_MAX ? LW_ENGINE_SHARDS_MAX : (uint32_t)n;
}

static enum lw_status tables_create(struct lw_engine *engine, struct lw_error *reterr)
{
    enum lw_status status = lw_intern_create(LW_ENGINE_SERIES_MAX, SERIES_TEXT_BYTES_MAX,
                                             &engine->series_names, reterr);

    if (status == LW_OK) {
        status = lw_intern_create(LW_ENGINE_SERIES_MAX, SERIES_TEXT_BYTES_MAX,
                                  &engine->entity_names, reterr);
    }
    if (status == LW_OK) {
        engine->shards = lw_mem_calloc(engine->n_shards, sizeof(*engine->shards));
        engine->ring = lw_mem_calloc(LW_ENGINE_ANOMALIES_KEPT, sizeof(*engine->ring));
        if (engine->shards == NULL || engine->ring == NULL) {
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for an engine of %u shards",
                                  engine->n_shards);
        }
    }
    return status;
}

enum lw_status lw_engine_create(const struct lw_engine_config *config,
                                struct lw_engine **ret_engine, struct lw_error *reterr)
{
    enum lw_status status = config_check(config, reterr);
    struct lw_engine *engine;

    if (status != LW_OK) {
        return status;
    }
    engine = lw_mem_calloc(1, sizeof(*engine));
    if (engine == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for an engine");
    }
    engine->n_shards = config->n_shards == 0 ? lw_engine_processors() : config->n_shards;
    engine->saved_ns = INT64_MIN;
    engine->free_target = UINT32_MAX;
    engine->history_steps = config->history_steps;
    engine->history_bytes = config->history_bytes == 0 ? HISTORY_BYTES_DEFAULT
                                                       : config->history_bytes;
    engine->history_limit = engine->history_bytes;
    engine->memory_limit = config->memory_bytes;
    if (config->listener != NULL) {
        engine->listener = *config->listener;
    }
    (void)pthread_mutex_init(&engine->route, NULL);
    (void)pthread_mutex_init(&engine->ring_lock, NULL);
    status = tables_create(engine, reterr);
    if (status == LW_OK) {
        status = lw_directory_create(engine, &engine->directory, reterr);
    }
    if (status == LW_OK) {
        status = lw_trainer_create(1, &engine->trainer, reterr);
    }
    for (uint32_t i = 0; status == LW_OK && i < engine->n_shards; i++) {
        status = lw_shard_start(&engine->shards[i], engine, i, reterr);
    }
    if (status != LW_OK) {
        lw_engine_destroy(engine);
        return status;
    }
    *ret_engine = engine;
    return LW_OK;
}

void lw_engine_destroy(struct lw_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    lw_directory_destroy(engine->directory); /* It looks into the shards. */
    engine->directory = NULL;
    lw_durable_destroy(engine->durable);
    engine->durable = NULL;
    for (uint32_t i = 0; engine->shards != NULL && i < engine->n_shards; i++) {
        if (engine->shards[i].started) {
            lw_shard_drain(&engine->shards[i]);
        }
    }
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (engine->detectors[i].detector != NULL) {
            lw_registry_drop(engine, i, false);
            lw_detector_release(engine->detectors[i].detector);
        }
    }
    for (uint32_t i = 0; engine->shards != NULL && i < engine->n_shards; i++) {
        lw_shard_stop(&engine->shards[i]);
    }
    lw_trainer_destroy(engine->trainer);
    lw_outbox_destroy(engine->outbox); /* After all who may tell it something. */
    lw_intern_destroy(engine->series_names);
    lw_intern_destroy(engine->entity_names);
    lw_mem_free(engine->shards);
    lw_mem_free(engine->ring);
    lw_mem_free(engine->first_target);
    lw_mem_free(engine->targets);
    lw_mem_free(engine->entities);
    lw_mem_free(engine->handed);
    lw_mem_free(engine->target_owners);
    lw_mem_free(engine->own_targets);
    lw_mem_free(engine->gone);
    lw_mem_free(engine->kin);
    (void)pthread_mutex_destroy(&engine->route);
    (void)pthread_mutex_destroy(&engine->ring_lock);
    lw_mem_free(engine);
}

/* ---- detectors ---- */

uint32_t lw_engine_find_detector(const struct lw_engine *engine, const char *name)
{
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (engine->detectors[i].detector != NULL &&
            strcmp(lw_detector_name(engine->detectors[i].detector), name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

void lw_engine_drain(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_submit(&engine->shards[i]); /* All of them, to work side by side. */
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_drain(&engine->shards[i]);
    }
}

/* Drops the detector at a place, with its entities. */
static void detector_drop(struct lw_engine *engine, uint32_t at, bool tell)
{
    lw_registry_drop(engine, at, tell);
    lw_detector_release(engine->detectors[at].detector);
    engine->detectors[at] = (struct engine_detector){0};
}

/* Puts a detector in place and lets the series that are known already find it; without memory for
 * them the place is empty afterwards. Caller holds route, shards drained. */
static enum lw_status detector_place(struct lw_engine *engine, uint32_t at,
                                     struct lw_detector *detector, struct lw_error *reterr)
{
    enum lw_status status;

    if (engine->detectors[at].detector != NULL) {
        detector_drop(engine, at, true);
    }
    engine->detectors[at] = (struct engine_detector){.detector = detector};
    lw_pooled_tail_init(&engine->detectors[at]);
    lw_expire_settle(engine);
    status = lw_registry_adopt(engine, at, reterr);
    if (status != LW_OK) {
        detector_drop(engine, at, false);
    }
    return status;
}

/* A place for a detector that has none; UINT32_MAX when all are taken. */
static uint32_t free_place(const struct lw_engine *engine)
{
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (engine->detectors[i].detector == NULL) {
            return i;
        }
    }
    return UINT32_MAX;
}

enum lw_status lw_engine_set_detector(struct lw_engine *engine, const char *name,
                                      const struct lw_spec *spec, struct lw_error *reterr)
{
    struct lw_detector *detector = NULL;
    enum lw_status status = lw_detector_create(spec, name, &detector, reterr);
    uint32_t at;

    if (status != LW_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&engine->route);
    at = lw_engine_find_detector(engine, name);
    if (at != UINT32_MAX &&
        lw_detector_hash(engine->detectors[at].detector) == lw_detector_hash(detector)) {
        lw_detector_release(detector); /* It is there already. */
    } else {
        at = at == UINT32_MAX ? free_place(engine) : at;
        if (at == UINT32_MAX) {
            lw_detector_release(detector);
            status = lw_error_set(reterr, LW_ELIMIT,
                                  "detector \"%s\" is one too many: an engine takes %d", name,
                                  LW_ENGINE_DETECTORS_MAX);
        } else {
            lw_engine_drain(engine);
            status = detector_place(engine, at, detector, reterr);
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

enum lw_status lw_engine_remove_detector(struct lw_engine *engine, const char *name,
                                         struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    uint32_t at;

    (void)pthread_mutex_lock(&engine->route);
    at = lw_engine_find_detector(engine, name);
    if (at == UINT32_MAX) {
        status = lw_error_set(reterr, LW_ENOTFOUND, "there is no detector \"%s\"", name);
    } else {
        lw_engine_drain(engine);
        detector_drop(engine, at, true);
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

/* ---- feeds ---- */

static enum lw_status feed_series(void *context, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct engine_feed *feed = context;
    struct lw_engine *engine = feed->engine;
    enum lw_status status;

    (void)pthread_mutex_lock(&engine->route);
    status = lw_registry_series(engine, key, ret_series, reterr);
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

/* A row ends wherever it has cells: its entities may live on several shards. */
static void end_row(struct lw_engine *engine, struct engine_feed *feed)
{
    struct item item = {.kind = ITEM_ROW_END, .feed = (uint16_t)feed->number};

    for (uint64_t left = feed->row_shards; left != 0; left &= left - 1) {
        lw_shard_append(&engine->shards[__builtin_ctzll(left)], &item);
    }
    feed->row_shards = 0;
}

/* One point to every detector that takes its series. */
static void route_point(struct lw_engine *engine, struct engine_feed *feed,
                        const struct lw_point *point)
{
    uint32_t at;

    assert(point->series < engine->n_series);
    at = engine->first_target[point->series];
    engine->unmatched += at == UINT32_MAX ? 1 : 0;
    while (at != UINT32_MAX) {
        const struct target *target = &engine->targets[at];
        struct shard *shard = &engine->shards[target->shard];
        struct item item;

        if (target->entity == NULL && !lw_expire_undo(engine, at)) {
            at = target->next;
            continue;
        }
        item = (struct item){.entity = target->entity,
                             .kind = target->row ? ITEM_ROW_POINT : ITEM_POINT,
                             .feed = (uint16_t)feed->number,
                             .series = target->series,
                             .time_ns = point->time_ns,
                             .value = point->value,
                             .tag = point->tag};

        lw_pooled_tail_count(engine, target->detector);
        engine->handed[target->number] = shard->n_handed + 1;
        lw_shard_append(shard, &item);
        feed->row_shards |= target->row ? UINT64_C(1) << target->shard : 0;
        at = target->next;
    }
    if ((point->flags & LW_POINT_MORE) == 0) {
        end_row(engine, feed);
    }
}

void lw_engine_route(struct lw_engine *engine, struct engine_feed *feed,
                     const struct lw_point *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        route_point(engine, feed, &points[i]);
    }
    feed->samples += n;
}

static void submit_all(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_submit(&engine->shards[i]);
    }
}

static enum lw_status feed_push(void *context, const struct lw_point *points, size_t n)
{
    struct engine_feed *feed = context;
    struct lw_engine *engine = feed->engine;
    enum lw_status status;

    (void)pthread_mutex_lock(&engine->route);
    status = lw_durable_points(engine, feed, points, n);
    if (status == LW_OK) {
        lw_engine_route(engine, feed, points, n);
        submit_all(engine);
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

void lw_engine_tell(struct lw_engine *engine, struct engine_feed *feed, int64_t time_ns)
{
    struct item item = {.kind = ITEM_WATERMARK, .feed = (uint16_t)feed->number, .time_ns = time_ns};

    feed->told_ns = time_ns;
    if (time_ns > feed->watermark_ns) {
        feed->watermark_ns = time_ns;
    }
    if (time_ns == INT64_MIN) {
        feed->row_shards = 0; /* What a row without end left behind ends with the rest. */
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_append(&engine->shards[i], &item);
    }
}

static enum lw_status feed_watermark(void *context, int64_t time_ns)
{
    struct engine_feed *feed = context;
    struct lw_engine *engine = feed->engine;
    enum lw_status status;

    (void)pthread_mutex_lock(&engine->route);
    status = lw_durable_watermark(engine, feed, time_ns);
    if (status == LW_OK) {
        lw_engine_tell(engine, feed, time_ns);
        submit_all(engine);
        lw_expire_idle(engine);
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}

void lw_engine_resume(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_feeds; i++) {
        engine->feeds[i].told_ns = INT64_MIN;
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_append(&engine->shards[i], &(struct item){.kind = ITEM_RESUME});
    }
}

void lw_engine_end(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        lw_shard_append(&engine->shards[i], &(struct item){.kind = ITEM_FINISH});
    }
}

static void feed_dropped(void *context, const char *reason, uint64_t n)
{
    struct engine_feed *feed = context;
    uint32_t at = 0;

    (void)pthread_mutex_lock(&feed->engine->route);
    while (at < feed->n_reasons && strcmp(feed->dropped[at].reason, reason) != 0) {
        at++;
    }
    if (at == feed->n_reasons && at < REASONS_MAX) {
        (void)snprintf(feed->dropped[at].reason, sizeof(feed->dropped[at].reason), "%s", reason);
        feed->n_reasons++;
    }
    if (at == REASONS_MAX) { /* Sources have few reasons; should one have more, the last counts for
                                the rest. */
        at = REASONS_MAX - 1;
    }
    feed->dropped[at].n += n;
    (void)pthread_mutex_unlock(&feed->engine->route);
}

static uint64_t feed_position(void *context)
{
    const struct engine_feed *feed = context;
    const struct lw_durable *durable = feed->engine->durable;

    return durable == NULL || durable->config.relaxed ? 0 : atomic_load(&feed->position);
}

static uint64_t feed_durable(void *context)
{
    const struct engine_feed *feed = context;
    const struct lw_durable *durable = feed->engine->durable;

    return durable == NULL ? 0 : atomic_load(&durable->durable);
}

/* Queues are taken for full when a push of some thousand points would have to wait. */
static enum lw_status feed_ready(void *context, struct lw_error *reterr)
{
    const struct engine_feed *feed = context;
    struct lw_engine *engine = feed->engine;
    struct lw_durable *durable = engine->durable;

    if (durable != NULL && atomic_load(&durable->read_only)) {
        (void)pthread_mutex_lock(&durable->lock);
        if (reterr != NULL) {
            *reterr = durable->failure;
        }
        (void)pthread_mutex_unlock(&durable->lock);
        return LW_EIO;
    }
    if (lw_outbox_degraded(engine->outbox)) { /* Its queue may fill, and shards wait for it then. */
        return lw_error_set(reterr, LW_EIO, "anomalies cannot be kept for the sinks on the disk");
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        if (atomic_load(&engine->shards[i].n_waiting) > QUEUE_BATCHES * 3 / 4) {
            return lw_error_set(reterr, LW_EBUSY, "the queue of shard %u is full", i);
        }
    }
    return LW_OK;
}

struct engine_feed *lw_engine_add_feed(struct lw_engine *engine, const char *source)
{
    struct engine_feed *feed;

    for (uint32_t i = 0; i < engine->n_feeds; i++) {
        if (strcmp(engine->feeds[i].source, source) == 0) {
            return &engine->feeds[i];
        }
    }
    if (engine->n_feeds == FEEDS_MAX) {
        return NULL;
    }
    feed = &engine->feeds[engine->n_feeds];
    *feed = (struct engine_feed){.engine = engine,
                                 .number = engine->n_feeds,
                                 .watermark_ns = INT64_MIN,
                                 .told_ns = INT64_MIN};
    (void)snprintf(feed->source, sizeof(feed->source), "%s", source);
    engine->n_feeds++;
    return feed;
}

/* The feed of that name; a new one is in the journal before it is there. */
static enum lw_status ensure_feed(struct lw_engine *engine, const char *source,
                                  struct engine_feed **ret_feed, struct lw_error *reterr)
{
    uint32_t n_before = engine->n_feeds;
    enum lw_status status = LW_OK;

    *ret_feed = lw_engine_add_feed(engine, source);
    if (*ret_feed == NULL) {
        return lw_error_set(reterr, LW_ELIMIT, "source \"%s\" is one too many: an engine takes %d",
                            source, FEEDS_MAX);
    }
    if (engine->n_feeds > n_before) {
        status = lw_durable_feed(engine, *ret_feed);
    }
    if (status != LW_OK) {
        engine->n_feeds = n_before;
        return lw_error_set(reterr, status, "source \"%s\" cannot begin: the state is read-only",
                            source);
    }
    return LW_OK;
}

enum lw_status lw_engine_feed(struct lw_engine *engine, const char *source,
                              struct lw_feed *ret_feed, struct lw_error *reterr)
{
    struct engine_feed *feed = NULL;
    enum lw_status status;

    if (strlen(source) >= LW_SHORT_NAME_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a source's name has %zu bytes; at most %d are allowed", strlen(source),
                            LW_SHORT_NAME_MAX - 1);
    }
    (void)pthread_mutex_lock(&engine->route);
    status = ensure_feed(engine, source, &feed, reterr);
    (void)pthread_mutex_unlock(&engine->route);
    if (status == LW_OK) {
        *ret_feed = (struct lw_feed){.series = feed_series,
                                     .push = feed_push,
                                     .watermark = feed_watermark,
                                     .dropped = feed_dropped,
                                     .position = feed_position,
                                     .durable = feed_durable,
                                     .ready = feed_ready,
                                     .context = feed};
    }
    return status;
}

void lw_engine_flush(struct lw_engine *engine)
{
    (void)pthread_mutex_lock(&engine->route);
    lw_engine_drain(engine);
    (void)pthread_mutex_unlock(&engine->route);
}

void lw_engine_finish(struct lw_engine *engine)
{
    (void)pthread_mutex_lock(&engine->route);
    if (lw_durable_mark(engine, LW_RECORD_FINISH) == LW_OK) {
        lw_engine_end(engine);
    }
    lw_engine_drain(engine);
    (void)pthread_mutex_unlock(&engine->route);
}
