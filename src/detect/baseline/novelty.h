/* Was a value like this ever seen? Distance to the nearest prototype, relative to the range seen so
 * far. */
#ifndef LW_DETECT_BASELINE_NOVELTY_H
#define LW_DETECT_BASELINE_NOVELTY_H

#include "detect/baseline/range.h"

#include <stdint.h>

#define NOVELTY_SLOTS_STEP 16
#define NOVELTY_BIRTH_BINS 12

struct lw_kernels;

/* One signal's settings. */
struct lw_novelty_rule {
    double vigilance; /* Share of the range at which a value is new. */
    double pull;      /* Of the range towards its middle, a row. */
    uint16_t slots;   /* Prototypes at most; a multiple of NOVELTY_SLOTS_STEP. */
    const struct lw_kernels *kernels;
};

/* All zero, with prototypes of +inf, is a fresh one. */
struct lw_novelty {
    struct lw_range range;
    uint16_t n_used;
    uint16_t reserved[3];
};

/* What a value came to; both are 1 and more when it is new. */
struct lw_novelty_view {
    double relative; /* Distance, at most the whole range with the value in it, over the vigilance.
                      */
    double severity; /* Distance over vigilance and the range before the value: has no upper end. */
    double distance; /* To the nearest prototype. */
};

/*
 * Score a value, then learn it. prototypes: float[slots], unused ones +inf; ages: uint8_t[slots], 0
 * is the one nearest last, a permutation of the slots in use.
 */
struct lw_novelty_view lw_novelty_step(struct lw_novelty *novelty,
                                       const struct lw_novelty_rule *rule, float *prototypes,
                                       uint8_t *ages, double value);

/* How severe earlier novelties were, by factors of 1.5; late ones weigh more. All zero is a fresh
 * one. */
struct lw_births {
    float weight[NOVELTY_BIRTH_BINS];
};

/*
 * Rows that pass between novelties at least this severe, by the series' own record of `rows` rows
 * and a prior of one novelty in prior_rows. severity >= 1.
 */
double lw_births_return_rows(const struct lw_births *births, double rows, double prior_rows,
                             double severity);
void lw_births_add(struct lw_births *births, double rows, double severity);

#endif
