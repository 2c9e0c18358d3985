/* `lapwing state`: what is damaged in a stopped daemon's folder, and how it goes on. */
#include "lapwing/state.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/data_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct state_command {
    const char *verb, *folder;
};

static const char ABOUT[] =
    "Look after the folder of a daemon that does not run.\v"
    "Verbs: verify DIR reads every byte and says what is damaged and what to go on from; repair "
    "DIR "
    "makes a damaged folder one that a daemon takes: it sets damaged files aside, deletes nothing, "
    "and says what is lost. Exit codes: 0 whole, or repaired; 1 in use, or the system refused; 2 "
    "wrong usage; 3 damaged, or there is nothing to go on from.";

static error_t take_flag(int key, char *argument, struct argp_state *state)
{
    struct state_command *command = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            command->verb = argument;
        } else if (state->arg_num == 1) {
            command->folder = argument;
        } else {
            argp_error(state, "unexpected argument \"%s\"", argument);
        }
        return 0;
    case ARGP_KEY_END:
        if (command->folder == NULL ||
            (strcmp(command->verb, "verify") != 0 && strcmp(command->verb, "repair") != 0)) {
            argp_error(state, "say \"verify DIR\" or \"repair DIR\"");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {
    .parser = take_flag, .args_doc = "verify|repair DIR", .doc = ABOUT};

const struct argp *lw_state_argp(void)
{
    return &ARGP;
}

static void notice_print(void *context, const char *text)
{
    (void)context;
    (void)printf("%s\n", text);
}

static void check_print(const struct lw_state_check *check)
{
    (void)printf("%" PRIu64 " files, %" PRIu64 " bytes; %" PRIu64 " damaged\n", check->files,
                 check->bytes, check->damaged);
    (void)printf("snapshots: %" PRIu64 ", whole %" PRIu64, check->snapshots,
                 check->snapshots_whole);
    if (check->snapshot[0] != '\0') {
        (void)printf("; good to go on from: %s", check->snapshot);
    }
    (void)printf("\njournal: ");
    if (check->last == 0) {
        (void)printf("empty\n");
    } else {
        (void)printf("records %" PRIu64 " to %" PRIu64 "\n", check->first, check->last);
    }
}

static void outlook_print(const struct lw_state_check *check)
{
    if (check->hopeless) {
        (void)printf("there is nothing to go on from: no snapshot is whole, and the journal does "
                     "not begin at record 1\n");
    } else if (check->opens) {
        (void)printf("a daemon takes it as it is\n");
    } else if (check->lost_first == 0) {
        (void)printf("a daemon refuses it; \"lapwing state repair\" loses nothing of it\n");
    } else {
        (void)printf(
            "a daemon refuses it; \"lapwing state repair\" goes on without records %" PRIu64
            " to %" PRIu64 "\n",
            check->lost_first, check->lost_last);
    }
}

static int exit_of(enum lw_status status)
{
    return status == LW_ENOTFOUND || status == LW_EFORMAT || status == LW_EVERSION ? LW_EXIT_INPUT
                                                                                   : LW_EXIT_FAILED;
}

static int verify(const struct lw_state_folder *folder, struct lw_error *reterr)
{
    struct lw_state_check check;
    enum lw_status status = lw_state_verify(folder, &check, reterr);

    if (status != LW_OK) {
        return exit_of(status);
    }
    check_print(&check);
    outlook_print(&check);
    return check.opens && check.damaged == 0 ? LW_EXIT_OK : LW_EXIT_INPUT;
}

static int repair(const struct lw_state_folder *folder, struct lw_error *reterr)
{
    struct lw_state_check check;
    enum lw_status status = lw_state_repair(folder, &check, reterr);

    if (status != LW_OK) {
        return exit_of(status);
    }
    check_print(&check);
    if (check.lost_first == 0) {
        (void)printf("nothing is lost to the engine\n");
    } else {
        (void)printf("lost to the engine: records %" PRIu64 " to %" PRIu64 "\n", check.lost_first,
                     check.lost_last);
    }
    return check.opens && check.damaged == 0 ? LW_EXIT_OK : LW_EXIT_INPUT;
}

int lw_command_state(int argc, char **argv)
{
    struct state_command command = {.verb = ""};
    struct lw_state_folder folder = {.notice = notice_print};
    struct lw_error error = {0};
    enum lw_status status;
    int fd = -1, result;

    argp_err_exit_status = LW_EXIT_USAGE;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &command) != 0) {
        return LW_EXIT_USAGE;
    }
    folder.dir = command.folder;
    status = lw_data_dir_claim(command.folder, false, &fd, &error);
    if (status != LW_OK) {
        result = exit_of(status);
    } else {
        result = strcmp(command.verb, "verify") == 0 ? verify(&folder, &error)
                                                     : repair(&folder, &error);
        (void)close(fd);
    }
    if (error.message[0] != '\0') {
        (void)fprintf(stderr, "lapwing state: %s\n", error.message);
    }
    return result;
}
