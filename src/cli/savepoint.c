/* `lapwing savepoint`: a daemon's state as one file that moves to another folder or machine. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/data_dir.h"
#include "lapwing/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often a folder that changes under the reader is read again. */
#define ATTEMPTS 10

struct savepoint_command {
    const char *verb, *file;
    const char *config_path, *data_dir; /* NULL: not given. */
    struct lw_config config;
    struct lw_engine *engine;
    struct lw_state_report report;
    int lock_fd;
};

static const struct argp_option OPTIONS[] = {
    {"config", 'c', "FILE", 0, "The daemon's configuration, which has its detectors", 1},
    {"data-dir", 'd', "DIR", 0, "Folder of the state, in place of the configured one", 1},
    {0},
};

static const char ABOUT[] =
    "Move the state of a daemon.\v"
    "Verbs: create FILE writes all that entities have learnt into one file, as the folder has it "
    "on "
    "the disk now, whether a daemon runs on it or not; verify FILE proves it "
    "whole and says what is in it; restore FILE makes a folder that has no state begin with it, "
    "whatever the number of threads. The two formats before this program's are read too. History, "
    "journal and what sinks have yet to be told stay where they are. Exit codes: 0 done; 1 in use, "
    "or the system refused; 2 wrong usage or configuration; 3 a file or folder that cannot be "
    "taken.";

static error_t take_flag(int key, char *argument, struct argp_state *state)
{
    struct savepoint_command *command = state->input;

    switch (key) {
    case 'c':
        command->config_path = argument;
        return 0;
    case 'd':
        command->data_dir = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            command->verb = argument;
        } else if (state->arg_num == 1) {
            command->file = argument;
        } else {
            argp_error(state, "unexpected argument \"%s\"", argument);
        }
        return 0;
    case ARGP_KEY_END:
        if (command->file == NULL ||
            (strcmp(command->verb, "create") != 0 && strcmp(command->verb, "verify") != 0 &&
             strcmp(command->verb, "restore") != 0)) {
            argp_error(state, "say \"create FILE\", \"verify FILE\" or \"restore FILE\"");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {.options = OPTIONS,
                                 .parser = take_flag,
                                 .args_doc = "create|verify|restore FILE",
                                 .doc = ABOUT};

const struct argp *lw_savepoint_argp(void)
{
    return &ARGP;
}

static int exit_of(enum lw_status status)
{
    return status == LW_OK ? LW_EXIT_OK
           : status == LW_ENOTFOUND || status == LW_EFORMAT || status == LW_EVERSION ||
                   status == LW_EEXIST
               ? LW_EXIT_INPUT
               : LW_EXIT_FAILED;
}

/* ---- an engine on the folder ---- */

/* The clock stands still: this is no run of the daemon, and nobody is to be thought silent. */
static int64_t no_time(void *context)
{
    (void)context;
    return 0;
}

static enum lw_status read_config(struct savepoint_command *command, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    lw_config_init(&command->config);
    if (command->config_path != NULL) {
        status = lw_config_read(&command->config, command->config_path, reterr);
    }
    if (status == LW_OK) {
        status = lw_config_fill(&command->config, reterr);
    }
    if (command->data_dir != NULL) {
        (void)snprintf(command->config.options.data_dir, sizeof(command->config.options.data_dir),
                       "%s", command->data_dir);
    }
    return status;
}

/* `reads`: the folder stays as it is, and may be a running daemon's. */
static enum lw_status engine_open(struct savepoint_command *command, bool reads,
                                  struct lw_error *reterr)
{
    const struct lw_engine_config config = {.n_shards = (uint32_t)command->config.options.threads};
    const struct lw_state_config state = {.dir = command->config.options.data_dir,
                                          .manual = true,
                                          .read_only = reads,
                                          .real_ns = no_time};
    enum lw_status status = lw_engine_create(&config, &command->engine, reterr);

    for (size_t i = 0; status == LW_OK && i < command->config.n_detectors; i++) {
        status = lw_engine_set_detector(command->engine, command->config.detectors[i].name,
                                        command->config.detectors[i].spec, reterr);
    }
    return status == LW_OK ? lw_engine_open_state(command->engine, &state, &command->report, reterr)
                           : status;
}

static void info_print(const char *file, const struct lw_savepoint_info *info)
{
    (void)printf("%s: format %" PRIu32 ", %" PRIu32 " detectors, %" PRIu32 " entities, %" PRIu64
                 " bytes, digest %016" PRIx64 "\n",
                 file, info->version, info->detectors, info->entities, info->bytes, info->digest);
}

static enum lw_status verify(const struct savepoint_command *command, struct lw_error *reterr)
{
    struct lw_savepoint_info info;
    enum lw_status status = lw_savepoint_check(command->file, &info, reterr);

    if (status == LW_OK) {
        info_print(command->file, &info);
    }
    return status;
}

/* A daemon may write, or drop, what is being read: then it is read again. */
static enum lw_status engine_read(struct savepoint_command *command, struct lw_error *reterr)
{
    const struct timespec nap = {.tv_nsec = 200000000};
    enum lw_status status = engine_open(command, true, reterr);

    for (int i = 0; i < ATTEMPTS && (status == LW_EFORMAT || status == LW_EIO); i++) {
        (void)nanosleep(&nap, NULL);
        lw_engine_destroy(command->engine);
        command->engine = NULL;
        status = engine_open(command, true, reterr);
    }
    if (status == LW_OK && reterr != NULL) {
        reterr->message[0] = '\0';
    }
    return status;
}

static enum lw_status create(struct savepoint_command *command, struct lw_error *reterr)
{
    enum lw_status status = engine_read(command, reterr);

    if (status == LW_OK && command->report.skipped > 0) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "%" PRIu32 " entities of %s are of detectors that the configuration "
                            "does not have, or has with other options: name the daemon's own",
                            command->report.skipped, command->config.options.data_dir);
    }
    if (status == LW_OK) {
        status = lw_engine_save(command->engine, command->file, reterr);
    }
    return status == LW_OK ? verify(command, reterr) : status;
}

