/* Fits an ensemble twice, and makes units and calibration of the difference: see
 * train/ensemble_fit.h. */
#include "train/ensemble_fit.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "train/ensemble_fit_internal.h"

#include <math.h>
#include <string.h>

/* Rows that tell what a member costs, and in how many stretches. */
#define MEASURED_ROWS 1024u
#define MEASURED_STRETCHES 16u

static enum lw_status score_kept(struct lw_fit_scoring *scoring, struct lw_training_result *result,
                                 struct lw_error *reterr)
{
    size_t n_members = scoring->ensemble->n_members, at = 0;
    size_t n_state = lw_ensemble_n_state(scoring->ensemble);

    scoring->n_state = n_state;
    scoring->entities = scoring->half->set->entities;
    scoring->state = lw_mem_calloc(n_state, sizeof(float));
    result->levels = lw_mem_calloc(result->n_kept, sizeof(double));
    result->distances = lw_mem_calloc(result->n_kept * n_members, sizeof(float));
    if (scoring->state == NULL || result->levels == NULL || result->distances == NULL) {
        lw_mem_free(scoring->state);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to calibrate on %zu rows",
                            result->n_kept);
    }
    for (size_t e = 0; e < result->n_entities; e++) {
        size_t n_rows = scoring->half->set->entities[e].n_rows;

        lw_fit_score_rows(scoring, e, n_rows - result->kept[e], n_rows, result->levels + at,
                          result->distances + at * n_members);
        at += result->kept[e];
    }
    lw_mem_free(scoring->state);
    return LW_OK;
}

/* The median of each member's distances over the rows kept back. */
static void learn_medians(const struct lw_training_result *result, struct lw_ensemble *ensemble,
                          double *work)
{
    for (size_t m = 0; m < ensemble->n_members; m++) {
        size_t n = 0;

        for (size_t i = 0; i < result->n_kept; i++) {
            double distance = (double)result->distances[i * ensemble->n_members + m];

            if (!isnan(distance)) {
                work[n++] = distance;
            }
        }
        ensemble->members[m].median = n > 0 ? lw_median_of(work, n) : 0.0;
    }
}

/* The smoothed energy of each row kept back, NaN where nothing was known, into result->levels. */
static void smooth_kept(const struct lw_training_result *result, const struct lw_ensemble *ensemble)
{
    double energies[LW_ENSEMBLE_MEMBERS_MAX], weights[LW_ENSEMBLE_MEMBERS_MAX];
    size_t at = 0;

    for (size_t e = 0; e < result->n_entities; e++) {
        double smoothed = -1.0;

        for (size_t i = 0; i < result->kept[e]; i++, at++) {
            double energy;

            for (size_t m = 0; m < ensemble->n_members; m++) {
                const struct lw_member *member = &ensemble->members[m];

                weights[m] = member->weight;
                energies[m] = lw_energy((double)result->distances[at * ensemble->n_members + m],
                                        member->median, member->unit);
            }
            energy = lw_energy_combine(energies, weights, ensemble->n_members);
            smoothed = isnan(energy) ? smoothed : lw_energy_smooth(smoothed, energy);
            result->levels[at] = isnan(energy) ? NAN : smoothed;
        }
    }
}

/* Units, calibration and primed calibrators, from the distances of the rows kept back. */
static enum lw_status calibrate(struct lw_training_result *result, struct lw_ensemble *ensemble,
                                struct lw_error *reterr)
{
    double *work = lw_mem_calloc(result->n_kept, sizeof(*work));
    enum lw_status status;
    size_t n = 0, at = 0;

