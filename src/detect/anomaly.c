/*
 * The life of an anomaly.
 *
 * What verdicts say is summed up in bounded memory from the onset on: surprise by series (the
 * twelve largest; the total counts all, so shares never sum to more than 1), surprise by type, and
 * the shape of the leading series' deviation. The type is decided anew at every step, from what is
 * known so far:
 *
 * - a fault of the data, or a value outside its legal range, when verdicts of that kind carry most
 *   of the surprise;
 * - the kind that verdicts of slower nature say (level, trend, noise, pattern), when they carry
 *   most of it;
 * - else the shape. Outside the band on one side and short: spike or drop. On one side and
 *   lasting: a trend when the deviation grows along a line, else a level shift. Lasting on both
 *   sides: noise. Inside the band: pattern.
 */
#include "detect/anomaly.h"

#include "base/error.h"
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define LASTING_STEPS 30 /* From so many anomalous steps on an excursion has stayed. */
#define ONE_SIDE 0.8     /* So large a share of steps on one side makes an excursion one-sided. */
#define TREND_FIT 0.6    /* Share of the deviation's variance that a line must explain, ... */
#define TREND_GROWTH 0.5 /* ... and its growth over the anomaly, in mean deviations. */
#define ENERGY_MAX 1e8f
#define DEVIATION_MAX 1e6
#define LEADER_CHANGE 2.0f /* Lead by which another series' shape becomes the one watched. */
#define TOLD_SCORE 0.02f   /* A peak is told anew when it has risen by so much. */
#define LIFE_VERSION 1

void lw_life_init(struct lw_life *life)
{
    memset(life, 0, sizeof(*life));
}

bool lw_life_open(const struct lw_life *life)
{
    return life->open;
}

bool lw_life_idle(const struct lw_life *life)
{
    return !life->open && !life->armed && life->history == 0;
}

/* ---- a step is told ---- */

static void life_forget(struct lw_life *life)
{
    life->age = life->n_steps = life->quiet = 0;
    life->peak_score = life->return_rows = life->energy = 0.0f;
    life->peak_ns = life->time_ns;
    life->n_series = 0;
    memset(life->weights, 0, sizeof(life->weights));
    memset(&life->shape, 0, sizeof(life->shape));
    life->shape.series = LW_SERIES_NONE;
}

void lw_life_begin(struct lw_life *life, int64_t time_ns)
{
    life->time_ns = time_ns;
    life->step_alarm = life->step_onset = false;
    life->blamed = 0.0f;
    if (!life->armed && (life->energy > 0.0f || life->shape.series != LW_SERIES_NONE)) {
        life_forget(life);
    }
}

/* Odds of the state score, squared: 1 at the score of .5. */
static float score_energy(float score)
{
    float odds = score < 1.0f ? score / (1.0f - score) : ENERGY_MAX;

    if (!(odds > 0.0f)) {
        return isnan(score) ? 1.0f : 0.0f;
    }
    return odds * odds < ENERGY_MAX ? odds * odds : ENERGY_MAX;
}

/* The slot of a series; a new one takes the place of the least when that is worth less than energy.
 * NULL: none for it. */
static struct lw_life_series *series_slot(struct lw_life *life, uint32_t series, float energy)
{
    struct lw_life_series *slot = NULL;

    for (uint8_t i = 0; i < life->n_series; i++) {
        if (life->series[i].series == series) {
            return &life->series[i];
        }
        if (slot == NULL || life->series[i].energy < slot->energy) {
            slot = &life->series[i];
        }
    }
    if (life->n_series < LW_LIFE_SERIES_MAX) {
        slot = &life->series[life->n_series++];
    } else if (slot->energy >= energy) {
        return NULL;
    }
    memset(slot, 0, sizeof(*slot));
    slot->series = series;
    slot->value = slot->expected = NAN;
    slot->worst = -1.0f;
    return slot;
}

static float series_energy(const struct lw_life *life, uint32_t series)
{
    for (uint8_t i = 0; i < life->n_series; i++) {
        if (life->series[i].series == series) {
            return life->series[i].energy;
        }
    }
    return 0.0f;
}

