/* Data faults: real series must stay without any, and faults put into them must be found. */
#include "detect/fault.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define DAY (1440 * MINUTE)
#define ROWS_MAX 8192
#define COLUMNS_MAX 48

static const struct lw_fault_config CONFIG = {.step_ns = 0};

/* Columns of numbers of a file, its first column left out when it is no number. */
struct table {
    size_t n_rows, n_columns;
    double values[COLUMNS_MAX][ROWS_MAX];
};

static struct table table;

static void table_load(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[4096];

    assert_non_null(file);
    table.n_rows = table.n_columns = 0;
    while (fgets(line, sizeof(line), file) != NULL && table.n_rows < ROWS_MAX) {
        size_t column = 0;

        for (char *at = line; at != NULL && column < COLUMNS_MAX; at = strchr(at, ',')) {
            char *end;
            double value;

            at += *at == ',';
            value = strtod(at, &end);
            if (end != at && (*end == ',' || *end == '\n' || *end == '\r' || *end == '\0')) {
                table.values[column++][table.n_rows] = value;
            }
        }
        table.n_columns = column > table.n_columns ? column : table.n_columns;
        table.n_rows += column > 0;
    }
    (void)fclose(file);
    assert_true(table.n_rows > 300);
}

/*
 * Feeds n values of a column, one in five minutes, from its start again where it ends; those from
 * the hold-th on are held at that value. The place where it was called stuck, or -1.
 */
static long stuck_at(size_t column, size_t n, size_t hold)
{
    struct lw_fault fault;

    lw_fault_init(&fault);
    for (size_t i = 0; i < n; i++) {
        double value = table.values[column][(i < hold ? i : hold) % table.n_rows];

        if (lw_fault_sample(&CONFIG, &fault, (int64_t)i * 5 * MINUTE, value) == LW_TYPE_STUCK) {
            return (long)i;
        }
    }
    return -1;
}

static double share_of_repeats(size_t column)
{
    size_t n = 0;

    for (size_t i = 1; i < table.n_rows; i++) {
        n += table.values[column][i] == table.values[column][i - 1];
    }
    return (double)n / (double)table.n_rows;
}

static void test_fault__calls_no_real_series_stuck(void **state)
{
    static const char *const FILES[] = {
        "/smd/machine-1-6-train.csv",          "/smd/machine-1-6-test.csv",
        "/series/mscloud_app1_04.csv",         "/series/mscloud_ingress_02_excerpt.csv",
        "/series/mscloud_outbound_23.csv",     "/series/mscloud_purchase_02.csv",
        "/series/nab_ec2_cpu_c6585a_2000.csv", "/series/nab_elb_request_count_8c0756.csv",
        "/series/nab_iio_network_in.csv",      "/series/nab_nyc_taxi_2000.csv",
    };
    size_t n_series = 0, n_repeating = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), LW_TEST_DATA "%s", FILES[i]);
        table_load(path);
        for (size_t column = 0; column < table.n_columns; column++) {
            long row = stuck_at(column, 5 * table.n_rows, 5 * table.n_rows); /* Enough to have
                                                                                learnt. */

            n_series++;
            n_repeating += share_of_repeats(column) > 0.3;
            if (row >= 0) {
                fail_msg("%s column %zu is called stuck at row %ld", FILES[i], column, row);
            }
        }
    }
    assert_true(n_series > 80 && n_repeating > 10); /* Constant, sparse and integer ones are among
                                                       them. */
}

