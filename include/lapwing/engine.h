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
    size_t memory_bytes;  /**< What the engine may take: see lw_engine_fit_memory(). 0: no bound. */
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
 * @param name    Shorter than LW_SHORT_NAME_MAX.
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
 * @param source    Name in counters, such as "host"; shorter than LW_SHORT_NAME_MAX.
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

/* ---- looking in: any thread but the shards'; answers are a consistent picture of one entity at a
 * time. None of these holds up the feeds, and each holds a shard up for about a millisecond at most
 * and waits for no more than the batch that a shard works on. ---- */

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
    size_t memory_bytes, memory_limit; /**< Taken, as lw_engine_fit_memory() counts; 0: no limit. */
    uint32_t n_stepped_down; /**< Entities without the tier 1 they would have, for want of memory.
                              */
    uint32_t n_gone;         /**< Entities that expired and have not come back. */
    uint64_t entities_expired, entities_inherited; /**< Of this process: option "expire_after"; that
                                                      began with what another had learnt. */
    uint64_t series_refused_memory; /**< Of this process: new ones, for want of memory. */
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
    int64_t counted_ns;       /**< Real time at which this was counted. */
};
/**
 * Fills the totals as they are now.
 *
 * Cost: about 0.3 us for each entity, 30 ms for 100,000; shards are held up for 256 entities at a
 * time, feeds never. For what is asked again and again there is lw_engine_recent_totals().
 */
LW_API void lw_engine_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals);
/**
 * The same as of a moment ago, for pages and scrapes: at most a hundred times as long ago as
 * counting takes. However many ask, counting for them costs at most 2 % of a processor.
 */
LW_API void lw_engine_recent_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals);

/** What lw_engine_plan_memory() is asked. */
struct lw_memory_need {
    uint32_t n_entities; /**< 1 to LW_ENGINE_SERIES_MAX. */
    uint32_t n_series;   /**< Of each entity, 1 to LW_ENTITY_SERIES_MAX. */
    uint32_t n_shards;   /**< As in lw_engine_config, as are the two below. */
    uint32_t history_steps;
    size_t history_bytes;
    uint32_t entity_name_bytes; /**< Of a typical entity's name; 0: 24. */
    uint32_t series_name_bytes; /**< Of a typical series' canonical text; 0: 72. */
};

/** Memory in bytes, as lw_engine_totals.memory_bytes counts it. */
struct lw_memory_plan {
    size_t series_tier0; /**< Each series: baseline, open samples, and its share of names and
                            tables. */
    size_t entity_tier1; /**< Each entity: rows kept, vectors, its own model once it has learnt. */
    bool shares_model;   /**< A model file serves: entities have no model of their own. */
    size_t series_history; /**< Each series with a history. */
    size_t fixed;          /**< Whatever there is to watch: queues, the ring of anomalies. */
    size_t total_tier0;    /**< All of it at tier 0, without history. */
    size_t total_tier1;    /**< With tier 1, without history. */
    size_t total_history;  /**< Of all series, within history_bytes. */
};

/**
 * What a detector would take, before it is enabled: builds two of its entities in memory of their
 * own, trains one, and counts.
 *
 * The model is measured after one training on train_rows rows of noise, 4,096 of them at most; one
 * of real data may be larger or smaller, as its members depend on the rows.
 *
 * @param spec      Borrowed.
 * @param need      Borrowed.
 * @param ret_plan  Filled on LW_OK.
 * @return LW_OK; LW_EINVAL for a spec that does not hold, or a need out of its range; LW_ENOMEM.
 *
 * Cost  With tier 1 a training: about a second with ten series.
 */
LW_API enum lw_status lw_engine_plan_memory(const struct lw_spec *spec,
                                            const struct lw_memory_need *need,
                                            struct lw_memory_plan *ret_plan,
                                            struct lw_error *reterr) LW_MUST_USE;

/** Entities of such a plan that fit into limit bytes with nothing stepping down: up to nine tenths
 * of it are used. `tier`: 0 or 1; the history is left out. */
LW_API uint32_t lw_memory_plan_entities(const struct lw_memory_plan *plan,
                                        const struct lw_memory_need *need, size_t limit, int tier);