static void series_blame(struct lw_life *life, uint32_t series, float energy, float value,
                         float expected)
{
    struct lw_life_series *slot = series_slot(life, series, energy);

    life->energy += energy;
    if (slot != NULL) {
        slot->energy += energy;
        if (energy > slot->worst) {
            slot->worst = energy;
            slot->value = value;
            slot->expected = expected;
        }
    }
}

static void shape_add(struct lw_life *life, const struct lw_verdict *verdict)
{
    struct lw_life_shape *shape = &life->shape;
    double half = 0.5 * ((double)verdict->upper - (double)verdict->lower);
    double y = (double)verdict->value - (double)verdict->expected;
    double x = (double)life->age;

    if (isnan(y)) {
        return;
    }
    shape->n++;
    shape->n_above += verdict->value > (isnan(verdict->upper) ? verdict->expected : verdict->upper);
    shape->n_below += verdict->value < (isnan(verdict->lower) ? verdict->expected : verdict->lower);
    y = half > 0.0 ? y / half : y;
    y = y > DEVIATION_MAX ? DEVIATION_MAX : y < -DEVIATION_MAX ? -DEVIATION_MAX : y;
    shape->sum_x += x;
    shape->sum_xx += x * x;
    shape->sum_y += y;
    shape->sum_xy += x * y;
    shape->sum_yy += y * y;
}

/* Of the first step the most surprising series is watched; later only one that leads clearly takes
 * its place. */
static void shape_follow(struct lw_life *life, const struct lw_verdict *verdict)
{
    struct lw_life_shape *shape = &life->shape;
    float factor = shape->first_ns == life->time_ns ? 1.0f : LEADER_CHANGE;

    if (shape->series != verdict->series &&
        (shape->series == LW_SERIES_NONE ||
         (shape->n < LASTING_STEPS &&
          series_energy(life, verdict->series) > factor * series_energy(life, shape->series)))) {
        memset(shape, 0, sizeof(*shape));
        shape->series = verdict->series;
        shape->first_ns = life->time_ns;
    }
    if (shape->series == verdict->series) {
        shape_add(life, verdict);
    }
}

/* The type a verdict stands for, when it says none itself. */
static enum lw_anomaly_type verdict_type(const struct lw_verdict *verdict)
{
    if (verdict->type > LW_TYPE_NONE && verdict->type < LW_LIFE_TYPES) {
        return (enum lw_anomaly_type)verdict->type;
    }
    if (verdict->series != LW_SERIES_NONE && verdict->value > verdict->upper) {
        return LW_TYPE_SPIKE;
    }
    if (verdict->series != LW_SERIES_NONE && verdict->value < verdict->lower) {
        return LW_TYPE_DROP;
    }
    return LW_TYPE_PATTERN;
}

void lw_life_take(struct lw_life *life, const struct lw_verdict *verdict)
{
    float energy = score_energy(verdict->score);

    if (!verdict->alarm && !verdict->onset) {
        return;
    }
    life->step_alarm = true;
    life->step_onset = life->step_onset || verdict->onset;
    life->weights[verdict_type(verdict)] += energy;
    if (verdict->score > life->peak_score || life->n_steps == 0) {
        life->peak_score = verdict->score > life->peak_score ? verdict->score : life->peak_score;
        life->peak_ns = life->time_ns;
    }
    life->return_rows = verdict->return_rows > life->return_rows ? verdict->return_rows
                                                                 : life->return_rows;
    if (verdict->series == LW_SERIES_NONE) {
        life->blamed = energy;
        return;
    }
    series_blame(life, verdict->series, energy, verdict->value, verdict->expected);
    shape_follow(life, verdict);
}

void lw_life_contribute(struct lw_life *life, uint32_t series, float share, float value,
                        float expected)
{
    if (share > 0.0f && life->blamed > 0.0f) {
        series_blame(life, series, share * life->blamed, value, expected);
    }
}

/* ---- the type ---- */

