/* Scores joined with labels: see cli/eval_inputs.h. */
#include "cli/eval_inputs.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <math.h>
#include <string.h>

#define NAB_PERCENT 15.0
#define NAB_ROWS_MAX 750.0
#define SECOND_NS 1e9
#define ROW_NUMBERS_NS INT64_C(100000000000000000) /* 1973: numbers below are no times. */

static size_t warmup_rows(const struct lw_eval_warmup *warmup, size_t n)
{
    double rows = 0.0;

    switch (warmup->kind) {
    case LW_EVAL_WARMUP_ROWS:
        rows = warmup->amount;
        break;
    case LW_EVAL_WARMUP_PERCENT:
        rows = floor(warmup->amount / 100.0 * (double)n);
        break;
    case LW_EVAL_WARMUP_NAB:
        rows = floor(NAB_PERCENT / 100.0 * (double)n);
        rows = rows < NAB_ROWS_MAX ? rows : NAB_ROWS_MAX;
        break;
    case LW_EVAL_WARMUP_GIVEN:
        break;
    }
    rows = rows > 0.0 ? rows : 0.0;
    return rows < (double)n ? (size_t)rows : n;
}

/* From the row before; times may lie as far apart as 64 bits allow, and then it wraps round. */
static int64_t distance_of(const struct lw_eval_rows *rows, size_t row)
{
    return (int64_t)((uint64_t)rows->times[row] - (uint64_t)rows->times[row - 1]);
}

/* Seconds between most rows; 0 where there are no times, or no distance that most rows have, or
 * where the times are the rows' numbers. */
static double step_find(const struct lw_eval_rows *rows)
{
    int64_t best = 0;
    size_t n_best = 0, run = 0;

    if (rows->times == NULL || rows->n == 0 || rows->times[rows->n - 1] < ROW_NUMBERS_NS) {
        return 0.0;
    }

    /* Majority vote (Boyer and Moore 1981): exact where one distance has more than half. */
    for (size_t i = 1; i < rows->n; i++) {
        int64_t distance = distance_of(rows, i);

        if (run == 0) {
            best = distance;
        }
        run = distance == best ? run + 1 : run - 1;
    }
    for (size_t i = 1; i < rows->n; i++) {
        n_best += distance_of(rows, i) == best;
    }
    return best > 0 && 2 * n_best > rows->n - 1 ? (double)best / SECOND_NS : 0.0;
}

/* The step that was given, or else that of the scores' times, or of the labels'. */
static void step_set(struct lw_eval_series *series, const struct lw_eval_join *join,
                     const struct lw_eval_rows *labels)
{
    if (join->step_s != 0.0) {
        series->step_s = join->step_s > 0.0 ? join->step_s : 0.0;
    } else if (series->step_s <= 0.0) {
        series->step_s = step_find(labels);
    }
}

/* A place for one more series, cleared. */
static struct lw_eval_series *series_add(struct lw_eval_inputs *inputs)
{
    if (inputs->n == inputs->capacity) {
        size_t capacity = inputs->capacity == 0 ? 16 : 2 * inputs->capacity;
        struct lw_eval_series *series = lw_mem_realloc(inputs->series, capacity * sizeof(*series));

        if (series == NULL) {
            return NULL;
        }
        inputs->series = series;
        inputs->capacity = capacity;
    }
    memset(&inputs->series[inputs->n], 0, sizeof(inputs->series[0]));
    return &inputs->series[inputs->n++];
}

/* Ownership of what the public struct only borrows. */
static void *owned(const void *borrowed)
{
    return (void *)(uintptr_t)borrowed;
}

void lw_eval_inputs_fini(struct lw_eval_inputs *inputs)
{
    for (size_t i = 0; i < inputs->n; i++) {
        lw_mem_free(owned(inputs->series[i].name));
        lw_mem_free(owned(inputs->series[i].scores));
        lw_mem_free(owned(inputs->series[i].labels));
        lw_mem_free(owned(inputs->series[i].alarms));
        lw_mem_free(owned(inputs->series[i].windows));
    }
    lw_mem_free(inputs->series);
    memset(inputs, 0, sizeof(*inputs));
}

