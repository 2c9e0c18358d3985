/*
 * Data faults of one series.
 *
 * Silent and stuck ask the same question: is this stretch (without a sample; of one value) longer
 * than this series ever had? A stretch several times longer than the longest of hundreds is not
 * chance, and a series that is often quiet or often constant has long stretches of its own and so
 * protects itself. The longest is remembered over two periods of a fortnight, so that an outage
 * dulls the detector for a few weeks and not for ever.
 *
 * What is never called stuck: a series that repeats itself as a habit (integer, sparse,
 * zero-inflated, near-constant: more than REPEATS_MOST of its samples), a value of 0, and the least
 * or greatest value the series ever had. An idle host rests at 0, a full disk at its top, a counter
 * nobody increments at its greatest: all of these are news for the baseline, not faults of the
 * data.
 *
 * Skew is told from late delivery by its constancy: a clock that is off stays off by the same
 * amount while the watermark goes on, whereas a backlog catches up. Of all samples under one
 * watermark only the first is asked, because a host may hand over hours of history at once.
 */
#include "detect/fault.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define SECOND_NS 1000000000.0
#define MINUTE_NS INT64_C(60000000000)
#define PERIOD_MIN (14 * 24 * 60)
#define WEEK_NS INT64_C(604800000000000)
#define FAULT_VERSION 1

/* Silent. */
#define SILENT_SAMPLES 30   /* Before that nothing is called silent. */
#define SILENT_TYPICAL 10.0 /* Times the median interval, for a series at a steady pace, ... */
#define SILENT_WIDE 20.0    /* ... or times the .95 quantile for others, after a whole period. */
#define SILENT_GAP 3.0      /* And times the longest gap. */
#define SILENT_LEAST_S 60.0
#define GONE_WAITS 10.0     /* Silent for so many waits ... */
#define GONE_LEAST_S 3600.0 /* ... and so long: gone. */
#define STEADY_RATIO 1.5    /* A steady pace: the .95 quantile is at most this many medians. */
#define PACE_EARLY_SAMPLES 100

/* Stuck. */
#define STUCK_SAMPLES 1000
#define STUCK_LEARN_MIN (24 * 60) /* A day and a night were seen. */
#define STUCK_RUN 10              /* Times the longest run, ... */
#define STUCK_RUN_LEAST 30        /* ... at least so many repeats ... */
#define STUCK_LASTS_S 300.0       /* ... and so long. */
#define REPEATS_MOST 0.1
#define REPEATS_SAMPLES 10000.0 /* Over about so many samples the share is taken. */

/* Duplicated: a share over about 128 samples. */
#define DUPLICATE_RATE_SHIFT 7
#define DUPLICATE_ON (65536 / 4)
#define DUPLICATE_OFF (65536 / 20)

/* Skewed. */
#define SKEW_EVIDENCE_ON 10
#define SKEW_EVIDENCE_MOST 12
#define SKEW_LAG_SHARE 0.2 /* The lag counts as the same within this share. */
#define SKEW_LASTS_S 300.0 /* It must last so long and so many intervals. */
#define SKEW_LASTS_INTERVALS 20.0
#define AHEAD_LEAST_S 60.0
#define AHEAD_INTERVALS 10.0

enum {
    FLAG_SILENT = 1,
    FLAG_STUCK = 2,
    FLAG_DUPLICATE = 4,
    FLAG_SKEW = 8,
    FLAG_RESUMED = 16, /* The last moment is a resumption, no sample: the next interval is none. */
    FLAG_ALL = 31
};
#define EVIDENCE_SHIFT 5 /* The flags' upper bits hold the evidence for skew, 0 to 15. */

static_assert(sizeof(struct lw_fault) <= 96, "the state of faults is at most 96 bytes a series");

void lw_fault_init(struct lw_fault *fault)
{
    memset(fault, 0, sizeof(*fault));
    fault->least = fault->greatest = NAN;
}

static bool fault_has(const struct lw_fault *fault, unsigned flag)
{
    return (fault->flags & flag) != 0;
}

static void fault_set(struct lw_fault *fault, unsigned flag, bool holds)
{
    fault->flags = (uint16_t)(holds ? fault->flags | flag : fault->flags & ~flag);
}

static uint32_t minute_of(int64_t time_ns)
{
    int64_t minute = time_ns / MINUTE_NS;

    return minute < 1 ? 1 : minute > UINT32_MAX ? UINT32_MAX : (uint32_t)minute;
}

