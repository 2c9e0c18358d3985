/*
 * An entity's state as versioned bytes, and back.
 *
 * The bytes name the hash of the detector's options: state learnt under other options is refused,
 * since it would mean something else. Series are stored with their names; memory is taken as when
 * they were new, then filled.
 */
#include "engine/operator/entity.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <math.h>

#define ENTITY_MAGIC 0x31454C57u /* "WLE1" */
#define ENTITY_VERSION 2u
#define ENTITY_OLDEST 2u /* Version 1 was never released. */
#define HASH_BYTES 8u
/* Rows no entity lives to see: beyond it the plan of training would overflow. */
#define ROWS_SEEN_MAX (UINT64_C(1) << 60)

static void save_verdict(const struct lw_verdict *verdict, struct lw_writer *writer)
{
    lw_write_i64(writer, verdict->time_ns);
    lw_write_u64(writer, verdict->tag);
    lw_write_u8(writer, verdict->confidence);
    lw_write_u8(writer, verdict->type);
    lw_write_u8(writer, verdict->alarm);
    lw_write_u8(writer, verdict->onset);
    lw_write_f32(writer, verdict->value);
    lw_write_f32(writer, verdict->score);
    lw_write_f32(writer, verdict->event);
    lw_write_f32(writer, verdict->return_rows);
    lw_write_f32(writer, verdict->expected);
    lw_write_f32(writer, verdict->lower);
    lw_write_f32(writer, verdict->upper);
}

static void load_verdict(struct lw_verdict *verdict, uint32_t series, struct lw_reader *reader)
{
    verdict->series = series;
    verdict->time_ns = lw_read_i64(reader);
    verdict->tag = lw_read_u64(reader);
    verdict->confidence = lw_read_u8(reader);
    verdict->type = lw_read_u8(reader);
    verdict->alarm = lw_read_u8(reader) != 0;
    verdict->onset = lw_read_u8(reader) != 0;
    verdict->value = lw_read_f32(reader);
    verdict->score = lw_read_f32(reader);
    verdict->event = lw_read_f32(reader);
    verdict->return_rows = lw_read_f32(reader);
    verdict->expected = lw_read_f32(reader);
    verdict->lower = lw_read_f32(reader);
    verdict->upper = lw_read_f32(reader);
}

static void save_series(const struct lw_detector *detector, struct lw_series *series,
                        struct lw_writer *writer)
{
    lw_write_text(writer, series->metric_name);
    lw_write_text(writer, series->name);
    if (series->window.samples != NULL) {
        lw_window_save(&series->window, writer);
    }
    lw_counter_save(&series->counter, writer);
    lw_fault_save(&series->fault, writer);
    save_verdict(&series->newest, writer);
    lw_baseline_save(lw_series_baseline(series), writer);
    lw_write_i64(writer, series->features_ns);
    if (series->features != NULL) {
        lw_feature_save(&detector->features, series->features, writer);
    }
}

/* Are a series' times such that no step leaves 64 bits? The operator lets no others in. */
static bool times_are_near(const struct lw_series *series)
{
    struct lw_window_range near;

    if (series->features_ns != INT64_MIN &&
        (series->features_ns > LW_TIME_FURTHEST_NS || series->features_ns < -LW_TIME_FURTHEST_NS)) {
        return false;
    }
    if (series->window.samples == NULL) {
        return true;
    }
    lw_window_range(&series->window, -LW_TIME_FURTHEST_NS, LW_TIME_FURTHEST_NS + 1, &near);
    return lw_window_range_length(&near) == series->window.n;
}

/* What series `number` holds, after its names. */
static enum lw_status load_series_state(struct lw_entity *entity, uint32_t number,
                                        struct lw_reader *reader, struct lw_error *reterr)
{
    struct lw_series *series = entity->series[number];
    enum lw_status status = LW_OK;

    if (series->window.samples != NULL) {
        status = lw_window_load(&series->window, reader, reterr);
    }
    if (status == LW_OK) {
        lw_counter_load(&series->counter, reader);
        status = lw_fault_load(&series->fault, reader, reterr);
    }
    if (status == LW_OK) {
        load_verdict(&series->newest, number, reader);
        status = lw_baseline_load(lw_series_baseline(series), reader, reterr);
    }
    series->features_ns = lw_read_i64(reader);
    if (status == LW_OK && series->features != NULL) {
        status = lw_feature_load(&entity->detector->features, series->features, reader, reterr);
    }
    if (status == LW_OK && !times_are_near(series)) {
        status = lw_error_set(reterr, LW_EFORMAT, "series \"%s\" in the state is out of all time",
                              series->name);
    }
    return status;
}

