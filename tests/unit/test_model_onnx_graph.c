/* ONNX graphs as bytes, without anything that runs them: what is written, what is refused. */
#include "support/scaled.h"
#include "support/test.h"

#include "base/mem.h"
#include "model/onnx.h"
#include "model/onnx_export.h"
#include "model/onnx_graph.h"
#include "model/onnx_scan.h"

#define GOLDEN LW_TEST_DATA "/../golden/"
#define CAPACITY 65536

static const struct lw_onnx_form lossless = {0};

/* The graph of a class's golden model. */
static void golden_export(const char *name, const struct lw_onnx_form *form,
                          struct lw_writer *ret_writer)
{
    const struct lw_model_class *model_class = lw_model_class_find(name);
    uint8_t *bytes = malloc(CAPACITY);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_reader reader;
    char path[512];

    (void)snprintf(path, sizeof(path), GOLDEN "%s/model", name);
    lw_reader_init(&reader, bytes, lw_test_file_read(path, bytes, CAPACITY));
    assert_int_equal(model_class->load(&reader, &model, &error), LW_OK);
    lw_writer_init(ret_writer);
    assert_int_equal(lw_onnx_export(model_class, model, form, ret_writer, &error), LW_OK);
    model_class->destroy(model);
    free(bytes);
}

/* See tests/golden/onnx/why.md. */
static const struct {
    const char *name, *path;
    struct lw_onnx_form form;
} golden_graphs[] = {
    {"autoencoder", GOLDEN "onnx/autoencoder.onnx", {.int8 = false}},
    {"autoencoder", GOLDEN "onnx/autoencoder_int8.onnx", {.int8 = true}},
    {"autoencoder", GOLDEN "onnx/autoencoder_half.onnx", {.prune = 0.5}},
    {"lstm", GOLDEN "onnx/lstm.onnx", {.int8 = false}},
    {"lstm", GOLDEN "onnx/lstm_int8.onnx", {.int8 = true}},
};
#define N_GOLDEN (sizeof(golden_graphs) / sizeof(golden_graphs[0]))

static void test_graph__is_the_golden_one_byte_by_byte(void **state)
{
    uint8_t *expected = malloc(CAPACITY);

    (void)state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        size_t n_bytes = lw_test_file_read(golden_graphs[i].path, expected, CAPACITY);
        struct lw_writer writer;

        golden_export(golden_graphs[i].name, &golden_graphs[i].form, &writer);
        if (writer.n_bytes != n_bytes || memcmp(writer.data, expected, n_bytes) != 0) {
            fail_msg("%s: %zu bytes, not the %zu expected", golden_graphs[i].path, writer.n_bytes,
                     n_bytes);
        }
        lw_writer_fini(&writer);
    }
    free(expected);
}

static void test_graph__of_int8_is_smaller(void **state)
{
    static const struct lw_onnx_form int8 = {.int8 = true};
    struct lw_writer whole, eighth;

    (void)state;
    golden_export("lstm", &lossless, &whole);
    golden_export("lstm", &int8, &eighth);
    assert_true(eighth.n_bytes < whole.n_bytes * 2 / 3);
    lw_writer_fini(&eighth);
    lw_writer_fini(&whole);
}

/* Every weight of the layer that is left is no smaller than any that is gone, and the share is
 * met; biases stay. */
static void check_pruned(const struct lw_layer *layer, double share, const float *before,
                         const float *after)
{
    float greatest_gone = 0.0f, least_left = INFINITY;
    size_t n_gone = 0;

    for (size_t i = 0; i < lw_layer_floats(layer); i++) {
        bool is_weight = i >= layer->n_wide && i % layer->n_wide < layer->n_out;
        float was = fabsf(before[i]), is = fabsf(after[i]);

        if (is_weight && is == 0.0f) {
            n_gone++;
            greatest_gone = was > greatest_gone ? was : greatest_gone;
            continue;
        }
        assert_memory_equal(&before[i], &after[i], sizeof(float));
        least_left = is_weight && is < least_left ? is : least_left;
    }
    assert_int_equal(n_gone, (size_t)(share * (double)(layer->n_in * layer->n_out)));
    assert_true(greatest_gone <= least_left);
}

