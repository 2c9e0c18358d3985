/*
 * A hash table from names of series to their numbers: 24 bytes an entry, at most three quarters
 * full, grown by doubling.
 *
 * It keeps hashes alone, of 128 bits keyed by a secret of the process. Two names that collide would
 * be taken for one series: among a million names the chance is below 2^-87, and without the secret
 * nobody can look for such names. Probing is linear, so that nearly each look-up costs one cache
 * line.
 *
 * Not locked: the owner's business. Look-ups may go on side by side; they mark what they found as
 * seen.
 */
#ifndef LW_CONNECT_INGEST_TABLE_H
#define LW_CONNECT_INGEST_TABLE_H

#include "lapwing/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_INGEST_TABLE_NONE UINT32_MAX

struct lw_ingest_hash {
    uint64_t low, high;
};

struct lw_ingest_entry {
    struct lw_ingest_hash hash;
    uint32_t number;       /* LW_INGEST_TABLE_NONE: a free place. */
    _Atomic uint32_t seen; /* When it was last looked up, in the owner's unit. */
};

struct lw_ingest_table {
    struct lw_ingest_entry *entries;
    size_t mask; /* Capacity - 1; the capacity is a power of two. */
    size_t n;
};

/* LW_ENOMEM. */
enum lw_status lw_ingest_table_init(struct lw_ingest_table *table) LW_MUST_USE;
/* Takes a zeroed one. */
void lw_ingest_table_fini(struct lw_ingest_table *table);

/* The number of a name, or LW_INGEST_TABLE_NONE. */
static inline uint32_t lw_ingest_table_get(const struct lw_ingest_table *table,
                                           struct lw_ingest_hash hash, uint32_t now)
{
    for (size_t at = hash.low & table->mask;; at = (at + 1) & table->mask) {
        struct lw_ingest_entry *entry = &table->entries[at];

        if (entry->number == LW_INGEST_TABLE_NONE) {
            return LW_INGEST_TABLE_NONE;
        }
        if (entry->hash.low == hash.low && entry->hash.high == hash.high) {
            if (atomic_load_explicit(&entry->seen, memory_order_relaxed) != now) {
                atomic_store_explicit(&entry->seen, now, memory_order_relaxed);
            }
            return entry->number;
        }
    }
}

/* Asks memory for the place where a name's look-up begins. */
static inline void lw_ingest_table_prefetch(const struct lw_ingest_table *table,
                                            struct lw_ingest_hash hash)
{
    __builtin_prefetch(&table->entries[hash.low & table->mask]);
}

/* Sets the number of a name, new or known. LW_ENOMEM: the table is as it was. */
enum lw_status lw_ingest_table_put(struct lw_ingest_table *table, struct lw_ingest_hash hash,
                                   uint32_t number, uint32_t now) LW_MUST_USE;
/* Leaves only the entries that `keeps` says yes to. LW_ENOMEM: the table is as it was. */
enum lw_status lw_ingest_table_keep(struct lw_ingest_table *table,
                                    bool (*keeps)(const void *context,
                                                  const struct lw_ingest_entry *entry),
                                    const void *context) LW_MUST_USE;

#endif
