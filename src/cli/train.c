/*
 * `lapwing train`: history in, a model file and a report out.
 *
 * Files and servers are read by the machinery of `lapwing replay`, into an engine whose detector
 * keeps rows; a daemon's state is taken up as it is. Then the engine trains.
 */
#include "base/error.h"
#include "base/mem.h"
#include "base/option.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/models_file.h"
#include "cli/replay_internal.h"
#include "cli/train_labels.h"
#include "cli/train_options.h"
#include "cli/train_report.h"
#include "lapwing/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct training {
    struct lw_train_command command;
    struct replay *replay; /* Its engine is trained, wherever the rows come from. */
    struct lw_eval_windows windows;
    struct lw_train_labels labels;
    void *bytes; /* Of the model file. */
    size_t n_bytes;
    char *report;
};

static void say(struct training *training, const char *message)
{
    lw_replay_say(training->replay, "%s", message);
}

static enum lw_exit exit_of(enum lw_status status)
{
    return status == LW_EINVAL || status == LW_ENOTFOUND ? LW_EXIT_USAGE : LW_EXIT_FAILED;
}

/* ---- before anything is read ---- */

/* Better now than after an hour: can a file be written there? */
static bool place_is_good(struct training *training, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    struct stat about;

    if (length >= sizeof(folder)) {
        lw_replay_say(training->replay, "%.200s: the name is too long", path);
        return false;
    }
    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)length,
                   slash == NULL ? "." : path);
    if (access(folder, W_OK) != 0) {
        lw_replay_say(training->replay, "%s: cannot write into %s: %s", path, folder,
                      strerror(errno));
        return false;
    }
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        lw_replay_say(training->replay, "%s: it is a folder", path);
        return false;
    }
    return true;
}

static enum lw_exit outputs_check(struct training *training)
{
    const struct lw_train_command *command = &training->command;

    return place_is_good(training, command->out) &&
                   (command->report == NULL || place_is_good(training, command->report))
               ? LW_EXIT_OK
               : LW_EXIT_FAILED;
}

static enum lw_exit windows_read(struct training *training)
{
    struct lw_error error;

    if (training->command.labels == NULL ||
        lw_eval_windows_read(training->command.labels, &training->windows, &error) == LW_OK) {
        return LW_EXIT_OK;
    }
    say(training, error.message);
    return LW_EXIT_INPUT;
}

/* ---- what is learnt from ---- */

static enum lw_exit inputs_read(struct training *training)
{
    struct replay *replay = training->replay;
    enum lw_exit code = lw_replay_read(replay);

    if (code != LW_EXIT_OK) {
        return code;
    }
    if (replay->is_failed) {
        return LW_EXIT_FAILED;
    }
    if (!replay->has_detectors ||
        (replay->is_input_bad && replay->options.prometheus.url != NULL)) {
        return LW_EXIT_INPUT; /* Nothing, or a history without its end. */
    }
    if (training->command.is_strict && replay->n_bad > 0) {
        return LW_EXIT_BAD_ROWS;
    }
    return LW_EXIT_OK;
}

/* The detector to train of those of a daemon: the one asked for, or the only one. */
static enum lw_status detector_choose(struct training *training, const struct lw_config *config,
                                      struct lw_error *reterr)
{
    struct replay *replay = training->replay;
    const char *asked = replay->options.detector;

    for (size_t i = 0; i < config->n_detectors; i++) {
        if (asked == NULL ? config->n_detectors == 1
                          : strcmp(config->detectors[i].name, asked) == 0) {
            (void)snprintf(replay->detector, sizeof(replay->detector), "%s",
                           config->detectors[i].name);
            return LW_OK;
        }
    }
    return asked != NULL
               ? lw_error_set(reterr, LW_ENOTFOUND, "there is no detector \"%.100s\"", asked)
               : lw_error_set(reterr, LW_EINVAL,
                              "there are %zu detectors: choose one with --detector, such "
                              "as \"%.100s\"",
                              config->n_detectors, config->detectors[0].name);
}

/* An engine as the daemon's, with its detectors, for its state to fit in. */
static enum lw_status engine_begin(struct training *training, struct lw_config *config,
                                   struct lw_error *reterr)
{
    struct replay *replay = training->replay;
    const struct lw_engine_config setup = {.n_shards = replay->options.n_threads};
    enum lw_status status = LW_OK;

