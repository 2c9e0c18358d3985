/*
 * The state of one entity, and what the engine asks of it beyond the public operator.
 *
 * A series is one block of its pool: struct lw_series, then the baseline's state at the next cache
 * line. All of an entity belongs to one thread.
 */
#ifndef LW_ENGINE_OPERATOR_ENTITY_H
#define LW_ENGINE_OPERATOR_ENTITY_H

#include "detect/anomaly.h"
#include "detect/fault.h"
#include "detect/tail.h"
#include "engine/operator/detector.h"
#include "engine/operator/pool.h"
#include "engine/operator/training_job.h"
#include "stream/aggregate.h"
#include "stream/window.h"

/* Times further from 1970 than this are refused: beyond it a step, a look-back and a lateness of a
 * day each would leave 64 bits. */
#define LW_TIME_FURTHEST_NS (INT64_MAX - INT64_C(10) * 86400 * 1000000000)

struct lw_series {
    const struct lw_metric *metric;
    const char *metric_name, *name; /* The pool's. */
    struct lw_window window; /* Open samples; without memory where every sample closes its own step.
                              */
    struct lw_counter counter;
    struct lw_fault fault;
    struct lw_verdict newest;          /* time_ns INT64_MIN: none yet. */
    int64_t features_ns;               /* Step the features were last told; INT64_MIN: none. */
    struct lw_feature_state *features; /* NULL without features. */
};

/* Steps an entity remembers, so that a new model knows what came before. */
#define LW_TIER1_RECENT 64u

/* Tier 1 of an entity; made when it has two series. */
struct lw_tier1_state {
    const struct lw_ensemble *ensemble; /* In service; NULL: none yet. */
    struct lw_ensemble *own;            /* The same, where it is this entity's own; else NULL. */
    size_t own_bytes;                   /* Its memory, as the pool counts it. */
    float *state;                       /* [n_state] The entity's state under it. */
    size_t n_state;
    uint32_t group; /* Of the detector's model file that serves this entity, or
                       LW_MODEL_GROUP_NONE. */
    uint32_t *map;  /* [n_map] Series of each column of the group; LW_SERIES_NONE: not there. */
    uint32_t n_map; /* 0 without a group: then column and series are the same number. */
    struct lw_training_rows rows;
    struct lw_calibrator calibrator;
    struct lw_training_job *job; /* A training on its way; NULL: none. */
    uint64_t adopt_at;           /* Rows seen at which its result comes into service. */
    uint64_t next_train;         /* Rows seen at which the next training begins. */
    uint64_t n_failed;           /* Trainings that failed, for want of memory or of known rows. */
    float figures[LW_MODEL_COLUMNS_MAX]; /* What lw_entity_models() tells of the newest step. */
    double cut;               /* Of the budget; 0: not settled for the model in service. */
    int64_t first_ns;         /* Of the first row offered for training; INT64_MIN: none. */
    struct lw_verdict newest; /* About the entity; time_ns INT64_MIN: none yet. */
    uint32_t width;           /* Columns of row, shares and the training rows: room for series. */
    float *row;               /* [width] Values of this step by series; NaN: none. */
    float *shares;            /* [width] */
    float *recent;            /* [LW_TIER1_RECENT][width] Ring of the newest rows. */
    uint64_t n_recent;        /* Rows it was given. */
};

/*
 * One block of the pool: this, the entity's first series from the next cache line on, and its name
 * at the end. So the first series is found without reading anything. What every sample touches
 * comes first.
 */
struct lw_entity {
    struct lw_pool_tie tie; /* First: the pool ends the entity through it. */
    struct lw_detector *detector;
    struct lw_series **series; /* `first`, or a list of the pool. */
    uint32_t n_series, series_capacity;
    uint64_t sharing; /* Series that share the budget; 0: this entity's own. */
    struct lw_tier1_state *tier1;
    bool stepped_down;          /* It would have tier 1, but for want of memory. */
    struct lw_life *life;       /* NULL while nothing is open or pending. */
    const struct lw_tail *tail; /* The host's pooled tail; NULL: none. */
    int64_t step_time_ns;       /* Of the step being told ... */
    bool step_told;             /* ... and whether the life has heard of it. */
    struct lw_entity_counts counts;
    int64_t watermark_ns; /* INT64_MIN: none yet. */
    int64_t closed_ns;    /* Steps that start before it are closed. */
    int64_t pending_ns;   /* Earliest open sample; INT64_MAX: none. */
    int64_t quiet_ns;     /* No series is silent before; INT64_MIN: not known. Not in the bytes. */
    void *context;
    double *scratch; /* For p95: double[max_samples]; NULL until a metric wants it. */
    struct lw_pool *pool;
    struct lw_series *first[1];
    const char *name; /* Within the block. */
    size_t block_bytes;
};

/* Where the first series lies, whether it is there or not. */
static inline struct lw_series *lw_entity_first(struct lw_entity *entity)
{
    return (struct lw_series *)((char *)entity + (sizeof(*entity) + 63) / 64 * 64);
}

static inline struct lw_baseline *lw_series_baseline(struct lw_series *series)
{
    return (struct lw_baseline *)((char *)series + (sizeof(*series) + 63) / 64 * 64);
}

