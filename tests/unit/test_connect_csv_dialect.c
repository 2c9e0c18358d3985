/* Finding the dialect of CSV files: each case is a file's beginning and what it is to be taken for.
 */
#include "connect/csv/dialect.h"

#include "support/mem_faulty.h"
#include "support/test.h"

#include <string.h>

/* The described dialect, or the message that finding it failed with. */
static const char *said(const struct lw_csv_options *options, const char *text)
{
    static char line[1024];
    struct lw_csv_dialect dialect;
    struct lw_error error = {0};
    enum lw_status status = lw_csv_dialect_find(options, text, strlen(text), true, &dialect,
                                                &error);

    if (status != LW_OK) {
        (void)snprintf(line, sizeof(line), "%s: %s", lw_status_name(status), error.message);
        return line;
    }
    (void)lw_csv_dialect_describe(&dialect, line, sizeof(line));
    lw_csv_dialect_fini(&dialect);
    return line;
}

static void check(const char *text, const char *expected)
{
    const struct lw_csv_options options = {0};

    assert_string_equal(said(&options, text), expected);
}

static void test_dialect__finds_separators(void **state)
{
    (void)state;
    check("time,a,b\n1500000000,1,2\n1500000060,3,4\n",
          "separator ,, time in \"time\" (seconds since 1970), wide: values in \"a\", \"b\"");
    check("time;a;b\n1500000000;1.5;2\n1500000060;3.5;4\n",
          "separator ;, time in \"time\" (seconds since 1970), wide: values in \"a\", \"b\"");
    check("time\ta\tb\n1500000000\t1\t2\n1500000060\t3\t4\n",
          "tab separated, time in \"time\" (seconds since 1970), wide: values in \"a\", \"b\"");
    check("time|a|b\n1500000000|1|2\n1500000060|3|4\n",
          "separator |, time in \"time\" (seconds since 1970), wide: values in \"a\", \"b\"");
}

static void test_dialect__tells_a_decimal_comma_from_a_separator(void **state)
{
    (void)state;
    check("time;a\n2020-01-01 00:00;1,5\n2020-01-01 00:01;2,25\n",
          "separator ;, decimal ,, time in \"time\" (ISO 8601), wide: value in \"a\"");
    check(
        "a;b\n1,5;2,5\n1,6;2,75\n",
        "separator ;, decimal ,, no time column: rows are numbered, wide: values in \"a\", \"b\"");
    check("\"zeit\",\"a\"\n\"2020-01-01 00:00\",\"1.5\"\n\"2020-01-01 00:01\",\"2.5\"\n",
          "separator ,, time in \"zeit\" (ISO 8601), wide: value in \"a\"");
}

static void test_dialect__skips_byte_order_mark_and_comments(void **state)
{
    (void)state;
    check("\xEF\xBB\xBFtimestamp,value\r\n1500000000,1\r\n1500000060,2\r\n",
          "separator ,, time in \"timestamp\" (seconds since 1970), wide: value in \"value\"");
    check("# made by hand, with care\n# really\ntimestamp,value\n1500000000,1\n",
          "separator ,, time in \"timestamp\" (seconds since 1970), wide: value in \"value\"");
    check("#timestamp,value\n1500000000,1\n1500000060,1\n",
          "separator ,, time in \"timestamp\" (seconds since 1970), wide: value in \"value\"");
}

static void test_dialect__knows_a_file_without_header(void **state)
{
    (void)state;
    check("1500000000,1.5\n1500000060,2.5\n", "separator ,, no header, time in \"column_1\" "
                                              "(seconds since 1970), wide: value in \"column_2\"");
    check("2020-01-01T00:00:00Z,web-1,cpu,1.5\n2020-01-01T00:00:00Z,web-1,mem,2.5\n",
          "separator ,, no header, time in \"column_1\" (ISO 8601), long: series in \"column_3\", "
          "value in \"column_4\", entity in "
          "\"column_2\"");
    check("2020-01-01T00:00:00Z,cpu,1.5\n2020-01-01T00:00:00Z,mem,2.5\n",
          "separator ,, no header, time in \"column_1\" (ISO 8601), long: series in \"column_2\", "
          "value in \"column_3\"");
    check("3\n4\n5\n",
          "separator ,, no header, no time column: rows are numbered, wide: value in \"column_1\"");
}

