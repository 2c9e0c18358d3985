/*
 * The score of the Numenta Anomaly Benchmark (Lavin and Ahmad, "Evaluating Real-Time Anomaly
 * Detection Algorithms: the Numenta Anomaly Benchmark", ICMLA 2015).
 *
 * Every row has a value: s(y) = 2 / (1 + exp(5 y)) - 1 of its place y relative to the window it is
 * in, -1 at the window's beginning and near 0 at its end, divided by s(-1); behind a window, of its
 * distance in lengths of that window, -1 from 3 lengths on and before the first window. A window
 * counts the best value of its alarms, or is missed; an alarm outside windows adds its value, which
 * is below 0. The sum is scaled so that a detector without alarms has 0 and a perfect one 100. A
 * profile weighs windows, misses and false alarms.
 */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"
#include "base/mem.h"
#include "math/elementary.h"

#include <math.h>
#include <string.h>

#define NO_WINDOW UINT32_MAX
#define FAR 3.0 /* Window lengths behind a window where an alarm is plainly false. */

static const struct {
    const char *name;
    double hit, missed, false_alarm;
} PROFILES[LW_EVAL_PROFILES] = {
    {"standard", 1.0, 1.0, 0.11},
    {"reward_low_FP_rate", 1.0, 1.0, 0.22},
    {"reward_low_FN_rate", 1.0, 2.0, 0.11},
};

const char *lw_eval_profile_name(size_t profile)
{
    return profile < LW_EVAL_PROFILES ? PROFILES[profile].name : NULL;
}

static double position_value(double y)
{
    return y > FAR ? -1.0 : 2.0 / (1.0 + lw_exp(5.0 * y)) - 1.0;
}

/* A walk over a series' rows, warm-up included, in order of time. */
struct walk {
    const struct lw_eval_series *series;
    size_t row, next; /* next: the window that has not begun. */
    bool is_inside;   /* In the window before it. */
};

struct valued {
    double value;
    uint32_t window; /* Of the series; NO_WINDOW: outside. */
};

/* The next row's value. */
static struct valued walk_next(struct walk *walk)
{
    const struct lw_eval_window *windows = walk->series->windows;
    size_t row = walk->row++;
    struct valued valued = {.value = -1.0, .window = NO_WINDOW};

    if (!walk->is_inside && walk->next < walk->series->n_windows &&
        windows[walk->next].first == row) {
        walk->is_inside = true;
        walk->next++;
    }
    if (walk->next > 0) {
        size_t first = windows[walk->next - 1].first, last = windows[walk->next - 1].last;
        double length = (double)(last - first + 1);

        if (walk->is_inside) {
            valued.window = (uint32_t)(walk->next - 1);
            valued.value = position_value(-((double)(last - row) + 1.0) / length) /
                           position_value(-1.0);
            walk->is_inside = row < last;
        } else {
            valued.value = position_value((double)(row - last) /
                                          (length > 1.0 ? length - 1.0 : 1.0));
        }
    }
    return valued;
}

static size_t windows_all(const struct lw_eval_work *works, size_t n_works)
{
    size_t n = 0;

    for (size_t i = 0; i < n_works; i++) {
        n += works[i].input->n_windows;
    }
    return n;
}

/* ---- the sweep over thresholds ---- */

/* All rows that count, and what is known of the windows so far. */
struct sweep {
    uint32_t n;
    double *scores;
    struct valued *rows; /* Windows numbered over all series. */
    uint32_t *order;
    double *best;     /* By window: what it adds so far. */
    double n_counted; /* Windows that have a row that counts. */
};

static void sweep_fini(struct sweep *sweep)
{
    lw_mem_free(sweep->scores);
    lw_mem_free(sweep->rows);
    lw_mem_free(sweep->order);
    lw_mem_free(sweep->best);
}

static enum lw_status sweep_init(const struct lw_eval_work *works, size_t n_works,
                                 struct sweep *sweep)
{
    uint32_t first_window = 0;
    size_t n = 1;

    for (size_t i = 0; i < n_works; i++) {
        n += works[i].input->has_windows ? works[i].n : 0;
    }
    *sweep = (struct sweep){
        .scores = lw_mem_calloc(n, sizeof(*sweep->scores)),
        .rows = lw_mem_calloc(n, sizeof(*sweep->rows)),
        .order = lw_mem_calloc(n, sizeof(*sweep->order)),
        .best = lw_mem_calloc(windows_all(works, n_works) + 1, sizeof(*sweep->best))};
    if (sweep->scores == NULL || sweep->rows == NULL || sweep->order == NULL ||
        sweep->best == NULL) {
        return LW_ENOMEM;
    }
    for (size_t i = 0; i < n_works; i++) {
        const struct lw_eval_series *series = works[i].input;
        struct walk walk = {.series = series};

        for (size_t row = 0; series->has_windows && row < series->n_rows; row++) {
            struct valued valued = walk_next(&walk);

            if (row >= series->n_warmup) {
                sweep->n_counted += valued.window != NO_WINDOW &&
                                    row == series->windows[valued.window].last;
                valued.window += valued.window == NO_WINDOW ? 0 : first_window;
                sweep->scores[sweep->n] = series->scores[row];
                sweep->rows[sweep->n++] = valued;
            }
        }
        first_window += (uint32_t)series->n_windows;
    }
    return lw_eval_order(sweep->scores, sweep->n, sweep->order, NULL);
}

