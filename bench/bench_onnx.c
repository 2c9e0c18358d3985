/*
 * Our models beside their own exports in ONNX Runtime, on 38 metrics of a real server, on one core:
 * microseconds a row, one row a call and 256 together, and what int8 is worth.
 *
 * Prints, for each of autoencoder, lstm and iforest, onnx_<model>_row, its ratio to our kernels
 * (above 1: ours are faster), the same in batches of 256, and in int8. Without ONNX Runtime it
 * fails: tools/onnxruntime fetches it, LAPWING_ONNXRUNTIME names it.
 */
#include "../tests/support/onnx_library.h"
#include "../tests/support/scaled.h"
#include "support/bench.h"

#include "base/option.h"
#include "model/model.h"
#include "model/onnx.h"
#include "model/onnx_export.h"

#define TRAIN LW_TEST_DATA "/smd/machine-1-6-train.csv"
#define TEST LW_TEST_DATA "/smd/machine-1-6-test.csv"
#define N_DIMS 38
#define N_ROWS 1024

/* A model and a state for it. */
struct subject {
    const struct lw_model_class *model_class;
    struct lw_model *model;
    float *state;
    const float *rows;
    float scores[N_ROWS];
};

static __attribute__((noreturn)) void die(const struct lw_error *error)
{
    (void)fprintf(stderr, "bench_onnx: %s\n", error->message);
    exit(1);
}

static void subject_rows(void *context)
{
    struct subject *subject = context;

    for (size_t i = 0; i < N_ROWS; i++) {
        subject->model_class->score(subject->model, subject->state, subject->rows + i * N_DIMS, 1,
                                    subject->scores + i);
    }
}

static void subject_batch(void *context)
{
    struct subject *subject = context;

    subject->model_class->score(subject->model, subject->state, subject->rows, N_ROWS,
                                subject->scores);
}

static void subject_state(struct subject *subject)
{
    if (subject->model_class->n_state != NULL &&
        subject->model_class->n_state(subject->model) > 0) {
        subject->state = calloc(subject->model_class->n_state(subject->model), sizeof(float));
    }
}

static void subject_fini(struct subject *subject)
{
    subject->model_class->destroy(subject->model);
    free(subject->state);
}

static struct subject fitted(const char *name, const struct lw_test_table *train, const float *rows)
{
    struct subject subject = {.model_class = lw_model_class_find(name), .rows = rows};
    const struct lw_model_rows learnt = {
        .values = train->values, .n_rows = train->n_rows, .n_dims = train->n_dims};
    void *options = calloc(1, subject.model_class->options_bytes);
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_rng_seed(&rng, 1);
    lw_options_default(subject.model_class->options, subject.model_class->n_options, options);
    if (subject.model_class->fit(options, &learnt, &rng, &subject.model, &error) != LW_OK) {
        die(&error);
    }
    free(options);
    subject_state(&subject);
    return subject;
}

static struct subject exported(const struct subject *own, const struct lw_onnx_form *form,
                               const struct lw_test_table *train, int64_t batch)
{
    struct subject subject = {.model_class = &lw_model_onnx, .rows = own->rows};
    const struct lw_model_rows learnt = {.values = train->values, .n_rows = 2, .n_dims = N_DIMS};
    struct lw_onnx_options *options = calloc(1, sizeof(*options));
    struct lw_error error = {0};
    struct lw_writer graph;

    lw_options_default(lw_model_onnx.options, lw_model_onnx.n_options, options);
    options->holes = LW_ONNX_HOLES_KEEP;
    options->batch = batch;
    lw_writer_init(&graph);
    if (lw_onnx_export(own->model_class, own->model, form, &graph, &error) != LW_OK ||
        lw_onnx_fit_bytes(options, graph.data, graph.n_bytes, &learnt, &subject.model, &error) !=
            LW_OK) {
        die(&error);
    }
    lw_writer_fini(&graph);
    free(options);
    subject_state(&subject);
    return subject;
}

static void print_ratio(const char *model, const char *what, double us, double own_us)
{
    char name[96];

    (void)snprintf(name, sizeof(name), "onnx_%s_%s", model, what);
    lw_bench_print(name, us, "us");
    (void)snprintf(name, sizeof(name), "onnx_%s_%s_vs_own", model, what);
    lw_bench_print(name, us / own_us, "");
}

static void bench_model(const char *name, const struct lw_test_table *train, const float *rows)
{
    static const struct lw_onnx_form forms[] = {{.int8 = false}, {.int8 = true}};
    struct subject own = fitted(name, train, rows), other;
    double row_us = lw_bench_median_s(subject_rows, &own) / N_ROWS * 1e6, batch_us;

    batch_us = lw_bench_median_s(subject_batch, &own) / N_ROWS * 1e6;
    for (size_t form = 0; form < (strcmp(name, "iforest") == 0 ? 1 : 2); form++) {
        for (int64_t batch = 1; batch <= 256; batch *= 256) {
            char what[64];

            if (batch > 1 && own.state != NULL) {
                continue; /* Rows of one entity go one after another. */
            }
            other = exported(&own, &forms[form], train, batch);
            (void)snprintf(what, sizeof(what), "%s%s", batch > 1 ? "batch" : "row",
                           forms[form].int8 ? "_int8" : "");
            print_ratio(name, what, lw_bench_median_s(subject_batch, &other) / N_ROWS * 1e6,
                        batch > 1 ? batch_us : row_us);
            subject_fini(&other);
        }
    }
    subject_fini(&own);
}

int main(void)
{
    static const char *const names[] = {"autoencoder", "lstm", "iforest"};
    struct lw_test_table train, test;
    char reason[512];

    if (lw_test_onnx_find(reason, sizeof(reason)) != LW_TEST_ONNX_HERE) {
        (void)fprintf(stderr, "bench_onnx: there is no ONNX Runtime: %s\n", reason);
        return 1;
    }
    train = lw_test_table_read(TRAIN);
    test = lw_test_table_read(TEST);
    if (test.n_rows < N_ROWS) {
        lw_test_table_fail(TEST, "not the data this was written for");
    }
    lw_test_table_scale(&train, N_DIMS, train.n_rows);
    lw_test_table_scale(&test, N_DIMS, test.n_rows);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bench_model(names[i], &train, test.values);
    }
    lw_test_table_free(&test);
    lw_test_table_free(&train);
    return 0;
}
