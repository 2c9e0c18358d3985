/*
 * What the bootstrap draws, and intervals from its resamples.
 *
 * Rows of a series depend on each other, so rows are never drawn. Drawn with replacement are whole
 * series, or, where there are few, blocks: each series is cut midway between its events where they
 * lie farther apart than an event is long in the mean, and than an episode or its slack reaches, so
 * that a block has at least one event; each series then keeps its number of blocks. An interval is
 * that of percentiles (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
 * Statistics 1979; clusters: Davison and Hinkley, "Bootstrap Methods and Their Application", 1997,
 * section 3.8).
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "math/quantile.h"

#include <math.h>
#include <string.h>

#define BLOCKS_MIN 8
#define BLOCKS_TIMES_WIDTHS 16000 /* Bounds the memory of the volumes' histograms to 32 MB. */

static bool event_begins_block(const struct lw_eval_work *work, uint32_t event, uint32_t apart)
{
    return event > 0 && work->events[event].first - work->events[event - 1].last > apart;
}

/* How far apart events must lie, to lie in blocks of their own. */
static uint32_t apart_of(const struct lw_eval_work *work, const struct lw_eval_options *options)
{
    uint32_t apart = (work->n_positive + work->n_events - 1) / work->n_events;

    apart = options->gap > apart ? options->gap : apart;
    return options->slack > apart / 2 ? 2 * options->slack : apart;
}

/* Cuts a series at `starts`, which has room for the most blocks there may be. */
static void blocks_cut(struct lw_eval_work *work, uint32_t apart, uint32_t n_max)
{
    uint32_t n_possible = 1, possible = 0, n = 0;

    work->block_starts[n++] = 0;
    for (uint32_t e = 0; e < work->n_events; e++) {
        n_possible += event_begins_block(work, e, apart);
    }
    for (uint32_t e = 0; e < work->n_events; e++) {
        if (!event_begins_block(work, e, apart)) {
            continue;
        }
        possible++;
        if (n_possible <= n_max || (uint64_t)possible * n_max / n_possible >
                                       (uint64_t)(possible - 1) * n_max / n_possible) {
            work->block_starts[n++] = work->events[e - 1].last +
                                      (work->events[e].first - work->events[e - 1].last + 1) / 2;
        }
    }
    work->n_blocks = n;
    work->block_starts[n] = work->n;
}

/* A series without events, which can only have false alarms. */
static void blocks_quiet(struct lw_eval_work *work)
{
    work->n_blocks = work->n < LW_EVAL_QUIET_BLOCKS ? 1 : LW_EVAL_QUIET_BLOCKS;
    for (uint32_t block = 0; block <= work->n_blocks; block++) {
        work->block_starts[block] = (uint32_t)((uint64_t)work->n * block / work->n_blocks);
    }
}

static uint32_t blocks_max(const struct lw_eval_options *options)
{
    uint32_t n = BLOCKS_TIMES_WIDTHS / (options->vus_window + 1);

    if (options->no_vus || n > LW_EVAL_BLOCKS_MAX) {
        return LW_EVAL_BLOCKS_MAX;
    }
    return n > BLOCKS_MIN ? n : BLOCKS_MIN;
}

static enum lw_status series_cut(struct lw_eval_work *work, bool is_whole,
                                 const struct lw_eval_options *options, struct lw_error *reterr)
{
    work->block_starts = lw_mem_calloc(LW_EVAL_BLOCKS_MAX + 1, sizeof(*work->block_starts));
    if (work->block_starts == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the blocks of a series");
    }
    if (is_whole) {
        work->n_blocks = 1;
        work->block_starts[1] = work->n;
    } else if (work->n_events == 0) {
        blocks_quiet(work);
    } else {
        blocks_cut(work, apart_of(work, options), blocks_max(options));
    }
    return LW_OK;
}

enum lw_status lw_eval_units_init(struct lw_eval_work *works, size_t n_works,
                                  enum lw_eval_unit unit, const struct lw_eval_options *options,
                                  struct lw_eval_units *ret_units, struct lw_error *reterr)
{
    uint32_t *starts = lw_mem_calloc(n_works + 2, sizeof(*starts));
    bool is_whole = unit != LW_EVAL_UNIT_EVENTS;
    uint32_t n_units = 0;

    if (starts == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu series", n_works);
    }
    for (size_t i = 0; i < n_works; i++) {
        enum lw_status status = series_cut(&works[i], is_whole, options, reterr);

        if (status != LW_OK) {
            lw_mem_free(starts);
            return status;
        }
        works[i].first_unit = n_units;
        n_units += works[i].n_blocks;
        starts[i + 1] = n_units;
    }
    if (is_whole) { /* One stratum of them all. */
        starts[1] = n_units;
    }
    *ret_units = (struct lw_eval_units){.n_units = n_units,
                                        .n_strata = is_whole ? 1 : (uint32_t)n_works,
                                        .stratum_starts = starts,
                                        .seed = options->seed};
    return LW_OK;
}

void lw_eval_units_fini(struct lw_eval_units *units)
{
    lw_mem_free(units->stratum_starts);
    memset(units, 0, sizeof(*units));
}

void lw_eval_draw(const struct lw_eval_units *units, uint32_t stratum, uint32_t resample,
                  uint32_t *ret_weights)
{
    uint32_t n = units->stratum_starts[stratum + 1] - units->stratum_starts[stratum];
    uint64_t which = lw_rng_mix((uint64_t)stratum << 32 | resample);
    struct lw_rng rng;

    lw_rng_seed(&rng, lw_rng_mix(units->seed + which));
    memset(ret_weights, 0, n * sizeof(*ret_weights));
    for (uint32_t i = 0; i < n; i++) {
        ret_weights[lw_rng_below(&rng, n)]++;
    }
}

void lw_eval_draw_all(const struct lw_eval_units *units, uint32_t resample, uint32_t *ret_weights)
{
    for (uint32_t stratum = 0; stratum < units->n_strata; stratum++) {
        lw_eval_draw(units, stratum, resample, ret_weights + units->stratum_starts[stratum]);
    }
}

void lw_eval_interval(const double *values, size_t n, double confidence, double *scratch,
                      struct lw_eval_figure *ret_figure)
{
    struct lw_sorted sorted;
    size_t n_left = 0;

    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            scratch[n_left++] = values[i];
        }
    }
    ret_figure->low = ret_figure->high = NAN;
    if (n_left == 0 || 2 * n_left < n || !isfinite(ret_figure->value)) {
        return;
    }
    lw_sort(scratch, n_left);
    sorted = lw_sorted_array(scratch, n_left);
    ret_figure->low = lw_quantile(&sorted, 0.5 - 0.5 * confidence);
    ret_figure->high = lw_quantile(&sorted, 0.5 + 0.5 * confidence);
}
