/*
 * Tier 0 for one series: surprise, novelty, and what comes of them.
 *
 * Two questions are asked of each row. Surprise: how far is it from what is normal here? q is the
 * root of the summed squares of four deviations in scales: from the level, from the time of day,
 * from the forecast, and of the mean of the last rows. Novelty: was a value like this ever seen?
 * The state score tells how unusual now is and fades slowly; the event score says that something
 * worth telling starts, when a signal is new or when the surprise is rarer than the alarm budget.
 */
#include "detect/baseline/baseline.h"

#include "detect/baseline/baseline_internal.h"

#include "base/mem.h"
#include "feature/calendar.h"
#include "math/elementary.h"
#include "math/kernels.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define DAY_NS INT64_C(86400000000000)
#define HOUR_NS INT64_C(3600000000000)
#define VALUE_MAX 0x1p+59 /* In units: squares stay inside a float. */
#define SURPRISE_MAX 1e6
#define RANGE_FLOOR 0.01
#define MEMORY_DAYS 7.0
#define RANGE_DAYS 120.0
#define HOLD_KEEP 0.97
#define SHORT_ROWS 5.0
#define STEP_WEIGHT 0.5
#define SHARE_MOST 0x1.fffffep-1 /* Scores stay below 1, as floats too. */
#define STATE_HALF 6.0           /* The state score is 0.5 here. */
#define SWING_FLOOR 0.01         /* Of the range: a calm stretch has this swing. */
#define OUTSIDE_STRENGTH 1.9
#define FULL_ROWS_LEAST 300.0 /* Full confidence after a day, within these rows. */
#define FULL_ROWS_MOST 600.0
#define FULL_ROWS_FEW 100.0
#define ALIVE_EXTENTS 4.0 /* There and back twice. */
#define BENCHMARK_ROWS 800.0
#define BENCHMARK_DAYS 7.0
#define PRIOR_SHARE                                                                                \
    0.2 /* Of the budget, at most of 800 rows: the weight of one incident of 6 that every series   \
           starts with. */
/*
 * Return periods err to the short side (see detect/tail.h), so a promise of one alarm in B rows is
 * kept by asking for less than B. Measured at one a series and week on nab, kpi and mscloud:
 * docs/models/baseline.md.
 */
#define BUDGET_SHARE_BENCHMARK 0.7
#define BUDGET_SHARE 0.3
#define BAND_SCALES 3.0

/* Vigilance and place of each channel's prototypes. */
static const struct {
    double vigilance;
    uint16_t first, slots;
} channel_rules[CHANNEL_COUNT] = {
    [CHANNEL_VALUE] = {0.08, 0, BASELINE_SLOTS},
    [CHANNEL_LEAST] = {0.20, BASELINE_SLOTS, BASELINE_SLOTS_OTHER},
    [CHANNEL_WEEKLY] = {0.20, BASELINE_SLOTS + BASELINE_SLOTS_OTHER, BASELINE_SLOTS_OTHER},
    [CHANNEL_SWING] = {0.30, BASELINE_SLOTS + 2 * BASELINE_SLOTS_OTHER, BASELINE_SLOTS_OTHER},
};

/* One row on its way through the parts. */
struct row {
    const struct lw_baseline_config *config;
    const struct lw_kernels *kernels;
    double value; /* In units, from the origin. */
    double rows_a_day;
    double level, spread; /* Of the value, before this row. */
    struct lw_track_pace pace;
    double z_level, z_short, z_step;
    struct lw_season_view season;
    struct lw_forecast_view forecast;
    double surprise, smoothed; /* q and the two-row blend of it. */
    double floor_units;
    struct lw_novelty_view novelty[CHANNEL_COUNT];
};

size_t lw_baseline_bytes(void)
{
    return sizeof(struct lw_baseline);
}

void lw_baseline_init(struct lw_baseline *baseline)
{
    memset(baseline, 0, sizeof(*baseline));
    lw_forecast_init(&baseline->forecast);
    for (unsigned i = 0; i < BASELINE_PROTOTYPES; i++) {
        baseline->prototypes[i] = INFINITY;
    }
}

/* 2^(exponent of x), for finite x other than 0, kept where its inverse is finite as well. */
static double power_of_two_near(double x)
{
    uint64_t bits;
    int64_t exponent;
    double power;

    memcpy(&bits, &x, sizeof(bits));
    exponent = (int64_t)((bits >> 52) & 0x7FF);
    exponent = exponent < 64 ? 64 : (exponent > 1982 ? 1982 : exponent);
    bits = (uint64_t)exponent << 52;
    memcpy(&power, &bits, sizeof(power));
    return power;
}

