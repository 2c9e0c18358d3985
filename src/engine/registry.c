/*
 * Who is who: series of sources, entities of detectors, and the shard each entity lives on.
 *
 * A series is known by its canonical text; each detector whose pattern takes its metric adds a
 * target to its chain. An entity's shard is a hash of detector and entity name, so it is the same
 * in every run with as many shards.
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/advance.h"
#include "engine/identity.h"
#include "engine/ladder.h"
#include "engine/state/durable.h"
#include "engine/target.h"
#include "stream/series_name.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ENTITY_TEXT_MAX (LW_NAME_MAX + 8)
#define ROW_FIRST 4u

bool lw_array_room(void **array, size_t *capacity, size_t n, size_t item_bytes)
{
    size_t wanted = *capacity == 0 ? 64 : *capacity;
    void *grown;

    while (wanted <= n) {
        wanted *= 2;
    }
    if (wanted == *capacity) {
        return true;
    }
    grown = lw_mem_realloc(*array, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

uint32_t lw_registry_shard(const struct lw_engine *engine, uint32_t detector, const char *name)
{
    const char *detector_name = lw_detector_name(engine->detectors[detector].detector);
    uint64_t hash = lw_hash_bytes(name, strlen(name),
                                  lw_hash_bytes(detector_name, strlen(detector_name), 0));

    return (uint32_t)(hash % engine->n_shards);
}

/* How many series share a detector's budget, rounded up to a power of two: it need not be told at
 * every new one. */
static uint64_t sharing_of(uint64_t n_series)
{
    uint64_t rounded = 1;

    while (rounded < n_series) {
        rounded *= 2;
    }
    return rounded;
}

/* Tells all shards, at this place of the input, when the number of sharing series has passed a
 * power of two. */
void lw_registry_tell_sharing(struct lw_engine *engine, uint32_t detector, uint64_t n_before)
{
    uint64_t n_series = engine->detectors[detector].n_series;
    struct item item = {.kind = ITEM_SHARING, .series = detector, .tag = sharing_of(n_series)};

    for (uint32_t i = 0; sharing_of(n_before) != item.tag && i < engine->n_shards; i++) {
        lw_shard_append(&engine->shards[i], &item);
    }
}

static struct engine_entity *owner_create(struct shard *shard, uint32_t number, uint32_t detector)
{
    struct engine_entity *owner = lw_mem_calloc(1, sizeof(*owner));

    if (owner != NULL) {
        owner->number = number;
        owner->detector = detector;
        owner->shard = shard;
        owner->due_ns = INT64_MIN;
        owner->passed_ns = INT64_MIN;
        owner->unfed_ns = INT64_MIN;
        owner->alarmed_ns = INT64_MIN;
    }
    return owner;
}

/* What an entity counted stays in the totals when it goes. */
static void counts_keep(struct shard *shard, const struct engine_entity *owner)
{
    struct lw_entity_counts counts;

    for (unsigned i = 0; owner->opened != NULL && i < LW_ENGINE_TYPES; i++) {
        shard->gone_by_type[i] += owner->opened[i];
    }
    lw_entity_counts(owner->entity, &counts);
    shard->gone.samples += counts.samples;
    shard->gone.verdicts += counts.verdicts;
    shard->gone.late += counts.late;
    shard->gone.duplicates += counts.duplicates;
    shard->gone.not_finite += counts.not_finite;
    shard->gone.overflow += counts.overflow;
    shard->gone.resets += counts.resets;
    shard->gone.untold += counts.untold;
    shard->trainings_failed += lw_entity_trainings_failed(owner->entity);
}

/* Shard's lock held. */
static void owner_destroy(struct engine_entity *owner)
{
    lw_identity_remove(owner);
    (void)atomic_fetch_sub(&owner->shard->engine->owner_bytes, lw_owner_bytes(owner));
    lw_history_destroy(owner);
    lw_entity_destroy(owner->entity);
    lw_mem_free(owner->row);
    lw_mem_free(owner->opened);
    lw_mem_free(owner);
}

