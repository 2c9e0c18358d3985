/*
 * `lapwing run`: the daemon. Sources on threads of their own, one engine, one page; the state saved
 * now and then.
 *
 * The main thread waits for signals: SIGTERM and SIGINT end cleanly, SIGHUP reads the configuration
 * again.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/data_dir.h"
#include "cli/inputs.h"
#include "cli/memory_limit.h"
#include "cli/models_file.h"
#include "cli/outputs.h"
#include "cli/simulate.h"
#include "connect/recording.h"
#include "lapwing/state.h"
#include "serve/serve.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTBOX_NAME "keyed"
#define LOOK_NS INT64_C(60000000000)

struct daemon {
    const char *config_path;                /* NULL: built-in, this host. */
    const char *listen, *data_dir, *record; /* Flags; NULL: as configured. */
    const char *model;
    bool json_log;
    struct lw_simulate_options simulate;
    struct lw_log log;
    struct lw_config config;
    struct lw_engine *engine;
    pthread_mutex_t server_lock; /* Guards that `server` is there, for on_synced. */
    struct lw_server *server;
    struct lw_recorder *recorder;
    struct lw_inputs *inputs;
    struct lw_outputs *outputs;
    char tenant_label[LW_SHORT_NAME_MAX]; /* As the server has it: a reload does not change it. */
    int lock_fd;
    uint64_t n_trainings_failed; /* That the log has told. */
    struct lw_scores *scores;    /* NULL: written nowhere. */
    struct lw_scores_totals scores_told;
    int trouble; /* The same: 0 none, 1 no snapshots, 2 read-only. */
};

/* ---- flags ---- */

static const struct argp_option OPTIONS[] = {
    {.name = "config",
     .key = 'c',
     .arg = "FILE",
     .doc = "Read FILE (YAML); without it this host is watched"},
    {.name = "listen",
     .key = 'l',
     .arg = "HOST:PORT",
     .doc = "Address of the page and API (127.0.0.1:8080); \"off\": none"},
    {.name = "data-dir", .key = 'd', .arg = "DIR", .doc = "Folder of the state (lapwing-data)"},
    {.name = "record",
     .key = 'r',
     .arg = "FILE",
     .doc = "Write all that comes in to FILE, for `lapwing replay`"},
    {.name = "model",
     .key = 'm',
     .arg = "FILE",
     .doc = "Serve the models of FILE, which `lapwing train` made; read again on SIGHUP"},
    {.name = "json", .key = 'j', .doc = "Log JSON lines, also on a terminal"},
    {.name = "simulate",
     .key = LW_SIMULATE_KEY_SIMULATE,
     .arg = "SEED",
     .doc = "Watch nothing; run journal and snapshots on a virtual clock, network and disk with "
            "faults that SEED chooses, and say whether every promise held",
     .group = 1},
    {.name = "seeds",
     .key = LW_SIMULATE_KEY_SEEDS,
     .arg = "N",
     .doc = "So many seeds from SEED on (1)"},
    {.name = "hours",
     .key = LW_SIMULATE_KEY_HOURS,
     .arg = "N",
     .doc = "So many virtual hours a seed (24)"},
    {.name = "without-sync",
     .key = LW_SIMULATE_KEY_WITHOUT_SYNC,
     .doc = "The virtual disk only says that it syncs: this must fail"},
    {0},
};

static error_t take_flag(int key, char *argument, struct argp_state *state)
{
    struct daemon *daemon = state->input;

    switch (key) {
    case 'c':
        daemon->config_path = argument;
        return 0;
    case 'l':
        daemon->listen = argument;
        return 0;
    case 'd':
        daemon->data_dir = argument;
        return 0;
    case 'r':
        daemon->record = argument;
        return 0;
    case 'm':
        daemon->model = argument;
        return 0;
    case 'j':
        daemon->json_log = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", argument);
        return EINVAL;
    default:
        return lw_simulate_take(&daemon->simulate, key, argument, state);
    }
}

