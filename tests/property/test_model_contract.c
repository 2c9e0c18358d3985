/*
 * What model/model.h promises of every class, tried on every class of the registry, with its
 * default options. A class that runs a file of others gets one of our own making, and fewer trials,
 * for each load of it takes milliseconds.
 *
 * The rows are cut from a real table at random: shape, columns, holes and order come from a seed,
 * which is printed and may be given as LW_TEST_SEED to see a failure again.
 */
#include "support/mem_faulty.h"
#include "support/onnx.h"
#include "support/table.h"
#include "support/test.h"

#include "base/bytes.h"
#include "base/option.h"
#include "model/model.h"

#include <time.h>

#define N_TRIALS 12
#define N_TRIALS_FOREIGN 3
#define N_DAMAGED 200
#define N_DAMAGED_FOREIGN 12
#define N_ROWS_MAX 300
#define N_DIMS_MAX 38

/* One class, one set of rows, one fitted model. */
struct trial {
    const struct lw_model_class *model_class;
    void *options;
    size_t n_rows, n_dims;
    float *rows;
    float *scores;
    uint64_t fit_seed;
    struct lw_model *model;
};

static uint64_t seed_of_run(void)
{
    const char *given = getenv("LW_TEST_SEED");

    return given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
}

static struct lw_model *trial_fit(const struct trial *trial, uint64_t seed)
{
    struct lw_model_rows rows = {
        .values = trial->rows, .n_rows = trial->n_rows, .n_dims = trial->n_dims};
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_rng rng;

    lw_rng_seed(&rng, seed);
    if (trial->model_class->fit(trial->options, &rows, &rng, &model, &error) != LW_OK) {
        fail_msg("%s: %s", trial->model_class->name, error.message);
    }
    return model;
}

/* A fresh state for classes that keep one; NULL for the others. */
static float *fresh_state(const struct lw_model_class *model_class, const struct lw_model *model)
{
    return model_class->n_state == NULL ? NULL
                                        : calloc(model_class->n_state(model) + 1, sizeof(float));
}

/* Scores all rows of the trial as one run, and tells the shares of the last. */
static void score_run(const struct trial *trial, const struct lw_model *model, float *ret_scores,
                      float *ret_shares)
{
    float *state = fresh_state(trial->model_class, model);

    trial->model_class->score(model, state, trial->rows, trial->n_rows, ret_scores);
    if (ret_shares != NULL) {
        trial->model_class->attribute(
            model, state, trial->rows + (trial->n_rows - 1) * trial->n_dims, ret_shares);
    }
    free(state);
}

static void trial_init(struct trial *trial, const struct lw_model_class *model_class, size_t n_rows,
                       size_t n_dims)
{
    memset(trial, 0, sizeof(*trial));
    trial->model_class = model_class;
    trial->options = calloc(1, model_class->options_bytes + 1);
    lw_options_default(model_class->options, model_class->n_options, trial->options);
    trial->n_rows = n_rows;
    trial->n_dims = n_dims;
    trial->rows = calloc(n_rows * n_dims, sizeof(float));
    trial->scores = calloc(n_rows, sizeof(float));
}

/* After the rows are filled in. */
static void trial_start(struct trial *trial, uint64_t fit_seed)
{
    trial->fit_seed = fit_seed;
    if (trial->model_class->is_foreign) {
        struct lw_model_rows rows = {
            .values = trial->rows, .n_rows = trial->n_rows, .n_dims = trial->n_dims};

        lw_test_onnx_options(&rows, trial->options);
    }
    trial->model = trial_fit(trial, fit_seed);
    score_run(trial, trial->model, trial->scores, NULL);
}

static void trial_fini(struct trial *trial)
{
    trial->model_class->destroy(trial->model);
    if (trial->model_class->is_foreign && trial->model != NULL) {
        (void)unlink(((const struct lw_onnx_options *)trial->options)->path);
    }
    free(trial->scores);
    free(trial->rows);
    free(trial->options);
}

/* Rows and columns of the table at random, one column in five constant, holes where the trial asks
 * for them. */
