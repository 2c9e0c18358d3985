/*
 * The operator: samples and watermarks in, verdicts and anomalies out.
 *
 * Three kinds of step share one way through `score_series`:
 *
 *   duration: samples wait in their series' window until lw_advance() closes the step; only steps
 *             in which some series of the entity has a sample exist, so a pause of a month costs
 *             nothing;
 *   sample:   each sample is its series' step, at once without lateness, else when the watermark
 *             allows, in time order;
 *   row:      all samples of one lw_observe() are one step.
 *
 * Within a step the series are taken in the order of their numbers, then tier 1, then the anomaly.
 * A silent series is told at the moment its own habits say, which is computed from its samples: so
 * one lw_advance() over a month equals many small ones.
 */
#include "engine/operator/entity.h"

#include "feature/scale.h"

#include <assert.h>
#include <math.h>

/* What a data fault scores: a verdict of its own, beyond every onset, below certainty. */
#define FAULT_SCORE 0.75f

/* One step of one series, on its way. */
struct step_input {
    uint32_t series;
    int64_t time_ns;
    double value;
    uint64_t tag;
    enum lw_anomaly_type fault; /* A fault that begins with this step. */
};

static enum lw_anomaly_type type_of_kind(uint8_t kind)
{
    static const enum lw_anomaly_type TYPES[] = {LW_TYPE_NONE,    LW_TYPE_SPIKE, LW_TYPE_DROP,
                                                 LW_TYPE_LEVEL,   LW_TYPE_TREND, LW_TYPE_NOISE,
                                                 LW_TYPE_PATTERN, LW_TYPE_RANGE};

    return kind < sizeof(TYPES) / sizeof(TYPES[0]) ? TYPES[kind] : LW_TYPE_NONE;
}

static void emit(struct lw_entity *entity, const struct lw_verdict *verdict,
                 const struct lw_sink *sink)
{
    entity->counts.verdicts++;
    if (sink != NULL && sink->verdict != NULL) {
        sink->verdict(sink->context, entity, verdict);
    }
}

/* Brings the features up to the step: those passed over were missing. */
static void tell_features(const struct lw_detector *detector, struct lw_series *series,
                          int64_t time_ns, double value)
{
    int64_t step_ns = detector->step_ns;
    int64_t longest = (int64_t)detector->features.config.long_steps;

    if (step_ns > 0 && series->features_ns != INT64_MIN) {
        int64_t missed = (time_ns - series->features_ns) / step_ns - 1;

        missed = missed > longest ? longest : missed;
        for (int64_t i = missed; i > 0; i--) {
            lw_feature_observe(&detector->features, series->features, time_ns - i * step_ns, NAN);
        }
    }
    lw_feature_observe(&detector->features, series->features, time_ns, value);
    series->features_ns = time_ns;
}

static void run_baseline(const struct lw_entity *entity, struct lw_series *series,
                         const struct step_input *input, struct lw_baseline_result *ret_result)
{
    const struct lw_detector *detector = entity->detector;
    struct lw_baseline_config config;
    uint64_t sharing = entity->sharing != 0 ? entity->sharing : entity->n_series;

    if (!series->metric->watch) {
        *ret_result = (struct lw_baseline_result){.score = NAN,
                                                  .event = NAN,
                                                  .expected = NAN,
                                                  .lower = NAN,
                                                  .upper = NAN,
                                                  .confidence = LW_CONFIDENCE_NONE};
        return;
    }
    if (sharing <= 1 || series->metric->baseline.benchmark ||
        detector->spec->detector.budget_scope == LW_SCOPE_SERIES) {
        lw_baseline_step(&series->metric->baseline, lw_series_baseline(series), input->time_ns,
                         input->value, ret_result);
        return;
    }
    config = series->metric->baseline;
    config.tail = entity->tail != NULL && entity->tail->n_rows > 0 ? entity->tail : NULL;
    config.budget_ns = config.budget_ns > INT64_MAX / (int64_t)sharing
                           ? INT64_MAX
                           : config.budget_ns * (int64_t)sharing;
    lw_baseline_step(&config, lw_series_baseline(series), input->time_ns, input->value, ret_result);
}

