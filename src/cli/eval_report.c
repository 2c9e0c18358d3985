/* Reports of an evaluation: see cli/eval_report.h. */
#include "cli/eval_report.h"

#include "base/json.h"
#include "base/option.h"

#include <math.h>
#include <string.h>

#define LABEL_COLUMNS 34
#define VALUE_COLUMNS 9
#define NAME_COLUMNS 26
#define CELL_BYTES 48

/* How a figure is written. */
enum form { FORM_SHARE, FORM_PERCENT, FORM_RATE, FORM_ROWS, FORM_TIME, FORM_SCORE };

struct line {
    const char *name, *label;
    enum form form;
};

static const struct line RANKING_LINES[] = {
    {"auc_roc", "AUC-ROC", FORM_SHARE},
    {"auc_pr", "AUC-PR", FORM_SHARE},
    {"vus_pr", "VUS-PR", FORM_SHARE},
    {"vus_roc", "VUS-ROC", FORM_SHARE},
    {"best_f1", "best point F1", FORM_SHARE},
    {"event_f1_at_best_f1", "event F1 there", FORM_SHARE},
    {"composite_f1_at_best_f1", "composite F1 there", FORM_SHARE},
};

static const struct line POINT_LINES[] = {
    {"event_recall", "event recall", FORM_SHARE},
    {"event_precision", "event precision", FORM_SHARE},
    {"event_f1", "event F1", FORM_SHARE},
    {"composite_f1", "composite F1", FORM_SHARE},
    {"point_f1", "point F1", FORM_SHARE},
    {"false_alarms_per_day", "false alarms a day", FORM_RATE},
    {"mean_delay_rows", "mean delay, rows", FORM_ROWS},
    {"median_delay_rows", "median delay, rows", FORM_ROWS},
    {"mean_delay_s", "mean delay", FORM_TIME},
    {"median_delay_s", "median delay", FORM_TIME},
    {"alarm_share", "time in alarm", FORM_PERCENT},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A section of figures, read once. */
struct section {
    struct lw_eval_figure figures[LW_EVAL_FIGURES_MAX];
    size_t n;
};

static struct section section_read(const struct lw_evaluation *evaluation,
                                   enum lw_eval_section which, size_t place)
{
    struct section section;

    section.n = lw_evaluation_read(evaluation, which, place, section.figures, LW_EVAL_FIGURES_MAX);
    return section;
}

static const struct lw_eval_figure *figure_find(const struct section *section, const char *name)
{
    static const struct lw_eval_figure none = {"", NAN, NAN, NAN};

    for (size_t i = 0; i < section->n; i++) {
        if (strcmp(section->figures[i].name, name) == 0) {
            return &section->figures[i];
        }
    }
    return &none;
}

static double value_of(const struct section *section, const char *name)
{
    return figure_find(section, name)->value;
}

/* ---- text ---- */

static void value_format(double value, enum form form, char ret_text[CELL_BYTES])
{
    if (isnan(value)) {
        (void)snprintf(ret_text, CELL_BYTES, "-");
        return;
    }
    switch (form) {
    case FORM_SHARE:
        (void)snprintf(ret_text, CELL_BYTES, "%.3f", value);
        break;
    case FORM_PERCENT:
        (void)snprintf(ret_text, CELL_BYTES, "%.2f %%", 100.0 * value);
        break;
    case FORM_RATE:
        (void)snprintf(ret_text, CELL_BYTES, "%.3f", value);
        break;
    case FORM_ROWS:
        (void)snprintf(ret_text, CELL_BYTES, "%.1f", value);
        break;
    case FORM_SCORE:
        (void)snprintf(ret_text, CELL_BYTES, "%.2f", value);
        break;
    case FORM_TIME:
        if (lw_duration_format((int64_t)(value * 1e9), ret_text, CELL_BYTES) <= 0) {
            (void)snprintf(ret_text, CELL_BYTES, "0s");
        }
        break;
    }
}

static void line_print(const struct lw_terminal *terminal, const char *label,
                       const struct lw_eval_figure *figure, enum form form)
{
    char value[CELL_BYTES], low[CELL_BYTES], high[CELL_BYTES];

    value_format(figure->value, form, value);
    (void)fprintf(terminal->stream, "  %-*s %*s", LABEL_COLUMNS, label, VALUE_COLUMNS, value);
    if (!isnan(figure->low)) {
        value_format(figure->low, form, low);
        value_format(figure->high, form, high);
        (void)fprintf(terminal->stream, "   %s to %s", low, high);
    }
    (void)fputc('\n', terminal->stream);
}

static void heading_print(const struct lw_terminal *terminal, const char *text)
{
    (void)fprintf(terminal->stream, "\n%s%s%s\n", lw_terminal_colour(terminal, LW_COLOUR_BOLD),
                  text, lw_terminal_colour(terminal, LW_COLOUR_NONE));
}

/* "event recall (31 of 45)", "false alarms a day (12 in 34.2 days)" */
static void label_format(const struct section *section, const struct line *line,
                         char ret_text[CELL_BYTES])
{
    if (strcmp(line->name, "event_recall") == 0) {
        (void)snprintf(ret_text, CELL_BYTES, "%s (%.0f of %.0f)", line->label,
                       value_of(section, "events_detected"), value_of(section, "events"));
    } else if (strcmp(line->name, "event_precision") == 0) {
        (void)snprintf(ret_text, CELL_BYTES, "%s (%.0f of %.0f)", line->label,
                       value_of(section, "episodes") - value_of(section, "false_episodes"),
                       value_of(section, "episodes"));
    } else {
        (void)snprintf(ret_text, CELL_BYTES, "%s", line->label);
    }
}

static void lines_print(const struct lw_terminal *terminal, const struct section *section,
                        const struct line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct lw_eval_figure *figure = figure_find(section, lines[i].name);
        char label[CELL_BYTES];

        if (!isnan(figure->value)) {
            label_format(section, &lines[i], label);
            line_print(terminal, label, figure, lines[i].form);
        }
    }
}

