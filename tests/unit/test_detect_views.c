/* Each view against its definition, computed slowly from all rows so far; scale, flags, holes; and
 * what is saved, copied and shared. */
#include "support/mem_faulty.h"
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "detect/views.h"
#include "math/linear_algebra.h"
#include "model/linear.h"

#define N_COLUMNS 38u
#define N_SPANS ((size_t)LW_VIEWS_SPANS * N_COLUMNS)

static struct lw_test_table train, test;
static struct lw_error error;

/* What one step looks like, with room for it. */
struct seen {
    float values[N_COLUMNS], residual[N_COLUMNS];
    float embedding[LW_VIEWS_EMBEDDING], patch[LW_VIEWS_PATCH];
    float surprise;
};

/* Views fitted to the training part, with the state that knows its scale. */
struct fitted {
    struct lw_views *views;
    float *z; /* [n_rows][N_COLUMNS] what they were fitted to. */
    float *scale;
};

static struct fitted fitted_init(void)
{
    struct fitted fitted = {.z = calloc(train.n_rows * N_COLUMNS, sizeof(float)),
                            .scale = calloc(lw_views_n_scale(N_COLUMNS), sizeof(float))};
    struct lw_model_rows rows = {.values = fitted.z, .n_rows = train.n_rows, .n_dims = N_COLUMNS};
    struct lw_rng rng;

    lw_views_learn_scale(train.values, train.n_rows, N_COLUMNS, NULL, fitted.scale);
    for (size_t i = 0; i < train.n_rows; i++) {
        lw_views_scale_row(N_COLUMNS, fitted.scale, train.values + i * N_COLUMNS,
                           fitted.z + i * N_COLUMNS);
    }
    lw_rng_seed(&rng, 1);
    if (lw_views_fit(&rows, &rng, &fitted.views, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    return fitted;
}

static void fitted_fini(struct fitted *fitted)
{
    lw_views_destroy(fitted->views);
    free(fitted->z);
    free(fitted->scale);
}

static float *fresh_state(const struct fitted *fitted)
{
    float *state = calloc(lw_views_n_state(fitted->views), sizeof(float));

    memcpy(state, fitted->scale, lw_views_n_scale(N_COLUMNS) * sizeof(float));
    memset(state + 3 * (size_t)N_COLUMNS, 0, N_COLUMNS * sizeof(float)); /* No last value. */
    return state;
}

static struct seen step(const struct lw_views *views, float *state, const float *row)
{
    struct seen seen;
    struct lw_views_row into = {seen.values, seen.residual, seen.embedding, seen.patch, 0.0f};

    lw_views_step(views, state, row, &into);
    seen.surprise = into.surprise;
    return seen;
}

static void assert_close(double found, double right, double share, const char *what, size_t row)
{
    if (!(fabs(found - right) <= share * (1.0 + fabs(right)))) {
        fail_msg("%s of row %zu: %.9g, but %.9g by definition", what, row, found, right);
    }
}

/* ---- scale ---- */

/* z by its definition, in double. */
static double slow_z(const float *column, size_t n_rows, size_t stride, double natural, double x)
{
    double n = 0.0, mean = 0.0, squares = 0.0, least = INFINITY, greatest = -INFINITY, unit;

    for (size_t i = 0; i < n_rows; i++) {
        double value = (double)column[i * stride];

        if (isfinite(value)) {
            n += 1.0;
            mean += value;
            least = fmin(least, value);
            greatest = fmax(greatest, value);
        }
    }
    mean /= n;
    for (size_t i = 0; i < n_rows; i++) {
        double value = (double)column[i * stride];

        squares += isfinite(value) ? (value - mean) * (value - mean) / n : 0.0;
    }
    if (!(natural > 0.0)) {
        natural = greatest > least ? fmin(1.0, 10.0 * (greatest - least)) : 1.0;
    }
    unit = fmax(sqrt(squares), 0.01 * fmax(natural, fabs(mean)));
    return 3.0 * asinh((x - mean) / unit / 3.0);
}

static bool column_is_flag(const float *column, size_t n_rows, size_t stride)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (column[i * stride] != 0.0f && column[i * stride] != 1.0f) {
            return false;
        }
    }
    return true;
}

