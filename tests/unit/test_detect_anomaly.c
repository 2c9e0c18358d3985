/* From verdicts to anomalies: opening, shape, blame, closing. */
#include "detect/anomaly.h"

#include "base/rng.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define STEP INT64_C(10000000000)

static const struct lw_life_rule RULE = {.seed = 7, .quiet_steps = 5, .hysteresis = {1, 1}};

/* A verdict in a band of 1 to 3 around 2. */
static struct lw_verdict verdict_of(uint32_t series, float value, bool alarm, bool onset)
{
    struct lw_verdict verdict = {.series = series,
                                 .confidence = LW_FULL,
                                 .alarm = alarm,
                                 .onset = onset,
                                 .value = value,
                                 .score = alarm ? 0.6f : 0.1f,
                                 .return_rows = alarm ? 1000.0f : 0.0f,
                                 .expected = 2.0f,
                                 .lower = 1.0f,
                                 .upper = 3.0f};

    return verdict;
}

/* One step of one series; what was handed out, or a phase of 0. */
static struct lw_anomaly step(const struct lw_life_rule *rule, struct lw_life *life, int64_t i,
                              struct lw_verdict verdict)
{
    struct lw_anomaly anomaly = {.phase = 0};

    verdict.time_ns = i * STEP;
    lw_life_begin(life, i * STEP);
    lw_life_take(life, &verdict);
    if (!lw_life_end(rule, life, &anomaly)) {
        anomaly.phase = 0;
    }
    return anomaly;
}

static void test_anomaly__opens_at_an_onset_and_closes_after_quiet_steps(void **state)
{
    struct lw_life life;
    struct lw_anomaly a, opened;

    (void)state;
    lw_life_init(&life);
    assert_true(lw_life_idle(&life));
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(step(&RULE, &life, i, verdict_of(3, 2.0f, false, false)).phase, 0);
    }
    opened = step(&RULE, &life, 10, verdict_of(3, 9.0f, true, true));
    assert_int_equal(opened.phase, LW_ANOMALY_OPENED);
    assert_int_equal(opened.type, LW_TYPE_SPIKE);
    assert_int_equal(opened.start_ns, 10 * STEP);
    assert_int_equal(opened.n_steps, 1);
    assert_int_equal(opened.n_contributions, 1);
    assert_int_equal(opened.contributions[0].series, 3);
    assert_true(opened.contributions[0].share == 1.0f && opened.contributions[0].value == 9.0f &&
                opened.contributions[0].expected == 2.0f);
    assert_true(lw_life_open(&life) && !lw_life_idle(&life));
    a = step(&RULE, &life, 11, verdict_of(3, 9.0f, true, false));
    assert_int_equal(a.phase, LW_ANOMALY_UPDATED);
    assert_int_equal(a.n_steps, 2);
    for (int64_t i = 12; i < 16; i++) {
        assert_int_equal(step(&RULE, &life, i, verdict_of(3, 2.0f, false, false)).phase, 0);
    }
    a = step(&RULE, &life, 16, verdict_of(3, 2.0f, false, false));
    assert_int_equal(a.phase, LW_ANOMALY_CLOSED);
    assert_true(a.id == opened.id && a.id != 0);
    assert_int_equal(a.last_ns, 11 * STEP);
    assert_int_equal(a.start_ns, 10 * STEP);
    assert_true(lw_life_idle(&life));
    a = step(&RULE, &life, 30, verdict_of(3, -9.0f, true, true));
    assert_int_equal(a.type, LW_TYPE_DROP);
    assert_int_equal(a.n_steps, 1);
    assert_true(a.id != opened.id);
}

static void test_anomaly__needs_an_onset_not_only_alarms(void **state)
{
    struct lw_life life;

    (void)state;
    lw_life_init(&life);
    for (int64_t i = 0; i < 100; i++) {
        assert_int_equal(step(&RULE, &life, i, verdict_of(0, 9.0f, true, false)).phase, 0);
    }
    assert_int_equal(step(&RULE, &life, 100, verdict_of(0, 9.0f, true, true)).start_ns, 100 * STEP);
}

static void test_anomaly__opens_when_m_of_n_agree(void **state)
{
    static const struct lw_life_rule rule = {.seed = 7, .quiet_steps = 5, .hysteresis = {3, 5}};
    static const bool alarms[] = {true, false, false, false, false, false, true, true, false, true};
    struct lw_life life;

    (void)state;
    lw_life_init(&life);
    for (int64_t i = 0; i < 10; i++) {
        bool onset = i == 0 || i == 6;
        struct lw_anomaly a = step(&rule, &life, i, verdict_of(0, 9.0f, alarms[i], onset));

        assert_int_equal(a.phase, i == 9 ? LW_ANOMALY_OPENED : 0);
        if (i == 9) {
            assert_int_equal(a.start_ns, 6 * STEP); /* The onset of step 0 was forgotten. */
            assert_int_equal(a.n_steps, 3);
        }
    }
}

