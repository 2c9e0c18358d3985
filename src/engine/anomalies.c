/* The ring of the newest anomalies with their names and sentences, told to the listener as they
 * change. */
#include "engine/core.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/anomaly_view.h"
#include "engine/outbox/outbox.h"
#include "explain/sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ANOMALIES_VERSION 1
/* Looked at, and copied, without letting shards record theirs: some tens of microseconds. */
#define RING_LOOK 128
#define RING_COPY 32

/* Where an anomaly lies; NULL when it does not. Caller holds ring_lock. */
static struct anomaly_slot *slot_find(struct lw_engine *engine, uint64_t id)
{
    /* Those still open are among the newest: look backwards. */
    for (size_t back = 1; back <= LW_ENGINE_ANOMALIES_KEPT; back++) {
        size_t at = (engine->ring_next + LW_ENGINE_ANOMALIES_KEPT - back) %
                    LW_ENGINE_ANOMALIES_KEPT;

        if (!engine->ring[at].used) {
            break;
        }
        if (engine->ring[at].view.anomaly.id == id) {
            return &engine->ring[at];
        }
    }
    return NULL;
}

/* The oldest place, to be filled. Caller holds ring_lock. */
static struct anomaly_slot *slot_next(struct lw_engine *engine)
{
    struct anomaly_slot *slot = &engine->ring[engine->ring_next];

    engine->ring_next = (engine->ring_next + 1) % LW_ENGINE_ANOMALIES_KEPT;
    engine->ring_made++;
    return slot;
}

static const char *name_of(const void *context, uint32_t series)
{
    return lw_entity_series_name(context, series);
}

static void sentence_fill(struct lw_anomaly_view *view, const struct lw_entity *entity,
                          const struct lw_anomaly *anomaly)
{
    struct lw_sentence_input input = {.anomaly = anomaly,
                                      .series_name = name_of,
                                      .context = entity,
                                      .lower = NAN,
                                      .upper = NAN,
                                      .step_ns = lw_detector_step_ns(lw_entity_detector(entity))};

    if (anomaly->n_contributions > 0 &&
        anomaly->contributions[0].series < lw_entity_n_series(entity)) {
        struct lw_verdict newest;

        lw_entity_newest(entity, anomaly->contributions[0].series, &newest);
        input.lower = newest.lower;
        input.upper = newest.upper;
    }
    (void)lw_sentence_write(&input, view->sentence, sizeof(view->sentence));
}

static void view_fill(struct lw_anomaly_view *view, const struct engine_entity *owner,
                      const struct lw_anomaly *anomaly)
{
    const struct lw_entity *entity = owner->entity;

    (void)snprintf(view->detector, sizeof(view->detector), "%s",
                   lw_detector_name(lw_entity_detector(entity)));
    (void)snprintf(view->entity, sizeof(view->entity), "%s", lw_entity_name(entity));
    view->entity_number = owner->number;
    view->anomaly = *anomaly;
    for (uint32_t i = 0; i < LW_CONTRIBUTIONS_MAX; i++) {
        const char *name = i < anomaly->n_contributions
                               ? name_of(entity, anomaly->contributions[i].series)
                               : NULL;

        (void)snprintf(view->series[i], sizeof(view->series[i]), "%s", name == NULL ? "" : name);
    }
    sentence_fill(view, entity, anomaly);
}

static void tell(struct engine_entity *owner, const struct lw_anomaly_view *view)
{
    const struct lw_listener *listener = &owner->shard->engine->listener;
    const char *names[LW_CONTRIBUTIONS_MAX];
    struct lw_engine_anomaly named = {.detector = view->detector,
                                      .entity = view->entity,
                                      .entity_number = view->entity_number,
                                      .anomaly = &view->anomaly,
                                      .series = names,
                                      .sentence = view->sentence};

    if (listener->anomaly == NULL) {
        return;
    }
    for (uint32_t i = 0; i < LW_CONTRIBUTIONS_MAX; i++) {
        names[i] = view->series[i][0] == '\0' ? NULL : view->series[i];
    }
    listener->anomaly(listener->context, owner->shard->number, &named);
}

