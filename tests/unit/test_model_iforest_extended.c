/*
 * Isolation forests cut by planes against a slow reference written from the definition, on real
 * tables.
 *
 * The reference knows the forest by its documented bytes only: it builds pointer trees from them
 * and walks them by recursion.
 */
#include "support/mem_faulty.h"
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "base/rng.h"
#include "model/iforest.h"
#include "model/model.h"

#include <float.h>

static const struct lw_model_class *forest_class(void)
{
    return lw_model_class_find("iforest");
}

static enum lw_status forest_try(const struct lw_test_table *table, const char *const settings[3],
                                 struct lw_model **ret_model, struct lw_error *reterr)
{
    static const char *const names[] = {"trees", "sample", "extend"};
    const struct lw_model_class *forest = forest_class();
    struct lw_model_rows rows = {
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
    void *options = malloc(forest->options_bytes);
    enum lw_status status;
    struct lw_rng rng;

    lw_options_default(forest->options, forest->n_options, options);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lw_options_set(forest->options, forest->n_options, options, names[i],
                                        settings[i], reterr),
                         LW_OK);
    }
    lw_rng_seed(&rng, 7);
    status = forest->fit(options, &rows, &rng, ret_model, reterr);
    free(options);
    return status;
}

static struct lw_model *forest_fit(const struct lw_test_table *table, const char *trees,
                                   const char *sample, const char *extend)
{
    struct lw_model *model = NULL;
    struct lw_error error = {0};

    if (forest_try(table, (const char *const[]){trees, sample, extend}, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    return model;
}

/* A node of the reference. A leaf has no children. */
struct node {
    struct node *first, *second;
    size_t n_terms;
    size_t *columns;
    double *coefficients, *centres;
    double threshold, n_rows;
    double expected; /* Mean h of the training rows here. */
};

struct reference {
    struct node **roots;
    size_t n_trees, n_dims, n_sample, n_terms;
};

/* c(n): equation 1 of Liu et al. */
static double slow_c(double n)
{
    double harmonic = 0.0;

    for (double i = 1.0; i < n; i += 1.0) {
        harmonic += 1.0 / i;
    }
    return n > 1.0 ? 2.0 * harmonic - 2.0 * (n - 1.0) / n : 0.0;
}

static struct node *node_read(struct lw_reader *reader, const struct reference *reference,
                              double depth)
{
    struct node *node = calloc(1, sizeof(*node));

    node->n_terms = lw_read_u16(reader);
    if (node->n_terms == 0xFFFF) {
        node->n_terms = 0;
        node->n_rows = lw_read_u16(reader);
        node->expected = depth + slow_c(node->n_rows);
        return node;
    }
    assert_in_range(node->n_terms, 1, reference->n_terms);
    node->threshold = lw_read_f64(reader);
    node->columns = calloc(node->n_terms, sizeof(*node->columns));
    node->coefficients = calloc(node->n_terms, sizeof(double));
    node->centres = calloc(node->n_terms, sizeof(double));
    for (size_t i = 0; i < node->n_terms; i++) {
        node->columns[i] = lw_read_u16(reader);
        node->coefficients[i] = (double)lw_read_f32(reader);
        node->centres[i] = (double)lw_read_f32(reader);
        for (size_t k = 0; k < i; k++) {
            assert_true(node->columns[k] != node->columns[i]);
        }
    }
    node->first = node_read(reader, reference, depth + 1.0);
    node->second = node_read(reader, reference, depth + 1.0);
    node->n_rows = node->first->n_rows + node->second->n_rows;
    node->expected = (node->first->n_rows * node->first->expected +
                      node->second->n_rows * node->second->expected) /
                     node->n_rows;
    return node;
}

static void node_free(struct node *node)
{
    if (node != NULL) {
        node_free(node->first);
        node_free(node->second);
        free(node->columns);
        free(node->coefficients);
        free(node->centres);
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
    assert_int_equal(lw_read_u16(&reader), 2);
    reference.n_dims = lw_read_u32(&reader);
    reference.n_trees = lw_read_u32(&reader);
    reference.n_sample = lw_read_u32(&reader);
    reference.n_terms = lw_read_u32(&reader);
    reference.roots = calloc(reference.n_trees, sizeof(*reference.roots));
    for (size_t tree = 0; tree < reference.n_trees; tree++) {
        reference.roots[tree] = node_read(&reader, &reference, 0.0);
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

static double slow_term(const struct node *node, size_t i, const float *row)
{
    double x = row[node->columns[i]];

    return isnan(x) ? 0.0 : node->coefficients[i] * (x - node->centres[i]);
}

/* h of a row; adds to the shares how each cut on its way changes the path to expect. */
static double slow_walk(const struct node *node, const float *row, double weight, double *shares)
{
    const struct node *next;
    double sum = 0.0, toward = 0.0, away = 0.0, sign;

    if (node->first == NULL) {
        return node->expected;
    }
    for (size_t i = 0; i < node->n_terms; i++) {
        sum += slow_term(node, i, row);
    }
    next = sum < node->threshold ? node->first : node->second;
    sign = next == node->first ? -1.0 : 1.0;
    for (size_t i = 0; i < node->n_terms; i++) {
        toward += fmax(sign * slow_term(node, i, row), 0.0);
        away += fmax(-sign * slow_term(node, i, row), 0.0);
    }
    for (size_t i = 0; i < node->n_terms; i++) {
        double term = sign * slow_term(node, i, row);
        double part = toward > 0.0 ? fmax(term, 0.0) / toward
                      : away > 0.0 ? fmax(-term, 0.0) / away
                                   : 1.0 / (double)node->n_terms;

        shares[node->columns[i]] += weight * part * (next->expected - node->expected);
    }
    return slow_walk(next, row, weight, shares);
}

static void check_near(double value, double wanted, double allowed)
{
    if (!(fabs(value - wanted) <= allowed)) {
        fail_msg("%.12g, but %.12g by the definition", value, wanted);
    }
}

static void check_row(const struct reference *reference, const struct lw_model *model,
                      const float *row)
{
    double *wanted = calloc(reference->n_dims, sizeof(double)), path = 0.0, expected = 0.0;
    double unit = slow_c((double)reference->n_sample), sum = 0.0;
    float *shares = calloc(reference->n_dims, sizeof(float)), score;

    for (size_t tree = 0; tree < reference->n_trees; tree++) {
        double weight = 1.0 / (double)reference->n_trees;

        path += weight * slow_walk(reference->roots[tree], row, weight, wanted);
        expected += weight * reference->roots[tree]->expected;
    }
    forest_class()->score(model, NULL, row, 1, &score);
    check_near((double)score, pow(2.0, -path / unit), 1e-6);
    forest_class()->attribute(model, NULL, row, shares);
    for (size_t i = 0; i < reference->n_dims; i++) {
        check_near((double)shares[i], fmax(-wanted[i], 0.0) / unit, 2e-6);
        sum += wanted[i];
    }
    check_near(expected + sum, path, 1e-9);
    check_near(lw_iforest_path(model, row), path, 1e-5);
    check_near(lw_iforest_path_expected(model), expected, 1e-5);
    free(shares);
    free(wanted);
}

static void forest_equals_reference(const char *path, const char *trees, const char *extend,
                                    int is_pierced)
{
    struct lw_test_table table = lw_test_table_read(path);
    struct lw_model *model;
    struct reference reference;

    for (size_t i = 3; is_pierced && i < table.n_rows * table.n_dims; i += 7) {
        table.values[i] = NAN;
    }
    model = forest_fit(&table, trees, "256", extend);
    reference = reference_read(model);
    for (size_t row = 0; row < table.n_rows; row += 5) {
        check_row(&reference, model, table.values + row * table.n_dims);
    }
    reference_free(&reference);
    forest_class()->destroy(model);
    lw_test_table_free(&table);
}

static void test_iforest_extended__scores_and_shares_are_the_definitions(void **state)
{
    (void)state;
    forest_equals_reference(LW_TEST_DATA "/adbench/breastw.csv", "40", "1", 0);
    forest_equals_reference(LW_TEST_DATA "/adbench/glass.csv", "40", "3", 0);
    forest_equals_reference(LW_TEST_DATA "/smd/machine-1-6-train.csv", "20", "4095", 0);
}

static void test_iforest_extended__a_hole_is_the_mean_of_its_column(void **state)
{
    (void)state;
    forest_equals_reference(LW_TEST_DATA "/adbench/glass.csv", "40", "1", 1);
    forest_equals_reference(LW_TEST_DATA "/smd/machine-1-6-train.csv", "10", "7", 1);
}

/* Coefficients in units of widths: 2^n times a column is the same forest. */
static void test_iforest_extended__scales_do_not_matter(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model *model = forest_fit(&table, "30", "256", "2"), *scaled;
    float *a = calloc(table.n_rows, sizeof(float)), *b = calloc(table.n_rows, sizeof(float));

    (void)state;
    forest_class()->score(model, NULL, table.values, table.n_rows, a);
    for (size_t i = 0; i < table.n_rows; i++) {
        table.values[i * table.n_dims + 1] *= 1024.0f;
        table.values[i * table.n_dims + 4] /= 65536.0f;
    }
    scaled = forest_fit(&table, "30", "256", "2");
    forest_class()->score(scaled, NULL, table.values, table.n_rows, b);
    assert_memory_equal(a, b, table.n_rows * sizeof(float));
    forest_class()->destroy(model);
    forest_class()->destroy(scaled);
    free(a);
    free(b);
    lw_test_table_free(&table);
}

/*
 * Two blobs on a diagonal, as the paper has them: in the two empty corners, in line with a blob
 * along each axis, a plain forest sees "ghosts", regions it takes for ordinary.
 */
static void test_iforest_extended__sees_no_ghosts_beside_two_blobs(void **state)
{
    enum { N = 2000 };
    struct lw_test_table table = {.values = calloc(2 * N, sizeof(float)), .n_rows = N, .n_dims = 2};
    static const float corners[2][2] = {{0.0f, 10.0f}, {10.0f, 0.0f}};
    float scores[2][2] = {{0}};
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (size_t i = 0; i < 2 * N; i++) {
        double sum = -6.0;

        for (size_t k = 0; k < 12; k++) {
            sum += lw_rng_double(&rng); /* Normal enough. */
        }
        table.values[i] = (float)(sum + (i / 2 % 2 == 0 ? 0.0 : 10.0));
    }
    for (size_t extend = 0; extend < 2; extend++) {
        struct lw_model *model = forest_fit(&table, "200", "256", extend == 0 ? "0" : "1");

        forest_class()->score(model, NULL, corners[0], 2, scores[extend]);
        forest_class()->destroy(model);
    }
    print_message("corners: plain %.3f %.3f, extended %.3f %.3f\n", (double)scores[0][0],
                  (double)scores[0][1], (double)scores[1][0], (double)scores[1][1]);
    assert_true(scores[1][0] > scores[0][0] + 0.05f && scores[1][1] > scores[0][1] + 0.05f);
    free(table.values);
}

static void test_iforest_extended__blames_the_column_that_was_moved(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_model *model = forest_fit(&table, "100", "256", "2");
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
            continue;
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

/* A batch gives the bits of single rows; a loaded forest the same scores, shares and bytes. */
static void test_iforest_extended__batches_and_a_loaded_forest_give_the_same_bits(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/breastw.csv");
    float *whole = calloc(table.n_rows, sizeof(float)), *single = calloc(table.n_rows, 4);
    float *shares = calloc(table.n_dims, 2 * sizeof(float));
    struct lw_writer writer, again;
    struct lw_model *model, *loaded = NULL;
    struct lw_reader reader;
    struct lw_error error;

    (void)state;
    table.values[1] = INFINITY;
    table.values[12] = -INFINITY;
    table.values[23] = NAN;
    model = forest_fit(&table, "50", "256", "3");
    lw_writer_init(&writer);
    lw_writer_init(&again);
    forest_class()->save(model, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(forest_class()->load(&reader, &loaded, &error), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    forest_class()->save(loaded, &again);
    assert_int_equal(again.n_bytes, writer.n_bytes);
    assert_memory_equal(again.data, writer.data, writer.n_bytes);
    forest_class()->score(model, NULL, table.values, table.n_rows, whole);
    for (size_t i = 0; i < table.n_rows; i++) {
        const float *row = table.values + i * table.n_dims;

        assert_true(isfinite(whole[i]));
        forest_class()->score(i % 2 == 0 ? model : loaded, NULL, row, 1, single + i);
        forest_class()->attribute(model, NULL, row, shares);
        forest_class()->attribute(loaded, NULL, row, shares + table.n_dims);
        assert_memory_equal(shares, shares + table.n_dims, table.n_dims * sizeof(float));
    }
    assert_memory_equal(whole, single, table.n_rows * sizeof(float));
    lw_writer_fini(&writer);
    lw_writer_fini(&again);
    forest_class()->destroy(model);
    forest_class()->destroy(loaded);
    free(shares);
    free(single);
    free(whole);
    lw_test_table_free(&table);
}

/* Cut, or with one byte changed: refused, or a forest that scores safely. */
static void test_iforest_extended__damaged_bytes_are_refused_or_safe(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model *model = forest_fit(&table, "2", "16", "2");
    float *shares = calloc(LW_MODEL_DIMS_MAX, sizeof(float)),
          *row = calloc(LW_MODEL_DIMS_MAX, sizeof(float));
    struct lw_writer writer;
    size_t n_refused = 0;

    (void)state;
    lw_writer_init(&writer);
    forest_class()->save(model, &writer);
    for (size_t at = 0; at < writer.n_bytes; at++) {
        for (unsigned k = 0; k < 3; k++) {
            size_t n = k == 0 ? at : writer.n_bytes;
            uint8_t *bytes = malloc(n + 1);
            struct lw_model *loaded = NULL;
            struct lw_error error;
            struct lw_reader reader;
            float score;

            memcpy(bytes, writer.data, n);
            bytes[at < n ? at : n] ^= k == 1 ? 0x80 : 0x41;
            lw_reader_init(&reader, bytes, n);
            if (forest_class()->load(&reader, &loaded, &error) == LW_OK) {
                forest_class()->score(loaded, NULL, row, 1, &score);
                forest_class()->attribute(loaded, NULL, row, shares);
                assert_true(score > 0.0f && score < 1.0f && isfinite(shares[0]));
                assert_true(k != 0);
                forest_class()->destroy(loaded);
            } else {
                assert_null(loaded);
                n_refused++;
            }
            free(bytes);
        }
    }
    assert_true(n_refused > writer.n_bytes);
    lw_writer_fini(&writer);
    forest_class()->destroy(model);
    free(row);
    free(shares);
    lw_test_table_free(&table);
}

static void test_iforest_extended__rows_all_alike_score_one_half(void **state)
{
    static const float rows[6 * 2] = {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2};
    struct lw_test_table table = {.values = (float *)rows, .n_rows = 6, .n_dims = 2};
    struct lw_model *model = forest_fit(&table, "10", "256", "1");
    float score = 0.0f, far[2] = {100.0f, -5.0f}, shares[2] = {1.0f, 1.0f};

    (void)state;
    forest_class()->score(model, NULL, far, 1, &score);
    forest_class()->attribute(model, NULL, far, shares);
    assert_true(score == 0.5f);
    assert_true(shares[0] == 0.0f && shares[1] == 0.0f);
    forest_class()->destroy(model);
}

/* Each allocation fails in turn; only one that would give memory back may. */
static void test_iforest_extended__survives_each_failing_allocation(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    size_t n_failed = 0;

    (void)state;
    for (uint64_t n = 1; n < 1000; n++) {
        int64_t live = lw_test_mem_live();
        struct lw_model *model = NULL;
        struct lw_error error = {0};
        enum lw_status status;
        bool has_failed;

        lw_test_mem_fail_at(n);
        status = forest_try(&table, (const char *const[]){"3", "64", "2"}, &model, &error);
        has_failed = lw_test_mem_has_failed();
        lw_test_mem_fail_at(0);
        assert_int_equal(status == LW_OK, model != NULL);
        assert_true(status == LW_OK || (status == LW_ENOMEM && has_failed));
        forest_class()->destroy(model);
        assert_int_equal(lw_test_mem_live(), live);
        n_failed += status == LW_ENOMEM;
        if (!has_failed) {
            break;
        }
    }
    assert_true(n_failed > 8);
    lw_test_table_free(&table);
}

static void test_iforest_extended__a_forest_beyond_its_memory_is_refused(void **state)
{
    enum { N_ROWS = 300 };
    struct lw_test_table table = {.values = calloc((size_t)N_ROWS * LW_MODEL_DIMS_MAX, 4),
                                  .n_rows = N_ROWS,
                                  .n_dims = LW_MODEL_DIMS_MAX};
    struct lw_model *model = NULL;
    struct lw_error error = {0};

    (void)state;
    for (size_t i = 0; i < N_ROWS * (size_t)LW_MODEL_DIMS_MAX; i++) {
        table.values[i] = (float)(i * 2654435761u % 1009);
    }
    assert_int_equal(
        forest_try(&table, (const char *const[]){"1000", "256", "4095"}, &model, &error),
        LW_EINVAL);
    assert_non_null(strstr(error.message, "bytes"));
    assert_null(model);
    free(table.values);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iforest_extended__scores_and_shares_are_the_definitions),
        cmocka_unit_test(test_iforest_extended__a_hole_is_the_mean_of_its_column),
        cmocka_unit_test(test_iforest_extended__scales_do_not_matter),
        cmocka_unit_test(test_iforest_extended__sees_no_ghosts_beside_two_blobs),
        cmocka_unit_test(test_iforest_extended__blames_the_column_that_was_moved),
        cmocka_unit_test(test_iforest_extended__batches_and_a_loaded_forest_give_the_same_bits),
        cmocka_unit_test(test_iforest_extended__damaged_bytes_are_refused_or_safe),
        cmocka_unit_test(test_iforest_extended__rows_all_alike_score_one_half),
        cmocka_unit_test(test_iforest_extended__survives_each_failing_allocation),
        cmocka_unit_test(test_iforest_extended__a_forest_beyond_its_memory_is_refused),
    };
    return LW_TEST_RUN(tests);
}
