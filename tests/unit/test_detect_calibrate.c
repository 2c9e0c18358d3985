/* Calibration against a slow reference: libm, whole sorted arrays, and a histogram made anew from
 * all rows at every row. */
#include "detect/calibrate.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 38
#define ROWS_MAX 1100

struct rows {
    size_t n;
    double x[ROWS_MAX][COLUMNS];
    bool label[ROWS_MAX];
};

static struct rows train, test;

static void rows_load(struct rows *ret_rows, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[4096];

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    while (fgets(line, sizeof(line), file) != NULL && ret_rows->n < ROWS_MAX) {
        char *at = line;

        for (int column = 0; column < COLUMNS; column++) {
            ret_rows->x[ret_rows->n][column] = strtod(at, &at);
            at += *at == ',';
        }
        ret_rows->label[ret_rows->n++] = *at == '1';
    }
    (void)fclose(file);
}

static int real_load(void **state)
{
    (void)state;
    rows_load(&train, LW_TEST_DATA "/smd/machine-1-6-train.csv");
    rows_load(&test, LW_TEST_DATA "/smd/machine-1-6-test.csv");
    return train.n > 900 && test.n > 1000 ? 0 : -1;
}

static double fitting_distance(const double *row)
{
    static double mean[COLUMNS], scale[COLUMNS];
    static bool fitted;
    double distance = 0.0;

    for (int c = 0; c < COLUMNS && !fitted; c++) {
        double sum = 0.0, squares = 0.0;

        for (size_t i = 0; i < train.n; i++) {
            sum += train.x[i][c];
        }
        mean[c] = sum / (double)train.n;
        for (size_t i = 0; i < train.n; i++) {
            squares += pow(train.x[i][c] - mean[c], 2.0);
        }
        scale[c] = fmax(sqrt(squares / (double)train.n), 0.01);
    }
    fitted = true;
    for (int c = 0; c < COLUMNS; c++) {
        distance += pow(3.0 * asinh((row[c] - mean[c]) / scale[c] / 3.0), 2.0);
    }
    distance = sqrt(distance);
    return distance;
}

/* ---- the reference ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double slow_quantile(const double *values, size_t n, double p)
{
    static double sorted[ROWS_MAX];
    double place = p * (double)(n - 1);
    size_t k = (size_t)place;

    memcpy(sorted, values, n * sizeof(*values));
    qsort(sorted, n, sizeof(*sorted), compare);
    return k + 1 < n ? sorted[k] + (place - (double)k) * (sorted[k + 1] - sorted[k])
                     : sorted[n - 1];
}

static double slow_tail(const double *kept, size_t n, double s)
{
    double u = slow_quantile(kept, n, 0.5);
    double sigma = fmax(slow_quantile(kept, n, 0.9) - u, 0.1) * 0.3 / (pow(5.0, 0.3) - 1.0);

    return log10(2.0) + log10(1.0 + 0.3 * (s - u) / sigma) / 0.3;
}

/* The .8 quantile of all levels so far, each weighing (299/300)^age, in bins of 1/8. */
static double slow_usual(const double *levels, size_t n)
{
    double bins[128] = {0.0}, sum = 0.0, total = 0.0;

    for (size_t i = 0; i < n; i++) {
        double weight = pow(299.0 / 300.0, (double)(n - 1 - i));
        int bin = levels[i] < 16.0 ? (int)(levels[i] * 8.0) : 127;

        bins[bin] += weight;
        total += weight;
    }
    for (int i = 0; i < 128; i++) {
        if (sum + bins[i] >= 0.8 * total) {
            return ((double)i + (0.8 * total - sum) / bins[i]) / 8.0;
        }
        sum += bins[i];
    }
    return 0.0;
}

/* ---- tests ---- */

static struct lw_calibration fit_real(double *ret_kept, size_t *ret_n, double *ret_median)
{
    struct lw_calibration calibration;
    double distances[ROWS_MAX], copy[ROWS_MAX], smoothed = -1.0;
    size_t from = train.n * 7 / 10;

