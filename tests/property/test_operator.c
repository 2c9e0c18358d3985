/*
 * What makes the operator trustworthy, on real data: however the same samples come in, the same
 * verdicts go out, bit for bit.
 *
 * A run is a list of samples of one entity with ten metrics of a real server, scored under one
 * spec; its verdicts and anomalies are hashed. Seeds are printed; LW_SEED sets another.
 */
#include "support/mem_faulty.h"
#include "support/series.h"
#include "support/test.h"

#include "base/hash.h"
#include "base/rng.h"
#include "engine/operator/entity.h"
#include "lapwing/lapwing.h"
#include "math/kernels.h"

#include <math.h>
#include <stdbool.h>

#define N_SERIES 10u
#define N_ROWS 1400u
#define STEP_NS INT64_C(60000000000)
#define LATENESS_NS (3 * STEP_NS)
#define SAMPLES_A_STEP 3u

/* Linked with --wrap=lw_kernels_best: the operator asks here which kernels to use. */
const struct lw_kernels *__wrap_lw_kernels_best(void);
const struct lw_kernels *__real_lw_kernels_best(void);
static bool force_plain;

const struct lw_kernels *__wrap_lw_kernels_best(void)
{
    size_t n;

    return force_plain ? lw_kernels_all(&n)[0] : __real_lw_kernels_best();
}

/* ---- the samples: rows of a server, three readings a minute of each metric ---- */

struct input {
    size_t n;
    struct lw_sample samples[N_ROWS * N_SERIES * SAMPLES_A_STEP];
};

static struct input *input;

static void read_rows(void)
{
    FILE *file = fopen(LW_TEST_DATA "/smd/machine-1-6-test.csv", "r");
    char line[4096];

    input = calloc(1, sizeof(*input));
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    for (uint32_t row = 0; row < N_ROWS && fgets(line, sizeof(line), file) != NULL; row++) {
        char *at = line;

        for (uint32_t series = 0; series < N_SERIES; series++) {
            double value = strtod(at, &at);

            at++;
            for (uint32_t i = 0; i < SAMPLES_A_STEP; i++) {
                if ((row * 7 + series * 13 + i) % 97 != 0) { /* A real stream has holes. */
                    input->samples[input->n++] = (struct lw_sample){
                        series, (int64_t)row * STEP_NS + (int64_t)i * (STEP_NS / SAMPLES_A_STEP),
                        value + 0.001 * (double)i};
                }
            }
        }
    }
    (void)fclose(file);
    assert_true(input->n > N_ROWS * N_SERIES);
}

/* Stable order by time, as a source would deliver. */
static int by_time(const void *a, const void *b)
{
    const struct lw_sample *x = a, *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return (x->series > y->series) - (x->series < y->series);
}

/* ---- a run ---- */

struct run {
    struct lw_detector *detector;
    struct lw_pool *pool;
    struct lw_entity *entity;
    struct lw_sink sink;
    uint64_t hash;
    uint64_t n_verdicts, n_anomalies, n_tier1;
};

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t n)
{
    return lw_hash_bytes(bytes, n, hash);
}

static void on_verdict(void *context, const struct lw_entity *entity,
                       const struct lw_verdict *verdict)
{
    struct run *run = context;
    const float numbers[] = {verdict->value,       verdict->score,    verdict->event,
                             verdict->return_rows, verdict->expected, verdict->lower,
                             verdict->upper};
    const uint8_t flags[] = {verdict->confidence, verdict->type, verdict->alarm, verdict->onset};

    (void)entity;
    run->hash = mix_bytes(run->hash, &verdict->time_ns, sizeof(verdict->time_ns));
    run->hash = mix_bytes(run->hash, &verdict->series, sizeof(verdict->series));
    run->hash = mix_bytes(run->hash, numbers, sizeof(numbers));
    run->hash = mix_bytes(run->hash, flags, sizeof(flags));
    run->n_verdicts++;
    run->n_tier1 += verdict->series == LW_SERIES_NONE ? 1 : 0;
}

