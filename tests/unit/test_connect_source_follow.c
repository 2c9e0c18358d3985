/* Files followed: names, what is remembered, and event time held back. The rest is
 * tests/e2e/test_follow.py. */
#include "support/test.h"

#include "base/mem.h"
#include "connect/follow/follow.h"
#include "support/feed_kept.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct feed_kept FEED;

static void test_stem__is_the_name_without_what_rotation_appends(void **state)
{
    static const struct {
        const char *path, *stem;
    } cases[] = {
        {"/v/m.csv", "/v/m.csv"},
        {"/v/m.csv.1", "/v/m.csv"},
        {"/v/m.csv-20260101", "/v/m.csv"},
        {"/v/m.csv.2026-01-01_03", "/v/m.csv"},
        {"/v/web-1.csv", "/v/web-1.csv"},
        {"/v/12", "/v/12"},
        {"m7", "m7"},
        {"/a.1/m", "/a.1/m"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char stem[LW_FOLLOW_PATH_MAX];

        lw_follow_stem_path(cases[i].path, stem);
        assert_string_equal(stem, cases[i].stem);
        assert_int_equal(lw_follow_is_rotated(cases[i].path), strcmp(stem, cases[i].path) != 0);
    }
}

static void test_state__comes_back_as_it_was_written(void **state)
{
    static struct lw_follow_file file;
    struct lw_follow_file *files[] = {&file};
    struct lw_follow_place *places = NULL;
    struct lw_error error = {0};
    size_t n = 0;

    (void)state;
    file.kept = (struct lw_follow_place){.device = 1,
                                         .inode = 7,
                                         .offset = 12345,
                                         .head = {1024, UINT64_C(0xfedcba9876543210)},
                                         .newest_ns = -5,
                                         .path = "/a \"b\"/c"};
    file.past = (struct lw_follow_place){.device = 1, .inode = 7, .newest_ns = INT64_MIN};
    assert_int_equal(lw_follow_state_write("follow-state.json", files, 1, &error), LW_OK);
    assert_int_equal(lw_follow_state_read("follow-state.json", &places, &n, &error), LW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(places[0].offset, 12345);
    assert_true(places[0].head.hash == file.kept.head.hash && places[0].head.n == 1024);
    assert_int_equal(places[0].newest_ns, -5);
    assert_string_equal(places[0].path, "/a \"b\"/c");
    assert_int_equal(places[1].newest_ns, INT64_MIN);
    lw_mem_free(places);
    (void)unlink("follow-state.json");
    assert_int_equal(lw_follow_state_read("follow-state.json", &places, &n, &error), LW_ENOTFOUND);
}

static void test_state__that_is_damaged_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "[]",
        "{\"version\":2,\"files\":[]}",
        "{\"version\":1,\"files\":[{}]}",
        "{\"version\":1,\"files\":[{\"path\":\"a\",\"device\":1,\"inode\":2,\"offset\":-1,"
        "\"head_bytes\":0,\"head\":\"00\"}]}",
        "{\"version\":1,\"files\":[{\"path\":\"a\",\"device\":1,\"inode\":2,\"offset\":1,"
        "\"head_bytes\":2000,\"head\":\"00\"}]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FILE *file = fopen("follow-bad.json", "w");
        struct lw_follow_place *places = NULL;
        struct lw_error error = {0};
        size_t n = 0;

        assert_non_null(file);
        (void)fputs(texts[i], file);
        (void)fclose(file);
        assert_int_equal(lw_follow_state_read("follow-bad.json", &places, &n, &error), LW_EFORMAT);
        assert_non_null(strstr(error.message, "follow-bad.json"));
    }
    (void)unlink("follow-bad.json");
}

static void test_held_feed__event_time_waits_for_the_bound(void **state)
{
    const struct lw_feed behind = feed_kept_start(&FEED);
    struct lw_held_feed held;
    struct lw_feed feed = lw_held_feed_init(&held, &behind);

    (void)state;
    assert_int_equal(lw_held_feed_hold(&held, 50), LW_OK);
    assert_int_equal(feed.watermark(feed.context, 100), LW_OK);
    assert_int_equal(FEED.watermark_ns, 50);
    assert_int_equal(lw_held_feed_hold(&held, 70), LW_OK);
    assert_int_equal(FEED.watermark_ns, 70);
    assert_int_equal(lw_held_feed_hold(&held, 10), LW_OK);
    assert_int_equal(FEED.watermark_ns, 70); /* It does not go back. */
    assert_int_equal(lw_held_feed_hold(&held, INT64_MAX), LW_OK);
    assert_int_equal(FEED.watermark_ns, 100);
}

static void test_held_feed__cuts_pushes_where_a_slot_begins(void **state)
{
    static const struct lw_point points[] = {
        {.time_ns = 5}, {.time_ns = 12}, {.time_ns = 19}, {.time_ns = 11}, {.time_ns = 31}};
    const struct lw_feed behind = feed_kept_start(&FEED);
    struct lw_held_feed held;
    struct lw_feed feed = lw_held_feed_init(&held, &behind);

    (void)state;
    held.slot_ns = 10;
    FEED.n_series = 1;
    assert_int_equal(feed.push(feed.context, points, 5), LW_OK);
    assert_int_equal(FEED.n_pushes, 3);
    assert_int_equal(FEED.watermark_ns, 30);
    assert_int_equal(held.newest_ns, 31);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stem__is_the_name_without_what_rotation_appends),
        cmocka_unit_test(test_state__comes_back_as_it_was_written),
        cmocka_unit_test(test_state__that_is_damaged_is_refused),
        cmocka_unit_test(test_held_feed__event_time_waits_for_the_bound),
        cmocka_unit_test(test_held_feed__cuts_pushes_where_a_slot_begins),
    };

    return LW_TEST_RUN(tests);
}