/** What lw_engine_fit_memory() did. */
struct lw_memory_change {
    uint32_t n_stepped_down, n_stepped_up; /**< Entities whose tier 1 went, or came back. */
    size_t history_before, history_after;  /**< Bound of the history. */
    bool refused_before, refused_after;    /**< Whether new series are refused. */
};
/**
 * Keep the engine's memory below its limit; to be called about once a second.
 *
 * From 90 % of lw_engine_config.memory_bytes on, entities lose tier 1: first those whose newest
 * anomaly is longest ago (those that never had one first), of these the ones whose tier 1 is
 * largest; none with an open anomaly. When none is left the history is halved, down to nothing.
 * Then new series are refused (LW_ELIMIT, counted), in any case from 98 % on, until the memory is
 * below 90 % again. Below 75 % the history grows again and entities get tier 1 back, in the
 * opposite order, to learn it anew.
 *
 * Counted are the entities' states and models, histories, names, tables and queues; not the copies
 * of rows that a training works on, the allocator's own losses and what server, sources and sinks
 * take.
 *
 * @param ret_change  What changed in this call; all zero without a limit. May be NULL.
 * @return LW_OK; LW_EBUSY while a snapshot is being written or the state is read-only: nothing
 * changed; LW_ENOMEM.
 */
LW_API enum lw_status lw_engine_fit_memory(struct lw_engine *engine,
                                           struct lw_memory_change *ret_change) LW_MUST_USE;

