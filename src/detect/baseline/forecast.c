/*
 * Recursive least squares with exponential forgetting on u = (value - level) / spread.
 *
 * Inputs: 1, the last two u, the u one learnt period ago (or three rows), and averages over 8 and
 * 64 rows; so slow series are followed as well as quick ones. Forgetting is 1 - 1/2000 a row, held
 * back while the matrix's trace is 50 or more: without it a quiet stretch winds the matrix up and
 * the next change throws the coefficients away. A row whose error passes 2.75 scales gets the
 * weight 2.75 scales / error, rows beyond 50 spreads are not learnt at all, and the first 30 rows
 * predict the last value. Only the upper triangle of the matrix is kept.
 *
 * Source: Ljung and Soderstrom, "Theory and Practice of Recursive Identification", 1983, 2.2. We
 * depart from it by the weights and the hold on forgetting.
 */
#include "detect/baseline/forecast.h"

#include <math.h>
#include <string.h>

#define FORECAST_FORGET (1.0 - 1.0 / 2000.0)
#define FORECAST_TRACE_MAX 50.0
#define FORECAST_VALUE_MAX 50.0
#define FORECAST_NAIVE_ROWS 30
#define FORECAST_SHORT_ROWS 8.0
#define FORECAST_LONG_ROWS 64.0

void lw_forecast_init(struct lw_forecast *forecast)
{
    unsigned at = 0;

    memset(forecast, 0, sizeof(*forecast));
    forecast->coefficients[1] = 1.0;
    for (unsigned row = 0; row < FORECAST_INPUTS; row++) {
        forecast->inverse[at] = 1.0;
        at += FORECAST_INPUTS - row;
    }
}

static double forecast_trace(const double *inverse)
{
    return inverse[0] + inverse[6] + inverse[11] + inverse[15] + inverse[18] + inverse[20];
}

/*
 * gain = inverse * inputs from the triangle; each element is used for both of its places. The loops
 * have fixed bounds and are unrolled: the indices become constants, which halves the time.
 */
static inline void forecast_multiply(const double *inverse, const double *inputs,
                                     double *ret_product)
{
    double sum[FORECAST_INPUTS] = {0.0};
    unsigned at = 0;

#pragma GCC unroll 6
    for (unsigned row = 0; row < FORECAST_INPUTS; row++) {
        sum[row] += inverse[at++] * inputs[row];
#pragma GCC unroll 6
        for (unsigned column = row + 1; column < FORECAST_INPUTS; column++, at++) {
            sum[row] += inverse[at] * inputs[column];
            sum[column] += inverse[at] * inputs[row];
        }
    }
    memcpy(ret_product, sum, sizeof(sum));
}

static void forecast_learn(struct lw_forecast *forecast, const double *inputs, double error,
                           double weight)
{
    double product[FORECAST_INPUTS];
    double forget = forecast_trace(forecast->inverse) < FORECAST_TRACE_MAX ? FORECAST_FORGET : 1.0;
    double grow = 1.0 / forget;
    double inverse_power, power = forget / weight;
    unsigned at = 0;

    forecast_multiply(forecast->inverse, inputs, product);
    for (unsigned i = 0; i < FORECAST_INPUTS; i++) {
        power += product[i] * inputs[i];
    }
    inverse_power = 1.0 / power;
#pragma GCC unroll 6
    for (unsigned row = 0; row < FORECAST_INPUTS; row++) {
        double gain = product[row] * inverse_power;

        forecast->coefficients[row] += gain * error;
#pragma GCC unroll 6
        for (unsigned column = row; column < FORECAST_INPUTS; column++, at++) {
            forecast->inverse[at] = (forecast->inverse[at] - gain * product[column]) * grow;
        }
    }
}

static void forecast_shift(struct lw_forecast *forecast, double value)
{
    forecast->lags[1] = forecast->lags[0];
    forecast->lags[0] = (float)value;
    forecast->mean_short += (float)((value - (double)forecast->mean_short) / FORECAST_SHORT_ROWS);
    forecast->mean_long += (float)((value - (double)forecast->mean_long) / FORECAST_LONG_ROWS);
    forecast->rows += forecast->rows < UINT32_MAX;
}

struct lw_forecast_view lw_forecast_step(struct lw_forecast *forecast,
                                         const struct lw_track_pace *pace,
                                         const struct lw_forecast_row *row)
{
    double value = row->value, level = row->level, spread = row->spread;
    double inputs[FORECAST_INPUTS];
    double unit = spread > 0.0 ? 1.0 / spread : 0.0;
    double predicted = 0.0, limit;
    struct lw_forecast_view view;

    forecast->lags[2] = row->period_ago;
    inputs[0] = 1.0;
    for (unsigned i = 0; i < FORECAST_LAGS; i++) {
        inputs[1 + i] = ((double)forecast->lags[i] - level) * unit;
    }
    inputs[4] = ((double)forecast->mean_short - level) * unit;
    inputs[5] = ((double)forecast->mean_long - level) * unit;
    for (unsigned i = 0; i < FORECAST_INPUTS; i++) {
        predicted += forecast->coefficients[i] * inputs[i];
    }
    view.expected = forecast->rows < FORECAST_NAIVE_ROWS || unit == 0.0
                        ? (double)forecast->lags[0]
                        : level + predicted * spread;
    view.error = value - view.expected;
    view.scale = lw_track_scale(&forecast->error, view.error - forecast->error.level, pace->floor);
    limit = TRACK_CLIP * view.scale;
    view.z = lw_track_step(&forecast->error, pace, view.error);
    if (unit > 0.0 && fabs((value - level) * unit) <= FORECAST_VALUE_MAX) {
        double error = value - (level + predicted * spread);
        double size = fabs(error);

        forecast_learn(forecast, inputs, error * unit,
                       size > limit && limit > 0.0 ? limit / size : 1.0);
    }
    forecast_shift(forecast, value);
    return view;
}
