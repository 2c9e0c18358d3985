/*
 * Scores against labels: what is computed when, and the figures' names. The parts: ranking.c,
 * vus.c, alarm_counts.c, nab.c, resample.c.
 *
 * A figure that is chosen on the labels, the best F1, is chosen anew in every resample. A threshold
 * chosen on them, the shared one and NAB's, is held: the interval is that of an operating point.
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define SERIES_MIN 10 /* With events, for whole series to be drawn. */

static const char *const RANKING_NAMES[LW_EVAL_RANKING_N] = {"auc_roc",
                                                             "auc_pr",
                                                             "vus_pr",
                                                             "vus_roc",
                                                             "best_f1",
                                                             "event_f1_at_best_f1",
                                                             "composite_f1_at_best_f1"};

static const char *const POINT_NAMES[LW_EVAL_POINT_N] = {"events",
                                                         "events_detected",
                                                         "event_recall",
                                                         "episodes",
                                                         "false_episodes",
                                                         "event_precision",
                                                         "event_f1",
                                                         "composite_f1",
                                                         "point_precision",
                                                         "point_recall",
                                                         "point_f1",
                                                         "mean_delay_s",
                                                         "median_delay_s",
                                                         "mean_delay_rows",
                                                         "median_delay_rows",
                                                         "scored_days",
                                                         "false_alarms_per_day",
                                                         "alarm_share"};

/* One evaluation while it is made. */
struct making {
    const struct lw_eval_options *options;
    struct lw_evaluation *evaluation;
    struct lw_eval_work *works;
    size_t n_works;
    struct lw_eval_units units;
    uint32_t *weights;       /* One a unit. */
    double *ranking_samples; /* [figure][resample]: means over series. */
    uint32_t *ranking_n;     /* [figure][resample]: series in them. */
    double *samples;         /* [resample] */
    double *scratch;
};

void lw_eval_options_default(struct lw_eval_options *ret_options)
{
    *ret_options = (struct lw_eval_options){.vus_window = 100,
                                            .threshold = NAN,
                                            .nab_threshold = NAN,
                                            .n_resamples = 1000,
                                            .confidence = 0.95,
                                            .seed = 1,
                                            .unit = LW_EVAL_UNIT_AUTO};
}

/* ---- preparing ---- */

/* Runs of labelled rows, into events where it is not NULL; how many there are. */
static uint32_t events_find(const struct lw_eval_work *work, struct lw_eval_span *events)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < work->n; i++) {
        if (work->labels[i] == 0) {
            continue;
        }
        if (i == 0 || work->labels[i - 1] == 0) {
            n++;
            if (events != NULL) {
                events[n - 1].first = i;
            }
        }
        if (events != NULL) {
            events[n - 1].last = i;
        }
    }
    return n;
}

static enum lw_status work_init(const struct lw_eval_series *series, uint32_t first_event,
                                struct lw_eval_work *work, struct lw_error *reterr)
{
    work->input = series;
    work->scores = series->scores + series->n_warmup;
    work->labels = series->labels + series->n_warmup;
    work->alarms = series->alarms == NULL ? NULL : series->alarms + series->n_warmup;
    work->n = (uint32_t)(series->n_rows - series->n_warmup);
    work->n_events = events_find(work, NULL);
    work->first_event = first_event;
    work->order = lw_mem_calloc((size_t)work->n + 1, sizeof(*work->order));
    work->events = lw_mem_calloc((size_t)work->n_events + 1, sizeof(*work->events));
    if (work->order == NULL || work->events == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u rows", work->n);
    }
    (void)events_find(work, work->events);
    for (uint32_t e = 0; e < work->n_events; e++) {
        work->n_positive += work->events[e].last - work->events[e].first + 1;
    }
    work->is_ranked = work->n_positive > 0 && work->n_positive < work->n;
    for (int i = 0; i < LW_EVAL_RANKING_N; i++) {
        work->ranking[i] = NAN;
    }
    work->best_threshold = NAN;
    return lw_eval_order(work->scores, work->n, work->order, reterr);
}