static void trial_draw(struct trial *trial, const struct lw_test_table *table, struct lw_rng *rng,
                       double hole_share)
{
    for (size_t column = 0; column < trial->n_dims; column++) {
        size_t from = (size_t)lw_rng_below(rng, table->n_dims);
        int is_constant = lw_rng_below(rng, 5) == 0;

        for (size_t i = 0; i < trial->n_rows; i++) {
            size_t row = (i * 13 + 5) % table->n_rows;
            float *value = &trial->rows[i * trial->n_dims + column];

            *value = is_constant ? 0.25f : table->values[row * table->n_dims + from];
            if (lw_rng_double(rng) < hole_share) {
                *value = NAN;
            }
        }
    }
}

static void check_scores(const struct trial *trial)
{
    for (size_t i = 0; i < trial->n_rows; i++) {
        int is_missing = lw_model_row_is_missing(trial->rows + i * trial->n_dims, trial->n_dims);

        bool may_be_nan = is_missing || trial->model_class->n_state != NULL;

        if (isnan(trial->scores[i])
                ? !may_be_nan
                : is_missing || !(isfinite(trial->scores[i]) && trial->scores[i] >= 0.0f)) {
            fail_msg("%s: row %zu scores %g", trial->model_class->name, i,
                     (double)trial->scores[i]);
        }
    }
    assert_int_equal(trial->model_class->n_dims(trial->model), trial->n_dims);
    assert_true(trial->model_class->bytes(trial->model) > 0);
}

/* Single rows, and batches of every length up to 40 at odd places, give the bits of the whole. */
static void check_batches(const struct trial *trial)
{
    const struct lw_model_class *model_class = trial->model_class;
    float *by_batch = fresh_state(model_class, trial->model);
    float *by_row = fresh_state(model_class, trial->model);
    float scores[40];

    for (size_t n = 0, at = 0; at < trial->n_rows; at += n) {
        n = n % 40 + 1;
        n = n < trial->n_rows - at ? n : trial->n_rows - at;
        model_class->score(trial->model, by_batch, trial->rows + at * trial->n_dims, n, scores);
        assert_memory_equal(scores, trial->scores + at, n * sizeof(float));
    }
    for (size_t i = 0; i < trial->n_rows; i++) {
        model_class->score(trial->model, by_row, trial->rows + i * trial->n_dims, 1, scores);
        assert_memory_equal(scores, trial->scores + i, sizeof(float));
    }
    free(by_row);
    free(by_batch);
}

static void check_shares(const struct trial *trial)
{
    float *shares = calloc(trial->n_dims, sizeof(float));
    float *state = fresh_state(trial->model_class, trial->model);

    for (size_t i = 0; i < trial->n_rows; i++) {
        const float *row = trial->rows + i * trial->n_dims;
        float score;
        int is_missing = lw_model_row_is_missing(row, trial->n_dims);

        memset(shares, 0xFF, trial->n_dims * sizeof(float));
        trial->model_class->score(trial->model, state, row, 1, &score);
        trial->model_class->attribute(trial->model, state, row, shares);
        for (size_t column = 0; column < trial->n_dims; column++) {
            assert_true(isfinite(shares[column]) && shares[column] >= 0.0f);
            assert_true(!is_missing || shares[column] == 0.0f);
        }
    }
    free(state);
    free(shares);
}

/* The same seed gives the same bits, another seed gives a model that still keeps its promises. */
static void check_determinism(const struct trial *trial)
{
    struct lw_model *again = trial_fit(trial, trial->fit_seed),
                    *other = trial_fit(trial, trial->fit_seed + 1);
    float *scores = calloc(trial->n_rows, sizeof(float));

    score_run(trial, again, scores, NULL);
    assert_memory_equal(scores, trial->scores, trial->n_rows * sizeof(float));
    score_run(trial, other, scores, NULL);
    for (size_t i = 0; i < trial->n_rows; i++) {
        assert_int_equal(isnan(scores[i]) != 0, isnan(trial->scores[i]) != 0);
    }
    free(scores);
    trial->model_class->destroy(other);
    trial->model_class->destroy(again);
}

