/*
 * Profiles of a day and a week, learnt row by row with clipped influence.
 *
 * The day has up to 96 bins (fewer when a day has fewer rows). Bin k stands for the moment k /
 * n_bins of the local day and the profile is read by linear interpolation between neighbours, so
 * hourly rows on the hour meet exactly one bin. A bin moves by max(1 / rows, n_bins / rows of 7
 * days) of the clipped deviation, shared by nearness; while its first day lasts it is not clipped.
 * The deviation is taken from the residual's own level: the profile learns the shape of the day,
 * and a level that shifts is learnt once, not twice. A bin never seen starts at the value's level,
 * which weighs as one row. The scale depends on the time of day: a bin's own two variances (memory
 * 14 days), shrunk to the overall ones, which weigh as much as 20 rows.
 *
 * The week profile holds, for 168 hours, the mean of what the day profile leaves (memory 4 weeks).
 * It feeds the novelty of slow deviations only: in the surprise it gained nothing.
 */
#include "detect/baseline/season.h"

#include <math.h>
#include <string.h>

#define SEASON_DAY_MEMORY 7.0
#define SEASON_SCALE_MEMORY 14.0
#define SEASON_SHRINK_ROWS 20.0
#define SEASON_SCALE_SHARE 0.01 /* Of the overall variance, added to a bin's. */
#define SEASON_WEEK_ROWS 16.0

static double season_clip(double value, double limit)
{
    return value > limit ? limit : (value < -limit ? -limit : value);
}

/* The step was learnt anew when a day has clearly more or fewer rows than bins: the old profile is
 * then of no use. */
static void season_fit_bins(struct lw_season *season, double rows_a_day)
{
    double wanted = floor(rows_a_day + 0.5);
    double n_bins = (double)season->n_bins;

    wanted = wanted > SEASON_DAY_BINS ? SEASON_DAY_BINS : wanted;
    if (wanted >= 0.8 * n_bins && wanted <= 1.25 * n_bins) {
        return;
    }
    season->n_bins = (uint16_t)wanted;
    memset(season->day, 0, sizeof(season->day));
}

/* A bin's first row: it starts at the level, with the overall scale. */
static void season_open_bin(struct lw_season *season, unsigned bin, double level)
{
    if (season->day[bin].rows == 0) {
        season->day[bin].level = (float)level;
        season->day[bin].above = season->residual.above;
        season->day[bin].below = season->residual.below;
    }
}

static double season_bin_scale(const struct lw_season *season, unsigned bin, double deviation,
                               double floor)
{
    const struct lw_track *overall = &season->residual;
    double rows = (double)season->day[bin].rows;
    double both = (double)overall->above + (double)overall->below;
    double least = TRACK_SIDE_SHARE * both;
    double own = (double)(deviation < 0.0 ? season->day[bin].below : season->day[bin].above);
    double all = (double)(deviation < 0.0 ? overall->below : overall->above);
    double variance, scale;

    all = all > least ? all : least;
    variance = (SEASON_SHRINK_ROWS * all + rows * own) / (SEASON_SHRINK_ROWS + rows);
    scale = sqrt(variance + SEASON_SCALE_SHARE * 0.5 * both);
    return scale > floor ? scale : floor;
}

static void season_learn_bin(struct lw_season *season, unsigned bin, double weight,
                             double rows_a_bin, double deviation, double limit)
{
    double rows, rate;
    struct lw_season_bin *at = &season->day[bin];

    if (weight <= 0.0) {
        return;
    }
    at->rows = (uint16_t)(at->rows + (at->rows < UINT16_MAX));
    rows = (double)at->rows;
    rate = 1.0 / (rows + 1.0 < SEASON_DAY_MEMORY * rows_a_bin ? rows + 1.0
                                                              : SEASON_DAY_MEMORY * rows_a_bin);
    if (rows > rows_a_bin) {
        deviation = season_clip(deviation, limit);
    }
    at->level = (float)((double)at->level + (rate < 1.0 ? rate : 1.0) * weight * deviation);
}

