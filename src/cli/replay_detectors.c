/* The detectors of a replay, from the command line or a configuration: see cli/replay_internal.h.
 */
#include "cli/replay_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "cli/config.h"
#include "cli/models_file.h"

#include <errno.h>
#include <string.h>

/* Features of one pair at most, and bytes of a column's name: two metrics and a feature. */
#define PAIR_FEATURES_MAX 64
#define COLUMN_NAME_BYTES (2 * LW_NAME_MAX + 64)
#define DETECTOR_NAME "replay"
/* Rows of an entity that training may have unless --set train_rows says otherwise: half a year of
 * minutes. */
#define COLLECT_ROWS "262144"

/* Keeps rows instead of serving models. */
static enum lw_status collecting_set(struct lw_spec *spec, struct lw_error *reterr)
{
    enum lw_status status = lw_spec_set_models(spec, NULL, 0, reterr);

    status = status == LW_OK ? lw_spec_set(spec, "collect", "true", reterr) : status;
    return status == LW_OK ? lw_spec_set(spec, "train_rows", COLLECT_ROWS, reterr) : status;
}

/* Options from the command line, on top of what the spec says. */
static enum lw_status settings_apply(const struct lw_replay_options *options, struct lw_spec *spec,
                                     struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    if (options->model != NULL) {
        status = lw_models_serve(spec, options->model, reterr);
    }
    if (status == LW_OK && options->collects) {
        status = collecting_set(spec, reterr);
    }
    if (status == LW_OK && options->step != NULL) {
        status = lw_spec_set(spec, "step", options->step, reterr);
    }

    for (size_t i = 0; i < options->n_settings && status == LW_OK; i++) {
        const struct lw_replay_setting *setting = &options->settings[i];

        status = setting->pattern == NULL
                     ? lw_spec_set(spec, setting->option, setting->value, reterr)
                     : lw_spec_set_metric(spec, setting->pattern, setting->option, setting->value,
                                          reterr);
    }
    return status;
}

/* Names a pair's columns "first:second feature"; the names lie behind the columns. */
static void pair_columns_name(const struct lw_detector *detector, size_t n_series, size_t n_each,
                              struct replay *replay, char *names)
{
    struct lw_feature_column each[PAIR_FEATURES_MAX];
    size_t at = n_series;
    const char *pair;

    (void)lw_detector_features(detector, true, each, PAIR_FEATURES_MAX);
    for (uint32_t p = 0; (pair = lw_detector_pair(detector, p)) != NULL; p++) {
        for (size_t i = 0; i < n_each; i++, at++, names += COLUMN_NAME_BYTES) {
            (void)snprintf(names, COLUMN_NAME_BYTES, "%s %s", pair, each[i].name);
            replay->features[at] = each[i];
            replay->features[at].name = names;
        }
    }
}

/* Columns of what tier 1 tells, from `at` on; their names outlive the detector in `names`. */
static void model_columns_name(const struct lw_detector *detector, size_t at, struct replay *replay,
                               char *names)
{
    size_t n = lw_detector_models(detector, replay->features + at, SIZE_MAX);

    for (size_t i = 0; i < n; i++, names += COLUMN_NAME_BYTES) {
        (void)snprintf(names, COLUMN_NAME_BYTES, "%s", replay->features[at + i].name);
        replay->features[at + i].name = names;
    }
}

/* Asks for the columns of --wide: those of the one detector, of series, then of pairs, then of
 * models. */
static enum lw_status features_find(struct replay *replay, const struct lw_detector *detector,
                                    size_t *ret_n, struct lw_error *reterr)
{
    size_t n_series = lw_detector_features(detector, false, NULL, 0);
    size_t n_each = lw_detector_features(detector, true, NULL, 0);
    size_t n_models = lw_detector_models(detector, NULL, 0);
    size_t n_pairs = 0;
    size_t n_bytes;

    while (lw_detector_pair(detector, (uint32_t)n_pairs) != NULL) {
        n_pairs++;
    }
    n_each = n_each > PAIR_FEATURES_MAX ? PAIR_FEATURES_MAX : n_each;
    *ret_n = n_series + n_pairs * n_each + n_models;
    if (*ret_n == 0 || replay->features != NULL) {
        return LW_OK;
    }
    n_bytes = *ret_n * sizeof(*replay->features) +
              (n_pairs * n_each + n_models) * COLUMN_NAME_BYTES;
    replay->features = lw_mem_calloc(1, n_bytes);
    if (replay->features == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu features", *ret_n);
    }
    (void)lw_detector_features(detector, false, replay->features, n_series);
    pair_columns_name(detector, n_series, n_each, replay, (char *)(replay->features + *ret_n));
    model_columns_name(detector, *ret_n - n_models, replay,
                       (char *)(replay->features + *ret_n) + n_pairs * n_each * COLUMN_NAME_BYTES);
    return LW_OK;
}

