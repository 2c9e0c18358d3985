/* The state of one series: every part by value, what each sample touches first, profiles and
 * prototypes behind. */
#ifndef LW_DETECT_BASELINE_BASELINE_INTERNAL_H
#define LW_DETECT_BASELINE_BASELINE_INTERNAL_H

#include "detect/baseline/baseline.h"
#include "detect/baseline/cadence.h"
#include "detect/baseline/forecast.h"
#include "detect/baseline/incident.h"
#include "detect/baseline/novelty.h"
#include "detect/baseline/period.h"
#include "detect/baseline/season.h"
#include "detect/baseline/track.h"

#include <stddef.h>

#define BASELINE_RING PERIOD_RING
#define BASELINE_SLOTS 32       /* Prototypes of the value itself. */
#define BASELINE_SLOTS_OTHER 16 /* Of each other signal. */
#define BASELINE_PROTOTYPES (BASELINE_SLOTS + 3 * BASELINE_SLOTS_OTHER)
#define BASELINE_BYTES_MAX 3712

enum baseline_channel {
    CHANNEL_VALUE,
    CHANNEL_LEAST,
    CHANNEL_WEEKLY,
    CHANNEL_SWING,
    CHANNEL_COUNT
};

/*
 * Everything inside is in units of `unit`, a power of two near the first change of the series,
 * relative to `origin`, its first value: so a series scaled by a power of two has the same state
 * bit for bit, and a large level costs no precision.
 */
struct lw_baseline {
    double origin;
    double unit; /* 0 until a second value differs from the origin. */
    double inverse_unit;
    uint32_t rows;  /* With a value; saturates. */
    uint32_t still; /* Rows before the first change. */
    float path;     /* How far the values have gone, all in all, since the first change ... */
    float extent;   /* ... and how far from the origin at most. */
    uint16_t alive; /* 1 once they went there and back often enough: see baseline_follow_life. */
    uint16_t ring_at;
    struct lw_cadence cadence;
    float last;        /* The value before. */
    float short_mean;  /* Of the season's residual over 5 rows. */
    float mean;        /* e^m - 1, m the two-row mean of log(1 + q). */
    float state_mean;  /* The same with the step member. */
    float hold;        /* Logarithm. */
    float swing_width; /* Largest minus smallest of the ring when the swing was last computed, and
                          the swing. */
    float swing;
    uint16_t outside; /* 1 while values lie outside the legal range. */
    uint16_t reserved_too;
    struct lw_track value, step, short_track;
    struct lw_period period;
    struct lw_forecast forecast;
    struct lw_novelty novelty[CHANNEL_COUNT];
    struct lw_refractory refractory;
    struct lw_births births;
    float ring[BASELINE_RING]; /* The last values. */
    float prototypes[BASELINE_PROTOTYPES];
    uint8_t ages[BASELINE_PROTOTYPES];
    struct lw_incident incident;
    struct lw_season season;
    uint16_t incidents[LW_TAIL_BINS]; /* Peaks of closed incidents. */
};

/* What every row touches; of what follows only a bin of the day and one of the week. */
#define BASELINE_HOT_BYTES (offsetof(struct lw_baseline, season) + offsetof(struct lw_season, day))

_Static_assert(sizeof(struct lw_baseline) <= BASELINE_BYTES_MAX,
               "a series' state must stay below 4 KB with its entity's part");

#endif
