/* JSON lines in a file: whole lines whatever happens to the file. */
#include "support/test.h"

#include "connect/sink_file.h"
#include "support/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[64], path[96], moved[96];
};

static struct place place_make(void)
{
    struct place place = {.folder = "/tmp/lapwing-test-XXXXXX"};

    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.path, sizeof(place.path), "%s/events.jsonl", place.folder);
    (void)snprintf(place.moved, sizeof(place.moved), "%s/events.jsonl.1", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    (void)unlink(place->path);
    (void)unlink(place->moved);
    assert_int_equal(rmdir(place->folder), 0);
}

static void *sink_at(const char *path, const char *fsync)
{
    const char *const options[] = {"path", path, "fsync", fsync, NULL};
    void *sink = NULL;
    struct lw_error error;

    assert_int_equal(sink_make(&lw_sink_file, options, &sink, &error), LW_OK);
    return sink;
}

/* Delivers one event; its answer. */
static enum lw_sink_answer tell(void *sink, uint32_t phase)
{
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, phase);
    struct lw_sink_result result;

    lw_sink_file.deliver(sink, &event, 1, -1, &result);
    assert_int_equal(result.reason[0] == '\0', result.answer == LW_SINK_DELIVERED);
    return result.answer;
}

/* How many lines of the file are whole events; the others are counted into ret_torn. */
static int events_in(const char *path, int *ret_torn)
{
    FILE *file = fopen(path, "r");
    char line[8192];
    int n = 0;

    *ret_torn = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

        if (root != NULL && strchr(line, '\n') != NULL) {
            n++;
        } else {
            (*ret_torn)++;
        }
        json_decref(root);
    }
    assert_int_equal(fclose(file), 0);
    return n;
}

static void test_file__appends_a_line_an_event(void **state)
{
    struct place place = place_make();
    void *sink = sink_at(place.path, "true");
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event events[3] = {sink_event(&view, LW_ANOMALY_OPENED),
                                      sink_event(&view, LW_ANOMALY_CLOSED),
                                      sink_event(&view, LW_ANOMALY_OPENED)};
    struct lw_sink_result results[3];
    int torn;

    (void)state;
    lw_sink_file.deliver(sink, events, 3, -1, results);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].answer, LW_SINK_DELIVERED);
    }
    lw_sink_file.destroy(sink);
    sink = sink_at(place.path, "false");
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.path, &torn), 4);
    assert_int_equal(torn, 0);
    lw_sink_file.destroy(sink);
    place_remove(&place);
}

static void test_file__goes_on_in_a_new_file_when_it_was_moved(void **state)
{
    struct place place = place_make();
    void *sink = sink_at(place.path, "false");
    int torn;

    (void)state;
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    assert_int_equal(rename(place.path, place.moved), 0);
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_DELIVERED);
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.moved, &torn), 1);
    assert_int_equal(events_in(place.path, &torn), 2);
    assert_int_equal(truncate(place.path, 0), 0); /* As "copytruncate" of logrotate does. */
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.path, &torn), 1);
    lw_sink_file.destroy(sink);
    place_remove(&place);
}

static void test_file__ends_a_line_that_a_crash_cut_off(void **state)
{
    struct place place = place_make();
    void *sink = sink_at(place.path, "false");
    FILE *file;
    int torn;

    (void)state;
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    lw_sink_file.destroy(sink);
    file = fopen(place.path, "a");
    assert_non_null(file);
    assert_true(fputs("{\"type\":\"anomaly.op", file) >= 0);
    assert_int_equal(fclose(file), 0);
    sink = sink_at(place.path, "false");
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.path, &torn), 2);
    assert_int_equal(torn, 1);
    lw_sink_file.destroy(sink);
    place_remove(&place);
}

/* A limit of the file's size stands for a disk that is full in the middle of a line. */
static void test_file__tells_again_what_did_not_fit(void **state)
{
    struct place place = place_make();
    void *sink = sink_at(place.path, "false");
    struct rlimit before, tight;
    struct stat about;
    int torn;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    assert_int_equal(stat(place.path, &about), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)about.st_size + 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_RETRY);
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_RETRY);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(tell(sink, LW_ANOMALY_CLOSED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.path, &torn), 2);
    assert_int_equal(torn, 1);
    lw_sink_file.destroy(sink);
    place_remove(&place);
}

static void test_file__a_folder_that_is_not_there_yet_is_tried_again(void **state)
{
    struct place place = place_make();
    void *sink;
    int torn;

    (void)state;
    assert_int_equal(rmdir(place.folder), 0);
    sink = sink_at(place.path, "false");
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_RETRY);
    assert_int_equal(mkdir(place.folder, 0700), 0);
    assert_int_equal(tell(sink, LW_ANOMALY_OPENED), LW_SINK_DELIVERED);
    assert_int_equal(events_in(place.path, &torn), 1);
    lw_sink_file.destroy(sink);
    place_remove(&place);
}

static void test_file__a_pipe_that_nobody_reads_does_not_hold_up_the_end(void **state)
{
    struct place place = place_make();
    struct lw_anomaly_view view = sink_anomaly();
    struct lw_sink_event event = sink_event(&view, LW_ANOMALY_OPENED);
    struct lw_sink_result result;
    void *sink;
    int told[2], n_delivered = 0;

    (void)state;
    assert_int_equal(mkfifo(place.path, 0600), 0);
    assert_int_equal(pipe(told), 0);
    sink = sink_at(place.path, "false");
    for (;;) {
        if (n_delivered == 40) { /* 64 KiB hold some 80. */
            assert_int_equal(write(told[1], "", 1), 1);
        }
        lw_sink_file.deliver(sink, &event, 1, told[0], &result);
        if (result.answer != LW_SINK_DELIVERED) {
            break;
        }
        n_delivered++;
    }
    assert_int_equal(result.answer, LW_SINK_RETRY);
    assert_int_equal(n_delivered, 40);
    lw_sink_file.destroy(sink);
    (void)close(told[0]);
    (void)close(told[1]);
    place_remove(&place);
}

static void test_file__refuses_options_that_cannot_be(void **state)
{
    static const char *const none[] = {"path", "", NULL};
    static const char *const bad[] = {"external_url", "nowhere", NULL};
    void *sink = NULL;
    struct lw_error error;

    (void)state;
    assert_int_equal(sink_make(&lw_sink_file, none, &sink, &error), LW_EINVAL);
    assert_int_equal(sink_make(&lw_sink_file, bad, &sink, &error), LW_EINVAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__appends_a_line_an_event),
        cmocka_unit_test(test_file__goes_on_in_a_new_file_when_it_was_moved),
        cmocka_unit_test(test_file__ends_a_line_that_a_crash_cut_off),
        cmocka_unit_test(test_file__tells_again_what_did_not_fit),
        cmocka_unit_test(test_file__a_folder_that_is_not_there_yet_is_tried_again),
        cmocka_unit_test(test_file__a_pipe_that_nobody_reads_does_not_hold_up_the_end),
        cmocka_unit_test(test_file__refuses_options_that_cannot_be),
    };

    return LW_TEST_RUN(tests);
}
