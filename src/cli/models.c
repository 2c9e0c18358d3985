/* `lapwing models`: what is in a model file. */
#include "base/error.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/models_file.h"
#include "cli/train_report.h"
#include "lapwing/train.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_HTML };

struct models_command {
    const char *path, *out;
    enum format format;
};

static const struct argp_option OPTIONS[] = {
    {"format", 'f', "FORMAT", 0, "Of the report: \"text\" (default), \"json\" or \"html\"", 1},
    {"out", 'o', "FILE", 0, "Write it to FILE in place of standard output", 1},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 2},
    {0},
};

static const char ABOUT[] =
    "Say what is in a model file: the report of its training.\v"
    "Verbs: show. Exit codes: 0 done; 1 no memory or an output that cannot be written; 2 wrong "
    "usage; 3 the file cannot be read or is no model file.";

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
        return 0;
    case 'f':
        for (int i = 0; i < 3; i++) {
            if (strcmp(argument, formats[i]) == 0) {
                command->format = (enum format)i;
                return 0;
            }
        }
        argp_error(state, "--format: \"%s\" is none of text, json, html", argument);
        return EINVAL;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0 && strcmp(argument, "show") != 0) {
            argp_error(state, "\"%s\" is no verb; there is \"show\"", argument);
        }
        if (state->arg_num > 1) {
            argp_error(state, "unexpected argument \"%s\"", argument);
        }
        command->path = state->arg_num == 1 ? argument : command->path;
        return 0;
    case ARGP_KEY_END:
        if (command->path == NULL) {
            argp_error(state, "no model file was named: lapwing models show FILE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {
    .options = OPTIONS, .parser = option_take, .args_doc = "show FILE", .doc = ABOUT};

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
    status = report_read(command.path, &report, &n_bytes, &error);
    if (status != LW_OK) {
        say(error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
    }
    is_good = report_put(&command, report, n_bytes);
    lw_bytes_free(report);
    return is_good ? LW_EXIT_OK : LW_EXIT_FAILED;
}