/* Room for one entity more wherever entities are listed. */
static bool place_room(struct lw_engine *engine, struct shard *shard, uint32_t number)
{
    size_t each = sizeof(struct engine_entity *), n = shard->n_entities;

    return lw_array_room((void **)&engine->entities, &engine->entities_capacity, number, each) &&
           lw_array_room((void **)&engine->handed, &engine->handed_capacity, number,
                         sizeof(*engine->handed)) &&
           lw_array_room((void **)&shard->entities, &shard->entities_capacity, n, each) &&
           lw_array_room((void **)&shard->gathering, &shard->gathering_capacity, n, each) &&
           lw_array_room((void **)&shard->touched, &shard->touched_capacity, n, each) &&
           lw_array_room((void **)&shard->untold, &shard->untold_capacity, n, each) &&
           lw_array_room((void **)&shard->due, &shard->due_capacity, n, sizeof(*shard->due));
}

/* Puts a new entity on its shard; `loaded` (may be NULL) is its state from a file, and the caller's
 * again on failure. Caller holds route and the shard's lock. */
static enum lw_status owner_place(struct lw_engine *engine, struct engine_entity *owner,
                                  const char *name, struct lw_entity *loaded,
                                  struct lw_error *reterr)
{
    struct shard *shard = owner->shard;
    enum lw_status status = LW_OK;

    if (!place_room(engine, shard, owner->number)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for entity \"%s\"", name);
    }
    if (loaded != NULL) {
        owner->entity = loaded;
    } else {
        status = lw_entity_create(shard->pool, engine->detectors[owner->detector].detector, name,
                                  &owner->entity, reterr);
    }
    if (status == LW_OK) {
        while (engine->n_entities <= owner->number) {
            engine->entities[engine->n_entities++] = NULL;
        }
        engine->handed[owner->number] = 0;
        engine->entities[owner->number] = owner;
        shard->entities[shard->n_entities++] = owner;
        lw_entity_set_context(owner->entity, owner);
        lw_entity_set_tail(owner->entity, &engine->detectors[owner->detector].tail);
        lw_entity_share_budget(owner->entity,
                               sharing_of(engine->detectors[owner->detector].n_series));
        lw_identity_add(owner);
        (void)atomic_fetch_add(&engine->owner_bytes, lw_owner_bytes(owner));
    }
    return status;
}

/* The entity of that name; makes it, from `loaded` unless that is NULL, when there is none. */
static enum lw_status entity_ensure(struct lw_engine *engine, uint32_t detector, const char *name,
                                    struct lw_entity *loaded, struct engine_entity **ret_entity,
                                    struct lw_error *reterr)
{
    char text[ENTITY_TEXT_MAX];
    int n_bytes = snprintf(text, sizeof(text), "%u/%s", detector, name);
    struct shard *shard = &engine->shards[lw_registry_shard(engine, detector, name)];
    struct engine_entity *owner;
    enum lw_status status;
    uint32_t number;

    status = lw_intern_add(engine->entity_names, text, (size_t)n_bytes, &number, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (number < engine->n_entities && engine->entities[number] != NULL) {
        *ret_entity = engine->entities[number];
        return LW_OK;
    }
    owner = owner_create(shard, number, detector);
    if (owner == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for entity \"%s\"", name);
    }
    (void)pthread_mutex_lock(&shard->lock);
    status = owner_place(engine, owner, name, loaded, reterr);
    (void)pthread_mutex_unlock(&shard->lock);
    if (status != LW_OK) {
        lw_mem_free(owner);
        return status;
    }
    *ret_entity = owner;
    return LW_OK;
}

struct engine_entity *lw_registry_find(const struct lw_engine *engine, const char *detector,
                                       const char *name)
{
    char text[ENTITY_TEXT_MAX];
    uint32_t at = lw_engine_find_detector(engine, detector);
    uint32_t number = LW_INTERN_NONE;

    if (at != UINT32_MAX) {
        int n_bytes = snprintf(text, sizeof(text), "%u/%s", at, name);

        number = lw_intern_find(engine->entity_names, text, (size_t)n_bytes);
    }
    return number < engine->n_entities ? engine->entities[number] : NULL;
}

enum lw_status lw_registry_take(struct lw_engine *engine, uint32_t detector,
                                struct lw_entity *loaded, struct lw_error *reterr)
{
    struct engine_detector *place = &engine->detectors[detector];
    const char *name = lw_entity_name(loaded);
    struct engine_entity *owner = NULL;
    enum lw_status status = entity_ensure(engine, detector, name, loaded, &owner, reterr);