/* The threshold with the best sum of a profile, the highest of equal ones; +inf: no alarm at all.
 */
static double sweep_best(const struct sweep *sweep, size_t n_windows, size_t profile)
{
    double missed = PROFILES[profile].missed, best = INFINITY, false_sum = 0.0;
    double sum = -missed * sweep->n_counted, best_sum = sum;

    for (size_t i = 0; i < n_windows; i++) {
        sweep->best[i] = -missed;
    }
    for (uint32_t i = 0; i < sweep->n; i++) {
        const struct valued *row = &sweep->rows[sweep->order[i]];
        double score = sweep->scores[sweep->order[i]];

        if (row->window == NO_WINDOW) {
            false_sum += row->value * PROFILES[profile].false_alarm;
        } else if (row->value * PROFILES[profile].hit > sweep->best[row->window]) {
            sum += row->value * PROFILES[profile].hit - sweep->best[row->window];
            sweep->best[row->window] = row->value * PROFILES[profile].hit;
        }
        if ((i + 1 == sweep->n || sweep->scores[sweep->order[i + 1]] < score) &&
            false_sum + sum > best_sum) {
            best_sum = false_sum + sum;
            best = score;
        }
    }
    return best;
}

enum lw_status lw_eval_nab_sweep(const struct lw_eval_work *works, size_t n_works,
                                 double ret_thresholds[LW_EVAL_PROFILES], struct lw_error *reterr)
{
    struct sweep sweep;
    enum lw_status status = sweep_init(works, n_works, &sweep);

    for (size_t profile = 0; status == LW_OK && profile < LW_EVAL_PROFILES; profile++) {
        ret_thresholds[profile] = sweep_best(&sweep, windows_all(works, n_works), profile);
    }
    sweep_fini(&sweep);
    return status == LW_OK
               ? LW_OK
               : lw_error_set(reterr, status, "no memory for NAB's sweep of thresholds");
}

/* ---- one threshold ---- */

/* A window's end: what it adds to its part. */
static void window_end(const struct valued *best, bool is_counted, size_t profile,
                       struct lw_eval_nab_part *part, struct lw_eval_nab_result *result)
{
    part->windows += 1.0;
    result->windows += 1.0;
    if (is_counted) {
        part->counted += 1.0;
        part->raw += best->window != NO_WINDOW ? best->value * PROFILES[profile].hit
                                               : -PROFILES[profile].missed;
        result->windows_hit += best->window != NO_WINDOW;
    }
}

static void series_count(const struct lw_eval_work *work, size_t profile,
                         const struct lw_eval_rule *rule, struct lw_eval_nab_part *parts,
                         struct lw_eval_nab_result *result)
{
    const struct lw_eval_series *series = work->input;
    struct walk walk = {.series = series};
    struct valued best = {.window = NO_WINDOW};
    uint32_t block = 0, window_block = 0;

    for (size_t row = 0; row < series->n_rows; row++) {
        struct valued valued = walk_next(&walk);
        bool counts = row >= series->n_warmup;
        bool is_alarm = counts && (rule->as_operated ? series->alarms[row] != 0
                                                     : series->scores[row] >= rule->threshold);

        while (counts && row - series->n_warmup >= work->block_starts[block + 1]) {
            block++;
        }
        if (valued.window == NO_WINDOW) {
            parts[block].raw += is_alarm ? valued.value * PROFILES[profile].false_alarm : 0.0;
            result->false_alarm_rows += is_alarm;
            continue;
        }
        if (row == series->windows[valued.window].first) {
            window_block = block;
            best.window = NO_WINDOW;
        }
        if (is_alarm && (best.window == NO_WINDOW || valued.value > best.value)) {
            best = valued;
        }
        if (row == series->windows[valued.window].last) {
            window_end(&best, counts, profile, &parts[window_block], result);
        }
    }
}

void lw_eval_nab_count(const struct lw_eval_work *works, size_t n_works, size_t profile,
                       const struct lw_eval_rule *rule, struct lw_eval_nab_part *parts,
                       struct lw_eval_nab_result *ret_result)
{
    *ret_result = (struct lw_eval_nab_result){.threshold = rule->threshold};
    for (size_t i = 0; i < n_works; i++) {
        if (works[i].input->has_windows) {
            ret_result->files += 1.0;
            series_count(&works[i], profile, rule, parts + works[i].first_unit, ret_result);
        }
    }
}

double lw_eval_nab_score(const struct lw_eval_nab_part *parts, uint32_t n_units,
                         const uint32_t *weights, size_t profile)
{
    double raw = 0.0, counted = 0.0, windows = 0.0, base, top;

    for (uint32_t unit = 0; unit < n_units; unit++) {
        raw += (double)weights[unit] * parts[unit].raw;
        counted += (double)weights[unit] * parts[unit].counted;
        windows += (double)weights[unit] * parts[unit].windows;
    }
    base = -PROFILES[profile].missed * counted;
    top = PROFILES[profile].hit * windows;
    return top > base ? 100.0 * (raw - base) / (top - base) : NAN;
}
