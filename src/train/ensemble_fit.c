/* Fits an ensemble: see train/ensemble_fit.h. */
#include "train/ensemble_fit.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "model/linear.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* Rows before the ones of interest that a fresh state is led through: many times the look-back. */
#define WARM_ROWS 512u
/* Rows that go through an ensemble together. */
#define SCORE_ROWS 64u
/* Rows that tell what a member costs, and in how many stretches. */
#define MEASURED_ROWS 1024u
#define MEASURED_STRETCHES 16u

/* One of the two fits: on a share of each entity's rows. */
struct half {
    const struct lw_plan *plan;
    const struct lw_training_set *set;
    uint64_t seed;
    size_t *used;  /* [n_entities] rows used of each entity */
    size_t n_rows; /* Those of them, in all, of which anything is known. */
    size_t *runs;  /* [n_runs] Stretches without a break, of all entities. */
    size_t n_runs;
    float *scales;                    /* [n_entities][n_scale] */
    float *matrix[LW_VIEW_PATCH + 1]; /* By view: [n_rows][width]; values first of all. */
    struct lw_views *views;
    struct lw_model *models[LW_ENSEMBLE_MEMBERS_MAX];
    double fit_seconds[LW_ENSEMBLE_MEMBERS_MAX];
    enum lw_status status; /* Of making the views. */
    struct lw_error error;
};

/* Both fits, and the jobs on the way. */
struct fit {
    struct half halves[2]; /* The one that keeps rows back, and the whole. */
    atomic_size_t n_done;
    size_t n_all;
    enum lw_status statuses[2 * LW_ENSEMBLE_MEMBERS_MAX];
    struct lw_error errors[2 * LW_ENSEMBLE_MEMBERS_MAX];
};

static size_t n_kept_back(size_t n_rows)
{
    size_t n = (size_t)(LW_TRAIN_KEPT_BACK * (double)n_rows);

    return n < LW_CALIBRATION_ROWS_MIN ? LW_CALIBRATION_ROWS_MIN : n;
}

static void half_fini(struct half *half)
{
    for (size_t i = 0; half->plan != NULL && i < half->plan->n_members; i++) {
        if (half->models[i] != NULL) {
            half->plan->members[i].class->destroy(half->models[i]);
        }
    }
    for (int view = 0; view <= LW_VIEW_PATCH; view++) {
        lw_mem_free(half->matrix[view]);
    }
    lw_views_destroy(half->views);
    lw_mem_free(half->scales);
    lw_mem_free(half->runs);
    lw_mem_free(half->used);
}

static size_t entity_n_runs(const struct lw_training_entity *entity)
{
    return entity->runs == NULL ? 1 : entity->n_runs;
}

static size_t entity_run(const struct lw_training_entity *entity, size_t i)
{
    return entity->runs == NULL ? entity->n_rows : entity->runs[i];
}

static size_t count_runs(const struct lw_training_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n_entities; i++) {
        n += entity_n_runs(&set->entities[i]);
    }
    return n;
}

/* The runs of an entity, as far as its rows are used. Rows of which nothing is known do not count:
 * as in service, they are as if they were not there. */
static void cut_runs(struct half *half, size_t entity)
{
    const struct lw_training_entity *from = &half->set->entities[entity];
    size_t n_columns = half->set->n_columns, at = 0;

    for (size_t i = 0; i < entity_n_runs(from) && at < half->used[entity]; i++) {
        size_t end = at + entity_run(from, i), n_known = 0;

        for (; at < end && at < half->used[entity]; at++) {
            n_known += !lw_model_row_is_missing(from->rows + at * n_columns, n_columns);
        }
        half->n_rows += n_known;
        half->runs[half->n_runs] = n_known;
        half->n_runs += n_known > 0;
    }
}

/* Does a run begin at this row of an entity? `run` and `left` say where it is; both 0 at first. */
static bool run_begins(const struct lw_training_entity *entity, size_t *run, size_t *left)
{
    bool begins = *left == 0;

    if (begins) {
        *left = entity_run(entity, (*run)++);
    }
    (*left)--;
    return begins;
}

static enum lw_status half_init(struct half *half, const struct lw_plan *plan,
                                const struct lw_training_set *set, bool keeps_back,
                                struct lw_error *reterr)
{
    bool fits = true;