static void test_scale__is_that_of_the_definition(void **state)
{
    float natural[N_COLUMNS], scale[4 * N_COLUMNS], z[N_COLUMNS];
    size_t n_flags = 0;

    (void)state;
    for (size_t with_natural = 0; with_natural < 2; with_natural++) {
        for (size_t i = 0; i < N_COLUMNS; i++) {
            natural[i] = i % 3 == 0 ? 100.0f : 0.0f;
        }
        lw_views_learn_scale(train.values, train.n_rows, N_COLUMNS, with_natural ? natural : NULL,
                             scale);
        for (size_t row = 0; row < test.n_rows; row += 5) {
            lw_views_scale_row(N_COLUMNS, scale, test.values + row * N_COLUMNS, z);
            for (size_t i = 0; i < N_COLUMNS; i++) {
                double slow = slow_z(train.values + i, train.n_rows, N_COLUMNS,
                                     with_natural ? (double)natural[i] : 0.0,
                                     (double)test.values[row * N_COLUMNS + i]);

                if (column_is_flag(train.values + i, train.n_rows, N_COLUMNS) &&
                    column_is_flag(test.values + i, row + 1, N_COLUMNS)) {
                    n_flags++;
                    slow = 0.0;
                }
                assert_close((double)z[i], slow, 2e-6, "z", row);
            }
        }
    }
    assert_true(n_flags > 0); /* This server has metrics that never were anything but 0. */
}

static void test_scale__a_flag_is_one_until_another_value_comes(void **state)
{
    const float rows[] = {0.0f, 1.0f, 1.0f, NAN}, steps[] = {1.0f, NAN, 0.0f, 0.5f, 1.0f};
    float scale[4], z[5];

    (void)state;
    lw_views_learn_scale(rows, 4, 1, NULL, scale);
    for (size_t i = 0; i < 5; i++) {
        lw_views_scale_row(1, scale, &steps[i], &z[i]);
    }
    assert_true(z[0] == 0.0f && z[1] == 0.0f && z[2] == 0.0f);
    assert_true(z[3] < -0.1f && z[4] > 0.1f); /* A gauge from now on: the mean was 2 / 3. */
}

static void test_scale__a_missing_value_counts_as_the_last_known(void **state)
{
    const float rows[] = {3.0f, 5.0f, 7.0f}, steps[] = {NAN, 9.0f, NAN, NAN, 4.0f};
    float scale[4], z[5];

    (void)state;
    lw_views_learn_scale(rows, 3, 1, NULL, scale);
    for (size_t i = 0; i < 5; i++) {
        lw_views_scale_row(1, scale, &steps[i], &z[i]);
    }
    assert_true(z[0] == 0.0f && z[1] > 1.0f && z[2] == z[1] && z[3] == z[1] && z[4] < 0.0f);
}

/* Values of any size, and none at all. */
static void test_scale__is_finite_whatever_training_and_service_bring(void **state)
{
    const float kinds[][3] = {
        {3e38f, -3e38f, 3e38f}, {1e-45f, 0.0f, 1e-44f}, {NAN, NAN, NAN},   {INFINITY, 2.0f, NAN},
        {7.0f, 7.0f, 7.0f},     {1e-30f, 2e-30f, 0.0f}, {0.0f, 1.0f, 1.0f}};
    const float steps[] = {3e38f, -3e38f, INFINITY, -INFINITY, 1e-45f, 0.0f, 7.0f, NAN};

    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            float scale[4], z;

            lw_views_learn_scale(kinds[kind], 3, 1, NULL, scale);
            lw_views_scale_row(1, scale, &steps[i], &z);
            if (!(fabsf(z) <= 300.0f)) {
                fail_msg("rows %zu, value %g: z is %g", kind, (double)steps[i], (double)z);
            }
            assert_true(kind != 2 || z == 0.0f); /* Nothing is known of this metric. */
        }
    }
}

/* ---- views ---- */

/* Components by their definition, from inputs of all rows: the covariance by two passes, and all
 * its eigenvectors; those of no variance are 0. */
struct slow_projection {
    size_t n, k;
    double *mean, *components; /* [n], [k][n] */
};

