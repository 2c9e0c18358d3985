/*
 * Rows of a real server as a view gives them to a network: some columns of a table, centred, scaled
 * and compressed, 3 asinh((x - mean) / max(sd, 0.01) / 3), mean and sd those of its first rows.
 */
#ifndef LW_TESTS_SUPPORT_SCALED_H
#define LW_TESTS_SUPPORT_SCALED_H

#include "support/table.h"

#include "base/bytes.h"
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

/* What a golden case is made of: the model's bytes into the first path, its rows as CSV into the
 * second. */
static inline void lw_test_golden_write(const struct lw_model_class *model_class,
                                        const struct lw_model *model,
                                        const struct lw_test_table *table, char *const *paths)
{
    FILE *bytes = fopen(paths[0], "wb"), *rows = fopen(paths[1], "w");
    struct lw_writer writer;

    lw_writer_init(&writer);
    model_class->save(model, &writer);
    if (bytes == NULL || rows == NULL ||
        fwrite(writer.data, 1, writer.n_bytes, bytes) != writer.n_bytes) {
        lw_test_table_fail(paths[0], "cannot be written");
    }
    for (size_t j = 0; j < table->n_dims; j++) {
        (void)fprintf(rows, "%sm%02zu", j == 0 ? "" : ",", j + 1);
    }
    for (size_t i = 0; i < table->n_rows * table->n_dims; i++) {
        (void)fputs(i % table->n_dims == 0 ? "\n" : ",", rows);
        if (!isnan(table->values[i])) {
            (void)fprintf(rows, "%.9g", (double)table->values[i]);
        }
    }
    (void)fputs("\n", rows);
    if (fclose(rows) != 0 || fclose(bytes) != 0) {
        lw_test_table_fail(paths[1], "cannot be written");
    }
    lw_writer_fini(&writer);
}

#endif
