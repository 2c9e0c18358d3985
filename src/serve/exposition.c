/*
 * GET /metrics: the text format of Prometheus, version 0.0.4.
 *
 * The table at the end names every metric with its type, unit, labels and help; what it does not
 * name does not exist. Counters count from the start of the process.
 */
#include "serve/exposition.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "connect/scores.h"
#include "lapwing/state.h"
#include "serve/server_internal.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What one scrape works with: the engine is asked once. */
struct scrape {
    struct lw_server *server;
    struct lw_http *http;
    struct lw_writer *out;
    const char *name; /* Of the metric being written. */
    struct lw_engine_totals totals;
    struct lw_feed_totals *feeds;
    size_t n_feeds;
    struct lw_sink_view *sinks;
    size_t n_sinks;
    uint64_t n_modelled; /* Entities with a tier 1 model. */
    struct lw_http_totals uploads;
    bool has_state; /* The engine keeps its state in a folder. */
    struct lw_state_totals state;
    struct lw_archive_totals archive; /* Of the history on the disk. */
};

static void put(struct scrape *scrape, const char *text)
{
    lw_write_raw(scrape->out, text, strlen(text));
}

static void put_label(struct scrape *scrape, const char *name, const char *value)
{
    put(scrape, name);
    put(scrape, "=\"");
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"') {
            lw_write_u8(scrape->out, '\\');
        }
        if (*c == '\n') {
            put(scrape, "\\n");
        } else {
            lw_write_u8(scrape->out, (uint8_t)*c);
        }
    }
    put(scrape, "\"");
}

static void put_value(struct scrape *scrape, double value)
{
    char text[LW_DOUBLE_TEXT_MAX];

    if (isnan(value)) {
        put(scrape, " NaN\n");
        return;
    }
    (void)lw_double_format(value, text);
    put(scrape, " ");
    put(scrape, isinf(value) ? (value > 0 ? "+Inf" : "-Inf") : text);
    put(scrape, "\n");
}

/* One sample without labels. */
static void put_plain(struct scrape *scrape, double value)
{
    put(scrape, scrape->name);
    put_value(scrape, value);
}

/* One sample with one label, or with two when the second has a name. */
static void put_labelled(struct scrape *scrape, const char *const labels[4], double value)
{
    put(scrape, scrape->name);
    put(scrape, "{");
    put_label(scrape, labels[0], labels[1]);
    if (labels[2] != NULL) {
        put(scrape, ",");
        put_label(scrape, labels[2], labels[3]);
    }
    put(scrape, "}");
    put_value(scrape, value);
}

/* ---- writers, one for each metric that is more than a number of the totals ---- */

static void write_build_info(struct scrape *scrape)
{
    put_labelled(scrape, (const char *const[4]){"version", scrape->server->version}, 1);
}

static void write_entities(struct scrape *scrape)
{
    put_labelled(scrape, (const char *const[4]){"tier", "0"}, scrape->totals.n_entities);
    put_labelled(scrape, (const char *const[4]){"tier", "1"}, (double)scrape->n_modelled);
    put_labelled(scrape, (const char *const[4]){"tier", "stepped_down"},
                 scrape->totals.n_stepped_down);
    put_labelled(scrape, (const char *const[4]){"tier", "expired"}, scrape->totals.n_gone);
}

static void write_series_refused(struct scrape *scrape)
{
    put_labelled(scrape, (const char *const[4]){"reason", "memory"},
                 (double)scrape->totals.series_refused_memory);
    put_labelled(scrape, (const char *const[4]){"reason", "other"},
                 (double)(scrape->totals.series_refused - scrape->totals.series_refused_memory));
}

static void write_samples(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        put_labelled(scrape, (const char *const[4]){"source", scrape->feeds[i].source},
                     (double)scrape->feeds[i].samples);
    }
}

