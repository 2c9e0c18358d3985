/* History of a Prometheus server, replayed: see cli/replay_internal.h. */
#include "cli/replay_internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/summary.h"

#include <stdio.h>

#define DAY_NS (INT64_C(86400) * LW_REPLAY_SECOND_NS)
#define SHARE_WHOLE 1000000 /* Of the progress bar. */

static void told(void *context, const char *sentence)
{
    struct replay *replay = context;

    if (!replay->options.is_quiet) {
        lw_replay_say(replay, "%s", sentence);
    }
}

/* Reads the range to its end. */
static void range_read(struct replay *replay, struct lw_source_prometheus_range *source)
{
    bool has_more = true;

    while (has_more && !replay->is_failed) {
        struct lw_prometheus_range_totals totals;
        struct lw_error error;
        enum lw_status status;

        lw_replay_turn(replay);
        status = lw_source_prometheus_range_next(source, &has_more, &error);
        if (status != LW_OK) {
            lw_replay_say(replay, "%s", error.message);
            replay->is_input_bad = true;
            has_more = false;
        }
        lw_replay_write(replay);
        totals = lw_source_prometheus_range_totals(source);
        replay->n_samples = replay->n_rows = totals.points;
        replay->first_ns = totals.first_ns;
        replay->last_ns = totals.last_ns;
        lw_progress_update(
            &replay->progress,
            (uint64_t)(lw_source_prometheus_range_share(source) * (double)SHARE_WHOLE), SHARE_WHOLE,
            replay->n_samples);
    }
}

/* One line of what there was. */
static void range_say(struct replay *replay, const struct lw_source_prometheus_range *source)
{
    struct lw_prometheus_range_totals totals = lw_source_prometheus_range_totals(source);
    char first[64], last[64];

    if (totals.points == 0) {
        if (!replay->is_input_bad) {
            lw_replay_say(replay, "%s: the queries have no values between --from and --to",
                          replay->options.prometheus.url);
            replay->is_input_bad = true;
        }
        return;
    }
    lw_moment_format(totals.first_ns, first, sizeof(first));
    lw_moment_format(totals.last_ns, last, sizeof(last));
    if (!replay->options.is_quiet) {
        lw_replay_say(replay, "%s: %u series, %llu values, %s to %s, by %llu requests",
                      replay->options.prometheus.url, totals.n_series,
                      (unsigned long long)totals.points, first, last,
                      (unsigned long long)totals.requests);
    }
}

enum lw_exit lw_replay_server(struct replay *replay)
{
    const struct lw_replay_prometheus *asked = &replay->options.prometheus;
    int64_t to_ns = asked->has_to ? asked->to_ns : lw_clock_real_ns();
    const struct lw_prometheus_range_setup setup = {.url = asked->url,
                                                    .queries = asked->queries,
                                                    .n_queries = asked->n_queries,
                                                    .from_ns = asked->has_from ? asked->from_ns
                                                                               : to_ns - DAY_NS,
                                                    .to_ns = to_ns,
                                                    .step_ns = replay->options.csv.interval_ns,
                                                    .header_file = asked->header_file,
                                                    .ca_file = asked->ca_file,
                                                    .feed = &replay->feed,
                                                    .tell = told,
                                                    .context = replay};
    struct lw_source_prometheus_range *source = NULL;
    struct lw_error error;
    enum lw_status status = lw_source_prometheus_range_open(&setup, &source, &error);
    enum lw_exit code;

    if (status != LW_OK) {
        lw_replay_say(replay, "%s", error.message);
        return status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_USAGE;
    }
    code = lw_replay_detectors_begin(replay, NULL);
    if (code == LW_EXIT_OK) {
        range_read(replay, source);
        range_say(replay, source);
    }
    lw_source_prometheus_range_close(source);
    return code;
}
