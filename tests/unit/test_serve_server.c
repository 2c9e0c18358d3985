/* The server's routes over an engine that says what the test tells it to. */
#include "serve/serve.h"

#include "serve/exposition.h"
#include "support/engine_fake.h"
#include "support/http_client.h"
#include "support/mem_faulty.h"
#include "support/test.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

static struct client_answer answer;

static int setup(void **state)
{
    struct lw_server *server;
    struct lw_error error = {0};

    fake_reset();
    if (lw_server_create(
            &(struct lw_server_config){.listen = "127.0.0.1:0", .version = "1.2.3", .tick_ms = 20},
            &server, &error) != LW_OK) {
        print_error("%s\n", error.message);
        return -1;
    }
    lw_server_set_ready(server, true);
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    lw_server_destroy(*state);
    return lw_test_mem_live() == 0 ? 0 : -1;
}

/* The answer to a GET as JSON; the caller releases it. */
static json_t *get(void **state, const char *path, int code)
{
    json_error_t error;
    json_t *json;

    client_request(lw_server_port(*state), "GET", path, "", &answer);
    if (answer.code != code) {
        print_error("%s gave %d, not %d: %s\n", path, answer.code, code, client_body(&answer));
    }
    assert_int_equal(answer.code, code);
    json = json_loads(client_body(&answer), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json == NULL) {
        print_error("%s is no JSON: %s at %d\n", path, error.text, error.position);
    }
    assert_non_null(json);
    return json;
}

static json_t *at(json_t *array, size_t index)
{
    return json_array_get(array, index);
}

static long long whole(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static double real(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const char *text(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_string(value));
    return json_string_value(value);
}

static bool is_null(json_t *object, const char *key)
{
    return json_is_null(json_object_get(object, key));
}

/* ---- health ---- */

static void test_server__is_live_before_it_is_ready(void **state)
{
    lw_server_set_ready(*state, false);
    json_decref(get(state, "/live", 200));
    json_decref(get(state, "/ready", 503));
    json_decref(get(state, "/health", 503));
    lw_server_set_ready(*state, true);
    json_decref(get(state, "/ready", 200));
    json_t *health = get(state, "/health", 200);

    assert_string_equal(text(health, "status"), "ok");
    assert_string_equal(text(health, "version"), "1.2.3");
    json_decref(health);
    pthread_mutex_lock(&fake.lock);
    fake.totals.state_degraded = true;
    pthread_mutex_unlock(&fake.lock);
    health = get(state, "/health", 200);
    assert_string_equal(text(health, "status"), "degraded");
    json_decref(health);
}

static void test_server__refuses_to_face_a_network(void **state)
{
    struct lw_server *server = NULL;
    struct lw_error error = {0};

    (void)state;
    assert_int_equal(
        lw_server_create(&(struct lw_server_config){.listen = "0.0.0.0:8080", .version = "1"},
                         &server, &error),
        LW_EINVAL);
    assert_null(server);
    assert_non_null(strstr(error.message, "no login"));
    assert_int_equal(lw_test_mem_live(), 0);
}

static void test_server__survives_each_failed_allocation(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        struct lw_server *server = NULL;
        struct lw_error error = {0};
        enum lw_status st;

        lw_test_mem_fail_at(n);
        st = lw_server_create(&(struct lw_server_config){.listen = "127.0.0.1:0", .version = "1"},
                              &server, &error);
        failed = lw_test_mem_has_failed() != 0;
        lw_test_mem_fail_at(0);
        assert_int_equal(st, failed ? LW_ENOMEM : LW_OK);
        lw_server_destroy(server);
        assert_int_equal(lw_test_mem_live(), 0);
        assert_true(n < 100);
    }
}

/* ---- views ---- */

