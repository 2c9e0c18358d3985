/* Robust scaling against its definition on a real machine's metrics. */
#include "feature/scale.h"
#include "support/mem_faulty.h"
#include "support/table.h"
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double ref_quantile(double *values, size_t n, double p)
{
    double place = p * (double)(n - 1);
    size_t k = (size_t)place;

    qsort(values, n, sizeof(double), compare_doubles);
    return k + 1 < n ? values[k] + (place - (double)k) * (values[k + 1] - values[k]) : values[k];
}

/* Copies a column's finite values and returns how many. */
static size_t column_of(const float *rows, size_t n_rows, size_t n_columns, size_t column,
                        double *ret_values)
{
    size_t n = 0;

    for (size_t i = 0; i < n_rows; i++) {
        if (isfinite(rows[i * n_columns + column])) {
            ret_values[n++] = (double)rows[i * n_columns + column];
        }
    }
    return n;
}

static struct lw_scale ref_robust(double *values, size_t n, double floor_centre, double floor_range)
{
    struct lw_scale scale = {ref_quantile(values, n, 0.5), 0};
    double central = (ref_quantile(values, n, 0.95) - ref_quantile(values, n, 0.05)) /
                     3.289707253902944;
    double range = values[n - 1] - values[0];

    for (size_t i = 0; i < n; i++) {
        values[i] = fabs(values[i] - scale.centre);
    }
    scale.scale = fmax(1.482602218505602 * ref_quantile(values, n, 0.5), central);
    scale.scale = fmax(scale.scale, fmax(floor_centre * fabs(scale.centre), floor_range * range));
    scale.scale = scale.scale > 0 ? scale.scale : 1.0;
    return scale;
}

static void expect_near(const char *what, size_t column, double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want))) {
        fail_msg("%s of column %zu: %.17g, expected %.17g", what, column, got, want);
    }
}

static void test_scale__equals_median_and_deviation_of_a_real_machine(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    struct lw_scale *scales = malloc(table.n_dims * sizeof(*scales));
    double *values = malloc(table.n_rows * sizeof(double));
    struct lw_scale_options options;

    (void)state;
    /* Holes, which must count for nothing. */
    for (size_t i = 0; i < table.n_rows * table.n_dims; i += 13) {
        table.values[i] = i % 2 == 0 ? NAN : INFINITY;
    }
    lw_scale_options_default(&options);
    assert_int_equal(lw_scale_fit(&options, table.values, table.n_rows, table.n_dims, scales, NULL),
                     LW_OK);
    for (size_t column = 0; column < table.n_dims; column++) {
        size_t n = column_of(table.values, table.n_rows, table.n_dims, column, values);
        struct lw_scale want = ref_robust(values, n, 0.01, 0.01);

        expect_near("centre", column, scales[column].centre, want.centre);
        expect_near("scale", column, scales[column].scale, want.scale);
    }
    free(values);
    free(scales);
    lw_test_table_free(&table);
}

static void test_scale__equals_mean_and_deviation_when_asked(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    struct lw_scale *scales = malloc(table.n_dims * sizeof(*scales));
    double *values = malloc(table.n_rows * sizeof(double));
    const struct lw_scale_options options = {LW_SCALE_MOMENTS, 0.001, 0.0, 0.0};

    (void)state;
    assert_int_equal(lw_scale_fit(&options, table.values, table.n_rows, table.n_dims, scales, NULL),
                     LW_OK);
    for (size_t column = 0; column < table.n_dims; column++) {
        size_t n = column_of(table.values, table.n_rows, table.n_dims, column, values);
        long double mean = 0, sum = 0;

        for (size_t i = 0; i < n; i++) {
            mean += values[i] / (long double)n;
        }
        for (size_t i = 0; i < n; i++) {
            sum += (values[i] - mean) * (values[i] - mean);
        }
        expect_near("centre", column, scales[column].centre, (double)mean);
        expect_near("scale", column, scales[column].scale,
                    fmax((double)sqrtl(sum / (long double)n), 0.001));
    }
    free(values);
    free(scales);
    lw_test_table_free(&table);
}

static void test_scale__floors_hold_constant_and_unseen_columns(void **state)
{
    /* Columns: constant 50, constant 0, never observed, one point that left a constant. */
    const float rows[] = {50, 0, NAN, 2, 50, 0, NAN, 2, 50, 0, INFINITY, 2, 50, 0, NAN, 12};
    struct lw_scale_options options;
    struct lw_scale scales[4];
    float row[4] = {51, 1, 3, 2};

    (void)state;
    lw_scale_options_default(&options);
    assert_int_equal(lw_scale_fit(&options, rows, 4, 4, scales, NULL), LW_OK);
    assert_true(scales[0].centre == 50 && scales[0].scale == 0.5);
    assert_true(scales[1].centre == 0 && scales[1].scale == 1);
    assert_true(scales[2].centre == 0 && scales[2].scale == 1);
    assert_true(scales[3].centre == 2 && scales[3].scale > 0.1);
    lw_scale_apply(scales, 4, row, row);
    assert_true(fabsf(row[0] - 3.0f * asinhf(2.0f / 3.0f)) < 1e-6f);
    options.floor_absolute = 4.0;
    assert_int_equal(lw_scale_fit(&options, rows, 4, 4, scales, NULL), LW_OK);
    assert_true(scales[0].scale == 4 && scales[1].scale == 4);
    assert_int_equal(lw_scale_fit(&options, rows, 0, 4, scales, NULL), LW_OK);
    assert_true(scales[0].centre == 0 && scales[0].scale == 1);
}

