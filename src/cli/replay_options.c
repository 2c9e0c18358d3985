/* The command line of `lapwing replay`: see cli/replay_options.h. */
#include "cli/replay_options.h"

#include "base/option.h"
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

enum key {
    KEY_TIME = 256,
    KEY_TIME_FORMAT,
    KEY_SERIES,
    KEY_VALUE,
    KEY_ENTITY,
    KEY_SEPARATOR,
    KEY_DECIMAL,
    KEY_LAYOUT,
    KEY_HEADER,
    KEY_NO_HEADER,
    KEY_IGNORE,
    KEY_USE,
    KEY_INTERVAL,
    KEY_STEP,
    KEY_SET,
    KEY_METRIC,
    KEY_POINT,
    KEY_FORMAT,
    KEY_WIDE,
    KEY_SVG,
    KEY_TOP,
    KEY_STRICT,
    KEY_THREADS
};

/* One line each: argp wraps them. */
static const struct argp_option OPTIONS[] = {
    {NULL, 0, NULL, 0, "How the files are written (each is found by itself, and said):", 1},
    {"time", KEY_TIME, "COLUMN", 0,
     "Column of the time, by name or number; \"none\": rows are numbered", 1},
    {"time-format", KEY_TIME_FORMAT, "FORMAT", 0,
     "s, ms, us or ns since 1970, iso, or a pattern such as \"%d.%m.%Y %H:%M\"", 1},
    {"interval", KEY_INTERVAL, "DURATION", 0,
     "Time between rows where there is no time column (1s)", 1},
    {"layout", KEY_LAYOUT, "LAYOUT", 0,
     "\"wide\": a column for each series; \"long\": a row for each sample", 1},
    {"series", KEY_SERIES, "COLUMN", 0, "Column of the series' names (long)", 1},
    {"value", KEY_VALUE, "COLUMN", 0, "Column of the values (long), or the only one to take (wide)",
     1},
    {"entity", KEY_ENTITY, "COLUMN", 0,
     "Column of the entities' names; without one each file is an entity", 1},
    {"ignore", KEY_IGNORE, "COLUMNS", 0, "Columns to leave out, separated by commas", 1},
    {"use", KEY_USE, "COLUMNS", 0, "Columns to take although they look like labels or row numbers",
     1},
    {"separator", KEY_SEPARATOR, "CHARACTER", 0, "What separates fields: a character, or \"tab\"",
     1},
    {"decimal", KEY_DECIMAL, "CHARACTER", 0, "Decimal mark: \".\" or \",\"", 1},
    {"header", KEY_HEADER, NULL, 0, "The first row names the columns", 1},
    {"no-header", KEY_NO_HEADER, NULL, 0, "It does not: columns are column_1, column_2 and so on",
     1},
    {NULL, 0, NULL, 0, "What is watched, and how:", 2},
    {"config", 'c', "FILE", 0, "Take the detectors of a configuration file", 2},
    {"step", KEY_STEP, "STEP", 0,
     "Length of a step: \"row\" (default for wide files), \"sample\" (for long ones), or a "
     "duration such as 10s",
     2},
    {"set", KEY_SET, "OPTION=VALUE", 0, "Set an option of the detector", 2},
    {"metric", KEY_METRIC, "PATTERN:OPTION=VALUE", 0,
     "Set an option of the metrics whose names match", 2},
    {"point", KEY_POINT, "POINT", 0,
     "Operating point: \"default\" keeps to the alarm budget, \"benchmark\" is that of published "
     "tables",
     2},
    {"threads", KEY_THREADS, "N", 0, "Threads that score; 0, the default: one a processor", 2},
    {NULL, 0, NULL, 0, "What comes out:", 3},
    {"out", 'o', "FILE", 0,
     "Write one row for each verdict, in the order of the input; \"-\": standard output", 3},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "Of --out: \"csv\" (default) or \"json\", a line for each verdict", 3},
    {"wide", KEY_WIDE, NULL, 0,
     "Add the features to --out: of each series, and in an entity's rows of the option \"pairs\"",
     3},
    {"svg", KEY_SVG, "FILE", 0, "Plot the series with the strongest anomalies", 3},
    {"top", KEY_TOP, "N", 0, "Anomalies to list (20)", 3},
    {"quiet", 'q', NULL, 0, "Say only what went wrong", 3},
    {"strict", KEY_STRICT, NULL, 0, "Exit with 4 when any row was bad", 3},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 4},
    {0},
};

