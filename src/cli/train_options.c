/* The command line of `lapwing train`: see cli/train_options.h. */
#include "cli/train_options.h"

#include "base/option.h"
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#define FOLDS_MIN 2
#define FOLDS_MAX 10
#define MEMORY_MIN ((int64_t)16 << 20)

enum key {
    KEY_DATA_DIR = 512,
    KEY_MODELS,
    KEY_TUNING,
    KEY_SHARING,
    KEY_LABELS,
    KEY_LABEL_COLUMN,
    KEY_FOLDS,
    KEY_SEED,
    KEY_MEMORY,
    KEY_REPORT,
    KEY_FORMAT,
    KEY_STRICT
};

static const struct argp_option OPTIONS[] = {
    {NULL, 0, NULL, 0, "History of `lapwing run`, in place of files:", 4},
    {"data-dir", KEY_DATA_DIR, "DIR", 0,
     "Train on the rows that its detector has kept in its state; --config as `run` has it. With "
     "\"collect: yes\" it keeps all with their times, but serves no models",
     4},
    {NULL, 0, NULL, 0, "What is trained:", 5},
    {"models", KEY_MODELS, "MODELS", 0,
     "\"full\", \"lean\", or a list such as \"linear, knn@patch, iforest*0.5\" (the detector's "
     "option)",
     5},
    {"tuning", KEY_TUNING, "OPTIONS", 0,
     "Options of models, such as \"iforest.trees=200, knn.k=5\"", 5},
    {"sharing", KEY_SHARING, "HOW", 0,
     "Who shares a model: \"own\", \"clusters\" of alike entities, \"all\", or \"auto\" (default): "
     "shared where little is lost by it",
     5},
    {"labels", KEY_LABELS, "FILE", 0,
     "What was anomalous: CSV with start, end and, where there are several, entity; or JSON, "
     "{\"entity\": [[\"start\", \"end\"], ...]}",
     5},
    {"label-column", KEY_LABEL_COLUMN, "COLUMN", 0,
     "What was anomalous: rows of the files in which this column is 1", 5},
    {"folds", KEY_FOLDS, "N", 0, "Expanding windows of the cross-validation (3)", 5},
    {"seed", KEY_SEED, "N", 0, "The same data, options and seed: the same models", 5},
    {"memory", KEY_MEMORY, "SIZE", 0, "What training may take, such as 512MiB (2GiB)", 5},
    {NULL, 0, NULL, 0, "What comes out:", 6},
    {"out", 'o', "FILE", 0, "The model file", 6},
    {"report", KEY_REPORT, "FILE", 0,
     "The report as one HTML page with plots that needs nothing beside it; as JSON where the name "
     "ends in .json",
     6},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "Of the report that is printed: \"text\" (default) or \"json\"", 6},
    {"quiet", 'q', NULL, 0, "Say only what went wrong", 6},
    {"strict", KEY_STRICT, NULL, 0, "Train nothing and exit with 4 when any row was bad", 6},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 7},
    {0},
};

static const char ABOUT[] =
    "Train models on history: a model file for `lapwing replay --model` and `lapwing run --model`, "
    "and a report of what it is worth.\v"
    "Files are read as `lapwing replay` reads them: any dialect, gzip too, without an entity "
    "column "
    "each file is an entity; columns that look like labels are never learnt from. Time goes "
    "forward: what is judged lies behind what was learnt from.\n\n"
    "Exit codes: 0 trained; 1 no memory, or an output that cannot be written; 2 wrong usage or a "
    "configuration that cannot be taken; 3 an input could not be read or not to its end (of files, "
    "the others were, and trained on), or there is too little to learn from; 4 --strict and some "
    "rows were bad.\n\n"
    "Limits: as `lapwing replay`; 262,144 rows an entity (--set train_rows), 16 queries, "
    "50,000,000 "
    "intervals of a server's range, a model file of 4 GiB.";

static enum lw_sharing sharing_take(const char *text, const struct argp_state *state)
{
    static const char *const names[] = {"auto", "own", "clusters", "all"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum lw_sharing)i;
        }
    }
    argp_error(state, "--sharing: \"%s\" is none of auto, own, clusters, all", text);
    return LW_SHARING_AUTO;
}

static uint64_t number_take(const char *option, const char *text, uint64_t min, uint64_t max,
                            const struct argp_state *state)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < min || number > max) {
        argp_error(state, "--%s: \"%s\" is no number from %llu to %llu", option, text,
                   (unsigned long long)min, (unsigned long long)max);
    }
    return number;
}

/* A size as the configuration has them. */
static uint64_t size_take(const char *text, const struct argp_state *state)
{
    static const struct lw_option table[] = {{.name = "--memory",
                                              .type = LW_OPTION_SIZE,
                                              .offset = 0,
                                              .fallback = "2GiB",
                                              .min = (double)MEMORY_MIN,
                                              .max = 1e15,
                                              .unit = "bytes",
                                              .help = ""}};
    struct lw_error error;
    int64_t bytes = 0;

    if (lw_options_set(table, 1, &bytes, "--memory", text, &error) != LW_OK) {
        argp_error(state, "%s", error.message);
    }
    return (uint64_t)bytes;
}

