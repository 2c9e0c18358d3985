/*
 * The report of a training as one HTML page: see cli/train_report.h.
 *
 * No scripts and nothing from elsewhere. Colours follow the reader's light or dark scheme; tables
 * scroll sideways where a screen is narrow.
 */
#include "cli/train_charts.h"
#include "cli/train_fields.h"
#include "cli/train_report.h"

#include <math.h>
#include <string.h>

#define METRIC_ROWS_MAX 512
#define ENTITY_ROWS_MAX 1000
#define FINDINGS_OF_ENTITY 8

static const char STYLE[] =
    ":root{color-scheme:light dark;--page:#f3f6f5;--panel:#fff;--line:#dfe7e4;--text:#14211e;"
    "--soft:#4c5f5a;--faint:#61736e;--accent:#0d6b60;--accent-soft:#d9ece8;--alarm:#c8401b;"
    "--alarm-soft:#fbe7df;--learn:#7a6a12;--learn-soft:#f5efcf}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#0d1312;--panel:#131b19;--line:#24322f;"
    "--text:#e4edea;--soft:#a9bab5;--faint:#82948f;--accent:#4fc3b0;--accent-soft:#173a35;"
    "--alarm:#ff7a4d;--alarm-soft:#3a1d14;--learn:#d8c766;--learn-soft:#2e2a12}}\n"
    "*{box-sizing:border-box;margin:0}"
    "body{background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe "
    "UI',Roboto,'Helvetica Neue',sans-serif;font-variant-numeric:tabular-nums;"
    "-webkit-text-size-adjust:100%}"
    "main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}"
    "h1{font-size:26px;line-height:1.25;letter-spacing:-.01em}"
    "h2{font-size:18px;margin-bottom:4px}h3{font-size:14px;margin:18px 0 6px}"
    "p{max-width:76ch}.soft,figcaption{color:var(--soft)}figcaption{font-size:13px;"
    "margin-bottom:8px}"
    "section{background:var(--panel);border:1px solid var(--line);border-radius:12px;"
    "padding:20px 22px;margin-top:18px}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;"
    "margin-top:20px}"
    ".tile{background:var(--panel);border:1px solid var(--line);border-radius:12px;"
    "padding:12px 14px}"
    ".tile b{display:block;font-size:22px;font-weight:650;letter-spacing:-.01em}"
    ".tile span{color:var(--soft);font-size:13px}"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));"
    "gap:24px;margin-top:14px}figure{max-width:540px;min-width:0}"
    ".scroll{overflow-x:auto;margin-top:12px}"
    "table{border-collapse:collapse;width:100%;font-size:14px}"
    "th{font-weight:600;color:var(--soft);font-size:13px;text-align:left;white-space:nowrap}"
    "th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}"
    "tr:last-child td{border-bottom:0}td.n,th.n{text-align:right;white-space:nowrap}"
    "td.name{white-space:nowrap;font-weight:550}"
    ".meter{display:block;min-width:90px;height:8px;border-radius:4px;background:"
    "var(--accent-soft);margin-top:7px;overflow:hidden}"
    ".meter i{display:block;height:100%;background:var(--accent);border-radius:4px}"
    "ul{list-style:none;padding:0;margin-top:10px}"
    "li{padding:8px 12px;border-radius:8px;margin-bottom:6px;background:var(--accent-soft)}"
    "li.warning{background:var(--learn-soft)}li.error{background:var(--alarm-soft)}"
    "li b{font-weight:650;margin-right:6px}"
    ".chip{display:inline-block;font-size:12px;line-height:18px;padding:0 8px;border-radius:9px;"
    "background:var(--accent-soft);color:var(--accent);white-space:nowrap}"
    ".chip.bad{background:var(--alarm-soft);color:var(--alarm)}"
    ".chip.warn{background:var(--learn-soft);color:var(--learn)}"
    "ul+details{margin-top:4px}svg{display:block;width:100%;height:auto}svg.wide{height:56px}"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}"
    "svg .grid{stroke:var(--line);stroke-width:1}"
    "svg .line{fill:none;stroke:var(--accent);stroke-width:1.8;vector-effect:non-scaling-stroke}"
    "svg .promise{fill:none;stroke:var(--text);stroke-width:2;stroke-dasharray:4 3}"
    "svg line.promise{stroke-dasharray:none}"
    "svg .band,svg .train{fill:var(--accent);opacity:.16}svg .bar{fill:var(--accent)}"
    "svg .mark{fill:var(--alarm);opacity:.22}"
    "svg .span{stroke-width:6;stroke-linecap:round;opacity:.35}svg .span.good{stroke:"
    "var(--accent)}svg .span.bad{stroke:var(--alarm)}"
    "td.w{min-width:190px}svg circle.none{fill:var(--panel);stroke:var(--accent);stroke-width:2}"
    "svg circle.good{fill:var(--accent)}svg circle.bad,svg rect.bad{fill:var(--alarm)}"
    ".entity{margin-top:14px}.entity p{display:flex;justify-content:space-between;gap:12px;"
    "flex-wrap:wrap;font-size:13px;max-width:none}.entity .soft{white-space:nowrap}"
    "details{margin-top:14px}summary{cursor:pointer;color:var(--accent);font-weight:550}"
    "footer{color:var(--faint);font-size:13px;margin-top:22px}"
    "@media(max-width:600px){main{padding:18px 12px 40px}section{padding:16px 14px}"
    "h1{font-size:22px}.m{display:none}}"
    "@media print{body{background:#fff}section,.tile{break-inside:avoid}}";

