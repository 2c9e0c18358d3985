/* Tries budgets on rows kept back: see train/budget.h. */
#include "train/budget.h"

#include "math/elementary.h"

#include <math.h>

#define EXACT_MAX 100u
#define TAIL 0.025
#define TAIL_NORMAL 1.959963984540054 /* Standard deviations of a normal that leave TAIL out. */
#define HALVINGS 60

/* P(X <= n) of a Poisson variable. */
static double poisson_below(uint64_t n, double mean)
{
    double term = lw_exp(-mean), sum = term;

    for (uint64_t i = 1; i <= n; i++) {
        term *= mean / (double)i;
        sum += term;
    }
    return sum;
}

/* The mean at which P(X <= n) is p: it falls with the mean. */
static double poisson_mean_at(uint64_t n, double p)
{
    double low = 0.0, high = 2.0 * (double)n + 20.0;

    for (int i = 0; i < HALVINGS; i++) {
        double middle = 0.5 * (low + high);

        if (poisson_below(n, middle) > p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

/* The chi-square bound of a count, by a normal cube root. */
static double cube(double count, double deviations)
{
    double root = 1.0 - 1.0 / (9.0 * count) + deviations / (3.0 * sqrt(count));

    return count * root * root * root;
}

void lw_poisson_interval(uint64_t n, double *ret_low, double *ret_high)
{
    if (n > EXACT_MAX) {
        *ret_low = cube((double)n, -TAIL_NORMAL);
        *ret_high = cube((double)n + 1.0, TAIL_NORMAL);
        return;
    }
    *ret_low = n == 0 ? 0.0 : poisson_mean_at(n - 1, 1.0 - TAIL);
    *ret_high = poisson_mean_at(n, TAIL);
}

/* One entity's rows from its first stretch judged to the last. */
static void try_entity(const struct lw_judge *judge, const struct lw_judged *judged, size_t entity,
                       struct lw_budget_row *row, uint64_t *n_alarm)
{
    const struct lw_held_out *held = judge->held;
    struct lw_calibrator calibrator;

    lw_calibrator_init(&calibrator);
    for (size_t k = 1; k < held->n_folds; k++) {
        const struct lw_held_stretch *stretch = &held->stretches[entity * held->n_folds + k];
        const struct lw_calibration *calibration =
            &judged->calibrations[k * judge->n_units + (judge->is_pooled ? 0 : entity)];

        calibrator.smoothed = -1.0; /* Another model begins. */
        for (size_t i = 0; calibration->scale > 0.0 && i < stretch->n_rows; i++) {
            double energy = judged->energies[stretch->at + i];
            struct lw_calibrate_result result;

            lw_calibrator_step(calibration, row->cut, &calibrator, energy, &result);
            if (isnan(energy) || !lw_judge_counts(held, stretch, i, false)) {
                row->n_excluded++;
                continue;
            }
            row->n_rows++;
            row->achieved += result.onset ? 1 : 0;
            *n_alarm += result.alarm ? 1 : 0;
        }
    }
}

void lw_budget_try(const struct lw_judge *judge, const struct lw_judged *judged,
                   struct lw_budget_row *row)
{
    uint64_t n_alarm = 0;

    row->cut = lw_calibrate_cut(row->budget_rows);
    row->achieved = 0;
    row->n_rows = row->n_excluded = 0;
    for (size_t e = 0; e < judge->held->n_entities; e++) {
        try_entity(judge, judged, e, row, &n_alarm);
    }
    row->promised = (double)row->n_rows / row->budget_rows;
    row->alarm_share = row->n_rows > 0 ? (double)n_alarm / (double)row->n_rows : (double)NAN;
    lw_poisson_interval(row->achieved, &row->low, &row->high);
}
