/* Was a value like this ever seen? Distance to the nearest prototype, relative to the range seen so far. */
#ifndef LW_DETECT_BASELINE_NOVELTY_H
#define LW_DETECT_BASELINE_NOVELTY_H

#include "detect/baseline/range.h"

#include <stdint.h>

#define NOVELTY_SLOTS_MAX 32

/* One signal's settings; the prototypes' own memory follows the channel in struct lw_novelty_*. */
struct lw_novelty_rule {
    double vigilance; /* Share of the range at which a value is new. */
    double pull;      /* Of the range, a row. */
    uint32_t row;     /* Number of this row, for the least recently used. */
    uint16_t slots;   /* Prototypes at most; a multiple of 8. */
};

struct lw_novelty {
    struct lw_range range;
    uint16_t n_used;
    uint16_t reserved[3];
};

/*
 * Distance of value to the nearest prototype over the vigilance: 1 and more is new. Then learns it. prototypes: float[slots],
 * unused ones +inf; used: uint32_t[slots], the row when each was last nearest.
 */
double lw_novelty_step(struct lw_novelty *novelty, const struct lw_novelty_rule *rule, float *prototypes, uint32_t *used,
                       double value);

#endif
