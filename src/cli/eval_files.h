/* Finding files of scores and labels in folders. */
#ifndef LW_CLI_EVAL_FILES_H
#define LW_CLI_EVAL_FILES_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>

#define LW_EVAL_PATH_MAX 4096
/* Folders below each other that are looked into. */
#define LW_EVAL_DEPTH_MAX 16

/* Names of the CSV files below a folder, relative to it and without .csv or .csv.gz, in order. */
struct lw_eval_files {
    char **ids;
    size_t n, capacity;
};

bool lw_eval_is_folder(const char *path);
/* LW_EIO, LW_ELIMIT, LW_ENOMEM, LW_ENOTFOUND where there is no CSV file. */
enum lw_status lw_eval_files_list(const char *folder, struct lw_eval_files *ret_files,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_eval_files_fini(struct lw_eval_files *files);
/* The file of an id: folder/id.csv, folder/id.csv.gz, or the only folder/.../<anything>_<name>.csv.
 */
bool lw_eval_file_find(const char *folder, const char *id, char ret_path[LW_EVAL_PATH_MAX]);
/* A path's name without folder, .csv and .gz. */
void lw_eval_file_id(const char *path, char ret_id[LW_EVAL_PATH_MAX]);

#endif
