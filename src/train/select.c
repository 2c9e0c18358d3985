/* Compares candidates and settles weights: see train/select.h. */
#include "train/select.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- costs, counted ---- */

#define EXP_COST 8.0   /* Multiply-adds that one exp or tanh is worth. */
#define VISIT_COST 4.0 /* And one node of a tree: a load that is waited for. */

double lw_views_cost(size_t n_columns)
{
    double d = (double)n_columns;

    return 5.0 * d * d + 6.0 * d * LW_VIEWS_COMPONENTS + LW_VIEWS_FIRST * d +
           (double)LW_VIEWS_PATCH_INPUTS * LW_VIEWS_COMPONENTS;
}

double lw_member_cost(const struct lw_plan_member *member, size_t n_columns)
{
    const char *class = member->class->name;
    double d = (double)lw_view_width(member->view, n_columns);

    if (strcmp(class, "linear") == 0) {
        return member->view == LW_VIEW_VALUES ? 0.0 : 5.0 * d * d; /* The views have it already. */
    }
    if (strcmp(class, "lstm") == 0) {
        return 4.0 * 16.0 * (d + 16.0) + 16.0 * d + 80.0 * EXP_COST;
    }
    if (strcmp(class, "knn") == 0 || strcmp(class, "lof") == 0) {
        return 500.0 * d;
    }
    if (strcmp(class, "ocsvm") == 0) {
        return 100.0 * (d + EXP_COST);
    }
    if (strcmp(class, "autoencoder") == 0) {
        return 2.0 * (24.0 * d + 24.0 * 8.0) + 56.0 * EXP_COST;
    }
    if (strcmp(class, "ecod") == 0) {
        return d * 12.0;
    }
    return 100.0 * 8.0 * VISIT_COST; /* A forest of a hundred trees. */
}

void lw_member_name(const struct lw_plan_member *member, char *ret_name, size_t capacity)
{
    (void)snprintf(ret_name, capacity, "%s@%s", member->class->name, lw_view_name(member->view));
}

/* Of a combination: the views, and each member with a weight. */
static double cost_of(const struct lw_select *select, const double *weights)
{
    const struct lw_plan *plan = select->judge->plan;
    double cost = lw_views_cost(select->n_columns);

    for (size_t m = 0; m < plan->n_members; m++) {
        cost += weights[m] > 0.0 ? lw_member_cost(&plan->members[m], select->n_columns) : 0.0;
    }
    return cost;
}

/* ---- candidates ---- */

/* Weights of a preset among the plan's members; false where one of its members is not there. */
static bool preset_weights(const struct lw_plan *plan, const char *preset, double *ret_weights)
{
    struct lw_plan wanted;

    memset(ret_weights, 0, LW_ENSEMBLE_MEMBERS_MAX * sizeof(*ret_weights));
    if (lw_plan_parse(preset, "", &wanted, NULL) != LW_OK) {
        return false;
    }
    for (size_t w = 0; w < wanted.n_members; w++) {
        size_t m = 0;

        while (m < plan->n_members && (plan->members[m].class != wanted.members[w].class ||
                                       plan->members[m].view != wanted.members[w].view)) {
            m++;
        }
        if (m == plan->n_members) {
            return false;
        }
        ret_weights[m] = wanted.members[w].weight;
    }
    return true;
}

static void add_candidate(struct lw_selection *selection, const char *name, const double *weights,
                          bool is_member)
{
    struct lw_candidate *candidate = &selection->candidates[selection->n_candidates++];

    (void)snprintf(candidate->name, sizeof(candidate->name), "%s", name);
    memcpy(candidate->weights, weights, sizeof(candidate->weights));
    candidate->is_member = is_member;
}

static void add_candidates(const struct lw_select *select, struct lw_selection *selection)
{
    static const char *const presets[] = {"full", "lean"};
    const struct lw_plan *plan = select->judge->plan;
    double weights[LW_ENSEMBLE_MEMBERS_MAX] = {0.0};
    char name[64];

    memcpy(weights, select->asked, plan->n_members * sizeof(*weights));
    add_candidate(selection, select->asked_name, weights, false);
    selection->candidates[0].is_selected = true;
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(presets[i], select->asked_name) != 0 &&
            preset_weights(plan, presets[i], weights)) {
            add_candidate(selection, presets[i], weights, false);
        }
    }
    for (size_t m = 0; m < plan->n_members; m++) {
        memset(weights, 0, sizeof(weights));
        weights[m] = 1.0;
        lw_member_name(&plan->members[m], name, sizeof(name));
        add_candidate(selection, name, weights, true);
    }
}

