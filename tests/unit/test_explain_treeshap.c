/*
 * Exact Shapley values of forests against their definition, slowly, and against the shap package.
 *
 * The slow reference knows a forest by its documented bytes: it expects of a node what its
 * definition says for every subset of columns, and averages what a column adds over all subsets.
 */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "explain/treeshap.h"
#include "math/kernels.h"
#include "math/shapley.h"

#define N_DIMS_SLOW 9 /* Of breastw and glass at most: 512 subsets. */

/* Fails with both values. */
static void check_near(double value, double wanted, double apart)
{
    if (!(fabs(value - wanted) <= apart)) {
        fail_msg("%.17g, but wanted %.17g", value, wanted);
    }
}

static const struct lw_model_class *forest_class(void)
{
    return lw_model_class_find("iforest");
}

static struct lw_model *forest_fit_extended(const struct lw_test_table *table, const char *trees,
                                            const char *sample, const char *extend)
{
    const struct lw_model_class *forest = forest_class();
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = malloc(forest->options_bytes);
    struct lw_error error = {0};
    struct lw_model *model = NULL;
    struct lw_rng rng;

    lw_options_default(forest->options, forest->n_options, options);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "trees", trees, &error), LW_OK);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "sample", sample, &error),
        LW_OK);
    assert_int_equal(
        lw_options_set(forest->options, forest->n_options, options, "extend", extend, &error),
        LW_OK);
    lw_rng_seed(&rng, 5);
    assert_int_equal(forest->fit(options, &rows, &rng, &model, &error), LW_OK);
    free(options);
    return model;
}

static struct lw_model *forest_fit(const struct lw_test_table *table, const char *trees,
                                   const char *sample)
{
    return forest_fit_extended(table, trees, sample, "0");
}

struct node {
    struct node *first, *second;
    unsigned column;
    int is_turned;
    float threshold;
    double n_rows, h;
};

static double slow_c(double n)
{
    double harmonic = 0.0;

    for (double i = 1.0; i < n; i += 1.0) {
        harmonic += 1.0 / i;
    }
    return n > 1.0 ? 2.0 * harmonic - 2.0 * (n - 1.0) / n : 0.0;
}

static struct node *node_read(struct lw_reader *reader, double depth)
{
    struct node *node = calloc(1, sizeof(*node));
    unsigned head = lw_read_u16(reader);

