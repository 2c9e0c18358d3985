/*
 * Volumes under the surfaces of range-based ROC and precision (Paparrizos, Boniol, Palpanas, Tsay,
 * Elmore and Franklin, "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series
 * Anomaly Detection", PVLDB 15(11), 2022).
 *
 * For each buffer width w from 0 to the window, rows at distance d <= w/2 of an event count as
 * anomalous by sqrt(1 - d/w), several events' weights added up to at most 1. Curves are drawn
 * through 250 thresholds at even quantiles of the scores; recall is scaled by the share of events
 * (merged where their buffers touch) that have any row in alarm. The volume is the mean of the
 * areas over w.
 *
 * A row enters at one level, the first threshold it reaches, whatever w is; an event at the best
 * level of its rows and buffer. So a series is counted once into histograms over levels, and each w
 * costs the rows near events plus the 250 levels, not a pass over the series. The histograms are
 * kept by block, cumulative, so that a resample adds those of the blocks it drew. Its thresholds
 * are those of the series itself, a buffer row has the weight it has there, and where a group of
 * events lies in several blocks each event has an equal share of it.
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define LEVELS LW_EVAL_LEVELS

struct lw_eval_vus {
    uint32_t window, half, n_blocks;
    uint32_t *alarms;    /* [block][level]: rows in alarm, cumulative. */
    uint32_t *positives; /* [block][level]: labelled ones of them, cumulative. */
    double *found;       /* [half-width][block][level]: groups of events found, cumulative. */
    double *groups;      /* [half-width][block]: groups of events whose buffers meet. */
    double *extra;       /* [width][block][level]: weight of buffer rows in alarm, cumulative. */
    uint32_t n_rows_of[LW_EVAL_BLOCKS_MAX], n_positive_of[LW_EVAL_BLOCKS_MAX];
    double sum_alarms[LEVELS], sum_positives[LEVELS]; /* Of a resample. */
    double one_alarm[LEVELS]; /* 1 / sum_alarms; 0 where a resample misses the highest scores. */
};

/* Where rows are while a series is counted. */
struct counting {
    const struct lw_eval_work *work;
    struct lw_eval_vus *vus;
    uint8_t *levels;     /* First level whose threshold the row reaches, by row. */
    uint32_t *distances; /* Of rows near events, row by row. */
    uint32_t *starts;    /* n + 1: the row's place in distances. */
    double *weights;     /* By distance, of the present width. */
};

static void *table(size_t n, size_t item_bytes)
{
    return lw_mem_calloc(n + 1, item_bytes);
}

void lw_eval_vus_destroy(struct lw_eval_vus *vus)
{
    if (vus == NULL) {
        return;
    }
    lw_mem_free(vus->alarms);
    lw_mem_free(vus->positives);
    lw_mem_free(vus->found);
    lw_mem_free(vus->groups);
    lw_mem_free(vus->extra);
    lw_mem_free(vus);
}

/* The row whose score is a level's threshold, as rank. */
static uint32_t level_rank(uint32_t level, uint32_t n)
{
    return (uint32_t)((double)((uint64_t)level * (n - 1)) / (double)(LEVELS - 1));
}

static void levels_find(const struct counting *counting)
{
    const struct lw_eval_work *work = counting->work;
    uint32_t level = 0;

    for (uint32_t i = 0; i < work->n; i++) {
        double score = work->scores[work->order[i]];

        while (work->scores[work->order[level_rank(level, work->n)]] > score) {
            level++;
        }
        counting->levels[work->order[i]] = (uint8_t)level;
    }
}

/* Rows and labelled rows by level. */
static void rows_count(const struct counting *counting)
{
    const struct lw_eval_work *work = counting->work;
    struct lw_eval_vus *vus = counting->vus;

    for (uint32_t block = 0; block < vus->n_blocks; block++) {
        uint32_t *alarms = vus->alarms + (size_t)block * LEVELS;
        uint32_t *positives = vus->positives + (size_t)block * LEVELS;

        for (uint32_t i = work->block_starts[block]; i < work->block_starts[block + 1]; i++) {
            alarms[counting->levels[i]]++;
            positives[counting->levels[i]] += work->labels[i] != 0;
            vus->n_positive_of[block] += work->labels[i] != 0;
        }
        vus->n_rows_of[block] = work->block_starts[block + 1] - work->block_starts[block];
        for (uint32_t level = 1; level < LEVELS; level++) {
            alarms[level] += alarms[level - 1];
            positives[level] += positives[level - 1];
        }
    }
}

