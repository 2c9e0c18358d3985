/* Nearest neighbours against a plain sort of all distances, on a real table and on rows with many
 * ties. */
#include "support/table.h"
#include "support/test.h"

#include "math/neighbours.h"

#include <math.h>

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Every point's key, sorted: differences squared and added in the order of dimensions. */
static void slow_find(const struct lw_neighbours *set, const float *query, uint64_t *ret_keys)
{
    for (size_t point = 0; point < set->n_points; point++) {
        float squared = 0.0f;
        uint32_t bits;

        for (size_t dim = 0; dim < set->n_dims; dim++) {
            float away = lw_neighbours_value(set, point, dim) - query[dim];

            squared += away * away;
        }
        memcpy(&bits, &squared, sizeof(bits));
        ret_keys[point] = (uint64_t)bits << 32 | point;
    }
    qsort(ret_keys, set->n_points, sizeof(*ret_keys), compare_keys);
}

struct subject {
    struct lw_neighbours set;
    float *memory;
};

static struct subject subject_draw(const struct lw_neighbours_rows *rows, size_t n_points,
                                   size_t n_dims)
{
    struct subject subject = {
        .memory = malloc(lw_neighbours_floats(n_points, n_dims) * sizeof(float))};
    struct lw_rng rng;

    lw_rng_seed(&rng, 3);
    lw_neighbours_init(&subject.set, subject.memory, n_points, n_dims);
    lw_neighbours_draw(&subject.set, rows, lw_neighbours_known(rows, n_dims), &rng);
    return subject;
}

/* All rows are searched for, as a batch and one by one. */
static void find_equals_sort(const struct lw_neighbours *set, const struct lw_neighbours_rows *rows,
                             size_t k)
{
    uint64_t *keys = calloc(set->n_points, sizeof(*keys));
    struct lw_neighbours_found by_batch, by_row;
    struct lw_neighbours_rows left = *rows, one = *rows;
    size_t n;

    for (; left.n_rows > 0; left.n_rows -= n, left.values += n * left.stride) {
        n = lw_neighbours_find(set, &left, k, &by_batch);
        assert_true(n > 0 && n <= left.n_rows && n <= LW_NEIGHBOURS_TILE);
        for (size_t i = 0; i < n; i++) {
            one.values = left.values + i * left.stride;
            one.n_rows = 1;
            assert_int_equal(lw_neighbours_find(set, &one, k, &by_row), 1);
            assert_memory_equal(by_row.keys[0], by_batch.keys[i], k * sizeof(*keys));
            slow_find(set, by_row.queries, keys);
            assert_memory_equal(by_row.keys[0], keys, k * sizeof(*keys));
        }
    }
    free(keys);
}

static void test_neighbours__are_those_of_a_sort_of_all_distances(void **state)
{
    static const size_t n_dims[] = {1, 2, 7, 16, 38};
    static const size_t n_points[] = {1, 2, 63, 64, 65, 500, 987};
    static const size_t ks[] = {1, 3, 20, LW_NEIGHBOURS_MAX};
    struct lw_test_table train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    struct lw_test_table test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    struct lw_neighbours_rows from = {train.values, train.n_rows, train.n_dims};
    struct lw_neighbours_rows to = {test.values, 60, test.n_dims};

    (void)state;
    for (size_t d = 0; d < sizeof(n_dims) / sizeof(n_dims[0]); d++) {
        for (size_t p = 0; p < sizeof(n_points) / sizeof(n_points[0]); p++) {
            struct subject subject = subject_draw(&from, n_points[p], n_dims[d]);

            for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
                find_equals_sort(&subject.set, &to, ks[i] < n_points[p] ? ks[i] : n_points[p]);
            }
            free(subject.memory);
        }
    }
    lw_test_table_free(&test);
    lw_test_table_free(&train);
}

/* Several spans of points, of which many are equally far from a row: the lesser index is nearer. */
static void test_neighbours__equally_far_are_told_apart_by_their_index(void **state)
{
    enum { N_ROWS = 3000, N_DIMS = 3 };
    float *values = calloc((size_t)N_ROWS * N_DIMS, sizeof(float));
    struct lw_neighbours_rows rows = {values, N_ROWS, N_DIMS};
    struct subject subject;
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 8);
    for (size_t i = 0; i < (size_t)N_ROWS * N_DIMS; i++) {
        values[i] = (float)lw_rng_below(&rng, 4);
    }
    subject = subject_draw(&rows, 2500, N_DIMS);
    rows.n_rows = 40;
    find_equals_sort(&subject.set, &rows, 1);
    find_equals_sort(&subject.set, &rows, 33);
    free(subject.memory);
    for (size_t i = 0; i < (size_t)N_ROWS * N_DIMS; i++) {
        values[i] = 1.0f; /* All are: a bound that all points are within. */
    }
    rows.n_rows = N_ROWS;
    subject = subject_draw(&rows, N_ROWS, N_DIMS);
    rows.n_rows = 9;
    find_equals_sort(&subject.set, &rows, LW_NEIGHBOURS_MAX);
    free(subject.memory);
    free(values);
}