static void write_dropped(struct scrape *scrape)
{
    const struct lw_engine_totals *totals = &scrape->totals;
    const struct {
        const char *reason;
        uint64_t n;
    } engine[] = {{"late", totals->late},
                  {"duplicate", totals->duplicates},
                  {"not_finite", totals->not_finite},
                  {"overflow", totals->overflow},
                  {"unmatched", totals->unmatched},
                  {"series_refused", totals->series_refused}};

    for (size_t i = 0; i < sizeof(engine) / sizeof(engine[0]); i++) {
        put_labelled(scrape, (const char *const[4]){"source", "engine", "reason", engine[i].reason},
                     (double)engine[i].n);
    }
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        for (uint32_t r = 0; r < scrape->feeds[i].n_reasons; r++) {
            put_labelled(scrape,
                         (const char *const[4]){"source", scrape->feeds[i].source, "reason",
                                                scrape->feeds[i].dropped[r].reason},
                         (double)scrape->feeds[i].dropped[r].n);
        }
    }
}

static void write_watermarks(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        if (scrape->feeds[i].watermark_ns != INT64_MIN) {
            put_labelled(scrape, (const char *const[4]){"source", scrape->feeds[i].source},
                         (double)scrape->feeds[i].watermark_ns / 1e9);
        }
    }
}

/* One sample a sink. */
static void write_sinks(struct scrape *scrape, double (*number)(const struct lw_sink_view *sink))
{
    for (size_t i = 0; i < scrape->n_sinks; i++) {
        put_labelled(scrape, (const char *const[4]){"sink", scrape->sinks[i].name},
                     number(&scrape->sinks[i]));
    }
}

static double sink_delivered(const struct lw_sink_view *sink)
{
    return (double)sink->delivered;
}

static double sink_retried(const struct lw_sink_view *sink)
{
    return (double)sink->retried;
}

static double sink_dead(const struct lw_sink_view *sink)
{
    return (double)sink->dead;
}

static double sink_dead_dropped(const struct lw_sink_view *sink)
{
    return (double)sink->dead_dropped;
}

static double sink_pending(const struct lw_sink_view *sink)
{
    return (double)sink->pending;
}

static double sink_oldest(const struct lw_sink_view *sink)
{
    return (double)sink->oldest_ns / 1e9;
}

static double sink_up(const struct lw_sink_view *sink)
{
    return sink->up ? 1 : 0;
}

static void write_sink_delivered(struct scrape *scrape)
{
    write_sinks(scrape, sink_delivered);
}

static void write_sink_retried(struct scrape *scrape)
{
    write_sinks(scrape, sink_retried);
}

static void write_sink_dead(struct scrape *scrape)
{
    write_sinks(scrape, sink_dead);
}

static void write_sink_dead_dropped(struct scrape *scrape)
{
    write_sinks(scrape, sink_dead_dropped);
}

static void write_sink_pending(struct scrape *scrape)
{
    write_sinks(scrape, sink_pending);
}

static void write_sink_oldest(struct scrape *scrape)
{
    write_sinks(scrape, sink_oldest);
}

static void write_sink_up(struct scrape *scrape)
{
    write_sinks(scrape, sink_up);
}

/* Rows of scores by what became of them. */
static void write_scores(struct scrape *scrape)
{
    struct lw_scores_totals totals;

    if (scrape->server->scores == NULL) {
        return;
    }
    lw_scores_totals(scrape->server->scores, &totals);
    put_labelled(scrape, (const char *const[4]){"outcome", "written"}, (double)totals.rows_written);
    put_labelled(scrape, (const char *const[4]){"outcome", "dropped"}, (double)totals.rows_dropped);
    put_labelled(scrape, (const char *const[4]){"outcome", "refused"}, (double)totals.rows_refused);
}

static void write_scores_failed(struct scrape *scrape)
{
    struct lw_scores_totals totals;

    if (scrape->server->scores != NULL) {
        lw_scores_totals(scrape->server->scores, &totals);
        put_plain(scrape, (double)totals.requests_failed);
    }
}

