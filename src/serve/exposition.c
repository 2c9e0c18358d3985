/*
 * GET /metrics: the text format of Prometheus, version 0.0.4.
 *
 * The table at the end names every metric with its type, unit, labels and help; what it does not
 * name does not exist. Counters count from the start of the process.
 */
#include "serve/exposition.h"
#include "serve/exposition_internal.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
     lw_scrape_write_build_info},
    {{"lapwing_ready", "gauge", "", "", "1 when the state is loaded and the sources run."},
     from_ready,
     NULL},
    {{"lapwing_series", "gauge", "", "", "Series watched."}, from_series, NULL},
    {{"lapwing_entities", "gauge", "", "tier",
      "Entities watched: by their series alone (0), and also by a trained model (1); without "
      "the tier 1 they would have, for want of memory; and those that expired."},
     NULL,
     lw_scrape_write_entities},
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
     lw_scrape_write_series_refused},
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
     lw_scrape_write_samples},
    {{"lapwing_samples_dropped_total", "counter", "", "source, reason",
      "Samples not scored: by a source, or by the engine when its rules leave them out."},
     NULL,
     lw_scrape_write_dropped},
    {{"lapwing_push_series", "gauge", "", "source",
      "Series that clients of a push protocol have brought and not abandoned."},
     NULL,
     lw_scrape_write_push_series},
    {{"lapwing_source_watermark_timestamp_seconds", "gauge", "seconds", "source",
      "Event time up to which a source is complete."},
     NULL,
     lw_scrape_write_watermarks},
    {{"lapwing_resets_total", "counter", "", "", "Counter resets bridged."}, from_resets, NULL},
    {{"lapwing_verdicts_total", "counter", "", "", "Verdicts given."}, from_verdicts, NULL},
    {{"lapwing_verdict_seconds", "histogram", "seconds", "",
      "From a sample's delivery to its step's verdict."},
     NULL,
     lw_scrape_write_delays},
    {{"lapwing_anomalies_total", "counter", "", "type", "Anomalies opened."},
     NULL,
     lw_scrape_write_anomalies},
    {{"lapwing_anomalies_open", "gauge", "", "", "Anomalies open now."}, from_open, NULL},
    {{"lapwing_sink_delivered_total", "counter", "", "sink",
      "Tellings that a sink took, repeats of open anomalies among them."},
     NULL,
     lw_scrape_write_sink_delivered},
    {{"lapwing_sink_retries_total", "counter", "", "sink",
      "Attempts to tell a sink that have to be made again."},
     NULL,
     lw_scrape_write_sink_retried},
    {{"lapwing_sink_dead_letters_total", "counter", "", "sink",
      "Events that a sink refused or that grew too old for it."},
     NULL,
     lw_scrape_write_sink_dead},
    {{"lapwing_sink_dead_letters_dropped_total", "counter", "", "sink",
      "Dead letters dropped because there were too many, and events that cannot be read."},
     NULL,
     lw_scrape_write_sink_dead_dropped},
    {{"lapwing_sink_pending", "gauge", "", "sink", "Events that a sink has yet to be told."},
     NULL,
     lw_scrape_write_sink_pending},
    {{"lapwing_sink_oldest_pending_seconds", "gauge", "seconds", "sink",
      "Age of the oldest of them; 0: there is none."},
     NULL,
     lw_scrape_write_sink_oldest},
    {{"lapwing_sink_up", "gauge", "", "sink",
      "1 when the last attempt reached the sink, and before the first."},
     NULL,
     lw_scrape_write_sink_up},
    {{"lapwing_scores_rows_total", "counter", "", "outcome",
      "Rows of scores for the store that takes them: written, dropped as its buffers were full, or "
      "refused by it."},
     NULL,
     lw_scrape_write_scores},
    {{"lapwing_scores_requests_failed_total", "counter", "", "",
      "Requests to that store without success."},
     NULL,
     lw_scrape_write_scores_failed},
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
     lw_scrape_write_requests},
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
    lw_scrape_put(scrape, "# HELP ");
    lw_scrape_put(scrape, metric->text.name);
    lw_scrape_put(scrape, " ");
    lw_scrape_put(scrape, metric->text.help);
    lw_scrape_put(scrape, "\n# TYPE ");
    lw_scrape_put(scrape, metric->text.name);
    lw_scrape_put(scrape, " ");
    lw_scrape_put(scrape, metric->text.type);
    lw_scrape_put(scrape, "\n");
    if (metric->write != NULL) {
        metric->write(scrape);
    } else {
        lw_scrape_put_plain(scrape, metric->number(scrape));
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