static void test_neighbours__a_core_set_is_rows_without_repeats(void **state)
{
    enum { N_ROWS = 300, N_POINTS = 200 };
    float values[N_ROWS];
    struct lw_neighbours_rows rows = {values, N_ROWS, 1};
    int n_times[N_ROWS] = {0};
    size_t n_early = 0;
    struct subject subject;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        values[i] = i % 3 == 2 ? NAN : (float)i;
    }
    assert_int_equal(lw_neighbours_known(&rows, 1), N_POINTS);
    subject = subject_draw(&rows, N_POINTS / 2, 1);
    for (size_t point = 0; point < N_POINTS / 2; point++) {
        size_t row = (size_t)lw_neighbours_value(&subject.set, point, 0);

        assert_true(row < N_ROWS && row % 3 != 2);
        assert_int_equal(n_times[row]++, 0);
        n_early += row < N_ROWS / 2;
    }
    assert_true(n_early > 30 && n_early < 70); /* 50 are expected, with a deviation of 3.5. */
    free(subject.memory);
}

static void test_neighbours__holes_count_as_the_centre_and_huge_values_as_the_limit(void **state)
{
    static const float values[] = {1.0f, NAN, 3.0f, 8.0f, NAN, 4.0f};
    static const float queries[] = {NAN, 6.0f, INFINITY, -INFINITY};
    struct lw_neighbours_rows from = {values, 3, 2}, to = {queries, 2, 2};
    struct subject subject = subject_draw(&from, 3, 2);
    struct lw_neighbours_found found;

    (void)state;
    assert_true(subject.set.centre[0] == 2.0f && subject.set.centre[1] == 6.0f);
    assert_int_equal(lw_neighbours_find(&subject.set, &to, 3, &found), 2);
    assert_true(found.queries[0] == 2.0f && found.queries[1] == 6.0f);
    /* The points are (1, 6), (3, 8) and (2, 4). */
    assert_true(lw_neighbour_squared(found.keys[0][0]) == 1.0f);
    assert_true(lw_neighbour_squared(found.keys[0][1]) == 4.0f);
    assert_true(lw_neighbour_squared(found.keys[0][2]) == 5.0f);
    assert_true(found.queries[2] == LW_NEIGHBOURS_LIMIT &&
                found.queries[3] == -LW_NEIGHBOURS_LIMIT);
    assert_true(isfinite(lw_neighbour_squared(found.keys[1][2])));
    lw_neighbours_put(&subject.set, 1, queries);
    assert_true(lw_neighbours_value(&subject.set, 1, 0) == 2.0f &&
                lw_neighbours_value(&subject.set, 1, 1) == 6.0f);
    free(subject.memory);
}

static void test_neighbours__rows_without_values_are_no_points(void **state)
{
    static const float one[] = {NAN, NAN, 5.0f, NAN}, none[] = {NAN, NAN, NAN, NAN};
    struct lw_neighbours_rows rows = {one, 2, 2};
    struct subject subject = subject_draw(&rows, 2, 2);

    (void)state;
    for (size_t point = 0; point < 2; point++) {
        assert_true(lw_neighbours_value(&subject.set, point, 0) == 5.0f);
        assert_true(lw_neighbours_value(&subject.set, point, 1) == 0.0f);
    }
    free(subject.memory);
    rows.values = none;
    subject = subject_draw(&rows, 1, 2);
    assert_true(lw_neighbours_value(&subject.set, 0, 0) == 0.0f);
    free(subject.memory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours__are_those_of_a_sort_of_all_distances),
        cmocka_unit_test(test_neighbours__equally_far_are_told_apart_by_their_index),
        cmocka_unit_test(test_neighbours__a_core_set_is_rows_without_repeats),
        cmocka_unit_test(test_neighbours__holes_count_as_the_centre_and_huge_values_as_the_limit),
        cmocka_unit_test(test_neighbours__rows_without_values_are_no_points),
    };
    return LW_TEST_RUN(tests);
}
