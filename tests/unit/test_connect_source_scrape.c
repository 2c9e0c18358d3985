/* Scrapes: lists of targets, and the way from an answer's body to a feed. */
#include "support/test.h"

#include "base/mem.h"
#include "connect/scrape/scrape.h"
#include "support/feed_kept.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static struct feed_kept FEED;

/* ---- targets ---- */

static const struct lw_label JOB = {"job", "nodes"};
static const struct lw_target_defaults DEFAULTS = {"http", "/metrics", &JOB, 1};

static void test_target__has_an_address_and_labels_in_order(void **state)
{
    static const struct lw_label labels[] = {
        {"rack", "7"},           {"__metrics_path__", "/probe?x=1"},
        {"__scheme__", "https"}, {"__meta_a", "b"},
        {"job", "other"},        {"gone", ""}};
    struct lw_target target;
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_target_make(&DEFAULTS, "web-1:9100", labels, 6, &target, &error), LW_OK);
    assert_string_equal(target.url, "https://web-1:9100/probe?x=1");
    assert_int_equal(target.n_labels, 3);
    assert_string_equal(target.labels[0].name, "instance");
    assert_string_equal(target.labels[0].value, "web-1:9100");
    assert_string_equal(target.labels[1].value, "other");
    assert_string_equal(target.labels[2].value, "7");
    assert_int_equal(lw_target_make(&DEFAULTS, "[::1]:9100", NULL, 0, &target, &error), LW_OK);
}

static void test_target__refuses_what_is_no_address(void **state)
{
    static const char *const addresses[] = {"", "http://a", "a/b", "u:p@a", "a b", "a?x", "a#"};
    struct lw_target target;
    struct lw_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_int_equal(lw_target_make(&DEFAULTS, addresses[i], NULL, 0, &target, &error),
                         LW_EINVAL);
    }
}

static bool count_target(void *context, const struct lw_target *target)
{
    assert_true(strncmp(target->url, "http://", 7) == 0);
    ++*(int *)context;
    return true;
}

static void test_files__are_json_or_yaml_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        int n; /* -1: refused. */
    } cases[] = {
        {"", 0},
        {"[]", 0},
        {"[{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"x\": \"y\"}}]", 2},
        {"- targets: [a:1]\n- targets:\n  - b:2\n  labels: {x: '1'}\n", 2},
        {"{\"targets\": [\"a:1\"]}", -1},
        {"[{\"labels\": {}}]", -1},
        {"[{\"targets\": \"a:1\"}]", -1},
        {"[{\"targets\": [{}]}]", -1},
        {"[{\"targets\": [\"a:1\"], \"labels\": [\"x\"]}]", -1},
        {"[{\"targets\": [\"a:1\"], \"labels\": {\"x y\": \"1\"}}]", -1},
        {"[{\"targets\": [\"http://a:1\"]}]", -1},
        {"[{\"targets\": [\"a:1\"]", -1},
        {"%YAML 1.1\n---\n[]", -1},
        {"[\x01]", -1},
    };
    char path[] = "targets-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_error error = {0};
        int n = 0;
        enum lw_status status;

        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].text, strlen(cases[i].text), 0),
                         (ssize_t)strlen(cases[i].text));
        status = lw_targets_read(&DEFAULTS, path, count_target, &n, &error);
        if (status == LW_OK ? n != cases[i].n : cases[i].n != -1) {
            fail_msg("%s: %d targets, \"%s\"", cases[i].text, n, error.message);
        }
    }
    (void)close(fd);
    (void)unlink(path);
}

/* ---- bodies ---- */

struct scraping {
    struct lw_feed feed;
    struct lw_scrape_taker taker;
    struct lw_scrape_target target;
};

static int64_t now_ns(void)
{
    return 2000 * SECOND;
}

static struct scraping *scraping_start(void)
{
    static struct scraping scraping;
    struct lw_ingest_config config = {.source = "scrape", .now_ns = now_ns};
    static const struct lw_label labels[] = {{"x", "y"}};
    struct lw_error error;

    memset(&scraping, 0, sizeof(scraping));
    scraping.feed = feed_kept_start(&FEED);
    config.feed = &scraping.feed;
    scraping.taker.samples_max = 5;
    scraping.taker.labels_max = 3;
    scraping.taker.label_bytes_max = 8;
    assert_int_equal(lw_ingest_create(&config, &scraping.taker.ingest, &error), LW_OK);
    assert_int_equal(
        lw_ingest_request_create(scraping.taker.ingest, &scraping.taker.request, &error), LW_OK);
    assert_int_equal(lw_exposition_create(&scraping.taker.exposition, &error), LW_OK);
    assert_int_equal(lw_target_make(&DEFAULTS, "a:1", labels, 1, &scraping.target.target, &error),
                     LW_OK);
    return &scraping;
}

