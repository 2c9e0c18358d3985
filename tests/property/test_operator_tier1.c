/*
 * Tier 1 in the operator: whoever trains its models, and however often an entity is saved and
 * loaded on the way, the same rows give the same verdicts, bit for bit.
 *
 * Each scenario is run twice: straight, training in the step that needs the result; and the hard
 * way, with a trainer in the background and a save and load every few rows. The models are small.
 * Seeds are printed; LW_SEED sets another.
 */
#include "support/model_file.h"
#include "support/test.h"

#include "base/hash.h"
#include "base/rng.h"
#include "engine/operator/entity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define TRAIN_AFTER 64
#define MODELS "linear, knn@patch, knn, lstm, iforest"
#define TUNING "knn.core=16, lstm.cells=4, lstm.steps=3, lstm.windows=2, iforest.trees=8"

struct scenario {
    const char *entity;
    int64_t n_steps;
    uint32_t (*n_series)(int64_t step);               /* Series known at a step. */
    double (*value)(uint32_t series, int64_t step);   /* NaN: none. */
    const char *(*name)(uint32_t series, char *text); /* Of a series; NULL: "m<number>". */
    const char *models;                               /* NULL: MODELS. */
    bool keeps_budget; /* Not the fixed operating point of the published tables. */
    bool has_file;     /* Serves models_write()'s file. */
};

struct run {
    const struct scenario *scenario;
    struct lw_detector *detector;
    struct lw_trainer *trainer;
    struct lw_pool *pool;
    struct lw_entity *entity;
    struct lw_sink sink;
    uint64_t hash;
    uint64_t n_tier1, n_alarms, n_unknown; /* Verdicts about the entity; with a NaN score. */
    unsigned n_carried, n_carried_pending, n_carried_serving;
};

static double noise(uint32_t series, int64_t step)
{
    uint64_t mixed = lw_hash_bytes(&step, sizeof(step), series + 100);

    return (double)(mixed >> 40) * 0x1p-24;
}

/* A wave of its own, noise, and now and then trouble in all of them. */
static double lively(uint32_t series, int64_t step)
{
    double wave = (double)((step + 5 * (int64_t)series) % (9 + (int64_t)series % 7));

    return wave + noise(series, step) + (step % 101 > 96 ? 40.0 : 0.0);
}

static void on_verdict(void *context, const struct lw_entity *entity,
                       const struct lw_verdict *verdict)
{
    struct run *run = context;
    const float numbers[] = {verdict->value, verdict->score, verdict->event, verdict->return_rows,
                             verdict->expected};
    const uint8_t flags[] = {verdict->confidence, verdict->type, verdict->alarm, verdict->onset};

    run->hash = lw_hash_bytes(&verdict->time_ns, sizeof(verdict->time_ns), run->hash);
    run->hash = lw_hash_bytes(&verdict->series, sizeof(verdict->series), run->hash);
    run->hash = lw_hash_bytes(numbers, sizeof(numbers), run->hash);
    run->hash = lw_hash_bytes(flags, sizeof(flags), run->hash);
    if (verdict->series == LW_SERIES_NONE) {
        float models[64];
        size_t n = lw_entity_models(entity, models, 64);

        run->hash = lw_hash_bytes(models, n * sizeof(*models), run->hash);
        run->n_tier1++;
        run->n_alarms += verdict->alarm;
        run->n_unknown += isnan(verdict->score) ? 1 : 0;
    }
}

static void on_anomaly(void *context, const struct lw_entity *entity,
                       const struct lw_anomaly *anomaly)
{
    struct run *run = context;

    (void)entity;
    run->hash = lw_hash_bytes(&anomaly->id, sizeof(anomaly->id), run->hash);
    run->hash = lw_hash_bytes(&anomaly->n_steps, sizeof(anomaly->n_steps), run->hash);
}

