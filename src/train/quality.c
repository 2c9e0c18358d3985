/*
 * Judges rows before training: see train/quality.h.
 *
 * Quantiles are of at most SAMPLE_ROWS values, evenly spread. The shift of a metric is the
 * difference of the medians of its first and last third over its spread within the thirds (the
 * median absolute deviation from each third's median, as a standard deviation), so a season shorter
 * than a third moves nothing, and a trend does.
 */
#include "train/quality.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/quantile.h"

#include <math.h>
#include <string.h>

#define SAMPLE_ROWS 4096u
#define GAP_STEPS 1.5
#define STILL_ROWS_LEAST 64u
#define STILL_SHARE 0.05 /* Of all rows: so long a metric that moves should not stand still. */
#define MOVES_SHARE 0.5  /* Of its steps in which a metric changes that is one to move. */
#define EXTREME_SPREADS 50.0
#define COUNTER_FALLS 0.01 /* Share of steps in which a counter may begin anew. */
#define SPREAD_LEAST 0.01  /* Of the range from the .05 to the .95 quantile. */

static const char *const finding_names[LW_FINDINGS] = {"missing", "constant", "flag", "stuck",
                                                       "extreme", "counter",  "drift"};

const char *lw_finding_name(unsigned bit)
{
    return finding_names[bit];
}

bool lw_quality_is_told(unsigned findings)
{
    return (findings & ~(unsigned)LW_FINDING_FLAG) != 0;
}

/* Walks over one metric of an entity. */
struct walk {
    const struct lw_training_source *source;
    size_t column;
    double *sample; /* [SAMPLE_ROWS] */
    size_t n_moves, n_rises, n_falls;
    bool is_flag;
};

static double walk_value(const struct walk *walk, size_t row)
{
    return (double)walk->source->rows[row * walk->source->stride + walk->column];
}

/* Known values among rows [from, to), evenly spread and sorted, into the sample. */
static size_t walk_sample(struct walk *walk, size_t from, size_t to)
{
    size_t every = (to - from) / SAMPLE_ROWS + 1, n = 0;

    for (size_t i = from; i < to; i += every) {
        double value = walk_value(walk, i);

        if (isfinite(value)) {
            walk->sample[n++] = value;
        }
    }
    lw_sort(walk->sample, n);
    return n;
}

/* Range, moves and the longest stand, in one pass. */
static void walk_range(struct walk *walk, struct lw_quality_metric *metric)
{
    double before = NAN;
    size_t still = 0;

    walk->is_flag = true;
    metric->minimum = metric->maximum = NAN;
    for (size_t i = 0; i < walk->source->n_rows; i++) {
        double value = walk_value(walk, i);

        if (!isfinite(value)) {
            continue;
        }
        metric->n_known++;
        metric->minimum = value >= metric->minimum ? metric->minimum : value;
        metric->maximum = value <= metric->maximum ? metric->maximum : value;
        walk->is_flag = walk->is_flag && (value == 0.0 || value == 1.0);
        still = value == before ? still + 1 : 1;
        metric->longest_still = still > metric->longest_still ? still : metric->longest_still;
        walk->n_rises += value > before ? 1 : 0;
        walk->n_falls += value < before ? 1 : 0;
        before = value;
    }
    walk->n_moves = walk->n_rises + walk->n_falls;
}

/* Values far outside of what nine in ten lie in. */
static void walk_extremes(struct walk *walk, struct lw_quality_metric *metric)
{
    size_t n = walk_sample(walk, 0, walk->source->n_rows);
    struct lw_sorted sorted = lw_sorted_array(walk->sample, n);
    double low, high, reach;

    if (n == 0) {
        metric->median = NAN;
        return;
    }
    low = lw_quantile(&sorted, 0.05);
    high = lw_quantile(&sorted, 0.95);
    metric->median = lw_quantile(&sorted, 0.5);
    reach = EXTREME_SPREADS * (high - low);
    for (size_t i = 0; reach > 0.0 && i < walk->source->n_rows; i++) {
        double value = walk_value(walk, i);

        metric->n_extreme += value > high + reach || value < low - reach ? 1 : 0;
    }
}

static double shift_of(struct walk *walk)
{
    size_t third = walk->source->n_rows / 3, n;
    double medians[2], spreads[2], range[2], least, spread;

    for (size_t part = 0; part < 2; part++) {
        size_t from = part == 0 ? 0 : walk->source->n_rows - third;
        struct lw_sorted sorted;

        n = walk_sample(walk, from, from + third);
        if (n < STILL_ROWS_LEAST / 2) {
            return NAN;
        }
        sorted = lw_sorted_array(walk->sample, n);
        medians[part] = lw_quantile(&sorted, 0.5);
        spreads[part] = lw_median_deviation(&sorted, medians[part]) * LW_MAD_TO_SD;
        range[part] = lw_quantile(&sorted, 0.95) - lw_quantile(&sorted, 0.05);
    }
    least = SPREAD_LEAST * (range[0] > range[1] ? range[0] : range[1]);
    spread = 0.5 * (spreads[0] + spreads[1]);
    spread = spread > least ? spread : least;
    if (medians[0] == medians[1]) {
        return 0.0;
    }
    return spread > 0.0 ? fabs(medians[1] - medians[0]) / spread : NAN;
}

