/*
 * Isolation Forest against a slow reference written from the paper, on real tables.
 *
 * The reference knows the forest by its documented bytes only: it builds pointer trees from them,
 * walks them by recursion and computes h and c as the paper defines them.
 */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/iforest.h"
#include "model/model.h"

#include <float.h>

#define N_SEEDS 10

static const struct lw_model_class *forest_class(void)
{
    return lw_model_class_find("iforest");
}

static struct lw_model *forest_fit(const struct lw_test_table *table, const char *trees,
                                   const char *sample, uint64_t seed)
{
    const struct lw_model_class *forest = forest_class();
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = malloc(forest->options_bytes);
    struct lw_error error = {0};
    struct lw_rng rng;
    struct lw_model *model = NULL;

    lw_options_default(forest->options, forest->n_options, options);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "trees", trees, &error), LW_OK);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "sample", sample, &error),
        LW_OK);
    lw_rng_seed(&rng, seed);
    if (forest->fit(options, &rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* A node of the reference. A leaf has no children. */
struct node {
    struct node *first, *second;
    size_t column;
    int is_turned;
    float threshold;
    double n_rows;
};

struct reference {
    struct node **roots;
    size_t n_trees, n_dims, n_sample;
};

static struct node *node_read(struct lw_reader *reader)
{
    struct node *node = calloc(1, sizeof(*node));
    unsigned head = lw_read_u16(reader);

    if (head == 0xFFFF) {
        node->n_rows = lw_read_u16(reader);
        return node;
    }
    node->column = head & 0x7FFF;
    node->is_turned = (head & 0x8000) != 0;
    node->threshold = lw_read_f32(reader);
    node->first = node_read(reader);
    node->second = node_read(reader);
    node->n_rows = node->first->n_rows + node->second->n_rows;
    return node;
}

static void node_free(struct node *node)
{
    if (node != NULL) {
        node_free(node->first);
        node_free(node->second);
        free(node);
    }
}

static struct reference reference_read(const struct lw_model *model)
{
    struct reference reference = {0};
    struct lw_writer writer;
    struct lw_reader reader;

    lw_writer_init(&writer);
    forest_class()->save(model, &writer);
    assert_int_equal(writer.status, LW_OK);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_read_u16(&reader), 1);
    reference.n_dims = lw_read_u32(&reader);
    reference.n_trees = lw_read_u32(&reader);
    reference.n_sample = lw_read_u32(&reader);
    reference.roots = calloc(reference.n_trees, sizeof(*reference.roots));
    for (size_t tree = 0; tree < reference.n_trees; tree++) {
        reference.roots[tree] = node_read(&reader);
        assert_int_equal((long)reference.roots[tree]->n_rows, (long)reference.n_sample);
    }
    assert_int_equal(reader.status, LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_writer_fini(&writer);
    return reference;
}

static void reference_free(struct reference *reference)
{
    for (size_t tree = 0; tree < reference->n_trees; tree++) {
        node_free(reference->roots[tree]);
    }
    free(reference->roots);
}

/* c(n): equation 1 of the paper, with the harmonic number as it is defined. */
static double slow_c(double n)
{
    double harmonic = 0.0;

    for (double i = 1.0; i < n; i += 1.0) {
        harmonic += 1.0 / i;
    }
    return n > 1.0 ? 2.0 * harmonic - 2.0 * (n - 1.0) / n : 0.0;
}

static const struct node *node_step(const struct node *node, const float *row)
{
    double x = row[node->column];

    if (isnan(x)) {
        return node->first->n_rows > node->second->n_rows ? node->first : node->second;
    }
    return (node->is_turned ? -x : x) < (double)node->threshold ? node->first : node->second;
}

static double slow_h(const struct node *node, const float *row)
{
    return node->first == NULL ? slow_c(node->n_rows) : 1.0 + slow_h(node_step(node, row), row);
}

static double slow_score(const struct reference *reference, const float *row)
{
    double sum = 0.0;

    for (size_t tree = 0; tree < reference->n_trees; tree++) {
        sum += slow_h(reference->roots[tree], row);
    }
    return pow(2.0, -sum / (double)reference->n_trees / slow_c((double)reference->n_sample));
}

/* The negative part of the exact Shapley values of the mean path, in units of c(sample); these are
 * held to their definition in test_explain_treeshap.c. */
static void slow_shares(const struct reference *reference, const struct lw_model *model,
                        const float *row, double *ret_shares)
{
    lw_iforest_shapley(model, row, ret_shares);
    for (size_t i = 0; i < reference->n_dims; i++) {
        ret_shares[i] = fmax(-ret_shares[i], 0.0) / slow_c((double)reference->n_sample);
    }
}

/* Punches holes into a copy of the table: every 7th value from a start. */
static void table_pierce(struct lw_test_table *table)
{
    for (size_t i = 3; i < table->n_rows * table->n_dims; i += 7) {
        table->values[i] = NAN;
    }
}

static void forest_equals_reference(const char *path, const char *trees, const char *sample,
                                    int is_pierced)
{
    struct lw_test_table table = lw_test_table_read(path);
    struct lw_model *model;
    struct reference reference;
    float *scores = calloc(table.n_rows, sizeof(float)),
          *shares = calloc(table.n_dims, sizeof(float));
    double *wanted = calloc(table.n_dims, sizeof(double));

    if (is_pierced) {
        table_pierce(&table);
    }
    model = forest_fit(&table, trees, sample, 7);
    reference = reference_read(model);
    forest_class()->score(model, NULL, table.values, table.n_rows, scores);
    for (size_t row = 0; row < table.n_rows; row++) {
        const float *values = table.values + row * table.n_dims;
        double slow = slow_score(&reference, values);

        if (fabs((double)scores[row] - slow) > 1e-6) {
            fail_msg("%s row %zu: %.9g, but %.9g by the paper", path, row, (double)scores[row],
                     slow);
        }
        if (row % 16 == 0) {
            forest_class()->attribute(model, NULL, values, shares);
            slow_shares(&reference, model, values, wanted);
            for (size_t i = 0; i < table.n_dims; i++) {
                assert_float_equal(shares[i], wanted[i], 2e-6);
            }
        }
    }
    reference_free(&reference);
    forest_class()->destroy(model);
    free(wanted);
    free(shares);
    free(scores);
    lw_test_table_free(&table);
}

static void test_iforest__scores_and_shares_are_the_papers(void **state)
{
    (void)state;
    forest_equals_reference(LW_TEST_DATA "/adbench/breastw.csv", "100", "256", 0);
    forest_equals_reference(LW_TEST_DATA "/adbench/glass.csv", "37", "100", 0);
    forest_equals_reference(LW_TEST_DATA "/smd/machine-1-6-train.csv", "17", "4096", 0);
}

static void test_iforest__a_hole_goes_where_most_training_rows_went(void **state)
{
    (void)state;
    forest_equals_reference(LW_TEST_DATA "/adbench/glass.csv", "64", "256", 1);
    forest_equals_reference(LW_TEST_DATA "/adbench/breastw.csv", "16", "2", 1);
}

/*
 * Mean area under the ROC curve in percent over ten seeds, fitted and scored on the whole raw
 * table, against scikit-learn 1.2.1 (100 trees of 256, ten seeds): within two of its standard
 * deviations.
 */
static void forest_is_on_par(const char *path, double mean, double deviation)
{
    struct lw_test_table table = lw_test_table_read(path);
    float *scores = calloc(table.n_rows, sizeof(float));
    double sum = 0.0;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct lw_model *model = forest_fit(&table, "100", "256", seed);

        forest_class()->score(model, NULL, table.values, table.n_rows, scores);
        sum += 100.0 * lw_test_table_auc(&table, scores) / N_SEEDS;
        forest_class()->destroy(model);
    }
    if (fabs(sum - mean) > 2.0 * deviation) {
        fail_msg("%s: %.2f, but %.2f +- %.2f allowed", path, sum, mean, 2.0 * deviation);
    }
    free(scores);
    lw_test_table_free(&table);
}

static void test_iforest__is_on_par_with_the_usual_implementation(void **state)
{
    (void)state;
    forest_is_on_par(LW_TEST_DATA "/adbench/breastw.csv", 98.73, 0.13);
    forest_is_on_par(LW_TEST_DATA "/adbench/glass.csv", 78.64, 1.43);
}

static void test_iforest__blames_the_column_that_was_moved(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_model *model = forest_fit(&table, "100", "256", 1);
    float *row = calloc(table.n_dims, sizeof(float)), *shares = calloc(table.n_dims, sizeof(float));
    size_t n_moved = 0, n_first = 0;

    (void)state;
    for (size_t column = 0; column < table.n_dims; column++) {
        float least = FLT_MAX, most = -FLT_MAX;
        size_t top = 0;

        for (size_t i = 0; i < table.n_rows; i++) {
            least = fminf(least, table.values[i * table.n_dims + column]);
            most = fmaxf(most, table.values[i * table.n_dims + column]);
        }
        if (least == most) {
            continue; /* A column that never moved in training is in no cut. */
        }
        memcpy(row, table.values + 100 * table.n_dims, table.n_dims * sizeof(float));
        row[column] = most + (most - least);
        forest_class()->attribute(model, NULL, row, shares);
        for (size_t i = 0; i < table.n_dims; i++) {
            top = shares[i] > shares[top] ? i : top;
        }
        n_moved++;
        n_first += top == column;
    }
    print_message("the moved column comes first for %zu of %zu columns\n", n_first, n_moved);
    assert_true(n_moved > 25);
    assert_true(n_first * 10 >= n_moved * 9);
    free(shares);
    free(row);
    forest_class()->destroy(model);
    lw_test_table_free(&table);
}

/* Whether the publisher counts metric m01.. (from 0 here) among the causes of the anomaly in the
 * test part. */
static int smd_is_cause(size_t column)
{
    static const size_t causes[] = {5, 6, 9, 10, 11, 13, 17, 33, 34};

    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i] == column + 1) {
            return 1;
        }
    }
    return 0;
}

