/* The report of a training as text: see cli/train_report.h. */
#include "cli/train_report.h"

#include "base/error.h"
#include "cli/train_fields.h"

#include <math.h>
#include <string.h>

#define MARGIN 2
#define FINDINGS_MAX 12
#define METRICS_MAX 8
#define BAR_COLUMNS 10
#define NAME_COLUMNS 22

json_t *lw_report_parse(const char *text, struct lw_error *reterr)
{
    json_error_t error;
    json_t *report = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (report == NULL || !json_is_object(report)) {
        json_decref(report);
        (void)lw_error_set(reterr, LW_EFORMAT, "the report is no JSON object");
        return NULL;
    }
    return report;
}

/* ---- pieces ---- */

static void head(const struct lw_terminal *terminal, const char *title, const char *aside)
{
    (void)fprintf(terminal->stream, "\n%*s%s%s%s", MARGIN, "",
                  lw_terminal_colour(terminal, LW_COLOUR_BOLD), title,
                  lw_terminal_colour(terminal, LW_COLOUR_NONE));
    if (aside[0] != '\0') {
        (void)fputs("  ", terminal->stream);
        (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_DIM), terminal->stream);
        lw_terminal_wrap(terminal, aside, 2 * MARGIN, MARGIN + (int)strlen(title) + 2);
        (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_NONE), terminal->stream);
    }
    (void)fputc('\n', terminal->stream);
}

static void columns_head(const struct lw_terminal *terminal, const char *text)
{
    (void)fprintf(terminal->stream, "%*s%s%s%s\n", 2 * MARGIN, "",
                  lw_terminal_colour(terminal, LW_COLOUR_DIM), text,
                  lw_terminal_colour(terminal, LW_COLOUR_NONE));
}

static void line(const struct lw_terminal *terminal, const char *text)
{
    (void)fprintf(terminal->stream, "%*s", 2 * MARGIN, "");
    lw_terminal_wrap(terminal, text, 2 * MARGIN + 2, 2 * MARGIN);
    (void)fputc('\n', terminal->stream);
}

/* As long as a share of the longest. */
static void bar(const struct lw_terminal *terminal, double share)
{
    int n = isnan(share) ? 0 : (int)lround(fmin(fmax(share, 0.0), 1.0) * BAR_COLUMNS);

    n = n == 0 && share > 0.0 ? 1 : n;
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_GREEN), terminal->stream);
    for (int i = 0; i < BAR_COLUMNS; i++) {
        (void)fputs(i >= n ? " " : terminal->has_unicode ? "▆" : "#", terminal->stream);
    }
    (void)fputs(lw_terminal_colour(terminal, LW_COLOUR_NONE), terminal->stream);
}

/* ---- data ---- */

static void finding(const struct lw_terminal *terminal, const json_t *item)
{
    const char *severity = lw_field_text(item, "severity");
    bool is_error = strcmp(severity, "error") == 0, is_warning = strcmp(severity, "warning") == 0;
    enum lw_colour colour = is_error     ? LW_COLOUR_RED
                            : is_warning ? LW_COLOUR_YELLOW
                                         : LW_COLOUR_DIM;
    const char *word = is_error ? "error: " : is_warning ? "warning: " : "note: ";

    (void)fprintf(terminal->stream, "%*s%s%s%s", 2 * MARGIN, "",
                  lw_terminal_colour(terminal, colour), word,
                  lw_terminal_colour(terminal, LW_COLOUR_NONE));
    lw_terminal_wrap(terminal, lw_field_text(item, "text"), 2 * MARGIN + 2,
                     2 * MARGIN + (int)strlen(word));
    (void)fputc('\n', terminal->stream);
}

