/*
 * What there is to learn from: rows, gaps, what is missing, constant, stuck, out of all bounds, or
 * not what it was; said before anything is trained.
 */
#ifndef LW_TRAIN_QUALITY_H
#define LW_TRAIN_QUALITY_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Known values a metric needs in an entity, as a share of its rows. */
#define LW_QUALITY_KNOWN_LEAST 0.05
/* A metric that moved by so many times its spread has drifted. */
#define LW_QUALITY_DRIFT 2.0

/* Something to say of a metric of an entity; a bit each. */
enum lw_finding {
    LW_FINDING_MISSING = 1 << 0,  /* Hardly ever known: left out. */
    LW_FINDING_CONSTANT = 1 << 1, /* One value throughout. */
    LW_FINDING_FLAG = 1 << 2,     /* 0 and 1 only. */
    LW_FINDING_STUCK = 1 << 3,    /* Stood still for long, though it moves otherwise. */
    LW_FINDING_EXTREME = 1 << 4,  /* A few values far outside the range of all others. */
    LW_FINDING_COUNTER = 1 << 5,  /* Only ever rises: it should be taken as a rate. */
    LW_FINDING_DRIFT = 1 << 6     /* The last third is not like the first. */
};
#define LW_FINDINGS 7
/* "missing", "constant" ... by bit number. */
const char *lw_finding_name(unsigned bit);

/* Rows of one entity as they were collected. All borrowed. */
struct lw_training_source {
    const char *name;
    const float *rows; /* [n_rows][stride] Raw values by series; NaN: missing. */
    size_t n_rows, stride, n_series;
    const char *const *series; /* [n_series] Names, each once. */
    const float *natural;      /* [n_series] Natural units (detect/views.h); NULL: none. */
    const int64_t *times_ns;   /* [n_rows] Never falling within the entity; NULL: not kept. */
    const size_t *runs;        /* [n_runs] Stretches of neighbouring rows. */
    size_t n_runs;
    uint64_t n_seen; /* Rows there were, kept or not. */
    uint64_t late, duplicates, not_finite, overflow;
};

/* One metric of one entity. */
struct lw_quality_metric {
    unsigned findings; /* Bits of enum lw_finding. */
    size_t n_known;
    double minimum, median, maximum; /* NaN where nothing is known. */
    size_t longest_still;            /* Rows of the longest stretch of one value. */
    size_t n_extreme;
    double shift; /* Of the median from the first third to the last, in spreads; NaN: unknown. */
};

/* One entity. */
struct lw_quality_entity {
    double step_s; /* The usual time between rows; 0: none is known. */
    size_t n_gaps; /* Neighbouring rows more than one and a half steps apart; 0 without times. */
    double longest_gap_s;
    double missing_share;
    size_t n_findings;                 /* Metrics with any of: see lw_quality_is_told(). */
    struct lw_quality_metric *metrics; /* [n_series] */
};

/* Whether findings are worth telling of a single metric: a flag is no trouble. */
bool lw_quality_is_told(unsigned findings);
/* Seconds to nine significant digits: what comes of nanoseconds has no more. */
double lw_quality_seconds(double seconds);
/* step_s: the detector's; 0: what most neighbouring rows show. LW_ENOMEM. The caller owns the
 * result: lw_quality_fini(). O(n_rows n_series). */
enum lw_status lw_quality_judge(const struct lw_training_source *source, double step_s,
                                struct lw_quality_entity *ret_quality,
                                struct lw_error *reterr) LW_MUST_USE;
/* Takes a cleared one. */
void lw_quality_fini(struct lw_quality_entity *quality);

#endif
