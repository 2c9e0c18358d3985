/*
 * A training through the engine: from what its feeds delivered to a model file, its report, and
 * service from it.
 */
#include "support/engine.h"
#include "support/mem_faulty.h"

#include "engine/core.h"
#include "engine/fleet/model_file.h"
#include "lapwing/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_METRICS 4u
#define STEP_S 10
#define QUICK                                                                                      \
    "lstm.steps=5, lstm.cells=4, autoencoder.epochs=1, iforest.trees=10, ocsvm.rows=60, "          \
    "knn.core=60, lof.core=60"

static const char *const METRICS[N_METRICS] = {"cpu", "memory", "load", "swap"};
static const char *const COLLECT[] = {"step",       "10s",  "collect", "true", "models", "full",
                                      "train_rows", "4096", "tuning",  QUICK,  NULL};

/* Added to one metric of the first entity in ten rows of a hundred: what labels name. */
static double burst;

/* Waves with noise; "swap" stands still. The second half of them are another kind of entity. */
static double value_of(uint32_t entity, uint32_t metric, int64_t step, uint32_t n_entities)
{
    double wave = sin((double)step / 17.0), other = cos((double)step / 7.0);
    double common = entity < n_entities / 2 ? wave : metric == 0 ? wave : -wave + other;

    return metric == 3 ? 5.0
                       : (1.0 + entity) *
                             (common + 0.2 * fmod(lw_test_value(entity * 10 + metric, step), 1.0));
}

static void feed_steps(struct lw_test_engine *engine, uint32_t n_entities, int64_t n_steps)
{
    uint32_t series[16][N_METRICS];

    for (uint32_t e = 0; e < n_entities; e++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "host-%02u", e);
        for (uint32_t m = 0; m < N_METRICS; m++) {
            series[e][m] = lw_test_feed_series(&engine->feed, METRICS[m], name);
        }
    }
    for (int64_t step = 0; step < n_steps; step++) {
        struct lw_point points[16 * N_METRICS];
        size_t n = 0;

        for (uint32_t e = 0; e < n_entities; e++) {
            for (uint32_t m = 0; m < N_METRICS; m++) {
                double value = value_of(e, m, step, n_entities);

                value += e == 0 && m == 0 && step % 100 >= 90 ? burst : 0.0;
                points[n++] = (struct lw_point){.series = series[e][m],
                                                .time_ns = step * STEP_S * LW_TEST_SECOND,
                                                .value = value};
            }
        }
        assert_int_equal(engine->feed.push(engine->feed.context, points, n), LW_OK);
        lw_test_feed_watermark(&engine->feed, (step + 1) * STEP_S);
    }
}

static struct lw_test_engine *opened(uint32_t n_entities, int64_t n_steps)
{
    struct lw_test_engine *engine = calloc(1, sizeof(*engine));

    lw_test_engine_open(engine, (struct lw_engine_config){.n_shards = 2});
    lw_test_engine_detector(engine, "servers", COLLECT);
    feed_steps(engine, n_entities, n_steps);
    return engine;
}

static void closed(struct lw_test_engine *engine)
{
    lw_test_engine_close(engine);
    free(engine);
}

/* What came of a training. */
struct trained {
    void *bytes;
    size_t n_bytes;
    char *report;
    struct lw_model_file *file;
};

