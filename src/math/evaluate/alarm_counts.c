/*
 * What alarms come to at one threshold: events found, false episodes, delay, time in alarm.
 *
 * An event is a run of labelled rows; it is found when any of its rows is in alarm, and its delay
 * is the first such row's distance from its beginning. An episode is a run of alarms, ended by more
 * than `gap` quiet rows; it is false when no event, widened by `slack` rows at both ends, meets it.
 * Event precision is over episodes, event recall over events; composite F1 joins event recall with
 * the precision of rows, which one endless alarm cannot please (Garg, Zhang, Samaran, Savitha and
 * Foo, "An Evaluation of Anomaly Detection and Diagnosis in Multivariate Time Series", IEEE TNNLS
 * 2021). Nothing is point-adjusted.
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define CANDIDATES_GROWTH 1.25 /* Of the ranks that are tried as shared threshold. */
#define ALARM_SHARE_MAX 0.5

/* A walk over a series' alarms, in order of time. */
struct walk {
    const struct lw_eval_work *work;
    const struct lw_eval_options *options;
    struct lw_eval_counts *counts;
    uint32_t event, event_for_episodes;  /* The first that does not end before the row. */
    uint32_t block;                      /* Of the row. */
    uint32_t first, last, episode_block; /* Of the open episode. */
    bool is_open;
};

static void episode_close(struct walk *walk)
{
    const struct lw_eval_work *work = walk->work;
    int64_t slack = walk->options->slack;
    uint32_t e = walk->event_for_episodes;

    if (!walk->is_open) {
        return;
    }
    while (e < work->n_events && (int64_t)work->events[e].last + slack < (int64_t)walk->first) {
        e++;
    }
    walk->event_for_episodes = e;
    walk->counts[walk->episode_block].episodes += 1.0;
    if (e < work->n_events && (int64_t)work->events[e].first - slack <= (int64_t)walk->last) {
        walk->counts[walk->episode_block].good += 1.0;
    }
    walk->is_open = false;
}

static void alarm_take(struct walk *walk, uint32_t row, int64_t *delays)
{
    const struct lw_eval_work *work = walk->work;
    struct lw_eval_counts *counts = &walk->counts[walk->block];

    counts->alarms += 1.0;
    if (walk->is_open && row - walk->last - 1 > walk->options->gap) {
        episode_close(walk);
    }
    if (!walk->is_open) {
        walk->is_open = true;
        walk->first = row;
        walk->episode_block = walk->block;
    }
    walk->last = row;
    while (walk->event < work->n_events && work->events[walk->event].last < row) {
        walk->event++;
    }
    if (work->labels[row] != 0) {
        counts->true_alarms += 1.0;
        if (delays[walk->event] < 0) {
            delays[walk->event] = (int64_t)row - (int64_t)work->events[walk->event].first;
            counts->detected += 1.0;
        }
    }
}

/* What does not depend on alarms. */
static void series_count(const struct lw_eval_work *work, struct lw_eval_counts *counts)
{
    double days_a_row = work->input->step_s / 86400.0;
    uint32_t e = 0;

    for (uint32_t block = 0; block < work->n_blocks; block++) {
        double n = (double)(work->block_starts[block + 1] - work->block_starts[block]);

        counts[block].rows += n;
        counts[block].days += work->n_blocks == 1 ? n * work->input->step_s / 86400.0
                                                  : n * days_a_row;
        for (; e < work->n_events && work->events[e].first < work->block_starts[block + 1]; e++) {
            counts[block].events += 1.0;
            counts[block].positives += (double)(work->events[e].last - work->events[e].first + 1);
        }
    }
}

void lw_eval_count(const struct lw_eval_work *work, const struct lw_eval_rule *rule,
                   const struct lw_eval_options *options, struct lw_eval_counts *counts,
                   int64_t *delays)
{
    struct walk walk = {.work = work, .options = options, .counts = counts};

    for (uint32_t e = 0; e < work->n_events; e++) {
        delays[e] = -1;
    }
    series_count(work, counts);
    for (uint32_t row = 0; row < work->n; row++) {
        bool is_alarm = rule->as_operated ? work->alarms[row] != 0
                                          : work->scores[row] >= rule->threshold;

        if (is_alarm) {
            while (row >= work->block_starts[walk.block + 1]) {
                walk.block++;
            }
            alarm_take(&walk, row, delays);
        }
    }
    episode_close(&walk);
}

/* ---- figures ---- */

static double harmonic(double a, double b)
{
    return a + b > 0.0 ? 2.0 * a * b / (a + b) : 0.0;
}

static double ratio(double part, double whole, double without)
{
    return whole > 0.0 ? part / whole : without;
}

double lw_eval_event_f1(const struct lw_eval_counts *counts)
{
    return counts->events > 0.0 ? harmonic(ratio(counts->good, counts->episodes, 0.0),
                                           counts->detected / counts->events)
                                : NAN;
}