/* ---- pieces ---- */

static void put(FILE *stream, const char *text)
{
    (void)fputs(text, stream);
}

static void section_begin(FILE *stream, const char *title, const char *about)
{
    put(stream, "<section>\n<h2>");
    lw_page_text(stream, title);
    put(stream, "</h2>\n<p class=\"soft\">");
    lw_page_text(stream, about);
    put(stream, "</p>\n");
}

static void section_end(FILE *stream)
{
    put(stream, "</section>\n");
}

static void tile(FILE *stream, const char *figure, const char *what)
{
    put(stream, "<div class=\"tile\"><b>");
    lw_page_text(stream, figure);
    put(stream, "</b><span>");
    lw_page_text(stream, what);
    put(stream, "</span></div>\n");
}

static void cell(FILE *stream, const char *class, const char *text)
{
    (void)fprintf(stream, "<td%s%s%s>", class[0] == '\0' ? "" : " class=\"", class,
                  class[0] == '\0' ? "" : "\"");
    lw_page_text(stream, text);
    put(stream, "</td>");
}

static void number_cell(FILE *stream, double value)
{
    char text[LW_FIGURE_MAX];

    cell(stream, "n", lw_figure(value, text));
}

static void meter_cell(FILE *stream, double share)
{
    share = isnan(share) ? 0.0 : fmin(fmax(share, 0.0), 1.0);
    (void)fprintf(
        stream, "<td class=\"m\"><span class=\"meter\"><i style=\"width:%.1f%%\"></i></span></td>",
        share * 100.0);
}

static void chip(FILE *stream, const char *kind, const char *text)
{
    (void)fprintf(stream, "<span class=\"chip%s%s\">", kind[0] == '\0' ? "" : " ", kind);
    lw_page_text(stream, text);
    put(stream, "</span> ");
}

/* A row of headings; those that begin with "#" are of numbers, those with "|" of meters. */
static void table_begin(FILE *stream, const char *const *heads, size_t n)
{
    put(stream, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t i = 0; i < n; i++) {
        put(stream, heads[i][0] == '#'   ? "<th class=\"n\">"
                    : heads[i][0] == '|' ? "<th class=\"m\">"
                                         : "<th>");
        lw_page_text(stream, heads[i] + (heads[i][0] == '#' || heads[i][0] == '|' ? 1 : 0));
        put(stream, "</th>");
    }
    put(stream, "</tr></thead><tbody>\n");
}

static void table_end(FILE *stream)
{
    put(stream, "</tbody></table></div>\n");
}

static void figure_begin(FILE *stream, const char *title, const char *caption)
{
    put(stream, "<figure><h3>");
    lw_page_text(stream, title);
    put(stream, "</h3><figcaption>");
    lw_page_text(stream, caption);
    put(stream, "</figcaption>\n");
}

static void figure_end(FILE *stream)
{
    put(stream, "</figure>\n");
}

/* ---- head ---- */

