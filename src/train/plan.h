/*
 * What an ensemble is to be made of: its members, their views, weights and options.
 *
 * Written "full", "lean", or as a list: "linear, knn@patch, iforest*0.5" names classes, each with
 * the view it reads (its own by default) and its weight (1 by default).
 */
#ifndef LW_TRAIN_PLAN_H
#define LW_TRAIN_PLAN_H

#include "detect/ensemble.h"
#include "model/model.h"

#define LW_PLAN_OPTIONS_MAX 64

/* One member to be. */
struct lw_plan_member {
    const struct lw_model_class *class;
    enum lw_view view;
    double weight, unit;
};

/* An option of a class that is not at its default. */
struct lw_plan_option {
    const struct lw_model_class *class;
    char name[48];
    char value[256];
};

struct lw_plan {
    uint32_t n_members;
    struct lw_plan_member members[LW_ENSEMBLE_MEMBERS_MAX];
    uint32_t n_options;
    struct lw_plan_option options[LW_PLAN_OPTIONS_MAX];
};

/*
 * From text: models as above; options as "class.option=value, ..." ("" for none). LW_ENOTFOUND
 * names what is not known and what would be, LW_EINVAL says what was expected, LW_ELIMIT for more
 * members or options than there is room for. At least one member must have a weight.
 */
enum lw_status lw_plan_parse(const char *models, const char *options, struct lw_plan *ret_plan,
                             struct lw_error *reterr) LW_MUST_USE;
/* Fits one member with the plan's options for its class. */
enum lw_status lw_plan_fit(const struct lw_plan *plan, const struct lw_model_class *class,
                           const struct lw_model_rows *rows, uint64_t seed,
                           struct lw_model **ret_model, struct lw_error *reterr) LW_MUST_USE;
/* Name of a view as the plan writes it. */
const char *lw_view_name(enum lw_view view);

#endif
