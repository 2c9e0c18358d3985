/* Claims the folder of the state by a lock on a file in it. */
#include "cli/data_dir.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

enum lw_status lw_data_dir_claim(const char *folder, bool make, int *ret_fd,
                                 struct lw_error *reterr)
{
    char lock_path[PATH_MAX];
    int fd;

    if (make && mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return lw_error_set(reterr, LW_EIO, "cannot make folder %s: %s", folder, strerror(errno));
    }
    (void)snprintf(lock_path, sizeof(lock_path), "%s/%s", folder, LOCK_NAME);
    fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return lw_error_set(reterr, errno == ENOENT ? LW_ENOTFOUND : LW_EIO, "cannot open %s: %s",
                            lock_path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return lw_error_set(reterr, LW_EBUSY, "folder %s is in use by another lapwing", folder);
    }
    *ret_fd = fd;
    return LW_OK;
}
