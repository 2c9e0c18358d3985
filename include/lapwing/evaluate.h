/*
 * How good scores are, told by labels: areas under curves, events found, false alarms, delay and
 * NAB's score, each with a bootstrap interval. What every figure means: docs/eval.md.
 *
 *     struct lw_eval_series series = {.name = "a", .scores = scores, .labels = labels, .n_rows =
 * n}; struct lw_eval_options options; struct lw_eval_figure figures[LW_EVAL_FIGURES_MAX];
 *
 *     lw_eval_options_default(&options);
 *     if (lw_evaluate(&series, 1, &options, &evaluation, &error) == LW_OK) {
 *         n = lw_evaluation_read(evaluation, LW_EVAL_RANKING, 0, figures, LW_EVAL_FIGURES_MAX);
 *     }
 *     lw_evaluation_destroy(evaluation);
 */
#ifndef LAPWING_EVALUATE_H
#define LAPWING_EVALUATE_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Rows of one series, and of all of them together. */
#define LW_EVAL_ROWS_MAX 2000000000u
/** Largest value of lw_eval_options.vus_window. */
#define LW_EVAL_VUS_WINDOW_MAX 1000u
/** Largest value of lw_eval_options.n_resamples. */
#define LW_EVAL_RESAMPLES_MAX 100000u
/** NAB's profiles: standard, reward_low_FP_rate, reward_low_FN_rate. */
#define LW_EVAL_PROFILES 3u
/** No section has more figures. */
#define LW_EVAL_FIGURES_MAX 32u

/** A window of NAB: rows first to last, both in it. */
struct lw_eval_window {
    size_t first;
    size_t last;
};

/** Scores and labels of one series, in the order of time. All is borrowed. */
struct lw_eval_series {
    const char *name;      /**< For messages. */
    const double *scores;  /**< double[n_rows], finite; larger is more anomalous. */
    const uint8_t *labels; /**< uint8_t[n_rows]; not 0: anomalous. */
    const uint8_t *alarms; /**< uint8_t[n_rows]: the detector's own decisions; NULL: not known. */
    size_t n_rows;
    size_t n_warmup;  /**< Rows at the beginning that count for nothing; at most n_rows. */
    bool has_windows; /**< NAB's score is asked for. */
    const struct lw_eval_window *windows; /**< In order, apart from each other; NULL when 0. */
    size_t n_windows;
    double step_s; /**< Seconds between rows; 0: not known. */
};

/** What is drawn, with replacement, to see how far a figure would move on other data. */
enum lw_eval_unit {
    LW_EVAL_UNIT_AUTO,   /**< Series where at least 10 have events, else events. */
    LW_EVAL_UNIT_SERIES, /**< Whole series. */
    LW_EVAL_UNIT_EVENTS  /**< Within each series its events, each with the rows around it. */
};

/** How figures are taken. Begin with lw_eval_options_default(). */
struct lw_eval_options {
    uint32_t gap;         /**< Quiet rows that do not end an episode of alarms; default 0. */
    uint32_t slack;       /**< Rows around an event in which an episode is not false; default 0. */
    uint32_t vus_window;  /**< Widest buffer of the volumes, in rows; default 100. */
    bool no_vus;          /**< Leave the volumes out; default false. */
    double threshold;     /**< Figures at this threshold too; NaN, the default: none. */
    double nab_threshold; /**< NAB's score at this one; NaN, the default: at each profile's best. */
    uint32_t n_resamples; /**< Of the bootstrap; default 1000; 0: no intervals. */
    double confidence;    /**< Of the intervals, above 0, below 1; default 0.95. */
    uint64_t seed;        /**< Of the bootstrap's draws; default 1. */
    enum lw_eval_unit unit; /**< Default LW_EVAL_UNIT_AUTO. */
};

/** One figure and its interval. */
struct lw_eval_figure {
    const char *name; /**< Such as "auc_pr": static. */
    double value;     /**< NaN: there is none, as precision where nothing was found. */
    double low, high; /**< Of the interval; NaN: none. */
};

