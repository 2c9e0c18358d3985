/*
 * One English sentence for an anomaly: what, by how much, how long, and who else moved.
 *
 *     node_load1 rose to 4.2, expected 0.3 to 1.1, for 2m 10s; with it: node_procs_running.
 */
#ifndef LW_EXPLAIN_SENTENCE_H
#define LW_EXPLAIN_SENTENCE_H

#include "lapwing/lapwing.h"

#include <stddef.h>

#define LW_SENTENCE_MAX 1024

struct lw_sentence_input {
    const struct lw_anomaly *anomaly;
    /* Name of a series, NULL when unknown; called with context. */
    const char *(*series_name)(const void *context, uint32_t series);
    const void *context;
    float lower, upper; /* Expected band of the first contribution at the peak; NaN when unknown. */
    int64_t step_ns; /* Added to the duration: the last step has a length too; 0 with step "sample"
                        or "row". */
};

/* Writes the sentence, cut at a character's border where it is longer than capacity - 1 (> 0).
 * Returns its length. */
size_t lw_sentence_write(const struct lw_sentence_input *input, char *ret_text, size_t capacity);
/* A number with three significant digits, for people: "4.2", "0.00312", "1,230,000", "1.2e+09", "no
 * value" for NaN. Its length. */
size_t lw_number_write(double value, char *ret_text, size_t capacity);

#endif