    if (status == LW_OK && owner->entity != loaded) {
        return lw_error_set(reterr, LW_EFORMAT, "the state holds entity \"%s\" twice", name);
    }
    if (status == LW_OK) {
        for (uint32_t i = 0; i < lw_entity_n_series(loaded); i++) {
            place->n_series += lw_entity_watches(loaded, i) ? 1 : 0;
        }
        owner->n_counted = lw_entity_n_series(loaded);
        (void)pthread_mutex_lock(&owner->shard->lock);
        if (lw_entity_life_open(loaded)) {
            owner->open_anomaly = loaded->life->id;
            owner->shard->anomalies_open++;
        }
        lw_shard_touch(owner); /* What is due is not in its state. */
        (void)pthread_mutex_unlock(&owner->shard->lock);
    }
    return status;
}

enum lw_status lw_registry_restore(struct lw_engine *engine, uint32_t detector,
                                   struct lw_entity *loaded, struct engine_entity **ret_owner,
                                   struct lw_error *reterr)
{
    uint64_t sharing = loaded->sharing;
    enum lw_status status = lw_registry_take(engine, detector, loaded, reterr);

    if (status == LW_OK) {
        *ret_owner = lw_registry_find(engine, lw_detector_name(lw_entity_detector(loaded)),
                                      lw_entity_name(loaded));
        lw_entity_share_budget(loaded, sharing); /* As it was told at its place. */
    }
    return status;
}

enum lw_status lw_registry_number(struct lw_engine *engine, uint32_t detector, const char *name,
                                  uint32_t *ret_number, struct lw_error *reterr)
{
    char text[ENTITY_TEXT_MAX];
    int n_bytes = snprintf(text, sizeof(text), "%u/%s", detector, name);

    return lw_intern_add(engine->entity_names, text, (size_t)n_bytes, ret_number, reterr);
}

void lw_registry_taken(struct lw_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; e < shard->n_entities; e++) {
            const struct engine_detector *place = &engine->detectors[shard->entities[e]->detector];

            lw_entity_share_budget(shard->entities[e]->entity, sharing_of(place->n_series));
        }
        (void)pthread_mutex_unlock(&shard->lock);
    }
}

/* Room for one more series beside the operator's state: history and the cells of a row. Shard's
 * lock held. */
static bool owner_widen(struct engine_entity *owner)
{
    uint32_t n = lw_entity_n_series(owner->entity);
    uint32_t wanted = owner->n_histories == 0 ? ROW_FIRST : owner->n_histories;
    struct history **histories;
    struct lw_sample *row;

    while (wanted < n) {
        wanted *= 2;
    }
    if (wanted == owner->n_histories) {
        return true;
    }
    row = lw_mem_realloc(owner->row, wanted * sizeof(*row));
    if (row == NULL) {
        return false;
    }
    owner->row = row;
    (void)atomic_fetch_add(&owner->shard->engine->owner_bytes,
                           (wanted - owner->row_capacity) * sizeof(*row));
    owner->row_capacity = wanted;
    histories = lw_mem_realloc(owner->histories, wanted * sizeof(struct history *));
    if (histories == NULL) {
        return false;
    }
    (void)atomic_fetch_add(&owner->shard->engine->owner_bytes,
                           (wanted - owner->n_histories) * sizeof(struct history *));
    while (owner->n_histories < wanted) {
        histories[owner->n_histories++] = NULL;
    }
    owner->histories = histories;
    return true;
}

/* The entity's number of a series. What was pushed before is scored first: a new series changes how
 * the entity goes on, and that may not depend on how far its shard has come. */
static enum lw_status number_series(struct engine_entity *owner, const char *metric,
                                    const char *rest, uint32_t *ret_number, struct lw_error *reterr)
{
    enum lw_status status;

    if (lw_entity_n_series(owner->entity) > 0) {
        lw_shard_drain_entity(owner);
    }
    (void)pthread_mutex_lock(&owner->shard->lock);
    status = lw_entity_series(owner->entity, metric, rest, ret_number, reterr);
    if (status == LW_OK && !owner_widen(owner)) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for series \"%s\"", rest);
    }
    (void)pthread_mutex_unlock(&owner->shard->lock);
    return status;
}

/* A target leads to a series: it shares the budget from here on. Only what is judged can be judged
 * wrongly. An entity may hold the series already, from a snapshot or because it inherited it: that
 * counts for nothing before this. */
static void count_series(struct lw_engine *engine, const struct engine_entity *owner,
                         uint32_t number)
{
    struct engine_detector *place = &engine->detectors[owner->detector];

    if (number >= owner->n_counted && lw_entity_watches(owner->entity, number)) {
        place->n_series++;
        lw_registry_tell_sharing(engine, owner->detector, place->n_series - 1);
    }
}

