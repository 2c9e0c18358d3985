/* Groups of a training, each fitted to all its rows. */
#include "train/training_internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define MEASURED_ROWS 2048u

/* ---- groups ---- */

static enum lw_status group_add(struct lw_training_outcome *outcome, size_t group, size_t entity,
                                struct lw_error *reterr)
{
    struct lw_trained_group *to = &outcome->groups[group];
    size_t *entities = lw_mem_realloc(to->entities, (to->n_entities + 1) * sizeof(*entities));

    if (entities == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a group of entities");
    }
    entities[to->n_entities++] = entity;
    to->entities = entities;
    return LW_OK;
}

/* Signatures of all entities used, in the columns of all. */
static enum lw_status find_clusters(struct training *training, const size_t *used,
                                    size_t *ret_cluster, struct lw_error *reterr)
{
    float *signatures = lw_mem_calloc(training->n_used, LW_SIGNATURE_PARTS * sizeof(*signatures));
    struct column_set columns;
    enum lw_status status = LW_OK;

    if (signatures == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to group %zu entities", training->n_used);
    }
    lw_training_columns(training, used, training->n_used, &columns);
    for (size_t i = 0; status == LW_OK && i < training->n_used; i++) {
        struct gathered gathered = {0};

        status = lw_training_gather(training, used[i], &columns, true, &gathered, reterr);
        if (status == LW_OK) {
            struct lw_training_entity entity = {gathered.rows, gathered.n_rows, gathered.runs,
                                                gathered.n_runs};

            status = lw_signature_take(&entity, columns.n, training->options.seed,
                                       signatures + i * LW_SIGNATURE_PARTS, reterr);
        }
        lw_gathered_fini(&gathered);
    }
    if (status == LW_OK) {
        status = lw_clusters_find(signatures, training->n_used, ret_cluster, &training->clusters,
                                  reterr);
    }
    for (size_t c = 0; status == LW_OK && c < training->clusters.n_clusters; c++) {
        training->clusters.medoids[c] = used[training->clusters.medoids[c]];
    }
    lw_mem_free(signatures);
    return status;
}

/* Which group each entity used belongs to. */
static enum lw_status assign_groups(struct training *training, const size_t *used, size_t *groups,
                                    struct lw_error *reterr)
{
    struct lw_training_outcome *outcome = training->outcome;
    enum lw_status status = LW_OK;
    size_t largest = 0;

    for (size_t i = 0; i < training->n_used; i++) {
        groups[i] = training->sharing == LW_SHARING_OWN ? i : 0;
    }
    if (training->sharing == LW_SHARING_CLUSTERS) {
        status = find_clusters(training, used, groups, reterr);
    }
    outcome->n_groups = training->sharing == LW_SHARING_OWN        ? training->n_used
                        : training->sharing == LW_SHARING_CLUSTERS ? training->clusters.n_clusters
                                                                   : 1;
    outcome->groups = status == LW_OK ? lw_mem_calloc(outcome->n_groups, sizeof(*outcome->groups))
                                      : NULL;
    if (status == LW_OK && outcome->groups == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for %zu groups", outcome->n_groups);
    }
    if (outcome->groups == NULL) {
        outcome->n_groups = 0;
    }
    for (size_t i = 0; status == LW_OK && i < training->n_used; i++) {
        training->entities[used[i]].group = groups[i];
        status = group_add(outcome, groups[i], used[i], reterr);
    }
    for (size_t g = 1; g < outcome->n_groups; g++) {
        largest = outcome->groups[g].n_entities > outcome->groups[largest].n_entities ? g : largest;
    }
    outcome->fallback = training->sharing == LW_SHARING_OWN ? SIZE_MAX : largest;
    return status;
}

/* ---- one fit ---- */

struct group_jobs {
    struct training *training;
    size_t threads_each;
    pthread_mutex_t lock; /* Of what all groups add to: plots, the sample, what is done. */
    size_t n_done;
    enum lw_status *statuses;
    struct lw_error *errors;
    uint64_t *levels; /* [n_groups][LW_TRAINING_LEVEL_BINS] */
    float *ratios;    /* [n_entities][sample_each][n_members] */
    size_t sample_each;
};