/* Rows that tell no score rank below all others. */
static uint64_t scores_fill(double *scores, size_t n)
{
    double lowest = INFINITY;
    uint64_t n_missing = 0;

    for (size_t i = 0; i < n; i++) {
        n_missing += isnan(scores[i]) ? 1 : 0;
        lowest = scores[i] < lowest ? scores[i] : lowest;
    }
    for (size_t i = 0; n_missing > 0 && i < n; i++) {
        scores[i] = isnan(scores[i]) ? (isfinite(lowest) ? lowest : 0.0) : scores[i];
    }
    return n_missing;
}

/* Takes over the arrays of the scores; labels and windows come from the caller, also on failure. */
static enum lw_status series_make(struct lw_eval_inputs *inputs, const struct lw_eval_join *join,
                                  struct lw_eval_rows *scores, uint8_t *labels,
                                  struct lw_eval_series **ret_series, struct lw_error *reterr)
{
    struct lw_eval_series *series = series_add(inputs);
    char *name = lw_mem_alloc(strlen(join->name) + 1);

    if (series == NULL || name == NULL) {
        lw_mem_free(name);
        lw_mem_free(labels);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for another series");
    }
    memcpy(name, join->name, strlen(join->name) + 1);
    inputs->n_missing += scores_fill(scores->scores, scores->n);
    *series = (struct lw_eval_series){.name = name,
                                      .scores = scores->scores,
                                      .labels = labels,
                                      .alarms = scores->alarms,
                                      .n_rows = scores->n,
                                      .step_s = step_find(scores)};
    scores->scores = NULL;
    scores->alarms = NULL;
    *ret_series = series;
    return LW_OK;
}

/* Each run of labelled rows is a window. */
static enum lw_status runs_take(struct lw_eval_series *series, struct lw_error *reterr)
{
    struct lw_eval_window *windows;
    size_t n = 0;

    for (size_t i = 0; i < series->n_rows; i++) {
        n += series->labels[i] != 0 && (i == 0 || series->labels[i - 1] == 0);
    }
    windows = lw_mem_calloc(n + 1, sizeof(*windows));
    if (windows == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu windows", n);
    }
    n = 0;
    for (size_t i = 0; i < series->n_rows; i++) {
        if (series->labels[i] != 0) {
            n += i == 0 || series->labels[i - 1] == 0;
            windows[n - 1].first = i == 0 || series->labels[i - 1] == 0 ? i : windows[n - 1].first;
            windows[n - 1].last = i;
        }
    }
    series->windows = windows;
    series->n_windows = n;
    series->has_windows = true;
    return LW_OK;
}

static enum lw_status labels_refuse(const struct lw_eval_join *join,
                                    const struct lw_eval_rows *scores,
                                    const struct lw_eval_rows *labels, size_t n_warmup,
                                    struct lw_error *reterr)
{
    return lw_error_set(reterr, LW_EFORMAT,
                        "%s: %s: %zu rows with scores, but %s has %zu rows, %zu of them behind the "
                        "warm-up; without a time in both files they cannot be joined",
                        join->scores_path, join->name, scores->n, join->labels_path, labels->n,
                        labels->n - n_warmup);
}

/* Labels of the scores' rows by their times, which come in the same order in both. */
static enum lw_status labels_by_time(const struct lw_eval_join *join,
                                     const struct lw_eval_rows *scores,
                                     const struct lw_eval_rows *labels, size_t n_warmup,
                                     uint8_t *ret_labels, size_t *ret_n_warmup,
                                     struct lw_error *reterr)
{
    size_t at = 0;

