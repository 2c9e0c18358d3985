/*
 * The parts of tier 0 against slow references written from their definitions, on real series.
 *
 * The references keep every row and compute each quantity anew or by the textbook's full form: none
 * shares code or layout with the parts.
 */
#include "support/series.h"
#include "support/test.h"

#include "detect/baseline/cadence.h"
#include "detect/baseline/forecast.h"
#include "detect/baseline/incident.h"
#include "detect/baseline/novelty.h"
#include "detect/baseline/period.h"
#include "detect/baseline/season.h"
#include "detect/tail.h"
#include "math/elementary.h"
#include "math/kernels.h"

#include <math.h>

static void near_enough(double got, double expected, double tolerance, size_t row)
{
    if (!(fabs(got - expected) <= tolerance * (1.0 + fabs(expected)))) {
        fail_msg("row %zu: got %.17g, expected %.17g", row, got, expected);
    }
}

static struct lw_track_pace pace_of(size_t row, double rows_a_day)
{
    double slow = 1.0 / (7.0 * rows_a_day), early = 1.0 / ((double)row + 1.0);
    struct lw_track_pace pace = {
        .rate = early > slow ? early : slow, .clip = row < 20 ? 6.0 : 2.75, .shift_rows = 288};

    pace.shift_rate = 4.0 / 288.0;
    return pace;
}

/* The recipe's tracker, word for word: level, two variances, clip, shift counters. */
struct plain_track {
    double level, above, below;
    int risen, fallen;
};

static double plain_track_step(struct plain_track *track, size_t row, double rows_a_day, double x)
{
    double slow = 1.0 / (7.0 * rows_a_day), rate = 1.0 / (double)(row + 1),
           clip = row < 20 ? 6.0 : 2.75;
    double d = x - track->level, both = track->above + track->below;
    double variance = fmax(d < 0 ? track->below : track->above, 0.5 * both);
    double scale = sqrt(variance), z, c;

    rate = fmax(rate, slow);
    if (scale == 0 && d != 0) { /* The first change: its scale is the root mean square so far. */
        track->level += d * rate;
        *(d < 0 ? &track->below : &track->above) = d * d * rate;
        return d / sqrt(d * d * rate);
    }
    z = scale > 0 ? d / scale : 0;
    c = fmin(fmax(z, -clip), clip);
    for (int side = 0; side < 2; side++) {
        int *count = side == 0 ? &track->risen : &track->fallen,
            is_far = side == 0 ? z >= 3 : z <= -3;

        if (*count > 288 && is_far) {
            *count = 576; /* Confirmed and still far off: all of the adoption lies ahead. */
        } else if (*count > 288) {
            *count = *count - 1 > 288 ? *count - 1 : 0;
        } else if (is_far) {
            *count = *count == 288 ? 576 : *count + 1;
        } else {
            *count = *count > 4 ? *count - 4 : 0;
        }
    }
    if (track->risen > 288 || track->fallen > 288) {
        rate = fmax(rate, 4.0 / 288.0);
    }
    track->level += rate * c * scale;
    if (z < 0) {
        track->below += rate * (c * c * scale * scale - track->below);
    } else {
        track->above += rate * (c * c * scale * scale - track->above);
    }
    return z;
}

static void test_track__equals_its_definition(void **state)
{
    static const char *const names[] = {"nab_elb_request_count_8c0756.csv",
                                        "nab_iio_network_in.csv", "mscloud_ingress_02_excerpt.csv"};

    (void)state;
    for (size_t n = 0; n < 3; n++) {
        struct lw_test_series *series = lw_test_series_read(names[n]);
        struct lw_track track = {0};
        struct plain_track plain = {0};

        for (size_t i = 0; i < series->n; i++) {
            struct lw_track_pace pace = pace_of(i, 288.0);
            double x = series->values[i] - series->values[0];
            double z = lw_track_step(&track, &pace, x);

            /* Its variances are floats: the error grows with the rows, not beyond this. */
            near_enough(z, plain_track_step(&plain, i, 288.0, x), 2e-3, i);
            assert_int_equal(track.risen, plain.risen);
        }
        free(series);
    }
}

