/* What a training decides by rows that no model had seen: weights, sharing, and what budgets allow.
 */
#include "train/training_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400.0
#define WEEK_S 604800.0
#define BENCHMARK_ROWS 1260.0
/* Entities below which nothing can be shared or grouped. */
#define SHARING_ENTITIES_LEAST 2u

/* ---- what is validated ---- */

/* The members of what was asked for, then those of the presets that are not among them. */
static enum lw_status widen_plan(struct training *training, struct lw_error *reterr)
{
    static const char *const presets[] = {"full", "lean"};
    struct lw_plan *wide = &training->wide;

    *wide = training->wanted;
    for (size_t i = 0; i < wide->n_members; i++) {
        training->asked[i] = wide->members[i].weight;
    }
    for (size_t p = 0; p < 2; p++) {
        struct lw_plan preset;
        enum lw_status status = lw_plan_parse(presets[p], "", &preset, reterr);

        if (status != LW_OK) {
            return status;
        }
        for (size_t i = 0; i < preset.n_members; i++) {
            bool is_there = false;

            for (size_t m = 0; m < wide->n_members; m++) {
                is_there = is_there || (wide->members[m].class == preset.members[i].class &&
                                        wide->members[m].view == preset.members[i].view);
            }
            if (!is_there && wide->n_members < LW_ENSEMBLE_MEMBERS_MAX) {
                wide->members[wide->n_members++] = preset.members[i];
            }
        }
    }
    return LW_OK;
}

/* Entities long enough, evenly spread over all of them. */
static enum lw_status pick_validated(struct training *training, struct lw_error *reterr)
{
    size_t *fit = lw_mem_calloc(training->n_entities + 1, sizeof(*fit)), n = 0, n_taken;

    if (fit == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to pick entities");
    }
    for (size_t e = 0; e < training->n_entities; e++) {
        if (training->entities[e].is_used &&
            training->entities[e].source->n_rows / training->thin >= LW_VALIDATION_ROWS_MIN) {
            fit[n++] = e;
        }
    }
    n_taken = n < LW_TRAINING_VALIDATED_MAX ? n : LW_TRAINING_VALIDATED_MAX;
    for (size_t i = 0; i < n_taken; i++) {
        training->validated[i] = fit[i * n / n_taken];
    }
    training->n_validated = n_taken;
    lw_mem_free(fit);
    return LW_OK;
}

/* Rows of the entities picked; those that turn out too short are let go. */
static enum lw_status gather_validated(struct training *training, struct lw_error *reterr)
{
    size_t n = 0;

    lw_training_columns(training, training->validated, training->n_validated,
                        &training->validated_columns);
    for (size_t i = 0; i < training->n_validated; i++) {
        struct gathered *gathered = &training->gathered[n];
        enum lw_status status = lw_training_gather(training, training->validated[i],
                                                   &training->validated_columns, false, gathered,
                                                   reterr);

        if (status != LW_OK) {
            return status;
        }
        if (gathered->n_rows < LW_VALIDATION_ROWS_MIN) {
            lw_gathered_fini(gathered);
            continue;
        }
        training->validation[n] = (struct lw_validation_entity){
            .rows = {gathered->rows, gathered->n_rows, gathered->runs, gathered->n_runs},
            .labels = gathered->labels,
            .times_ns = gathered->times_ns};
        training->validated[n++] = training->validated[i];
    }
    training->n_validated = n;
    return LW_OK;
}

static void tell_own(void *context, size_t n_done, size_t n_all)
{
    lw_training_tell(context, "cross-validation", 0.05 + 0.35 * (double)n_done / (double)n_all);
}

static void tell_all(void *context, size_t n_done, size_t n_all)
{
    lw_training_tell(context, "cross-validation of a shared model",
                     0.4 + 0.1 * (double)n_done / (double)n_all);
}

