/*
 * `lapwing replay`: files go through an engine as if they came in live.
 *
 * The main thread reads, routes and writes; the engine's shards score. While they work on one
 * batch, the main thread writes the verdicts of the one before and parses the next. Batches end at
 * the same rows whatever the number of shards, so the output does not depend on it.
 */
#include "cli/command.h"
#include "cli/config.h"
#include "cli/progress.h"
#include "cli/replay_options.h"
#include "cli/replay_plot.h"
#include "cli/replay_record.h"
#include "cli/replay_rows.h"
#include "cli/summary.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "connect/csv/keys.h"
#include "connect/recording.h"
#include "connect/source_csv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BAD_ROWS_SHOWN 20
#define DETECTOR_NAME "replay"
#define SAID_BYTES 1024
#define FOLDER_BYTES_MAX 120 /* Of an entity named by path. */
#define RECORDING_ROUNDS 64  /* Watermarks of a recording that go to the shards at once. */
#define SECOND_NS INT64_C(1000000000)
#define STEP_UNKNOWN INT64_MAX

struct replay {
    struct lw_replay_options options;
    struct lw_terminal terminal;
    struct lw_progress progress;
    struct lw_engine *engine;
    struct lw_feed feed;
    uint32_t n_shards;
    struct lw_replay_recorder *recorders[LW_ENGINE_SHARDS_MAX]; /* NULL: nothing is kept for people.
                                                                 */
    struct lw_rows_block blocks[2][LW_ENGINE_SHARDS_MAX];
    uint32_t gathering;   /* The half of blocks that the shards fill. */
    struct lw_rows *rows; /* NULL: no --out. */
    FILE *out;
    struct lw_feature_column *features;
    struct lw_csv_batch batch;
    int64_t step_ns; /* Of the detectors, the shortest; 0: rows or samples. */
    int64_t watermark_every_ns, watermark_ns;
    bool has_detectors, has_times, is_benchmark;
    uint32_t n_detectors;
    int64_t first_ns, last_ns; /* Event time. */
    uint64_t n_rows, n_samples, n_bad, bad[LW_CSV_FAULT_NEVER];
    uint64_t bytes_done, bytes_all;
    char said[SAID_BYTES]; /* Of the last file. */
    bool is_failed, is_input_bad;
    bool *is_shared_name; /* By file. */
};

/* ---- what the shards call ---- */

static void on_verdict(void *context, uint32_t shard, const struct lw_engine_verdict *verdict)
{
    struct replay *replay = context;

    if (replay->rows != NULL) {
        lw_rows_block_add(&replay->blocks[replay->gathering][shard], verdict,
                          replay->options.is_wide);
    }
    if (replay->recorders[shard] != NULL) {
        lw_replay_recorder_verdict(replay->recorders[shard], verdict);
    }
}

static void on_anomaly(void *context, uint32_t shard, const struct lw_engine_anomaly *anomaly)
{
    struct replay *replay = context;

    if (replay->recorders[shard] != NULL) {
        lw_replay_recorder_anomaly(replay->recorders[shard], anomaly);
    }
}

/* ---- messages ---- */