/* A level that moved for good is adopted within about a day; one spike leaves nearly no trace. */
static void test_track__adopts_a_confirmed_shift_and_resists_a_spike(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_elb_request_count_8c0756.csv");
    struct lw_track calm = {0}, spiked = {0}, shifted = {0};

    (void)state;
    for (size_t i = 0; i < 3000; i++) {
        struct lw_track_pace pace = pace_of(i, 288.0);

        (void)lw_track_step(&calm, &pace, series->values[i]);
        (void)lw_track_step(&spiked, &pace, i == 2000 ? 1e12 : series->values[i]);
        (void)lw_track_step(&shifted, &pace, series->values[i] + (i >= 2000 ? 5000.0 : 0.0));
    }
    near_enough(spiked.level, calm.level, 0.02, 3000);
    assert_true(shifted.level > calm.level + 4000.0);
    free(series);
}

/* Full matrices, no symmetry used, the same weights and holds. */
struct plain_forecast {
    double theta[6], p[6][6];
};

static void plain_forecast_learn(struct plain_forecast *plain, const double phi[6], double error,
                                 double weight)
{
    double trace = 0, forget, pf[6] = {0}, power;

    for (int i = 0; i < 6; i++) {
        trace += plain->p[i][i];
        for (int j = 0; j < 6; j++) {
            pf[i] += plain->p[i][j] * phi[j];
        }
    }
    forget = trace < 50 ? 1 - 1.0 / 2000 : 1;
    power = forget / weight;
    for (int i = 0; i < 6; i++) {
        power += phi[i] * pf[i];
    }
    for (int i = 0; i < 6; i++) {
        plain->theta[i] += pf[i] / power * error;
        for (int j = 0; j < 6; j++) {
            plain->p[i][j] = (plain->p[i][j] - pf[i] * pf[j] / power) / forget;
        }
    }
}

static void test_forecast__equals_full_recursive_least_squares(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_nyc_taxi_2000.csv");
    const double level = 15000.0, spread = 7000.0;
    struct lw_forecast forecast;
    struct plain_forecast plain = {.theta = {0, 1}};
    double mean8 = 0, mean64 = 0;

    (void)state;
    lw_forecast_init(&forecast);
    for (int i = 0; i < 6; i++) {
        plain.p[i][i] = 1;
    }
    for (size_t i = 0; i < series->n; i++) {
        struct lw_track_pace pace = pace_of(i, 48.0);
        const double *x = series->values + i;
        double lags[3] = {i > 0 ? x[-1] : 0, i > 1 ? x[-2] : 0, i > 2 ? x[-3] : 0};
        double phi[6] = {1,
                         (lags[0] - level) / spread,
                         (lags[1] - level) / spread,
                         (lags[2] - level) / spread,
                         (mean8 - level) / spread,
                         (mean64 - level) / spread};
        double predicted = 0, error;
        struct lw_forecast_row row = {
            .value = *x, .level = level, .spread = spread, .period_ago = (float)lags[2]};
        struct lw_forecast_view view = lw_forecast_step(&forecast, &pace, &row);

        for (int k = 0; k < 6; k++) {
            predicted += plain.theta[k] * phi[k];
        }
        error = *x - (level + spread * predicted);
        near_enough(view.expected, i < 30 ? lags[0] : level + spread * predicted, 1e-3, i);
        plain_forecast_learn(&plain, phi, error / spread,
                             view.scale > 0 && fabs(error) > 2.75 * view.scale
                                 ? 2.75 * view.scale / fabs(error)
                                 : 1);
        mean8 += (*x - mean8) / 8;
        mean64 += (*x - mean64) / 64;
    }
    assert_true(fabs(forecast.error.level) < 1000.0);
    free(series);
}

