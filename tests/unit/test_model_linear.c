/* The linear forecaster against the normal equations as they are written, solved by elimination;
 * runs, holes, wide rows; and what it forecasts of a real server. */
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/linear.h"

#define PARTS 5u
#define RIDGE 0.01

static struct lw_test_table train, test;
static struct lw_error error;

/* Real rows of the first columns of the table, in deviations from the mean of the training part. */
static void tables_read(void)
{
    train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    for (size_t column = 0; column < train.n_dims; column++) {
        double mean = 0.0, squares = 0.0;

        for (size_t i = 0; i < train.n_rows; i++) {
            mean += (double)train.values[i * train.n_dims + column] / (double)train.n_rows;
        }
        for (size_t i = 0; i < train.n_rows; i++) {
            squares += pow((double)train.values[i * train.n_dims + column] - mean, 2.0);
        }
        squares = sqrt(squares / (double)train.n_rows) + 0.01;
        for (size_t i = 0; i < train.n_rows; i++) {
            float *x = &train.values[i * train.n_dims + column];

            *x = (float)(((double)*x - mean) / squares);
        }
        for (size_t i = 0; i < test.n_rows; i++) {
            float *x = &test.values[i * test.n_dims + column];

            *x = (float)(((double)*x - mean) / squares);
        }
    }
}

static enum lw_status fit(const struct lw_model_rows *rows, const char *mixed,
                          struct lw_model **ret_model)
{
    void *options = calloc(1, lw_model_linear.options_bytes);
    struct lw_rng rng;
    enum lw_status status;

    lw_options_default(lw_model_linear.options, lw_model_linear.n_options, options);
    assert_int_equal(lw_options_set(lw_model_linear.options, lw_model_linear.n_options, options,
                                    "mixed", mixed, &error),
                     LW_OK);
    lw_rng_seed(&rng, 1);
    status = lw_model_linear.fit(options, rows, &rng, ret_model, &error);
    free(options);
    return status;
}

static struct lw_model *must_fit(const struct lw_model_rows *rows, const char *mixed)
{
    struct lw_model *model = NULL;

