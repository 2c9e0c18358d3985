/*
 * A tournament of lags, one challenger at a time.
 *
 * A lag's merit is the correlation of changes: the sum of (x[t] - x[t-1]) (x[t-p] - x[t-p-1]) over
 * the sum of squares, changes clipped to 2.5 scales so that one jump decides nothing. In rounds of
 * 256 rows the champion meets one challenger after the other, from 2 to 46 rows; a challenger wins
 * with a merit of a quarter at least and a tenth more than the champion's, and a champion that
 * falls below an eighth is dropped. So a job that runs every ten or thirty rows is found within
 * 12,000 rows, with 16 bytes and without a history beyond the ring that novelty keeps anyway. The
 * lag takes the place of the forecast's third input.
 *
 * Source: own; the merit is the sample autocorrelation of first differences, clipped as in Huber,
 * "Robust Statistics", 1981.
 */
#include "detect/baseline/period.h"

#define PERIOD_ROUND_ROWS 256
#define PERIOD_MERIT_LEAST 0.25
#define PERIOD_MERIT_AHEAD 0.1
#define PERIOD_CLIP 2.5

float lw_period_back(const struct lw_period_ring *ring, unsigned rows_ago)
{
    return ring
        ->values[ring->at >= rows_ago ? ring->at - rows_ago : ring->at + PERIOD_RING - rows_ago];
}

static double period_clip(double change)
{
    return change > PERIOD_CLIP ? PERIOD_CLIP : (change < -PERIOD_CLIP ? -PERIOD_CLIP : change);
}

/* The change that many rows before this one. */
static double period_change(const struct lw_period_ring *ring, unsigned rows_ago,
                            double inverse_scale)
{
    double value = (double)lw_period_back(ring, rows_ago);

    return period_clip((value - (double)lw_period_back(ring, rows_ago + 1)) * inverse_scale);
}

static uint8_t period_next(unsigned lag, unsigned champion)
{
    lag = lag < PERIOD_MOST ? lag + 1 : PERIOD_LEAST;
    if (lag == champion) {
        lag = lag < PERIOD_MOST ? lag + 1 : PERIOD_LEAST;
    }
    return (uint8_t)lag;
}

static void period_end_round(struct lw_period *period)
{
    double power = (double)period->power;
    double ahead = (double)period->champion_sum + PERIOD_MERIT_AHEAD * power;

    if ((double)period->challenger_sum > ahead &&
        (double)period->challenger_sum > PERIOD_MERIT_LEAST * power) {
        period->champion = period->challenger;
    } else if ((double)period->champion_sum < 0.5 * PERIOD_MERIT_LEAST * power) {
        period->champion = PERIOD_NONE;
    }
    period->challenger = period_next(period->challenger, period->champion);
    period->champion_sum = 0.0f;
    period->challenger_sum = 0.0f;
    period->power = 0.0f;
    period->rows = 0;
}

unsigned lw_period_step(struct lw_period *period, const struct lw_period_ring *ring, double value,
                        double inverse_scale)
{
    double now = period_clip((value - (double)lw_period_back(ring, 1)) * inverse_scale);

    if (period->champion == 0) {
        period->champion = PERIOD_NONE;
        period->challenger = PERIOD_NONE + 1;
    }
    period->power += (float)(now * now);
    period->champion_sum += (float)(now * period_change(ring, period->champion, inverse_scale));
    period->challenger_sum += (float)(now * period_change(ring, period->challenger, inverse_scale));
    if (++period->rows >= PERIOD_ROUND_ROWS) {
        period_end_round(period);
    }
    return period->champion;
}
