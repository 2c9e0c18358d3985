/*
 * What the engine's files share: the router's tables, the shards and what they own.
 *
 * Locks, in the order they are taken:
 *
 *   engine->route      the router: tables of series and entities, detectors, feeds. Held by a
 *                      feed's call and by set-up.
 *   shard->turn        whose turn the next is: taken before shard->lock by the shard's thread and
 *                      by queries (lw_shard_enter), which therefore wait for one batch at most.
 *   shard->lock        the shard's entities, history and pool. Held by its thread while it works on
 *                      a batch, and by queries, for about a millisecond at most and never with
 *                      engine->route.
 *   shard->queue_lock  the queue alone; never held while another lock is taken.
 *   engine->ring_lock  the ring of anomalies; a leaf.
 *
 * A shard works behind the router by as much as its queue holds. Whatever changes an entity from
 * outside (a new series, another detector) therefore waits for the shard first: else the place in
 * the input at which it happens would be chance.
 */
#ifndef LW_ENGINE_CORE_H
#define LW_ENGINE_CORE_H

#include "base/bytes.h"
#include "base/intern.h"
#include "detect/tail.h"
#include "engine/operator/detector.h"
#include "engine/operator/entity.h"
#include "engine/operator/pool.h"
#include "lapwing/engine.h"

#include <pthread.h>
#include <stdatomic.h>

#define BATCH_ITEMS 1024
#define QUEUE_BATCHES 64
#define FEEDS_MAX 64
#define LW_IDLE_MAX 256
#define REASONS_MAX 16
/* Counters by enum lw_anomaly_type. */
#define LW_ENGINE_TYPES 16
/* An hour of event time, before which no alarm rate is shown. */
#define RATE_AFTER_NS INT64_C(3600000000000)

enum item_kind {
    ITEM_POINT,     /* A sample of entity/series. */
    ITEM_ROW_POINT, /* A cell of a row, held until ITEM_ROW_END. */
    ITEM_ROW_END,   /* Of feed `feed`. */
    ITEM_WATERMARK, /* Of feed `feed`; INT64_MIN: what it delivered so far is complete. */
    ITEM_SHARING,   /* `tag` series share the budget of detector `series`. */
    ITEM_FINISH,    /* Close everything. */
    ITEM_RESUME,    /* Nobody listened for a while: all feeds begin anew. */
    ITEM_SEQUENCE,  /* While replaying: what follows belongs to record `tag` of the journal. */
    ITEM_SNAPSHOT   /* Write down some entities, as they stand before record `tag`. */
};

struct engine_entity;

struct item {
    struct engine_entity *entity;
    uint16_t kind; /* enum item_kind */
    uint16_t feed;
    uint32_t series;
    int64_t time_ns;
    double value;
    uint64_t tag;
};

struct batch {
    int64_t pushed_ns; /* Monotonic: when the router handed it over. */
    uint64_t sequence; /* Of the newest record of the journal that it has items of; 0: none is kept.
                        */
    size_t n_items;
    struct item items[BATCH_ITEMS];
};

/* Newest steps of one series. */
struct history {
    uint32_t next, n_points;
    struct lw_history_point points[]; /* engine->history_steps of them. */
};