/* A data fault speaks over what the values say. */
static void apply_fault(struct lw_verdict *verdict, enum lw_anomaly_type active,
                        enum lw_anomaly_type begins)
{
    if (active == LW_TYPE_NONE && begins == LW_TYPE_NONE) {
        return;
    }
    verdict->type = (uint8_t)(begins != LW_TYPE_NONE ? begins : active);
    verdict->alarm = true;
    verdict->score = verdict->score > FAULT_SCORE ? verdict->score : FAULT_SCORE;
    if (begins != LW_TYPE_NONE) {
        verdict->onset = true;
        verdict->event = verdict->event > FAULT_SCORE ? verdict->event : FAULT_SCORE;
        verdict->confidence = LW_FULL;
    }
}

/* One series, one step: baseline, features, faults; the verdict goes out and to the anomaly's life.
 */
static void score_series(struct lw_entity *entity, const struct step_input *input,
                         const struct lw_sink *sink)
{
    struct lw_series *series = entity->series[input->series];
    struct lw_baseline_result result;
    struct lw_verdict *verdict = &series->newest;
    enum lw_anomaly_type active;

    run_baseline(entity, series, input, &result);
    if (series->features != NULL) {
        tell_features(entity->detector, series, input->time_ns, input->value);
    }
    *verdict = (struct lw_verdict){
        .time_ns = input->time_ns,
        .tag = input->tag,
        .series = input->series,
        .confidence = result.confidence,
        .type = (uint8_t)(result.alarm || result.onset ? type_of_kind(result.kind) : LW_TYPE_NONE),
        .alarm = result.alarm,
        .onset = result.onset,
        .value = (float)input->value,
        .score = result.score,
        .event = result.event,
        .return_rows = result.return_rows,
        .expected = result.expected,
        .lower = result.lower,
        .upper = result.upper};
    active = series->metric->faults
                 ? lw_fault_active(&entity->detector->fault, &series->fault, NULL)
                 : LW_TYPE_NONE;
    apply_fault(verdict, active, series->metric->faults ? input->fault : LW_TYPE_NONE);
    if (entity->tier1 != NULL) {
        entity->tier1->row[input->series] = verdict->value;
    }
    emit(entity, verdict, sink);
    lw_entity_step_tell(entity, verdict);
}

/* The series has a sample: it may be missed sooner than any so far. */
static void expect_silent(struct lw_entity *entity, const struct lw_series *series)
{
    if (series->metric->faults) {
        int64_t at_ns = lw_fault_silent_at(&entity->detector->fault, &series->fault);

        entity->quiet_ns = at_ns < entity->quiet_ns ? at_ns : entity->quiet_ns;
    }
}

/* ---- samples of their own step: "sample" without lateness, and "row" ---- */

/* A sample's value as its metric aggregates one sample. */
static double value_of_sample(struct lw_entity *entity, struct lw_series *series,
                              const struct lw_sample *sample, enum lw_anomaly_type *fault)
{
    struct lw_window_sample one = {sample->time_ns, sample->value};
    struct lw_aggregate_input input = {.kind = series->metric->aggregate,
                                       .range = {.pieces = {&one, NULL}, .n_pieces = {1, 0}},
                                       .counter = &series->counter,
                                       .fresh_ns = sample->time_ns,
                                       .scratch = entity->scratch};
    uint32_t n_resets = 0;
    double value;

    if (series->metric->aggregate != LW_AGGREGATE_RATE &&
        series->metric->aggregate != LW_AGGREGATE_COUNT) {
        return sample->value; /* Of one sample every other aggregate is the sample. */
    }
    value = lw_aggregate(&input, &n_resets);
    lw_counter_pass(&series->counter, &input.range);
    if (n_resets > 0) {
        entity->counts.resets += n_resets;
        *fault = lw_fault_reset(&entity->detector->fault, &series->fault, sample->time_ns);
    }
    return value;
}