static void tiles(const json_t *report, double file_bytes, FILE *stream)
{
    char text[2 * LW_FIGURE_MAX];
    double entities = lw_field_number(report, "data.entities_used");
    size_t n = lw_field_count(report, "members");

    put(stream, "<div class=\"tiles\">\n");
    if (!isnan(entities)) {
        tile(stream, lw_figure_count(entities, "", text), entities == 1.0 ? "entity" : "entities");
    }
    tile(stream, lw_figure(lw_field_number(report, "data.rows_used"), text), "rows learnt from");
    tile(stream, lw_figure_count(lw_field_number(report, "data.metrics_used"), "", text),
         "metrics");
    if (n > 0) {
        (void)snprintf(text, sizeof(text), "%zu", n);
        tile(stream, text, "members");
    }
    if (lw_field(report, "timing.ns_per_vector") != NULL) {
        tile(stream, lw_figure_ns(lw_field_number(report, "timing.ns_per_vector"), text),
             "a vector");
    }
    if (file_bytes > 0.0) {
        tile(stream, lw_figure_bytes(file_bytes, text), "model file");
    }
    put(stream, "</div>\n");
}

static void heading(const json_t *report, double file_bytes, FILE *stream)
{
    bool is_refused = strcmp(lw_field_text(report, "status"), "refused") == 0;
    char first[LW_FIGURE_MAX], last[LW_FIGURE_MAX], step[LW_FIGURE_MAX];

    put(stream, is_refused ? "<h1>Not trained</h1>\n" : "<h1>Trained models</h1>\n");
    put(stream, "<p class=\"soft\">Detector ");
    lw_page_text(stream, lw_field_text(report, "detector"));
    put(stream, ". ");
    if (is_refused) {
        lw_page_text(stream, lw_field_text(report, "reason"));
    } else if (lw_report_has_times(report)) {
        (void)fprintf(stream, "Trained on %s to %s, a row every %s.",
                      lw_figure_moment(lw_field_number(report, "data.start"), first),
                      lw_figure_moment(lw_field_number(report, "data.end"), last),
                      lw_figure_seconds(lw_field_number(report, "data.step"), step));
    } else {
        (void)fprintf(stream, "Trained on %s without times.",
                      lw_figure_count(lw_field_number(report, "data.rows"), "row", first));
    }
    put(stream, "</p>\n");
    tiles(report, file_bytes, stream);
}

/* ---- data ---- */

static void findings(const json_t *report, FILE *stream)
{
    size_t n = lw_field_count(report, "data.findings");

    if (n == 0) {
        put(stream, "<p style=\"margin-top:10px\">Nothing stands out.</p>\n");
        return;
    }
    put(stream, "<ul>\n");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = lw_field_item(report, "data.findings", i);
        const char *severity = lw_field_text(item, "severity");

        put(stream, "<li class=\"");
        lw_page_text(stream, severity);
        put(stream, "\"><b>");
        lw_page_text(stream, severity);
        put(stream, "</b>");
        lw_page_text(stream, lw_field_text(item, "text"));
        put(stream, "</li>\n");
    }
    put(stream, "</ul>\n");
}

/* What is to say of a metric, as chips. */
static void metric_chips(const json_t *metric, FILE *stream)
{
    static const struct {
        const char *key, *word;
    } words[] = {{"missing_in", "missing"}, {"constant_in", "constant"}, {"flag_in", "flag"},
                 {"stuck_in", "stuck"},     {"extreme_in", "extremes"},  {"counter_in", "counter?"},
                 {"drift_in", "moved"}};

    put(stream, "<td>");
    if (!lw_field_is(metric, "used")) {
        char why[200];

        (void)snprintf(why, sizeof(why), "left out%s%.150s",
                       lw_field_text(metric, "why")[0] == '\0' ? "" : ": ",
                       lw_field_text(metric, "why"));
        chip(stream, "bad", why);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        double count = lw_field_number(metric, words[i].key);
        char text[64];

        if (count > 0.0) {
            (void)snprintf(text, sizeof(text), "%s in %.0f", words[i].word, count);
            chip(stream, strcmp(words[i].key, "flag_in") == 0 ? "" : "warn", text);
        }
    }
    put(stream, "</td>");
}