static void test_fault__finds_real_series_that_get_stuck(void **state)
{
    size_t n_changing = 0, n_found = 0, n_in_time = 0;

    (void)state;
    table_load(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    for (size_t column = 0; column < table.n_columns; column++) {
        size_t n = 3 * table.n_rows, hold = n - 200;
        double value = table.values[column][hold % table.n_rows];
        long row;

        if (share_of_repeats(column) > 0.02 || value == 0.0) {
            continue;
        }
        n_changing++;
        row = stuck_at(column, n, hold);
        n_found += row > (long)hold;
        n_in_time += row > (long)hold && row <= (long)hold + 60;
    }
    printf("%zu series, %zu found, %zu within 60 samples\n", n_changing, n_found, n_in_time);
    assert_true(n_changing >= 10 && n_found * 10 >= n_changing * 9 &&
                n_in_time * 10 >= n_changing * 8);
}

/* A saw of n different values around 100. */
static double saw(int64_t i, int64_t n)
{
    return 100.0 + (double)((i * 7) % n);
}

static void feed(const struct lw_fault_config *config, struct lw_fault *fault, int64_t from,
                 int64_t to, int64_t step_ns)
{
    for (int64_t i = from; i < to; i++) {
        assert_int_equal(lw_fault_sample(config, fault, i * step_ns, saw(i, 23)), LW_TYPE_NONE);
    }
}

static void test_fault__stuck_starts_where_the_value_came_and_ends_where_it_goes(void **state)
{
    struct lw_fault fault;
    int64_t start_ns = -1, at = -1;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 2000, MINUTE);
    for (int64_t i = 2000; i < 2100; i++) {
        if (lw_fault_sample(&CONFIG, &fault, i * MINUTE, 110.0) == LW_TYPE_STUCK) {
            assert_int_equal(at, -1); /* Told once. */
            at = i;
        }
    }
    assert_int_equal(at, 2030);
    assert_int_equal(lw_fault_active(&CONFIG, &fault, &start_ns), LW_TYPE_STUCK);
    assert_int_equal(start_ns, 2000 * MINUTE);
    assert_int_equal(lw_fault_sample(&CONFIG, &fault, 2100 * MINUTE, 111.0), LW_TYPE_NONE);
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_NONE);
}

static void test_fault__rest_is_not_stuck(void **state)
{
    static const double RESTS[] = {0.0, 100.0, 122.0}; /* Zero; the least and the greatest value of
                                                          the saw. */

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct lw_fault fault;

        lw_fault_init(&fault);
        feed(&CONFIG, &fault, 0, 3000, MINUTE);
        for (int64_t i = 3000; i < 4000; i++) {
            assert_int_equal(lw_fault_sample(&CONFIG, &fault, i * MINUTE, RESTS[k]), LW_TYPE_NONE);
        }
    }
}

static void test_fault__a_run_it_had_before_is_not_stuck(void **state)
{
    struct lw_fault fault;

    (void)state;
    lw_fault_init(&fault);
    for (int64_t i = 0; i < 20000; i++) {
        bool pause = i % 5000 >= 100 && i % 5000 < 129; /* 28 repeats, once in 5,000 samples. */

        assert_int_equal(lw_fault_sample(&CONFIG, &fault, i * MINUTE, pause ? 110.0 : saw(i, 23)),
                         LW_TYPE_NONE);
    }
    for (int64_t i = 20000; i < 20250; i++) {
        assert_int_equal(lw_fault_sample(&CONFIG, &fault, i * MINUTE, 110.0), LW_TYPE_NONE);
    }
}

static void test_fault__silence_is_a_moment_that_one_advance_or_many_find(void **state)
{
    struct lw_fault one, many;
    int64_t at, start_ns = 0;
    int n_told = 0;

    (void)state;
    lw_fault_init(&one);
    feed(&CONFIG, &one, 0, 500, 10 * SECOND);
    many = one;
    at = lw_fault_silent_at(&CONFIG, &one);
    assert_true(at >= 4990 * SECOND + 90 * SECOND && at <= 4990 * SECOND + 110 * SECOND);
    assert_int_equal(lw_fault_advance(&CONFIG, &one, at + DAY), LW_TYPE_SILENT);
    for (int64_t now = 4990 * SECOND; now < at + 600 * SECOND; now += SECOND) {
        enum lw_anomaly_type type = lw_fault_advance(&CONFIG, &many, now);

        n_told += type == LW_TYPE_SILENT;
        assert_int_equal(lw_fault_active(&CONFIG, &many, NULL),
                         now >= at ? LW_TYPE_SILENT : LW_TYPE_NONE);
    }
    assert_int_equal(n_told, 1);
    assert_memory_equal(&one, &many, sizeof(one));
    assert_int_equal(lw_fault_active(&CONFIG, &one, &start_ns), LW_TYPE_SILENT);
    assert_int_equal(start_ns, at);
    (void)lw_fault_sample(&CONFIG, &one, at + DAY, NAN);
    assert_int_equal(lw_fault_active(&CONFIG, &one, NULL), LW_TYPE_NONE);
    assert_true(lw_fault_silent_at(&CONFIG, &one) > at + 4 * DAY); /* It has learnt that pauses of a
                                                                      day occur. */
}

