/*
 * Hosting an engine: many detectors, many entities, the threads that own them, their history and
 * their state on disk. What `lapwing run` and `lapwing replay` are made of, and what any other host
 * would use.
 *
 * The order of calls to feeds decides what is computed: the same series, points and watermarks in
 * the same order give the same verdicts, whatever the number of shards.
 */
#ifndef LAPWING_ENGINE_H
#define LAPWING_ENGINE_H

#include "lapwing/lapwing.h"
#include "lapwing/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Shards an engine may have. */
#define LW_ENGINE_SHARDS_MAX 64
/** Series an engine takes; further ones are refused (LW_ELIMIT) and counted. */
#define LW_ENGINE_SERIES_MAX 4000000u
/** Detectors an engine may have. */
#define LW_ENGINE_DETECTORS_MAX 64
/** Newest anomalies kept for lw_engine_anomalies(). */
#define LW_ENGINE_ANOMALIES_KEPT 1000

struct lw_engine;

/** A verdict with the names it belongs to. Borrowed, valid during the call only. */
struct lw_engine_verdict {
    const struct lw_detector *detector;
    const struct lw_entity *entity;
    uint32_t entity_number; /**< Of lw_engine_entities(). */
    const struct lw_verdict *verdict;
};

/** What happened to an anomaly. Borrowed, valid during the call only. */
struct lw_engine_anomaly {
    const char *detector; /**< Name. */
    const char *entity;   /**< Name. */
    uint32_t entity_number;
    const struct lw_anomaly *anomaly;
    const char *const *series; /**< Names of anomaly->contributions[i].series; NULL for
                                  LW_SERIES_NONE. */
    const char *sentence;      /**< What happened, for people. */
};

/** Called on the shards' threads, one call at a time for each shard; must not call the engine. An
 * anomaly that ends because its detector goes is told on the thread that takes the detector away.
 */
struct lw_listener {
    void (*verdict)(void *context, uint32_t shard,
                    const struct lw_engine_verdict *verdict); /**< May be NULL. */
    void (*anomaly)(void *context, uint32_t shard,
                    const struct lw_engine_anomaly *anomaly); /**< May be NULL. */
    void *context;
};

/** How an engine is laid out. Zero-initialise and set what matters. */
struct lw_engine_config {
    uint32_t n_shards;      /**< Threads that own entities; 0: one a processor. */
    uint32_t history_steps; /**< Steps of each series kept for the page and explanations; 0: none.
                             */
    size_t history_bytes; /**< All series together; series beyond it have no history. 0: 64 MiB. */
    const struct lw_listener *listener; /**< Copied; may be NULL. */
};

/**
 * An engine with its threads started and no detector.
 *
 * @param config      Borrowed.
 * @param ret_engine  The caller owns it: lw_engine_destroy().
 * @param reterr      Filled on failure; may be NULL.
 * @return LW_OK; LW_EINVAL beyond a limit above; LW_ENOMEM; LW_EIO when a thread cannot be started.
 */
LW_API enum lw_status lw_engine_create(const struct lw_engine_config *config,
                                       struct lw_engine **ret_engine,
                                       struct lw_error *reterr) LW_MUST_USE;

/** Stops the threads and frees all; takes NULL. No feed of it may be in a call. */
LW_API void lw_engine_destroy(struct lw_engine *engine);

/**
 * Add a detector, or give the one of that name new options. A detector whose options did not change
 * keeps its entities; one whose options changed starts anew, and its open anomalies end.
 *
 * @param engine  Any thread; feeds wait meanwhile.
 * @param name    Shorter than LW_NAME_MAX.
 * @param spec    Borrowed. Its options "match" and "entity" say which series it takes and what its
 * entities are.
 * @param reterr  Filled on failure; may be NULL.
 * @return LW_OK; LW_ELIMIT beyond LW_ENGINE_DETECTORS_MAX; as lw_detector_create() otherwise. A
 * detector that was there stays as it was, but after LW_ENOMEM it may be gone.
 */
LW_API enum lw_status lw_engine_set_detector(struct lw_engine *engine, const char *name,
                                             const struct lw_spec *spec,
                                             struct lw_error *reterr) LW_MUST_USE;

/** Drop a detector and its entities. LW_ENOTFOUND when there is none of that name. Threads as
 * lw_engine_set_detector(). */