static void test_dialect__finds_long_layouts(void **state)
{
    (void)state;
    check("time,series,value\n1500000000,cpu,1\n1500000000,mem,2\n",
          "separator ,, time in \"time\" (seconds since 1970), long: series in \"series\", value "
          "in \"value\"");
    check("time,series,value\n1500000000,17,1.5\n1500000000,18,2.5\n",
          "separator ,, time in \"time\" (seconds since 1970), long: series in \"series\", value "
          "in \"value\"");
    check("ts,host,metric,reading,quality\n1500000000,a,cpu,1,9\n1500000000,b,cpu,2,9\n",
          "separator ,, time in \"ts\" (seconds since 1970), long: series in \"metric\", value in "
          "\"reading\", entity in \"host\"; left "
          "out \"quality\" (not asked for)");
    check("timestamp,value,label,KPI ID\n1500000000,1,0,02e9\n1500000060,2,0,02e9\n",
          "separator ,, time in \"timestamp\" (seconds since 1970), long: series in \"KPI ID\", "
          "value in \"value\"; left out \"label\" "
          "(like labels; --use takes them)");
}

static void test_dialect__finds_entities_of_wide_tables(void **state)
{
    (void)state;
    check("time,host,cpu,mem\n1500000000,a,1,2\n1500000000,b,1,2\n",
          "separator ,, time in \"time\" (seconds since 1970), wide: values in \"cpu\", \"mem\", "
          "entity in \"host\"");
    check("time,rack,cpu,mem\n1500000000,a,1,2\n1500000000,b,1,2\n1500000060,a,1,2\n1500000060,b,1,"
          "2\n",
          "separator ,, time in \"time\" (seconds since 1970), wide: values in \"cpu\", \"mem\", "
          "entity in \"rack\"");
    check("time,note,cpu,mem\n1500000000,a,1,2\n1500000060,b,1,2\n1500000120,a,1,2\n1500000180,b,1,"
          "2\n",
          "separator ,, time in \"time\" (seconds since 1970), wide: values in \"cpu\", \"mem\"; "
          "left out \"note\" (no numbers)");
    check("time,signal,noise\n1500000000,3,7\n1500000060,4,8\n",
          "separator ,, time in \"time\" (seconds since 1970), wide: values in \"signal\", "
          "\"noise\"");
}

static void test_dialect__never_uses_labels_unasked(void **state)
{
    static const char text[] = "timestamp,value,is_anomaly,fault_flag,fault_current\n1500000000,1,"
                               "0,0,1.5\n1500000060,2,1,1,1.6\n";
    const char *const use[] = {"is_anomaly"};
    const struct lw_csv_options options = {.use = use, .n_use = 1};

    (void)state;
    check(text, "separator ,, time in \"timestamp\" (seconds since 1970), wide: values in "
                "\"value\", \"fault_current\"; left out "
                "\"is_anomaly\", \"fault_flag\" (like labels; --use takes them)");
    assert_string_equal(
        said(&options, text),
        "separator ,, time in \"timestamp\" (seconds since 1970), wide: values in \"value\", "
        "\"is_anomaly\", "
        "\"fault_current\"; left out \"fault_flag\" (like labels; --use takes them)");
    check("Timestamp,Normal/Attack,x\n1500000000,Normal,1\n1500000001,Attack,2\n",
          "separator ,, time in \"Timestamp\" (seconds since 1970), wide: value in \"x\"; left out "
          "\"Normal/Attack\" (like labels; --use "
          "takes them)");
    check("timestamp,target\n1500000000,1.5\n1500000060,2\n",
          "LW_EFORMAT: no column of values was found (separator ,, time in \"timestamp\" (seconds "
          "since 1970), wide; left out "
          "\"target\" (like labels; --use takes them)): name one with --use or --value");
}

