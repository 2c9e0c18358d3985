/* m of n: a condition counts once it held in m of the last n steps. */
#ifndef LW_DETECT_HYSTERESIS_H
#define LW_DETECT_HYSTERESIS_H

#include "lapwing/status.h"

#include <stdbool.h>
#include <stdint.h>

#define LW_HYSTERESIS_STEPS_MAX 64

struct lw_hysteresis {
    uint8_t m; /* 1 <= m <= n <= LW_HYSTERESIS_STEPS_MAX */
    uint8_t n;
};

/* One step more into a history whose lowest bit is the newest (0: nothing seen); true when m of the
 * last n bits are set. */
static inline bool lw_hysteresis_step(const struct lw_hysteresis *rule, uint64_t *history,
                                      bool holds)
{
    uint64_t mask = rule->n >= 64 ? UINT64_MAX : (UINT64_C(1) << rule->n) - 1;

    *history = ((*history << 1) | (uint64_t)holds) & mask;
    return __builtin_popcountll(*history) >= (int)rule->m;
}

/* Reads "2 of 3". LW_EINVAL for anything else. */
enum lw_status lw_hysteresis_parse(const char *text, struct lw_hysteresis *ret_rule,
                                   struct lw_error *reterr) LW_MUST_USE;

#endif
