/* Slabs, free lists by size class, and interned names: see engine/operator/pool.h. */
#include "engine/operator/pool.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

#define LINE_BYTES 64u
#define SLAB_BYTES ((size_t)2 << 20)
#define CLASSES                                                                                    \
    128u /* Blocks of up to 128 lines have a free list; larger ones are slabs of their own. */

struct pool_slab {
    struct pool_slab *next, **link; /* link: the pointer that points here. */
    size_t n_bytes;
};

struct pool_free {
    struct pool_free *next;
};

struct pool_text {
    struct pool_text *next; /* In the same bucket. */
    uint64_t hash;
    char text[];
};

struct lw_pool {
    struct lw_pool_tie *ties;
    struct lw_trainer *trainer; /* Borrowed. */
    struct pool_slab *slabs;
    uint8_t *next; /* Within the newest slab. */
    size_t left_bytes;
    size_t held_bytes;
    atomic_size_t used_bytes; /* Written by the pool's thread alone. */
    struct pool_free *free[CLASSES + 1];
    struct pool_text **buckets;
    size_t n_buckets, n_texts;
};

static size_t lines_of(size_t n_bytes)
{
    return n_bytes / LINE_BYTES + (n_bytes % LINE_BYTES != 0 ? 1 : 0);
}

size_t lw_pool_used(const struct lw_pool *pool)
{
    return atomic_load_explicit(&pool->used_bytes, memory_order_relaxed);
}

void lw_pool_count(struct lw_pool *pool, ptrdiff_t n_bytes)
{
    atomic_store_explicit(&pool->used_bytes, lw_pool_used(pool) + (size_t)n_bytes,
                          memory_order_relaxed);
}

enum lw_status lw_pool_create(struct lw_pool **ret_pool, struct lw_error *reterr)
{
    struct lw_pool *pool = lw_mem_calloc(1, sizeof(*pool));

    if (pool == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a pool");
    }
    *ret_pool = pool;
    return LW_OK;
}

void lw_pool_destroy(struct lw_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    while (pool->ties != NULL) {
        pool->ties->end(pool->ties);
    }
    while (pool->slabs != NULL) {
        struct pool_slab *slab = pool->slabs;

        pool->slabs = slab->next;
        lw_mem_free_pages(slab, slab->n_bytes);
    }
    lw_mem_free(pool->buckets);
    lw_mem_free(pool);
}

void lw_pool_set_trainer(struct lw_pool *pool, struct lw_trainer *trainer)
{
    pool->trainer = trainer;
}

struct lw_trainer *lw_pool_trainer(const struct lw_pool *pool)
{
    return pool->trainer;
}

void lw_pool_tie(struct lw_pool *pool, struct lw_pool_tie *tie)
{
    tie->next = pool->ties;
    tie->link = &pool->ties;
    if (tie->next != NULL) {
        tie->next->link = &tie->next;
    }
    pool->ties = tie;
}

void lw_pool_untie(struct lw_pool_tie *tie)
{
    *tie->link = tie->next;
    if (tie->next != NULL) {
        tie->next->link = tie->link;
    }
}

size_t lw_pool_bytes(const struct lw_pool *pool)
{
    return pool->held_bytes;
}

/* A new slab of n_bytes, its header included. */
static struct pool_slab *slab_create(struct lw_pool *pool, size_t n_bytes)
{
    struct pool_slab *slab = lw_mem_alloc_pages(n_bytes);

    if (slab != NULL) {
        slab->n_bytes = n_bytes;
        slab->next = pool->slabs;
        slab->link = &pool->slabs;
        if (slab->next != NULL) {
            slab->next->link = &slab->next;
        }
        pool->slabs = slab;
        pool->held_bytes += n_bytes;
    }
    return slab;
}

static void *take_large(struct lw_pool *pool, size_t n_bytes)
{
    struct pool_slab *slab;

    if (n_bytes > SIZE_MAX - 2 * LINE_BYTES) {
        return NULL;
    }
    slab = slab_create(pool, LINE_BYTES + lines_of(n_bytes) * LINE_BYTES);
    return slab == NULL ? NULL : (uint8_t *)slab + LINE_BYTES;
}

