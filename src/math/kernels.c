/* Picks the kernel table that suits the CPU this process runs on. */
#include "math/kernels.h"

extern const struct lw_kernels lw_kernels_plain;
#if defined(__x86_64__)
extern const struct lw_kernels lw_kernels_avx2;
extern const struct lw_kernels lw_kernels_avx512;
#elif defined(__aarch64__)
extern const struct lw_kernels lw_kernels_neon;
#endif

/* Tables in ascending order of speed; each list is a prefix of the longest, chosen without writing
 * to any global. */
#if defined(__x86_64__)
static const struct lw_kernels *const kernels_list[] = {&lw_kernels_plain, &lw_kernels_avx2,
                                                        &lw_kernels_avx512};

static size_t kernels_usable(void)
{
    if (!__builtin_cpu_supports("avx2")) {
        return 1;
    }
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
               ? 3
               : 2;
}
#elif defined(__aarch64__)
static const struct lw_kernels *const kernels_list[] = {&lw_kernels_plain, &lw_kernels_neon};

static size_t kernels_usable(void)
{
    return 2;
}
#else
static const struct lw_kernels *const kernels_list[] = {&lw_kernels_plain};

static size_t kernels_usable(void)
{
    return 1;
}
#endif

const struct lw_kernels *lw_kernels_best(void)
{
    return kernels_list[kernels_usable() - 1];
}

const struct lw_kernels *const *lw_kernels_all(size_t *ret_n)
{
    *ret_n = kernels_usable();
    return kernels_list;
}