/* The rest of a series' name within an entity of a detector, and that entity's name. */
static enum lw_status names_of(const struct lw_engine *engine, uint32_t detector,
                               const struct lw_series_name *name, char ret_entity[LW_NAME_MAX],
                               char ret_rest[LW_NAME_MAX], struct lw_error *reterr)
{
    const struct lw_detector *compiled = engine->detectors[detector].detector;
    struct lw_entity_key key;
    enum lw_status status = lw_entity_key_parse(compiled->spec->detector.entity, &key, reterr);

    if (status == LW_OK) {
        status = lw_entity_key_name(&key, name, ret_entity, reterr);
    }
    return status == LW_OK ? lw_entity_key_rest(&key, name, ret_rest, reterr) : status;
}

/* A target of an entity that is there again leads to it. */
static enum lw_status revive_target(struct lw_engine *engine, struct engine_entity *owner,
                                    uint32_t at, struct lw_error *reterr)
{
    struct lw_series_name name;
    char entity_name[LW_NAME_MAX], rest[LW_NAME_MAX];
    size_t n_bytes;
    const char *text = lw_intern_peek(engine->series_names, engine->target_owners[at].series,
                                      &n_bytes);
    uint32_t number = 0;
    enum lw_status status = lw_series_name_parse(text, n_bytes, &name, reterr);

    if (status == LW_OK) {
        status = names_of(engine, owner->detector, &name, entity_name, rest, reterr);
    }
    if (status == LW_OK) {
        status = number_series(owner, lw_series_name_metric(&name), rest, &number, reterr);
    }
    if (status == LW_OK) {
        engine->targets[at].entity = owner;
        engine->targets[at].series = number;
        count_series(engine, owner, number);
    }
    return status;
}

enum lw_status lw_registry_revive(struct lw_engine *engine, uint32_t number,
                                  struct lw_error *reterr)
{
    const char *text = lw_intern_peek(engine->entity_names, number, NULL);
    struct engine_entity *owner = NULL;
    uint32_t detector = 0;
    enum lw_status status, answer = LW_OK;

    (void)sscanf(text, "%u", &detector);
    status = entity_ensure(engine, detector, strchr(text, '/') + 1, NULL, &owner, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_gone_set(engine, number, false);
    lw_target_reverse(engine, number); /* Series get their numbers in the order they came. */
    for (uint32_t at = engine->own_targets[number]; at != UINT32_MAX;
         at = engine->target_owners[at].next) {
        status = engine->targets[at].entity == NULL ? revive_target(engine, owner, at, reterr)
                                                    : LW_OK;
        answer = status == LW_OK ? answer : status;
    }
    lw_target_reverse(engine, number);
    return answer;
}

enum lw_status lw_registry_replace(struct engine_entity *owner, struct lw_entity *heir,
                                   struct lw_error *reterr)
{
    struct lw_engine *engine = owner->shard->engine;
    struct lw_entity *old = owner->entity;
    struct target *target = &engine->targets[engine->own_targets[owner->number]];
    uint32_t number = 0;
    enum lw_status status;

