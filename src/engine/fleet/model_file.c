/*
 * Model files: their bytes, and who owns what they hold.
 *
 * The file: "LWMODELS", u16 version, u64 length of the body, the body, u64 checksum of all before
 * it. The body: groups, the fallback, entities, and last the report. What decides a verdict lies
 * before the report, and its hash alone is the file's: the report tells how long the training took,
 * and the same models trained again should be the same models.
 *
 * A checksum keeps out accidents, not intent: every count is held against the bytes that are left
 * before anything is allocated for it.
 */
#include "engine/fleet/model_file.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define FILE_MAGIC "LWMODELS"
#define MAGIC_BYTES 8u
#define FILE_VERSION 1u
/* Two versions back stay readable. */
#define VERSION_OLDEST (FILE_VERSION > 2u ? FILE_VERSION - 2u : 1u)
#define HEAD_BYTES (MAGIC_BYTES + 2u + 8u)
#define CHECKSUM_SEED UINT64_C(0x6d6f64656c73)
/* Fewest bytes of a group and of an entity: their counts and an empty name. */
#define GROUP_BYTES_LEAST 8u
#define ENTITY_BYTES_LEAST 12u

struct lw_model_file *lw_model_file_retain(struct lw_model_file *file)
{
    if (file != NULL) {
        (void)atomic_fetch_add(&file->n_owners, 1);
    }
    return file;
}

static void group_fini(struct lw_model_group *group)
{
    for (uint32_t i = 0; group->columns != NULL && i < group->n_columns; i++) {
        lw_mem_free(group->columns[i]);
    }
    lw_mem_free(group->columns);
    lw_ensemble_destroy(group->ensemble);
}

void lw_model_file_release(struct lw_model_file *file)
{
    if (file == NULL || atomic_fetch_sub(&file->n_owners, 1) != 1) {
        return;
    }
    for (uint32_t i = 0; file->groups != NULL && i < file->n_groups; i++) {
        group_fini(&file->groups[i]);
    }
    for (uint32_t i = 0; file->entities != NULL && i < file->n_entities; i++) {
        lw_mem_free(file->entities[i].name);
        lw_mem_free(file->entities[i].state);
    }
    lw_mem_free(file->groups);
    lw_mem_free(file->entities);
    lw_mem_free(file->report);
    lw_mem_free(file);
}