struct candidate_jobs {
    const struct lw_select *select;
    struct lw_selection *selection;
    enum lw_status statuses[LW_CANDIDATES_MAX];
    struct lw_error errors[LW_CANDIDATES_MAX];
};

static void job_candidate(void *context, size_t i)
{
    struct candidate_jobs *jobs = context;
    struct lw_candidate *candidate = &jobs->selection->candidates[i];
    struct lw_judged judged = {0};

    candidate->cost = cost_of(jobs->select, candidate->weights);
    jobs->statuses[i] = lw_judge_apply(jobs->select->judge, candidate->weights, &judged,
                                       &jobs->errors[i]);
    if (jobs->statuses[i] == LW_OK) {
        jobs->statuses[i] = lw_judge_measure(jobs->select->judge, &judged, jobs->select->seed,
                                             &candidate->judgement, &jobs->errors[i]);
    }
    lw_judged_fini(&judged);
}

static enum lw_status judge_candidates(const struct lw_select *select,
                                       struct lw_selection *selection, struct lw_error *reterr)
{
    struct candidate_jobs *jobs = lw_mem_calloc(1, sizeof(*jobs));
    enum lw_status status = LW_OK;

    if (jobs == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to compare candidates");
    }
    jobs->select = select;
    jobs->selection = selection;
    lw_parallel(selection->n_candidates, select->n_threads, job_candidate, jobs);
    for (size_t i = 0; status == LW_OK && i < selection->n_candidates; i++) {
        if (jobs->statuses[i] != LW_OK) {
            status = lw_error_set(reterr, jobs->statuses[i], "%s", jobs->errors[i].message);
        }
    }
    lw_mem_free(jobs);
    return status;
}

/* ---- labels ---- */

/* Levels by weights learnt, for each fold, from the labels before it alone. */
static enum lw_status judge_learned(const struct lw_select *select, struct lw_judged *ret_judged,
                                    struct lw_error *reterr)
{
    const struct lw_held_out *held = select->judge->held;
    enum lw_status status = lw_judge_apply(select->judge, select->asked, ret_judged, reterr);

    for (size_t fold = 1; status == LW_OK && fold < held->n_folds; fold++) {
        double weights[LW_ENSEMBLE_MEMBERS_MAX];
        struct lw_judged judged = {0};
        size_t n_events;

        status = lw_judge_learn_weights(select->judge, select->asked, fold, weights, &n_events,
                                        reterr);
        if (status == LW_OK) {
            status = lw_judge_apply(select->judge, weights, &judged, reterr);
        }
        for (size_t e = 0; status == LW_OK && e < held->n_entities; e++) {
            const struct lw_held_stretch *stretch = &held->stretches[e * held->n_folds + fold];

            memcpy(ret_judged->levels + stretch->at, judged.levels + stretch->at,
                   stretch->n_rows * sizeof(*judged.levels));
        }
        lw_judged_fini(&judged);
    }
    return status;
}

/* Labels change the weights when weights learnt before each fold rank that fold better. */
static enum lw_status weigh_by_labels(const struct lw_select *select,
                                      struct lw_selection *selection, struct lw_error *reterr)
{
    const struct lw_held_out *held = select->judge->held;
    struct lw_judged judged = {0};
    struct lw_judgement learned = {.auc_pr = NAN};
    enum lw_status status = judge_learned(select, &judged, reterr);
    double weights[LW_ENSEMBLE_MEMBERS_MAX];
    size_t n_events = 0;

    if (status == LW_OK) {
        status = lw_judge_measure(select->judge, &judged, select->seed, &learned, reterr);
    }
    lw_judged_fini(&judged);
    if (status == LW_OK) {
        status = lw_judge_learn_weights(select->judge, select->asked, held->n_folds, weights,
                                        &n_events, reterr);
    }
    if (status != LW_OK) {
        return status;
    }
    selection->auc_pr_recipe = selection->candidates[0].judgement.auc_pr;
    selection->auc_pr_labels = learned.auc_pr;
    selection->shrinkage = (double)n_events / ((double)n_events + 10.0);
    if (learned.auc_pr > selection->auc_pr_recipe) {
        memcpy(selection->weights, weights, held->n_members * sizeof(*weights));
        selection->weights_learned = true;
    }
    return LW_OK;
}

/* ---- what pays ---- */

/* What leaving a member out costs: average precision where labels decide, else agreement. */
static enum lw_status worth_of(const struct lw_select *select, struct lw_selection *selection,
                               const struct lw_judged *whole, size_t member,
                               struct lw_error *reterr)
{
    double weights[LW_ENSEMBLE_MEMBERS_MAX], sum = 0.0;
    struct lw_judged judged = {0};
    struct lw_judgement with = {.auc_pr = NAN}, without = {.auc_pr = NAN};
    enum lw_status status;

