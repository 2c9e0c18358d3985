/* Reading the first line of a file: see connect/first_line.h. */
#include "connect/first_line.h"

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum lw_status lw_first_line_read(const char *path, const char *what, char *ret_line,
                                  size_t capacity, struct lw_error *reterr)
{
    FILE *file = fopen(path, "re");
    size_t n;
    bool is_read;

    if (file == NULL) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "%.200s: %s", path,
                            strerror(errno));
    }
    n = fread(ret_line, 1, capacity - 1, file);
    is_read = ferror(file) == 0;
    (void)fclose(file);
    if (!is_read) {
        return lw_error_set(reterr, LW_EIO, "%.200s: it cannot be read", path);
    }
    ret_line[n] = '\0';
    n = strcspn(ret_line, "\r\n");
    if (n == capacity - 1) {
        return lw_error_set(reterr, LW_EFORMAT, "%.200s: %s has at most %zu bytes", path, what,
                            capacity - 2);
    }
    ret_line[n] = '\0';
    return LW_OK;
}

enum lw_status lw_first_line_check(const char *path, const char *line, struct lw_error *reterr)
{
    for (size_t i = 0; line[i] != '\0'; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            return lw_error_set(reterr, LW_EFORMAT, "%.200s: byte %zu may not stand in a header",
                                path, i + 1);
        }
    }
    return LW_OK;
}
