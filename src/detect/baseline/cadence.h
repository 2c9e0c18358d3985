/* How far rows are apart, learnt from their time stamps. */
#ifndef LW_DETECT_BASELINE_CADENCE_H
#define LW_DETECT_BASELINE_CADENCE_H

#include <stdint.h>

/* All zero is a fresh one. */
struct lw_cadence {
    int64_t last_ns;
    int64_t step_ns; /* 0 until two stamps differ. */
    uint16_t votes;  /* Rows that agree with step_ns, less those that do not. */
    uint16_t rows;   /* Seen; saturates. */
    uint32_t reserved;
};

/*
 * Take in the next row's stamp; returns the step to use, 0 while unknown. Repeated or earlier
 * stamps say nothing. A majority vote finds the step, so gaps and single odd stamps do not move it.
 */
static inline int64_t lw_cadence_step(struct lw_cadence *cadence, int64_t time_ns)
{
    int64_t gap;

    if (cadence->rows == 0) {
        cadence->rows = 1;
        cadence->last_ns = time_ns;
        return 0;
    }
    cadence->rows = (uint16_t)(cadence->rows + (cadence->rows < UINT16_MAX));
    if (time_ns <= cadence->last_ns || __builtin_sub_overflow(time_ns, cadence->last_ns, &gap)) {
        return cadence->step_ns;
    }
    cadence->last_ns = time_ns;
    if (gap >= cadence->step_ns - cadence->step_ns / 16 &&
        gap <= cadence->step_ns + cadence->step_ns / 16) {
        cadence->votes = (uint16_t)(cadence->votes + (cadence->votes < 64));
    } else if (cadence->votes == 0) {
        cadence->step_ns = gap;
        cadence->votes = 1;
    } else {
        cadence->votes--;
    }
    return cadence->step_ns;
}

#endif
