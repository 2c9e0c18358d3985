/* `lapwing models`: what is in a model file, and a model of it as ONNX. */
#include "base/error.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/models_export.h"
#include "cli/models_file.h"
#include "cli/train_report.h"
#include "lapwing/train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_HTML };

enum option_key { OPTION_INT8 = 256, OPTION_PRUNE, OPTION_ROWS, OPTION_GROUP, OPTION_AS };

/* What each verb takes: MODEL-FILE, and of an export MEMBER and OUT.onnx. */
#define ARGUMENTS_SHOW 1u
#define ARGUMENTS_EXPORT 3u

struct models_command {
    const char *path, *out;
    enum format format;
    bool is_export;
    bool has_group;
    const char *show_option, *export_option; /* One that was given, of each verb; or NULL. */
    struct lw_models_export export;
};

static const struct argp_option OPTIONS[] = {
    {"format", 'f', "FORMAT", 0,
     "show: form of the report, \"text\" (default), \"json\" or \"html\"", 1},
    {"out", 'o', "FILE", 0, "show: write it to FILE in place of standard output", 1},
    {"int8", OPTION_INT8, NULL, 0, "export: weights as 8-bit integers", 1},
    {"prune", OPTION_PRUNE, "SHARE", 0,
     "export: leave out this share of each layer's weights, the smallest; 0 to less than 1", 1},
    {"rows", OPTION_ROWS, "FILE", 0,
     "export: measure what the graph loses on the rows of a CSV file, which has the columns that "
     "were trained on; needs ONNX Runtime",
     1},
    {"as", OPTION_AS, "ENTITY", 0, "export: the models of this entity, which the rows are of", 1},
    {"group", OPTION_GROUP, "N", 0,
     "export: the models of this group of entities (0); the rows are taken for its first entity's",
     1},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 2},
    {0},
};

static const char ABOUT[] =
    "Say what is in a model file, the report of its training; or write one of its models as ONNX, "
    "which other tools run.\v"
    "Verbs: show MODEL-FILE; export MODEL-FILE MEMBER OUT.onnx, where MEMBER is as the report "
    "names "
    "it (autoencoder@values) or its class alone. Autoencoder, lstm and iforest can be exported, "
    "the "
    "first two also with --int8 and --prune. Exit codes: 0 done; 1 no memory or an output that "
    "cannot be written; 2 wrong usage, a model that cannot be exported so, or --rows without ONNX "
    "Runtime; 3 a file cannot be read or is no model file.";

/* Options of `export`; false for others. */
static bool export_option_take(int key, const char *argument, struct argp_state *state)
{
    struct models_command *command = state->input;
    struct lw_export_options *options = &command->export.options;
    char *end = NULL;

    switch (key) {
    case OPTION_INT8:
        options->int8 = true;
        command->export_option = "--int8";
        return true;
    case OPTION_PRUNE:
        options->prune = strtod(argument, &end);
        if (end == argument || *end != '\0' || !(options->prune >= 0.0 && options->prune < 1.0)) {
            argp_error(state, "--prune: \"%s\" is no share from 0 to less than 1", argument);
        }
        command->export_option = "--prune";
        return true;
    case OPTION_ROWS:
        command->export.rows = argument;
        command->export_option = "--rows";
        return true;
    case OPTION_AS:
        options->entity = argument;
        command->export_option = "--as";
        return true;
    case OPTION_GROUP: {
        unsigned long group = strtoul(argument, &end, 10);

        if (argument[0] < '0' || argument[0] > '9' || *end != '\0' || group >= UINT32_MAX) {
            argp_error(state, "--group: \"%s\" is no number of a group", argument);
        }
        options->group = (uint32_t)group;
        command->has_group = true;
        command->export_option = "--group";
        return true;
    }
    default:
        return false;
    }
}

static void argument_take(struct models_command *command, const char *argument,
                          const struct argp_state *state)
{
    if (state->arg_num == 0) {
        command->is_export = strcmp(argument, "export") == 0;
        if (!command->is_export && strcmp(argument, "show") != 0) {
            argp_error(state, "\"%s\" is no verb; there are \"show\" and \"export\"", argument);
        }
        return;
    }
    if (state->arg_num > (command->is_export ? ARGUMENTS_EXPORT : ARGUMENTS_SHOW)) {
        argp_error(state, "unexpected argument \"%s\"", argument);
    }
    if (state->arg_num == 1) {
        command->path = argument;
    } else if (state->arg_num == 2) {
        command->export.options.member = argument;
    } else {
        command->export.out = argument;
    }
}

