/* Making, naming and asking entities; what happens to samples is in operator.c. */
#include "engine/operator/entity.h"

#include "base/error.h"
#include "base/mem.h"
#include "stream/series_name.h"

#include <math.h>
#include <string.h>

static size_t series_bytes(void)
{
    return (sizeof(struct lw_series) + 63) / 64 * 64 + lw_baseline_bytes();
}

static void entity_end(struct lw_pool_tie *tie)
{
    lw_entity_destroy((struct lw_entity *)tie);
}

enum lw_status lw_entity_create(struct lw_pool *pool, struct lw_detector *detector,
                                const char *name, struct lw_entity **ret_entity,
                                struct lw_error *reterr)
{
    struct lw_entity *entity;
    size_t head_bytes = (sizeof(*entity) + 63) / 64 * 64;
    size_t block_bytes, name_at;

    if (strlen(name) >= LW_NAME_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "an entity's name has %zu bytes; at most %d are allowed", strlen(name),
                            LW_NAME_MAX - 1);
    }
    name_at = sizeof(*entity) + strlen(name) < head_bytes ? sizeof(*entity)
                                                          : head_bytes + series_bytes();
    block_bytes = head_bytes + series_bytes();
    block_bytes = name_at < head_bytes ? block_bytes : block_bytes + strlen(name) + 1;
    entity = lw_pool_take(pool, block_bytes);
    if (entity == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for entity \"%s\"", name);
    }
    entity->block_bytes = block_bytes;
    entity->name = (const char *)entity + name_at;
    memcpy((char *)entity + name_at, name, strlen(name) + 1);
    entity->series = entity->first;
    entity->series_capacity = 1;
    entity->pool = pool;
    entity->detector = lw_detector_retain(detector);
    entity->watermark_ns = INT64_MIN;
    entity->closed_ns = INT64_MIN;
    entity->pending_ns = INT64_MAX;
    entity->quiet_ns = INT64_MIN;
    entity->tie.end = entity_end;
    lw_pool_tie(pool, &entity->tie);
    *ret_entity = entity;
    return LW_OK;
}

static size_t window_bytes(const struct lw_entity *entity)
{
    return (size_t)entity->detector->spec->detector.max_samples * sizeof(struct lw_window_sample);
}

static bool needs_window(const struct lw_detector *detector)
{
    return detector->step_kind == LW_STEP_DURATION ||
           (detector->step_kind == LW_STEP_SAMPLE && detector->lateness_ns > 0);
}

static size_t scratch_bytes(const struct lw_entity *entity)
{
    return (size_t)entity->detector->spec->detector.max_samples * sizeof(double);
}

static void list_give(struct lw_entity *entity)
{
    if (entity->series != entity->first) {
        lw_pool_give(entity->pool, entity->series,
                     entity->series_capacity * sizeof(struct lw_series *));
    }
}

static void series_give(struct lw_entity *entity, struct lw_series *series)
{
    if (series != NULL) {
        if (series->window.samples != NULL) {
            lw_pool_give(entity->pool, series->window.samples, window_bytes(entity));
        }
        lw_pool_give(entity->pool, series->features, entity->detector->features.state_bytes);
        if (series == lw_entity_first(entity)) {
            memset(series, 0, series_bytes()); /* Part of the entity's block. */
        } else {
            lw_pool_give(entity->pool, series, series_bytes());
        }
    }
}

void lw_entity_destroy(struct lw_entity *entity)
{
    if (entity == NULL) {
        return;
    }
    for (uint32_t i = 0; i < entity->n_series; i++) {
        series_give(entity, entity->series[i]);
    }
    lw_entity_tier1_destroy(entity);
    lw_pool_give(entity->pool, entity->scratch, scratch_bytes(entity));
    if (entity->life != NULL) {
        lw_entity_life_drop(entity);
    }
    list_give(entity);
    lw_detector_release(entity->detector);
    lw_pool_untie(&entity->tie);
    lw_pool_give(entity->pool, entity, entity->block_bytes);
}

void lw_verdict_none(struct lw_verdict *ret_verdict, uint32_t series)
{
    *ret_verdict = (struct lw_verdict){.time_ns = INT64_MIN,
                                       .series = series,
                                       .value = NAN,
                                       .score = NAN,
                                       .event = NAN,
                                       .expected = NAN,
                                       .lower = NAN,
                                       .upper = NAN};
}

