/* Plots as SVG: see cli/plot.h. Coordinates are pixels with one decimal; colours follow the
 * viewer's light or dark scheme. */
#include "cli/plot.h"

#include "base/civil.h"

#include <math.h>
#include <string.h>

#define WIDTH 1180.0
#define LEFT 76.0
#define RIGHT 24.0
#define TOP 76.0
#define PANEL_HEIGHT 168.0
#define PANEL_PITCH 252.0
#define Y_TICKS 5.0
#define X_TICKS 9
#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)
/* A mark is at least this wide, so that one bad reading in a year is seen. */
#define MARK_MIN 3.0

/* ---- traces ---- */

void lw_trace_init(struct lw_trace *trace)
{
    trace->n_cells = 0;
    trace->per_cell = 1;
    trace->n_in_last = 0;
    trace->last_ns = INT64_MIN;
}

/* fminf and fmaxf pass over NaN. */
static void cell_join(struct lw_trace_cell *cell, const struct lw_trace_cell *other)
{
    cell->low = fminf(cell->low, other->low);
    cell->high = fmaxf(cell->high, other->high);
    cell->lower = fminf(cell->lower, other->lower);
    cell->upper = fmaxf(cell->upper, other->upper);
}

static void trace_halve(struct lw_trace *trace)
{
    for (size_t i = 0; i < LW_TRACE_CELLS / 2; i++) {
        struct lw_trace_cell cell = trace->cells[2 * i];

        cell_join(&cell, &trace->cells[2 * i + 1]);
        trace->cells[i] = cell;
    }
    trace->n_cells = LW_TRACE_CELLS / 2;
    trace->per_cell *= 2;
    trace->n_in_last = trace->per_cell;
}

void lw_trace_add(struct lw_trace *trace, int64_t time_ns, float value, float lower, float upper)
{
    struct lw_trace_cell cell = {time_ns, value, value, lower, upper};

    trace->last_ns = time_ns;
    if (trace->n_cells > 0 && trace->n_in_last < trace->per_cell) {
        cell_join(&trace->cells[trace->n_cells - 1], &cell);
        trace->n_in_last++;
        return;
    }
    if (trace->n_cells == LW_TRACE_CELLS) {
        trace_halve(trace);
    }
    trace->cells[trace->n_cells++] = cell;
    trace->n_in_last = 1;
}

/* ---- one panel's scales ---- */

struct scale {
    double top; /* Of the panel. */
    double first_ns, last_ns;
    double low, high;
};

static double x_of(const struct scale *scale, int64_t time_ns)
{
    double span = scale->last_ns - scale->first_ns;

    return LEFT +
           (span > 0.0 ? ((double)time_ns - scale->first_ns) / span : 0.5) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct scale *scale, double value)
{
    double y = scale->top + PANEL_HEIGHT * (scale->high - value) / (scale->high - scale->low);

    /* Far outside of the panel is far enough: viewers choke on huge coordinates. */
    return y < scale->top - PANEL_HEIGHT
               ? scale->top - PANEL_HEIGHT
               : (y > scale->top + 2.0 * PANEL_HEIGHT ? scale->top + 2.0 * PANEL_HEIGHT : y);
}

/* All readings, with a little air, and as much of the band as half their span takes. */
static struct scale scale_of(const struct lw_trace *trace, double top)
{
    struct scale scale = {.top = top};
    float low = NAN, high = NAN, lower = NAN, upper = NAN;
    double span, air;

