/*
 * The autoencoder: its gradient against finite differences of a loss written in double precision
 * from the formula, its distances against a reference in another language
 * (tests/golden/autoencoder), and what it learns of a real server.
 */
#include "support/scaled.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/autoencoder.h"
#include "model/autoencoder_internal.h"

#define GOLDEN LW_TEST_DATA "/../golden/autoencoder/"
#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define BYTES_MAX 65536

static const struct lw_model_class *const autoencoder = &lw_model_autoencoder;

static struct lw_model *fit(const float *values, size_t n_rows, size_t n_dims, uint64_t seed)
{
    struct lw_model_rows rows = {.values = values, .n_rows = n_rows, .n_dims = n_dims};
    struct lw_autoencoder_options options;
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_options_default(autoencoder->options, autoencoder->n_options, &options);
    lw_rng_seed(&rng, seed);
    if (autoencoder->fit(&options, &rows, &rng, &model, &error) != LW_OK) {
        fail_msg("fit: %s", error.message);
    }
    return model;
}

/* y = layer(x) in double, tanh where asked; weights in the layout of model/net.h. */
static void slow_layer(const struct lw_layer *layer, const double *weights, const double *x,
                       bool is_curved, double *ret_y)
{
    for (size_t o = 0; o < layer->n_out; o++) {
        double sum = weights[o];

        for (size_t i = 0; i < layer->n_in; i++) {
            sum += weights[(1 + i) * layer->n_wide + o] * x[i];
        }
        ret_y[o] = is_curved ? tanh(sum) : sum;
    }
}

/* The mean of Huber's loss over a batch, straight from the formula. */
static double slow_loss(const struct lw_model *model, const double *weights,
                        const struct lw_autoencoder_pass *pass)
{
    double loss = 0.0;

    for (size_t row = 0; row < pass->n_rows; row++) {
        double layers[LW_AUTOENCODER_LAYERS + 1][LW_AUTOENCODER_HIDDEN_MAX];
        const double *at = weights;

        for (size_t i = 0; i < model->n_dims; i++) {
            layers[0][i] = (double)pass->inputs[row * model->n_dims + i];
        }
        for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
            slow_layer(&model->layers[k], at, layers[k], k < 3, layers[k + 1]);
            at += lw_layer_floats(&model->layers[k]);
        }
        for (size_t i = 0; i < model->n_dims; i++) {
            double e = layers[4][i] - (double)pass->targets[row * model->n_dims + i];

            if (!isnan(e)) {
                loss += fabs(e) <= 1.0 ? 0.5 * e * e : fabs(e) - 0.5;
            }
        }
    }
    return loss / (double)(pass->n_rows * model->n_dims);
}

static void test_autoencoder__learns_down_the_true_gradient(void **state)
{
    struct lw_autoencoder_pass pass = {0};
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;
    double *weights, largest = 0.0;

    (void)state;
    lw_rng_seed(&rng, 11);
    assert_int_equal(lw_autoencoder_create(5, 6, 3, &model, &error), LW_OK);
    assert_int_equal(lw_autoencoder_pass_init(&pass, model, 7, &error), LW_OK);
    for (size_t k = 0; k < LW_AUTOENCODER_LAYERS; k++) {
        lw_layer_init(&model->layers[k], model->weights[k], &rng);
    }
    for (size_t i = 0; i < 7 * 5; i++) {
        pass.inputs[i] = (float)(4.0 * lw_rng_double(&rng) - 2.0);
        pass.targets[i] = i % 9 == 4 ? NAN : (float)(6.0 * lw_rng_double(&rng) - 3.0);
    }
    weights = calloc(model->n_weights, sizeof(*weights));
    for (size_t i = 0; i < model->n_weights; i++) {
        weights[i] = (double)model->weights[0][i];
    }
    assert_true(fabs(lw_autoencoder_learn(model, &pass) - slow_loss(model, weights, &pass)) < 1e-6);
    for (size_t i = 0; i < model->n_weights; i++) {
        double kept = weights[i], above, slope;

        weights[i] = kept + 1e-6;
        above = slow_loss(model, weights, &pass);
        weights[i] = kept - 1e-6;
        slope = (above - slow_loss(model, weights, &pass)) / 2e-6;
        weights[i] = kept;
        largest = fmax(largest, fabs(slope));
        if (fabs(slope - (double)pass.gradient[i]) > 1e-6 + 1e-4 * fabs(slope)) {
            fail_msg("weight %zu: slope %.9g, gradient %.9g", i, slope, (double)pass.gradient[i]);
        }
    }
    assert_true(largest > 0.01);
    free(weights);
    lw_autoencoder_pass_fini(&pass);
    autoencoder->destroy(model);
}

