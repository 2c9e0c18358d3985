/* Sub-sequence PCA against its definition: the covariance by two passes, all of its eigenvectors,
 * and sums in double. On real rows, with rests, holes, wide rows. */
#include "support/ensemble.h"

#include "base/bytes.h"
#include "base/option.h"
#include "math/linear_algebra.h"
#include "model/subpca.h"

#define LEAST 0.1

static struct lw_model *subpca_of(const struct lw_model_rows *rows, const char *variance,
                                  const char *components)
{
    void *options = calloc(1, lw_model_subpca.options_bytes);
    const struct lw_option *table = lw_model_subpca.options;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_options_default(table, lw_model_subpca.n_options, options);
    assert_int_equal(
        lw_options_set(table, lw_model_subpca.n_options, options, "variance", variance, &error),
        LW_OK);
    assert_int_equal(
        lw_options_set(table, lw_model_subpca.n_options, options, "components", components, &error),
        LW_OK);
    lw_rng_seed(&rng, 7);
    if (lw_model_subpca.fit(options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    free(options);
    return model;
}

struct slow {
    size_t n, n_rests, k;
    double *mean, *values, *vectors; /* [n], [n], [n][n] */
    double left;                     /* Mean of Q, floored. */
};

/* x less the mean; 0 where it is missing. */
static double slow_centred(const struct slow *slow, const float *row, size_t i)
{
    return isnan(row[i]) ? 0.0 : (double)row[i] - slow->mean[i];
}

/* T^2 and Q, and their parts by column, which add up to them. */
static void slow_parts(const struct slow *slow, const float *row, double *ret_along,
                       double *ret_left)
{
    for (size_t i = 0; i < slow->n + slow->n_rests; i++) {
        ret_along[i] = 0.0;
        ret_left[i] = i < slow->n     ? slow_centred(slow, row, i)
                      : isnan(row[i]) ? 0.0
                                      : (double)row[i];
    }
    for (size_t k = 0; k < slow->k; k++) {
        const double *vector = slow->vectors + k * slow->n;
        double coordinate = 0.0;

        for (size_t i = 0; i < slow->n; i++) {
            coordinate += vector[i] * slow_centred(slow, row, i);
        }
        for (size_t i = 0; i < slow->n; i++) {
            ret_along[i] += vector[i] * coordinate / fmax(sqrt(slow->values[k]), LEAST);
            ret_left[i] -= vector[i] * coordinate;
        }
    }
    for (size_t i = 0; i < slow->n + slow->n_rests; i++) {
        ret_along[i] *= ret_along[i];
        ret_left[i] *= ret_left[i];
    }
}

static double sum_of(const double *values, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

static struct slow slow_of(const struct lw_model_rows *rows, double variance, size_t most)
{
    size_t n = rows->n_dims - rows->n_rests;
    struct slow slow = {.n = n, .n_rests = rows->n_rests};
    double *covariance = calloc(n * n, sizeof(double)), trace = 0.0, explained = 0.0;
    double *parts = calloc(2 * rows->n_dims, sizeof(double));

    slow.mean = calloc(n, sizeof(double));
    slow.values = calloc(n, sizeof(double));
    slow.vectors = calloc(n * n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        double count = 0.0;

        for (size_t row = 0; row < rows->n_rows; row++) {
            float x = rows->values[row * rows->n_dims + i];

            slow.mean[i] += isnan(x) ? 0.0 : (double)x;
            count += isnan(x) ? 0.0 : 1.0;
        }
        slow.mean[i] /= count;
    }
    for (size_t row = 0; row < rows->n_rows; row++) {
        const float *x = rows->values + row * rows->n_dims;

        for (size_t i = 0; i < n * n; i++) {
            covariance[i] += slow_centred(&slow, x, i / n) * slow_centred(&slow, x, i % n) /
                             (double)rows->n_rows;
        }
    }
    for (size_t i = 0; i < n; i++) {
        trace += covariance[i * n + i];
    }
    lw_eigen_symmetric(covariance, n, slow.values, slow.vectors);
    while (slow.k < n && slow.k < most && explained < variance * trace) {
        explained += slow.values[slow.k++];
    }
    for (size_t row = 0; row < rows->n_rows; row++) {
        slow_parts(&slow, rows->values + row * rows->n_dims, parts, parts + rows->n_dims);
        slow.left += sum_of(parts + rows->n_dims, rows->n_dims) / (double)rows->n_rows;
    }
    slow.left = fmax(slow.left, LEAST * LEAST);
    free(parts);
    free(covariance);
    return slow;
}

static void slow_free(struct slow *slow)
{
    free(slow->mean);
    free(slow->values);
    free(slow->vectors);
}

static void subpca_equals_definition(const struct lw_model_rows *rows, const float *judged,
                                     size_t n_judged, const char *variance, const char *components)
{
    struct lw_model *model = subpca_of(rows, variance, components);
    struct slow slow = slow_of(rows, strtod(variance, NULL), strtoul(components, NULL, 10));
    size_t n = rows->n_dims;
    double *along = calloc(2 * n, sizeof(double)), *left = along + n;
    float *shares = calloc(n, sizeof(float)), distance;

    for (size_t row = 0; row < n_judged; row++) {
        const float *x = judged + row * n;
        double right, sum = 0.0;

        slow_parts(&slow, x, along, left);
        right = sqrt(sum_of(along, n) + sum_of(left, n) / slow.left);
        lw_model_subpca.score(model, NULL, x, 1, &distance);
        lw_model_subpca.attribute(model, NULL, x, shares);
        if (!(fabs((double)distance - right) <= 2e-3 * right)) {
            fail_msg("row %zu: %.9g, but %.9g by definition", row, (double)distance, right);
        }
        for (size_t i = 0; i < n; i++) {
            double share = (along[i] + left[i] / slow.left) / right;

            assert_true(fabs((double)shares[i] - share) <= 5e-3 * right);
            sum += (double)shares[i];
        }
        assert_true(fabs(sum - (double)distance) <= 1e-3 * right);
    }
    free(shares);
    free(along);
    slow_free(&slow);
    lw_model_subpca.destroy(model);
}

static void test_subpca__distances_and_shares_are_those_of_the_definition(void **state)
{
    struct lw_test_table glass = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    struct lw_model_rows rows = {
        .values = glass.values, .n_rows = glass.n_rows, .n_dims = glass.n_dims};

    (void)state;
    subpca_equals_definition(&rows, glass.values, glass.n_rows, "0.9", "32");
    subpca_equals_definition(&rows, glass.values, glass.n_rows, "0.9", "1");
    rows.n_rests = 2;
    subpca_equals_definition(&rows, glass.values, glass.n_rows, "0.5", "32");
    for (size_t i = 3; i < glass.n_rows * glass.n_dims; i += 7) {
        glass.values[i] = NAN;
    }
    subpca_equals_definition(&rows, glass.values, glass.n_rows, "0.9", "32");
    rows = (struct lw_model_rows){
        .values = train.values, .n_rows = train.n_rows, .n_dims = train.n_dims};
    for (size_t i = 0; i < train.n_rows * train.n_dims; i++) {
        train.values[i] *= 10.0f; /* So that the floor is not all there is. */
    }
    for (size_t i = 0; i < test.n_rows * test.n_dims; i++) {
        test.values[i] *= 10.0f;
    }
    subpca_equals_definition(&rows, test.values, test.n_rows, "0.9", "32");
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    lw_test_table_free(&glass);
}

/* Eight real rows in one, 304 columns: the components come from the rows' products. */
static void test_subpca__of_wide_rows_is_the_same(void **state)
{
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_model_rows rows = {
        .values = train.values, .n_rows = train.n_rows / 8, .n_dims = train.n_dims * 8};

    (void)state;
    for (size_t i = 0; i < train.n_rows * train.n_dims; i++) {
        train.values[i] *= 10.0f;
    }
    subpca_equals_definition(&rows, train.values, rows.n_rows, "0.6", "16");
    lw_test_table_free(&train);
}

/* The labelled trouble of the server stands out, in the views that know the steps before. */
static void test_subpca__finds_the_labelled_trouble_of_a_server(void **state)
{
    static const char *const members[] = {"subpca", "subpca@embedding", "subpca@values"};
    struct lw_test_table train = lw_test_server("train"), test = lw_test_server("test");
    float *distances = calloc(test.n_rows, sizeof(float));

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct lw_training_result result = lw_test_ensemble_of(members[i], "", &train);
        double energy, auc;

        for (size_t t = 0; t < test.n_rows; t++) {
            const float *row = test.values + t * test.n_dims;

            lw_ensemble_step(result.ensemble, &result.states, &row, 1, &energy, &distances[t]);
        }
        auc = lw_test_table_auc(&test, distances);
        print_message("%s: area under the ROC curve %.3f\n", members[i], auc);
        assert_true(auc > 0.75);
        lw_training_result_fini(&result);
    }
    free(distances);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

static void test_subpca__knows_how_far_across_is_far(void **state)
{
    float values[400];
    const float along[] = {4.0f, 4.0f}, across[] = {0.5f, -0.5f}, nowhere[] = {NAN, NAN};
    struct lw_model_rows rows = {.values = values, .n_rows = 200, .n_dims = 2};
    struct lw_model *model;
    float distances[3];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        values[2 * i] = values[2 * i + 1] = (float)i / 20.0f - 5.0f; /* Two that go together. */
    }
    model = subpca_of(&rows, "0.9", "32");
    lw_model_subpca.score(model, NULL, along, 1, &distances[0]);
    lw_model_subpca.score(model, NULL, across, 1, &distances[1]);
    lw_model_subpca.score(model, NULL, nowhere, 1, &distances[2]);
    assert_true(distances[0] < 1.6f);
    assert_float_equal(distances[1], 7.07f, 0.05f);
    assert_true(isnan(distances[2]));
    lw_model_subpca.destroy(model);
}

/* The saved bytes of two columns, one byte changed. */
static enum lw_status load_changed(size_t at, uint8_t value)
{
    static const float values[] = {0.0f, 1.0f, 2.0f, 5.0f};
    struct lw_model_rows rows = {.values = values, .n_rows = 2, .n_dims = 2};
    struct lw_model *model = subpca_of(&rows, "0.9", "1"), *loaded = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;
    struct lw_reader reader;
    enum lw_status status;

    lw_writer_init(&writer);
    lw_model_subpca.save(model, &writer);
    assert_int_equal(writer.n_bytes, 14 + 2 * 9 * 4 + 9 * 8);
    writer.data[at] = value;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    status = lw_model_subpca.load(&reader, &loaded, &error);
    assert_int_equal(status == LW_OK, loaded != NULL);
    lw_model_subpca.destroy(loaded);
    lw_model_subpca.destroy(model);
    lw_writer_fini(&writer);
    return status;
}

static void test_subpca__load_refuses_what_no_fit_gives(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1), LW_OK);
    assert_int_equal(load_changed(0, 2), LW_EVERSION);
    assert_int_equal(load_changed(2, 0), LW_EFORMAT);     /* no column */
    assert_int_equal(load_changed(3, 0xFF), LW_EFORMAT);  /* more columns than there may be */
    assert_int_equal(load_changed(2, 9), LW_EFORMAT);     /* more columns than bytes */
    assert_int_equal(load_changed(6, 2), LW_EFORMAT);     /* nothing but rests */
    assert_int_equal(load_changed(10, 0), LW_EFORMAT);    /* no component */
    assert_int_equal(load_changed(10, 7), LW_EFORMAT);    /* no whole vector */
    assert_int_equal(load_changed(10, 72), LW_EFORMAT);   /* too many */
    assert_int_equal(load_changed(17, 0x7F), LW_EFORMAT); /* a huge mean */
    assert_int_equal(load_changed(25, 0x7F), LW_EFORMAT); /* a huge component */
    assert_int_equal(load_changed(93, 0xBF), LW_EFORMAT); /* a negative precision */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subpca__distances_and_shares_are_those_of_the_definition),
        cmocka_unit_test(test_subpca__of_wide_rows_is_the_same),
        cmocka_unit_test(test_subpca__finds_the_labelled_trouble_of_a_server),
        cmocka_unit_test(test_subpca__knows_how_far_across_is_far),
        cmocka_unit_test(test_subpca__load_refuses_what_no_fit_gives),
    };
    return LW_TEST_RUN(tests);
}
