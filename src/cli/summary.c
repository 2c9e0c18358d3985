/* The summary of a replay: see cli/summary.h. */
#include "cli/summary.h"

#include "base/option.h"
#include "base/time_text.h"

#include <math.h>
#include <string.h>

#define MARGIN 2
#define TYPES_MAX 16 /* As in struct lw_engine_totals. */
#define ENTITY_COLUMNS_MIN 8
#define ENTITY_COLUMNS_MAX 28
#define TYPE_COLUMNS 12
#define START_COLUMNS 20
#define PEAK_COLUMNS 10
#define LASTED_COLUMNS 12
#define MINUTE_NS INT64_C(60000000000)
#define DAY_NS INT64_C(86400000000000)

void lw_moment_format(int64_t time_ns, char *ret_text, size_t capacity)
{
    char text[LW_TIME_TEXT_MAX];
    size_t length = lw_time_format(time_ns, text);

    length = length > 19 ? 19 : length; /* 2014-02-26T22:05:00 */
    if (length > 16 && time_ns % MINUTE_NS == 0) {
        length = 16;
    }
    text[length] = '\0';
    if (length > 10) {
        text[10] = ' ';
    }
    (void)snprintf(ret_text, capacity, "%s", text);
}

/* A moment, or a row's number where there are no times. */
static void place_format(const struct lw_summary *summary, int64_t time_ns, char *ret_text,
                         size_t capacity)
{
    if (summary->has_times) {
        lw_moment_format(time_ns, ret_text, capacity);
    } else {
        (void)snprintf(ret_text, capacity, "row %lld", (long long)(time_ns / summary->row_ns) + 1);
    }
}

/* The peak's time of day when it lies on the same day or close by, else as any moment. */
static void peak_format(const struct lw_summary *summary, const struct lw_anomaly *anomaly,
                        char *ret_text, size_t capacity)
{
    char text[LW_TIME_TEXT_MAX];
    int64_t later_ns = anomaly->peak_ns - anomaly->start_ns;

    if (!summary->has_times) {
        (void)snprintf(ret_text, capacity, "%lld",
                       (long long)(anomaly->peak_ns / summary->row_ns) + 1);
    } else if (later_ns < DAY_NS) {
        lw_moment_format(anomaly->peak_ns, text, sizeof(text));
        (void)snprintf(ret_text, capacity, "%s", text + 11);
    } else {
        (void)snprintf(ret_text, capacity, "+%lld d %lld h", (long long)(later_ns / DAY_NS),
                       (long long)(later_ns % DAY_NS / (60 * MINUTE_NS)));
    }
}

static void lasted_format(const struct lw_summary *summary, const struct lw_replay_anomaly *kept,
                          char *ret_text, size_t capacity)
{
    const struct lw_anomaly *anomaly = &kept->anomaly;
    int64_t lasted_ns = anomaly->last_ns - anomaly->start_ns + summary->step_ns;

    if (!summary->has_times || lasted_ns == 0) {
        (void)snprintf(ret_text, capacity, "%u %s", anomaly->n_steps,
                       anomaly->n_steps == 1 ? "step" : "steps");
    } else {
        (void)lw_duration_format(lasted_ns, ret_text, capacity);
    }
}

/* "40 k steps" */
static void rare_format(float rows, char *ret_text, size_t capacity)
{
    char count[32];

    if (!(rows > 0.0f)) {
        (void)snprintf(ret_text, capacity, "-");
        return;
    }
    if (isinf(rows)) {
        (void)snprintf(ret_text, capacity, "never before");
        return;
    }
    lw_count_format((double)rows, count, sizeof(count));
    (void)snprintf(ret_text, capacity, "%s steps", count);
}

static int entity_columns(const struct lw_summary *summary)
{
    int columns = ENTITY_COLUMNS_MIN;

    for (size_t i = 0; i < summary->n_anomalies && i < summary->top; i++) {
        int taken = lw_text_columns(summary->anomalies[i]->entity);

        columns = taken > columns ? taken : columns;
    }
    return columns > ENTITY_COLUMNS_MAX ? ENTITY_COLUMNS_MAX : columns;
}

static void head_print(const struct lw_terminal *terminal, int columns)
{
    FILE *stream = terminal->stream;

    (void)fprintf(stream, "\n%*s%s", MARGIN, "", lw_terminal_colour(terminal, LW_COLOUR_BOLD));
    lw_terminal_cell(terminal, "entity", columns + 2);
    lw_terminal_cell(terminal, "type", TYPE_COLUMNS);
    lw_terminal_cell(terminal, "start", START_COLUMNS);
    lw_terminal_cell(terminal, "peak", PEAK_COLUMNS);
    lw_terminal_cell(terminal, "lasted", LASTED_COLUMNS);
    (void)fprintf(stream, "so bad once in%s\n", lw_terminal_colour(terminal, LW_COLOUR_NONE));
}