static enum lw_status load_series(struct lw_entity *entity, struct lw_reader *reader,
                                  struct lw_error *reterr)
{
    char metric[LW_NAME_MAX], name[LW_NAME_MAX];
    uint32_t number = 0, expected = entity->n_series;
    enum lw_status status;

    lw_read_text(reader, metric, sizeof(metric));
    lw_read_text(reader, name, sizeof(name));
    if (reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "a series' name in the state is damaged");
    }
    status = lw_entity_series(entity, metric, name, &number, reterr);
    if (status == LW_OK && number != expected) {
        status = lw_error_set(reterr, LW_EFORMAT, "the state holds series \"%s\" twice", name);
    }
    return status == LW_OK ? load_series_state(entity, number, reader, reterr) : status;
}

/* What there is of tier 1. */
enum saved_tier1 { TIER1_NONE, TIER1_THERE, TIER1_STEPPED_DOWN };

/* Whose models serve: nobody's yet, the entity's own, the detector's file's. */
enum saved_models { SAVED_NONE, SAVED_OWN, SAVED_FILE };

static void save_tier1(const struct lw_tier1_state *state, struct lw_writer *writer)
{
    lw_write_u8(writer, (uint8_t)(state->ensemble == NULL ? SAVED_NONE
                                  : state->own != NULL    ? SAVED_OWN
                                                          : SAVED_FILE));
    if (state->own != NULL) {
        lw_ensemble_save(state->own, writer);
    }
    lw_write_f32s(writer, state->state, state->ensemble == NULL ? 0 : state->n_state);
    lw_write_f32s(writer, state->figures,
                  state->ensemble == NULL ? 0 : LW_MODEL_FIGURES + state->ensemble->n_members);
    lw_training_rows_save(&state->rows, writer);
    lw_calibrator_save(&state->calibrator, writer);
    lw_write_u64(writer, state->next_train);
    lw_write_u64(writer, state->n_failed);
    lw_write_f64(writer, state->cut);
    lw_write_i64(writer, state->first_ns);
    save_verdict(&state->newest, writer);
    lw_write_f32s(writer, state->row, state->width);
    lw_write_u64(writer, state->n_recent);
    lw_write_f32s(writer, state->recent, (size_t)LW_TIER1_RECENT * state->width);
    lw_write_u8(writer, state->job != NULL);
    if (state->job != NULL) {
        lw_write_u64(writer, state->adopt_at);
        lw_training_job_save(state->job, writer);
    }
}

/* The models in service and the entity's state under them. */
static enum lw_status load_models(struct lw_entity *entity, struct lw_reader *reader,
                                  struct lw_error *reterr)
{
    struct lw_tier1_state *state = entity->tier1;
    uint8_t whose = lw_read_u8(reader);
    enum lw_status status = LW_OK;

    state->ensemble = NULL;
    if (whose == SAVED_OWN && state->group == LW_MODEL_GROUP_NONE) {
        struct lw_ensemble *own = NULL;

        status = lw_ensemble_load(reader, &own, reterr);
        lw_entity_own_model(entity, own);
        state->ensemble = own;
    } else if (whose == SAVED_FILE && state->group != LW_MODEL_GROUP_NONE) {
        state->ensemble = entity->detector->models->groups[state->group].ensemble;
    } else if (whose != SAVED_NONE) {
        return lw_error_set(reterr, LW_EFORMAT, "the state's models are not the detector's");
    }
    if (status != LW_OK || state->ensemble == NULL) {
        return status;
    }
    if (!lw_entity_tier1_room(entity, state->ensemble)) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the state of tier 1");
    }
    lw_read_f32s(reader, state->state, state->n_state);
    lw_read_f32s(reader, state->figures, LW_MODEL_FIGURES + state->ensemble->n_members);
    return LW_OK;
}

/* A training that was on its way begins anew; its result comes at the same row. */
static enum lw_status load_job(struct lw_entity *entity, struct lw_reader *reader,
                               struct lw_error *reterr)
{
    struct lw_tier1_state *state = entity->tier1;

    if (lw_read_u8(reader) == 0) {
        return LW_OK;
    }
    state->adopt_at = lw_read_u64(reader);
    return lw_training_job_load(entity->detector, reader, lw_pool_trainer(entity->pool),
                                &state->job, reterr);
}

static enum lw_status load_tier1(struct lw_entity *entity, struct lw_reader *reader,
                                 struct lw_error *reterr)
{
    struct lw_tier1_state *state = entity->tier1;
    enum lw_status status = load_models(entity, reader, reterr);

