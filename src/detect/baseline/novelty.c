/*
 * Prototypes of one signal, in the manner of adaptive resonance: a value farther than the vigilance from all of them is new and
 * becomes one; otherwise the nearest moves a twentieth of the way. The number of values that can be new is bounded by
 * 1 / vigilance until the range grows, so alarms are bounded by construction.
 *
 * Sources: Carpenter, Grossberg and Rosen, "Fuzzy ART", Neural Networks 4, 1991; the relative vigilance follows the detectors
 * that led the Numenta benchmark. We depart from them: no range is known ahead, the least recently used prototype makes room.
 */
#include "detect/baseline/novelty.h"

#include "math/kernels.h"

#include <math.h>

#define NOVELTY_MOVE 0.05

static void novelty_add(struct lw_novelty *novelty, const struct lw_novelty_rule *rule, float *prototypes, uint32_t *used,
                        float value)
{
    unsigned slot = 0;

    if (novelty->n_used < rule->slots) {
        slot = novelty->n_used++;
    } else {
        for (unsigned i = 1; i < rule->slots; i++) {
            slot = used[i] < used[slot] ? i : slot;
        }
    }
    prototypes[slot] = value;
    used[slot] = rule->row;
}

double lw_novelty_step(struct lw_novelty *novelty, const struct lw_novelty_rule *rule, float *prototypes, uint32_t *used,
                       double value)
{
    double width, distance;
    size_t nearest;
    float gap;

    if (novelty->n_used == 0) {
        novelty->range.high = value;
        novelty->range.low = value;
        novelty_add(novelty, rule, prototypes, used, (float)value);
        return 0.0;
    }
    lw_range_add(&novelty->range, rule->pull, value);
    width = lw_range_width(&novelty->range);
    gap = lw_kernels_best()->nearest(prototypes, rule->slots, (float)value, &nearest);
    if (!(width > 0.0)) {
        return 0.0;
    }
    distance = (double)gap / width;
    distance = distance < 1.0 ? distance : 1.0;
    if (distance > rule->vigilance) {
        novelty_add(novelty, rule, prototypes, used, (float)value);
    } else {
        prototypes[nearest] += (float)(NOVELTY_MOVE * (value - (double)prototypes[nearest]));
        used[nearest] = rule->row;
    }
    return distance / rule->vigilance;
}
