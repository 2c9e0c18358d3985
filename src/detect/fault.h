/*
 * Faults of the data itself, watched for each series: silent, stuck, reset, duplicated, skewed
 * clock.
 *
 * The caller tells what happens; each call returns the type of a fault that begins with it, else
 * LW_TYPE_NONE. lw_fault_active() says what holds now and since when, so an end is a call after
 * which it says less. The state is plain data of at most 96 bytes.
 */
#ifndef LW_DETECT_FAULT_H
#define LW_DETECT_FAULT_H

#include "base/bytes.h"
#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stdint.h>

/* Compiled per detector, immutable. */
struct lw_fault_config {
    int64_t step_ns;         /* Step of the detector; 0 with step "sample" or "row". */
    int64_t lateness_ns;     /* Allowed lateness. */
    int64_t silent_after_ns; /* A series is silent after exactly this long; 0: learn it. */
    int64_t silent_least_ns; /* When learnt: never sooner than this (0: 60 s). */
    int64_t budget_ns;       /* Resets are reported at most once in this much time (0: a week). */
};

/* Plain data, made by lw_fault_init(). Times and values are valid once n_samples > 0. */
struct lw_fault {
    int64_t last_time_ns; /* Of the last sample. */
    double last_value;
    int64_t run_start_ns; /* Since when the value is what it is. */
    int64_t duplicate_ns; /* Since when samples come twice; valid while the flag says so. */
    int64_t skew_ns;      /* Since when time stamps look skewed; valid while there is evidence. */
    uint32_t period_min;  /* Minute since 1970 when the newer of the two periods below began. */
    uint32_t reset_min;   /* Minute of the last reset reported; 0: none. */
    float typical_s, wide_s; /* Median and .95 quantile of intervals; 0: none yet. */
    float gap_s[2];          /* Longest interval of this period and of the one before. */
    float repeats;           /* Share of samples that repeat the one before. */
    float least, greatest;   /* Of all values; NaN: none yet. */
    float lag_s; /* How far behind (or before: negative) the watermark the skewed samples are. */
    uint32_t watermark_mark; /* Tells whether the watermark has moved. */
    uint16_t run[2]; /* Longest run of one value of this period and of the one before; saturates. */
    uint16_t run_length; /* Of the value of now; saturates. */
    uint16_t n_samples;  /* Saturates. */
    uint16_t duplicates; /* Share of duplicates lately, in 1/65536. */
    uint16_t flags;
};

void lw_fault_init(struct lw_fault *fault);
/* One sample as it is folded: in time order, when its step closes. NaN only says that the series
 * speaks. STUCK or NONE. */
enum lw_anomaly_type lw_fault_sample(const struct lw_fault_config *config, struct lw_fault *fault,
                                     int64_t time_ns, double value);
/* The moment from which on the series counts as silent if nothing more comes; INT64_MAX: cannot
 * tell. Changes with samples only. */
int64_t lw_fault_silent_at(const struct lw_fault_config *config, const struct lw_fault *fault);
/* Event time has come to now_ns. SILENT, since lw_fault_silent_at(), or NONE. */
enum lw_anomaly_type lw_fault_advance(const struct lw_fault_config *config, struct lw_fault *fault,
                                      int64_t now_ns);
/*
 * Has the silence lasted so long that the series counts as gone: an hour, and ten times the wait?
 * Whoever keeps an anomaly open for a silent series lets it end then: series go away for good.
 */
bool lw_fault_gone(const struct lw_fault_config *config, const struct lw_fault *fault,
                   int64_t now_ns);
/*
 * Nobody listened until now_ns, as while the host of the operator was down: the time since the last
 * sample counts neither as silence nor as an interval of the series.
 */
void lw_fault_resume(struct lw_fault *fault, int64_t now_ns);
/* Is the last moment such a resumption, and no sample's? */
bool lw_fault_is_resumed(const struct lw_fault *fault);
/* A sample arrived and was taken, while the watermark was at watermark_ns (INT64_MIN: none yet).
 * SKEW or NONE. */
enum lw_anomaly_type lw_fault_arrival(const struct lw_fault_config *config, struct lw_fault *fault,
                                      int64_t time_ns, int64_t watermark_ns);
/* A sample arrived too late. SKEW or NONE. */
enum lw_anomaly_type lw_fault_late(const struct lw_fault_config *config, struct lw_fault *fault,
                                   int64_t time_ns, int64_t watermark_ns);
/* A sample arrived again. DUPLICATE or NONE. */
enum lw_anomaly_type lw_fault_duplicate(const struct lw_fault_config *config,
                                        struct lw_fault *fault, int64_t time_ns);
/* The counter behind the series went back at time_ns. RESET when that is worth telling, else NONE.
 * Over at once: never active. */
enum lw_anomaly_type lw_fault_reset(const struct lw_fault_config *config, struct lw_fault *fault,
                                    int64_t time_ns);
/*
 * The fault that holds now, the first of several in the order skewed (which explains the others),
 * silent, stuck, duplicated; *ret_start_ns (may be NULL) is since when, untouched for LW_TYPE_NONE.
 */
enum lw_anomaly_type lw_fault_active(const struct lw_fault_config *config,
                                     const struct lw_fault *fault, int64_t *ret_start_ns);
void lw_fault_save(const struct lw_fault *fault, struct lw_writer *writer);
/* LW_EFORMAT when the bytes end early or cannot be. */
enum lw_status lw_fault_load(struct lw_fault *ret_fault, struct lw_reader *reader,
                             struct lw_error *reterr) LW_MUST_USE;

#endif