/* The buckets of the text format count all that is at most their bound, the engine's do not. */
static void write_delays(struct scrape *scrape)
{
    const double *bounds = lw_engine_delay_bounds();
    uint64_t n = 0;

    for (size_t i = 0; i < LW_ENGINE_DELAYS; i++) {
        char bound[LW_DOUBLE_TEXT_MAX] = "+Inf";

        if (i + 1 < LW_ENGINE_DELAYS) {
            (void)lw_double_format(bounds[i], bound);
        }
        n += scrape->totals.verdict_delays[i];
        put(scrape, scrape->name);
        put(scrape, "_bucket{");
        put_label(scrape, "le", bound);
        put(scrape, "}");
        put_value(scrape, (double)n);
    }
    put(scrape, scrape->name);
    put(scrape, "_sum");
    put_value(scrape, scrape->totals.verdict_delay_sum_s);
    put(scrape, scrape->name);
    put(scrape, "_count");
    put_value(scrape, (double)n);
}

static void write_anomalies(struct scrape *scrape)
{
    const size_t n = sizeof(scrape->totals.anomalies_by_type) /
                     sizeof(scrape->totals.anomalies_by_type[0]);

    for (size_t type = 1; type < n && type <= LW_TYPE_RANGE; type++) {
        put_labelled(
            scrape,
            (const char *const[4]){"type", lw_anomaly_type_name((enum lw_anomaly_type)type)},
            (double)scrape->totals.anomalies_by_type[type]);
    }
}

static void write_requests(struct scrape *scrape)
{
    size_t n_routes;
    const struct lw_http_route *routes = lw_routes(scrape->server->routes, &n_routes);

    for (size_t route = 0; route <= n_routes; route++) {
        for (size_t i = 0; i < LW_HTTP_CODES; i++) {
            unsigned code;
            uint64_t n = lw_http_answers(scrape->http, route, i, &code);
            char text[16];

            if (code == 0 || n == 0) {
                continue;
            }
            (void)snprintf(text, sizeof(text), "%u", code);
            put_labelled(scrape,
                         (const char *const[4]){"route",
                                                route == n_routes ? "none" : routes[route].path,
                                                "code", text},
                         (double)n);
        }
    }
}

static void write_push_series(struct scrape *scrape)
{
    struct lw_push *push = scrape->server->push;
    const char *source;
    uint64_t n_series;

    for (size_t i = 0; push != NULL && (source = lw_push_source(push, i, &n_series)) != NULL; i++) {
        if (n_series != UINT64_MAX) {
            put_labelled(scrape, (const char *const[4]){"source", source}, (double)n_series);
        }
    }
}

/* ---- plain numbers ---- */

static double from_bodies(const struct scrape *scrape)
{
    return (double)scrape->uploads.bodies;
}
static double from_body_bytes(const struct scrape *scrape)
{
    return (double)scrape->uploads.body_bytes;
}
static double from_bodies_open(const struct scrape *scrape)
{
    return (double)scrape->uploads.n_bodies;
}
static double from_bytes_held(const struct scrape *scrape)
{
    return (double)scrape->uploads.bytes_held;
}
static double from_postponed(const struct scrape *scrape)
{
    return (double)scrape->uploads.n_postponed;
}
static double from_checkpoint(const struct scrape *scrape)
{
    return scrape->state.checkpoints > 0 ? scrape->state.checkpoint_s : NAN;
}
static double from_stall(const struct scrape *scrape)
{
    return scrape->state.checkpoints > 0 ? scrape->state.checkpoint_stall_s : NAN;
}
static double from_checkpoint_bytes(const struct scrape *scrape)
{
    return (double)scrape->state.checkpoint_bytes;
}
static double from_checkpoints(const struct scrape *scrape)
{
    return (double)scrape->state.checkpoints;
}
static double from_checkpoint_failures(const struct scrape *scrape)
{
    return (double)scrape->state.checkpoint_failures;
}
static double from_records(const struct scrape *scrape)
{
    return (double)scrape->state.records;
}
static double from_syncs(const struct scrape *scrape)
{
    return (double)scrape->state.syncs;
}
static double from_sync_failures(const struct scrape *scrape)
{
    return (double)scrape->state.sync_failures;
}
static double from_sync_longest(const struct scrape *scrape)
{
    return scrape->state.sync_s_max;
}
static double from_pending(const struct scrape *scrape)
{
    return (double)scrape->state.pending_bytes;
}
static double from_read_only(const struct scrape *scrape)
{
    return scrape->state.read_only ? 1 : 0;
}

