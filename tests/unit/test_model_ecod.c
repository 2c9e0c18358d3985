/*
 * ECOD against PyOD's, and against shares counted row by row from the definition.
 */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

#include <float.h>

static const struct lw_model_class *ecod_class(void)
{
    return lw_model_class_find("ecod");
}

static struct lw_model *ecod_fit(const struct lw_test_table *table, const char *knots)
{
    const struct lw_model_class *ecod = ecod_class();
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = malloc(ecod->options_bytes);
    struct lw_error error = {0};
    struct lw_rng rng;
    struct lw_model *model = NULL;

    lw_options_default(ecod->options, ecod->n_options, options);
    assert_int_equal(
        lw_options_set(ecod->options, ecod->n_options, options, "knots", knots, &error), LW_OK);
    lw_rng_seed(&rng, 1);
    if (ecod->fit(options, &rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* min(F, G) of column i, counted: half a row where none is there. */
static double slow_tail(const struct lw_test_table *train, size_t i, float x)
{
    double left = 0.0, right = 0.0, n = 0.0;

    for (size_t row = 0; row < train->n_rows; row++) {
        float value = train->values[row * train->n_dims + i];

        left += value <= x;
        right += value >= x;
        n += !isnan(value);
    }
    return isnan(x) || n == 0.0 ? 1.0 : fmax(fmin(left, right), 0.5) / n;
}

static void assert_near(double value, double wanted, double allowed, const char *what, size_t row)
{
    if (!(fabs(value - wanted) <= allowed)) {
        fail_msg("%s, row %zu: %.9g, but %.9g is wanted", what, row, value, wanted);
    }
}

static void ecod_is_on_par(const char *path, const char *reference_path)
{
    struct lw_test_table table = lw_test_table_read(path),
                         reference = lw_test_table_read(reference_path);
    struct lw_model *model = ecod_fit(&table, "1024");
    float *scores = calloc(table.n_rows, sizeof(float));

    assert_int_equal(reference.n_rows, table.n_rows);
    ecod_class()->score(model, NULL, table.values, table.n_rows, scores);
    for (size_t i = 0; i < table.n_rows; i++) {
        double wanted = (double)reference.values[i];

        assert_near((double)scores[i], wanted, 1e-6 * (1.0 + wanted), reference_path, i);
    }
    free(scores);
    ecod_class()->destroy(model);
    lw_test_table_free(&reference);
    lw_test_table_free(&table);
}

static void test_ecod__scores_are_the_usual_implementations(void **state)
{
    (void)state;
    ecod_is_on_par(LW_TEST_DATA "/smd/machine-1-6-train.csv", LW_TEST_DATA "/parity/ecod_smd.csv");
    ecod_is_on_par(LW_TEST_DATA "/adbench/breastw.csv", LW_TEST_DATA "/parity/ecod_breastw.csv");
    ecod_is_on_par(LW_TEST_DATA "/adbench/glass.csv", LW_TEST_DATA "/parity/ecod_glass.csv");
}

/* Rows that were not trained on, some between and some beyond, and holes in both. */
static void test_ecod__scores_and_shares_of_new_rows_are_counted(void **state)
{
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    float *scores = calloc(test.n_rows, sizeof(float)),
          *shares = calloc(test.n_dims, sizeof(float));
    struct lw_model *model;

    (void)state;
    for (size_t i = 3; i < test.n_rows * test.n_dims; i += 7) {
        test.values[i] = NAN;
        train.values[i % (train.n_rows * train.n_dims)] = NAN;
    }
    model = ecod_fit(&train, "1024");
    ecod_class()->score(model, NULL, test.values, test.n_rows, scores);
    for (size_t row = 0; row < test.n_rows; row += 5) {
        double sum = 0.0;

        ecod_class()->attribute(model, NULL, test.values + row * test.n_dims, shares);
        for (size_t i = 0; i < test.n_dims; i++) {
            double wanted = -log(slow_tail(&train, i, test.values[row * test.n_dims + i]));

            assert_near((double)shares[i], wanted, 1e-6 * (1.0 + wanted), "share", row);
            sum += wanted;
        }
        assert_near((double)scores[row], sum, 1e-6 * (1.0 + sum), "score", row);
    }
    ecod_class()->destroy(model);
    free(shares);
    free(scores);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

/* One column of n real values, each moved a little, so that all differ. */
static struct lw_test_table column_table(size_t n)
{
    struct lw_test_table smd = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table table = {.values = calloc(n, sizeof(float)),
                                  .labels = calloc(n, sizeof(int)),
                                  .n_rows = n,
                                  .n_dims = 1};
    struct lw_rng rng;

    lw_rng_seed(&rng, 4);
    for (size_t i = 0; i < n; i++) {
        float value = smd.values[i % smd.n_rows * smd.n_dims];

        table.values[i] = value + (float)lw_rng_double(&rng) * 0.02f;
    }
    lw_test_table_free(&smd);
    return table;
}

/* With fewer knots than different values, each term stays within the logarithm of the factor by
 * which ranks grow: half the knots reach from 1 to the middle, and the first of them row by row. */
static void test_ecod__knots_keep_the_tails(void **state)
{
    static const struct {
        size_t n;
        const char *knots;
        double allowed;
    } cases[] = {{2000, "1024", 0.006}, {20000, "1024", 0.015}, {20000, "64", 0.37}};

    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct lw_test_table table = column_table(cases[k].n);
        struct lw_model *model = ecod_fit(&table, cases[k].knots);
        float least = FLT_MAX;
        double worst = 0.0;

        for (size_t i = 0; i < table.n_rows; i += 1 + table.n_rows / 500) {
            float score;

            ecod_class()->score(model, NULL, table.values + i, 1, &score);
            worst = fmax(worst, fabs((double)score + log(slow_tail(&table, 0, table.values[i]))));
        }
        for (size_t i = 0; i < table.n_rows; i++) {
            least = fminf(least, table.values[i]);
        }
        print_message("%zu values, %s knots: off by %.4f at most, %zu bytes\n", cases[k].n,
                      cases[k].knots, worst, ecod_class()->bytes(model));
        assert_true(worst > 0.0 && worst <= cases[k].allowed);
        assert_true(ecod_class()->bytes(model) < 12u * 1024u + 200u);
        {
            float score;

            ecod_class()->score(model, NULL, &least, 1, &score);
            assert_near((double)score, log((double)table.n_rows), 1e-6, "the least value", 0);
        }
        ecod_class()->destroy(model);
        lw_test_table_free(&table);
    }
}

/* Two thirds of the values are one and the same: its knot holds both counts. */
static void test_ecod__a_value_of_many_rows_is_no_tail(void **state)
{
    struct lw_test_table table = column_table(9000);
    struct lw_model *model;

    (void)state;
    for (size_t i = 0; i < table.n_rows; i++) {
        table.values[i] = i % 3 != 0 ? 0.0f : table.values[i];
    }
    model = ecod_fit(&table, "64");
    for (size_t i = 0; i < table.n_rows; i += 97) {
        double wanted = -log(slow_tail(&table, 0, table.values[i]));
        float score;

        ecod_class()->score(model, NULL, table.values + i, 1, &score);
        assert_near((double)score, wanted, table.values[i] == 0.0f ? 1e-6 : 0.4, "score", i);
    }
    ecod_class()->destroy(model);
    lw_test_table_free(&table);
}

static void test_ecod__infinities_count_as_the_greatest_floats(void **state)
{
    static const float rows[] = {1.0f, -INFINITY, 3.0f, INFINITY};
    static const float same[] = {1.0f, -FLT_MAX, 3.0f, FLT_MAX};
    struct lw_test_table table = {.values = (float *)rows, .n_rows = 4, .n_dims = 1};
    struct lw_model *model = ecod_fit(&table, "1024");
    float a[4], b[4];

    (void)state;
    ecod_class()->score(model, NULL, rows, 4, a);
    ecod_class()->score(model, NULL, same, 4, b);
    assert_memory_equal(a, b, sizeof(a));
    assert_true(fabs((double)a[1] - log(4.0)) < 1e-6 && fabs((double)a[0] - log(2.0)) < 1e-6);
    ecod_class()->destroy(model);
}

/* A saved model of one column and two knots, of one and two rows; then one byte changed. */
static enum lw_status load_changed(size_t at, uint8_t value)
{
    static const uint8_t good[] = {
        1, 0, 1,   0,  0, 0, 2, 0, 0, 0,        /* version, values, knots */
        2, 0, 0,   0,                           /* of the column */
        0, 0, 0,   0,  0, 0, 0, 0, 1, 0, 0, 0,  /* 0.0f: none below, one up to it */
        0, 0, 128, 63, 1, 0, 0, 0, 3, 0, 0, 0}; /* 1.0f: one below, three up to it */
    uint8_t bytes[sizeof(good)];
    struct lw_reader reader;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    enum lw_status status;

    memcpy(bytes, good, sizeof(good));
    bytes[at] = value;
    lw_reader_init(&reader, bytes, sizeof(bytes));
    status = ecod_class()->load(&reader, &model, &error);
    assert_int_equal(status == LW_OK, model != NULL);
    ecod_class()->destroy(model);
    return status;
}

static void test_ecod__load_refuses_what_breaks_a_model(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1), LW_OK);
    assert_int_equal(load_changed(0, 2), LW_EVERSION);
    assert_int_equal(load_changed(2, 0), LW_EFORMAT);    /* no column */
    assert_int_equal(load_changed(3, 0x20), LW_EFORMAT); /* 8193 columns */
    assert_int_equal(load_changed(6, 1), LW_EFORMAT);    /* fewer knots than the column says */
    assert_int_equal(load_changed(6, 3), LW_EFORMAT);    /* more knots than bytes */
    assert_int_equal(load_changed(10, 1), LW_EFORMAT);   /* fewer knots than the model says */
    assert_int_equal(load_changed(12, 1), LW_EFORMAT);   /* more than 1,024 knots */
    assert_int_equal(load_changed(18, 1), LW_EFORMAT);   /* a row below the first knot */
    assert_int_equal(load_changed(22, 0), LW_EFORMAT);   /* a knot without rows */
    assert_int_equal(load_changed(22, 2), LW_EFORMAT); /* more rows up to a knot than below the next
                                                        */
    assert_int_equal(load_changed(29, 191), LW_EFORMAT); /* knots that do not ascend */
    assert_int_equal(load_changed(28, 255), LW_OK);      /* 1.99f */
    assert_int_equal(load_changed(37, 64), LW_EFORMAT);  /* more rows than may be learnt from */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ecod__scores_are_the_usual_implementations),
        cmocka_unit_test(test_ecod__scores_and_shares_of_new_rows_are_counted),
        cmocka_unit_test(test_ecod__knots_keep_the_tails),
        cmocka_unit_test(test_ecod__a_value_of_many_rows_is_no_tail),
        cmocka_unit_test(test_ecod__infinities_count_as_the_greatest_floats),
        cmocka_unit_test(test_ecod__load_refuses_what_breaks_a_model),
    };
    return LW_TEST_RUN(tests);
}