/* How much is wrong with a metric, for the order in which they are listed. */
static double metric_trouble(const json_t *metric)
{
    static const char *const counts[] = {"missing_in", "constant_in", "stuck_in",
                                         "extreme_in", "counter_in",  "drift_in"};
    double sum = lw_field_is(metric, "used") ? 0.0 : 1e6;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        double count = lw_field_number(metric, counts[i]);

        sum += isnan(count) ? 0.0 : count;
    }
    sum += lw_field_number(metric, "missing_share") > 0.01
               ? 100.0 * lw_field_number(metric, "missing_share")
               : 0.0;
    return sum;
}

/* "drift in 2 entities (by 3.4 spreads), 5 % missing" */
static void metric_say(const json_t *metric, char *ret_text, size_t capacity)
{
    static const struct {
        const char *key, *word;
    } words[] = {{"missing_in", "hardly ever there"},    {"constant_in", "constant"},
                 {"stuck_in", "stuck for long"},         {"extreme_in", "extreme values"},
                 {"counter_in", "looks like a counter"}, {"drift_in", "moved"}};
    size_t n = 0;
    char figure[LW_FIGURE_MAX];

    ret_text[0] = '\0';
    if (!lw_field_is(metric, "used")) {
        n += (size_t)snprintf(ret_text, capacity, "left out: %.100s", lw_field_text(metric, "why"));
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && n + 1 < capacity; i++) {
        double count = lw_field_number(metric, words[i].key);

        if (count > 0.0) {
            n += (size_t)snprintf(ret_text + n, capacity - n, "%s%s in %.0f %s", n == 0 ? "" : ", ",
                                  words[i].word, count, count == 1.0 ? "entity" : "entities");
        }
    }
    if (lw_field_number(metric, "missing_share") > 0.01 && n + 1 < capacity) {
        (void)snprintf(ret_text + n, capacity - n, "%s%s missing", n == 0 ? "" : ", ",
                       lw_figure_share(lw_field_number(metric, "missing_share"), figure));
    }
}

/* The metrics with most trouble, by name. */
static void metrics_print(const struct lw_terminal *terminal, const json_t *report)
{
    size_t n = lw_field_count(report, "data.metric_list");
    double before = INFINITY;
    size_t last = 0, n_shown = 0;

    for (; n_shown < METRICS_MAX; n_shown++) {
        double best = 0.0;
        size_t at = n;
        char text[400];

        for (size_t i = 0; i < n; i++) {
            double trouble = metric_trouble(lw_field_item(report, "data.metric_list", i));

            /* Selection in order: behind the one before, equals in the order of the list. */
            if (trouble > best && (trouble < before || (trouble == before && i > last))) {
                best = trouble;
                at = i;
            }
        }
        if (at == n) {
            break;
        }
        metric_say(lw_field_item(report, "data.metric_list", at), text, sizeof(text));
        (void)fprintf(terminal->stream, "%*s", 2 * MARGIN + 2, "");
        lw_terminal_cell(terminal,
                         lw_field_text(lw_field_item(report, "data.metric_list", at), "name"),
                         NAME_COLUMNS);
        (void)fputc(' ', terminal->stream);
        lw_terminal_wrap(terminal, text, 2 * MARGIN + 4, 2 * MARGIN + 3 + NAME_COLUMNS);
        (void)fputc('\n', terminal->stream);
        before = best;
        last = at;
    }
    if (n_shown == METRICS_MAX) {
        line(terminal, "  (more in --report)");
    }
}