/* A file that knows the entity "known"; of its metrics "late" comes late and "never" never. */
static void models_write(struct lw_spec *spec)
{
    static char known[] = "known", m0[] = "m0", m1[] = "m1", late[] = "late", never[] = "never";
    static char *columns[] = {m1, late, never, m0};
    struct lw_error error = {0};
    struct lw_writer writer;

    if (lw_test_model_file_write(&(struct lw_test_model_file){MODELS, TUNING, known, columns, 4},
                                 &writer, &error) != LW_OK ||
        lw_spec_set_models(spec, writer.data, writer.n_bytes, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    lw_writer_fini(&writer);
}

static void set(struct lw_spec *spec, const char *option, const char *value)
{
    struct lw_error error = {0};

    if (lw_spec_set(spec, option, value, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

static void run_open(struct run *run, const struct scenario *scenario, size_t n_trainers)
{
    struct lw_spec *spec = NULL;

    memset(run, 0, sizeof(*run));
    run->scenario = scenario;
    run->sink = (struct lw_sink){on_verdict, on_anomaly, run};
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    set(spec, "step", "row");
    set(spec, "models", scenario->models == NULL ? MODELS : scenario->models);
    set(spec, "tuning", TUNING);
    set(spec, "train_after", "64");
    set(spec, "train_rows", "256");
    set(spec, "quiet_steps", "3");
    set(spec, "operating_point", scenario->keeps_budget ? "default" : "benchmark");
    if (scenario->has_file) {
        models_write(spec);
    }
    assert_int_equal(lw_detector_create(spec, "property", &run->detector, NULL), LW_OK);
    lw_spec_destroy(spec);
    assert_int_equal(lw_pool_create(&run->pool, NULL), LW_OK);
    if (n_trainers > 0) {
        assert_int_equal(lw_trainer_create(n_trainers, &run->trainer, NULL), LW_OK);
        lw_pool_set_trainer(run->pool, run->trainer);
    }
    assert_int_equal(
        lw_entity_create(run->pool, run->detector, scenario->entity, &run->entity, NULL), LW_OK);
}

static void run_close(struct run *run)
{
    lw_pool_destroy(run->pool); /* And with it the entity, with a training perhaps on its way. */
    lw_trainer_destroy(run->trainer);
    lw_detector_release(run->detector);
}

static void run_carry_over(struct run *run)
{
    const struct lw_tier1_state *state = run->entity->tier1;
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct lw_error error = {0};

    run->n_carried++;
    run->n_carried_pending += state != NULL && state->job != NULL ? 1 : 0;
    run->n_carried_serving += state != NULL && state->ensemble != NULL ? 1 : 0;
    assert_int_equal(lw_entity_save(run->entity, &bytes, &n_bytes, &error), LW_OK);
    lw_entity_destroy(run->entity);
    run->entity = NULL;
    if (lw_entity_load(run->pool, run->detector, bytes, n_bytes, &run->entity, &error) != LW_OK) {
        fail_msg("load: %s", error.message);
    }
    lw_bytes_free(bytes);
}

static void run_step(struct run *run, int64_t step)
{
    static struct lw_sample samples[LW_ENTITY_SERIES_MAX];
    const struct scenario *scenario = run->scenario;
    uint32_t n_series = scenario->n_series(step);
    size_t n = 0;

    for (uint32_t i = lw_entity_n_series(run->entity); i < n_series; i++) {
        char text[16];
        const char *name = text;
        uint32_t number = UINT32_MAX;

        (void)snprintf(text, sizeof(text), "m%u", i);
        name = scenario->name == NULL ? text : scenario->name(i, text);
        assert_int_equal(lw_entity_series(run->entity, name, name, &number, NULL), LW_OK);
        assert_int_equal(number, i);
    }
    for (uint32_t i = 0; i < n_series; i++) {
        double value = scenario->value(i, step);

        samples[n++] = (struct lw_sample){i, (step + 1) * SECOND, value};
    }
    lw_observe(run->entity, samples, n, (uint64_t)step, &run->sink);
}

static void run_steps(struct run *run, int64_t from, int64_t to)
{
    for (int64_t step = from; step < to; step++) {
        run_step(run, step);
    }
}

/* The whole scenario straight and the hard way; the straight run is left for more questions. */
static void both_ways(const struct scenario *scenario, struct run *straight)
{
    const char *text = getenv("LW_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20261121;
    struct lw_rng rng;
    struct run hard;

    lw_rng_seed(&rng, seed);
    run_open(straight, scenario, 0);
    run_steps(straight, 0, scenario->n_steps);
    run_open(&hard, scenario, 1);
    for (int64_t step = 0; step < scenario->n_steps; step++) {
        if (lw_rng_below(&rng, 6) == 0) {
            run_carry_over(&hard);
        }
        run_step(&hard, step);
    }
    print_message("LW_SEED=%llu: %u verdicts of tier 1, %u alarms; saved and loaded %u times, %u "
                  "of them in training, %u with models\n",
                  (unsigned long long)seed, (unsigned)straight->n_tier1,
                  (unsigned)straight->n_alarms, hard.n_carried, hard.n_carried_pending,
                  hard.n_carried_serving);
    assert_int_equal(hard.n_tier1, straight->n_tier1);
    assert_int_equal(hard.hash, straight->hash);
    assert_true(hard.n_carried_serving > 0);
    assert_true(hard.n_carried_pending > 0 || scenario->has_file);
    run_close(&hard);
}

/* ---- scenarios ---- */

static uint32_t three(int64_t step)
{
    (void)step;
    return 3;
}

static void test_tier1__is_the_same_through_trainings_saves_and_loads(void **state)
{
    static const struct scenario SCENARIO = {
        .entity = "e", .n_steps = 330, .n_series = three, .value = lively};
    struct run run;

    (void)state;
    both_ways(&SCENARIO, &run);
    assert_int_equal(run.n_tier1, 330 - 72); /* In service from an eighth after the 64th on. */
    assert_int_equal(run.entity->tier1->next_train, 512);
    assert_int_equal(run.entity->tier1->n_failed, 0);
    assert_true(run.n_alarms > 0);
    run_close(&run);
}

static void test_tier1__is_the_same_with_any_number_of_trainers(void **state)
{
    static const struct scenario SCENARIO = {
        .entity = "e", .n_steps = 150, .n_series = three, .value = lively};
    struct run runs[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        run_open(&runs[i], &SCENARIO, i);
    }
    for (int64_t step = 0; step < SCENARIO.n_steps; step++) { /* Side by side. */
        for (size_t i = 0; i < 3; i++) {
            run_step(&runs[i], step);
        }
    }
    assert_int_equal(runs[0].n_tier1, 150 - 72);
    assert_int_equal(runs[1].hash, runs[0].hash);
    assert_int_equal(runs[2].hash, runs[0].hash);
    for (size_t i = 0; i < 3; i++) {
        run_close(&runs[i]);
    }
}

/* Two series, four from the 100th step on (the first model serves), nine while the second is
 * trained. */
static uint32_t growing(int64_t step)
{
    return step < 100 ? 2 : step < 135 ? 4 : 9;
}

static void test_tier1__takes_series_that_appear_after_training(void **state)
{
    static const struct scenario SCENARIO = {
        .entity = "e", .n_steps = 300, .n_series = growing, .value = lively};
    struct run run, again;

    (void)state;
    both_ways(&SCENARIO, &run);
    assert_int_equal(lw_ensemble_n_columns(run.entity->tier1->ensemble), 9);
    assert_int_equal(lw_entity_n_unread(run.entity), 0);
    run_close(&run);
    run_open(&again, &SCENARIO, 0);
    run_steps(&again, 0, 143);
    assert_int_equal(lw_ensemble_n_columns(again.entity->tier1->ensemble), 2);
    assert_int_equal(lw_entity_n_unread(again.entity), 7);
    run_steps(&again, 143, 146);
    assert_int_equal(lw_ensemble_n_columns(again.entity->tier1->ensemble), 4);
    run_close(&again);
}

/* Series 1 stops for good. */
static double stopping(uint32_t series, int64_t step)
{
    return series == 1 && step >= 110 ? NAN : lively(series, step);
}

static void test_tier1__goes_on_when_a_series_stops(void **state)
{
    static const struct scenario SCENARIO = {
        .entity = "e", .n_steps = 300, .n_series = three, .value = stopping};
    struct run run;

    (void)state;
    both_ways(&SCENARIO, &run);
    assert_int_equal(run.n_tier1, 300 - 72);
    assert_int_equal(run.n_unknown, 0);
    run_close(&run);
}

static bool is_hole(int64_t step)
{
    return (step * 2654435761 >> 8) % 5 == 0;
}

static int64_t before_holes(int64_t step)
{
    int64_t n = 0;

    for (int64_t i = 0; i < step; i++) {
        n += is_hole(i) ? 0 : 1;
    }
    return n;
}

/* Calm rows, so that no anomaly is open, and between them rows of which nothing is known. */
static double calm(uint32_t series, int64_t step)
{
    return 10.0 + noise(series, step);
}

static double holed(uint32_t series, int64_t step)
{
    return is_hole(step) ? (double)NAN : calm(series, before_holes(step));
}

static void test_tier1__learns_nothing_from_rows_wholly_missing(void **state)
{
    static const struct scenario HOLED = {
        .entity = "e", .n_steps = 300, .n_series = three, .value = holed};
    static const struct scenario WHOLE = {
        .entity = "e", .n_steps = 300, .n_series = three, .value = calm};
    struct run run, whole;
    int64_t n_known = before_holes(300);

    (void)state;
    both_ways(&HOLED, &run);
    assert_in_range(n_known, 200, 280);
    assert_int_equal(run.entity->tier1->rows.n_seen, n_known);
    assert_int_equal(run.n_tier1 - run.n_unknown, n_known - 72); /* Such a row's score is NaN. */
    assert_true(run.n_unknown > 10);
    run_open(&whole, &WHOLE, 0);
    run_steps(&whole, 0, n_known);
    assert_true(whole.entity->tier1->newest.score == run.entity->tier1->newest.score);
    assert_memory_equal(whole.entity->tier1->rows.rows, run.entity->tier1->rows.rows,
                        run.entity->tier1->rows.n_rows * run.entity->tier1->width * sizeof(float));
    run_close(&run);
    run_close(&whole);
}

/* ---- a model file ---- */

/* "m0" and "m1" and one that no model reads; "late" from the 30th step on. */
static const char *name_of(uint32_t series, char *text)
{
    return series == 2 ? "unread" : series == 3 ? "late" : text;
}

static uint32_t late_fourth(int64_t step)
{
    return step < 30 ? 3 : 4;
}

/* As the file was trained on, and then trouble. */
static double as_trained(uint32_t series, int64_t step)
{
    uint32_t column = series == 0 ? 3 : series == 1 ? 0 : 1;

    return (double)lw_test_model_value(column, (uint64_t)step + LW_TEST_MODEL_ROWS) +
           (step > 140 ? 60.0 : 0.0);
}

static void test_tier1__serves_a_file_of_which_metrics_are_absent(void **state)
{
    static const struct scenario KNOWN = {.entity = "known",
                                          .n_steps = 150,
                                          .n_series = late_fourth,
                                          .value = as_trained,
                                          .name = name_of,
                                          .has_file = true};
    static const struct scenario UNKNOWN = {.entity = "another",
                                            .n_steps = 150,
                                            .n_series = late_fourth,
                                            .value = as_trained,
                                            .name = name_of,
                                            .has_file = true};
    struct run run;

    (void)state;
    both_ways(&KNOWN, &run);
    assert_int_equal(run.n_tier1, 150); /* From the first row on. */
    assert_int_equal(run.n_unknown, 0);
    assert_true(run.n_alarms > 0);
    assert_null(run.entity->tier1->job);
    assert_null(run.entity->tier1->own);
    assert_int_equal(run.entity->tier1->map[1], 3);
    assert_int_equal(run.entity->tier1->map[2], LW_SERIES_NONE);
    assert_int_equal(lw_entity_n_unread(run.entity), 1); /* One of four. */
    run_close(&run);
    both_ways(&UNKNOWN, &run);
    assert_int_equal(run.n_tier1, 150 - TRAIN_AFTER); /* When its scale is known. */
    assert_true(run.n_alarms > 0);
    assert_null(run.entity->tier1->own);
    run_close(&run);
}

static void test_tier1__keeps_the_budget_of_a_step_it_had_to_find_out(void **state)
{
    static const struct scenario SCENARIO = {.entity = "known",
                                             .n_steps = 100,
                                             .n_series = three,
                                             .value = as_trained,
                                             .name = name_of,
                                             .keeps_budget = true,
                                             .has_file = true};
    struct run run;

    (void)state;
    both_ways(&SCENARIO, &run);
    assert_true(run.entity->tier1->cut == lw_calibrate_cut(7.0 * 86400.0)); /* A row a second. */
    run_close(&run);
}

/* Only "unread" has values from the 40th step on. */
static double unread_only(uint32_t series, int64_t step)
{
    return step >= 40 && series != 2 ? (double)NAN : calm(series, step);
}

static void test_tier1__cannot_tell_of_metrics_no_model_reads(void **state)
{
    static const struct scenario SCENARIO = {.entity = "known",
                                             .n_steps = 60,
                                             .n_series = three,
                                             .value = unread_only,
                                             .name = name_of,
                                             .has_file = true};
    struct run run;

    (void)state;
    both_ways(&SCENARIO, &run);
    assert_int_equal(run.n_tier1, 60);
    assert_int_equal(run.n_unknown, 20);
    run_close(&run);
}

/* ---- memory ---- */

#define FLEET 400u
#define FLEET_SERIES 10u

/* A detector with default options; it serves a file of the preset "full", or has no tier 1. */
static struct lw_detector *fleet_detector(bool has_tier1)
{
    static char known[] = "known", names[FLEET_SERIES][4], *columns[FLEET_SERIES];
    struct lw_test_model_file want = {"full", "lstm.steps=3, autoencoder.epochs=1, iforest.trees=8",
                                      known, columns, FLEET_SERIES};
    struct lw_detector *detector = NULL;
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;

    for (uint32_t i = 0; i < FLEET_SERIES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%u", i);
        columns[i] = names[i];
    }
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    set(spec, "step", "row");
    set(spec, "train_after", "64");
    if (!has_tier1) {
        set(spec, "models", "none");
    } else if (lw_test_model_file_write(&want, &writer, &error) != LW_OK ||
               lw_spec_set_models(spec, writer.data, writer.n_bytes, &error) != LW_OK) {
        fail_msg("%s", error.message);
    } else {
        lw_writer_fini(&writer);
    }
    assert_int_equal(lw_detector_create(spec, "fleet", &detector, NULL), LW_OK);
    lw_spec_destroy(spec);
    return detector;
}

static void entity_rows(struct lw_entity *entity, int64_t n_steps)
{
    for (int64_t step = 0; step < n_steps; step++) {
        struct lw_sample samples[FLEET_SERIES];

        for (uint32_t i = 0; i < FLEET_SERIES; i++) {
            samples[i] = (struct lw_sample){i, (step + 1) * SECOND, calm(i, step)};
        }
        lw_observe(entity, samples, FLEET_SERIES, 0, NULL);
    }
}

/* Bytes of the pool that an entity takes, over a fleet of them. */
static size_t entity_bytes(bool has_tier1)
{
    struct lw_detector *detector = fleet_detector(has_tier1);
    struct lw_pool *pool = NULL;
    size_t n_bytes;

    assert_int_equal(lw_pool_create(&pool, NULL), LW_OK);
    for (uint32_t e = 0; e < FLEET; e++) {
        struct lw_entity *entity = NULL;
        char name[16];

        (void)snprintf(name, sizeof(name), "e%u", e);
        assert_int_equal(lw_entity_create(pool, detector, name, &entity, NULL), LW_OK);
        for (uint32_t i = 0; i < FLEET_SERIES; i++) {
            uint32_t number;

            (void)snprintf(name, sizeof(name), "m%u", i);
            assert_int_equal(lw_entity_series(entity, name, name, &number, NULL), LW_OK);
        }
        entity_rows(entity, 66);
        assert_int_equal(lw_entity_has_model(entity), has_tier1);
    }
    n_bytes = lw_pool_bytes(pool) / FLEET;
    lw_pool_destroy(pool);
    lw_detector_release(detector);
    return n_bytes;
}

static void test_tier1__needs_less_than_64_kib_beside_a_shared_model(void **state)
{
    size_t both = entity_bytes(true), tier0 = entity_bytes(false);

    (void)state;
    print_message("an entity of %u metrics: %zu bytes, %zu of them tier 0\n", FLEET_SERIES, both,
                  tier0);
    assert_in_range(both - tier0, 1024 * FLEET_SERIES * sizeof(float), 64 * 1024);
}

/* ---- more series than a model reads ---- */

static uint32_t many(int64_t step)
{
    (void)step;
    return LW_VIEWS_COLUMNS_MAX + 8;
}

static void test_tier1__learns_from_the_first_512_series(void **state)
{
    static const struct scenario SCENARIO = {
        .entity = "e", .n_steps = 70, .n_series = many, .value = calm, .models = "linear"};
    struct lw_writer writer;
    struct lw_reader reader;
    struct run run;

    (void)state;
    run_open(&run, &SCENARIO, 0);
    run_steps(&run, 0, 66);
    run_carry_over(&run);
    assert_int_equal(run.n_carried_pending, 1);
    run_steps(&run, 66, SCENARIO.n_steps);
    lw_writer_init(&writer);
    lw_training_job_save(run.entity->tier1->job, &writer);
    assert_int_equal(writer.status, LW_OK);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u32(&reader), LW_VIEWS_COLUMNS_MAX);
    lw_writer_fini(&writer);
    run_close(&run);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tier1__is_the_same_through_trainings_saves_and_loads),
        cmocka_unit_test(test_tier1__is_the_same_with_any_number_of_trainers),
        cmocka_unit_test(test_tier1__takes_series_that_appear_after_training),
        cmocka_unit_test(test_tier1__goes_on_when_a_series_stops),
        cmocka_unit_test(test_tier1__learns_nothing_from_rows_wholly_missing),
        cmocka_unit_test(test_tier1__serves_a_file_of_which_metrics_are_absent),
        cmocka_unit_test(test_tier1__keeps_the_budget_of_a_step_it_had_to_find_out),
        cmocka_unit_test(test_tier1__needs_less_than_64_kib_beside_a_shared_model),
        cmocka_unit_test(test_tier1__cannot_tell_of_metrics_no_model_reads),
        cmocka_unit_test(test_tier1__learns_from_the_first_512_series),
    };

    return LW_TEST_RUN(tests);
}