static void test_anomaly__waits_for_quiet_time_too(void **state)
{
    static const struct lw_life_rule rule = {
        .seed = 7, .quiet_steps = 2, .quiet_ns = 20 * STEP, .hysteresis = {1, 1}};
    struct lw_life life;

    (void)state;
    lw_life_init(&life);
    (void)step(&rule, &life, 0, verdict_of(0, 9.0f, true, true));
    for (int64_t i = 1; i < 20; i++) {
        assert_int_equal(step(&rule, &life, i, verdict_of(0, 2.0f, false, false)).phase, 0);
    }
    assert_int_equal(step(&rule, &life, 20, verdict_of(0, 2.0f, false, false)).phase,
                     LW_ANOMALY_CLOSED);
}

static void test_anomaly__stays_open_while_any_series_alarms(void **state)
{
    struct lw_life life;
    struct lw_anomaly a;

    (void)state;
    lw_life_init(&life);
    for (int64_t i = 0; i < 40; i++) {
        struct lw_verdict first = verdict_of(1, i < 3 ? 9.0f : 2.0f, i < 3, i == 0);
        struct lw_verdict second = verdict_of(2, i >= 5 ? -9.0f : 2.0f, i >= 5, false);

        lw_life_begin(&life, i * STEP);
        lw_life_take(&life, &first);
        lw_life_take(&life, &second);
        (void)lw_life_end(&RULE, &life, &a);
        assert_true(lw_life_open(&life));
    }
    assert_int_equal(life.n_steps, 38);
    assert_int_equal(a.contributions[0].series, 2);
    assert_int_equal(a.contributions[1].series, 1);
}

/* The type after n anomalous steps of value(i). */
static enum lw_anomaly_type type_after(int n, float (*value)(int), uint8_t said)
{
    struct lw_life life;
    struct lw_anomaly last = {.type = LW_TYPE_NONE};

    lw_life_init(&life);
    for (int i = 0; i < n; i++) {
        struct lw_verdict verdict = verdict_of(0, value(i), true, i == 0);
        struct lw_anomaly a;

        verdict.type = said;
        a = step(&RULE, &life, i, verdict);
        last = a.phase != 0 ? a : last;
    }
    return (enum lw_anomaly_type)last.type;
}

static float jitter(int i)
{
    return (float)((i * 37) % 11 - 5) * 0.02f;
}

static float high(int i)
{
    return 8.0f + jitter(i);
}

static float low(int i)
{
    return -4.0f + jitter(i);
}

static float climbing(int i)
{
    return 4.0f + 0.2f * (float)i + jitter(i);
}

static float falling(int i)
{
    return 0.0f - 0.2f * (float)i + jitter(i);
}

static float wild(int i)
{
    return i % 2 == 0 ? 7.0f + jitter(i) : -3.0f;
}

static float inside(int i)
{
    return 2.0f + jitter(i);
}

static void test_anomaly__has_the_type_of_its_shape_so_far(void **state)
{
    (void)state;
    assert_int_equal(type_after(5, high, LW_TYPE_SPIKE), LW_TYPE_SPIKE);
    assert_int_equal(type_after(5, low, LW_TYPE_NONE), LW_TYPE_DROP);
    assert_int_equal(type_after(64, high, LW_TYPE_SPIKE), LW_TYPE_LEVEL);
    assert_int_equal(type_after(64, low, LW_TYPE_DROP), LW_TYPE_LEVEL);
    assert_int_equal(type_after(64, climbing, LW_TYPE_SPIKE), LW_TYPE_TREND);
    assert_int_equal(type_after(64, falling, LW_TYPE_DROP), LW_TYPE_TREND);
    assert_int_equal(type_after(64, wild, LW_TYPE_SPIKE), LW_TYPE_NOISE);
    assert_int_equal(type_after(64, inside, LW_TYPE_NONE), LW_TYPE_PATTERN);
    assert_int_equal(type_after(5, high, LW_TYPE_NOISE), LW_TYPE_NOISE);
    assert_int_equal(type_after(64, high, LW_TYPE_RANGE), LW_TYPE_RANGE);
    assert_int_equal(type_after(64, inside, LW_TYPE_STUCK), LW_TYPE_STUCK);
    assert_int_equal(type_after(5, high, LW_TYPE_CORRELATION), LW_TYPE_CORRELATION);
}