/* Prototypes with the row of their last use, searched one by one. */
struct plain_novelty {
    double p[32], high, low;
    size_t used[32], n;
};

static double plain_novelty_step(struct plain_novelty *plain, size_t slots, double vigilance,
                                 size_t row, double v)
{
    size_t best = 0, oldest = 0;
    double d, pull = 1e-4 * (plain->high - plain->low) / 2;

    if (plain->n == 0) {
        plain->high = plain->low = v;
        plain->p[0] = v;
        plain->used[0] = row;
        plain->n = 1;
        return 0;
    }
    plain->high = fmax(plain->high - pull, v);
    plain->low = fmin(plain->low + pull, v);
    for (size_t i = 1; i < plain->n; i++) {
        best = fabs((float)v - plain->p[i]) < fabs((float)v - plain->p[best]) ? i : best;
        oldest = plain->used[i] < plain->used[oldest] ? i : oldest;
    }
    if (!(plain->high > plain->low)) {
        return 0;
    }
    d = fmin(fabs((float)v - plain->p[best]) / (plain->high - plain->low), 1);
    if (d / vigilance > 1) {
        size_t slot = plain->n < slots ? plain->n++ : oldest;

        plain->p[slot] = (float)v;
        plain->used[slot] = row;
    } else {
        plain->p[best] = (float)(plain->p[best] + (float)(0.05 * (v - plain->p[best])));
        plain->used[best] = row;
    }
    return d / vigilance;
}

static void novelty_equals_plain(const char *name, double vigilance, uint16_t slots)
{
    struct lw_test_series *series = lw_test_series_read(name);
    struct lw_novelty_rule rule = {
        .vigilance = vigilance, .pull = 1e-4, .slots = slots, .kernels = lw_kernels_best()};
    struct lw_novelty novelty = {0};
    struct plain_novelty plain = {0};
    float prototypes[32];
    uint8_t ages[32] = {0};
    size_t n_new = 0;

    for (int i = 0; i < 32; i++) {
        prototypes[i] = INFINITY;
    }
    for (size_t i = 0; i < series->n; i++) {
        struct lw_novelty_view view = lw_novelty_step(&novelty, &rule, prototypes, ages,
                                                      series->values[i]);

        near_enough(view.relative,
                    plain_novelty_step(&plain, slots, vigilance, i, series->values[i]), 1e-4, i);
        n_new += view.relative > 1.0;
    }
    assert_int_equal(novelty.n_used, plain.n);
    assert_true(n_new > 3);
    free(series);
}

static void test_novelty__equals_a_search_with_time_stamps(void **state)
{
    (void)state;
    novelty_equals_plain("nab_elb_request_count_8c0756.csv", 0.08, 32);
    novelty_equals_plain("nab_iio_network_in.csv", 0.08, 32);
    /* A vigilance so fine that prototypes must make room. */
    novelty_equals_plain("nab_nyc_taxi_2000.csv", 0.01, 16);
}

/* Every birth kept with its row; the definition's sums over all of them. */
static void test_births__return_rows_equal_the_sum_over_all_births(void **state)
{
    static const double severities[] = {1.0, 1.2, 9.0, 2.0, 40.0, 1.6, 3.3, 700.0, 1.1};
    struct lw_births births = {0};

    (void)state;
    for (size_t n = 0; n <= 9; n++) {
        double rows = 1000.0 + 500.0 * (double)n, severity = 5.0, expected = 1 / 125.0;

        for (size_t k = 0; k < n; k++) {
            double bin = floor(lw_log(severities[k]) / lw_log(1.5) + 1e-9);
            double middle = 1.25 * lw_exp((bin < 11 ? bin : 11) * lw_log(1.5));
            double share = middle / severity;

            expected += (share < 1 ? share * share * share : 1) * 500.0 * (double)(k + 1) / rows;
        }
        near_enough(lw_births_return_rows(&births, rows, 300.0, severity),
                    (0.5 * rows + 300.0) / expected, 1e-6, n);
        if (n < 9) {
            lw_births_add(&births, 500.0 * (double)(n + 1), severities[n]);
        }
    }
}

