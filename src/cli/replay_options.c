/* The command line of `lapwing replay`: see cli/replay_options.h. */
#include "cli/replay_options.h"

#include "base/clock.h"
#include "base/option.h"
#include "base/time_text.h"
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
    KEY_THREADS,
    KEY_PROMETHEUS,
    KEY_QUERY,
    KEY_FROM,
    KEY_TO,
    KEY_HEADER_FILE,
    KEY_CA_FILE,
    KEY_DETECTOR,
    KEY_MODEL,
    KEY_AS
};

/* One line each: argp wraps them. */
static const struct argp_option INPUTS[] = {
    {NULL, 0, NULL, 0, "How the files are written (each is found by itself, and said):", 1},
    {"time", KEY_TIME, "COLUMN", 0,
     "Column of the time, by name or number; \"none\": rows are numbered", 1},
    {"time-format", KEY_TIME_FORMAT, "FORMAT", 0,
     "s, ms, us or ns since 1970, iso, or a pattern such as \"%d.%m.%Y %H:%M\"", 1},
    {"interval", KEY_INTERVAL, "DURATION", 0,
     "Time between rows where there is no time column (1s), or between values of a server (15s)",
     1},
    {"layout", KEY_LAYOUT, "LAYOUT", 0,
     "\"wide\": a column for each series; \"long\": a row for each sample", 1},
    {"series", KEY_SERIES, "COLUMN", 0, "Column of the series' names (long)", 1},
    {"value", KEY_VALUE, "COLUMN", 0, "Column of the values (long), or the only one to take (wide)",
     1},
    {"entity", KEY_ENTITY, "COLUMN", 0,
     "Column of the entities' names; without one each file is an entity", 1},
    {"as", KEY_AS, "NAME", 0,
     "Entity of files that name none, in place of the file's name: as a model file knows it", 1},
    {"ignore", KEY_IGNORE, "COLUMNS", 0, "Columns to leave out, separated by commas", 1},
    {"use", KEY_USE, "COLUMNS", 0, "Columns to take although they look like labels or row numbers",
     1},
    {"separator", KEY_SEPARATOR, "CHARACTER", 0, "What separates fields: a character, or \"tab\"",
     1},
    {"decimal", KEY_DECIMAL, "CHARACTER", 0, "Decimal mark: \".\" or \",\"", 1},
    {"header", KEY_HEADER, NULL, 0, "The first row names the columns", 1},
    {"no-header", KEY_NO_HEADER, NULL, 0, "It does not: columns are column_1, column_2 and so on",
     1},
    {NULL, 0, NULL, 0, "History of a Prometheus server, in place of files:", 2},
    {"prometheus", KEY_PROMETHEUS, "URL", 0, "Read from its range API, such as http://host:9090",
     2},
    {"query", KEY_QUERY, "PROMQL", 0,
     "Which series, such as \"{job='node'}\"; may be given 16 times", 2},
    {"from", KEY_FROM, "TIME", 0, "From this moment: -7d, 2026-11-14, 1795000000 (-1d)", 2},
    {"to", KEY_TO, "TIME", 0, "Up to this one (now)", 2},
    {"auth-file", KEY_HEADER_FILE, "FILE", 0,
     "Its first line is a header, \"Authorization: Basic ...\", or a bearer token", 2},
    {"ca-file", KEY_CA_FILE, "FILE", 0, "Certificates (PEM) to trust, in place of the system's", 2},
    {NULL, 0, NULL, 0, "What is watched, and how:", 3},
    {"config", 'c', "FILE", 0, "Take the detectors of a configuration file", 3},
    {"detector", KEY_DETECTOR, "NAME", 0, "Of the configuration, only this one", 3},
    {"step", KEY_STEP, "STEP", 0,
     "Length of a step: \"row\" (default for wide files), \"sample\" (for long ones), or a "
     "duration such as 10s (for a server: --interval)",
     3},
    {"set", KEY_SET, "OPTION=VALUE", 0, "Set an option of the detector", 3},
    {"metric", KEY_METRIC, "PATTERN:OPTION=VALUE", 0,
     "Set an option of the metrics whose names match", 3},
    {"point", KEY_POINT, "POINT", 0,
     "Operating point: \"default\" keeps to the alarm budget, \"benchmark\" is that of published "
     "tables",
     3},
    {"threads", KEY_THREADS, "N", 0, "Threads that work; 0, the default: one a processor", 3},
    {0},
};