static void point_print(const struct lw_terminal *terminal, const struct section *section,
                        const char *what)
{
    char heading[128];
    double threshold = value_of(section, "threshold");

    if (section->n == 0) {
        return;
    }
    if (isnan(threshold)) {
        (void)snprintf(heading, sizeof(heading), "%s", what);
    } else {
        (void)snprintf(heading, sizeof(heading), "%s, %.6g", what, threshold);
    }
    heading_print(terminal, heading);
    lines_print(terminal, section, POINT_LINES, COUNT_OF(POINT_LINES));
}

static void nab_print(const struct lw_terminal *terminal, const struct lw_evaluation *evaluation,
                      enum lw_eval_section which, const char *heading)
{
    for (size_t i = 0; i < LW_EVAL_PROFILES; i++) {
        struct section section = section_read(evaluation, which, i);
        char label[2 * CELL_BYTES];

        if (section.n == 0) {
            return;
        }
        if (i == 0) {
            heading_print(terminal, heading);
        }
        (void)snprintf(label, sizeof(label), "%s (%.0f of %.0f)", lw_eval_profile_name(i),
                       value_of(&section, "windows_hit"), value_of(&section, "windows"));
        line_print(terminal, label, figure_find(&section, "score"), FORM_SCORE);
    }
}

static void series_print(const struct lw_terminal *terminal, const struct lw_evaluation *evaluation,
                         const struct lw_eval_inputs *inputs)
{
    static const char *const names[] = {"auc_roc", "auc_pr", "vus_pr", "vus_roc", "best_f1"};

    (void)fprintf(terminal->stream, "\n%s%-*s %8s %6s %7s %6s %6s %7s %7s%s\n",
                  lw_terminal_colour(terminal, LW_COLOUR_BOLD), NAME_COLUMNS, "Series", "rows",
                  "events", "AUC-ROC", "AUC-PR", "VUS-PR", "VUS-ROC", "best F1",
                  lw_terminal_colour(terminal, LW_COLOUR_NONE));
    for (size_t i = 0; i < inputs->n; i++) {
        static const int columns[] = {7, 6, 6, 7, 7};
        struct section section = section_read(evaluation, LW_EVAL_RANKING_SERIES, i);

        lw_terminal_cell(terminal, inputs->series[i].name, NAME_COLUMNS);
        (void)fprintf(terminal->stream, " %8.0f %6.0f", value_of(&section, "rows"),
                      value_of(&section, "events"));
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            char cell[CELL_BYTES];

            value_format(value_of(&section, names[k]), FORM_SHARE, cell);
            (void)fprintf(terminal->stream, " %*s", columns[k], cell);
        }
        (void)fputc('\n', terminal->stream);
    }
}