static struct slow_projection slow_projection_of(const double *inputs, size_t n_rows, size_t n,
                                                 size_t k)
{
    struct slow_projection slow = {.n = n, .k = k};
    double *covariance = calloc(n * n, sizeof(double)), *vectors = calloc(n * n, sizeof(double));
    double *values = calloc(n, sizeof(double));

    slow.mean = calloc(n, sizeof(double));
    slow.components = calloc(k * n, sizeof(double));
    for (size_t i = 0; i < n_rows * n; i++) {
        slow.mean[i % n] += inputs[i] / (double)n_rows;
    }
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < n; i++) {
            double x = (inputs[row * n + i] - slow.mean[i]) / (double)n_rows;

            for (size_t j = 0; j < n; j++) {
                covariance[i * n + j] += x * (inputs[row * n + j] - slow.mean[j]);
            }
        }
    }
    lw_eigen_symmetric(covariance, n, values, vectors);
    memcpy(slow.components, vectors, k * n * sizeof(double));
    free(values);
    free(vectors);
    free(covariance);
    return slow;
}

static void slow_projection_free(struct slow_projection *slow)
{
    free(slow->mean);
    free(slow->components);
}

/* The rest, and the sum of squared coordinates, which do not depend on signs. */
static double slow_rest(const struct slow_projection *slow, const double *x,
                        double *ret_coordinates)
{
    double rest = 0.0;

    for (size_t c = 0; c < slow->k; c++) {
        ret_coordinates[c] = 0.0;
        for (size_t i = 0; i < slow->n; i++) {
            ret_coordinates[c] += slow->components[c * slow->n + i] * (x[i] - slow->mean[i]);
        }
    }
    for (size_t i = 0; i < slow->n; i++) {
        double left = x[i] - slow->mean[i];

        for (size_t c = 0; c < slow->k; c++) {
            left -= ret_coordinates[c] * slow->components[c * slow->n + i];
        }
        rest += left * left;
    }
    return sqrt(rest);
}

/* Row t of a table of z; rows before the first are like the first. */
static const float *z_at(const float *z, size_t t, size_t back)
{
    return z + (t >= back ? t - back : 0) * N_COLUMNS;
}

static void slow_spans(const float *z, size_t t, double *ret_spans)
{
    static const size_t first[] = {0, 1, 2, 4, 8, 16}, n[] = {1, 1, 2, 4, 8, 16};

    for (size_t span = 0; span < 6; span++) {
        for (size_t column = 0; column < N_COLUMNS; column++) {
            double sum = 0.0;

            for (size_t i = 0; i < n[span]; i++) {
                sum += (double)z_at(z, t, first[span] + i)[column];
            }
            ret_spans[span * N_COLUMNS + column] = sum / (double)n[span];
        }
    }
}

/* 8 coordinates of the newest 32 rows, oldest first, less their means. */
static void slow_shape(const struct slow_projection *first, const float *z, size_t t,
                       double *ret_shape)
{
    double mean[8] = {0};

    for (size_t i = 0; i < 32; i++) {
        double row[N_COLUMNS];

        for (size_t column = 0; column < N_COLUMNS; column++) {
            row[column] = (double)z_at(z, t, 31 - i)[column];
        }
        (void)slow_rest(first, row, ret_shape + i * 8);
        for (size_t c = 0; c < 8; c++) {
            mean[c] += ret_shape[i * 8 + c] / 32.0;
        }
    }
    for (size_t i = 0; i < 256; i++) {
        ret_shape[i] -= mean[i % 8];
    }
}

/* The three projections by definition. */
struct slow_views {
    struct slow_projection embedding, first, patch;
};

static struct slow_views slow_views_of(const float *z, size_t n_rows)
{
    struct slow_views slow;
    double *inputs = calloc(n_rows * 256, sizeof(double));

    for (size_t i = 0; i < n_rows * N_COLUMNS; i++) {
        inputs[i] = (double)z[i];
    }
    slow.first = slow_projection_of(inputs, n_rows, N_COLUMNS, LW_VIEWS_FIRST);
    for (size_t t = 0; t < n_rows; t++) {
        slow_spans(z, t, inputs + t * N_SPANS);
    }
    slow.embedding = slow_projection_of(inputs, n_rows, N_SPANS, LW_VIEWS_COMPONENTS);
    for (size_t t = 0; t < n_rows; t++) {
        slow_shape(&slow.first, z, t, inputs + t * 256);
    }
    slow.patch = slow_projection_of(inputs, n_rows, 256, LW_VIEWS_COMPONENTS);
    free(inputs);
    return slow;
}

