/* Memory of entities: aligned, cleared, reused, and given back with everything that lives in it. */
#include "support/mem_faulty.h"
#include "support/operator.h"

#include "engine/operator/pool.h"

static struct lw_pool *pool;
static int64_t live;

static int pool_open(void **state)
{
    (void)state;
    live = lw_test_mem_live();
    return lw_pool_create(&pool, NULL) != LW_OK;
}

static int pool_close(void **state)
{
    (void)state;
    lw_pool_destroy(pool);
    return lw_test_mem_live() != live;
}

static void test_pool__gives_cleared_lines_again(void **state)
{
    static const size_t SIZES[] = {1, 63, 64, 65, 1000, 8191, 8192, 8193, 100000, 3000000};
    size_t held = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
            uint8_t *block = lw_pool_take(pool, SIZES[i]);

            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 64, 0);
            for (size_t at = 0; at < SIZES[i]; at++) {
                assert_int_equal(block[at], 0);
            }
            memset(block, 0xA5, SIZES[i]);
            lw_pool_give(pool, block, SIZES[i]);
        }
        assert_true(round == 0 || lw_pool_bytes(pool) == held);
        held = lw_pool_bytes(pool);
    }
    lw_pool_give(pool, NULL, 64);
    assert_null(lw_pool_take(pool, SIZE_MAX - 10));
}

static void test_pool__unmaps_large_blocks_in_any_order(void **state)
{
    void *blocks[9];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        blocks[i] = lw_pool_take(pool, 20000);
        assert_non_null(blocks[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        lw_pool_give(pool, blocks[(i * 4) % 9], 20000);
    }
    assert_int_equal(lw_pool_bytes(pool), 0);
}

static void test_pool__keeps_equal_texts_once(void **state)
{
    const char *first = lw_pool_text(pool, "node_load1");
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof(text), "metric_%u", i);
        assert_string_equal(lw_pool_text(pool, text), text);
    }
    assert_ptr_equal(lw_pool_text(pool, "node_load1"), first);
    assert_string_equal(first, "node_load1");
    assert_string_equal(lw_pool_text(pool, ""), "");
}

static void test_pool__answers_when_there_is_no_memory(void **state)
{
    (void)state;
    lw_test_mem_fail_at(1);
    assert_null(lw_pool_take(pool, 64));
    lw_test_mem_fail_at(1);
    assert_null(lw_pool_take(pool, 20000));
    lw_test_mem_fail_at(1);
    assert_null(lw_pool_text(pool, "x"));
    lw_test_mem_fail_at(0);
    assert_non_null(lw_pool_take(pool, 64));
}

/* Entities own what is no pool's: their detector and a model. The pool ends them. */
static void test_pool__ends_the_entities_in_it(void **state)
{
    static const char *const OPTIONS[] = {
        "step", "row", "train_after", "64", "models", "linear, knn, iforest", NULL};
    struct lw_spec *spec = NULL;
    struct lw_detector *detector = NULL;
    struct lw_entity *entities[3];

    (void)state;
    assert_int_equal(lw_spec_create(&spec, NULL), LW_OK);
    lw_test_spec_fill(spec, OPTIONS);
    assert_int_equal(lw_detector_create(spec, "d", &detector, NULL), LW_OK);
    lw_spec_destroy(spec);
    for (unsigned e = 0; e < 3; e++) {
        uint32_t a, b;

        assert_int_equal(lw_entity_create(pool, detector, "e", &entities[e], NULL), LW_OK);
        assert_int_equal(lw_entity_series(entities[e], "a", "a", &a, NULL), LW_OK);
        assert_int_equal(lw_entity_series(entities[e], "b", "b", &b, NULL), LW_OK);
        for (int64_t i = 0; i < 1500; i++) {
            const struct lw_sample row[2] = {{a, i, (double)(i * 7 % 31)},
                                             {b, i, (double)(i % 13)}};

            lw_observe(entities[e], row, 2, 0, NULL);
        }
    }
    lw_detector_release(detector); /* The entities own it now. */
    lw_entity_destroy(entities[1]);
} /* pool_close() finds all of it gone. */

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_open, pool_close)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_pool__gives_cleared_lines_again),
        TEST(test_pool__unmaps_large_blocks_in_any_order),
        TEST(test_pool__keeps_equal_texts_once),
        TEST(test_pool__answers_when_there_is_no_memory),
        TEST(test_pool__ends_the_entities_in_it),
    };

    return LW_TEST_RUN(tests);
}
