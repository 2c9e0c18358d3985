/*
 * Rows of a real server as a view gives them to a network: some columns of a table, centred, scaled
 * and compressed, 3 asinh((x - mean) / max(sd, 0.01) / 3), mean and sd those of its first rows.
 */
#ifndef LW_TESTS_SUPPORT_SCALED_H
#define LW_TESTS_SUPPORT_SCALED_H

#include "support/table.h"

#include "math/hyperbolic.h"
#include "model/model.h"

/* In place: n_dims of the columns stay, the first. */
static inline void lw_test_table_scale(struct lw_test_table *table, size_t n_dims, size_t n_first)
{
    for (size_t column = 0; column < n_dims; column++) {
        const float *values = table->values + column;
        double sum = 0.0, squares = 0.0, mean, sd;

        for (size_t i = 0; i < n_first; i++) {
            sum += (double)values[i * table->n_dims];
        }
        mean = sum / (double)n_first;
        for (size_t i = 0; i < n_first; i++) {
            double off = (double)values[i * table->n_dims] - mean;

            squares += off * off;
        }
        sd = sqrt(squares / (double)n_first);
        sd = sd > 0.01 ? sd : 0.01;
        for (size_t i = 0; i < table->n_rows; i++) {
            float *value = &table->values[i * table->n_dims + column];

            *value = (float)(3.0 * lw_asinh(((double)*value - mean) / sd / 3.0));
        }
    }
    for (size_t i = 0; i < table->n_rows; i++) {
        memmove(table->values + i * n_dims, table->values + i * table->n_dims,
                n_dims * sizeof(float));
    }
    table->n_dims = n_dims;
}

/* A file's bytes into a buffer; returns how many. */
static inline size_t lw_test_file_read(const char *path, uint8_t *ret_bytes, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    size_t n_bytes;

    if (file == NULL) {
        lw_test_table_fail(path, "cannot be read");
    }
    n_bytes = fread(ret_bytes, 1, capacity, file);
    (void)fclose(file);
    return n_bytes;
}

#endif
