/*
 * Lapwing's operator: a deterministic state machine over one entity, for any program to host.
 *
 *   spec     what to watch and how, as named options            lw_spec_*
 *   detector a spec compiled: immutable, shared by threads      lw_detector_*
 *   pool     the memory of the entities of one thread           lw_pool_*
 *   entity   the state of one machine, sensor or service        lw_entity_*, lw_observe, lw_advance
 *
 * Nothing here starts a thread, opens a file, reads a clock or keeps a global, but for
 * lw_detector_create(), which reads the time-zone database when a spec names a zone. The same
 * samples and watermarks give the same verdicts, bit for bit, on every machine.
 */
#ifndef LAPWING_LAPWING_H
#define LAPWING_LAPWING_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Metric names, label values, names of entities and of series (a metric with its labels as text)
 * are shorter than this: it counts the terminator. */
#define LW_NAME_MAX 1024
/** The same for names of detectors, sources, sinks and labels. */
#define LW_SHORT_NAME_MAX 256
/** Series an entity may have. */
#define LW_ENTITY_SERIES_MAX 4096
/** Contributions a verdict or anomaly carries at most, largest first. */
#define LW_CONTRIBUTIONS_MAX 8
/** As a series number: the verdict is about the whole entity (tier 1). */
#define LW_SERIES_NONE UINT32_MAX

/** What kind of trouble an anomaly is. */
enum lw_anomaly_type {
    LW_TYPE_NONE = 0,
    LW_TYPE_SPIKE,       /**< A short excursion upwards. */
    LW_TYPE_DROP,        /**< A short excursion downwards. */
    LW_TYPE_LEVEL,       /**< The level moved and stayed. */
    LW_TYPE_TREND,       /**< The series keeps climbing or falling. */
    LW_TYPE_NOISE,       /**< The spread changed, the level did not. */
    LW_TYPE_PATTERN,     /**< The shape in time, or the interplay of metrics, is new. */
    LW_TYPE_CORRELATION, /**< Metrics that move together no longer do. */
    LW_TYPE_SILENT,      /**< Samples stopped coming. */
    LW_TYPE_STUCK,       /**< The value stopped changing. */
    LW_TYPE_RESET,       /**< A counter went back. */
    LW_TYPE_DUPLICATE,   /**< Samples come more than once. */
    LW_TYPE_SKEW,        /**< Time stamps jump: the clock behind them is off. */
    LW_TYPE_RANGE        /**< Outside the metric's legal range. */
};

/** How much a verdict knows yet. */
enum lw_verdict_confidence {
    LW_CANNOT_TELL = 0, /**< Too little was seen: scores are NaN and nothing is anomalous. */
    LW_LOW = 1,         /**< Scores are given; onsets are marked but not notified. */
    LW_FULL = 2
};

/** One reading. */
struct lw_sample {
    uint32_t series; /**< The entity's number of the series: lw_entity_series(). */
    int64_t time_ns; /**< Nanoseconds since 1970-01-01 UTC. */
    double value;    /**< NaN means "known to be missing"; infinities are counted and dropped. */
};

/** How much a series had to do with a verdict. */
struct lw_contribution {
    uint32_t series;
    float share;    /**< In [0, 1]; the shares of a verdict sum to at most 1. */
    float value;    /**< In the metric's unit, as are the next two; NaN when missing. */
    float expected; /**< What was expected instead; NaN when nothing was. */
};

/** The outcome for one series (tier 0) or one entity (tier 1) and one step. */
struct lw_verdict {
    int64_t time_ns; /**< Start of the step; with step "sample" or "row" the sample's own time. */
    uint64_t tag;    /**< What the host gave to lw_observe() with the sample that closed the step; 0
                        from lw_advance(). */
    uint32_t series; /**< LW_SERIES_NONE: about the entity. */
    uint8_t confidence; /**< enum lw_verdict_confidence */
    uint8_t type; /**< enum lw_anomaly_type of the row; LW_TYPE_NONE when nothing stands out. */
    bool alarm;   /**< The alarm state of this series or entity. */
    bool onset;   /**< Something worth telling starts here. */
    float value;  /**< The step's value as aggregated; NaN when the step had none. */
    float score;  /**< State score in [0, 1): how unusual is now. NaN: cannot tell. */
    float event;  /**< Event score in [0, 1): 0.5 and above is an onset. NaN: cannot tell. */
    float return_rows; /**< Steps that pass between incidents this bad, by estimate; 0: nothing
                          stands out. */
    float expected, lower, upper; /**< In the metric's unit; NaN where there is no expectation (tier
                                     1: always). */
};

