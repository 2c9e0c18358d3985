/* CSV files as samples: what rows become, what is told of bad ones, and that no way of storing a
 * file changes its samples. */
#include "connect/source_csv.h"

#include "support/feed_kept.h"
#include "support/mem_faulty.h"
#include "support/oom.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COMPLAINTS_BYTES 8192

/* Complaints as lines "line column: detail". */
struct complaints {
    char text[COMPLAINTS_BYTES];
    size_t length;
};

static void complaint_keep(void *context, const struct lw_csv_complaint *complaint)
{
    struct complaints *kept = context;

    kept->length += (size_t)snprintf(kept->text + kept->length, sizeof(kept->text) - kept->length,
                                     "%llu %s: %s\n", (unsigned long long)complaint->line,
                                     complaint->column == NULL ? "-" : complaint->column,
                                     complaint->detail);
    assert_true(kept->length < sizeof(kept->text));
}

static struct feed_kept kept;
static struct complaints complaints;

/* Reads bytes into `kept`, all of them; the status is the first that is not LW_OK. */
static enum lw_status bytes_read(const struct lw_csv_options *options, const void *bytes,
                                 size_t n_bytes, int64_t step_ns)
{
    const struct lw_feed feed = feed_kept_start(&kept);
    const struct lw_csv_listener listener = {.complain = complaint_keep, .context = &complaints};
    const struct lw_csv_setup setup = {
        .options = options, .feed = &feed, .listener = &listener, .first_tag = 100};
    struct lw_csv_source *source = NULL;
    struct lw_csv_batch batch = {0};
    struct lw_error error = {0};
    int64_t watermark_ns = INT64_MIN;
    bool is_over = false;
    enum lw_status status = lw_csv_batch_init(&batch, &error);

    memset(&complaints, 0, sizeof(complaints));
    if (status == LW_OK) {
        status = lw_csv_source_open_bytes(&setup, "folder/plant.csv.gz", bytes, n_bytes, &source,
                                          &error);
    }
    while (status == LW_OK && !is_over) {
        status = lw_csv_source_read(source, &batch, &is_over, &error);
        if (batch.n_points > 0) {
            assert_int_equal(lw_csv_batch_deliver(&batch, &feed, step_ns, &watermark_ns), LW_OK);
        }
    }
    if (status != LW_OK) {
        feed_kept_note(&kept, error.message);
    }
    lw_csv_source_close(source);
    lw_csv_batch_fini(&batch);
    return status;
}

static void text_read(const char *text)
{
    const struct lw_csv_options options = {0};

    assert_int_equal(bytes_read(&options, text, strlen(text), 0), LW_OK);
}

static void test_source__makes_points_of_wide_rows(void **state)
{
    (void)state;
    text_read("time,cpu,mem\n10,0.5,1\n20,,0.25\n");
    assert_string_equal(
        kept.log,
        "cpu{instance=\"plant\"}\nmem{instance=\"plant\"}\n"
        "point 0 10000000000 0x1p-1 flags 1 tag 100\npoint 1 10000000000 0x1p+0 flags 0 tag 100\n"
        "point 0 20000000000 nan flags 1 tag 101\npoint 1 20000000000 0x1p-2 flags 0 tag 101\n");
}

static void test_source__makes_points_of_long_rows(void **state)
{
    (void)state;
    text_read("time,series,value\n10,cpu,0.5\n10,\"disk{mount=\"\"/"
              "\"\",instance=\"\"db-1\"\"}\",1\n20,cpu,NaN\n");
    assert_string_equal(
        kept.log,
        "cpu{instance=\"plant\"}\ndisk{mount=\"/\",instance=\"db-1\"}\n"
        "point 0 10000000000 0x1p-1 flags 0 tag 100\npoint 1 10000000000 0x1p+0 flags 0 tag 101\n"
        "point 0 20000000000 nan flags 0 tag 102\n");
}

