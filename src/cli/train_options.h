/* What `lapwing train` was asked to do. */
#ifndef LW_CLI_TRAIN_OPTIONS_H
#define LW_CLI_TRAIN_OPTIONS_H

#include "cli/replay_options.h"
#include "lapwing/train.h"

struct lw_train_command {
    struct lw_replay_options *inputs; /* Where samples come from: the caller's, cleared. */
    const char *data_dir;             /* Of `lapwing run`, in place of samples; NULL: none. */
    const char *labels, *label_column;
    struct lw_train_options options;
    const char *out, *report;
    bool is_json, is_quiet, is_strict;
};

/* Reads the command line; the texts point into argv, which is changed. Ends the program on --help
 * and on what cannot be taken, as argp does. */
void lw_train_options_read(int argc, char **argv, struct lw_replay_options *inputs,
                           struct lw_train_command *ret_command);

#endif
