/*
 * The recurrent forecaster: its gradient through time against finite differences of a loss written
 * in double precision from the formula, its distances against a reference in another language
 * (tests/golden/lstm), and what it learns of a real server.
 */
#include "support/scaled.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/lstm.h"
#include "model/lstm_internal.h"

#define GOLDEN LW_TEST_DATA "/../golden/lstm/"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define BYTES_MAX 65536

/* The small network of the gradient's test. */
#define N_DIMS 3
#define N_CELLS 8
#define N_LANES 3
#define N_STEPS 6

static const struct lw_model_class *const lstm = &lw_model_lstm;

static struct lw_model *fit_rows(const struct lw_model_rows *rows, uint64_t seed)
{
    struct lw_lstm_options options;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_options_default(lstm->options, lstm->n_options, &options);
    lw_rng_seed(&rng, seed);
    if (lstm->fit(&options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    return model;
}

static struct lw_model *fit(const float *values, size_t n_rows, size_t n_dims, uint64_t seed)
{
    struct lw_model_rows rows = {.values = values, .n_rows = n_rows, .n_dims = n_dims};

    return fit_rows(&rows, seed);
}

static double slow_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Output o of a layer in double; weights in the layout of model/net.h. */
static double slow_output(const struct lw_layer *layer, const double *weights, const double *x,
                          size_t o)
{
    double sum = weights[o];

    for (size_t i = 0; i < layer->n_in; i++) {
        sum += weights[(1 + i) * layer->n_wide + o] * x[i];
    }
    return sum;
}

/* Loss of one window, summed over steps and columns, straight from the formulas. */
static double slow_window(const struct lw_model *model, const double *weights, const float *rows,
                          size_t n_steps, const float *h0, const float *c0)
{
    const double *step_weights = weights + lw_layer_floats(&model->layers[0]);
    double x[N_DIMS + N_CELLS], c[N_CELLS], h[N_CELLS], loss = 0.0;

    for (size_t k = 0; k < N_CELLS; k++) {
        h[k] = (double)h0[k];
        c[k] = (double)c0[k];
    }
    for (size_t t = 0; t < n_steps; t++) {
        double gate[4 * N_CELLS];

        for (size_t j = 0; j < N_DIMS; j++) {
            x[j] = fmax(-8.0, fmin(8.0, (double)rows[t * N_DIMS + j]));
        }
        memcpy(x + N_DIMS, h, sizeof(h));
        for (size_t o = 0; o < 4 * N_CELLS; o++) {
            gate[o] = slow_output(&model->layers[0], weights, x, o);
        }
        for (size_t k = 0; k < N_CELLS; k++) {
            c[k] = slow_sigmoid(gate[2 * N_CELLS + k]) * c[k] +
                   slow_sigmoid(gate[k]) * tanh(gate[3 * N_CELLS + k]);
            h[k] = slow_sigmoid(gate[N_CELLS + k]) * tanh(c[k]);
        }
        for (size_t j = 0; j < N_DIMS; j++) {
            double e = x[j] + slow_output(&model->layers[1], step_weights, h, j) -
                       (double)rows[(t + 1) * N_DIMS + j];

            if (!isnan(e)) {
                loss += fabs(e) <= 1.0 ? 0.5 * e * e : fabs(e) - 0.5;
            }
        }
    }
    return loss;
}

/* Windows of different lengths, from states of their own, one with a hole in its last row and one
 * with a value beyond the clip. */
struct gradient_case {
    float rows[N_LANES][(N_STEPS + 1) * N_DIMS];
    float h[N_LANES * N_CELLS];
    float c[N_LANES * N_CELLS];
    size_t lengths[N_LANES];
};

static void case_fill(struct gradient_case *given)
{
    static const size_t lengths[] = {N_STEPS, 4, 1};
    struct lw_rng rng;

    lw_rng_seed(&rng, 21);
    for (size_t lane = 0; lane < N_LANES; lane++) {
        for (size_t i = 0; i < (N_STEPS + 1) * N_DIMS; i++) {
            given->rows[lane][i] = (float)(4.0 * lw_rng_double(&rng) - 2.0);
        }
        given->lengths[lane] = lengths[lane];
    }
    given->rows[1][4 * N_DIMS + 1] = NAN;
    given->rows[0][2 * N_DIMS] = 11.0f;
    for (size_t i = 0; i < N_LANES * N_CELLS; i++) {
        given->h[i] = (float)(lw_rng_double(&rng) - 0.5);
        given->c[i] = (float)(2.0 * lw_rng_double(&rng) - 1.0);
    }
}

static double slow_loss(const struct lw_model *model, const double *weights,
                        const struct gradient_case *given)
{
    double loss = 0.0, n = 0.0;

    for (size_t lane = 0; lane < N_LANES; lane++) {
        loss += slow_window(model, weights, given->rows[lane], given->lengths[lane],
                            given->h + lane * N_CELLS, given->c + lane * N_CELLS);
        n += (double)(given->lengths[lane] * N_DIMS);
    }
    return loss / n;
}

static void test_lstm__learns_down_the_true_gradient(void **state)
{
    struct gradient_case given;
    struct lw_lstm_pass pass = {0};
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;
    double *weights, largest = 0.0;

    (void)state;
    case_fill(&given);
    lw_rng_seed(&rng, 22);
    assert_int_equal(lw_lstm_create(N_DIMS, N_CELLS, &model, &error), LW_OK);
    assert_int_equal(lw_lstm_pass_init(&pass, model, N_LANES, N_STEPS, &error), LW_OK);
    lw_layer_init(&model->layers[0], model->weights[0], &rng);
    lw_layer_init(&model->layers[1], model->weights[1], &rng);
    for (size_t lane = 0; lane < N_LANES; lane++) {
        pass.rows[lane] = given.rows[lane];
        pass.lengths[lane] = given.lengths[lane];
    }
    memcpy(pass.h, given.h, sizeof(given.h));
    memcpy(pass.c, given.c, sizeof(given.c));
    weights = calloc(model->n_weights, sizeof(*weights));
    for (size_t i = 0; i < model->n_weights; i++) {
        weights[i] = (double)model->weights[0][i];
    }
    assert_true(fabs(lw_lstm_learn(model, &pass) - slow_loss(model, weights, &given)) < 1e-6);
    for (size_t i = 0; i < model->n_weights; i++) {
        double kept = weights[i], above, slope;

        weights[i] = kept + 1e-6;
        above = slow_loss(model, weights, &given);
        weights[i] = kept - 1e-6;
        slope = (above - slow_loss(model, weights, &given)) / 2e-6;
        weights[i] = kept;
        largest = fmax(largest, fabs(slope));
        if (fabs(slope - (double)pass.gradient[i]) > 1e-6 + 1e-4 * fabs(slope)) {
            fail_msg("weight %zu: slope %.9g, gradient %.9g", i, slope, (double)pass.gradient[i]);
        }
    }
    assert_true(largest > 0.01);
    free(weights);
    lw_lstm_pass_fini(&pass);
    lstm->destroy(model);
}

/* The rows behind tests/golden/lstm: ten scaled columns of the server; some cells empty, and the
 * first two rows. */
static struct lw_test_table golden_rows(void)
{
    struct lw_test_table table = lw_test_table_read(TEST);

    lw_test_table_scale(&table, 10, 600);
    for (size_t i = 0; i < table.n_rows * table.n_dims; i++) {
        if (i % 37 == 5 || i / 10 == 77 || i < 20) {
            table.values[i] = NAN;
        }
    }
    return table;
}

/* See tests/golden/lstm/why.md. */
static void test_lstm__gives_the_distances_of_the_reference(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_test_table expected = lw_test_table_read(GOLDEN "expected.csv");
    uint8_t *bytes = malloc(BYTES_MAX);
    float *distances = calloc(table.n_rows, sizeof(float)), *floats;
    struct lw_error error = {0};
    struct lw_model *model = NULL;
    struct lw_reader reader;

    (void)state;
    lw_reader_init(&reader, bytes, lw_test_file_read(GOLDEN "model", bytes, BYTES_MAX));
    assert_int_equal(lstm->load(&reader, &model, &error), LW_OK);
    floats = calloc(lstm->n_state(model), sizeof(float));
    lstm->score(model, floats, table.values, table.n_rows, distances);
    assert_int_equal(expected.n_rows, table.n_rows);
    assert_true(isnan(distances[0]) && isnan(distances[2]) && !isnan(distances[3]));
    for (size_t i = 0; i < table.n_rows; i++) {
        float off = fabsf(distances[i] - expected.values[i]);

        if (isnan(expected.values[i]) ? !isnan(distances[i])
                                      : !(off <= 1e-4f * (1 + distances[i]))) {
            fail_msg("row %zu: %.9g, expected %.9g", i, (double)distances[i],
                     (double)expected.values[i]);
        }
    }
    lstm->destroy(model);
    free(floats);
    free(distances);
    free(bytes);
    lw_test_table_free(&expected);
    lw_test_table_free(&table);
}

/* The same training on every machine and compiler: the golden model's very bytes. */
static void test_lstm__trains_to_the_same_bits_everywhere(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    uint8_t *bytes = malloc(BYTES_MAX);
    struct lw_writer writer;

    (void)state;
    lw_writer_init(&writer);
    lstm->save(model, &writer);
    assert_int_equal(lw_test_file_read(GOLDEN "model", bytes, BYTES_MAX), writer.n_bytes);
    assert_memory_equal(bytes, writer.data, writer.n_bytes);
    lw_writer_fini(&writer);
    free(bytes);
    lstm->destroy(model);
    lw_test_table_free(&table);
}

/* Squares that the forecasts of rows [begin, end) miss by, and that "as before" does. */
static void forecast_squares(const struct lw_model *model, const struct lw_test_table *table,
                             size_t begin, size_t end, double *ret_squares)
{
    float *floats = calloc(lstm->n_state(model), sizeof(float));
    struct lw_lstm_state state = lw_lstm_state_of(model, floats);

    for (size_t i = 0; i + 1 < end; i++) {
        const float *row = table->values + i * table->n_dims, *next = row + table->n_dims;

        (void)lw_lstm_step(lw_kernels_best(), model, &state, row);
        for (size_t j = 0; i + 1 >= begin && j < table->n_dims; j++) {
            double e = (double)next[j] - (double)state.prediction[j];
            double change = (double)next[j] - (double)row[j];

            ret_squares[0] += e * e;
            ret_squares[1] += change * change;
        }
    }
    free(floats);
}

/* Rows it was not trained on are told better than by "as before", and a labelled anomaly, most of
 * which is a state that lasts and no surprise, stands out all the same. */
static void test_lstm__learns_what_follows_on_a_server(void **state)
{
    struct lw_test_table table = lw_test_table_read(TEST);
    float *distances = calloc(table.n_rows, sizeof(float)), *floats;
    double squares[2] = {0.0}, auc;
    struct lw_model *model;

    (void)state;
    lw_test_table_scale(&table, 38, 500);
    model = fit(table.values, 500, 38, 1);
    forecast_squares(model, &table, 500, 640, squares);
    floats = calloc(lstm->n_state(model), sizeof(float));
    lstm->score(model, floats, table.values, table.n_rows, distances);
    distances[0] = 0.0f;
    auc = lw_test_table_auc(&table, distances);
    print_message("squares %.3f of those of no change; area under the ROC curve %.3f\n",
                  squares[0] / squares[1], auc);
    assert_true(squares[0] < 0.9 * squares[1]);
    assert_true(auc > 0.7);
    lstm->destroy(model);
    free(floats);
    free(distances);
    lw_test_table_free(&table);
}

/* Runs of two equal rows, at +3 and at -3 by turns: nothing changes within a run. Who takes the
 * rows for one run must think that every second one jumps. */
static void test_lstm__no_window_crosses_the_end_of_a_run(void **state)
{
    float values[400], floats[64] = {0};
    size_t runs[200];
    struct lw_model_rows apart = {
        .values = values, .n_rows = 400, .n_dims = 1, .runs = runs, .n_runs = 200};
    struct lw_model_rows joined = {.values = values, .n_rows = 400, .n_dims = 1};
    const struct lw_model_rows *both[] = {&apart, &joined};
    float prediction[2];

    (void)state;
    for (size_t i = 0; i < 400; i++) {
        values[i] = i / 2 % 2 == 0 ? 3.0f : -3.0f;
        runs[i / 2] = 2;
    }
    for (size_t k = 0; k < 2; k++) {
        struct lw_model *model = fit_rows(both[k], 1);
        struct lw_lstm_state view = lw_lstm_state_of(model, floats);

        assert_true(lstm->n_state(model) <= 64);
        memset(floats, 0, sizeof(floats));
        (void)lw_lstm_step(lw_kernels_best(), model, &view, values);
        (void)lw_lstm_step(lw_kernels_best(), model, &view, values + 1);
        prediction[k] = view.prediction[0];
        lstm->destroy(model);
    }
    print_message("after 3, 3: %.3f, joined %.3f\n", (double)prediction[0], (double)prediction[1]);
    assert_true(fabsf(prediction[0] - 3.0f) < 0.3f);
    assert_true(prediction[1] < 0.0f);
}

/* Runs of one row teach nothing: the forecast is "as before". */
static void test_lstm__without_a_next_row_nothing_is_learnt(void **state)
{
    float values[20], floats[64] = {0}, distances[20];
    size_t runs[20];
    struct lw_model_rows rows = {
        .values = values, .n_rows = 20, .n_dims = 1, .runs = runs, .n_runs = 20};
    struct lw_model *model;

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        values[i] = (float)(i % 3);
        runs[i] = 1;
    }
    model = fit_rows(&rows, 1);
    lstm->score(model, floats, values, 20, distances);
    assert_true(isnan(distances[0]));
    for (size_t i = 1; i < 20; i++) {
        assert_true(fabsf(distances[i] - 10.0f * fabsf(values[i] - values[i - 1])) < 1e-4f);
    }
    lstm->destroy(model);
}

/* A hole is as if the row had come as predicted in that column, bit for bit; only the distance of
 * its own row leaves the column out. */
static void test_lstm__a_hole_goes_by_the_prediction(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    size_t n_state = lstm->n_state(model);
    float *floats = calloc(2 * n_state, sizeof(float)), *other = floats + n_state;
    float distances[2][50], row[10], shares[2][10];
    struct lw_lstm_state view = lw_lstm_state_of(model, other);

    (void)state;
    lstm->score(model, floats, table.values + 3000, 60, distances[0]);
    memcpy(other, floats, n_state * sizeof(float));
    memcpy(row, table.values + 3600, sizeof(row));
    row[4] = fmaxf(-8.0f, fminf(8.0f, view.prediction[4]));
    lstm->score(model, other, row, 1, distances[1]);
    lstm->attribute(model, other, row, shares[1]);
    row[4] = NAN;
    lstm->score(model, floats, row, 1, distances[0]);
    lstm->attribute(model, floats, row, shares[0]);
    assert_memory_equal(shares[0], shares[1], sizeof(shares[0]));
    assert_true(shares[0][4] == 0.0f && distances[0][0] == distances[1][0]);
    lstm->score(model, floats, table.values + 3610, 50, distances[0]);
    lstm->score(model, other, table.values + 3610, 50, distances[1]);
    assert_memory_equal(distances[0], distances[1], sizeof(distances[0]));
    free(floats);
    lstm->destroy(model);
    lw_test_table_free(&table);
}

static void test_lstm__shares_are_the_distance_by_column(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    float *floats = calloc(lstm->n_state(model), sizeof(float)), shares[10], distance;

    (void)state;
    for (size_t i = 0; i < table.n_rows; i++) {
        double sum = 0.0;

        lstm->score(model, floats, table.values + i * 10, 1, &distance);
        lstm->attribute(model, floats, table.values + i * 10, shares);
        for (size_t j = 0; j < 10; j++) {
            sum += (double)shares[j];
        }
        assert_true(isnan(distance) ? sum == 0.0
                                    : fabs(sqrt(sum) - (double)distance) < 1e-5 * (1.0 + sum));
    }
    free(floats);
    lstm->destroy(model);
    lw_test_table_free(&table);
}

/* A column that leaves the range that the network takes up, and stays there, stays strange. */
static void test_lstm__what_stays_beyond_the_clip_stays_strange(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    float *floats = calloc(lstm->n_state(model), sizeof(float));
    float distances[330], usual = 0.0f;

    (void)state;
    for (size_t i = 300; i < 330; i++) {
        table.values[i * 10 + 3] = 14.0f;
    }
    lstm->score(model, floats, table.values, 330, distances);
    for (size_t i = 100; i < 300; i++) {
        usual += distances[i] / 200.0f;
    }
    for (size_t i = 300; i < 330; i++) {
        assert_true(distances[i] > usual + 3.0f * model->gains[3]);
    }
    free(floats);
    lstm->destroy(model);
    lw_test_table_free(&table);
}

/* Behind a sound head, numbers that no training gives; and cells that are no whole vectors. */
static void test_lstm__load_refuses_impossible_numbers(void **state)
{
    static const float impossible[] = {NAN, INFINITY, -2e6f};
    float values[2 * 4] = {0};
    struct lw_model *model = fit(values, 2, 4, 1);

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        struct lw_writer writer;
        struct lw_reader reader;
        struct lw_model *loaded = NULL;
        struct lw_error error = {0};
        float put = i == 5 ? 0.0f : impossible[i % 3];

        lw_writer_init(&writer);
        lstm->save(model, &writer);
        if (i < 6) { /* A weight in the middle, or the last factor. */
            memcpy(writer.data + (i < 3 ? 10 + 4 * 100 : writer.n_bytes - 4), &put, sizeof(put));
        } else {
            writer.data[6] = 12;
        }
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        assert_int_equal(lstm->load(&reader, &loaded, &error), LW_EFORMAT);
        assert_null(loaded);
        lw_writer_fini(&writer);
    }
    lstm->destroy(model);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lstm__learns_down_the_true_gradient),
        cmocka_unit_test(test_lstm__gives_the_distances_of_the_reference),
        cmocka_unit_test(test_lstm__trains_to_the_same_bits_everywhere),
        cmocka_unit_test(test_lstm__learns_what_follows_on_a_server),
        cmocka_unit_test(test_lstm__no_window_crosses_the_end_of_a_run),
        cmocka_unit_test(test_lstm__without_a_next_row_nothing_is_learnt),
        cmocka_unit_test(test_lstm__a_hole_goes_by_the_prediction),
        cmocka_unit_test(test_lstm__shares_are_the_distance_by_column),
        cmocka_unit_test(test_lstm__what_stays_beyond_the_clip_stays_strange),
        cmocka_unit_test(test_lstm__load_refuses_impossible_numbers),
    };

    if (argc == 3) { /* <model> <rows.csv>: what the golden case is made of. */
        struct lw_test_table table = golden_rows();
        struct lw_model *model = fit(table.values, 600, table.n_dims, 1);

        lw_test_golden_write(lstm, model, &table, argv + 1);
        lstm->destroy(model);
        lw_test_table_free(&table);
        return 0;
    }
    return LW_TEST_RUN(tests);
}
