/* Training jobs and the threads that run them: see engine/operator/training_job.h. */
#define _GNU_SOURCE
#include "engine/operator/training_job.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRAINER_NICENESS 10

enum job_phase { JOB_WAITS, JOB_RUNS, JOB_DONE };

struct lw_training_job {
    struct lw_training_job *next; /* In the trainer's queue. */
    struct lw_trainer *trainer;   /* NULL: none. */
    atomic_uint n_owners;         /* The entity, and the trainer while the job is in its hands. */
    enum job_phase phase;         /* Under the trainer's lock, where there is one. */
    struct lw_detector *detector;
    struct lw_training_entity entity;
    size_t *runs;
    float *rows, *natural;
    uint32_t n_columns;
    struct lw_training_result result;
    enum lw_status status;
    struct lw_error error;
};

struct lw_trainer {
    atomic_uint n_users; /* Whoever created it, and each job that was queued here: a job may be
                            asked for its result when the threads have ended. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* A job came or was done, or the end is near. */
    struct lw_training_job *first, **last;
    bool is_ending;
    size_t n_threads;
    pthread_t threads[LW_PARALLEL_THREADS_MAX];
};

static void trainer_release(struct lw_trainer *trainer)
{
    if (trainer == NULL || atomic_fetch_sub(&trainer->n_users, 1) != 1) {
        return;
    }
    (void)pthread_cond_destroy(&trainer->changed);
    (void)pthread_mutex_destroy(&trainer->lock);
    lw_mem_free(trainer);
}

static void job_release(struct lw_training_job *job)
{
    if (job == NULL || atomic_fetch_sub(&job->n_owners, 1) != 1) {
        return;
    }
    if (job->phase == JOB_DONE && job->status == LW_OK) {
        lw_training_result_fini(&job->result);
    }
    lw_mem_free(job->runs);
    lw_mem_free(job->rows);
    lw_mem_free(job->natural);
    lw_detector_release(job->detector);
    trainer_release(job->trainer);
    lw_mem_free(job);
}

static void job_run(struct lw_training_job *job)
{
    struct lw_training_set set = {.entities = &job->entity,
                                  .n_entities = 1,
                                  .n_columns = job->n_columns,
                                  .natural = job->natural,
                                  .seed = (uint64_t)job->detector->spec->detector.seed,
                                  .n_threads = 1};

    job->entity.rows = job->rows;
    job->entity.runs = job->runs;
    job->status = lw_ensemble_fit(job->detector->plan, &set, &job->result, &job->error);
}

/* The next job that nobody runs, or NULL; jobs that their entities ran themselves are let go. */
static struct lw_training_job *trainer_take(struct lw_trainer *trainer)
{
    while (trainer->first != NULL) {
        struct lw_training_job *job = trainer->first;
        bool is_wanted = job->phase == JOB_WAITS && atomic_load(&job->n_owners) > 1;

        trainer->first = job->next;
        if (trainer->first == NULL) {
            trainer->last = &trainer->first;
        }
        if (is_wanted) {
            job->phase = JOB_RUNS;
            return job;
        }
        job_release(job);
    }
    return NULL;
}

static void *trainer_main(void *argument)
{
    struct lw_trainer *trainer = argument;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), TRAINER_NICENESS); /* Linux: of this thread. */
    pthread_mutex_lock(&trainer->lock);
    while (!trainer->is_ending) {
        struct lw_training_job *job = trainer_take(trainer);

        if (job == NULL) {
            pthread_cond_wait(&trainer->changed, &trainer->lock);
            continue;
        }
        pthread_mutex_unlock(&trainer->lock);
        job_run(job);
        pthread_mutex_lock(&trainer->lock);
        job->phase = JOB_DONE;
        pthread_cond_broadcast(&trainer->changed);
        job_release(job);
    }
    pthread_mutex_unlock(&trainer->lock);
    return NULL;
}

enum lw_status lw_trainer_create(size_t n_threads, struct lw_trainer **ret_trainer,
                                 struct lw_error *reterr)
{
    struct lw_trainer *trainer = lw_mem_calloc(1, sizeof(*trainer));

    if (trainer == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a trainer");
    }
    atomic_init(&trainer->n_users, 1);
    (void)pthread_mutex_init(&trainer->lock, NULL);
    (void)pthread_cond_init(&trainer->changed, NULL);
    trainer->last = &trainer->first;
    while (trainer->n_threads < n_threads && trainer->n_threads < LW_PARALLEL_THREADS_MAX) {
        if (pthread_create(&trainer->threads[trainer->n_threads], NULL, trainer_main, trainer) !=
            0) {
            lw_trainer_destroy(trainer);
            return lw_error_set(reterr, LW_EIO, "cannot start a thread to train");
        }
        trainer->n_threads++;
    }
    *ret_trainer = trainer;
    return LW_OK;
}

void lw_trainer_destroy(struct lw_trainer *trainer)
{
    if (trainer == NULL) {
        return;
    }
    pthread_mutex_lock(&trainer->lock);
    trainer->is_ending = true;
    pthread_cond_broadcast(&trainer->changed);
    pthread_mutex_unlock(&trainer->lock);
    for (size_t i = 0; i < trainer->n_threads; i++) {
        (void)pthread_join(trainer->threads[i], NULL);
    }
    while (trainer->first != NULL) {
        struct lw_training_job *job = trainer->first;

        trainer->first = job->next;
        job_release(job);
    }
    trainer_release(trainer);
}