/** Groups of figures. */
enum lw_eval_section {
    LW_EVAL_ABOUT,         /**< series, series_with_events, rows, events, blocks. */
    LW_EVAL_RANKING,       /**< Means over series with events: areas, best F1. */
    LW_EVAL_AS_OPERATED,   /**< At the detector's alarms; empty unless every series has them. */
    LW_EVAL_AT_THRESHOLD,  /**< At lw_eval_options.threshold; empty without one. */
    LW_EVAL_AT_BEST,       /**< At the shared threshold of the best composite F1. */
    LW_EVAL_NAB,           /**< NAB's score of profile `place`; empty without windows. */
    LW_EVAL_NAB_OPERATED,  /**< The same at the detector's alarms. */
    LW_EVAL_RANKING_SERIES /**< As LW_EVAL_RANKING, of the series `place`, and its best threshold.
                            */
};

struct lw_evaluation;

/**
 * Fill options with their defaults.
 *
 * @param ret_options  Written whole.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API void lw_eval_options_default(struct lw_eval_options *ret_options);

/**
 * Compare scores with labels.
 *
 * @param series          struct lw_eval_series[n_series]; borrowed, unchanged, not kept.
 * @param n_series        At least 1.
 * @param options         Borrowed; lw_eval_options_default() says what the fields mean.
 * @param ret_evaluation  The figures; written only on LW_OK; end with lw_evaluation_destroy().
 * @param reterr          Filled on failure; may be NULL.
 *
 * @return LW_OK; LW_EINVAL if a score is not finite, an option is out of its bounds, windows are
 *         out of order or outside the rows, or no row counts; LW_ELIMIT if there are more than
 *         LW_EVAL_ROWS_MAX rows; LW_ENOMEM.
 *
 * Cost    O(n log n) for n rows, and O(n_resamples) times the number of series, or of rows where
 *         events are drawn; 60 bytes a row, and at most 60 MB where events are drawn.
 * Threads Any: nothing is shared between calls. The same input gives the same bits.
 * Source  Areas: Davis and Goadrich, ICML 2006, with average precision as the area. Volumes:
 *         Paparrizos et al., "Volume Under the Surface", PVLDB 2022. NAB: Lavin and Ahmad, ICMLA
 *         2015. Intervals: Efron's percentile bootstrap over clusters. docs/eval.md has the
 * formulas.
 */
LW_API enum lw_status lw_evaluate(const struct lw_eval_series *series, size_t n_series,
                                  const struct lw_eval_options *options,
                                  struct lw_evaluation **ret_evaluation,
                                  struct lw_error *reterr) LW_MUST_USE;

/**
 * The figures of a section.
 *
 * @param evaluation   Borrowed, unchanged.
 * @param section      Which figures.
 * @param place        The profile of LW_EVAL_NAB and LW_EVAL_NAB_OPERATED, the series of
 *                     LW_EVAL_RANKING_SERIES; others ignore it.
 * @param ret_figures  struct lw_eval_figure[capacity]; at most so many are written.
 * @param capacity     LW_EVAL_FIGURES_MAX is always enough.
 *
 * @return How many figures the section has; 0: none, also for a place that is not there.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API size_t lw_evaluation_read(const struct lw_evaluation *evaluation,
                                 enum lw_eval_section section, size_t place,
                                 struct lw_eval_figure *ret_figures, size_t capacity);

/**
 * What the bootstrap drew.
 *
 * @param evaluation  Borrowed, unchanged.
 * @return LW_EVAL_UNIT_SERIES or LW_EVAL_UNIT_EVENTS; LW_EVAL_UNIT_AUTO when nothing was drawn.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API enum lw_eval_unit lw_evaluation_unit(const struct lw_evaluation *evaluation);

/**
 * The name of a profile of NAB.
 *
 * @param profile  Below LW_EVAL_PROFILES.
 * @return A static text such as "standard"; NULL for other values.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API const char *lw_eval_profile_name(size_t profile);

/**
 * Give an evaluation back.
 *
 * @param evaluation  Owned; NULL is fine.
 *
 * Cost    O(1).
 * Threads Any.
 */
LW_API void lw_evaluation_destroy(struct lw_evaluation *evaluation);

#ifdef __cplusplus
}
#endif
#endif