LW_PRINTF(2, 3) static void say(struct replay *replay, const char *format, ...)
{
    va_list args;

    lw_progress_clear(&replay->progress);
    (void)fputs("lapwing replay: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

static void on_bad_row(void *context, const struct lw_csv_complaint *complaint)
{
    struct replay *replay = context;

    replay->bad[complaint->fault]++;
    if (++replay->n_bad > BAD_ROWS_SHOWN) {
        if (replay->n_bad == BAD_ROWS_SHOWN + 1) {
            say(replay, "more bad rows are counted only");
        }
        return;
    }
    if (complaint->column == NULL) {
        say(replay, "%s:%llu: %s", complaint->path, (unsigned long long)complaint->line,
            complaint->detail);
    } else {
        say(replay, "%s:%llu: column \"%s\": %s", complaint->path,
            (unsigned long long)complaint->line, complaint->column, complaint->detail);
    }
}

static void bad_rows_print(struct replay *replay)
{
    char text[512];
    size_t length = 0;

    for (int i = 0; i < LW_CSV_FAULT_NEVER && length < sizeof(text); i++) {
        if (replay->bad[i] > 0) {
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%llu %s",
                                       length == 0 ? "" : ", ", (unsigned long long)replay->bad[i],
                                       lw_csv_fault_name((enum lw_csv_fault)i));
        }
    }
    if (replay->n_bad > 0) {
        say(replay, "%llu bad row%s or value%s left out: %s", (unsigned long long)replay->n_bad,
            replay->n_bad == 1 ? "" : "s", replay->n_bad == 1 ? "" : "s", text);
    }
}

/* ---- detectors ---- */

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

/* Asks for the features' columns of --wide: those of the one detector. */
static enum lw_status features_find(struct replay *replay, const struct lw_detector *detector,
                                    size_t *ret_n, struct lw_error *reterr)
{
    size_t n = lw_detector_features(detector, false, NULL, 0);

    *ret_n = n;
    if (n == 0 || replay->features != NULL) {
        return LW_OK;
    }
    replay->features = lw_mem_calloc(n, sizeof(*replay->features));
    if (replay->features == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu features", n);
    }
    (void)lw_detector_features(detector, false, replay->features, n);
    return LW_OK;
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

/* A setting of that name from the command line, or NULL. */
static const char *setting_find(const struct lw_replay_options *options, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < options->n_settings; i++) {
        if (options->settings[i].pattern == NULL &&
            strcmp(options->settings[i].option, name) == 0) {
            value = options->settings[i].value;
        }
    }
    return value;
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
static enum lw_exit detectors_begin(struct replay *replay, const struct lw_csv_dialect *dialect)
{
    const char *lateness = setting_find(&replay->options, "lateness");
    const char *point = setting_find(&replay->options, "operating_point");
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
        say(replay, "%s", error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_USAGE;
    }
    replay->has_detectors = true;
    replay->has_times = dialect == NULL || dialect->time_column >= 0;
    replay->is_benchmark = point != NULL && strcmp(point, "benchmark") == 0;
    /* With lateness, single samples wait for the watermark too. */
    replay->watermark_every_ns = replay->step_ns > 0 || lateness == NULL ? replay->step_ns
                                                                         : SECOND_NS;
    status = replay->options.out == NULL ? LW_OK : rows_begin(replay, n_features, &error);
    if (status != LW_OK) {
        say(replay, "%s", error.message);
        return LW_EXIT_FAILED;
    }
    return LW_EXIT_OK;
}

/* ---- the way of a batch ---- */

/* Writes what the shards gathered before the last turn. */
static void gathered_write(struct replay *replay)
{
    if (replay->rows != NULL &&
        !lw_rows_write(replay->rows, replay->blocks[1 - replay->gathering], replay->n_shards) &&
        !replay->is_failed) {
        say(replay, "%s: %s", replay->options.out, errno != 0 ? strerror(errno) : "no memory");
        replay->is_failed = true;
    }
}

/* Waits until all is scored and gives the shards the other half of the blocks. */
static void turn(struct replay *replay)
{
    lw_engine_flush(replay->engine);
    replay->gathering = 1 - replay->gathering;
}

static void event_time_note(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->batch.n_points; i++) {
        int64_t time_ns = replay->batch.points[i].time_ns;

        replay->first_ns = time_ns < replay->first_ns ? time_ns : replay->first_ns;
        replay->last_ns = time_ns > replay->last_ns ? time_ns : replay->last_ns;
    }
}

/* Reads one file to its end. */
static void file_read(struct replay *replay, struct lw_csv_source *source, const char *path)
{
    bool is_over = false;

    while (!is_over && !replay->is_failed) {
        struct lw_error error;
        enum lw_status status = lw_csv_source_read(source, &replay->batch, &is_over, &error);
        uint64_t size, position;

        if (status != LW_OK) {
            say(replay, "%s: %s", path, error.message);
            replay->is_input_bad = true;
            is_over = true;
        }
        turn(replay);
        event_time_note(replay);
        status = lw_csv_batch_deliver(&replay->batch, &replay->feed, replay->watermark_every_ns,
                                      &replay->watermark_ns);
        if (status != LW_OK) {
            say(replay, "%s: the engine takes no more: %s", path, lw_status_name(status));
            replay->is_failed = true;
        }
        replay->n_samples += replay->batch.n_points;
        gathered_write(replay);
        position = lw_csv_source_position(source, &size);
        lw_progress_update(&replay->progress, replay->bytes_done + position, replay->bytes_all,
                           replay->n_samples);
    }
}

static void ending_set(struct replay *replay, bool is_ending)
{
    for (uint32_t i = 0; i < replay->n_shards; i++) {
        if (replay->recorders[i] != NULL) {
            lw_replay_recorder_end(replay->recorders[i], is_ending);
        }
    }
}

/*
 * A file that is an entity of its own is complete at its end: its open steps and anomalies close,
 * and it is not silent while later files go on. The entities of an entity column may go on in the
 * next file.
 */
static void file_end(struct replay *replay, const struct lw_csv_source *source)
{
    if (lw_csv_source_dialect(source)->entity_column >= 0) {
        return;
    }
    turn(replay);
    ending_set(replay, true);
    (void)replay->feed.watermark(replay->feed.context, INT64_MIN);
    gathered_write(replay);
    turn(replay);
    ending_set(replay, false);
    gathered_write(replay);
    replay->watermark_ns = INT64_MIN;
}

/* One line: how the file is read and what a step is. Files alike say it once. */
static void dialect_say(struct replay *replay, const struct lw_csv_source *source, const char *path)
{
    const struct lw_csv_dialect *dialect = lw_csv_source_dialect(source);
    const char *step = replay->options.step != NULL
                           ? replay->options.step
                           : (dialect->layout == LW_CSV_LONG ? "sample" : "row");
    char said[SAID_BYTES];
    size_t length = lw_csv_dialect_describe(dialect, said, sizeof(said));

    if (replay->options.config == NULL) {
        (void)snprintf(said + length, sizeof(said) - length, "; step: %s", step);
    }
    if (!replay->options.is_quiet && strcmp(said, replay->said) != 0) {
        say(replay, "%s: %s%s", path, lw_csv_source_is_gzip(source) ? "gzip, " : "", said);
    }
    memcpy(replay->said, said, sizeof(said));
}

/*
 * The entity of a file: its name, or, where another file has the same name, folder and name. So two
 * hosts' "cpu.csv" are two entities.
 */
static void unit_name(const struct replay *replay, size_t file, char ret_name[LW_NAME_MAX])
{
    const char *path = replay->options.files[file];
    const char *slash = strrchr(path, '/');
    char name[LW_NAME_MAX];

    lw_csv_unit_name(path, name);
    if (replay->is_shared_name[file] && slash != NULL) {
        size_t folder = (size_t)(slash - path) + 1;

        folder = folder < FOLDER_BYTES_MAX ? folder : FOLDER_BYTES_MAX;
        memcpy(ret_name, path, folder);
        (void)snprintf(ret_name + folder, LW_NAME_MAX - folder, "%s", name);
    } else {
        memcpy(ret_name, name, sizeof(name));
    }
}

/* Finds the files whose names others have too. */
static enum lw_status shared_names_find(struct replay *replay, struct lw_error *reterr)
{
    const struct lw_replay_options *options = &replay->options;
    struct lw_csv_keys names;
    enum lw_status status = LW_OK;

    replay->is_shared_name = lw_mem_calloc(options->n_files, sizeof(*replay->is_shared_name));
    if (replay->is_shared_name == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu files", options->n_files);
    }
    lw_csv_keys_init(&names);
    for (size_t i = 0; i < options->n_files && status == LW_OK; i++) {
        char name[LW_NAME_MAX];
        uint32_t first;

        lw_csv_unit_name(options->files[i], name);
        first = lw_csv_keys_find(&names, name, strlen(name));
        if (first == LW_CSV_KEY_NONE) {
            status = lw_csv_keys_add(&names, name, strlen(name), (uint32_t)i);
        } else {
            replay->is_shared_name[i] = replay->is_shared_name[first] = true;
        }
    }
    lw_csv_keys_fini(&names);
    return status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, status, "no memory for %zu files", options->n_files);
}

