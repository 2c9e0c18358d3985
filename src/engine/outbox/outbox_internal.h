/* What the files behind engine/outbox/outbox.h share. */
#ifndef LW_ENGINE_OUTBOX_OUTBOX_INTERNAL_H
#define LW_ENGINE_OUTBOX_OUTBOX_INTERNAL_H

#include "base/bytes.h"
#include "base/rng.h"
#include "engine/outbox/outbox.h"
#include "store/keyed.h"

#include <pthread.h>
#include <stdbool.h>

/*
 * The keys. Numbers are big-endian, so that the store orders them.
 *
 *     v                    version of this layout, number of the next event
 *     k NAME               a sink: struct outbox_sink's lasting part
 *     p SINK(4) NUMBER(8)  an event that a sink has yet to be told
 *     d SINK(4) NUMBER(8)  a dead letter
 *     o ID(8)              an open anomaly: its first event
 *     m ID(8) PHASE(1)     the event was recorded; the journal's record it came of
 */
#define OUTBOX_VERSION 1
#define OUTBOX_KEY_BYTES (LW_SHORT_NAME_MAX + 16)

struct outbox_key {
    uint8_t bytes[OUTBOX_KEY_BYTES];
    size_t n;
};

/* What is known of an event without reading its anomaly. */
struct outbox_head {
    uint8_t phase;
    uint64_t id;
    uint64_t number; /* From 1. */
    uint64_t after;  /* Number of the anomaly's first event, when this is its end; 0: none. */
    int64_t real_ns; /* When it was recorded. */
};

enum {
    ENTRY_IN_FLIGHT = 1, /* Taken and not reported. */
    ENTRY_SETTLED = 2,   /* Delivered, but the store does not know yet. */
    ENTRY_GONE = 4       /* Off the list; its place is yet to be reused. */
};

/* An event that waits for a sink. */
struct outbox_entry {
    uint64_t number, id, after;
    int64_t due_ns;  /* Monotonic. */
    int64_t born_ns; /* Monotonic, as if this process had run since it was recorded. */
    uint32_t attempts;
    uint8_t phase;
    uint8_t flags;
};

/* Entries by number. */
struct outbox_queue {
    struct outbox_entry *entries;
    size_t first; /* None before it is there. */
    size_t n, capacity;
    size_t n_gone; /* From `first` on. */
};

struct outbox_sink {
    /* Lasting. */
    char name[LW_SHORT_NAME_MAX];
    uint32_t id;          /* From 1, never used again; 0: this place is free. */
    int64_t max_age_ns;   /* As configured last. */
    int64_t gone_ns;      /* Real time at which it was gone; 0: it is there. */
    uint64_t gone_number; /* The next event's then. */
    /* Of this process. */
    struct lw_outbox_options options; /* Defaults filled in; all 0 before it was opened. */
    bool opened;
    bool woken;
    struct outbox_queue waiting; /* Undelivered. */
    struct outbox_queue open;    /* Delivered beginnings of open anomalies, told again when due. */
    double tokens;
    int64_t tokens_ns;        /* Monotonic: when they were counted. */
    int64_t rest_ns;          /* Monotonic: no attempt before it. */
    uint32_t n_failed;        /* Reports in a row without a delivery. */
    size_t n_settled;         /* Entries flagged so. */
    struct lw_sink_view view; /* Counters and texts; the rest is filled when asked for. */
};

struct lw_outbox {
    struct lw_keyed *keyed;
    int64_t (*real_ns)(void);
    int64_t (*monotonic_ns)(void);
    size_t queue_bytes;

    pthread_mutex_t queue_lock;
    pthread_cond_t filled;  /* Something for the thread to do. */
    pthread_cond_t drained; /* Something was written, or failed to be. */
    struct lw_writer filling;
    uint64_t n_recorded, n_written;
    bool failing; /* The last write failed, for this reason. */
    struct lw_error failure;
    bool stop;
    bool started;
    pthread_t thread;
    struct lw_writer draining; /* The thread's. */

    pthread_mutex_t lock;
    pthread_cond_t due; /* A sink may have something to take. */
    struct lw_rng rng;
    uint64_t next_number;
    uint32_t next_sink;
    struct outbox_sink sinks[LW_SINKS_MAX];
    struct lw_keyed_batch *batch;
    struct lw_writer value; /* What is written, */
    struct lw_writer found; /* and what was read. */
};

/* ---- outbox_bytes.c: keys and values ---- */

void lw_outbox_key_meta(struct outbox_key *key);
void lw_outbox_key_sink(struct outbox_key *key, const char *name);
/* kind: 'p' or 'd'. */
void lw_outbox_key_event(struct outbox_key *key, char kind, uint32_t sink, uint64_t number);
void lw_outbox_key_open(struct outbox_key *key, uint64_t id);
void lw_outbox_key_mark(struct outbox_key *key, uint64_t id, uint8_t phase);
/* The number at a place of a key. */
uint64_t lw_outbox_key_number(const uint8_t *key, size_t at);
/* The next event's number, into the batch. */
void lw_outbox_put_meta(struct lw_outbox *outbox, uint64_t next_number);
void lw_outbox_put_sink(struct lw_outbox *outbox, const struct outbox_sink *sink);
void lw_outbox_head_write(struct lw_writer *writer, const struct outbox_head *head);
void lw_outbox_head_read(struct outbox_head *head, struct lw_reader *reader);
/* Reads all that the store holds into a fresh outbox. */
enum lw_status lw_outbox_load(struct lw_outbox *outbox, struct lw_error *reterr) LW_MUST_USE;

/* ---- outbox_queue.c; callers hold lock ---- */

/* Room for n more. */
enum lw_status lw_outbox_queue_reserve(struct outbox_queue *queue, size_t n) LW_MUST_USE;
/* There is room. Keeps the order. */
void lw_outbox_queue_insert(struct outbox_queue *queue, const struct outbox_entry *entry);
struct outbox_entry *lw_outbox_queue_find(struct outbox_queue *queue, uint64_t number);
/* Entries may move. */
void lw_outbox_queue_remove(struct outbox_queue *queue, struct outbox_entry *entry);
/* The same in two steps: none moves before lw_outbox_queue_tidy(). */
void lw_outbox_queue_mark(struct outbox_queue *queue, struct outbox_entry *entry);
void lw_outbox_queue_tidy(struct outbox_queue *queue);
size_t lw_outbox_queue_count(const struct outbox_queue *queue);
void lw_outbox_queue_fini(struct outbox_queue *queue);

/* ---- outbox_sinks.c; callers hold lock ---- */

struct outbox_sink *lw_outbox_find(struct lw_outbox *outbox, const char *name);
/* LW_ENOTFOUND with the name. */
enum lw_status lw_outbox_unknown(const char *name, struct lw_error *reterr);
struct outbox_entry lw_outbox_entry(const struct lw_outbox *outbox, const struct outbox_head *head);
/* What was delivered leaves the store and the list. */
void lw_outbox_settle_delivered(struct lw_outbox *outbox, struct outbox_sink *sink);
/* Gone sinks whose time is over. */
void lw_outbox_sweep(struct lw_outbox *outbox);

/* ---- outbox_dead.c; callers hold lock ---- */

/* A waiting event becomes a dead letter; without the store it stays where it is. */
enum lw_status lw_outbox_bury(struct lw_outbox *outbox, struct outbox_sink *sink,
                              struct outbox_entry *entry, const char *reason) LW_MUST_USE;
/* Removals of all dead letters of a sink, into the batch. */
void lw_outbox_remove_dead(struct lw_outbox *outbox, const struct outbox_sink *sink);

#endif
