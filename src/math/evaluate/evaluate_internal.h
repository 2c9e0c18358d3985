/* What the files of math/evaluate share. Terms: a unit is what the bootstrap draws, a stratum is
 * the units it draws among; docs/eval.md has the formulas. */
#ifndef LW_MATH_EVALUATE_INTERNAL_H
#define LW_MATH_EVALUATE_INTERNAL_H

#include "lapwing/evaluate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_EVAL_LEVELS 250u     /* Thresholds of a volume's curves, at even quantiles. */
#define LW_EVAL_BLOCKS_MAX 128  /* Blocks that one series is cut into. */
#define LW_EVAL_QUIET_BLOCKS 10 /* Blocks of a series without events. */

/* The figures of the ranking sections, in their order. */
enum lw_eval_ranking_figure {
    LW_EVAL_AUC_ROC,
    LW_EVAL_AUC_PR,
    LW_EVAL_VUS_PR,
    LW_EVAL_VUS_ROC,
    LW_EVAL_BEST_F1,
    LW_EVAL_EVENT_F1_AT_BEST,
    LW_EVAL_COMPOSITE_F1_AT_BEST,
    LW_EVAL_RANKING_N
};

/* The figures of an operating point, in their order. */
enum lw_eval_point_figure {
    LW_EVAL_EVENTS,
    LW_EVAL_EVENTS_DETECTED,
    LW_EVAL_EVENT_RECALL,
    LW_EVAL_EPISODES,
    LW_EVAL_FALSE_EPISODES,
    LW_EVAL_EVENT_PRECISION,
    LW_EVAL_EVENT_F1,
    LW_EVAL_COMPOSITE_F1,
    LW_EVAL_POINT_PRECISION,
    LW_EVAL_POINT_RECALL,
    LW_EVAL_POINT_F1,
    LW_EVAL_MEAN_DELAY_S,
    LW_EVAL_MEDIAN_DELAY_S,
    LW_EVAL_MEAN_DELAY_ROWS,
    LW_EVAL_MEDIAN_DELAY_ROWS,
    LW_EVAL_SCORED_DAYS,
    LW_EVAL_FALSE_ALARMS_PER_DAY,
    LW_EVAL_ALARM_SHARE,
    LW_EVAL_POINT_N
};

/* Rows first to last, both in it. */
struct lw_eval_span {
    uint32_t first, last;
};

/* One series, prepared: the rows that count, in order of time and of score. */
struct lw_eval_work {
    const struct lw_eval_series *input;
    const double *scores;
    const uint8_t *labels, *alarms; /* alarms: NULL when they are not known. */
    uint32_t n, n_positive, n_events, n_blocks;
    uint32_t first_unit, first_event;  /* Among those of all series. */
    uint32_t *order;                   /* n rows by falling score; equal ones in order of time. */
    struct lw_eval_span *events;       /* n_events runs of labelled rows. */
    uint32_t *block_starts;            /* n_blocks + 1 rows. */
    bool is_ranked;                    /* It has labelled rows and others. */
    double best_threshold;             /* Of the best point F1; +inf when nothing is found. */
    double ranking[LW_EVAL_RANKING_N]; /* NaN when not ranked. */
};

/* The parts a figure is made of, added up over what one unit holds. */
struct lw_eval_counts {
    double events, detected, episodes, good, true_alarms, alarms, positives, rows, days;
};

/* A delay and the unit its event belongs to. */
struct lw_eval_delay {
    double value;
    uint32_t unit;
};

/* Everything about one operating point that a resample needs. */
struct lw_eval_point {
    struct lw_eval_counts *counts;        /* One a unit. */
    struct lw_eval_delay *rows, *seconds; /* Ascending. */
    uint32_t n_rows, n_seconds;
};

/* Alarms are rows with scores >= threshold, or, where as_operated, the detector's own. */
struct lw_eval_rule {
    bool as_operated;
    double threshold;
};

/* NAB's parts by unit. */
struct lw_eval_nab_part {
    double raw;     /* Sum over its rows and windows, missed windows included. */
    double counted; /* Windows that have a row that counts. */
    double windows;
};

struct lw_eval_nab_result {
    double threshold, raw, false_alarm_rows, windows_hit, windows, files;
};

#define LW_EVAL_POINTS 3 /* As operated, at the threshold given, at the shared best. */

/* What an evaluation came to. */
struct lw_eval_point_result {
    bool is_there;
    double threshold; /* NaN: as operated. */
    struct lw_eval_figure figures[LW_EVAL_POINT_N];
};

struct lw_eval_nab_figures {
    bool is_there;
    struct lw_eval_figure score;
    struct lw_eval_nab_result rest;
};

struct lw_eval_series_result {
    double best_threshold;
    double rows, events;
    struct lw_eval_figure figures[LW_EVAL_RANKING_N];
};

struct lw_evaluation {
    enum lw_eval_unit unit;
    size_t n_series;
    double n_with_events, n_rows, n_events, n_units;
    struct lw_eval_figure ranking[LW_EVAL_RANKING_N];
    struct lw_eval_point_result points[LW_EVAL_POINTS];
    struct lw_eval_nab_figures nab[2][LW_EVAL_PROFILES]; /* At the threshold, as operated. */
    struct lw_eval_series_result *series;
};

/* What is drawn. */
struct lw_eval_units {
    uint32_t n_units, n_strata;
    uint32_t *stratum_starts; /* n_strata + 1 units. */
    uint64_t seed;
};