/* The rows behind tests/golden/autoencoder: ten scaled columns of the server, some cells empty. */
static struct lw_test_table golden_rows(void)
{
    struct lw_test_table table = lw_test_table_read(TEST);

    lw_test_table_scale(&table, 10, 600);
    for (size_t i = 0; i < table.n_rows * table.n_dims; i++) {
        if (i % 37 == 5 || i / 10 == 77) {
            table.values[i] = NAN;
        }
    }
    return table;
}

/* See tests/golden/autoencoder/why.md. */
static void test_autoencoder__gives_the_distances_of_the_reference(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_test_table expected = lw_test_table_read(GOLDEN "expected.csv");
    uint8_t *bytes = malloc(BYTES_MAX);
    float *distances = calloc(table.n_rows, sizeof(float));
    struct lw_error error = {0};
    struct lw_model *model = NULL;
    struct lw_reader reader;

    (void)state;
    lw_reader_init(&reader, bytes, lw_test_file_read(GOLDEN "model", bytes, BYTES_MAX));
    assert_int_equal(autoencoder->load(&reader, &model, &error), LW_OK);
    autoencoder->score(model, NULL, table.values, table.n_rows, distances);
    assert_int_equal(expected.n_rows, table.n_rows);
    for (size_t i = 0; i < table.n_rows; i++) {
        float off = fabsf(distances[i] - expected.values[i]);

        if (isnan(expected.values[i]) ? !isnan(distances[i])
                                      : !(off <= 2e-5f * (1 + distances[i]))) {
            fail_msg("row %zu: %.9g, expected %.9g", i, (double)distances[i],
                     (double)expected.values[i]);
        }
    }
    autoencoder->destroy(model);
    free(distances);
    free(bytes);
    lw_test_table_free(&expected);
    lw_test_table_free(&table);
}

/* The same training on every machine and compiler: the golden model's very bytes. */
static void test_autoencoder__trains_to_the_same_bits_everywhere(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    uint8_t *bytes = malloc(BYTES_MAX);
    struct lw_writer writer;

    (void)state;
    lw_writer_init(&writer);
    autoencoder->save(model, &writer);
    assert_int_equal(lw_test_file_read(GOLDEN "model", bytes, BYTES_MAX), writer.n_bytes);
    assert_memory_equal(bytes, writer.data, writer.n_bytes);
    lw_writer_fini(&writer);
    free(bytes);
    autoencoder->destroy(model);
    lw_test_table_free(&table);
}

/* Rows it was not trained on are rebuilt: less than half of their length is left, and a labelled
 * anomaly stands out. */
static void test_autoencoder__learns_how_a_server_hangs_together(void **state)
{
    struct lw_test_table table = lw_test_table_read(TEST);
    float *distances = calloc(table.n_rows, sizeof(float));
    double left = 0.0, whole = 0.0, auc;
    struct lw_model *model;

    (void)state;
    lw_test_table_scale(&table, 38, 500);
    model = fit(table.values, 500, 38, 1);
    autoencoder->score(model, NULL, table.values, table.n_rows, distances);
    for (size_t i = 500; i < 640; i++) {
        for (size_t j = 0; j < 38; j++) {
            double z = (double)table.values[i * 38 + j] * (double)model->gains[j];

            whole += z * z;
        }
        left += (double)distances[i] * (double)distances[i];
    }
    auc = lw_test_table_auc(&table, distances);
    print_message("%.3f of the squares are left; area under the ROC curve %.3f\n", left / whole,
                  auc);
    assert_true(left < 0.5 * whole);
    assert_true(auc > 0.9);
    autoencoder->destroy(model);
    free(distances);
    lw_test_table_free(&table);
}

/* A hole is filled in from the other columns: nearer to the truth than the centre is. */
static void test_autoencoder__tells_a_blotted_value_from_the_others(void **state)
{
    struct lw_test_table table = lw_test_table_read(TEST);
    const struct lw_kernels *kernels = lw_kernels_best();
    float hidden[3][LW_AUTOENCODER_HIDDEN_MAX],
        y[40], *const outputs[] = {hidden[0], hidden[1], hidden[2], y};
    double missed = 0.0, size = 0.0;
    struct lw_model *model;

    (void)state;
    lw_test_table_scale(&table, 38, 500);
    model = fit(table.values, 500, 38, 1);
    for (size_t i = 500; i < 640; i++) {
        for (size_t j = 0; j < 38; j++) {
            float *value = &table.values[i * 38 + j], kept = *value;

            *value = 0.0f;
            lw_autoencoder_forward(kernels, model, table.values + i * 38, outputs);
            *value = kept;
            missed += (double)((y[j] - kept) * (y[j] - kept));
            size += (double)(kept * kept);
        }
    }
    print_message("squares of a blotted value's error: %.3f of its own\n", missed / size);
    assert_true(missed < 0.8 * size);
    autoencoder->destroy(model);
    lw_test_table_free(&table);
}