/* One entity as the engine sees it; its operator state belongs to the shard. */
struct engine_entity {
    uint32_t number, detector;
    struct shard *shard;
    struct lw_entity *entity;
    struct history **histories; /* By series; NULL where there is none. */
    uint32_t n_histories;
    bool gathering;    /* In shard->gathering, */
    bool touched;      /* in shard->touched, */
    bool untold;       /* in shard->untold. */
    int64_t due_ns;    /* Nothing closes before this event time; INT64_MIN: not known, `touched`. */
    uint32_t due_at;   /* Its place in shard->due, from 1; 0: none. */
    int64_t passed_ns; /* Event time that the entity has yet to be told, beside what its feeds say
                          now; INT64_MIN: none. */
    uint64_t fed_by;   /* Bit of each feed that has delivered to it ... */
    uint64_t told_by;  /* ... and of those that have told a watermark since. */
    uint64_t stands_at;    /* Its state came from a snapshot, before this record of the journal. */
    uint32_t *opened;      /* Anomalies opened by enum lw_anomaly_type; NULL before the first. */
    struct lw_sample *row; /* Cells of the row being gathered. */
    uint32_t n_row, row_capacity;
    uint64_t row_tag;
    uint64_t open_anomaly; /* Id; 0: none. */
    uint16_t row_feed;
    bool leaving;       /* lw_registry_drop_leaving() takes it. */
    uint32_t n_counted; /* Series below were counted among those that share the budget when the
                           entity was taken from a file; others are when a target leads to them. */
    int64_t unfed_ns; /* Event time when it was first seen without a sample; INT64_MIN: not yet. */
    int64_t alarmed_ns; /* Event time when its newest anomaly opened, as far as this process knows;
                           INT64_MIN: never. */
    uint64_t family;    /* Hash of detector and family (identity.h); 0: none. */
    struct engine_entity *next_kin, **kin_link;
};

/* Memory of an entity beside its state and its rings of history. */
static inline size_t lw_owner_bytes(const struct engine_entity *owner)
{
    return sizeof(*owner) + owner->n_histories * sizeof(struct history *) +
           owner->row_capacity * sizeof(struct lw_sample);
}

/* An entity to be asked at an event time. */
struct due_entry {
    int64_t due_ns;
    struct engine_entity *owner;
};

struct shard {
    struct lw_engine *engine;
    uint32_t number;
    pthread_t thread;
    bool started;
    pthread_mutex_t turn, lock;
    struct lw_pool *pool;
    struct engine_entity **entities;
    size_t n_entities, entities_capacity;
    uint64_t n_drops; /* How often entities were dropped; changed under engine->route and lock. */
    struct engine_entity **gathering; /* Entities with a row that has not ended. */
    size_t n_gathering, gathering_capacity;
    struct engine_entity **touched; /* Entities that got a sample since they were last asked. */
    size_t n_touched, touched_capacity;
    struct engine_entity **untold; /* Entities some feed of which has told no watermark since. */
    size_t n_untold, untold_capacity;
    struct due_entry *due; /* A heap, the earliest first: entities that are due some time, at due_ns
                              or before. */
    size_t n_due, due_capacity;
    int64_t feed_ns[FEEDS_MAX]; /* Newest watermark of each feed; INT64_MIN: none. */
    uint64_t sequence;          /* Of the record being worked on: exact while replaying, else that
                                   of the batch's newest. */
    bool replaying;             /* Records that an entity's state holds already are skipped. */
    struct lw_writer snapshot;  /* What ITEM_SNAPSHOT wrote, */
    size_t snapshot_next;       /* the entity it goes on at, */
    size_t snapshot_limit;      /* the number from which on entities are too young, */
    enum lw_status snapshot_status; /* and what came of it. */
    uint64_t n_snapshots;           /* How many of these items were worked on. */
    int64_t longest_snapshot_ns;    /* Monotonic time that the longest of them took. */
    struct lw_sink sink;
    size_t look_next;           /* Where the search for idle entities goes on (expire.h), */
    int64_t look_ns;            /* and the event time at which its round began. */
    uint32_t idle[LW_IDLE_MAX]; /* Numbers of entities it found, */
    atomic_uint n_idle;         /* to be taken by the router. */

    pthread_mutex_t queue_lock;
    pthread_cond_t filled, drained;
    struct batch *queue[QUEUE_BATCHES];
    size_t head, n_queued;
    uint64_t told_in;      /* The batch with the newest item about all entities. */
    uint64_t n_handed;     /* Batches handed over so far, under engine->route ... */
    atomic_ulong n_done;   /* ... and worked on. */
    atomic_uint n_waiting; /* n_queued, to be looked at without the lock. */
    bool busy, stop;
    struct batch *spare[QUEUE_BATCHES + 2]; /* Batches not in use. */
    size_t n_spare;
    struct batch *building; /* The router's, under engine->route. */

