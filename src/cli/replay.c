/*
 * `lapwing replay`: files go through an engine as if they came in live.
 *
 * The main thread reads, routes and writes; the engine's shards score. While they work on one
 * batch, the main thread writes the verdicts of the one before and parses the next. Batches end at
 * the same rows whatever the number of shards, so the output does not depend on it.
 */
#include "cli/replay_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/replay_plot.h"
#include "cli/summary.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BAD_ROWS_SHOWN 20
#define MESSAGE_BYTES 6144 /* A path and what is said of it. */
#define MESSAGE_INDENT 4

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

void lw_replay_say(struct replay *replay, const char *format, ...)
{
    const struct lw_terminal *terminal = &replay->progress.terminal;
    char text[MESSAGE_BYTES];
    va_list args;

    lw_progress_clear(&replay->progress);
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)fprintf(stderr, "%s: ", replay->name);
    if (terminal->is_terminal) {
        lw_terminal_wrap(terminal, text, MESSAGE_INDENT, (int)strlen(replay->name) + 2);
    } else {
        (void)fputs(text, stderr);
    }
    (void)fputc('\n', stderr);
}

void lw_replay_bad_row(void *context, const struct lw_csv_complaint *complaint)
{
    struct replay *replay = context;

    replay->bad[complaint->fault]++;
    if (++replay->n_bad > BAD_ROWS_SHOWN) {
        if (replay->n_bad == BAD_ROWS_SHOWN + 1) {
            lw_replay_say(replay, "more bad rows are counted only");
        }
        return;
    }
    if (complaint->column == NULL) {
        lw_replay_say(replay, "%s:%llu: %s", complaint->path, (unsigned long long)complaint->line,
                      complaint->detail);
    } else {
        lw_replay_say(replay, "%s:%llu: column \"%s\": %s", complaint->path,
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
        lw_replay_say(replay, "%llu bad row%s or value%s left out: %s",
                      (unsigned long long)replay->n_bad, replay->n_bad == 1 ? "" : "s",
                      replay->n_bad == 1 ? "" : "s", text);
    }
}

/* ---- the way of a batch ---- */

void lw_replay_write(struct replay *replay)
{
    if (replay->rows != NULL &&
        !lw_rows_write(replay->rows, replay->blocks[1 - replay->gathering], replay->n_shards) &&
        !replay->is_failed) {
        lw_replay_say(replay, "%s: %s", replay->options.out,
                      errno != 0 ? strerror(errno) : "no memory");
        replay->is_failed = true;
    }
}

void lw_replay_turn(struct replay *replay)
{
    lw_engine_flush(replay->engine);
    replay->gathering = 1 - replay->gathering;
}

void lw_replay_ending(struct replay *replay, bool is_ending)
{
    for (uint32_t i = 0; i < replay->n_shards; i++) {
        if (replay->recorders[i] != NULL) {
            lw_replay_recorder_end(replay->recorders[i], is_ending);
        }
    }
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
        lw_replay_say(replay, "%s: the first %d series are plotted at most; %llu had no room",
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
    lw_replay_turn(replay);
    lw_replay_write(replay);
    lw_replay_ending(replay, true);
    lw_engine_finish(replay->engine);
    lw_replay_turn(replay);
    lw_replay_write(replay);
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
    bool is_kept = !options->collects && (!options->is_quiet || options->svg != NULL);
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
    status = lw_engine_feed(replay->engine, options->prometheus.url == NULL ? "csv" : "prometheus",
                            &replay->feed, reterr);
    if (status == LW_OK) {
        status = lw_csv_batch_init(&replay->batch, reterr);
    }
    return status == LW_OK ? lw_replay_files_begin(replay, reterr) : status;
}

void lw_replay_end(struct replay *replay)
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
        lw_replay_say(replay, "%s: %s", replay->options.out, strerror(errno));
        replay->is_failed = true;
    }
    lw_csv_batch_fini(&replay->batch);
    lw_mem_free(replay->features);
    lw_mem_free(replay->is_shared_name);
}

enum lw_exit lw_replay_read(struct replay *replay)
{
    struct lw_error error;
    enum lw_exit code = LW_EXIT_OK;

    if (replay_begin(replay, &error) != LW_OK) {
        lw_replay_say(replay, "%s", error.message);
        return LW_EXIT_FAILED;
    }
    if (replay->options.prometheus.url != NULL) {
        code = lw_replay_server(replay);
    }
    for (size_t i = 0; i < replay->options.n_files && code == LW_EXIT_OK && !replay->is_failed;
         i++) {
        code = lw_replay_file(replay, i);
    }
    if (code == LW_EXIT_OK && replay->has_detectors) {
        input_end(replay);
        bad_rows_print(replay);
    }
    return code;
}

void lw_replay_setup(struct replay *replay, const char *name)
{
    replay->name = name;
    if (replay->options.csv.interval_ns == 0) {
        replay->options.csv.interval_ns = (replay->options.prometheus.url == NULL ? 1 : 15) *
                                          LW_REPLAY_SECOND_NS;
    }
    replay->first_ns = INT64_MAX;
    replay->last_ns = replay->watermark_ns = INT64_MIN;
    replay->terminal = lw_terminal_of(
        replay->options.out != NULL && strcmp(replay->options.out, "-") == 0 ? stderr : stdout);
    lw_progress_init(&replay->progress, stderr, replay->options.is_quiet);
    replay->bytes_all = bytes_count(&replay->options);
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
    lw_replay_setup(replay, "lapwing replay");
    code = lw_replay_read(replay);
    if (code == LW_EXIT_OK && replay->has_detectors) {
        lw_replay_model_check(replay);
        if (replay->recorders[0] != NULL) {
            results_show(replay);
        }
    }
    lw_replay_end(replay);
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
