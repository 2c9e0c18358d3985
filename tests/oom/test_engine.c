/* Detectors, entities, engines, their state and tier 1, with each allocation failing in turn: an
 * error, nothing leaked, and what was there goes on. */
#include "support/engine.h"
#include "support/model_file.h"
#include "support/oom.h"

#include "engine/operator/entity.h"
#include "store/file.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const OPTIONS[] = {
    "step",     "10s",   "features", "level, long_p95", "metric m aggregate", "p95",
    "holidays", "12-25", NULL};

static enum lw_status spec_fill(struct lw_spec *spec)
{
    enum lw_status status = LW_OK;

    for (const char *const *at = OPTIONS; status == LW_OK && *at != NULL; at += 2) {
        status = strncmp(*at, "metric", 6) == 0
                     ? lw_spec_set_metric(spec, "m", "aggregate", "p95", NULL)
                     : lw_spec_set(spec, at[0], at[1], NULL);
    }
    return status;
}

static enum lw_status detector_create(void *user)
{
    struct lw_detector **ret_detector = user;
    struct lw_spec *spec = NULL;
    enum lw_status status = lw_spec_create(&spec, NULL);

    if (status == LW_OK) {
        status = spec_fill(spec);
    }
    if (status == LW_OK) {
        status = lw_detector_create(spec, "d", ret_detector, NULL);
    }
    lw_spec_destroy(spec);
    return status;
}

static enum lw_status detector_alone(void *user)
{
    struct lw_detector *detector = NULL;
    enum lw_status status = detector_create(&detector);

    (void)user;
    lw_detector_release(detector);
    return status;
}

static void test_detector__survives_each_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("detector", detector_alone, NULL);
}

/* An entity that grows to nine series, works, is saved and loaded. */
static enum lw_status entity_life(void *user)
{
    struct lw_detector *detector = NULL;
    struct lw_pool *pool = NULL;
    struct lw_entity *entity = NULL, *again = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = detector_create(&detector);

    (void)user;
    status = status == LW_OK ? lw_pool_create(&pool, NULL) : status;
    status = status == LW_OK ? lw_entity_create(pool, detector, "e", &entity, NULL) : status;
    for (uint32_t i = 0; status == LW_OK && i < 9; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        uint32_t number;

        status = lw_entity_series(entity, i % 2 == 0 ? "m" : "n", name, &number, NULL);
    }
    for (uint32_t i = 0; status == LW_OK && i < 9; i++) {
        lw_observe(entity, &(struct lw_sample){i, 5, 1.0}, 1, 0, NULL);
    }
    if (status == LW_OK) {
        lw_advance(entity, INT64_C(10000000000), NULL);
        status = lw_entity_save(entity, &bytes, &n_bytes, NULL);
    }
    if (status == LW_OK) {
        status = lw_entity_load(pool, detector, bytes, n_bytes, &again, NULL);
    }
    lw_bytes_free(bytes);
    lw_entity_destroy(again);
    lw_pool_destroy(pool);
    lw_detector_release(detector);
    return status;
}

static void test_entity__survives_each_failing_allocation(void **state)
{
    (void)state;
    lw_oom_sweep("entity", entity_life, NULL);
}

/* ---- an entity whose tier 1 learns and serves ---- */

#define SMALL_MODELS "linear, ecod"
#define SMALL_STEPS 80 /* A training begins at 64 rows and serves from 72 on. */

static struct lw_writer model_file; /* Empty: the entity trains by itself. */

static enum lw_status small_detector_create(struct lw_detector **ret_detector)
{
    static const char *const SMALL[] = {"step", "row",        "models", SMALL_MODELS, "train_after",
                                        "64",   "train_rows", "64",     NULL};
    struct lw_spec *spec = NULL;
    enum lw_status status = lw_spec_create(&spec, NULL);

    for (const char *const *at = SMALL; status == LW_OK && *at != NULL; at += 2) {
        status = lw_spec_set(spec, at[0], at[1], NULL);
    }
    if (status == LW_OK && model_file.n_bytes > 0) {
        status = lw_spec_set_models(spec, model_file.data, model_file.n_bytes, NULL);
    }
    if (status == LW_OK) {
        status = lw_detector_create(spec, "small", ret_detector, NULL);
    }
    lw_spec_destroy(spec);
    return status;
}

static void push_rows(struct lw_entity *entity, int64_t from, int64_t to)
{
    for (int64_t step = from; step < to; step++) {
        struct lw_sample row[2];

        for (uint32_t i = 0; i < 2; i++) {
            row[i] = (struct lw_sample){i, (step + 1) * LW_TEST_SECOND,
                                        (double)lw_test_model_value(i, (uint64_t)step)};
        }
        lw_observe(entity, row, 2, 0, NULL);
    }
}

/* Saves and loads: the entity goes on in the loaded one. */
static enum lw_status carry_over(struct lw_pool *pool, struct lw_detector *detector,
                                 struct lw_entity **entity)
{
    struct lw_entity *loaded = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    enum lw_status status = lw_entity_save(*entity, &bytes, &n_bytes, NULL);