static const struct argp ARGP = {
    .options = OPTIONS,
    .parser = take_flag,
    .doc =
        "Watch this host, or what the configuration names, until told to stop; show it on a page.\v"
        "SIGTERM and SIGINT end cleanly, SIGHUP reads the configuration again. Exit codes: 0 ended "
        "cleanly, 1 the system "
        "refused memory, disk, port or thread, or a simulated promise was broken, 2 wrong flags, "
        "configuration or model file, 3 the "
        "state cannot be read.",
};

/* ---- log ---- */

static void write_log(void *user, const char *line, size_t n_bytes)
{
    (void)user;
    (void)fwrite(line, 1, n_bytes, stderr); /* One call, one line: stdio locks it. */
}

static void log_error(const struct daemon *daemon, const char *message,
                      const struct lw_error *error)
{
    lw_log(&daemon->log, LW_LOG_ERROR, message, LW_LOG_TEXT("reason", error->message));
}

static void on_anomaly(void *context, uint32_t shard, const struct lw_engine_anomaly *event)
{
    const struct daemon *daemon = context;
    bool opened = event->anomaly->phase == LW_ANOMALY_OPENED;
    char id[32];

    (void)shard;
    if (event->anomaly->phase == LW_ANOMALY_UPDATED) {
        return;
    }
    (void)snprintf(id, sizeof(id), "%016" PRIx64, event->anomaly->id);
    lw_log(&daemon->log, opened ? LW_LOG_WARN : LW_LOG_INFO,
           opened ? "anomaly opened" : "anomaly closed", LW_LOG_TEXT("id", id),
           LW_LOG_TEXT("entity", event->entity),
           LW_LOG_TEXT("type", lw_anomaly_type_name((enum lw_anomaly_type)event->anomaly->type)),
           LW_LOG_TEXT("what", event->sentence));
}

static void on_verdict(void *context, uint32_t shard, const struct lw_engine_verdict *verdict)
{
    const struct daemon *daemon = context;

    lw_scores_verdict(daemon->scores, shard, verdict);
}

/* ---- configuration ---- */

/* Rows have no place in time to which a restart could return: they are for `replay`. */
static enum lw_status refuse_rows(const struct lw_config *config, struct lw_error *reterr)
{
    for (size_t i = 0; i < config->n_detectors; i++) {
        char step[32] = "";

        if (lw_spec_get(config->detectors[i].spec, "step", step, sizeof(step)) == LW_OK &&
            strcmp(step, "row") == 0) {
            return lw_error_set(reterr, LW_EINVAL,
                                "detector \"%s\" has \"step: row\", which is for `lapwing replay`; "
                                "use sample or a duration",
                                config->detectors[i].name);
        }
    }
    return LW_OK;
}

/* --model is for the one detector there is: which of several, only the file can say. */
static enum lw_status serve_model(const struct daemon *daemon, const struct lw_config *config,
                                  struct lw_error *reterr)
{
    if (daemon->model == NULL) {
        return LW_OK;
    }
    if (config->n_detectors != 1) {
        return lw_error_set(reterr, LW_EINVAL,
                            "--model is for one detector, there are %zu: name the file in the "
                            "configuration, as \"model_file: %.200s\"",
                            config->n_detectors, daemon->model);
    }
    return lw_models_serve(config->detectors[0].spec, daemon->model, reterr);
}

static enum lw_status read_config(const struct daemon *daemon, struct lw_config *config,
                                  struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    lw_config_init(config);
    if (daemon->config_path != NULL) {
        status = lw_config_read(config, daemon->config_path, reterr);
    }
    if (status == LW_OK) {
        status = lw_config_fill(config, reterr);
    }
    if (status == LW_OK) {
        status = refuse_rows(config, reterr);
    }
    if (status == LW_OK) {
        status = serve_model(daemon, config, reterr);
    }
    if (daemon->listen != NULL) {
        (void)snprintf(config->options.listen, sizeof(config->options.listen), "%s",
                       daemon->listen);
    }
    if (daemon->data_dir != NULL) {
        (void)snprintf(config->options.data_dir, sizeof(config->options.data_dir), "%s",
                       daemon->data_dir);
    }
    return status;
}