/** One feed's counters. */
struct lw_feed_totals {
    char source[LW_SHORT_NAME_MAX];
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
    char detector[LW_SHORT_NAME_MAX];
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
/** The entities of those numbers, in the order given; one that is gone is left out. Returns how
 * many were filled. */
LW_API size_t lw_engine_pick_entities(struct lw_engine *engine, const uint32_t *numbers, size_t n,
                                      struct lw_entity_view *ret_entities);
/** The number of the entity of a detector with that name; LW_ENOTFOUND. */
LW_API enum lw_status lw_engine_find_entity(struct lw_engine *engine, const char *detector,
                                            const char *name, uint32_t *ret_number) LW_MUST_USE;

/** What entities can be sorted by. Equal ones come by number. */
enum lw_entity_order {
    LW_BY_NUMBER = 0,    /**< The oldest first. */
    LW_BY_NAME = 1,      /**< web-9 before web-10, upper case as lower case. */
    LW_BY_SCORE = 2,     /**< In alarm first, of these the highest score; those without one last. */
    LW_BY_LAST = 3,      /**< The newest step first; those without one last. */
    LW_BY_ANOMALIES = 4, /**< The most anomalies opened first. */
};
/** Which entities by their alarm: one is in alarm while a series is or an anomaly is open. */
enum lw_alarm_choice { LW_ALARM_ANY = 0, LW_ALARM_YES = 1, LW_ALARM_NO = 2 };

/** Which entities are wanted, and in which order. Zero-initialise and set what matters. */
struct lw_entity_query {
    const char *search;   /**< Words, of which a name must hold each, wherever, in upper or lower
                             case (of ASCII); NULL: any name. */
    const char *detector; /**< Name; NULL: of all. */
    enum lw_alarm_choice alarm;
    enum lw_entity_order order;
    bool reverse; /**< The other way round. */
    bool is_next; /**< Go on behind `key` and `number` of the answer before. */
    uint64_t key;
    uint32_t number;
    bool fresh; /**< Look at all entities first, in place of using what was seen a moment ago. */
};
/** What was found. */
struct lw_entity_found {
    size_t n;           /**< Entities filled, as they are now. */
    uint32_t n_matches; /**< Of all pages. */
    bool has_more;      /**< There is a page behind: ask with is_next, key and number. */
    uint64_t key;
    uint32_t number;
    int64_t counted_ns; /**< Real time of what search and order go by. */
};
/**
 * Search and sort entities, a page at a time. Where a page begins is a place in the order, not a
 * count: entities that come or go move nobody to another page.
 *
 * @param query         Borrowed.
 * @param ret_entities  struct lw_entity_view[capacity].
 * @param ret_found     Filled on LW_OK.
 * @return LW_OK; LW_EINVAL for a search of more than 256 bytes; LW_ENOMEM.
 *
 * Search and order go by what was seen as lw_engine_recent_totals() says. Cost: about 10 ms for
 * 100,000 entities, without a lock that shards or feeds take; for what is seen about 60 bytes an
 * entity, once somebody asks.
 */
LW_API enum lw_status lw_engine_find_entities(struct lw_engine *engine,
                                              const struct lw_entity_query *query,
                                              struct lw_entity_view *ret_entities, size_t capacity,
                                              struct lw_entity_found *ret_found,
                                              struct lw_error *reterr) LW_MUST_USE;

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

/** Which series of an entity are wanted. Zero-initialise and set what matters. */
struct lw_series_query {
    uint32_t entity;
    uint32_t from;      /**< The lowest number wanted. */
    const char *search; /**< As of struct lw_entity_query. */
    enum lw_alarm_choice alarm;
};
/** What was found. */
struct lw_series_found {
    size_t n;
    uint32_t n_series;  /**< The entity has. */
    uint32_t n_matches; /**< From query->from on. */
    uint32_t n_alarm;   /**< In alarm, of all it has. */
    bool has_more;
};
/** Search the series of one entity, by ascending number. LW_ENOTFOUND when there is no such entity;
 * LW_EINVAL for a search of more than 256 bytes. */
LW_API enum lw_status lw_engine_find_series(struct lw_engine *engine,
                                            const struct lw_series_query *query,
                                            struct lw_series_view *ret_series, size_t capacity,
                                            struct lw_series_found *ret_found) LW_MUST_USE;

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
    char detector[LW_SHORT_NAME_MAX];
    char entity[LW_NAME_MAX];
    uint32_t entity_number; /**< UINT32_MAX: taken up from a file, and the entity is gone. */
    uint64_t change;        /**< Grows with every change of any anomaly: to ask for what is new. */
    struct lw_anomaly anomaly;
    char series[LW_CONTRIBUTIONS_MAX][LW_NAME_MAX]; /**< "" for the entity as a whole. */
    char sentence[512];
};
/** Any entity. */
#define LW_ENTITY_ANY UINT32_MAX
/** Which of the anomalies kept are wanted. */
struct lw_anomaly_query {
    uint64_t after_change; /**< Changed after this; 0: all. */
    uint32_t entity;       /**< Number, or LW_ENTITY_ANY. */
    const char *detector;  /**< Name; NULL: any. */
    const char *name;      /**< Of the entity, which may be gone; NULL: any. */
    uint32_t types;        /**< Bit of each enum lw_anomaly_type wanted; 0: any. */
    bool open_only;
    int64_t from_ns, to_ns; /**< Those that overlap from_ns <= time < to_ns; INT64_MIN and
                               INT64_MAX: all. */
};
/** Those, newest first, at most capacity; returns how many were filled. */
LW_API size_t lw_engine_find_anomalies(struct lw_engine *engine,
                                       const struct lw_anomaly_query *query,
                                       struct lw_anomaly_view *ret_anomalies, size_t capacity);
/** The newest change of any anomaly so far. */
LW_API uint64_t lw_engine_change(struct lw_engine *engine);
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

/** What is in a file of lw_engine_save(). */
struct lw_savepoint_info {
    uint32_t version; /**< Of its format. */
    uint32_t detectors, entities;
    uint64_t bytes;
    uint64_t digest; /**< Of the entities, in whatever order: equal states have equal ones. */
};

/**
 * Prove a file of lw_engine_save() whole, without the detectors that it belongs to.
 *
 * @return LW_OK; LW_ENOTFOUND; LW_EFORMAT: torn or changed; LW_EVERSION: the format before the two
 * oldest that are read, or a newer one; LW_EIO; LW_ENOMEM. Any thread.
 */
LW_API enum lw_status lw_savepoint_check(const char *path, struct lw_savepoint_info *ret_info,
                                         struct lw_error *reterr) LW_MUST_USE;

/* ---- the outbox: what sinks have yet to be told ---- */

/** Sinks an engine knows, those that are gone and still have something to be told among them. */
#define LW_SINKS_MAX 32
/** Bytes of a reason, the terminator among them. */
#define LW_REASON_MAX 192

