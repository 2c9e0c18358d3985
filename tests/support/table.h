/*
 * A CSV file of numbers with a header, read into memory for tests and benches: every cell must be a
 * number or empty, and empty is NaN. Anything else ends the process, for a test without its data
 * must fail.
 */
#ifndef LW_TESTS_SUPPORT_TABLE_H
#define LW_TESTS_SUPPORT_TABLE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lw_test_table {
    float *values; /* [n_rows][n_dims], without the label */
    int *labels;   /* [n_rows]; all 0 where the file has no column "label". */
    size_t n_rows;
    size_t n_dims;
};

static inline __attribute__((noreturn)) void lw_test_table_fail(const char *path, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

/* The text of a file, terminated. */
static inline char *lw_test_table_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long n_bytes;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (n_bytes = ftell(file)) < 0) {
        lw_test_table_fail(path, "cannot be read");
    }
    rewind(file);
    text = malloc((size_t)n_bytes + 1);
    if (text == NULL || fread(text, 1, (size_t)n_bytes, file) != (size_t)n_bytes) {
        lw_test_table_fail(path, "cannot be read");
    }
    text[n_bytes] = '\0';
    (void)fclose(file);
    return text;
}

/* Columns of the header; *ret_label is the one named "label", or their number. */
static inline size_t lw_test_table_header(char *header, size_t *ret_label)
{
    size_t n = 0;
    char *place = NULL;

    *ret_label = SIZE_MAX;
    for (char *name = strtok_r(header, ",", &place); name != NULL;
         name = strtok_r(NULL, ",", &place)) {
        if (strcmp(name, "label") == 0) {
            *ret_label = n;
        }
        n++;
    }
    return n;
}

static inline void lw_test_table_row(const char *path, char *line, size_t label,
                                     struct lw_test_table *table)
{
    char *end = line;

    for (size_t column = 0, dim = 0; dim < table->n_dims || column == label; column++) {
        double value = strtod(line, &end);

        value = end == line ? NAN : value;
        if (*end != ',' && *end != '\0') {
            lw_test_table_fail(path, line);
        }
        if (column == label) {
            table->labels[table->n_rows] = (int)value;
        } else {
            table->values[table->n_rows * table->n_dims + dim++] = (float)value;
        }
        line = *end == ',' ? end + 1 : end;
    }
    table->n_rows++;
}

static inline struct lw_test_table lw_test_table_read(const char *path)
{
    struct lw_test_table table = {0};
    char *text = lw_test_table_text(path), *place = NULL, *line;
    size_t label, n_columns, n_lines = 0;

    for (const char *at = text; *at != '\0'; at++) {
        n_lines += *at == '\n';
    }
    n_columns = lw_test_table_header(strtok_r(text, "\n", &place), &label);
    table.n_dims = n_columns - (label < n_columns);
    table.values = calloc(n_lines * table.n_dims + 1, sizeof(float));
    table.labels = calloc(n_lines + 1, sizeof(int));
    if (table.values == NULL || table.labels == NULL) {
        lw_test_table_fail(path, "no memory");
    }
    while ((line = strtok_r(NULL, "\n", &place)) != NULL) {
        lw_test_table_row(path, line, label, &table);
    }
    free(text);
    return table;
}

static inline void lw_test_table_free(struct lw_test_table *table)
{
    free(table->values);
    free(table->labels);
}

/* The area under the ROC curve, ties counted half, straight from its definition: every outlier
 * against every other row. */
static inline double lw_test_table_auc(const struct lw_test_table *table, const float *scores)
{
    double won = 0.0, pairs = 0.0;

    for (size_t i = 0; i < table->n_rows; i++) {
        for (size_t j = 0; table->labels[i] != 0 && j < table->n_rows; j++) {
            if (table->labels[j] == 0) {
                pairs += 1.0;
                won += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
            }
        }
    }
    return won / pairs;
}

#endif