/* ---- recordings ---- */

static enum lw_status recorded_feed(void *context, const char *source, struct lw_feed *ret_feed,
                                    struct lw_error *reterr)
{
    const struct replay *replay = context;

    return lw_engine_feed(replay->engine, source, ret_feed, reterr);
}

/* Plays a recording to its end, as a file is read. */
static void recording_play(struct replay *replay, struct lw_recording *recording, const char *path)
{
    bool has_more = true;
    int64_t first_ns, last_ns;
    uint64_t size, n_before = replay->n_samples;

    while (has_more && !replay->is_failed) {
        struct lw_error error;
        enum lw_status status = LW_OK;

        turn(replay);
        for (int i = 0; i < RECORDING_ROUNDS && has_more && status == LW_OK; i++) {
            status = lw_recording_next(recording, &has_more, &error);
            replay->n_rows++;
        }
        if (status != LW_OK) {
            say(replay, "%s: %s", path, error.message);
            replay->is_input_bad = true;
            has_more = false;
        }
        gathered_write(replay);
        replay->n_samples = n_before + lw_recording_points(recording);
        lw_progress_update(&replay->progress,
                           replay->bytes_done + lw_recording_position(recording, &size),
                           replay->bytes_all, replay->n_samples);
    }
    if (lw_recording_span(recording, &first_ns, &last_ns)) {
        replay->first_ns = first_ns < replay->first_ns ? first_ns : replay->first_ns;
        replay->last_ns = last_ns > replay->last_ns ? last_ns : replay->last_ns;
    }
    replay->bytes_done += lw_recording_position(recording, &size);
}

