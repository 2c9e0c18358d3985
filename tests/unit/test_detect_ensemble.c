/* An ensemble of every kind of member over rows of a real server: batches, holes, energies, bytes.
 */
#include "support/ensemble.h"
#include "support/mem_faulty.h"

#include "base/rng.h"
#include "model/linear.h"

#define N_ENTITIES 5u
#define N_STEPS 60u

static struct lw_test_table train, test;
static struct lw_error error;

static struct lw_training_result full_fit(void)
{
    return lw_test_ensemble_of("full", LW_TEST_QUICK, &train);
}

/* States of as many entities as one was trained; they see the same rows at other times. */
static float *states_of(const struct lw_training_result *result)
{
    float *states = calloc(N_ENTITIES * result->n_state, sizeof(float));

    for (size_t e = 0; e < N_ENTITIES; e++) {
        memcpy(states + e * result->n_state, result->states, result->n_state * sizeof(float));
    }
    return states;
}

static const float *row_of(size_t entity, size_t step)
{
    return test.values + (entity * 131 + step) % test.n_rows * test.n_dims;
}

/* One row after the other. */
static void step_alone(const struct lw_training_result *result, float *states, double *ret_energies,
                       float *ret_distances)
{
    for (size_t i = 0; i < N_STEPS * N_ENTITIES; i++) {
        const float *row = row_of(i % N_ENTITIES, i / N_ENTITIES);
        float *state = states + i % N_ENTITIES * result->n_state;

        lw_ensemble_step(result->ensemble, &state, &row, 1, ret_energies + i,
                         ret_distances + i * result->ensemble->n_members);
    }
}

/* Batches of any size, entities mixed and some of them in one batch more than once. */
static void test_ensemble__batches_of_any_size_give_the_bits_of_single_rows(void **state)
{
    struct lw_training_result result = full_fit();
    size_t n_members = result.ensemble->n_members, n = N_STEPS * N_ENTITIES;
    float *alone = states_of(&result), *distances = calloc(2 * n * n_members, sizeof(float));
    double *energies = calloc(2 * n, sizeof(double));

    (void)state;
    step_alone(&result, alone, energies, distances);
    for (size_t most = 2; most <= 256; most = most * 3 + 1) {
        float *batched = states_of(&result);
        struct lw_rng rng;

        lw_rng_seed(&rng, most);
        for (size_t at = 0, size; at < n; at += size) {
            const float *rows[256];
            float *states[256];

            size = 1 + (size_t)lw_rng_below(&rng, most);
            size = size < n - at ? size : n - at;
            for (size_t i = 0; i < size; i++) {
                rows[i] = row_of((at + i) % N_ENTITIES, (at + i) / N_ENTITIES);
                states[i] = batched + (at + i) % N_ENTITIES * result.n_state;
            }
            lw_ensemble_step(result.ensemble, states, rows, size, energies + n + at,
                             distances + (n + at) * n_members);
        }
        assert_memory_equal(energies, energies + n, n * sizeof(double));
        assert_memory_equal(distances, distances + n * n_members, n * n_members * sizeof(float));
        assert_memory_equal(alone, batched, N_ENTITIES * result.n_state * sizeof(float));
        free(batched);
    }
    free(energies);
    free(distances);
    free(alone);
    lw_training_result_fini(&result);
}

/* The energy is the weighted mean of the members' energies, of those that can tell. */
static void test_ensemble__energy_is_the_weighted_mean_of_its_members(void **state)
{
    struct lw_training_result result = full_fit();
    struct lw_ensemble *ensemble = result.ensemble;
    float *fresh = calloc(result.n_state, sizeof(float)), distances[LW_ENSEMBLE_MEMBERS_MAX];
    size_t n_untold = 0;

    (void)state;
    memcpy(fresh, result.states, lw_views_n_scale(train.n_dims) * sizeof(float));
    for (size_t i = 0; i < 50; i++) {
        const float *row = row_of(0, i);
        double energy, sum = 0.0, weights = 0.0;

        lw_ensemble_step(ensemble, &fresh, &row, 1, &energy, distances);
        for (size_t m = 0; m < ensemble->n_members; m++) {
            double one = lw_energy((double)distances[m], ensemble->members[m].median,
                                   ensemble->members[m].unit);

            n_untold += isnan(distances[m]) ? 1 : 0;
            sum += isnan(one) ? 0.0 : ensemble->members[m].weight * one;
            weights += isnan(one) ? 0.0 : ensemble->members[m].weight;
        }
        assert_true(fabs(energy - sum / weights) <= 1e-12 * energy);
    }
    assert_true(n_untold > 0 && n_untold < 100); /* Sequence members, on their first rows. */
    free(fresh);
    lw_training_result_fini(&result);
}