    assert(lw_entity_n_series(old) == 1);
    (void)pthread_mutex_lock(&owner->shard->lock);
    status = lw_entity_series(heir, lw_entity_series_metric(old, 0), lw_entity_series_name(old, 0),
                              &number, reterr);
    if (status == LW_OK) {
        owner->entity = heir;
        if (!owner_widen(owner)) {
            owner->entity = old;
            status = lw_error_set(reterr, LW_ENOMEM, "no memory for what an entity inherits");
        }
    }
    if (status == LW_OK) {
        lw_entity_set_context(heir, owner);
        lw_entity_set_tail(heir, &engine->detectors[owner->detector].tail);
        lw_entity_share_budget(heir, old->sharing);
        lw_entity_destroy(old);
        target->series = number;
        lw_shard_touch(owner);
    }
    (void)pthread_mutex_unlock(&owner->shard->lock);
    return status;
}

/* The entity of that name as a series is to find it: there, and told whether it is new. */
static enum lw_status owner_for_series(struct lw_engine *engine, uint32_t detector,
                                       const char *name, struct engine_entity **ret_owner,
                                       bool *ret_new, struct lw_error *reterr)
{
    uint32_t number = 0;
    enum lw_status status = lw_registry_number(engine, detector, name, &number, reterr);

    *ret_new = false;
    if (status == LW_OK && lw_gone_get(engine, number)) {
        status = lw_registry_revive(engine, number, reterr);
    } else if (status == LW_OK) {
        *ret_new = number >= engine->n_entities || engine->entities[number] == NULL;
    }
    return status == LW_OK ? entity_ensure(engine, detector, name, NULL, ret_owner, reterr)
                           : status;
}

/* A detector takes a series: finds or makes its entity and the number within it. */
static enum lw_status take_series(struct lw_engine *engine, uint32_t detector, uint32_t series,
                                  const struct lw_series_name *name, struct lw_error *reterr)
{
    char entity_name[LW_NAME_MAX], rest[LW_NAME_MAX];
    struct engine_entity *owner = NULL;
    struct target target = {.detector = (uint8_t)detector};
    bool is_new = false;
    enum lw_status status = names_of(engine, detector, name, entity_name, rest, reterr);

    if (status == LW_OK && engine->restoring) {
        status = lw_registry_number(engine, detector, entity_name, &target.number, reterr);
        if (status == LW_OK && lw_gone_get(engine, target.number)) {
            target.shard = (uint16_t)lw_registry_shard(engine, detector, entity_name);
            return lw_target_add(engine, series, &target, reterr);
        }
    }
    if (status == LW_OK) {
        status = owner_for_series(engine, detector, entity_name, &owner, &is_new, reterr);
    }
    if (status == LW_OK) {
        status = number_series(owner, lw_series_name_metric(name), rest, &target.series, reterr);
    }
    if (status == LW_OK) {
        target.entity = owner;
        target.number = owner->number;
        target.shard = (uint16_t)owner->shard->number;
        status = lw_target_add(engine, series, &target, reterr);
    }
    if (status == LW_OK && !engine->restoring) { /* The snapshot says how many share the budget. */
        count_series(engine, owner, target.series);
        if (is_new && !engine->replaying) {
            lw_identity_inherit(owner);
        }
    }
    return status;
}

/* Offers a series to the detectors of a range of places. One that cannot take it is counted and
 * does not keep it from the others; the last such failure is the answer. */
static enum lw_status match_series(struct lw_engine *engine, uint32_t from, uint32_t to,
                                   uint32_t series, const struct lw_series_name *name,
                                   struct lw_error *reterr)
{
    enum lw_status answer = LW_OK;

    for (uint32_t i = from; i < to; i++) {
        const struct lw_detector *detector = engine->detectors[i].detector;

        if (detector != NULL &&
            lw_glob_match_any(detector->spec->detector.match, lw_series_name_metric(name))) {
            enum lw_status status = take_series(engine, i, series, name, reterr);

            if (status != LW_OK) {
                engine->series_refused++;
                answer = status;
            }
        }
    }
    return answer;
}

static enum lw_status name_of_key(const struct lw_series_key *key, struct lw_series_name *ret_name,
                                  char ret_text[LW_NAME_MAX], struct lw_error *reterr)
{
    enum lw_status status = lw_series_name_init(ret_name, key->metric, reterr);

    for (size_t i = 0; status == LW_OK && i < key->n_labels; i++) {
        status = lw_series_name_add(ret_name, key->labels[i].name, key->labels[i].value, reterr);
    }
    return status == LW_OK ? lw_series_name_format(ret_name, ret_text, reterr) : status;
}

/* A series comes into being: it is in the journal before anybody takes it. */
static enum lw_status series_begin(struct lw_engine *engine, uint32_t series,
                                   const struct lw_series_name *name, const char *text,
                                   struct lw_error *reterr)
{
    enum lw_status status = lw_durable_series(engine, series, text);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "series \"%s\" cannot begin: the state is read-only",
                            text);
    }
    engine->first_target[series] = UINT32_MAX;
    engine->n_series = (size_t)series + 1;
    return match_series(engine, 0, LW_ENGINE_DETECTORS_MAX, series, name, reterr);
}

/* Those that were named while the journal took nothing begin now, in the order of their numbers. */
static enum lw_status series_begin_before(struct lw_engine *engine, uint32_t series,
                                          struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    while (status == LW_OK && engine->n_series < series) {
        struct lw_series_name name;
        size_t n_bytes;
        const char *text = lw_intern_peek(engine->series_names, (uint32_t)engine->n_series,
                                          &n_bytes);

        status = lw_series_name_parse(text, n_bytes, &name, reterr);
        if (status == LW_OK &&
            series_begin(engine, (uint32_t)engine->n_series, &name, text, NULL) == LW_EBUSY) {
            status = lw_error_set(reterr, LW_EBUSY, "the state is read-only");
        }
    }
    return status;
}