static void on_anomaly(void *context, const struct lw_entity *entity,
                       const struct lw_anomaly *anomaly)
{
    struct run *run = context;

    (void)entity;
    run->hash = mix_bytes(run->hash, &anomaly->id, sizeof(anomaly->id));
    run->hash = mix_bytes(run->hash, &anomaly->peak_score, sizeof(anomaly->peak_score));
    run->hash = mix_bytes(run->hash, &anomaly->n_steps, sizeof(anomaly->n_steps));
    run->n_anomalies++;
}

static void run_open(struct run *run, const char *step, const char *lateness)
{
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};

    memset(run, 0, sizeof(*run));
    run->sink = (struct lw_sink){on_verdict, on_anomaly, run};
    assert_int_equal(lw_spec_create(&spec, &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "step", step, &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "lateness", lateness, &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "operating_point", "benchmark", &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "train_after", "200", &error), LW_OK);
    assert_int_equal(lw_spec_set(spec, "features", "level, short_mean, long_p95", &error), LW_OK);
    assert_int_equal(lw_detector_create(spec, "property", &run->detector, &error), LW_OK);
    lw_spec_destroy(spec);
    assert_int_equal(lw_pool_create(&run->pool, &error), LW_OK);
    assert_int_equal(lw_entity_create(run->pool, run->detector, "server", &run->entity, &error),
                     LW_OK);
    for (uint32_t i = 0; i < N_SERIES; i++) {
        char name[16];
        uint32_t number;

        (void)snprintf(name, sizeof(name), "metric_%u", i);
        assert_int_equal(lw_entity_series(run->entity, name, name, &number, &error), LW_OK);
        assert_int_equal(number, i);
    }
}

static void run_close(struct run *run)
{
    lw_pool_destroy(run->pool); /* And with it the entity. */
    lw_detector_release(run->detector);
}

/* Saves, forgets and loads the entity. */
static void run_carry_over(struct run *run)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct lw_error error = {0};

    assert_int_equal(lw_entity_save(run->entity, &bytes, &n_bytes, &error), LW_OK);
    lw_entity_destroy(run->entity);
    run->entity = NULL;
    if (lw_entity_load(run->pool, run->detector, bytes, n_bytes, &run->entity, &error) != LW_OK) {
        fail_msg("load: %s", error.message);
    }
    lw_bytes_free(bytes);
}

/* All samples in order, the watermark after each. */
static void run_in_order(struct run *run)
{
    for (size_t i = 0; i < input->n; i++) {
        lw_observe(run->entity, &input->samples[i], 1, 0, &run->sink);
        lw_advance(run->entity, input->samples[i].time_ns, &run->sink);
    }
    lw_advance(run->entity, INT64_C(1) << 60, &run->sink);
}