double lw_eval_composite_f1(const struct lw_eval_counts *counts)
{
    return counts->events > 0.0 ? harmonic(ratio(counts->true_alarms, counts->alarms, 0.0),
                                           counts->detected / counts->events)
                                : NAN;
}

static void counts_add(const struct lw_eval_counts *from, double weight, struct lw_eval_counts *to)
{
    to->events += weight * from->events;
    to->detected += weight * from->detected;
    to->episodes += weight * from->episodes;
    to->good += weight * from->good;
    to->true_alarms += weight * from->true_alarms;
    to->alarms += weight * from->alarms;
    to->positives += weight * from->positives;
    to->rows += weight * from->rows;
    to->days += weight * from->days;
}

/* Mean and upper median of delays, each counted as often as its unit; NaN for none. */
static void delays_read(const struct lw_eval_delay *delays, uint32_t n, const uint32_t *weights,
                        double *ret_mean, double *ret_median)
{
    double sum = 0.0;
    uint64_t n_drawn = 0, n_passed = 0;

    *ret_mean = *ret_median = NAN;
    for (uint32_t i = 0; i < n; i++) {
        n_drawn += weights[delays[i].unit];
        sum += (double)weights[delays[i].unit] * delays[i].value;
    }
    if (n_drawn == 0) {
        return;
    }
    *ret_mean = sum / (double)n_drawn;
    for (uint32_t i = 0; n_passed <= n_drawn / 2; i++) {
        n_passed += weights[delays[i].unit];
        *ret_median = delays[i].value;
    }
}

void lw_eval_point_read(const struct lw_eval_point *point, uint32_t n_units,
                        const uint32_t *weights, double ret_figures[LW_EVAL_POINT_N])
{
    struct lw_eval_counts sum = {0};
    double precision, recall;

    for (uint32_t unit = 0; unit < n_units; unit++) {
        counts_add(&point->counts[unit], (double)weights[unit], &sum);
    }
    precision = ratio(sum.true_alarms, sum.alarms, 0.0);
    recall = ratio(sum.true_alarms, sum.positives, NAN);
    ret_figures[LW_EVAL_EVENTS] = sum.events;
    ret_figures[LW_EVAL_EVENTS_DETECTED] = sum.detected;
    ret_figures[LW_EVAL_EVENT_RECALL] = ratio(sum.detected, sum.events, NAN);
    ret_figures[LW_EVAL_EPISODES] = sum.episodes;
    ret_figures[LW_EVAL_FALSE_EPISODES] = sum.episodes - sum.good;
    ret_figures[LW_EVAL_EVENT_PRECISION] = ratio(sum.good, sum.episodes, 0.0);
    ret_figures[LW_EVAL_EVENT_F1] = lw_eval_event_f1(&sum);
    ret_figures[LW_EVAL_COMPOSITE_F1] = lw_eval_composite_f1(&sum);
    ret_figures[LW_EVAL_POINT_PRECISION] = precision;
    ret_figures[LW_EVAL_POINT_RECALL] = recall;
    ret_figures[LW_EVAL_POINT_F1] = sum.positives > 0.0 ? harmonic(precision, recall) : NAN;
    delays_read(point->seconds, point->n_seconds, weights, &ret_figures[LW_EVAL_MEAN_DELAY_S],
                &ret_figures[LW_EVAL_MEDIAN_DELAY_S]);
    delays_read(point->rows, point->n_rows, weights, &ret_figures[LW_EVAL_MEAN_DELAY_ROWS],
                &ret_figures[LW_EVAL_MEDIAN_DELAY_ROWS]);
    ret_figures[LW_EVAL_SCORED_DAYS] = sum.days > 0.0 ? sum.days : NAN;
    ret_figures[LW_EVAL_FALSE_ALARMS_PER_DAY] = ratio(sum.episodes - sum.good, sum.days, NAN);
    ret_figures[LW_EVAL_ALARM_SHARE] = ratio(sum.alarms, sum.rows, NAN);
}

/* ---- points ---- */

/* A place in a heap sinks to where it belongs. */
static void delay_sink(struct lw_eval_delay *delays, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        struct lw_eval_delay delay = delays[at];

        child += child + 1 < n && delays[child + 1].value > delays[child].value;
        if (delays[child].value <= delay.value) {
            return;
        }
        delays[at] = delays[child];
        delays[child] = delay;
        at = child;
    }
}

static void delays_sort(struct lw_eval_delay *delays, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        delay_sink(delays, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        struct lw_eval_delay largest = delays[0];

        delays[0] = delays[i];
        delays[i] = largest;
        delay_sink(delays, 0, i);
    }
}

/* Adds the delays of one series with the units of their events. */
static void delays_add(const struct lw_eval_work *work, const int64_t *delays,
                       struct lw_eval_point *point)
{
    uint32_t block = 0;

    for (uint32_t e = 0; e < work->n_events; e++) {
        while (work->events[e].first >= work->block_starts[block + 1]) {
            block++;
        }
        if (delays[e] >= 0) {
            struct lw_eval_delay delay = {(double)delays[e], work->first_unit + block};

            point->rows[point->n_rows++] = delay;
            if (work->input->step_s > 0.0) {
                delay.value *= work->input->step_s;
                point->seconds[point->n_seconds++] = delay;
            }
        }
    }
}

