/* The next value from the last ones: a small linear regression, learnt as it goes. */
#ifndef LW_DETECT_BASELINE_FORECAST_H
#define LW_DETECT_BASELINE_FORECAST_H

#include "detect/baseline/track.h"

#include <stdint.h>

#define FORECAST_INPUTS 6
#define FORECAST_LAGS 3
#define FORECAST_TRIANGLE (FORECAST_INPUTS * (FORECAST_INPUTS + 1) / 2)

struct lw_forecast {
    double coefficients[FORECAST_INPUTS];
    double inverse[FORECAST_TRIANGLE]; /* Upper triangle of the inverse correlation matrix, row by
                                          row. */
    float lags[FORECAST_LAGS];   /* Last two values, newest first, and the one a period ago. */
    float mean_short, mean_long; /* Over 8 and 64 rows or so. */
    uint32_t rows;
    struct lw_track error;
};

struct lw_forecast_view {
    double z;
    double scale;
    double error;    /* Value minus forecast. */
    double expected; /* The forecast. */
};

void lw_forecast_init(struct lw_forecast *forecast);
struct lw_forecast_row {
    double value;
    double level, spread; /* Standardise the values; spread > 0 or nothing is learnt. */
    float period_ago;     /* The value one learnt period ago, or three rows. */
};

/* Score one row, then learn it. */
struct lw_forecast_view lw_forecast_step(struct lw_forecast *forecast,
                                         const struct lw_track_pace *pace,
                                         const struct lw_forecast_row *row);

#endif