static void test_status__shows_totals_and_sources(void **state)
{
    pthread_mutex_lock(&fake.lock);
    fake.totals.n_series = 7;
    fake.totals.samples = 1234567890123;
    fake.totals.late = 5;
    fake.totals.alarms_promised_per_week = 1.5;
    fake.totals.alarms_per_week = NAN;
    (void)strcpy(fake.feed.source, "host");
    fake.feed.watermark_ns = 1700000000123456789;
    fake.feed.n_reasons = 1;
    (void)strcpy(fake.feed.dropped[0].reason, "bad_time");
    fake.feed.dropped[0].n = 3;
    pthread_mutex_unlock(&fake.lock);
    json_t *status = get(state, "/v1/status", 200);
    json_t *source = at(json_object_get(status, "sources"), 0);

    assert_int_equal(whole(status, "n_series"), 7);
    assert_int_equal(whole(status, "samples"), 1234567890123);
    assert_int_equal(whole(json_object_get(status, "dropped"), "late"), 5);
    assert_true(real(status, "alarms_promised_per_week") == 1.5);
    assert_true(is_null(status, "alarms_per_week"));
    assert_string_equal(text(source, "source"), "host");
    assert_non_null(strstr(client_body(&answer), "\"watermark\":1700000000.123456789,"));
    assert_int_equal(whole(json_object_get(source, "dropped"), "bad_time"), 3);
    json_decref(status);
}

static void test_entities__come_a_page_at_a_time(void **state)
{
    fake_add_entity(0, "a");
    fake_add_entity(3, "b");
    fake_add_entity(4, "c");
    json_t *page = get(state, "/v1/entities?limit=2", 200);
    json_t *entities = json_object_get(page, "entities");

    assert_int_equal(json_array_size(entities), 2);
    assert_string_equal(text(at(entities, 1), "name"), "b");
    assert_string_equal(text(at(entities, 1), "confidence"), "cannot_tell");
    assert_true(is_null(at(entities, 1), "score"));
    assert_true(is_null(at(entities, 1), "last"));
    assert_true(is_null(at(entities, 1), "open_anomaly"));
    assert_int_equal(whole(page, "next"), 4);
    json_decref(page);
    page = get(state, "/v1/entities?limit=2&from=4", 200);
    assert_int_equal(json_array_size(json_object_get(page, "entities")), 1);
    assert_true(is_null(page, "next"));
    json_decref(page);
}

static void test_entities__are_searched_as_asked(void **state)
{
    fake_add_entity(0, "a");
    fake_add_entity(3, "b");
    fake_add_entity(4, "c");
    json_t *page = get(
        state, "/v1/entities?search=web%201&detector=host&alarm=yes&sort=score&limit=2", 200);

    assert_string_equal(fake.asked_search, "web 1");
    assert_int_equal(fake.asked.alarm, LW_ALARM_YES);
    assert_int_equal(fake.asked.order, LW_BY_SCORE);
    assert_false(fake.asked.reverse);
    assert_false(fake.asked.is_next);
    assert_int_equal(json_array_size(json_object_get(page, "entities")), 2);
    assert_int_equal(whole(page, "n_matches"), 3);
    assert_string_equal(text(page, "next"), "fedcba9876543210-00000003");
    json_decref(page);
    page = get(state, "/v1/entities?sort=name&order=desc&from=fedcba9876543210-00000003", 200);
    assert_true(fake.asked.is_next && fake.asked.reverse);
    assert_true(fake.asked.key == 0xfedcba9876543210);
    assert_int_equal(fake.asked.number, 3);
    assert_int_equal(json_array_size(json_object_get(page, "entities")), 1);
    assert_true(is_null(page, "next"));
    json_decref(page);
    page = get(state, "/v1/entities?name=b&detector=host", 200);
    assert_int_equal(whole(at(json_object_get(page, "entities"), 0), "entity"), 3);
    json_decref(page);
    page = get(state, "/v1/entities?name=nobody&detector=host", 200);
    assert_int_equal(json_array_size(json_object_get(page, "entities")), 0);
    json_decref(page);
    json_decref(get(state, "/v1/entities?name=b", 400));
    json_decref(get(state, "/v1/entities?sort=size", 400));
    json_decref(get(state, "/v1/entities?alarm=maybe", 400));
    json_decref(get(state, "/v1/entities?sort=name&from=4", 400));
    json_decref(get(state, "/v1/entities?sort=name&from=fedcba9876543210-0000000-", 400));
}

static void test_series__are_searched_as_asked(void **state)
{
    json_t *page = get(state, "/v1/entities/0/series?search=c&limit=1", 200);

    assert_int_equal(json_array_size(json_object_get(page, "series")), 1);
    assert_int_equal(whole(page, "n_series"), FAKE_SERIES);
    assert_int_equal(whole(page, "n_matches"), 2);
    assert_int_equal(whole(page, "next"), 2);
    json_decref(page);
    json_decref(get(state, "/v1/entities/0/series?alarm=perhaps", 400));
}