static void score_sample(struct lw_entity *entity, const struct lw_sample *sample, uint64_t tag,
                         const struct lw_sink *sink)
{
    struct lw_series *series = entity->series[sample->series];
    struct step_input input = {.series = sample->series, .time_ns = sample->time_ns, .tag = tag};

    input.fault = lw_fault_sample(&entity->detector->fault, &series->fault, sample->time_ns,
                                  sample->value);
    input.value = value_of_sample(entity, series, sample, &input.fault);
    expect_silent(entity, series);
    entity->counts.samples++;
    score_series(entity, &input, sink);
}

static bool refuse_infinite(struct lw_entity *entity, const struct lw_sample *sample)
{
    assert(sample->series < entity->n_series);
    if (isinf(sample->value) || sample->time_ns > LW_TIME_FURTHEST_NS ||
        sample->time_ns < -LW_TIME_FURTHEST_NS) {
        entity->counts.not_finite++;
        return true;
    }
    return false;
}

/* A fault of the way samples arrive is a verdict of its own, at the newest step of the series. */
static void tell_arrival_fault(struct lw_entity *entity, uint32_t series, int64_t time_ns,
                               enum lw_anomaly_type fault, const struct lw_sink *sink)
{
    struct lw_verdict verdict = entity->series[series]->newest;

    if (fault == LW_TYPE_NONE || !entity->series[series]->metric->faults) {
        return;
    }
    verdict.time_ns = time_ns;
    verdict.tag = 0;
    apply_fault(&verdict, fault, fault);
    lw_entity_step_begin(entity, time_ns);
    emit(entity, &verdict, sink);
    lw_entity_step_tell(entity, &verdict);
    lw_entity_step_end(entity, sink);
}

static void refuse_late(struct lw_entity *entity, const struct lw_sample *sample,
                        const struct lw_sink *sink)
{
    entity->counts.late++;
    tell_arrival_fault(entity, sample->series, sample->time_ns,
                       lw_fault_late(&entity->detector->fault,
                                     &entity->series[sample->series]->fault, sample->time_ns,
                                     entity->watermark_ns),
                       sink);
}

static void refuse_duplicate(struct lw_entity *entity, const struct lw_sample *sample,
                             const struct lw_sink *sink)
{
    entity->counts.duplicates++;
    tell_arrival_fault(entity, sample->series, sample->time_ns,
                       lw_fault_duplicate(&entity->detector->fault,
                                          &entity->series[sample->series]->fault, sample->time_ns),
                       sink);
}

static void observe_now(struct lw_entity *entity, const struct lw_sample *sample, uint64_t tag,
                        const struct lw_sink *sink)
{
    struct lw_series *series = entity->series[sample->series];
    /* A resumption is that of the entity: one of its series may have samples from before it. */
    int64_t newest_ns = lw_fault_is_resumed(&series->fault) ? series->newest.time_ns
                                                            : series->fault.last_time_ns;

    if (refuse_infinite(entity, sample)) {
        return;
    }
    if (series->fault.n_samples > 0 && sample->time_ns <= newest_ns) {
        bool same_value = sample->value == series->fault.last_value || isnan(sample->value);

        if (sample->time_ns == newest_ns && same_value) {
            refuse_duplicate(entity, sample, sink);
        } else {
            refuse_late(entity, sample, sink);
        }
        return;
    }
    lw_entity_step_begin(entity, sample->time_ns);
    score_sample(entity, sample, tag, sink);
    lw_entity_step_end(entity, sink);
}

static void observe_row(struct lw_entity *entity, const struct lw_sample *samples, size_t n_samples,
                        uint64_t tag, const struct lw_sink *sink)
{
    int64_t time_ns = n_samples > 0 ? samples[0].time_ns : 0;

    if (n_samples == 0) {
        return;
    }
    lw_entity_step_begin(entity, time_ns);
    for (uint32_t i = 0; entity->tier1 != NULL && i < entity->n_series; i++) {
        entity->tier1->row[i] = NAN;
    }
    for (size_t i = 0; i < n_samples; i++) {
        if (!refuse_infinite(entity, &samples[i])) {
            score_sample(entity, &samples[i], tag, sink);
        }
    }
    if (entity->tier1 != NULL) {
        lw_entity_tier1_step(entity, time_ns, tag, lw_entity_life_open(entity), sink);
    }
    lw_entity_step_end(entity, sink);
}

/* ---- samples that wait for the watermark ---- */

