/*
 * A whole training: from the rows of all entities to fitted groups and a report.
 *
 * In this order: the data are judged; columns and entities that cannot be learnt from are left out;
 * rows are thinned where memory asks for it; candidates are compared on folds; weights and sharing
 * are settled; each group is fitted to all its rows. docs/training.md has the rules and the report.
 */
#ifndef LW_TRAIN_TRAINING_H
#define LW_TRAIN_TRAINING_H

#include "lapwing/train.h"
#include "train/ensemble_fit.h"
#include "train/quality.h"

/* What is to be trained. All borrowed. */
struct lw_training_request {
    const char *detector;
    const struct lw_train_options *options;   /* models and tuning are given; seed is. */
    const struct lw_training_source *sources; /* [n_sources] By name, rising. */
    size_t n_sources;
    double step_s;         /* The detector's; 0: rows come as they come. */
    bool budget_is_shared; /* By all entities of the detector; else each has its own. */
};

/* Models of some entities. */
struct lw_trained_group {
    size_t n_columns, n_entities;
    const char **columns;             /* [n_columns] Of the sources. */
    size_t *entities;                 /* [n_entities] Numbers of sources. */
    struct lw_training_result result; /* Without levels and distances. */
};

/* What came of it. The caller owns it: lw_training_outcome_fini(). */
struct lw_training_outcome {
    size_t n_groups;
    struct lw_trained_group *groups;
    size_t fallback; /* Group that serves entities not trained on; SIZE_MAX: none. */
    char *report; /* JSON, terminated; there also when the data were judged but not trained on. */
    size_t report_bytes;
};

/*
 * LW_EINVAL when there is too little to learn from or an option is out of bounds, LW_ENOTFOUND for
 * an unknown model, LW_ELIMIT when options->memory_max does not suffice (the message has what
 * would), LW_ENOMEM. Deterministic from the seed, whatever the number of threads.
 */
enum lw_status lw_training_run(const struct lw_training_request *request,
                               struct lw_training_outcome *ret_outcome,
                               struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared one. */
void lw_training_outcome_fini(struct lw_training_outcome *outcome);

#endif