    for (size_t i = 0; i < trace->n_cells; i++) {
        low = fminf(low, trace->cells[i].low);
        high = fmaxf(high, trace->cells[i].high);
        lower = fminf(lower, trace->cells[i].lower);
        upper = fmaxf(upper, trace->cells[i].upper);
    }
    if (isnan(low) || isinf(low) || isinf(high)) {
        low = 0.0f;
        high = 1.0f;
    }
    span = (double)high - (double)low;
    span = span > 0.0 ? span : fabs((double)high) * 0.1 + 1e-9;
    air = span * 0.06;
    scale.low = fmax(fmin((double)low, isnan(lower) ? (double)low : (double)lower),
                     (double)low - span / 4.0) -
                air;
    scale.high = fmin(fmax((double)high, isnan(upper) ? (double)high : (double)upper),
                      (double)high + span / 4.0) +
                 air;
    scale.first_ns = trace->n_cells > 0 ? (double)trace->cells[0].first_ns : 0.0;
    scale.last_ns = trace->n_cells > 0 ? (double)trace->last_ns : 0.0;
    return scale;
}

/* ---- text ---- */

static void text_put(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", stream);
            break;
        case '>':
            (void)fputs("&gt;", stream);
            break;
        case '&':
            (void)fputs("&amp;", stream);
            break;
        case '"':
            (void)fputs("&quot;", stream);
            break;
        default:
            (void)fputc((unsigned char)*text < ' ' ? ' ' : *text, stream);
        }
    }
}

static void label_put(FILE *stream, double x, double y, const char *kind, const char *text)
{
    (void)fprintf(stream, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", kind, x, y);
    text_put(stream, text);
    (void)fputs("</text>\n", stream);
}

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten. */
static double step_nice(double wanted)
{
    double power = pow(10.0, floor(log10(wanted)));
    double ratio = wanted / power;

    return power * (ratio <= 1.0 ? 1.0 : (ratio <= 2.0 ? 2.0 : (ratio <= 5.0 ? 5.0 : 10.0)));
}

static void tick_format(double value, double step, char *ret_text, size_t capacity)
{
    double size = fmax(fabs(value), step);
    int decimals = step >= 1.0 ? 0 : (int)ceil(-log10(step) - 1e-9);

    if (fabs(value) < step / 1e6) {
        (void)snprintf(ret_text, capacity, "0");
    } else if (size >= 1e12 || size < 1e-4) {
        (void)snprintf(ret_text, capacity, "%.3g", value);
    } else if (step >= 1e9) {
        (void)snprintf(ret_text, capacity, "%.4g G", value / 1e9);
    } else if (step >= 1e6 || size >= 1e8) {
        (void)snprintf(ret_text, capacity, "%.6g M", value / 1e6);
    } else if (step >= 1e3) {
        (void)snprintf(ret_text, capacity, "%.6g k", value / 1e3);
    } else {
        (void)snprintf(ret_text, capacity, "%.*f", decimals, value);
    }
}

static void y_axis_put(FILE *stream, const struct scale *scale)
{
    double step = step_nice((scale->high - scale->low) / Y_TICKS);
    char text[32];

    for (double k = ceil(scale->low / step); k * step <= scale->high; k += 1.0) {
        double y = y_of(scale, k * step);

        (void)fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, y,
                      WIDTH - RIGHT);
        tick_format(k * step, step, text, sizeof(text));
        label_put(stream, LEFT - 8.0, y + 4.0, "tick end", text);
    }
}

/* Seconds between ticks of a span; 0: months, see month_step. */
static int64_t time_step(int64_t span_ns)
{
    static const int64_t steps[] = {1,     2,     5,     10,    15,     30,     60,
                                    120,   300,   600,   900,   1800,   3600,   7200,
                                    10800, 21600, 43200, 86400, 172800, 604800, 1209600};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (span_ns / (steps[i] * SECOND_NS) <= X_TICKS) {
            return steps[i] * SECOND_NS;
        }
    }
    return 0;
}

static int month_step(int64_t span_ns)
{
    static const int steps[] = {1, 2, 3, 6, 12, 24, 60, 120, 240};
    int64_t months = span_ns / (30 * DAY_NS);
    size_t i = 0;

    while (i + 1 < sizeof(steps) / sizeof(steps[0]) && months / steps[i] > X_TICKS) {
        i++;
    }
    return steps[i];
}