    *ret_n_warmup = 0;
    for (size_t i = 0; i < scores->n; i++) {
        while (at < labels->n && labels->times[at] != scores->times[i]) {
            at++;
        }
        if (at == labels->n) {
            char text[LW_TIME_TEXT_MAX];

            (void)lw_time_format(scores->times[i], text);
            return lw_error_set(reterr, LW_EFORMAT,
                                "%s: %s: row %zu is of %s, which %s has not, or not in that order",
                                join->scores_path, join->name, i + 1, text, join->labels_path);
        }
        ret_labels[i] = labels->labels[at];
        *ret_n_warmup += at < n_warmup;
        at++;
    }
    return LW_OK;
}

enum lw_status lw_eval_inputs_join(struct lw_eval_inputs *inputs, const struct lw_eval_join *join,
                                   struct lw_eval_rows *scores, const struct lw_eval_rows *labels,
                                   struct lw_error *reterr)
{
    size_t n_warmup = warmup_rows(&join->warmup, labels->n), n_counted = labels->n - n_warmup;
    uint8_t *joined = lw_mem_alloc(scores->n + 1);
    struct lw_eval_series *series;
    enum lw_status status = LW_OK;

    if (joined == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for %zu labels", scores->n);
    }
    if (scores->n == labels->n) {
        memcpy(joined, labels->labels, scores->n);
    } else if (scores->n == n_counted) {
        memcpy(joined, labels->labels + n_warmup, scores->n);
        n_warmup = 0;
    } else if (scores->times != NULL && labels->times != NULL) {
        status = labels_by_time(join, scores, labels, n_warmup, joined, &n_warmup, reterr);
    } else {
        status = labels_refuse(join, scores, labels, n_warmup, reterr);
    }
    if (status != LW_OK) {
        lw_mem_free(joined);
        return status;
    }
    status = series_make(inputs, join, scores, joined, &series, reterr);
    if (status == LW_OK) {
        series->n_warmup = n_warmup;
        step_set(series, join, labels);
        status = join->counts_runs_as_windows ? runs_take(series, reterr) : LW_OK;
    }
    return status;
}

enum lw_status lw_eval_inputs_join_windows(struct lw_eval_inputs *inputs,
                                           const struct lw_eval_join *join,
                                           struct lw_eval_rows *scores,
                                           const struct lw_eval_rows *timed,
                                           const struct lw_eval_periods *periods,
                                           struct lw_error *reterr)
{
    size_t n_warmup = warmup_rows(&join->warmup, timed->n), n_empty = 0, n_windows;
    uint8_t *labels = lw_mem_alloc(scores->n + 1);
    struct lw_eval_window *windows = lw_mem_calloc(periods->n + 1, sizeof(*windows));
    struct lw_eval_series *series;
    enum lw_status status = LW_OK;

    if (labels == NULL || windows == NULL) {
        status = lw_error_set(reterr, LW_ENOMEM, "no memory for %zu labels", scores->n);
    } else if (timed->times == NULL) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "%s: %s: windows of %s need a column of times beside the scores",
                              join->scores_path, join->name, join->labels_path);
    } else if (timed->n != scores->n) {
        status = lw_error_set(reterr, LW_EFORMAT,
                              "%s: %s: %zu rows with scores, but %zu with times", join->scores_path,
                              join->name, scores->n, timed->n);
    }
    if (status != LW_OK) {
        lw_mem_free(labels);
        lw_mem_free(windows);
        return status;
    }
    n_windows = lw_eval_windows_apply(periods, timed->times, scores->n, labels, windows, &n_empty);
    inputs->n_windows_empty += n_empty;
    status = series_make(inputs, join, scores, labels, &series, reterr);
    if (status != LW_OK) {
        lw_mem_free(windows);
        return status;
    }
    series->n_warmup = n_warmup;
    step_set(series, join, timed);
    series->windows = windows;
    series->n_windows = n_windows;
    series->has_windows = true;
    return LW_OK;
}