/* Options of training itself; ARGP_ERR_UNKNOWN for others. */
static error_t training_option(int key, const char *argument, struct lw_train_command *command,
                               const struct argp_state *state)
{
    switch (key) {
    case KEY_MODELS:
        command->options.models = argument;
        break;
    case KEY_TUNING:
        command->options.tuning = argument;
        break;
    case KEY_SHARING:
        command->options.sharing = sharing_take(argument, state);
        break;
    case KEY_LABELS:
        command->labels = argument;
        break;
    case KEY_LABEL_COLUMN:
        command->label_column = argument;
        break;
    case KEY_FOLDS:
        command->options.n_folds = (uint32_t)number_take("folds", argument, FOLDS_MIN, FOLDS_MAX,
                                                         state);
        break;
    case KEY_SEED:
        command->options.seed = number_take("seed", argument, 1, UINT64_MAX, state);
        break;
    case KEY_MEMORY:
        command->options.memory_max = size_take(argument, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t train_option(int key, char *argument, struct lw_train_command *command,
                            const struct argp_state *state)
{
    switch (key) {
    case KEY_DATA_DIR:
        command->data_dir = argument;
        break;
    case 'o':
        command->out = argument;
        break;
    case KEY_REPORT:
        command->report = argument;
        break;
    case KEY_FORMAT:
        command->is_json = strcmp(argument, "json") == 0;
        if (!command->is_json && strcmp(argument, "text") != 0) {
            argp_error(state, "--format: \"%s\" is neither \"text\" nor \"json\"", argument);
        }
        break;
    case 'q':
        command->is_quiet = true;
        break;
    case KEY_STRICT:
        command->is_strict = true;
        break;
    default:
        return training_option(key, argument, command, state);
    }
    return 0;
}

/* Does what was asked for go together? */
static void command_check(const struct lw_train_command *command, const struct argp_state *state)
{
    const struct lw_replay_options *inputs = command->inputs;
    int n_kinds = (inputs->n_files > 0 ? 1 : 0) + (inputs->prometheus.url != NULL ? 1 : 0) +
                  (command->data_dir != NULL ? 1 : 0);

    lw_inputs_options_check(inputs, state);
    if (n_kinds != 1) {
        argp_error(state, n_kinds == 0 ? "nothing to learn from: name files (\"-\" is standard "
                                         "input), --prometheus or --data-dir"
                                       : "files, --prometheus and --data-dir: name one of them");
    }
    if (command->out == NULL) {
        argp_error(state, "where to put the model file? Say --out FILE");
    }
    if (command->data_dir != NULL && (inputs->n_settings > 0 || inputs->step != NULL)) {
        argp_error(state, "--set, --metric, --point and --step come too late for what is in "
                          "--data-dir: it was made with the options of its configuration");
    }
    if (command->labels != NULL && command->label_column != NULL) {
        argp_error(state, "--labels or --label-column, not both");
    }
    if (command->label_column != NULL &&
        (inputs->n_files == 0 || inputs->csv.entity != NULL || inputs->csv.time_format != NULL ||
         (inputs->csv.time != NULL && strcmp(inputs->csv.time, "none") != 0))) {
        argp_error(state, "--label-column is for files whose columns of time and entity are found "
                          "by themselves; --labels FILE takes the rest");
    }
}

static error_t option_take(int key, char *argument, struct argp_state *state)
{
    struct lw_train_command *command = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = command->inputs;
        return 0;
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARGS:
        command->inputs->files = state->argv + state->next;
        command->inputs->n_files = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        command_check(command, state);
        return 0;
    default:
        return train_option(key, argument, command, state);
    }
}

static const struct argp_child CHILDREN[] = {{.argp = &LW_INPUTS_ARGP, .group = 1}, {0}};
static const struct argp ARGP = {.options = OPTIONS,
                                 .parser = option_take,
                                 .args_doc = "[FILE...]",
                                 .doc = ABOUT,
                                 .children = CHILDREN};

const struct argp *lw_train_argp(void)
{
    return &ARGP;
}

void lw_train_options_read(int argc, char **argv, struct lw_replay_options *inputs,
                           struct lw_train_command *ret_command)
{
    memset(ret_command, 0, sizeof(*ret_command));
    ret_command->inputs = inputs;
    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, ret_command);
    if (ret_command->label_column != NULL && inputs->csv.n_ignore < LW_CSV_NAMES_MAX) {
        inputs->names_ignored[inputs->csv.n_ignore++] = ret_command->label_column;
    }
    inputs->collects = true;
    inputs->is_quiet = ret_command->is_quiet;
    ret_command->options.n_threads = inputs->n_threads;
}
