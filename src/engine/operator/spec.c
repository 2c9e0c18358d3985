/* The option tables of detectors and metrics, and the spec that holds their values. */
#include "engine/operator/spec.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "feature/feature.h"
#include "lapwing/engine.h"
#include "stream/series_name.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RULES_MAX 4096
#define SECOND_NS 1e9
#define DAY_NS (86400 * SECOND_NS)

static const char *const POINTS[] = {"default", "benchmark", NULL};
static const char *const SCOPES[] = {"detector", "series", NULL};
static const char *const AGGREGATES[] = {"last",  "mean", "sum", "min", "max",
                                         "count", "rate", "p95", NULL};
static const char *const DIRECTIONS[] = {"both", "up", "down", NULL};

static const char *const INHERITS[] = {"auto", "no", NULL};

#define DETECTOR(field) offsetof(struct lw_detector_options, field)
#define METRIC(field) offsetof(struct lw_metric_options, field)
#define TEXT_CAPACITY(field) .capacity = sizeof(((struct lw_detector_options *)NULL)->field)

static const struct lw_option DETECTOR_OPTIONS[] = {
    {.name = "match",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(match),
     .fallback = "*",
     TEXT_CAPACITY(match),
     .unit = "",
     .help = "Metric names this detector watches: patterns with * and ?, separated by commas."},
    {.name = "entity",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(entity),
     .fallback = "instance",
     TEXT_CAPACITY(entity),
     .unit = "",
     .help = "Labels whose values together name an entity, separated by commas; empty: all series "
             "are one entity."},
    {.name = "step",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(step),
     .fallback = "10s",
     TEXT_CAPACITY(step),
     .unit = "",
     .help = "Length of a step, from 1ms to 1d; or \"sample\": every sample is a step of its "
             "series; or \"row\": every row of a file."},
    {.name = "lateness",
     .type = LW_OPTION_DURATION,
     .offset = DETECTOR(lateness_ns),
     .fallback = "0s",
     .min = 0,
     .max = DAY_NS,
     .unit = "duration",
     .help = "How far behind the watermark a sample may come and still count."},
    {.name = "operating_point",
     .type = LW_OPTION_ENUM,
     .offset = DETECTOR(operating_point),
     .fallback = "default",
     .choices = POINTS,
     .unit = "",
     .help = "\"default\" keeps to alarm_budget; \"benchmark\" is the fixed point of the published "
             "tables, one in 800 rows or 7 days."},
    {.name = "alarm_budget",
     .type = LW_OPTION_DURATION,
     .offset = DETECTOR(alarm_budget_ns),
     .fallback = "1w",
     .min = 3600 * SECOND_NS,
     .max = 3650 * DAY_NS,
     .unit = "duration",
     .help = "At most one false alarm in this much time."},
    {.name = "budget_scope",
     .type = LW_OPTION_ENUM,
     .offset = DETECTOR(budget_scope),
     .fallback = "detector",
     .choices = SCOPES,
     .unit = "",
     .help = "Whether all series of the detector share alarm_budget, or each has it for itself."},
    {.name = "hysteresis",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(hysteresis),
     .fallback = "1 of 1",
     TEXT_CAPACITY(hysteresis),
     .unit = "steps",
     .help =
         "\"m of n\": an anomaly opens when m of the last n steps were anomalous, n at most 64."},
    {.name = "quiet_steps",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(quiet_steps),
     .fallback = "30",
     .min = 1,
     .max = 10000,
     .unit = "steps",
     .help = "An anomaly closes after this many steps without alarm."},
    {.name = "max_samples",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(max_samples),
     .fallback = "64",
     .min = 1,
     .max = 65536,
     .unit = "samples",
     .help = "Samples of open steps and look-back windows kept for each series; more are dropped "
             "and counted."},
    {.name = "silent_after",
     .type = LW_OPTION_DURATION,
     .offset = DETECTOR(silent_after_ns),
     .fallback = "0s",
     .min = 0,
     .max = 365 * DAY_NS,
     .unit = "duration",
     .help = "A series without samples for so long is silent; 0: learnt from its own intervals."},
    {.name = "expire_after",
     .type = LW_OPTION_DURATION,
     .offset = DETECTOR(expire_after_ns),
     .fallback = "15d",
     .min = 0,
     .max = 3650 * DAY_NS,
     .unit = "duration",
     .help = "An entity without samples for so long, by event time, is forgotten: its open anomaly "
             "ends, and a later sample begins it anew; 0: never."},
    {.name = "inherit",
     .type = LW_OPTION_ENUM,
     .offset = DETECTOR(inherit),
     .fallback = "auto",
     .choices = INHERITS,
     .unit = "",
     .help =
         "\"auto\": a new entity begins with what was learnt of another whose name differs only "
         "in generated parts, as those of pods do; \"no\": with nothing."},
    {.name = "time_zone",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(time_zone),
     .fallback = "UTC",
     TEXT_CAPACITY(time_zone),
     .unit = "",
     .help = "Where hours and days are counted, such as Europe/Berlin; daylight saving is known."},
    {.name = "holidays",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(holidays),
     .fallback = "",
     TEXT_CAPACITY(holidays),
     .unit = "",
     .help =
         "Days that are like Sundays: 2026-04-06, or 12-25 for every year; separated by commas."},
    {.name = "models",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(models),
     .fallback = "full",
     TEXT_CAPACITY(models),
     .unit = "",
     .help =
         "Tier 1 models of entities with two series or more: \"full\", \"lean\", a list such as "
         "\"linear, knn@patch, iforest*0.5\", or \"none\"."},
    {.name = "tuning",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(tuning),
     .fallback = "",
     TEXT_CAPACITY(tuning),
     .unit = "",
     .help = "Options of models, such as \"iforest.trees=200, knn.k=5\"."},
    {.name = "collect",
     .type = LW_OPTION_BOOL,
     .offset = DETECTOR(collect),
     .fallback = "false",
     .unit = "",
     .help = "Keep rows for training, but train and serve no tier 1: what \"lapwing train\" sets."},
    {.name = "train_after",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(train_after),
     .fallback = "300",
     .min = 64,
     .max = 1000000,
     .unit = "steps",
     .help = "Tier 1 is first trained after so many steps of an entity in which something was "
             "known, and again each time their number has doubled."},
    {.name = "train_rows",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(train_rows),
     .fallback = "1024",
     .min = 64,
     .max = 1048576,
     .unit = "rows",
     .help = "Rows kept of each entity for training, spread evenly over all it has seen."},
    {.name = "features",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(features),
     .fallback = "none",
     TEXT_CAPACITY(features),
     .unit = "",
     .help =
         "Features to compute for each series: names separated by commas, \"all\" or \"none\"."},
    {.name = "pairs",
     .type = LW_OPTION_TEXT,
     .offset = DETECTOR(pairs),
     .fallback = "",
     TEXT_CAPACITY(pairs),
     .unit = "",
     .help = "Pairs of metrics to compare, \"cpu:memory, disk_io:wait\": correlation, ratio and "
             "lead of the first over the second."},
    {.name = "short_steps",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(short_steps),
     .fallback = "30",
     .min = LW_FEATURE_SHORT_MIN,
     .max = LW_FEATURE_SHORT_MAX,
     .unit = "steps",
     .help = "Length of the features' short window."},
    {.name = "long_steps",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(long_steps),
     .fallback = "360",
     .min = 8,
     .max = LW_FEATURE_LONG_MAX,
     .unit = "steps",
     .help = "Length of the features' long window."},
    {.name = "seed",
     .type = LW_OPTION_INT,
     .offset = DETECTOR(seed),
     .fallback = "1",
     .min = 0,
     .max = 9e15,
     .unit = "",
     .help = "Seed of everything random."},
};

