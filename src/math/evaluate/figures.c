/* What may be evaluated, and the figures of an evaluation as its reader gets them. */
#include "math/evaluate/evaluate_internal.h"

#include "base/error.h"

#include <math.h>

/* ---- checks ---- */

static enum lw_status options_check(const struct lw_eval_options *options, struct lw_error *reterr)
{
    if (options->vus_window > LW_EVAL_VUS_WINDOW_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "the VUS window is %u rows; at most %u are allowed",
                            options->vus_window, LW_EVAL_VUS_WINDOW_MAX);
    }
    if (options->n_resamples > LW_EVAL_RESAMPLES_MAX) {
        return lw_error_set(reterr, LW_EINVAL, "%u resamples; at most %u are allowed",
                            options->n_resamples, LW_EVAL_RESAMPLES_MAX);
    }
    if (!(options->confidence > 0.0 && options->confidence < 1.0)) {
        return lw_error_set(reterr, LW_EINVAL,
                            "a confidence of %g; it must lie between 0 and 1, as 0.95 does",
                            options->confidence);
    }
    return LW_OK;
}

static enum lw_status windows_check(const struct lw_eval_series *series, struct lw_error *reterr)
{
    for (size_t i = 0; i < series->n_windows; i++) {
        const struct lw_eval_window *window = &series->windows[i];

        if (window->first > window->last || window->last >= series->n_rows ||
            (i > 0 && window->first <= series->windows[i - 1].last)) {
            return lw_error_set(reterr, LW_EINVAL,
                                "%s: window %zu, rows %zu to %zu of %zu, is empty, outside the "
                                "rows, or not behind the one before it",
                                series->name, i + 1, window->first, window->last, series->n_rows);
        }
    }
    return LW_OK;
}

static enum lw_status series_check(const struct lw_eval_series *series, struct lw_error *reterr)
{
    if (series->n_warmup > series->n_rows || !(series->step_s >= 0.0) || isinf(series->step_s)) {
        return lw_error_set(reterr, LW_EINVAL, "%s: %zu rows of warm-up of %zu, %g s a row",
                            series->name, series->n_warmup, series->n_rows, series->step_s);
    }
    for (size_t i = 0; i < series->n_rows; i++) {
        if (!isfinite(series->scores[i])) {
            return lw_error_set(reterr, LW_EINVAL, "%s: the score of row %zu is not finite",
                                series->name, i + 1);
        }
    }
    return windows_check(series, reterr);
}

enum lw_status lw_eval_check(const struct lw_eval_series *series, size_t n_series,
                             const struct lw_eval_options *options, struct lw_error *reterr)
{
    enum lw_status status = options_check(options, reterr);
    size_t n_rows = 0, n_counted = 0;

    for (size_t i = 0; status == LW_OK && i < n_series; i++) {
        if (series[i].n_rows > LW_EVAL_ROWS_MAX - n_rows) {
            return lw_error_set(reterr, LW_ELIMIT, "more than %u rows", LW_EVAL_ROWS_MAX);
        }
        n_rows += series[i].n_rows;
        status = series_check(&series[i], reterr);
        n_counted += status == LW_OK ? series[i].n_rows - series[i].n_warmup : 0;
    }
    if (status == LW_OK && n_counted == 0) {
        status = lw_error_set(reterr, LW_EINVAL, "no row counts: all of %zu are warm-up", n_rows);
    }
    return status;
}

/* ---- reading ---- */

/* Figures on their way to the caller: those past the capacity are counted only. */
struct reading {
    struct lw_eval_figure *figures;
    size_t capacity, n;
};

static void put(struct reading *reading, const char *name, double value)
{
    if (reading->n < reading->capacity) {
        reading->figures[reading->n] = (struct lw_eval_figure){name, value, NAN, NAN};
    }
    reading->n++;
}

static void put_all(struct reading *reading, const struct lw_eval_figure *figures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (reading->n < reading->capacity) {
            reading->figures[reading->n] = figures[i];
        }
        reading->n++;
    }
}

static void put_point(struct reading *reading, const struct lw_eval_point_result *point)
{
    if (point->is_there) {
        if (!isnan(point->threshold)) {
            put(reading, "threshold", point->threshold);
        }
        put_all(reading, point->figures, LW_EVAL_POINT_N);
    }
}

static void put_nab(struct reading *reading, const struct lw_eval_nab_figures *nab)
{
    if (nab->is_there) {
        put_all(reading, &nab->score, 1);
        put(reading, "raw", nab->rest.raw);
        if (!isnan(nab->rest.threshold)) {
            put(reading, "threshold", nab->rest.threshold);
        }
        put(reading, "false_alarm_rows", nab->rest.false_alarm_rows);
        put(reading, "windows_hit", nab->rest.windows_hit);
        put(reading, "windows", nab->rest.windows);
        put(reading, "files", nab->rest.files);
    }
}

static void put_series(struct reading *reading, const struct lw_eval_series_result *series)
{
    put(reading, "rows", series->rows);
    put(reading, "events", series->events);
    put_all(reading, series->figures, LW_EVAL_RANKING_N);
    put(reading, "best_f1_threshold", series->best_threshold);
}

static void put_about(struct reading *reading, const struct lw_evaluation *evaluation)
{
    put(reading, "series", (double)evaluation->n_series);
    put(reading, "series_with_events", evaluation->n_with_events);
    put(reading, "rows", evaluation->n_rows);
    put(reading, "events", evaluation->n_events);
    put(reading, "units", evaluation->n_units);
}

size_t lw_evaluation_read(const struct lw_evaluation *evaluation, enum lw_eval_section section,
                          size_t place, struct lw_eval_figure *ret_figures, size_t capacity)
{
    struct reading reading = {.figures = ret_figures, .capacity = capacity};

    switch (section) {
    case LW_EVAL_ABOUT:
        put_about(&reading, evaluation);
        break;
    case LW_EVAL_RANKING:
        put_all(&reading, evaluation->ranking, LW_EVAL_RANKING_N);
        break;
    case LW_EVAL_AS_OPERATED:
        put_point(&reading, &evaluation->points[0]);
        break;
    case LW_EVAL_AT_THRESHOLD:
        put_point(&reading, &evaluation->points[1]);
        break;
    case LW_EVAL_AT_BEST:
        put_point(&reading, &evaluation->points[2]);
        break;
    case LW_EVAL_NAB:
    case LW_EVAL_NAB_OPERATED:
        if (place < LW_EVAL_PROFILES) {
            put_nab(&reading, &evaluation->nab[section == LW_EVAL_NAB_OPERATED][place]);
        }
        break;
    case LW_EVAL_RANKING_SERIES:
        if (place < evaluation->n_series) {
            put_series(&reading, &evaluation->series[place]);
        }
        break;
    }
    return reading.n;
}
