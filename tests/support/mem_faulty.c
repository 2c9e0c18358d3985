/* base/mem.h for tests: see tests/support/mem_faulty.h. Takes base/mem.c's place at link time. */
#include "mem_faulty.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint_fast64_t mem_calls;
static atomic_int_fast64_t mem_live;
static atomic_uint_fast64_t mem_fail_at_call; /* In mem_calls' count; 0 is never. */

uint64_t lw_test_mem_calls(void)
{
    return atomic_load(&mem_calls);
}

int64_t lw_test_mem_live(void)
{
    return atomic_load(&mem_live);
}

void lw_test_mem_fail_at(uint64_t n)
{
    atomic_store(&mem_fail_at_call, n == 0 ? 0 : atomic_load(&mem_calls) + n);
}

int lw_test_mem_has_failed(void)
{
    uint64_t at = atomic_load(&mem_fail_at_call);

    return at != 0 && atomic_load(&mem_calls) >= at;
}

/* Counts one call; 0 when it is the one to fail. */
static int mem_may_allocate(void)
{
    uint64_t call = atomic_fetch_add(&mem_calls, 1) + 1;

    return call != atomic_load(&mem_fail_at_call);
}

static void *mem_count(void *bytes)
{
    if (bytes != NULL) {
        (void)atomic_fetch_add(&mem_live, 1);
    }
    return bytes;
}

void *lw_mem_alloc(size_t n_bytes)
{
    return mem_may_allocate() ? mem_count(malloc(n_bytes)) : NULL;
}

void *lw_mem_calloc(size_t n_items, size_t item_bytes)
{
    return mem_may_allocate() ? mem_count(calloc(n_items, item_bytes)) : NULL;
}

void *lw_mem_realloc(void *bytes, size_t n_bytes)
{
    if (!mem_may_allocate()) {
        return NULL;
    }
    return bytes == NULL ? mem_count(malloc(n_bytes)) : realloc(bytes, n_bytes);
}

void lw_mem_free(void *bytes)
{
    if (bytes != NULL) {
        (void)atomic_fetch_sub(&mem_live, 1);
    }
    free(bytes);
}

/* Pages come from the heap here: aligned and cleared as base/mem.h promises, and watched by the
 * sanitizers. */
void *lw_mem_alloc_pages(size_t n_bytes)
{
    enum { PAGE_BYTES = 4096 };
    size_t whole = (n_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    unsigned char *pages = mem_may_allocate() ? mem_count(aligned_alloc(PAGE_BYTES, whole)) : NULL;

    for (size_t i = 0; pages != NULL && i < whole; i++) {
        pages[i] = 0;
    }
    return pages;
}

void lw_mem_free_pages(void *bytes, size_t n_bytes)
{
    (void)n_bytes;
    lw_mem_free(bytes);
}