/* LW_EINVAL from a fold means that its rows do not suffice: then there is no validation. */
static enum lw_status validate(struct training *training, bool is_shared, struct lw_held_out *held,
                               struct lw_judge *judge, bool *ret_done, struct lw_error *reterr)
{
    struct lw_validation validation = {.plan = &training->wide,
                                       .entities = training->validation,
                                       .n_entities = training->n_validated,
                                       .n_columns = training->validated_columns.n,
                                       .natural = training->validated_columns.natural,
                                       .n_folds = training->options.n_folds,
                                       .is_shared = is_shared,
                                       .seed = training->options.seed,
                                       .n_threads = is_shared ? training->options.n_threads
                                                              : training->n_parallel,
                                       .progress = is_shared ? tell_all : tell_own,
                                       .context = training};
    enum lw_status status = lw_validate(&validation, held, reterr);

    if (status == LW_EINVAL) {
        training->skipped = "folds have too few rows in which something is known";
        return LW_OK;
    }
    if (status == LW_OK) {
        status = lw_judge_init(held, &training->wide, is_shared, judge, reterr);
        *ret_done = status == LW_OK;
    }
    return status;
}

/* ---- decisions ---- */

static enum lw_status select_weights(struct training *training, const struct lw_judge *judge,
                                     struct lw_error *reterr)
{
    struct lw_select select = {.judge = judge,
                               .asked = training->asked,
                               .asked_name = training->options.models,
                               .prunes = strcmp(training->options.models, "lean") == 0,
                               .n_columns = training->validated_columns.n,
                               .seed = training->options.seed,
                               .n_threads = training->options.n_threads};

    lw_training_tell(training, "comparing candidates", 0.5);
    return lw_select_weights(&select, training->selection, reterr);
}

/* Fills in what both ways of sharing come to. */
static enum lw_status compare_sharing(struct training *training, struct lw_error *reterr)
{
    struct lw_judgement own = {.auc_pr = NAN}, all = {.auc_pr = NAN};
    enum lw_status status = lw_judge_measure(&training->judge_own, &training->judged_own,
                                             training->options.seed, &own, reterr);
    double sum = 0.0;
    size_t n = 0;

    if (status == LW_OK) {
        status = lw_judge_measure(&training->judge_all, &training->judged_all,
                                  training->options.seed, &all, reterr);
    }
    for (size_t e = 0; e < training->n_validated; e++) {
        double agreement = lw_judge_agreement(&training->held_own, training->judged_own.levels,
                                              training->judged_all.levels, e);

        if (!isnan(agreement)) {
            sum += 1.0 - agreement;
            n++;
        }
    }
    training->loss = n > 0 ? sum / (double)n : (double)NAN;
    training->auc_pr_own = own.auc_pr;
    training->auc_pr_all = all.auc_pr;
    return status;
}

/* The rule of LW_SHARING_AUTO: by labels where there are enough, else by rank correlation. */
static void decide_sharing(struct training *training)
{
    bool shares;

    if (training->selection->has_labels && !isnan(training->auc_pr_own) &&
        !isnan(training->auc_pr_all)) {
        shares = training->auc_pr_all >= training->auc_pr_own - LW_SHARING_PRECISION_LOSS;
        (void)snprintf(training->sharing_why, sizeof(training->sharing_why),
                       "by labels: average precision is %.3f with own models and %.3f with a "
                       "shared one; a loss of %.2f is allowed",
                       training->auc_pr_own, training->auc_pr_all, LW_SHARING_PRECISION_LOSS);
    } else {
        shares = training->loss <= LW_SHARING_LOSS;
        (void)snprintf(training->sharing_why, sizeof(training->sharing_why),
                       "1 - rank correlation of the levels that a shared model and own models "
                       "give to rows they had not seen is %.3f; %.2f is allowed",
                       training->loss, LW_SHARING_LOSS);
    }
    training->sharing = shares ? LW_SHARING_ALL : LW_SHARING_OWN;
}

static void sharing_as(struct training *training, enum lw_sharing sharing, const char *why)
{
    training->sharing = sharing;
    (void)snprintf(training->sharing_why, sizeof(training->sharing_why), "%s", why);
}

