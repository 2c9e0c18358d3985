/* The man page and the reference of options: see cli/reference.h. Both come from the option tables,
 * so they cannot go stale. */
#include "cli/reference.h"

#include "cli/config.h"
#include "cli/config_sinks.h"
#include "connect/scores.h"

#include "lapwing/engine.h"

#include <string.h>

#define OPTIONS_MAX 128

static void file_begin(FILE *stream, const char *path)
{
    (void)fprintf(stream, "<!-- file: %s -->\n", path);
}

/* ---- troff ---- */

/* Text as troff wants it: "\" and "-" escaped, no line that begins with a request. */
static void troff_put(FILE *stream, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\') {
            (void)fputs("\\e", stream);
        } else if (*at == '-') {
            (void)fputs("\\-", stream);
        } else if ((*at == '.' || *at == '\'') && (at == text || at[-1] == '\n')) {
            (void)fprintf(stream, "\\&%c", *at);
        } else {
            (void)fputc(*at, stream);
        }
    }
}

static void troff_option(FILE *stream, const struct argp_option *option)
{
    (void)fputs(".TP\n", stream);
    if (option->key > ' ' && option->key < 127) {
        (void)fprintf(stream, "\\fB\\-%c\\fR, ", option->key);
    }
    (void)fputs("\\fB\\-\\-", stream);
    troff_put(stream, option->name);
    (void)fputs("\\fR", stream);
    if (option->arg != NULL) {
        (void)fputs("=\\fI", stream);
        troff_put(stream, option->arg);
        (void)fputs("\\fR", stream);
    }
    (void)fputc('\n', stream);
    troff_put(stream, option->doc == NULL ? "" : option->doc);
    (void)fputc('\n', stream);
}

/* What stands before and behind the options in argp's text, which a vertical tab parts. */
static void doc_put(FILE *stream, const char *doc, bool is_behind,
                    void (*put)(FILE *, const char *))
{
    char text[4096];
    const char *part = doc == NULL ? NULL : strchr(doc, '\v');
    size_t length;

    if (doc == NULL || (is_behind && part == NULL)) {
        return;
    }
    doc = is_behind ? part + 1 : doc;
    length = is_behind || part == NULL ? strlen(doc) : (size_t)(part - doc);
    length = length < sizeof(text) ? length : sizeof(text) - 1;
    memcpy(text, doc, length);
    text[length] = '\0';
    put(stream, text);
    (void)fputc('\n', stream);
}

static bool option_is_shown(const struct argp_option *option)
{
    return (option->flags & OPTION_HIDDEN) == 0 && (option->name != NULL || option->doc != NULL);
}

static bool options_end(const struct argp_option *option)
{
    return option->name == NULL && option->key == 0 && option->doc == NULL && option->group == 0;
}

/* Calls for every option that is shown, those of children first, as --help does. */
static void options_each(const struct argp *argp, FILE *stream,
                         void (*put)(FILE *stream, const struct argp_option *option))
{
    for (const struct argp_child *child = argp->children; child != NULL && child->argp != NULL;
         child++) {
        options_each(child->argp, stream, put);
    }
    for (const struct argp_option *option = argp->options; option != NULL && !options_end(option);
         option++) {
        if (option_is_shown(option)) {
            put(stream, option);
        }
    }
}

static void troff_option_or_head(FILE *stream, const struct argp_option *option)
{
    if (option->name != NULL) {
        troff_option(stream, option);
    } else {
        (void)fputs(".PP\n", stream);
        troff_put(stream, option->doc);
        (void)fputc('\n', stream);
    }
}

static void troff_command(FILE *stream, const struct lw_command *command)
{
    const struct argp *argp = command->argp == NULL ? NULL : command->argp();

    (void)fprintf(stream, ".SS lapwing %s", command->name);
    if (argp != NULL) {
        (void)fprintf(stream, " [OPTION...]%s%s", argp->args_doc == NULL ? "" : " ",
                      argp->args_doc == NULL ? "" : argp->args_doc);
    }
    (void)fputc('\n', stream);
    if (argp == NULL) {
        troff_put(stream, command->help);
        (void)fputs(".\n", stream);
        return;
    }
    doc_put(stream, argp->doc, false, troff_put);
    options_each(argp, stream, troff_option_or_head);
    (void)fputs(".PP\n", stream);
    doc_put(stream, argp->doc, true, troff_put);
}