enum lw_status lw_registry_name(struct lw_engine *engine, const struct lw_series_name *name,
                                const char *text, uint32_t *ret_series, struct lw_error *reterr)
{
    uint32_t series = 0;
    enum lw_status status = lw_intern_add(engine->series_names, text, strlen(text), &series,
                                          reterr);

    if (status != LW_OK) {
        return status;
    }
    if (!lw_array_room((void **)&engine->first_target, &engine->series_capacity, series,
                       sizeof(*engine->first_target))) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for series \"%s\"", text);
    }
    status = series_begin_before(engine, series, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (engine->n_series == series) {
        status = series_begin(engine, series, name, text, reterr);
        if (status == LW_EBUSY) {
            return status;
        }
    } else if (engine->first_target[series] == UINT32_MAX) { /* Nobody took it so far. */
        status = match_series(engine, 0, LW_ENGINE_DETECTORS_MAX, series, name, reterr);
    }
    if (status != LW_OK && engine->first_target[series] == UINT32_MAX) {
        return status;
    }
    *ret_series = series;
    return LW_OK;
}

enum lw_status lw_registry_series(struct lw_engine *engine, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr)
{
    struct lw_series_name name;
    char text[LW_NAME_MAX];
    enum lw_status status = name_of_key(key, &name, text, reterr);
    uint64_t n_refused = engine->series_refused;

    if (status == LW_OK && engine->memory_limit > 0 &&
        lw_intern_find(engine->series_names, text, strlen(text)) == LW_INTERN_NONE &&
        !lw_ladder_admits(engine)) {
        engine->series_refused_memory++;
        status = lw_error_set(reterr, LW_ELIMIT, "no memory left for series \"%s\"", text);
    }
    if (status == LW_OK) {
        status = lw_registry_name(engine, &name, text, ret_series, reterr);
    }
    if (status != LW_OK && status != LW_EBUSY && engine->series_refused == n_refused) {
        engine->series_refused++;
    }
    return status;
}

enum lw_status lw_registry_adopt(struct lw_engine *engine, uint32_t detector,
                                 struct lw_error *reterr)
{
    for (uint32_t series = 0; series < engine->n_series; series++) {
        struct lw_series_name name;
        size_t n_bytes;
        const char *text = lw_intern_peek(engine->series_names, series, &n_bytes);
        enum lw_status status = lw_series_name_parse(text, n_bytes, &name, reterr);

        if (status == LW_OK) {
            status = match_series(engine, detector, detector + 1, series, &name, reterr);
        }
        if (status == LW_ENOMEM) {
            return status;
        }
    }
    return LW_OK;
}

/* Rows that entities are gathering are lost with them. Shard's lock held. */
static void forget_rows(struct shard *shard)
{
    size_t n_left = 0;

    for (size_t i = 0; i < shard->n_gathering; i++) {
        if (!shard->gathering[i]->leaving) {
            shard->gathering[n_left++] = shard->gathering[i];
        }
    }
    shard->n_gathering = n_left;
}

void lw_registry_drop_leaving(struct shard *shard, bool tell)
{
    size_t n_left = 0, n_written = 0, n_looked = 0;

    shard->n_drops++;
    forget_rows(shard);
    lw_shard_forget(shard);
    for (size_t e = 0; e < shard->n_entities; e++) {
        struct engine_entity *owner = shard->entities[e];

        if (!owner->leaving) {
            shard->entities[n_left++] = owner;
            continue;
        }
        n_written += e < shard->snapshot_next ? 1 : 0;
        n_looked += e < shard->look_next ? 1 : 0;
        if (owner->open_anomaly != 0) {
            shard->anomalies_open--;
        }
        if (owner->open_anomaly != 0 && tell) {
            lw_anomalies_end(owner);
        }
        counts_keep(shard, owner);
        shard->engine->entities[owner->number] = NULL;
        owner_destroy(owner);
    }
    shard->n_entities = n_left;
    shard->snapshot_next -= n_written; /* What is under way goes on at the same entity. */
    shard->look_next -= n_looked;
}

void lw_registry_drop(struct lw_engine *engine, uint32_t detector, bool tell)
{
    lw_target_unlink(engine, detector);
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        for (size_t e = 0; e < shard->n_entities; e++) {
            shard->entities[e]->leaving = shard->entities[e]->detector == detector;
        }
        lw_registry_drop_leaving(shard, tell);
        (void)pthread_mutex_unlock(&shard->lock);
    }
}
