/* Charts of a report: see cli/train_charts.h. */
#include "cli/train_charts.h"

#include "cli/train_fields.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define WIDTH 460.0
#define HEIGHT 250.0
#define LEFT 52.0
#define RIGHT 14.0
#define TOP 12.0
#define BOTTOM 40.0
#define ROW 30.0
#define LABELS 92.0 /* Of rows, left of them. */
#define CELLS_MAX 24
#define LEVELS_MAX 100.0 /* A report tells levels up to 16. */
#define LINE_HEIGHT 44.0
#define LINE_WIDTH 1000.0

/* A stretch of values and the pixels it covers; from_px may lie behind to_px. */
struct axis {
    double low, high, from_px, to_px;
};

static double px(const struct axis *axis, double value)
{
    double share = axis->high > axis->low ? (value - axis->low) / (axis->high - axis->low) : 0.5;

    share = fmin(fmax(share, 0.0), 1.0);
    return axis->from_px + share * (axis->to_px - axis->from_px);
}

void lw_page_text(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        const char *escape = *text == '<'    ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '&'  ? "&amp;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;

        if (escape != NULL) {
            (void)fputs(escape, stream);
        } else {
            (void)fputc(*text, stream);
        }
    }
}

static void chart_begin(FILE *stream, double height, const char *title)
{
    (void)fprintf(stream, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", WIDTH,
                  height);
    lw_page_text(stream, title);
    (void)fputs("\">\n", stream);
}

static void text_put(FILE *stream, double x, double y, const char *anchor, const char *text)
{
    (void)fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    lw_page_text(stream, text);
    (void)fputs("</text>\n", stream);
}

static void line_put(FILE *stream, const char *class, const double from[2], const double to[2])
{
    (void)fprintf(stream, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                  class, from[0], from[1], to[0], to[1]);
}

/* A power of ten beside an axis. */
static const char *axis_text(double value, const char *unit, char ret_text[LW_FIGURE_MAX])
{
    (void)snprintf(ret_text, LW_FIGURE_MAX, value >= 1e6 || value < 1e-3 ? "%.0e%s" : "%g%s", value,
                   unit);
    return ret_text;
}

/* ---- budget ---- */

/* Powers of ten around all that is shown; false without anything above zero. */
static bool budget_span(const json_t *report, struct axis *axis)
{
    static const char *const keys[] = {"promised", "achieved", "low", "high"};
    double low = INFINITY, high = 0.0;

    for (size_t i = 0; i < lw_field_count(report, "budget.table"); i++) {
        for (size_t k = 0; k < 4; k++) {
            double value = lw_field_number(lw_field_item(report, "budget.table", i), keys[k]);

            if (value > 0.0) {
                low = fmin(low, value);
                high = fmax(high, value);
            }
        }
    }
    axis->low = floor(log10(fmax(low, 1e-3)));
    axis->high = ceil(log10(fmax(high, 1e-2)));
    axis->high = axis->high > axis->low ? axis->high : axis->low + 1.0;
    return high > 0.0;
}

static void budget_row(const json_t *row, const struct axis *axis, double y, FILE *stream)
{
    double promised = lw_field_number(row, "promised"), achieved = lw_field_number(row, "achieved");
    double low = lw_field_number(row, "low"), high = lw_field_number(row, "high");
    const char *class = achieved <= 0.0 ? "none" : lw_field_is(row, "holds") ? "good" : "bad";
    char text[2][LW_FIGURE_MAX];

    text_put(stream, LABELS - 8.0, y + 4.0, "end", lw_field_text(row, "name"));
    if (high > 0.0) {
        double from[2] = {px(axis, log10(fmax(low, 1e-9))), y}, to[2] = {px(axis, log10(high)), y};

        line_put(stream, lw_field_is(row, "holds") ? "span good" : "span bad", from, to);
    }
    (void)fprintf(stream,
                  "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"><title>achieved %s, "
                  "promised %s</title></circle>\n",
                  class, px(axis, log10(fmax(achieved, 1e-9))), y, lw_figure(achieved, text[0]),
                  lw_figure(promised, text[1]));
    if (promised > 0.0) {
        double x = px(axis, log10(promised));
        double from[2] = {x, y - 10.0}, to[2] = {x, y + 10.0};

        line_put(stream, "promise", from, to);
    }
}