static void metrics_table(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {"metric", "#least", "#median", "#most", "#missing", ""};
    size_t n = lw_field_count(report, "data.metric_list");

    if (n == 0) {
        return;
    }
    (void)fprintf(stream, "<details%s><summary>%zu metrics</summary>\n", n <= 20 ? " open" : "", n);
    table_begin(stream, heads, 6);
    for (size_t i = 0; i < n && i < METRIC_ROWS_MAX; i++) {
        const json_t *metric = lw_field_item(report, "data.metric_list", i);
        char text[LW_FIGURE_MAX];

        put(stream, "<tr>");
        cell(stream, "name", lw_field_text(metric, "name"));
        number_cell(stream, lw_field_number(metric, "minimum"));
        number_cell(stream, lw_field_number(metric, "median"));
        number_cell(stream, lw_field_number(metric, "maximum"));
        cell(stream, "n", lw_figure_share(lw_field_number(metric, "missing_share"), text));
        metric_chips(metric, stream);
        put(stream, "</tr>\n");
    }
    table_end(stream);
    put(stream, "</details>\n");
}

static void entity_row(const json_t *entity, FILE *stream)
{
    size_t n = lw_field_count(entity, "findings");
    char text[LW_FIGURE_MAX];

    put(stream, "<tr>");
    cell(stream, "name", lw_field_text(entity, "name"));
    number_cell(stream, lw_field_number(entity, "rows"));
    number_cell(stream, lw_field_number(entity, "gaps"));
    cell(stream, "n", lw_figure_share(lw_field_number(entity, "missing_share"), text));
    put(stream, "<td class=\"w\">");
    if (!lw_field_is(entity, "used")) {
        chip(stream, "bad", lw_field_text(entity, "why"));
    }
    for (size_t i = 0; i < n && i < FINDINGS_OF_ENTITY; i++) {
        const json_t *found = lw_field_item(entity, "findings", i);

        put(stream, i == 0 ? "" : "; ");
        lw_page_text(stream, lw_field_text(found, "metric"));
        put(stream, " ");
        lw_page_text(stream, lw_field_text(found, "text"));
    }
    if (n > FINDINGS_OF_ENTITY) {
        (void)fprintf(stream, "; and %zu more", n - FINDINGS_OF_ENTITY);
    }
    put(stream, "</td></tr>\n");
}

static void entities_table(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {"entity", "#rows", "#gaps", "#missing", ""};
    size_t n = lw_field_count(report, "data.entity_list");

    if (n == 0) {
        return;
    }
    (void)fprintf(stream, "<details><summary>%zu %s</summary>\n", n,
                  n == 1 ? "entity" : "entities");
    table_begin(stream, heads, 5);
    for (size_t i = 0; i < n && i < ENTITY_ROWS_MAX; i++) {
        entity_row(lw_field_item(report, "data.entity_list", i), stream);
    }
    table_end(stream);
    put(stream, "</details>\n");
}

static void data_section(const json_t *report, FILE *stream)
{
    if (lw_field(report, "data") == NULL) {
        return;
    }
    section_begin(stream, "Data", "What the models were given, and what is odd about it.");
    findings(report, stream);
    metrics_table(report, stream);
    entities_table(report, stream);
    section_end(stream);
}

/* ---- budget and calibration ---- */

static void budget_table(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {
        "one in", "", "#promised", "#achieved", "#95 % interval", "#time in alarm"};
    size_t n = lw_field_count(report, "budget.table");

    table_begin(stream, heads, 6);
    for (size_t i = 0; i < n; i++) {
        const json_t *row = lw_field_item(report, "budget.table", i);
        char low[LW_FIGURE_MAX], high[LW_FIGURE_MAX], text[2 * LW_FIGURE_MAX + 8];

        put(stream, "<tr>");
        cell(stream, "name", lw_field_text(row, "name"));
        put(stream, "<td>");
        chip(stream, lw_field_is(row, "holds") ? "" : "bad",
             lw_field_is(row, "holds") ? "kept" : "broken");
        put(stream, "</td>");
        number_cell(stream, lw_field_number(row, "promised"));
        number_cell(stream, lw_field_number(row, "achieved"));
        (void)snprintf(text, sizeof(text), "%s to %s", lw_figure(lw_field_number(row, "low"), low),
                       lw_figure(lw_field_number(row, "high"), high));
        cell(stream, "n", text);
        cell(stream, "n", lw_figure_share(lw_field_number(row, "time_in_alarm"), low));
        put(stream, "</tr>\n");
    }
    table_end(stream);
}