static const char ABOUT[] =
    "Go through CSV files as if they came in live, and find what is anomalous.\v"
    "Files may be gzip compressed; \"-\" is standard input. Every verdict uses only what came "
    "before it.\n\n"
    "Exit codes: 0 done, with or without anomalies; 1 no memory or an output that cannot be "
    "written; 2 wrong usage; "
    "3 a file could not be read, or not to its end (the others were); 4 --strict and some rows "
    "were bad.\n\n"
    "Limits: 4096 columns, 1 MiB a line, 64 KiB a field, names of 255 bytes; 4,000,000 series.";

/* "a,b,c" cut in place; each name is added. */
static void names_take(const char *text, const char **names, size_t *n,
                       const struct argp_state *state)
{
    char *at = (char *)(uintptr_t)text; /* In argv, which is ours to change. */

    for (;;) {
        size_t length = strcspn(at, ",");
        bool is_last = at[length] == '\0';

        if (*n == LW_CSV_NAMES_MAX) {
            argp_error(state, "more than %d column names", LW_CSV_NAMES_MAX);
        }
        at[length] = '\0';
        if (length > 0) {
            names[(*n)++] = at;
        }
        if (is_last) {
            return;
        }
        at += length + 1;
    }
}

static struct lw_replay_setting *setting_add(struct lw_replay_options *options,
                                             const struct argp_state *state)
{
    if (options->n_settings == LW_REPLAY_SETTINGS_MAX) {
        argp_error(state, "more than %d settings", LW_REPLAY_SETTINGS_MAX);
    }
    return &options->settings[options->n_settings++];
}

/* "option=value", or with a pattern before the last ":" of the part left of "=". */
static void setting_take(char *text, bool is_of_metric, struct lw_replay_options *options,
                         const struct argp_state *state)
{
    char *equals = strchr(text, '=');
    char *colon;
    struct lw_replay_setting *setting = setting_add(options, state);

    if (equals == NULL || equals == text) {
        argp_error(state, "\"%s\" is not of the form %s", text,
                   is_of_metric ? "PATTERN:OPTION=VALUE" : "OPTION=VALUE");
        return; /* Not reached: argp ends the program. */
    }
    *equals = '\0';
    *setting = (struct lw_replay_setting){.option = text, .value = equals + 1};
    if (is_of_metric) {
        colon = strrchr(text, ':');
        if (colon == NULL || colon == text) {
            argp_error(state, "\"%s\" names no metric: write PATTERN:OPTION=VALUE", text);
            return;
        }
        *colon = '\0';
        setting->pattern = text;
        setting->option = colon + 1;
    }
}

static uint32_t number_take(const char *option, const char *text, long max,
                            const struct argp_state *state)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0 || number > max) {
        argp_error(state, "--%s: \"%s\" is no number from 0 to %ld", option, text, max);
    }
    return (uint32_t)number;
}

/* The index of a choice. */
static int choice_take(const char *option, const char *text, const char *const choices[2],
                       const struct argp_state *state)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return i;
        }
    }
    argp_error(state, "--%s: \"%s\" is neither \"%s\" nor \"%s\"", option, text, choices[0],
               choices[1]);
    return 0;
}

static char separator_take(const char *text, const struct argp_state *state)
{
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) {
        return '\t';
    }
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]) != NULL) {
        argp_error(state, "--separator: \"%s\" is not one character (nor \"tab\")", text);
    }
    return text[0];
}

static void interval_take(const char *text, struct lw_csv_options *csv,
                          const struct argp_state *state)
{
    struct lw_error error;

    if (lw_duration_parse(text, &csv->interval_ns, &error) != LW_OK) {
        argp_error(state, "--interval: %s", error.message);
    }
    if (csv->interval_ns <= 0) {
        argp_error(state, "--interval: it must be longer than nothing");
    }
}

