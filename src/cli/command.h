/* What the program's subcommands share: how they are called and what their exit codes mean. */
#ifndef LW_CLI_COMMAND_H
#define LW_CLI_COMMAND_H

#include <argp.h>

/* Exit codes; a script may rely on them. */
enum lw_exit {
    LW_EXIT_OK = 0,     /* Done, whether anomalies were found or not. */
    LW_EXIT_FAILED = 1, /* No memory, output that cannot be written, a service that cannot start. */
    LW_EXIT_USAGE = 2,  /* Options, a configuration or a model file that cannot be taken. */
    LW_EXIT_INPUT = 3,  /* An input could not be read, or not to its end (the others were), or there
                           is too little in it. */
    LW_EXIT_BAD_ROWS = 4, /* --strict, and some rows were bad. */
};

/* A subcommand: argv[0] is its name, as in "lapwing replay". Returns an enum lw_exit. */
int lw_command_replay(int argc, char **argv);
int lw_command_run(int argc, char **argv);
int lw_command_eval(int argc, char **argv);
int lw_command_train(int argc, char **argv);
int lw_command_models(int argc, char **argv);
int lw_command_sinks(int argc, char **argv);
int lw_command_plan(int argc, char **argv);
int lw_command_state(int argc, char **argv);
int lw_command_savepoint(int argc, char **argv);

/* Its options, for --help, the man page and the reference. */
const struct argp *lw_replay_argp(void);
const struct argp *lw_run_argp(void);
const struct argp *lw_eval_argp(void);
const struct argp *lw_train_argp(void);
const struct argp *lw_models_argp(void);
const struct argp *lw_sinks_argp(void);
const struct argp *lw_plan_argp(void);
const struct argp *lw_state_argp(void);
const struct argp *lw_savepoint_argp(void);

#endif