static struct trained trained_with(struct lw_test_engine *engine,
                                   const struct lw_train_options *options)
{
    struct trained trained = {0};
    struct lw_error error = {0};

    if (lw_engine_train(engine->engine, "servers", options, &trained.bytes, &trained.n_bytes,
                        &trained.report, &error) != LW_OK ||
        lw_model_file_load(trained.bytes, trained.n_bytes, &trained.file, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return trained;
}

static void trained_fini(struct trained *trained)
{
    lw_model_file_release(trained->file);
    lw_bytes_free(trained->bytes);
    lw_bytes_free(trained->report);
}

static void assert_says(const struct trained *trained, const char *text)
{
    if (strstr(trained->report, text) == NULL) {
        fail_msg("the report does not say %s", text);
    }
}

static void test_train__makes_a_file_that_says_how_it_was_made(void **state)
{
    struct lw_test_engine *engine = opened(4, 700);
    struct lw_train_options options = {.n_threads = 2, .sharing = LW_SHARING_ALL, .n_folds = 2};
    struct trained trained = trained_with(engine, &options);
    char *report = NULL;

    (void)state;
    assert_int_equal(trained.file->n_groups, 1);
    assert_int_equal(trained.file->fallback, 0);
    assert_int_equal(trained.file->n_entities, 4);
    assert_string_equal(trained.file->entities[2].name, "host-02");
    assert_int_equal(trained.file->groups[0].n_columns, N_METRICS);
    assert_string_equal(trained.file->groups[0].columns[1], "memory");
    assert_says(&trained, "\"status\":\"trained\"");
    assert_says(&trained, "\"kind\":\"constant\"");
    assert_says(&trained, "\"name\":\"1 week\"");
    assert_says(&trained, "\"chosen\":\"all\"");
    assert_says(&trained, "\"validation\":{\"status\":\"done\"");
    assert_int_equal(lw_models_report(trained.bytes, trained.n_bytes, &report, NULL), LW_OK);
    assert_string_equal(report, trained.report);
    lw_bytes_free(report);
    trained_fini(&trained);
    closed(engine);
}

static void test_train__gives_the_same_models_whatever_the_threads(void **state)
{
    struct lw_test_engine *engine = opened(4, 600);
    static const enum lw_sharing ways[] = {LW_SHARING_OWN, LW_SHARING_AUTO, LW_SHARING_CLUSTERS};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct lw_train_options options = {.sharing = ways[i], .n_threads = 1, .n_folds = 2};
        struct trained one = trained_with(engine, &options), three;
        const char *timing = strstr(one.report, "\"timing\"");

        options.n_threads = 3;
        three = trained_with(engine, &options);
        assert_true(one.file->hash == three.file->hash);
        assert_memory_equal(one.report, three.report, (size_t)(timing - one.report));
        options.seed = 99;
        trained_fini(&three);
        three = trained_with(engine, &options);
        assert_true(one.file->hash != three.file->hash);
        trained_fini(&one);
        trained_fini(&three);
    }
    closed(engine);
}

static void test_train__groups_by_kind(void **state)
{
    struct lw_test_engine *engine = opened(6, 600);
    struct lw_train_options options = {.sharing = LW_SHARING_CLUSTERS, .n_threads = 2};
    struct trained trained = trained_with(engine, &options);

    (void)state;
    assert_int_equal(trained.file->n_groups, 2);
    for (uint32_t e = 0; e < 6; e++) {
        assert_int_equal(trained.file->entities[e].group, e < 3 ? 0 : 1);
    }
    assert_int_not_equal(trained.file->fallback, LW_MODEL_GROUP_NONE);
    trained_fini(&trained);
    options.sharing = LW_SHARING_OWN;
    trained = trained_with(engine, &options);
    assert_int_equal(trained.file->n_groups, 6);
    assert_int_equal(trained.file->fallback, LW_MODEL_GROUP_NONE);
    trained_fini(&trained);
    closed(engine);
}

static void test_train__one_entity_is_shared_where_it_is_asked_for(void **state)
{
    struct lw_test_engine *engine = opened(1, 300);
    struct lw_train_options options = {.n_threads = 1, .models = "linear", .n_folds = 2};
    const enum lw_sharing ways[] = {LW_SHARING_AUTO, LW_SHARING_OWN, LW_SHARING_CLUSTERS,
                                    LW_SHARING_ALL};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct trained trained;

        options.sharing = ways[i];
        trained = trained_with(engine, &options);
        assert_int_equal(trained.file->n_groups, 1);
        assert_int_equal(trained.file->fallback, i < 2 ? LW_MODEL_GROUP_NONE : 0);
        assert_int_equal(lw_model_file_group(trained.file, "host-77"),
                         i < 2 ? LW_MODEL_GROUP_NONE : 0);
        assert_says(&trained, i < 2 ? "\"chosen\":\"own\"" : "\"chosen\":\"all\"");
        trained_fini(&trained);
    }
    closed(engine);
}

static void test_train__labels_are_found_by_their_times_and_not_learnt(void **state)
{
    struct lw_train_label labels[21];
    struct lw_train_options options = {.labels = labels, .n_labels = 21, .n_threads = 2};
    struct trained trained, plain;
    struct lw_test_engine *engine;

    (void)state;
    burst = 6.0;
    engine = opened(2, 2000);
    burst = 0.0;
    for (int64_t i = 0; i < 20; i++) {
        labels[i] = (struct lw_train_label){"host-00", (100 * i + 90) * STEP_S * LW_TEST_SECOND,
                                            (100 * i + 99) * STEP_S * LW_TEST_SECOND};
    }
    labels[20] = (struct lw_train_label){"nobody", 0, INT64_MAX};
    trained = trained_with(engine, &options);
    assert_says(&trained, "\"labels\":{\"given\":21,\"events\":20,\"rows\":200,\"outside\":1}");
    assert_says(&trained, "\"auc_pr_recipe\":0.");
    assert_null(strstr(trained.report, "without labels"));
    options.n_labels = 0;
    plain = trained_with(engine, &options);
    assert_true(plain.file->hash != trained.file->hash);
    assert_says(&plain, "\"why\":\"no labels were given\"");
    trained_fini(&trained);
    trained_fini(&plain);
    closed(engine);
}