/** What became of an anomaly with this notice. */
enum lw_anomaly_phase { LW_ANOMALY_OPENED = 1, LW_ANOMALY_UPDATED = 2, LW_ANOMALY_CLOSED = 3 };

/** Consecutive anomalous steps of one entity. */
struct lw_anomaly {
    uint64_t id;       /**< Made from detector, entity and start: the same after a replay. */
    uint8_t phase;     /**< enum lw_anomaly_phase */
    uint8_t type;      /**< enum lw_anomaly_type */
    int64_t start_ns;  /**< First anomalous step. */
    int64_t last_ns;   /**< Last anomalous step so far. */
    int64_t peak_ns;   /**< Where the score was highest. */
    float peak_score;  /**< State score there. */
    float return_rows; /**< The longest return period reached. */
    uint32_t n_steps;  /**< Anomalous steps so far. */
    uint32_t n_contributions;
    struct lw_contribution contributions[LW_CONTRIBUTIONS_MAX]; /**< Largest first. */
};

struct lw_entity;

/** Where an operator hands out its results. Called from within lw_observe() and lw_advance(), on
 * the caller's thread. */
struct lw_sink {
    /** May be NULL. The verdict is valid during the call only. */
    void (*verdict)(void *context, const struct lw_entity *entity,
                    const struct lw_verdict *verdict);
    /** May be NULL. Called when an anomaly opens, when what is known of it changes (at most once a
     * step), and when it closes. */
    void (*anomaly)(void *context, const struct lw_entity *entity,
                    const struct lw_anomaly *anomaly);
    void *context;
};

/** What an entity has seen, by what became of it. */
struct lw_entity_counts {
    uint64_t samples;    /**< Taken into a step. */
    uint64_t verdicts;   /**< Handed out. */
    uint64_t late;       /**< Dropped: their step was closed. */
    uint64_t duplicates; /**< Dropped: same series, time and value as one already there. */
    uint64_t not_finite; /**< Dropped: infinite, or at a time more than 292 years from 1970. */
    uint64_t overflow;   /**< Dropped: the open step held `max_samples` already. */
    uint64_t resets;     /**< Counter resets bridged (not dropped). */
    uint64_t untold;     /**< Alarms that no anomaly could be opened for: there was no memory. */
};

/* ---- spec: what to watch, as options ---- */

struct lw_spec;

/**
 * A spec with every option at its default.
 *
 * @param ret_spec  The caller owns it: lw_spec_destroy().
 * @param reterr    Filled on failure; may be NULL.
 * @return LW_OK or LW_ENOMEM.
 *
 * Cost    One allocation. Threads: one thread per spec.
 */
LW_API enum lw_status lw_spec_create(struct lw_spec **ret_spec,
                                     struct lw_error *reterr) LW_MUST_USE;

/** Frees a spec; takes NULL. Detectors made from it live on. */
LW_API void lw_spec_destroy(struct lw_spec *spec);

/**
 * Set one option of the detector, such as "step" to "10s". The reference page lists them all.
 *
 * @param spec    Changed only on LW_OK.
 * @param option  Name of the option.
 * @param value   Its value as text, as in the configuration file.
 * @param reterr  Filled on failure with what was expected and what was got; may be NULL.
 * @return LW_OK; LW_ENOTFOUND for an unknown name (the message names the nearest); LW_EINVAL for a
 * value outside the bounds.
 *
 * Cost    O(number of options). Threads: one thread per spec.
 */
LW_API enum lw_status lw_spec_set(struct lw_spec *spec, const char *option, const char *value,
                                  struct lw_error *reterr) LW_MUST_USE;

/**
 * An option of the detector as it stands, as text.
 *
 * @param ret_text  char[capacity]; terminated, cut where it is longer.
 * @return LW_OK, or LW_ENOTFOUND for an unknown name.
 */
LW_API enum lw_status lw_spec_get(const struct lw_spec *spec, const char *option, char *ret_text,
                                  size_t capacity) LW_MUST_USE;

/**
 * Set one option for the metrics whose name matches a pattern. Of several patterns that match a
 * name, the one set last wins, option by option.
 *
 * @param spec     Changed only on LW_OK.
 * @param pattern  Metric name, with "*" for any characters and "?" for one; shorter than
 * LW_NAME_MAX.
 * @param option   Such as "aggregate", "direction", "floor", "min".
 * @param value    Its value as text.
 * @param reterr   Filled on failure; may be NULL.
 * @return LW_OK; LW_ENOTFOUND, LW_EINVAL as lw_spec_set(); LW_ELIMIT beyond 4096 calls; LW_ENOMEM.
 *
 * Cost    O(number of options). Threads: one thread per spec.
 */
