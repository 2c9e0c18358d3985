/* What `lapwing eval` was asked to do. */
#ifndef LW_CLI_EVAL_OPTIONS_H
#define LW_CLI_EVAL_OPTIONS_H

#include "cli/eval_gather.h"

struct lw_eval_command {
    struct lw_eval_request request;
    struct lw_eval_options options;
    bool is_json, is_per_series, is_quiet;
};

/* Reads the command line; the texts point into argv. Ends the program on --help and on what cannot
 * be taken, as argp does. */
void lw_eval_options_read(int argc, char **argv, struct lw_eval_command *ret_command);

#endif
