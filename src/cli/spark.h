/* Sparklines: a stretch of a series in one line of block characters, its anomalous part coloured.
 */
#ifndef LW_CLI_SPARK_H
#define LW_CLI_SPARK_H

#include "cli/terminal.h"

#include <stddef.h>

#define LW_SPARK_CELLS 48

/* One cell: the readings it stands for. */
struct lw_spark_cell {
    float low, high; /* NaN: none. */
    bool is_hot;     /* Some of them are anomalous. */
};

/*
 * A stretch of any length in at most LW_SPARK_CELLS cells: when they are full, neighbours merge and
 * each cell stands for twice as many readings.
 */
struct lw_spark {
    struct lw_spark_cell cells[LW_SPARK_CELLS];
    size_t n_cells;
    size_t per_cell, n_in_last; /* Readings. */
};

void lw_spark_init(struct lw_spark *spark);
void lw_spark_add(struct lw_spark *spark, float value, bool is_hot);
/* Prints it padded to LW_SPARK_CELLS columns: of each cell the end that lies further from the
 * middle. */
void lw_spark_print(const struct lw_spark *spark, const struct lw_terminal *terminal);

#endif