void lw_chart_budget(const json_t *report, FILE *stream)
{
    size_t n = lw_field_count(report, "budget.table");
    double height = TOP + ROW * (double)n + 34.0;
    struct axis axis = {.from_px = LABELS, .to_px = WIDTH - RIGHT - 8.0};

    if (n == 0 || !budget_span(report, &axis)) {
        return;
    }
    chart_begin(stream, height, "False alarms promised and achieved");
    for (double power = axis.low; power <= axis.high; power += 1.0) {
        double from[2] = {px(&axis, power), TOP}, to[2] = {px(&axis, power), height - 30.0};
        char text[LW_FIGURE_MAX];

        line_put(stream, "grid", from, to);
        text_put(stream, px(&axis, power), height - 12.0, "middle",
                 axis_text(pow(10.0, power), "", text));
    }
    for (size_t i = 0; i < n; i++) {
        budget_row(lw_field_item(report, "budget.table", i), &axis, TOP + ROW * ((double)i + 0.5),
                   stream);
    }
    (void)fputs("</svg>\n", stream);
}

/* ---- calibration ---- */

/* Axes of levels and of shares as powers of ten. */
struct curve {
    struct axis x, y;
    const json_t *items;
};

static void curve_path(const struct curve *curve, const char *key, const char *class, FILE *stream)
{
    bool is_on = false;

    (void)fprintf(stream, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < json_array_size(curve->items); i++) {
        const json_t *item = json_array_get(curve->items, i);
        double share = lw_field_number(item, key);

        if (share > 0.0) {
            (void)fprintf(stream, "%s%.1f %.1f", is_on ? " L" : "M",
                          px(&curve->x, lw_field_number(item, "level")),
                          px(&curve->y, log10(share)));
            is_on = true;
        }
    }
    (void)fputs("\"/>\n", stream);
}

/* Between the tenth and the ninetieth percentile of entities. */
static void curve_band(const struct curve *curve, FILE *stream)
{
    size_t n = json_array_size(curve->items);

    (void)fputs("<path class=\"band\" d=\"M", stream);
    for (size_t i = 0; i < 2 * n; i++) {
        const json_t *item = json_array_get(curve->items, i < n ? i : 2 * n - 1 - i);
        double share = lw_field_number(item, i < n ? "high_entity" : "low_entity");

        (void)fprintf(stream, "%s%.1f %.1f", i == 0 ? "" : " L",
                      px(&curve->x, lw_field_number(item, "level")),
                      px(&curve->y, log10(fmax(share, 1e-9))));
    }
    (void)fputs("Z\"/>\n", stream);
}

static void curve_axes(const struct curve *curve, FILE *stream)
{
    for (double power = curve->y.low; power <= curve->y.high; power += 1.0) {
        double y = px(&curve->y, power);
        double from[2] = {LEFT, y}, to[2] = {WIDTH - RIGHT, y};
        char text[LW_FIGURE_MAX];

        line_put(stream, "grid", from, to);
        text_put(stream, LEFT - 6.0, y + 4.0, "end",
                 axis_text(pow(10.0, power) * 100.0, " %", text));
    }
    for (size_t i = 0; i < json_array_size(curve->items); i++) {
        double level = lw_field_number(json_array_get(curve->items, i), "level");
        char text[32];

        if (fabs(level - round(level)) < 1e-9) {
            (void)snprintf(text, sizeof(text), "%.0f", level);
            text_put(stream, px(&curve->x, level), HEIGHT - 22.0, "middle", text);
        }
    }
    text_put(stream, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 5.0, "middle", "level");
}

void lw_chart_calibration(const json_t *report, FILE *stream)
{
    struct curve curve = {.x = {.from_px = LEFT, .to_px = WIDTH - RIGHT},
                          .y = {.from_px = HEIGHT - BOTTOM, .to_px = TOP},
                          .items = lw_field(report, "calibration.curve")};
    size_t n = json_array_size(curve.items);
    double least = 1.0;

    if (n < 2) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double achieved = lw_field_number(json_array_get(curve.items, i), "achieved_share");
        double promised = lw_field_number(json_array_get(curve.items, i), "promised_share");

        least = achieved > 0.0 ? fmin(least, achieved) : least;
        least = promised > 0.0 ? fmin(least, promised) : least;
    }
    curve.x.low = lw_field_number(json_array_get(curve.items, 0), "level");
    curve.x.high = lw_field_number(json_array_get(curve.items, n - 1), "level");
    curve.y.low = floor(log10(fmax(least, 1e-7)));
    curve.y.high = 0.0;
    chart_begin(stream, HEIGHT, "Share of rows above a level, promised and achieved");
    curve_axes(&curve, stream);
    curve_band(&curve, stream);
    curve_path(&curve, "promised_share", "promise", stream);
    curve_path(&curve, "achieved_share", "line", stream);
    (void)fputs("</svg>\n", stream);
}

