/* The engine's views as JSON: see serve/view.h. */
#include "serve/view.h"

#include "base/mem.h"
#include "lapwing/state.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

static size_t zeros_at_end(const char *text, size_t n)
{
    size_t n_zeros = 0;

    while (n_zeros < n && text[n - 1 - n_zeros] == '0') {
        n_zeros++;
    }
    return n_zeros;
}

void lw_view_time(struct lw_json *json, int64_t time_ns)
{
    char text[40];
    int64_t seconds, rest;
    int n;

    if (time_ns == INT64_MIN) {
        lw_json_null(json);
        return;
    }
    seconds = time_ns / SECOND_NS;
    rest = time_ns % SECOND_NS;
    n = snprintf(text, sizeof(text), "%s%lld", time_ns < 0 ? "-" : "", llabs(seconds));
    if (rest != 0) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".%09lld", llabs(rest));
        n -= (int)zeros_at_end(text, (size_t)n);
    }
    lw_json_raw(json, text, (size_t)n);
}

const char *lw_view_confidence(uint8_t confidence)
{
    switch (confidence) {
    case LW_FULL:
        return "full";
    case LW_LOW:
        return "low";
    default:
        return "cannot_tell";
    }
}

static void member_int(struct lw_json *json, const char *key, uint64_t value)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)value);
}

static void member_text(struct lw_json *json, const char *key, const char *value)
{
    lw_json_key(json, key);
    lw_json_text(json, value);
}

static void member_bool(struct lw_json *json, const char *key, bool value)
{
    lw_json_key(json, key);
    lw_json_bool(json, value);
}

static void member_float(struct lw_json *json, const char *key, float value)
{
    lw_json_key(json, key);
    lw_json_float(json, value);
}

static void member_time(struct lw_json *json, const char *key, int64_t time_ns)
{
    lw_json_key(json, key);
    lw_view_time(json, time_ns);
}

/* Ids have 64 bits, more than a JSON number keeps in most readers: they go as text. */
static void member_id(struct lw_json *json, const char *key, uint64_t id)
{
    char text[20];

    lw_json_key(json, key);
    if (id == 0) {
        lw_json_null(json);
        return;
    }
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
    lw_json_text(json, text);
}

void lw_view_entity(struct lw_json *json, const struct lw_entity_view *entity)
{
    lw_json_begin_object(json);
    member_int(json, "entity", entity->number);
    member_text(json, "detector", entity->detector);
    member_text(json, "name", entity->name);
    member_int(json, "n_series", entity->n_series);
    member_time(json, "last", entity->last_ns);
    member_text(json, "confidence", lw_view_confidence(entity->confidence));
    member_bool(json, "alarm", entity->alarm);
    member_float(json, "score", entity->score);
    member_bool(json, "has_model", entity->has_model);
    member_id(json, "open_anomaly", entity->open_anomaly);
    lw_json_end(json);
}

void lw_view_series(struct lw_json *json, const struct lw_series_view *series)
{
    lw_json_begin_object(json);
    member_int(json, "series", series->series);
    member_text(json, "name", series->name);
    member_bool(json, "watched", series->watched);
    member_text(json, "confidence", lw_view_confidence(series->confidence));
    member_bool(json, "alarm", series->alarm);
    member_time(json, "last", series->last_ns);
    member_float(json, "value", series->value);
    member_float(json, "expected", series->expected);
    member_float(json, "lower", series->lower);
    member_float(json, "upper", series->upper);
    member_float(json, "score", series->score);
    lw_json_end(json);
}

static void anomaly_contributions(struct lw_json *json, const struct lw_anomaly_view *view)
{
    lw_json_key(json, "contributions");
    lw_json_begin_array(json);
    for (uint32_t i = 0; i < view->anomaly.n_contributions && i < LW_CONTRIBUTIONS_MAX; i++) {
        const struct lw_contribution *contribution = &view->anomaly.contributions[i];

        lw_json_begin_object(json);
        lw_json_key(json, "series");
        if (contribution->series == LW_SERIES_NONE) {
            lw_json_null(json);
        } else {
            lw_json_int(json, contribution->series);
        }
        member_text(json, "name", view->series[i]);
        member_float(json, "share", contribution->share);
        member_float(json, "value", contribution->value);
        member_float(json, "expected", contribution->expected);
        lw_json_end(json);
    }
    lw_json_end(json);
}

void lw_view_anomaly(struct lw_json *json, const struct lw_anomaly_view *view)
{
    const struct lw_anomaly *anomaly = &view->anomaly;

    lw_json_begin_object(json);
    member_id(json, "id", anomaly->id);
    member_int(json, "change", view->change);
    member_text(json, "detector", view->detector);
    lw_json_key(json, "entity");
    if (view->entity_number == UINT32_MAX) {
        lw_json_null(json);
    } else {
        lw_json_int(json, view->entity_number);
    }
    member_text(json, "entity_name", view->entity);
    member_bool(json, "open", anomaly->phase != LW_ANOMALY_CLOSED);
    member_text(json, "type", lw_anomaly_type_name((enum lw_anomaly_type)anomaly->type));
    member_time(json, "start", anomaly->start_ns);
    member_time(json, "last", anomaly->last_ns);
    member_time(json, "peak", anomaly->peak_ns);
    member_float(json, "peak_score", anomaly->peak_score);
    member_float(json, "return_rows", anomaly->return_rows);
    member_int(json, "n_steps", anomaly->n_steps);
    member_text(json, "sentence", view->sentence);
    anomaly_contributions(json, view);
    lw_json_end(json);
}

