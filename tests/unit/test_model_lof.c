/*
 * Local Outlier Factor against a slow reference written from the paper, and against scikit-learn,
 * on real tables.
 *
 * The reference knows the model's core set by its documented bytes; all else it computes itself, in
 * double.
 */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

#include <float.h>

struct chosen {
    const char *neighbours, *core, *least;
};

static const struct lw_model_class *lof_class(void)
{
    return lw_model_class_find("lof");
}

static struct lw_model *lof_fit(const struct lw_model_rows *rows, const struct chosen *chosen)
{
    const struct lw_model_class *lof = lof_class();
    const char *const texts[][2] = {
        {"neighbours", chosen->neighbours}, {"core", chosen->core}, {"least", chosen->least}};
    void *options = malloc(lof->options_bytes);
    struct lw_error error = {0};
    struct lw_rng rng;
    struct lw_model *model = NULL;

    lw_options_default(lof->options, lof->n_options, options);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            lw_options_set(lof->options, lof->n_options, options, texts[i][0], texts[i][1], &error),
            LW_OK);
    }
    lw_rng_seed(&rng, 7);
    if (lof->fit(options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

struct reference {
    size_t n_dims, n_rests, n_points, k;
    double least;
    double *centre; /* [n_columns], behind it the points. */
    double *points;
    double *k_distances, *densities;
};

struct near {
    double distance;
    size_t point;
};

static int compare_near(const void *a, const void *b)
{
    const struct near *x = a, *y = b;

    return x->distance != y->distance ? (x->distance > y->distance) - (x->distance < y->distance)
                                      : (x->point > y->point) - (x->point < y->point);
}

static size_t reference_columns(const struct reference *reference)
{
    return reference->n_dims - reference->n_rests;
}

/* All points but one, the nearest first. */
static struct near *slow_near(const struct reference *reference, const double *x, size_t but)
{
    struct near *near = calloc(reference->n_points, sizeof(*near));
    size_t n_columns = reference_columns(reference), n = 0;

    for (size_t point = 0; point < reference->n_points; point++) {
        double squared = 0.0;

        for (size_t i = 0; i < n_columns; i++) {
            double away = reference->points[point * n_columns + i] - x[i];

            squared += away * away;
        }
        if (point != but) {
            near[n++] = (struct near){sqrt(squared), point};
        }
    }
    qsort(near, n, sizeof(*near), compare_near);
    return near;
}

/* Local reachability density: definition 6 of the paper. */
static double slow_density(const struct reference *reference, const struct near *near)
{
    double sum = 0.0;

    for (size_t o = 0; o < reference->k; o++) {
        sum += fmax(reference->k_distances[near[o].point], near[o].distance);
    }
    return 1.0 / (sum / (double)reference->k + 1e-10);
}

static struct reference reference_read(const struct lw_model *model)
{
    struct reference reference = {0};
    struct lw_writer writer;
    struct lw_reader reader;
    size_t n_values, n_columns;

    lw_writer_init(&writer);
    lof_class()->save(model, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u16(&reader), 1);
    reference.n_dims = lw_read_u32(&reader);
    reference.n_rests = lw_read_u32(&reader);
    reference.n_points = lw_read_u32(&reader);
    reference.k = lw_read_u32(&reader);
    reference.least = (double)lw_read_f32(&reader);
    (void)lw_read_u64(&reader);
    n_columns = reference_columns(&reference);
    n_values = (reference.n_points + 1) * n_columns;
    reference.centre = calloc(n_values + 2 * reference.n_points, sizeof(double));
    reference.points = reference.centre + n_columns;
    reference.k_distances = reference.centre + n_values;
    reference.densities = reference.k_distances + reference.n_points;
    for (size_t i = 0; i < n_values; i++) {
        reference.centre[i] = (double)lw_read_f32(&reader);
    }
    assert_int_equal(reader.status, LW_OK);
    assert_int_equal(lw_reader_left(&reader), 8 * reference.n_points);
    lw_writer_fini(&writer);
    for (size_t turn = 0; turn < 2; turn++) {
        for (size_t point = 0; point < reference.n_points; point++) {
            struct near *near = slow_near(&reference, reference.points + point * n_columns, point);

            if (turn == 0) {
                reference.k_distances[point] = fmax(near[reference.k - 1].distance,
                                                    reference.least);
            } else {
                reference.densities[point] = slow_density(&reference, near);
            }
            free(near);
        }
    }
    return reference;
}

/* The factor, definition 7, and its shares as docs/models/lof.md has them. */
static double slow_lof(const struct reference *reference, const float *row, double *ret_shares)
{
    double *x = calloc(reference->n_dims, sizeof(double)), around = 0.0, density;
    size_t n_columns = reference_columns(reference);
    struct near *near;

    for (size_t i = 0; i < n_columns; i++) {
        x[i] = isnan(row[i]) ? reference->centre[i] : (double)row[i];
    }
    near = slow_near(reference, x, SIZE_MAX);
    density = slow_density(reference, near);
    for (size_t o = 0; o < reference->k; o++) {
        around += reference->densities[near[o].point] / (double)reference->k;
    }
    memset(ret_shares, 0, reference->n_dims * sizeof(*ret_shares));
    for (size_t o = 0; o < reference->k; o++) {
        double excess = near[o].distance - reference->k_distances[near[o].point];

        for (size_t i = 0; i < n_columns && excess > 0.0; i++) {
            double away = x[i] - reference->points[near[o].point * n_columns + i];

            ret_shares[i] += isnan(row[i]) ? 0.0
                                           : around / (double)reference->k * excess * away * away /
                                                 (near[o].distance * near[o].distance);
        }
    }
    free(near);
    free(x);
    return around / density;
}

static void lof_equals_reference(const struct lw_test_table *table, size_t n_rests,
                                 const struct chosen *chosen)
{
    struct lw_model_rows rows = {.values = table->values,
                                 .n_rows = table->n_rows / 2,
                                 .n_dims = table->n_dims,
                                 .n_rests = n_rests};
    struct lw_model *model = lof_fit(&rows, chosen);
    struct reference reference = reference_read(model);
    float *shares = calloc(table->n_dims, sizeof(float)), score;
    double *wanted = calloc(table->n_dims, sizeof(double));

    for (size_t i = 0; i < table->n_rows; i += 3) {
        const float *row = table->values + i * table->n_dims;
        double slow = slow_lof(&reference, row, wanted);

        lof_class()->score(model, NULL, row, 1, &score);
        lof_class()->attribute(model, NULL, row, shares);
        if (!(fabs((double)score - slow) <= 1e-5 * slow)) {
            fail_msg("row %zu: %.9g, but %.9g by the paper", i, (double)score, slow);
        }
        for (size_t column = 0; column < table->n_dims; column++) {
            assert_true(fabs((double)shares[column] - wanted[column]) <= 1e-4 * slow);
        }
    }
    free(wanted);
    free(shares);
    free(reference.centre);
    lof_class()->destroy(model);
}

static void test_lof__factors_and_shares_are_the_papers(void **state)
{
    struct lw_test_table glass = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_test_table smd = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");

    (void)state;
    lof_equals_reference(&glass, 0, &(struct chosen){"20", "500", "0"});
    lof_equals_reference(&glass, 0, &(struct chosen){"5", "60", "0.25"});
    lof_equals_reference(&glass, 2, &(struct chosen){"20", "500", "0.25"});
    lof_equals_reference(&smd, 0, &(struct chosen){"20", "500", "0.25"});
    lof_equals_reference(&smd, 5, &(struct chosen){"63", "300", "0.01"});
    for (size_t i = 3; i < glass.n_rows * glass.n_dims; i += 7) {
        glass.values[i] = NAN; /* Holes. */
    }
    lof_equals_reference(&glass, 0, &(struct chosen){"10", "500", "0"});
    lw_test_table_free(&smd);
    lw_test_table_free(&glass);
}

/* Rows `first` and every `step` rows after it, in place of all. */
static void table_thin(struct lw_test_table *table, size_t first, size_t step)
{
    size_t n = 0;

    for (size_t i = first; i < table->n_rows; i += step) {
        memmove(table->values + n++ * table->n_dims, table->values + i * table->n_dims,
                table->n_dims * sizeof(float));
    }
    table->n_rows = n;
}

static void lof_equals_sklearn(const struct lw_test_table *train, const struct lw_test_table *test,
                               const double *wanted, size_t n_wanted)
{
    struct lw_model_rows rows = {
        .values = train->values, .n_rows = train->n_rows, .n_dims = train->n_dims};
    struct lw_model *model = lof_fit(&rows, &(struct chosen){"20", "16384", "0"});

    for (size_t i = 0; i < n_wanted; i++) {
        float score;

        lof_class()->score(model, NULL, test->values + i * test->n_dims, 1, &score);
        if (!(fabs((double)score - wanted[i]) <= 1e-5 * wanted[i])) {
            fail_msg("row %zu: %.9g, but scikit-learn has %.9g", i, (double)score, wanted[i]);
        }
    }
    lof_class()->destroy(model);
}

/*
 * -LocalOutlierFactor(n_neighbors=20, novelty=True).fit(train).score_samples(test) of scikit-learn
 * 1.9.1, values read as float32: the table glass, trained on rows 0, 2, 4 and so on, scored are 1,
 * 3, 5; and smd, trained on all of machine-1-6-train, scored is every 64th row of the test part. No
 * row has two neighbours equally far at the k-th place.
 */
static void test_lof__is_that_of_the_usual_implementation(void **state)
{
    static const double of_glass[] = {1.34076384, 2.57137443,  1.52696182, 1.51021706, 1.14283181,
                                      1.65329133, 1.22884896,  1.15824066, 1.09215781, 1.30032032,
                                      1.1560785,  1.03481573,  1.01019328, 1.05806636, 0.983002279,
                                      1.19841524, 1.10836578,  1.08507212, 1.89545046, 2.04927084,
                                      1.05293034, 0.990287749, 1.0135161,  0.988204005};
    static const double of_smd[] = {2.99886556, 2.99492089, 2.84338897, 2.22718803,
                                    2.11116295, 2.30238018, 2.2888903,  2.10112349,
                                    2.33859083, 2.07513996, 2.07288694, 2.29777472,
                                    3.05657577, 1.72634827, 2.13916764, 2.08849486};
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");

    (void)state;
    table_thin(&train, 0, 2);
    table_thin(&test, 1, 2);
    lof_equals_sklearn(&train, &test, of_glass, sizeof(of_glass) / sizeof(of_glass[0]));
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    table_thin(&test, 0, 64);
    lof_equals_sklearn(&train, &test, of_smd, sizeof(of_smd) / sizeof(of_smd[0]));
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

static void test_lof__the_floor_makes_small_steps_beside_still_data_ordinary(void **state)
{
    float values[64], beside = 1.001f, far = 2.0f, score[2];
    struct lw_model_rows rows = {.values = values, .n_rows = 64, .n_dims = 1};
    struct lw_model *model;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        values[i] = 1.0f + 1e-6f * (float)(i % 5);
    }
    model = lof_fit(&rows, &(struct chosen){"20", "500", "0"});
    lof_class()->score(model, NULL, &beside, 1, &score[0]);
    assert_true(score[0] > 100.0f);
    lof_class()->destroy(model);
    model = lof_fit(&rows, &(struct chosen){"20", "500", "0.25"});
    lof_class()->score(model, NULL, &beside, 1, &score[0]);
    lof_class()->score(model, NULL, &far, 1, &score[1]);
    assert_float_equal(score[0], 1.0, 1e-6);
    assert_float_equal(score[1], 4.0, 1e-4); /* 1 over the floor. */
    lof_class()->destroy(model);
}

/* What an updated model says of rows is what the reference computes from its points: so k-distances
 * and densities follow every row that enters. */
static void test_lof__updates_keep_all_densities_right(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model_rows rows = {.values = table.values, .n_rows = 80, .n_dims = table.n_dims};
    struct lw_model *model = lof_fit(&rows, &(struct chosen){"10", "40", "0"});
    double *shares = calloc(table.n_dims, sizeof(double));
    struct reference reference, first = reference_read(model);
    struct lw_error error = {0};
    struct lw_rng rng;
    size_t n_new = 0;

    (void)state;
    lw_rng_seed(&rng, 2);
    for (size_t i = 80; i < table.n_rows; i++) {
        assert_int_equal(lof_class()->update(model, table.values + i * table.n_dims, &rng, &error),
                         LW_OK);
    }
    reference = reference_read(model);
    for (size_t i = 0; i < 40; i++) {
        n_new += memcmp(first.points + i * table.n_dims, reference.points + i * table.n_dims,
                        table.n_dims * sizeof(double)) != 0;
    }
    assert_true(n_new > 15 && n_new < 35); /* About 40 (1 - 80 / 214) = 25 are expected. */
    for (size_t i = 0; i < table.n_rows; i += 5) {
        float score;
        double slow = slow_lof(&reference, table.values + i * table.n_dims, shares);

        lof_class()->score(model, NULL, table.values + i * table.n_dims, 1, &score);
        assert_true(fabs((double)score - slow) <= 1e-5 * slow);
    }
    free(first.centre);
    free(reference.centre);
    free(shares);
    lof_class()->destroy(model);
    lw_test_table_free(&table);
}

/* The saved bytes of two points, one byte changed. */
static enum lw_status load_changed(size_t at, uint8_t value)
{
    static const float values[] = {0.0f, 1.0f};
    struct lw_model_rows rows = {.values = values, .n_rows = 2, .n_dims = 1};
    struct lw_model *model = lof_fit(&rows, &(struct chosen){"1", "2", "0"}), *loaded = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;
    struct lw_reader reader;
    enum lw_status status;

    lw_writer_init(&writer);
    lof_class()->save(model, &writer);
    assert_int_equal(writer.n_bytes, 58);
    writer.data[at] = value;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    status = lof_class()->load(&reader, &loaded, &error);
    assert_int_equal(status == LW_OK, loaded != NULL);
    lof_class()->destroy(loaded);
    lof_class()->destroy(model);
    lw_writer_fini(&writer);
    return status;
}

static void test_lof__load_refuses_what_no_fit_gives(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1), LW_OK);
    assert_int_equal(load_changed(0, 2), LW_EVERSION);
    assert_int_equal(load_changed(2, 0), LW_EFORMAT);     /* no column */
    assert_int_equal(load_changed(6, 1), LW_EFORMAT);     /* nothing but rests */
    assert_int_equal(load_changed(10, 1), LW_EFORMAT);    /* a single point */
    assert_int_equal(load_changed(10, 9), LW_EFORMAT);    /* more points than bytes */
    assert_int_equal(load_changed(14, 0), LW_EFORMAT);    /* no neighbour */
    assert_int_equal(load_changed(14, 2), LW_EFORMAT);    /* as many neighbours as points */
    assert_int_equal(load_changed(21, 0xC0), LW_EFORMAT); /* a floor below 0 */
    assert_int_equal(load_changed(33, 0x7F), LW_EFORMAT); /* a huge centre */
    assert_int_equal(load_changed(37, 0x7F), LW_EFORMAT); /* a huge point */
    assert_int_equal(load_changed(45, 0xBF), LW_EFORMAT); /* a k-distance below 0 */
    assert_int_equal(load_changed(53, 0xBF), LW_EFORMAT); /* a density below 0 */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lof__factors_and_shares_are_the_papers),
        cmocka_unit_test(test_lof__is_that_of_the_usual_implementation),
        cmocka_unit_test(test_lof__the_floor_makes_small_steps_beside_still_data_ordinary),
        cmocka_unit_test(test_lof__updates_keep_all_densities_right),
        cmocka_unit_test(test_lof__load_refuses_what_no_fit_gives),
    };
    return LW_TEST_RUN(tests);
}