static double peak_middle(double peak)
{
    return 3 * exp(0.15 * (floor(log(peak / 3) / 0.15) + 0.5));
}

static double hill(const double *peaks, size_t n)
{
    double logs = 10.0 / 3.0;

    for (size_t k = 0; k < n; k++) {
        logs += log(peak_middle(peaks[k]) / 3);
    }
    return fmin(fmax((10.0 + (double)n) / logs, 1.5), 8.0);
}

/* Peaks kept as a list; each incident followed by the definition. */
static void test_incident__return_rows_equal_the_sum_over_all_peaks(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_incident incident = {0};
    uint16_t counts[LW_TAIL_BINS] = {0};
    double peaks[512], peak = 0, strength;
    size_t n = 0, length = 0, quiet = 0, asked = 0;

    (void)state;
    for (size_t i = 0; i < series->n; i++) {
        struct lw_incident_rule rule = {.rows = (double)i, .budget_rows = 800, .prior_rows = 500};
        double q = series->values[i] / 1.5e6;
        double got = lw_incident_step(&incident, counts, &rule, q, &strength), expected = 0;

        for (size_t k = 0; k < n && q >= 6; k++) {
            expected += fmin(1.0, pow(peak_middle(peaks[k]) / q, hill(peaks, n)));
        }
        if (q >= 6) {
            near_enough(got, ((double)i + 500) / (expected + pow(6 / q, 3)), 1e-6, i);
            asked++;
        } else {
            assert_true(got == 0.0 && strength == 0.0);
        }
        quiet = q > 3 ? 0 : quiet + 1;
        peak = q > 3 && (float)q > peak ? (double)(float)q : peak;
        length += peak > 0;
        if (peak > 0 && (quiet >= 50 || length >= 300)) {
            peaks[n++] = peak;
            peak = 0;
            length = 0;
        }
    }
    assert_true(asked > 20 && n > 5);
    free(series);
}

static void test_incident__alarms_once_and_again_only_for_twice_as_bad(void **state)
{
    struct lw_incident incident = {0};
    uint16_t counts[LW_TAIL_BINS] = {0};
    struct lw_incident_rule rule = {.rows = 5000, .budget_rows = 800, .prior_rows = 500};
    double strength;

    (void)state;
    (void)lw_incident_step(&incident, counts, &rule, 20.0, &strength);
    assert_true(strength > 1.0);
    (void)lw_incident_step(&incident, counts, &rule, 39.0, &strength);
    assert_true(strength == 0.0);
    (void)lw_incident_step(&incident, counts, &rule, 41.0, &strength);
    assert_true(strength > 1.0);
    for (int i = 0; i < 50; i++) {
        (void)lw_incident_step(&incident, counts, &rule, 1.0, &strength);
    }
    assert_true(incident.alarmed == 0.0f && counts[17] == 1);
}

static void test_refractory__lets_only_the_largest_of_50_rows_through(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_iio_network_in.csv");
    struct lw_refractory refractory = {0};
    float before[LW_TEST_SERIES_MAX];
    size_t n_onsets = 0, n_missed = 0;

    (void)state;
    for (size_t i = 0; i < series->n; i++) {
        double strength = series->values[i] > 4e5 ? series->values[i] / 4e5 : 0.0, largest = 0.0;
        double got = lw_refractory_step(&refractory, (uint32_t)i, strength);

        for (size_t k = i > 50 ? i - 50 : 0; k < i; k++) {
            largest = (double)before[k] > largest ? (double)before[k] : largest;
        }
        before[i] = (float)strength;
        if (got > 0.0 && !((double)(float)strength > largest)) {
            fail_msg("row %zu: %g passes after %g", i, strength, largest);
        }
        n_missed += got == 0.0 && (double)(float)strength > largest;
        n_onsets += got > 0.0;
    }
    /* The queue is short on purpose and errs to silence, seldom. */
    assert_true(n_onsets > 5 && n_onsets < 100 && n_missed * 4 < n_onsets);
    free(series);
}

