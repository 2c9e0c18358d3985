/* connect/recording: what a run was fed, it feeds again, bit for bit; what is damaged, it refuses
 * with the line. */
#include "support/test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "connect/recording.h"
#include "support/feed_kept.h"
#include "support/mem_faulty.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static struct feed_kept WRITTEN, PLAYED, OTHER;

struct folder {
    char path[64], file[128];
};

static int folder_make(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));

    *state = folder;
    if (folder == NULL) {
        return -1;
    }
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/lapwing-recording-XXXXXX");
    return mkdtemp(folder->path) == NULL ? -1 : 0;
}

static int folder_drop(void **state)
{
    struct folder *folder = *state;

    (void)unlink(folder->file);
    (void)rmdir(folder->path);
    free(folder);
    return 0;
}

static const char *file_in(void **state, const char *name)
{
    struct folder *folder = *state;

    (void)snprintf(folder->file, sizeof(folder->file), "%s/%s", folder->path, name);
    return folder->file;
}

static const char *file_with(void **state, const char *text)
{
    const char *path = file_in(state, "made.rec");
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Plays everything to PLAYED, and what source "other" says to OTHER. */
static enum lw_status kept_feed(void *context, const char *source, struct lw_feed *ret_feed,
                                struct lw_error *reterr)
{
    (void)context;
    (void)reterr;
    *ret_feed = strcmp(source, "other") == 0 ? feed_kept_start(&OTHER) : feed_kept_start(&PLAYED);
    return LW_OK;
}

static enum lw_status play(const char *path, bool *ret_complete, struct lw_error *reterr)
{
    const struct lw_recording_player player = {.feed = kept_feed};
    struct lw_recording *recording = NULL;
    bool more = true;
    enum lw_status st = lw_recording_open(path, &player, &recording, reterr);

    while (st == LW_OK && more) {
        st = lw_recording_next(recording, &more, reterr);
    }
    if (st == LW_OK) {
        uint64_t size;

        assert_true(lw_recording_position(recording, &size) == size);
        *ret_complete = lw_recording_complete(recording);
    }
    lw_recording_close(recording);
    return st;
}

static void assert_refused(void **state, const char *text, enum lw_status expected, const char *why)
{
    struct lw_error error = {0};
    bool complete;
    enum lw_status st = play(file_with(state, text), &complete, &error);

    if (st != expected || strstr(error.message, why) == NULL) {
        fail_msg("got %d \"%s\"; expected %d with \"%s\" for:\n%s", (int)st, error.message,
                 (int)expected, why, text);
    }
}

static uint32_t series_open(const struct lw_feed *feed, const char *metric,
                            const struct lw_label *labels, size_t n_labels)
{
    const struct lw_series_key key = {.metric = metric, .labels = labels, .n_labels = n_labels};
    uint32_t number = UINT32_MAX;

    assert_int_equal(feed->series(feed->context, &key, &number, NULL), LW_OK);
    return number;
}

static void push(const struct lw_feed *feed, uint32_t series, int64_t time_ns, double value)
{
    const struct lw_point point = {.series = series, .time_ns = time_ns, .value = value};

    assert_int_equal(feed->push(feed->context, &point, 1), LW_OK);
}

static struct lw_recorder *recorder_start(const char *path, struct lw_feed *ret_feed)
{
    struct lw_recorder *recorder = NULL;
    struct lw_feed feed = feed_kept_start(&WRITTEN);
    struct lw_error error;

    assert_int_equal(lw_recorder_create(path, NULL, 0, &recorder, &error), LW_OK);
    assert_int_equal(lw_recorder_wrap(recorder, "host", &feed, ret_feed, &error), LW_OK);
    return recorder;
}

static void test_recording__plays_what_was_fed(void **state)
{
    static const double VALUES[] = {0.0,
                                    -0.0,
                                    1.0,
                                    3.0,
                                    1e300,
                                    5e-324,
                                    0.1,
                                    1.0 / 3.0,
                                    -7.0,
                                    9007199254740992.0,
                                    9007199254740993.0,
                                    1e16,
                                    INFINITY,
                                    -INFINITY,
                                    NAN,
                                    12.5,
                                    12.5,
                                    13.0};
    const char *path = file_in(state, "a.rec.gz");
    const struct lw_label labels[] = {{"instance", "web-1"}, {"mountpoint", "/a \"b\"\\c\nd"}};
    struct lw_feed feed;
    struct lw_recorder *recorder = recorder_start(path, &feed);
    uint32_t first = series_open(&feed, "node_load1", labels, 1);
    uint32_t second = series_open(&feed, "odd{metric", labels, 2);
    bool complete = false;

    assert_int_equal(series_open(&feed, "node_load1", labels, 1), first);
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(VALUES[0]); i++) {
        struct lw_point points[] = {
            {.series = first,
             .time_ns = (int64_t)i * 1000 - 5000,
             .value = VALUES[i],
             .tag = i / 4},
            {.series = second,
             .flags = LW_POINT_MORE,
             .time_ns = (int64_t)i * 1000 - 5000,
             .value = 1.0 - VALUES[i],
             .tag = i / 4},
            {.series = second,
             .time_ns = (int64_t)i * 1000 - 5001,
             .value = 1.0,
             .tag = UINT64_MAX},
        };

        assert_int_equal(feed.push(feed.context, points, 3), LW_OK);
        assert_int_equal(feed.watermark(feed.context, (int64_t)i * 1000), LW_OK);
    }
    feed.dropped(feed.context, "bad_line", 3);
    assert_int_equal(feed.watermark(feed.context, INT64_MIN), LW_OK);
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);

    assert_int_equal(play(path, &complete, NULL), LW_OK);
    assert_true(complete);
    assert_true(WRITTEN.n_log > 1000);
    assert_string_equal(PLAYED.log, WRITTEN.log);
}