static enum lw_status choose_sharing(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (training->has_own && training->has_all) {
        status = compare_sharing(training, reterr);
    }
    if (training->n_used < SHARING_ENTITIES_LEAST &&
        (training->options.sharing == LW_SHARING_AUTO ||
         training->options.sharing == LW_SHARING_OWN)) {
        sharing_as(training, LW_SHARING_OWN, "there is one entity only");
    } else if (training->n_used < SHARING_ENTITIES_LEAST) {
        /* Its model serves those that are not known yet: that is what was asked for. */
        sharing_as(training, LW_SHARING_ALL, "it was asked for; there is one entity only");
    } else if (training->options.sharing != LW_SHARING_AUTO) {
        sharing_as(training, training->options.sharing, "it was asked for");
    } else if (training->has_own && training->has_all && status == LW_OK) {
        decide_sharing(training);
    } else {
        sharing_as(training, LW_SHARING_ALL, "entities are too short to compare ways of sharing");
    }
    return status;
}

/* The record that stands for how the models will be shared. */
static void try_budgets(struct training *training)
{
    bool is_shared = training->has_all && training->sharing != LW_SHARING_OWN;
    const struct lw_judge *judge = is_shared ? &training->judge_all : &training->judge_own;
    const struct lw_judged *judged = is_shared ? &training->judged_all : &training->judged_own;
    double spread = training->request->budget_is_shared ? (double)training->n_used : 1.0;
    double seconds[] = {DAY_S, WEEK_S};

    for (size_t i = 0; i < LW_TRAINING_BUDGETS; i++) {
        training->budgets[i].budget_rows = i < 2 ? seconds[i] / training->step_s * spread
                                                 : BENCHMARK_ROWS;
        if (i == 2 || training->step_s > 0.0) {
            lw_budget_try(judge, judged, &training->budgets[i]);
        }
    }
}

/* What was asked for with the weights chosen, without what has none: what is fitted. */
static void settle_plan(struct training *training)
{
    struct lw_plan *final = &training->final;

    *final = training->wanted;
    final->n_members = 0;
    for (size_t m = 0; m < training->wanted.n_members; m++) {
        struct lw_plan_member member = training->wanted.members[m];

        member.weight = training->skipped == NULL ? training->selection->weights[m] : member.weight;
        if (member.weight > 0.0) {
            final->members[final->n_members++] = member;
        }
    }
}

static enum lw_status judge_all(struct training *training, struct lw_error *reterr)
{
    bool wants_all = training->options.sharing != LW_SHARING_OWN && training->n_validated > 1;
    enum lw_status status = validate(training, false, &training->held_own, &training->judge_own,
                                     &training->has_own, reterr);

    if (status == LW_OK && training->has_own && wants_all) {
        status = validate(training, true, &training->held_all, &training->judge_all,
                          &training->has_all, reterr);
    }
    if (status == LW_OK && training->has_own) {
        bool shared = training->options.sharing == LW_SHARING_ALL && training->has_all;

        status = select_weights(training, shared ? &training->judge_all : &training->judge_own,
                                reterr);
    }
    if (status == LW_OK && training->has_own) {
        status = lw_judge_apply(&training->judge_own, training->selection->weights,
                                &training->judged_own, reterr);
    }
    if (status == LW_OK && training->has_all) {
        status = lw_judge_apply(&training->judge_all, training->selection->weights,
                                &training->judged_all, reterr);
    }
    return status;
}

enum lw_status lw_training_choose(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = pick_validated(training, reterr);

    training->loss = training->auc_pr_own = training->auc_pr_all = NAN;
    training->selection = lw_mem_calloc(1, sizeof(*training->selection));
    if (training->selection == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to compare candidates");
    }
    if (status == LW_OK) {
        status = widen_plan(training, reterr);
    }
    if (status == LW_OK && training->n_validated > 0) {
        status = gather_validated(training, reterr);
    }
    if (status == LW_OK && training->n_validated == 0) {
        training->skipped = "no entity has the 512 rows that folds need";
    }
    if (status == LW_OK && training->skipped == NULL) {
        status = judge_all(training, reterr);
    }
    if (status == LW_OK) {
        status = choose_sharing(training, reterr);
    }
    if (status == LW_OK && training->has_own) {
        try_budgets(training);
    }
    if (status == LW_OK) {
        settle_plan(training);
    }
    return status;
}