static void test_ensemble__a_row_of_nothing_changes_nothing(void **state)
{
    struct lw_training_result result = full_fit();
    float *before = calloc(result.n_state, sizeof(float)), *nothing, distances[64];
    const float *rows[2];
    float *states[2] = {result.states, result.states};
    double energies[2];

    (void)state;
    nothing = calloc(train.n_dims, sizeof(float));
    for (size_t i = 0; i < train.n_dims; i++) {
        nothing[i] = NAN;
    }
    rows[0] = rows[1] = nothing;
    memcpy(before, result.states, result.n_state * sizeof(float));
    lw_ensemble_step(result.ensemble, states, rows, 2, energies, distances);
    assert_true(isnan(energies[0]) && isnan(energies[1]));
    for (size_t m = 0; m < 2 * result.ensemble->n_members; m++) {
        assert_true(isnan(distances[m]));
    }
    assert_memory_equal(before, result.states, result.n_state * sizeof(float));
    rows[1] = row_of(0, 0); /* One that is known, behind one that is not. */
    lw_ensemble_step(result.ensemble, states, rows, 2, energies, NULL);
    assert_true(isnan(energies[0]) && isfinite(energies[1]));
    lw_ensemble_step(result.ensemble, states, rows, 0, energies, NULL); /* None: nothing. */
    free(nothing);
    free(before);
    lw_training_result_fini(&result);
}

static void test_ensemble__strange_values_give_finite_energies(void **state)
{
    static const float strange[] = {3e38f, -3e38f, INFINITY, -INFINITY, NAN, 0.0f, 1e-45f, 1.0f};
    struct lw_training_result result = full_fit();
    float *row = calloc(train.n_dims, sizeof(float)), *shares = calloc(train.n_dims, sizeof(float));

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        const float *rows = row;
        double energy;

        for (size_t k = 0; k < train.n_dims; k++) {
            row[k] = strange[(i * 13 + k * k) % 8];
        }
        lw_ensemble_step(result.ensemble, &result.states, &rows, 1, &energy, NULL);
        assert_true(isfinite(energy) && energy >= 0.0);
        lw_ensemble_attribute(result.ensemble, result.states, shares);
        for (size_t k = 0; k < train.n_dims; k++) {
            assert_true(isfinite(shares[k]) && shares[k] >= 0.0f);
        }
        for (size_t k = 0; k < result.n_state; k++) {
            assert_true(isfinite(result.states[k]));
        }
    }
    free(shares);
    free(row);
    lw_training_result_fini(&result);
}

/* One metric jumps, and it is the one that is named. */
static void test_ensemble__names_the_metric_at_fault(void **state)
{
    struct lw_training_result result = lw_test_ensemble_of("lean", "", &train);
    float *row = calloc(train.n_dims, sizeof(float)), *shares = calloc(train.n_dims, sizeof(float));
    const float *rows = row;
    double energy;

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        memcpy(row, train.values + (train.n_rows - 1) * train.n_dims, train.n_dims * sizeof(float));
        row[9] += i == 19 ? 0.5f : 0.0f;
        lw_ensemble_step(result.ensemble, &result.states, &rows, 1, &energy, NULL);
    }
    lw_ensemble_attribute(result.ensemble, result.states, shares);
    for (size_t k = 0; k < train.n_dims; k++) {
        assert_true(k == 9 || shares[k] < shares[9]);
    }
    free(shares);
    free(row);
    lw_training_result_fini(&result);
}

static void save(const struct lw_ensemble *ensemble, struct lw_writer *writer)
{
    lw_writer_init(writer);
    lw_ensemble_save(ensemble, writer);
    assert_int_equal(writer->status, LW_OK);
}

static enum lw_status load(const uint8_t *bytes, size_t n_bytes, struct lw_ensemble **ret_ensemble)
{
    struct lw_reader reader;
    enum lw_status status;

    lw_reader_init(&reader, bytes, n_bytes);
    status = lw_ensemble_load(&reader, ret_ensemble, &error);
    assert_true(status != LW_OK || lw_reader_left(&reader) == 0);
    return status;
}

static void test_ensemble__is_the_same_from_its_bytes(void **state)
{
    int64_t live = lw_test_mem_live();
    struct lw_training_result result = full_fit(), other;
    size_t n_members = result.ensemble->n_members, n = N_STEPS * N_ENTITIES;
    float *states = states_of(&result), *distances = calloc(2 * n * n_members, sizeof(float));
    double *energies = calloc(2 * n, sizeof(double));
    struct lw_writer writer, second;

    (void)state;
    other = result;
    other.ensemble = NULL;
    save(result.ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &other.ensemble), LW_OK);
    save(other.ensemble, &second);
    assert_int_equal(second.n_bytes, writer.n_bytes);
    assert_memory_equal(second.data, writer.data, writer.n_bytes);
    assert_int_equal(lw_ensemble_n_state(other.ensemble), result.n_state);
    assert_int_equal(lw_ensemble_n_columns(other.ensemble), train.n_dims);
    assert_int_equal(lw_ensemble_bytes(other.ensemble), lw_ensemble_bytes(result.ensemble));
    step_alone(&result, states, energies, distances);
    free(states);
    states = states_of(&other);
    step_alone(&other, states, energies + n, distances + n * n_members);
    assert_memory_equal(energies, energies + n, n * sizeof(double));
    assert_memory_equal(distances, distances + n * n_members, n * n_members * sizeof(float));
    lw_ensemble_destroy(other.ensemble);
    lw_writer_fini(&second);
    lw_writer_fini(&writer);
    free(energies);
    free(distances);
    free(states);
    lw_training_result_fini(&result);
    assert_int_equal(lw_test_mem_live(), live);
}

