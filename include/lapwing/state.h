/*
 * State of an engine that survives: a folder with a journal of all that its feeds were told,
 * snapshots and the history; looking after such a folder; and the simulation that holds all of it
 * to its promises.
 */
#ifndef LAPWING_STATE_H
#define LAPWING_STATE_H

#include "lapwing/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- durable state: a folder with a journal and snapshots ---- */

struct lw_io; /* The disk; the library's own header store/io.h has it, for tests. */

/** How an engine keeps its state. Zero-initialise and set what matters. */
struct lw_state_config {
    const char *dir;        /**< Folder; made when it is not there. Copied. */
    const struct lw_io *io; /**< NULL: the system's disk. Outlives the engine. */
    int64_t sync_ns;       /**< A sync of the journal begins at most this long after a record; 0: 20
                              ms. */
    int64_t checkpoint_ns; /**< A snapshot begins at least this often; 0: 1 min. Sooner when
                              replaying the journal would take longer than about 3 s. */
    bool relaxed;   /**< Clients are answered before the journal is on the disk: a crash of the
                       machine, or of the process within sync_ns, loses what was acknowledged since.
                     */
    bool manual;    /**< No threads: the host calls lw_engine_sync() and lw_engine_checkpoint(). */
    bool read_only; /**< Take up what lies there, and keep nothing: the folder may be a running
                       daemon's. LW_ENOTFOUND where there is no state. */
    int64_t resume_after_ns; /**< A pause longer than this is no silence of the sources; 0: 5 s. */
    int64_t history_ns;      /**< Samples older than this leave the history; 0: 14 days. */
    uint64_t history_bytes;  /**< The oldest leave it beyond this many bytes on the disk; 0: 10 GiB.
                              */
    int64_t (*real_ns)(void *context); /**< Real time; NULL: the system's. */
    /** After each sync, on the thread that synced; may be NULL. Must not call the engine. */
    void (*synced)(void *context);
    void *context; /**< Of real_ns and synced. */
};

/** What was found when the state was opened. */
struct lw_state_report {
    bool fresh;               /**< Nothing was there. */
    uint64_t snapshot;        /**< Journal number the snapshot begins at; 0: there was none. */
    uint32_t entities;        /**< Taken up from the snapshot. */
    uint32_t skipped;         /**< Left out: their detector is gone or has other options. */
    uint64_t records, points; /**< Replayed from the journal. */
    uint64_t last;            /**< Number of the last record that was there; 0: none. */
    bool resumed;             /**< Nobody had listened for longer than resume_after_ns. */
    double load_s, replay_s;  /**< Wall time. */
};

/**
 * Keep the engine's state in a folder from now on: takes up what lies there (the newest snapshot,
 * then the journal behind it, as if its feeds had been called again), and writes down every call of
 * a feed before it acts on it.
 *
 * @param engine      Fresh, with its detectors set: no feed of it was used.
 * @param config      Borrowed.
 * @param ret_report  Filled on LW_OK; may be NULL.
 * @param reterr      Filled on failure: names the damaged file, and the snapshot that is good.
 * @return LW_OK; LW_EINVAL for an engine in use; LW_EFORMAT for a damaged folder; LW_EVERSION;
 * LW_EIO; LW_ENOMEM. After a failure the engine can only be destroyed.
 *
 * Threads While it runs, nothing else may use the engine but lw_engine_totals().
 */
LW_API enum lw_status lw_engine_open_state(struct lw_engine *engine,
                                           const struct lw_state_config *config,
                                           struct lw_state_report *ret_report,
                                           struct lw_error *reterr) LW_MUST_USE;

/**
 * Write and sync the journal up to what was delivered before the call.
 *
 * @return LW_OK; LW_EIO: the state is read-only, feeds refuse, and the next call tries again;
 * LW_EINVAL without state.
 *
 * Threads Any, unless the engine has threads of its own for that (manual is false).
 */
LW_API enum lw_status lw_engine_sync(struct lw_engine *engine, struct lw_error *reterr) LW_MUST_USE;

