/*
 * Plots of series over time as one SVG file that needs nothing beside it: value, expected band,
 * anomalies shaded, axes with times.
 *
 * A trace keeps a series of any length in a bounded number of cells, each the lowest and highest
 * reading of its stretch.
 */
#ifndef LW_CLI_PLOT_H
#define LW_CLI_PLOT_H

#include "lapwing/lapwing.h"

#include <stdint.h>
#include <stdio.h>

#define LW_TRACE_CELLS 1600

/* Readings of a stretch of time. */
struct lw_trace_cell {
    int64_t first_ns;
    float low, high;    /* NaN: none. */
    float lower, upper; /* Expected band; NaN: none. */
};

struct lw_trace {
    struct lw_trace_cell cells[LW_TRACE_CELLS];
    size_t n_cells, per_cell, n_in_last;
    int64_t last_ns;
};

/* A stretch of time to shade. */
struct lw_plot_mark {
    int64_t first_ns, last_ns, peak_ns;
    float peak_value;  /* NaN: no dot. */
    const char *title; /* Shown when pointed at. */
};

/* One panel. Borrowed. */
struct lw_plot_panel {
    const char *title, *subtitle;
    const struct lw_trace *trace;
    const struct lw_plot_mark *marks;
    size_t n_marks;
};

struct lw_plot {
    const char *title, *note;
    const struct lw_plot_panel *panels;
    size_t n_panels;
    bool has_times; /* Else the axis counts rows of `row_ns` each. */
    int64_t row_ns;
};

void lw_trace_init(struct lw_trace *trace);
void lw_trace_add(struct lw_trace *trace, int64_t time_ns, float value, float lower, float upper);
/* Writes the file's text. The stream keeps its error flag. */
void lw_plot_write(const struct lw_plot *plot, FILE *stream);

#endif