const struct lw_model_entity *lw_model_file_entity(const struct lw_model_file *file,
                                                   const char *name)
{
    uint32_t low = 0, high = file->n_entities;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(file->entities[middle].name, name);

        if (order == 0) {
            return &file->entities[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

uint32_t lw_model_file_group(const struct lw_model_file *file, const char *name)
{
    const struct lw_model_entity *entity = lw_model_file_entity(file, name);

    return entity == NULL ? file->fallback : entity->group;
}

/* ---- out ---- */

static void group_save(const struct lw_model_group *group, struct lw_writer *writer)
{
    lw_write_u32(writer, group->n_columns);
    for (uint32_t i = 0; i < group->n_columns; i++) {
        lw_write_text(writer, group->columns[i]);
    }
    lw_ensemble_save(group->ensemble, writer);
}

static void models_save(const struct lw_model_file *file, struct lw_writer *writer)
{
    lw_write_u32(writer, file->n_groups);
    for (uint32_t i = 0; i < file->n_groups; i++) {
        group_save(&file->groups[i], writer);
    }
    lw_write_u32(writer, file->fallback);
    lw_write_u32(writer, file->n_entities);
    for (uint32_t i = 0; i < file->n_entities; i++) {
        const struct lw_model_entity *entity = &file->entities[i];

        lw_write_text(writer, entity->name);
        lw_write_u32(writer, entity->group);
        lw_write_u32(writer, entity->n_state);
        lw_write_f32s(writer, entity->state, entity->n_state);
        lw_calibrator_save(&entity->calibrator, writer);
    }
}

void lw_model_file_save(const struct lw_model_file *file, struct lw_writer *writer)
{
    struct lw_writer body;

    lw_writer_init(&body);
    models_save(file, &body);
    lw_write_text(&body, file->report);
    if (body.status != LW_OK) {
        writer->status = body.status;
    } else {
        size_t start = writer->n_bytes;

        lw_write_raw(writer, FILE_MAGIC, MAGIC_BYTES);
        lw_write_u16(writer, FILE_VERSION);
        lw_write_u64(writer, body.n_bytes);
        lw_write_raw(writer, body.data, body.n_bytes);
        if (writer->status == LW_OK) {
            lw_write_u64(writer, lw_hash_bytes(writer->data + start, writer->n_bytes - start,
                                               CHECKSUM_SEED));
        }
    }
    lw_writer_fini(&body);
}

/* ---- in ---- */

/* A text of fewer than `max` bytes without a zero in it, on the heap; NULL and a status
 * otherwise. */
static enum lw_status text_load(struct lw_reader *reader, size_t max, char **ret_text,
                                struct lw_error *reterr)
{
    uint32_t n = lw_read_u32(reader);
    const uint8_t *bytes = n < max ? lw_read_view(reader, n) : NULL;
    char *text;

    if (bytes == NULL || memchr(bytes, '\0', n) != NULL) {
        return lw_error_set(reterr, LW_EFORMAT, "a text of the model file is damaged");
    }
    text = lw_mem_alloc((size_t)n + 1);
    if (text == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a text of %u bytes", (unsigned)n);
    }
    memcpy(text, bytes, n);
    text[n] = '\0';
    *ret_text = text;
    return LW_OK;
}

/* A count of things that take at least `least` bytes each; 0 and a failed reader where so many
 * cannot follow. */
static uint32_t count_load(struct lw_reader *reader, uint32_t max, size_t least)
{
    uint32_t n = lw_read_u32(reader);

    if (n > max || n > lw_reader_left(reader) / least) {
        reader->status = LW_EFORMAT;
        return 0;
    }
    return n;
}

static enum lw_status group_load(struct lw_reader *reader, struct lw_model_group *group,
                                 struct lw_error *reterr)
{
    uint32_t n = count_load(reader, LW_VIEWS_COLUMNS_MAX, sizeof(uint32_t));
    enum lw_status status = LW_OK;

    if (reader->status != LW_OK || n == 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the metrics of a group in the model file are "
                            "damaged");
    }
    group->columns = lw_mem_calloc(n, sizeof(*group->columns));
    if (group->columns == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the names of %u metrics",
                            (unsigned)n);
    }
    group->n_columns = n;
    for (uint32_t i = 0; status == LW_OK && i < n; i++) {
        status = text_load(reader, LW_NAME_MAX, &group->columns[i], reterr);
    }
    if (status == LW_OK) {
        status = lw_ensemble_load(reader, &group->ensemble, reterr);
    }
    if (status == LW_OK && lw_ensemble_n_columns(group->ensemble) != n) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "a group of the model file names %u metrics, but its models read %zu",
                              (unsigned)n, lw_ensemble_n_columns(group->ensemble));
    }
    return status;
}

static enum lw_status state_load(struct lw_reader *reader, const struct lw_model_file *file,
                                 struct lw_model_entity *entity, struct lw_error *reterr)
{
    entity->group = lw_read_u32(reader);
    entity->n_state = lw_read_u32(reader);
    if (reader->status != LW_OK || entity->group >= file->n_groups ||
        entity->n_state != lw_ensemble_n_state(file->groups[entity->group].ensemble) ||
        entity->n_state > lw_reader_left(reader) / sizeof(float)) {
        return lw_error_set(reterr, LW_EFORMAT, "the state of entity \"%s\" is damaged",
                            entity->name);
    }
    entity->state = lw_mem_alloc(entity->n_state * sizeof(*entity->state));
    if (entity->state == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the state of entity \"%s\"",
                            entity->name);
    }
    lw_read_f32s(reader, entity->state, entity->n_state);
    return lw_calibrator_load(&entity->calibrator, reader, reterr);
}

static enum lw_status entities_load(struct lw_reader *reader, struct lw_model_file *file,
                                    struct lw_error *reterr)
{
    uint32_t n = count_load(reader, LW_MODEL_FILE_ENTITIES_MAX, ENTITY_BYTES_LEAST);
    enum lw_status status = LW_OK;

