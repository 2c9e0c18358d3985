/* Fills the error detail that the public headers hand out. */
#ifndef LW_BASE_ERROR_H
#define LW_BASE_ERROR_H

#include "lapwing/status.h"

/* Formats one sentence into reterr (may be NULL) and returns status, so that a caller can `return
 * lw_error_set(...)`. */
enum lw_status lw_error_set(struct lw_error *reterr, enum lw_status status, const char *format, ...)
    LW_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time and would take the returned status for unknown. */
#define lw_error_set(reterr, status, ...)                                                          \
    ((void)(lw_error_set)(reterr, status, __VA_ARGS__), (status))
#endif

#endif
