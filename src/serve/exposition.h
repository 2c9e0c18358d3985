/* The metrics of our own: one table that makes /metrics and the reference page. */
#ifndef LW_SERVE_EXPOSITION_H
#define LW_SERVE_EXPOSITION_H

#include <stddef.h>

/* One metric as the documentation shows it. Static text. */
struct lw_metric_text {
    const char *name, *type, *unit, *labels, *help;
};

/* The index-th metric, NULL past the last. */
const struct lw_metric_text *lw_exposition_metric(size_t index);

#endif