static struct lw_scrape_result scraping_take(struct scraping *scraping, const char *type,
                                             const char *body)
{
    struct lw_scrape_result result = {
        .is_up = true, .time_ns = 1000 * SECOND, .duration_s = 0.5, .content_type = type};
    char copy[1024];

    (void)snprintf(copy, sizeof(copy), "%s", body);
    scraping->target.body = copy;
    scraping->target.n_bytes = strlen(body);
    assert_int_equal(lw_scrape_take(&scraping->taker, &scraping->target, &result), LW_OK);
    scraping->target.body = NULL;
    return result;
}

static void scraping_end(struct scraping *scraping)
{
    lw_ingest_request_destroy(scraping->taker.request);
    lw_ingest_destroy(scraping->taker.ingest);
    lw_exposition_destroy(scraping->taker.exposition);
    lw_mem_free(scraping->taker.samples);
}

#define OWN "instance=\"a:1\",job=\"nodes\",x=\"y\"}"

static void test_take__joins_labels_and_adds_its_own_series(void **state)
{
    struct scraping *scraping = scraping_start();
    struct lw_scrape_result result = scraping_take(
        scraping, NULL, "m{b=\"c\"} 2\nn{job=\"own\",exported_job=\"z\"} 3 1500000\n");

    (void)state;
    assert_true(result.is_up);
    assert_int_equal(result.n_samples, 2);
    assert_true(feed_kept_value(&FEED, "m{b=\"c\"," OWN) == 2.0);
    assert_true(feed_kept_value(&FEED, "n{exported_exported_job=\"own\",exported_job=\"z\"," OWN) ==
                3.0);
    assert_true(feed_kept_value(&FEED, "up{" OWN) == 1.0);
    assert_true(feed_kept_value(&FEED, "scrape_duration_seconds{" OWN) == 0.5);
    assert_true(feed_kept_value(&FEED, "scrape_samples_scraped{" OWN) == 2.0);
    assert_non_null(strstr(FEED.log, " 1500000000000 ")); /* The time that was exposed. */
    assert_non_null(strstr(FEED.log, " 1000000000000 ")); /* The scrape's. */
    scraping->taker.honor_labels = true;
    (void)scraping_take(scraping, NULL, "o{job=\"own\"} 4\n");
    assert_true(feed_kept_value(&FEED, "o{job=\"own\",instance=\"a:1\",x=\"y\"}") == 4.0);
    scraping_end(scraping);
}

static void test_take__keeps_good_lines_and_counts_the_others(void **state)
{
    struct scraping *scraping = scraping_start();
    struct lw_scrape_result result = scraping_take(
        scraping, "text/plain",
        "m 1\nbad\nl{a=\"1\",b=\"2\",c=\"3\",d=\"4\"} 1\nv{a=\"123456789\"} 1\ni +Inf\n");

    (void)state;
    assert_true(result.is_up);
    assert_int_equal(result.n_samples, 4);
    assert_int_equal(result.n_rejected, 4);
    assert_non_null(strstr(result.reason, "line 2"));
    assert_true(feed_kept_value(&FEED, "m{" OWN) == 1.0);
    assert_false(feed_kept_has(&FEED, "l") || feed_kept_has(&FEED, "v"));
    assert_non_null(strstr(FEED.log, "dropped bad_line 1"));
    assert_non_null(strstr(FEED.log, "dropped name_too_long 2"));
    assert_non_null(strstr(FEED.log, "dropped not_finite 1"));
    scraping_end(scraping);
}

static void test_take__nothing_of_a_failed_scrape_but_up(void **state)
{
    static const struct {
        const char *type, *body, *words;
    } cases[] = {
        {"application/openmetrics-text", "m 1\nm2 x\n# EOF\n", "line 2"},
        {"application/openmetrics-text", "m 1\n", "# EOF"},
        {"text/html", "m 1\n", "text/html"},
        {NULL, "bad\na 1\nb 1\nc 1\nd 1\ne 1\nf 1\n", "more than 5 samples"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scraping *scraping = scraping_start();
        struct lw_scrape_result result = scraping_take(scraping, cases[i].type, cases[i].body);

        assert_false(result.is_up);
        assert_non_null(strstr(result.reason, cases[i].words));
        assert_true(feed_kept_value(&FEED, "up{" OWN) == 0.0);
        assert_int_equal(FEED.n_series, 3);
        assert_int_equal(FEED.n_dropped, 0);
        scraping_end(scraping);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target__has_an_address_and_labels_in_order),
        cmocka_unit_test(test_target__refuses_what_is_no_address),
        cmocka_unit_test(test_files__are_json_or_yaml_and_nothing_else),
        cmocka_unit_test(test_take__joins_labels_and_adds_its_own_series),
        cmocka_unit_test(test_take__keeps_good_lines_and_counts_the_others),
        cmocka_unit_test(test_take__nothing_of_a_failed_scrape_but_up),
    };

    return LW_TEST_RUN(tests);
}