/* Rows of a group's entities; and where each one's kept rows are. */
struct group_rows {
    struct column_set columns;
    struct gathered *gathered;
    struct lw_training_entity *entities;
};

static void group_rows_fini(struct group_rows *rows, size_t n)
{
    for (size_t i = 0; rows->gathered != NULL && i < n; i++) {
        lw_gathered_fini(&rows->gathered[i]);
    }
    lw_mem_free(rows->gathered);
    lw_mem_free(rows->entities);
}

/* Entities that have too little in the columns of their group are let go. */
static enum lw_status group_gather(const struct training *training, struct lw_trained_group *group,
                                   struct group_rows *rows, struct lw_error *reterr)
{
    size_t n = 0;
    enum lw_status status = LW_OK;

    rows->gathered = lw_mem_calloc(group->n_entities, sizeof(*rows->gathered));
    rows->entities = lw_mem_calloc(group->n_entities, sizeof(*rows->entities));
    if (rows->gathered == NULL || rows->entities == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a group of %zu entities",
                            group->n_entities);
    }
    lw_training_columns(training, group->entities, group->n_entities, &rows->columns);
    if (rows->columns.n == 0) {
        return lw_error_set(reterr, LW_EINVAL,
                            "no metric is known in half of the %zu entities of a group",
                            group->n_entities);
    }
    for (size_t i = 0; status == LW_OK && i < group->n_entities; i++) {
        struct trained_entity *entity = &training->entities[group->entities[i]];
        struct gathered *gathered = &rows->gathered[n];

        status = lw_training_gather(training, group->entities[i], &rows->columns, true, gathered,
                                    reterr);
        if (status == LW_OK && gathered->n_rows < LW_TRAIN_ROWS_MIN) {
            lw_gathered_fini(gathered);
            entity->is_used = false;
            entity->group = SIZE_MAX;
            entity->why = "too few rows in the metrics of its group";
            continue;
        }
        entity->n_used = gathered->n_rows;
        rows->entities[n] = (struct lw_training_entity){gathered->rows, gathered->n_rows,
                                                        gathered->runs, gathered->n_runs};
        group->entities[n++] = group->entities[i];
    }
    group->n_entities = n;
    if (status == LW_OK && n == 0) {
        status = lw_error_set(reterr, LW_EINVAL, "no entity of a group has %d rows to learn from",
                              LW_TRAIN_ROWS_MIN);
    }
    return status;
}

static bool group_name(const struct training *training, const struct column_set *columns,
                       struct lw_trained_group *group)
{
    group->columns = lw_mem_calloc(columns->n, sizeof(*group->columns));
    for (size_t c = 0; group->columns != NULL && c < columns->n; c++) {
        group->columns[c] = lw_intern_peek(training->names, columns->columns[c], NULL);
    }
    group->n_columns = columns->n;
    return group->columns != NULL;
}

/* ---- what the report keeps of it ---- */

/* The highest level among `every` neighbouring rows makes a point. */
static void plot_fill(struct plot *plot, const double *levels, const int64_t *times_ns, size_t n)
{
    plot->every = (n + LW_TRAINING_PLOT_POINTS - 1) / LW_TRAINING_PLOT_POINTS;
    plot->times_s = lw_mem_calloc(LW_TRAINING_PLOT_POINTS + 1, sizeof(*plot->times_s));
    plot->levels = lw_mem_calloc(LW_TRAINING_PLOT_POINTS + 1, sizeof(*plot->levels));
    if (plot->times_s == NULL || plot->levels == NULL || n == 0) {
        return; /* A plot less. */
    }
    for (size_t i = 0; i < n; i += plot->every, plot->n++) {
        plot->times_s[plot->n] = (double)times_ns[i] / 1e9;
        plot->levels[plot->n] = levels[i];
        for (size_t k = i; k < n && k < i + plot->every; k++) {
            if (!(levels[k] <= plot->levels[plot->n])) {
                plot->levels[plot->n] = isnan(levels[k]) ? plot->levels[plot->n] : levels[k];
            }
        }
    }
}

