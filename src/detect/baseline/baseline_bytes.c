/* Saving and loading one series: one list of fields serves both ways, so they cannot differ. */
#include "detect/baseline/baseline.h"

#include "base/error.h"
#include "detect/baseline/baseline_internal.h"

#include <math.h>
#include <string.h>

#define BASELINE_VERSION 2

/* One of the two is NULL. */
struct visit {
    struct lw_writer *writer;
    struct lw_reader *reader;
    bool finite; /* No float read so far was NaN. */
};

static void visit_f32s(struct visit *visit, float *values, size_t n)
{
    if (visit->writer != NULL) {
        lw_write_f32s(visit->writer, values, n);
        return;
    }
    lw_read_f32s(visit->reader, values, n);
    for (size_t i = 0; i < n; i++) {
        visit->finite = visit->finite && values[i] == values[i];
    }
}

static void visit_f64s(struct visit *visit, double *values, size_t n)
{
    if (visit->writer != NULL) {
        lw_write_f64s(visit->writer, values, n);
        return;
    }
    lw_read_f64s(visit->reader, values, n);
    for (size_t i = 0; i < n; i++) {
        visit->finite = visit->finite && isfinite(values[i]);
    }
}

static void visit_u8s(struct visit *visit, uint8_t *values, size_t n)
{
    if (visit->writer != NULL) {
        lw_write_raw(visit->writer, values, n);
    } else {
        lw_read_raw(visit->reader, values, n);
    }
}

static void visit_u16s(struct visit *visit, uint16_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (visit->writer != NULL) {
            lw_write_u16(visit->writer, values[i]);
        } else {
            values[i] = lw_read_u16(visit->reader);
        }
    }
}

static void visit_u32s(struct visit *visit, uint32_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (visit->writer != NULL) {
            lw_write_u32(visit->writer, values[i]);
        } else {
            values[i] = lw_read_u32(visit->reader);
        }
    }
}

static void visit_i64(struct visit *visit, int64_t *value)
{
    if (visit->writer != NULL) {
        lw_write_i64(visit->writer, *value);
    } else {
        *value = lw_read_i64(visit->reader);
    }
}

static void visit_track(struct visit *visit, struct lw_track *track)
{
    visit_f64s(visit, &track->level, 1);
    visit_f32s(visit, &track->above, 1);
    visit_f32s(visit, &track->below, 1);
    visit_u16s(visit, &track->risen, 1);
    visit_u16s(visit, &track->fallen, 1);
}

static void visit_forecast(struct visit *visit, struct lw_forecast *forecast)
{
    visit_f64s(visit, forecast->coefficients, FORECAST_INPUTS);
    visit_f64s(visit, forecast->inverse, FORECAST_TRIANGLE);
    visit_f32s(visit, forecast->lags, FORECAST_LAGS);
    visit_f32s(visit, &forecast->mean_short, 1);
    visit_f32s(visit, &forecast->mean_long, 1);
    visit_u32s(visit, &forecast->rows, 1);
    visit_track(visit, &forecast->error);
}

static void visit_period(struct visit *visit, struct lw_period *period)
{
    visit_f32s(visit, &period->champion_sum, 1);
    visit_f32s(visit, &period->challenger_sum, 1);
    visit_f32s(visit, &period->power, 1);
    visit_u8s(visit, &period->champion, 1);
    visit_u8s(visit, &period->challenger, 1);
    visit_u16s(visit, &period->rows, 1);
}

static void visit_novelty(struct visit *visit, struct lw_baseline *baseline)
{
    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        visit_f64s(visit, &baseline->novelty[i].range.high, 1);
        visit_f64s(visit, &baseline->novelty[i].range.low, 1);
        visit_u16s(visit, &baseline->novelty[i].n_used, 1);
    }
    visit_f32s(visit, baseline->ring, BASELINE_RING);
    visit_u16s(visit, &baseline->ring_at, 1);
    visit_f32s(visit, baseline->prototypes, BASELINE_PROTOTYPES);
    visit_u8s(visit, baseline->ages, BASELINE_PROTOTYPES);
    visit_f32s(visit, baseline->births.weight, NOVELTY_BIRTH_BINS);
}

static void visit_incident(struct visit *visit, struct lw_baseline *baseline)
{
    struct lw_incident *incident = &baseline->incident;

    visit_f32s(visit, &incident->peak, 1);
    visit_f32s(visit, &incident->alarmed, 1);
    visit_u16s(visit, &incident->length, 1);
    visit_u16s(visit, &incident->quiet, 1);
    visit_u16s(visit, &incident->calm, 1);
    visit_u16s(visit, baseline->incidents, LW_TAIL_BINS);
    visit_f32s(visit, baseline->refractory.strength, INCIDENT_QUEUE);
    visit_u16s(visit, baseline->refractory.row, INCIDENT_QUEUE);
    visit_u16s(visit, &baseline->refractory.n, 1);
}

