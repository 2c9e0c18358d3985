/* Time zones against facts of the time-zone database, and the reader against damaged files. */
#include "support/test.h"

#include "base/civil.h"
#include "base/mem.h"
#include "base/zone.h"

#include <stdbool.h>
#include <string.h>

struct fact {
    const char *name;
    int64_t utc_s; /* The first second of the new offset. */
    int32_t before_s, after_s;
};

/* Moments at which clocks change, as the tz database's own reference reader (zdump) has them. */
static const struct fact FACTS[] = {
    {"Europe/Berlin", INT64_C(1711846800), 3600, 7200},
    {"Europe/Berlin", INT64_C(1792890000), 7200, 3600},
    {"Europe/Berlin", INT64_C(2392851600), 7200, 3600},
    {"Europe/Berlin", INT64_C(5687802000), 3600, 7200},
    {"Europe/Berlin", INT64_C(5705946000), 7200, 3600},
    {"America/New_York", INT64_C(162370800), -18000, -14400},
    {"America/New_York", INT64_C(183535200), -14400, -18000},
    {"America/New_York", INT64_C(1772953200), -18000, -14400},
    {"America/New_York", INT64_C(1793512800), -14400, -18000},
    {"America/New_York", INT64_C(5706568800), -14400, -18000},
    /* Ireland's standard time is the summer one: the rule has a negative saving. */
    {"Europe/Dublin", INT64_C(164167200), 0, 3600},
    {"Europe/Dublin", INT64_C(1774746000), 0, 3600},
    {"Europe/Dublin", INT64_C(1792890000), 3600, 0},
    {"Europe/Dublin", INT64_C(5705946000), 3600, 0},
    /* Half an hour of saving, in the southern summer. */
    {"Australia/Lord_Howe", INT64_C(1775314800), 39600, 37800},
    {"Australia/Lord_Howe", INT64_C(1791041400), 37800, 39600},
    {"Australia/Lord_Howe", INT64_C(5688370800), 39600, 37800},
    {"America/St_Johns", INT64_C(167808600), -12600, -9000},
    {"America/St_Johns", INT64_C(1793507400), -9000, -12600},
    {"Pacific/Auckland", INT64_C(1775311200), 46800, 43200},
    {"Pacific/Auckland", INT64_C(5703487200), 43200, 46800},
    {"Antarctica/Troll", INT64_C(1774746000), 0, 7200},
    {"Antarctica/Troll", INT64_C(5705946000), 7200, 0},
    /* Samoa left out 30 December 2011. */
    {"Pacific/Apia", INT64_C(1325239200), -36000, 50400},
    /* Local mean time ended, long before 1970. */
    {"Europe/Berlin", INT64_C(-2422054408), 3208, 3600},
};

static struct lw_zone *load(const char *name)
{
    struct lw_zone *zone = NULL;
    struct lw_error err;

    if (lw_zone_load(name, &zone, &err) != LW_OK) {
        fail_msg("%s", err.message);
    }
    return zone;
}

static void expect_offset(const struct lw_zone *zone, const char *name, int64_t utc_s,
                          int32_t want_s)
{
    int32_t got_s = lw_zone_offset_s(zone, utc_s);

    if (got_s != want_s) {
        fail_msg("%s at %lld: offset %d, expected %d", name, (long long)utc_s, got_s, want_s);
    }
}

static void test_zone__changes_at_the_second_the_database_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(FACTS) / sizeof(FACTS[0]); i++) {
        struct lw_zone *zone = load(FACTS[i].name);

        expect_offset(zone, FACTS[i].name, FACTS[i].utc_s - 1, FACTS[i].before_s);
        expect_offset(zone, FACTS[i].name, FACTS[i].utc_s, FACTS[i].after_s);
        lw_zone_destroy(zone);
    }
}

static void test_zone__without_changes_is_constant(void **state)
{
    struct lw_zone *india = load("Asia/Kolkata");
    struct lw_zone *utc = load("UTC");

    (void)state;
    for (int64_t utc_s = 0; utc_s < (int64_t)1 << 33; utc_s += 99999999) {
        expect_offset(india, "Asia/Kolkata", utc_s, 19800);
        expect_offset(utc, "UTC", utc_s, 0);
        expect_offset(NULL, "NULL", utc_s, 0);
    }
    expect_offset(india, "Asia/Kolkata", INT64_MAX, 19800);
    expect_offset(utc, "UTC", INT64_MIN, 0);
    lw_zone_destroy(india);
    lw_zone_destroy(utc);
}

