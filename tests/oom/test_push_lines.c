/* Line protocol, JSON lines and CSV with each allocation failing in turn: 503, nothing taken by
 * half, and nothing left behind. */
#include "support/feed_kept.h"
#include "support/oom.h"

#include "connect/csv_push.h"
#include "connect/influx/influx_push.h"
#include "connect/json_push.h"

struct attempt {
    const struct lw_push_class *class_;
    const char *content_type, *body;
    uint32_t n_points;
};

static struct feed_kept kept;

static const char *no_query(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

static int64_t now(void)
{
    return INT64_C(1700000000) * 1000000000;
}

static enum lw_status take(void *user)
{
    const struct attempt *attempt = user;
    const struct lw_feed feed = feed_kept_start(&kept);
    const struct lw_ingest_config config = {
        .feed = &feed, .source = attempt->class_->source, .now_ns = now};
    const struct lw_push_input input = {.path = attempt->class_->paths[0],
                                        .content_type = attempt->content_type,
                                        .query = no_query,
                                        .body = (const uint8_t *)attempt->body,
                                        .n_bytes = strlen(attempt->body)};
    struct lw_push_answer answer = {0};
    struct lw_ingest *ingest = NULL;
    struct lw_ingest_request *request = NULL;
    enum lw_status status = lw_ingest_create(&config, &ingest, NULL);
    uint32_t n_points = 0;

    if (status == LW_OK) {
        status = lw_ingest_request_create(ingest, &request, NULL);
    }
    if (status == LW_OK) {
        attempt->class_->take(&input, request, &answer);
        for (uint32_t i = 0; i < kept.n_series; i++) {
            n_points += kept.n_points[i];
        }
        assert_true(answer.code == 503 || answer.code == 200 || answer.code == 400);
        assert_true(answer.code == 503 || n_points == attempt->n_points);
        assert_true(n_points == 0 || n_points == attempt->n_points);
        status = answer.code == 503 ? LW_ENOMEM : LW_OK;
    }
    lw_writer_fini(&answer.body);
    lw_ingest_request_destroy(request);
    lw_ingest_destroy(ingest);
    return status;
}

static void test_push_lines__without_memory_nothing_is_taken_by_half(void **state)
{
    static struct attempt attempts[] = {
        {&lw_push_influx, NULL, "cpu,host=a v=1,w=2 5\nbad\nmem v=3 5\n", 3},
        {&lw_push_json, NULL,
         "{\"metric\":\"a\",\"labels\":{\"b\":\"c\"},\"value\":1}\n{\n{\"values\":{\"x\":1,\"y\":2}"
         "}\n",
         3},
        {&lw_push_json, "application/json", "[{\"metric\":\"a\",\"value\":1},5]", 1},
        {&lw_push_csv, "text/csv", "time,host,cpu,mem\n1600000000,a,1,2\nsoon,a,1,2\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        lw_oom_sweep(attempts[i].class_->source, take, &attempts[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_lines__without_memory_nothing_is_taken_by_half),
    };

    return LW_TEST_RUN(tests);
}