/* A row at a distance of an event: its place is counted, or filled. */
static void near_take(const struct counting *counting, uint32_t row, uint32_t distance,
                      bool is_filling)
{
    const struct lw_eval_work *work = counting->work;

    if (row >= work->n || work->labels[row] != 0) {
        return; /* A row before the first has wrapped round. */
    }
    if (is_filling) {
        counting->distances[counting->starts[row]] = distance;
    }
    counting->starts[row]++;
}

/* What the two passes over the rows near events share. */
static void near_visit(const struct counting *counting, bool is_filling)
{
    const struct lw_eval_work *work = counting->work;

    for (uint32_t e = 0; e < work->n_events; e++) {
        for (uint32_t d = 1; d <= counting->vus->half; d++) {
            near_take(counting, work->events[e].last + d, d, is_filling);
            near_take(counting, work->events[e].first - d, d, is_filling);
        }
    }
}

/* Gathers each row's distances to events. LW_ENOMEM. */
static enum lw_status near_find(struct counting *counting)
{
    uint32_t n = counting->work->n;
    uint32_t place = 0;

    near_visit(counting, false);
    for (uint32_t i = 0; i <= n; i++) {
        uint32_t n_of_row = counting->starts[i];

        counting->starts[i] = place;
        place += n_of_row;
    }
    counting->distances = table(place, sizeof(*counting->distances));
    if (counting->distances == NULL) {
        return LW_ENOMEM;
    }
    near_visit(counting, true); /* Each start moves to the next row's. */
    memmove(counting->starts + 1, counting->starts, (size_t)n * sizeof(*counting->starts));
    counting->starts[0] = 0;
    return LW_OK;
}

/* Weight of a row near events at the present width. */
static double near_weight(const struct counting *counting, uint32_t row, uint32_t half)
{
    double sum = 0.0;

    for (uint32_t i = counting->starts[row]; i < counting->starts[row + 1]; i++) {
        if (counting->distances[i] <= half) {
            sum += counting->weights[counting->distances[i]];
        }
    }
    return sum < 1.0 ? sum : 1.0;
}

/* Rows near events, one list for all widths: every row that has a distance. */
static uint32_t near_rows(const struct counting *counting, uint32_t *ret_rows)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < counting->work->n; i++) {
        if (counting->starts[i + 1] > counting->starts[i]) {
            ret_rows[n++] = i;
        }
    }
    return n;
}

static void buffers_count(const struct counting *counting, const uint32_t *rows, uint32_t n_rows)
{
    const struct lw_eval_work *work = counting->work;
    struct lw_eval_vus *vus = counting->vus;

    for (uint32_t width = 2; width <= vus->window; width++) {
        double *extra = vus->extra + (size_t)width * vus->n_blocks * LEVELS;
        uint32_t block = 0;

        for (uint32_t d = 0; d <= width / 2; d++) {
            counting->weights[d] = sqrt(1.0 - (double)d / (double)width);
        }
        for (uint32_t i = 0; i < n_rows; i++) {
            while (rows[i] >= work->block_starts[block + 1]) {
                block++;
            }
            extra[(size_t)block * LEVELS + counting->levels[rows[i]]] += near_weight(
                counting, rows[i], width / 2);
        }
        for (block = 0; block < vus->n_blocks; block++) {
            for (uint32_t level = 1; level < LEVELS; level++) {
                extra[(size_t)block * LEVELS + level] += extra[(size_t)block * LEVELS + level - 1];
            }
        }
    }
}

/* A group of n events, found from its best level on: each event's block has its share of it. */
static void group_add(const struct counting *counting, uint32_t half, uint32_t event, uint32_t n,
                      uint32_t level)
{
    const struct lw_eval_work *work = counting->work;
    struct lw_eval_vus *vus = counting->vus;

    for (uint32_t e = event; e < event + n; e++) {
        size_t at = (size_t)half * vus->n_blocks + lw_eval_block_of(work, work->events[e].first);

        vus->groups[at] += 1.0 / (double)n;
        for (uint32_t k = level; k < LEVELS; k++) {
            vus->found[at * LEVELS + k] += 1.0 / (double)n;
        }
    }
}

