/* What `lapwing eval` reads: tables of scores and labels, and windows. */
#include "cli/eval_inputs.h"
#include "cli/eval_table.h"
#include "cli/eval_windows.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

static struct lw_eval_table table_of(const char *text, const struct lw_eval_columns *columns)
{
    struct lw_eval_table table;
    struct lw_error error;

    if (lw_eval_table_read_bytes("a.csv", text, strlen(text), columns, &table, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return table;
}

static void refused(const char *text, const struct lw_eval_columns *columns, const char *said)
{
    struct lw_eval_table table;
    struct lw_error error;

    assert_int_not_equal(
        lw_eval_table_read_bytes("a.csv", text, strlen(text), columns, &table, &error), LW_OK);
    if (strstr(error.message, said) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, said);
    }
}

static void test_table__joins_the_lines_of_an_entitys_row(void **state)
{
    static const char text[] = "time,entity,series,score,alarm\n"
                               "2020-01-01T00:00:00Z,a,x,0.5,0\n"
                               "2020-01-01T00:00:00Z,a,y,0.75,1\n"
                               "2020-01-01T00:00:00Z,b,x,,0\n"
                               "2020-01-01T00:01:00Z,a,x,0.5,1\n"
                               "2020-01-01T00:01:00Z,a,y,0.25,0\n"
                               "2020-01-01T00:01:00Z,a,,0.125,0\n"
                               "2020-01-01T00:01:00Z,b,x,0.1,0\n";
    const struct lw_eval_columns columns = {.wants_scores = true};
    struct lw_eval_table table = table_of(text, &columns);

    (void)state;
    assert_int_equal(table.n_groups, 2);
    assert_string_equal(table.groups[0].name, "a");
    assert_int_equal(table.groups[0].n, 2);
    assert_true(table.groups[0].scores[0] == 0.75 && table.groups[0].alarms[0] == 1);
    assert_true(table.groups[0].scores[1] == 0.125 && table.groups[0].alarms[1] == 0);
    assert_int_equal(table.groups[1].n, 2);
    assert_true(isnan(table.groups[1].scores[0]) && table.groups[1].scores[1] == 0.1);
    assert_true(table.groups[1].times[1] - table.groups[1].times[0] == INT64_C(60000000000));
    lw_eval_table_fini(&table);
}

static void test_table__tells_series_apart_where_asked(void **state)
{
    static const char text[] = "entity,series,score\na,x,1\na,y,2\na,,3\na,x,4\na,y,5\n";
    const struct lw_eval_columns columns = {.wants_scores = true, .by_series = true};
    struct lw_eval_table table = table_of(text, &columns);

    (void)state;
    assert_int_equal(table.n_groups, 2);
    assert_string_equal(table.groups[1].name, "a/y");
    assert_int_equal(table.groups[1].n, 2);
    assert_true(table.groups[1].scores[1] == 5.0);
    lw_eval_table_fini(&table);
}

static void test_table__finds_its_columns_in_any_dialect(void **state)
{
    static const char text[] = "\xEF\xBB\xBFIs_Anomaly;\"Anomaly_Score\"\r\n\r\nTRUE;1e-1\r\n0;.5";
    const struct lw_eval_columns columns = {.wants_scores = true, .wants_labels = true};
    struct lw_eval_table table = table_of(text, &columns);

    (void)state;
    assert_int_equal(table.groups[0].n, 2);
    assert_true(table.groups[0].labels[0] == 1 && table.groups[0].labels[1] == 0);
    assert_true(table.groups[0].scores[0] == 0.1 && table.groups[0].scores[1] == 0.5);
    assert_true(!table.has_alarms && !table.has_times);
    lw_eval_table_fini(&table);
}

static void test_table__names_file_line_and_reason(void **state)
{
    const struct lw_eval_columns scores = {.wants_scores = true};
    const struct lw_eval_columns labels = {.wants_labels = true};
    const struct lw_eval_columns named = {.wants_labels = true, .label = "truth"};

    (void)state;
    refused("", &scores, "a.csv: the file is empty");
    refused("score\n", &scores, "a.csv: no row follows the header");
    refused("a,b\n1,2\n", &scores, "there is no column score (--score-column); its columns: a, b");
    refused("label\n1\n", &named, "a.csv: there is no column \"truth\" (--label-column)");
    refused("score\n1\n\nx\n", &scores, "a.csv:4: column \"score\": \"x\" is no number");
    refused("score\ninf\n", &scores, "a.csv:2: column \"score\": \"inf\" is not finite");
    refused("score,b\n1,2\n1\n", &scores, "a.csv:3: 1 fields; the header has 2");
    refused("label,x\n,1\n", &labels, "a.csv:2: column \"label\": \"\" is no label");
    refused("time,label\n2020-01-01,1\nsoon,1\n", &labels, "a.csv:3: column \"time\"");
    refused("score,b\n\"1\"x,2\n", &scores, "a.csv:2: the line cannot be read");
}

static struct lw_eval_windows windows_of(const char *text)
{
    struct lw_eval_windows windows;
    struct lw_error error;

