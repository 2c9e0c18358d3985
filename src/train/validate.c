/* Fits folds and keeps what they say of rows they have not seen: see train/validate.h. */
#include "train/validate.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* One fold of one entity, or of all of them together. */
struct fold_job {
    struct lw_training_entity *fitted, *judged; /* [n_entities] of this job */
    float **rows;                               /* Copies without what is labelled; or NULL. */
    size_t **runs, **judged_runs;
    size_t *from;
    float *distances; /* Of this job's stretches, one after the other. */
    size_t n_entities, first_entity, fold;
    enum lw_status status;
    struct lw_error error;
};

struct validation_run {
    const struct lw_validation *validation;
    struct lw_held_out *held;
    struct fold_job *jobs;
    size_t n_jobs, threads_each;
    atomic_size_t n_done;
};

/* The first row of a fold's stretch; of n_folds, where rows end. */
static size_t stretch_begin(size_t n_rows, size_t fold, size_t n_folds)
{
    double share = LW_VALIDATION_FIRST +
                   (1.0 - LW_VALIDATION_FIRST) * (double)fold / (double)n_folds;

    return fold == n_folds ? n_rows : (size_t)(share * (double)n_rows);
}

size_t lw_rows_without_labelled(const struct lw_validation_entity *entity, size_t n_rows,
                                size_t n_columns, float *ret_rows, size_t *ret_runs,
                                size_t *ret_n_runs)
{
    const struct lw_training_entity *rows = &entity->rows;
    size_t n = 0, n_runs = 0, run = 0, run_end = 0;
    bool begins = true;

    for (size_t i = 0; i < n_rows; i++) {
        if (i == run_end) {
            run_end += rows->runs == NULL ? rows->n_rows : rows->runs[run++];
            begins = true;
        }
        if (entity->labels != NULL && entity->labels[i] != 0) {
            begins = true;
            continue;
        }
        if (begins) {
            ret_runs[n_runs++] = 0;
            begins = false;
        }
        ret_runs[n_runs - 1]++;
        memcpy(ret_rows + n++ * n_columns, rows->rows + i * n_columns,
               n_columns * sizeof(*ret_rows));
    }
    *ret_n_runs = n_runs;
    return n;
}

/* Where the record has each stretch. */
static enum lw_status record_init(const struct lw_validation *validation, struct lw_held_out *held,
                                  struct lw_error *reterr)
{
    size_t n_folds = validation->n_folds, at = 0;

    held->n_entities = validation->n_entities;
    held->n_folds = n_folds;
    held->n_members = validation->plan->n_members;
    held->entities = validation->entities;
    held->stretches = lw_mem_calloc(validation->n_entities * n_folds, sizeof(*held->stretches));
    if (held->stretches == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to validate");
    }
    for (size_t e = 0; e < validation->n_entities; e++) {
        size_t n_rows = validation->entities[e].rows.n_rows;

        assert(n_rows >= LW_VALIDATION_ROWS_MIN);
        for (size_t k = 0; k < n_folds; k++) {
            size_t first = stretch_begin(n_rows, k, n_folds);
            size_t n = stretch_begin(n_rows, k + 1, n_folds) - first;

            held->stretches[e * n_folds + k] = (struct lw_held_stretch){e, k, first, at, n};
            at += n;
        }
    }
    held->n_rows = at;
    held->distances = lw_mem_calloc(at, held->n_members * sizeof(*held->distances));
    return held->distances != NULL
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory to validate on %zu rows", at);
}

static void job_fini(struct fold_job *job)
{
    for (size_t i = 0; i < job->n_entities; i++) {
        lw_mem_free(job->rows == NULL ? NULL : job->rows[i]);
        lw_mem_free(job->runs == NULL ? NULL : job->runs[i]);
        lw_mem_free(job->judged_runs == NULL ? NULL : job->judged_runs[i]);
    }
    lw_mem_free(job->judged_runs);
    lw_mem_free(job->rows);
    lw_mem_free(job->runs);
    lw_mem_free(job->fitted);
    lw_mem_free(job->judged);
    lw_mem_free(job->from);
    lw_mem_free(job->distances);
    memset(job, 0, sizeof(*job));
}

/* Cuts an entity's rows behind the first n_rows of them; the runs are the caller's memory. */
static struct lw_training_entity rows_before(const struct lw_training_entity *rows, size_t n_rows,
                                             size_t *runs)
{
    struct lw_training_entity cut = {.rows = rows->rows, .n_rows = n_rows, .runs = runs};

    for (size_t left = n_rows; left > 0; left -= runs[cut.n_runs++]) {
        size_t n = rows->runs == NULL ? rows->n_rows : rows->runs[cut.n_runs];

        runs[cut.n_runs] = n < left ? n : left;
    }
    return cut;
}

/* What one entity brings to a fold: rows to fit to, rows to judge. */
static bool job_add(const struct validation_run *run, struct fold_job *job, size_t i)
{
    const struct lw_validation *validation = run->validation;
    const struct lw_validation_entity *entity = &validation->entities[job->first_entity + i];
    size_t n_folds = validation->n_folds, n_columns = validation->n_columns;
    size_t begin = stretch_begin(entity->rows.n_rows, job->fold, n_folds);
    size_t n_runs = entity->rows.runs == NULL ? 1 : entity->rows.n_runs;

    job->judged_runs[i] = lw_mem_alloc(n_runs * sizeof(size_t));
    job->rows[i] = lw_mem_alloc(begin * n_columns * sizeof(float));
    job->runs[i] = lw_mem_alloc(begin * sizeof(size_t));
    if (job->rows[i] == NULL || job->runs[i] == NULL || job->judged_runs[i] == NULL) {
        return false;
    }
    job->fitted[i].rows = job->rows[i];
    job->fitted[i].runs = job->runs[i];
    job->fitted[i].n_rows = lw_rows_without_labelled(entity, begin, n_columns, job->rows[i],
                                                     job->runs[i], &job->fitted[i].n_runs);
    job->judged[i] = rows_before(&entity->rows,
                                 stretch_begin(entity->rows.n_rows, job->fold + 1, n_folds),
                                 job->judged_runs[i]);
    job->from[i] = begin;
    return true;
}