    if (status == LW_OK) {
        status = lw_entity_load(pool, detector, bytes, n_bytes, &loaded, NULL);
    }
    lw_bytes_free(bytes);
    if (status == LW_OK) {
        lw_entity_destroy(*entity);
        *entity = loaded;
    }
    return status;
}

/*
 * An entity lives on when a training finds no memory: its older models serve, or none. So where an
 * allocation failed and nobody said so, tier 1 has counted a failure.
 */
static enum lw_status tier1_life(void *user)
{
    const char *name = user;
    struct lw_detector *detector = NULL;
    struct lw_pool *pool = NULL;
    struct lw_entity *entity = NULL;
    enum lw_status status = small_detector_create(&detector);

    status = status == LW_OK ? lw_pool_create(&pool, NULL) : status;
    status = status == LW_OK ? lw_entity_create(pool, detector, name, &entity, NULL) : status;
    for (uint32_t i = 0; status == LW_OK && i < 2; i++) {
        uint32_t number;

        status = lw_entity_series(entity, i == 0 ? "m0" : "m1", i == 0 ? "m0" : "m1", &number,
                                  NULL);
    }
    if (status == LW_OK) {
        push_rows(entity, 0, 68);
        status = carry_over(pool, detector, &entity); /* With a training on its way. */
    }
    if (status == LW_OK) {
        push_rows(entity, 68, SMALL_STEPS);
        if (entity->tier1->n_failed > 0) {
            assert_true(lw_test_mem_has_failed());
            status = LW_ENOMEM;
        }
        assert_int_equal(lw_entity_has_model(entity), status == LW_OK);
    }
    if (status == LW_OK) {
        status = carry_over(pool, detector, &entity); /* With models in service. */
    }
    lw_pool_destroy(pool);
    lw_detector_release(detector);
    return status;
}

static void test_tier1__survives_each_failing_allocation(void **state)
{
    static char name[] = "e";

    (void)state;
    lw_oom_sweep("an entity that trains", tier1_life, name);
}

static void test_tier1__survives_each_failing_allocation_with_a_model_file(void **state)
{
    static char known[] = "known", stranger[] = "stranger", m0[] = "m0", m1[] = "m1";
    static char *columns[] = {m1, m0};

    (void)state;
    assert_int_equal(
        lw_test_model_file_write(&(struct lw_test_model_file){SMALL_MODELS, "", known, columns, 2},
                                 &model_file, NULL),
        LW_OK);
    lw_oom_sweep("an entity that a model file knows", tier1_life, known);
    lw_oom_sweep("an entity that a model file serves", tier1_life, stranger);
    lw_writer_fini(&model_file);
    memset(&model_file, 0, sizeof(model_file));
}

static enum lw_status engine_alone(void *user)
{
    struct lw_engine *engine = NULL;
    enum lw_status status = lw_engine_create(
        &(struct lw_engine_config){.n_shards = 1, .history_steps = 8}, &engine, NULL);

    (void)user;
    lw_engine_destroy(engine);
    return status;
}

static void test_engine__survives_each_failing_allocation_of_its_making(void **state)
{
    (void)state;
    lw_oom_sweep("engine", engine_alone, NULL);
}

static enum lw_status series_add(const struct lw_feed *feed, const char *metric, const char *entity,
                                 uint32_t *ret_series)
{
    const struct lw_label label = {"instance", entity};
    const struct lw_series_key key = {metric, &label, 1};

    return feed->series(feed->context, &key, ret_series, NULL);
}