static double baseline_to_units(struct lw_baseline *baseline, double value)
{
    double offset, units;

    if (baseline->rows == 0) {
        baseline->origin = value;
    }
    offset = value - baseline->origin;
    if (baseline->unit == 0.0) {
        if (offset == 0.0) {
            return 0.0;
        }
        baseline->unit = power_of_two_near(offset);
        baseline->inverse_unit = 1.0 / baseline->unit;
    }
    units = offset * baseline->inverse_unit;
    return units > VALUE_MAX ? VALUE_MAX : (units < -VALUE_MAX ? -VALUE_MAX : units);
}

static float baseline_to_metric(const struct lw_baseline *baseline, double units)
{
    double value = baseline->origin + units * baseline->unit;

    return value > (double)FLT_MAX ? FLT_MAX : (value < -(double)FLT_MAX ? -FLT_MAX : (float)value);
}

static double row_gate(const struct row *row, double z, double deviation)
{
    if (fabs(deviation) < row->floor_units) {
        return 0.0;
    }
    if (row->config->direction == LW_DIRECTION_UP) {
        return z > 0.0 ? z : 0.0;
    }
    if (row->config->direction == LW_DIRECTION_DOWN) {
        return z < 0.0 ? z : 0.0;
    }
    return z;
}

static struct lw_season_phase row_phase(const struct lw_calendar *calendar, int64_t time_ns)
{
    struct lw_season_phase phase;
    int64_t local = calendar != NULL ? lw_calendar_local_ns(calendar, time_ns) : time_ns;
    int64_t day = local / DAY_NS - (local % DAY_NS < 0);
    int64_t in_day = local % DAY_NS + (local % DAY_NS < 0 ? DAY_NS : 0);
    int64_t weekday = ((day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday. */

    if (calendar != NULL && lw_calendar_is_holiday_local(calendar, local)) {
        weekday = 0;
    }
    phase.day = (double)in_day / (double)DAY_NS;
    phase.hour = (uint16_t)(weekday * 24 + in_day / HOUR_NS);
    return phase;
}

/*
 * What does a constant teach? If the series then moves and stays, or comes back, it was a level
 * that all its rows speak for, and the change is an incident: a disk that fills, a flag that is
 * raised. If it goes on to move to and fro, it was not yet in operation when it was constant, and
 * what is normal now must be learnt from the rows since. The two are told apart by the path that
 * the values cover after the first change: a step or a ramp, however long it lasts, covers its
 * extent once, an incident that ends twice, and a living series soon many times.
 */
static void baseline_follow_life(struct lw_baseline *baseline, double value)
{
    if (baseline->unit == 0.0) {
        baseline->still = baseline->rows;
        return;
    }
    if (baseline->alive != 0) {
        return;
    }
    baseline->extent = fabs(value) > (double)baseline->extent ? (float)fabs(value)
                                                              : baseline->extent;
    if (baseline->rows > baseline->still + 1) {
        baseline->path += (float)fabs(value - (double)baseline->last);
    }
    baseline->alive = (double)baseline->path > ALIVE_EXTENTS * (double)baseline->extent;
}

/* Rows that have taught what is normal. */
static uint32_t baseline_taught(const struct lw_baseline *baseline)
{
    return baseline->alive != 0 ? baseline->rows - baseline->still : baseline->rows;
}

static void row_prepare(struct row *row, struct lw_baseline *baseline, int64_t time_ns,
                        double value)
{
    int64_t learnt = lw_cadence_step(&baseline->cadence, time_ns);
    int64_t step_ns = row->config->step_ns > 0 ? row->config->step_ns : learnt;
    double slow, early;
    uint32_t taught;

    row->value = baseline_to_units(baseline, value);
    baseline_follow_life(baseline, row->value);
    taught = baseline_taught(baseline);
    early = 1.0 / ((double)taught + 1.0);
    row->rows_a_day = step_ns > 0 ? (double)DAY_NS / (double)step_ns : 1440.0;
    row->rows_a_day = row->rows_a_day > 1.0 ? row->rows_a_day : 1.0;
    slow = 1.0 / (MEMORY_DAYS * row->rows_a_day);
    row->pace.rate = early > slow ? early : slow;
    row->pace.clip = taught < TRACK_EARLY_ROWS ? TRACK_CLIP_EARLY : TRACK_CLIP;
    row->pace.shift_rows = (uint16_t)(row->rows_a_day < 100.0
                                          ? 100.0
                                          : (row->rows_a_day > 1440.0 ? 1440.0 : row->rows_a_day));
    row->pace.shift_rate = 4.0 / (double)row->pace.shift_rows;
    row->pace.floor = RANGE_FLOOR * lw_range_width(&baseline->novelty[CHANNEL_VALUE].range);
}

/* The largest absolute deviation that is never anomalous, in units. */
static double row_floor(const struct row *row, const struct lw_baseline *baseline, double expected)
{
    double relative = row->config->floor_relative *
                      fabs(baseline->origin + expected * baseline->unit);
    double floor = relative > row->config->floor_absolute ? relative : row->config->floor_absolute;

    return floor * baseline->inverse_unit;
}

static struct lw_forecast_view row_forecast(const struct row *row, struct lw_baseline *baseline)
{
    struct lw_period_ring ring = {.values = baseline->ring, .at = baseline->ring_at};
    struct lw_forecast_row in = {.value = row->value, .level = row->level, .spread = row->spread};
    double scale = lw_track_spread(&baseline->step);
    unsigned lag = PERIOD_NONE;

    if (baseline->rows > 0) {
        lag = lw_period_step(&baseline->period, &ring, row->value, scale > 0.0 ? 1.0 / scale : 0.0);
    }
    in.period_ago = lw_period_back(&ring, lag);
    return lw_forecast_step(&baseline->forecast, &row->pace, &in);
}

static void row_surprise(struct row *row, struct lw_baseline *baseline, int64_t time_ns)
{
    struct lw_season_row in = {.phase = row_phase(row->config->calendar, time_ns),
                               .rows_a_day = row->rows_a_day,
                               .value = row->value,
                               .level = baseline->value.level};
    double deviation, short_deviation, z[4], sum = 0.0;

    row->level = baseline->value.level;
    row->spread = lw_track_spread(&baseline->value);
    row->spread = row->spread > row->pace.floor ? row->spread : row->pace.floor;
    deviation = row->value - row->level;
    row->z_level = lw_track_step(&baseline->value, &row->pace, row->value);
    row->season = lw_season_step(&baseline->season, &row->pace, &in);
    row->forecast = row_forecast(row, baseline);
    baseline->short_mean += (float)((row->season.residual - (double)baseline->short_mean) /
                                    SHORT_ROWS);
    short_deviation = (double)baseline->short_mean - baseline->short_track.level;
    row->z_short = lw_track_step(&baseline->short_track, &row->pace, (double)baseline->short_mean);
    row->z_step = lw_track_step(&baseline->step, &row->pace, row->value - (double)baseline->last);
    row->floor_units = row_floor(row, baseline, row->season.expected);
    z[0] = row_gate(row, row->z_level, deviation);
    z[1] = row_gate(row, row->season.z, row->season.deviation);
    z[2] = row_gate(row, row->forecast.z, row->forecast.error);
    z[3] = row_gate(row, row->z_short, short_deviation);
    for (unsigned i = 0; i < 4; i++) {
        sum += z[i] * z[i];
    }
    row->surprise = sqrt(sum);
    row->surprise = row->surprise < SURPRISE_MAX ? row->surprise : SURPRISE_MAX;
}

/* 1 - 2^(-x). */
static double share_of(double x)
{
    double share = x > 0.0 ? 1.0 - lw_exp2(-x) : 0.0;

    return share < SHARE_MOST ? share : SHARE_MOST;
}

/*
 * Both blends are over two rows and in logs: mean = sqrt(mean (1 + q)) is the mean of logs, sqrt((1
 * + q) mean) its blend with the row itself. The hold fades in logs as well, so it is kept as one.
 */
static double row_state(struct row *row, struct lw_baseline *baseline)
{
    double z_step = row_gate(row, row->z_step, row->value - (double)baseline->last);
    double now = 1.0 + row->surprise;
    double state_now = 1.0 + sqrt(row->surprise * row->surprise + STEP_WEIGHT * z_step * z_step);
    double state, held;

    baseline->mean = (float)sqrt((1.0 + (double)baseline->mean) * now) - 1.0f;
    row->smoothed = sqrt(now * (1.0 + (double)baseline->mean)) - 1.0;
    baseline->state_mean = (float)sqrt((1.0 + (double)baseline->state_mean) * state_now) - 1.0f;
    state = sqrt(state_now * (1.0 + (double)baseline->state_mean));
    baseline->hold = (float)(HOLD_KEEP * (double)baseline->hold);
    held = lw_exp((double)baseline->hold);
    if (state > held) {
        baseline->hold = (float)lw_log(state);
        held = state;
    }
    baseline->last = (float)row->value;
    return share_of((sqrt(state * held) - 1.0) / STATE_HALF);
}

/* A novelty on the side nobody asked about, or closer than the floor, is none. */
static void row_channel(struct row *row, struct lw_baseline *baseline,
                        enum baseline_channel channel, double value)
{
    uint16_t first = channel_rules[channel].first;
    struct lw_novelty_rule rule = {.vigilance = channel_rules[channel].vigilance,
                                   .pull = 1.0 / (RANGE_DAYS * row->rows_a_day),
                                   .slots = channel_rules[channel].slots,
                                   .kernels = row->kernels};
    struct lw_novelty_view *view = &row->novelty[channel];
    double distance;

    *view = lw_novelty_step(&baseline->novelty[channel], &rule, baseline->prototypes + first,
                            baseline->ages + first, value);
    distance = channel == CHANNEL_SWING ? fabs(row->value - row->season.expected) : view->distance;
    if (row_gate(row, row->value - row->level < 0.0 ? -1.0 : 1.0, distance) == 0.0) {
        view->relative = 0.0;
        view->severity = 0.0;
    }
}

static void row_novelty(struct row *row, struct lw_baseline *baseline)
{
    float least, greatest;
    double width;

    if (baseline->rows == 0) {
        for (unsigned i = 0; i < BASELINE_RING; i++) {
            baseline->ring[i] = (float)row->value;
        }
    }
    baseline->ring[baseline->ring_at] = (float)row->value;
    baseline->ring_at = (uint16_t)(baseline->ring_at + 1 < BASELINE_RING ? baseline->ring_at + 1
                                                                         : 0);
    row->kernels = lw_kernels_best();
    row->kernels->extremes(baseline->ring, BASELINE_RING, &least, &greatest);
    row_channel(row, baseline, CHANNEL_VALUE, row->value);
    row_channel(row, baseline, CHANNEL_LEAST, (double)least);
    row_channel(row, baseline, CHANNEL_WEEKLY, (double)baseline->season.week_mean_now);
    width = lw_range_width(&baseline->novelty[CHANNEL_VALUE].range);
    row->novelty[CHANNEL_SWING] = (struct lw_novelty_view){0.0, 0.0, 0.0};
    if (baseline->rows >= BASELINE_RING && width > 0.0) {
        if (greatest - least != baseline->swing_width) {
            baseline->swing_width = greatest - least;
            baseline->swing = (float)lw_log((double)baseline->swing_width + SWING_FLOOR * width);
        }
        row_channel(row, baseline, CHANNEL_SWING, (double)baseline->swing);
    }
}

/* Rows that the alarm budget leaves between two alarms. */
static double row_budget(const struct row *row)
{
    const struct lw_baseline_config *config = row->config;
    double rows, least = (double)config->budget_rows;

    if (config->benchmark && config->budget_ns <= 0 && config->budget_rows <= 0) {
        rows = BENCHMARK_DAYS * row->rows_a_day;
        least = BENCHMARK_ROWS;
    } else {
        rows = config->budget_ns > 0 ? (double)config->budget_ns / (double)DAY_NS : BENCHMARK_DAYS;
        rows *= row->rows_a_day;
    }
    return least > 0.0 && least < rows ? least : rows;
}

/* Weight of the prior that every series starts with, in rows. */
static double row_own_prior(double budget)
{
    return PRIOR_SHARE * (budget < BENCHMARK_ROWS ? budget : BENCHMARK_ROWS);
}

/* Strength of the strongest novelty: above 1 when it is an alarm. At the point benchmark any that
 * is new; else a rare one. */
static double row_novelty_strength(const struct row *row, struct lw_baseline *baseline,
                                   const struct lw_incident_rule *rule)
{
    double relative = 0.0, severity = 0.0, return_rows;

    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        relative = row->novelty[i].relative > relative ? row->novelty[i].relative : relative;
        severity = row->novelty[i].severity > severity ? row->novelty[i].severity : severity;
    }
    if (row->config->benchmark || relative < 1.0) {
        return row->config->benchmark ? relative : 0.0;
    }
    return_rows = lw_births_return_rows(&baseline->births, (double)baseline->rows,
                                        row_own_prior(rule->budget_rows), severity);
    lw_births_add(&baseline->births, (double)baseline->rows, severity);
    if (return_rows < rule->budget_rows) {
        return 0.0;
    }
    return 1.0 + 0.1 * lw_log10(return_rows / rule->budget_rows);
}

static double row_outside(const struct row *row, struct lw_baseline *baseline, double value)
{
    bool was = baseline->outside != 0;

    baseline->outside = value < row->config->legal_min || value > row->config->legal_max;
    return baseline->outside && !was ? OUTSIDE_STRENGTH : 0.0;
}

/* Which signal speaks loudest: novelty by its channel, surprise by its member. */
static uint8_t row_kind(const struct row *row, const struct lw_baseline *baseline, double novelty,
                        double surprise)
{
    static const uint8_t member_kinds[] = {LW_KIND_SPIKE, LW_KIND_PATTERN, LW_KIND_SPIKE,
                                           LW_KIND_LEVEL};
    static const uint8_t channel_kinds[CHANNEL_COUNT] = {LW_KIND_SPIKE, LW_KIND_LEVEL,
                                                         LW_KIND_PATTERN, LW_KIND_NOISE};
    double members[] = {row->z_level, row->season.z, row->forecast.z, row->z_short};
    uint8_t kind = LW_KIND_NONE;
    unsigned most = 0;

    if (baseline->outside) {
        return LW_KIND_RANGE;
    }
    if (novelty >= 1.0 && novelty >= surprise) {
        for (unsigned i = 1; i < CHANNEL_COUNT; i++) {
            most = row->novelty[i].relative > row->novelty[most].relative ? i : most;
        }
        kind = channel_kinds[most];
    } else if (row->smoothed >= INCIDENT_SURPRISE) {
        for (unsigned i = 1; i < 4; i++) {
            most = fabs(members[i]) > fabs(members[most]) ? i : most;
        }
        kind = member_kinds[most];
        if (lw_track_adopts(&baseline->value, &row->pace)) {
            kind = LW_KIND_TREND;
        }
    }
    if (kind == LW_KIND_SPIKE && row->value < row->level) {
        kind = LW_KIND_DROP;
    }
    return kind;
}

/*
 * The same with the detector's pooled tail. That weighs as many rows as the budget asks about: a
 * series' own record, however long, says little of what comes once in a time ten thousand series
 * share.
 */
static double row_prior(const struct row *row, double budget)
{
    double own = row_own_prior(budget);
    double pooled = row->config->tail != NULL ? (double)row->config->tail->n_rows : 0.0;

    pooled = pooled < budget ? pooled : budget;
    return own > pooled ? own : pooled;
}

static double row_event(const struct row *row, struct lw_baseline *baseline, double value,
                        struct lw_baseline_result *result)
{
    double budget = row_budget(row);
    struct lw_incident_rule rule = {.rows = (double)baseline_taught(baseline),
                                    .tail = row->config->tail};
    double strength, novelty, outside = row_outside(row, baseline, value);

