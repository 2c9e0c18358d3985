/* Reading the fields of a report, of which any may be missing; and numbers as people write them. */
#ifndef LW_CLI_TRAIN_FIELDS_H
#define LW_CLI_TRAIN_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_FIGURE_MAX 48

/* A field by its path, "data.entities"; NULL where there is none, or it is null. */
const json_t *lw_field(const json_t *from, const char *path);
/* NaN where there is none. */
double lw_field_number(const json_t *from, const char *path);
/* "" where there is none. */
const char *lw_field_text(const json_t *from, const char *path);
/* False where there is none. */
bool lw_field_is(const json_t *from, const char *path);
/* An item of a list; NULL behind its end. */
const json_t *lw_field_item(const json_t *from, const char *path, size_t i);
size_t lw_field_count(const json_t *from, const char *path);

/* Nanoseconds a vector of a member; NaN of one that is not in the model. */
double lw_report_member_ns(const json_t *report, const char *name);

/* Three digits or so: "0.0312", "12.4", "1.24 M"; "-" for NaN. */
const char *lw_figure(double value, char ret_text[LW_FIGURE_MAX]);
/* "15 %", "0.12 %" */
const char *lw_figure_share(double share, char ret_text[LW_FIGURE_MAX]);
/* "1.9 MB" */
const char *lw_figure_bytes(double bytes, char ret_text[LW_FIGURE_MAX]);
/* "870 ns", "8.7 us", "2.1 ms" */
const char *lw_figure_ns(double ns, char ret_text[LW_FIGURE_MAX]);
/* "1m", "14d 3h" */
const char *lw_figure_seconds(double seconds, char ret_text[LW_FIGURE_MAX]);
/* "2014-02-26 22:05" of Unix seconds */
const char *lw_figure_moment(double seconds, char ret_text[LW_FIGURE_MAX]);
/* "1 row", "2,041 rows": with the plural's "s". */
const char *lw_figure_count(double count, const char *what, char ret_text[LW_FIGURE_MAX]);
/* Where a stretch of rows without times lies, times are small numbers: row numbers, in effect. */
bool lw_report_has_times(const json_t *report);

#endif