/* The memory behind a series that its kind of step and its options ask for. */
static bool series_take_parts(struct lw_entity *entity, struct lw_series *series)
{
    struct lw_detector *detector = entity->detector;

    if (needs_window(detector)) {
        struct lw_window_sample *samples = lw_pool_take(entity->pool, window_bytes(entity));

        if (samples == NULL) {
            return false;
        }
        lw_window_init(&series->window, samples, (uint32_t)detector->spec->detector.max_samples);
    }
    if (detector->has_features) {
        series->features = lw_pool_take(entity->pool, detector->features.state_bytes);
        if (series->features == NULL) {
            return false;
        }
        lw_feature_init(&detector->features, series->features);
    }
    if (series->metric->aggregate == LW_AGGREGATE_P95 && entity->scratch == NULL) {
        entity->scratch = lw_pool_take(entity->pool, scratch_bytes(entity));
        return entity->scratch != NULL;
    }
    return true;
}

static struct lw_series *series_create(struct lw_entity *entity, const char *metric,
                                       const char *name)
{
    struct lw_series *series = entity->n_series == 0 ? lw_entity_first(entity)
                                                     : lw_pool_take(entity->pool, series_bytes());

    if (series == NULL) {
        return NULL;
    }
    series->metric = lw_detector_metric(entity->detector, metric);
    series->metric_name = lw_pool_text(entity->pool, metric);
    series->name = lw_pool_text(entity->pool, name);
    series->features_ns = INT64_MIN;
    lw_fault_init(&series->fault);
    lw_verdict_none(&series->newest, entity->n_series);
    lw_baseline_init(lw_series_baseline(series));
    if (series->metric == NULL || series->metric_name == NULL || series->name == NULL ||
        !series_take_parts(entity, series)) {
        series_give(entity, series);
        return NULL;
    }
    return series;
}

static bool series_room(struct lw_entity *entity)
{
    uint32_t capacity = entity->series_capacity < 8 ? 8 : entity->series_capacity * 2;
    struct lw_series **list;

    if (entity->n_series < entity->series_capacity) {
        return true;
    }
    list = lw_pool_take(entity->pool, capacity * sizeof(struct lw_series *));
    if (list == NULL) {
        return false;
    }
    memcpy(list, entity->series, entity->n_series * sizeof(struct lw_series *));
    list_give(entity);
    entity->series = list;
    entity->series_capacity = capacity;
    return true;
}

enum lw_status lw_entity_series(struct lw_entity *entity, const char *metric, const char *name,
                                uint32_t *ret_series, struct lw_error *reterr)
{
    struct lw_series *series;
    enum lw_status status;

    for (uint32_t i = 0; i < entity->n_series; i++) {
        if (strcmp(entity->series[i]->name, name) == 0) {
            *ret_series = i;
            return LW_OK;
        }
    }
    if (strlen(metric) >= LW_NAME_MAX || strlen(name) >= LW_NAME_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a series' name has %zu bytes and its metric's %zu; at most %d are "
                            "allowed",
                            strlen(name), strlen(metric), LW_NAME_MAX - 1);
    }
    if (entity->n_series == LW_ENTITY_SERIES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT,
                            "series \"%s\" is one too many: entity \"%s\" has %d", name,
                            entity->name, LW_ENTITY_SERIES_MAX);
    }
    series = series_room(entity) ? series_create(entity, metric, name) : NULL;
    if (series == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for series \"%s\" of entity \"%s\"", name,
                            entity->name);
    }
    entity->series[entity->n_series++] = series;
    status = lw_entity_tier1_widen(entity, reterr);
    if (status != LW_OK) {
        series_give(entity, entity->series[--entity->n_series]);
        return status;
    }
    *ret_series = entity->n_series - 1;
    return LW_OK;
}

const char *lw_entity_name(const struct lw_entity *entity)
{
    return entity->name;
}

uint32_t lw_entity_n_series(const struct lw_entity *entity)
{
    return entity->n_series;
}

const char *lw_entity_series_name(const struct lw_entity *entity, uint32_t series)
{
    return series < entity->n_series ? entity->series[series]->name : NULL;
}