    if (work == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to calibrate on %zu rows",
                            result->n_kept);
    }
    learn_medians(result, ensemble, work);
    smooth_kept(result, ensemble);
    for (size_t i = 0; i < result->n_kept; i++) {
        if (!isnan(result->levels[i])) {
            work[n++] = result->levels[i];
        }
    }
    status = lw_calibration_fit(work, n, &ensemble->calibration, reterr);
    lw_mem_free(work);
    for (size_t e = 0; status == LW_OK && e < result->n_entities; e++) {
        lw_calibrator_init(&result->calibrators[e]);
        for (size_t i = 0; i < result->kept[e]; i++, at++) {
            result->levels[at] = lw_calibration_level(&ensemble->calibration, result->levels[at]);
            if (!isnan(result->levels[at])) {
                lw_calibrator_prime(&result->calibrators[e], result->levels[at]);
            }
        }
    }
    return status;
}

/* Leads each entity's state to the end of its rows, so that service goes on from there. */
static enum lw_status warm_states(const struct lw_fit_half *half, struct lw_training_result *result,
                                  struct lw_error *reterr)
{
    struct lw_fit_scoring scoring = {
        .ensemble = result->ensemble, .half = half, .entities = half->set->entities};
    double energies[LW_FIT_WARM_ROWS];

    result->n_state = lw_ensemble_n_state(result->ensemble);
    scoring.n_state = result->n_state;
    result->states = lw_mem_calloc(result->n_entities * result->n_state, sizeof(float));
    if (result->states == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the states of %zu entities",
                            result->n_entities);
    }
    for (size_t e = 0; e < result->n_entities; e++) {
        size_t n_rows = half->set->entities[e].n_rows;
        size_t n = n_rows < LW_FIT_WARM_ROWS ? n_rows : LW_FIT_WARM_ROWS;

        scoring.state = result->states + e * result->n_state;
        lw_fit_score_rows(&scoring, e, n_rows - n, n_rows, energies, NULL);
        for (size_t i = n / 2; i < n; i++) {
            if (!isnan(energies[i])) {
                result->calibrators[e].smoothed = lw_energy_smooth(result->calibrators[e].smoothed,
                                                                   energies[i]);
            }
        }
    }
    return LW_OK;
}

/* What a row costs a member, one by one over n rows: the least of several stretches, for now and
 * then the processor is elsewhere. */
static double measure_member(const struct lw_member *member, float *state, const float *row,
                             size_t n)
{
    size_t n_dims = member->class->n_dims(member->model), n_stretch = n / MEASURED_STRETCHES + 1;
    double least = INFINITY, spent;
    float distance;

    for (size_t at = 0; at + n_stretch <= n; at += n_stretch) {
        int64_t started = lw_clock_monotonic_ns();

        for (size_t i = 0; i < n_stretch; i++, row += n_dims) {
            member->class->score(member->model, member->class->n_state == NULL ? NULL : state, row,
                                 1, &distance);
        }
        spent = (double)(lw_clock_monotonic_ns() - started) / (double)n_stretch;
        least = spent < least ? spent : least;
    }
    return least;
}

/* What each member costs, on the newest rows that it was fitted to. */
static enum lw_status measure_members(const struct lw_fit_half *half,
                                      struct lw_training_result *result, struct lw_error *reterr)
{
    float *state = lw_mem_calloc(result->n_state, sizeof(*state));

    if (state == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to measure the members");
    }
    for (size_t m = 0; m < result->ensemble->n_members; m++) {
        const struct lw_member *member = &result->ensemble->members[m];
        struct lw_model_rows rows = lw_fit_half_rows(half, member->view);
        size_t n = rows.n_rows < MEASURED_ROWS ? rows.n_rows : MEASURED_ROWS;

        result->members[m].fit_seconds = half->fit_seconds[m];
        if (member->model == NULL) {
            continue; /* It is part of the views. */
        }
        result->members[m].bytes = member->class->bytes(member->model);
        memset(state, 0, result->n_state * sizeof(*state));
        result->members[m].nanoseconds_a_row = measure_member(
            member, state, rows.values + (rows.n_rows - n) * rows.n_dims, n);
    }
    lw_mem_free(state);
    return LW_OK;
}