    rule.budget_rows = budget * (row->config->benchmark ? BUDGET_SHARE_BENCHMARK : BUDGET_SHARE);
    rule.prior_rows = row_prior(row, budget);
    result->return_rows = (float)lw_incident_step(&baseline->incident, baseline->incidents, &rule,
                                                  row->smoothed, &strength);
    novelty = row_novelty_strength(row, baseline, &rule);
    result->kind = row_kind(row, baseline, novelty, strength);
    strength = novelty > strength ? novelty : strength;
    strength = outside > strength ? outside : strength;
    if (strength >= 1.0) {
        lw_incident_told(&baseline->incident, row->smoothed);
    }
    return lw_refractory_step(&baseline->refractory, baseline->rows, strength);
}

/* What is not legal is not expected either. */
static void band_clip(float *bound, const struct lw_baseline_config *config)
{
    *bound = *bound < (float)config->legal_min ? (float)config->legal_min : *bound;
    *bound = *bound > (float)config->legal_max ? (float)config->legal_max : *bound;
}

static void result_band(const struct row *row, const struct lw_baseline *baseline,
                        struct lw_baseline_result *result)
{
    double half = BAND_SCALES * row->season.scale;

    half = half > row->floor_units ? half : row->floor_units;
    result->expected = baseline_to_metric(baseline, row->season.expected);
    result->lower = baseline_to_metric(baseline, row->season.expected - half);
    result->upper = baseline_to_metric(baseline, row->season.expected + half);
    band_clip(&result->expected, row->config);
    band_clip(&result->lower, row->config);
    band_clip(&result->upper, row->config);
}

static enum lw_confidence row_confidence(const struct row *row, const struct lw_baseline *baseline)
{
    double rows = (double)baseline->rows;
    double full = row->rows_a_day > FULL_ROWS_MOST ? FULL_ROWS_MOST : row->rows_a_day;
    double least = MEMORY_DAYS * row->rows_a_day < FULL_ROWS_LEAST ? MEMORY_DAYS * row->rows_a_day
                                                                   : FULL_ROWS_LEAST;

