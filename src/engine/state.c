/*
 * The engine's state in one file: every detector's entities, and the anomalies kept.
 *
 * Entities are taken one shard at a time, so the others go on; a shard waits for as long as its own
 * entities take to write down.
 */
#include "engine/engine_internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/file.h"

#include <stdio.h>
#include <string.h>

#define STATE_VERSION 1u
#define STATE_OLDEST 1u
#define NO_DETECTOR UINT32_MAX

static enum lw_status save_entity(struct lw_writer *writer, struct engine_entity *owner,
                                  struct lw_error *reterr)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_entity_save(owner->entity, &bytes, &n_bytes, reterr);

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

enum lw_status lw_engine_save(struct lw_engine *engine, const char *path, struct lw_error *reterr)
{
    struct lw_writer writer;
    enum lw_status status;

    lw_writer_init(&writer);
    (void)pthread_mutex_lock(&engine->route); /* No new entities, and nothing new to queue, while
                                                 this lasts. */
    lw_engine_drain(engine);
    status = save_shards(engine, &writer, reterr);
    if (status == LW_OK && lw_anomalies_save(engine, &writer) != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for the engine's state");
    }
    (void)pthread_mutex_unlock(&engine->route);
    if (status == LW_OK && writer.status != LW_OK) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for the engine's state");
    }
    if (status == LW_OK) {
        status = lw_file_replace(path, STATE_VERSION, writer.data, writer.n_bytes, reterr);
    }
    lw_writer_fini(&writer);
    (void)pthread_mutex_lock(&engine->ring_lock);
    engine->state_degraded = status != LW_OK;
    engine->saved_ns = status == LW_OK ? lw_clock_real_ns() : engine->saved_ns;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    return status;
}

static uint32_t find_detector(const struct lw_engine *engine, const char *name)
{
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        if (engine->detectors[i].detector != NULL &&
            strcmp(lw_detector_name(engine->detectors[i].detector), name) == 0) {
            return i;
        }
    }
    return NO_DETECTOR;
}

/* One entity; *ret_taken says whether its detector is still the same. */
static enum lw_status load_entity(struct lw_engine *engine, struct lw_reader *reader,
                                  bool *ret_taken, struct lw_error *reterr)
{
    char detector_name[LW_NAME_MAX], entity_name[LW_NAME_MAX];
    struct engine_entity *owner;
    struct lw_entity *entity = NULL;
    struct shard *shard;
    const uint8_t *bytes;
    uint64_t n_bytes;
    uint32_t detector;
    enum lw_status status;

    *ret_taken = false;
    lw_read_text(reader, detector_name, sizeof(detector_name));
    lw_read_text(reader, entity_name, sizeof(entity_name));
    n_bytes = lw_read_u64(reader);
    bytes = lw_read_view(reader, (size_t)n_bytes);
    if (bytes == NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "an entity in the state is damaged");
    }
    detector = find_detector(engine, detector_name);
    if (detector == NO_DETECTOR) {
        return LW_OK;
    }
    shard = &engine->shards[lw_registry_shard(engine, detector, entity_name)];
    (void)pthread_mutex_lock(&shard->lock);
    status = lw_entity_load(shard->pool, engine->detectors[detector].detector, bytes,
                            (size_t)n_bytes, &entity, reterr);
    (void)pthread_mutex_unlock(&shard->lock);
    if (status == LW_EINVAL) {
        return LW_OK; /* Learnt under other options. */
    }
    if (status != LW_OK) {
        return status;
    }
    *ret_taken = true;
    return lw_registry_entity(engine, detector, entity_name, entity, &owner, reterr);
}

static enum lw_status load_all(struct lw_engine *engine, struct lw_reader *reader,
                               uint32_t *ret_skipped, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    uint32_t n_skipped = 0;

    while (status == LW_OK && lw_read_u8(reader) == 1) {
        bool taken;

        status = load_entity(engine, reader, &taken, reterr);
        n_skipped += status == LW_OK && !taken ? 1 : 0;
    }
    if (status == LW_OK) {
        status = lw_anomalies_load(engine, reader, reterr);
    }
    if (status == LW_OK && ret_skipped != NULL) {
        *ret_skipped = n_skipped;
    }
    return status;
}

enum lw_status lw_engine_load(struct lw_engine *engine, const char *path, uint32_t *ret_skipped,
                              struct lw_error *reterr)
{
    struct lw_reader reader;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_file_read(path, STATE_OLDEST, STATE_VERSION, &bytes, &n_bytes,
                                         reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&reader, bytes, n_bytes);
    (void)pthread_mutex_lock(&engine->route);
    status = load_all(engine, &reader, ret_skipped, reterr);
    if (status != LW_OK) { /* Nothing half: forget what came in before the damage. */
        for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
            if (engine->detectors[i].detector != NULL) {
                lw_registry_drop(engine, i);
            }
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    lw_mem_free(bytes);
    return status;
}