    half->plan = plan;
    half->set = set;
    half->seed = keeps_back ? set->seed : lw_rng_mix(set->seed);
    half->used = lw_mem_calloc(set->n_entities, sizeof(*half->used));
    half->runs = lw_mem_calloc(count_runs(set), sizeof(*half->runs));
    half->scales = lw_mem_calloc(set->n_entities * lw_views_n_scale(set->n_columns), sizeof(float));
    if (half->used == NULL || half->runs == NULL || half->scales == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train on %zu entities",
                            set->n_entities);
    }
    for (size_t i = 0; i < set->n_entities; i++) {
        size_t n = set->entities[i].n_rows;

        half->used[i] = keeps_back ? n - n_kept_back(n) : n;
        cut_runs(half, i);
    }
    for (int view = 0; view <= LW_VIEW_PATCH; view++) {
        size_t width = lw_view_width((enum lw_view)view, set->n_columns);

        if (width > 0) {
            half->matrix[view] = lw_mem_calloc(half->n_rows + 1, width * sizeof(float));
            fits = fits && half->matrix[view] != NULL;
        }
    }
    return fits ? LW_OK
                : lw_error_set(reterr, LW_ENOMEM, "no memory to train on %zu rows of %zu metrics",
                               half->n_rows, set->n_columns);
}

static struct lw_model_rows half_rows(const struct half *half, enum lw_view view)
{
    return (struct lw_model_rows){.values = half->matrix[view],
                                  .n_rows = half->n_rows,
                                  .n_dims = lw_view_width(view, half->set->n_columns),
                                  .n_rests = lw_view_rests(view),
                                  .runs = half->runs,
                                  .n_runs = half->n_runs};
}

static float *half_scale(const struct half *half, size_t entity)
{
    return half->scales + entity * lw_views_n_scale(half->set->n_columns);
}

/* Learns each entity's scale and fills the matrix of values with it. The scale is learnt before the
 * rows, and a flag that turns within them is none from the start. */
static void half_scale_all(struct half *half)
{
    size_t n_columns = half->set->n_columns;
    float *values = half->matrix[LW_VIEW_VALUES];

    for (size_t e = 0; e < half->set->n_entities; e++) {
        const float *rows = half->set->entities[e].rows;

        lw_views_learn_scale(rows, half->used[e], n_columns, half->set->natural,
                             half_scale(half, e));
        for (size_t i = 0; i < half->used[e]; i++) {
            if (!lw_model_row_is_missing(rows + i * n_columns, n_columns)) {
                lw_views_scale_row(n_columns, half_scale(half, e), rows + i * n_columns, values);
                values += n_columns;
            }
        }
    }
}

/* A fresh state of an entity, but for its scale. */
static void state_start(const struct half *half, size_t entity, size_t n_state, float *state)
{
    size_t n_columns = half->set->n_columns;

    memset(state, 0, n_state * sizeof(*state));
    memcpy(state, half_scale(half, entity), lw_views_n_scale(n_columns) * sizeof(*state));
    memset(state + lw_views_n_scale(n_columns) - n_columns, 0, n_columns * sizeof(*state));
}

/* Leads all rows through the views and fills the other matrices. */
static enum lw_status half_show_all(struct half *half, struct lw_error *reterr)
{
    size_t n_columns = half->set->n_columns, n_state = lw_views_n_state(half->views), at = 0;
    float *state = lw_mem_calloc(n_state, sizeof(*state));

    if (state == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for views of %zu metrics", n_columns);
    }
    for (size_t e = 0; e < half->set->n_entities; e++) {
        size_t run = 0, left = 0;

        for (size_t i = 0; i < half->used[e]; i++) {
            const float *raw = half->set->entities[e].rows + i * n_columns;
            struct lw_views_row row = {.values = half->matrix[LW_VIEW_VALUES] + at * n_columns,
                                       .residual = half->matrix[LW_VIEW_RESIDUAL] + at * n_columns,
                                       .embedding = half->matrix[LW_VIEW_EMBEDDING] +
                                                    at * LW_VIEWS_EMBEDDING,
                                       .patch = half->matrix[LW_VIEW_PATCH] + at * LW_VIEWS_PATCH};

            if (run_begins(&half->set->entities[e], &run, &left)) {
                state_start(half, e, n_state, state);
            }
            if (!lw_model_row_is_missing(raw, n_columns)) {
                lw_views_step(half->views, state, raw, &row);
                at++;
            }
        }
    }
    lw_mem_free(state);
    return LW_OK;
}