static void test_iforest__blames_a_real_anomaly_on_its_known_causes(void **state)
{
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    struct lw_model *model = forest_fit(&train, "100", "256", 1);
    float *shares = calloc(test.n_dims, sizeof(float));
    double mean[2] = {0.0, 0.0}, n[2] = {0.0, 0.0};

    (void)state;
    for (size_t i = 0; i < test.n_rows; i++) {
        if (test.labels[i] != 0) {
            forest_class()->attribute(model, NULL, test.values + i * test.n_dims, shares);
            for (size_t column = 0; column < test.n_dims; column++) {
                mean[smd_is_cause(column)] += (double)shares[column];
                n[smd_is_cause(column)] += 1.0;
            }
        }
    }
    print_message("mean share of a cause %.5f, of another metric %.5f\n", mean[1] / n[1],
                  mean[0] / n[0]);
    assert_true(mean[1] / n[1] > 2.0 * mean[0] / n[0]);
    free(shares);
    forest_class()->destroy(model);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

/* One forest, pinned: other bits here mean that saved thresholds and calibrations no longer fit. */
static void test_iforest__scores_are_the_same_bits_everywhere(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/breastw.csv");
    struct lw_model *model = forest_fit(&table, "100", "256", 1);
    float *scores = calloc(table.n_rows, sizeof(float));
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a over the scores' bits. */

    (void)state;
    forest_class()->score(model, NULL, table.values, table.n_rows, scores);
    for (size_t i = 0; i < table.n_rows; i++) {
        uint32_t bits;

        memcpy(&bits, &scores[i], sizeof(bits));
        hash = (hash ^ bits) * 0x100000001B3u;
    }
    print_message("hash of the scores: 0x%016llX\n", (unsigned long long)hash);
    assert_true(hash == 0x0C38C3E911F2C309u);
    free(scores);
    forest_class()->destroy(model);
    lw_test_table_free(&table);
}

static void test_iforest__infinities_count_as_the_greatest_floats(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model *with_infinity, *with_greatest;
    float *a = calloc(table.n_rows, sizeof(float)), *b = calloc(table.n_rows, sizeof(float));

    (void)state;
    table.values[5] = INFINITY;
    table.values[table.n_dims * 9 + 2] = -INFINITY;
    with_infinity = forest_fit(&table, "50", "256", 3);
    forest_class()->score(with_infinity, NULL, table.values, table.n_rows, a);
    table.values[5] = FLT_MAX;
    table.values[table.n_dims * 9 + 2] = -FLT_MAX;
    with_greatest = forest_fit(&table, "50", "256", 3);
    forest_class()->score(with_greatest, NULL, table.values, table.n_rows, b);
    assert_memory_equal(a, b, table.n_rows * sizeof(float));
    assert_true(a[0] > a[20]);
    forest_class()->destroy(with_infinity);
    forest_class()->destroy(with_greatest);
    free(a);
    free(b);
    lw_test_table_free(&table);
}

static void test_iforest__rows_all_alike_score_one_half(void **state)
{
    static const float rows[6 * 2] = {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2};
    struct lw_test_table table = {.values = (float *)rows, .n_rows = 6, .n_dims = 2};
    struct lw_model *model = forest_fit(&table, "10", "256", 1);
    float score = 0.0f, far[2] = {100.0f, -5.0f}, shares[2] = {1.0f, 1.0f};

    (void)state;
    forest_class()->score(model, NULL, far, 1, &score);
    forest_class()->attribute(model, NULL, far, shares);
    assert_true(score == 0.5f);
    assert_true(shares[0] == 0.0f && shares[1] == 0.0f);
    forest_class()->destroy(model);
}

/* A saved forest of two rows, one column and one tree: a cut and two leaves; then one byte changed.
 */
static enum lw_status load_changed(size_t at, uint8_t value)
{
    static const uint8_t good[] = {1,   0,   1, 0, 0,   0,   1, 0,
                                   0,   0,   2, 0, 0,   0,  /* version, values, trees, rows */
                                   0,   0,   0, 0, 128, 63, /* column 0 below 1.0f */
                                   255, 255, 1, 0, 255, 255, 1, 0}; /* a leaf of one row, twice */
    uint8_t bytes[sizeof(good)];
    struct lw_reader reader;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    enum lw_status status;

    memcpy(bytes, good, sizeof(good));
    bytes[at] = value;
    lw_reader_init(&reader, bytes, sizeof(bytes));
    status = forest_class()->load(&reader, &model, &error);
    assert_int_equal(status == LW_OK, model != NULL);
    forest_class()->destroy(model);
    return status;
}

static void test_iforest__load_refuses_what_breaks_a_forest(void **state)
{
    (void)state;
    assert_int_equal(load_changed(0, 1), LW_OK);
    assert_int_equal(load_changed(0, 3), LW_EVERSION);
    assert_int_equal(load_changed(0, 2), LW_EFORMAT);    /* a plain forest called an extended one */
    assert_int_equal(load_changed(2, 0), LW_EFORMAT);    /* no column */
    assert_int_equal(load_changed(3, 0x20), LW_EFORMAT); /* 8193 columns */
    assert_int_equal(load_changed(6, 0), LW_EFORMAT);    /* no tree */
    assert_int_equal(load_changed(6, 9), LW_EFORMAT);    /* more trees than bytes */
    assert_int_equal(load_changed(10, 1), LW_EFORMAT);   /* a tree of one row */
    assert_int_equal(load_changed(10, 3), LW_EFORMAT);   /* leaves of 2 rows in a tree of 3 */
    assert_int_equal(load_changed(14, 1), LW_EFORMAT);   /* column 1 of 1 */
    assert_int_equal(load_changed(19, 127), LW_EFORMAT); /* an infinite threshold */
    assert_int_equal(load_changed(22, 0), LW_EFORMAT);   /* a leaf without rows */
    assert_int_equal(load_changed(22, 2), LW_EFORMAT);   /* more rows than the tree has */
    assert_int_equal(load_changed(20, 0), LW_EFORMAT);   /* a cut below the greatest depth */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iforest__scores_and_shares_are_the_papers),
        cmocka_unit_test(test_iforest__a_hole_goes_where_most_training_rows_went),
        cmocka_unit_test(test_iforest__is_on_par_with_the_usual_implementation),
        cmocka_unit_test(test_iforest__blames_the_column_that_was_moved),
        cmocka_unit_test(test_iforest__blames_a_real_anomaly_on_its_known_causes),
        cmocka_unit_test(test_iforest__scores_are_the_same_bits_everywhere),
        cmocka_unit_test(test_iforest__infinities_count_as_the_greatest_floats),
        cmocka_unit_test(test_iforest__rows_all_alike_score_one_half),
        cmocka_unit_test(test_iforest__load_refuses_what_breaks_a_forest),
    };
    return LW_TEST_RUN(tests);
}
