/*
 * The engine's state in one file: totals, every detector's entities, and the anomalies kept.
 *
 * Entities are taken one shard at a time, so the others go on; a shard waits for as long as its own
 * entities take to write down. What was pushed before lw_engine_save() was called is in the file;
 * what is pushed meanwhile is in it for some entities and not for others, which does no harm, since
 * entities know nothing of each other.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/state/checkpoint.h"
#include "engine/state/durable.h"
#include "store/file.h"

#include <stdio.h>
#include <string.h>

/* Nobody has listened since who knows when: the next start is a resumption. */
#define LONG_AGO_NS 1

/* ---- totals ---- */

static void tally_counts(struct lw_entity_counts *sum, const struct lw_entity_counts *counts)
{
    sum->samples += counts->samples;
    sum->verdicts += counts->verdicts;
    sum->late += counts->late;
    sum->duplicates += counts->duplicates;
    sum->not_finite += counts->not_finite;
    sum->overflow += counts->overflow;
    sum->resets += counts->resets;
    sum->untold += counts->untold;
}

void lw_tally_take(struct lw_engine *engine, struct lw_tally *ret_tally)
{
    *ret_tally = (struct lw_tally){.first_ns = INT64_MAX, .last_ns = INT64_MIN};
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        ret_tally->cells_refused += shard->cells_refused;
        ret_tally->trainings_failed += shard->trainings_failed;
        for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
            ret_tally->by_type[t] += shard->gone_by_type[t];
        }
        ret_tally->first_ns = shard->first_ns < ret_tally->first_ns ? shard->first_ns
                                                                    : ret_tally->first_ns;
        ret_tally->last_ns = shard->last_ns > ret_tally->last_ns ? shard->last_ns
                                                                 : ret_tally->last_ns;
        tally_counts(&ret_tally->gone, &shard->gone);
        (void)pthread_mutex_unlock(&shard->lock);
    }
}

/* The first shard counts for those before. */
void lw_tally_give(struct lw_engine *engine, const struct lw_tally *tally)
{
    struct shard *shard = &engine->shards[0];

    (void)pthread_mutex_lock(&shard->lock);
    shard->cells_refused += tally->cells_refused;
    shard->trainings_failed += tally->trainings_failed;
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        shard->gone_by_type[t] += tally->by_type[t];
    }
    shard->first_ns = tally->first_ns < shard->first_ns ? tally->first_ns : shard->first_ns;
    shard->last_ns = tally->last_ns > shard->last_ns ? tally->last_ns : shard->last_ns;
    tally_counts(&shard->gone, &tally->gone);
    (void)pthread_mutex_unlock(&shard->lock);
}

void lw_tally_save(const struct lw_tally *tally, struct lw_writer *writer)
{
    lw_write_u64(writer, tally->cells_refused);
    lw_write_u64(writer, tally->trainings_failed);
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        lw_write_u64(writer, tally->by_type[t]);
    }
    lw_write_i64(writer, tally->first_ns);
    lw_write_i64(writer, tally->last_ns);
    lw_entity_counts_save(&tally->gone, writer);
}

void lw_tally_load(struct lw_tally *ret_tally, struct lw_reader *reader)
{
    ret_tally->cells_refused = lw_read_u64(reader);
    ret_tally->trainings_failed = lw_read_u64(reader);
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        ret_tally->by_type[t] = lw_read_u64(reader);
    }
    ret_tally->first_ns = lw_read_i64(reader);
    ret_tally->last_ns = lw_read_i64(reader);
    lw_entity_counts_load(&ret_tally->gone, reader);
}

/* In a savepoint entities have no counters beside their own bytes: those of the anomalies they
 * opened go with the ones that are gone. */
static void tally_opened(struct lw_engine *engine, struct lw_tally *tally)
{
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; e < shard->n_entities; e++) {
            for (unsigned t = 0; shard->entities[e]->opened != NULL && t < LW_ENGINE_TYPES; t++) {
                tally->by_type[t] += shard->entities[e]->opened[t];
            }
        }
        (void)pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- saving ---- */