/* A moment later by so many seconds; the end of time when it is past that. */
static int64_t time_after(int64_t time_ns, double seconds)
{
    double nanoseconds = seconds * SECOND_NS;
    int64_t more = nanoseconds < 9.2e18 ? (int64_t)nanoseconds : INT64_MAX;

    return time_ns > INT64_MAX - more ? INT64_MAX : time_ns + more;
}

/* Seconds from a to b, as the whole span of time may lie between. */
static double seconds_between(int64_t a, int64_t b)
{
    return b >= a ? (double)((uint64_t)b - (uint64_t)a) / SECOND_NS
                  : -((double)((uint64_t)a - (uint64_t)b) / SECOND_NS);
}

/* ---- silent ---- */

static float quantile_follow(float at, float interval, float up, float down)
{
    return interval > at ? at * (1.0f + up) : at / (1.0f + down);
}

/* Both quantiles are followed in steps of a few percent, so that a gap counts as one interval
 * however long it was. */
static void pace_learn(struct lw_fault *fault, int64_t time_ns)
{
    float interval = (float)seconds_between(fault->last_time_ns, time_ns);
    float step = fault->n_samples < PACE_EARLY_SAMPLES ? 0.1f : 0.02f;

    if (!(interval > 0.0f)) {
        return;
    }
    if (fault->typical_s == 0.0f) {
        fault->typical_s = fault->wide_s = interval;
    } else {
        fault->typical_s = quantile_follow(fault->typical_s, interval, step, step);
        fault->wide_s = quantile_follow(fault->wide_s, interval, step, step / 19.0f);
    }
    fault->gap_s[0] = interval > fault->gap_s[0] ? interval : fault->gap_s[0];
}

static void period_turn(struct lw_fault *fault, int64_t time_ns)
{
    uint32_t minute = minute_of(time_ns);

    if (fault->period_min == 0) {
        fault->period_min = minute;
    } else if (minute >= fault->period_min && minute - fault->period_min >= PERIOD_MIN) {
        fault->period_min = minute;
        fault->gap_s[1] = fault->gap_s[0];
        fault->gap_s[0] = 0.0f;
        fault->run[1] = fault->run[0];
        fault->run[0] = 0;
    }
}

int64_t lw_fault_silent_at(const struct lw_fault_config *config, const struct lw_fault *fault)
{
    double least = config->silent_least_ns > 0 ? (double)config->silent_least_ns / SECOND_NS
                                               : SILENT_LEAST_S;
    double longest = (double)(fault->gap_s[0] > fault->gap_s[1] ? fault->gap_s[0]
                                                                : fault->gap_s[1]);
    double typical = (double)fault->typical_s, wide = (double)fault->wide_s;
    bool steady = wide <= STEADY_RATIO * typical;
    double wait;

    if (fault->n_samples > 0 && config->silent_after_ns > 0) {
        return time_after(fault->last_time_ns, (double)config->silent_after_ns / SECOND_NS);
    }
    if (fault->n_samples < SILENT_SAMPLES || typical == 0.0 ||
        (!steady && fault->gap_s[1] == 0.0f)) {
        return INT64_MAX;
    }
    wait = steady ? SILENT_TYPICAL * typical : SILENT_WIDE * wide;
    wait = wait > SILENT_GAP * longest ? wait : SILENT_GAP * longest;
    return time_after(fault->last_time_ns, wait > least ? wait : least);
}

enum lw_anomaly_type lw_fault_advance(const struct lw_fault_config *config, struct lw_fault *fault,
                                      int64_t now_ns)
{
    int64_t silent_at = lw_fault_silent_at(config, fault);

    if (fault_has(fault, FLAG_SILENT) || silent_at == INT64_MAX || now_ns < silent_at) {
        return LW_TYPE_NONE;
    }
    fault_set(fault, FLAG_SILENT, true);
    return LW_TYPE_SILENT;
}

bool lw_fault_gone(const struct lw_fault_config *config, const struct lw_fault *fault,
                   int64_t now_ns)
{
    int64_t silent_at = lw_fault_silent_at(config, fault);
    double wait = GONE_WAITS * seconds_between(fault->last_time_ns, silent_at);

    return fault_has(fault, FLAG_SILENT) &&
           seconds_between(silent_at, now_ns) >= (wait > GONE_LEAST_S ? wait : GONE_LEAST_S);
}

void lw_fault_resume(struct lw_fault *fault, int64_t now_ns)
{
    if (fault->n_samples > 0 && now_ns > fault->last_time_ns) {
        fault->last_time_ns = now_ns;
        fault_set(fault, FLAG_SILENT, false);
        fault_set(fault, FLAG_RESUMED, true);
    }
}

