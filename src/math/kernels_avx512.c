/* The kernels compiled for avx512; the build gives this file its instruction set by its name. */
#if defined(__x86_64__)
#define LW_KERNELS_TABLE lw_kernels_avx512
#define LW_KERNELS_NAME "avx512"
#include "math/kernels_body.h"
#else
typedef int lw_kernels_avx512_unused; /* ISO C wants one declaration a file. */
#endif