static void anomaly_print(const struct lw_summary *summary, const struct lw_terminal *terminal,
                          const struct lw_replay_anomaly *kept, int columns)
{
    const struct lw_anomaly *anomaly = &kept->anomaly;
    FILE *stream = terminal->stream;
    char text[64];

    (void)fprintf(stream, "%*s", MARGIN, "");
    lw_terminal_cell(terminal, kept->entity, columns);
    (void)fprintf(stream, "  %s", lw_terminal_colour(terminal, LW_COLOUR_RED));
    lw_terminal_cell(terminal, lw_anomaly_type_name((enum lw_anomaly_type)anomaly->type),
                     TYPE_COLUMNS - 1);
    (void)fprintf(stream, " %s", lw_terminal_colour(terminal, LW_COLOUR_NONE));
    place_format(summary, anomaly->start_ns, text, sizeof(text));
    lw_terminal_cell(terminal, text, START_COLUMNS);
    peak_format(summary, anomaly, text, sizeof(text));
    lw_terminal_cell(terminal, text, PEAK_COLUMNS);
    lasted_format(summary, kept, text, sizeof(text));
    lw_terminal_cell(terminal, text, LASTED_COLUMNS);
    rare_format(anomaly->return_rows, text, sizeof(text));
    (void)fprintf(stream, "%s%s\n", text, kept->was_open ? "  (still open)" : "");
    if (kept->spark.n_cells > 0) {
        (void)fprintf(stream, "%*s", MARGIN + 2, "");
        lw_spark_print(&kept->spark, terminal);
        (void)fputc('\n', stream);
    }
    if (kept->sentence[0] != '\0') {
        (void)fprintf(stream, "%*s", MARGIN + 2, "");
        lw_terminal_wrap(terminal, kept->sentence, MARGIN + 2, MARGIN + 2);
        (void)fputc('\n', stream);
    }
}

/* 28,480 */
static const char *grouped(uint64_t number, char ret_text[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    size_t length = 0;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            ret_text[length++] = ',';
        }
        ret_text[length++] = digits[i];
    }
    ret_text[length] = '\0';
    return ret_text;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void title_print(const struct lw_summary *summary, const struct lw_terminal *terminal)
{
    const struct lw_engine_totals *totals = summary->totals;
    char a[32], b[32], first[64], last[64], length[64], entities[64] = "", span[256] = "",
                                                        rest[512];
    int taken;

    (void)fprintf(terminal->stream, "\n%s", lw_terminal_colour(terminal, LW_COLOUR_BOLD));
    taken = fprintf(terminal->stream, "%s anomal%s",
                    totals->anomalies_opened == 0 ? "No" : grouped(totals->anomalies_opened, a),
                    totals->anomalies_opened < 2 ? "y" : "ies");
    (void)fprintf(terminal->stream, "%s ", lw_terminal_colour(terminal, LW_COLOUR_NONE));
    if (totals->n_entities > 1) {
        (void)snprintf(entities, sizeof(entities), " of %s entities",
                       grouped(totals->n_entities, a));
    }
    if (summary->first_ns <= summary->last_ns && summary->has_times) {
        lw_moment_format(summary->first_ns, first, sizeof(first));
        lw_moment_format(summary->last_ns, last, sizeof(last));
        (void)lw_duration_format(summary->last_ns - summary->first_ns, length, sizeof(length));
        (void)snprintf(span, sizeof(span), ", %s to %s (%s)", first, last, length);
    }
    (void)snprintf(rest, sizeof(rest), "in %s samples of %s series%s%s",
                   grouped(totals->samples, a), grouped(totals->n_series, b), entities, span);
    lw_terminal_wrap(terminal, rest, MARGIN, taken + 1);
    (void)fputc('\n', terminal->stream);
}

/* How many of each type: as they ended, or as they began where not all were kept. */
static void types_count(const struct lw_summary *summary, uint64_t ret_counts[TYPES_MAX])
{
    memcpy(ret_counts, summary->totals->anomalies_by_type, TYPES_MAX * sizeof(*ret_counts));
    if (summary->n_anomalies == summary->totals->anomalies_opened) {
        memset(ret_counts, 0, TYPES_MAX * sizeof(*ret_counts));
        for (size_t i = 0; i < summary->n_anomalies; i++) {
            ret_counts[summary->anomalies[i]->anomaly.type % TYPES_MAX]++;
        }
    }
}

