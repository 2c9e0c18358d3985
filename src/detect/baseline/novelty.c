/*
 * Prototypes of one signal, in the manner of adaptive resonance: a value farther than the vigilance
 * from all of them is new and becomes one; otherwise the nearest moves a twentieth of the way. The
 * number of values that can be new is bounded by 1 / vigilance until the range grows, so alarms are
 * bounded by construction.
 *
 * How rare a novelty is, is another question, asked by an alarm budget in time. Births thin out as
 * a series ages, roughly as one over its rows, so each is remembered with the row number as its
 * weight: the sum over twice the square of the rows estimates the rate now for a steady stream of
 * births, and no more than twice it for one that dies away. The severity has a power law's tail
 * with exponent 3, as incidents have. So the first rows, rich in novelty, do not count against
 * later ones for ever.
 *
 * Sources: Carpenter, Grossberg and Rosen, "Fuzzy ART", Neural Networks 4, 1991; the relative
 * vigilance follows the detectors that led the Numenta benchmark. We depart from them: no range is
 * known ahead, the least recently used prototype makes room.
 */
#include "detect/baseline/novelty.h"

#include "math/kernels.h"

#include <math.h>
#include <string.h>

#define NOVELTY_MOVE 0.05
#define NOVELTY_SEVERITY_MAX 1e6
#define BIRTH_BIN_FACTOR 1.5

typedef uint8_t u8x16 __attribute__((vector_size(NOVELTY_SLOTS_STEP)));

/* Slot becomes the most recently used: all that were more recent grow older by one. Ages of unused
 * slots mean nothing. */
static void novelty_touch(uint8_t *ages, unsigned slots, unsigned slot)
{
    uint8_t age = ages[slot];
    u8x16 some;

    if (age == 0) {
        return;
    }
    for (unsigned i = 0; i < slots; i += NOVELTY_SLOTS_STEP) {
        memcpy(&some, ages + i, sizeof(some));
        some -= (u8x16)(some < age); /* A lane that is true is -1. */
        memcpy(ages + i, &some, sizeof(some));
    }
    ages[slot] = 0;
}

static void novelty_add(struct lw_novelty *novelty, const struct lw_novelty_rule *rule,
                        float *prototypes, uint8_t *ages, float value)
{
    unsigned slot = 0;

    if (novelty->n_used < rule->slots) {
        slot = novelty->n_used++;
        ages[slot] = (uint8_t)slot;
    } else {
        for (unsigned i = 1; i < rule->slots; i++) {
            slot = ages[i] > ages[slot] ? i : slot;
        }
    }
    prototypes[slot] = value;
    novelty_touch(ages, rule->slots, slot);
}

struct lw_novelty_view lw_novelty_step(struct lw_novelty *novelty,
                                       const struct lw_novelty_rule *rule, float *prototypes,
                                       uint8_t *ages, double value)
{
    struct lw_novelty_view view = {0.0, 0.0, 0.0};
    double width_before, width;
    size_t nearest;
    float gap;

    if (novelty->n_used == 0) {
        novelty->range.high = value;
        novelty->range.low = value;
        novelty_add(novelty, rule, prototypes, ages, (float)value);
        return view;
    }
    width_before = lw_range_width(&novelty->range);
    lw_range_add(&novelty->range, rule->pull, value);
    width = lw_range_width(&novelty->range);
    gap = rule->kernels->nearest(prototypes, rule->slots, (float)value, &nearest);
    if (!(width > 0.0)) {
        return view;
    }
    view.distance = (double)gap;
    view.relative = view.distance / width;
    view.relative = (view.relative < 1.0 ? view.relative : 1.0) / rule->vigilance;
    view.severity = view.distance / (rule->vigilance * width_before);
    view.severity = view.severity < NOVELTY_SEVERITY_MAX ? view.severity : NOVELTY_SEVERITY_MAX;
    if (view.relative > 1.0) {
        novelty_add(novelty, rule, prototypes, ages, (float)value);
    } else {
        prototypes[nearest] += (float)(NOVELTY_MOVE * (value - (double)prototypes[nearest]));
        novelty_touch(ages, rule->slots, (unsigned)nearest);
    }
    return view;
}

static unsigned births_bin(double severity)
{
    unsigned bin = 0;

    while (severity >= BIRTH_BIN_FACTOR && bin + 1 < NOVELTY_BIRTH_BINS) {
        severity /= BIRTH_BIN_FACTOR;
        bin++;
    }
    return bin;
}

double lw_births_return_rows(const struct lw_births *births, double rows, double prior_rows,
                             double severity)
{
    double inverse = 1.0 / (severity > 1.0 ? severity : 1.0);
    double middle = inverse * (0.5 + 0.5 * BIRTH_BIN_FACTOR);
    double expected = inverse * inverse * inverse;

    for (unsigned i = 0; i < NOVELTY_BIRTH_BINS; i++) {
        double share = middle < 1.0 ? middle * middle * middle : 1.0;

        expected += share * (double)births->weight[i] / (rows > 1.0 ? rows : 1.0);
        middle *= BIRTH_BIN_FACTOR;
    }
    return (0.5 * rows + prior_rows) / expected;
}

void lw_births_add(struct lw_births *births, double rows, double severity)
{
    births->weight[births_bin(severity)] += (float)rows;
}