static void visit_season(struct visit *visit, struct lw_season *season)
{
    visit_track(visit, &season->residual);
    visit_track(visit, &season->weekly);
    visit_f32s(visit, &season->week_mean_now, 1);
    visit_u16s(visit, &season->n_bins, 1);
    visit_u16s(visit, &season->hour, 1);
    visit_u16s(visit, &season->hour_rows, 1);
    for (unsigned i = 0; i < SEASON_DAY_BINS; i++) {
        struct lw_season_bin bin = season->day[i];
        float scales[3] = {bin.level, bin.above, bin.below};
        uint16_t rows = bin.rows;

        visit_f32s(visit, scales, 3);
        visit_u16s(visit, &rows, 1);
        season->day[i] = (struct lw_season_bin){scales[0], scales[1], scales[2], rows};
    }
    for (unsigned i = 0; i < SEASON_WEEK_BINS; i++) {
        float mean = season->week[i].mean;

        visit_f32s(visit, &mean, 1);
        visit_u8s(visit, &season->week[i].weeks, 1);
        season->week[i].mean = mean;
    }
}

static void visit_baseline(struct visit *visit, struct lw_baseline *baseline)
{
    visit_f64s(visit, &baseline->origin, 1);
    visit_f64s(visit, &baseline->unit, 1);
    visit_f64s(visit, &baseline->inverse_unit, 1);
    visit_u32s(visit, &baseline->rows, 1);
    visit_u32s(visit, &baseline->still, 1);
    visit_f32s(visit, &baseline->path, 1);
    visit_f32s(visit, &baseline->extent, 1);
    visit_u16s(visit, &baseline->alive, 1);
    visit_i64(visit, &baseline->cadence.first_ns);
    visit_i64(visit, &baseline->cadence.last_ns);
    visit_i64(visit, &baseline->cadence.step_ns);
    visit_u16s(visit, &baseline->cadence.votes, 1);
    visit_u32s(visit, &baseline->cadence.rows, 1);
    visit_f32s(visit, &baseline->last, 1);
    visit_f32s(visit, &baseline->short_mean, 1);
    visit_f32s(visit, &baseline->mean, 1);
    visit_f32s(visit, &baseline->state_mean, 1);
    visit_f32s(visit, &baseline->hold, 1);
    visit_f32s(visit, &baseline->swing_width, 1);
    visit_f32s(visit, &baseline->swing, 1);
    visit_u16s(visit, &baseline->outside, 1);
    visit_track(visit, &baseline->value);
    visit_track(visit, &baseline->step);
    visit_track(visit, &baseline->short_track);
    visit_period(visit, &baseline->period);
    visit_forecast(visit, &baseline->forecast);
    visit_novelty(visit, baseline);
    visit_incident(visit, baseline);
    visit_season(visit, &baseline->season);
}

void lw_baseline_save(const struct lw_baseline *baseline, struct lw_writer *writer)
{
    struct lw_baseline copy = *baseline;
    struct visit visit = {.writer = writer};

    lw_write_u16(writer, BASELINE_VERSION);
    visit_baseline(&visit, &copy);
}

static bool baseline_sane(const struct lw_baseline *baseline)
{
    bool sane = baseline->ring_at < BASELINE_RING && baseline->season.n_bins <= SEASON_DAY_BINS &&
                baseline->refractory.n <= INCIDENT_QUEUE && baseline->still <= baseline->rows &&
                baseline->period.champion <= PERIOD_MOST &&
                baseline->period.challenger <= PERIOD_MOST &&
                baseline->season.hour < SEASON_WEEK_BINS &&
                baseline->novelty[CHANNEL_VALUE].n_used <= BASELINE_SLOTS &&
                baseline->cadence.step_ns >= 0 &&
                baseline->cadence.first_ns <= baseline->cadence.last_ns;

    for (unsigned i = CHANNEL_VALUE + 1; i < CHANNEL_COUNT; i++) {
        sane = sane && baseline->novelty[i].n_used <= BASELINE_SLOTS_OTHER;
    }
    return sane;
}

enum lw_status lw_baseline_load(struct lw_baseline *baseline, struct lw_reader *reader,
                                struct lw_error *reterr)
{
    struct lw_baseline loaded;
    struct visit visit = {.reader = reader, .finite = true};
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != BASELINE_VERSION) {
        return lw_error_set(reterr, LW_EVERSION,
                            "series state of version %u; this one reads version %d", version,
                            BASELINE_VERSION);
    }
    lw_baseline_init(&loaded);
    visit_baseline(&visit, &loaded);
    if (reader->status != LW_OK) {
        return lw_error_set(reterr, LW_EFORMAT, "series state ends after %zu bytes",
                            reader->n_bytes);
    }
    if (!visit.finite || !baseline_sane(&loaded)) {
        return lw_error_set(reterr, LW_EFORMAT, "series state holds a field outside its range");
    }
    *baseline = loaded;
    return LW_OK;
}