static void observe_later(struct lw_entity *entity, const struct lw_sample *sample,
                          const struct lw_sink *sink)
{
    struct lw_series *series = entity->series[sample->series];

    if (refuse_infinite(entity, sample)) {
        return;
    }
    if (sample->time_ns < entity->closed_ns) {
        refuse_late(entity, sample, sink);
        return;
    }
    switch (lw_window_insert(&series->window, sample->time_ns, sample->value)) {
    case LW_WINDOW_TAKEN:
        entity->counts.samples++;
        entity->pending_ns = sample->time_ns < entity->pending_ns ? sample->time_ns
                                                                  : entity->pending_ns;
        tell_arrival_fault(entity, sample->series, sample->time_ns,
                           lw_fault_arrival(&entity->detector->fault, &series->fault,
                                            sample->time_ns, entity->watermark_ns),
                           sink);
        break;
    case LW_WINDOW_DUPLICATE:
        refuse_duplicate(entity, sample, sink);
        break;
    case LW_WINDOW_FULL:
        entity->counts.overflow++;
        break;
    }
}

void lw_observe(struct lw_entity *entity, const struct lw_sample *samples, size_t n_samples,
                uint64_t tag, const struct lw_sink *sink)
{
    const struct lw_detector *detector = entity->detector;

    if (detector->step_kind == LW_STEP_ROW) {
        observe_row(entity, samples, n_samples, tag, sink);
        return;
    }
    for (size_t i = 0; i < n_samples; i++) {
        if (detector->step_kind == LW_STEP_SAMPLE && detector->lateness_ns == 0) {
            observe_now(entity, &samples[i], tag, sink);
        } else {
            observe_later(entity, &samples[i], sink);
        }
    }
}

void lw_prefetch(const struct lw_entity *entity, uint32_t series, int64_t time_ns)
{
    struct lw_series *state;

    __builtin_prefetch(entity, 1);
    __builtin_prefetch((const char *)entity + 64, 1);
    __builtin_prefetch((const char *)entity + 128, 1);
    state = series == 0 ? lw_entity_first((struct lw_entity *)entity) : entity->series[series];
    for (size_t at = 0; at < sizeof(*state); at += 64) {
        __builtin_prefetch((const char *)state + at, 1);
    }
    lw_baseline_prefetch(lw_series_baseline(state), time_ns);
}

/* ---- closing steps ---- */

/* The step of one series: aggregates its range, tells its samples to the fault watch, forgets what
 * no later step needs. */
static bool close_series(struct lw_entity *entity, uint32_t number, int64_t start_ns,
                         int64_t end_ns, struct step_input *ret_input)
{
    struct lw_series *series = entity->series[number];
    const struct lw_fault_config *fault = &entity->detector->fault;
    int64_t length_ns = end_ns - start_ns;
    int64_t look_back_ns = series->metric->window_ns > length_ns ? series->metric->window_ns
                                                                 : length_ns;
    struct lw_window_range fresh, gone;
    struct lw_aggregate_input input = {.kind = series->metric->aggregate,
                                       .counter = &series->counter,
                                       .fresh_ns = start_ns,
                                       .scratch = entity->scratch};
    uint32_t n_resets = 0;

    lw_window_range(&series->window, start_ns, end_ns, &fresh);
    if (lw_window_range_length(&fresh) == 0 &&
        (series->metric->aggregate != LW_AGGREGATE_COUNT || series->newest.time_ns == INT64_MIN)) {
        return false;
    }
    *ret_input = (struct step_input){.series = number, .time_ns = start_ns};
    for (size_t i = 0; i < lw_window_range_length(&fresh); i++) {
        const struct lw_window_sample *sample = lw_window_range_at(&fresh, i);
        enum lw_anomaly_type begins = lw_fault_sample(fault, &series->fault, sample->time_ns,
                                                      sample->value);

        ret_input->fault = begins != LW_TYPE_NONE ? begins : ret_input->fault;
    }
    expect_silent(entity, series);
    lw_window_range(&series->window, end_ns - look_back_ns, end_ns, &input.range);
    ret_input->value = lw_aggregate(&input, &n_resets);
    if (n_resets > 0) {
        entity->counts.resets += n_resets;
        ret_input->fault = lw_fault_reset(fault, &series->fault, start_ns);
    }
    lw_window_range(&series->window, INT64_MIN, end_ns + length_ns - look_back_ns, &gone);
    lw_counter_pass(&series->counter, &gone);
    (void)lw_window_evict(&series->window, end_ns + length_ns - look_back_ns);
    return true;
}