/* Coordinates are the same but for a sign, and the rest is the same. */
static void assert_projected(const float *found, const struct slow_projection *slow,
                             const double *inputs, const char *what, size_t row)
{
    double coordinates[LW_VIEWS_COMPONENTS], rest = slow_rest(slow, inputs, coordinates);

    for (size_t c = 0; c < slow->k; c++) {
        assert_close(fabs((double)found[c]), fabs(coordinates[c]), 2e-3, what, row);
    }
    assert_close((double)found[slow->k], rest, 2e-3, what, row);
}

static void test_views__are_those_of_the_definition(void **state)
{
    struct fitted fitted = fitted_init();
    struct slow_views slow = slow_views_of(fitted.z, train.n_rows);
    float *now = fresh_state(&fitted), *z = calloc(200 * N_COLUMNS, sizeof(float));
    double inputs[256], drift = 0.0, coordinates[LW_VIEWS_COMPONENTS];

    (void)state;
    for (size_t t = 0; t < 200; t++) {
        struct seen seen = step(fitted.views, now, test.values + (600 + t) * N_COLUMNS);
        double rest, sum = 0.0;

        memcpy(z + t * N_COLUMNS, seen.values, sizeof(seen.values));
        slow_spans(z, t, inputs);
        assert_projected(seen.embedding, &slow.embedding, inputs, "embedding", t);
        slow_shape(&slow.first, z, t, inputs);
        assert_projected(seen.patch, &slow.patch, inputs, "patch", t);
        for (size_t i = 0; i < N_COLUMNS; i++) {
            inputs[i] = (double)seen.values[i];
        }
        rest = slow_rest(&slow.first, inputs, coordinates);
        drift = t == 0 ? rest * rest : drift + 2.0 / 33.0 * (rest * rest - drift);
        assert_close((double)seen.patch[LW_VIEWS_COMPONENTS + 1], sqrt(32.0 * drift), 2e-3, "drift",
                     t);
        for (size_t i = 0; i < N_COLUMNS; i++) {
            double residual = (double)lw_views_residual(fitted.views, now)[i];

            assert_close((double)seen.residual[i], 3.0 * asinh(residual / 3.0), 1e-6, "residual",
                         t);
            sum += residual * residual;
        }
        assert_true(t < 3 ? isnan(seen.surprise)
                          : fabs(sqrt(sum) - (double)seen.surprise) < 1e-4 * sqrt(sum));
    }
    slow_projection_free(&slow.embedding);
    slow_projection_free(&slow.first);
    slow_projection_free(&slow.patch);
    free(z);
    free(now);
    fitted_fini(&fitted);
}

/* The residual view is what the linear forecaster, fitted by itself, leaves. */
static void test_views__residual_is_the_linear_forecasters(void **state)
{
    struct fitted fitted = fitted_init();
    struct lw_model_rows rows = {.values = fitted.z, .n_rows = train.n_rows, .n_dims = N_COLUMNS};
    void *options = calloc(1, lw_model_linear.options_bytes);
    struct lw_model *linear = NULL;
    struct lw_rng rng;
    float *now = fresh_state(&fitted), *linear_state, distance;

    (void)state;
    lw_options_default(lw_model_linear.options, lw_model_linear.n_options, options);
    lw_rng_seed(&rng, 1);
    assert_int_equal(lw_model_linear.fit(options, &rows, &rng, &linear, &error), LW_OK);
    linear_state = calloc(lw_model_linear.n_state(linear), sizeof(float));
    for (size_t t = 0; t < 100; t++) {
        struct seen seen = step(fitted.views, now, test.values + t * N_COLUMNS);

        lw_model_linear.score(linear, linear_state, seen.values, 1, &distance);
        assert_memory_equal(&distance, &seen.surprise, sizeof(distance));
        assert_memory_equal(lw_linear_residual(linear, linear_state),
                            lw_views_residual(fitted.views, now), N_COLUMNS * sizeof(float));
    }
    free(linear_state);
    lw_model_linear.destroy(linear);
    free(options);
    free(now);
    fitted_fini(&fitted);
}