static double from_series(const struct scrape *scrape)
{
    return scrape->totals.n_series;
}
static double from_verdicts(const struct scrape *scrape)
{
    return (double)scrape->totals.verdicts;
}
static double from_open(const struct scrape *scrape)
{
    return (double)scrape->totals.anomalies_open;
}
static double from_promised(const struct scrape *scrape)
{
    return scrape->totals.alarms_promised_per_week;
}
static double from_achieved(const struct scrape *scrape)
{
    return scrape->totals.alarms_per_week;
}
static double from_resets(const struct scrape *scrape)
{
    return (double)scrape->totals.resets;
}
static double from_models(const struct scrape *scrape)
{
    return scrape->totals.n_models;
}
static double from_trainings(const struct scrape *scrape)
{
    return (double)scrape->totals.trainings_failed;
}
static double from_unread(const struct scrape *scrape)
{
    return (double)scrape->totals.n_series_unread;
}
static double from_expired(const struct scrape *scrape)
{
    return (double)scrape->totals.entities_expired;
}
static double from_inherited(const struct scrape *scrape)
{
    return (double)scrape->totals.entities_inherited;
}
static double from_memory(const struct scrape *scrape)
{
    return (double)scrape->totals.memory_bytes;
}
static double from_memory_limit(const struct scrape *scrape)
{
    return (double)scrape->totals.memory_limit;
}
static double from_state(const struct scrape *scrape)
{
    return (double)scrape->totals.state_bytes;
}
static double from_steps(const struct scrape *scrape)
{
    return (double)scrape->totals.history_bytes;
}
static double from_history_bytes(const struct scrape *scrape)
{
    return (double)scrape->archive.bytes;
}
static double from_history_samples(const struct scrape *scrape)
{
    return (double)scrape->archive.samples;
}
static double from_history_files(const struct scrape *scrape)
{
    return (double)scrape->archive.files;
}
static double from_history_dropped(const struct scrape *scrape)
{
    return (double)scrape->archive.samples_dropped;
}
static double from_history_damaged(const struct scrape *scrape)
{
    return (double)scrape->archive.files_damaged;
}
static double from_history_failures(const struct scrape *scrape)
{
    return (double)scrape->archive.failures;
}
static double from_degraded(const struct scrape *scrape)
{
    return scrape->totals.state_degraded || scrape->state.read_only ||
                   scrape->state.checkpoint_failed
               ? 1
               : 0;
}

static double from_save(const struct scrape *scrape)
{
    int64_t saved_ns = scrape->has_state ? scrape->state.checkpoint_ns : scrape->totals.saved_ns;

    return saved_ns == INT64_MIN ? NAN : (double)(lw_clock_real_ns() - saved_ns) / 1e9;
}

static double from_streams(const struct scrape *scrape)
{
    return lw_http_n_streams(scrape->http);
}
static double from_ready(const struct scrape *scrape)
{
    return atomic_load(&scrape->server->ready) ? 1 : 0;
}
static double from_start(const struct scrape *scrape)
{
    return (double)scrape->server->started_ns / 1e9;
}

static double from_cpu(const struct scrape *scrape)
{
    (void)scrape;
    return (double)lw_clock_cpu_ns() / 1e9;
}

static double from_resident(const struct scrape *scrape)
{
    unsigned long pages_all, pages_resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    (void)scrape;
    if (file == NULL) {
        return NAN;
    }
    if (fscanf(file, "%lu %lu", &pages_all, &pages_resident) != 2) {
        pages_resident = 0;
    }
    (void)fclose(file);
    return (double)pages_resident * (double)sysconf(_SC_PAGESIZE);
}

static double from_fds(const struct scrape *scrape)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = 0;

    (void)scrape;
    if (folder == NULL) {
        return NAN;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        n += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return n - 1; /* The folder itself was open. */
}

static double from_fd_limit(const struct scrape *scrape)
{
    struct rlimit limit;

    (void)scrape;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : NAN;
}

/* ---- the table ---- */

