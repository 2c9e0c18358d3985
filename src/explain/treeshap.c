/* Asks a forest for its exact Shapley values: the mathematics is in math/shapley.h. */
#include "explain/treeshap.h"

#include "base/error.h"
#include "model/iforest.h"

bool lw_treeshap_has(const struct lw_model_class *model_class, const struct lw_model *model)
{
    return model_class == &lw_model_iforest && !lw_iforest_is_extended(model);
}

enum lw_status lw_treeshap_explain(const struct lw_model_class *model_class,
                                   const struct lw_model *model, const float *row,
                                   double *ret_values, struct lw_treeshap *ret_sums,
                                   struct lw_error *reterr)
{
    if (!lw_treeshap_has(model_class, model)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "%s: exact Shapley values are those of isolation forests only whose "
                            "cuts are of one column each",
                            model_class->name);
    }
    lw_iforest_shapley(model, row, ret_values);
    ret_sums->explained = lw_iforest_path(model, row);
    ret_sums->expected = lw_iforest_path_expected(model);
    return LW_OK;
}