static void test_source__takes_entities_from_their_column(void **state)
{
    (void)state;
    text_read("time,host,metric,value\n10,a,x,1\n10,b,x,2\n20,a,x,3\n20,ab,,4\n");
    assert_string_equal(
        kept.log,
        "x{instance=\"a\"}\nx{instance=\"b\"}\ndropped bad_name 1\n"
        "point 0 10000000000 0x1p+0 flags 0 tag 100\npoint 1 10000000000 0x1p+1 flags 0 tag 101\n"
        "point 0 20000000000 0x1.8p+1 flags 0 tag 102\n");
    assert_string_equal(complaints.text, "5 metric: the name is empty\n");
    text_read("time,host,cpu\n10,a,1\n10,b,2\n20,a,3\n");
    assert_string_equal(
        kept.log,
        "cpu{instance=\"a\"}\ncpu{instance=\"b\"}\n"
        "point 0 10000000000 0x1p+0 flags 0 tag 100\npoint 1 10000000000 0x1p+1 flags 0 tag 101\n"
        "point 0 20000000000 0x1.8p+1 flags 0 tag 102\n");
}

/* "a" + "bc" is not "ab" + "c". */
static void test_source__keeps_entity_and_series_apart(void **state)
{
    (void)state;
    text_read("time,host,metric,value\n10,a,bc,1\n10,ab,c,2\n");
    assert_int_equal(kept.n_series, 2);
}

static void test_source__numbers_rows_without_time(void **state)
{
    const struct lw_csv_options options = {.interval_ns = 60000000000};

    (void)state;
    assert_int_equal(bytes_read(&options, "x\n1\n2\n", 6, 0), LW_OK);
    assert_string_equal(kept.log, "x{instance=\"plant\"}\npoint 0 0 0x1p+0 flags 0 tag 100\n"
                                  "point 0 60000000000 0x1p+1 flags 0 tag 101\n");
}

static void test_source__tells_bad_rows_and_goes_on(void **state)
{
    (void)state;
    text_read("time,a,b\n10,1,2\n20,1\nx,1,2\n,1,2\n50,one,2\n\n70,\"1\"2,3\n80,1,2,,\n90,1,2,"
              "3\n100,5,6\n");
    assert_string_equal(complaints.text, "3 -: 2 fields, 3 expected\n"
                                         "4 time: \"x\" is no time of the form found in this file\n"
                                         "5 time: there is no time\n"
                                         "6 a: \"one\" is no number\n"
                                         "8 -: text follows a closing quote\n"
                                         "10 -: 4 fields, 3 expected\n");
    assert_non_null(strstr(
        kept.log,
        "point 0 50000000000 nan flags 1 tag 104\npoint 1 50000000000 0x1p+1 flags 0 tag 104\n"));
    assert_non_null(strstr(kept.log, "point 0 80000000000 0x1p+0 flags 1 tag 106\n"));
    assert_non_null(strstr(kept.log, "point 1 100000000000 0x1.8p+2 flags 0 tag 108\n"));
    assert_non_null(strstr(
        kept.log, "dropped wrong_number_of_fields 2\ndropped bad_time 2\ndropped bad_number 1\n"
                  "dropped bad_quote 1\n"));
}

static void test_source__reads_quoted_line_ends_as_one_row(void **state)
{
    (void)state;
    text_read("time,series,value\r\n10,\"a\nb\",1\r\nbad,x,1\r\n\"20\",\"a\nb\",\"2\"");
    assert_string_equal(complaints.text,
                        "4 time: \"bad\" is no time of the form found in this file\n");
    assert_string_equal(
        kept.log,
        "a b{instance=\"plant\"}\ndropped bad_time 1\n"
        "point 0 10000000000 0x1p+0 flags 0 tag 100\npoint 0 20000000000 0x1p+1 flags 0 tag 102\n");
}

static void test_source__gets_over_an_open_quote(void **state)
{
    size_t n = 200000;
    char *text = malloc(n + 64);
    size_t length = (size_t)snprintf(text, n, "time,a\n10,1\n\"20,2\n30,3\n");

    (void)state;
    memset(text + length, '\n', n - length);
    text[n] = '\0';
    text_read(text);
    assert_string_equal(complaints.text,
                        "3 -: a field is longer than 65536 bytes, or its quote never closes\n");
    assert_non_null(strstr(kept.log, "point 0 30000000000 0x1.8p+1 flags 0 tag 102\n"));
    free(text);
}

