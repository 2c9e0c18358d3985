/*
 * Durability of an engine: every call of a feed is a record of the journal, and snapshots say where
 * replaying may begin.
 *
 * The router appends a record before it acts on it, under engine->route, so the journal holds the
 * input in the order that decides what is computed. What depends on many entities at once, and so
 * could not be computed again from entities that stand at different places, is written down with
 * its outcome.
 */
#ifndef LW_ENGINE_STATE_DURABLE_H
#define LW_ENGINE_STATE_DURABLE_H

#include "engine/core.h"
#include "lapwing/state.h"
#include "store/journal.h"
#include "store/snapshot.h"

#include <limits.h>

/* Types of records. Their numbers are part of the format. */
enum lw_record_type {
    LW_RECORD_FEED = 1,      /* u16 number, name */
    LW_RECORD_SERIES = 2,    /* u32 number, canonical text */
    LW_RECORD_POINTS = 3,    /* lw_points_write() */
    LW_RECORD_WATERMARK = 4, /* u16 feed, i64 time */
    LW_RECORD_TAIL = 5,      /* name and hash of a detector, its points so far, its pooled tail */
    LW_RECORD_CLOCK = 6,     /* i64 real time: now and then, to know how long nobody listened */
    LW_RECORD_RESUME = 7,    /* Nobody listened for a while. */
    LW_RECORD_FINISH = 8,    /* The input is complete. */
    LW_RECORD_LOST = 9,      /* u64 number: in place of a damaged one; snapshots from this number on
                                can do without it. */
    LW_RECORD_EXPIRE = 10,   /* u32 number of entities, then detector and name of each */
    LW_RECORD_INHERIT = 11, /* names of detector, entity and donor, the bytes the entity starts with
                             */
    LW_RECORD_TIER = 12     /* u8 tier, u32 number of entities, then detector and name of each */
};

/* A pooled tail that the journal holds, for replaying. */
struct durable_tail {
    uint64_t sequence;
    size_t at, n_bytes; /* Within lw_durable.tails. */
};

struct lw_durable {
    struct lw_engine *engine;
    const struct lw_io *io;
    int64_t (*real_ns)(void *context);
    void *real_context;
    struct lw_state_config config; /* Its texts point into this struct. */
    char dir[PATH_MAX], journal_dir[PATH_MAX], snapshot_dir[PATH_MAX];
    struct lw_journal_config journal_config;
    struct lw_snapshot_config snapshot_config;
    struct lw_journal *journal;
    struct lw_archive *archive; /* The history; NULL while there is no journal. */

    /* Under engine->route. */
    struct lw_writer record; /* The one being made. */
    int64_t clock_ns;        /* Of the newest LW_RECORD_CLOCK. */
    uint64_t n_points;       /* Journaled since the last snapshot began. */
    uint64_t n_journaled;    /* Since the state was opened. */
    struct lw_writer tails;  /* While replaying: bytes of LW_RECORD_TAIL. */
    struct durable_tail *tail_list;
    size_t n_tails;
    uint64_t stands_at; /* The journal must reach up to here: an entity of the snapshot stands
                           there. */

    /* The threads. */
    pthread_mutex_t lock; /* Guards what follows; a leaf. */
    pthread_cond_t wake_syncer, wake_checkpointer;
    pthread_t syncer, checkpointer, archivist;
    bool has_syncer, has_checkpointer, has_archivist, stop, wanted;
    uint64_t archive_failures;
    uint64_t trimmed;        /* The syncing thread's: the journal was trimmed up to it. */
    uint64_t trim_before;    /* Records before it are in every snapshot that is kept; 0: none. */
    struct lw_error failure; /* Why the state is read-only, or the last checkpoint failed. */
    bool checkpoint_failed;
    atomic_bool read_only; /* Also read without the lock. */
    atomic_bool syncer_waits;
    _Atomic uint64_t durable; /* Every record up to it is on the disk. */
    struct lw_state_totals totals;

    pthread_mutex_t checkpoint_lock; /* One checkpoint at a time; taken before engine->route. */
};

/*
 * Records of what the router is about to do. All under engine->route; without a journal, or while
 * it is replayed, they do nothing. LW_EBUSY: the state is read-only, and nothing may be done;
 * LW_ENOMEM.
 */
enum lw_status lw_durable_feed(struct lw_engine *engine,
                               const struct engine_feed *feed) LW_MUST_USE;
enum lw_status lw_durable_series(struct lw_engine *engine, uint32_t series,
                                 const char *text) LW_MUST_USE;
enum lw_status lw_durable_points(struct lw_engine *engine, struct engine_feed *feed,
                                 const struct lw_point *points, size_t n) LW_MUST_USE;
enum lw_status lw_durable_watermark(struct lw_engine *engine, struct engine_feed *feed,
                                    int64_t time_ns) LW_MUST_USE;
/* A record that its maker fills: *ret_record is empty, or NULL where none is kept; then append it.
 */
enum lw_status lw_durable_begin(struct lw_engine *engine,
                                struct lw_writer **ret_record) LW_MUST_USE;
enum lw_status lw_durable_append(struct lw_engine *engine, enum lw_record_type type) LW_MUST_USE;
/* A record that is its type alone. */
enum lw_status lw_durable_mark(struct lw_engine *engine, enum lw_record_type type) LW_MUST_USE;
/* After the fact: the tail has been pooled. Waits for room if need be, since the points are
 * journaled. */
void lw_durable_tail(struct lw_engine *engine, uint32_t detector);
/* While replaying: takes up the tail that was pooled at this place; false when the journal has
 * none. */
bool lw_durable_tail_replay(struct lw_engine *engine, uint32_t detector);

/* durable_records.c: points as they lie in a record. */
void lw_points_write(struct lw_writer *writer, uint16_t feed, const struct lw_point *points,
                     size_t n);
/* Reads them piece by piece: opens, then fills up to capacity points a call; 0 at the end. */
struct lw_points_reader {
    struct lw_reader reader;
    uint16_t feed;
    uint8_t flags;
    uint32_t n_left, series;
    int64_t time_ns;
};
enum lw_status lw_points_open(struct lw_points_reader *points, const void *bytes, size_t n_bytes,
                              struct lw_error *reterr) LW_MUST_USE;
size_t lw_points_read(struct lw_points_reader *points, struct lw_point *ret_points,
                      size_t capacity);
/* The same without tags and flags, for the history. */
struct lw_history_input;
size_t lw_points_take(struct lw_points_reader *points, struct lw_history_input *ret_points,
                      size_t capacity);

/* recover.c: the newest snapshot, and the journal behind it. */
enum lw_status lw_durable_recover(struct lw_durable *durable, struct lw_state_report *ret_report,
                                  struct lw_error *reterr) LW_MUST_USE;
/* durable.c: stops the threads, syncs once more, frees; takes NULL. */
void lw_durable_destroy(struct lw_durable *durable);
/* The state became read-only, or well again. */
void lw_durable_outcome(struct lw_durable *durable, enum lw_status status,
                        const struct lw_error *error);

#endif