static void test_zone__names_cannot_leave_the_folder(void **state)
{
    static const char *const bad[] = {
        "",
        "/etc/localtime",
        "../../../etc/passwd",
        "Europe/../UTC",
        "Europe/",
        "a b",
        "x.y",
        "Europe/Berlin\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lw_zone *zone = NULL;
        struct lw_error err = {0};

        assert_int_equal(lw_zone_load(bad[i], &zone, &err), LW_EINVAL);
        assert_int_equal(err.status, LW_EINVAL);
        assert_null(zone);
    }
}

static void test_zone__unknown_name_is_not_found(void **state)
{
    struct lw_zone *zone = NULL;

    (void)state;
    assert_int_equal(lw_zone_load("Europe/Atlantis", &zone, NULL), LW_ENOTFOUND);
    assert_int_equal(lw_zone_load("Europe/Berlin/Mitte", &zone, NULL), LW_ENOTFOUND);
    /* A folder, or a text file beside the zones, is no zone. */
    assert_int_not_equal(lw_zone_load("Europe", &zone, NULL), LW_OK);
    assert_null(zone);
}

/* ---- Files written here ---- */

struct file {
    uint8_t bytes[1024];
    size_t n_bytes;
};

static void put_big_endian(struct file *file, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        file->bytes[file->n_bytes++] = (uint8_t)(value >> (8 * (n_bytes - 1 - i)));
    }
}

static void put_header(struct file *file, char version, uint32_t n_times, uint32_t n_types,
                       uint32_t n_leaps)
{
    memcpy(file->bytes + file->n_bytes, "TZif", 4);
    file->n_bytes += 4;
    put_big_endian(file, (uint8_t)version, 1);
    put_big_endian(file, 0, 8);
    put_big_endian(file, 0, 7);
    put_big_endian(file, 0, 4);
    put_big_endian(file, 0, 4);
    put_big_endian(file, n_leaps, 4);
    put_big_endian(file, n_times, 4);
    put_big_endian(file, n_types, 4);
    put_big_endian(file, 4, 4);
}

/* A file with two types (+1 h, +2 h), the given transitions to types 1, 0, 1, ..., and the rule. */
static struct file file_make(const int64_t *times, uint32_t n_times, const char *rule)
{
    struct file file = {.n_bytes = 0};

    put_header(&file, '2', 0, 1, 0);
    put_big_endian(&file, 0, 6);
    put_big_endian(&file, 0x4c4d5400, 4);
    put_header(&file, '2', n_times, 2, 0);
    for (uint32_t i = 0; i < n_times; i++) {
        put_big_endian(&file, (uint64_t)times[i], 8);
    }
    for (uint32_t i = 0; i < n_times; i++) {
        put_big_endian(&file, (i + 1) % 2, 1);
    }
    put_big_endian(&file, 3600, 4);
    put_big_endian(&file, 0, 2);
    put_big_endian(&file, 7200, 4);
    put_big_endian(&file, 0, 2);
    put_big_endian(&file, 0x4c4d5400, 4);
    file.bytes[file.n_bytes++] = '\n';
    memcpy(file.bytes + file.n_bytes, rule, strlen(rule));
    file.n_bytes += strlen(rule);
    file.bytes[file.n_bytes++] = '\n';
    return file;
}

static enum lw_status parse(const struct file *file, struct lw_zone **ret_zone)
{
    /* A copy of exactly this size, so that a sanitizer sees every read past the end. */
    uint8_t *copy = lw_mem_alloc(file->n_bytes + 1);
    enum lw_status st;

    assert_non_null(copy);
    memcpy(copy, file->bytes, file->n_bytes);
    st = lw_zone_parse(copy, file->n_bytes, ret_zone, NULL);
    lw_mem_free(copy);
    return st;
}

static void expect_rule(const char *rule, int64_t utc_s, int32_t want_s)
{
    struct file file = file_make(NULL, 0, rule);
    struct lw_zone *zone = NULL;

    if (parse(&file, &zone) != LW_OK) {
        fail_msg("rule %s was refused", rule);
    }
    expect_offset(zone, rule, utc_s, want_s);
    lw_zone_destroy(zone);
}

