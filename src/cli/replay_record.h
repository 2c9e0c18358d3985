/*
 * What a replay keeps of its verdicts for people: each series' newest readings, the anomalies with
 * a sparkline each, and traces for plots.
 *
 * One recorder per shard, used by that shard's thread while it works and by the main thread after a
 * flush.
 */
#ifndef LW_CLI_REPLAY_RECORD_H
#define LW_CLI_REPLAY_RECORD_H

#include "cli/plot.h"
#include "cli/spark.h"
#include "lapwing/engine.h"

/* Anomalies kept for the summary and the plots, the strongest ones; the others are counted. */
#define LW_REPLAY_ANOMALIES_MAX 500
/* Series whose readings are kept for sparklines, and traces kept for plots, of all shards. */
#define LW_REPLAY_TRACKS_MAX 200000
#define LW_REPLAY_TRACES_MAX 400

/* An anomaly that has ended. */
struct lw_replay_anomaly {
    struct lw_anomaly anomaly;
    uint32_t entity_number;
    bool was_open; /* When the input ended. */
    char entity[LW_NAME_MAX];
    char detector[LW_SHORT_NAME_MAX];
    char series[LW_NAME_MAX]; /* The one that moved most; "": none. */
    char sentence[1024];
    struct lw_spark spark;
};

struct lw_replay_recorder;

/* With `has_traces` for plots. NULL without memory. */
struct lw_replay_recorder *lw_replay_recorder_create(bool has_traces, uint32_t n_shards);
/* Takes NULL. */
void lw_replay_recorder_destroy(struct lw_replay_recorder *recorder);
void lw_replay_recorder_verdict(struct lw_replay_recorder *recorder,
                                const struct lw_engine_verdict *verdict);
void lw_replay_recorder_anomaly(struct lw_replay_recorder *recorder,
                                const struct lw_engine_anomaly *anomaly);
/* While an input is being ended, anomalies that close were still open. */
void lw_replay_recorder_end(struct lw_replay_recorder *recorder, bool is_ending);

/* The anomalies kept; valid until the recorder is used again. */
const struct lw_replay_anomaly *lw_replay_recorder_anomalies(
    const struct lw_replay_recorder *recorder, size_t *ret_n);
/* Series that had no room for a trace. */
uint64_t lw_replay_recorder_untraced(const struct lw_replay_recorder *recorder);
/* The trace of a series, or NULL. */
const struct lw_trace *lw_replay_recorder_trace(const struct lw_replay_recorder *recorder,
                                                uint32_t entity_number, uint32_t series);
/* Something was lost for want of memory: only the summary suffers. */
bool lw_replay_recorder_is_incomplete(const struct lw_replay_recorder *recorder);
/* Which of two anomalies is the stronger: > 0 when a is. Ties fall by time, entity and id, so that
 * the order is always the same. */
int lw_replay_anomaly_compare(const struct lw_replay_anomaly *a, const struct lw_replay_anomaly *b);

#endif
