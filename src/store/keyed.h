/*
 * What is looked up by key: a RocksDB of one folder, behind bytes in order.
 *
 * Keys are ordered as memcmp orders them. Writes are atomic and in the log of the database when the
 * call returns: they survive the end of the process; lw_keyed_sync() makes them survive the
 * machine's.
 *
 * After a failed write (a full disk, say) nothing more is written: RocksDB then refuses writes for
 * good, so the store is degraded. Reading goes on. Each later write or sync first tries, at growing
 * distances of 100 ms to 5 s, to open the database anew and to write a probe; once that works, the
 * store is well again. What was acknowledged before is there.
 *
 * Small on purpose: 4 MiB of memtable (two at most), 8 MiB of block cache, 32 open files, a thread
 * each for flushing and compacting and the library's timer. RocksDB ends the process when it gets
 * no memory.
 */
#ifndef LW_STORE_KEYED_H
#define LW_STORE_KEYED_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer keys and values are a mistake of ours. */
#define LW_KEYED_KEY_BYTES_MAX 600
#define LW_KEYED_VALUE_BYTES_MAX ((size_t)64 << 20)

struct lw_keyed;

struct lw_keyed_config {
    const char *dir;         /* Made when it is not there; NULL: in memory, gone with the store. */
    int64_t (*now_ns)(void); /* Monotonic; NULL: lw_clock_monotonic_ns(). */
};

/* LW_EIO: the folder cannot be made, read or written, or another process has it open. LW_ENOMEM. */
enum lw_status lw_keyed_open(const struct lw_keyed_config *config, struct lw_keyed **ret_keyed,
                             struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. Nobody may be in a call. */
void lw_keyed_close(struct lw_keyed *keyed);

/* ---- writing: any thread ---- */

/* Changes that are written together or not at all. Belongs to one thread at a time. */
struct lw_keyed_batch;

/* NULL without memory. */
struct lw_keyed_batch *lw_keyed_batch_create(void);
/* Takes NULL. */
void lw_keyed_batch_destroy(struct lw_keyed_batch *batch);
void lw_keyed_batch_clear(struct lw_keyed_batch *batch);
size_t lw_keyed_batch_count(const struct lw_keyed_batch *batch);
void lw_keyed_put(struct lw_keyed_batch *batch, const void *key, size_t n_key, const void *value,
                  size_t n_value);
void lw_keyed_remove(struct lw_keyed_batch *batch, const void *key, size_t n_key);
/* Writes the changes; the batch stays as it is. LW_EIO: nothing is written, the store is degraded.
 */
enum lw_status lw_keyed_write(struct lw_keyed *keyed, const struct lw_keyed_batch *batch,
                              struct lw_error *reterr) LW_MUST_USE;
/* All that was written is on the disk. LW_EIO. */
enum lw_status lw_keyed_sync(struct lw_keyed *keyed, struct lw_error *reterr) LW_MUST_USE;
/* A write failed, and none has worked since. Any thread. */
bool lw_keyed_degraded(struct lw_keyed *keyed);

/* ---- reading: any thread ---- */

/* The value of a key, into a writer that is reset first. LW_ENOTFOUND; LW_EIO; LW_ENOMEM. */
enum lw_status lw_keyed_get(struct lw_keyed *keyed, const void *key, size_t n_key,
                            struct lw_writer *value, struct lw_error *reterr) LW_MUST_USE;

/* A pair met by lw_keyed_scan(); borrowed for the call. */
struct lw_keyed_pair {
    const uint8_t *key;
    size_t n_key;
    const uint8_t *value;
    size_t n_value;
};
/* Where a scan begins and what it meets. */
struct lw_keyed_range {
    const void *prefix; /* Keys that begin so, in order ... */
    size_t n_prefix;
    const void *from; /* ... from this one on; NULL: from the first. */
    size_t n_from;
};
/* Meets pairs until visit returns false. It may not write to this store. LW_EIO when the scan could
 * not be finished. */
enum lw_status lw_keyed_scan(struct lw_keyed *keyed, const struct lw_keyed_range *range,
                             bool (*visit)(void *context, const struct lw_keyed_pair *pair),
                             void *context, struct lw_error *reterr) LW_MUST_USE;

#endif