    *ret_n = train.n - from;
    for (size_t i = from; i < train.n; i++) {
        distances[i - from] = fitting_distance(train.x[i]);
    }
    memcpy(copy, distances, *ret_n * sizeof(*copy));
    *ret_median = lw_median_of(copy, *ret_n);
    for (size_t i = 0; i < *ret_n; i++) {
        smoothed = lw_energy_smooth(smoothed, lw_energy(distances[i], *ret_median, 1.0));
        ret_kept[i] = copy[i] = smoothed;
    }
    assert_int_equal(lw_calibration_fit(copy, *ret_n, &calibration, NULL), LW_OK);
    return calibration;
}

static void test_calibration__is_the_pareto_through_two_quantiles(void **state)
{
    double kept[ROWS_MAX], median;
    size_t n;
    struct lw_calibration calibration = fit_real(kept, &n, &median);

    (void)state;
    for (double s = slow_quantile(kept, n, 0.5); s < 1000.0; s = s * 1.1 + 0.01) {
        assert_true(fabs(lw_calibration_level(&calibration, s) -
                         fmin(slow_tail(kept, n, s), 16.0)) < 1e-12);
    }
    /* A tenth of the rows kept back lies beyond level 1, by construction. */
    assert_true(fabs(lw_calibration_level(&calibration, slow_quantile(kept, n, 0.9)) - 1.0) <
                1e-12);
    assert_true(lw_calibration_level(&calibration, 1e300) == 16.0);
    assert_true(lw_calibration_level(&calibration, INFINITY) == 16.0);
    assert_true(isnan(lw_calibration_level(&calibration, NAN)));
}

static void test_calibration__goes_by_rank_below_the_median(void **state)
{
    double kept[ROWS_MAX], median, worst = 0.0, before = 0.0;
    size_t n;
    struct lw_calibration calibration = fit_real(kept, &n, &median);

    (void)state;
    for (double p = 0.0; p < 0.5; p += 0.001) {
        double level = lw_calibration_level(&calibration, slow_quantile(kept, n, p));
        double off = fabs(pow(10.0, -level) - (1.0 - p));

        worst = off > worst ? off : worst;
        assert_true(level >= before);
        before = level;
    }
    printf("ranks are off by at most %g\n", worst);
    assert_true(worst < 0.02);
    assert_true(lw_calibration_level(&calibration, 0.0) == 0.0);
}

static void test_calibration__refuses_too_little_and_what_is_no_energy(void **state)
{
    double values[30] = {1.0};
    struct lw_calibration calibration;
    struct lw_error error;

    (void)state;
    assert_int_equal(lw_calibration_fit(values, 19, &calibration, &error), LW_EINVAL);
    assert_string_equal(error.message, "calibration needs 20 rows kept back from training; got 19");
    values[7] = NAN;
    assert_int_equal(lw_calibration_fit(values, 30, &calibration, NULL), LW_EINVAL);
    values[7] = -1.0;
    assert_int_equal(lw_calibration_fit(values, 30, &calibration, NULL), LW_EINVAL);
    values[7] = 1.0;
    assert_int_equal(lw_calibration_fit(values, 30, &calibration, NULL), LW_OK);
    assert_true(lw_calibration_level(&calibration, 1.0) > 0.3 &&
                lw_calibration_level(&calibration, 1e6) < 16.1);
}

static void test_cut__follows_the_budget(void **state)
{
    (void)state;
    assert_true(fabs(lw_calibrate_cut(1260.0) - (2.0 * log10(1260.0) - 4.4)) < 1e-12);
    assert_true(fabs(lw_calibrate_cut(1260.0) - 1.8) < 0.001);
    assert_true(lw_calibrate_cut(100.0) == 1.3);
    assert_true(lw_calibrate_cut(0.0) == 1.3);
    assert_true(lw_calibrate_cut(1e6) > lw_calibrate_cut(1e5));
}

