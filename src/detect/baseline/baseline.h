/*
 * Tier 0: what one series normally does, learnt online in one pass and one fixed-size state.
 *
 * Formulas and measurements: docs/models/baseline.md. A state belongs to one thread; a
 * configuration is immutable and shared.
 */
#ifndef LW_DETECT_BASELINE_BASELINE_H
#define LW_DETECT_BASELINE_BASELINE_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stdint.h>

struct lw_calendar; /* Local time and holidays: feature/calendar.h; NULL means UTC without holidays.
                     */
struct lw_tail; /* Pooled incident tail of a detector: detect/tail.h; NULL means the stated prior.
                 */

enum lw_direction { LW_DIRECTION_BOTH, LW_DIRECTION_UP, LW_DIRECTION_DOWN };

/* Compiled per metric, immutable, shared by all series of the metric. */
struct lw_baseline_config {
    int64_t step_ns;   /* The step's length; 0: learn the sampling step from the time stamps. */
    int64_t budget_ns; /* At most one false alarm in this much time, for this series (shares already
                          multiplied in); 0: a week. */
    int64_t budget_rows; /* And not less than one in this many rows; 0: none. */
    /*
     * The operating point of the published tables: 7 days or 800 rows, whichever is shorter, unless
     * a budget is given; and any new value is an event, bounded by its vigilance alone. Nothing is
     * muted: see confidence.
     */
    bool benchmark;
    enum lw_direction direction;
    double floor_absolute;       /* A deviation smaller than this, in the metric's unit, is never
                                    anomalous; 0: none. */
    double floor_relative;       /* The same as a share of the expected value; 0: none. */
    double legal_min, legal_max; /* Values outside are anomalous at once; -INFINITY, INFINITY: none.
                                  */
    const struct lw_calendar *calendar;
    const struct lw_tail *tail;
};

enum lw_confidence {
    LW_CONFIDENCE_NONE, /* Fewer than 20 rows: cannot tell yet. */
    LW_CONFIDENCE_LOW, /* Within the first day (300 to 600 rows; 7 days when that is fewer): mark an
                          onset, do not notify. */
    LW_CONFIDENCE_FULL
};

/* Which signal drove a row; the anomaly's type is made from it and the shape since. */
enum lw_baseline_kind {
    LW_KIND_NONE,
    LW_KIND_SPIKE,
    LW_KIND_DROP,
    LW_KIND_LEVEL,
    LW_KIND_TREND,
    LW_KIND_NOISE,
    LW_KIND_PATTERN,
    LW_KIND_RANGE
};

struct lw_baseline_result {
    float score; /* State score in [0, 1]: how unusual is now. 0.5 at q of 6. NaN: cannot tell yet.
                  */
    float event; /* Event score in [0, 1]: 0.5 and above is an onset. */
    float q;     /* Surprise: root of summed squares, in scales. */
    float return_rows; /* How many rows pass between incidents this bad, erring to few; 0 when q is
                          below 6. */
    float expected, lower, upper; /* In the metric's unit; at the bounds one member of the surprise
                                     is 3. NaN for a missing value and while score is. */
    bool onset;                   /* Something worth telling starts at this row. */
    bool alarm; /* The alarm state, the state score's: outside the legal range, or q of 6 and more
                   since an onset. What is new but not surprising is an onset without it. */
    uint8_t confidence; /* enum lw_confidence */
    uint8_t kind;       /* A hint for the anomaly's type: enum lw_baseline_kind. */
};

struct lw_baseline; /* Fixed size, plain data, no pointers: lw_baseline_bytes(). */

size_t lw_baseline_bytes(void);
/* Start anew in the caller's memory of lw_baseline_bytes(), aligned to 64. */
void lw_baseline_init(struct lw_baseline *baseline);
/*
 * One row in, one result out. value NaN: missing, nothing is learnt. Infinities are the caller's to
 * refuse. time_ns should not decrease but for repeated stamps and small disorder in files: it is
 * used for the calendar and for the learnt step only. Allocates nothing.
 */
void lw_baseline_step(const struct lw_baseline_config *config, struct lw_baseline *baseline,
                      int64_t time_ns, double value, struct lw_baseline_result *ret_result);
/* Hint that lw_baseline_step follows soon at about this time: prefetches what it will touch. 2 to 4
 * samples ahead is best. */
void lw_baseline_prefetch(const struct lw_baseline *baseline, int64_t time_ns);
/* Add the series' incidents and rows to a tail that pools all series of a detector anew. */
void lw_baseline_pool(const struct lw_baseline *baseline, struct lw_tail *tail);
void lw_baseline_save(const struct lw_baseline *baseline, struct lw_writer *writer);
/* LW_EFORMAT for bytes that end early or hold a field outside its range, LW_EVERSION; *baseline is
 * then untouched. */
enum lw_status lw_baseline_load(struct lw_baseline *baseline, struct lw_reader *reader,
                                struct lw_error *reterr);

#endif