LW_API enum lw_status lw_spec_set_metric(struct lw_spec *spec, const char *pattern,
                                         const char *option, const char *value,
                                         struct lw_error *reterr) LW_MUST_USE;

/**
 * Serve the models of a model file (lapwing/train.h) instead of training by itself.
 *
 * Entities the file knows go on from where training ended; others are served by the file's shared
 * model once enough of them has been seen to learn their scale, or train by themselves when the
 * file has a model for each entity.
 *
 * @param spec     Changed only on LW_OK. The file counts as one of its options: another file gives
 *                 another lw_detector_hash().
 * @param bytes    The model file; borrowed. NULL: none again.
 * @param n_bytes  Its length.
 * @param reterr   Filled on failure; may be NULL.
 * @return LW_OK; LW_EFORMAT for damaged bytes; LW_EVERSION for a newer format, or one older than
 * two versions; LW_ENOTFOUND for a class of models this program does not have; LW_ENOMEM.
 *
 * Threads: one thread per spec.
 */
LW_API enum lw_status lw_spec_set_models(struct lw_spec *spec, const void *bytes, size_t n_bytes,
                                         struct lw_error *reterr) LW_MUST_USE;

/* ---- detector: a spec compiled ---- */

struct lw_detector;

/**
 * Compile a spec. The detector is immutable: any number of threads may use it at once.
 *
 * @param spec          Borrowed; may be changed or destroyed afterwards.
 * @param name          Name of the detector, shorter than LW_SHORT_NAME_MAX; it goes into anomaly
 * ids.
 * @param ret_detector  The caller owns it: lw_detector_release().
 * @param reterr        Filled on failure; may be NULL.
 * @return LW_OK; LW_EINVAL when options contradict each other; LW_ENOTFOUND for an unknown time
 * zone or model; LW_ENOMEM.
 *
 * Cost    Reads the time-zone database once where a zone is named.
 */
LW_API enum lw_status lw_detector_create(const struct lw_spec *spec, const char *name,
                                         struct lw_detector **ret_detector,
                                         struct lw_error *reterr) LW_MUST_USE;

/** One owner more. Any thread. @return The same detector. */
LW_API struct lw_detector *lw_detector_retain(struct lw_detector *detector);

/** One owner less; the last one frees it. Takes NULL. Any thread. */
LW_API void lw_detector_release(struct lw_detector *detector);

/** The detector's name; valid as long as the detector. */
LW_API const char *lw_detector_name(const struct lw_detector *detector);

/** An option that the detector was made with, as lw_spec_get(). Any thread. */
LW_API enum lw_status lw_detector_get(const struct lw_detector *detector, const char *option,
                                      char *ret_text, size_t capacity) LW_MUST_USE;

/** A 64-bit hash of all options, in their canonical text: equal specs have equal hashes on every
 * machine. */
LW_API uint64_t lw_detector_hash(const struct lw_detector *detector);

/** Length of a step in nanoseconds; 0 when every sample or row closes its own. */
LW_API int64_t lw_detector_step_ns(const struct lw_detector *detector);

/* ---- pool and entity: state ---- */

struct lw_pool;

/**
 * Memory for the entities of one thread: slabs of huge pages where the system has them.
 *
 * @param ret_pool  The caller owns it: lw_pool_destroy().
 * @param reterr    Filled on failure; may be NULL.
 * @return LW_OK or LW_ENOMEM.
 *
 * Threads One thread per pool, and the entities in it belong to the same thread.
 */
LW_API enum lw_status lw_pool_create(struct lw_pool **ret_pool,
                                     struct lw_error *reterr) LW_MUST_USE;

/** Frees the pool and every entity in it; takes NULL. */
LW_API void lw_pool_destroy(struct lw_pool *pool);

/** Bytes the pool holds of the system. */
LW_API size_t lw_pool_bytes(const struct lw_pool *pool);

/**
 * A new entity, without series.
 *
 * @param pool        Gives the memory and outlives the entity.
 * @param detector    The entity becomes one of its owners.
 * @param name        Key of the entity, such as "web-1"; shorter than LW_NAME_MAX; may be "".
 * @param ret_entity  Lives until lw_entity_destroy() or lw_pool_destroy().
 * @param reterr      Filled on failure; may be NULL.
 * @return LW_OK; LW_EINVAL for a name too long; LW_ENOMEM.
 *
 * Threads The pool's.
 */