static void man_print(const struct lw_command *commands, size_t n, FILE *stream)
{
    file_begin(stream, "man/lapwing.1");
    (void)fprintf(stream,
                  ".TH LAPWING 1 \"\" \"lapwing %s\" \"User Commands\"\n.SH NAME\nlapwing \\- find "
                  "anomalies in streams of metrics, and "
                  "say why\n.SH SYNOPSIS\n.B lapwing\n\\fISUBCOMMAND\\fR [\\fIOPTION\\fR...] "
                  "[\\fIFILE\\fR...]\n.SH DESCRIPTION\n",
                  lw_version());
    troff_put(stream, "Lapwing watches streams of metrics, learns what is normal for each machine, "
                      "sensor or service, says within "
                      "milliseconds when something is not, and why. It needs nothing beside it.\n");
    (void)fputs(".SH SUBCOMMANDS\n", stream);
    for (size_t i = 0; i < n; i++) {
        troff_command(stream, &commands[i]);
    }
    (void)fputs(".SH EXIT STATUS\n.TP\n0\nDone, whether anomalies were found or not.\n.TP\n1\nNo "
                "memory, output that cannot be written, "
                "a service that cannot start.\n.TP\n2\nOptions or a configuration that cannot be "
                "taken.\n.TP\n3\nAn input could not be "
                "read, or not to its end; the others were.\n.TP\n4\n\\fB\\-\\-strict\\fR, and some "
                "rows were bad.\n",
                stream);
    (void)fputs(".SH ENVIRONMENT\n.TP\nNO_COLOR\nWhen set, nothing is printed in colour.\n",
                stream);
    (void)fputs(".SH EXAMPLES\n.TP\nlapwing run\nWatch this host; the page is at "
                "http://127.0.0.1:8080.\n.TP\n"
                "lapwing replay cpu.csv \\-\\-svg cpu.svg\nFind the anomalies of a file, and plot "
                "them.\n.TP\n"
                "zcat day.csv.gz | lapwing replay \\- \\-\\-out \\- > scores.csv\nScores of every "
                "row, through pipes.\n",
                stream);
}

/* ---- Markdown ---- */

/* A cell of a table: "|" and line ends would break it. */
static void cell_put(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)fputs("\\|", stream);
        } else if (*text == '<') {
            (void)fputs("&lt;", stream);
        } else {
            (void)fputc(*text == '\n' ? ' ' : *text, stream);
        }
    }
}

static void plain_put(FILE *stream, const char *text)
{
    (void)fputs(text, stream);
}

static void option_line(FILE *stream, const struct argp_option *option)
{
    if (option->name == NULL) {
        return;
    }
    (void)fprintf(stream, "| `--%s%s%s`", option->name, option->arg == NULL ? "" : "=",
                  option->arg == NULL ? "" : option->arg);
    if (option->key > ' ' && option->key < 127) {
        (void)fprintf(stream, " `-%c`", option->key);
    }
    (void)fputs(" | ", stream);
    cell_put(stream, option->doc == NULL ? "" : option->doc);
    (void)fputs(" |\n", stream);
}

static void command_page(const struct lw_command *command, FILE *stream)
{
    const struct argp *argp = command->argp == NULL ? NULL : command->argp();

    (void)fprintf(stream, "\n## lapwing %s\n\n", command->name);
    if (argp == NULL) {
        (void)fprintf(stream, "%s.\n", command->help);
        return;
    }
    doc_put(stream, argp->doc, false, plain_put);
    (void)fputs("\n| option | |\n|---|---|\n", stream);
    options_each(argp, stream, option_line);
    (void)fputc('\n', stream);
    doc_put(stream, argp->doc, true, plain_put);
}

static void option_row(const struct lw_option_view *option, FILE *stream)
{
    (void)fprintf(stream, "| `%s` | %s | ", option->name, option->type);
    if (option->fallback[0] != '\0') {
        (void)fprintf(stream, "`%s`", option->fallback);
    }
    (void)fputs(" | ", stream);
    cell_put(stream, option->bounds);
    (void)fprintf(stream, " | %s | ", option->unit);
    cell_put(stream, option->help);
    (void)fputs(" |\n", stream);
}