static void test_scale__compression_keeps_order_and_comes_back(void **state)
{
    const struct lw_scale scale = {100.0, 5.0};
    double before = -INFINITY;

    (void)state;
    for (double z = -1e6; z <= 1e6; z += 997.3) {
        double compressed = lw_scale_compress(z);

        assert_true(compressed > before);
        assert_true(fabs(compressed - 3.0 * asinh(z / 3.0)) <= 1e-14 * fabs(compressed) + 1e-300);
        assert_true(fabs(lw_scale_expand(compressed) - z) <= 1e-10 * fabs(z) + 1e-12);
        assert_true(fabs(lw_scale_invert(&scale, compressed) - (100.0 + 5.0 * z)) <=
                    1e-10 * (fabs(5.0 * z) + 100.0));
        before = compressed;
    }
    /* Near the centre nothing is compressed. */
    assert_true(fabs(lw_scale_compress(0.01) - 0.01) < 1e-7);
}

static void test_scale__nan_stays_nan_and_huge_stays_finite(void **state)
{
    const struct lw_scale scales[3] = {{0, 1}, {-1e30, 1e-30}, {0, 1}};
    const float row[3] = {NAN, FLT_MAX, -FLT_MAX};
    float got[3];

    (void)state;
    lw_scale_apply(scales, 3, row, got);
    assert_true(isnan(got[0]));
    assert_true(isfinite(got[1]) && got[1] > 100.0f);
    assert_true(isfinite(got[2]) && got[2] < -100.0f);
}

static void test_scale__saved_scales_give_the_same_bits(void **state)
{
    const struct lw_scale scales[2] = {{0.1, 1.0 / 3.0}, {-7e20, 1e-30}};
    struct lw_scale loaded[2] = {{0, 0}, {0, 0}};
    struct lw_writer writer;
    struct lw_reader reader;

    (void)state;
    lw_writer_init(&writer);
    lw_scale_save(scales, 2, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_scale_load(&reader, 2, loaded, NULL), LW_OK);
    assert_memory_equal(loaded, scales, sizeof(scales));
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_scale_load(&reader, 3, loaded, NULL), LW_EINVAL);
    for (size_t n = 0; n < writer.n_bytes; n++) {
        lw_reader_init(&reader, writer.data, n);
        assert_int_equal(lw_scale_load(&reader, 2, loaded, NULL), LW_EFORMAT);
    }
    /* A scale of 0, and one of infinity. */
    memset(writer.data + 6 + 8, 0, 8);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_scale_load(&reader, 2, loaded, NULL), LW_EFORMAT);
    memcpy(writer.data + 6 + 8, "\0\0\0\0\0\0\xf0\x7f", 8);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_scale_load(&reader, 2, loaded, NULL), LW_EFORMAT);
    writer.data[0] = 2;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_scale_load(&reader, 2, loaded, NULL), LW_EVERSION);
    assert_memory_equal(loaded, scales, sizeof(scales));
    lw_writer_fini(&writer);
}

static void test_scale__refuses_what_cannot_be(void **state)
{
    const float rows[2] = {1, 2};
    struct lw_scale scales[1];
    struct lw_scale_options options;

    (void)state;
    lw_scale_options_default(&options);
    assert_int_equal(lw_scale_fit(&options, rows, 2, 0, scales, NULL), LW_EINVAL);
    assert_int_equal(lw_scale_fit(&options, rows, 0, LW_SCALE_COLUMNS_MAX + 1, scales, NULL),
                     LW_ELIMIT);
    lw_test_mem_fail_at(1);
    assert_int_equal(lw_scale_fit(&options, rows, 2, 1, scales, NULL), LW_ENOMEM);
    lw_test_mem_fail_at(0);
    options.floor_range = NAN;
    assert_int_equal(lw_scale_fit(&options, rows, 2, 1, scales, NULL), LW_EINVAL);
    options.floor_range = -1;
    assert_int_equal(lw_scale_fit(&options, rows, 2, 1, scales, NULL), LW_EINVAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale__equals_median_and_deviation_of_a_real_machine),
        cmocka_unit_test(test_scale__equals_mean_and_deviation_when_asked),
        cmocka_unit_test(test_scale__floors_hold_constant_and_unseen_columns),
        cmocka_unit_test(test_scale__compression_keeps_order_and_comes_back),
        cmocka_unit_test(test_scale__nan_stays_nan_and_huge_stays_finite),
        cmocka_unit_test(test_scale__saved_scales_give_the_same_bits),
        cmocka_unit_test(test_scale__refuses_what_cannot_be),
    };

    return LW_TEST_RUN(tests);
}
