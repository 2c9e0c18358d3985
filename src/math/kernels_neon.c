/* The kernels compiled for neon; the build gives this file its instruction set by its name. */
#if defined(__aarch64__)
#define LW_KERNELS_TABLE lw_kernels_neon
#define LW_KERNELS_NAME "neon"
#include "math/kernels_body.h"
#else
typedef int lw_kernels_neon_unused; /* ISO C wants one declaration a file. */
#endif