static void test_anomaly__keeps_its_peak(void **state)
{
    static const float scores[] = {0.6f, 0.9f, 0.7f, 0.9f};
    struct lw_life life;
    struct lw_anomaly last = {.phase = 0};

    (void)state;
    lw_life_init(&life);
    for (int i = 0; i < 9; i++) {
        struct lw_verdict verdict = verdict_of(0, 9.0f, i < 4, i == 0);
        struct lw_anomaly a;

        verdict.score = i < 4 ? scores[i] : 0.99f; /* Scores outside an alarm do not count. */
        verdict.return_rows = i == 2 ? 5000.0f : 100.0f;
        a = step(&RULE, &life, i, verdict);
        last = a.phase != 0 ? a : last;
    }
    assert_int_equal(last.phase, LW_ANOMALY_CLOSED);
    assert_true(last.peak_score == 0.9f && last.peak_ns == STEP && last.return_rows == 5000.0f);
}

static void test_anomaly__blames_the_largest_and_shares_stay_within_one(void **state)
{
    double energy[100] = {0.0}, total = 0.0;
    struct lw_life life;
    struct lw_anomaly a = {.phase = 0}, last = {.phase = 0};
    struct lw_rng rng;
    float sum = 0.0f;

    (void)state;
    lw_rng_seed(&rng, 4);
    lw_life_init(&life);
    for (int i = 0; i < 60; i++) {
        lw_life_begin(&life, i * STEP);
        for (uint32_t series = 0; series < 100; series++) {
            struct lw_verdict verdict = verdict_of(series, 9.0f, true, i == 0);
            double odds;

            verdict.score = series % 20 == 13 ? 0.9f : (float)(0.3 + 0.2 * lw_rng_double(&rng));
            odds = (double)verdict.score / (1.0 - (double)verdict.score);
            energy[series] += odds * odds;
            total += odds * odds;
            lw_life_take(&life, &verdict);
        }
        if (lw_life_end(&RULE, &life, &a)) {
            last = a;
        }
    }
    assert_int_equal(last.n_contributions, LW_CONTRIBUTIONS_MAX);
    for (uint32_t k = 0; k < LW_CONTRIBUTIONS_MAX; k++) {
        sum += last.contributions[k].share;
        assert_true(k == 0 || last.contributions[k].share <= last.contributions[k - 1].share);
    }
    assert_true(sum <= 1.0f);
    for (uint32_t k = 0; k < 5; k++) { /* Series 13, 33, 53, 73, 93 stand out; what is remembered of
                                          them is nearly all. */
        uint32_t series = last.contributions[k].series;

        assert_int_equal(series % 20, 13);
        assert_true(fabs((double)last.contributions[k].share - energy[series] / total) < 0.01);
    }
}

static void test_anomaly__shares_out_what_tier_1_blames(void **state)
{
    struct lw_life life;
    struct lw_anomaly a;
    struct lw_verdict entity = verdict_of(LW_SERIES_NONE, NAN, true, true);

    (void)state;
    lw_life_init(&life);
    lw_life_begin(&life, STEP);
    lw_life_contribute(&life, 4, 0.5f, 1.0f, 2.0f); /* No verdict about the entity yet. */
    lw_life_take(&life, &entity);
    lw_life_contribute(&life, 1, 0.25f, 5.0f, 2.0f);
    lw_life_contribute(&life, 2, 0.75f, 6.0f, 2.0f);
    lw_life_contribute(&life, 3, 0.0f, 6.0f, 2.0f);
    assert_true(lw_life_end(&RULE, &life, &a));
    assert_int_equal(a.type, LW_TYPE_PATTERN);
    assert_int_equal(a.n_contributions, 2);
    assert_int_equal(a.contributions[0].series, 2);
    assert_true(fabs((double)a.contributions[0].share - 0.75) < 1e-6 &&
                a.contributions[0].value == 6.0f);
}

/* Told when it doubles, when its peak rises, when the leader changes: not at every step. */
static void test_anomaly__is_updated_only_when_something_changes(void **state)
{
    struct lw_life life;
    int n_updates = 0;

    (void)state;
    lw_life_init(&life);
    (void)step(&RULE, &life, 0, verdict_of(0, 9.0f, true, true));
    for (int64_t i = 1; i < 1024; i++) {
        n_updates += step(&RULE, &life, i, verdict_of(0, high((int)i), true, false)).phase ==
                     LW_ANOMALY_UPDATED;
    }
    assert_true(n_updates >= 10 && n_updates <= 12);
}