/**
 * Write a snapshot, and drop what it makes needless. Entities go on being scored: a shard is
 * stopped for about a millisecond at a time.
 *
 * @return LW_OK; LW_EIO, LW_ENOMEM: the snapshot before stays; LW_EINVAL without state.
 *
 * Threads Any but the shards'; calls wait for each other.
 */
LW_API enum lw_status lw_engine_checkpoint(struct lw_engine *engine,
                                           struct lw_error *reterr) LW_MUST_USE;

/* ---- looking after a folder of state ---- */

/** A folder of state that no engine has open: whoever calls sees to that. */
struct lw_state_folder {
    const char *dir;
    const struct lw_io *io; /**< NULL: the system's disk. */
    /** A sentence each: what is damaged and where, or what was done. May be NULL. */
    void (*notice)(void *context, const char *text);
    void *context;
};

/** What was found. */
struct lw_state_check {
    uint64_t files, bytes; /**< That were read; the keyed store counts as one file. */
    uint64_t damaged;      /**< Places; each was told. */
    uint64_t snapshots, snapshots_whole;
    char snapshot[64];        /**< The newest whole one, to go on from; "" when there is none. */
    uint64_t snapshot_number; /**< It begins at this record; 0: none. */
    uint64_t first, last;     /**< Records of the journal; 0: none. */
    /** Records that cannot be had though no whole snapshot holds what they did, as far as is known;
     * 0: none. */
    uint64_t lost_first, lost_last;
    bool opens;    /**< lw_engine_open_state() takes the folder as it is. */
    bool hopeless; /**< There is no whole snapshot and no journal from the first record on. */
};

/**
 * Read every byte of snapshots, journal, history and keyed store, and change nothing (but that the
 * keyed store replays its own log).
 *
 * @param folder     Borrowed.
 * @param ret_check  Filled on LW_OK, also when there is damage.
 * @param reterr     Filled on failure; may be NULL.
 * @return LW_OK; LW_ENOTFOUND: no such folder; LW_EFORMAT: the journal's names contradict each
 * other; LW_EVERSION: a file of another version; LW_EIO; LW_ENOMEM; LW_EINVAL: too long a path.
 */
LW_API enum lw_status lw_state_verify(const struct lw_state_folder *folder,
                                      struct lw_state_check *ret_check,
                                      struct lw_error *reterr) LW_MUST_USE;

/**
 * Make a damaged folder one that opens. Nothing is deleted: damaged snapshots and history files,
 * and a keyed store that cannot be read, get ".damaged" behind their names. A journal with damage
 * is written anew, and the old one set aside: what is damaged before the newest whole snapshot is
 * marked as lost; from the first damage behind it on all is, for what follows may need it.
 *
 * @param ret_check  Filled on LW_OK: the folder as it is now, but that lost_first and lost_last are
 *                   the records that are lost to the engine.
 * @return As lw_state_verify(); LW_ENOTFOUND also when the folder is hopeless: it is as it was.
 *
 * Cost    Room for the journal a second time. A repair that was cut short can be repeated.
 */
LW_API enum lw_status lw_state_repair(const struct lw_state_folder *folder,
                                      struct lw_state_check *ret_check,
                                      struct lw_error *reterr) LW_MUST_USE;

/** Of the journal and the snapshots, of this process. */
struct lw_state_totals {
    bool read_only;         /**< The journal cannot be written: feeds refuse until it can. */
    bool checkpoint_failed; /**< The last one; the one before and the journal are good. */
    char reason[256];       /**< Why; "" when all is well. */
    uint64_t records, syncs, sync_failures; /**< Of the journal. */
    uint64_t pending_bytes;                 /**< Not yet on the disk. */
    uint64_t unsnapshot_points;             /**< In the journal since the newest snapshot began. */
    uint64_t checkpoints, checkpoint_failures;
    double checkpoint_s;       /**< Wall time of the last one. */
    double checkpoint_stall_s; /**< Longest time it stopped a shard. */
    uint64_t checkpoint_bytes; /**< Its size. */
    int64_t checkpoint_ns;     /**< Real time of its end; INT64_MIN: none yet. */
    double sync_s_max;         /**< Longest sync. */
};
/** Of the history. */
struct lw_archive_totals {
    uint64_t files, bytes, samples; /**< That can be read now. */
    int64_t first_ns, last_ns;      /**< Times of these; 0 when there is none. */
    uint64_t samples_dropped;       /**< By its bounds, since the start. */
    uint64_t files_damaged;         /**< Set aside. */
    uint64_t failures;              /**< Turns of archiving that failed, and are tried again. */
};
/** LW_EINVAL without state. Any thread. */
LW_API enum lw_status lw_engine_archive(struct lw_engine *engine,
                                        struct lw_archive_totals *ret_totals);

