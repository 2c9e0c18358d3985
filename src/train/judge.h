/*
 * Judges combinations of members by rows that none of them had seen: see train/validate.h.
 *
 * Units and calibration of a fold come from the stretches before it alone, as in service; so the
 * first stretch is judged by nobody. One combination is a weight for each member.
 */
#ifndef LW_TRAIN_JUDGE_H
#define LW_TRAIN_JUDGE_H

#include "train/validate.h"

/* Levels at which the share of rows above is held against the one promised, 10^-level. */
#define LW_JUDGE_LEVELS 4

/* The medians of a record's distances, by what came before each fold. */
struct lw_judge {
    const struct lw_held_out *held;
    const struct lw_plan *plan;
    bool is_pooled;  /* Entities share medians and calibration, as they share a model. */
    size_t n_units;  /* Entities, or 1. */
    double *medians; /* [n_folds + 1][n_units][n_members]; the last: of all stretches. */
};

/* What a combination says of every row of the record. The caller's arrays. */
struct lw_judged {
    double *levels;   /* [n_rows] L; NaN in the first stretch, and where nothing can be told. */
    double *energies; /* [n_rows] U, with the medians that judge the row; NaN as levels. */
    double *change;   /* [n_entities][n_folds] log10 of the .9 quantile of S (smoothed U) over that
                         before. */
    struct lw_calibration *calibrations; /* [n_folds][n_units] That judge a fold; scale 0: none. */
};

/* How good a combination is. NaN: cannot be told. */
struct lw_judgement {
    double tail_error;  /* Mean |log10| of achieved over promised share of rows above the levels. */
    double instability; /* Mean |change|. */
    double disagreement; /* The sum of both: the criterion where there are no labels. */
    double auc_pr, auc_pr_low, auc_pr_high; /* Mean over entities with labelled rows judged. */
    size_t n_events;                        /* Labelled stretches among rows judged. */
};

/* LW_ENOMEM. Borrows record and plan. */
enum lw_status lw_judge_init(const struct lw_held_out *held, const struct lw_plan *plan,
                             bool is_pooled, struct lw_judge *ret_judge,
                             struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared one. */
void lw_judge_fini(struct lw_judge *judge);

/* LW_ENOMEM; fills all arrays, which lw_judged_fini() frees. */
enum lw_status lw_judge_apply(const struct lw_judge *judge, const double *weights,
                              struct lw_judged *ret_judged, struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared one. */
void lw_judged_fini(struct lw_judged *judged);
/* LW_ENOMEM. seed: of the interval's draws. */
enum lw_status lw_judge_measure(const struct lw_judge *judge, const struct lw_judged *judged,
                                uint64_t seed, struct lw_judgement *ret_judgement,
                                struct lw_error *reterr) LW_MUST_USE;
/* Is this row of a stretch judged: behind the gap, not labelled where `labelled` rows do not count?
 * i counts from the stretch's first row. */
bool lw_judge_counts(const struct lw_held_out *held, const struct lw_held_stretch *stretch,
                     size_t i, bool labelled);
/* Spearman's rank correlation of two combinations over the rows judged of one entity, or of all of
 * them together (SIZE_MAX); NaN where nothing varies. At most 8,192 rows, evenly spread. */
double lw_judge_agreement(const struct lw_held_out *held, const double *levels, const double *other,
                          size_t entity);
/*
 * Weights that rank labelled rows best: those of the recipe, each multiplied by 1/4 to 4, by
 * coordinate ascent on the mean average precision over entities; shrunk back (in logarithms) by n /
 * (n + 10), n labelled events. Only stretches before `fold` are looked at. Returns n; 0 leaves the
 * recipe's weights. LW_ENOMEM.
 */
enum lw_status lw_judge_learn_weights(const struct lw_judge *judge, const double *recipe,
                                      size_t fold, double *ret_weights, size_t *ret_n_events,
                                      struct lw_error *reterr) LW_MUST_USE;

#endif
