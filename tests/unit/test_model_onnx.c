/*
 * ONNX models in a real ONNX Runtime: our exports give our scores, on real rows with holes; what
 * other graphs give is read as the class says.
 */
#include "support/mem_faulty.h"
#include "support/onnx.h"
#include "support/scaled.h"
#include "support/test.h"

#include "model/net.h"
#include "model/onnx_graph.h"

#include <pthread.h>

#define N_DIMS 20

static const struct lw_onnx_form lossless = {0};

/* Scaled rows of a real server; where asked, one value in eleven is missing, and a row now and
 * then. */
static struct lw_test_table real_rows(bool has_holes)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-test.csv");

    lw_test_table_scale(&table, N_DIMS, 500);
    for (size_t i = 0; has_holes && i < table.n_rows * N_DIMS; i++) {
        if (i * 2654435761u % 11 == 0 || i / N_DIMS % 97 == 0) {
            table.values[i] = NAN;
        }
    }
    return table;
}

static struct lw_model_rows rows_of(const struct lw_test_table *table)
{
    return (struct lw_model_rows){
        .values = table->values, .n_rows = table->n_rows, .n_dims = table->n_dims};
}

static struct lw_model *fitted(const struct lw_model_class *model_class,
                               const struct lw_model_rows *rows)
{
    void *options = calloc(1, model_class->options_bytes + 1);
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_rng_seed(&rng, 3);
    lw_options_default(model_class->options, model_class->n_options, options);
    if (model_class->fit(options, rows, &rng, &model, &error) != LW_OK) {
        fail_msg("%s: %s", model_class->name, error.message);
    }
    free(options);
    return model;
}

