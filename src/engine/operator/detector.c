/* Compiles a spec: parses the composite options, resolves names, refuses contradictions. */
#include "engine/operator/detector.h"

#include "base/error.h"
#include "base/mem.h"
#include "feature/calendar.h"

#include <stdio.h>
#include <string.h>

#define STEP_MIN_NS INT64_C(1000000)
#define DAY_NS INT64_C(86400000000000)
#define BENCHMARK_ROWS 800
#define BENCHMARK_NS (7 * DAY_NS)

static enum lw_status parse_step(struct lw_detector *detector, const char *text,
                                 struct lw_error *reterr)
{
    enum lw_status status;

    if (strcmp(text, "sample") == 0) {
        detector->step_kind = LW_STEP_SAMPLE;
        return LW_OK;
    }
    if (strcmp(text, "row") == 0) {
        detector->step_kind = LW_STEP_ROW;
        return LW_OK;
    }
    status = lw_duration_parse(text, &detector->step_ns, NULL);
    if (status != LW_OK || detector->step_ns < STEP_MIN_NS || detector->step_ns > DAY_NS) {
        return lw_error_set(
            reterr, LW_EINVAL,
            "option \"step\" is \"%s\"; expected sample, row, or a duration from 1ms to 1d", text);
    }
    detector->step_kind = LW_STEP_DURATION;
    return LW_OK;
}

static enum lw_status compile_plan(struct lw_detector *detector, struct lw_error *reterr)
{
    const struct lw_detector_options *options = &detector->spec->detector;
    struct lw_error error = {0};
    enum lw_status status;

    detector->models = detector->spec->models;
    if (strcmp(options->models, "none") == 0 || options->models[0] == '\0') {
        return LW_OK;
    }
    detector->plan = lw_mem_calloc(1, sizeof(*detector->plan));
    if (detector->plan == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for detector \"%s\"", detector->name);
    }
    status = lw_plan_parse(options->models, options->tuning, detector->plan, &error);
    return status == LW_OK ? LW_OK
                           : lw_error_set(reterr, status, "options \"models\" and \"tuning\": %s",
                                          error.message);
}

/* The column of a member's distances: "model_knn_patch". */
static void add_model_column(struct lw_detector *detector, const struct lw_model_class *class,
                             enum lw_view view)
{
    char *name = detector->model_names[detector->n_model_columns - LW_MODEL_FIGURES];

    (void)snprintf(name, sizeof(detector->model_names[0]), "model_%s_%s", class->name,
                   lw_view_name(view));
    detector->model_columns[detector->n_model_columns++] = (struct lw_feature_column){
        .name = name, .unit = "", .formula = class->formula};
}

/* Tells what there is to tell of the models of the plan, or of those of the model file. */
static void compile_model_columns(struct lw_detector *detector)
{
    static const struct lw_feature_column figures[LW_MODEL_FIGURES] = {
        {"energy", "", "sum w (D / max(median, unit))^2 / sum w over the models"},
        {"level", "", "-log10 p of the smoothed energy, by the calibration"},
        {"level_adjusted", "", "level less what has been usual of late: held against the cut"},
        {"blamed_1", "series", "number of the series with the largest share of the step, from 0"},
        {"blamed_2", "series", "the second largest"},
        {"blamed_3", "series", "the third"}};
    const struct lw_model_file *file = detector->models;

    if (detector->plan == NULL) {
        return;
    }
    memcpy(detector->model_columns, figures, sizeof(figures));
    detector->n_model_columns = LW_MODEL_FIGURES;
    if (file != NULL && file->n_groups > 0) {
        const struct lw_ensemble *ensemble = file->groups[0].ensemble;

        for (uint32_t i = 0; i < ensemble->n_members; i++) {
            add_model_column(detector, ensemble->members[i].class, ensemble->members[i].view);
        }
        return;
    }
    for (uint32_t i = 0; i < detector->plan->n_members; i++) {
        add_model_column(detector, detector->plan->members[i].class,
                         detector->plan->members[i].view);
    }
}

size_t lw_detector_models(const struct lw_detector *detector, struct lw_feature_column *ret_columns,
                          size_t capacity)
{
    for (size_t i = 0; i < detector->n_model_columns && i < capacity; i++) {
        ret_columns[i] = detector->model_columns[i];
    }
    return detector->n_model_columns;
}

static enum lw_status compile_calendar(struct lw_detector *detector, struct lw_error *reterr)
{
    const struct lw_detector_options *options = &detector->spec->detector;

    if (options->holidays[0] == '\0' && strcmp(options->time_zone, "UTC") == 0) {
        return LW_OK;
    }
    return lw_calendar_create(options->time_zone, options->holidays, &detector->calendar, reterr);
}