/* A loaded model scores and attributes the same bits and saves the same bytes. */
static void check_saved(const struct trial *trial)
{
    const struct lw_model_class *model_class = NULL;
    struct lw_writer first, second;
    struct lw_reader reader;
    struct lw_model *loaded = NULL;
    struct lw_error error = {0};
    float *values = calloc(trial->n_rows + 2 * trial->n_dims, sizeof(float));
    float *shares = values + trial->n_rows;

    lw_writer_init(&first);
    lw_writer_init(&second);
    lw_model_save(trial->model_class, trial->model, &first);
    assert_int_equal(first.status, LW_OK);
    lw_reader_init(&reader, first.data, first.n_bytes);
    assert_int_equal(lw_model_load(&reader, &model_class, &loaded, &error), LW_OK);
    assert_ptr_equal(model_class, trial->model_class);
    score_run(trial, trial->model, values, shares);
    score_run(trial, loaded, values, shares + trial->n_dims);
    assert_memory_equal(values, trial->scores, trial->n_rows * sizeof(float));
    assert_memory_equal(shares, shares + trial->n_dims, trial->n_dims * sizeof(float));
    lw_model_save(model_class, loaded, &second);
    assert_int_equal(second.n_bytes, first.n_bytes);
    assert_memory_equal(second.data, first.data, first.n_bytes);
    model_class->destroy(loaded);
    lw_writer_fini(&second);
    lw_writer_fini(&first);
    free(values);
}

/* The class's own bytes, cut or with one byte changed, without the envelope's checksum: refused, or
 * a model that is safe. */
static void check_damaged(const struct trial *trial, struct lw_rng *rng)
{
    struct lw_writer writer;
    float *scores = calloc(trial->n_rows, sizeof(float)),
          *shares = calloc(trial->n_dims, sizeof(float));

    lw_writer_init(&writer);
    trial->model_class->save(trial->model, &writer);
    for (int i = 0; i < (trial->model_class->is_foreign ? N_DAMAGED_FOREIGN : N_DAMAGED); i++) {
        size_t n = i % 4 == 0 ? (size_t)lw_rng_below(rng, writer.n_bytes) : writer.n_bytes;
        size_t at = (size_t)lw_rng_below(rng,
                                         i % 2 == 0 && writer.n_bytes > 32 ? 32 : writer.n_bytes);
        uint8_t *bytes = malloc(n + 1);
        struct lw_model *model = NULL;
        struct lw_error error = {0};
        struct lw_reader reader;

        memcpy(bytes, writer.data, n);
        if (at < n) {
            bytes[at] = (uint8_t)lw_rng_below(rng, 256);
        }
        lw_reader_init(&reader, bytes, n);
        if (trial->model_class->load(&reader, &model, &error) == LW_OK) {
            if (trial->model_class->n_dims(model) == trial->n_dims) {
                score_run(trial, model, scores, shares);
            }
            trial->model_class->destroy(model);
        } else {
            assert_null(model);
            assert_true(error.message[0] != '\0');
            assert_true(error.status == LW_EFORMAT || error.status == LW_EVERSION ||
                        error.status == LW_ENOMEM);
        }
        free(bytes);
    }
    lw_writer_fini(&writer);
    free(shares);
    free(scores);
}

/* Every class writes its version first, as a u16. */
static void check_newer(const struct trial *trial)
{
    struct lw_model *model = NULL;
    struct lw_error error = {0};
    struct lw_writer writer;
    struct lw_reader reader;

    lw_writer_init(&writer);
    trial->model_class->save(trial->model, &writer);
    writer.data[1] = 0xFE;
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(trial->model_class->load(&reader, &model, &error), LW_EVERSION);
    assert_null(model);
    lw_writer_fini(&writer);
}

static void check_scoring_allocates_nothing(const struct trial *trial)
{
    float *values = calloc(trial->n_rows + trial->n_dims, sizeof(float));
    uint64_t before = lw_test_mem_calls();

    score_run(trial, trial->model, values, values + trial->n_rows);
    assert_int_equal(lw_test_mem_calls(), before);
    free(values);
}

static void check_all(const struct trial *trial, struct lw_rng *rng)
{
    check_scores(trial);
    check_batches(trial);
    check_shares(trial);
    check_determinism(trial);
    check_saved(trial);
    check_damaged(trial, rng);
    check_newer(trial);
    check_scoring_allocates_nothing(trial);
}