static int64_t utc_of(int64_t year, int month, int day, int64_t second)
{
    return lw_civil_to_days(year, month, day) * 86400 + second;
}

static void test_zone__reads_every_form_of_rule(void **state)
{
    (void)state;
    expect_rule("<+0330>-3:30", utc_of(2026, 7, 1, 0), 12600);
    expect_rule("XYZ5:15:10", utc_of(2026, 7, 1, 0), -18910);
    /* Day 60 is 1 March when 29 February is not counted (J) and in common years; n counts from 0
     * and counts it. */
    expect_rule("STD0DST,J60/0,J300/0", utc_of(2024, 3, 1, -1), 0);
    expect_rule("STD0DST,J60/0,J300/0", utc_of(2024, 3, 1, 0), 3600);
    expect_rule("STD0DST,J60/0,J300/0", utc_of(2025, 3, 1, 0), 3600);
    expect_rule("STD0DST,59/0,300/0", utc_of(2024, 2, 29, 0), 3600);
    expect_rule("STD0DST,59/0,300/0", utc_of(2025, 3, 1, -1), 0);
    expect_rule("STD0DST,59/0,300/0", utc_of(2025, 3, 1, 0), 3600);
    /* The time of the change is 02:00 unless said, of the clock as it stands then. */
    expect_rule("STD0DST,M3.5.0,M10.5.0", utc_of(2026, 3, 29, 7200 - 1), 0);
    expect_rule("STD0DST,M3.5.0,M10.5.0", utc_of(2026, 3, 29, 7200), 3600);
    expect_rule("STD0DST,M3.5.0,M10.5.0", utc_of(2026, 10, 25, 3600 - 1), 3600);
    expect_rule("STD0DST,M3.5.0,M10.5.0", utc_of(2026, 10, 25, 3600), 0);
    /* Times before midnight and past the end of the day. */
    expect_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", utc_of(2150, 3, 29, 3600 - 1), -7200);
    expect_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", utc_of(2150, 3, 29, 3600), -3600);
    expect_rule("IST-2IDT,M3.4.4/26,M10.5.0", utc_of(2026, 3, 27, 0), 10800);
    expect_rule("IST-2IDT,M3.4.4/26,M10.5.0", utc_of(2026, 3, 27, -1), 7200);
}

static void test_zone__summer_time_all_year(void **state)
{
    /* RFC 8536, section 3.3.1, writes it so; no second of the year may fall out, in the table and
     * beyond it. */
    static const char rule[] = "XXX3EDT4,0/0,J365/23";

    (void)state;
    for (int64_t year = 2020; year < 2130; year += 13) {
        for (int64_t hour = -4; hour < 12; hour++) {
            expect_rule(rule, utc_of(year, 1, 1, hour * 3600), -14400);
        }
    }
}

/* Start and end fall on the same second every year: summer time never ends. */
static void test_zone__summer_wins_when_both_changes_fall_together(void **state)
{
    (void)state;
    expect_rule("STD0DST,J100/0,J100/1", utc_of(2026, 4, 9, -1), 3600);
    expect_rule("STD0DST,J100/0,J100/1", utc_of(2026, 4, 10, 0), 3600);
    expect_rule("STD0DST,J100/0,J100/1", utc_of(2150, 12, 10, 0), 3600);
}

static void test_zone__refuses_rules_that_are_none(void **state)
{
    static const char *const bad[] = {"A1",
                                      "ABC",
                                      "<ABC1",
                                      "ABC25",
                                      "ABC1DEF",
                                      "ABC1DEF,M3.5.0",
                                      "ABC1DEF,M13.1.0,M1.1.0",
                                      "ABC1DEF,M0.1.0,M1.1.0",
                                      "ABC1DEF,M1.6.0,M1.1.0",
                                      "ABC1DEF,M1.1.7,M1.1.0",
                                      "ABC1DEF,J0,J2",
                                      "ABC1DEF,J366,J2",
                                      "ABC1DEF,366,2",
                                      "ABC1DEF,1/168,2",
                                      "ABC1DEF,1,2x",
                                      "ABC99999999999999999999",
                                      "ABC1:60"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct file file = file_make(NULL, 0, bad[i]);
        struct lw_zone *zone = NULL;

        if (parse(&file, &zone) != LW_EFORMAT) {
            fail_msg("rule \"%s\" was taken", bad[i]);
        }
    }
}

