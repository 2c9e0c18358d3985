/*
 * Trains a model file on the rows that the entities of a detector have kept: gathers them for
 * train/training.h, and files what comes of it. Rows kept by a detector without "collect" are as
 * good, but for their times, which it has no use for.
 */
#include "lapwing/train.h"

#include "base/error.h"
#include "base/mem.h"
#include "engine/core.h"
#include "engine/fleet/model_file.h"
#include "train/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The entities of a detector as training takes them. */
struct rows_of_all {
    struct lw_training_source *sources; /* [n] By name. */
    const struct lw_entity **entities;  /* [n] The same order. */
    size_t n;
};

static void rows_fini(struct rows_of_all *all)
{
    for (size_t i = 0; all->sources != NULL && i < all->n; i++) {
        lw_mem_free((void *)(uintptr_t)all->sources[i].series);
        lw_mem_free((void *)(uintptr_t)all->sources[i].natural);
        lw_mem_free((void *)(uintptr_t)all->sources[i].runs);
    }
    lw_mem_free(all->sources);
    lw_mem_free(all->entities);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(lw_entity_name(*(const struct lw_entity *const *)a),
                  lw_entity_name(*(const struct lw_entity *const *)b));
}

static enum lw_status source_take(const struct lw_entity *entity, struct lw_training_source *source,
                                  struct lw_error *reterr)
{
    size_t n = entity->n_series;
    const char **series = lw_mem_calloc(n + 1, sizeof(*series));
    float *natural = lw_mem_calloc(n + 1, sizeof(*natural));
    const struct lw_training_rows *rows = entity->tier1 == NULL ? NULL : &entity->tier1->rows;
    size_t *runs = lw_mem_calloc(rows == NULL ? 1 : rows->capacity / LW_TRAINING_BLOCK + 1,
                                 sizeof(*runs));

    source->name = lw_entity_name(entity);
    source->series = series;
    source->natural = natural;
    source->runs = runs;
    if (series == NULL || natural == NULL || runs == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train on entity \"%s\"", source->name);
    }
    source->n_series = n;
    for (size_t i = 0; i < n; i++) {
        series[i] = lw_entity_series_name(entity, (uint32_t)i);
    }
    lw_entity_natural_units(entity, (uint32_t)n, natural);
    source->late = entity->counts.late;
    source->duplicates = entity->counts.duplicates;
    source->not_finite = entity->counts.not_finite;
    source->overflow = entity->counts.overflow;
    if (rows != NULL) {
        source->rows = rows->rows;
        source->stride = rows->stride;
        source->n_rows = rows->n_rows;
        source->n_seen = rows->n_seen;
        source->times_ns = rows->times_ns;
        source->n_runs = lw_training_rows_runs(rows, runs);
    }
    return LW_OK;
}

/* Caller holds route, shards drained. */
static enum lw_status rows_take(const struct lw_engine *engine, uint32_t detector,
                                struct rows_of_all *all, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    all->sources = lw_mem_calloc(engine->n_entities + 1, sizeof(*all->sources));
    all->entities = lw_mem_calloc(engine->n_entities + 1, sizeof(*all->entities));
    if (all->sources == NULL || all->entities == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train on %zu entities",
                            engine->n_entities);
    }
    for (size_t i = 0; i < engine->n_entities; i++) {
        if (engine->entities[i] != NULL && engine->entities[i]->detector == detector) {
            all->entities[all->n++] = engine->entities[i]->entity;
        }
    }
    qsort(all->entities, all->n, sizeof(const struct lw_entity *), compare_names);
    for (size_t i = 0; status == LW_OK && i < all->n; i++) {
        status = source_take(all->entities[i], &all->sources[i], reterr);
    }
    return status;
}

/* ---- filed ---- */

static char *text_copy(const char *text)
{
    size_t n_bytes = strlen(text) + 1;
    char *copy = lw_mem_alloc(n_bytes);

    return copy == NULL ? NULL : memcpy(copy, text, n_bytes);
}

/* Moves a group's models and names into the file. */
static bool file_group(struct lw_trained_group *trained, struct lw_model_group *group)
{
    group->columns = lw_mem_calloc(trained->n_columns, sizeof(*group->columns));
    group->ensemble = trained->result.ensemble;
    trained->result.ensemble = NULL;
    if (group->columns == NULL) {
        return false;
    }
    for (size_t c = 0; c < trained->n_columns; c++) {
        group->columns[c] = text_copy(trained->columns[c]);
        group->n_columns++;
        if (group->columns[c] == NULL) {
            return false;
        }
    }
    return true;
}

static bool file_entity(const struct lw_trained_group *trained, size_t i, const char *name,
                        struct lw_model_entity *entity)
{
    size_t n_state = trained->result.n_state;

    entity->name = text_copy(name);
    entity->state = lw_mem_alloc(n_state * sizeof(*entity->state));
    entity->n_state = (uint32_t)n_state;
    entity->calibrator = trained->result.calibrators[i];
    if (entity->name == NULL || entity->state == NULL) {
        return false;
    }
    memcpy(entity->state, trained->result.states + i * n_state, n_state * sizeof(*entity->state));
    return true;
}

/* Entities in the order of their names, which is that of the sources. */
static bool file_entities(const struct rows_of_all *all, const struct lw_training_outcome *outcome,
                          struct lw_model_file *file)
{
    size_t *places = lw_mem_calloc(2 * all->n + 1, sizeof(*places)), n = 0;
    bool fits = places != NULL;