/* Something can be drawn at all: otherwise every resample is the sample itself. */
static bool can_draw(const struct making *making)
{
    return making->options->n_resamples > 0 && making->units.n_units > making->units.n_strata;
}

static enum lw_status works_init(struct making *making, const struct lw_eval_series *series,
                                 struct lw_error *reterr)
{
    struct lw_evaluation *evaluation = making->evaluation;
    enum lw_eval_unit unit = making->options->unit;
    enum lw_status status = LW_OK;
    uint32_t first_event = 0;

    for (size_t i = 0; i < making->n_works && status == LW_OK; i++) {
        struct lw_eval_work *work = &making->works[i];

        status = work_init(&series[i], first_event, work, reterr);
        first_event += work->n_events;
        evaluation->n_with_events += work->n_events > 0;
        evaluation->n_rows += (double)work->n;
        evaluation->n_events += (double)work->n_events;
        evaluation->series[i].rows = (double)work->n;
        evaluation->series[i].events = (double)work->n_events;
    }
    if (status != LW_OK) {
        return status;
    }
    if (unit == LW_EVAL_UNIT_AUTO) {
        unit = evaluation->n_with_events >= SERIES_MIN ? LW_EVAL_UNIT_SERIES : LW_EVAL_UNIT_EVENTS;
    }
    unit = making->options->n_resamples > 0 ? unit : LW_EVAL_UNIT_AUTO;
    status = lw_eval_units_init(making->works, making->n_works, unit, making->options,
                                &making->units, reterr);
    evaluation->unit = can_draw(making) ? unit : LW_EVAL_UNIT_AUTO;
    evaluation->n_units = (double)making->units.n_units;
    return status;
}

/* ---- the ranking of a series ---- */

/* What a resample of one series needs. */
struct ranked {
    uint32_t *ranks;
    struct lw_eval_vus *vus;                          /* NULL: not asked for. */
    struct lw_eval_counts counts[LW_EVAL_BLOCKS_MAX]; /* At the best F1's threshold. */
};

/* All figures of a series where its blocks count weights[block] times; the threshold is held. */
static void ranked_read(const struct lw_eval_work *work, struct ranked *ranked,
                        const uint32_t *weights, double ret_ranking[LW_EVAL_RANKING_N])
{
    struct lw_eval_counts sum = {0};
    uint32_t best_rank;

    lw_eval_ranking_walk(ranked->ranks, work->n, weights, ret_ranking, &best_rank);
    ret_ranking[LW_EVAL_VUS_PR] = ret_ranking[LW_EVAL_VUS_ROC] = NAN;
    if (ranked->vus != NULL) {
        lw_eval_vus_read(ranked->vus, weights, &ret_ranking[LW_EVAL_VUS_PR],
                         &ret_ranking[LW_EVAL_VUS_ROC]);
    }
    for (uint32_t block = 0; block < work->n_blocks; block++) {
        double weight = (double)weights[block];

        sum.events += weight * ranked->counts[block].events;
        sum.detected += weight * ranked->counts[block].detected;
        sum.episodes += weight * ranked->counts[block].episodes;
        sum.good += weight * ranked->counts[block].good;
        sum.true_alarms += weight * ranked->counts[block].true_alarms;
        sum.alarms += weight * ranked->counts[block].alarms;
    }
    ret_ranking[LW_EVAL_EVENT_F1_AT_BEST] = lw_eval_event_f1(&sum);
    ret_ranking[LW_EVAL_COMPOSITE_F1_AT_BEST] = lw_eval_composite_f1(&sum);
}

/* Prepares a series and reads its figures. LW_ENOMEM. */
static enum lw_status ranked_begin(const struct making *making, struct lw_eval_work *work,
                                   struct ranked *ranked, struct lw_error *reterr)
{
    int64_t *delays = lw_mem_calloc((size_t)work->n_events + 1, sizeof(*delays));
    struct lw_eval_rule rule = {0};
    uint32_t ones[LW_EVAL_BLOCKS_MAX], best_rank;
    enum lw_status status = LW_OK;