    if (status == LW_OK) {
        status = lw_training_rows_load(&state->rows, reader, reterr);
    }
    if (status == LW_OK) {
        status = lw_calibrator_load(&state->calibrator, reader, reterr);
    }
    state->next_train = lw_read_u64(reader);
    state->n_failed = lw_read_u64(reader);
    state->cut = lw_read_f64(reader);
    state->first_ns = lw_read_i64(reader);
    load_verdict(&state->newest, LW_SERIES_NONE, reader);
    lw_read_f32s(reader, state->row, state->width);
    state->n_recent = lw_read_u64(reader);
    lw_read_f32s(reader, state->recent, (size_t)LW_TIER1_RECENT * state->width);
    if (status == LW_OK) {
        status = load_job(entity, reader, reterr);
    }
    if (status == LW_OK && (state->next_train == 0 || state->next_train > ROWS_SEEN_MAX ||
                            state->n_recent > ROWS_SEEN_MAX || state->adopt_at > ROWS_SEEN_MAX ||
                            state->rows.n_seen > ROWS_SEEN_MAX || !isfinite(state->cut))) {
        status = lw_error_set(reterr, LW_EFORMAT, "the state's training plan is damaged");
    }
    return status;
}

void lw_entity_counts_save(const struct lw_entity_counts *counts, struct lw_writer *writer)
{
    lw_write_u64(writer, counts->samples);
    lw_write_u64(writer, counts->verdicts);
    lw_write_u64(writer, counts->late);
    lw_write_u64(writer, counts->duplicates);
    lw_write_u64(writer, counts->not_finite);
    lw_write_u64(writer, counts->overflow);
    lw_write_u64(writer, counts->resets);
    lw_write_u64(writer, counts->untold);
}

void lw_entity_counts_load(struct lw_entity_counts *ret_counts, struct lw_reader *reader)
{
    ret_counts->samples = lw_read_u64(reader);
    ret_counts->verdicts = lw_read_u64(reader);
    ret_counts->late = lw_read_u64(reader);
    ret_counts->duplicates = lw_read_u64(reader);
    ret_counts->not_finite = lw_read_u64(reader);
    ret_counts->overflow = lw_read_u64(reader);
    ret_counts->resets = lw_read_u64(reader);
    ret_counts->untold = lw_read_u64(reader);
}

static void save_head(const struct lw_entity *entity, const char *name, struct lw_writer *writer)
{
    lw_write_u32(writer, ENTITY_MAGIC);
    lw_write_u32(writer, ENTITY_VERSION);
    lw_write_u64(writer, entity->detector->hash);
    lw_write_text(writer, name);
    lw_write_u64(writer, entity->sharing);
    lw_write_i64(writer, entity->watermark_ns);
    lw_write_i64(writer, entity->closed_ns);
    lw_entity_counts_save(&entity->counts, writer);
    lw_write_u32(writer, entity->n_series);
}

void lw_entity_write(const struct lw_entity *entity, struct lw_writer *writer)
{
    lw_entity_write_as(entity, entity->name, writer);
}

void lw_entity_write_as(const struct lw_entity *entity, const char *name, struct lw_writer *writer)
{
    save_head(entity, name, writer);
    for (uint32_t i = 0; i < entity->n_series; i++) {
        save_series(entity->detector, entity->series[i], writer);
    }
    lw_write_u8(writer, entity->life != NULL);
    if (entity->life != NULL) {
        lw_life_save(entity->life, writer);
    }
    lw_write_u8(writer, (uint8_t)(entity->stepped_down    ? TIER1_STEPPED_DOWN
                                  : entity->tier1 != NULL ? TIER1_THERE
                                                          : TIER1_NONE));
    if (entity->tier1 != NULL) {
        save_tier1(entity->tier1, writer);
    }
}

enum lw_status lw_entity_save(const struct lw_entity *entity, void **ret_bytes, size_t *ret_n_bytes,
                              struct lw_error *reterr)
{
    struct lw_writer writer;

    lw_writer_init(&writer);
    lw_entity_write(entity, &writer);
    if (writer.status == LW_OK) {
        lw_write_u64(&writer, lw_hash_bytes(writer.data, writer.n_bytes, 0));
    }
    if (writer.status != LW_OK) {
        lw_writer_fini(&writer);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the state of entity \"%s\"",
                            entity->name);
    }
    *ret_bytes = writer.data; /* The caller's now. */
    *ret_n_bytes = writer.n_bytes;
    return LW_OK;
}