LW_API enum lw_status lw_engine_remove_detector(struct lw_engine *engine, const char *name,
                                                struct lw_error *reterr) LW_MUST_USE;

/**
 * A way in for one source. Feeds may be used from different threads; each from one at a time. A
 * name used before gives the feed of then: a source that was started again goes on counting.
 *
 * @param engine    Outlives the feed.
 * @param source    Name in counters, such as "host"; shorter than LW_NAME_MAX.
 * @param ret_feed  Filled; valid until lw_engine_destroy().
 * @param reterr    Filled on failure; may be NULL.
 * @return LW_OK; LW_EINVAL for a name too long; LW_ELIMIT beyond 64 feeds.
 */
LW_API enum lw_status lw_engine_feed(struct lw_engine *engine, const char *source,
                                     struct lw_feed *ret_feed, struct lw_error *reterr) LW_MUST_USE;

/** Wait until everything pushed so far has been scored and the listener has returned. Any thread
 * but the shards'. */
LW_API void lw_engine_flush(struct lw_engine *engine);

/** The input is complete: close all open steps of all entities, close open anomalies, flush. For
 * replay. */
LW_API void lw_engine_finish(struct lw_engine *engine);

/* ---- looking in: any thread; answers are a consistent picture of one entity at a time ---- */

/** Buckets of lw_engine_totals.verdict_delays. */
#define LW_ENGINE_DELAYS 13
/** Upper bounds of the first LW_ENGINE_DELAYS - 1 buckets, seconds, ascending: 10 us to 3 s.
 * Static. */
LW_API const double *lw_engine_delay_bounds(void);

/** Totals since the state began: lw_engine_load() takes up those of before. Of this process alone
 * are unmatched, series_refused and the delays. */
struct lw_engine_totals {
    uint32_t n_shards, n_detectors, n_entities, n_series;
    uint64_t samples, verdicts, anomalies_opened, anomalies_open;
    uint64_t late, duplicates, not_finite, overflow, resets;
    uint64_t unmatched;             /**< Points of series no detector takes. */
    uint64_t series_refused;        /**< By a detector or the engine: beyond a limit, a name that
                                       cannot be, out of memory. */
    uint64_t anomalies_by_type[16]; /**< Opened, by enum lw_anomaly_type. */
    size_t state_bytes, history_bytes;
    /** Verdicts by the seconds from lw_feed.push to their end: at most lw_engine_delay_bounds()[i],
     * not cumulative; last: more. */
    uint64_t verdict_delays[LW_ENGINE_DELAYS];
    double verdict_delay_sum_s;
    int64_t saved_ns;    /**< Real time of the last good lw_engine_save(); INT64_MIN: none yet. */
    bool state_degraded; /**< The last lw_engine_save() failed. */
    double alarms_promised_per_week; /**< Sum of the detectors' budgets. */
    double alarms_per_week;    /**< Opened anomalies per week of event time; NaN before an hour has
                                  passed. */
    uint32_t n_models;         /**< Tier 1 models in service. */
    uint64_t trainings_failed; /**< Of tier 1, for want of memory or of known rows: the older model
                                  serves on, and twice as many rows later there is another. */
    uint64_t n_series_unread; /**< Of entities with a tier 1 model: series that it does not read, as
                                 they came later, lie past its 512 or are not in the model file. */
};
/** Fills the totals. Cost: O(entities), a shard at a time. */
LW_API void lw_engine_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals);

/** One feed's counters. */
struct lw_feed_totals {
    char source[LW_NAME_MAX];
    uint64_t samples;
    int64_t watermark_ns; /**< INT64_MIN before the first. */
    uint32_t n_reasons;
    struct {
        char reason[48];
        uint64_t n;
    } dropped[16];
};
/** Fills at most capacity entries; returns how many feeds there are. */
LW_API size_t lw_engine_feeds(struct lw_engine *engine, struct lw_feed_totals *ret_feeds,
                              size_t capacity);

/** One entity as the page shows it. */
struct lw_entity_view {
    uint32_t number; /**< Stable for the engine's life. */
    char detector[LW_NAME_MAX];
    char name[LW_NAME_MAX];
    uint32_t n_series;
    int64_t last_ns;    /**< Newest step closed; INT64_MIN before the first. */
    uint8_t confidence; /**< enum lw_verdict_confidence: the best of its series. */
    bool alarm;
    float score;           /**< The highest of its series' and its own newest; NaN: cannot tell. */
    bool has_model;        /**< Tier 1 is trained. */
    uint64_t open_anomaly; /**< Id; 0: none. */
};
/** Fills entities with number >= from, at most capacity, ascending; returns how many were filled.
 */