static void data_print(const struct lw_terminal *terminal, const json_t *report)
{
    const json_t *data = lw_field(report, "data");
    size_t n = lw_field_count(data, "findings");
    double entities = lw_field_number(data, "entities");
    char text[400], rows[LW_FIGURE_MAX], metrics[LW_FIGURE_MAX], step[LW_FIGURE_MAX];
    char missing[LW_FIGURE_MAX], first[LW_FIGURE_MAX], last[LW_FIGURE_MAX];

    if (data == NULL) {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s, %.0f %s, %s, %s missing",
                   lw_figure_count(lw_field_number(data, "rows"), "row", rows), entities,
                   entities == 1.0 ? "entity" : "entities",
                   lw_figure_count(lw_field_number(data, "metrics"), "metric", metrics),
                   lw_figure_share(lw_field_number(data, "missing_share"), missing));
    head(terminal, "Data", text);
    if (lw_report_has_times(report)) {
        (void)snprintf(text, sizeof(text), "%s to %s, a step is %s",
                       lw_figure_moment(lw_field_number(data, "start"), first),
                       lw_figure_moment(lw_field_number(data, "end"), last),
                       lw_figure_seconds(lw_field_number(data, "step"), step));
        line(terminal, text);
    }
    for (size_t i = 0; i < n && i < FINDINGS_MAX; i++) {
        finding(terminal, lw_field_item(data, "findings", i));
    }
    if (n > FINDINGS_MAX) {
        (void)snprintf(text, sizeof(text), "(%zu findings more in --report)", n - FINDINGS_MAX);
        line(terminal, text);
    }
    metrics_print(terminal, report);
}

/* ---- members ---- */

/* Held-out disagreement of the member alone, where it was a candidate. */
static double member_alone(const json_t *report, const char *name)
{
    size_t n = lw_field_count(report, "validation.candidates");

    for (size_t i = 0; i < n; i++) {
        const json_t *candidate = lw_field_item(report, "validation.candidates", i);

        if (strcmp(lw_field_text(candidate, "name"), name) == 0) {
            return lw_field_number(candidate, "disagreement");
        }
    }
    return (double)NAN;
}

static void members_print(const struct lw_terminal *terminal, const json_t *report)
{
    size_t n = lw_field_count(report, "members");
    double most = 0.0;
    char text[400];

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, lw_field_number(lw_field_item(report, "members", i), "weight_share"));
    }
    if (n == 0) {
        return;
    }
    (void)snprintf(text, sizeof(text), "weights: %.60s%s%.200s",
                   lw_field_text(report, "weights.source"),
                   lw_field_text(report, "weights.why")[0] == '\0' ? "" : "; ",
                   lw_field_text(report, "weights.why"));
    head(terminal, "Members", text);
    columns_head(terminal,
                 "member                 weight  share                  worth  alone   a vector");
    for (size_t i = 0; i < n; i++) {
        const json_t *member = lw_field_item(report, "members", i);
        char weight[LW_FIGURE_MAX], share[LW_FIGURE_MAX], worth[LW_FIGURE_MAX];
        char alone[LW_FIGURE_MAX], cost[LW_FIGURE_MAX];

        (void)fprintf(terminal->stream, "%*s", 2 * MARGIN, "");
        lw_terminal_cell(terminal, lw_field_text(member, "name"), NAME_COLUMNS);
        (void)fprintf(terminal->stream, "%7s  %6s ",
                      lw_figure(lw_field_number(member, "weight"), weight),
                      lw_figure_share(lw_field_number(member, "weight_share"), share));
        bar(terminal, lw_field_number(member, "weight_share") / most);
        (void)fprintf(
            terminal->stream, "%9s %6s %10s\n", lw_figure(lw_field_number(member, "worth"), worth),
            lw_figure(member_alone(report, lw_field_text(member, "name")), alone),
            lw_figure_ns(lw_report_member_ns(report, lw_field_text(member, "name")), cost));
        if (!lw_field_is(member, "pays") && lw_field_text(member, "why")[0] != '\0') {
            (void)snprintf(text, sizeof(text), "  left out: %.300s", lw_field_text(member, "why"));
            line(terminal, text);
        }
    }
    if (strcmp(lw_field_text(report, "validation.status"), "done") != 0) {
        return;
    }
    line(terminal, "worth: what leaving it out changes; alone: its own disagreement, as below; the "
                   "smaller, the better");
}

/* ---- held out ---- */