static void budget_section(const json_t *report, FILE *stream)
{
    if (lw_field_count(report, "budget.table") == 0) {
        return;
    }
    section_begin(stream, "Alarm budget",
                  "Incidents that the models would have told in rows kept back, against what their "
                  "budget allows there. A budget is kept when what was promised is not below the "
                  "interval around what was achieved.");
    budget_table(report, stream);
    put(stream, "<div class=\"pair\">\n");
    figure_begin(stream, "Promised and achieved",
                 "The upright line is promised, the dot achieved, the bar its 95 % interval.");
    lw_chart_budget(report, stream);
    figure_end(stream);
    if (lw_field_count(report, "calibration.curve") > 1) {
        figure_begin(stream, "Calibration",
                     "Share of rows at or above a level: promised (dashed), achieved (line), and "
                     "the middle 80 % of entities (band).");
        lw_chart_calibration(report, stream);
        figure_end(stream);
    }
    if (lw_field_count(report, "plots.levels.counts") > 0) {
        figure_begin(stream, "Levels", "Rows by level; a level of 2 is met by one row in 100.");
        lw_chart_levels(report, stream);
        figure_end(stream);
    }
    put(stream, "</div>\n");
    section_end(stream);
}

/* ---- members ---- */

/* The largest of a list's numbers. */
static double largest(const json_t *report, const char *list, const char *key)
{
    double most = 0.0;

    for (size_t i = 0; i < lw_field_count(report, list); i++) {
        most = fmax(most, lw_field_number(lw_field_item(report, list, i), key));
    }
    return most;
}

/* Meters are as long as their share of the longest. */
static void member_row(const json_t *report, size_t i, double most, FILE *stream)
{
    const json_t *member = lw_field_item(report, "members", i);
    double ns = lw_report_member_ns(report, lw_field_text(member, "name"));
    char text[LW_FIGURE_MAX], name[200];

    (void)snprintf(name, sizeof(name), "%zu  %.150s", i + 1, lw_field_text(member, "name"));
    put(stream, "<tr>");
    cell(stream, "name", name);
    number_cell(stream, lw_field_number(member, "weight"));
    cell(stream, "n", lw_figure_share(lw_field_number(member, "weight_share"), text));
    meter_cell(stream, lw_field_number(member, "weight_share") / most);
    number_cell(stream, lw_field_number(member, "worth"));
    cell(stream, "n", lw_figure_ns(ns, text));
    cell(stream, "n", lw_figure_bytes(lw_field_number(member, "bytes"), text));
    put(stream, "<td class=\"w\">");
    lw_page_text(stream, lw_field_text(member, "title"));
    if (!lw_field_is(member, "pays") && lw_field_text(member, "why")[0] != '\0') {
        put(stream, " ");
        chip(stream, "warn", lw_field_text(member, "why"));
    }
    put(stream, "</td></tr>\n");
}

static void members_section(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {"member", "#weight",   "#share", "|",
                                        "#worth", "#a vector", "#bytes", ""};
    size_t n = lw_field_count(report, "members");
    double most = largest(report, "members", "weight_share");
    char about[500];

    if (n == 0) {
        return;
    }
    (void)snprintf(
        about, sizeof(about),
        "Weights come from the %.60s: %.250s. Worth is what leaving a member out changes "
        "of the held-out disagreement.",
        lw_field_text(report, "weights.source"), lw_field_text(report, "weights.why"));
    section_begin(stream, "Members", about);
    table_begin(stream, heads, 8);
    for (size_t i = 0; i < n; i++) {
        member_row(report, i, most, stream);
    }
    table_end(stream);
    if (lw_field_count(report, "correlation") > 1) {
        put(stream, "<div class=\"pair\">\n");
        figure_begin(stream, "How alike they are",
                     "Rank correlation of the members' distances over rows kept back; the darker, "
                     "the more alike. Columns are in the order of the rows.");
        lw_chart_correlation(report, stream);
        figure_end(stream);
        put(stream, "</div>\n");
    }
    section_end(stream);
}

/* ---- held out ---- */

