/*
 * The only door to the heap. Tests link another mem.c behind this header, which fails the n-th call
 * and counts what is live; nothing else in the tree calls malloc.
 */
#ifndef LW_BASE_MEM_H
#define LW_BASE_MEM_H

#include <stddef.h>

/* A local that is filled part by part and need not be cleared first, where the build clears all
 * locals. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define LW_UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef LW_UNINITIALIZED
#define LW_UNINITIALIZED
#endif

/* Memory for n_bytes (> 0), aligned for any type; NULL when there is none. Not cleared. */
void *lw_mem_alloc(size_t n_bytes);
/* The same, cleared; NULL also when n_items * item_bytes overflows. */
void *lw_mem_calloc(size_t n_items, size_t item_bytes);
/* As realloc: on NULL the old block stays. */
void *lw_mem_realloc(void *bytes, size_t n_bytes);
/* Whole cleared pages, huge ones advised; for slabs. Freed by lw_mem_free_pages with the same size.
 */
void *lw_mem_alloc_pages(size_t n_bytes);
void lw_mem_free_pages(void *bytes, size_t n_bytes);
/* Takes NULL. */
void lw_mem_free(void *bytes);

#endif
