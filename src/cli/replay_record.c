/* What a replay keeps of its verdicts: see cli/replay_record.h. */
#include "cli/replay_record.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/*
 * Readings before an anomaly that its sparkline shows: a short anomaly and the quiet steps behind
 * it then fit into the sparkline one by one.
 */
#define RING_READINGS 16

/* What is kept of one series. */
struct track {
    float ring[RING_READINGS]; /* Newest readings. */
    uint32_t next, n;
    struct lw_spark *spark; /* While an anomaly of which it is the first series is open. */
    struct lw_trace *trace;
};

struct entity_tracks {
    struct track **tracks; /* n_tracks, NULL where nothing is kept. */
    uint32_t n_tracks;
    uint32_t open_series; /* The series with the spark; LW_SERIES_NONE: no anomaly is open. */
};

struct lw_replay_recorder {
    bool has_traces, is_ending, is_incomplete;
    struct entity_tracks *entities;
    uint32_t n_entities;
    size_t n_tracks, tracks_max, n_traces, traces_max;
    uint64_t n_untraced;
    struct lw_replay_anomaly *anomalies; /* LW_REPLAY_ANOMALIES_MAX. */
    size_t n_anomalies;
};

struct lw_replay_recorder *lw_replay_recorder_create(bool has_traces, uint32_t n_shards)
{
    struct lw_replay_recorder *recorder = lw_mem_calloc(1, sizeof(*recorder));

    if (recorder == NULL) {
        return NULL;
    }
    recorder->has_traces = has_traces;
    recorder->tracks_max = LW_REPLAY_TRACKS_MAX / n_shards;
    recorder->traces_max = LW_REPLAY_TRACES_MAX / n_shards;
    recorder->anomalies = lw_mem_calloc(LW_REPLAY_ANOMALIES_MAX, sizeof(*recorder->anomalies));
    if (recorder->anomalies == NULL) {
        lw_replay_recorder_destroy(recorder);
        return NULL;
    }
    return recorder;
}

void lw_replay_recorder_destroy(struct lw_replay_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    for (uint32_t e = 0; e < recorder->n_entities; e++) {
        struct entity_tracks *entity = &recorder->entities[e];

        for (uint32_t i = 0; i < entity->n_tracks; i++) {
            if (entity->tracks[i] != NULL) {
                lw_mem_free(entity->tracks[i]->spark);
                lw_mem_free(entity->tracks[i]->trace);
                lw_mem_free(entity->tracks[i]);
            }
        }
        lw_mem_free(entity->tracks);
    }
    lw_mem_free(recorder->entities);
    lw_mem_free(recorder->anomalies);
    lw_mem_free(recorder);
}

/* ---- tracks ---- */

static struct entity_tracks *entity_at(struct lw_replay_recorder *recorder, uint32_t number)
{
    if (number >= recorder->n_entities) {
        uint32_t n = number + 1 > recorder->n_entities * 2 ? number + 1 : recorder->n_entities * 2;
        struct entity_tracks *entities = lw_mem_realloc(recorder->entities, n * sizeof(*entities));

        if (entities == NULL) {
            return NULL;
        }
        for (uint32_t i = recorder->n_entities; i < n; i++) {
            entities[i] = (struct entity_tracks){.open_series = LW_SERIES_NONE};
        }
        recorder->entities = entities;
        recorder->n_entities = n;
    }
    return &recorder->entities[number];
}

static bool tracks_grow(struct entity_tracks *entity, uint32_t series)
{
    uint32_t n = series + 1 > entity->n_tracks * 2 ? series + 1 : entity->n_tracks * 2;
    struct track **tracks = lw_mem_realloc(entity->tracks, n * sizeof(struct track *));

    if (tracks == NULL) {
        return false;
    }
    memset(tracks + entity->n_tracks, 0, (n - entity->n_tracks) * sizeof(struct track *));
    entity->tracks = tracks;
    entity->n_tracks = n;
    return true;
}

static struct track *track_create(struct lw_replay_recorder *recorder)
{
    struct track *track;

