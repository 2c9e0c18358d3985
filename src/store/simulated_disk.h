/*
 * A disk in memory behind store/io.h, that fails when it is told to and forgets what was not synced
 * when the power goes.
 *
 *     lw_simulated_disk_create(seed, &disk);
 *     lw_simulated_disk_fault(disk, &(struct lw_disk_fault){.call = LW_DISK_SYNC, .at = 3,
 *                                                           .kind = LW_DISK_EIO});
 *     ... the program under test, on lw_simulated_disk_io(disk) ...
 *     lw_simulated_disk_crash(disk, LW_DISK_CRASH_ANY);
 *     ... the program again, on what is left ...
 *
 * What it models: bytes are cached until a sync puts them on the disk, in sectors of 512 bytes.
 * Names are cached until their folder is synced. A power cut keeps of what is cached what the seed
 * says: nothing, the first part, any sectors and names, or all. A sync that fails may have written
 * some sectors, and takes the others for clean afterwards, as Linux does: they can be read until
 * the power goes, and a later sync does not write them. The same seed and the same calls give the
 * same disk.
 *
 * What it does not model: bytes that go bad while they lie there, and writes that reach the wrong
 * place.
 *
 * There are files and folders, no links. Names are found by walking through them all: it is meant
 * for hundreds of files. The folder "/" and "." are always there. All functions may be called from
 * any thread; what lw_io.list visits must not call the disk. There is no way to remove a folder,
 * and a rename puts nothing in the place of one.
 */
#ifndef LW_STORE_SIMULATED_DISK_H
#define LW_STORE_SIMULATED_DISK_H

#include "store/io.h"

#define LW_DISK_SECTOR_BYTES 512
#define LW_DISK_FAULTS_MAX 16

struct lw_simulated_disk;

/* The kinds of calls, as in struct lw_io. */
enum lw_disk_call {
    LW_DISK_ANY, /* In a fault: every kind. As a count: all of them. */
    LW_DISK_OPEN,
    LW_DISK_CLOSE,
    LW_DISK_READ,
    LW_DISK_WRITE,
    LW_DISK_SYNC,
    LW_DISK_FLUSH,
    LW_DISK_TRUNCATE,
    LW_DISK_SIZE,
    LW_DISK_RENAME,
    LW_DISK_UNLINK,
    LW_DISK_MAKE_DIR,
    LW_DISK_SYNC_DIR,
    LW_DISK_LIST,
    LW_DISK_SPACE,
    LW_DISK_N_CALLS
};

/* What a call answers instead of doing its work, or after a part of it. */
enum lw_disk_fault_kind {
    LW_DISK_EIO,    /* -EIO, nothing done. A sync forgets what it should have written, see above. */
    LW_DISK_ENOSPC, /* -ENOSPC, nothing done. */
    LW_DISK_EINTR,  /* -EINTR, nothing done. Not for a sticky fault: callers try again. */
    LW_DISK_SHORT, /* A read or write of a part of the bytes, at least 1; other calls are normal. */
    LW_DISK_TORN,  /* A write of some whole sectors, then -EIO; for other calls as LW_DISK_EIO. */
    LW_DISK_POWER, /* The power goes: this and every later call is -EIO until the crash. */
    LW_DISK_N_FAULT_KINDS
};

struct lw_disk_fault {
    enum lw_disk_call call;
    enum lw_disk_fault_kind kind;
    uint64_t at; /* The at-th such call from now on, counted from 1. */
    bool sticky; /* And all such calls after it. */
};

enum lw_disk_crash {
    LW_DISK_KILL,          /* The process alone dies: what is cached stays so, descriptors go. */
    LW_DISK_CRASH_NOTHING, /* The power goes; nothing is kept but what was synced. */
    LW_DISK_CRASH_PREFIX,  /* Of each file's cached bytes, and of the names' changes, the first. */
    LW_DISK_CRASH_SECTORS, /* Any of them; a file may have grown and hold zeros where bytes are not
                              there. */
    LW_DISK_CRASH_ALL,     /* All is kept. */
    LW_DISK_CRASH_ANY,     /* One of the four above, by the seed. */
    LW_DISK_N_CRASHES
};

/* LW_ENOMEM. */
enum lw_status lw_simulated_disk_create(uint64_t seed,
                                        struct lw_simulated_disk **ret_disk) LW_MUST_USE;
/* Takes NULL. Nothing of it may be open. */
void lw_simulated_disk_destroy(struct lw_simulated_disk *disk);

/* Its table; valid as long as the disk. */
const struct lw_io *lw_simulated_disk_io(struct lw_simulated_disk *disk);

/* Arms a fault beside those armed before. LW_ELIMIT beyond LW_DISK_FAULTS_MAX; LW_EINVAL for a
 * kind or call there is none of, at = 0, or a sticky EINTR. */
enum lw_status lw_simulated_disk_fault(struct lw_simulated_disk *disk,
                                       const struct lw_disk_fault *fault) LW_MUST_USE;
/* Disarms all. */
void lw_simulated_disk_mend(struct lw_simulated_disk *disk);
/* How many calls were answered by a fault. */
uint64_t lw_simulated_disk_faults(const struct lw_simulated_disk *disk);
/* Calls of a kind since the disk was made, failed ones too. */
uint64_t lw_simulated_disk_calls(const struct lw_simulated_disk *disk, enum lw_disk_call call);

/* All files together may have so many bytes; below what they have now, nothing can be added. At
 * first there is no bound. */
void lw_simulated_disk_limit(struct lw_simulated_disk *disk, int64_t n_bytes);
/* Bytes of all files. */
int64_t lw_simulated_disk_used(struct lw_simulated_disk *disk);

/* The process or the power is gone and back: every descriptor is closed, armed faults are disarmed.
 * LW_ENOMEM. */
enum lw_status lw_simulated_disk_crash(struct lw_simulated_disk *disk,
                                       enum lw_disk_crash crash) LW_MUST_USE;

#endif