static const struct lw_option METRIC_OPTIONS[] = {
    {.name = "aggregate",
     .type = LW_OPTION_ENUM,
     .offset = METRIC(aggregate),
     .fallback = "mean",
     .choices = AGGREGATES,
     .unit = "",
     .help = "What a step makes of its samples; \"rate\" is the increase a second of a counter, "
             "its resets bridged."},
    {.name = "window",
     .type = LW_OPTION_DURATION,
     .offset = METRIC(window_ns),
     .fallback = "0s",
     .min = 0,
     .max = DAY_NS,
     .unit = "duration",
     .help = "Look-back of the aggregate, sliding from step to step; 0: the step itself."},
    {.name = "direction",
     .type = LW_OPTION_ENUM,
     .offset = METRIC(direction),
     .fallback = "both",
     .choices = DIRECTIONS,
     .unit = "",
     .help = "Which way a deviation must go to matter."},
    {.name = "floor",
     .type = LW_OPTION_DOUBLE,
     .offset = METRIC(floor_absolute),
     .fallback = "0",
     .min = 0,
     .max = INFINITY,
     .unit = "metric's",
     .help = "A deviation smaller than this is never anomalous."},
    {.name = "floor_relative",
     .type = LW_OPTION_DOUBLE,
     .offset = METRIC(floor_relative),
     .fallback = "0",
     .min = 0,
     .max = 1e6,
     .unit = "ratio",
     .help = "The same as a share of the expected value."},
    {.name = "min",
     .type = LW_OPTION_DOUBLE,
     .offset = METRIC(legal_min),
     .fallback = "-inf",
     .min = -INFINITY,
     .max = INFINITY,
     .unit = "metric's",
     .help = "Least legal value; below it the series is anomalous at once."},
    {.name = "max",
     .type = LW_OPTION_DOUBLE,
     .offset = METRIC(legal_max),
     .fallback = "inf",
     .min = -INFINITY,
     .max = INFINITY,
     .unit = "metric's",
     .help = "Greatest legal value."},
    {.name = "watch",
     .type = LW_OPTION_BOOL,
     .offset = METRIC(watch),
     .fallback = "yes",
     .unit = "",
     .help = "Whether the series is scored by itself; \"no\": it only feeds features and tier 1."},
    {.name = "faults",
     .type = LW_OPTION_BOOL,
     .offset = METRIC(faults),
     .fallback = "yes",
     .unit = "",
     .help = "Whether data faults (silent, stuck, duplicated, skewed clock) of the series are "
             "reported."},
};

