/* The heap and, for slabs, whole pages from the kernel with huge pages advised. */
#define _GNU_SOURCE
#include "base/mem.h"

#include <stdlib.h>
#include <sys/mman.h>

void *lw_mem_alloc(size_t n_bytes)
{
    return malloc(n_bytes);
}

void *lw_mem_calloc(size_t n_items, size_t item_bytes)
{
    return calloc(n_items, item_bytes);
}

void *lw_mem_realloc(void *bytes, size_t n_bytes)
{
    return realloc(bytes, n_bytes);
}

void lw_mem_free(void *bytes)
{
    free(bytes);
}

void *lw_mem_alloc_pages(size_t n_bytes)
{
    void *pages = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(pages, n_bytes, MADV_HUGEPAGE); /* Only advice: small pages serve as well. */
    return pages;
}

void lw_mem_free_pages(void *bytes, size_t n_bytes)
{
    if (bytes != NULL) {
        (void)munmap(bytes, n_bytes);
    }
}
