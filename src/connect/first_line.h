/* The first line of a small file: a token, a header or a secret, which belongs in no configuration.
 */
#ifndef LW_CONNECT_FIRST_LINE_H
#define LW_CONNECT_FIRST_LINE_H

#include "lapwing/status.h"

#include <stddef.h>

/*
 * Reads it without its end, terminated. An empty one is fine here. LW_ENOTFOUND; LW_EIO; LW_EFORMAT
 * beyond capacity - 2 bytes: `what` ("a secret") names it. All messages begin with the path.
 */
enum lw_status lw_first_line_read(const char *path, const char *what, char *ret_line,
                                  size_t capacity, struct lw_error *reterr) LW_MUST_USE;
/* Can it stand in an HTTP header? LW_EFORMAT names the byte that cannot. */
enum lw_status lw_first_line_check(const char *path, const char *line,
                                   struct lw_error *reterr) LW_MUST_USE;

#endif