static uint64_t seed_now(void)
{
    const char *text = getenv("LW_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20261121;

    print_message("LW_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void same(const struct run *a, const struct run *b)
{
    assert_true(a->n_verdicts > 1000 && a->n_anomalies > 0);
    assert_int_equal(a->n_verdicts, b->n_verdicts);
    assert_int_equal(a->n_anomalies, b->n_anomalies);
    assert_int_equal(a->hash, b->hash);
}

/* ---- the properties ---- */

static void test_operator__goes_on_after_any_save_and_load(void **state)
{
    struct lw_rng rng;
    struct run whole, split;

    (void)state;
    lw_rng_seed(&rng, seed_now());
    run_open(&whole, "60s", "0s");
    run_in_order(&whole);
    print_message("%u verdicts of tier 1, %u notices\n", (unsigned)whole.n_tier1,
                  (unsigned)whole.n_anomalies);
    assert_true(whole.n_tier1 > 300); /* Tier 1 was trained and took part. */
    run_open(&split, "60s", "0s");
    for (size_t i = 0; i < input->n; i++) {
        if (lw_rng_below(&rng, 400) == 0) {
            run_carry_over(&split);
        }
        lw_observe(split.entity, &input->samples[i], 1, 0, &split.sink);
        lw_advance(split.entity, input->samples[i].time_ns, &split.sink);
    }
    lw_advance(split.entity, INT64_C(1) << 60, &split.sink);
    same(&whole, &split);
    run_close(&whole);
    run_close(&split);
}

/* Any order of arrival in which no sample is more than the lateness behind the newest. */
static void shuffle_within_lateness(struct lw_sample *samples, size_t n, struct lw_rng *rng)
{
    struct arrival {
        int64_t at_ns;
        struct lw_sample sample;
    } *arrivals = calloc(n, sizeof(*arrivals));

    for (size_t i = 0; i < n; i++) {
        arrivals[i].at_ns = samples[i].time_ns +
                            (int64_t)lw_rng_below(rng, (uint64_t)(LATENESS_NS - STEP_NS));
        arrivals[i].sample = samples[i];
    }
    for (size_t gap = n / 2; gap > 0; gap /= 2) { /* Shell's sort: cmocka's tests may not nest a
                                                     comparison. */
        for (size_t i = gap; i < n; i++) {
            struct arrival moving = arrivals[i];
            size_t j = i;

            for (; j >= gap && arrivals[j - gap].at_ns > moving.at_ns; j -= gap) {
                arrivals[j] = arrivals[j - gap];
            }
            arrivals[j] = moving;
        }
    }
    for (size_t i = 0; i < n; i++) {
        samples[i] = arrivals[i].sample;
    }
    free(arrivals);
}

static void test_operator__does_not_care_for_the_order_within_the_lateness(void **state)
{
    struct lw_sample *shuffled = calloc(input->n, sizeof(*shuffled));
    struct lw_entity_counts counts;
    struct lw_rng rng;
    struct run ordered, mixed;
    int64_t newest = INT64_MIN;

    (void)state;
    lw_rng_seed(&rng, seed_now());
    memcpy(shuffled, input->samples, input->n * sizeof(*shuffled));
    shuffle_within_lateness(shuffled, input->n, &rng);
    assert_memory_not_equal(shuffled, input->samples, input->n * sizeof(*shuffled));
    run_open(&ordered, "60s", "180s");
    run_in_order(&ordered);
    run_open(&mixed, "60s", "180s");
    for (size_t i = 0; i < input->n; i++) {
        lw_observe(mixed.entity, &shuffled[i], 1, 0, &mixed.sink);
        newest = shuffled[i].time_ns > newest ? shuffled[i].time_ns : newest;
        lw_advance(mixed.entity, newest, &mixed.sink);
    }
    lw_advance(mixed.entity, INT64_C(1) << 60, &mixed.sink);
    lw_entity_counts(mixed.entity, &counts);
    assert_int_equal(counts.late, 0);
    assert_int_equal(counts.overflow, 0);
    same(&ordered, &mixed);
    run_close(&ordered);
    run_close(&mixed);
    free(shuffled);
}

static void test_operator__closes_many_steps_as_it_closes_one(void **state)
{
    struct lw_rng rng;
    struct run often, seldom;
    unsigned n_since = 0;

    (void)state;
    lw_rng_seed(&rng, seed_now());
    run_open(&often, "60s", "0s");
    run_in_order(&often);
    run_open(&seldom, "60s", "0s");
    for (size_t i = 0; i < input->n; i++) {
        lw_observe(seldom.entity, &input->samples[i], 1, 0, &seldom.sink);
        n_since++;
        if (lw_rng_below(&rng, 300) == 0 || n_since == 500) { /* Up to 17 minutes at once: the
                                                                 samples kept bound it. */
            lw_advance(seldom.entity, input->samples[i].time_ns, &seldom.sink);
            n_since = 0;
        }
    }
    lw_advance(seldom.entity, INT64_C(1) << 60, &seldom.sink);
    same(&often, &seldom);
    run_close(&often);
    run_close(&seldom);
}

static void test_operator__gives_the_same_bits_plain_and_simd(void **state)
{
    struct run fast, plain;
    size_t n;

    (void)state;
    (void)lw_kernels_all(&n);
    print_message("kernels: %s against plain, %zu tables\n", __real_lw_kernels_best()->name, n);
    run_open(&fast, "60s", "0s");
    run_in_order(&fast);
    force_plain = true;
    run_open(&plain, "60s", "0s");
    run_in_order(&plain);
    force_plain = false;
    same(&fast, &plain);
    run_close(&fast);
    run_close(&plain);
}

static void test_operator__each_sample_its_own_step_carries_over_too(void **state)
{
    struct lw_rng rng;
    struct run whole, split;

    (void)state;
    lw_rng_seed(&rng, seed_now());
    run_open(&whole, "sample", "0s");
    run_open(&split, "sample", "0s");
    for (size_t i = 0; i < input->n; i++) {
        lw_observe(whole.entity, &input->samples[i], 1, i, &whole.sink);
        if (lw_rng_below(&rng, 500) == 0) {
            run_carry_over(&split);
        }
        lw_observe(split.entity, &input->samples[i], 1, i, &split.sink);
    }
    same(&whole, &split);
    run_close(&whole);
    run_close(&split);
}

/* Samples until the entity has seen so many rows; returns where the next ones are. */
static size_t run_to_row(struct run *run, size_t from, uint64_t n_rows)
{
    size_t i = from;

    for (; run->entity->tier1->rows.n_seen < n_rows; i++) {
        assert_true(i < input->n);
        lw_observe(run->entity, &input->samples[i], 1, 0, &run->sink);
        lw_advance(run->entity, input->samples[i].time_ns, &run->sink);
    }
    return i;
}

static void test_operator__allocates_nothing_while_samples_flow(void **state)
{
    struct run run;
    uint64_t before, n_tier1;
    size_t at;

    (void)state;
    run_open(&run, "60s", "0s");
    at = run_to_row(&run, 0, 700); /* Tier 1 was trained at 200 and 400 rows; then at 800. */
    assert_null(run.entity->tier1->job);
    before = lw_test_mem_calls();
    n_tier1 = run.n_tier1;
    at = run_to_row(&run, at, 790);
    assert_int_equal(lw_test_mem_calls(), before);
    assert_int_equal(run.n_tier1, n_tier1 + 90); /* It took part. */
    at = run_to_row(&run, at, 801);
    assert_non_null(run.entity->tier1->job); /* Until row 900 a training is on its way. */
    assert_true(lw_test_mem_calls() > before);
    before = lw_test_mem_calls();
    (void)run_to_row(&run, at, 890);
    assert_int_equal(lw_test_mem_calls(), before);
    run_close(&run);
}

static void test_operator__refuses_every_damaged_byte(void **state)
{
    struct run run;
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, seed_now());
    run_open(&run, "60s", "0s");
    for (size_t i = 0; i < 20000; i++) {
        lw_observe(run.entity, &input->samples[i], 1, 0, &run.sink);
        lw_advance(run.entity, input->samples[i].time_ns, &run.sink);
    }
    assert_int_equal(lw_entity_save(run.entity, &bytes, &n_bytes, NULL), LW_OK);
    for (unsigned i = 0; i < 300; i++) {
        size_t at = (size_t)lw_rng_below(&rng, n_bytes);
        struct lw_entity *entity = NULL;

        ((uint8_t *)bytes)[at] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(lw_entity_load(run.pool, run.detector, bytes, n_bytes, &entity, NULL),
                             LW_OK);
        assert_null(entity);
        ((uint8_t *)bytes)[at] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(lw_entity_load(run.pool, run.detector, bytes, at, &entity, NULL),
                             LW_OK);
    }
    lw_bytes_free(bytes);
    run_close(&run);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operator__goes_on_after_any_save_and_load),
        cmocka_unit_test(test_operator__does_not_care_for_the_order_within_the_lateness),
        cmocka_unit_test(test_operator__closes_many_steps_as_it_closes_one),
        cmocka_unit_test(test_operator__gives_the_same_bits_plain_and_simd),
        cmocka_unit_test(test_operator__each_sample_its_own_step_carries_over_too),
        cmocka_unit_test(test_operator__allocates_nothing_while_samples_flow),
        cmocka_unit_test(test_operator__refuses_every_damaged_byte),
    };
    int result;

    read_rows();
    qsort(input->samples, input->n, sizeof(input->samples[0]), by_time);
    result = LW_TEST_RUN(tests);
    free(input);
    return result;
}
