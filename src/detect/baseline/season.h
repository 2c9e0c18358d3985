/* The usual course of a day and of a week, and how much a row strays from it. */
#ifndef LW_DETECT_BASELINE_SEASON_H
#define LW_DETECT_BASELINE_SEASON_H

#include "detect/baseline/track.h"

#include <stdbool.h>
#include <stdint.h>

#define SEASON_DAY_BINS 96
#define SEASON_WEEK_BINS 168

/* A time of day; packed, so that two neighbours share a cache line. */
struct __attribute__((packed, aligned(2))) lw_season_bin {
    float level;        /* The usual value, less the residual's level. */
    float above, below; /* Mean squared deviation on each side. */
    uint16_t rows;      /* Seen; saturates. */
};

/* An hour of the week. */
struct __attribute__((packed)) lw_season_hour {
    float mean;    /* Of the residual. */
    uint8_t weeks; /* Seen; saturates. */
};

/* All zero is a fresh one. Only bins below n_bins are in use. */
struct lw_season {
    struct lw_track residual; /* Of value minus day profile. */
    struct lw_track weekly;   /* Of residual minus week profile. */
    float week_mean_now;      /* Mean deviation of the last 16 rows or so from the usual hour of the
                                 week. */
    uint16_t n_bins;          /* 0 until the sampling step is known. */
    uint16_t hour; /* Hour of the week of the row before, and how many rows it has had so far. */
    uint16_t hour_rows;
    uint16_t reserved;
    struct lw_season_bin day[SEASON_DAY_BINS];
    struct lw_season_hour week[SEASON_WEEK_BINS];
};

/* Where a row lies in the day and the week. */
struct lw_season_phase {
    double day;    /* Share of the local day that has passed, in [0, 1). */
    uint16_t hour; /* Hour of the week, 0 is Sunday midnight; on a holiday the same hour of Sunday.
                    */
};

struct lw_season_row {
    struct lw_season_phase phase;
    double rows_a_day; /* Sets the memories. */
    double value;
    double level; /* The value's own level before this row: where a bin never seen starts. */
};

/* What a row came to. */
struct lw_season_view {
    double z;         /* Residual in scales of this time of day. */
    double scale;     /* That scale. */
    double residual;  /* Value minus profile. */
    double expected;  /* Profile plus the residual's level. */
    double deviation; /* Value minus expected. */
};

/* Score one row, then learn it. */
struct lw_season_view lw_season_step(struct lw_season *season, const struct lw_track_pace *pace,
                                     const struct lw_season_row *row);

#endif
