/*
 * The outbox: retries, rates, order, dead letters, restarts, and that nothing is told twice. Time
 * is the test's own.
 */
#define _GNU_SOURCE
#include "support/outbox.h"

#include "base/rng.h"

static void test_outbox__tells_each_sink_each_event_once(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);

    (void)state;
    open_sink(outbox, "a");
    open_sink(outbox, "b");
    opened(outbox, 1);
    record(outbox, 1, LW_ANOMALY_UPDATED, 1);
    opened(outbox, 2);
    assert_string_equal(take(outbox, "a"), "+1 +2 ");
    assert_string_equal(taken[1].anomaly.detector, "disks");
    assert_string_equal(taken[1].anomaly.entity, "web-2");
    assert_string_equal(taken[1].anomaly.sentence, "Number 2.");
    assert_string_equal(taken[1].anomaly.series[0], "load{host=\"web-2\"}");
    assert_int_equal(taken[1].attempt, 1);
    assert_int_equal(taken[1].anomaly.entity_number, UINT32_MAX);
    assert_true(taken[1].key > taken[0].key);
    assert_string_equal(take(outbox, "a"), ""); /* On their way. */
    assert_string_equal(take_some(outbox, "b", 1), "+1 ");
    report(outbox, "b", LW_OUTBOX_DELIVERED);
    assert_string_equal(take(outbox, "b"), "+2 ");
    report(outbox, "b", LW_OUTBOX_DELIVERED);
    assert_string_equal(take(outbox, "b"), "");
    assert_int_equal(sink_view(outbox, "a").pending, 2);
    assert_int_equal(sink_view(outbox, "b").pending, 0);
    assert_int_equal(sink_view(outbox, "b").delivered, 2);
    assert_int_equal(sink_view(outbox, "b").last_success_ns, test_now_ns());
    lw_outbox_destroy(outbox);
}

static void test_outbox__tells_the_beginning_before_the_end(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);

    (void)state;
    open_sink(outbox, "a");
    opened(outbox, 1);
    closed(outbox, 1);
    opened(outbox, 2);
    assert_string_equal(take(outbox, "a"), "+1 +2 ");
    report(outbox, "a", LW_OUTBOX_RETRY);
    pass(LW_OUTBOX_BACKOFF_LAST_NS / SECOND);
    assert_string_equal(take_some(outbox, "a", 1), "+1 "); /* Not its end, though due. */
    assert_int_equal(taken[0].attempt, 2);
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_string_equal(take(outbox, "a"), "-1 +2 ");
    lw_outbox_destroy(outbox);
}

static void test_outbox__delays_grow_and_stay_in_their_bounds(void **state)
{
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (uint32_t n = 1; n <= 40; n++) {
        int64_t bound = n < 10 ? SECOND << (n - 1) : LW_OUTBOX_BACKOFF_LAST_NS;
        int64_t most = 0, least = INT64_MAX;
        double sum = 0;

        bound = bound < LW_OUTBOX_BACKOFF_LAST_NS ? bound : LW_OUTBOX_BACKOFF_LAST_NS;
        for (int i = 0; i < 2000; i++) {
            int64_t delay = lw_outbox_backoff(&rng, n);

            most = delay > most ? delay : most;
            least = delay < least ? delay : least;
            sum += (double)delay;
        }
        assert_true(least >= 0 && most <= bound);
        assert_true((double)most > 0.98 * (double)bound && (double)least < 0.02 * (double)bound);
        assert_true(sum / 2000 > 0.45 * (double)bound && sum / 2000 < 0.55 * (double)bound);
    }
}

static void test_outbox__goes_easy_on_a_sink_that_is_down(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);
    int n_attempts = 0;

    (void)state;
    open_sink(outbox, "a");
    for (uint64_t id = 1; id <= 50; id++) {
        opened(outbox, id);
    }
    for (int second = 0; second < 3600; second++) { /* An hour, asked each second. */
        if (take_some(outbox, "a", 1)[0] != '\0') {
            n_attempts++;
            report(outbox, "a", LW_OUTBOX_RETRY);
        }
        pass(1);
    }
    print_message("%d attempts in an hour\n", n_attempts);
    assert_true(n_attempts >= 12 && n_attempts <= 60); /* 150 s between them on average. */
    assert_false(sink_view(outbox, "a").up);
    assert_int_equal(sink_view(outbox, "a").retried, n_attempts);
    assert_int_equal(sink_view(outbox, "a").pending, 50);
    assert_string_equal(sink_view(outbox, "a").last_error, "connection refused");
    assert_true(sink_view(outbox, "a").oldest_ns == 3600 * SECOND);
    pass(300);
    assert_int_equal(strlen(take_some(outbox, "a", 1)), 3);
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_true(sink_view(outbox, "a").up);
    pass(300);
    (void)take(outbox, "a"); /* It is well again: all the others at once. */
    assert_int_equal(n_taken, 49);
    lw_outbox_destroy(outbox);
}

