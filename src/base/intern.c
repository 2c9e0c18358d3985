/*
 * Interning: see base/intern.h.
 *
 * Three parts: the bytes, in blocks that never move; the items, an array by id; and an
 * open-addressed table of slots, a power of two and at most three quarters full, probed one by one.
 * A slot keeps half of the hash, so that most misses cost no look at the bytes and growing hashes
 * nothing again.
 */
#include "base/intern.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

#define SLOTS_FIRST 64
#define ITEMS_FIRST 48 /* Three quarters of the slots: both grow together. */
#define BLOCK_BYTES ((size_t)LW_INTERN_ITEM_MAX)

struct item {
    const char *bytes;
    uint32_t n_bytes;
};

struct slot {
    uint32_t hash; /* The upper half. */
    uint32_t id;   /* LW_INTERN_NONE where free. */
};

/* Blocks form a list, newest first; only the newest has room. */
struct block {
    struct block *older;
    size_t used_bytes;
    size_t capacity_bytes;
    char bytes[];
};

struct lw_intern {
    struct slot *slots;
    size_t n_slots;
    struct item *items;
    uint32_t n_items;
    uint32_t items_capacity;
    struct block *block;
    uint32_t max_items;
    size_t max_bytes;
    size_t used_bytes; /* Of all items, without terminators. */
};

static struct slot *slots_create(size_t n_slots)
{
    struct slot *slots = lw_mem_alloc(n_slots * sizeof(*slots));

    for (size_t i = 0; slots != NULL && i < n_slots; i++) {
        slots[i].hash = 0;
        slots[i].id = LW_INTERN_NONE;
    }
    return slots;
}

enum lw_status lw_intern_create(uint32_t max_items, size_t max_bytes, struct lw_intern **ret_intern,
                                struct lw_error *reterr)
{
    struct lw_intern *intern;

    if (max_items > LW_INTERN_ITEMS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "a table of %u items is above the limit of %u",
                            max_items, LW_INTERN_ITEMS_MAX);
    }
    intern = lw_mem_calloc(1, sizeof(*intern));
    if (intern != NULL) {
        intern->n_slots = SLOTS_FIRST;
        intern->slots = slots_create(SLOTS_FIRST);
        intern->items_capacity = ITEMS_FIRST;
        intern->items = lw_mem_alloc(ITEMS_FIRST * sizeof(*intern->items));
        intern->max_items = max_items;
        intern->max_bytes = max_bytes;
    }
    if (intern == NULL || intern->slots == NULL || intern->items == NULL) {
        lw_intern_destroy(intern);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a table of names");
    }
    *ret_intern = intern;
    return LW_OK;
}

void lw_intern_destroy(struct lw_intern *intern)
{
    if (intern == NULL) {
        return;
    }
    while (intern->block != NULL) {
        struct block *older = intern->block->older;

        lw_mem_free(intern->block);
        intern->block = older;
    }
    lw_mem_free(intern->items);
    lw_mem_free(intern->slots);
    lw_mem_free(intern);
}

/* Where an item with that hash begins its search. The upper half is kept, so the place comes from
 * it alone. */
static size_t slot_first(uint32_t hash, size_t n_slots)
{
    return (size_t)hash & (n_slots - 1);
}

/* The slot that holds the bytes, or the free one where they belong. */
static struct slot *slot_of(const struct lw_intern *intern, uint32_t hash, const char *bytes,
                            size_t n_bytes)
{
    size_t at = slot_first(hash, intern->n_slots);

    for (;; at = (at + 1) & (intern->n_slots - 1)) {
        struct slot *slot = &intern->slots[at];
        const struct item *item;

        if (slot->id == LW_INTERN_NONE) {
            return slot;
        }
        item = &intern->items[slot->id];
        if (slot->hash == hash && item->n_bytes == n_bytes &&
            (n_bytes == 0 || memcmp(item->bytes, bytes, n_bytes) == 0)) {
            return slot;
        }
    }
}

static uint32_t hash_of(const char *bytes, size_t n_bytes)
{
    return (uint32_t)(lw_hash_bytes(bytes, n_bytes, 0) >> 32);
}