LW_API size_t lw_engine_entities(struct lw_engine *engine, uint32_t from,
                                 struct lw_entity_view *ret_entities, size_t capacity);

/** One series of an entity as the page shows it: its newest step. */
struct lw_series_view {
    uint32_t series;
    char name[LW_NAME_MAX];
    bool watched; /**< False: its option "watch" is off, so it is shown but never judged. */
    uint8_t confidence;
    bool alarm;
    int64_t last_ns;
    float value, expected, lower, upper, score;
};
/** As lw_engine_entities(), over the series of one entity. LW_ENOTFOUND when there is no such
 * entity. */
LW_API enum lw_status lw_engine_series(struct lw_engine *engine, uint32_t entity, uint32_t from,
                                       struct lw_series_view *ret_series, size_t capacity,
                                       size_t *ret_n) LW_MUST_USE;

/** One step of a series' history. */
struct lw_history_point {
    int64_t time_ns;
    float value, expected, lower, upper, score;
    bool alarm;
};
/** Steps after since_ns, oldest first, at most capacity. LW_ENOTFOUND: no such entity or series;
 * with no history kept *ret_n is 0. */
LW_API enum lw_status lw_engine_history(struct lw_engine *engine, uint32_t entity, uint32_t series,
                                        int64_t since_ns, struct lw_history_point *ret_points,
                                        size_t capacity, size_t *ret_n) LW_MUST_USE;

/** An anomaly with its names, as kept. */
struct lw_anomaly_view {
    char detector[LW_NAME_MAX];
    char entity[LW_NAME_MAX];
    uint32_t entity_number; /**< UINT32_MAX: taken up from a file, and the entity is gone. */
    uint64_t change;        /**< Grows with every change of any anomaly: to ask for what is new. */
    struct lw_anomaly anomaly;
    char series[LW_CONTRIBUTIONS_MAX][LW_NAME_MAX]; /**< "" for the entity as a whole. */
    char sentence[512];
};
/** Newest first: anomalies changed after `after_change`, at most capacity; returns how many were
 * filled. */
LW_API size_t lw_engine_anomalies(struct lw_engine *engine, uint64_t after_change,
                                  struct lw_anomaly_view *ret_anomalies, size_t capacity);

/* ---- state on disk ---- */

/**
 * Write everything needed to go on later into one file, atomically replaced and synced.
 *
 * What was pushed before the call is in it.
 *
 * @param engine  Any thread; waits for the shards in turn, never stops all.
 * @param path    The file; a temporary one beside it is renamed over it.
 * @param reterr  Filled on failure; may be NULL.
 * @return LW_OK; LW_EIO with the system's reason; LW_ENOMEM. On failure the file before stays.
 */
LW_API enum lw_status lw_engine_save(struct lw_engine *engine, const char *path,
                                     struct lw_error *reterr) LW_MUST_USE;

/**
 * Take up the state of lw_engine_save(), whatever the number of shards was then. Call after the
 * detectors were set and before the first feed is used. Entities whose detector is gone or has
 * other options are left out and counted.
 *
 * @param engine       Fresh.
 * @param path         The file.
 * @param ret_skipped  Entities left out; may be NULL.
 * @param reterr       Filled on failure; may be NULL.
 * @return LW_OK; LW_ENOTFOUND when there is no file; LW_EINVAL for an engine that has series
 * already; LW_EFORMAT, LW_EVERSION, LW_EIO, LW_ENOMEM: the engine is as it was.
 */
LW_API enum lw_status lw_engine_load(struct lw_engine *engine, const char *path,
                                     uint32_t *ret_skipped, struct lw_error *reterr) LW_MUST_USE;

/* ---- what can be configured ---- */

/** One option as the documentation shows it. The texts pointed to are static. */
struct lw_option_view {
    const char *name, *type, *fallback, *unit, *help;
    char bounds[96]; /**< "1 to 10000", or the choices; empty where any value may be. */
};
/** Detector options (metric == false) or per-metric options, in order; returns how many there are
 * and fills at most capacity. */
LW_API size_t lw_spec_options(bool metric, struct lw_option_view *ret_options, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
