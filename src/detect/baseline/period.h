/* A period of a few rows that nobody told us about, learnt from the series itself. */
#ifndef LW_DETECT_BASELINE_PERIOD_H
#define LW_DETECT_BASELINE_PERIOD_H

#include <stdint.h>

#define PERIOD_NONE 3 /* The lag in use while no period is known. */
#define PERIOD_LEAST 2
#define PERIOD_RING 48                /* Values at hand. */
#define PERIOD_MOST (PERIOD_RING - 2) /* Its change must lie in the ring as well. */

/* All zero is a fresh one. */
struct lw_period {
    float champion_sum, challenger_sum; /* Of products of this row's change and the one a lag ago.
                                         */
    float power;                        /* Of squared changes. */
    uint8_t champion, challenger;       /* Lags in rows; 0 before the first row. */
    uint16_t rows;                      /* Of this round. */
};

/* The last PERIOD_RING values; at: where the next one goes. */
struct lw_period_ring {
    const float *values;
    unsigned at;
};

/* Take in how the next value differs from the last one, in scales; returns the lag to use,
 * PERIOD_NONE unless one stands out. */
unsigned lw_period_step(struct lw_period *period, const struct lw_period_ring *ring, double value,
                        double inverse_scale);
/* The value that many rows before the next one; 1 is the last one. */
float lw_period_back(const struct lw_period_ring *ring, unsigned rows_ago);

#endif