/* Doubles slots and items; on failure both stay usable as they were. */
static bool intern_grow(struct lw_intern *intern)
{
    size_t n_slots = intern->n_slots * 2;
    struct slot *slots = slots_create(n_slots);
    struct item *items = slots == NULL ? NULL
                                       : lw_mem_realloc(intern->items, 2 * intern->items_capacity *
                                                                           sizeof(*items));

    if (items == NULL) {
        lw_mem_free(slots);
        return false;
    }
    intern->items = items;
    intern->items_capacity *= 2;
    for (size_t i = 0; i < intern->n_slots; i++) {
        size_t at = slot_first(intern->slots[i].hash, n_slots);

        if (intern->slots[i].id == LW_INTERN_NONE) {
            continue;
        }
        while (slots[at].id != LW_INTERN_NONE) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = intern->slots[i];
    }
    lw_mem_free(intern->slots);
    intern->slots = slots;
    intern->n_slots = n_slots;
    return true;
}

/* Room for n_bytes in the newest block, or in a new one; NULL when there is no memory. */
static char *block_room(struct lw_intern *intern, size_t n_bytes)
{
    struct block *block = intern->block;

    if (block == NULL || block->capacity_bytes - block->used_bytes < n_bytes) {
        size_t capacity = n_bytes > BLOCK_BYTES ? n_bytes : BLOCK_BYTES;

        block = lw_mem_alloc(sizeof(*block) + capacity);
        if (block == NULL) {
            return NULL;
        }
        block->older = intern->block;
        block->used_bytes = 0;
        block->capacity_bytes = capacity;
        intern->block = block;
    }
    block->used_bytes += n_bytes;
    return block->bytes + block->used_bytes - n_bytes;
}

static enum lw_status intern_check_limits(const struct lw_intern *intern, size_t n_bytes,
                                          struct lw_error *reterr)
{
    if (n_bytes > LW_INTERN_ITEM_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "a name of %zu bytes is above the limit of %d",
                            n_bytes, LW_INTERN_ITEM_MAX);
    }
    if (intern->n_items >= intern->max_items) {
        return lw_error_set(reterr, LW_ELIMIT, "the limit of %u different names is reached",
                            intern->max_items);
    }
    if (n_bytes > intern->max_bytes - intern->used_bytes) {
        return lw_error_set(reterr, LW_ELIMIT, "the limit of %zu bytes of names is reached",
                            intern->max_bytes);
    }
    return LW_OK;
}

enum lw_status lw_intern_add(struct lw_intern *intern, const char *bytes, size_t n_bytes,
                             uint32_t *ret_id, struct lw_error *reterr)
{
    uint32_t hash = hash_of(bytes, n_bytes);
    struct slot *slot = slot_of(intern, hash, bytes, n_bytes);
    enum lw_status status;
    char *copy;

    if (slot->id != LW_INTERN_NONE) {
        *ret_id = slot->id;
        return LW_OK;
    }
    status = intern_check_limits(intern, n_bytes, reterr);
    if (status != LW_OK) {
        return status;
    }
    if (intern->n_items == intern->items_capacity) {
        if (!intern_grow(intern)) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for more than %u names",
                                intern->n_items);
        }
        slot = slot_of(intern, hash, bytes, n_bytes);
    }
    copy = block_room(intern, n_bytes + 1);
    if (copy == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a name of %zu bytes", n_bytes);
    }
    if (n_bytes > 0) {
        memcpy(copy, bytes, n_bytes);
    }
    copy[n_bytes] = '\0';
    intern->items[intern->n_items] = (struct item){.bytes = copy, .n_bytes = (uint32_t)n_bytes};
    *slot = (struct slot){.hash = hash, .id = intern->n_items};
    intern->used_bytes += n_bytes;
    *ret_id = intern->n_items++;
    return LW_OK;
}

uint32_t lw_intern_find(const struct lw_intern *intern, const char *bytes, size_t n_bytes)
{
    return slot_of(intern, hash_of(bytes, n_bytes), bytes, n_bytes)->id;
}

const char *lw_intern_peek(const struct lw_intern *intern, uint32_t id, size_t *ret_n_bytes)
{
    if (ret_n_bytes != NULL) {
        *ret_n_bytes = intern->items[id].n_bytes;
    }
    return intern->items[id].bytes;
}

uint32_t lw_intern_count(const struct lw_intern *intern)
{
    return intern->n_items;
}

size_t lw_intern_bytes(const struct lw_intern *intern)
{
    /* A block is full but for the item that did not fit: what is used says it well enough. */
    return sizeof(*intern) + intern->n_slots * sizeof(*intern->slots) +
           intern->items_capacity * sizeof(*intern->items) + intern->used_bytes + intern->n_items +
           (intern->block == NULL ? 0 : intern->block->capacity_bytes - intern->block->used_bytes);
}