/* A copy of the floats is the state. */
static void test_views__a_state_is_its_floats(void **state)
{
    struct fitted fitted = fitted_init();
    size_t n_state = lw_views_n_state(fitted.views);
    float *now = fresh_state(&fitted), *copy = calloc(n_state, sizeof(float));

    (void)state;
    for (size_t t = 0; t < 150; t++) {
        struct seen before, after;

        memcpy(copy, now, n_state * sizeof(float));
        before = step(fitted.views, now, test.values + t * N_COLUMNS);
        after = step(fitted.views, copy, test.values + t * N_COLUMNS);
        assert_memory_equal(before.values, after.values, sizeof(before.values));
        assert_memory_equal(before.embedding, after.embedding, sizeof(before.embedding));
        assert_memory_equal(before.patch, after.patch, sizeof(before.patch));
        assert_memory_equal(copy, now, n_state * sizeof(float));
    }
    free(copy);
    free(now);
    fitted_fini(&fitted);
}

/* Shared views see an alike entity, whose metrics are in other units, as the one they know. */
static void test_views__serve_an_entity_of_another_scale(void **state)
{
    struct fitted fitted = fitted_init();
    float *now = fresh_state(&fitted), *other = fresh_state(&fitted);
    float *rows = calloc(train.n_rows * N_COLUMNS, sizeof(float)), natural[N_COLUMNS];

    (void)state;
    /* By powers of two, so that nothing is lost; the first metrics, which are no flags. */
    for (size_t i = 0; i < train.n_rows * N_COLUMNS; i++) {
        rows[i] = i % N_COLUMNS < 5 ? train.values[i] * 1024.0f : train.values[i];
    }
    for (size_t i = 0; i < N_COLUMNS; i++) {
        natural[i] = i < 5 ? 1024.0f : 1.0f;
    }
    lw_views_learn_scale(rows, train.n_rows, N_COLUMNS, natural, other);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        natural[i] = 1.0f;
    }
    lw_views_learn_scale(train.values, train.n_rows, N_COLUMNS, natural, now);
    assert_true(lw_views_unit(fitted.views, other, 0) >
                1000.0f * lw_views_unit(fitted.views, now, 0));
    assert_true(
        fabsf(lw_views_centre(fitted.views, other, 0) / lw_views_centre(fitted.views, now, 0) -
              1024.0f) < 0.01f);
    for (size_t t = 0; t < 60; t++) {
        float row[N_COLUMNS];
        struct seen a, b;

        for (size_t i = 0; i < N_COLUMNS; i++) {
            row[i] = test.values[t * N_COLUMNS + i] * (i < 5 ? 1024.0f : 1.0f);
        }
        a = step(fitted.views, now, test.values + t * N_COLUMNS);
        b = step(fitted.views, other, row);
        for (size_t i = 0; i < N_COLUMNS; i++) {
            assert_close((double)b.values[i], (double)a.values[i], 1e-5, "values", t);
        }
        for (size_t i = 0; i < LW_VIEWS_EMBEDDING; i++) {
            assert_close((double)b.embedding[i], (double)a.embedding[i], 1e-3, "embedding", t);
        }
    }
    free(rows);
    free(other);
    free(now);
    fitted_fini(&fitted);
}

static void test_views__are_the_same_from_their_bytes(void **state)
{
    int64_t live = lw_test_mem_live();
    struct fitted fitted = fitted_init();
    struct lw_views *loaded = NULL;
    float *now = fresh_state(&fitted), *again = fresh_state(&fitted);
    struct lw_writer writer, second;
    struct lw_reader reader;

    (void)state;
    lw_writer_init(&writer);
    lw_writer_init(&second);
    lw_views_save(fitted.views, &writer);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_views_load(&reader, &loaded, &error), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    lw_views_save(loaded, &second);
    assert_int_equal(second.n_bytes, writer.n_bytes);
    assert_memory_equal(second.data, writer.data, writer.n_bytes);
    assert_int_equal(lw_views_n_state(loaded), lw_views_n_state(fitted.views));
    assert_int_equal(lw_views_bytes(loaded), lw_views_bytes(fitted.views));
    for (size_t t = 0; t < 50; t++) {
        struct seen a = step(fitted.views, now, test.values + t * N_COLUMNS);
        struct seen b = step(loaded, again, test.values + t * N_COLUMNS);

        assert_memory_equal(a.patch, b.patch, sizeof(a.patch));
        assert_memory_equal(a.embedding, b.embedding, sizeof(a.embedding));
        assert_memory_equal(a.residual, b.residual, sizeof(a.residual));
    }
    for (size_t cut = 0; cut < writer.n_bytes; cut += writer.n_bytes / 97 + 1) {
        struct lw_views *none = NULL;

        lw_reader_init(&reader, writer.data, cut);
        assert_int_equal(lw_views_load(&reader, &none, &error), LW_EFORMAT);
        assert_null(none);
    }
    writer.data[0]++;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_views_load(&reader, &loaded, &error), LW_EVERSION);
    lw_writer_fini(&writer);
    lw_writer_fini(&second);
    lw_views_destroy(loaded);
    free(again);
    free(now);
    fitted_fini(&fitted);
    assert_int_equal(lw_test_mem_live(), live);
}