static const struct metric {
    struct lw_metric_text text;
    double (*number)(const struct scrape *scrape); /* Either this ... */
    void (*write)(struct scrape *scrape);          /* ... or this. */
} metrics[] = {
    {{"lapwing_build_info", "gauge", "", "version", "Always 1; the label says which version runs."},
     NULL,
     write_build_info},
    {{"lapwing_ready", "gauge", "", "", "1 when the state is loaded and the sources run."},
     from_ready,
     NULL},
    {{"lapwing_series", "gauge", "", "", "Series watched."}, from_series, NULL},
    {{"lapwing_entities", "gauge", "", "tier",
      "Entities watched: by their series alone (0), and also by a trained model (1); without "
      "the tier 1 they would have, for want of memory; and those that expired."},
     NULL,
     write_entities},
    {{"lapwing_entities_expired_total", "counter", "", "",
      "Entities forgotten after expire_after without a sample."},
     from_expired,
     NULL},
    {{"lapwing_entities_inherited_total", "counter", "", "",
      "Entities that began with what another of their family had learnt."},
     from_inherited,
     NULL},
    {{"lapwing_series_refused_total", "counter", "", "reason",
      "Series that no detector could take: for want of memory, or for a limit or a name."},
     NULL,
     write_series_refused},
    {{"lapwing_memory_bytes", "gauge", "bytes", "",
      "Memory of the engine that counts against its limit."},
     from_memory,
     NULL},
    {{"lapwing_memory_limit_bytes", "gauge", "bytes", "", "The option memory; 0: none."},
     from_memory_limit,
     NULL},
    {{"lapwing_models", "gauge", "", "", "Tier 1 models in service."}, from_models, NULL},
    {{"lapwing_trainings_failed_total", "counter", "", "",
      "Tier 1 trainings that failed, for want of memory or of known rows."},
     from_trainings,
     NULL},
    {{"lapwing_series_unmodelled", "gauge", "", "",
      "Series of entities with a tier 1 model that it does not read."},
     from_unread,
     NULL},
    {{"lapwing_samples_total", "counter", "", "source", "Samples a source delivered."},
     NULL,
     write_samples},
    {{"lapwing_samples_dropped_total", "counter", "", "source, reason",
      "Samples not scored: by a source, or by the engine when its rules leave them out."},
     NULL,
     write_dropped},
    {{"lapwing_push_series", "gauge", "", "source",
      "Series that clients of a push protocol have brought and not abandoned."},
     NULL,
     write_push_series},
    {{"lapwing_source_watermark_timestamp_seconds", "gauge", "seconds", "source",
      "Event time up to which a source is complete."},
     NULL,
     write_watermarks},
    {{"lapwing_resets_total", "counter", "", "", "Counter resets bridged."}, from_resets, NULL},
    {{"lapwing_verdicts_total", "counter", "", "", "Verdicts given."}, from_verdicts, NULL},
    {{"lapwing_verdict_seconds", "histogram", "seconds", "",
      "From a sample's delivery to its step's verdict."},
     NULL,
     write_delays},
    {{"lapwing_anomalies_total", "counter", "", "type", "Anomalies opened."},
     NULL,
     write_anomalies},
    {{"lapwing_anomalies_open", "gauge", "", "", "Anomalies open now."}, from_open, NULL},
    {{"lapwing_sink_delivered_total", "counter", "", "sink",
      "Tellings that a sink took, repeats of open anomalies among them."},
     NULL,
     write_sink_delivered},
    {{"lapwing_sink_retries_total", "counter", "", "sink",
      "Attempts to tell a sink that have to be made again."},
     NULL,
     write_sink_retried},
    {{"lapwing_sink_dead_letters_total", "counter", "", "sink",
      "Events that a sink refused or that grew too old for it."},
     NULL,
     write_sink_dead},
    {{"lapwing_sink_dead_letters_dropped_total", "counter", "", "sink",
      "Dead letters dropped because there were too many, and events that cannot be read."},
     NULL,
     write_sink_dead_dropped},
    {{"lapwing_sink_pending", "gauge", "", "sink", "Events that a sink has yet to be told."},
     NULL,
     write_sink_pending},
    {{"lapwing_sink_oldest_pending_seconds", "gauge", "seconds", "sink",
      "Age of the oldest of them; 0: there is none."},
     NULL,
     write_sink_oldest},
    {{"lapwing_sink_up", "gauge", "", "sink",
      "1 when the last attempt reached the sink, and before the first."},
     NULL,
     write_sink_up},
    {{"lapwing_scores_rows_total", "counter", "", "outcome",
      "Rows of scores for the store that takes them: written, dropped as its buffers were full, or "
      "refused by it."},
     NULL,
     write_scores},
    {{"lapwing_scores_requests_failed_total", "counter", "", "",
      "Requests to that store without success."},
     NULL,
     write_scores_failed},
    {{"lapwing_alarm_budget_promised", "gauge", "alarms a week", "",
      "False alarms a week that the detectors promise at most."},
     from_promised,
     NULL},
    {{"lapwing_alarm_budget_achieved", "gauge", "alarms a week", "",
      "Anomalies opened a week of event time; NaN in the first hour."},
     from_achieved,
     NULL},
    {{"lapwing_checkpoint_age_seconds", "gauge", "seconds", "",
      "Since the state was last saved; NaN before the first time."},
     from_save,
     NULL},
    {{"lapwing_state_degraded", "gauge", "", "",
      "1 when the state could not be saved the last time, or the journal cannot be written."},
     from_degraded,
     NULL},
    {{"lapwing_state_read_only", "gauge", "", "",
      "1 while the journal cannot be written and sources are refused."},
     from_read_only,
     NULL},
    {{"lapwing_checkpoint_seconds", "gauge", "seconds", "",
      "How long the last checkpoint took; NaN before the first."},
     from_checkpoint,
     NULL},
    {{"lapwing_checkpoint_stall_seconds", "gauge", "seconds", "",
      "Longest time it stopped a shard; NaN before the first."},
     from_stall,
     NULL},
    {{"lapwing_checkpoint_bytes", "gauge", "bytes", "", "Size of the last checkpoint."},
     from_checkpoint_bytes,
     NULL},
    {{"lapwing_checkpoints_total", "counter", "", "", "Checkpoints written."},
     from_checkpoints,
     NULL},
    {{"lapwing_checkpoint_failures_total", "counter", "", "",
      "Checkpoints that could not be written."},
     from_checkpoint_failures,
     NULL},
    {{"lapwing_journal_records_total", "counter", "", "",
      "Records of the journal, since it began."},
     from_records,
     NULL},
    {{"lapwing_journal_syncs_total", "counter", "", "", "Syncs of the journal."}, from_syncs, NULL},
    {{"lapwing_journal_sync_failures_total", "counter", "", "", "Syncs that failed."},
     from_sync_failures,
     NULL},
    {{"lapwing_journal_sync_longest_seconds", "gauge", "seconds", "", "The longest sync so far."},
     from_sync_longest,
     NULL},
    {{"lapwing_journal_pending_bytes", "gauge", "bytes", "",
      "Bytes of the journal that are not yet on the disk."},
     from_pending,
     NULL},
    {{"lapwing_state_bytes", "gauge", "bytes", "", "Memory of the entities' states."},
     from_state,
     NULL},
    {{"lapwing_page_steps_bytes", "gauge", "bytes", "", "Memory of the steps kept for the page."},
     from_steps,
     NULL},
    {{"lapwing_history_bytes", "gauge", "bytes", "", "Size on the disk of the samples kept there."},
     from_history_bytes,
     NULL},
    {{"lapwing_history_samples", "gauge", "", "", "Samples kept on the disk."},
     from_history_samples,
     NULL},
    {{"lapwing_history_files", "gauge", "", "", "Files of these."}, from_history_files, NULL},
    {{"lapwing_history_samples_dropped_total", "counter", "", "",
      "Samples that left the disk by history_retention or history_disk."},
     from_history_dropped,
     NULL},
    {{"lapwing_history_damaged_files", "gauge", "", "",
      "Files of the history found damaged since the start."},
     from_history_damaged,
     NULL},
    {{"lapwing_history_failures_total", "counter", "", "",
      "Times that samples could not be moved from the journal to the history; it is tried again."},
     from_history_failures,
     NULL},
    {{"lapwing_http_requests_total", "counter", "", "route, code", "HTTP requests answered."},
     NULL,
     write_requests},
    {{"lapwing_http_bodies_total", "counter", "", "", "Bodies of requests read to their end."},
     from_bodies,
     NULL},
    {{"lapwing_http_body_bytes_total", "counter", "bytes", "", "Bytes of these, as sent."},
     from_body_bytes,
     NULL},
    {{"lapwing_http_bodies_open", "gauge", "", "", "Bodies being read or taken now."},
     from_bodies_open,
     NULL},
    {{"lapwing_http_body_held_bytes", "gauge", "bytes", "", "Memory of these."},
     from_bytes_held,
     NULL},
    {{"lapwing_http_answers_waiting", "gauge", "", "",
      "Answers that wait for the journal to be on the disk."},
     from_postponed,
     NULL},
    {{"lapwing_http_streams", "gauge", "", "", "Event streams open."}, from_streams, NULL},
    {{"process_cpu_seconds_total", "counter", "seconds", "", "CPU time used."}, from_cpu, NULL},
    {{"process_resident_memory_bytes", "gauge", "bytes", "", "Resident memory."},
     from_resident,
     NULL},
    {{"process_open_fds", "gauge", "", "", "Open file descriptors."}, from_fds, NULL},
    {{"process_max_fds", "gauge", "", "", "Most file descriptors that may be open."},
     from_fd_limit,
     NULL},
    {{"process_start_time_seconds", "gauge", "seconds", "",
      "When the process started, since 1970-01-01 UTC."},
     from_start,
     NULL},
};