    lw_config_init(config);
    if (replay->options.config != NULL) {
        status = lw_config_read(config, replay->options.config, reterr);
    }
    status = status == LW_OK ? lw_config_fill(config, reterr) : status;
    status = status == LW_OK ? detector_choose(training, config, reterr) : status;
    status = status == LW_OK ? lw_engine_create(&setup, &replay->engine, reterr) : status;
    for (size_t i = 0; i < config->n_detectors && status == LW_OK; i++) {
        status = lw_engine_set_detector(replay->engine, config->detectors[i].name,
                                        config->detectors[i].spec, reterr);
    }
    return status;
}

static enum lw_exit state_read(struct training *training)
{
    struct replay *replay = training->replay;
    struct lw_config *config = lw_mem_calloc(1, sizeof(*config));
    struct lw_engine_totals totals;
    struct lw_error error;
    struct lw_state_report report = {0};
    const struct lw_state_config from = {.dir = training->command.data_dir, .read_only = true};
    enum lw_status status;

    if (config == NULL) {
        say(training, "no memory for a configuration");
        return LW_EXIT_FAILED;
    }
    status = engine_begin(training, config, &error);
    lw_config_fini(config);
    lw_mem_free(config);
    if (status != LW_OK) {
        say(training, error.message);
        return exit_of(status);
    }
    status = lw_engine_open_state(replay->engine, &from, &report, &error);
    if (status != LW_OK) {
        lw_replay_say(replay, "%s: %s", from.dir, error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
    }
    lw_engine_totals(replay->engine, &totals);
    if (report.skipped > 0 || totals.n_entities == 0) {
        lw_replay_say(replay,
                      "%s: %u entities taken up, %u left out: their detectors have other options "
                      "here; give the configuration that made the state with --config",
                      from.dir, totals.n_entities, report.skipped);
    }
    return totals.n_entities > 0 ? LW_EXIT_OK : LW_EXIT_INPUT;
}

static void unknown_say(void *context, const char *name)
{
    const struct training *training = context;

    lw_replay_say(training->replay, "%s: no entity is called \"%s\"; its labels are left out",
                  training->command.labels, name);
}

static enum lw_exit labels_gather(struct training *training)
{
    const struct lw_train_command *command = &training->command;
    struct lw_error error;
    enum lw_status status = LW_OK;

    if (command->label_column != NULL) {
        status = lw_train_labels_of_column(&training->labels, training->replay,
                                           command->label_column, &error);
    } else if (command->labels != NULL) {
        status = lw_train_labels_of_windows(&training->labels, &training->windows,
                                            training->replay->engine, training->replay->detector,
                                            unknown_say, training, &error);
    }
    if (status != LW_OK) {
        say(training, error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
    }
    return LW_EXIT_OK;
}

/* ---- training, and what came of it ---- */

static void on_progress(void *context, const char *what, double share)
{
    struct training *training = context;

    lw_progress_show(&training->replay->progress, what, share);
}

static enum lw_exit train(struct training *training)
{
    struct lw_train_options options = training->command.options;
    struct lw_error error;
    enum lw_status status;

