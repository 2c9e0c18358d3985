/*
 * What lies in a folder of state that nobody has open: for lw_state_verify() and lw_state_repair().
 *
 * Looking changes nothing. What matters is one number: the place of the newest whole snapshot. What
 * the journal has lost before it is of no consequence for going on; what it has lost behind it is.
 */
#ifndef LW_ENGINE_STATE_INSPECT_H
#define LW_ENGINE_STATE_INSPECT_H

#include "lapwing/state.h"
#include "store/history.h"
#include "store/journal.h"
#include "store/snapshot.h"

#define LW_INSPECTION_SNAPSHOTS 64u
/* Snapshots, history files and the like that are damaged, by name; more are counted alone. */
#define LW_INSPECTION_DAMAGED 256u

/* Records that cannot be read, or were marked as lost for a younger snapshot. */
struct lw_lost {
    uint64_t first, last;
};

struct lw_inspected_snapshot {
    char name[64];
    uint64_t sequence;
    uint64_t reach; /* Its entities hold records up to this. */
    bool whole;
};

struct lw_inspection {
    const struct lw_state_folder *folder;
    const struct lw_io *io;
    char journal_dir[LW_IO_PATH_MAX], snapshot_dir[LW_IO_PATH_MAX], history_dir[LW_IO_PATH_MAX],
        keyed_dir[LW_IO_PATH_MAX];
    struct lw_journal_config journal_config;
    struct lw_snapshot_config snapshot_config;
    struct lw_state_check check;

    struct lw_inspected_snapshot snapshots[LW_INSPECTION_SNAPSHOTS]; /* Newest first. */
    size_t n_snapshots;
    const struct lw_inspected_snapshot *newest; /* Whole; NULL: none. */
    struct lw_lost *lost;                       /* Owned; ascending. */
    size_t n_lost;
    struct lw_history_findings history;
    char (*damaged_history)[LW_IO_PATH_MAX]; /* Owned. */
    size_t n_damaged_history;
    bool keyed_damaged;
};

/* Looks at all; told is each damage. LW_ENOTFOUND without the folder; LW_EVERSION; LW_EIO;
 * LW_ENOMEM; LW_EINVAL for a path too long. Always to be followed by lw_inspection_fini(). */
enum lw_status lw_inspection_make(struct lw_inspection *inspection,
                                  const struct lw_state_folder *folder,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_inspection_fini(struct lw_inspection *inspection);
/* One sentence to who asked. */
void lw_inspection_tell(const struct lw_inspection *inspection, const char *format, ...)
    LW_PRINTF(2, 3);
/* The number replaying must begin at. */
uint64_t lw_inspection_from(const struct lw_inspection *inspection);
/* The last number that anything is known to hold. */
uint64_t lw_inspection_last(const struct lw_inspection *inspection);

#endif