static void about_print(const struct lw_evaluation *evaluation,
                        const struct lw_eval_command *command, const struct lw_terminal *terminal)
{
    struct section about = section_read(evaluation, LW_EVAL_ABOUT, 0);
    enum lw_eval_unit unit = lw_evaluation_unit(evaluation);

    (void)fprintf(terminal->stream, "%.0f series, %.0f rows, %.0f events in %.0f of the series.\n",
                  value_of(&about, "series"), value_of(&about, "rows"), value_of(&about, "events"),
                  value_of(&about, "series_with_events"));
    if (unit != LW_EVAL_UNIT_AUTO) {
        (void)fprintf(terminal->stream,
                      "Intervals: %g %%, bootstrap of %.0f %s, %u resamples, seed %llu.\n",
                      100.0 * command->options.confidence, value_of(&about, "units"),
                      unit == LW_EVAL_UNIT_SERIES ? "series" : "blocks of events",
                      command->options.n_resamples, (unsigned long long)command->options.seed);
    } else if (command->options.n_resamples > 0) {
        (void)fputs("No intervals: there is one event only, or none.\n", terminal->stream);
    }
}

void lw_eval_print_text(const struct lw_evaluation *evaluation, const struct lw_eval_inputs *inputs,
                        const struct lw_eval_command *command, const struct lw_terminal *terminal)
{
    struct section ranking = section_read(evaluation, LW_EVAL_RANKING, 0);
    struct section points[] = {section_read(evaluation, LW_EVAL_AS_OPERATED, 0),
                               section_read(evaluation, LW_EVAL_AT_THRESHOLD, 0),
                               section_read(evaluation, LW_EVAL_AT_BEST, 0)};

    about_print(evaluation, command, terminal);
    if (!isnan(ranking.figures[0].value)) {
        heading_print(terminal, "Ranking, mean over series with events");
        lines_print(terminal, &ranking, RANKING_LINES, COUNT_OF(RANKING_LINES));
    }
    point_print(terminal, &points[0], "As operated: the detector's own alarms");
    point_print(terminal, &points[1], "At the threshold given");
    point_print(terminal, &points[2], "At the best shared threshold, chosen on the labels");
    nab_print(terminal, evaluation, LW_EVAL_NAB, "NAB's score (windows hit), best threshold");
    nab_print(terminal, evaluation, LW_EVAL_NAB_OPERATED, "NAB's score as operated");
    if (command->is_per_series) {
        series_print(terminal, evaluation, inputs);
    }
}

/* ---- JSON ---- */

static void json_figures(struct lw_json *json, const struct section *section)
{
    lw_json_begin_object(json);
    for (size_t i = 0; i < section->n; i++) {
        const struct lw_eval_figure *figure = &section->figures[i];

        lw_json_key(json, figure->name);
        lw_json_begin_object(json);
        lw_json_key(json, "value");
        lw_json_number(json, figure->value);
        if (!isnan(figure->low)) {
            lw_json_key(json, "low");
            lw_json_number(json, figure->low);
            lw_json_key(json, "high");
            lw_json_number(json, figure->high);
        }
        lw_json_end(json);
    }
    lw_json_end(json);
}