static void test_outbox__rests_as_long_as_it_was_asked_to(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);
    struct lw_outbox_result result = {.answer = LW_OUTBOX_RETRY, .retry_after_ns = 90 * SECOND};

    (void)state;
    open_sink(outbox, "a");
    opened(outbox, 1);
    (void)take(outbox, "a");
    report_some(outbox, "a", &result, 0, 1);
    pass(89);
    opened(outbox, 2);
    assert_string_equal(take(outbox, "a"), ""); /* Others wait as well. */
    pass(1);
    assert_string_equal(take(outbox, "a"), "+1 +2 ");
    result.retry_after_ns = 100 * LW_OUTBOX_RETRY_AFTER_MAX_NS;
    report_some(outbox, "a", &result, 0, 2);
    pass(LW_OUTBOX_RETRY_AFTER_MAX_NS / SECOND - 1);
    assert_string_equal(take(outbox, "a"), "");
    pass(1);
    assert_string_equal(take(outbox, "a"), "+1 +2 ");
    lw_outbox_destroy(outbox);
}

static void test_outbox__keeps_to_the_rate_and_drops_nothing(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);
    size_t n = 0;

    (void)state;
    open_sink_with(outbox, "a", &(struct lw_outbox_options){.rate = 2, .burst = 5});
    for (uint64_t id = 1; id <= 25; id++) {
        opened(outbox, id);
    }
    (void)take(outbox, "a");
    assert_int_equal(n_taken, 5);
    for (int second = 0; second < 10; second++) {
        report(outbox, "a", LW_OUTBOX_DELIVERED);
        n += n_taken;
        (void)take(outbox, "a");
        assert_int_equal(n_taken, 0);
        pass(1);
        (void)take(outbox, "a");
        assert_int_equal(n_taken, 2);
    }
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_int_equal(n + n_taken, 25);
    assert_int_equal(sink_view(outbox, "a").pending, 0);
    pass(3600);
    for (uint64_t id = 26; id <= 40; id++) {
        opened(outbox, id);
    }
    (void)take(outbox, "a"); /* A pause earns no more than the burst. */
    assert_int_equal(n_taken, 5);
    lw_outbox_destroy(outbox);
}

static void test_outbox__repeats_what_is_open_where_that_is_asked_for(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);

    (void)state;
    open_sink_with(outbox, "a", &(struct lw_outbox_options){.resend_ns = 60 * SECOND});
    open_sink(outbox, "b");
    opened(outbox, 1);
    (void)take(outbox, "a");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    (void)take(outbox, "b");
    report(outbox, "b", LW_OUTBOX_DELIVERED);
    assert_int_equal(sink_view(outbox, "a").open, 1);
    pass(59);
    assert_string_equal(take(outbox, "a"), "");
    pass(1);
    assert_string_equal(take(outbox, "a"), "~1 ");
    assert_string_equal(taken[0].anomaly.entity, "web-1");
    report(outbox, "a", LW_OUTBOX_RETRY);
    assert_int_equal(sink_view(outbox, "a").pending, 0); /* A repeat is not owed. */
    pass(1);
    assert_string_equal(take(outbox, "a"), "~1 "); /* Soon again, as it could not be told. */
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    pass(60);
    assert_string_equal(take(outbox, "b"), "");
    closed(outbox, 1);
    sync_outbox(outbox);
    assert_int_equal(sink_view(outbox, "a").open, 0);
    assert_string_equal(take(outbox, "a"), "-1 ");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    pass(3600);
    assert_string_equal(take(outbox, "a"), "");
    assert_int_equal(sink_view(outbox, "a").dead_dropped, 0);
    lw_outbox_destroy(outbox);
}