bool lw_fault_is_resumed(const struct lw_fault *fault)
{
    return fault_has(fault, FLAG_RESUMED);
}

/* ---- stuck ---- */

/* The number of repeats that this series has never come near. */
static unsigned stuck_limit(const struct lw_fault *fault)
{
    unsigned longest = fault->run[0] > fault->run[1] ? fault->run[0] : fault->run[1];

    return STUCK_RUN * longest > STUCK_RUN_LEAST ? STUCK_RUN * longest : STUCK_RUN_LEAST;
}

static bool stuck_begins(const struct lw_fault *fault, int64_t time_ns)
{
    float value = (float)fault->last_value;
    bool learnt = fault->n_samples >= STUCK_SAMPLES &&
                  (fault->gap_s[1] > 0.0f ||
                   minute_of(time_ns) >= (uint64_t)fault->period_min + STUCK_LEARN_MIN);
    bool habit = (double)fault->repeats > REPEATS_MOST;
    bool at_rest = fault->last_value == 0.0 || value <= fault->least || value >= fault->greatest;

    return !fault_has(fault, FLAG_STUCK) && learnt && !habit && !at_rest &&
           fault->run_length >= stuck_limit(fault) &&
           seconds_between(fault->run_start_ns, time_ns) >= STUCK_LASTS_S;
}

static void value_change(struct lw_fault *fault, int64_t time_ns, double value)
{
    float x = (float)value;

    fault->run[0] = fault->run_length > fault->run[0] ? fault->run_length : fault->run[0];
    fault->run_length = 0;
    fault->run_start_ns = time_ns;
    fault->last_value = value;
    fault->least = x < fault->least || isnan(fault->least) ? x : fault->least;
    fault->greatest = x > fault->greatest || isnan(fault->greatest) ? x : fault->greatest;
    fault_set(fault, FLAG_STUCK, false);
}

/* A stuck stretch teaches nothing about how often the series repeats itself. */
static enum lw_anomaly_type value_learn(struct lw_fault *fault, int64_t time_ns, double value)
{
    bool first = isnan(fault->least);
    bool repeats = !first && value == fault->last_value;
    double weight = fault->n_samples < REPEATS_SAMPLES ? 1.0 / (1.0 + (double)fault->n_samples)
                                                       : 1.0 / REPEATS_SAMPLES;

    if (repeats) {
        fault->run_length = (uint16_t)(fault->run_length + (fault->run_length < UINT16_MAX));
    } else {
        value_change(fault, time_ns, value);
    }
    if (!fault_has(fault, FLAG_STUCK)) {
        fault->repeats += (float)(weight * ((repeats ? 1.0 : 0.0) - (double)fault->repeats));
    }
    if (!stuck_begins(fault, time_ns)) {
        return LW_TYPE_NONE;
    }
    fault_set(fault, FLAG_STUCK, true);
    return LW_TYPE_STUCK;
}

enum lw_anomaly_type lw_fault_sample(const struct lw_fault_config *config, struct lw_fault *fault,
                                     int64_t time_ns, double value)
{
    enum lw_anomaly_type begun = LW_TYPE_NONE;

    (void)config;
    period_turn(fault, time_ns);
    if (fault->n_samples > 0 && !fault_has(fault, FLAG_RESUMED)) {
        pace_learn(fault, time_ns);
    }
    if (!isnan(value)) {
        begun = value_learn(fault, time_ns, value);
    }
    if (!fault_has(fault, FLAG_RESUMED) || time_ns >= fault->last_time_ns) {
        fault_set(fault, FLAG_SILENT | FLAG_RESUMED, false);
        fault->last_time_ns = time_ns;
    } /* Else it waited in an open step since before the resumption. */
    fault->n_samples = (uint16_t)(fault->n_samples + (fault->n_samples < UINT16_MAX));
    return begun;
}

/* ---- duplicated ---- */

static void duplicates_learn(struct lw_fault *fault, bool duplicate)
{
    int32_t share = fault->duplicates;

    share += ((duplicate ? 65535 : 0) - share) / (1 << DUPLICATE_RATE_SHIFT);
    fault->duplicates = (uint16_t)share;
    if (share < DUPLICATE_OFF) {
        fault_set(fault, FLAG_DUPLICATE, false);
    }
}

