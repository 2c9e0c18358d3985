/*
 * A model file: what `lapwing train` makes and a detector serves.
 *
 * It holds one ensemble for all entities (shared), one for each group of alike ones (clusters), or
 * one for each entity (own); the metrics each ensemble reads, by name; and, for every entity it was
 * trained on, the state at the end of its rows, so that service goes on from there. Immutable once
 * made; any number of detectors and threads may use it.
 */
#ifndef LW_ENGINE_FLEET_MODEL_FILE_H
#define LW_ENGINE_FLEET_MODEL_FILE_H

#include "detect/ensemble.h"
#include "lapwing/lapwing.h"

#include <stdatomic.h>

#define LW_MODEL_FILE_GROUPS_MAX 65536u
#define LW_MODEL_FILE_ENTITIES_MAX 1000000u
#define LW_MODEL_GROUP_NONE UINT32_MAX

/* An ensemble and the metrics it reads. */
struct lw_model_group {
    struct lw_ensemble *ensemble;
    uint32_t n_columns;
    char **columns; /* [n_columns] Names of series within the entity. */
};

/* What is known of an entity that was trained on. */
struct lw_model_entity {
    char *name;
    uint32_t group;
    uint32_t n_state;
    float *state; /* [n_state] As after the last row of training. */
    struct lw_calibrator calibrator;
};

struct lw_model_file {
    atomic_uint n_owners;
    uint64_t hash; /* Of its bytes but for the report: equal hashes, equal verdicts. */
    uint32_t n_groups;
    struct lw_model_group *groups;
    uint32_t fallback; /* Group that serves entities it does not know; LW_MODEL_GROUP_NONE: none. */
    uint32_t n_entities;
    struct lw_model_entity *entities; /* Sorted by name. */
    char *report;                     /* JSON: how it was made and what it promises. */
};

/* One owner more; the same file. One less; the last one frees it. Takes NULL. Any thread. */
struct lw_model_file *lw_model_file_retain(struct lw_model_file *file);
void lw_model_file_release(struct lw_model_file *file);
/* What is known of an entity, or NULL. O(log n_entities). */
const struct lw_model_entity *lw_model_file_entity(const struct lw_model_file *file,
                                                   const char *name);
/* The group that serves an entity, known or not: an index, or LW_MODEL_GROUP_NONE. */
uint32_t lw_model_file_group(const struct lw_model_file *file, const char *name);
void lw_model_file_save(const struct lw_model_file *file, struct lw_writer *writer);
/* LW_EFORMAT for damaged bytes (they carry a checksum), LW_EVERSION for a newer format or one older
 * than two versions, LW_ENOTFOUND for a model class this program does not have, LW_ENOMEM. */
enum lw_status lw_model_file_load(const void *bytes, size_t n_bytes,
                                  struct lw_model_file **ret_file,
                                  struct lw_error *reterr) LW_MUST_USE;

#endif