static void test_recording__plays_random_points(void **state)
{
    const char *path = file_in(state, "a.rec");
    struct lw_feed feed;
    struct lw_recorder *recorder = recorder_start(path, &feed);
    struct lw_rng rng;
    uint32_t series[80];
    bool complete = false;

    lw_rng_seed(&rng, 7);
    for (uint32_t i = 0; i < 80; i++) {
        char metric[16];

        (void)snprintf(metric, sizeof(metric), "m%u", i);
        series[i] = series_open(&feed, metric, NULL, 0);
    }
    for (int64_t round = 0; round < 30; round++) {
        struct lw_point points[80];
        size_t n = 1 + lw_rng_next(&rng) % 80;

        for (size_t i = 0; i < n; i++) {
            uint64_t bits = lw_rng_next(&rng);
            double value = (double)(bits % 1000) * (bits % 7 == 0 ? 0.1 : 1.0);

            points[i] = (struct lw_point){.series = series[bits % 3 == 0 ? bits % 80 : i],
                                          .flags = (uint32_t)(bits >> 40) % 2,
                                          .time_ns = round * 100 + (int64_t)(bits % 2),
                                          .value = bits % 11 == 0 ? (double)NAN : value};
        }
        assert_int_equal(feed.push(feed.context, points, n), LW_OK);
        assert_int_equal(feed.watermark(feed.context, round * 100), LW_OK);
    }
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);
    assert_int_equal(play(path, &complete, NULL), LW_OK);
    assert_true(complete);
    assert_string_equal(PLAYED.log, WRITTEN.log);
}

static void test_recording__keeps_sources_apart(void **state)
{
    const char *path = file_in(state, "a.rec.gz");
    struct lw_feed host, other, inner;
    struct lw_recorder *recorder = recorder_start(path, &host);
    bool complete = false;
    struct feed_kept *kept = calloc(1, sizeof(*kept));

    assert_non_null(kept);
    inner = feed_kept_start(kept);
    assert_int_equal(lw_recorder_wrap(recorder, "other", &inner, &other, NULL), LW_OK);
    assert_int_equal(lw_recorder_wrap(recorder, "two words", &inner, &other, NULL), LW_EINVAL);
    for (int64_t i = 0; i < 3; i++) {
        push(&host, series_open(&host, "load", NULL, 0), i, 1.0);
        push(&other, series_open(&other, "load", NULL, 0), i, 2.0);
        assert_int_equal(other.watermark(other.context, i), LW_OK);
    }
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);
    assert_int_equal(play(path, &complete, NULL), LW_OK);
    assert_string_equal(PLAYED.log, WRITTEN.log);
    assert_string_equal(OTHER.log, kept->log);
    assert_true(OTHER.n_points[0] == 3);
    free(kept);
}

static void test_recording__records_only_what_was_taken(void **state)
{
    const char *path = file_in(state, "a.rec");
    struct lw_feed feed;
    struct lw_recorder *recorder = recorder_start(path, &feed);
    uint32_t series = series_open(&feed, "load", NULL, 0), number;
    const struct lw_point point = {.series = series, .value = 1.0};
    const struct lw_series_key refused = {.metric = "more"};
    bool complete = false;

    WRITTEN.push_answer = LW_EBUSY;
    assert_int_equal(feed.push(feed.context, &point, 1), LW_EBUSY);
    WRITTEN.push_answer = LW_OK;
    WRITTEN.series_limit = 1;
    assert_int_equal(feed.series(feed.context, &refused, &number, NULL), LW_ELIMIT);
    push(&feed, series, 5, 2.0);
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);
    assert_int_equal(play(path, &complete, NULL), LW_OK);
    assert_string_equal(PLAYED.log, WRITTEN.log);
    assert_int_equal(PLAYED.n_series, 1);
}

