/*
 * A detector: a spec compiled into what the operator reads at every step.
 *
 * Immutable after lw_detector_create() but for two things behind the scenes: the number of owners
 * (atomic) and the list of compiled metric options, which only grows, under a lock, when an entity
 * meets a metric with options not met before.
 */
#ifndef LW_ENGINE_OPERATOR_DETECTOR_H
#define LW_ENGINE_OPERATOR_DETECTOR_H

#include "detect/baseline/baseline.h"
#include "detect/fault.h"
#include "detect/hysteresis.h"
#include "engine/operator/spec.h"
#include "feature/feature.h"
#include "stream/aggregate.h"
#include "train/plan.h"

#include <pthread.h>
#include <stdatomic.h>

enum lw_step_kind { LW_STEP_DURATION, LW_STEP_SAMPLE, LW_STEP_ROW };

#define LW_PAIRS_MAX 32
/* Energy, level, adjusted level, the series blamed most, and the distance of each member. */
#define LW_MODEL_BLAMED 3
#define LW_MODEL_FIGURES (3 + LW_MODEL_BLAMED)
#define LW_MODEL_COLUMNS_MAX (LW_MODEL_FIGURES + LW_ENSEMBLE_MEMBERS_MAX)

/* Two metrics to compare, by patterns. */
struct lw_metric_pair {
    char first[LW_NAME_MAX], second[LW_NAME_MAX];
    char name[2 * LW_NAME_MAX]; /* "first:second" */
};

/* What the operator needs to know of a metric: one for all metrics whose options are the same.
 * Immutable. */
struct lw_metric {
    struct lw_metric *next;
    struct lw_metric_options options; /* As resolved; padding zero, so that equal options are equal
                                         bytes. */
    struct lw_baseline_config baseline;
    enum lw_aggregate aggregate;
    int64_t window_ns; /* Look-back of the aggregate, at least a step; 0 without steps of a
                          duration. */
    bool watch, faults;
};

struct lw_detector {
    char name[LW_SHORT_NAME_MAX];
    struct lw_spec *spec;
    uint64_t hash;
    enum lw_step_kind step_kind;
    int64_t step_ns; /* 0 unless LW_STEP_DURATION. */
    int64_t lateness_ns;
    struct lw_hysteresis hysteresis;
    struct lw_fault_config fault;
    struct lw_plan *plan;               /* What tier 1 is made of; NULL: no tier 1. */
    const struct lw_model_file *models; /* The spec's; NULL: none. */
    uint32_t n_model_columns;           /* What lw_detector_models() tells. */
    struct lw_feature_column model_columns[LW_MODEL_COLUMNS_MAX];
    char model_names[LW_ENSEMBLE_MEMBERS_MAX][2 * LW_MODEL_NAME_MAX];
    struct lw_calendar *calendar; /* NULL: UTC without holidays. */
    bool has_features;
    struct lw_feature_layout features; /* Valid when has_features. */
    uint32_t n_pairs;
    struct lw_metric_pair pairs[LW_PAIRS_MAX];
    atomic_uint n_owners;
    pthread_mutex_t lock;      /* Of the list alone. */
    struct lw_metric *metrics; /* Owned. */
};

/* The compiled options of the metric of that name; NULL when there is no memory. Lives as long as
 * the detector. Any thread. */
const struct lw_metric *lw_detector_metric(struct lw_detector *detector, const char *metric);

#endif