/* Learns from a detector's options what the way of its samples depends on. */
static void options_learn(struct replay *replay, const struct lw_spec *spec)
{
    char text[64];

    if (lw_spec_get(spec, "lateness", text, sizeof(text)) == LW_OK) {
        int64_t lateness_ns = 0;

        replay->has_lateness = replay->has_lateness ||
                               (lw_duration_parse(text, &lateness_ns, NULL) == LW_OK &&
                                lateness_ns > 0);
    }
    if (lw_spec_get(spec, "operating_point", text, sizeof(text)) == LW_OK) {
        replay->is_benchmark = strcmp(text, "benchmark") == 0;
    }
}

/* Puts one detector into the engine and learns its step. */
static enum lw_status detector_add(struct replay *replay, const char *name,
                                   const struct lw_spec *spec, size_t *ret_n_features,
                                   struct lw_error *reterr)
{
    struct lw_detector *detector = NULL;
    enum lw_status status = lw_detector_create(spec, name, &detector, reterr);
    int64_t step_ns;

    if (status != LW_OK) {
        return status;
    }
    step_ns = lw_detector_step_ns(detector);
    if (step_ns > 0 && (replay->step_ns == 0 || step_ns < replay->step_ns)) {
        replay->step_ns = step_ns;
    }
    replay->n_detectors++;
    (void)snprintf(replay->detector, sizeof(replay->detector), "%s", name);
    options_learn(replay, spec);
    if (replay->options.is_wide) {
        status = features_find(replay, detector, ret_n_features, reterr);
    }
    lw_detector_release(detector);
    return status == LW_OK ? lw_engine_set_detector(replay->engine, name, spec, reterr) : status;
}

/* Of files: rows or samples are the steps, and each series has the alarm budget for itself, because
 * a file has few of them. */
static enum lw_status file_options_set(const struct lw_csv_dialect *dialect, struct lw_spec *spec,
                                       struct lw_error *reterr)
{
    enum lw_status status = lw_spec_set(spec, "step",
                                        dialect->layout == LW_CSV_LONG ? "sample" : "row", reterr);

    return status == LW_OK ? lw_spec_set(spec, "budget_scope", "series", reterr) : status;
}

/* Of a server: a step is an interval, and what is called a total is a counter. */
static enum lw_status server_options_set(const struct replay *replay, struct lw_spec *spec,
                                         struct lw_error *reterr)
{
    char step[64];
    enum lw_status status;

    (void)snprintf(step, sizeof(step), "%lldms",
                   (long long)(replay->options.csv.interval_ns / 1000000));
    status = lw_spec_set(spec, "step", step, reterr);
    return status == LW_OK ? lw_spec_set_metric(spec, "*_total", "aggregate", "rate", reterr)
                           : status;
}