    /* Totals, under lock. */
    uint64_t anomalies_open;
    uint64_t gone_by_type[LW_ENGINE_TYPES]; /* Anomalies opened by entities that were dropped. */
    uint64_t verdicts;                      /* Of this process. */
    uint64_t cells_refused; /* Of rows that held a series more often than there was room for. */
    struct lw_entity_counts gone; /* Of entities that were dropped. */
    uint64_t trainings_failed;    /* Of entities that were dropped. */
    int64_t first_ns, last_ns;    /* Event time covered by verdicts. */
    uint64_t delays[LW_ENGINE_DELAYS];
    double delay_sum_s;
};

/* Where points of one engine series go: one for each detector that takes it. All that the router
 * needs, so that it touches no entity. */
struct target {
    struct engine_entity *entity; /* NULL: it has expired, and a sample brings it back. */
    uint32_t number;              /* Of the entity. */
    uint32_t series;
    uint32_t next; /* Index of the next target of the same series; UINT32_MAX ends the chain. */
    uint16_t shard;
    uint8_t detector;
    bool row; /* Its steps are rows. */
};

/* What is not needed for every point of a target. */
struct target_owner {
    uint32_t series; /* Of the engine. */
    uint32_t next; /* Target of the same entity, of a smaller series; UINT32_MAX ends the chain. */
};

struct engine_detector {
    struct lw_detector *detector; /* NULL: the place is free. */
    uint64_t n_series;            /* Watched ones: those that share its alarm budget. */
    uint64_t n_points;            /* Routed to it so far. */
    struct lw_tail tail;          /* Read by the shards; written only while they are drained. */
};

struct engine_feed {
    struct lw_engine *engine;
    uint32_t number;
    char source[LW_SHORT_NAME_MAX];
    uint64_t samples;
    int64_t watermark_ns;      /* The furthest told, */
    int64_t told_ns;           /* and the newest. INT64_MIN: none. */
    _Atomic uint64_t position; /* Of its newest record in the journal. Also read without a lock. */
    uint64_t row_shards;       /* Bit of each shard with cells of the row that has not ended. */
    uint32_t n_reasons;
    struct {
        char reason[48];
        uint64_t n;
    } dropped[REASONS_MAX];
};

struct anomaly_slot {
    bool used;
    struct lw_anomaly_view view;
};

struct lw_engine {
    uint32_t n_shards, history_steps;
    size_t history_bytes; /* Bound. */
    atomic_size_t history_used;
    struct lw_listener listener;

    pthread_mutex_t route;
    struct shard *shards;
    struct lw_trainer *trainer; /* Outlives the shards' pools. */
    struct engine_detector detectors[LW_ENGINE_DETECTORS_MAX];
    struct engine_feed feeds[FEEDS_MAX];
    uint32_t n_feeds;
    struct lw_intern *series_names; /* Canonical series text -> series number. */
    struct lw_intern *entity_names; /* Detector number and entity name -> entity number. */
    uint32_t *first_target;         /* By series number. */
    size_t n_series, series_capacity;
    struct target *targets;
    size_t n_targets, targets_capacity;
    uint32_t free_target;               /* Chain of places not in use; UINT32_MAX ends it. */
    struct target_owner *target_owners; /* By target. */
    size_t target_owners_capacity;
    uint32_t *own_targets; /* By entity number: the first of its targets. Stays while it is gone. */
    size_t own_targets_capacity, n_own_targets;
    uint64_t *gone; /* Bit of each entity number: it has expired. */
    size_t gone_capacity;
    uint64_t n_gone, n_expired; /* Gone now; expired in this process. */
    int64_t expire_least_ns;    /* Of all detectors; 0: none expires. Written while drained. */
    bool restoring;             /* Series are named as of a snapshot. */
    bool snapshotting;          /* No decision is taken while entities are written down. */
    struct engine_entity **kin; /* Buckets of chains, by family (identity.h). */
    size_t n_kin_buckets, n_kin;
    uint64_t n_inherited;      /* Entities that began with another's state, in this process. */
    size_t memory_limit;       /* 0: none. */
    size_t history_limit;      /* As configured; history_bytes may be less. */
    bool refuses;              /* New series, for want of memory. */
    atomic_size_t owner_bytes; /* Of struct engine_entity and what hangs on it but its state. */
    uint64_t series_refused_memory;
    struct engine_entity **entities; /* By number. */
    uint64_t *handed;                /* By the same: the batch of its shard with its newest item. */
    size_t n_entities, entities_capacity, handed_capacity;
    uint64_t unmatched, series_refused;