static struct lw_training_job *job_create(struct lw_detector *detector, size_t n_rows,
                                          size_t n_runs, uint32_t n_columns)
{
    struct lw_training_job *job = lw_mem_calloc(1, sizeof(*job));

    if (job == NULL) {
        return NULL;
    }
    atomic_init(&job->n_owners, 1);
    job->detector = lw_detector_retain(detector);
    job->n_columns = n_columns;
    job->entity.n_rows = n_rows;
    job->entity.n_runs = n_runs;
    job->runs = lw_mem_calloc(n_runs, sizeof(*job->runs));
    job->rows = lw_mem_calloc(n_rows * n_columns, sizeof(*job->rows));
    job->natural = lw_mem_calloc(n_columns, sizeof(*job->natural));
    if (job->runs == NULL || job->rows == NULL || job->natural == NULL) {
        job_release(job);
        return NULL;
    }
    return job;
}

static void trainer_queue(struct lw_trainer *trainer, struct lw_training_job *job)
{
    if (trainer == NULL) {
        return;
    }
    job->trainer = trainer;
    (void)atomic_fetch_add(&trainer->n_users, 1);
    (void)atomic_fetch_add(&job->n_owners, 1);
    pthread_mutex_lock(&trainer->lock);
    *trainer->last = job;
    trainer->last = &job->next;
    pthread_cond_broadcast(&trainer->changed);
    pthread_mutex_unlock(&trainer->lock);
}

struct lw_training_job *lw_training_job_create(const struct lw_training_need *need,
                                               struct lw_trainer *trainer)
{
    const struct lw_training_rows *rows = need->rows;
    size_t n_blocks = rows->capacity / LW_TRAINING_BLOCK;
    struct lw_training_job *job;

    if (rows->n_rows < LW_TRAIN_ROWS_MIN || need->n_columns < 1) {
        return NULL;
    }
    job = job_create(need->detector, rows->n_rows, n_blocks, need->n_columns);
    if (job == NULL) {
        return NULL;
    }
    job->entity.n_runs = lw_training_rows_runs(rows, job->runs);
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        memcpy(job->rows + (size_t)i * need->n_columns, rows->rows + (size_t)i * rows->stride,
               need->n_columns * sizeof(*job->rows));
    }
    memcpy(job->natural, need->natural, need->n_columns * sizeof(*job->natural));
    trainer_queue(trainer, job);
    return job;
}

enum lw_status lw_training_job_finish(struct lw_training_job *job,
                                      struct lw_training_result *ret_result,
                                      struct lw_error *reterr)
{
    struct lw_trainer *trainer = job->trainer;
    enum lw_status status;
    bool is_ours = true;

    if (trainer != NULL) {
        pthread_mutex_lock(&trainer->lock);
        is_ours = job->phase == JOB_WAITS;
        while (job->phase == JOB_RUNS) {
            pthread_cond_wait(&trainer->changed, &trainer->lock);
        }
        job->phase = JOB_RUNS; /* So that the trainer passes it over. */
        pthread_mutex_unlock(&trainer->lock);
    }
    if (is_ours) {
        job_run(job);
    }
    status = job->status;
    if (status == LW_OK) {
        *ret_result = job->result;
        memset(&job->result, 0, sizeof(job->result));
    } else {
        status = lw_error_set(reterr, status, "%s", job->error.message);
    }
    job_release(job);
    return status;
}

void lw_training_job_destroy(struct lw_training_job *job)
{
    job_release(job);
}

void lw_training_job_save(const struct lw_training_job *job, struct lw_writer *writer)
{
    lw_write_u32(writer, job->n_columns);
    lw_write_u32(writer, (uint32_t)job->entity.n_rows);
    lw_write_u32(writer, (uint32_t)job->entity.n_runs);
    for (size_t i = 0; i < job->entity.n_runs; i++) {
        lw_write_u32(writer, (uint32_t)job->runs[i]);
    }
    lw_write_f32s(writer, job->natural, job->n_columns);
    lw_write_f32s(writer, job->rows, job->entity.n_rows * job->n_columns);
}

enum lw_status lw_training_job_load(struct lw_detector *detector, struct lw_reader *reader,
                                    struct lw_trainer *trainer, struct lw_training_job **ret_job,
                                    struct lw_error *reterr)
{
    uint32_t n_columns = lw_read_u32(reader), n_rows = lw_read_u32(reader);
    uint32_t n_runs = lw_read_u32(reader);
    struct lw_training_job *job;
    size_t sum = 0;
    bool is_good = true;

    if (reader->status != LW_OK || n_columns < 1 || n_columns > LW_VIEWS_COLUMNS_MAX ||
        n_rows < LW_TRAIN_ROWS_MIN || n_runs < 1 || n_runs > n_rows ||
        lw_reader_left(reader) / sizeof(float) <
            (size_t)n_runs + n_columns + (size_t)n_rows * n_columns) {
        return lw_error_set(reterr, LW_EFORMAT, "the rows of a training in the state are damaged");
    }
    job = job_create(detector, n_rows, n_runs, n_columns);
    if (job == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a training");
    }
    for (size_t i = 0; i < n_runs; i++) {
        job->runs[i] = lw_read_u32(reader);
        sum += job->runs[i];
        is_good = is_good && job->runs[i] > 0;
    }
    lw_read_f32s(reader, job->natural, n_columns);
    lw_read_f32s(reader, job->rows, (size_t)n_rows * n_columns);
    if (!is_good || sum != n_rows) {
        job_release(job);
        return lw_error_set(reterr, LW_EFORMAT, "the runs of a training in the state are damaged");
    }
    trainer_queue(trainer, job);
    *ret_job = job;
    return LW_OK;
}