/* The detector of a replay without configuration; no dialect stands for a server. */
static enum lw_status own_detector_add(struct replay *replay, const struct lw_csv_dialect *dialect,
                                       size_t *ret_n_features, struct lw_error *reterr)
{
    struct lw_spec *spec;
    enum lw_status status = lw_spec_create(&spec, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = dialect != NULL ? file_options_set(dialect, spec, reterr)
                             : server_options_set(replay, spec, reterr);
    if (status == LW_OK && replay->options.is_wide) {
        status = lw_spec_set(spec, "features", "all", reterr);
    }
    if (status == LW_OK) {
        status = settings_apply(&replay->options, spec, reterr);
    }
    if (status == LW_OK) {
        status = detector_add(replay, DETECTOR_NAME, spec, ret_n_features, reterr);
    }
    lw_spec_destroy(spec);
    return status;
}

/* Is there just what was asked for? */
static enum lw_status configured_check(const struct lw_replay_options *options,
                                       const struct lw_config *config, struct lw_error *reterr)
{
    const char *why = options->model != NULL ? "--model serves" : "training is for";

    if (config->n_detectors == 0) {
        return lw_error_set(reterr, LW_EINVAL, "%.300s: there is no detector in it",
                            options->config);
    }
    for (size_t i = 0; options->detector != NULL; i++) {
        if (i == config->n_detectors) {
            return lw_error_set(reterr, LW_ENOTFOUND, "%.300s: there is no detector \"%.100s\"",
                                options->config, options->detector);
        }
        if (strcmp(config->detectors[i].name, options->detector) == 0) {
            return LW_OK;
        }
    }
    return config->n_detectors == 1 || (options->model == NULL && !options->collects)
               ? LW_OK
               : lw_error_set(reterr, LW_EINVAL,
                              "%.200s has %zu detectors, %s one: choose with --detector, such as "
                              "\"%.100s\"",
                              options->config, config->n_detectors, why, config->detectors[0].name);
}

/* The detectors of the configuration; without one (a recording needs none) that for hosts. */
static enum lw_status configured_detectors_add(struct replay *replay, size_t *ret_n_features,
                                               struct lw_error *reterr)
{
    struct lw_config *config = lw_mem_calloc(1, sizeof(*config));
    enum lw_status status;

    if (config == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for a configuration");
    }
    lw_config_init(config);
    config->skips_models = replay->options.collects;
    if (replay->options.config != NULL) {
        status = lw_config_read(config, replay->options.config, reterr);
        if (status == LW_OK) {
            status = configured_check(&replay->options, config, reterr);
        }
    } else {
        status = lw_config_detector(config, "host") != NULL
                     ? LW_OK
                     : lw_error_set(reterr, LW_ENOMEM, "no memory for the built-in detector");
    }
    for (size_t i = 0; i < config->n_detectors && status == LW_OK; i++) {
        if (replay->options.detector != NULL &&
            strcmp(config->detectors[i].name, replay->options.detector) != 0) {
            continue;
        }
        status = settings_apply(&replay->options, config->detectors[i].spec, reterr);
        if (status == LW_OK) {
            status = detector_add(replay, config->detectors[i].name, config->detectors[i].spec,
                                  ret_n_features, reterr);
        }
    }
    lw_config_fini(config);
    lw_mem_free(config);
    return status;
}

static enum lw_status rows_begin(struct replay *replay, size_t n_features, struct lw_error *reterr)
{
    const struct lw_replay_options *options = &replay->options;
    struct lw_rows_setup setup = {.format = options->format,
                                  .is_by_time = replay->step_ns > 0,
                                  .has_times = replay->has_times,
                                  .row_ns = options->csv.interval_ns,
                                  .has_detector = replay->n_detectors > 1,
                                  .features = replay->features,
                                  .n_features = n_features};

    replay->out = strcmp(options->out, "-") == 0 ? stdout : fopen(options->out, "w");
    if (replay->out == NULL) {
        return lw_error_set(reterr, LW_EIO, "%s: %s", options->out, strerror(errno));
    }
    setup.stream = replay->out;
    replay->rows = lw_rows_create(&setup);
    return replay->rows != NULL
               ? LW_OK
               : lw_error_set(reterr, LW_ENOMEM, "no memory for the rows of %s", options->out);
}

enum lw_exit lw_replay_detectors_begin(struct replay *replay, const struct lw_csv_dialect *dialect)
{
    struct lw_error error;
    size_t n_features = 0;
    bool is_own = replay->options.config == NULL &&
                  (dialect != NULL || replay->options.prometheus.url != NULL);
    enum lw_status status = is_own ? own_detector_add(replay, dialect, &n_features, &error)
                                   : configured_detectors_add(replay, &n_features, &error);

    if (status == LW_OK && replay->options.is_wide && replay->n_detectors > 1) {
        status = lw_error_set(&error, LW_EINVAL,
                              "--wide needs one detector; the configuration has %u",
                              replay->n_detectors);
    }
    if (status != LW_OK) {
        lw_replay_say(replay, "%s", error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_USAGE;
    }
    replay->has_detectors = true;
    replay->has_times = dialect == NULL || dialect->time_column >= 0;
    /* With lateness, single samples wait for the watermark too. */
    replay->watermark_every_ns = replay->step_ns > 0 || !replay->has_lateness ? replay->step_ns
                                                                              : LW_REPLAY_SECOND_NS;
    status = replay->options.out == NULL ? LW_OK : rows_begin(replay, n_features, &error);
    if (status != LW_OK) {
        lw_replay_say(replay, "%s", error.message);
        return LW_EXIT_FAILED;
    }
    return LW_EXIT_OK;
}