const struct lw_option *lw_detector_option_table(size_t *ret_n)
{
    *ret_n = sizeof(DETECTOR_OPTIONS) / sizeof(DETECTOR_OPTIONS[0]);
    return DETECTOR_OPTIONS;
}

const struct lw_option *lw_metric_option_table(size_t *ret_n)
{
    *ret_n = sizeof(METRIC_OPTIONS) / sizeof(METRIC_OPTIONS[0]);
    return METRIC_OPTIONS;
}

enum lw_status lw_spec_create(struct lw_spec **ret_spec, struct lw_error *reterr)
{
    struct lw_spec *spec = lw_mem_calloc(1, sizeof(*spec));
    size_t n;
    const struct lw_option *table = lw_detector_option_table(&n);

    if (spec == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a spec of %zu bytes", sizeof(*spec));
    }
    lw_options_default(table, n, &spec->detector);
    *ret_spec = spec;
    return LW_OK;
}

void lw_spec_destroy(struct lw_spec *spec)
{
    if (spec != NULL) {
        lw_model_file_release(spec->models);
        lw_mem_free(spec->rules);
        lw_mem_free(spec);
    }
}

enum lw_status lw_spec_set_models(struct lw_spec *spec, const void *bytes, size_t n_bytes,
                                  struct lw_error *reterr)
{
    struct lw_model_file *file = NULL;
    enum lw_status status = LW_OK;

    if (bytes != NULL) {
        status = lw_model_file_load(bytes, n_bytes, &file, reterr);
    }
    if (status == LW_OK) {
        lw_model_file_release(spec->models);
        spec->models = file;
    }
    return status;
}

enum lw_status lw_spec_set(struct lw_spec *spec, const char *option, const char *value,
                           struct lw_error *reterr)
{
    size_t n;
    const struct lw_option *table = lw_detector_option_table(&n);

    return lw_options_set(table, n, &spec->detector, option, value, reterr);
}

enum lw_status lw_spec_get(const struct lw_spec *spec, const char *option, char *ret_text,
                           size_t capacity)
{
    size_t n;
    const struct lw_option *table = lw_detector_option_table(&n);
    const struct lw_option *found = lw_options_find(table, n, option);

    if (found == NULL) {
        return LW_ENOTFOUND;
    }
    (void)lw_option_format(found, &spec->detector, ret_text, capacity);
    return LW_OK;
}

/* Refuses what could not be kept or applied later, so that lw_spec_resolve cannot fail. */
static enum lw_status rule_init(struct lw_spec_rule *ret_rule, const char *pattern,
                                const char *option, const char *value, struct lw_error *reterr)
{
    struct lw_metric_options trial;
    size_t n;
    const struct lw_option *table = lw_metric_option_table(&n);
    enum lw_status status;

    if (pattern[0] == '\0' || strlen(pattern) >= sizeof(ret_rule->pattern)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a metric pattern has %zu bytes; it must have 1 to %zu",
                            strlen(pattern), sizeof(ret_rule->pattern) - 1);
    }
    lw_options_default(table, n, &trial);
    status = lw_options_set(table, n, &trial, option, value, reterr);
    if (status != LW_OK) {
        return status;
    }
    memset(ret_rule, 0, sizeof(*ret_rule));
    (void)snprintf(ret_rule->pattern, sizeof(ret_rule->pattern), "%s", pattern);
    (void)snprintf(ret_rule->option, sizeof(ret_rule->option), "%s", option);
    (void)lw_option_format(lw_options_find(table, n, option), &trial, ret_rule->value,
                           sizeof(ret_rule->value));
    return LW_OK;
}