static const struct argp_option OPTIONS[] = {
    {"model", KEY_MODEL, "FILE", 0, "Serve the models of a file that `lapwing train` made", 3},
    {NULL, 0, NULL, 0, "What comes out:", 4},
    {"out", 'o', "FILE", 0,
     "Write one row for each verdict, in the order of the input; \"-\": standard output", 4},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "Of --out: \"csv\" (default) or \"json\", a line for each verdict", 4},
    {"wide", KEY_WIDE, NULL, 0,
     "Add the features to --out: of each series, and in an entity's rows of the option \"pairs\"",
     4},
    {"svg", KEY_SVG, "FILE", 0, "Plot the series with the strongest anomalies", 4},
    {"top", KEY_TOP, "N", 0, "Anomalies to list (20)", 4},
    {"quiet", 'q', NULL, 0, "Say only what went wrong", 4},
    {"strict", KEY_STRICT, NULL, 0, "Exit with 4 when any row was bad", 4},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 5},
    {0},
};

static const char ABOUT[] =
    "Go through CSV files as if they came in live, and find what is anomalous.\v"
    "Files may be gzip compressed; \"-\" is standard input. Every verdict uses only what came "
    "before it.\n\n"
    "Exit codes: 0 done, with or without anomalies; 1 no memory or an output that cannot be "
    "written; 2 wrong usage, a configuration or a model file that cannot be taken; "
    "3 a file or a server could not be read, or not to its end (other files were); 4 --strict and "
    "some rows were bad.\n\n"
    "Limits: 4096 columns, 1 MiB a line, 64 KiB a field, names of 1023 bytes; 4,000,000 series.";

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
    case KEY_AS:
        if (argument[0] == '\0' || strlen(argument) >= LW_NAME_MAX) {
            argp_error(state, "--as: a name has 1 to %d bytes", LW_NAME_MAX - 1);
        }
        options->unit = argument;
        break;
    case KEY_INTERVAL:
        interval_take(argument, csv, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* A moment as a person says it: "now", "-7d" from now, ISO 8601, or seconds since 1970 and the
 * like.
 */
static int64_t moment_take(const char *option, const char *text, const struct argp_state *state)
{
    enum lw_time_unit unit;
    int64_t time_ns = lw_clock_real_ns();
    int64_t back_ns = 0;

    if (strcmp(text, "now") == 0) {
        return time_ns;
    }
    if (text[0] == '-' && lw_duration_parse(text + 1, &back_ns, NULL) == LW_OK) {
        return time_ns - back_ns;
    }
    if (!lw_time_parse_iso(text, strlen(text), &time_ns) &&
        !(lw_time_guess_unit(text, strlen(text), &unit) &&
          lw_time_parse_epoch(text, strlen(text), unit, &time_ns))) {
        argp_error(state,
                   "--%s: \"%s\" is no moment as \"now\", \"-7d\", \"2026-11-14T08:00\" or "
                   "\"1795000000\"",
                   option, text);
    }
    return time_ns;
}

/* Options about a server; ARGP_ERR_UNKNOWN for others. */
static error_t prometheus_option(int key, char *argument, struct lw_replay_prometheus *prometheus,
                                 const struct argp_state *state)
{
    switch (key) {
    case KEY_PROMETHEUS:
        prometheus->url = argument;
        break;
    case KEY_QUERY:
        if (prometheus->n_queries == LW_PROMETHEUS_QUERIES_MAX) {
            argp_error(state, "more than %d queries", LW_PROMETHEUS_QUERIES_MAX);
        }
        prometheus->queries[prometheus->n_queries++] = argument;
        break;
    case KEY_FROM:
        prometheus->from_ns = moment_take("from", argument, state);
        prometheus->has_from = true;
        break;
    case KEY_TO:
        prometheus->to_ns = moment_take("to", argument, state);
        prometheus->has_to = true;
        break;
    case KEY_HEADER_FILE:
        prometheus->header_file = argument;
        break;
    case KEY_CA_FILE:
        prometheus->ca_file = argument;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Options about detectors; ARGP_ERR_UNKNOWN for others. */
static error_t detector_option(int key, char *argument, struct lw_replay_options *options,
                               const struct argp_state *state)
{
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
    case KEY_DETECTOR:
        options->detector = argument;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t inputs_take(int key, char *argument, struct argp_state *state)
{
    struct lw_replay_options *options = state->input;
    error_t result;

    if (key == ARGP_KEY_INIT) {
        options->csv.ignore = options->names_ignored;
        options->csv.use = options->names_used;
        return 0;
    }
    result = dialect_option(key, argument, options, state);
    if (result == ARGP_ERR_UNKNOWN) {
        result = prometheus_option(key, argument, &options->prometheus, state);
    }
    return result == ARGP_ERR_UNKNOWN ? detector_option(key, argument, options, state) : result;
}

const struct argp LW_INPUTS_ARGP = {.options = INPUTS, .parser = inputs_take};

void lw_inputs_options_check(const struct lw_replay_options *options,
                             const struct argp_state *state)
{
    const struct lw_replay_prometheus *prometheus = &options->prometheus;

    if (prometheus->url == NULL &&
        (prometheus->n_queries > 0 || prometheus->has_from || prometheus->has_to ||
         prometheus->header_file != NULL || prometheus->ca_file != NULL)) {
        argp_error(state, "--query, --from, --to, --auth-file and --ca-file go with --prometheus");
    }
    if (prometheus->url != NULL && prometheus->n_queries == 0) {
        argp_error(state, "--prometheus needs --query, such as --query \"{job='node'}\"");
    }
    if (prometheus->url != NULL && options->n_files > 0) {
        argp_error(state, "read files or a server, not both: \"%s\" and --prometheus",
                   options->files[0]);
    }
    if (prometheus->url != NULL && options->step != NULL &&
        (strcmp(options->step, "row") == 0 || strcmp(options->step, "sample") == 0)) {
        argp_error(state, "--step %s is for files: with --prometheus a step is a duration",
                   options->step);
    }
    if (options->detector != NULL && options->config == NULL) {
        argp_error(state, "--detector goes with --config");
    }
}

/* Options of what comes out. */
static error_t output_option(int key, char *argument, struct lw_replay_options *options,
                             const struct argp_state *state)
{
    static const char *const formats[2] = {"csv", "json"};

    switch (key) {
    case KEY_MODEL:
        options->model = argument;
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

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options;
        return 0;
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->n_files = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (options->prometheus.url == NULL) {
            argp_error(state, "no file was named (\"-\" is standard input)");
        }
        return 0;
    case ARGP_KEY_END:
        lw_inputs_options_check(options, state);
        return 0;
    default:
        return output_option(key, argument, options, state);
    }
}

static const struct argp_child CHILDREN[] = {{.argp = &LW_INPUTS_ARGP, .group = 1}, {0}};
static const struct argp ARGP = {.options = OPTIONS,
                                 .parser = option_take,
                                 .args_doc = "FILE...",
                                 .doc = ABOUT,
                                 .children = CHILDREN};

const struct argp *lw_replay_argp(void)
{
    return &ARGP;
}

void lw_replay_options_read(int argc, char **argv, struct lw_replay_options *ret_options)
{
    memset(ret_options, 0, sizeof(*ret_options));
    ret_options->top = LW_REPLAY_TOP_DEFAULT;
    argp_err_exit_status = LW_EXIT_USAGE;
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, ret_options);
}