    memcpy(weights, selection->weights, sizeof(weights));
    weights[member] = 0.0;
    for (size_t m = 0; m < select->judge->held->n_members; m++) {
        sum += weights[m];
    }
    selection->worth[member] = 1.0; /* There is no other. */
    if (!(sum > 0.0)) {
        return LW_OK;
    }
    status = lw_judge_apply(select->judge, weights, &judged, reterr);
    if (status == LW_OK && selection->has_labels) {
        status = lw_judge_measure(select->judge, whole, select->seed, &with, reterr);
    }
    if (status == LW_OK && selection->has_labels) {
        status = lw_judge_measure(select->judge, &judged, select->seed, &without, reterr);
    }
    if (status == LW_OK) {
        selection->worth[member] = selection->has_labels
                                       ? with.auc_pr - without.auc_pr
                                       : 1.0 - lw_judge_agreement(select->judge->held,
                                                                  whole->levels, judged.levels,
                                                                  SIZE_MAX);
    }
    lw_judged_fini(&judged);
    return status;
}

struct worth_jobs {
    const struct lw_select *select;
    struct lw_selection *selection;
    const struct lw_judged *whole;
    enum lw_status statuses[LW_ENSEMBLE_MEMBERS_MAX];
    struct lw_error errors[LW_ENSEMBLE_MEMBERS_MAX];
};

static void job_worth(void *context, size_t member)
{
    struct worth_jobs *jobs = context;

    if (jobs->selection->weights[member] > 0.0) {
        jobs->statuses[member] = worth_of(jobs->select, jobs->selection, jobs->whole, member,
                                          &jobs->errors[member]);
    }
}

/* Leaves out what changes less than its share of the cost would ask for. */
static void prune(const struct lw_select *select, struct lw_selection *selection)
{
    const struct lw_plan *plan = select->judge->plan;
    double cost = cost_of(select, selection->weights);
    size_t n_left = 0;

    for (size_t m = 0; m < plan->n_members; m++) {
        n_left += selection->weights[m] > 0.0 ? 1 : 0;
    }
    for (size_t m = 0; m < plan->n_members && n_left > 1; m++) {
        double share = lw_member_cost(&plan->members[m], select->n_columns) / cost;

        if (selection->weights[m] > 0.0 && share > 0.0 &&
            selection->worth[m] < LW_SELECT_PAY * share) {
            selection->weights[m] = 0.0;
            n_left--;
        }
    }
}

static enum lw_status weigh_worth(const struct lw_select *select, struct lw_selection *selection,
                                  struct lw_error *reterr)
{
    struct worth_jobs *jobs = lw_mem_calloc(1, sizeof(*jobs));
    size_t n_members = select->judge->held->n_members;
    struct lw_judged whole = {0};
    enum lw_status status;

    if (jobs == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to judge %zu members", n_members);
    }
    *jobs = (struct worth_jobs){.select = select, .selection = selection, .whole = &whole};
    status = lw_judge_apply(select->judge, selection->weights, &whole, reterr);
    if (status == LW_OK) {
        lw_parallel(n_members, select->n_threads, job_worth, jobs);
        for (size_t m = 0; status == LW_OK && m < n_members; m++) {
            if (jobs->statuses[m] != LW_OK) {
                status = lw_error_set(reterr, jobs->statuses[m], "%s", jobs->errors[m].message);
            }
        }
    }
    lw_judged_fini(&whole);
    lw_mem_free(jobs);
    return status;
}

enum lw_status lw_select_weights(const struct lw_select *select, struct lw_selection *ret_selection,
                                 struct lw_error *reterr)
{
    struct lw_selection *selection = ret_selection;
    size_t n_members = select->judge->held->n_members;
    enum lw_status status;

    memset(selection, 0, sizeof(*selection));
    memcpy(selection->weights, select->asked, n_members * sizeof(*select->asked));
    selection->shrinkage = selection->auc_pr_recipe = selection->auc_pr_labels = NAN;
    for (size_t m = 0; m < n_members; m++) {
        selection->worth[m] = NAN;
    }
    add_candidates(select, selection);
    status = judge_candidates(select, selection, reterr);
    if (status == LW_OK) {
        selection->n_events = selection->candidates[0].judgement.n_events;
        selection->has_labels = selection->n_events >= LW_SELECT_EVENTS_LEAST;
    }
    if (status == LW_OK && selection->has_labels) {
        status = weigh_by_labels(select, selection, reterr);
    }
    if (status == LW_OK) {
        status = weigh_worth(select, selection, reterr);
    }
    if (status == LW_OK && select->prunes) {
        prune(select, selection);
    }
    return status;
}
