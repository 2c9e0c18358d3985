/*
 * Random Cut Forest against slow references written from the paper: trees grown from its
 * definition, on rows of a real server, and the chances of cuts counted out.
 */
#include "support/mem_faulty.h"
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define SAMPLE 64
#define N_PROBES 6
#define N_FORESTS 1500

/* Fails with both values. */
static void check_near(double value, double wanted, double apart)
{
    if (!(fabs(value - wanted) <= apart)) {
        fail_msg("%.17g, but wanted %.17g", value, wanted);
    }
}

static const struct lw_model_class *forest_class(void)
{
    return lw_model_class_find("rcf");
}

static struct lw_model *forest_fit(const struct lw_model_rows *rows, const char *trees,
                                   const char *sample, const char *decay, struct lw_rng *rng)
{
    const struct lw_model_class *forest = forest_class();
    const char *const names[] = {"trees", "sample", "decay"}, *const texts[] = {trees, sample,
                                                                                decay};
    void *options = malloc(forest->options_bytes);
    struct lw_error error = {0};
    struct lw_model *model = NULL;

    lw_options_default(forest->options, forest->n_options, options);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            lw_options_set(forest->options, forest->n_options, options, names[i], texts[i], &error),
            LW_OK);
    }
    if (forest->fit(options, rows, rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* The rows that one tree of a saved forest holds: only forests of one tree are read. */
static size_t forest_rows(const struct lw_model *model, size_t n_dims, float *ret_rows)
{
    struct lw_writer writer;
    struct lw_reader reader;
    size_t n_leaves = 0, n_open = 1;

    lw_writer_init(&writer);
    forest_class()->save(model, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    (void)lw_read_view(&reader, 2 + 4 * 3 + 8 + 8 + n_dims * 4);
    while (n_open > 0) {
        if (lw_read_u16(&reader) == 0xFFFF) {
            lw_read_f32s(&reader, ret_rows + n_leaves++ * n_dims, n_dims);
            n_open--;
        } else {
            (void)lw_read_f32(&reader);
            n_open++;
        }
    }
    assert_int_equal(reader.status, LW_OK);
    lw_writer_fini(&writer);
    return n_leaves;
}

/* The depth at which x is alone in a tree grown by the paper's definition on rows and x: cuts of
 * the box around them all, until x is parted from the last. No row equals x. */
static double slow_depth(const float *rows, size_t n, size_t n_dims, const float *x,
                         struct lw_rng *rng)
{
    const float **here = malloc(n * sizeof(*here));
    double depth = 0.0;

    for (size_t i = 0; i < n; i++) {
        here[i] = rows + i * n_dims;
    }
    while (n > 0) {
        double widths = 0.0, at = 0.0, least = 0.0, greatest = 0.0;
        size_t column = 0, n_kept = 0;

        for (size_t k = 0; k < 2 * n_dims; k++) {
            column = k % n_dims;
            least = greatest = (double)x[column];
            for (size_t i = 0; i < n; i++) {
                least = fmin(least, (double)here[i][column]);
                greatest = fmax(greatest, (double)here[i][column]);
            }
            if (k < n_dims) {
                widths += greatest - least;
                at = k + 1 == n_dims ? lw_rng_double(rng) * widths : 0.0;
            } else if (at < greatest - least) {
                break;
            } else {
                at -= greatest - least;
            }
        }
        assert_true(widths > 0.0);
        at += least;
        for (size_t i = 0; i < n; i++) {
            if (((double)here[i][column] <= at) == ((double)x[column] <= at)) {
                here[n_kept++] = here[i];
            }
        }
        n = n_kept;
        depth += 1.0;
    }
    free(here);
    return depth;
}

/* Many forests of one tree: the mean of their scores is that of trees which are grown anew, by
 * definition, on the rows that each of them holds, whatever way these came in. */
static void forest_equals_fresh(size_t n_updates)
{
    struct lw_test_table table = lw_test_table_read(TRAIN);
    size_t n_dims = table.n_dims;
    double sums[N_PROBES] = {0}, squares[N_PROBES] = {0}, n = N_FORESTS;
    float *held = calloc(SAMPLE * n_dims, sizeof(float)), *probes = table.values + 700 * n_dims;
    struct lw_rng rng;

    lw_rng_seed(&rng, 17);
    for (size_t i = 0; i < N_FORESTS; i++) {
        struct lw_model_rows rows = {.values = table.values, .n_rows = SAMPLE, .n_dims = n_dims};
        struct lw_model *model = forest_fit(&rows, "1", "64", "0.01", &rng);
        struct lw_error error;
        float scores[N_PROBES];
        size_t n_held;

        for (size_t k = 0; k < n_updates; k++) {
            assert_int_equal(
                forest_class()->update(model, table.values + (SAMPLE + k) * n_dims, &rng, &error),
                LW_OK);
        }
        n_held = forest_rows(model, n_dims, held);
        forest_class()->score(model, NULL, probes, N_PROBES, scores);
        for (size_t k = 0; k < N_PROBES; k++) {
            double slow = log2(SAMPLE + 1.0) /
                          slow_depth(held, n_held, n_dims, probes + k * n_dims, &rng);

            sums[k] += ((double)scores[k] - slow) / n;
            squares[k] += ((double)scores[k] - slow) * ((double)scores[k] - slow) / n;
        }
        forest_class()->destroy(model);
    }
    for (size_t k = 0; k < N_PROBES; k++) {
        double error = sqrt(squares[k] / n);

        print_message("probe %zu: apart by %g, error %g\n", k, sums[k], error);
        if (!(fabs(sums[k]) < 4.0 * error && error < 0.05)) {
            fail_msg("probe %zu: apart by %g, more than four errors of %g", k, sums[k], error);
        }
    }
    free(held);
    lw_test_table_free(&table);
}

static void test_rcf__scores_as_trees_grown_by_definition(void **state)
{
    (void)state;
    forest_equals_fresh(0);
}

static void test_rcf__scores_as_trees_grown_anew_after_updates(void **state)
{
    (void)state;
    forest_equals_fresh(200);
}

/* Three points in a plane: the root's column is drawn by the widths of the whole box, in whatever
 * order the points came. */
static void test_rcf__cuts_columns_in_proportion_to_widths(void **state)
{
    static const float points[3][2] = {{0.0f, 0.0f}, {3.0f, 0.25f}, {1.0f, 1.0f}};
    double n_first = 0.0, n = 20000.0;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 4);
    for (double i = 0.0; i < n; i += 1.0) {
        struct lw_model_rows rows = {.values = &points[0][0], .n_rows = 3, .n_dims = 2};
        struct lw_model *model = forest_fit(&rows, "1", "3", "0", &rng);
        struct lw_writer writer;

        lw_writer_init(&writer);
        forest_class()->save(model, &writer);
        n_first += writer.data[2 + 12 + 16 + 8] == 0; /* The root's column. */
        lw_writer_fini(&writer);
        forest_class()->destroy(model);
    }
    check_near(n_first / n, 3.0 / 4.0, 5.0 * sqrt(0.75 * 0.25 / n));
}

static void test_rcf__finds_a_row_beyond_and_names_its_column(void **state)
{
    struct lw_test_table table = lw_test_table_read(TRAIN);
    struct lw_model_rows rows = {
        .values = table.values, .n_rows = table.n_rows, .n_dims = table.n_dims};
    float *row = calloc(table.n_dims, sizeof(float)), *shares = calloc(table.n_dims, sizeof(float));
    float *scores = calloc(table.n_rows, sizeof(float)), score;
    struct lw_model *model;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    model = forest_fit(&rows, "50", "256", "0", &rng);
    forest_class()->score(model, NULL, table.values, table.n_rows, scores);
    for (size_t column = 0; column < table.n_dims; column++) {
        double sum = 0.0;

        memcpy(row, table.values + 500 * table.n_dims, table.n_dims * sizeof(float));
        row[column] = 100.0f;
        forest_class()->score(model, NULL, row, 1, &score);
        forest_class()->attribute(model, NULL, row, shares);
        for (size_t i = 0; i < table.n_rows; i++) {
            assert_true(scores[i] < score);
        }
        for (size_t i = 0; i < table.n_dims; i++) {
            assert_true(i == column || shares[i] < shares[column]);
            sum += (double)shares[i];
        }
        check_near(sum, (double)score, 1e-4); /* Nothing like it is held: shares are all of it. */
    }
    forest_class()->destroy(model);
    free(scores);
    free(shares);
    free(row);
    lw_test_table_free(&table);
}

static void test_rcf__gets_used_to_what_stays(void **state)
{
    struct lw_test_table table = lw_test_table_read(TRAIN);
    struct lw_model_rows rows = {
        .values = table.values, .n_rows = table.n_rows, .n_dims = table.n_dims};
    float *row = calloc(table.n_dims, sizeof(float)), before, after;
    struct lw_model *model;
    struct lw_error error;
    struct lw_rng rng;
    uint64_t n_calls;

    (void)state;
    lw_rng_seed(&rng, 1);
    model = forest_fit(&rows, "50", "256", "0.0004", &rng);
    n_calls = lw_test_mem_calls();
    for (size_t i = 0; i < 1500; i++) {
        memcpy(row, table.values + i % table.n_rows * table.n_dims, table.n_dims * sizeof(float));
        row[3] += 50.0f;
        row[i % table.n_dims] = i % 7 == 0 ? NAN : row[i % table.n_dims];
        if (i == 0) {
            row[3] = 50.0f;
            forest_class()->score(model, NULL, row, 1, &before);
        }
        assert_int_equal(forest_class()->update(model, row, &rng, &error), LW_OK);
    }
    memcpy(row, table.values, table.n_dims * sizeof(float));
    row[3] = 50.0f;
    forest_class()->score(model, NULL, row, 1, &after);
    assert_int_equal(lw_test_mem_calls(), n_calls);
    assert_true(before > 4.0f && after < 2.0f);
    forest_class()->destroy(model);
    free(row);
    lw_test_table_free(&table);
}

/* A loaded forest goes on as the one it was saved from. */
static void test_rcf__a_loaded_forest_learns_the_same(void **state)
{
    struct lw_test_table table = lw_test_table_read(TRAIN), test = lw_test_table_read(TEST);
    struct lw_model_rows rows = {
        .values = table.values, .n_rows = table.n_rows, .n_dims = table.n_dims};
    struct lw_model *model, *loaded = NULL;
    struct lw_writer first, second;
    struct lw_reader reader;
    struct lw_error error;
    struct lw_rng a, b;

    (void)state;
    lw_rng_seed(&a, 1);
    model = forest_fit(&rows, "10", "64", "0.001", &a);
    lw_writer_init(&first);
    lw_writer_init(&second);
    forest_class()->save(model, &first);
    lw_reader_init(&reader, first.data, first.n_bytes);
    assert_int_equal(forest_class()->load(&reader, &loaded, &error), LW_OK);
    b = a;
    for (size_t i = 0; i < test.n_rows; i++) {
        assert_int_equal(forest_class()->update(model, test.values + i * test.n_dims, &a, &error),
                         LW_OK);
        assert_int_equal(forest_class()->update(loaded, test.values + i * test.n_dims, &b, &error),
                         LW_OK);
    }
    first.n_bytes = 0;
    forest_class()->save(model, &first);
    forest_class()->save(loaded, &second);
    assert_int_equal(first.n_bytes, second.n_bytes);
    assert_memory_equal(first.data, second.data, first.n_bytes);
    lw_writer_fini(&second);
    lw_writer_fini(&first);
    forest_class()->destroy(loaded);
    forest_class()->destroy(model);
    lw_test_table_free(&test);
    lw_test_table_free(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rcf__scores_as_trees_grown_by_definition),
        cmocka_unit_test(test_rcf__scores_as_trees_grown_anew_after_updates),
        cmocka_unit_test(test_rcf__cuts_columns_in_proportion_to_widths),
        cmocka_unit_test(test_rcf__finds_a_row_beyond_and_names_its_column),
        cmocka_unit_test(test_rcf__gets_used_to_what_stays),
        cmocka_unit_test(test_rcf__a_loaded_forest_learns_the_same),
    };
    return LW_TEST_RUN(tests);
}