int64_t lw_entity_earliest_open(const struct lw_entity *entity, int64_t from_ns)
{
    int64_t earliest = INT64_MAX;

    for (uint32_t i = 0; i < entity->n_series; i++) {
        struct lw_window_range open;

        if (entity->series[i]->window.samples == NULL) {
            break; /* The entity's kind of step keeps none. */
        }
        lw_window_range(&entity->series[i]->window, from_ns, INT64_MAX, &open);
        if (lw_window_range_length(&open) > 0 && lw_window_range_at(&open, 0)->time_ns < earliest) {
            earliest = lw_window_range_at(&open, 0)->time_ns;
        }
    }
    return earliest;
}

/* A silence goes on being an anomaly until the series must be taken for gone. */
static bool still_silent(const struct lw_entity *entity, uint32_t number, int64_t now_ns)
{
    const struct lw_series *series = entity->series[number];

    return series->newest.type == LW_TYPE_SILENT &&
           !lw_fault_gone(&entity->detector->fault, &series->fault, now_ns);
}

static void close_step(struct lw_entity *entity, int64_t start_ns, int64_t end_ns,
                       const struct lw_sink *sink)
{
    struct step_input input;

    lw_entity_step_begin(entity, start_ns);
    for (uint32_t i = 0; i < entity->n_series; i++) {
        if (entity->tier1 != NULL) {
            entity->tier1->row[i] = NAN;
        }
        if (close_series(entity, i, start_ns, end_ns, &input)) {
            score_series(entity, &input, sink);
        } else if (still_silent(entity, i, end_ns)) {
            lw_entity_step_tell(entity, &entity->series[i]->newest);
        }
    }
    if (entity->tier1 != NULL && entity->detector->step_kind == LW_STEP_DURATION) {
        lw_entity_tier1_step(entity, start_ns, 0, lw_entity_life_open(entity), sink);
    }
    lw_entity_step_end(entity, sink);
    entity->closed_ns = end_ns;
    entity->pending_ns = lw_entity_earliest_open(entity, end_ns);
}

/* Looks at every series; what it finds stays a lower bound until a sample comes that brings its
 * series' moment nearer: see expect_silent(). */
static int64_t earliest_silent(struct lw_entity *entity, uint32_t *ret_series)
{
    int64_t earliest = INT64_MAX;

    *ret_series = 0;
    for (uint32_t i = 0; i < entity->n_series; i++) {
        const struct lw_series *series = entity->series[i];

        if (series->metric->faults && series->newest.type != LW_TYPE_SILENT) {
            int64_t at = lw_fault_silent_at(&entity->detector->fault, &series->fault);

            if (at < earliest) {
                earliest = at;
                *ret_series = i;
            }
        }
    }
    entity->quiet_ns = earliest;
    return earliest;
}

/* Is this the last series of its metric to fall silent? That one device of many went away is no
 * trouble to tell of. */
static bool metric_is_silent(const struct lw_entity *entity, uint32_t number)
{
    const char *metric = entity->series[number]->metric_name;

    for (uint32_t i = 0; i < entity->n_series; i++) {
        const struct lw_series *other = entity->series[i];

        if (i != number && other->metric_name == metric && other->newest.type != LW_TYPE_SILENT &&
            other->newest.time_ns != INT64_MIN) {
            return false;
        }
    }
    return true;
}