static enum lw_status save_entity(struct lw_writer *writer, struct engine_entity *owner,
                                  struct lw_error *reterr)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status;

    lw_shard_catch_up(owner);
    status = lw_entity_save(owner->entity, &bytes, &n_bytes, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_write_u8(writer, 1);
    lw_write_text(writer, lw_detector_name(lw_entity_detector(owner->entity)));
    lw_write_text(writer, lw_entity_name(owner->entity));
    lw_write_u64(writer, n_bytes);
    lw_write_raw(writer, bytes, n_bytes);
    lw_bytes_free(bytes);
    return LW_OK;
}

static enum lw_status save_shards(struct lw_engine *engine, struct lw_writer *writer,
                                  struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (uint32_t i = 0; status == LW_OK && i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; status == LW_OK && e < shard->n_entities; e++) {
            status = save_entity(writer, shard->entities[e], reterr);
        }
        (void)pthread_mutex_unlock(&shard->lock);
    }
    lw_write_u8(writer, 0);
    return status;
}

/* The pooled tail of each detector, by name. */
static void save_tails(struct lw_engine *engine, struct lw_writer *writer)
{
    (void)pthread_mutex_lock(&engine->route);
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        const struct engine_detector *place = &engine->detectors[i];

        if (place->detector != NULL) {
            lw_write_u8(writer, 1);
            lw_write_text(writer, lw_detector_name(place->detector));
            lw_write_u64(writer, lw_detector_hash(place->detector));
            lw_pooled_tail_save(place, writer);
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    lw_write_u8(writer, 0);
}

static enum lw_status load_tails(struct lw_engine *engine, struct lw_reader *reader,
                                 struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK && lw_read_u8(reader) == 1) {
        char name[LW_SHORT_NAME_MAX];
        struct engine_detector gone; /* Where the tail of a detector goes that is no more. */
        struct engine_detector *place = &gone;
        uint64_t hash;
        uint32_t at;

        lw_read_text(reader, name, sizeof(name));
        hash = lw_read_u64(reader);
        at = lw_engine_find_detector(engine, name);
        if (at != UINT32_MAX && lw_detector_hash(engine->detectors[at].detector) == hash) {
            place = &engine->detectors[at];
        }
        status = lw_pooled_tail_load(place, reader, reterr);
    }
    if (status == LW_OK && reader->status != LW_OK) {
        status = lw_error_set(reterr, LW_EFORMAT, "the pooled tails in the state are damaged");
    }
    return status;
}

enum lw_status lw_engine_save(struct lw_engine *engine, const char *path, struct lw_error *reterr)
{
    struct lw_writer writer;
    struct lw_tally tally;
    enum lw_status status;

    lw_writer_init(&writer);
    lw_engine_flush(engine);
    lw_tally_take(engine, &tally);
    tally_opened(engine, &tally);
    lw_tally_save(&tally, &writer);
    save_tails(engine, &writer);
    status = save_shards(engine, &writer, reterr);
    if (status == LW_OK && lw_anomalies_save(engine, &writer) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for the engine's state");
    }
    if (status == LW_OK) {
        status = lw_file_replace(path, LW_STATE_VERSION, writer.data, writer.n_bytes, reterr);
    }
    lw_writer_fini(&writer);
    (void)pthread_mutex_lock(&engine->ring_lock);
    engine->state_degraded = status != LW_OK;
    engine->saved_ns = status == LW_OK ? lw_clock_real_ns() : engine->saved_ns;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return status;
}

/* ---- loading ---- */

/* One entity's bytes under its detector of now; *ret_taken says whether that is still the same. */
static enum lw_status take_entity(struct lw_engine *engine, uint32_t detector, const char *name,
                                  struct lw_reader *bytes, bool *ret_taken, struct lw_error *reterr)
{
    struct shard *shard = &engine->shards[lw_registry_shard(engine, detector, name)];
    struct lw_entity *entity = NULL;
    enum lw_status status;

    (void)pthread_mutex_lock(&shard->lock);
    status = lw_entity_load(shard->pool, engine->detectors[detector].detector, bytes->data,
                            bytes->n_bytes, &entity, reterr);
    (void)pthread_mutex_unlock(&shard->lock);
    if (status == LW_EINVAL) {
        return LW_OK; /* Learnt under other options. */
    }
    if (status == LW_OK && strcmp(lw_entity_name(entity), name) != 0) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "the state of entity \"%s\" is that of another one", name);
    }
    if (status == LW_OK) {
        status = lw_registry_take(engine, detector, entity, reterr);
    }
    if (status != LW_OK && entity != NULL) {
        (void)pthread_mutex_lock(&shard->lock);
        lw_entity_destroy(entity);
        (void)pthread_mutex_unlock(&shard->lock);
    }
    *ret_taken = status == LW_OK;
    return status;
}

