/* The program: finds the subcommand and hands over to it. */
#include "base/text.h"
#include "cli/command.h"
#include "cli/reference.h"
#include "lapwing/lapwing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A typing mistake changes at most so many letters. */
#define MISTAKE_MAX 3

static int help_run(int argc, char **argv);
static int version_run(int argc, char **argv);

static const struct lw_command COMMANDS[] = {
    {"run", "Watch this host, or what a configuration names, and show it on a page", lw_command_run,
     lw_run_argp},
    {"replay", "Go through CSV files as if they came in live", lw_command_replay, lw_replay_argp},
    {"train", "Train models on history, for replay and run to serve", lw_command_train,
     lw_train_argp},
    {"models", "Say what is in a model file, or write a model of it as ONNX", lw_command_models,
     lw_models_argp},
    {"sinks", "Say how sinks do; replay or drop what they refused", lw_command_sinks,
     lw_sinks_argp},
    {"plan", "Say how much memory detectors would take, and how many entities a limit holds",
     lw_command_plan, lw_plan_argp},
    {"state", "Verify or repair the folder of a stopped daemon's state", lw_command_state,
     lw_state_argp},
    {"savepoint", "Move a daemon's state: one file that any data_dir can begin from",
     lw_command_savepoint, lw_savepoint_argp},
    {"eval", "Say how good scores are, by labels", lw_command_eval, lw_eval_argp},
    {"help", "Say what a subcommand does and which options it takes", help_run, NULL},
    {"version", "Say the version", version_run, NULL},
};

#define N_COMMANDS (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

static const struct lw_command *command_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

/* The subcommand a typing mistake away, or NULL. */
static const struct lw_command *command_nearest(const char *name)
{
    const struct lw_command *nearest = NULL;
    size_t best = MISTAKE_MAX + 1;

    for (size_t i = 0; i < N_COMMANDS; i++) {
        size_t distance = lw_text_distance(name, COMMANDS[i].name);

        if (distance < best && distance < strlen(COMMANDS[i].name)) {
            best = distance;
            nearest = &COMMANDS[i];
        }
    }
    return nearest;
}

static int unknown(const char *name)
{
    const struct lw_command *nearest = command_nearest(name);

    (void)fprintf(stderr, "lapwing: there is no subcommand \"%.100s\"", name);
    if (nearest != NULL) {
        (void)fprintf(stderr, "; did you mean \"%s\"?", nearest->name);
    }
    (void)fputs("\nTry \"lapwing help\".\n", stderr);
    return LW_EXIT_USAGE;
}

static void usage_print(FILE *stream)
{
    (void)fputs(
        "lapwing finds anomalies in streams of metrics, says why, and needs nothing beside it.\n\n"
        "usage: lapwing SUBCOMMAND [OPTION...]\n\n",
        stream);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        (void)fprintf(stream, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    }
    (void)fputs("\nBegin with \"lapwing run\" and open http://127.0.0.1:8080, or with \"lapwing "
                "replay FILE.csv\".\n"
                "\"lapwing help SUBCOMMAND\" and \"lapwing SUBCOMMAND --help\" say more.\n",
                stream);
}

/* Calls a subcommand with its full name in argv[0], which is what its messages begin with. */
static int command_call(const struct lw_command *command, int argc, char **argv)
{
    static char name[64];

    (void)snprintf(name, sizeof(name), "lapwing %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

static int help_run(int argc, char **argv)
{
    static char option[] = "--help";
    const struct lw_command *command;

    if (argc > 1 && strcmp(argv[1], "--markdown") == 0) {
        lw_reference_print(COMMANDS, N_COMMANDS, stdout);
        return LW_EXIT_OK;
    }
    if (argc < 2 || argv[1][0] == '-') {
        usage_print(stdout);
        return LW_EXIT_OK;
    }
    command = command_find(argv[1]);
    if (command == NULL) {
        return unknown(argv[1]);
    }
    if (command->argp == NULL) {
        (void)printf("lapwing %s: %s.\n", command->name, command->help);
        return LW_EXIT_OK;
    }
    argv[1] = option;
    return command_call(command, 2, argv);
}

static int version_run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("lapwing %s\n", lw_version());
    return LW_EXIT_OK;
}

int main(int argc, char **argv)
{
    const struct lw_command *command;

    /* ONNX Runtime, where a model needs it, must not report home. It is told here, while there is
     * one thread: to change the environment is not safe beside threads that read it. */
    if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0) {
        perror("lapwing");
        return LW_EXIT_FAILED;
    }
    if (argc < 2) {
        usage_print(stderr);
        return LW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage_print(stdout);
        return LW_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        return version_run(argc, argv);
    }
    command = command_find(argv[1]);
    return command == NULL ? unknown(argv[1]) : command_call(command, argc - 1, argv + 1);
}
