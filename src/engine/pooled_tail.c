/*
 * The pooled tail of a detector: how often incidents of any size come by, over all its series.
 *
 * One series' own record cannot know how rare one in a hundred weeks is; all series of a detector
 * together know more. At fixed places of the input (when the number of its points reaches a power
 * of two) the router waits for the shards, adds up the records of all series, and from the next
 * point on every series judges by its own record and the pool. Being a place in the input, it is
 * the same whatever the number of shards. A detector whose series do not share their budget has
 * none. In a replay of the journal the pool is not made but read: entities may stand beyond this
 * place.
 */
#include "engine/state/durable.h"

/* Before that many points there is nothing to learn from. */
#define FIRST_POINTS 2048u

void lw_pooled_tail_init(struct engine_detector *place)
{
    place->n_points = 0;
    lw_tail_init(&place->tail);
}

static bool shares_budget(const struct engine_detector *place)
{
    const struct lw_detector_options *options = &place->detector->spec->detector;

    return place->n_series > 1 && options->budget_scope == LW_SCOPE_DETECTOR &&
           options->operating_point != LW_POINT_BENCHMARK;
}

static void pool(struct lw_engine *engine, uint32_t detector)
{
    struct engine_detector *place = &engine->detectors[detector];

    lw_tail_init(&place->tail);
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; e < shard->n_entities; e++) {
            if (shard->entities[e]->detector == detector) {
                lw_entity_pool(shard->entities[e]->entity, &place->tail);
            }
        }
        (void)pthread_mutex_unlock(&shard->lock);
    }
}

void lw_pooled_tail_count(struct lw_engine *engine, uint32_t detector)
{
    struct engine_detector *place = &engine->detectors[detector];

    place->n_points++;
    if (place->n_points >= FIRST_POINTS && (place->n_points & (place->n_points - 1)) == 0 &&
        shares_budget(place)) {
        lw_engine_drain(engine); /* No shard reads the tail while it is made anew. */
        if (!engine->replaying || !lw_durable_tail_replay(engine, detector)) {
            pool(engine, detector);
        }
        lw_durable_tail(engine, detector);
    }
}

void lw_pooled_tail_save(const struct engine_detector *place, struct lw_writer *writer)
{
    lw_write_u64(writer, place->n_points);
    lw_tail_save(&place->tail, writer);
}

enum lw_status lw_pooled_tail_load(struct engine_detector *place, struct lw_reader *reader,
                                   struct lw_error *reterr)
{
    place->n_points = lw_read_u64(reader);
    return lw_tail_load(&place->tail, reader, reterr);
}