    pthread_mutex_t ring_lock;
    struct anomaly_slot *ring; /* LW_ENGINE_ANOMALIES_KEPT */
    size_t ring_next;
    uint64_t ring_made; /* Places given out so far. */
    uint64_t change;
    int64_t saved_ns; /* Of the last good save; INT64_MIN: none. These two under ring_lock. */
    bool state_degraded;
    struct lw_outbox *outbox;       /* What sinks have yet to be told; NULL: nothing is kept. */
    struct lw_directory *directory; /* What searches look into. */
    struct lw_durable *durable;     /* Journal and snapshots; NULL: none are kept. */
    uint64_t sequence;              /* Of the newest record, under route; 0: none. */
    bool replaying;                 /* Under route: what is routed comes from the journal. */
};

/* engine.c: hand over and wait until every shard is idle. Caller holds engine->route. */
void lw_engine_drain(struct lw_engine *engine);
/* Shards of an engine that is not told how many: one a processor. */
uint32_t lw_engine_processors(void);
/* The detector of that name, or UINT32_MAX. Caller holds engine->route. */
uint32_t lw_engine_find_detector(const struct lw_engine *engine, const char *name);

/* What a feed's calls do once they are written down; shared with the journal's replay. All under
 * engine->route, without handing over. */
void lw_engine_route(struct lw_engine *engine, struct engine_feed *feed,
                     const struct lw_point *points, size_t n);
void lw_engine_tell(struct lw_engine *engine, struct engine_feed *feed, int64_t time_ns);
void lw_engine_resume(struct lw_engine *engine);
void lw_engine_end(struct lw_engine *engine);
/* The feed of that name, made when there is none; NULL when there are too many. */
struct engine_feed *lw_engine_add_feed(struct lw_engine *engine, const char *source);

/* shard.c */
enum lw_status lw_shard_start(struct shard *shard, struct lw_engine *engine, uint32_t number,
                              struct lw_error *reterr) LW_MUST_USE;
void lw_shard_stop(struct shard *shard);
/* Append one item for the shard's thread; waits while its queue is full. Caller holds
 * engine->route. */
void lw_shard_append(struct shard *shard, const struct item *item);
/* Hand over what was appended so far. Caller holds engine->route. */
void lw_shard_submit(struct shard *shard);
/* Hand over and wait until the queue is empty and the thread idle. Caller holds engine->route. */
void lw_shard_drain(struct shard *shard);
/* Take shard->lock when the batch at hand is done, and give it back. For queries, which hold no
 * other lock. */
void lw_shard_enter(struct shard *shard);
void lw_shard_leave(struct shard *shard);
/* Tell an entity the event time it was spared; closes nothing. Caller holds shard->lock. */
void lw_shard_catch_up(struct engine_entity *entity);

/* Wait until what was given to an entity so far is worked on. Caller holds engine->route. */
void lw_shard_drain_entity(const struct engine_entity *owner);

/* Grows an array of items by doubling so that index n fits; keeps what is there. False: no memory.
 */
bool lw_array_room(void **array, size_t *capacity, size_t n, size_t item_bytes);

/* registry.c: who is who. Callers hold engine->route. */
enum lw_status lw_registry_series(struct lw_engine *engine, const struct lw_series_key *key,
                                  uint32_t *ret_series, struct lw_error *reterr) LW_MUST_USE;
/* Takes up an entity from a file; it is the registry's only on LW_OK. LW_EFORMAT when there is one
 * of that name already. */
enum lw_status lw_registry_take(struct lw_engine *engine, uint32_t detector,
                                struct lw_entity *loaded, struct lw_error *reterr) LW_MUST_USE;
