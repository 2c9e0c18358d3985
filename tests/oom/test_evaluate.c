/* An evaluation, and the reading of its files, with each allocation failing in turn. */
#include "cli/eval_table.h"
#include "cli/eval_windows.h"
#include "lapwing/evaluate.h"
#include "support/oom.h"

#include <string.h>

#define N 120

static enum lw_status evaluation_run(void *user)
{
    static const struct lw_eval_window windows[] = {{40, 44}, {90, 95}};
    const enum lw_eval_unit *unit = user;
    double scores[N];
    uint8_t labels[N] = {0}, alarms[N] = {0};
    struct lw_eval_series series[2] = {{.name = "a", .n_rows = N, .n_windows = 2}};
    struct lw_eval_options options;
    struct lw_evaluation *evaluation = NULL;
    struct lw_error error;
    enum lw_status status;

    for (size_t i = 0; i < N; i++) {
        scores[i] = (double)(i * 37 % 101);
        labels[i] = (i >= 40 && i < 45) || (i >= 90 && i < 96);
    }
    series[0].scores = scores;
    series[0].labels = labels;
    series[0].alarms = alarms;
    series[0].windows = windows;
    series[0].has_windows = true;
    series[1] = series[0];
    lw_eval_options_default(&options);
    options.unit = *unit;
    options.n_resamples = 3;
    options.vus_window = 4;
    options.threshold = 50.0;
    status = lw_evaluate(series, 2, &options, &evaluation, &error);
    assert_true((status == LW_OK) == (evaluation != NULL));
    lw_evaluation_destroy(evaluation);
    return status;
}

static void test_evaluate__survives_every_failing_allocation(void **state)
{
    enum lw_eval_unit units[] = {LW_EVAL_UNIT_SERIES, LW_EVAL_UNIT_EVENTS};

    (void)state;
    lw_oom_sweep("series drawn", evaluation_run, &units[0]);
    lw_oom_sweep("events drawn", evaluation_run, &units[1]);
}

static enum lw_status table_run(void *user)
{
    static const char text[] = "time,entity,series,score,alarm,label\n2020-01-01,a,x,1,0,0\n"
                               "2020-01-02,a,y,1,0,0\n2020-01-03,b,x,1,0,1\n";
    const struct lw_eval_columns columns = {.wants_scores = true, .wants_labels = true};
    struct lw_eval_table table;
    struct lw_error error;
    enum lw_status status = lw_eval_table_read_bytes("a", text, strlen(text), &columns, &table,
                                                     &error);

    (void)user;
    if (status == LW_OK) {
        lw_eval_table_fini(&table);
    }
    return status;
}

static enum lw_status windows_run(void *user)
{
    const char *text = user;
    struct lw_eval_windows windows;
    struct lw_error error;
    enum lw_status status = lw_eval_windows_read_bytes("w", text, strlen(text), &windows, &error);

    if (status == LW_OK) {
        lw_eval_windows_fini(&windows);
    }
    return status;
}

static void test_eval_files__survive_every_failing_allocation(void **state)
{
    char csv[] = "start,end,name\n2020-01-01,2020-01-02,a\n2020-01-01,2020-01-02,b\n";
    char json[] = "{\"a.csv\": [[\"2020-01-01\", \"2020-01-02\"]], \"b.csv\": []}";

    (void)state;
    lw_oom_sweep("table", table_run, NULL);
    lw_oom_sweep("windows as CSV", windows_run, csv);
    lw_oom_sweep("windows as JSON", windows_run, json);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluate__survives_every_failing_allocation),
        cmocka_unit_test(test_eval_files__survive_every_failing_allocation),
    };

    return LW_TEST_RUN(tests);
}