static uint32_t events_all(const struct lw_eval_work *works, size_t n_works)
{
    return works[n_works - 1].first_event + works[n_works - 1].n_events;
}

enum lw_status lw_eval_point_init(const struct lw_eval_work *works, size_t n_works,
                                  uint32_t n_units, const struct lw_eval_rule *rule,
                                  const struct lw_eval_options *options,
                                  struct lw_eval_point *ret_point)
{
    size_t n_events = (size_t)events_all(works, n_works) + 1;
    int64_t *delays = lw_mem_calloc(n_events, sizeof(*delays));
    struct lw_eval_point point = {.counts = lw_mem_calloc(n_units, sizeof(*point.counts)),
                                  .rows = lw_mem_calloc(n_events, sizeof(*point.rows)),
                                  .seconds = lw_mem_calloc(n_events, sizeof(*point.seconds))};

    if (delays == NULL || point.counts == NULL || point.rows == NULL || point.seconds == NULL) {
        lw_mem_free(delays);
        lw_eval_point_fini(&point);
        return LW_ENOMEM;
    }
    for (size_t i = 0; i < n_works; i++) {
        lw_eval_count(&works[i], rule, options, point.counts + works[i].first_unit, delays);
        delays_add(&works[i], delays, &point);
    }
    delays_sort(point.rows, point.n_rows);
    delays_sort(point.seconds, point.n_seconds);
    lw_mem_free(delays);
    *ret_point = point;
    return LW_OK;
}

void lw_eval_point_fini(struct lw_eval_point *point)
{
    lw_mem_free(point->counts);
    lw_mem_free(point->rows);
    lw_mem_free(point->seconds);
    memset(point, 0, sizeof(*point));
}

/* ---- the shared threshold ---- */

/* Counts of all series at a threshold, as one. */
static struct lw_eval_counts threshold_count(const struct lw_eval_work *works, size_t n_works,
                                             const struct lw_eval_options *options,
                                             double threshold, int64_t *delays)
{
    const struct lw_eval_rule rule = {.threshold = threshold};
    struct lw_eval_counts sum = {0};

    for (size_t i = 0; i < n_works; i++) {
        struct lw_eval_counts counts[LW_EVAL_BLOCKS_MAX] = {0};

        lw_eval_count(&works[i], &rule, options, counts, delays);
        for (uint32_t block = 0; block < works[i].n_blocks; block++) {
            counts_add(&counts[block], 1.0, &sum);
        }
    }
    return sum;
}

/* Scores of all series, one behind the other, and their order. LW_ENOMEM. */
static enum lw_status scores_pool(const struct lw_eval_work *works, size_t n_works, uint32_t n,
                                  double **ret_scores, uint32_t **ret_order)
{
    double *scores = lw_mem_calloc(n, sizeof(*scores));
    uint32_t *order = lw_mem_calloc(n, sizeof(*order));
    size_t at = 0;

    for (size_t i = 0; scores != NULL && i < n_works; i++) {
        memcpy(scores + at, works[i].scores, works[i].n * sizeof(*scores));
        at += works[i].n;
    }
    if (scores == NULL || order == NULL || lw_eval_order(scores, n, order, NULL) != LW_OK) {
        lw_mem_free(scores);
        lw_mem_free(order);
        return LW_ENOMEM;
    }
    *ret_scores = scores;
    *ret_order = order;
    return LW_OK;
}

enum lw_status lw_eval_best_threshold(const struct lw_eval_work *works, size_t n_works,
                                      const struct lw_eval_options *options, double *ret_threshold,
                                      struct lw_error *reterr)
{
    double *scores = NULL, best = -1.0;
    uint32_t *order = NULL, n = 0;
    int64_t *delays = lw_mem_calloc((size_t)events_all(works, n_works) + 1, sizeof(*delays));

    for (size_t i = 0; i < n_works; i++) {
        n += works[i].n;
    }
    if (delays == NULL || scores_pool(works, n_works, n, &scores, &order) != LW_OK) {
        lw_mem_free(delays);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to sort %u scores", n);
    }
    *ret_threshold = INFINITY;
    for (double rank = 1.0; rank < (double)n * ALARM_SHARE_MAX;) {
        double threshold = scores[order[(uint32_t)rank - 1]];
        struct lw_eval_counts counts = threshold_count(works, n_works, options, threshold, delays);
        double f1 = lw_eval_composite_f1(&counts);

        if (counts.alarms <= ALARM_SHARE_MAX * (double)n && f1 > best) { /* The highest of equals.
                                                                          */
            best = f1;
            *ret_threshold = threshold;
        }
        rank = rank + 1.0 > rank * CANDIDATES_GROWTH ? rank + 1.0 : rank * CANDIDATES_GROWTH;
    }
    lw_mem_free(delays);
    lw_mem_free(scores);
    lw_mem_free(order);
    return LW_OK;
}