/** What a sink asks of the outbox. Zero-initialise and set what matters. */
struct lw_outbox_options {
    int64_t resend_ns;  /**< An open anomaly is told again so long after it was last delivered; 0:
                           never. */
    int64_t max_age_ns; /**< An event that fails when it is older becomes a dead letter; 0: one day.
                         */
    double rate;        /**< Events a second; 0: 10. More wait. */
    double burst;       /**< Events at once after a pause; 0: 100. At least 1. */
    uint32_t dead_letters_max; /**< Kept; beyond them the oldest go, counted. 0: 10,000. */
};

/**
 * Open the outbox: from here on every anomaly that opens or closes is kept until each sink has
 * been told. To be called once, before anything is fed. Of an anomaly that opened before, only the
 * end is told.
 *
 * @param engine  Fresh. An engine whose outbox was never opened keeps nothing for sinks.
 * @param folder  Of the outbox; made when it is not there. NULL: in memory, gone with the engine.
 * @param reterr  Filled on failure; may be NULL.
 * @return LW_OK; LW_EEXIST when it is open already; LW_EIO; LW_EFORMAT or LW_EVERSION for a folder
 * this program cannot read; LW_ENOMEM.
 *
 * Events are recognised by the anomaly's id and whether it opened or closed: what is recorded a
 * second time, as when a journal is replayed, is not told a second time.
 */
LW_API enum lw_status lw_engine_open_outbox(struct lw_engine *engine, const char *folder,
                                            struct lw_error *reterr) LW_MUST_USE;

/**
 * A sink of that name is there. A new one is told of the anomalies that are open and of all that
 * comes; one known from before goes on where it was, and whatever was on its way is told again.
 *
 * @param name     Shorter than LW_SHORT_NAME_MAX.
 * @param options  Borrowed.
 * @return LW_OK; LW_EINVAL for an option below 0 or a name too long or empty; LW_ENOTFOUND when
 * the outbox is not open; LW_ELIMIT beyond LW_SINKS_MAX; LW_EIO; LW_ENOMEM.
 */
LW_API enum lw_status lw_engine_open_sink(struct lw_engine *engine, const char *name,
                                          const struct lw_outbox_options *options,
                                          struct lw_error *reterr) LW_MUST_USE;

/**
 * These are all sinks there are. Others are gone: they get no new events, and what they have not
 * been told is kept for their max_age_ns, should they come back, then dropped.
 *
 * @param names  const char *[n]; names that are not known change nothing.
 */
LW_API enum lw_status lw_engine_keep_sinks(struct lw_engine *engine, const char *const *names,
                                           size_t n, struct lw_error *reterr) LW_MUST_USE;

/** One event to be told. */
struct lw_outbox_event {
    uint64_t key;                   /**< Grows in the order of events; the same at each attempt. */
    uint32_t attempt;               /**< From 1; counts from anew after a restart. */
    bool resend;                    /**< It was delivered before. */
    struct lw_anomaly_view anomaly; /**< phase says whether it opened or closed; entity_number is
                                       UINT32_MAX when the entity is gone. */
};

/** What lw_engine_take_events() is asked for. */
struct lw_outbox_request {
    const char *sink;
    int64_t timeout_ns; /**< Waits so long when nothing is due; 0: does not wait. */
    size_t capacity;    /**< Events at once at most. */
};

/**
 * Take the events of one sink that are due, oldest first; they are on their way until reported. The
 * end of an anomaly is not handed out before its beginning is off the list.
 *
 * @param request     Borrowed.
 * @param ret_events  struct lw_outbox_event[request->capacity].
 * @param ret_n       0 after the time-out, or after lw_engine_wake_sink().
 * @return LW_OK; LW_ENOTFOUND when there is no such sink; LW_EIO, LW_ENOMEM: nothing is taken.
 *
 * Threads One a sink.
 */
LW_API enum lw_status lw_engine_take_events(struct lw_engine *engine,
                                            const struct lw_outbox_request *request,
                                            struct lw_outbox_event *ret_events, size_t *ret_n,
                                            struct lw_error *reterr) LW_MUST_USE;

