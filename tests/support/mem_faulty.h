/*
 * The heap of the tests: base/mem.h over malloc, counting every call and failing the one a test
 * asks for.
 *
 * The counters belong to the process and are atomic; arm and read them from one thread.
 */
#ifndef LW_TESTS_SUPPORT_MEM_FAULTY_H
#define LW_TESTS_SUPPORT_MEM_FAULTY_H

#include <stddef.h>
#include <stdint.h>

/* Allocations asked for since the process began: alloc, calloc, realloc and pages, failed ones too.
 */
uint64_t lw_test_mem_calls(void);
/* Blocks that are allocated now and not yet freed. */
int64_t lw_test_mem_live(void);
/* Fails the n-th allocation from here on, counted from 1, and none after it; 0 disarms. */
void lw_test_mem_fail_at(uint64_t n);
/* True when the armed allocation has been reached, and so has failed. */
int lw_test_mem_has_failed(void);

#endif