    if (fit(rows, mixed, &model) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return model;
}

/* ---- the slow reference ---- */

/* Inputs of the forecast of row t of a run that began at row `begin`: all columns' last three
 * values, their running means, 1. */
static void slow_inputs(const float *rows, size_t n, size_t begin, size_t t, double *ret_inputs)
{
    for (size_t j = 0; j < n; j++) {
        double fast = (double)rows[begin * n + j], slow = fast;

        for (size_t i = begin; i < t; i++) {
            fast = 0.9 * fast + 0.1 * (double)rows[i * n + j];
            slow = 0.98 * slow + 0.02 * (double)rows[i * n + j];
        }
        for (size_t lag = 1; lag <= 3; lag++) {
            ret_inputs[(lag - 1) * n + j] = (double)rows[(t - lag) * n + j];
        }
        ret_inputs[3 * n + j] = fast;
        ret_inputs[4 * n + j] = slow;
    }
    ret_inputs[PARTS * n] = 1.0;
}

/* Gauss and Jordan with the greatest pivot: a[n][n] x = b[n][n_right], b becomes x. */
static void slow_solve(double *a, size_t n, double *b, size_t n_right)
{
    for (size_t k = 0; k < n; k++) {
        size_t best = k;

        for (size_t i = k + 1; i < n; i++) {
            best = fabs(a[i * n + k]) > fabs(a[best * n + k]) ? i : best;
        }
        for (size_t j = 0; j < n; j++) {
            double x = a[k * n + j];

            a[k * n + j] = a[best * n + j];
            a[best * n + j] = x;
        }
        for (size_t j = 0; j < n_right; j++) {
            double x = b[k * n_right + j];

            b[k * n_right + j] = b[best * n_right + j];
            b[best * n_right + j] = x;
        }
        for (size_t i = 0; i < n; i++) {
            double factor = i == k ? 0.0 : a[i * n + k] / a[k * n + k];

            for (size_t j = 0; j < n; j++) {
                a[i * n + j] -= factor * a[k * n + j];
            }
            for (size_t j = 0; j < n_right; j++) {
                b[i * n_right + j] -= factor * b[k * n_right + j];
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n_right; j++) {
            b[i * n_right + j] /= a[i * n + i];
        }
    }
}

struct slow {
    size_t n, n_in;
    double *weights; /* [n_in][n] */
    double *unit;    /* [n] */
};

/* Where the run of row t begins. */
static size_t run_begin(const struct lw_model_rows *rows, size_t t)
{
    size_t begin = 0;

    for (size_t i = 0; rows->runs != NULL && begin + rows->runs[i] <= t; i++) {
        begin += rows->runs[i];
    }
    return begin;
}

static double slow_forecast(const struct slow *slow, const double *inputs, size_t column)
{
    double sum = 0.0;

    for (size_t i = 0; i < slow->n_in; i++) {
        sum += slow->weights[i * slow->n + column] * inputs[i];
    }
    return sum;
}

static struct slow slow_fit(const struct lw_model_rows *rows)
{
    struct slow slow = {.n = rows->n_dims, .n_in = PARTS * rows->n_dims + 1};
    size_t n = slow.n, n_in = slow.n_in;
    double *gram = calloc(n_in * n_in, sizeof(double)), *inputs = calloc(n_in, sizeof(double));
    double n_used = 0.0;

    slow.weights = calloc(n_in * n, sizeof(double));
    slow.unit = calloc(n, sizeof(double));
    for (size_t t = 3; t < rows->n_rows; t++) {
        if (t >= run_begin(rows, t) + 3) {
            slow_inputs(rows->values, n, run_begin(rows, t), t, inputs);
            n_used += 1.0;
            for (size_t i = 0; i < n_in; i++) {
                for (size_t j = 0; j < n_in; j++) {
                    gram[i * n_in + j] += inputs[i] * inputs[j];
                }
                for (size_t j = 0; j < n; j++) {
                    slow.weights[i * n + j] += inputs[i] * (double)rows->values[t * n + j];
                }
            }
        }
    }
    for (size_t i = 0; i < n_in; i++) {
        gram[i * n_in + i] += RIDGE * n_used;
    }
    slow_solve(gram, n_in, slow.weights, n);
    for (size_t t = 3; t < rows->n_rows; t++) {
        if (t >= run_begin(rows, t) + 3) {
            slow_inputs(rows->values, n, run_begin(rows, t), t, inputs);
            for (size_t j = 0; j < n; j++) {
                slow.unit[j] += pow((double)rows->values[t * n + j] -
                                        slow_forecast(&slow, inputs, j),
                                    2.0) /
                                n_used;
            }
        }
    }
    for (size_t j = 0; j < n; j++) {
        slow.unit[j] = fmax(sqrt(slow.unit[j]), 0.1);
    }
    free(inputs);
    free(gram);
    return slow;
}

static void slow_free(struct slow *slow)
{
    free(slow->weights);
    free(slow->unit);
}

/* The first columns of a table, as rows of their own. */
static float *columns_of(const struct lw_test_table *table, size_t n_rows, size_t n_columns)
{
    float *rows = calloc(n_rows * n_columns, sizeof(float));

    for (size_t i = 0; i < n_rows * n_columns; i++) {
        rows[i] = table->values[i / n_columns * table->n_dims + i % n_columns];
    }
    return rows;
}

/* ---- tests ---- */

static void linear_equals_definition(const struct lw_model_rows *rows, const float *judged,
                                     size_t n_judged)
{
    struct slow slow = slow_fit(rows);
    struct lw_model *model = must_fit(rows, "160");
    float *state = calloc(lw_model_linear.n_state(model), sizeof(float)), distance;
    float *shares = calloc(slow.n, sizeof(float));
    double *inputs = calloc(slow.n_in, sizeof(double));

    for (size_t t = 0; t < n_judged; t++) {
        double squares = 0.0, sum = 0.0;

        lw_model_linear.score(model, state, judged + t * slow.n, 1, &distance);
        lw_model_linear.attribute(model, state, judged + t * slow.n, shares);
        if (t < 3) {
            assert_true(isnan(distance)); /* Too little has been seen. */
            continue;
        }
        slow_inputs(judged, slow.n, 0, t, inputs);
        for (size_t j = 0; j < slow.n; j++) {
            double residual = ((double)judged[t * slow.n + j] - slow_forecast(&slow, inputs, j)) /
                              slow.unit[j];
            double found = (double)lw_linear_residual(model, state)[j];

            if (!(fabs(found - residual) < 1e-4 + 1e-4 * fabs(residual))) {
                fail_msg("row %zu column %zu: %.9g, but %.9g by definition", t, j, found, residual);
            }
            squares += residual * residual;
            sum += (double)shares[j];
        }
        assert_true(fabs((double)distance - sqrt(squares)) < 1e-4 + 1e-4 * sqrt(squares));
        assert_true(fabs(sum - squares) < 1e-3 + 1e-3 * squares);
    }
    free(inputs);
    free(shares);
    free(state);
    lw_model_linear.destroy(model);
    slow_free(&slow);
}

static void test_linear__is_the_ridge_solution_of_the_normal_equations(void **state)
{
    float *rows = columns_of(&train, 300, 8), *judged = columns_of(&test, 200, 8);
    struct lw_model_rows from = {.values = rows, .n_rows = 300, .n_dims = 8};

    (void)state;
    linear_equals_definition(&from, judged, 200);
    free(judged);
    free(rows);
}

/* Rows before a break say nothing of those behind it. */
static void test_linear__looks_back_within_a_run_only(void **state)
{
    static const size_t runs[] = {100, 1, 3, 150, 46};
    float *rows = columns_of(&train, 300, 5), *judged = columns_of(&test, 60, 5);
    struct lw_model_rows from = {
        .values = rows, .n_rows = 300, .n_dims = 5, .runs = runs, .n_runs = 5};

    (void)state;
    linear_equals_definition(&from, judged, 60);
    free(judged);
    free(rows);
}

/* A column that another repeats one row later: mixed, the second is forecast from the first. Alone,
 * it cannot be, and each column is as if it were the only one. */
static void test_linear__forecasts_wide_rows_column_by_column(void **state)
{
    float *rows = columns_of(&train, 300, 4), *judged = columns_of(&test, 100, 4);
    struct lw_model_rows from = {.values = rows, .n_rows = 300, .n_dims = 4};
    struct lw_model *alone = must_fit(&from, "3"), *mixed = must_fit(&from, "4");
    float *state_alone = calloc(lw_model_linear.n_state(alone), sizeof(float)), distance[2];

    (void)state;
    assert_true(lw_model_linear.bytes(alone) < lw_model_linear.bytes(mixed));
    for (size_t column = 0; column < 4; column++) {
        float column_rows[300], column_judged[100];
        struct lw_model_rows one = {.values = column_rows, .n_rows = 300, .n_dims = 1};
        struct lw_model *single;
        float *state_single;

        for (size_t i = 0; i < 300; i++) {
            column_rows[i] = rows[i * 4 + column];
            column_judged[i % 100] = judged[i % 100 * 4 + column];
        }
        single = must_fit(&one, "160");
        state_single = calloc(lw_model_linear.n_state(single), sizeof(float));
        memset(state_alone, 0, lw_model_linear.n_state(alone) * sizeof(float));
        for (size_t i = 0; i < 100; i++) {
            lw_model_linear.score(alone, state_alone, judged + i * 4, 1, &distance[0]);
            lw_model_linear.score(single, state_single, column_judged + i, 1, &distance[1]);
            assert_float_equal(lw_linear_residual(alone, state_alone)[column],
                               lw_linear_residual(single, state_single)[0], 1e-4);
        }
        free(state_single);
        lw_model_linear.destroy(single);
    }
    free(state_alone);
    lw_model_linear.destroy(mixed);
    lw_model_linear.destroy(alone);
    free(judged);
    free(rows);
}

/* A hole is filled with the forecast: the same as if the value had come as forecast. */
static void test_linear__takes_a_missing_value_to_be_as_forecast(void **state)
{
    struct lw_model_rows from = {
        .values = train.values, .n_rows = train.n_rows, .n_dims = train.n_dims};
    struct lw_model *model = must_fit(&from, "160");
    size_t n = train.n_dims, n_state = lw_model_linear.n_state(model);
    float *with = calloc(n_state, sizeof(float)), *before = calloc(n_state, sizeof(float));
    float *row = calloc(n, sizeof(float)), *nothing = calloc(n, sizeof(float)), distance;

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        lw_model_linear.score(model, with, test.values + i * n, 1, &distance);
    }
    memcpy(row, test.values + 50 * n, n * sizeof(float));
    row[3] = NAN;
    lw_model_linear.score(model, with, row, 1, &distance);
    assert_true(isfinite(distance) && distance > 0.0f);
    assert_true(lw_linear_residual(model, with)[3] == 0.0f);
    assert_true(lw_linear_residual(model, with)[4] != 0.0f);
    assert_true(isfinite(with[3]) && with[3] != 0.0f); /* The state went on with the forecast. */
    for (size_t i = 0; i < n; i++) {
        nothing[i] = NAN;
    }
    memcpy(before, with, n_state * sizeof(float));
    lw_model_linear.score(model, with, nothing, 1, &distance);
    assert_true(isnan(distance));
    for (size_t i = 0; i < n; i++) {
        assert_true(lw_linear_residual(model, with)[i] == 0.0f);
    }
    assert_memory_equal(with, before, (PARTS * n + 2) * sizeof(float));
    free(nothing);
    free(row);
    free(before);
    free(with);
    lw_model_linear.destroy(model);
}

static void test_linear__stays_finite_whatever_comes(void **state)
{
    struct lw_model_rows from = {
        .values = train.values, .n_rows = train.n_rows, .n_dims = train.n_dims};
    struct lw_model *model = must_fit(&from, "160");
    size_t n = train.n_dims, n_state = lw_model_linear.n_state(model);
    float *after = calloc(n_state, sizeof(float)), *row = calloc(n, sizeof(float)), distance;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < n; k++) {
            const float strange[] = {3e38f, -3e38f, INFINITY, -INFINITY, NAN, 0.0f, 1e-45f};

            row[k] = strange[(i * 31 + k * 3) % 7];
        }
        lw_model_linear.score(model, after, row, 1, &distance);
        assert_true(isfinite(distance) ? i >= 3 : i < 3);
        for (size_t k = 0; k < n_state; k++) {
            assert_true(isfinite(after[k]));
        }
    }
    free(row);
    free(after);
    lw_model_linear.destroy(model);
}

