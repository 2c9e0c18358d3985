/* One fit of an ensemble: rows to views, views to models, and rows scored by them: see
 * train/ensemble_fit_internal.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/linear.h"
#include "train/ensemble_fit_internal.h"

#include <math.h>
#include <string.h>

/* Rows that go through an ensemble together. */
#define SCORE_ROWS 64u
size_t lw_fit_n_kept_back(size_t n_rows)
{
    size_t n = (size_t)(LW_TRAIN_KEPT_BACK * (double)n_rows);

    return n < LW_CALIBRATION_ROWS_MIN ? LW_CALIBRATION_ROWS_MIN : n;
}

void lw_fit_half_fini(struct lw_fit_half *half)
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
static void cut_runs(struct lw_fit_half *half, size_t entity)
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

enum lw_status lw_fit_half_init(struct lw_fit_half *half, const struct lw_plan *plan,
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

        half->used[i] = keeps_back ? n - lw_fit_n_kept_back(n) : n;
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

struct lw_model_rows lw_fit_half_rows(const struct lw_fit_half *half, enum lw_view view)
{
    return (struct lw_model_rows){.values = half->matrix[view],
                                  .n_rows = half->n_rows,
                                  .n_dims = lw_view_width(view, half->set->n_columns),
                                  .n_rests = lw_view_rests(view),
                                  .runs = half->runs,
                                  .n_runs = half->n_runs};
}

static float *half_scale(const struct lw_fit_half *half, size_t entity)
{
    return half->scales + entity * lw_views_n_scale(half->set->n_columns);
}

/* Learns each entity's scale and fills the matrix of values with it. The scale is learnt before the
 * rows, and a flag that turns within them is none from the start. */
static void half_scale_all(struct lw_fit_half *half)
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
static void state_start(const struct lw_fit_half *half, size_t entity, size_t n_state, float *state)
{
    size_t n_columns = half->set->n_columns;

    memset(state, 0, n_state * sizeof(*state));
    memcpy(state, half_scale(half, entity), lw_views_n_scale(n_columns) * sizeof(*state));
    memset(state + lw_views_n_scale(n_columns) - n_columns, 0, n_columns * sizeof(*state));
}

/* Leads all rows through the views and fills the other matrices. */
static enum lw_status half_show_all(struct lw_fit_half *half, struct lw_error *reterr)
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

static void half_make_views(struct lw_fit_half *half)
{
    struct lw_model_rows rows = lw_fit_half_rows(half, LW_VIEW_VALUES);
    struct lw_rng rng;

    half_scale_all(half);
    lw_rng_seed(&rng, lw_rng_mix(half->seed ^ UINT64_C(0x7669657773)));
    half->status = lw_views_fit(&rows, &rng, &half->views, &half->error);
    if (half->status == LW_OK) {
        half->status = half_show_all(half, &half->error);
    }
}

static void tell_progress(struct lw_fit *fit)
{
    const struct lw_training_set *set = fit->halves[1].set;
    size_t n_done = atomic_fetch_add(&fit->n_done, 1) + 1;

    if (set->progress != NULL) {
        set->progress(set->context, n_done, fit->n_all);
    }
}

void lw_fit_job_views(void *context, size_t i)
{
    struct lw_fit *fit = context;

    half_make_views(&fit->halves[i]);
    tell_progress(fit);
}

/* One member of one half; the members of the whole, which have more rows, come first. */
void lw_fit_job_member(void *context, size_t i)
{
    struct lw_fit *fit = context;
    size_t n_members = fit->halves[1].plan->n_members, m = i % n_members;
    struct lw_fit_half *half = &fit->halves[i < n_members ? 1 : 0];
    const struct lw_plan_member *member = &half->plan->members[m];
    struct lw_model_rows rows = lw_fit_half_rows(half, member->view);
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
struct lw_ensemble *lw_fit_half_take(struct lw_fit_half *half)
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

/* Neighbouring rows [begin, end) of an entity, from a fresh state; results from row `from` on. */
static void score_stretch(const struct lw_fit_scoring *scoring, size_t entity,
                          const size_t bounds[3], double *ret_energies, float *ret_distances)
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

/* Rows [from, to) of an entity, after LW_FIT_WARM_ROWS before them from a fresh state. ret_energies
 * and ret_distances (either may be NULL) are of rows [from, to). */
void lw_fit_score_rows(const struct lw_fit_scoring *scoring, size_t entity, size_t from, size_t to,
                       double *ret_energies, float *ret_distances)
{
    size_t first = from > LW_FIT_WARM_ROWS ? from - LW_FIT_WARM_ROWS : 0, at = 0;

    for (size_t run = 0; at < to; run++) {
        size_t end = at + entity_run(&scoring->entities[entity], run);
        size_t bounds[3] = {at > first ? at : first, end < to ? end : to, from};

        if (bounds[0] < bounds[1]) {
            score_stretch(scoring, entity, bounds, ret_energies, ret_distances);
        }
        at = end;
    }
}

/* Runs must add up to the rows, none of them empty: models walk along them. */
bool lw_fit_runs_add_up(const struct lw_training_entity *entity)
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

enum lw_status lw_fit_check_set(const struct lw_training_set *set, struct lw_error *reterr)
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
        if (!lw_fit_runs_add_up(&set->entities[i])) {
            return lw_error_set(reterr, LW_EINVAL,
                                "the runs of entity %zu do not add up to its %zu rows", i,
                                set->entities[i].n_rows);
        }
    }
    return LW_OK;
}
