/* What the files of a training share: see train/training.h. */
#ifndef LW_TRAIN_TRAINING_INTERNAL_H
#define LW_TRAIN_TRAINING_INTERNAL_H

#include "base/intern.h"
#include "base/json.h"
#include "train/budget.h"
#include "train/cluster.h"
#include "train/select.h"
#include "train/training.h"

#include <pthread.h>

#define LW_TRAINING_FOLDS 3u
#define LW_TRAINING_MEMORY (UINT64_C(2) << 30)
/* Entities of a cross-validation. */
#define LW_TRAINING_VALIDATED_MAX 8u
#define LW_TRAINING_THIN_MAX 64u
/* Distances of rows kept back that are looked at for the report, of all entities together. */
#define LW_TRAINING_SAMPLE 32768u
#define LW_TRAINING_PLOT_POINTS 500u
#define LW_TRAINING_PLOTS_MAX 50u
#define LW_TRAINING_BUDGETS 3u
#define LW_TRAINING_LEVEL_BINS 64u /* A quarter each. */
/* What sharing may cost: 1 - rank correlation, and average precision. */
#define LW_SHARING_LOSS 0.2
#define LW_SHARING_PRECISION_LOSS 0.02

/* One entity on the way. */
struct trained_entity {
    const struct lw_training_source *source;
    struct lw_quality_entity quality;
    bool is_used;
    const char *why; /* It is not. */
    uint8_t *labels; /* [n_rows]; NULL: none. */
    size_t n_labelled;
    uint32_t *columns; /* [n_series] Number of each series' name. */
    size_t group;      /* SIZE_MAX: none. */
    size_t n_used;     /* Rows fitted to. */
};

/* Rows of an entity in some columns; owned. */
struct gathered {
    size_t n_rows, n_runs;
    float *rows;
    size_t *runs;
    int64_t *times_ns;
    uint8_t *labels; /* [n_rows] */
};

/* Columns that models read. */
struct column_set {
    size_t n;
    uint32_t columns[LW_VIEWS_COLUMNS_MAX]; /* By name's number. */
    float natural[LW_VIEWS_COLUMNS_MAX];
};

/* What a report shows of rows kept back from the final fits. */
struct kept_sample {
    uint64_t levels[LW_TRAINING_LEVEL_BINS];
    size_t n, capacity;
    float *ratios; /* [capacity][n_members] Distances in units. */
};

struct plot {
    size_t entity, n, every;
    double *times_s, *levels;
};

struct training {
    const struct lw_training_request *request;
    struct lw_train_options options; /* With all defaults filled in. */
    int64_t started_ns;
    pthread_mutex_t *telling;        /* Progress is told by one thread at a time. */
    struct trained_entity *entities; /* [n_sources] */
    size_t n_entities, n_used;
    struct lw_intern *names; /* Of all series. */
    size_t thin;             /* One block of rows in so many is used. */
    uint64_t memory_needed;
    size_t n_parallel; /* Fits at a time, as memory allows. */
    double step_s;
    size_t labels_outside;                 /* Labels that meet no row. */
    struct lw_plan wanted;                 /* What was asked for. */
    struct lw_plan wide;                   /* That, and the presets' members: what is validated. */
    struct lw_plan final;                  /* What is fitted. */
    double asked[LW_ENSEMBLE_MEMBERS_MAX]; /* Weights of `wanted`, by members of `wide`. */

    /* Cross-validation. */
    const char *skipped; /* Why there was none; NULL: there was. */
    size_t n_validated;
    size_t validated[LW_TRAINING_VALIDATED_MAX];
    struct gathered gathered[LW_TRAINING_VALIDATED_MAX];
    struct lw_validation_entity validation[LW_TRAINING_VALIDATED_MAX];
    struct column_set validated_columns;
    struct lw_held_out held_own, held_all;
    struct lw_judge judge_own, judge_all;
    struct lw_judged judged_own, judged_all; /* By the weights chosen. */
    bool has_own, has_all;
    struct lw_selection *selection;

    /* Sharing. */
    enum lw_sharing sharing; /* Chosen: never auto. */
    char sharing_why[256];
    double loss, auc_pr_own, auc_pr_all;
    struct lw_clusters clusters;

    struct lw_budget_row budgets[LW_TRAINING_BUDGETS];
    struct lw_training_outcome *outcome;
    struct kept_sample kept;
    struct plot plots[LW_TRAINING_PLOTS_MAX];
    size_t n_plots;
    double ns_per_vector;
};

/* training_data.c */
enum lw_status lw_training_judge_data(struct training *training,
                                      struct lw_error *reterr) LW_MUST_USE;
/* Columns known well enough in at least half of some entities, by their numbers. */
void lw_training_columns(const struct training *training, const size_t *entities, size_t n,
                         struct column_set *ret_columns);
/* Room for 64 rows too few is no error: n_rows says how many there are. */
enum lw_status lw_training_gather(const struct training *training, size_t entity,
                                  const struct column_set *columns, bool without_labelled,
                                  struct gathered *ret_gathered,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_gathered_fini(struct gathered *gathered);
/* Settles `thin`, or LW_ELIMIT. */
enum lw_status lw_training_fit_memory(struct training *training,
                                      struct lw_error *reterr) LW_MUST_USE;

/* training_choice.c: folds, weights, sharing, budgets. */
enum lw_status lw_training_choose(struct training *training, struct lw_error *reterr) LW_MUST_USE;

/* training_fit.c: groups and their fits. */
enum lw_status lw_training_fit_groups(struct training *training,
                                      struct lw_error *reterr) LW_MUST_USE;

/* report.c; report_data.c */
enum lw_status lw_training_report(const struct training *training, enum lw_status status,
                                  const char *reason, char **ret_report, size_t *ret_n_bytes,
                                  struct lw_error *reterr) LW_MUST_USE;
void lw_report_data(const struct training *training, struct lw_json *json);

/* What is done of a phase. */
void lw_training_tell(const struct training *training, const char *what, double share);

#endif
