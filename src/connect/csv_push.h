/*
 * Samples as CSV over HTTP: POST /v1/samples/csv, as the CSV files of source_csv.h, whose rules
 * hold.
 *
 * Each request is a table with a header; what its columns are can be said by query parameters, and
 * should be where requests are small. Rows and values that cannot be taken are told with line and
 * column, the others are kept.
 */
#ifndef LW_CONNECT_CSV_PUSH_H
#define LW_CONNECT_CSV_PUSH_H

#include "connect/push.h"

/* The value of the label "instance" where neither a column nor the query names one. */
#define LW_CSV_PUSH_INSTANCE "csv"

extern const struct lw_push_class lw_push_csv;

#endif