static void test_outbox__keeps_dead_letters_to_be_replayed_or_dropped(void **state)
{
    struct lw_outbox *outbox = open_outbox(folder);
    struct lw_dead_letter letters[4];
    const struct lw_outbox_search search = {.sink = "a", .capacity = 4};
    size_t n = 0;
    uint64_t key;

    (void)state;
    open_sink(outbox, "a");
    opened(outbox, 1);
    opened(outbox, 2);
    opened(outbox, 3);
    (void)take(outbox, "a");
    report_some(outbox, "a",
                &(struct lw_outbox_result){.answer = LW_OUTBOX_REFUSED, .reason = "HTTP 400"}, 0,
                2);
    report_some(outbox, "a", &(struct lw_outbox_result){.answer = LW_OUTBOX_DELIVERED}, 2, 1);
    assert_int_equal(sink_view(outbox, "a").dead, 2);
    assert_int_equal(sink_view(outbox, "a").dead_kept, 2);
    assert_int_equal(sink_view(outbox, "a").pending, 0);
    lw_outbox_destroy(outbox);
    outbox = open_outbox(folder);
    open_sink(outbox, "a");
    assert_int_equal(sink_view(outbox, "a").dead_kept, 2);
    assert_int_equal(lw_outbox_dead_letters(outbox, &search, letters, &n, NULL), LW_OK);
    assert_int_equal(n, 2);
    assert_string_equal(letters[0].reason, "HTTP 400");
    assert_string_equal(letters[1].anomaly.entity, "web-2");
    assert_int_equal(letters[0].attempts, 1);
    assert_int_equal(letters[0].time_ns, test_now_ns());
    key = letters[1].key;
    assert_int_equal(lw_outbox_replay(outbox, "a", key + 100, &n, NULL), LW_ENOTFOUND);
    assert_int_equal(lw_outbox_replay(outbox, "b", 0, &n, NULL), LW_ENOTFOUND);
    assert_int_equal(lw_outbox_replay(outbox, "a", key, &n, NULL), LW_OK);
    assert_int_equal(n, 1);
    assert_string_equal(take(outbox, "a"), "+2 ");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_int_equal(lw_outbox_drop(outbox, "a", 0, &n, NULL), LW_OK);
    assert_int_equal(n, 1);
    assert_int_equal(sink_view(outbox, "a").dead_kept, 0);
    assert_int_equal(lw_outbox_drop(outbox, "a", 0, &n, NULL), LW_OK);
    assert_int_equal(n, 0);
    assert_string_equal(take(outbox, "a"), "");
    lw_outbox_destroy(outbox);
}

static void test_outbox__gives_up_at_the_age_it_was_told(void **state)
{
    struct lw_outbox *outbox = open_outbox(folder);
    struct lw_dead_letter letter;
    const struct lw_outbox_search search = {.sink = "a", .capacity = 1};
    const struct lw_outbox_options options = {.max_age_ns = 3600 * SECOND, .dead_letters_max = 2};
    size_t n = 0;

    (void)state;
    open_sink_with(outbox, "a", &options);
    opened(outbox, 1);
    (void)take(outbox, "a");
    report(outbox, "a", LW_OUTBOX_RETRY);
    pass(3500);
    lw_outbox_destroy(outbox); /* Ages go on over a restart. */
    outbox = open_outbox(folder);
    open_sink_with(outbox, "a", &options);
    assert_true(sink_view(outbox, "a").oldest_ns == 3500 * SECOND);
    pass(101);
    assert_string_equal(take(outbox, "a"), "+1 ");
    report(outbox, "a", LW_OUTBOX_RETRY);
    assert_int_equal(sink_view(outbox, "a").pending, 0);
    assert_int_equal(lw_outbox_dead_letters(outbox, &search, &letter, &n, NULL), LW_OK);
    assert_int_equal(n, 1);
    assert_string_equal(letter.reason, "too old: connection refused");
    pass(300);
    for (uint64_t id = 2; id <= 4; id++) { /* The oldest letters make room. */
        opened(outbox, id);
    }
    (void)take(outbox, "a");
    report(outbox, "a", LW_OUTBOX_REFUSED);
    assert_int_equal(sink_view(outbox, "a").dead, 4);
    assert_int_equal(sink_view(outbox, "a").dead_kept, 2);
    assert_int_equal(sink_view(outbox, "a").dead_dropped, 2);
    assert_int_equal(lw_outbox_dead_letters(outbox, &search, &letter, &n, NULL), LW_OK);
    assert_string_equal(letter.anomaly.entity, "web-3");
    lw_outbox_destroy(outbox);
}

