/*
 * A hash table from bytes to numbers, for the names that a file repeats in every row.
 *
 * Files mostly name their series in the same order over and over: a look-up first tries the key
 * added after the one found last, which lies beside it in memory and needs no hash.
 */
#ifndef LW_CONNECT_CSV_KEYS_H
#define LW_CONNECT_CSV_KEYS_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

#define LW_CSV_KEY_NONE UINT32_MAX

struct lw_csv_key {
    const char *text; /* In an arena of the table. */
    uint32_t n_bytes;
    uint32_t number;
};

struct lw_csv_slot {
    uint32_t tag; /* Upper half of the hash. */
    uint32_t key; /* Index into keys, LW_CSV_KEY_NONE: empty. */
};

struct lw_csv_keys {
    struct lw_csv_key *keys;   /* n_keys, in the order of adding. */
    struct lw_csv_slot *slots; /* n_slots, a power of two, at most half of them used. */
    size_t n_slots;
    uint32_t n_keys;
    uint32_t expected; /* The key tried first. */
    char *arena;       /* The newest of a chain: its first bytes point to the one before. */
    size_t arena_used, arena_bytes;
};

void lw_csv_keys_init(struct lw_csv_keys *keys);
void lw_csv_keys_fini(struct lw_csv_keys *keys);
/* The number of the text, or LW_CSV_KEY_NONE. */
uint32_t lw_csv_keys_find(struct lw_csv_keys *keys, const char *text, size_t n_bytes);
/* Adds a text that is not there yet; it is copied. LW_ENOMEM. */
enum lw_status lw_csv_keys_add(struct lw_csv_keys *keys, const char *text, size_t n_bytes,
                               uint32_t number) LW_MUST_USE;

#endif