static void metric_judge(struct walk *walk, struct lw_quality_metric *metric)
{
    size_t n_rows = walk->source->n_rows;
    double known;

    walk_range(walk, metric);
    walk_extremes(walk, metric);
    known = (double)metric->n_known;
    metric->shift = shift_of(walk);
    if (n_rows == 0 || known < LW_QUALITY_KNOWN_LEAST * (double)n_rows) {
        metric->findings = LW_FINDING_MISSING;
        return;
    }
    if (walk->n_moves == 0) {
        metric->findings = LW_FINDING_CONSTANT;
        return;
    }
    if (walk->is_flag) {
        metric->findings = LW_FINDING_FLAG;
        return;
    }
    if (metric->longest_still >= STILL_ROWS_LEAST &&
        (double)metric->longest_still > STILL_SHARE * known &&
        (double)walk->n_moves > MOVES_SHARE * (known - (double)metric->longest_still)) {
        metric->findings |= LW_FINDING_STUCK;
    }
    metric->findings |= metric->n_extreme > 0 ? LW_FINDING_EXTREME : 0u;
    if (metric->n_known >= STILL_ROWS_LEAST && (double)walk->n_rises > MOVES_SHARE * known &&
        (double)walk->n_falls <= COUNTER_FALLS * known) {
        metric->findings |= LW_FINDING_COUNTER;
    }
    metric->findings |= metric->shift > LW_QUALITY_DRIFT ? LW_FINDING_DRIFT : 0u;
}

double lw_quality_seconds(double seconds)
{
    double scale = 1.0;

    while (seconds > 0.0 && seconds * scale < 1e8 && scale < 1e18) {
        scale *= 10.0;
    }
    return round(seconds * scale) / scale;
}

/* The median time between neighbouring rows, in seconds; 0 where there are none. */
static double usual_step(const struct lw_training_source *source, double *sample)
{
    size_t every = source->n_rows / SAMPLE_ROWS + 1, n = 0;
    struct lw_sorted sorted;

    for (size_t i = 1; source->times_ns != NULL && i < source->n_rows; i += every) {
        sample[n++] = (double)(source->times_ns[i] - source->times_ns[i - 1]) / 1e9;
    }
    if (n == 0) {
        return 0.0;
    }
    lw_sort(sample, n);
    sorted = lw_sorted_array(sample, n);
    return lw_quantile(&sorted, 0.5);
}

static void find_gaps(const struct lw_training_source *source, struct lw_quality_entity *quality)
{
    size_t at = 0;

    for (size_t run = 0; source->times_ns != NULL && run < source->n_runs; run++) {
        for (size_t i = at + 1; i < at + source->runs[run]; i++) {
            double apart = (double)(source->times_ns[i] - source->times_ns[i - 1]) / 1e9;

            if (quality->step_s > 0.0 && apart > GAP_STEPS * quality->step_s) {
                quality->n_gaps++;
                quality->longest_gap_s = apart > quality->longest_gap_s ? apart
                                                                        : quality->longest_gap_s;
            }
        }
        at += source->runs[run];
    }
}

enum lw_status lw_quality_judge(const struct lw_training_source *source, double step_s,
                                struct lw_quality_entity *ret_quality, struct lw_error *reterr)
{
    double *sample = lw_mem_calloc(SAMPLE_ROWS, sizeof(*sample));
    size_t n_known = 0;

    memset(ret_quality, 0, sizeof(*ret_quality));
    ret_quality->metrics = lw_mem_calloc(source->n_series + 1, sizeof(*ret_quality->metrics));
    if (sample == NULL || ret_quality->metrics == NULL) {
        lw_mem_free(sample);
        lw_quality_fini(ret_quality);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to judge the rows of entity \"%s\"",
                            source->name);
    }
    for (size_t column = 0; column < source->n_series; column++) {
        struct walk walk = {.source = source, .column = column, .sample = sample};

        metric_judge(&walk, &ret_quality->metrics[column]);
        n_known += ret_quality->metrics[column].n_known;
        ret_quality->n_findings += lw_quality_is_told(ret_quality->metrics[column].findings) ? 1
                                                                                             : 0;
    }
    ret_quality->step_s = lw_quality_seconds(step_s > 0.0 ? step_s : usual_step(source, sample));
    find_gaps(source, ret_quality);
    ret_quality->longest_gap_s = lw_quality_seconds(ret_quality->longest_gap_s);
    ret_quality->missing_share = source->n_rows * source->n_series == 0
                                     ? 0.0
                                     : 1.0 - (double)n_known /
                                                 (double)(source->n_rows * source->n_series);
    lw_mem_free(sample);
    return LW_OK;
}

void lw_quality_fini(struct lw_quality_entity *quality)
{
    lw_mem_free(quality->metrics);
    memset(quality, 0, sizeof(*quality));
}