enum lw_status lw_spec_set_metric(struct lw_spec *spec, const char *pattern, const char *option,
                                  const char *value, struct lw_error *reterr)
{
    struct lw_spec_rule rule;
    enum lw_status status = rule_init(&rule, pattern, option, value, reterr);

    if (status != LW_OK) {
        return status;
    }
    if (spec->n_rules == RULES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "more than %d metric options in one detector",
                            RULES_MAX);
    }
    if (spec->n_rules == spec->rules_capacity) {
        size_t capacity = spec->rules_capacity == 0 ? 16 : spec->rules_capacity * 2;
        struct lw_spec_rule *rules = lw_mem_realloc(spec->rules, capacity * sizeof(*rules));

        if (rules == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu metric options", capacity);
        }
        spec->rules = rules;
        spec->rules_capacity = capacity;
    }
    spec->rules[spec->n_rules++] = rule;
    return LW_OK;
}

void lw_spec_resolve(const struct lw_spec *spec, const char *metric,
                     struct lw_metric_options *ret_options)
{
    size_t n;
    const struct lw_option *table = lw_metric_option_table(&n);

    memset(ret_options, 0, sizeof(*ret_options));
    lw_options_default(table, n, ret_options);
    for (size_t i = 0; i < spec->n_rules; i++) {
        const struct lw_spec_rule *rule = &spec->rules[i];

        if (lw_glob_match(rule->pattern, metric)) {
            enum lw_status status = lw_options_set(table, n, ret_options, rule->option, rule->value,
                                                   NULL);

            assert(status == LW_OK); /* Checked when the rule was set. */
            (void)status;
        }
    }
}

enum lw_status lw_spec_copy(const struct lw_spec *spec, struct lw_spec **ret_spec,
                            struct lw_error *reterr)
{
    struct lw_spec *copy = lw_mem_calloc(1, sizeof(*copy));

    if (copy != NULL) {
        copy->detector = spec->detector;
        copy->n_rules = copy->rules_capacity = spec->n_rules;
        copy->rules = spec->n_rules == 0 ? NULL
                                         : lw_mem_calloc(spec->n_rules, sizeof(*copy->rules));
    }
    if (copy == NULL || (copy->rules == NULL && spec->n_rules > 0)) {
        lw_mem_free(copy);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a copy of a spec");
    }
    if (spec->n_rules > 0) {
        memcpy(copy->rules, spec->rules, spec->n_rules * sizeof(*copy->rules));
    }
    copy->models = lw_model_file_retain(spec->models);
    *ret_spec = copy;
    return LW_OK;
}

uint64_t lw_spec_hash(const struct lw_spec *spec)
{
    char text[LW_SPEC_TEXT_MAX + 64], fallback[LW_SPEC_TEXT_MAX + 64];
    struct lw_detector_options defaults;
    uint64_t hash = 0;
    size_t n;
    const struct lw_option *table = lw_detector_option_table(&n);

    lw_options_default(table, n, &defaults);
    for (size_t i = 0; i < n; i++) {
        (void)lw_option_format(&table[i], &defaults, fallback, sizeof(fallback));
        (void)lw_option_format(&table[i], &spec->detector, text, sizeof(text));
        if (strcmp(text, fallback) != 0) { /* So options may be added without changing the rest. */
            hash = lw_hash_bytes(table[i].name, strlen(table[i].name), hash);
            hash = lw_hash_bytes(text, strlen(text), hash);
        }
    }
    if (spec->models != NULL) {
        hash = lw_hash_bytes(&spec->models->hash, sizeof(spec->models->hash), hash);
    }
    for (size_t i = 0; i < spec->n_rules; i++) {
        const struct lw_spec_rule *rule = &spec->rules[i];

        hash = lw_hash_bytes(rule->pattern, strlen(rule->pattern), hash);
        hash = lw_hash_bytes(rule->option, strlen(rule->option), hash);
        hash = lw_hash_bytes(rule->value, strlen(rule->value), hash);
    }
    return hash;
}

size_t lw_spec_options(bool metric, struct lw_option_view *ret_options, size_t capacity)
{
    size_t n;
    const struct lw_option *table = metric ? lw_metric_option_table(&n)
                                           : lw_detector_option_table(&n);

    for (size_t i = 0; i < n && i < capacity; i++) {
        ret_options[i] = (struct lw_option_view){.name = table[i].name,
                                                 .type = lw_option_type_name(table[i].type),
                                                 .fallback = table[i].fallback,
                                                 .unit = table[i].unit,
                                                 .help = table[i].help};
        lw_option_bounds(&table[i], ret_options[i].bounds, sizeof(ret_options[i].bounds));
    }
    return n;
}
