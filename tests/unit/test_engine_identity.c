/* Names that differ in what the platform made, and what a new entity begins with. */
#define _XOPEN_SOURCE 700
#include "support/engine.h"

#include "engine/advance.h"
#include "engine/identity.h"

static const char *const PODS[] = {"entity",      "pod",         "step", "10s", "models",
                                   "linear, knn", "train_after", "100",  NULL};
static const char *const APART[] = {"entity", "pod",     "step", "10s", "models",
                                    "none",   "inherit", "no",   NULL};

static void test_identity__knows_what_the_platform_made(void **state)
{
    static const struct {
        const char *key, *name, *family; /* family NULL: none. */
    } CASES[] = {
        {"pod", "api-7d9f8b6c5-x2x4z", "api-*-*"},
        {"pod", "api-5d59d67564-hk8bc", "api-*-*"},
        {"pod", "payment-service-v2-7d9f8b6c5-x2x4z", "payment-service-v2-*-*"},
        {"pod", "coredns-668d6bf9bc-gvdxl", "coredns-*-*"},
        {"pod", "kube-proxy-h8k2p", "kube-proxy-*"},
        {"pod", "node-exporter-zwvxl", "node-exporter-*"},
        {"pod", "backup-28930120-7xk2m", "backup-*-*"},
        {"pod", "import-0-7xk2m", "import-0-*"},
        {"pod", "db-0", NULL},
        {"pod", "db-12", NULL},
        {"pod", "etcd-control-plane", NULL},
        {"pod", "web-nginx", NULL}, /* "i" is in no part that is made. */
        {"pod", "7d9f8b6c5-x2x4z", "7d9f8b6c5-*"},
        {"pod", "x2x4z", NULL},
        {"pod", "-x2x4z", NULL},
        {"pod", "", NULL},
        {"pod_name", "api-7d9f8b6c5-x2x4z", "api-*-*"},
        {"host", "api-7d9f8b6c5-x2x4z", NULL},
        {"instance", "host-25776:9100", NULL}, /* A number is no random part. */
        {"pod", "kafka-24579", NULL},
        {"instance", "api-7d9f8b6c5-x2x4z", "api-*-*"},
        {"instance", "api-7d9f8b6c5-x2x4z:9100", "api-*-*:9100"},
        {"instance", "10.0.0.17:9100", NULL},
        {"instance", "gateway-https", NULL}, /* No digit. */
        {"instance", "db-0:9187", NULL},
        {"namespace,pod", "namespace=prod,pod=api-7d9f8b6c5-x2x4z", "namespace=prod,pod=api-*-*"},
        {"namespace,pod", "namespace=api-7d9f8b6c5-x2x4z,pod=db-0", NULL},
        {"pod,container", "pod=api-7d9f8b6c5-x2x4z,container=a\\,b", "pod=api-*-*,container=a\\,b"},
        {"container_id", "0123456789ab", NULL}, /* Nothing is left. */
        {"image,container_id", "image=redis,container_id=0123456789ab",
         "image=redis,container_id=*"},
        {"image,container_id",
         "image=redis,container_id=containerd://"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "image=redis,container_id=*"},
        {"image,container_id", "image=redis,container_id=cache", NULL},
        {"", "api-7d9f8b6c5-x2x4z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char family[LW_NAME_MAX];
        bool has = lw_identity_family(CASES[i].key, CASES[i].name, family);

        if (has != (CASES[i].family != NULL) || (has && strcmp(family, CASES[i].family) != 0)) {
            fail_msg("%s of %s: %s\"%s\"", CASES[i].name, CASES[i].key, has ? "" : "none, ",
                     family);
        }
    }
}

static uint32_t series_of(struct lw_test_engine *self, const char *metric, const char *pod)
{
    const struct lw_label label = {"pod", pod};
    const struct lw_series_key key = {metric, &label, 1};
    uint32_t series = 0;

    assert_int_equal(self->feed.series(self->feed.context, &key, &series, NULL), LW_OK);
    return series;
}

static void feed_pod(struct lw_test_engine *self, const char *pod, int64_t from, int64_t to)
{
    static const char *const METRICS[] = {"cpu", "memory", "requests"};

    for (int64_t step = from; step < to; step++) {
        for (uint32_t m = 0; m < 3; m++) {
            lw_test_feed_push(&self->feed, series_of(self, METRICS[m], pod), step * 10,
                              lw_test_value(m, step));
        }
        lw_test_feed_watermark(&self->feed, step * 10);
    }
    lw_engine_flush(self->engine);
}

static struct engine_entity *owner_of(struct lw_test_engine *self, const char *pod)
{
    struct engine_entity *owner = lw_registry_find(self->engine, "pods", pod);

    assert_non_null(owner);
    lw_shard_catch_up(owner);
    return owner;
}

static void baseline_bytes(const struct engine_entity *owner, const char *name,
                           struct lw_writer *writer)
{
    lw_writer_init(writer);
    for (uint32_t i = 0; i < owner->entity->n_series; i++) {
        if (strcmp(owner->entity->series[i]->name, name) == 0) {
            lw_baseline_save(lw_series_baseline(owner->entity->series[i]), writer);
        }
    }
    assert_true(writer->n_bytes > 0);
}

/* Same baselines, same model and rows; nothing that happened to the other. */
static void test_identity__hands_down_what_was_learnt(void **state)
{
    struct lw_test_engine self;
    struct engine_entity *old, *heir;
    struct lw_engine_totals totals;
    const struct lw_tier1_state *a, *b;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 3});
    lw_test_engine_detector(&self, "pods", PODS);
    feed_pod(&self, "api-7d9f8b6c5-x2x4z", 0, 150);
    feed_pod(&self, "api-7d9f8b6c5-qqk7w", 0, 300); /* Fed last: this one it is. */
    (void)series_of(&self, "memory", "api-5d59d67564-hk8bc");
    old = owner_of(&self, "api-7d9f8b6c5-qqk7w");
    heir = owner_of(&self, "api-5d59d67564-hk8bc");
    assert_int_equal(heir->entity->n_series, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct lw_writer left, right;

        baseline_bytes(old, old->entity->series[i]->name, &left);
        baseline_bytes(heir, old->entity->series[i]->name, &right);
        assert_int_equal(left.n_bytes, right.n_bytes);
        assert_memory_equal(left.data, right.data, left.n_bytes);
        lw_writer_fini(&left);
        lw_writer_fini(&right);
    }
    a = old->entity->tier1;
    b = heir->entity->tier1;
    assert_non_null(a->ensemble);
    assert_non_null(b->ensemble);
    assert_int_equal(a->rows.n_seen, b->rows.n_seen);
    assert_memory_equal(a->state, b->state, a->n_state * sizeof(float));
    assert_int_equal(heir->entity->counts.samples, 0);
    assert_null(heir->entity->life);
    totals = lw_test_engine_totals(&self);
    assert_int_equal(totals.entities_inherited, 2);
    /* It is the series it was named with that the sample goes to, and it is judged at once. */
    feed_pod(&self, "api-5d59d67564-hk8bc", 300, 304);
    assert_int_equal(owner_of(&self, "api-5d59d67564-hk8bc")->entity->counts.samples, 12);
    assert_int_equal(owner_of(&self, "api-5d59d67564-hk8bc")->entity->series[1]->newest.confidence,
                     owner_of(&self, "api-7d9f8b6c5-qqk7w")->entity->series[1]->newest.confidence);
    lw_test_engine_close(&self);
}

