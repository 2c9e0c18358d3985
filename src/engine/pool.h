/*
 * Memory of the entities of one thread: blocks of whole cache lines cut from slabs of huge pages,
 * free lists by size.
 *
 * Nothing goes back to the system before the pool is destroyed. A block taken twice in the same
 * size comes from its free list, so a pool that has reached its working size allocates no more. One
 * thread.
 */
#ifndef LW_ENGINE_POOL_H
#define LW_ENGINE_POOL_H

#include "lapwing/lapwing.h"

/* A cleared block of n_bytes (> 0), aligned to 64; NULL when there is no memory. */
void *lw_pool_take(struct lw_pool *pool, size_t n_bytes);
/* Gives back a block with the size it was taken with; takes NULL. */
void lw_pool_give(struct lw_pool *pool, void *block, size_t n_bytes);
/* A copy of a text that lives as long as the pool; equal texts are the same pointer. NULL when
 * there is no memory. */
const char *lw_pool_text(struct lw_pool *pool, const char *text);

#endif