static void json_section(struct lw_json *json, const struct lw_evaluation *evaluation,
                         enum lw_eval_section which, const char *key)
{
    struct section section = section_read(evaluation, which, 0);

    if (section.n > 0) {
        lw_json_key(json, key);
        json_figures(json, &section);
    }
}

static void json_nab(struct lw_json *json, const struct lw_evaluation *evaluation,
                     enum lw_eval_section which, const char *key)
{
    for (size_t i = 0; i < LW_EVAL_PROFILES; i++) {
        struct section section = section_read(evaluation, which, i);

        if (section.n == 0) {
            return;
        }
        if (i == 0) {
            lw_json_key(json, key);
            lw_json_begin_object(json);
        }
        lw_json_key(json, lw_eval_profile_name(i));
        json_figures(json, &section);
    }
    lw_json_end(json);
}

static void json_intervals(struct lw_json *json, const struct lw_evaluation *evaluation,
                           const struct lw_eval_options *options)
{
    enum lw_eval_unit unit = lw_evaluation_unit(evaluation);

    if (unit == LW_EVAL_UNIT_AUTO) {
        return;
    }
    lw_json_key(json, "intervals");
    lw_json_begin_object(json);
    lw_json_key(json, "method");
    lw_json_text(json, "percentile bootstrap");
    lw_json_key(json, "drawn");
    lw_json_text(json, unit == LW_EVAL_UNIT_SERIES ? "series" : "events");
    lw_json_key(json, "resamples");
    lw_json_int(json, options->n_resamples);
    lw_json_key(json, "confidence");
    lw_json_number(json, options->confidence);
    lw_json_key(json, "seed");
    lw_json_int(json, (int64_t)options->seed);
    lw_json_end(json);
}

static void json_series(struct lw_json *json, const struct lw_evaluation *evaluation,
                        const struct lw_eval_inputs *inputs)
{
    lw_json_key(json, "per_series");
    lw_json_begin_array(json);
    for (size_t i = 0; i < inputs->n; i++) {
        struct section section = section_read(evaluation, LW_EVAL_RANKING_SERIES, i);

        lw_json_begin_object(json);
        lw_json_key(json, "id");
        lw_json_text(json, inputs->series[i].name);
        lw_json_key(json, "figures");
        json_figures(json, &section);
        lw_json_end(json);
    }
    lw_json_end(json);
}

enum lw_status lw_eval_print_json(const struct lw_evaluation *evaluation,
                                  const struct lw_eval_inputs *inputs,
                                  const struct lw_eval_command *command, FILE *stream)
{
    struct lw_json json;
    const char *text;

    lw_json_init(&json);
    lw_json_begin_object(&json);
    json_section(&json, evaluation, LW_EVAL_ABOUT, "about");
    json_intervals(&json, evaluation, &command->options);
    json_section(&json, evaluation, LW_EVAL_RANKING, "ranking");
    json_section(&json, evaluation, LW_EVAL_AS_OPERATED, "as_operated");
    json_section(&json, evaluation, LW_EVAL_AT_THRESHOLD, "at_given_threshold");
    json_section(&json, evaluation, LW_EVAL_AT_BEST, "best_common_threshold");
    json_nab(&json, evaluation, LW_EVAL_NAB, "nab_score");
    json_nab(&json, evaluation, LW_EVAL_NAB_OPERATED, "nab_score_as_operated");
    if (command->is_per_series) {
        json_series(&json, evaluation, inputs);
    }
    lw_json_end(&json);
    text = lw_json_peek(&json);
    if (text != NULL) {
        (void)fprintf(stream, "%s\n", text);
    }
    lw_json_fini(&json);
    return text != NULL ? LW_OK : LW_ENOMEM;
}