static void candidate_row(const json_t *candidate, double worst, FILE *stream)
{
    char low[LW_FIGURE_MAX], high[LW_FIGURE_MAX], text[3 * LW_FIGURE_MAX + 16];
    double auc = lw_field_number(candidate, "auc_pr");

    put(stream, "<tr>");
    cell(stream, "name", lw_field_text(candidate, "name"));
    number_cell(stream, lw_field_number(candidate, "disagreement"));
    meter_cell(stream,
               worst > 0.0 ? lw_field_number(candidate, "disagreement") / worst : (double)NAN);
    number_cell(stream, lw_field_number(candidate, "tail_error"));
    number_cell(stream, lw_field_number(candidate, "instability"));
    if (isnan(auc)) {
        cell(stream, "n", "-");
    } else if (isnan(lw_field_number(candidate, "auc_pr_low"))) {
        number_cell(stream, auc);
    } else {
        (void)snprintf(text, sizeof(text), "%.2f  (%s to %s)", auc,
                       lw_figure(lw_field_number(candidate, "auc_pr_low"), low),
                       lw_figure(lw_field_number(candidate, "auc_pr_high"), high));
        cell(stream, "n", text);
    }
    put(stream, "<td>");
    if (lw_field_is(candidate, "selected")) {
        chip(stream, "", "chosen");
    }
    put(stream, "</td></tr>\n");
}

static void validation_section(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {"candidate",    "#disagreement", "|", "#tails",
                                        "#instability", "#AUC-PR",       ""};
    size_t n = lw_field_count(report, "validation.candidates");
    double worst = largest(report, "validation.candidates", "disagreement");
    char about[600];

    if (lw_field(report, "validation") == NULL) {
        return;
    }
    if (strcmp(lw_field_text(report, "validation.status"), "done") != 0) {
        (void)snprintf(about, sizeof(about), "Skipped: %.500s",
                       lw_field_text(report, "validation.reason"));
        section_begin(stream, "Held out", about);
        section_end(stream);
        return;
    }
    (void)snprintf(about, sizeof(about), "Candidates are judged by %.500s.",
                   lw_field_text(report, "validation.criterion"));
    section_begin(stream, "Held out", about);
    table_begin(stream, heads, 7);
    for (size_t i = 0; i < n; i++) {
        candidate_row(lw_field_item(report, "validation.candidates", i), worst, stream);
    }
    table_end(stream);
    (void)snprintf(about, sizeof(about), "Chosen: %.100s, because %.400s.",
                   lw_field_text(report, "validation.selected"),
                   lw_field_text(report, "validation.why"));
    put(stream, "<p style=\"margin-top:12px\">");
    lw_page_text(stream, about);
    put(stream, "</p>\n<div class=\"pair\">\n");
    figure_begin(stream, "Windows",
                 "Pale: learnt from. Full: held out. Rows in between are used for neither.");
    lw_chart_folds(report, stream);
    figure_end(stream);
    put(stream, "</div>\n");
    section_end(stream);
}

/* ---- entities over time ---- */

static void timeline(const json_t *entity, double high, bool has_times, FILE *stream)
{
    size_t n = lw_field_count(entity, "time");
    char first[LW_FIGURE_MAX], last[LW_FIGURE_MAX];

    if (n < 2) {
        return;
    }
    put(stream, "<div class=\"entity\"><p><span>");
    lw_page_text(stream, lw_field_text(entity, "name"));
    put(stream, "</span>");
    if (has_times) {
        (void)fprintf(
            stream, "<span class=\"soft\">%s to %s</span>",
            lw_figure_moment(json_number_value(lw_field_item(entity, "time", 0)), first),
            lw_figure_moment(json_number_value(lw_field_item(entity, "time", n - 1)), last));
    }
    put(stream, "</p>");
    lw_chart_entity(entity, high, stream);
    put(stream, "</div>\n");
}

static void timelines_section(const json_t *report, FILE *stream)
{
    size_t n = lw_field_count(report, "plots.entities");
    double high = 1.0, left_out = lw_field_number(report, "plots.entities_not_plotted");

    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *entity = lw_field_item(report, "plots.entities", i);

        for (size_t k = 0; k < lw_field_count(entity, "level"); k++) {
            high = fmax(high, json_number_value(lw_field_item(entity, "level", k)));
        }
    }
    section_begin(stream, "Rows kept back, over time",
                  "The level of each entity, all on one scale; what was labelled anomalous is "
                  "shaded, and not judged here.");
    for (size_t i = 0; i < n; i++) {
        timeline(lw_field_item(report, "plots.entities", i), high, lw_report_has_times(report),
                 stream);
    }
    if (left_out > 0.0) {
        (void)fprintf(stream, "<p class=\"soft\">%.0f more are not plotted.</p>\n", left_out);
    }
    section_end(stream);
}