void lw_anomalies_record(struct engine_entity *owner, const struct lw_anomaly *anomaly)
{
    struct lw_engine *engine = owner->shard->engine;
    struct anomaly_slot *slot;
    struct lw_anomaly_view view;

    view_fill(&view, owner, anomaly);
    (void)pthread_mutex_lock(&engine->ring_lock);
    view.change = ++engine->change;
    slot = slot_find(engine, anomaly->id);
    slot = slot == NULL ? slot_next(engine) : slot;
    slot->used = true;
    slot->view = view;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    lw_outbox_record(engine->outbox, &view, owner->shard->sequence);
    tell(owner, &view);
}

void lw_anomalies_end(struct engine_entity *owner)
{
    struct lw_engine *engine = owner->shard->engine;
    struct anomaly_slot *slot;
    struct lw_anomaly_view view;

    (void)pthread_mutex_lock(&engine->ring_lock);
    slot = slot_find(engine, owner->open_anomaly);
    if (slot != NULL) {
        slot->view.anomaly.phase = LW_ANOMALY_CLOSED;
        slot->view.change = ++engine->change;
        view = slot->view;
    }
    (void)pthread_mutex_unlock(&engine->ring_lock);
    if (slot != NULL) {
        lw_outbox_record(engine->outbox, &view, engine->sequence);
        tell(owner, &view);
    }
}

static bool anomaly_wanted(const struct lw_anomaly_view *view, const struct lw_anomaly_query *query)
{
    return view->change > query->after_change &&
           (query->entity == LW_ENTITY_ANY || view->entity_number == query->entity) &&
           (query->detector == NULL || strcmp(view->detector, query->detector) == 0) &&
           (query->name == NULL || strcmp(view->entity, query->name) == 0) &&
           (query->types == 0 || (query->types >> view->anomaly.type & 1) != 0) &&
           (!query->open_only || view->anomaly.phase != LW_ANOMALY_CLOSED) &&
           view->anomaly.last_ns >= query->from_ns && view->anomaly.start_ns < query->to_ns;
}

size_t lw_engine_find_anomalies(struct lw_engine *engine, const struct lw_anomaly_query *query,
                                struct lw_anomaly_view *ret_anomalies, size_t capacity)
{
    size_t n = 0, back = 1;
    uint64_t made;

    (void)pthread_mutex_lock(&engine->ring_lock);
    made = engine->ring_made;
    for (;;) {
        /* What came meanwhile has taken the places of the oldest. */
        uint64_t passed = engine->ring_made - made;
        size_t n_copied = 0;

        for (size_t looked = 0; looked < RING_LOOK && n_copied < RING_COPY && n < capacity &&
                                back + passed <= LW_ENGINE_ANOMALIES_KEPT;
             looked++, back++) {
            size_t at = (engine->ring_next + 2 * LW_ENGINE_ANOMALIES_KEPT - back - passed) %
                        LW_ENGINE_ANOMALIES_KEPT;

            if (engine->ring[at].used && anomaly_wanted(&engine->ring[at].view, query)) {
                ret_anomalies[n++] = engine->ring[at].view;
                n_copied++;
            }
        }
        if (n == capacity || back + passed > LW_ENGINE_ANOMALIES_KEPT) {
            break;
        }
        (void)pthread_mutex_unlock(&engine->ring_lock); /* Shards take it: let them. */
        (void)pthread_mutex_lock(&engine->ring_lock);
    }
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return n;
}

uint64_t lw_engine_change(struct lw_engine *engine)
{
    uint64_t change;

    (void)pthread_mutex_lock(&engine->ring_lock);
    change = engine->change;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return change;
}