static void candidates_print(const struct lw_terminal *terminal, const json_t *report)
{
    size_t n = lw_field_count(report, "validation.candidates");
    bool has_labels = lw_field(report, "labels") != NULL &&
                      lw_field_number(report, "labels.events") > 0.0;

    columns_head(terminal, has_labels
                               ? "candidate              disagreement   tails  instability   AUC-PR"
                               : "candidate              disagreement   tails  instability");
    for (size_t i = 0; i < n; i++) {
        const json_t *candidate = lw_field_item(report, "validation.candidates", i);
        bool is_member = strcmp(lw_field_text(candidate, "kind"), "member") == 0;
        char disagreement[LW_FIGURE_MAX], tail[LW_FIGURE_MAX], unstable[LW_FIGURE_MAX];
        char auc[LW_FIGURE_MAX];

        if (is_member) {
            continue; /* Told with the members. */
        }
        (void)fprintf(terminal->stream, "%*s", 2 * MARGIN, "");
        lw_terminal_cell(terminal, lw_field_text(candidate, "name"), NAME_COLUMNS);
        (void)fprintf(terminal->stream, "%13s %7s %12s",
                      lw_figure(lw_field_number(candidate, "disagreement"), disagreement),
                      lw_figure(lw_field_number(candidate, "tail_error"), tail),
                      lw_figure(lw_field_number(candidate, "instability"), unstable));
        if (has_labels) {
            (void)fprintf(terminal->stream, " %8s",
                          lw_figure(lw_field_number(candidate, "auc_pr"), auc));
        }
        (void)fputs(lw_field_is(candidate, "selected") ? "  chosen\n" : "\n", terminal->stream);
    }
}

static void validation_print(const struct lw_terminal *terminal, const json_t *report)
{
    const json_t *validation = lw_field(report, "validation");
    char text[600];

    if (validation == NULL) {
        return;
    }
    if (strcmp(lw_field_text(validation, "status"), "done") != 0) {
        (void)snprintf(text, sizeof(text), "skipped: %.400s", lw_field_text(validation, "reason"));
        head(terminal, "Held out", text);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.0f expanding windows, %.0f rows between them left out",
                   lw_field_number(validation, "folds"), lw_field_number(validation, "gap_rows"));
    head(terminal, "Held out", text);
    candidates_print(terminal, report);
    if (lw_field_text(validation, "selected")[0] != '\0') {
        (void)snprintf(text, sizeof(text), "%.60s: %.400s", lw_field_text(validation, "selected"),
                       lw_field_text(validation, "why"));
        line(terminal, text);
    }
}

/* ---- budget ---- */

/* How long the rows judged are in time, or how many they are. */
static void budget_base(const json_t *report, char *ret_text, size_t capacity)
{
    const json_t *budget = lw_field(report, "budget");
    char rows[LW_FIGURE_MAX], span[LW_FIGURE_MAX];

    (void)lw_figure_count(lw_field_number(budget, "rows"), "row", rows);
    if (lw_report_has_times(report) && lw_field_number(budget, "seconds") > 0.0) {
        (void)snprintf(ret_text, capacity, "false alarms in %s kept back, %s of all entities", rows,
                       lw_figure_seconds(lw_field_number(budget, "seconds"), span));
    } else {
        (void)snprintf(ret_text, capacity, "false alarms in %s kept back", rows);
    }
}

