/*
 * Rows as the embedding has them: those of a real table on a few directions, here sums of its
 * columns with signs from a seed, each direction scaled to its spread.
 */
#ifndef LW_BENCH_SUPPORT_DIRECTIONS_H
#define LW_BENCH_SUPPORT_DIRECTIONS_H

#include "../../tests/support/table.h"

#include "base/rng.h"

/* One direction of all rows, of which a column of float[n_rows][n] is filled. */
static inline void lw_directions_column(const struct lw_test_table *table, size_t n, uint64_t seed,
                                        float *ret_column)
{
    double mean = 0.0, square = 0.0, n_rows = (double)table->n_rows;

    for (size_t i = 0; i < table->n_rows; i++) {
        struct lw_rng rng;
        double sum = 0.0;

        lw_rng_seed(&rng, seed);
        for (size_t column = 0; column < table->n_dims; column++) {
            double value = (double)table->values[i * table->n_dims + column];

            sum += lw_rng_below(&rng, 2) == 0 ? value : -value;
        }
        ret_column[i * n] = (float)sum;
        mean += sum / n_rows;
        square += sum * sum / n_rows;
    }
    for (size_t i = 0; i < table->n_rows; i++) {
        ret_column[i * n] = (float)(((double)ret_column[i * n] - mean) /
                                    sqrt(square - mean * mean));
    }
}

/* float[n_rows][n]; the caller frees it. */
static inline float *lw_directions(const struct lw_test_table *table, size_t n)
{
    float *rows = calloc(table->n_rows * n, sizeof(float));

    for (size_t column = 0; column < n; column++) {
        lw_directions_column(table, n, column, rows + column);
    }
    return rows;
}

#endif