/* ---- levels ---- */

void lw_chart_levels(const json_t *report, FILE *stream)
{
    const json_t *edges = lw_field(report, "plots.levels.edges");
    const json_t *counts = lw_field(report, "plots.levels.counts");
    size_t n = json_array_size(counts);
    struct axis x = {.from_px = LEFT, .to_px = WIDTH - RIGHT};
    struct axis y = {.low = 0.0, .from_px = HEIGHT - BOTTOM, .to_px = TOP};

    if (n == 0 || json_array_size(edges) != n + 1) {
        return;
    }
    while (n > 1 && !(json_number_value(json_array_get(counts, n - 1)) > 0.0)) {
        n--; /* Levels that were never met. */
    }
    x.low = json_number_value(json_array_get(edges, 0));
    x.high = json_number_value(json_array_get(edges, n));
    if (!(fabs(x.low) <= LEVELS_MAX && fabs(x.high) <= LEVELS_MAX)) {
        return;
    }
    for (size_t i = 0; i < n; i++) { /* Logarithmic: the rare levels are what matters. */
        y.high = fmax(y.high, log10(json_number_value(json_array_get(counts, i)) + 1.0));
    }
    chart_begin(stream, HEIGHT, "How often each level was met");
    for (double power = 0.0; power <= y.high; power += 1.0) {
        double from[2] = {LEFT, px(&y, power)}, to[2] = {WIDTH - RIGHT, px(&y, power)};
        char text[LW_FIGURE_MAX];

        line_put(stream, "grid", from, to);
        text_put(stream, LEFT - 6.0, px(&y, power) + 4.0, "end",
                 axis_text(pow(10.0, power), "", text));
    }
    for (size_t i = 0; i < n; i++) {
        double count = json_number_value(json_array_get(counts, i));
        double left = px(&x, json_number_value(json_array_get(edges, i)));
        double right = px(&x, json_number_value(json_array_get(edges, i + 1)));
        double top = px(&y, log10(count + 1.0));
        char text[LW_FIGURE_MAX];

        (void)fprintf(stream,
                      "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                      "<title>%s</title></rect>\n",
                      left + 0.5, top, fmax(right - left - 1.0, 0.5), HEIGHT - BOTTOM - top,
                      lw_figure_count(count, "row", text));
    }
    for (double level = ceil(x.low); level <= x.high; level += 1.0) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%.0f", level);
        text_put(stream, px(&x, level), HEIGHT - 22.0, "middle", text);
    }
    text_put(stream, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 5.0, "middle", "level");
    (void)fputs("</svg>\n", stream);
}

/* ---- correlation ---- */

void lw_chart_correlation(const json_t *report, FILE *stream)
{
    size_t n = lw_field_count(report, "correlation");
    double left = 130.0, cell = n == 0 ? 0.0 : fmin((WIDTH - left - RIGHT) / (double)n, 44.0);

    if (n < 2 || n > CELLS_MAX || n != lw_field_count(report, "members")) {
        return;
    }
    chart_begin(stream, cell * (double)n + 26.0, "Correlation of the members");
    for (size_t i = 0; i < n; i++) {
        const char *name = lw_field_text(lw_field_item(report, "members", i), "name");
        char number[16];

        text_put(stream, left - 8.0, cell * ((double)i + 0.5) + 4.0, "end", name);
        (void)snprintf(number, sizeof(number), "%zu", i + 1);
        text_put(stream, left + cell * ((double)i + 0.5), cell * (double)n + 16.0, "middle",
                 number);
        for (size_t k = 0; k < n; k++) {
            double r = json_number_value(
                json_array_get(lw_field_item(report, "correlation", i), k));

            (void)fprintf(stream,
                          "<rect class=\"%s\" style=\"opacity:%.2f\" x=\"%.1f\" y=\"%.1f\" "
                          "width=\"%.1f\" height=\"%.1f\"><title>%.2f</title></rect>\n",
                          r < 0.0 ? "bad" : "bar", fmin(fabs(r), 1.0) * 0.92 + 0.05,
                          left + cell * (double)k, cell * (double)i, cell - 1.5, cell - 1.5, r);
        }
    }
    (void)fputs("</svg>\n", stream);
}

/* ---- folds ---- */

