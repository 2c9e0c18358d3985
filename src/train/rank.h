/* Correlation by rank, and how well scores rank what is labelled. */
#ifndef LW_TRAIN_RANK_H
#define LW_TRAIN_RANK_H

#include <stddef.h>
#include <stdint.h>

#define LW_PRECISION_BINS 4096u

/* Spearman's rank correlation of n pairs, equal values sharing their mean rank; NaN where either
 * does not vary or n < 3. No NaN among the values. scratch: double[3 n]. O(n log n). */
double lw_rank_correlation(const double *a, const double *b, size_t n, double *scratch);

/* Scores of rows in bins of equal width, with and without label. */
struct lw_precision {
    uint32_t with[LW_PRECISION_BINS], without[LW_PRECISION_BINS];
};

/* Average precision (docs/eval.md), scores in one bin counted as equal; NaN without labelled rows.
 */
double lw_precision_average(const struct lw_precision *precision);

#endif
