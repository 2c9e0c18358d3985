/*
 * Real runs, replayed: tests/data/host/recordings holds what hosts were fed, and what happened to
 * them.
 *
 * MANIFEST has a line for each trouble, "FILE TROUBLE START END METRICS", times in seconds since
 * 1970, and "FILE quiet" for each recording in which nothing happened. A trouble must be told
 * within 30 s by an anomaly that has one of its metrics among what contributed; and no anomaly may
 * open outside of a trouble and the minute after it.
 */
#include "support/test.h"

#include "connect/recording.h"
#include "connect/source_host.h"
#include "lapwing/engine.h"
#include "stream/series_name.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER LW_TEST_DATA "/host/recordings/"
#define TROUBLES_MAX 32
#define NOTICES_MAX 4096
#define SECOND_NS INT64_C(1000000000)
#define FOUND_WITHIN_S 30
#define AFTERMATH_S 60

struct trouble {
    char file[64], name[32], metrics[256];
    long long start_s, end_s; /* 0, 0: a recording without trouble. */
};

/* One notice of an anomaly: when, and which metrics had to do with it. */
struct notice {
    int64_t time_ns;
    uint8_t phase;
    uint32_t n_series;
    char series[LW_CONTRIBUTIONS_MAX][LW_NAME_MAX];
    char sentence[256];
};

struct notices {
    size_t n;
    struct notice items[NOTICES_MAX];
};

static struct notices HEARD;

static size_t manifest_read(struct trouble ret_troubles[TROUBLES_MAX])
{
    FILE *file = fopen(FOLDER "MANIFEST", "r");
    char line[512];
    size_t n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        struct trouble *trouble = &ret_troubles[n];
        int n_words;

        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        assert_true(n < TROUBLES_MAX);
        memset(trouble, 0, sizeof(*trouble));
        n_words = sscanf(line, "%63s %31s %lld %lld %255s", trouble->file, trouble->name,
                         &trouble->start_s, &trouble->end_s, trouble->metrics);
        assert_true(n_words == 5 || (n_words == 2 && strcmp(trouble->name, "quiet") == 0));
        n++;
    }
    assert_int_equal(fclose(file), 0);
    return n;
}

static void hear(void *context, uint32_t shard, const struct lw_engine_anomaly *anomaly)
{
    struct notices *heard = context;
    struct notice *notice = &heard->items[heard->n];

    (void)shard;
    if (heard->n == NOTICES_MAX) {
        return;
    }
    heard->n++;
    memset(notice, 0, sizeof(*notice));
    notice->time_ns = anomaly->anomaly->last_ns;
    notice->phase = anomaly->anomaly->phase;
    for (uint32_t i = 0; i < anomaly->anomaly->n_contributions; i++) {
        if (anomaly->series[i] != NULL) {
            (void)snprintf(notice->series[notice->n_series++], LW_NAME_MAX, "%s",
                           anomaly->series[i]);
        }
    }
    (void)snprintf(notice->sentence, sizeof(notice->sentence), "%s", anomaly->sentence);
}

static enum lw_status engine_feed(void *context, const char *source, struct lw_feed *ret_feed,
                                  struct lw_error *reterr)
{
    return lw_engine_feed(context, source, ret_feed, reterr);
}

/* The detector that `lapwing run` watches a host with. */
static void detector_set(struct lw_engine *engine)
{
    struct lw_spec *spec = NULL;
    size_t n;
    const struct lw_source_host_option *options = lw_source_host_options(&n);

    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    for (size_t i = 0; i < n; i++) {
        enum lw_status st = options[i].pattern == NULL
                                ? lw_spec_set(spec, options[i].option, options[i].value, NULL)
                                : lw_spec_set_metric(spec, options[i].pattern, options[i].option,
                                                     options[i].value, NULL);

        assert_int_equal(st, LW_OK);
    }
    assert_int_equal(lw_engine_set_detector(engine, "host", spec, NULL), LW_OK);
    lw_spec_destroy(spec);
}