/* What remains when all models are fitted. */
static enum lw_status finish(struct lw_fit *fit, struct lw_training_result *result,
                             struct lw_error *reterr)
{
    struct lw_ensemble *older = lw_fit_half_take(&fit->halves[0]);
    struct lw_fit_scoring scoring = {.ensemble = older, .half = &fit->halves[0]};
    enum lw_status status = LW_ENOMEM;

    result->ensemble = lw_fit_half_take(&fit->halves[1]);
    if (older == NULL || result->ensemble == NULL) {
        (void)lw_error_set(reterr, LW_ENOMEM, "no memory for an ensemble");
    } else {
        status = score_kept(&scoring, result, reterr);
    }
    if (status == LW_OK) {
        status = calibrate(result, result->ensemble, reterr);
    }
    if (status == LW_OK) {
        status = warm_states(&fit->halves[1], result, reterr);
    }
    if (status == LW_OK) {
        status = measure_members(&fit->halves[1], result, reterr);
    }
    lw_ensemble_destroy(older);
    return status;
}

static enum lw_status fit_all(struct lw_fit *fit, struct lw_error *reterr)
{
    const struct lw_training_set *set = fit->halves[0].set;
    size_t n_members = fit->halves[0].plan->n_members;

    fit->n_all = 2 + 2 * n_members;
    lw_parallel(2, set->n_threads, lw_fit_job_views, fit);
    for (size_t i = 0; i < 2; i++) {
        if (fit->halves[i].status != LW_OK) {
            return lw_error_set(reterr, fit->halves[i].status, "%s", fit->halves[i].error.message);
        }
    }
    lw_parallel(2 * n_members, set->n_threads, lw_fit_job_member, fit);
    for (size_t i = 0; i < 2 * n_members; i++) {
        if (fit->statuses[i] != LW_OK) {
            return lw_error_set(reterr, fit->statuses[i], "%s", fit->errors[i].message);
        }
    }
    return LW_OK;
}

static enum lw_status result_init(const struct lw_training_set *set,
                                  struct lw_training_result *result, struct lw_error *reterr)
{
    result->n_entities = set->n_entities;
    result->kept = lw_mem_calloc(set->n_entities, sizeof(*result->kept));
    result->calibrators = lw_mem_calloc(set->n_entities, sizeof(*result->calibrators));
    if (result->kept == NULL || result->calibrators == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train on %zu entities",
                            set->n_entities);
    }
    for (size_t i = 0; i < set->n_entities; i++) {
        result->kept[i] = lw_fit_n_kept_back(set->entities[i].n_rows);
        result->n_kept += result->kept[i];
    }
    return LW_OK;
}

enum lw_status lw_ensemble_fit(const struct lw_plan *plan, const struct lw_training_set *set,
                               struct lw_training_result *ret_result, struct lw_error *reterr)
{
    struct lw_fit *fit;
    enum lw_status status = lw_fit_check_set(set, reterr);

    memset(ret_result, 0, sizeof(*ret_result));
    if (status != LW_OK) {
        return status;
    }
    fit = lw_mem_calloc(1, sizeof(*fit));
    if (fit == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train");
    }
    status = result_init(set, ret_result, reterr);
    for (size_t i = 0; status == LW_OK && i < 2; i++) {
        status = lw_fit_half_init(&fit->halves[i], plan, set, i == 0, reterr);
    }
    if (status == LW_OK) {
        status = fit_all(fit, reterr);
    }
    if (status == LW_OK) {
        status = finish(fit, ret_result, reterr);
    }
    lw_fit_half_fini(&fit->halves[0]);
    lw_fit_half_fini(&fit->halves[1]);
    lw_mem_free(fit);
    if (status != LW_OK) {
        lw_training_result_fini(ret_result);
    }
    return status;
}

void lw_training_result_fini(struct lw_training_result *result)
{
    lw_ensemble_destroy(result->ensemble);
    lw_mem_free(result->states);
    lw_mem_free(result->calibrators);
    lw_mem_free(result->levels);
    lw_mem_free(result->kept);
    lw_mem_free(result->distances);
    memset(result, 0, sizeof(*result));
}