/* Evenly spread distances of an entity's kept rows, in units. */
static void sample_fill(const struct group_jobs *jobs, const struct lw_trained_group *group,
                        size_t entity, const float *distances, size_t n)
{
    const struct lw_ensemble *ensemble = group->result.ensemble;
    float *to = jobs->ratios + entity * jobs->sample_each * ensemble->n_members;
    size_t every = n / jobs->sample_each + 1, n_taken = 0;

    for (size_t i = 0; i < n && n_taken < jobs->sample_each; i += every, n_taken++) {
        for (size_t m = 0; m < ensemble->n_members; m++) {
            const struct lw_member *member = &ensemble->members[m];
            double unit = member->median > member->unit ? member->median : member->unit;

            to[n_taken * ensemble->n_members + m] =
                (float)((double)distances[i * ensemble->n_members + m] / unit);
        }
    }
}

/* Keeps what the report wants of a result, and lets levels and distances go. */
static void digest(struct group_jobs *jobs, size_t g, const struct group_rows *rows)
{
    struct training *training = jobs->training;
    struct lw_trained_group *group = &training->outcome->groups[g];
    struct lw_training_result *result = &group->result;
    size_t at = 0;

    for (size_t i = 0; i < result->n_kept; i++) {
        if (!isnan(result->levels[i])) {
            size_t bin = (size_t)(result->levels[i] * 4.0);

            jobs->levels[g * LW_TRAINING_LEVEL_BINS +
                         (bin < LW_TRAINING_LEVEL_BINS ? bin : LW_TRAINING_LEVEL_BINS - 1)]++;
        }
    }
    for (size_t i = 0; i < group->n_entities; i++) {
        size_t n = result->kept[i], first = rows->gathered[i].n_rows - n;

        sample_fill(jobs, group, group->entities[i],
                    result->distances + at * result->ensemble->n_members, n);
        for (size_t p = 0; p < training->n_plots; p++) {
            if (training->plots[p].entity == group->entities[i]) {
                plot_fill(&training->plots[p], result->levels + at,
                          rows->gathered[i].times_ns + first, n);
            }
        }
        at += n;
    }
    lw_mem_free(result->levels);
    lw_mem_free(result->distances);
    result->levels = NULL;
    result->distances = NULL;
}

static void job_group(void *context, size_t g)
{
    struct group_jobs *jobs = context;
    struct training *training = jobs->training;
    struct lw_trained_group *group = &training->outcome->groups[g];
    struct group_rows rows = {0};
    size_t n_entities = group->n_entities;

    jobs->statuses[g] = group_gather(training, group, &rows, &jobs->errors[g]);
    if (jobs->statuses[g] == LW_OK) {
        struct lw_training_set set = {.entities = rows.entities,
                                      .n_entities = group->n_entities,
                                      .n_columns = rows.columns.n,
                                      .natural = rows.columns.natural,
                                      .seed = lw_rng_mix(training->options.seed + g),
                                      .n_threads = jobs->threads_each};

        jobs->statuses[g] = lw_ensemble_fit(&training->final, &set, &group->result,
                                            &jobs->errors[g]);
    }
    if (jobs->statuses[g] == LW_OK && !group_name(training, &rows.columns, group)) {
        jobs->statuses[g] = lw_error_set(&jobs->errors[g], LW_ENOMEM,
                                         "no memory for the columns of a group");
    }
    if (jobs->statuses[g] == LW_OK) {
        digest(jobs, g, &rows);
    }
    group_rows_fini(&rows, n_entities);
    (void)pthread_mutex_lock(&jobs->lock);
    jobs->n_done++;
    lw_training_tell(training, "fitting",
                     0.6 + 0.4 * (double)jobs->n_done / (double)training->outcome->n_groups);
    (void)pthread_mutex_unlock(&jobs->lock);
}

/* Adds up what the groups have left, in their order. */
static void collect(const struct group_jobs *jobs, struct training *training)
{
    size_t n_members = training->final.n_members;

    for (size_t i = 0; i < training->outcome->n_groups * LW_TRAINING_LEVEL_BINS; i++) {
        training->kept.levels[i % LW_TRAINING_LEVEL_BINS] += jobs->levels[i];
    }
    for (size_t i = 0; i < training->n_entities * jobs->sample_each; i++) {
        const float *row = jobs->ratios + i * n_members;
        bool is_known = false;

        for (size_t m = 0; m < n_members; m++) {
            is_known = is_known || row[m] != 0.0f; /* Nothing was put here. */
        }
        if (is_known) {
            memmove(jobs->ratios + training->kept.n++ * n_members, row, n_members * sizeof(*row));
        }
    }
    training->kept.ratios = jobs->ratios;
}