static void test_identity__an_open_anomaly_is_not_handed_down(void **state)
{
    struct lw_test_engine self;
    uint32_t cpu;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(&self, "pods", PODS);
    feed_pod(&self, "api-7d9f8b6c5-x2x4z", 0, 640);
    cpu = series_of(&self, "cpu", "api-7d9f8b6c5-x2x4z");
    for (int64_t step = 640; step < 646; step++) {
        lw_test_feed_push(&self.feed, cpu, step * 10, 900.0 + (double)step);
        lw_test_feed_watermark(&self.feed, step * 10);
    }
    lw_engine_flush(self.engine);
    assert_true(owner_of(&self, "api-7d9f8b6c5-x2x4z")->open_anomaly != 0);
    (void)series_of(&self, "cpu", "api-7d9f8b6c5-9bk7w");
    assert_int_equal(lw_test_engine_totals(&self).anomalies_open, 1);
    assert_int_equal(owner_of(&self, "api-7d9f8b6c5-9bk7w")->open_anomaly, 0);
    assert_null(owner_of(&self, "api-7d9f8b6c5-9bk7w")->entity->life);
    lw_test_engine_close(&self);
}

static void test_identity__is_not_for_strangers_nor_when_it_is_off(void **state)
{
    struct lw_test_engine self;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(&self, "pods", PODS);
    lw_test_engine_detector(&self, "apart", APART);
    feed_pod(&self, "api-7d9f8b6c5-x2x4z", 0, 20);
    (void)series_of(&self, "cpu", "api2-7d9f8b6c5-x2x4z");
    (void)series_of(&self, "cpu", "db-0");
    assert_int_equal(lw_test_engine_totals(&self).entities_inherited, 0);
    (void)series_of(&self, "cpu", "api-7d9f8b6c5-qqk7w");
    assert_int_equal(lw_test_engine_totals(&self).entities_inherited, 1);
    lw_test_engine_close(&self);
}

/* A series counts for the budget when it comes, not when it is handed down. */
static void test_identity__an_inherited_series_shares_no_budget_before_it_comes(void **state)
{
    struct lw_test_engine self;

    (void)state;
    lw_test_engine_open(&self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(&self, "pods", PODS);
    feed_pod(&self, "api-7d9f8b6c5-x2x4z", 0, 20);
    assert_int_equal(self.engine->detectors[0].n_series, 3);
    (void)series_of(&self, "cpu", "api-7d9f8b6c5-qqk7w");
    assert_int_equal(self.engine->detectors[0].n_series, 4);
    (void)series_of(&self, "requests", "api-7d9f8b6c5-qqk7w");
    assert_int_equal(self.engine->detectors[0].n_series, 5);
    lw_test_engine_close(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity__knows_what_the_platform_made),
        cmocka_unit_test(test_identity__hands_down_what_was_learnt),
        cmocka_unit_test(test_identity__an_open_anomaly_is_not_handed_down),
        cmocka_unit_test(test_identity__is_not_for_strangers_nor_when_it_is_off),
        cmocka_unit_test(test_identity__an_inherited_series_shares_no_budget_before_it_comes),
    };

    return LW_TEST_RUN(tests);
}