static void test_prune__clears_the_smallest_weights_of_each_layer(void **state)
{
    static const double shares[] = {0.0, 0.3, 0.5, 0.99};
    const struct lw_layer layers[] = {lw_layer_of(5, 3), lw_layer_of(3, 9)};
    size_t n_first = lw_layer_floats(&layers[0]), n = n_first + lw_layer_floats(&layers[1]);
    float *before = calloc(n, sizeof(float)), *after = calloc(n, sizeof(float));
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 9);
    for (size_t share = 0; share < sizeof(shares) / sizeof(shares[0]); share++) {
        lw_layer_init(&layers[0], before, &rng);
        lw_layer_init(&layers[1], before + n_first, &rng);
        before[layers[0].n_wide] = 0.25f; /* Ties. */
        before[layers[0].n_wide + 1] = -0.25f;
        before[0] = 1e-6f; /* A bias, however small. */
        memcpy(after, before, n * sizeof(float));
        assert_int_equal(lw_graph_prune(layers, 2, shares[share], after, NULL), LW_OK);
        check_pruned(&layers[0], shares[share], before, after);
        check_pruned(&layers[1], shares[share], before + n_first, after + n_first);
    }
    free(after);
    free(before);
}

static void test_export__refuses_what_a_class_cannot(void **state)
{
    static const struct lw_onnx_form forms[] = {{.int8 = true}, {.prune = 0.1}};
    static const double shares[] = {-0.1, 1.0, NAN};
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/adbench/glass.csv");
    struct lw_model_rows rows = {
        .values = table.values, .n_rows = table.n_rows, .n_dims = table.n_dims};
    static const char *const names[] = {"iforest", "knn"};
    struct lw_writer writer;

    (void)state;
    lw_writer_init(&writer);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct lw_model_class *model_class = lw_model_class_find(names[i]);
        void *options = calloc(1, model_class->options_bytes + 1);
        struct lw_model *model = NULL;
        struct lw_error error = {0};
        struct lw_rng rng;

        lw_rng_seed(&rng, 1);
        lw_options_default(model_class->options, model_class->n_options, options);
        assert_int_equal(model_class->fit(options, &rows, &rng, &model, &error), LW_OK);
        for (size_t form = 0; form < 2; form++) {
            assert_int_equal(lw_onnx_export(model_class, model, &forms[form], &writer, &error),
                             LW_EINVAL);
            assert_non_null(strstr(error.message, names[i]));
        }
        for (size_t share = 0; share < sizeof(shares) / sizeof(shares[0]); share++) {
            struct lw_onnx_form form = {.prune = shares[share]};

            assert_int_equal(lw_onnx_export(model_class, model, &form, &writer, &error), LW_EINVAL);
        }
        model_class->destroy(model);
        free(options);
    }
    lw_writer_fini(&writer);
    lw_test_table_free(&table);
}

static void test_scan__takes_every_graph_of_ours_and_no_part_of_it(void **state)
{
    struct lw_error error = {0};

    (void)state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        struct lw_writer writer;

        golden_export(golden_graphs[i].name, &golden_graphs[i].form, &writer);
        assert_int_equal(lw_onnx_scan(writer.data, writer.n_bytes, &error), LW_OK);
        for (size_t n = 0; n < writer.n_bytes; n += n < 64 ? 1 : 97) {
            uint8_t *part = malloc(n + 1); /* So that a read beyond it is seen. */

            memcpy(part, writer.data, n);
            assert_int_equal(lw_onnx_scan(part, n, &error), LW_EFORMAT);
            free(part);
        }
        lw_writer_fini(&writer);
    }
}

/* The bytes of one field that holds bytes, around what is there: at most 120 of them. */
static size_t wrap(uint8_t field, uint8_t *bytes, size_t n_bytes)
{
    memmove(bytes + 2, bytes, n_bytes);
    bytes[0] = (uint8_t)(field << 3 | 2);
    bytes[1] = (uint8_t)n_bytes;
    return n_bytes + 2;
}

/* The same of a field from 16 to 31, whose tag takes two bytes. */
static size_t wrap_high(uint8_t field, uint8_t *bytes, size_t n_bytes)
{
    size_t n = wrap(field & 15, bytes, n_bytes);

    memmove(bytes + 2, bytes + 1, n - 1);
    bytes[0] = (uint8_t)(bytes[0] | 0x80);
    bytes[1] = (uint8_t)(field >> 4);
    return n + 1;
}

