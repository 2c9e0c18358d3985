/*
 * One calibrated level for the ensemble of tier 1, and the alarm on it.
 *
 * The tail is a Pareto with a fixed shape xi = .3 through two robust quantiles (.5 and .9) of rows
 * kept back. Rows kept back are not clean: a tail fitted to their largest 2 % would learn the
 * anomalies in them and mute the whole entity. Below the median p goes by rank, through straight
 * lines between 33 quantiles.
 *
 * Energies have the logarithm of Student's t, not the square of a Gaussian: up to some ten units
 * they grow as squares, so a member that is sure outvotes those that are not; far beyond, where
 * squares would leave the say to whichever member had the smallest unit, they grow slowly.
 *
 * A freshly started histogram is empty and q is then 0: nothing is subtracted before something was
 * seen.
 */
#include "detect/calibrate.h"

#include "base/error.h"
#include "math/elementary.h"
#include "math/quantile.h"

#include <math.h>
#include <string.h>

#define RATIO_SQUARED_MAX 1e12 /* Keeps an infinite distance from staying for ever. */
#define ENERGY_FREEDOM 200.0   /* nu of Student's t. */
#define TAIL_XI 0.3
#define TAIL_LEAST 0.1                      /* Q.9 - Q.5 counts as at least this much energy. */
#define TAIL_SPREAD 5.0                     /* (1 - .5) / (1 - .9) */
#define MEDIAN_LEVEL 0.30102999566398119521 /* -log10 .5 */
#define LEVEL_MAX 16.0
#define SMOOTHING 0.2
#define FORGETTING (1.0 - 1.0 / 300.0)
#define USUAL_QUANTILE 0.8
#define USUAL_LEVEL 1.3   /* Lately's .8 quantile may be this high before it is subtracted. */
#define USUAL_LEVEL_P 1.0 /* The same for the probability that people are told. */
#define LN_10 2.30258509299404568402
#define CUT_LEAST 1.3
#define CUT_OFFSET 4.4
#define OFF_SHARE 0.7
#define OFF_ROWS 10
#define CALIBRATION_VERSION 1
#define CALIBRATOR_VERSION 1

/* ---- energies ---- */

double lw_median_of(double *values, size_t n)
{
    struct lw_sorted sorted = lw_sorted_array(values, n);

    lw_sort(values, n);
    return lw_quantile(&sorted, 0.5);
}

double lw_energy(double distance, double median, double unit)
{
    double ratio = distance / (median > unit ? median : unit);
    double squared = ratio * ratio < RATIO_SQUARED_MAX ? ratio * ratio : RATIO_SQUARED_MAX;

    return isnan(ratio) ? ratio : ENERGY_FREEDOM * lw_log(1.0 + squared / ENERGY_FREEDOM);
}

double lw_energy_combine(const double *energies, const double *weights, size_t n)
{
    double sum = 0.0, weight = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (!isnan(energies[i])) {
            sum += weights[i] * energies[i];
            weight += weights[i];
        }
    }
    return weight > 0.0 ? sum / weight : (double)NAN;
}

double lw_energy_smooth(double previous, double energy)
{
    if (isnan(energy)) {
        return previous;
    }
    return previous < 0.0 ? energy : previous + SMOOTHING * (energy - previous);
}

double lw_calibrate_cut(double budget_rows)
{
    double cut = budget_rows > 1.0 ? 2.0 * lw_log10(budget_rows) - CUT_OFFSET : CUT_LEAST;

    return cut > CUT_LEAST ? cut : CUT_LEAST;
}

/* ---- the fit ---- */

enum lw_status lw_calibration_fit(double *smoothed, size_t n,
                                  struct lw_calibration *ret_calibration, struct lw_error *reterr)
{
    struct lw_calibration fit;
    struct lw_sorted sorted;
    double width;

    if (n < LW_CALIBRATION_ROWS_MIN) {
        return lw_error_set(reterr, LW_EINVAL,
                            "calibration needs %d rows kept back from training; got %zu",
                            LW_CALIBRATION_ROWS_MIN, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(smoothed[i]) || smoothed[i] < 0.0) {
            return lw_error_set(reterr, LW_EINVAL,
                                "energy %zu of %zu is %g; calibration needs finite ones from 0 on",
                                i, n, smoothed[i]);
        }
    }
    lw_sort(smoothed, n);
    sorted = lw_sorted_array(smoothed, n);
    for (size_t i = 0; i < LW_CALIBRATION_RANKS; i++) {
        fit.ranks[i] = lw_quantile(&sorted, 0.5 * (double)i / (LW_CALIBRATION_RANKS - 1));
    }
    width = lw_quantile(&sorted, 0.9) - fit.ranks[LW_CALIBRATION_RANKS - 1];
    width = width > TAIL_LEAST ? width : TAIL_LEAST;
    fit.scale = width * TAIL_XI / (lw_exp(TAIL_XI * lw_log(TAIL_SPREAD)) - 1.0);
    *ret_calibration = fit;
    return LW_OK;
}

