/* Distance to the k-th nearest against its definition, on real tables: all distances in double,
 * sorted. */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

static const struct lw_model_class *knn_class(void)
{
    return lw_model_class_find("knn");
}

static struct lw_model *knn_fit(const struct lw_model_rows *rows, const char *neighbours,
                                const char *core)
{
    const struct lw_model_class *knn = knn_class();
    void *options = malloc(knn->options_bytes);
    struct lw_error error = {0};
    struct lw_rng rng;
    struct lw_model *model = NULL;

    lw_options_default(knn->options, knn->n_options, options);
    assert_int_equal(
        lw_options_set(knn->options, knn->n_options, options, "neighbours", neighbours, &error),
        LW_OK);
    assert_int_equal(lw_options_set(knn->options, knn->n_options, options, "core", core, &error),
                     LW_OK);
    lw_rng_seed(&rng, 7);
    if (knn->fit(options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* What the saved bytes say; the caller frees centre, behind which the points lie. */
struct core {
    size_t n_dims, n_rests, n_points, k;
    uint64_t n_seen;
    float *centre, *points;
};

static struct core core_read(const struct lw_model *model)
{
    struct core core;
    struct lw_writer writer;
    struct lw_reader reader;
    size_t n_columns;

    lw_writer_init(&writer);
    knn_class()->save(model, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u16(&reader), 1);
    core.n_dims = lw_read_u32(&reader);
    core.n_rests = lw_read_u32(&reader);
    core.n_points = lw_read_u32(&reader);
    core.k = lw_read_u32(&reader);
    core.n_seen = lw_read_u64(&reader);
    n_columns = core.n_dims - core.n_rests;
    core.centre = calloc((core.n_points + 1) * n_columns, sizeof(float));
    core.points = core.centre + n_columns;
    lw_read_f32s(&reader, core.centre, (core.n_points + 1) * n_columns);
    assert_int_equal(reader.status, LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_writer_fini(&writer);
    return core;
}

struct near {
    double squared;
    size_t point;
};

static int compare_near(const void *a, const void *b)
{
    const struct near *x = a, *y = b;

    return (x->squared > y->squared) - (x->squared < y->squared);
}

/* The distance, and the squared difference of each column to the k nearest, in the mean. */
static double slow_distance(const struct core *core, const float *row, double *ret_squares)
{
    size_t n_columns = core->n_dims - core->n_rests;
    struct near *near = calloc(core->n_points, sizeof(*near));
    double squared;

    for (size_t point = 0; point < core->n_points; point++) {
        near[point].point = point;
        for (size_t i = 0; i < n_columns; i++) {
            double x = isnan(row[i]) ? (double)core->centre[i] : (double)row[i];

            near[point].squared += pow(x - (double)core->points[point * n_columns + i], 2.0);
        }
    }
    qsort(near, core->n_points, sizeof(*near), compare_near);
    squared = near[core->k - 1].squared;
    memset(ret_squares, 0, core->n_dims * sizeof(*ret_squares));
    for (size_t i = 0; i < core->n_dims; i++) {
        for (size_t n = 0; n < core->k && i < n_columns && !isnan(row[i]); n++) {
            double at = (double)core->points[near[n].point * n_columns + i];

            ret_squares[i] += pow((double)row[i] - at, 2.0) / (double)core->k;
        }
        if (i >= n_columns) {
            ret_squares[i] = isnan(row[i]) ? 0.0 : (double)row[i] * (double)row[i];
            squared += ret_squares[i];
        }
    }
    free(near);
    return sqrt(squared);
}

static void knn_equals_definition(const struct lw_test_table *table, size_t n_rests,
                                  const char *neighbours, const char *core_rows)
{
    struct lw_model_rows rows = {.values = table->values,
                                 .n_rows = table->n_rows / 2,
                                 .n_dims = table->n_dims,
                                 .n_rests = n_rests};
    struct lw_model *model = knn_fit(&rows, neighbours, core_rows);
    struct core core = core_read(model);
    double *squares = calloc(table->n_dims, sizeof(double));
    float *shares = calloc(table->n_dims, sizeof(float)), score;

    for (size_t i = 0; i < table->n_rows; i += 3) {
        const float *row = table->values + i * table->n_dims;
        double slow = slow_distance(&core, row, squares), sum = 0.0;

        knn_class()->score(model, NULL, row, 1, &score);
        knn_class()->attribute(model, NULL, row, shares);
        if (!(fabs((double)score - slow) <= 1e-6 * slow)) {
            fail_msg("row %zu: %.9g, but %.9g by definition", i, (double)score, slow);
        }
        for (size_t column = 0; column < table->n_dims; column++) {
            sum += squares[column];
        }
        for (size_t column = 0; column < table->n_dims && sum > 0.0; column++) {
            assert_true(fabs((double)shares[column] - squares[column] / sum * slow) <= 1e-5 * slow);
        }
    }
    free(shares);
    free(squares);
    free(core.centre);
    knn_class()->destroy(model);
}

static void test_knn__distances_and_shares_are_those_of_the_definition(void **state)
{
    struct lw_test_table glass = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_test_table smd = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");

    (void)state;
    knn_equals_definition(&glass, 0, "3", "500");
    knn_equals_definition(&glass, 2, "64", "80");
    knn_equals_definition(&smd, 0, "3", "500");
    knn_equals_definition(&smd, 1, "1", "100");
    for (size_t i = 3; i < glass.n_rows * glass.n_dims; i += 7) {
        glass.values[i] = NAN; /* Holes. */
    }
    knn_equals_definition(&glass, 0, "3", "500");
    knn_equals_definition(&glass, 1, "3", "500");
    lw_test_table_free(&smd);
    lw_test_table_free(&glass);
}

static void test_knn__a_rest_adds_as_pythagoras_has_it(void **state)
{
    static const float values[] = {0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9};
    static const float row[] = {3, 4, 12, 84}, no_rest[] = {3, 4, NAN, NAN};
    struct lw_model_rows rows = {.values = values, .n_rows = 3, .n_dims = 4, .n_rests = 2};
    struct lw_model *model = knn_fit(&rows, "3", "500");
    float score, shares[4];

    (void)state;
    knn_class()->score(model, NULL, row, 1, &score);
    knn_class()->attribute(model, NULL, row, shares);
    assert_float_equal(score, 85.0, 1e-5); /* Whatever the rests of training were. */
    assert_float_equal(shares[0] + shares[1] + shares[2] + shares[3], 85.0, 1e-4);
    assert_float_equal(shares[3], 84.0f * 84.0f / 85.0f, 1e-4);
    knn_class()->score(model, NULL, no_rest, 1, &score);
    assert_float_equal(score, 5.0, 1e-6);
    knn_class()->destroy(model);
}

/* As many updates as there were rows replace half of a core set. */
static void test_knn__updates_keep_a_uniform_sample(void **state)
{
    float values[200];
    struct lw_model_rows rows = {.values = values, .n_rows = 200, .n_dims = 1};
    struct lw_error error = {0};
    struct lw_model *model;
    struct lw_rng rng;
    struct core core;
    size_t n_old = 0;
    float missing = NAN;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        values[i] = -(float)i;
    }
    model = knn_fit(&rows, "3", "100");
    lw_rng_seed(&rng, 5);
    for (size_t i = 0; i < 200; i++) {
        float row = (float)i + 1.0f;

        assert_int_equal(knn_class()->update(model, &row, &rng, &error), LW_OK);
        assert_int_equal(knn_class()->update(model, &missing, &rng, &error), LW_OK);
    }
    core = core_read(model);
    for (size_t i = 0; i < core.n_points; i++) {
        n_old += core.points[i] <= 0.0f;
    }
    assert_int_equal(core.n_points, 100);
    assert_int_equal(core.n_seen, 400);    /* Rows without a value are not counted. */
    assert_true(n_old > 35 && n_old < 65); /* 50 are expected, with a deviation of 4.3. */
    free(core.centre);
    knn_class()->destroy(model);
}

/* The saved bytes of two points, one byte changed. */
static enum lw_status load_changed(size_t at, uint8_t value)
{
    static const float values[] = {0.0f, 1.0f};
    struct lw_model_rows rows = {.values = values, .n_rows = 2, .n_dims = 1};
    struct lw_model *model = knn_fit(&rows, "2", "2"), *loaded = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;
    struct lw_reader reader;
    enum lw_status status;

    lw_writer_init(&writer);
    knn_class()->save(model, &writer);
    assert_int_equal(writer.n_bytes, 38);
    writer.data[at] = value;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    status = knn_class()->load(&reader, &loaded, &error);
    assert_int_equal(status == LW_OK, loaded != NULL);
    knn_class()->destroy(loaded);
    knn_class()->destroy(model);
    lw_writer_fini(&writer);
    return status;
}

static void test_knn__load_refuses_what_no_fit_gives(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1), LW_OK);
    assert_int_equal(load_changed(0, 2), LW_EVERSION);
    assert_int_equal(load_changed(2, 0), LW_EFORMAT);     /* no column */
    assert_int_equal(load_changed(6, 1), LW_EFORMAT);     /* nothing but rests */
    assert_int_equal(load_changed(10, 0), LW_EFORMAT);    /* no point */
    assert_int_equal(load_changed(10, 9), LW_EFORMAT);    /* more points than bytes */
    assert_int_equal(load_changed(14, 0), LW_EFORMAT);    /* no neighbour */
    assert_int_equal(load_changed(14, 3), LW_EFORMAT);    /* more neighbours than points */
    assert_int_equal(load_changed(29, 0x7F), LW_EFORMAT); /* a huge centre */
    assert_int_equal(load_changed(33, 0xFF), LW_EFORMAT); /* a huge point */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_knn__distances_and_shares_are_those_of_the_definition),
        cmocka_unit_test(test_knn__a_rest_adds_as_pythagoras_has_it),
        cmocka_unit_test(test_knn__updates_keep_a_uniform_sample),
        cmocka_unit_test(test_knn__load_refuses_what_no_fit_gives),
    };
    return LW_TEST_RUN(tests);
}
