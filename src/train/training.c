/* Runs a training from rows to groups and report: see train/training.h. */
#include "train/training.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "train/training_internal.h"

#include <assert.h>
#include <string.h>

#define FOLDS_MIN 2u

void lw_training_tell(const struct training *training, const char *what, double share)
{
    if (training->options.progress != NULL) {
        (void)pthread_mutex_lock(training->telling);
        training->options.progress(training->options.context, what, share);
        (void)pthread_mutex_unlock(training->telling);
    }
}

/* Labels are found by the times of rows. */
static enum lw_status check_labels(const struct training *training, struct lw_error *reterr)
{
    const struct lw_training_request *request = training->request;

    for (size_t e = 0; training->options.n_labels > 0 && e < request->n_sources; e++) {
        if (request->sources[e].n_rows > 0 && request->sources[e].times_ns == NULL) {
            return lw_error_set(reterr, LW_EINVAL,
                                "labels need the times of rows, which detector \"%s\" has not "
                                "kept: it does with its option \"collect\"",
                                request->detector);
        }
    }
    for (size_t i = 0; i < training->options.n_labels; i++) {
        if (training->options.labels[i].end_ns < training->options.labels[i].start_ns) {
            return lw_error_set(reterr, LW_EINVAL, "label %zu ends before it begins", i);
        }
    }
    return LW_OK;
}

/* Defaults filled in; LW_EINVAL for what is out of bounds. */
static enum lw_status take_options(struct training *training, struct lw_error *reterr)
{
    struct lw_train_options *options = &training->options;

    *options = *training->request->options;
    options->n_folds = options->n_folds == 0 ? LW_TRAINING_FOLDS : options->n_folds;
    options->memory_max = options->memory_max == 0 ? LW_TRAINING_MEMORY : options->memory_max;
    options->n_threads = options->n_threads == 0 ? (uint32_t)lw_parallel_processors()
                                                 : options->n_threads;
    options->tuning = options->tuning == NULL ? "" : options->tuning;
    if (options->n_threads > LW_PARALLEL_THREADS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "%u threads asked for; at most %d are allowed",
                            (unsigned)options->n_threads, LW_PARALLEL_THREADS_MAX);
    }
    if (options->n_folds < FOLDS_MIN || options->n_folds > LW_VALIDATION_FOLDS_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "%u folds asked for; %u to %u are allowed",
                            (unsigned)options->n_folds, FOLDS_MIN, LW_VALIDATION_FOLDS_MAX);
    }
    if ((unsigned)options->sharing > LW_SHARING_ALL) {
        return lw_error_set(reterr, LW_EINVAL, "there is no way %d to share models",
                            (int)options->sharing);
    }
    if (check_labels(training, reterr) != LW_OK) {
        return LW_EINVAL;
    }
    return lw_plan_parse(options->models, options->tuning, &training->wanted, reterr);
}

static enum lw_status init(struct training *training, const struct lw_training_request *request,
                           struct lw_training_outcome *outcome, struct lw_error *reterr)
{
    training->request = request;
    training->outcome = outcome;
    training->started_ns = lw_clock_monotonic_ns();
    training->n_entities = request->n_sources;
    training->thin = 1;
    training->n_parallel = 1;
    training->entities = lw_mem_calloc(request->n_sources + 1, sizeof(*training->entities));
    if (training->entities == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train on %zu entities",
                            request->n_sources);
    }
    for (size_t e = 0; e < request->n_sources; e++) {
        training->entities[e].source = &request->sources[e];
        training->entities[e].group = SIZE_MAX;
    }
    return take_options(training, reterr);
}

