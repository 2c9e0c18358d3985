/* Neighbours of training or of lately against the definition, over real rows told one after the
 * other: what is remembered is kept in a list of all rows, distances are in double, sorted. */
#include "support/table.h"
#include "support/test.h"

#include "base/option.h"
#include "model/knn.h"
#include "model/recent.h"

#define TABLE LW_TEST_DATA "/smd/machine-1-6-test.csv"

static struct lw_model *class_fit(const struct lw_model_class *model_class,
                                  const struct lw_model_rows *rows, const char *const *chosen)
{
    void *options = malloc(model_class->options_bytes);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_options_default(model_class->options, model_class->n_options, options);
    for (; chosen != NULL && *chosen != NULL; chosen += 2) {
        assert_int_equal(lw_options_set(model_class->options, model_class->n_options, options,
                                        chosen[0], chosen[1], &error),
                         LW_OK);
    }
    lw_rng_seed(&rng, 7);
    if (model_class->fit(options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    free(options);
    return model;
}

/* The one in `every` of the rows before `now` that are among the last `kept` of these. */
static bool is_remembered(size_t row, size_t now, size_t kept, size_t every)
{
    size_t n = now / every, number = (row + 1) / every;

    return (row + 1) % every == 0 && number <= n && number + kept > n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* INFINITY where fewer than k rows are remembered. */
static double slow_lately(const struct lw_test_table *table, size_t now, size_t kept, size_t every,
                          size_t k)
{
    double *squared = calloc(now + 1, sizeof(double)), result;
    const float *x = table->values + now * table->n_dims;
    size_t n = 0;

    for (size_t row = 0; row < now; row++) {
        for (size_t i = 0; is_remembered(row, now, kept, every) && i < table->n_dims; i++) {
            double from = (double)table->values[row * table->n_dims + i];
            double away = (isnan(x[i]) ? 0.0 : (double)x[i]) - (isnan(from) ? 0.0 : from);

            squared[n] += away * away;
        }
        n += is_remembered(row, now, kept, every) ? 1 : 0;
    }
    qsort(squared, n, sizeof(double), compare);
    result = n >= k ? sqrt(squared[k - 1]) : INFINITY;
    free(squared);
    return result;
}

static void test_recent__is_the_nearer_of_training_and_lately(void **state)
{
    const char *const options[] = {"kept", "7", "every", "5", "neighbours", "2", NULL};
    struct lw_test_table table = lw_test_table_read(TABLE);
    struct lw_model_rows rows = {
        .values = table.values, .n_rows = table.n_rows / 4, .n_dims = table.n_dims};
    struct lw_model *model = class_fit(&lw_model_recent, &rows, options);
    struct lw_model *core = class_fit(&lw_model_knn, &rows, options + 4);
    float *kept = calloc(lw_model_recent.n_state(model), sizeof(float));
    float *shares = calloc(table.n_dims, sizeof(float));
    size_t n_lately = 0;

    (void)state;
    for (size_t i = 0; i < table.n_rows; i += 11) {
        table.values[i * table.n_dims + i % table.n_dims] = NAN;
    }
    for (size_t i = 0; i < table.n_rows; i++) {
        const float *row = table.values + i * table.n_dims;
        double lately = slow_lately(&table, i, 7, 5, 2), sum = 0.0, wanted;
        float distance, training;

        lw_model_knn.score(core, NULL, row, 1, &training);
        lw_model_recent.score(model, kept, row, 1, &distance);
        wanted = lately < (double)training ? lately : (double)training;
        assert_true(fabs((double)distance - wanted) <= 1e-5 * wanted + 1e-6);
        n_lately += lately < (double)training ? 1 : 0;
        /* The row that a row just remembered took the place of is not there any more. */
        if ((i + 1) % 5 != 0 || (i + 1) / 5 <= 7) {
            lw_model_recent.attribute(model, kept, row, shares);
            for (size_t column = 0; column < table.n_dims; column++) {
                sum += (double)shares[column];
            }
            if (i % 11 != 0) {
                assert_true(fabs(sum - wanted) <= 1e-4 * wanted + 1e-5);
            }
        }
    }
    assert_true(n_lately > table.n_rows / 20 && n_lately < table.n_rows);
    free(shares);
    free(kept);
    lw_model_knn.destroy(core);
    lw_model_recent.destroy(model);
    lw_test_table_free(&table);
}

/* Rows near 0 in training; then all are near 100. */
static void test_recent__accepts_a_new_regime_after_its_time_and_no_short_anomaly(void **state)
{
    float train[200 * 2], row[2], distance = 0.0f, *kept;
    struct lw_model_rows rows = {.values = train, .n_rows = 200, .n_dims = 2};
    struct lw_model *model;
    struct lw_rng rng;
    size_t n_strange = 0;

    (void)state;
    lw_rng_seed(&rng, 3);
    for (size_t i = 0; i < 400; i++) {
        train[i] = (float)lw_rng_double(&rng);
    }
    model = class_fit(&lw_model_recent, &rows, NULL);
    kept = calloc(lw_model_recent.n_state(model), sizeof(float));
    for (size_t i = 0; i < 1000; i++) {
        bool is_anomaly = i >= 300 && i < 400, is_new = i >= 600;

        for (size_t j = 0; j < 2; j++) {
            row[j] = (float)lw_rng_double(&rng) + (is_anomaly ? -100.0f : is_new ? 100.0f : 0.0f);
        }
        lw_model_recent.score(model, kept, row, 1, &distance);
        if (is_anomaly) {
            assert_true(distance > 90.0f);
        }
        n_strange += is_new && distance > 90.0f ? 1 : 0;
    }
    assert_int_equal(n_strange, 150); /* 3 rows, one in 50. */
    assert_true(distance < 2.0f);
    free(kept);
    lw_model_recent.destroy(model);
}

/* The ring goes on in its place where the count of rows is turned back. */
static void test_recent__goes_on_over_the_turn_of_its_count(void **state)
{
    const char *const options[] = {"kept", "3", "every", "2", "neighbours", "1", NULL};
    float train[4] = {0.0f, 1.0f, 2.0f, 3.0f}, row, distance, *kept;
    struct lw_model_rows rows = {.values = train, .n_rows = 4, .n_dims = 1};
    struct lw_model *model = class_fit(&lw_model_recent, &rows, options);

    (void)state;
    kept = calloc(lw_model_recent.n_state(model), sizeof(float));
    for (size_t i = 1; i <= 100; i++) {
        row = 1000.0f * (float)i;
        lw_model_recent.score(model, kept, &row, 1, &distance);
        /* The newest remembered row is the last of even number. */
        assert_true(distance == (i <= 2 ? row - 3.0f : i % 2 == 0 ? 2000.0f : 1000.0f));
    }
    kept[0] = NAN; /* What no state says begins anew. */
    lw_model_recent.score(model, kept, &row, 1, &distance);
    assert_true(distance == row - 3.0f && kept[0] == 1.0f);
    free(kept);
    lw_model_recent.destroy(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recent__is_the_nearer_of_training_and_lately),
        cmocka_unit_test(test_recent__accepts_a_new_regime_after_its_time_and_no_short_anomaly),
        cmocka_unit_test(test_recent__goes_on_over_the_turn_of_its_count),
    };
    return LW_TEST_RUN(tests);
}
