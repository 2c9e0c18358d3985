/*
 * The life of an anomaly: from the verdicts of one entity's series to one event with a start, a
 * peak, a type and an end.
 *
 * A step is told as: lw_life_begin(), then lw_life_take() for each verdict and lw_life_contribute()
 * for what tier 1 blames, then lw_life_end(), which says whether there is something to hand out.
 * Steps without verdicts are told too: quiet is counted in steps. With step "sample" each verdict
 * is a step of its own; quiet_steps is then per entity, so multiply it by the number of series.
 */
#ifndef LW_DETECT_ANOMALY_H
#define LW_DETECT_ANOMALY_H

#include "base/bytes.h"
#include "detect/hysteresis.h"
#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stdint.h>

/* Series remembered while an anomaly is open: more than are handed out, so that a late culprit can
 * still rise. */
#define LW_LIFE_SERIES_MAX 12
#define LW_LIFE_TYPES (LW_TYPE_RANGE + 1)

/* Compiled per detector and entity. */
struct lw_life_rule {
    uint64_t seed;        /* Of ids: a hash of detector and entity. */
    uint32_t quiet_steps; /* Closes at so many steps in a row without alarm (at least 1) ... */
    int64_t quiet_ns;     /* ... and so much time since the last (0: steps alone count). */
    struct lw_hysteresis hysteresis; /* Opens when an onset came and m of the last n steps were
                                        anomalous; starts at the onset. */
};

struct lw_life_series {
    uint32_t series;
    float energy; /* Surprise, squared and summed over the anomaly. */
    float worst;  /* Largest energy of one step, and the two values of then. */
    float value;
    float expected;
};

/* How the deviation of the leading series went: sums over its anomalous steps. */
struct lw_life_shape {
    uint32_t series;
    uint32_t n, n_above, n_below;
    int64_t first_ns;
    double sum_x, sum_xx, sum_y, sum_xy, sum_yy; /* x: steps since the start; y: deviation in half
                                                    band widths. */
};

/* All zero is a fresh one: lw_life_init(). Plain data. */
struct lw_life {
    uint64_t id;     /* Of the anomaly that is open, or of the last one. */
    int64_t time_ns; /* Of the step being told. */
    int64_t start_ns, last_ns, peak_ns;
    uint64_t history;     /* Of m of n. */
    uint32_t quiet;       /* Steps since the last alarm. */
    uint32_t age;         /* Steps since the start. */
    uint32_t n_steps;     /* Anomalous ones. */
    uint32_t told_series; /* Leading series as last handed out. */
    float peak_score, return_rows;
    float told_score; /* Peak as last handed out. */
    float energy;     /* Of all series together, remembered or not. */
    float blamed;     /* Energy of this step's entity verdict, which tier 1 shares out. */
    uint8_t told_type;
    uint8_t n_series;
    bool open;
    bool armed; /* An onset waits for m of n, or it is open. */
    bool step_alarm, step_onset;
    float weights[LW_LIFE_TYPES]; /* Energy by the type that verdicts said. */
    struct lw_life_shape shape;
    struct lw_life_series series[LW_LIFE_SERIES_MAX];
};

void lw_life_init(struct lw_life *life);
/* A step starts, in time order (with step "row" times may repeat). */
void lw_life_begin(struct lw_life *life, int64_t time_ns);
/*
 * One verdict of this step. Only alarms and onsets count; an onset opens, so the caller clears
 * onset where it must not notify (as while confidence is low). With LW_SERIES_NONE the blame comes
 * by lw_life_contribute().
 */
void lw_life_take(struct lw_life *life, const struct lw_verdict *verdict);
/*
 * Tier 1 blames a series for this step, after its verdict about the entity was taken: share >= 0,
 * of all series together 1. Nothing happens when the entity's verdict was no alarm.
 */
void lw_life_contribute(struct lw_life *life, uint32_t series, float share, float value,
                        float expected);
/* The step is told. True when *ret_anomaly was filled and is to be handed out: opened, updated or
 * closed. */
bool lw_life_end(const struct lw_life_rule *rule, struct lw_life *life,
                 struct lw_anomaly *ret_anomaly);
/* Is an anomaly open? Then steps must be told even if no sample comes. */
bool lw_life_open(const struct lw_life *life);
/* Nothing open, nothing pending: telling steps without alarms would change nothing. */
bool lw_life_idle(const struct lw_life *life);
void lw_life_save(const struct lw_life *life, struct lw_writer *writer);
/* LW_EFORMAT when the bytes end early or cannot be. */
enum lw_status lw_life_load(struct lw_life *ret_life, struct lw_reader *reader,
                            struct lw_error *reterr) LW_MUST_USE;

#endif