/* The same from a snapshot: the entity goes on sharing its budget as it was told. */
enum lw_status lw_registry_restore(struct lw_engine *engine, uint32_t detector,
                                   struct lw_entity *loaded, struct engine_entity **ret_owner,
                                   struct lw_error *reterr) LW_MUST_USE;
/* Gives an entity's name its number, ahead of the entity itself. */
enum lw_status lw_registry_number(struct lw_engine *engine, uint32_t detector, const char *name,
                                  uint32_t *ret_number, struct lw_error *reterr) LW_MUST_USE;
/* The number of a series whose canonical text is known. As lw_registry_series(), uncounted. */
struct lw_series_name;
enum lw_status lw_registry_name(struct lw_engine *engine, const struct lw_series_name *name,
                                const char *text, uint32_t *ret_series,
                                struct lw_error *reterr) LW_MUST_USE;
/* All entities are taken up: tell them how many share their budget. */
void lw_registry_taken(struct lw_engine *engine);
/* The entity of that name, or NULL. */
struct engine_entity *lw_registry_find(const struct lw_engine *engine, const char *detector,
                                       const char *name);
uint32_t lw_registry_shard(const struct lw_engine *engine, uint32_t detector, const char *name);
/* Forget every entity of a detector; the shards must be drained. `tell`: their open anomalies end
 * for the listener and the ring. */
void lw_registry_drop(struct lw_engine *engine, uint32_t detector, bool tell);
/* The same for entities of a shard that are `leaving`. Caller holds the shard's lock. */
void lw_registry_drop_leaving(struct shard *shard, bool tell);
/* An entity that has expired is there again, with all its series. The shards may be drained. */
enum lw_status lw_registry_revive(struct lw_engine *engine, uint32_t number,
                                  struct lw_error *reterr) LW_MUST_USE;
/* Another state in place of that of an entity that never had a sample; takes it over on LW_OK. */
enum lw_status lw_registry_replace(struct engine_entity *owner, struct lw_entity *heir,
                                   struct lw_error *reterr) LW_MUST_USE;
/* The number of series that share a detector's budget has changed. */
void lw_registry_tell_sharing(struct lw_engine *engine, uint32_t detector, uint64_t n_before);
/* Let the series known so far find a new detector. Only LW_ENOMEM is an error: a series it cannot
 * take is counted. */
enum lw_status lw_registry_adopt(struct lw_engine *engine, uint32_t detector,
                                 struct lw_error *reterr) LW_MUST_USE;

/* pooled_tail.c: one point more goes to a detector. Caller holds engine->route. */
void lw_pooled_tail_init(struct engine_detector *place);
void lw_pooled_tail_count(struct lw_engine *engine, uint32_t detector);
void lw_pooled_tail_save(const struct engine_detector *place, struct lw_writer *writer);
enum lw_status lw_pooled_tail_load(struct engine_detector *place, struct lw_reader *reader,
                                   struct lw_error *reterr) LW_MUST_USE;

/* history.c: all under the lock of the entity's shard. */
void lw_history_append(struct engine_entity *entity, const struct lw_verdict *verdict);
void lw_history_destroy(struct engine_entity *entity);
/* Its rings go; they come back when there is room. */
void lw_history_forget(struct engine_entity *entity);
/* Steps after since_ns, oldest first; returns how many. */
size_t lw_history_steps(const struct engine_entity *owner, uint32_t series, int64_t since_ns,
                        struct lw_history_point *ret_points, size_t capacity);

/* anomalies.c */
void lw_anomalies_record(struct engine_entity *entity, const struct lw_anomaly *anomaly);
/* The entity goes, and with it its open anomaly. */
void lw_anomalies_end(struct engine_entity *entity);
enum lw_status lw_anomalies_save(struct lw_engine *engine, struct lw_writer *writer) LW_MUST_USE;
/* After the entities were taken up. The ring changes on LW_OK only. */
enum lw_status lw_anomalies_load(struct lw_engine *engine, struct lw_reader *reader,
                                 struct lw_error *reterr) LW_MUST_USE;

#endif