static enum lw_exit recording_replay(struct replay *replay, const char *path)
{
    const struct lw_recording_player player = {.feed = recorded_feed, .context = replay};
    struct lw_recording *recording = NULL;
    struct lw_error error;
    enum lw_exit code = LW_EXIT_OK;

    if (lw_recording_open(path, &player, &recording, &error) != LW_OK) {
        say(replay, "%s: %s", path, error.message);
        replay->is_input_bad = true;
        return LW_EXIT_OK;
    }
    if (!replay->has_detectors) {
        code = detectors_begin(replay, NULL);
    }
    if (code == LW_EXIT_OK) {
        recording_play(replay, recording, path);
        if (!replay->options.is_quiet && !replay->is_input_bad &&
            !lw_recording_complete(recording)) {
            say(replay, "%s: the recording was cut off", path);
        }
    }
    lw_recording_close(recording);
    return code;
}

static enum lw_exit file_replay(struct replay *replay, size_t file)
{
    const char *path = replay->options.files[file];
    struct lw_csv_options csv = replay->options.csv;
    const struct lw_csv_listener listener = {.complain = on_bad_row, .context = replay};
    const struct lw_csv_setup setup = {
        .options = &csv, .feed = &replay->feed, .listener = &listener, .first_tag = replay->n_rows};
    struct lw_csv_source *source = NULL;
    struct lw_error error;
    char unit[LW_NAME_MAX];
    enum lw_exit code = LW_EXIT_OK;
    uint64_t size;

    if (strcmp(path, "-") != 0 && lw_recording_is(path)) {
        return recording_replay(replay, path);
    }
    unit_name(replay, file, unit);
    csv.unit_name = unit;
    if (lw_csv_source_open(&setup, path, &source, &error) != LW_OK) {
        say(replay, "%s: %s", path, error.message);
        replay->is_input_bad = true;
        return LW_EXIT_OK;
    }
    if (!replay->has_detectors) {
        code = detectors_begin(replay, lw_csv_source_dialect(source));
    }
    if (code == LW_EXIT_OK) {
        dialect_say(replay, source, path);
        file_read(replay, source, path);
        file_end(replay, source);
        replay->n_rows += lw_csv_source_rows(source);
        replay->bytes_done += lw_csv_source_position(source, &size);
    }
    lw_csv_source_close(source);
    return code;
}