static enum lw_status set_detectors(struct daemon *daemon, const struct lw_config *config,
                                    struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < config->n_detectors; i++) {
        status = lw_engine_set_detector(daemon->engine, config->detectors[i].name,
                                        config->detectors[i].spec, reterr);
    }
    return status;
}

static bool has_detector(const struct lw_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_detectors; i++) {
        if (strcmp(config->detectors[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Do all detectors hold? Asked before the first is set, so that a mistake in the last changes
 * nothing.
 */
static enum lw_status try_detectors(const struct lw_config *config, struct lw_error *reterr)
{
    enum lw_status status = LW_OK;

    for (size_t i = 0; status == LW_OK && i < config->n_detectors; i++) {
        struct lw_detector *detector = NULL;

        status = lw_detector_create(config->detectors[i].spec, config->detectors[i].name, &detector,
                                    reterr);
        lw_detector_release(detector);
    }
    return status;
}

/* Options of a table that only a start reads are said to have changed, not taken. */
static void tell_late(const struct daemon *daemon, const struct lw_option *table, size_t n,
                      const void *now, const void *then)
{
    for (size_t i = 0; i < n; i++) {
        char before[LW_CONFIG_PATH_MAX], after[LW_CONFIG_PATH_MAX];

        (void)lw_option_format(&table[i], now, before, sizeof(before));
        (void)lw_option_format(&table[i], then, after, sizeof(after));
        if (strcmp(before, after) != 0 && strcmp(table[i].name, "save_every") != 0) {
            lw_log(&daemon->log, LW_LOG_WARN, "option waits for the next start",
                   LW_LOG_TEXT("option", table[i].name), LW_LOG_TEXT("now", before),
                   LW_LOG_TEXT("then", after));
        }
    }
}

static void tell_late_options(const struct daemon *daemon, const struct lw_config *fresh)
{
    size_t n;
    const struct lw_option *table = lw_config_option_table(&n);

    tell_late(daemon, table, n, &daemon->config.options, &fresh->options);
    table = lw_scores_option_table(&n);
    tell_late(daemon, table, n, &daemon->config.scores, &fresh->scores);
}

/* SIGHUP: a configuration that does not hold changes nothing. */
static void reload(struct daemon *daemon)
{
    struct lw_config fresh;
    struct lw_error error = {0};
    enum lw_status status = read_config(daemon, &fresh, &error);

    if (status == LW_OK) {
        status = try_detectors(&fresh, &error);
    }
    if (status == LW_OK) {
        status = lw_outputs_try(&fresh, &error);
    }
    if (status == LW_OK) {
        status = set_detectors(daemon, &fresh, &error);
    }
    if (status != LW_OK) {
        log_error(daemon, "configuration not reloaded", &error);
        lw_config_fini(&fresh);
        return;
    }
    for (size_t i = 0; i < daemon->config.n_detectors; i++) {
        if (!has_detector(&fresh, daemon->config.detectors[i].name)) {
            (void)!lw_engine_remove_detector(daemon->engine, daemon->config.detectors[i].name,
                                             NULL);
        }
    }
    status = lw_inputs_set(daemon->inputs, &fresh, &error);
    if (status != LW_OK) {
        log_error(daemon, "a source did not start", &error);
    }
    status = lw_outputs_set(daemon->outputs, &fresh, &error);
    if (status != LW_OK) {
        log_error(daemon, "a sink did not start", &error);
    }
    tell_late_options(daemon, &fresh);
    lw_config_fini(&daemon->config);
    daemon->config = fresh;
    (void)!lw_engine_checkpoint(daemon->engine, NULL); /* The journal is replayed under the options
                                                          of now. */
    lw_log(&daemon->log, LW_LOG_INFO, "configuration reloaded",
           LW_LOG_INT("detectors", fresh.n_detectors), LW_LOG_INT("sources", fresh.n_sources),
           LW_LOG_INT("sinks", fresh.n_sinks));
}

/* ---- state ---- */

static uint64_t trainings_failed(const struct daemon *daemon)
{
    struct lw_engine_totals totals;

    lw_engine_totals(daemon->engine, &totals);
    return totals.trainings_failed;
}

/* Answers may wait for the journal. */
static void on_synced(void *context)
{
    struct daemon *daemon = context;

    (void)pthread_mutex_lock(&daemon->server_lock);
    if (daemon->server != NULL) {
        lw_server_durable(daemon->server);
    }
    (void)pthread_mutex_unlock(&daemon->server_lock);
}

/* The server goes before the engine, whose journal is still being synced. */
static void stop_server(struct daemon *daemon)
{
    struct lw_server *server;

    (void)pthread_mutex_lock(&daemon->server_lock);
    server = daemon->server;
    daemon->server = NULL;
    (void)pthread_mutex_unlock(&daemon->server_lock);
    lw_server_destroy(server);
}

static enum lw_status load_state(struct daemon *daemon, struct lw_error *reterr)
{
    const struct lw_config_options *options = &daemon->config.options;
    const struct lw_state_config config = {.dir = options->data_dir,
                                           .sync_ns = options->sync_every_ns,
                                           .checkpoint_ns = options->save_every_ns,
                                           .relaxed = options->durability == 1,
                                           .history_ns = options->history_retention_ns,
                                           .history_bytes = (uint64_t)options->history_disk_bytes,
                                           .synced = on_synced,
                                           .context = daemon};
    struct lw_state_report report;
    enum lw_status status = lw_engine_open_state(daemon->engine, &config, &report, reterr);

    if (status == LW_OK && report.fresh) {
        lw_log(&daemon->log, LW_LOG_INFO, "starting without a past",
               LW_LOG_TEXT("data_dir", options->data_dir));
    } else if (status == LW_OK) {
        lw_log(&daemon->log, LW_LOG_INFO, "state taken up",
               LW_LOG_TEXT("data_dir", options->data_dir), LW_LOG_INT("entities", report.entities),
               LW_LOG_INT("entities_left_out", report.skipped),
               LW_LOG_INT("records_replayed", report.records),
               LW_LOG_INT("samples_replayed", report.points),
               LW_LOG_INT("milliseconds", (report.load_s + report.replay_s) * 1e3));
        daemon->n_trainings_failed = trainings_failed(daemon);
    }
    return status;
}

/* A training that failed makes no noise where it happens: the older model serves on. */
static void tell_trainings(struct daemon *daemon)
{
    uint64_t n = trainings_failed(daemon);

    if (n > daemon->n_trainings_failed) {
        lw_log(&daemon->log, LW_LOG_WARN, "trainings failed",
               LW_LOG_INT("trainings", n - daemon->n_trainings_failed),
               LW_LOG_TEXT("reason", "want of memory, or of rows in which something is known"));
    }
    daemon->n_trainings_failed = n;
}

/* The disk fails, or is well again: told once each time. */
static void tell_state(struct daemon *daemon)
{
    struct lw_state_totals totals;
    int trouble;

    if (lw_engine_state(daemon->engine, &totals) != LW_OK) {
        return;
    }
    trouble = totals.read_only ? 2 : totals.checkpoint_failed ? 1 : 0;
    if (trouble == daemon->trouble) {
        return;
    }
    if (trouble == 0) {
        lw_log(&daemon->log, LW_LOG_INFO, "state is written again");
    } else {
        lw_log(&daemon->log, LW_LOG_ERROR,
               trouble == 2 ? "state is read-only: samples are refused until the disk is well"
                            : "no snapshot could be written; the journal goes on",
               LW_LOG_TEXT("reason", totals.reason));
    }
    daemon->trouble = trouble;
}

/* What entities do without, or have again. One line a second at most. */
static void fit_memory(struct daemon *daemon)
{
    struct lw_memory_change change;

    if (lw_engine_fit_memory(daemon->engine, &change) != LW_OK) {
        return; /* A snapshot is under way, or the disk fails: the next second will do. */
    }
    if (change.n_stepped_down > 0 || change.history_after < change.history_before) {
        lw_log(&daemon->log, LW_LOG_WARN, "memory runs short: entities step down to tier 0",
               LW_LOG_INT("entities", change.n_stepped_down),
               LW_LOG_INT("history_bytes", change.history_after));
    }
    if (change.n_stepped_up > 0 || change.history_after > change.history_before) {
        lw_log(&daemon->log, LW_LOG_INFO, "there is memory again: entities get tier 1 back",
               LW_LOG_INT("entities", change.n_stepped_up),
               LW_LOG_INT("history_bytes", change.history_after));
    }
    if (change.refused_after != change.refused_before) {
        lw_log(&daemon->log, change.refused_after ? LW_LOG_ERROR : LW_LOG_INFO,
               change.refused_after ? "no memory left: new series are refused"
                                    : "new series are taken again");
    }
}

/* Rows that the store of scores did not get. */
static void tell_scores(struct daemon *daemon)
{
    struct lw_scores_totals totals;
    uint64_t n_before = daemon->scores_told.rows_dropped + daemon->scores_told.rows_refused;

    if (daemon->scores == NULL) {
        return;
    }
    lw_scores_totals(daemon->scores, &totals);
    if (totals.rows_dropped + totals.rows_refused > n_before || totals.reason[0] != '\0') {
        lw_log(&daemon->log, LW_LOG_WARN, "scores not written",
               LW_LOG_INT("rows_lost", totals.rows_dropped + totals.rows_refused - n_before),
               LW_LOG_TEXT("reason", totals.reason));
    }
    daemon->scores_told = totals;
}

static bool save_state(struct daemon *daemon)
{
    struct lw_error error = {0};

    tell_trainings(daemon);
    if (lw_engine_checkpoint(daemon->engine, &error) != LW_OK) {
        log_error(daemon, "state not saved", &error);
        return false;
    }
    return true;
}

/* ---- life ---- */

static enum lw_status start_recorder(struct daemon *daemon, struct lw_error *reterr)
{
    const struct lw_recording_fact facts[] = {{.key = "version"}, {.key = "step"}};
    struct lw_recording_fact filled[2];

    if (daemon->record == NULL) {
        return LW_OK;
    }
    memcpy(filled, facts, sizeof(filled));
    (void)snprintf(filled[0].value, sizeof(filled[0].value), "%s", lw_version());
    if (lw_spec_get(daemon->config.detectors[0].spec, "step", filled[1].value,
                    sizeof(filled[1].value)) != LW_OK) {
        filled[1].value[0] = '\0';
    }
    return lw_recorder_create(daemon->record, filled, 2, &daemon->recorder, reterr);
}

static enum lw_status start_scores(struct daemon *daemon, struct lw_error *reterr)
{
    return daemon->config.scores.url[0] == '\0'
               ? LW_OK
               : lw_scores_create(&daemon->config.scores, &daemon->scores, reterr);
}

static enum lw_status start_engine(struct daemon *daemon, struct lw_error *reterr)
{
    const struct lw_config_options *options = &daemon->config.options;
    const struct lw_listener listener = {.verdict = daemon->scores == NULL ? NULL : on_verdict,
                                         .anomaly = on_anomaly,
                                         .context = daemon};
    const struct lw_engine_config config = {.n_shards = (uint32_t)options->threads,
                                            .history_steps = (uint32_t)options->history_steps,
                                            .history_bytes = (size_t)options->history_bytes,
                                            .memory_bytes = options->memory_bytes == 0
                                                                ? lw_memory_limit()
                                                                : (size_t)options->memory_bytes,
                                            .listener = &listener};
    char folder[PATH_MAX];
    enum lw_status status = lw_engine_create(&config, &daemon->engine, reterr);

    if (status == LW_OK) {
        (void)snprintf(folder, sizeof(folder), "%s/%s", options->data_dir, OUTBOX_NAME);
        status = lw_engine_open_outbox(daemon->engine, folder, reterr);
    }
    return status == LW_OK ? set_detectors(daemon, &daemon->config, reterr) : status;
}

/* Pushed samples are recorded as those of other sources are. */
static enum lw_status wrap_feed(void *context, const char *source, const struct lw_feed *feed,
                                struct lw_feed *ret_feed, struct lw_error *reterr)
{
    const struct daemon *daemon = context;

    *ret_feed = *feed;
    return daemon->recorder == NULL
               ? LW_OK
               : lw_recorder_wrap(daemon->recorder, source, feed, ret_feed, reterr);
}

static struct lw_push_options push_options(struct daemon *daemon)
{
    const struct lw_push_config_options *push = &daemon->config.push;

    (void)snprintf(daemon->tenant_label, sizeof(daemon->tenant_label), "%s", push->tenant_label);
    return (struct lw_push_options){
        .enabled = push->enabled,
        .limits = {.series = (uint64_t)push->max_series,
                   .tenant_label = daemon->tenant_label[0] == '\0' ? NULL : daemon->tenant_label,
                   .series_of_tenant = (uint64_t)push->max_series_per_tenant,
                   .series_of_request = (uint64_t)push->max_series_per_request,
                   .samples_of_request = (uint64_t)push->max_samples_per_request,
                   .future_ns = push->max_future_ns,
                   .past_ns = push->max_past_ns,
                   .delay_ns = push->delay_ns},
        .wrap = wrap_feed,
        .context = daemon};
}

static enum lw_status start_server(struct daemon *daemon, struct lw_error *reterr)
{
    const struct lw_server_config config = {.listen = daemon->config.options.listen,
                                            .engine = daemon->engine,
                                            .scores = daemon->scores,
                                            .version = lw_version(),
                                            .n_threads = (uint32_t)daemon->config.push.threads,
                                            .push = push_options(daemon)};

    if (strcmp(config.listen, "off") == 0) {
        return LW_OK;
    }
    return lw_server_create(&config, &daemon->server, reterr);
}

static enum lw_status start_outputs(struct daemon *daemon, struct lw_error *reterr)
{
    enum lw_status status = lw_outputs_create(daemon->engine, &daemon->log, &daemon->outputs,
                                              reterr);

    return status == LW_OK ? lw_outputs_set(daemon->outputs, &daemon->config, reterr) : status;
}

static enum lw_status start_inputs(struct daemon *daemon, struct lw_error *reterr)
{
    enum lw_status status = start_recorder(daemon, reterr);

    if (status == LW_OK) {
        status = lw_inputs_create(daemon->engine, daemon->recorder, &daemon->log, &daemon->inputs,
                                  reterr);
    }
    return status == LW_OK ? lw_inputs_set(daemon->inputs, &daemon->config, reterr) : status;
}

static int exit_of(enum lw_status status)
{
    return status == LW_OK ? LW_EXIT_OK : LW_EXIT_FAILED;
}

/* Everything up to the moment all is running; *ret_exit says what a failure means. */
static enum lw_status start(struct daemon *daemon, int *ret_exit, struct lw_error *reterr)
{
    enum lw_status status = read_config(daemon, &daemon->config, reterr);

    *ret_exit = LW_EXIT_USAGE;
    if (status == LW_OK) {
        status = lw_data_dir_claim(daemon->config.options.data_dir, true, &daemon->lock_fd, reterr);
        *ret_exit = exit_of(status);
    }
    if (status == LW_OK) {
        status = start_scores(daemon, reterr);
        status = status == LW_OK ? start_engine(daemon, reterr) : status;
        *ret_exit = status == LW_EINVAL || status == LW_ENOTFOUND ? LW_EXIT_USAGE : exit_of(status);
    }
    if (status == LW_OK) {
        status = start_server(daemon, reterr);
        *ret_exit = status == LW_EINVAL ? LW_EXIT_USAGE : exit_of(status);
    }
    if (status == LW_OK) {
        status = load_state(daemon, reterr);
        *ret_exit = status == LW_OK ? LW_EXIT_OK : LW_EXIT_INPUT;
    }
    if (status == LW_OK) {
        status = start_outputs(daemon, reterr);
        *ret_exit = status == LW_EINVAL || status == LW_ENOTFOUND ? LW_EXIT_USAGE : exit_of(status);
    }
    if (status == LW_OK) {
        status = start_inputs(daemon, reterr);
        *ret_exit = status == LW_ENOTFOUND ? LW_EXIT_INPUT : exit_of(status);
    }
    return status;
}

static void announce(const struct daemon *daemon)
{
    char page[160] = "off";

    if (daemon->server != NULL) {
        (void)snprintf(
            page, sizeof(page), "http://%.*s:%u/",
            (int)(strrchr(daemon->config.options.listen, ':') - daemon->config.options.listen),
            daemon->config.options.listen, lw_server_port(daemon->server));
    }
    lw_log(&daemon->log, LW_LOG_INFO, "watching", LW_LOG_TEXT("page", page),
           LW_LOG_INT("sources", daemon->config.n_sources),
           LW_LOG_INT("detectors", daemon->config.n_detectors),
           LW_LOG_TEXT("version", lw_version()));
}

/* Waits for signals; looks after the state in between, which the engine saves by itself. */
static void serve_until_told(struct daemon *daemon, const sigset_t *signals)
{
    const struct timespec wait = {.tv_sec = 1};
    int64_t next_look_ns = 0;

    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &wait);

        if (signal_number == SIGTERM || signal_number == SIGINT) {
            lw_log(&daemon->log, LW_LOG_INFO, "ending",
                   LW_LOG_TEXT("signal", strsignal(signal_number)));
            return;
        }
        if (signal_number == SIGHUP) {
            reload(daemon);
        }
        tell_state(daemon);
        fit_memory(daemon);
        if (lw_clock_monotonic_ns() >= next_look_ns) {
            tell_trainings(daemon);
            tell_scores(daemon);
            next_look_ns = lw_clock_monotonic_ns() + LOOK_NS;
        }
    }
}

/* Sources first, so that what they gave is in the state; the server before the engine it looks
 * into. */
static int stop(struct daemon *daemon, bool save)
{
    struct lw_error error = {0};
    int result = LW_EXIT_OK;

    lw_inputs_destroy(daemon->inputs);
    if (daemon->server != NULL) {
        lw_server_end_push(daemon->server);
    }
    if (daemon->recorder != NULL && lw_recorder_close(daemon->recorder, &error) != LW_OK) {
        log_error(daemon, "recording not complete", &error);
        result = LW_EXIT_FAILED;
    }
    if (save && !save_state(daemon)) {
        result = LW_EXIT_FAILED;
    }
    lw_outputs_destroy(daemon->outputs); /* What it has yet to tell stays in the outbox. */
    stop_server(daemon);
    lw_engine_destroy(daemon->engine);
    lw_scores_destroy(daemon->scores); /* No shard tells a verdict any more. */
    lw_config_fini(&daemon->config);
    if (daemon->lock_fd >= 0) {
        (void)close(daemon->lock_fd);
    }
    return result;
}

const struct argp *lw_run_argp(void)
{
    return &ARGP;
}

int lw_command_run(int argc, char **argv)
{
    struct daemon daemon = {.lock_fd = -1, .server_lock = PTHREAD_MUTEX_INITIALIZER};
    struct lw_error error = {0};
    sigset_t signals;
    int result, ended;

    argp_err_exit_status = LW_EXIT_USAGE;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &daemon) != 0) {
        return LW_EXIT_USAGE;
    }
    if (daemon.simulate.wanted) {
        return lw_simulate_seeds(&daemon.simulate);
    }
    daemon.log = (struct lw_log){
        .level = LW_LOG_INFO,
        .format = isatty(STDERR_FILENO) && !daemon.json_log ? LW_LOG_AS_TEXT : LW_LOG_AS_JSON,
        .now_ns = lw_clock_real_ns,
        .write = write_log};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* Threads started from here on leave them to
                                                         this one. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* A state file over the limit is an error, not an end. */
    if (start(&daemon, &result, &error) != LW_OK) {
        log_error(&daemon, "cannot start", &error);
        (void)stop(&daemon, false);
        return result;
    }
    if (daemon.server != NULL) {
        lw_server_set_ready(daemon.server, true);
    }
    announce(&daemon);
    serve_until_told(&daemon, &signals);
    ended = stop(&daemon, true);
    return ended;
}