/* One entity; *ret_taken says whether it was taken up. */
static enum lw_status load_entity(struct lw_engine *engine, struct lw_reader *reader,
                                  bool *ret_taken, struct lw_error *reterr)
{
    char detector_name[LW_SHORT_NAME_MAX], entity_name[LW_NAME_MAX];
    struct lw_reader inner;
    const uint8_t *bytes;
    uint64_t n_bytes;
    uint32_t detector;

    *ret_taken = false;
    lw_read_text(reader, detector_name, sizeof(detector_name));
    lw_read_text(reader, entity_name, sizeof(entity_name));
    n_bytes = lw_read_u64(reader);
    bytes = lw_read_view(reader, (size_t)n_bytes);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "an entity in the state is damaged");
    }
    detector = lw_engine_find_detector(engine, detector_name);
    if (detector == UINT32_MAX) {
        return LW_OK;
    }
    lw_reader_init(&inner, bytes, (size_t)n_bytes);
    return take_entity(engine, detector, entity_name, &inner, ret_taken, reterr);
}

static enum lw_status load_entities(struct lw_engine *engine, struct lw_reader *reader,
                                    uint32_t *ret_skipped, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    uint8_t more = lw_read_u8(reader);

    *ret_skipped = 0;
    for (; status == LW_OK && more == 1; more = lw_read_u8(reader)) {
        bool taken;

        status = load_entity(engine, reader, &taken, reterr);
        *ret_skipped += status == LW_OK && !taken ? 1 : 0;
    }
    if (status == LW_OK && (more != 0 || reader->status != LW_OK)) {
        status = lw_error_set(reterr, LW_EFORMAT, "the state's list of entities is damaged");
    }
    return status;
}

static enum lw_status load_all(struct lw_engine *engine, struct lw_reader *reader,
                               uint32_t *ret_skipped, struct lw_error *reterr)
{
    struct lw_tally tally;
    enum lw_status status;

    lw_tally_load(&tally, reader);
    status = load_tails(engine, reader, reterr);
    if (status == LW_OK) {
        status = load_entities(engine, reader, ret_skipped, reterr);
    }
    if (status == LW_OK) {
        status = lw_anomalies_load(engine, reader, reterr);
    }
    if (status == LW_OK) {
        lw_registry_taken(engine);
        lw_tally_give(engine, &tally);
    }
    return status;
}

static bool has_entities(const struct lw_engine *engine)
{
    for (size_t i = 0; i < engine->n_entities; i++) {
        if (engine->entities[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* Nothing half: forgets the entities that came in before the damage was met. */
static void unload(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (engine->detectors[i].detector != NULL) {
            lw_registry_drop(engine, i, false);
            engine->detectors[i].n_series = 0;
            lw_pooled_tail_init(&engine->detectors[i]);
        }
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        (void)pthread_mutex_lock(&engine->shards[i].lock);
        engine->shards[i].gone = (struct lw_entity_counts){0};
        (void)pthread_mutex_unlock(&engine->shards[i].lock);
    }
}

enum lw_status lw_engine_load(struct lw_engine *engine, const char *path, uint32_t *ret_skipped,
                              struct lw_error *reterr)
{
    struct lw_reader reader;
    void *bytes = NULL;
    size_t n_bytes = 0;
    uint32_t n_skipped = 0;
    enum lw_status status = lw_file_read(path, LW_STATE_OLDEST, LW_STATE_VERSION, &bytes, &n_bytes,
                                         reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&reader, bytes, n_bytes);
    (void)pthread_mutex_lock(&engine->route);
    if (engine->n_series > 0 || has_entities(engine)) {
        status = lw_error_set(reterr, LW_EINVAL,
                              "the engine is in use: state is taken up before the first series");
    } else {
        status = load_all(engine, &reader, &n_skipped, reterr);
        if (status != LW_OK) {
            unload(engine);
        } else if (engine->durable != NULL) {
            engine->durable->clock_ns = LONG_AGO_NS;
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    lw_mem_free(bytes);
    if (status == LW_OK && ret_skipped != NULL) {
        *ret_skipped = n_skipped;
    }
    return status;
}