/* ---- the end ---- */

static int anomalies_order(const void *a, const void *b)
{
    return -lw_replay_anomaly_compare(*(const struct lw_replay_anomaly *const *)a,
                                      *(const struct lw_replay_anomaly *const *)b);
}

/* The anomalies of all shards, the strongest first; the caller owns the array. */
static const struct lw_replay_anomaly **anomalies_gather(const struct replay *replay, size_t *ret_n)
{
    const struct lw_replay_anomaly **all = lw_mem_calloc(
        (size_t)replay->n_shards * LW_REPLAY_ANOMALIES_MAX, sizeof(struct lw_replay_anomaly *));
    size_t n = 0;

    for (uint32_t i = 0; all != NULL && i < replay->n_shards; i++) {
        size_t n_here;
        const struct lw_replay_anomaly *here = lw_replay_recorder_anomalies(replay->recorders[i],
                                                                            &n_here);

        for (size_t k = 0; k < n_here; k++) {
            all[n++] = &here[k];
        }
    }
    if (n > 0) {
        qsort(all, n, sizeof(*all), anomalies_order);
    }
    *ret_n = n;
    return all;
}

static void untraced_say(struct replay *replay)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < replay->n_shards; i++) {
        n += lw_replay_recorder_untraced(replay->recorders[i]);
    }
    if (n > 0) {
        say(replay, "%s: the first %d series are plotted at most; %llu had no room",
            replay->options.svg, LW_REPLAY_TRACES_MAX, (unsigned long long)n);
    }
}

/* What people get to see: the summary and the plot. */
static void results_show(struct replay *replay)
{
    size_t n;
    const struct lw_replay_anomaly **anomalies = anomalies_gather(replay, &n);
    struct lw_engine_totals totals;
    struct lw_summary summary = {.anomalies = anomalies,
                                 .n_anomalies = n,
                                 .top = replay->options.top,
                                 .totals = &totals,
                                 .n_rows = replay->n_rows,
                                 .first_ns = replay->first_ns,
                                 .last_ns = replay->last_ns,
                                 .elapsed_ns = lw_progress_elapsed_ns(&replay->progress),
                                 .has_times = replay->has_times,
                                 .row_ns = replay->options.csv.interval_ns,
                                 .step_ns = replay->step_ns,
                                 .is_benchmark = replay->is_benchmark};
    struct lw_replay_plot plot = {.engine = replay->engine,
                                  .recorders = replay->recorders,
                                  .n_recorders = replay->n_shards,
                                  .anomalies = anomalies,
                                  .n_anomalies = n,
                                  .has_times = replay->has_times,
                                  .row_ns = replay->options.csv.interval_ns};

    if (anomalies == NULL) {
        replay->is_failed = true;
        return;
    }
    lw_engine_totals(replay->engine, &totals);
    if (!replay->options.is_quiet) {
        lw_summary_print(&summary, &replay->terminal);
    }
    if (replay->options.svg != NULL) {
        untraced_say(replay);
        replay->is_failed = !lw_replay_plot_write(&plot, replay->options.svg) || replay->is_failed;
    }
    lw_mem_free(anomalies);
}

/* Closes all steps and anomalies, and writes the rest of the rows. */
static void input_end(struct replay *replay)
{
    turn(replay);
    gathered_write(replay);
    ending_set(replay, true);
    lw_engine_finish(replay->engine);
    turn(replay);
    gathered_write(replay);
    lw_progress_clear(&replay->progress);
}

/* ---- beginning and end of all ---- */

static uint64_t bytes_count(const struct lw_replay_options *options)
{
    uint64_t total = 0;
    struct stat about;

    for (size_t i = 0; i < options->n_files; i++) {
        if (strcmp(options->files[i], "-") == 0 || stat(options->files[i], &about) != 0 ||
            !S_ISREG(about.st_mode)) {
            return 0; /* How long it is, nobody knows. */
        }
        total += (uint64_t)about.st_size;
    }
    return total;
}