/* The forecast of the real server leaves less than "as it was" does, on rows it was not fitted to
 * and by a good part; and the labelled trouble stands out. */
static void test_linear__forecasts_better_than_no_change(void **state)
{
    struct lw_model_rows from = {.values = train.values, .n_rows = 690, .n_dims = train.n_dims};
    struct lw_model *model = must_fit(&from, "160");
    size_t n = train.n_dims, n_normal = 0;
    float *after = calloc(lw_model_linear.n_state(model), sizeof(float)), distance;
    double left = 0.0, changed = 0.0, normal = 0.0, trouble = 0.0;
    struct slow slow = slow_fit(
        &(struct lw_model_rows){.values = train.values, .n_rows = 690, .n_dims = train.n_dims});

    (void)state;
    for (size_t t = 0; t < train.n_rows; t++) {
        lw_model_linear.score(model, after, train.values + t * n, 1, &distance);
        for (size_t j = 0; t > 690 && j < n; j++) {
            double step = (double)train.values[t * n + j] - (double)train.values[(t - 1) * n + j];

            left += pow((double)lw_linear_residual(model, after)[j] * slow.unit[j], 2.0);
            changed += step * step;
        }
    }
    print_message("forecast leaves %g of what no change leaves\n", sqrt(left / changed));
    assert_true(sqrt(left / changed) < 0.95);
    memset(after, 0, lw_model_linear.n_state(model) * sizeof(float));
    for (size_t t = 0; t < test.n_rows; t++) {
        lw_model_linear.score(model, after, test.values + t * n, 1, &distance);
        if (t >= 100 && test.labels[t] == 0) {
            normal += (double)distance;
            n_normal++;
        } else if (t >= 100) {
            trouble += (double)distance;
        }
    }
    normal /= (double)n_normal;
    trouble /= (double)(test.n_rows - 100 - n_normal);
    print_message("distance %g in normal rows, %g in trouble\n", normal, trouble);
    assert_true(trouble > 1.5 * normal);
    slow_free(&slow);
    free(after);
    lw_model_linear.destroy(model);
}