/* Replays a recording into HEARD. */
static void replay(const char *file)
{
    const struct lw_listener listener = {.anomaly = hear, .context = &HEARD};
    const struct lw_engine_config config = {.n_shards = 1, .listener = &listener};
    struct lw_engine *engine = NULL;
    struct lw_recording *recording = NULL;
    struct lw_error error = {0};
    char path[512];
    bool more = true;

    HEARD.n = 0;
    (void)snprintf(path, sizeof(path), "%s%s", FOLDER, file);
    assert_int_equal(lw_engine_create(&config, &engine, &error), LW_OK);
    detector_set(engine);
    assert_int_equal(lw_recording_open(path, &(struct lw_recording_player){engine_feed, engine},
                                       &recording, &error),
                     LW_OK);
    while (more) {
        if (lw_recording_next(recording, &more, &error) != LW_OK) {
            fail_msg("%s: %s", file, error.message);
        }
    }
    lw_engine_finish(engine);
    assert_true(lw_recording_complete(recording));
    assert_true(lw_recording_points(recording) > 80000);
    lw_recording_close(recording);
    lw_engine_destroy(engine);
    assert_true(HEARD.n < NOTICES_MAX);
}

static bool names(const struct notice *notice, const char *metrics)
{
    for (uint32_t i = 0; i < notice->n_series; i++) {
        char metric[LW_NAME_MAX];

        (void)snprintf(metric, sizeof(metric), "%.*s", (int)strcspn(notice->series[i], "{"),
                       notice->series[i]);
        if (lw_glob_match_any(metrics, metric)) {
            return true;
        }
    }
    return false;
}

static void trouble_must_be_told(const struct trouble *trouble)
{
    int64_t start_ns = trouble->start_s * SECOND_NS,
            last_ns = start_ns + FOUND_WITHIN_S * SECOND_NS;

    for (size_t i = 0; i < HEARD.n; i++) {
        const struct notice *notice = &HEARD.items[i];

        if (notice->time_ns >= start_ns && notice->time_ns <= last_ns &&
            names(notice, trouble->metrics)) {
            print_message("%s: %s told after %lld s: %s\n", trouble->file, trouble->name,
                          (long long)((notice->time_ns - start_ns) / SECOND_NS), notice->sentence);
            return;
        }
    }
    fail_msg("%s: %s at %lld was not told within %d s by %s", trouble->file, trouble->name,
             trouble->start_s, FOUND_WITHIN_S, trouble->metrics);
}

/* Whether a moment belongs to a trouble of the file, or to the minute after it, when things go
 * back. */
static bool is_excused(const struct trouble *troubles, size_t n, const char *file, int64_t time_ns)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(troubles[i].file, file) == 0 && time_ns >= troubles[i].start_s * SECOND_NS &&
            time_ns <= (troubles[i].end_s + AFTERMATH_S) * SECOND_NS) {
            return true;
        }
    }
    return false;
}

static void test_host_recordings__trouble_is_told_and_quiet_is_quiet(void **state)
{
    static struct trouble troubles[TROUBLES_MAX];
    size_t n = manifest_read(troubles);

    (void)state;
    assert_true(n >= 16);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(troubles[i].file, troubles[i - 1].file) != 0) {
            replay(troubles[i].file);
            for (size_t j = 0; j < HEARD.n; j++) {
                if (HEARD.items[j].phase == LW_ANOMALY_OPENED &&
                    !is_excused(troubles, n, troubles[i].file, HEARD.items[j].time_ns)) {
                    fail_msg("%s: nothing happened at %lld, but: %s", troubles[i].file,
                             (long long)(HEARD.items[j].time_ns / SECOND_NS),
                             HEARD.items[j].sentence);
                }
            }
        }
        if (troubles[i].end_s > 0 && strcmp(troubles[i].metrics, "-") != 0) {
            trouble_must_be_told(&troubles[i]);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_recordings__trouble_is_told_and_quiet_is_quiet),
    };

    return LW_TEST_RUN(tests);
}