/* The share of rows below an energy that lies below the median. */
static double rank_below(const struct lw_calibration *calibration, double smoothed)
{
    const double *ranks = calibration->ranks;
    size_t low = 0, high = LW_CALIBRATION_RANKS - 1;

    if (smoothed <= ranks[0]) {
        return 0.0;
    }
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (ranks[middle] <= smoothed) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * ((double)low + (smoothed - ranks[low]) / (ranks[high] - ranks[low])) /
           (LW_CALIBRATION_RANKS - 1);
}

double lw_calibration_level(const struct lw_calibration *calibration, double smoothed)
{
    double above = smoothed - calibration->ranks[LW_CALIBRATION_RANKS - 1];
    double level;

    if (isnan(smoothed)) {
        return NAN;
    }
    if (above < 0.0) {
        return -lw_log10(1.0 - rank_below(calibration, smoothed));
    }
    level = MEDIAN_LEVEL + lw_log10(1.0 + TAIL_XI * above / calibration->scale) / TAIL_XI;
    return level < LEVEL_MAX ? level : LEVEL_MAX;
}

/* ---- the alarm ---- */

void lw_calibrator_init(struct lw_calibrator *calibrator)
{
    memset(calibrator, 0, sizeof(*calibrator));
    calibrator->smoothed = -1.0;
}

void lw_calibrator_prime(struct lw_calibrator *calibrator, double level)
{
    size_t bin;

    if (isnan(level)) {
        return;
    }
    bin = level < LEVEL_MAX ? (size_t)(level * (LW_CALIBRATION_BINS / LEVEL_MAX))
                            : LW_CALIBRATION_BINS - 1;
    for (size_t i = 0; i < LW_CALIBRATION_BINS; i++) {
        calibrator->bins[i] *= (float)FORGETTING;
    }
    calibrator->bins[bin] += 1.0f;
    calibrator->weight = calibrator->weight * (float)FORGETTING + 1.0f;
}

/* The .8 quantile of lately's levels, by straight lines inside a bin; 0 when nothing was seen. */
static double usual_level(const struct lw_calibrator *calibrator)
{
    float wanted = (float)USUAL_QUANTILE * calibrator->weight, sum = 0.0f;

    for (size_t i = 0; i < LW_CALIBRATION_BINS && calibrator->weight > 0.0f; i++) {
        if (sum + calibrator->bins[i] >= wanted) {
            double part = calibrator->bins[i] > 0.0f
                              ? (double)((wanted - sum) / calibrator->bins[i])
                              : 0.0;

            return ((double)i + part) * (LEVEL_MAX / LW_CALIBRATION_BINS);
        }
        sum += calibrator->bins[i];
    }
    return 0.0;
}

/* Switches the alarm; true at an alarm that is no part of the incident before. */
static bool alarm_step(struct lw_calibrator *calibrator, double adjusted, double cut)
{
    bool onset = false;

    if (adjusted >= cut) {
        onset = !calibrator->alarm &&
                (!calibrator->alarmed || calibrator->quiet > LW_CALIBRATION_QUIET_ROWS);
        calibrator->alarm = true;
        calibrator->alarmed = true;
    }
    if (!calibrator->alarm) {
        calibrator->quiet = (uint16_t)(calibrator->quiet + (calibrator->quiet < UINT16_MAX));
        return false;
    }
    calibrator->quiet = 0;
    calibrator->below = (uint16_t)(adjusted < OFF_SHARE * cut ? calibrator->below + 1 : 0);
    if (calibrator->below >= OFF_ROWS) {
        calibrator->alarm = false;
        calibrator->below = 0;
    }
    return onset;
}

/* L less what lately's quantile is above what it may be. */
static double level_above(double level, double usual, double may_be)
{
    return level - (usual > may_be ? usual - may_be : 0.0);
}

void lw_calibrator_step(const struct lw_calibration *calibration, double cut,
                        struct lw_calibrator *calibrator, double energy,
                        struct lw_calibrate_result *ret_result)
{
    struct lw_calibrate_result r = {
        .smoothed = NAN, .level = NAN, .adjusted = NAN, .p = NAN, .score = NAN, .event = NAN};
    double usual, event;