/* A series that could not be added is added when there is memory again, and works. */
static void test_engine__takes_a_series_that_failed_before(void **state)
{
    static const char *const NAMES[] = {"a", "b", "c", "d", "e", "f"};
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    uint64_t n_failed = 0, n_pushed = 0;

    (void)state;
    lw_test_engine_open(self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(self, "one", OPTIONS);
    for (unsigned i = 0; i < 90; i++) {
        char metric[16];
        const char *entity = NAMES[i % 6];
        uint32_t series = UINT32_MAX, again = UINT32_MAX;

        (void)snprintf(metric, sizeof(metric), "m%u", i);
        for (uint64_t n = 1;; n++) {
            enum lw_status status;

            lw_test_mem_fail_at(n);
            status = series_add(&self->feed, metric, entity, &series);
            if (lw_test_mem_has_failed() && status != LW_OK) {
                lw_test_mem_fail_at(0);
                assert_int_equal(status, LW_ENOMEM);
                assert_int_equal(series, UINT32_MAX);
                n_failed++;
                continue;
            }
            lw_test_mem_fail_at(0);
            assert_int_equal(status, LW_OK);
            break;
        }
        assert_int_equal(series_add(&self->feed, metric, entity, &again), LW_OK);
        assert_int_equal(again, series);
        lw_test_feed_push(&self->feed, series, 5, 1.0);
        n_pushed++;
    }
    printf("%llu failures\n", (unsigned long long)n_failed);
    assert_true(n_failed > 5);
    assert_int_equal(lw_test_engine_totals(self).unmatched, 0);
    assert_true(lw_test_engine_totals(self).samples >= n_pushed);
    assert_true(lw_test_engine_totals(self).series_refused >= n_failed);
    lw_test_engine_close(self);
    free(self);
}

/* ---- an engine's state and its detectors ---- */

static struct lw_test_engine *busy;
static char state_path[64];

static enum lw_status engine_save(void *user)
{
    (void)user;
    return lw_engine_save(busy->engine, state_path, NULL);
}

static enum lw_status engine_load(void *user)
{
    struct lw_engine *engine = NULL;
    struct lw_spec *spec = NULL;
    enum lw_status status = lw_engine_create(&(struct lw_engine_config){.n_shards = 1}, &engine,
                                             NULL);

    (void)user;
    status = status == LW_OK ? lw_spec_create(&spec, NULL) : status;
    status = status == LW_OK ? spec_fill(spec) : status;
    status = status == LW_OK ? lw_engine_set_detector(engine, "one", spec, NULL) : status;
    status = status == LW_OK ? lw_engine_load(engine, state_path, NULL, NULL) : status;
    if (status == LW_ENOMEM && engine != NULL) {
        struct lw_engine_totals totals;

        lw_engine_totals(engine, &totals);
        assert_int_equal(totals.n_entities, 0); /* As it was. */
    }
    lw_spec_destroy(spec);
    lw_engine_destroy(engine);
    return status;
}

static void test_state__survives_each_failing_allocation(void **state)
{
    (void)state;
    busy = calloc(1, sizeof(*busy));
    lw_test_engine_open(busy, (struct lw_engine_config){.n_shards = 1});
    lw_test_engine_detector(busy, "one", OPTIONS);
    for (unsigned i = 0; i < 12; i++) {
        char entity[8];

        (void)snprintf(entity, sizeof(entity), "%u", i / 4);
        lw_test_feed_push(&busy->feed,
                          lw_test_feed_series(&busy->feed, i % 2 == 0 ? "m" : "n", entity), 5, 1.0);
    }
    lw_engine_flush(busy->engine);
    (void)snprintf(state_path, sizeof(state_path), "/tmp/lapwing-test-oom-%d", (int)getpid());
    lw_oom_sweep("save", engine_save, NULL);
    lw_oom_sweep("load", engine_load, NULL);
    (void)unlink(state_path);
    lw_test_engine_close(busy);
    free(busy);
}

/* New options for a detector: without memory there is the old one or none, never half of one. */
static void test_engine__changes_a_detector_whole_or_not_at_all(void **state)
{
    static const char *const STEPS[2] = {"20s", "30s"};
    struct lw_test_engine *self = calloc(1, sizeof(*self));
    struct lw_spec *spec = NULL;
    unsigned n_failed = 0;

    (void)state;
    lw_test_engine_open(self, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(self, "d", OPTIONS);
    for (unsigned i = 0; i < 100; i++) {
        char entity[8];

        (void)snprintf(entity, sizeof(entity), "%u", i);
        (void)lw_test_feed_series(&self->feed, "m", entity);
    }
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    for (uint64_t n = 1;; n++) {
        struct lw_engine_totals totals;
        enum lw_status status;

        assert_int_equal(lw_spec_set(spec, "step", STEPS[n % 2], NULL), LW_OK);
        lw_test_mem_fail_at(n);
        status = lw_engine_set_detector(self->engine, "d", spec, NULL);
        if (!lw_test_mem_has_failed()) {
            lw_test_mem_fail_at(0);
            assert_int_equal(status, LW_OK);
            break;
        }
        lw_test_mem_fail_at(0);
        assert_int_equal(status, LW_ENOMEM);
        n_failed++;
        totals = lw_test_engine_totals(self);
        assert_true(totals.n_detectors <= 1);
        assert_int_equal(totals.n_entities, totals.n_detectors * 100);
    }
    assert_true(n_failed > 10);
    assert_int_equal(lw_test_engine_totals(self).n_entities, 100);
    lw_spec_destroy(spec);
    lw_test_engine_close(self);
    free(self);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detector__survives_each_failing_allocation),
        cmocka_unit_test(test_entity__survives_each_failing_allocation),
        cmocka_unit_test(test_tier1__survives_each_failing_allocation),
        cmocka_unit_test(test_tier1__survives_each_failing_allocation_with_a_model_file),
        cmocka_unit_test(test_engine__survives_each_failing_allocation_of_its_making),
        cmocka_unit_test(test_engine__takes_a_series_that_failed_before),
        cmocka_unit_test(test_state__survives_each_failing_allocation),
        cmocka_unit_test(test_engine__changes_a_detector_whole_or_not_at_all),
    };

    return LW_TEST_RUN(tests);
}