    if (lw_eval_windows_read_bytes("w", text, strlen(text), &windows, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return windows;
}

static void test_windows__are_the_same_as_json_and_csv(void **state)
{
    static const char *const texts[] = {
        "{\"d/b.csv\": [[\"2020-01-01 00:01:00.000000\", \"2020-01-01T00:02:00Z\"],\n"
        " [\"2020-01-01 00:05\", \"2020-01-01 00:05\"]], \"d/a.csv\": []}",
        "start,end,file\n2020-01-01 00:01:00,2020-01-01 00:02:00,d/b.csv\n"
        "2020-01-01 00:05:00,2020-01-01 00:05:00,d/b.csv.gz\n"};
    int64_t times[10];

    (void)state;
    for (int64_t i = 0; i < 10; i++) {
        times[i] = INT64_C(1577836800000000000) + i * INT64_C(60000000000);
    }
    for (size_t i = 0; i < 2; i++) {
        struct lw_eval_windows windows = windows_of(texts[i]);
        const struct lw_eval_periods *periods = lw_eval_windows_find(&windows, "other/b");
        struct lw_eval_window found[2];
        uint8_t labels[10];
        size_t n_empty;

        assert_true(windows.is_complete == (i == 0));
        assert_non_null(periods);
        assert_ptr_equal(periods, lw_eval_windows_find(&windows, "d/b.csv"));
        assert_null(lw_eval_windows_find(&windows, "d/c"));
        assert_int_equal(lw_eval_windows_apply(periods, times, 10, labels, found, &n_empty), 2);
        assert_memory_equal(labels, ((uint8_t[]){0, 1, 1, 0, 0, 1, 0, 0, 0, 0}), 10);
        assert_true(found[0].first == 1 && found[0].last == 2);
        assert_true(found[1].first == 5 && found[1].last == 5 && n_empty == 0);
        lw_eval_windows_fini(&windows);
    }
}

static void test_windows__that_overlap_are_one_and_those_without_rows_are_counted(void **state)
{
    struct lw_eval_windows windows = windows_of("[[\"2020-01-01 00:04\", \"2020-01-01 00:06\"],"
                                                " [\"2020-01-01 00:01\", \"2020-01-01 00:04\"],"
                                                " [\"2020-01-02\", \"2020-01-03\"]]");
    int64_t times[10];
    struct lw_eval_window found[3];
    uint8_t labels[10];
    size_t n_empty;

    (void)state;
    for (int64_t i = 0; i < 10; i++) {
        times[i] = INT64_C(1577836800000000000) + i * INT64_C(60000000000);
    }
    assert_int_equal(lw_eval_windows_apply(lw_eval_windows_find(&windows, "any"), times, 10, labels,
                                           found, &n_empty),
                     1);
    assert_true(found[0].first == 1 && found[0].last == 6 && n_empty == 1);
    lw_eval_windows_fini(&windows);
}

static void test_windows__refuse_what_is_none(void **state)
{
    static const char *const cases[][2] = {
        {"{\"a\": [[\"2020-01-01\"]]}", "window 1 is not of the form"},
        {"{\"a\": 3}", "is no list of windows"},
        {"{\"a\": [[1, 2]]}", "is no time"},
        {"{\"a\": [[\"2020-01-02\", \"2020-01-01\"]]}", "ends before it begins"},
        {"{\"a\": [],\n \"a\": []}", "w:2: it is no JSON"},
        {"begin,end\n1,2\n", "columns start and end"},
        {"start,end\n2020-01-01,soon\n", "w:2: column \"end\""},
        {"start,end\n2020-01-02,2020-01-01\n", "is before the start"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_eval_windows windows;
        struct lw_error error;

        assert_int_equal(
            lw_eval_windows_read_bytes("w", cases[i][0], strlen(cases[i][0]), &windows, &error),
            LW_EFORMAT);
        if (strstr(error.message, cases[i][1]) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i][1]);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table__joins_the_lines_of_an_entitys_row),
        cmocka_unit_test(test_table__tells_series_apart_where_asked),
        cmocka_unit_test(test_table__finds_its_columns_in_any_dialect),
        cmocka_unit_test(test_table__names_file_line_and_reason),
        cmocka_unit_test(test_windows__are_the_same_as_json_and_csv),
        cmocka_unit_test(test_windows__that_overlap_are_one_and_those_without_rows_are_counted),
        cmocka_unit_test(test_windows__refuse_what_is_none),
    };

    return LW_TEST_RUN(tests);
}
