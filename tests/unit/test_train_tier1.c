/* A fitted tier 1: it finds what the rows it saw were not like, the same from its bytes, and says
 * when it has too little to learn from. */
#include "support/mem_faulty.h"
#include "support/test.h"

#include "base/rng.h"
#include "train/tier1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_COLUMNS 4u
#define CAPACITY 256u

static float memory[CAPACITY * N_COLUMNS];
static struct lw_training_rows rows;
static struct lw_rng rng;

static int rows_init(void **state)
{
    (void)state;
    lw_rng_seed(&rng, 11);
    lw_training_rows_init(&rows, memory, CAPACITY, N_COLUMNS);
    return 0;
}

/* Four columns of which the second follows the first; the last is room not in use. */
static void row_draw(float *row)
{
    row[0] = (float)lw_rng_below(&rng, 1000) / 1000.0f;
    row[1] = row[0] + (float)lw_rng_below(&rng, 100) / 1000.0f;
    row[2] = (float)lw_rng_below(&rng, 1000) / 500.0f;
    row[3] = NAN;
}

static void offer(unsigned n, bool missing)
{
    float row[N_COLUMNS];

    for (unsigned i = 0; i < n; i++) {
        row_draw(row);
        for (uint32_t c = 0; missing && c < N_COLUMNS; c++) {
            row[c] = NAN;
        }
        lw_training_rows_offer(&rows, row);
    }
}

static enum lw_status fit(struct lw_tier1 **ret_tier1, struct lw_error *reterr)
{
    return lw_tier1_fit(lw_model_class_find("iforest"), &rows, 3, NULL, ret_tier1, reterr);
}

static void test_tier1__finds_a_row_unlike_all_it_saw(void **state)
{
    const float strange[N_COLUMNS] = {0.9f, -3.0f, 1.0f, NAN};
    float row[N_COLUMNS], shares[N_COLUMNS];
    struct lw_tier1 *tier1 = NULL;
    double energy, usual = 0.0;

    (void)state;
    offer(256, false);
    assert_int_equal(fit(&tier1, NULL), LW_OK);
    assert_int_equal(lw_tier1_n_columns(tier1), N_COLUMNS);
    for (unsigned i = 0; i < 100; i++) {
        row_draw(row);
        energy = lw_tier1_energy(tier1, row);
        assert_true(isfinite(energy) && energy >= 0.0);
        usual += energy / 100.0;
    }
    energy = lw_tier1_energy(tier1, strange);
    print_message("usual %g, strange %g\n", usual, energy);
    assert_true(energy > 1.3 * usual);
    lw_tier1_attribute(tier1, strange, shares);
    assert_true(shares[1] > shares[0] && shares[1] > shares[2]);
    assert_true(shares[3] == 0.0f);
    for (uint32_t c = 0; c < N_COLUMNS; c++) {
        row[c] = NAN;
    }
    assert_true(isnan(lw_tier1_energy(tier1, row)));
    lw_tier1_destroy(tier1);
}

static void test_tier1__is_the_same_from_its_bytes(void **state)
{
    struct lw_tier1 *tier1 = NULL, *again = NULL, *loaded = NULL;
    struct lw_writer writer, second;
    struct lw_reader reader;
    int64_t live = lw_test_mem_live();

    (void)state;
    offer(500, false); /* The store has thinned once. */
    assert_int_equal(fit(&tier1, NULL), LW_OK);
    assert_int_equal(fit(&again, NULL), LW_OK);
    lw_writer_init(&writer);
    lw_writer_init(&second);
    lw_tier1_save(tier1, &writer);
    lw_tier1_save(again, &second);
    assert_int_equal(writer.n_bytes, second.n_bytes);
    assert_memory_equal(writer.data, second.data, writer.n_bytes);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_tier1_load(&reader, &loaded, NULL), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    for (unsigned i = 0; i < 100; i++) {
        float row[N_COLUMNS];

        row_draw(row);
        assert_true(lw_tier1_energy(tier1, row) == lw_tier1_energy(loaded, row));
    }
    for (size_t cut = 0; cut < writer.n_bytes; cut += writer.n_bytes / 50 + 1) {
        struct lw_tier1 *none = NULL;

        lw_reader_init(&reader, writer.data, cut);
        assert_int_not_equal(lw_tier1_load(&reader, &none, NULL), LW_OK);
        assert_null(none);
    }
    lw_tier1_destroy(tier1);
    lw_tier1_destroy(again);
    lw_tier1_destroy(loaded);
    lw_writer_fini(&writer);
    lw_writer_fini(&second);
    assert_int_equal(lw_test_mem_live(), live);
}

static void test_tier1__learns_nothing_from_rows_of_which_nothing_is_known(void **state)
{
    struct lw_tier1 *tier1 = NULL;
    struct lw_error error = {0};

    (void)state;
    offer(LW_TIER1_ROWS_MIN - 1, false);
    assert_int_equal(fit(&tier1, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "63 rows"));
    offer(1, false);
    assert_int_equal(fit(&tier1, &error), LW_OK); /* Just enough, also to calibrate. */
    lw_tier1_destroy(tier1);
    tier1 = NULL;
    offer(100, true);
    assert_int_equal(fit(&tier1, &error), LW_EINVAL);
    assert_non_null(strstr(error.message, "0 rows to calibrate"));
    assert_null(tier1);
    offer(30, false);
    assert_int_equal(fit(&tier1, NULL), LW_OK);
    assert_true(isfinite(lw_calibration_level(lw_tier1_calibration(tier1), 1.0)));
    lw_tier1_destroy(tier1);
}

#define TEST(name) cmocka_unit_test_setup(name, rows_init)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_tier1__finds_a_row_unlike_all_it_saw),
        TEST(test_tier1__is_the_same_from_its_bytes),
        TEST(test_tier1__learns_nothing_from_rows_of_which_nothing_is_known),
    };

    return LW_TEST_RUN(tests);
}
