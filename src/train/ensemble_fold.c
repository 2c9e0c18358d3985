/* Fits an ensemble once, to judge rows that it has not seen: see train/ensemble_fit.h. */
#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "train/ensemble_fit_internal.h"

/* The scoring of a fold's rows, entity by entity. */
struct fold_scoring {
    const struct lw_ensemble *ensemble;
    const struct lw_fit_half *half;
    const struct lw_fold *fold;
    const size_t *places; /* [n_entities] Where each entity's rows begin in the result. */
    float *states;        /* [n_entities][n_state] */
    float *distances;
};

static void job_fold_score(void *context, size_t e)
{
    const struct fold_scoring *job = context;
    size_t n_state = lw_ensemble_n_state(job->ensemble);
    struct lw_fit_scoring scoring = {.ensemble = job->ensemble,
                                     .half = job->half,
                                     .entities = job->fold->judged,
                                     .state = job->states + e * n_state,
                                     .n_state = n_state};

    lw_fit_score_rows(&scoring, e, job->fold->from[e], job->fold->judged[e].n_rows, NULL,
                      job->distances + job->places[e] * job->ensemble->n_members);
}

static enum lw_status fold_score(const struct lw_fit_half *half, const struct lw_ensemble *ensemble,
                                 const struct lw_fold *fold, float *ret_distances,
                                 struct lw_error *reterr)
{
    size_t n_entities = half->set->n_entities, at = 0;
    size_t *places = lw_mem_calloc(n_entities, sizeof(*places));
    float *states = lw_mem_calloc(n_entities, lw_ensemble_n_state(ensemble) * sizeof(*states));
    struct fold_scoring job = {ensemble, half, fold, places, states, ret_distances};

    if (places == NULL || states == NULL) {
        lw_mem_free(places);
        lw_mem_free(states);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the states of %zu entities",
                            n_entities);
    }
    for (size_t e = 0; e < n_entities; e++) {
        places[e] = at;
        at += fold->judged[e].n_rows - fold->from[e];
    }
    lw_parallel(n_entities, half->set->n_threads, job_fold_score, &job);
    lw_mem_free(places);
    lw_mem_free(states);
    return LW_OK;
}

/* Views and members of the whole, over all threads. */
static enum lw_status fold_fit(struct lw_fit *fit, struct lw_error *reterr)
{
    struct lw_fit_half *half = &fit->halves[1];

    fit->n_all = 1 + half->plan->n_members;
    lw_fit_job_views(fit, 1);
    if (half->status != LW_OK) {
        return lw_error_set(reterr, half->status, "%s", half->error.message);
    }
    lw_parallel(half->plan->n_members, half->set->n_threads, lw_fit_job_member, fit);
    for (size_t i = 0; i < half->plan->n_members; i++) {
        if (fit->statuses[i] != LW_OK) {
            return lw_error_set(reterr, fit->statuses[i], "%s", fit->errors[i].message);
        }
    }
    return LW_OK;
}

enum lw_status lw_ensemble_fit_fold(const struct lw_plan *plan, const struct lw_training_set *set,
                                    const struct lw_fold *fold, float *ret_distances,
                                    struct lw_error *reterr)
{
    struct lw_ensemble *ensemble = NULL;
    struct lw_fit *fit;
    enum lw_status status = lw_fit_check_set(set, reterr);

    for (size_t i = 0; status == LW_OK && i < set->n_entities; i++) {
        if (!lw_fit_runs_add_up(&fold->judged[i]) || fold->from[i] > fold->judged[i].n_rows) {
            status = lw_error_set(reterr, LW_EINVAL,
                                  "the rows to judge of entity %zu do not add up", i);
        }
    }
    if (status != LW_OK) {
        return status;
    }
    fit = lw_mem_calloc(1, sizeof(*fit));
    if (fit == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train");
    }
    status = lw_fit_half_init(&fit->halves[1], plan, set, false, reterr);
    if (status == LW_OK) {
        status = fold_fit(fit, reterr);
    }
    if (status == LW_OK) {
        ensemble = lw_fit_half_take(&fit->halves[1]);
        status = ensemble == NULL
                     ? lw_error_set(reterr, LW_ENOMEM, "no memory for an ensemble")
                     : fold_score(&fit->halves[1], ensemble, fold, ret_distances, reterr);
    }
    lw_ensemble_destroy(ensemble);
    lw_fit_half_fini(&fit->halves[1]);
    lw_mem_free(fit);
    return status;
}