static void test_outbox__goes_on_after_a_restart(void **state)
{
    struct lw_outbox *outbox = open_outbox(folder);

    (void)state;
    open_sink_with(outbox, "a", &(struct lw_outbox_options){.resend_ns = 60 * SECOND});
    for (uint64_t id = 1; id <= 4; id++) {
        opened(outbox, id);
    }
    assert_string_equal(take_some(outbox, "a", 2), "+1 +2 ");
    report_some(outbox, "a", &(struct lw_outbox_result){.answer = LW_OUTBOX_DELIVERED}, 0, 1);
    closed(outbox, 2);
    lw_outbox_destroy(outbox); /* 2 was on its way. */
    outbox = open_outbox(folder);
    opened(outbox, 5); /* As while a journal is replayed: no sink is opened yet. */
    open_sink_with(outbox, "a", &(struct lw_outbox_options){.resend_ns = 60 * SECOND});
    assert_string_equal(take(outbox, "a"), "+2 +3 +4 +5 ~1 "); /* What is open may have expired. */
    assert_int_equal(taken[0].attempt, 1);
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_string_equal(take(outbox, "a"), "-2 ");
    lw_outbox_destroy(outbox);
}

static void test_outbox__passes_over_what_a_replay_tells_again(void **state)
{
    struct lw_outbox *outbox = open_outbox(folder);

    (void)state;
    open_sink(outbox, "a");
    record(outbox, 1, LW_ANOMALY_OPENED, 10);
    record(outbox, 1, LW_ANOMALY_CLOSED, 20);
    record(outbox, 2, LW_ANOMALY_OPENED, 30);
    (void)take(outbox, "a");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    (void)take(outbox, "a");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    lw_outbox_destroy(outbox);
    outbox = open_outbox(folder);
    record(outbox, 1, LW_ANOMALY_OPENED, 10); /* Delivered. */
    record(outbox, 1, LW_ANOMALY_CLOSED, 20);
    record(outbox, 2, LW_ANOMALY_OPENED, 30);
    record(outbox, 3, LW_ANOMALY_OPENED, 40); /* New: it was not on the disk. */
    open_sink(outbox, "a");
    record(outbox, 3, LW_ANOMALY_OPENED, 40); /* Not delivered yet. */
    assert_string_equal(take(outbox, "a"), "+3 ");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_int_equal(lw_outbox_trim(outbox, 30, NULL), LW_OK);
    record(outbox, 2, LW_ANOMALY_OPENED, 30); /* Still remembered ... */
    assert_string_equal(take(outbox, "a"), "");
    record(outbox, 1, LW_ANOMALY_OPENED, 10); /* ... and this, which nothing replays, is not. */
    assert_string_equal(take(outbox, "a"), "+1 ");
    assert_int_equal(lw_outbox_trim(NULL, 30, NULL), LW_OK);
    lw_outbox_destroy(outbox);
}

static void test_outbox__trims_many_marks(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);

    (void)state;
    open_sink(outbox, "a");
    for (uint64_t id = 1; id <= 9000; id++) {
        opened(outbox, id);
    }
    sync_outbox(outbox);
    assert_int_equal(lw_outbox_trim(outbox, 8900, NULL), LW_OK);
    assert_int_equal(sink_view(outbox, "a").pending, 9000);
    for (uint64_t id = 1; id <= 9000; id++) {
        opened(outbox, id);
    }
    sync_outbox(outbox);
    assert_int_equal(sink_view(outbox, "a").pending, 9000 + 8899);
    lw_outbox_destroy(outbox);
}

static void test_outbox__tells_new_sinks_what_is_open_and_keeps_for_gone_ones(void **state)
{
    const char *const both[] = {"a", "b"};
    const struct lw_outbox_options options = {.max_age_ns = 3600 * SECOND};
    struct lw_outbox *outbox = open_outbox(folder);

    (void)state;
    open_sink_with(outbox, "a", &options);
    assert_int_equal(lw_outbox_keep_sinks(outbox, both, 1, NULL), LW_OK);
    opened(outbox, 1);
    opened(outbox, 2);
    closed(outbox, 1);
    opened(outbox, 3);
    sync_outbox(outbox);
    open_sink_with(outbox, "b", &options);
    assert_string_equal(take(outbox, "b"), "+2 +3 ");
    report(outbox, "b", LW_OUTBOX_DELIVERED);
    assert_int_equal(lw_outbox_keep_sinks(outbox, both + 1, 1, NULL), LW_OK); /* a goes. */
    assert_true(sink_view(outbox, "a").gone);
    opened(outbox, 4);
    closed(outbox, 2);
    opened(outbox, 5);
    sync_outbox(outbox);
    lw_outbox_destroy(outbox);
    outbox = open_outbox(folder);
    assert_int_equal(sink_view(outbox, "a").pending, 4);
    pass(3599);
    assert_int_equal(lw_outbox_keep_sinks(outbox, both + 1, 1, NULL), LW_OK);
    open_sink_with(outbox, "a", &options); /* Back in time: what it missed and is open is news. */
    assert_string_equal(take(outbox, "a"), "+1 +2 +3 +4 +5 ");
    report(outbox, "a", LW_OUTBOX_DELIVERED);
    assert_int_equal(lw_outbox_keep_sinks(outbox, both, 1, NULL), LW_OK); /* b goes for good. */
    assert_int_equal(sink_view(outbox, "b").pending, 3);
    pass(3600);
    assert_int_equal(lw_outbox_keep_sinks(outbox, both, 1, NULL), LW_OK);
    assert_int_equal(lw_outbox_sinks(outbox, NULL, 0), 1);
    lw_outbox_destroy(outbox);
}

