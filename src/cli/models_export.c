/* Writes a member of a model file as ONNX, and says what that loses on the rows of a CSV file. */
#include "cli/models_export.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/eval_csv.h"
#include "cli/models_file.h"
#include "connect/csv/decimal.h"

#include <math.h>
#include <stdio.h>

#define VALUES_MAX ((size_t)1 << 28) /* Of a CSV file, 1 GiB. */

/* The rows of a CSV file; what is no number is missing. */
struct table {
    struct lw_eval_csv csv; /* Open while the names of the columns are needed. */
    const char **names;
    float *values;
    size_t n_rows, n_values_max;
};

static void table_fini(struct table *table)
{
    lw_eval_csv_close(&table->csv);
    lw_mem_free(table->names);
    lw_mem_free(table->values);
}

/* Room for one row more. */
static enum lw_status table_grow(struct table *table, struct lw_error *reterr)
{
    size_t n_columns = table->csv.n_columns, n = (table->n_rows + 1) * n_columns;
    float *values;

    if (n <= table->n_values_max) {
        return LW_OK;
    }
    if (n > VALUES_MAX) {
        return lw_error_set(reterr, LW_ELIMIT, "%s: more than %zu values", table->csv.path,
                            VALUES_MAX);
    }
    values = lw_mem_realloc(table->values, 2 * n * sizeof(*values));
    if (values == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "%s: no memory for %zu values", table->csv.path,
                            2 * n);
    }
    table->values = values;
    table->n_values_max = 2 * n;
    return LW_OK;
}

static void row_take(struct table *table)
{
    float *row = table->values + table->n_rows * table->csv.n_columns;

    for (uint32_t i = 0; i < table->csv.n_columns; i++) {
        const struct lw_csv_field *field = &table->csv.fields[i];
        double value = NAN;

        if (!lw_csv_decimal_parse(field->text, field->n_bytes, '.', &value) || !isfinite(value)) {
            value = NAN;
        }
        row[i] = (float)value;
    }
    table->n_rows++;
}

static enum lw_status table_read(const char *path, struct table *table, struct lw_error *reterr)
{
    enum lw_status status = lw_eval_csv_open(path, NULL, 0, 0, &table->csv, reterr);
    bool has_row = status == LW_OK;

    if (status == LW_OK) {
        table->names = lw_mem_calloc(table->csv.n_columns, sizeof(*table->names));
        if (table->names == NULL) {
            return lw_error_set(reterr, LW_ENOMEM, "%s: no memory for its columns", path);
        }
    }
    for (uint32_t i = 0; status == LW_OK && i < table->csv.n_columns; i++) {
        table->names[i] = table->csv.names[i];
    }
    while (status == LW_OK && has_row) {
        status = lw_eval_csv_next(&table->csv, &has_row, reterr);
        if (status == LW_OK && has_row) {
            status = table_grow(table, reterr);
        }
        if (status == LW_OK && has_row) {
            row_take(table);
        }
    }
    return status == LW_OK && table->n_rows == 0
               ? lw_error_set(reterr, LW_EFORMAT, "%s: no rows below the header", path)
               : status;
}

static void say(const char *path, const char *message)
{
    (void)fprintf(stderr, "lapwing models: %s%s%s\n", path, path[0] == '\0' ? "" : ": ", message);
}

static void result_print(const struct lw_models_export *command, const struct lw_export *made)
{
    (void)printf("%s: %s", command->out, command->options.member);
    if (made->n_groups > 1) {
        (void)printf(" of group %u of %u", (unsigned)made->group, (unsigned)made->n_groups);
    }
    (void)printf(", %zu bytes", made->n_bytes);
    if (command->options.int8 || command->options.prune > 0.0) {
        (void)printf(" (%zu as it is)", made->n_float_bytes);
    }
    if (made->n_rows == 0) {
        (void)puts("\nloss: not measured, for no --rows were given");
        return;
    }
    (void)printf(
        "\nloss over %zu rows: error of a score %.2g %% in the mean, %.2g %% at most; rank "
        "correlation %.4f\n",
        made->n_rows, 100.0 * made->mean_error, 100.0 * made->max_error, made->rank_correlation);
}

/* Exports from the bytes of a model file and writes the graph. */
static int bytes_export(const struct lw_models_export *command, const void *bytes, size_t n_bytes,
                        const struct lw_export_options *options)
{
    struct lw_export made;
    struct lw_error error;
    enum lw_status status = lw_models_export(bytes, n_bytes, options, &made, &error);

    if (status != LW_OK) {
        say(command->path, error.message);
        return status == LW_ENOMEM                             ? LW_EXIT_FAILED
               : status == LW_EFORMAT || status == LW_EVERSION ? LW_EXIT_INPUT
                                                               : LW_EXIT_USAGE;
    }
    status = lw_models_write(command->out, made.bytes, made.n_bytes, &error);
    lw_bytes_free(made.bytes);
    if (status != LW_OK) {
        say("", error.message);
        return LW_EXIT_FAILED;
    }
    result_print(command, &made);
    return LW_EXIT_OK;
}

int lw_models_export_run(const struct lw_models_export *command)
{
    struct lw_export_options options = command->options;
    struct table table = {0};
    struct lw_error error;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_models_read(command->path, &bytes, &n_bytes, &error);
    int code;

    if (status == LW_OK && command->rows != NULL) {
        status = table_read(command->rows, &table, &error);
        options.rows = table.values;
        options.n_rows = table.n_rows;
        options.columns = table.names;
        options.n_columns = table.csv.n_columns;
    }
    if (status == LW_OK) {
        code = bytes_export(command, bytes, n_bytes, &options);
    } else {
        say("", error.message);
        code = status == LW_ENOMEM ? LW_EXIT_FAILED : LW_EXIT_INPUT;
    }
    table_fini(&table);
    lw_mem_free(bytes);
    return code;
}