/** Samples of one series, in ascending time. */
struct lw_samples {
    size_t n;
    int64_t *times_ns; /**< int64_t[n] */
    double *values;    /**< double[n] */
    size_t n_damaged;  /**< Damaged blocks left out: there may be holes. */
};
/** Frees what lw_engine_samples() gave. */
LW_API void lw_samples_fini(struct lw_samples *samples);
/**
 * Samples as they came in, from_ns <= time < to_ns, out of the history: up to a minute ago, or so.
 *
 * @param series       Canonical text of its name.
 * @param ret_samples  Written on LW_OK; the caller frees it with lw_samples_fini(). A series that
 * is not there has none.
 * @return LW_OK; LW_EINVAL without state; LW_ELIMIT beyond 2^28 samples; LW_EIO; LW_ENOMEM. Any
 * thread.
 */
LW_API enum lw_status lw_engine_samples(struct lw_engine *engine, const char *series,
                                        int64_t from_ns, int64_t to_ns,
                                        struct lw_samples *ret_samples,
                                        struct lw_error *reterr) LW_MUST_USE;

/** LW_EINVAL without state. Any thread. */
LW_API enum lw_status lw_engine_state(struct lw_engine *engine, struct lw_state_totals *ret_totals);

/* ---- simulation ---- */

/** What a simulation does. Zero-initialise and set what matters. */
struct lw_simulation {
    uint64_t seed;     /**< The same seed gives the same run. */
    int64_t length_ns; /**< Of virtual time; 0: a day. */
    bool without_sync; /**< The disk only says that it syncs: such a run must fail, soon. */
};

/** What came of it. */
struct lw_simulation_report {
    bool failed; /**< A promise was broken: `failure` says which, and when. */
    char failure[512];
    uint64_t samples;   /**< Delivered, */
    uint64_t repeated;  /**< of these again, since nobody had acknowledged them, */
    uint64_t late;      /**< and late. */
    uint64_t records;   /**< Of the journal. */
    uint64_t anomalies; /**< Opened. */
    uint64_t n_types;   /**< Of how many types. */
    uint64_t kills, power_cuts, cuts_in_snapshots; /**< Of the process; of the disk; while a
                                                     snapshot was written. */
    uint64_t disk_faults, full_disks, refusals;    /**< Refusals: calls of feeds while read-only. */
    uint64_t decisions; /**< Entities that expired, lost tier 1 or got it back. */
    uint64_t checkpoints, recoveries, replayed; /**< Replayed: records. */
    uint64_t trace;                             /**< A hash of all that happened. */
};

/**
 * Run engine, journal and snapshots on a virtual clock, network and disk, with faults that the seed
 * chooses: late, repeated and bundled requests, refusals, torn and short writes, failing syncs, a
 * full disk, kills and power cuts. Beside it runs an engine without state that is given exactly
 * what the journal is bound to hold: at every recovery and at the end both must stand the same, bit
 * for bit, and nothing acknowledged may be missing.
 *
 * @return LW_OK also when a promise was broken: see ret_report->failed; LW_ENOMEM; LW_EIO when a
 * thread cannot be started.
 *
 * Cost    About half a second of processor for a day.
 * Threads Any; starts its engines' own.
 */
LW_API enum lw_status lw_simulate(const struct lw_simulation *simulation,
                                  struct lw_simulation_report *ret_report,
                                  struct lw_error *reterr) LW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
