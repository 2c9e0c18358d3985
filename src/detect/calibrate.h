/*
 * From the distances of tier 1's members to one calibrated level, and from there to an alarm.
 *
 * Energies u = 200 ln(1 + (D / max(median, unit))^2 / 200) of the members are averaged by weight, U
 * = sum w u / sum w, and smoothed, S += .2 (U - S); a heavy-tailed fit over rows kept back from
 * training turns S into L = -log10 p. A forgetting histogram of L gives q, its .8 quantile of
 * lately, and A = L - max(0, q - 1.3) is what alarms: a confirmed new regime stops alarming, L
 * itself is never lowered. L ranks, but once an entity has changed 10^-L is no probability any
 * more; p = 10^-(L - max(0, q - 1)) is.
 */
#ifndef LW_DETECT_CALIBRATE_H
#define LW_DETECT_CALIBRATE_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_CALIBRATION_RANKS 33 /* Quantiles 0, 1/64 ... 32/64. */
#define LW_CALIBRATION_BINS 128 /* Of L, on 0 to 16. */
#define LW_CALIBRATION_ROWS_MIN 20
#define LW_CALIBRATION_QUIET_ROWS 50

/* Fitted with a model, immutable, shared by its entities. */
struct lw_calibration {
    double ranks[LW_CALIBRATION_RANKS]; /* Lower half of the smoothed energies kept back; the last
                                           is their median. */
    double scale;                       /* Sigma of the Pareto tail above the median. */
};

/* State of one entity; plain data. */
struct lw_calibrator {
    double smoothed;                 /* S; negative: none yet. */
    float weight;                    /* Sum of bins. */
    float bins[LW_CALIBRATION_BINS]; /* Forgetting histogram of L. */
    uint16_t below;                  /* Rows in a row below .7 cut; saturates. */
    uint16_t quiet;                  /* Rows since the alarm went off; saturates. */
    bool alarm;
    bool alarmed; /* There was an alarm before. */
};

struct lw_calibrate_result {
    double smoothed;    /* S */
    double level;       /* L = -log10 p */
    double adjusted;    /* A */
    double p;           /* Share of normal rows, as they are lately, at least as strange. */
    double return_rows; /* Rows between incidents this bad by the budget's formula; 0 below its
                           range. */
    float score;        /* L / (L + cut): .5 at the cut. */
    float event;        /* The same of A at an onset, else of A but below .5. */
    bool alarm, onset;
};

/* Median of n > 0 values, none NaN; reorders them. */
double lw_median_of(double *values, size_t n);
/* 200 ln(1 + r^2 / 200), r = distance / max(median, unit), r^2 at most 1e12; unit > 0. NaN for a
 * NaN distance. */
double lw_energy(double distance, double median, double unit);
/* Weighted mean of n energies; NaN ones and their weights are left out, NaN when none is left. */
double lw_energy_combine(const double *energies, const double *weights, size_t n);
/* S after one more energy: .2 of the way; the first one is taken as it is (previous < 0); a NaN
 * energy changes nothing. */
double lw_energy_smooth(double previous, double energy);
/* The cut on A for one false incident in budget_rows: max(1.3, 2 log10 T0 - 4.4). */
double lw_calibrate_cut(double budget_rows);

/*
 * Fit to smoothed energies of rows that training did not see. Reorders them. LW_EINVAL below
 * LW_CALIBRATION_ROWS_MIN rows or for a value that is not finite.
 */
enum lw_status lw_calibration_fit(double *smoothed, size_t n,
                                  struct lw_calibration *ret_calibration,
                                  struct lw_error *reterr) LW_MUST_USE;
/* L = -log10 p of a smoothed energy, in [0, 16). NaN for NaN. */
double lw_calibration_level(const struct lw_calibration *calibration, double smoothed);

void lw_calibrator_init(struct lw_calibrator *calibrator);
/* Start the histogram with the level of one row kept back, in time order; S is not touched. */
void lw_calibrator_prime(struct lw_calibrator *calibrator, double level);
/* One row: its combined energy (NaN: missing: scores are NaN, state stays). */
void lw_calibrator_step(const struct lw_calibration *calibration, double cut,
                        struct lw_calibrator *calibrator, double energy,
                        struct lw_calibrate_result *ret_result);
void lw_calibration_save(const struct lw_calibration *calibration, struct lw_writer *writer);
enum lw_status lw_calibration_load(struct lw_calibration *ret_calibration, struct lw_reader *reader,
                                   struct lw_error *reterr) LW_MUST_USE;
void lw_calibrator_save(const struct lw_calibrator *calibrator, struct lw_writer *writer);
enum lw_status lw_calibrator_load(struct lw_calibrator *ret_calibrator, struct lw_reader *reader,
                                  struct lw_error *reterr) LW_MUST_USE;

#endif