static void test_fault__silence_waits_for_a_known_pace(void **state)
{
    struct lw_fault_config fixed = {.silent_after_ns = 5 * SECOND};
    struct lw_fault fault;
    int64_t time_ns = 0;

    (void)state;
    lw_fault_init(&fault);
    assert_true(lw_fault_silent_at(&fixed, &fault) == INT64_MAX);
    (void)lw_fault_sample(&fixed, &fault, SECOND, 1.0);
    assert_int_equal(lw_fault_silent_at(&fixed, &fault), 6 * SECOND);
    assert_true(lw_fault_silent_at(&CONFIG, &fault) == INT64_MAX);
    /* Events at irregular times, such as a day's work: 1, 2, 4 ... 512 s apart. */
    for (int i = 0; i < 4000; i++) {
        assert_true(lw_fault_silent_at(&CONFIG, &fault) == INT64_MAX || time_ns > 14 * DAY);
        time_ns += SECOND << (i * 7 % 10);
        (void)lw_fault_sample(&CONFIG, &fault, time_ns, 1.0);
    }
    for (; time_ns < 15 * DAY; time_ns += 512 * SECOND) {
        (void)lw_fault_sample(&CONFIG, &fault, time_ns, 1.0);
    }
    assert_true(lw_fault_silent_at(&CONFIG, &fault) < INT64_MAX);
}

static void test_fault__an_outage_dulls_it_for_weeks_and_not_for_ever(void **state)
{
    struct lw_fault fault;
    int64_t time_ns = 0, wait_after, wait_later;

    (void)state;
    lw_fault_init(&fault);
    for (int i = 0; i < 100; i++, time_ns += MINUTE) {
        (void)lw_fault_sample(&CONFIG, &fault, time_ns, saw(i, 23));
    }
    time_ns += 60 * MINUTE;
    (void)lw_fault_sample(&CONFIG, &fault, time_ns, 1.0);
    wait_after = lw_fault_silent_at(&CONFIG, &fault) - time_ns;
    for (int i = 0; i < 29 * 1440; i++) {
        time_ns += MINUTE;
        (void)lw_fault_sample(&CONFIG, &fault, time_ns, saw(i, 23));
    }
    wait_later = lw_fault_silent_at(&CONFIG, &fault) - time_ns;
    assert_true(wait_after > 170 * MINUTE);
    assert_true(wait_later < 12 * MINUTE);
}

static void test_fault__a_series_that_went_away_is_gone(void **state)
{
    struct lw_fault fault;
    int64_t at;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 500, 10 * SECOND);
    at = lw_fault_silent_at(&CONFIG, &fault);
    assert_false(lw_fault_gone(&CONFIG, &fault, at + DAY)); /* Nobody has said that it is silent. */
    (void)lw_fault_advance(&CONFIG, &fault, at);
    assert_false(lw_fault_gone(&CONFIG, &fault, at + 3599 * SECOND));
    assert_true(lw_fault_gone(&CONFIG, &fault, at + 3600 * SECOND));
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_SILENT);
}

/* A restart of whoever listens is no fault of the series, and teaches nothing about its pace. */
static void test_fault__time_without_listener_is_no_silence(void **state)
{
    struct lw_fault fault;
    int64_t wait, now = 4990 * SECOND + DAY;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 500, 10 * SECOND);
    wait = lw_fault_silent_at(&CONFIG, &fault) - 4990 * SECOND;
    lw_fault_resume(&fault, now);
    assert_int_equal(lw_fault_advance(&CONFIG, &fault, now + wait - 1), LW_TYPE_NONE);
    (void)lw_fault_sample(&CONFIG, &fault, now + 30 * SECOND, 5.0);
    assert_int_equal(lw_fault_silent_at(&CONFIG, &fault) - now - 30 * SECOND, wait);
    (void)lw_fault_sample(&CONFIG, &fault, now + 40 * SECOND, 6.0);
    lw_fault_resume(&fault, now); /* Too old to mean anything. */
    assert_int_equal(lw_fault_advance(&CONFIG, &fault, now + DAY), LW_TYPE_SILENT);
    lw_fault_resume(&fault, now + DAY);
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_NONE);
}