    ranked->ranks = lw_mem_calloc(work->n, sizeof(*ranked->ranks));
    if (ranked->ranks == NULL || delays == NULL) {
        lw_mem_free(delays);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %u rows", work->n);
    }
    for (uint32_t i = 0; i < LW_EVAL_BLOCKS_MAX; i++) {
        ones[i] = 1;
    }
    lw_eval_ranks(work, ranked->ranks);
    lw_eval_ranking_walk(ranked->ranks, work->n, ones, work->ranking, &best_rank);
    rule.threshold = work->best_threshold = work->scores[work->order[best_rank - 1]];
    lw_eval_count(work, &rule, making->options, ranked->counts, delays);
    lw_mem_free(delays);
    if (!making->options->no_vus) {
        status = lw_eval_vus_create(work, making->options->vus_window, &ranked->vus, reterr);
    }
    if (status == LW_OK) {
        ranked_read(work, ranked, ones, work->ranking);
    }
    return status;
}

/* Draws the blocks of a series over and over: its own intervals, and its part of the means. */
static enum lw_status ranked_resample(const struct making *making, size_t series,
                                      struct ranked *ranked, struct lw_error *reterr)
{
    const struct lw_eval_work *work = &making->works[series];
    size_t n = making->options->n_resamples;
    double *samples = lw_mem_calloc(n * LW_EVAL_RANKING_N, sizeof(*samples));

    if (samples == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu resamples", n);
    }
    for (size_t resample = 0; resample < n; resample++) {
        double ranking[LW_EVAL_RANKING_N];

        if (work->n_blocks > 1) {
            lw_eval_draw(&making->units, (uint32_t)series, (uint32_t)resample, making->weights);
            ranked_read(work, ranked, making->weights, ranking);
        } else { /* Nothing else can be drawn. */
            memcpy(ranking, work->ranking, sizeof(ranking));
        }
        for (size_t i = 0; i < LW_EVAL_RANKING_N; i++) {
            samples[i * n + resample] = ranking[i];
            if (isfinite(ranking[i])) {
                making->ranking_samples[i * n + resample] += ranking[i];
                making->ranking_n[i * n + resample]++;
            }
        }
    }
    for (size_t i = 0; work->n_blocks > 1 && i < LW_EVAL_RANKING_N; i++) {
        lw_eval_interval(samples + i * n, n, making->options->confidence, making->scratch,
                         &making->evaluation->series[series].figures[i]);
    }
    lw_mem_free(samples);
    return LW_OK;
}

static enum lw_status series_rank(const struct making *making, size_t series,
                                  struct lw_error *reterr)
{
    struct lw_eval_work *work = &making->works[series];
    struct lw_eval_series_result *result = &making->evaluation->series[series];
    struct ranked ranked = {0};
    enum lw_status status = LW_OK;

    if (work->is_ranked) {
        status = ranked_begin(making, work, &ranked, reterr);
    }
    result->best_threshold = work->best_threshold;
    for (size_t i = 0; i < LW_EVAL_RANKING_N; i++) {
        result->figures[i] = (struct lw_eval_figure){RANKING_NAMES[i], work->ranking[i], NAN, NAN};
    }
    if (status == LW_OK && work->is_ranked && making->evaluation->unit == LW_EVAL_UNIT_EVENTS) {
        status = ranked_resample(making, series, &ranked, reterr);
    }
    lw_eval_vus_destroy(ranked.vus);
    lw_mem_free(ranked.ranks);
    return status;
}

/* Adds a series to the means of a resample, as often as it was drawn. */
static void mean_add(const struct making *making, size_t series, size_t resample)
{
    size_t n = making->options->n_resamples;

    for (size_t i = 0; i < LW_EVAL_RANKING_N; i++) {
        double value = making->works[series].ranking[i];

        if (isfinite(value)) {
            making->ranking_samples[i * n + resample] += making->weights[series] * value;
            making->ranking_n[i * n + resample] += making->weights[series];
        }
    }
}