static void test_season__learns_the_shape_and_the_scale_of_the_day(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_nyc_taxi_2000.csv");
    struct lw_season *season = calloc(1, sizeof(*season));
    double plain = 0.0, seasonal = 0.0, mean = 0.0;

    (void)state;
    for (size_t i = 0; i < series->n; i++) {
        struct lw_track_pace pace = pace_of(i, 48.0);
        int64_t in_day = series->times_ns[i] % INT64_C(86400000000000);
        struct lw_season_row row = {
            .phase = {(double)in_day / 864e11,
                      (uint16_t)(series->times_ns[i] / INT64_C(3600000000000) % 168)},
            .rows_a_day = 48.0,
            .value = series->values[i],
            .level = mean};
        struct lw_season_view view = lw_season_step(season, &pace, &row);

        near_enough(view.expected + view.deviation, series->values[i], 1e-9, i);
        if (i >= 1000) {
            seasonal += fabs(view.deviation);
            plain += fabs(series->values[i] - mean);
        }
        mean += (series->values[i] - mean) / ((double)i + 1.0);
    }
    assert_int_equal(season->n_bins, 48);
    assert_true(seasonal < 0.55 * plain);
    /* Saturday nights vary more than four in the morning of working days does. */
    assert_true(season->day[0].above + season->day[0].below >
                    2.0f * (season->day[8].above + season->day[8].below) ||
                season->day[2].above + season->day[2].below >
                    2.0f * (season->day[9].above + season->day[9].below));
    free(season);
    free(series);
}

/* Every fourth half hour of the taxis: a day has 12 rows, and nobody says so. Shuffled, it has no
 * period. */
static void test_period__finds_the_day_by_itself(void **state)
{
    struct lw_test_series *series = lw_test_series_read("nab_nyc_taxi_2000.csv");

    (void)state;
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        struct lw_period period = {0};
        float values[PERIOD_RING] = {0};
        struct lw_period_ring ring = {.values = values};
        size_t n_twelve = 0, n_period = 0, n = 20000;
        uint32_t random = 1;

        for (size_t i = 0; i < n; i++) {
            double value = series->values[4 * i % series->n];
            unsigned lag;

            random = random * 1664525u + 1013904223u;
            value = shuffled ? series->values[(random >> 8) % series->n] : value;
            lag = lw_period_step(&period, &ring, value, 1.0 / 5000.0);
            values[ring.at] = (float)value;
            ring.at = (ring.at + 1) % PERIOD_RING;
            n_twelve += lag % 12 == 0;
            n_period += lag != PERIOD_NONE;
        }
        if (shuffled ? n_period * 10 > n : n_twelve * 2 < n) {
            fail_msg("lag 12, 24 or 36 in %zu rows, any in %zu of %zu", n_twelve, n_period, n);
        }
    }
    free(series);
}

static void test_cadence__finds_the_step_through_gaps_and_repeats(void **state)
{
    struct lw_cadence cadence = {0};
    int64_t at = INT64_C(1400000000000000000), step = 0;

    (void)state;
    assert_int_equal(lw_cadence_step(&cadence, at), 0);
    at += INT64_C(7200000000000);
    (void)lw_cadence_step(&cadence, at);
    for (int i = 0; i < 200; i++) {
        at += i % 17 == 5 ? 0
                          : (i % 23 == 7 ? INT64_C(900000000000) : INT64_C(60000000000) + i % 3);
        step = lw_cadence_step(&cadence, at);
    }
    assert_true(step >= INT64_C(60000000000) && step <= INT64_C(60000000002));
    /* Repeated and earlier stamps say nothing. */
    assert_int_equal(lw_cadence_step(&cadence, at), step);
    assert_int_equal(lw_cadence_step(&cadence, INT64_MIN), step);
    assert_int_equal(lw_cadence_step(&cadence, INT64_MAX), step);
}