/* CPU of one vector of the first group, views and all, in batches of one entity's steps. */
static void measure(struct training *training)
{
    const struct lw_trained_group *group = &training->outcome->groups[0];
    const struct lw_training_result *result = &group->result;
    struct column_set columns;
    struct gathered gathered = {0};
    float *state = lw_mem_calloc(result->n_state, sizeof(*state));
    size_t n;
    int64_t started;

    lw_training_columns(training, group->entities, group->n_entities, &columns);
    if (state == NULL || lw_training_gather(training, group->entities[0], &columns, true, &gathered,
                                            NULL) != LW_OK) {
        lw_mem_free(state);
        return; /* A figure less. */
    }
    memcpy(state, result->states, result->n_state * sizeof(*state));
    n = gathered.n_rows < MEASURED_ROWS ? gathered.n_rows : MEASURED_ROWS;
    started = lw_clock_monotonic_ns();
    for (size_t i = 0; i < n; i++) {
        const float *row = gathered.rows + i * columns.n;
        double energy;

        lw_ensemble_step(result->ensemble, &state, &row, 1, &energy, NULL);
    }
    training->ns_per_vector = (double)(lw_clock_monotonic_ns() - started) / (double)n;
    lw_gathered_fini(&gathered);
    lw_mem_free(state);
}

static enum lw_status run_groups(struct training *training, struct lw_error *reterr)
{
    size_t n_groups = training->outcome->n_groups, n_entities = training->n_entities;
    bool side_by_side = n_groups >= 2 * training->n_parallel && training->n_parallel > 1;
    struct group_jobs jobs = {
        .training = training,
        .threads_each = side_by_side ? 1 : training->options.n_threads,
        .statuses = lw_mem_calloc(n_groups, sizeof(*jobs.statuses)),
        .errors = lw_mem_calloc(n_groups, sizeof(*jobs.errors)),
        .levels = lw_mem_calloc(n_groups, LW_TRAINING_LEVEL_BINS * sizeof(*jobs.levels)),
        .sample_each = LW_TRAINING_SAMPLE / training->n_used + 1};
    enum lw_status status = LW_OK;

    jobs.ratios = lw_mem_calloc(n_entities * jobs.sample_each,
                                training->final.n_members * sizeof(*jobs.ratios));
    if (jobs.statuses == NULL || jobs.errors == NULL || jobs.levels == NULL ||
        jobs.ratios == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory to fit %zu groups", n_groups);
    } else {
        (void)pthread_mutex_init(&jobs.lock, NULL);
        lw_parallel(n_groups, side_by_side ? training->n_parallel : 1, job_group, &jobs);
        (void)pthread_mutex_destroy(&jobs.lock);
        for (size_t g = 0; status == LW_OK && g < n_groups; g++) {
            if (jobs.statuses[g] != LW_OK) {
                status = lw_error_set(reterr, jobs.statuses[g], "%s", jobs.errors[g].message);
            }
        }
    }
    if (status == LW_OK) {
        collect(&jobs, training);
    } else {
        lw_mem_free(jobs.ratios);
    }
    lw_mem_free(jobs.statuses);
    lw_mem_free(jobs.errors);
    lw_mem_free(jobs.levels);
    return status;
}

enum lw_status lw_training_fit_groups(struct training *training, struct lw_error *reterr)
{
    size_t *used = lw_mem_calloc(2 * training->n_used, sizeof(*used)), n = 0;
    enum lw_status status;

    if (used == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to group %zu entities", training->n_used);
    }
    for (size_t e = 0; e < training->n_entities; e++) {
        if (training->entities[e].is_used) {
            used[n++] = e;
        }
    }
    training->n_plots = n < LW_TRAINING_PLOTS_MAX ? n : LW_TRAINING_PLOTS_MAX;
    for (size_t p = 0; p < training->n_plots; p++) {
        training->plots[p].entity = used[p * n / training->n_plots];
    }
    status = assign_groups(training, used, used + n, reterr);
    lw_mem_free(used);
    if (status == LW_OK) {
        status = run_groups(training, reterr);
    }
    if (status == LW_OK) {
        measure(training);
    }
    return status;
}