enum lw_anomaly_type lw_fault_duplicate(const struct lw_fault_config *config,
                                        struct lw_fault *fault, int64_t time_ns)
{
    (void)config;
    duplicates_learn(fault, true);
    if (fault->duplicates < DUPLICATE_ON || fault_has(fault, FLAG_DUPLICATE)) {
        return LW_TYPE_NONE;
    }
    fault_set(fault, FLAG_DUPLICATE, true);
    fault->duplicate_ns = time_ns;
    return LW_TYPE_DUPLICATE;
}

/* ---- skewed ---- */

static unsigned skew_evidence(const struct lw_fault *fault)
{
    return (unsigned)fault->flags >> EVIDENCE_SHIFT;
}

static void skew_evidence_set(struct lw_fault *fault, unsigned evidence)
{
    fault->flags = (uint16_t)((fault->flags & FLAG_ALL) | (evidence << EVIDENCE_SHIFT));
}

/* True once for each value of the watermark. */
static bool watermark_moved(struct lw_fault *fault, int64_t watermark_ns)
{
    uint64_t bits = (uint64_t)watermark_ns;
    uint32_t mark = (uint32_t)(bits ^ (bits >> 32));
    bool moved = mark != fault->watermark_mark;

    fault->watermark_mark = mark;
    return moved;
}

/* A sample far from the watermark: lag_s behind it, negative when ahead of it. */
static enum lw_anomaly_type skew_learn(struct lw_fault *fault, double lag_s, int64_t watermark_ns)
{
    double typical = (double)fault->typical_s, before = (double)fault->lag_s;
    double tolerance = SKEW_LAG_SHARE * fabs(before);
    double lasts = SKEW_LASTS_INTERVALS * typical > SKEW_LASTS_S ? SKEW_LASTS_INTERVALS * typical
                                                                 : SKEW_LASTS_S;
    unsigned evidence = skew_evidence(fault);

    tolerance = tolerance > 2.0 * typical ? tolerance : 2.0 * typical;
    if (evidence == 0 || fabs(lag_s - before) > tolerance) {
        fault->lag_s = (float)lag_s;
        fault->skew_ns = fault_has(fault, FLAG_SKEW) ? fault->skew_ns : watermark_ns;
        evidence = 0;
    }
    evidence = evidence + 2 < SKEW_EVIDENCE_MOST ? evidence + 2 : SKEW_EVIDENCE_MOST;
    skew_evidence_set(fault, evidence);
    if (fault_has(fault, FLAG_SKEW) || evidence < SKEW_EVIDENCE_ON ||
        seconds_between(fault->skew_ns, watermark_ns) < lasts) {
        return LW_TYPE_NONE;
    }
    fault_set(fault, FLAG_SKEW, true);
    return LW_TYPE_SKEW;
}

enum lw_anomaly_type lw_fault_arrival(const struct lw_fault_config *config, struct lw_fault *fault,
                                      int64_t time_ns, int64_t watermark_ns)
{
    double ahead, most = AHEAD_INTERVALS * (double)fault->typical_s;
    unsigned evidence = skew_evidence(fault);

    duplicates_learn(fault, false);
    if (watermark_ns == INT64_MIN || !watermark_moved(fault, watermark_ns)) {
        return LW_TYPE_NONE;
    }
    ahead = seconds_between(watermark_ns, time_ns) -
            (double)(config->lateness_ns + config->step_ns) / SECOND_NS;
    most = most > AHEAD_LEAST_S ? most : AHEAD_LEAST_S;
    if (ahead > most && fault->n_samples >= SILENT_SAMPLES) {
        return skew_learn(fault, -ahead, watermark_ns);
    }
    if (evidence > 0) {
        skew_evidence_set(fault, evidence - 1);
    }
    if (evidence <= 1) {
        fault_set(fault, FLAG_SKEW, false);
    }
    return LW_TYPE_NONE;
}

enum lw_anomaly_type lw_fault_late(const struct lw_fault_config *config, struct lw_fault *fault,
                                   int64_t time_ns, int64_t watermark_ns)
{
    (void)config;
    if (fault->n_samples < SILENT_SAMPLES || !watermark_moved(fault, watermark_ns)) {
        return LW_TYPE_NONE;
    }
    return skew_learn(fault, seconds_between(time_ns, watermark_ns), watermark_ns);
}

/* ---- reset, and what holds ---- */

enum lw_anomaly_type lw_fault_reset(const struct lw_fault_config *config, struct lw_fault *fault,
                                    int64_t time_ns)
{
    int64_t budget_min = (config->budget_ns > 0 ? config->budget_ns : WEEK_NS) / MINUTE_NS;
    uint32_t minute = minute_of(time_ns);
    bool recent = fault->reset_min != 0 && (int64_t)minute - (int64_t)fault->reset_min < budget_min;

    fault->reset_min = minute;
    return recent ? LW_TYPE_NONE : LW_TYPE_RESET;
}