    for (size_t g = 0; fits && g < outcome->n_groups; g++) {
        for (size_t i = 0; i < outcome->groups[g].n_entities; i++) {
            places[2 * outcome->groups[g].entities[i]] = g + 1;
            places[2 * outcome->groups[g].entities[i] + 1] = i;
            n++;
        }
    }
    file->entities = fits ? lw_mem_calloc(n + 1, sizeof(*file->entities)) : NULL;
    fits = fits && file->entities != NULL;
    for (size_t e = 0; fits && e < all->n; e++) {
        if (places[2 * e] > 0) {
            struct lw_model_entity *entity = &file->entities[file->n_entities++];

            entity->group = (uint32_t)(places[2 * e] - 1);
            fits = file_entity(&outcome->groups[entity->group], places[2 * e + 1],
                               all->sources[e].name, entity);
        }
    }
    lw_mem_free(places);
    return fits;
}

static enum lw_status file_make(const struct rows_of_all *all, struct lw_training_outcome *outcome,
                                struct lw_writer *writer, struct lw_error *reterr)
{
    struct lw_model_file *file = lw_mem_calloc(1, sizeof(*file));
    bool fits = file != NULL;

    if (outcome->n_groups > LW_MODEL_FILE_GROUPS_MAX || all->n > LW_MODEL_FILE_ENTITIES_MAX) {
        lw_mem_free(file);
        return lw_error_set(reterr, LW_ELIMIT,
                            "%zu groups of %zu entities; a model file holds %u of %u; let more "
                            "entities share a model",
                            outcome->n_groups, all->n, LW_MODEL_FILE_GROUPS_MAX,
                            LW_MODEL_FILE_ENTITIES_MAX);
    }
    if (fits) {
        atomic_init(&file->n_owners, 1);
        file->fallback = outcome->fallback == SIZE_MAX ? LW_MODEL_GROUP_NONE
                                                       : (uint32_t)outcome->fallback;
        file->groups = lw_mem_calloc(outcome->n_groups, sizeof(*file->groups));
        file->report = text_copy(outcome->report);
        fits = file->groups != NULL && file->report != NULL;
    }
    for (size_t g = 0; fits && g < outcome->n_groups; g++) {
        file->n_groups++;
        fits = file_group(&outcome->groups[g], &file->groups[g]);
    }
    fits = fits && file_entities(all, outcome, file);
    if (fits) {
        lw_model_file_save(file, writer);
    }
    lw_model_file_release(file);
    return fits && writer->status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory for the model file");
}

/* ---- the call ---- */

/* Training itself, with the rows at hand; the engine is not pushed to meanwhile. */
static enum lw_status train(const struct lw_detector *detector, const struct rows_of_all *all,
                            const struct lw_train_options *options, struct lw_writer *writer,
                            struct lw_training_outcome *outcome, struct lw_error *reterr)
{
    const struct lw_detector_options *of = &detector->spec->detector;
    struct lw_train_options filled = {0};
    struct lw_training_request request = {.detector = lw_detector_name(detector),
                                          .options = &filled,
                                          .sources = all->sources,
                                          .n_sources = all->n,
                                          .step_s = (double)detector->step_ns * 1e-9,
                                          .budget_is_shared = of->budget_scope ==
                                                              LW_SCOPE_DETECTOR};
    enum lw_status status;

    if (options != NULL) {
        filled = *options;
    }
    filled.models = filled.models == NULL ? of->models : filled.models;
    filled.tuning = filled.tuning == NULL ? of->tuning : filled.tuning;
    filled.seed = filled.seed == 0 ? (uint64_t)of->seed : filled.seed;
    status = lw_training_run(&request, outcome, reterr);
    return status == LW_OK ? file_make(all, outcome, writer, reterr) : status;
}

enum lw_status lw_engine_train(struct lw_engine *engine, const char *detector,
                               const struct lw_train_options *options, void **ret_bytes,
                               size_t *ret_n_bytes, char **ret_report, struct lw_error *reterr)
{
    struct lw_training_outcome outcome = {0};
    struct lw_detector *trained = NULL;
    struct rows_of_all all = {0};
    struct lw_writer writer;
    enum lw_status status;
    uint32_t at;

    (void)pthread_mutex_lock(&engine->route);
    at = lw_engine_find_detector(engine, detector);
    if (at == UINT32_MAX) {
        status = lw_error_set(reterr, LW_ENOTFOUND, "there is no detector \"%s\"", detector);
    } else {
        lw_engine_drain(engine);
        trained = lw_detector_retain(engine->detectors[at].detector);
        status = rows_take(engine, at, &all, reterr);
    }
    (void)pthread_mutex_unlock(&engine->route);
    lw_writer_init(&writer);
    if (status == LW_OK) {
        status = train(trained, &all, options, &writer, &outcome, reterr);
    }
    if (ret_report != NULL && outcome.report != NULL) {
        *ret_report = outcome.report;
        outcome.report = NULL;
    }
    if (status == LW_OK) {
        *ret_bytes = writer.data; /* The caller's now. */
        *ret_n_bytes = writer.n_bytes;
    } else {
        lw_writer_fini(&writer);
    }
    lw_training_outcome_fini(&outcome);
    rows_fini(&all);
    lw_detector_release(trained);
    return status;
}

enum lw_status lw_models_report(const void *bytes, size_t n_bytes, char **ret_report,
                                struct lw_error *reterr)
{
    struct lw_model_file *file;
    enum lw_status status = lw_model_file_load(bytes, n_bytes, &file, reterr);
    char *report;

    if (status != LW_OK) {
        return status;
    }
    report = text_copy(file->report);
    lw_model_file_release(file);
    if (report == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the report");
    }
    *ret_report = report;
    return LW_OK;
}