/* ---- sharing, options ---- */

static void groups_table(const json_t *report, FILE *stream)
{
    static const char *const heads[] = {"#model", "#entities", "#metrics", "#rows", "#bytes"};
    size_t n = lw_field_count(report, "groups");

    if (n == 0) {
        return;
    }
    (void)fprintf(stream, "<details%s><summary>%zu model%s</summary>\n", n <= 8 ? " open" : "", n,
                  n == 1 ? "" : "s");
    table_begin(stream, heads, 5);
    for (size_t i = 0; i < n && i < ENTITY_ROWS_MAX; i++) {
        const json_t *group = lw_field_item(report, "groups", i);
        char text[LW_FIGURE_MAX];

        put(stream, "<tr>");
        number_cell(stream, lw_field_number(group, "group"));
        number_cell(stream, lw_field_number(group, "entities"));
        number_cell(stream, lw_field_number(group, "metrics"));
        number_cell(stream, lw_field_number(group, "rows"));
        cell(stream, "n", lw_figure_bytes(lw_field_number(group, "bytes"), text));
        put(stream, "</tr>\n");
    }
    table_end(stream);
    put(stream, "</details>\n");
}

static void sharing_section(const json_t *report, FILE *stream)
{
    const char *chosen = lw_field_text(report, "sharing.chosen");

    if (chosen[0] == '\0') {
        return;
    }
    section_begin(stream, "Sharing",
                  strcmp(chosen, "all") == 0   ? "One model serves all entities."
                  : strcmp(chosen, "own") == 0 ? "Each entity has a model of its own."
                                               : "Alike entities share a model.");
    put(stream, "<p style=\"margin-top:8px\">");
    lw_page_text(stream, lw_field_text(report, "sharing.why"));
    put(stream, "</p>\n");
    groups_table(report, stream);
    section_end(stream);
}

static void options_section(const json_t *report, FILE *stream)
{
    const json_t *options = lw_field(report, "options");
    const char *name;
    json_t *value;
    char text[LW_FIGURE_MAX];

    if (options == NULL) {
        return;
    }
    section_begin(stream, "How it was made", "The same data and options give the same models.");
    put(stream, "<div class=\"scroll\"><table><tbody>\n");
    json_object_foreach((json_t *)(uintptr_t)options, name, value)
    {
        put(stream, "<tr>");
        cell(stream, "name", name);
        if (json_is_string(value)) {
            cell(stream, "", json_string_value(value)[0] == '\0' ? "-" : json_string_value(value));
        } else if (strcmp(name, "memory_max") == 0) {
            cell(stream, "", lw_figure_bytes(json_number_value(value), text));
        } else {
            (void)snprintf(text, sizeof(text), "%.17g", json_number_value(value));
            cell(stream, "", text);
        }
        put(stream, "</tr>\n");
    }
    if (lw_field(report, "timing.seconds") != NULL) {
        put(stream, "<tr>");
        cell(stream, "name", "took");
        cell(stream, "", lw_figure_seconds(lw_field_number(report, "timing.seconds"), text));
        put(stream, "</tr>\n");
    }
    table_end(stream);
    section_end(stream);
}

void lw_report_page(const json_t *report, double file_bytes, FILE *stream)
{
    put(stream, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'\">\n<title>");
    lw_page_text(stream, lw_field_text(report, "detector"));
    put(stream, ": training report</title>\n<style>\n");
    put(stream, STYLE);
    put(stream, "\n</style>\n</head>\n<body>\n<main>\n");
    heading(report, file_bytes, stream);
    data_section(report, stream);
    budget_section(report, stream);
    members_section(report, stream);
    validation_section(report, stream);
    timelines_section(report, stream);
    sharing_section(report, stream);
    options_section(report, stream);
    put(stream, "<footer>Made by lapwing train. This page needs nothing beside it.</footer>\n"
                "</main>\n</body>\n</html>\n");
}