/* One metric, as many as there may be, two rows, and no change at all. */
static void test_views__fit_rows_of_any_shape(void **state)
{
    static const size_t shapes[][2] = {{2, 1}, {3, 2}, {70, 9}, {40, LW_VIEWS_COLUMNS_MAX}};

    (void)state;
    for (size_t s = 0; s < 8; s++) {
        size_t n_rows = shapes[s / 2][0], n = shapes[s / 2][1];
        float *z = calloc(n_rows * n, sizeof(float)), *made = calloc(2 * n, sizeof(float));
        struct lw_model_rows rows = {.values = z, .n_rows = n_rows, .n_dims = n};
        float embedding[LW_VIEWS_EMBEDDING], patch[LW_VIEWS_PATCH], *now;
        struct lw_views_row row = {made, made + n, embedding, patch, 0.0f};
        struct lw_views *views = NULL;
        struct lw_rng rng;

        for (size_t i = 0; i < n_rows * n && s % 2 == 0; i++) {
            z[i] = train.values[i % (train.n_rows * N_COLUMNS)];
        }
        lw_rng_seed(&rng, 1);
        assert_int_equal(lw_views_fit(&rows, &rng, &views, &error), LW_OK);
        now = calloc(lw_views_n_state(views), sizeof(float));
        lw_views_learn_scale(z, n_rows, n, NULL, now);
        for (size_t t = 0; t < 40; t++) {
            lw_views_step(views, now, z + t % n_rows * n, &row);
            for (size_t i = 0; i < LW_VIEWS_EMBEDDING; i++) {
                assert_true(isfinite(embedding[i]));
            }
            for (size_t i = 0; i < LW_VIEWS_PATCH; i++) {
                assert_true(isfinite(patch[i]));
            }
            for (size_t i = 0; i < 2 * n; i++) {
                assert_true(isfinite(made[i]));
            }
        }
        lw_views_destroy(views);
        free(now);
        free(made);
        free(z);
    }
}

static void test_views__refuse_what_they_cannot_fit(void **state)
{
    static const size_t shapes[][2] = {{1, 3}, {0, 3}, {10, 0}, {10, LW_VIEWS_COLUMNS_MAX + 1}};
    float *z = calloc(10 * ((size_t)LW_VIEWS_COLUMNS_MAX + 1), sizeof(float));

    (void)state;
    for (size_t s = 0; s < 4; s++) {
        struct lw_model_rows rows = {.values = z, .n_rows = shapes[s][0], .n_dims = shapes[s][1]};
        struct lw_views *views = NULL;
        struct lw_rng rng;

        lw_rng_seed(&rng, 1);
        assert_int_equal(lw_views_fit(&rows, &rng, &views, &error), LW_EINVAL);
        assert_null(views);
    }
    free(z);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale__is_that_of_the_definition),
        cmocka_unit_test(test_scale__a_flag_is_one_until_another_value_comes),
        cmocka_unit_test(test_scale__a_missing_value_counts_as_the_last_known),
        cmocka_unit_test(test_scale__is_finite_whatever_training_and_service_bring),
        cmocka_unit_test(test_views__are_those_of_the_definition),
        cmocka_unit_test(test_views__residual_is_the_linear_forecasters),
        cmocka_unit_test(test_views__a_state_is_its_floats),
        cmocka_unit_test(test_views__serve_an_entity_of_another_scale),
        cmocka_unit_test(test_views__are_the_same_from_their_bytes),
        cmocka_unit_test(test_views__fit_rows_of_any_shape),
        cmocka_unit_test(test_views__refuse_what_they_cannot_fit),
    };
    int failed;

    train = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    test = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");
    failed = LW_TEST_RUN(tests);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return failed;
}