/* Does the deviation grow or fall along a line over the anomaly? */
static bool shape_is_trend(const struct lw_life_shape *shape)
{
    double n = (double)shape->n;
    double var_x = shape->sum_xx - shape->sum_x * shape->sum_x / n;
    double var_y = shape->sum_yy - shape->sum_y * shape->sum_y / n;
    double cov = shape->sum_xy - shape->sum_x * shape->sum_y / n;
    double growth, mean = fabs(shape->sum_y / n);

    if (!(var_x > 0.0) || !(var_y > 0.0)) {
        return false;
    }
    growth = fabs(cov / var_x) * sqrt(12.0 * var_x / n); /* The x are spread evenly: this root is
                                                            their length. */
    return cov * cov >= TREND_FIT * var_x * var_y && growth >= TREND_GROWTH * mean && growth >= 1.0;
}

static enum lw_anomaly_type shape_type(const struct lw_life_shape *shape)
{
    double n = (double)shape->n, above = (double)shape->n_above, below = (double)shape->n_below;

    if (shape->n < LASTING_STEPS) {
        return above + below == 0.0 ? LW_TYPE_PATTERN
               : above >= below     ? LW_TYPE_SPIKE
                                    : LW_TYPE_DROP;
    }
    if (above >= ONE_SIDE * n || below >= ONE_SIDE * n) {
        return shape_is_trend(shape) ? LW_TYPE_TREND : LW_TYPE_LEVEL;
    }
    return above >= (1.0 - ONE_SIDE) * n && below >= (1.0 - ONE_SIDE) * n ? LW_TYPE_NOISE
                                                                          : LW_TYPE_PATTERN;
}

static enum lw_anomaly_type life_type(const struct lw_life *life)
{
    enum lw_anomaly_type said = LW_TYPE_PATTERN;
    float total = 0.0f;

    for (int type = LW_TYPE_SPIKE; type < LW_LIFE_TYPES; type++) {
        total += life->weights[type];
        said = life->weights[type] > life->weights[said] ? (enum lw_anomaly_type)type : said;
    }
    if (life->shape.n == 0 || said >= LW_TYPE_CORRELATION) {
        return said;
    }
    if ((said == LW_TYPE_LEVEL || said == LW_TYPE_TREND) && life->shape.n < LASTING_STEPS) {
        return shape_type(&life->shape); /* What has not lasted is neither. */
    }
    if (said != LW_TYPE_SPIKE && said != LW_TYPE_DROP && life->weights[said] > 0.5f * total) {
        return said;
    }
    return shape_type(&life->shape);
}

/* ---- what is handed out ---- */

/* More energy; of equals the lower number. */
static bool series_leads(const struct lw_life_series *a, const struct lw_life_series *b)
{
    return a->energy > b->energy || (a->energy == b->energy && a->series < b->series);
}

static void life_describe(const struct lw_life *life, enum lw_anomaly_phase phase,
                          enum lw_anomaly_type type, struct lw_anomaly *ret_anomaly)
{
    bool told[LW_LIFE_SERIES_MAX] = {false};

    memset(ret_anomaly, 0, sizeof(*ret_anomaly));
    ret_anomaly->id = life->id;
    ret_anomaly->phase = (uint8_t)phase;
    ret_anomaly->type = (uint8_t)type;
    ret_anomaly->start_ns = life->start_ns;
    ret_anomaly->last_ns = life->last_ns;
    ret_anomaly->peak_ns = life->peak_ns;
    ret_anomaly->peak_score = life->peak_score;
    ret_anomaly->return_rows = life->return_rows;
    ret_anomaly->n_steps = life->n_steps;
    for (uint32_t k = 0; k < LW_CONTRIBUTIONS_MAX && k < life->n_series; k++) {
        struct lw_contribution *contribution = &ret_anomaly->contributions[k];
        const struct lw_life_series *best;
        uint8_t at = 0;

        while (told[at]) {
            at++;
        }
        for (uint8_t i = at; i < life->n_series; i++) {
            if (!told[i] && series_leads(&life->series[i], &life->series[at])) {
                at = i;
            }
        }
        told[at] = true;
        best = &life->series[at];
        contribution->series = best->series;
        contribution->share = life->energy > 0.0f ? best->energy / life->energy : 0.0f;
        contribution->value = best->value;
        contribution->expected = best->expected;
        ret_anomaly->n_contributions++;
    }
}

