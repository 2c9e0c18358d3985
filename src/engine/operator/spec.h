/*
 * A spec: the named options of a detector and of its metrics, before they are compiled.
 *
 * A struct lw_spec belongs to one thread. What is compiled copies the option structs, so a spec may
 * go at once.
 */
#ifndef LW_ENGINE_OPERATOR_SPEC_H
#define LW_ENGINE_OPERATOR_SPEC_H

#include "base/option.h"
#include "engine/fleet/model_file.h"
#include "lapwing/lapwing.h"

#include <stdbool.h>

#define LW_SPEC_TEXT_MAX 1024

enum lw_operating_point { LW_POINT_DEFAULT, LW_POINT_BENCHMARK };
enum lw_budget_scope { LW_SCOPE_DETECTOR, LW_SCOPE_SERIES };

/* Options of the detector as a whole. */
struct lw_detector_options {
    char match[LW_SPEC_TEXT_MAX];
    char entity[LW_SPEC_TEXT_MAX];
    char step[32];
    int64_t lateness_ns;
    int operating_point; /* enum lw_operating_point */
    int64_t alarm_budget_ns;
    int budget_scope; /* enum lw_budget_scope */
    char hysteresis[32];
    int64_t quiet_steps;
    int64_t max_samples;
    int64_t silent_after_ns;
    int64_t expire_after_ns; /* 0: never. */
    int inherit;             /* Index into auto, no. */
    char time_zone[64];
    char holidays[LW_SPEC_TEXT_MAX];
    char models[LW_SPEC_TEXT_MAX];
    char tuning[LW_SPEC_TEXT_MAX];
    bool collect;
    int64_t train_after;
    int64_t train_rows;
    char features[LW_SPEC_TEXT_MAX];
    char pairs[LW_SPEC_TEXT_MAX];
    int64_t short_steps, long_steps;
    int64_t seed;
};

/* Options of the metrics that a pattern matches. */
struct lw_metric_options {
    int aggregate; /* enum lw_aggregate */
    int64_t window_ns;
    int direction; /* enum lw_direction */
    double floor_absolute, floor_relative;
    double legal_min, legal_max;
    bool watch, faults;
};

/* One rule: kept as text, in canonical form, so that later rules win option by option. */
struct lw_spec_rule {
    char pattern[LW_NAME_MAX];
    char option[48];
    char value[128];
};

struct lw_spec {
    struct lw_detector_options detector;
    struct lw_spec_rule *rules;
    size_t n_rules, rules_capacity;
    struct lw_model_file *models; /* NULL: none; one of its owners. */
};

/* The option tables; *ret_n is their length. */
const struct lw_option *lw_detector_option_table(size_t *ret_n);
const struct lw_option *lw_metric_option_table(size_t *ret_n);
/* The options that hold for a metric: defaults, then every rule that matches, in order. */
void lw_spec_resolve(const struct lw_spec *spec, const char *metric,
                     struct lw_metric_options *ret_options);
/* A deep copy; the caller owns it. */
enum lw_status lw_spec_copy(const struct lw_spec *spec, struct lw_spec **ret_spec,
                            struct lw_error *reterr) LW_MUST_USE;
/* Hash of every option's canonical text and of the rules in order. */
uint64_t lw_spec_hash(const struct lw_spec *spec);

#endif