static void time_tick_format(int64_t time_ns, int64_t step_ns, char *ret_text, size_t capacity)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t days = lw_floor_divide(time_ns, DAY_NS);
    int64_t second = (time_ns - days * DAY_NS) / SECOND_NS;
    struct lw_civil date = lw_civil_from_days(days);

    if (step_ns == 0) {
        (void)snprintf(ret_text, capacity, "%s %lld", months[date.month - 1], (long long)date.year);
    } else if (step_ns >= DAY_NS || second == 0) {
        (void)snprintf(ret_text, capacity, "%d %s", date.day, months[date.month - 1]);
    } else if (step_ns >= MINUTE_NS) {
        (void)snprintf(ret_text, capacity, "%02d:%02d", (int)(second / 3600),
                       (int)(second / 60 % 60));
    } else {
        (void)snprintf(ret_text, capacity, "%02d:%02d:%02d", (int)(second / 3600),
                       (int)(second / 60 % 60), (int)(second % 60));
    }
}

static void x_tick_put(FILE *stream, const struct scale *scale, int64_t time_ns, const char *text)
{
    double x = x_of(scale, time_ns);
    double bottom = scale->top + PANEL_HEIGHT;

    (void)fprintf(stream, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>\n", x, bottom);
    label_put(stream, x, bottom + 19.0, "tick middle", text);
}

/* Ticks at the first of months. */
static void month_axis_put(FILE *stream, const struct scale *scale, int64_t first_ns,
                           int64_t last_ns)
{
    struct lw_civil date = lw_civil_from_days(lw_floor_divide(first_ns, DAY_NS));
    int step = month_step(last_ns - first_ns);
    int64_t month = date.year * 12 + date.month - 1;
    char text[32];

    month -= month % step;
    for (;; month += step) {
        int64_t time_ns = lw_civil_to_days(month / 12, (int)(month % 12) + 1, 1) * DAY_NS;

        if (time_ns > last_ns) {
            return;
        }
        if (time_ns >= first_ns) {
            time_tick_format(time_ns, 0, text, sizeof(text));
            x_tick_put(stream, scale, time_ns, text);
        }
    }
}

static void time_axis_put(FILE *stream, const struct scale *scale, int64_t first_ns,
                          int64_t last_ns)
{
    int64_t step_ns = time_step(last_ns - first_ns);
    char text[32];

    if (step_ns == 0) {
        month_axis_put(stream, scale, first_ns, last_ns);
        return;
    }
    for (int64_t tick = lw_floor_divide(first_ns - 1, step_ns) + 1; tick * step_ns <= last_ns;
         tick++) {
        time_tick_format(tick * step_ns, step_ns, text, sizeof(text));
        x_tick_put(stream, scale, tick * step_ns, text);
    }
}

static void x_axis_put(FILE *stream, const struct lw_plot *plot, const struct scale *scale)
{
    int64_t first_ns = (int64_t)scale->first_ns, last_ns = (int64_t)scale->last_ns;
    char text[32];

    (void)fprintf(stream, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT,
                  scale->top + PANEL_HEIGHT, WIDTH - RIGHT);
    if (last_ns <= first_ns) {
        return;
    }
    if (plot->has_times) {
        time_axis_put(stream, scale, first_ns, last_ns);
    } else {
        int64_t n_rows = last_ns / plot->row_ns;
        double rows = (double)n_rows;
        double step = fmax(step_nice(rows / X_TICKS), 1.0);

        for (double row = 0.0; row <= rows; row += step) {
            (void)snprintf(text, sizeof(text), "row %.0f", row);
            x_tick_put(stream, scale, (int64_t)row * plot->row_ns, text);
        }
    }
}

/* ---- curves ---- */

/* The band between lower and upper over a stretch of cells that all have one. */
static void band_stretch_put(FILE *stream, const struct scale *scale, const struct lw_trace *trace,
                             size_t first, size_t end)
{
    (void)fputs("<path class=\"band\" d=\"", stream);
    for (size_t i = first; i < end; i++) {
        (void)fprintf(stream, "%c%.1f %.1f", i == first ? 'M' : 'L',
                      x_of(scale, trace->cells[i].first_ns),
                      y_of(scale, (double)trace->cells[i].upper));
    }
    for (size_t i = end; i > first; i--) {
        (void)fprintf(stream, "L%.1f %.1f", x_of(scale, trace->cells[i - 1].first_ns),
                      y_of(scale, (double)trace->cells[i - 1].lower));
    }
    (void)fputs("Z\"/>\n", stream);
}

static bool has_band(const struct lw_trace_cell *cell)
{
    return isfinite(cell->lower) && isfinite(cell->upper);
}

static void band_put(FILE *stream, const struct scale *scale, const struct lw_trace *trace)
{
    for (size_t first = 0; first < trace->n_cells;) {
        size_t end = first;

        while (end < trace->n_cells && has_band(&trace->cells[end])) {
            end++;
        }
        if (end > first) {
            band_stretch_put(stream, scale, trace, first, end);
        }
        first = end + 1;
    }
}

/* One line through the readings; a cell of several shows its lowest and highest. */
static void value_put(FILE *stream, const struct scale *scale, const struct lw_trace *trace)
{
    bool is_down = false;

    (void)fputs("<path class=\"value\" d=\"", stream);
    for (size_t i = 0; i < trace->n_cells; i++) {
        const struct lw_trace_cell *cell = &trace->cells[i];

        if (!isfinite(cell->low) || !isfinite(cell->high)) {
            is_down = false;
            continue;
        }
        (void)fprintf(stream, "%c%.1f %.1f", is_down ? 'L' : 'M', x_of(scale, cell->first_ns),
                      y_of(scale, (double)cell->low));
        if (cell->high > cell->low) {
            (void)fprintf(stream, "V%.1f", y_of(scale, (double)cell->high));
        }
        is_down = true;
    }
    (void)fputs("\"/>\n", stream);
}

static void mark_put(FILE *stream, const struct scale *scale, const struct lw_plot_mark *mark)
{
    double first = x_of(scale, mark->first_ns), last = x_of(scale, mark->last_ns);

    if (last - first < MARK_MIN) {
        first = (first + last - MARK_MIN) / 2.0;
        last = first + MARK_MIN;
    }
    (void)fprintf(stream, "<g><title>");
    text_put(stream, mark->title);
    (void)fprintf(
        stream,
        "</title><rect class=\"mark\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
        first, scale->top, last - first, PANEL_HEIGHT);
    (void)fprintf(stream, "<rect class=\"cap\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"3\"/>",
                  first, scale->top - 3.0, last - first);
    (void)fputs("</g>\n", stream);
}

static void peak_put(FILE *stream, const struct scale *scale, const struct lw_plot_mark *mark)
{
    if (isfinite(mark->peak_value)) {
        (void)fprintf(stream, "<circle class=\"peak\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.6\"/>",
                      x_of(scale, mark->peak_ns), y_of(scale, (double)mark->peak_value));
    }
}

static void panel_put(FILE *stream, const struct lw_plot *plot, size_t number)
{
    const struct lw_plot_panel *panel = &plot->panels[number];
    struct scale scale = scale_of(panel->trace, TOP + 40.0 + (double)number * PANEL_PITCH);

    label_put(stream, LEFT, scale.top - 14.0, "panel", panel->title);
    label_put(stream, WIDTH - RIGHT, scale.top - 14.0, "tick end", panel->subtitle);
    (void)fprintf(stream,
                  "<clipPath id=\"c%zu\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                  "height=\"%.1f\"/></clipPath>\n",
                  number, LEFT, scale.top - 4.0, WIDTH - LEFT - RIGHT, PANEL_HEIGHT + 8.0);
    y_axis_put(stream, &scale);
    (void)fprintf(stream, "<g clip-path=\"url(#c%zu)\">\n", number);
    band_put(stream, &scale, panel->trace);
    for (size_t i = 0; i < panel->n_marks; i++) {
        mark_put(stream, &scale, &panel->marks[i]);
    }
    value_put(stream, &scale, panel->trace);
    for (size_t i = 0; i < panel->n_marks; i++) {
        peak_put(stream, &scale, &panel->marks[i]);
    }
    (void)fputs("</g>\n", stream);
    x_axis_put(stream, plot, &scale);
}

static void legend_put(FILE *stream)
{
    double x = WIDTH - RIGHT - 266.0, y = 36.0;

    (void)fprintf(stream, "<path class=\"value\" d=\"M%.1f %.1fh24\"/>\n", x, y - 4.0);
    label_put(stream, x + 30.0, y, "tick", "value");
    (void)fprintf(stream,
                  "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"24\" height=\"12\"/>\n",
                  x + 82.0, y - 10.0);
    label_put(stream, x + 112.0, y, "tick", "expected");
    (void)fprintf(stream, "<rect class=\"mark\" x=\"%.1f\" y=\"%.1f\" width=\"24\" height=\"12\"/>",
                  x + 184.0, y - 10.0);
    (void)fprintf(stream, "<rect class=\"cap\" x=\"%.1f\" y=\"%.1f\" width=\"24\" height=\"2\"/>\n",
                  x + 184.0, y - 10.0);
    label_put(stream, x + 214.0, y, "tick", "anomaly");
}

void lw_plot_write(const struct lw_plot *plot, FILE *stream)
{
    double height = TOP + 10.0 + (double)plot->n_panels * PANEL_PITCH;

    (void)fprintf(stream,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "width=\"%.0f\" height=\"%.0f\">\n",
                  WIDTH, height, WIDTH, height);
    (void)fputs(
        "<style>\n"
        "svg{background:#fff;font:12px system-ui,-apple-system,\"Segoe UI\",\"DejaVu "
        "Sans\",sans-serif}\n"
        "text{fill:#1d2733}.title{font-size:19px;font-weight:600}.panel{font-size:14px;font-weight:"
        "600}\n"
        ".tick{fill:#5b6775}.end{text-anchor:end}.middle{text-anchor:middle}\n"
        ".grid{stroke:#e3e8ee;stroke-width:1}.axis{stroke:#9aa5b1;stroke-width:1;fill:none}\n"
        ".value{stroke:#1f5fa8;stroke-width:1.3;fill:none;stroke-linejoin:round}.band{fill:#1f5fa8;"
        "fill-opacity:.13}\n"
        ".mark{fill:#d92d20;fill-opacity:.13}.cap{fill:#d92d20}.peak{fill:#d92d20;stroke:#fff;"
        "stroke-width:1.2}\n"
        "@media(prefers-color-scheme:dark){svg{background:#12171d}text{fill:#e6ebf1}.tick{fill:#"
        "9aa7b5}\n"
        ".grid{stroke:#232c36}.axis{stroke:#4b5866}.value{stroke:#7ab6ff}.band{fill:#7ab6ff;fill-"
        "opacity:.16}\n"
        ".mark{fill:#ff6b5e;fill-opacity:.2}.cap,.peak{fill:#ff6b5e}.peak{stroke:#12171d}}\n"
        "</style>\n",
        stream);
    label_put(stream, LEFT, 36.0, "title", plot->title);
    label_put(stream, LEFT, 58.0, "tick", plot->note);
    legend_put(stream);
    for (size_t i = 0; i < plot->n_panels; i++) {
        panel_put(stream, plot, i);
    }
    (void)fputs("</svg>\n", stream);
}
