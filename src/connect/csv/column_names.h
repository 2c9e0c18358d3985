/* What a column's name says about it. */
#ifndef LW_CONNECT_CSV_COLUMN_NAMES_H
#define LW_CONNECT_CSV_COLUMN_NAMES_H

#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stddef.h>

enum lw_csv_name_list {
    LW_CSV_NAMES_TIME,   /* A time for certain: "timestamp". */
    LW_CSV_NAMES_VALUE,  /* The readings of a long layout: "value". */
    LW_CSV_NAMES_SERIES, /* "series", "metric" */
    LW_CSV_NAMES_ENTITY, /* "host", "instance" */
    LW_CSV_NAMES_LABEL,  /* Answers: "is_anomaly" */
    LW_CSV_NAMES_ID      /* Row numbers and keys. */
};

/* The name is one of the list; case, blanks, "_" and "-" do not matter. */
bool lw_csv_name_is(const char *name, enum lw_csv_name_list list);
/* Holds "time" or "date", or ends in "_ts" or "_at": perhaps a time. */
bool lw_csv_name_hints_time(const char *name);
/* Holds a word that labels have in their names, such as "anom" or "label". */
bool lw_csv_name_hints_label(const char *name);

/* A name as the program shows it: bytes that are not UTF-8 read as Latin-1, control characters as
 * blanks, cut at the limit. */
void lw_csv_name_clean(const char *text, size_t n_bytes, char ret_name[LW_NAME_MAX]);

#endif
