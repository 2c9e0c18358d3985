/* The folder of the state: one program at a time works on it. */
#ifndef LW_CLI_DATA_DIR_H
#define LW_CLI_DATA_DIR_H

#include "lapwing/status.h"

#include <stdbool.h>

/*
 * Keeps every other lapwing out of a folder until *ret_fd is closed. With `make` it is made where
 * it is not there. LW_ENOTFOUND without it; LW_EBUSY: another lapwing works on it; LW_EIO.
 */
enum lw_status lw_data_dir_claim(const char *folder, bool make, int *ret_fd,
                                 struct lw_error *reterr) LW_MUST_USE;

#endif
