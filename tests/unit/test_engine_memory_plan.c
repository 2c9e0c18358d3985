/* What a plan says is what an engine filled that way takes. */
#include "support/engine.h"

#include "engine/core.h"

#include <malloc.h>
#include <unistd.h>

static struct lw_memory_plan plan_of(const char *const *options, const struct lw_memory_need *need)
{
    struct lw_spec *spec = NULL;
    struct lw_memory_plan plan;
    struct lw_error error = {0};

    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    lw_test_spec_fill(spec, options);
    if (lw_engine_plan_memory(spec, need, &plan, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    lw_spec_destroy(spec);
    return plan;
}

/* Without a listener: it would remember too many entities. */
static void engine_open(struct lw_test_engine *self, struct lw_engine_config config)
{
    memset(self, 0, sizeof(*self));
    (void)pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(lw_engine_create(&config, &self->engine, NULL), LW_OK);
    assert_int_equal(lw_engine_feed(self->engine, "test", &self->feed, NULL), LW_OK);
}

static void fill(struct lw_test_engine *self, const struct lw_memory_need *need, int64_t n_steps)
{
    for (int64_t step = 0; step < n_steps; step++) {
        for (uint32_t e = 0; e < need->n_entities; e++) {
            char name[32], metric[64];

            (void)snprintf(name, sizeof(name), "node-%06u.example.org", e); /* 23 bytes */
            for (uint32_t m = 0; m < need->n_series; m++) {
                (void)snprintf(metric, sizeof(metric), "node_some_longer_metric_%03u", m);
                lw_test_feed_push(&self->feed, lw_test_feed_series(&self->feed, metric, name),
                                  step * 10, lw_test_value(e + m, step % 600));
            }
        }
        lw_test_feed_watermark(&self->feed, step * 10);
    }
    lw_engine_flush(self->engine);
}

/* Of memory that is in use. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void check_near(const char *what, size_t planned, size_t real)
{
    double ratio = (double)planned / (double)real;

    print_message("%s: %zu planned, %zu taken\n", what, planned, real);
    if (!(ratio > 0.95 && ratio < 1.05)) {
        fail_msg("%s: %zu planned, %zu taken", what, planned, real);
    }
}

static void test_memory_plan__says_what_tier_0_takes(void **state)
{
    static const char *const OPTIONS[] = {"step", "10s", "models", "none", NULL};
    static const struct lw_memory_need NEEDS[] = {
        {.n_entities = 3000, .n_series = 10, .n_shards = 2},
        {.n_entities = 20000, .n_series = 1, .n_shards = 1},
        {.n_entities = 3000,
         .n_series = 7,
         .n_shards = 2,
         .history_steps = 60,
         .history_bytes = (size_t)64 << 20}};

    (void)state;
    for (size_t i = 0; i < sizeof(NEEDS) / sizeof(NEEDS[0]); i++) {
        struct lw_memory_need need = NEEDS[i];
        struct lw_test_engine self;
        struct lw_memory_plan plan;
        size_t before;

        need.entity_name_bytes = 23;
        need.series_name_bytes = 27 + 12 + 23; /* name{instance="..."} */
        plan = plan_of(OPTIONS, &need);
        (void)malloc_trim(0); /* What the engine before has left. */
        before = resident_bytes();
        engine_open(&self, (struct lw_engine_config){.n_shards = need.n_shards,
                                                     .history_steps = need.history_steps,
                                                     .history_bytes = need.history_bytes});
        lw_test_engine_detector(&self, "plan", OPTIONS);
        fill(&self, &need, 2);
        check_near("counted", plan.total_tier0 + plan.total_history,
                   lw_test_engine_totals(&self).memory_bytes);
        /* The ring of anomalies takes no page before there are any. */
        check_near("resident",
                   plan.total_tier0 + plan.total_history -
                       LW_ENGINE_ANOMALIES_KEPT * sizeof(struct anomaly_slot),
                   resident_bytes() - before);
        assert_int_equal(plan.entity_tier1, 0);
        lw_test_engine_close(&self);
    }
}

static void test_memory_plan__says_what_tier_1_takes(void **state)
{
    static const char *const OPTIONS[] = {
        "step", "10s", "models", "linear, knn", "train_rows", "256", "train_after", "256", NULL};
    static const struct lw_memory_need NEED = {.n_entities = 150,
                                               .n_series = 6,
                                               .n_shards = 2,
                                               .entity_name_bytes = 23,
                                               .series_name_bytes = 27 + 12 + 23};
    struct lw_memory_plan plan = plan_of(OPTIONS, &NEED);
    struct lw_engine_totals totals;
    struct lw_test_engine self;

    (void)state;
    engine_open(&self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(&self, "plan", OPTIONS);
    fill(&self, &NEED, 300);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.n_models, 150);
    check_near("counted", plan.total_tier1, totals.memory_bytes);
    assert_true(plan.entity_tier1 > 10000);
    assert_false(plan.shares_model);
    lw_test_engine_close(&self);
}

static void test_memory_plan__says_what_a_limit_holds(void **state)
{
    static const char *const OPTIONS[] = {"step",       "10s", "models", "linear",
                                          "train_rows", "128", NULL};
    struct lw_memory_need need = {.n_entities = 1000, .n_series = 4, .n_shards = 1};
    struct lw_memory_plan plan = plan_of(OPTIONS, &need);
    uint32_t low = lw_memory_plan_entities(&plan, &need, (size_t)1 << 30, 0);
    uint32_t high = lw_memory_plan_entities(&plan, &need, (size_t)1 << 30, 1);

    (void)state;
    assert_true(low > high && high > 1000);
    need.n_entities = high;
    plan = plan_of(OPTIONS, &need);
    assert_true(plan.total_tier1 < ((size_t)1 << 30) / 100 * 95);
    assert_int_equal(lw_memory_plan_entities(&plan, &need, 1000, 0), 0);
}

static void test_memory_plan__refuses_what_cannot_be(void **state)
{
    static const struct lw_memory_need NEEDS[] = {
        {.n_entities = 0, .n_series = 1},
        {.n_entities = 1, .n_series = 0},
        {.n_entities = 1, .n_series = LW_ENTITY_SERIES_MAX + 1},
        {.n_entities = LW_ENGINE_SERIES_MAX + 1, .n_series = 1},
        {.n_entities = 1, .n_series = 1, .n_shards = LW_ENGINE_SHARDS_MAX + 1}};
    struct lw_spec *spec = NULL;
    struct lw_memory_plan plan;

    (void)state;
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    for (size_t i = 0; i < sizeof(NEEDS) / sizeof(NEEDS[0]); i++) {
        assert_int_equal(lw_engine_plan_memory(spec, &NEEDS[i], &plan, NULL), LW_EINVAL);
    }
    assert_int_equal(lw_spec_set(spec, "step", "yesterday", NULL), LW_OK);
    assert_int_equal(lw_engine_plan_memory(spec,
                                           &(struct lw_memory_need){.n_entities = 1, .n_series = 1},
                                           &plan, NULL),
                     LW_EINVAL);
    lw_spec_destroy(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_plan__says_what_tier_0_takes),
        cmocka_unit_test(test_memory_plan__says_what_tier_1_takes),
        cmocka_unit_test(test_memory_plan__says_what_a_limit_holds),
        cmocka_unit_test(test_memory_plan__refuses_what_cannot_be),
    };

    return LW_TEST_RUN(tests);
}