/* A model of class onnx from a graph. */
static struct lw_model *loaded(const struct lw_writer *graph, const struct lw_model_rows *rows,
                               const char *option, const char *value)
{
    struct lw_onnx_options *options = calloc(1, sizeof(*options));
    struct lw_model *model = NULL;
    struct lw_error error = {0};

    lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
    if ((option != NULL && lw_options_set(lw_model_onnx.options, lw_model_onnx.n_options, options,
                                          option, value, &error) != LW_OK) ||
        lw_onnx_fit_bytes(options, graph->data, graph->n_bytes, rows, &model, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
    free(options);
    return model;
}

static void check_export(const char *name, bool has_holes)
{
    const struct lw_model_class *model_class = lw_model_class_find(name);
    struct lw_test_table table = real_rows(has_holes);
    struct lw_model_rows rows = rows_of(&table);
    const size_t runs[] = {300, table.n_rows - 300};
    size_t n_untold = (has_holes ? 11u : 0u) + (model_class->n_state != NULL ? 2u : 0u);
    struct lw_model *model = fitted(model_class, &rows);
    struct lw_onnx_loss loss;
    struct lw_error error = {0};

    rows.runs = runs;
    rows.n_runs = 2;
    if (lw_onnx_compare(model_class, model, &lossless, &rows, &loss, &error) != LW_OK) {
        fail_msg("%s: %s", name, error.message);
    }
    print_message("%s%s: %zu rows, largest error %.2g, mean %.2g, ranks %.9f\n", name,
                  has_holes ? ", holes" : "", loss.n_rows, loss.max_error, loss.mean_error,
                  loss.rank_correlation);
    assert_true(loss.max_error < 1e-5);
    assert_true(loss.rank_correlation > 0.999999);
    /* All rows but those of holes only, and the first of each run of the lstm. */
    assert_int_equal(loss.n_rows, table.n_rows - n_untold);
    assert_true(loss.n_bytes == loss.n_float_bytes);
    model_class->destroy(model);
    lw_test_table_free(&table);
}

static void test_onnx__our_exports_give_our_scores(void **state)
{
    static const char *const names[] = {"autoencoder", "lstm", "iforest"};

    (void)state;
    for (size_t i = 0; lw_test_onnx_is_here() && i < 3; i++) {
        check_export(names[i], false);
        check_export(names[i], true);
    }
}

/* What is NaN of ours is NaN of the graph, too: a row of holes, the first row of a run. */
static void test_onnx__our_exports_cannot_tell_what_we_cannot(void **state)
{
    static const char *const names[] = {"autoencoder", "lstm", "iforest"};

    (void)state;
    for (size_t i = 0; lw_test_onnx_is_here() && i < 3; i++) {
        const struct lw_model_class *model_class = lw_model_class_find(names[i]);
        struct lw_test_table table = real_rows(true);
        struct lw_model_rows rows = rows_of(&table);
        struct lw_model *model = fitted(model_class, &rows), *other;
        float *own = calloc(2 * table.n_rows, sizeof(float)), *theirs = own + table.n_rows;
        float *states[2] = {NULL, NULL};
        struct lw_writer graph;
        struct lw_error error = {0};

        lw_writer_init(&graph);
        assert_int_equal(lw_onnx_export(model_class, model, &lossless, &graph, &error), LW_OK);
        other = loaded(&graph, &rows, "holes", "keep");
        assert_int_equal(lw_model_onnx.n_state(other) > 0, model_class->n_state != NULL);
        if (model_class->n_state != NULL) {
            states[0] = calloc(model_class->n_state(model), sizeof(float));
            states[1] = calloc(lw_model_onnx.n_state(other), sizeof(float));
        }
        model_class->score(model, states[0], table.values, table.n_rows, own);
        lw_model_onnx.score(other, states[1], table.values, table.n_rows, theirs);
        for (size_t row = 0; row < table.n_rows; row++) {
            assert_int_equal(isnan(own[row]) != 0, isnan(theirs[row]) != 0);
        }
        free(states[1]);
        free(states[0]);
        free(own);
        lw_model_onnx.destroy(other);
        model_class->destroy(model);
        lw_writer_fini(&graph);
        lw_test_table_free(&table);
    }
}

/* int8 and pruning lose what they are known to lose, and are told. */
static void test_onnx__reports_what_a_form_loses(void **state)
{
    static const struct {
        const char *name;
        struct lw_onnx_form form;
        double mean_most, ranks_least;
    } cases[] = {
        {"autoencoder", {.int8 = true}, 0.1, 0.98},
        {"lstm", {.int8 = true}, 0.1, 0.98},
        {"autoencoder", {.prune = 0.05}, 0.1, 0.95},
        {"lstm", {.prune = 0.05}, 0.1, 0.95},
        {"autoencoder", {.int8 = true, .prune = 0.05}, 0.1, 0.95},
        {"autoencoder", {.prune = 0.3}, 1.0, 0.5},
    };
    struct lw_test_table table = real_rows(false);
    struct lw_model_rows rows = rows_of(&table);

    (void)state;
    for (size_t i = 0; lw_test_onnx_is_here() && i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lw_model_class *model_class = lw_model_class_find(cases[i].name);
        struct lw_model *model = fitted(model_class, &rows);
        struct lw_onnx_loss loss;
        struct lw_error error = {0};

        if (lw_onnx_compare(model_class, model, &cases[i].form, &rows, &loss, &error) != LW_OK) {
            fail_msg("%s: %s", cases[i].name, error.message);
        }
        print_message("%s%s, pruned %g: largest error %.3f, mean %.4f, ranks %.5f, %zu of %zu B\n",
                      cases[i].name, cases[i].form.int8 ? " int8" : "", cases[i].form.prune,
                      loss.max_error, loss.mean_error, loss.rank_correlation, loss.n_bytes,
                      loss.n_float_bytes);
        assert_true(loss.max_error > 1e-4 && loss.mean_error > 1e-5);
        assert_true(loss.mean_error < cases[i].mean_most);
        assert_true(loss.rank_correlation > cases[i].ranks_least && loss.rank_correlation < 1.0);
        assert_true(cases[i].form.int8 == (loss.n_bytes < loss.n_float_bytes));
        model_class->destroy(model);
    }
    lw_test_table_free(&table);
}

/* rows [n, 2] * (1, 2) - (0, 3), and what a case makes of it. */
static void graph_of(const char *kind, struct lw_writer *ret_graph)
{
    static const float factors[] = {1.0f, 2.0f}, less[] = {0.0f, 3.0f};
    static const int64_t columns = 1;
    struct lw_graph graph;

    lw_writer_init(ret_graph);
    lw_graph_begin(&graph, ret_graph, "test");
    lw_graph_input(&graph, "x", 2);
    lw_graph_floats(&graph, "factors", factors, 2);
    lw_graph_floats(&graph, "less", less, 2);
    lw_graph_sizes(&graph, "columns", &columns, 1);
    lw_graph_op(&graph, "Mul", "x factors", "product");
    lw_graph_op(&graph, "Sub", "product less", "y");
    lw_graph_op(&graph, "ReduceSum", "y columns", "sum");
    if (strcmp(kind, "flat") == 0 || strcmp(kind, "both") == 0 || strcmp(kind, "wide") == 0) {
        lw_graph_op(&graph, "Squeeze", "sum columns", "flat");
        lw_graph_output(&graph, "flat", 0);
    }
    if (strcmp(kind, "column") == 0) {
        lw_graph_output(&graph, "sum", 1);
    }
    if (strcmp(kind, "rows") == 0 || strcmp(kind, "both") == 0) {
        lw_graph_output(&graph, "y", 2);
    }
    if (strcmp(kind, "three") == 0) {
        lw_graph_node_begin(&graph, "", "Concat", "y sum", "three");
        lw_graph_int(&graph, "axis", 1);
        lw_graph_node_end(&graph);
        lw_graph_output(&graph, "three", 3);
    }
    if (strcmp(kind, "two inputs") == 0) {
        lw_graph_input(&graph, "other", 2);
        lw_graph_op(&graph, "Add", "y other", "z");
        lw_graph_output(&graph, "z", 2);
    }
    if (strcmp(kind, "unknown operator") == 0) {
        lw_graph_op(&graph, "NoSuchThing", "y", "z");
        lw_graph_output(&graph, "z", 2);
    }
    lw_graph_end(&graph);
}

static const float few_rows[] = {1.0f, 1.0f, 2.0f, 0.0f, NAN, 3.0f, NAN, NAN, -4.0f, 1.0f};
static const struct lw_model_rows few = {.values = few_rows, .n_rows = 5, .n_dims = 2};

/* One number a row: what it is, lifted where it falls below 0, and turned where that is asked. */
static void test_onnx__takes_one_number_a_row_for_a_distance(void **state)
{
    /* x + 2 y - 3: 0, -1, 3 (the hole is 0), -5; so the least is lifted by 5. */
    static const float straight[] = {5.0f, 4.0f, 8.0f, NAN, 0.0f};
    static const float turned[] = {3.0f, 4.0f, 0.0f, NAN, 8.0f};
    static const char *const kinds[] = {"flat", "column"};
    struct lw_writer graph;
    float scores[5], shares[2];

    (void)state;
    for (size_t kind = 0; lw_test_onnx_is_here() && kind < 2; kind++) {
        for (int is_turned = 0; is_turned < 2; is_turned++) {
            const float *expected = is_turned ? turned : straight;
            struct lw_model *model;

            graph_of(kinds[kind], &graph);
            model = loaded(&graph, &few, "reverse", is_turned ? "true" : "false");
            assert_int_equal(lw_model_onnx.n_state(model), 0);
            lw_model_onnx.score(model, NULL, few_rows, 5, scores);
            for (size_t i = 0; i < 5; i++) {
                assert_true(isnan(expected[i]) ? isnan(scores[i]) : scores[i] == expected[i]);
            }
            /* (1, 1): without x 4, without y 3 of 5; turned 4 and 5 of 3. */
            lw_model_onnx.attribute(model, NULL, few_rows, shares);
            assert_true(shares[0] == (is_turned ? 0.0f : 1.0f));
            assert_true(shares[1] == (is_turned ? 0.0f : 2.0f));
            lw_model_onnx.destroy(model);
            lw_writer_fini(&graph);
        }
    }
}

/* A row as wide as its input: the residuals, each by its rms in training. */
static void test_onnx__takes_a_row_for_a_reconstruction(void **state)
{
    /* x - y = (0, 3 - y): second column 2, 3, 0, -, 2: rms sqrt(17 / 4); first column 0: least. */
    static const float rests[] = {2.0f, 3.0f, 0.0f, NAN, 2.0f};
    float scores[5], shares[2], rms = sqrtf(17.0f / 4.0f);
    struct lw_writer graph;
    struct lw_model *model;

    (void)state;
    if (!lw_test_onnx_is_here()) {
        return;
    }
    graph_of("rows", &graph);
    model = loaded(&graph, &few, NULL, NULL);
    lw_model_onnx.score(model, NULL, few_rows, 5, scores);
    for (size_t i = 0; i < 5; i++) {
        assert_true(isnan(rests[i]) ? isnan(scores[i]) : fabsf(scores[i] - rests[i] / rms) < 1e-6f);
    }
    lw_model_onnx.attribute(model, NULL, few_rows, shares);
    assert_true(shares[0] == 0.0f && fabsf(shares[1] - 4.0f / (rms * rms)) < 1e-6f);
    lw_model_onnx.destroy(model);
    lw_writer_fini(&graph);
}

static void test_onnx__refuses_graphs_that_do_not_fit(void **state)
{
    static const struct lw_model_rows wide = {.values = few_rows, .n_rows = 3, .n_dims = 3};
    static const struct {
        const char *kind, *option, *value, *said;
        enum lw_status status;
    } cases[] = {
        {"wide", "output", "", "x, float[?, 2], but float[?, 3] is expected", LW_EINVAL},
        {"three", "output", "", "three, float[?, 3]", LW_EINVAL},
        {"two inputs", "output", "", "2 inputs", LW_EINVAL},
        {"both", "output", "", "flat, y", LW_EINVAL},
        {"both", "output", "z", "no output \"z\"", LW_EINVAL},
        {"flat", "reading", "reconstruction", "flat, float[?]", LW_EINVAL},
        {"rows", "reading", "distance", "y, float[?, 2]", LW_EINVAL},
        {"unknown operator", "output", "", "NoSuchThing", LW_EFORMAT},
    };

    (void)state;
    for (size_t i = 0; lw_test_onnx_is_here() && i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lw_onnx_options *options = calloc(1, sizeof(*options));
        struct lw_model *model = NULL;
        struct lw_error error = {0};
        struct lw_writer graph;
        int64_t live = lw_test_mem_live();

        lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
        assert_int_equal(lw_options_set(lw_model_onnx.options, lw_model_onnx.n_options, options,
                                        cases[i].option, cases[i].value, &error),
                         LW_OK);
        graph_of(cases[i].kind, &graph);
        if (lw_onnx_fit_bytes(options, graph.data, graph.n_bytes,
                              strcmp(cases[i].kind, "wide") == 0 ? &wide : &few, &model,
                              &error) != cases[i].status ||
            strstr(error.message, cases[i].said) == NULL) {
            fail_msg("case %zu: %d, %s", i, error.status, error.message);
        }
        lw_writer_fini(&graph);
        assert_int_equal(lw_test_mem_live(), live);
        free(options);
    }
}

/* An output that is named is taken, whatever else there is. */
static void test_onnx__reads_the_output_that_is_named(void **state)
{
    struct lw_writer graph;
    struct lw_model *model;
    float score;

    (void)state;
    if (!lw_test_onnx_is_here()) {
        return;
    }
    graph_of("both", &graph);
    model = loaded(&graph, &few, "output", "flat");
    lw_model_onnx.score(model, NULL, few_rows, 1, &score);
    assert_true(score == 5.0f);
    lw_model_onnx.destroy(model);
    lw_writer_fini(&graph);
}

/* Rows together are near those alone; and a batch that is asked for is taken. */
static void test_onnx__scores_batches(void **state)
{
    struct lw_test_table table = real_rows(false);
    struct lw_model_rows rows = rows_of(&table);
    const struct lw_model_class *model_class = lw_model_class_find("autoencoder");
    struct lw_model *model = fitted(model_class, &rows), *alone, *together;
    float *scores = calloc(2 * table.n_rows, sizeof(float));
    struct lw_writer graph;
    struct lw_error error = {0};

    (void)state;
    lw_writer_init(&graph);
    assert_int_equal(lw_onnx_export(model_class, model, &lossless, &graph, &error), LW_OK);
    if (lw_test_onnx_is_here()) {
        alone = loaded(&graph, &rows, NULL, NULL);
        together = loaded(&graph, &rows, "batch", "256");
        lw_model_onnx.score(alone, NULL, table.values, table.n_rows, scores);
        lw_model_onnx.score(together, NULL, table.values, table.n_rows, scores + table.n_rows);
        for (size_t i = 0; i < table.n_rows; i++) {
            assert_true(fabsf(scores[i] - scores[table.n_rows + i]) <= 1e-5f * scores[i]);
        }
        lw_model_onnx.destroy(together);
        lw_model_onnx.destroy(alone);
    }
    free(scores);
    lw_writer_fini(&graph);
    model_class->destroy(model);
    lw_test_table_free(&table);
}

/* |x| for x leaves a residual of twice what is below 0: the length of such a row's residuals, each
 * by its rms over all rows. */
static double wide_distance(const float *values, size_t n_rows, size_t row)
{
    double squares = 0.0;

    for (size_t i = 0; i < LW_MODEL_DIMS_MAX; i++) {
        double mean = 0.0, value = fmin((double)values[row * LW_MODEL_DIMS_MAX + i], 0.0);

        for (size_t k = 0; k < n_rows; k++) {
            double x = fmin((double)values[k * LW_MODEL_DIMS_MAX + i], 0.0);

            mean += 4.0 * x * x / (double)n_rows;
        }
        squares += 4.0 * value * value / fmax(mean, 0.01);
    }
    return sqrt(squares);
}

/* The widest rows there are, and more of them than go into a run together. */
static void test_onnx__takes_the_widest_rows(void **state)
{
    float *values = calloc(6 * LW_MODEL_DIMS_MAX, sizeof(float)), scores[6];
    const struct lw_model_rows rows = {.values = values, .n_rows = 6, .n_dims = LW_MODEL_DIMS_MAX};
    struct lw_graph graph;
    struct lw_writer writer;
    struct lw_model *model;

    (void)state;
    for (size_t i = 0; i < 6 * LW_MODEL_DIMS_MAX; i++) {
        values[i] = (float)(i % 7) - 3.0f;
    }
    lw_writer_init(&writer);
    lw_graph_begin(&graph, &writer, "wide");
    lw_graph_input(&graph, "x", LW_MODEL_DIMS_MAX);
    lw_graph_op(&graph, "Abs", "x", "y");
    lw_graph_output(&graph, "y", LW_MODEL_DIMS_MAX);
    lw_graph_end(&graph);
    if (lw_test_onnx_is_here()) {
        model = loaded(&writer, &rows, "batch", "100");
        lw_model_onnx.score(model, NULL, values, 6, scores);
        for (size_t row = 0; row < 6; row++) {
            double expected = wide_distance(values, 6, row);

            assert_true(fabs((double)scores[row] - expected) < 1e-4 * expected);
        }
        lw_model_onnx.destroy(model);
    }
    lw_writer_fini(&writer);
    free(values);
}

struct worker {
    pthread_t thread;
    const struct lw_model *model;
    const struct lw_test_table *table;
    float *scores;
};

static void *worker_run(void *context)
{
    struct worker *worker = context;

    for (int again = 0; again < 3; again++) {
        lw_model_onnx.score(worker->model, NULL, worker->table->values, worker->table->n_rows,
                            worker->scores);
    }
    return NULL;
}

static void test_onnx__is_scored_by_many_threads(void **state)
{
    struct lw_test_table table = real_rows(true);
    struct lw_model_rows rows = rows_of(&table);
    const struct lw_model_class *model_class = lw_model_class_find("iforest");
    struct lw_model *model = fitted(model_class, &rows), *other;
    struct worker workers[4];
    struct lw_writer graph;
    struct lw_error error = {0};

    (void)state;
    lw_writer_init(&graph);
    assert_int_equal(lw_onnx_export(model_class, model, &lossless, &graph, &error), LW_OK);
    if (lw_test_onnx_is_here()) {
        other = loaded(&graph, &rows, "holes", "keep");
        for (size_t i = 0; i < 4; i++) {
            workers[i] = (struct worker){
                .model = other, .table = &table, .scores = calloc(table.n_rows, sizeof(float))};
            assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
        }
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        }
        for (size_t i = 1; i < 4; i++) {
            assert_memory_equal(workers[i].scores, workers[0].scores, table.n_rows * sizeof(float));
        }
        for (size_t i = 0; i < 4; i++) {
            free(workers[i].scores);
        }
        lw_model_onnx.destroy(other);
    }
    lw_writer_fini(&graph);
    model_class->destroy(model);
    lw_test_table_free(&table);
}

/* Bytes never name a library to be run. */
static void test_onnx__saves_no_path(void **state)
{
    struct lw_onnx_options *options = calloc(1, sizeof(*options));
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_writer graph, saved;

    (void)state;
    if (lw_test_onnx_is_here()) {
        lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
        (void)snprintf(options->library, sizeof(options->library), "%s",
                       getenv("LAPWING_ONNXRUNTIME"));
        graph_of("flat", &graph);
        assert_int_equal(
            lw_onnx_fit_bytes(options, graph.data, graph.n_bytes, &few, &model, &error), LW_OK);
        lw_writer_init(&saved);
        lw_model_onnx.save(model, &saved);
        for (size_t i = 0; i + 7 <= saved.n_bytes; i++) {
            assert_memory_not_equal(saved.data + i, "libonnx", 7);
        }
        assert_string_equal(getenv("ORT_DISABLE_TELEMETRY"), "1");
        lw_model_onnx.destroy(model);
        lw_writer_fini(&saved);
        lw_writer_fini(&graph);
    }
    free(options);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onnx__our_exports_give_our_scores),
        cmocka_unit_test(test_onnx__our_exports_cannot_tell_what_we_cannot),
        cmocka_unit_test(test_onnx__reports_what_a_form_loses),
        cmocka_unit_test(test_onnx__takes_one_number_a_row_for_a_distance),
        cmocka_unit_test(test_onnx__takes_a_row_for_a_reconstruction),
        cmocka_unit_test(test_onnx__refuses_graphs_that_do_not_fit),
        cmocka_unit_test(test_onnx__reads_the_output_that_is_named),
        cmocka_unit_test(test_onnx__scores_batches),
        cmocka_unit_test(test_onnx__takes_the_widest_rows),
        cmocka_unit_test(test_onnx__is_scored_by_many_threads),
        cmocka_unit_test(test_onnx__saves_no_path),
    };
    return LW_TEST_RUN(tests);
}
