/* Rows kept for training against a slow reference: every row ever offered, thinned by its
 * definition. */
#include "support/test.h"

#include "train/rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CAPACITY 16u
#define STRIDE 2u

static float memory[CAPACITY * 8];
static struct lw_training_rows rows;

static int rows_init(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    lw_training_rows_init(&rows, memory, CAPACITY, STRIDE);
    return 0;
}

static void offer(uint64_t i)
{
    const float row[STRIDE] = {(float)i, -(float)i};

    lw_training_rows_offer(&rows, row);
}

/* Of n rows every k-th is kept, k the least power of two that leaves no more than fit. */
static void check_reference(uint64_t n)
{
    uint64_t k = 1;

    while ((n + k - 1) / k > CAPACITY) {
        k *= 2;
    }
    assert_int_equal(rows.every, k);
    assert_int_equal(rows.n_seen, n);
    assert_int_equal(rows.n_rows, (n + k - 1) / k);
    for (uint32_t i = 0; i < rows.n_rows; i++) {
        assert_true(rows.rows[i * rows.stride] == (float)(i * k));
        assert_true(rows.rows[i * rows.stride + 1] == -(float)(i * k));
    }
}

static void test_rows__keep_every_kth_in_order(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        check_reference(i);
        offer(i);
    }
    check_reference(1000);
}

static void test_rows__take_new_columns_as_missing(void **state)
{
    float wider[CAPACITY * 4];

    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        offer(i);
    }
    lw_training_rows_widen(&rows, wider, 4);
    check_reference(40);
    for (uint32_t i = 0; i < rows.n_rows; i++) {
        assert_true(isnan(wider[i * 4 + 2]) && isnan(wider[i * 4 + 3]));
    }
}

static void test_rows__go_on_after_save_and_load(void **state)
{
    float other_memory[CAPACITY * STRIDE];
    struct lw_training_rows other;
    struct lw_writer writer;
    struct lw_reader reader;

    (void)state;
    for (uint64_t i = 0; i < 77; i++) {
        offer(i);
    }
    lw_writer_init(&writer);
    lw_training_rows_save(&rows, &writer);
    lw_training_rows_init(&other, other_memory, CAPACITY, STRIDE);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_training_rows_load(&other, &reader, NULL), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    rows = other;
    for (uint64_t i = 77; i < 300; i++) {
        offer(i);
    }
    check_reference(300);
    lw_writer_fini(&writer);
}

static void test_rows__refuse_bytes_that_do_not_fit(void **state)
{
    struct lw_writer writer;
    size_t n_refused = 0;

    (void)state;
    for (uint64_t i = 0; i < 77; i++) {
        offer(i);
    }
    lw_writer_init(&writer);
    lw_training_rows_save(&rows, &writer);
    for (size_t at = 0; at < 24; at++) { /* The head: capacity, stride, rows, every, seen. */
        struct lw_training_rows other;
        struct lw_reader reader;
        float other_memory[CAPACITY * STRIDE];

        writer.data[at] ^= 0x41;
        lw_training_rows_init(&other, other_memory, CAPACITY, STRIDE);
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        if (lw_training_rows_load(&other, &reader, NULL) == LW_EFORMAT) {
            assert_int_equal(other.n_rows, 0);
            n_refused++;
        }
        writer.data[at] ^= 0x41;
        lw_reader_init(&reader, writer.data, at);
        assert_int_equal(lw_training_rows_load(&other, &reader, NULL), LW_EFORMAT);
    }
    assert_int_equal(n_refused, 24);
    lw_writer_fini(&writer);
}

#define TEST(name) cmocka_unit_test_setup(name, rows_init)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_rows__keep_every_kth_in_order),
        TEST(test_rows__take_new_columns_as_missing),
        TEST(test_rows__go_on_after_save_and_load),
        TEST(test_rows__refuse_bytes_that_do_not_fit),
    };

    return LW_TEST_RUN(tests);
}