void lw_chart_folds(const json_t *report, FILE *stream)
{
    size_t n = lw_field_count(report, "validation.fold_list");
    double gap = lw_field_number(report, "validation.gap_rows");
    double height = TOP + 26.0 * (double)n + 8.0, most = 0.0;
    struct axis x = {.from_px = LABELS, .to_px = WIDTH - RIGHT};

    gap = isnan(gap) ? 0.0 : gap;
    for (size_t i = 0; i < n; i++) {
        const json_t *fold = lw_field_item(report, "validation.fold_list", i);

        most = fmax(most,
                    lw_field_number(fold, "train_rows") + gap + lw_field_number(fold, "test_rows"));
    }
    if (n == 0 || !(most > 0.0)) {
        return;
    }
    x.high = most;
    chart_begin(stream, height, "Windows of the cross-validation");
    for (size_t i = 0; i < n; i++) {
        const json_t *fold = lw_field_item(report, "validation.fold_list", i);
        double train = lw_field_number(fold, "train_rows"), y = TOP + 26.0 * (double)i;
        double test = px(&x, train + gap);
        char text[LW_FIGURE_MAX];

        (void)snprintf(text, sizeof(text), lw_field_is(fold, "judged") ? "judged" : "tuned");
        text_put(stream, LABELS - 8.0, y + 13.0, "end", text);
        (void)fprintf(stream,
                      "<rect class=\"train\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\">"
                      "<title>learnt from %s</title></rect>\n",
                      LABELS, y, px(&x, train) - LABELS, lw_figure_count(train, "row", text));
        (void)fprintf(stream,
                      "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\">"
                      "<title>held out: %s</title></rect>\n",
                      test, y, px(&x, train + gap + lw_field_number(fold, "test_rows")) - test,
                      lw_figure_count(lw_field_number(fold, "test_rows"), "row", text));
    }
    (void)fputs("</svg>\n", stream);
}

/* ---- an entity over time ---- */

/* What people have called anomalous, as far as it was kept back. */
static void marks(const json_t *entity, const struct axis *x, FILE *stream)
{
    for (size_t i = 0; i < lw_field_count(entity, "labels"); i++) {
        const json_t *label = lw_field_item(entity, "labels", i);
        double first = json_number_value(json_array_get(label, 0));
        double last = json_number_value(json_array_get(label, 1));

        if (last >= x->low && first <= x->high) {
            (void)fprintf(stream,
                          "<rect class=\"mark\" x=\"%.1f\" y=\"0\" width=\"%.1f\" "
                          "height=\"%.0f\"/>\n",
                          px(x, first) - 1.0, px(x, last) - px(x, first) + 2.0, LINE_HEIGHT);
        }
    }
}

/* The shortest time between neighbouring points: more than twice as much is a gap. */
static double shortest_step(const json_t *entity, size_t n)
{
    double shortest = INFINITY;

    for (size_t i = 1; i < n; i++) {
        shortest = fmin(shortest, json_number_value(lw_field_item(entity, "time", i)) -
                                      json_number_value(lw_field_item(entity, "time", i - 1)));
    }
    return shortest;
}

void lw_chart_entity(const json_t *entity, double high, FILE *stream)
{
    size_t n = lw_field_count(entity, "level");
    struct axis x = {.from_px = 0.0, .to_px = LINE_WIDTH};
    struct axis y = {.low = 0.0, .high = high, .from_px = LINE_HEIGHT - 1.0, .to_px = 2.0};
    double gap, before = -INFINITY;

    if (n < 2 || lw_field_count(entity, "time") != n) {
        return;
    }
    x.low = json_number_value(lw_field_item(entity, "time", 0));
    x.high = json_number_value(lw_field_item(entity, "time", n - 1));
    (void)fprintf(stream,
                  "<svg class=\"wide\" viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" "
                  "role=\"img\" aria-label=\"level over time\">\n",
                  LINE_WIDTH, LINE_HEIGHT);
    marks(entity, &x, stream);
    gap = 2.5 * shortest_step(entity, n);
    (void)fputs("<path class=\"line\" d=\"", stream);
    for (size_t i = 0; i < n; i++) {
        const json_t *level = lw_field_item(entity, "level", i);
        double time_s = json_number_value(lw_field_item(entity, "time", i));

        if (!json_is_number(level)) {
            before = -INFINITY;
            continue;
        }
        (void)fprintf(stream, "%s%.1f %.1f", time_s - before <= gap ? " L" : " M", px(&x, time_s),
                      px(&y, json_number_value(level)));
        before = time_s;
    }
    (void)fputs("\"/></svg>\n", stream);
}