static void test_anomaly__ids_repeat_after_a_replay_and_differ_otherwise(void **state)
{
    struct lw_life_rule other = RULE;
    struct lw_life a, b, c;

    (void)state;
    other.seed = 8;
    lw_life_init(&a);
    lw_life_init(&b);
    lw_life_init(&c);
    assert_true(step(&RULE, &a, 5, verdict_of(0, 9.0f, true, true)).id ==
                step(&RULE, &b, 5, verdict_of(1, 9.0f, true, true)).id);
    assert_true(step(&other, &c, 5, verdict_of(0, 9.0f, true, true)).id != a.id);
    (void)step(&RULE, &a, 5, verdict_of(0, 9.0f, true, false));
    for (int i = 0; i < 5; i++) {
        (void)step(&RULE, &a, 5, verdict_of(0, 2.0f, false, false));
    }
    assert_false(lw_life_open(&a));
    assert_true(step(&RULE, &a, 5, verdict_of(0, 9.0f, true, true)).id != b.id); /* Rows may share a
                                                                                    time. */
}

static void test_anomaly__goes_on_from_bytes_as_if_nothing_was(void **state)
{
    struct lw_life life;
    struct lw_rng rng;
    struct lw_writer writer;
    struct lw_reader reader;
    int n_told = 0;

    (void)state;
    lw_rng_seed(&rng, 6);
    lw_life_init(&life);
    lw_writer_init(&writer);
    for (int64_t i = 0; i < 3000; i++) {
        bool alarm = lw_rng_below(&rng, 9) == 0 || (i / 100) % 4 == 1;
        struct lw_verdict verdict = verdict_of((uint32_t)lw_rng_below(&rng, 30),
                                               (float)lw_rng_below(&rng, 9), alarm,
                                               alarm && lw_rng_below(&rng, 3) == 0);
        struct lw_life again;
        struct lw_anomaly a, b;

        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));
        lw_writer_reset(&writer);
        lw_life_save(&life, &writer);
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        assert_int_equal(lw_life_load(&again, &reader, NULL), LW_OK);
        assert_int_equal(lw_reader_left(&reader), 0);
        a = step(&RULE, &again, i, verdict);
        b = step(&RULE, &life, i, verdict);
        assert_int_equal(a.phase, b.phase);
        if (a.phase != 0) {
            assert_memory_equal(&a, &b, sizeof(a));
            n_told++;
        }
        life = again; /* From here on the loaded one lives. */
    }
    assert_true(n_told > 100);
    for (size_t n = 0; n < writer.n_bytes; n++) {
        struct lw_life cut;

        lw_reader_init(&reader, writer.data, n);
        assert_int_equal(lw_life_load(&cut, &reader, NULL), LW_EFORMAT);
    }
    lw_writer_fini(&writer);
}

static void test_anomaly_type__has_a_name(void **state)
{
    (void)state;
    assert_string_equal(lw_anomaly_type_name(LW_TYPE_NONE), "");
    assert_string_equal(lw_anomaly_type_name(LW_TYPE_SPIKE), "spike");
    assert_string_equal(lw_anomaly_type_name(LW_TYPE_LEVEL), "level shift");
    assert_string_equal(lw_anomaly_type_name(LW_TYPE_SKEW), "clock skew");
    assert_string_equal(lw_anomaly_type_name(LW_TYPE_RANGE), "range");
    assert_string_equal(lw_anomaly_type_name((enum lw_anomaly_type)(LW_TYPE_RANGE + 1)), "unknown");
    for (int type = LW_TYPE_SPIKE; type <= LW_TYPE_RANGE; type++) {
        assert_true(strlen(lw_anomaly_type_name((enum lw_anomaly_type)type)) > 3);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anomaly__opens_at_an_onset_and_closes_after_quiet_steps),
        cmocka_unit_test(test_anomaly__needs_an_onset_not_only_alarms),
        cmocka_unit_test(test_anomaly__opens_when_m_of_n_agree),
        cmocka_unit_test(test_anomaly__waits_for_quiet_time_too),
        cmocka_unit_test(test_anomaly__stays_open_while_any_series_alarms),
        cmocka_unit_test(test_anomaly__has_the_type_of_its_shape_so_far),
        cmocka_unit_test(test_anomaly__keeps_its_peak),
        cmocka_unit_test(test_anomaly__blames_the_largest_and_shares_stay_within_one),
        cmocka_unit_test(test_anomaly__shares_out_what_tier_1_blames),
        cmocka_unit_test(test_anomaly__is_updated_only_when_something_changes),
        cmocka_unit_test(test_anomaly__ids_repeat_after_a_replay_and_differ_otherwise),
        cmocka_unit_test(test_anomaly__goes_on_from_bytes_as_if_nothing_was),
        cmocka_unit_test(test_anomaly_type__has_a_name),
    };

    return LW_TEST_RUN(tests);
}