static void test_dialect__leaves_row_numbers_out(void **state)
{
    (void)state;
    check(",time,x\n0,2020-01-01,5\n1,2020-01-02,5\n2,2020-01-03,7\n",
          "separator ,, time in \"time\" (ISO 8601), wide: value in \"x\"; left out \"column_1\" "
          "(row numbers)");
    check("id,time,x\n10,2020-01-01,5\n11,2020-01-02,5\n",
          "separator ,, time in \"time\" (ISO 8601), wide: value in \"x\"; left out \"id\" (row "
          "numbers)");
}

static void test_dialect__finds_how_times_are_written(void **state)
{
    (void)state;
    check("t,x\n1500000000000,5\n1500000060000,6\n",
          "separator ,, time in \"t\" (milliseconds since 1970), wide: value in \"x\"");
    check("t,x\n1500000000000000,5\n",
          "separator ,, time in \"t\" (microseconds since 1970), wide: value in \"x\"");
    check("t,x\n1500000000000000000,5\n",
          "separator ,, time in \"t\" (nanoseconds since 1970), wide: value in \"x\"");
    check("when;x\n26.02.2015 21:42;5\n27.02.2015 21:42;6\n",
          "separator ;, time in \"when\" (%d.%m.%Y %H:%M), wide: value in \"x\"");
    check("date,x\n02/26/2015 21:42,5\n02/27/2015 21:42,6\n",
          "separator ,, time in \"date\" (%m/%d/%Y %H:%M), wide: value in \"x\"");
    check("date,x\n26/02/2015,5\n27/02/2015,6\n",
          "separator ,, time in \"date\" (%d/%m/%Y), wide: value in \"x\"");
    check("date,x\n20150226,5\n20150227,6\n",
          "separator ,, time in \"date\" (%Y%m%d), wide: value in \"x\"");
    check("stamp,x\n20150226214253,5\n20150226214354,6\n",
          "separator ,, time in \"stamp\" (%Y%m%d%H%M%S), wide: value in \"x\"");
    check("response_time,uptime\n0.5,100\n0.7,200\n",
          "separator ,, no time column: rows are numbered, wide: values in \"response_time\", "
          "\"uptime\"");
    check("x,measured\n5,2015-02-26 21:42:53\n6,2015-02-26 21:43:53\n",
          "separator ,, time in \"measured\" (ISO 8601), wide: value in \"x\"");
}

static void test_dialect__asks_when_days_and_months_cannot_be_told(void **state)
{
    const struct lw_csv_options options = {.time_format = "%d/%m/%Y"};
    static const char text[] = "date,x\n01/02/2015,5\n02/02/2015,6\n";

    (void)state;
    check(text, "LW_EFORMAT: times in column \"date\" fit \"%d/%m/%Y\" as well as \"%m/%d/%Y\": "
                "say which with --time-format");
    assert_string_equal(said(&options, text),
                        "separator ,, time in \"date\" (%d/%m/%Y), wide: value in \"x\"");
}

static void test_dialect__obeys_options(void **state)
{
    static const char text[] = "when,a,b,c\n1500000000,1,2,3\n1500000060,4,5,6\n";
    const char *const ignore[] = {"A"};
    const struct lw_csv_options ignored = {.ignore = ignore, .n_ignore = 1};
    const struct lw_csv_options one = {.value = "c"};
    const struct lw_csv_options none = {.time = "none"};
    const struct lw_csv_options number = {.time = "2", .time_format = "ms"};
    const struct lw_csv_options headless = {.header = LW_CSV_NO};
    const struct lw_csv_options absent = {.entity = "nowhere"};
    const struct lw_csv_options layout = {.layout = LW_CSV_LONG};

    (void)state;
    assert_string_equal(said(&ignored, text), "separator ,, time in \"when\" (seconds since 1970), "
                                              "wide: values in \"b\", \"c\"; ignored \"a\"");
    assert_string_equal(
        said(&one, text),
        "separator ,, time in \"when\" (seconds since 1970), wide: value in \"c\"; left out \"a\", "
        "\"b\" (not asked for)");
    assert_string_equal(said(&none, text), "separator ,, no time column: rows are numbered, wide: "
                                           "values in \"when\", \"a\", \"b\", \"c\"");
    assert_string_equal(said(&number, text), "separator ,, time in \"a\" (milliseconds since "
                                             "1970), wide: values in \"when\", \"b\", \"c\"");
    assert_non_null(strstr(said(&headless, text), "no header"));
    assert_string_equal(
        said(&absent, text),
        "LW_ENOTFOUND: --entity: there is no column \"nowhere\"; the first is \"when\", of 4");
    assert_string_equal(
        said(&layout, text),
        "LW_EFORMAT: long layout, but no column of values was found: name it with --value");
}