static void test_zone__listed_changes_come_first_then_the_rule(void **state)
{
    const int64_t times[] = {-1000, 1000000000, 1100000000};
    struct file file = file_make(times, 3, "STD0DST,M3.5.0/0,M10.5.0/0");
    struct lw_zone *zone = NULL;

    (void)state;
    assert_int_equal(parse(&file, &zone), LW_OK);
    expect_offset(zone, "listed", INT64_MIN, 3600);
    expect_offset(zone, "listed", -1001, 3600);
    expect_offset(zone, "listed", -1000, 7200);
    expect_offset(zone, "listed", 999999999, 7200);
    expect_offset(zone, "listed", 1000000000, 3600);
    /* 1,100,000,000 is 9 November 2004: the rule's next change is that of March 2005. */
    expect_offset(zone, "listed", 1100000000, 7200);
    expect_offset(zone, "listed", utc_of(2005, 3, 27, -1), 7200);
    expect_offset(zone, "ruled", utc_of(2005, 3, 27, 0), 3600);
    expect_offset(zone, "ruled", utc_of(2005, 12, 1, 0), 0);
    expect_offset(zone, "ruled", INT64_MAX, 0);
    lw_zone_destroy(zone);
}

static void test_zone__refuses_times_out_of_order_leaps_and_version_1(void **state)
{
    const int64_t times[] = {1000, 1000};
    struct file file = file_make(times, 2, "STD0");
    struct lw_zone *zone = NULL;

    (void)state;
    assert_int_equal(parse(&file, &zone), LW_EFORMAT);
    file = file_make(times, 1, "STD0");
    file.bytes[4] = 0;
    assert_int_equal(parse(&file, &zone), LW_EVERSION);
    /* The count of leap seconds of the second header, with its 12 bytes a leap second. */
    file = file_make(times, 0, "STD0");
    file.bytes[44 + 10 + 20 + 11] = 1;
    file.n_bytes += 12;
    assert_int_equal(parse(&file, &zone), LW_EFORMAT);
    /* A type that is not there. */
    file = file_make(times, 1, "STD0");
    file.bytes[44 + 10 + 44 + 8] = 2;
    assert_int_equal(parse(&file, &zone), LW_EFORMAT);
    assert_null(zone);
}

static void test_zone__survives_every_cut_and_every_flipped_byte(void **state)
{
    const int64_t times[] = {0, 1000000000};
    struct file whole = file_make(times, 2, "STD0DST,M3.5.0/0,M10.5.0/0");
    size_t n_refused = 0;

    (void)state;
    for (size_t n = 0; n < whole.n_bytes; n++) {
        struct file file = whole;
        struct lw_zone *zone = NULL;

        file.n_bytes = n;
        assert_int_equal(parse(&file, &zone), LW_EFORMAT);
    }
    for (size_t i = 0; i < whole.n_bytes * 8; i++) {
        struct file file = whole;
        struct lw_zone *zone = NULL;

        file.bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        if (parse(&file, &zone) == LW_OK) {
            int32_t offset_s = lw_zone_offset_s(zone, 1790000000);

            assert_in_range(offset_s + 100000, 0, 200000);
        } else {
            n_refused++;
        }
        lw_zone_destroy(zone);
    }
    assert_in_range(n_refused, whole.n_bytes, whole.n_bytes * 8);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zone__changes_at_the_second_the_database_says),
        cmocka_unit_test(test_zone__without_changes_is_constant),
        cmocka_unit_test(test_zone__names_cannot_leave_the_folder),
        cmocka_unit_test(test_zone__unknown_name_is_not_found),
        cmocka_unit_test(test_zone__reads_every_form_of_rule),
        cmocka_unit_test(test_zone__summer_time_all_year),
        cmocka_unit_test(test_zone__summer_wins_when_both_changes_fall_together),
        cmocka_unit_test(test_zone__refuses_rules_that_are_none),
        cmocka_unit_test(test_zone__listed_changes_come_first_then_the_rule),
        cmocka_unit_test(test_zone__refuses_times_out_of_order_leaps_and_version_1),
        cmocka_unit_test(test_zone__survives_every_cut_and_every_flipped_byte),
    };

    return LW_TEST_RUN(tests);
}