static enum lw_status job_prepare(const struct validation_run *run, struct fold_job *job,
                                  size_t *ret_n_rows)
{
    size_t n = job->n_entities, n_rows = 0;
    bool fits;

    job->fitted = lw_mem_calloc(n, sizeof(*job->fitted));
    job->judged = lw_mem_calloc(n, sizeof(*job->judged));
    job->rows = lw_mem_calloc(n, sizeof(*job->rows));
    job->runs = lw_mem_calloc(n, sizeof(*job->runs));
    job->judged_runs = lw_mem_calloc(n, sizeof(*job->judged_runs));
    job->from = lw_mem_calloc(n, sizeof(*job->from));
    fits = job->fitted != NULL && job->judged != NULL && job->rows != NULL && job->runs != NULL &&
           job->judged_runs != NULL && job->from != NULL;
    for (size_t i = 0; fits && i < n; i++) {
        fits = job_add(run, job, i);
        n_rows += fits ? job->judged[i].n_rows - job->from[i] : 0;
    }
    if (fits) {
        job->distances = lw_mem_calloc(n_rows, run->held->n_members * sizeof(*job->distances));
    }
    *ret_n_rows = n_rows;
    return fits && job->distances != NULL
               ? LW_OK
               : lw_error_set(&job->error, LW_ENOMEM, "no memory for a fold of %zu entities", n);
}

/* Puts a job's distances where the record has their stretches. */
static void job_file(const struct validation_run *run, const struct fold_job *job)
{
    struct lw_held_out *held = run->held;
    size_t at = 0;

    for (size_t i = 0; i < job->n_entities; i++) {
        const struct lw_held_stretch *stretch =
            &held->stretches[(job->first_entity + i) * held->n_folds + job->fold];

        memcpy(held->distances + stretch->at * held->n_members,
               job->distances + at * held->n_members,
               stretch->n_rows * held->n_members * sizeof(*held->distances));
        at += stretch->n_rows;
    }
}

static void job_run(void *context, size_t i)
{
    struct validation_run *run = context;
    const struct lw_validation *validation = run->validation;
    struct fold_job *job = &run->jobs[i];
    struct lw_training_set set = {.entities = NULL,
                                  .n_entities = job->n_entities,
                                  .n_columns = validation->n_columns,
                                  .natural = validation->natural,
                                  .seed = lw_rng_mix(validation->seed + job->fold),
                                  .n_threads = run->threads_each};
    struct lw_fold fold;
    struct lw_error error;
    enum lw_status status;
    size_t n_rows, n_done;

    job->status = job_prepare(run, job, &n_rows);
    if (job->status == LW_OK) {
        set.entities = job->fitted;
        fold = (struct lw_fold){job->judged, job->from};
        job->status = lw_ensemble_fit_fold(validation->plan, &set, &fold, job->distances,
                                           &job->error);
    }
    if (job->status == LW_OK) {
        job_file(run, job);
    }
    status = job->status;
    error = job->error;
    job_fini(job);
    job->status = status;
    job->error = error;
    n_done = atomic_fetch_add(&run->n_done, 1) + 1;
    if (validation->progress != NULL) {
        validation->progress(validation->context, n_done, run->n_jobs);
    }
}

enum lw_status lw_validate(const struct lw_validation *validation, struct lw_held_out *ret_held,
                           struct lw_error *reterr)
{
    struct validation_run run = {.validation = validation, .held = ret_held};
    size_t n_folds = validation->n_folds;
    size_t n_groups = validation->is_shared ? 1 : validation->n_entities;
    enum lw_status status;

    memset(ret_held, 0, sizeof(*ret_held));
    atomic_init(&run.n_done, 0);
    status = record_init(validation, ret_held, reterr);
    run.n_jobs = n_groups * n_folds;
    run.jobs = status == LW_OK ? lw_mem_calloc(run.n_jobs, sizeof(*run.jobs)) : NULL;
    if (status == LW_OK && run.jobs == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for %zu folds", run.n_jobs);
    }
    if (status == LW_OK) {
        for (size_t i = 0; i < run.n_jobs; i++) {
            run.jobs[i].fold = n_folds - 1 - i % n_folds; /* The longest first. */
            run.jobs[i].first_entity = i / n_folds;
            run.jobs[i].n_entities = validation->is_shared ? validation->n_entities : 1;
        }
        run.threads_each = run.n_jobs >= 2 * validation->n_threads ? 1 : validation->n_threads;
        lw_parallel(run.n_jobs, run.threads_each > 1 ? 1 : validation->n_threads, job_run, &run);
        for (size_t i = 0; status == LW_OK && i < run.n_jobs; i++) {
            if (run.jobs[i].status != LW_OK) {
                status = lw_error_set(reterr, run.jobs[i].status, "%s", run.jobs[i].error.message);
            }
        }
    }
    lw_mem_free(run.jobs);
    if (status != LW_OK) {
        lw_held_out_fini(ret_held);
    }
    return status;
}

void lw_held_out_fini(struct lw_held_out *held)
{
    lw_mem_free(held->stretches);
    lw_mem_free(held->distances);
    memset(held, 0, sizeof(*held));
}