static void test_dialect__makes_names_unique_and_clean(void **state)
{
    (void)state;
    check("x,x,x,\xE4\n1,2,3,4\n5,6,7,8\n", "separator ,, no time column: rows are numbered, wide: "
                                            "values in \"x\", \"x_2\", \"x_3\", \"\xC3\xA4\"");
    check("\"a \"\"b\"\"\",\"c,d\"\n1,2\n3,4\n",
          "separator ,, no time column: rows are numbered, wide: values in \"a \"b\"\", \"c,d\"");
}

static void test_dialect__says_what_it_cannot_read(void **state)
{
    const struct lw_csv_options options = {0};
    struct lw_csv_dialect dialect;
    struct lw_error error;

    (void)state;
    check("", "LW_EFORMAT: there is no row in it");
    check("\n\n\n", "LW_EFORMAT: there is no row in it");
    check("\xFF\xFEt\x01", "LW_EFORMAT: it is UTF-16; save it as UTF-8");
    assert_int_equal(lw_csv_dialect_find(&options, "a\0b,c\n", 6, true, &dialect, &error),
                     LW_EFORMAT);
    assert_non_null(strstr(error.message, "zero bytes"));
}

static void test_dialect__refuses_too_many_columns(void **state)
{
    static char text[3 * LW_CSV_COLUMNS_MAX];
    const struct lw_csv_options options = {0};

    (void)state;
    memset(text, ';', LW_CSV_COLUMNS_MAX);
    text[LW_CSV_COLUMNS_MAX] = '\n';
    assert_string_equal(said(&options, text),
                        "LW_EFORMAT: the first line has more than 4096 fields");
}

static void test_dialect__survives_want_of_memory(void **state)
{
    static const char text[] = "time,series,value\n1500000000,cpu,1\n1500000000,mem,2\n";
    const struct lw_csv_options options = {0};
    int64_t live = lw_test_mem_live();

    (void)state;
    for (uint64_t n = 1; n < 100; n++) {
        struct lw_csv_dialect dialect;
        enum lw_status status;

        lw_test_mem_fail_at(n);
        status = lw_csv_dialect_find(&options, text, sizeof(text) - 1, true, &dialect, NULL);
        if (status == LW_OK) {
            lw_test_mem_fail_at(0);
            lw_csv_dialect_fini(&dialect);
            assert_true(n > 1);
            break;
        }
        assert_int_equal(status, LW_ENOMEM);
    }
    assert_int_equal(lw_test_mem_live(), live);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialect__finds_separators),
        cmocka_unit_test(test_dialect__tells_a_decimal_comma_from_a_separator),
        cmocka_unit_test(test_dialect__skips_byte_order_mark_and_comments),
        cmocka_unit_test(test_dialect__knows_a_file_without_header),
        cmocka_unit_test(test_dialect__finds_long_layouts),
        cmocka_unit_test(test_dialect__finds_entities_of_wide_tables),
        cmocka_unit_test(test_dialect__never_uses_labels_unasked),
        cmocka_unit_test(test_dialect__leaves_row_numbers_out),
        cmocka_unit_test(test_dialect__finds_how_times_are_written),
        cmocka_unit_test(test_dialect__asks_when_days_and_months_cannot_be_told),
        cmocka_unit_test(test_dialect__obeys_options),
        cmocka_unit_test(test_dialect__makes_names_unique_and_clean),
        cmocka_unit_test(test_dialect__says_what_it_cannot_read),
        cmocka_unit_test(test_dialect__refuses_too_many_columns),
        cmocka_unit_test(test_dialect__survives_want_of_memory),
    };
    return LW_TEST_RUN(tests);
}