/* Options about how files are written; ARGP_ERR_UNKNOWN for others. */
static error_t dialect_option(int key, char *argument, struct lw_replay_options *options,
                              const struct argp_state *state)
{
    static const char *const layouts[2] = {"long", "wide"};
    struct lw_csv_options *csv = &options->csv;

    switch (key) {
    case KEY_TIME:
        csv->time = argument;
        break;
    case KEY_TIME_FORMAT:
        csv->time_format = argument;
        break;
    case KEY_SERIES:
        csv->series = argument;
        break;
    case KEY_VALUE:
        csv->value = argument;
        break;
    case KEY_ENTITY:
        csv->entity = argument;
        break;
    case KEY_SEPARATOR:
        csv->separator = separator_take(argument, state);
        break;
    case KEY_DECIMAL:
        csv->decimal_mark = choice_take("decimal", argument, (const char *const[2]){".", ","},
                                        state) == 0
                                ? '.'
                                : ',';
        break;
    case KEY_LAYOUT:
        csv->layout = choice_take("layout", argument, layouts, state) == 0 ? LW_CSV_LONG
                                                                           : LW_CSV_WIDE;
        break;
    case KEY_HEADER:
        csv->header = LW_CSV_YES;
        break;
    case KEY_NO_HEADER:
        csv->header = LW_CSV_NO;
        break;
    case KEY_IGNORE:
        names_take(argument, options->names_ignored, &csv->n_ignore, state);
        break;
    case KEY_USE:
        names_take(argument, options->names_used, &csv->n_use, state);
        break;
    case KEY_INTERVAL:
        interval_take(argument, csv, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Options about detectors and output. */
static error_t replay_option(int key, char *argument, struct lw_replay_options *options,
                             const struct argp_state *state)
{
    static const char *const formats[2] = {"csv", "json"};

    switch (key) {
    case 'c':
        options->config = argument;
        break;
    case KEY_STEP:
        options->step = argument;
        break;
    case KEY_SET:
        setting_take(argument, false, options, state);
        break;
    case KEY_METRIC:
        setting_take(argument, true, options, state);
        break;
    case KEY_POINT:
        *setting_add(options, state) = (struct lw_replay_setting){.option = "operating_point",
                                                                  .value = argument};
        break;
    case KEY_THREADS:
        options->n_threads = number_take("threads", argument, LW_ENGINE_SHARDS_MAX, state);
        break;
    case 'o':
        options->out = argument;
        break;
    case KEY_FORMAT:
        options->format = choice_take("format", argument, formats, state) == 0 ? LW_ROWS_CSV
                                                                               : LW_ROWS_JSON;
        break;
    case KEY_WIDE:
        options->is_wide = true;
        break;
    case KEY_SVG:
        options->svg = argument;
        break;
    case KEY_TOP:
        options->top = number_take("top", argument, 1000, state);
        break;
    case 'q':
        options->is_quiet = true;
        break;
    case KEY_STRICT:
        options->is_strict = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t option_take(int key, char *argument, struct argp_state *state)
{
    struct lw_replay_options *options = state->input;
    error_t result;

    switch (key) {
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->n_files = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no file was named (\"-\" is standard input)");
        return 0;
    default:
        result = dialect_option(key, argument, options, state);
        return result == ARGP_ERR_UNKNOWN ? replay_option(key, argument, options, state) : result;
    }
}

static const struct argp ARGP = {
    .options = OPTIONS, .parser = option_take, .args_doc = "FILE...", .doc = ABOUT};

const struct argp *lw_replay_argp(void)
{
    return &ARGP;
}

void lw_replay_options_read(int argc, char **argv, struct lw_replay_options *ret_options)
{
    memset(ret_options, 0, sizeof(*ret_options));
    ret_options->top = LW_REPLAY_TOP_DEFAULT;
    ret_options->csv.ignore = ret_options->names_ignored;
    ret_options->csv.use = ret_options->names_used;
    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, ret_options);
}