static void types_print(const struct lw_summary *summary, const struct lw_terminal *terminal)
{
    uint64_t counts[TYPES_MAX];
    bool is_first = true;

    if (summary->totals->anomalies_opened < 2) {
        return;
    }
    types_count(summary, counts);
    (void)fprintf(terminal->stream, "%*s", MARGIN, "");
    for (int i = 0; i < TYPES_MAX; i++) {
        if (counts[i] > 0) {
            (void)fprintf(terminal->stream, "%s%llu %s", is_first ? "" : ", ",
                          (unsigned long long)counts[i],
                          i == 0 ? "of no type" : lw_anomaly_type_name((enum lw_anomaly_type)i));
            is_first = false;
        }
    }
    (void)fputc('\n', terminal->stream);
}

static void rate_format(double per_week, char ret_text[32])
{
    if (per_week >= 100.0) {
        (void)grouped((uint64_t)(per_week + 0.5), ret_text);
    } else {
        (void)snprintf(ret_text, 32, per_week >= 10.0 ? "%.1f" : "%.2f", per_week);
    }
}

static void alarms_print(const struct lw_summary *summary, FILE *stream)
{
    const struct lw_engine_totals *totals = summary->totals;
    char promised[32], achieved[32];

    if (!summary->has_times || isnan(totals->alarms_per_week)) {
        return;
    }
    rate_format(totals->alarms_promised_per_week, promised);
    rate_format(totals->alarms_per_week, achieved);
    if (summary->is_benchmark) {
        (void)fprintf(
            stream,
            "%*s%s alarms a week (operating point \"benchmark\", which promises no budget)\n",
            MARGIN, "", achieved);
    } else {
        (void)fprintf(
            stream, "%*s%s alarms a week, true ones included; promised are at most %s false ones\n",
            MARGIN, "", achieved, promised);
    }
}

static void count_print(FILE *stream, uint64_t n, const char *what)
{
    char text[32];

    if (n > 0) {
        (void)fprintf(stream, "%*s%s sample%s %s\n", MARGIN, "", grouped(n, text), plural(n), what);
    }
}

static void counts_print(const struct lw_summary *summary, const struct lw_terminal *terminal)
{
    const struct lw_engine_totals *totals = summary->totals;
    FILE *stream = terminal->stream;
    char a[32], b[32], rate[32];
    double seconds = (double)summary->elapsed_ns / 1e9;

    alarms_print(summary, stream);
    count_print(
        stream, totals->late,
        "came too late to count: their step was closed (sort the file by time, or set lateness)");
    count_print(stream, totals->duplicates, "left out: the same series, time and value twice");
    count_print(stream, totals->not_finite, "left out: infinite");
    count_print(stream, totals->overflow, "left out: more in one step than max_samples");
    count_print(stream, totals->unmatched, "of series that no detector takes");
    lw_count_format(seconds > 0.0 ? (double)totals->samples / seconds : 0.0, rate, sizeof(rate));
    (void)fprintf(stream, "%*s%s%s row%s, %s verdict%s in %.*f s, %s samples/s%s\n", MARGIN, "",
                  lw_terminal_colour(terminal, LW_COLOUR_DIM), grouped(summary->n_rows, a),
                  plural(summary->n_rows), grouped(totals->verdicts, b), plural(totals->verdicts),
                  seconds < 10.0 ? 2 : 0, seconds, rate,
                  lw_terminal_colour(terminal, LW_COLOUR_NONE));
}

void lw_summary_print(const struct lw_summary *summary, const struct lw_terminal *terminal)
{
    size_t n = summary->n_anomalies < summary->top ? summary->n_anomalies : summary->top;
    int columns = entity_columns(summary);
    char text[32];

    title_print(summary, terminal);
    types_print(summary, terminal);
    if (n > 0) {
        head_print(terminal, columns);
    }
    for (size_t i = 0; i < n; i++) {
        anomaly_print(summary, terminal, summary->anomalies[i], columns);
    }
    if (summary->totals->anomalies_opened > n && n > 0) {
        (void)fprintf(terminal->stream, "%*s... and %s weaker ones (--top lists more)\n", MARGIN,
                      "", grouped(summary->totals->anomalies_opened - n, text));
    }
    (void)fputc('\n', terminal->stream);
    counts_print(summary, terminal);
}