/** Ends a wait of lw_engine_take_events(), or the next one. Any thread. */
LW_API void lw_engine_wake_sink(struct lw_engine *engine, const char *sink);

enum lw_outbox_answer {
    LW_OUTBOX_DELIVERED = 0,
    LW_OUTBOX_RETRY = 1,  /**< Again later. */
    LW_OUTBOX_REFUSED = 2 /**< Never: a dead letter. */
};

/** What came of one event. */
struct lw_outbox_result {
    uint64_t key; /**< As taken; one that is not on its way any more is passed over. */
    enum lw_outbox_answer answer;
    int64_t retry_after_ns; /**< The other side asked for so much rest, for all events; 0: it did
                               not. At most an hour counts. */
    char reason[LW_REASON_MAX]; /**< For people; "" when delivered. */
};

/**
 * Say what came of events. What is to be retried waits a random time below a bound that doubles
 * with each attempt from 1 s to 5 min, and so does the whole sink while nothing can be delivered.
 *
 * @return LW_OK; LW_ENOTFOUND when there is no such sink. When the disk fails, what was delivered
 * is not told again before a restart.
 */
LW_API enum lw_status lw_engine_report_events(struct lw_engine *engine, const char *sink,
                                              const struct lw_outbox_result *results, size_t n,
                                              struct lw_error *reterr) LW_MUST_USE;

/** How a sink does. Counters are of this process. */
struct lw_sink_view {
    char name[LW_NAME_MAX];
    bool gone;               /**< Not configured any more. */
    bool up;                 /**< The last attempt reached it; true before the first. */
    uint64_t pending;        /**< Events it has yet to be told. */
    int64_t oldest_ns;       /**< Age of the oldest of them; 0: none. */
    uint64_t delivered;      /**< Tellings that were taken, repeats of open anomalies among them. */
    uint64_t retried;        /**< Attempts that have to be made again. */
    uint64_t dead;           /**< Events that became dead letters. */
    uint64_t dead_kept;      /**< Dead letters there now, */
    uint64_t dead_dropped;   /**< and those dropped for want of room or because it was gone. */
    uint64_t open;           /**< Open anomalies that are told again now and then. */
    int64_t last_success_ns; /**< Real time; INT64_MIN: never in this process. */
    char last_error[LW_REASON_MAX]; /**< Of the last attempt that failed; "": none. */
};
/** Fills at most capacity sinks in the order they came to be; returns how many there are. */
LW_API size_t lw_engine_sinks(struct lw_engine *engine, struct lw_sink_view *ret_sinks,
                              size_t capacity);

/** An event that a sink will not be told, unless somebody asks for it. */
struct lw_dead_letter {
    uint64_t key;
    int64_t time_ns; /**< Real time of its death. */
    uint32_t attempts;
    char reason[LW_REASON_MAX];
    struct lw_anomaly_view anomaly;
};
/** Which of them. */
struct lw_outbox_search {
    const char *sink;
    uint64_t from;   /**< The lowest key wanted. */
    size_t capacity; /**< At most so many. */
};
/** Dead letters of a sink by ascending key, into struct lw_dead_letter[search->capacity].
 * LW_ENOTFOUND: no such sink; LW_EIO. */
LW_API enum lw_status lw_engine_dead_letters(struct lw_engine *engine,
                                             const struct lw_outbox_search *search,
                                             struct lw_dead_letter *ret_letters, size_t *ret_n,
                                             struct lw_error *reterr) LW_MUST_USE;
/** Tell one dead letter (key; 0: all) to the sink after all, as if it had just come in. *ret_n: how
 * many. LW_ENOTFOUND: no such sink or letter; LW_EIO; LW_ENOMEM. */
LW_API enum lw_status lw_engine_replay_dead_letters(struct lw_engine *engine, const char *sink,
                                                    uint64_t key, size_t *ret_n,
                                                    struct lw_error *reterr) LW_MUST_USE;
/** Forget one dead letter (key; 0: all). As lw_engine_replay_dead_letters(). */
LW_API enum lw_status lw_engine_drop_dead_letters(struct lw_engine *engine, const char *sink,
                                                  uint64_t key, size_t *ret_n,
                                                  struct lw_error *reterr) LW_MUST_USE;

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