/* Best level of each event at a half-width, from that of the one before: best[n_events]. */
static void reach_widen(const struct counting *counting, uint32_t half, uint8_t *best)
{
    const struct lw_eval_work *work = counting->work;

    for (uint32_t e = 0; e < work->n_events; e++) {
        const struct lw_eval_span *event = &work->events[e];
        uint32_t first = half == 0 ? event->first : event->first - half;
        uint32_t last = half == 0 ? event->last : event->last + half;

        for (uint32_t i = first; half == 0 && i <= last; i++) {
            best[e] = counting->levels[i] < best[e] ? counting->levels[i] : best[e];
        }
        if (first < work->n && counting->levels[first] < best[e]) {
            best[e] = counting->levels[first];
        }
        if (last < work->n && counting->levels[last] < best[e]) {
            best[e] = counting->levels[last];
        }
    }
}

static void events_count(const struct counting *counting, uint8_t *best)
{
    const struct lw_eval_work *work = counting->work;

    memset(best, UINT8_MAX, work->n_events);
    for (uint32_t half = 0; half <= counting->vus->half; half++) {
        uint32_t first = 0, level = LEVELS;

        reach_widen(counting, half, best);
        for (uint32_t e = 0; e < work->n_events; e++) {
            bool joins = e + 1 < work->n_events &&
                         work->events[e + 1].first - work->events[e].last <= 2 * half;

            level = best[e] < level ? best[e] : level;
            if (!joins) {
                group_add(counting, half, first, e + 1 - first, level);
                first = e + 1;
                level = LEVELS;
            }
        }
    }
}

/* Fills vus from the series. LW_ENOMEM. */
static enum lw_status series_count(struct counting *counting)
{
    const struct lw_eval_work *work = counting->work;
    uint32_t *rows = table(work->n, sizeof(*rows));
    uint8_t *best = table(work->n_events, sizeof(*best));
    enum lw_status status = LW_ENOMEM;

    counting->levels = table(work->n, sizeof(*counting->levels));
    counting->starts = table((size_t)work->n + 1, sizeof(*counting->starts));
    counting->weights = table((size_t)counting->vus->half + 1, sizeof(*counting->weights));
    if (rows != NULL && best != NULL && counting->levels != NULL && counting->starts != NULL &&
        counting->weights != NULL) {
        status = near_find(counting);
    }
    if (status == LW_OK) {
        levels_find(counting);
        rows_count(counting);
        buffers_count(counting, rows, near_rows(counting, rows));
        events_count(counting, best);
    }
    lw_mem_free(counting->weights);
    lw_mem_free(counting->distances);
    lw_mem_free(counting->starts);
    lw_mem_free(counting->levels);
    lw_mem_free(best);
    lw_mem_free(rows);
    return status;
}

enum lw_status lw_eval_vus_create(const struct lw_eval_work *work, uint32_t window,
                                  struct lw_eval_vus **ret_vus, struct lw_error *reterr)
{
    struct lw_eval_vus *vus = lw_mem_calloc(1, sizeof(*vus));
    struct counting counting = {.work = work, .vus = vus};
    size_t n_levels = (size_t)work->n_blocks * LEVELS;
    enum lw_status status = LW_ENOMEM;

    if (vus != NULL) {
        vus->window = window;
        vus->half = window / 2;
        vus->n_blocks = work->n_blocks;
        vus->alarms = table(n_levels, sizeof(*vus->alarms));
        vus->positives = table(n_levels, sizeof(*vus->positives));
        vus->found = table((vus->half + (size_t)1) * n_levels, sizeof(*vus->found));
        vus->groups = table((vus->half + (size_t)1) * work->n_blocks, sizeof(*vus->groups));
        vus->extra = table((window + (size_t)1) * n_levels, sizeof(*vus->extra));
        if (vus->alarms != NULL && vus->positives != NULL && vus->found != NULL &&
            vus->groups != NULL && vus->extra != NULL) {
            status = series_count(&counting);
        }
    }
    if (status != LW_OK) {
        lw_eval_vus_destroy(vus);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the volumes of %u rows", work->n);
    }
    *ret_vus = vus;
    return LW_OK;
}

/* Sums over the drawn blocks. */
struct drawn {
    double n_rows, n_positive, n_groups;
    double extra[LEVELS], found[LEVELS];
};