/* The mean over series as drawn, for each resample. */
static void means_resample(const struct making *making)
{
    for (size_t resample = 0; resample < making->options->n_resamples; resample++) {
        lw_eval_draw(&making->units, 0, (uint32_t)resample, making->weights);
        for (size_t series = 0; series < making->n_works; series++) {
            mean_add(making, series, resample);
        }
    }
}

/* Means over the series that have a figure, with their intervals. */
static void means_make(const struct making *making)
{
    size_t n = making->options->n_resamples;

    for (size_t i = 0; i < LW_EVAL_RANKING_N; i++) {
        struct lw_eval_figure *figure = &making->evaluation->ranking[i];
        double sum = 0.0;
        size_t n_there = 0;

        for (size_t series = 0; series < making->n_works; series++) {
            if (isfinite(making->works[series].ranking[i])) {
                sum += making->works[series].ranking[i];
                n_there++;
            }
        }
        *figure = (struct lw_eval_figure){RANKING_NAMES[i],
                                          n_there > 0 ? sum / (double)n_there : NAN, NAN, NAN};
        for (size_t resample = 0; resample < n; resample++) {
            making->samples[resample] = making->ranking_samples[i * n + resample] /
                                        (double)making->ranking_n[i * n + resample];
        }
        if (can_draw(making)) {
            lw_eval_interval(making->samples, n, making->options->confidence, making->scratch,
                             figure);
        }
    }
}

static enum lw_status ranking_make(const struct making *making, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < making->n_works && status == LW_OK; i++) {
        status = series_rank(making, i, reterr);
    }
    if (status == LW_OK) {
        if (making->evaluation->unit == LW_EVAL_UNIT_SERIES) {
            means_resample(making);
        }
        means_make(making);
    }
    return status;
}

/* ---- operating points ---- */

/* Counts of events and days say how much there was: they have no interval. */
static bool point_has_interval(size_t figure)
{
    return figure != LW_EVAL_EVENTS && figure != LW_EVAL_EVENTS_DETECTED &&
           figure != LW_EVAL_EPISODES && figure != LW_EVAL_FALSE_EPISODES &&
           figure != LW_EVAL_SCORED_DAYS;
}

static void ones_set(const struct making *making)
{
    for (uint32_t i = 0; i < making->units.n_units; i++) {
        making->weights[i] = 1;
    }
}

static enum lw_status point_intervals(const struct making *making,
                                      const struct lw_eval_point *point,
                                      struct lw_eval_point_result *result, struct lw_error *reterr)
{
    size_t n = making->options->n_resamples;
    double *samples = lw_mem_calloc(n * LW_EVAL_POINT_N, sizeof(*samples));

    if (samples == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu resamples", n);
    }
    for (size_t resample = 0; resample < n; resample++) {
        double figures[LW_EVAL_POINT_N];

        lw_eval_draw_all(&making->units, (uint32_t)resample, making->weights);
        lw_eval_point_read(point, making->units.n_units, making->weights, figures);
        for (size_t i = 0; i < LW_EVAL_POINT_N; i++) {
            samples[i * n + resample] = figures[i];
        }
    }
    for (size_t i = 0; i < LW_EVAL_POINT_N; i++) {
        if (point_has_interval(i)) {
            lw_eval_interval(samples + i * n, n, making->options->confidence, making->scratch,
                             &result->figures[i]);
        }
    }
    lw_mem_free(samples);
    return LW_OK;
}

static enum lw_status point_make(const struct making *making, const struct lw_eval_rule *rule,
                                 struct lw_eval_point_result *result, struct lw_error *reterr)
{
    struct lw_eval_point point;
    double figures[LW_EVAL_POINT_N];
    enum lw_status status = lw_eval_point_init(
        making->works, making->n_works, making->units.n_units, rule, making->options, &point);

