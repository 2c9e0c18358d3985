/*
 * Memory of the entities of one thread: blocks of whole cache lines cut from slabs of huge pages,
 * free lists by size.
 *
 * Small blocks (up to 8 KiB) go back to a free list of their size, never to the system before the
 * pool is destroyed, so a pool that has reached its working size allocates no more of them; larger
 * ones are mapped one by one and unmapped when given back. What is not plain memory is tied to the
 * pool and ended with it. One thread.
 */
#ifndef LW_ENGINE_OPERATOR_POOL_H
#define LW_ENGINE_OPERATOR_POOL_H

#include "lapwing/lapwing.h"

#include <stddef.h>

/* A part of something that lives in a pool and owns more than the pool's memory. */
struct lw_pool_tie {
    struct lw_pool_tie *next, **link;
    void (*end)(struct lw_pool_tie *tie); /* Must untie. */
};

/* What is tied is ended by lw_pool_destroy(), unless it is untied before. */
void lw_pool_tie(struct lw_pool *pool, struct lw_pool_tie *tie);
void lw_pool_untie(struct lw_pool_tie *tie);
/* Who trains the models of the pool's entities in the background, outliving the pool; NULL (at
 * first): they train in the step that needs the result. */
struct lw_trainer;
void lw_pool_set_trainer(struct lw_pool *pool, struct lw_trainer *trainer);
struct lw_trainer *lw_pool_trainer(const struct lw_pool *pool);
/* A cleared block of n_bytes (> 0), aligned to 64; NULL when there is no memory. */
void *lw_pool_take(struct lw_pool *pool, size_t n_bytes);
/* Gives back a block with the size it was taken with; takes NULL. */
void lw_pool_give(struct lw_pool *pool, void *block, size_t n_bytes);
/* Bytes of blocks that are taken, and of what else belongs to the pool's entities: any thread. */
size_t lw_pool_used(const struct lw_pool *pool);
/* Memory from elsewhere that belongs to one of them came or went. */
void lw_pool_count(struct lw_pool *pool, ptrdiff_t n_bytes);
/* A copy of a text that lives as long as the pool; equal texts are the same pointer. NULL when
 * there is no memory. */
const char *lw_pool_text(struct lw_pool *pool, const char *text);

#endif