LW_API enum lw_status lw_entity_create(struct lw_pool *pool, struct lw_detector *detector,
                                       const char *name, struct lw_entity **ret_entity,
                                       struct lw_error *reterr) LW_MUST_USE;

/** Gives the entity's memory back to its pool; takes NULL. */
LW_API void lw_entity_destroy(struct lw_entity *entity);

/**
 * The number of a series within the entity; the series is added when it is new.
 *
 * @param entity      Its owner's thread.
 * @param metric      Metric name: decides which options apply. Shorter than LW_NAME_MAX.
 * @param name        Name within the entity, such as "node_cpu_seconds_total{mode=\"user\"}";
 * shorter than LW_NAME_MAX.
 * @param ret_series  0, 1, 2 ... in the order of adding.
 * @param reterr      Filled on failure; may be NULL.
 * @return LW_OK; LW_ELIMIT beyond LW_ENTITY_SERIES_MAX; LW_EINVAL for a name too long; LW_ENOMEM.
 *
 * Cost    O(series of the entity) by name. This is where memory is taken: nothing is allocated per
 * sample.
 */
LW_API enum lw_status lw_entity_series(struct lw_entity *entity, const char *metric,
                                       const char *name, uint32_t *ret_series,
                                       struct lw_error *reterr) LW_MUST_USE;

/** The entity's name; valid as long as the entity. */
LW_API const char *lw_entity_name(const struct lw_entity *entity);
/** How many series the entity has. */
LW_API uint32_t lw_entity_n_series(const struct lw_entity *entity);
/** Name of a series as given to lw_entity_series(); NULL when there is no such number. */
LW_API const char *lw_entity_series_name(const struct lw_entity *entity, uint32_t series);
/** Metric of a series as given to lw_entity_series(); NULL when there is no such number. */
LW_API const char *lw_entity_series_metric(const struct lw_entity *entity, uint32_t series);
/** The detector that the entity runs under. */
LW_API const struct lw_detector *lw_entity_detector(const struct lw_entity *entity);
/** What the entity has seen so far. */
LW_API void lw_entity_counts(const struct lw_entity *entity, struct lw_entity_counts *ret_counts);
/**
 * How many series share the detector's alarm budget with this entity's, its own included.
 *
 * Meant for hosts of several entities; call it at the same place of the input in every run. Until
 * then it is the number of the entity's own series. Without effect when the budget's scope is the
 * series.
 */
LW_API void lw_entity_share_budget(struct lw_entity *entity, uint64_t n_series);
/** For the host's use: a pointer that travels with the entity; NULL at first, not saved. */
LW_API void lw_entity_set_context(struct lw_entity *entity, void *context);
/** What lw_entity_set_context() set. */
LW_API void *lw_entity_context(const struct lw_entity *entity);

/* ---- the operator ---- */

/**
 * Take samples of one entity.
 *
 * With step "sample" and no lateness each sample gives its verdict before the call returns. With
 * step "row" all samples of one call are one row, which closes its own step. With a duration (or
 * lateness) samples wait for lw_advance().
 *
 * @param entity   Changed.
 * @param samples  lw_sample[n_samples]; series numbers from lw_entity_series().
 * @param n_samples  Any number; with step "row" at most LW_ENTITY_SERIES_MAX.
 * @param tag      Handed back in the verdicts that this call closes: a row number, say.
 * @param sink     Borrowed; may be NULL: then verdicts are counted only.
 *
 * Samples that cannot be taken are counted by reason: lw_entity_counts(). A series number the
 * entity does not have is a mistake of the caller (asserted).
 *
 * Cost    About 0.5 us a sample with step "sample". Allocates nothing, takes no lock. Threads: the
 * entity's.
 */
LW_API void lw_observe(struct lw_entity *entity, const struct lw_sample *samples, size_t n_samples,
                       uint64_t tag, const struct lw_sink *sink);

/**
 * Hint that lw_observe() for this series follows soon: fetches its state into the cache. One to
 * four samples ahead pays most.
 */
LW_API void lw_prefetch(const struct lw_entity *entity, uint32_t series, int64_t time_ns);

