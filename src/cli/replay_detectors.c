/* The detectors of a replay, from the command line or a configuration: see cli/replay_internal.h.
 */
#include "cli/replay_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "cli/config.h"

#include <errno.h>
#include <string.h>

/* Features of one pair at most, and bytes of a column's name: two metrics and a feature. */
#define PAIR_FEATURES_MAX 64
#define COLUMN_NAME_BYTES (2 * LW_NAME_MAX + 64)
#define DETECTOR_NAME "replay"

/* Options from the command line, on top of what the spec says. */
static enum lw_status settings_apply(const struct lw_replay_options *options, struct lw_spec *spec,
                                     struct lw_error *reterr)
{
    enum lw_status status = options->step == NULL
                                ? LW_OK
                                : lw_spec_set(spec, "step", options->step, reterr);

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

/* Asks for the features' columns of --wide: those of the one detector, of series and then of pairs.
 */
static enum lw_status features_find(struct replay *replay, const struct lw_detector *detector,
                                    size_t *ret_n, struct lw_error *reterr)
{
    size_t n_series = lw_detector_features(detector, false, NULL, 0);
    size_t n_each = lw_detector_features(detector, true, NULL, 0);
    size_t n_pairs = 0;
    size_t n_bytes;

    while (lw_detector_pair(detector, (uint32_t)n_pairs) != NULL) {
        n_pairs++;
    }
    n_each = n_each > PAIR_FEATURES_MAX ? PAIR_FEATURES_MAX : n_each;
    *ret_n = n_series + n_pairs * n_each;
    if (*ret_n == 0 || replay->features != NULL) {
        return LW_OK;
    }
    n_bytes = *ret_n * sizeof(*replay->features) + n_pairs * n_each * COLUMN_NAME_BYTES;
    replay->features = lw_mem_calloc(1, n_bytes);
    if (replay->features == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu features", *ret_n);
    }
    (void)lw_detector_features(detector, false, replay->features, n_series);
    pair_columns_name(detector, n_series, n_each, replay, (char *)(replay->features + *ret_n));
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
    options_learn(replay, spec);
    if (replay->options.is_wide) {
        status = features_find(replay, detector, ret_n_features, reterr);
    }
    lw_detector_release(detector);
    return status == LW_OK ? lw_engine_set_detector(replay->engine, name, spec, reterr) : status;
}

/*
 * The detector of a replay without configuration: rows or samples are the steps, and each series
 * has the alarm budget for itself, because a file has few of them.
 */
static enum lw_status own_detector_add(struct replay *replay, enum lw_csv_layout layout,
                                       size_t *ret_n_features, struct lw_error *reterr)
{
    struct lw_spec *spec;
    enum lw_status status = lw_spec_create(&spec, reterr);

    if (status != LW_OK) {
        return status;
    }
    status = lw_spec_set(spec, "step", layout == LW_CSV_LONG ? "sample" : "row", reterr);
    if (status == LW_OK) {
        status = lw_spec_set(spec, "budget_scope", "series", reterr);
    }
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
    if (replay->options.config != NULL) {
        status = lw_config_read(config, replay->options.config, reterr);
        if (status == LW_OK && config->n_detectors == 0) {
            status = lw_error_set(reterr, LW_EINVAL, "%s: there is no detector in it",
                                  replay->options.config);
        }
    } else {
        status = lw_config_detector(config, "host") != NULL
                     ? LW_OK
                     : lw_error_set(reterr, LW_ENOMEM, "no memory for the built-in detector");
    }
    for (size_t i = 0; i < config->n_detectors && status == LW_OK; i++) {
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

/*
 * Called once the first file's dialect is known: it decides what a step is where nobody said. NULL
 * stands for a recording.
 */
enum lw_exit lw_replay_detectors_begin(struct replay *replay, const struct lw_csv_dialect *dialect)
{
    struct lw_error error;
    size_t n_features = 0;
    enum lw_status status = replay->options.config != NULL || dialect == NULL
                                ? configured_detectors_add(replay, &n_features, &error)
                                : own_detector_add(replay, dialect->layout, &n_features, &error);

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