static void test_autoencoder__shares_are_the_distance_by_column(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    float shares[10], distance;

    (void)state;
    for (size_t i = 0; i < table.n_rows; i++) {
        const float *row = table.values + i * table.n_dims;
        double sum = 0.0;

        autoencoder->score(model, NULL, row, 1, &distance);
        autoencoder->attribute(model, NULL, row, shares);
        for (size_t j = 0; j < 10; j++) {
            assert_true(!isnan(row[j]) || shares[j] == 0.0f);
            sum += (double)shares[j];
        }
        assert_true(isnan(distance) ? sum == 0.0
                                    : fabs(sqrt(sum) - (double)distance) < 1e-5 * (1.0 + sum));
    }
    autoencoder->destroy(model);
    lw_test_table_free(&table);
}

/* What is shown again and again becomes ordinary; a row of holes teaches nothing. */
static void test_autoencoder__update_learns_the_row(void **state)
{
    struct lw_test_table table = golden_rows();
    struct lw_model *model = fit(table.values, 600, table.n_dims, 1);
    struct lw_error error = {0};
    struct lw_rng rng;
    float row[10], holes[10], before, after, *kept;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (size_t j = 0; j < 10; j++) {
        row[j] = j % 2 == 0 ? 3.0f : -2.0f;
        holes[j] = NAN;
    }
    kept = malloc(model->n_weights * sizeof(float));
    memcpy(kept, model->weights[0], model->n_weights * sizeof(float));
    assert_int_equal(autoencoder->update(model, holes, &rng, &error), LW_OK);
    assert_memory_equal(kept, model->weights[0], model->n_weights * sizeof(float));
    autoencoder->score(model, NULL, row, 1, &before);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(autoencoder->update(model, row, &rng, &error), LW_OK);
    }
    autoencoder->score(model, NULL, row, 1, &after);
    print_message("distance %.3f before, %.3f after\n", (double)before, (double)after);
    assert_true(after < 0.3f * before);
    free(kept);
    autoencoder->destroy(model);
    lw_test_table_free(&table);
}

static void test_autoencoder__code_is_eight_or_a_third(void **state)
{
    static const size_t codes[][2] = {{1, 1}, {2, 1}, {8, 2}, {19, 6}, {24, 8}, {38, 8}};
    float values[2 * 38] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct lw_model *model = fit(values, 2, codes[i][0], 1);

        assert_int_equal(model->n_code, codes[i][1]);
        autoencoder->destroy(model);
    }
}

/* Behind a sound head, numbers that no training gives. */
static void test_autoencoder__load_refuses_impossible_numbers(void **state)
{
    static const float impossible[] = {NAN, INFINITY, -2e6f};
    float values[2 * 4] = {0};
    struct lw_model *model = fit(values, 2, 4, 1);

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct lw_writer writer;
        struct lw_reader reader;
        struct lw_model *loaded = NULL;
        struct lw_error error = {0};
        float put = i == 5 ? 0.0f : impossible[i % 3];

        lw_writer_init(&writer);
        autoencoder->save(model, &writer);
        /* A weight in the middle, or the last factor. */
        memcpy(writer.data + (i < 3 ? 14 + 4 * 100 : writer.n_bytes - 4), &put, sizeof(put));
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        assert_int_equal(autoencoder->load(&reader, &loaded, &error), LW_EFORMAT);
        assert_null(loaded);
        lw_writer_fini(&writer);
    }
    autoencoder->destroy(model);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_autoencoder__learns_down_the_true_gradient),
        cmocka_unit_test(test_autoencoder__gives_the_distances_of_the_reference),
        cmocka_unit_test(test_autoencoder__trains_to_the_same_bits_everywhere),
        cmocka_unit_test(test_autoencoder__learns_how_a_server_hangs_together),
        cmocka_unit_test(test_autoencoder__tells_a_blotted_value_from_the_others),
        cmocka_unit_test(test_autoencoder__shares_are_the_distance_by_column),
        cmocka_unit_test(test_autoencoder__update_learns_the_row),
        cmocka_unit_test(test_autoencoder__code_is_eight_or_a_third),
        cmocka_unit_test(test_autoencoder__load_refuses_impossible_numbers),
    };

    if (argc == 3) { /* <model> <rows.csv>: what the golden case is made of. */
        struct lw_test_table table = golden_rows();
        struct lw_model *model = fit(table.values, 600, table.n_dims, 1);

        lw_test_golden_write(autoencoder, model, &table, argv + 1);
        autoencoder->destroy(model);
        lw_test_table_free(&table);
        return 0;
    }
    return LW_TEST_RUN(tests);
}