enum lw_anomaly_type lw_fault_active(const struct lw_fault_config *config,
                                     const struct lw_fault *fault, int64_t *ret_start_ns)
{
    enum lw_anomaly_type type = LW_TYPE_NONE;
    int64_t start_ns = 0;

    if (fault_has(fault, FLAG_SKEW)) {
        type = LW_TYPE_SKEW;
        start_ns = fault->skew_ns;
    } else if (fault_has(fault, FLAG_SILENT)) {
        type = LW_TYPE_SILENT;
        start_ns = lw_fault_silent_at(config, fault);
    } else if (fault_has(fault, FLAG_STUCK)) {
        type = LW_TYPE_STUCK;
        start_ns = fault->run_start_ns;
    } else if (fault_has(fault, FLAG_DUPLICATE)) {
        type = LW_TYPE_DUPLICATE;
        start_ns = fault->duplicate_ns;
    }
    if (ret_start_ns != NULL && type != LW_TYPE_NONE) {
        *ret_start_ns = start_ns;
    }
    return type;
}

/* ---- bytes ---- */

void lw_fault_save(const struct lw_fault *fault, struct lw_writer *writer)
{
    lw_write_u16(writer, FAULT_VERSION);
    lw_write_i64(writer, fault->last_time_ns);
    lw_write_f64(writer, fault->last_value);
    lw_write_i64(writer, fault->run_start_ns);
    lw_write_i64(writer, fault->duplicate_ns);
    lw_write_i64(writer, fault->skew_ns);
    lw_write_u32(writer, fault->period_min);
    lw_write_u32(writer, fault->reset_min);
    lw_write_f32(writer, fault->typical_s);
    lw_write_f32(writer, fault->wide_s);
    lw_write_f32s(writer, fault->gap_s, 2);
    lw_write_f32(writer, fault->repeats);
    lw_write_f32(writer, fault->least);
    lw_write_f32(writer, fault->greatest);
    lw_write_f32(writer, fault->lag_s);
    lw_write_u32(writer, fault->watermark_mark);
    lw_write_u16(writer, fault->run[0]);
    lw_write_u16(writer, fault->run[1]);
    lw_write_u16(writer, fault->run_length);
    lw_write_u16(writer, fault->n_samples);
    lw_write_u16(writer, fault->duplicates);
    lw_write_u16(writer, fault->flags);
}

/* A number that is no NaN and not below 0. */
static bool sane(float x)
{
    return x >= 0.0f && isfinite(x);
}

enum lw_status lw_fault_load(struct lw_fault *ret_fault, struct lw_reader *reader,
                             struct lw_error *reterr)
{
    struct lw_fault f;
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != FAULT_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "the faults of a series are saved in version %u; this one reads %d",
                            version, FAULT_VERSION);
    }
    memset(&f, 0, sizeof(f));
    f.last_time_ns = lw_read_i64(reader);
    f.last_value = lw_read_f64(reader);
    f.run_start_ns = lw_read_i64(reader);
    f.duplicate_ns = lw_read_i64(reader);
    f.skew_ns = lw_read_i64(reader);
    f.period_min = lw_read_u32(reader);
    f.reset_min = lw_read_u32(reader);
    f.typical_s = lw_read_f32(reader);
    f.wide_s = lw_read_f32(reader);
    lw_read_f32s(reader, f.gap_s, 2);
    f.repeats = lw_read_f32(reader);
    f.least = lw_read_f32(reader);
    f.greatest = lw_read_f32(reader);
    f.lag_s = lw_read_f32(reader);
    f.watermark_mark = lw_read_u32(reader);
    f.run[0] = lw_read_u16(reader);
    f.run[1] = lw_read_u16(reader);
    f.run_length = lw_read_u16(reader);
    f.n_samples = lw_read_u16(reader);
    f.duplicates = lw_read_u16(reader);
    f.flags = lw_read_u16(reader);
    if (reader->status != LW_OK || !sane(f.typical_s) || !sane(f.wide_s) || !sane(f.gap_s[0]) ||
        !sane(f.gap_s[1]) || !sane(f.repeats) || f.repeats > 1.0f || !isfinite(f.lag_s) ||
        !isfinite(f.last_value) || skew_evidence(&f) > SKEW_EVIDENCE_MOST) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the saved faults of a series end early or are none");
    }
    *ret_fault = f;
    return LW_OK;
}