    full = full > least ? full : least;
    full = full > FULL_ROWS_FEW ? full : FULL_ROWS_FEW;
    if (rows < TRACK_EARLY_ROWS) {
        return LW_CONFIDENCE_NONE;
    }
    return rows < full ? LW_CONFIDENCE_LOW : LW_CONFIDENCE_FULL;
}

/* A row without a value teaches nothing: what was unusual fades. */
static void baseline_skip(struct lw_baseline *baseline, struct lw_baseline_result *result)
{
    result->expected = result->lower = result->upper = NAN;
    result->score = NAN;
    if (baseline->rows < TRACK_EARLY_ROWS) {
        return;
    }
    baseline->hold = (float)(HOLD_KEEP * (double)baseline->hold);
    result->score = (float)share_of((lw_exp(0.5 * (double)baseline->hold) - 1.0) / STATE_HALF);
    result->confidence = LW_CONFIDENCE_LOW;
}

void lw_baseline_step(const struct lw_baseline_config *config, struct lw_baseline *baseline,
                      int64_t time_ns, double value, struct lw_baseline_result *ret_result)
{
    LW_UNINITIALIZED struct row row; /* Filled part by part: clearing it costs as much as a tracker.
                                      */
    double state, event;

    memset(ret_result, 0, sizeof(*ret_result));
    if (value != value) {
        baseline_skip(baseline, ret_result);
        return;
    }
    row.config = config;
    row_prepare(&row, baseline, time_ns, value);
    row_surprise(&row, baseline, time_ns);
    state = row_state(&row, baseline);
    row_novelty(&row, baseline);
    event = row_event(&row, baseline, value, ret_result);
    result_band(&row, baseline, ret_result);
    ret_result->confidence = (uint8_t)row_confidence(&row, baseline);
    ret_result->q = (float)row.smoothed;
    baseline->rows += baseline->rows < UINT32_MAX;
    if (ret_result->confidence == LW_CONFIDENCE_NONE) {
        ret_result->score = NAN;
        ret_result->expected = ret_result->lower = ret_result->upper = NAN;
        ret_result->kind = LW_KIND_NONE;
        return;
    }
    ret_result->score = (float)state;
    ret_result->event = (float)share_of(event);
    ret_result->onset = event >= 1.0;
    ret_result->alarm = baseline->outside ||
                        (baseline->incident.alarmed > 0.0f && row.smoothed >= INCIDENT_SURPRISE);
}

void lw_baseline_pool(const struct lw_baseline *baseline, struct lw_tail *tail)
{
    lw_tail_add(tail, baseline->incidents, baseline->rows - baseline->still);
}

void lw_baseline_prefetch(const struct lw_baseline *baseline, int64_t time_ns)
{
    const char *bytes = (const char *)baseline;
    int64_t in_day = time_ns % DAY_NS + (time_ns % DAY_NS < 0 ? DAY_NS : 0);
    size_t bin = (size_t)(in_day / (DAY_NS / SEASON_DAY_BINS));
    size_t hour = (size_t)(((time_ns / HOUR_NS + 4 * 24) % SEASON_WEEK_BINS + SEASON_WEEK_BINS) %
                           SEASON_WEEK_BINS);

    for (size_t at = 0; at < BASELINE_HOT_BYTES; at += 64) {
        __builtin_prefetch(bytes + at, 1);
    }
    __builtin_prefetch(&baseline->season.day[bin], 1);
    __builtin_prefetch(&baseline->season.week[hour], 1);
}