static void test_anomalies__are_searched_as_asked(void **state)
{
    fake_add_anomaly(1, 5, "one");
    json_decref(get(state, "/v1/anomalies?entity=3&type=spike&open=yes&since=10&until=20.5", 200));
    assert_int_equal(fake.asked_anomalies.entity, 3);
    assert_int_equal(fake.asked_anomalies.types, 1u << LW_TYPE_SPIKE);
    assert_true(fake.asked_anomalies.open_only);
    assert_true(fake.asked_anomalies.from_ns == 10000000000);
    assert_true(fake.asked_anomalies.to_ns == 20500000000);
    json_decref(get(state, "/v1/anomalies", 200));
    assert_true(fake.asked_anomalies.entity == LW_ENTITY_ANY);
    assert_int_equal(fake.asked_anomalies.types, 0);
    json_decref(get(state, "/v1/anomalies?type=odd", 400));
    json_decref(get(state, "/v1/anomalies?open=no", 400));
    json_decref(get(state, "/v1/anomalies?until=later", 400));
}

static void test_series__show_their_newest_step(void **state)
{
    fake_add_step(10, 1.0F);
    fake_add_step(11, 0.1F);
    json_t *page = get(state, "/v1/entities/0/series", 200);
    json_t *series = json_object_get(page, "series");

    assert_int_equal(json_array_size(series), FAKE_SERIES);
    assert_string_equal(text(at(series, 1), "name"), "cpu{mode=\"user\"}");
    assert_string_equal(text(at(series, 1), "confidence"), "low");
    assert_string_equal(text(at(series, 2), "name"), "caf\xC3\xA9");
    assert_true(json_is_true(json_object_get(at(series, 1), "watched")));
    assert_true(json_is_false(json_object_get(at(series, 2), "watched")));
    assert_int_equal(whole(at(series, 1), "last"), 11);
    assert_non_null(strstr(client_body(&answer), "\"value\":0.1,")); /* The float's own digits, not
                                                                        the double's. */
    json_decref(page);
    json_decref(get(state, "/v1/entities/1/series", 404));
}

static void test_samples__come_in_pages_that_end_with_a_time(void **state)
{
    json_t *page = get(state, "/v1/samples?series=told&from=0&to=100&limit=3", 200);

    /* The three of second 2 do not fit behind the first. */
    assert_int_equal(json_array_size(json_object_get(page, "time")), 1);
    assert_true(json_number_value(at(json_object_get(page, "value"), 0)) == 0.5);
    assert_int_equal(whole(page, "next_from"), 2);
    assert_int_equal(whole(page, "damaged_blocks"), 2);
    json_decref(page);
    page = get(state, "/v1/samples?series=told&from=2&to=4&limit=3", 200);
    assert_int_equal(json_array_size(json_object_get(page, "time")), 3);
    assert_int_equal(json_integer_value(at(json_object_get(page, "time"), 2)), 2);
    assert_int_equal(whole(page, "next_from"), 3);
    json_decref(page);
    page = get(state, "/v1/samples?series=told&from=2&limit=2", 200); /* Cut: they are too many. */
    assert_int_equal(json_array_size(json_object_get(page, "time")), 2);
    assert_true(json_number_value(json_object_get(page, "next_from")) > 2);
    json_decref(page);
    page = get(state, "/v1/samples?series=told&from=3", 200);
    assert_int_equal(json_array_size(json_object_get(page, "time")), 2);
    assert_true(is_null(page, "next_from"));
    json_decref(page);
    page = get(state, "/v1/samples?series=told", 200); /* Of the last hour there are none. */
    assert_int_equal(json_array_size(json_object_get(page, "time")), 0);
    json_decref(page);
    json_decref(get(state, "/v1/samples", 400));
    json_decref(get(state, "/v1/samples?series=told&from=x", 400));
    json_decref(get(state, "/v1/samples?series=told&limit=0", 400));
    json_decref(get(state, "/v1/samples?series=broken", 503));
}