static void half_make_views(struct half *half)
{
    struct lw_model_rows rows = half_rows(half, LW_VIEW_VALUES);
    struct lw_rng rng;

    half_scale_all(half);
    lw_rng_seed(&rng, lw_rng_mix(half->seed ^ UINT64_C(0x7669657773)));
    half->status = lw_views_fit(&rows, &rng, &half->views, &half->error);
    if (half->status == LW_OK) {
        half->status = half_show_all(half, &half->error);
    }
}

static void tell_progress(struct fit *fit)
{
    const struct lw_training_set *set = fit->halves[1].set;
    size_t n_done = atomic_fetch_add(&fit->n_done, 1) + 1;

    if (set->progress != NULL) {
        set->progress(set->context, n_done, fit->n_all);
    }
}

static void job_views(void *context, size_t i)
{
    struct fit *fit = context;

    half_make_views(&fit->halves[i]);
    tell_progress(fit);
}

/* One member of one half; the members of the whole, which have more rows, come first. */
static void job_member(void *context, size_t i)
{
    struct fit *fit = context;
    size_t n_members = fit->halves[1].plan->n_members, m = i % n_members;
    struct half *half = &fit->halves[i < n_members ? 1 : 0];
    const struct lw_plan_member *member = &half->plan->members[m];
    struct lw_model_rows rows = half_rows(half, member->view);
    int64_t started = lw_clock_monotonic_ns();

    fit->statuses[i] = LW_OK;
    if (member->class != &lw_model_linear || member->view != LW_VIEW_VALUES) {
        fit->statuses[i] = lw_plan_fit(half->plan, member->class, &rows,
                                       lw_rng_mix(half->seed + m + 1), &half->models[m],
                                       &fit->errors[i]);
    }
    half->fit_seconds[m] = (double)(lw_clock_monotonic_ns() - started) * 1e-9;
    tell_progress(fit);
}

/* An ensemble that takes views and models over from a half. */
static struct lw_ensemble *half_take(struct half *half)
{
    struct lw_ensemble *ensemble = lw_mem_calloc(1, sizeof(*ensemble));

    if (ensemble == NULL) {
        return NULL;
    }
    ensemble->views = half->views;
    half->views = NULL;
    ensemble->n_members = half->plan->n_members;
    for (size_t i = 0; i < ensemble->n_members; i++) {
        const struct lw_plan_member *member = &half->plan->members[i];

        ensemble->members[i] = (struct lw_member){member->class,  half->models[i], member->view,
                                                  member->weight, member->unit,    0.0};
        half->models[i] = NULL;
    }
    return ensemble;
}

/* Where rows are scored one after the other. */
struct scoring {
    const struct lw_ensemble *ensemble;
    const struct half *half;                   /* Whose scales count. */
    const struct lw_training_entity *entities; /* Whose rows are scored. */
    float *state;
    size_t n_state;
};

/* Neighbouring rows [begin, end) of an entity, from a fresh state; results from row `from` on. */
static void score_stretch(const struct scoring *scoring, size_t entity, const size_t bounds[3],
                          double *ret_energies, float *ret_distances)
{
    size_t begin = bounds[0], end = bounds[1], from = bounds[2], n;
    size_t n_columns = scoring->half->set->n_columns, n_members = scoring->ensemble->n_members;
    float distances[SCORE_ROWS * LW_ENSEMBLE_MEMBERS_MAX];
    const float *rows[SCORE_ROWS];
    float *states[SCORE_ROWS];
    double energies[SCORE_ROWS];

    state_start(scoring->half, entity, scoring->n_state, scoring->state);
    for (size_t i = begin; i < end; i += n) {
        size_t stop = i < from && from < end ? from : end;

        n = stop - i < SCORE_ROWS ? stop - i : SCORE_ROWS;
        for (size_t k = 0; k < n; k++) {
            rows[k] = scoring->entities[entity].rows + (i + k) * n_columns;
            states[k] = scoring->state;
        }
        lw_ensemble_step(scoring->ensemble, states, rows, n, energies, distances);
        if (i < from) {
            continue;
        }
        if (ret_energies != NULL) {
            memcpy(ret_energies + (i - from), energies, n * sizeof(*energies));
        }
        if (ret_distances != NULL) {
            memcpy(ret_distances + (i - from) * n_members, distances,
                   n * n_members * sizeof(*distances));
        }
    }
}