/* ---- figures.c ---- */

/* Options within their bounds, finite scores, windows in order, and a row that counts: LW_EINVAL,
 * LW_ELIMIT. */
enum lw_status lw_eval_check(const struct lw_eval_series *series, size_t n_series,
                             const struct lw_eval_options *options,
                             struct lw_error *reterr) LW_MUST_USE;

/* ---- ranking.c ---- */

/* Row numbers by falling score, equal scores in order of time. LW_ENOMEM. */
enum lw_status lw_eval_order(const double *scores, uint32_t n, uint32_t *ret_order,
                             struct lw_error *reterr) LW_MUST_USE;
/* The block of a row: the last one that starts at or before it. */
uint32_t lw_eval_block_of(const struct lw_eval_work *work, uint32_t row);
/* One word a rank, for lw_eval_ranking_walk: the row's block, its label, and whether its score is
 * the last of equal ones. */
void lw_eval_ranks(const struct lw_eval_work *work, uint32_t *ret_ranks);
/*
 * Areas and best F1, where each row counts weights[its block] times. Writes AUC_ROC, AUC_PR and
 * BEST_F1 of ret_ranking (NaN without both kinds of rows), and how many ranks the best F1 takes.
 */
void lw_eval_ranking_walk(const uint32_t *ranks, uint32_t n, const uint32_t *weights,
                          double ret_ranking[LW_EVAL_RANKING_N], uint32_t *ret_best_rank);

/* ---- vus.c ---- */

struct lw_eval_vus;

/* Counts a series for its volumes, block by block. LW_ENOMEM. */
enum lw_status lw_eval_vus_create(const struct lw_eval_work *work, uint32_t window,
                                  struct lw_eval_vus **ret_vus,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_eval_vus_destroy(struct lw_eval_vus *vus);
/* Volumes where each block counts weights[block] times; NaN where no block with events does. */
void lw_eval_vus_read(struct lw_eval_vus *vus, const uint32_t *weights, double *ret_pr,
                      double *ret_roc);

/* ---- alarm_counts.c ---- */

/* Adds what a rule's alarms come to in a series to counts[block], and the delay in rows of each
 * event to delays[n_events]; -1: not detected. Either may be NULL. */
void lw_eval_count(const struct lw_eval_work *work, const struct lw_eval_rule *rule,
                   const struct lw_eval_options *options, struct lw_eval_counts *counts,
                   int64_t *delays);
double lw_eval_event_f1(const struct lw_eval_counts *counts);
double lw_eval_composite_f1(const struct lw_eval_counts *counts);
/* Counts of all series at a rule. LW_ENOMEM. */
enum lw_status lw_eval_point_init(const struct lw_eval_work *works, size_t n_works,
                                  uint32_t n_units, const struct lw_eval_rule *rule,
                                  const struct lw_eval_options *options,
                                  struct lw_eval_point *ret_point) LW_MUST_USE;
void lw_eval_point_fini(struct lw_eval_point *point);
/* The figures where each unit counts weights[unit] times. */
void lw_eval_point_read(const struct lw_eval_point *point, uint32_t n_units,
                        const uint32_t *weights, double ret_figures[LW_EVAL_POINT_N]);
/* The shared threshold with the best composite F1. LW_ENOMEM. */
enum lw_status lw_eval_best_threshold(const struct lw_eval_work *works, size_t n_works,
                                      const struct lw_eval_options *options, double *ret_threshold,
                                      struct lw_error *reterr) LW_MUST_USE;

/* ---- nab.c ---- */

/* The threshold with the best score of each profile. LW_ENOMEM. */
enum lw_status lw_eval_nab_sweep(const struct lw_eval_work *works, size_t n_works,
                                 double ret_thresholds[LW_EVAL_PROFILES],
                                 struct lw_error *reterr) LW_MUST_USE;
/* A profile's parts by unit at a rule; parts[n_units] begin at zero. */
void lw_eval_nab_count(const struct lw_eval_work *works, size_t n_works, size_t profile,
                       const struct lw_eval_rule *rule, struct lw_eval_nab_part *parts,
                       struct lw_eval_nab_result *ret_result);
/* The score of a profile, 0 to 100 for the null and the perfect detector; NaN without windows. */
double lw_eval_nab_score(const struct lw_eval_nab_part *parts, uint32_t n_units,
                         const uint32_t *weights, size_t profile);

/* ---- resample.c ---- */

/* Cuts each series into blocks and numbers the units. LW_ENOMEM. */
enum lw_status lw_eval_units_init(struct lw_eval_work *works, size_t n_works,
                                  enum lw_eval_unit unit, const struct lw_eval_options *options,
                                  struct lw_eval_units *ret_units,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_eval_units_fini(struct lw_eval_units *units);
/* How often each unit of a stratum is drawn in a resample: weights[units of the stratum]. */
void lw_eval_draw(const struct lw_eval_units *units, uint32_t stratum, uint32_t resample,
                  uint32_t *ret_weights);
/* The same of all strata: weights[n_units]. */
void lw_eval_draw_all(const struct lw_eval_units *units, uint32_t resample, uint32_t *ret_weights);
/* The interval of n values at a stride, NaN left out; scratch[n]. NaN when fewer than half are
 * left, or all are equal because nothing could be drawn. */
void lw_eval_interval(const double *values, size_t n, double confidence, double *scratch,
                      struct lw_eval_figure *ret_figure);

#endif