size_t lw_engine_anomalies(struct lw_engine *engine, uint64_t after_change,
                           struct lw_anomaly_view *ret_anomalies, size_t capacity)
{
    const struct lw_anomaly_query query = {.after_change = after_change,
                                           .entity = LW_ENTITY_ANY,
                                           .from_ns = INT64_MIN,
                                           .to_ns = INT64_MAX};

    return lw_engine_find_anomalies(engine, &query, ret_anomalies, capacity);
}

enum lw_status lw_anomalies_save(struct lw_engine *engine, struct lw_writer *writer)
{
    uint32_t n = 0;

    (void)pthread_mutex_lock(&engine->ring_lock);
    for (size_t i = 0; i < LW_ENGINE_ANOMALIES_KEPT; i++) {
        n += engine->ring[i].used ? 1 : 0;
    }
    lw_write_u32(writer, ANOMALIES_VERSION);
    lw_write_u64(writer, engine->change);
    lw_write_u32(writer, n);
    for (size_t i = 0; i < LW_ENGINE_ANOMALIES_KEPT; i++) { /* From the oldest on. */
        const struct anomaly_slot *slot =
            &engine->ring[(engine->ring_next + i) % LW_ENGINE_ANOMALIES_KEPT];

        if (slot->used) {
            lw_anomaly_view_write(&slot->view, writer);
        }
    }
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return writer->status;
}

/* Binds a loaded anomaly to its entity of now; one that is open nowhere has ended. */
static void view_bind(const struct lw_engine *engine, struct lw_anomaly_view *view)
{
    const struct engine_entity *owner = lw_registry_find(engine, view->detector, view->entity);

    view->entity_number = owner == NULL ? UINT32_MAX : owner->number;
    if (owner == NULL || owner->open_anomaly != view->anomaly.id) {
        view->anomaly.phase = LW_ANOMALY_CLOSED;
    }
}

static enum lw_status ring_load(struct lw_engine *engine, struct anomaly_slot *ring, uint32_t n,
                                struct lw_reader *reader, struct lw_error *reterr)
{
    for (uint32_t i = 0; i < n && reader->status == LW_OK; i++) {
        lw_anomaly_view_read(&ring[i].view, reader);
        ring[i].used = true;
        view_bind(engine, &ring[i].view);
    }
    return reader->status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, LW_EFORMAT, "an anomaly in the state is damaged");
}

enum lw_status lw_anomalies_load(struct lw_engine *engine, struct lw_reader *reader,
                                 struct lw_error *reterr)
{
    uint32_t version = lw_read_u32(reader);
    uint64_t change = lw_read_u64(reader);
    uint32_t n = lw_read_u32(reader);
    struct anomaly_slot *ring;
    enum lw_status status;

    if (reader->status == LW_OK && version != ANOMALIES_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "anomalies of version %u; this program reads version %d", version,
                            ANOMALIES_VERSION);
    }
    if (reader->status != LW_OK || n > LW_ENGINE_ANOMALIES_KEPT) {
        return lw_error_set(reterr, LW_EFORMAT, "the list of anomalies is damaged");
    }
    ring = lw_mem_calloc(LW_ENGINE_ANOMALIES_KEPT, sizeof(*ring));
    if (ring == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the list of anomalies");
    }
    status = ring_load(engine, ring, n, reader, reterr);
    if (status == LW_OK && lw_reader_left(reader) != 0) {
        status = lw_error_set(reterr, LW_EFORMAT, "the state does not end where it should");
    }
    if (status != LW_OK) {
        lw_mem_free(ring);
        return status;
    }
    (void)pthread_mutex_lock(&engine->ring_lock);
    lw_mem_free(engine->ring);
    engine->ring = ring;
    engine->ring_next = n % LW_ENGINE_ANOMALIES_KEPT;
    engine->ring_made += LW_ENGINE_ANOMALIES_KEPT; /* Nothing is where it was. */
    engine->change = change;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return LW_OK;
}
