/* Rows kept for training against a slow reference: every row ever offered, thinned block by block
 * by the definition. */
#include "support/test.h"

#include "train/rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK LW_TRAINING_BLOCK
#define N_BLOCKS 5u
#define CAPACITY (N_BLOCKS * BLOCK)
#define STRIDE 2u

static float memory[CAPACITY * 8];
static uint64_t starts[N_BLOCKS];
static struct lw_training_rows rows;

static int rows_init(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    lw_training_rows_init(&rows, memory, starts, CAPACITY, STRIDE);
    return 0;
}

/* There is trouble in blocks 2, 3, 4, 12, 13 ... for 9 in all. */
static bool is_troubled(uint64_t block)
{
    return block % 10 >= 2 && block % 10 < 5;
}

static void offer(uint64_t i)
{
    const float row[STRIDE] = {(float)i, -(float)i};

    lw_training_rows_offer(&rows, row, is_troubled(i / BLOCK) && i % BLOCK == 40);
}

/* The kept blocks after n rows, by the definition: of blocks that count, every k-th, k the least
 * power of two that leaves room for one more. */
static size_t reference_blocks(uint64_t n, uint64_t *ret_blocks)
{
    uint64_t counted[64], n_counted = 0, n_troubled = 0, every = 1, n_kept = 0;

    for (uint64_t block = 0; block < n / BLOCK; block++) {
        if (!is_troubled(block) || n_troubled++ % LW_TRAINING_TAINTED_KEPT == 0) {
            counted[n_counted++] = block;
        }
    }
    while ((n_counted + every - 1) / every > N_BLOCKS - 1) {
        every *= 2;
    }
    for (uint64_t i = 0; i < n_counted; i += every) {
        ret_blocks[n_kept++] = counted[i];
    }
    if (n % BLOCK > 0) {
        ret_blocks[n_kept++] = n / BLOCK;
    }
    return n_kept;
}

static void check_reference(uint64_t n)
{
    uint64_t blocks[N_BLOCKS];
    size_t n_blocks = reference_blocks(n, blocks), runs[N_BLOCKS], n_runs, total = 0;

    assert_int_equal(rows.n_seen, n);
    assert_int_equal((rows.n_rows + BLOCK - 1) / BLOCK, n_blocks);
    for (uint32_t i = 0; i < rows.n_rows; i++) {
        uint64_t expected = blocks[i / BLOCK] * BLOCK + i % BLOCK;

        assert_true(rows.rows[i * rows.stride] == (float)expected);
        assert_true(rows.rows[i * rows.stride + 1] == -(float)expected);
    }
    n_runs = lw_training_rows_runs(&rows, runs);
    for (size_t run = 0; run < n_runs; run++) {
        for (size_t i = 1; i < runs[run]; i++) {
            const float *row = rows.rows + (total + i) * rows.stride;

            assert_true(row[0] == row[-(ptrdiff_t)rows.stride] + 1.0f);
        }
        total += runs[run];
        assert_true(total == rows.n_rows ||
                    rows.rows[total * rows.stride] != rows.rows[(total - 1) * rows.stride] + 1.0f);
    }
    assert_int_equal(total, rows.n_rows);
}

static void test_rows__keep_every_kth_block_in_order(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        check_reference(i);
        offer(i);
    }
    check_reference(3000);
}

static void test_rows__have_room_for_what_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(lw_training_rows_capacity(1), 3 * BLOCK);
    assert_int_equal(lw_training_rows_capacity(1024), 1024 + BLOCK);
    assert_int_equal(lw_training_rows_capacity(UINT64_C(1) << 40),
                     (LW_TRAINING_BLOCKS_MAX + 1) * BLOCK);
}

static void test_rows__take_new_columns_as_missing(void **state)
{
    static float wider[CAPACITY * 4];

    (void)state;
    for (uint64_t i = 0; i < 700; i++) {
        offer(i);
    }
    lw_training_rows_widen(&rows, wider, 4);
    check_reference(700);
    for (uint32_t i = 0; i < rows.n_rows; i++) {
        assert_true(isnan(wider[i * 4 + 2]) && isnan(wider[i * 4 + 3]));
    }
}

static void test_rows__go_on_after_save_and_load(void **state)
{
    static float other_memory[CAPACITY * STRIDE];
    uint64_t other_starts[N_BLOCKS];
    struct lw_training_rows other;
    struct lw_writer writer;
    struct lw_reader reader;
    struct lw_error error;

    (void)state;
    for (uint64_t i = 0; i < 777; i++) {
        offer(i);
    }
    lw_writer_init(&writer);
    lw_training_rows_save(&rows, &writer);
    lw_training_rows_init(&other, other_memory, other_starts, CAPACITY, STRIDE);
    lw_reader_init(&reader, writer.data, writer.n_bytes);
    assert_int_equal(lw_training_rows_load(&other, &reader, &error), LW_OK);
    assert_int_equal(lw_reader_left(&reader), 0);
    rows = other;
    check_reference(777);
    for (uint64_t i = 777; i < 1500; i++) {
        offer(i);
    }
    check_reference(1500);
    lw_writer_fini(&writer);
}

static void test_rows__refuse_damaged_bytes(void **state)
{
    struct lw_writer writer;
    struct lw_error error;

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        offer(i);
    }
    lw_writer_init(&writer);
    lw_training_rows_save(&rows, &writer);
    for (size_t n = 0; n < writer.n_bytes; n += 37) {
        struct lw_reader reader;

        lw_reader_init(&reader, writer.data, n);
        assert_int_equal(lw_training_rows_load(&rows, &reader, &error), LW_EFORMAT);
    }
    for (size_t at = 0; at < 12; at += 4) { /* capacity, stride, n_rows */
        struct lw_reader reader;

        writer.data[at + 3] ^= 0x80;
        lw_reader_init(&reader, writer.data, writer.n_bytes);
        assert_int_equal(lw_training_rows_load(&rows, &reader, &error), LW_EFORMAT);
        writer.data[at + 3] ^= 0x80;
    }
    lw_writer_fini(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rows__keep_every_kth_block_in_order, rows_init),
        cmocka_unit_test_setup(test_rows__have_room_for_what_is_wanted, rows_init),
        cmocka_unit_test_setup(test_rows__take_new_columns_as_missing, rows_init),
        cmocka_unit_test_setup(test_rows__go_on_after_save_and_load, rows_init),
        cmocka_unit_test_setup(test_rows__refuse_damaged_bytes, rows_init),
    };
    return LW_TEST_RUN(tests);
}