static enum lw_status restore(struct savepoint_command *command, struct lw_error *reterr)
{
    uint32_t n_skipped = 0;
    enum lw_status status = verify(command, reterr);

    if (status == LW_OK) {
        status = engine_open(command, false, reterr);
    }
    if (status == LW_OK && !command->report.fresh) {
        return lw_error_set(reterr, LW_EEXIST, "%s has a state already",
                            command->config.options.data_dir);
    }
    if (status == LW_OK) {
        status = lw_engine_load(command->engine, command->file, &n_skipped, reterr);
    }
    if (status == LW_OK) {
        status = lw_engine_checkpoint(command->engine, reterr);
    }
    if (status == LW_OK) {
        (void)printf("%s begins with it%s", command->config.options.data_dir,
                     n_skipped == 0 ? "\n" : ", ");
    }
    if (status == LW_OK && n_skipped > 0) {
        (void)printf("but for %" PRIu32 " entities: their detectors are not in the configuration, "
                     "or have other options\n",
                     n_skipped);
    }
    return status;
}

/* ---- the whole ---- */

static int work_on_folder(struct savepoint_command *command, struct lw_error *reterr)
{
    bool restores = strcmp(command->verb, "restore") == 0;
    enum lw_status status = read_config(command, reterr);
    int result = status == LW_OK ? LW_EXIT_OK : LW_EXIT_USAGE;

    if (status == LW_OK) {
        status = restores ? lw_data_dir_claim(command->config.options.data_dir, true,
                                              &command->lock_fd, reterr)
                          : LW_OK;
        if (status == LW_OK) {
            status = restores ? restore(command, reterr) : create(command, reterr);
        }
        result = exit_of(status);
    }
    lw_engine_destroy(command->engine);
    lw_config_fini(&command->config);
    if (command->lock_fd >= 0) {
        (void)close(command->lock_fd);
    }
    return result;
}

int lw_command_savepoint(int argc, char **argv)
{
    struct savepoint_command command = {.verb = "", .lock_fd = -1};
    struct lw_error error = {0};
    int result;

    argp_err_exit_status = LW_EXIT_USAGE;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &command) != 0) {
        return LW_EXIT_USAGE;
    }
    if (strcmp(command.verb, "verify") == 0) {
        result = exit_of(verify(&command, &error));
    } else {
        result = work_on_folder(&command, &error);
    }
    if (error.message[0] != '\0') {
        (void)fprintf(stderr, "lapwing savepoint: %s\n", error.message);
    }
    return result;
}