    options.labels = training->labels.items;
    options.n_labels = training->labels.n;
    options.progress = on_progress;
    options.context = training;
    lw_progress_init(&training->replay->progress, stderr, training->command.is_quiet);
    status = lw_engine_train(training->replay->engine, training->replay->detector, &options,
                             &training->bytes, &training->n_bytes, &training->report, &error);
    lw_progress_clear(&training->replay->progress);
    if (status == LW_OK) {
        return LW_EXIT_OK;
    }
    say(training, error.message);
    /* With a report the data was judged, and is not enough; without one nothing was looked at. */
    return status == LW_EINVAL && training->report != NULL ? LW_EXIT_INPUT : exit_of(status);
}

static bool is_json_name(const char *path)
{
    size_t length = strlen(path);

    return length > 5 && strcmp(path + length - 5, ".json") == 0;
}

/* Writes --report: a page, or the JSON as it is. */
static bool report_write(const struct training *training, const json_t *report)
{
    const char *path = training->command.report;
    FILE *file = fopen(path, "we");
    bool is_good = file != NULL;

    if (is_good && is_json_name(path)) {
        (void)fprintf(file, "%s\n", training->report);
    } else if (is_good) {
        lw_report_page(report, (double)training->n_bytes, file);
    }
    is_good = is_good && ferror(file) == 0;
    if (file != NULL && fclose(file) != 0) {
        is_good = false;
    }
    if (!is_good) {
        lw_replay_say(training->replay, "%s: %s", path, strerror(errno));
    }
    return is_good;
}

/* How to use what was made, under the text: samples that come the same way are served. */
static void next_say(const struct training *training)
{
    const struct replay *replay = training->replay;
    const struct lw_replay_options *inputs = &replay->options;

    (void)printf("\n  Serve it, with the same options of the detector:\n    lapwing %s --model %s",
                 training->command.data_dir == NULL ? "replay" : "run", training->command.out);
    if (inputs->config != NULL) {
        (void)printf(" -c %s", inputs->config);
    }
    if (inputs->unit != NULL) {
        (void)printf(" --as \"%s\"", inputs->unit);
    }
    if (inputs->n_files > 0 && !replay->has_times) {
        char interval[64];

        (void)lw_duration_format(inputs->csv.interval_ns, interval, sizeof(interval));
        (void)printf(" --interval \"%s\"", interval);
    }
    if (inputs->prometheus.url != NULL) {
        (void)printf(" --prometheus %s --query ...", inputs->prometheus.url);
    }
    (void)printf("%s\n", inputs->n_files > 0 ? " FILE..." : "");
}

static enum lw_exit report_show(struct training *training, bool is_trained)
{
    struct lw_error error;
    json_t *report = training->report == NULL ? NULL : lw_report_parse(training->report, &error);
    struct lw_terminal terminal = lw_terminal_of(stdout);
    bool is_good = true;

    if (report == NULL) {
        if (training->report != NULL) {
            say(training, error.message);
        }
        return training->report == NULL ? LW_EXIT_OK : LW_EXIT_FAILED;
    }
    if (training->command.report != NULL) {
        is_good = report_write(training, report);
    }
    if (training->command.is_json) {
        (void)printf("%s\n", training->report);
    } else if (!training->command.is_quiet) {
        lw_report_print(report, (double)training->n_bytes, &terminal);
        if (is_trained) {
            next_say(training);
        }
    }
    json_decref(report);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        say(training, "the report cannot be printed");
        is_good = false;
    }
    return is_good ? LW_EXIT_OK : LW_EXIT_FAILED;
}

static enum lw_exit model_write(struct training *training)
{
    struct lw_error error;

    if (lw_models_write(training->command.out, training->bytes, training->n_bytes, &error) ==
        LW_OK) {
        return LW_EXIT_OK;
    }
    say(training, error.message);
    return LW_EXIT_FAILED;
}

static enum lw_exit training_run(struct training *training)
{
    enum lw_exit shown, code = outputs_check(training);

    code = code == LW_EXIT_OK ? windows_read(training) : code;
    if (code == LW_EXIT_OK) {
        code = training->command.data_dir != NULL ? state_read(training) : inputs_read(training);
    }
    code = code == LW_EXIT_OK ? labels_gather(training) : code;
    if (code != LW_EXIT_OK) {
        return code;
    }
    code = train(training);
    if (code == LW_EXIT_OK) {
        code = model_write(training);
    }
    shown = report_show(training, code == LW_EXIT_OK);
    code = code == LW_EXIT_OK ? shown : code;
    return code == LW_EXIT_OK && training->replay->is_input_bad ? LW_EXIT_INPUT : code;
}

int lw_command_train(int argc, char **argv)
{
    struct training training = {0};
    enum lw_exit code;

    training.replay = lw_mem_calloc(1, sizeof(*training.replay));
    if (training.replay == NULL) {
        (void)fputs("lapwing train: no memory\n", stderr);
        return LW_EXIT_FAILED;
    }
    lw_train_options_read(argc, argv, &training.replay->options, &training.command);
    lw_replay_setup(training.replay, "lapwing train");
    code = training_run(&training);
    lw_replay_end(training.replay);
    lw_eval_windows_fini(&training.windows);
    lw_train_labels_fini(&training.labels);
    lw_bytes_free(training.bytes);
    lw_bytes_free(training.report);
    lw_mem_free(training.replay);
    return (int)code;
}