/* A line of 3 MiB: told once, and the next row counts. */
static void test_source__gets_over_a_line_too_long(void **state)
{
    size_t n = (size_t)3 << 20;
    char *text = malloc(n + 64);
    size_t length = (size_t)snprintf(text, n, "time,a\n10,1\n20,");

    (void)state;
    while (length < n) {
        text[length] = length % 1000 == 0 ? ',' : '7';
        length++;
    }
    (void)snprintf(text + n, 64, "\n30,3\n40,x\n");
    text_read(text);
    assert_string_equal(complaints.text,
                        "3 -: the line is longer than 1048576 bytes\n5 a: \"x\" is no number\n");
    assert_non_null(strstr(kept.log, "point 0 30000000000 0x1.8p+1 flags 0 tag 102\n"));
    free(text);
}

/* Enough rows to slide the window and fill several batches; the sum tells whether any was lost or
 * read twice. */
static void test_source__loses_nothing_between_windows(void **state)
{
    const struct lw_csv_options options = {0};
    const uint64_t n_rows = 400000;
    size_t capacity = n_rows * 24 + 64, length;
    char *text = malloc(capacity);
    const struct lw_feed feed = feed_kept_start(&kept);
    const struct lw_csv_setup setup = {.options = &options, .feed = &feed, .first_tag = 0};
    struct lw_csv_source *source;
    struct lw_csv_batch batch;
    bool is_over = false;
    uint64_t next = 0, size, position;

    (void)state;
    length = (size_t)snprintf(text, capacity, "time,a\n");
    for (uint64_t i = 0; i < n_rows; i++) {
        length += (size_t)snprintf(text + length, capacity - length, "%llu,%llu\n",
                                   (unsigned long long)(1500000000 + i), (unsigned long long)i);
    }
    assert_int_equal(lw_csv_batch_init(&batch, NULL), LW_OK);
    assert_int_equal(lw_csv_source_open_bytes(&setup, "a.csv", text, length, &source, NULL), LW_OK);
    while (!is_over) {
        assert_int_equal(lw_csv_source_read(source, &batch, &is_over, NULL), LW_OK);
        for (uint32_t i = 0; i < batch.n_points; i++, next++) {
            assert_true(batch.points[i].value == (double)next);
            assert_int_equal(batch.points[i].tag, next);
            assert_int_equal(batch.points[i].time_ns, (int64_t)(1500000000 + next) * 1000000000);
        }
    }
    position = lw_csv_source_position(source, &size);
    assert_int_equal(next, n_rows);
    assert_int_equal(lw_csv_source_rows(source), n_rows);
    assert_int_equal(position, length);
    assert_int_equal(size, length);
    lw_csv_source_close(source);
    lw_csv_batch_fini(&batch);
    free(text);
}

/* Appends text as a gzip member. */
static size_t member_add(uint8_t *to, size_t capacity, const char *text)
{
    z_stream zlib = {0};
    size_t n;

    assert_int_equal(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)text;
    zlib.avail_in = (uInt)strlen(text);
    zlib.next_out = to;
    zlib.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    n = capacity - zlib.avail_out;
    (void)deflateEnd(&zlib);
    return n;
}

static void test_source__reads_gzip_of_several_members(void **state)
{
    static const char first[] = "time,a\n10,1\n20", second[] = ",2\n30,3\n";
    const struct lw_csv_options options = {0};
    static char plain[FEED_KEPT_LOG];
    uint8_t bytes[1024] = {0};
    size_t n, n_padding = 100;

    (void)state;
    text_read("time,a\n10,1\n20,2\n30,3\n");
    memcpy(plain, kept.log, sizeof(plain));
    n = member_add(bytes, sizeof(bytes), first);
    n += member_add(bytes + n, sizeof(bytes) - n, second);
    assert_int_equal(bytes_read(&options, bytes, n, 0), LW_OK);
    assert_string_equal(kept.log, plain);
    assert_int_equal(bytes_read(&options, bytes, n + n_padding, 0), LW_OK);
    assert_string_equal(kept.log, plain);
    assert_int_equal(bytes_read(&options, bytes, n - 6, 0), LW_EFORMAT);
    assert_non_null(strstr(kept.log, "cut off"));
    bytes[n / 2] ^= 0x55;
    assert_int_not_equal(bytes_read(&options, bytes, n, 0), LW_OK);
}