/* What the options and arguments must be together. */
static void command_check(const struct models_command *command, const struct argp_state *state)
{
    const char *strange = command->is_export ? command->show_option : command->export_option;

    if (command->is_export && command->export.out == NULL) {
        argp_error(state, "too few arguments: lapwing models export MODEL-FILE MEMBER OUT.onnx");
    }
    if (command->path == NULL) {
        argp_error(state, "no model file was named: lapwing models show FILE");
    }
    if (strange != NULL) {
        argp_error(state, "%s is no option of \"%s\"", strange,
                   command->is_export ? "export" : "show");
    }
    if (command->has_group && command->export.options.entity != NULL) {
        argp_error(state, "--group and --as: an entity is of one group; give one of them");
    }
}

static error_t option_take(int key, char *argument, struct argp_state *state)
{
    static const char *const formats[] = {"text", "json", "html"};
    struct models_command *command = state->input;

    switch (key) {
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case 'o':
        command->out = argument;
        command->show_option = "--out";
        return 0;
    case 'f':
        command->show_option = "--format";
        for (int i = 0; i < 3; i++) {
            if (strcmp(argument, formats[i]) == 0) {
                command->format = (enum format)i;
                return 0;
            }
        }
        argp_error(state, "--format: \"%s\" is none of text, json, html", argument);
        return EINVAL;
    case ARGP_KEY_ARG:
        argument_take(command, argument, state);
        return 0;
    case ARGP_KEY_END:
        command_check(command, state);
        return 0;
    default:
        return export_option_take(key, argument, state) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {.options = OPTIONS,
                                 .parser = option_take,
                                 .args_doc = "show MODEL-FILE | export MODEL-FILE MEMBER OUT.onnx",
                                 .doc = ABOUT};

const struct argp *lw_models_argp(void)
{
    return &ARGP;
}

static void say(const char *message)
{
    (void)fprintf(stderr, "lapwing models: %s\n", message);
}

/* The report in a file, and how long the file is. */
static enum lw_status report_read(const char *path, char **ret_report, size_t *ret_n_bytes,
                                  struct lw_error *reterr)
{
    struct lw_error error;
    void *bytes = NULL;
    enum lw_status status = lw_models_read(path, &bytes, ret_n_bytes, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = lw_models_report(bytes, *ret_n_bytes, ret_report, &error);
    lw_mem_free(bytes);
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "%.200s: %s", path, error.message);
}

/* Prints a report as it was asked for. False, with a message, when it cannot be. */
static bool report_put(const struct models_command *command, const char *text, size_t n_bytes)
{
    FILE *stream = command->out == NULL ? stdout : fopen(command->out, "we");
    struct lw_error error = {0};
    json_t *report = lw_report_parse(text, &error);
    bool is_good = stream != NULL && report != NULL;

    if (is_good && command->format == FORMAT_JSON) {
        (void)fprintf(stream, "%s\n", text);
    } else if (is_good && command->format == FORMAT_HTML) {
        lw_report_page(report, (double)n_bytes, stream);
    } else if (is_good) {
        struct lw_terminal terminal = lw_terminal_of(stream);

        lw_report_print(report, (double)n_bytes, &terminal);
    }
    json_decref(report);
    is_good = is_good && fflush(stream) == 0 && ferror(stream) == 0;
    if (!is_good) {
        (void)fprintf(stderr, "lapwing models: %s: %s\n",
                      command->out == NULL ? "standard output" : command->out,
                      error.message[0] != '\0' ? error.message : strerror(errno));
    }
    if (stream != NULL && stream != stdout) {
        (void)fclose(stream);
    }
    return is_good;
}

int lw_command_models(int argc, char **argv)
{
    struct models_command command = {0};
    struct lw_error error;
    char *report = NULL;
    size_t n_bytes = 0;
    enum lw_status status;
    bool is_good;

    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, &command);
    if (command.is_export) {
        command.export.path = command.path;
        return lw_models_export_run(&command.export);
    }
    status = report_read(command.path, &report, &n_bytes, &error);
    if (status != LW_OK) {
        say(error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
    }
    is_good = report_put(&command, report, n_bytes);
    lw_bytes_free(report);
    return is_good ? LW_EXIT_OK : LW_EXIT_FAILED;
}