static enum lw_status replay_begin(struct replay *replay, struct lw_error *reterr)
{
    struct lw_replay_options *options = &replay->options;
    bool is_kept = !options->is_quiet || options->svg != NULL;
    const struct lw_listener listener = {.verdict = is_kept || options->out != NULL ? on_verdict
                                                                                    : NULL,
                                         .anomaly = is_kept ? on_anomaly : NULL,
                                         .context = replay};
    const struct lw_engine_config config = {.n_shards = options->n_threads, .listener = &listener};
    struct lw_engine_totals totals;
    enum lw_status status = lw_engine_create(&config, &replay->engine, reterr);

    if (status != LW_OK) {
        return status;
    }
    lw_engine_totals(replay->engine, &totals);
    replay->n_shards = totals.n_shards;
    for (uint32_t i = 0; i < replay->n_shards && is_kept; i++) {
        replay->recorders[i] = lw_replay_recorder_create(options->svg != NULL, replay->n_shards);
        if (replay->recorders[i] == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "no memory to keep anomalies");
        }
    }
    status = lw_engine_feed(replay->engine, "csv", &replay->feed, reterr);
    if (status == LW_OK) {
        status = lw_csv_batch_init(&replay->batch, reterr);
    }
    return status == LW_OK ? shared_names_find(replay, reterr) : status;
}

static void replay_end(struct replay *replay)
{
    lw_engine_destroy(replay->engine);
    for (uint32_t i = 0; i < LW_ENGINE_SHARDS_MAX; i++) {
        lw_replay_recorder_destroy(replay->recorders[i]);
        lw_rows_block_fini(&replay->blocks[0][i]);
        lw_rows_block_fini(&replay->blocks[1][i]);
    }
    lw_rows_destroy(replay->rows);
    if (replay->out != NULL &&
        (replay->out == stdout ? fflush(replay->out) : fclose(replay->out)) != 0) {
        say(replay, "%s: %s", replay->options.out, strerror(errno));
        replay->is_failed = true;
    }
    lw_csv_batch_fini(&replay->batch);
    lw_mem_free(replay->features);
    lw_mem_free(replay->is_shared_name);
}

static enum lw_exit replay_run(struct replay *replay)
{
    struct lw_error error;
    enum lw_exit code = LW_EXIT_OK;

    if (replay_begin(replay, &error) != LW_OK) {
        say(replay, "%s", error.message);
        return LW_EXIT_FAILED;
    }
    for (size_t i = 0; i < replay->options.n_files && code == LW_EXIT_OK && !replay->is_failed;
         i++) {
        code = file_replay(replay, i);
    }
    if (code == LW_EXIT_OK && replay->has_detectors) {
        input_end(replay);
        bad_rows_print(replay);
        if (replay->recorders[0] != NULL) {
            results_show(replay);
        }
    }
    return code;
}

int lw_command_replay(int argc, char **argv)
{
    struct replay *replay = lw_mem_calloc(1, sizeof(*replay));
    enum lw_exit code;

    if (replay == NULL) {
        (void)fputs("lapwing replay: no memory\n", stderr);
        return LW_EXIT_FAILED;
    }
    lw_replay_options_read(argc, argv, &replay->options);
    if (replay->options.csv.interval_ns == 0) {
        replay->options.csv.interval_ns = SECOND_NS;
    }
    replay->first_ns = INT64_MAX;
    replay->last_ns = replay->watermark_ns = INT64_MIN;
    replay->terminal = lw_terminal_of(
        replay->options.out != NULL && strcmp(replay->options.out, "-") == 0 ? stderr : stdout);
    lw_progress_init(&replay->progress, stderr, replay->options.is_quiet);
    replay->bytes_all = bytes_count(&replay->options);
    code = replay_run(replay);
    replay_end(replay);
    if (code == LW_EXIT_OK) {
        code = replay->is_failed
                   ? LW_EXIT_FAILED
                   : (replay->is_input_bad
                          ? LW_EXIT_INPUT
                          : (replay->options.is_strict && replay->n_bad > 0 ? LW_EXIT_BAD_ROWS
                                                                            : LW_EXIT_OK));
    }
    lw_mem_free(replay);
    return (int)code;
}