static void test_train__what_it_made_serves(void **state)
{
    struct lw_test_engine *engine = opened(3, 700);
    struct lw_test_engine *served = calloc(1, sizeof(*served));
    struct lw_train_options options = {.sharing = LW_SHARING_ALL, .n_threads = 2, .n_folds = 2};
    struct trained trained = trained_with(engine, &options);
    struct lw_spec *spec = NULL;

    (void)state;
    lw_test_engine_open(served, (struct lw_engine_config){.n_shards = 1});
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    assert_int_equal(lw_spec_set(spec, "step", "10s", NULL), LW_OK);
    assert_int_equal(lw_spec_set_models(spec, trained.bytes, trained.n_bytes, NULL), LW_OK);
    assert_int_equal(lw_engine_set_detector(served->engine, "servers", spec, NULL), LW_OK);
    feed_steps(served, 3, 50); /* Far too few to have trained by itself. */
    lw_engine_finish(served->engine);
    assert_true(lw_test_heard(served, "servers", "host-01")->n_entity_verdicts >= 45);
    assert_int_equal(lw_test_engine_totals(served).n_series_unread, 0);
    (void)lw_test_feed_series(&served->feed, "extra", "host-01");
    assert_int_equal(lw_test_engine_totals(served).n_series_unread, 1);
    assert_int_equal(lw_test_engine_totals(served).trainings_failed, 0);
    served->engine->shards[0].entities[1]->entity->tier1->n_failed = 2;
    assert_int_equal(lw_test_engine_totals(served).trainings_failed, 2);
    lw_spec_destroy(spec);
    closed(served);
    trained_fini(&trained);
    closed(engine);
}

static void test_train__refuses_with_a_reason(void **state)
{
    struct lw_test_engine *engine = opened(2, 40);
    struct lw_train_options options = {.n_threads = 1};
    struct lw_error error = {0};
    char *report = NULL;
    void *bytes = NULL;
    size_t n_bytes;

    (void)state;
    assert_int_equal(
        lw_engine_train(engine->engine, "servers", &options, &bytes, &n_bytes, &report, &error),
        LW_EINVAL);
    assert_null(bytes);
    assert_non_null(report); /* The data could be judged. */
    assert_non_null(strstr(report, "\"status\":\"refused\""));
    assert_non_null(strstr(report, "\"kind\":\"too_short\""));
    lw_bytes_free(report);
    report = NULL;
    assert_int_equal(
        lw_engine_train(engine->engine, "nobody", &options, &bytes, &n_bytes, &report, &error),
        LW_ENOTFOUND);
    options.models = "no such model";
    assert_int_equal(
        lw_engine_train(engine->engine, "servers", &options, &bytes, &n_bytes, &report, &error),
        LW_ENOTFOUND);
    options.models = NULL;
    options.n_folds = 1;
    assert_int_equal(
        lw_engine_train(engine->engine, "servers", &options, &bytes, &n_bytes, &report, &error),
        LW_EINVAL);
    assert_null(report);
    closed(engine);
}

static void test_train__memory_is_thinned_into_or_refused(void **state)
{
    struct lw_test_engine *engine = opened(2, 2600);
    struct lw_train_options options = {.n_threads = 1, .models = "linear", .n_folds = 2};
    struct lw_error error = {0};
    struct trained trained = trained_with(engine, &options), thinned;
    const char *at = strstr(trained.report, "\"needed\":");
    char *report = NULL;
    void *bytes = NULL;
    size_t n_bytes;

    (void)state;
    assert_non_null(at);
    assert_says(&trained, "\"thinned_by\":1");
    options.memory_max = strtoull(at + 9, NULL, 10) - 1;
    thinned = trained_with(engine, &options);
    assert_says(&thinned, "\"thinned_by\":2");
    assert_says(&thinned, "\"kind\":\"thinned\"");
    options.memory_max = 1 << 20;
    assert_int_equal(
        lw_engine_train(engine->engine, "servers", &options, &bytes, &n_bytes, &report, &error),
        LW_ELIMIT);
    assert_non_null(strstr(error.message, "MiB"));
    lw_bytes_free(report);
    trained_fini(&trained);
    trained_fini(&thinned);
    closed(engine);
}

static void test_train__a_member_that_does_not_pay_gets_nothing_in_lean(void **state)
{
    struct lw_test_engine *engine = opened(2, 1200);
    struct lw_train_options options = {.n_threads = 2, .models = "lean"};
    struct trained trained = trained_with(engine, &options);
    const struct lw_ensemble *ensemble = trained.file->groups[0].ensemble;

    (void)state;
    assert_says(&trained, "\"selected\":\"lean\"");
    for (uint32_t m = 0; m < ensemble->n_members; m++) {
        assert_true(ensemble->members[m].weight > 0.0); /* Whoever is served has a weight. */
    }
    trained_fini(&trained);
    closed(engine);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train__makes_a_file_that_says_how_it_was_made),
        cmocka_unit_test(test_train__gives_the_same_models_whatever_the_threads),
        cmocka_unit_test(test_train__groups_by_kind),
        cmocka_unit_test(test_train__one_entity_is_shared_where_it_is_asked_for),
        cmocka_unit_test(test_train__labels_are_found_by_their_times_and_not_learnt),
        cmocka_unit_test(test_train__what_it_made_serves),
        cmocka_unit_test(test_train__refuses_with_a_reason),
        cmocka_unit_test(test_train__memory_is_thinned_into_or_refused),
        cmocka_unit_test(test_train__a_member_that_does_not_pay_gets_nothing_in_lean),
    };

    return LW_TEST_RUN(tests);
}