static enum lw_status check_head(struct lw_reader *reader, const struct lw_detector *detector,
                                 struct lw_error *reterr)
{
    uint32_t magic = lw_read_u32(reader), version = lw_read_u32(reader);
    uint64_t hash = lw_read_u64(reader);

    if (reader->status != LW_OK || magic != ENTITY_MAGIC) {
        return lw_error_set(reterr, LW_EFORMAT, "the bytes are not the state of an entity");
    }
    if (version < ENTITY_OLDEST || version > ENTITY_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the state has version %u; this program reads %u to %u", version,
                            ENTITY_OLDEST, ENTITY_VERSION);
    }
    if (hash != detector->hash) {
        return lw_error_set(reterr, LW_EINVAL,
                            "the state was learnt under other options of detector \"%s\"",
                            detector->name);
    }
    return LW_OK;
}

static enum lw_status load_body(struct lw_entity *entity, struct lw_reader *reader,
                                struct lw_error *reterr)
{
    enum lw_status status = LW_OK;
    uint32_t n_series;
    uint8_t tier1;

    entity->sharing = lw_read_u64(reader);
    entity->watermark_ns = lw_read_i64(reader);
    entity->closed_ns = lw_read_i64(reader);
    lw_entity_counts_load(&entity->counts, reader);
    n_series = lw_read_u32(reader);
    for (uint32_t i = 0; status == LW_OK && i < n_series; i++) {
        status = load_series(entity, reader, reterr);
    }
    if (status == LW_OK && lw_read_u8(reader) != 0) {
        status = lw_entity_life_ensure(entity)
                     ? lw_life_load(entity->life, reader, reterr)
                     : lw_error_set(reterr, LW_ENOMEM, "no memory for an open anomaly");
    }
    tier1 = status == LW_OK ? lw_read_u8(reader) : TIER1_NONE;
    if (status == LW_OK && tier1 == TIER1_STEPPED_DOWN && entity->tier1 != NULL) {
        status = lw_entity_step_down(entity, true, reterr);
    } else if (status == LW_OK && (tier1 != TIER1_NONE) != (entity->tier1 != NULL)) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "the state and its options disagree about tier 1");
    }
    if (status == LW_OK && entity->tier1 != NULL) {
        status = load_tier1(entity, reader, reterr);
    }
    if (status == LW_OK && (reader->status != LW_OK || lw_reader_left(reader) != 0)) {
        status = lw_error_set(reterr, LW_EFORMAT, "the state does not end where it should");
    }
    entity->pending_ns = lw_entity_earliest_open(entity, entity->closed_ns);
    return status;
}

enum lw_status lw_entity_read(struct lw_pool *pool, struct lw_detector *detector, const void *bytes,
                              size_t n_bytes, struct lw_entity **ret_entity,
                              struct lw_error *reterr)
{
    struct lw_entity *entity = NULL;
    struct lw_reader reader;
    char name[LW_NAME_MAX];
    enum lw_status status;

    lw_reader_init(&reader, bytes, n_bytes);
    status = check_head(&reader, detector, reterr);
    if (status != LW_OK) {
        return status;
    }
    lw_read_text(&reader, name, sizeof(name));
    status = reader.status == LW_OK
                 ? lw_entity_create(pool, detector, name, &entity, reterr)
                 : lw_error_set(reterr, LW_EFORMAT, "the entity's name in the state is damaged");
    if (status == LW_OK) {
        status = load_body(entity, &reader, reterr);
    }
    if (status != LW_OK) {
        lw_entity_destroy(entity);
        return status;
    }
    *ret_entity = entity;
    return LW_OK;
}

enum lw_status lw_entity_load(struct lw_pool *pool, struct lw_detector *detector, const void *bytes,
                              size_t n_bytes, struct lw_entity **ret_entity,
                              struct lw_error *reterr)
{
    struct lw_reader reader, tail;
    enum lw_status status;

    if (n_bytes < HASH_BYTES) {
        return lw_error_set(reterr, LW_EFORMAT, "the bytes are not the state of an entity");
    }
    lw_reader_init(&reader, bytes, n_bytes - HASH_BYTES);
    status = check_head(&reader, detector, reterr); /* What they are is said before damage. */
    if (status != LW_OK) {
        return status;
    }
    lw_reader_init(&tail, (const uint8_t *)bytes + n_bytes - HASH_BYTES, HASH_BYTES);
    if (lw_read_u64(&tail) != lw_hash_bytes(bytes, n_bytes - HASH_BYTES, 0)) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the state is damaged: its checksum does not match");
    }
    return lw_entity_read(pool, detector, bytes, n_bytes - HASH_BYTES, ret_entity, reterr);
}