static bool only_odd(void *context, uint64_t id)
{
    (void)context;
    return id % 2 == 1;
}

static void test_outbox__ends_what_is_open_nowhere_else(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);

    (void)state;
    open_sink(outbox, "a");
    for (uint64_t id = 1; id <= 600; id++) {
        opened(outbox, id);
    }
    assert_int_equal(lw_outbox_settle(outbox, only_odd, NULL, 7, NULL), LW_OK);
    sync_outbox(outbox);
    assert_int_equal(sink_view(outbox, "a").pending, 900);
    assert_int_equal(lw_outbox_settle(outbox, only_odd, NULL, 7, NULL), LW_OK);
    sync_outbox(outbox);
    assert_int_equal(sink_view(outbox, "a").pending, 900);
    assert_int_equal(lw_outbox_settle(NULL, only_odd, NULL, 7, NULL), LW_OK);
    lw_outbox_destroy(outbox);
}

static void test_outbox__refuses_what_it_cannot_take(void **state)
{
    struct lw_outbox *outbox = open_outbox(NULL);
    struct lw_outbox_options options = {0};
    struct lw_error error = {0};
    char name[LW_SHORT_NAME_MAX + 1];

    (void)state;
    assert_int_equal(lw_outbox_open_sink(outbox, "", &options, NULL), LW_EINVAL);
    memset(name, 'x', sizeof(name));
    name[LW_SHORT_NAME_MAX] = '\0';
    assert_int_equal(lw_outbox_open_sink(outbox, name, &options, NULL), LW_EINVAL);
    options.burst = 0.5;
    assert_int_equal(lw_outbox_open_sink(outbox, "a", &options, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "burst"));
    options = (struct lw_outbox_options){.rate = -1};
    assert_int_equal(lw_outbox_open_sink(outbox, "a", &options, NULL), LW_EINVAL);
    options.rate = 0;
    for (unsigned i = 0; i < LW_SINKS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "sink %u", i);
        assert_int_equal(lw_outbox_open_sink(outbox, name, &options, NULL), LW_OK);
    }
    assert_int_equal(lw_outbox_open_sink(outbox, "sink 3", &options, NULL), LW_OK);
    assert_int_equal(lw_outbox_open_sink(outbox, "more", &options, NULL), LW_ELIMIT);
    assert_int_equal(
        lw_outbox_take(outbox, &(struct lw_outbox_request){.sink = "more"}, taken, &n_taken, NULL),
        LW_ENOTFOUND);
    assert_int_equal(lw_outbox_report(outbox, "more", NULL, 0, NULL), LW_ENOTFOUND);
    lw_outbox_destroy(outbox);
    lw_outbox_destroy(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outbox__tells_each_sink_each_event_once, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__tells_the_beginning_before_the_end,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__delays_grow_and_stay_in_their_bounds,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__goes_easy_on_a_sink_that_is_down, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__rests_as_long_as_it_was_asked_to, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__keeps_to_the_rate_and_drops_nothing,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__repeats_what_is_open_where_that_is_asked_for,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__keeps_dead_letters_to_be_replayed_or_dropped,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__gives_up_at_the_age_it_was_told, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__goes_on_after_a_restart, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__passes_over_what_a_replay_tells_again,
                                        make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__trims_many_marks, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(
            test_outbox__tells_new_sinks_what_is_open_and_keeps_for_gone_ones, make_folder,
            drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__ends_what_is_open_nowhere_else, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_outbox__refuses_what_it_cannot_take, make_folder,
                                        drop_folder),
    };

    return LW_TEST_RUN(tests);
}