static void test_linear__too_few_rows_forecast_nothing(void **state)
{
    static const float values[] = {5.0f, 6.0f, 7.0f};
    static const float rows[] = {1.0f, 1.0f, 1.0f, 40.0f};
    struct lw_model_rows from = {.values = values, .n_rows = 3, .n_dims = 1};
    struct lw_model *model = must_fit(&from, "160");
    float *after = calloc(lw_model_linear.n_state(model), sizeof(float)), distances[4];

    (void)state;
    lw_model_linear.score(model, after, rows, 4, distances);
    assert_true(isnan(distances[2]));
    assert_float_equal(distances[3], 40.0f, 1e-6); /* Away from 0, in units of 1. */
    free(after);
    lw_model_linear.destroy(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear__is_the_ridge_solution_of_the_normal_equations),
        cmocka_unit_test(test_linear__looks_back_within_a_run_only),
        cmocka_unit_test(test_linear__forecasts_wide_rows_column_by_column),
        cmocka_unit_test(test_linear__takes_a_missing_value_to_be_as_forecast),
        cmocka_unit_test(test_linear__stays_finite_whatever_comes),
        cmocka_unit_test(test_linear__forecasts_better_than_no_change),
        cmocka_unit_test(test_linear__too_few_rows_forecast_nothing),
    };
    int failed;

    tables_read();
    failed = LW_TEST_RUN(tests);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return failed;
}
