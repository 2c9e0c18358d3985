/* The kernels compiled for the oldest CPU of the architecture: the reference that all others must
 * equal. */
#define LW_KERNELS_TABLE lw_kernels_plain
#define LW_KERNELS_NAME "plain"
#include "math/kernels_body.h"