static void season_learn_scale(struct lw_season *season, unsigned bin, double rows_a_bin, double z,
                               double scale)
{
    double rows = (double)season->day[bin].rows;
    double memory = SEASON_SCALE_MEMORY * rows_a_bin;
    double rate = 1.0 / (rows < 1.0 ? 1.0 : (rows < memory ? rows : memory));
    double moved = season_clip(z, TRACK_CLIP) * scale;
    double side = (double)(z < 0.0 ? season->day[bin].below : season->day[bin].above);

    side += (rate < 1.0 ? rate : 1.0) * (moved * moved - side);
    if (z < 0.0) {
        season->day[bin].below = (float)side;
    } else {
        season->day[bin].above = (float)side;
    }
}

static void season_learn_week(struct lw_season *season, const struct lw_track_pace *pace,
                              double rows_a_day, uint16_t hour, double residual)
{
    double rows_an_hour = rows_a_day > 24.0 ? rows_a_day / 24.0 : 1.0;
    double stray = residual - (double)season->week[hour].mean;
    double deviation = stray - season->weekly.level;
    double scale = lw_track_scale(&season->weekly, deviation, pace->floor);
    double z = scale > 0.0 ? deviation / scale : 0.0;
    double rows, most = 4.0 * rows_an_hour;

    if (hour != season->hour || season->hour_rows == 0) {
        season->hour = hour;
        season->hour_rows = 0;
        season->week[hour].weeks = (uint8_t)(season->week[hour].weeks +
                                             (season->week[hour].weeks < UINT8_MAX));
    }
    season->hour_rows = (uint16_t)(season->hour_rows + (season->hour_rows < UINT16_MAX));
    lw_track_learn(&season->weekly, pace, z, scale);
    season->week_mean_now += (float)((deviation - (double)season->week_mean_now) /
                                     SEASON_WEEK_ROWS);
    rows = (double)(season->week[hour].weeks - 1) * rows_an_hour + (double)season->hour_rows;
    rows = rows < most ? rows : most;
    stray = season_clip(stray, TRACK_CLIP * scale);
    season->week[hour].mean = (float)((double)season->week[hour].mean + stray / rows);
}

struct lw_season_view lw_season_step(struct lw_season *season, const struct lw_track_pace *pace,
                                     const struct lw_season_row *row)
{
    struct lw_season_view view;
    double place, weight, profile, limit, rows_a_bin;
    unsigned left, right, near;

    season_fit_bins(season, row->rows_a_day);
    rows_a_bin = row->rows_a_day > (double)season->n_bins ? row->rows_a_day / (double)season->n_bins
                                                          : 1.0;
    place = row->phase.day * (double)season->n_bins;
    left = (unsigned)place;
    left = left < season->n_bins ? left : 0;
    weight = place - (double)left;
    right = left + 1u < season->n_bins ? left + 1u : 0;
    season_open_bin(season, left, row->level);
    season_open_bin(season, right, row->level);
    profile = (1.0 - weight) * (double)season->day[left].level +
              weight * (double)season->day[right].level;
    near = weight < 0.5 ? left : right;
    view.residual = row->value - profile;
    view.deviation = view.residual - season->residual.level;
    view.expected = profile + season->residual.level;
    view.scale = season_bin_scale(season, near, view.deviation, pace->floor);
    view.z = view.scale > 0.0 ? view.deviation / view.scale : 0.0;
    limit = TRACK_CLIP * lw_track_scale(&season->residual, view.deviation, pace->floor);
    season_learn_scale(season, near, rows_a_bin, view.z, view.scale);
    lw_track_step(&season->residual, pace, view.residual);
    season_learn_bin(season, left, 1.0 - weight, rows_a_bin, view.deviation, limit);
    season_learn_bin(season, right, weight, rows_a_bin, view.deviation, limit);
    season_learn_week(season, pace, row->rows_a_day, row->phase.hour, view.residual);
    return view;
}
