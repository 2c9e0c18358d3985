/*
 * Weights from labels: see lw_judge_learn_weights() in train/judge.h.
 *
 * Average precision is taken from a histogram of log energies, so one look at a combination costs
 * one pass over the rows and no sorting.
 */
#include "train/judge.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"
#include "train/rank.h"

#include <math.h>
#include <string.h>

#define SHRINK_EVENTS 10.0
#define ROUNDS 3u
#define GAIN_LEAST 1e-4 /* Of mean average precision, for a step to be taken. */
#define LOG_LEAST (-6.0)
#define LOG_MOST 12.0

static const double factors[] = {0.25, 0.5, 1.0, 2.0, 4.0};

/* What the search looks at again and again. */
struct search {
    const struct lw_judge *judge;
    size_t fold;
    float *energies; /* [n_rows][n_members] of the record, by the fold's medians. */
    struct lw_precision precision;
};

static size_t events_before(const struct lw_held_out *held, size_t fold)
{
    size_t n_events = 0;

    for (size_t s = 0; s < held->n_entities * held->n_folds; s++) {
        const struct lw_held_stretch *stretch = &held->stretches[s];
        const uint8_t *labels = held->entities[stretch->entity].labels;

        for (size_t i = LW_VALIDATION_GAP;
             labels != NULL && stretch->fold < fold && i < stretch->n_rows; i++) {
            const uint8_t *label = labels + stretch->first_row + i;

            n_events += label[0] != 0 && (i == LW_VALIDATION_GAP || label[-1] == 0) ? 1 : 0;
        }
    }
    return n_events;
}

static void search_fill(struct search *search)
{
    const struct lw_held_out *held = search->judge->held;
    size_t n_members = held->n_members;

    for (size_t s = 0; s < held->n_entities * held->n_folds; s++) {
        const struct lw_held_stretch *stretch = &held->stretches[s];
        size_t unit = search->judge->is_pooled ? 0 : stretch->entity;
        const double *medians = search->judge->medians +
                                (search->fold * search->judge->n_units + unit) * n_members;

        for (size_t i = 0; stretch->fold < search->fold && i < stretch->n_rows; i++) {
            size_t row = (stretch->at + i) * n_members;

            for (size_t m = 0; m < n_members; m++) {
                search->energies[row + m] = (float)lw_energy((double)held->distances[row + m],
                                                             medians[m],
                                                             search->judge->plan->members[m].unit);
            }
        }
    }
}

static void count_row(struct search *search, double smoothed, bool labelled)
{
    double place = (lw_log10(smoothed > 1e-6 ? smoothed : 1e-6) - LOG_LEAST) /
                   (LOG_MOST - LOG_LEAST) * (double)LW_PRECISION_BINS;
    size_t bin = place < (double)LW_PRECISION_BINS - 1.0 ? (size_t)place : LW_PRECISION_BINS - 1;

    if (labelled) {
        search->precision.with[bin]++;
    } else {
        search->precision.without[bin]++;
    }
}

static void count_stretch(struct search *search, const double *weights,
                          const struct lw_held_stretch *stretch)
{
    const struct lw_held_out *held = search->judge->held;
    double energies[LW_ENSEMBLE_MEMBERS_MAX], smoothed = -1.0;

    for (size_t i = 0; i < stretch->n_rows; i++) {
        const float *row = search->energies + (stretch->at + i) * held->n_members;
        double energy;

        for (size_t m = 0; m < held->n_members; m++) {
            energies[m] = (double)row[m];
        }
        energy = lw_energy_combine(energies, weights, held->n_members);
        if (isnan(energy)) {
            continue;
        }
        smoothed = lw_energy_smooth(smoothed, energy);
        if (i >= LW_VALIDATION_GAP) {
            count_row(search, smoothed, !lw_judge_counts(held, stretch, i, false));
        }
    }
}

/* Mean average precision over the entities that have labelled rows before the fold. */
static double precision_of(struct search *search, const double *weights)
{
    const struct lw_held_out *held = search->judge->held;
    double sum = 0.0;
    size_t n = 0;

    for (size_t e = 0; e < held->n_entities; e++) {
        double average;

        memset(&search->precision, 0, sizeof(search->precision));
        for (size_t k = 0; k < search->fold; k++) {
            count_stretch(search, weights, &held->stretches[e * held->n_folds + k]);
        }
        average = lw_precision_average(&search->precision);
        if (!isnan(average)) {
            sum += average;
            n++;
        }
    }
    return n > 0 ? sum / (double)n : 0.0;
}

/* Tries each factor on one member's weight and keeps the best; true when there was a better one. */
static bool try_member(struct search *search, const double *recipe, size_t member, double *weights,
                       double *best)
{
    double kept = weights[member];
    bool is_better = false;

    for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++) {
        double now;

        weights[member] = recipe[member] * factors[f];
        now = precision_of(search, weights);
        if (now > *best + GAIN_LEAST) {
            *best = now;
            kept = weights[member];
            is_better = true;
        }
    }
    weights[member] = kept;
    return is_better;
}

static void ascend(struct search *search, const double *recipe, double *weights)
{
    size_t n_members = search->judge->held->n_members;
    double best = precision_of(search, weights);
    bool is_better = true;

    for (size_t round = 0; round < ROUNDS && is_better; round++) {
        is_better = false;
        for (size_t m = 0; m < n_members; m++) {
            if (recipe[m] > 0.0 && try_member(search, recipe, m, weights, &best)) {
                is_better = true;
            }
        }
    }
}

enum lw_status lw_judge_learn_weights(const struct lw_judge *judge, const double *recipe,
                                      size_t fold, double *ret_weights, size_t *ret_n_events,
                                      struct lw_error *reterr)
{
    const struct lw_held_out *held = judge->held;
    size_t n_events = events_before(held, fold);
    double shrink = (double)n_events / ((double)n_events + SHRINK_EVENTS);
    struct search *search;

    memcpy(ret_weights, recipe, held->n_members * sizeof(*recipe));
    *ret_n_events = n_events;
    if (n_events == 0 || fold == 0) {
        return LW_OK;
    }
    search = lw_mem_calloc(1, sizeof(*search));
    if (search != NULL) {
        search->judge = judge;
        search->fold = fold;
        search->energies = lw_mem_calloc(held->n_rows, held->n_members * sizeof(float));
    }
    if (search == NULL || search->energies == NULL) {
        lw_mem_free(search);
        return lw_error_set(reterr, LW_ENOMEM, "no memory to weigh members by %zu rows",
                            held->n_rows);
    }
    search_fill(search);
    ascend(search, recipe, ret_weights);
    for (size_t m = 0; m < held->n_members; m++) {
        if (recipe[m] > 0.0) {
            ret_weights[m] = recipe[m] * lw_exp(shrink * lw_log(ret_weights[m] / recipe[m]));
        }
    }
    lw_mem_free(search->energies);
    lw_mem_free(search);
    return LW_OK;
}
