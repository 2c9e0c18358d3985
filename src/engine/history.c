/* The newest steps of each series, for the page and explanations: rings on the heap within one
 * bound. */
#include "engine/core.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* The ring of a series, made at its first verdict while there is room for it; NULL otherwise. */
static struct history *history_of(struct engine_entity *owner, uint32_t series)
{
    struct lw_engine *engine = owner->shard->engine;
    size_t n_bytes = sizeof(struct history) +
                     engine->history_steps * sizeof(struct lw_history_point);

    if (series >= owner->n_histories) {
        return NULL;
    }
    if (owner->histories[series] != NULL ||
        atomic_load(&engine->history_used) + n_bytes > engine->history_bytes) {
        return owner->histories[series];
    }
    if (atomic_fetch_add(&engine->history_used, n_bytes) + n_bytes <= engine->history_bytes) {
        owner->histories[series] = lw_mem_alloc(n_bytes);
    }
    if (owner->histories[series] == NULL) { /* No memory, or another shard was faster. */
        (void)atomic_fetch_sub(&engine->history_used, n_bytes);
    } else {
        owner->histories[series]->next = owner->histories[series]->n_points = 0;
    }
    return owner->histories[series];
}

void lw_history_append(struct engine_entity *owner, const struct lw_verdict *verdict)
{
    uint32_t capacity = owner->shard->engine->history_steps;
    struct history *history;

    if (verdict->series == LW_SERIES_NONE) {
        return;
    }
    history = history_of(owner, verdict->series);
    if (history == NULL) {
        return;
    }
    history->points[history->next] = (struct lw_history_point){.time_ns = verdict->time_ns,
                                                               .value = verdict->value,
                                                               .expected = verdict->expected,
                                                               .lower = verdict->lower,
                                                               .upper = verdict->upper,
                                                               .score = verdict->score,
                                                               .alarm = verdict->alarm};
    history->next = (history->next + 1) % capacity;
    history->n_points += history->n_points < capacity ? 1 : 0;
}

void lw_history_forget(struct engine_entity *owner)
{
    struct lw_engine *engine = owner->shard->engine;
    size_t n_bytes = sizeof(struct history) +
                     engine->history_steps * sizeof(struct lw_history_point);

    for (uint32_t i = 0; i < owner->n_histories; i++) {
        if (owner->histories[i] != NULL) {
            (void)atomic_fetch_sub(&engine->history_used, n_bytes);
            lw_mem_free(owner->histories[i]);
            owner->histories[i] = NULL;
        }
    }
}

void lw_history_destroy(struct engine_entity *owner)
{
    lw_history_forget(owner);
    lw_mem_free(owner->histories);
    owner->histories = NULL;
    owner->n_histories = 0;
}

size_t lw_history_steps(const struct engine_entity *owner, uint32_t series, int64_t since_ns,
                        struct lw_history_point *ret_points, size_t capacity)
{
    const struct history *history = series < owner->n_histories ? owner->histories[series] : NULL;
    uint32_t capacity_steps = owner->shard->engine->history_steps;
    uint32_t oldest;
    size_t n = 0;

    if (history == NULL) {
        return 0;
    }
    oldest = (history->next + capacity_steps - history->n_points) % capacity_steps;
    for (uint32_t i = 0; i < history->n_points && n < capacity; i++) {
        const struct lw_history_point *point = &history->points[(oldest + i) % capacity_steps];

        if (point->time_ns > since_ns) {
            ret_points[n++] = *point;
        }
    }
    return n;
}