static void raise_silent(struct lw_entity *entity, uint32_t number, int64_t at_ns,
                         const struct lw_sink *sink)
{
    struct lw_series *series = entity->series[number];
    struct lw_verdict *verdict = &series->newest;
    enum lw_anomaly_type begins = lw_fault_advance(&entity->detector->fault, &series->fault, at_ns);

    verdict->time_ns = at_ns;
    verdict->tag = 0;
    verdict->value = NAN;
    verdict->onset = false;
    verdict->return_rows = 0.0f;
    apply_fault(verdict, LW_TYPE_SILENT, begins);
    verdict->onset = verdict->onset && metric_is_silent(entity, number);
    lw_entity_step_begin(entity, at_ns);
    emit(entity, verdict, sink);
    lw_entity_step_tell(entity, verdict);
    lw_entity_step_end(entity, sink);
    verdict->onset = false; /* Told once; while the silence lasts it is an alarm only. */
}

/* End of the step that holds the earliest open sample: INT64_MAX when there is none. */
static int64_t next_step(const struct lw_entity *entity, int64_t *ret_start_ns)
{
    int64_t step_ns = entity->detector->step_ns;

    *ret_start_ns = entity->pending_ns;
    if (entity->pending_ns == INT64_MAX) {
        return INT64_MAX;
    }
    if (step_ns == 0) {
        return entity->pending_ns + 1; /* The samples of one moment. */
    }
    *ret_start_ns = lw_step_start(entity->pending_ns, step_ns);
    return *ret_start_ns + step_ns;
}

/* Everything that is due by limit_ns, in time order. */
static void close_until(struct lw_entity *entity, int64_t limit_ns, bool silent_too,
                        const struct lw_sink *sink)
{
    for (;;) {
        int64_t start_ns;
        int64_t end_ns = next_step(entity, &start_ns);
        uint32_t series = 0;
        int64_t silent_ns = !silent_too                   ? INT64_MAX
                            : entity->quiet_ns > limit_ns ? entity->quiet_ns
                                                          : earliest_silent(entity, &series);

        if ((end_ns < silent_ns ? end_ns : silent_ns) > limit_ns ||
            (end_ns == INT64_MAX && silent_ns == INT64_MAX)) {
            break;
        }
        if (end_ns <= silent_ns) {
            close_step(entity, start_ns, end_ns, sink);
        } else {
            raise_silent(entity, series, silent_ns, sink);
        }
    }
}

void lw_advance(struct lw_entity *entity, int64_t watermark_ns, const struct lw_sink *sink)
{
    const struct lw_detector *detector = entity->detector;
    int64_t limit_ns, closed_ns;

    if (watermark_ns <= entity->watermark_ns || detector->step_kind == LW_STEP_ROW) {
        return;
    }
    entity->watermark_ns = watermark_ns;
    limit_ns = watermark_ns < INT64_MIN + detector->lateness_ns
                   ? INT64_MIN
                   : watermark_ns - detector->lateness_ns;
    close_until(entity, limit_ns, true, sink);
    closed_ns = detector->step_ns > 0 ? lw_step_start(limit_ns, detector->step_ns) : limit_ns;
    entity->closed_ns = closed_ns > entity->closed_ns ? closed_ns : entity->closed_ns;
}

int64_t lw_entity_due(struct lw_entity *entity)
{
    int64_t start_ns;
    int64_t end_ns = next_step(entity, &start_ns);
    uint32_t series;
    int64_t due_ns = entity->quiet_ns != INT64_MIN ? entity->quiet_ns
                                                   : earliest_silent(entity, &series);

    if (entity->detector->step_kind == LW_STEP_ROW) {
        return INT64_MAX;
    }
    due_ns = end_ns < due_ns ? end_ns : due_ns;
    return due_ns > INT64_MAX - entity->detector->lateness_ns
               ? INT64_MAX
               : due_ns + entity->detector->lateness_ns;
}

void lw_entity_resume(struct lw_entity *entity, int64_t now_ns)
{
    entity->quiet_ns = INT64_MIN;
    for (uint32_t i = 0; i < entity->n_series; i++) {
        struct lw_series *series = entity->series[i];

        lw_fault_resume(&series->fault, now_ns);
        if (series->newest.type == LW_TYPE_SILENT) {
            series->newest.type = LW_TYPE_NONE;
            series->newest.alarm = false;
        }
    }
}

void lw_entity_finish(struct lw_entity *entity, const struct lw_sink *sink)
{
    close_until(entity, INT64_MAX - 1, false, sink);
    lw_entity_life_finish(entity, sink);
}