/**
 * Event time has come to watermark_ns: close every step that ends at or before it, less the allowed
 * lateness, in time order.
 *
 * One call over many steps gives the same verdicts as many small ones. A watermark that goes back
 * is ignored.
 *
 * Cost    O(steps closed * series). A series that has been silent long enough goes dormant and
 * costs nothing until it speaks again.
 */
LW_API void lw_advance(struct lw_entity *entity, int64_t watermark_ns, const struct lw_sink *sink);

/**
 * Write the whole state as versioned bytes.
 *
 * @param entity     Unchanged.
 * @param ret_bytes  The caller owns it: lw_bytes_free().
 * @param ret_n_bytes  Its length.
 * @param reterr     Filled on failure; may be NULL.
 * @return LW_OK or LW_ENOMEM.
 */
LW_API enum lw_status lw_entity_save(const struct lw_entity *entity, void **ret_bytes,
                                     size_t *ret_n_bytes, struct lw_error *reterr) LW_MUST_USE;

/**
 * Make an entity from bytes of lw_entity_save(). It gives the same verdicts from there on, bit for
 * bit.
 *
 * @param pool       As lw_entity_create().
 * @param detector   Must have the same options as the one the state was saved under.
 * @param bytes      Borrowed.
 * @param n_bytes    Its length.
 * @param ret_entity As lw_entity_create().
 * @param reterr     Filled on failure; may be NULL.
 * @return LW_OK; LW_EFORMAT for damaged bytes; LW_EVERSION for a format too new or older than two
 * versions; LW_EINVAL when the detector's options differ; LW_ENOMEM.
 */
LW_API enum lw_status lw_entity_load(struct lw_pool *pool, struct lw_detector *detector,
                                     const void *bytes, size_t n_bytes,
                                     struct lw_entity **ret_entity,
                                     struct lw_error *reterr) LW_MUST_USE;

/** Frees what lw_entity_save() gave; takes NULL. */
LW_API void lw_bytes_free(void *bytes);

/* ---- features: for exports, rules and models of one's own ---- */

/** One column of features. Static text. */
struct lw_feature_column {
    const char *name, *unit, *formula;
};

/**
 * The features that the detector's options "features" asks for, of each series (pair == false) or
 * of each pair of "pairs".
 *
 * @param ret_columns  lw_feature_column[capacity]; may be NULL when capacity is 0.
 * @return How many there are; at most capacity are filled.
 */
LW_API size_t lw_detector_features(const struct lw_detector *detector, bool pair,
                                   struct lw_feature_column *ret_columns, size_t capacity);

/**
 * Features of a series after its newest step.
 *
 * @param ret_values  float[capacity], in the order of lw_detector_features(); NaN: cannot tell yet.
 * @return How many were filled: 0 without such a series or without features.
 *
 * Cost    About 10 us for all features. Threads: the entity's.
 */
LW_API size_t lw_entity_features(const struct lw_entity *entity, uint32_t series, float *ret_values,
                                 size_t capacity);

/** Name of a pair of the option "pairs", "first:second"; NULL from their number on. As long as the
 * detector. */
LW_API const char *lw_detector_pair(const struct lw_detector *detector, uint32_t pair);

/** The same for the pair of that number in "pairs": the entity's first series whose metrics match.
 */
LW_API size_t lw_entity_pair_features(const struct lw_entity *entity, uint32_t pair,
                                      float *ret_values, size_t capacity);

/**
 * What tier 1 tells of a step beside its verdict: the combined energy, its calibrated level
 * (-log10 p), the level that is held against the cut, and the distance of each model, in its own
 * unit.
 *
 * @param ret_columns  lw_feature_column[capacity]; may be NULL when capacity is 0. Valid as long as
 *                     the detector.
 * @return How many there are, 0 without tier 1; at most capacity are filled.
 */
LW_API size_t lw_detector_models(const struct lw_detector *detector,
                                 struct lw_feature_column *ret_columns, size_t capacity);

/**
 * These of an entity after its newest step.
 *
 * @param ret_values  float[capacity], in the order of lw_detector_models(); NaN: cannot tell yet.
 * @return How many were filled.
 *
 * Threads: the entity's.
 */
LW_API size_t lw_entity_models(const struct lw_entity *entity, float *ret_values, size_t capacity);

/** Name of an anomaly type such as "level shift"; "" for LW_TYPE_NONE, "unknown" for other numbers.
 */
LW_API const char *lw_anomaly_type_name(enum lw_anomaly_type type);

/** Version of the library, such as "0.1.0". */
LW_API const char *lw_version(void);

#ifdef __cplusplus
}
#endif
#endif