/* Events that come as they like, 10 to 50 minutes apart, with repeats: no gap has a majority, the
 * mean is the step. */
static void test_cadence__falls_back_to_the_mean_gap(void **state)
{
    struct lw_cadence cadence = {0};
    int64_t at = INT64_C(1400000000000000000), step = 0;
    uint32_t random = 7;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        random = random * 1664525u + 1013904223u;
        at += (int64_t)(10 + (random >> 8) % 41) * INT64_C(60000000000);
        step = lw_cadence_step(&cadence, at);
        if (i > 500 && (step < INT64_C(1500000000000) || step > INT64_C(2100000000000))) {
            fail_msg("row %d: step %lld s", i, (long long)(step / 1000000000));
        }
    }
}

static void test_tail__pools_and_travels(void **state)
{
    struct lw_tail tail, other, loaded;
    uint16_t counts[LW_TAIL_BINS] = {0};
    struct lw_writer writer;
    struct lw_reader reader;
    struct lw_error error;
    double expected, exponent;

    (void)state;
    counts[0] = 100;
    counts[10] = 7;
    lw_tail_init(&tail);
    lw_tail_add(&tail, counts, 100000);
    other = tail;
    lw_tail_merge(&tail, &other);
    assert_int_equal(tail.n_rows, 200000);
    /* Bin 10 starts at 3 e^1.5 = 13.4: its middle is 14.5; the first bin's is 3.2. */
    exponent = (10.0 + 214.0) / (10.0 / 3.0 + 200 * 0.075 + 14 * 1.575);
    expected = (201 * pow(3 * exp(0.075) / 50, exponent) +
                14 * pow(3 * exp(1.575) / 50, exponent)) /
               200001.0;
    near_enough(lw_tail_rate(&tail, 50.0), expected, 1e-9, 0);
    exponent = (10.0 + 107.0) / (10.0 / 3.0 + 100 * 0.075 + 7 * 1.575);
    near_enough(lw_tail_count(counts, 10.0), 7.0 + 100.0 * pow(0.3 * exp(0.075), exponent), 1e-9,
                0);
    lw_writer_init(&writer);
    lw_tail_save(&tail, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_tail_load(&loaded, &reader, &error), LW_OK);
    assert_memory_equal(&loaded, &tail, sizeof(tail));
    for (size_t cut = 0; cut < writer.n_bytes; cut++) {
        lw_reader_init(&reader, writer.data, cut);
        assert_int_equal(lw_tail_load(&loaded, &reader, &error), LW_EFORMAT);
    }
    writer.data[0] = 99;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_tail_load(&loaded, &reader, &error), LW_EVERSION);
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_track__equals_its_definition),
        cmocka_unit_test(test_track__adopts_a_confirmed_shift_and_resists_a_spike),
        cmocka_unit_test(test_forecast__equals_full_recursive_least_squares),
        cmocka_unit_test(test_novelty__equals_a_search_with_time_stamps),
        cmocka_unit_test(test_births__return_rows_equal_the_sum_over_all_births),
        cmocka_unit_test(test_incident__return_rows_equal_the_sum_over_all_peaks),
        cmocka_unit_test(test_incident__alarms_once_and_again_only_for_twice_as_bad),
        cmocka_unit_test(test_refractory__lets_only_the_largest_of_50_rows_through),
        cmocka_unit_test(test_season__learns_the_shape_and_the_scale_of_the_day),
        cmocka_unit_test(test_period__finds_the_day_by_itself),
        cmocka_unit_test(test_cadence__finds_the_step_through_gaps_and_repeats),
        cmocka_unit_test(test_cadence__falls_back_to_the_mean_gap),
        cmocka_unit_test(test_tail__pools_and_travels),
    };

    return LW_TEST_RUN(tests);
}
