/* The command line of `lapwing eval`: see cli/eval_options.h. */
#include "cli/eval_options.h"

#include "base/option.h"
#include "cli/command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum key {
    KEY_SCORES = 256,
    KEY_LABELS,
    KEY_DATA,
    KEY_SCORE_COLUMN,
    KEY_ALARM_COLUMN,
    KEY_LABEL_COLUMN,
    KEY_BY,
    KEY_SEPARATOR,
    KEY_WARMUP,
    KEY_STEP,
    KEY_PARTIAL,
    KEY_NAB,
    KEY_GAP,
    KEY_SLACK,
    KEY_VUS_WINDOW,
    KEY_NO_VUS,
    KEY_THRESHOLD,
    KEY_NAB_THRESHOLD,
    KEY_RESAMPLES,
    KEY_DRAW,
    KEY_CONFIDENCE,
    KEY_SEED,
    KEY_FORMAT,
    KEY_PER_SERIES
};

/* One line each: argp wraps them. */
static const struct argp_option OPTIONS[] = {
    {NULL, 0, NULL, 0, "What is judged, and by what:", 1},
    {"scores", KEY_SCORES, "FILE|DIR", 0,
     "CSV with a column score and, where the detector decides, alarm (0 or 1), as `lapwing replay "
     "--out` writes it; or a folder of them, one for each series",
     1},
    {"labels", KEY_LABELS, "FILE|DIR", 0,
     "CSV with a label column, row by row or joined by time; windows, as CSV with columns start "
     "and "
     "end or as JSON by file; or a folder named as that of the scores. Without it the labels stand "
     "beside the scores",
     1},
    {"data", KEY_DATA, "DIR", 0,
     "A data folder whose manifest.json names series, labels, steps and warm-up", 1},
    {"score-column", KEY_SCORE_COLUMN, "COLUMN", 0, "Column of the scores (score)", 1},
    {"alarm-column", KEY_ALARM_COLUMN, "COLUMN", 0, "Column of the alarms (alarm)", 1},
    {"label-column", KEY_LABEL_COLUMN, "COLUMN", 0,
     "Column of the labels, above 0: anomalous (label, is_anomaly and the like)", 1},
    {"by", KEY_BY, "WHAT", 0,
     "Rows of `lapwing replay --out` belong to an \"entity\" (default: its own score, else the "
     "highest of its series) or to each \"series\"",
     1},
    {"separator", KEY_SEPARATOR, "CHARACTER", 0, "What separates fields: a character, or \"tab\"",
     1},
    {"warmup", KEY_WARMUP, "ROWS", 0,
     "Rows at the beginning that do not count: a number, a share as in 15%, or \"nab\" (15%, at "
     "most "
     "750); from the data folder, nab for windows in JSON, else none",
     1},
    {"step", KEY_STEP, "DURATION", 0,
     "Time between rows, for false alarms a day; found where there are times", 1},
    {"partial", KEY_PARTIAL, NULL, 0, "Leave out series that have no scores", 1},
    {NULL, 0, NULL, 0, "How figures are taken:", 2},
    {"gap", KEY_GAP, "ROWS", 0, "Quiet rows that do not end an episode of alarms (0)", 2},
    {"slack", KEY_SLACK, "ROWS", 0, "Rows around an event in which an episode is not false (0)", 2},
    {"threshold", KEY_THRESHOLD, "SCORE", 0, "Figures for alarms from this score on, too", 2},
    {"vus-window", KEY_VUS_WINDOW, "ROWS", 0, "Widest buffer of the volumes (100)", 2},
    {"no-vus", KEY_NO_VUS, NULL, 0, "Leave the volumes out", 2},
    {"nab", KEY_NAB, NULL, 0,
     "NAB's score where labels are no windows, too: each run of labelled rows is one", 2},
    {"nab-threshold", KEY_NAB_THRESHOLD, "SCORE", 0,
     "NAB's score at this threshold, not at the best one of each profile", 2},
    {NULL, 0, NULL, 0, "Intervals:", 3},
    {"resamples", KEY_RESAMPLES, "N", 0, "Resamples of the bootstrap (1000); 0: no intervals", 3},
    {"draw", KEY_DRAW, "WHAT", 0,
     "What is drawn: \"series\", or \"events\" with the rows around them; series where at least 10 "
     "have events",
     3},
    {"confidence", KEY_CONFIDENCE, "SHARE", 0, "Of the intervals (0.95)", 3},
    {"seed", KEY_SEED, "N", 0, "Of the draws (1)", 3},
    {NULL, 0, NULL, 0, "What comes out:", 4},
    {"format", KEY_FORMAT, "FORMAT", 0, "\"text\" (default) or \"json\", with every digit", 4},
    {"per-series", KEY_PER_SERIES, NULL, 0, "The areas of each series, too", 4},
    {"quiet", 'q', NULL, 0, "Do not say what was left out or filled in", 4},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 5},
    {0},
};

