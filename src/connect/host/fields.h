/* Files of lines "word number": which words make which metrics. */
#ifndef LW_CONNECT_HOST_FIELDS_H
#define LW_CONNECT_HOST_FIELDS_H

#include "connect/host/batch.h"

#define LW_HOST_FIELDS_MAX 16

struct lw_host_field {
    const char *word; /* As the file writes it. */
    const char *metric;
    double unit; /* What one of the file is in the metric's unit. */
};

struct lw_host_fields {
    uint32_t series[LW_HOST_FIELDS_MAX];
};

/* All series as yet unknown to the feed. */
void lw_host_fields_init(struct lw_host_fields *fields);
/* Adds a reading for each line of the text whose first word is in the table of n <=
 * LW_HOST_FIELDS_MAX. */
void lw_host_fields_take(struct lw_host_fields *fields, struct lw_scan scan,
                         const struct lw_host_field *table, size_t n, struct lw_host_batch *batch);

#endif