static void fini(struct training *training)
{
    for (size_t e = 0; training->entities != NULL && e < training->n_entities; e++) {
        lw_quality_fini(&training->entities[e].quality);
        lw_mem_free(training->entities[e].labels);
        lw_mem_free(training->entities[e].columns);
    }
    for (size_t i = 0; i < LW_TRAINING_VALIDATED_MAX; i++) {
        lw_gathered_fini(&training->gathered[i]);
    }
    for (size_t p = 0; p < training->n_plots; p++) {
        lw_mem_free(training->plots[p].times_s);
        lw_mem_free(training->plots[p].levels);
    }
    lw_judged_fini(&training->judged_own);
    lw_judged_fini(&training->judged_all);
    lw_judge_fini(&training->judge_own);
    lw_judge_fini(&training->judge_all);
    lw_held_out_fini(&training->held_own);
    lw_held_out_fini(&training->held_all);
    lw_intern_destroy(training->names);
    lw_mem_free(training->kept.ratios);
    lw_mem_free(training->selection);
    lw_mem_free(training->entities);
}

/* The name among the series of a source, or NULL. */
static const char *series_called(const struct lw_training_source *source, const char *name)
{
    for (size_t s = 0; s < source->n_series; s++) {
        if (strcmp(source->series[s], name) == 0) {
            return source->series[s];
        }
    }
    return NULL;
}

/* Names of a group's columns are the training's, which goes: those of the sources are the same. */
static void borrow_columns(const struct training *training, struct lw_trained_group *group)
{
    for (size_t c = 0; c < group->n_columns; c++) {
        const char *name = NULL;

        for (size_t i = 0; name == NULL && i < group->n_entities; i++) {
            name = series_called(training->entities[group->entities[i]].source, group->columns[c]);
        }
        for (size_t e = 0; name == NULL && e < training->n_entities; e++) {
            name = series_called(training->entities[e].source, group->columns[c]);
        }
        assert(name != NULL); /* Also of an entity that was let go: some entity has it. */
        group->columns[c] = name;
    }
}

static enum lw_status train(struct training *training, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (training->n_used == 0) {
        return lw_error_set(reterr, LW_EINVAL,
                            "none of %zu %s has %d rows of known values to learn from",
                            training->n_entities, training->n_entities == 1 ? "entity" : "entities",
                            LW_TRAIN_ROWS_MIN);
    }
    status = lw_training_fit_memory(training, reterr);
    if (status == LW_OK) {
        status = lw_training_choose(training, reterr);
    }
    if (status == LW_OK) {
        status = lw_training_fit_groups(training, reterr);
    }
    return status;
}

enum lw_status lw_training_run(const struct lw_training_request *request,
                               struct lw_training_outcome *ret_outcome, struct lw_error *reterr)
{
    struct training *training = lw_mem_calloc(1, sizeof(*training));
    struct lw_error error = {.message = ""};
    pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;
    enum lw_status status, reported;

    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (training == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory to train");
    }
    training->telling = &telling;
    status = init(training, request, ret_outcome, &error);
    if (status == LW_OK) {
        lw_training_tell(training, "judging the data", 0.0);
        status = lw_training_judge_data(training, &error);
    }
    if (status == LW_OK) {
        status = train(training, &error);
        reported = status == LW_ENOMEM
                       ? status
                       : lw_training_report(training, status, error.message, &ret_outcome->report,
                                            &ret_outcome->report_bytes, &error);
        status = status == LW_OK ? reported : status;
    }
    if (status == LW_OK) {
        for (size_t g = 0; g < ret_outcome->n_groups; g++) {
            borrow_columns(training, &ret_outcome->groups[g]);
        }
        lw_training_tell(training, "done", 1.0);
    } else {
        char *report = ret_outcome->report;
        size_t n_bytes = ret_outcome->report_bytes;

        ret_outcome->report = NULL;
        lw_training_outcome_fini(ret_outcome);
        ret_outcome->report = report;
        ret_outcome->report_bytes = n_bytes;
        (void)lw_error_set(reterr, status, "%s", error.message);
    }
    fini(training);
    lw_mem_free(training);
    (void)pthread_mutex_destroy(&telling);
    return status;
}

void lw_training_outcome_fini(struct lw_training_outcome *outcome)
{
    for (size_t g = 0; g < outcome->n_groups; g++) {
        lw_training_result_fini(&outcome->groups[g].result);
        lw_mem_free(outcome->groups[g].columns);
        lw_mem_free(outcome->groups[g].entities);
    }
    lw_mem_free(outcome->groups);
    lw_mem_free(outcome->report);
    memset(outcome, 0, sizeof(*outcome));
}