static const char ABOUT[] =
    "Say how good scores are, by labels: areas under curves, events found, false alarms, delay, "
    "NAB's score, each with a bootstrap interval.\v"
    "Nothing is point-adjusted. What each figure means, and how it is computed: docs/eval.md.\n\n"
    "Examples:\n\n"
    "lapwing replay --out scores.csv data.csv && lapwing eval --scores scores.csv --labels "
    "data.csv\n\n"
    "lapwing eval --scores scores.csv --labels windows.json --per-series\n\n"
    "lapwing eval --scores out/kpi --data data/kpi --gap 50 --format json\n\n"
    "Exit codes: 0 done; 1 no memory; 2 wrong usage; 3 a file could not be read, or does not fit "
    "the "
    "others.\n\n"
    "Limits: files are read row by row, and about 75 bytes a row are kept; 4096 columns, 1 MiB a "
    "line; windows files of 64 MiB.";

static uint32_t count_take(const char *option, const char *text, uint32_t max,
                           const struct argp_state *state)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0 || number > (long)max) {
        argp_error(state, "--%s: \"%s\" is no number from 0 to %u", option, text, max);
    }
    return (uint32_t)number;
}

static double number_take(const char *option, const char *text, const struct argp_state *state)
{
    char *end;
    double number = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !isfinite(number)) {
        argp_error(state, "--%s: \"%s\" is no number", option, text);
    }
    return number;
}

/* Whether the text is the second of two choices. */
static bool choice_take(const char *option, const char *text, const char *first, const char *second,
                        const struct argp_state *state)
{
    bool is_second = strcmp(text, second) == 0;

    if (!is_second && strcmp(text, first) != 0) {
        argp_error(state, "--%s: \"%s\" is neither \"%s\" nor \"%s\"", option, text, first, second);
    }
    return is_second;
}

static struct lw_eval_warmup warmup_take(const char *text, const struct argp_state *state)
{
    struct lw_eval_warmup warmup = {.kind = LW_EVAL_WARMUP_ROWS};
    char *end;

    if (strcmp(text, "nab") == 0) {
        warmup.kind = LW_EVAL_WARMUP_NAB;
        return warmup;
    }
    warmup.amount = strtod(text, &end);
    if (end != text && strcmp(end, "%") == 0 && warmup.amount <= 100.0) {
        warmup.kind = LW_EVAL_WARMUP_PERCENT;
        end++;
    }
    if (*text == '\0' || *end != '\0' || !(warmup.amount >= 0.0) || isinf(warmup.amount) ||
        (warmup.kind == LW_EVAL_WARMUP_ROWS && warmup.amount != floor(warmup.amount))) {
        argp_error(state, "--warmup: \"%s\" is no number of rows, share such as 15%%, or \"nab\"",
                   text);
    }
    return warmup;
}

static char separator_take(const char *text, const struct argp_state *state)
{
    if (strcmp(text, "tab") == 0) {
        return '\t';
    }
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]) != NULL) {
        argp_error(state, "--separator: \"%s\" is not one character (nor \"tab\")", text);
    }
    return text[0];
}

static double step_take(const char *text, const struct argp_state *state)
{
    struct lw_error error;
    int64_t ns = 0;

    if (lw_duration_parse(text, &ns, &error) != LW_OK) {
        argp_error(state, "--step: %s", error.message);
    } else if (ns <= 0) {
        argp_error(state, "--step: it must be longer than nothing");
    }
    return (double)ns / 1e9;
}

