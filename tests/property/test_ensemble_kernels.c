/* An ensemble gives the same energies, distances and states bit for bit by every table of kernels,
 * and so does its training: on rows of a real server with holes. */
#include "support/ensemble.h"

#include "base/mem.h"
#include "math/kernels.h"

#define N_ROWS 400u

static const struct lw_kernels *chosen;

/* What the library gets, in place of the best table, which the link renames. */
const struct lw_kernels *__wrap_lw_kernels_best(void);

const struct lw_kernels *__wrap_lw_kernels_best(void)
{
    return chosen;
}

/* What is compared: the trained ensemble's bytes, and what it makes of the rows of the test part.
 */
struct outcome {
    struct lw_writer bytes;
    double energies[N_ROWS];
    float distances[N_ROWS * LW_ENSEMBLE_MEMBERS_MAX];
    float *states;
    size_t n_state;
};

static struct lw_test_table train, test;

/* Trained by one table of kernels and run by another. */
static void outcome_of(const struct lw_kernels *trainer, const struct lw_kernels *runner,
                       struct outcome *ret_outcome)
{
    struct lw_training_result result;

    chosen = trainer;
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    result = lw_test_ensemble_of("full", LW_TEST_QUICK, &train);
    lw_writer_init(&ret_outcome->bytes);
    lw_ensemble_save(result.ensemble, &ret_outcome->bytes);
    chosen = runner;
    for (size_t i = 0; i < N_ROWS; i += 25) {
        const float *rows[25];
        float *states[25];

        for (size_t k = 0; k < 25; k++) {
            rows[k] = test.values + (i + k + test.n_rows - N_ROWS) * test.n_dims;
            states[k] = result.states;
        }
        lw_ensemble_step(result.ensemble, states, rows, 25, ret_outcome->energies + i,
                         ret_outcome->distances + i * result.ensemble->n_members);
    }
    ret_outcome->states = result.states;
    ret_outcome->n_state = result.n_state;
    result.states = NULL;
    lw_training_result_fini(&result);
}

static void outcome_fini(struct outcome *outcome)
{
    lw_writer_fini(&outcome->bytes);
    lw_mem_free(outcome->states);
}

static void test_ensemble__all_tables_of_kernels_give_the_same_bits(void **state)
{
    static struct outcome plain, other;
    size_t n_tables;
    const struct lw_kernels *const *tables = lw_kernels_all(&n_tables);

    (void)state;
    outcome_of(tables[0], tables[0], &plain);
    assert_true(plain.energies[0] > 0.0);
    for (size_t t = 1; t < n_tables; t++) {
        for (size_t by_plain = 0; by_plain < 2; by_plain++) {
            outcome_of(tables[by_plain == 1 ? 0 : t], tables[t], &other);
            assert_int_equal(plain.bytes.n_bytes, other.bytes.n_bytes);
            assert_memory_equal(plain.bytes.data, other.bytes.data, plain.bytes.n_bytes);
            assert_memory_equal(plain.energies, other.energies, sizeof(plain.energies));
            assert_memory_equal(plain.distances, other.distances, sizeof(plain.distances));
            assert_memory_equal(plain.states, other.states, plain.n_state * sizeof(float));
            outcome_fini(&other);
        }
    }
    outcome_fini(&plain);
    printf("%zu tables compared\n", n_tables);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ensemble__all_tables_of_kernels_give_the_same_bits),
    };
    int failed;

    train = lw_test_server("train");
    test = lw_test_server("test");
    for (size_t i = 3; i < test.n_rows * test.n_dims; i += 17) {
        test.values[i] = NAN;
    }
    failed = LW_TEST_RUN(tests);
    lw_test_table_free(&train);
    lw_test_table_free(&test);
    return failed;
}