static void test_history__comes_as_columns(void **state)
{
    for (int i = 0; i < 5; i++) {
        fake_add_step(100 + i, (float)i);
    }
    json_t *steps = get(state, "/v1/series/0/1?since=101.5&limit=2", 200);

    assert_int_equal(json_array_size(json_object_get(steps, "time")), 2);
    assert_int_equal(json_integer_value(at(json_object_get(steps, "time"), 0)), 102);
    assert_true(json_number_value(at(json_object_get(steps, "value"), 1)) == 3.0);
    assert_true(json_number_value(at(json_object_get(steps, "expected"), 0)) == 2.5);
    assert_true(json_number_value(at(json_object_get(steps, "lower"), 0)) == 1.0);
    assert_true(json_number_value(at(json_object_get(steps, "upper"), 0)) == 3.0);
    assert_true(json_is_false(at(json_object_get(steps, "alarm"), 0)));
    assert_int_equal(whole(steps, "next_since"), 103);
    json_decref(steps);
    steps = get(state, "/v1/series/0/1", 200);
    assert_int_equal(json_array_size(json_object_get(steps, "time")), 5);
    assert_true(is_null(steps, "next_since"));
    json_decref(steps);
    json_decref(get(state, "/v1/series/0/9", 404));
    json_decref(get(state, "/v1/series/7/0", 404));
    json_decref(get(state, "/v1/series/0/1?since=yesterday", 400));
}

static void test_anomalies__are_told_with_what_contributed(void **state)
{
    fake_add_anomaly(0xabcdef0123456789, 4, "first");
    fake_add_anomaly(2, 9, "second\nline");
    json_t *page = get(state, "/v1/anomalies", 200);
    json_t *newest = at(json_object_get(page, "anomalies"), 0);
    json_t *contributions = json_object_get(newest, "contributions");

    assert_int_equal(json_array_size(json_object_get(page, "anomalies")), 2);
    assert_int_equal(whole(page, "change"), 9);
    assert_string_equal(text(newest, "sentence"), "second\nline");
    assert_string_equal(text(newest, "type"), "spike");
    assert_string_equal(text(newest, "entity_name"), "web \"1\"");
    assert_true(json_is_true(json_object_get(newest, "open")));
    assert_true(real(newest, "start") == 1.5);
    assert_int_equal(whole(newest, "entity"), 0);
    assert_int_equal(json_array_size(contributions), 2);
    assert_string_equal(text(at(contributions, 0), "name"), "load");
    assert_true(real(at(contributions, 0), "share") == 0.5);
    assert_true(is_null(at(contributions, 1), "series"));
    assert_true(is_null(at(contributions, 1), "value"));
    assert_string_equal(text(at(json_object_get(page, "anomalies"), 1), "id"), "abcdef0123456789");
    json_decref(page);
    page = get(state, "/v1/anomalies?after=4", 200);
    assert_int_equal(json_array_size(json_object_get(page, "anomalies")), 1);
    json_decref(page);
    pthread_mutex_lock(&fake.lock);
    fake.anomalies[0].entity_number = UINT32_MAX; /* Known from before, and gone since. */
    pthread_mutex_unlock(&fake.lock);
    page = get(state, "/v1/anomalies", 200);
    assert_true(is_null(at(json_object_get(page, "anomalies"), 1), "entity"));
    json_decref(page);
    page = get(state, "/v1/anomalies?after=9", 200);
    assert_int_equal(json_array_size(json_object_get(page, "anomalies")), 0);
    assert_int_equal(whole(page, "change"), 9);
    json_decref(page);
}

/* ---- metrics ---- */

/* Whether the line is "name{label="value",...} number". */
static bool is_sample(const char *line, const char *name)
{
    const char *c = line + strlen(name);
    char *end;

    if (strncmp(line, name, strlen(name)) != 0) {
        return false;
    }
    c += strncmp(c, "_bucket", 7) == 0  ? 7
         : strncmp(c, "_count", 6) == 0 ? 6
         : strncmp(c, "_sum", 4) == 0   ? 4
                                        : 0;
    while (*c == '{' || *c == ',') {
        c++;
        if (!islower((unsigned char)*c)) {
            return false;
        }
        c += strcspn(c, "=") + 1;
        if (*c++ != '"') {
            return false;
        }
        while (*c != '"' && *c != '\0') {
            c += *c == '\\' ? 2 : 1;
        }
        c++;
    }
    c += *c == '}' ? 1 : 0;
    if (*c != ' ') {
        return false;
    }
    (void)strtod(c + 1, &end);
    return end > c + 1 && *end == '\0';
}

