/*
 * The charts of a report's page, as inline SVG: coordinates are pixels with one decimal, colours
 * come from the page's style. A chart without anything to show writes nothing.
 */
#ifndef LW_CLI_TRAIN_CHARTS_H
#define LW_CLI_TRAIN_CHARTS_H

#include <jansson.h>
#include <stdio.h>

/* Text of a page: "<", "&" and quotes escaped. */
void lw_page_text(FILE *stream, const char *text);

/* Promised and achieved false alarms, with the interval, on a logarithmic axis. */
void lw_chart_budget(const json_t *report, FILE *stream);
/* What share of rows lay above a level, promised and achieved, with the spread of entities. */
void lw_chart_calibration(const json_t *report, FILE *stream);
/* How often each level was met. */
void lw_chart_levels(const json_t *report, FILE *stream);
/* Spearman correlation of the members. */
void lw_chart_correlation(const json_t *report, FILE *stream);
/* The windows of the cross-validation, one below the other. */
void lw_chart_folds(const json_t *report, FILE *stream);
/* The level of one entity over time, labelled stretches shaded. */
void lw_chart_entity(const json_t *entity, double high, FILE *stream);

#endif