#define N_METRICS (sizeof(metrics) / sizeof(metrics[0]))

const struct lw_metric_text *lw_exposition_metric(size_t index)
{
    return index < N_METRICS ? &metrics[index].text : NULL;
}

static void metric_write(struct scrape *scrape, const struct metric *metric)
{
    scrape->name = metric->text.name;
    put(scrape, "# HELP ");
    put(scrape, metric->text.name);
    put(scrape, " ");
    put(scrape, metric->text.help);
    put(scrape, "\n# TYPE ");
    put(scrape, metric->text.name);
    put(scrape, " ");
    put(scrape, metric->text.type);
    put(scrape, "\n");
    if (metric->write != NULL) {
        metric->write(scrape);
    } else {
        put_plain(scrape, metric->number(scrape));
    }
}

void lw_exposition_answer(void *context, struct lw_http_exchange *exchange)
{
    struct lw_writer out;
    struct scrape scrape = {.server = context, .http = lw_http_server(exchange), .out = &out};

    scrape.feeds = lw_mem_calloc(LW_SERVER_FEEDS_MAX, sizeof(*scrape.feeds));
    scrape.sinks = lw_mem_calloc(LW_SINKS_MAX, sizeof(*scrape.sinks));
    if (scrape.feeds == NULL || scrape.sinks == NULL) {
        lw_mem_free(scrape.feeds);
        lw_mem_free(scrape.sinks);
        lw_http_send_problem(exchange, 503, "Out of memory.");
        return;
    }
    lw_writer_init(&out);
    lw_engine_recent_totals(scrape.server->engine, &scrape.totals);
    scrape.n_feeds = lw_engine_feeds(scrape.server->engine, scrape.feeds, LW_SERVER_FEEDS_MAX);
    scrape.n_feeds = scrape.n_feeds < LW_SERVER_FEEDS_MAX ? scrape.n_feeds : LW_SERVER_FEEDS_MAX;
    scrape.n_sinks = lw_engine_sinks(scrape.server->engine, scrape.sinks, LW_SINKS_MAX);
    scrape.n_modelled = scrape.totals.n_models;
    scrape.has_state = lw_engine_state(scrape.server->engine, &scrape.state) == LW_OK;
    if (lw_engine_archive(scrape.server->engine, &scrape.archive) != LW_OK) {
        scrape.archive = (struct lw_archive_totals){0};
    }
    lw_http_count(scrape.http, &scrape.uploads);
    for (size_t i = 0; i < N_METRICS; i++) {
        metric_write(&scrape, &metrics[i]);
    }
    lw_mem_free(scrape.feeds);
    lw_mem_free(scrape.sinks);
    lw_http_send_text(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
    lw_writer_fini(&out);
}
