/* The outbox as an engine's host sees it: the functions of lapwing/engine.h over
 * engine/outbox/outbox.h. */
#include "base/error.h"
#include "base/mem.h"
#include "engine/core.h"
#include "engine/outbox/outbox.h"

#include <stdlib.h>

enum lw_status lw_engine_open_outbox(struct lw_engine *engine, const char *folder,
                                     struct lw_error *reterr)
{
    const struct lw_outbox_config config = {.folder = folder};

    if (engine->outbox != NULL) {
        return lw_error_set(reterr, LW_EEXIST, "the engine has an outbox already");
    }
    return lw_outbox_create(&config, &engine->outbox, reterr);
}

static enum lw_status no_outbox(struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_ENOTFOUND, "the engine's outbox was not opened");
}

enum lw_status lw_engine_open_sink(struct lw_engine *engine, const char *name,
                                   const struct lw_outbox_options *options, struct lw_error *reterr)
{
    return engine->outbox == NULL ? no_outbox(reterr)
                                  : lw_outbox_open_sink(engine->outbox, name, options, reterr);
}

enum lw_status lw_engine_keep_sinks(struct lw_engine *engine, const char *const *names, size_t n,
                                    struct lw_error *reterr)
{
    return engine->outbox == NULL ? no_outbox(reterr)
                                  : lw_outbox_keep_sinks(engine->outbox, names, n, reterr);
}

/* A repeat says what is known now, where the ring still has it. */
static void repeat_refresh(struct lw_engine *engine, struct lw_outbox_event *event)
{
    (void)pthread_mutex_lock(&engine->ring_lock);
    for (size_t i = 0; i < LW_ENGINE_ANOMALIES_KEPT; i++) {
        const struct anomaly_slot *slot = &engine->ring[i];

        if (slot->used && slot->view.anomaly.id == event->anomaly.anomaly.id &&
            slot->view.anomaly.phase != LW_ANOMALY_CLOSED) {
            event->anomaly = slot->view;
            event->anomaly.anomaly.phase = LW_ANOMALY_OPENED;
            break;
        }
    }
    (void)pthread_mutex_unlock(&engine->ring_lock);
}

enum lw_status lw_engine_take_events(struct lw_engine *engine,
                                     const struct lw_outbox_request *request,
                                     struct lw_outbox_event *ret_events, size_t *ret_n,
                                     struct lw_error *reterr)
{
    enum lw_status status;

    if (engine->outbox == NULL) {
        return no_outbox(reterr);
    }
    status = lw_outbox_take(engine->outbox, request, ret_events, ret_n, reterr);
    for (size_t i = 0; status == LW_OK && i < *ret_n; i++) {
        struct lw_anomaly_view *view = &ret_events[i].anomaly;

        if (ret_events[i].resend) {
            repeat_refresh(engine, &ret_events[i]);
        }
        if (lw_engine_find_entity(engine, view->detector, view->entity, &view->entity_number) !=
            LW_OK) {
            view->entity_number = UINT32_MAX; /* Gone since. */
        }
    }
    return status;
}

void lw_engine_wake_sink(struct lw_engine *engine, const char *sink)
{
    if (engine->outbox != NULL) {
        lw_outbox_wake(engine->outbox, sink);
    }
}

enum lw_status lw_engine_report_events(struct lw_engine *engine, const char *sink,
                                       const struct lw_outbox_result *results, size_t n,
                                       struct lw_error *reterr)
{
    return engine->outbox == NULL ? no_outbox(reterr)
                                  : lw_outbox_report(engine->outbox, sink, results, n, reterr);
}

size_t lw_engine_sinks(struct lw_engine *engine, struct lw_sink_view *ret_sinks, size_t capacity)
{
    return engine->outbox == NULL ? 0 : lw_outbox_sinks(engine->outbox, ret_sinks, capacity);
}

enum lw_status lw_engine_dead_letters(struct lw_engine *engine,
                                      const struct lw_outbox_search *search,
                                      struct lw_dead_letter *ret_letters, size_t *ret_n,
                                      struct lw_error *reterr)
{
    return engine->outbox == NULL
               ? no_outbox(reterr)
               : lw_outbox_dead_letters(engine->outbox, search, ret_letters, ret_n, reterr);
}

enum lw_status lw_engine_replay_dead_letters(struct lw_engine *engine, const char *sink,
                                             uint64_t key, size_t *ret_n, struct lw_error *reterr)
{
    return engine->outbox == NULL ? no_outbox(reterr)
                                  : lw_outbox_replay(engine->outbox, sink, key, ret_n, reterr);
}

enum lw_status lw_engine_drop_dead_letters(struct lw_engine *engine, const char *sink, uint64_t key,
                                           size_t *ret_n, struct lw_error *reterr)
{
    return engine->outbox == NULL ? no_outbox(reterr)
                                  : lw_outbox_drop(engine->outbox, sink, key, ret_n, reterr);
}

/* ---- after a recovery ---- */

/* Ids of all open anomalies, ascending. */
struct open_ids {
    uint64_t *ids;
    size_t n;
};

static int compare_ids(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second ? 1 : 0;
}

static bool id_is_open(void *context, uint64_t id)
{
    const struct open_ids *open = context;

    return open->n > 0 && bsearch(&id, open->ids, open->n, sizeof(id), compare_ids) != NULL;
}

enum lw_status lw_outbox_settle_engine(struct lw_engine *engine, struct lw_error *reterr)
{
    struct open_ids open = {0};
    enum lw_status status;

    if (engine->outbox == NULL) {
        return LW_OK;
    }
    open.ids = lw_mem_calloc(engine->n_entities + 1, sizeof(*open.ids));
    if (open.ids == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to settle the outbox");
    }
    for (size_t i = 0; i < engine->n_entities; i++) {
        if (engine->entities[i] != NULL && engine->entities[i]->open_anomaly != 0) {
            open.ids[open.n++] = engine->entities[i]->open_anomaly;
        }
    }
    qsort(open.ids, open.n, sizeof(*open.ids), compare_ids);
    status = lw_outbox_settle(engine->outbox, id_is_open, &open, engine->sequence, reterr);
    lw_mem_free(open.ids);
    return status;
}