static void test_recording__is_told_by_its_first_bytes(void **state)
{
    struct lw_feed feed;
    const struct lw_recording_player player = {.feed = kept_feed};
    struct lw_recording *recording = NULL;

    assert_int_equal(lw_recorder_close(recorder_start(file_in(state, "a.rec.gz"), &feed), NULL),
                     LW_OK);
    assert_true(lw_recording_is(file_in(state, "a.rec.gz")));
    assert_false(lw_recording_is(file_in(state, "absent")));
    assert_int_equal(lw_recording_open(file_in(state, "absent"), &player, &recording, NULL),
                     LW_ENOTFOUND);
    (void)unlink(file_in(state, "a.rec.gz"));
    assert_false(lw_recording_is(file_with(state, "time,value\n1,2\n")));
    assert_false(lw_recording_is(file_with(state, "")));
    assert_true(lw_recording_is(file_with(state, "lapwing recording 9\n")));
}

static void test_recording__keeps_facts(void **state)
{
    const char *path = file_in(state, "a.rec");
    const struct lw_recording_fact facts[] = {{"host", "web-1"}, {"note", "two\nlines and spaces"}};
    const struct lw_recording_player player = {.feed = kept_feed};
    struct lw_recorder *recorder = NULL;
    struct lw_recording *recording = NULL;

    assert_int_equal(lw_recorder_create(path, facts, 2, &recorder, NULL), LW_OK);
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);
    assert_int_equal(lw_recording_open(path, &player, &recording, NULL), LW_OK);
    assert_string_equal(lw_recording_fact(recording, "host"), "web-1");
    assert_string_equal(lw_recording_fact(recording, "note"), "two lines and spaces");
    assert_null(lw_recording_fact(recording, "absent"));
    lw_recording_close(recording);
    assert_int_equal(lw_recorder_create(path, facts, LW_RECORDING_FACTS_MAX + 1, &recorder, NULL),
                     LW_ELIMIT);
    assert_int_equal(lw_recorder_create("/proc/no/such", facts, 0, &recorder, NULL), LW_EIO);
}

static void test_recording__cut_off_anywhere_plays_what_is_there(void **state)
{
    static const char TEXT[] = "lapwing recording 1\nfact host a\nsource host\nseries load\nt "
                               "1000\nv 0 1.5\nw 2000\nt 3000\nv 0 +1\n"
                               "w 4000\nend 2\n";
    const size_t first_point = (size_t)(strstr(TEXT, "w 2000") - TEXT),
                 second_point = (size_t)(strstr(TEXT, "w 4000") - TEXT);
    char cut[sizeof(TEXT)];

    for (size_t n = strlen("lapwing recording 1\n"); n < sizeof(TEXT); n++) {
        bool complete = false;
        struct lw_error error = {0};

        memset(&PLAYED, 0, sizeof(PLAYED));
        memset(cut, 0, sizeof(cut));
        memcpy(cut, TEXT, n);
        if (play(file_with(state, cut), &complete, &error) != LW_OK) {
            fail_msg("cut at %zu: %s", n, error.message);
        }
        assert_int_equal(complete, n == sizeof(TEXT) - 1);
        assert_int_equal(PLAYED.n_points[0], n < first_point ? 0 : (n < second_point ? 1 : 2));
    }
}

static void test_recording__compressed_and_cut_off_plays_the_flushed_part(void **state)
{
    const char *path = file_in(state, "a.rec.gz");
    struct lw_feed feed;
    struct lw_recorder *recorder = recorder_start(path, &feed);
    uint32_t series = series_open(&feed, "load", NULL, 0);
    bool complete = true;

    for (int64_t i = 0; i < 120; i++) {
        push(&feed, series, i, (double)i / 3.0);
        assert_int_equal(feed.watermark(feed.context, i), LW_OK);
    }
    assert_int_equal(play(path, &complete, NULL), LW_OK); /* While it is still being written. */
    assert_false(complete);
    assert_true(PLAYED.n_points[0] >= 119);
    assert_int_equal(lw_recorder_close(recorder, NULL), LW_OK);
}