    if (status != LW_OK) {
        return lw_error_set(reterr, status, "no memory for %g events",
                            making->evaluation->n_events);
    }
    ones_set(making);
    lw_eval_point_read(&point, making->units.n_units, making->weights, figures);
    for (size_t i = 0; i < LW_EVAL_POINT_N; i++) {
        result->figures[i] = (struct lw_eval_figure){POINT_NAMES[i], figures[i], NAN, NAN};
    }
    result->is_there = true;
    result->threshold = rule->as_operated ? NAN : rule->threshold;
    if (can_draw(making)) {
        status = point_intervals(making, &point, result, reterr);
    }
    lw_eval_point_fini(&point);
    return status;
}

static bool all_have_alarms(const struct making *making, bool with_windows_only)
{
    for (size_t i = 0; i < making->n_works; i++) {
        if (making->works[i].alarms == NULL &&
            (!with_windows_only || making->works[i].input->has_windows)) {
            return false;
        }
    }
    return true;
}

static enum lw_status points_make(const struct making *making, struct lw_error *reterr)
{
    struct lw_evaluation *evaluation = making->evaluation;
    struct lw_eval_rule rule = {.as_operated = true};
    enum lw_status status = LW_OK;

    if (all_have_alarms(making, false)) {
        status = point_make(making, &rule, &evaluation->points[0], reterr);
    }
    rule = (struct lw_eval_rule){.threshold = making->options->threshold};
    if (status == LW_OK && !isnan(rule.threshold)) {
        status = point_make(making, &rule, &evaluation->points[1], reterr);
    }
    if (status == LW_OK && evaluation->n_events > 0.0) {
        status = lw_eval_best_threshold(making->works, making->n_works, making->options,
                                        &rule.threshold, reterr);
        if (status == LW_OK) {
            status = point_make(making, &rule, &evaluation->points[2], reterr);
        }
    }
    return status;
}

/* ---- NAB ---- */

static enum lw_status nab_make_one(const struct making *making, const struct lw_eval_rule *rule,
                                   size_t profile, struct lw_eval_nab_figures *result,
                                   struct lw_error *reterr)
{
    uint32_t n_units = making->units.n_units;
    struct lw_eval_nab_part *parts = lw_mem_calloc(n_units, sizeof(*parts));

    if (parts == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for NAB's score");
    }
    lw_eval_nab_count(making->works, making->n_works, profile, rule, parts, &result->rest);
    for (uint32_t unit = 0; unit < n_units; unit++) {
        result->rest.raw += parts[unit].raw;
    }
    ones_set(making);
    result->score = (struct lw_eval_figure){
        "score", lw_eval_nab_score(parts, n_units, making->weights, profile), NAN, NAN};
    result->is_there = true;
    for (uint32_t i = 0; i < making->options->n_resamples; i++) {
        lw_eval_draw_all(&making->units, i, making->weights);
        making->samples[i] = lw_eval_nab_score(parts, n_units, making->weights, profile);
    }
    if (can_draw(making)) {
        lw_eval_interval(making->samples, making->options->n_resamples, making->options->confidence,
                         making->scratch, &result->score);
    }
    lw_mem_free(parts);
    return LW_OK;
}

static enum lw_status nab_make(const struct making *making, struct lw_error *reterr)
{
    struct lw_evaluation *evaluation = making->evaluation;
    double thresholds[LW_EVAL_PROFILES];
    const struct lw_eval_rule operated = {.as_operated = true, .threshold = NAN};
    bool has_windows = false;
    enum lw_status status = LW_OK;

