/* What an alarm budget allows: incidents promised and achieved on rows that no model had seen. */
#ifndef LW_TRAIN_BUDGET_H
#define LW_TRAIN_BUDGET_H

#include "train/judge.h"

/* One budget, promised against achieved. */
struct lw_budget_row {
    double budget_rows; /* Rows of one entity in which one false incident is allowed. */
    double cut;
    double promised;   /* Incidents in the rows that count. */
    uint64_t achieved; /* Those that were. */
    double low, high;  /* 95 % interval of a Poisson mean that shows so many. */
    double alarm_share;
    size_t n_rows;     /* That count ... */
    size_t n_excluded; /* ... and that are labelled, or too near to what was fitted. */
};

/* Fills all but budget_rows, which it reads, from the weights' energies. */
void lw_budget_try(const struct lw_judge *judge, const struct lw_judged *judged,
                   struct lw_budget_row *row);
/* Bounds of a Poisson mean, each left out with 2.5 %: Garwood, "Fiducial Limits for the Poisson
 * Distribution", Biometrika 1936, exactly; above 100 by Wilson and Hilferty's cube root. */
void lw_poisson_interval(uint64_t n, double *ret_low, double *ret_high);

#endif