/* Options about what is judged; ARGP_ERR_UNKNOWN for others. */
static error_t request_option(int key, const char *argument, struct lw_eval_request *request,
                              const struct argp_state *state)
{
    switch (key) {
    case KEY_SCORES:
        request->scores = argument;
        break;
    case KEY_LABELS:
        request->labels = argument;
        break;
    case KEY_DATA:
        request->data = argument;
        break;
    case KEY_SCORE_COLUMN:
        request->columns.score = argument;
        break;
    case KEY_ALARM_COLUMN:
        request->columns.alarm = argument;
        break;
    case KEY_LABEL_COLUMN:
        request->columns.label = argument;
        break;
    case KEY_BY:
        request->columns.by_series = choice_take("by", argument, "entity", "series", state);
        break;
    case KEY_SEPARATOR:
        request->columns.separator = separator_take(argument, state);
        break;
    case KEY_WARMUP:
        request->warmup = warmup_take(argument, state);
        break;
    case KEY_STEP:
        request->step_s = step_take(argument, state);
        break;
    case KEY_PARTIAL:
        request->is_partial = true;
        break;
    case KEY_NAB:
        request->with_nab = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Options about figures and what comes out. */
static error_t figure_option(int key, const char *argument, struct lw_eval_command *command,
                             const struct argp_state *state)
{
    struct lw_eval_options *options = &command->options;

    switch (key) {
    case KEY_GAP:
        options->gap = count_take("gap", argument, 1000000000, state);
        break;
    case KEY_SLACK:
        options->slack = count_take("slack", argument, 1000000000, state);
        break;
    case KEY_VUS_WINDOW:
        options->vus_window = count_take("vus-window", argument, LW_EVAL_VUS_WINDOW_MAX, state);
        break;
    case KEY_NO_VUS:
        options->no_vus = true;
        break;
    case KEY_THRESHOLD:
        options->threshold = number_take("threshold", argument, state);
        break;
    case KEY_NAB_THRESHOLD:
        options->nab_threshold = number_take("nab-threshold", argument, state);
        break;
    case KEY_RESAMPLES:
        options->n_resamples = count_take("resamples", argument, LW_EVAL_RESAMPLES_MAX, state);
        break;
    case KEY_DRAW:
        options->unit = choice_take("draw", argument, "series", "events", state)
                            ? LW_EVAL_UNIT_EVENTS
                            : LW_EVAL_UNIT_SERIES;
        break;
    case KEY_CONFIDENCE:
        options->confidence = number_take("confidence", argument, state);
        if (options->confidence <= 0.0 || options->confidence >= 1.0) {
            argp_error(state, "--confidence: \"%s\" does not lie between 0 and 1", argument);
        }
        break;
    case KEY_SEED:
        options->seed = count_take("seed", argument, UINT32_MAX, state);
        break;
    case KEY_FORMAT:
        command->is_json = choice_take("format", argument, "text", "json", state);
        break;
    case KEY_PER_SERIES:
        command->is_per_series = true;
        break;
    case 'q':
        command->is_quiet = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t option_take(int key, char *argument, struct argp_state *state)
{
    struct lw_eval_command *command = state->input;
    error_t result;

    switch (key) {
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\": files are named by --scores and --labels", argument);
        return 0;
    case ARGP_KEY_END:
        if (command->request.scores == NULL) {
            argp_error(state, "--scores is missing");
        }
        if (command->request.data != NULL && command->request.labels != NULL) {
            argp_error(state, "--data names the labels already: leave --labels out");
        }
        return 0;
    default:
        result = request_option(key, argument, &command->request, state);
        return result == ARGP_ERR_UNKNOWN ? figure_option(key, argument, command, state) : result;
    }
}

static const struct argp ARGP = {.options = OPTIONS,
                                 .parser = option_take,
                                 .args_doc = "--scores FILE|DIR [--labels FILE|DIR | --data DIR]",
                                 .doc = ABOUT};

const struct argp *lw_eval_argp(void)
{
    return &ARGP;
}

void lw_eval_options_read(int argc, char **argv, struct lw_eval_command *ret_command)
{
    memset(ret_command, 0, sizeof(*ret_command));
    lw_eval_options_default(&ret_command->options);
    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, ret_command);
}