void lw_view_steps(struct lw_json *json, const struct lw_history_point *steps, size_t n_steps)
{
    static const struct {
        const char *key;
        size_t offset;
    } columns[] = {
        {"value", offsetof(struct lw_history_point, value)},
        {"expected", offsetof(struct lw_history_point, expected)},
        {"lower", offsetof(struct lw_history_point, lower)},
        {"upper", offsetof(struct lw_history_point, upper)},
        {"score", offsetof(struct lw_history_point, score)},
    };

    lw_json_key(json, "time");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n_steps; i++) {
        lw_view_time(json, steps[i].time_ns);
    }
    lw_json_end(json);
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        lw_json_key(json, columns[c].key);
        lw_json_begin_array(json);
        for (size_t i = 0; i < n_steps; i++) {
            lw_json_float(
                json, *(const float *)(const void *)((const char *)&steps[i] + columns[c].offset));
        }
        lw_json_end(json);
    }
    lw_json_key(json, "alarm");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n_steps; i++) {
        lw_json_bool(json, steps[i].alarm);
    }
    lw_json_end(json);
}

static void view_dropped(struct lw_json *json, const struct lw_engine_totals *totals)
{
    lw_json_key(json, "dropped");
    lw_json_begin_object(json);
    member_int(json, "late", totals->late);
    member_int(json, "duplicates", totals->duplicates);
    member_int(json, "not_finite", totals->not_finite);
    member_int(json, "overflow", totals->overflow);
    member_int(json, "unmatched", totals->unmatched);
    member_int(json, "series_refused", totals->series_refused);
    lw_json_end(json);
}

static void view_state(struct lw_json *json, const struct lw_state_totals *state)
{
    lw_json_begin_object(json);
    member_bool(json, "read_only", state->read_only);
    member_bool(json, "checkpoint_failed", state->checkpoint_failed);
    lw_json_key(json, "reason");
    lw_json_text(json, state->reason[0] == '\0' ? NULL : state->reason);
    member_time(json, "checkpoint", state->checkpoint_ns);
    member_int(json, "checkpoint_bytes", state->checkpoint_bytes);
    lw_json_key(json, "checkpoint_seconds");
    lw_json_number(json, state->checkpoint_s);
    member_int(json, "unsnapshot_points", state->unsnapshot_points);
    member_int(json, "journal_pending_bytes", state->pending_bytes);
    lw_json_end(json);
}

/* How many sinks could not be reached or have dead letters. */
static uint64_t sinks_failing(struct lw_engine *engine)
{
    struct lw_sink_view *sinks = lw_mem_calloc(LW_SINKS_MAX, sizeof(*sinks));
    size_t n = sinks == NULL ? 0 : lw_engine_sinks(engine, sinks, LW_SINKS_MAX);
    uint64_t n_failing = 0;

    for (size_t i = 0; i < n && i < LW_SINKS_MAX; i++) {
        n_failing += !sinks[i].gone && (!sinks[i].up || sinks[i].dead_kept > 0) ? 1 : 0;
    }
    lw_mem_free(sinks);
    return n_failing;
}

void lw_view_trouble(struct lw_json *json, struct lw_engine *engine,
                     const struct lw_engine_totals *totals)
{
    struct lw_state_totals state;

    view_dropped(json, totals);
    lw_json_key(json, "state");
    if (lw_engine_state(engine, &state) == LW_OK) {
        view_state(json, &state);
    } else {
        lw_json_null(json); /* None is kept. */
    }
    member_int(json, "sinks_failing", sinks_failing(engine));
}

void lw_view_totals(struct lw_json *json, const struct lw_engine_totals *totals)
{
    member_int(json, "n_detectors", totals->n_detectors);
    member_int(json, "n_entities", totals->n_entities);
    member_int(json, "n_series", totals->n_series);
    member_int(json, "n_models", totals->n_models);
    member_time(json, "counted", totals->counted_ns);
    member_int(json, "samples", totals->samples);
    member_int(json, "verdicts", totals->verdicts);
    member_int(json, "anomalies_opened", totals->anomalies_opened);
    member_int(json, "anomalies_open", totals->anomalies_open);
    member_time(json, "saved", totals->saved_ns);
    member_bool(json, "state_degraded", totals->state_degraded);
    lw_json_key(json, "alarms_promised_per_week");
    lw_json_number(json, totals->alarms_promised_per_week);
    lw_json_key(json, "alarms_per_week");
    lw_json_number(json, totals->alarms_per_week);
}