static void table_begin(FILE *stream)
{
    (void)fputs("| option | type | default | bounds | unit | |\n|---|---|---|---|---|---|\n",
                stream);
}

/* The engine's options, which only its public header knows. */
static void spec_table(bool is_of_metric, FILE *stream)
{
    struct lw_option_view options[OPTIONS_MAX];
    size_t n = lw_spec_options(is_of_metric, options, OPTIONS_MAX);

    table_begin(stream);
    for (size_t i = 0; i < n && i < OPTIONS_MAX; i++) {
        option_row(&options[i], stream);
    }
}

/* Options of the program itself. */
static void own_table(const struct lw_option *table, size_t n, FILE *stream)
{
    table_begin(stream);
    for (size_t i = 0; i < n; i++) {
        struct lw_option_view view = {.name = table[i].name,
                                      .type = lw_option_type_name(table[i].type),
                                      .fallback = table[i].fallback,
                                      .unit = table[i].unit,
                                      .help = table[i].help};

        lw_option_bounds(&table[i], view.bounds, sizeof(view.bounds));
        option_row(&view, stream);
    }
}

/* Sinks and the writer of scores. */
static void outputs_page(FILE *stream)
{
    size_t n;
    const struct lw_option *table = lw_sink_common_table(&n);

    (void)fputs("\n# Options of sinks\n\nBelow a name of `sinks`, beside its `type`.\n\n", stream);
    own_table(table, n, stream);
    for (const struct lw_sink_class *const *class = lw_sink_classes(); *class != NULL; class ++) {
        (void)fprintf(stream, "\n## %s\n\n%s See [its page](../sinks/%s.md).\n\n", (*class)->type,
                      (*class)->help, (*class)->type);
        own_table((*class)->options, (*class)->n_options, stream);
    }
    table = lw_scores_option_table(&n);
    (void)fputs("\n# Options of scores\n\nBelow `scores`: where [scores and bands are written "
                "to](../sinks/remote-write.md).\n\n",
                stream);
    own_table(table, n, stream);
}

static void options_page(FILE *stream)
{
    size_t n;
    const struct lw_option *table = lw_config_option_table(&n);
    static const struct lw_option_view model_file = {.name = LW_CONFIG_MODEL_FILE,
                                                     .type = "text",
                                                     .fallback = "",
                                                     .unit = "",
                                                     .help = LW_CONFIG_MODEL_FILE_HELP};

    file_begin(stream, "reference/options.md");
    (void)fputs("# Options of the configuration file\n\nMade by `make docs` from the program's "
                "tables. These stand at the top of the file of `lapwing run -c FILE`, beside "
                "`push`, `sources`, `detectors`, `sinks` and `scores`.\n\n",
                stream);
    own_table(table, n, stream);
    table = lw_push_option_table(&n);
    (void)fputs("\n# Options of pushing\n\nBelow `push`: what clients send over HTTP.\n\n", stream);
    own_table(table, n, stream);
    table = lw_source_option_table(&n);
    (void)fputs("\n# Options of sources\n\nBelow a name of `sources`.\n\n", stream);
    own_table(table, n, stream);
    (void)fputs("\n# Options of detectors\n\nBelow a name of `detectors`; `lapwing replay` takes "
                "them with `--set OPTION=VALUE`.\n\n",
                stream);
    spec_table(false, stream);
    (void)fputs("\nIn the file alone:\n\n", stream);
    table_begin(stream);
    option_row(&model_file, stream);
    (void)fputs("\n# Options of metrics\n\nBelow a detector's `metrics`, by pattern of names; "
                "`lapwing replay` takes them with `--metric "
                "PATTERN:OPTION=VALUE`.\n\n",
                stream);
    spec_table(true, stream);
    outputs_page(stream);
}

void lw_reference_print(const struct lw_command *commands, size_t n, FILE *stream)
{
    man_print(commands, n, stream);
    file_begin(stream, "reference/commands.md");
    (void)fputs("# Commands\n\nMade by `make docs` from the program's tables.\n", stream);
    for (size_t i = 0; i < n; i++) {
        command_page(&commands[i], stream);
    }
    options_page(stream);
}