/* Cut anywhere, bytes are refused; flipped, they are refused or give an ensemble that works. */
static void test_ensemble__damaged_bytes_do_no_harm(void **state)
{
    struct lw_training_result result = full_fit();
    int64_t live = lw_test_mem_live();
    struct lw_writer writer;
    struct lw_rng rng;
    size_t n_refused = 0;

    (void)state;
    save(result.ensemble, &writer);
    for (size_t cut = 0; cut < writer.n_bytes; cut += writer.n_bytes / 300 + 1) {
        struct lw_ensemble *none = NULL;
        enum lw_status status = load(writer.data, cut, &none);

        assert_true(status == LW_EFORMAT || status == LW_ENOTFOUND);
        assert_null(none);
    }
    lw_rng_seed(&rng, 11);
    for (size_t i = 0; i < 300; i++) {
        struct lw_ensemble *flipped = NULL;
        /* One in two in the heads. */
        size_t at = (size_t)lw_rng_below(&rng, i % 2 == 0 ? writer.n_bytes : 64);
        uint8_t kept = writer.data[at];
        struct lw_reader reader;

        writer.data[at] ^= (uint8_t)(1u << lw_rng_below(&rng, 8));
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        if (lw_ensemble_load(&reader, &flipped, &error) == LW_OK) {
            float *fresh = calloc(lw_ensemble_n_state(flipped), sizeof(float));
            const float *row = row_of(0, i);
            double energy;

            assert_int_equal(lw_ensemble_n_columns(flipped), train.n_dims);
            lw_ensemble_step(flipped, &fresh, &row, 1, &energy, NULL);
            free(fresh);
        } else {
            assert_null(flipped);
            n_refused++;
        }
        lw_ensemble_destroy(flipped);
        writer.data[at] = kept;
    }
    assert_true(n_refused > 20);
    lw_writer_fini(&writer);
    assert_int_equal(lw_test_mem_live(), live);
    lw_training_result_fini(&result);
}

/* What no fit writes: weights of 0, an unknown class, a missing model, a newer version. */
static void test_ensemble__refuses_what_no_fit_writes(void **state)
{
    struct lw_training_result result = lw_test_ensemble_of("linear, knn", "", &train);
    struct lw_ensemble *ensemble = result.ensemble, *none = NULL;
    struct lw_member linear = ensemble->members[0];
    struct lw_writer writer;
    static const struct lw_model_class unknown = {.name = "unknown"};

    (void)state;
    ensemble->members[0].weight = ensemble->members[1].weight = 0.0;
    save(ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_EFORMAT);
    lw_writer_fini(&writer);
    ensemble->members[1].weight = 1.0;
    ensemble->members[0].view = LW_VIEW_RESIDUAL; /* The views' forecaster reads values. */
    save(ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_EFORMAT);
    lw_writer_fini(&writer);
    ensemble->members[0] = linear;
    ensemble->members[0].unit = 0.0;
    save(ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_EFORMAT);
    lw_writer_fini(&writer);
    ensemble->members[0] = linear;
    ensemble->members[0].class = &unknown;
    save(ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_ENOTFOUND);
    lw_writer_fini(&writer);
    ensemble->members[0] = linear;
    ensemble->members[0].class = ensemble->members[1].class; /* A knn without a model. */
    save(ensemble, &writer);
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_EFORMAT);
    lw_writer_fini(&writer);
    ensemble->members[0] = linear;
    save(ensemble, &writer);
    writer.data[0]++;
    assert_int_equal(load(writer.data, writer.n_bytes, &none), LW_EVERSION);
    lw_writer_fini(&writer);
    assert_null(none);
    lw_training_result_fini(&result);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ensemble__batches_of_any_size_give_the_bits_of_single_rows),
        cmocka_unit_test(test_ensemble__energy_is_the_weighted_mean_of_its_members),
        cmocka_unit_test(test_ensemble__a_row_of_nothing_changes_nothing),
        cmocka_unit_test(test_ensemble__strange_values_give_finite_energies),
        cmocka_unit_test(test_ensemble__names_the_metric_at_fault),
        cmocka_unit_test(test_ensemble__is_the_same_from_its_bytes),
        cmocka_unit_test(test_ensemble__damaged_bytes_do_no_harm),
        cmocka_unit_test(test_ensemble__refuses_what_no_fit_writes),
    };
    int failed;

    train = lw_test_server("train");
    test = lw_test_server("test");
    failed = LW_TEST_RUN(tests);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return failed;
}