    if (reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the number of entities in the model file is "
                            "damaged");
    }
    file->entities = lw_mem_calloc((size_t)n + 1, sizeof(*file->entities));
    if (file->entities == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u entities", (unsigned)n);
    }
    for (uint32_t i = 0; status == LW_OK && i < n; i++) {
        file->n_entities = i + 1;
        status = text_load(reader, LW_NAME_MAX, &file->entities[i].name, reterr);
        if (status == LW_OK && i > 0 &&
            strcmp(file->entities[i - 1].name, file->entities[i].name) >= 0) {
            status = lw_error_set(reterr, LW_EFORMAT, "entity \"%s\" is out of place",
                                  file->entities[i].name);
        }
        if (status == LW_OK) {
            status = state_load(reader, file, &file->entities[i], reterr);
        }
    }
    return status;
}

static enum lw_status models_load(struct lw_reader *reader, struct lw_model_file *file,
                                  struct lw_error *reterr)
{
    uint32_t n = count_load(reader, LW_MODEL_FILE_GROUPS_MAX, GROUP_BYTES_LEAST);
    enum lw_status status = LW_OK;

    if (reader->status != LW_OK || n == 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the number of groups in the model file is "
                            "damaged");
    }
    file->groups = lw_mem_calloc(n, sizeof(*file->groups));
    if (file->groups == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u groups of models", (unsigned)n);
    }
    file->n_groups = n;
    for (uint32_t i = 0; status == LW_OK && i < n; i++) {
        status = group_load(reader, &file->groups[i], reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    file->fallback = lw_read_u32(reader);
    if (file->fallback != LW_MODEL_GROUP_NONE && file->fallback >= n) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "group %u of the model file serves unknown entities, but there are %u",
                            (unsigned)file->fallback, (unsigned)n);
    }
    return entities_load(reader, file, reterr);
}

/* A reader of the body, when the envelope is whole. */
static enum lw_status envelope_open(const void *bytes, size_t n_bytes, struct lw_reader *ret_body,
                                    struct lw_error *reterr)
{
    struct lw_reader reader;
    const uint8_t *magic;
    uint16_t version;
    uint64_t n_body;

    lw_reader_init(&reader, bytes, n_bytes);
    magic = lw_read_view(&reader, MAGIC_BYTES);
    version = lw_read_u16(&reader);
    n_body = lw_read_u64(&reader);
    if (magic == NULL || memcmp(magic, FILE_MAGIC, MAGIC_BYTES) != 0 || reader.status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "this is no model file");
    }
    if (version < VERSION_OLDEST || version > FILE_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the model file is of version %u; this program reads %u to %u",
                            (unsigned)version, VERSION_OLDEST, FILE_VERSION);
    }
    if (lw_reader_left(&reader) < sizeof(uint64_t) ||
        n_body != lw_reader_left(&reader) - sizeof(uint64_t)) {
        return lw_error_set(
            reterr, LW_EFORMAT, "the model file has %zu bytes, but should have %llu more than %u",
            n_bytes, (unsigned long long)n_body, (unsigned)(HEAD_BYTES + sizeof(uint64_t)));
    }
    lw_reader_init(ret_body, (const uint8_t *)bytes + HEAD_BYTES, (size_t)n_body);
    (void)lw_read_view(&reader, (size_t)n_body);
    if (lw_read_u64(&reader) != lw_hash_bytes(bytes, HEAD_BYTES + (size_t)n_body, CHECKSUM_SEED)) {
        return lw_error_set(reterr, LW_EFORMAT, "the model file's checksum does not fit its bytes");
    }
    return LW_OK;
}

enum lw_status lw_model_file_load(const void *bytes, size_t n_bytes,
                                  struct lw_model_file **ret_file, struct lw_error *reterr)
{
    struct lw_model_file *file;
    struct lw_reader reader;
    enum lw_status status = envelope_open(bytes, n_bytes, &reader, reterr);

    if (status != LW_OK) {
        return status;
    }
    file = lw_mem_calloc(1, sizeof(*file));
    if (file == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a model file");
    }
    atomic_init(&file->n_owners, 1);
    status = models_load(&reader, file, reterr);
    if (status == LW_OK) {
        file->hash = lw_hash_bytes(reader.data, reader.at, 0);
        status = text_load(&reader, SIZE_MAX, &file->report, reterr);
    }
    if (status == LW_OK && lw_reader_left(&reader) > 0) {
        status = lw_error_set(reterr, LW_EFORMAT, "%zu bytes too many in the model file",
                              lw_reader_left(&reader));
    }
    if (status != LW_OK) {
        lw_model_file_release(file);
        return status;
    }
    *ret_file = file;
    return LW_OK;
}
