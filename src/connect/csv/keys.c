/* A hash table from bytes to numbers: see csv/keys.h. Open addressing, at most half full; texts lie
 * in chained arenas. */
#include "connect/csv/keys.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

#define SLOTS_FIRST 256
#define ARENA_BYTES ((size_t)64 << 10)

void lw_csv_keys_init(struct lw_csv_keys *keys)
{
    memset(keys, 0, sizeof(*keys));
}

void lw_csv_keys_fini(struct lw_csv_keys *keys)
{
    while (keys->arena != NULL) {
        char *before;

        memcpy(&before, keys->arena, sizeof(before));
        lw_mem_free(keys->arena);
        keys->arena = before;
    }
    lw_mem_free(keys->slots);
    lw_mem_free(keys->keys);
    keys->slots = NULL;
    keys->keys = NULL;
}

static bool key_is(const struct lw_csv_key *key, const char *text, size_t n_bytes)
{
    return key->n_bytes == n_bytes && memcmp(key->text, text, n_bytes) == 0;
}

static uint32_t key_found(struct lw_csv_keys *keys, uint32_t at)
{
    keys->expected = at + 1 == keys->n_keys ? 0 : at + 1;
    return keys->keys[at].number;
}

uint32_t lw_csv_keys_find(struct lw_csv_keys *keys, const char *text, size_t n_bytes)
{
    uint64_t hash;

    if (keys->n_keys == 0) {
        return LW_CSV_KEY_NONE;
    }
    if (key_is(&keys->keys[keys->expected], text, n_bytes)) {
        return key_found(keys, keys->expected);
    }
    hash = lw_hash_bytes(text, n_bytes, 0);
    for (size_t i = hash & (keys->n_slots - 1); keys->slots[i].key != LW_CSV_KEY_NONE;
         i = (i + 1) & (keys->n_slots - 1)) {
        const struct lw_csv_slot *slot = &keys->slots[i];

        if (slot->tag == (uint32_t)(hash >> 32) && key_is(&keys->keys[slot->key], text, n_bytes)) {
            return key_found(keys, slot->key);
        }
    }
    return LW_CSV_KEY_NONE;
}

static void slot_put(struct lw_csv_keys *keys, uint32_t at)
{
    uint64_t hash = lw_hash_bytes(keys->keys[at].text, keys->keys[at].n_bytes, 0);
    size_t i = hash & (keys->n_slots - 1);

    while (keys->slots[i].key != LW_CSV_KEY_NONE) {
        i = (i + 1) & (keys->n_slots - 1);
    }
    keys->slots[i] = (struct lw_csv_slot){.tag = (uint32_t)(hash >> 32), .key = at};
}

/* Twice the room, for keys and slots alike. */
static bool table_grow(struct lw_csv_keys *keys)
{
    size_t n_slots = keys->n_slots == 0 ? SLOTS_FIRST : keys->n_slots * 2;
    struct lw_csv_slot *slots = lw_mem_alloc(n_slots * sizeof(*slots));
    struct lw_csv_key *grown = slots == NULL
                                   ? NULL
                                   : lw_mem_realloc(keys->keys, n_slots / 2 * sizeof(*grown));

    if (grown == NULL) {
        lw_mem_free(slots);
        return false;
    }
    memset(slots, 0xFF, n_slots * sizeof(*slots)); /* LW_CSV_KEY_NONE everywhere. */
    lw_mem_free(keys->slots);
    keys->slots = slots;
    keys->keys = grown;
    keys->n_slots = n_slots;
    for (uint32_t i = 0; i < keys->n_keys; i++) {
        slot_put(keys, i);
    }
    return true;
}

static const char *text_keep(struct lw_csv_keys *keys, const char *text, size_t n_bytes)
{
    char *kept;

    if (keys->arena == NULL || keys->arena_bytes - keys->arena_used < n_bytes + 1) {
        size_t n = n_bytes + 1 + sizeof(char *) > ARENA_BYTES ? n_bytes + 1 + sizeof(char *)
                                                              : ARENA_BYTES;
        char *arena = lw_mem_alloc(n);

        if (arena == NULL) {
            return NULL;
        }
        memcpy(arena, &keys->arena, sizeof(keys->arena));
        keys->arena = arena;
        keys->arena_bytes = n;
        keys->arena_used = sizeof(char *);
    }
    kept = keys->arena + keys->arena_used;
    memcpy(kept, text, n_bytes);
    kept[n_bytes] = '\0';
    keys->arena_used += n_bytes + 1;
    return kept;
}

enum lw_status lw_csv_keys_add(struct lw_csv_keys *keys, const char *text, size_t n_bytes,
                               uint32_t number)
{
    const char *kept;

    if ((size_t)keys->n_keys * 2 == keys->n_slots && !table_grow(keys)) {
        return LW_ENOMEM;
    }
    kept = text_keep(keys, text, n_bytes);
    if (kept == NULL) {
        return LW_ENOMEM;
    }
    keys->keys[keys->n_keys] = (struct lw_csv_key){
        .text = kept, .n_bytes = (uint32_t)n_bytes, .number = number};
    slot_put(keys, keys->n_keys);
    keys->n_keys++;
    keys->expected = 0;
    return LW_OK;
}