/* A tensor whose data lies elsewhere, in every place that may hold a tensor. */
static void test_scan__finds_external_data_wherever_it_is(void **state)
{
    static const uint8_t locations[][2] = {{14 << 3, 1}, {13 << 3 | 2, 0}};
    static const uint8_t places[][7] = {
        {5, 7},           /* graph.initializer */
        {1, 15, 7},       /* sparse_initializer.values */
        {2, 15, 7},       /* sparse_initializer.indices */
        {5, 5, 1, 7},     /* node.attribute.t */
        {10, 5, 1, 7},    /* node.attribute.tensors */
        {5, 6, 5, 1, 7},  /* a graph in an attribute */
        {5, 11, 5, 1, 7}, /* graphs in an attribute */
        {1, 22, 5, 1, 7}, /* a sparse tensor in an attribute */
        {5, 5, 7, 25},    /* a function's node */
        {5, 1, 20},       /* a graph for training */
    };
    struct lw_error error = {0};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(places) / sizeof(places[0]); i++) {
        const uint8_t *place = places[i / 2], *location = locations[i % 2];
        uint8_t bytes[64] = {location[0], location[1]};
        size_t n = 2;

        for (size_t k = 0; place[k] != 0; k++) {
            n = place[k] > 15 ? wrap_high(place[k], bytes, n) : wrap(place[k], bytes, n);
        }
        if (lw_onnx_scan(bytes, n, &error) != LW_EFORMAT ||
            strstr(error.message, "another file") == NULL) {
            fail_msg("place %zu: %s", i / 2, error.message);
        }
    }
}

static void test_scan__refuses_depth_and_size(void **state)
{
    /* node.attribute.graph, and again in it. */
    uint8_t deep[4096] = {0};
    size_t n = 0;
    struct lw_error error = {0};

    (void)state;
    for (int i = 0; i < 20; i++) {
        n = wrap(6, deep, n);
        n = wrap(5, deep, n);
        n = wrap(1, deep, n);
    }
    n = wrap(7, deep, n);
    assert_true(n < 128);
    assert_int_equal(lw_onnx_scan(deep, n, &error), LW_EFORMAT);
    assert_non_null(strstr(error.message, "deep"));
    assert_int_equal(lw_onnx_scan(deep, (size_t)LW_ONNX_BYTES_MAX + 1, &error), LW_ELIMIT);
}

/* What a user gets wrong, and what a host without the library says. */
static void test_onnx__says_what_is_missing(void **state)
{
    static const float values[] = {1.0f, 2.0f, 3.0f, 4.0f};
    const struct lw_model_rows rows = {.values = values, .n_rows = 2, .n_dims = 2};
    static const struct {
        const char *path, *library, *said;
        enum lw_status status;
    } cases[] = {
        {"", "", "option path", LW_EINVAL},
        {"/nowhere/model.onnx", "", "/nowhere/model.onnx", LW_EIO},
        {LW_TEST_DATA, "", "no file", LW_ELIMIT},
        {LW_TEST_DATA "/adbench/glass.csv", "", "no ONNX file", LW_EFORMAT},
        {GOLDEN "onnx/lstm.onnx", "/nowhere/libonnxruntime.so.1", "LAPWING_ONNXRUNTIME",
         LW_ENOTFOUND},
        {GOLDEN "onnx/lstm.onnx", "libm.so.6", "is not ONNX Runtime", LW_ENOTFOUND},
    };
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_onnx_options *options = calloc(1, sizeof(*options));
        struct lw_model *model = NULL;
        struct lw_error error = {0};

        lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
        (void)snprintf(options->path, sizeof(options->path), "%s", cases[i].path);
        (void)snprintf(options->library, sizeof(options->library), "%s", cases[i].library);
        assert_int_equal(lw_model_onnx.fit(options, &rows, &rng, &model, &error), cases[i].status);
        assert_null(model);
        if (strstr(error.message, cases[i].said) == NULL) {
            fail_msg("case %zu: %s", i, error.message);
        }
        free(options);
    }
}

/* With the folder as argument, the golden graphs go there instead. */
int main(int n_arguments, char **arguments)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__is_the_golden_one_byte_by_byte),
        cmocka_unit_test(test_graph__of_int8_is_smaller),
        cmocka_unit_test(test_prune__clears_the_smallest_weights_of_each_layer),
        cmocka_unit_test(test_export__refuses_what_a_class_cannot),
        cmocka_unit_test(test_scan__takes_every_graph_of_ours_and_no_part_of_it),
        cmocka_unit_test(test_scan__finds_external_data_wherever_it_is),
        cmocka_unit_test(test_scan__refuses_depth_and_size),
        cmocka_unit_test(test_onnx__says_what_is_missing),
    };

    for (size_t i = 0; n_arguments == 2 && i < N_GOLDEN; i++) {
        struct lw_writer writer;
        char path[1024];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s%s", arguments[1],
                       strrchr(golden_graphs[i].path, '/'));
        golden_export(golden_graphs[i].name, &golden_graphs[i].form, &writer);
        file = fopen(path, "wb");
        if (file == NULL || fwrite(writer.data, 1, writer.n_bytes, file) != writer.n_bytes ||
            fclose(file) != 0) {
            lw_test_table_fail(path, "cannot be written");
        }
        lw_writer_fini(&writer);
    }
    return n_arguments == 2 ? 0 : LW_TEST_RUN(tests);
}