static void test_fault__tells_when_samples_come_twice(void **state)
{
    struct lw_fault fault;
    int64_t start_ns = 0;
    int first = -1;

    (void)state;
    lw_fault_init(&fault);
    for (int i = 0; i < 1000; i++) { /* Now and then one is sent again: no fault. */
        (void)lw_fault_arrival(&CONFIG, &fault, i * SECOND, i * SECOND);
        if (i % 20 == 0) {
            assert_int_equal(lw_fault_duplicate(&CONFIG, &fault, i * SECOND), LW_TYPE_NONE);
        }
    }
    for (int i = 1000; i < 1400; i++) {
        (void)lw_fault_arrival(&CONFIG, &fault, i * SECOND, i * SECOND);
        if (lw_fault_duplicate(&CONFIG, &fault, i * SECOND) == LW_TYPE_DUPLICATE) {
            assert_int_equal(first, -1);
            first = i;
        }
    }
    assert_true(first > 1020 && first < 1100);
    assert_int_equal(lw_fault_active(&CONFIG, &fault, &start_ns), LW_TYPE_DUPLICATE);
    assert_int_equal(start_ns, first * SECOND);
    for (int i = 1400; i < 1900; i++) {
        (void)lw_fault_arrival(&CONFIG, &fault, i * SECOND, i * SECOND);
    }
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_NONE);
}

/* A clock that is `off` behind (negative: before) the watermark from second 1000 on: when it is
 * called skewed, or -1. */
static int64_t skewed_at(int64_t off_ns, int64_t until)
{
    struct lw_fault fault;

    lw_fault_init(&fault);
    for (int64_t i = 0; i < until; i++) {
        int64_t now = i * SECOND, time_ns = i < 1000 ? now : now - off_ns;
        enum lw_anomaly_type type;

        if (time_ns < now) {
            type = lw_fault_late(&CONFIG, &fault, time_ns, now);
        } else {
            type = lw_fault_arrival(&CONFIG, &fault, time_ns, now);
            (void)lw_fault_sample(&CONFIG, &fault, now, saw(i, 23));
        }
        if (type == LW_TYPE_SKEW) {
            return i;
        }
        assert_int_equal(type, LW_TYPE_NONE);
    }
    return -1;
}

static void test_fault__tells_a_clock_that_is_off(void **state)
{
    int64_t late = skewed_at(90 * SECOND, 2000), ahead = skewed_at(-3600 * SECOND, 2000);

    (void)state;
    assert_true(late >= 1300 && late <= 1310);
    assert_true(ahead >= 1300 && ahead <= 1310);
    assert_int_equal(skewed_at(-5 * SECOND, 3000), -1);
}

/* An hour of history handed over in ten minutes: it catches up, so the clock is right. */
static void test_fault__a_backlog_is_no_skew(void **state)
{
    struct lw_fault fault;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 1000, SECOND);
    for (int64_t i = 0; i < 600; i++) {
        int64_t now = (4600 + i) * SECOND;

        for (int64_t k = 0; k < 7; k++) {
            assert_int_equal(lw_fault_late(&CONFIG, &fault, (1000 + 7 * i + k) * SECOND, now),
                             LW_TYPE_NONE);
        }
    }
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_NONE);
}

/* Hours of a file are handed over between two watermarks: samples lie far ahead of it, but it
 * follows. */
static void test_fault__batches_are_no_skew(void **state)
{
    struct lw_fault fault;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 100, SECOND);
    for (int64_t i = 100; i < 100000; i++) {
        int64_t watermark = i / 5000 * 5000 * SECOND;

        assert_int_equal(lw_fault_arrival(&CONFIG, &fault, i * SECOND, watermark), LW_TYPE_NONE);
    }
}

