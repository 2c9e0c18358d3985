/*
 * The report of a training (docs/training.md, "The report"), for people: text for a terminal, and
 * one HTML page with plots that needs nothing beside it. What a report lacks is left out.
 */
#ifndef LW_CLI_TRAIN_REPORT_H
#define LW_CLI_TRAIN_REPORT_H

#include "cli/terminal.h"
#include "lapwing/status.h"

#include <jansson.h>

/* Reads a report. NULL and a message when it is none. */
json_t *lw_report_parse(const char *text, struct lw_error *reterr);
/* Prints it. file_bytes is the length of the model file; 0: there is none. */
void lw_report_print(const json_t *report, double file_bytes, const struct lw_terminal *terminal);
/* Writes the page; the stream keeps its error flag. */
void lw_report_page(const json_t *report, double file_bytes, FILE *stream);

#endif