static void test_energy__grows_as_a_logarithm_and_is_combined_by_weight(void **state)
{
    const double energies[] = {4.0, NAN, 1.0}, weights[] = {1.0, 5.0, 0.25};

    (void)state;
    assert_true(fabs(lw_energy(6.0, 2.0, 1.0) - 200.0 * log1p(9.0 / 200.0)) < 1e-12);
    assert_true(fabs(lw_energy(6.0, 0.1, 3.0) - 200.0 * log1p(4.0 / 200.0)) < 1e-12);
    assert_true(isnan(lw_energy(NAN, 1.0, 1.0)));
    assert_true(isfinite(lw_energy(INFINITY, 1.0, 1.0)));
    assert_true(lw_energy_combine(energies, weights, 3) == (4.0 + 0.25) / 1.25);
    assert_true(isnan(lw_energy_combine(energies + 1, weights + 1, 1)));
    assert_true(lw_energy_smooth(-1.0, 7.0) == 7.0);
    assert_true(fabs(lw_energy_smooth(1.0, 2.0) - 1.2) < 1e-15);
    assert_true(lw_energy_smooth(1.0, NAN) == 1.0);
}

/* Every row of a real incident, state by state, as the recipe's words have it. */
static void test_calibrator__follows_the_recipe_over_a_real_incident(void **state)
{
    double kept[ROWS_MAX], median, levels[2 * ROWS_MAX], s = -1.0, cut = lw_calibrate_cut(1260.0);
    size_t n, n_levels = 0, quiet = 0, below = 0, n_onsets = 0, n_alarm_in = 0, n_in = 0;
    struct lw_calibration calibration = fit_real(kept, &n, &median);
    struct lw_calibrator calibrator;
    bool alarm = false, alarmed = false;

    (void)state;
    lw_calibrator_init(&calibrator);
    for (size_t i = 0; i < n; i++) {
        levels[n_levels] = lw_calibration_level(&calibration, kept[i]);
        lw_calibrator_prime(&calibrator, levels[n_levels++]);
    }
    for (size_t i = 0; i < test.n; i++) {
        double ratio = fitting_distance(test.x[i]) / fmax(median, 1.0), level, usual, adjusted;
        double u = 200.0 * log1p(ratio * ratio / 200.0);
        bool was = alarm;
        struct lw_calibrate_result r;

        s = i == 0 ? u : s + 0.2 * (u - s);
        level = lw_calibration_level(&calibration, s);
        usual = slow_usual(levels, n_levels);
        adjusted = level - fmax(0.0, usual - 1.3);
        levels[n_levels++] = level;
        below = adjusted < 0.7 * cut ? below + 1 : 0;
        alarm = adjusted >= cut || (alarm && below < 10);
        lw_calibrator_step(&calibration, cut, &calibrator,
                           lw_energy(fitting_distance(test.x[i]), median, 1.0), &r);
        assert_true(fabs(r.smoothed - s) < 1e-9 * s);
        assert_true(fabs(r.level - level) < 1e-9);
        assert_true(fabs(r.adjusted - adjusted) < 1e-4);
        assert_true(fabs(log10(r.p) + fmax(0.0, level - fmax(0.0, usual - 1.0))) < 1e-4);
        assert_int_equal(r.alarm, alarm);
        assert_int_equal(r.onset, alarm && !was && (!alarmed || quiet > 50));
        assert_true(fabs((double)r.score - level / (level + cut)) < 1e-6);
        assert_int_equal(r.event >= 0.5f, r.onset);
        assert_true(r.return_rows == 0.0 ||
                    fabs(lw_calibrate_cut(r.return_rows) - adjusted) < 1e-4);
        quiet = alarm || was ? 0 : quiet + 1;
        alarmed = alarmed || alarm;
        n_onsets += r.onset;
        n_in += test.label[i];
        n_alarm_in += test.label[i] && alarm;
    }
    printf("%zu onsets; %zu of %zu anomalous rows in alarm\n", n_onsets, n_alarm_in, n_in);
    assert_true(n_onsets >= 1 && n_onsets <= 5 && n_alarm_in > 0);
}