static void test_source__gives_the_same_points_in_every_dialect(void **state)
{
    static const char *const dialects[] = {
        "time,a,b\r\n1500000000,1.5,2\r\n1500000060,-0.25,\r\n",
        "\xEF\xBB\xBFtime;a;b\n1500000000;1,5;2\n1500000060;-0,25;NaN\n",
        "\"time\"\t\"a\"\t\"b\"\n\"1500000000\"\t\"1.5\"\t\"2\"\n\"1500000060\"\t\"-0.25\"\t\"\"\n",
        "time|a|b\n 1500000000000 | 1.50 | 2.0\n1500000060000|-25e-2|null",
        "time,a,b\n2017-07-14T02:40:00Z,1.5,2\n2017-07-14 04:41:00+02:00,-.25,NA\n",
        "time;a;b\n14.07.2017 02:40;1,5;2\n14.07.2017 02:41;-0,25;\n",
        "time,a,b\n1.5e9,15e-1,2\n1.50000006e9,-0.25,?\n",
    };
    static char first[FEED_KEPT_LOG];

    (void)state;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        text_read(dialects[i]);
        if (i == 0) {
            memcpy(first, kept.log, sizeof(first));
        }
        if (strcmp(kept.log, first) != 0) {
            fail_msg("dialect %zu gives\n%snot\n%s", i, kept.log, first);
        }
        assert_string_equal(complaints.text, "");
    }
}

static void test_source__tells_the_watermark_where_steps_begin(void **state)
{
    const struct lw_csv_options options = {0};
    static const char text[] = "time,host,x\n1500000012,a,1\n1500000015,a,2\n1500000031,a,"
                               "3\n1500000011,b,4\n1499999999,b,5\n";

    (void)state;
    assert_int_equal(bytes_read(&options, text, sizeof(text) - 1, 10000000000), LW_OK);
    assert_string_equal(kept.log,
                        "x{instance=\"a\"}\nx{instance=\"b\"}\nwatermark 1500000010000000000\n"
                        "point 0 1500000012000000000 0x1p+0 flags 0 tag 100\n"
                        "point 0 1500000015000000000 0x1p+1 flags 0 tag 101\n"
                        "watermark 1500000030000000000\n"
                        "point 0 1500000031000000000 0x1.8p+1 flags 0 tag 102\n"
                        "watermark 1500000010000000000\n"
                        "point 1 1500000011000000000 0x1p+2 flags 0 tag 103\n"
                        "watermark 1499999990000000000\n"
                        "point 1 1499999999000000000 0x1.4p+2 flags 0 tag 104\n");
}

static void test_source__splits_a_file_of_many_series_into_entities(void **state)
{
    static char text[64 * 1024];
    size_t length = (size_t)snprintf(text, sizeof(text), "time,series,value\n");

    (void)state;
    for (uint32_t i = 0; i <= LW_CSV_UNIT_SERIES; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "10,s%u,1\n", i);
    }
    text_read(text);
    assert_int_equal(kept.n_series, LW_CSV_UNIT_SERIES + 1);
    assert_string_equal(kept.keys[LW_CSV_UNIT_SERIES - 1], "s255{instance=\"plant\"}");
    assert_string_equal(kept.keys[LW_CSV_UNIT_SERIES], "s256{instance=\"plant#2\"}");
}

