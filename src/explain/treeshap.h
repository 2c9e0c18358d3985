/* Exact Shapley values of a forest's verdict on one row: which metric speaks for it, which against.
 */
#ifndef LW_EXPLAIN_TREESHAP_H
#define LW_EXPLAIN_TREESHAP_H

#include "model/model.h"

/* What the values add up to: explained = expected + the sum of all values, to 1e-9. */
struct lw_treeshap {
    double explained; /* Of an isolation forest: the row's mean path length; short is strange. */
    double expected;  /* The same for any row: the mean over what the forest was trained on. */
};

/* Whether a model has them: isolation forests do whose cuts are of one column each (extend 0). Of
 * other classes the model is not looked at and may be NULL. */
bool lw_treeshap_has(const struct lw_model_class *model_class, const struct lw_model *model);
/* double[n_dims], negative where a column makes the row strange, zero for a column that is in no
 * cut. A missing value is taken as the forest takes it. LW_EINVAL where lw_treeshap_has is false.
 * Allocates nothing; about 50 us for 100 trees of 256. */
enum lw_status lw_treeshap_explain(const struct lw_model_class *model_class,
                                   const struct lw_model *model, const float *row,
                                   double *ret_values, struct lw_treeshap *ret_sums,
                                   struct lw_error *reterr) LW_MUST_USE;

#endif