    if (recorder->n_tracks == recorder->tracks_max) {
        return NULL;
    }
    track = lw_mem_calloc(1, sizeof(*track));
    if (track == NULL) {
        recorder->is_incomplete = true;
        return NULL;
    }
    recorder->n_tracks++;
    if (recorder->has_traces && recorder->n_traces < recorder->traces_max) {
        track->trace = lw_mem_alloc(sizeof(*track->trace));
    }
    if (track->trace != NULL) {
        lw_trace_init(track->trace);
        recorder->n_traces++;
    } else if (recorder->has_traces) {
        recorder->n_untraced++;
    }
    return track;
}

/* The track of a series, made when it is new; NULL beyond the bound. */
static struct track *track_at(struct lw_replay_recorder *recorder, uint32_t number, uint32_t series)
{
    struct entity_tracks *entity = entity_at(recorder, number);

    if (entity == NULL || (series >= entity->n_tracks && !tracks_grow(entity, series))) {
        recorder->is_incomplete = true;
        return NULL;
    }
    if (entity->tracks[series] == NULL) {
        entity->tracks[series] = track_create(recorder);
    }
    return entity->tracks[series];
}

void lw_replay_recorder_verdict(struct lw_replay_recorder *recorder,
                                const struct lw_engine_verdict *named)
{
    const struct lw_verdict *verdict = named->verdict;
    struct track *track;

    if (verdict->series == LW_SERIES_NONE) {
        return;
    }
    track = track_at(recorder, named->entity_number, verdict->series);
    if (track == NULL) {
        return;
    }
    if (track->spark != NULL) {
        lw_spark_add(track->spark, verdict->value, verdict->alarm);
    }
    track->ring[track->next] = verdict->value;
    track->next = track->next + 1 == RING_READINGS ? 0 : track->next + 1;
    track->n += track->n < RING_READINGS ? 1 : 0;
    if (track->trace != NULL) {
        lw_trace_add(track->trace, verdict->time_ns, verdict->value, verdict->lower,
                     verdict->upper);
    }
}

/* ---- anomalies ---- */

/* A spark that begins with the readings before; the newest of them is the anomaly's first. */
static struct lw_spark *spark_begin(const struct track *track)
{
    struct lw_spark *spark = lw_mem_alloc(sizeof(*spark));

    if (spark == NULL) {
        return NULL;
    }
    lw_spark_init(spark);
    for (uint32_t i = 0; i < track->n; i++) {
        uint32_t at = (track->next + RING_READINGS - track->n + i) % RING_READINGS;

        lw_spark_add(spark, track->ring[at], i + 1 == track->n);
    }
    return spark;
}

static void anomaly_open(struct lw_replay_recorder *recorder, const struct lw_engine_anomaly *named)
{
    const struct lw_anomaly *anomaly = named->anomaly;
    struct entity_tracks *entity = entity_at(recorder, named->entity_number);
    uint32_t series = LW_SERIES_NONE;
    struct track *track;

    for (uint32_t i = 0; i < anomaly->n_contributions && series == LW_SERIES_NONE; i++) {
        series = anomaly->contributions[i].series;
    }
    if (entity == NULL || series == LW_SERIES_NONE) {
        return;
    }
    track = track_at(recorder, named->entity_number, series);
    entity = &recorder->entities[named->entity_number];
    if (track != NULL && track->spark == NULL) {
        track->spark = spark_begin(track);
        entity->open_series = series;
    }
}

/* Where a further anomaly goes: the next free place, or the weakest one's when it is stronger. */
static struct lw_replay_anomaly *place_find(struct lw_replay_recorder *recorder,
                                            const struct lw_replay_anomaly *wanted)
{
    struct lw_replay_anomaly *weakest = &recorder->anomalies[0];

    if (recorder->n_anomalies < LW_REPLAY_ANOMALIES_MAX) {
        return &recorder->anomalies[recorder->n_anomalies++];
    }
    for (size_t i = 1; i < recorder->n_anomalies; i++) {
        if (lw_replay_anomaly_compare(&recorder->anomalies[i], weakest) < 0) {
            weakest = &recorder->anomalies[i];
        }
    }
    return lw_replay_anomaly_compare(wanted, weakest) > 0 ? weakest : NULL;
}