static void test_model__keeps_its_promises_on_random_cuts_of_a_real_table(void **state)
{
    struct lw_test_table table = lw_test_table_read(LW_TEST_DATA "/smd/machine-1-6-train.csv");
    uint64_t seed = seed_of_run();
    struct lw_rng rng;

    (void)state;
    print_message("LW_TEST_SEED=%llu\n", (unsigned long long)seed);
    lw_rng_seed(&rng, seed);
    for (size_t i = 0; lw_model_classes()[i] != NULL; i++) {
        size_t n_trials = !lw_model_classes()[i]->is_foreign ? N_TRIALS
                          : lw_test_onnx_is_here()           ? N_TRIALS_FOREIGN
                                                             : 0;

        for (size_t n = 0; n < n_trials; n++) {
            struct trial trial;
            int64_t live = lw_test_mem_live();

            trial_init(&trial, lw_model_classes()[i],
                       2 + (size_t)lw_rng_below(&rng, N_ROWS_MAX - 1),
                       1 + (size_t)lw_rng_below(&rng, N_DIMS_MAX));
            trial_draw(&trial, &table, &rng, n % 3 == 0 ? 0.0 : n % 3 == 1 ? 0.05 : 0.7);
            trial_start(&trial, lw_rng_next(&rng));
            check_all(&trial, &rng);
            trial_fini(&trial);
            assert_int_equal(lw_test_mem_live(), live);
        }
    }
    lw_test_table_free(&table);
}

/* Rows by five plain rules: constant, missing, rising, huge, and tiny with holes. */
static void test_model__keeps_its_promises_at_the_edges(void **state)
{
    static const size_t shapes[][2] = {
        {2, 1}, {2, 38}, {3, 2}, {16, 1}, {17, 4}, {257, 1}, {5, LW_MODEL_DIMS_MAX}};
    struct lw_rng rng;

    (void)state;
    lw_rng_seed(&rng, 1);
    for (size_t i = 0; lw_model_classes()[i] != NULL; i++) {
        for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
            if (lw_model_classes()[i]->is_foreign &&
                (shapes[shape][1] > N_DIMS_MAX || !lw_test_onnx_is_here())) {
                continue; /* Shares take it a run a column: test_model_onnx has wide rows. */
            }
            for (size_t rule = 0; rule < 5; rule++) {
                struct trial trial;

                trial_init(&trial, lw_model_classes()[i], shapes[shape][0], shapes[shape][1]);
                for (size_t k = 0; k < trial.n_rows * trial.n_dims; k++) {
                    const float by_rule[] = {0.0f, NAN, (float)k, k % 2 == 0 ? 3e38f : -3e38f,
                                             k % 3 == 0 ? NAN : 1e-40f * (float)(k % 7)};

                    trial.rows[k] = by_rule[rule];
                }
                trial_start(&trial, rule + shape);
                check_all(&trial, &rng);
                trial_fini(&trial);
            }
        }
    }
}

static void test_model__fit_refuses_what_the_contract_excludes(void **state)
{
    static const size_t shapes[][2] = {{1, 3}, {0, 3}, {10, 0}, {2, LW_MODEL_DIMS_MAX + 1}};

    (void)state;
    for (size_t i = 0; lw_model_classes()[i] != NULL; i++) {
        for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
            struct trial trial;
            struct lw_model_rows rows;
            struct lw_error error = {0};
            struct lw_rng rng;

            trial_init(&trial, lw_model_classes()[i], 10, LW_MODEL_DIMS_MAX + 1);
            lw_rng_seed(&rng, 1);
            rows = (struct lw_model_rows){
                .values = trial.rows, .n_rows = shapes[shape][0], .n_dims = shapes[shape][1]};
            assert_int_equal(
                trial.model_class->fit(trial.options, &rows, &rng, &trial.model, &error),
                LW_EINVAL);
            assert_null(trial.model);
            assert_true(error.message[0] != '\0');
            trial_fini(&trial);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__keeps_its_promises_on_random_cuts_of_a_real_table),
        cmocka_unit_test(test_model__keeps_its_promises_at_the_edges),
        cmocka_unit_test(test_model__fit_refuses_what_the_contract_excludes),
    };
    return LW_TEST_RUN(tests);
}