/* Hands it out when it is new, over, or when something worth telling has changed. */
static bool life_tell(struct lw_life *life, enum lw_anomaly_phase phase,
                      struct lw_anomaly *ret_anomaly)
{
    enum lw_anomaly_type type = life_type(life);
    struct lw_anomaly anomaly;
    uint32_t leader;
    bool doubled = life->step_alarm && (life->n_steps & (life->n_steps - 1)) == 0;

    life_describe(life, phase, type, &anomaly);
    leader = anomaly.n_contributions > 0 ? anomaly.contributions[0].series : LW_SERIES_NONE;
    if (phase == LW_ANOMALY_UPDATED && !doubled && type == life->told_type &&
        leader == life->told_series && life->peak_score <= life->told_score + TOLD_SCORE) {
        return false;
    }
    life->told_type = (uint8_t)type;
    life->told_series = leader;
    life->told_score = life->peak_score;
    *ret_anomaly = anomaly;
    return true;
}

static uint64_t life_id(const struct lw_life_rule *rule, const struct lw_life *life)
{
    uint64_t id = lw_rng_mix(rule->seed ^ lw_rng_mix((uint64_t)life->start_ns));

    return id == life->id ? lw_rng_mix(id) : id; /* Times of rows may repeat. */
}

static void life_count(struct lw_life *life)
{
    life->age += life->age < UINT32_MAX;
    if (life->step_alarm) {
        life->n_steps += life->n_steps < UINT32_MAX;
        life->last_ns = life->time_ns;
        life->quiet = 0;
    } else {
        life->quiet += life->quiet < UINT32_MAX;
    }
}

static bool life_is_over(const struct lw_life_rule *rule, const struct lw_life *life)
{
    return life->quiet >= rule->quiet_steps && life->quiet > 0 &&
           life->time_ns >= life->last_ns + rule->quiet_ns;
}

/* Not open: the onset opens it, at once or when m of n steps agree. */
static bool life_wait(const struct lw_life_rule *rule, struct lw_life *life, bool agreed,
                      struct lw_anomaly *ret_anomaly)
{
    if (!life->armed && life->step_onset) {
        life->armed = true;
        life->start_ns = life->time_ns;
    }
    if (!life->armed) {
        return false;
    }
    life_count(life);
    if (!agreed) {
        life->armed = life->history != 0;
        return false;
    }
    life->open = true;
    life->id = life_id(rule, life);
    return life_tell(life, LW_ANOMALY_OPENED, ret_anomaly);
}

bool lw_life_end(const struct lw_life_rule *rule, struct lw_life *life,
                 struct lw_anomaly *ret_anomaly)
{
    bool agreed = lw_hysteresis_step(&rule->hysteresis, &life->history, life->step_alarm);

    if (!life->open) {
        return life_wait(rule, life, agreed, ret_anomaly);
    }
    life_count(life);
    if (!life_is_over(rule, life)) {
        return life_tell(life, LW_ANOMALY_UPDATED, ret_anomaly);
    }
    (void)life_tell(life, LW_ANOMALY_CLOSED, ret_anomaly);
    life->open = life->armed = false;
    life->history = 0;
    return true;
}

/* ---- names and bytes ---- */

const char *lw_anomaly_type_name(enum lw_anomaly_type type)
{
    static const char *const NAMES[LW_LIFE_TYPES] = {
        "",           "spike", "drop",    "level shift",
        "trend",      "noise", "pattern", "correlation break",
        "silent",     "stuck", "reset",   "duplicated",
        "clock skew", "range",
    };

    return (unsigned)type < LW_LIFE_TYPES ? NAMES[type] : "unknown";
}

