/*
 * A level and two scales that follow one signal: the smallest part of tier 0, used six times a
 * series.
 *
 * z = (x - level) / scale of that side; c = z clipped to +-2.75. The level moves by rate c scale
 * and the variance of that side by rate (c^2 scale^2 - variance): Huber's proposal 2 taken one row
 * at a time, so a row counts as at most 2.75 scales whatever it is. This is the contamination
 * guard: an anomaly bends the baseline no more than an ordinary large row does. Two variances,
 * because load and latency rise further than they fall.
 *
 * Shift rule: rows at 3 scales or more on one side are counted (+1, and -4 for any other row); when
 * the count passes the limit (a day, at least 100 and at most 1440 rows) the change is taken for
 * real and learnt at a rate of 4 / limit, as long again as the limit from the row on at which it is
 * no longer far off. (Stopping there would leave the level behind, under a scale that has grown to
 * hide it.) So a confirmed change point is adopted within a day or two and a burst is not.
 *
 * Sources: Huber, "Robust Statistics", 1981, 6.4; the counter is a sign test in the manner of
 * CUSUM.
 */
#ifndef LW_DETECT_BASELINE_TRACK_H
#define LW_DETECT_BASELINE_TRACK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TRACK_CLIP 2.75
#define TRACK_FAR 3.0        /* Counts towards a shift. */
#define TRACK_CLIP_EARLY 6.0 /* While the first rows still find the scale. */
#define TRACK_EARLY_ROWS 20
#define TRACK_SIDE_SHARE                                                                           \
    0.5 /* A side's variance counts as at least this share of both: only the wider side stands     \
           out. */

/* All zero is a fresh one, at level 0: signals are given relative to where they start. */
struct lw_track {
    double level;
    float above, below;     /* Mean squared deviation of the rows above and below the level. */
    uint16_t risen, fallen; /* Shift counters. */
};

/* What all trackers of a series share in one row; computed once. */
struct lw_track_pace {
    double rate; /* 1 / (rows + 1), and not below 1 / (7 days). */
    double shift_rate;
    double clip;
    double floor; /* No scale counts as smaller. */
    uint16_t shift_rows;
};

/* The scale of the side that deviation points to. */
static inline double lw_track_scale(const struct lw_track *track, double deviation, double floor)
{
    double above = (double)track->above, below = (double)track->below;
    double least = TRACK_SIDE_SHARE * (above + below);
    double variance = deviation < 0.0 ? below : above;
    double scale = sqrt(variance > least ? variance : least);

    return scale > floor ? scale : floor;
}

/* Root mean square of both sides. */
static inline double lw_track_spread(const struct lw_track *track)
{
    return sqrt(0.5 * ((double)track->above + (double)track->below));
}

/* One side's counter. Above the limit the shift is confirmed and the track adopts it until the
 * counter is back at the limit. */
static inline uint16_t track_count(uint16_t count, bool is_far, uint16_t limit)
{
    if (count > limit) {
        return (uint16_t)(is_far ? 2 * limit : (count - 1 > limit ? count - 1 : 0));
    }
    if (!is_far) {
        return (uint16_t)(count > 4 ? count - 4 : 0);
    }
    return (uint16_t)(count < limit ? count + 1 : 2 * limit);
}

/* Is a confirmed change of level being learnt? */
static inline bool lw_track_adopts(const struct lw_track *track, const struct lw_track_pace *pace)
{
    return track->risen > pace->shift_rows || track->fallen > pace->shift_rows;
}

/* Learn one row whose deviation from the level is z scales. */
static inline void lw_track_learn(struct lw_track *track, const struct lw_track_pace *pace,
                                  double z, double scale)
{
    double rate = pace->rate;
    double step = z > pace->clip ? pace->clip : (z < -pace->clip ? -pace->clip : z);
    double moved = step * scale;
    float *side = z < 0.0 ? &track->below : &track->above;

    track->risen = track_count(track->risen, z >= TRACK_FAR, pace->shift_rows);
    track->fallen = track_count(track->fallen, z <= -TRACK_FAR, pace->shift_rows);
    if (lw_track_adopts(track, pace)) {
        rate = rate > pace->shift_rate ? rate : pace->shift_rate;
    }
    track->level += rate * moved;
    *side = (float)((double)*side + rate * (moved * moved - (double)*side));
}

/*
 * The first deviation of a signal that never varied. Its scale is the root mean square over all
 * rows so far, and all but this one were 0: after n rows z is sqrt(n + 1), not 1, so what was
 * constant for long is surprised by a change and does not take it for the new normal at once.
 */
static inline double track_begin(struct lw_track *track, const struct lw_track_pace *pace,
                                 double deviation)
{
    float *side = deviation < 0.0 ? &track->below : &track->above;
    double z = 1.0 / sqrt(pace->rate);

    track->level += pace->rate * deviation;
    *side = (float)(pace->rate * deviation * deviation);
    return deviation < 0.0 ? -z : z;
}

/* Score a row against what came before it, then learn it: the usual way. */
static inline double lw_track_step(struct lw_track *track, const struct lw_track_pace *pace,
                                   double x)
{
    double deviation = x - track->level;
    double scale = lw_track_scale(track, deviation, pace->floor);
    double z;

    if (!(scale > 0.0) && deviation != 0.0) {
        return track_begin(track, pace, deviation);
    }
    z = scale > 0.0 ? deviation / scale : 0.0;
    lw_track_learn(track, pace, z, scale);
    return z;
}

#endif