/* Event time before which lw_advance() does nothing for this entity; INT64_MAX: never. */
int64_t lw_entity_due(struct lw_entity *entity);
/* The input has ended: close open steps and anomalies. */
void lw_entity_finish(struct lw_entity *entity, const struct lw_sink *sink);
/* Nobody listened until now_ns: what passed since the last samples is no silence of theirs. */
void lw_entity_resume(struct lw_entity *entity, int64_t now_ns);
/* Judge also by incidents of other entities: borrowed, constant while the entity is in a call. Its
 * incidents are added to one by lw_entity_pool(). */
void lw_entity_set_tail(struct lw_entity *entity, const struct lw_tail *tail);
void lw_entity_pool(const struct lw_entity *entity, struct lw_tail *tail);
/* Whether a series is scored by itself: its metric's option "watch". */
bool lw_entity_watches(const struct lw_entity *entity, uint32_t series);
bool lw_entity_has_model(const struct lw_entity *entity);
/* Tier 1 trainings that failed. */
uint64_t lw_entity_trainings_failed(const struct lw_entity *entity);
/* Series that its tier 1 model does not read; 0 without one. O(columns). */
uint32_t lw_entity_n_unread(const struct lw_entity *entity);
/* The newest verdict of a series, or about the entity (LW_SERIES_NONE); with time_ns INT64_MIN and
 * NaN everywhere before the first. */
void lw_entity_newest(const struct lw_entity *entity, uint32_t series,
                      struct lw_verdict *ret_verdict);

/* The entity's earliest sample from a moment on that no closed step has taken; INT64_MAX: none. */
int64_t lw_entity_earliest_open(const struct lw_entity *entity, int64_t from_ns);

/* entity_bytes.c: what lw_entity_save() gives, appended to what a writer holds, and back; without
 * its checksum: for who has one of his own. */
void lw_entity_write(const struct lw_entity *entity, struct lw_writer *writer);
/* The same under another name. */
void lw_entity_write_as(const struct lw_entity *entity, const char *name, struct lw_writer *writer);
enum lw_status lw_entity_read(struct lw_pool *pool, struct lw_detector *detector, const void *bytes,
                              size_t n_bytes, struct lw_entity **ret_entity,
                              struct lw_error *reterr) LW_MUST_USE;
/* What an entity, or all that are gone, has counted. */
void lw_entity_counts_save(const struct lw_entity_counts *counts, struct lw_writer *writer);
void lw_entity_counts_load(struct lw_entity_counts *ret_counts, struct lw_reader *reader);

/* A verdict that says nothing yet: NaN everywhere, time_ns INT64_MIN. */
void lw_verdict_none(struct lw_verdict *ret_verdict, uint32_t series);

/* entity_tier1.c: rows that the training store holds; room for the columns of all series; the
 * entity's thread. LW_ENOMEM. */
uint32_t lw_training_capacity(const struct lw_detector *detector);
/* Room for the state of an ensemble that comes into service; false when there is no memory. */
/* A model of the entity's own, which it takes over, in place of the one it had; NULL: none. */
void lw_entity_own_model(struct lw_entity *entity, struct lw_ensemble *own);
/* Memory that tier 1 of the entity takes beside shared models. */
size_t lw_entity_tier1_bytes(const struct lw_entity *entity);
/* Tier 1 goes, until it is told to come back: then it learns anew. LW_ENOMEM: it stays away. */
enum lw_status lw_entity_step_down(struct lw_entity *entity, bool down,
                                   struct lw_error *reterr) LW_MUST_USE;
bool lw_entity_tier1_room(struct lw_entity *entity, const struct lw_ensemble *ensemble);
enum lw_status lw_entity_tier1_widen(struct lw_entity *entity, struct lw_error *reterr) LW_MUST_USE;
void lw_entity_tier1_destroy(struct lw_entity *entity);
/* Natural units (detect/views.h) of the first n_columns series: the floors that their metrics'
 * options give. */
void lw_entity_natural_units(const struct lw_entity *entity, uint32_t n_columns,
                             float *ret_natural);
/* The values of a step are in tier1->row: score them, contribute to the life of the step, learn. */
void lw_entity_tier1_step(struct lw_entity *entity, int64_t time_ns, uint64_t tag, bool anomalous,
                          const struct lw_sink *sink);
/*
 * entity_life.c: a step is told as begin, tell for each verdict, end; finish closes what is open,
 * as at the end of the input.
 */
void lw_entity_step_begin(struct lw_entity *entity, int64_t time_ns);
void lw_entity_step_tell(struct lw_entity *entity, const struct lw_verdict *verdict);
void lw_entity_step_end(struct lw_entity *entity, const struct lw_sink *sink);
bool lw_entity_life_open(const struct lw_entity *entity);
void lw_entity_life_finish(struct lw_entity *entity, const struct lw_sink *sink);
/* A life where there was none; false when there is no memory. And none where there was one. */
bool lw_entity_life_ensure(struct lw_entity *entity);
void lw_entity_life_drop(struct lw_entity *entity);

#endif
