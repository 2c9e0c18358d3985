/*
 * The training of one entity's tier 1, away from the step that asks for it.
 *
 * A job owns a copy of the rows it learns from, so what comes of it depends on them alone, whenever
 * and wherever it runs. A trainer's threads run jobs as they come; whoever needs the result and
 * finds that none has begun runs the job itself. Without a trainer every job is run so.
 */
#ifndef LW_ENGINE_OPERATOR_TRAINING_JOB_H
#define LW_ENGINE_OPERATOR_TRAINING_JOB_H

#include "engine/operator/detector.h"
#include "train/ensemble_fit.h"
#include "train/rows.h"

struct lw_training_job;
struct lw_trainer;

/* Threads that run jobs, each at a lower priority than the rest of the program. The caller owns
 * *ret_trainer. */
enum lw_status lw_trainer_create(size_t n_threads, struct lw_trainer **ret_trainer,
                                 struct lw_error *reterr) LW_MUST_USE;
/* Ends when the jobs at work are done; those waiting are left to their owners. Takes NULL. */
void lw_trainer_destroy(struct lw_trainer *trainer);

/* What a job is about. */
struct lw_training_need {
    struct lw_detector *detector; /* Retained by the job. */
    const struct lw_training_rows *rows;
    uint32_t n_columns;   /* At most the rows' stride. */
    const float *natural; /* [n_columns] Natural units: detect/views.h. */
};

/* A copy of the rows, and a place in the trainer's queue (trainer NULL: none). NULL when there is
 * no memory or the rows are too few. The caller owns the job. */
struct lw_training_job *lw_training_job_create(const struct lw_training_need *need,
                                               struct lw_trainer *trainer);
/* The result: runs the job if nobody has, waits if someone does. *ret_result is the caller's on
 * LW_OK; the job is over either way. */
enum lw_status lw_training_job_finish(struct lw_training_job *job,
                                      struct lw_training_result *ret_result,
                                      struct lw_error *reterr) LW_MUST_USE;
/* Not wanted any more. Takes NULL. */
void lw_training_job_destroy(struct lw_training_job *job);
/* What the job learns from; a loaded job comes to the same result. */
void lw_training_job_save(const struct lw_training_job *job, struct lw_writer *writer);
enum lw_status lw_training_job_load(struct lw_detector *detector, struct lw_reader *reader,
                                    struct lw_trainer *trainer, struct lw_training_job **ret_job,
                                    struct lw_error *reterr) LW_MUST_USE;

#endif
