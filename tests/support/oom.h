/*
 * Sweeps a scenario: its first allocation fails, then its second, and so on until none is left to
 * fail.
 *
 * Each time it must answer LW_ENOMEM and leave no block behind; the last time, unharmed, LW_OK. How
 * many points there were is printed, so that a scenario that allocates nothing cannot pass for a
 * test.
 */
#ifndef LW_TESTS_SUPPORT_OOM_H
#define LW_TESTS_SUPPORT_OOM_H

#include "support/mem_faulty.h"
#include "support/test.h"

#include "lapwing/status.h"

#define LW_OOM_POINTS_MAX 100000

static inline void lw_oom_sweep(const char *name, enum lw_status (*scenario)(void *user),
                                void *user)
{
    for (uint64_t n = 1; n <= LW_OOM_POINTS_MAX; n++) {
        int64_t live = lw_test_mem_live();
        enum lw_status status;
        int has_failed;

        lw_test_mem_fail_at(n);
        status = scenario(user);
        has_failed = lw_test_mem_has_failed();
        lw_test_mem_fail_at(0);
        if (lw_test_mem_live() != live) {
            fail_msg("%s leaves %lld blocks when allocation %llu fails", name,
                     (long long)(lw_test_mem_live() - live), (unsigned long long)n);
        }
        if (!has_failed) {
            assert_int_equal(status, LW_OK);
            printf("%s: %llu points\n", name, (unsigned long long)(n - 1));
            assert_true(n > 1);
            return;
        }
        if (status != LW_ENOMEM) {
            fail_msg("%s answers %d when allocation %llu fails", name, (int)status,
                     (unsigned long long)n);
        }
    }
    fail_msg("%s allocates without end", name);
}

#endif