/* Bits of the features named in a list, of metrics and pairs alike. */
static enum lw_status parse_features(const char *text, uint64_t wanted[LW_FEATURE_GROUPS],
                                     struct lw_error *reterr)
{
    char name[64];

    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, ",");
        size_t blanks = strspn(at, " ");
        size_t length = n - (blanks < n ? blanks : n);
        uint64_t of_metric, of_pair;

        while (length > 0 && at[blanks + length - 1] == ' ') {
            length--;
        }
        (void)snprintf(name, sizeof(name), "%.*s",
                       (int)(length < sizeof(name) ? length : sizeof(name) - 1), at + blanks);
        of_metric = lw_feature_find(LW_FEATURE_OF_METRIC, name);
        of_pair = lw_feature_find(LW_FEATURE_OF_PAIR, name);
        if ((of_metric | of_pair) == 0) {
            return lw_error_set(reterr, LW_EINVAL,
                                "option \"features\" names \"%s\", which is no feature", name);
        }
        wanted[LW_FEATURE_OF_METRIC] |= of_metric;
        wanted[LW_FEATURE_OF_PAIR] |= of_pair;
        at += n + (at[n] == ',' ? 1 : 0);
    }
    return LW_OK;
}

/* "cpu*:memory*, disk_io:wait" */
static enum lw_status parse_pairs(struct lw_detector *detector, const char *text,
                                  struct lw_error *reterr)
{
    for (const char *at = text; *at != '\0';) {
        char first[LW_NAME_MAX] = "", second[LW_NAME_MAX] = "";
        struct lw_metric_pair *pair;
        int end = 0;

        if (detector->n_pairs == LW_PAIRS_MAX) {
            return lw_error_set(reterr, LW_ELIMIT, "option \"pairs\" has more than %d pairs",
                                LW_PAIRS_MAX);
        }
        if (sscanf(at, " %255[^:, ] : %255[^:, ] %n", first, second, &end) != 2 || end == 0 ||
            (at[end] != ',' && at[end] != '\0')) {
            return lw_error_set(
                reterr, LW_EINVAL,
                "option \"pairs\" is \"%s\"; expected \"metric:metric, metric:metric\"", text);
        }
        pair = &detector->pairs[detector->n_pairs++];
        memcpy(pair->first, first, sizeof(first));
        memcpy(pair->second, second, sizeof(second));
        (void)snprintf(pair->name, sizeof(pair->name), "%s:%s", first, second);
        at += end + (at[end] == ',' ? 1 : 0);
    }
    return LW_OK;
}

static enum lw_status compile_features(struct lw_detector *detector, struct lw_error *reterr)
{
    const struct lw_detector_options *options = &detector->spec->detector;
    struct lw_feature_config config;
    enum lw_status status = parse_pairs(detector, options->pairs, reterr);

    if (status != LW_OK || strcmp(options->features, "none") == 0 || options->features[0] == '\0') {
        return status;
    }
    lw_feature_config_default(&config);
    config.short_steps = (uint32_t)options->short_steps;
    config.long_steps = (uint32_t)options->long_steps;
    config.calendar = detector->calendar;
    if (detector->step_ns > 0) {
        config.step_ns = detector->step_ns;
    }
    if (strcmp(options->features, "all") != 0) {
        memset(config.wanted, 0, sizeof(config.wanted));
        status = parse_features(options->features, config.wanted, reterr);
    }
    if (status == LW_OK) {
        status = lw_feature_layout_init(&detector->features, &config, reterr);
    }
    detector->has_features = status == LW_OK;
    return status;
}

/* Look-backs are lengths of time over steps: there are none where each sample or row is its own
 * step. */
static enum lw_status check_windows(const struct lw_detector *detector, struct lw_error *reterr)
{
    const struct lw_spec *spec = detector->spec;

    for (size_t i = 0; detector->step_kind != LW_STEP_DURATION && i < spec->n_rules; i++) {
        if (strcmp(spec->rules[i].option, "window") == 0) {
            return lw_error_set(
                reterr, LW_EINVAL,
                "metric \"%s\": \"window\" needs a step that is a duration; \"step\" is \"%s\"",
                spec->rules[i].pattern, spec->detector.step);
        }
    }
    return LW_OK;
}

static enum lw_status compile(struct lw_detector *detector, struct lw_error *reterr)
{
    const struct lw_detector_options *options = &detector->spec->detector;
    enum lw_status status = parse_step(detector, options->step, reterr);

    if (status == LW_OK) {
        status = lw_hysteresis_parse(options->hysteresis, &detector->hysteresis, reterr);
    }
    if (status == LW_OK) {
        status = compile_plan(detector, reterr);
    }
    if (status == LW_OK) {
        compile_model_columns(detector);
        status = compile_calendar(detector, reterr);
    }
    if (status == LW_OK) {
        status = compile_features(detector, reterr);
    }
    if (status == LW_OK) {
        status = check_windows(detector, reterr);
    }
    if (status == LW_OK && detector->step_kind == LW_STEP_ROW && options->lateness_ns != 0) {
        status = lw_error_set(reterr, LW_EINVAL,
                              "options \"step: row\" and \"lateness\" contradict each other: rows "
                              "are taken in file order");
    }
    detector->lateness_ns = options->lateness_ns;
    detector->fault = (struct lw_fault_config){.step_ns = detector->step_ns,
                                               .lateness_ns = options->lateness_ns,
                                               .silent_after_ns = options->silent_after_ns,
                                               .budget_ns = options->alarm_budget_ns};
    return status;
}