static void give_large(struct lw_pool *pool, void *block)
{
    struct pool_slab *slab = (struct pool_slab *)((uint8_t *)block - LINE_BYTES);

    *slab->link = slab->next;
    if (slab->next != NULL) {
        slab->next->link = slab->link;
    }
    pool->held_bytes -= slab->n_bytes;
    lw_mem_free_pages(slab, slab->n_bytes);
}

static void *take_block(struct lw_pool *pool, size_t n_bytes)
{
    size_t n_lines = lines_of(n_bytes);
    void *block;

    if (n_lines > CLASSES) {
        return take_large(pool, n_bytes);
    }
    if (pool->free[n_lines] != NULL) {
        block = pool->free[n_lines];
        pool->free[n_lines] = pool->free[n_lines]->next;
        memset(block, 0, n_lines * LINE_BYTES);
        return block;
    }
    if (pool->left_bytes < n_lines * LINE_BYTES) {
        struct pool_slab *slab = slab_create(pool, SLAB_BYTES);

        if (slab == NULL) {
            return NULL;
        }
        pool->next = (uint8_t *)slab + LINE_BYTES;
        pool->left_bytes = SLAB_BYTES - LINE_BYTES;
    }
    block = pool->next;
    pool->next += n_lines * LINE_BYTES;
    pool->left_bytes -= n_lines * LINE_BYTES;
    return block;
}

void *lw_pool_take(struct lw_pool *pool, size_t n_bytes)
{
    void *block = take_block(pool, n_bytes);

    if (block != NULL) {
        lw_pool_count(pool, (ptrdiff_t)(lines_of(n_bytes) * LINE_BYTES));
    }
    return block;
}

void lw_pool_give(struct lw_pool *pool, void *block, size_t n_bytes)
{
    size_t n_lines = lines_of(n_bytes);

    if (block == NULL) {
        return;
    }
    lw_pool_count(pool, -(ptrdiff_t)(n_lines * LINE_BYTES));
    if (n_lines > CLASSES) {
        give_large(pool, block);
    } else {
        struct pool_free *free_block = block;

        free_block->next = pool->free[n_lines];
        pool->free[n_lines] = free_block;
    }
}

static bool texts_grow(struct lw_pool *pool)
{
    size_t n_buckets = pool->n_buckets == 0 ? 64 : pool->n_buckets * 2;
    struct pool_text **buckets = lw_mem_calloc(n_buckets, sizeof(*buckets));

    if (buckets == NULL) {
        return false;
    }
    for (size_t i = 0; i < pool->n_buckets; i++) {
        while (pool->buckets[i] != NULL) {
            struct pool_text *text = pool->buckets[i];

            pool->buckets[i] = text->next;
            text->next = buckets[text->hash & (n_buckets - 1)];
            buckets[text->hash & (n_buckets - 1)] = text;
        }
    }
    lw_mem_free(pool->buckets);
    pool->buckets = buckets;
    pool->n_buckets = n_buckets;
    return true;
}

const char *lw_pool_text(struct lw_pool *pool, const char *text)
{
    size_t n_bytes = strlen(text);
    uint64_t hash = lw_hash_bytes(text, n_bytes, 0);
    struct pool_text *entry;

    if (pool->n_texts >= pool->n_buckets && !texts_grow(pool)) {
        return NULL;
    }
    for (entry = pool->buckets[hash & (pool->n_buckets - 1)]; entry != NULL; entry = entry->next) {
        if (entry->hash == hash && strcmp(entry->text, text) == 0) {
            return entry->text;
        }
    }
    entry = lw_pool_take(pool, sizeof(*entry) + n_bytes + 1);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash;
    memcpy(entry->text, text, n_bytes + 1);
    entry->next = pool->buckets[hash & (pool->n_buckets - 1)];
    pool->buckets[hash & (pool->n_buckets - 1)] = entry;
    pool->n_texts++;
    return entry->text;
}