static void test_recording__refuses_what_is_damaged(void **state)
{
#define HEAD "lapwing recording 1\nsource host\nseries load\n"
    assert_refused(state, "time,value\n", LW_EFORMAT, "not a recording");
    assert_refused(state, "lapwing recording one\n", LW_EFORMAT, "not a recording");
    assert_refused(state, "lapwing recording 2\n", LW_EVERSION, "version 2");
    assert_refused(state, "lapwing recording 1\nseries load\n", LW_EFORMAT,
                   "line 2 of the recording: no source");
    assert_refused(state, HEAD "v 0 1\nhello\n", LW_EFORMAT,
                   "line 5 of the recording: begins with no word");
    assert_refused(state, HEAD "v 1 1\n", LW_EFORMAT, "has not named");
    assert_refused(state, HEAD "v 0 1 2\n", LW_EFORMAT, "has not named");
    assert_refused(state, HEAD "source b\nv 0 1\n", LW_EFORMAT, "has not named");
    assert_refused(state, HEAD "v 0\n", LW_EFORMAT, "without values");
    assert_refused(state, HEAD "v x 1\n", LW_EFORMAT, "without a series");
    assert_refused(state, HEAD "v 0 1x\n", LW_EFORMAT, "no value");
    assert_refused(state, HEAD "v 0 \n", LW_EFORMAT, "no value");
    assert_refused(state, HEAD "v 0  1\n", LW_EFORMAT, "no value");
    assert_refused(state, HEAD "v 0 +x\n", LW_EFORMAT, "no value");
    assert_refused(state, HEAD "v 0 =2\n", LW_EFORMAT, "no value");
    assert_refused(state, HEAD "t 12s\n", LW_EFORMAT, "no time");
    assert_refused(state, HEAD "w 99999999999999999999\n", LW_EFORMAT, "watermark");
    assert_refused(state, HEAD "g -1\n", LW_EFORMAT, "tag");
    assert_refused(state, HEAD "d reason\n", LW_EFORMAT, "dropped");
    assert_refused(state, HEAD "series {a=\n", LW_EFORMAT, "no name of a series");
    assert_refused(state, HEAD "end\n", LW_EFORMAT, "begins with no word");
    assert_refused(state, "lapwing recording 1\nfact lonely\n", LW_EFORMAT, "a fact is");
#undef HEAD
}

static void test_recording__a_line_too_long_is_refused(void **state)
{
    static char text[20000];
    size_t n = (size_t)snprintf(text, sizeof(text), "lapwing recording 1\nsource ");

    memset(text + n, 'x', 15000);
    memcpy(text + n + 15000, "\n", 2);
    assert_refused(state, text, LW_EFORMAT, "line 2 of the recording: too long");
}

static void test_recording__a_full_disk_ends_the_recording_not_the_run(void **state)
{
    struct lw_feed feed;
    struct lw_recorder *recorder = recorder_start("/dev/full", &feed);
    uint32_t series = series_open(&feed, "load", NULL, 0);
    struct lw_error error = {0};

    (void)state;
    for (int64_t i = 0; i < 2000; i++) {
        push(&feed, series, i, (double)i / 7.0);
        assert_int_equal(feed.watermark(feed.context, i), LW_OK);
    }
    assert_int_equal(WRITTEN.n_points[0], 2000);
    assert_int_equal(lw_recorder_close(recorder, &error), LW_EIO);
    assert_non_null(strstr(error.message, "not complete"));
}

static void test_recording__gives_all_memory_back_when_there_is_too_little(void **state)
{
    const char *path = file_with(
        state, "lapwing recording 1\nsource host\nseries load{a=\"b\"}\nt 1\nv 0 1\nw 2\nend 1\n");
    int64_t live = lw_test_mem_live();
    bool failed = true;

    for (uint64_t at = 1; failed; at++) {
        bool complete = false;
        enum lw_status st;

        lw_test_mem_fail_at(at);
        st = play(path, &complete, NULL);
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        assert_int_equal(st, failed ? LW_ENOMEM : LW_OK);
        assert_true(lw_test_mem_live() == live);
    }
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)
    static const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_recording__plays_what_was_fed),
        WITH_FOLDER(test_recording__plays_random_points),
        WITH_FOLDER(test_recording__keeps_sources_apart),
        WITH_FOLDER(test_recording__records_only_what_was_taken),
        WITH_FOLDER(test_recording__is_told_by_its_first_bytes),
        WITH_FOLDER(test_recording__keeps_facts),
        WITH_FOLDER(test_recording__cut_off_anywhere_plays_what_is_there),
        WITH_FOLDER(test_recording__compressed_and_cut_off_plays_the_flushed_part),
        WITH_FOLDER(test_recording__refuses_what_is_damaged),
        WITH_FOLDER(test_recording__a_line_too_long_is_refused),
        WITH_FOLDER(test_recording__a_full_disk_ends_the_recording_not_the_run),
        WITH_FOLDER(test_recording__gives_all_memory_back_when_there_is_too_little),
    };
#undef WITH_FOLDER

    return LW_TEST_RUN(tests);
}
