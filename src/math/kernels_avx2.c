/* The kernels compiled for avx2; the build gives this file its instruction set by its name. */
#if defined(__x86_64__)
#define LW_KERNELS_TABLE lw_kernels_avx2
#define LW_KERNELS_NAME "avx2"
#include "math/kernels_body.h"
#else
typedef int lw_kernels_avx2_unused; /* ISO C wants one declaration a file. */
#endif