/* Rows [from, to) of an entity, after WARM_ROWS before them from a fresh state. ret_energies and
 * ret_distances (either may be NULL) are of rows [from, to). */
static void score_rows(const struct scoring *scoring, size_t entity, size_t from, size_t to,
                       double *ret_energies, float *ret_distances)
{
    size_t first = from > WARM_ROWS ? from - WARM_ROWS : 0, at = 0;

    for (size_t run = 0; at < to; run++) {
        size_t end = at + entity_run(&scoring->entities[entity], run);
        size_t bounds[3] = {at > first ? at : first, end < to ? end : to, from};

        if (bounds[0] < bounds[1]) {
            score_stretch(scoring, entity, bounds, ret_energies, ret_distances);
        }
        at = end;
    }
}

static enum lw_status score_kept(struct scoring *scoring, struct lw_training_result *result,
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

        score_rows(scoring, e, n_rows - result->kept[e], n_rows, result->levels + at,
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
static enum lw_status warm_states(const struct half *half, struct lw_training_result *result,
                                  struct lw_error *reterr)
{
    struct scoring scoring = {
        .ensemble = result->ensemble, .half = half, .entities = half->set->entities};
    double energies[WARM_ROWS];

    result->n_state = lw_ensemble_n_state(result->ensemble);
    scoring.n_state = result->n_state;
    result->states = lw_mem_calloc(result->n_entities * result->n_state, sizeof(float));
    if (result->states == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the states of %zu entities",
                            result->n_entities);
    }
    for (size_t e = 0; e < result->n_entities; e++) {
        size_t n_rows = half->set->entities[e].n_rows;
        size_t n = n_rows < WARM_ROWS ? n_rows : WARM_ROWS;

        scoring.state = result->states + e * result->n_state;
        score_rows(&scoring, e, n_rows - n, n_rows, energies, NULL);
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
static enum lw_status measure_members(const struct half *half, struct lw_training_result *result,
                                      struct lw_error *reterr)
{
    float *state = lw_mem_calloc(result->n_state, sizeof(*state));

    if (state == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to measure the members");
    }
    for (size_t m = 0; m < result->ensemble->n_members; m++) {
        const struct lw_member *member = &result->ensemble->members[m];
        struct lw_model_rows rows = half_rows(half, member->view);
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
static enum lw_status finish(struct fit *fit, struct lw_training_result *result,
                             struct lw_error *reterr)
{
    struct lw_ensemble *older = half_take(&fit->halves[0]);
    struct scoring scoring = {.ensemble = older, .half = &fit->halves[0]};
    enum lw_status status = LW_ENOMEM;

    result->ensemble = half_take(&fit->halves[1]);
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

static enum lw_status fit_all(struct fit *fit, struct lw_error *reterr)
{
    const struct lw_training_set *set = fit->halves[0].set;
    size_t n_members = fit->halves[0].plan->n_members;

    fit->n_all = 2 + 2 * n_members;
    lw_parallel(2, set->n_threads, job_views, fit);
    for (size_t i = 0; i < 2; i++) {
        if (fit->halves[i].status != LW_OK) {
            return lw_error_set(reterr, fit->halves[i].status, "%s", fit->halves[i].error.message);
        }
    }
    lw_parallel(2 * n_members, set->n_threads, job_member, fit);
    for (size_t i = 0; i < 2 * n_members; i++) {
        if (fit->statuses[i] != LW_OK) {
            return lw_error_set(reterr, fit->statuses[i], "%s", fit->errors[i].message);
        }
    }
    return LW_OK;
}

/* Runs must add up to the rows, none of them empty: models walk along them. */
static bool runs_fit(const struct lw_training_entity *entity)
{
    size_t left = entity->n_rows;

    for (size_t i = 0; i < entity_n_runs(entity); i++) {
        size_t n = entity_run(entity, i);

        if (n == 0 || n > left) {
            return false;
        }
        left -= n;
    }
    return left == 0;
}

static enum lw_status check_set(const struct lw_training_set *set, struct lw_error *reterr)
{
    if (set->n_entities < 1 || set->n_columns < 1 || set->n_columns > LW_VIEWS_COLUMNS_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "%zu entities of %zu metrics to train on; 1 to %d metrics are needed",
                            set->n_entities, set->n_columns, LW_VIEWS_COLUMNS_MAX);
    }
    for (size_t i = 0; i < set->n_entities; i++) {
        if (set->entities[i].n_rows < LW_TRAIN_ROWS_MIN) {
            return lw_error_set(reterr, LW_EINVAL, "%zu rows to train on; at least %d are needed",
                                set->entities[i].n_rows, LW_TRAIN_ROWS_MIN);
        }
        if (!runs_fit(&set->entities[i])) {
            return lw_error_set(reterr, LW_EINVAL,
                                "the runs of entity %zu do not add up to its %zu rows", i,
                                set->entities[i].n_rows);
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
        result->kept[i] = n_kept_back(set->entities[i].n_rows);
        result->n_kept += result->kept[i];
    }
    return LW_OK;
}

enum lw_status lw_ensemble_fit(const struct lw_plan *plan, const struct lw_training_set *set,
                               struct lw_training_result *ret_result, struct lw_error *reterr)
{
    struct fit *fit;
    enum lw_status status = check_set(set, reterr);

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
        status = half_init(&fit->halves[i], plan, set, i == 0, reterr);
    }
    if (status == LW_OK) {
        status = fit_all(fit, reterr);
    }
    if (status == LW_OK) {
        status = finish(fit, ret_result, reterr);
    }
    half_fini(&fit->halves[0]);
    half_fini(&fit->halves[1]);
    lw_mem_free(fit);
    if (status != LW_OK) {
        lw_training_result_fini(ret_result);
    }
    return status;
}

/* ---- folds ---- */

/* The scoring of a fold's rows, entity by entity. */
struct fold_scoring {
    const struct lw_ensemble *ensemble;
    const struct half *half;
    const struct lw_fold *fold;
    const size_t *places; /* [n_entities] Where each entity's rows begin in the result. */
    float *states;        /* [n_entities][n_state] */
    float *distances;
};

static void job_fold_score(void *context, size_t e)
{
    const struct fold_scoring *job = context;
    size_t n_state = lw_ensemble_n_state(job->ensemble);
    struct scoring scoring = {.ensemble = job->ensemble,
                              .half = job->half,
                              .entities = job->fold->judged,
                              .state = job->states + e * n_state,
                              .n_state = n_state};

    score_rows(&scoring, e, job->fold->from[e], job->fold->judged[e].n_rows, NULL,
               job->distances + job->places[e] * job->ensemble->n_members);
}

static enum lw_status fold_score(const struct half *half, const struct lw_ensemble *ensemble,
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
static enum lw_status fold_fit(struct fit *fit, struct lw_error *reterr)
{
    struct half *half = &fit->halves[1];

    fit->n_all = 1 + half->plan->n_members;
    job_views(fit, 1);
    if (half->status != LW_OK) {
        return lw_error_set(reterr, half->status, "%s", half->error.message);
    }
    lw_parallel(half->plan->n_members, half->set->n_threads, job_member, fit);
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
    struct fit *fit;
    enum lw_status status = check_set(set, reterr);

    for (size_t i = 0; status == LW_OK && i < set->n_entities; i++) {
        if (!runs_fit(&fold->judged[i]) || fold->from[i] > fold->judged[i].n_rows) {
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
    status = half_init(&fit->halves[1], plan, set, false, reterr);
    if (status == LW_OK) {
        status = fold_fit(fit, reterr);
    }
    if (status == LW_OK) {
        ensemble = half_take(&fit->halves[1]);
        status = ensemble == NULL
                     ? lw_error_set(reterr, LW_ENOMEM, "no memory for an ensemble")
                     : fold_score(&fit->halves[1], ensemble, fold, ret_distances, reterr);
    }
    lw_ensemble_destroy(ensemble);
    half_fini(&fit->halves[1]);
    lw_mem_free(fit);
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
