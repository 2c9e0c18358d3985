/* What people have called anomalous, for training: from windows or from a column of the files. */
#ifndef LW_CLI_TRAIN_LABELS_H
#define LW_CLI_TRAIN_LABELS_H

#include "cli/eval_windows.h"
#include "cli/replay_internal.h"
#include "lapwing/train.h"

struct lw_train_labels {
    struct lw_train_label *items; /* Their names are owned, below. */
    size_t n, capacity;
    char **names;
    size_t n_names, names_capacity;
};

void lw_train_labels_fini(struct lw_train_labels *labels);
/*
 * Windows of a file, given to the entities of a detector by their names. `unknown` (may be NULL)
 * hears of names that no entity has. LW_ENOMEM.
 */
enum lw_status lw_train_labels_of_windows(struct lw_train_labels *labels,
                                          const struct lw_eval_windows *windows,
                                          struct lw_engine *engine, const char *detector,
                                          void (*unknown)(void *context, const char *name),
                                          void *context, struct lw_error *reterr) LW_MUST_USE;
/*
 * Rows of the files of a replay in which a column is set, as stretches of time. Called when they
 * have been read. LW_EFORMAT and what lw_eval_table_read() answers; the message names path, line
 * and reason.
 */
enum lw_status lw_train_labels_of_column(struct lw_train_labels *labels,
                                         const struct replay *replay, const char *column,
                                         struct lw_error *reterr) LW_MUST_USE;

#endif