static void budget_print(const struct lw_terminal *terminal, const json_t *report)
{
    size_t n = lw_field_count(report, "budget.table");
    char text[300];

    if (n == 0) {
        return;
    }
    budget_base(report, text, sizeof(text));
    head(terminal, "Alarm budget", text);
    columns_head(terminal, "one in                 promised  achieved     95 % interval");
    for (size_t i = 0; i < n; i++) {
        const json_t *row = lw_field_item(report, "budget.table", i);
        bool holds = lw_field_is(row, "holds");
        char promised[LW_FIGURE_MAX], achieved[LW_FIGURE_MAX], low[LW_FIGURE_MAX];
        char high[LW_FIGURE_MAX], interval[2 * LW_FIGURE_MAX + 8];

        (void)snprintf(interval, sizeof(interval), "%s to %s",
                       lw_figure(lw_field_number(row, "low"), low),
                       lw_figure(lw_field_number(row, "high"), high));
        (void)fprintf(terminal->stream, "%*s", 2 * MARGIN, "");
        lw_terminal_cell(terminal, lw_field_text(row, "name"), NAME_COLUMNS);
        (void)fprintf(terminal->stream, "%9s %9s  %16s  %s%s%s\n",
                      lw_figure(lw_field_number(row, "promised"), promised),
                      lw_figure(lw_field_number(row, "achieved"), achieved), interval,
                      lw_terminal_colour(terminal, holds ? LW_COLOUR_GREEN : LW_COLOUR_RED),
                      holds ? "kept" : "broken", lw_terminal_colour(terminal, LW_COLOUR_NONE));
    }
}

/* ---- sharing, size ---- */

static void sharing_print(const struct lw_terminal *terminal, const json_t *report)
{
    const char *chosen = lw_field_text(report, "sharing.chosen");
    char text[600], loss[LW_FIGURE_MAX], limit[LW_FIGURE_MAX], groups[LW_FIGURE_MAX];

    if (chosen[0] == '\0') {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s (%s)",
                   strcmp(chosen, "all") == 0   ? "one model for all entities"
                   : strcmp(chosen, "own") == 0 ? "a model for each entity"
                                                : "a model for each group of alike entities",
                   lw_figure_count(lw_field_number(report, "sharing.groups"), "model", groups));
    head(terminal, "Sharing", text);
    if (!isnan(lw_field_number(report, "sharing.loss"))) {
        (void)snprintf(text, sizeof(text), "loss %s, %s is allowed",
                       lw_figure(lw_field_number(report, "sharing.loss"), loss),
                       lw_figure(lw_field_number(report, "sharing.limit"), limit));
        line(terminal, text);
    }
    if (lw_field_text(report, "sharing.why")[0] != '\0') {
        line(terminal, lw_field_text(report, "sharing.why"));
    }
}

static void size_print(const struct lw_terminal *terminal, const json_t *report, double file_bytes)
{
    char text[400], file[LW_FIGURE_MAX], model[LW_FIGURE_MAX], state[LW_FIGURE_MAX];
    char vector[LW_FIGURE_MAX], took[LW_FIGURE_MAX];

    if (!(file_bytes > 0.0)) {
        return;
    }
    (void)snprintf(text, sizeof(text), "the file has %s; in service %s of models and %s an entity",
                   lw_figure_bytes(file_bytes, file),
                   lw_figure_bytes(lw_field_number(report, "memory.model_bytes"), model),
                   lw_figure_bytes(lw_field_number(report, "memory.state_bytes_an_entity"), state));
    head(terminal, "Size", text);
    if (lw_field(report, "timing") != NULL) {
        (void)snprintf(
            text, sizeof(text), "%s a vector; trained in %s on %s",
            lw_figure_ns(lw_field_number(report, "timing.ns_per_vector"), vector),
            lw_figure_seconds(lw_field_number(report, "timing.seconds"), took),
            lw_figure_count(lw_field_number(report, "timing.n_threads"), "thread", model));
        line(terminal, text);
    }
}

void lw_report_print(const json_t *report, double file_bytes, const struct lw_terminal *terminal)
{
    if (strcmp(lw_field_text(report, "status"), "refused") == 0) {
        head(terminal, "Not trained", lw_field_text(report, "reason"));
    }
    data_print(terminal, report);
    members_print(terminal, report);
    validation_print(terminal, report);
    budget_print(terminal, report);
    sharing_print(terminal, report);
    size_print(terminal, report, file_bytes);
}