/* Every row of a series that the host refuses is counted, not only the first. */
static void test_source__counts_rows_of_refused_series(void **state)
{
    const struct lw_csv_options options = {0};
    struct lw_feed feed = feed_kept_start(&kept);
    const struct lw_csv_setup setup = {.options = &options, .feed = &feed};
    static const char text[] = "time,series,value\n10,a,1\n10,b,1\n20,a,1\n20,b,1\n30,b,1\n";
    struct lw_csv_source *source;
    struct lw_csv_batch batch;
    bool is_over;

    (void)state;
    kept.series_limit = 1;
    assert_int_equal(lw_csv_batch_init(&batch, NULL), LW_OK);
    assert_int_equal(
        lw_csv_source_open_bytes(&setup, "a.csv", text, sizeof(text) - 1, &source, NULL), LW_OK);
    assert_int_equal(lw_csv_source_read(source, &batch, &is_over, NULL), LW_OK);
    assert_int_equal(batch.n_points, 2);
    assert_int_equal(lw_csv_source_faults(source, LW_CSV_FAULT_REFUSED), 3);
    assert_int_equal(kept.n_dropped, 3);
    lw_csv_source_close(source);
    lw_csv_batch_fini(&batch);
}

static void test_source__names_entities_after_files(void **state)
{
    static const char *const cases[][2] = {{"a/b/web-1.csv", "web-1"}, {"web-1.CSV.gz", "web-1"},
                                           {"x.tar.gz", "x.tar"},      {"-", "stdin"},
                                           {".csv", ".csv"},           {"plain", "plain"},
                                           {"a.b.tsv", "a.b"}};
    char name[LW_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lw_csv_unit_name(cases[i][0], name);
        assert_string_equal(name, cases[i][1]);
    }
}

static void test_source__says_which_file_is_not_there(void **state)
{
    const struct lw_csv_options options = {0};
    const struct lw_feed feed = feed_kept_start(&kept);
    const struct lw_csv_setup setup = {.options = &options, .feed = &feed};
    struct lw_csv_source *source;
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_csv_source_open(&setup, LW_TEST_DATA "/no such file.csv", &source, &error),
                     LW_ENOTFOUND);
    assert_int_equal(lw_csv_source_open(&setup, LW_TEST_DATA, &source, &error), LW_EIO);
    assert_string_equal(error.message, "it is a folder, not a file");
}

static enum lw_status memory_scenario(void *user)
{
    static const char text[] = "time,host,series,value\n10,h,a,1\n10,h,b,1\n20,h,a,1\n";
    const struct lw_csv_options options = {0};

    (void)user;
    return bytes_read(&options, text, sizeof(text) - 1, 0);
}

static enum lw_status wide_memory_scenario(void *user)
{
    static const char text[] = "time,host,a,b\n10,h,1,2\n10,g,1,2\n20,h,1,2\n";
    const struct lw_csv_options options = {0};

    (void)user;
    return bytes_read(&options, text, sizeof(text) - 1, 0);
}

static void test_source__survives_want_of_memory(void **state)
{
    (void)state;
    lw_oom_sweep("long csv", memory_scenario, NULL);
    lw_oom_sweep("wide csv", wide_memory_scenario, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source__makes_points_of_wide_rows),
        cmocka_unit_test(test_source__makes_points_of_long_rows),
        cmocka_unit_test(test_source__takes_entities_from_their_column),
        cmocka_unit_test(test_source__keeps_entity_and_series_apart),
        cmocka_unit_test(test_source__numbers_rows_without_time),
        cmocka_unit_test(test_source__tells_bad_rows_and_goes_on),
        cmocka_unit_test(test_source__reads_quoted_line_ends_as_one_row),
        cmocka_unit_test(test_source__gets_over_an_open_quote),
        cmocka_unit_test(test_source__gets_over_a_line_too_long),
        cmocka_unit_test(test_source__loses_nothing_between_windows),
        cmocka_unit_test(test_source__reads_gzip_of_several_members),
        cmocka_unit_test(test_source__gives_the_same_points_in_every_dialect),
        cmocka_unit_test(test_source__tells_the_watermark_where_steps_begin),
        cmocka_unit_test(test_source__splits_a_file_of_many_series_into_entities),
        cmocka_unit_test(test_source__counts_rows_of_refused_series),
        cmocka_unit_test(test_source__names_entities_after_files),
        cmocka_unit_test(test_source__says_which_file_is_not_there),
        cmocka_unit_test(test_source__survives_want_of_memory),
    };
    return LW_TEST_RUN(tests);
}