    for (size_t i = 0; i < making->n_works; i++) {
        has_windows = has_windows || making->works[i].input->has_windows;
    }
    if (!has_windows) {
        return LW_OK;
    }
    for (size_t i = 0; i < LW_EVAL_PROFILES; i++) {
        thresholds[i] = making->options->nab_threshold;
    }
    if (isnan(making->options->nab_threshold)) {
        status = lw_eval_nab_sweep(making->works, making->n_works, thresholds, reterr);
    }
    for (size_t i = 0; i < LW_EVAL_PROFILES && status == LW_OK; i++) {
        const struct lw_eval_rule rule = {.threshold = thresholds[i]};

        status = nab_make_one(making, &rule, i, &evaluation->nab[0][i], reterr);
        if (status == LW_OK && all_have_alarms(making, true)) {
            status = nab_make_one(making, &operated, i, &evaluation->nab[1][i], reterr);
        }
    }
    return status;
}

/* ---- all of it ---- */

static enum lw_status making_run(struct making *making, const struct lw_eval_series *series,
                                 struct lw_error *reterr)
{
    size_t n = making->options->n_resamples + (size_t)1;
    enum lw_status status = works_init(making, series, reterr);

    if (status != LW_OK) {
        return status;
    }
    making->weights = lw_mem_calloc((size_t)making->units.n_units + LW_EVAL_BLOCKS_MAX,
                                    sizeof(*making->weights));
    making->samples = lw_mem_calloc(n, sizeof(*making->samples));
    making->scratch = lw_mem_calloc(n, sizeof(*making->scratch));
    making->ranking_samples = lw_mem_calloc(n * LW_EVAL_RANKING_N, sizeof(double));
    making->ranking_n = lw_mem_calloc(n * LW_EVAL_RANKING_N, sizeof(*making->ranking_n));
    if (making->weights == NULL || making->samples == NULL || making->scratch == NULL ||
        making->ranking_samples == NULL || making->ranking_n == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu resamples", n - 1);
    }
    status = ranking_make(making, reterr);
    if (status == LW_OK) {
        status = points_make(making, reterr);
    }
    return status == LW_OK ? nab_make(making, reterr) : status;
}

static void making_fini(struct making *making)
{
    for (size_t i = 0; making->works != NULL && i < making->n_works; i++) {
        lw_mem_free(making->works[i].order);
        lw_mem_free(making->works[i].events);
        lw_mem_free(making->works[i].block_starts);
    }
    lw_eval_units_fini(&making->units);
    lw_mem_free(making->works);
    lw_mem_free(making->weights);
    lw_mem_free(making->samples);
    lw_mem_free(making->scratch);
    lw_mem_free(making->ranking_samples);
    lw_mem_free(making->ranking_n);
}

enum lw_status lw_evaluate(const struct lw_eval_series *series, size_t n_series,
                           const struct lw_eval_options *options,
                           struct lw_evaluation **ret_evaluation, struct lw_error *reterr)
{
    struct lw_evaluation *evaluation;
    struct making making = {.options = options, .n_works = n_series};
    enum lw_status status = lw_eval_check(series, n_series, options, reterr);

    if (status != LW_OK) {
        return status;
    }
    evaluation = lw_mem_calloc(1, sizeof(*evaluation));
    making.works = lw_mem_calloc(n_series, sizeof(*making.works));
    if (evaluation != NULL) {
        evaluation->n_series = n_series;
        evaluation->series = lw_mem_calloc(n_series, sizeof(*evaluation->series));
    }
    if (evaluation == NULL || making.works == NULL || evaluation->series == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series", n_series);
    } else {
        making.evaluation = evaluation;
        status = making_run(&making, series, reterr);
    }
    making_fini(&making);
    if (status != LW_OK) {
        lw_evaluation_destroy(evaluation);
        return status;
    }
    *ret_evaluation = evaluation;
    return LW_OK;
}

void lw_evaluation_destroy(struct lw_evaluation *evaluation)
{
    if (evaluation != NULL) {
        lw_mem_free(evaluation->series);
        lw_mem_free(evaluation);
    }
}

enum lw_eval_unit lw_evaluation_unit(const struct lw_evaluation *evaluation)
{
    return evaluation->unit;
}