    if (head == 0xFFFF) {
        node->n_rows = lw_read_u16(reader);
        node->h = (double)(float)(depth + slow_c(node->n_rows)); /* Kept as a float. */
        return node;
    }
    node->column = head & 0x7FFF;
    node->is_turned = (head & 0x8000) != 0;
    node->threshold = lw_read_f32(reader);
    node->first = node_read(reader, depth + 1.0);
    node->second = node_read(reader, depth + 1.0);
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

/* What a tree expects when it is told the columns of a set only. */
static double slow_expected(const struct node *node, const float *row, unsigned told)
{
    float x = row[node->column];

    if (node->first == NULL) {
        return node->h;
    }
    if ((told >> node->column & 1u) == 0) {
        return (node->first->n_rows * slow_expected(node->first, row, told) +
                node->second->n_rows * slow_expected(node->second, row, told)) /
               node->n_rows;
    }
    return slow_expected((node->is_turned ? -x : x) < node->threshold ? node->first : node->second,
                         row, told);
}

/* The definition: what a column adds to each set without it, weighed by how many orders tell that
 * set first. */
static void slow_shapley(const double *worths, size_t n_dims, double *ret_values)
{
    for (size_t column = 0; column < n_dims; column++) {
        ret_values[column] = 0.0;
        for (unsigned told = 0; told < 1u << n_dims; told++) {
            double n_told = (double)__builtin_popcount(told);

            if ((told >> column & 1u) == 0) {
                ret_values[column] += (worths[told | 1u << column] - worths[told]) *
                                      exp(lgamma(n_told + 1.0) + lgamma((double)n_dims - n_told) -
                                          lgamma((double)n_dims + 1.0));
            }
        }
    }
}

static void forest_equals_definition(const char *path, const char *trees, const char *sample)
{
    struct lw_test_table table = lw_test_table_read(path);
    struct lw_model *model = forest_fit(&table, trees, sample);
    double worths[1u << N_DIMS_SLOW], wanted[N_DIMS_SLOW], values[N_DIMS_SLOW];
    struct node *roots[64];
    struct lw_treeshap sums;
    struct lw_error error;
    struct lw_writer writer;
    struct lw_reader reader;
    size_t n_trees;

    assert_true(table.n_dims <= N_DIMS_SLOW);
    lw_writer_init(&writer);
    forest_class()->save(model, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    (void)lw_read_view(&reader, 6);
    n_trees = lw_read_u32(&reader);
    (void)lw_read_u32(&reader);
    assert_true(n_trees <= 64);
    for (size_t tree = 0; tree < n_trees; tree++) {
        roots[tree] = node_read(&reader, 0.0);
    }
    for (size_t row = 0; row < table.n_rows; row += table.n_rows / 7) {
        float *x = table.values + row * table.n_dims;

        x[row % table.n_dims] = row % 2 == 0 ? NAN : x[row % table.n_dims];
        memset(worths, 0, sizeof(worths));
        for (unsigned told = 0; told < 1u << table.n_dims; told++) {
            for (size_t tree = 0; tree < n_trees; tree++) {
                worths[told] += slow_expected(roots[tree], x, told) / (double)n_trees;
            }
        }
        slow_shapley(worths, table.n_dims, wanted);
        assert_int_equal(lw_treeshap_explain(forest_class(), model, x, values, &sums, &error),
                         LW_OK);
        check_near(sums.expected, worths[0], 1e-11);
        check_near(sums.explained, worths[(1u << table.n_dims) - 1], 1e-11);
        for (size_t column = 0; column < table.n_dims; column++) {
            check_near(values[column], wanted[column], 1e-10);
        }
    }
    for (size_t tree = 0; tree < n_trees; tree++) {
        node_free(roots[tree]);
    }
    lw_writer_fini(&writer);
    forest_class()->destroy(model);
    lw_test_table_free(&table);
}

static void test_treeshap__values_are_the_definitions(void **state)
{
    (void)state;
    forest_equals_definition(LW_TEST_DATA "/adbench/glass.csv", "20", "64");
    forest_equals_definition(LW_TEST_DATA "/adbench/breastw.csv", "20", "256");
    forest_equals_definition(LW_TEST_DATA "/adbench/breastw.csv", "10", "600"); /* Deep trees. */
}

static void test_treeshap__values_add_up_to_the_path(void **state)
{
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv"),
                         test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    static const char *const samples[] = {"2", "64", "256", "900"};
    double *values = calloc(test.n_dims, sizeof(double));
    struct lw_treeshap sums;
    struct lw_error error;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct lw_model *model = forest_fit(&train, "100", samples[i]);

        for (size_t row = 0; row < test.n_rows; row += 5) {
            float score;
            double sum;

            test.values[row * test.n_dims + row % test.n_dims] = NAN;
            assert_int_equal(lw_treeshap_explain(forest_class(), model,
                                                 test.values + row * test.n_dims, values, &sums,
                                                 &error),
                             LW_OK);
            sum = sums.expected;
            for (size_t column = 0; column < test.n_dims; column++) {
                sum += values[column];
            }
            check_near(sum, sums.explained, 1e-9);
            forest_class()->score(model, NULL, test.values + row * test.n_dims, 1, &score);
            check_near(pow(2.0, -sums.explained / slow_c(atof(samples[i]))), (double)score, 1e-6);
        }
        forest_class()->destroy(model);
    }
    free(values);
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

/* tests/data/treeshap: a forest of ours, rows of a real server, and what shap says of them. */
static void test_treeshap__values_are_those_of_the_shap_package(void **state)
{
    struct lw_test_table rows = lw_test_table_read(LW_TEST_DATA "/treeshap/rows.csv"),
                         wanted = lw_test_table_read(LW_TEST_DATA "/treeshap/values.csv");
    FILE *file = fopen(LW_TEST_DATA "/treeshap/forest.bin", "rb");
    double *values = calloc(rows.n_dims, sizeof(double));
    struct lw_model *model = NULL;
    struct lw_treeshap sums;
    struct lw_error error;
    struct lw_reader reader;
    uint8_t bytes[1 << 16];

    (void)state;
    assert_non_null(file);
    lw_reader_init(&reader, bytes, fread(bytes, 1, sizeof(bytes), file));
    (void)fclose(file);
    assert_int_equal(forest_class()->load(&reader, &model, &error), LW_OK);
    assert_true(rows.n_rows >= 8 && wanted.n_rows == rows.n_rows);
    assert_int_equal(wanted.n_dims, rows.n_dims + 1);
    for (size_t row = 0; row < rows.n_rows; row++) {
        const float *theirs = wanted.values + row * wanted.n_dims;

        assert_int_equal(lw_treeshap_explain(forest_class(), model, rows.values + row * rows.n_dims,
                                             values, &sums, &error),
                         LW_OK);
        check_near(sums.expected, (double)theirs[0], 1e-6);
        for (size_t column = 0; column < rows.n_dims; column++) {
            check_near(values[column], (double)theirs[column + 1], 1e-6);
        }
    }
    forest_class()->destroy(model);
    free(values);
    lw_test_table_free(&wanted);
    lw_test_table_free(&rows);
}

/* A cut of column 0 and below its second side one of column 1, then again of column 0. */
static void test_treeshap__values_are_the_same_bits_on_every_instruction_set(void **state)
{
    static const struct lw_shapley_cut cuts[8] = {
        [1] = {0.5f, 0}, [3] = {1.0f, 1}, [7] = {2.0f, LW_SHAPLEY_SIGN}};
    static const uint8_t again[8] = {[7] = 2};
    static const uint64_t is_cut = 1u << 1 | 1u << 3 | 1u << 7;
    static const uint64_t is_leaf = 1u << 2 | 1u << 6 | 1u << 14 | 1u << 15;
    static const uint16_t counts[16] = {
        [1] = 8, [2] = 2, [3] = 6, [6] = 2, [7] = 4, [14] = 1, [15] = 3};
    static const float values[8] = {0.7f, 0.7f, 0.7f, 0.7f, 1.7f, 1.7f, 2.7f, 3.7f};
    struct lw_shapley_lanes pass[LW_SHAPLEY_PASS_LANES];
    double inverses[9] = {0.0};
    struct lw_shapley_tree tree = {.cuts = cuts,
                                   .again = again,
                                   .is_cut = &is_cut,
                                   .is_leaf = &is_leaf,
                                   .counts = counts,
                                   .values = values,
                                   .inverses = inverses,
                                   .depth = 3};
    _Alignas(32) char scratch[LW_SHAPLEY_SCRATCH_BYTES(3)];
    _Alignas(32) struct lw_shapley_lanes first[2], found[2];
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);

    (void)state;
    for (size_t i = 1; i <= 8; i++) {
        inverses[i] = 1.0 / (double)i;
    }
    lw_shapley_pass(1, 0, 1.0 / 8.0, pass);
    for (size_t x = 0; x < 16; x++) {
        const float row[2] = {(float)(x % 4) - 2.5f, (float)x / 8.0f};

        for (size_t k = 0; k < n_tables; k++) {
            memset(found, 0, sizeof(found));
            tables[k]->shapley(&tree, pass, row, scratch, found);
            if (k == 0) {
                memcpy(first, found, sizeof(first));
            }
            assert_memory_equal(found, first, sizeof(first));
        }
    }
}

static void test_treeshap__other_models_are_refused(void **state)
{
    const struct lw_model_class *other = lw_model_class_find("rcf");
    struct lw_treeshap sums;
    struct lw_error error = {0};
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model *plain = forest_fit(&table, "3", "64"),
                    *extended = forest_fit_extended(&table, "3", "64", "2");
    double *values = calloc(table.n_dims, sizeof(double));

    (void)state;
    assert_true(lw_treeshap_has(forest_class(), plain));
    assert_false(lw_treeshap_has(forest_class(), extended));
    assert_false(lw_treeshap_has(other, NULL));
    assert_int_equal(
        lw_treeshap_explain(forest_class(), extended, table.values, values, &sums, &error),
        LW_EINVAL);
    assert_int_equal(lw_treeshap_explain(other, NULL, table.values, values, &sums, &error),
                     LW_EINVAL);
    assert_non_null(strstr(error.message, "rcf"));
    forest_class()->destroy(plain);
    forest_class()->destroy(extended);
    free(values);
    lw_test_table_free(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_treeshap__values_are_the_definitions),
        cmocka_unit_test(test_treeshap__values_add_up_to_the_path),
        cmocka_unit_test(test_treeshap__values_are_those_of_the_shap_package),
        cmocka_unit_test(test_treeshap__values_are_the_same_bits_on_every_instruction_set),
        cmocka_unit_test(test_treeshap__other_models_are_refused),
    };
    return LW_TEST_RUN(tests);
}