    if (isnan(energy)) {
        r.alarm = calibrator->alarm;
        *ret_result = r;
        return;
    }
    calibrator->smoothed = lw_energy_smooth(calibrator->smoothed, energy);
    r.smoothed = calibrator->smoothed;
    r.level = lw_calibration_level(calibration, r.smoothed);
    usual = usual_level(calibrator);
    r.adjusted = level_above(r.level, usual, USUAL_LEVEL);
    r.p = lw_exp(-level_above(r.level, usual, USUAL_LEVEL_P) * LN_10);
    r.p = r.p < 1.0 ? r.p : 1.0;
    lw_calibrator_prime(calibrator, r.level);
    r.onset = alarm_step(calibrator, r.adjusted, cut);
    r.alarm = calibrator->alarm;
    r.score = (float)(r.level / (r.level + cut));
    event = r.adjusted > 0.0 ? r.adjusted / (r.adjusted + cut) : 0.0;
    r.event = (float)(r.onset || event < 0.49 ? event : 0.49);
    r.return_rows = r.adjusted >= CUT_LEAST ? lw_exp(0.5 * (r.adjusted + CUT_OFFSET) * LN_10) : 0.0;
    *ret_result = r;
}

/* ---- bytes ---- */

void lw_calibration_save(const struct lw_calibration *calibration, struct lw_writer *writer)
{
    lw_write_u16(writer, CALIBRATION_VERSION);
    lw_write_f64s(writer, calibration->ranks, LW_CALIBRATION_RANKS);
    lw_write_f64(writer, calibration->scale);
}

/* LW_OK when the version was read and is known. */
static enum lw_status version_check(struct lw_reader *reader, const char *what, uint16_t known,
                                    struct lw_error *reterr)
{
    uint16_t version = lw_read_u16(reader);

    if (reader->status == LW_OK && version != known) {
        return lw_error_set(reterr, LW_EVERSION, "%s is saved in version %u; this one reads %u",
                            what, version, known);
    }
    return LW_OK;
}

enum lw_status lw_calibration_load(struct lw_calibration *ret_calibration, struct lw_reader *reader,
                                   struct lw_error *reterr)
{
    struct lw_calibration c;
    enum lw_status status = version_check(reader, "a calibration", CALIBRATION_VERSION, reterr);
    bool good;

    if (status != LW_OK) {
        return status;
    }
    lw_read_f64s(reader, c.ranks, LW_CALIBRATION_RANKS);
    c.scale = lw_read_f64(reader);
    good = reader->status == LW_OK && isfinite(c.scale) && c.scale > 0.0 && c.ranks[0] >= 0.0;
    for (size_t i = 1; i < LW_CALIBRATION_RANKS; i++) {
        good = good && isfinite(c.ranks[i]) && c.ranks[i] >= c.ranks[i - 1];
    }
    if (!good) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "a saved calibration ends early or is no calibration");
    }
    *ret_calibration = c;
    return LW_OK;
}

void lw_calibrator_save(const struct lw_calibrator *calibrator, struct lw_writer *writer)
{
    lw_write_u16(writer, CALIBRATOR_VERSION);
    lw_write_f64(writer, calibrator->smoothed);
    lw_write_f32(writer, calibrator->weight);
    lw_write_f32s(writer, calibrator->bins, LW_CALIBRATION_BINS);
    lw_write_u16(writer, calibrator->below);
    lw_write_u16(writer, calibrator->quiet);
    lw_write_u8(writer, calibrator->alarm);
    lw_write_u8(writer, calibrator->alarmed);
}

enum lw_status lw_calibrator_load(struct lw_calibrator *ret_calibrator, struct lw_reader *reader,
                                  struct lw_error *reterr)
{
    struct lw_calibrator c;
    enum lw_status status = version_check(reader, "the alarm state of an entity",
                                          CALIBRATOR_VERSION, reterr);
    bool good;

    if (status != LW_OK) {
        return status;
    }
    memset(&c, 0, sizeof(c));
    c.smoothed = lw_read_f64(reader);
    c.weight = lw_read_f32(reader);
    lw_read_f32s(reader, c.bins, LW_CALIBRATION_BINS);
    c.below = lw_read_u16(reader);
    c.quiet = lw_read_u16(reader);
    c.alarm = lw_read_u8(reader) != 0;
    c.alarmed = lw_read_u8(reader) != 0;
    good = reader->status == LW_OK && isfinite(c.smoothed) && c.weight >= 0.0f &&
           c.below < OFF_ROWS;
    for (size_t i = 0; i < LW_CALIBRATION_BINS; i++) {
        good = good && c.bins[i] >= 0.0f && c.bins[i] <= c.weight * 1.01f;
    }
    if (!good) {
        return lw_error_set(reterr, LW_EFORMAT,
                            "the saved alarm state of an entity ends early or is none");
    }
    *ret_calibrator = c;
    return LW_OK;
}