/* Areas under both curves of one width, added to the sums. The first loop has no value that the
 * next level needs, so that the compiler can take several at once. */
static void areas_add(const struct lw_eval_vus *vus, const struct drawn *drawn, double *sum_pr,
                      double *sum_roc)
{
    double recall[LEVELS + 1] = {0.0}, fall[LEVELS + 1] = {0.0}, precision[LEVELS];
    double one_group = 1.0 / drawn->n_groups;

    for (uint32_t level = 0; level < LEVELS; level++) {
        double hits = vus->sum_positives[level] + drawn->extra[level];
        double positives = drawn->n_positive + drawn->extra[level] / 2.0;
        double share = hits / positives;

        recall[level + 1] = (share < 1.0 ? share : 1.0) * (drawn->found[level] * one_group);
        fall[level + 1] = (vus->sum_alarms[level] - hits) / (drawn->n_rows - positives);
        precision[level] = hits * vus->one_alarm[level];
    }
    for (uint32_t level = 0; level < LEVELS; level++) {
        *sum_pr += (recall[level + 1] - recall[level]) * precision[level];
        *sum_roc += (fall[level + 1] - fall[level]) * (recall[level + 1] + recall[level]) / 2.0;
    }
    *sum_roc += (1.0 - fall[LEVELS]) * (1.0 + recall[LEVELS]) / 2.0;
}

/* Adds weight times from[LEVELS] to to[LEVELS]. */
static void counts_add(const uint32_t *from, double weight, double *to)
{
    for (uint32_t level = 0; level < LEVELS; level++) {
        to[level] += weight * (double)from[level];
    }
}

static void weights_add(const double *from, double weight, double *to)
{
    for (uint32_t level = 0; level < LEVELS; level++) {
        to[level] += weight * from[level];
    }
}

static void width_draw(const struct lw_eval_vus *vus, const uint32_t *weights, uint32_t width,
                       struct drawn *drawn)
{
    memset(drawn->extra, 0, sizeof(drawn->extra));
    if (width % 2 == 0) { /* Odd widths have the half-width of the one before. */
        memset(drawn->found, 0, sizeof(drawn->found));
        drawn->n_groups = 0.0;
    }
    for (uint32_t block = 0; block < vus->n_blocks; block++) {
        const double *extra = vus->extra + ((size_t)width * vus->n_blocks + block) * LEVELS;
        size_t at = (size_t)(width / 2) * vus->n_blocks + block;
        double weight = (double)weights[block];

        if (weights[block] == 0) {
            continue;
        }
        if (width >= 2) {
            weights_add(extra, weight, drawn->extra);
        }
        if (width % 2 == 0) {
            weights_add(vus->found + at * LEVELS, weight, drawn->found);
            drawn->n_groups += weight * vus->groups[at];
        }
    }
}

void lw_eval_vus_read(struct lw_eval_vus *vus, const uint32_t *weights, double *ret_pr,
                      double *ret_roc)
{
    struct drawn drawn = {0};
    double pr = 0.0, roc = 0.0;

    memset(vus->sum_alarms, 0, sizeof(vus->sum_alarms));
    memset(vus->sum_positives, 0, sizeof(vus->sum_positives));
    for (uint32_t block = 0; block < vus->n_blocks; block++) {
        double weight = (double)weights[block];

        counts_add(vus->alarms + (size_t)block * LEVELS, weight, vus->sum_alarms);
        counts_add(vus->positives + (size_t)block * LEVELS, weight, vus->sum_positives);
        drawn.n_rows += weight * (double)vus->n_rows_of[block];
        drawn.n_positive += weight * (double)vus->n_positive_of[block];
    }
    for (uint32_t level = 0; level < LEVELS; level++) {
        vus->one_alarm[level] = vus->sum_alarms[level] > 0.0 ? 1.0 / vus->sum_alarms[level] : 0.0;
    }
    *ret_pr = *ret_roc = NAN;
    if (drawn.n_positive <= 0.0 || drawn.n_positive >= drawn.n_rows) {
        return;
    }
    for (uint32_t width = 0; width <= vus->window; width++) {
        width_draw(vus, weights, width, &drawn);
        areas_add(vus, &drawn, &pr, &roc);
    }
    *ret_pr = pr / ((double)vus->window + 1.0);
    *ret_roc = roc / ((double)vus->window + 1.0);
}