static void test_fault__skew_ends_when_the_clock_is_set(void **state)
{
    struct lw_fault fault;
    int64_t start_ns = 0, i = 0;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 100, SECOND);
    for (i = 100; i < 600; i++) {
        (void)lw_fault_late(&CONFIG, &fault, (i - 50) * SECOND, i * SECOND);
    }
    assert_int_equal(lw_fault_active(&CONFIG, &fault, &start_ns), LW_TYPE_SKEW);
    assert_int_equal(start_ns, 100 * SECOND);
    for (; i < 620; i++) {
        (void)lw_fault_arrival(&CONFIG, &fault, i * SECOND, i * SECOND);
    }
    assert_int_equal(lw_fault_active(&CONFIG, &fault, NULL), LW_TYPE_NONE);
}

static void test_fault__tells_resets_that_are_no_habit(void **state)
{
    struct lw_fault fault;

    (void)state;
    lw_fault_init(&fault);
    assert_int_equal(lw_fault_reset(&CONFIG, &fault, DAY), LW_TYPE_RESET);
    for (int day = 2; day < 30; day++) { /* Restarted every night. */
        assert_int_equal(lw_fault_reset(&CONFIG, &fault, day * DAY), LW_TYPE_NONE);
    }
    assert_int_equal(lw_fault_reset(&CONFIG, &fault, 40 * DAY), LW_TYPE_RESET);
}

static void test_fault__goes_on_from_bytes_as_if_nothing_was(void **state)
{
    struct lw_fault fault, again;
    struct lw_writer writer;
    struct lw_reader reader;

    (void)state;
    lw_fault_init(&fault);
    feed(&CONFIG, &fault, 0, 2010, MINUTE);
    (void)lw_fault_duplicate(&CONFIG, &fault, 2010 * MINUTE);
    (void)lw_fault_late(&CONFIG, &fault, 5, 2010 * MINUTE);
    (void)lw_fault_reset(&CONFIG, &fault, 2010 * MINUTE);
    lw_writer_init(&writer);
    lw_fault_save(&fault, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_fault_load(&again, &reader, NULL), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    for (int64_t i = 2010; i < 2100; i++) {
        assert_int_equal(lw_fault_sample(&CONFIG, &fault, i * MINUTE, 110.0),
                         lw_fault_sample(&CONFIG, &again, i * MINUTE, 110.0));
        assert_int_equal(lw_fault_silent_at(&CONFIG, &fault), lw_fault_silent_at(&CONFIG, &again));
    }
    assert_memory_equal(&fault, &again, sizeof(fault));
    for (size_t n = 0; n < writer.n_bytes; n++) {
        lw_reader_init(&reader, writer.data, n);
        assert_int_equal(lw_fault_load(&again, &reader, NULL), LW_EFORMAT);
    }
    writer.data[0] = 9;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_fault_load(&again, &reader, NULL), LW_EVERSION);
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault__calls_no_real_series_stuck),
        cmocka_unit_test(test_fault__finds_real_series_that_get_stuck),
        cmocka_unit_test(test_fault__stuck_starts_where_the_value_came_and_ends_where_it_goes),
        cmocka_unit_test(test_fault__rest_is_not_stuck),
        cmocka_unit_test(test_fault__a_run_it_had_before_is_not_stuck),
        cmocka_unit_test(test_fault__silence_is_a_moment_that_one_advance_or_many_find),
        cmocka_unit_test(test_fault__silence_waits_for_a_known_pace),
        cmocka_unit_test(test_fault__an_outage_dulls_it_for_weeks_and_not_for_ever),
        cmocka_unit_test(test_fault__a_series_that_went_away_is_gone),
        cmocka_unit_test(test_fault__time_without_listener_is_no_silence),
        cmocka_unit_test(test_fault__tells_when_samples_come_twice),
        cmocka_unit_test(test_fault__tells_a_clock_that_is_off),
        cmocka_unit_test(test_fault__a_backlog_is_no_skew),
        cmocka_unit_test(test_fault__batches_are_no_skew),
        cmocka_unit_test(test_fault__skew_ends_when_the_clock_is_set),
        cmocka_unit_test(test_fault__tells_resets_that_are_no_habit),
        cmocka_unit_test(test_fault__goes_on_from_bytes_as_if_nothing_was),
    };

    return LW_TEST_RUN(tests);
}