static void anomaly_close(struct lw_replay_recorder *recorder,
                          const struct lw_engine_anomaly *named)
{
    struct lw_replay_anomaly kept = {.anomaly = *named->anomaly,
                                     .entity_number = named->entity_number,
                                     .was_open = recorder->is_ending};
    struct entity_tracks *entity = entity_at(recorder, named->entity_number);
    struct lw_replay_anomaly *place;
    struct track *track = NULL;

    (void)snprintf(kept.entity, sizeof(kept.entity), "%s", named->entity);
    (void)snprintf(kept.detector, sizeof(kept.detector), "%s", named->detector);
    for (uint32_t i = 0; i < named->anomaly->n_contributions && kept.series[0] == '\0'; i++) {
        (void)snprintf(kept.series, sizeof(kept.series), "%s",
                       named->series[i] == NULL ? "" : named->series[i]);
    }
    (void)snprintf(kept.sentence, sizeof(kept.sentence), "%s", named->sentence);
    if (entity != NULL && entity->open_series < entity->n_tracks) {
        track = entity->tracks[entity->open_series];
        entity->open_series = LW_SERIES_NONE;
    }
    if (track != NULL && track->spark != NULL) {
        kept.spark = *track->spark;
        lw_mem_free(track->spark);
        track->spark = NULL;
    }
    place = place_find(recorder, &kept);
    if (place != NULL) {
        *place = kept;
    }
}

void lw_replay_recorder_anomaly(struct lw_replay_recorder *recorder,
                                const struct lw_engine_anomaly *named)
{
    if (named->anomaly->phase == LW_ANOMALY_OPENED) {
        anomaly_open(recorder, named);
    } else if (named->anomaly->phase == LW_ANOMALY_CLOSED) {
        anomaly_close(recorder, named);
    }
}

void lw_replay_recorder_end(struct lw_replay_recorder *recorder, bool is_ending)
{
    recorder->is_ending = is_ending;
}

const struct lw_replay_anomaly *lw_replay_recorder_anomalies(
    const struct lw_replay_recorder *recorder, size_t *ret_n)
{
    *ret_n = recorder->n_anomalies;
    return recorder->anomalies;
}

uint64_t lw_replay_recorder_untraced(const struct lw_replay_recorder *recorder)
{
    return recorder->n_untraced;
}

const struct lw_trace *lw_replay_recorder_trace(const struct lw_replay_recorder *recorder,
                                                uint32_t entity_number, uint32_t series)
{
    const struct entity_tracks *entity = entity_number < recorder->n_entities
                                             ? &recorder->entities[entity_number]
                                             : NULL;

    if (entity == NULL || series >= entity->n_tracks || entity->tracks[series] == NULL) {
        return NULL;
    }
    return entity->tracks[series]->trace;
}

bool lw_replay_recorder_is_incomplete(const struct lw_replay_recorder *recorder)
{
    return recorder->is_incomplete;
}

static int number_compare(double a, double b)
{
    return a > b ? 1 : (a < b ? -1 : 0);
}

int lw_replay_anomaly_compare(const struct lw_replay_anomaly *a, const struct lw_replay_anomaly *b)
{
    int order = number_compare((double)a->anomaly.return_rows, (double)b->anomaly.return_rows);

    order = order != 0
                ? order
                : number_compare((double)a->anomaly.peak_score, (double)b->anomaly.peak_score);
    if (order == 0 && a->anomaly.start_ns != b->anomaly.start_ns) {
        order = a->anomaly.start_ns < b->anomaly.start_ns ? 1 : -1;
    }
    order = order != 0 ? order : strcmp(b->entity, a->entity);
    if (order == 0 && a->anomaly.id != b->anomaly.id) {
        order = a->anomaly.id < b->anomaly.id ? 1 : -1;
    }
    return order;
}