enum lw_status lw_detector_create(const struct lw_spec *spec, const char *name,
                                  struct lw_detector **ret_detector, struct lw_error *reterr)
{
    struct lw_detector *detector = NULL;
    enum lw_status status;

    if (strlen(name) >= LW_SHORT_NAME_MAX) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a detector's name has %zu bytes; at most %d are allowed", strlen(name),
                            LW_NAME_MAX - 1);
    }
    detector = lw_mem_calloc(1, sizeof(*detector));
    if (detector == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for detector \"%s\"", name);
    }
    (void)snprintf(detector->name, sizeof(detector->name), "%s", name);
    atomic_init(&detector->n_owners, 1);
    (void)pthread_mutex_init(&detector->lock, NULL);
    status = lw_spec_copy(spec, &detector->spec, reterr);
    if (status == LW_OK) {
        detector->hash = lw_spec_hash(spec);
        status = compile(detector, reterr);
    }
    if (status != LW_OK) {
        lw_detector_release(detector);
        return status;
    }
    *ret_detector = detector;
    return LW_OK;
}

struct lw_detector *lw_detector_retain(struct lw_detector *detector)
{
    (void)atomic_fetch_add(&detector->n_owners, 1);
    return detector;
}

void lw_detector_release(struct lw_detector *detector)
{
    if (detector == NULL || atomic_fetch_sub(&detector->n_owners, 1) != 1) {
        return;
    }
    while (detector->metrics != NULL) {
        struct lw_metric *metric = detector->metrics;

        detector->metrics = metric->next;
        lw_mem_free(metric);
    }
    lw_mem_free(detector->plan);
    lw_calendar_destroy(detector->calendar);
    lw_spec_destroy(detector->spec);
    (void)pthread_mutex_destroy(&detector->lock);
    lw_mem_free(detector);
}

static struct lw_metric *metric_compile(const struct lw_detector *detector,
                                        const struct lw_metric_options *own)
{
    struct lw_metric *metric = lw_mem_calloc(1, sizeof(*metric));
    const struct lw_detector_options *options = &detector->spec->detector;
    bool benchmark = options->operating_point == LW_POINT_BENCHMARK;

    if (metric == NULL) {
        return NULL;
    }
    metric->options = *own;
    metric->aggregate = (enum lw_aggregate)own->aggregate;
    metric->watch = own->watch;
    metric->faults = own->faults;
    if (detector->step_kind == LW_STEP_DURATION) {
        metric->window_ns = own->window_ns > detector->step_ns ? own->window_ns : detector->step_ns;
    }
    metric->baseline = (struct lw_baseline_config){
        .step_ns = detector->step_ns,
        .budget_ns = benchmark ? BENCHMARK_NS : options->alarm_budget_ns,
        .budget_rows = benchmark ? BENCHMARK_ROWS : 0,
        .benchmark = benchmark,
        .direction = (enum lw_direction)own->direction,
        .floor_absolute = own->floor_absolute,
        .floor_relative = own->floor_relative,
        .legal_min = own->legal_min,
        .legal_max = own->legal_max,
        .calendar = detector->calendar,
    };
    return metric;
}

const struct lw_metric *lw_detector_metric(struct lw_detector *detector, const char *name)
{
    struct lw_metric_options own;
    struct lw_metric *metric;

    lw_spec_resolve(detector->spec, name, &own);
    (void)pthread_mutex_lock(&detector->lock);
    for (metric = detector->metrics;
         metric != NULL && memcmp(&metric->options, &own, sizeof(own)) != 0;
         metric = metric->next) {
    }
    if (metric == NULL) {
        metric = metric_compile(detector, &own);
        if (metric != NULL) {
            metric->next = detector->metrics;
            detector->metrics = metric;
        }
    }
    (void)pthread_mutex_unlock(&detector->lock);
    return metric;
}

const char *lw_detector_name(const struct lw_detector *detector)
{
    return detector->name;
}

enum lw_status lw_detector_get(const struct lw_detector *detector, const char *option,
                               char *ret_text, size_t capacity)
{
    return lw_spec_get(detector->spec, option, ret_text, capacity);
}

uint64_t lw_detector_hash(const struct lw_detector *detector)
{
    return detector->hash;
}

int64_t lw_detector_step_ns(const struct lw_detector *detector)
{
    return detector->step_ns;
}