void lw_life_save(const struct lw_life *life, struct lw_writer *writer)
{
    const struct lw_life_shape *shape = &life->shape;
    const double sums[] = {shape->sum_x, shape->sum_xx, shape->sum_y, shape->sum_xy, shape->sum_yy};

    lw_write_u16(writer, LIFE_VERSION);
    lw_write_u8(writer, life->open);
    lw_write_u8(writer, life->armed);
    lw_write_u64(writer, life->id);
    lw_write_i64(writer, life->time_ns);
    lw_write_i64(writer, life->start_ns);
    lw_write_i64(writer, life->last_ns);
    lw_write_i64(writer, life->peak_ns);
    lw_write_u64(writer, life->history);
    lw_write_u32(writer, life->quiet);
    lw_write_u32(writer, life->age);
    lw_write_u32(writer, life->n_steps);
    lw_write_u32(writer, life->told_series);
    lw_write_f32(writer, life->peak_score);
    lw_write_f32(writer, life->return_rows);
    lw_write_f32(writer, life->told_score);
    lw_write_f32(writer, life->energy);
    lw_write_u8(writer, life->told_type);
    lw_write_f32s(writer, life->weights, LW_LIFE_TYPES);
    lw_write_u32(writer, shape->series);
    lw_write_u32(writer, shape->n);
    lw_write_u32(writer, shape->n_above);
    lw_write_u32(writer, shape->n_below);
    lw_write_i64(writer, shape->first_ns);
    lw_write_f64s(writer, sums, 5);
    lw_write_u8(writer, life->n_series);
    for (uint8_t i = 0; i < life->n_series; i++) {
        lw_write_u32(writer, life->series[i].series);
        lw_write_f32(writer, life->series[i].energy);
        lw_write_f32(writer, life->series[i].worst);
        lw_write_f32(writer, life->series[i].value);
        lw_write_f32(writer, life->series[i].expected);
    }
}

static void shape_load(struct lw_life_shape *ret_shape, struct lw_reader *reader)
{
    double sums[5];

    ret_shape->series = lw_read_u32(reader);
    ret_shape->n = lw_read_u32(reader);
    ret_shape->n_above = lw_read_u32(reader);
    ret_shape->n_below = lw_read_u32(reader);
    ret_shape->first_ns = lw_read_i64(reader);
    lw_read_f64s(reader, sums, 5);
    ret_shape->sum_x = sums[0];
    ret_shape->sum_xx = sums[1];
    ret_shape->sum_y = sums[2];
    ret_shape->sum_xy = sums[3];
    ret_shape->sum_yy = sums[4];
}

enum lw_status lw_life_load(struct lw_life *ret_life, struct lw_reader *reader,
                            struct lw_error *reterr)
{
    struct lw_life l;
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != LIFE_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "an anomaly's state is saved in version %u; this one reads %d", version,
                            LIFE_VERSION);
    }
    memset(&l, 0, sizeof(l));
    l.open = lw_read_u8(reader) != 0;
    l.armed = lw_read_u8(reader) != 0;
    l.id = lw_read_u64(reader);
    l.time_ns = lw_read_i64(reader);
    l.start_ns = lw_read_i64(reader);
    l.last_ns = lw_read_i64(reader);
    l.peak_ns = lw_read_i64(reader);
    l.history = lw_read_u64(reader);
    l.quiet = lw_read_u32(reader);
    l.age = lw_read_u32(reader);
    l.n_steps = lw_read_u32(reader);
    l.told_series = lw_read_u32(reader);
    l.peak_score = lw_read_f32(reader);
    l.return_rows = lw_read_f32(reader);
    l.told_score = lw_read_f32(reader);
    l.energy = lw_read_f32(reader);
    l.told_type = lw_read_u8(reader);
    lw_read_f32s(reader, l.weights, LW_LIFE_TYPES);
    shape_load(&l.shape, reader);
    l.n_series = lw_read_u8(reader);
    for (uint8_t i = 0; i < l.n_series && l.n_series <= LW_LIFE_SERIES_MAX; i++) {
        l.series[i].series = lw_read_u32(reader);
        l.series[i].energy = lw_read_f32(reader);
        l.series[i].worst = lw_read_f32(reader);
        l.series[i].value = lw_read_f32(reader);
        l.series[i].expected = lw_read_f32(reader);
    }
    if (reader->status != LW_OK || l.n_series > LW_LIFE_SERIES_MAX ||
        l.told_type >= LW_LIFE_TYPES) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the saved state of an anomaly ends early or is none");
    }
    *ret_life = l;
    return LW_OK;
}