static void test_calibrator__gets_used_to_a_new_regime(void **state)
{
    double kept[ROWS_MAX], median;
    size_t n;
    struct lw_calibration calibration = fit_real(kept, &n, &median);
    struct lw_calibrator calibrator;
    struct lw_calibrate_result r;
    int n_alarms = 0;

    (void)state;
    lw_calibrator_init(&calibrator);
    for (size_t i = 0; i < n; i++) {
        lw_calibrator_prime(&calibrator, lw_calibration_level(&calibration, kept[i]));
    }
    for (int i = 0; i < 1000; i++) {
        lw_calibrator_step(&calibration, 1.9, &calibrator, 20.0, &r);
        n_alarms += r.alarm;
    }
    assert_true(n_alarms > 10 && n_alarms < 500);
    assert_false(r.alarm);
    assert_true(r.level > 1.9); /* The level itself is never lowered. */
    lw_calibrator_step(&calibration, 1.9, &calibrator, NAN, &r);
    assert_true(isnan(r.score) && isnan(r.event) && isnan(r.level) && !r.onset);
}

static void test_calibrator__goes_on_from_bytes_as_if_nothing_was(void **state)
{
    double kept[ROWS_MAX], median;
    size_t n;
    struct lw_calibration calibration = fit_real(kept, &n, &median), fitted;
    struct lw_calibrator calibrator, again;
    struct lw_calibrate_result a, b;
    struct lw_writer writer;
    struct lw_reader reader;
    size_t n_calibration;

    (void)state;
    lw_calibrator_init(&calibrator);
    for (size_t i = 0; i < 700; i++) {
        lw_calibrator_step(&calibration, 1.9, &calibrator,
                           lw_energy(fitting_distance(test.x[i]), median, 1.0), &a);
    }
    lw_writer_init(&writer);
    lw_calibration_save(&calibration, &writer);
    n_calibration = writer.n_bytes;
    lw_calibrator_save(&calibrator, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_calibration_load(&fitted, &reader, NULL), LW_OK);
    assert_int_equal(lw_calibrator_load(&again, &reader, NULL), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    for (size_t i = 700; i < test.n; i++) {
        double energy = lw_energy(fitting_distance(test.x[i]), median, 1.0);

        lw_calibrator_step(&calibration, 1.9, &calibrator, energy, &a);
        lw_calibrator_step(&fitted, 1.9, &again, energy, &b);
        assert_true(a.level == b.level && a.adjusted == b.adjusted && a.alarm == b.alarm &&
                    a.onset == b.onset);
    }
    for (size_t cutoff = 0; cutoff < writer.n_bytes; cutoff++) {
        lw_reader_init(&reader, writer.data, cutoff);
        assert_int_equal(lw_calibration_load(&fitted, &reader, NULL),
                         cutoff < n_calibration ? LW_EFORMAT : LW_OK);
        assert_int_equal(cutoff < n_calibration ? LW_EFORMAT
                                                : lw_calibrator_load(&again, &reader, NULL),
                         LW_EFORMAT);
    }
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_calibration__is_the_pareto_through_two_quantiles, real_load),
        cmocka_unit_test(test_calibration__goes_by_rank_below_the_median),
        cmocka_unit_test(test_calibration__refuses_too_little_and_what_is_no_energy),
        cmocka_unit_test(test_cut__follows_the_budget),
        cmocka_unit_test(test_energy__grows_as_a_logarithm_and_is_combined_by_weight),
        cmocka_unit_test(test_calibrator__follows_the_recipe_over_a_real_incident),
        cmocka_unit_test(test_calibrator__gets_used_to_a_new_regime),
        cmocka_unit_test(test_calibrator__goes_on_from_bytes_as_if_nothing_was),
    };

    return LW_TEST_RUN(tests);
}
