/*
 * The outbox: every anomaly that opens or closes, kept until each sink has been told.
 *
 *     shards ──record──▶ queue ──thread──▶ keyed store ──take──▶ a sink's thread ──report──┐
 *     (memory, bounded)         (one batch an event)   ◀────────────────────────────────────┘
 *
 * A shard only copies the event into the queue. A thread of the outbox writes each to the store,
 * in one batch: a mark that it was recorded, one copy for each sink, and what is open. So a sink
 * that is slow or down costs nobody anything but its own copies.
 *
 * What survives. A written event survives the end of the process; lw_outbox_sync() makes it survive
 * the machine's, and belongs before a snapshot is published: events after the newest snapshot come
 * again when the journal is replayed. The mark (anomaly id and phase) recognises them, delivered or
 * not, so nothing is told twice; lw_outbox_trim() forgets the marks that no replay can ask for. A
 * delivery whose report did not reach the disk is told again with the same id.
 *
 * Locks: queue_lock, the queue alone; lock, the sinks and what waits for them, held while single
 * events are read and written. Neither is held while a sink is told. A shard takes queue_lock only,
 * and waits only while LW_OUTBOX_QUEUE_BYTES
 * are not on the disk yet.
 */
#ifndef LW_ENGINE_OUTBOX_OUTBOX_H
#define LW_ENGINE_OUTBOX_OUTBOX_H

#include "lapwing/engine.h"

/* Events in memory that wait for the disk, about 100,000; then the shards wait too. Twice that
 * while the thread works on what it took over. */
#define LW_OUTBOX_QUEUE_BYTES ((size_t)64 << 20)
/* Bounds of the random delay before an attempt: the first, and what doubling ends at. */
#define LW_OUTBOX_BACKOFF_FIRST_NS INT64_C(1000000000)
#define LW_OUTBOX_BACKOFF_LAST_NS INT64_C(300000000000)
/* What a sink may ask for by "retry after". */
#define LW_OUTBOX_RETRY_AFTER_MAX_NS INT64_C(3600000000000)

struct lw_outbox;

struct lw_outbox_config {
    const char *folder;            /* NULL: in memory. */
    int64_t (*real_ns)(void);      /* Ages across restarts; NULL: lw_clock_real_ns(). */
    int64_t (*monotonic_ns)(void); /* Schedules; NULL: lw_clock_monotonic_ns(). */
    uint64_t seed;                 /* Of the delays; 0: from the clock. */
    size_t queue_bytes;            /* 0: LW_OUTBOX_QUEUE_BYTES. */
};

enum lw_status lw_outbox_create(const struct lw_outbox_config *config,
                                struct lw_outbox **ret_outbox, struct lw_error *reterr) LW_MUST_USE;
/* Writes what is in the queue as far as the disk allows; takes NULL. */
void lw_outbox_destroy(struct lw_outbox *outbox);

/* ---- the engine's side ---- */

/*
 * An anomaly changed: opened and closed are kept, updates passed over. `sequence`: the journal's
 * record that it came of, or a later one; 0 without a journal. Takes a NULL outbox. Any thread.
 */
void lw_outbox_record(struct lw_outbox *outbox, const struct lw_anomaly_view *view,
                      uint64_t sequence);
/* Waits until all recorded before the call is on the disk. LW_EIO: it is not, as the disk fails.
 * Takes a NULL outbox. Any thread. */
enum lw_status lw_outbox_sync(struct lw_outbox *outbox, struct lw_error *reterr) LW_MUST_USE;
/* No record before `sequence` will be replayed any more: marks of older events go. Takes a NULL
 * outbox. */
enum lw_status lw_outbox_trim(struct lw_outbox *outbox, uint64_t sequence,
                              struct lw_error *reterr) LW_MUST_USE;
/*
 * After a recovery: anomalies that are open here and nowhere else (their detector is gone, their
 * entity was left out) end. `is_open` is asked for each id. Takes a NULL outbox.
 */
enum lw_status lw_outbox_settle(struct lw_outbox *outbox,
                                bool (*is_open)(void *context, uint64_t id), void *context,
                                uint64_t sequence, struct lw_error *reterr) LW_MUST_USE;
/* The same, asking the engine; its shards are drained and its feeds silent. Takes one without
 * outbox. */
enum lw_status lw_outbox_settle_engine(struct lw_engine *engine,
                                       struct lw_error *reterr) LW_MUST_USE;
/* Events cannot be written now. Takes a NULL outbox. Any thread. */
bool lw_outbox_degraded(struct lw_outbox *outbox);

/* ---- the sinks' side: see the functions of lapwing/engine.h that they are behind ---- */

enum lw_status lw_outbox_open_sink(struct lw_outbox *outbox, const char *name,
                                   const struct lw_outbox_options *options,
                                   struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_outbox_keep_sinks(struct lw_outbox *outbox, const char *const *names, size_t n,
                                    struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_outbox_take(struct lw_outbox *outbox, const struct lw_outbox_request *request,
                              struct lw_outbox_event *ret_events, size_t *ret_n,
                              struct lw_error *reterr) LW_MUST_USE;
void lw_outbox_wake(struct lw_outbox *outbox, const char *sink);
enum lw_status lw_outbox_report(struct lw_outbox *outbox, const char *sink,
                                const struct lw_outbox_result *results, size_t n,
                                struct lw_error *reterr) LW_MUST_USE;
size_t lw_outbox_sinks(struct lw_outbox *outbox, struct lw_sink_view *ret_sinks, size_t capacity);
enum lw_status lw_outbox_dead_letters(struct lw_outbox *outbox,
                                      const struct lw_outbox_search *search,
                                      struct lw_dead_letter *ret_letters, size_t *ret_n,
                                      struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_outbox_replay(struct lw_outbox *outbox, const char *sink, uint64_t key,
                                size_t *ret_n, struct lw_error *reterr) LW_MUST_USE;
enum lw_status lw_outbox_drop(struct lw_outbox *outbox, const char *sink, uint64_t key,
                              size_t *ret_n, struct lw_error *reterr) LW_MUST_USE;
/* The random delay before attempt n + 1 after n >= 1 failed: in [0, min(1 s * 2^(n-1), 5 min)]. */
struct lw_rng;
int64_t lw_outbox_backoff(struct lw_rng *rng, uint32_t n_failed);

#endif