const char *lw_entity_series_metric(const struct lw_entity *entity, uint32_t series)
{
    return series < entity->n_series ? entity->series[series]->metric_name : NULL;
}

const struct lw_detector *lw_entity_detector(const struct lw_entity *entity)
{
    return entity->detector;
}

void lw_entity_counts(const struct lw_entity *entity, struct lw_entity_counts *ret_counts)
{
    *ret_counts = entity->counts;
}

void lw_entity_set_tail(struct lw_entity *entity, const struct lw_tail *tail)
{
    entity->tail = tail;
}

void lw_entity_pool(const struct lw_entity *entity, struct lw_tail *tail)
{
    for (uint32_t i = 0; i < entity->n_series; i++) {
        if (entity->series[i]->metric->watch) {
            lw_baseline_pool(lw_series_baseline(entity->series[i]), tail);
        }
    }
}

void lw_entity_share_budget(struct lw_entity *entity, uint64_t n_series)
{
    entity->sharing = n_series;
}

void lw_entity_set_context(struct lw_entity *entity, void *context)
{
    entity->context = context;
}

void *lw_entity_context(const struct lw_entity *entity)
{
    return entity->context;
}

bool lw_entity_watches(const struct lw_entity *entity, uint32_t series)
{
    return entity->series[series]->metric->watch;
}

void lw_entity_newest(const struct lw_entity *entity, uint32_t series,
                      struct lw_verdict *ret_verdict)
{
    if (series != LW_SERIES_NONE) {
        *ret_verdict = entity->series[series]->newest;
    } else if (entity->tier1 != NULL) {
        *ret_verdict = entity->tier1->newest;
    } else {
        lw_verdict_none(ret_verdict, LW_SERIES_NONE);
    }
}

/* ---- features ---- */

size_t lw_detector_features(const struct lw_detector *detector, bool pair,
                            struct lw_feature_column *ret_columns, size_t capacity)
{
    enum lw_feature_group group = pair ? LW_FEATURE_OF_PAIR : LW_FEATURE_OF_METRIC;
    size_t n = detector->has_features ? detector->features.n_columns[group] : 0;

    for (size_t i = 0; i < n && i < capacity; i++) {
        const struct lw_feature *feature = lw_feature_column(&detector->features, group, i);

        ret_columns[i] = (struct lw_feature_column){feature->name, feature->unit, feature->formula};
    }
    return n;
}

size_t lw_entity_features(const struct lw_entity *entity, uint32_t series, float *ret_values,
                          size_t capacity)
{
    const struct lw_detector *detector = entity->detector;
    size_t n = detector->has_features ? detector->features.n_columns[LW_FEATURE_OF_METRIC] : 0;

    if (series >= entity->n_series || n == 0 || n > capacity) {
        return 0;
    }
    lw_feature_read(&detector->features, entity->series[series]->features, ret_values);
    return n;
}

static const struct lw_series *first_matching(const struct lw_entity *entity, const char *pattern)
{
    for (uint32_t i = 0; i < entity->n_series; i++) {
        if (lw_glob_match(pattern, entity->series[i]->metric_name)) {
            return entity->series[i];
        }
    }
    return NULL;
}

const char *lw_detector_pair(const struct lw_detector *detector, uint32_t pair)
{
    return pair < detector->n_pairs ? detector->pairs[pair].name : NULL;
}

size_t lw_entity_pair_features(const struct lw_entity *entity, uint32_t pair, float *ret_values,
                               size_t capacity)
{
    const struct lw_detector *detector = entity->detector;
    size_t n = detector->has_features ? detector->features.n_columns[LW_FEATURE_OF_PAIR] : 0;
    const struct lw_series *first, *second;

    if (pair >= detector->n_pairs || n == 0 || n > capacity) {
        return 0;
    }
    first = first_matching(entity, detector->pairs[pair].first);
    second = first_matching(entity, detector->pairs[pair].second);
    if (first == NULL || second == NULL) {
        return 0;
    }
    lw_feature_pair_read(&detector->features, first->features, second->features, ret_values);
    return n;
}

const char *lw_version(void)
{
    return LW_VERSION;
}

void lw_bytes_free(void *bytes)
{
    lw_mem_free(bytes);
}