static void test_metrics__follow_the_text_format(void **state)
{
    const char *name = NULL;
    size_t n_metrics = 0, n_samples = 0;

    pthread_mutex_lock(&fake.lock);
    (void)strcpy(fake.feed.source, "we\"ird\\source\n");
    fake.feed.samples = 42;
    fake.totals.anomalies_by_type[LW_TYPE_SPIKE] = 6;
    fake.totals.alarms_per_week = NAN;
    fake.totals.trainings_failed = 3;
    fake.totals.n_series_unread = 8;
    pthread_mutex_unlock(&fake.lock);
    client_request(lw_server_port(*state), "GET", "/metrics", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(
        strstr(answer.text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(
        strstr(answer.text, "\nlapwing_samples_total{source=\"we\\\"ird\\\\source\\n\"} 42\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_anomalies_total{type=\"spike\"} 6\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_trainings_failed_total 3\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_series_unmodelled 8\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_alarm_budget_achieved NaN\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_build_info{version=\"1.2.3\"} 1\n"));
    for (char *line = strtok(strstr(answer.text, "\r\n\r\n") + 4, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            name = lw_exposition_metric(n_metrics)->name;
            assert_memory_equal(line + 7, name, strlen(name));
            n_metrics++;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_memory_equal(line + 7, name, strlen(name));
        } else {
            if (!is_sample(line, name)) {
                print_error("no sample of %s: %s\n", name, line);
            }
            assert_true(is_sample(line, name));
            n_samples++;
        }
    }
    assert_null(lw_exposition_metric(n_metrics));
    assert_true(n_samples > n_metrics);
}

static void test_metrics__count_delays_up_to_each_bound(void **state)
{
    pthread_mutex_lock(&fake.lock);
    fake.totals.verdict_delays[0] = 5;
    fake.totals.verdict_delays[4] = 2;
    fake.totals.verdict_delays[LW_ENGINE_DELAYS - 1] = 1;
    fake.totals.verdict_delay_sum_s = 4.5;
    pthread_mutex_unlock(&fake.lock);
    client_request(lw_server_port(*state), "GET", "/metrics", "", &answer);
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_bucket{le=\"0.0001\"} 5\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_bucket{le=\"0.001\"} 7\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_bucket{le=\"3\"} 7\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_bucket{le=\"+Inf\"} 8\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_sum 4.5\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_verdict_seconds_count 8\n"));
    assert_non_null(strstr(answer.text, "\nlapwing_checkpoint_age_seconds NaN\n"));
}

static void test_metrics__count_requests(void **state)
{
    json_decref(get(state, "/live", 200));
    json_decref(get(state, "/live", 200));
    json_decref(get(state, "/nothing", 404));
    client_request(lw_server_port(*state), "GET", "/metrics", "", &answer);
    assert_non_null(
        strstr(answer.text, "\nlapwing_http_requests_total{route=\"/live\",code=\"200\"} 2\n"));
    assert_non_null(
        strstr(answer.text, "\nlapwing_http_requests_total{route=\"none\",code=\"404\"} 1\n"));
}

/* ---- events ---- */

static int events_open(void **state, const char *query, const char *fields)
{
    char request[512];
    int n = snprintf(request, sizeof(request),
                     "GET /v1/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, fields);
    int fd = client_connect(lw_server_port(*state));

    assert_int_equal(write(fd, request, (size_t)n), n);
    answer.n = 0;
    return fd;
}

static void test_events__tell_anomalies_after_the_last_one_known(void **state)
{
    int fd;

    fake_add_anomaly(1, 5, "old");
    fake_add_anomaly(2, 7, "missed");
    fd = events_open(state, "?after=5", "");
    client_read(fd, &answer, "id: 7\n");
    client_read(fd, &answer, "missed");
    assert_non_null(strstr(answer.text, "missed"));
    assert_null(strstr(answer.text, "\"old\""));
    fake_add_anomaly(3, 8, "just now");
    client_read(fd, &answer, "just now");
    assert_non_null(strstr(answer.text, "just now"));
    assert_non_null(strstr(answer.text, "id: 8\n"));
    (void)close(fd);
    fd = events_open(state, "?after=5", "Last-Event-ID: 7\r\n");
    client_read(fd, &answer, "just now");
    assert_non_null(strstr(answer.text, "just now"));
    assert_null(strstr(answer.text, "missed"));
    (void)close(fd);
}

static void test_events__begin_with_now_when_nothing_is_asked(void **state)
{
    int fd;

    fake_add_anomaly(1, 5, "old");
    fd = events_open(state, "", "");
    client_read(fd, &answer, "event: change\ndata: {");
    fake_add_anomaly(2, 6, "new one");
    client_read(fd, &answer, "new one");
    assert_non_null(strstr(answer.text, "new one"));
    assert_null(strstr(answer.text, "\"old\""));
    (void)close(fd);
}

static void test_events__tell_all_anomalies_when_there_are_many(void **state)
{
    int fd;

    for (uint64_t i = 1; i <= 20; i++) {
        char sentence[16];

        (void)snprintf(sentence, sizeof(sentence), "<%llu>", (unsigned long long)i);
        fake_add_anomaly(i, i, sentence);
    }
    fd = events_open(state, "?after=0", "");
    client_read(fd, &answer, "\"series\":[]}\n\n");
    for (int i = 1; i <= 20; i++) {
        char sentence[16];

        (void)snprintf(sentence, sizeof(sentence), "<%d>", i);
        assert_non_null(strstr(answer.text, sentence));
    }
    (void)close(fd);
}

static void test_events__tell_of_the_entities_looked_at_alone(void **state)
{
    int fd;

    fake_add_entity(0, "alpha");
    fake_add_entity(1, "beta");
    fake_add_entity(2, "gamma");
    fd = events_open(state, "?entities=0,2,7", "");
    client_read(fd, &answer, "\"removed\":[7]"); /* There is none. */
    assert_non_null(strstr(answer.text, "alpha"));
    assert_non_null(strstr(answer.text, "gamma"));
    answer.n = 0;
    pthread_mutex_lock(&fake.lock);
    fake.entities[1].alarm = true;
    fake.entities[2].alarm = true;
    pthread_mutex_unlock(&fake.lock);
    client_read(fd, &answer, "gamma");
    assert_non_null(strstr(answer.text, "\"alarm\":true"));
    assert_null(strstr(answer.text, "alpha"));
    answer.n = 0;
    pthread_mutex_lock(&fake.lock);
    fake.n_entities = 1;
    pthread_mutex_unlock(&fake.lock);
    client_read(fd, &answer, "\"removed\":[2]");
    client_read(fd, &answer, "\"removed\":[]"); /* Once. */
    assert_null(strstr(answer.text, "beta"));
    (void)close(fd);
}

static void test_events__tell_no_entity_when_none_is_looked_at(void **state)
{
    int fd;

    fake_add_entity(0, "alpha");
    fd = events_open(state, "", "");
    client_read(fd, &answer, "}\n\n");
    assert_non_null(strstr(answer.text, "\"entities\":[],\"removed\":[]"));
    assert_null(strstr(answer.text, "alpha"));
    (void)close(fd);
}

static void test_events__send_the_steps_of_the_entity_asked_for(void **state)
{
    int fd;

    fake_add_entity(0, "alpha");
    fake_add_step(10, 1.0F);
    fd = events_open(state, "?entity=0", "");
    client_read(fd, &answer, "}\n\n"); /* The first event marks where the history ends. */
    fake_add_step(11, 2.0F);
    fake_add_step(12, 3.0F);
    client_read(fd, &answer, "\"series\":2,\"confidence\":\"full\"");
    assert_null(strstr(answer.text, "\"time\":[10"));
    assert_non_null(
        strstr(answer.text, "\"series\":0,\"confidence\":\"cannot_tell\",\"time\":[11"));
    client_read(fd, &answer, "[12]"); /* Of the series that has no history: its newest step alone.
                                       */
    assert_non_null(strstr(answer.text, "\"series\":2,\"confidence\":\"full\",\"time\":[1"));
    (void)close(fd);
}

static void test_events__send_the_steps_of_the_series_looked_at_alone(void **state)
{
    int fd;

    fake_add_entity(0, "alpha");
    fake_add_step(10, 1.0F);
    fd = events_open(state, "?entity=0&series=1", "");
    client_read(fd, &answer, "}\n\n");
    fake_add_step(11, 2.0F);
    client_read(fd, &answer, "\"time\":[11]");
    assert_non_null(strstr(answer.text, "\"series\":1,\"confidence\""));
    assert_null(strstr(answer.text, "\"series\":0,"));
    (void)close(fd);
}

static void test_events__refuse_a_wrong_question(void **state)
{
    char many[512] = "/v1/events?entities=0";

    for (int i = 0; i < 128; i++) { /* With the first, one too many. */
        (void)strcat(many, ",1");
    }
    json_decref(get(state, "/v1/events?entity=x", 400));
    json_decref(get(state, "/v1/events?after=-1", 400));
    json_decref(get(state, "/v1/events?entities=1,x", 400));
    json_decref(get(state, "/v1/events?entities=,", 400));
    json_decref(get(state, "/v1/events?series=99999999999", 400));
    json_decref(get(state, many, 400));
}

/* ---- the page ---- */

static void test_page__comes_plain_or_compressed_or_not_at_all(void **state)
{
    char fields[128];
    const char *tag;

    client_request(lw_server_port(*state), "GET", "/", "", &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(client_body(&answer), "<!doctype html>"));
    tag = strstr(answer.text, "\r\nETag: \"");
    assert_non_null(tag);
    (void)snprintf(fields, sizeof(fields), "If-None-Match: %.18s\r\n", tag + 8);
    client_request(lw_server_port(*state), "GET", "/", fields, &answer);
    assert_int_equal(answer.code, 304);
    assert_string_equal(client_body(&answer), "");
    client_request(lw_server_port(*state), "GET", "/app.js", "Accept-Encoding: deflate, gzip\r\n",
                   &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Encoding: gzip\r\n"));
    assert_memory_equal(client_body(&answer), "\x1f\x8b", 2);
    client_request(lw_server_port(*state), "GET", "/app.js", "Accept-Encoding: gzip;q=0, br\r\n",
                   &answer);
    assert_null(strstr(answer.text, "\r\nContent-Encoding"));
}

/* ---- the reference page ---- */

static void test_reference__is_current(void **state)
{
    const char *source = getenv("LW_SOURCE");
    static char page[1 << 16];
    char path[512];
    struct lw_writer out;
    size_t n;
    FILE *file;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/docs/api.md", source == NULL ? "." : source);
    file = fopen(path, "re");
    assert_non_null(file);
    n = fread(page, 1, sizeof(page) - 1, file);
    (void)fclose(file);
    page[n] = '\0';
    lw_writer_init(&out);
    lw_server_document(&out);
    lw_write_u8(&out, 0);
    assert_int_equal(out.status, LW_OK);
    if (strstr(page, (const char *)out.data) == NULL) {
        print_error("docs/api.md is out of date: this program prints with --document what its "
                    "second half must be\n");
    }
    assert_non_null(strstr(page, (const char *)out.data));
    lw_writer_fini(&out);
}

/* With --document: prints the generated half of docs/api.md, to be pasted there. */
static int document(void)
{
    struct lw_writer out;

    lw_writer_init(&out);
    lw_server_document(&out);
    (void)fwrite(out.data, 1, out.n_bytes, stdout);
    lw_writer_fini(&out);
    return 0;
}

int main(int n_arguments, char **arguments)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_server__is_live_before_it_is_ready, setup, teardown),
        cmocka_unit_test(test_server__refuses_to_face_a_network),
        cmocka_unit_test(test_server__survives_each_failed_allocation),
        cmocka_unit_test_setup_teardown(test_status__shows_totals_and_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entities__come_a_page_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_series__show_their_newest_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_samples__come_in_pages_that_end_with_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_history__comes_as_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anomalies__are_told_with_what_contributed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_metrics__follow_the_text_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics__count_delays_up_to_each_bound, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_metrics__count_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events__tell_anomalies_after_the_last_one_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__begin_with_now_when_nothing_is_asked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__tell_all_anomalies_when_there_are_many, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__tell_of_the_entities_looked_at_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__tell_no_entity_when_none_is_looked_at, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__send_the_steps_of_the_series_looked_at_alone,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_entities__are_searched_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_series__are_searched_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anomalies__are_searched_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events__send_the_steps_of_the_entity_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_events__refuse_a_wrong_question, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page__comes_plain_or_compressed_or_not_at_all, setup,
                                        teardown),
        cmocka_unit_test(test_reference__is_current),
    };

    if (n_arguments > 1 && strcmp(arguments[1], "--document") == 0) {
        return document();
    }
    return LW_TEST_RUN(tests);
}
