/*
 * Tables of scores and labels: any bytes are read or refused with a reason.
 *
 * The first byte chooses what is asked for, the rest is the file. What is checked beside memory: a
 * table has rows, all groups are within the limit and have names that end, scores are finite or
 * missing, and labels are 0 or 1.
 */
#include "cli/eval_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(int is_met, const char *what)
{
    if (!is_met) {
        (void)fprintf(stderr, "not met: %s\n", what);
        abort();
    }
}

static void rows_check(const struct lw_eval_rows *rows)
{
    require(rows->n > 0, "a group has rows");
    require(memchr(rows->name, '\0', sizeof(rows->name)) != NULL, "a name ends");
    for (size_t i = 0; i < rows->n; i++) {
        require(rows->scores == NULL || isfinite(rows->scores[i]) || isnan(rows->scores[i]),
                "scores are finite or missing");
        require(rows->labels == NULL || rows->labels[i] <= 1, "labels are 0 or 1");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct lw_eval_columns columns = {0};
    struct lw_eval_table table;
    struct lw_error error = {0};

    if (n_bytes == 0) {
        return 0;
    }
    columns.wants_scores = (data[0] & 1) != 0;
    columns.wants_labels = (data[0] & 2) != 0;
    columns.wants_times = (data[0] & 4) != 0;
    columns.by_series = (data[0] & 8) != 0;
    columns.ignores_times = (data[0] & 20) == 16;
    if (lw_eval_table_read_bytes("fuzz", data + 1, n_bytes - 1, &columns, &table, &error) !=
        LW_OK) {
        require(strncmp(error.message, "fuzz", 4) == 0, "a reason names the file");
        return 0;
    }
    require(table.n_groups > 0 && table.n_groups <= LW_EVAL_GROUPS_MAX, "there are groups");
    for (size_t i = 0; i < table.n_groups; i++) {
        rows_check(&table.groups[i]);
    }
    lw_eval_table_fini(&table);
    return 0;
}
