/* How far rows are apart, learnt from their time stamps. */
#ifndef LW_DETECT_BASELINE_CADENCE_H
#define LW_DETECT_BASELINE_CADENCE_H

#include <stdint.h>

#define CADENCE_VOTES_MOST 64
#define CADENCE_VOTES_SETTLED 8
#define CADENCE_ROWS_EARLY 32

/* All zero is a fresh one. */
struct lw_cadence {
    int64_t first_ns, last_ns;
    int64_t step_ns; /* The favourite gap; 0 until two stamps differ. */
    uint32_t rows;   /* Seen; saturates. */
    uint16_t votes;  /* Rows that agree with step_ns, less those that do not. */
    uint16_t reserved;
};

static inline void cadence_vote(struct lw_cadence *cadence, int64_t gap)
{
    int64_t near = cadence->step_ns / 16;

    if (gap >= cadence->step_ns - near && gap <= cadence->step_ns + near) {
        cadence->votes = (uint16_t)(cadence->votes + (cadence->votes < CADENCE_VOTES_MOST));
    } else if (cadence->votes == 0) {
        cadence->step_ns = gap;
        cadence->votes = 1;
    } else {
        cadence->votes--;
    }
}

/*
 * Take in the next row's stamp; returns the step to use, 0 while unknown. Repeated or earlier
 * stamps say nothing. A majority vote finds the step, so gaps and single odd stamps do not move it;
 * where no gap has a majority, the mean gap is the step.
 */
static inline int64_t lw_cadence_step(struct lw_cadence *cadence, int64_t time_ns)
{
    int64_t gap, span;

    if (cadence->rows == 0) {
        cadence->rows = 1;
        cadence->first_ns = time_ns;
        cadence->last_ns = time_ns;
        return 0;
    }
    cadence->rows += cadence->rows < UINT32_MAX;
    if (time_ns > cadence->last_ns && !__builtin_sub_overflow(time_ns, cadence->last_ns, &gap)) {
        cadence->last_ns = time_ns;
        cadence_vote(cadence, gap);
    }
    if (cadence->votes >= CADENCE_VOTES_SETTLED || cadence->rows < CADENCE_ROWS_EARLY ||
        __builtin_sub_overflow(cadence->last_ns, cadence->first_ns, &span) ||
        span < (int64_t)cadence->rows) {
        return cadence->step_ns;
    }
    return span / ((int64_t)cadence->rows - 1);
}

#endif
